//! What callers of gRPC get: rejections in gRPC, byte for byte, through tonic on both ends of a socket, and by hand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, BufMut, Bytes};
use common::{Answer, Counting, Handler, Immediate, Logs, Untouchable, parse_challenge};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder, Streaming};
use tonic::codegen::BoxFuture;
use tonic::codegen::tokio_stream::{self, Stream, StreamExt};
use tonic::server::{Grpc, NamedService, StreamingService};
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Code, Status};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_web::GrpcWebLayer;
use tower::limit::ConcurrencyLimitLayer;
use tower::timeout::TimeoutLayer;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_bearer::error::{RejectionKind, VerifyErrorKind};
use tower_bearer::middleware::{AuthLayerBuilder, RejectionBody};
use tower_bearer::verifier::Verdict;
use tower_bearer::{AccessToken, AuthLayer, BearerToken, ScopeSet, TokenVerifier, VerifyError};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;
use tracing::Level;

const F1: &str = r#"Bearer scope="files:read", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp""#;
const F2: &str = r#"Bearer error="invalid_token", scope="files:read", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", error_description="The access token is invalid or expired""#;
const F3: &str = r#"Bearer error="insufficient_scope", scope="files:read", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", error_description="Additional scope is required""#;
const F4: &str = r#"Bearer error="invalid_request", scope="files:read", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", error_description="Malformed Authorization header""#;

const MISSING: &str = "An access token is required";
const BAD: &str = "The access token is invalid or expired";
const WEAK: &str = "Additional scope is required";
const MALFORMED: &str = "Malformed Authorization header";
const DOWN: &str = "The access token cannot be verified now";

fn verdict(token: &str) -> Verdict {
    match token {
        "good" => Ok(AccessToken::verified().subject("alice").scopes(ScopeSet::parse("files:read")).build()),
        "weak" => Ok(AccessToken::verified().subject("bob").build()),
        "down" => Err(VerifyError::unavailable("down").retry_after(Duration::from_secs(30))),
        _ => Err(VerifyErrorKind::Inactive.into()),
    }
}

fn verifier() -> Counting {
    Counting::new(verdict)
}

fn settings<V: TokenVerifier>(verifier: V) -> AuthLayerBuilder<V> {
    AuthLayer::builder(verifier)
        .resource("https://mcp.example.com/mcp")
        .authorization_servers(["https://as.example.com"])
        .required_scopes(["files:read"])
}

fn auth() -> AuthLayer<Counting> {
    settings(verifier()).grpc().build().unwrap()
}

/// One row of the map.
struct Row {
    authorization: &'static [&'static str],
    code: Code,
    kind: RejectionKind,
    message: &'static str,
    challenge: &'static str,
    retry_after: &'static str,
    http: u16,
}

const ROWS: [Row; 7] = [
    Row {
        authorization: &[],
        code: Code::Unauthenticated,
        kind: RejectionKind::MissingToken,
        message: MISSING,
        challenge: F1,
        retry_after: "",
        http: 401,
    },
    Row {
        authorization: &["Bearer bad"],
        code: Code::Unauthenticated,
        kind: RejectionKind::InvalidToken,
        message: BAD,
        challenge: F2,
        retry_after: "",
        http: 401,
    },
    Row {
        authorization: &["Bearer a{b"],
        code: Code::Unauthenticated,
        kind: RejectionKind::InvalidToken,
        message: BAD,
        challenge: F2,
        retry_after: "",
        http: 401,
    },
    Row {
        authorization: &["Bearer weak"],
        code: Code::PermissionDenied,
        kind: RejectionKind::InsufficientScope,
        message: WEAK,
        challenge: F3,
        retry_after: "",
        http: 403,
    },
    Row {
        authorization: &["Bearer"],
        code: Code::InvalidArgument,
        kind: RejectionKind::InvalidRequest,
        message: MALFORMED,
        challenge: F4,
        retry_after: "",
        http: 400,
    },
    Row {
        authorization: &["Bearer good", "Bearer good"],
        code: Code::InvalidArgument,
        kind: RejectionKind::InvalidRequest,
        message: MALFORMED,
        challenge: F4,
        retry_after: "",
        http: 400,
    },
    Row {
        authorization: &["Bearer down"],
        code: Code::Unavailable,
        kind: RejectionKind::Unavailable,
        message: DOWN,
        challenge: "",
        retry_after: "30",
        http: 503,
    },
];

