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
//!     curl -i -X OPTIONS http://127.0.0.1:8080/ -H 'Origin: https://app' -H 'Access-Control-Request-Method: GET' # 204
//!
//! What protects it is in `AUTH_…`: a provider by name or an issuer, scopes, the cache; docs/settings.md has them all.
//! The rest is `GATEWAY_…`:
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `UPSTREAM` | | the server behind: `http://host:port`; TLS to it is for a mesh or a tunnel |
//! | `LISTEN` | `127.0.0.1:8080` | where to listen; `0.0.0.0:8080` in a container |
//! | `ALLOWED_ORIGINS` | none | pages whose scripts may call, separated by commas |
//! | `SUBJECT_HEADER` | `x-auth-subject` | whom the token is about; empty for not at all, as the next three |
//! | `ISSUER_HEADER` | `x-auth-issuer` | who says so: subjects mean nothing without it |
//! | `CLIENT_HEADER` | `x-auth-client` | the client |
//! | `SCOPES_HEADER` | `x-auth-scopes` | the scopes, separated by spaces |
//!
//! In these headers `%` and what is not visible ASCII is percent-encoded. `SIGTERM` lets requests end, for ten seconds
//! at most. A path `/healthz` of the server behind is not reachable.
#![allow(clippy::print_stderr, reason = "an example talks to whoever runs it")]

use std::error::Error;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::get;
use http::header::{CONNECTION, HeaderMap, ORIGIN};
use http::uri::{Authority, Scheme};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Deserialize;
use tower_bearer::AccessToken;
use tower_bearer::settings::Settings;
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

/// How long requests may take to end when the gateway has been told to.
const GRACE: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Fields that are for one connection and not for the next ([RFC 9110 §7.6.1]), besides those that `Connection` names.
///
/// [RFC 9110 §7.6.1]: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
const OF_ONE_CONNECTION: &str = "connection,keep-alive,proxy-authenticate,proxy-authorization,proxy-connection,te,trailer,transfer-encoding,upgrade";

/// The variables of the gateway itself.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Variables {
    upstream: String,
    listen: SocketAddr,
    allowed_origins: String,
    subject_header: String,
    issuer_header: String,
    client_header: String,
    scopes_header: String,
}

impl Default for Variables {
    fn default() -> Self {
        Self {
            upstream: String::new(),
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            allowed_origins: String::new(),
            subject_header: "x-auth-subject".to_owned(),
            issuer_header: "x-auth-issuer".to_owned(),
            client_header: "x-auth-client".to_owned(),
            scopes_header: "x-auth-scopes".to_owned(),
        }
    }
}

/// What a header tells about a token.
type Say = fn(&AccessToken) -> Option<&str>;

/// The way to the server behind.
struct Gateway {
    client: Client<HttpConnector, Body>,
    upstream: Authority,
    headers: Vec<(HeaderName, Say)>,
}

impl Gateway {
    fn new(variables: &Variables) -> Result<Self, Box<dyn Error>> {
        let upstream =
            variables.upstream.strip_prefix("http://").map(|host| host.trim_end_matches('/').parse());
        let upstream = upstream.and_then(Result::ok).ok_or("GATEWAY_UPSTREAM has to be http://host:port")?;
        let named: [(&String, Say); 4] = [
            (&variables.subject_header, AccessToken::subject),
            (&variables.issuer_header, AccessToken::issuer),
            (&variables.client_header, AccessToken::client),
            (&variables.scopes_header, |token| Some(token.scopes().as_str()).filter(|list| !list.is_empty())),
        ];
        let named = named.into_iter().filter(|(name, _)| !name.is_empty());
        let headers =
            named.map(|(name, say)| Ok((name.parse()?, say))).collect::<Result<_, Box<dyn Error>>>()?;
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        Ok(Self { client, upstream, headers })
    }

