//! What stands in the place of a part that is not there, while the others are judged.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;

use crate::bearer_token::BearerToken;
use crate::client::{AnswerFuture, HttpClient, Limits};
use crate::error::VerifyError;
use crate::verifier::{TokenVerifier, Verdict};

/// A client that reaches nobody.
#[derive(Debug)]
pub(super) struct NoClient;

impl HttpClient for NoClient {
    fn send(&self, _: Request<Bytes>, _: Limits) -> AnswerFuture<'_> {
        Box::pin(async { Err(VerifyError::misconfigured("there is no client")) })
    }
}

/// A verifier that accepts nothing.
#[derive(Debug)]
pub(super) struct NoVerifier;

impl TokenVerifier for NoVerifier {
    async fn verify(&self, _: &BearerToken) -> Verdict {
        Err(VerifyError::misconfigured("there is no verifier"))
    }

    /// One, so that the metadata of a resource lack none.
    fn issuers(&self) -> Vec<Arc<str>> {
        vec!["https://issuer.example.com".into()]
    }
}
