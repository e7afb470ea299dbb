//! A verifier of your own, in fifteen lines: API keys from a table.
//!
//!     cargo run --example verifier
//!     curl -i http://127.0.0.1:3000/
//!     curl -i http://127.0.0.1:3000/ -H 'Authorization: Bearer key-of-ci'
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::collections::HashMap;

use axum::Router;
use axum::routing::get;
use tower_bearer::error::VerifyErrorKind;
use tower_bearer::{AccessToken, AuthLayer, BearerToken, ScopeSet, TokenVerifier, VerifyError};

/// Who has which key. A real table holds digests, in a database.
struct ApiKeys {
    owners: HashMap<&'static str, &'static str>,
}

impl TokenVerifier for ApiKeys {
    async fn verify(&self, token: &BearerToken) -> Result<AccessToken, VerifyError> {
        let Some(owner) = self.owners.get(token.as_str()) else {
            return Err(VerifyError::rejected(VerifyErrorKind::Inactive));
        };
        Ok(AccessToken::verified().subject(*owner).scopes(ScopeSet::parse("build")).build())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keys = ApiKeys { owners: HashMap::from([("key-of-ci", "ci")]) };
    let auth = AuthLayer::builder(keys).required_scopes(["build"]).build()?;
    let app = Router::new()
        .route("/", get(|token: AccessToken| async move { format!("{}\n", token.subject().unwrap_or("?")) }))
        .layer(auth);
    println!("listening on http://127.0.0.1:3000");
    axum::serve(tokio::net::TcpListener::bind("127.0.0.1:3000").await?, app).await?;
    Ok(())
}
