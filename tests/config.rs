//! What cannot work is found by `build()`, which names the setting and never the value.

#![cfg(all(feature = "reqwest", feature = "testing", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and reads well"
)]

use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{Request, Response};
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::{ServiceBuilder, ServiceExt};
use tower_bearer::client::{ReqwestClient, ReqwestClientBuilder};
use tower_bearer::error::BuildErrorKind::{self as Kind, *};
use tower_bearer::jwks::RemoteJwks;
use tower_bearer::middleware::AuthLayerBuilder;
use tower_bearer::testing::TestIssuer;
use tower_bearer::verifier::JwtVerifierBuilder;
use tower_bearer::{
    AccessToken, Algorithm, AuthLayer, BearerToken, BuildError, JwtVerifier, TokenVerifier, VerifyError,
};

const ISSUER: &str = "https://idp.example.com";
const AUDIENCE: &str = "https://api.example.com";
const CANARY: &str = "S3cr3t-canary";
const DAY: Duration = Duration::from_secs(86_400);

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("fixtures/", $name, ".pem"))
    };
}

/// Accepts everything: settings of the layer are judged without it.
struct Anyone;

impl TokenVerifier for Anyone {
    async fn verify(&self, _: &BearerToken) -> Result<AccessToken, VerifyError> {
        Ok(AccessToken::verified().build())
    }
}

fn verifier() -> JwtVerifierBuilder {
    JwtVerifier::builder(ISSUER, AUDIENCE)
}

fn layer() -> AuthLayerBuilder<Anyone> {
    AuthLayer::builder(Anyone)
}

fn client() -> ReqwestClientBuilder {
    ReqwestClient::builder()
}

/// Every text that a build error shows.
fn text(error: &BuildError) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(" {error} {error:?}"));
        cause = error.source();
    }
    text
}

/// The fault of a build that has to fail: its setting and its kind. What was built has none.
fn fault<T>(built: Result<T, BuildError>) -> (&'static str, Kind) {
    let Err(error) = built else { return ("nothing", Missing) };
    assert!(error.to_string().contains(error.setting()), "{error}");
    (error.setting(), error.kind())
}

/// Like `fault`, for a value that must not be shown: no run of eight of its characters is.
fn fault_hiding<T>(value: &str, built: Result<T, BuildError>) -> (&'static str, Kind) {
    let shown = built.as_ref().err().map(text).unwrap_or_default();
    for window in value.as_bytes().windows(8) {
        let window = String::from_utf8_lossy(window);
        assert!(!shown.contains(&*window), "{window:?} of the value is shown: {shown}");
    }
    fault(built)
}

#[test]
fn the_defaults_can_be_built() {
    assert!(verifier().build().is_ok());
    assert!(layer().build().is_ok());
    assert!(client().build().is_ok());
}

#[test]
fn an_audience_is_named() {
    for audience in ["", " ", "\t", "*"] {
        let built = JwtVerifier::builder(ISSUER, audience).build();
        assert_eq!(fault(built), ("audience", Empty), "{audience:?}");
        let built = verifier().add_audience(audience).build();
        assert_eq!(fault(built), ("audience", Empty), "{audience:?} as another one");
    }
    assert!(JwtVerifier::builder(ISSUER, "").insecure_allow_any_audience().build().is_ok());
}

#[test]
fn an_issuer_is_named() {
    let pem = fixture!("rsa_public");
    for issuer in ["", " ", "\n", "*"] {
        for build in
            [|b: JwtVerifierBuilder| b, |b: JwtVerifierBuilder| b.public_key_pem(fixture!("rsa_public"))]
        {
            let built = build(JwtVerifier::builder(issuer, AUDIENCE)).build();
            assert_eq!(fault(built), ("issuer", Empty), "{issuer:?}");
        }
    }
    assert!(
        JwtVerifier::builder("", AUDIENCE).public_key_pem(pem).insecure_allow_any_issuer().build().is_ok()
    );
    assert!(JwtVerifier::builder("accounts.example", AUDIENCE).public_key_pem(pem).build().is_ok());
    // Nobody can be asked for the keys of any issuer.
    assert_eq!(fault(verifier().insecure_allow_any_issuer().build()), ("issuer", Missing));
    let discovered = verifier().insecure_allow_any_issuer().remote_jwks(RemoteJwks::discovered());
    assert_eq!(fault(discovered.build()), ("issuer", Missing));
}

#[test]
fn an_issuer_has_no_hidden_characters() {
    for issuer in ["a b", "a\tb", "a\nb", "a\0b", "a\u{a0}b", "a\u{85}"] {
        let built = JwtVerifier::builder(issuer, AUDIENCE).public_key_pem(fixture!("rsa_public")).build();
        assert_eq!(fault(built), ("issuer", InvalidText), "{issuer:?}");
    }
}

