//! A server of MCP behind the layer: tools that need different scopes, and what clients of each revision are answered.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use common::{Counting, parse_challenge};
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use rmcp::handler::server::tool::Extension;
use rmcp::model::ErrorData;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{tool, tool_router};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tower::ServiceExt;
use tower_bearer::error::{RejectionKind, VerifyErrorKind};
use tower_bearer::{AccessToken, AuthLayer, Rejection, ScopeSet};

const RESOURCE: &str = "https://mcp.example.com/mcp";
const METADATA: &str = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";
/// What a client of 2026-07-28 says in every request.
const NEWEST: &str = "2026-07-28";
const SESSIONS: &str = "2025-11-25";

#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn refused(rejection: Rejection) -> ErrorData {
    ErrorData::invalid_request(rejection.to_string(), None)
}

/// Counts how often something was really done.
#[derive(Clone, Default)]
struct Files {
    deleted: Arc<AtomicUsize>,
    go_on: Arc<Notify>,
}

#[tool_router(server_handler)]
impl Files {
    #[tool(description = "Who calls")]
    async fn whoami(&self, Extension(parts): Extension<Parts>) -> Result<String, ErrorData> {
        Ok(AccessToken::from_parts(&parts).map_err(refused)?.subject().unwrap_or("?").to_owned())
    }

    #[tool(description = "Deletes a file")]
    async fn delete(&self, Extension(parts): Extension<Parts>) -> Result<String, ErrorData> {
        let token = AccessToken::from_parts(&parts).map_err(refused)?;
        token.require_scopes(["files:delete"]).map_err(refused)?;
        self.deleted.fetch_add(1, Ordering::SeqCst);
        Ok("deleted".to_owned())
    }

    #[tool(description = "Deletes a file, in one line")]
    async fn remove(&self, Extension(parts): Extension<Parts>) -> Result<String, String> {
        AccessToken::from_parts(&parts)?.require_scopes(["files:delete"])?;
        Ok("removed".to_owned())
    }

    #[tool(description = "Needs two operations, and asks for their scopes one after the other")]
    async fn shred(&self, Extension(parts): Extension<Parts>) -> Result<String, ErrorData> {
        let token = AccessToken::from_parts(&parts).map_err(refused)?;
        let (one, other) = (token.require_scopes(["files:delete"]), token.require_scopes(["files:write"]));
        one.and(other).map_err(refused)?;
        Ok("shredded".to_owned())
    }

    #[tool(description = "Asks too late")]
    async fn dawdle(&self, Extension(parts): Extension<Parts>) -> Result<String, ErrorData> {
        self.go_on.notified().await;
        AccessToken::from_parts(&parts)
            .map_err(refused)?
            .require_scopes(["files:delete"])
            .map_err(refused)?;
        Ok("done".to_owned())
    }
}

fn verifier() -> Counting {
    Counting::new(|token| {
        let scopes = match token {
            "reader" => "mcp:use",
            "deleter" => "mcp:use files:delete",
            _ => return Err(VerifyErrorKind::Inactive.into()),
        };
        Ok(AccessToken::verified().subject("alice").scopes(ScopeSet::parse(scopes)).build())
    })
}

struct Server {
    app: Router,
    files: Files,
}

impl Server {
    fn start(configure: impl FnOnce(StreamableHttpServerConfig) -> StreamableHttpServerConfig) -> Self {
        let files = Files::default();
        let tools = files.clone();
        let config = configure(StreamableHttpServerConfig::default().disable_allowed_hosts());
        let mcp = StreamableHttpService::new(
            move || Ok(tools.clone()),
            Arc::new(LocalSessionManager::default()),
            config,
        );
        let auth = AuthLayer::builder(verifier()).resource(RESOURCE).required_scopes(["mcp:use"]);
        let auth = auth.scopes_supported(["mcp:use", "files:delete"]).build().unwrap();
        Self { app: Router::new().route_service("/mcp", mcp).layer(auth), files }
    }