impl Row {
    /// A call without a body that anybody might read.
    fn request(&self, content_type: &str) -> Request<Untouchable> {
        let mut request = Request::post("/grpc.health.v1.Health/Check");
        for line in self.authorization {
            request = request.header("authorization", *line);
        }
        request.header("content-type", content_type).body(Untouchable).unwrap()
    }

    fn headers(&self, content_type: &str) -> HeaderMap {
        let code = (self.code as i32).to_string();
        let fields = [
            ("cache-control", "no-store"),
            ("content-type", content_type),
            ("grpc-message", self.message),
            ("grpc-status", &code),
            ("retry-after", self.retry_after),
            ("www-authenticate", self.challenge),
        ];
        let there = fields.iter().filter(|(_, value)| !value.is_empty());
        there.map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn metadata(&self) -> tonic::metadata::MetadataMap {
        let mut metadata = tonic::metadata::MetadataMap::new();
        for line in self.authorization {
            metadata.append("authorization", line.parse().unwrap());
        }
        metadata
    }

    fn check_status(&self, status: &Status) {
        assert_eq!((status.code(), status.message()), (self.code, self.message));
        let field =
            |name: &str| status.metadata().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        assert_eq!(field("www-authenticate"), self.challenge);
        assert_eq!(field("retry-after"), self.retry_after);
        assert_eq!(field("cache-control"), "no-store");
        assert!(status.details().is_empty());
    }
}

// The exact answers.

#[tokio::test]
async fn every_rejection_of_a_call_has_its_exact_header_and_no_body() {
    for (asked, answered) in [
        ("application/grpc", "application/grpc"),
        ("application/grpc+proto", "application/grpc"),
        ("APPLICATION/gRPC", "application/grpc"),
        ("application/grpc+json", "application/grpc+json"),
        ("application/grpc-web", "application/grpc-web+proto"),
        ("application/grpc-web+proto", "application/grpc-web+proto"),
        ("application/grpc-web-text", "application/grpc-web-text+proto"),
    ] {
        for row in &ROWS {
            let handler = Handler::default();
            let response = auth().layer(handler.clone()).oneshot(row.request(asked)).await.unwrap();
            assert!(http_body::Body::is_end_stream(response.body()), "the header ends the stream");
            let answer = Answer::read(response).await;
            assert_eq!((answer.status.as_u16(), &*answer.body), (200, ""));
            assert_eq!(answer.headers, row.headers(answered), "{asked}");
            assert_eq!((answer.kind(), answer.has_token), (Some(row.kind), false));
            assert_eq!(handler.calls(), 0);
        }
    }
}

#[tokio::test]
async fn a_verifier_that_answers_without_waiting_makes_the_same_answers() {
    let layer = settings(Immediate(verdict)).grpc().build().unwrap();
    for row in &ROWS {
        let response = layer.layer(Handler::default()).oneshot(row.request("application/grpc")).await;
        let answer = Answer::read(response.unwrap()).await;
        assert_eq!((answer.headers, &*answer.body), (row.headers("application/grpc"), ""));
    }
}

#[tokio::test]
async fn the_message_is_the_description_of_the_challenge() {
    for row in &ROWS {
        let response = auth().layer(Handler::default()).oneshot(row.request("application/grpc")).await;
        let answer = Answer::read(response.unwrap()).await;
        let Ok((_, parameters)) = parse_challenge(answer.field("www-authenticate")) else { continue };
        let description = parameters.iter().find(|(name, _)| name == "error_description");
        let Some((_, description)) = description else { continue };
        assert_eq!(answer.field("grpc-message"), description);
    }
}

#[tokio::test]
async fn without_the_setting_a_call_gets_an_http_answer() {
    for content_type in ["application/grpc", "application/grpc+proto", "application/grpc-web-text"] {
        for row in &ROWS {
            let layer = settings(verifier()).build().unwrap();
            let plain = layer.layer(Handler::default()).oneshot(row.request("text/plain")).await;
            let answer = layer.layer(Handler::default()).oneshot(row.request(content_type)).await;
            let (plain, answer) = (Answer::read(plain.unwrap()).await, Answer::read(answer.unwrap()).await);
            assert_eq!(answer.status, row.http);
            assert_eq!(
                (answer.status, answer.headers, answer.body),
                (plain.status, plain.headers, plain.body)
            );
        }
    }
}

#[tokio::test]
async fn with_the_setting_every_other_request_gets_an_http_answer() {
    let (with, without) = (auth(), settings(verifier()).build().unwrap());
    let check = async |change: &dyn Fn(&mut Request<Untouchable>), row: &Row| {
        let request = || {
            let mut request = row.request("application/grpc");
            change(&mut request);
            request
        };
        let answer = with.layer(Handler::default()).oneshot(request()).await.unwrap();
        let plain = without.layer(Handler::default()).oneshot(request()).await.unwrap();
        let (answer, plain) = (Answer::read(answer).await, Answer::read(plain).await);
        assert_eq!(answer.status, row.http, "{:?}", request());
        assert_eq!((answer.status, answer.headers, answer.body), (plain.status, plain.headers, plain.body));
    };
    for row in &ROWS {
        for content_type in ["", "application/json", "application/grpcfoo", "application/grpc-foo", "grpc"] {
            let value = HeaderValue::from_static(content_type);
            check(&|request| drop(request.headers_mut().insert("content-type", value.clone())), row).await;
        }
        check(&|request| drop(request.headers_mut().remove("content-type")), row).await;
        let json = HeaderValue::from_static("application/json");
        let twice = |request: &mut Request<Untouchable>| {
            request.headers_mut().append("content-type", json.clone());
        };
        check(&twice, row).await;
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE] {
            check(&|request| *request.method_mut() = method.clone(), row).await;
        }
    }
}

