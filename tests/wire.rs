//! What goes over the wire: an axum app behind the layer, spoken to byte by byte over TCP, and by HTTP/2.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::routing::{any, get, post};
use common::Counting;
use http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body::Frame;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tower::Layer;
use tower::util::MapRequestLayer;
use tower_bearer::error::VerifyErrorKind;
use tower_bearer::{AccessToken, AuthLayer, ScopeSet, VerifyError};
use tower_http::cors::CorsLayer;

const F1: &str = r#"Bearer scope="files:read", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp""#;
const F2: &str = r#"Bearer error="invalid_token", scope="files:read", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", error_description="The access token is invalid or expired""#;
const F3: &str = r#"Bearer error="insufficient_scope", scope="files:read", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", error_description="Additional scope is required""#;
const F4: &str = r#"Bearer error="invalid_request", scope="files:read", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", error_description="Malformed Authorization header""#;
const BAD_TOKEN: &str =
    r#"{"error":"invalid_token","error_description":"The access token is invalid or expired"}"#;
const MALFORMED: &str = r#"{"error":"invalid_request","error_description":"Malformed Authorization header"}"#;
const FORBIDDEN: &str =
    r#"{"error":"insufficient_scope","error_description":"Additional scope is required"}"#;
const DOWN: &str = r#"{"error":"temporarily_unavailable"}"#;

fn auth() -> AuthLayer<Counting> {
    let verifier = Counting::new(|token| match token {
        "good" => {
            let scopes = ScopeSet::parse("files:read");
            Ok(AccessToken::verified().subject("alice").scopes(scopes).build())
        }
        "weak" => Ok(AccessToken::verified().subject("bob").build()),
        "down" => Err(VerifyError::unavailable("down")),
        _ => Err(VerifyErrorKind::Inactive.into()),
    });
    let builder = AuthLayer::builder(verifier).resource("https://mcp.example.com/mcp");
    builder.required_scopes(["files:read"]).build().unwrap()
}

async fn whoami(request: Request) -> String {
    let token = request.extensions().get::<AccessToken>();
    token.and_then(AccessToken::subject).unwrap_or("nobody").to_owned()
}

/// Counts the frames of request bodies that somebody polled for.
#[derive(Clone, Default)]
struct Polled(Arc<AtomicUsize>);

struct Counted {
    body: Body,
    polled: Polled,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.polled.0.fetch_add(1, Ordering::SeqCst);
        Pin::new(&mut self.body).poll_frame(context)
    }
}

/// An app that answers with the subject of the token, or with the length of what was posted.
fn app(polled: &Polled) -> Router {
    let polled = polled.clone();
    let count = move |request: Request| {
        let polled = polled.clone();
        request.map(|body| Body::new(Counted { body, polled }))
    };
    Router::new()
        .route("/mcp", get(whoami).post(async |body: Bytes| body.len().to_string()))
        .route("/any", any(whoami))
        .layer(auth())
        .layer(MapRequestLayer::new(count))
}

async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, app).into_future());
    address
}

async fn start() -> SocketAddr {
    serve(app(&Polled::default())).await
}

/// One connection, and what has arrived on it but has not been read.
struct Connection {
    stream: TcpStream,
    arrived: Vec<u8>,
}

/// An answer as it arrived.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn field(&self, name: &str) -> &str {
        let values: Vec<_> = self.headers.get_all(name).iter().collect();
        assert!(values.len() <= 1, "{name} stands there {} times", values.len());
        values.first().map_or("", |value| value.to_str().unwrap())
    }

    fn assert(&self, status: u16, challenge: &str, body: &str) {
        assert_eq!((self.status, self.field("www-authenticate"), &*self.body), (status, challenge, body));
        assert_eq!(self.field("content-length"), body.len().to_string());
        assert_eq!(self.field("cache-control"), "no-store");
    }
}

