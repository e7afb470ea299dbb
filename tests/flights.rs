//! The way of a token that a cache does not know: one call, whoever goes away, whatever the verifier does, wherever it runs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::error::Error;
use std::future::{Future, pending, poll_fn};
use std::panic::panic_any;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, Once, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use common::{Answer, Handler, ManualClock, Untouchable, block_on, step_aside};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::{JoinSet, LocalSet, yield_now};
use tokio::time::{Instant, sleep, timeout};
use tower::{Layer, Service, ServiceExt};
use tower_bearer::cache::{CacheHandle, Cached};
use tower_bearer::clock::Clock;
use tower_bearer::error::{RejectionKind, VerifyErrorKind as Kind};
use tower_bearer::middleware::Auth;
use tower_bearer::verifier::Verdict;
use tower_bearer::{AccessToken, AuthLayer, BearerToken, CacheLayer, TokenVerifier, VerifyError};

use self::Where::{CurrentThread, Local, Workers};

const MANY: usize = 10_000;
const ISSUER: &str = "https://issuer.example.com";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn bearer(token: &str) -> BearerToken {
    BearerToken::new(token).unwrap()
}

/// The token of somebody.
fn of(subject: &str) -> AccessToken {
    AccessToken::verified().issuer(ISSUER).subject(subject).build()
}

type VerdictFuture = Pin<Box<dyn Future<Output = Verdict> + Send>>;

/// A verifier that has to wait for its answers, and counts. Clones are one.
#[derive(Clone)]
struct Upstream(Arc<Inner>);

struct Inner {
    answer: Box<dyn Fn(String) -> VerdictFuture + Send + Sync>,
    calls: AtomicUsize,
    running: AtomicUsize,
    most: AtomicUsize,
}

/// A call that is under way.
struct Running(Arc<Inner>);

impl Upstream {
    /// The closure is called when the future is made, not when it is first polled.
    fn new<F>(answer: impl Fn(String) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Verdict> + Send + 'static,
    {
        Self(Arc::new(Inner {
            answer: Box::new(move |token| Box::pin(answer(token))),
            calls: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        }))
    }

    /// Says that each token is of the subject with its name, when the gate lets it.
    fn gated() -> (Self, Gate) {
        Self::gated_with(|token| Ok(of(token)))
    }

    fn gated_with(answer: impl Fn(&str) -> Verdict + Clone + Send + Sync + 'static) -> (Self, Gate) {
        let gate = Gate(Arc::new(Semaphore::new(0)));
        let own = gate.clone();
        let upstream = Self::new(move |token| {
            let (gate, answer) = (own.clone(), answer.clone());
            async move {
                gate.pass().await;
                answer(&token)
            }
        });
        (upstream, gate)
    }

    /// Says the same after a time.
    fn after(span: Duration) -> Self {
        Self::new(move |token| async move {
            sleep(span).await;
            Ok(of(&token))
        })
    }

    /// Says the same after so many turns of others.
    fn after_turns(turns: usize) -> Self {
        Self::new(move |token| async move {
            step_aside(turns).await;
            Ok(of(&token))
        })
    }

    /// Never says anything.
    fn hanging() -> Self {
        Self::new(|_| pending())
    }

    /// Hands each call to whoever has the other end.
    fn at_desk() -> (Self, Desk) {
        let (sender, calls) = mpsc::unbounded_channel();
        let upstream = Self::new(move |token| {
            let (answer, given) = oneshot::channel();
            let _ = sender.send(Call { token, answer });
            async move { given.await.unwrap_or_else(|_| Err(VerifyError::unavailable("nobody answers"))) }
        });
        (upstream, Desk(calls))
    }

    fn calls(&self) -> usize {
        self.0.calls.load(Ordering::SeqCst)
    }

    /// How many calls are under way.
    fn running(&self) -> usize {
        self.0.running.load(Ordering::SeqCst)
    }

    /// How many were at most.
    fn most(&self) -> usize {
        self.0.most.load(Ordering::SeqCst)
    }
}

impl TokenVerifier for Upstream {
    fn verify(&self, token: &BearerToken) -> impl Future<Output = Verdict> + Send {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        let running = self.0.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most.fetch_max(running, Ordering::SeqCst);
        let running = Running(Arc::clone(&self.0));
        let answer = (self.0.answer)(token.as_str().to_owned());
        async move {
            let _running = running;
            answer.await
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Holds calls back.
#[derive(Clone)]
struct Gate(Arc<Semaphore>);

impl Gate {
    async fn pass(&self) {
        // It is never handed out: the gate is closed, or open for good.
        drop(self.0.acquire().await);
    }

    /// Lets all through, from now on.
    fn open(&self) {
        self.0.close();
    }
}

/// Where calls are answered by hand.
struct Desk(mpsc::UnboundedReceiver<Call>);

struct Call {
    token: String,
    answer: oneshot::Sender<Verdict>,
}

impl Desk {
    async fn next(&mut self) -> Call {
        soon(self.0.recv()).await.unwrap()
    }

    fn is_empty(&mut self) -> bool {
        self.0.try_recv().is_err()
    }
}

impl Call {
    fn answer(self, verdict: Verdict) {
        let _ = self.answer.send(verdict);
    }

    /// Says of whom the token is.
    fn subject(self, subject: &str) {
        self.answer(Ok(of(subject)));
    }

    fn reject(self) {
        self.answer(Err(Kind::Inactive.into()));
    }
}

/// Fails the test if something hangs.
async fn soon<F: Future>(future: F) -> F::Output {
    timeout(seconds(120), future).await.expect("it hangs")
}

/// Lets others run until something is the case.
async fn until(is_so: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !is_so() {
        assert!(began.elapsed() < seconds(60), "it never came to that");
        yield_now().await;
    }
}

/// Lets all others run until they wait for something. Only on a runtime of one thread.
async fn settle() {
    for _ in 0..100 {
        yield_now().await;
    }
}

async fn ask<V: TokenVerifier + 'static>(cache: &Cached<V>, token: &str) -> Verdict {
    cache.verify(&bearer(token)).await
}

/// Polls once.
async fn poll_once<F: Future + ?Sized>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}

/// Polls so many times, lets others run in between, and goes away.
async fn poll_and_go<F: Future>(future: F, times: usize) {
    let mut future = Box::pin(future);
    for _ in 0..times {
        if poll_once(future.as_mut()).await.is_ready() {
            return;
        }
        yield_now().await;
    }
}

fn is_unavailable(verdict: &Verdict) -> bool {
    verdict.as_ref().is_err_and(|error| error.kind() == Kind::Unavailable)
}

fn subject(verdict: &Verdict) -> &str {
    verdict.as_ref().unwrap().subject().unwrap()
}

/// The deliberate panics of this file. Others are reported as usual, and noted.
const BOOM: &str = "boom";
/// On which threads.
static SURPRISES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A payload that panics once more when somebody throws it away.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic_any(BOOM);
    }
}

fn silence_deliberate_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let payload = panic.payload();
            if payload.downcast_ref::<&str>() != Some(&BOOM) && !payload.is::<Bomb>() {
                SURPRISES.lock().unwrap().push(thread::current().name().unwrap_or_default().to_owned());
                usual(panic);
            }
        }));
    });
}

/// The runtimes that people have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Where {
    CurrentThread,
    Workers(usize),
    Local,
}

const EVERYWHERE: [Where; 5] = [CurrentThread, Workers(1), Workers(2), Workers(16), Local];

impl Where {
    fn runtime(self) -> Runtime {
        let mut builder = match self {
            CurrentThread | Local => Builder::new_current_thread(),
            Workers(_) => Builder::new_multi_thread(),
        };
        if let Workers(workers) = self {
            // Its threads are known by the test that they belong to.
            builder.worker_threads(workers).thread_name(thread::current().name().unwrap_or_default());
        }
        builder.enable_all().build().unwrap()
    }

    fn run<F: Future>(self, body: F) -> F::Output {
        let runtime = self.runtime();
        match self {
            Local => LocalSet::new().block_on(&runtime, soon(body)),
            CurrentThread | Workers(_) => runtime.block_on(soon(body)),
        }
    }
}

/// Many who ask at the same time.
struct Crowd<T> {
    tasks: JoinSet<T>,
    place: Where,
}

impl<T: Send + 'static> Crowd<T> {
    fn new(place: Where) -> Self {
        Self { tasks: JoinSet::new(), place }
    }

    fn add(&mut self, future: impl Future<Output = T> + Send + 'static) {
        match self.place {
            Local => self.tasks.spawn_local(future),
            CurrentThread | Workers(_) => self.tasks.spawn(future),
        };
    }

    async fn all(self) -> Vec<T> {
        soon(self.tasks.join_all()).await
    }
}

impl Crowd<Verdict> {
    /// So many who ask a cache for one token.
    fn ask<V: TokenVerifier + 'static>(place: Where, number: usize, cache: &Cached<V>, token: &str) -> Self {
        let mut crowd = Self::new(place);
        for _ in 0..number {
            let (cache, token) = (cache.clone(), bearer(token));
            crowd.add(async move { cache.verify(&token).await });
        }
        crowd
    }
}

fn request(token: &str) -> Request<Untouchable> {
    Request::builder().header(AUTHORIZATION, format!("Bearer {token}")).body(Untouchable).unwrap()
}

async fn present<V: TokenVerifier + 'static>(service: Auth<Handler, V>, token: &str) -> Answer {
    Answer::read(service.oneshot(request(token)).await.unwrap()).await
}

// One call.

#[test]
fn ten_thousand_who_ask_together_cost_one_call() {
    for place in EVERYWHERE {
        let body = async move {
            let (upstream, gate) = Upstream::gated();
            let cache = upstream.clone().cached(CacheLayer::new());
            let handle = cache.handle();
            let crowd = Crowd::ask(place, MANY, &cache, "t");
            until(|| handle.stats().joined() == MANY as u64 - 1).await;
            assert_eq!(handle.stats().in_flight(), 1);
            gate.open();
            for verdict in crowd.all().await {
                assert_eq!(subject(&verdict), "t");
            }
            assert_eq!(upstream.calls(), 1, "{place:?}");
            let stats = handle.stats();
            assert_eq!((stats.misses(), stats.joined(), stats.hits()), (1, MANY as u64 - 1, 0));
            assert_eq!((stats.in_flight(), stats.entries()), (0, 1));
            assert_eq!(subject(&ask(&cache, "t").await), "t");
            assert_eq!((upstream.calls(), handle.stats().hits()), (1, 1));
        };
        place.run(body);
    }
}

