//! Room for a bounded number of entries of a bounded weight.

use std::sync::Arc;

use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};

use super::counters::Counters;
use super::digest::{AsItIs, TokenDigest};
use super::entry::{Refused, Vouched};

/// Enough that two threads seldom meet in one.
const SHARDS: usize = 64;
/// Fewer, so that each has room for this many entries and for claims of any sensible size.
const MIN_SHARD_ENTRIES: usize = 32;
const MIN_SHARD_BYTES: u64 = 256 * 1024;
/// A shard with fewer entries than this is too small to be divided further.
const FEW: usize = 64;

pub(super) type Pool<T> = Cache<TokenDigest, T, Weight, AsItIs, Evictions>;

/// A pool of at most so many entries, and of at most this weight.
#[expect(clippy::expect_used, reason = "the two numbers that could be missing are set above")]
pub(super) fn pool<T: Clone>(bound: Bound, counters: &Arc<Counters>) -> Pool<T>
where
    Weight: Weighter<TokenDigest, T>,
    Evictions: Lifecycle<TokenDigest, T>,
{
    let Bound { entries, weight, shard_weight } = bound;
    let by_weight = usize::try_from(weight / shard_weight).unwrap_or(SHARDS);
    let most = (entries / MIN_SHARD_ENTRIES).min(by_weight).clamp(1, SHARDS);
    let shards = 1 << most.ilog2();
    // Rounded down, each of them: a bound has to be one.
    let share = (weight / entries as u64).max(1);
    let of_shard = (share * (entries / shards) as u64).min(weight / shards as u64);
    let mut options = OptionsBuilder::new();
    options.shards(shards).estimated_items_capacity(entries).weight_capacity(of_shard * shards as u64);
    if entries / shards < FEW {
        // There is nothing to be gained by trying out newcomers in a corner of so little room.
        options.hot_allocation(1.0);
    }
    let options = options.build().expect("weight and number are set");
    Cache::with_options(options, Weight { share }, AsItIs::default(), Evictions(Arc::clone(counters)))
}

/// How much there may be in a pool.
#[derive(Clone, Copy)]
pub(super) struct Bound {
    entries: usize,
    weight: u64,
    // A shard of less makes no sense.
    shard_weight: u64,
}

impl Bound {
    /// So many entries, and so many bytes.
    pub(super) fn bytes(entries: usize, bytes: u64) -> Self {
        Self { entries, weight: bytes, shard_weight: MIN_SHARD_BYTES }
    }

    /// So many entries.
    pub(super) fn number(entries: usize) -> Self {
        Self { entries, weight: entries as u64, shard_weight: 1 }
    }
}

/// What an entry counts. No less than its share, so that the bound on weight bounds the number as well.
#[derive(Clone)]
pub(super) struct Weight {
    share: u64,
}

impl Weighter<TokenDigest, Vouched> for Weight {
    fn weight(&self, _: &TokenDigest, vouched: &Vouched) -> u64 {
        vouched.bytes.max(self.share)
    }
}

impl Weighter<TokenDigest, Refused> for Weight {
    fn weight(&self, _: &TokenDigest, _: &Refused) -> u64 {
        self.share
    }
}

/// Counts what had to make room.
#[derive(Clone)]
pub(super) struct Evictions(Arc<Counters>);

/// What had to make room for an entry. Dropped when the pool has let go of its lock.
pub(super) struct Evicted<T> {
    // The entry itself, the one before it included, does not count.
    by: Option<TokenDigest>,
    entries: Vec<T>,
    count: u64,
    counters: Option<Arc<Counters>>,
}

impl<T> Evicted<T> {
    /// Whatever goes because of this entry.
    pub(super) fn by(digest: &TokenDigest) -> Self {
        Self { by: Some(*digest), entries: Vec::new(), count: 0, counters: None }
    }
}

impl<T> Lifecycle<TokenDigest, T> for Evictions {
    type RequestState = Evicted<T>;

    fn on_evict(&self, evicted: &mut Evicted<T>, digest: TokenDigest, entry: T) {
        if evicted.by != Some(digest) {
            evicted.count += 1;
            evicted.counters = Some(Arc::clone(&self.0));
        }
        evicted.entries.push(entry);
    }
}

impl<T> Default for Evicted<T> {
    fn default() -> Self {
        Self { by: None, entries: Vec::new(), count: 0, counters: None }
    }
}

impl<T> Drop for Evicted<T> {
    fn drop(&mut self) {
        if let Some(counters) = &self.counters {
            counters.evicted(self.count);
        }
    }
}
