//! `Cached`: a verifier that remembers.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::runtime::Handle;

use super::core::{Core, unless};
use super::counters::Event;
use super::digest::TokenDigest;
use super::entry::{Moment, Origin};
use super::flights::{Boarding, Flight, Landing};
use super::handle::CacheHandle;
use super::limit::Place;
use super::memory::Recalled;
use crate::access_token::AccessToken;
use crate::bearer_token::BearerToken;
use crate::error::{VerifyError, VerifyErrorKind};
use crate::log::{Causes, TARGET};
use crate::verifier::{TokenVerifier, Verdict};

/// How often a verdict is looked for again because what was found out was invalidated meanwhile: more often than
/// anybody means to, and not for ever.
const ATTEMPTS: usize = 1_000;
/// The same for a verifier that answers without waiting, before the others are asked to wait.
const ATTEMPTS_NOW: usize = 4;

/// A verifier around another one that remembers its verdicts. Made by [`CacheLayer`](super::CacheLayer).
///
/// Clones share what is remembered.
pub struct Cached<V> {
    inner: Arc<Inner<V>>,
}

struct Inner<V> {
    verifier: V,
    core: Arc<Core>,
}

/// What is remembered of a token, and how that is counted.
struct Known {
    verdict: Verdict,
    event: Event,
    /// It is time to verify it again.
    is_due: bool,
}

impl<V> Cached<V> {
    pub(super) fn new(verifier: V, core: Core) -> Self {
        Self { inner: Arc::new(Inner { verifier, core: Arc::new(core) }) }
    }

    /// The handle to invalidate and to count by. It works from anywhere, and is taken before the verifier goes into a
    /// layer.
    #[must_use]
    pub fn handle(&self) -> CacheHandle {
        CacheHandle::new(Arc::clone(&self.inner.core))
    }
}

impl<V: TokenVerifier + 'static> TokenVerifier for Cached<V> {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        self.find_out(token, None).await
    }

    fn verify_now(&self, token: &BearerToken, now: SystemTime) -> Option<Verdict> {
        let core = &self.inner.core;
        let digest = core.digest(token);
        let now = Moment { wall: now, instant: core.clock.instant() };
        match self.recall(&digest, now, self.generation()) {
            Some(known) => {
                core.counters.count(known.event);
                if known.is_due {
                    self.refresh(token, digest, now);
                }
                Some(known.verdict)
            }
            // A token that hits was checked before; what is malformed is not worth remembering.
            None if token.check().is_err() => Some(Err(VerifyError::rejected(VerifyErrorKind::Malformed))),
            None => self.find_out_now(token, &digest, now),
        }
    }

    fn recognises(&self, token: &BearerToken) -> bool {
        self.inner.verifier.recognises(token)
    }

    async fn revalidate(&self, token: &BearerToken, last: &AccessToken) -> Verdict {
        self.find_out(token, Some(last)).await
    }

    fn generation(&self) -> u64 {
        self.inner.verifier.generation()
    }

    fn issuers(&self) -> Vec<Arc<str>> {
        self.inner.verifier.issuers()
    }
}

