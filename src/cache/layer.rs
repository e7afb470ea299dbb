//! `CacheLayer` and its settings.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tower_layer::Layer;

use super::bounds::Bounds;
use super::cached::Cached;
use super::core::{Core, Settings};
use crate::clock::{Clock, SystemClock};
use crate::error::{BuildError, BuildErrorKind};

const TIME_TO_LIVE: Duration = Duration::from_secs(5 * 60);
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
const MAX_ENTRIES: usize = 10_000;
const MOST_ENTRIES: usize = 10_000_000;
const MAX_BYTES: u64 = 32 * 1024 * 1024;
const LEAST_BYTES: u64 = 64 * 1024;
const MOST_BYTES: u64 = 64 * 1024 * 1024 * 1024;
const NEGATIVE_TIME_TO_LIVE: Duration = Duration::from_secs(5);
const LONGEST_NEGATIVE: Duration = Duration::from_secs(10);
const REFRESH_AHEAD: u8 = 20;
const JITTER: u8 = 10;
const MOST_PERCENT: u8 = 50;
const TIMEOUT: Duration = Duration::from_secs(10);
const MIN_TIMEOUT: Duration = Duration::from_millis(1);
const MAX_TIMEOUT: Duration = Duration::from_secs(60);
const UPSTREAM_CALLS: usize = 64;
const MOST_UPSTREAM_CALLS: usize = 65_536;
const MAX_WAIT: Duration = Duration::from_secs(2);
const MAX_WAITING: usize = 16_384;
const MOST_WAITING: usize = 1_000_000;

/// Puts a cache around a verifier.
///
/// Each call of [`layer`](Layer::layer), and so each [`cached`](crate::TokenVerifier::cached), opens a cache of its
/// own: two verifiers share nothing. Clones of the [`Cached`] that it returns, and of an
/// [`AuthLayer`](crate::AuthLayer) around it, share everything.
///
/// See [what it does](crate::cache).
///
/// # Security
///
/// A token that is revoked at the provider is good for as long as it is remembered: 5 minutes by default. A shorter
/// [`time_to_live`](CacheLayerBuilder::time_to_live) means more calls to the provider; a webhook that calls
/// [`CacheHandle::invalidate`](super::CacheHandle::invalidate) means no delay at all.
#[derive(Clone)]
pub struct CacheLayer {
    settings: Settings,
}

impl CacheLayer {
    /// A cache with the defaults, which suit most.
    #[must_use]
    pub fn new() -> Self {
        Self { settings: CacheLayerBuilder::defaults().settings }
    }

    /// Starts a cache with settings.
    pub fn builder() -> CacheLayerBuilder {
        CacheLayerBuilder::defaults()
    }
}

impl Default for CacheLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> Layer<V> for CacheLayer {
    type Service = Cached<V>;

    fn layer(&self, verifier: V) -> Cached<V> {
        Cached::new(verifier, Core::new(self.settings.clone()))
    }
}

impl fmt::Debug for CacheLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { name, bounds, timeout, .. } = &self.settings;
        f.debug_struct("CacheLayer")
            .field("name", name)
            .field("bounds", bounds)
            .field("timeout", timeout)
            .finish_non_exhaustive()
    }
}

/// Sets up a [`CacheLayer`].
#[derive(Clone)]
#[must_use = "the layer is made by `build`"]
pub struct CacheLayerBuilder {
    settings: Settings,
}

impl CacheLayerBuilder {
    fn defaults() -> Self {
        let bounds = Bounds {
            time_to_live: TIME_TO_LIVE,
            max_entries: MAX_ENTRIES,
            max_bytes: MAX_BYTES,
            negative_time_to_live: NEGATIVE_TIME_TO_LIVE,
            max_negative_entries: MAX_ENTRIES,
            refresh_ahead: REFRESH_AHEAD,
            jitter: JITTER,
            stale_if_error: Duration::ZERO,
        };
        Self {
            settings: Settings {
                name: Arc::from("default"),
                bounds,
                timeout: TIMEOUT,
                max_upstream_calls: UPSTREAM_CALLS,
                max_wait: MAX_WAIT,
                max_waiting: MAX_WAITING,
                clock: SystemClock::shared(),
            },
        }
    }

