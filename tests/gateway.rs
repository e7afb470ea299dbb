//! The example `gateway` as a child process, in front of real servers.

#![cfg(all(
    unix,
    feature = "axum",
    feature = "github",
    feature = "introspection",
    feature = "jwt",
    feature = "metrics",
    feature = "reqwest",
    feature = "settings",
    feature = "testing",
    any(feature = "aws-lc-rs", feature = "rust-crypto")
))]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and reads well"
)]

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower_bearer::testing::TestIssuer;

const ISSUER: &str = "https://idp.example.com";
const AUDIENCE: &str = "https://api.example.com";

/// The example as it is now: what is built already is found at once.
fn gateway() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--example", "gateway", "--all-features", "--locked", "--message-format=json"]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        let built = build.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let messages = String::from_utf8(built.stdout).unwrap();
        let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let is_gateway = |message: &Value| message["target"]["name"] == "gateway";
        let executable =
            messages.filter(is_gateway).find_map(|message| message["executable"].as_str().map(PathBuf::from));
        executable.expect("cargo says where the example is")
    })
}

/// A gateway that runs. It is killed at the end.
struct Running {
    child: Child,
    address: String,
}

impl Running {
    fn start(variables: &[(&str, &str)]) -> Self {
        let mut child = command(variables).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let said = lines.find_map(|line| line.strip_prefix("listening on http://").map(str::to_owned));
        // Nothing is lost, and the child never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address: said.expect("it listens") }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(gateway());
    command.env_clear().env("GATEWAY_LISTEN", "127.0.0.1:0").envs(variables.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// What a server got.
#[derive(Clone, Debug)]
struct Got {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Got {
    fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter().map(|value| value.to_str().unwrap());
        let value = values.next();
        assert_eq!(values.next(), None, "{name} is there once");
        value
    }
}

/// A server that answers with the body it got, and knows what came.
struct Upstream {
    url: String,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Upstream {
    async fn start() -> Self {
        let got: Arc<Mutex<Vec<Got>>> = Arc::default();
        let kept = Arc::clone(&got);
        let answer = async move |request: Request<Body>| {
            let (head, body) = request.into_parts();
            kept.lock().unwrap().push(Got { method: head.method, uri: head.uri, headers: head.headers });
            (StatusCode::CREATED, [("x-behind", "1")], body.collect().await.unwrap().to_bytes())
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(answer);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, got }
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    fn last(&self) -> Got {
        self.got().pop().expect("something came")
    }
}

/// An issuer, a server and the gateway in front of it.
struct World {
    issuer: TestIssuer,
    upstream: Upstream,
    gateway: Running,
    client: reqwest::Client,
}

impl World {
    async fn start(more: &[(&str, &str)]) -> Self {
        let (issuer, upstream) = (TestIssuer::start().await.unwrap(), Upstream::start().await);
        let keys = issuer.jwks_uri();
        let mut variables = vec![
            ("GATEWAY_UPSTREAM", upstream.url.as_str()),
            ("AUTH_ISSUER", ISSUER),
            ("AUTH_AUDIENCE", AUDIENCE),
            ("AUTH_JWKS_URL", &keys),
        ];
        variables.extend(more);
        let gateway = tokio::task::block_in_place(|| Running::start(&variables));
        Self { issuer, upstream, gateway, client: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    fn token(&self) -> String {
        self.issuer.token().claim("iss", ISSUER).audience(AUDIENCE).scope("read write").mint()
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, self.gateway.url(path))
    }

    fn authorized(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.request(method, path).bearer_auth(self.token())
    }
}

async fn status(request: reqwest::RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

/// The indented lines of the header of the example, in blocks.
fn lines_of_the_header() -> Vec<Vec<String>> {
    let source = include_str!("../examples/gateway.rs");
    let header = source.lines().map_while(|line| line.strip_prefix("//!"));
    let mut blocks = vec![Vec::new()];
    for line in header {
        match line.strip_prefix("     ") {
            Some(line) => blocks.last_mut().unwrap().push(line.to_owned()),
            None if blocks.last().unwrap().is_empty() => {}
            None => blocks.push(Vec::new()),
        }
    }
    blocks.retain(|block| !block.is_empty());
    blocks
}

#[test]
fn the_lines_of_the_header_do_what_they_say() {
    let [setup, token, calls] = &lines_of_the_header()[..] else { panic!("three blocks of commands") };
    let folder = std::env::temp_dir().join(format!("tower-bearer-gateway-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    assert!(
        setup[0].starts_with("python3 -m http.server 9000") && setup.last().unwrap().starts_with("cargo run")
    );
    // A port of its own choice, which it says.
    let upstream =
        setup[0].trim_end_matches('&').replace("python3 -m", "exec python3 -u -m").replace("9000", "0");
    let mut python = Command::new("sh");
    python.args(["-c", &upstream]).current_dir(&folder).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut python = python.spawn().unwrap();
    let mut said = String::new();
    BufReader::new(python.stdout.take().unwrap()).read_line(&mut said).unwrap();
    let port = said.split_once(" port ").unwrap().1.split(' ').next().unwrap().to_owned();
    let in_place = |line: &String| line.replace("9000", &port);
    let variables: Vec<String> =
        setup.iter().filter(|line| line.starts_with("export")).map(in_place).collect();

    let exported = |line: &str| -> Vec<(String, String)> {
        let pairs = line.strip_prefix("export ").unwrap().split(' ');
        pairs.map(|pair| pair.split_once('=').unwrap()).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
    };
    let exported: Vec<(String, String)> = variables.iter().flat_map(|line| exported(line)).collect();
    let exported: Vec<(&str, &str)> = exported.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let gateway = Running::start(&exported);

    let mut tried = 0;
    for call in calls {
        let (command, comment) = call.split_once('#').unwrap();
        let expected: u16 = comment.trim().get(..3).unwrap().parse().unwrap();
        let command = command.replace("127.0.0.1:8080", &gateway.address).replace("curl -i", "curl -sS -i");
        let script = [&variables[..], &token[..], std::slice::from_ref(&command)].concat().join("\n");
        let said = Command::new("sh").args(["-ec", &script]).output().unwrap();
        let answer = String::from_utf8_lossy(&said.stdout);
        let errors = String::from_utf8_lossy(&said.stderr);
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{command}: {answer} {errors}");
        assert_eq!(answer.contains("www-authenticate: Bearer"), expected == 401, "{answer}");
        assert_eq!(answer.contains("Directory listing"), call.contains("TOKEN"), "{answer}");
        tried += 1;
    }
    assert_eq!(tried, 4);
    python.kill().unwrap();
    python.wait().unwrap();
    std::fs::remove_dir(&folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_behind_learns_who_asks() {
    let world = World::start(&[]).await;
    let subject = " auth0|5f7c8ec7 100%\u{e9}\n";
    let token = world.issuer.token().claim("iss", ISSUER).audience(AUDIENCE).subject(subject);
    let token = token.scope("read write").mint();
    let answer = world.request(Method::GET, "/a/b?c=d").bearer_auth(&token).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["x-behind"]), (201, &"1".parse().unwrap()));
    let got = world.upstream.last();
    assert_eq!((got.method.as_str(), got.uri.to_string().as_str()), ("GET", "/a/b?c=d"));
    for (name, expected) in [
        ("x-auth-subject", Some("%20auth0|5f7c8ec7 100%25%C3%A9%0A")),
        ("x-auth-issuer", Some(ISSUER)),
        ("x-auth-client", Some("test-client")),
        ("x-auth-scopes", Some("read write")),
        ("authorization", Some(format!("Bearer {token}").as_str())),
        ("host", Some(world.gateway.address.as_str())),
    ] {
        assert_eq!(got.header(name), expected, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_says_of_themselves_who_they_are() {
    let world = World::start(&[
        ("GATEWAY_CLIENT_HEADER", "x_who_client"),
        ("GATEWAY_SCOPES_HEADER", ""),
        ("AUTH_STRIP_AUTHORIZATION", "true"),
    ])
    .await;
    let token = world.issuer.token().claim("iss", ISSUER).audience(AUDIENCE).without_claim("sub").mint();
    let request =
        world.request(Method::GET, "/").bearer_auth(token).header("connection", "x-auth-issuer, keep-alive");
    let forged = [
        "x-auth-subject",
        "X-Auth-Subject",
        "x_auth_subject",
        "x-auth_subject",
        "x-who-client",
        "x-auth-client",
        "X_Who-Client",
        "x.auth.subject",
    ];
    let request = forged.iter().fold(request, |request, name| request.header(*name, "root"));
    assert_eq!(status(request.header("x-auth-scopes", "mine")).await, 201);
    let got = world.upstream.last();
    assert_eq!(got.header("x-auth-issuer"), Some(ISSUER));
    assert_eq!(got.header("x_who_client"), Some("test-client"));
    // Not sent, and not to be had in another way: neither under its usual name.
    assert_eq!(got.header("x-auth-scopes"), None);
    assert_eq!(got.header("authorization"), None);
    assert!(!got.headers.values().any(|value| value == "root"), "{got:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rejected_never_reaches_the_server_behind() {
    let world = World::start(&[("AUTH_REQUIRED_SCOPES", "admin")]).await;
    assert_eq!(status(world.request(Method::GET, "/")).await, 401);
    assert_eq!(status(world.request(Method::GET, "/").bearer_auth("bad")).await, 401);
    assert_eq!(
        status(world.request(Method::GET, "/").header("authorization", "Bearer a, Bearer b")).await,
        400
    );
    assert_eq!(status(world.authorized(Method::GET, "/")).await, 403);
    assert_eq!(status(world.request(Method::GET, "/healthz/x")).await, 401);
    assert_eq!(status(world.request(Method::GET, "/healthz")).await, 200);
    assert!(world.upstream.got().is_empty(), "{:?}", world.upstream.got());
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_provider_is_down_nobody_is_told_to_throw_a_token_away() {
    let world = World::start(&[]).await;
    world.issuer.stop();
    let answer = world.authorized(Method::GET, "/").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().contains_key("retry-after")), (503, true));
    assert_eq!(status(world.request(Method::GET, "/healthz")).await, 200);
    world.issuer.restart();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_may_call_if_that_is_said() {
    let world = World::start(&[("GATEWAY_ALLOWED_ORIGINS", "*")]).await;
    let preflight = world.request(Method::OPTIONS, "/").header("origin", "https://any.example");
    let answer = preflight.header("access-control-request-method", "PUT").send().await.unwrap();
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    assert_eq!(status(world.request(Method::OPTIONS, "/")).await, 200);
    assert!(world.upstream.got().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_is_the_one_that_the_client_named() {
    let world = World::start(&[]).await;
    let mut stream = TcpStream::connect(&world.gateway.address).await.unwrap();
    let head = "GET http://named.example/a HTTP/1.1\r\nhost: other.example\r\nconnection: close\r\n";
    let request = format!("{head}authorization: Bearer {}\r\n\r\n", world.token());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    // RFC 9112 §3.2.2: the target counts, and the field does not.
    let got = world.upstream.last();
    assert_eq!((got.uri.path(), got.header("host")), ("/a", Some("named.example")));
}

#[tokio::test(flavor = "multi_thread")]
async fn preflights_are_answered_here_with_and_without_origins() {
    for origins in ["", "https://app.example.com, https://other.example.com"] {
        let world = World::start(&[("GATEWAY_ALLOWED_ORIGINS", origins)]).await;
        for origin in ["https://app.example.com", "https://evil.example.com"] {
            let preflight = world.authorized(Method::OPTIONS, "/").header("origin", origin);
            let preflight = preflight.header("access-control-request-method", "PUT");
            let answer =
                preflight.header("access-control-request-headers", "authorization").send().await.unwrap();
            let allowed =
                answer.headers().get("access-control-allow-origin").map(|value| value.to_str().unwrap());
            let expected = origins.contains(origin).then_some(origin);
            assert_eq!(allowed, expected, "{origins} {origin}");
            assert!(answer.status().is_success());
        }
        assert!(world.upstream.got().is_empty());
        if !origins.is_empty() {
            let refused = world.request(Method::GET, "/").header("origin", "https://app.example.com");
            let refused = refused.send().await.unwrap();
            assert_eq!(refused.status(), 401);
            let exposed = refused.headers()["access-control-expose-headers"].to_str().unwrap().to_lowercase();
            assert!(exposed.contains("www-authenticate"), "{exposed}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_go_through_as_they_are() {
    let world = World::start(&[]).await;
    let body: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let answer = world.authorized(Method::POST, "/").body(body.clone()).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    assert!(answer.bytes().await.unwrap() == body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_behind_that_is_gone_is_a_bad_gateway() {
    // No server has port 1.
    let world = World::start(&[("GATEWAY_UPSTREAM", "http://127.0.0.1:1")]).await;
    assert_eq!(status(world.authorized(Method::GET, "/")).await, 502);
    assert_eq!(status(world.request(Method::GET, "/")).await, 401);
}

#[test]
fn everything_that_is_wrong_is_said_at_once_and_no_secret() {
    let secret = "S3cr3t-canary-0123456789";
    let off = ("AUTH_ENABLED", "false");
    let (up, down) = (("GATEWAY_UPSTREAM", "http://h:80"), "`GATEWAY_UPSTREAM` has to be http://host:port");
    for (variables, lines) in [
        (
            &[
                ("AUTH_ISUER", "x"),
                ("AUTH_LEEWAY", "soon"),
                ("AUTH_SECRET_KEY", secret),
                ("AUTH_ENABLED", "no"),
                ("GATEWAY_LISTN", "x"),
                ("GATEWAY_LISTEN", "8080"),
                ("GATEWAY_ALLOWED_ORIGINS", "*, https://app.example.com"),
            ][..],
            &[
                "`GATEWAY_LISTN` is no setting",
                "`AUTH_ISUER` ",
                "`AUTH_ENABLED` ",
                "`AUTH_ISSUER` ",
                "`AUTH_AUDIENCE` ",
                "`AUTH_SECRET_KEY` ",
                "`AUTH_LEEWAY` ",
                "`GATEWAY_LISTEN` has to be an address and a port",
                "`GATEWAY_ALLOWED_ORIGINS` has to be a list of origins, or `*`",
                down,
            ][..],
        ),
        (&[off], &[down]),
        (&[off, ("GATEWAY_UPSTREAM", "https://h")], &[down]),
        (&[off, ("GATEWAY_UPSTREAM", "http://h:80/x")], &[down]),
        (&[off, ("GATEWAY_UPSTREAM", "http://h")], &[down]),
        (&[off, ("GATEWAY_UPSTREAM", "http://:80")], &[down]),
        (&[off, ("GATEWAY_UPSTREAM", "http://h:99999")], &[down]),
        (&[off, ("GATEWAY_UPSTREAM", "http://u:p@h:80")], &[down]),
        (
            &[off, up, ("GATEWAY_SUBJECT_HEADER", "Authorization"), ("GATEWAY_CLIENT_HEADER", "x auth")],
            &["`GATEWAY_SUBJECT_HEADER` has to be a header of its own", "`GATEWAY_CLIENT_HEADER` has to be"],
        ),
        (
            &[off, up, ("GATEWAY_CLIENT_HEADER", "X_Auth_Subject"), ("GATEWAY_SCOPES_HEADER", "te")],
            &["`GATEWAY_CLIENT_HEADER` has to be", "`GATEWAY_SCOPES_HEADER` has to be"],
        ),
    ] {
        let mut child = command(variables).spawn().unwrap();
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(1), "{said}");
        for line in lines {
            assert_eq!(said.lines().filter(|own| own.starts_with(line)).count(), 1, "{line}: {said}");
        }
        let faults = said.lines().filter(|line| line.starts_with('`')).count();
        assert_eq!(faults, lines.len(), "{said}");
        assert!(!said.contains(&secret[..12]), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_explicit_word_turns_it_off() {
    let upstream = Upstream::start().await;
    let variables = [("AUTH_ENABLED", "false"), ("GATEWAY_UPSTREAM", upstream.url.as_str())];
    let gateway = tokio::task::block_in_place(|| Running::start(&variables));
    let request = reqwest::Client::new().get(gateway.url("/")).header("x-auth-subject", "root");
    assert_eq!(status(request).await, 201);
    assert_eq!(upstream.last().header("x-auth-subject"), None);
}

/// Ends of requests, counted.
#[derive(Debug, Default)]
struct Ends {
    served: AtomicUsize,
    cut_off: AtomicUsize,
    other: Mutex<Vec<u16>>,
}

impl Ends {
    async fn count(&self, request: reqwest::RequestBuilder) {
        match request.send().await {
            Ok(answer) if answer.status() == 201 => self.served.fetch_add(1, Ordering::SeqCst),
            Ok(answer) => {
                self.other.lock().unwrap().push(answer.status().as_u16());
                0
            }
            Err(_) => self.cut_off.fetch_add(1, Ordering::SeqCst),
        };
    }

    async fn more(&self, requests: usize) {
        let enough = self.served.load(Ordering::SeqCst) + requests;
        while self.served.load(Ordering::SeqCst) < enough {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_and_restarted_under_load_it_refuses_nothing_that_it_should_serve() {
    let mut world = World::start(&[]).await;
    let listen = world.gateway.address.clone();
    let keys = world.issuer.jwks_uri();
    let upstream = world.upstream.url.clone();
    let variables = [
        ("GATEWAY_LISTEN", listen.as_str()),
        ("GATEWAY_UPSTREAM", &upstream),
        ("AUTH_ISSUER", ISSUER),
        ("AUTH_AUDIENCE", AUDIENCE),
        ("AUTH_JWKS_URL", &keys),
    ];
    let ends: Arc<Ends> = Arc::default();
    let load: Vec<_> = (0..8)
        .map(|_| {
            let (client, url, token) = (world.client.clone(), world.gateway.url("/"), world.token());
            let ends = Arc::clone(&ends);
            tokio::spawn(async move {
                loop {
                    ends.count(client.get(&url).bearer_auth(&token)).await;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for signal in ["-KILL", "-TERM", "-KILL"] {
        ends.more(200).await;
        world.gateway.signal(signal);
        let ended = tokio::task::block_in_place(|| world.gateway.child.wait().unwrap());
        assert_eq!(ended.success(), signal == "-TERM", "{ended}");
        world.gateway = tokio::task::block_in_place(|| Running::start(&variables));
    }
    ends.more(200).await;
    load.iter().for_each(|task| task.abort());
    assert_eq!(*ends.other.lock().unwrap(), [0_u16; 0], "{ends:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_under_way_is_served_to_its_end() {
    let world = World::start(&[]).await;
    let mut stream = TcpStream::connect(&world.gateway.address).await.unwrap();
    let head = format!("POST / HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {}\r\n", world.token());
    let start = format!("{head}connection: close\r\ncontent-length: 13\r\n\r\nhalf and ");
    stream.write_all(start.as_bytes()).await.unwrap();
    while world.upstream.got().is_empty() {
        tokio::task::yield_now().await;
    }
    world.gateway.signal("-TERM");
    // It does not listen any more.
    while TcpStream::connect(&world.gateway.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    stream.write_all(b"half").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201") && answer.ends_with("half and half"), "{answer}");
}
