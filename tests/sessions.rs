//! An MCP session belongs to whoever opened it: what a session id is worth to whom.
#![cfg(feature = "sessions")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::convert::Infallible;
use std::future::{Future, Ready, pending, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use common::{Answer, Handler, Immediate, Logs, Untouchable, block_on};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::Full;
use proptest::prelude::*;
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_bearer::error::{BuildErrorKind, RejectionKind, VerifyErrorKind};
use tower_bearer::session_binding::{BoundSessions, SessionBindingBuilder};
use tower_bearer::verifier::Verdict;
use tower_bearer::{AccessToken, AuthLayer, SessionBinding};
use tracing::Level;

const SESSION: &str = "mcp-session-id";
const KEY: [u8; 32] = [7; 32];
const NOT_FOUND: &str = r#"{"error":"session_not_found"}"#;
const A: &str = "https://a.example.com";
const B: &str = "https://b.example.com";

/// Who comes with which token. Those of one group are one owner.
const CALLERS: [(&str, u8); 9] = [
    ("alice", 0),
    ("alice-refreshed", 0),
    ("alice-of-b", 1),
    ("alice-of-nobody", 2),
    ("alice-of-the-empty-issuer", 3),
    ("client-alice", 4),
    ("bob", 5),
    ("anonymous-by-name", 6),
    ("", 7),
];

fn identify(token: &str) -> Verdict {
    let new = AccessToken::verified;
    let builder = match token {
        "alice" => new().issuer(A).subject("alice").client("app").token_id("1"),
        "alice-refreshed" => new().issuer(A).subject("alice").client("other-app").token_id("2"),
        "alice-of-b" => new().issuer(B).subject("alice"),
        "alice-of-nobody" => new().subject("alice"),
        "alice-of-the-empty-issuer" => new().issuer("").subject("alice"),
        "client-alice" => new().issuer(A).client("alice"),
        "bob" => new().issuer(A).subject("bob").client("app"),
        "anonymous-by-name" => new().subject("anonymous"),
        "nobody" => new().issuer(A),
        _ => return Err(VerifyErrorKind::Inactive.into()),
    };
    Ok(builder.build())
}

/// An MCP server as far as its session ids go: it notes what it is sent, and answers with these.
#[derive(Clone, Debug, Default)]
struct Server {
    seen: Arc<Mutex<Vec<Vec<String>>>>,
    answers: Vec<HeaderValue>,
}

impl Server {
    fn answering(ids: &[&[u8]]) -> Self {
        let answers = ids.iter().map(|id| HeaderValue::from_bytes(id).unwrap()).collect();
        Self { answers, ..Self::default() }
    }

    fn seen(&self) -> Vec<Vec<String>> {
        self.seen.lock().unwrap().clone()
    }
}

impl Service<Request<Untouchable>> for Server {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Untouchable>) -> Self::Future {
        let ids = request.headers().get_all(SESSION).iter();
        self.seen.lock().unwrap().push(ids.map(|id| id.to_str().unwrap().to_owned()).collect());
        let mut response = Response::new(Full::from("served"));
        for answer in &self.answers {
            response.headers_mut().append(SESSION, answer.clone());
        }
        ready(Ok(response))
    }
}

fn keyed() -> SessionBinding {
    SessionBinding::builder().key(KEY).build().unwrap()
}

fn request(token: &str, ids: &[&[u8]]) -> Request<Untouchable> {
    let mut request = Request::new(Untouchable);
    *request.method_mut() = Method::POST;
    if !token.is_empty() {
        let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        request.headers_mut().insert("authorization", value);
    }
    for id in ids {
        request.headers_mut().append(SESSION, HeaderValue::from_bytes(id).unwrap());
    }
    request
}

/// Sends a request through both layers. Nothing waits.
fn send(binding: &SessionBinding, server: &Server, request: Request<Untouchable>) -> Answer {
    let auth = AuthLayer::builder(Immediate(identify)).optional().build().unwrap();
    let service = ServiceBuilder::new().layer(auth).layer(binding.clone()).service(server.clone());
    block_on(async { Answer::read(service.oneshot(request).await.unwrap()).await })
}

