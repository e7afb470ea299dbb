//! What the layer leaves of the requests per second of an axum service, on loopback.
//!
//!     cargo bench --bench wire --all-features -- [SECONDS [ROUNDS]]
//!
//! Needs `wrk`. The same service runs with and without the layer; both get the same header, and without the layer nobody
//! reads it. Rounds alternate, so that a machine that is busy meanwhile slows down both, and medians are compared.
#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark talks, and ends when it cannot run"
)]

use std::net::SocketAddr;
use std::process::Command;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tower_bearer::testing::TestIssuer;
use tower_bearer::verifier::StaticTokens;
use tower_bearer::{AccessToken, AuthLayer, CacheLayer, JwtVerifier, TokenVerifier};

const AUDIENCE: &str = "https://api.example.com";
const CONNECTIONS: &str = "32";

fn service() -> Router {
    Router::new().route("/", get(async || "ok"))
}

async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

/// Requests per second.
fn measure(address: SocketAddr, token: &str, seconds: &str) -> f64 {
    let output = Command::new("wrk")
        .args(["-t1", "-c", CONNECTIONS, "-d", &format!("{seconds}s")])
        .args(["-H", &format!("Authorization: Bearer {token}"), &format!("http://{address}/")])
        .output()
        .unwrap_or_else(|error| panic!("wrk: {error}"));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("Non-2xx"), "{text}");
    let figure = text.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"));
    figure.unwrap_or_else(|| panic!("{text}")).trim().parse().unwrap()
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument.parse::<u32>().is_ok()).collect();
    let seconds = arguments.first().map_or("3", String::as_str).to_owned();
    let rounds: usize = arguments.get(1).map_or(7, |rounds| rounds.parse().unwrap());

    let issuer = TestIssuer::start().await.unwrap();
    let jwt = issuer.token().audience(AUDIENCE).claim("padding", "x".repeat(380)).mint();
    let opaque = "o".repeat(40);
    let verified = AccessToken::verified().subject("alice").build();
    let by_jwt = JwtVerifier::builder(issuer.issuer(), AUDIENCE).build().unwrap().boxed();
    let by_list = StaticTokens::new([(&*opaque, verified)]).unwrap().boxed();

    let bare = serve(service()).await;
    println!("| token | bytes | without | with | kept |\n|---|---|---|---|---|");
    for (name, token, verifier) in [("opaque", &opaque, by_list), ("JWT, RS256", &jwt, by_jwt)] {
        let auth = AuthLayer::new(verifier.cached(CacheLayer::new()));
        let protected = serve(service().layer(auth)).await;
        let (token, seconds) = (token.clone(), seconds.clone());
        let (without, with): (Vec<f64>, Vec<f64>) = tokio::task::spawn_blocking(move || {
            measure(protected, &token, "1");
            let round = |_| (measure(bare, &token, &seconds), measure(protected, &token, &seconds));
            (0..rounds).map(round).unzip()
        })
        .await
        .unwrap();
        let (without, with) = (median(without), median(with));
        let bytes = if name == "opaque" { opaque.len() } else { jwt.len() };
        println!("| {name} | {bytes} | {without:.0}/s | {with:.0}/s | {:.1} % |", 100.0 * with / without);
    }
}
