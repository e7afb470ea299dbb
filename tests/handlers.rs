//! What handlers and routes demand, where things go wrong: runtimes without timers, streams that own their token, hooks
//! that call back, services that stop with an error.
#![cfg(all(feature = "axum", feature = "sessions"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{any, delete, post};
use bytes::Bytes;
use common::{Counting, Logs};
use http::{Method, Request, Response};
use http_body::Frame;
use tower::{Layer, Service, ServiceExt};
use tower_bearer::extract::{RequiredScopes, Scoped};
use tower_bearer::metadata::MetadataService;
use tower_bearer::verifier::Verdict;
use tower_bearer::{
    AccessToken, AuthLayer, BearerToken, Rejection, RequireScopes, ScopeSet, TokenVerifier, VerifyError,
};
use tracing::Level;

const RESOURCE: &str = "https://mcp.example.com/mcp";

struct Admin;
impl RequiredScopes for Admin {
    const ALL: &'static [&'static str] = &["admin"];
}

fn posting(path: &str) -> http::request::Builder {
    Request::post(path).header("authorization", "Bearer good").header("content-length", "1000000")
}

async fn connection_of_a_refused_extractor(with_resource: bool) -> Option<String> {
    let auth = AuthLayer::builder(Counting::knows_good("read"));
    let auth = if with_resource { auth.resource(RESOURCE) } else { auth };
    let app = Router::new()
        .route("/", post(async |_: Scoped<Admin>, _: Bytes| "never"))
        .layer(auth.build().unwrap());
    let response = app.oneshot(posting("/").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 403);
    response.headers().get("connection").map(|v| v.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn an_argument_that_is_not_to_be_had_ends_the_connection_whatever_the_layer_knows() {
    assert_eq!(connection_of_a_refused_extractor(false).await.as_deref(), Some("close"));
    assert_eq!(connection_of_a_refused_extractor(true).await.as_deref(), Some("close"));
}

/// A body of events that owns the token of its request, as any stream does that goes on working for it.
struct Events {
    _token: AccessToken,
}

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;
    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }
}

async fn stream_events(request: Request<()>) -> Result<Response<Events>, Infallible> {
    let token = request.extensions().get::<AccessToken>().unwrap().clone();
    Ok(Response::builder()
        .header("content-type", "text/event-stream")
        .body(Events { _token: token })
        .unwrap())
}

fn mcp_request() -> Request<()> {
    Request::post("/mcp")
        .header("authorization", "Bearer good")
        .header("mcp-protocol-version", "2025-11-25")
        .body(())
        .unwrap()
}

fn mcp_auth() -> AuthLayer<Counting> {
    AuthLayer::builder(Counting::knows_good("read")).resource(RESOURCE).build().unwrap()
}

#[test]
fn without_a_timer_a_stream_that_owns_its_token_is_not_held_back() {
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let service = mcp_auth().layer(tower::service_fn(stream_events));
        let response = runtime.block_on(service.oneshot(mcp_request())).unwrap();
        let _ = done.send(response.status());
    });
    let status = is_done.recv_timeout(Duration::from_secs(5)).expect("the head leaves after 100 ms");
    assert_eq!(status, 200);
}

#[test]
fn without_tokio_a_stream_that_owns_its_token_is_not_held_back() {
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let service = mcp_auth().layer(tower::service_fn(stream_events));
        let mut response = std::pin::pin!(service.oneshot(mcp_request()));
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(response) = response.as_mut().poll(&mut context) {
                let _ = done.send(response.unwrap().status());
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let status = is_done.recv_timeout(Duration::from_secs(5)).expect("the head leaves after 100 ms");
    assert_eq!(status, 200);
}

struct Waits;
impl TokenVerifier for Waits {
    async fn verify(&self, _: &BearerToken) -> Verdict {
        Ok(AccessToken::verified().subject("alice").build())
    }
}

/// One runtime per core without timers: whether there is one is found out once for each, by a panic of tokio.
#[test]
fn two_runtimes_without_timers_do_not_panic_for_every_request() {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.to_string().contains("A Tokio 1.x context was found, but timers are disabled") {
            PANICS.fetch_add(1, Ordering::SeqCst);
        } else {
            before(info);
        }
    }));
    let runtimes = [(); 2].map(|()| tokio::runtime::Builder::new_current_thread().build().unwrap());
    let service = AuthLayer::new(Waits).layer(tower::service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(Response::new(http_body_util::Full::new(Bytes::new())))
    }));
    for _ in 0..100 {
        for runtime in &runtimes {
            let request = Request::get("/").header("authorization", "Bearer good").body(()).unwrap();
            assert_eq!(runtime.block_on(service.clone().oneshot(request)).unwrap().status(), 200);
        }
    }
    let panics = PANICS.load(Ordering::SeqCst);
    assert!(panics <= 4, "{panics} panics for 200 requests in two runtimes");
}

