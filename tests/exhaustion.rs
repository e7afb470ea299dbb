//! Floods and shortages: of tokens, members, bodies, log lines, file descriptors; and providers that cannot be reached, or only
//! now and then, or somewhere else from now on.

#![cfg(all(
    feature = "github",
    feature = "introspection",
    feature = "reqwest",
    feature = "testing",
    any(feature = "aws-lc-rs", feature = "rust-crypto")
))]
#![allow(
    clippy::cognitive_complexity,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and reads well"
)]

mod common;
#[path = "common/keys.rs"]
mod script;

use std::collections::BTreeSet;
use std::fmt::{self, Debug};
use std::future::Future;
use std::net::SocketAddr;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use rcgen::{Certificate, CertificateParams, KeyPair, date_time_ymd};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tower_bearer::client::{AnswerFuture, HttpClient, Limits, ReqwestClient};
use tower_bearer::jwks::RemoteJwks;
use tower_bearer::testing::{TestClock, TestGitHub, TestIntrospection, TestIssuer};
use tower_bearer::verifier::{GitHubVerifierBuilder, IntrospectionVerifierBuilder, UserInfoVerifier};
use tower_bearer::{
    Algorithm, AuthLayer, BearerToken, CacheLayer, GitHubVerifier, IntrospectionVerifier, JwtVerifier,
    TokenVerifier, VerifyError,
};
use tracing::Level;

use self::common::{Logs, block_on};
use self::script::{AUDIENCE, App, Reply, World, settle};

const ISSUER: &str = "https://idp.example.com";
const ENDPOINT: &str = "https://idp.example.com/introspect";
const CLIENT: &str = "my-api";
const SECRET: &str = "S3cr3t-canary-0123456789";
const MAX_LENGTH: usize = 16 * 1024;
/// 2026-01-01T00:00:00Z, where the test clock begins.
const START: u64 = 1_767_225_600;
/// The year 2100.
const LATER: u64 = 4_102_444_800;
/// Longer than any of these tests may take.
const PATIENCE: Duration = Duration::from_secs(60);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn bearer(token: &str) -> BearerToken {
    BearerToken::new(token).unwrap()
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % limit
    }

    fn text(&mut self, alphabet: &[u8], length: usize) -> String {
        (0..length).map(|_| char::from(alphabet[self.below(alphabet.len())])).collect()
    }
}

/// Waits for something that comes about in the background.
async fn until(is_so: impl Fn() -> bool) {
    let started_at = Instant::now();
    while !is_so() {
        assert!(started_at.elapsed() < PATIENCE, "it does not come about");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A client that answers by a closure.
#[derive(Clone)]
struct Closure(Arc<dyn Fn() -> String + Send + Sync>);

impl Closure {
    fn new(answer: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(answer))
    }
}

impl Debug for Closure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Closure")
    }
}

impl HttpClient for Closure {
    fn send(&self, _: Request<Bytes>, _: Limits) -> AnswerFuture<'_> {
        let answer = Response::new(Bytes::from((self.0)()));
        Box::pin(async { Ok(answer) })
    }
}

/// A verifier that introspects at an address that no packet reaches, through a client of the test.
fn introspecting(client: impl HttpClient) -> IntrospectionVerifierBuilder {
    IntrospectionVerifier::builder(ISSUER, AUDIENCE)
        .endpoint(ENDPOINT)
        .client_secret_basic(CLIENT, SECRET)
        .http_client(client)
}

