//! A service whose tokens are opaque, and whose provider is asked about each of them once.
//!
//!     cargo run --example introspection --all-features
//!
//! It prints what to `curl`. In life the issuer is the address of your provider, and the cache stays.
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use axum::Router;
use axum::routing::get;
use serde_json::json;
use tower_bearer::testing::TestIntrospection;
use tower_bearer::{AccessToken, AuthLayer, CacheLayer, IntrospectionVerifier, TokenVerifier};

const API: &str = "http://127.0.0.1:3000";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let provider = TestIntrospection::start().await?;
    let verifier = IntrospectionVerifier::builder(provider.issuer(), API)
        .client_secret_basic(provider.client_id(), provider.client_secret())
        .build()?
        .cached(CacheLayer::new());
    let auth = AuthLayer::builder(verifier).required_scopes(["read"]).build()?;
    let app = Router::new()
        .route("/me", get(|token: AccessToken| async move { format!("{token:#?}\n") }))
        .layer(auth);

    let token = |scope: &str| provider.token(json!({ "sub": "alice", "aud": API, "scope": scope }));
    println!("good:           curl -i {API}/me -H 'Authorization: Bearer {}'", token("read write"));
    println!("without scope:  curl -i {API}/me -H 'Authorization: Bearer {}'", token("write"));
    println!("unknown:        curl -i {API}/me -H 'Authorization: Bearer 0123456789abcdef'");
    axum::serve(tokio::net::TcpListener::bind("127.0.0.1:3000").await?, app).await?;
    Ok(())
}
