//! Two verifiers side by side.

use std::sync::Arc;
use std::time::SystemTime;

use super::{TokenVerifier, Verdict, each_once, sum};
use crate::access_token::AccessToken;
use crate::bearer_token::BearerToken;
use crate::error::{VerifyError, VerifyErrorKind};

/// Asks the first verifier that recognises the token. Made by [`TokenVerifier::or`].
///
/// If neither recognises it, the token is rejected and nobody sees it.
#[derive(Clone, Debug)]
pub struct Or<A, B> {
    first: A,
    second: B,
}

impl<A: TokenVerifier, B: TokenVerifier> Or<A, B> {
    pub(super) fn new(first: A, second: B) -> Self {
        Self { first, second }
    }
}

impl<A: TokenVerifier, B: TokenVerifier> TokenVerifier for Or<A, B> {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        let mut verdict = Err(VerifyError::not_mine());
        if self.first.recognises(token) {
            verdict = self.first.verify(token).await;
        }
        if is_open(&verdict) && self.second.recognises(token) {
            verdict = self.second.verify(token).await;
        }
        verdict
    }

    fn verify_now(&self, token: &BearerToken, now: SystemTime) -> Option<Verdict> {
        let mut verdict = Err(VerifyError::not_mine());
        if self.first.recognises(token) {
            verdict = self.first.verify_now(token, now)?;
        }
        if is_open(&verdict) && self.second.recognises(token) {
            verdict = self.second.verify_now(token, now)?;
        }
        Some(verdict)
    }

    fn recognises(&self, token: &BearerToken) -> bool {
        self.first.recognises(token) || self.second.recognises(token)
    }

    async fn revalidate(&self, token: &BearerToken, last: &AccessToken) -> Verdict {
        let mut verdict = Err(VerifyError::not_mine());
        if self.first.recognises(token) {
            verdict = self.first.revalidate(token, last).await;
        }
        if is_open(&verdict) && self.second.recognises(token) {
            verdict = self.second.revalidate(token, last).await;
        }
        verdict
    }

    fn generation(&self) -> u64 {
        sum([self.first.generation(), self.second.generation()].into_iter())
    }

    fn issuers(&self) -> Vec<Arc<str>> {
        each_once(self.first.issuers().into_iter().chain(self.second.issuers()))
    }
}

/// Whether somebody else may still know the token.
fn is_open(verdict: &Verdict) -> bool {
    verdict.as_ref().is_err_and(|error| error.kind() == VerifyErrorKind::NotMine)
}