    async fn forward(&self, mut request: Request<Body>) -> Result<Response<Body>, StatusCode> {
        if is_preflight(&request) {
            return Err(StatusCode::NO_CONTENT);
        }
        let token = request.extensions().get::<AccessToken>().cloned();
        let path = request.uri().path_and_query().filter(|path| path.as_str().starts_with('/'));
        let uri = Uri::builder().scheme(Scheme::HTTP).authority(self.upstream.clone());
        let uri = uri.path_and_query(path.ok_or(StatusCode::BAD_REQUEST)?.clone()).build();
        *request.uri_mut() = uri.map_err(|_| StatusCode::BAD_REQUEST)?;
        *request.version_mut() = http::Version::HTTP_11;
        request.extensions_mut().clear();
        remove_fields_of_one_connection(request.headers_mut());
        self.say_who_asks(request.headers_mut(), token.as_ref());
        match self.client.request(request).await {
            Ok(response) => {
                let mut response = response.map(Body::new);
                // Its version is that of another connection.
                *response.version_mut() = http::Version::HTTP_11;
                remove_fields_of_one_connection(response.headers_mut());
                Ok(response)
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn Error, "the server behind does not answer");
                Err(StatusCode::BAD_GATEWAY)
            }
        }
    }

    /// Takes away what a client claims to be, also in the spelling that servers behind CGI do not tell apart, and puts
    /// in its place what the token says.
    fn say_who_asks(&self, headers: &mut HeaderMap, token: Option<&AccessToken>) {
        let is_ours = |name: &&HeaderName| {
            let name = name.as_str().replace('_', "-");
            self.headers.iter().any(|(own, _)| own.as_str().replace('_', "-") == name)
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

/// The text of a header, from which the original can be told.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => write!(encoded, "%{byte:02X}").unwrap_or_default(),
        }
        encoded
    })
}

fn is_preflight(request: &Request<Body>) -> bool {
    let has = |name| request.headers().contains_key(name);
    request.method() == Method::OPTIONS && has(ORIGIN) && has(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn remove_fields_of_one_connection(headers: &mut HeaderMap) {
    let lists = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let names = lists.chain([OF_ONE_CONNECTION]).collect::<Vec<_>>().join(",");
    for name in names.split(',') {
        headers.remove(name.trim());
    }
}

/// Answers the preflights of pages that may call.
fn cors(variables: &Variables) -> Result<Option<CorsLayer>, Box<dyn Error>> {
    let origins = variables.allowed_origins.split(',').map(str::trim).filter(|origin| !origin.is_empty());
    let origins = origins.map(HeaderValue::from_str).collect::<Result<Vec<_>, _>>()?;
    let layer = CorsLayer::new()
        .allow_methods(AllowMethods::mirror_request())
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([header::WWW_AUTHENTICATE, header::RETRY_AFTER])
        .max_age(Duration::from_secs(600));
    Ok((!origins.is_empty()).then(|| layer.allow_origin(AllowOrigin::list(origins))))
}

/// Ends when the process is asked to.
async fn asked_to_stop() {
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = terminate.recv() => return,
            _ = tokio::signal::ctrl_c() => return,
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let settings = Settings::from_env("AUTH")?;
    let variables = config::Config::builder().add_source(config::Environment::with_prefix("GATEWAY"));
    let variables: Variables = variables.build()?.try_deserialize()?;
    let gateway = Arc::new(Gateway::new(&variables)?);
    let forward = async |State(gateway): State<Arc<Gateway>>, request| gateway.forward(request).await;
    let forwarding = Router::new().fallback(forward).with_state(gateway);
    let forwarding = match settings.layer()? {
        Some(auth) => forwarding.layer(auth),
        None => forwarding,
    };
    let app = forwarding
        .route("/healthz", get(async || "ok\n"))
        .layer(tower::util::option_layer(cors(&variables)?));
    let listener = tokio::net::TcpListener::bind(variables.listen).await?;
    eprintln!("listening on http://{}", listener.local_addr()?);
    let served = axum::serve(listener, app).with_graceful_shutdown(asked_to_stop());
    let impatience = async {
        asked_to_stop().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = served => Ok(served?),
        () = impatience => Ok(()),
    }
}