/// What a provider says of a good token.
fn yes(subject: &str) -> Value {
    json!({ "active": true, "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "exp": LATER })
}

// Tokens that are none.

/// Something that is no token, in one of many ways.
fn malformed(dice: &mut Dice, good: &str) -> String {
    const VISIBLE: &[u8] = br#"!"$%&'()*+-./0123456789:;<=>?@ABCXYZ[\]^_`abcxyz{|}~"#;
    const WORD: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let length = dice.below(200) + 1;
    match dice.below(6) {
        0 => dice.text(VISIBLE, length),
        1 => dice.text(WORD, length),
        2 => ".".repeat(dice.below(MAX_LENGTH) + 1),
        3 => [length, length * 2, 342].map(|length| dice.text(WORD, length)).join("."),
        4 => good[..dice.below(good.len() - 1) + 1].to_owned(),
        _ => {
            let at = dice.below(good.len());
            let other = if good.as_bytes()[at] == b'.' { "A" } else { "." };
            format!("{}{other}{}", &good[..at], &good[at + 1..])
        }
    }
}

#[tokio::test]
async fn a_flood_of_malformed_tokens_gets_rejections_only_and_nobody_is_asked() {
    let world = World::new().await;
    let (jwts, good) = (world.app(), world.token());
    assert_eq!(jwts.status(&good).await, 200);
    let github = GitHubVerifier::insecure_any_app().http_client(world.script.clone()).build().unwrap();
    let cached = world.verifier().cached(CacheLayer::new());
    let (github, handle) = (world.app_of(github), cached.handle());
    let cached = world.app_of(cached);
    assert_eq!(cached.status(&good).await, 200);
    let (logs, _guard) = Logs::capture();
    let mut dice = Dice(0x5eed);
    for number in 0..6_000 {
        let token = malformed(&mut dice, &good);
        for app in [&jwts, &github, &cached] {
            let status = app.status_at_once(&token);
            assert!(matches!(status, Some(400 | 401)), "{number}: {status:?} for {token:?}");
        }
    }
    assert_eq!(world.script.count(), 2, "the keys, for each verifier");
    assert!(logs.own().iter().all(|line| line.level >= Level::DEBUG));
    let stats = handle.stats();
    assert!(stats.in_flight() == 0 && stats.entries() <= 1, "{stats:?}");
    assert_eq!(jwts.status_at_once(&good), Some(200));
}

// Claims without end.

/// An object with so many more members, whose names begin alike.
fn with_members(claims: Value, count: usize) -> Value {
    let Value::Object(mut claims) = claims else { panic!("no object") };
    let members = (0..count).map(|number| (format!("aaaaaaaa{number}"), Value::from(1)));
    claims.extend(members.collect::<Map<_, _>>());
    claims.into()
}

#[tokio::test]
async fn a_token_with_as_many_members_as_fit_is_rejected_without_much_memory() {
    let world = World::new().await;
    let verifier = world.builder().jwk_set(world.issuer.jwk_set()).build().unwrap();
    let claims = json!({ "iss": world.issuer.issuer(), "aud": AUDIENCE, "sub": "alice", "exp": START + 300 });
    let header = json!({ "alg": "EdDSA", "kid": "ed25519-1" }).to_string();
    let token = |members| {
        let claims = with_members(claims.clone(), members).to_string();
        world.issuer.sign(Algorithm::EdDsa, header.as_bytes(), claims.as_bytes())
    };
    let app = world.app_of(verifier.clone());
    for (members, expected) in [(400, 200), (496, 200), (497, 401), (750, 401), (5_000, 400)] {
        assert_eq!(app.status(&token(members)).await, expected, "{members} more members");
    }
    let many = bearer(&token(750));
    let cost = allocation_counter::measure(|| {
        assert!(verifier.verify_now(&many, world.clock_at(0)).unwrap().is_err());
    });
    assert!(cost.count_total <= 32 && cost.bytes_max <= 256 * 1024, "{cost:?}");
}

#[test]
fn an_answer_with_five_thousand_members_is_none_and_costs_little() {
    for (members, expected) in [(400, None), (4_000, Some(503)), (5_000, Some(503))] {
        let answer = with_members(yes("alice"), members).to_string();
        let length = u64::try_from(answer.len()).unwrap();
        let client = Closure::new(move || answer.clone());
        let app = App::of(AuthLayer::new(introspecting(client).build().unwrap()));
        let mut status = 0;
        let cost = allocation_counter::measure(|| status = block_on(app.status("opaque")));
        assert_eq!(status, expected.unwrap_or(200), "{members}");
        // One copy of it is the client's.
        assert!(expected.is_none() || cost.bytes_max <= 8 * length + 64 * 1024, "{members}: {cost:?}");
        assert!(expected.is_none() || cost.count_total <= 500, "{members}: {cost:?}");
    }
}

// Bodies that never end.

/// An axum app behind a layer, which answers with the length of what was posted.
async fn serve(verifier: impl TokenVerifier + 'static) -> SocketAddr {
    use axum::Router;
    use axum::routing::post;
    let handler = async |body: Bytes| body.len().to_string();
    let app = Router::new().route("/", post(handler)).layer(AuthLayer::new(verifier));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, app).await });
    address
}

/// Reads what comes until the end of a head.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

