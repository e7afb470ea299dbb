//! The law of the middleware, line by line: what a request is answered, byte for byte, and whom it reaches.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::mem::size_of;
use std::panic::panic_any;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use common::{
    Answer, Counting, Handler, Immediate, Logs, ManualClock, Untouchable, block_on, parse_challenge,
};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::Full;
use proptest::prelude::*;
use tower::util::BoxCloneService;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_bearer::error::{BuildErrorKind, RejectionKind, VerifyErrorKind};
use tower_bearer::middleware::{Auth, AuthLayerBuilder, RejectionBody, ResponseFuture};
use tower_bearer::verifier::{BoxVerifier, Verdict};
use tower_bearer::{AccessToken, AuthLayer, BearerToken, Rejection, ScopeSet, TokenVerifier, VerifyError};
use tower_http::catch_panic::CatchPanicLayer;
use tower_test::mock;
use tracing::Level;

const RESOURCE: &str = "https://mcp.example.com/mcp";
const ISSUER: &str = "https://as.example.com";
const MAX_LENGTH: usize = 16 * 1024;

/// An answer to the last byte.
#[derive(Debug)]
struct Golden {
    status: u16,
    kind: RejectionKind,
    challenge: &'static str,
    retry_after: &'static str,
    body: &'static str,
}

/// No credentials, or those of another scheme.
const F1: Golden = Golden {
    status: 401,
    kind: RejectionKind::MissingToken,
    challenge: r#"Bearer scope="files:read", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp""#,
    retry_after: "",
    body: "",
};

/// A bad token.
const F2: Golden = Golden {
    status: 401,
    kind: RejectionKind::InvalidToken,
    challenge: r#"Bearer error="invalid_token", scope="files:read", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", error_description="The access token is invalid or expired""#,
    retry_after: "",
    body: r#"{"error":"invalid_token","error_description":"The access token is invalid or expired"}"#,
};

/// A good token without the scope.
const F3: Golden = Golden {
    status: 403,
    kind: RejectionKind::InsufficientScope,
    challenge: r#"Bearer error="insufficient_scope", scope="files:write", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", error_description="Additional scope is required""#,
    retry_after: "",
    body: r#"{"error":"insufficient_scope","error_description":"Additional scope is required"}"#,
};

/// A malformed header.
const F4: Golden = Golden {
    status: 400,
    kind: RejectionKind::InvalidRequest,
    challenge: r#"Bearer error="invalid_request", scope="files:read", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", error_description="Malformed Authorization header""#,
    retry_after: "",
    body: r#"{"error":"invalid_request","error_description":"Malformed Authorization header"}"#,
};

/// Nobody can tell.
const F5: Golden = Golden {
    status: 503,
    kind: RejectionKind::Unavailable,
    challenge: "",
    retry_after: "5",
    body: r#"{"error":"temporarily_unavailable"}"#,
};

impl Golden {
    fn check(&self, answer: &Answer, request: &str) {
        let content_type = if self.body.is_empty() { "" } else { "application/json" };
        self.check_header(answer, content_type, self.body.len(), request);
        assert_eq!(answer.body, self.body, "{request}");
    }

    fn check_header(&self, answer: &Answer, content_type: &str, length: usize, request: &str) {
        assert_eq!(answer.status, self.status, "{request}");
        assert_eq!(answer.kind(), Some(self.kind), "{request}");
        assert_eq!(answer.field("www-authenticate"), self.challenge, "{request}");
        assert_eq!(answer.field("retry-after"), self.retry_after, "{request}");
        assert_eq!(answer.field("content-type"), content_type, "{request}");
        assert_eq!(answer.field("content-length"), length.to_string(), "{request}");
        assert_eq!(answer.field("cache-control"), "no-store", "{request}");
        let fields =
            [self.challenge, self.retry_after, content_type].iter().filter(|f| !f.is_empty()).count();
        assert_eq!(answer.headers.len(), fields + 2, "{request}: nothing else in the header");
        assert!(!answer.has_token, "{request}");
        if !self.challenge.is_empty() {
            let (scheme, _) = parse_challenge(answer.field("www-authenticate")).unwrap();
            assert_eq!(scheme, "Bearer");
        }
    }
}

/// A layer around a handler, both observed.
struct Subject {
    verifier: Counting,
    handler: Handler,
    auth: AuthLayer<Counting>,
}

impl Subject {
    /// The server of the fixtures: it knows the token `good`.
    fn new() -> Self {
        Self::with(Counting::knows_good("files:read"), |builder| builder)
    }

    fn with(
        verifier: Counting,
        configure: impl FnOnce(AuthLayerBuilder<Counting>) -> AuthLayerBuilder<Counting>,
    ) -> Self {
        let builder = AuthLayer::builder(verifier.clone()).resource(RESOURCE).required_scopes(["files:read"]);
        Self { verifier, handler: Handler::default(), auth: configure(builder).build().unwrap() }
    }

    async fn send(&self, request: Request<Untouchable>) -> Answer {
        Answer::read(self.auth.layer(self.handler.clone()).oneshot(request).await.unwrap()).await
    }

    /// Sends one `Authorization` line.
    async fn present(&self, line: &[u8]) -> Answer {
        self.send(presenting(line)).await
    }
}

fn bare() -> Request<Untouchable> {
    Request::new(Untouchable)
}

fn presenting(line: &[u8]) -> Request<Untouchable> {
    with_fields(&[("authorization", line)])
}

fn with_fields(fields: &[(&'static str, &[u8])]) -> Request<Untouchable> {
    let mut request = bare();
    for (name, value) in fields {
        request.headers_mut().append(*name, HeaderValue::from_bytes(value).unwrap());
    }
    request
}

fn preflight() -> Request<Untouchable> {
    let mut request =
        with_fields(&[("origin", b"https://app.example"), ("access-control-request-method", b"POST")]);
    *request.method_mut() = Method::OPTIONS;
    request
}

fn token(scopes: &str) -> AccessToken {
    AccessToken::verified().subject("alice").scopes(ScopeSet::parse(scopes)).build()
}

fn rejects_everything() -> Counting {
    Counting::new(|_| Err(VerifyErrorKind::Signature.into()))
}

// What is a credential.

#[tokio::test]
async fn a_good_token_reaches_the_handler_with_its_identity() {
    for line in [
        &b"Bearer good"[..],
        b"bearer good",
        b"BEARER good",
        b"BeArEr good",
        b"Bearer  good",
        b"Bearer        good",
        b" Bearer good",
        b"\tBearer good",
        b"Bearer good  ",
        b"Bearer good \t",
    ] {
        let subject = Subject::new();
        let answer = subject.present(line).await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (200, "handler"), "{line:?}");
        assert_eq!((subject.verifier.calls(), subject.handler.calls()), (1, 1), "{line:?}");
        let seen = subject.handler.last();
        assert_eq!(seen.token.unwrap().subject(), Some("alice"));
        assert_eq!(seen.headers[AUTHORIZATION].as_bytes(), line, "the field goes back as it came");
        assert!(seen.headers[AUTHORIZATION].is_sensitive());
        assert_eq!(seen.headers.len(), 1);
    }
}

#[tokio::test]
async fn every_spelling_of_the_scheme_presents_the_same_token() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let verifier = {
        let seen = Arc::clone(&seen);
        Counting::new(move |presented| {
            seen.lock().unwrap().push(presented.to_owned());
            Ok(token("files:read"))
        })
    };
    let subject = Subject::with(verifier, |builder| builder);
    for line in ["Bearer good", "bearer good", "BEARER   good", "bEaReR good \t"] {
        assert_eq!(subject.present(line.as_bytes()).await.status, 200);
    }
    assert_eq!(*seen.lock().unwrap(), ["good"; 4]);
}

