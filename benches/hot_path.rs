//! What a request with a known token costs, and what a thousand first requests cost the provider.
//!
//!     cargo bench --bench hot_path --all-features
//!
//! The limit is what nobody can do without: the bare service, a digest of the token, one insert into empty extensions,
//! one reading of each clock; as the sum of its pieces, and in one go, where the processor overlaps them. Instructions
//! do not depend on the machine's mood; `benches/instructions.sh` counts them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark talks, and ends when it cannot run"
)]

mod rounds;

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Extensions, HeaderValue, Request, Response};
use http_body_util::Empty;
use rounds::{Candidate, measure};
use sha2::{Digest, Sha256};
use tower::{Layer, Service, ServiceExt};
use tower_bearer::cache::{CacheStats, Cached};
use tower_bearer::middleware::Auth;
use tower_bearer::verifier::Verdict;
use tower_bearer::{AccessToken, AuthLayer, BearerToken, CacheLayer, TokenVerifier, VerifyError};

const LENGTHS: [usize; 4] = [40, 120, 700, 1_500];

type Body = Empty<Bytes>;

/// The service that is protected. It answers an empty 200.
#[derive(Clone)]
struct Inner;

impl Service<Request<Body>> for Inner {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        drop(black_box(request));
        ready(Ok(Response::new(Body::new())))
    }
}

/// Takes its time, as a provider does.
#[derive(Clone, Default)]
struct Remote {
    delay: Duration,
    fails: bool,
    panics: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
}

impl TokenVerifier for Remote {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        if self.panics.swap(false, Ordering::SeqCst) {
            panic!("the verifier has a fault");
        }
        if self.fails {
            return Err(VerifyError::unavailable("the provider is down"));
        }
        let end = SystemTime::now() + Duration::from_secs(3_600);
        Ok(AccessToken::verified().subject(token.as_str().get(..8).unwrap_or("?")).expires_at(end).build())
    }
}

/// A token of printable characters, different for each number.
fn token(length: usize, number: usize) -> String {
    let mut token = format!("{number:08}");
    token.extend(std::iter::repeat_n('x', length - token.len()));
    token
}

fn field(token: &str) -> HeaderValue {
    HeaderValue::from_str(&format!("Bearer {token}")).unwrap()
}

fn request(field: &HeaderValue) -> Request<Body> {
    let mut request = Request::new(Body::new());
    request.headers_mut().insert(AUTHORIZATION, field.clone());
    request
}

/// Sends a request through a service that does not wait. True: it was served.
fn serve<S>(service: &mut S, request: Request<Body>) -> bool
where
    S: Service<Request<Body>, Error = Infallible>,
    S::Response: Status,
{
    let mut context = Context::from_waker(Waker::noop());
    let mut answer = pin!(async { service.ready().await.unwrap().call(request).await });
    match answer.as_mut().poll(&mut context) {
        Poll::Ready(answer) => answer.unwrap().is_ok(),
        Poll::Pending => false,
    }
}

trait Status {
    fn is_ok(&self) -> bool;
}

impl<B> Status for Response<B> {
    fn is_ok(&self) -> bool {
        self.status() == 200
    }
}

/// A protected service whose cache knows these tokens.
fn warm(fields: &[HeaderValue]) -> Auth<Inner, Cached<Remote>> {
    let layer = CacheLayer::builder().max_entries(20_000).max_bytes(256 * 1024 * 1024).build().unwrap();
    let mut service = AuthLayer::new(Remote::default().cached(layer)).layer(Inner);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for field in fields {
            assert!(service.ready().await.unwrap().call(request(field)).await.unwrap().status() == 200);
        }
    });
    assert!(fields.iter().all(|field| serve(&mut service, request(field))));
    service
}

/// What stands in every limit.
fn limit(token: &str, field: &HeaderValue) -> bool {
    let mut request = request(field);
    black_box(Sha256::digest(black_box(token)));
    black_box((Instant::now(), SystemTime::now()));
    request.extensions_mut().insert(Placeholder([0; 1]));
    serve(&mut Inner, request)
}

