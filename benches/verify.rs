//! What a verification costs beside the bare signature check, and what a bad token costs.
//!
//!     cargo bench --bench verify --all-features
//!
//! Medians and their ratios are printed. Absolute figures differ from machine to machine, ratios hardly.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark talks, and ends when it cannot run"
)]

mod rounds;

use std::time::SystemTime;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{self, ParsedPublicKey, VerificationAlgorithm};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use tokio::runtime::Runtime;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{Algorithm, BearerToken, JwtVerifier, TokenVerifier};

use rounds::{Candidate, measure};

const API: &str = "https://api.example.com";

/// The signature check alone, with a key that was parsed before and a signature that was decoded before.
fn bare<'a>(issuer: &TestIssuer, algorithm: Algorithm, token: &'a str) -> Candidate<'a> {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let name = format!("{algorithm} bare");
    if algorithm == Algorithm::Hs256 {
        let key = hmac::Key::new(hmac::HMAC_SHA256, issuer.hmac_secret());
        return (name, Box::new(move || hmac::verify(&key, message.as_bytes(), &signature).is_ok()));
    }
    let (by, pem): (&'static dyn VerificationAlgorithm, &str) = match algorithm {
        Algorithm::EdDsa => (&signature::ED25519, include_str!("keys/ed25519.pem")),
        Algorithm::Es256 => (&signature::ECDSA_P256_SHA256_FIXED, include_str!("keys/p256.pem")),
        Algorithm::Es384 => (&signature::ECDSA_P384_SHA384_FIXED, include_str!("keys/p384.pem")),
        Algorithm::Ps256 => (&signature::RSA_PSS_2048_8192_SHA256, include_str!("keys/rsa.pem")),
        _ => (&signature::RSA_PKCS1_2048_8192_SHA256, include_str!("keys/rsa.pem")),
    };
    let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let key = ParsedPublicKey::new(by, STANDARD.decode(der).unwrap()).unwrap();
    (name, Box::new(move || key.verify_sig(message.as_bytes(), &signature).is_ok()))
}

fn verifier(issuer: &TestIssuer, algorithm: Algorithm) -> JwtVerifier {
    let verifier = JwtVerifier::builder(issuer.issuer(), API);
    match algorithm {
        Algorithm::Hs256 => verifier.hmac_secret(issuer.hmac_secret()),
        _ => verifier.jwk_set(issuer.jwk_set()),
    }
    .build()
    .unwrap()
}

/// The same, with keys that were discovered and fetched, and are looked after.
fn fetching(runtime: &Runtime, issuer: &TestIssuer) -> JwtVerifier {
    let verifier = JwtVerifier::builder(issuer.issuer(), API).build().unwrap();
    let first = BearerToken::new(&issuer.token().audience(API).mint()).unwrap();
    runtime.block_on(verifier.verify(&first)).unwrap();
    verifier
}

fn good_tokens(runtime: &Runtime, issuer: &TestIssuer) {
    println!("{:<28}{:>10}{:>10}{:>8}", "one verification", "bare", "verifier", "ratio");
    for algorithm in [
        Algorithm::Rs256,
        Algorithm::Ps256,
        Algorithm::Es256,
        Algorithm::Es384,
        Algorithm::EdDsa,
        Algorithm::Hs256,
    ] {
        let token = issuer.token().audience(API).scope("mcp:read mcp:write").algorithm(algorithm).mint();
        let bearer = BearerToken::new(&token).unwrap();
        let now = SystemTime::now();
        let mut verifiers = vec![("", verifier(issuer, algorithm))];
        if algorithm == Algorithm::Rs256 {
            verifiers.push((", fetched", fetching(runtime, issuer)));
        }
        for (keys, verifier) in verifiers {
            let bearer = bearer.clone();
            let full = move || verifier.verify_now(&bearer, now).is_some_and(|verdict| verdict.is_ok());
            let medians =
                measure(&[bare(issuer, algorithm, &token), (format!("{algorithm}"), Box::new(full))]);
            if let [bare, full] = medians.as_slice() {
                let name = format!("{algorithm}, {} bytes{keys}", token.len());
                println!("{name:<28}{:>7.2} µs{:>7.2} µs{:>8.2}", bare / 1e3, full / 1e3, full / bare);
            }
        }
    }
}

