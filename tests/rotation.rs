//! Keys that are configured: several at once, and swapped while the service runs.

#![cfg(all(feature = "testing", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and reads well"
)]

mod common;
#[path = "common/keys.rs"]
mod script;

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use allocation_counter::measure;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tower_bearer::cache::Cached;
use tower_bearer::error::{BuildErrorKind, VerifyErrorKind as Kind};
use tower_bearer::jwks::StaticKeys;
use tower_bearer::verifier::{JwtVerifierBuilder, Verdict};
use tower_bearer::{Algorithm, BearerToken, BuildError, CacheLayer, JwtVerifier, TokenVerifier};

use self::common::hs256;
use self::script::{AUDIENCE, World};

const ISSUER: &str = "https://issuer.example.com";

/// A secret for each number.
fn secret(number: u8) -> [u8; 32] {
    [number; 32]
}

fn secrets(numbers: impl IntoIterator<Item = u8>) -> StaticKeys {
    numbers.into_iter().fold(StaticKeys::new(), |keys, number| keys.add_hmac_secret(secret(number)))
}

/// The same secret as a JWK.
fn oct(number: u8, id: Option<&str>) -> String {
    let mut key = json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(secret(number)) });
    if let Some(id) = id {
        key["kid"] = id.into();
    }
    key.to_string()
}

fn set_of(keys: &[String]) -> String {
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

/// A token that is signed with a secret.
fn signed_by(number: u8, id: Option<&str>) -> String {
    let header = match id {
        Some(id) => json!({ "alg": "HS256", "kid": id }),
        None => json!({ "alg": "HS256" }),
    };
    let claims = json!({ "iss": ISSUER, "aud": AUDIENCE, "exp": 4_000_000_000_u64 });
    hs256(&secret(number), &header.to_string(), &claims.to_string())
}

fn builder() -> JwtVerifierBuilder {
    JwtVerifier::builder(ISSUER, AUDIENCE)
}

fn with_secrets(keys: StaticKeys) -> JwtVerifier {
    builder().static_keys(keys).algorithms([Algorithm::Hs256]).build().unwrap()
}

fn asked(verifier: &impl TokenVerifier, token: &str) -> Result<(), Kind> {
    let verdict = verifier.verify_now(&BearerToken::new(token).unwrap(), SystemTime::now());
    verdict.expect("configured keys need no waiting").map(drop).map_err(|error| error.kind())
}

fn fault<T: Debug>(built: Result<T, BuildError>) -> (&'static str, BuildErrorKind) {
    let error = built.unwrap_err();
    (error.setting(), error.kind())
}

/// The public key of an issuer for ES256 or `EdDSA` that tokens are signed with now, in PEM.
fn pem(world: &World, algorithm: Algorithm) -> String {
    let (start, size) = match algorithm {
        Algorithm::Es256 => ("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE", 32),
        _ => ("MCowBQYDK2VwAyEA", 32),
    };
    let key = jwk(world, algorithm);
    let mut der = STANDARD.decode(start).unwrap();
    for member in ["x", "y"] {
        if let Some(number) = key[member].as_str() {
            let number = URL_SAFE_NO_PAD.decode(number).unwrap();
            assert_eq!(number.len(), size);
            der.extend(number);
        }
    }
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
}

/// The same as a JWK.
fn jwk(world: &World, algorithm: Algorithm) -> Value {
    let set: Value = serde_json::from_str(&world.issuer.jwk_set()).unwrap();
    let id = world.issuer.key_id(algorithm).unwrap();
    set["keys"].as_array().unwrap().iter().find(|key| key["kid"] == *id).unwrap().clone()
}

fn mint(world: &World, algorithm: Algorithm) -> String {
    world.issuer.token().algorithm(algorithm).audience(AUDIENCE).mint()
}

fn cached(world: &World, verifier: &JwtVerifier) -> Cached<JwtVerifier> {
    verifier.clone().cached(CacheLayer::builder().clock(world.clock.clone()).build().unwrap())
}

// Rotation through the layer.

#[tokio::test]
async fn both_keys_serve_until_the_old_one_is_removed() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256] {
        let world = World::new().await;
        let old = pem(&world, algorithm);
        let of_old = mint(&world, algorithm);
        world.issuer.rotate_keys();
        let new = pem(&world, algorithm);
        let of_new = || mint(&world, algorithm);
        let one = |pem: &str| StaticKeys::new().add_public_key_pem(pem);
        let verifier = world.builder().static_keys(one(&old)).build().unwrap();
        let apps = [world.app_of(verifier.clone()), world.app_of(cached(&world, &verifier))];
        for app in &apps {
            assert_eq!((app.status(&of_old).await, app.status(&of_new()).await), (200, 401));
        }
        verifier.replace_keys(one(&old).add_public_key_pem(&*new)).unwrap();
        let kept = of_new();
        for app in &apps {
            assert_eq!((app.status(&of_old).await, app.status(&kept).await), (200, 200), "both");
        }
        verifier.replace_keys(one(&new)).unwrap();
        for app in &apps {
            assert_eq!((app.status(&of_old).await, app.status(&kept).await), (401, 200), "the new one");
            assert_eq!((app.status(&of_old).await, app.status(&of_new()).await), (401, 200), "and again");
        }
    }
}