#[tokio::test]
async fn a_malformed_or_foreign_credential_is_answered_without_asking_the_verifier() {
    for (line, golden) in [
        (&b""[..], F4),
        (b"  ", F4),
        (b"Bearer", F4),
        (b"Bearer ", F4),
        (b"bearer  \t ", F4),
        (b"Bearer\tgood", F4),
        (b"Bearer \tgood", F4),
        (b"Bearer good extra", F4),
        (b"Bearer good\textra", F4),
        (b"Bearer good, Bearer evil", F4),
        (b"Bearer good,", F4),
        (b"Bearer ,good", F4),
        (b"Bearer good,realm=x", F4),
        (b"Bearer Bearer good", F4),
        (b"Bearer token=good", F2),
        (b"Bearer a=b", F2),
        (b"Bearer =", F2),
        (b"Bearer a\"b", F2),
        (b"Bearer \"good\"", F2),
        (b"Bearer a;b", F2),
        (b"Bearer a{b}", F2),
        (b"Bearer a\\b", F2),
        (b"Bearer a:b", F2),
        (b"Bearer a|b", F2),
        (b"Bearer a%20b", F2),
        (b"Bearer \xff\xfe", F2),
        (b"Bearer caf\xc3\xa9", F2),
        (b"Bearer good\x80", F2),
        (b"Bearerx", F1),
        (b"Bearerx good", F1),
        (b"Bearer:", F1),
        (b"Bearer: good", F1),
        (b"Bearer=", F1),
        (b"Bearer=good", F1),
        (b"Bearer,good", F1),
        (b"Bearer\xa0good", F1),
        (b"Bearer\xc2\xa0good", F1),
        (b"\xc3\x28earer good", F1),
        (b"\xffBearer good", F1),
        (b"Basic dTpw", F1),
        (b"Basic Z29vZDo=", F1),
        (b"DPoP good", F1),
        (b"token good", F1),
        (b"Negotiate good", F1),
        (b"Digest username=\"x\"", F1),
        (b"good", F1),
        (b"\"Bearer\" good", F1),
    ] {
        let subject = Subject::new();
        let name = String::from_utf8_lossy(line);
        golden.check(&subject.present(line).await, &name);
        assert_eq!((subject.verifier.calls(), subject.handler.calls()), (0, 0), "{name:?}");
    }
}