#[tokio::test]
async fn a_good_call_reaches_the_handler_and_its_answer_stays() {
    let handler = Handler::default();
    let request = Request::post("/").header("authorization", "Bearer good");
    let request = request.header("content-type", "application/grpc").body(Untouchable).unwrap();
    let answer = Answer::read(auth().layer(handler.clone()).oneshot(request).await.unwrap()).await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, "handler"));
    assert!(!answer.headers.contains_key("grpc-status"));
    assert_eq!(handler.last().token.unwrap().subject(), Some("alice"));
}

#[tokio::test]
async fn the_body_of_a_hook_is_not_sent_to_a_call() {
    let hook = |_: &_| Some(RejectionBody::json(&serde_json::json!({ "hooked": "100%" })));
    let layer = settings(verifier()).grpc().rejection_body(hook).build().unwrap();
    for row in &ROWS {
        let response = layer.layer(Handler::default()).oneshot(row.request("application/grpc")).await;
        let answer = Answer::read(response.unwrap()).await;
        assert_eq!((answer.headers, &*answer.body), (row.headers("application/grpc"), ""));
        let response = layer.layer(Handler::default()).oneshot(row.request("text/plain")).await;
        assert!(Answer::read(response.unwrap()).await.body.contains("hooked"));
    }
}

#[tokio::test]
async fn a_hook_that_panics_makes_an_internal_error() {
    let hook = |_: &_| -> Option<RejectionBody> { panic!("the hook") };
    let layer = settings(verifier()).grpc().rejection_body(hook).build().unwrap();
    let response = layer.layer(Handler::default()).oneshot(ROWS[1].request("application/grpc")).await;
    let answer = Answer::read(response.unwrap()).await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, ""));
    assert_eq!((answer.field("grpc-status"), answer.field("grpc-message")), ("13", "Internal error"));
    assert_eq!(answer.field("content-type"), "application/grpc");
    assert_eq!(answer.headers.len(), 4);
}

#[tokio::test]
async fn optional_lets_a_call_without_a_token_through_and_no_bad_one() {
    let layer = settings(verifier()).grpc().optional().build().unwrap();
    let handler = Handler::default();
    for (row, status) in [(&ROWS[0], ""), (&ROWS[1], "16"), (&ROWS[4], "3")] {
        let response = layer.layer(handler.clone()).oneshot(row.request("application/grpc")).await;
        assert_eq!(Answer::read(response.unwrap()).await.field("grpc-status"), status);
    }
    assert_eq!(handler.calls(), 1);
}

// The time of the caller.

/// A verifier that never answers.
struct Silent;

impl TokenVerifier for Silent {
    async fn verify(&self, _: &BearerToken) -> Verdict {
        pending().await
    }
}

/// How long a call waited for a verifier that never answers, and what it got.
async fn waited(
    configure: impl FnOnce(AuthLayerBuilder<Silent>) -> AuthLayerBuilder<Silent>,
    content_type: &str,
    timeouts: &[&str],
) -> (Duration, Answer) {
    let mut request = Request::post("/").header("authorization", "Bearer good");
    for timeout in timeouts {
        request = request.header("grpc-timeout", *timeout);
    }
    let request = request.header("content-type", content_type).body(Untouchable).unwrap();
    let layer = configure(settings(Silent)).build().unwrap();
    let started = Instant::now();
    let response = layer.layer(Handler::default()).oneshot(request).await.unwrap();
    (started.elapsed(), Answer::read(response).await)
}