#[test]
fn algorithms_fit_together_and_fit_the_keys() {
    use Algorithm::{EdDsa, Es256, Hs256, Hs384, Rs256};
    let pem = fixture!("rsa_public");
    let secret = [7; 64];
    type Build = fn(JwtVerifierBuilder) -> JwtVerifierBuilder;
    let sources: [Build; 4] = [
        |b| b,
        |b| b.jwks_uri("https://idp.example.com/keys"),
        |b| b.remote_jwks(RemoteJwks::discovered()),
        |b| b.public_key_pem(fixture!("rsa_public")),
    ];
    for source in sources {
        for (algorithms, kind) in [
            (vec![], NoAlgorithms),
            (vec![Hs256], SymmetricAlgorithm),
            (vec![Hs256, Hs384], SymmetricAlgorithm),
            (vec![Rs256, Hs256], SymmetricAlgorithm),
        ] {
            let built = source(verifier()).algorithms(algorithms.clone()).build();
            assert_eq!(fault(built), ("algorithms", kind), "{algorithms:?}");
        }
    }
    for (algorithms, kind) in
        [(vec![], NoAlgorithms), (vec![Rs256], SymmetricAlgorithm), (vec![Hs256, Es256], SymmetricAlgorithm)]
    {
        let built = verifier().hmac_secret(secret).algorithms(algorithms.clone()).build();
        assert_eq!(fault(built), ("algorithms", kind), "{algorithms:?}");
    }
    for json in [jwk_set(&[rsa_jwk(), oct_jwk(32)]), jwk_set(&[oct_jwk(32)])] {
        let built = verifier().jwk_set(json).algorithms([Rs256, Hs256]).build();
        assert_eq!(fault(built), ("algorithms", SymmetricAlgorithm));
    }
    // None of these algorithms is for an RSA key.
    for algorithms in [vec![Es256], vec![EdDsa]] {
        let built = verifier().public_key_pem(pem).algorithms(algorithms.clone()).build();
        assert_eq!(fault(built), ("algorithms", NoAlgorithms));
        let built = verifier().jwk(rsa_jwk().to_string()).algorithms(algorithms).build();
        assert_eq!(fault(built), ("algorithms", NoAlgorithms));
    }
}

#[test]
fn a_secret_is_as_long_as_the_hash() {
    use Algorithm::{Hs256, Hs384, Hs512};
    for (algorithms, length, fits) in [
        (vec![Hs256], 31, false),
        (vec![Hs256], 32, true),
        (vec![Hs384], 47, false),
        (vec![Hs384], 48, true),
        (vec![Hs512], 63, false),
        (vec![Hs512], 64, true),
        (vec![Hs256, Hs384], 32, false),
        (vec![Hs256, Hs512], 48, false),
        (vec![Hs256, Hs384, Hs512], 64, true),
        (vec![Hs256], 0, false),
        (vec![Hs512], 0, false),
    ] {
        let secret = CANARY.repeat(5).into_bytes()[..length].to_vec();
        let built = verifier().hmac_secret(secret.clone()).algorithms(algorithms.clone()).build();
        if fits {
            assert!(built.is_ok(), "{algorithms:?} with {length} bytes");
        } else {
            let secret = String::from_utf8(secret).unwrap();
            assert_eq!(fault_hiding(&secret, built), ("hmac_secret", WeakSecret), "{length}");
        }
        if algorithms.len() > 1 {
            continue;
        }
        // The same as a JWK.
        let built = verifier().jwk(oct_jwk(length).to_string()).algorithms(algorithms.clone()).build();
        assert_eq!(built.is_ok(), fits, "{algorithms:?} with a JWK of {length} bytes");
    }
    // Without a word about algorithms it is HS256.
    assert!(verifier().hmac_secret([1; 32]).build().is_ok());
    assert_eq!(fault(verifier().hmac_secret([1; 31]).build()), ("hmac_secret", WeakSecret));
}

/// Texts of keys that everyone may know, and that somebody could take for a secret.
fn texts_of_keys() -> Vec<String> {
    let pems = [
        fixture!("rsa_public"),
        fixture!("rsa_public_pkcs1"),
        fixture!("p256_public"),
        fixture!("ed25519_public"),
        fixture!("certificate"),
        fixture!("rsa_private"),
    ];
    let jwks = [rsa_jwk().to_string(), jwk_set(&[rsa_jwk()]), format!("{:#}", rsa_jwk())];
    pems.into_iter().map(str::to_owned).chain(jwks).collect()
}

#[test]
fn the_text_of_a_key_is_no_secret() {
    for key in texts_of_keys() {
        for space in ["", " ", "\n", "\r\n", "\t", " \t\r\n  "] {
            let built = verifier().hmac_secret(format!("{space}{key}")).build();
            assert_eq!(fault_hiding(&key, built), ("hmac_secret", WeakSecret), "{space:?}{key}");
        }
    }
}

#[test]
fn the_text_of_a_key_is_no_secret_behind_rare_white_space_either() {
    for key in texts_of_keys() {
        for space in ["\u{b}", "\u{c}", "\u{a0}", "\u{2028}", "\u{feff}", "\u{feff}\n"] {
            let built = verifier().hmac_secret(format!("{space}{key}")).build();
            assert_eq!(fault_hiding(&key, built), ("hmac_secret", WeakSecret), "{space:?}{key}");
        }
    }
}

#[test]
fn the_text_of_a_key_is_no_secret_behind_other_text_either() {
    // How tools print a key: attributes, or a description of it, and then the PEM.
    let attributes = "Bag Attributes\n    friendlyName: signing\nKey Attributes: <No Attributes>\n";
    let built = verifier().hmac_secret(format!("{attributes}{}", fixture!("rsa_public"))).build();
    assert_eq!(fault(built), ("hmac_secret", WeakSecret));
}

#[test]
fn the_text_of_a_key_is_no_secret_inside_a_jwk_either() {
    for key in texts_of_keys() {
        let jwk = json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(&key) });
        let hs256 = [Algorithm::Hs256];
        assert!(verifier().jwk(jwk.to_string()).algorithms(hs256).build().is_err(), "{key}");
        assert!(verifier().jwk_set(jwk_set(&[jwk])).algorithms(hs256).build().is_err(), "{key}");
    }
}