impl Connection {
    async fn open(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), arrived: Vec::new() }
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Sends a request with one field more than it has to have.
    async fn ask(&mut self, line: &str, field: &str) -> Answer {
        let field = if field.is_empty() { String::new() } else { format!("{field}\r\n") };
        self.send(format!("{line} HTTP/1.1\r\nHost: mcp.example.com\r\n{field}\r\n")).await;
        self.answer(line.starts_with("HEAD")).await.expect("an answer")
    }

    /// Reads one answer. None if the server hung up before it was there.
    async fn answer(&mut self, head: bool) -> Option<Answer> {
        let end = loop {
            let found = self.arrived.windows(4).position(|window| window == b"\r\n\r\n");
            match found {
                Some(at) => break at,
                None => self.more().await?,
            }
        };
        let text = String::from_utf8(self.arrived.drain(..end + 4).collect()).unwrap();
        let mut lines = text.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let length = headers.get("content-length").map_or("0", |value| value.to_str().unwrap());
        let length = if head { 0 } else { length.parse().unwrap() };
        while self.arrived.len() < length {
            self.more().await?;
        }
        let body = String::from_utf8(self.arrived.drain(..length).collect()).unwrap();
        Some(Answer { status, headers, body })
    }

    async fn more(&mut self) -> Option<()> {
        let read = timeout(Duration::from_secs(10), self.stream.read_buf(&mut self.arrived));
        match read.await.expect("the server does not hang") {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(()),
        }
    }
}

#[tokio::test]
async fn every_answer_has_its_exact_bytes_and_the_connection_goes_on() {
    let mut connection = Connection::open(start().await).await;
    for (field, status, challenge, body) in [
        ("", 401, F1, ""),
        ("Authorization: Basic dTpw", 401, F1, ""),
        ("Authorization: Bearer bad", 401, F2, BAD_TOKEN),
        ("Authorization: Bearer a{b", 401, F2, BAD_TOKEN),
        ("Authorization: Bearer weak", 403, F3, FORBIDDEN),
        ("Authorization: Bearer", 400, F4, MALFORMED),
        ("Authorization: Bearer ", 400, F4, MALFORMED),
        ("Authorization:", 400, F4, MALFORMED),
        ("Authorization: Bearer A, Bearer B", 400, F4, MALFORMED),
        ("Authorization: Bearer A,", 400, F4, MALFORMED),
        ("Authorization: Bearer A B", 400, F4, MALFORMED),
        ("Authorization: Bearer good\r\nAuthorization: Bearer good", 400, F4, MALFORMED),
        ("Authorization: Bearer good\r\nauthorization: Basic dTpw", 400, F4, MALFORMED),
        ("Authorization: Bearer down", 503, "", DOWN),
    ] {
        let answer = connection.ask("GET /mcp", field).await;
        answer.assert(status, challenge, body);
        assert_eq!(answer.field("retry-after"), if status == 503 { "5" } else { "" });
        assert_eq!(answer.field("content-type"), if body.is_empty() { "" } else { "application/json" });
        let good = connection.ask("GET /mcp", "Authorization: Bearer good").await;
        assert_eq!((good.status, &*good.body), (200, "alice"), "after {field}");
    }
}

#[tokio::test]
async fn a_credential_of_another_scheme_or_place_is_none() {
    let mut connection = Connection::open(start().await).await;
    for field in [
        "Authorization: Basic Z29vZDpnb29k",
        "Authorization: token good",
        "Authorization: DPoP good",
        "Authorization: Negotiate good",
        "Authorization_: Bearer good",
        "X-Authorization: Bearer good",
        "X-Forwarded-Authorization: Bearer good",
        "Proxy-Authorization: Bearer good",
        "Cookie: access_token=good",
    ] {
        connection.ask("GET /mcp", field).await.assert(401, F1, "");
    }
    let both = connection.ask("GET /mcp?access_token=weak", "Authorization: Bearer good").await;
    assert_eq!((both.status, &*both.body), (200, "alice"));
}