#[tokio::test]
async fn no_credential_is_read_from_anywhere_else() {
    let subject = Subject::new();
    F1.check(&subject.send(bare()).await, "nothing");
    for (name, value) in [
        ("content-type", "application/grpc"),
        ("cookie", "access_token=good; token=good"),
        ("host", "evil.example"),
        ("mcp-session-id", "good"),
        ("proxy-authorization", "Bearer good"),
        ("sec-websocket-protocol", "bearer, good"),
        ("user-agent", "kube-probe/1.30"),
        ("x-access-token", "good"),
        ("x-api-key", "good"),
        ("x-authorization", "Bearer good"),
        ("x-forwarded-access-token", "good"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-uri", "/public"),
        ("x-http-method-override", "OPTIONS"),
        ("x-original-url", "/public"),
    ] {
        F1.check(&subject.send(with_fields(&[(name, value.as_bytes())])).await, name);
    }
    let form = ("content-type", &b"application/x-www-form-urlencoded"[..]);
    F1.check(&subject.send(with_fields(&[form])).await, "a form that is not read");
    let query = Request::get("/mcp?access_token=good&bearer=good").body(Untouchable).unwrap();
    F1.check(&subject.send(query).await, "query");
    assert_eq!((subject.verifier.calls(), subject.handler.calls()), (0, 0));
}

#[tokio::test]
async fn a_token_in_the_query_neither_helps_nor_hurts() {
    let subject = Subject::new();
    let mut request = presenting(b"Bearer good");
    *request.uri_mut() = "/mcp?access_token=evil".parse().unwrap();
    assert_eq!(subject.send(request).await.status, 200);
    assert_eq!(subject.handler.last().token.unwrap().subject(), Some("alice"));
    assert_eq!(subject.verifier.calls(), 1);
}

#[tokio::test]
async fn a_second_line_is_malformed_whatever_it_says() {
    for (first, second) in [
        ("Bearer good", "Bearer good"),
        ("Bearer good", "Bearer evil"),
        ("Bearer good", "Basic dTpw"),
        ("Basic dTpw", "Bearer good"),
        ("Basic dTpw", "Basic dTpw"),
        ("Bearer good", ""),
        ("", "Bearer good"),
    ] {
        let subject = Subject::new();
        let fields = [("authorization", first.as_bytes()), ("authorization", second.as_bytes())];
        F4.check(&subject.send(with_fields(&fields)).await, &format!("{first} and {second}"));
        assert_eq!((subject.verifier.calls(), subject.handler.calls()), (0, 0));
    }
}

#[tokio::test]
async fn a_token_of_sixteen_kibibytes_is_the_longest_that_is_verified() {
    let line = |length: usize| format!("Bearer {}", "a".repeat(length)).into_bytes();
    let subject = Subject::with(Counting::new(|_| Ok(token("files:read"))), |builder| builder);
    assert_eq!(subject.present(&line(MAX_LENGTH)).await.status, 200);
    F4.check(&subject.present(&line(MAX_LENGTH + 1)).await, "one byte more");
    F4.check(&subject.present(&line(1024 * 1024)).await, "a mebibyte");
    assert_eq!((subject.verifier.calls(), subject.handler.calls()), (1, 1));
}

/// The grammar once more, written differently: `^[ \t]*(?i:bearer) +[A-Za-z0-9\-._~+/]+=*[ \t]*$`.
fn matches_grammar(line: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(line) else { return false };
    let text = text.trim_matches([' ', '\t']);
    let Some((scheme, rest)) = text.split_at_checked(6) else { return false };
    let token = rest.trim_start_matches(' ');
    let body = token.trim_end_matches('=');
    scheme.eq_ignore_ascii_case("bearer")
        && token.len() < rest.len()
        && !body.is_empty()
        && body.chars().all(|c| c.is_ascii_alphanumeric() || "-._~+/".contains(c))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_never_served(
        scheme in prop_oneof![Just(""), Just("Bearer "), Just("bearer"), Just("Basic ")],
        rest in proptest::collection::vec(prop_oneof![Just(b'\t'), b' '..=b'~', 0x80..=0xFF_u8], 0..56),
    ) {
        let line = [scheme.as_bytes(), &rest].concat();
        let answer = block_on(Subject::with(rejects_everything(), |builder| builder).present(&line));
        prop_assert!([400, 401].contains(&answer.status.as_u16()));
        prop_assert!(parse_challenge(answer.field("www-authenticate")).is_ok());
    }

    #[test]
    fn near_misses_are_served_if_the_grammar_has_them(
        line in "[ \t]{0,2}([Bb]earer|BEARER|bear|basic)?[ \t:=,]{0,3}[a-zA-Z0-9._~+/=,\"é -]{0,12}[ \t]?",
    ) {
        let subject = Subject::with(Counting::new(|_| Ok(token("files:read"))), |builder| builder);
        let answer = block_on(subject.present(line.as_bytes()));
        prop_assert_eq!(answer.status == 200, matches_grammar(line.as_bytes()), "{:?}", line);
        prop_assert_eq!(subject.verifier.calls(), subject.handler.calls());
    }
}

// What the verifier says.

#[tokio::test]
async fn every_reason_to_reject_a_token_gives_the_same_bytes() {
    use VerifyErrorKind as Kind;
    for kind in [
        Kind::Algorithm,
        Kind::Audience,
        Kind::Claim,
        Kind::Expired,
        Kind::Inactive,
        Kind::Issuer,
        Kind::KeyNotFound,
        Kind::Malformed,
        Kind::NotMine,
        Kind::NotYetValid,
        Kind::Signature,
    ] {
        let verdict = move |_: &str| -> Verdict {
            let cause = "x\" scope=\"admin\", resource_metadata=\"https://evil/\"\r\nSet-Cookie: x=1";
            Err(VerifyError::rejected(kind).because(cause).retry_after(Duration::from_secs(9)))
        };
        let subject = Subject::with(Counting::new(verdict), |builder| builder);
        let answer = subject.present(b"Bearer bad").await;
        F2.check(&answer, kind.as_str());
        assert_eq!(answer.rejection.unwrap().verify_error().unwrap().kind(), kind);
        let immediate =
            AuthLayer::builder(Immediate(verdict)).resource(RESOURCE).authorization_servers([ISSUER]);
        let immediate = immediate.required_scopes(["files:read"]).build().unwrap();
        let response = immediate.layer(subject.handler.clone()).oneshot(presenting(b"Bearer bad")).await;
        F2.check(&Answer::read(response.unwrap()).await, kind.as_str());
        assert_eq!(subject.handler.calls(), 0);
    }
}

#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
#[tokio::test]
async fn a_client_cannot_tell_why_a_jwt_was_refused() {
    let (secret, clock) = ([7; 32], ManualClock::new());
    let verifier = tower_bearer::JwtVerifier::builder("https://as.example.com", RESOURCE)
        .hmac_secret(secret)
        .clock(clock.clone())
        .build()
        .unwrap();
    let auth = AuthLayer::builder(verifier).resource(RESOURCE).required_scopes(["files:read"]).clock(clock);
    let auth = auth.build().unwrap();
    let (header, good) = (
        r#"{"alg":"HS256"}"#,
        r#"{"iss":"https://as.example.com","aud":"https://mcp.example.com/mcp","exp":1767229200,"scope":"files:read","sub":"a"}"#,
    );
    let send = async |token: String| {
        let handler = Handler::default();
        let request = presenting(format!("Bearer {token}").as_bytes());
        let answer = Answer::read(auth.layer(handler.clone()).oneshot(request).await.unwrap()).await;
        (answer, handler.calls())
    };
    assert_eq!(send(common::hs256(&secret, header, good)).await.1, 1);
    let bad = bad_jwts(&secret, header, good);
    assert!(bad.len() >= 40, "{}", bad.len());
    for token in bad {
        let (answer, calls) = send(token.clone()).await;
        F2.check(&answer, &token);
        assert_eq!(calls, 0);
    }
}

/// Tokens that are bad for different reasons: changed claims, changed headers, changed texts.
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
fn bad_jwts(secret: &[u8; 32], header: &str, good: &str) -> Vec<String> {
    let claims = [
        ("https://as.example.com", "https://as.example.com/"),
        ("https://as.example.com", "HTTPS://as.example.com"),
        ("https://as.example.com", "x\\r\\nSet-Cookie: x=1"),
        ("\"iss\"", "\"Iss\""),
        ("mcp\",\"exp", "mcp/\",\"exp"),
        ("mcp\",\"exp", "mcp2\",\"exp"),
        ("https://mcp", "https://evil"),
        ("\"aud\"", "\"aux\""),
        ("\"https://mcp.example.com/mcp\"", "[]"),
        ("\"https://mcp.example.com/mcp\"", "[\"https://mcp.example.com/mcp\",7]"),
        ("\"https://mcp.example.com/mcp\"", "null"),
        ("1767229200", "1767220000"),
        ("1767229200", "\"1767229200\""),
        ("1767229200", "-1"),
        ("1767229200", "1e400"),
        ("1767229200", "true"),
        ("1767229200", "253402300800"),
        ("\"exp\":1767229200,", ""),
        ("\"sub\":\"a\"", "\"sub\":\"a\",\"nbf\":1767229000"),
        ("\"sub\":\"a\"", "\"sub\":\"a\",\"iat\":1767229000"),
        ("\"sub\":\"a\"", "\"sub\":\"a\",\"cnf\":{\"jkt\":\"x\"}"),
        ("\"sub\":\"a\"", "\"sub\":\"a\",\"at_hash\":\"x\""),
        ("\"sub\":\"a\"", "\"sub\":\"a\",\"sub\":\"b\""),
        ("\"sub\":\"a\"", "\"sub\":7"),
        ("\"sub\":\"a\"", "\"sub\":\"a\",\"token_use\":\"id\""),
        ("{", "["),
        ("}", ""),
    ];
    let headers = [
        r#"{"alg":"none"}"#,
        r#"{"alg":"HS384"}"#,
        r#"{"alg":"RS256"}"#,
        r#"{"alg":"hs256"}"#,
        r#"{"alg":"HS256","crit":["exp"]}"#,
        r#"{"alg":"HS256","b64":false}"#,
        r#"{"alg":"HS256","typ":"dpop+jwt"}"#,
        r#"{"alg":"HS256","kid":7}"#,
        r#"{"alg":"HS256","kid":""}"#,
        r#"{"alg":"HS256","alg":"HS256"}"#,
        r#"{}"#,
        "null",
    ];
    let minted = common::hs256(secret, header, good);
    let cut = minted.rsplit_once('.').unwrap().0;
    let claims = claims.iter().map(|(from, to)| common::hs256(secret, header, &good.replacen(from, to, 1)));
    let headers = headers.iter().map(|header| common::hs256(secret, header, good));
    let texts = [
        common::hs256(&[8; 32], header, good),
        format!("{cut}.AAAA"),
        format!("{cut}."),
        cut.to_owned(),
        format!("{minted}.x"),
        format!("{minted}="),
        format!(".{minted}"),
        "opaque".to_owned(),
    ];
    claims.chain(headers).chain(texts).collect()
}

#[tokio::test]
async fn what_nobody_can_tell_is_no_fault_of_the_token() {
    for (error, seconds) in [
        (VerifyError::unavailable("down"), "5"),
        (VerifyError::misconfigured("refused"), "5"),
        (VerifyError::rejected(VerifyErrorKind::Unavailable), "5"),
        (VerifyError::unavailable("down").retry_after(Duration::ZERO), "1"),
        (VerifyError::unavailable("down").retry_after(Duration::from_nanos(1)), "1"),
        (VerifyError::unavailable("down").retry_after(Duration::from_secs(1)), "1"),
        (VerifyError::unavailable("down").retry_after(Duration::from_millis(1_001)), "2"),
        (VerifyError::unavailable("down").retry_after(Duration::from_millis(41_500)), "42"),
        (VerifyError::unavailable("down").retry_after(Duration::from_secs(120)), "120"),
        (VerifyError::unavailable("down").retry_after(Duration::from_millis(120_001)), "120"),
        (VerifyError::unavailable("down").retry_after(Duration::from_secs(1_000_000_000_000)), "120"),
        (VerifyError::unavailable("down").retry_after(Duration::MAX), "120"),
        (VerifyError::misconfigured("refused").retry_after(Duration::from_secs(30)), "30"),
    ] {
        let name = format!("{error:?}");
        let subject = Subject::with(Counting::new(move |_| Err(error.clone())), |builder| builder);
        Golden { retry_after: seconds, ..F5 }.check(&subject.present(b"Bearer good").await, &name);
        assert_eq!((subject.verifier.calls(), subject.handler.calls()), (1, 0));
    }
}

/// A verifier that panics in one of its methods.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Panicking {
    Now,
    BeforeItsFuture,
    FirstPoll,
    SecondPoll,
    /// With something that panics again when it is dropped.
    NowAndAgain,
    LaterAndAgain,
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("again");
    }
}

