//! What a cache remembers, for how long, and how much of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, Weighter};

use super::bounds::Bounds;
use super::counters::Counters;
use super::digest::TokenDigest;
use super::entry::{Moment, Origin, Refused, Vouched, is_definitive};
use super::pool::{Bound, Evicted, Evictions, Pool, Weight, pool};
use crate::access_token::{AccessToken, Principal};
use crate::error::{VerifyError, VerifyErrorKind};
use crate::verifier::Verdict;

/// Besides what the token itself keeps: the key, the entry, and their places in lists and tables.
const ENTRY_BYTES: u64 = 256;
/// For how long an upstream may ask not to be asked again about a token that goes on serving.
const LONGEST_RETRY: Duration = Duration::from_secs(120);
/// For how long after that a stale verdict stands in, for the next attempt to come to its end.
const STANDS_IN: Duration = Duration::from_secs(15);
/// Entries whose time is over are dropped this often, if there is traffic.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// What is remembered of a token.
pub(super) enum Recalled {
    /// It is good. True: it is time to verify it again.
    Good(AccessToken, bool),
    /// It is bad.
    Bad(VerifyError),
    /// Nothing that still counts.
    Nothing,
}

/// The last good verdict, when nobody can tell.
pub(super) struct StandIn {
    pub(super) token: AccessToken,
    /// It is past its time.
    pub(super) is_stale: bool,
}

pub(super) struct Memory {
    bounds: Bounds,
    good: Option<Pool<Vouched>>,
    bad: Option<Pool<Refused>>,
    started_at: Instant,
    next_sweep: AtomicU64,
}

impl Memory {
    pub(super) fn new(bounds: Bounds, counters: &Arc<Counters>, now: Instant) -> Self {
        let is_off = bounds.time_to_live.is_zero() || bounds.max_entries == 0 || bounds.max_bytes == 0;
        let remembers_bad = !bounds.negative_time_to_live.is_zero() && bounds.max_negative_entries > 0;
        let good = || pool(Bound::bytes(bounds.max_entries, bounds.max_bytes), counters);
        let bad = || pool(Bound::number(bounds.max_negative_entries), counters);
        Self {
            good: (!is_off).then(good),
            bad: (!is_off && remembers_bad).then(bad),
            started_at: now,
            next_sweep: AtomicU64::new(SWEEP_EVERY.as_secs()),
            bounds,
        }
    }

    /// The read path.
    #[inline]
    pub(super) fn recall(&self, digest: &TokenDigest, now: Moment, generation: u64) -> Recalled {
        if let Some(vouched) = self.good.as_ref().and_then(|good| good.get(digest))
            && vouched.serves(now, generation)
        {
            let is_due = vouched.refresh_from <= now.instant;
            return Recalled::Good(vouched.token, is_due);
        }
        match self.bad.as_ref().and_then(|bad| bad.get(digest)) {
            Some(refused) if refused.serves(now, generation) => {
                Recalled::Bad(VerifyError::rejected(refused.kind))
            }
            _ => Recalled::Nothing,
        }
    }

    /// What the token was last found to be, for a verifier that can make use of it.
    pub(super) fn last(
        &self,
        digest: &TokenDigest,
        wall: SystemTime,
        generation: u64,
    ) -> Option<AccessToken> {
        let vouched = self.good.as_ref()?.peek(digest)?;
        let counts = vouched.generation == generation && vouched.token.is_current(wall);
        counts.then_some(vouched.token)
    }

    /// Puts off the refresh of an entry that is due, so that one caller sees to it. False: it is not due any more.
    pub(super) fn claim_refresh(&self, digest: &TokenDigest, now: Instant, until: Instant) -> bool {
        let due = |vouched: &Vouched| vouched.refresh_from <= now;
        self.amend(digest, due, |vouched| vouched.refresh_from = until)
    }

    /// The earliest time for another attempt to refresh.
    pub(super) fn next_attempt(&self, now: Instant) -> Instant {
        now + self.bounds.retry()
    }

