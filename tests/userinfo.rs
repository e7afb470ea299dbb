//! Verifiers that ask a provider who the user of a token is: how they ask, and what an answer proves.

#![cfg(all(
    feature = "introspection",
    feature = "testing",
    any(feature = "aws-lc-rs", feature = "rust-crypto")
))]
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

use std::error::Error;
use std::time::{Duration, SystemTime};

use common::{Logs, block_on};
use http::Method;
use script::{App, Reply, Script, settle};
use serde_json::{Value, json};
use tower_bearer::error::{BuildErrorKind, VerifyErrorKind};
use tower_bearer::testing::TestClock;
use tower_bearer::verifier::{
    TokenInfoVerifier, TokenInfoVerifierBuilder, UserInfoVerifier, UserInfoVerifierBuilder, Verdict,
};
use tower_bearer::{AccessToken, BearerToken, BuildError, CacheLayer, TokenVerifier, VerifyError};
use tracing::Level;

const ISSUER: &str = "https://idp.example.com";
const ME: &str = "https://idp.example.com/me";
const GOOGLE: &str = "https://oauth2.googleapis.com/tokeninfo";
const CLIENT: &str = "123-abc.apps.googleusercontent.com";
const TOKEN: &str = "S3cr3t-canary-0123456789.abcdefghijklmnop~QRSTUVWXYZ+98/76==";
/// 2026-01-01T00:00:00Z, where the test clock begins.
const START: u64 = 1_767_225_600;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + secs(seconds)
}

fn bearer() -> BearerToken {
    BearerToken::new(TOKEN).unwrap()
}

fn kind(verdict: &Verdict) -> VerifyErrorKind {
    verdict.as_ref().unwrap_err().kind()
}

/// Good, or the name of what is wrong.
fn outcome(verdict: &Verdict) -> &'static str {
    verdict.as_ref().map_or_else(|error| error.kind().as_str(), |_| "good")
}

/// The fault of a build that has to fail: its setting and its kind.
fn fault<T>(built: Result<T, BuildError>) -> (&'static str, BuildErrorKind) {
    let Err(error) = built else { panic!("it was built") };
    assert!(error.to_string().contains(error.setting()), "{error}");
    (error.setting(), error.kind())
}

/// An error and all its causes, by `Debug` and `Display`.
fn everything_of(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        text.push_str(&format!("{error} {error:?} {error:#?} "));
        next = error.source();
    }
    text
}

/// No sixteen bytes in a row of the token are in a text.
fn assert_clean(text: &str) {
    let leaked =
        TOKEN.as_bytes().windows(16).find(|part| text.as_bytes().windows(16).any(|own| own == *part));
    assert!(leaked.is_none(), "{text}");
}

/// A script and a clock for one verifier.
struct World {
    script: Script,
    clock: TestClock,
}

impl World {
    fn new() -> Self {
        Self { script: Script::new(), clock: TestClock::new() }
    }

    fn answering(reply: Reply) -> Self {
        let world = Self::new();
        world.script.set(ME, reply.clone());
        world.script.set(GOOGLE, reply);
        world
    }

    /// Asks at `/me`, and takes tokens of any client.
    fn builder(&self) -> UserInfoVerifierBuilder {
        self.strict().insecure_allow_any_audience()
    }

    /// The same without a word about audiences.
    fn strict(&self) -> UserInfoVerifierBuilder {
        let builder = UserInfoVerifier::builder(ISSUER).endpoint(ME);
        builder.http_client(self.script.clone()).clock(self.clock.clone())
    }

    fn google(&self) -> TokenInfoVerifierBuilder {
        let builder = TokenInfoVerifier::builder(CLIENT);
        builder.http_client(self.script.clone()).clock(self.clock.clone())
    }

    fn app(&self, verifier: impl TokenVerifier + 'static) -> App {
        App::new(verifier, self.clock.clone())
    }
}

fn verify(verifier: &impl TokenVerifier) -> Verdict {
    block_on(verifier.verify(&bearer()))
}

/// What a verifier says of an answer with status 200.
fn read(answer: &Value, set: impl Fn(UserInfoVerifierBuilder) -> UserInfoVerifierBuilder) -> Verdict {
    let world = World::answering(Reply::document(answer.to_string()));
    verify(&set(world.builder()).build().unwrap())
}

