//! Which hosts a request may be for, and which pages may send it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::convert::Infallible;
use std::future::{IntoFuture, pending};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use common::{Answer, Counting, Handler, Logs, Untouchable, block_on};
use http::{HeaderValue, Method, Request, Response, Version};
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_bearer::error::BuildErrorKind;
use tower_bearer::host_guard::{GuardedHost, HostGuardBuilder};
use tower_bearer::{AuthLayer, HostGuard};
use tracing::Level;

const FORBIDDEN: &str = r#"{"error":"forbidden"}"#;

/// A request for a URI with these fields.
fn request(uri: &str, fields: &[(&'static str, &[u8])]) -> Request<Untouchable> {
    let mut request = Request::new(Untouchable);
    *request.uri_mut() = uri.parse().unwrap();
    for (name, value) in fields {
        request.headers_mut().append(*name, HeaderValue::from_bytes(value).unwrap());
    }
    request
}

fn send(guard: &HostGuard, request: Request<Untouchable>) -> (Answer, Handler) {
    let handler = Handler::default();
    let service = guard.layer(handler.clone());
    let answer = block_on(async { Answer::read(service.oneshot(request).await.unwrap()).await });
    (answer, handler)
}

/// Whether a request passes; and if not, that it is refused as it should be.
fn passes(guard: &HostGuard, request: Request<Untouchable>) -> bool {
    let (answer, handler) = send(guard, request);
    if answer.status == 200 {
        assert_eq!((handler.calls(), answer.body.as_str(), answer.headers.len()), (1, "handler", 0));
        return true;
    }
    assert_eq!((answer.status.as_u16(), answer.body.as_str(), handler.calls()), (403, FORBIDDEN, 0));
    assert_eq!(answer.field("cache-control"), "no-store");
    assert_eq!(answer.field("content-type"), "application/json");
    assert_eq!(answer.field("content-length"), FORBIDDEN.len().to_string());
    assert_eq!(answer.headers.len(), 3, "no challenge, nothing else: {answer:?}");
    false
}

fn is_host(guard: &HostGuard, host: &[u8]) -> bool {
    passes(guard, request("/mcp", &[("host", host)]))
}

fn is_origin(guard: &HostGuard, origin: &[u8]) -> bool {
    passes(guard, request("/mcp", &[("host", b"localhost"), ("origin", origin)]))
}

fn public() -> HostGuard {
    let builder = HostGuard::builder()
        .hosts([
            "mcp.example.com",
            "localhost",
            "Api.Example.com:8443",
            "plain.example:80",
            "tls.example:443",
        ])
        .origins(["https://app.example.com", "http://dev.example:8080", "vscode-webview://1a2b"]);
    builder.build().unwrap()
}

// Hosts.

#[test]
fn a_server_on_loopback_is_known_by_its_three_names_at_any_port() {
    let guard = HostGuard::loopback();
    for host in [
        &b"localhost"[..],
        b"localhost:8000",
        b"LOCALHOST:1",
        b"127.0.0.1",
        b"127.0.0.1:65535",
        b"[::1]",
        b"[::1]:8000",
        b"[0:0:0:0:0:0:0:1]:8000",
    ] {
        assert!(is_host(&guard, host), "{host:?}");
    }
}

#[test]
fn every_other_host_is_refused_as_are_other_spellings() {
    for guard in [HostGuard::loopback(), public()] {
        for host in [
            &b""[..],
            b"evil.example",
            b"evil.example:8000",
            b"localhost.evil.example",
            b"127.0.0.1.evil.example",
            b"evil-localhost",
            b"localhost.",
            b"127.0.0.1.",
            b"127.0.0.2",
            b"127.1",
            b"0.0.0.0",
            b"0x7f000001",
            b"2130706433",
            b"[::]",
            b"[::ffff:127.0.0.1]",
            b"::1",
            b"localhost:",
            b"localhost:0",
            b"localhost:99999",
            b"localhost:http",
            b"user@localhost",
            b"localhost@evil.example",
            b"evil.example@localhost",
            b"localhost/",
            b"http://localhost",
            b"localhost, evil.example",
            b" localhost",
            b"localhost ",
            b"localhost\tx",
            b"*",
            b"null",
            b"loc\xffalhost",
            "lоcalhost".as_bytes(),
        ] {
            assert!(!is_host(&guard, host), "{host:?}");
        }
    }
}

#[test]
fn a_port_counts_where_the_list_names_one() {
    for (host, expected) in [
        ("mcp.example.com", true),
        ("mcp.example.com:1234", true),
        ("api.example.com:8443", true),
        ("API.EXAMPLE.COM:8443", true),
        ("api.example.com", false),
        ("api.example.com:443", false),
        ("api.example.com:8444", false),
        ("plain.example", true),
        ("plain.example:80", true),
        ("plain.example:443", false),
        ("tls.example", true),
        ("tls.example:443", true),
        ("tls.example:80", false),
    ] {
        assert_eq!(is_host(&public(), host.as_bytes()), expected, "{host}");
    }
}

#[test]
fn the_host_of_http_2_is_the_authority_of_the_uri() {
    for (uri, expected) in [
        ("https://mcp.example.com/mcp", true),
        ("https://mcp.example.com:8443/mcp", true),
        ("https://tls.example/mcp", true),
        ("https://tls.example:443/mcp", true),
        ("http://tls.example/mcp", false),
        ("https://plain.example/mcp", false),
        ("http://plain.example/mcp", true),
        ("https://evil.example/mcp", false),
        ("https://user@mcp.example.com/mcp", false),
        ("https://mcp.example.com./mcp", false),
        ("https://mcp.example.com@evil.example/mcp", false),
    ] {
        let mut request = request(uri, &[]);
        *request.version_mut() = Version::HTTP_2;
        assert_eq!(passes(&public(), request), expected, "{uri}");
    }
}

#[test]
fn a_uri_and_a_host_line_have_to_agree() {
    for (uri, host, expected) in [
        ("https://mcp.example.com/mcp", "mcp.example.com", true),
        ("https://mcp.example.com/mcp", "MCP.example.com:443", true),
        ("https://mcp.example.com:443/mcp", "mcp.example.com", true),
        ("https://mcp.example.com/mcp", "mcp.example.com:80", false),
        ("https://mcp.example.com/mcp", "localhost", false),
        ("https://mcp.example.com/mcp", "evil.example", false),
        ("https://evil.example/mcp", "mcp.example.com", false),
        ("https://evil.example/mcp", "evil.example", false),
        ("https://mcp.example.com/mcp", "", false),
    ] {
        let request = request(uri, &[("host", host.as_bytes())]);
        assert_eq!(passes(&public(), request), expected, "{uri} and {host}");
    }
}

#[test]
fn there_is_exactly_one_host() {
    let guard = HostGuard::loopback();
    assert!(!passes(&guard, request("/mcp", &[])));
    assert!(!passes(&guard, request("/mcp", &[("host", b"localhost"), ("host", b"localhost")])));
    assert!(!passes(&guard, request("/mcp", &[("host", b"localhost"), ("host", b"evil.example")])));
    let both: [(&str, &[u8]); 2] = [("host", b"localhost"), ("host", b"localhost")];
    assert!(!passes(&guard, request("http://localhost/mcp", &both)));
}

#[test]
fn what_proxies_say_is_not_read() {
    for field in ["x-forwarded-host", "forwarded", "x-host", "x-original-host", "x-forwarded-server"] {
        let value: &[u8] = if field == "forwarded" { b"host=localhost" } else { b"localhost" };
        let guard = HostGuard::loopback();
        assert!(!passes(&guard, request("/mcp", &[("host", b"evil.example"), (field, value)])));
        assert!(!passes(&guard, request("/mcp", &[(field, value)])));
        assert!(passes(&guard, request("/mcp", &[("host", b"localhost"), (field, b"evil.example")])));
    }
}

// Origins.

#[test]
fn a_page_of_loopback_may_send_requests_at_any_port_over_http() {
    let guard = HostGuard::loopback();
    for origin in ["http://localhost", "http://localhost:3000", "http://127.0.0.1:1", "http://[::1]:8000"] {
        assert!(is_origin(&guard, origin.as_bytes()), "{origin}");
    }
    for origin in ["https://localhost", "https://127.0.0.1:8000", "ws://localhost", "file://localhost"] {
        assert!(!is_origin(&guard, origin.as_bytes()), "{origin}");
    }
}

#[test]
fn a_listed_origin_is_scheme_host_and_port() {
    for (origin, expected) in [
        ("https://app.example.com", true),
        ("https://app.example.com:443", true),
        ("HTTPS://App.Example.COM", true),
        ("http://dev.example:8080", true),
        ("vscode-webview://1a2b", true),
        ("https://app.example.com:8443", false),
        ("http://app.example.com", false),
        ("http://app.example.com:443", false),
        ("http://dev.example", false),
        ("http://dev.example:80", false),
        ("https://evil.example", false),
        ("https://app.example.com.evil.example", false),
        ("https://sub.app.example.com", false),
        ("http://localhost", false),
        ("vscode-webview://1a2b:443", false),
    ] {
        assert_eq!(is_origin(&public(), origin.as_bytes()), expected, "{origin}");
    }
}

#[test]
fn what_is_no_origin_is_refused() {
    for guard in [HostGuard::loopback(), public()] {
        for origin in [
            &b""[..],
            b"null",
            b"NULL",
            b"*",
            b"localhost",
            b"http://",
            b"http://localhost/",
            b"http://localhost.",
            b"http://user@localhost",
            b"http://localhost:",
            b"https://app.example.com/",
            b"https://app.example.com.",
            b"https://app.example.com#",
            b"https://user@app.example.com",
            b"https://app.example.com https://app.example.com",
            b"https://app.example.com, https://app.example.com",
            b"https://app.example.com\xff",
            b" https://app.example.com",
            b"//app.example.com",
        ] {
            assert!(!is_origin(&guard, origin), "{origin:?}");
        }
    }
}

#[test]
fn two_origins_are_none() {
    let fields: [(&str, &[u8]); 3] = [
        ("host", b"localhost"),
        ("origin", b"https://app.example.com"),
        ("origin", b"https://app.example.com"),
    ];
    assert!(!passes(&public(), request("/mcp", &fields)));
}

#[test]
fn null_is_an_origin_only_if_it_is_listed_and_none_is_known_unless_set() {
    let builder = || HostGuard::builder().hosts(["localhost"]);
    let guard = builder().origins(["null"]).build().unwrap();
    assert!(is_origin(&guard, b"null"));
    assert!(!is_origin(&guard, b"Null") && !is_origin(&guard, b"http://localhost"));
    let none = builder().build().unwrap();
    assert!(is_host(&none, b"localhost"));
    assert!(!is_origin(&none, b"http://localhost") && !is_origin(&none, b"null"));
}

#[test]
fn an_origin_does_not_stand_in_for_a_host() {
    let fields: [(&str, &[u8]); 2] = [("host", b"evil.example"), ("origin", b"http://localhost")];
    assert!(!passes(&HostGuard::loopback(), request("/mcp", &fields)));
}

// Around other layers.

#[tokio::test]
async fn no_verifier_is_asked_about_a_request_that_is_refused() {
    let verifier = Counting::knows_good("read");
    let handler = Handler::default();
    let service = ServiceBuilder::new()
        .layer(HostGuard::loopback())
        .layer(AuthLayer::new(verifier.clone()))
        .service(handler.clone());
    let good: (&str, &[u8]) = ("authorization", b"Bearer good");
    for fields in [
        [good, ("host", b"evil.example"), ("accept", b"*/*")],
        [good, ("host", b"localhost"), ("origin", b"https://evil.example")],
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE, Method::OPTIONS] {
            let mut request = request("/mcp", &fields);
            *request.method_mut() = method;
            let answer = Answer::read(service.clone().oneshot(request).await.unwrap()).await;
            assert_eq!((answer.status.as_u16(), answer.field("www-authenticate")), (403, ""));
        }
    }
    assert_eq!((verifier.calls(), handler.calls()), (0, 0));
    let admitted = service.oneshot(request("/mcp", &[good, ("host", b"localhost")])).await.unwrap();
    assert_eq!((admitted.status().as_u16(), verifier.calls(), handler.calls()), (200, 1, 1));
}

#[test]
fn an_answer_to_head_has_no_body() {
    let mut head = request("/mcp", &[("host", b"evil.example")]);
    *head.method_mut() = Method::HEAD;
    let (answer, _) = send(&HostGuard::loopback(), head);
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (403, ""));
    assert_eq!(answer.field("content-length"), FORBIDDEN.len().to_string());
}

