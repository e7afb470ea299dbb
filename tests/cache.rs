//! smoke
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
mod common;
use common::Counting;
use tower_bearer::{BearerToken, CacheLayer, TokenVerifier};
#[tokio::test]
async fn smoke() {
    let v = Counting::knows_good("a");
    let c = v.clone().cached(CacheLayer::new());
    let t = BearerToken::new("good").unwrap();
    let mut tasks = Vec::new();
    for _ in 0..10000 {
        let c = c.clone();
        let t = t.clone();
        tasks.push(tokio::spawn(async move { c.verify(&t).await.unwrap() }));
    }
    for t in tasks {
        t.await.unwrap();
    }
    assert_eq!(v.calls(), 1);
    println!("{:?}", c.handle().stats());
    c.handle().invalidate(&t);
    c.verify(&t).await.unwrap();
    assert_eq!(v.calls(), 2);
    let b = BearerToken::new("bad").unwrap();
    c.verify(&b).await.unwrap_err();
    c.verify(&b).await.unwrap_err();
    assert_eq!(v.calls(), 3);
    println!("{:?}", c);
}
