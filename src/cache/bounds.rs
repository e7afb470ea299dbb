//! How long a cache remembers, and how much.

use std::time::Duration;

use super::digest::TokenDigest;

/// How often a provider that does not answer is asked about a token that goes on serving.
const MIN_RETRY: Duration = Duration::from_secs(1);
const MAX_RETRY: Duration = Duration::from_secs(15);

/// How long and how much.
#[derive(Clone, Debug)]
pub(super) struct Bounds {
    pub(super) time_to_live: Duration,
    pub(super) max_entries: usize,
    pub(super) max_bytes: u64,
    pub(super) negative_time_to_live: Duration,
    pub(super) max_negative_entries: usize,
    /// In percent of the time to live.
    pub(super) refresh_ahead: u8,
    /// In percent of the time to live.
    pub(super) jitter: u8,
    pub(super) stale_if_error: Duration,
}

impl Bounds {
    /// The time to live of one token: shortened by a part of the jitter that is its own in each process.
    pub(super) fn jittered(&self, digest: &TokenDigest) -> Duration {
        let part = f64::from(digest.fraction()) / f64::from(u32::MAX);
        let shortened = self.time_to_live.mul_f64(part * f64::from(self.jitter) / 100.0);
        self.time_to_live.saturating_sub(shortened)
    }

    /// How long to wait before the next attempt to refresh.
    pub(super) fn retry(&self) -> Duration {
        let ahead = self.time_to_live * u32::from(self.refresh_ahead) / 100;
        (ahead / 4).clamp(MIN_RETRY, MAX_RETRY)
    }
}
