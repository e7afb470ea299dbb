//! Faults between the verifiers that ask and whomever they ask, byte by byte.

#![cfg(all(
    feature = "introspection",
    feature = "reqwest",
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

use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::RETRY_AFTER;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tower_bearer::client::ReqwestClient;
use tower_bearer::error::VerifyErrorKind as Kind;
use tower_bearer::verifier::{IntrospectionVerifierBuilder, Verdict};
use tower_bearer::{
    Algorithm, AuthLayer, BearerToken, CacheLayer, IntrospectionVerifier, JwtVerifier, TokenVerifier,
    VerifyError,
};

use self::common::Logs;
use self::script::{AUDIENCE, App};

const ISSUER: &str = "https://idp.example.com";
const CLIENT: &str = "my-api";
const SECRET: &str = "S3cr3t-canary-0123456789";
const TOKEN: &str = "token-Mf3KzBbQ7w";
const INACTIVE: &str = r#"{"active":false}"#;
/// Longer than any of these tests may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A provider on loopback that answers whatever it likes, and records what it is sent. It stops when it is dropped.
struct Peer {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
    task: AbortHandle,
}

/// One connection to it.
struct Wire {
    stream: TcpStream,
    // From zero.
    number: usize,
    requests: Arc<Mutex<Vec<String>>>,
}

/// How a connection ends after the answer.
#[derive(Clone, Copy, Debug)]
enum End {
    Close,
    Reset,
    /// It stays open, and silent.
    Open,
}