#[tokio::test]
async fn two_hundred_bodies_that_drip_hold_up_no_rejection_and_nobody_else() {
    let issuer = TestIssuer::start().await.unwrap();
    let verifier = JwtVerifier::builder(issuer.issuer(), AUDIENCE).jwk_set(issuer.jwk_set()).build().unwrap();
    let address = serve(verifier).await;
    let good = issuer.token().audience(AUDIENCE).mint();
    let bad = [
        "malformed".to_owned(),
        format!("{}AAAA", &good[..good.len() - 4]),
        issuer.token().audience(AUDIENCE).expired_since(secs(100)).mint(),
    ];
    let lengths = ["Content-Length: 1000000000", "Transfer-Encoding: chunked"];
    let mut open = Vec::new();
    for number in 0..200 {
        let (token, length) = (&bad[number % bad.len()], lengths[number % lengths.len()]);
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!("POST / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\n{length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(b"1\r\n").await.unwrap();
        open.push(stream);
    }
    for (number, stream) in open.iter_mut().enumerate() {
        let head = tokio::time::timeout(PATIENCE, read_head(stream)).await.unwrap().unwrap();
        assert!(head.starts_with("HTTP/1.1 401 "), "{number}: {head}");
    }
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {good}\r\nContent-Length: 4\r\n\r\nbody"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    assert!(read_head(&mut stream).await.unwrap().starts_with("HTTP/1.1 200 "));
}

// Lines and labels.

#[tokio::test]
async fn ten_minutes_of_outage_under_load_write_a_warning_a_second_at_most() {
    let world = World::new().await;
    world.goes_down();
    let jwts = world.app();
    let opaque = introspecting(world.script.clone()).clock(world.clock.clone()).build().unwrap();
    world.script.set(ENDPOINT, Reply::Fails);
    let opaque = world.app_of(opaque);
    let token = world.issuer.token().audience(AUDIENCE).expires_at(far_future()).mint();
    for (what, app, most) in [("keys", jwts, 620), ("introspection", opaque, 600)] {
        let (logs, _guard) = Logs::capture();
        for _ in 0..6_000 {
            assert_eq!(app.status(&token).await, 503, "{what}");
            world.clock.advance(Duration::from_millis(100));
        }
        let (warnings, errors) = (logs.count(Level::WARN), logs.count(Level::ERROR));
        assert!((500..=most).contains(&warnings) && errors == 0, "{what}: {warnings} warnings");
        let fetches = |line: &common::Line| line.level == Level::WARN && line.field("outcome").is_empty();
        let fetches = logs.own().iter().filter(|line| fetches(line)).count();
        assert!(fetches <= 20, "{what}: {fetches} warnings of fetches");
    }
}

#[tokio::test]
async fn a_fault_of_this_server_under_load_is_an_error_a_minute_at_most() {
    let world = World::new().await;
    world.script.set(ENDPOINT, Reply::status(401));
    let verifier = introspecting(world.script.clone()).clock(world.clock.clone()).build().unwrap();
    let app = world.app_of(verifier);
    let (logs, _guard) = Logs::capture();
    for number in 0..6_000 {
        assert_eq!(app.status(&format!("token-{number}")).await, 503);
        world.clock.advance(Duration::from_millis(100));
    }
    assert_eq!((logs.count(Level::WARN), logs.count(Level::ERROR)), (0, 10));
}

#[tokio::test]
async fn bad_and_unknown_tokens_write_nothing_above_debug_with_keys_at_hand() {
    let world = World::new().await;
    let app = world.app();
    assert_eq!(app.status(&world.token()).await, 200);
    let (logs, _guard) = Logs::capture();
    let (forged, expired) = (world.forged(), world.issuer.token().audience(AUDIENCE));
    let expired = expired.expired_since(secs(100)).mint();
    for _ in 0..1_000 {
        for token in ["malformed", &forged, &expired, &world.stranger()] {
            assert_eq!(app.status(token).await, 401);
        }
        world.clock.advance(Duration::from_millis(100));
    }
    assert!(logs.own().iter().all(|line| line.level >= Level::DEBUG), "{}", logs.text());
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn a_route_that_was_left_without_a_layer_writes_no_error_for_each_request() {
    use axum::Router;
    use axum::routing::get;
    use tower::ServiceExt;
    use tower_bearer::AccessToken;
    let app = Router::new().route("/", get(async |_: AccessToken| "never"));
    let (logs, _guard) = Logs::capture();
    let started_at = Instant::now();
    for _ in 0..1_000 {
        let request = Request::get("/").body(axum::body::Body::empty()).unwrap();
        assert_eq!(app.clone().oneshot(request).await.unwrap().status(), 500);
    }
    let seconds = usize::try_from(started_at.elapsed().as_secs()).unwrap();
    let errors = logs.count(Level::ERROR);
    assert!((1..=seconds + 1).contains(&errors), "{errors} errors in {seconds} s");
}

/// Answers about any token, for somebody else each time: every second one is good.
fn of_anybody() -> (Closure, Arc<AtomicUsize>) {
    let asked: Arc<AtomicUsize> = Arc::default();
    let count = Arc::clone(&asked);
    let client = Closure::new(move || {
        let number = count.fetch_add(1, Ordering::SeqCst);
        let mut answer = yes(&format!("subject-{number}"));
        answer["client_id"] = format!("client-{number}").into();
        answer["iss"] =
            if number.is_multiple_of(2) { ISSUER.into() } else { format!("https://{number}.test").into() };
        answer.to_string()
    });
    (client, asked)
}

#[tokio::test]
async fn reasons_and_verifiers_in_the_log_are_few_whatever_is_sent() {
    let world = World::new().await;
    let (client, _) = of_anybody();
    let opaque = world.app_of(introspecting(client).clock(world.clock.clone()).build().unwrap());
    let jwts = world.app();
    let (logs, _guard) = Logs::capture();
    let (mut dice, good) = (Dice(7), world.token());
    for number in 0..200 {
        let other = world.issuer.token().claim("iss", format!("https://{number}.test"));
        let texts = ["sub", "jti", "client_id"].into_iter();
        let named = texts.fold(world.issuer.token().audience(AUDIENCE), |token, claim| {
            token.claim(claim, format!("{claim}-{number}"))
        });
        let kid = world.issuer.token().audience(AUDIENCE).header("kid", format!("kid-{number}")).mint();
        for token in [malformed(&mut dice, &good), other.mint(), named.mint(), kid] {
            jwts.status(&token).await;
            opaque.status(&token).await;
        }
    }
    let values =
        |name: &str| logs.own().iter().map(|line| line.field(name).to_owned()).collect::<BTreeSet<_>>();
    let names: BTreeSet<_> =
        logs.own().iter().flat_map(|line| line.fields.clone()).map(|(name, _)| name).collect();
    assert!(logs.own().len() >= 1_600);
    assert_eq!(values("outcome").iter().filter(|value| !value.is_empty()).count(), 2);
    assert!((3..=8).contains(&values("reason").len()), "{:?}", values("reason"));
    assert!(values("verifier").len() <= 3, "{:?}", values("verifier"));
    let known = ["cause", "client", "issuer", "message", "outcome", "reason", "token", "verifier"];
    assert!(names.iter().all(|name| known.contains(&name.as_str())), "{names:?}");
}

#[cfg(feature = "metrics")]
mod facade {
    use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, SharedString, Unit};

    use super::*;

    /// The names and labels of everything that is counted.
    #[derive(Clone, Default)]
    struct Recorder(Arc<Mutex<BTreeSet<String>>>);

    impl Recorder {
        fn note(&self, key: &Key) {
            let labels = key.labels().map(|label| format!("{}={}", label.key(), label.value()));
            let labels = labels.collect::<Vec<_>>().join(",");
            self.0.lock().unwrap().insert(format!("{}{{{labels}}}", key.name()));
        }
    }

    impl metrics::Recorder for Recorder {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            self.note(key);
            Counter::noop()
        }

        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            self.note(key);
            Gauge::noop()
        }

        fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
            self.note(key);
            Histogram::noop()
        }
    }

    #[test]
    fn the_series_of_metrics_are_as_many_after_a_flood_as_the_events_that_there_are() {
        let recorder = Recorder::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        metrics::with_local_recorder(&recorder, || {
            runtime.block_on(async {
                let (client, asked) = of_anybody();
                let cache = CacheLayer::builder().name("mine").max_entries(100).build().unwrap();
                let app = App::of(AuthLayer::new(introspecting(client).build().unwrap().cached(cache)));
                for number in 0..2_000 {
                    for _ in 0..2 {
                        let expected = if number % 2 == 0 { 200 } else { 401 };
                        assert_eq!(app.status(&format!("token-{number}")).await, expected);
                    }
                }
                assert_eq!(asked.load(Ordering::SeqCst), 2_000);
            });
        });
        let series = recorder.0.lock().unwrap();
        assert!((3..=9).contains(&series.len()), "{series:?}");
        let is_named =
            |series: &String| series.starts_with("tower_bearer_cache_") && series.ends_with("{cache=mine}");
        assert!(series.iter().all(is_named), "{series:?}");
    }
}