    async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.app.clone().oneshot(request).await.unwrap()
    }

    /// Calls a tool as a client of the newest revision does: every request stands alone.
    async fn call(&self, token: &str, tool: &str) -> Response<Body> {
        let about = json!({
            "io.modelcontextprotocol/protocolVersion": NEWEST,
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let request = post(token, NEWEST);
        self.send(
            request
                .header("mcp-method", "tools/call")
                .header("mcp-name", tool)
                .body(body(&call(tool, &about)))
                .unwrap(),
        )
        .await
    }

    /// Opens a session as a client of an older revision does.
    async fn open(&self, token: &str) -> String {
        let message = json!({
            "jsonrpc": "2.0", "id": 0, "method": "initialize",
            "params": {
                "protocolVersion": SESSIONS, "capabilities": {},
                "clientInfo": { "name": "test", "version": "1" },
            },
        });
        let response = self.send(post(token, SESSIONS).body(body(&message)).unwrap()).await;
        assert_eq!(response.status(), 200);
        let session = response.headers()["mcp-session-id"].to_str().unwrap().to_owned();
        drop(response.into_body().collect().await.unwrap());
        let message = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let request = post(token, SESSIONS).header("mcp-session-id", &session).body(body(&message));
        assert_eq!(self.send(request.unwrap()).await.status(), 202);
        session
    }

    async fn call_in(&self, session: &str, token: &str, tool: &str) -> Response<Body> {
        let message = call(tool, &json!({}));
        let request = post(token, SESSIONS).header("mcp-session-id", session);
        self.send(request.body(body(&message)).unwrap()).await
    }
}

fn call(tool: &str, about: &Value) -> Value {
    json!({
        "jsonrpc": "2.0", "id": 7, "method": "tools/call",
        "params": { "name": tool, "arguments": {}, "_meta": about },
    })
}

fn post(token: &str, version: &str) -> http::request::Builder {
    Request::post("/mcp")
        .header("host", "mcp.example.com")
        .header("authorization", format!("Bearer {token}"))
        .header("accept", "application/json, text/event-stream")
        .header("content-type", "application/json")
        .header("mcp-protocol-version", version)
}

fn body(message: &Value) -> Body {
    Body::from(message.to_string())
}

/// The message in an answer, whether it came as JSON or as the first event with data.
async fn message(response: Response<Body>) -> Value {
    let mut body = response.into_body();
    let mut text = String::new();
    while let Some(frame) = body.frame().await {
        let Ok(bytes) = frame.unwrap().into_data() else { continue };
        text.push_str(std::str::from_utf8(&bytes).unwrap());
        let data = text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim);
        for candidate in data.chain([text.trim()]) {
            if let Ok(message) = serde_json::from_str::<Value>(candidate)
                && message.is_object()
            {
                return message;
            }
        }
    }
    panic!("no message: {text}");
}

fn assert_lacking(status: StatusCode, headers: &HeaderMap, scopes: &str) {
    assert_eq!(status, 403, "{headers:?}");
    let challenge = headers["www-authenticate"].to_str().unwrap();
    assert_eq!(
        challenge,
        format!(
            "Bearer error=\"insufficient_scope\", scope=\"{scopes}\", resource_metadata=\"{METADATA}\", \
             error_description=\"Additional scope is required\""
        )
    );
    parse_challenge(challenge).unwrap();
    assert_eq!(headers["cache-control"], "no-store");
}