/// The id under which a caller gets to know a session of the server.
fn open(binding: &SessionBinding, token: &str, id: &str) -> String {
    let answer = send(binding, &Server::answering(&[id.as_bytes()]), request(token, &[]));
    assert_eq!(answer.status, 200, "{token}");
    answer.field(SESSION).to_owned()
}

/// Whether a caller may use a session; and if not, that the answer is the one that everybody gets.
fn is_open(binding: &SessionBinding, token: &str, id: &[u8]) -> bool {
    let server = Server::default();
    let answer = send(binding, &server, request(token, &[id]));
    if answer.status == 200 {
        assert_eq!(server.seen().len(), 1);
        return true;
    }
    assert_not_found(&answer);
    assert!(server.seen().is_empty(), "{token} {id:?}");
    false
}

fn assert_not_found(answer: &Answer) {
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (404, NOT_FOUND));
    assert_eq!(answer.field("cache-control"), "no-store");
    assert_eq!(answer.field("content-type"), "application/json");
    assert_eq!(answer.field("content-length"), NOT_FOUND.len().to_string());
    assert_eq!(answer.headers.len(), 3, "{answer:?}");
}

// Whose a session is.

#[test]
fn a_session_is_of_use_to_its_owner_and_to_nobody_else() {
    let binding = keyed();
    for id in ["1868a90c-1f0e-4ee5-a1b9-6a6a1ad4b2ab", "x", "a.b.c", "!~", &"y".repeat(1_024)] {
        for (opener, owner) in CALLERS {
            let sealed = open(&binding, opener, id);
            for (user, other) in CALLERS {
                let is_open = is_open(&binding, user, sealed.as_bytes());
                assert_eq!(is_open, owner == other, "{id}: {opener:?} and {user:?}");
            }
        }
    }
}

#[test]
fn the_server_sees_its_own_id_and_the_client_one_with_a_tag() {
    let binding = keyed();
    let sealed = open(&binding, "alice", "id-1");
    let (id, tag) = sealed.split_once('.').unwrap();
    assert_eq!((id, tag.len()), ("id-1", 64));
    assert!(tag.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')));

    let server = Server::default();
    send(&binding, &server, request("alice", &[sealed.as_bytes()]));
    assert_eq!(server.seen(), [["id-1"]]);
}

#[test]
fn a_session_has_one_id_whoever_of_its_owner_asks_and_however_often() {
    let binding = keyed();
    let sealed = open(&binding, "alice", "id-1");
    assert_eq!(open(&binding, "alice-refreshed", "id-1"), sealed);
    let server = Server::answering(&[b"id-1"]);
    let again = send(&binding, &server, request("alice-refreshed", &[sealed.as_bytes()]));
    assert_eq!(again.field(SESSION), sealed);
    // Another session than the one that was asked for.
    let other = send(&binding, &Server::answering(&[b"id-2"]), request("alice", &[sealed.as_bytes()]));
    assert_eq!(other.field(SESSION), open(&binding, "alice", "id-2"));
}

#[test]
fn a_server_may_answer_any_method_with_its_id() {
    let binding = keyed();
    let sealed = open(&binding, "alice", "id-1");
    for method in [Method::GET, Method::DELETE, Method::POST, Method::OPTIONS] {
        let server = Server::answering(&[b"id-1"]);
        let mut request = request("alice", &[sealed.as_bytes()]);
        *request.method_mut() = method.clone();
        assert_eq!(send(&binding, &server, request).field(SESSION), sealed, "{method}");
        assert_eq!(server.seen(), [["id-1"]]);
    }
}

#[test]
fn without_sessions_nothing_is_touched() {
    let server = Server::default();
    for token in ["alice", "client-alice", "nobody", ""] {
        let answer = send(&keyed(), &server, request(token, &[]));
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "served"));
        assert!(answer.headers.is_empty());
    }
    assert_eq!(server.seen(), vec![Vec::<String>::new(); 4]);
}