#[tokio::test]
async fn a_refused_request_gives_its_permit_back() {
    let limited = ConcurrencyLimitLayer::new(1).layer(Handler::default());
    let mut service = HostGuard::loopback().layer(limited);
    for _ in 0..3 {
        let refused = service.ready().await.unwrap().call(request("/", &[("host", b"evil.example")]));
        assert_eq!(refused.await.unwrap().status(), 403);
    }
    let served = service.ready().await.unwrap().call(request("/", &[("host", b"localhost")]));
    assert_eq!(served.await.unwrap().status(), 200);
}

#[tokio::test]
async fn an_error_of_the_service_stays_what_it_is() {
    #[derive(Debug, PartialEq)]
    struct Broken;
    let inner = service_fn(async |_: Request<Untouchable>| Err::<Response<Full<Bytes>>, _>(Broken));
    let service = HostGuard::loopback().layer(inner);
    assert_eq!(service.oneshot(request("/", &[("host", b"localhost")])).await.unwrap_err(), Broken);
}

#[test]
fn a_future_can_be_sent_and_what_is_shared_is_cheap() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    fn is_cheap<T: Clone + Send + Sync>(_: &T) {}
    let inner = service_fn(|_: Request<Untouchable>| pending::<Result<Response<Full<Bytes>>, Infallible>>());
    let mut service: GuardedHost<_> = HostGuard::loopback().layer(inner);
    is_cheap(&HostGuard::loopback());
    is_cheap(&service);
    drop(is_send(service.call(request("/", &[]))));
}

