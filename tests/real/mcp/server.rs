//! An MCP server on loopback, with the layer around it or without.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::{Method, StatusCode, header};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower::ServiceBuilder;
use tower_bearer::clock::Clock;
use tower_bearer::{AuthLayer, CacheLayer, JwtVerifier, SessionBinding, TokenVerifier};

use super::everything::Everything;

/// What every token needs, and what the tool `delete` needs besides.
pub(super) const BASE: &str = "mcp:use";
pub(super) const ALL: &str = "mcp:use files:delete";

/// A clock that can be put forward.
#[derive(Clone, Debug, Default)]
pub(super) struct Fast(Arc<AtomicU64>);

impl Fast {
    pub(super) fn advance(&self, span: Duration) {
        self.0.fetch_add(span.as_secs(), Ordering::Relaxed);
    }
}

impl Clock for Fast {
    fn now(&self) -> SystemTime {
        SystemTime::now() + Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

/// An answer of the server, as a client saw it.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) status: StatusCode,
    pub(super) challenge: Option<String>,
}

type Answers = Arc<Mutex<Vec<Answer>>>;

/// A server on loopback. It ends with this value.
pub(super) struct Server {
    address: SocketAddr,
    answers: Answers,
    task: JoinHandle<()>,
}

impl Server {
    /// A server for the tokens of one issuer.
    pub(super) async fn protected(issuer: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let resource = format!("http://{}/mcp", listener.local_addr().unwrap());
        let clock = Fast::default();
        let verifier = JwtVerifier::builder(issuer, &*resource)
            .build()
            .unwrap()
            .cached(CacheLayer::builder().clock(clock.clone()).build().unwrap());
        let auth = AuthLayer::builder(verifier)
            .resource(&*resource)
            .required_scopes([BASE])
            .scopes_supported(ALL.split(' '))
            .clock(clock.clone())
            .build()
            .unwrap();
        Self::serve(
            listener,
            mcp(clock).layer(ServiceBuilder::new().layer(auth).layer(SessionBinding::new())),
        )
    }

    /// The same without any protection.
    pub(super) async fn open() -> Self {
        Self::serve(TcpListener::bind("127.0.0.1:0").await.unwrap(), mcp(Fast::default()))
    }

    fn serve(listener: TcpListener, app: Router) -> Self {
        let (address, answers) = (listener.local_addr().unwrap(), Answers::default());
        let app = app.layer(from_fn_with_state(Arc::clone(&answers), record));
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, answers, task }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn resource(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    pub(super) fn metadata(&self) -> String {
        metadata_url(&self.resource())
    }

    /// Everything that was answered so far, in order.
    pub(super) fn answers(&self) -> Vec<Answer> {
        self.answers.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// RFC 9728 §3.1: before the path.
fn metadata_url(resource: &str) -> String {
    resource.replace("/mcp", "/.well-known/oauth-protected-resource/mcp")
}

async fn record(State(answers): State<Answers>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    let challenge = response.headers().get(header::WWW_AUTHENTICATE);
    let challenge = challenge.map(|value| value.to_str().unwrap().to_owned());
    answers.lock().unwrap().push(Answer { method, path, status: response.status(), challenge });
    response
}

fn mcp(clock: Fast) -> Router {
    let sessions = Arc::new(LocalSessionManager::default());
    let service = StreamableHttpService::new(
        move || Ok(Everything::new(clock.clone())),
        sessions,
        StreamableHttpServerConfig::default(),
    );
    Router::new().route_service("/mcp", service)
}
