//! Two readers of the same tokens: this crate and an oracle that was written from the standards alone. For every token
//! that a plan can make, they accept the same ones and read the same in them.
//!
//! `PROPTEST_CASES=100000 cargo test --release --test differential` for a long run.
#![cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod oracle;

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Validation;
#[cfg(feature = "aws-lc-rs")]
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
#[cfg(not(feature = "aws-lc-rs"))]
use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
use oracle::strategies::{configuration, plan, signer};
use oracle::tokens::{Aim, NOW, Plan};
use oracle::{Accepted, Configuration, Genuine, Keys, Oracle, cases};
use proptest::prelude::Strategy;
use proptest::sample::select;
use proptest::test_runner::TestCaseResult;
use proptest::{prop_assert, prop_assert_eq, prop_oneof};
use serde_json::{Map, Value};
use tower_bearer::{AccessToken, Algorithm, BearerToken, JwtVerifier, TokenVerifier, VerifyError};

fn verdict(verifier: &JwtVerifier, token: &str, now: SystemTime) -> Result<AccessToken, VerifyError> {
    // Keys that are configured need no waiting.
    verifier.verify_now(&BearerToken::new(token)?, now).unwrap()
}

fn assert_same(token: &AccessToken, genuine: &Genuine) -> TestCaseResult {
    prop_assert_eq!(Accepted::of(token), genuine.says.clone());
    prop_assert_eq!(token.claims(), &genuine.claims());
    Ok(())
}

/// A clock about the time for which tokens are made, or anywhere.
fn clock() -> impl Strategy<Value = Duration> {
    let about =
        select(&[-310_i64, -70, -60, -10, -1, 0, 0, 0, 0, 1, 60, 290, 299, 300, 301, 359, 360, 600][..]);
    let fraction = select(&[0_u64, 0, 0, 1, 125, 875, 999][..]);
    let near = (about, fraction).prop_map(|(seconds, thousandths)| {
        Duration::from_millis((NOW.saturating_add_signed(seconds)) * 1_000 + thousandths)
    });
    prop_oneof![12 => near, 1 => (0..400_u64).prop_map(Duration::from_secs), 1 => (0..300_000_000_000_u64).prop_map(Duration::from_secs)]
}

#[derive(Debug, Default)]
struct Tally {
    tokens: AtomicUsize,
    signed: AtomicUsize,
    judged: AtomicUsize,
    accepted: AtomicUsize,
    compared: AtomicUsize,
}

impl Tally {
    /// In percent.
    fn share(part: &AtomicUsize, whole: &AtomicUsize) -> usize {
        100 * part.load(Ordering::Relaxed) / whole.load(Ordering::Relaxed).max(1)
    }
}

fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[test]
fn a_verifier_and_the_oracle_accept_the_same_tokens_and_read_the_same_in_them() {
    let tally = Tally::default();
    let _ = DEFAULT_PROVIDER.install_default();
    // Tokens are made for a moment, and judged at that moment or about it.
    let tokens = proptest::collection::vec((plan(signer(1)), clock()), 1..12);
    cases(1_500)
        .run(&(configuration(), clock(), tokens), |(rules, now, tokens)| {
            let (verifier, oracle) = (rules.verifier(), Oracle::new(rules.clone()));
            for (plan, other) in &tokens {
                let plan = fitting(plan, &rules);
                let token = plan.write(Aim { rules: &rules, now });
                count(&tally.tokens);
                plan.is_signed().then(|| count(&tally.signed));
                for now in [now, *other].map(|now| SystemTime::UNIX_EPOCH + now) {
                    count(&tally.judged);
                    let (own, expected) = (verdict(&verifier, &token, now), oracle.judge(&token, now));
                    match (&own, &expected) {
                        (Ok(own), Ok(expected)) => assert_same(own, expected)?,
                        (Err(_), Err(_)) => {}
                        _ => prop_assert!(false, "{:?}\n{}\n{:?}, but {:?}", plan, token, own, expected),
                    }
                    if now == SystemTime::UNIX_EPOCH + Duration::from_secs(NOW) || own.is_ok() {
                        tally_up(&tally, &oracle, &token, own.ok().as_ref())?;
                    }
                }
            }
            Ok(())
        })
        .unwrap();
    // The test says something only if both happen often.
    let signed = Tally::share(&tally.signed, &tally.tokens);
    let accepted = Tally::share(&tally.accepted, &tally.judged);
    let compared = Tally::share(&tally.compared, &tally.judged);
    println!("{tally:?}: {signed} % signed, {accepted} % accepted, {compared} % compared");
    assert!(signed >= 50 && (10..80).contains(&accepted) && 10 * compared >= 9 * accepted);
}