// Over the wire.

/// What a server with a guard answers these bytes, to the end of the connection.
async fn speak(bytes: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().route("/mcp", get(async || "served")).layer(HostGuard::loopback());
    let server = tokio::spawn(axum::serve(listener, app).into_future());
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(Duration::from_secs(10), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    server.abort();
    answer
}

#[tokio::test]
async fn over_http_1_the_host_line_and_the_absolute_form_count() {
    for (start, fields, status) in [
        ("GET /mcp HTTP/1.1", "Host: localhost:8000\r\n", "200"),
        ("GET /mcp HTTP/1.1", "Host:  LOCALHOST \r\n", "200"),
        ("GET /mcp HTTP/1.1", "Host: evil.example\r\n", "403"),
        ("GET /mcp HTTP/1.1", "Host: localhost\r\nHost: evil.example\r\n", "403"),
        ("GET /mcp HTTP/1.1", "Host: localhost\r\nOrigin: https://evil.example\r\n", "403"),
        ("GET /mcp HTTP/1.1", "Host:\r\n", "403"),
        ("GET /mcp HTTP/1.1", "", "403"),
        ("GET /mcp HTTP/1.0", "", "403"),
        ("GET http://localhost/mcp HTTP/1.1", "Host: localhost\r\n", "200"),
        ("GET http://localhost/mcp HTTP/1.1", "Host: evil.example\r\n", "403"),
        ("GET http://evil.example/mcp HTTP/1.1", "Host: localhost\r\n", "403"),
    ] {
        let answer = speak(&format!("{start}\r\n{fields}Connection: close\r\n\r\n")).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{start} {fields:?}: {answer}");
        assert_eq!(answer.ends_with("served"), status == "200");
    }
}

#[tokio::test]
async fn over_http_2_the_authority_counts() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = HostGuard::loopback().layer(Router::new().route("/mcp", get(async || "served")));
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).await
    });
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    for (uri, host, status) in [
        ("http://localhost:8000/mcp", "", 200),
        ("https://[::1]/mcp", "", 200),
        ("http://evil.example/mcp", "", 403),
        ("http://localhost/mcp", "localhost", 200),
        ("http://localhost/mcp", "evil.example", 403),
        ("http://evil.example/mcp", "localhost", 403),
    ] {
        let mut request = Request::get(uri);
        if !host.is_empty() {
            request = request.header("host", host);
        }
        let mut ready = sender.clone().ready().await.unwrap();
        let (response, _) = ready.send_request(request.body(()).unwrap(), true).unwrap();
        let response = timeout(Duration::from_secs(10), response).await.unwrap().unwrap();
        assert_eq!(response.status(), status, "{uri} {host}");
    }
}