#[test]
fn a_pem_that_is_no_usable_public_key_is_refused() {
    let two = [fixture!("rsa_public"), fixture!("p256_public")].concat();
    let both = [fixture!("rsa_public"), fixture!("rsa_private")].concat();
    let chain = [fixture!("rsa_public"), fixture!("certificate")].concat();
    let cut = fixture!("rsa_public").get(..200).unwrap();
    let relabelled = fixture!("rsa_private").replace("PRIVATE KEY", "PUBLIC KEY");
    for (pem, kind) in [
        (fixture!("rsa_private"), PrivateKey),
        (fixture!("rsa_private_pkcs1"), PrivateKey),
        (fixture!("p256_private_sec1"), PrivateKey),
        (fixture!("p256_private_encrypted"), PrivateKey),
        (fixture!("ed25519_private"), PrivateKey),
        (&both, PrivateKey),
        (fixture!("certificate"), InvalidKey),
        (fixture!("request"), InvalidKey),
        (fixture!("rsa1024_public"), InvalidKey),
        (fixture!("p521_public"), InvalidKey),
        (fixture!("secp256k1_public"), InvalidKey),
        (fixture!("x25519_public"), InvalidKey),
        (fixture!("ed448_public"), InvalidKey),
        (&two, InvalidKey),
        (&chain, InvalidKey),
        (&relabelled, InvalidKey),
        (cut, InvalidKey),
        ("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n", InvalidKey),
        ("-----BEGIN PUBLIC KEY-----\nS3cr3t!!canary\n-----END PUBLIC KEY-----\n", InvalidKey),
        ("S3cr3t-canary, not a key", InvalidKey),
        ("\u{feff}\0\r\n", InvalidKey),
        ("", InvalidKey),
    ] {
        let built = verifier().public_key_pem(pem).build();
        let hidden: String = pem.lines().filter(|line| !line.contains("-----")).collect();
        assert_eq!(fault_hiding(&hidden, built), ("public_key_pem", kind), "{pem}");
    }
}

#[test]
fn a_certificate_is_refused_under_any_label() {
    for label in ["PUBLIC KEY", "RSA PUBLIC KEY"] {
        for text in [
            fixture!("certificate").replace("CERTIFICATE", label),
            fixture!("request").replace("CERTIFICATE REQUEST", label),
        ] {
            let built = verifier().public_key_pem(text.clone()).build();
            assert_eq!(fault(built), ("public_key_pem", InvalidKey), "{text}");
        }
    }
}

#[tokio::test]
async fn a_public_key_of_any_supported_kind_verifies() {
    let issuer = TestIssuer::start().await.unwrap();
    for (pem, algorithm) in [
        (fixture!("rsa_public"), Algorithm::Rs256),
        (fixture!("rsa_public"), Algorithm::Ps512),
        (fixture!("rsa_public_pkcs1"), Algorithm::Rs256),
        (fixture!("rsa_public_pkcs1"), Algorithm::Ps384),
        (fixture!("p256_public"), Algorithm::Es256),
        (fixture!("p384_public"), Algorithm::Es384),
        (fixture!("ed25519_public"), Algorithm::EdDsa),
    ] {
        for pem in [pem.to_owned(), pem.replace('\n', "\r\n"), format!("\n{pem}\n\n")] {
            let verifier =
                JwtVerifier::builder(issuer.issuer(), AUDIENCE).public_key_pem(pem.clone()).build().unwrap();
            let good = issuer.token().algorithm(algorithm).audience(AUDIENCE);
            assert_eq!(status(verifier.clone(), &good.clone().mint()).await, 200, "{algorithm} {pem:?}");
            // The id that a token names is of no interest to the only key.
            assert_eq!(status(verifier.clone(), &good.header("kid", "another").mint()).await, 200);
            assert_eq!(issuer.jwks_requests() + issuer.metadata_requests(), 0);
        }
    }
}

async fn status(verifier: JwtVerifier, token: &str) -> u16 {
    let service = ServiceBuilder::new()
        .layer(AuthLayer::new(verifier))
        .service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(())));
    let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(()).unwrap();
    service.oneshot(request).await.unwrap().status().as_u16()
}

fn jwk_set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

fn oct_jwk(length: usize) -> Value {
    json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(vec![0x5A; length]) })
}

fn test_keys() -> Vec<Value> {
    serde_json::from_str(include_str!("../src/testing/keys/public_b.json")).unwrap()
}

fn rsa_jwk() -> Value {
    test_keys().remove(0)
}

fn with(mut key: Value, members: Value) -> String {
    key.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    key.to_string()
}

