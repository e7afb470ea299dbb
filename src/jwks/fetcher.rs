//! Keeps the keys of one issuer fresh: one fetch at a time, never in the way of a token whose key is known.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use http::Uri;
use tokio::runtime::Handle;

use super::KeysAtHand;
use super::fetch::{self, FetchedKeys};
use super::key_set::JwkSet;
use super::remote::{LONGEST_AGE, MIN_AGE, RemoteJwks};
use crate::clock::Clock;
use crate::deadline::within;
use crate::discovery::Issuer;
use crate::error::{VerifyError, VerifyErrorKind};
use crate::freshness::MAX_RETRY_AFTER;
use crate::log::{Causes, Escaped, TARGET};
use crate::sync::{AtomicU64, RwLock, RwLockReadGuard, RwLockWriteGuard, watch};

const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const MAX_BACKOFF: Duration = Duration::from_secs(60);
/// How much longer than its time limit a fetch is waited for.
const GRACE: Duration = Duration::from_secs(1);
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
    flight: Option<Running>,
    flights: u64,
    discovered: Option<Discovered>,
}

/// A fetch that others can wait for.
#[derive(Clone, Debug)]
struct Running {
    number: u64,
    started_at: Instant,
    outcome: watch::Receiver<Outcome>,
}

/// An address that the issuer vouched for.
#[derive(Clone, Debug)]
struct Discovered {
    uri: Uri,
    found_at: Instant,
    // The last fetch from it failed: the keys may have moved.
    doubtful: bool,
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
        let due =
            set.is_some() && state.running(now, &self.inner.settings).is_none() && state.refresh_is_due(now);
        drop(state);
        if due && let Ok(runtime) = Handle::try_current() {
            drop(self.join(now, &runtime, |state| state.refresh_is_due(now)));
        }
        KeysAtHand { set, seen_at: Some(now) }
    }

    /// Whether waiting for a fetch can help a token whose key is not among those at hand.
    pub(crate) fn may_help(&self, missed: &KeysAtHand) -> Result<(), VerifyError> {
        let now = missed.seen_at.unwrap_or_else(|| self.inner.clock.instant());
        let missed = missed.set.as_ref();
        let state = self.inner.read();
        let settings = &self.inner.settings;
        if state.running(now, settings).is_some() || state.is_newer_than(missed, now, settings) {
            return Ok(());
        }
        state.fetch_is_allowed(now, settings)
    }

    /// The rejection of a token whose key is not among fresh keys, with the time after which they may be others.
    pub(crate) fn not_found(&self, missed: &KeysAtHand) -> VerifyError {
        let cooling =
            self.may_help(missed).err().filter(|error| error.kind() == VerifyErrorKind::KeyNotFound);
        let over = || VerifyError::rejected(VerifyErrorKind::KeyNotFound).retry_after(Duration::ZERO);
        cooling.unwrap_or_else(over)
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
            Ok(runtime) => self.join(now, &runtime, wanted),
            Err(_) => match self.open(now, wanted) {
                Some((Some(own), flight)) => {
                    self.run(own).await;
                    Some(flight)
                }
                other => other.map(|(_, flight)| flight),
            },
        };
        match (flight, refused) {
            (Some(flight), _) => self.outcome(flight).await,
            (None, Some(error)) => Err(error),
            (None, None) => Ok(()),
        }
    }

    /// Joins the fetch that runs, or starts one in a task of its own if it is wanted: a caller who goes away takes
    /// nothing with it.
    fn join(
        &self,
        now: Instant,
        runtime: &Handle,
        wanted: impl FnOnce(&State) -> bool,
    ) -> Option<watch::Receiver<Outcome>> {
        let (own, flight) = self.open(now, wanted)?;
        if let Some(own) = own {
            let fetcher = self.clone();
            runtime.spawn(async move { fetcher.run(own).await });
        }
        Some(flight)
    }

    fn open(
        &self,
        now: Instant,
        wanted: impl FnOnce(&State) -> bool,
    ) -> Option<(Option<Flight>, watch::Receiver<Outcome>)> {
        let mut state = self.inner.write();
        if let Some(running) = state.running(now, &self.inner.settings) {
            return Some((None, running.outcome.clone()));
        }
        if !wanted(&state) {
            return None;
        }
        let (sender, outcome) = watch::channel(None);
        state.flights += 1;
        let number = state.flights;
        state.flight = Some(Running { number, started_at: now, outcome: outcome.clone() });
        Some((Some(Flight { inner: Arc::clone(&self.inner), number, sender, result: None }), outcome))
    }

    async fn run(&self, mut flight: Flight) {
        let fetched = within(self.inner.settings.timeout, self.inner.fetch()).await;
        let late = || Err(VerifyError::unavailable("no keys within the time limit"));
        flight.result = Some(fetched.unwrap_or_else(late));
    }

    /// Waits until a flight has ended, and no longer than it may take: the runtime that it is in may stand still.
    async fn outcome(&self, mut flight: watch::Receiver<Outcome>) -> Result<(), VerifyError> {
        let lost = || Err(VerifyError::unavailable("the fetch of the keys does not end"));
        match within(self.inner.settings.timeout + GRACE, flight.wait_for(Option::is_some)).await {
            Some(Ok(outcome)) => outcome.clone().unwrap_or_else(lost),
            Some(Err(_)) | None => lost(),
        }
    }
}

