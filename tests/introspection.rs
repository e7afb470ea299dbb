//! Tokens that an issuer is asked about: what it is sent, and what is made of its answers.

#![cfg(all(
    feature = "introspection",
    feature = "testing",
    any(feature = "aws-lc-rs", feature = "rust-crypto")
))]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and reads well"
)]

mod common;
#[path = "common/keys.rs"]
mod script;

use std::collections::HashSet;
use std::error::Error;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Method, Request, Response};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tower_bearer::access_token::Principal;
use tower_bearer::client::{AnswerFuture, HttpClient, Limits};
use tower_bearer::error::{BuildErrorKind, VerifyErrorKind as Kind};
use tower_bearer::jwks::RemoteJwks;
use tower_bearer::testing::TestClock;
use tower_bearer::verifier::{AnyOf, IntrospectionVerifierBuilder, Verdict};
use tower_bearer::{
    Algorithm, BearerToken, CacheLayer, IntrospectionVerifier, JwtVerifier, TokenVerifier, VerifyError,
};
use tracing::Level;

use self::common::{Logs, block_on};
use self::script::{AUDIENCE, App, Asked, Reply, Script, World, settle};

const ISSUER: &str = "https://idp.example.com";
const ENDPOINT: &str = "https://idp.example.com/introspect";
const METADATA: &str = "https://idp.example.com/.well-known/openid-configuration";
const CLIENT: &str = "my-api";
/// Full of what has to be encoded.
const SECRET: &str = "p@ss:w%rd +ü";
const TOKEN: &str = "Mf3KzBbQ7w-an_opaque_token.0123456789~ABCDEFGH";
/// What the clocks of these tests show at first.
const START: u64 = 1_767_225_600;
/// The keys of the test issuer, as a client has them.
const P256: &str = include_str!("../src/testing/keys/p256_a.pem");
const P384: &str = include_str!("../src/testing/keys/p384_a.pem");
const ED25519: &str = include_str!("../src/testing/keys/ed25519_a.pem");
const RSA: &str = include_str!("../src/testing/keys/rsa_a.pem");

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn bearer(token: &str) -> BearerToken {
    BearerToken::new(token).unwrap()
}

/// An answer that says yes, with some members set, and without those that are set to `null`.
fn active(changes: Value) -> Value {
    let mut answer = json!({
        "active": true,
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "alice",
        "client_id": "her-app",
        "scope": "read write",
        "exp": START + 300,
    });
    let members = answer.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    answer
}

/// A provider whose answers come from a script, and the clock of those who ask it.
struct Provider {
    script: Script,
    clock: TestClock,
}

impl Provider {
    /// Every token is good.
    fn new() -> Self {
        let provider = Self { script: Script::new(), clock: TestClock::new() };
        provider.says(active(json!({})));
        provider
    }

    fn replies(&self, reply: Reply) {
        self.script.set(ENDPOINT, reply);
    }

    fn says(&self, answer: Value) {
        self.replies(Reply::document(answer.to_string()));
    }

    /// Puts metadata that name an endpoint into the script.
    fn publishes(&self, endpoint: &str) {
        let metadata = json!({ "issuer": ISSUER, "introspection_endpoint": endpoint });
        self.script.set(METADATA, Reply::document(metadata.to_string()));
    }

    /// Without credentials and without an address.
    fn plain(&self) -> IntrospectionVerifierBuilder {
        IntrospectionVerifier::builder(ISSUER, AUDIENCE)
            .http_client(self.script.clone())
            .clock(self.clock.clone())
    }

    fn builder(&self) -> IntrospectionVerifierBuilder {
        self.plain().endpoint(ENDPOINT).client_secret_basic(CLIENT, SECRET)
    }

    fn verifier(&self) -> IntrospectionVerifier {
        self.builder().build().unwrap()
    }

    fn app(&self) -> App {
        self.app_of(self.verifier())
    }

    fn app_of(&self, verifier: impl TokenVerifier + 'static) -> App {
        App::new(verifier, self.clock.clone())
    }

    /// A cache without chance in it.
    fn cache(&self, time_to_live: Duration) -> CacheLayer {
        let builder = CacheLayer::builder().time_to_live(time_to_live).refresh_ahead(0).jitter(0);
        builder.clock(self.clock.clone()).build().unwrap()
    }

    /// What becomes of an answer.
    fn judges(&self, builder: IntrospectionVerifierBuilder, body: impl Into<Bytes>) -> Verdict {
        self.replies(Reply::document(body));
        block_on(builder.build().unwrap().verify(&bearer(TOKEN)))
    }

    /// What becomes of an answer without any special settings.
    fn verdict(&self, answer: &Value) -> Verdict {
        self.judges(self.builder(), answer.to_string())
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(secs(seconds));
    }
}

/// What a verdict says of the token.
fn kind(verdict: &Verdict) -> Result<(), Kind> {
    verdict.as_ref().map(drop).map_err(VerifyError::kind)
}

/// The fields of the form that was sent.
fn form(asked: &Asked) -> Vec<(String, String)> {
    form_urlencoded::parse(&asked.body).into_owned().collect()
}

/// The value of a field that is there once.
fn field(asked: &Asked, name: &str) -> String {
    let mut values = form(asked).into_iter().filter(|(own, _)| own == name);
    let value = values.next().unwrap_or_else(|| panic!("no {name}")).1;
    assert!(values.next().is_none(), "{name} twice");
    value
}

/// Everything that can be printed of an error and its causes.
fn everything_of(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        text.push_str(&format!("{error} {error:?} {error:#?} "));
        next = error.source();
    }
    text
}

// What is asked.

#[test]
fn a_token_is_posted_as_a_form_with_the_credentials_of_this_server() {
    let provider = Provider::new();
    block_on(provider.verifier().verify(&bearer(TOKEN))).unwrap();
    let asked = provider.script.asked().remove(0);
    assert_eq!((asked.method.clone(), &*asked.url), (Method::POST, ENDPOINT));
    assert_eq!(asked.headers[CONTENT_TYPE], "application/x-www-form-urlencoded");
    assert_eq!(asked.headers[ACCEPT], "application/json");
    assert_eq!(asked.headers.len(), 3, "{:?}", asked.headers);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(form(&asked), [pair("token", TOKEN), pair("token_type_hint", "access_token")]);
    let credentials = asked.headers[AUTHORIZATION].to_str().unwrap().strip_prefix("Basic ").unwrap();
    // RFC 6749 §2.3.1 and appendix B.
    assert_eq!(STANDARD.decode(credentials).unwrap(), b"my-api:p%40ss%3Aw%25rd+%2B%C3%BC");
    assert!(asked.headers[AUTHORIZATION].is_sensitive());
    assert_eq!((asked.limits.timeout, asked.limits.max_body), (secs(5), 64 * 1024));
}

#[test]
fn credentials_stand_where_they_were_configured_to_stand_and_nowhere_else() {
    let provider = Provider::new();
    let ask = |builder: IntrospectionVerifierBuilder| {
        block_on(builder.build().unwrap().verify(&bearer(TOKEN))).unwrap();
        provider.script.asked().pop().unwrap()
    };
    let posted = ask(provider.plain().endpoint(ENDPOINT).client_secret_post(CLIENT, SECRET));
    assert!(!posted.headers.contains_key(AUTHORIZATION));
    assert_eq!(
        (field(&posted, "client_id"), field(&posted, "client_secret")),
        (CLIENT.into(), SECRET.into())
    );
    assert_eq!(form(&posted).len(), 4);
    let borne = ask(provider.plain().endpoint(ENDPOINT).bearer_token("S3cr3t-canary"));
    assert_eq!(borne.headers[AUTHORIZATION], "Bearer S3cr3t-canary");
    assert!(borne.headers[AUTHORIZATION].is_sensitive());
    assert_eq!(form(&borne).len(), 2);
}

#[cfg(feature = "reqwest")]
#[tokio::test]
async fn a_server_understands_who_asks() {
    use tower_bearer::testing::TestIntrospection;

    let server = TestIntrospection::start().await.unwrap();
    let token = server.token(json!({ "aud": AUDIENCE }));
    let builder = || IntrospectionVerifier::builder(server.issuer(), AUDIENCE);
    for (id, secret) in
        [("my app", SECRET), ("a:b", "a:b"), ("%41", "%41&=+"), ("ü@ß", "\"'\\"), ("id", "a space")]
    {
        server.set_client(id, secret);
        for builder in [builder().client_secret_basic(id, secret), builder().client_secret_post(id, secret)] {
            let verdict = builder.build().unwrap().verify(&bearer(&token)).await;
            assert_eq!(verdict.unwrap().subject(), Some("alice"), "{id} {secret}");
        }
        let wrong = builder().client_secret_basic(id, "wrong").build().unwrap();
        let error = wrong.verify(&bearer(&token)).await.unwrap_err();
        assert!(error.is_misconfigured() && error.kind() == Kind::Unavailable);
    }
    server.set_bearer("S3cr3t-canary");
    let verifier = builder().bearer_token("S3cr3t-canary").build().unwrap();
    assert!(verifier.verify(&bearer(&token)).await.is_ok());
}

