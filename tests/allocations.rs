//! What a request may cost in memory: a known token next to nothing, and a bad one too, however long it is.

#![cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::convert::Infallible;
use std::future::ready;
use std::time::{Duration, SystemTime};

use allocation_counter::{AllocationInfo, measure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use common::{Handler, Immediate, ManualClock, Untouchable, block_on, hs256};
use http::{Extensions, HeaderValue, Request, Response};
use http_body_util::Full;
use tower::{Layer, Service, ServiceExt};
use tower_bearer::{AccessToken, AuthLayer, BearerToken, CacheLayer, JwtVerifier, ScopeSet, TokenVerifier};

const MAX_LENGTH: usize = 16 * 1024;
const SECRET: [u8; 32] = [7; 32];

fn verifier() -> JwtVerifier {
    let builder = JwtVerifier::builder("https://as.example.com", "https://mcp.example.com/mcp");
    builder.hmac_secret(SECRET).build().unwrap()
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}

/// What it takes to judge a token, which has to be found bad.
fn cost(token: &str) -> AllocationInfo {
    let (verifier, token) = (verifier(), BearerToken::new(token).unwrap());
    measure(|| assert!(verifier.verify_now(&token, now()).unwrap().is_err()))
}

/// What it takes to answer a request with this field, which has to be refused.
fn cost_of_request(field: &str, status: u16) -> AllocationInfo {
    let service = AuthLayer::new(verifier()).layer(Handler::default());
    let send = || {
        let mut request = Request::new(Untouchable);
        request.headers_mut().insert("authorization", HeaderValue::from_str(field).unwrap());
        let (service, mut status_seen) = (service.clone(), 0);
        let info = measure(|| status_seen = block_on(service.oneshot(request)).unwrap().status().as_u16());
        assert_eq!(status_seen, status);
        info
    };
    // The first time, what is kept for good is made.
    send();
    send()
}

/// What a request with a known token costs, after something was done to it.
fn cost_of_a_hit(prepare: impl Fn(&mut Request<Untouchable>)) -> AllocationInfo {
    let vouch = || {
        let scopes = ScopeSet::parse("write read");
        AccessToken::verified().subject("alice").scopes(scopes).claim("team", "x").expires_at(now()).build()
    };
    let clock = ManualClock::new();
    clock.set(now() - Duration::from_secs(60));
    let cache = CacheLayer::builder().clock(clock.clone()).build().unwrap();
    let cached = Immediate(move |_: &str| Ok(vouch())).cached(cache);
    let handle = cached.handle();
    let auth = AuthLayer::builder(cached.boxed()).required_scopes(["read"]).clock(clock).build().unwrap();
    let inner = |_: Request<Untouchable>| ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())));
    let mut service = auth.layer(tower::service_fn(inner));
    let mut send = || {
        let mut request = Request::new(Untouchable);
        request.headers_mut().insert("authorization", HeaderValue::from_static("Bearer known"));
        prepare(&mut request);
        block_on(service.ready()).unwrap();
        let mut status = 0;
        let info = measure(|| status = block_on(service.call(request)).unwrap().status().as_u16());
        assert_eq!(status, 200);
        info
    };
    // The first asks the verifier, and makes what is kept for good.
    send();
    let info = send();
    assert_eq!((handle.stats().misses(), handle.stats().hits()), (1, 1));
    info
}

#[test]
fn a_hit_allocates_what_the_extensions_need_and_nothing_else() {
    let token = AccessToken::verified().build();
    let mut extensions = Extensions::new();
    let needed = measure(|| drop(extensions.insert(token.clone())));
    let hit = cost_of_a_hit(|_| ());
    assert!(needed.count_total <= 3, "{needed:?}");
    assert_eq!((hit.count_total, hit.bytes_total), (needed.count_total, needed.bytes_total));
    // One box for the value, if there is something in them already.
    let hit = cost_of_a_hit(|request| {
        request.extensions_mut().insert(0_u8);
    });
    assert_eq!(hit.count_total, 1, "{hit:?}");
}

#[test]
fn a_token_that_is_too_long_is_refused_without_work_on_it() {
    for length in [MAX_LENGTH + 1, 64 * 1024, 1024 * 1024] {
        let good = hs256(&SECRET, r#"{"alg":"HS256"}"#, "{}");
        let padded = format!("{good}{}", "a".repeat(length - good.len()));
        let info = cost_of_request(&format!("Bearer {padded}"), 400);
        assert!(info.bytes_total < 1024, "{length}: {info:?}");
    }
}

#[test]
fn an_answer_costs_the_same_whatever_was_sent() {
    let short = cost_of_request("Bearer a b", 400);
    let long = cost_of_request(&format!("Bearer {} b", "a".repeat(MAX_LENGTH - 2)), 400);
    assert_eq!((short.count_total, short.bytes_total), (long.count_total, long.bytes_total));
    let short = cost_of_request("Bearer a{b", 401);
    let long = cost_of_request(&format!("Bearer {}{{", "a".repeat(MAX_LENGTH - 1)), 401);
    assert_eq!((short.count_total, short.bytes_total), (long.count_total, long.bytes_total));
}

#[test]
fn a_malformed_jwt_costs_no_allocation() {
    let good = hs256(&SECRET, r#"{"alg":"HS256"}"#, r#"{"iss":"https://as.example.com"}"#);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = head.split_once('.').unwrap();
    let long = "a".repeat(MAX_LENGTH - 8);
    for token in [
        // A byte that no JWT has.
        format!("{header}.{payload}~.{signature}"),
        format!("{header}+.{payload}.{signature}"),
        format!("/{header}.{payload}.{signature}"),
        format!("{header}.{payload}.{signature}="),
        format!("{long}+.a.a"),
        // Not two dots.
        header.to_owned(),
        head.to_owned(),
        format!("{good}."),
        format!("{good}.{signature}.{signature}"),
        "a".repeat(MAX_LENGTH),
        format!("{long}."),
        // A part without anything in it.
        format!(".{payload}.{signature}"),
        format!("{header}..{signature}"),
        format!("{header}.{payload}."),
        "..".to_owned(),
        // Nothing but dots.
        ".".repeat(10_000),
        ".".repeat(MAX_LENGTH),
        // An opaque token.
        "gho_16C7e42F292c6912E7710c838347Ae178B4a".to_owned(),
    ] {
        let info = cost(&token);
        assert_eq!((info.count_total, info.bytes_total), (0, 0), "{} bytes", token.len());
    }
}

#[test]
fn brackets_without_end_cost_a_few_allocations_at_most() {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
    for bracket in ["[", "{", "{\"a\":", "[{"] {
        let filler = URL_SAFE_NO_PAD.encode(bracket.repeat((MAX_LENGTH - 64) * 3 / 4 / bracket.len()));
        for (token, budget) in [
            (filler.clone(), 0),
            (format!("{filler}.e30.AA"), 2),
            // Behind a good header: that header, what it says, and the claims.
            (format!("{header}.{filler}.AA"), 4),
            (format!("{header}.e30.{filler}"), 4),
        ] {
            let info = cost(&token);
            assert!(info.count_total <= budget, "{bracket}: {info:?}");
            assert!(info.bytes_total <= MAX_LENGTH as u64, "{bracket}: {info:?}");
        }
    }
}
