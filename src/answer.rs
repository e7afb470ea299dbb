//! Turns a rejection into a response: the one place that writes a status.
//!
//! | rejection | status | `error` | challenge |
//! |---|---|---|---|
//! | missing token | 401 | none | yes |
//! | invalid request | 400 | `invalid_request` | yes |
//! | invalid token | 401 | `invalid_token` | yes |
//! | insufficient scope | 403 | `insufficient_scope` | yes |
//! | insufficient claims | 403 | none in the challenge | yes |
//! | insufficient authentication | 401 | `insufficient_user_authentication` | yes |
//! | unavailable | 503 | none | no: no credential would help |
//!
//! The `grpc` module has what gRPC callers get instead.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};

use crate::challenge::Challenge;
use crate::error::{Rejection, RejectionKind, VerifyError};

/// What a client is told when the verifier names no time.
const DEFAULT_RETRY_AFTER: u64 = 5;
const MAX_RETRY_AFTER: u64 = 120;
/// The same where a provider said when its limit is lifted.
const MAX_RESET_AFTER: u64 = 3_600;

/// The body of a rejection, for [`rejection_body`](crate::middleware::AuthLayerBuilder::rejection_body).
#[derive(Clone, Debug)]
pub struct RejectionBody {
    content_type: HeaderValue,
    bytes: Bytes,
}

impl RejectionBody {
    /// A body of any type.
    #[must_use]
    pub fn new(content_type: HeaderValue, bytes: impl Into<Bytes>) -> Self {
        Self { content_type, bytes: bytes.into() }
    }

    /// A JSON body, such as a problem document.
    #[must_use]
    pub fn json(value: &serde_json::Value) -> Self {
        Self::new(HeaderValue::from_static("application/json"), value.to_string())
    }
}

/// The code and the sentence that a client sees.
fn words(kind: RejectionKind) -> (StatusCode, Option<&'static str>, Option<&'static str>) {
    match kind {
        RejectionKind::InsufficientAuthentication => (
            StatusCode::UNAUTHORIZED,
            Some("insufficient_user_authentication"),
            Some("A stronger authentication is required"),
        ),
        RejectionKind::InsufficientClaims => {
            (StatusCode::FORBIDDEN, None, Some("The access token does not permit this"))
        }
        RejectionKind::InsufficientScope => {
            (StatusCode::FORBIDDEN, Some("insufficient_scope"), Some("Additional scope is required"))
        }
        RejectionKind::InvalidRequest => {
            (StatusCode::BAD_REQUEST, Some("invalid_request"), Some("Malformed Authorization header"))
        }
        RejectionKind::InvalidToken => {
            (StatusCode::UNAUTHORIZED, Some("invalid_token"), Some("The access token is invalid or expired"))
        }
        RejectionKind::MissingToken => (StatusCode::UNAUTHORIZED, None, None),
        RejectionKind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, None, None),
    }
}

/// What a client reads where an answer has no body: the words of the challenge, and some for what has none there.
pub(crate) fn sentence(kind: RejectionKind) -> &'static str {
    match (kind, words(kind)) {
        (RejectionKind::Unavailable, _) => "The access token cannot be verified now",
        (_, (.., description)) => description.unwrap_or("An access token is required"),
    }
}

/// Completes a challenge with what is wrong.
pub(crate) fn challenge(kind: RejectionKind, challenge: Challenge) -> HeaderValue {
    match words(kind) {
        (_, Some(code), Some(description)) => {
            challenge.error(code).error_description(description).to_header_value()
        }
        _ => challenge.to_header_value(),
    }
}

/// The body that is sent unless a hook replaces it. Its words are those of the challenge.
fn default_body(kind: RejectionKind) -> Option<RejectionBody> {
    let text = match kind {
        RejectionKind::InsufficientAuthentication => {
            r#"{"error":"insufficient_user_authentication","error_description":"A stronger authentication is required"}"#
        }
        RejectionKind::InsufficientClaims => {
            r#"{"error":"access_denied","error_description":"The access token does not permit this"}"#
        }
        RejectionKind::InsufficientScope => {
            r#"{"error":"insufficient_scope","error_description":"Additional scope is required"}"#
        }
        RejectionKind::InvalidRequest => {
            r#"{"error":"invalid_request","error_description":"Malformed Authorization header"}"#
        }
        RejectionKind::InvalidToken => {
            r#"{"error":"invalid_token","error_description":"The access token is invalid or expired"}"#
        }
        RejectionKind::MissingToken => return None,
        RejectionKind::Unavailable => r#"{"error":"temporarily_unavailable"}"#,
    };
    Some(RejectionBody::new(HeaderValue::from_static("application/json"), text))
}

/// The response to a rejection. A 503 never carries the challenge that is passed.
pub(crate) fn respond(
    rejection: Rejection,
    challenge: HeaderValue,
    body: Option<RejectionBody>,
) -> Response<Bytes> {
    let (status, ..) = words(rejection.kind());
    let mut response = plain(status, body.or_else(|| default_body(rejection.kind())));
    if rejection.kind() == RejectionKind::Unavailable {
        let seconds = rejection.verify_error().map_or(DEFAULT_RETRY_AFTER, retry_after);
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    } else {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response.extensions_mut().insert(rejection);
    response
}

/// The response to a fault of this server: a layer that is missing, a hook that panics.
pub(crate) fn internal_error() -> Response<Bytes> {
    let body = r#"{"error":"server_error"}"#;
    let body = RejectionBody::new(HeaderValue::from_static("application/json"), body);
    plain(StatusCode::INTERNAL_SERVER_ERROR, Some(body))
}

fn plain(status: StatusCode, body: Option<RejectionBody>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let length = body.as_ref().map_or(0, |body| body.bytes.len());
    headers.insert(CONTENT_LENGTH, length.into());
    if let Some(body) = body {
        headers.insert(CONTENT_TYPE, body.content_type);
        *response.body_mut() = body.bytes;
    }
    response
}

/// Whole seconds, rounded up, within bounds: soon enough to recover, late enough not to hammer.
fn retry_after(error: &VerifyError) -> u64 {
    let longest = if error.is_reset() { MAX_RESET_AFTER } else { MAX_RETRY_AFTER };
    error.retry_delay().map_or(DEFAULT_RETRY_AFTER, |delay| {
        let started = u64::from(delay.subsec_nanos() > 0);
        delay.as_secs().saturating_add(started).clamp(1, longest)
    })
}
