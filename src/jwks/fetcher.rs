//! Keeps the keys of one issuer fresh: one fetch at a time, never in the way of a token whose key is known.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use http::Uri;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::KeysAtHand;
use super::discovery::{FetchedKeys, Issuer};
use super::freshness::MAX_RETRY_AFTER;
use super::key_set::JwkSet;
use super::remote::{LONGEST_AGE, MIN_AGE, RemoteJwks};
use crate::clock::Clock;
use crate::error::{VerifyError, VerifyErrorKind};
use crate::log::{Causes, Escaped, TARGET};

const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const MAX_BACKOFF: Duration = Duration::from_secs(60);
/// How long a discovered address is used before it is looked up again.
const ADDRESS_MAX_AGE: Duration = LONGEST_AGE;

/// What a finished fetch tells those who wait for it. None: not finished.
type Outcome = Option<Result<(), VerifyError>>;

/// The keys of an issuer and the fetching of them. Clones share both.
#[derive(Clone, Debug)]
pub(crate) struct KeyFetcher {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    issuer: Issuer,
    settings: RemoteJwks,
    configured_uri: Option<Uri>,
    clock: Arc<dyn Clock>,
    generation: AtomicU64,
    // Held for a look or an assignment, never across a fetch.
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    keys: Option<Keys>,
    // Present while the last fetch is one that failed.
    failure: Option<Failure>,
    // Present while a fetch runs.
    flight: Option<watch::Receiver<Outcome>>,
    discovered_uri: Option<(Uri, Instant)>,
}

#[derive(Clone, Debug)]
struct Keys {
    set: Arc<JwkSet>,
    fetched_at: Instant,
    refresh_after: Duration,
}

#[derive(Clone, Debug)]
struct Failure {
    next_attempt: Instant,
    count: u32,
}

impl KeyFetcher {
    pub(crate) fn new(issuer: Issuer, settings: RemoteJwks, uri: Option<Uri>, clock: Arc<dyn Clock>) -> Self {
        let state = RwLock::new(State::default());
        let generation = AtomicU64::new(0);
        Self { inner: Arc::new(Inner { issuer, settings, configured_uri: uri, clock, generation, state }) }
    }

    pub(crate) fn generation(&self) -> u64 {
        self.inner.generation.load(Ordering::Acquire)
    }

    /// The keys at hand, unless they are too old. Starts a refresh in the background when it is time.
    pub(crate) fn at_hand(&self) -> KeysAtHand {
        let now = self.inner.clock.instant();
        let state = self.inner.read();
        let set = state.usable_keys(now, &self.inner.settings).map(|keys| Arc::clone(&keys.set));
        let due = set.is_some() && state.flight.is_none() && state.refresh_is_due(now);
        drop(state);
        if due && let Ok(runtime) = Handle::try_current() {
            drop(self.join(&runtime, |state| state.refresh_is_due(now)));
        }
        KeysAtHand { set, seen_at: Some(now) }
    }

    /// Whether waiting for a fetch can help a token whose key is not among those at hand.
    pub(crate) fn may_help(&self, missed: &KeysAtHand) -> Result<(), VerifyError> {
        let now = missed.seen_at.unwrap_or_else(|| self.inner.clock.instant());
        let missed = missed.set.as_ref();
        let state = self.inner.read();
        let settings = &self.inner.settings;
        if state.flight.is_some() || state.is_newer_than(missed, now, settings) {
            return Ok(());
        }
        state.fetch_is_allowed(now, settings)
    }

