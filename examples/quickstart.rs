//! A protected API and its provider, on loopback, and a walk through what happens to requests.
//!
//!     cargo run --example quickstart --all-features
//!
//! Then type the `curl` lines that it prints. `-- --once` ends it after the walk; the exit code tells whether every
//! answer was the expected one.
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use axum::body::Body;
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use http::{Request, Response};
use tokio::task::JoinSet;
use tower::ServiceExt;
use tower_bearer::client::{HttpClient, Limits, ReqwestClient};
use tower_bearer::extract::Claims;
use tower_bearer::jwks::RemoteJwks;
use tower_bearer::testing::TestIssuer;
use tower_bearer::verifier::Verdict;
use tower_bearer::{AccessToken, AuthLayer, BearerToken, CacheLayer, JwtVerifier, TokenVerifier};

const API: &str = "https://api.example.com";
/// How soon an unknown key id may cause another fetch. The default, 30 seconds, is too long for a walk.
const COOLDOWN: Duration = Duration::from_secs(1);

/// Requests over which a cost is averaged.
const HITS: u32 = 10_000;
const HOUR: Duration = Duration::from_secs(3_600);
const SERVED: (u16, &str) = (200, r#""sub":"alice""#);

/// The claims that the handler wants, and no others.
#[derive(serde::Deserialize, serde::Serialize)]
struct Profile {
    sub: String,
    client_id: String,
    scope: String,
}

async fn profile(Claims(profile): Claims<Profile>) -> Json<Profile> {
    Json(profile)
}

/// Asks somebody far away about every token, as a verifier of opaque tokens does.
struct FarAway {
    calls: Arc<AtomicU32>,
}

impl TokenVerifier for FarAway {
    async fn verify(&self, _: &BearerToken) -> Verdict {
        self.calls.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(300)).await;
        Ok(AccessToken::verified().subject("bob").expires_at(SystemTime::now() + HOUR).build())
    }
}

/// The protected API: this is all that an application has to write.
fn api(issuer: &TestIssuer) -> Result<Router, Box<dyn Error>> {
    let keys = RemoteJwks::discovered().cooldown(COOLDOWN);
    let verifier = JwtVerifier::builder(issuer.issuer(), API).remote_jwks(keys).build()?;
    let auth = AuthLayer::builder(verifier).resource(API).required_scopes(["profile:read"]).build()?;
    Ok(Router::new().route("/me", get(profile)).layer(auth))
}

/// Sends requests to the API and compares the answers.
struct Walk {
    client: ReqwestClient,
    url: String,
    surprises: u32,
}

impl Walk {
    /// One request. Status and a piece of the answer, of its challenge or its body, are compared.
    async fn step(
        &mut self,
        what: &str,
        token: Option<&str>,
        (status, piece): (u16, &str),
    ) -> Result<(), Box<dyn Error>> {
        let mut request = Request::get(&self.url);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let limits = Limits::new(Duration::from_secs(10), 64 * 1024);
        let response = self.client.send(request.body(Bytes::new())?, limits).await?;
        let challenge =
            response.headers().get("www-authenticate").map_or("", |value| value.to_str().unwrap_or(""));
        let text = format!("{challenge} {}", String::from_utf8_lossy(response.body()));
        let expected = response.status().as_u16() == status && text.contains(piece);
        let credential = if token.is_some() { "Authorization: Bearer ..." } else { "no Authorization" };
        let verdict = if expected { "as expected" } else { "NOT AS EXPECTED" };
        println!("\n{what}\n  GET /me, {credential} -> {} ({verdict})", response.status());
        print_answer(&response);
        self.surprises += u32::from(!expected);
        Ok(())
    }
}

fn print_answer(response: &Response<Bytes>) {
    for name in ["www-authenticate", "retry-after"] {
        if let Some(value) = response.headers().get(name).and_then(|value| value.to_str().ok()) {
            println!("  {name}: {value}");
        }
    }
    if !response.body().is_empty() {
        println!("  {}", String::from_utf8_lossy(response.body()));
    }
}

