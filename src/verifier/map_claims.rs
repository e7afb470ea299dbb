//! A verifier whose access tokens are changed before anybody sees them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use super::{TokenVerifier, Verdict};
use crate::access_token::{AccessToken, AccessTokenBuilder};
use crate::bearer_token::BearerToken;

/// Changes what a verifier vouches for. Made by [`TokenVerifier::map_claims`].
#[derive(Clone)]
pub struct MapClaims<V, F> {
    verifier: V,
    map: F,
    // Of this mapping and its clones.
    id: u64,
}

/// How many mappings there are.
static MAPPINGS: AtomicU64 = AtomicU64::new(0);

impl<V, F> MapClaims<V, F>
where
    V: TokenVerifier,
    F: Fn(AccessTokenBuilder, &AccessToken) -> AccessTokenBuilder + Send + Sync,
{
    pub(super) fn new(verifier: V, map: F) -> Self {
        Self { verifier, map, id: MAPPINGS.fetch_add(1, Ordering::Relaxed) }
    }

    fn mapped(&self, verdict: Verdict) -> Verdict {
        verdict.map(|token| (self.map)(token.to_builder(), &token).mapped_from(self.id, token).build())
    }
}

impl<V, F> TokenVerifier for MapClaims<V, F>
where
    V: TokenVerifier,
    F: Fn(AccessTokenBuilder, &AccessToken) -> AccessTokenBuilder + Send + Sync,
{
    async fn verify(&self, token: &BearerToken) -> Verdict {
        self.mapped(self.verifier.verify(token).await)
    }

    fn verify_now(&self, token: &BearerToken, now: SystemTime) -> Option<Verdict> {
        Some(self.mapped(self.verifier.verify_now(token, now)?))
    }

    fn recognises(&self, token: &BearerToken) -> bool {
        self.verifier.recognises(token)
    }

    async fn revalidate(&self, token: &BearerToken, last: &AccessToken) -> Verdict {
        match last.before(self.id) {
            // Whoever is asked knows what they said, and not what was made of it.
            Some(original) => match self.verifier.revalidate(token, original).await {
                Ok(same) if same.is_same(original) => Ok(last.clone()),
                verdict => self.mapped(verdict),
            },
            None if last.is_mapped() => self.verify(token).await,
            None => self.mapped(self.verifier.revalidate(token, last).await),
        }
    }

    fn generation(&self) -> u64 {
        self.verifier.generation()
    }

    fn issuers(&self) -> Vec<Arc<str>> {
        self.verifier.issuers()
    }
}

impl<V: fmt::Debug, F> fmt::Debug for MapClaims<V, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapClaims").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}
