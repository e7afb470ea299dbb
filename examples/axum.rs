//! Scopes for single routes, a route for everybody, and tokens of two issuers.
//!
//!     cargo run --example axum --all-features
//!
//! It prints what to `curl`.
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use axum::Router;
use axum::routing::{delete, get};
use tower_bearer::extract::{RequiredScopes, Scoped};
use tower_bearer::scope::ScopeHierarchy;
use tower_bearer::testing::TestIssuer;
use tower_bearer::verifier::ByIssuer;
use tower_bearer::{AccessToken, AuthLayer, JwtVerifier, RequireClaims, RequireScopes, TokenVerifier};

const API: &str = "http://127.0.0.1:3000";

/// The scopes of one operation, for an argument of its handler.
struct Delete;

impl RequiredScopes for Delete {
    const ALL: &'static [&'static str] = &["files:delete"];
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (own, partner) = (TestIssuer::start().await?, TestIssuer::start().await?);
    let trusting =
        |issuer: &TestIssuer| JwtVerifier::builder(issuer.issuer(), API).build().map(TokenVerifier::boxed);
    let auth = AuthLayer::builder(ByIssuer::new([trusting(&own)?, trusting(&partner)?])?)
        .scope_hierarchy(ScopeHierarchy::new().contains("files:delete", ["files:read"]))
        .optional()
        .build()?;

    let hello = async |token: Option<AccessToken>| match token {
        Some(token) => format!("hello, {:?} of {:?}\n", token.subject(), token.issuer()),
        None => "hello, whoever you are\n".to_owned(),
    };
    let admin = |token: &AccessToken| token.claim::<String>("role").as_deref() == Some("admin");
    let app = Router::new()
        .route("/", get(hello))
        .route("/files", get(async || "a b c\n").route_layer(RequireScopes::all(["files:read"])?))
        .route("/files", delete(async |_: Scoped<Delete>| "deleted\n"))
        .route("/admin", get(async || "the keys of the house\n").route_layer(RequireClaims::new(admin)))
        // Last, so that it is around all of them.
        .layer(auth);

    let alice = own.token().subject("alice").audience(API).scope("files:read").mint();
    let bob =
        partner.token().subject("bob").audience(API).scope("files:delete").claim("role", "admin").mint();
    println!("nobody:                 curl -i {API}/");
    println!("alice:                  curl -i {API}/ -H 'Authorization: Bearer {alice}'");
    println!("reads:                  curl -i {API}/files -H 'Authorization: Bearer {alice}'");
    println!("may not delete, 403:    curl -i -X DELETE {API}/files -H 'Authorization: Bearer {alice}'");
    println!("no role, 403:           curl -i {API}/admin -H 'Authorization: Bearer {alice}'");
    println!("bob, of a partner:      curl -i {API}/admin -H 'Authorization: Bearer {bob}'");
    println!("deletes, hence reads:   curl -i {API}/files -H 'Authorization: Bearer {bob}'");
    println!("no token, 401:          curl -i {API}/files");
    axum::serve(tokio::net::TcpListener::bind("127.0.0.1:3000").await?, app).await?;
    Ok(())
}