#[tokio::test]
async fn a_refusal_in_place_of_the_handler_is_logged() {
    let (logs, _guard) = Logs::capture();
    let auth = AuthLayer::builder(Counting::knows_good("read")).resource(RESOURCE).build().unwrap();
    let handler = async |token: AccessToken| token.require_scopes(["admin"]).map(|()| "never");
    let app = Router::new().route("/", any(handler)).layer(auth);
    let request = Request::get("/").header("authorization", "Bearer good").body(Body::empty()).unwrap();
    assert_eq!(app.oneshot(request).await.unwrap().status(), 403);
    let reasons: Vec<_> = logs
        .own()
        .iter()
        .filter(|l| l.field("outcome") == "rejected")
        .map(|l| l.field("reason").to_owned())
        .collect();
    assert_eq!(reasons, ["insufficient_scope"], "{}", logs.text());
}

#[tokio::test]
async fn the_hook_is_called_once_for_one_rejection() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let auth = AuthLayer::builder(Counting::knows_good("read"))
        .resource(RESOURCE)
        .rejection_body(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            None
        })
        .build()
        .unwrap();
    let app = Router::new().route("/", any(async |_: Scoped<Admin>| "never")).layer(auth);
    let request = Request::get("/").header("authorization", "Bearer good").body(Body::empty()).unwrap();
    assert_eq!(app.oneshot(request).await.unwrap().status(), 403);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

/// All three ways to serve them.
#[tokio::test]
async fn metadata_that_leave_a_body_unread_say_that_the_connection_ends() {
    let auth = mcp_auth();
    let inner = tower::service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(Body::empty())));
    let path = "/.well-known/oauth-protected-resource/mcp";
    let request = || Request::post(path).header("content-length", "1000000").body(Body::empty()).unwrap();
    let by_auth = auth.layer(inner).oneshot(request()).await.unwrap();
    let by_layer = auth.metadata_layer().layer(inner).oneshot(request()).await.unwrap();
    let service = MetadataService::new([auth.metadata().unwrap().clone()]).unwrap();
    let by_service = service.oneshot(request()).await.unwrap();
    let connection =
        |headers: &http::HeaderMap| headers.get("connection").map(|v| v.to_str().unwrap().to_owned());
    assert_eq!([by_auth.status(), by_layer.status(), by_service.status()], [405; 3]);
    assert_eq!(
        [connection(by_auth.headers()), connection(by_layer.headers()), connection(by_service.headers())],
        [(); 3].map(|()| Some("close".to_owned()))
    );
}

/// A layer between the two that obeys `X-HTTP-Method-Override` makes a deletion of a preflight.
#[tokio::test]
async fn a_preflight_that_became_another_method_does_not_pass_a_route_that_requires_scopes() {
    let called = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&called);
    let handler = tower::service_fn(move |_: Request<Body>| {
        count.fetch_add(1, Ordering::SeqCst);
        std::future::ready(Ok::<_, Infallible>(Response::new(Body::empty())))
    });
    let required = RequireScopes::all(["admin"]).unwrap().layer(handler);
    let overriding = tower::util::MapRequestLayer::new(|mut request: Request<Body>| {
        *request.method_mut() = Method::DELETE;
        request
    });
    let service = mcp_auth().layer(overriding.layer(required));
    let request = Request::options("/")
        .header("origin", "https://evil.example")
        .header("access-control-request-method", "DELETE")
        .header("x-http-method-override", "DELETE")
        .body(Body::empty())
        .unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!((response.status().as_u16(), called.load(Ordering::SeqCst)), (401, 0));
}

/// hyper adds `keep-alive` to answers that are not marked as those of HTTP/1.0.
#[tokio::test]
async fn an_old_client_is_not_told_both_that_the_connection_ends_and_that_it_stays() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let app = Router::new().route("/", any(async || "never")).layer(mcp_auth());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, app).into_future());
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = "POST / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nbody";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.0 401"), "{text}");
    assert!(text.to_ascii_lowercase().contains("connection: close\r\n"), "{text}");
}

#[tokio::test]
async fn a_held_answer_that_is_polled_again_stays_pending() {
    let handler = tower::service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(
            Response::builder()
                .header("content-type", "text/event-stream")
                .body(http_body_util::Full::new(Bytes::new()))
                .unwrap(),
        )
    });
    // Something around the handler has the token until its future goes, as `SessionBinding` does.
    let service = mcp_auth().layer(tower_bearer::SessionBinding::new().layer(handler));
    let mut response = Box::pin({
        let mut service = service;
        service.call(mcp_request())
    });
    let first = (&mut response).await.unwrap();
    assert_eq!(first.status(), 200);
    let again = response.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(again.is_pending());
}

/// The law: without mark and token no layer ran, and that is 500 and a line in the log.
#[tokio::test]
async fn a_handler_without_a_layer_is_a_fault_of_the_server() {
    let (logs, _guard) = Logs::capture();
    let handler = async |request: Request<Body>| {
        let (parts, _) = request.into_parts();
        AccessToken::from_parts(&parts).map(|token| token.subject().unwrap_or("?").to_owned())
    };
    let app = Router::new().route("/", any(handler));
    let response = app.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!((response.status().as_u16(), logs.count(Level::ERROR)), (500, 1));
}

