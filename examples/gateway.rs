//! A reverse proxy that protects any HTTP server, configured by the environment alone. It checks the bearer token of
//! each request, and tells the server behind it who asks, in headers that nobody else can set.
//!
//!     python3 -m http.server 9000 --bind 127.0.0.1 &
//!     export GATEWAY_UPSTREAM=http://127.0.0.1:9000
//!     export AUTH_SECRET_KEY=for-tests-only-a-secret-of-32-bytes AUTH_ALGORITHMS=HS256
//!     export AUTH_ISSUER=https://idp.example.com AUTH_AUDIENCE=https://api.example.com
//!     cargo run --example gateway --all-features
//!
//! Then, where the variables are set as above, a token for five minutes and what happens with it:
//!
//!     base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
//!     CLAIMS="{\"iss\":\"$AUTH_ISSUER\",\"aud\":\"$AUTH_AUDIENCE\",\"sub\":\"alice\",\"exp\":$(($(date +%s) + 300))}"
//!     TOKEN=$(printf '{"alg":"HS256"}' | base64url).$(printf %s "$CLAIMS" | base64url)
//!     TOKEN=$TOKEN.$(printf %s "$TOKEN" | openssl dgst -sha256 -hmac "$AUTH_SECRET_KEY" -binary | base64url)
//!
//!     curl -i http://127.0.0.1:8080/healthz                              # 200: the gateway is up
//!     curl -i http://127.0.0.1:8080/                                     # 401, and a challenge
//!     curl -i http://127.0.0.1:8080/ -H "Authorization: Bearer $TOKEN"   # 200, from the server behind
//!     curl -i -X OPTIONS http://127.0.0.1:8080/ -H 'Origin: https://app' -H 'Access-Control-Request-Method: GET' # 200
//!
//! What protects it is in `AUTH_…`: a provider by name or an issuer, scopes, the cache; docs/settings.md has them all.
//! The rest is `GATEWAY_…`:
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `UPSTREAM` | | the server behind: `http://host:port`; TLS to it is for a mesh or a tunnel |
//! | `LISTEN` | `127.0.0.1:8080` | where to listen; `0.0.0.0:8080` in a container |
//! | `ALLOWED_ORIGINS` | none | pages whose scripts may call, separated by commas; `*` for all |
//! | `SUBJECT_HEADER`, `ISSUER_HEADER` | `x-auth-subject`, `x-auth-issuer` | whom a token is about, who says so |
//! | `CLIENT_HEADER`, `SCOPES_HEADER` | `x-auth-client`, `x-auth-scopes` | the client, the scopes between spaces |
//!
//! An empty header is not sent. In what is sent, `%` and what is not visible ASCII is percent-encoded; no client can set
//! these headers, nor those of the column "default". Others go through, those of proxies (`X-Forwarded-For`) too, and
//! `Authorization` unless `AUTH_STRIP_AUTHORIZATION=true`. `OPTIONS` and `/healthz` are answered here. No upgrades
//! (WebSocket), no time limit for the server behind. `SIGTERM` lets requests end. It needs libc and root certificates.
#![allow(clippy::print_stderr, reason = "an example talks to whoever runs it")]

use std::env;
use std::error::Error;
use std::ffi::OsStr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::get;
use http::header::{CONNECTION, HOST, HeaderMap};
use http::uri::{Authority, Scheme};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Uri, Version, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower_bearer::AccessToken;
use tower_bearer::settings::Settings;
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

/// Fields that are for one connection, besides those that `Connection` names (RFC 9110 §7.6.1).
const OF_ONE_CONNECTION: &str = "connection,keep-alive,proxy-authenticate,proxy-authorization,proxy-connection,te,\
    trailer,transfer-encoding,upgrade";
/// Further fields that mean something else.
const TAKEN: [&str; 5] = ["authorization", "content-length", "content-type", "host", "origin"];

/// What a header tells about a token.
type Say = fn(&AccessToken) -> Option<&str>;

