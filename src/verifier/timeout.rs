//! A verifier that is given so much time and no more.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{TokenVerifier, Verdict};
use crate::access_token::AccessToken;
use crate::bearer_token::BearerToken;
use crate::deadline::within;
use crate::error::VerifyError;

/// Gives up on a verifier that takes too long. Made by [`TokenVerifier::timeout`].
#[derive(Clone, Debug)]
pub struct Timeout<V> {
    verifier: V,
    limit: Duration,
}

impl<V> Timeout<V> {
    pub(super) fn new(verifier: V, limit: Duration) -> Self {
        Self { verifier, limit }
    }
}

fn late() -> Verdict {
    Err(VerifyError::unavailable("no verdict within the time limit"))
}

impl<V: TokenVerifier> TokenVerifier for Timeout<V> {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        within(self.limit, self.verifier.verify(token)).await.unwrap_or_else(late)
    }

    fn verify_now(&self, token: &BearerToken, now: SystemTime) -> Option<Verdict> {
        self.verifier.verify_now(token, now)
    }

    fn recognises(&self, token: &BearerToken) -> bool {
        self.verifier.recognises(token)
    }

    async fn revalidate(&self, token: &BearerToken, last: &AccessToken) -> Verdict {
        within(self.limit, self.verifier.revalidate(token, last)).await.unwrap_or_else(late)
    }

    fn generation(&self) -> u64 {
        self.verifier.generation()
    }

    fn issuers(&self) -> Vec<Arc<str>> {
        self.verifier.issuers()
    }
}
