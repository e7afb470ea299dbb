//! The handle of a cache, for whoever learns that a token or its owner is no longer welcome.

use std::fmt;
use std::sync::Arc;

use super::core::Core;
use super::stats::CacheStats;
use crate::access_token::Principal;
use crate::bearer_token::BearerToken;

/// Invalidates what a cache remembers, and reads its counters. Clones are cheap and stand for the same cache.
///
/// It works from anywhere: an admin route, a webhook, a thread without a runtime. When a method that invalidates
/// returns, no request that begins from then on is answered by what was found out before, verifications that were under
/// way included; requests that wait for one of those are answered by a new one. That holds for good and bad verdicts,
/// and for good ones only where a principal is invalidated: a bad token has none.
#[derive(Clone)]
pub struct CacheHandle {
    core: Arc<Core>,
}

impl CacheHandle {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Forgets what is known of a token, good or bad.
    pub fn invalidate(&self, token: &BearerToken) {
        self.core.invalidate(&self.core.digest(token));
    }

    /// Forgets all good tokens of a principal, as [`AccessToken::principal`](crate::AccessToken::principal) names it:
    /// the issuer belongs to it.
    ///
    /// It looks at every entry, in time that grows with their number.
    pub fn invalidate_principal(&self, principal: &Principal<'_>) {
        self.core.invalidate_principal(principal);
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.core.clear();
    }

    /// Reads the counters. Cheap enough for every scrape.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        CacheStats::read(&self.core)
    }
}

impl fmt::Debug for CacheHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheHandle").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