impl<V: TokenVerifier + 'static> Cached<V> {
    /// What is remembered of a token.
    fn recall(&self, digest: &TokenDigest, now: Moment, generation: u64) -> Option<Known> {
        let (verdict, event, is_due) = match self.inner.core.memory.recall(digest, now, generation) {
            Recalled::Good(token, is_due) => (Ok(token), Event::Hit, is_due),
            Recalled::Bad(error) => (Err(error), Event::RejectedFromMemory, false),
            Recalled::Nothing => return None,
        };
        Some(Known { verdict, event, is_due })
    }

    /// Asks a verifier that may answer without waiting. That needs no flight: what is done twice costs microseconds.
    fn find_out_now(&self, token: &BearerToken, digest: &TokenDigest, now: Moment) -> Option<Verdict> {
        let Inner { verifier, core } = &*self.inner;
        for _ in 0..ATTEMPTS_NOW {
            let since = core.flights.stamp(digest);
            let origin = Origin { instant: now.instant, generation: verifier.generation() };
            let verdict = verifier.verify_now(token, now.wall)?;
            let settle = || core.settle(digest, verdict, origin, now);
            if let Some(settled) = core.flights.settle(digest, since, settle) {
                core.counters.count(Event::Miss);
                core.tell(Some(&settled));
                core.sweep(now, verifier.generation());
                return Some(settled.answer);
            }
        }
        None
    }

    /// The miss path: joins the flight for this token, or opens it.
    async fn find_out(&self, token: &BearerToken, last: Option<&AccessToken>) -> Verdict {
        let core = &self.inner.core;
        let digest = core.digest(token);
        let (mut is_counted, mut is_lost) = (false, false);
        let mut count = |event| {
            // Once for each who asks, however often what they wait for is invalidated.
            if !std::mem::replace(&mut is_counted, true) {
                core.counters.count(event);
            }
        };
        for _ in 0..ATTEMPTS {
            let now = core.moment();
            // Who asks for a new verdict does not want the old one.
            let generation = self.generation();
            let look = || if last.is_none() { self.recall(&digest, now, generation) } else { None };
            if let Some(known) = look() {
                count(known.event);
                if known.is_due {
                    self.refresh(token, digest, now);
                }
                return known.verdict;
            }
            let (waiter, is_own) = match core.flights.board(digest, now.instant, look) {
                Boarding::Known(known) => {
                    count(known.event);
                    return known.verdict;
                }
                Boarding::Joined(waiter) => {
                    count(Event::Joined);
                    (waiter, false)
                }
                Boarding::Opened(flight) => {
                    count(Event::Miss);
                    let waiter = flight.waiter();
                    let fly = self.clone().fly(flight, token.clone(), last.cloned(), None);
                    match Handle::try_current() {
                        // A task of its own: a caller who goes away takes nothing with it.
                        Ok(runtime) => drop(runtime.spawn(fly)),
                        Err(_) => Box::pin(fly).await,
                    }
                    (waiter, true)
                }
            };
            match core.landing(waiter).await {
                Some(Landing::Answer(verdict, stamp)) if core.may_be_given(&digest, &verdict, stamp) => {
                    return verdict;
                }
                // Once may be because the caller has moved to another runtime.
                Some(Landing::Lost) if is_own && std::mem::replace(&mut is_lost, true) => {
                    return Err(VerifyError::unavailable("the runtime is shutting down"));
                }
                Some(Landing::Answer(..) | Landing::Lost | Landing::Void) => {}
                None => return Err(VerifyError::unavailable("the verification does not end")),
            }
        }
        Err(VerifyError::unavailable("what was found out was invalidated again and again"))
    }

    /// Verifies a token again in the background, while its entry goes on serving.
    #[cold]
    fn refresh(&self, token: &BearerToken, digest: TokenDigest, now: Moment) {
        let core = &self.inner.core;
        let Ok(runtime) = Handle::try_current() else { return };
        let now = now.instant;
        let claim = |until| core.memory.claim_refresh(&digest, now, until);
        let Some(place) = core.limit.background_place() else {
            let later = || claim(core.memory.next_attempt(now));
            core.flights.settle(&digest, core.flights.stamp(&digest), later);
            return;
        };
        // For as long as the attempt may take, so that hits need not look whether it is still under way.
        let is_taken = || (!claim(now + core.lifetime)).then_some(());
        let Boarding::Opened(flight) = core.flights.board(digest, now, is_taken) else { return };
        core.counters.count(Event::Refreshed);
        runtime.spawn(self.clone().fly(flight, token.clone(), None, Some(place)));
    }

    /// Finds out what is to be said of a token, and announces it.
    async fn fly(
        self,
        flight: Flight<Verdict>,
        token: BearerToken,
        last: Option<AccessToken>,
        place: Option<Place>,
    ) {
        let Inner { verifier, core } = &*self.inner;
        let is_refresh = place.is_some();
        let was_good =
            || core.memory.last(flight.digest(), core.clock.now(), verifier.generation()).is_some();
        let is_known = is_refresh || last.is_some() || was_good();
        let (place, flight) = match place {
            Some(place) => (Some(place), flight),
            None => match core.turn(flight, is_known).await {
                Some(turn) => turn,
                None => return,
            },
        };
        let digest = *flight.digest();
        let began = core.moment();
        let origin = Origin { instant: began.instant, generation: verifier.generation() };
        let last = last.or_else(|| core.memory.last(&digest, began.wall, origin.generation));
        // Boxed when it begins: whoever waits for a place has no room for it yet, and those around it make no copies of
        // it.
        let verification = async {
            match &last {
                Some(last) => Box::pin(verifier.revalidate(&token, last)).await,
                None => Box::pin(verifier.verify(&token)).await,
            }
        };
        let verdict = if place.is_some() {
            let _in_flight = core.counters.in_flight();
            unless(core.ask(verification), flight.voided()).await
        } else {
            core.counters.count(Event::TurnedAway);
            Some(Err(VerifyError::unavailable("too many verifications are under way")))
        };
        drop(place);
        // Nobody may use it: not what was invalidated meanwhile, nor what was good by a key that is gone.
        let is_outdated = |verdict: &Verdict| verdict.is_ok() && verifier.generation() != origin.generation;
        let Some(verdict) = verdict.filter(|verdict| !is_outdated(verdict)) else {
            flight.void();
            return;
        };
        let now = core.moment();
        if is_refresh
            && let Err(error) = &verdict
            && error.kind() == VerifyErrorKind::Unavailable
        {
            core.counters.count(Event::RefreshFailed);
            tracing::debug!(target: TARGET, cause = %Causes(error), "could not verify a token again");
        }
        let about = |verdict: &Verdict| {
            let principal = verdict.as_ref().ok().and_then(AccessToken::principal);
            principal.map(|principal| core.flights.mark(&principal))
        };
        let settled = flight.land(about(&verdict), || {
            let settled = core.settle(&digest, verdict, origin, now);
            (settled.answer.clone(), about(&settled.answer), settled)
        });
        core.tell(settled.as_ref());
        core.sweep(now, verifier.generation());
    }
}

impl<V> Clone for Cached<V> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<V> fmt::Debug for Cached<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").field("cache", &self.handle()).finish_non_exhaustive()
    }
}