#[test]
fn an_assertion_is_signed_for_the_issuer_and_good_for_a_minute() {
    let provider = Provider::new();
    let set = format!("{{\"keys\":{}}}", include_str!("../src/testing/keys/public_a.json"));
    for (algorithm, pem) in [
        (Algorithm::Es256, P256),
        (Algorithm::Es384, P384),
        (Algorithm::EdDsa, ED25519),
        (Algorithm::Ps256, RSA),
        (Algorithm::Rs256, RSA),
        (Algorithm::Rs512, RSA),
    ] {
        for audience in [None, Some("https://idp.example.com/token")] {
            let builder = provider.plain().endpoint(ENDPOINT).private_key_jwt(CLIENT, algorithm, pem);
            let builder = audience.into_iter().fold(builder, |builder, one| builder.assertion_audience(one));
            block_on(builder.build().unwrap().verify(&bearer(TOKEN))).unwrap();
            let asked = provider.script.asked().pop().unwrap();
            assert!(!asked.headers.contains_key(AUTHORIZATION));
            assert_eq!(form(&asked).len(), 5);
            assert_eq!(field(&asked, "client_id"), CLIENT);
            let assertion_type = field(&asked, "client_assertion_type");
            assert_eq!(assertion_type, "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
            let assertion = field(&asked, "client_assertion");
            let verifier = JwtVerifier::builder(CLIENT, audience.unwrap_or(ISSUER)).jwk_set(&*set);
            let verifier = verifier.algorithms([algorithm]).clock(provider.clock.clone()).build().unwrap();
            let said = block_on(verifier.verify(&bearer(&assertion))).unwrap();
            assert_eq!((said.subject(), said.issuer()), (Some(CLIENT), Some(CLIENT)));
            let at = |seconds| Some(SystemTime::UNIX_EPOCH + secs(seconds));
            assert_eq!((said.issued_at(), said.expires_at()), (at(START), at(START + 60)));
            assert_eq!(said.token_id().map(str::len), Some(32));
            assert_eq!(said.claims().len(), 6);
        }
    }
}

#[test]
fn no_two_assertions_have_the_same_id() {
    let provider = Provider::new();
    let builder = provider.plain().endpoint(ENDPOINT).private_key_jwt(CLIENT, Algorithm::Es256, P256);
    // Clones share what they count by; verifiers that were built apart, and the builder that was cloned, do not.
    let first = builder.clone().build().unwrap();
    let verifiers = [first.clone(), first, builder.build().unwrap()];
    for _ in 0..50 {
        for verifier in &verifiers {
            block_on(verifier.verify(&bearer(TOKEN))).unwrap();
        }
    }
    let ids: HashSet<String> = provider.script.asked().iter().map(assertion_id).collect();
    assert_eq!(ids.len(), 150);
}

/// The `jti` of the assertion that was sent.
fn assertion_id(asked: &Asked) -> String {
    let assertion = field(asked, "client_assertion");
    let claims = URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    claims["jti"].as_str().unwrap().to_owned()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_provider_reads_the_token_that_was_presented(token in "[A-Za-z0-9._~+/-]{1,200}={0,4}") {
        let provider = Provider::new();
        prop_assert!(block_on(provider.verifier().verify(&bearer(&token))).is_ok());
        prop_assert_eq!(field(&provider.script.asked()[0], "token"), token);
    }

    #[test]
    fn no_answer_makes_it_panic(members in prop::collection::vec((select(MEMBERS.to_vec()), anything()), 0..8)) {
        let provider = Provider::new();
        let mut answer = active(json!({}));
        answer.as_object_mut().unwrap().extend(members.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let verdict = provider.verdict(&answer);
        let says_so = answer["active"] == json!(true) && answer["iss"] == json!(ISSUER);
        prop_assert!(says_so || verdict.is_err(), "{answer}");
    }
}

const MEMBERS: [&str; 16] = [
    "active",
    "aud",
    "azp",
    "client_id",
    "cnf",
    "exp",
    "iat",
    "iss",
    "jti",
    "nbf",
    "scope",
    "scp",
    "sub",
    "token_type",
    "token_use",
    "username",
];

/// Any value, small ones above all.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!(AUDIENCE)),
        Just(json!(START)),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

#[test]
fn a_token_that_looks_like_a_jwt_is_asked_about_and_not_believed() {
    let provider = Provider::new();
    let claims = |subject: &str| json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "scope": "admin", "exp": START + 9_000 });
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let token = format!("{}.{}.c2ln", encode(json!({ "alg": "RS256" })), encode(claims("mallory")));
    let verifier = provider.verifier();
    let said = block_on(verifier.verify(&bearer(&token))).unwrap();
    assert_eq!((said.subject(), said.scopes().as_str()), (Some("alice"), "read write"));
    assert_eq!(said.expires_at(), Some(SystemTime::UNIX_EPOCH + secs(START + 300)));
    assert_eq!(field(&provider.script.asked()[0], "token"), token);
    provider.says(json!({ "active": false }));
    assert_eq!(kind(&block_on(verifier.verify(&bearer(&token)))), Err(Kind::Inactive));
}

#[test]
fn opaque_tokens_only_means_that_no_jwt_is_sent() {
    let provider = Provider::new();
    let verifier = provider.builder().opaque_tokens_only().build().unwrap();
    // Signed, signed by nobody, encrypted, and with white space before or in the header.
    for jwt in [
        "eyJhbGciOiJSUzI1NiJ9.e30.c2ln",
        "eyJ9.eyJ9.",
        "eyJhbGciOiJub25lIn0.e30.",
        "eyJ9.e30.c2ln.a.b",
        "ewp9.e30.c2ln",
        "ew0KfQ.e30.c2ln",
        "IHt9.e30.c2ln",
    ] {
        assert!(!verifier.recognises(&bearer(jwt)), "{jwt}");
        assert_eq!(kind(&block_on(verifier.verify(&bearer(jwt)))), Err(Kind::NotMine), "{jwt}");
    }
    assert_eq!(provider.script.count(), 0);
    let app = provider.app_of(verifier.clone());
    assert_eq!(app.status_at_once("eyJhbGciOiJSUzI1NiJ9.e30.c2ln"), Some(401));
    assert_eq!(provider.script.count(), 0);
    for opaque in [TOKEN, "a.b.c", "ey", "eyJhbGciOiJSUzI1NiJ9.e30", "eyJ9.e30.c2ln.a.b.c", "xeyJ9.e30.c2ln"]
    {
        assert!(verifier.recognises(&bearer(opaque)), "{opaque}");
        assert!(block_on(verifier.verify(&bearer(opaque))).is_ok(), "{opaque}");
    }
    assert!(provider.verifier().recognises(&bearer("eyJhbGciOiJSUzI1NiJ9.e30.c2ln")));
}

// What is made of an answer.

#[test]
fn what_the_provider_says_becomes_the_token() {
    let provider = Provider::new();
    let said = provider
        .verdict(&active(json!({
            "aud": ["https://other.example.com", AUDIENCE],
            "iat": START - 10,
            "nbf": START - 5,
            "jti": "id-7",
            "username": "Alice",
            "token_type": "Bearer",
            "team": { "name": "x", "size": 3 },
        })))
        .unwrap();
    let at = |seconds| Some(SystemTime::UNIX_EPOCH + secs(seconds));
    assert_eq!(
        (said.subject(), said.client(), said.issuer()),
        (Some("alice"), Some("her-app"), Some(ISSUER))
    );
    assert_eq!(said.audiences().collect::<Vec<_>>(), ["https://other.example.com", AUDIENCE]);
    assert_eq!((said.scopes().as_str(), said.token_id()), ("read write", Some("id-7")));
    assert_eq!((said.issued_at(), said.not_before()), (at(START - 10), at(START - 5)));
    assert_eq!(said.expires_at(), at(START + 300));
    assert_eq!(said.principal(), Some(Principal::Subject { issuer: Some(ISSUER), subject: "alice" }));
    assert_eq!(said.claim::<Value>("team"), Some(json!({ "name": "x", "size": 3 })));
    assert_eq!(said.claim::<String>("username").as_deref(), Some("Alice"));
    assert!(!said.claims().contains_key("active"));
    assert_eq!(provider.verifier().issuers(), [Arc::from(ISSUER)]);
}