#[test]
fn a_preflight_passes_and_uses_no_session() {
    let (binding, server) = (keyed(), Server::default());
    let preflight = |ids: &[&[u8]]| {
        let mut preflight = request("", ids);
        *preflight.method_mut() = Method::OPTIONS;
        for (name, value) in [("origin", "https://app.example"), ("access-control-request-method", "POST")] {
            preflight.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        preflight
    };
    assert_eq!(send(&binding, &server, preflight(&[])).status, 200);
    assert_eq!(server.seen().len(), 1);
    let sealed = open(&binding, "alice", "id-1");
    assert_not_found(&send(&binding, &server, preflight(&[sealed.as_bytes()])));
}

// What is no session id.

#[test]
fn an_id_that_is_not_to_the_letter_the_one_that_was_given_is_unknown() {
    let binding = keyed();
    let sealed = open(&binding, "alice", "id-1");
    let other = open(&binding, "alice", "id-2");
    let (id, tag) = sealed.split_once('.').unwrap();
    let (_, other_tag) = other.split_once('.').unwrap();
    let mut flipped = sealed.clone().into_bytes();
    *flipped.last_mut().unwrap() ^= 1;
    for forged in [
        "",
        ".",
        id,
        tag,
        &format!(".{tag}"),
        &format!("{id}."),
        &format!("{id}{tag}"),
        &format!("{id}.{other_tag}"),
        &format!("id-2.{tag}"),
        &format!("ID-1.{tag}"),
        &format!("{id}..{tag}"),
        &format!("{id}.{}", tag.to_uppercase()),
        &format!("{id}.{}", &tag[1..]),
        &format!("{id}.{}", &tag[..63]),
        &format!("{id}.0{tag}"),
        &format!("{id}.{tag}0"),
        &format!("{id}.{}", "0".repeat(64)),
        &format!("{id}.{}", "g".repeat(64)),
        &format!(" {sealed}"),
        &format!("{sealed} "),
        &format!("{sealed},{sealed}"),
        &format!("{sealed}.{tag}"),
        std::str::from_utf8(&flipped).unwrap(),
    ] {
        assert!(!is_open(&binding, "alice", forged.as_bytes()), "{forged:?}");
    }
    assert!(is_open(&binding, "alice", sealed.as_bytes()));
}

#[test]
fn two_lines_are_no_session_id_even_if_they_are_alike() {
    let binding = keyed();
    let (sealed, other) = (open(&binding, "alice", "id-1"), open(&binding, "bob", "id-2"));
    for second in [sealed.as_str(), other.as_str(), ""] {
        for ids in [[sealed.as_bytes(), second.as_bytes()], [second.as_bytes(), sealed.as_bytes()]] {
            let server = Server::default();
            assert_not_found(&send(&binding, &server, request("alice", &ids)));
            assert!(server.seen().is_empty());
        }
    }
}

#[test]
fn an_answer_to_head_has_no_body() {
    let mut head = request("alice", &[b"id-1"]);
    *head.method_mut() = Method::HEAD;
    let answer = send(&keyed(), &Server::default(), head);
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (404, ""));
    assert_eq!(answer.field("content-length"), NOT_FOUND.len().to_string());
}

proptest! {
    #[test]
    fn no_bytes_of_a_stranger_reach_the_server(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let Ok(value) = HeaderValue::from_bytes(&bytes) else { return Ok(()) };
        prop_assert!(!is_open(&keyed(), "alice", value.as_bytes()));
    }

    #[test]
    fn no_change_of_an_id_is_accepted(at in any::<proptest::sample::Index>(), byte in 0x20_u8..) {
        let sealed = open(&keyed(), "alice", "id-1").into_bytes();
        let mut changed = sealed.clone();
        let at = at.index(changed.len());
        changed[at] = byte;
        if let Ok(value) = HeaderValue::from_bytes(&changed) {
            prop_assert_eq!(is_open(&keyed(), "alice", value.as_bytes()), changed == sealed);
        }
    }

    #[test]
    fn any_visible_id_comes_back_as_it_was(id in "[!-~]{1,100}") {
        let (binding, server) = (keyed(), Server::default());
        let sealed = open(&binding, "alice", &id);
        send(&binding, &server, request("alice", &[sealed.as_bytes()]));
        prop_assert_eq!(server.seen(), [[id]]);
    }
}

