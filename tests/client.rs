//! The client that asks providers, against peers that answer whatever they like.

#![cfg(all(feature = "reqwest", feature = "testing", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/keys.rs"]
mod script;

use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, KeyPair, date_time_ymd};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tower_bearer::client::{HttpClient, Limits, ReqwestClient};
use tower_bearer::error::{BuildErrorKind, VerifyErrorKind};
use tower_bearer::testing::{TestClock, TestIssuer};
use tower_bearer::{JwtVerifier, VerifyError};

use self::script::{AUDIENCE, App, settle};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
/// Longer than any of these tests may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Something on loopback that records what it is sent and answers by a script. It stops when it is dropped.
struct Peer {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    received: Received,
    task: AbortHandle,
}

/// The headers of the requests that came.
#[derive(Clone, Default)]
struct Received(Arc<Mutex<Vec<String>>>);

impl Received {
    fn push(&self, head: String) {
        self.0.lock().unwrap().push(head);
    }

    async fn head_of(&self, stream: &mut (impl AsyncRead + Unpin)) {
        let head = read_head(stream).await;
        self.push(head);
    }
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
    async fn start<F>(script: impl Fn(TcpStream, Received) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, received) = (Arc::new(AtomicUsize::new(0)), Received::default());
        let (count, log) = (Arc::clone(&connections), received.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(script(stream, log.clone()));
            }
        });
        Self { address, connections, received, task: task.abort_handle() }
    }

    /// Sends the same bytes after each request, once per connection.
    async fn answering(answer: impl Into<Vec<u8>>, end: End) -> Self {
        let answer: Arc<[u8]> = answer.into().into();
        Self::start(move |mut stream, received| {
            let answer = Arc::clone(&answer);
            async move {
                received.head_of(&mut stream).await;
                let _ = stream.write_all(&answer).await;
                match end {
                    End::Close => {}
                    End::Reset => stream.set_zero_linger().unwrap(),
                    End::Open => drop(stream.read_to_end(&mut Vec::new()).await),
                }
            }
        })
        .await
    }

    /// Sends a beginning, and then the same bytes again and again for as long as anybody reads.
    async fn endless(beginning: &'static [u8], again: &'static [u8]) -> Self {
        Self::start(move |mut stream, received| async move {
            received.head_of(&mut stream).await;
            let _ = stream.write_all(beginning).await;
            let again = again.repeat(100);
            while stream.write_all(&again).await.is_ok() {}
        })
        .await
    }

    fn url(&self) -> String {
        format!("http://{}/keys", self.address)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn received(&self) -> Vec<String> {
        self.received.0.lock().unwrap().clone()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads the header of a request, or what there is of it.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

fn client() -> ReqwestClient {
    ReqwestClient::new().unwrap()
}

async fn get(client: &ReqwestClient, url: &str) -> Result<Response<Bytes>, VerifyError> {
    get_within(client, url, Limits::new(PATIENCE, 64 * 1024)).await
}

async fn get_within(
    client: &ReqwestClient,
    url: &str,
    limits: Limits,
) -> Result<Response<Bytes>, VerifyError> {
    client.send(Request::get(url).body(Bytes::new()).unwrap(), limits).await
}

/// The whole text of an error, which says that nobody can tell.
#[track_caller]
fn outage(answer: Result<Response<Bytes>, VerifyError>) -> String {
    let error = answer.expect_err("no answer");
    assert_eq!(error.kind(), VerifyErrorKind::Unavailable);
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(" / {error} {error:?}"));
        cause = error.source();
    }
    text
}

// What is asked.

#[tokio::test]
async fn a_request_is_what_it_was_made_to_be_and_little_more() {
    let peer = Peer::answering(OK, End::Close).await;
    let request = Request::get(peer.url()).header("accept", "application/json").body(Bytes::new()).unwrap();
    let answer = client().send(request, Limits::new(PATIENCE, 100)).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.body().as_ref()), (200, &b"ok"[..]));
    let head = peer.received().remove(0).to_ascii_lowercase();
    let mut lines: Vec<_> = head.trim_end().lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "accept: application/json",
            "get /keys http/1.1",
            &*format!("host: {}", peer.address),
            &*format!("user-agent: tower-bearer/{}", env!("CARGO_PKG_VERSION")),
        ],
    );
}