    /// Remembers what was found out. Returns what stands in for it if nobody can tell.
    pub(super) fn settle(
        &self,
        digest: &TokenDigest,
        verdict: &Verdict,
        origin: Origin,
        now: Moment,
    ) -> Option<StandIn> {
        match verdict {
            Ok(token) => self.remember(digest, token, origin, now),
            Err(error) if error.kind() == VerifyErrorKind::Unavailable => {
                return self.doubt(digest, origin.generation, now, error);
            }
            Err(error) => self.refuse(digest, error, origin),
        }
        None
    }

    pub(super) fn forget(&self, digest: &TokenDigest) {
        remove(self.good.as_ref(), digest);
        remove(self.bad.as_ref(), digest);
    }

    pub(super) fn forget_principal(&self, principal: &Principal<'_>) {
        let others =
            |_: &TokenDigest, vouched: &Vouched| vouched.token.principal().as_ref() != Some(principal);
        self.good.iter().for_each(|good| good.retain(others));
    }

    pub(super) fn clear(&self) {
        self.good.iter().for_each(Cache::clear);
        self.bad.iter().for_each(Cache::clear);
    }

    /// Whether it is time to drop what no longer counts. True for one caller in each interval.
    pub(super) fn sweep_is_due(&self, now: Instant) -> bool {
        let now = now.saturating_duration_since(self.started_at).as_secs();
        let due = self.next_sweep.load(Ordering::Relaxed);
        let next = now.saturating_add(SWEEP_EVERY.as_secs());
        now >= due
            && self.next_sweep.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Drops what no longer counts, so that claims do not linger. What its verifier can verify again at less cost stays
    /// for another time to live.
    pub(super) fn sweep(&self, now: Moment, generation: u64) {
        let again = |vouched: &Vouched| match vouched.token.validator() {
            Some(_) => self.bounds.time_to_live,
            // Long enough to tell who comes back from a stranger.
            None => SWEEP_EVERY,
        };
        self.good.iter().for_each(|good| {
            good.retain(|_, vouched| {
                vouched.generation == generation
                    && vouched.stale_until + again(vouched) > now.instant
                    && vouched.token.is_current(now.wall)
            });
        });
        self.bad.iter().for_each(|bad| bad.retain(|_, refused| refused.serves(now, generation)));
    }

    /// How many good tokens are remembered.
    pub(super) fn entries(&self) -> usize {
        self.good.as_ref().map_or(0, Cache::len)
    }

    /// How many bad tokens are remembered.
    pub(super) fn negative_entries(&self) -> usize {
        self.bad.as_ref().map_or(0, Cache::len)
    }

    /// What the good tokens weigh.
    pub(super) fn bytes(&self) -> u64 {
        self.good.as_ref().map_or(0, Cache::weight)
    }

    fn remember(&self, digest: &TokenDigest, token: &AccessToken, origin: Origin, now: Moment) {
        remove(self.bad.as_ref(), digest);
        let Some(good) = &self.good else { return };
        if !token.is_current(now.wall) {
            good.remove(digest);
            return;
        }
        let live = self.bounds.jittered(digest);
        let fresh_until = origin.instant + live;
        let ahead = live * u32::from(self.bounds.refresh_ahead) / 100;
        let refresh_from =
            if ahead.is_zero() { fresh_until + self.bounds.stale_if_error } else { fresh_until - ahead };
        let vouched = Vouched {
            token: token.clone(),
            generation: origin.generation,
            bytes: ENTRY_BYTES + token.weight() as u64,
            fresh_until,
            stale_until: fresh_until + self.bounds.stale_if_error,
            refresh_from,
            serves_until: fresh_until,
        };
        good.insert_with_lifecycle(*digest, vouched, &mut Evicted::by(digest));
    }

    fn refuse(&self, digest: &TokenDigest, error: &VerifyError, origin: Origin) {
        remove(self.good.as_ref(), digest);
        if !is_definitive(error.kind()) {
            return;
        }
        let live = self.bounds.negative_time_to_live;
        let live = error.retry_delay().map_or(live, |delay| delay.min(live));
        if let Some(bad) = &self.bad
            && !live.is_zero()
        {
            // Without its cause: what others wrote has no bounded size.
            let (kind, generation) = (error.kind(), origin.generation);
            let refused = Refused { kind, generation, until: origin.instant + live };
            bad.insert_with_lifecycle(*digest, refused, &mut Evicted::by(digest));
        }
    }

    /// The last good verdict, if it may stand in for one that cannot be had.
    fn doubt(
        &self,
        digest: &TokenDigest,
        generation: u64,
        now: Moment,
        error: &VerifyError,
    ) -> Option<StandIn> {
        let wait = error.retry_delay().unwrap_or_default().clamp(self.bounds.retry(), LONGEST_RETRY);
        let next = now.instant + wait;
        let may_stand_in = |vouched: &Vouched| now.instant < vouched.stale_until;
        self.amend(digest, may_stand_in, |vouched| {
            vouched.refresh_from = next;
            // A failure before the end of its time says nothing of what comes after it, and one after it not for long.
            if now.instant >= vouched.fresh_until {
                vouched.serves_until = vouched.stale_until.min(next + STANDS_IN);
            }
        });
        let vouched = self.good.as_ref()?.peek(digest).filter(|vouched| vouched.serves(now, generation))?;
        Some(StandIn { token: vouched.token, is_stale: now.instant >= vouched.fresh_until })
    }

    /// Changes an entry in place, if it is there and of the kind that is meant. Called by one at a time for a token.
    fn amend(
        &self,
        digest: &TokenDigest,
        is_meant: impl Fn(&Vouched) -> bool,
        amend: impl FnOnce(&mut Vouched),
    ) -> bool {
        let Some(good) = &self.good else { return false };
        let Some(mut vouched) = good.peek(digest).filter(is_meant) else { return false };
        amend(&mut vouched);
        // Only if it is still there: it may have been evicted or invalidated.
        good.replace_with_lifecycle(*digest, vouched, true, &mut Evicted::by(digest)).is_ok()
    }
}

fn remove<T: Clone>(pool: Option<&Pool<T>>, digest: &TokenDigest)
where
    Weight: Weighter<TokenDigest, T>,
    Evictions: Lifecycle<TokenDigest, T>,
{
    if let Some(pool) = pool {
        pool.remove(digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::digest::Digester;

    /// A memory in which a token has been good since a moment, for a hundred seconds.
    fn with_one_entry(refresh_ahead: u8, stale_if_error: Duration) -> (Memory, TokenDigest, Instant) {
        let bounds = Bounds {
            time_to_live: Duration::from_secs(100),
            max_entries: 10,
            max_bytes: 1 << 20,
            negative_time_to_live: Duration::ZERO,
            max_negative_entries: 0,
            refresh_ahead,
            jitter: 0,
            stale_if_error,
        };
        let (start, digest) = (Instant::now(), Digester::new().digest(b"t"));
        let memory = Memory::new(bounds, &Arc::new(Counters::new("test".into())), start);
        let now = Moment { wall: SystemTime::UNIX_EPOCH, instant: start };
        let origin = Origin { instant: start, generation: 0 };
        assert!(memory.settle(&digest, &Ok(AccessToken::verified().build()), origin, now).is_none());
        (memory, digest, start)
    }

    #[test]
    fn a_refresh_is_claimed_by_one_and_only_when_it_is_due() {
        let (memory, digest, start) = with_one_entry(20, Duration::ZERO);
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(!memory.claim_refresh(&digest, at(79), at(90)), "before it is due");
        assert!(memory.claim_refresh(&digest, at(80), at(90)));
        assert!(!memory.claim_refresh(&digest, at(89), at(99)), "somebody sees to it");
        assert!(memory.claim_refresh(&digest, at(90), at(99)));
        // A quarter of the twenty seconds ahead.
        assert_eq!(memory.next_attempt(at(80)), at(85));
    }

    #[test]
    fn where_nothing_is_refreshed_ahead_no_refresh_is_due_while_an_entry_serves() {
        let (memory, digest, start) = with_one_entry(0, Duration::from_secs(30));
        for seconds in [0, 70, 99, 129] {
            let now = start + Duration::from_secs(seconds);
            assert!(!memory.claim_refresh(&digest, now, now), "{seconds}");
        }
    }
}