    /// How long a good verdict is remembered, counted from the moment at which the verifier was asked, and never past
    /// the expiry of the token.
    ///
    /// It is the time for which a token lives on that was revoked at the provider. The provider is asked once in that
    /// time, somewhat more often with [`refresh_ahead`](Self::refresh_ahead) and [`jitter`](Self::jitter), which both
    /// ask early.
    ///
    /// Default: 5 minutes. At most 24 hours. Zero turns memory off, that of bad tokens included; requests that come
    /// together still share a call.
    pub fn time_to_live(mut self, time: Duration) -> Self {
        self.settings.bounds.time_to_live = time;
        self
    }

    /// How many good tokens are remembered at most. When there is no more room, those go that are used least.
    ///
    /// Room is divided into up to 64 parts, so that a few of them may go when the cache is almost full: for every one
    /// of `n` tokens to have a place, allow a quarter more.
    ///
    /// Default: 10 000. At most 10 million. Zero turns memory off, as for [`time_to_live`](Self::time_to_live).
    pub fn max_entries(mut self, entries: usize) -> Self {
        self.settings.bounds.max_entries = entries;
        self
    }

    /// How many bytes good tokens take at most: their claims as text and as parsed, which is estimated from above, and
    /// 256 bytes each. An entry that is larger than a part of the room (see [`max_entries`](Self::max_entries); no part
    /// is smaller than 256 KiB unless there is only one) is not remembered. Tokens with many claims fill the bytes
    /// before the number of entries.
    ///
    /// Default: 32 MiB. From 64 KiB to 64 GiB. Zero turns memory off, as for [`time_to_live`](Self::time_to_live).
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.settings.bounds.max_bytes = bytes;
        self
    }

    /// How long a definite rejection is remembered. An unknown key is remembered no longer than the keys may not be
    /// fetched again.
    ///
    /// It keeps bad tokens that are sent again and again away from the provider. It is also the time for which a token
    /// is still refused that has become good meanwhile.
    ///
    /// Default: 5 seconds. At most 10 seconds. Zero remembers no rejection.
    pub fn negative_time_to_live(mut self, time: Duration) -> Self {
        self.settings.bounds.negative_time_to_live = time;
        self
    }

    /// How many rejected tokens are remembered at most. They have a place of their own, of about 100 bytes each, and
    /// never displace good ones.
    ///
    /// Default: 10 000. At most 10 million. Zero remembers no rejection.
    pub fn max_negative_entries(mut self, entries: usize) -> Self {
        self.settings.bounds.max_negative_entries = entries;
        self
    }

    /// In which last part of its time to live, in percent, an entry that is in use is verified again in the background.
    ///
    /// It goes on serving meanwhile, so that no request waits for a token that is in use. If nobody can tell, it serves
    /// to the end of its time, and the attempt is repeated; if the token is rejected, the entry is gone at once. It
    /// needs a tokio runtime and a free place among the [upstream calls](Self::max_upstream_calls), of which it never
    /// takes more than half, so that requests that do wait find one.
    ///
    /// Default: 20, the last fifth. At most 50. Zero turns it off.
    pub fn refresh_ahead(mut self, percent: u8) -> Self {
        self.settings.bounds.refresh_ahead = percent;
        self
    }

    /// For how much longer than its time to live a good verdict is given when the verifier cannot tell, and never past
    /// the expiry of the token.
    ///
    /// The first request after the end of the time waits for the failure. Then the entry serves for some seconds, or
    /// for as long as the verifier asked not to be asked again, up to two minutes; a request at the end of that asks
    /// again in the background, for which it needs a tokio runtime, and one that comes later waits like the first. A
    /// rejection ends it all at once.
    ///
    /// # Security
    ///
    /// A token that was revoked lives on for so much longer if the provider cannot be reached: whoever can disturb that
    /// connection can prolong it.
    ///
    /// Default: zero, never. At most 24 hours.
    pub fn stale_if_error(mut self, time: Duration) -> Self {
        self.settings.bounds.stale_if_error = time;
        self
    }

    /// By how much of the time to live, in percent, it is shortened at most, differently for each token in each
    /// process, so that tokens and servers that started together do not ask the provider together for ever.
    ///
    /// Default: 10. At most 50. Zero turns it off.
    pub fn jitter(mut self, percent: u8) -> Self {
        self.settings.bounds.jitter = percent;
        self
    }

    /// How long a call of the verifier may take. Then it is given up, and nobody can tell.
    ///
    /// It needs a tokio runtime with its timer: without one there is no limit. The layer has a
    /// [limit](crate::middleware::AuthLayerBuilder::timeout) of its own for each request.
    ///
    /// Default: 10 seconds. From 1 millisecond to 60 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// How many calls of the verifier are under way at most, for different tokens. Verdicts that need no waiting are
    /// not counted. Around a chain they are those of all its members together: one that hangs may take them all, where
    /// members with caches of their own do not feel each other.
    ///
    /// While nobody can tell about tokens, the last eighth is handed out one at a time, so that a provider that comes
    /// back is found out.
    ///
    /// Default: 64. From 1 to 65 536.
    pub fn max_upstream_calls(mut self, calls: usize) -> Self {
        self.settings.max_upstream_calls = calls;
        self
    }

    /// How long a verification waits for its turn when all places are taken. Then nobody can tell. It needs a tokio
    /// runtime with its timer, as does [`timeout`](Self::timeout).
    ///
    /// Default: 2 seconds. At most 60 seconds. Zero never waits.
    pub fn max_wait(mut self, time: Duration) -> Self {
        self.settings.max_wait = time;
        self
    }

    /// How many verifications wait for their turn at most. For one more nobody can tell.
    ///
    /// Default: 16 384. At most a million. Zero never waits.
    pub fn max_waiting(mut self, verifications: usize) -> Self {
        self.settings.max_waiting = verifications;
        self
    }

    /// The name of the cache in logs and metrics, for whoever has several. Not empty.
    ///
    /// Default: `default`.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.settings.name = name.into();
        self
    }

    /// The clock: the monotonic one for the time to live, the wall clock for the expiry of tokens. Default: that of the
    /// system.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.settings.clock = Arc::new(clock);
        self
    }

    /// Makes the layer.
    ///
    /// # Errors
    ///
    /// - a duration, a number or a percentage is outside of the range that its setter names:
    ///   [`OutOfRange`](BuildErrorKind::OutOfRange)
    /// - the name is empty: [`Empty`](BuildErrorKind::Empty)
    pub fn build(self) -> Result<CacheLayer, BuildError> {
        let Settings { name, bounds, timeout, max_upstream_calls, max_wait, max_waiting, .. } =
            &self.settings;
        let bytes_fit = bounds.max_bytes == 0 || (LEAST_BYTES..=MOST_BYTES).contains(&bounds.max_bytes);
        let in_range = [
            ("time_to_live", bounds.time_to_live <= LONGEST),
            ("max_entries", bounds.max_entries <= MOST_ENTRIES),
            ("max_bytes", bytes_fit),
            ("negative_time_to_live", bounds.negative_time_to_live <= LONGEST_NEGATIVE),
            ("max_negative_entries", bounds.max_negative_entries <= MOST_ENTRIES),
            ("refresh_ahead", bounds.refresh_ahead <= MOST_PERCENT),
            ("stale_if_error", bounds.stale_if_error <= LONGEST),
            ("jitter", bounds.jitter <= MOST_PERCENT),
            ("timeout", (MIN_TIMEOUT..=MAX_TIMEOUT).contains(timeout)),
            ("max_upstream_calls", (1..=MOST_UPSTREAM_CALLS).contains(max_upstream_calls)),
            ("max_wait", *max_wait <= MAX_TIMEOUT),
            ("max_waiting", *max_waiting <= MOST_WAITING),
        ];
        if let Some((setting, _)) = in_range.into_iter().find(|(_, fits)| !fits) {
            return Err(BuildError::new(setting, BuildErrorKind::OutOfRange));
        }
        if name.is_empty() {
            return Err(BuildError::new("name", BuildErrorKind::Empty));
        }
        Ok(CacheLayer { settings: self.settings })
    }
}

impl fmt::Debug for CacheLayerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheLayerBuilder").finish_non_exhaustive()
    }
}