#[test]
fn a_jwk_that_is_no_usable_public_key_is_refused() {
    let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let d = b64(CANARY.repeat(8).as_bytes());
    for (json, kind) in [
        (with(rsa_jwk(), json!({ "d": d })), PrivateKey),
        (with(test_keys().remove(1), json!({ "d": d })), PrivateKey),
        (with(test_keys().remove(3), json!({ "d": d })), PrivateKey),
        (with(rsa_jwk(), json!({ "d": d, "p": d, "q": d })), PrivateKey),
        (oct_jwk(64).to_string(), SymmetricAlgorithm),
        (with(rsa_jwk(), json!({ "use": "enc" })), InvalidKey),
        (with(rsa_jwk(), json!({ "key_ops": ["sign"] })), InvalidKey),
        (with(rsa_jwk(), json!({ "alg": "RS1" })), InvalidKey),
        (with(rsa_jwk(), json!({ "alg": "none" })), InvalidKey),
        (with(rsa_jwk(), json!({ "kid": 7 })), InvalidKey),
        (with(rsa_jwk(), json!({ "e": "AQ" })), InvalidKey),
        (with(rsa_jwk(), json!({ "n": b64(&[0xFF; 128]) })), InvalidKey),
        (with(rsa_jwk(), json!({ "n": b64(&[0xFF; 2048]) })), InvalidKey),
        (with(rsa_jwk(), json!({ "n": "not base64url!" })), InvalidKey),
        (with(test_keys().remove(1), json!({ "crv": "P-384" })), InvalidKey),
        (with(test_keys().remove(1), json!({ "y": b64(&[1; 32]) })), InvalidKey),
        (with(test_keys().remove(3), json!({ "x": b64(&[0; 32]) })), InvalidKey),
        (with(test_keys().remove(3), json!({ "crv": "X25519" })), InvalidKey),
        (jwk_set(&[rsa_jwk()]), InvalidKey),
        (format!("[{}]", rsa_jwk()), InvalidKey),
        ("{}".to_owned(), InvalidKey),
        ("null".to_owned(), InvalidKey),
        (CANARY.to_owned(), InvalidKey),
        (String::new(), InvalidKey),
        (fixture!("rsa_public").to_owned(), InvalidKey),
    ] {
        assert_eq!(fault_hiding(&json, verifier().jwk(json.clone()).build()), ("jwk", kind), "{json}");
    }
    // A secret where public keys are expected, and the reverse.
    let asymmetric = verifier().jwk(oct_jwk(64).to_string()).algorithms([Algorithm::Rs256, Algorithm::Es256]);
    assert_eq!(fault(asymmetric.build()), ("jwk", SymmetricAlgorithm));
    let symmetric = verifier().jwk(rsa_jwk().to_string()).algorithms([Algorithm::Hs256]);
    assert_eq!(fault(symmetric.build()), ("jwk", InvalidKey));
    assert!(verifier().jwk(oct_jwk(32).to_string()).algorithms([Algorithm::Hs256]).build().is_ok());
    assert!(verifier().jwk(rsa_jwk().to_string()).build().is_ok());
}