#[tokio::test]
async fn no_path_and_no_header_makes_an_exemption() {
    let address = start().await;
    let mut connection = Connection::open(address).await;
    for field in [
        "User-Agent: kube-probe/1.30",
        "X-Forwarded-Uri: /public",
        "X-Original-Url: /public",
        "X-Rewrite-Url: /public",
        "X-HTTP-Method-Override: OPTIONS",
        "X-Forwarded-Host: evil.example",
        "Content-Type: application/grpc",
    ] {
        connection.ask("GET /mcp", field).await.assert(401, F1, "");
    }
    for path in [
        "/x/../public",
        "/public/../mcp",
        "//mcp",
        "/mcp/",
        "/mcp;x",
        "/mcp%2f",
        "/%6dcp",
        "/MCP",
        "/mcp?x=/public",
        "http://mcp.example.com/mcp",
        "/nowhere",
    ] {
        connection.ask(&format!("GET {path}"), "").await.assert(401, F1, "");
    }
    // What looks like metadata and is none does not reach the service either.
    for path in
        ["/.well-known/oauth-protected-resource/../mcp", "/.well-known/oauth-protected-resource/mcp/x"]
    {
        let answer = connection.ask(&format!("GET {path}"), "").await;
        assert_eq!((answer.status, &*answer.body), (404, ""), "{answer:?}");
    }
    // No client may send a fragment: the server refuses the line, or it is answered like any other.
    let answer = Connection::open(address).await.ask("GET /mcp#frag", "").await;
    assert!([400, 401].contains(&answer.status), "{answer:?}");
}

#[tokio::test]
async fn every_method_needs_a_token() {
    let address = start().await;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"] {
        let mut connection = Connection::open(address).await;
        connection.ask(&format!("{method} /mcp"), "").await.assert(401, F1, "");
        connection.ask(&format!("{method} /any"), "Origin: https://app.example").await.assert(401, F1, "");
    }
    let mut connection = Connection::open(address).await;
    let get = connection.ask("GET /mcp", "Authorization: Bearer bad").await;
    let head = connection.ask("HEAD /mcp", "Authorization: Bearer bad").await;
    assert_eq!(head.body, "");
    for name in ["www-authenticate", "content-length", "content-type", "cache-control"] {
        assert_eq!(head.field(name), get.field(name), "{name}");
    }
    assert_eq!(connection.ask("GET /mcp", "Authorization: Bearer good").await.body, "alice");
    let mut connection = Connection::open(address).await;
    connection.ask("CONNECT mcp.example.com:443", "").await.assert(401, F1, "");
}

#[tokio::test]
async fn without_a_token_nothing_is_upgraded() {
    let mut connection = Connection::open(start().await).await;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    connection.ask("GET /any", upgrade).await.assert(401, F1, "");
}

#[tokio::test]
async fn whoever_is_refused_before_the_body_was_read_is_told_that_the_connection_ends() {
    let address = start().await;
    for (fields, is_last) in [
        ("Content-Length: 2\r\n", true),
        ("Transfer-Encoding: chunked\r\n", true),
        ("Authorization: Bearer bad\r\nContent-Length: 2\r\n", true),
        ("Content-Length: 0\r\n", false),
        ("", false),
    ] {
        let mut connection = Connection::open(address).await;
        connection.send(format!("POST /mcp HTTP/1.1\r\nHost: h\r\n{fields}\r\n")).await;
        let answer = connection.answer(false).await.unwrap();
        assert_eq!((answer.status, answer.field("connection")), (401, if is_last { "close" } else { "" }));
        if !is_last {
            assert_eq!(connection.ask("GET /mcp", "Authorization: Bearer good").await.body, "alice");
        }
    }
}