    /// Waits for newer keys than the given ones: for the fetch that runs, or for a new one.
    pub(crate) async fn fetch(&self, missed: &KeysAtHand) -> Result<(), VerifyError> {
        let now = self.inner.clock.instant();
        let missed = missed.set.as_ref();
        let settings = &self.inner.settings;
        let mut refused = None;
        let wanted = |state: &State| {
            // Second look, now that nobody else can start one.
            if state.is_newer_than(missed, now, settings) {
                return false;
            }
            refused = state.fetch_is_allowed(now, settings).err();
            refused.is_none()
        };
        let flight = match Handle::try_current() {
            Ok(runtime) => self.join(&runtime, wanted),
            Err(_) => match self.open(wanted) {
                Some((Some(own), flight)) => {
                    self.run(own).await;
                    Some(flight)
                }
                other => other.map(|(_, flight)| flight),
            },
        };
        match (flight, refused) {
            (Some(flight), _) => outcome(flight).await,
            (None, Some(error)) => Err(error),
            (None, None) => Ok(()),
        }
    }

    /// Joins the fetch that runs, or starts one in a task of its own if it is wanted: a caller who goes away takes
    /// nothing with it.
    fn join(
        &self,
        runtime: &Handle,
        wanted: impl FnOnce(&State) -> bool,
    ) -> Option<watch::Receiver<Outcome>> {
        let (own, flight) = self.open(wanted)?;
        if let Some(own) = own {
            let fetcher = self.clone();
            runtime.spawn(async move { fetcher.run(own).await });
        }
        Some(flight)
    }

    fn open(
        &self,
        wanted: impl FnOnce(&State) -> bool,
    ) -> Option<(Option<Flight>, watch::Receiver<Outcome>)> {
        let mut state = self.inner.write();
        if let Some(flight) = &state.flight {
            return Some((None, flight.clone()));
        }
        if !wanted(&state) {
            return None;
        }
        let (sender, receiver) = watch::channel(None);
        state.flight = Some(receiver.clone());
        let flight = Flight { inner: Arc::clone(&self.inner), sender, result: None };
        Some((Some(flight), receiver))
    }

    async fn run(&self, mut flight: Flight) {
        let fetch = self.inner.fetch();
        let timeout = self.inner.settings.timeout;
        let late = |_| Err(VerifyError::unavailable("no keys within the time limit"));
        flight.result = Some(match Handle::try_current() {
            Ok(_) => tokio::time::timeout(timeout, fetch).await.unwrap_or_else(late),
            // Without a runtime there is no timer; the client has the limit too.
            Err(_) => fetch.await,
        });
    }
}

/// Waits until a flight has ended.
async fn outcome(mut flight: watch::Receiver<Outcome>) -> Result<(), VerifyError> {
    let ended = flight.wait_for(Option::is_some).await;
    let lost = || Err(VerifyError::unavailable("the fetch of the keys ended early"));
    ended.map_or_else(|_| lost(), |outcome| outcome.clone().unwrap_or_else(lost))
}

/// A running fetch. However it ends, by an answer, a panic or the end of the runtime, its end is written down.
struct Flight {
    inner: Arc<Inner>,
    sender: watch::Sender<Outcome>,
    result: Option<Result<FetchedKeys, VerifyError>>,
}

impl Drop for Flight {
    fn drop(&mut self) {
        let lost = || Err(VerifyError::unavailable("the fetch of the keys ended early"));
        let outcome = self.inner.finish(self.result.take().unwrap_or_else(lost));
        self.sender.send_replace(Some(outcome));
    }
}

impl Inner {
    async fn fetch(&self) -> Result<FetchedKeys, VerifyError> {
        let now = self.clock.now();
        let uri = match &self.configured_uri {
            Some(uri) => uri.clone(),
            None => self.address().await?,
        };
        self.issuer.keys(&uri, now).await
    }

    async fn address(&self) -> Result<Uri, VerifyError> {
        let now = self.clock.instant();
        if let Some((uri, found_at)) = &self.read().discovered_uri
            && now.saturating_duration_since(*found_at) < ADDRESS_MAX_AGE
        {
            return Ok(uri.clone());
        }
        let uri = self.issuer.discover(self.clock.now()).await?;
        self.write().discovered_uri = Some((uri.clone(), now));
        Ok(uri)
    }

