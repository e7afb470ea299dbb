//! What a cache has done so far, and what it holds.

use super::core::Core;
use super::counters::Event;

/// The counters of a cache at one time.
///
/// Each request that asks the cache is counted once: as a hit, a miss, joined, or rejected from memory. Malformed
/// tokens are not counted. Counters start at zero with the cache and only grow.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CacheStats {
    hits: u64,
    misses: u64,
    joined: u64,
    refreshed: u64,
    refresh_failed: u64,
    rejected_from_memory: u64,
    served_stale: u64,
    turned_away: u64,
    evicted: u64,
    invalidated: u64,
    in_flight: usize,
    entries: usize,
    negative_entries: usize,
    bytes: u64,
}

impl CacheStats {
    pub(super) fn read(core: &Core) -> Self {
        core.counters.count_evictions();
        let counted = |event| core.counters.read(event);
        Self {
            hits: counted(Event::Hit),
            misses: counted(Event::Miss),
            joined: counted(Event::Joined),
            refreshed: counted(Event::Refreshed),
            refresh_failed: counted(Event::RefreshFailed),
            rejected_from_memory: counted(Event::RejectedFromMemory),
            served_stale: counted(Event::ServedStale),
            turned_away: counted(Event::TurnedAway),
            evicted: counted(Event::Evicted),
            invalidated: counted(Event::Invalidated),
            in_flight: core.flights.count(),
            entries: core.memory.entries(),
            negative_entries: core.memory.negative_entries(),
            bytes: core.memory.bytes(),
        }
    }

    /// Requests whose token was remembered as good, stale verdicts included.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.hits
    }

    /// Requests for which the verifier was asked.
    #[must_use]
    pub fn misses(&self) -> u64 {
        self.misses
    }

    /// Requests that waited for the answer to another one with the same token.
    #[must_use]
    pub fn joined(&self) -> u64 {
        self.joined
    }

    /// Verifications in the background, before the end of an entry that is in use.
    #[must_use]
    pub fn refreshed(&self) -> u64 {
        self.refreshed
    }

    /// Those of them after which nobody could tell. The entry goes on serving to the end of its time.
    #[must_use]
    pub fn refresh_failed(&self) -> u64 {
        self.refresh_failed
    }

    /// Requests whose token was remembered as bad.
    #[must_use]
    pub fn rejected_from_memory(&self) -> u64 {
        self.rejected_from_memory
    }

    /// Verifications for which nobody could tell, and the last good verdict stood in past its time.
    #[must_use]
    pub fn served_stale(&self) -> u64 {
        self.served_stale
    }

    /// Verifications that found no place among the upstream calls.
    #[must_use]
    pub fn turned_away(&self) -> u64 {
        self.turned_away
    }

    /// Entries, good and bad, that had to make room.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Calls of the methods that invalidate.
    #[must_use]
    pub fn invalidated(&self) -> u64 {
        self.invalidated
    }

    /// Verifications under way, those that wait for a place included, which the gauge of the same name leaves out.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Tokens that are remembered as good. Some may be past their time, and are dropped in due course.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// Tokens that are remembered as bad.
    #[must_use]
    pub fn negative_entries(&self) -> usize {
        self.negative_entries
    }

    /// What the good ones count against [`max_bytes`](super::CacheLayerBuilder::max_bytes). No entry counts less than
    /// its share, the bound divided by [`max_entries`](super::CacheLayerBuilder::max_entries).
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}
