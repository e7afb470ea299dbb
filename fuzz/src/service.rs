//! A layer in front of an inner service that notes how it was reached.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, WWW_AUTHENTICATE};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower_bearer::middleware::Auth;
use tower_bearer::{AccessToken, AuthLayer, TokenVerifier};
use tower_layer::Layer;
use tower_service::Service;

use crate::challenge::Challenge;
use crate::lab::{StandingClock, finish};

/// The inner service.
#[derive(Clone, Copy, Debug)]
pub struct Inner;

/// What the inner service saw.
#[derive(Clone, Debug)]
pub struct Reached {
    pub headers: HeaderMap,
    pub token: Option<AccessToken>,
}

impl Service<Request<()>> for Inner {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let (head, ()) = request.into_parts();
        let token = head.extensions.get().cloned();
        let mut response = Response::new(Full::default());
        response.extensions_mut().insert(Reached { headers: head.headers, token });
        ready(Ok(response))
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// None: the inner service was not called.
    pub reached: Option<Reached>,
}

/// A service behind a layer.
pub type Door<V> = Auth<Inner, V>;

/// The inner service behind a layer that asks for a token and nothing else.
pub fn door<V: TokenVerifier>(verifier: V) -> Door<V> {
    let layer = AuthLayer::builder(verifier).clock(StandingClock).required_scopes(["read"]).build();
    layer.expect("settings that make sense").layer(Inner)
}

/// Sends a request with these `Authorization` lines.
pub fn ask<V: TokenVerifier + 'static>(
    door: &Door<V>,
    lines: impl IntoIterator<Item = http::HeaderValue>,
) -> Answer {
    let mut door = door.clone();
    let mut request = Request::new(());
    for line in lines {
        request.headers_mut().append(AUTHORIZATION, line);
    }
    let ready = door.poll_ready(&mut Context::from_waker(Waker::noop()));
    assert!(ready.is_ready());
    let Ok(response) = finish(door.call(request));
    let (mut head, body) = response.into_parts();
    let Ok(body) = finish(body.collect());
    let reached: Option<Reached> = head.extensions.remove();
    assert_eq!(reached.is_some(), head.status == StatusCode::OK, "{head:?}");
    Answer { status: head.status, headers: head.headers, body: body.to_bytes(), reached }
}

impl Answer {
    /// The only challenge. None: there is none.
    pub fn challenge(&self) -> Option<Challenge> {
        let mut lines = self.headers.get_all(WWW_AUTHENTICATE).iter();
        let line = lines.next()?;
        assert!(lines.next().is_none(), "several challenges: {:?}", self.headers);
        let challenge = Challenge::read(line.as_bytes());
        let challenge = challenge.unwrap_or_else(|| panic!("no challenge: {line:?}"));
        assert_eq!(challenge.scheme, "Bearer");
        Some(challenge)
    }

    /// Panics unless this is a rejection with a status and a code, and nothing else in it.
    pub fn assert_rejected(&self, status: u16, code: Option<&str>) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.headers.get(CACHE_CONTROL).map(|value| value.as_bytes()), Some(&b"no-store"[..]));
        let length = self.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        assert_eq!(length, Some(self.body.len()));
        if status == 503 {
            assert_eq!(self.challenge(), None, "no credential would help");
            let after = self.headers.get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok());
            let after = after.and_then(|seconds| seconds.parse::<u32>().ok());
            assert!(after.is_some_and(|seconds| (1..=3_600).contains(&seconds)), "{self:?}");
            return;
        }
        let challenge = self.challenge().unwrap_or_else(|| panic!("no challenge in {self:?}"));
        assert_eq!(challenge.param("error"), code, "{challenge:?}");
        assert_eq!(challenge.param("scope"), Some("read"), "{challenge:?}");
        let body = match code {
            None => "",
            Some("insufficient_scope") => {
                r#"{"error":"insufficient_scope","error_description":"Additional scope is required"}"#
            }
            Some("invalid_request") => {
                r#"{"error":"invalid_request","error_description":"Malformed Authorization header"}"#
            }
            Some("invalid_token") => {
                r#"{"error":"invalid_token","error_description":"The access token is invalid or expired"}"#
            }
            Some(other) => panic!("{other}"),
        };
        assert_eq!(self.body, body);
    }
}
