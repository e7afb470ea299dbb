//! Tokens as providers issue them, and the keys that they are signed with.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{self, ParsedPublicKey, VerificationAlgorithm};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tower_bearer::Algorithm;
use tower_bearer::testing::TestIssuer;

use crate::loopback::{Answer, Loopback};
use crate::peers::{FirstRequest, Keys, Setup};
use crate::rounds::Candidate;

pub(crate) const API: &str = "https://api.example.com/mcp";

pub(crate) const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::Rs256,
    Algorithm::Ps256,
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::EdDsa,
    Algorithm::Hs256,
];

/// Longer than a run.
const LIFETIME: Duration = Duration::from_secs(3_600);

/// A token of 0.7 to 1.1 KB: what RFC 9068 asks for, and what providers add.
pub(crate) fn token(issuer: &TestIssuer, algorithm: Algorithm, key_id: Option<&str>) -> String {
    let token = issuer
        .token()
        .audience(API)
        .scope("mcp:read mcp:write")
        .algorithm(algorithm)
        .lifetime(LIFETIME)
        .claim("sid", "0f5a6a1e-4c31-4a5c-9f0e-4b6a1f6c2d11")
        .claim("email", "alice@example.com")
        .claim("groups", json!(["engineering", "on-call", "eu-west"]))
        .claim("tenant", "2b1c7c9e-7d0b-4f0e-8d5f-6a1d2e3f4a5b")
        .claim("auth_time", 1_767_225_600);
    match key_id {
        Some(id) => token.key_id(id),
        // Some peers find keys by their id alone.
        None if algorithm == Algorithm::Hs256 => token.key_id("hs-1"),
        None => token,
    }
    .mint()
}

/// The key set of an issuer, whose keys say by which algorithm they sign: RSA keys by this one.
fn key_set(issuer: &TestIssuer, rsa: Algorithm) -> String {
    let mut set: Value = serde_json::from_str(&issuer.jwk_set()).unwrap();
    for key in set["keys"].as_array_mut().unwrap() {
        let algorithm = match (key["kty"].as_str(), key["crv"].as_str()) {
            (Some("RSA"), _) if rsa == Algorithm::Ps256 => "PS256",
            (Some("RSA"), _) => "RS256",
            (_, Some("P-256")) => "ES256",
            (_, Some("P-384")) => "ES384",
            _ => "EdDSA",
        };
        key["alg"] = algorithm.into();
    }
    set.to_string()
}

/// What accepts the tokens of one algorithm. The keys are at an address, unless they are secret.
pub(crate) fn setup(issuer: &TestIssuer, algorithm: Algorithm, provider: &Loopback) -> Setup {
    let keys = match algorithm {
        Algorithm::Hs256 => Keys::Secret(issuer.hmac_secret().to_vec()),
        _ => {
            let answer = Answer::json(key_set(issuer, algorithm));
            Keys::Url(provider.set(&format!("/keys/{algorithm}"), answer))
        }
    };
    Setup {
        issuers: vec![(issuer.issuer().to_owned(), keys)],
        audience: API.to_owned(),
        algorithms: vec![algorithm],
        leeway: Duration::from_secs(60),
        is_rfc9068: true,
        now: None,
        first_request: FirstRequest::AfterAWhile,
    }
}

/// The signature check alone, with a key that was parsed before and a signature that was decoded before.
pub(crate) fn bare_check<'a>(issuer: &TestIssuer, algorithm: Algorithm, token: &'a str) -> Candidate<'a> {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    if algorithm == Algorithm::Hs256 {
        let key = hmac::Key::new(hmac::HMAC_SHA256, issuer.hmac_secret());
        return repeated(move || hmac::verify(&key, message.as_bytes(), &signature).is_ok());
    }
    let (by, pem): (&'static dyn VerificationAlgorithm, &str) = match algorithm {
        Algorithm::EdDsa => (&signature::ED25519, include_str!("../../keys/ed25519.pem")),
        Algorithm::Es256 => (&signature::ECDSA_P256_SHA256_FIXED, include_str!("../../keys/p256.pem")),
        Algorithm::Es384 => (&signature::ECDSA_P384_SHA384_FIXED, include_str!("../../keys/p384.pem")),
        Algorithm::Ps256 => (&signature::RSA_PSS_2048_8192_SHA256, include_str!("../../keys/rsa.pem")),
        _ => (&signature::RSA_PKCS1_2048_8192_SHA256, include_str!("../../keys/rsa.pem")),
    };
    let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let key = ParsedPublicKey::new(by, STANDARD.decode(der).unwrap()).unwrap();
    repeated(move || key.verify_sig(message.as_bytes(), &signature).is_ok())
}

fn repeated<'a>(run: impl Fn() -> bool + 'a) -> Candidate<'a> {
    Box::new(move |calls| {
        let started_at = Instant::now();
        for _ in 0..calls {
            assert!(run());
        }
        started_at.elapsed()
    })
}
