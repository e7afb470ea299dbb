//! How the authorization server of tests answers.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, DATE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::server::{Fake, Outcome};
use super::traffic::Traffic;
use crate::clock::Clock;

const BASIC: &str = "Basic realm=\"introspection\"";
const BEARER: &str = "Bearer error=\"invalid_token\"";
const FORM: &str = "application/x-www-form-urlencoded";

/// What all clones of a fake share.
#[derive(Debug)]
pub(super) struct Introspection {
    pub(super) issuer: String,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) known: Mutex<Known>,
    pub(super) minted: AtomicU64,
    pub(super) traffic: Traffic,
}

/// Who may ask, and what for.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) client: (String, String),
    pub(super) bearer: Option<String>,
    pub(super) answers: HashMap<String, Bytes>,
}

impl Fake for Introspection {
    async fn answer(&self, request: Request<Bytes>) -> Outcome {
        self.traffic.conduct(request, |request| self.respond(request)).await
    }
}

impl Introspection {
    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn endpoint(&self) -> String {
        format!("{}/introspect", self.issuer)
    }

    fn respond(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let mut response = match request.uri().path() {
            "/introspect" => self.introspect(request),
            "/.well-known/oauth-authorization-server" | "/.well-known/openid-configuration" => {
                answer(StatusCode::OK, self.metadata().to_string())
            }
            _ => answer(StatusCode::NOT_FOUND, "{}"),
        };
        put(&mut response, DATE, &httpdate::fmt_http_date(self.clock.now()));
        response
    }

    fn metadata(&self) -> Value {
        json!({
            "issuer": self.issuer,
            "authorization_endpoint": format!("{}/authorize", self.issuer),
            "token_endpoint": format!("{}/token", self.issuer),
            "introspection_endpoint": self.endpoint(),
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "response_types_supported": ["code"],
        })
    }

    fn introspect(&self, request: &Request<Bytes>) -> Response<Bytes> {
        if request.method() != Method::POST {
            let mut response = error(StatusCode::METHOD_NOT_ALLOWED, "invalid_request");
            put(&mut response, ALLOW, "POST");
            return response;
        }
        let fields = form(request.body());
        let header = request.headers().get(AUTHORIZATION);
        let known = self.known();
        let allowed = match header {
            // RFC 6749 §2.3: one method in each request.
            Some(_) if one(&fields, "client_secret").is_some() => {
                return error(StatusCode::BAD_REQUEST, "invalid_request");
            }
            Some(value) => known.admits(value),
            None => one(&fields, "client_id")
                .zip(one(&fields, "client_secret"))
                .is_some_and(|(id, secret)| known.client.0 == id && known.client.1 == secret),
        };
        if !allowed {
            let mut response = error(StatusCode::UNAUTHORIZED, "invalid_client");
            let challenge = if header.is_some_and(is_bearer) { BEARER } else { BASIC };
            put(&mut response, WWW_AUTHENTICATE, challenge);
            return response;
        }
        // RFC 7662 §2.1: a form with one token.
        let Some(token) = one(&fields, "token").filter(|_| is_form(request.headers())) else {
            return error(StatusCode::BAD_REQUEST, "invalid_request");
        };
        match known.answers.get(token) {
            Some(body) => answer(StatusCode::OK, body.clone()),
            None => answer(StatusCode::OK, r#"{"active":false}"#),
        }
    }
}

impl Known {
    /// Whether a header names the client or is the bearer token.
    fn admits(&self, value: &HeaderValue) -> bool {
        let (scheme, credentials) = value.to_str().unwrap_or_default().split_once(' ').unwrap_or_default();
        if scheme.eq_ignore_ascii_case("bearer") {
            return self.bearer.as_deref() == Some(credentials);
        }
        let decoded = STANDARD.decode(credentials).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"));
        let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        // RFC 6749 §2.3.1: both are form-encoded before they are joined.
        let Some((id, secret)) = text.split_once(':') else { return false };
        decoded_part(id).is_some_and(|id| id == self.client.0)
            && decoded_part(secret).is_some_and(|secret| secret == self.client.1)
    }
}

/// The fields of a form, in their order.
pub(super) fn form(body: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(body).into_owned().collect()
}

/// What one part of a Basic credential says. None if it could not be the value of a form.
fn decoded_part(part: &str) -> Option<String> {
    if part.contains(['&', '=']) {
        return None;
    }
    let fields = form(format!("part={part}").as_bytes());
    fields.into_iter().next().map(|(_, value)| value)
}

/// A field that is there once.
fn one<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut values = fields.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
    values.next().filter(|_| values.next().is_none())
}

fn is_form(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case(FORM))
}

fn is_bearer(value: &HeaderValue) -> bool {
    value.as_bytes().get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "))
}

fn error(status: StatusCode, code: &str) -> Response<Bytes> {
    answer(status, json!({ "error": code }).to_string())
}

fn answer(status: StatusCode, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    put(&mut response, CONTENT_TYPE, "application/json");
    put(&mut response, CACHE_CONTROL, "no-store");
    response
}

/// Sets a header, unless its value cannot be one.
fn put(response: &mut Response<Bytes>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().insert(name, value);
    }
}
