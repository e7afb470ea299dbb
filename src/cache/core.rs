//! What the clones of a cache and its handles share, whatever the verifier is.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Handle;

use super::bounds::Bounds;
use super::counters::{Counters, Event};
use super::digest::{Digester, TokenDigest};
use super::entry::{Moment, Origin, is_definitive};
use super::flights::{Flight, Flights, Landing, Stamp, Waiter};
use super::limit::{Limit, Place};
use super::memory::{Memory, StandIn};
use crate::access_token::Principal;
use crate::bearer_token::BearerToken;
use crate::caught::caught;
use crate::clock::Clock;
use crate::deadline::within;
use crate::error::{VerifyError, VerifyErrorKind};
use crate::verifier::Verdict;

/// How much longer than its limits a flight is waited for.
const GRACE: Duration = Duration::from_secs(1);

/// What a cache was set up with.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) name: Arc<str>,
    pub(super) bounds: Bounds,
    pub(super) timeout: Duration,
    pub(super) max_upstream_calls: usize,
    pub(super) max_wait: Duration,
    pub(super) max_waiting: usize,
    pub(super) clock: Arc<dyn Clock>,
}

pub(super) struct Core {
    pub(super) memory: Memory,
    pub(super) flights: Arc<Flights<Verdict>>,
    pub(super) limit: Limit,
    pub(super) counters: Arc<Counters>,
    pub(super) clock: Arc<dyn Clock>,
    digester: Digester,
    timeout: Duration,
    pub(super) lifetime: Duration,
}

/// What is to be said of a token.
pub(super) struct Settled {
    pub(super) answer: Verdict,
    is_stale: bool,
    // Kept until no lock is held: its cause was written by somebody else.
    #[expect(dead_code, reason = "it is there to be dropped late")]
    displaced: Option<Verdict>,
}

impl Core {
    pub(super) fn new(settings: Settings) -> Self {
        let counters = Arc::new(Counters::new(settings.name));
        let lifetime = settings.timeout + settings.max_wait + GRACE;
        Self {
            memory: Memory::new(settings.bounds, &counters, settings.clock.instant()),
            flights: Arc::new(Flights::new(lifetime)),
            limit: Limit::new(
                settings.max_upstream_calls,
                settings.max_waiting,
                settings.max_wait,
                settings.timeout,
            ),
            counters,
            clock: settings.clock,
            digester: Digester::new(),
            timeout: settings.timeout,
            lifetime,
        }
    }

    #[inline]
    pub(super) fn digest(&self, token: &BearerToken) -> TokenDigest {
        self.digester.digest(token.as_bytes())
    }

    pub(super) fn moment(&self) -> Moment {
        Moment { wall: self.clock.now(), instant: self.clock.instant() }
    }

    /// Waits for a place among the upstream calls. None: nobody is left who wants to know.
    pub(super) async fn turn(
        &self,
        mut flight: Flight<Verdict>,
        is_known: bool,
    ) -> Option<(Option<Place>, Flight<Verdict>)> {
        let mut place = pin!(self.limit.place(is_known));
        loop {
            match unless(place.as_mut(), flight.abandoned()).await {
                Some(place) => return Some((place, flight)),
                None => match flight.leave_if_abandoned() {
                    Ok(()) => return None,
                    Err(joined) => flight = joined,
                },
            }
        }
    }

    /// Asks a verifier, for no longer than a flight may take, whatever happens in there.
    pub(super) async fn ask(&self, verification: impl Future<Output = Verdict>) -> Verdict {
        let verdict = match caught(within(self.timeout, verification)).await {
            Some(Some(verdict)) => verdict,
            Some(None) => Err(VerifyError::unavailable("the verification took too long")),
            None => Err(VerifyError::misconfigured("the verifier panicked")),
        };
        self.limit.note(!verdict.as_ref().is_err_and(|error| error.kind() == VerifyErrorKind::Unavailable));
        verdict
    }

    /// Waits for the end of a flight. None: it does not end.
    pub(super) async fn landing(&self, waiter: Waiter<Verdict>) -> Option<Landing<Verdict>> {
        within(self.lifetime, waiter.landing()).await
    }

    /// Drops now and then what no longer counts, where it is in nobody's way.
    pub(super) fn sweep(self: &Arc<Self>, now: Moment, generation: u64) {
        if !self.memory.sweep_is_due(now.instant) {
            return;
        }
        let core = Arc::clone(self);
        let sweep = move || core.memory.sweep(now, generation);
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(sweep)),
            Err(_) => sweep(),
        }
    }

    /// Tells who listens what has happened under a lock. None is held now.
    pub(super) fn tell(&self, settled: Option<&Settled>) {
        if settled.is_some_and(|settled| settled.is_stale) {
            self.counters.count(Event::ServedStale);
        }
        self.counters.count_evictions();
    }

    /// Remembers what was found out.
    pub(super) fn settle(
        &self,
        digest: &TokenDigest,
        verdict: Verdict,
        origin: Origin,
        now: Moment,
    ) -> Settled {
        match self.memory.settle(digest, &verdict, origin, now) {
            Some(StandIn { token, is_stale }) => {
                Settled { answer: Ok(token), is_stale, displaced: Some(verdict) }
            }
            None => Settled { answer: verdict, is_stale: false, displaced: None },
        }
    }

    /// Whether an answer may still be given to somebody who waited. What was invalidated after it was announced may
    /// not.
    pub(super) fn may_be_given(&self, digest: &TokenDigest, verdict: &Verdict, stamp: Stamp) -> bool {
        verdict.as_ref().is_err_and(|error| !is_definitive(error.kind()))
            || self.flights.stamp(digest) == stamp
    }

    pub(super) fn invalidate(&self, digest: &TokenDigest) {
        // First those who are about to remember something, then what is remembered.
        self.flights.void(digest);
        self.memory.forget(digest);
        self.counters.count(Event::Invalidated);
    }

    pub(super) fn invalidate_principal(&self, principal: &Principal<'_>) {
        self.flights.void_principal(principal);
        self.memory.forget_principal(principal);
        self.counters.count(Event::Invalidated);
    }

    pub(super) fn clear(&self) {
        self.flights.void_all();
        self.memory.clear();
        self.counters.count(Event::Invalidated);
    }
}

/// What a piece of work gives, unless something else ends before it.
pub(super) async fn unless<T>(work: impl Future<Output = T>, end: impl Future<Output = ()>) -> Option<T> {
    let (mut work, mut end) = (pin!(work), pin!(end));
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => end.as_mut().poll(context).map(|()| None),
    })
    .await
}