#[tokio::test]
async fn a_tool_that_lacks_a_scope_is_answered_with_403_to_clients_of_the_newest_revision() {
    let server = Server::start(|config| config);
    let response = server.call("reader", "remove").await;
    assert_lacking(response.status(), response.headers(), "mcp:use files:delete");
    let response = server.call("reader", "delete").await;
    assert_lacking(response.status(), response.headers(), "mcp:use files:delete");
    let rejection = response.extensions().get::<Rejection>().unwrap();
    assert_eq!(rejection.kind(), RejectionKind::InsufficientScope);
    let text = response.into_body().collect().await.unwrap().to_bytes();
    let expected = r#"{"error":"insufficient_scope","error_description":"Additional scope is required"}"#;
    assert_eq!(text, expected.as_bytes());
    assert_eq!(server.files.deleted.load(Ordering::SeqCst), 0);

    let answer = message(server.call("deleter", "delete").await).await;
    assert_eq!(answer["result"]["content"][0]["text"], "deleted", "{answer}");
    let answer = message(server.call("reader", "whoami").await).await;
    assert_eq!(answer["result"]["content"][0]["text"], "alice", "{answer}");
    assert_eq!(server.files.deleted.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_challenge_names_the_scopes_of_all_operations_that_a_tool_asked_for() {
    let server = Server::start(|config| config);
    let response = server.call("reader", "shred").await;
    assert_lacking(response.status(), response.headers(), "mcp:use files:delete files:write");
    // Also of those that the token has: a client may ask for what it is told, and for nothing else.
    let response = server.call("deleter", "shred").await;
    assert_lacking(response.status(), response.headers(), "mcp:use files:delete files:write");
}

#[tokio::test]
async fn clients_with_sessions_are_answered_with_403_too_before_their_stream_begins() {
    let server = Server::start(|config| config);
    let session = server.open("reader").await;
    for _ in 0..100 {
        let response = server.call_in(&session, "reader", "delete").await;
        assert_lacking(response.status(), response.headers(), "mcp:use files:delete");
    }
    let answer = message(server.call_in(&session, "deleter", "delete").await).await;
    assert_eq!(answer["result"]["content"][0]["text"], "deleted", "{answer}");
    let answer = message(server.call_in(&session, "reader", "whoami").await).await;
    assert_eq!(answer["result"]["content"][0]["text"], "alice", "{answer}");
}

#[tokio::test]
async fn clients_without_sessions_are_answered_with_403_too_as_json_or_as_events() {
    for as_json in [false, true] {
        let server =
            Server::start(|config| config.with_legacy_session_mode(false).with_json_response(as_json));
        let message_of = call("delete", &json!({}));
        for (token, status) in [("reader", 403), ("deleter", 200)] {
            let response = server.send(post(token, SESSIONS).body(body(&message_of)).unwrap()).await;
            assert_eq!(response.status(), status, "{token} {as_json}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_asks_too_late_is_answered_with_an_error_of_mcp_on_a_stream() {
    let server = Server::start(|config| config);
    let session = server.open("reader").await;
    let started = tokio::time::Instant::now();
    let response = server.call_in(&session, "reader", "dawdle").await;
    assert_eq!(response.status(), 200);
    assert!(started.elapsed() <= Duration::from_millis(1_001), "{:?}", started.elapsed());
    server.files.go_on.notify_one();
    let answer = message(response).await;
    assert_eq!(answer["error"]["message"], "the token lacks a scope", "{answer}");
    // Where the whole answer is awaited, late is early enough.
    server.files.go_on.notify_one();
    let response = server.call("reader", "dawdle").await;
    assert_lacking(response.status(), response.headers(), "mcp:use files:delete");
}

#[tokio::test]
async fn whoever_has_no_token_reads_the_metadata_and_nothing_else() {
    let server = Server::start(|config| config);
    let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    let response = server.send(get("/.well-known/oauth-protected-resource/mcp")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        r#"{"resource":"https://mcp.example.com/mcp","authorization_servers":["https://as.example.com"],"scopes_supported":["mcp:use","files:delete"],"bearer_methods_supported":["header"]}"#
    );
    for path in ["/mcp", "/", "/.well-known/oauth-authorization-server"] {
        let response = server.send(get(path)).await;
        assert_eq!(response.status(), 401, "{path}");
        let expected = format!("Bearer scope=\"mcp:use\", resource_metadata=\"{METADATA}\"");
        assert_eq!(response.headers()["www-authenticate"], expected);
    }
}