#[test]
fn the_oracle_judges_the_attack_vectors_as_they_are_labelled() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/jwt-attack-vectors.json");
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let texts = |value: &Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap() };
    let (mut judged, mut accepted) = (0, 0);
    for vector in file["vectors"].as_array().unwrap() {
        let (config, id) = (&vector["config"], &vector["id"]);
        let source = &config["key_source"];
        let keys = match (source["jwks"].as_str(), source["secret"].as_str()) {
            (Some(name), _) => Keys::Document(file["jwks"][name].to_string()),
            (_, Some(name)) => {
                Keys::Secret(URL_SAFE_NO_PAD.decode(file["secrets"][name].as_str().unwrap()).unwrap())
            }
            // One is a key in another form, one is for several issuers.
            (None, None) => continue,
        };
        let algorithms = texts(&config["algorithms"]);
        let rules = Configuration {
            issuer: config["issuer"].as_str().map(str::to_owned),
            audiences: texts(&config["audience"]),
            algorithms: algorithms.iter().map(|name| Algorithm::from_name(name).unwrap().name()).collect(),
            rfc9068: !config["typ"].is_null(),
            leeway: Duration::from_secs(config["leeway_s"].as_u64().unwrap()),
            required: texts(&config["required_claims"]),
            expiry_required: true,
            id_tokens_allowed: false,
            max_token_age: None,
            keys,
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(vector["now"].as_u64().unwrap());
        let verdict = Oracle::new(rules).judge(vector["token"].as_str().unwrap(), now);
        assert_eq!(verdict.is_ok(), vector["expect"] == "accept", "{id}: {verdict:?}");
        judged += 1;
        accepted += usize::from(verdict.is_ok());
    }
    assert_eq!((judged, accepted), (105, 13));
}

/// Most plans sign with a key that the configuration could have.
fn fitting(plan: &Plan, rules: &Configuration) -> Plan {
    let mut plan = plan.clone();
    let is_symmetric = plan.signer.algorithm.starts_with("HS");
    let wants_symmetric = matches!(rules.keys, Keys::Secret(_));
    // One in eight by the length of what it changes: there is no other chance at hand that shrinks.
    let stays = (plan.claims.len() + plan.header.len() + plan.cuts.len()) % 8 == 4;
    if is_symmetric != wants_symmetric && !stays {
        plan.signer.algorithm = if wants_symmetric { "HS256" } else { "EdDSA" };
        plan.signer.owner = plan.signer.owner.min(1);
    }
    plan
}

/// What we accept, `jsonwebtoken` accepts with the same rules, and reads the same claims.
///
/// Told to look at the dates, it goes by the clock of the system, so that it is not told to. `Ed25519` (RFC 9864) it does
/// not know, nor headers with a member of its own whose type it minds.
fn tally_up(tally: &Tally, oracle: &Oracle, token: &str, own: Option<&AccessToken>) -> TestCaseResult {
    own.is_some().then(|| count(&tally.accepted));
    let Ok(header) = jsonwebtoken::decode_header(token) else { return Ok(()) };
    let mut validation = Validation::new(header.alg);
    (validation.validate_exp, validation.validate_nbf) = (false, false);
    validation.required_spec_claims = HashSet::new();
    let rules = oracle.rules();
    validation.validate_aud = !rules.audiences.is_empty();
    validation.set_audience(&rules.audiences);
    if let Some(issuer) = &rules.issuer {
        validation.set_issuer(&[issuer]);
    }
    let names = ["iss", "aud"].into_iter().zip([rules.issuer.is_some(), validation.validate_aud]);
    let required: Vec<_> = names.filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect();
    validation.set_required_spec_claims(&required);
    let algorithm = format!("{:?}", header.alg);
    let keys = oracle.keys.meant(header.kid.as_deref(), &algorithm);
    let read = |key: &&oracle::keys::Key| {
        jsonwebtoken::decode::<Map<String, Value>>(token, &key.decoding, &validation)
    };
    let found: Vec<_> = keys.iter().map(read).collect();
    if let Some(own) = own {
        count(&tally.compared);
        let Some(Ok(theirs)) = found.into_iter().find(Result::is_ok) else {
            prop_assert!(false, "jsonwebtoken refuses {}", token);
            return Ok(());
        };
        prop_assert_eq!(own.claims(), &theirs.claims);
    }
    Ok(())
}