/// A running fetch. However it ends, by an answer, a panic or the end of the runtime, its end is written down.
struct Flight {
    inner: Arc<Inner>,
    number: u64,
    sender: watch::Sender<Outcome>,
    result: Option<Result<FetchedKeys, VerifyError>>,
}

impl Drop for Flight {
    fn drop(&mut self) {
        let lost = || Err(VerifyError::unavailable("the fetch of the keys ended early"));
        let outcome = self.inner.finish(self.number, self.result.take().unwrap_or_else(lost));
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
        fetch::fetch(&self.issuer, &uri, now).await
    }

    /// The address of the keys. One that was found earlier serves if the metadata cannot be had now.
    async fn address(&self) -> Result<Uri, VerifyError> {
        let now = self.clock.instant();
        let known = self.read().discovered.clone();
        let fresh = |known: &&Discovered| {
            !known.doubtful && now.saturating_duration_since(known.found_at) < ADDRESS_MAX_AGE
        };
        if let Some(known) = known.as_ref().filter(fresh) {
            return Ok(known.uri.clone());
        }
        // Time has to be left for the keys, if there is another way to them.
        let limit = self.settings.timeout / if known.is_some() { 2 } else { 1 };
        let late = || Err(VerifyError::unavailable("no metadata within the time limit"));
        let found =
            within(limit, self.issuer.discover("jwks_uri", self.clock.now())).await.unwrap_or_else(late);
        match (found, known) {
            (Ok(uri), _) => {
                self.write().discovered =
                    Some(Discovered { uri: uri.clone(), found_at: now, doubtful: false });
                Ok(uri)
            }
            (Err(_), Some(known)) => Ok(known.uri),
            (Err(error), None) => Err(error),
        }
    }

    fn finish(&self, number: u64, result: Result<FetchedKeys, VerifyError>) -> Result<(), VerifyError> {
        let now = self.clock.instant();
        let mut state = self.write();
        if state.flight.as_ref().is_none_or(|running| running.number != number) {
            // Given up on, and overtaken: what it brings is older than what is there.
            return result.map(drop);
        }
        state.flight = None;
        // What makes good keys useless is a fault of the issuer; without any, tokens are refused by what there is.
        let useless = |fetched: &FetchedKeys| state.keys.is_some() && !fetched.set.is_usable();
        let result = match result {
            Ok(fetched) if useless(&fetched) => {
                Err(VerifyError::unavailable("no key of the answer can be used"))
            }
            result => result,
        };
        match result {
            Ok(fetched) => {
                let lost = state.keys.as_ref().is_some_and(|keys| keys.set.lost_a_key(&fetched.set));
                self.generation.fetch_add(u64::from(lost), Ordering::AcqRel);
                state.keys = Some(self.keys(fetched, now));
                state.failure = None;
                drop(state);
                tracing::debug!(target: TARGET, issuer = %Escaped(&self.issuer.issuer), "fetched the keys");
                Ok(())
            }
            Err(error) => {
                let wait = state.fail(now, error.retry_delay());
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
    /// The fetch that runs. One that should have ended long ago does not count: its runtime stands still, or is gone.
    fn running(&self, now: Instant, settings: &RemoteJwks) -> Option<&Running> {
        let alive = |running: &&Running| {
            let age = now.saturating_duration_since(running.started_at);
            age < settings.timeout + GRACE && running.outcome.has_changed().is_ok()
        };
        self.flight.as_ref().filter(alive)
    }

    /// Notes a failed fetch. Returns how long to wait before the next one.
    fn fail(&mut self, now: Instant, asked_to_wait: Option<Duration>) -> Duration {
        let count = self.failure.as_ref().map_or(0, |failure| failure.count).saturating_add(1);
        let backoff = FIRST_BACKOFF.saturating_mul(2_u32.saturating_pow(count - 1)).min(MAX_BACKOFF);
        let wait = asked_to_wait.unwrap_or_default().clamp(backoff, MAX_RETRY_AFTER);
        self.failure = Some(Failure { next_attempt: now + wait, count });
        self.discovered.iter_mut().for_each(|discovered| discovered.doubtful = true);
        wait
    }

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
        let since = |keys: &Keys| now.saturating_duration_since(keys.fetched_at);
        let wait =
            self.keys.as_ref().map_or(Duration::ZERO, |keys| settings.cooldown.saturating_sub(since(keys)));
        // Whoever remembers this may do so until the issuer can be asked again.
        let unknown = || VerifyError::rejected(VerifyErrorKind::KeyNotFound).retry_after(wait);
        if wait.is_zero() { Ok(()) } else { Err(unknown()) }
    }
}