// Settings and log.

#[test]
fn a_list_that_cannot_work_is_refused() {
    use BuildErrorKind::{Empty, InvalidText, InvalidUrl, Missing};
    let builder = HostGuard::builder;
    let host = |host: &str| builder().hosts([host]);
    let origin = |origin: &str| builder().hosts(["localhost"]).origins([origin]);
    let none: [&str; 0] = [];
    let cases: Vec<(HostGuardBuilder, &str, BuildErrorKind)> = vec![
        (builder(), "hosts", Missing),
        (builder().origins(["https://app.example.com"]), "hosts", Missing),
        (builder().hosts(none), "hosts", Empty),
        (host(""), "hosts", Empty),
        (host("*"), "hosts", Empty),
        (host("*.example.com"), "hosts", InvalidText),
        (host("localhost:*"), "hosts", InvalidText),
        (host("https://example.com"), "hosts", InvalidText),
        (host("example.com/mcp"), "hosts", InvalidText),
        (host("example.com."), "hosts", InvalidText),
        (host("user@example.com"), "hosts", InvalidText),
        (host("::1"), "hosts", InvalidText),
        (host("ex\u{e4}mple.com"), "hosts", InvalidText),
        (host(" localhost"), "hosts", InvalidText),
        (builder().hosts(["localhost"]).origins(none), "origins", Empty),
        (origin(""), "origins", Empty),
        (origin("*"), "origins", Empty),
        (origin("https://*.example.com"), "origins", InvalidUrl),
        (origin("http://localhost:*"), "origins", InvalidUrl),
        (origin("https://app.example.com/"), "origins", InvalidUrl),
        (origin("https://app.example.com/path"), "origins", InvalidUrl),
        (origin("app.example.com"), "origins", InvalidUrl),
        (origin("NULL"), "origins", InvalidUrl),
        (origin("https://user@app.example.com"), "origins", InvalidUrl),
    ];
    for (builder, setting, kind) in cases {
        let text = format!("{builder:?}");
        let error = builder.build().unwrap_err();
        assert_eq!((error.setting(), error.kind()), (setting, kind), "{text}");
    }
}

