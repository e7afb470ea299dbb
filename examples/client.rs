//! The other side: calls a protected API, reads its challenges, and comes back when it is asked to.
//!
//!     cargo run --example client --all-features
//!
//! The API and its provider run in this process. The provider is down at first, so that the API cannot tell at once.
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use http::StatusCode;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use tokio::net::TcpListener;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AccessToken, AuthLayer, JwtVerifier};

const API: &str = "http://127.0.0.1:3000";

async fn serve(provider: &TestIssuer) -> Result<(), Box<dyn std::error::Error>> {
    let verifier = JwtVerifier::builder(provider.issuer(), API).build()?;
    let auth = AuthLayer::builder(verifier).resource(API).required_scopes(["read"]).build()?;
    let app = Router::new()
        .route("/me", get(|token: AccessToken| async move { token.subject().unwrap_or("?").to_owned() }))
        .layer(auth);
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(())
}

/// What a client does with each answer. None: nothing more to be done with this token.
async fn call(client: &reqwest::Client, token: &str) -> Result<Option<String>, reqwest::Error> {
    for _ in 0..3 {
        let response = client.get(format!("{API}/me")).bearer_auth(token).send().await?;
        let header =
            |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        println!("{} {}{}", response.status(), header(WWW_AUTHENTICATE), header(RETRY_AFTER));
        match response.status() {
            // The token may be as good as ever: keep it, and come back.
            StatusCode::SERVICE_UNAVAILABLE => {
                let seconds = header(RETRY_AFTER).parse().unwrap_or(5);
                tokio::time::sleep(Duration::from_secs(seconds)).await;
            }
            StatusCode::OK => return response.text().await.map(Some),
            // 401: get a new token, from a provider that `resource_metadata` leads to. 403: ask for the `scope` named.
            _ => return Ok(None),
        }
    }
    Ok(None)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let provider = TestIssuer::start().await?;
    serve(&provider).await?;
    let client = reqwest::Client::new();
    let token = |scope| provider.token().subject("alice").audience(API).scope(scope).mint();

    provider.stop();
    let (back, good) = (provider.clone(), token("read"));
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        back.restart();
    });
    println!("{:?}", call(&client, &good).await?);
    println!("{:?}", call(&client, "not-a-token").await?);
    println!("{:?}", call(&client, &token("write")).await?);
    Ok(())
}
