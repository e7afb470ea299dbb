//! What the layer leaves of the requests per second of an axum service, on loopback.
//!
//!     cargo bench --bench wire --all-features -- [SECONDS [ROUNDS]]
//!
//! Needs `wrk`. The same service runs with and without the layer; both get the same header, and without the layer nobody
//! reads it. Both run in each round, one after the other, so that a machine that is busy meanwhile slows down both; what is
//! kept is the median of the ratios of the rounds. `wrk` takes its share of the same cores, so that the rate of requests
//! depends on how the system shares them out; what the server's process needs for a request does not.
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
const CONNECTIONS: &str = "64";

fn service() -> Router {
    Router::new().route("/", get(async || "ok"))
}

async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

/// The time that all cores together have spent for this process, in ticks of ten milliseconds (Linux).
fn ticks() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text.rsplit(") ").next().unwrap().split(' ').collect();
    fields.iter().skip(11).take(2).map(|field| field.parse::<f64>().unwrap()).sum()
}

/// What was measured without the layer, and with it.
type Round = ((f64, f64), (f64, f64));

/// Requests per second, and microseconds that the server spent on each.
fn measure(address: SocketAddr, token: &str, seconds: &str) -> (f64, f64) {
    let before = ticks();
    let output = Command::new("wrk")
        .args(["-t1", "-c", CONNECTIONS, "-d", &format!("{seconds}s")])
        .args(["-H", &format!("Authorization: Bearer {token}"), &format!("http://{address}/")])
        .output()
        .unwrap_or_else(|error| panic!("wrk: {error}"));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("Non-2xx"), "{text}");
    let figure = text.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"));
    let rate: f64 = figure.unwrap_or_else(|| panic!("{text}")).trim().parse().unwrap();
    let requests = rate * seconds.parse::<f64>().unwrap();
    (rate, (ticks() - before) * 10_000.0 / requests)
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
    let by_jwt = || JwtVerifier::builder(issuer.issuer(), AUDIENCE).build().unwrap();
    let by_list = StaticTokens::new([(&*opaque, verified)]).unwrap();

    let bare = serve(service()).await;
    println!(
        "| token | bytes | without | with | kept | CPU without | CPU with |\n|---|---|---|---|---|---|---|"
    );
    for (name, token, verifier) in [
        ("opaque", &opaque, by_list.cached(CacheLayer::new()).boxed()),
        ("JWT, RS256", &jwt, by_jwt().cached(CacheLayer::new()).boxed()),
        ("JWT, RS256, no cache", &jwt, by_jwt().boxed()),
    ] {
        let auth = AuthLayer::new(verifier);
        let protected = serve(service().layer(auth)).await;
        let bytes = token.len();
        let (token, seconds) = (token.clone(), seconds.clone());
        let figures: Vec<_> = tokio::task::spawn_blocking(move || {
            measure(protected, &token, "1");
            // Whoever comes first in a round comes second in the next.
            let round = |number: usize| {
                let early = number.is_multiple_of(2).then(|| measure(bare, &token, &seconds));
                let with = measure(protected, &token, &seconds);
                (early.unwrap_or_else(|| measure(bare, &token, &seconds)), with)
            };
            (0..rounds).map(round).collect()
        })
        .await
        .unwrap();
        let column = |of: fn(&Round) -> f64| median(figures.iter().map(of).collect());
        let (without, with) = (column(|round| round.0.0), column(|round| round.1.0));
        let kept = column(|round| 100.0 * round.1.0 / round.0.0);
        let (little, more) = (column(|round| round.0.1), column(|round| round.1.1));
        println!(
            "| {name} | {bytes} | {without:.0}/s | {with:.0}/s | {kept:.1} % | {little:.2} µs | {more:.2} µs |"
        );
    }
}