#[tokio::test]
async fn without_a_token_no_body_is_asked_for_or_read() {
    let polled = Polled::default();
    let address = serve(app(&polled)).await;
    for credential in
        ["", "Authorization: Bearer bad\r\n", "Authorization: Bearer\r\n", "Authorization: Bearer down\r\n"]
    {
        let mut connection = Connection::open(address).await;
        let head = "POST /mcp HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 10\r\n";
        connection.send(format!("{head}{credential}\r\n")).await;
        // The first that comes is the answer, not `100 Continue`.
        assert!([400, 401, 503].contains(&connection.answer(false).await.unwrap().status));

        let mut connection = Connection::open(address).await;
        let head = "POST /mcp HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n";
        connection.send(format!("{head}{credential}\r\n4\r\nbody\r\n")).await;
        assert!([400, 401, 503].contains(&connection.answer(false).await.unwrap().status));
        // The rest of ten mebibytes: the server may hang up at any time.
        let chunk =
            [format!("{:x}\r\n", 1 << 20).into_bytes(), vec![b'x'; 1 << 20], b"\r\n".to_vec()].concat();
        for _ in 0..10 {
            let _ = connection.stream.write_all(&chunk).await;
        }
    }
    assert_eq!(polled.0.load(Ordering::SeqCst), 0);
    let mut connection = Connection::open(address).await;
    let head = "POST /mcp HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n";
    connection.send(format!("{head}Authorization: Bearer good\r\n\r\n")).await;
    assert_eq!(connection.answer(true).await.unwrap().status, 100, "with a token the body is wanted");
    connection.send("body").await;
    assert_eq!(connection.answer(false).await.unwrap().body, "4");
    assert!(polled.0.load(Ordering::SeqCst) > 0);
}

#[tokio::test]
async fn slow_bodies_do_not_hold_up_a_rejection() {
    let polled = Polled::default();
    let address = serve(app(&polled)).await;
    let mut open = Vec::new();
    for _ in 0..64 {
        let mut connection = Connection::open(address).await;
        let head =
            "POST /mcp HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer bad\r\nContent-Length: 1000000\r\n\r\nx";
        connection.send(head).await;
        open.push(connection);
    }
    for connection in &mut open {
        connection.answer(false).await.unwrap().assert(401, F2, BAD_TOKEN);
    }
    assert_eq!(polled.0.load(Ordering::SeqCst), 0);
    let good = Connection::open(address).await.ask("GET /mcp", "Authorization: Bearer good").await;
    assert_eq!(good.body, "alice");
}

#[tokio::test]
async fn a_huge_header_is_refused_and_the_next_connection_works() {
    let address = start().await;
    for (kibibytes, statuses) in
        [(16, &[400][..]), (128, &[400]), (256, &[400, 431]), (512, &[400, 431]), (1024, &[400, 431])]
    {
        let mut connection = Connection::open(address).await;
        let token = "a".repeat(kibibytes * 1024 + 1);
        let request = format!("GET /mcp HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\n\r\n");
        let _ = connection.stream.write_all(request.as_bytes()).await;
        match connection.answer(false).await {
            Some(answer) => assert!(statuses.contains(&answer.status), "{kibibytes} KiB: {answer:?}"),
            None => assert!(kibibytes > 128, "{kibibytes} KiB are read"),
        }
        let good = Connection::open(address).await.ask("GET /mcp", "Authorization: Bearer good").await;
        assert_eq!((good.status, &*good.body), (200, "alice"), "after {kibibytes} KiB");
    }
}

#[tokio::test]
async fn pipelined_requests_are_judged_one_by_one() {
    let mut connection = Connection::open(start().await).await;
    let request = |credential: &str| format!("GET /mcp HTTP/1.1\r\nHost: h\r\n{credential}\r\n");
    let (good, bad) = (request("Authorization: Bearer good\r\n"), request("Authorization: Bearer bad\r\n"));
    connection.send([&*good, &bad, &good, &request(""), &good].concat()).await;
    for status in [200, 401, 200, 401, 200] {
        let answer = connection.answer(false).await.unwrap();
        assert_eq!(answer.status, status);
        assert_eq!(answer.body == "alice", status == 200);
    }
}