// What this crate is made of.

#[test]
fn no_regular_expression_stands_in_the_way_of_a_token() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let names: BTreeSet<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains("tower-bearer") && names.contains("jsonwebtoken"), "{names:?}");
    let matchers = ["fancy-regex", "onig", "pcre2", "regex", "regex-automata", "regex-lite", "regex-syntax"];
    assert!(matchers.iter().all(|matcher| !names.contains(matcher)), "{names:?}");
}

// File descriptors.

/// Starts this test binary once more for one test, after some words of a shell, which may be started by something else.
fn again(name: &str, starter: &[&str], words: &str, variables: &[(&str, &str)]) -> Output {
    let shell = ["sh", "-c"].into_iter();
    let mut line = starter.iter().copied().chain(shell);
    let mut child = Command::new(line.next().unwrap());
    child.args(line).arg(format!("{words} && exec \"$0\" \"$@\"")).arg(std::env::current_exe().unwrap());
    child.args(["--exact", name, "--nocapture"]).envs(variables.iter().copied());
    child.output().unwrap()
}

#[track_caller]
fn assert_passed(output: &Output) {
    let text = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text)).join("\n");
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// What a child is told: addresses, credentials and tokens.
const WORLD: &str = "TOWER_BEARER_TEST_WORLD";

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn without_file_descriptors_nobody_can_tell_and_with_new_ones_everybody_can() {
    if let Ok(told) = std::env::var(WORLD) {
        return run_out_of_descriptors(&serde_json::from_str(&told).unwrap()).await;
    }
    let issuer = TestIssuer::start().await.unwrap();
    let (opaque, github) = (TestIntrospection::start().await.unwrap(), TestGitHub::start().await.unwrap());
    github.add_user(7, "mona");
    let told = json!({
        "jwt": [issuer.issuer(), issuer.token().audience(AUDIENCE).mint()],
        "github": [github.api_url(), github.client_id(), github.client_secret(), github.token(7, &[])],
        "opaque": [
            opaque.issuer(), opaque.endpoint(), opaque.client_id(), opaque.client_secret(),
            opaque.token(json!({ "aud": AUDIENCE })), opaque.token(json!({ "aud": AUDIENCE })),
        ],
    });
    let name = "without_file_descriptors_nobody_can_tell_and_with_new_ones_everybody_can";
    let child = move || again(name, &[], "ulimit -n 64", &[(WORLD, &told.to_string())]);
    assert_passed(&tokio::task::spawn_blocking(child).await.unwrap());
    assert!(opaque.requests() >= 2 && github.requests() >= 1 && issuer.jwks_requests() >= 1);
}