#[tokio::test(start_paused = true)]
async fn a_verification_takes_no_longer_than_the_caller_waits() {
    for (timeouts, expected) in [
        (&["250m"][..], 250),
        (&["3S"], 3_000),
        (&["3000000u"], 3_000),
        (&["50000000n"], 50),
        (&["0S"], 0),
        (&["10S"], 10_000),
        (&["11S"], 10_000),
        (&["1M"], 10_000),
        (&["99999999H"], 10_000),
        (&[], 10_000),
        // What is malformed does not count.
        (&[""], 10_000),
        (&["1"], 10_000),
        (&["1s"], 10_000),
        (&["-1S"], 10_000),
        (&["100000000n"], 10_000),
        (&["1S", "1S"], 10_000),
    ] {
        let (elapsed, answer) = waited(|settings| settings.grpc(), "application/grpc", timeouts).await;
        let limit = Duration::from_millis(expected);
        // The timer of tokio has a resolution of a millisecond.
        assert!(elapsed >= limit && elapsed <= limit + Duration::from_millis(2), "{timeouts:?}: {elapsed:?}");
        assert_eq!((answer.field("grpc-status"), answer.field("grpc-message")), ("14", DOWN), "{timeouts:?}");
        assert_eq!((answer.kind(), answer.field("retry-after")), (Some(RejectionKind::Unavailable), "5"));
        assert_eq!(answer.field("www-authenticate"), "");
    }
}

#[tokio::test(start_paused = true)]
async fn the_shorter_of_both_limits_counts() {
    let short = |settings: AuthLayerBuilder<Silent>| settings.grpc().timeout(Duration::from_millis(100));
    for (timeout, expected) in [("1S", 100), ("100m", 100), ("50m", 50)] {
        let (elapsed, answer) = waited(short, "application/grpc-web", &[timeout]).await;
        assert!(elapsed.as_millis().abs_diff(expected) <= 2, "{timeout}: {elapsed:?}");
        assert_eq!(answer.field("grpc-status"), "14");
    }
}

#[tokio::test(start_paused = true)]
async fn only_a_call_says_how_long_it_waits() {
    for (configure, content_type) in [
        (AuthLayerBuilder::grpc as fn(_) -> _, "application/json"),
        (|settings| settings, "application/grpc"),
    ] {
        let (elapsed, answer) = waited(configure, content_type, &["1m"]).await;
        assert!(elapsed >= Duration::from_secs(10), "{elapsed:?}");
        assert_eq!(answer.status, 503);
    }
}

#[tokio::test(start_paused = true)]
async fn the_log_tells_an_impatient_caller_from_a_slow_verifier() {
    let (logs, _guard) = Logs::capture();
    waited(|settings| settings.grpc(), "application/grpc", &["1m"]).await;
    waited(|settings| settings.grpc(), "application/grpc", &["1M"]).await;
    // Whoever is impatient must not use up the warning that an outage is due.
    assert_eq!(logs.own().iter().map(|line| line.level).collect::<Vec<_>>(), [Level::DEBUG, Level::WARN]);
    let causes: Vec<_> = logs.own().iter().map(|line| line.field("cause").to_owned()).collect();
    assert!(causes[0].contains("the caller does not wait"), "{causes:?}");
    assert!(causes[1].contains("took too long"), "{causes:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_header_of_a_call_makes_it_more_than_a_rejection(
        content_type in "application/grpc[ -~]{0,12}",
        timeout in "[ -~]{0,10}",
        authorization in "[ -~]{0,16}",
    ) {
        let verifier = Counting::new(|_| Err(VerifyErrorKind::Inactive.into()));
        let request = Request::post("/").header("content-type", content_type);
        let request = request.header("grpc-timeout", timeout).header("authorization", authorization);
        let layer = settings(verifier).grpc().build().unwrap();
        let handler = Handler::default();
        let request = request.body(Untouchable).unwrap();
        let response = common::block_on(layer.layer(handler.clone()).oneshot(request)).unwrap();
        prop_assert_eq!(handler.calls(), 0);
        let code = response.headers().get("grpc-status").map(HeaderValue::as_bytes);
        match response.status().as_u16() {
            200 => prop_assert!(matches!(code, Some(b"3" | b"16")), "{:?}", code),
            400 | 401 => prop_assert_eq!(code, None),
            status => prop_assert!(false, "{}", status),
        }
    }
}

// Through tonic.

/// A service that says who called, once or three times, and counts.
#[derive(Clone, Default)]
struct Probe {
    calls: Arc<AtomicUsize>,
}