/// What a path answers without a token: status, and whether it is our challenge.
async fn without_token(address: SocketAddr, line: &str) -> (u16, bool) {
    let answer = Connection::open(address).await.ask(line, "").await;
    (answer.status, answer.field("www-authenticate").starts_with("Bearer "))
}

#[tokio::test]
async fn a_layer_after_all_routes_covers_them_and_what_is_no_route() {
    let nested = Router::new().route("/deep", get(whoami));
    let merged = Router::new().route("/merged", get(whoami));
    let app = Router::new().route("/mcp", get(whoami)).nest("/nested", nested).merge(merged);
    for app in [app.clone().layer(auth()), app.clone().fallback(whoami).layer(auth())] {
        let address = serve(app).await;
        for line in ["GET /mcp", "GET /nested/deep", "GET /merged", "POST /mcp", "GET /", "GET /nested/x"] {
            assert_eq!(without_token(address, line).await, (401, true), "{line}");
        }
        for line in ["GET /mcp", "GET /nested/deep", "GET /merged"] {
            let answer = Connection::open(address).await.ask(line, "Authorization: Bearer good").await;
            assert_eq!(answer.body, "alice");
        }
    }
}

#[tokio::test]
async fn a_route_layer_covers_routes_and_leaves_404_to_the_router() {
    let nested = Router::new().route("/deep", get(whoami));
    let app = Router::new().route("/mcp", get(whoami)).nest("/nested", nested).route_layer(auth());
    let address = serve(app).await;
    for line in ["GET /mcp", "GET /nested/deep"] {
        assert_eq!(without_token(address, line).await, (401, true), "{line}");
    }
    // What is no route says so to everyone.
    assert_eq!(without_token(address, "GET /nowhere").await, (404, false));
    assert_eq!(without_token(address, "GET /nested/nowhere").await, (404, false));
}

#[tokio::test]
async fn a_layer_on_a_part_covers_that_part_alone() {
    let protected = Router::new().route("/secret", get(whoami)).layer(auth());
    let app = Router::new()
        .route("/single", get(whoami).layer(auth()))
        .route("/single/method", get(whoami).route_layer(auth()).post(async || "open"))
        .nest("/api", protected.clone())
        .merge(protected)
        .route("/open", get(async || "open"))
        .fallback(async || (StatusCode::NOT_FOUND, "open"));
    let address = serve(app).await;
    for line in ["GET /secret", "GET /api/secret", "GET /single", "GET /single/method"] {
        assert_eq!(without_token(address, line).await, (401, true), "{line}");
        let answer = Connection::open(address).await.ask(line, "Authorization: Bearer good").await;
        assert_eq!(answer.body, "alice", "{line}");
    }
    for (line, status) in [("GET /open", 200), ("POST /single/method", 200), ("GET /nowhere", 404)] {
        assert_eq!(without_token(address, line).await, (status, false), "{line}");
    }
}

#[tokio::test]
async fn a_route_that_is_added_after_the_layer_is_not_covered() {
    let app = Router::new().route("/before", get(whoami)).layer(auth()).route("/after", post(whoami));
    let address = serve(app).await;
    assert_eq!(without_token(address, "GET /before").await, (401, true));
    assert_eq!(without_token(address, "POST /after").await, (200, false));
}