#[tokio::test]
async fn a_remembered_rejection_ends_when_the_key_is_added() {
    let world = World::new().await;
    let old = pem(&world, Algorithm::EdDsa);
    let of_old = mint(&world, Algorithm::EdDsa);
    world.issuer.rotate_keys();
    let of_new = mint(&world, Algorithm::EdDsa);
    let keys = StaticKeys::new().add_public_key_pem(old);
    let verifier = world.builder().static_keys(keys.clone()).build().unwrap();
    let app = world.app_of(cached(&world, &verifier));
    assert_eq!((app.status(&of_old).await, app.status(&of_new).await), (200, 401));
    verifier.replace_keys(keys.add_public_key_pem(pem(&world, Algorithm::EdDsa))).unwrap();
    assert_eq!((app.status(&of_old).await, app.status(&of_new).await), (200, 200));
}

#[tokio::test]
async fn keys_are_replaced_however_the_first_ones_were_given() {
    let world = World::new().await;
    let old = (pem(&world, Algorithm::EdDsa), jwk(&world, Algorithm::EdDsa).to_string());
    let of_old = mint(&world, Algorithm::EdDsa);
    world.issuer.rotate_keys();
    let new = || StaticKeys::new().add_jwk(jwk(&world, Algorithm::EdDsa).to_string());
    for (how, builder) in [
        ("PEM", world.builder().public_key_pem(old.0)),
        ("JWK", world.builder().jwk(old.1.clone())),
        ("set", world.builder().jwk_set(set_of(&[old.1]))),
    ] {
        let verifier = builder.build().unwrap();
        let app = world.app_of(verifier.clone());
        assert_eq!(app.status_at_once(&of_old), Some(200), "{how}");
        verifier.replace_keys(new()).unwrap();
        let answers =
            [of_old.clone(), mint(&world, Algorithm::EdDsa)].map(|token| app.status_at_once(&token));
        assert_eq!(answers, [Some(401), Some(200)], "{how}");
    }
    let verifier = builder().hmac_secret(secret(1)).build().unwrap();
    verifier.replace_keys(secrets([2])).unwrap();
    assert_eq!(asked(&verifier, &signed_by(1, None)), Err(Kind::Signature));
    assert_eq!(asked(&verifier, &signed_by(2, None)), Ok(()));
}

#[tokio::test]
async fn a_verifier_that_fetches_its_keys_takes_no_others() {
    let world = World::new().await;
    for verifier in [world.verifier(), world.builder().build().unwrap()] {
        let keys = StaticKeys::new().add_public_key_pem(pem(&world, Algorithm::EdDsa));
        assert_eq!(fault(verifier.replace_keys(keys)), ("static_keys", BuildErrorKind::Conflict));
    }
    let app = world.app();
    assert_eq!(app.status(&world.token()).await, 200);
}

// Which key is meant.

#[test]
fn each_of_several_secrets_serves_whatever_the_kid_is() {
    let verifier = with_secrets(secrets(1..=8));
    for id in [None, Some("x"), Some("1")] {
        for number in 1..=8 {
            assert_eq!(asked(&verifier, &signed_by(number, id)), Ok(()), "{number} {id:?}");
        }
        assert_eq!(asked(&verifier, &signed_by(9, id)), Err(Kind::Signature), "{id:?}");
    }
}