#[tokio::test]
async fn the_name_of_this_server_can_be_set() {
    let peer = Peer::answering(OK, End::Close).await;
    let named = ReqwestClient::builder().user_agent("my-api/1 (x)").build().unwrap();
    get(&named, &peer.url()).await.unwrap();
    assert!(peer.received()[0].to_ascii_lowercase().contains("\r\nuser-agent: my-api/1 (x)\r\n"));
}

#[tokio::test]
async fn a_redirect_is_handed_back_and_not_followed() {
    let elsewhere = Peer::answering(OK, End::Close).await;
    for status in [300, 301, 302, 303, 307, 308] {
        let location = elsewhere.url();
        let answer = format!("HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        let peer = Peer::answering(answer, End::Close).await;
        let answer = get(&client(), &peer.url()).await.unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(peer.connections(), 1);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_redirect_is_no_answer_to_a_verifier() {
    let clock = TestClock::new();
    let issuer = TestIssuer::with_clock(clock.clone()).await.unwrap();
    let location = issuer.jwks_uri();
    let answer = format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
    let peer = Peer::answering(answer, End::Close).await;
    let builder = JwtVerifier::builder(issuer.issuer(), AUDIENCE).clock(clock.clone());
    let app = App::new(builder.jwks_uri(peer.url()).build().unwrap(), clock);
    assert_eq!(app.status(&issuer.token().audience(AUDIENCE).mint()).await, 503);
    assert_eq!((peer.connections(), issuer.jwks_requests()), (1, 0));
}

// Bodies.

#[tokio::test]
async fn a_body_over_the_limit_is_given_up_at_once() {
    let announced =
        Peer::answering("HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n", End::Open).await;
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunked = Peer::endless(head, b"10\r\n0123456789abcdef\r\n").await;
    let unframed = Peer::endless(b"HTTP/1.1 200 OK\r\n\r\n", b"................................").await;
    for (what, peer) in [("announced", announced), ("chunked", chunked), ("unframed", unframed)] {
        let started_at = Instant::now();
        let text = outage(get(&client(), &peer.url()).await);
        assert!(text.contains("too long"), "{what}: {text}");
        assert!(started_at.elapsed() < PATIENCE / 2, "{what}");
    }
}

#[tokio::test]
async fn the_smaller_limit_counts() {
    let body = "x".repeat(1_000);
    let peer =
        Peer::answering(format!("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{body}"), End::Close).await;
    let small = ReqwestClient::builder().max_body(999).build().unwrap();
    let exact = ReqwestClient::builder().max_body(1_000).build().unwrap();
    for (client, limit, fits) in
        [(&small, 10_000, false), (&exact, 10_000, true), (&exact, 1_000, true), (&exact, 999, false)]
    {
        let answer = get_within(client, &peer.url(), Limits::new(PATIENCE, limit)).await;
        assert_eq!(answer.is_ok(), fits, "{limit}");
    }
    // A body without an announcement, of one byte too many.
    let peer = Peer::answering(format!("HTTP/1.1 200 OK\r\n\r\n{body}"), End::Close).await;
    assert!(get_within(&client(), &peer.url(), Limits::new(PATIENCE, 1_000)).await.is_ok());
    outage(get_within(&client(), &peer.url(), Limits::new(PATIENCE, 999)).await);
}

#[tokio::test]
async fn a_compressed_body_is_not_asked_for_and_not_decoded() {
    let head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\n";
    let peer = Peer::answering([head.as_bytes(), &[0x1F, 0x8B, 0x08]].concat(), End::Close).await;
    let answer = get(&client(), &peer.url()).await.unwrap();
    assert_eq!(answer.body().as_ref(), [0x1F, 0x8B, 0x08]);
    assert!(!peer.received()[0].to_ascii_lowercase().contains("accept-encoding"));
}

// Broken answers.

#[tokio::test]
async fn a_broken_answer_is_no_answer() {
    use End::{Close, Open, Reset};
    let headers = "a: b\r\n".repeat(10_000);
    let value = "x".repeat(1024 * 1024);
    for (what, answer, end) in [
        ("nothing", String::new(), Close),
        ("nothing, and a reset", String::new(), Reset),
        ("half a status line", "HTTP/1.1 20".to_owned(), Close),
        ("half a header", "HTTP/1.1 200 OK\r\ncontent-le".to_owned(), Close),
        ("half a header, and a reset", "HTTP/1.1 200 OK\r\ncontent-le".to_owned(), Reset),
        ("half a body", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345".to_owned(), Close),
        ("half a body, and a reset", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345".to_owned(), Reset),
        ("half a chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12".to_owned(), Close),
        (
            "no last chunk",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n".to_owned(),
            Close,
        ),
        (
            "a bad chunk",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\nok\r\n".to_owned(),
            Open,
        ),
        (
            "a huge chunk",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\nok\r\n".to_owned(),
            Open,
        ),
        (
            "two lengths",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok.".to_owned(),
            Open,
        ),
        ("a negative length", "HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nok".to_owned(), Open),
        ("a length in words", "HTTP/1.1 200 OK\r\ncontent-length: two\r\n\r\nok".to_owned(), Open),
        (
            "two status lines",
            "HTTP/1.1 200 OK\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned(),
            Open,
        ),
        ("no status", "HTTP/1.1\r\ncontent-length: 2\r\n\r\nok".to_owned(), Open),
        ("a status of two digits", "HTTP/1.1 20 OK\r\ncontent-length: 2\r\n\r\nok".to_owned(), Open),
        ("another protocol", "SSH-2.0-OpenSSH_9.6\r\n".to_owned(), Open),
        ("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), Open),
        ("a control character", "HTTP/1.1 200 OK\r\na: \0\r\ncontent-length: 2\r\n\r\nok".to_owned(), Open),
        ("no colon", "HTTP/1.1 200 OK\r\nabc\r\ncontent-length: 2\r\n\r\nok".to_owned(), Open),
        ("ten thousand headers", format!("HTTP/1.1 200 OK\r\n{headers}content-length: 2\r\n\r\nok"), Open),
        (
            "a megabyte of header",
            format!("HTTP/1.1 200 OK\r\na: {value}\r\ncontent-length: 2\r\n\r\nok"),
            Open,
        ),
    ] {
        let peer = Peer::answering(answer, end).await;
        let started_at = Instant::now();
        let answer = get(&client(), &peer.url()).await;
        assert!(answer.is_err(), "{what}: {answer:?}");
        assert!(started_at.elapsed() < PATIENCE / 2, "{what}");
        assert!(peer.connections() <= 2, "{what}: {} connections", peer.connections());
    }
}

#[tokio::test]
async fn a_whole_answer_counts_however_the_connection_ends() {
    let body = "{\"keys\":[]}";
    for (what, answer) in [
        ("with a length", format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())),
        (
            "in chunks",
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nb\r\n{body}\r\n0\r\n\r\n"),
        ),
    ] {
        for end in [End::Close, End::Open] {
            let peer = Peer::answering(answer.clone(), end).await;
            let answer = get(&client(), &peer.url()).await.unwrap();
            assert_eq!(answer.body().as_ref(), body.as_bytes(), "{what}, {end:?}");
        }
    }
    for head in [
        "HTTP/1.0 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.0 200 OK\r\ncontent-length: 11\r\n\r\n",
    ] {
        let peer = Peer::answering(format!("{head}{body}"), End::Close).await;
        let answer = get(&client(), &peer.url()).await.unwrap();
        assert_eq!(answer.body().as_ref(), body.as_bytes(), "{head}");
    }
}

#[tokio::test]
async fn a_reset_after_the_whole_answer_does_not_matter() {
    // The reset comes when the client has read all of it and sends its next request.
    let peer = Peer::start(|mut stream, received| async move {
        received.head_of(&mut stream).await;
        stream.write_all(OK).await.unwrap();
        read_head(&mut stream).await;
        stream.set_zero_linger().unwrap();
    })
    .await;
    let client = client();
    assert_eq!(get(&client, &peer.url()).await.unwrap().body().as_ref(), b"ok");
    // On a connection that is gone, or on a new one: never something else than an answer or an outage.
    if let Ok(answer) = get(&client, &peer.url()).await {
        assert_eq!(answer.body().as_ref(), b"ok");
    }
}

#[tokio::test]
async fn what_follows_an_answer_is_never_taken_for_the_next_one() {
    let smuggled = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nEVIL";
    for (what, first) in [
        ("a second answer", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned()),
        (
            "a body that is longer than it said",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok and more\r\n".to_owned(),
        ),
        (
            "a last chunk before it",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".to_owned(),
        ),
        ("no body at all", "HTTP/1.1 204 No Content\r\n\r\n".to_owned()),
        ("not modified", "HTTP/1.1 304 Not Modified\r\ncontent-length: 2\r\n\r\n".to_owned()),
    ] {
        let connection = Arc::new(AtomicUsize::new(0));
        let bytes: Arc<str> = format!("{first}{smuggled}").into();
        let peer = Peer::start(move |mut stream, received| {
            let first = connection.fetch_add(1, Ordering::SeqCst) == 0;
            let bytes = Arc::clone(&bytes);
            async move {
                while !read_head(&mut stream).await.is_empty() {
                    received.push(String::new());
                    let answer = if first { bytes.as_bytes() } else { OK };
                    if stream.write_all(answer).await.is_err() {
                        return;
                    }
                }
            }
        })
        .await;
        let client = client();
        let answer = get(&client, &peer.url()).await.unwrap();
        assert!(!String::from_utf8_lossy(answer.body()).contains("EVIL"), "{what}");
        for _ in 0..3 {
            if let Ok(answer) = get(&client, &peer.url()).await {
                assert!(!String::from_utf8_lossy(answer.body()).contains("EVIL"), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn an_answer_with_two_framings_is_no_answer() {
    for head in [
        "content-length: 2\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 2\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 12\r\n",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\n2\r\nok\r\n0\r\n\r\n");
        let peer = Peer::answering(answer, End::Close).await;
        let answer = get(&client(), &peer.url()).await;
        assert!(answer.is_err(), "{head:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_flood_of_interim_answers_ends_with_the_time_limit() {
    let peer = Peer::endless(b"", b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n").await;
    let started_at = Instant::now();
    outage(get_within(&client(), &peer.url(), Limits::new(Duration::from_millis(300), 1_000)).await);
    assert!(started_at.elapsed() < PATIENCE / 2);
    let hints = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";
    let peer = Peer::answering([hints.as_bytes(), OK].concat(), End::Close).await;
    assert_eq!(get(&client(), &peer.url()).await.unwrap().body().as_ref(), b"ok");
}

// Time.

#[tokio::test]
async fn a_silent_peer_is_given_up_after_the_time_limit() {
    let short = Duration::from_millis(150);
    let limited = ReqwestClient::builder().timeout(short).build().unwrap();
    for (what, answer) in [
        ("nothing", ""),
        ("half a header", "HTTP/1.1 200 OK\r\na: "),
        ("no body", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n"),
        ("half a body", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345"),
        ("half a chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12"),
    ] {
        let peer = Peer::answering(answer, End::Open).await;
        for (client, limits) in
            [(&client(), Limits::new(short, 1_000)), (&limited, Limits::new(PATIENCE, 1_000))]
        {
            let started_at = Instant::now();
            let text = outage(get_within(client, &peer.url(), limits).await);
            assert!(text.contains("time limit"), "{what}: {text}");
            assert!(started_at.elapsed() >= short && started_at.elapsed() < PATIENCE / 2, "{what}");
        }
    }
}

#[tokio::test]
async fn nobody_there_is_an_outage_without_waiting() {
    let peer = Peer::answering(OK, End::Close).await;
    let url = format!("{}?client_secret=S3cr3t-canary&code=S3cr3t-canary", peer.url());
    let address = peer.address;
    drop(peer);
    settle().await;
    assert!(TcpStream::connect(address).await.is_err());
    let started_at = Instant::now();
    let text = outage(get(&client(), &url).await);
    assert!(started_at.elapsed() < PATIENCE / 2);
    assert!(!text.contains("S3cr3t") && !text.contains("client_secret"), "{text}");
}

#[tokio::test]
async fn no_error_shows_the_address_that_was_asked() {
    for (answer, end) in [
        ("", End::Close),
        ("nonsense\r\n\r\n", End::Close),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", End::Reset),
    ] {
        let peer = Peer::answering(answer, end).await;
        let text = outage(get(&client(), &format!("{}?client_secret=S3cr3t-canary", peer.url())).await);
        assert!(!text.contains("S3cr3t") && !text.contains("client_secret"), "{text}");
    }
    for url in ["https://127.0.0.1:1/?S3cr3t-canary", "ftp://127.0.0.1/?S3cr3t-canary", "/?S3cr3t-canary"] {
        let text = outage(get(&client(), url).await);
        assert!(!text.contains("S3cr3t"), "{text}");
    }
}

// Proxies.

/// The variables that name a proxy to other programs.
const PROXY_VARIABLES: [&str; 6] =
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
/// Tells this test binary that it was started by itself, and which address to ask.
const ASK: &str = "TOWER_BEARER_TEST_ASK";

#[tokio::test]
async fn with_the_protection_on_nothing_is_sent_to_this_machine_or_to_a_private_network() {
    let protected = ReqwestClient::builder().ssrf_protection().build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // As a browser would read them, too: in one number, in hexadecimal, in octal, with parts left out.
    let ways = "127.0.0.1 localhost LOCALHOST. [::1] [::ffff:127.0.0.1] [64:ff9b::7f00:1] [2002:7f00:1::] 2130706433 \
        0x7f000001 0177.0.0.1 127.1 10.0.0.1 169.254.169.254 192.168.0.1 0.0.0.0";
    for host in ways.split_whitespace() {
        let answer = get(&protected, &format!("http://{host}:{port}/latest/meta-data")).await;
        assert!(answer.is_err_and(|error| error.kind() == VerifyErrorKind::Unavailable), "{host}");
    }
    let nobody = tokio::time::timeout(Duration::from_millis(20), listener.accept()).await;
    assert!(nobody.is_err(), "somebody connected");
    // Without it they are hosts like all others.
    let (client, limits) = (client(), Limits::new(Duration::from_millis(50), 10));
    let url = format!("http://127.0.0.1:{port}/");
    let (answer, accepted) = tokio::join!(get_within(&client, &url, limits), listener.accept());
    assert!(answer.is_err() && accepted.is_ok());
}

#[test]
fn the_protection_excludes_a_proxy_that_would_resolve_names_by_itself() {
    let error =
        ReqwestClient::builder().ssrf_protection().proxy("http://127.0.0.1:3128").build().unwrap_err();
    assert_eq!((error.setting(), error.kind()), ("ssrf_protection", BuildErrorKind::Conflict));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_only_the_environment_names_is_not_used() {
    if let Ok(url) = std::env::var(ASK) {
        assert!(PROXY_VARIABLES.iter().all(|name| std::env::var(name).is_ok()));
        let answer = get(&client(), &url).await;
        assert_eq!(answer.unwrap().body().as_ref(), b"ok");
        let hasty = ReqwestClient::builder().connect_timeout(Duration::from_millis(200)).build().unwrap();
        outage(get(&hasty, &url.replace("http:", "https:")).await);
        // The variables do work for those who heed them.
        let heeding = reqwest::Client::new().get(&url).send().await.unwrap();
        assert_eq!(heeding.status(), 200);
        return;
    }
    // Asked twice, the second time for a handshake that it cannot make.
    let provider = Peer::answering(OK, End::Close).await;
    let proxy = Peer::answering(OK, End::Close).await;
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "a_proxy_that_only_the_environment_names_is_not_used", "--nocapture"]);
    child.env(ASK, provider.url()).env_remove("NO_PROXY").env_remove("no_proxy");
    child.env_remove("REQUEST_METHOD");
    for name in PROXY_VARIABLES {
        child.env(name, format!("http://{}", proxy.address));
    }
    let output = tokio::task::spawn_blocking(move || child.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
    assert_eq!((provider.connections(), proxy.connections()), (2, 1));
}

#[tokio::test]
async fn a_proxy_that_was_set_is_used() {
    let proxy = Peer::answering(OK, End::Close).await;
    let client = ReqwestClient::builder().proxy(format!("http://{}", proxy.address)).build().unwrap();
    assert_eq!(get(&client, "http://provider.invalid/keys").await.unwrap().body().as_ref(), b"ok");
    assert!(proxy.received()[0].starts_with("GET http://provider.invalid/keys HTTP/1.1\r\n"));
    // A name and a password are for the proxy.
    let named = format!("http://user:password@{}", proxy.address);
    let client = ReqwestClient::builder().proxy(named).build().unwrap();
    get(&client, "http://provider.invalid/keys").await.unwrap();
    let head = proxy.received().remove(1).to_ascii_lowercase();
    assert!(head.contains("\r\nproxy-authorization: basic dxnlcjpwyxnzd29yza==\r\n"), "{head}");
    assert!(!head.contains("\r\nauthorization:"), "{head}");
    // What is secure goes through as a tunnel: this peer does not make one, so nothing is sent.
    let refusing = Peer::answering("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", End::Close).await;
    let client = ReqwestClient::builder().proxy(format!("http://{}", refusing.address)).build().unwrap();
    outage(get(&client, "https://provider.invalid/keys?S3cr3t-canary").await);
    let heads = refusing.received();
    assert!(
        heads.iter().all(|head| head.starts_with("CONNECT provider.invalid:443 HTTP/1.1\r\n")),
        "{heads:?}"
    );
    assert!(!heads.concat().contains("S3cr3t"));
}

// Certificates.

/// A certificate of a test, and its key.
struct Identity {
    certificate: Certificate,
    key: KeyPair,
}

impl Identity {
    fn self_signed(host: &str) -> Self {
        Self::made(host, |_| ())
    }

    fn made(host: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        change(&mut params);
        Self { certificate: params.self_signed(&key).unwrap(), key }
    }

    fn expired(host: &str) -> Self {
        Self::made(host, |params| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        })
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

    /// A peer with this certificate that answers every request.
    async fn peer(&self) -> Peer {
        let acceptor = self.acceptor();
        Peer::start(move |stream, received| answer_over_tls(acceptor.clone(), stream, received, OK.into()))
            .await
    }
}

async fn answer_over_tls(acceptor: TlsAcceptor, stream: TcpStream, received: Received, answer: Arc<[u8]>) {
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    received.head_of(&mut stream).await;
    let _ = stream.write_all(&answer).await;
    let _ = stream.shutdown().await;
}

fn trusting(identity: &Identity) -> ReqwestClient {
    ReqwestClient::builder().add_root_certificates(identity.certificate.pem()).build().unwrap()
}

fn https(peer: &Peer) -> String {
    format!("https://127.0.0.1:{}/keys", peer.address.port())
}

/// Asserts that a peer was connected to, and sent no request.
#[track_caller]
fn assert_nothing_was_sent(peer: &Peer) {
    assert!(peer.connections() >= 1);
    assert_eq!(peer.received(), [""; 0]);
}

#[tokio::test]
async fn a_certificate_is_trusted_if_its_root_was_added() {
    let identity = Identity::self_signed("127.0.0.1");
    let peer = identity.peer().await;
    outage(get(&client(), &https(&peer)).await);
    assert_nothing_was_sent(&peer);
    let answer = get(&trusting(&identity), &https(&peer)).await.unwrap();
    assert_eq!(answer.body().as_ref(), b"ok");
    outage(get(&trusting(&Identity::self_signed("127.0.0.1")), &https(&peer)).await);
}

#[tokio::test]
async fn a_certificate_authority_of_ones_own_is_trusted_if_it_was_added() {
    let authority = Identity::made("authority.example", |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    });
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let mut above = CertificateParams::new(["authority.example".to_owned()]).unwrap();
    above.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = rcgen::Issuer::from_params(&above, &authority.key);
    let identity = Identity { certificate: params.signed_by(&key, &issuer).unwrap(), key };
    let peer = identity.peer().await;
    outage(get(&client(), &https(&peer)).await);
    assert_eq!(get(&trusting(&authority), &https(&peer)).await.unwrap().body().as_ref(), b"ok");
}

#[tokio::test]
async fn a_certificate_that_does_not_fit_is_refused_though_its_root_is_trusted() {
    for (what, identity) in [
        ("another host", Identity::self_signed("idp.example.com")),
        ("another address", Identity::self_signed("127.0.0.2")),
        ("expired", Identity::expired("127.0.0.1")),
        (
            "not valid yet",
            Identity::made("127.0.0.1", |params| {
                params.not_before = date_time_ymd(4_000, 1, 1);
                params.not_after = date_time_ymd(4_001, 1, 1);
            }),
        ),
    ] {
        let peer = identity.peer().await;
        let answer = get(&trusting(&identity), &https(&peer)).await;
        assert!(answer.is_err(), "{what}");
        assert_nothing_was_sent(&peer);
    }
}

/// Records the first bytes of each connection, and answers them.
async fn raw_peer(answer: &'static [u8]) -> (Peer, Arc<Mutex<Vec<u8>>>) {
    let first = Arc::new(Mutex::default());
    let log: Arc<Mutex<Vec<u8>>> = Arc::clone(&first);
    let peer = Peer::start(move |mut stream, _| {
        let log = Arc::clone(&log);
        async move {
            let mut bytes = vec![0; 4_096];
            let length = stream.read(&mut bytes).await.unwrap_or(0);
            log.lock().unwrap().extend(bytes.iter().take(length));
            let _ = stream.write_all(answer).await;
            drop(stream.read_to_end(&mut Vec::new()).await);
        }
    })
    .await;
    (peer, first)
}

#[tokio::test]
async fn what_should_be_secure_is_never_sent_in_plain_text() {
    // A server of TLS 1.0 cannot be made with rustls, which knows 1.2 and 1.3 only; these are the bytes that one sends
    // when it is offered no less than 1.2: an alert (protocol_version), or a ServerHello of version 3.1.
    let alert: &[u8] = &[0x15, 3, 1, 0, 2, 2, 0x46];
    let hello: &[u8] = &[
        0x16, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
        7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 0, 0, 0x2F, 0,
    ];
    for (what, answer) in
        [("plain text", OK), ("an alert", alert), ("TLS 1.0", hello), ("nonsense", &[0xFF; 64])]
    {
        let (peer, first) = raw_peer(answer).await;
        let answer = get(&client(), &https(&peer)).await;
        assert!(answer.is_err(), "{what}: {answer:?}");
        let bytes = first.lock().unwrap().clone();
        assert_eq!(bytes.first(), Some(&0x16), "{what}: a handshake and nothing else");
        assert!(!String::from_utf8_lossy(&bytes).contains("GET "), "{what}");
    }
}

#[tokio::test]
async fn a_verifier_waits_for_a_certificate_that_is_good_and_keeps_its_keys_when_it_ends() {
    let clock = TestClock::new();
    let issuer = TestIssuer::with_clock(clock.clone()).await.unwrap();
    let good = Identity::self_signed("127.0.0.1");
    let ended = Identity::made("127.0.0.1", |params| {
        params.not_after = date_time_ymd(2021, 1, 1);
        params.not_before = date_time_ymd(2020, 1, 1);
    });
    let presented = Arc::new(Mutex::new(ended.acceptor()));
    let acceptors = Arc::clone(&presented);
    let set = issuer.jwk_set();
    let answer: Arc<[u8]> =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{set}", set.len()).into_bytes().into();
    let peer = Peer::start(move |stream, received| {
        let acceptor = acceptors.lock().unwrap().clone();
        answer_over_tls(acceptor, stream, received, Arc::clone(&answer))
    })
    .await;
    let client = ReqwestClient::builder()
        .add_root_certificates(good.certificate.pem())
        .add_root_certificates(ended.certificate.pem())
        .build()
        .unwrap();
    let builder = JwtVerifier::builder(issuer.issuer(), AUDIENCE).clock(clock.clone()).http_client(client);
    let app = App::new(builder.jwks_uri(https(&peer)).build().unwrap(), clock.clone());
    let token = || issuer.token().audience(AUDIENCE).mint();
    assert_eq!(app.status(&token()).await, 503);
    *presented.lock().unwrap() = good.acceptor();
    clock.advance(Duration::from_secs(1));
    assert_eq!(app.status(&token()).await, 200);
    *presented.lock().unwrap() = ended.acceptor();
    clock.advance(Duration::from_secs(30));
    let unknown = issuer.token().audience(AUDIENCE).header("kid", "unknown").mint();
    assert_eq!(app.status(&unknown).await, 503);
    assert_eq!(app.status_at_once(&token()), Some(200), "the keys stay");
    assert_eq!((peer.connections(), peer.received().len(), issuer.jwks_requests()), (3, 1, 0));
}