#[test]
fn a_jwk_set_without_a_usable_key_is_refused() {
    let many = |count| jwk_set(&vec![rsa_jwk(); count]);
    let repeated = format!(r#"{{"keys":[],"keys":[{}]}}"#, rsa_jwk());
    for json in [
        jwk_set(&[]),
        jwk_set(&[oct_jwk(64)]),
        jwk_set(&[json!(null), json!("key"), json!({})]),
        many(101),
        repeated,
        r#"{"keys":null}"#.to_owned(),
        r#"{"keys":{}}"#.to_owned(),
        rsa_jwk().to_string(),
        format!("[{}]", rsa_jwk()),
        "<html></html>".to_owned(),
        CANARY.to_owned(),
        String::new(),
    ] {
        let built = verifier().jwk_set(json.clone()).build();
        assert_eq!(fault_hiding(&json, built), ("jwk_set", InvalidKey), "{json}");
    }
    assert!(verifier().jwk_set(many(100)).build().is_ok());
    // Keys of both families in one set: nobody could tell which is meant.
    let mixed = jwk_set(&[rsa_jwk(), oct_jwk(64)]);
    let symmetric = verifier().jwk_set(mixed.clone()).algorithms([Algorithm::Hs256]);
    assert_eq!(fault(symmetric.build()), ("jwk_set", InvalidKey));
    assert!(verifier().jwk_set(mixed).build().is_ok());
}

#[test]
fn any_audience_and_a_certain_one_cannot_both_be_meant() {
    let fault = fault(verifier().insecure_allow_any_audience().add_audience("x").build());
    assert_eq!(fault, ("add_audience", Conflict));
}

#[test]
fn keys_come_from_one_source() {
    type Build = fn(JwtVerifierBuilder) -> JwtVerifierBuilder;
    let sources: [(&str, Build); 6] = [
        ("jwks_uri", |b| b.jwks_uri("https://idp.example.com/keys")),
        ("remote_jwks", |b| b.remote_jwks(RemoteJwks::discovered())),
        ("jwk_set", |b| b.jwk_set(jwk_set(&[rsa_jwk()]))),
        ("jwk", |b| b.jwk(rsa_jwk().to_string())),
        ("public_key_pem", |b| b.public_key_pem(fixture!("rsa_public"))),
        ("hmac_secret", |b| b.hmac_secret([1; 64])),
    ];
    for (_, first) in sources {
        for (setting, second) in sources {
            assert_eq!(fault(second(first(verifier())).build()), (setting, Conflict));
        }
    }
}

/// Durations above a limit, just and by far.
fn beyond(most: Duration) -> [Duration; 3] {
    [most + Duration::from_nanos(1), most * 2, Duration::MAX]
}

#[test]
fn a_leeway_or_token_age_out_of_range_is_refused() {
    for leeway in beyond(Duration::from_secs(300)) {
        assert_eq!(fault(verifier().leeway(leeway).build()), ("leeway", OutOfRange), "{leeway:?}");
    }
    for age in beyond(366 * DAY).into_iter().chain([Duration::ZERO, Duration::from_millis(999)]) {
        assert_eq!(fault(verifier().max_token_age(age).build()), ("max_token_age", OutOfRange), "{age:?}");
    }
}

#[test]
fn an_age_or_pause_of_keys_out_of_range_is_refused() {
    type Set = fn(RemoteJwks, Duration) -> RemoteJwks;
    let settings: [(&str, Set, Duration, Duration); 4] = [
        ("cooldown", RemoteJwks::cooldown, Duration::from_secs(1), Duration::from_secs(3_600)),
        ("max_age", RemoteJwks::max_age, Duration::from_secs(60), DAY),
        ("max_stale", RemoteJwks::max_stale, Duration::from_secs(7_200), 30 * DAY),
        ("timeout", RemoteJwks::timeout, Duration::from_nanos(1), Duration::from_secs(60)),
    ];
    for (setting, set, least, most) in settings {
        let below = [Duration::ZERO, least - Duration::from_nanos(1)];
        for value in beyond(most).into_iter().chain(below) {
            let keys = set(RemoteJwks::discovered(), value);
            assert_eq!(fault(verifier().remote_jwks(keys).build()), (setting, OutOfRange), "{value:?}");
        }
    }
}

#[test]
fn a_time_limit_out_of_range_is_refused() {
    for value in beyond(Duration::from_secs(60)).into_iter().chain([Duration::ZERO]) {
        assert_eq!(fault(layer().timeout(value).build()), ("timeout", OutOfRange), "{value:?}");
        assert_eq!(fault(client().timeout(value).build()), ("timeout", OutOfRange), "{value:?}");
        let built = client().connect_timeout(value).build();
        assert_eq!(fault(built), ("connect_timeout", OutOfRange), "{value:?}");
    }
    assert_eq!(fault(client().max_body(0).build()), ("max_body", OutOfRange));
}

#[test]
fn the_ends_of_a_range_belong_to_it() {
    let secs = Duration::from_secs;
    for leeway in [Duration::ZERO, secs(300)] {
        assert!(verifier().leeway(leeway).build().is_ok());
    }
    for age in [secs(1), 366 * DAY] {
        assert!(verifier().max_token_age(age).build().is_ok());
    }
    for keys in [
        RemoteJwks::discovered().cooldown(secs(1)).max_age(secs(60)).max_stale(secs(120)),
        RemoteJwks::discovered().cooldown(secs(3_600)).max_age(DAY).max_stale(30 * DAY).timeout(secs(60)),
    ] {
        assert!(verifier().remote_jwks(keys).build().is_ok());
    }
    assert!(layer().timeout(secs(60)).build().is_ok());
    assert!(client().timeout(secs(60)).connect_timeout(secs(60)).max_body(usize::MAX).build().is_ok());
}

/// URLs that nothing may be fetched from, whatever they are set for.
const BAD_URLS: [(&str, Kind); 38] = [
    ("http://idp.example.com/x", InsecureUrl),
    ("http://10.0.0.1/x", InsecureUrl),
    ("http://169.254.169.254/latest", InsecureUrl),
    ("http://0.0.0.0/x", InsecureUrl),
    ("http://[::]/x", InsecureUrl),
    ("http://[::ffff:10.0.0.1]/x", InsecureUrl),
    ("http://localhost.example.com/x", InsecureUrl),
    ("http://127.0.0.1.example.com/x", InsecureUrl),
    ("HTTP://idp.example.com/x", InsecureUrl),
    ("https://user@idp.example.com/x", InvalidUrl),
    ("https://user:S3cr3t-canary@idp.example.com/x", InvalidUrl),
    ("https://@idp.example.com/x", InvalidUrl),
    ("http://127.0.0.1@idp.example.com/x", InvalidUrl),
    ("https://idp.example.com/x#S3cr3t-canary", InvalidUrl),
    ("https://idp.example.com#", InvalidUrl),
    ("https://idp.example.com\\@evil.example/x", InvalidUrl),
    ("https://idp.example.com/a/../x", InvalidUrl),
    ("//idp.example.com/x", InvalidUrl),
    ("/x", InvalidUrl),
    ("x", InvalidUrl),
    ("idp.example.com", InvalidUrl),
    ("idp.example.com:443", InvalidUrl),
    ("file:///etc/passwd", InvalidUrl),
    ("data:application/json,{}", InvalidUrl),
    ("ftp://idp.example.com/x", InvalidUrl),
    ("javascript:alert(1)", InvalidUrl),
    ("unix:/run/x.sock", InvalidUrl),
    ("https:", InvalidUrl),
    ("https://", InvalidUrl),
    ("https:///x", InvalidUrl),
    ("https://:443/x", InvalidUrl),
    ("https://[::1/x", InvalidUrl),
    ("https://idp.example.com/x y", InvalidUrl),
    ("https://idp.example.com/x\r\nHost: evil", InvalidUrl),
    // The first letter is Cyrillic.
    ("https://\u{456}dp.example.com/x", InvalidUrl),
    ("https://idp.example.com/\u{e4}", InvalidUrl),
    (" https://idp.example.com/x", InvalidUrl),
    ("https://idp.example.com/x\0", InvalidUrl),
];

#[test]
fn a_url_is_absolute_safe_and_plain() {
    for (url, kind) in BAD_URLS {
        assert_eq!(fault_hiding(CANARY, verifier().jwks_uri(url).build()), ("jwks_uri", kind), "{url:?}");
        let remote = verifier().remote_jwks(RemoteJwks::at(url)).build();
        assert_eq!(fault_hiding(CANARY, remote), ("jwks_uri", kind), "{url:?}");
        let issuer = JwtVerifier::builder(url, AUDIENCE).build();
        assert_eq!(fault_hiding(CANARY, issuer), ("issuer", kind), "{url:?}");
        let issuer = JwtVerifier::builder(url, AUDIENCE).remote_jwks(RemoteJwks::discovered()).build();
        assert_eq!(fault_hiding(CANARY, issuer).0, "issuer", "{url:?}");
        assert_eq!(fault_hiding(CANARY, layer().resource(url).build()), ("resource", kind), "{url:?}");
    }
    assert!(verifier().jwks_uri("").build().is_err() && layer().resource("").build().is_err());
}

#[test]
fn a_url_over_tls_or_on_loopback_is_fine() {
    for url in ["https://idp.example.com", "https://idp.example.com:8443/a/b", "http://127.0.0.1:9/x"] {
        assert!(verifier().jwks_uri(url).build().is_ok(), "{url}");
        assert!(JwtVerifier::builder(url, AUDIENCE).build().is_ok(), "{url}");
        assert!(layer().resource(url).authorization_servers([url]).build().is_ok(), "{url}");
    }
}

#[test]
fn a_proxy_is_a_host_and_perhaps_a_name_and_a_password() {
    for url in [
        "",
        "proxy.example.com",
        "proxy.example.com:3128",
        "/proxy",
        "//proxy.example.com",
        "http://",
        "http:///",
        "ftp://proxy.example.com",
        "file:///etc/passwd",
        "http://proxy.example.com/S3cr3t-canary",
        "http://proxy.example.com/?S3cr3t-canary",
        "http://proxy.example.com/#S3cr3t-canary",
        "http://proxy example.com",
        "http://proxy.example.com\r\nHost: evil",
        "http://[::1",
    ] {
        assert_eq!(fault_hiding(CANARY, client().proxy(url).build()), ("proxy", InvalidUrl), "{url:?}");
    }
    for url in [
        "http://proxy.example.com:3128",
        "http://proxy.example.com:3128/",
        "https://proxy.example.com",
        "http://127.0.0.1:9",
        "http://[::1]:9",
        "http://user:S3cr3t-canary@proxy.example.com:3128",
    ] {
        let built = client().proxy(url).build().unwrap();
        assert!(!format!("{built:?} {built:#?}").contains(CANARY), "{built:?}");
    }
}

#[test]
fn a_port_is_one_that_exists() {
    for url in
        ["https://idp.example.com:99999/x", "https://idp.example.com:port/x", "https://idp.example.com:-1/x"]
    {
        assert_eq!(fault(verifier().jwks_uri(url).build()), ("jwks_uri", InvalidUrl), "{url}");
        assert_eq!(fault(layer().resource(url).build()), ("resource", InvalidUrl), "{url}");
        assert_eq!(fault(client().proxy(url).build()), ("proxy", InvalidUrl), "{url}");
    }
}

#[test]
fn an_issuer_whose_metadata_are_looked_up_has_no_query() {
    let built = JwtVerifier::builder("https://idp.example.com/?tenant=a", AUDIENCE).build();
    assert_eq!(fault(built), ("issuer", InvalidUrl));
    let built = JwtVerifier::builder("https://idp.example.com/?tenant=a", AUDIENCE)
        .remote_jwks(RemoteJwks::discovered())
        .build();
    assert_eq!(fault(built), ("issuer", InvalidUrl));
}

#[test]
fn a_required_scope_is_a_scope() {
    for scope in
        ["", " ", "a b", "a ", "\"a\"", "a\\b", "a\tb", "a\nb", "a\0", "\u{e4}", "\u{202e}", "a\u{7f}"]
    {
        let built = layer().required_scopes(["read", scope]).build();
        assert_eq!(fault(built), ("required_scopes", InvalidText), "{scope:?}");
    }
    let long = "s".repeat(100_000);
    assert_eq!(fault(layer().required_scopes([long]).build()), ("required_scopes", OutOfRange));
    assert!(layer().required_scopes(["read", "mcp:use", "https://a.example/b"]).build().is_ok());
    assert!(layer().required_scopes(Vec::<String>::new()).build().is_ok());
    let resource = format!("https://a.example/{}", "p".repeat(100_000));
    assert!(layer().resource(resource).build().is_err());
}

#[test]
fn a_required_claim_has_a_name() {
    assert_eq!(fault(verifier().required_claims(["sub", ""]).build()), ("required_claims", Empty));
    assert!(verifier().required_claims(["sub", "email"]).build().is_ok());
}

#[test]
fn a_demand_that_nothing_could_meet_is_refused() {
    let nothing: [&str; 0] = [];
    for (built, expected) in [
        (verifier().add_required_one_of(nothing), ("add_required_one_of", Empty)),
        (verifier().add_required_one_of(["a", " "]), ("add_required_one_of", Empty)),
        (verifier().add_required_one_of(["a\nb"]), ("add_required_one_of", InvalidText)),
        (verifier().add_required_values("tid", nothing), ("add_required_values", Empty)),
        (verifier().add_required_values("", ["a"]), ("add_required_values", Empty)),
        (verifier().add_required_values("a b", ["a"]), ("add_required_values", InvalidText)),
        (verifier().add_refused_values("drn", nothing), ("add_refused_values", Empty)),
        (verifier().add_refused_values(" ", ["a"]), ("add_refused_values", Empty)),
        (verifier().add_scopes_at("roles"), ("add_scopes_at", InvalidText)),
        (verifier().add_scopes_at(""), ("add_scopes_at", InvalidText)),
        (verifier().add_scopes_at("/a~2"), ("add_scopes_at", InvalidText)),
        (
            (0..17).fold(verifier(), |verifier, at| verifier.add_scopes_at(format!("/{at}"))),
            ("add_scopes_at", OutOfRange),
        ),
        (verifier().add_client_claim(""), ("add_client_claim", Empty)),
        (verifier().add_client_claim("a b"), ("add_client_claim", InvalidText)),
        (verifier().add_issuer_alias(""), ("add_issuer_alias", Empty)),
        (verifier().add_issuer_alias("*"), ("add_issuer_alias", Empty)),
        (verifier().add_issuer_alias("a\tb"), ("add_issuer_alias", InvalidText)),
        (
            verifier()
                .public_key_pem(fixture!("rsa_public"))
                .insecure_allow_any_issuer()
                .add_issuer_alias("a"),
            ("add_issuer_alias", Conflict),
        ),
    ] {
        assert_eq!(fault(built.build()), expected);
    }
    let all =
        verifier().add_required_one_of(["azp"]).add_required_values("tid", ["a"]).add_scopes_at("/roles");
    assert!(all.add_client_claim("cid").add_issuer_alias("idp").client_as_audience().build().is_ok());
    let as_many_as_can_be = (0..16).fold(verifier(), |verifier, at| verifier.add_scopes_at(format!("/{at}")));
    assert!(as_many_as_can_be.build().is_ok());
}

#[test]
fn what_a_client_sends_and_trusts_is_readable() {
    for agent in ["", "a\r\nb", "a\0", "a\u{7f}"] {
        assert_eq!(fault(client().user_agent(agent).build()), ("user_agent", InvalidText), "{agent:?}");
    }
    let broken = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
    for pem in ["", CANARY, fixture!("rsa_public"), fixture!("rsa_private"), broken] {
        let built = client().add_root_certificates(pem).build();
        assert_eq!(fault_hiding(CANARY, built), ("add_root_certificates", InvalidKey), "{pem}");
    }
    assert!(client().add_root_certificates(fixture!("certificate")).build().is_ok());
    let bundle = fixture!("certificate").repeat(2);
    assert!(client().add_root_certificates(bundle).user_agent("my-api/1").build().is_ok());
}

#[test]
fn a_certificate_that_is_none_is_named_as_the_fault() {
    let garbage =
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(CANARY));
    for pem in [garbage.clone(), [fixture!("certificate"), &garbage].concat()] {
        let built = client().add_root_certificates(pem).build();
        assert_eq!(fault_hiding(CANARY, built), ("add_root_certificates", InvalidKey));
    }
}