#[test]
fn a_name_means_its_key_alone_and_else_the_keys_without_name_are_meant() {
    let mixed = secrets([3]).add_jwk(oct(1, Some("a"))).add_jwk(oct(4, None)).add_jwk(oct(2, Some("b")));
    let named = StaticKeys::new().add_jwk(oct(1, Some("a"))).add_jwk_set(set_of(&[oct(2, Some("b"))]));
    let one = StaticKeys::new().add_jwk(oct(1, Some("a")));
    let set = StaticKeys::new().add_jwk_set(set_of(&[oct(1, None), oct(2, Some("b")), oct(3, None)]));
    let (good, bad, unknown) = (Ok(()), Err(Kind::Signature), Err(Kind::KeyNotFound));
    for (what, keys, cases) in [
        (
            "named and not",
            mixed,
            vec![
                (1, Some("a"), good),
                (2, Some("b"), good),
                (2, Some("a"), bad),
                (3, Some("a"), bad),
                (3, Some("x"), good),
                (4, Some("x"), good),
                (3, None, good),
                (4, None, good),
                (1, Some("x"), bad),
                (1, None, bad),
                (5, None, bad),
            ],
        ),
        (
            "two names",
            named,
            vec![
                (1, Some("a"), good),
                (2, Some("b"), good),
                (1, Some("b"), bad),
                (1, Some("x"), unknown),
                (1, None, unknown),
            ],
        ),
        (
            "one name",
            one,
            vec![(1, Some("a"), good), (1, None, good), (2, None, bad), (1, Some("x"), unknown)],
        ),
        (
            "a set",
            set,
            vec![
                (1, None, good),
                (3, Some("x"), good),
                (2, Some("b"), good),
                (1, Some("b"), bad),
                (2, None, bad),
            ],
        ),
    ] {
        let verifier = with_secrets(keys);
        for (number, id, expected) in cases {
            assert_eq!(asked(&verifier, &signed_by(number, id)), expected, "{what}: {number} as {id:?}");
        }
    }
}

#[test]
fn the_ids_of_a_set_by_itself_are_binding() {
    let set =
        |keys: &[String]| builder().jwk_set(set_of(keys)).algorithms([Algorithm::Hs256]).build().unwrap();
    let (one, two) = (set(&[oct(1, None)]), set(&[oct(1, None), oct(2, None)]));
    assert_eq!(asked(&one, &signed_by(1, None)), Ok(()));
    assert_eq!(asked(&one, &signed_by(1, Some("x"))), Err(Kind::KeyNotFound));
    assert_eq!(asked(&two, &signed_by(1, None)), Err(Kind::KeyNotFound));
}

#[tokio::test]
async fn only_keys_for_the_algorithm_of_the_token_are_tried() {
    let world = World::new().await;
    let (p256, ed25519) = (pem(&world, Algorithm::Es256), pem(&world, Algorithm::EdDsa));
    let named = jwk(&world, Algorithm::Es256).to_string();
    for (what, keys) in [
        ("two PEMs", StaticKeys::new().add_public_key_pem(p256).add_public_key_pem(&*ed25519)),
        ("a name for one", StaticKeys::new().add_public_key_pem(&*ed25519).add_jwk(named)),
    ] {
        let app = world.app_of(world.builder().static_keys(keys).build().unwrap());
        for (algorithm, expected) in [
            (Algorithm::Es256, 200),
            (Algorithm::EdDsa, 200),
            (Algorithm::Es384, 401),
            (Algorithm::Rs256, 401),
        ] {
            let token = world.issuer.token().algorithm(algorithm).audience(AUDIENCE);
            for token in [token.clone().mint(), token.without_header("kid").mint()] {
                assert_eq!(app.status_at_once(&token), Some(expected), "{what}: {algorithm}");
            }
        }
    }
}

