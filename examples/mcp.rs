//! A server of MCP whose tools need different scopes.
//!
//!     cargo run --example mcp --all-features
//!
//! It prints what to `curl`. A client of MCP finds the provider by itself: it follows the answer to its first request.
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::sync::Arc;

use axum::Router;
use http::request::Parts;
use rmcp::handler::server::tool::Extension;
use rmcp::transport::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::{tool, tool_router};
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AccessToken, AuthLayer, CacheLayer, JwtVerifier, TokenVerifier};

const MCP: &str = "http://127.0.0.1:3000/mcp";

#[derive(Clone)]
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
    let mcp = StreamableHttpService::new(
        || Ok(Files),
        Arc::new(LocalSessionManager::default()),
        Default::default(),
    );
    let app = Router::new().route_service("/mcp", mcp).layer(auth);

    let token = |scope| provider.token().subject("alice").audience(MCP).scope(scope).mint();
    let curl = format!(
        "curl -i {MCP} -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream'"
    );
    let call = |tool| {
        format!(
            r#"-H 'Mcp-Protocol-Version: 2026-07-28' -H 'Mcp-Method: tools/call' -H 'Mcp-Name: {tool}' -d '{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}},"io.modelcontextprotocol/clientInfo":{{"name":"curl","version":"8"}}}}}}}}'"#
        )
    };
    println!("no token, 401:   curl -i {MCP}");
    println!("its metadata:    curl -i http://127.0.0.1:3000/.well-known/oauth-protected-resource/mcp");
    println!("served:          {curl} -H 'Authorization: Bearer {}' {}", token("mcp:use"), call("whoami"));
    println!("step up, 403:    {curl} -H 'Authorization: Bearer {}' {}", token("mcp:use"), call("delete"));
    println!(
        "deletes:         {curl} -H 'Authorization: Bearer {}' {}",
        token("mcp:use files:delete"),
        call("delete")
    );
    axum::serve(tokio::net::TcpListener::bind("127.0.0.1:3000").await?, app).await?;
    Ok(())
}