#[test]
fn only_json_true_is_active_and_only_json_false_is_not() {
    let provider = Provider::new();
    let rest = active(json!({ "active": null })).to_string();
    let rest = rest.trim_start_matches('{');
    let no_answer = Err(Kind::Unavailable);
    for (body, expected) in [
        (format!(r#"{{"active":true,{rest}"#), Ok(())),
        (format!(r#" {{ "act\u0069ve" : true , {rest} "#), Ok(())),
        (r#"{"active":false}"#.to_owned(), Err(Kind::Inactive)),
        // What is not active says nothing else.
        (format!(r#"{{"active":false,{rest}"#), Err(Kind::Inactive)),
        (r#"{"active":false,"exp":"soon","sub":7}"#.to_owned(), Err(Kind::Inactive)),
        (format!("{{{rest}"), no_answer),
        ("{}".to_owned(), no_answer),
        (format!(r#"{{"active":null,{rest}"#), no_answer),
        (format!(r#"{{"active":"true",{rest}"#), no_answer),
        (format!(r#"{{"active":"false",{rest}"#), no_answer),
        (format!(r#"{{"active":1,{rest}"#), no_answer),
        (format!(r#"{{"active":0,{rest}"#), no_answer),
        (format!(r#"{{"active":[true],{rest}"#), no_answer),
        (format!(r#"{{"active":{{}},{rest}"#), no_answer),
        (format!(r#"{{"active":True,{rest}"#), no_answer),
        (format!(r#"{{"Active":true,{rest}"#), no_answer),
        (format!(r#"{{"active":false,"active":true,{rest}"#), no_answer),
        (format!(r#"{{"active":true,"active":false,{rest}"#), no_answer),
        (format!(r#"{{"active":true,"active":true,{rest}"#), no_answer),
        (format!(r#"{{"active":true,"\u0061ctive":false,{rest}"#), no_answer),
        (format!(r#"{{"active":true,"sub":"bob",{rest}"#), no_answer),
        (format!(r#"{{"active":true,"x":{{"y":1,"y":2}},{rest}"#), no_answer),
    ] {
        let verdict = provider.judges(provider.builder(), body.clone());
        assert_eq!(kind(&verdict), expected, "{body}");
        assert!(verdict.is_ok() || !verdict.unwrap_err().is_misconfigured(), "{body}");
    }
}

#[test]
fn what_is_no_json_object_is_no_answer() {
    let provider = Provider::new();
    let good = active(json!({})).to_string();
    let deep = |open: &str, close: &str| {
        let nested = format!("{}{}", open.repeat(3_000), close.repeat(3_000));
        good.replacen('{', &format!("{{\"x\":{nested},"), 1)
    };
    for body in [
        String::new(),
        " ".to_owned(),
        "null".to_owned(),
        "true".to_owned(),
        format!("[{good}]"),
        "<!DOCTYPE html><html><body>{\"active\":true}</body></html>".to_owned(),
        good[..good.len() - 1].to_owned(),
        good[..good.len() / 2].to_owned(),
        format!("{good}{good}"),
        format!("{good},"),
        format!("\u{feff}{good}"),
        good.replace('}', ",}"),
        good.replace('"', "'"),
        good.replacen('{', r#"{"x":"\ud800","#, 1),
        good.replacen('{', r#"{"x":NaN,"#, 1),
        good.replacen('{', r#"{"x":1e999,"#, 1),
        format!("/**/{good}"),
        "active=true".to_owned(),
        "eyJ0eXAiOiJ0b2tlbi1pbnRyb3NwZWN0aW9uK2p3dCJ9.eyJhY3RpdmUiOnRydWV9.c2ln".to_owned(),
        deep("[", "]"),
        deep("{\"a\":", "}").replace(":}", ":1}"),
    ] {
        let verdict = provider.judges(provider.builder(), body.clone());
        assert_eq!(kind(&verdict), Err(Kind::Unavailable), "{body}");
    }
    let mut bytes = good.into_bytes();
    let at = bytes.windows(5).position(|part| part == b"alice").unwrap();
    bytes[at] = 0xFF;
    assert_eq!(kind(&provider.judges(provider.builder(), bytes)), Err(Kind::Unavailable));
}

#[test]
fn a_member_of_a_wrong_type_is_no_answer() {
    let provider = Provider::new();
    let values = [
        json!(true),
        json!(7),
        json!(-1),
        json!(1.5),
        json!({}),
        json!({ "a": "b" }),
        json!([]),
        json!([1]),
        json!([null]),
        json!(""),
        json!("x"),
        json!(["x"]),
        json!([["x"]]),
    ];
    let fits = |name: &str, value: &Value| match name {
        "aud" | "scope" | "scp" => {
            value.is_string() || value.as_array().is_some_and(|list| list.iter().all(Value::is_string))
        }
        "exp" | "iat" | "nbf" => value.as_f64().is_some_and(|number| number >= 0.0),
        "username" => value.is_string(),
        _ => value.as_str().is_some_and(|text| !text.is_empty()),
    };
    let names = [
        "aud",
        "client_id",
        "exp",
        "iat",
        "iss",
        "jti",
        "nbf",
        "scope",
        "scp",
        "sub",
        "token_type",
        "username",
    ];
    for name in names {
        for value in &values {
            let verdict = provider.verdict(&active(json!({ name: value })));
            let is_no_answer = kind(&verdict) == Err(Kind::Unavailable);
            assert_eq!(is_no_answer, !fits(name, value), "{name}: {value}");
        }
    }
    // A date is from 1970 to the end of 9999.
    for date in [
        json!(-1),
        json!(1e300),
        json!(253_402_300_800_u64),
        json!("1767225900"),
        json!("2026-01-01T00:05:00Z"),
    ] {
        for name in ["exp", "iat", "nbf"] {
            let verdict = provider.verdict(&active(json!({ name: date })));
            assert_eq!(kind(&verdict), Err(Kind::Unavailable), "{name}: {date}");
        }
    }
}

#[test]
fn a_member_that_is_null_is_missing() {
    let provider = Provider::new();
    let nulls = r#"{"client_id":null,"iat":null,"jti":null,"nbf":null,"scp":null,"token_type":null,"username":null,"cnf":null,"token_use":null,"team":null,"#;
    let body = active(json!({ "client_id": null })).to_string().replacen('{', nulls, 1);
    let said = provider.judges(provider.builder(), body).unwrap();
    assert_eq!((said.subject(), said.client(), said.token_id()), (Some("alice"), None, None));
    assert!(said.claims().values().all(|value| !value.is_null()));
    // Missing is what these must not be.
    for (name, expected) in [("iss", Kind::Issuer), ("aud", Kind::Audience), ("exp", Kind::Claim)] {
        let body = active(json!({ name: null })).to_string().replacen('{', &format!("{{\"{name}\":null,"), 1);
        assert_eq!(kind(&provider.judges(provider.builder(), body)), Err(expected), "{name}");
    }
}

#[test]
fn scopes_are_read_in_every_form_that_providers_use() {
    let provider = Provider::new();
    for (members, expected) in [
        (json!({ "scope": "read write" }), "read write"),
        (json!({ "scope": " read   write " }), "read write"),
        (json!({ "scope": ["read", "write"] }), "read write"),
        (json!({ "scope": "" }), ""),
        (json!({ "scope": [] }), ""),
        (json!({ "scope": null }), ""),
        (json!({ "scope": null, "scp": "read" }), "read"),
        (json!({ "scope": null, "scp": ["read", "write"] }), "read write"),
        (json!({ "scope": "read", "scp": ["admin"] }), "read"),
        // A scope has no space in it.
        (json!({ "scope": ["read write"] }), ""),
    ] {
        let said = provider.verdict(&active(members.clone())).unwrap();
        let mut scopes: Vec<_> = said.scopes().iter().collect();
        scopes.sort_unstable();
        assert_eq!(scopes.join(" "), expected, "{members}");
    }
    for members in [
        json!({ "scope": 1 }),
        json!({ "scope": { "read": true } }),
        json!({ "scope": ["read", 1] }),
        json!({ "scope": true }),
        json!({ "scope": "read", "scp": 1 }),
    ] {
        assert_eq!(kind(&provider.verdict(&active(members.clone()))), Err(Kind::Unavailable), "{members}");
    }
}

#[test]
fn dates_count_with_a_leeway_of_a_minute() {
    let provider = Provider::new();
    for (members, expected) in [
        (json!({ "exp": START - 59 }), Ok(())),
        (json!({ "exp": START - 60 }), Err(Kind::Expired)),
        (json!({ "exp": START as f64 - 59.5 }), Ok(())),
        (json!({ "exp": 0 }), Err(Kind::Expired)),
        (json!({ "exp": 253_402_300_799_u64 }), Ok(())),
        (json!({ "exp": null }), Err(Kind::Claim)),
        (json!({ "nbf": START + 60 }), Ok(())),
        (json!({ "nbf": START + 61 }), Err(Kind::NotYetValid)),
        (json!({ "iat": START + 60 }), Ok(())),
        (json!({ "iat": START + 61 }), Err(Kind::NotYetValid)),
        (json!({ "nbf": START + 50, "exp": START + 50 }), Err(Kind::Claim)),
        (json!({ "iat": 0 }), Ok(())),
    ] {
        assert_eq!(kind(&provider.verdict(&active(members.clone()))), expected, "{members}");
    }
    for (leeway, exp, expected) in
        [(0, START, Err(Kind::Expired)), (0, START + 1, Ok(())), (300, START - 299, Ok(()))]
    {
        let builder = provider.builder().leeway(secs(leeway));
        let verdict = provider.judges(builder, active(json!({ "exp": exp })).to_string());
        assert_eq!(kind(&verdict), expected, "{leeway} {exp}");
    }
}

#[test]
fn an_expiry_may_be_missing_only_if_that_was_allowed() {
    let provider = Provider::new();
    let endless = active(json!({ "exp": null }));
    assert_eq!(kind(&provider.verdict(&endless)), Err(Kind::Claim));
    let builder = || provider.builder().insecure_allow_missing_expiry();
    assert_eq!(provider.judges(builder(), endless.to_string()).unwrap().expires_at(), None);
    // One that is there still counts, and one that cannot be read is no answer.
    let ended = active(json!({ "exp": START - 60 })).to_string();
    assert_eq!(kind(&provider.judges(builder(), ended)), Err(Kind::Expired));
    let odd = active(json!({ "exp": "never" })).to_string();
    assert_eq!(kind(&provider.judges(builder(), odd)), Err(Kind::Unavailable));
}

#[test]
fn the_answer_names_the_issuer_and_one_of_the_audiences() {
    let provider = Provider::new();
    type Change = fn(IntrospectionVerifierBuilder) -> IntrospectionVerifierBuilder;
    let strict: Change = |builder| builder;
    let unnamed: Change = IntrospectionVerifierBuilder::allow_missing_issuer;
    let any_issuer: Change = IntrospectionVerifierBuilder::insecure_allow_any_issuer;
    let any_audience: Change = IntrospectionVerifierBuilder::insecure_allow_any_audience;
    let two: Change = |builder| builder.add_audience("https://second.example.com");
    let (issuer, audience) = (Err(Kind::Issuer), Err(Kind::Audience));
    for (change, members, expected) in [
        (strict, json!({ "iss": null }), issuer),
        (strict, json!({ "iss": "https://idp.example.com/" }), issuer),
        (strict, json!({ "iss": "https://IDP.example.com" }), issuer),
        (strict, json!({ "iss": "https://idp.example.com.evil.example" }), issuer),
        (unnamed, json!({ "iss": null }), Ok(())),
        (unnamed, json!({ "iss": "https://evil.example" }), issuer),
        (any_issuer, json!({ "iss": "https://evil.example" }), Ok(())),
        (any_issuer, json!({ "iss": null }), Ok(())),
        (strict, json!({ "aud": null }), audience),
        (strict, json!({ "aud": [] }), audience),
        (strict, json!({ "aud": "" }), audience),
        (strict, json!({ "aud": "https://api.example.com/" }), audience),
        (strict, json!({ "aud": "https://api.example.com.evil.example" }), audience),
        (strict, json!({ "aud": ["https://evil.example", "her-app"] }), audience),
        (strict, json!({ "aud": format!("{AUDIENCE} https://evil.example") }), audience),
        (strict, json!({ "aud": ["https://evil.example", AUDIENCE] }), Ok(())),
        (strict, json!({ "aud": "https://second.example.com" }), audience),
        (two, json!({ "aud": "https://second.example.com" }), Ok(())),
        (two, json!({}), Ok(())),
        (any_audience, json!({ "aud": null }), Ok(())),
        (any_audience, json!({ "aud": "https://evil.example" }), Ok(())),
        (any_audience, json!({ "aud": 7 }), Err(Kind::Unavailable)),
    ] {
        let verdict = provider.judges(change(provider.builder()), active(members.clone()).to_string());
        assert_eq!(kind(&verdict), expected, "{members}");
    }
    // Who says nothing is the configured issuer, so that principals stay the same.
    let body = active(json!({ "iss": null })).to_string();
    let said = provider.judges(provider.builder().allow_missing_issuer(), body.clone()).unwrap();
    assert_eq!(said.issuer(), Some(ISSUER));
    let said = provider.judges(provider.builder().insecure_allow_any_issuer(), body).unwrap();
    assert_eq!(said.issuer(), None);
}

#[test]
fn a_token_of_another_class_is_rejected() {
    let provider = Provider::new();
    for (name, values) in [
        (
            "token_type",
            json!(["refresh_token", "Refresh", "DPoP", "dpop", "mac", "N_A", "pop", "id_token", "Bearer "]),
        ),
        ("token_type", json!(["urn:ietf:params:oauth:token-type:refresh_token"])),
        ("token_use", json!(["refresh_token", "refresh", "id", "id_token", "7"])),
        ("cnf", json!([{ "jkt": "x" }, { "x5t#S256": "x" }, {}, "x", false])),
        ("typ", json!(["Refresh", "dpop+jwt", "Offline", "id"])),
        ("events", json!([{}])),
        ("at_hash", json!(["x"])),
    ] {
        for value in values.as_array().unwrap() {
            let verdict = provider.verdict(&active(json!({ name: value })));
            assert_eq!(kind(&verdict), Err(Kind::Claim), "{name}: {value}");
        }
    }
    for (name, values) in [
        (
            "token_type",
            json!([
                "Bearer",
                "bearer",
                "BEARER",
                "access_token",
                "urn:ietf:params:oauth:token-type:access_token"
            ]),
        ),
        ("token_use", json!(["access", "access_token"])),
        ("typ", json!(["Bearer", "JWT", "at+jwt"])),
    ] {
        for value in values.as_array().unwrap() {
            assert_eq!(kind(&provider.verdict(&active(json!({ name: value })))), Ok(()), "{name}: {value}");
        }
    }
}

#[test]
fn nobody_becomes_the_owner_of_a_token_by_chance() {
    let provider = Provider::new();
    let subject = |subject| Some(Principal::Subject { issuer: Some(ISSUER), subject });
    let client = Some(Principal::Client { issuer: Some(ISSUER), client: "her-app" });
    for (named, members, expected) in [
        (false, json!({}), subject("alice")),
        (false, json!({ "username": "Alice" }), subject("alice")),
        (false, json!({ "sub": null }), client),
        (false, json!({ "sub": null, "client_id": null }), None),
        (false, json!({ "sub": null, "client_id": null, "username": "Alice" }), None),
        (false, json!({ "sub": null, "username": "Alice" }), None),
        (true, json!({ "sub": null, "username": "Alice" }), subject("Alice")),
        (true, json!({ "username": "Alice" }), subject("alice")),
        (true, json!({ "sub": null }), client),
        (true, json!({ "sub": null, "client_id": null, "username": "" }), None),
    ] {
        let builder = provider.builder();
        let builder = if named { builder.username_as_subject() } else { builder };
        let said = provider.judges(builder, active(members.clone()).to_string()).unwrap();
        assert_eq!(said.principal(), expected, "{named} {members}");
        let name = expected.and_then(|one| match one {
            Principal::Subject { subject, .. } => Some(subject),
            _ => None,
        });
        assert_eq!(said.subject(), name, "{named} {members}");
    }
}

#[test]
fn an_answer_that_repeats_the_token_does_not_bring_it_into_the_claims() {
    let provider = Provider::new();
    let said = provider
        .verdict(&active(json!({
            "jti": TOKEN,
            "access_token": TOKEN,
            "nested": { "deep": [{ "er": format!("Bearer {TOKEN}") }] },
            "list": ["x", TOKEN],
            TOKEN: true,
            "keys": { TOKEN: 1 },
            "team": "x",
        })))
        .unwrap();
    assert_eq!(said.token_id(), None);
    let text = format!("{said:?} {said:#?} {}", json!(said.claims()));
    assert!(!text.contains(TOKEN), "{text}");
    assert_eq!(said.claim::<String>("team").as_deref(), Some("x"));
}

#[test]
fn no_part_of_an_access_token_repeats_the_token() {
    let provider = Provider::new();
    let holder = format!("x-{TOKEN}");
    let mut held = Vec::new();
    for members in [
        json!({ "jti": holder }),
        json!({ "sub": TOKEN }),
        json!({ "client_id": TOKEN }),
        json!({ "scope": holder }),
        json!({ "aud": [AUDIENCE, TOKEN] }),
        json!({ "sub": null, "username": holder }),
    ] {
        let body = active(members.clone()).to_string();
        // To refuse such an answer would do, too.
        let Ok(said) = provider.judges(provider.builder().username_as_subject(), body) else { continue };
        let parts = [said.subject(), said.client(), said.token_id(), said.issuer()];
        let mut parts = parts.into_iter().flatten().chain(said.audiences()).chain(said.scopes().iter());
        if parts.any(|part| part.contains(TOKEN)) {
            held.push(members);
        }
    }
    assert!(held.is_empty(), "{held:?}");
}

#[test]
fn an_answer_is_at_most_64_kibibytes_long() {
    let provider = Provider::new();
    let of_length = |length: usize| {
        let empty = active(json!({ "padding": "" })).to_string().len();
        active(json!({ "padding": "x".repeat(length - empty) })).to_string()
    };
    let limit = 64 * 1024;
    assert_eq!(kind(&provider.judges(provider.builder(), of_length(limit))), Ok(()));
    // Also if a client lets more pass than it was asked to.
    for length in [limit + 1, 10 * 1024 * 1024] {
        let verdict = provider.judges(provider.builder(), of_length(length));
        assert_eq!(kind(&verdict), Err(Kind::Unavailable), "{length}");
    }
    let huge = active(json!({ "sub": "x".repeat(1_000_000) }));
    assert_eq!(kind(&provider.verdict(&huge)), Err(Kind::Unavailable));
    let many: serde_json::Map<_, _> = (0..600).map(|number| (format!("m{number}"), json!(1))).collect();
    assert_eq!(kind(&provider.verdict(&active(Value::Object(many)))), Err(Kind::Unavailable));
}

#[tokio::test]
async fn what_acts_on_a_terminal_is_escaped_in_the_log() {
    let (logs, _guard) = Logs::capture();
    let provider = Provider::new();
    let nasty = "x\r\noutcome=admitted\u{1b}[31m\u{202e}\u{0}";
    provider.says(active(json!({ "sub": nasty, "client_id": nasty, "scope": nasty })));
    let _ = provider.app().status(TOKEN).await;
    let text =
        logs.own().iter().flat_map(|line| line.fields.clone()).map(|(_, value)| value).collect::<String>();
    assert!(!text.contains(['\r', '\n', '\u{1b}', '\u{202e}', '\u{0}']), "{text:?}");
}

// Statuses.

/// Asserts a 503 without a challenge, and hands out its `Retry-After`.
#[track_caller]
fn assert_undecided(answer: &Response<()>) -> u64 {
    assert_eq!(answer.status(), 503);
    assert!(!answer.headers().contains_key(WWW_AUTHENTICATE));
    answer.headers()[RETRY_AFTER].to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_status_that_blames_us_is_logged_as_an_error_once_a_minute() {
    for status in [400, 401, 403, 404, 405, 406, 410, 411, 413, 415, 422, 451] {
        let (logs, _guard) = Logs::capture();
        let provider = Provider::new();
        provider.replies(Reply::status(status));
        let app = provider.app();
        let error = provider.verifier().verify(&bearer(TOKEN)).await.unwrap_err();
        assert!(error.is_misconfigured() && error.kind() == Kind::Unavailable, "{status}");
        assert!(error.source().unwrap().to_string().contains(&status.to_string()));
        for _ in 0..5 {
            assert_undecided(&app.ask(TOKEN).await);
            provider.pass(11);
        }
        assert_eq!((logs.count(Level::ERROR), logs.count(Level::WARN)), (1, 0), "{status}");
        provider.pass(5);
        assert_undecided(&app.ask(TOKEN).await);
        assert_eq!(logs.count(Level::ERROR), 2, "{status}");
        let text = logs.text();
        assert!(!text.contains(TOKEN) && !text.contains("p@ss") && !text.contains("p%40ss"), "{text}");
    }
}

#[tokio::test]
async fn a_status_that_passes_is_an_outage_and_no_fault_of_ours() {
    for status in
        [100, 201, 202, 204, 206, 301, 302, 304, 307, 308, 408, 425, 429, 500, 501, 502, 503, 504, 599]
    {
        let (logs, _guard) = Logs::capture();
        let provider = Provider::new();
        provider.replies(Reply::Document(
            status.try_into().unwrap(),
            http::HeaderMap::new(),
            active(json!({})).to_string().into(),
        ));
        let error = provider.verifier().verify(&bearer(TOKEN)).await.unwrap_err();
        assert!(!error.is_misconfigured() && error.kind() == Kind::Unavailable, "{status}");
        assert_undecided(&provider.app().ask(TOKEN).await);
        assert_eq!((logs.count(Level::ERROR), logs.count(Level::WARN)), (0, 1), "{status}");
        assert_eq!(provider.script.urls(), [ENDPOINT; 2], "{status}: asked once each time");
    }
}

#[tokio::test]
async fn the_client_is_told_when_to_come_back_and_never_later_than_in_two_minutes() {
    let provider = Provider::new();
    let app = provider.app();
    for status in [429, 500, 502, 503] {
        for (value, expected) in [
            ("60", 60),
            ("0", 1),
            ("120", 120),
            ("121", 120),
            ("86400", 120),
            ("99999999999999999999999", 120),
            ("Thu, 01 Jan 2026 00:00:30 GMT", 30),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 120),
            ("Wed, 31 Dec 2025 23:59:59 GMT", 5),
            ("-1", 5),
            ("soon", 5),
            ("", 5),
        ] {
            provider.replies(Reply::status(status).with("retry-after", value));
            assert_eq!(assert_undecided(&app.ask(TOKEN).await), expected, "{status} {value:?}");
        }
        provider.replies(Reply::status(status));
        assert_eq!(assert_undecided(&app.ask(TOKEN).await), 5, "{status}");
    }
}

#[tokio::test]
async fn an_inactive_token_is_answered_with_a_challenge() {
    let provider = Provider::new();
    provider.says(json!({ "active": false }));
    let answer = provider.app().ask(TOKEN).await;
    assert_eq!(answer.status(), 401);
    assert!(answer.headers()[WWW_AUTHENTICATE].to_str().unwrap().contains("error=\"invalid_token\""));
    assert!(!answer.headers().contains_key(RETRY_AFTER));
}

#[cfg(feature = "reqwest")]
#[tokio::test]
async fn faults_on_the_way_leave_the_token_undecided_and_end_with_their_cause() {
    use tower_bearer::testing::{Fault, TestIntrospection};

    let clock = TestClock::new();
    let server = TestIntrospection::with_clock(clock.clone()).await.unwrap();
    let token = server.token(json!({ "aud": AUDIENCE }));
    let builder = IntrospectionVerifier::builder(server.issuer(), AUDIENCE).clock(clock.clone());
    let builder = builder.client_secret_basic(server.client_id(), server.client_secret());
    let cache = CacheLayer::builder().clock(clock.clone()).build().unwrap();
    let app =
        App::new(builder.timeout(Duration::from_millis(500)).build().unwrap().cached(cache), clock.clone());
    // Each fault, and how often it is met: what dies before an answer is sent once more.
    for (fault, requests) in [
        (Fault::Garbage, 1),
        (Fault::Status(500), 1),
        (Fault::Status(401), 1),
        (Fault::Status(429), 1),
        (Fault::Truncate, 1),
        (Fault::Redirect(server.endpoint()), 1),
        (Fault::Hang, 1),
        (Fault::Reset, 2),
        (Fault::Answer(Response::new(Bytes::from_static(b"{\"active\":\"true\"}"))), 1),
        (Fault::Answer(Response::new(Bytes::new())), 1),
    ] {
        let text = format!("{fault:?}");
        server.fail_at("/introspect", fault);
        let before = server.requests_to("/introspect");
        assert_undecided(&app.ask(&token).await);
        assert_eq!(server.requests_to("/introspect") - before, requests, "{text}");
        server.recover();
        clock.advance(secs(1));
        let fresh = server.token(json!({ "aud": AUDIENCE }));
        assert_eq!(app.status(&fresh).await, 200, "{text}");
    }
    assert_eq!(app.status(&token).await, 200, "not remembered");
    server.stop();
    assert_eq!(app.status(&token).await, 200, "remembered");
    assert_undecided(&app.ask("another").await);
    server.restart();
    assert_eq!(app.status("another").await, 401);
}

// With a cache around it.

#[tokio::test]
async fn an_inactive_token_is_asked_about_once_in_a_while() {
    let provider = Provider::new();
    provider.says(json!({ "active": false }));
    let app = provider.app_of(provider.verifier().cached(provider.cache(secs(300))));
    for _ in 0..5 {
        assert_eq!(app.status(TOKEN).await, 401);
    }
    assert_eq!(provider.script.count(), 1);
    provider.says(active(json!({})));
    provider.pass(5);
    assert_eq!((app.status(TOKEN).await, provider.script.count()), (200, 2));
}

#[tokio::test]
async fn what_nobody_can_tell_is_not_remembered() {
    let provider = Provider::new();
    let app = provider.app_of(provider.verifier().cached(provider.cache(secs(300))));
    let document = |body: &str| Reply::document(body.to_owned());
    let replies = [
        Reply::status(500),
        Reply::status(401),
        Reply::status(429).with("retry-after", "120"),
        Reply::Fails,
        document("{}"),
        document("{\"active\":null}"),
        document("null"),
        document(""),
        document("<html>"),
        Reply::Panics { early: true },
        Reply::Panics { early: false },
    ];
    for (number, reply) in replies.into_iter().enumerate() {
        let token = format!("token-{number}");
        provider.replies(reply.clone());
        assert_undecided(&app.ask(&token).await);
        provider.says(active(json!({})));
        assert_eq!(app.status(&token).await, 200, "{reply:?}");
    }
}

#[tokio::test]
async fn without_memory_each_request_asks_and_a_burst_asks_once() {
    let provider = Provider::new();
    let app = provider.app_of(provider.verifier().cached(provider.cache(Duration::ZERO)));
    for calls in 1..=5 {
        assert_eq!((app.status(TOKEN).await, provider.script.count()), (200, calls));
    }
    provider.script.hold();
    let asking: Vec<_> = (0..50).map(|_| tokio::spawn(app.ask(TOKEN))).collect();
    settle().await;
    provider.script.release();
    for answer in asking {
        assert_eq!(answer.await.unwrap().status(), 200);
    }
    assert_eq!(provider.script.count(), 6);
}

#[tokio::test]
async fn a_remembered_token_ends_when_the_provider_said() {
    let provider = Provider::new();
    provider.says(active(json!({ "exp": START + 100 })));
    let app = provider.app_of(provider.verifier().cached(provider.cache(secs(300))));
    assert_eq!(app.status(TOKEN).await, 200);
    provider.pass(99);
    assert_eq!((app.status(TOKEN).await, provider.script.count()), (200, 1));
    provider.says(json!({ "active": false }));
    provider.pass(1);
    assert_eq!((app.status(TOKEN).await, provider.script.count()), (401, 2));
    // One without an end lives on for as long as it is remembered.
    let endless = Provider::new();
    endless.says(active(json!({ "exp": null })));
    let verifier = endless.builder().insecure_allow_missing_expiry().build().unwrap();
    let app = endless.app_of(verifier.cached(endless.cache(secs(300))));
    assert_eq!(app.status(TOKEN).await, 200);
    endless.pass(299);
    assert_eq!((app.status(TOKEN).await, endless.script.count()), (200, 1));
    endless.pass(1);
    assert_eq!((app.status(TOKEN).await, endless.script.count()), (200, 2));
}

// Time, and how much at a time.

/// Asks in a task of its own, and tells how long it took.
fn ask_timed(app: &App, token: &str) -> JoinHandle<(u16, Duration)> {
    let answer = app.ask(token);
    tokio::spawn(async {
        let started_at = Instant::now();
        let status = answer.await.status().as_u16();
        (status, started_at.elapsed())
    })
}

#[tokio::test(start_paused = true)]
async fn an_answer_within_five_seconds_counts_and_no_later_one() {
    let provider = Provider::new();
    let app = provider.app();
    for (late, expected) in [(4_900, (200, 4_900)), (5_100, (503, 5_000))] {
        provider.script.hold();
        let asking = ask_timed(&app, TOKEN);
        tokio::time::sleep(Duration::from_millis(late)).await;
        provider.script.release();
        let (status, took) = asking.await.unwrap();
        assert_eq!((status, took.as_millis() / 100 * 100), expected);
    }
    provider.replies(Reply::Hangs);
    let hasty = provider.app_of(provider.builder().timeout(Duration::from_millis(300)).build().unwrap());
    for (app, limit) in [(app, secs(5)), (hasty, Duration::from_millis(300))] {
        let (status, took) = ask_timed(&app, TOKEN).await.unwrap();
        assert!(status == 503 && took >= limit && took < limit + Duration::from_millis(100), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_limit_is_for_all_requests_of_a_verification() {
    let provider = Provider::new();
    provider.publishes(ENDPOINT);
    let verifier = provider.plain().client_secret_basic(CLIENT, SECRET).build().unwrap();
    provider.script.hold();
    let asking = ask_timed(&provider.app_of(verifier), TOKEN);
    tokio::time::sleep(secs(3)).await;
    provider.replies(Reply::Hangs);
    provider.script.release();
    let (status, took) = asking.await.unwrap();
    assert!(status == 503 && took >= secs(5) && took < secs(6), "{took:?}");
    assert_eq!(provider.script.urls(), [METADATA, ENDPOINT]);
}

/// A client that says yes once it gets leave, and counts how many requests are under way.
#[derive(Clone, Debug)]
struct Gate(Arc<Doors>);

#[derive(Debug)]
struct Doors {
    leave: Semaphore,
    asked: AtomicUsize,
    running: AtomicUsize,
    most: AtomicUsize,
}

/// Somebody who is under way.
struct Running<'a>(&'a Doors);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Gate {
    fn new() -> Self {
        let (asked, running, most) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        Self(Arc::new(Doors { leave: Semaphore::new(0), asked, running, most }))
    }

    /// Lets so many answers pass.
    fn open(&self, answers: usize) {
        self.0.leave.add_permits(answers);
    }

    /// How many were asked, are under way, and were at most.
    fn counts(&self) -> (usize, usize, usize) {
        let read = |count: &AtomicUsize| count.load(Ordering::SeqCst);
        (read(&self.0.asked), read(&self.0.running), read(&self.0.most))
    }
}

impl HttpClient for Gate {
    fn send(&self, _: Request<Bytes>, _: Limits) -> AnswerFuture<'_> {
        Box::pin(async {
            let doors = &*self.0;
            doors.asked.fetch_add(1, Ordering::SeqCst);
            let running = doors.running.fetch_add(1, Ordering::SeqCst) + 1;
            doors.most.fetch_max(running, Ordering::SeqCst);
            let _running = Running(doors);
            doors.leave.acquire().await.unwrap().forget();
            Ok(Response::new(active(json!({})).to_string().into()))
        })
    }
}

/// A service whose provider answers when the gate opens.
fn behind(gate: &Gate, most: Option<usize>) -> App {
    let provider = Provider::new();
    let builder = provider.builder().http_client(gate.clone());
    let builder = most.into_iter().fold(builder, IntrospectionVerifierBuilder::max_upstream_calls);
    provider.app_of(builder.build().unwrap())
}

fn ask_all(app: &App, tokens: std::ops::Range<usize>) -> Vec<JoinHandle<(u16, Duration)>> {
    tokens.map(|number| ask_timed(app, &format!("token-{number}"))).collect()
}

#[tokio::test(start_paused = true)]
async fn so_many_tokens_are_asked_about_at_a_time_and_the_others_wait() {
    for (setting, most) in [(None, 64), (Some(1), 1), (Some(2), 2), (Some(100), 100)] {
        let gate = Gate::new();
        let app = behind(&gate, setting);
        let asking = ask_all(&app, 0..150);
        settle().await;
        assert_eq!(gate.counts(), (most, most, most));
        gate.open(1);
        settle().await;
        assert_eq!(gate.counts(), (most + 1, most, most), "one goes, and the next one comes");
        gate.open(149);
        for answer in asking {
            assert_eq!(answer.await.unwrap().0, 200);
        }
        assert_eq!(gate.counts(), (150, 0, most));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_place_in_vain_is_undecided_after_the_time_limit() {
    let gate = Gate::new();
    let app = behind(&gate, Some(2));
    let asking = ask_all(&app, 0..5);
    for answer in asking {
        let (status, took) = answer.await.unwrap();
        assert!(status == 503 && took >= secs(5) && took < secs(6), "{took:?}");
    }
    assert_eq!(gate.counts().1, 0, "every place was given back");
    gate.open(10);
    for answer in ask_all(&app, 5..10) {
        assert_eq!(answer.await.unwrap().0, 200);
    }
    assert_eq!(gate.counts().2, 2);
}

#[tokio::test(start_paused = true)]
async fn whoever_goes_away_gives_its_place_back() {
    let gate = Gate::new();
    let app = behind(&gate, Some(2));
    for round in 0..20 {
        let asking = ask_all(&app, round * 10..round * 10 + 4);
        settle().await;
        assert_eq!(gate.counts().1, 2);
        asking.iter().for_each(JoinHandle::abort);
        settle().await;
        assert_eq!(gate.counts().1, 0);
    }
    gate.open(2);
    for answer in ask_all(&app, 900..902) {
        assert_eq!(answer.await.unwrap().0, 200);
    }
    assert_eq!(gate.counts().2, 2);
}

// Discovery.

/// A service that has to look up where to ask.
fn discovering(provider: &Provider) -> App {
    provider.app_of(provider.plain().client_secret_basic(CLIENT, SECRET).build().unwrap())
}

const OTHER: &str = "https://idp.example.com/v2/introspect";

#[tokio::test]
async fn the_endpoint_is_looked_up_once_and_when_it_is_needed() {
    let provider = Provider::new();
    provider.publishes(ENDPOINT);
    let app = discovering(&provider);
    assert_eq!(provider.script.count(), 0);
    for _ in 0..3 {
        assert_eq!(app.status(TOKEN).await, 200);
    }
    assert_eq!(provider.script.urls(), [METADATA, ENDPOINT, ENDPOINT, ENDPOINT]);
    let asked = provider.script.asked().remove(0);
    assert_eq!((asked.method, asked.body.len()), (Method::GET, 0));
    assert!(!asked.headers.contains_key(AUTHORIZATION));
    // After a day, again.
    provider.script.set(OTHER, Reply::document(json!({ "active": false }).to_string()));
    provider.publishes(OTHER);
    provider.clock.advance(secs(86_399));
    provider.clock.set_now(SystemTime::UNIX_EPOCH + secs(START));
    assert_eq!(app.status(TOKEN).await, 200);
    provider.pass(1);
    assert_eq!(app.status(TOKEN).await, 401);
}

#[tokio::test]
async fn the_other_places_of_metadata_are_looked_at_too() {
    let provider = Provider::new();
    let place = "https://idp.example.com/.well-known/oauth-authorization-server";
    let metadata = json!({ "issuer": ISSUER, "introspection_endpoint": ENDPOINT }).to_string();
    provider.script.set(place, Reply::document(metadata));
    // OpenID Connect metadata often do not know of introspection.
    for first in [Reply::status(404), Reply::document(json!({ "issuer": ISSUER }).to_string())] {
        provider.script.set(METADATA, first);
        let before = provider.script.count();
        assert_eq!(discovering(&provider).status(TOKEN).await, 200);
        assert_eq!(provider.script.urls()[before..], [METADATA, place, ENDPOINT]);
    }
}

#[tokio::test]
async fn metadata_that_could_lead_astray_are_not_followed() {
    let metadata = |issuer: Value, endpoint: Value| {
        json!({ "issuer": issuer, "introspection_endpoint": endpoint }).to_string()
    };
    let (issuer, endpoint) = (json!(ISSUER), json!(ENDPOINT));
    for body in [
        metadata(json!("https://evil.example"), endpoint.clone()),
        metadata(json!("https://idp.example.com/"), endpoint.clone()),
        metadata(json!(null), endpoint.clone()),
        metadata(json!([ISSUER]), endpoint),
        metadata(issuer.clone(), json!("http://idp.example.com/introspect")),
        metadata(issuer.clone(), json!("http://127.0.0.1:9/introspect")),
        metadata(issuer.clone(), json!("http://localhost/introspect")),
        metadata(issuer.clone(), json!("https://user:password@idp.example.com/introspect")),
        metadata(issuer.clone(), json!("https://idp.example.com/introspect#x")),
        metadata(issuer.clone(), json!("/introspect")),
        metadata(issuer.clone(), json!("file:///introspect")),
        metadata(issuer.clone(), json!("")),
        metadata(issuer.clone(), json!(7)),
        metadata(issuer.clone(), json!([ENDPOINT])),
        metadata(issuer, json!(null)),
        format!(
            r#"{{"issuer":"https://evil.example","issuer":"{ISSUER}","introspection_endpoint":"{ENDPOINT}"}}"#
        ),
        format!(r#"{{"issuer":"{ISSUER}","introspection_endpoint":"{ENDPOINT}""#),
        "<html>".to_owned(),
    ] {
        let provider = Provider::new();
        provider.script.set(METADATA, Reply::document(body.clone()));
        assert_undecided(&discovering(&provider).ask(TOKEN).await);
        let asked = provider.script.asked();
        assert!(asked.iter().all(|asked| asked.method == Method::GET && asked.body.is_empty()), "{body}");
    }
}

#[tokio::test]
async fn an_outage_of_the_metadata_ends_a_second_after_it_is_over() {
    let provider = Provider::new();
    let app = discovering(&provider);
    for reply in [Reply::Fails, Reply::status(500), Reply::status(503).with("retry-after", "7")] {
        provider.script.set(METADATA, reply);
        let first = assert_undecided(&app.ask(TOKEN).await);
        let count = provider.script.count();
        // A second of back-off, in which nothing is sent.
        for _ in 0..10 {
            assert_eq!(app.status_at_once(TOKEN), Some(503));
        }
        assert_eq!(assert_undecided(&app.ask(TOKEN).await), first);
        assert_eq!(provider.script.count(), count);
        provider.pass(1);
    }
    provider.publishes(ENDPOINT);
    assert_eq!(app.status(TOKEN).await, 200);
}

#[tokio::test]
async fn however_many_wait_for_the_endpoint_it_is_looked_up_once() {
    for (reply, expected) in [(None, 200), (Some(Reply::Fails), 503)] {
        let provider = Provider::new();
        provider.publishes(ENDPOINT);
        if let Some(reply) = reply {
            provider.script.set(METADATA, reply);
        }
        let app = discovering(&provider);
        provider.script.hold();
        let asking: Vec<_> = (0..50).map(|number| tokio::spawn(app.ask(&format!("t{number}")))).collect();
        settle().await;
        assert_eq!(provider.script.urls(), [METADATA]);
        provider.script.release();
        for answer in asking {
            assert_eq!(answer.await.unwrap().status(), expected);
        }
        assert_eq!(provider.script.urls().iter().filter(|url| *url == METADATA).count(), 1);
    }
}

#[tokio::test]
async fn whoever_goes_away_during_a_look_up_lets_the_next_one_do_it() {
    let provider = Provider::new();
    provider.publishes(ENDPOINT);
    let app = discovering(&provider);
    provider.script.hold();
    let first = tokio::spawn(app.ask(TOKEN));
    settle().await;
    let second = tokio::spawn(app.ask(TOKEN));
    settle().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    settle().await;
    provider.script.release();
    assert_eq!(second.await.unwrap().status(), 200);
    assert_eq!(provider.script.urls(), [METADATA, METADATA, ENDPOINT]);
}

#[tokio::test]
async fn an_endpoint_that_has_moved_is_looked_up_again() {
    let provider = Provider::new();
    provider.publishes(ENDPOINT);
    let app = discovering(&provider);
    assert_eq!(app.status(TOKEN).await, 200);
    provider.script.set(OTHER, Reply::document(active(json!({})).to_string()));
    provider.publishes(OTHER);
    provider.replies(Reply::status(404));
    assert_undecided(&app.ask(TOKEN).await);
    assert_eq!(app.status(TOKEN).await, 200);
    assert_eq!(app.status(TOKEN).await, 200);
    assert_eq!(provider.script.urls(), [METADATA, ENDPOINT, ENDPOINT, METADATA, OTHER, OTHER]);
    // An address from the configuration is not doubted.
    let app = provider.app();
    assert_undecided(&app.ask(TOKEN).await);
    assert_undecided(&app.ask(TOKEN).await);
    assert_eq!(provider.script.urls()[6..], [ENDPOINT, ENDPOINT]);
}

#[tokio::test(start_paused = true)]
async fn a_known_endpoint_serves_for_as_long_as_the_metadata_cannot_be_had() {
    for reply in [Reply::Fails, Reply::status(500), Reply::document("{}"), Reply::Hangs] {
        let provider = Provider::new();
        provider.publishes(ENDPOINT);
        let app = discovering(&provider);
        assert_eq!(app.status(TOKEN).await, 200);
        provider.script.set(METADATA, reply.clone());
        provider.clock.advance(secs(86_400));
        provider.clock.set_now(SystemTime::UNIX_EPOCH + secs(START));
        let (first, second) = (app.status(TOKEN).await, app.status(TOKEN).await);
        assert_eq!((first, second), (200, 200), "{reply:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn metadata_that_never_come_are_not_waited_for_by_one_request_after_the_other() {
    let provider = Provider::new();
    provider.script.set(METADATA, Reply::Hangs);
    let app = discovering(&provider);
    let (status, took) = ask_timed(&app, TOKEN).await.unwrap();
    assert!(status == 503 && took >= secs(4) && took <= secs(5), "{took:?}");
    // By the clock of the verifier no time has passed: this is the second of back-off.
    let (status, took) = ask_timed(&app, TOKEN).await.unwrap();
    assert_eq!((status, took), (503, Duration::ZERO));
    assert_eq!(provider.script.count(), 1);
    provider.publishes(ENDPOINT);
    provider.pass(1);
    assert_eq!(app.status(TOKEN).await, 200);
}

#[tokio::test]
async fn an_endpoint_that_stays_away_does_not_double_the_requests() {
    let provider = Provider::new();
    provider.publishes(ENDPOINT);
    provider.replies(Reply::status(404));
    let app = discovering(&provider);
    for _ in 0..20 {
        assert_undecided(&app.ask(TOKEN).await);
    }
    let look_ups = provider.script.urls().iter().filter(|url| *url == METADATA).count();
    assert!(look_ups <= 2, "{look_ups} look-ups within a second");
}

// Signed answers.

const SIGNED: &str = "application/token-introspection+jwt";

/// An issuer that signs its answers, with its keys in the script.
struct Signing(World);

impl Signing {
    async fn new() -> Self {
        Self(World::new().await)
    }

    fn builder(&self) -> IntrospectionVerifierBuilder {
        IntrospectionVerifier::builder(self.0.issuer.issuer(), AUDIENCE)
            .endpoint(ENDPOINT)
            .client_secret_basic(CLIENT, SECRET)
            .signed_answers(self.0.remote())
            .http_client(self.0.script.clone())
            .clock(self.0.clock.clone())
    }

    /// What the answer says of the token.
    fn said(&self) -> Value {
        active(json!({ "iss": self.0.issuer.issuer() }))
    }

    /// The claims of a signed answer, with some changed, and without those that are `null`.
    fn claims(&self, changes: Value) -> Value {
        let issuer = self.0.issuer.issuer();
        let mut claims =
            json!({ "iss": issuer, "aud": CLIENT, "iat": START, "token_introspection": self.said() });
        let members = claims.as_object_mut().unwrap();
        members.extend(changes.as_object().unwrap().clone());
        members.retain(|_, value| !value.is_null());
        claims
    }

    fn header(&self, algorithm: Algorithm) -> Value {
        let name = algorithm.name();
        json!({ "alg": name, "kid": self.0.issuer.key_id(algorithm), "typ": "token-introspection+jwt" })
    }

    fn signs(&self, algorithm: Algorithm, header: &Value, claims: &Value) -> String {
        self.0.issuer.sign(algorithm, header.to_string().as_bytes(), claims.to_string().as_bytes())
    }

    fn good(&self) -> String {
        self.signs(Algorithm::Es256, &self.header(Algorithm::Es256), &self.claims(json!({})))
    }

    fn replies(&self, media_type: &str, body: String) {
        self.0.script.set(ENDPOINT, Reply::document(body).with("content-type", media_type));
    }

    async fn verdict(&self, media_type: &str, body: String) -> Verdict {
        self.replies(media_type, body);
        self.builder().build().unwrap().verify(&bearer(TOKEN)).await
    }
}

#[tokio::test]
async fn a_signed_answer_is_asked_for_and_believed() {
    let signing = Signing::new().await;
    for algorithm in
        [Algorithm::Es256, Algorithm::Rs256, Algorithm::Ps256, Algorithm::EdDsa, Algorithm::Es384]
    {
        let body = signing.signs(algorithm, &signing.header(algorithm), &signing.claims(json!({})));
        let said = signing.verdict(SIGNED, body).await.unwrap();
        assert_eq!((said.subject(), said.scopes().as_str()), (Some("alice"), "read write"), "{algorithm:?}");
        assert!(!said.claims().contains_key("active") && !said.claims().contains_key("token_introspection"));
    }
    let asked = signing.0.script.asked().remove(0);
    assert_eq!(asked.headers[ACCEPT], SIGNED);
    let inactive = signing.claims(json!({ "token_introspection": { "active": false } }));
    let body = signing.signs(Algorithm::Es256, &signing.header(Algorithm::Es256), &inactive);
    assert_eq!(kind(&signing.verdict(SIGNED, body).await), Err(Kind::Inactive));
    for media_type in
        ["application/token-introspection+jwt; charset=utf-8", "Application/Token-Introspection+JWT"]
    {
        assert_eq!(kind(&signing.verdict(media_type, signing.good()).await), Ok(()));
    }
    let list = signing.claims(json!({ "aud": ["other", CLIENT], "iat": START + 60 }));
    let body = signing.signs(Algorithm::Es256, &signing.header(Algorithm::Es256), &list);
    assert_eq!(kind(&signing.verdict(SIGNED, body).await), Ok(()));
}

#[tokio::test]
async fn a_signed_answer_may_be_as_long_as_one_that_is_not_signed() {
    let signing = Signing::new().await;
    for length in [1_000, 20_000, 40_000] {
        let mut said = signing.said();
        said["groups"] = json!("x".repeat(length));
        let claims = signing.claims(json!({ "token_introspection": said }));
        let body = signing.signs(Algorithm::Es256, &signing.header(Algorithm::Es256), &claims);
        assert!(body.len() < 64 * 1024);
        assert_eq!(kind(&signing.verdict(SIGNED, body).await), Ok(()), "{length}");
    }
}

#[tokio::test]
async fn what_a_signed_answer_says_is_judged_like_any_other_answer() {
    let signing = Signing::new().await;
    for (changes, expected) in [
        (json!({ "aud": "https://other.example.com" }), Kind::Audience),
        (json!({ "iss": "https://evil.example" }), Kind::Issuer),
        (json!({ "exp": START - 60 }), Kind::Expired),
        (json!({ "cnf": {} }), Kind::Claim),
        (json!({ "active": "true" }), Kind::Unavailable),
        (json!({ "exp": "soon" }), Kind::Unavailable),
    ] {
        let mut said = signing.said();
        said.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let claims = signing.claims(json!({ "token_introspection": said }));
        let body = signing.signs(Algorithm::Es256, &signing.header(Algorithm::Es256), &claims);
        assert_eq!(kind(&signing.verdict(SIGNED, body).await), Err(expected), "{changes}");
    }
}

#[tokio::test]
async fn a_signed_answer_of_nothing_but_dots_is_no_answer() {
    let signing = Signing::new().await;
    for length in [1, 65_535, 65_536] {
        let error = signing.verdict(SIGNED, ".".repeat(length)).await.unwrap_err();
        assert_eq!((error.kind(), error.is_misconfigured()), (Kind::Unavailable, false), "{length}");
    }
}

#[tokio::test]
async fn a_signed_answer_with_claims_that_do_not_fit_is_no_answer() {
    let signing = Signing::new().await;
    let header = signing.header(Algorithm::Es256);
    for changes in [
        json!({ "iss": null }),
        json!({ "iss": ISSUER }),
        json!({ "iss": format!("{}/", signing.0.issuer.issuer()) }),
        json!({ "iss": 7 }),
        json!({ "aud": null }),
        json!({ "aud": AUDIENCE }),
        json!({ "aud": [] }),
        json!({ "aud": [CLIENT, 7] }),
        json!({ "aud": "my-api2" }),
        json!({ "iat": null }),
        json!({ "iat": START + 61 }),
        // Of long ago: it was the answer to another question.
        json!({ "iat": START - 121 }),
        json!({ "iat": 0 }),
        json!({ "iat": START.to_string() }),
        json!({ "sub": "alice" }),
        json!({ "exp": START + 300 }),
        json!({ "token_introspection": null }),
        json!({ "token_introspection": "active" }),
        json!({ "token_introspection": [signing.said()] }),
        json!({ "token_introspection": true }),
        json!({ "token_introspection": signing.said().to_string() }),
        // What is beside it does not count.
        json!({ "token_introspection": {}, "active": true }),
    ] {
        let body = signing.signs(Algorithm::Es256, &header, &signing.claims(changes.clone()));
        let error = signing.verdict(SIGNED, body).await.unwrap_err();
        assert_eq!((error.kind(), error.is_misconfigured()), (Kind::Unavailable, false), "{changes}");
    }
    // Two of them.
    let text = signing.claims(json!({})).to_string();
    let twice = text.replacen('{', r#"{"token_introspection":{"active":false},"#, 1);
    let body = signing.0.issuer.sign(Algorithm::Es256, header.to_string().as_bytes(), twice.as_bytes());
    assert_eq!(kind(&signing.verdict(SIGNED, body).await), Err(Kind::Unavailable));
}

#[tokio::test]
async fn what_the_issuer_has_not_signed_as_an_answer_is_no_answer() {
    let signing = Signing::new().await;
    let claims = signing.claims(json!({}));
    let with = |name: &str, value: Value| {
        let mut header = signing.header(Algorithm::Es256);
        header[name] = value;
        signing.signs(Algorithm::Es256, &header, &claims)
    };
    let mut without_type = signing.header(Algorithm::Es256);
    without_type.as_object_mut().unwrap().remove("typ");
    let good = signing.good();
    let (message, signature) = good.rsplit_once('.').unwrap();
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let other_claims = encode(&signing.claims(json!({ "iat": START - 1 })));
    let parts: Vec<_> = good.split('.').collect();
    let unsigned = json!({ "alg": "none", "typ": "token-introspection+jwt" });
    let hmac = json!({ "alg": "HS256", "typ": "token-introspection+jwt" });
    for (what, body) in [
        ("of type JWT", with("typ", json!("JWT"))),
        ("an access token", with("typ", json!("at+jwt"))),
        ("of no type", signing.signs(Algorithm::Es256, &without_type, &claims)),
        ("of a type that is no text", with("typ", json!(["token-introspection+jwt"]))),
        ("with a critical header", with("crit", json!(["exp"]))),
        ("by another key", with("kid", json!(signing.0.issuer.key_id(Algorithm::Es384)))),
        ("by another algorithm", with("alg", json!("RS256"))),
        ("by an unknown key", with("kid", json!("unknown"))),
        ("by a shared secret", signing.signs(Algorithm::Hs256, &hmac, &claims)),
        ("unsigned", format!("{}.{}.", encode(&unsigned), parts[1])),
        ("unsigned, with a signature", format!("{}.{}.{}", encode(&unsigned), parts[1], parts[2])),
        ("without its signature", format!("{message}.")),
        ("with another signature", format!("{message}.{}", URL_SAFE_NO_PAD.encode([1; 64]))),
        ("with other claims", format!("{}.{other_claims}.{signature}", parts[0])),
        ("in two parts", message.to_owned()),
        ("in four parts", format!("{good}.x")),
        ("nothing", String::new()),
        ("plain JSON", signing.said().to_string()),
        ("in quotes", format!("\"{good}\"")),
        ("of 70 KiB", format!("{good}{}", "A".repeat(70_000))),
    ] {
        let verdict = signing.verdict(SIGNED, body).await;
        assert_eq!(kind(&verdict), Err(Kind::Unavailable), "{what}");
    }
    for media_type in ["application/json", "application/jwt", "application/at+jwt", ""] {
        for body in [signing.good(), signing.said().to_string()] {
            let verdict = signing.verdict(media_type, body).await;
            assert_eq!(kind(&verdict), Err(Kind::Unavailable), "{media_type}");
        }
    }
    // Unless asked for, no signed answer is read.
    signing.replies(SIGNED, signing.good());
    let plain = IntrospectionVerifier::builder(signing.0.issuer.issuer(), AUDIENCE).endpoint(ENDPOINT);
    let plain = plain.client_secret_basic(CLIENT, SECRET).http_client(signing.0.script.clone());
    let verdict = plain.clock(signing.0.clock.clone()).build().unwrap().verify(&bearer(TOKEN)).await;
    assert_eq!(kind(&verdict), Err(Kind::Unavailable));
}

#[tokio::test]
async fn the_keys_of_signed_answers_are_fetched_kept_and_found_again() {
    let signing = Signing::new().await;
    let verifier = signing.builder().build().unwrap();
    let ask = async || kind(&verifier.verify(&bearer(TOKEN)).await);
    let key_fetches = || {
        let uri = signing.0.issuer.jwks_uri();
        signing.0.script.urls().iter().filter(|url| **url == uri).count()
    };
    signing.replies(SIGNED, signing.good());
    signing.0.goes_down();
    assert_eq!(ask().await, Err(Kind::Unavailable));
    signing.0.publish();
    signing.0.pass(1);
    for _ in 0..3 {
        assert_eq!(ask().await, Ok(()));
    }
    assert_eq!(key_fetches(), 2);
    signing.0.issuer.rotate_keys();
    signing.0.publish();
    signing.0.pass(30);
    signing.replies(SIGNED, signing.good());
    assert_eq!((ask().await, ask().await, key_fetches()), (Ok(()), Ok(()), 3));
    // An unknown key causes one fetch in a while, and never a rejection.
    let mut header = signing.header(Algorithm::Es256);
    header["kid"] = json!("unknown");
    signing.replies(SIGNED, signing.signs(Algorithm::Es256, &header, &signing.claims(json!({}))));
    for _ in 0..10 {
        assert_eq!(ask().await, Err(Kind::Unavailable));
    }
    assert!(key_fetches() <= 4);
}

// What cannot work.

type Change = fn(IntrospectionVerifierBuilder) -> IntrospectionVerifierBuilder;

/// The setting that is at fault, and how.
fn fault_of(builder: IntrospectionVerifierBuilder) -> (&'static str, BuildErrorKind) {
    let error = builder.build().unwrap_err();
    (error.setting(), error.kind())
}

#[test]
fn what_cannot_work_is_found_when_it_is_built() {
    use BuildErrorKind::{Conflict, Empty, InvalidText, Missing, OutOfRange};

    let provider = Provider::new();
    let cases: [(Change, &str, BuildErrorKind); 22] = [
        (|builder| builder.client_secret_post("x", "x"), "client_secret_post", Conflict),
        (|builder| builder.client_secret_basic("x", "x"), "client_secret_basic", Conflict),
        (|builder| builder.bearer_token("x"), "bearer_token", Conflict),
        (|builder| builder.private_key_jwt("x", Algorithm::Es256, P256), "private_key_jwt", Conflict),
        (|builder| builder.timeout(Duration::ZERO), "timeout", OutOfRange),
        (|builder| builder.timeout(Duration::from_micros(999)), "timeout", OutOfRange),
        (|builder| builder.timeout(Duration::from_millis(60_001)), "timeout", OutOfRange),
        (|builder| builder.max_upstream_calls(0), "max_upstream_calls", OutOfRange),
        (|builder| builder.max_upstream_calls(10_001), "max_upstream_calls", OutOfRange),
        (|builder| builder.max_upstream_calls(usize::MAX), "max_upstream_calls", OutOfRange),
        (|builder| builder.leeway(Duration::from_millis(300_001)), "leeway", OutOfRange),
        (|builder| builder.leeway(Duration::MAX), "leeway", OutOfRange),
        (|builder| builder.add_audience(""), "audience", Empty),
        (|builder| builder.add_audience("*"), "audience", Empty),
        (|builder| builder.add_audience("a b"), "audience", InvalidText),
        (|builder| builder.insecure_allow_any_audience().add_audience("x"), "add_audience", Conflict),
        (|builder| builder.add_audience("x").insecure_allow_any_audience(), "add_audience", Conflict),
        (|builder| builder.assertion_audience("x"), "assertion_audience", Conflict),
        (|builder| builder.assertion_key_id("x"), "assertion_key_id", Conflict),
        (
            |builder| builder.insecure_allow_any_issuer().signed_answers(RemoteJwks::at("https://h/")),
            "issuer",
            Missing,
        ),
        (
            |builder| builder.signed_answers(RemoteJwks::at("https://h/").timeout(Duration::ZERO)),
            "timeout",
            OutOfRange,
        ),
        (
            |builder| builder.signed_answers(RemoteJwks::discovered().cooldown(Duration::ZERO)),
            "cooldown",
            OutOfRange,
        ),
    ];
    for (change, setting, kind) in cases {
        assert_eq!(fault_of(change(provider.builder())), (setting, kind));
    }
    let bare = || provider.plain().endpoint(ENDPOINT);
    assert_eq!(fault_of(bare()), ("client_secret_basic", Missing));
    assert_eq!(fault_of(provider.plain()), ("client_secret_basic", Missing));
    let borne = bare().bearer_token("x").signed_answers(RemoteJwks::discovered());
    assert_eq!(fault_of(borne), ("signed_answers", Missing));
    // Keys that have to be discovered, at an issuer where nothing can be.
    for issuer in ["my-issuer", "urn:acme", "https://idp.example.com/?x=1"] {
        let builder = IntrospectionVerifier::builder(issuer, AUDIENCE).client_secret_basic(CLIENT, SECRET);
        let builder = builder.http_client(provider.script.clone()).endpoint(ENDPOINT);
        assert_eq!(fault_of(builder.signed_answers(RemoteJwks::discovered())).0, "issuer", "{issuer}");
    }
    // Nowhere to look the endpoint up.
    let nowhere = provider.plain().insecure_allow_any_issuer().client_secret_basic(CLIENT, SECRET);
    assert_eq!(fault_of(nowhere), ("endpoint", Missing));
    for (limit, calls, leeway) in [(1, 1, 0), (60_000, 10_000, 300)] {
        let builder = provider.builder().timeout(Duration::from_millis(limit));
        assert!(builder.max_upstream_calls(calls).leeway(secs(leeway)).build().is_ok());
    }
    assert_eq!(provider.script.count(), 0);
}

#[test]
fn credentials_that_cannot_be_sent_are_found_when_it_is_built() {
    use BuildErrorKind::{Empty, InvalidKey, InvalidText};

    let provider = Provider::new();
    let bare = || provider.plain().endpoint(ENDPOINT);
    for (id, secret, kind) in [
        ("", SECRET, Empty),
        (" ", SECRET, Empty),
        (CLIENT, "", Empty),
        (CLIENT, " \t\n", Empty),
        ("a b ", SECRET, InvalidText),
        ("a\nb", SECRET, InvalidText),
        (CLIENT, "secret\n", InvalidText),
        (CLIENT, " secret", InvalidText),
        ("a\0", SECRET, InvalidText),
    ] {
        assert_eq!(fault_of(bare().client_secret_basic(id, secret)), ("client_secret_basic", kind), "{id:?}");
        assert_eq!(fault_of(bare().client_secret_post(id, secret)), ("client_secret_post", kind), "{id:?}");
    }
    for (token, kind) in [("", Empty), ("  ", Empty), ("a\r\nX-Evil: 1", InvalidText), ("a\0", InvalidText)] {
        assert_eq!(fault_of(bare().bearer_token(token)), ("bearer_token", kind), "{token:?}");
    }
    let public = include_str!("fixtures/p256_public.pem");
    for (id, algorithm, pem, kind) in [
        ("", Algorithm::Es256, P256, Empty),
        (CLIENT, Algorithm::Es256, "", Empty),
        ("a\tb", Algorithm::Es256, P256, InvalidText),
        (CLIENT, Algorithm::Es256, "S3cr3t-canary", InvalidKey),
        (CLIENT, Algorithm::Es256, public, InvalidKey),
        (CLIENT, Algorithm::Es256, RSA, InvalidKey),
        (CLIENT, Algorithm::Es256, P384, InvalidKey),
        (CLIENT, Algorithm::Es384, P256, InvalidKey),
        (CLIENT, Algorithm::Rs256, P256, InvalidKey),
        (CLIENT, Algorithm::EdDsa, P256, InvalidKey),
        (CLIENT, Algorithm::Rs256, ED25519, InvalidKey),
        (CLIENT, Algorithm::Hs256, "0123456789abcdef0123456789abcdef", InvalidKey),
        (CLIENT, Algorithm::Hs256, P256, InvalidKey),
        (CLIENT, Algorithm::Es256, include_str!("fixtures/p256_private_encrypted.pem"), InvalidKey),
    ] {
        let fault = fault_of(bare().private_key_jwt(id, algorithm, pem));
        assert_eq!(fault, ("private_key_jwt", kind), "{algorithm:?}");
    }
}

#[test]
fn a_private_key_with_bytes_too_many_is_refused() {
    let provider = Provider::new();
    let pkcs1 = include_str!("fixtures/rsa_private_pkcs1.pem");
    for (algorithm, pem) in [
        (Algorithm::EdDsa, ED25519),
        (Algorithm::Es256, P256),
        (Algorithm::Es384, P384),
        (Algorithm::Rs256, RSA),
        (Algorithm::Ps256, pkcs1),
    ] {
        let label = if pem == pkcs1 { "RSA PRIVATE KEY" } else { "PRIVATE KEY" };
        let body: String = pem.lines().filter(|line| !line.contains("-----")).collect();
        let der = STANDARD.decode(body).unwrap();
        let build = |der: &[u8]| {
            let body = STANDARD.encode(der);
            let pem = format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
            provider.plain().endpoint(ENDPOINT).private_key_jwt(CLIENT, algorithm, pem)
        };
        assert!(build(&der).build().is_ok(), "{algorithm}");
        let longer = [&der, &[0][..]].concat();
        assert_eq!(fault_of(build(&longer)), ("private_key_jwt", BuildErrorKind::InvalidKey), "{algorithm}");
        if algorithm == Algorithm::EdDsa {
            // A byte in the midst of the key, which would be another one.
            let within = [&der[..20], &[7], &der[20..]].concat();
            assert_eq!(fault_of(build(&within)), ("private_key_jwt", BuildErrorKind::InvalidKey));
        }
    }
}

#[test]
fn credentials_that_no_provider_can_accept_are_found_when_it_is_built() {
    let provider = Provider::new();
    let bare = || provider.plain().endpoint(ENDPOINT);
    // RFC 6750 §2.1: a token is one word.
    let mut unnoticed: Vec<_> = [" x", "x ", "a b", "a\tb", "a,b", "a\"b"]
        .into_iter()
        .filter(|token| bare().bearer_token(*token).build().is_ok())
        .collect();
    // RFC 7523 §3: an assertion is for somebody.
    let signing = bare().private_key_jwt(CLIENT, Algorithm::Es256, P256);
    unnoticed
        .extend(["", " "].into_iter().filter(|one| signing.clone().assertion_audience(*one).build().is_ok()));
    assert!(unnoticed.is_empty(), "{unnoticed:?}");
}

#[test]
fn names_and_addresses_that_cannot_be_right_are_found_when_it_is_built() {
    use BuildErrorKind::{Empty, InsecureUrl, InvalidText, InvalidUrl};

    let provider = Provider::new();
    for (url, kind) in [
        ("http://idp.example.com/introspect", InsecureUrl),
        ("http://127.0.0.1.example.com/introspect", InsecureUrl),
        ("http://10.0.0.1/introspect", InsecureUrl),
        ("https://user@idp.example.com/introspect", InvalidUrl),
        ("https://user:S3cr3t@idp.example.com/introspect", InvalidUrl),
        ("https://idp.example.com/introspect#x", InvalidUrl),
        ("https://\u{456}dp.example.com/introspect", InvalidUrl),
        ("https://idp.example.com/a/../introspect", InvalidUrl),
        ("/introspect", InvalidUrl),
        ("idp.example.com/introspect", InvalidUrl),
        ("ftp://idp.example.com/introspect", InvalidUrl),
        ("", InvalidUrl),
    ] {
        assert_eq!(fault_of(provider.builder().endpoint(url)), ("endpoint", kind), "{url}");
        let keys = provider.builder().signed_answers(RemoteJwks::at(url));
        assert_eq!(fault_of(keys), ("jwks_uri", kind), "{url}");
    }
    let with = |issuer: &str, audience: &str| {
        let builder = IntrospectionVerifier::builder(issuer, audience).client_secret_basic(CLIENT, SECRET);
        builder.http_client(provider.script.clone())
    };
    for (issuer, kind) in [
        ("", Empty),
        (" ", Empty),
        ("*", Empty),
        ("http://idp.example.com", InsecureUrl),
        ("https://user@idp.example.com", InvalidUrl),
        ("https://idp.example.com/#x", InvalidUrl),
        ("https://idp.example.com/?x=y", InvalidUrl),
        ("my-issuer", InvalidUrl),
    ] {
        assert_eq!(fault_of(with(issuer, AUDIENCE)), ("issuer", kind), "{issuer}");
    }
    // Nobody has to go to the issuer if the endpoint is known: it may be a name.
    assert!(with("my-issuer", AUDIENCE).endpoint(ENDPOINT).build().is_ok());
    assert_eq!(fault_of(with("my issuer", AUDIENCE).endpoint(ENDPOINT)), ("issuer", InvalidText));
    for (audience, kind) in
        [("", Empty), (" ", Empty), ("*", Empty), ("a b", InvalidText), ("a\n", InvalidText)]
    {
        assert_eq!(fault_of(with(ISSUER, audience)), ("audience", kind), "{audience:?}");
    }
    for url in ["https://idp.example.com/introspect?realm=x", "http://127.0.0.1:8080/", "http://[::1]/x"] {
        assert!(provider.builder().endpoint(url).build().is_ok(), "{url}");
    }
}

#[cfg(not(feature = "reqwest"))]
#[test]
fn without_a_client_nothing_can_be_asked() {
    let builder = IntrospectionVerifier::builder(ISSUER, AUDIENCE).client_secret_basic(CLIENT, SECRET);
    assert_eq!(fault_of(builder), ("http_client", BuildErrorKind::Missing));
}

// Secrets.

fn debug(value: &impl Debug) -> String {
    format!("{value:?} {value:#?}")
}

#[tokio::test]
async fn no_secret_is_printed() {
    const CANARY: &str = "S3cr3t-canary";
    let (logs, _guard) = Logs::capture();
    let provider = Provider::new();
    let bare = || provider.plain().endpoint(ENDPOINT);
    let mut text = String::new();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----\n");
    let key_line = P256.lines().nth(1).unwrap();
    for builder in [
        bare().client_secret_basic(CLIENT, CANARY),
        bare().client_secret_post(CLIENT, CANARY),
        bare().bearer_token(CANARY),
        bare().private_key_jwt(CLIENT, Algorithm::Es256, &*pem),
        bare().private_key_jwt(CLIENT, Algorithm::Es256, P256),
        bare().bearer_token(format!("{CANARY}\n")),
        provider.builder().endpoint(format!("https://user:{CANARY}@idp.example.com")),
        provider.builder().client_secret_post(CLIENT, CANARY),
    ] {
        text += &debug(&builder);
        match builder.build() {
            Ok(verifier) => {
                text += &debug(&verifier);
                for reply in [Reply::status(401), Reply::status(500), Reply::Fails, Reply::document("{}")] {
                    provider.replies(reply);
                    let error = verifier.verify(&bearer(TOKEN)).await.unwrap_err();
                    text += &everything_of(&error);
                    text += &debug(&provider.app_of(verifier.clone()).ask(TOKEN).await);
                }
                text += &debug(&verifier.boxed());
            }
            Err(error) => text += &everything_of(&error),
        }
    }
    text += &logs.text();
    for secret in [CANARY, TOKEN, key_line, &STANDARD.encode(format!("{CLIENT}:{CANARY}"))] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    assert!(text.contains("IntrospectionVerifier") && text.contains(ISSUER));
}

// Chains.

#[tokio::test]
async fn of_two_providers_the_second_is_asked_only_if_that_was_allowed() {
    let yes = || Reply::document(active(json!({})).to_string());
    let no = || Reply::document(json!({ "active": false }).to_string());
    let down = || Reply::status(500);
    // The answers of both; the status, and how often the second is asked, without and with leave.
    let cases = [
        (yes(), yes(), (200, 0), (200, 0)),
        (yes(), down(), (200, 0), (200, 0)),
        (no(), yes(), (401, 0), (200, 1)),
        (no(), no(), (401, 0), (401, 1)),
        (no(), down(), (401, 0), (503, 1)),
        (down(), yes(), (503, 0), (200, 1)),
        (down(), no(), (503, 0), (503, 1)),
        (down(), down(), (503, 0), (503, 1)),
        (Reply::Fails, no(), (503, 0), (503, 1)),
    ];
    for (first, second, without, with) in cases {
        let text = format!("{first:?} {second:?}");
        let providers = [Provider::new(), Provider::new()];
        let [one, other] = &providers;
        one.replies(first);
        other.replies(second);
        let both = || [one.verifier().boxed(), other.verifier().boxed()];
        let app = one.app_of(AnyOf::new(both()).unwrap());
        assert_eq!((app.status(TOKEN).await, other.script.count()), without, "{text}");
        let app = one.app_of(one.verifier().or(other.verifier()));
        assert_eq!((app.status(TOKEN).await, other.script.count()), without, "{text}");
        let app = one.app_of(AnyOf::new(both()).unwrap().ask_all());
        assert_eq!((app.status(TOKEN).await, other.script.count()), with, "{text}");
    }
}

#[tokio::test]
async fn behind_a_verifier_of_jwts_the_endpoint_sees_what_is_left() {
    let world = World::new().await;
    let provider = Provider::new();
    let chain = || world.verifier().or(provider.verifier());
    let app = world.app_of(chain());
    assert_eq!(app.status(&world.token()).await, 200);
    assert_eq!(app.status(&world.forged()).await, 401);
    let expired = world.issuer.token().audience(AUDIENCE).expired_since(secs(61)).mint();
    assert_eq!(app.status(&expired).await, 401);
    assert_eq!(provider.script.count(), 0, "no JWT of the issuer is shown to anybody");
    assert_eq!(app.status(TOKEN).await, 200);
    assert_eq!(provider.script.count(), 1);
    // The other way round, an endpoint that takes every token sees all of them, unless it is told not to.
    let app = world.app_of(provider.verifier().or(world.verifier()));
    assert_eq!(app.status(&world.token()).await, 200);
    assert_eq!(provider.script.count(), 2);
    let opaque = provider.builder().opaque_tokens_only().build().unwrap();
    let app = world.app_of(opaque.or(world.verifier()));
    assert_eq!((app.status(&world.token()).await, app.status(TOKEN).await), (200, 200));
    assert_eq!(provider.script.count(), 3);
}
