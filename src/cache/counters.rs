//! Counts what a cache does, without making threads wait for each other.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::log::TARGET;

/// So many threads, but for one, have a lane that nobody else writes to. Later ones share the last.
const LANES: usize = 32;

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    Evicted,
    Hit,
    Invalidated,
    Joined,
    Miss,
    Refreshed,
    RefreshFailed,
    RejectedFromMemory,
    ServedStale,
    TurnedAway,
}

const EVENTS: [Event; 10] = [
    Event::Evicted,
    Event::Hit,
    Event::Invalidated,
    Event::Joined,
    Event::Miss,
    Event::Refreshed,
    Event::RefreshFailed,
    Event::RejectedFromMemory,
    Event::ServedStale,
    Event::TurnedAway,
];

/// The counters of one cache.
pub(super) struct Counters {
    cache: Arc<str>,
    lanes: [Lane; LANES],
    // Not yet told to anybody: who listens is not called while a lock is held.
    evictions: AtomicU64,
    #[cfg(feature = "metrics")]
    metrics: Metrics,
}

// Lanes do not share a line of the processor's cache, nor a pair of them.
#[derive(Default)]
#[repr(align(128))]
struct Lane([AtomicU64; EVENTS.len()]);

/// A flight that is counted for as long as this lives.
pub(super) struct InFlight<'a> {
    #[cfg_attr(
        not(feature = "metrics"),
        expect(dead_code, reason = "without metrics, the flights count themselves")
    )]
    counters: &'a Counters,
}

impl Event {
    /// The name in logs, and in the names of metrics: fixed.
    fn name(self) -> &'static str {
        match self {
            Self::Evicted => "evicted",
            Self::Hit => "hit",
            Self::Invalidated => "invalidated",
            Self::Joined => "joined",
            Self::Miss => "miss",
            Self::Refreshed => "refreshed",
            Self::RefreshFailed => "refresh_failed",
            Self::RejectedFromMemory => "rejected_from_memory",
            Self::ServedStale => "served_stale",
            Self::TurnedAway => "turned_away",
        }
    }
}

impl Counters {
    pub(super) fn new(cache: Arc<str>) -> Self {
        Self {
            #[cfg(feature = "metrics")]
            metrics: Metrics::new(&cache),
            lanes: <[Lane; LANES]>::default(),
            evictions: AtomicU64::new(0),
            cache,
        }
    }

    #[inline]
    pub(super) fn count(&self, event: Event) {
        tracing::trace!(target: TARGET, cache = &*self.cache, event = event.name());
        self.add_one(event);
        #[cfg(feature = "metrics")]
        self.metrics.count(event);
    }

    /// Notes evictions, to be counted by [`count_evictions`](Self::count_evictions).
    pub(super) fn evicted(&self, entries: u64) {
        self.evictions.fetch_add(entries, Ordering::Relaxed);
    }

    pub(super) fn count_evictions(&self) {
        if self.evictions.load(Ordering::Relaxed) > 0 {
            (0..self.evictions.swap(0, Ordering::Relaxed)).for_each(|_| self.count(Event::Evicted));
        }
    }

    pub(super) fn read(&self, event: Event) -> u64 {
        let read =
            |Lane(lane): &Lane| lane.get(event as usize).map_or(0, |count| count.load(Ordering::Relaxed));
        self.lanes.iter().map(read).sum()
    }

    pub(super) fn in_flight(&self) -> InFlight<'_> {
        #[cfg(feature = "metrics")]
        self.metrics.in_flight(1.0);
        InFlight { counters: self }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "each thread has a lane that is there, and each event a place in it"
    )]
    fn add_one(&self, event: Event) {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            // None of the lanes, until the thread has got its own.
            static LANE: Cell<usize> = const { Cell::new(LANES) };
        }
        let lane = LANE.with(|lane| {
            if lane.get() == LANES {
                lane.set(THREADS.fetch_add(1, Ordering::Relaxed).min(LANES - 1));
            }
            lane.get()
        });
        let count = &self.lanes[lane].0[event as usize];
        if lane < LANES - 1 {
            // Nobody else writes here: no need for an addition that excludes others, which costs several times that.
            count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        } else {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(feature = "metrics")]
impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.counters.metrics.in_flight(-1.0);
    }
}

/// The same counters for whoever has installed a recorder of the `metrics` facade.
#[cfg(feature = "metrics")]
struct Metrics {
    // Made once: a hit allocates nothing.
    counters: [metrics::Key; EVENTS.len()],
    in_flight: metrics::Key,
}

#[cfg(feature = "metrics")]
const METADATA: metrics::Metadata<'static> = metrics::Metadata::new(TARGET, metrics::Level::INFO, None);

#[cfg(feature = "metrics")]
impl Metrics {
    fn new(cache: &Arc<str>) -> Self {
        let key = |name: String| {
            metrics::Key::from_parts(name, vec![metrics::Label::new("cache", Arc::clone(cache))])
        };
        Self {
            counters: EVENTS.map(|event| key(format!("tower_bearer_cache_{}_total", event.name()))),
            in_flight: key("tower_bearer_cache_in_flight".to_owned()),
        }
    }

    fn count(&self, event: Event) {
        if let Some(key) = self.counters.get(event as usize) {
            metrics::with_recorder(|recorder| recorder.register_counter(key, &METADATA).increment(1));
        }
    }

    fn in_flight(&self, by: f64) {
        let key = &self.in_flight;
        metrics::with_recorder(|recorder| recorder.register_gauge(key, &METADATA).increment(by));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_a_place_and_a_name_of_its_own() {
        let counters = Counters::new("test".into());
        for (place, event) in EVENTS.into_iter().enumerate() {
            assert_eq!(event as usize, place);
            (0..=place).for_each(|_| counters.count(event));
        }
        let read: Vec<u64> = EVENTS.into_iter().map(|event| counters.read(event)).collect();
        assert_eq!(read, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        let names: std::collections::HashSet<_> = EVENTS.into_iter().map(Event::name).collect();
        assert_eq!(names.len(), EVENTS.len());
    }

    #[test]
    fn threads_count_together() {
        let counters = Counters::new("test".into());
        std::thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| (0..100).for_each(|_| counters.count(Event::Hit)));
            }
        });
        assert_eq!(counters.read(Event::Hit), 4_000);
    }
}
