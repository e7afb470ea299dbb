//! Which tokens are being verified, so that each is verified once however many ask.
//!
//! 1. A flight is opened by the first who asks for a token that is not remembered, after a second look under the lock.
//! 2. Whoever asks meanwhile joins it. Nobody holds a lock while waiting.
//! 3. It lands once: what it brings is remembered and announced, unless it was invalidated meanwhile.
//! 4. However it ends, by an answer, a panic or the end of a runtime, it leaves, and who waits is told.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::digest::{AsItIs, TokenDigest};
use super::revocations::{Mark, Revocation, Revocations};
use crate::access_token::Principal;
use crate::sync::{AtomicU64, Mutex, MutexGuard, SHARDS, watch};

/// What a flight tells those who wait for it. None: it has not ended.
type News<A> = Option<Landing<A>>;

/// How a flight ended.
#[derive(Clone)]
pub(super) enum Landing<A> {
    /// With this answer. It counts as long as the stamp is still that of its token.
    Answer(A, Stamp),
    /// Without one: whoever had to find out is gone, together with the runtime.
    Lost,
    /// Without one that may be used: it was invalidated, or took longer than it may.
    Void,
}

/// Tells whether anything was invalidated since it was taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Stamp(u64);

/// All flights of one cache.
pub(super) struct Flights<A> {
    shards: Box<[Shard<A>]>,
    revocations: Mutex<Revocations>,
    principals: RandomState,
    /// A flight that is older than this does not count any more: its runtime stands still.
    lifetime: Duration,
}

struct Shard<A> {
    state: Mutex<State<A>>,
    invalidations: AtomicU64,
}

struct State<A> {
    flights: HashMap<TokenDigest, Slot<A>, AsItIs>,
    opened: u64,
}

struct Slot<A> {
    number: u64,
    opened_at: Instant,
    news: Arc<watch::Sender<News<A>>>,
}

/// What the one who asks gets.
pub(super) enum Boarding<A, K> {
    /// It is known by now.
    Known(K),
    /// Somebody else is on it.
    Joined(Waiter<A>),
    /// It has to be found out.
    Opened(Flight<A>),
}

/// The duty to find something out.
pub(super) struct Flight<A> {
    flights: Arc<Flights<A>>,
    digest: TokenDigest,
    number: u64,
    opened_after: Revocation,
    news: Arc<watch::Sender<News<A>>>,
    has_landed: bool,
}

/// Waits for a flight to end.
pub(super) struct Waiter<A>(watch::Receiver<News<A>>);

impl<A> Flights<A> {
    pub(super) fn new(lifetime: Duration) -> Self {
        let shard = || Shard {
            state: Mutex::new(State { flights: HashMap::default(), opened: 0 }),
            invalidations: AtomicU64::new(0),
        };
        let shards = (0..SHARDS).map(|_| shard()).collect();
        let revocations = Mutex::new(Revocations::default());
        Self { shards, revocations, principals: RandomState::new(), lifetime }
    }

    /// Joins the flight for a token, or opens one unless a second look finds that there is no need.
    pub(super) fn board<K>(
        self: &Arc<Self>,
        digest: TokenDigest,
        now: Instant,
        second_look: impl FnOnce() -> Option<K>,
    ) -> Boarding<A, K> {
        let shard = self.shard(&digest);
        let mut state = shard.lock();
        if let Some(slot) = state.flights.get(&digest)
            && now.saturating_duration_since(slot.opened_at) < self.lifetime
        {
            return Boarding::Joined(Waiter(slot.news.subscribe()));
        }
        if let Some(known) = second_look() {
            return Boarding::Known(known);
        }
        let news = Arc::new(watch::Sender::new(None));
        state.opened += 1;
        let number = state.opened;
        let slot = Slot { number, opened_at: now, news: Arc::clone(&news) };
        let opened_after = self.revocations().begin();
        let overdue = state.flights.insert(digest, slot);
        drop(state);
        overdue.inspect(Slot::send_away);
        Boarding::Opened(Flight {
            flights: Arc::clone(self),
            digest,
            number,
            opened_after,
            news,
            has_landed: false,
        })
    }

