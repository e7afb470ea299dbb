//! One entry of a cache, and when it counts.

use std::time::{Instant, SystemTime};

use crate::access_token::AccessToken;
use crate::error::VerifyErrorKind;

/// Both clocks, read once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) wall: SystemTime,
    pub(super) instant: Instant,
}

/// When a verification began. What it brings is at least as new as that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) instant: Instant,
    pub(super) generation: u64,
}

/// A token that was vouched for.
#[derive(Clone)]
pub(super) struct Vouched {
    pub(super) token: AccessToken,
    pub(super) generation: u64,
    pub(super) bytes: u64,
    pub(super) fresh_until: Instant,
    pub(super) stale_until: Instant,
    pub(super) refresh_from: Instant,
    // The end of its time, or later for a while when nobody can tell.
    pub(super) serves_until: Instant,
}

/// A token that was rejected.
#[derive(Clone)]
pub(super) struct Refused {
    pub(super) kind: VerifyErrorKind,
    pub(super) generation: u64,
    pub(super) until: Instant,
}

impl Vouched {
    /// D5 of every hit: neither past its time, nor past its expiry, nor of an older generation of keys.
    #[inline]
    pub(super) fn serves(&self, now: Moment, generation: u64) -> bool {
        now.instant < self.serves_until && self.generation == generation && self.token.is_current(now.wall)
    }
}

impl Refused {
    pub(super) fn serves(&self, now: Moment, generation: u64) -> bool {
        now.instant < self.until && self.generation == generation
    }
}

/// Whether a rejection holds for some time. The others may change without the issuer changing its mind.
pub(super) fn is_definitive(kind: VerifyErrorKind) -> bool {
    let passing = [VerifyErrorKind::NotMine, VerifyErrorKind::NotYetValid, VerifyErrorKind::Unavailable];
    !passing.contains(&kind)
}
