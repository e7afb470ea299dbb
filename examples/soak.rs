//! Sends millions of random tokens through a cache, good and bad ones, and says how much memory that took.
//!
//!     cargo run --release --example soak              # ten million tokens
//!     cargo run --release --example soak -- 100000    # another number
//!
//! It fails if the process grew by more than 64 MiB, if a thousand more caches leave more than 1 MiB behind, or if
//! anything is left under way. Linux only.
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::error::Error;
use std::hash::{BuildHasher, RandomState};

use tower::Layer;
use tower_bearer::cache::Cached;
use tower_bearer::error::VerifyErrorKind;
use tower_bearer::verifier::Verdict;
use tower_bearer::{AccessToken, BearerToken, CacheLayer, TokenVerifier};

const LIMIT: f64 = 64.0;
const CLAIM: &str =
    "a claim of some length, as they have in life, where a token says who somebody is and what for";

/// Vouches for half of the tokens, after having waited for its turn.
struct Remote;

impl TokenVerifier for Remote {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        tokio::task::yield_now().await;
        match token.as_str().len() % 2 {
            0 => Ok(AccessToken::verified().subject("somebody").claim("text", CLAIM).build()),
            _ => Err(VerifyErrorKind::Inactive.into()),
        }
    }
}

/// Resident memory of this process, in MiB.
fn memory() -> Result<f64, Box<dyn Error>> {
    let pages = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u32 = pages.split(' ').nth(1).unwrap_or_default().parse()?;
    Ok(f64::from(pages) * 4_096.0 / 1_048_576.0)
}

async fn send(cached: Cached<Remote>, tokens: u64) {
    let random = RandomState::new();
    for number in 0..tokens {
        let token = format!("{:x}{:x}", random.hash_one(number), random.hash_one(!number));
        let token = BearerToken::new(&token).unwrap_or_else(|_| unreachable!("hexadecimal digits"));
        let _ = cached.verify(&token).await;
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let tokens: u64 = std::env::args().nth(1).map_or(Ok(10_000_000), |number| number.parse())?;
    let cached = CacheLayer::new().layer(Remote);
    let before = memory()?;
    let tasks: Vec<_> = (0..16).map(|_| tokio::spawn(send(cached.clone(), tokens / 16))).collect();
    for task in tasks {
        task.await?;
    }
    let grown = memory()? - before;
    let stats = cached.handle().stats();
    println!("{} verifications, {grown:.1} MiB more than before\n{stats:#?}", stats.misses());
    drop(CacheLayer::new().layer(Remote));
    let before = memory()?;
    (0..1_000).for_each(|_| drop(CacheLayer::new().layer(Remote)));
    let more = memory()? - before;
    println!("1 000 more caches, made and dropped: {more:.1} MiB");
    let is_well = grown <= LIMIT && more <= 1.0 && stats.in_flight() == 0;
    if is_well { Ok(()) } else { Err("the cache keeps too much".into()) }
}
