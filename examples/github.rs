//! What a request costs behind GitHub tokens, without a cache and with one.
//!
//!     cargo run --example github --all-features
//!
//! Asks a GitHub on this machine that takes 300 ms for each answer. With the id and secret of an OAuth app of yours and
//! a token that it was given, it asks the real one:
//!
//!     GITHUB_CLIENT_ID=… GITHUB_CLIENT_SECRET=… GITHUB_TOKEN=gho_… cargo run --example github --all-features
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::env::var;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_bearer::client::{AnswerFuture, HttpClient, Limits, ReqwestClient};
use tower_bearer::testing::TestGitHub;
use tower_bearer::{AccessToken, AuthLayer, BuildError, CacheLayer, GitHubVerifier, TokenVerifier};

/// Counts the calls.
#[derive(Clone, Debug)]
struct Counting(ReqwestClient, Arc<AtomicU32>);

impl HttpClient for Counting {
    fn send(&self, request: Request<Bytes>, limits: Limits) -> AnswerFuture<'_> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.send(request, limits)
    }
}

async fn measure<V: TokenVerifier + 'static>(name: &str, verifier: V, token: &str, calls: &AtomicU32) {
    let service = AuthLayer::new(verifier).layer(service_fn(async |request: Request<String>| {
        let user = request.extensions().get::<AccessToken>().and_then(|token| token.claim::<String>("login"));
        Ok::<_, BuildError>(Response::new(user.unwrap_or_default()))
    }));
    for (what, requests) in [("the first", 1), ("10 more, each", 10)] {
        let (started, before, mut status) = (Instant::now(), calls.load(Ordering::Relaxed), 0);
        for _ in 0..requests {
            let request = Request::get("/").header("authorization", format!("Bearer {token}"));
            let answer = service.clone().oneshot(request.body(String::new()).unwrap_or_default()).await;
            status = answer.map_or(0, |answer| answer.status().as_u16());
        }
        let (took, calls) = (started.elapsed() / requests, calls.load(Ordering::Relaxed) - before);
        println!("| {name} | {what} | {status} | {calls} | {:.3} ms |", took.as_secs_f64() * 1e3);
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let here = TestGitHub::start().await?;
    here.add_user(583_231, "octocat");
    here.latency(Duration::from_millis(300));
    let own =
        ((here.client_id().to_owned(), here.client_secret().to_owned()), here.token(583_231, &["repo"]));
    let real =
        var("GITHUB_CLIENT_ID").ok().zip(var("GITHUB_CLIENT_SECRET").ok()).zip(var("GITHUB_TOKEN").ok());
    let url = if real.is_some() { "https://api.github.com" } else { here.api_url() };
    let ((id, secret), token) = real.unwrap_or(own);
    let client = Counting(ReqwestClient::new()?, Arc::default());
    let verifier =
        || GitHubVerifier::builder(&id, secret.as_str()).api_url(url).http_client(client.clone()).build();
    println!("| {url} | requests | status | calls | time |\n|---|---|---|---|---|");
    measure("without a cache", verifier()?, &token, &client.1).await;
    measure("with the cache", verifier()?.cached(CacheLayer::new()), &token, &client.1).await;
    Ok(())
}
