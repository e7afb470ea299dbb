//! Runs the attack vectors through the whole service: tokens, `Authorization` headers, documents of issuers.
#![cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::convert::Infallible;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde::Deserialize;
use serde_json::{Map, Value};
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt, service_fn};
use tower_bearer::client::{AnswerFuture, HttpClient, Limits};
use tower_bearer::clock::Clock;
use tower_bearer::verifier::JwtVerifierBuilder;
use tower_bearer::{AccessToken, Algorithm, AuthLayer, BearerToken, JwtVerifier};

const JWKS_URI: &str = "https://issuer.example.com/jwks";
/// Needs a verifier of several issuers: it is run with the tests of those.
const NOT_RUN: [&str; 1] = ["F152-multi-issuer-ssrf"];
/// Wrong in nothing but the key or the signature, although they stand in the group of headers: keys may be fetched.
const FOREIGN_KEY: [&str; 5] = [
    "C15-jwk-embedded-attacker",
    "C16-jwk-embedded-attacker-good-kid",
    "C17-jku-attacker",
    "C23-kid-path-traversal",
    "C27-kid-url",
];

#[derive(Deserialize)]
struct File {
    counts: Counts,
    now: u64,
    jwks: Map<String, Value>,
    pem: Map<String, Value>,
    secrets: Map<String, Value>,
    vectors: Vec<Vector>,
    authorization_header_vectors: Vec<HeaderVector>,
    jwks_documents: Vec<Document>,
}

#[derive(Deserialize)]
struct Counts {
    vectors: usize,
    accept: usize,
    authorization_header_vectors: usize,
    jwks_documents: usize,
}

#[derive(Deserialize)]
struct Vector {
    id: String,
    group: String,
    token: String,
    expect: Expect,
    now: u64,
    clock: String,
    config: Config,
    expect_access_token: Option<Map<String, Value>>,
    must_not_fetch: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Expect {
    Accept,
    Reject,
    Unavailable,
}

#[derive(Clone, Deserialize)]
struct Config {
    issuer: Value,
    audience: Vec<String>,
    algorithms: Vec<String>,
    typ: Option<Vec<String>>,
    key_source: Map<String, Value>,
    required_claims: Vec<String>,
    leeway_s: u64,
}

#[derive(Deserialize)]
struct HeaderVector {
    id: String,
    headers: Vec<(String, Value)>,
    method: Option<String>,
    query: Option<String>,
    body: Option<String>,
    expect: Expect,
    status: Vec<u16>,
    /// `error`, if it is there, is the code in the challenge; null stands for none.
    #[serde(flatten)]
    more: Map<String, Value>,
}

#[derive(Deserialize)]
struct Document {
    id: String,
    status: u16,
    content_type: Option<String>,
    #[serde(default)]
    headers: Map<String, Value>,
    body: Option<String>,
    body_generator: Option<String>,
    expect: Expect,
}

fn file() -> File {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/jwt-attack-vectors.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A wall clock that stands still, or that of the system; and a monotonic clock that is moved by hand.
#[derive(Clone, Debug)]
struct TestClock {
    now: Option<SystemTime>,
    instant: Arc<Mutex<Instant>>,
}

impl TestClock {
    fn new(now: Option<u64>) -> Self {
        let now = now.map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        Self { now, instant: Arc::new(Mutex::new(Instant::now())) }
    }

    fn advance(&self, span: Duration) {
        *self.instant.lock().unwrap() += span;
    }
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        self.now.unwrap_or_else(SystemTime::now)
    }

    fn instant(&self) -> Instant {
        *self.instant.lock().unwrap()
    }
}

/// Answers every request with the same document, and remembers where it was sent.
#[derive(Clone, Debug)]
struct Scripted {
    answer: Arc<Mutex<Response<Bytes>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    fn new(answer: Response<Bytes>) -> Self {
        Self { answer: Arc::new(Mutex::new(answer)), requests: Arc::default() }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl HttpClient for Scripted {
    fn send(&self, request: Request<Bytes>, _: Limits) -> AnswerFuture<'_> {
        self.requests.lock().unwrap().push(request.uri().to_string());
        let answer = self.answer.lock().unwrap().clone();
        Box::pin(async { Ok(answer) })
    }
}

/// What a client sees, and what the handler saw.
#[derive(Clone, Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    token: Option<AccessToken>,
}

impl Answer {
    /// All that a second answer has to repeat.
    fn parts(&self) -> (StatusCode, &HeaderMap, &Bytes, Option<&Map<String, Value>>) {
        (self.status, &self.headers, &self.body, self.token.as_ref().map(AccessToken::claims))
    }