/// As large as what the layer puts there.
#[derive(Clone)]
struct Placeholder(#[allow(dead_code, reason = "it takes room")] [usize; 1]);

/// The bare service, the two clocks and the insert; then the digest for each length.
fn pieces() -> Vec<Candidate<'static>> {
    let field = field(&token(40, 0));
    let mut pieces: Vec<Candidate<'_>> = vec![
        ("the bare service".to_owned(), Box::new(move || serve(&mut Inner, request(&field)))),
        ("one insert into empty extensions".to_owned(), {
            Box::new(|| black_box(Extensions::new()).insert(Placeholder([0; 1])).is_none())
        }),
        ("the monotonic clock".to_owned(), Box::new(|| size_of_val(&black_box(Instant::now())) > 0)),
        ("the wall clock".to_owned(), Box::new(|| size_of_val(&black_box(SystemTime::now())) > 0)),
    ];
    for length in LENGTHS {
        let token = token(length, 0);
        let digest = move || black_box(Sha256::digest(black_box(&token))).len() == 32;
        pieces.push((format!("SHA-256 of {length} bytes"), Box::new(digest)));
    }
    pieces
}

/// One run: the pieces, the pieces in a row, and a hit through the layer for each length, all of them taking turns.
fn hits() {
    let mut candidates = pieces();
    for length in LENGTHS {
        let (token, field) = (token(length, 0), field(&token(length, 0)));
        candidates
            .push((format!("all pieces in a row, {length} bytes"), Box::new(move || limit(&token, &field))));
    }
    for length in LENGTHS {
        let field = field(&token(length, 1));
        let service = RefCell::new(warm(std::slice::from_ref(&field)));
        let hit = move || serve(&mut *service.borrow_mut(), request(&field));
        candidates.push((format!("a hit with {length} bytes"), Box::new(hit)));
    }
    let medians = measure(&candidates);
    println!("{:<44}{:>10}", "one piece, one hit", "median");
    for ((name, _), median) in candidates.iter().zip(&medians) {
        println!("{name:<44}{median:>7.0} ns");
    }
    let (common, rest) = medians.split_at(candidates.len() - 3 * LENGTHS.len());
    let (digests, rest) = rest.split_at(LENGTHS.len());
    let (rows, hits) = rest.split_at(LENGTHS.len());
    println!(
        "\n{:<16}{:>10}{:>10}{:>10}{:>14}{:>20}",
        "one hit", "sum", "in a row", "layer", "layer ÷ sum", "layer ÷ in a row"
    );
    for (((length, digest), row), hit) in LENGTHS.iter().zip(digests).zip(rows).zip(hits) {
        let sum = common.iter().sum::<f64>() + digest;
        let name = format!("{length} bytes");
        println!("{name:<16}{sum:>7.0} ns{row:>7.0} ns{hit:>7.0} ns{:>14.2}{:>20.2}", hit / sum, hit / row);
    }
}

/// How many requests a number of threads serve in a while, in one round.
fn throughput(service: &Auth<Inner, Cached<Remote>>, fields: &[HeaderValue], threads: usize) -> f64 {
    let (served, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let started = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (served, stop, mut service) = (&served, &stop, service.clone());
            scope.spawn(move || {
                let mut count = 0;
                // Each begins somewhere else.
                let mut fields = fields.iter().cycle().skip(thread * fields.len() / threads);
                while !stop.load(Ordering::Relaxed) {
                    for field in fields.by_ref().take(64) {
                        assert!(serve(&mut service, request(field)));
                    }
                    count += 64;
                }
                served.fetch_add(count, Ordering::Relaxed);
            });
        }
        std::thread::sleep(Duration::from_millis(25));
        stop.store(true, Ordering::Relaxed);
    });
    f64::from(u32::try_from(served.into_inner()).unwrap()) / started.elapsed().as_secs_f64()
}