    /// When somebody finds something out without a flight: what it brings counts if nothing was invalidated since.
    pub(super) fn stamp(&self, digest: &TokenDigest) -> Stamp {
        self.shard(digest).stamp()
    }

    /// Settles what was found out without a flight, unless something was invalidated since.
    pub(super) fn settle<R>(
        &self,
        digest: &TokenDigest,
        since: Stamp,
        settle: impl FnOnce() -> R,
    ) -> Option<R> {
        let shard = self.shard(digest);
        let mut settle = Some(settle);
        let state = shard.lock();
        let settled = if shard.stamp() == since { settle.take().map(|settle| settle()) } else { None };
        drop(state);
        settled
    }

    /// After this, no flight for the token that is under way brings an answer that is used.
    pub(super) fn void(&self, digest: &TokenDigest) {
        let shard = self.shard(digest);
        let mut state = shard.lock();
        shard.invalidated();
        let slot = state.flights.remove(digest);
        drop(state);
        slot.inspect(Slot::send_away);
    }

    /// After this, no flight that is under way brings an answer about the principal that is used.
    pub(super) fn void_principal(&self, principal: &Principal<'_>) {
        self.revocations().revoke(self.mark(principal));
        for shard in &self.shards {
            let state = shard.lock();
            shard.invalidated();
            drop(state);
        }
    }

    /// After this, no flight that is under way brings an answer that is used.
    pub(super) fn void_all(&self) {
        for shard in &self.shards {
            let mut state = shard.lock();
            shard.invalidated();
            let slots = std::mem::take(&mut state.flights);
            drop(state);
            slots.values().for_each(Slot::send_away);
        }
    }

    /// What a principal is known by here.
    pub(super) fn mark(&self, principal: &Principal<'_>) -> Mark {
        Mark::new(self.principals.hash_one(principal))
    }

    /// How many flights are under way.
    pub(super) fn count(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().flights.len()).sum()
    }

    // A panic while it is locked leaves nothing half done.
    fn revocations(&self) -> MutexGuard<'_, Revocations> {
        self.revocations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(clippy::indexing_slicing, reason = "there are as many shards as the remainder has values")]
    fn shard(&self, digest: &TokenDigest) -> &Shard<A> {
        let index = AsItIs::default().hash_one(digest) % SHARDS as u64;
        &self.shards[usize::try_from(index).unwrap_or_default()]
    }
}

impl<A> Shard<A> {
    // A panic while the lock is held leaves nothing half done: each change is one assignment.
    fn lock(&self) -> MutexGuard<'_, State<A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stamp(&self) -> Stamp {
        Stamp(self.invalidations.load(Ordering::Acquire))
    }

    /// Called under the lock.
    fn invalidated(&self) {
        self.invalidations.fetch_add(1, Ordering::AcqRel);
    }
}

impl<A> State<A> {
    fn leave(&mut self, digest: &TokenDigest, number: u64) -> Option<Slot<A>> {
        match self.flights.get(digest) {
            Some(slot) if slot.number == number => self.flights.remove(digest),
            _ => None,
        }
    }
}

impl<A> Slot<A> {
    fn send_away(&self) {
        self.news.send_replace(Some(Landing::Void));
    }
}

impl<A> Flight<A> {
    pub(super) fn digest(&self) -> &TokenDigest {
        &self.digest
    }

    /// Waits for its end, together with those who will have joined.
    pub(super) fn waiter(&self) -> Waiter<A> {
        Waiter(self.news.subscribe())
    }

    /// Returns when nobody waits any more.
    pub(super) async fn abandoned(&self) {
        self.news.closed().await;
    }

    /// Returns when its answer would be of no use any more.
    pub(super) async fn voided(&self) {
        // It cannot fail: the other end of the channel is in this flight's own hands.
        let _ = self.news.subscribe().wait_for(Option::is_some).await;
    }

    /// Ends without an answer that may be used.
    pub(super) fn void(mut self) {
        let slot = self.flights.shard(&self.digest).lock().leave(&self.digest, self.number);
        drop(slot);
        self.news.send_replace(Some(Landing::Void));
        self.has_landed = true;
    }

