//! Room for a bounded number of entries of a bounded weight.

use std::sync::Arc;

use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};

use super::counters::{Counters, Event};
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
pub(super) fn pool<T: Clone>(entries: usize, capacity: u64, weight: Weight, evictions: &Evictions) -> Pool<T>
where
    Weight: Weighter<TokenDigest, T>,
    Evictions: Lifecycle<TokenDigest, T>,
{
    let by_bytes = usize::try_from(capacity / weight.shard).unwrap_or(SHARDS);
    let most = (entries / MIN_SHARD_ENTRIES).min(by_bytes).clamp(1, SHARDS);
    let shards = 1 << most.ilog2();
    let mut options = OptionsBuilder::new();
    options.shards(shards).estimated_items_capacity(entries);
    // Each shard gets its part rounded up: a bound has to be one.
    options.weight_capacity(capacity - capacity % shards as u64);
    if entries / shards < FEW {
        // There is nothing to be gained by trying out newcomers in a corner of so little room.
        options.hot_allocation(1.0);
    }
    let options = options.build().expect("weight and number are set");
    Cache::with_options(options, weight, AsItIs::default(), evictions.clone())
}

/// What an entry counts. No less than its share, so that the bound on weight bounds the number as well.
#[derive(Clone)]
pub(super) struct Weight {
    least: u64,
    // A shard of less makes no sense.
    shard: u64,
}

impl Weight {
    /// By bytes, in a pool of at most so many of them.
    pub(super) fn bytes(max_bytes: u64, max_entries: usize) -> Self {
        Self { least: (max_bytes / (max_entries as u64).max(1)).max(1), shard: MIN_SHARD_BYTES }
    }

    /// Each entry is one.
    pub(super) fn number() -> Self {
        Self { least: 1, shard: 1 }
    }
}

impl Weighter<TokenDigest, Vouched> for Weight {
    fn weight(&self, _: &TokenDigest, vouched: &Vouched) -> u64 {
        vouched.bytes.max(self.least)
    }
}

impl Weighter<TokenDigest, Refused> for Weight {
    fn weight(&self, _: &TokenDigest, _: &Refused) -> u64 {
        self.least
    }
}

/// Counts what had to make room.
#[derive(Clone)]
pub(super) struct Evictions(pub(super) Arc<Counters>);

/// What had to make room for one entry. The pool drops it when it has let go of its lock.
pub(super) struct Evicted<T> {
    entries: Vec<T>,
    counters: Option<Arc<Counters>>,
}

impl<T> Lifecycle<TokenDigest, T> for Evictions {
    type RequestState = Evicted<T>;

    fn on_evict(&self, evicted: &mut Evicted<T>, _: TokenDigest, entry: T) {
        evicted.entries.push(entry);
        evicted.counters = Some(Arc::clone(&self.0));
    }
}

impl<T> Default for Evicted<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), counters: None }
    }
}

impl<T> Drop for Evicted<T> {
    fn drop(&mut self) {
        if let Some(counters) = &self.counters {
            self.entries.iter().for_each(|_| counters.count(Event::Evicted));
        }
    }
}