impl Peer {
    /// Hands every connection to a script.
    async fn start<F>(script: impl Fn(Wire) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::<Mutex<Vec<String>>>::default());
        let (count, log) = (Arc::clone(&connections), Arc::clone(&requests));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(script(Wire { stream, number, requests: Arc::clone(&log) }));
            }
        });
        Self { address, connections, requests, task: task.abort_handle() }
    }

    /// One request and one answer on each connection: the first has the first answer, and all that come after the last one
    /// have the last one.
    async fn answering(answers: Vec<(Vec<u8>, End)>) -> Self {
        Self::start(move |mut wire| {
            let (answer, end) = answers[wire.number.min(answers.len() - 1)].clone();
            async move {
                wire.request().await;
                wire.send(&answer).await;
                wire.end(end).await;
            }
        })
        .await
    }

    /// The same on every connection.
    async fn always(answer: impl Into<Vec<u8>>, end: End) -> Self {
        Self::answering(vec![(answer.into(), end)]).await
    }

    /// Sends a beginning, and then the same bytes again and again for as long as anybody reads; and counts all bytes.
    async fn endless(beginning: &'static [u8], again: &'static [u8]) -> (Self, Arc<AtomicUsize>) {
        let sent = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&sent);
        let peer = Self::start(move |mut wire| {
            let count = Arc::clone(&count);
            async move {
                wire.request().await;
                wire.send(beginning).await;
                let again = again.repeat(100);
                while wire.send(&again).await {
                    count.fetch_add(again.len(), Ordering::SeqCst);
                }
            }
        })
        .await;
        (peer, sent)
    }

    fn url(&self) -> String {
        format!("http://{}/introspect", self.address)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    fn builder(&self) -> IntrospectionVerifierBuilder {
        IntrospectionVerifier::builder(ISSUER, AUDIENCE)
            .endpoint(self.url())
            .client_secret_basic(CLIENT, SECRET)
            .timeout(PATIENCE)
    }

    /// A new client with new connections.
    fn verifier(&self) -> IntrospectionVerifier {
        self.builder().build().unwrap()
    }

    fn within(&self, limit: Duration) -> IntrospectionVerifier {
        self.builder().timeout(limit).build().unwrap()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Wire {
    /// Reads and records one request. None if there is none any more.
    async fn request(&mut self) -> Option<String> {
        let mut text = Vec::new();
        let mut wanted = usize::MAX;
        while text.len() < wanted {
            text.push(self.stream.read_u8().await.ok()?);
            if wanted == usize::MAX && text.ends_with(b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&text).to_ascii_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                wanted = text.len() + length.map_or(0, |length| length.parse().unwrap());
            }
        }
        let text = String::from_utf8(text).unwrap();
        self.requests.lock().unwrap().push(text.clone());
        Some(text)
    }

    /// Sends some bytes, if anybody still reads.
    async fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    async fn end(mut self, end: End) {
        match end {
            End::Close => {}
            End::Reset => self.stream.set_zero_linger().unwrap(),
            End::Open => drop(self.stream.read_to_end(&mut Vec::new()).await),
        }
    }
}

/// What the provider says of a good token.
fn yes(subject: &str) -> String {
    json!({ "active": true, "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "exp": 4_102_444_800_u64 })
        .to_string()
}

/// The token that a request asks about.
fn token_of(request: &str) -> String {
    let body = request.split_once("\r\n\r\n").unwrap().1;
    let field = form_urlencoded::parse(body.as_bytes()).find(|(name, _)| name == "token");
    field.unwrap().1.into_owned()
}

fn ok(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn chunked(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n")
        .into_bytes()
}

fn headed(head: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}").into_bytes()
}

fn bearer(token: &str) -> BearerToken {
    BearerToken::new(token).unwrap()
}

async fn ask(verifier: &impl TokenVerifier, token: &str) -> Verdict {
    verifier.verify(&bearer(token)).await
}

async fn subject(verifier: &impl TokenVerifier, token: &str) -> String {
    ask(verifier, token).await.unwrap().subject().unwrap().to_owned()
}

/// Asserts that nobody can tell, through no fault of ours.
#[track_caller]
fn assert_outage(verdict: Verdict, what: &str) -> VerifyError {
    let error = verdict.expect_err(what);
    assert_eq!((error.kind(), error.is_misconfigured()), (Kind::Unavailable, false), "{what}");
    error
}

/// An error and all its causes.
fn everything_of(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        text.push_str(&format!("{error} {error:?} {error:#?} "));
        next = error.source();
    }
    text
}

// Connections that die.

#[tokio::test]
async fn what_dies_before_the_status_line_is_sent_once_more_and_no_more_often() {
    for end in [End::Close, End::Reset] {
        let peer = Peer::always("", end).await;
        assert_outage(ask(&peer.verifier(), TOKEN).await, "twice");
        assert_eq!((peer.count(), peer.connections()), (2, 2), "{end:?}");
        let [first, second] = &peer.requests()[..] else { panic!("two requests") };
        assert_eq!(first, second);
        let peer = Peer::answering(vec![(Vec::new(), end), (ok(&yes("alice")), End::Close)]).await;
        assert_eq!(subject(&peer.verifier(), TOKEN).await, "alice");
        assert_eq!((peer.count(), peer.connections()), (2, 2), "{end:?}");
        let answers = vec![(Vec::new(), end), (Vec::new(), end), (ok(&yes("alice")), End::Close)];
        let peer = Peer::answering(answers).await;
        let verifier = peer.verifier();
        assert_outage(ask(&verifier, TOKEN).await, "the third would have been good");
        assert_eq!(peer.count(), 2, "{end:?}");
        assert_eq!(subject(&verifier, TOKEN).await, "alice");
        assert_eq!(peer.count(), 3, "{end:?}");
    }
}

#[tokio::test]
async fn with_an_assertion_a_request_whose_connection_dies_is_made_anew_and_no_other() {
    const KEY: &str = include_str!("../src/testing/keys/p256_a.pem");
    let with_assertion = |peer: &Peer| {
        let builder = IntrospectionVerifier::builder(ISSUER, AUDIENCE).endpoint(peer.url()).timeout(PATIENCE);
        builder.private_key_jwt(CLIENT, Algorithm::Es256, KEY).build().unwrap()
    };
    for end in [End::Close, End::Reset] {
        let peer = Peer::answering(vec![(Vec::new(), end), (ok(&yes("alice")), End::Close)]).await;
        assert_eq!(subject(&with_assertion(&peer), TOKEN).await, "alice");
        let [first, second] = &peer.requests()[..] else { panic!("two requests") };
        assert!(first.contains("client_assertion=") && first != second, "{end:?}");
        let peer = Peer::always("", end).await;
        assert_outage(ask(&with_assertion(&peer), TOKEN).await, "twice");
        assert_eq!((peer.count(), peer.connections()), (2, 2), "{end:?}");
    }
    // Whatever was answered, was answered.
    for answer in
        ["HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"]
    {
        let peer = Peer::always(answer, End::Close).await;
        assert_outage(ask(&with_assertion(&peer), TOKEN).await, answer);
        assert_eq!(peer.count(), 1, "{answer}");
    }
}

#[tokio::test]
async fn a_connection_that_is_reset_before_anything_was_read_is_an_outage() {
    let peer = Peer::start(|wire| wire.end(End::Reset)).await;
    assert_outage(ask(&peer.verifier(), TOKEN).await, "reset");
    assert!(peer.connections() <= 2 && peer.count() == 0);
    let address = peer.address;
    let nobody = peer.verifier();
    drop(peer);
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let started_at = Instant::now();
    assert_outage(ask(&nobody, TOKEN).await, "nobody there");
    assert!(started_at.elapsed() < PATIENCE / 2);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_answer() {
    let good = yes("alice");
    let half = &good[..good.len() / 2];
    let length = good.len();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n");
    for (what, answer, most) in [
        ("in the status line", "HTTP/1.1 20".to_owned(), 2),
        ("after the status line", "HTTP/1.1 200 OK\r\n".to_owned(), 2),
        ("in a header", "HTTP/1.1 200 OK\r\ncontent-le".to_owned(), 2),
        ("before the empty line", head.clone(), 2),
        ("before the body", format!("{head}\r\n"), 1),
        ("in the body", format!("{head}\r\n{half}"), 1),
        ("before the last byte", format!("{head}\r\n{}", &good[..length - 1]), 1),
        (
            "in a chunk",
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{half}"),
            1,
        ),
        (
            "before the last chunk",
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{good}\r\n"),
            1,
        ),
        ("in a body that ends with the connection", format!("HTTP/1.1 200 OK\r\n\r\n{half}"), 1),
    ] {
        for end in [End::Close, End::Reset] {
            let peer = Peer::always(answer.clone(), end).await;
            assert_outage(ask(&peer.verifier(), TOKEN).await, what);
            let most = if matches!(end, End::Reset) { 2 } else { most };
            assert!(peer.count() <= most, "{what}, {end:?}: {} requests", peer.count());
        }
    }
    // A whole object, and yet a reset where its end should have been.
    let unframed = format!("HTTP/1.1 200 OK\r\n\r\n{good}");
    let peer = Peer::start(move |mut wire| {
        let unframed = unframed.clone();
        async move {
            wire.request().await;
            wire.send(unframed.as_bytes()).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            wire.end(End::Reset).await;
        }
    })
    .await;
    assert_outage(ask(&peer.verifier(), TOKEN).await, "a reset in place of the end");
}

#[tokio::test]
async fn a_whole_answer_counts_however_the_connection_ends() {
    let good = yes("alice");
    let old = format!("HTTP/1.0 200 OK\r\n\r\n{good}").into_bytes();
    let unframed = format!("HTTP/1.1 200 OK\r\n\r\n{good}").into_bytes();
    for (what, answer, ends) in [
        ("with a length", ok(&good), &[End::Close, End::Open][..]),
        ("in chunks", chunked(&good), &[End::Close, End::Open]),
        ("by HTTP/1.0, to the end of the connection", old, &[End::Close]),
        ("to the end of the connection", unframed, &[End::Close]),
        (
            "after interim answers",
            [&b"HTTP/1.1 100 Continue\r\n\r\n"[..], &ok(&good)].concat(),
            &[End::Close],
        ),
    ] {
        for end in ends {
            let peer = Peer::always(answer.clone(), *end).await;
            let verifier = peer.verifier();
            for _ in 0..3 {
                // One that is busy elsewhere and reads late is served as well.
                assert_eq!(subject(&verifier, TOKEN).await, "alice", "{what}, {end:?}");
                if matches!(end, End::Open) {
                    break;
                }
            }
        }
    }
    // The reset comes when all of the answer has been read.
    let (done, wait) = tokio::sync::oneshot::channel::<()>();
    let wait = Mutex::new(Some(wait));
    let peer = Peer::start(move |mut wire| {
        let wait = wait.lock().unwrap().take();
        async move {
            wire.request().await;
            wire.send(&ok(&yes("alice"))).await;
            if let Some(wait) = wait {
                let _ = wait.await;
                wire.end(End::Reset).await;
            }
        }
    })
    .await;
    let verifier = peer.verifier();
    assert_eq!(subject(&verifier, TOKEN).await, "alice");
    done.send(()).unwrap();
    assert_eq!(subject(&verifier, TOKEN).await, "alice");
}

#[tokio::test]
async fn a_connection_that_was_closed_while_it_was_idle_costs_nobody_an_answer() {
    for end in [End::Close, End::Reset] {
        // It is closed before it reads the next request, or after.
        for sees_the_next in [false, true] {
            let peer = Peer::start(move |mut wire| async move {
                let Some(request) = wire.request().await else { return };
                wire.send(&ok(&yes(&token_of(&request).replace("token", "user")))).await;
                if sees_the_next {
                    wire.request().await;
                } else {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                wire.end(end).await;
            })
            .await;
            let verifier = peer.verifier();
            for number in 0..4 {
                let said = subject(&verifier, &format!("token-{number}")).await;
                assert_eq!(said, format!("user-{number}"), "{end:?}");
            }
            if sees_the_next {
                // Every second one is seen on the old connection, and then on one of its own.
                assert_eq!((peer.count(), peer.connections()), (6, 4), "{end:?}");
            } else {
                assert!(peer.count() <= 7 && peer.connections() == 4, "{end:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_provider_that_restarts_while_many_connections_are_idle_costs_nobody_an_answer() {
    const CONNECTIONS: usize = 8;
    // The first ones answer once, and are gone under their second request.
    let everybody = Arc::new(tokio::sync::Barrier::new(CONNECTIONS));
    let peer = Peer::start(move |mut wire| {
        let everybody = Arc::clone(&everybody);
        async move {
            let is_old = wire.number < CONNECTIONS;
            while wire.request().await.is_some() {
                if is_old {
                    everybody.wait().await;
                }
                wire.send(&ok(&yes("alice"))).await;
                if is_old {
                    wire.request().await;
                    return wire.end(End::Reset).await;
                }
            }
        }
    })
    .await;
    let verifier = peer.verifier();
    let asking: Vec<_> = (0..CONNECTIONS)
        .map(|number| {
            let verifier = verifier.clone();
            tokio::spawn(async move { ask(&verifier, &format!("token-{number}")).await })
        })
        .collect();
    for verdict in asking {
        assert!(verdict.await.unwrap().is_ok());
    }
    assert_eq!(peer.connections(), CONNECTIONS);
    let mut outages = 0;
    for number in 0..2 * CONNECTIONS {
        outages += usize::from(ask(&verifier, &format!("token-{number}")).await.is_err());
    }
    assert_eq!(outages, 0, "of {} tokens", 2 * CONNECTIONS);
}

#[tokio::test]
async fn no_answer_is_asked_for_twice() {
    for status in [200, 204, 301, 400, 401, 403, 404, 408, 409, 421, 425, 429, 500, 501, 502, 503, 504] {
        for connection in ["keep-alive", "close"] {
            let head = format!("HTTP/1.1 {status} X\r\nretry-after: 1\r\nconnection: {connection}\r\n");
            let answer = if status == 204 {
                format!("{head}\r\n")
            } else {
                format!("{head}content-length: 0\r\n\r\n")
            };
            let peer = Peer::always(answer, End::Close).await;
            let error = ask(&peer.verifier(), TOKEN).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Unavailable, "{status}");
            assert_eq!((peer.count(), peer.connections()), (1, 1), "{status}, {connection}");
        }
    }
}

// Answers that are two things at once.

#[tokio::test]
async fn an_answer_whose_length_is_in_doubt_is_no_answer() {
    let good = yes("mallory");
    let length = good.len();
    let chunk = format!("{length:x}\r\n{good}\r\n0\r\n\r\n");
    for (what, answer) in [
        ("longer than it is", headed(&format!("content-length: {}", length + 1), &good)),
        ("shorter than it is", headed(&format!("content-length: {}", length - 1), &good)),
        ("nothing", headed("content-length: 0", &good)),
        (
            "two lengths",
            headed(&format!("content-length: {length}\r\ncontent-length: {}", length + 1), &good),
        ),
        ("two lengths in one", headed(&format!("content-length: {length}, {}", length - 1), &good)),
        ("a negative length", headed(&format!("content-length: -{length}"), &good)),
        ("a signed length", headed(&format!("content-length: +{length}"), &good)),
        ("a length in hexadecimal digits", headed(&format!("content-length: 0x{length:x}"), &good)),
        (
            "a length and chunks",
            headed(&format!("content-length: {length}\r\ntransfer-encoding: chunked"), &chunk),
        ),
        (
            "chunks and a length",
            headed(&format!("transfer-encoding: chunked\r\ncontent-length: {length}"), &chunk),
        ),
        ("chunks that are none", headed("transfer-encoding: chunked", &good)),
        (
            "an unknown coding",
            headed(&format!("transfer-encoding: xchunked\r\ncontent-length: {length}"), &good),
        ),
        ("two status lines", headed(&format!("HTTP/1.1 200 OK\r\ncontent-length: {length}"), &good)),
        ("no status line", format!("content-length: {length}\r\n\r\n{good}").into_bytes()),
        ("no HTTP", good.clone().into_bytes()),
        ("HTTP/0.9", format!("{good}\r\n").into_bytes()),
        (
            "another version",
            format!("HTTP/3.0 200 OK\r\ncontent-length: {length}\r\n\r\n{good}").into_bytes(),
        ),
        ("a folded header", headed(&format!("x: y\r\n z\r\ncontent-length: {length}\0"), &good)),
    ] {
        let peer = Peer::always(answer, End::Close).await;
        let verdict = ask(&peer.verifier(), TOKEN).await;
        assert_outage(verdict, what);
        assert!(peer.count() <= 2, "{what}: {} requests", peer.count());
    }
}

#[tokio::test]
async fn a_smuggled_answer_is_never_that_of_the_next_token() {
    let smuggled = ok(&yes("mallory"));
    let truth = |body: &str| ok(body);
    let good = yes("alice");
    for (what, first) in [
        ("after an answer", truth(INACTIVE)),
        ("after chunks", chunked(INACTIVE)),
        ("after a length that is too short", headed(&format!("content-length: {}", good.len() - 2), &good)),
        ("after an empty answer", headed("content-length: 0", "")),
        ("after 204", b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()),
        ("after 304", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n".to_vec()),
        ("after two lengths", headed("content-length: 16\r\ntransfer-encoding: chunked", "0\r\n\r\n")),
        (
            "after 101",
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n".to_vec(),
        ),
        ("after a body that says more", headed("content-length: 16", INACTIVE)),
    ] {
        // Sent with the answer, or a little later.
        for later in [false, true] {
            let (first, smuggled) = (first.clone(), smuggled.clone());
            let is_sent = Arc::new(AtomicBool::new(false));
            let sent = Arc::clone(&is_sent);
            let peer = Peer::start(move |mut wire| {
                let (first, smuggled, sent) = (first.clone(), smuggled.clone(), Arc::clone(&sent));
                async move {
                    let mut is_first = wire.number == 0;
                    while wire.request().await.is_some() {
                        if is_first && later {
                            wire.send(&first).await;
                            tokio::time::sleep(Duration::from_millis(20)).await;
                            wire.send(&smuggled).await;
                            sent.store(true, Ordering::SeqCst);
                        } else if is_first {
                            wire.send(&[&first[..], &smuggled].concat()).await;
                        } else {
                            wire.send(&ok(INACTIVE)).await;
                        }
                        is_first = false;
                    }
                }
            })
            .await;
            let verifier = peer.verifier();
            assert!(ask(&verifier, "token-0").await.is_err(), "{what}");
            while later && !is_sent.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            for number in 1..4 {
                let verdict = ask(&verifier, &format!("token-{number}")).await;
                assert_eq!(verdict.unwrap_err().kind(), Kind::Inactive, "{what}, {later}");
            }
        }
    }
}

#[tokio::test]
async fn many_at_a_time_each_get_their_own_answer() {
    let peer = Peer::start(|mut wire| async move {
        while let Some(request) = wire.request().await {
            let token = token_of(&request);
            let number: u64 = token.rsplit_once('-').unwrap().1.parse().unwrap();
            tokio::time::sleep(Duration::from_millis(number * 7 % 20)).await;
            match number % 5 {
                0 => return,
                1 => wire.send(&ok(INACTIVE)).await,
                _ => wire.send(&ok(&yes(&token.replace("token", "user")))).await,
            };
        }
    })
    .await;
    let verifier = Arc::new(peer.verifier());
    let asking: Vec<_> = (0..200)
        .map(|number| {
            let verifier = Arc::clone(&verifier);
            tokio::spawn(async move { (number, ask(&*verifier, &format!("token-{number}")).await) })
        })
        .collect();
    for verdict in asking {
        let (number, verdict) = verdict.await.unwrap();
        match (number % 5, verdict) {
            (0, Err(error)) => assert_eq!(error.kind(), Kind::Unavailable),
            (1, Err(error)) => assert_eq!(error.kind(), Kind::Inactive),
            (2.., Ok(token)) => assert_eq!(token.subject(), Some(&*format!("user-{number}"))),
            (_, verdict) => panic!("{number}: {verdict:?}"),
        }
    }
}

// Floods.

/// What the buffers of both sides of a connection may hold, generously.
const BUFFERED: usize = 24 * 1024 * 1024;

#[tokio::test]
async fn an_endless_answer_is_given_up() {
    let limit = PATIENCE / 2;
    let endless_chunks: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let endless_trailers: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n";
    for (what, beginning, again) in [
        ("chunks", endless_chunks, &b"10\r\n0123456789abcdef\r\n"[..]),
        ("tiny chunks", endless_chunks, b"1\r\n \r\n"),
        (
            "extensions of a chunk",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;",
            b"a=b;a=b;a=b;a=b;",
        ),
        ("trailers", endless_trailers, b"a: b\r\n"),
        ("a body without an end", b"HTTP/1.1 200 OK\r\n\r\n", b"                "),
        ("a body of 10 MiB", b"HTTP/1.1 200 OK\r\ncontent-length: 10485760\r\n\r\n", b"                "),
        ("headers", b"HTTP/1.1 200 OK\r\n", b"a: b\r\n"),
        ("a header", b"HTTP/1.1 200 OK\r\na: ", b"bbbbbbbbbbbbbbbb"),
        ("a status line", b"HTTP/1.1 200 ", b"OKOKOKOKOKOKOKOK"),
        ("zeros", b"", b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
    ] {
        let (peer, sent) = Peer::endless(beginning, again).await;
        let started_at = Instant::now();
        assert_outage(ask(&peer.within(limit), TOKEN).await, what);
        assert!(started_at.elapsed() < limit, "{what}: {:?}", started_at.elapsed());
        assert!(peer.count() <= 2, "{what}: {} requests", peer.count());
        assert!(sent.load(Ordering::SeqCst) < BUFFERED, "{what}: {} bytes", sent.load(Ordering::SeqCst));
    }
}

#[tokio::test]
async fn a_flood_that_never_becomes_an_answer_ends_with_the_time_limit() {
    let limit = Duration::from_millis(500);
    for (what, beginning, again) in [
        ("100", &b""[..], &b"HTTP/1.1 100 Continue\r\n\r\n"[..]),
        ("103", b"", b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"),
        ("a size with zeros", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"0000000000000000"),
    ] {
        let (peer, _) = Peer::endless(beginning, again).await;
        let started_at = Instant::now();
        assert_outage(ask(&peer.within(limit), TOKEN).await, what);
        assert!(started_at.elapsed() < PATIENCE / 2, "{what}");
        assert_eq!(peer.count(), 1, "{what}");
    }
}

#[tokio::test]
async fn a_huge_answer_is_no_answer() {
    let good = yes("alice");
    let large = json!({ "active": true, "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": 4_102_444_800_u64, "x": " ".repeat(10 * 1024 * 1024) }).to_string();
    let length = format!("content-length: {}", good.len());
    let headers = "a: b\r\n".repeat(10_000);
    for (what, answer) in [
        ("10 MiB", ok(&large)),
        ("10 MiB in a chunk", chunked(&large)),
        ("10 MiB to the end of the connection", headed("a: b", &large)),
        ("ten thousand headers", headed(&format!("{headers}{length}"), &good)),
        ("a header of 1 MiB", headed(&format!("a: {}\r\n{length}", "x".repeat(1024 * 1024)), &good)),
        ("a name of 1 MiB", headed(&format!("{}: a\r\n{length}", "x".repeat(1024 * 1024)), &good)),
        (
            "a reason of 1 MiB",
            format!("HTTP/1.1 200 {}\r\n{length}\r\n\r\n{good}", "x".repeat(1024 * 1024)).into_bytes(),
        ),
    ] {
        let peer = Peer::always(answer, End::Close).await;
        let started_at = Instant::now();
        assert_outage(ask(&peer.verifier(), TOKEN).await, what);
        assert!(started_at.elapsed() < PATIENCE / 2, "{what}");
        assert!(peer.count() <= 2, "{what}: {} requests", peer.count());
    }
}

/// The CRC of RFC 1952 §8.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { 0xEDB8_8320 ^ (crc >> 1) } else { crc >> 1 },
        )
    })
}

#[tokio::test]
async fn a_compressed_answer_is_not_asked_for_and_not_decoded() {
    // RFC 1951 §3.2.4: one block that is stored as it is.
    let good = yes("alice").into_bytes();
    let length = u16::try_from(good.len()).unwrap();
    let mut gzip = vec![0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF, 1];
    gzip.extend(length.to_le_bytes());
    gzip.extend((!length).to_le_bytes());
    gzip.extend(&good);
    gzip.extend(crc32(&good).to_le_bytes());
    gzip.extend(u32::from(length).to_le_bytes());
    for coding in ["gzip", "deflate", "br", "zstd", "gzip, gzip"] {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ncontent-length: {}\r\n\r\n",
            gzip.len()
        );
        let peer = Peer::always([head.as_bytes(), &gzip].concat(), End::Close).await;
        assert_outage(ask(&peer.verifier(), TOKEN).await, coding);
        assert!(!peer.requests()[0].to_ascii_lowercase().contains("accept-encoding"));
    }
}

// Elsewhere.

#[tokio::test]
async fn a_token_goes_to_the_endpoint_and_nowhere_else() {
    let elsewhere = Peer::always(ok(&yes("mallory")), End::Close).await;
    for status in [300, 301, 302, 303, 305, 307, 308] {
        for name in ["location", "refresh", "alt-svc", "content-location"] {
            let url = elsewhere.url();
            let value = match name {
                "refresh" => format!("0; url={url}"),
                "alt-svc" => format!("h2=\"{}\"; ma=86400", elsewhere.address),
                _ => url,
            };
            let body = yes("mallory");
            let answer = format!(
                "HTTP/1.1 {status} X\r\n{name}: {value}\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let peer = Peer::always(answer, End::Close).await;
            let verifier = peer.verifier();
            for token in ["token-1", "token-2"] {
                assert_outage(ask(&verifier, token).await, "a redirect");
            }
            assert_eq!(peer.count(), 2, "{status}");
        }
    }
    assert_eq!(elsewhere.connections(), 0);
}

/// The variables that name a proxy to other programs.
const PROXY_VARIABLES: [&str; 6] =
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
/// Tells this test binary that it was started by itself, and which address to ask.
const ASK: &str = "TOWER_BEARER_TEST_ASK_ABOUT_TOKENS";

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_only_the_environment_names_sees_no_token() {
    if let Ok(url) = std::env::var(ASK) {
        let builder = IntrospectionVerifier::builder(ISSUER, AUDIENCE).client_secret_basic(CLIENT, SECRET);
        let verifier = builder.endpoint(url).build().unwrap();
        assert_eq!(subject(&verifier, TOKEN).await, "alice");
        return;
    }
    let provider = Peer::always(ok(&yes("alice")), End::Close).await;
    let proxy = Peer::always(ok(&yes("mallory")), End::Close).await;
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "a_proxy_that_only_the_environment_names_sees_no_token", "--nocapture"]);
    child.env(ASK, provider.url()).env_remove("REQUEST_METHOD").env_remove("NO_PROXY").env_remove("no_proxy");
    for name in PROXY_VARIABLES {
        child.env(name, format!("http://{}", proxy.address));
    }
    let output = tokio::task::spawn_blocking(move || child.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
    assert_eq!((provider.count(), proxy.connections()), (1, 0));
}

// Silence.

#[tokio::test]
async fn a_silent_provider_is_given_up_after_the_time_limit() {
    let limit = Duration::from_millis(200);
    for (what, answer) in [
        ("nothing", ""),
        ("half a header", "HTTP/1.1 200 OK\r\na: "),
        ("no body", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n"),
        ("half a body", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"active\":true,"),
        (
            "no last chunk",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n10\r\n{\"active\":false}\r\n",
        ),
    ] {
        let peer = Peer::always(answer, End::Open).await;
        let started_at = Instant::now();
        assert_outage(ask(&peer.within(limit), TOKEN).await, what);
        let took = started_at.elapsed();
        assert!(took >= limit && took < PATIENCE / 2, "{what}: {took:?}");
        assert_eq!(peer.count(), 1, "{what}");
    }
}

#[tokio::test]
async fn a_provider_that_drips_is_given_up_after_the_time_limit() {
    let limit = Duration::from_millis(300);
    let peer = Peer::start(|mut wire| async move {
        wire.request().await;
        for byte in ok(&yes("alice")) {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if !wire.send(&[byte]).await {
                return;
            }
        }
    })
    .await;
    let started_at = Instant::now();
    assert_outage(ask(&peer.within(limit), TOKEN).await, "a byte now and then");
    assert!(started_at.elapsed() >= limit && started_at.elapsed() < PATIENCE / 2);
}

#[tokio::test]
async fn an_answer_that_does_not_begin_is_given_up_earlier_than_one_that_does_not_end() {
    let first_byte = Duration::from_millis(200);
    let client = ReqwestClient::builder().first_byte_timeout(first_byte).build().unwrap();
    let silent = Peer::always("", End::Open).await;
    let started_at = Instant::now();
    let verifier = silent.builder().http_client(client.clone()).build().unwrap();
    assert_outage(ask(&verifier, TOKEN).await, "silence");
    assert!(started_at.elapsed() >= first_byte && started_at.elapsed() < PATIENCE / 2);
    // One that began may take its time.
    let slow = Peer::start(move |mut wire| async move {
        wire.request().await;
        let answer = ok(&yes("alice"));
        let (head, body) = answer.split_at(answer.len() - 20);
        wire.send(head).await;
        tokio::time::sleep(first_byte * 2).await;
        wire.send(body).await;
    })
    .await;
    let verifier = slow.builder().http_client(client).build().unwrap();
    assert_eq!(subject(&verifier, TOKEN).await, "alice");
}

#[tokio::test]
async fn a_connection_whose_other_end_is_gone_is_found_out_and_left() {
    // It answers once, and then is silent: as if the power had failed there.
    let peer = Peer::start(|mut wire| async move {
        wire.request().await;
        wire.send(&ok(&yes("alice"))).await;
        wire.end(End::Open).await;
    })
    .await;
    let limit = Duration::from_millis(300);
    let verifier = peer.within(limit);
    assert_eq!(subject(&verifier, TOKEN).await, "alice");
    let started_at = Instant::now();
    assert_outage(ask(&verifier, TOKEN).await, "half-open");
    assert!(started_at.elapsed() >= limit && started_at.elapsed() < PATIENCE / 2);
    assert_eq!(peer.connections(), 1);
    assert_eq!(subject(&verifier, TOKEN).await, "alice");
    assert_eq!(peer.connections(), 2);
}

#[tokio::test]
async fn whoever_goes_away_leaves_no_answer_behind_for_the_next_one() {
    let peer = Peer::start(|mut wire| async move {
        while let Some(request) = wire.request().await {
            let token = token_of(&request);
            if token == "token-slow" {
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
            wire.send(&ok(&yes(&token.replace("token", "user")))).await;
        }
    })
    .await;
    let verifier = peer.builder().max_upstream_calls(1).build().unwrap();
    for number in 0..5 {
        let slow = tokio::time::timeout(Duration::from_millis(20), ask(&verifier, "token-slow")).await;
        assert!(slow.is_err());
        let said = subject(&verifier, &format!("token-{number}")).await;
        assert_eq!(said, format!("user-{number}"));
    }
}

// Around it.

#[tokio::test]
async fn an_outage_is_not_remembered_and_told_with_a_time_to_come_back() {
    let answers = vec![
        (Vec::new(), End::Reset),
        (Vec::new(), End::Reset),
        (headed("content-length: 100", "{"), End::Close),
        (b"HTTP/1.1 503 X\r\nretry-after: 500\r\ncontent-length: 0\r\n\r\n".to_vec(), End::Close),
        (ok(&yes("alice")), End::Close),
    ];
    let peer = Peer::answering(answers).await;
    let app = App::of(AuthLayer::new(peer.verifier().cached(CacheLayer::new())));
    for expected in ["5", "5", "120"] {
        let answer = app.ask(TOKEN).await;
        assert_eq!(
            (answer.status().as_u16(), answer.headers()[RETRY_AFTER].to_str().unwrap()),
            (503, expected)
        );
    }
    for _ in 0..3 {
        assert_eq!(app.status(TOKEN).await, 200);
    }
    assert_eq!(peer.count(), 5);
}

#[tokio::test]
async fn the_metadata_are_fetched_over_the_same_faults() {
    let connection = Arc::new(AtomicUsize::new(0));
    let peer = Peer::start(move |mut wire| {
        let number = connection.fetch_add(1, Ordering::SeqCst);
        async move {
            let Some(request) = wire.request().await else { return };
            let host = request.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned();
            let issuer = format!("http://{host}");
            let metadata =
                json!({ "issuer": issuer, "introspection_endpoint": format!("{issuer}/ask") }).to_string();
            let mut answer: Value = serde_json::from_str(&yes("alice")).unwrap();
            answer["iss"] = json!(issuer);
            match (number, request.starts_with("GET")) {
                (0, _) => wire.end(End::Reset).await,
                (_, true) => drop(wire.send(&ok(&metadata)).await),
                (_, false) => drop(wire.send(&ok(&answer.to_string())).await),
            }
        }
    })
    .await;
    let issuer = format!("http://{}", peer.address);
    let builder = IntrospectionVerifier::builder(issuer, AUDIENCE).client_secret_basic(CLIENT, SECRET);
    assert_eq!(subject(&builder.build().unwrap(), TOKEN).await, "alice");
    let requests = peer.requests();
    let asked: Vec<_> = requests.iter().map(|request| request.lines().next().unwrap()).collect();
    let metadata = "GET /.well-known/openid-configuration HTTP/1.1";
    assert_eq!(asked, [metadata, metadata, "POST /ask HTTP/1.1"]);
    for request in &requests[..2] {
        assert!(!request.contains(TOKEN) && !request.to_ascii_lowercase().contains("authorization"));
    }
}

#[tokio::test]
async fn no_fault_brings_a_secret_into_a_log_or_an_error() {
    let (logs, _guard) = Logs::capture();
    let mut text = String::new();
    for (answer, end) in [
        (Vec::new(), End::Reset),
        (b"nonsense\r\n\r\n".to_vec(), End::Close),
        (headed("content-length: 100", "{"), End::Reset),
        (headed("content-length: x", ""), End::Close),
        (
            format!("HTTP/1.1 401 X\r\nwww-authenticate: {TOKEN}\r\ncontent-length: 0\r\n\r\n").into_bytes(),
            End::Close,
        ),
        (ok(&format!("{{\"active\":{TOKEN}}}")), End::Close),
        (ok(&json!({ "active": true, "sub": [TOKEN] }).to_string()), End::Close),
        (ok(INACTIVE), End::Close),
        (ok(&yes("alice")), End::Close),
    ] {
        let peer = Peer::always(answer, end).await;
        let verifier = peer.builder().endpoint(format!("{}?key={SECRET}", peer.url())).build().unwrap();
        if let Err(error) = ask(&verifier, TOKEN).await {
            text += &everything_of(&error);
        }
        text += &format!("{:?}", App::of(AuthLayer::new(verifier)).ask(TOKEN).await);
    }
    let basic = STANDARD.encode(format!("{CLIENT}:{SECRET}"));
    text += &logs.text();
    for secret in [TOKEN, SECRET, &*basic] {
        let found = text.lines().find(|line| line.contains(secret));
        assert_eq!(found, None, "{secret}");
    }
    assert!(text.contains("rejected"));
}

#[tokio::test]
async fn the_keys_of_jwts_meet_the_same_faults() {
    let answers = |last: Vec<u8>| vec![(Vec::new(), End::Reset), (last, End::Close)];
    let clock = tower_bearer::testing::TestClock::new();
    let issuer = tower_bearer::testing::TestIssuer::with_clock(clock.clone()).await.unwrap();
    let set = issuer.jwk_set();
    for (what, answers, expected, requests) in [
        ("one reset", answers(ok(&set)), 200, 2),
        ("one reset and a status", answers(b"HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n".to_vec()), 503, 2),
        ("two resets", vec![(Vec::new(), End::Reset)], 503, 2),
        ("half a body", vec![(headed("content-length: 9999", &set), End::Close)], 503, 1),
        (
            "two framings",
            vec![(headed("content-length: 9\r\ntransfer-encoding: chunked", &set), End::Close)],
            503,
            1,
        ),
    ] {
        let peer = Peer::answering(answers).await;
        let builder = JwtVerifier::builder(issuer.issuer(), AUDIENCE).clock(clock.clone());
        let app = App::new(builder.jwks_uri(peer.url()).build().unwrap(), clock.clone());
        let token = issuer.token().audience(AUDIENCE).mint();
        assert_eq!((app.status(&token).await, peer.count()), (expected, requests), "{what}");
    }
}

#[cfg(feature = "github")]
#[tokio::test]
async fn whoever_is_asked_meets_the_same_faults() {
    use tower_bearer::GitHubVerifier;
    use tower_bearer::verifier::{BoxVerifier, TokenInfoVerifier, UserInfoVerifier};

    type Make = fn(&Peer) -> BoxVerifier;
    let verifiers: [(&str, Make); 4] = [
        ("an app of GitHub", |peer| {
            let builder = GitHubVerifier::builder("Iv1.0123456789abcdef", SECRET);
            builder.api_url(format!("http://{}", peer.address)).build().unwrap().boxed()
        }),
        ("any app of GitHub", |peer| {
            let builder = GitHubVerifier::insecure_any_app();
            builder.api_url(format!("http://{}", peer.address)).build().unwrap().boxed()
        }),
        ("token information", |peer| {
            TokenInfoVerifier::builder(CLIENT).endpoint(peer.url()).build().unwrap().boxed()
        }),
        ("user information", |peer| {
            let builder = UserInfoVerifier::builder(ISSUER).endpoint(peer.url());
            builder.insecure_allow_any_audience().build().unwrap().boxed()
        }),
    ];
    let elsewhere = Peer::always(ok("{}"), End::Close).await;
    let redirect = format!("HTTP/1.1 307 X\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", elsewhere.url());
    let large = json!({ "sub": "alice", "x": "x".repeat(10 * 1024 * 1024) }).to_string();
    for (who, verifier) in verifiers {
        for (what, answer, requests) in [
            ("nothing", Vec::new(), 2),
            ("half a body", headed("content-length: 100", "{"), 1),
            (
                "two framings",
                headed("content-length: 2\r\ntransfer-encoding: chunked", "2\r\n{}\r\n0\r\n\r\n"),
                1,
            ),
            ("a page", ok("<!DOCTYPE html>"), 1),
            ("10 MiB", ok(&large), 1),
            ("a status", b"HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n".to_vec(), 1),
            ("a redirect", redirect.clone().into_bytes(), 1),
        ] {
            let peer = Peer::always(answer, End::Close).await;
            let error =
                assert_outage(ask(&verifier(&peer), "gho_16C7e42F292c6912E7710c838347Ae178B4a").await, what);
            assert_eq!(peer.count(), requests, "{who}: {what}");
            let text = everything_of(&error);
            assert!(!text.contains("gho_") && !text.contains(SECRET), "{who}: {text}");
        }
    }
    assert_eq!(elsewhere.connections(), 0);
}