impl TokenVerifier for Panicking {
    fn verify(&self, _: &BearerToken) -> impl Future<Output = Verdict> + Send {
        assert_ne!(*self, Self::BeforeItsFuture, "no");
        let panicking = *self;
        async move {
            assert_ne!(panicking, Self::FirstPoll, "no");
            tokio::task::yield_now().await;
            if panicking == Self::LaterAndAgain {
                panic_any(Bomb);
            }
            panic!("no");
        }
    }

    fn verify_now(&self, _: &BearerToken, _: SystemTime) -> Option<Verdict> {
        assert_ne!(*self, Self::Now, "no");
        if *self == Self::NowAndAgain {
            panic_any(Bomb);
        }
        None
    }
}

#[tokio::test]
async fn a_verifier_that_panics_admits_nobody_and_blames_nobody() {
    for verifier in [
        Panicking::Now,
        Panicking::BeforeItsFuture,
        Panicking::FirstPoll,
        Panicking::SecondPoll,
        Panicking::NowAndAgain,
        Panicking::LaterAndAgain,
    ] {
        let (logs, _guard) = Logs::capture();
        let handler = Handler::default();
        let auth = AuthLayer::builder(verifier).resource(RESOURCE).required_scopes(["files:read"]);
        let auth = auth.authorization_servers([ISSUER]);
        let mut service = auth.build().unwrap().layer(handler.clone());
        for _ in 0..2 {
            let response = service.ready().await.unwrap().call(presenting(b"Bearer good")).await.unwrap();
            F5.check(&Answer::read(response).await, &format!("{verifier:?}"));
        }
        assert_eq!(handler.calls(), 0);
        assert_eq!(logs.count(Level::ERROR), 1, "{}", logs.text());
    }
}

#[tokio::test(start_paused = true)]
async fn a_verification_that_takes_too_long_is_answered() {
    struct Forever;
    impl TokenVerifier for Forever {
        async fn verify(&self, _: &BearerToken) -> Verdict {
            pending().await
        }
    }
    let layer = |timeout: Option<Duration>| {
        let builder = AuthLayer::builder(Forever).resource(RESOURCE).required_scopes(["files:read"]);
        let builder = builder.authorization_servers([ISSUER]);
        timeout.into_iter().fold(builder, AuthLayerBuilder::timeout).build().unwrap()
    };
    for (timeout, expected) in
        [(None, 10), (Some(Duration::from_secs(3)), 3), (Some(Duration::from_secs(60)), 60)]
    {
        let handler = Handler::default();
        let started = tokio::time::Instant::now();
        let response = layer(timeout).layer(handler.clone()).oneshot(presenting(b"Bearer good")).await;
        F5.check(&Answer::read(response.unwrap()).await, "too late");
        assert_eq!(started.elapsed().as_secs(), expected);
        assert_eq!(handler.calls(), 0);
    }
}

// Expiry and scopes are judged by the layer.

#[tokio::test]
async fn the_layer_judges_expiry_on_every_request_by_its_own_clock() {
    let clock = ManualClock::new();
    let end = tower_bearer::clock::Clock::now(&clock) + Duration::from_secs(100);
    let verdict = move |_: &str| -> Verdict {
        let token = AccessToken::verified().scopes(ScopeSet::parse("files:read"));
        Ok(token.expires_at(end).leeway(Duration::from_secs(10)).build())
    };
    let later = Subject::with(Counting::new(verdict), |builder| builder.clock(clock.clone()));
    let now = AuthLayer::builder(Immediate(verdict)).clock(clock.clone());
    let now = now
        .resource(RESOURCE)
        .authorization_servers([ISSUER])
        .required_scopes(["files:read"])
        .build()
        .unwrap();
    let handler = Handler::default();
    for (offset, is_good) in
        [(-100_000, true), (0, true), (9_999, true), (10_000, false), (10_001, false), (-1, true)]
    {
        let at = if offset < 0 {
            end - Duration::from_millis(-offset as u64)
        } else {
            end + Duration::from_millis(offset as u64)
        };
        clock.set(at);
        let slow = later.present(b"Bearer good").await;
        let response = now.layer(handler.clone()).oneshot(presenting(b"Bearer good")).await.unwrap();
        let fast = Answer::read(response).await;
        for answer in [slow, fast] {
            if is_good { assert_eq!(answer.status, 200, "{offset}") } else { F2.check(&answer, "expired") }
        }
    }
    assert_eq!((later.handler.calls(), handler.calls()), (4, 4));
}

#[tokio::test]
async fn an_expired_token_that_also_lacks_a_scope_is_a_bad_token() {
    let verdict = |_: &str| Ok(AccessToken::verified().expires_at(SystemTime::UNIX_EPOCH).build());
    let subject = Subject::with(Counting::new(verdict), |builder| builder);
    F2.check(&subject.present(b"Bearer old").await, "expired and without scope");
}

#[tokio::test]
async fn a_decision_that_needs_no_waiting_reads_the_wall_clock_once() {
    let clock = ManualClock::new();
    let auth = AuthLayer::builder(Immediate(|_: &str| -> Verdict {
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
        Ok(AccessToken::verified().expires_at(end).build())
    }));
    let auth = auth.clock(clock.clone()).build().unwrap();
    let before = clock.wall_readings();
    auth.layer(Handler::default()).oneshot(presenting(b"Bearer good")).await.unwrap();
    assert_eq!(clock.wall_readings() - before, 1);
}

#[tokio::test]
async fn a_good_token_without_the_scope_is_forbidden() {
    let subject = Subject::with(Counting::knows_good("files:read"), |b| b.required_scopes(["files:write"]));
    F3.check(&subject.present(b"Bearer good").await, "one scope");
    assert_eq!((subject.verifier.calls(), subject.handler.calls()), (1, 0));
}

