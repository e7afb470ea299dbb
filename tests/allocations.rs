//! What a bad token may cost: next to nothing in memory, however long it is.

#![cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::time::{Duration, SystemTime};

use allocation_counter::{AllocationInfo, measure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderValue, Request};
use tower::{Layer, ServiceExt};
use tower_bearer::{AuthLayer, BearerToken, JwtVerifier, TokenVerifier};

use common::{Handler, Untouchable, block_on, hs256};

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
