//! How an application tests its own routes: with a token, without one, and without the scope. No provider, no network.
//!
//!     cargo run --example testing --all-features
//!
//! It prints what it checked. In a project of yours the checks are `#[tokio::test]` functions, and this crate is a
//! dev-dependency with the feature `testing`.
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::get;
use http::Request;
use tower::ServiceExt;
use tower_bearer::testing::assert_rejected;
use tower_bearer::verifier::StaticTokens;
use tower_bearer::{AccessToken, AuthLayer, BuildError, RequireScopes, TokenVerifier};

async fn hello(token: AccessToken) -> String {
    format!("hello {}", token.subject().unwrap_or("?"))
}

/// The application. In production the verifier is a `JwtVerifier`, say.
fn app(verifier: impl TokenVerifier + 'static) -> Result<Router, BuildError> {
    let auth = AuthLayer::builder(verifier)
        .resource("https://api.example.com")
        .authorization_servers(["https://idp.example.com/"])
        .build()?;
    Ok(Router::new()
        .route("/hello", get(hello))
        .route("/files", get(async || "a b c").route_layer(RequireScopes::all(["files:read"])?))
        .layer(auth))
}

/// Asks an application that knows two tokens.
async fn ask(path: &str, token: Option<&str>) -> Result<Response, Box<dyn std::error::Error>> {
    let verifier = StaticTokens::for_tests([
        ("alice-token", AccessToken::for_tests("alice", "files:read")),
        ("bob-token", AccessToken::for_tests("bob", "")),
    ]);
    let mut request = Request::get(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    Ok(app(verifier)?.oneshot(request.body(Body::empty())?).await?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let metadata = "https://api.example.com/.well-known/oauth-protected-resource";
    assert_rejected(&ask("/hello", None).await?).status(401).without_error().resource_metadata(metadata);
    assert_rejected(&ask("/hello", Some("unknown")).await?).status(401).error("invalid_token");
    println!("without a good token nobody gets in");
    assert_eq!(ask("/hello", Some("bob-token")).await?.status(), 200);
    assert_eq!(ask("/files", Some("alice-token")).await?.status(), 200);
    println!("with one they do");
    let lacking = ask("/files", Some("bob-token")).await?;
    assert_rejected(&lacking).status(403).error("insufficient_scope").scopes(["files:read"]);
    println!("without the scope there are no files");
    assert_eq!(hello(AccessToken::for_tests("alice", "")).await, "hello alice");
    println!("the handler greets whom it should");
    Ok(())
}