#[test]
fn a_choice_among_several_keys_allocates_nothing() {
    let cost = |verifier: &JwtVerifier, number| {
        let token = BearerToken::new(&signed_by(number, Some("x"))).unwrap();
        // Once before, for what is set up on first use.
        assert!(verifier.verify_now(&token, SystemTime::now()).unwrap().is_ok());
        let now = SystemTime::now();
        measure(|| assert!(verifier.verify_now(&token, now).unwrap().is_ok())).count_total
    };
    let (one, eight) = (with_secrets(secrets([1])), with_secrets(secrets(1..=8)));
    assert_eq!(cost(&eight, 1), cost(&one, 1));
    // The other back end copies the signature for each check.
    #[cfg(feature = "aws-lc-rs")]
    assert_eq!(cost(&eight, 8), cost(&one, 1));
}

// What makes no list.

#[test]
fn a_key_that_is_given_twice_counts_once() {
    let eight = || secrets(1..=8);
    assert_eq!(asked(&with_secrets(secrets((1..=8).chain(1..=8))), &signed_by(8, None)), Ok(()));
    let again = eight().add_jwk(oct(8, None)).add_jwk_set(set_of(&[oct(1, None), oct(2, None)]));
    assert_eq!(asked(&with_secrets(again), &signed_by(8, None)), Ok(()));
    // The same key with and without a restriction, under one name.
    let wide = oct(1, Some("a"));
    let narrow = wide.replace("\"oct\"", r#""oct","alg":"HS256""#);
    for keys in [[&wide, &narrow], [&narrow, &wide]] {
        let keys = keys.into_iter().fold(StaticKeys::new(), |keys, key| keys.add_jwk(key));
        assert_eq!(asked(&with_secrets(keys), &signed_by(1, Some("a"))), Ok(()));
    }
    let built = builder().static_keys(secrets(1..=9)).build();
    assert_eq!(fault(built), ("static_keys", BuildErrorKind::OutOfRange));
    let of_sets = eight().add_jwk_set(set_of(&[oct(9, None)]));
    assert_eq!(fault(builder().static_keys(of_sets).build()), ("static_keys", BuildErrorKind::OutOfRange));
}

#[test]
fn a_list_has_at_most_a_hundred_keys() {
    let named = |numbers: std::ops::Range<u8>| {
        numbers.fold(StaticKeys::new(), |keys, number| keys.add_jwk(oct(number, Some(&format!("k{number}")))))
    };
    assert_eq!(asked(&with_secrets(named(0..100)), &signed_by(99, Some("k99"))), Ok(()));
    for keys in [named(0..101), named(0..100).add_hmac_secret(secret(200))] {
        let built = builder().static_keys(keys).algorithms([Algorithm::Hs256]).build();
        assert_eq!(fault(built), ("static_keys", BuildErrorKind::OutOfRange));
    }
}

#[test]
fn a_name_that_a_set_has_for_two_keys_is_free_for_no_third() {
    let set = set_of(&[oct(1, Some("a")), oct(2, Some("a")), oct(3, Some("b"))]);
    let third = oct(4, Some("a"));
    for (keys, setting) in [
        (StaticKeys::new().add_jwk_set(&*set).add_jwk(&*third), "jwk"),
        (StaticKeys::new().add_jwk(&*third).add_jwk_set(&*set), "jwk_set"),
    ] {
        let built = builder().static_keys(keys).algorithms([Algorithm::Hs256]).build();
        assert_eq!(fault(built), (setting, BuildErrorKind::Conflict));
    }
    let others = with_secrets(StaticKeys::new().add_jwk_set(set).add_jwk(oct(4, Some("c"))));
    assert_eq!(asked(&others, &signed_by(4, Some("c"))), Ok(()));
    assert_eq!(asked(&others, &signed_by(1, Some("a"))), Err(Kind::KeyNotFound));
}

/// Lists that no verifier for ES256 and `EdDSA` takes, and how each is refused.
fn unusable(world: &World) -> Vec<(&'static str, StaticKeys, (&'static str, BuildErrorKind))> {
    use BuildErrorKind::{Conflict, Empty, InvalidKey, NoAlgorithms, SymmetricAlgorithm};

    let pem = || StaticKeys::new().add_public_key_pem(pem(world, Algorithm::EdDsa));
    let mut other: Value = jwk(world, Algorithm::EdDsa);
    let own = other.to_string();
    other["x"] = URL_SAFE_NO_PAD.encode([9; 32]).into();
    let unusable = set_of(&["{}".to_owned()]);
    vec![
        ("none", StaticKeys::new(), ("static_keys", Empty)),
        ("both kinds", pem().add_hmac_secret(secret(1)), ("static_keys", SymmetricAlgorithm)),
        ("a secret as a JWK", pem().add_jwk(oct(1, None)), ("jwk", SymmetricAlgorithm)),
        ("two keys of one name", pem().add_jwk(&*own).add_jwk(other.to_string()), ("jwk", Conflict)),
        (
            "one of them in a set",
            pem().add_jwk(own).add_jwk_set(set_of(&[other.to_string()])),
            ("jwk_set", Conflict),
        ),
        ("no PEM", pem().add_public_key_pem("PEM"), ("public_key_pem", InvalidKey)),
        ("no JWK", pem().add_jwk("{}"), ("jwk", InvalidKey)),
        ("no key in a set", pem().add_jwk_set(unusable), ("jwk_set", InvalidKey)),
        (
            "a key of no use",
            pem().add_jwk(jwk(world, Algorithm::Es384).to_string()),
            ("algorithms", NoAlgorithms),
        ),
    ]
}