// Who must not own one, and what cannot be bound.

#[test]
fn a_token_of_nobody_in_particular_owns_no_session() {
    let binding = keyed();
    for (opener, _) in CALLERS {
        assert!(!is_open(&binding, "nobody", open(&binding, opener, "id-1").as_bytes()), "{opener}");
    }
    let answer = send(&binding, &Server::answering(&[b"id-1"]), request("nobody", &[]));
    assert_eq!(answer.status, 403);
    assert_eq!(answer.kind(), Some(RejectionKind::InsufficientClaims));
    let body = r#"{"error":"access_denied","error_description":"The access token does not permit this"}"#;
    assert_eq!(answer.body, body);
    assert_eq!(answer.field(SESSION), "");
    assert_eq!(answer.field("cache-control"), "no-store");
    assert_eq!(answer.field("www-authenticate"), r#"Bearer realm="api""#);
}

#[test]
fn an_id_that_could_not_come_back_is_not_handed_out() {
    let (logs, _guard) = Logs::capture();
    let binding = keyed();
    let long = [b'y'; 1_025];
    let cases: [&[&[u8]]; 7] =
        [&[b""], &[b"a b"], &[b"\xff"], &[b"a", b"a"], &[b"a", b"b"], &["é".as_bytes()], &[&long]];
    for ids in cases {
        let answer = send(&binding, &Server::answering(ids), request("alice", &[]));
        assert_eq!(answer.status, 500, "{ids:?}");
        assert_eq!(answer.body, r#"{"error":"server_error"}"#);
        assert_eq!(answer.field(SESSION), "");
        assert_eq!(answer.field("cache-control"), "no-store");
    }
    assert_eq!(logs.count(Level::ERROR), 1, "once a minute: {}", logs.text());
}

#[test]
fn without_a_layer_that_looks_at_tokens_nothing_is_served() {
    let (logs, _guard) = Logs::capture();
    let (binding, server) = (keyed(), Server::answering(&[b"id-1"]));
    for ids in [&[][..], &[b"id-1".as_slice()]] {
        let request = request("alice", ids);
        let response = block_on(binding.layer(server.clone()).oneshot(request)).unwrap();
        let answer = block_on(Answer::read(response));
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (500, r#"{"error":"server_error"}"#));
    }
    assert!(server.seen().is_empty());
    // Perhaps another test of this process was first.
    assert!(logs.count(Level::ERROR) <= 1, "once a minute: {}", logs.text());
}

// Keys.

#[test]
fn instances_share_sessions_if_they_share_the_key() {
    let other = SessionBinding::builder().key([8; 32]).build().unwrap();
    let sealed = open(&keyed(), "alice", "id-1");
    assert!(is_open(&keyed(), "alice", sealed.as_bytes()));
    assert!(!is_open(&other, "alice", sealed.as_bytes()));
    let random = SessionBinding::new();
    let sealed = open(&random, "alice", "id-1");
    let twin = random.clone();
    assert!([random, twin].iter().all(|own| is_open(own, "alice", sealed.as_bytes())));
    for stranger in [SessionBinding::new(), SessionBinding::default(), keyed()] {
        assert!(!is_open(&stranger, "alice", sealed.as_bytes()));
    }
    let unset = SessionBinding::builder().build().unwrap();
    assert!(is_open(&unset, "alice", open(&unset, "alice", "id-1").as_bytes()));
    assert!(!is_open(&unset, "alice", sealed.as_bytes()));
}

#[test]
fn a_key_is_replaced_without_ending_a_session() {
    let (old, new) = ([1; 32], [2; 40]);
    let build = |builder: SessionBindingBuilder| builder.build().unwrap();
    let before = build(SessionBinding::builder().key(old));
    let ready = build(SessionBinding::builder().key(old).add_previous_key(new));
    let turned = build(SessionBinding::builder().key(new).add_previous_key([3; 32]).add_previous_key(old));
    let after = build(SessionBinding::builder().key(new));

    let first = open(&before, "alice", "id-1");
    assert_eq!(open(&ready, "alice", "id-1"), first);
    let second = open(&turned, "alice", "id-1");
    assert_ne!(first, second);
    let is_open_to = |binding, token, id: &str| is_open(binding, token, id.as_bytes());
    let is_open = |binding, id: &str| is_open_to(binding, "alice", id);
    assert_eq!(
        [&before, &ready, &turned, &after].map(|binding| is_open(binding, &first)),
        [true, true, true, false]
    );
    assert_eq!(
        [&before, &ready, &turned, &after].map(|binding| is_open(binding, &second)),
        [false, true, true, true]
    );
    // Who has an id keeps it, whatever it was made with.
    let answer = send(&turned, &Server::answering(&[b"id-1"]), request("alice", &[first.as_bytes()]));
    assert_eq!(answer.field(SESSION), first);
    assert!(!["bob", "client-alice", ""].iter().any(|token| is_open_to(&turned, token, &first)));
}

#[test]
fn a_key_that_is_too_short_is_refused() {
    let builder = SessionBinding::builder;
    let many = (0..9).fold(builder().key(KEY), |builder, byte| builder.add_previous_key([byte; 32]));
    for (builder, setting, kind) in [
        (builder().key(""), "key", BuildErrorKind::WeakSecret),
        (builder().key([7; 31]), "key", BuildErrorKind::WeakSecret),
        (builder().key(KEY).add_previous_key([7; 31]), "add_previous_key", BuildErrorKind::WeakSecret),
        (builder().add_previous_key(KEY), "key", BuildErrorKind::Missing),
        (many, "add_previous_key", BuildErrorKind::OutOfRange),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!((error.setting(), error.kind()), (setting, kind));
    }
}

#[test]
fn no_key_is_printed() {
    const CANARY: &str = "S3cr3t-canary-of-thirty-two-bytes";
    let builder = SessionBinding::builder().key(CANARY).add_previous_key(CANARY);
    let before = format!("{builder:?} {builder:#?}");
    let binding = builder.build().unwrap();
    let service = binding.layer(Server::default());
    let future = service.clone().oneshot(request("alice", &[]));
    let bytes = format!("{:?}", CANARY.as_bytes());
    for text in [before, format!("{binding:?} {service:?} {service:#?} {future:?}")] {
        assert!(!text.contains("S3cr3t") && !text.contains(&bytes[1..20]), "{text}");
    }
    let error = SessionBinding::builder().key("short-canary").build().unwrap_err();
    assert!(!format!("{error} {error:?}").contains("canary"));
}

#[test]
fn no_id_and_no_tag_is_logged() {
    let (logs, _guard) = Logs::capture();
    let binding = keyed();
    let sealed = open(&binding, "alice", "id-canary");
    assert!(is_open(&binding, "alice", sealed.as_bytes()));
    assert!(!is_open(&binding, "bob", sealed.as_bytes()));
    send(&binding, &Server::answering(&[b"id-canary"]), request("nobody", &[]));
    let (_, tag) = sealed.split_once('.').unwrap();
    let text = logs.text();
    assert!(!text.contains("id-canary") && !text.contains(tag), "{text}");
    assert!(text.contains("session_not_found") && text.contains("session_without_principal"), "{text}");
}

// The contract of a service.

#[tokio::test]
async fn the_instance_that_was_ready_is_called_and_a_rejected_request_gives_its_permit_back() {
    let auth = || AuthLayer::new(Immediate(identify));
    let handler = Handler::default();
    let service = ServiceBuilder::new().layer(auth()).layer(keyed()).service(handler.clone());
    service.oneshot(request("alice", &[])).await.unwrap();
    assert_eq!(handler.calls(), 1);

    let limited = ConcurrencyLimitLayer::new(1).layer(Handler::default());
    let mut service = ServiceBuilder::new().layer(auth()).layer(keyed()).service(limited);
    for _ in 0..3 {
        let rejected = service.ready().await.unwrap().call(request("alice", &[b"forged"]));
        assert_eq!(rejected.await.unwrap().status(), 404);
    }
    assert_eq!(service.ready().await.unwrap().call(request("alice", &[])).await.unwrap().status(), 200);
}

#[tokio::test]
async fn an_error_of_the_service_stays_what_it_is() {
    #[derive(Debug, PartialEq)]
    struct Broken;
    let inner = service_fn(async |_: Request<Untouchable>| Err::<Response<Full<Bytes>>, _>(Broken));
    let service = ServiceBuilder::new().layer(AuthLayer::new(Immediate(identify))).layer(keyed());
    assert_eq!(service.service(inner).oneshot(request("alice", &[])).await.unwrap_err(), Broken);
}

#[test]
fn a_future_can_be_sent_and_dropped() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    fn is_cheap<T: Clone + Send + Sync>(_: &T) {}
    let inner = service_fn(|_: Request<Untouchable>| pending::<Result<Response<Full<Bytes>>, Infallible>>());
    let mut service: BoundSessions<_> = keyed().layer(inner);
    is_cheap(&keyed());
    is_cheap(&service);
    drop(is_send(service.call(request("alice", &[]))));
}

// A real MCP server.

struct Tools;

impl ServerHandler for Tools {}

/// A client of an MCP server that keeps sessions.
struct Client<S>(S);

impl<S, R> Client<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error = Infallible> + Clone,
    R: http_body::Body,
    R::Error: std::fmt::Debug,
{
    fn send(
        &self,
        method: Method,
        token: &str,
        session: &str,
        body: &'static str,
    ) -> impl Future<Output = Response<R>> + use<S, R> {
        let mut request = Request::builder()
            .method(method)
            .uri("http://localhost/mcp")
            .header("host", "localhost")
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json")
            .header("mcp-protocol-version", "2025-06-18")
            .header("authorization", format!("Bearer {token}"));
        if !session.is_empty() {
            request = request.header(SESSION, session);
        }
        let (service, request) = (self.0.clone(), request.body(Full::from(body)).unwrap());
        async move { service.oneshot(request).await.unwrap() }
    }

    async fn post(&self, token: &str, session: &str, body: &'static str) -> Answer {
        let response = self.send(Method::POST, token, session, body);
        let answer = async { Answer::read(response.await).await };
        tokio::time::timeout(Duration::from_secs(20), answer).await.expect("an answer")
    }
}

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
const PING: &str = r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#;

#[tokio::test]
async fn a_session_of_a_real_server_is_of_use_to_whoever_opened_it_only() {
    let sessions = Arc::new(LocalSessionManager::default());
    let server = StreamableHttpService::new(
        || Ok(Tools),
        Arc::clone(&sessions),
        StreamableHttpServerConfig::default().with_legacy_session_mode(true),
    );
    let auth = AuthLayer::new(Immediate(identify));
    let client = Client(ServiceBuilder::new().layer(auth).layer(SessionBinding::new()).service(server));

    let opened = client.post("alice", "", INITIALIZE).await;
    assert_eq!(opened.status, 200, "{opened:?}");
    let session = opened.field(SESSION).to_owned();
    assert!(opened.body.contains("protocolVersion"), "{opened:?}");
    assert_eq!(client.post("alice", &session, INITIALIZED).await.status, 202);

    // Whoever finds the id, with or without its tag.
    let (id, _) = session.rsplit_once('.').unwrap();
    assert!(sessions.sessions.read().await.contains_key(id));
    for token in ["bob", "client-alice"] {
        for stolen in [session.as_str(), id] {
            assert_not_found(&client.post(token, stolen, PING).await);
            for method in [Method::GET, Method::DELETE] {
                let response = client.send(method, token, stolen, "").await;
                assert_not_found(&Answer::read(response).await);
            }
        }
    }

    // The owner goes on, with another token.
    let pong = client.post("alice-refreshed", &session, PING).await;
    assert_eq!(pong.status, 200);
    assert!(pong.body.contains(r#""id":2,"result":{}"#), "{pong:?}");
    assert_eq!(client.send(Method::DELETE, "alice", &session, "").await.status(), 202);
    // What the server says of a session that has ended.
    let ended = client.post("alice", &session, PING).await;
    assert_eq!((ended.status.as_u16(), ended.body.as_str()), (404, "Not Found: Session not found"));
}