/// Many different pieces in a row.
fn listed(count: u32, separator: &str, piece: impl Fn(u32) -> String) -> String {
    (0..count).map(piece).collect::<Vec<_>>().join(separator)
}

fn two_letters(number: u32) -> String {
    let letter = |number: u32| char::from_u32(0x30 + number % 0x40).filter(|c| *c != '\\').unwrap_or('~');
    [letter(number), letter(number / 0x40)].iter().collect()
}

fn bad_tokens(issuer: &TestIssuer) {
    let verifier = verifier(issuer, Algorithm::Rs256);
    let good = issuer.token().audience(API).mint();
    let padded = |length: usize| {
        let filler = "x".repeat(length * 3 / 4 - 1_100);
        issuer.token().audience("https://other.example.com").claim("filler", filler).mint()
    };
    // Everything is right but the signature: nothing of it may be costly before that is known.
    let forged = |member: &str| {
        let right = issuer.token().audience(API).mint();
        let claims = right.split('.').nth(1).unwrap();
        let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        let claims = format!("{},{member}}}", claims.trim_end_matches('}'));
        let token = issuer.sign(Algorithm::Rs256, br#"{"alg":"RS256","kid":"rsa-1"}"#, claims.as_bytes());
        assert!((8_000..=16 * 1024).contains(&token.len()), "{}", token.len());
        format!("{}AAAA", &token[..token.len() - 4])
    };
    let nested = |open: &str| URL_SAFE_NO_PAD.encode(format!("{{\"a\":{}", open.repeat(11_000 / open.len())));
    let long = 16 * 1024;
    println!("\n{:<44}{:>10}{:>12}", "one bad token", "bytes", "median");
    for (name, token) in [
        ("wrong byte", good.replacen('.', "~", 1)),
        ("wrong byte, 16 KiB", format!("{}~", "a".repeat(long - 1))),
        ("one part", "a".repeat(long)),
        ("nothing but dots", ".".repeat(long)),
        ("empty signature", format!("{}.", good.rsplit_once('.').unwrap().0)),
        ("algorithm none", format!("eyJhbGciOiJub25lIn0.{}", good.split_once('.').unwrap().1)),
        ("other audience", issuer.token().audience("https://other.example.com").mint()),
        ("other audience, 16 KiB", padded(long)),
        ("claims nested too deep, 16 KiB", format!("{}.{}.AA", good.split('.').next().unwrap(), nested("["))),
        ("500 names with escapes", forged(&listed(500, ",", |number| format!("\"\\u0061{number}\":1")))),
        (
            "scopes of two letters, 16 KiB",
            forged(&format!("\"scope\":\"{}\"", listed(3_700, " ", two_letters))),
        ),
        (
            "scopes of two letters in an array",
            forged(&format!(
                "\"scp\":[{}]",
                listed(2_200, ",", |number| format!("\"{}\"", two_letters(number)))
            )),
        ),
        (
            "numbers near the largest double",
            forged(&format!("\"x\":[{}]", listed(430, ",", |_| "9.7976931348623158079e307".to_owned()))),
        ),
        ("an array of ones", forged(&format!("\"x\":[{}]", listed(5_500, ",", |_| "1".to_owned())))),
        ("bad signature", format!("{}AAAA", &good[..good.len() - 4])),
    ] {
        let bearer = BearerToken::new(&token).unwrap();
        let verifier = verifier.clone();
        let now = SystemTime::now();
        let run = move || verifier.verify_now(&bearer, now).is_some_and(|verdict| verdict.is_err());
        let medians = measure(&[(name.to_owned(), Box::new(run))]);
        println!("{name:<44}{:>10}{:>9.2} µs", token.len(), medians.first().unwrap() / 1e3);
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let issuer = runtime.block_on(TestIssuer::start()).unwrap();
    good_tokens(&runtime, &issuer);
    bad_tokens(&issuer);
}
