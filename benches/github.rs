//! What a request costs behind GitHub tokens, with a GitHub that takes 300 ms for each answer.
//!
//!     cargo bench --bench github --all-features
//!
//! Three ways: two calls for each request, as the Python original makes them; one call for each; the cache. A burst of
//! a thousand first requests comes last. Medians are printed, and the calls that GitHub saw.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark talks, and ends when it cannot run"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tower_bearer::testing::TestGitHub;
use tower_bearer::verifier::Verdict;
use tower_bearer::{BearerToken, CacheLayer, GitHubVerifier, TokenVerifier};

const LATENCY: Duration = Duration::from_millis(300);
const REQUESTS: usize = 9;
const BURST: usize = 1_000;

/// Asks a second time for what the first answer said.
struct Twice(GitHubVerifier);

impl TokenVerifier for Twice {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        self.0.verify(token).await?;
        self.0.verify(token).await
    }
}

/// The first request, and the median of those after it. The verdict is the service's whole cost here: the handler does
/// nothing.
async fn sequence(github: &TestGitHub, name: &str, verifier: &impl TokenVerifier, token: &BearerToken) {
    let before = github.requests();
    let mut times = Vec::new();
    for _ in 0..REQUESTS {
        let started = Instant::now();
        if verifier.verify_now(token, std::time::SystemTime::now()).is_none() {
            verifier.verify(token).await.unwrap();
        }
        times.push(started.elapsed());
    }
    let first = times.remove(0);
    times.sort();
    let (median, calls) = (times.get(REQUESTS / 2).copied().unwrap_or_default(), github.requests() - before);
    println!("| {name} | {first:.1?} | {median:.1?} | {calls} for {REQUESTS} requests |");
}

async fn burst(
    github: &TestGitHub,
    name: &str,
    verifier: Arc<impl TokenVerifier + 'static>,
    token: &BearerToken,
) {
    let (before, started) = (github.requests(), Instant::now());
    let mut requests = JoinSet::new();
    for _ in 0..BURST {
        let (verifier, token) = (Arc::clone(&verifier), token.clone());
        requests.spawn(async move { verifier.verify(&token).await.is_ok() });
    }
    let good = requests.join_all().await.into_iter().filter(|good| *good).count();
    let (took, calls) = (started.elapsed(), github.requests() - before);
    println!("| {name}, {BURST} first requests at once | {took:.1?} | {good} good | {calls} |");
}

#[tokio::main]
async fn main() {
    let github = TestGitHub::start().await.unwrap();
    github.add_user(583_231, "octocat");
    github.latency(LATENCY);
    let verifier = || {
        let verifier = GitHubVerifier::builder(github.client_id(), github.client_secret());
        verifier
            .api_url(github.api_url())
            .timeout(Duration::from_secs(60))
            .max_upstream_calls(100)
            .build()
            .unwrap()
    };
    let token = || BearerToken::new(&github.token(583_231, &["repo"])).unwrap();
    println!("| | first | each after it | calls |\n|---|---|---|---|");
    sequence(&github, "two calls for each", &Twice(verifier()), &token()).await;
    sequence(&github, "one call for each", &verifier(), &token()).await;
    sequence(&github, "with the cache", &verifier().cached(CacheLayer::new()), &token()).await;
    burst(&github, "without a cache", Arc::new(verifier()), &token()).await;
    burst(&github, "with the cache", Arc::new(verifier().cached(CacheLayer::new())), &token()).await;
}
