//! Watches what a handler finds when it asks for the scopes of its operation, and answers in its place if some are
//! missing.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request, Response};
use tokio::sync::watch::Receiver;

use crate::admitted::{Admitted, Finding, Protection};
use crate::answer::{self, Form};
use crate::deadline::within;
use crate::error::{Rejection, RejectionKind};

/// How long the head of a stream is kept back. Handlers demand their scopes first, which takes microseconds; one that
/// never does must not be noticed.
const PATIENCE: Duration = Duration::from_millis(100);
/// With one of these a request is one of MCP, whose answer may be a stream that begins before its handler runs.
const OF_MCP: [&str; 2] = ["mcp-session-id", "mcp-protocol-version"];

/// The end of what a handler finds, at the layer.
pub(super) struct Watch {
    findings: Receiver<Finding>,
    protection: Arc<Protection>,
    form: Form,
    is_of_mcp: bool,
}

impl Watch {
    pub(super) fn new<B>(protection: Arc<Protection>, request: &Request<B>) -> (Admitted, Self) {
        let (admitted, findings) = Admitted::watched(Arc::clone(&protection));
        let form = Form::of(&protection, request.method(), request.headers());
        let is_of_mcp = request.method() == Method::POST
            && OF_MCP.iter().any(|name| request.headers().contains_key(*name));
        (admitted, Self { findings, protection, form, is_of_mcp })
    }

    /// The answer in place of the handler's, if it found that scopes are missing.
    pub(super) fn refusal(&self) -> Option<Response<Bytes>> {
        let Finding::Lacking(scopes) = &*self.findings.borrow() else { return None };
        let kind = RejectionKind::InsufficientScope;
        let scopes = self.protection.scopes_with(scopes);
        let challenge = answer::challenge(kind, &self.protection, &scopes).to_header_value();
        Some(answer::reject(&self.protection, Rejection::new(kind), challenge, self.form))
    }

    /// What has to be waited for before the head of this answer may leave, if anything.
    pub(super) fn patience(&self, head: &HeaderMap) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        let is_stream = |value: &http::HeaderValue| value.as_bytes().starts_with(b"text/event-stream");
        let is_open = *self.findings.borrow() == Finding::Nothing && self.findings.has_changed().is_ok();
        (self.is_of_mcp && is_open && head.get(CONTENT_TYPE).is_some_and(is_stream)).then(|| {
            let mut findings = self.findings.clone();
            let asked = async move { drop(findings.wait_for(|finding| *finding != Finding::Nothing).await) };
            Box::pin(async { within(PATIENCE, asked).await.unwrap_or_default() })
                as Pin<Box<dyn Future<Output = ()> + Send>>
        })
    }
}
