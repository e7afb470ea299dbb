//! What a verification costs beside the bare signature check, what a bad token costs, and what a flood of them does.
//!
//!     cargo bench --bench verify --all-features
//!
//! Medians and their ratios are printed. Absolute figures differ from machine to machine, ratios hardly. The floods look at the
//! memory of the process: Linux only.
#![allow(
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark talks, and ends when it cannot run"
)]

mod rounds;

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{self, ParsedPublicKey, VerificationAlgorithm};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use rounds::{Candidate, measure};
use tokio::runtime::Runtime;
use tower::{Layer, Service, service_fn};
use tower_bearer::client::{AnswerFuture, HttpClient, Limits};
use tower_bearer::testing::TestIssuer;
use tower_bearer::{Algorithm, AuthLayer, BearerToken, IntrospectionVerifier, JwtVerifier, TokenVerifier};

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

fn members(count: u32, prefix: &str) -> String {
    listed(count, ",", |number| format!("\"{prefix}{number}\":1"))
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
        ("ten thousand dots", ".".repeat(10_000)),
        ("brackets in base64url, 16 KiB", URL_SAFE_NO_PAD.encode("[".repeat(long * 3 / 4))),
        ("empty signature", format!("{}.", good.rsplit_once('.').unwrap().0)),
        ("algorithm none", format!("eyJhbGciOiJub25lIn0.{}", good.split_once('.').unwrap().1)),
        ("other audience", issuer.token().audience("https://other.example.com").mint()),
        ("other audience, 16 KiB", padded(long)),
        ("claims nested too deep, 16 KiB", format!("{}.{}.AA", good.split('.').next().unwrap(), nested("["))),
        ("490 names that begin alike", forged(&members(490, "aaaaaaaaaaaaaaaa"))),
        ("1 000 names", forged(&members(1_000, "a"))),
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

/// A signature that is wrong, under the largest key that is used.
fn largest_key(issuer: &TestIssuer) {
    let mut modulus: Vec<u8> = (0..1_024_u32).map(|at| u8::try_from(at * at % 251).unwrap()).collect();
    (modulus[0], modulus[1_023]) = (0xFF, 0xFF);
    let (n, e) = (URL_SAFE_NO_PAD.encode(modulus), URL_SAFE_NO_PAD.encode([1, 0xFF, 0xFF, 0xFF, 0xFF]));
    let set = format!(r#"{{"keys":[{{"kty":"RSA","kid":"large","n":"{n}","e":"{e}"}}]}}"#);
    let verifier = JwtVerifier::builder(issuer.issuer(), API).jwk_set(set).build().unwrap();
    let token = issuer.token().audience(API).header("kid", "large").mint();
    let (message, _) = token.rsplit_once('.').unwrap();
    let token = BearerToken::new(&format!("{message}.{}", URL_SAFE_NO_PAD.encode([1; 1_024]))).unwrap();
    let run = move || verifier.verify_now(&token, SystemTime::now()).is_some_and(|verdict| verdict.is_err());
    let medians = measure(&[(String::new(), Box::new(run))]);
    println!("{:<44}{:>10}{:>9.2} µs", "RSA, 8192 bits, largest exponent", "", medians[0] / 1e3);
}

/// A provider that has one answer.
#[derive(Clone, Debug)]
struct Answering(Bytes);

impl HttpClient for Answering {
    fn send(&self, _: Request<Bytes>, _: Limits) -> AnswerFuture<'_> {
        let answer = Response::new(self.0.clone());
        Box::pin(async { Ok(answer) })
    }
}

fn long_answers(runtime: &Runtime) {
    println!("\n{:<44}{:>10}{:>12}", "one answer of a provider", "bytes", "median");
    for (count, is_good) in [(10, true), (490, true), (5_000, false)] {
        let answer = format!(
            r#"{{"active":true,"iss":"https://as.test","aud":"{API}","sub":"a","exp":4102444800,{}}}"#,
            members(count, "aaaa")
        );
        let length = answer.len();
        let builder = IntrospectionVerifier::builder("https://as.test", API).client_secret_basic("a", "b");
        let builder = builder.endpoint("https://as.test/i").http_client(Answering(answer.into()));
        let (verifier, token) = (builder.build().unwrap(), BearerToken::new("opaque").unwrap());
        let run = move || runtime.block_on(verifier.verify(&token)).is_ok() == is_good;
        let medians = measure(&[(String::new(), Box::new(run))]);
        println!("{:<44}{length:>10}{:>9.2} µs", format!("{count} more members"), medians[0] / 1e3);
    }
}

/// Resident memory of this process, in MiB.
fn memory() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u32 = pages.split(' ').nth(1).unwrap().parse().unwrap();
    f64::from(pages) * 4_096.0 / 1_048_576.0
}

fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    sorted[(sorted.len() - 1) * percent / 100].as_secs_f64() * 1e6
}

/// A million malformed tokens through a service, one after the other.
fn malformed_flood(runtime: &Runtime, issuer: &TestIssuer) {
    const TOKENS: usize = 1_000_000;
    let inner = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(String::new())));
    let mut service = AuthLayer::new(verifier(issuer, Algorithm::Rs256)).layer(inner);
    let good = issuer.token().audience(API).mint();
    let field = |number: usize| {
        let at = number % good.len();
        let token = match number % 4 {
            0 => format!("{}.{}", &good[..at], &good[at..]),
            1 => good[..at].to_owned(),
            2 => format!("{number:x}").repeat(1 + number % 64),
            _ => format!("{}{{{}", &good[..at], &good[at..]),
        };
        HeaderValue::try_from(format!("Bearer {token}")).unwrap()
    };
    let mut times = Vec::with_capacity(TOKENS);
    let (mut rejected, mut before) = (0, 0.0);
    for number in 0..TOKENS {
        if number == TOKENS / 10 {
            before = memory();
        }
        let mut request = Request::new(());
        request.headers_mut().insert("authorization", field(number));
        let started_at = Instant::now();
        let response = runtime.block_on(service.call(request)).unwrap();
        times.push(started_at.elapsed());
        rejected += usize::from(matches!(response.status().as_u16(), 400 | 401));
    }
    let grown = memory() - before;
    times.sort_unstable();
    let (half, most) = (percentile(&times, 50), percentile(&times, 99));
    // What the times themselves take, whose pages are touched one after the other.
    let own = 0.9 * 16.0 * TOKENS as f64 / 1_048_576.0;
    println!("\n{TOKENS} malformed tokens, {rejected} of them rejected with 400 or 401");
    println!("median {half:.2} µs, 99 of 100 within {most:.2} µs, memory {:+.1} MiB", grown - own);
    assert_eq!(rejected, TOKENS);
}

/// Good tokens on one thread while forged ones keep the other ones busy.
fn forged_flood(issuer: &TestIssuer) {
    let verifier = verifier(issuer, Algorithm::Rs256);
    let good = issuer.token().audience(API).mint();
    let forged = BearerToken::new(&format!("{}AAAA", &good[..good.len() - 4])).unwrap();
    let good = BearerToken::new(&good).unwrap();
    for flooding in [0, 1, 2] {
        let (is_over, count) = (AtomicBool::new(false), AtomicUsize::new(0));
        let flood = || {
            while !is_over.load(Ordering::Relaxed) {
                assert!(verifier.verify_now(&forged, SystemTime::now()).unwrap().is_err());
                count.fetch_add(1, Ordering::Relaxed);
            }
        };
        let mut times = Vec::new();
        thread::scope(|scope| {
            (0..flooding).for_each(|_| drop(scope.spawn(flood)));
            let started_at = Instant::now();
            while started_at.elapsed() < Duration::from_secs(2) {
                let asked_at = Instant::now();
                assert!(verifier.verify_now(&good, SystemTime::now()).unwrap().is_ok());
                times.push(asked_at.elapsed());
            }
            is_over.store(true, Ordering::Relaxed);
        });
        times.sort_unstable();
        let (half, most) = (percentile(&times, 50), percentile(&times, 99));
        let rate = count.into_inner() / 2;
        println!(
            "{rate:>7} forged tokens a second on {flooding} threads: a good one {half:.1} µs, 99 of 100 {most:.1} µs"
        );
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let issuer = runtime.block_on(TestIssuer::start()).unwrap();
    good_tokens(&runtime, &issuer);
    bad_tokens(&issuer);
    largest_key(&issuer);
    long_answers(&runtime);
    malformed_flood(&runtime, &issuer);
    forged_flood(&issuer);
}