#[test]
fn the_first_refusal_is_a_warning_that_says_what_to_list_and_further_ones_are_quiet() {
    let (logs, _guard) = Logs::capture();
    let guard = HostGuard::loopback();
    for _ in 0..5 {
        assert!(!is_host(&guard, b"my-machine.example:8000"));
        assert!(!is_origin(&guard, b"https://a.example\xe2\x80\xae"));
    }
    assert_eq!((logs.count(Level::WARN), logs.count(Level::DEBUG)), (1, 9));
    let first = &logs.own()[0];
    assert_eq!((first.field("reason"), first.field("value")), ("host", "my-machine.example:8000"));
    assert!(!logs.text().contains('\u{202e}'), "{}", logs.text());
}

#[test]
fn a_guard_prints_its_lists() {
    let text = format!("{:?} {:?}", public(), public().layer(Handler::default()));
    assert!(text.contains("mcp.example.com") && text.contains("Handler"), "{text}");
}

proptest! {
    #[test]
    fn no_bytes_of_a_stranger_pass(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let Ok(value) = HeaderValue::from_bytes(&bytes) else { return Ok(()) };
        let guard = public();
        prop_assert!(!is_host(&guard, value.as_bytes()));
        prop_assert!(!is_origin(&guard, value.as_bytes()));
    }

    #[test]
    fn nothing_around_a_known_name_passes(before in "[!-~]{0,3}", after in "[!-~]{0,3}") {
        let text = format!("{before}localhost{after}");
        let port = after.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
        let plain = before.is_empty() && (after.is_empty() || port && !after.starts_with(":0") && !after.contains('+'));
        prop_assert_eq!(is_host(&HostGuard::loopback(), text.as_bytes()), plain);
    }
}