    fn finish(&self, result: Result<FetchedKeys, VerifyError>) -> Result<(), VerifyError> {
        let now = self.clock.instant();
        let mut state = self.write();
        state.flight = None;
        match result {
            Ok(fetched) => {
                let lost = state.keys.as_ref().is_some_and(|keys| keys.set.lost_a_key(&fetched.set));
                state.keys = Some(self.keys(fetched, now));
                state.failure = None;
                drop(state);
                self.generation.fetch_add(u64::from(lost), Ordering::AcqRel);
                tracing::debug!(target: TARGET, issuer = %Escaped(&self.issuer.issuer), "fetched the keys");
                Ok(())
            }
            Err(error) => {
                let count = state.failure.as_ref().map_or(0, |failure| failure.count).saturating_add(1);
                let backoff = FIRST_BACKOFF.saturating_mul(2_u32.saturating_pow(count - 1)).min(MAX_BACKOFF);
                let wait = error.retry_delay().unwrap_or_default().clamp(backoff, MAX_RETRY_AFTER);
                state.failure = Some(Failure { next_attempt: now + wait, count });
                // The keys may have moved.
                state.discovered_uri = None;
                let kept = state.keys.is_some();
                drop(state);
                tracing::warn!(
                    target: TARGET,
                    issuer = %Escaped(&self.issuer.issuer),
                    cause = %Causes(&error),
                    keys_kept = kept,
                    "could not fetch the keys",
                );
                Err(error.retry_after(wait))
            }
        }
    }

    fn keys(&self, fetched: FetchedKeys, now: Instant) -> Keys {
        let age = fetched.max_age.map_or(self.settings.max_age, |age| age.clamp(MIN_AGE, LONGEST_AGE));
        // Early enough to try several times before the keys are too old.
        let refresh_after = age.min(self.settings.max_stale / 2);
        Keys { set: Arc::new(fetched.set), fetched_at: now, refresh_after }
    }

    // A panic while the lock is held cannot leave a state half written: each one is assigned at once.
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn usable_keys(&self, now: Instant, settings: &RemoteJwks) -> Option<&Keys> {
        let fresh = |keys: &&Keys| now.saturating_duration_since(keys.fetched_at) < settings.max_stale;
        self.keys.as_ref().filter(fresh)
    }

    /// Whether there are usable keys other than those that were found wanting.
    fn is_newer_than(&self, missed: Option<&Arc<JwkSet>>, now: Instant, settings: &RemoteJwks) -> bool {
        let other = |keys: &Keys| missed.is_none_or(|missed| !Arc::ptr_eq(&keys.set, missed));
        self.usable_keys(now, settings).is_some_and(other)
    }

    fn refresh_is_due(&self, now: Instant) -> bool {
        let old = |keys: &Keys| now.saturating_duration_since(keys.fetched_at) >= keys.refresh_after;
        let allowed = self.failure.as_ref().is_none_or(|failure| now >= failure.next_attempt);
        allowed && self.keys.as_ref().is_some_and(old)
    }

    /// For a token whose key is not at hand: not during the back-off after a failure, else not during the cool-down.
    fn fetch_is_allowed(&self, now: Instant, settings: &RemoteJwks) -> Result<(), VerifyError> {
        if let Some(failure) = &self.failure {
            let wait = failure.next_attempt.saturating_duration_since(now);
            let waiting = || VerifyError::unavailable("the last fetch of the keys failed").retry_after(wait);
            return if wait.is_zero() { Ok(()) } else { Err(waiting()) };
        }
        let cooling = |keys: &Keys| now.saturating_duration_since(keys.fetched_at) < settings.cooldown;
        if self.keys.as_ref().is_some_and(cooling) {
            return Err(VerifyError::rejected(VerifyErrorKind::KeyNotFound));
        }
        Ok(())
    }
}