    fn challenge(&self) -> &str {
        self.headers.get("www-authenticate").map_or("", |value| value.to_str().unwrap())
    }
}

/// A service behind the layer that hands out the access token it was given, and how often it was called.
#[derive(Clone)]
struct App {
    service: BoxCloneSyncService<Request<Full<Bytes>>, Response<AnyBody>, Infallible>,
    calls: Arc<AtomicUsize>,
}

type AnyBody = http_body_util::combinators::BoxBody<Bytes, Infallible>;

impl App {
    fn new(verifier: JwtVerifier, clock: TestClock) -> Self {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let handler = service_fn(move |request: Request<Full<Bytes>>| {
            counted.fetch_add(1, Ordering::Relaxed);
            let token: Option<&AccessToken> = request.extensions().get();
            let mut response = Response::new(Full::new(Bytes::from_static(b"served")));
            response.extensions_mut().insert(token.cloned().unwrap());
            async { Ok::<_, Infallible>(response) }
        });
        let layer = AuthLayer::builder(verifier).clock(clock).build().unwrap();
        let service = layer.layer(handler).map_response(|response| response.map(BodyExt::boxed));
        Self { service: BoxCloneSyncService::new(service), calls }
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let before = self.calls.load(Ordering::Relaxed);
        let mut response = self.service.clone().oneshot(request).await.unwrap();
        let called = self.calls.load(Ordering::Relaxed) - before;
        let token: Option<AccessToken> = response.extensions_mut().remove();
        assert_eq!(called, usize::from(response.status() == StatusCode::OK), "calls of the handler");
        assert_eq!(token.is_some(), response.status() == StatusCode::OK);
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: head.status, headers: head.headers, body, token }
    }

    /// None if no header field can hold the token.
    async fn present(&self, token: &str) -> Option<Answer> {
        let value = HeaderValue::from_bytes(format!("Bearer {token}").as_bytes()).ok()?;
        let request = Request::get("/whoami").header("authorization", value).body(Full::default()).unwrap();
        Some(self.send(request).await)
    }
}

/// A verifier as a configuration describes it, without its keys.
fn builder(config: &Config, clock: &TestClock) -> JwtVerifierBuilder {
    let issuer = config.issuer.as_str().unwrap();
    let (first, others) = config.audience.split_first().unwrap();
    let algorithms = config.algorithms.iter().map(|name| Algorithm::from_name(name).unwrap());
    let builder = JwtVerifier::builder(issuer, first)
        .algorithms(algorithms)
        .required_claims(config.required_claims.clone())
        .leeway(Duration::from_secs(config.leeway_s))
        .clock(clock.clone());
    let builder = others.iter().fold(builder, JwtVerifierBuilder::add_audience);
    match config.typ.as_deref() {
        None => builder,
        Some(types) => {
            assert_eq!(types, ["at+jwt", "application/at+jwt"]);
            builder.rfc9068()
        }
    }
}

fn document(keys: &Value) -> Response<Bytes> {
    Response::new(keys.to_string().into())
}

impl File {
    /// The key set of a configuration, if it has one.
    fn keys(&self, config: &Config) -> Option<&Value> {
        config.key_source.get("jwks").map(|name| &self.jwks[name.as_str().unwrap()])
    }

    /// With the keys in the configuration.
    fn configured(&self, config: &Config, clock: &TestClock) -> App {
        let (source, name) = config.key_source.iter().next().unwrap();
        let name = name.as_str().unwrap();
        let builder = builder(config, clock);
        let builder = match source.as_str() {
            "jwks" => builder.jwk_set(self.jwks[name].to_string()),
            "pem" => builder.public_key_pem(self.pem[name].as_str().unwrap()),
            "secret" => {
                builder.hmac_secret(URL_SAFE_NO_PAD.decode(self.secrets[name].as_str().unwrap()).unwrap())
            }
            other => panic!("{other}"),
        };
        App::new(builder.build().unwrap(), clock.clone())
    }

    fn vector(&self, id: &str) -> &Vector {
        self.vectors.iter().find(|vector| vector.id == id).unwrap()
    }
}

/// With the keys at an address.
fn remote(config: &Config, clock: &TestClock, client: &Scripted) -> App {
    let builder = builder(config, clock).jwks_uri(JWKS_URI).http_client(client.clone());
    App::new(builder.build().unwrap(), clock.clone())
}

fn assert_token_is(token: &AccessToken, expected: &Map<String, Value>, id: &str) {
    for (name, value) in expected {
        let own: Value = match name.as_str() {
            "subject" => token.subject().into(),
            "client_id" => token.client().into(),
            "scopes" => token.scopes().iter().collect(),
            "expires_at" => {
                token.expires_at().unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().into()
            }
            other => panic!("{id}: {other}"),
        };
        assert_eq!(own, *value, "{id}: {name}");
    }
}