#[tokio::test]
async fn a_challenge_names_all_scopes_that_are_needed() {
    let three = |builder: AuthLayerBuilder<Counting>| builder.required_scopes(["a", "b", "c"]);
    for (scopes, is_enough) in [
        ("a b c", true),
        ("c x b a", true),
        ("a", false),
        ("", false),
        ("a b", false),
        ("A B C", false),
        ("a b cc", false),
        ("a,b,c", false),
    ] {
        let subject = Subject::with(Counting::knows_good(scopes), three);
        let answer = subject.present(b"Bearer good").await;
        assert_eq!(answer.status.as_u16(), if is_enough { 200 } else { 403 }, "{scopes}");
        if !is_enough {
            let (_, parameters) = parse_challenge(answer.field("www-authenticate")).unwrap();
            let metadata = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";
            let expected = [
                ("error", "insufficient_scope"),
                ("scope", "a b c"),
                ("resource_metadata", metadata),
                ("error_description", "Additional scope is required"),
            ];
            assert_eq!(parameters, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
    }
}

// Challenges and configuration.

#[tokio::test]
async fn without_resource_and_scopes_the_challenge_has_a_realm() {
    let auth = AuthLayer::new(Counting::knows_good(""));
    let answer = Answer::read(auth.layer(Handler::default()).oneshot(bare()).await.unwrap()).await;
    assert_eq!(answer.field("www-authenticate"), r#"Bearer realm="api""#);
    let answer = auth.layer(Handler::default()).oneshot(presenting(b"Bearer bad")).await.unwrap();
    let expected =
        r#"Bearer error="invalid_token", error_description="The access token is invalid or expired""#;
    assert_eq!(Answer::read(answer).await.field("www-authenticate"), expected);
}

#[tokio::test]
async fn the_metadata_are_at_the_root_of_the_host() {
    for (resource, metadata) in [
        ("https://h", "https://h/.well-known/oauth-protected-resource"),
        ("https://h/", "https://h/.well-known/oauth-protected-resource"),
        ("https://h:8443/a/b", "https://h:8443/.well-known/oauth-protected-resource/a/b"),
        ("https://h/a/", "https://h/.well-known/oauth-protected-resource/a/"),
        ("https://h/a?b=c", "https://h/.well-known/oauth-protected-resource/a?b=c"),
        ("http://127.0.0.1:3000/mcp", "http://127.0.0.1:3000/.well-known/oauth-protected-resource/mcp"),
    ] {
        let auth = AuthLayer::builder(Counting::knows_good("")).resource(resource).build().unwrap();
        let answer = Answer::read(auth.layer(Handler::default()).oneshot(bare()).await.unwrap()).await;
        assert_eq!(answer.field("www-authenticate"), format!("Bearer resource_metadata=\"{metadata}\""));
    }
}

#[tokio::test]
async fn every_challenge_is_one_line_with_each_name_once_and_the_description_last() {
    let scopes = ["urn:x:r=G,PG-13", "a&b", "~!#$%'()*+-./:;<=>?@[]^_`{|}"];
    let verifier = Counting::new(|token| match token {
        "weak" => Ok(AccessToken::verified().build()),
        _ => Err(VerifyErrorKind::Signature.into()),
    });
    let subject = Subject::with(verifier, |builder| builder.required_scopes(scopes));
    for line in [&b"Basic x"[..], b"Bearer bad", b"Bearer a b", b"Bearer weak"] {
        let answer = subject.present(line).await;
        let (scheme, parameters) = parse_challenge(answer.field("www-authenticate")).unwrap();
        assert_eq!(scheme, "Bearer");
        let value = |name| parameters.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
        assert_eq!(value("scope"), Some(&*scopes.join(" ")));
        let description = parameters.iter().position(|(name, _)| name == "error_description");
        assert!(description.is_none_or(|at| at + 1 == parameters.len()));
        assert_eq!(value("error").is_some(), line != b"Basic x");
    }
}

#[test]
fn a_setting_that_would_break_a_challenge_is_refused() {
    use BuildErrorKind::{InsecureUrl, InvalidText, InvalidUrl, OutOfRange};
    let builder = || AuthLayer::builder(Counting::knows_good(""));
    let kind = |builder: AuthLayerBuilder<Counting>| {
        let error = builder.build().err()?;
        Some((error.setting(), error.kind()))
    };
    for scope in ["", " ", "a b", "a\"b", "a\\b", "a\r\nSet-Cookie: x=1", "é", "a\tb", "\u{7f}"] {
        let built = builder().required_scopes(["ok", scope]);
        assert_eq!(kind(built), Some(("required_scopes", InvalidText)), "{scope:?}");
    }
    let many = (0..1_000).map(|number| format!("scope-{number}"));
    assert_eq!(kind(builder().required_scopes(many)), Some(("required_scopes", OutOfRange)));
    for (resource, fault) in [
        ("", InvalidUrl),
        ("/mcp", InvalidUrl),
        ("mcp.example.com/mcp", InvalidUrl),
        ("https://h/\"x", InvalidUrl),
        ("https://h/\\x", InvalidUrl),
        ("https://h/\r\nSet-Cookie: x=1", InvalidUrl),
        ("https://h/é", InvalidUrl),
        ("https://h/ x", InvalidUrl),
        ("https://h/mcp#fragment", InvalidUrl),
        ("https://user@h/mcp", InvalidUrl),
        ("http://mcp.example.com/mcp", InsecureUrl),
    ] {
        assert_eq!(kind(builder().resource(resource)), Some(("resource", fault)), "{resource:?}");
    }
    let long = format!("https://h/{}", "a".repeat(4_096));
    assert_eq!(kind(builder().resource(long)), Some(("resource", OutOfRange)));
    for timeout in [Duration::ZERO, Duration::from_millis(60_001), Duration::MAX] {
        assert_eq!(kind(builder().timeout(timeout)), Some(("timeout", OutOfRange)));
    }
}

#[tokio::test]
async fn the_same_decision_gives_the_same_bytes_every_time() {
    let layer =
        || Subject::with(Counting::knows_good("x"), |builder| builder.required_scopes(["c", "a", "b", "a"]));
    let first = layer().present(b"Bearer good").await;
    assert!(first.field("www-authenticate").contains(r#"scope="c a b""#));
    for _ in 0..100 {
        assert_eq!(layer().present(b"Bearer good").await.headers, first.headers);
    }
}

#[tokio::test]
async fn an_answer_to_head_has_the_same_header_and_no_body() {
    let verifier = || {
        Counting::new(|token| match token {
            "down" => Err(VerifyError::unavailable("down")),
            "weak" => Ok(AccessToken::verified().build()),
            _ => Err(VerifyErrorKind::Signature.into()),
        })
    };
    for line in [None, Some("Bearer bad"), Some("Bearer a b"), Some("Bearer weak"), Some("Bearer down")] {
        let subject = Subject::with(verifier(), |builder| builder);
        let request = || line.map_or_else(bare, |line| presenting(line.as_bytes()));
        let get = subject.send(request()).await;
        let mut head = request();
        *head.method_mut() = Method::HEAD;
        let head = subject.send(head).await;
        assert_eq!((head.status, &head.headers, &*head.body), (get.status, &get.headers, ""));
        assert_eq!(head.field("content-length"), get.body.len().to_string());
    }
}

#[tokio::test]
async fn an_answer_of_the_inner_service_passes_unchanged() {
    let inner = service_fn(async |_: Request<Untouchable>| {
        let response = Response::builder().status(401).header(WWW_AUTHENTICATE, "Basic realm=\"inner\"");
        Ok::<_, Infallible>(response.header("x-inner", "1").body(Full::<Bytes>::from("inner")).unwrap())
    });
    let subject = Subject::new();
    let response = subject.auth.layer(inner).oneshot(presenting(b"Bearer good")).await.unwrap();
    let answer = Answer::read(response).await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (401, "inner"));
    assert_eq!(answer.field("www-authenticate"), "Basic realm=\"inner\"");
    assert_eq!((answer.headers.len(), answer.kind()), (2, None));
}

// Settings that change who gets through, and with what.

#[tokio::test]
async fn optional_lets_through_only_what_has_no_bearer_token() {
    let optional = || Subject::with(Counting::knows_good("files:read"), AuthLayerBuilder::optional);
    for request in [bare(), presenting(b"Basic dTpw"), presenting(b"DPoP good")] {
        let subject = optional();
        assert_eq!(subject.send(request).await.status, 200);
        assert_eq!((subject.verifier.calls(), subject.handler.calls()), (0, 1));
        assert!(subject.handler.last().token.is_none());
    }
    for (line, golden) in [
        (&b"Bearer bad"[..], F2),
        (b"Bearer a{b", F2),
        (b"Bearer \xff", F2),
        (b"Bearer", F4),
        (b"", F4),
        (b"Bearer good extra", F4),
    ] {
        let subject = optional();
        golden.check(&subject.present(line).await, &String::from_utf8_lossy(line));
        assert_eq!(subject.handler.calls(), 0);
    }
    let subject = optional();
    let twice = [("authorization", &b"Bearer good"[..]), ("authorization", b"Bearer good")];
    F4.check(&subject.send(with_fields(&twice)).await, "two lines");
    let down = Counting::new(|_| Err(VerifyError::unavailable("down")));
    F5.check(&Subject::with(down, AuthLayerBuilder::optional).present(b"Bearer x").await, "down");
    let weak = Subject::with(Counting::knows_good(""), |b| b.optional().required_scopes(["files:write"]));
    F3.check(&weak.present(b"Bearer good").await, "without scope");
    assert_eq!(optional().present(b"Bearer good").await.status, 200);
}

#[tokio::test]
async fn only_a_preflight_passes_without_a_token() {
    let subject = Subject::new();
    assert_eq!(subject.send(preflight()).await.status, 200);
    assert_eq!((subject.verifier.calls(), subject.handler.calls()), (0, 1));
    assert!(subject.handler.last().token.is_none());

    for missing in ["origin", "access-control-request-method"] {
        let mut request = preflight();
        request.headers_mut().remove(missing);
        F1.check(&subject.send(request).await, missing);
    }
    for method in ["GET", "POST", "HEAD", "PATCH", "DELETE", "TRACE", "options", "OPTIONSX"] {
        let mut request = preflight();
        *request.method_mut() = method.parse().unwrap();
        let answer = subject.send(request).await;
        F1.check_header(&answer, "", 0, method);
    }
    assert_eq!((subject.verifier.calls(), subject.handler.calls()), (0, 1));
}

#[tokio::test]
async fn an_access_token_that_was_already_there_never_counts() {
    let spoofed = |mut request: Request<Untouchable>| {
        request.extensions_mut().insert(AccessToken::verified().subject("mallory").build());
        request
    };
    let required = Subject::new();
    F1.check(&required.send(spoofed(bare())).await, "required");
    let optional = Subject::with(Counting::knows_good("files:read"), AuthLayerBuilder::optional);
    for request in [bare(), presenting(b"Basic dTpw"), preflight()] {
        assert_eq!(optional.send(spoofed(request)).await.status, 200);
        assert!(optional.handler.last().token.is_none());
    }
    required.send(spoofed(preflight())).await;
    assert!(required.handler.last().token.is_none());
    required.send(spoofed(presenting(b"Bearer good"))).await;
    assert_eq!(required.handler.last().token.unwrap().subject(), Some("alice"));
    F2.check(&required.send(spoofed(presenting(b"Bearer bad"))).await, "bad");
}

#[tokio::test]
async fn the_credential_is_removed_if_that_is_asked_for() {
    let subject = Subject::with(Counting::knows_good("files:read"), AuthLayerBuilder::strip_authorization);
    let request = with_fields(&[("authorization", b"Bearer good"), ("accept", b"*/*")]);
    assert_eq!(subject.send(request).await.status, 200);
    let seen = subject.handler.last();
    assert!(!seen.headers.contains_key(AUTHORIZATION));
    assert_eq!(seen.headers.len(), 1);
    assert_eq!(seen.token.unwrap().subject(), Some("alice"));
}

#[tokio::test]
async fn what_passes_without_a_token_leaves_its_credential_behind_too() {
    let subject =
        Subject::with(Counting::knows_good("files:read"), |builder| builder.optional().strip_authorization());
    subject.present(b"Basic dTpw").await;
    assert!(!subject.handler.last().headers.contains_key(AUTHORIZATION), "of another scheme");
    let mut request = preflight();
    for line in ["Bearer good", "Basic dTpw"] {
        request.headers_mut().append(AUTHORIZATION, HeaderValue::from_static(line));
    }
    subject.send(request).await;
    assert!(!subject.handler.last().headers.contains_key(AUTHORIZATION), "with a preflight");
    assert_eq!(subject.handler.calls(), 2);
}

#[tokio::test]
async fn whatever_credential_is_passed_on_is_marked_sensitive() {
    let optional = Subject::with(Counting::knows_good("files:read"), AuthLayerBuilder::optional);
    optional.present(b"Basic dTpw").await;
    assert!(optional.handler.last().headers[AUTHORIZATION].is_sensitive(), "of another scheme");
    let mut request = preflight();
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Bearer good"));
    optional.send(request).await;
    assert!(optional.handler.last().headers[AUTHORIZATION].is_sensitive(), "with a preflight");
}

#[tokio::test]
async fn a_hook_replaces_the_body_and_nothing_else() {
    let hook = |rejection: &Rejection| match rejection.kind() {
        RejectionKind::InvalidRequest => None,
        kind => Some(RejectionBody::new(HeaderValue::from_static("text/plain"), format!("{kind:?}"))),
    };
    let verifier = Counting::new(|token| match token {
        "down" => Err(VerifyError::unavailable("down")),
        _ => Err(VerifyErrorKind::Signature.into()),
    });
    let subject = Subject::with(verifier, |builder| builder.rejection_body(hook));
    for (request, golden, body) in [
        (bare(), F1, "MissingToken"),
        (presenting(b"Bearer bad"), F2, "InvalidToken"),
        (presenting(b"Bearer down"), F5, "Unavailable"),
    ] {
        let answer = subject.send(request).await;
        golden.check_header(&answer, "text/plain", body.len(), body);
        assert_eq!(answer.body, body);
    }
    F4.check(&subject.present(b"Bearer").await, "the hook keeps the body");
    let json = |_: &Rejection| Some(RejectionBody::json(&serde_json::json!({"title": "no"})));
    let subject = Subject::with(rejects_everything(), |builder| builder.rejection_body(json));
    let answer = subject.present(b"Bearer bad").await;
    F2.check_header(&answer, "application/json", 14, "a problem document");
    assert_eq!(answer.body, r#"{"title":"no"}"#);
    assert_eq!(subject.handler.calls(), 0);
}

#[tokio::test]
async fn a_hook_that_panics_costs_one_request() {
    let calls = AtomicUsize::new(0);
    let hook = move |_: &Rejection| {
        assert_ne!(calls.fetch_add(1, Ordering::SeqCst), 1, "the second time");
        None
    };
    let subject = Subject::with(Counting::knows_good("files:read"), |builder| builder.rejection_body(hook));
    let mut service = subject.auth.layer(subject.handler.clone());
    for line in [&b"Bearer bad"[..], b"Bearer bad", b"Bearer bad", b"Bearer good"].iter().enumerate() {
        let response = service.ready().await.unwrap().call(presenting(line.1)).await.unwrap();
        let answer = Answer::read(response).await;
        match line.0 {
            1 => {
                assert_eq!((answer.status.as_u16(), &*answer.body), (500, r#"{"error":"server_error"}"#));
                assert_eq!(answer.field("cache-control"), "no-store");
                assert_eq!(answer.field("content-length"), answer.body.len().to_string());
            }
            3 => assert_eq!(answer.status, 200),
            _ => F2.check(&answer, "before and after"),
        }
    }
    assert_eq!(subject.handler.calls(), 1);
}

// The contract of tower.

#[tokio::test(start_paused = true)]
async fn the_instance_that_was_ready_is_the_one_that_is_called() {
    for verifier in [Counting::knows_good("").boxed(), Immediate(|_: &str| Ok(token(""))).boxed()] {
        let (mut service, mut handle) = mock::spawn_layer::<_, Response<String>, _>(AuthLayer::new(verifier));
        handle.allow(0);
        assert!(service.poll_ready::<Request<()>>().is_pending(), "readiness is that of the inner service");
        handle.allow(2);
        for request in 0..2 {
            assert!(service.poll_ready::<Request<()>>().is_ready());
            let mut sent = Request::new(());
            sent.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Bearer good"));
            let answer = tokio::spawn(service.call(sent));
            let (received, respond) = soon(handle.next_request()).await.unwrap();
            assert!(received.extensions().get::<AccessToken>().is_some());
            respond.send_response(Response::new(request.to_string()));
            assert_eq!(answer.await.unwrap().unwrap().status(), 200);
        }
        assert!(service.poll_ready::<Request<()>>().is_pending());
    }
}

#[tokio::test]
async fn one_service_serves_many_requests_and_is_made_ready_for_each() {
    let subject = Subject::new();
    let mut service = subject.auth.layer(subject.handler.clone());
    for number in 1..=100 {
        let line: &[u8] = if number % 2 == 0 { b"Bearer good" } else { b"Bearer bad" };
        service.ready().await.unwrap().call(presenting(line)).await.unwrap();
    }
    assert_eq!((subject.verifier.calls(), subject.handler.calls()), (100, 50));
}

#[tokio::test]
async fn an_error_of_the_inner_service_is_propagated_as_it_is() {
    let verifier = Counting::knows_good("");
    let auth = AuthLayer::new(verifier.clone());
    let (mut service, mut handle) = mock::spawn_layer::<Request<()>, Response<String>, _>(auth.clone());
    handle.send_error("not today");
    let Poll::Ready(Err(error)) = service.poll_ready::<Request<()>>() else { panic!("an error") };
    assert_eq!(error.to_string(), "not today");
    assert_eq!(verifier.calls(), 0);

    let failing = service_fn(async |_: Request<Untouchable>| {
        Err::<Response<Full<Bytes>>, _>(io::Error::other("broken"))
    });
    let error: io::Error = auth.layer(failing).oneshot(presenting(b"Bearer good")).await.unwrap_err();
    assert_eq!(error.to_string(), "broken");
}

#[tokio::test]
async fn two_layers_must_both_be_satisfied_and_the_inner_identity_counts() {
    let knows = |tokens: &'static [&'static str], subject: &'static str| {
        Counting::new(move |token| match tokens.contains(&token) {
            true => Ok(AccessToken::verified().subject(subject).build()),
            false => Err(VerifyErrorKind::Inactive.into()),
        })
    };
    let (outer, inner) = (knows(&["both", "outer"], "outer"), knows(&["both", "inner"], "inner"));
    let handler = Handler::default();
    let service = ServiceBuilder::new()
        .layer(AuthLayer::new(outer.clone()))
        .layer(AuthLayer::new(inner.clone()))
        .service(handler.clone());
    for (line, status) in
        [("Bearer both", 200), ("Bearer outer", 401), ("Bearer inner", 401), ("Bearer none", 401)]
    {
        let response = service.clone().oneshot(presenting(line.as_bytes())).await.unwrap();
        assert_eq!(response.status(), status, "{line}");
    }
    assert_eq!((outer.calls(), inner.calls(), handler.calls()), (4, 2, 1));
    assert_eq!(handler.last().token.unwrap().subject(), Some("inner"));
}

/// Says so when its future is dropped.
struct Waiting(Arc<AtomicUsize>, Counting);

impl TokenVerifier for Waiting {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        struct Gone<'a>(&'a AtomicUsize);
        impl Drop for Gone<'_> {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let _gone = Gone(&self.0);
        self.1.verify(token).await?;
        pending().await
    }
}

#[tokio::test]
async fn a_future_that_is_dropped_has_asked_nobody_or_stops_asking() {
    let (dropped, counting) = (Arc::new(AtomicUsize::new(0)), Counting::knows_good(""));
    let handler = Handler::default();
    let auth = AuthLayer::new(Waiting(Arc::clone(&dropped), counting.clone()));
    let mut service = auth.layer(handler.clone());
    drop(service.ready().await.unwrap().call(presenting(b"Bearer good")));
    assert_eq!((counting.calls(), dropped.load(Ordering::SeqCst)), (0, 0));
    {
        let mut future = pin!(service.ready().await.unwrap().call(presenting(b"Bearer good")));
        let polled = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await;
        assert!(polled.is_pending());
        assert_eq!((counting.calls(), dropped.load(Ordering::SeqCst)), (1, 0));
    }
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    assert_eq!(handler.calls(), 0);
}

/// Fails instead of hanging. The clock of the test stands still unless nothing else can happen.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(1), future).await.expect("something happens")
}

/// Sends more rejected requests than there are permits, then a good one, through one service and its clones.
async fn assert_permits_return<S, B>(service: S)
where
    S: Service<Request<Untouchable>, Response = Response<B>> + Clone,
    S::Error: std::fmt::Debug,
{
    let mut own = service.clone();
    for round in 0..200 {
        let line: Option<&[u8]> =
            [None, Some(&b"Bearer bad"[..]), Some(b"Bearer a b"), Some(b"Bearer good")][round % 4];
        let request = line.map_or_else(bare, presenting);
        let expected = [401, 401, 400, 200][round % 4];
        let response = match round % 3 {
            // The clones come right after each kind of answer of this one.
            0 => soon(own.ready()).await.unwrap().call(request).await.unwrap(),
            _ => soon(service.clone().oneshot(request)).await.unwrap(),
        };
        assert_eq!(response.status(), expected);
    }
    // A future that is given up, polled or not, gives its permit back too.
    drop(soon(own.ready()).await.unwrap().call(presenting(b"Bearer good")));
    assert_eq!(
        soon(own.ready()).await.unwrap().call(presenting(b"Bearer good")).await.unwrap().status(),
        200
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_gives_its_permit_back() {
    for verifier in [Counting::knows_good("").boxed(), Immediate(only_good).boxed()] {
        let auth = AuthLayer::new(verifier);
        let builder = ServiceBuilder::new();
        assert_permits_return(builder.layer(auth.clone()).concurrency_limit(1).service(Handler::default()))
            .await;
        let builder = ServiceBuilder::new();
        assert_permits_return(builder.concurrency_limit(1).layer(auth.clone()).service(Handler::default()))
            .await;
        let builder = ServiceBuilder::new().layer(auth.clone());
        assert_permits_return(builder.load_shed().concurrency_limit(1).service(Handler::default())).await;
        let builder = ServiceBuilder::new().load_shed().concurrency_limit(1);
        assert_permits_return(builder.layer(auth.clone()).service(Handler::default())).await;
        let builder = ServiceBuilder::new().layer(auth.clone());
        assert_permits_return(builder.buffer(1).service(Handler::default())).await;
        let builder = ServiceBuilder::new().buffer(1).layer(auth);
        assert_permits_return(builder.service(Handler::default())).await;
    }
}

fn only_good(presented: &str) -> Verdict {
    if presented == "good" { Ok(token("")) } else { Err(VerifyErrorKind::Inactive.into()) }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_rejects_without_end_starves_nobody() {
    let auth = AuthLayer::new(Counting::knows_good(""));
    let mut service = ServiceBuilder::new().layer(auth).concurrency_limit(1).service(Handler::default());
    for line in [None, Some(&b"Bearer bad"[..])].iter().cycle().take(1_000) {
        let request = line.map_or_else(bare, presenting);
        let call = soon(service.ready()).await.unwrap().call(request);
        assert_eq!(call.await.unwrap().status(), 401);
        let other = service.clone();
        assert_eq!(soon(other.oneshot(presenting(b"Bearer good"))).await.unwrap().status(), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn timeouts_work_on_both_sides() {
    let span = Duration::from_secs(1);
    let stuck =
        service_fn(async |_: Request<Untouchable>| pending::<Result<Response<String>, Infallible>>().await);
    let auth = AuthLayer::new(Counting::knows_good(""));
    let inside = ServiceBuilder::new().layer(auth.clone()).timeout(span).service(stuck);
    let outside = ServiceBuilder::new().timeout(span).layer(auth).service(stuck);
    for line in [&b"Bearer good"[..], b"Bearer bad"] {
        let inside = inside.clone().oneshot(presenting(line)).await.map(|response| response.status());
        let outside = outside.clone().oneshot(presenting(line)).await.map(|response| response.status());
        for outcome in [inside, outside] {
            match line {
                b"Bearer good" => assert!(outcome.unwrap_err().is::<tower::timeout::error::Elapsed>()),
                _ => assert_eq!(outcome.unwrap(), 401),
            }
        }
    }
    let never = AuthLayer::new(Waiting(Arc::default(), Counting::knows_good("")));
    let service = ServiceBuilder::new().timeout(span).layer(never).service(Handler::default());
    let error = service.oneshot(presenting(b"Bearer good")).await.unwrap_err();
    assert!(error.is::<tower::timeout::error::Elapsed>(), "the outer limit is the shorter one");
}

#[tokio::test]
async fn a_panic_of_the_handler_is_caught_on_both_sides() {
    let panicking = service_fn(async |request: Request<Untouchable>| {
        assert!(!request.headers().contains_key("x-panic"), "asked to");
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("fine")))
    });
    let auth = AuthLayer::new(Counting::knows_good(""));
    let outside = ServiceBuilder::new().layer(CatchPanicLayer::new()).layer(auth.clone()).service(panicking);
    let inside = ServiceBuilder::new().layer(auth).layer(CatchPanicLayer::new()).service(panicking);
    for _ in 0..3 {
        for (fields, status) in [
            (&[("authorization", &b"Bearer good"[..])][..], 200),
            (&[("authorization", b"Bearer good"), ("x-panic", b"1")], 500),
            (&[("authorization", b"Bearer bad"), ("x-panic", b"1")], 401),
        ] {
            let answer = outside.clone().oneshot(with_fields(fields)).await.unwrap();
            assert_eq!(answer.status(), status);
            let answer = inside.clone().oneshot(with_fields(fields)).await.unwrap();
            assert_eq!(answer.status(), status);
        }
    }
}

#[test]
fn it_is_built_and_called_without_a_runtime() {
    let handler = Handler::default();
    let verifier = Counting::knows_good("files:read").boxed();
    let auth =
        AuthLayer::builder(verifier).resource(RESOURCE).required_scopes(["files:read"]).build().unwrap();
    let send = |request| {
        block_on(async { Answer::read(auth.layer(handler.clone()).oneshot(request).await.unwrap()).await })
    };
    assert_eq!(send(presenting(b"Bearer good")).status, 200);
    F2.check(&send(presenting(b"Bearer bad")), "bad");
    F1.check(&send(bare()), "none");
    assert_eq!(handler.calls(), 1);
}

#[test]
fn it_serves_in_a_runtime_without_timers() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let subject = Subject::new();
    assert_eq!(runtime.block_on(subject.present(b"Bearer good")).status, 200);
}

#[test]
fn a_future_that_is_polled_too_often_does_not_panic() {
    let auth = AuthLayer::new(Counting::knows_good(""));
    let mut service = auth.layer(Handler::default());
    block_on(poll_fn(|context| Service::<Request<Untouchable>>::poll_ready(&mut service, context))).unwrap();
    let mut future = pin!(service.call(bare()));
    let mut context = Context::from_waker(Waker::noop());
    assert!(future.as_mut().poll(&mut context).is_ready());
    assert!(future.as_mut().poll(&mut context).is_pending());
}

// What has to compile.

fn assert_send<T: Send + 'static>(_: &T) {}
fn assert_sync<T: Send + Sync + Clone + 'static>(_: &T) {}
fn assert_unpin<T: Unpin>(_: &T) {}

#[test]
fn layer_service_and_future_go_where_services_go() {
    let auth = AuthLayer::new(Counting::knows_good(""));
    let mut service = auth.layer(Handler::default());
    assert_sync(&auth);
    assert_sync(&service);
    block_on(poll_fn(|context| Service::<Request<Untouchable>>::poll_ready(&mut service, context))).unwrap();
    let future: ResponseFuture<Handler, Untouchable> = service.call(bare());
    assert_send(&future);
    assert_unpin(&future);
    // Neither body nor error of the inner service has to be anything in particular.
    let odd = service_fn(async |_: Request<std::rc::Rc<()>>| Err::<Response<std::rc::Rc<()>>, u8>(7));
    assert_eq!(block_on(auth.layer(odd).oneshot(Request::new(std::rc::Rc::new(())))).unwrap().status(), 401);
    assert!(size_of::<Auth<(), BoxVerifier>>() < 1024, "a clone for each connection has to be small");
}

#[test]
fn it_fits_hyper_axum_and_a_boxed_service() {
    let auth: AuthLayer = AuthLayer::new(Counting::knows_good("").boxed());
    let hyper = service_fn(async |_: Request<hyper::body::Incoming>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let hyper = hyper_util::service::TowerToHyperService::new(auth.layer(hyper));
    let _serve = |stream: tokio::io::DuplexStream| {
        let stream = hyper_util::rt::TokioIo::new(stream);
        hyper::server::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new())
            .serve_connection(stream, hyper)
    };
    let _app: axum::Router =
        axum::Router::new().route("/", axum::routing::get(async || "hello")).layer(auth.clone());
    let boxed = BoxCloneService::new(auth.layer(Handler::default()));
    let answer = block_on(boxed.clone().oneshot(bare())).unwrap();
    assert_eq!(answer.status(), 401);
    let erased = boxed.map_err(BoxError::from);
    assert_eq!(block_on(BoxCloneService::new(erased).oneshot(bare())).unwrap().status(), 401);
}

// What is logged.

#[tokio::test]
async fn a_fault_of_this_server_is_an_error_once_a_minute() {
    let (logs, _guard) = Logs::capture();
    let clock = ManualClock::new();
    let verifier = Counting::new(|_| Err(VerifyError::misconfigured("the provider refuses our secret")));
    let subject = Subject::with(verifier, |builder| builder.clock(clock.clone()));
    for (advance, errors) in [(0, 1), (0, 1), (30_000, 1), (29_999, 1), (1, 2), (59_999, 2), (1, 3)] {
        clock.advance(Duration::from_millis(advance));
        F5.check(&subject.present(b"Bearer good").await, "misconfigured");
        assert_eq!((logs.count(Level::ERROR), logs.count(Level::WARN)), (errors, 0));
    }
    let line = logs.own().into_iter().find(|line| line.level == Level::ERROR).unwrap();
    assert_eq!(
        [line.field("outcome"), line.field("reason"), line.field("verifier"), line.field("cause")],
        ["rejected", "unavailable", "Counting", "the provider refuses our secret"],
    );
}

#[tokio::test]
async fn an_outage_is_a_warning_at_most_once_a_second() {
    let (logs, _guard) = Logs::capture();
    let clock = ManualClock::new();
    let down = Counting::new(|_| Err(VerifyError::unavailable("connection refused")));
    let subject = Subject::with(down, |builder| builder.clock(clock.clone()));
    for (advance, warnings) in [(0, 1), (0, 1), (999, 1), (1, 2), (500, 2), (499, 2), (1, 3), (60_000, 4)] {
        clock.advance(Duration::from_millis(advance));
        subject.present(b"Bearer good").await;
        assert_eq!((logs.count(Level::WARN), logs.count(Level::ERROR)), (warnings, 0));
    }
    // The wall clock does not matter.
    clock.set(SystemTime::UNIX_EPOCH);
    subject.present(b"Bearer good").await;
    assert_eq!(logs.count(Level::WARN), 4);
}

#[tokio::test]
async fn what_clients_do_wrong_is_not_logged_above_debug() {
    let (logs, _guard) = Logs::capture();
    let subject = Subject::with(Counting::knows_good("files:read"), |builder| builder);
    let weak = Subject::with(Counting::knows_good(""), |builder| builder);
    for _ in 0..100 {
        for line in [&b"Bearer bad"[..], b"Bearer a{b", b"Bearer", b"Basic x", b"Bearer good"] {
            subject.present(line).await;
        }
        weak.present(b"Bearer good").await;
    }
    assert!(logs.own().iter().all(|line| line.level >= Level::DEBUG));
    let reasons: Vec<_> = logs.own().iter().take(6).map(|line| line.field("reason").to_owned()).collect();
    assert_eq!(
        reasons,
        ["inactive", "malformed", "invalid_request", "missing_token", "", "insufficient_scope"]
    );
    assert_eq!(logs.own().len(), 600, "one line for each decision");
}