/// A service of tower stops by its error.
#[tokio::test]
async fn a_service_that_stops_with_the_rejection_is_answered_for() {
    let service = mcp_auth().layer(tower::service_fn(async |request: Request<()>| {
        let token = AccessToken::from_parts(&request.into_parts().0)?.clone();
        token.require_scopes(["admin"])?;
        Ok::<_, axum::BoxError>(Response::new(http_body_util::Full::new(Bytes::new())))
    }));
    let response = service.oneshot(mcp_request()).await;
    assert_eq!(response.map(|r| r.status().as_u16()).map_err(|e| e.to_string()), Ok(403));
}

/// A payload that panics again, a message that panics when printed, in a closure of a route.
#[tokio::test]
async fn a_closure_may_panic_with_anything() {
    struct Again;
    impl Drop for Again {
        fn drop(&mut self) {
            std::panic::panic_any(7_u8);
        }
    }
    let claims = tower_bearer::RequireClaims::new(|_| std::panic::panic_any(Again));
    let ok = tower::service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(Response::new(http_body_util::Full::new(Bytes::new())))
    });
    let service = mcp_auth().layer(claims.layer(ok));
    for _ in 0..3 {
        assert_eq!(service.clone().oneshot(mcp_request()).await.unwrap().status(), 500);
    }
}

/// A refused session of a gRPC call is no internal error.
#[tokio::test]
async fn a_session_that_is_not_there_is_no_internal_error() {
    let auth = AuthLayer::builder(Counting::knows_good("read")).grpc().build().unwrap();
    let ok = tower::service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(Response::new(http_body_util::Full::new(Bytes::new())))
    });
    let mut request = mcp_request();
    request.headers_mut().insert("mcp-session-id", "forged".parse().unwrap());
    request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    let response = auth.layer(tower_bearer::SessionBinding::new().layer(ok)).oneshot(request).await.unwrap();
    assert_eq!(response.headers()["grpc-status"], "5", "{:?}", response.headers());
}

#[test]
fn a_hook_that_asks_the_token_does_not_deadlock() {
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let kept: Arc<Mutex<Option<AccessToken>>> = Arc::default();
        let (hook, keep) = (kept.clone(), kept);
        let auth = AuthLayer::builder(Counting::knows_good("read"))
            .resource(RESOURCE)
            .rejection_body(move |_| {
                // What a task-local of a middleware would hand out.
                let token = hook.lock().unwrap().clone();
                if let Some(token) = token {
                    let _ = token.require_scopes(["other"]);
                }
                None
            })
            .build()
            .unwrap();
        let handler = tower::service_fn(move |request: Request<Body>| {
            let token = request.extensions().get::<AccessToken>().unwrap();
            let _ = token.require_scopes(["admin"]);
            *keep.lock().unwrap() = Some(token.clone());
            std::future::ready(Ok::<_, Infallible>(Response::new(Body::empty())))
        });
        let status =
            common::block_on(auth.layer(handler).oneshot(
                Request::get("/").header("authorization", "Bearer good").body(Body::empty()).unwrap(),
            ))
            .unwrap()
            .status();
        let _ = done.send(status);
    });
    assert_eq!(is_done.recv_timeout(Duration::from_secs(3)).expect("it does not hang"), 403);
}

/// A client that asks exactly for what the last challenge named must get through.
#[tokio::test]
async fn a_client_that_asks_for_what_it_is_told_and_nothing_else_gets_through() {
    #[derive(Clone)]
    struct AsTold;
    impl TokenVerifier for AsTold {
        async fn verify(&self, t: &BearerToken) -> Result<AccessToken, VerifyError> {
            let text = t.as_str().replace('.', " ");
            Ok(AccessToken::verified().subject("a").scopes(ScopeSet::parse(&text)).build())
        }
    }
    let inner = Router::new()
        .route("/x", delete(async || "ok").layer(RequireScopes::all(["delete"]).unwrap()))
        .route("/y", delete(async |_: Scoped<Admin>| "ok"))
        .route(
            "/z",
            delete(async |t: AccessToken| {
                t.require_scopes(["one", "two"])?;
                Ok::<_, Rejection>("ok")
            }),
        );
    for resource in [true, false] {
        let a = AuthLayer::builder(AsTold).required_scopes(["use"]);
        let a = if resource {
            a.resource("https://h.example").authorization_servers(["https://i.example.com"])
        } else {
            a
        };
        let app = Router::new()
            .nest("/f", inner.clone().layer(RequireScopes::all(["files"]).unwrap()))
            .layer(a.build().unwrap());
        for p in ["/f/x", "/f/y", "/f/z"] {
            let mut scopes = "use".to_owned();
            for round in 0.. {
                assert!(round < 5, "{p} {resource}: {scopes}");
                let r = Request::builder()
                    .method("DELETE")
                    .uri(p)
                    .header("authorization", format!("Bearer {}", scopes.replace(' ', ".")))
                    .body(Body::empty())
                    .unwrap();
                let resp = app.clone().oneshot(r).await.unwrap();
                if resp.status() == 200 {
                    break;
                }
                let c = resp.headers()["www-authenticate"].to_str().unwrap().to_owned();
                scopes = c.split("scope=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
            }
        }
    }
}