    /// Gives up, unless somebody waits.
    pub(super) fn leave_if_abandoned(mut self) -> Result<(), Self> {
        let mut state = self.flights.shard(&self.digest).lock();
        // Nobody joins but under the lock.
        if self.news.receiver_count() > 0 {
            drop(state);
            return Err(self);
        }
        state.leave(&self.digest, self.number);
        drop(state);
        self.has_landed = true;
        Ok(())
    }

    /// Announces the answer as `settle` leaves it, unless what was found out, or what stands in for it, is about a
    /// principal that was invalidated meanwhile. Returns what else `settle` leaves.
    ///
    /// Nothing that it brings along is dropped under the lock.
    pub(super) fn land<T>(
        mut self,
        about: Option<Mark>,
        settle: impl FnOnce() -> (A, Option<Mark>, T),
    ) -> Option<T> {
        let shard = self.flights.shard(&self.digest);
        let mut settle = Some(settle);
        let mut state = shard.lock();
        let is_own = state.flights.get(&self.digest).is_some_and(|slot| slot.number == self.number);
        let is_revoked = |mark| self.flights.revocations().is_revoked(mark, self.opened_after);
        let counts = |mark: Option<Mark>| is_own && !mark.is_some_and(is_revoked);
        let settled = if counts(about) { settle.take().map(|settle| settle()) } else { None };
        let still_counts = settled.as_ref().is_some_and(|(_, stands_in, _)| counts(*stands_in));
        let stamp = shard.stamp();
        let slot = state.leave(&self.digest, self.number);
        drop(state);
        drop(slot);
        let (answer, rest) = settled.map(|(answer, _, rest)| (answer, rest)).unzip();
        let answer = answer.filter(|_| still_counts);
        self.news.send_replace(Some(answer.map_or(Landing::Void, |answer| Landing::Answer(answer, stamp))));
        self.has_landed = true;
        rest
    }
}

impl<A> Drop for Flight<A> {
    fn drop(&mut self) {
        self.flights.revocations().end();
        if !self.has_landed {
            let slot = self.flights.shard(&self.digest).lock().leave(&self.digest, self.number);
            drop(slot);
            self.news.send_replace(Some(Landing::Lost));
        }
    }
}

impl<A: Clone> Waiter<A> {
    pub(super) async fn landing(mut self) -> Landing<A> {
        let landed = self.0.wait_for(Option::is_some).await;
        landed.ok().and_then(|news| news.clone()).unwrap_or(Landing::Lost)
    }
}

#[cfg(test)]
mod tests {
    use super::super::digest::Digester;
    use super::*;

    const ALICE: Principal<'static> = Principal::Subject { issuer: None, subject: "alice" };
    const BOB: Principal<'static> = Principal::Subject { issuer: None, subject: "bob" };

    /// A flight that lands after somebody was invalidated. True: its answer is announced.
    fn counts(about: Option<&Principal<'_>>, stands_in: Option<&Principal<'_>>) -> bool {
        let flights = Arc::new(Flights::new(Duration::from_secs(10)));
        let digest = Digester::new().digest(b"token");
        let Boarding::Opened(flight) = flights.board(digest, Instant::now(), || None::<()>) else {
            panic!("nobody else is on it");
        };
        let Waiter(news) = flight.waiter();
        flights.void_principal(&ALICE);
        let mark = |principal| flights.mark(principal);
        flight.land(about.map(mark), || ((), stands_in.map(mark), ()));
        assert_eq!(flights.count(), 0);
        let landed = matches!(*news.borrow(), Some(Landing::Answer(..)));
        assert!(landed || matches!(*news.borrow(), Some(Landing::Void)));
        landed
    }

    #[test]
    fn an_answer_about_somebody_who_was_invalidated_does_not_count_nor_does_one_that_stands_in() {
        assert!(counts(None, None));
        assert!(counts(Some(&BOB), Some(&BOB)));
        assert!(counts(None, Some(&BOB)));
        assert!(!counts(Some(&ALICE), Some(&ALICE)));
        assert!(!counts(None, Some(&ALICE)));
    }
}
