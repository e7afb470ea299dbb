//! A server of MCP whose tools need different scopes, and whose sessions belong to whoever opened them.
//!
//!     cargo run --example mcp --all-features
//!
//! It prints what to `curl`. Clients of MCP find the provider by themselves: they follow the answer to a first request.
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::sync::Arc;

use axum::Router;
use http::request::Parts;
use rmcp::handler::server::tool::Extension;
use rmcp::transport::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::{tool, tool_router};
use serde_json::json;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{
    AccessToken, AuthLayer, CacheLayer, HostGuard, JwtVerifier, SessionBinding, TokenVerifier,
};

const MCP: &str = "http://127.0.0.1:3000/mcp";
const FIELDS: &str = "-H 'Mcp-Method: tools/call' -H 'Mcp-Protocol-Version: 2026-07-28' \
    -H 'Accept: application/json, text/event-stream' -H 'Content-Type: application/json'";

struct Files;

#[tool_router(server_handler)]
impl Files {
    #[tool(description = "Tells who calls")]
    async fn whoami(&self, Extension(parts): Extension<Parts>) -> Result<String, String> {
        Ok(AccessToken::from_parts(&parts)?.subject().unwrap_or("?").to_owned())
    }

    #[tool(description = "Deletes all files")]
    async fn delete(&self, Extension(parts): Extension<Parts>) -> Result<String, String> {
        AccessToken::from_parts(&parts)?.require_scopes(["files:delete"])?;
        Ok("deleted".to_owned())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let provider = TestIssuer::start().await?;
    let verifier = JwtVerifier::builder(provider.issuer(), MCP).build()?.cached(CacheLayer::new());
    let auth = AuthLayer::builder(verifier)
        .resource(MCP)
        .required_scopes(["mcp:use"])
        .scopes_supported(["mcp:use", "files:delete"])
        .build()?;
    let sessions = Arc::<LocalSessionManager>::default();
    let mcp = StreamableHttpService::new(|| Ok(Files), sessions, Default::default());
    let metadata = auth.metadata().map(|about| about.url().to_owned()).unwrap_or_default();
    let bound = Router::new().route_service("/mcp", mcp).layer(SessionBinding::new());
    let app = bound.layer(auth).layer(HostGuard::loopback());

    println!("401, and where to go:\n  curl -i {MCP}\nthere:\n  curl -i {metadata}");
    for (scope, tool) in [("mcp:use", "whoami"), ("mcp:use", "delete"), ("mcp:use files:delete", "delete")] {
        let token = provider.token().subject("alice").audience(MCP).scope(scope).mint();
        let about = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} });
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool, "_meta": about } });
        println!("calls {tool} with {scope}:");
        println!(
            "  curl -i {MCP} -H 'Authorization: Bearer {token}' -H 'Mcp-Name: {tool}' {FIELDS} -d '{call}'"
        );
    }
    axum::serve(tokio::net::TcpListener::bind("127.0.0.1:3000").await?, app).await?;
    Ok(())
}
