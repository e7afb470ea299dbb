//! A verifier whose type is hidden.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use super::{TokenVerifier, Verdict, VerdictFuture};
use crate::access_token::AccessToken;
use crate::bearer_token::BearerToken;

/// Any verifier, behind one type. Clones are cheap and share the verifier.
#[derive(Clone)]
pub struct BoxVerifier(Arc<dyn DynVerifier>);

impl BoxVerifier {
    pub(super) fn new(verifier: impl TokenVerifier + 'static) -> Self {
        Self(Arc::new(verifier))
    }
}

impl TokenVerifier for BoxVerifier {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        self.0.verify_boxed(token).await
    }

    fn verify_now(&self, token: &BearerToken, now: SystemTime) -> Option<Verdict> {
        self.0.verify_now_dyn(token, now)
    }

    fn recognises(&self, token: &BearerToken) -> bool {
        self.0.recognises_dyn(token)
    }

    async fn revalidate(&self, token: &BearerToken, last: &AccessToken) -> Verdict {
        self.0.revalidate_boxed(token, last).await
    }

    fn generation(&self) -> u64 {
        self.0.generation_dyn()
    }

    fn issuers(&self) -> Vec<Arc<str>> {
        self.0.issuers_dyn()
    }
}

impl fmt::Debug for BoxVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxVerifier").finish_non_exhaustive()
    }
}

/// The methods of [`TokenVerifier`] in a form that a trait object can have.
trait DynVerifier: Send + Sync {
    fn verify_boxed<'a>(&'a self, token: &'a BearerToken) -> VerdictFuture<'a>;
    fn verify_now_dyn(&self, token: &BearerToken, now: SystemTime) -> Option<Verdict>;
    fn recognises_dyn(&self, token: &BearerToken) -> bool;
    fn revalidate_boxed<'a>(&'a self, token: &'a BearerToken, last: &'a AccessToken) -> VerdictFuture<'a>;
    fn generation_dyn(&self) -> u64;
    fn issuers_dyn(&self) -> Vec<Arc<str>>;
}

impl<V: TokenVerifier> DynVerifier for V {
    fn verify_boxed<'a>(&'a self, token: &'a BearerToken) -> VerdictFuture<'a> {
        Box::pin(self.verify(token))
    }

    fn verify_now_dyn(&self, token: &BearerToken, now: SystemTime) -> Option<Verdict> {
        self.verify_now(token, now)
    }

    fn recognises_dyn(&self, token: &BearerToken) -> bool {
        self.recognises(token)
    }

    fn revalidate_boxed<'a>(&'a self, token: &'a BearerToken, last: &'a AccessToken) -> VerdictFuture<'a> {
        Box::pin(self.revalidate(token, last))
    }

    fn generation_dyn(&self) -> u64 {
        self.generation()
    }

    fn issuers_dyn(&self) -> Vec<Arc<str>> {
        self.issuers()
    }
}