#[cfg(unix)]
async fn run_out_of_descriptors(told: &Value) {
    let text = |place: &str, number: usize| told[place][number].as_str().unwrap().to_owned();
    let jwts = App::of(AuthLayer::new(JwtVerifier::builder(text("jwt", 0), AUDIENCE).build().unwrap()));
    let github = GitHubVerifier::builder(text("github", 1), text("github", 2)).api_url(text("github", 0));
    let github = App::of(AuthLayer::new(github.build().unwrap()));
    let introspection = || {
        let builder = IntrospectionVerifier::builder(text("opaque", 0), AUDIENCE).endpoint(text("opaque", 1));
        builder.client_secret_basic(text("opaque", 2), text("opaque", 3)).build().unwrap()
    };
    let known = App::of(AuthLayer::new(introspection().cached(CacheLayer::new())));
    let opaque = App::of(AuthLayer::new(introspection().cached(CacheLayer::new())));
    assert_eq!(known.status(&text("opaque", 4)).await, 200);
    let mut files = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        files.push(file);
        assert!(files.len() < 64, "there is no limit");
    }
    let unknown = [(&jwts, text("jwt", 1)), (&github, text("github", 3)), (&opaque, text("opaque", 5))];
    for _ in 0..20 {
        for (app, token) in &unknown {
            assert_eq!(app.status(token).await, 503, "{token}");
            assert_ne!(app.status("a{b").await, 503);
        }
        assert_eq!(known.status(&text("opaque", 4)).await, 200);
    }
    drop(files);
    assert_eq!(opaque.status(&text("opaque", 5)).await, 200);
    assert_eq!(github.status(&text("github", 3)).await, 200);
    // Keys are asked for again after a pause.
    let started_at = Instant::now();
    while jwts.status(&text("jwt", 1)).await == 503 {
        assert!(started_at.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(jwts.status(&text("jwt", 1)).await, 200);
}

// Signatures that cost time.

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_forged_signatures_pour_in_good_tokens_are_served() {
    let world = World::new().await;
    let cached = world.verifier().cached(CacheLayer::new());
    let apps = [world.app(), world.app_of(cached)];
    let (good, forged) = (world.token(), world.forged());
    for app in &apps {
        assert_eq!(app.status(&good).await, 200);
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let mut floods = JoinSet::new();
    for number in 0..8 {
        let (app, forged, is_over) = (apps[number % 2].clone(), forged.clone(), Arc::clone(&is_over));
        floods.spawn(async move {
            let mut rejected = 0;
            // Another one each time, for the cache; the same header and claims.
            let (head, tail) = forged.split_at(forged.len() - 12);
            while rejected < 50 || !is_over.load(Ordering::SeqCst) {
                let token = format!("{head}{rejected:08}{}", &tail[8..]);
                assert_eq!(app.status(&token).await, 401);
                rejected += 1;
                tokio::task::yield_now().await;
            }
            rejected
        });
    }
    for _ in 0..100 {
        for app in &apps {
            assert_eq!(app.status(&good).await, 200);
            assert_eq!(app.status(&world.token()).await, 200);
            tokio::task::yield_now().await;
        }
    }
    is_over.store(true, Ordering::SeqCst);
    assert!(floods.join_all().await.into_iter().sum::<usize>() >= 400);
    assert_eq!(world.script.count(), 2, "one fetch for each verifier, and none for a signature");
}

// What is left of verifiers.

/// Something that is counted for as long as it lives.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Something on loopback that knows how many connections it has. It stops, and closes them, when it is dropped.
struct Peer {
    address: SocketAddr,
    open: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Peer {
    /// Hands every connection to a script.
    async fn start<F>(at: &str, script: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(at).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (open, connections) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let counts = (Arc::clone(&open), Arc::clone(&connections));
        let task = tokio::spawn(async move {
            let mut all = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                counts.1.fetch_add(1, Ordering::SeqCst);
                let (counted, conversation) = (Counted::new(&counts.0), script(stream));
                all.spawn(async move {
                    conversation.await;
                    drop(counted);
                });
                while all.try_join_next().is_some() {}
            }
        });
        Self { address, open, connections, task: task.abort_handle() }
    }

    /// Answers every request of every connection with a document.
    async fn answering(at: &str, answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let answer = Arc::new(answer);
        Self::start(at, move |stream| converse(stream, Arc::clone(&answer), usize::MAX)).await
    }

    /// Passes on whatever comes to somebody else.
    async fn relay(to: &str) -> Self {
        let to = to.strip_prefix("http://").unwrap().to_owned();
        Self::start("127.0.0.1:0", move |mut stream| {
            let to = to.clone();
            async move {
                let mut other = TcpStream::connect(to).await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut other).await;
            }
        })
        .await
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers so many requests, and closes then.
async fn converse<A>(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: Arc<A>, most: usize)
where
    A: Fn(&str) -> String,
{
    for _ in 0..most {
        let Some(head) = read_head(&mut stream).await else { return };
        let length = head.to_ascii_lowercase();
        let length = length.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        if stream.read_exact(&mut body).await.is_err() {
            return;
        }
        let body = answer(&head);
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
    let _ = stream.shutdown().await;
}

/// Builds verifiers, uses each one once, and drops it: nothing is left. To make a client takes time; every twentieth has one of its
/// own.
async fn assert_nothing_is_left<V>(peer: &Peer, token: &str, build: impl Fn(ReqwestClient) -> V)
where
    V: TokenVerifier + 'static,
{
    let tasks = Handle::current().metrics().num_alive_tasks();
    let mut shared = ReqwestClient::new().unwrap();
    for number in 0..1_000 {
        if number % 20 == 0 {
            shared = ReqwestClient::new().unwrap();
        }
        let verifier = build(shared.clone());
        // Every second one with a cache around it.
        let app = match number % 2 {
            0 => App::of(AuthLayer::new(verifier)),
            _ => App::of(AuthLayer::new(verifier.cached(CacheLayer::new()))),
        };
        assert_eq!(app.status(token).await, 200);
    }
    drop(shared);
    assert!(peer.connections() >= 50, "{} connections", peer.connections());
    until(|| peer.open.load(Ordering::SeqCst) == 0).await;
    until(|| Handle::current().metrics().num_alive_tasks() == tasks).await;
}

#[tokio::test]
async fn nothing_is_left_of_a_thousand_verifiers_that_introspect() {
    let opaque = TestIntrospection::start().await.unwrap();
    let token = opaque.token(json!({ "aud": AUDIENCE }));
    let endpoint = opaque.endpoint();
    let path = endpoint.strip_prefix(opaque.issuer()).unwrap();
    let peer = Peer::relay(opaque.issuer()).await;
    let build = |client| {
        let builder = IntrospectionVerifier::builder(opaque.issuer(), AUDIENCE).http_client(client);
        let builder = builder.endpoint(format!("{}{path}", peer.url()));
        builder.client_secret_basic(opaque.client_id(), opaque.client_secret()).build().unwrap()
    };
    assert_nothing_is_left(&peer, &token, build).await;
}

#[tokio::test]
async fn nothing_is_left_of_a_thousand_verifiers_that_ask_github() {
    let github = TestGitHub::start().await.unwrap();
    github.add_user(7, "mona");
    let token = github.token(7, &[]);
    let peer = Peer::relay(github.api_url()).await;
    let build = |client| github_builder(&github).api_url(peer.url()).http_client(client).build().unwrap();
    assert_nothing_is_left(&peer, &token, build).await;
}

#[tokio::test]
async fn nothing_is_left_of_a_thousand_verifiers_that_find_out_where_to_ask() {
    let url: Arc<Mutex<String>> = Arc::default();
    let issuer = Arc::clone(&url);
    let peer = Peer::answering("127.0.0.1:0", move |head| {
        let issuer = issuer.lock().unwrap().clone();
        if head.starts_with("GET /me ") {
            return json!({ "sub": "alice" }).to_string();
        }
        json!({ "issuer": issuer, "userinfo_endpoint": format!("{issuer}/me") }).to_string()
    })
    .await;
    *url.lock().unwrap() = peer.url();
    let build = |client| {
        let builder = UserInfoVerifier::builder(peer.url()).insecure_allow_any_audience();
        builder.http_client(client).build().unwrap()
    };
    assert_nothing_is_left(&peer, "opaque", build).await;
}

// Providers that cannot be reached.

fn github_builder(github: &TestGitHub) -> GitHubVerifierBuilder {
    GitHubVerifier::builder(github.client_id(), github.client_secret()).api_url(github.api_url())
}

fn introspection_builder(opaque: &TestIntrospection, clock: &TestClock) -> IntrospectionVerifierBuilder {
    IntrospectionVerifier::builder(opaque.issuer(), AUDIENCE)
        .client_secret_basic(opaque.client_id(), opaque.client_secret())
        .clock(clock.clone())
}

/// How long what was found out is remembered in these tests.
const LIVE: u64 = 120;

fn remembering(clock: &TestClock) -> CacheLayer {
    let builder = CacheLayer::builder().time_to_live(secs(LIVE)).jitter(0);
    builder.clock(clock.clone()).build().unwrap()
}

/// Ten minutes in which nobody can be asked, second by second. One token is known, the other is not.
async fn survive_a_partition(
    what: &str,
    verifier: impl TokenVerifier + 'static,
    clock: &TestClock,
    [known, unknown]: [&str; 2],
    [part, heal]: [&(dyn Fn() + Sync); 2],
) {
    let app = App::new(verifier.cached(remembering(clock)), clock.clone());
    assert_eq!(app.status(known).await, 200, "{what}");
    part();
    for second in 0..600 {
        let expected = if second < LIVE { 200 } else { 503 };
        assert_eq!(app.status(known).await, expected, "{what}, in second {second}");
        if second % 20 == 0 {
            assert_eq!(app.status(unknown).await, 503, "{what}, in second {second}");
        }
        clock.advance(secs(1));
    }
    heal();
    for token in [known, unknown] {
        assert_eq!(app.status(token).await, 200, "{what}: nothing is remembered of it");
    }
    assert_eq!(app.status("gho_000000000000000000000000000000000000").await, 401, "{what}");
}

#[tokio::test]
async fn a_partition_is_survived_for_the_time_to_live_when_github_is_asked() {
    let clock = TestClock::new();
    let github = TestGitHub::with_clock(clock.clone()).await.unwrap();
    github.add_user(7, "mona");
    let tokens = [github.token(7, &[]), github.token(7, &["repo"])];
    let verifier = github_builder(&github).clock(clock.clone()).build().unwrap();
    let cut = [&(|| github.stop()) as &(dyn Fn() + Sync), &|| github.restart()];
    survive_a_partition("GitHub", verifier, &clock, tokens.each_ref().map(String::as_str), cut).await;
}

#[tokio::test]
async fn a_partition_is_survived_for_the_time_to_live_when_an_endpoint_is_asked() {
    for discovered in [false, true] {
        let clock = TestClock::new();
        let opaque = TestIntrospection::with_clock(clock.clone()).await.unwrap();
        let tokens = [(); 2].map(|()| opaque.token(json!({ "aud": AUDIENCE, "exp": START + 3_600 })));
        let builder = introspection_builder(&opaque, &clock);
        let builder = if discovered { builder } else { builder.endpoint(opaque.endpoint()) };
        let cut = [&(|| opaque.stop()) as &(dyn Fn() + Sync), &|| opaque.restart()];
        let what = format!("discovered: {discovered}");
        let tokens = tokens.each_ref().map(String::as_str);
        survive_a_partition(&what, builder.build().unwrap(), &clock, tokens, cut).await;
    }
}

#[tokio::test]
async fn who_never_found_out_where_to_ask_does_so_a_second_after_a_partition() {
    let clock = TestClock::new();
    let opaque = TestIntrospection::with_clock(clock.clone()).await.unwrap();
    let token = opaque.token(json!({ "aud": AUDIENCE, "exp": START + 3_600 }));
    let verifier = introspection_builder(&opaque, &clock).build().unwrap().cached(remembering(&clock));
    let app = App::new(verifier, clock.clone());
    opaque.stop();
    for _ in 0..600 {
        assert_eq!(app.status(&token).await, 503);
        clock.advance(secs(1));
    }
    opaque.restart();
    clock.advance(secs(1));
    assert_eq!(app.status(&token).await, 200);
}

// Providers that can be reached now and then.

/// A client that loses three calls in ten, one way or another, and is late with the others.
#[derive(Clone, Debug)]
struct Lossy {
    client: ReqwestClient,
    dice: Arc<Mutex<u64>>,
    lost: Arc<AtomicUsize>,
}

impl Lossy {
    fn new(seed: u64) -> Self {
        let client = ReqwestClient::new().unwrap();
        Self { client, dice: Arc::new(Mutex::new(seed)), lost: Arc::default() }
    }

    fn throw(&self, limit: usize) -> usize {
        let mut dice = self.dice.lock().unwrap();
        let mut next = Dice(*dice);
        let thrown = next.below(limit);
        *dice = next.0;
        thrown
    }

    /// What arrives of an answer that something happened to.
    async fn spoil(&self, answer: Response<Bytes>, limits: Limits) -> Result<Response<Bytes>, VerifyError> {
        const STATUSES: [u16; 12] = [204, 206, 301, 302, 304, 307, 408, 429, 500, 502, 503, 504];
        let body = answer.body().clone();
        let page = |status| {
            let mut page = Response::new(Bytes::from_static(b"<html><body>Please try again.</body></html>"));
            *page.status_mut() = StatusCode::from_u16(status).unwrap();
            Ok(page)
        };
        match self.throw(6) {
            0 => Err(VerifyError::unavailable("connection reset")),
            1 => {
                tokio::time::sleep(limits.timeout * 2).await;
                Ok(answer)
            }
            2 => page(200),
            3 => Ok(answer.map(|_| body.slice(..body.len() / 2))),
            4 => Ok(answer.map(|_| Bytes::new())),
            _ => page(STATUSES[self.throw(STATUSES.len())]),
        }
    }
}

impl HttpClient for Lossy {
    fn send(&self, request: Request<Bytes>, limits: Limits) -> AnswerFuture<'_> {
        Box::pin(async move {
            let jitter = u64::try_from(self.throw(4)).unwrap();
            tokio::time::sleep(Duration::from_millis(jitter)).await;
            if self.throw(10) >= 3 {
                return self.client.send(request, limits).await;
            }
            self.lost.fetch_add(1, Ordering::SeqCst);
            if self.throw(7) == 0 {
                return Err(VerifyError::unavailable("connection refused"));
            }
            let answer = self.client.send(request, limits).await?;
            self.spoil(answer, limits).await
        })
    }
}

/// Asks about good and bad tokens, some of them more than once, many at a time. No verdict is wrong.
async fn assert_no_wrong_verdict(
    what: &str,
    app: App,
    client: &Lossy,
    tokens: Vec<(String, bool)>,
    between: impl Fn(),
) {
    let (mut served, mut rejected, mut unavailable) = (0, 0, 0);
    for some in tokens.chunks(20) {
        let mut asked = JoinSet::new();
        for (token, is_good) in some.iter().chain(some.iter().step_by(5)).cloned() {
            let app = app.clone();
            asked.spawn(async move { (app.status(&token).await, is_good) });
        }
        for answer in asked.join_all().await {
            match answer {
                (200, true) => served += 1,
                (401, false) => rejected += 1,
                (503, _) => unavailable += 1,
                other => panic!("{what}: {other:?}"),
            }
        }
        between();
    }
    let lost = client.lost.load(Ordering::SeqCst);
    println!("{what}: {served} served, {rejected} rejected, {unavailable} unavailable, {lost} calls lost");
    assert!(served > 0 && rejected > 0 && unavailable > 0 && lost > 0, "{what}");
}

#[tokio::test]
async fn calls_that_are_lost_make_no_good_token_bad_and_no_bad_token_good_at_github() {
    let clock = TestClock::new();
    let github = TestGitHub::with_clock(clock.clone()).await.unwrap();
    github.add_user(7, "mona");
    let invented = |number: u64| format!("gho_{number:036}");
    for (cached, seed) in [(false, 11), (true, 12)] {
        let client = Lossy::new(seed);
        let builder = github_builder(&github).clock(clock.clone()).timeout(Duration::from_millis(400));
        let verifier = builder.http_client(client.clone()).build().unwrap();
        let app = if cached {
            App::new(verifier.cached(remembering(&clock)), clock.clone())
        } else {
            App::new(verifier, clock.clone())
        };
        let tokens = (0..300).map(|number| match number % 3 {
            0 => (invented(number), false),
            _ => (github.token(7, &[]), true),
        });
        let what = format!("GitHub, cached: {cached}");
        // After a 429, nobody is asked for a minute.
        assert_no_wrong_verdict(&what, app, &client, tokens.collect(), || clock.advance(secs(60))).await;
    }
}

#[tokio::test]
async fn calls_that_are_lost_make_no_good_token_bad_and_no_bad_token_good_at_an_endpoint() {
    let clock = TestClock::new();
    let opaque = TestIntrospection::with_clock(clock.clone()).await.unwrap();
    for (discovered, cached, seed) in [(false, false, 21), (false, true, 22), (true, true, 23)] {
        let client = Lossy::new(seed);
        let builder = introspection_builder(&opaque, &clock).timeout(Duration::from_millis(400));
        let builder = builder.http_client(client.clone());
        let builder = if discovered { builder } else { builder.endpoint(opaque.endpoint()) };
        let verifier = builder.build().unwrap();
        let app = if cached {
            App::new(verifier.cached(remembering(&clock)), clock.clone())
        } else {
            App::new(verifier, clock.clone())
        };
        let tokens = (0..300).map(|number| match number % 4 {
            0 => (format!("invented-{number}"), false),
            1 => (opaque.token(json!({ "aud": "https://other.example.com" })), false),
            _ => (opaque.token(json!({ "aud": AUDIENCE })), true),
        });
        let what = format!("introspection, discovered: {discovered}, cached: {cached}");
        assert_no_wrong_verdict(&what, app, &client, tokens.collect(), || clock.advance(secs(1))).await;
    }
}

#[tokio::test]
async fn calls_that_are_lost_make_no_good_token_bad_and_no_bad_token_good_when_keys_are_fetched() {
    let clock = TestClock::new();
    let issuer = TestIssuer::with_clock(clock.clone()).await.unwrap();
    let stranger = TestIssuer::with_clock(clock.clone()).await.unwrap();
    stranger.rotate_keys();
    let token = |issuer: &TestIssuer| {
        issuer.token().audience(AUDIENCE).algorithm(Algorithm::EdDsa).expires_at(far_future())
    };
    let client = Lossy::new(31);
    // A new service for every ten seconds: what is lost most often is what nobody knows yet.
    let app = || {
        let keys = RemoteJwks::at(issuer.jwks_uri()).timeout(Duration::from_millis(400));
        let builder = JwtVerifier::builder(issuer.issuer(), AUDIENCE).clock(clock.clone());
        let verifier = builder.remote_jwks(keys).http_client(client.clone()).build().unwrap();
        App::new(verifier, clock.clone())
    };
    let (mut served, mut unavailable) = (0, 0);
    for round in 0..100 {
        let app = app();
        for second in 0..10 {
            match app.status(&token(&issuer).mint()).await {
                200 => served += 1,
                503 => unavailable += 1,
                other => panic!("{other} in round {round}, second {second}"),
            }
            let bad = match second % 2 {
                0 => token(&stranger).claim("iss", issuer.issuer()).mint(),
                _ => token(&issuer).header("kid", "unknown").mint(),
            };
            let status = app.status(&bad).await;
            assert!(matches!(status, 401 | 503), "{status} in round {round}, second {second}");
            clock.advance(secs(1));
        }
    }
    let lost = client.lost.load(Ordering::SeqCst);
    println!("keys: {served} served, {unavailable} unavailable, {lost} calls lost");
    assert!(served > unavailable && unavailable > 0 && lost > 0);
}

fn far_future() -> std::time::SystemTime {
    std::time::SystemTime::UNIX_EPOCH + secs(LATER)
}

// Providers that are somewhere else from now on.

/// Tells a child which file stands in the place of `/etc/hosts`.
const HOSTS: &str = "TOWER_BEARER_TEST_HOSTS";

/// A name service of its own takes a mount of its own. Where that is not allowed, there is nothing to test.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_name_that_leads_elsewhere_is_followed_once_the_old_connections_are_gone() {
    const NAME: &str = "a_name_that_leads_elsewhere_is_followed_once_the_old_connections_are_gone";
    if let Ok(hosts) = std::env::var(HOSTS) {
        return follow(&hosts).await;
    }
    let hosts = std::env::temp_dir().join(format!("tower-bearer-hosts-{}", std::process::id()));
    std::fs::write(&hosts, "127.0.0.1 localhost\n").unwrap();
    let told = hosts.to_str().unwrap().to_owned();
    let output = tokio::task::spawn_blocking(move || {
        let (starter, mount) = (["unshare", "-rm"], "mount --bind \"$TOWER_BEARER_TEST_HOSTS\" /etc/hosts");
        let mut probe = Command::new(starter[0]);
        let probe = probe.args([starter[1], "sh", "-c", mount]).env(HOSTS, &told).output();
        let is_allowed = probe.is_ok_and(|probe| probe.status.success());
        is_allowed.then(|| again(NAME, &starter, mount, &[(HOSTS, &told)]))
    });
    let output = output.await.unwrap();
    std::fs::remove_file(hosts).unwrap();
    match output {
        Some(output) => assert_passed(&output),
        None => eprintln!("skipped: no mount of its own is allowed here"),
    }
}

#[cfg(target_os = "linux")]
async fn follow(hosts: &str) {
    let point = |address: &str| std::fs::write(hosts, format!("{address} localhost\n")).unwrap();
    point("127.0.0.2");
    let first = Peer::answering("127.0.0.2:0", |_| yes("first").to_string()).await;
    let port = first.address.port();
    let second = Peer::answering(&format!("127.0.0.3:{port}"), |_| yes("second").to_string()).await;
    let builder = IntrospectionVerifier::builder(ISSUER, AUDIENCE).client_secret_basic(CLIENT, SECRET);
    let verifier = builder.endpoint(format!("http://localhost:{port}/introspect")).build().unwrap();
    let subject = async |token: &str| {
        let verdict = verifier.verify(&bearer(token)).await;
        verdict.map(|token| token.subject().unwrap().to_owned())
    };
    assert_eq!(subject("a").await.unwrap(), "first");
    point("127.0.0.3");
    // A connection that works goes on.
    assert_eq!(subject("b").await.unwrap(), "first");
    assert_eq!((first.connections(), second.connections()), (1, 0));
    drop(first);
    settle().await;
    assert_eq!(subject("c").await.unwrap(), "second");
    assert_eq!(second.connections(), 1);
    // A name that leads nowhere is an outage, and found again.
    drop(second);
    std::fs::write(hosts, "127.0.0.1 other\n").unwrap();
    settle().await;
    assert_eq!(subject("d").await.unwrap_err().kind(), tower_bearer::error::VerifyErrorKind::Unavailable);
    let _third = Peer::answering(&format!("127.0.0.4:{port}"), |_| yes("third").to_string()).await;
    point("127.0.0.4");
    assert_eq!(subject("e").await.unwrap(), "third");
}

// Certificates that change.

/// A certificate of a test, and its key.
struct Identity {
    certificate: Certificate,
    key: KeyPair,
}

impl Identity {
    fn new(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        change(&mut params);
        Self { certificate: params.self_signed(&key).unwrap(), key }
    }

    fn acceptor(&self) -> TlsAcceptor {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

#[tokio::test]
async fn a_certificate_that_ends_or_is_another_is_an_outage_for_unknown_tokens_alone() {
    let good = Identity::new(|_| ());
    let renewed = Identity::new(|_| ());
    let foreign = Identity::new(|_| ());
    let ended = Identity::new(|params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    let presented = Arc::new(Mutex::new(good.acceptor()));
    let (acceptors, asked) = (Arc::clone(&presented), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&asked);
    let peer = Peer::start("127.0.0.1:0", move |stream| {
        let (acceptor, count) = (acceptors.lock().unwrap().clone(), Arc::clone(&count));
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let answer = move |_: &str| {
                count.fetch_add(1, Ordering::SeqCst);
                yes("alice").to_string()
            };
            converse(stream, Arc::new(answer), 1).await;
        }
    })
    .await;
    let trusted = [&good, &renewed, &ended].into_iter();
    let client = trusted.fold(ReqwestClient::builder(), |client, identity| {
        client.add_root_certificates(identity.certificate.pem())
    });
    let builder = IntrospectionVerifier::builder(ISSUER, AUDIENCE).client_secret_basic(CLIENT, SECRET);
    let builder = builder.endpoint(format!("https://{}/introspect", peer.address));
    let verifier = builder.http_client(client.build().unwrap()).build().unwrap();
    let app = App::of(AuthLayer::new(verifier.cached(CacheLayer::new())));
    assert_eq!(app.status("known").await, 200);
    let (logs, _guard) = Logs::capture();
    for (what, identity) in [("ended", &ended), ("foreign", &foreign)] {
        *presented.lock().unwrap() = identity.acceptor();
        for number in 0..3 {
            let answer = app.ask(&format!("{what}-{number}")).await;
            assert_eq!(answer.status(), 503, "{what}");
            assert!(!answer.headers().contains_key("www-authenticate"), "{what}");
        }
        assert_eq!(app.status("known").await, 200, "{what}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1, "nothing was sent");
    assert!(logs.count(Level::WARN) + logs.count(Level::ERROR) >= 1, "{}", logs.text());
    for (token, identity) in [("ended-0", &renewed), ("foreign-0", &good)] {
        *presented.lock().unwrap() = identity.acceptor();
        assert_eq!(app.status(token).await, 200, "nothing is remembered of it");
    }
}