async fn walk(issuer: &TestIssuer, url: String) -> Result<u32, Box<dyn Error>> {
    let mut walk = Walk { client: ReqwestClient::new()?, url, surprises: 0 };
    let good = || issuer.token().audience(API).scope("profile:read profile:write");
    let token = good().mint();

    walk.step(
        "Without a token: a challenge says what is needed.",
        None,
        (401, "Bearer scope=\"profile:read\""),
    )
    .await?;
    walk.step("A good token: the handler gets its claims.", Some(&token), SERVED).await?;
    let other = good().audience("https://other.example.com").mint();
    walk.step("A token for another API.", Some(&other), (401, "error=\"invalid_token\"")).await?;
    let old = good().expired_since(Duration::from_secs(120)).mint();
    walk.step("A token that has expired.", Some(&old), (401, "error=\"invalid_token\"")).await?;
    let weak = good().scope("profile:write").mint();
    walk.step("A token without the scope.", Some(&weak), (403, "error=\"insufficient_scope\"")).await?;
    issuer.stop();
    walk.step("The provider is down; its keys are known.", Some(&good().mint()), SERVED).await?;
    issuer.restart();
    issuer.rotate_keys();
    tokio::time::sleep(COOLDOWN).await;
    walk.step("The provider has rotated its keys; the new one is found.", Some(&good().mint()), SERVED)
        .await?;
    Ok(walk.surprises)
}

/// A cache between a service and a verifier that takes 300 ms.
async fn walk_with_a_cache() -> Result<u32, Box<dyn Error>> {
    let calls = Arc::new(AtomicU32::new(0));
    let verifier = FarAway { calls: Arc::clone(&calls) }.cached(CacheLayer::new());
    let cache = verifier.handle();
    let handler = |token: AccessToken| async move { token.subject().unwrap_or("?").to_owned() };
    let app = Router::new().route("/", get(handler)).layer(AuthLayer::new(verifier));
    let send = |token: &str| {
        let request = Request::get("/").header("authorization", format!("Bearer {token}"));
        let (app, request) = (app.clone(), request.body(Body::empty()));
        async move {
            app.oneshot(request?)
                .await
                .map_or(Ok(false), |answer| Ok::<_, http::Error>(answer.status() == 200))
        }
    };
    println!("\nA cache around a verifier that takes 300 ms.");
    let started = Instant::now();
    let mut served = u32::from(send("first").await?);
    println!("  the first request: {} ms", started.elapsed().as_millis());
    let started = Instant::now();
    let mut burst = JoinSet::new();
    (0..100).for_each(|_| drop(burst.spawn(send("another"))));
    while let Some(answer) = burst.join_next().await {
        served += u32::from(answer??);
    }
    let calls = calls.load(Ordering::SeqCst) - 1;
    println!(
        "  100 requests at once with another token: {} ms, {calls} upstream call",
        started.elapsed().as_millis()
    );
    let started = Instant::now();
    for _ in 0..HITS {
        served += u32::from(send("first").await?);
    }
    let built = if cfg!(debug_assertions) { ", built without optimisation" } else { "" };
    println!(
        "  a request with a known token: {:.2} µs, axum included{built}",
        started.elapsed().as_secs_f64() * 1e6 / f64::from(HITS)
    );
    println!("  {:?}", cache.stats());
    Ok(u32::from(calls != 1) + u32::from(served != 101 + HITS))
}

async fn serve(app: Router) -> Result<String, Box<dyn Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/me", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(url)
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let once = std::env::args().any(|argument| argument == "--once");
    let issuer = TestIssuer::start().await?;
    let url = serve(api(&issuer)?).await?;

    let token =
        issuer.token().audience(API).scope("profile:read").expires_at(SystemTime::now() + HOUR).mint();
    println!("A protected API. In another terminal:\n\n  curl -i {url}\n");
    println!("  curl -i {url} -H 'Authorization: Bearer {token}'");

    let surprises = walk(&issuer, url).await? + walk_with_a_cache().await?;
    if once {
        return Ok(if surprises == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    println!("\nStill serving; the lines above work for an hour. Ctrl-C ends it.");
    tokio::signal::ctrl_c().await?;
    Ok(ExitCode::SUCCESS)
}