/// What is told, the variable that names the header, and its usual name.
const TOLD: [(&str, &str, Say); 4] = [
    ("SUBJECT_HEADER", "x-auth-subject", AccessToken::subject),
    ("ISSUER_HEADER", "x-auth-issuer", AccessToken::issuer),
    ("CLIENT_HEADER", "x-auth-client", AccessToken::client),
    ("SCOPES_HEADER", "x-auth-scopes", |token| Some(token.scopes().as_str()).filter(|list| !list.is_empty())),
];

/// The variables of the gateway itself: everything that is wrong with them.
struct Variables(Vec<String>);

impl Variables {
    fn read<T>(&mut self, (name, or): (&str, &str), is: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let text = env::var_os(format!("GATEWAY_{name}"));
        let value = text.as_deref().map_or(Some(or), OsStr::to_str).and_then(read);
        if value.is_none() {
            self.0.push(format!("`GATEWAY_{name}` has to be {is}"));
        }
        value
    }

    fn new() -> Self {
        let names = env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
        let known = ["ALLOWED_ORIGINS", "LISTEN", "UPSTREAM"].into_iter().chain(TOLD.map(|(told, ..)| told));
        let is_known = |own: &str| known.clone().any(|known| known == own);
        let unknown = names.filter(|name| name.strip_prefix("GATEWAY_").is_some_and(|own| !is_known(own)));
        Self(unknown.map(|name| format!("`{name}` is no setting")).collect())
    }
}

/// The way to the server behind.
struct Gateway {
    client: Client<HttpConnector, Body>,
    upstream: Authority,
    headers: Vec<(HeaderName, Say)>,
}

impl Gateway {
    fn new(variables: &mut Variables) -> Option<Self> {
        let upstream = variables.read(("UPSTREAM", ""), "http://host:port", |url| {
            let (host, port) = url.strip_prefix("http://")?.trim_end_matches('/').rsplit_once(':')?;
            let is_plain = !host.is_empty() && !host.contains('@') && port.parse::<u16>().is_ok();
            if is_plain { format!("{host}:{port}").parse().ok() } else { None }
        });
        let mut headers: Vec<(HeaderName, Say)> = Vec::new();
        for (variable, usual, say) in TOLD {
            let is_free = |own: &HeaderName| {
                let taken = OF_ONE_CONNECTION.split(',').chain(TAKEN).any(|name| name == own.as_str());
                !taken && !headers.iter().any(|(known, _)| is_same(known, own))
            };
            let read = |name: &str| match name {
                "" => Some(None),
                name => name.parse().ok().filter(is_free).map(Some),
            };
            let name = variables.read((variable, usual), "a header of its own, or empty", read);
            headers.extend(name.flatten().map(|name| (name, say)));
        }
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(Duration::from_secs(5)));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        Some(Self { client, upstream: upstream?, headers })
    }

    async fn forward(&self, mut request: Request<Body>) -> Result<Response<Body>, StatusCode> {
        let token = request.extensions().get::<AccessToken>().cloned();
        // HTTP/2 has the host there, and so has a request as to a proxy.
        let host = request.uri().authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
        let host = host.or_else(|| request.headers().get(HOST).cloned());
        let path = request.uri().path_and_query().filter(|path| path.as_str().starts_with('/'));
        let uri = Uri::builder().scheme(Scheme::HTTP).authority(self.upstream.clone());
        let uri = uri.path_and_query(path.ok_or(StatusCode::BAD_REQUEST)?.clone()).build();
        *request.uri_mut() = uri.map_err(|_| StatusCode::BAD_REQUEST)?;
        *request.version_mut() = Version::HTTP_11;
        request.extensions_mut().clear();
        remove_fields_of_one_connection(request.headers_mut());
        if let Some(host) = host {
            request.headers_mut().insert(HOST, host);
        }
        self.say_who_asks(request.headers_mut(), token.as_ref());
        let unanswered = |error| {
            tracing::warn!(error = &error as &dyn Error, "the server behind does not answer");
            StatusCode::BAD_GATEWAY
        };
        let mut response = self.client.request(request).await.map_err(unanswered)?.map(Body::new);
        // Its version is that of another connection.
        *response.version_mut() = Version::HTTP_11;
        remove_fields_of_one_connection(response.headers_mut());
        Ok(response)
    }

    /// Takes away what a client claims to be, and puts in its place what the token says.
    fn say_who_asks(&self, headers: &mut HeaderMap, token: Option<&AccessToken>) {
        let usual = TOLD.map(|(_, usual, _)| HeaderName::from_static(usual));
        let is_ours = |name: &&HeaderName| {
            self.headers.iter().map(|(own, _)| own).chain(&usual).any(|own| is_same(own, name))
        };
        let forged: Vec<HeaderName> = headers.keys().filter(is_ours).cloned().collect();
        for name in forged {
            headers.remove(name);
        }
        for (name, say) in &self.headers {
            if let Some(value) = token.and_then(say).and_then(|text| encoded(text).try_into().ok()) {
                headers.insert(name, value);
            }
        }
    }
}