#[test]
fn ten_thousand_requests_through_the_layer_cost_one_call() {
    for place in EVERYWHERE {
        let body = async move {
            let (upstream, gate) = Upstream::gated();
            let cache = upstream.clone().cached(CacheLayer::new());
            let handle = cache.handle();
            let (handler, auth) = (Handler::default(), AuthLayer::new(cache));
            let mut crowd = Crowd::new(place);
            for round in 0..MANY {
                // Half of them through a clone of the layer.
                let auth = if round % 2 == 0 { auth.clone() } else { AuthLayer::clone(&auth) };
                let service = auth.layer(handler.clone());
                crowd.add(async move { present(service, "t").await.status });
            }
            until(|| handle.stats().joined() == MANY as u64 - 1).await;
            gate.open();
            assert!(crowd.all().await.into_iter().all(|status| status == StatusCode::OK));
            assert_eq!((upstream.calls(), handler.calls()), (1, MANY), "{place:?}");
            let stats = handle.stats();
            assert_eq!((stats.misses(), stats.joined(), stats.hits()), (1, MANY as u64 - 1, 0));
            assert_eq!(stats.in_flight(), 0);
        };
        place.run(body);
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_of_ten_thousand_is_answered_when_the_verifier_answers() {
    let upstream = Upstream::after(millis(50));
    let auth = AuthLayer::new(upstream.clone().cached(CacheLayer::new()));
    let (handler, began) = (Handler::default(), Instant::now());
    let mut crowd = Crowd::new(CurrentThread);
    for _ in 0..MANY {
        let service = auth.layer(handler.clone());
        crowd.add(async move { (present(service, "t").await.status, began.elapsed()) });
    }
    for (status, elapsed) in crowd.all().await {
        assert_eq!(status, StatusCode::OK);
        assert!((millis(50)..=millis(52)).contains(&elapsed), "{elapsed:?}");
    }
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_another_token_waits_for_nobody() {
    let upstream = Upstream::new(|token| async move {
        if token == "slow" {
            sleep(seconds(5)).await;
        }
        Ok(of(&token))
    });
    let cache = upstream.clone().cached(CacheLayer::new());
    ask(&cache, "warm").await.unwrap();
    let slow = tokio::spawn({
        let cache = cache.clone();
        async move { ask(&cache, "slow").await }
    });
    until(|| upstream.running() == 1).await;
    let began = Instant::now();
    for round in 0..1_000 {
        ask(&cache, "warm").await.unwrap();
        ask(&cache, &format!("t{round}")).await.unwrap();
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(subject(&slow.await.unwrap()), "slow");
    assert_eq!(began.elapsed().as_secs(), 5);
}

// Callers who go away.

#[tokio::test]
async fn a_future_that_is_dropped_before_its_first_poll_starts_nothing() {
    let (upstream, gate) = Upstream::gated();
    let cache = upstream.clone().cached(CacheLayer::new());
    let handle = cache.handle();
    let mut service = AuthLayer::new(cache.clone()).layer(Handler::default());
    for round in 0..1_000 {
        let token = bearer(&format!("t{round}"));
        drop(cache.verify(&token));
        drop(service.ready().await.unwrap().call(request(token.as_str())));
        drop(service.clone().oneshot(request(token.as_str())));
        settle_a_little().await;
        assert_eq!(handle.stats().in_flight(), 0);
    }
    gate.open();
    settle().await;
    let stats = handle.stats();
    assert_eq!((upstream.calls(), stats.misses(), stats.joined(), stats.entries()), (0, 0, 0, 0));
    assert_eq!(present(service, "t0").await.status, StatusCode::OK);
    assert_eq!(upstream.calls(), 1);
}

async fn settle_a_little() {
    for _ in 0..5 {
        yield_now().await;
    }
}

#[tokio::test]
async fn a_thousand_times_the_first_who_asked_goes_away_and_the_others_get_their_answer() {
    let upstream = Upstream::after_turns(5);
    let cache = upstream.clone().cached(CacheLayer::new());
    let (handle, auth) = (cache.handle(), AuthLayer::new(cache.clone()));
    for round in 0..1_000 {
        let token = format!("t{round}");
        // Through the layer or without it, after each number of polls that it takes.
        let polls = 1 + round / 2 % 10;
        let mut early = Vec::new();
        let mut leader: Pin<Box<dyn Future<Output = ()>>> = if round % 2 == 0 {
            Box::pin(async { drop(ask(&cache, &token).await) })
        } else {
            Box::pin(async { drop(present(auth.layer(Handler::default()), &token).await) })
        };
        assert!(poll_once(leader.as_mut()).await.is_pending());
        for _ in 0..3 {
            let (cache, token) = (cache.clone(), token.clone());
            early.push(tokio::spawn(async move { ask(&cache, &token).await }));
        }
        poll_and_go(leader, polls - 1).await;
        assert_eq!(subject(&ask(&cache, &token).await), token);
        for follower in early {
            assert_eq!(subject(&soon(follower).await.unwrap()), token);
        }
        assert_eq!((upstream.calls(), handle.stats().in_flight()), (round + 1, 0));
    }
}

#[test]
fn a_thousand_times_somebody_is_aborted_at_any_moment_and_the_others_get_their_answer() {
    for place in [Workers(1), Workers(2), Workers(16)] {
        let body = async move {
            let upstream = Upstream::after_turns(3);
            let cache = upstream.clone().cached(CacheLayer::new());
            let handle = cache.handle();
            for round in 0..1_000 {
                let token = format!("t{round}");
                let spawn = || {
                    let (cache, token) = (cache.clone(), token.clone());
                    tokio::spawn(async move { ask(&cache, &token).await })
                };
                let leader = spawn();
                let others = [spawn(), spawn(), spawn()];
                step_aside(round % 7).await;
                leader.abort();
                others[round % 3].abort();
                drop(leader.await);
                for (number, other) in others.into_iter().enumerate() {
                    match soon(other).await {
                        Ok(verdict) => assert_eq!(subject(&verdict), token),
                        Err(error) => assert!(error.is_cancelled() && number == round % 3),
                    }
                }
                // One call, by one of the two who stay at the latest.
                assert_eq!((upstream.calls(), handle.stats().in_flight()), (round + 1, 0), "{place:?}");
            }
        };
        place.run(body);
    }
}

#[test]
fn when_everybody_has_gone_the_call_ends_by_itself_and_what_it_brings_is_remembered() {
    for place in EVERYWHERE {
        let body = async move {
            let (upstream, gate) = Upstream::gated();
            let cache = upstream.clone().cached(CacheLayer::new());
            let handle = cache.handle();
            for _ in 0..100 {
                poll_and_go(ask(&cache, "t"), 2).await;
            }
            until(|| upstream.running() == 1).await;
            assert_eq!(handle.stats().in_flight(), 1);
            gate.open();
            until(|| handle.stats().in_flight() == 0).await;
            assert_eq!(handle.stats().entries(), 1);
            assert_eq!(subject(&ask(&cache, "t").await), "t");
            assert_eq!((upstream.calls(), upstream.running()), (1, 0), "{place:?}");
        };
        place.run(body);
    }
}

#[tokio::test(start_paused = true)]
async fn when_everybody_has_gone_a_call_that_hangs_is_given_up_in_time() {
    let upstream = Upstream::hanging();
    let cache = upstream.clone().cached(CacheLayer::new());
    let handle = cache.handle();
    let mut service = AuthLayer::new(cache.clone()).layer(Handler::default());
    for round in 0..20 {
        poll_and_go(ask(&cache, &format!("a{round}")), 1).await;
        poll_and_go(service.ready().await.unwrap().call(request(&format!("b{round}"))), 1).await;
    }
    until(|| upstream.running() == 40).await;
    sleep(millis(9_990)).await;
    assert_eq!((upstream.running(), handle.stats().in_flight()), (40, 40));
    sleep(millis(20)).await;
    assert_eq!((upstream.running(), handle.stats().in_flight()), (0, 0));
    assert_eq!((upstream.calls(), handle.stats().entries(), handle.stats().negative_entries()), (40, 0, 0));
}

#[test]
fn who_waits_for_a_place_and_goes_away_is_never_asked_about() {
    for place in EVERYWHERE {
        let body = async move {
            let (upstream, gate) = Upstream::gated();
            let layer = CacheLayer::builder().max_upstream_calls(1).max_wait(seconds(60)).build().unwrap();
            let cache = upstream.clone().cached(layer);
            let handle = cache.handle();
            let first = Crowd::ask(place, 1, &cache, "first");
            until(|| upstream.running() == 1).await;
            for round in 0..100 {
                poll_and_go(ask(&cache, &format!("t{}", round / 2)), 1 + round % 3).await;
            }
            until(|| handle.stats().in_flight() == 1).await;
            // One who stays, for a token that others have left.
            let last = Crowd::ask(place, 1, &cache, "t7");
            until(|| handle.stats().in_flight() == 2).await;
            gate.open();
            assert_eq!(subject(&first.all().await[0]), "first");
            assert_eq!(subject(&last.all().await[0]), "t7");
            assert_eq!((upstream.calls(), upstream.most()), (2, 1), "{place:?}");
            let stats = handle.stats();
            assert_eq!((stats.in_flight(), stats.entries(), stats.turned_away()), (0, 2, 0));
        };
        place.run(body);
    }
}

#[tokio::test]
async fn who_joins_while_the_last_one_goes_away_gets_an_answer() {
    for round in 0..1_000 {
        let (upstream, gate) = Upstream::gated();
        let layer = CacheLayer::builder().max_upstream_calls(1).max_wait(seconds(60)).build().unwrap();
        let cache = upstream.clone().cached(layer);
        poll_and_go(ask(&cache, "first"), 2).await;
        let mut leader = Box::pin(ask(&cache, "t"));
        assert!(poll_once(leader.as_mut()).await.is_pending());
        for _ in 0..round % 4 {
            yield_now().await;
        }
        // The flight is told that nobody waits any more, and finds somebody when it looks.
        drop(leader);
        for _ in 0..round / 4 % 2 {
            yield_now().await;
        }
        let mut joiner = Box::pin(ask(&cache, "t"));
        assert!(poll_once(joiner.as_mut()).await.is_pending());
        settle_a_little().await;
        assert_eq!((cache.handle().stats().in_flight(), upstream.calls()), (2, 1));
        gate.open();
        assert_eq!(subject(&soon(joiner).await), "t");
        assert_eq!((cache.handle().stats().in_flight(), upstream.calls()), (0, 2));
    }
}

// Verifiers that panic.

/// Makes a verifier that panics in some way when it is asked, and is well for these two: `first`, which waits for the
/// gate, and whatever comes when it has recovered.
fn faulty(fault: Fault) -> (Upstream, Gate, Arc<AtomicBool>) {
    silence_deliberate_panics();
    let (gate, has_recovered) = (Gate(Arc::new(Semaphore::new(0))), Arc::new(AtomicBool::new(false)));
    let (own_gate, own_recovery) = (gate.clone(), Arc::clone(&has_recovered));
    let upstream = Upstream::new(move |token| -> VerdictFuture {
        let gate = own_gate.clone();
        if token == "first" {
            return Box::pin(async move {
                gate.pass().await;
                Ok(of(&token))
            });
        }
        if own_recovery.load(Ordering::SeqCst) {
            return Box::pin(async move { Ok(of(&token)) });
        }
        match fault {
            Fault::WhenMade => panic_any(BOOM),
            Fault::AtOnce => Box::pin(async { panic_any(BOOM) }),
            Fault::Later => Box::pin(async {
                yield_now().await;
                panic_any(BOOM)
            }),
            Fault::WhenDropped => Box::pin(PanicsWhenDropped),
            Fault::WithABomb => Box::pin(async { panic_any(Bomb) }),
        }
    });
    (upstream, gate, has_recovered)
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// By a function that returns a future and is none.
    WhenMade,
    AtOnce,
    Later,
    /// After it has vouched for the token.
    WhenDropped,
    /// With something that panics again.
    WithABomb,
}

struct PanicsWhenDropped;

impl Future for PanicsWhenDropped {
    type Output = Verdict;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Verdict> {
        Poll::Ready(Ok(of("nobody")))
    }
}

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic_any(BOOM);
    }
}

async fn assert_panic_is_told(place: Where, fault: Fault) {
    let (upstream, gate, has_recovered) = faulty(fault);
    // While one other is under way, everybody can join before anything happens.
    let layer = CacheLayer::builder().max_upstream_calls(1).max_wait(seconds(60)).build().unwrap();
    let cache = upstream.clone().cached(layer);
    let handle = cache.handle();
    let first = Crowd::ask(place, 1, &cache, "first");
    until(|| upstream.running() == 1).await;
    let crowd = Crowd::ask(place, 101, &cache, "t");
    until(|| handle.stats().joined() == 100).await;
    gate.open();
    let is_told = |verdict: &Verdict| {
        let error = verdict.as_ref().unwrap_err();
        error.kind() == Kind::Unavailable && error.is_misconfigured() && error.retry_delay().is_none()
    };
    let told = crowd.all().await.iter().filter(|verdict| is_told(verdict)).count();
    assert_eq!((told, upstream.calls()), (101, 2), "{place:?} {fault:?}");
    assert_eq!(subject(&first.all().await[0]), "first");
    let stats = handle.stats();
    assert_eq!((stats.in_flight(), stats.entries(), stats.negative_entries()), (0, 1, 0));
    assert_panic_spoils_nothing(&cache).await;
    assert_eq!((upstream.calls(), upstream.running(), handle.stats().in_flight()), (3, 0, 0));
    has_recovered.store(true, Ordering::SeqCst);
    assert_eq!(subject(&ask(&cache, "t").await), "t");
}

/// Through the layer as well, and others are served.
async fn assert_panic_spoils_nothing(cache: &Cached<Upstream>) {
    let service = AuthLayer::new(cache.clone()).layer(Handler::default());
    let answer = present(service.clone(), "t").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.kind(), Some(RejectionKind::Unavailable));
    assert_eq!(present(service, "first").await.status, StatusCode::OK);
}

fn assert_panic_is_told_everywhere(fault: Fault) {
    for place in EVERYWHERE {
        place.run(assert_panic_is_told(place, fault));
    }
}

#[test]
fn a_panic_before_the_verifier_waits_is_told_to_all() {
    assert_panic_is_told_everywhere(Fault::AtOnce);
}

#[test]
fn a_panic_after_the_verifier_has_waited_is_told_to_all() {
    assert_panic_is_told_everywhere(Fault::Later);
}

#[test]
fn a_panic_while_the_future_is_made_is_told_to_all() {
    assert_panic_is_told_everywhere(Fault::WhenMade);
}

#[test]
fn a_panic_while_the_future_is_dropped_is_told_to_all() {
    assert_panic_is_told_everywhere(Fault::WhenDropped);
}

#[test]
fn a_panic_whose_payload_panics_again_is_told_to_all() {
    assert_panic_is_told_everywhere(Fault::WithABomb);
}

#[tokio::test(start_paused = true)]
async fn a_verifier_that_is_given_up_and_panics_at_that_is_told_to_all() {
    struct Hangs;

    impl Future for Hangs {
        type Output = Verdict;

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Verdict> {
            Poll::Pending
        }
    }

    impl Drop for Hangs {
        fn drop(&mut self) {
            panic_any(BOOM);
        }
    }

    silence_deliberate_panics();
    let upstream = Upstream::new(|_| Hangs);
    let cache = upstream.clone().cached(CacheLayer::new());
    for verdict in Crowd::ask(CurrentThread, 100, &cache, "t").all().await {
        assert!(is_unavailable(&verdict));
    }
    assert_eq!((upstream.calls(), cache.handle().stats().in_flight()), (1, 0));
}

// Verifiers that cannot tell.

#[test]
fn an_outage_with_ten_thousand_who_wait_costs_one_call_and_is_not_remembered() {
    for place in EVERYWHERE {
        let body = async move {
            let is_down = Arc::new(AtomicBool::new(true));
            let own = Arc::clone(&is_down);
            let (upstream, gate) = Upstream::gated_with(move |token| match own.load(Ordering::SeqCst) {
                true => Err(VerifyError::unavailable("down").retry_after(seconds(7))),
                false => Ok(of(token)),
            });
            let cache = upstream.clone().cached(CacheLayer::new());
            let handle = cache.handle();
            let crowd = Crowd::ask(place, MANY, &cache, "t");
            until(|| handle.stats().joined() == MANY as u64 - 1).await;
            gate.open();
            for verdict in crowd.all().await {
                let error = verdict.unwrap_err();
                assert_eq!((error.kind(), error.is_misconfigured()), (Kind::Unavailable, false));
                assert_eq!(error.retry_delay(), Some(seconds(7)));
            }
            let stats = handle.stats();
            assert_eq!((stats.in_flight(), stats.entries(), stats.negative_entries()), (0, 0, 0));
            assert_eq!(upstream.calls(), 1, "{place:?}");
            let service = AuthLayer::new(cache.clone()).layer(Handler::default());
            let answer = present(service.clone(), "t").await;
            assert_eq!((answer.status, answer.field("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "7"));
            assert_eq!(upstream.calls(), 2);
            is_down.store(false, Ordering::SeqCst);
            assert_eq!(present(service, "t").await.status, StatusCode::OK);
            assert_eq!(upstream.calls(), 3);
        };
        place.run(body);
    }
}

#[tokio::test]
async fn what_is_definitely_bad_is_told_to_all_who_wait_and_remembered() {
    for (kind, calls) in
        [(Kind::Inactive, 1), (Kind::Audience, 1), (Kind::NotMine, 2), (Kind::NotYetValid, 2)]
    {
        let (upstream, gate) = Upstream::gated_with(move |_| Err(kind.into()));
        let cache = upstream.clone().cached(CacheLayer::new());
        let crowd = Crowd::ask(CurrentThread, 100, &cache, "t");
        until(|| cache.handle().stats().joined() == 99).await;
        gate.open();
        for verdict in crowd.all().await {
            assert_eq!(verdict.unwrap_err().kind(), kind);
        }
        assert_eq!(upstream.calls(), 1);
        assert_eq!(ask(&cache, "t").await.unwrap_err().kind(), kind);
        assert_eq!(upstream.calls(), calls, "{kind:?}");
    }
}

// Limits of time.

#[tokio::test(start_paused = true)]
async fn a_caller_is_failed_by_its_own_limit_and_by_nobody_elses() {
    for is_first_in_a_hurry in [false, true] {
        let upstream = Upstream::after(millis(300));
        let cache = upstream.clone().cached(CacheLayer::new());
        let patient = AuthLayer::new(cache.clone()).layer(Handler::default());
        let hurried = AuthLayer::builder(cache.clone()).timeout(millis(100)).build().unwrap();
        let hurried = hurried.layer(Handler::default());
        let began = Instant::now();
        let (first, second) = if is_first_in_a_hurry { (hurried, patient) } else { (patient, hurried) };
        let timed = |service| {
            tokio::spawn(
                async move { (present(service, "t").await.status.as_u16(), began.elapsed().as_millis()) },
            )
        };
        let first = timed(first);
        until(|| upstream.running() == 1).await;
        let second = timed(second);
        let mut answers = [first.await.unwrap(), second.await.unwrap()];
        answers.sort_unstable_by_key(|(_, elapsed)| *elapsed);
        let [hurried, patient] = answers;
        assert_eq!((hurried.0, patient.0), (503, 200));
        assert!((100..=102).contains(&hurried.1) && (300..=302).contains(&patient.1), "{answers:?}");
        assert_eq!((upstream.calls(), cache.handle().stats().in_flight()), (1, 0));
        assert_eq!(cache.handle().stats().joined(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_too_long_is_given_up_and_nobody_can_tell() {
    let own = CacheLayer::builder().timeout(millis(50)).build().unwrap();
    for (layer, limit) in [(CacheLayer::new(), seconds(10)), (own, millis(50))] {
        let upstream = Upstream::hanging();
        let cache = upstream.clone().cached(layer);
        let began = Instant::now();
        let early = Crowd::ask(CurrentThread, 100, &cache, "t");
        sleep(limit / 2).await;
        // Who comes late waits for the same call, and not longer.
        let late = Crowd::ask(CurrentThread, 100, &cache, "t");
        for verdict in early.all().await.iter().chain(&late.all().await) {
            let error = verdict.as_ref().unwrap_err();
            assert_eq!((error.kind(), error.is_misconfigured()), (Kind::Unavailable, false));
        }
        let elapsed = began.elapsed();
        assert!(limit <= elapsed && elapsed <= limit + millis(3), "{elapsed:?}");
        let stats = cache.handle().stats();
        assert_eq!((upstream.calls(), upstream.running(), stats.in_flight()), (1, 0, 0));
        assert_eq!((stats.entries(), stats.negative_entries(), stats.turned_away()), (0, 0, 0));
        assert!(is_unavailable(&ask(&cache, "t").await));
        assert_eq!(upstream.calls(), 2);
    }
    // Just in time is in time.
    let layer = CacheLayer::builder().timeout(millis(50)).build().unwrap();
    assert_eq!(subject(&ask(&Upstream::after(millis(48)).cached(layer), "t").await), "t");
}

// Places.

#[test]
fn ten_thousand_tokens_at_once_are_never_taken_for_one_another() {
    for place in [CurrentThread, Workers(2)] {
        let body = async move {
            let (upstream, gate) = Upstream::gated();
            let layer = CacheLayer::builder().max_upstream_calls(MANY).max_entries(2 * MANY).build().unwrap();
            let cache = upstream.clone().cached(layer);
            let auth = AuthLayer::new(cache.clone());
            let mut crowd = Crowd::new(place);
            for round in 0..MANY {
                let (cache, token, handler) = (cache.clone(), format!("t{round}"), Handler::default());
                let service = auth.layer(handler.clone());
                crowd.add(async move {
                    if round % 2 == 0 {
                        return subject(&ask(&cache, &token).await) == token;
                    }
                    let answer = present(service, &token).await;
                    let seen = handler.last().token;
                    answer.status == StatusCode::OK && seen.is_some_and(|seen| seen.subject() == Some(&token))
                });
            }
            until(|| upstream.running() == MANY).await;
            gate.open();
            assert!(crowd.all().await.into_iter().all(|is_own| is_own));
            assert_eq!((upstream.calls(), upstream.most()), (MANY, MANY));
            let stats = cache.handle().stats();
            assert_eq!((stats.misses(), stats.joined(), stats.in_flight()), (MANY as u64, 0, 0));
        };
        place.run(body);
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_are_under_way_than_there_are_places() {
    let upstream = Upstream::after(millis(1));
    let cache = upstream.clone().cached(CacheLayer::new());
    let mut crowd = Crowd::new(CurrentThread);
    for round in 0..2 * MANY {
        let cache = cache.clone();
        crowd.add(async move { ask(&cache, &format!("t{}", round / 2)).await });
    }
    assert!(crowd.all().await.iter().all(Result::is_ok));
    assert_eq!((upstream.calls(), upstream.most(), upstream.running()), (MANY, 64, 0));
    let stats = cache.handle().stats();
    assert_eq!((stats.in_flight(), stats.turned_away(), stats.joined()), (0, 0, MANY as u64));
}

/// The paused time of tokio.
#[derive(Debug)]
struct Paused;

impl Clock for Paused {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
    }

    fn instant(&self) -> std::time::Instant {
        Instant::now().into_std()
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_strangers_costs_nobody_who_is_known_an_answer() {
    // 64 places for calls of half a second are 128 calls a second: the flood alone is more.
    let upstream = Upstream::after(millis(500));
    let layer = CacheLayer::builder().time_to_live(seconds(30)).clock(Paused).build().unwrap();
    let cache = upstream.clone().cached(layer);
    for known in 0..50 {
        assert!(ask(&cache, &format!("known{known}")).await.is_ok());
    }
    let (mut crowd, mut known, mut number) = (Crowd::new(CurrentThread), Crowd::new(CurrentThread), 0);
    let mut ticks = tokio::time::interval(millis(100));
    for tick in 0..900 {
        ticks.tick().await;
        for _ in 0..20 {
            number += 1;
            let (cache, token) = (cache.clone(), format!("stranger{number}"));
            crowd.add(async move { ask(&cache, &token).await });
        }
        let (cache, token) = (cache.clone(), format!("known{}", tick % 50));
        let again = cache.clone();
        known.add(async move { ask(&cache, &token).await.is_ok() });
        // Known to a cache around this one.
        let token = format!("elsewhere{tick}");
        known.add(async move { again.revalidate(&bearer(&token), &of(&token)).await.is_ok() });
    }
    assert!(known.all().await.into_iter().all(|is_good| is_good));
    assert_eq!(upstream.most(), 64);
    let turned_away = cache.handle().stats().turned_away();
    assert!(turned_away > 1_000, "the flood was none: {turned_away}");
}

/// Hangs until it is told not to.
#[derive(Clone, Default)]
struct Hanging {
    is_well: Arc<AtomicBool>,
    most: Arc<AtomicUsize>,
    running: Arc<AtomicUsize>,
}

struct UnderWay(Arc<AtomicUsize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl TokenVerifier for Hanging {
    async fn verify(&self, _: &BearerToken) -> Verdict {
        let _under_way = UnderWay(Arc::clone(&self.running));
        self.most.fetch_max(self.running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        if !self.is_well.load(Ordering::SeqCst) {
            pending::<()>().await;
        }
        Ok(AccessToken::verified().subject("alice").build())
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hung_is_found_to_be_back_within_two_seconds() {
    // Whenever it comes back: the time limit of the calls is 10 seconds.
    for phase in 0..10 {
        let upstream = Hanging::default();
        let cache = upstream.clone().cached(CacheLayer::new());
        let mut crowd = Crowd::new(CurrentThread);
        let started = Instant::now();
        let mut number = 0;
        let mut strangers = tokio::time::interval(millis(20));
        let mut come = async |until: Duration, crowd: &mut Crowd<Verdict>| {
            while started.elapsed() < until {
                strangers.tick().await;
                number += 1;
                let (cache, token) = (cache.clone(), format!("t{number}"));
                crowd.add(async move { ask(&cache, &token).await });
            }
        };
        come(millis(40_000 + phase * 1_000), &mut crowd).await;
        upstream.is_well.store(true, Ordering::SeqCst);
        let healed_at = started.elapsed();
        let (cache, mut tried) = (cache.clone(), 0);
        while ask(&cache, &format!("late{tried}")).await.is_err() {
            tried += 1;
        }
        assert!(started.elapsed() - healed_at <= seconds(2), "{phase}: {:?}", started.elapsed() - healed_at);
        assert!(upstream.most.load(Ordering::SeqCst) <= 64);
        drop(crowd);
    }
}

#[test]
fn no_more_calls_are_under_way_than_there_are_places_on_any_number_of_threads() {
    for place in EVERYWHERE {
        let body = async move {
            let upstream = Upstream::after_turns(3);
            let layer = CacheLayer::builder().max_upstream_calls(3).max_wait(seconds(60)).build().unwrap();
            let cache = upstream.clone().cached(layer);
            let mut crowd = Crowd::new(place);
            for round in 0..3_000 {
                let cache = cache.clone();
                crowd.add(async move {
                    let token = format!("t{}", round / 3);
                    if round % 3 == 0 {
                        // Some do not wait for their answer.
                        poll_and_go(ask(&cache, &token), round % 5).await;
                        return true;
                    }
                    subject(&ask(&cache, &token).await) == token
                });
            }
            assert!(crowd.all().await.into_iter().all(|is_own| is_own));
            until(|| cache.handle().stats().in_flight() == 0).await;
            assert!(upstream.most() <= 3, "{place:?}: {}", upstream.most());
            assert_eq!((upstream.calls(), upstream.running()), (1_000, 0), "{place:?}");
        };
        place.run(body);
    }
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_place_in_time_is_turned_away() {
    for (max_wait, waits) in [(None, millis(2_000)), (Some(Duration::ZERO), Duration::ZERO)] {
        let (upstream, gate) = Upstream::gated();
        let mut builder = CacheLayer::builder().max_upstream_calls(1);
        if let Some(max_wait) = max_wait {
            builder = builder.max_wait(max_wait);
        }
        let cache = upstream.clone().cached(builder.build().unwrap());
        let first = Crowd::ask(CurrentThread, 1, &cache, "first");
        until(|| upstream.running() == 1).await;
        let began = Instant::now();
        let mut crowd = Crowd::new(CurrentThread);
        for round in 0..10 {
            let cache = cache.clone();
            crowd.add(async move { ask(&cache, &format!("t{}", round / 2)).await });
        }
        for verdict in crowd.all().await {
            let error = verdict.unwrap_err();
            assert_eq!((error.kind(), error.is_misconfigured()), (Kind::Unavailable, false));
        }
        assert!((waits..=waits + millis(2)).contains(&began.elapsed()), "{:?}", began.elapsed());
        let stats = cache.handle().stats();
        assert_eq!((stats.turned_away(), stats.misses(), stats.joined()), (5, 6, 5));
        assert_eq!((stats.in_flight(), stats.negative_entries(), upstream.calls()), (1, 0, 1));
        gate.open();
        assert_eq!(subject(&first.all().await[0]), "first");
        // The place is free again, and nobody is remembered as turned away.
        assert_eq!(subject(&ask(&cache, "t0").await), "t0");
    }
}

#[tokio::test(start_paused = true)]
async fn the_queue_for_a_place_is_bounded() {
    for longest in [0, 1, 2, 50] {
        let (upstream, gate) = Upstream::gated();
        let layer = CacheLayer::builder().max_upstream_calls(2).max_waiting(longest).build().unwrap();
        let cache = upstream.clone().cached(layer);
        let handle = cache.handle();
        let mut waiting = Crowd::new(CurrentThread);
        for round in 0..longest + 2 {
            let cache = cache.clone();
            waiting.add(async move { ask(&cache, &format!("t{round}")).await });
        }
        until(|| handle.stats().in_flight() == longest + 2).await;
        settle().await;
        let began = Instant::now();
        for round in 0..10 {
            assert!(is_unavailable(&ask(&cache, &format!("late{round}")).await), "{longest}");
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!((handle.stats().turned_away(), handle.stats().in_flight()), (10, longest + 2));
        // Those who wait for the same token need no place of their own.
        let joined = Crowd::ask(CurrentThread, 10, &cache, "t0");
        until(|| handle.stats().joined() == 10).await;
        gate.open();
        assert!(waiting.all().await.iter().chain(&joined.all().await).all(Result::is_ok));
        assert_eq!((upstream.calls(), upstream.most()), (longest + 2, 2));
        assert_eq!(subject(&ask(&cache, "late0").await), "late0");
    }
}

#[tokio::test(start_paused = true)]
async fn who_leaves_the_queue_leaves_room_in_it() {
    let (upstream, gate) = Upstream::gated();
    let layer = CacheLayer::builder().max_upstream_calls(1).max_waiting(1).build().unwrap();
    let cache = upstream.clone().cached(layer);
    poll_and_go(ask(&cache, "first"), 2).await;
    for round in 0..100 {
        poll_and_go(ask(&cache, &format!("t{round}")), 3).await;
        settle().await;
        assert_eq!(cache.handle().stats().in_flight(), 1);
    }
    let last = Crowd::ask(CurrentThread, 1, &cache, "last");
    until(|| cache.handle().stats().in_flight() == 2).await;
    gate.open();
    assert_eq!(subject(&last.all().await[0]), "last");
    assert_eq!((upstream.calls(), cache.handle().stats().turned_away()), (2, 0));
}

// Verifiers that call back in.

/// A verifier that asks its own cache for a token when it is asked for another one.
fn reentrant(
    layer: &CacheLayer,
    asks: impl Fn(&str) -> Option<&'static str> + Send + Sync + 'static,
) -> (Cached<Upstream>, Upstream) {
    let own: Arc<OnceLock<Cached<Upstream>>> = Arc::default();
    let inner = Arc::clone(&own);
    let upstream = Upstream::new(move |token| {
        let (cache, other) = (inner.get().unwrap().clone(), asks(&token));
        async move {
            match other {
                Some(other) => ask(&cache, other).await.map(|_| of(&token)),
                None => Ok(of(&token)),
            }
        }
    });
    let cache = upstream.clone().cached(layer.clone());
    assert!(own.set(cache.clone()).is_ok());
    (cache, upstream)
}

#[tokio::test(start_paused = true)]
async fn a_verifier_may_ask_its_own_cache_for_another_token() {
    let asks = |token: &str| (token == "outer").then_some("inner");
    let (cache, upstream) = reentrant(&CacheLayer::new(), asks);
    let began = Instant::now();
    assert_eq!(subject(&ask(&cache, "outer").await), "outer");
    assert_eq!((upstream.calls(), began.elapsed()), (2, Duration::ZERO));
    assert_eq!(subject(&ask(&cache, "inner").await), "inner");
    assert_eq!(upstream.calls(), 2);
    // With one place only, the inner one waits for the outer one, and not for ever.
    let layer = CacheLayer::builder().max_upstream_calls(1).build().unwrap();
    let (cache, upstream) = reentrant(&layer, asks);
    let service = AuthLayer::new(cache.clone()).layer(Handler::default());
    let began = Instant::now();
    assert_eq!(present(service.clone(), "outer").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(began.elapsed() <= seconds(10));
    assert_eq!((upstream.calls(), cache.handle().stats().in_flight()), (1, 0));
    // Unless it is known.
    assert_eq!(present(service.clone(), "inner").await.status, StatusCode::OK);
    assert_eq!(present(service, "outer").await.status, StatusCode::OK);
}

#[test]
fn a_verifier_may_ask_its_own_cache_for_another_token_outside_a_runtime() {
    let (cache, upstream) = reentrant(&CacheLayer::new(), |token| (token == "outer").then_some("inner"));
    assert_eq!(subject(&block_on(ask(&cache, "outer"))), "outer");
    assert_eq!(subject(&block_on(ask(&cache, "inner"))), "inner");
    assert_eq!((upstream.calls(), cache.handle().stats().in_flight()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_verifier_that_asks_its_own_cache_for_the_same_token_is_given_up_in_time() {
    for places in [1, 64] {
        let layer = CacheLayer::builder().max_upstream_calls(places).build().unwrap();
        let (cache, upstream) = reentrant(&layer, |token| (token == "t").then_some("t"));
        let service = AuthLayer::new(cache.clone()).layer(Handler::default());
        let began = Instant::now();
        assert_eq!(present(service.clone(), "t").await.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(began.elapsed() <= millis(10_002), "{:?}", began.elapsed());
        assert!(is_unavailable(&ask(&cache, "t").await));
        let began = Instant::now();
        settle().await;
        assert_eq!(present(service, "u").await.status, StatusCode::OK);
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!((upstream.running(), cache.handle().stats().in_flight()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn two_verifications_that_ask_for_each_other_are_given_up_in_time() {
    let asks = |token: &str| match token {
        "a" => Some("b"),
        "b" => Some("a"),
        _ => None,
    };
    let (cache, upstream) = reentrant(&CacheLayer::new(), asks);
    let began = Instant::now();
    let crowds = ["a", "b"].map(|token| Crowd::ask(CurrentThread, 10, &cache, token));
    for crowd in crowds {
        assert!(crowd.all().await.iter().all(is_unavailable));
    }
    assert!(began.elapsed() <= millis(10_002), "{:?}", began.elapsed());
    assert_eq!((upstream.calls(), upstream.running(), cache.handle().stats().in_flight()), (2, 0, 0));
}

// Runtimes that end or stand still.

#[test]
fn a_runtime_that_ends_takes_its_flights_with_it_and_who_waits_elsewhere_opens_another() {
    silence_deliberate_panics();
    for place in [CurrentThread, Workers(2)] {
        let (upstream, gate) = Upstream::gated();
        let layer = CacheLayer::builder().max_upstream_calls(200).build().unwrap();
        let cache = upstream.clone().cached(layer);
        let handle = cache.handle();
        let doomed = place.runtime();
        doomed.block_on(async {
            for round in 0..100 {
                let cache = cache.clone();
                tokio::spawn(async move { ask(&cache, &format!("t{round}")).await });
            }
            until(|| upstream.running() == 100).await;
        });
        let survivor = Workers(1).runtime();
        let waiting: Vec<_> = (0..100)
            .map(|round| {
                let cache = cache.clone();
                survivor.spawn(async move { ask(&cache, &format!("t{round}")).await })
            })
            .collect();
        survivor.block_on(until(|| handle.stats().joined() == 100));
        let began = std::time::Instant::now();
        drop(doomed);
        assert!(began.elapsed() < seconds(5), "{:?}", began.elapsed());
        survivor.block_on(until(|| upstream.calls() == 200));
        gate.open();
        for (round, waiting) in waiting.into_iter().enumerate() {
            assert_eq!(subject(&survivor.block_on(soon(waiting)).unwrap()), format!("t{round}"));
        }
        assert_eq!((upstream.calls(), upstream.running(), handle.stats().in_flight()), (200, 0, 0));
        let own = thread::current().name().unwrap_or_default().to_owned();
        assert!(!SURPRISES.lock().unwrap().contains(&own), "something panicked");
    }
}

#[test]
fn nothing_is_lost_with_a_runtime_that_ends_while_a_flight_waits_for_a_place() {
    let (upstream, gate) = Upstream::gated();
    let layer = CacheLayer::builder().max_upstream_calls(1).max_wait(seconds(60)).build().unwrap();
    let cache = upstream.clone().cached(layer);
    let (doomed, survivor) = (CurrentThread.runtime(), CurrentThread.runtime());
    doomed.block_on(async {
        let cache = cache.clone();
        tokio::spawn(async move { ask(&cache, "first").await });
        until(|| upstream.running() == 1).await;
    });
    doomed.block_on(async {
        let cache = cache.clone();
        tokio::spawn(async move { ask(&cache, "queued").await });
        settle().await;
    });
    assert_eq!(cache.handle().stats().in_flight(), 2);
    drop(doomed);
    assert_eq!((cache.handle().stats().in_flight(), upstream.running()), (0, 0));
    gate.open();
    survivor.block_on(soon(async {
        for token in ["first", "queued", "another"] {
            assert_eq!(subject(&ask(&cache, token).await), token);
        }
    }));
    assert_eq!((upstream.calls(), upstream.most()), (4, 1));
}

#[test]
fn who_asks_within_a_runtime_that_has_ended_gets_a_verdict() {
    let (upstream, gate) = Upstream::gated();
    gate.open();
    let cache = upstream.clone().cached(CacheLayer::new());
    let doomed = CurrentThread.runtime();
    let handle = doomed.handle().clone();
    drop(doomed);
    let _entered = handle.enter();
    let verdict = block_on(ask(&cache, "t"));
    assert!(is_unavailable(&verdict));
    let cause = verdict.unwrap_err().source().unwrap().to_string();
    assert_eq!(cause, "the runtime is shutting down");
    assert_eq!((cache.handle().stats().in_flight(), upstream.calls()), (0, 0));
}

#[test]
fn who_moves_to_another_runtime_when_its_own_ends_gets_a_verdict_there() {
    let (upstream, gate) = Upstream::gated();
    let cache = upstream.clone().cached(CacheLayer::new());
    // A timer could not move.
    let runtime = || Builder::new_current_thread().build().unwrap();
    let (doomed, survivor) = (runtime(), runtime());
    let mut asking = Box::pin(ask(&cache, "t"));
    doomed.block_on(async {
        assert!(poll_once(asking.as_mut()).await.is_pending());
        until(|| upstream.running() == 1).await;
    });
    drop(doomed);
    gate.open();
    assert_eq!(subject(&survivor.block_on(asking)), "t");
    assert_eq!((upstream.calls(), cache.handle().stats().in_flight()), (2, 0));
}

#[test]
fn a_runtime_that_stands_still_keeps_others_waiting_no_longer_than_the_limits() {
    let clock = ManualClock::new();
    let (upstream, gate) = Upstream::gated();
    let cache = upstream.clone().cached(CacheLayer::builder().clock(clock.clone()).build().unwrap());
    let handle = cache.handle();
    let still = CurrentThread.runtime();
    let mut stuck = Box::pin(ask(&cache, "t"));
    assert!(still.block_on(async { poll_once(stuck.as_mut()).await }).is_pending());
    // Its task has never run: there is a flight, and nobody is on it.
    assert_eq!((handle.stats().in_flight(), upstream.calls()), (1, 0));
    gate.open();
    let live = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    live.block_on(async {
        let began = Instant::now();
        for verdict in Crowd::ask(CurrentThread, 100, &cache, "t").all().await {
            assert!(is_unavailable(&verdict));
        }
        // Ten for the call, two for a place, and one more.
        assert!(began.elapsed() <= millis(13_003), "{:?}", began.elapsed());
        // Others do not notice.
        let began = Instant::now();
        assert_eq!(subject(&ask(&cache, "u").await), "u");
        // Later, the flight does not count any more.
        clock.advance(seconds(13));
        assert_eq!(subject(&ask(&cache, "t").await), "t");
        assert_eq!(began.elapsed(), Duration::ZERO);
    });
    assert_eq!((handle.stats().in_flight(), upstream.calls()), (0, 2));
    // When it moves again, its caller gets what is known by now.
    assert_eq!(subject(&still.block_on(soon(stuck))), "t");
    still.block_on(settle());
    assert_eq!((handle.stats().in_flight(), handle.stats().entries()), (0, 2));
    assert!(upstream.calls() <= 3);
}

#[test]
fn a_runtime_that_stands_still_in_a_call_does_not_undo_what_was_found_out_meanwhile() {
    let clock = ManualClock::new();
    let (upstream, mut desk) = Upstream::at_desk();
    let cache = upstream.cached(CacheLayer::builder().clock(clock.clone()).build().unwrap());
    let (still, live) = (CurrentThread.runtime(), CurrentThread.runtime());
    let mut stuck = Box::pin(ask(&cache, "t"));
    let old = still.block_on(async {
        assert!(poll_once(stuck.as_mut()).await.is_pending());
        desk.next().await
    });
    clock.advance(seconds(13));
    live.block_on(async {
        let waiting = Crowd::ask(CurrentThread, 10, &cache, "t");
        desk.next().await.subject("new");
        assert!(waiting.all().await.iter().all(|verdict| subject(verdict) == "new"));
    });
    old.subject("old");
    assert_eq!(subject(&still.block_on(soon(stuck))), "new");
    still.block_on(settle());
    assert_eq!(subject(&live.block_on(ask(&cache, "t"))), "new");
    assert!(desk.is_empty());
    assert_eq!(cache.handle().stats().in_flight(), 0);
}

// No runtime at all.

/// Wakes a thread that is parked.
struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The smallest executor that waits.
fn park_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Parked(thread::current())));
    let (mut future, mut context) = (pin!(future), Context::from_waker(&waker));
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// Notes that somebody was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn poll_by_hand<F: Future + ?Sized>(future: Pin<&mut F>, woken: &Arc<Woken>) -> Poll<F::Output> {
    woken.0.store(false, Ordering::SeqCst);
    future.poll(&mut Context::from_waker(&Waker::from(Arc::clone(woken))))
}

#[test]
fn outside_a_runtime_the_verification_runs_in_its_caller() {
    assert!(Handle::try_current().is_err());
    let upstream = Upstream::after_turns(3);
    let cache = upstream.clone().cached(CacheLayer::new());
    assert_eq!(subject(&block_on(ask(&cache, "t"))), "t");
    assert_eq!(subject(&block_on(ask(&cache, "t"))), "t");
    assert_eq!((upstream.calls(), cache.handle().stats().hits()), (1, 1));
    let service = AuthLayer::new(cache.clone()).layer(Handler::default());
    assert_eq!(block_on(present(service.clone(), "t")).status, StatusCode::OK);
    assert_eq!(block_on(present(service, "u")).status, StatusCode::OK);
    assert_eq!((upstream.calls(), upstream.running(), cache.handle().stats().in_flight()), (2, 0, 0));
    let (upstream, ..) = faulty(Fault::Later);
    let cache = upstream.cached(CacheLayer::new());
    let error = block_on(ask(&cache, "t")).unwrap_err();
    assert_eq!((error.kind(), error.is_misconfigured()), (Kind::Unavailable, true));
    assert_eq!(cache.handle().stats().in_flight(), 0);
}

/// Polls those who were woken, and nobody else, until all have their verdicts.
fn finish<F: Future>(tasks: Vec<(Pin<Box<F>>, Arc<Woken>)>) -> Vec<F::Output> {
    let mut tasks: Vec<_> = tasks.into_iter().map(Some).collect();
    let mut outputs = Vec::new();
    while outputs.len() < tasks.len() {
        let is_woken = |task: &&mut Option<(_, Arc<Woken>)>| {
            task.as_ref().is_some_and(|(_, woken)| woken.0.load(Ordering::SeqCst))
        };
        let task = tasks.iter_mut().find(is_woken).expect("somebody waits and is not woken");
        let (future, woken) = task.as_mut().unwrap();
        if let Poll::Ready(output) = poll_by_hand(future.as_mut(), woken) {
            outputs.push(output);
            *task = None;
        }
    }
    outputs
}

#[test]
fn outside_a_runtime_a_waiter_takes_over_at_whatever_point_the_caller_goes_away() {
    const TURNS: usize = 5;
    for polls in 0..=TURNS {
        let upstream = Upstream::after_turns(TURNS);
        let cache = upstream.clone().cached(CacheLayer::new());
        let started = polls.min(1);
        let leader = polled_by_hand(&cache, polls);
        assert_eq!((upstream.calls(), upstream.running()), (started, started));
        let waiters: Vec<_> = (0..10).map(|_| polled_by_hand(&cache, 1)).collect();
        drop(leader);
        assert_eq!(cache.handle().stats().in_flight(), 1 - started);
        let verdicts = finish(waiters);
        assert!(verdicts.iter().all(|verdict| subject(verdict) == "t"));
        assert_eq!((upstream.calls(), upstream.running()), (1 + started, 0));
        assert_eq!((cache.handle().stats().in_flight(), cache.handle().stats().entries()), (0, 1));
    }
}

/// Asks for `t`, as far as so many polls go.
fn polled_by_hand(
    cache: &Cached<Upstream>,
    polls: usize,
) -> (Pin<Box<impl Future<Output = Verdict>>>, Arc<Woken>) {
    let (mut future, woken) = (Box::pin(ask(cache, "t")), Arc::default());
    for _ in 0..polls {
        assert!(poll_by_hand(future.as_mut(), &woken).is_pending());
    }
    (future, woken)
}

#[test]
fn outside_a_runtime_who_goes_away_gives_back_its_place() {
    let upstream = Upstream::hanging();
    let cache = upstream.clone().cached(CacheLayer::builder().max_upstream_calls(1).build().unwrap());
    let woken: Arc<Woken> = Arc::default();
    for round in 0..100 {
        let (one, other) = (format!("a{round}"), format!("b{round}"));
        let (mut one, mut other) = (Box::pin(ask(&cache, &one)), Box::pin(ask(&cache, &other)));
        assert!(poll_by_hand(one.as_mut(), &woken).is_pending());
        assert!(poll_by_hand(other.as_mut(), &woken).is_pending());
        assert_eq!((upstream.running(), cache.handle().stats().in_flight()), (1, 2));
        drop(one);
        assert!(woken.0.load(Ordering::SeqCst));
        assert!(poll_by_hand(other.as_mut(), &woken).is_pending());
        assert_eq!((upstream.running(), cache.handle().stats().in_flight()), (1, 1));
    }
    assert_eq!((upstream.calls(), upstream.running(), cache.handle().stats().in_flight()), (200, 0, 0));
}

#[test]
fn threads_without_a_runtime_share_a_call() {
    const THREADS: usize = 16;
    let upstream = Upstream::after_turns(20);
    let cache = upstream.clone().cached(CacheLayer::new());
    let together = Barrier::new(THREADS);
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (cache, together) = (&cache, &together);
            scope.spawn(move || {
                for round in 0..200 {
                    together.wait();
                    let token = format!("t{round}");
                    // Some go away, and others take over.
                    if number % 4 == 0 {
                        let mut future = Box::pin(ask(cache, &token));
                        let woken: Arc<Woken> = Arc::default();
                        for _ in 0..number / 4 * 3 {
                            if poll_by_hand(future.as_mut(), &woken).is_ready() {
                                break;
                            }
                        }
                        continue;
                    }
                    assert_eq!(subject(&park_on(ask(cache, &token))), token);
                }
            });
        }
    });
    // Four of them may each have begun one in vain.
    assert!((200..=1_000).contains(&upstream.calls()), "{}", upstream.calls());
    let stats = cache.handle().stats();
    assert_eq!((stats.in_flight(), stats.entries(), upstream.running()), (0, 200, 0));
    let upstream = Upstream::after_turns(20);
    let cache = upstream.clone().cached(CacheLayer::new());
    let all = || park_on(ask(&cache, "t"));
    thread::scope(|scope| (0..THREADS).for_each(|_| drop(scope.spawn(all))));
    assert_eq!(upstream.calls(), 1);
}

#[test]
fn a_flight_outside_a_runtime_and_those_inside_one_wait_for_each_other() {
    let (upstream, mut desk) = Upstream::at_desk();
    let cache = upstream.clone().cached(CacheLayer::new());
    let handle = cache.handle();
    let runtime = CurrentThread.runtime();
    let woken: Arc<Woken> = Arc::default();
    // The one outside has it, and goes away.
    let mut outside = Box::pin(ask(&cache, "t"));
    assert!(poll_by_hand(outside.as_mut(), &woken).is_pending());
    let given_up = runtime.block_on(desk.next());
    let inside = runtime.spawn({
        let cache = cache.clone();
        async move { ask(&cache, "t").await }
    });
    runtime.block_on(until(|| handle.stats().joined() == 1));
    drop(outside);
    let call = runtime.block_on(desk.next());
    assert!(given_up.answer.is_closed());
    // The one inside has it now, and another one outside waits.
    let mut outside = Box::pin(ask(&cache, "t"));
    assert!(poll_by_hand(outside.as_mut(), &woken).is_pending());
    call.subject("somebody");
    assert_eq!(subject(&runtime.block_on(soon(inside)).unwrap()), "somebody");
    assert!(woken.0.load(Ordering::SeqCst));
    let Poll::Ready(verdict) = poll_by_hand(outside.as_mut(), &woken) else { panic!("it is not ready") };
    assert_eq!(subject(&verdict), "somebody");
    assert_eq!((upstream.calls(), handle.stats().in_flight()), (2, 0));
}

#[test]
fn a_flight_outside_a_runtime_that_stands_still_keeps_nobody_for_ever() {
    let clock = ManualClock::new();
    let (upstream, mut desk) = Upstream::at_desk();
    let cache = upstream.cached(CacheLayer::builder().clock(clock.clone()).build().unwrap());
    let woken: Arc<Woken> = Arc::default();
    let mut outside = Box::pin(ask(&cache, "t"));
    assert!(poll_by_hand(outside.as_mut(), &woken).is_pending());
    let live = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let old = live.block_on(async {
        let old = desk.next().await;
        let began = Instant::now();
        assert!(is_unavailable(&ask(&cache, "t").await));
        assert!(began.elapsed() <= millis(13_003));
        clock.advance(seconds(13));
        let waiting = Crowd::ask(CurrentThread, 10, &cache, "t");
        desk.next().await.subject("new");
        assert!(waiting.all().await.iter().all(|verdict| subject(verdict) == "new"));
        old
    });
    old.subject("old");
    let Poll::Ready(verdict) = poll_by_hand(outside.as_mut(), &woken) else { panic!("it is not ready") };
    assert_eq!(subject(&verdict), "new");
}

#[test]
fn a_cache_can_be_made_and_invalidated_where_there_is_no_runtime() {
    let (upstream, gate) = Upstream::gated();
    gate.open();
    let cache = upstream.clone().cached(CacheLayer::new());
    let service = AuthLayer::new(cache.clone()).layer(Handler::default());
    cache.handle().invalidate(&bearer("t"));
    cache.handle().clear();
    // Made here, used in one runtime after the other, and again without one.
    for place in EVERYWHERE {
        let service = service.clone();
        assert_eq!(place.run(async move { present(service, "t").await.status }), StatusCode::OK);
    }
    assert_eq!(block_on(present(service, "t")).status, StatusCode::OK);
    assert_eq!((upstream.calls(), cache.handle().stats().hits()), (1, 5));
}

// Invalidation.

/// A way to invalidate.
type Way = fn(&CacheHandle);

/// What a handle can invalidate so that a verdict about `alice` with the token `t` is dead.
const WAYS: [(&str, Way); 3] = [
    ("token", |handle| handle.invalidate(&bearer("t"))),
    ("principal", |handle| handle.invalidate_principal(&of("alice").principal().unwrap())),
    ("all", CacheHandle::clear),
];

#[tokio::test]
async fn what_is_invalidated_while_it_is_looked_for_is_looked_for_again() {
    for (way, invalidate) in WAYS {
        let (upstream, mut desk) = Upstream::at_desk();
        let cache = upstream.cached(CacheLayer::new());
        let handle = cache.handle();
        let waiting = Crowd::ask(CurrentThread, 100, &cache, "t");
        let old = desk.next().await;
        until(|| handle.stats().joined() == 99).await;
        invalidate(&handle);
        old.subject("alice");
        let new = desk.next().await;
        assert_eq!((handle.stats().entries(), handle.stats().in_flight()), (0, 1), "{way}");
        new.reject();
        for verdict in waiting.all().await {
            assert_eq!(verdict.unwrap_err().kind(), Kind::Inactive, "{way}");
        }
        assert_eq!(ask(&cache, "t").await.unwrap_err().kind(), Kind::Inactive, "{way}");
        assert!(desk.is_empty());
        let stats = handle.stats();
        assert_eq!((stats.misses(), stats.joined(), stats.rejected_from_memory()), (1, 99, 1), "{way}");
        assert_eq!((stats.in_flight(), stats.entries(), stats.negative_entries()), (0, 0, 1));
    }
}

#[tokio::test]
async fn an_answer_that_comes_after_a_newer_one_is_thrown_away() {
    for (way, invalidate) in WAYS.into_iter().filter(|(way, _)| *way != "principal") {
        let (upstream, mut desk) = Upstream::at_desk();
        let cache = upstream.cached(CacheLayer::new());
        let handle = cache.handle();
        let waiting = Crowd::ask(CurrentThread, 10, &cache, "t");
        let old = desk.next().await;
        invalidate(&handle);
        // The old one is still under way when the new one is asked and answers.
        desk.next().await.subject("bob");
        assert!(waiting.all().await.iter().all(|verdict| subject(verdict) == "bob"), "{way}");
        old.subject("alice");
        settle().await;
        assert_eq!(subject(&ask(&cache, "t").await), "bob", "{way}");
        assert!(desk.is_empty());
        assert_eq!((handle.stats().in_flight(), handle.stats().entries()), (0, 1));
    }
}

#[tokio::test]
async fn an_answer_that_was_invalidated_before_its_waiters_saw_it_is_not_used() {
    for (way, invalidate) in WAYS {
        for is_good in [true, false] {
            let (upstream, mut desk) = Upstream::at_desk();
            let cache = upstream.cached(CacheLayer::new());
            let handle = cache.handle();
            let mut waiters: Vec<_> = (0..10).map(|_| Box::pin(ask(&cache, "t"))).collect();
            for waiter in &mut waiters {
                assert!(poll_once(waiter.as_mut()).await.is_pending());
            }
            let call = desk.next().await;
            call.answer(if is_good { Ok(of("alice")) } else { Err(Kind::Inactive.into()) });
            until(|| handle.stats().in_flight() == 0).await;
            assert_eq!(handle.stats().entries() + handle.stats().negative_entries(), 1);
            invalidate(&handle);
            for waiter in &mut waiters {
                let polled = poll_once(waiter.as_mut()).await;
                // A rejection names nobody: it is remembered, whoever is invalidated.
                assert_eq!(polled.is_ready(), way == "principal" && !is_good, "{way}");
            }
            if way == "principal" && !is_good {
                assert!(desk.is_empty());
                continue;
            }
            desk.next().await.subject("bob");
            for waiter in waiters {
                assert_eq!(subject(&soon(waiter).await), "bob", "{way}");
            }
            assert!(desk.is_empty());
            assert_eq!(handle.stats().in_flight(), 0);
        }
    }
}

#[tokio::test]
async fn invalidating_somebody_else_costs_no_call() {
    let others: [Way; 2] = [
        |handle| (0..1_000).for_each(|other| handle.invalidate(&bearer(&format!("other{other}")))),
        |handle| handle.invalidate_principal(&of("bob").principal().unwrap()),
    ];
    for invalidate in others {
        let (upstream, mut desk) = Upstream::at_desk();
        let cache = upstream.cached(CacheLayer::new());
        let handle = cache.handle();
        // While it is looked for, and between its end and the moment at which its waiter sees it.
        let mut waiter = Box::pin(ask(&cache, "t"));
        assert!(poll_once(waiter.as_mut()).await.is_pending());
        let call = desk.next().await;
        invalidate(&handle);
        call.subject("alice");
        until(|| handle.stats().in_flight() == 0).await;
        invalidate(&handle);
        assert_eq!(subject(&soon(waiter).await), "alice");
        assert_eq!(subject(&ask(&cache, "t").await), "alice");
        assert!(desk.is_empty());
        // Each request counts once, even if it had to look again.
        let stats = handle.stats();
        assert_eq!((stats.misses(), stats.joined(), stats.hits()), (1, 0, 1));
    }
}

#[tokio::test]
async fn what_waits_for_a_place_can_be_invalidated() {
    let (upstream, mut desk) = Upstream::at_desk();
    let layer = CacheLayer::builder().max_upstream_calls(1).max_wait(seconds(60)).build().unwrap();
    let cache = upstream.clone().cached(layer);
    let handle = cache.handle();
    poll_and_go(ask(&cache, "first"), 2).await;
    let first = desk.next().await;
    let waiting = Crowd::ask(CurrentThread, 10, &cache, "t");
    until(|| handle.stats().joined() == 9).await;
    for round in 0..100 {
        handle.invalidate(&bearer("t"));
        if round % 10 == 0 {
            handle.invalidate_principal(&tower_bearer::access_token::Principal::Subject {
                issuer: None,
                subject: "alice",
            });
        }
        settle_a_little().await;
    }
    first.subject("nobody");
    let call = desk.next().await;
    assert_eq!(call.token, "t");
    call.subject("alice");
    assert!(waiting.all().await.iter().all(|verdict| subject(verdict) == "alice"));
    settle().await;
    assert!(desk.is_empty());
    assert_eq!((upstream.calls(), upstream.most(), handle.stats().in_flight()), (2, 1, 0));
}

#[test]
fn while_somebody_invalidates_without_pause_everybody_gets_an_answer_and_nothing_old() {
    for place in [Workers(1), Workers(2), Workers(16)] {
        let (truth, announced): (Arc<AtomicUsize>, Arc<AtomicUsize>) = Default::default();
        let own = Arc::clone(&truth);
        let upstream = Upstream::new(move |_| {
            let now = own.load(Ordering::SeqCst);
            async move {
                step_aside(2).await;
                Ok(of(&now.to_string()))
            }
        });
        let cache = upstream.cached(CacheLayer::new());
        let handle = cache.handle();
        let body = async move {
            let mut crowd = Crowd::new(place);
            for _ in 0..8 {
                let (cache, announced) = (cache.clone(), Arc::clone(&announced));
                crowd.add(async move {
                    for round in 0..200 {
                        let least = announced.load(Ordering::SeqCst);
                        let verdict = ask(&cache, "t").await;
                        let told: usize = subject(&verdict).parse().unwrap();
                        assert!(told >= least, "{told} was told when {least} was the least that could be");
                        step_aside(round % 3).await;
                    }
                });
            }
            for round in 1..=500 {
                truth.store(round, Ordering::SeqCst);
                match round % 2 {
                    0 => handle.invalidate(&bearer("t")),
                    _ => handle.clear(),
                }
                announced.store(round, Ordering::SeqCst);
                step_aside(round % 5).await;
            }
            crowd.all().await;
            assert_eq!(handle.stats().in_flight(), 0);
        };
        place.run(body);
    }
}

/// A verifier whose keys can be withdrawn.
struct Keyed {
    upstream: Upstream,
    generation: Arc<AtomicUsize>,
}

impl TokenVerifier for Keyed {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        self.upstream.verify(token).await
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst) as u64
    }
}

#[tokio::test]
async fn an_answer_by_a_key_that_was_withdrawn_meanwhile_is_given_to_nobody() {
    let (upstream, mut desk) = Upstream::at_desk();
    let generation: Arc<AtomicUsize> = Arc::default();
    let cache = Keyed { upstream, generation: Arc::clone(&generation) }.cached(CacheLayer::new());
    let waiting = Crowd::ask(CurrentThread, 10, &cache, "t");
    let call = desk.next().await;
    generation.store(1, Ordering::SeqCst);
    let late = Crowd::ask(CurrentThread, 10, &cache, "t");
    call.subject("alice");
    desk.next().await.reject();
    assert!(waiting.all().await.iter().all(Result::is_err));
    assert!(late.all().await.iter().all(Result::is_err));
    assert!(desk.is_empty());
}

// Layers around layers.

#[tokio::test]
async fn two_layers_around_each_other_have_caches_of_their_own() {
    let layer = CacheLayer::new();
    let outer = Upstream::new(async |token: String| match &*token {
        "stranger" => Err(Kind::Inactive.into()),
        _ => Ok(of(&format!("outer-{token}"))),
    });
    let inner = Upstream::new(async |token: String| match &*token {
        "guest" => Err(Kind::Audience.into()),
        _ => Ok(of(&format!("inner-{token}"))),
    });
    let (outer_cache, inner_cache) = (outer.clone().cached(layer.clone()), inner.clone().cached(layer));
    let (outer_handle, inner_handle) = (outer_cache.handle(), inner_cache.handle());
    let handler = Handler::default();
    let service = AuthLayer::new(outer_cache).layer(AuthLayer::new(inner_cache).layer(handler.clone()));
    for _ in 0..3 {
        for (token, status) in [("alice", 200), ("guest", 401), ("stranger", 401)] {
            let response = service.clone().oneshot(request(token)).await.unwrap();
            assert_eq!(Answer::read(response).await.status, status, "{token}");
        }
    }
    assert_eq!(handler.calls(), 3);
    let seen = handler.last();
    assert_eq!(seen.token.unwrap().subject(), Some("inner-alice"));
    assert_eq!(seen.headers[AUTHORIZATION], "Bearer alice");
    // The stranger never comes to the inner layer.
    assert_eq!((outer.calls(), inner.calls()), (3, 2));
    let (outer, inner) = (outer_handle.stats(), inner_handle.stats());
    assert_eq!((outer.misses(), outer.hits(), outer.rejected_from_memory()), (3, 4, 2));
    assert_eq!((inner.misses(), inner.hits(), inner.rejected_from_memory()), (2, 2, 2));
    assert_eq!((outer.entries(), outer.negative_entries()), (2, 1));
    assert_eq!((inner.entries(), inner.negative_entries()), (1, 1));
}

#[tokio::test]
async fn a_token_is_the_same_however_the_scheme_is_spelled() {
    let spellings = [
        "Bearer t",
        "bearer t",
        "BEARER t",
        "BeArEr t",
        "bEARER     t",
        "Bearer  t",
        "Bearer t ",
        " Bearer t",
    ];
    for is_at_once in [false, true] {
        let (upstream, gate) = Upstream::gated();
        let cache = upstream.clone().cached(CacheLayer::new());
        let handle = cache.handle();
        let auth = AuthLayer::new(cache);
        let mut crowd = Crowd::new(CurrentThread);
        for spelling in spellings {
            let service = auth.layer(Handler::default());
            let value = HeaderValue::from_static(spelling);
            let request = Request::builder().header(AUTHORIZATION, value).body(Untouchable).unwrap();
            crowd.add(async move { service.oneshot(request).await.unwrap().status() });
            if !is_at_once {
                gate.open();
                settle().await;
            }
        }
        settle().await;
        gate.open();
        assert!(crowd.all().await.into_iter().all(|status| status == StatusCode::OK));
        let (stats, others) = (handle.stats(), spellings.len() as u64 - 1);
        assert_eq!((upstream.calls(), stats.misses(), stats.entries()), (1, 1, 1));
        assert_eq!((stats.joined(), stats.hits()), if is_at_once { (others, 0) } else { (0, others) });
    }
}

/// Counts that it is gone.
struct Mortal {
    upstream: Upstream,
    deaths: Arc<AtomicUsize>,
}

impl TokenVerifier for Mortal {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        self.upstream.verify(token).await
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        self.deaths.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn nothing_is_left_of_a_thousand_layers_that_were_used_and_dropped() {
    for place in EVERYWHERE {
        let body = async move {
            let deaths: Arc<AtomicUsize> = Arc::default();
            let tasks = || Handle::current().metrics().num_alive_tasks();
            let (hanging, gate) = Upstream::gated();
            let before = tasks();
            let mut handles = Vec::new();
            for round in 0..1_000 {
                let upstream = if round % 10 == 0 { hanging.clone() } else { Upstream::after_turns(1) };
                let cache = Mortal { upstream, deaths: Arc::clone(&deaths) }.cached(CacheLayer::new());
                handles.push(cache.handle());
                let service = AuthLayer::new(cache).layer(Handler::default());
                if round % 10 == 0 {
                    // Dropped while it is under way.
                    poll_and_go(present(service, "t"), 2).await;
                    continue;
                }
                let answers = [present(service.clone(), "t").await, present(service, "t").await];
                assert!(answers.iter().all(|answer| answer.status == StatusCode::OK));
            }
            until(|| deaths.load(Ordering::SeqCst) == 900 && hanging.running() == 100).await;
            gate.open();
            // A handle keeps the counters, and not the verifier.
            until(|| deaths.load(Ordering::SeqCst) == 1_000).await;
            until(|| tasks() == before).await;
            assert!(handles.iter().all(|handle| handle.stats().in_flight() == 0));
        };
        place.run(body);
    }
}

// Refresh ahead.

/// A cache of a hundred seconds whose only entry is due to be refreshed.
async fn due(upstream: &Upstream, places: usize) -> (Cached<Upstream>, ManualClock) {
    let clock = ManualClock::new();
    let layer = CacheLayer::builder().time_to_live(seconds(100)).jitter(0).clock(clock.clone());
    let cache = upstream.clone().cached(layer.max_upstream_calls(places).build().unwrap());
    assert_eq!(subject(&soon(ask(&cache, "t")).await), "t");
    clock.advance(seconds(80));
    (cache, clock)
}

/// Answers the first call, and hangs from then on.
fn goes_down() -> Upstream {
    let answered = AtomicUsize::new(0);
    Upstream::new(move |token| {
        let is_first = answered.fetch_add(1, Ordering::SeqCst) == 0;
        async move { if is_first { Ok(of(&token)) } else { pending().await } }
    })
}

#[tokio::test(start_paused = true)]
async fn while_a_refresh_hangs_hits_go_on_and_nobody_waits() {
    let upstream = goes_down();
    let (cache, clock) = due(&upstream, 64).await;
    let handle = cache.handle();
    let auth = AuthLayer::builder(cache.clone()).clock(clock.clone()).build().unwrap();
    let hit = async |times: usize| {
        for _ in 0..times {
            // Ready at once: no hit ever waits.
            let mut future = Box::pin(present(auth.layer(Handler::default()), "t"));
            let Poll::Ready(answer) = poll_once(future.as_mut()).await else { panic!("a hit waits") };
            assert_eq!(answer.status, StatusCode::OK);
        }
    };
    hit(MANY).await;
    until(|| upstream.running() == 1).await;
    hit(MANY).await;
    assert_eq!((upstream.calls(), handle.stats().refreshed()), (2, 1));
    assert_eq!((handle.stats().hits(), handle.stats().in_flight()), (2 * MANY as u64, 1));
    // The attempt ends by itself; another one is made after a pause, and while it is under way no third one.
    clock.advance(seconds(10));
    sleep(millis(10_010)).await;
    assert_eq!((upstream.running(), handle.stats().in_flight()), (0, 0));
    hit(100).await;
    clock.advance(seconds(5));
    hit(100).await;
    settle().await;
    hit(100).await;
    settle().await;
    assert!((3..=4).contains(&upstream.calls()), "{}", upstream.calls());
    assert_eq!(upstream.most(), 1);
    // At its end the entry is gone, and who asks then waits for the call that is under way.
    clock.advance(seconds(5));
    let calls = upstream.calls();
    let verdict = ask(&cache, "t").await;
    assert!(is_unavailable(&verdict));
    assert_eq!((upstream.calls(), upstream.most()), (calls, 1));
    assert_eq!(handle.stats().joined(), 1);
}

#[tokio::test]
async fn a_refresh_that_succeeds_prolongs_and_one_that_is_rejected_ends_the_entry_at_once() {
    for is_good in [true, false] {
        let (upstream, mut desk) = Upstream::at_desk();
        let clock = ManualClock::new();
        let layer = CacheLayer::builder().time_to_live(seconds(100)).jitter(0).clock(clock.clone());
        let cache = upstream.clone().cached(layer.build().unwrap());
        let first = Crowd::ask(CurrentThread, 1, &cache, "t");
        desk.next().await.subject("old");
        first.all().await;
        clock.advance(seconds(79));
        assert_eq!(subject(&ask(&cache, "t").await), "old");
        assert!(desk.is_empty());
        clock.advance(seconds(1));
        assert_eq!(subject(&ask(&cache, "t").await), "old");
        let call = desk.next().await;
        for _ in 0..1_000 {
            assert_eq!(subject(&ask(&cache, "t").await), "old");
        }
        call.answer(if is_good { Ok(of("new")) } else { Err(Kind::Inactive.into()) });
        until(|| cache.handle().stats().in_flight() == 0).await;
        if is_good {
            assert_eq!(subject(&ask(&cache, "t").await), "new");
            clock.advance(seconds(79));
            assert_eq!(subject(&ask(&cache, "t").await), "new");
        } else {
            assert_eq!(ask(&cache, "t").await.unwrap_err().kind(), Kind::Inactive);
        }
        assert!(desk.is_empty());
        assert_eq!((upstream.calls(), cache.handle().stats().refreshed()), (2, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_takes_no_place_from_those_who_wait_for_one() {
    let upstream = goes_down();
    let (cache, clock) = due(&upstream, 1).await;
    poll_and_go(ask(&cache, "other"), 2).await;
    until(|| upstream.running() == 1).await;
    for _ in 0..100 {
        assert_eq!(subject(&ask(&cache, "t").await), "t");
        settle_a_little().await;
    }
    let stats = cache.handle().stats();
    assert_eq!((upstream.calls(), stats.refreshed(), stats.in_flight()), (2, 0, 1));
    assert_eq!((stats.turned_away(), stats.hits()), (0, 100));
    // When there is a place again, it is made up for.
    sleep(seconds(11)).await;
    clock.advance(seconds(11));
    assert_eq!(subject(&ask(&cache, "t").await), "t");
    until(|| upstream.running() == 1).await;
    assert_eq!((upstream.calls(), cache.handle().stats().refreshed()), (3, 1));
}

#[tokio::test]
async fn what_is_invalidated_while_it_is_refreshed_is_gone() {
    for (way, invalidate) in WAYS {
        let (upstream, mut desk) = Upstream::at_desk();
        let clock = ManualClock::new();
        let layer = CacheLayer::builder().time_to_live(seconds(100)).clock(clock.clone());
        let cache = upstream.cached(layer.build().unwrap());
        let first = Crowd::ask(CurrentThread, 1, &cache, "t");
        desk.next().await.subject("alice");
        first.all().await;
        clock.advance(seconds(89));
        ask(&cache, "t").await.unwrap();
        let refresh = desk.next().await;
        invalidate(&cache.handle());
        let waiting = Crowd::ask(CurrentThread, 10, &cache, "t");
        settle().await;
        refresh.subject("alice");
        desk.next().await.reject();
        assert!(waiting.all().await.iter().all(Result::is_err), "{way}");
        assert!(ask(&cache, "t").await.is_err(), "{way}");
        assert!(desk.is_empty());
    }
}

// Chains.

/// A verifier that knows the tokens that begin with its name, and says that others are not its own.
fn member(name: &'static str) -> Upstream {
    Upstream::new(move |token| async move {
        yield_now().await;
        match token.strip_prefix(name) {
            Some("-bad") => Err(Kind::Inactive.into()),
            Some("-down") => Err(VerifyError::unavailable(name)),
            Some(_) => Ok(AccessToken::verified().issuer(name).subject(token).build()),
            None => Err(VerifyError::not_mine()),
        }
    })
}

fn summary(verdict: &Verdict) -> String {
    match verdict {
        Ok(token) => format!("{:?}", token.principal()),
        Err(error) => format!("{:?}", error.kind()),
    }
}

#[test]
fn caches_around_a_chain_and_around_its_members_say_what_the_chain_says() {
    const TOKENS: [&str; 9] = ["a-x", "a-y", "a-bad", "a-down", "b-x", "b-y", "b-bad", "b-down", "nobodys"];
    for place in EVERYWHERE {
        let body = async move {
            let layer = CacheLayer::new();
            let (a, b) = (member("a"), member("b"));
            let plain = a.clone().or(b.clone());
            let members = a.clone().cached(layer.clone()).or(b.clone().cached(layer.clone())).boxed();
            let around = a.clone().or(b.clone()).cached(layer.clone()).boxed();
            let both = a.clone().cached(layer.clone()).or(b.cached(layer.clone())).cached(layer).boxed();
            let mut expected = Vec::new();
            for token in TOKENS {
                expected.push(summary(&plain.verify(&bearer(token)).await));
            }
            assert_eq!(expected[8], "NotMine");
            let mut crowd = Crowd::new(place);
            for round in 0..1_000 {
                for (number, token) in TOKENS.into_iter().enumerate() {
                    let chain = [&members, &around, &both][(round + number) % 3].clone();
                    crowd.add(async move {
                        step_aside(round % 4).await;
                        (number, summary(&chain.verify(&bearer(token)).await))
                    });
                }
            }
            for (number, said) in crowd.all().await {
                assert_eq!(said, expected[number], "{place:?} {}", TOKENS[number]);
            }
            for (number, token) in TOKENS.into_iter().enumerate() {
                for chain in [&members, &around, &both] {
                    assert_eq!(summary(&chain.verify(&bearer(token)).await), expected[number]);
                }
            }
        };
        place.run(body);
    }
}

#[tokio::test]
async fn two_caches_from_one_layer_share_neither_entries_nor_flights() {
    let layer = CacheLayer::new();
    let ((one, mut ones), (other, mut others)) = (Upstream::at_desk(), Upstream::at_desk());
    let (one, other) = (one.cached(layer.clone()), other.cached(layer));
    let at_one = Crowd::ask(CurrentThread, 10, &one, "t");
    let at_other = Crowd::ask(CurrentThread, 10, &other, "t");
    ones.next().await.subject("one");
    others.next().await.reject();
    assert!(at_one.all().await.iter().all(|verdict| subject(verdict) == "one"));
    assert!(at_other.all().await.iter().all(Result::is_err));
    assert_eq!(subject(&ask(&one, "t").await), "one");
    assert!(ask(&other, "t").await.is_err());
    one.handle().invalidate(&bearer("t"));
    one.handle().clear();
    assert!(ask(&other, "t").await.is_err());
    assert!(ones.is_empty() && others.is_empty());
    let (one, other) = (one.handle().stats(), other.handle().stats());
    assert_eq!(
        (one.entries(), one.invalidated(), other.negative_entries(), other.invalidated()),
        (0, 2, 1, 0)
    );
}

#[test]
fn a_cache_around_a_chain_asks_a_second_member_while_the_first_one_hangs() {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let layer = CacheLayer::new();
        let a = Upstream::new(|token| async move {
            if token == "a-slow" { pending().await } else { Err(VerifyError::not_mine()) }
        });
        let chain = a.cached(layer.clone()).or(member("b").cached(layer)).boxed();
        let slow = {
            let chain = chain.clone();
            tokio::spawn(async move { chain.verify(&bearer("a-slow")).await })
        };
        let began = Instant::now();
        for round in 0..100 {
            assert!(chain.verify(&bearer(&format!("b-{round}"))).await.is_ok());
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!(is_unavailable(&slow.await.unwrap()));
    });
}

// Over the wire.

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_are_reset_at_once_leave_nothing_behind() {
    reset_streams(10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_of_one_connection_that_are_reset_at_once_leave_nothing_behind() {
    reset_streams(1).await;
}

/// A request that has the token for its name.
fn stream(token: &str) -> Request<()> {
    let request = Request::get("https://api.example.com/").header(AUTHORIZATION, format!("Bearer {token}"));
    request.body(()).unwrap()
}

/// Opens streams with as many tokens, and resets each.
async fn flood(mut sender: h2::client::SendRequest<Bytes>, connection: usize, streams: usize) {
    for number in 0..streams {
        sender = soon(sender.ready()).await.unwrap();
        let (response, _) = sender.send_request(stream(&format!("t{connection}-{number}")), true).unwrap();
        // Some are given the time to reach the verifier.
        step_aside(number % 4).await;
        if number % 8 == 0 {
            yield_now().await;
        }
        drop(response);
    }
}

/// Serves HTTP/2 without the defences of a server.
async fn serve_http2<S, F, B>(service: S) -> std::net::SocketAddr
where
    S: Service<
            Request<hyper::body::Incoming>,
            Response = http::Response<B>,
            Error = std::convert::Infallible,
            Future = F,
        > + Clone
        + Send
        + 'static,
    F: Future<Output = Result<http::Response<B>, std::convert::Infallible>> + Send + 'static,
    B: http_body::Body<Data = Bytes, Error = std::convert::Infallible> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            builder.max_pending_accept_reset_streams(MANY).max_local_error_reset_streams(None);
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(async move { builder.serve_connection(TokioIo::new(stream), service).await });
        }
    });
    address
}

/// Opens and resets ten thousand streams, distributed to so many connections.
#[expect(clippy::cognitive_complexity, reason = "each assertion counts as a branch")]
async fn reset_streams(connections: usize) {
    let (upstream, gate) = Upstream::gated();
    let cache = upstream.clone().cached(CacheLayer::new());
    let handle = cache.handle();
    let service =
        AuthLayer::new(cache).layer(tower::service_fn(async |request: Request<hyper::body::Incoming>| {
            let subject = request.extensions().get().and_then(AccessToken::subject).unwrap_or("?").to_owned();
            Ok::<_, std::convert::Infallible>(http::Response::new(Full::<Bytes>::from(subject)))
        }));
    let address = serve_http2(service).await;
    let connect = async || {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        sender
    };
    for connection in 0..connections {
        flood(connect().await, connection, MANY / connections).await;
    }
    assert!(upstream.most() <= 64, "{}", upstream.most());
    gate.open();
    until(|| handle.stats().in_flight() == 0 && upstream.running() == 0).await;
    assert!((1..=64).contains(&upstream.most()), "{}", upstream.most());
    let mut sender = soon(connect().await.ready()).await.unwrap();
    let (response, _) = sender.send_request(stream("good"), true).unwrap();
    let mut response = soon(response).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(soon(response.body_mut().data()).await.unwrap().unwrap(), "good");
}