fn threads() {
    println!("\n{:<16}{:>16}{:>16}{:>10}{:>16}", "two threads", "one", "two", "ratio", "free cores");
    for keys in [1, 10_000] {
        let fields: Vec<_> = (0..keys).map(|number| field(&token(700, number))).collect();
        let service = warm(&fields);
        let mut ratios = Vec::new();
        for _ in 0..60 {
            let (one, two) = (throughput(&service, &fields, 1), throughput(&service, &fields, 2));
            ratios.push((two / one, one, two, cores()));
        }
        ratios.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (ratio, one, two, _) = *ratios.get(ratios.len() / 2).unwrap();
        let mut cores: Vec<f64> = ratios.iter().map(|sample| sample.3).collect();
        cores.sort_by(f64::total_cmp);
        let (name, cores) = (format!("{keys} tokens"), cores.get(cores.len() / 2).unwrap());
        println!("{name:<16}{:>14.2} M{:>14.2} M{ratio:>10.2}{cores:>16.2}", one / 1e6, two / 1e6);
    }
}

/// What two threads reach that have nothing in common: as many cores as are free.
fn cores() -> f64 {
    let token = token(700, 0);
    let rate = |threads: usize| {
        let (served, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        let started = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                let field = field(&token);
                let (served, stop, token) = (&served, &stop, &token);
                scope.spawn(move || {
                    let mut count = 0;
                    while !stop.load(Ordering::Relaxed) {
                        assert!((0..64).all(|_| limit(token, &field)));
                        count += 64;
                    }
                    served.fetch_add(count, Ordering::Relaxed);
                });
            }
            std::thread::sleep(Duration::from_millis(10));
            stop.store(true, Ordering::Relaxed);
        });
        f64::from(u32::try_from(served.into_inner()).unwrap()) / started.elapsed().as_secs_f64()
    };
    rate(2) / rate(1)
}

/// A thousand callers, one token, a verifier that takes 50 ms.
async fn stampede(name: &str, verifier: Remote, leader_leaves: bool) {
    const CALLERS: usize = 1_000;
    let cached = verifier.clone().cached(CacheLayer::new());
    let token = BearerToken::new("stampede").unwrap();
    let started = Instant::now();
    let mut callers = Vec::new();
    for _ in 0..CALLERS {
        let (cached, token) = (cached.clone(), token.clone());
        callers.push(tokio::spawn(async move { cached.verify(&token).await }));
    }
    if leader_leaves {
        tokio::time::sleep(verifier.delay / 2).await;
        callers.remove(0).abort();
    }
    let (mut good, mut told) = (0, 0);
    for caller in callers {
        match caller.await.unwrap() {
            Ok(_) => good += 1,
            Err(_) => told += 1,
        }
    }
    let (calls, took) = (verifier.calls.load(Ordering::SeqCst), started.elapsed());
    let next = cached.verify(&token).await.is_ok() != verifier.fails;
    let stats: CacheStats = cached.handle().stats();
    println!(
        "{name:<24}{calls:>8}{good:>8}{told:>16}{:>10}{:>10} ms{:>14}",
        CALLERS - usize::from(leader_leaves) - good - told,
        took.as_millis(),
        if next && stats.in_flight() == 0 { "as it should" } else { "WRONG" },
    );
}

fn stampedes() {
    std::panic::set_hook(Box::new(|_| {}));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!(
        "\n{:<24}{:>8}{:>8}{:>16}{:>10}{:>13}{:>14}",
        "1 000 first requests", "calls", "good", "unavailable", "lost", "all answered", "next request"
    );
    let slow = || Remote { delay: Duration::from_millis(50), ..Remote::default() };
    runtime.block_on(async {
        stampede("all well", slow(), false).await;
        stampede("the verifier fails", Remote { fails: true, ..slow() }, false).await;
        stampede("the leader goes away", slow(), true).await;
        stampede("the verifier panics", Remote { panics: Arc::new(AtomicBool::new(true)), ..slow() }, false)
            .await;
    });
    let _ = std::panic::take_hook();
}

/// A number of requests of one kind and nothing else, for whoever counts instructions.
fn repeat(kind: &str, times: usize) {
    let token = token(120, 0);
    let field = field(&token);
    let mut service = warm(std::slice::from_ref(&field));
    for _ in 0..times {
        assert!(match kind {
            "bare" => serve(&mut Inner, request(&field)),
            "limit" => limit(&token, &field),
            _ => serve(&mut service, request(&field)),
        });
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [kind, times] = arguments.as_slice() {
        return repeat(kind, times.parse().unwrap());
    }
    hits();
    threads();
    stampedes();
}