fn subject<T>(request: &tonic::Request<T>) -> String {
    let token = request.extensions().get::<AccessToken>();
    token.and_then(AccessToken::subject).unwrap_or("nobody").to_owned()
}

fn said<T>(subject: &str, message: T) -> tonic::Response<T> {
    let mut response = tonic::Response::new(message);
    response.metadata_mut().insert("x-subject", subject.parse().unwrap());
    response
}

#[tonic::async_trait]
impl Health for Probe {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn check(
        &self,
        request: tonic::Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<HealthCheckResponse>, Status> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        assert_ne!(request.get_ref().service, "panic", "the handler was asked to");
        Ok(said(&subject(&request), HealthCheckResponse { status: 1 }))
    }

    async fn watch(
        &self,
        request: tonic::Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<Self::WatchStream>, Status> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let messages = (1..=3).map(|status| Ok(HealthCheckResponse { status }));
        Ok(said(&subject(&request), Box::pin(tokio_stream::iter(messages))))
    }
}

/// Messages as they are.
#[derive(Clone, Copy)]
struct Plain;

impl Codec for Plain {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

/// A service that answers each message of a stream with the name of who sent it.
#[derive(Clone, Default)]
struct Echo {
    calls: Arc<AtomicUsize>,
}

impl NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

impl StreamingService<Bytes> for Echo {
    type Response = Bytes;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;
    type Future = BoxFuture<tonic::Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: tonic::Request<Streaming<Bytes>>) -> Self::Future {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let subject = subject(&request);
        let answer = move |message: Result<Bytes, Status>| {
            message.map(|message| format!("{subject}: {}", String::from_utf8_lossy(&message)).into())
        };
        let stream: Self::ResponseStream = Box::pin(request.into_inner().map(answer));
        Box::pin(async move { Ok(tonic::Response::new(stream)) })
    }
}

impl Service<Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let echo = self.clone();
        Box::pin(async move { Ok(Grpc::new(Plain).streaming(echo, request).await) })
    }
}

/// Serves a router of tonic on a socket.
macro_rules! serve {
    ($router:expr) => {{
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = incoming.local_addr().unwrap();
        tokio::spawn($router.serve_with_incoming(incoming));
        address
    }};
}

async fn connect(address: SocketAddr) -> Channel {
    Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

/// A connection by HTTP/2 without anything of gRPC.
async fn open(address: SocketAddr) -> h2::client::SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    client.ready().await.unwrap()
}

fn request(authorization: &[&str]) -> tonic::Request<HealthCheckRequest> {
    let mut request = tonic::Request::new(HealthCheckRequest::default());
    for line in authorization {
        request.metadata_mut().append("authorization", line.parse().unwrap());
    }
    request
}

fn good() -> tonic::Request<HealthCheckRequest> {
    request(&["Bearer good"])
}