/// 401, or 400 for what is no token at all; nothing of the token comes back.
fn assert_rejected(answer: &Answer, token: &str, id: &str) {
    let is_token68 = BearerToken::new(token).is_ok();
    match answer.status {
        StatusCode::UNAUTHORIZED => assert!(answer.challenge().contains("error=\"invalid_token\""), "{id}"),
        StatusCode::BAD_REQUEST if !is_token68 => {
            assert!(answer.challenge().contains("error=\"invalid_request\""), "{id}");
        }
        other => panic!("{id}: {other}"),
    }
    let headers = answer.headers.iter().flat_map(|(name, value)| [name.as_ref(), value.as_bytes()]);
    for text in headers.chain([&*answer.body]) {
        let leaked = token.as_bytes().windows(16).any(|part| text.windows(16).any(|own| own == part));
        assert!(!leaked, "{id}: {answer:?}");
    }
}

/// Presents the token of a vector twice. The second answer has to be the first.
async fn run(vector: &Vector, app: &App) {
    let id = &vector.id;
    let Some(cold) = app.present(&vector.token).await else {
        assert_eq!(vector.expect, Expect::Reject, "{id}");
        assert!(BearerToken::new(&vector.token).is_err(), "{id}");
        return;
    };
    match vector.expect {
        Expect::Accept => {
            assert_eq!(cold.status, StatusCode::OK, "{id}: {cold:?}");
            let expected = vector.expect_access_token.clone().unwrap_or_default();
            assert_token_is(cold.token.as_ref().unwrap(), &expected, id);
        }
        _ => assert_rejected(&cold, &vector.token, id),
    }
    let warm = app.present(&vector.token).await.unwrap();
    assert_eq!(warm.parts(), cold.parts(), "{id}: the second answer");
}

impl Vector {
    fn clock(&self) -> TestClock {
        match self.clock.as_str() {
            "any" => TestClock::new(None),
            "fixed" => TestClock::new(Some(self.now)),
            other => panic!("{other}"),
        }
    }

    /// Whether only a key can tell that the token is bad, or that it is good.
    fn needs_a_key(&self) -> bool {
        self.expect == Expect::Accept || self.group == "signature" || FOREIGN_KEY.contains(&&*self.id)
    }
}

#[tokio::test]
async fn every_token_is_judged_as_labelled_by_configured_keys() {
    let file = file();
    let (mut run_through, mut accepted) = (0, 0);
    for vector in file.vectors.iter().filter(|vector| !NOT_RUN.contains(&&*vector.id)) {
        run(vector, &file.configured(&vector.config, &vector.clock())).await;
        run_through += 1;
        accepted += usize::from(vector.expect == Expect::Accept);
    }
    assert_eq!((run_through, accepted), (107, 14));
    assert_eq!((run_through + NOT_RUN.len(), accepted), (file.counts.vectors, file.counts.accept));
}

#[tokio::test]
async fn every_token_is_judged_as_labelled_by_fetched_keys_and_a_bad_one_causes_no_fetch() {
    let file = file();
    let mut run_through = 0;
    for vector in file.vectors.iter().filter(|vector| !NOT_RUN.contains(&&*vector.id)) {
        let Some(keys) = file.keys(&vector.config) else { continue };
        let (id, clock, client) = (&vector.id, vector.clock(), Scripted::new(document(keys)));
        let app = remote(&vector.config, &clock, &client);
        run(vector, &app).await;
        let fetched = client.requests();
        assert_eq!(fetched, vec![JWKS_URI; usize::from(vector.needs_a_key())], "{id}");

        // With the keys at hand, the answers are the same, and nobody is asked again.
        app.present(&file.vector("A01-rs256").token).await.unwrap();
        run(vector, &app).await;
        let fetched = client.requests();
        assert_eq!(fetched, [JWKS_URI], "{id}");
        let forbidden = vector.must_not_fetch.iter().flatten();
        assert!(forbidden.into_iter().all(|address| !fetched.contains(address)), "{id}");
        run_through += 1;
    }
    // The others have a static secret or a PEM.
    assert_eq!(run_through, 104);
}

