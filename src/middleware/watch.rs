//! Watches what a handler finds when it asks for the scopes of its operation, and answers in its place if some are
//! missing.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, Response};

use crate::access_token::AccessToken;
use crate::admitted::{Admitted, Findings, Protection};
use crate::answer::{self, Form};
use crate::deadline::{has_timer, within};
use crate::error::{Rejection, RejectionKind};
use crate::log::TARGET;

/// How long the head of a stream is kept back. Handlers demand their scopes first, which takes microseconds; one that
/// never does must not be noticed.
const PATIENCE: Duration = Duration::from_secs(1);
/// With one of these a request is one of MCP, whose answer may be a stream that begins before its handler runs.
const OF_MCP: [&str; 2] = ["mcp-session-id", "mcp-protocol-version"];

/// Waits until a handler has asked, or has had time enough to ask.
pub(super) type Patience = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The layer's end of what a handler finds.
pub(super) struct Watch {
    findings: Arc<Findings>,
    protection: Arc<Protection>,
    form: Form,
    is_of_mcp: bool,
}

impl Watch {
    /// Gives the handler a token that reports here.
    pub(super) fn over<B>(
        token: AccessToken,
        request: &Request<B>,
        protection: &Arc<Protection>,
    ) -> (AccessToken, Self) {
        let watch = Self {
            findings: Arc::default(),
            form: Form::of(protection, request.method(), request.headers()),
            protection: Arc::clone(protection),
            is_of_mcp: request.method() == Method::POST
                && OF_MCP.iter().any(|name| request.headers().contains_key(*name)),
        };
        let admitted = Admitted::watched(Arc::clone(protection), Arc::clone(&watch.findings));
        (token.admitted_as(Arc::new(admitted)), watch)
    }

    /// The answer in place of the handler's, if it found that scopes are missing.
    pub(super) fn refusal(&self) -> Option<Response<Bytes>> {
        let lacking = self.findings.lacking()?;
        let kind = RejectionKind::InsufficientScope;
        tracing::debug!(target: TARGET, outcome = "rejected", reason = Rejection::new(kind).reason());
        let challenge = answer::challenge(kind, &self.protection, &self.protection.scopes_with(&lacking));
        let challenge = challenge.to_header_value();
        Some(answer::reject(&self.protection, Rejection::new(kind), challenge, self.form))
    }

    /// What to wait for before the head of this answer may leave, if anything.
    pub(super) fn patience(&self, head: &HeaderMap) -> Option<Patience> {
        let is_stream = |value: &HeaderValue| value.as_bytes().starts_with(b"text/event-stream");
        let may_hold = self.is_of_mcp && head.get(CONTENT_TYPE).is_some_and(is_stream);
        // Nothing is held without an end.
        let holds = may_hold && has_timer(PATIENCE);
        holds.then(|| {
            let findings = Arc::clone(&self.findings);
            let asked = async move { poll_fn(|context| findings.poll_settled(context)).await };
            Box::pin(async { within(PATIENCE, asked).await.unwrap_or_default() }) as Patience
        })
    }
}