fn who<T>(response: &tonic::Response<T>) -> &str {
    response.metadata().get("x-subject").map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_unary_call_is_refused_or_served() {
    let probe = Probe::default();
    let address = serve!(Server::builder().layer(auth()).add_service(HealthServer::new(probe.clone())));
    let mut client = HealthClient::new(connect(address).await);
    for row in &ROWS {
        let mut request = tonic::Request::new(HealthCheckRequest::default());
        *request.metadata_mut() = row.metadata();
        row.check_status(&client.check(request).await.unwrap_err());
    }
    assert_eq!(probe.calls.load(Ordering::SeqCst), 0);
    let response = client.check(good()).await.unwrap();
    assert_eq!((who(&response), response.get_ref().status), ("alice", 1));
    // What is no route is not told to strangers either.
    let mut unknown = Nowhere::new(connect(address).await);
    assert_eq!(unknown.call("").await.unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(unknown.call("Bearer good").await.unwrap_err().code(), Code::Unimplemented);
}

/// A client of a service that is not there.
struct Nowhere(tonic::client::Grpc<Channel>);

impl Nowhere {
    fn new(channel: Channel) -> Self {
        Self(tonic::client::Grpc::new(channel))
    }

    async fn call(&mut self, authorization: &str) -> Result<tonic::Response<Bytes>, Status> {
        self.0.ready().await.unwrap();
        let mut request = tonic::Request::new(Bytes::new());
        if !authorization.is_empty() {
            request.metadata_mut().insert("authorization", authorization.parse().unwrap());
        }
        self.0.unary(request, "/test.Nowhere/Call".parse().unwrap(), Plain).await
    }
}

#[tokio::test]
async fn an_interceptor_reads_the_token_too() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let interceptor = {
        let seen = Arc::clone(&seen);
        move |request: tonic::Request<()>| {
            seen.lock().unwrap().push(subject(&request));
            Ok(request)
        }
    };
    let service = HealthServer::with_interceptor(Probe::default(), interceptor);
    let mut client =
        HealthClient::new(connect(serve!(Server::builder().layer(auth()).add_service(service))).await);
    client.check(request(&["Bearer bad"])).await.unwrap_err();
    assert_eq!(who(&client.check(good()).await.unwrap()), "alice");
    assert_eq!(*seen.lock().unwrap(), ["alice"]);
}

#[tokio::test]
async fn a_stream_of_the_server_is_refused_before_it_starts_or_delivered() {
    let probe = Probe::default();
    let address = serve!(Server::builder().layer(auth()).add_service(HealthServer::new(probe.clone())));
    let mut client = HealthClient::new(connect(address).await);
    for row in &ROWS {
        let mut request = tonic::Request::new(HealthCheckRequest::default());
        *request.metadata_mut() = row.metadata();
        row.check_status(&client.watch(request).await.unwrap_err());
    }
    assert_eq!(probe.calls.load(Ordering::SeqCst), 0);
    let response = client.watch(good()).await.unwrap();
    assert_eq!(who(&response), "alice");
    let statuses: Vec<_> = response.into_inner().map(|message| message.unwrap().status).collect().await;
    assert_eq!(statuses, [1, 2, 3]);
}

#[tokio::test]
async fn a_stream_in_both_directions_is_refused_while_it_is_open_or_goes_on() {
    let echo = Echo::default();
    let address = serve!(Server::builder().layer(auth()).add_service(echo.clone()));
    let mut client = tonic::client::Grpc::new(connect(address).await);
    let mut call = async |authorization: &[&str]| {
        client.ready().await.unwrap();
        // The client goes on sending until it is told: the rejection does not wait for the end of its stream.
        let (sender, receiver) = mpsc::unbounded_channel::<Bytes>();
        let (mut receiver, first) = (receiver, sender.clone());
        first.send("one".into()).unwrap();
        let messages = futures_stream(move |context| receiver.poll_recv(context));
        let mut request = tonic::Request::new(messages);
        for line in authorization {
            request.metadata_mut().append("authorization", line.parse().unwrap());
        }
        let answer = client.streaming(request, "/test.Echo/Call".parse().unwrap(), Plain).await;
        answer.map(|response| (sender, response.into_inner()))
    };
    for row in &ROWS {
        row.check_status(&call(row.authorization).await.map(drop).unwrap_err());
    }
    assert_eq!(echo.calls.load(Ordering::SeqCst), 0);
    let (sender, mut answers) = call(&["Bearer good"]).await.unwrap();
    assert_eq!(answers.message().await.unwrap().unwrap(), "alice: one");
    sender.send("two".into()).unwrap();
    assert_eq!(answers.message().await.unwrap().unwrap(), "alice: two");
}

/// A stream out of a function that is polled.
fn futures_stream<T, F>(poll: F) -> impl Stream<Item = T> + Send + 'static
where
    F: FnMut(&mut Context<'_>) -> Poll<Option<T>> + Send + Unpin + 'static,
{
    struct Polled<F>(F);

    impl<T, F: FnMut(&mut Context<'_>) -> Poll<Option<T>> + Unpin> Stream for Polled<F> {
        type Item = T;

        fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
            (self.0)(context)
        }
    }

    Polled(poll)
}

/// A verifier that says when it was asked and when its caller is gone, and knows `good` at once.
#[derive(Clone)]
struct Watched(mpsc::UnboundedSender<&'static str>);

struct Gone(mpsc::UnboundedSender<&'static str>);

impl Drop for Gone {
    fn drop(&mut self) {
        let _ = self.0.send("gone");
    }
}

impl TokenVerifier for Watched {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        if token.as_str() == "good" {
            let token = AccessToken::verified().subject("alice").scopes(ScopeSet::parse("files:read"));
            return Ok(token.build());
        }
        let _gone = Gone(self.0.clone());
        let _ = self.0.send("asked");
        pending().await
    }
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing_behind() {
    let (sender, mut events) = mpsc::unbounded_channel();
    let layer = settings(Watched(sender)).grpc().build().unwrap();
    let probe = Probe::default();
    let router = Server::builder()
        .layer(ServiceBuilder::new().layer(layer).layer(ConcurrencyLimitLayer::new(1)).into_inner())
        .add_service(HealthServer::new(probe.clone()));
    let channel = connect(serve!(router)).await;
    for _ in 0..3 {
        let mut client = HealthClient::new(channel.clone());
        let call = tokio::spawn(async move { client.check(request(&["Bearer slow"])).await });
        assert_eq!(events.recv().await, Some("asked"));
        call.abort();
        assert_eq!(events.recv().await, Some("gone"));
        assert_eq!(probe.calls.load(Ordering::SeqCst), 0);
    }
    // The one permit is free again.
    assert_eq!(who(&HealthClient::new(channel).check(good()).await.unwrap()), "alice");
    assert_eq!(probe.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_time_that_a_client_gives_ends_a_verification() {
    let (sender, mut events) = mpsc::unbounded_channel();
    let layer = settings(Watched(sender)).grpc().build().unwrap();
    let probe = Probe::default();
    let address = serve!(Server::builder().layer(layer).add_service(HealthServer::new(probe.clone())));
    // No client of tonic, which would keep the time itself. That of tonic around the layer runs too: either may answer.
    let call = Request::post("http://api.example.com/grpc.health.v1.Health/Check");
    let call = call.header("content-type", "application/grpc").header("grpc-timeout", "20m");
    let call = call.header("authorization", "Bearer slow").body(()).unwrap();
    let (response, _stream) = open(address).await.send_request(call, false).unwrap();
    let response = response.await.unwrap();
    let code = response.headers()["grpc-status"].to_str().unwrap();
    assert!(["1", "4", "14"].contains(&code), "{code}");
    assert_eq!((events.recv().await, events.recv().await), (Some("asked"), Some("gone")));
    assert_eq!(probe.calls.load(Ordering::SeqCst), 0);
}

// Next to other layers.

#[tokio::test]
async fn it_works_inside_and_outside_of_other_layers() {
    let address = serve!(
        Server::builder()
            .layer(CorsLayer::permissive())
            .layer(ConcurrencyLimitLayer::new(1))
            .layer(auth())
            .layer(CatchPanicLayer::new())
            .layer(TimeoutLayer::new(Duration::from_secs(60)))
            .layer(ConcurrencyLimitLayer::new(1))
            .add_service(HealthServer::new(Probe::default()))
    );
    let mut client = HealthClient::new(connect(address).await);
    // With one permit on each side, nothing may be kept by what is rejected.
    for _ in 0..3 {
        for row in &ROWS {
            let mut request = tonic::Request::new(HealthCheckRequest::default());
            *request.metadata_mut() = row.metadata();
            row.check_status(&client.check(request).await.unwrap_err());
        }
        assert_eq!(who(&client.check(good()).await.unwrap()), "alice");
    }
    let mut panicking = good();
    panicking.get_mut().service = "panic".to_owned();
    client.check(panicking).await.unwrap_err();
    assert_eq!(who(&client.check(good()).await.unwrap()), "alice");
}

// gRPC-Web, by hand over HTTP/1.1.

/// What stands in a message that is empty.
const EMPTY: [u8; 5] = [0; 5];

/// Sends one POST and reads everything up to the end of the connection.
async fn post(address: SocketAddr, content_type: &str, authorization: &[&str]) -> (u16, HeaderMap, Vec<u8>) {
    let text = content_type.contains("-text");
    let body = if text { STANDARD.encode(EMPTY).into_bytes() } else { EMPTY.to_vec() };
    let lines: String = authorization.iter().map(|line| format!("Authorization: {line}\r\n")).collect();
    let head = format!(
        "POST /grpc.health.v1.Health/Check HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\
         Origin: https://app.example\r\nContent-Type: {content_type}\r\nAccept: {content_type}\r\n\
         Content-Length: {}\r\n{lines}\r\n",
        body.len(),
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let field = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())
    };
    (status, lines.map(field).collect(), answer[end + 4..].to_vec())
}

/// Calls by gRPC-Web, in both forms, with every row, and with a good token.
async fn check_web(address: SocketAddr) {
    for (content_type, answered) in [
        ("application/grpc-web+proto", "application/grpc-web+proto"),
        ("application/grpc-web-text", "application/grpc-web-text+proto"),
    ] {
        for row in &ROWS {
            let (status, headers, body) = post(address, content_type, row.authorization).await;
            assert_eq!((status, body), (200, Vec::new()), "{content_type}");
            for (name, value) in &row.headers(answered) {
                assert_eq!(headers.get(name), Some(value), "{content_type}");
            }
            assert_eq!(headers["content-length"], "0");
        }
        let (status, headers, body) = post(address, content_type, &["Bearer good"]).await;
        assert_eq!((status, headers["content-type"].to_str().unwrap()), (200, answered));
        assert_eq!(headers["x-subject"], "alice");
        assert!(!headers.contains_key("grpc-status") && !body.is_empty());
    }
}

#[tokio::test]
async fn grpc_web_is_translated_outside_of_the_layer() {
    let server = Server::builder().accept_http1(true).layer(GrpcWebLayer::new()).layer(auth());
    check_web(serve!({ server }.add_service(HealthServer::new(Probe::default())))).await;
}

#[tokio::test]
async fn grpc_web_is_translated_inside_of_the_layer() {
    let server = Server::builder().accept_http1(true).layer(auth()).layer(GrpcWebLayer::new());
    check_web(serve!({ server }.add_service(HealthServer::new(Probe::default())))).await;
}

#[tokio::test]
async fn a_browser_may_read_a_rejection_behind_a_cors_layer() {
    let exposed = ["grpc-status", "grpc-message", "www-authenticate"].map(HeaderName::from_static);
    let server = Server::builder()
        .accept_http1(true)
        .layer(CorsLayer::new().allow_origin(tower_http::cors::Any).expose_headers(exposed))
        .layer(auth())
        .layer(GrpcWebLayer::new());
    let address = serve!({ server }.add_service(HealthServer::new(Probe::default())));
    let (status, headers, _) = post(address, "application/grpc-web-text", &["Bearer bad"]).await;
    assert_eq!((status, headers["grpc-status"].to_str().unwrap()), (200, "16"));
    assert_eq!(headers["access-control-allow-origin"], "*");
    assert_eq!(headers["access-control-expose-headers"], "grpc-status,grpc-message,www-authenticate");
}

#[tokio::test]
async fn a_cors_layer_outside_answers_a_preflight_with_an_empty_body() {
    let handler = Handler::default();
    let request = Request::options("/").header("origin", "https://app.example");
    let request = request.header("access-control-request-method", "POST").body(Untouchable).unwrap();
    let service = ServiceBuilder::new().layer(CorsLayer::permissive()).layer(auth()).service(handler.clone());
    let answer = Answer::read(service.oneshot(request).await.unwrap()).await;
    assert_eq!((answer.status.as_u16(), &*answer.body, handler.calls()), (200, "", 0));
}

#[tokio::test]
async fn over_http_2_the_header_is_all_there_is() {
    let address = serve!(Server::builder().layer(auth()).add_service(HealthServer::new(Probe::default())));
    let mut client = open(address).await;
    for row in &ROWS {
        let (mut parts, _) = row.request("application/grpc+proto").into_parts();
        parts.uri = "http://api.example.com/grpc.health.v1.Health/Check".parse().unwrap();
        // The stream of the request stays open: nobody reads it, and the answer does not wait for it.
        let (response, _stream) = client.send_request(Request::from_parts(parts, ()), false).unwrap();
        let response = response.await.unwrap();
        assert_eq!(response.status(), 200);
        let (mut parts, body) = response.into_parts();
        assert!(parts.headers.remove("date").is_some());
        assert_eq!(parts.headers, row.headers("application/grpc"));
        assert!(body.is_end_stream(), "the header ends the stream");
    }
}

#[tokio::test]
async fn the_client_of_tonic_web_understands_a_rejection() {
    let routes = Routes::new(HealthServer::new(Probe::default())).prepare();
    for row in &ROWS {
        let service = ServiceBuilder::new()
            .layer(tonic_web::GrpcWebClientLayer::new())
            .map_request(|request: Request<_>| request.map(Body::new))
            .layer(auth())
            .layer(GrpcWebLayer::new())
            .service(routes.clone());
        let mut request = tonic::Request::new(HealthCheckRequest::default());
        *request.metadata_mut() = row.metadata();
        row.check_status(&HealthClient::new(service).check(request).await.unwrap_err());
    }
}

#[tokio::test]
async fn without_the_setting_a_client_of_grpc_sees_the_http_status() {
    let layer = settings(verifier()).build().unwrap();
    let server = Server::builder().accept_http1(true).layer(layer);
    let address = serve!({ server }.add_service(HealthServer::new(Probe::default())));
    for row in &ROWS {
        for content_type in ["application/grpc", "application/grpc-web"] {
            let (status, headers, _) = post(address, content_type, row.authorization).await;
            assert_eq!(status, row.http);
            assert!(!headers.contains_key("grpc-status"));
        }
    }
    let mut client = HealthClient::new(connect(address).await);
    assert_eq!(client.check(request(&[])).await.unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(who(&client.check(good()).await.unwrap()), "alice");
}
