//! The resource server against real servers, here with the tokens that it verifies by itself. Started by `run.sh`, which
//! says where the servers are.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod dialects;
mod django;
mod introspection;
mod mcp;
mod servers;

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{Request, StatusCode};
use servers::{Provider, audience};
use tower::ServiceExt;
use tower_bearer::clock::Clock;
use tower_bearer::extract::Claims;
use tower_bearer::testing::TestClock;
use tower_bearer::{AccessToken, AuthLayer, JwtVerifier};

const ALGORITHMS: [&str; 10] =
    ["rs256", "rs384", "rs512", "ps256", "ps384", "ps512", "es256", "es384", "eddsa", "ed25519"];
const SCOPE: &str = "mcp:read mcp:write";

/// Real dates, and intervals that are moved by hand: the cool-down passes without a wait.
#[derive(Clone, Debug)]
struct Hurried(TestClock);

impl Clock for Hurried {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn instant(&self) -> Instant {
        self.0.instant()
    }
}

#[derive(serde::Deserialize)]
struct Client {
    client_id: String,
}

/// A service that knows of the provider nothing but its name.
fn service(issuer: &str, clock: &TestClock) -> Router {
    let mut verifier =
        JwtVerifier::builder(issuer, audience("rs256")).rfc9068().clock(Hurried(clock.clone()));
    for algorithm in &ALGORITHMS[1..] {
        verifier = verifier.add_audience(audience(algorithm));
    }
    let auth = AuthLayer::builder(verifier.build().unwrap()).required_scopes(["mcp:read"]).build().unwrap();
    let handler = async |token: AccessToken, Claims(client): Claims<Client>| {
        assert_eq!(token.client(), Some(&*client.client_id));
        token.subject().unwrap().to_owned()
    };
    Router::new().route("/", get(handler)).layer(auth)
}

async fn status(service: &Router, token: &str) -> StatusCode {
    let request =
        Request::get("/").header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
    service.clone().oneshot(request).await.unwrap().status()
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_every_algorithm_are_accepted_with_discovery_alone() {
    let provider = Provider::start(0);
    let service = service(provider.issuer(), &TestClock::new());
    for algorithm in ALGORITHMS {
        let token = provider.token(algorithm, SCOPE).await;
        assert_eq!(status(&service, &token).await, 200, "{algorithm}");
        let unscoped = provider.token(algorithm, "other").await;
        assert_eq!(status(&service, &unscoped).await, 403, "{algorithm}");
        let (rest, signature) = token.rsplit_once('.').unwrap();
        let first = if signature.starts_with('A') { "B" } else { "A" };
        let forged = format!("{rest}.{first}{}", &signature[1..]);
        assert_eq!(status(&service, &forged).await, 401, "{algorithm}");
    }
    let opaque = provider.token("", SCOPE).await;
    assert_eq!(status(&service, &opaque).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation_while_requests_run_loses_none() {
    let (provider, clock) = (Arc::new(Provider::start(0)), TestClock::new());
    let service = service(provider.issuer(), &clock);
    let old = provider.token("es256", SCOPE).await;
    assert_eq!(status(&service, &old).await, 200);
    clock.advance(Duration::from_secs(31));

    let done = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = (0..4)
        .map(|number| {
            let (provider, service, done, old) =
                (provider.clone(), service.clone(), done.clone(), old.clone());
            tokio::spawn(async move {
                let mut served = 0;
                while !done.load(Ordering::Relaxed) {
                    let token = provider.token(ALGORITHMS[number], SCOPE).await;
                    assert_eq!(status(&service, &token).await, 200);
                    assert_eq!(status(&service, &old).await, 200);
                    served += 2;
                }
                served
            })
        })
        .collect();
    for _ in 0..3 {
        provider.rotate("").await;
        // Until a token of the new key has been served, so that the next rotation finds the cool-down over.
        assert_eq!(status(&service, &provider.token("rs256", SCOPE).await).await, 200);
        clock.advance(Duration::from_secs(31));
    }
    done.store(true, Ordering::Relaxed);
    for worker in workers {
        assert!(worker.await.unwrap() > 0);
    }

    provider.rotate("?drop=old").await;
    assert_eq!(status(&service, &provider.token("rs256", SCOPE).await).await, 200);
    assert_eq!(status(&service, &old).await, 401, "its key has been withdrawn");
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_provider_with_keys_known_loses_none() {
    let (provider, clock) = (Provider::start(0), TestClock::new());
    let service = service(provider.issuer(), &clock);
    let token = provider.token("rs256", SCOPE).await;
    assert_eq!(status(&service, &token).await, 200);
    provider.kill();
    for _ in 0..200 {
        assert_eq!(status(&service, &token).await, 200);
        // Past the age at which keys are fetched again: every attempt fails, in the background.
        clock.advance(Duration::from_secs(60));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_starts_before_its_provider_heals_by_itself() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let clock = TestClock::new();
    let service = service(&format!("http://127.0.0.1:{port}"), &clock);

    // The same keys are not to be had twice: the token has to be of the provider that comes later.
    let early = Provider::start(port);
    let early_token = early.token("rs256", SCOPE).await;
    early.kill();
    assert_eq!(status(&service, &early_token).await, 503);

    let provider = Provider::start(port);
    let token = provider.token("rs256", SCOPE).await;
    assert_eq!(status(&service, &token).await, 503, "still backing off");
    clock.advance(Duration::from_secs(2));
    assert_eq!(status(&service, &token).await, 200);
}