#[test]
fn the_token_is_sent_in_the_field_where_it_belongs_and_nowhere_else() {
    let world = World::answering(Reply::document(r#"{"sub":"alice"}"#));
    let token = verify(&world.builder().timeout(secs(3)).build().unwrap()).unwrap();
    let [asked] = &world.script.asked()[..] else { panic!() };
    assert_eq!((&asked.method, &*asked.url), (&Method::GET, ME));
    assert!(asked.body.is_empty());
    let authorization = asked.headers.get("authorization").unwrap();
    assert_eq!(authorization, &format!("Bearer {TOKEN}"));
    assert!(authorization.is_sensitive());
    assert_eq!(asked.headers.get("accept").unwrap(), "application/json");
    assert_eq!(asked.headers.len(), 2);
    assert_eq!((asked.limits.timeout, asked.limits.max_body), (secs(3), 64 * 1024));
    assert_clean(&format!("{asked:?}"));
    assert_eq!((token.subject(), token.issuer()), (Some("alice"), Some(ISSUER)));
}

#[test]
fn google_is_sent_the_token_in_a_form_and_never_in_the_address() {
    let world = World::answering(Reply::document(of_google(&json!({})).to_string()));
    verify(&world.google().build().unwrap()).unwrap();
    let [asked] = &world.script.asked()[..] else { panic!() };
    assert_eq!((&asked.method, &*asked.url), (&Method::POST, GOOGLE));
    let escaped = TOKEN.replace('~', "%7E").replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    assert_eq!(asked.body, format!("access_token={escaped}"));
    assert_eq!(asked.headers.get("content-type").unwrap(), "application/x-www-form-urlencoded");
    assert_eq!(asked.headers.get("accept").unwrap(), "application/json");
    assert!(asked.headers.get("authorization").is_none());
    assert_eq!((asked.limits.timeout, asked.limits.max_body), (secs(5), 64 * 1024));
    assert!(!asked.url.contains(&TOKEN[..8]));
}

const HTML: &str = "<!DOCTYPE html><html><title>Sign in</title></html>";

fn page(status: u16) -> Reply {
    Reply::Document(status.try_into().unwrap(), http::HeaderMap::new(), HTML.into())
        .with("content-type", "text/html; charset=utf-8")
}

fn json_of(status: u16, body: &str) -> Reply {
    Reply::Document(status.try_into().unwrap(), http::HeaderMap::new(), body.to_owned().into())
        .with("content-type", "application/json")
}

/// What a verifier makes of an answer. It asks once, and says nothing of the token.
fn assert_outcome(name: &str, reply: Reply, expected: &str) {
    let world = World::answering(reply);
    let verdict = verify(&world.builder().build().unwrap());
    assert_eq!(outcome(&verdict), expected, "{name}");
    assert_eq!(world.script.count(), 1, "{name}: nobody follows or asks again");
    if let Err(error) = &verdict {
        assert_clean(&everything_of(error));
        assert!(!error.is_misconfigured(), "{name}");
    }
}

#[test]
fn a_lifetime_is_counted_from_the_answer() {
    for (answer, expected) in [
        (json!({ "sub": "a", "left": 60 }), "good"),
        (json!({ "sub": "a", "left": null }), "good"),
        (json!({ "sub": "a" }), "good"),
        (json!({ "sub": "a", "left": 0 }), "expired"),
        (json!({ "sub": "a", "left": "60" }), "unavailable"),
        (json!({ "sub": "a", "left": -1 }), "unavailable"),
        (json!({ "sub": "a", "left": u64::MAX }), "unavailable"),
    ] {
        let world = World::answering(Reply::document(answer.to_string()));
        let verdict = verify(&world.builder().expires_in_at("/left").build().unwrap());
        assert_eq!(outcome(&verdict), expected, "{answer}");
        if answer["left"] == 60 {
            let end = SystemTime::UNIX_EPOCH + secs(START + 60);
            assert_eq!(verdict.unwrap().expires_at(), Some(end));
        }
    }
}

#[test]
fn only_a_refusal_of_the_token_itself_is_a_rejection() {
    let challenge = |status, value: &str| Reply::status(status).with("www-authenticate", value);
    let good = r#"{"sub":"alice"}"#;
    for (name, reply, expected) in [
        ("200", Reply::document(good), "good"),
        ("200 as text", Reply::document(good).with("content-type", "text/plain"), "good"),
        ("401", Reply::status(401), "inactive"),
        ("401 in JSON", json_of(401, r#"{"error":"invalid_token"}"#), "inactive"),
        ("401 with a challenge", challenge(401, r#"Bearer error="invalid_token""#), "inactive"),
        ("401 with challenges, one of them for a token", challenge(401, "Basic, Bearer"), "inactive"),
        ("401 of a proxy", challenge(401, r#"Basic realm="staging""#), "unavailable"),
        (
            "401 of a page of XML",
            Reply::status(401).with("content-type", "application/xhtml+xml"),
            "unavailable",
        ),
        ("401 of a page", page(401), "unavailable"),
        ("401 of a page, in capitals", Reply::status(401).with("content-type", "TEXT/HTML"), "unavailable"),
        ("403", Reply::status(403), "unavailable"),
        ("403 in JSON", json_of(403, r#"{"error":"insufficient_scope"}"#), "unavailable"),
        ("403 of a page", page(403), "unavailable"),
        (
            "403 without scope",
            challenge(403, r#"Bearer error="insufficient_scope", scope="openid""#),
            "claim",
        ),
        ("403 of another kind", challenge(403, r#"Bearer error="access_denied""#), "unavailable"),
        ("429", Reply::status(429), "unavailable"),
        ("400", Reply::status(400), "unavailable"),
        ("404", Reply::status(404), "unavailable"),
        ("405", Reply::status(405), "unavailable"),
        ("410", Reply::status(410), "unavailable"),
        ("500", Reply::status(500), "unavailable"),
        ("502 of a page", page(502), "unavailable"),
        ("503", Reply::status(503), "unavailable"),
        ("201", json_of(201, good), "unavailable"),
        ("204", Reply::status(204), "unavailable"),
        ("206", json_of(206, good), "unavailable"),
        ("301", Reply::status(301).with("location", "https://evil.example/me"), "unavailable"),
        ("302 with an answer", json_of(302, good).with("location", "/login"), "unavailable"),
        ("304", Reply::status(304), "unavailable"),
        ("nobody there", Reply::Fails, "unavailable"),
    ] {
        assert_outcome(name, reply, expected);
    }
}

#[test]
fn an_answer_that_cannot_be_read_strictly_proves_nothing() {
    let good = r#"{"sub":"alice"}"#;
    let huge = format!(r#"{{"sub":"alice","padding":"{}"}}"#, "x".repeat(64 * 1024));
    let deep = format!(r#"{{"sub":"alice","a":{}{}}}"#, "[".repeat(100), "]".repeat(100));
    for (name, reply) in [
        ("200 of a page", page(200)),
        ("200 of nothing", Reply::document("")),
        ("200 of a text", Reply::document(r#""alice""#)),
        ("200 of a list", Reply::document(format!("[{good}]"))),
        ("200 of two objects", Reply::document(format!("{good}{good}"))),
        ("200 cut short", Reply::document(&good.as_bytes()[..good.len() - 1])),
        ("200 with a name twice", Reply::document(r#"{"sub":"alice","sub":"bob"}"#)),
        ("200 with an escaped name twice", Reply::document(r#"{"sub":"alice","\u0073ub":"bob"}"#)),
        ("200 with another name twice", Reply::document(r#"{"sub":"alice","a":1,"a":1}"#)),
        ("200 with a comma too many", Reply::document(r#"{"sub":"alice",}"#)),
        ("200 in UTF-16", Reply::document(&b"\xff\xfe{\0}\0"[..])),
        ("200 that is no text", Reply::document(&b"{\"sub\":\"\xff\"}"[..])),
        ("200 of more than is read", Reply::document(huge)),
        ("200 of too many levels", Reply::document(deep)),
        ("200 with a mark before it", Reply::document(format!("\u{feff}{good}"))),
        ("200 about nobody", Reply::document("{}")),
        ("200 with an error", Reply::document(r#"{"error":"invalid_token"}"#)),
    ] {
        assert_outcome(name, reply, "unavailable");
    }
}

#[test]
fn a_provider_that_says_when_to_ask_again_is_heard() {
    for (status, field, seconds) in [
        (429, "30", Some(30)),
        (503, "7", Some(7)),
        (500, "9", Some(9)),
        (403, "1", Some(1)),
        (429, "soon", None),
    ] {
        let world = World::answering(Reply::status(status).with("retry-after", field));
        let error = verify(&world.builder().build().unwrap()).unwrap_err();
        assert_eq!(error.retry_delay(), seconds.map(secs), "{status} {field}");
        let error = verify(&world.google().build().unwrap()).unwrap_err();
        assert_eq!(error.retry_delay(), seconds.map(secs), "{status} {field} of Google");
    }
}

#[test]
fn the_subject_is_a_text_or_a_whole_number_at_its_place() {
    for (place, answer, expected) in [
        ("/sub", json!({ "sub": "alice" }), Some("alice")),
        ("/sub", json!({ "sub": 42 }), Some("42")),
        ("/sub", json!({ "sub": 0 }), Some("0")),
        ("/sub", json!({ "sub": u64::MAX }), Some("18446744073709551615")),
        ("/sub", json!({ "sub": 9_007_199_254_740_993_u64 }), Some("9007199254740993")),
        ("/sub", json!({ "sub": "0042" }), Some("0042")),
        ("/user/id", json!({ "user": { "id": 7 }, "sub": "another" }), Some("7")),
        ("/users/1/id", json!({ "users": [{ "id": "a" }, { "id": "b" }] }), Some("b")),
        ("/https:~1~1example.com~1id", json!({ "https://example.com/id": "alice" }), Some("alice")),
        ("/a~0b", json!({ "a~b": "alice" }), Some("alice")),
        ("/", json!({ "": "alice" }), Some("alice")),
        ("/sub", json!({ "sub": "" }), None),
        ("/sub", json!({ "sub": null }), None),
        ("/sub", json!({ "sub": 1.5 }), None),
        ("/sub", json!({ "sub": 1e300 }), None),
        ("/sub", json!({ "sub": true }), None),
        ("/sub", json!({ "sub": ["alice"] }), None),
        ("/sub", json!({ "sub": { "id": "alice" } }), None),
        ("/sub", json!({ "Sub": "alice" }), None),
        ("/sub", json!({ "user": { "sub": "alice" } }), None),
        ("/user/id", json!({ "user": null }), None),
        ("/user/id", json!({ "user": "alice" }), None),
        ("/users/2/id", json!({ "users": [{ "id": "a" }] }), None),
        ("/users/-1", json!({ "users": ["a"] }), None),
        ("/sub", json!({ "id": "alice", "username": "alice" }), None),
    ] {
        let verdict = read(&answer, |builder| builder.subject_at(place));
        match expected {
            Some(subject) => assert_eq!(verdict.unwrap().subject(), Some(subject), "{answer}"),
            None => assert_eq!(kind(&verdict), VerifyErrorKind::Unavailable, "{answer}"),
        }
    }
    // A number that no integer holds would name two people.
    let world = World::answering(Reply::document(r#"{"sub":18446744073709551616}"#));
    assert_eq!(outcome(&verify(&world.builder().build().unwrap())), "unavailable");
}

#[test]
fn scopes_are_a_list_in_one_text_or_in_many() {
    for (answer, expected) in [
        (json!({ "scope": "read write" }), Some("read write")),
        (json!({ "scope": ["read", "write"] }), Some("read write")),
        (json!({ "scope": "" }), Some("")),
        (json!({ "scope": [] }), Some("")),
        (json!({ "scope": null }), Some("")),
        (json!({}), Some("")),
        (json!({ "scope": "read,write" }), Some("read,write")),
        (json!({ "scope": 1 }), None),
        (json!({ "scope": true }), None),
        (json!({ "scope": { "read": true } }), None),
        (json!({ "scope": ["read", 1] }), None),
        (json!({ "scope": ["read", null] }), None),
        (json!({ "scope": [["read"]] }), None),
    ] {
        let mut answer = answer;
        answer["sub"] = "alice".into();
        let verdict = read(&answer, |builder| builder.scopes_at("/scope"));
        match expected {
            Some(scopes) => assert_eq!(verdict.unwrap().scopes().as_str(), scopes, "{answer}"),
            None => assert_eq!(kind(&verdict), VerifyErrorKind::Unavailable, "{answer}"),
        }
        assert!(read(&answer, |builder| builder).unwrap().scopes().is_empty(), "nobody said where they are");
    }
}

#[test]
fn the_client_is_named_if_the_answer_names_one() {
    for (answer, expected) in [
        (json!({ "app": { "id": "web" } }), Some(Some("web"))),
        (json!({ "app": { "id": 12 } }), Some(Some("12"))),
        (json!({ "app": { "id": null } }), Some(None)),
        (json!({ "app": {} }), Some(None)),
        (json!({}), Some(None)),
        (json!({ "app": { "id": "" } }), None),
        (json!({ "app": { "id": [] } }), None),
        (json!({ "app": { "id": false } }), None),
    ] {
        let mut answer = answer;
        answer["sub"] = "alice".into();
        let verdict = read(&answer, |builder| builder.client_at("/app/id"));
        match expected {
            Some(client) => assert_eq!(verdict.unwrap().client(), client, "{answer}"),
            None => assert_eq!(kind(&verdict), VerifyErrorKind::Unavailable, "{answer}"),
        }
    }
}

#[test]
fn the_expiry_has_to_be_there_where_it_was_said_to_be() {
    for (answer, expected, end) in [
        (json!({ "exp": START + 60 }), "good", Some(START + 60)),
        (json!({ "exp": (START + 60).to_string() }), "good", Some(START + 60)),
        (json!({ "exp": "2026-01-01T00:01:00Z" }), "good", Some(START + 60)),
        (json!({ "exp": "2026-01-01T01:01:00+01:00" }), "good", Some(START + 60)),
        (json!({ "exp": "2026-01-01T00:01:00.000000+00:00" }), "good", Some(START + 60)),
        (json!({ "exp": 253_402_300_799_u64 }), "good", Some(253_402_300_799)),
        // A minute for clocks that differ.
        (json!({ "exp": START - 59 }), "good", Some(START - 59)),
        (json!({ "exp": START - 60 }), "expired", None),
        (json!({ "exp": "2025-12-31T23:59:00Z" }), "expired", None),
        (json!({ "exp": 0 }), "expired", None),
        (json!({ "exp": "0" }), "expired", None),
        (json!({ "exp": "1969-12-31T23:59:59Z" }), "expired", None),
        (json!({ "exp": null }), "unavailable", None),
        (json!({}), "unavailable", None),
        (json!({ "exp": "" }), "unavailable", None),
        (json!({ "exp": "soon" }), "unavailable", None),
        (json!({ "exp": "2026-01-01" }), "unavailable", None),
        (json!({ "exp": "2026-01-01T00:01:00" }), "unavailable", None),
        (json!({ "exp": -1 }), "unavailable", None),
        (json!({ "exp": "-1" }), "unavailable", None),
        (json!({ "exp": 253_402_300_800_u64 }), "unavailable", None),
        (json!({ "exp": 1e300 }), "unavailable", None),
        (json!({ "exp": "9".repeat(400) }), "unavailable", None),
        (json!({ "exp": true }), "unavailable", None),
        (json!({ "exp": [START + 60] }), "unavailable", None),
        (json!({ "exp": { "at": START + 60 } }), "unavailable", None),
        // In milliseconds, as some write: beyond all dates.
        (json!({ "exp": (START + 60) * 1_000 }), "unavailable", None),
    ] {
        let mut answer = answer;
        answer["sub"] = "alice".into();
        let verdict = read(&answer, |builder| builder.expiry_at("/exp"));
        assert_eq!(outcome(&verdict), expected, "{answer}");
        if let Ok(token) = &verdict {
            assert_eq!(token.expires_at(), end.map(at), "{answer}");
            let end = token.expires_at().unwrap();
            assert!(!token.is_expired(end + secs(59)) && token.is_expired(end + secs(60)));
        }
        let unread = read(&answer, |builder| builder).unwrap();
        assert_eq!(unread.expires_at(), None, "nobody said where it is");
    }
}

#[test]
fn the_audience_has_to_be_one_of_ours() {
    for (answer, expected) in [
        (json!({ "aud": "web" }), "good"),
        (json!({ "aud": "app" }), "good"),
        (json!({ "aud": ["other", "web"] }), "good"),
        (json!({ "aud": 77 }), "good"),
        (json!({ "aud": [1, 77] }), "good"),
        (json!({ "aud": "other" }), "audience"),
        (json!({ "aud": "web app" }), "audience"),
        (json!({ "aud": "WEB" }), "audience"),
        (json!({ "aud": "webb" }), "audience"),
        (json!({ "aud": " web" }), "audience"),
        (json!({ "aud": ["other"] }), "audience"),
        (json!({ "aud": [] }), "audience"),
        (json!({ "aud": "" }), "audience"),
        (json!({ "aud": null }), "audience"),
        (json!({}), "audience"),
        (json!({ "aud": ["web", null] }), "audience"),
        (json!({ "aud": [["web"]] }), "audience"),
        (json!({ "aud": { "web": true } }), "audience"),
        (json!({ "aud": true }), "audience"),
        (json!({ "aud": 77.5 }), "audience"),
        (json!({ "Aud": "web", "azp": "web", "client_id": "web" }), "audience"),
    ] {
        let mut answer = answer;
        answer["sub"] = "alice".into();
        let world = World::answering(Reply::document(answer.to_string()));
        let builder = world.strict().audience_at("/aud", "web").audience_at("/aud", "app");
        let verdict = verify(&builder.audience_at("/aud", "77").build().unwrap());
        assert_eq!(outcome(&verdict), expected, "{answer}");
        if let Ok(token) = verdict {
            assert!(token.audiences().any(|audience| ["web", "app", "77"].contains(&audience)));
        }
    }
}

#[test]
fn what_the_answer_says_becomes_the_claims_but_for_the_token() {
    let answer = json!({
        "sub": "alice",
        "email": "alice@example.com",
        "email_verified": true,
        "address": { "country": "IE", "street": null },
        "groups": ["a", "b"],
        "nothing": null,
        "access_token": TOKEN,
        "nested": { "list": [{ "token": TOKEN }] },
        "sentence": format!("The token {TOKEN} is good"),
        "half": &TOKEN[..TOKEN.len() - 1],
        TOKEN: 1,
    });
    let token = read(&answer, |builder| builder).unwrap();
    let mut names: Vec<&str> = token.claims().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["address", "email", "email_verified", "groups", "half", "sub"]);
    assert_eq!(token.claim::<bool>("email_verified"), Some(true));
    let escaped: String = TOKEN.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
    let world =
        World::answering(Reply::document(format!(r#"{{"sub":"alice","t":"{escaped}","{escaped}":1}}"#)));
    let token = verify(&world.builder().build().unwrap()).unwrap();
    assert_eq!(token.claims().len(), 1, "written otherwise it is the same");
}

#[test]
fn an_answer_that_names_the_token_as_somebody_does_not_get_it_into_the_access_token() {
    let places: [(&str, Value); 4] = [
        ("the subject", json!({ "sub": TOKEN })),
        ("the client", json!({ "sub": "alice", "app": TOKEN })),
        ("a scope", json!({ "sub": "alice", "scope": ["read", TOKEN] })),
        ("an audience", json!({ "sub": "alice", "aud": ["web", TOKEN] })),
    ];
    let mut holders = Vec::new();
    for (name, answer) in places {
        let world = World::answering(Reply::document(answer.to_string()));
        let builder = world.strict().client_at("/app").scopes_at("/scope");
        let builder = match name {
            "an audience" => builder.audience_at("/aud", "web"),
            _ => builder.insecure_allow_any_audience(),
        };
        let Ok(token) = verify(&builder.build().unwrap()) else { continue };
        let audiences: Vec<_> = token.audiences().collect();
        let (principal, client, scopes) = (token.principal(), token.client(), token.scopes());
        let text =
            format!("{token:?} {principal:?} {client:?} {scopes:?} {audiences:?} {:?}", token.claims());
        if text.contains(TOKEN) {
            holders.push(name);
        }
    }
    assert_eq!(holders, [""; 0], "an access token never holds the raw token");
}

#[test]
fn a_further_way_to_reject_is_the_status_together_with_the_text() {
    let text = |status: u16, body: &str| {
        Reply::Document(status.try_into().unwrap(), http::HeaderMap::new(), body.to_owned().into())
    };
    for (name, reply, expected) in [
        ("both", text(403, "Bad_OAuth_Token"), "inactive"),
        (
            "both, in a page",
            text(403, "<b>Bad_OAuth_Token</b>").with("content-type", "text/html"),
            "inactive",
        ),
        ("another text", text(403, "Missing_OAuth_Token"), "unavailable"),
        ("another case", text(403, "bad_oauth_token"), "unavailable"),
        ("another status", text(500, "Bad_OAuth_Token"), "unavailable"),
        ("no text", text(403, ""), "unavailable"),
        ("not instead of 401", text(401, ""), "inactive"),
        ("not instead of 200", text(200, r#"{"sub":"alice","a":"Bad_OAuth_Token"}"#), "good"),
    ] {
        let world = World::answering(reply);
        let verifier = world.builder().rejection(403, "Bad_OAuth_Token").build().unwrap();
        assert_eq!(outcome(&verify(&verifier)), expected, "{name}");
    }
}

/// A provider, as somebody would set it up from its manual.
struct Preset {
    name: &'static str,
    url: &'static str,
    set: fn(UserInfoVerifierBuilder) -> UserInfoVerifierBuilder,
    issuer: &'static str,
    /// What it answers, and what that means.
    answers: Vec<(Reply, &'static str)>,
    /// Subject, client, scopes, end of the first answer.
    says: (&'static str, Option<&'static str>, &'static str, Option<u64>),
}

fn changed(answer: &Value, place: &str, value: Value) -> Reply {
    let mut answer = answer.clone();
    *answer.pointer_mut(place).unwrap() = value;
    Reply::document(answer.to_string())
}

fn gitlab() -> Preset {
    let answer = json!({
        "resource_owner_id": 1,
        "scope": ["api", "read_user"],
        "expires_in": 7200,
        "application": { "uid": "1cb242f495280beb4291e64bee2a17f330902e499882fe8e1e2aa875519cab33" },
        "created_at": 1_575_890_427,
        "scopes": ["api", "read_user"],
        "expires_in_seconds": 7200,
    });
    Preset {
        name: "GitLab",
        url: "https://gitlab.com/oauth/token/info",
        set: |builder| {
            let uid = "1cb242f495280beb4291e64bee2a17f330902e499882fe8e1e2aa875519cab33";
            let builder = builder.subject_at("/resource_owner_id").scopes_at("/scope");
            builder.audience_at("/application/uid", uid).client_at("/application/uid")
        },
        issuer: "https://gitlab.com",
        says: (
            "1",
            Some("1cb242f495280beb4291e64bee2a17f330902e499882fe8e1e2aa875519cab33"),
            "api read_user",
            None,
        ),
        answers: vec![
            (Reply::document(answer.to_string()), "good"),
            (changed(&answer, "/application/uid", "another".into()), "audience"),
            // A personal token, which is of no application.
            (changed(&answer, "/application/uid", Value::Null), "audience"),
            (
                json_of(
                    401,
                    r#"{"error":"invalid_token","error_description":"The access token is invalid"}"#,
                ),
                "inactive",
            ),
            (json_of(429, "Retry later"), "unavailable"),
            (page(502), "unavailable"),
            (page(200), "unavailable"),
        ],
    }
}

fn atlassian() -> Preset {
    let answer = json!({
        "account_type": "atlassian",
        "account_id": "112233aa-bb11-cc22-33dd-445566abcabc",
        "email": "mia@example.com",
        "name": "Mia Krystof",
        "picture": "https://avatar-management--avatars.example.com/initials/MK.png",
        "account_status": "active",
        "nickname": "mkrystof",
        "zoneinfo": "Australia/Sydney",
        "locale": "en-US",
        "extended_profile": { "job_title": "Designer", "organization": "mia@example.com", "location": "Sydney" },
    });
    Preset {
        name: "Atlassian",
        url: "https://api.atlassian.com/me",
        set: |builder| builder.subject_at("/account_id").insecure_allow_any_audience(),
        issuer: "https://auth.atlassian.com",
        says: ("112233aa-bb11-cc22-33dd-445566abcabc", None, "", None),
        answers: vec![
            (Reply::document(answer.to_string()), "good"),
            (json_of(401, r#"{"code":401,"message":"Unauthorized"}"#), "inactive"),
            (
                json_of(403, r#"{"code":403,"message":"The app is not authorized to access this"}"#),
                "unavailable",
            ),
            (json_of(429, "{}"), "unavailable"),
        ],
    }
}

fn salesforce() -> Preset {
    let answer = json!({
        "sub": "https://login.salesforce.com/id/00Dx0000000ABCDEA4/005x0000001HGTPAA4",
        "user_id": "005x0000001HGTPAA4",
        "organization_id": "00Dx0000000ABCDEA4",
        "preferred_username": "alice@example.com",
        "email_verified": true,
        "active": true,
        "urls": { "enterprise": "https://example.my.salesforce.com/services/Soap/c/{version}/00Dx" },
        "updated_at": "2025-04-02T10:11:12Z",
        "is_app_installed": true,
    });
    Preset {
        name: "Salesforce",
        url: "https://login.salesforce.com/services/oauth2/userinfo",
        set: |builder| builder.rejection(403, "Bad_OAuth_Token").insecure_allow_any_audience(),
        issuer: "https://login.salesforce.com",
        says: ("https://login.salesforce.com/id/00Dx0000000ABCDEA4/005x0000001HGTPAA4", None, "", None),
        answers: vec![
            (Reply::document(answer.to_string()), "good"),
            (json_of(403, "Bad_OAuth_Token").with("content-type", "text/html;charset=UTF-8"), "inactive"),
            (
                json_of(403, "Missing_OAuth_Token").with("content-type", "text/html;charset=UTF-8"),
                "unavailable",
            ),
            (
                json_of(
                    403,
                    r#"[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]"#,
                ),
                "unavailable",
            ),
            (page(503), "unavailable"),
        ],
    }
}

fn discord() -> Preset {
    let answer = json!({
        "application": {
            "id": "159799960412356608",
            "name": "AIRHORN SOLUTIONS",
            "icon": "f03590d3eb764081d154a66340ea7d6d",
            "description": "",
            "hook": true,
            "bot_public": true,
            "bot_require_code_grant": false,
            "verify_key": "c8cde6a3c8c6e49d86af3191287b3ce255872be1fff6dc285bdb420c06a2c3c8",
        },
        "scopes": ["guilds.join", "identify"],
        "expires": "2026-01-23T02:33:17.017000+00:00",
        "user": {
            "id": "268473310986240001",
            "username": "discord",
            "avatar": "f749bb0cbeeb26ef21eca719337d20f1",
            "discriminator": "0",
            "global_name": "Discord",
            "public_flags": 131_072,
        },
    });
    Preset {
        name: "Discord",
        url: "https://discord.com/api/oauth2/@me",
        set: |builder| {
            builder
                .audience_at("/application/id", "159799960412356608")
                .client_at("/application/id")
                .subject_at("/user/id")
                .scopes_at("/scopes")
                .expiry_at("/expires")
        },
        issuer: "https://discord.com",
        says: ("268473310986240001", Some("159799960412356608"), "guilds.join identify", Some(1_769_135_597)),
        answers: vec![
            (Reply::document(answer.to_string()), "good"),
            (changed(&answer, "/application/id", "157730590492196864".into()), "audience"),
            (changed(&answer, "/expires", "2025-12-23T02:33:17.017000+00:00".into()), "expired"),
            (json_of(401, r#"{"message":"401: Unauthorized","code":0}"#), "inactive"),
            (
                json_of(
                    429,
                    r#"{"message":"You are being rate limited.","retry_after":64.57,"global":false}"#,
                ),
                "unavailable",
            ),
            (page(403), "unavailable"),
        ],
    }
}

fn hugging_face() -> Preset {
    let answer = json!({
        "sub": "62441cb7456803e95009a08f",
        "name": "Eliott Coyac",
        "preferred_username": "coyotte508",
        "profile": "https://huggingface.co/coyotte508",
        "picture": "https://cdn-avatars.huggingface.co/v1/production/uploads/1.png",
        "website": null,
        "isPro": true,
        "canPay": true,
        "orgs": [{ "sub": "5e67bd5b1009063689407478", "name": "Hugging Face", "isEnterprise": true, "roleInOrg": "admin" }],
    });
    Preset {
        name: "Hugging Face",
        url: "https://huggingface.co/oauth/userinfo",
        set: UserInfoVerifierBuilder::insecure_allow_any_audience,
        issuer: "https://huggingface.co",
        says: ("62441cb7456803e95009a08f", None, "", None),
        answers: vec![
            (Reply::document(answer.to_string()), "good"),
            (json_of(401, r#"{"error":"Invalid username or password."}"#), "inactive"),
            (page(401), "unavailable"),
            (json_of(503, ""), "unavailable"),
        ],
    }
}

#[tokio::test]
async fn providers_are_set_up_by_their_manuals() {
    for preset in [gitlab(), atlassian(), salesforce(), discord(), hugging_face()] {
        let world = World::new();
        let builder = UserInfoVerifier::builder(preset.issuer).endpoint(preset.url);
        let builder = builder.http_client(world.script.clone()).clock(world.clock.clone());
        let verifier = (preset.set)(builder).build().unwrap();
        let app = world.app(verifier.clone());
        for (number, (reply, expected)) in preset.answers.into_iter().enumerate() {
            world.script.set(preset.url, reply);
            let verdict = verifier.verify(&bearer()).await;
            let place = format!("{}, answer {number}", preset.name);
            assert_eq!(outcome(&verdict), expected, "{place}");
            let status = match expected {
                "good" => 200,
                "unavailable" => 503,
                _ => 401,
            };
            assert_eq!(app.status(TOKEN).await, status, "{place}");
            if let Ok(token) = verdict {
                let (subject, client, scopes, end) = preset.says;
                assert_eq!(
                    (token.subject(), token.issuer()),
                    (Some(subject), Some(preset.issuer)),
                    "{place}"
                );
                assert_eq!((token.client(), token.scopes().as_str()), (client, scopes), "{place}");
                let end_of = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
                assert_eq!(token.expires_at().map(end_of), end, "{place}");
            }
        }
        assert_eq!(verifier.issuers(), [preset.issuer.into()]);
        assert!(world.script.urls().iter().all(|url| url == preset.url));
    }
}

#[test]
fn a_token_of_another_application_is_rejected_even_where_the_answer_names_no_user() {
    // Discord names the user if the token has the scope `identify`; GitLab, if there is one.
    let of_discord = json!({
        "application": { "id": "157730590492196864", "name": "Another" },
        "scopes": ["guilds"],
        "expires": "2026-01-23T02:33:17.017000+00:00",
    });
    let of_gitlab = json!({
        "resource_owner_id": null,
        "scope": ["api"],
        "expires_in": 7200,
        "application": { "uid": "another" },
        "created_at": 1_575_890_427,
    });
    for (preset, answer) in [(discord(), of_discord), (gitlab(), of_gitlab)] {
        let world = World::new();
        world.script.set(preset.url, Reply::document(answer.to_string()));
        let builder = UserInfoVerifier::builder(preset.issuer).endpoint(preset.url);
        let builder = builder.http_client(world.script.clone()).clock(world.clock.clone());
        let verdict = verify(&(preset.set)(builder).build().unwrap());
        assert_eq!(outcome(&verdict), "audience", "{}", preset.name);
    }
}

/// An answer of Google about a good token, and what is different in it. `null` leaves a member out.
fn of_google(changes: &Value) -> Value {
    let mut answer = json!({
        "azp": CLIENT,
        "aud": CLIENT,
        "sub": "110169484474386276334",
        "scope": "openid https://www.googleapis.com/auth/userinfo.email",
        "exp": (START + 3_599).to_string(),
        "expires_in": "3599",
        "email": "alice@example.com",
        "email_verified": "true",
        "access_type": "online",
    });
    for (name, value) in changes.as_object().unwrap() {
        answer[name] = value.clone();
    }
    answer.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    answer
}

#[test]
fn google_vouches_for_tokens_of_our_clients_alone() {
    const OTHER: &str = "456-def.apps.googleusercontent.com";
    for (name, changes, one, two) in [
        ("ours", json!({}), "good", "good"),
        ("of our other client", json!({ "aud": OTHER }), "audience", "good"),
        ("of somebody else", json!({ "aud": "789-ghi.apps.googleusercontent.com" }), "audience", "audience"),
        ("a list with us", json!({ "aud": ["x", CLIENT] }), "good", "good"),
        ("a list without us", json!({ "aud": ["x", "y"] }), "audience", "audience"),
        ("no audience", json!({ "aud": null }), "audience", "audience"),
        ("an empty audience", json!({ "aud": "" }), "audience", "audience"),
        ("ours as azp only", json!({ "aud": null, "azp": CLIENT }), "audience", "audience"),
        ("asked for by another", json!({ "azp": OTHER }), "good", "good"),
        ("no azp", json!({ "azp": null }), "good", "good"),
        ("without openid", json!({ "sub": null }), "claim", "claim"),
        ("without openid, of somebody else", json!({ "sub": null, "aud": "x" }), "audience", "audience"),
        ("an empty subject", json!({ "sub": "" }), "unavailable", "unavailable"),
        ("a subject of a wrong type", json!({ "sub": ["x"] }), "unavailable", "unavailable"),
        ("an end as a number", json!({ "exp": START + 60 }), "good", "good"),
        ("an end within a minute", json!({ "exp": (START - 59).to_string() }), "good", "good"),
        ("ended", json!({ "exp": (START - 60).to_string() }), "expired", "expired"),
        ("ended long ago", json!({ "exp": "0" }), "expired", "expired"),
        ("no end", json!({ "exp": null }), "unavailable", "unavailable"),
        ("no end but a span", json!({ "exp": null, "expires_in": "3599" }), "unavailable", "unavailable"),
        ("an end that is no date", json!({ "exp": "soon" }), "unavailable", "unavailable"),
        ("no scopes", json!({ "scope": null }), "good", "good"),
        ("scopes of a wrong type", json!({ "scope": 1 }), "unavailable", "unavailable"),
        ("a client of a wrong type", json!({ "azp": true }), "unavailable", "unavailable"),
    ] {
        let world = World::answering(Reply::document(of_google(&changes).to_string()));
        assert_eq!(outcome(&verify(&world.google().build().unwrap())), one, "{name}");
        assert_eq!(outcome(&verify(&world.google().add_client(OTHER).build().unwrap())), two, "{name}");
    }
}

#[test]
fn what_google_says_is_told() {
    let world = World::answering(Reply::document(of_google(&json!({ "azp": "another" })).to_string()));
    let verifier = world.google().build().unwrap();
    let token = verify(&verifier).unwrap();
    assert_eq!(token.subject(), Some("110169484474386276334"));
    assert_eq!(token.issuer(), Some("https://accounts.google.com"));
    assert_eq!(token.client(), Some("another"));
    assert_eq!(token.audiences().collect::<Vec<_>>(), [CLIENT]);
    assert!(token.scopes().contains("openid"));
    assert!(token.scopes().contains("https://www.googleapis.com/auth/userinfo.email"));
    assert!(!token.scopes().contains("email"), "scopes are Google's, in full");
    assert_eq!(token.expires_at(), Some(at(START + 3_599)));
    assert_eq!(token.claim::<String>("email").as_deref(), Some("alice@example.com"));
    assert_eq!(verifier.issuers(), ["https://accounts.google.com".into()]);
}

#[test]
fn google_rejects_by_400_and_the_words_for_it_and_by_nothing_else() {
    let invalid = r#"{"error":"invalid_token","error_description":"Invalid Value"}"#;
    for (name, reply, expected) in [
        ("invalid", json_of(400, invalid), "inactive"),
        ("invalid, without words", json_of(400, r#"{"error":"invalid_token"}"#), "inactive"),
        ("invalid, by the words", json_of(400, r#"{"error_description":"Invalid Value"}"#), "inactive"),
        ("our request", json_of(400, r#"{"error":"invalid_request"}"#), "unavailable"),
        (
            "either form",
            json_of(
                400,
                r#"{"error_description":"either access_token, id_token, or token_handle required"}"#,
            ),
            "unavailable",
        ),
        ("an error of another form", json_of(400, r#"{"error":{"status":"invalid_token"}}"#), "unavailable"),
        ("nested words", json_of(400, &format!(r#"{{"error":{invalid}}}"#)), "unavailable"),
        ("a name twice", json_of(400, r#"{"error":"x","error":"invalid_token"}"#), "unavailable"),
        ("words in a text", json_of(400, "invalid_token"), "unavailable"),
        ("400 of nothing", Reply::status(400), "unavailable"),
        ("400 of a page", page(400), "unavailable"),
        ("401", json_of(401, invalid), "unavailable"),
        ("403", json_of(403, invalid), "unavailable"),
        ("404", json_of(404, invalid), "unavailable"),
        ("429", json_of(429, invalid), "unavailable"),
        ("500", json_of(500, invalid), "unavailable"),
        ("200 with an error", Reply::document(invalid), "audience"),
        ("200 of a page", page(200), "unavailable"),
        ("200 of nothing", Reply::document(""), "unavailable"),
        (
            "200 with a name twice",
            Reply::document(format!(r#"{{"aud":"x","aud":"{CLIENT}","sub":"a"}}"#)),
            "unavailable",
        ),
        ("302", Reply::status(302).with("location", "https://accounts.google.com"), "unavailable"),
        ("nobody there", Reply::Fails, "unavailable"),
    ] {
        let world = World::answering(reply);
        let verdict = verify(&world.google().build().unwrap());
        assert_eq!(outcome(&verdict), expected, "{name}");
        assert_eq!(world.script.count(), 1, "{name}");
        assert_clean(&everything_of(&verdict.unwrap_err()));
    }
}

#[test]
fn google_may_be_somewhere_else() {
    let elsewhere = "https://google.example.com/tokeninfo";
    let world = World::answering(Reply::Fails);
    world.script.set(elsewhere, Reply::document(of_google(&json!({})).to_string()));
    assert!(verify(&world.google().endpoint(elsewhere).build().unwrap()).is_ok());
    assert_eq!(world.script.urls(), [elsewhere]);
}

const METADATA: &str = "https://idp.example.com/.well-known/openid-configuration";

fn discovering(world: &World) -> UserInfoVerifier {
    let builder = UserInfoVerifier::builder(ISSUER).insecure_allow_any_audience();
    builder.http_client(world.script.clone()).clock(world.clock.clone()).build().unwrap()
}

#[test]
fn the_endpoint_is_found_in_the_metadata_of_the_issuer() {
    let good = json!({ "issuer": ISSUER, "userinfo_endpoint": ME });
    for (name, metadata, expected) in [
        ("good", good, "good"),
        (
            "another issuer",
            json!({ "issuer": "https://idp.example.com/", "userinfo_endpoint": ME }),
            "unavailable",
        ),
        ("no issuer", json!({ "userinfo_endpoint": ME }), "unavailable"),
        ("no endpoint", json!({ "issuer": ISSUER }), "unavailable"),
        (
            "an endpoint of a wrong type",
            json!({ "issuer": ISSUER, "userinfo_endpoint": [ME] }),
            "unavailable",
        ),
        (
            "an endpoint in the clear",
            json!({ "issuer": ISSUER, "userinfo_endpoint": "http://idp.example.com/me" }),
            "unavailable",
        ),
        (
            "an endpoint in the clear, here",
            json!({ "issuer": ISSUER, "userinfo_endpoint": "http://127.0.0.1/me" }),
            "unavailable",
        ),
        (
            "an endpoint with a name",
            json!({ "issuer": ISSUER, "userinfo_endpoint": "https://user@idp.example.com/me" }),
            "unavailable",
        ),
        ("a file", json!({ "issuer": ISSUER, "userinfo_endpoint": "file:///etc/passwd" }), "unavailable"),
    ] {
        let world = World::answering(Reply::document(r#"{"sub":"alice"}"#));
        world.script.set(METADATA, Reply::document(metadata.to_string()));
        let verdict = verify(&discovering(&world));
        assert_eq!(outcome(&verdict), expected, "{name}");
        let asked = world.script.asked();
        assert_eq!(
            asked.iter().filter(|asked| asked.headers.contains_key("authorization")).count(),
            usize::from(expected == "good"),
            "{name}: who may see the token"
        );
        assert!(asked.iter().all(|asked| !format!("{asked:?}").contains("S3cr3t")));
    }
}

#[test]
fn the_endpoint_is_looked_up_once_and_again_when_there_is_nothing_at_it() {
    let world = World::answering(Reply::document(r#"{"sub":"alice"}"#));
    let metadata = |endpoint: &str| {
        Reply::document(json!({ "issuer": ISSUER, "userinfo_endpoint": endpoint }).to_string())
    };
    world.script.set(METADATA, metadata(ME));
    let verifier = discovering(&world);
    for _ in 0..3 {
        assert_eq!(outcome(&verify(&verifier)), "good");
    }
    assert_eq!(world.script.urls(), [METADATA, ME, ME, ME]);
    // It moves.
    let moved = "https://idp.example.com/v2/me";
    world.script.set(ME, Reply::status(404));
    world.script.set(moved, Reply::document(r#"{"sub":"alice"}"#));
    world.script.set(METADATA, metadata(moved));
    assert_eq!(outcome(&verify(&verifier)), "unavailable");
    world.clock.advance(secs(2));
    assert_eq!(outcome(&verify(&verifier)), "good");
    assert_eq!(world.script.urls()[4..], [ME, METADATA, moved]);
    // An outage is no reason to look.
    world.script.set(moved, Reply::status(500));
    assert_eq!(outcome(&verify(&verifier)), "unavailable");
    assert_eq!(outcome(&verify(&verifier)), "unavailable");
    assert_eq!(world.script.urls()[7..], [moved, moved]);
}

#[test]
fn metadata_that_are_down_are_asked_for_again() {
    let world = World::answering(Reply::document(r#"{"sub":"alice"}"#));
    world.script.set(METADATA, Reply::Fails);
    let verifier = discovering(&world);
    for _ in 0..3 {
        assert_eq!(outcome(&verify(&verifier)), "unavailable");
    }
    assert_eq!(world.script.count(), 1, "not at once");
    world
        .script
        .set(METADATA, Reply::document(json!({ "issuer": ISSUER, "userinfo_endpoint": ME }).to_string()));
    world.clock.advance(secs(1));
    assert_eq!(outcome(&verify(&verifier)), "good");
}

#[tokio::test]
async fn an_outage_is_not_remembered_and_a_rejection_is() {
    for of_google in [false, true] {
        let world = World::answering(Reply::Fails);
        let layer = || CacheLayer::builder().clock(world.clock.clone()).build().unwrap();
        let rejection = match of_google {
            true => json_of(400, r#"{"error":"invalid_token"}"#),
            false => Reply::status(401),
        };
        let good = Reply::document(self::of_google(&json!({})).to_string());
        let app = match of_google {
            true => world.app(world.google().build().unwrap().cached(layer())),
            false => world.app(world.builder().build().unwrap().cached(layer())),
        };
        let answers = |reply: &Reply| {
            world.script.set(ME, reply.clone());
            world.script.set(GOOGLE, reply.clone());
        };
        for reply in [Reply::Fails, Reply::status(500), page(200), Reply::status(429)] {
            answers(&reply);
            let before = world.script.count();
            assert_eq!(app.status(TOKEN).await, 503);
            assert_eq!(app.status(TOKEN).await, 503);
            assert_eq!(world.script.count() - before, 2);
        }
        answers(&good);
        let before = world.script.count();
        for _ in 0..3 {
            assert_eq!(app.status(TOKEN).await, 200);
        }
        assert_eq!(world.script.count() - before, 1);
        answers(&rejection);
        let before = world.script.count();
        for _ in 0..3 {
            assert_eq!(app.status("another-token").await, 401);
        }
        assert_eq!(world.script.count() - before, 1);
        assert_eq!(app.status(TOKEN).await, 200, "until its time to live ends");
        world.clock.advance(secs(301));
        assert_eq!(app.status(TOKEN).await, 401);
    }
}

#[tokio::test]
async fn a_remembered_token_ends_when_the_answer_said_so() {
    let world = World::answering(Reply::document(r#"{"sub":"alice","exp":1767225660}"#));
    let layer = CacheLayer::builder().clock(world.clock.clone()).refresh_ahead(0).build().unwrap();
    let app = world.app(world.builder().expiry_at("/exp").build().unwrap().cached(layer));
    for (passed, status, asked) in [(0, 200, 1), (59, 200, 1), (1, 200, 2), (59, 200, 3), (1, 401, 4)] {
        world.clock.advance(secs(passed));
        assert_eq!((app.status(TOKEN).await, world.script.count()), (status, asked));
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_is_given_up() {
    for (limit, of_google) in [(None, false), (None, true), (Some(secs(1)), false), (Some(secs(1)), true)] {
        let world = World::answering(Reply::Hangs);
        let asked_at = tokio::time::Instant::now();
        let verdict = match (of_google, limit) {
            (true, None) => world.google().build().unwrap().verify(&bearer()).await,
            (true, Some(limit)) => world.google().timeout(limit).build().unwrap().verify(&bearer()).await,
            (false, None) => world.builder().build().unwrap().verify(&bearer()).await,
            (false, Some(limit)) => world.builder().timeout(limit).build().unwrap().verify(&bearer()).await,
        };
        assert_eq!(outcome(&verdict), "unavailable");
        assert_eq!(asked_at.elapsed(), limit.unwrap_or_else(|| secs(5)));
    }
}

#[tokio::test(start_paused = true)]
async fn so_many_tokens_are_asked_about_at_a_time_and_no_more() {
    let world = World::answering(Reply::document(r#"{"sub":"alice"}"#));
    let verifier = world.builder().max_upstream_calls(2).build().unwrap();
    world.script.hold();
    let ask = || {
        let verifier = verifier.clone();
        tokio::spawn(async move { outcome(&verifier.verify(&bearer()).await) })
    };
    let (first, second, third) = (ask(), ask(), ask());
    settle().await;
    assert_eq!(world.script.count(), 2);
    // Who goes away makes room.
    first.abort();
    settle().await;
    assert_eq!(world.script.count(), 3);
    world.script.release();
    assert_eq!((second.await.unwrap(), third.await.unwrap()), ("good", "good"));
    // Who gets no place in time cannot be told.
    world.script.set(ME, Reply::Hangs);
    let asked = [ask(), ask(), ask()];
    settle().await;
    assert_eq!(world.script.count(), 5);
    for asked in asked {
        assert_eq!(asked.await.unwrap(), "unavailable");
    }
    world.script.set(ME, Reply::document(r#"{"sub":"alice"}"#));
    assert_eq!(ask().await.unwrap(), "good");
}

#[tokio::test]
async fn a_client_that_panics_admits_nobody_and_gives_its_place_back() {
    for early in [false, true] {
        let world = World::answering(Reply::Panics { early });
        let app = world.app(world.builder().max_upstream_calls(1).build().unwrap());
        assert_eq!((app.status(TOKEN).await, app.status(TOKEN).await), (503, 503));
        world.script.set(ME, Reply::document(r#"{"sub":"alice"}"#));
        assert_eq!(app.status(TOKEN).await, 200);
    }
}

#[tokio::test]
async fn an_outage_is_a_warning_that_names_no_token() {
    for reply in
        [Reply::Fails, Reply::status(500), page(200), Reply::document(format!(r#"{{"x":"{TOKEN}"}}"#))]
    {
        let (logs, _guard) = Logs::capture();
        let world = World::answering(reply);
        let app = world.app(world.builder().build().unwrap());
        let response = app.ask(TOKEN).await;
        assert_eq!(response.status(), 503);
        assert!(response.headers().get("www-authenticate").is_none());
        assert_eq!((logs.count(Level::WARN), logs.count(Level::ERROR)), (1, 0));
        assert_clean(&logs.text());
        assert_clean(&format!("{:?} {:?}", response.headers(), response.extensions()));
    }
}

#[test]
fn every_token_is_recognised_and_nothing_is_known_without_asking() {
    let world = World::new();
    let (me, google) = (world.builder().build().unwrap(), world.google().build().unwrap());
    for token in ["x", "eyJh.e30.c2ln", TOKEN] {
        let token = BearerToken::new(token).unwrap();
        assert!(me.recognises(&token) && google.recognises(&token));
        assert!(me.verify_now(&token, at(START)).is_none() && google.verify_now(&token, at(START)).is_none());
    }
    assert_eq!((me.generation(), google.generation(), world.script.count()), (0, 0, 0));
}

#[test]
fn asking_again_is_asking() {
    let world = World::answering(Reply::document(r#"{"sub":"alice"}"#));
    let verifier = world.builder().build().unwrap();
    let last = AccessToken::verified().subject("bob").validator("v").build();
    let token = block_on(verifier.revalidate(&bearer(), &last)).unwrap();
    assert_eq!((token.subject(), token.validator()), (Some("alice"), None));
    assert_eq!(world.script.asked()[0].headers.get("if-none-match"), None);
}

#[test]
fn a_setting_that_cannot_work_is_named() {
    use BuildErrorKind::{Conflict, Empty, InsecureUrl, InvalidText, InvalidUrl, Missing, OutOfRange};
    type Builder = UserInfoVerifierBuilder;
    let script = Script::new();
    let any = |builder: Builder| builder.insecure_allow_any_audience().http_client(script.clone());
    let me = || any(UserInfoVerifier::builder(ISSUER).endpoint(ME));
    let strict = || UserInfoVerifier::builder(ISSUER).endpoint(ME).http_client(script.clone());
    let of = |issuer: &str| any(UserInfoVerifier::builder(issuer));
    let faults: Vec<(Builder, &str, BuildErrorKind)> = vec![
        (of("").endpoint(ME), "issuer", Empty),
        (of(" ").endpoint(ME), "issuer", Empty),
        (of("*").endpoint(ME), "issuer", Empty),
        (of("a b").endpoint(ME), "issuer", InvalidText),
        (of("http://idp.example.com").endpoint(ME), "issuer", InsecureUrl),
        (of("http://idp.example.com"), "issuer", InsecureUrl),
        (of("idp.example.com"), "issuer", InvalidUrl),
        (of("https://idp.example.com?a=b"), "issuer", InvalidUrl),
        (of("https://user@idp.example.com"), "issuer", InvalidUrl),
        (me().endpoint(""), "endpoint", InvalidUrl),
        (me().endpoint("/me"), "endpoint", InvalidUrl),
        (me().endpoint("http://idp.example.com/me"), "endpoint", InsecureUrl),
        (me().endpoint("https://user:pass@idp.example.com/me"), "endpoint", InvalidUrl),
        (me().endpoint("https://idp.example.com/me#x"), "endpoint", InvalidUrl),
        (me().subject_at(""), "subject_at", InvalidText),
        (me().subject_at("sub"), "subject_at", InvalidText),
        (me().subject_at("/a~2"), "subject_at", InvalidText),
        (me().client_at("client"), "client_at", InvalidText),
        (me().scopes_at(""), "scopes_at", InvalidText),
        (me().expiry_at("/a~"), "expiry_at", InvalidText),
        (strict().audience_at("aud", "web"), "audience_at", InvalidText),
        (strict().audience_at("/aud", ""), "audience", Empty),
        (strict().audience_at("/aud", "*"), "audience", Empty),
        (strict().audience_at("/aud", "web").audience_at("/aud", " "), "audience", Empty),
        (strict().audience_at("/aud", "a\tb"), "audience", InvalidText),
        (strict(), "audience_at", Missing),
        (me().audience_at("/aud", "web"), "audience_at", Conflict),
        (strict().audience_at("/aud", "web").audience_at("/azp", "web"), "audience_at", Conflict),
        (me().expires_in_at("x"), "expires_in_at", InvalidText),
        (me().rejection(403, ""), "rejection", Empty),
        (me().rejection(403, " "), "rejection", Empty),
        (me().rejection(399, "x"), "rejection", OutOfRange),
        (me().rejection(500, "x"), "rejection", OutOfRange),
        (me().rejection(200, "x"), "rejection", OutOfRange),
        (me().rejection(0, "x"), "rejection", OutOfRange),
        (me().rejection(65_535, "x"), "rejection", OutOfRange),
        (me().timeout(Duration::ZERO), "timeout", OutOfRange),
        (me().timeout(secs(61)), "timeout", OutOfRange),
        (me().timeout(Duration::MAX), "timeout", OutOfRange),
        (me().max_upstream_calls(0), "max_upstream_calls", OutOfRange),
        (me().max_upstream_calls(10_001), "max_upstream_calls", OutOfRange),
        (me().max_upstream_calls(usize::MAX), "max_upstream_calls", OutOfRange),
    ];
    for (number, (builder, setting, kind)) in faults.into_iter().enumerate() {
        assert_eq!(fault(builder.build()), (setting, kind), "fault {number}");
    }
    assert_eq!(script.count(), 0, "building asks nobody");
}

#[test]
fn the_ends_of_a_range_and_any_name_of_an_issuer_can_be_built() {
    let script = Script::new();
    let of = |issuer: &str| {
        UserInfoVerifier::builder(issuer).insecure_allow_any_audience().http_client(script.clone())
    };
    let me = || of(ISSUER).endpoint(ME);
    for builder in [
        me(),
        of(ISSUER),
        of("any-name").endpoint("http://localhost/me"),
        of("https://idp.example.com?a=b").endpoint("http://127.0.0.1:1/me?a=b"),
        me().subject_at("/"),
        me().rejection(400, "x").rejection(499, "x"),
        me().timeout(Duration::from_millis(1)),
        me().timeout(secs(60)).max_upstream_calls(1),
        me().max_upstream_calls(10_000),
    ] {
        assert!(builder.build().is_ok());
    }
    let strict = UserInfoVerifier::builder(ISSUER).endpoint(ME).audience_at("/aud", "web");
    assert!(strict.http_client(script.clone()).build().is_ok());
    assert_eq!(script.count(), 0, "building asks nobody");
}

#[test]
fn a_setting_of_google_that_cannot_work_is_named() {
    use BuildErrorKind::{Empty, InsecureUrl, InvalidText, InvalidUrl, OutOfRange};
    let script = Script::new();
    let of = |client: &str| TokenInfoVerifier::builder(client).http_client(script.clone());
    let google = || of(CLIENT);
    for (number, (builder, setting, kind)) in [
        (of(""), "client_id", Empty),
        (of(" "), "client_id", Empty),
        (of("*"), "client_id", Empty),
        (of("a b"), "client_id", InvalidText),
        (of("a\n"), "client_id", InvalidText),
        (google().add_client(""), "client_id", Empty),
        (google().add_client("*"), "client_id", Empty),
        (google().add_client("a\u{a0}b"), "client_id", InvalidText),
        (google().endpoint("tokeninfo"), "endpoint", InvalidUrl),
        (google().endpoint("http://oauth2.googleapis.com/tokeninfo"), "endpoint", InsecureUrl),
        (google().timeout(Duration::ZERO), "timeout", OutOfRange),
        (google().timeout(secs(61)), "timeout", OutOfRange),
        (google().max_upstream_calls(0), "max_upstream_calls", OutOfRange),
        (google().max_upstream_calls(10_001), "max_upstream_calls", OutOfRange),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(fault(builder.build()), (setting, kind), "fault {number}");
    }
    assert!(google().add_client(CLIENT).endpoint("http://127.0.0.1/tokeninfo").build().is_ok());
}

#[test]
fn nothing_that_is_printed_says_more_than_whose_tokens_they_are() {
    let world = World::new();
    let address = "https://idp.example.com/me?api_key=S3cr3t-canary-of-an-address";
    let builder = world.builder().endpoint(address).rejection(403, "S3cr3t-text");
    let google = world.google().endpoint(address);
    for (text, expected) in [
        (format!("{builder:?}"), r#"UserInfoVerifierBuilder { issuer: "https://idp.example.com", .. }"#),
        (
            format!("{:?}", builder.build().unwrap()),
            r#"UserInfoVerifier { issuer: "https://idp.example.com", .. }"#,
        ),
        (
            format!("{google:?}"),
            r#"TokenInfoVerifierBuilder { clients: ["123-abc.apps.googleusercontent.com"], .. }"#,
        ),
        (
            format!("{:?}", google.build().unwrap()),
            r#"TokenInfoVerifier { clients: Some(["123-abc.apps.googleusercontent.com"]), .. }"#,
        ),
    ] {
        assert_eq!(text, expected);
    }
    let error = world.builder().endpoint("https://user:S3cr3t@h/me").build().unwrap_err();
    assert!(!everything_of(&error).contains("S3cr3t"));
    let down = World::answering(Reply::Fails);
    let error: VerifyError = verify(&down.builder().build().unwrap()).unwrap_err();
    assert_clean(&everything_of(&error));
}