/// Whether two names are the same to a server behind CGI, which does not tell `-` from `_` or `.`.
fn is_same(one: &HeaderName, other: &HeaderName) -> bool {
    let plain = |name: &HeaderName| name.as_str().replace(|byte: char| !byte.is_ascii_alphanumeric(), "-");
    plain(one) == plain(other)
}

/// The text of a header, from which the original can be told: spaces at its ends would be lost.
fn encoded(text: &str) -> String {
    let one = |(at, byte)| match byte {
        b' ' if at > 0 && at + 1 < text.len() => " ".to_owned(),
        b'!'..=b'~' if byte != b'%' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().enumerate().map(one).collect()
}

fn remove_fields_of_one_connection(headers: &mut HeaderMap) {
    let lists = headers.get_all(CONNECTION).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let names = lists.chain([OF_ONE_CONNECTION.into()]).collect::<Vec<_>>().join(",");
    for name in names.split(',') {
        headers.remove(name.trim());
    }
}

/// Answers preflights, and every other `OPTIONS` request.
fn cors(variables: &mut Variables) -> Option<CorsLayer> {
    let origins = variables.read(("ALLOWED_ORIGINS", ""), "a list of origins, or `*`", |list| {
        let origins = list.split(',').map(str::trim).filter(|origin| !origin.is_empty());
        match origins.map(HeaderValue::from_str).collect::<Result<Vec<_>, _>>().ok()?.as_slice() {
            [any] if any == "*" => Some(AllowOrigin::any()),
            list => (!list.iter().any(|origin| origin == "*")).then(|| AllowOrigin::list(list.to_vec())),
        }
    })?;
    let layer = CorsLayer::new().allow_origin(origins).max_age(Duration::from_secs(600));
    let layer =
        layer.allow_methods(AllowMethods::mirror_request()).allow_headers(AllowHeaders::mirror_request());
    Some(layer.expose_headers([header::WWW_AUTHENTICATE, header::RETRY_AFTER]))
}

/// Ends when the process is asked to.
async fn asked_to_stop() {
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! { _ = terminate.recv() => return, _ = tokio::signal::ctrl_c() => return }
    }
    let _ = tokio::signal::ctrl_c().await;
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let mut given = Variables::new();
    let auth = Settings::from_env("AUTH").and_then(|settings| settings.layer());
    let auth = auth.map_err(|error| given.0.push(error.to_string()));
    let socket = |text: &str| text.parse::<std::net::SocketAddr>().ok();
    let at = given.read(("LISTEN", "127.0.0.1:8080"), "an address and a port", socket);
    let (gateway, cors) = (Gateway::new(&mut given), cors(&mut given));
    let (Ok(auth), Some(at), Some(gateway), Some(cors), []) = (auth, at, gateway, cors, &*given.0) else {
        eprintln!("{}", given.0.join("\n"));
        return Ok(ExitCode::FAILURE);
    };
    let forward = async |State(gateway): State<Arc<Gateway>>, request| gateway.forward(request).await;
    let app = Router::new().fallback(forward).with_state(Arc::new(gateway));
    let app = if let Some(auth) = auth { app.layer(auth) } else { app };
    let app = app.route("/healthz", get(async || "ok\n")).layer(cors);
    let listener = tokio::net::TcpListener::bind(at).await?;
    eprintln!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).with_graceful_shutdown(asked_to_stop()).await?;
    Ok(ExitCode::SUCCESS)
}
