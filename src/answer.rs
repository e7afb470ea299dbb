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
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use crate::admitted::Protection;
use crate::caught::caught_now;
use crate::challenge::Challenge;
use crate::error::{Rejection, RejectionKind, VerifyError};
use crate::grpc::{self, Call};
use crate::rejection_body::RejectionBody;
use crate::scope::ScopeSet;
use crate::small_answer;

/// What a client is told when the verifier names no time.
const DEFAULT_RETRY_AFTER: u64 = 5;
const MAX_RETRY_AFTER: u64 = 120;
/// The same where a provider said when its limit is lifted.
const MAX_RESET_AFTER: u64 = 3_600;

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
fn sentence(kind: Option<RejectionKind>) -> &'static str {
    match kind.map(|kind| (kind, words(kind))) {
        None => "Internal error",
        Some((RejectionKind::Unavailable, _)) => "The access token cannot be verified now",
        Some((_, (.., description))) => description.unwrap_or("An access token is required"),
    }
}

/// The challenge of a rejection, where a request needs these scopes.
pub(crate) fn challenge(kind: RejectionKind, protection: &Protection, scopes: &ScopeSet) -> Challenge {
    let challenge = Challenge::bearer().resource_metadata(&protection.resource_metadata);
    let challenge = match kind {
        // No scope would help, and no client must ask for more.
        RejectionKind::InsufficientClaims => challenge,
        _ => challenge.scope(scopes),
    };
    match words(kind) {
        (_, Some(code), Some(description)) => challenge.error(code).error_description(description),
        _ => challenge,
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

/// The rejection that a handler ends with, and how its layer would answer.
pub(crate) fn of_a_handler(kind: RejectionKind, protection: &Protection, scopes: &ScopeSet) -> Rejection {
    let rejection = Rejection::new(kind);
    let challenge = challenge(kind, protection, &protection.scopes_with(scopes)).to_header_value();
    rejection.answered_by(challenge, protection.body.clone())
}

/// The answer of a handler that ends with a rejection.
#[cfg(feature = "axum")]
pub(crate) fn end(rejection: Rejection) -> Response<Bytes> {
    match caught_now(|| rejection.answer()) {
        Some(Some((challenge, body))) => respond(rejection, challenge, body),
        // No layer ran, or its hook panicked: a fault of this server.
        Some(None) | None => fail(Form::default()),
    }
}

/// What the request asks of the form of its answer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Form {
    is_head: bool,
    call: Option<Call>,
}

impl Form {
    #[inline]
    pub(crate) fn of(protection: &Protection, method: &Method, headers: &HeaderMap) -> Self {
        let call = if protection.speaks_grpc { Call::of(method, headers) } else { None };
        Self { is_head: method == Method::HEAD, call }
    }

    pub(crate) fn is_call(self) -> bool {
        self.call.is_some()
    }
}

/// Answers a rejected request as its layer wants it: the hook decides about the body, and about nothing else.
pub(crate) fn reject(
    protection: &Protection,
    rejection: Rejection,
    challenge: HeaderValue,
    form: Form,
) -> Response<Bytes> {
    let hooked = caught_now(|| protection.body.as_ref().and_then(|body| body(&rejection)));
    match hooked {
        Some(body) => write(respond(rejection, challenge, body), form),
        None => fail(form),
    }
}

/// The answer to a fault of this server: a layer that is missing, a hook that panics.
pub(crate) fn fail(form: Form) -> Response<Bytes> {
    write(small_answer::json(StatusCode::INTERNAL_SERVER_ERROR, r#"{"error":"server_error"}"#), form)
}

/// Gives an answer the form that is asked for.
pub(crate) fn write(mut response: Response<Bytes>, form: Form) -> Response<Bytes> {
    let kind = response.extensions().get().map(Rejection::kind);
    if let Some(call) = form.call {
        let is_unknown = response.status() == StatusCode::NOT_FOUND;
        return grpc::answer(response, call, if is_unknown { "Not found" } else { sentence(kind) });
    }
    if form.is_head {
        // RFC 9110 §9.3.2: the header of the answer to GET, and no content.
        *response.body_mut() = Bytes::new();
    }
    response
}

/// The response to a rejection. A 503 never carries the challenge that is passed.
fn respond(rejection: Rejection, challenge: HeaderValue, body: Option<RejectionBody>) -> Response<Bytes> {
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

fn plain(status: StatusCode, body: Option<RejectionBody>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let (content_type, bytes) = body.map(RejectionBody::into_parts).unzip();
    let bytes = bytes.unwrap_or_default();
    headers.insert(CONTENT_LENGTH, bytes.len().into());
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, content_type);
    }
    *response.body_mut() = bytes;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sentence_needs_percent_encoding() {
        let kinds = [
            RejectionKind::InsufficientAuthentication,
            RejectionKind::InsufficientClaims,
            RejectionKind::InsufficientScope,
            RejectionKind::InvalidRequest,
            RejectionKind::InvalidToken,
            RejectionKind::MissingToken,
            RejectionKind::Unavailable,
        ];
        for kind in kinds.map(Some).into_iter().chain([None]) {
            let message = sentence(kind);
            assert!(!message.is_empty(), "{kind:?}");
            assert!(message.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'%'), "{message}");
        }
    }
}
