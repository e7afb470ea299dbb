//! The decision not to serve a request.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use http::HeaderValue;

use super::{VerifyError, VerifyErrorKind};
use crate::rejection_body::RejectionBody;

/// A hook that may replace the body of a rejection.
pub(crate) type BodyHook = Arc<dyn Fn(&Rejection) -> Option<RejectionBody> + Send + Sync>;

/// The decision not to serve a request.
///
/// It lies in the extensions of the response, so that outer layers can log and count it. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Rejection {
    kind: RejectionKind,
    cause: Option<VerifyError>,
    // Of a check that knows more than the layer does.
    answer: Option<Box<Reply>>,
}

/// How a layer would answer.
#[derive(Clone)]
struct Reply {
    challenge: HeaderValue,
    #[cfg_attr(
        not(feature = "axum"),
        expect(dead_code, reason = "only handlers of axum answer with a rejection")
    )]
    body: Option<BodyHook>,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("challenge", &self.challenge).finish_non_exhaustive()
    }
}

/// The class of a [`Rejection`], which fixes status and code.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum RejectionKind {
    /// The user has to authenticate again, or better: 401 `insufficient_user_authentication`.
    InsufficientAuthentication,
    /// The token is good, but its claims do not permit this: 403, and no scope would help.
    InsufficientClaims,
    /// The token lacks a scope: 403 `insufficient_scope`.
    InsufficientScope,
    /// The `Authorization` header is malformed: 400 `invalid_request`.
    InvalidRequest,
    /// The token is bad: 401 `invalid_token`.
    InvalidToken,
    /// There is no bearer token: 401 without a code.
    MissingToken,
    /// Nobody can tell whether the token is good: 503.
    Unavailable,
}

impl Rejection {
    pub(crate) fn new(kind: RejectionKind) -> Self {
        Self { kind, cause: None, answer: None }
    }

    /// Notes how the layer would answer.
    pub(crate) fn answered_by(mut self, challenge: HeaderValue, body: Option<BodyHook>) -> Self {
        self.answer = Some(Box::new(Reply { challenge, body }));
        self
    }

    /// How the layer would answer: the challenge, and the body. The hook is asked now, and not before.
    #[cfg(feature = "axum")]
    pub(crate) fn answer(&self) -> Option<(HeaderValue, Option<RejectionBody>)> {
        let Reply { challenge, body } = self.answer.as_deref()?;
        Some((challenge.clone(), body.as_ref().and_then(|body| body(self))))
    }

    /// The `WWW-Authenticate` value for an answer of your own, if a handler
    /// [demanded](crate::AccessToken::require_scopes) something in vain: with it clients know what to ask for.
    #[must_use]
    pub fn challenge(&self) -> Option<&HeaderValue> {
        self.answer.as_ref().map(|reply| &reply.challenge)
    }

    /// The class of the rejection.
    #[must_use]
    pub fn kind(&self) -> RejectionKind {
        self.kind
    }

    /// What the verifier said, if it was asked.
    #[must_use]
    pub fn verify_error(&self) -> Option<&VerifyError> {
        self.cause.as_ref()
    }

    /// The name of the reason in logs: the verifier's, or that of the class.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match (&self.cause, self.kind) {
            (Some(cause), _) => cause.kind().as_str(),
            (None, RejectionKind::InsufficientAuthentication) => "insufficient_authentication",
            (None, RejectionKind::InsufficientClaims) => "insufficient_claims",
            (None, RejectionKind::InsufficientScope) => "insufficient_scope",
            (None, RejectionKind::InvalidRequest) => "invalid_request",
            (None, RejectionKind::InvalidToken) => "invalid_token",
            (None, RejectionKind::MissingToken) => "missing_token",
            (None, RejectionKind::Unavailable) => "unavailable",
        }
    }
}

impl From<VerifyError> for Rejection {
    fn from(cause: VerifyError) -> Self {
        let kind = match cause.kind() {
            VerifyErrorKind::Unavailable => RejectionKind::Unavailable,
            VerifyErrorKind::Algorithm
            | VerifyErrorKind::Audience
            | VerifyErrorKind::Claim
            | VerifyErrorKind::Expired
            | VerifyErrorKind::Inactive
            | VerifyErrorKind::Issuer
            | VerifyErrorKind::KeyNotFound
            | VerifyErrorKind::Malformed
            | VerifyErrorKind::NotMine
            | VerifyErrorKind::NotYetValid
            | VerifyErrorKind::Signature => RejectionKind::InvalidToken,
        };
        Self { kind, cause: Some(cause), answer: None }
    }
}

/// For handlers whose errors are texts, such as the tools of an MCP server: it says nothing of the token.
impl From<Rejection> for String {
    fn from(rejection: Rejection) -> Self {
        rejection.to_string()
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            RejectionKind::InsufficientAuthentication => "a stronger authentication is required",
            RejectionKind::InsufficientClaims => "the claims of the token do not permit this",
            RejectionKind::InsufficientScope => "the token lacks a scope",
            RejectionKind::InvalidRequest => "the authorization header is malformed",
            RejectionKind::InvalidToken => "the token is not acceptable",
            RejectionKind::MissingToken => "the request carries no bearer token",
            RejectionKind::Unavailable => "the token cannot be verified now",
        })
    }
}

impl Error for Rejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as &(dyn Error + 'static))
    }
}