#[tokio::test]
async fn with_cors_around_it_a_browser_can_read_the_rejection() {
    let cors = || {
        CorsLayer::new()
            .allow_origin(["https://app.example".parse::<HeaderValue>().unwrap()])
            .allow_methods([Method::GET])
            .allow_headers([AUTHORIZATION])
            .expose_headers([WWW_AUTHENTICATE, RETRY_AFTER])
    };
    let app = Router::new().route("/mcp", get(whoami));
    let preflight = "Origin: https://app.example\r\nAccess-Control-Request-Method: GET\r\n\
        Access-Control-Request-Headers: authorization";
    let mut connection = Connection::open(serve(app.clone().layer(auth()).layer(cors())).await).await;
    for (credential, status) in [("bad", 401), ("weak", 403), ("a b", 400), ("down", 503), ("good", 200)] {
        let fields = format!("Origin: https://app.example\r\nAuthorization: Bearer {credential}");
        let answer = connection.ask("GET /mcp", &fields).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.field("access-control-allow-origin"), "https://app.example");
        assert_eq!(answer.field("access-control-expose-headers"), "www-authenticate,retry-after");
        assert_eq!(answer.field("access-control-allow-credentials"), "");
        assert!(answer.headers.contains_key("vary"));
    }
    // A preflight is answered in either order: it does not reach our layer, or our layer lets it pass.
    let inside = serve(app.layer(cors()).layer(auth())).await;
    for connection in [&mut connection, &mut Connection::open(inside).await] {
        let answer = connection.ask("OPTIONS /mcp", preflight).await;
        assert_eq!((answer.status, answer.field("access-control-allow-headers")), (200, "authorization"));
    }
}

/// A connection to an HTTP/2 server behind the layer.
async fn http2() -> h2::client::SendRequest<Bytes> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = auth().layer(Router::new().route("/mcp", any(whoami)));
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).await
    });
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// Sends a request with these `authorization` fields and reads the answer, or the reason why there is none.
async fn ask2(
    sender: &h2::client::SendRequest<Bytes>,
    credentials: &[HeaderValue],
) -> Result<Answer, h2::Error> {
    let mut request = http::Request::get("https://mcp.example.com/mcp").body(()).unwrap();
    for credential in credentials {
        request.headers_mut().append(AUTHORIZATION, credential.clone());
    }
    let mut ready = sender.clone().ready().await?;
    let (response, _) = ready.send_request(request, true)?;
    let (parts, mut stream) = timeout(Duration::from_secs(10), response).await.unwrap()?.into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        body.extend_from_slice(&data?);
    }
    let body = String::from_utf8(body).unwrap();
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
}

#[tokio::test]
async fn over_http2_a_split_or_empty_credential_is_malformed() {
    let sender = http2().await;
    let plain = HeaderValue::from_static;
    let never_indexed = |text| {
        let mut value = HeaderValue::from_static(text);
        value.set_sensitive(true);
        value
    };
    for (credentials, status, challenge, body) in [
        (vec![], 401, F1, ""),
        (vec![plain("Bearer good"), plain("Bearer good")], 400, F4, MALFORMED),
        (vec![plain("Bearer"), plain("good")], 400, F4, MALFORMED),
        (vec![plain("Bearer good"), plain("")], 400, F4, MALFORMED),
        (vec![never_indexed("Bearer good"), never_indexed("Basic dTpw")], 400, F4, MALFORMED),
        (vec![plain("")], 400, F4, MALFORMED),
        (vec![never_indexed("")], 400, F4, MALFORMED),
        (vec![never_indexed("Bearer bad")], 401, F2, BAD_TOKEN),
        (vec![plain("Bearer weak")], 403, F3, FORBIDDEN),
        (vec![plain("Bearer down")], 503, "", DOWN),
    ] {
        ask2(&sender, &credentials).await.unwrap().assert(status, challenge, body);
        let good = ask2(&sender, &[never_indexed("Bearer good")]).await.unwrap();
        assert_eq!((good.status, &*good.body), (200, "alice"));
    }
}

#[tokio::test]
async fn over_http2_a_huge_header_is_refused_and_others_are_served() {
    for kibibytes in [17, 128, 1024] {
        let sender = http2().await;
        let token = HeaderValue::try_from(format!("Bearer {}", "a".repeat(kibibytes * 1024))).unwrap();
        match ask2(&sender, &[token]).await {
            Ok(answer) => assert!([400, 431].contains(&answer.status), "{kibibytes} KiB: {answer:?}"),
            Err(_) => assert!(kibibytes > 17),
        }
        let sender = http2().await;
        let good = ask2(&sender, &[HeaderValue::from_static("Bearer good")]).await.unwrap();
        assert_eq!(good.body, "alice");
    }
}