#[tokio::test]
async fn a_list_that_is_no_good_is_refused_and_changes_nothing() {
    let world = World::new().await;
    let old = StaticKeys::new().add_public_key_pem(pem(&world, Algorithm::EdDsa));
    let allowed = [Algorithm::EdDsa, Algorithm::Es256];
    let verifier = world.builder().static_keys(old).algorithms(allowed).build().unwrap();
    let app = world.app_of(cached(&world, &verifier));
    let token = mint(&world, Algorithm::EdDsa);
    assert_eq!(app.status(&token).await, 200);
    for (what, keys, expected) in unusable(&world) {
        let built = world.builder().static_keys(keys.clone()).algorithms(allowed).build();
        assert_eq!(fault(built), expected, "{what}");
        assert_eq!(fault(verifier.replace_keys(keys)), expected, "{what}");
        assert_eq!(verifier.generation(), 0, "{what}");
        assert_eq!(app.status_at_once(&mint(&world, Algorithm::EdDsa)), Some(200), "{what}");
    }
}

#[tokio::test]
async fn public_keys_do_not_take_the_place_of_secrets_nor_the_reverse() {
    let world = World::new().await;
    let public = || StaticKeys::new().add_public_key_pem(pem(&world, Algorithm::EdDsa));
    let mixed = ("algorithms", BuildErrorKind::SymmetricAlgorithm);
    let with_public = world.builder().static_keys(public()).build().unwrap();
    assert_eq!(fault(with_public.replace_keys(secrets([1]))), mixed);
    let as_jwk = StaticKeys::new().add_jwk(oct(1, None));
    assert_eq!(fault(with_public.replace_keys(as_jwk)), ("jwk", BuildErrorKind::SymmetricAlgorithm));
    let with_secret = builder().static_keys(secrets([1])).build().unwrap();
    assert_eq!(fault(with_secret.replace_keys(public())), mixed);
    let short = secrets([1]).add_hmac_secret([1; 31]);
    assert_eq!(
        fault(builder().static_keys(short.clone()).build()),
        ("hmac_secret", BuildErrorKind::WeakSecret)
    );
    assert_eq!(fault(with_secret.replace_keys(short)), ("hmac_secret", BuildErrorKind::WeakSecret));
    let as_jwk = StaticKeys::new().add_jwk(jwk(&world, Algorithm::EdDsa).to_string());
    assert_eq!(fault(with_secret.replace_keys(as_jwk)), ("jwk", BuildErrorKind::InvalidKey));
    let only = world.builder().static_keys(public()).algorithms([Algorithm::EdDsa]).build().unwrap();
    let other = StaticKeys::new().add_public_key_pem(pem(&world, Algorithm::Es256));
    assert_eq!(fault(only.replace_keys(other)), ("algorithms", BuildErrorKind::NoAlgorithms));
}