#[tokio::test]
async fn every_authorization_header_is_answered_as_labelled() {
    let file = file();
    let config = &file.vector("A01-rs256").config;
    let app = file.configured(config, &TestClock::new(None));
    for vector in &file.authorization_header_vectors {
        let id = &vector.id;
        let mut headers = HeaderMap::new();
        for (name, value) in &vector.headers {
            let bytes = match value.as_str() {
                Some(text) => text.as_bytes().to_vec(),
                None => STANDARD.decode(value["b64"].as_str().unwrap()).unwrap(),
            };
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_bytes(&bytes).unwrap(),
            );
        }
        let request = || {
            let query = vector.query.as_deref().map_or_else(String::new, |query| format!("?{query}"));
            let body = vector.body.clone().unwrap_or_default();
            let mut request = Request::new(Full::from(body));
            *request.method_mut() = vector.method.as_deref().unwrap_or("GET").parse::<Method>().unwrap();
            *request.uri_mut() = format!("/whoami{query}").parse().unwrap();
            *request.headers_mut() = headers.clone();
            request
        };
        let answer = app.send(request()).await;
        assert!(vector.status.contains(&answer.status.as_u16()), "{id}: {answer:?}");
        assert_eq!(answer.status == StatusCode::OK, vector.expect == Expect::Accept, "{id}");
        assert_eq!(answer.status == StatusCode::OK, answer.challenge().is_empty(), "{id}");
        match vector.more.get("error").map(Value::as_str) {
            Some(Some(code)) => assert!(answer.challenge().contains(&format!("error=\"{code}\"")), "{id}"),
            Some(None) => assert!(!answer.challenge().contains("error="), "{id}"),
            None => {}
        }
        assert_eq!(app.send(request()).await.parts(), answer.parts(), "{id}: the second answer");
    }
    assert_eq!(file.authorization_header_vectors.len(), file.counts.authorization_header_vectors);
    assert_eq!(file.counts.authorization_header_vectors, 15);
}

impl Document {
    fn response(&self, good: &Value) -> Response<Bytes> {
        let body = match (self.body.as_deref(), self.body_generator.as_deref()) {
            (Some(body), None) => body.to_owned(),
            (None, Some("100000 small JWKs")) => {
                // The key that is needed is among them: it is the length alone that is wrong.
                let mut keys = good["keys"].as_array().unwrap().clone();
                let small = |id| serde_json::json!({ "kty": "oct", "kid": format!("k{id}"), "k": "AA" });
                keys.extend((0..100_000).map(small));
                serde_json::json!({ "keys": keys }).to_string()
            }
            (_, generator) => panic!("{}: {generator:?}", self.id),
        };
        let mut response = Response::builder().status(self.status);
        if let Some(content_type) = &self.content_type {
            response = response.header("content-type", content_type);
        }
        for (name, value) in &self.headers {
            response = response.header(name, value.as_str().unwrap());
        }
        response.body(body.into()).unwrap()
    }
}

/// Lets the fetch in the background come to its end.
async fn fetched(client: &Scripted, times: usize) {
    for _ in 0..1_000 {
        if client.requests().len() >= times {
            break;
        }
        tokio::task::yield_now().await;
    }
    // The answer is at hand at once; what is left is to take it in.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(client.requests(), vec![JWKS_URI; times]);
}

#[tokio::test]
async fn without_keys_a_bad_document_is_an_outage_and_no_verdict() {
    let file = file();
    let probe = file.vector("A01-rs256");
    let good = file.keys(&probe.config).unwrap();
    for document in &file.jwks_documents {
        let id = &document.id;
        let (clock, client) = (TestClock::new(Some(file.now)), Scripted::new(document.response(good)));
        let app = remote(&probe.config, &clock, &client);
        let answer = app.present(&probe.token).await.unwrap();
        if document.expect == Expect::Accept {
            assert_eq!(answer.status, StatusCode::OK, "{id}");
        } else {
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{id}");
            let retry_after = answer.headers["retry-after"].to_str().unwrap();
            assert!(retry_after.parse::<u64>().unwrap() >= 1, "{id}");
            assert!(!answer.headers.contains_key("www-authenticate"), "{id}");
        }
        assert_eq!(app.present(&probe.token).await.unwrap().status, answer.status, "{id}");
        assert_eq!(client.requests(), [JWKS_URI], "{id}: one request, and none that a document asks for");
    }
    assert_eq!(file.jwks_documents.len(), file.counts.jwks_documents);
    assert_eq!(file.counts.jwks_documents, 8);
}

#[tokio::test]
async fn with_keys_at_hand_a_bad_document_changes_nothing() {
    let file = file();
    let (probe, forged) = (file.vector("A01-rs256"), file.vector("E14-evil-key-good-kid"));
    let good = file.keys(&probe.config).unwrap();
    for document in &file.jwks_documents {
        let id = &document.id;
        let (clock, client) = (TestClock::new(Some(file.now)), Scripted::new(self::document(good)));
        let app = remote(&probe.config, &clock, &client);
        assert_eq!(app.present(&probe.token).await.unwrap().status, StatusCode::OK, "{id}");

        *client.answer.lock().unwrap() = document.response(good);
        clock.advance(Duration::from_secs(60 * 60));
        assert_eq!(app.present(&probe.token).await.unwrap().status, StatusCode::OK, "{id}: as it is fetched");
        fetched(&client, 2).await;
        assert_eq!(
            app.present(&probe.token).await.unwrap().status,
            StatusCode::OK,
            "{id}: after it was fetched"
        );
        assert_eq!(app.present(&forged.token).await.unwrap().status, StatusCode::UNAUTHORIZED, "{id}");
    }
}
