//! Five hundred requests a second with a thousand tokens, through an outage of the provider.
//!
//!     cargo bench --bench outage --all-features          # an outage of 60 seconds
//!     cargo bench --bench outage --all-features -- 5     # of another length
//!
//! For half of the outage the provider closes every connection, for the other half it hangs. One request in ten brings
//! a good token that is not known yet. It fails if a known token is not served, if the provider is asked about more
//! than 64 tokens at a time, if memory grows by more than 16 MiB, or if an unknown token is not served again within 2
//! seconds. Linux only.
#![allow(clippy::print_stdout, reason = "a benchmark talks")]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use tokio::task::JoinSet;
use tower_bearer::client::{AnswerFuture, HttpClient, Limits, ReqwestClient};
use tower_bearer::testing::{Fault, TestGitHub};
use tower_bearer::{BearerToken, CacheLayer, GitHubVerifier, TokenVerifier};

/// Counts how many calls there are at a time, and how many there were at most.
#[derive(Clone, Debug)]
struct Gauge(ReqwestClient, Arc<Calls>);

#[derive(Debug, Default)]
struct Calls {
    now: AtomicUsize,
    most: AtomicUsize,
}

struct Under(Arc<Calls>);

impl Drop for Under {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

impl HttpClient for Gauge {
    fn send(&self, request: Request<Bytes>, limits: Limits) -> AnswerFuture<'_> {
        Box::pin(async move {
            let under = Under(Arc::clone(&self.1));
            let now = under.0.now.fetch_add(1, Ordering::SeqCst) + 1;
            under.0.most.fetch_max(now, Ordering::SeqCst);
            self.0.send(request, limits).await
        })
    }
}

/// Resident memory of this process, in MiB.
fn memory() -> Result<f64, Box<dyn Error>> {
    let pages = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u32 = pages.split(' ').nth(1).unwrap_or_default().parse()?;
    Ok(f64::from(pages) * 4_096.0 / 1_048_576.0)
}

fn token(github: &TestGitHub) -> Result<BearerToken, Box<dyn Error>> {
    Ok(BearerToken::new(&github.token(583_231, &["repo"]))?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let seconds: u32 = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(60);
    let github = TestGitHub::start().await?;
    github.add_user(583_231, "octocat");
    let gauge = Gauge(ReqwestClient::new()?, Arc::default());
    let verifier = GitHubVerifier::builder(github.client_id(), github.client_secret())
        .api_url(github.api_url())
        .http_client(gauge.clone());
    // What is known ends soon after the outage, so that the cache tries in vain to verify it ahead of time.
    let cache =
        CacheLayer::builder().time_to_live(Duration::from_secs(u64::from(seconds)) * 6 / 5).build()?;
    let verifier = Arc::new(verifier.build()?.cached(cache));
    let known = (0..1_000).map(|_| token(&github)).collect::<Result<Vec<_>, _>>()?;
    for token in &known {
        verifier.verify(token).await?;
    }
    let mut known = known.iter().cycle();

    // The first tenth of the outage is for what every process needs under load.
    let (mut memory_before, mut unserved, mut pace) =
        (0.0, 0, tokio::time::interval(Duration::from_millis(2)));
    let mut requests: JoinSet<usize> = JoinSet::new();
    for number in 0..seconds * 500 {
        pace.tick().await;
        match number {
            0 => github.fail(Fault::Reset),
            n if n == seconds * 50 => memory_before = memory()?,
            n if n == seconds * 250 => github.fail(Fault::Hang),
            _ => {}
        }
        let (is_known, verifier) = (number % 10 != 0, Arc::clone(&verifier));
        let token = match known.next().filter(|_| is_known) {
            Some(token) => token.clone(),
            None => token(&github)?,
        };
        requests.spawn(async move { usize::from(verifier.verify(&token).await.is_err() && is_known) });
        while let Some(Ok(missed)) = requests.try_join_next() {
            unserved += missed;
        }
    }
    let grown = memory()? - memory_before;
    github.recover();
    let recovered_at = Instant::now();
    while verifier.verify(&token(&github)?).await.is_err() {}
    let recovery = recovered_at.elapsed();
    unserved += requests.join_all().await.into_iter().sum::<usize>();
    let at_a_time = gauge.1.most.load(Ordering::SeqCst);
    println!("{seconds} s: {unserved} known tokens not served, at most {at_a_time} calls at a time");
    println!(
        "memory {grown:+.1} MiB, the next unknown token after {recovery:.1?}, {:?}",
        verifier.handle().stats()
    );
    let is_well = unserved == 0 && at_a_time <= 64 && grown < 16.0 && recovery < Duration::from_secs(2);
    is_well.then_some(()).ok_or_else(|| "the outage was felt".into())
}