#[test]
fn no_secret_is_printed() {
    let canary = "S3cr3t-canary-0123456789.abcdefghijklmnop";
    let keys = StaticKeys::new().add_hmac_secret(canary).add_jwk(canary).add_jwk_set(canary);
    let keys = keys.add_public_key_pem(canary);
    let builder = builder().static_keys(keys.clone());
    let verifier = with_secrets(StaticKeys::new().add_hmac_secret(canary));
    let bad = StaticKeys::new().add_hmac_secret(canary).add_jwk(canary);
    let error = verifier.replace_keys(bad).unwrap_err();
    for text in [
        format!("{keys:?} {keys:#?}"),
        format!("{builder:?} {builder:#?}"),
        format!("{verifier:?} {verifier:#?}"),
        format!("{error} {error:?} {error:#?}"),
    ] {
        assert!(!text.contains("canary") && !text.contains(&canary[..8]), "{text}");
        assert!(!text.contains("83, 51, 99"), "{text}");
    }
}

// What is remembered.

#[test]
fn the_generation_grows_with_each_replacement() {
    let verifier = with_secrets(secrets([1]));
    let clone = verifier.clone();
    for (expected, keys) in (1..).zip([secrets([1]), secrets([1, 2]), secrets([2])]) {
        verifier.replace_keys(keys).unwrap();
        assert_eq!((verifier.generation(), clone.generation()), (expected, expected));
    }
}

#[test]
fn a_remembered_verdict_dies_when_a_name_means_another_key() {
    let verifier = with_secrets(secrets([1]));
    let cached = verifier.clone().cached(CacheLayer::new());
    let token = signed_by(1, Some("a"));
    assert_eq!(asked(&cached, &token), Ok(()));
    // The key without a name stays. This token means another one now.
    verifier.replace_keys(secrets([1]).add_jwk(oct(2, Some("a")))).unwrap();
    assert_eq!(asked(&verifier, &token), Err(Kind::Signature));
    assert_eq!(asked(&cached, &token), Err(Kind::Signature));
}

#[tokio::test]
async fn a_key_that_is_for_one_issuer_is_not_meant_by_every_token() {
    let world = World::new().await;
    let mut key = jwk(&world, Algorithm::EdDsa);
    key.as_object_mut().unwrap().remove("kid");
    key["issuer"] = "https://login.microsoftonline.com/a/v2.0".into();
    let keys = StaticKeys::new().add_jwk(key.to_string());
    let verifier = world.builder().static_keys(keys).build().unwrap();
    assert_eq!(world.app_of(verifier).status(&mint(&world, Algorithm::EdDsa)).await, 401);
}

/// A verifier that is slow: something happens between its verdict and its answer.
struct Slow {
    verifier: JwtVerifier,
    meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl TokenVerifier for Slow {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        self.verifier.verify(token).await
    }

    fn verify_now(&self, token: &BearerToken, now: SystemTime) -> Option<Verdict> {
        let verdict = self.verifier.verify_now(token, now);
        if let Some(happens) = self.meanwhile.lock().unwrap().take() {
            happens();
        }
        verdict
    }

    fn generation(&self) -> u64 {
        self.verifier.generation()
    }
}

#[test]
fn what_was_found_out_with_an_old_key_is_not_remembered_under_the_new_ones() {
    let verifier = with_secrets(secrets([1, 2]));
    let swapped = verifier.clone();
    let swap = move || swapped.replace_keys(secrets([2])).unwrap();
    let meanwhile = Mutex::new(Some(Box::new(swap) as Box<dyn FnOnce() + Send>));
    let cached = Slow { verifier, meanwhile }.cached(CacheLayer::new());
    // It was good when it was verified.
    assert_eq!(asked(&cached, &signed_by(1, None)), Ok(()));
    assert_eq!(asked(&cached, &signed_by(1, None)), Err(Kind::Signature));
    assert_eq!(asked(&cached, &signed_by(2, None)), Ok(()));
}