#[test]
fn nothing_shows_a_secret() {
    let secret = CANARY.repeat(6);
    let encoded = URL_SAFE_NO_PAD.encode(&secret);
    let oct = json!({ "kty": "oct", "k": encoded }).to_string();
    let hs = [Algorithm::Hs256];
    let mut shown = Vec::new();
    for builder in [
        verifier().hmac_secret(secret.clone()),
        verifier().jwk(oct.clone()).algorithms(hs),
        verifier().jwk_set(format!(r#"{{"keys":[{oct}]}}"#)).algorithms(hs),
        verifier().public_key_pem(fixture!("rsa_public")),
        verifier().jwks_uri(format!("https://idp.example.com/keys?code={CANARY}")),
    ] {
        shown.push(format!("{builder:?} {builder:#?}"));
        let verifier = builder.build().unwrap();
        shown.push(format!("{verifier:?} {verifier:#?}"));
        let builder = AuthLayer::builder(verifier);
        shown.push(format!("{builder:?}"));
        let layer = builder.build().unwrap();
        shown.push(format!("{layer:?} {layer:#?}"));
        shown.push(format!("{:?}", ServiceBuilder::new().layer(layer).service(())));
    }
    for builder in [
        verifier().public_key_pem(secret.clone()),
        verifier().jwk(oct.clone()),
        verifier().jwk_set(oct),
        verifier().hmac_secret(secret.clone()).algorithms([Algorithm::Rs256]),
        verifier().jwks_uri(format!("http://idp.example.com/{secret}")),
    ] {
        shown.push(format!("{builder:?}"));
        shown.push(text(&builder.build().unwrap_err()));
    }
    let builder = client().proxy(format!("http://user:{CANARY}@127.0.0.1:9")).user_agent(CANARY);
    shown.push(format!("{builder:?}"));
    shown.push(text(&client().proxy(format!("ftp://u:{CANARY}@127.0.0.1:9")).build().unwrap_err()));
    for text in shown {
        assert!(!text.contains("S3cr3t") && !text.contains(&encoded[..8]), "{text}");
    }
}

fn any_duration() -> impl Strategy<Value = Duration> {
    (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(secs, nanos)| Duration::new(secs, nanos))
}

/// Anything, and what is nearly right.
fn any_text() -> impl Strategy<Value = String> {
    let kty = prop_oneof![Just("RSA"), Just("EC"), Just("OKP"), Just("oct"), Just("")];
    let crv = prop_oneof![Just("P-256"), Just("P-384"), Just("Ed25519"), Just("P-521"), Just("")];
    let bytes = || prop::collection::vec(any::<u8>(), 0..600).prop_map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
    let jwk = (kty, crv, bytes(), bytes()).prop_map(|(kty, crv, a, b)| {
        json!({ "kty": kty, "crv": crv, "n": a, "e": b, "x": a, "y": b, "k": a }).to_string()
    });
    let pem = prop::collection::vec(any::<u8>(), 0..400).prop_map(|bytes| {
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(bytes))
    });
    prop_oneof![any::<String>(), "\\PC{0,40}", "https?://[a-z0-9.:@\\[\\]%-]{0,20}(/\\PC{0,10})?", jwk, pem,]
}

proptest! {
    #[test]
    fn no_verifier_setting_makes_build_panic(
        texts in prop::array::uniform6(any_text()),
        durations in prop::array::uniform6(any_duration()),
        secret in prop::collection::vec(any::<u8>(), 0..80),
        algorithms in prop::collection::vec(prop::sample::select(&[
            Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa, Algorithm::Hs256, Algorithm::Hs512,
        ][..]), 0..4),
        choices in any::<u16>(),
    ) {
        let [issuer, audience, another, claim, key, uri] = texts;
        let [leeway, token_age, cooldown, max_age, max_stale, timeout] = durations;
        let chosen = |bit: u16| choices & (1 << bit) != 0;
        let mut builder = JwtVerifier::builder(issuer, audience);
        let source = choices % 7;
        let keys = if chosen(3) { RemoteJwks::at(uri.clone()) } else { RemoteJwks::discovered() };
        builder = match source {
            0 => builder.jwks_uri(uri),
            1 => builder.remote_jwks(
                keys.cooldown(cooldown).max_age(max_age).max_stale(max_stale).timeout(timeout),
            ),
            2 => builder.jwk(key),
            3 => builder.jwk_set(format!("{{\"keys\":[{key}]}}")),
            4 => builder.public_key_pem(key),
            5 => builder.hmac_secret(secret),
            _ => builder,
        };
        if chosen(4) { builder = builder.algorithms(algorithms); }
        if chosen(5) { builder = builder.leeway(leeway); }
        if chosen(6) { builder = builder.max_token_age(token_age); }
        if chosen(7) { builder = builder.required_claims([claim]); }
        if chosen(8) { builder = builder.add_audience(another); }
        if chosen(9) { builder = builder.insecure_allow_any_audience(); }
        if chosen(10) { builder = builder.insecure_allow_any_issuer(); }
        if chosen(11) { builder = builder.rfc9068(); }
        if let Err(error) = builder.build() {
            prop_assert!(error.to_string().contains(error.setting()));
        }
    }

    #[test]
    fn no_layer_or_client_setting_makes_build_panic(
        texts in prop::array::uniform4(any_text()),
        durations in prop::array::uniform3(any_duration()),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        max_body in any::<usize>(),
    ) {
        let [scope, resource, agent, proxy] = texts;
        let [timeout, connect, whole] = durations;
        let _ = layer().required_scopes([scope]).build();
        let _ = layer().resource(resource).timeout(timeout).build();
        let _ = client().user_agent(agent).build();
        let _ = client().proxy(proxy).max_body(max_body).build();
        let _ = client().timeout(whole).connect_timeout(connect).build();
        let _ = client().add_root_certificates(bytes).build();
    }
}

#[test]
fn a_public_key_has_the_parameters_of_its_algorithm_and_no_headers() {
    let der = |pem: &str| {
        let body: String = pem.lines().filter(|line| !line.contains("-----")).collect();
        STANDARD.decode(body).unwrap()
    };
    let built = |head: &str, der: &[u8]| {
        let body = STANDARD.encode(der);
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{head}{body}\n-----END PUBLIC KEY-----\n");
        verifier().public_key_pem(pem).build().map(drop)
    };
    let ed25519 = der(fixture!("ed25519_public"));
    let rsa = der(fixture!("rsa_public"));
    assert!(built("", &ed25519).is_ok() && built("", &rsa).is_ok());
    let encrypted = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n";
    assert_eq!(fault(built(encrypted, &ed25519)), ("public_key_pem", InvalidKey));
    // RFC 8410 §3: none, not even NULL.
    let with_null = [b"\x30\x2c\x30\x07\x06\x03\x2b\x65\x70\x05\x00", &ed25519[9..]].concat();
    assert_eq!(fault(built("", &with_null)), ("public_key_pem", InvalidKey));
    // RFC 3279 §2.3.1: NULL, and not an empty SEQUENCE.
    let null = rsa.windows(2).position(|pair| pair == [5, 0]).unwrap();
    let mut with_sequence = rsa;
    with_sequence[null] = 0x30;
    assert_eq!(fault(built("", &with_sequence)), ("public_key_pem", InvalidKey));
    // A point of P-256 under the name of P-384.
    let p256 = der(fixture!("p256_public"));
    let p384 = der(fixture!("p384_public"));
    let misnamed = [&[0x30, 86][..], &p384[3..21], &p256[23..]].concat();
    assert_eq!(fault(built("", &misnamed)), ("public_key_pem", InvalidKey));
}

#[test]
fn no_damaged_key_makes_build_panic() {
    for pem in [
        fixture!("rsa_public"),
        fixture!("rsa_public_pkcs1"),
        fixture!("p256_public"),
        fixture!("p384_public"),
        fixture!("ed25519_public"),
    ] {
        let label = if pem.contains("RSA") { "RSA PUBLIC KEY" } else { "PUBLIC KEY" };
        let body: String = pem.lines().filter(|line| !line.contains("-----")).collect();
        let der = STANDARD.decode(body).unwrap();
        let pem = |der: &[u8]| {
            format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
        };
        for at in 0..der.len() {
            for damage in [0x01, 0x80, 0xFF] {
                let mut damaged = der.clone();
                damaged[at] ^= damage;
                let _ = verifier().public_key_pem(pem(&damaged)).build();
            }
            let cut = verifier().public_key_pem(pem(&der[..at])).build();
            assert!(cut.is_err(), "{label} of {} bytes, cut after {at}", der.len());
        }
    }
}