#[test]
fn a_swap_under_load_makes_no_verdict_wrong() {
    let both = || secrets([1, 2]);
    let verifier = with_secrets(both());
    let cached = Arc::new(verifier.clone().cached(CacheLayer::new()));
    let (stays, changes) = (signed_by(1, None), signed_by(2, None));
    let done = AtomicBool::new(false);
    let read = || {
        let mut turns = 0_u32;
        while !done.load(Ordering::SeqCst) || turns < 100 {
            assert_eq!(asked(&verifier, &stays), Ok(()));
            assert_eq!(asked(&*cached, &stays), Ok(()));
            // Whatever it is now; the writer looks at what is left of it.
            let _ = (asked(&verifier, &changes), asked(&*cached, &changes));
            turns += 1;
        }
    };
    thread::scope(|scope| {
        let readers: Vec<_> = (0..4).map(|_| scope.spawn(read)).collect();
        for _ in 0..500 {
            verifier.replace_keys(secrets([1])).unwrap();
            for _ in 0..20 {
                assert_eq!(asked(&verifier, &changes), Err(Kind::Signature));
                assert_eq!(asked(&*cached, &changes), Err(Kind::Signature), "remembered too long");
            }
            verifier.replace_keys(both()).unwrap();
            assert_eq!(asked(&verifier, &changes), Ok(()));
        }
        done.store(true, Ordering::SeqCst);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
    assert_eq!(verifier.generation(), 1_000);
}

#[tokio::test]
async fn a_key_that_is_removed_is_dead_for_tokens_that_a_layer_remembers() {
    let world = World::new().await;
    let verifier = world.builder().static_keys(secrets([1, 2])).build().unwrap();
    let app = world.app_of(cached(&world, &verifier));
    let claims = json!({
        "iss": world.issuer.issuer(), "aud": AUDIENCE, "sub": "alice", "exp": 4_000_000_000_u64
    });
    let of = |number| hs256(&secret(number), r#"{"alg":"HS256"}"#, &claims.to_string());
    for number in [1, 2] {
        assert_eq!(app.status_at_once(&of(number)), Some(200));
    }
    verifier.replace_keys(secrets([2])).unwrap();
    assert_eq!([1, 2].map(|number| app.status_at_once(&of(number))), [Some(401), Some(200)]);
    world.clock.advance(Duration::from_secs(10));
    assert_eq!(app.status_at_once(&of(1)), Some(401));
}

// What is remembered of good tokens.

#[test]
fn a_header_that_has_been_good_helps_no_other_token() {
    let set = set_of(&[oct(1, Some("a")), oct(2, Some("b"))]);
    let keys = StaticKeys::new().add_jwk_set(&*set);
    let verifier = with_secrets(keys);
    let claims = |iss: &str| json!({ "iss": iss, "aud": AUDIENCE, "exp": 4_000_000_000_u64 }).to_string();
    let by = |number: u8, header: &str, iss: &str| hs256(&secret(number), header, &claims(iss));
    let (a, b) = (r#"{"alg":"HS256","kid":"a"}"#, r#"{"alg":"HS256","kid":"b"}"#);
    // Each is asked after each, so that the header of every good one has been remembered before every other.
    let table = [
        (by(1, a, ISSUER), Ok(())),
        (by(2, b, ISSUER), Ok(())),
        (by(1, b, ISSUER), Err(Kind::Signature)),
        (by(2, a, ISSUER), Err(Kind::Signature)),
        (by(1, a, "https://other.example.com"), Err(Kind::Issuer)),
        (by(1, r#"{"alg":"HS256","kid":"c"}"#, ISSUER), Err(Kind::KeyNotFound)),
        (by(1, r#"{"alg":"HS384","kid":"a"}"#, ISSUER), Err(Kind::Algorithm)),
        (by(1, r#"{"alg":"HS256","kid":"a","typ":"logout+jwt"}"#, ISSUER), Err(Kind::Claim)),
        (by(1, r#"{"alg":"HS256","kid":"a","crit":["exp"]}"#, ISSUER), Err(Kind::Malformed)),
    ];
    for (first, _) in &table {
        for (second, expected) in &table {
            let _ = asked(&verifier, first);
            assert_eq!(asked(&verifier, second), *expected, "{second} after {first}");
        }
    }
    verifier.replace_keys(StaticKeys::new().add_jwk_set(set_of(&[oct(2, Some("b"))]))).unwrap();
    assert_eq!(asked(&verifier, &table[0].0), Err(Kind::KeyNotFound), "its key has left");
    assert_eq!(asked(&verifier, &table[1].0), Ok(()));
}
