//! A cache around a verifier: asked once, never past any of the bounds, and rid of what is invalidated.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and reads well"
)]

mod common;
#[cfg(all(feature = "testing", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
#[path = "common/keys.rs"]
mod script;

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use common::{Counting, Handler, Immediate, Logs, ManualClock, Untouchable, block_on};
use http::Request;
use http_body::Body;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, yield_now};
use tower::{Layer, Service, ServiceExt};
use tower_bearer::access_token::{AccessTokenBuilder, Principal};
use tower_bearer::cache::{CacheHandle, CacheLayerBuilder, CacheStats, Cached};
use tower_bearer::clock::Clock;
use tower_bearer::error::{BuildErrorKind, VerifyErrorKind};
use tower_bearer::verifier::Verdict;
use tower_bearer::{
    AccessToken, AuthLayer, BearerToken, CacheLayer, Rejection, ScopeSet, TokenVerifier, VerifyError,
};
use tracing::Level;

/// The default time to live.
const LIVE: Duration = Duration::from_secs(300);
const DAY: Duration = Duration::from_secs(86_400);
const NANO: Duration = Duration::from_nanos(1);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bearer(token: &str) -> BearerToken {
    BearerToken::new(token).unwrap()
}

/// What a provider says of a token, the how manieth question this is considered.
type Answer = dyn Fn(&str, usize) -> Verdict + Send + Sync;

/// One question to a provider.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Asked {
    token: String,
    /// What it was shown of the last verdict.
    last: Option<String>,
}

/// A provider of verdicts that changes its mind, that can be held back, and that records what it is asked. Clones are
/// the same.
#[derive(Clone)]
struct Provider {
    inner: Arc<ProviderInner>,
}

struct ProviderInner {
    answer: Mutex<Arc<Answer>>,
    asked: Mutex<Vec<Asked>>,
    is_held: AtomicBool,
    gates: Mutex<HashMap<usize, Arc<Notify>>>,
    generation: AtomicU64,
}

/// A good token. By its id, and by its validator, one knows which question it answers.
fn vouch(token: &str, number: usize) -> AccessTokenBuilder {
    AccessToken::verified()
        .subject(token)
        .token_id(number.to_string())
        .validator(format!("v{number}"))
        .claim("note", "personal")
}

/// Which question a verdict answers.
fn number(verdict: &Verdict) -> usize {
    verdict.as_ref().unwrap().token_id().unwrap().parse().unwrap()
}

fn kind(verdict: &Verdict) -> VerifyErrorKind {
    verdict.as_ref().unwrap_err().kind()
}

impl Provider {
    /// It vouches for everybody, without an end.
    fn new() -> Self {
        let answer: Arc<Answer> = Arc::new(|token, number| Ok(vouch(token, number).build()));
        let inner = ProviderInner {
            answer: Mutex::new(answer),
            asked: Mutex::default(),
            is_held: AtomicBool::new(false),
            gates: Mutex::default(),
            generation: AtomicU64::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    fn answers(&self, answer: impl Fn(&str, usize) -> Verdict + Send + Sync + 'static) {
        *lock(&self.inner.answer) = Arc::new(answer);
    }

    fn vouches(&self, finish: impl Fn(AccessTokenBuilder) -> AccessTokenBuilder + Send + Sync + 'static) {
        self.answers(move |token, number| Ok(finish(vouch(token, number)).build()));
    }

    fn fails(&self, error: impl Into<VerifyError>) {
        let error = error.into();
        self.answers(move |_, _| Err(error.clone()));
    }

    fn goes_down(&self) {
        self.fails(VerifyError::unavailable("down"));
    }

    /// Holds back every answer to what is asked from now on: the one of the time at which it was asked.
    fn hold(&self) {
        self.inner.is_held.store(true, Ordering::SeqCst);
    }

    /// Answers one question. The first is number 1.
    fn release(&self, number: usize) {
        lock(&self.inner.gates)[&number].notify_one();
    }

    /// Answers all of them, and those to come.
    fn release_all(&self) {
        self.inner.is_held.store(false, Ordering::SeqCst);
        lock(&self.inner.gates).values().for_each(|gate| gate.notify_one());
    }

    fn withdraws_a_key(&self) {
        self.inner.generation.fetch_add(1, Ordering::SeqCst);
    }

    fn asked(&self) -> Vec<Asked> {
        lock(&self.inner.asked).clone()
    }

    fn calls(&self) -> usize {
        lock(&self.inner.asked).len()
    }

    /// What the last question showed of the last verdict.
    fn shown(&self) -> Option<String> {
        self.asked().pop().and_then(|asked| asked.last)
    }

    async fn answer(&self, token: &BearerToken, last: Option<&AccessToken>) -> Verdict {
        let last = last.map(|last| last.validator().unwrap().to_owned());
        let number = {
            let mut asked = lock(&self.inner.asked);
            asked.push(Asked { token: token.as_str().to_owned(), last });
            asked.len()
        };
        let answer = Arc::clone(&lock(&self.inner.answer));
        let verdict = answer(token.as_str(), number);
        if self.inner.is_held.load(Ordering::SeqCst) {
            let gate = Arc::new(Notify::new());
            lock(&self.inner.gates).insert(number, Arc::clone(&gate));
            gate.notified().await;
        }
        verdict
    }
}

impl TokenVerifier for Provider {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        self.answer(token, None).await
    }

    async fn revalidate(&self, token: &BearerToken, last: &AccessToken) -> Verdict {
        self.answer(token, Some(last)).await
    }

    fn generation(&self) -> u64 {
        self.inner.generation.load(Ordering::SeqCst)
    }
}

/// A provider, a cache around it, and a clock for all.
#[derive(Clone)]
struct Subject {
    provider: Provider,
    cached: Cached<Provider>,
    handle: CacheHandle,
    clock: ManualClock,
}

impl Subject {
    /// With the defaults, but for the jitter: times are exact.
    fn new() -> Self {
        Self::with(|builder| builder)
    }

    fn with(set: impl FnOnce(CacheLayerBuilder) -> CacheLayerBuilder) -> Self {
        let (provider, clock) = (Provider::new(), ManualClock::new());
        let layer = set(CacheLayer::builder().jitter(0).clock(clock.clone())).build().unwrap();
        let cached = provider.clone().cached(layer);
        Self { provider, handle: cached.handle(), cached, clock }
    }

    /// One entry that is not verified again in the background.
    fn without_refresh(set: impl FnOnce(CacheLayerBuilder) -> CacheLayerBuilder) -> Self {
        Self::with(|builder| set(builder.refresh_ahead(0)))
    }

    /// Asks as the middleware does.
    async fn ask(&self, token: &str) -> Verdict {
        match self.ask_now(token) {
            Some(verdict) => verdict,
            None => self.cached.verify(&bearer(token)).await,
        }
    }

    /// The verdict that is there without waiting.
    fn ask_now(&self, token: &str) -> Option<Verdict> {
        self.cached.verify_now(&bearer(token), self.clock.now())
    }

    /// Asks in a task of its own, which has got as far as it can.
    async fn spawn(&self, token: &str) -> JoinHandle<Verdict> {
        let (subject, token) = (self.clone(), token.to_owned());
        let task = tokio::spawn(async move { subject.ask(&token).await });
        settle().await;
        task
    }

    fn pass(&self, span: Duration) {
        self.clock.advance(span);
    }

    fn now(&self) -> SystemTime {
        self.clock.now()
    }

    fn stats(&self) -> CacheStats {
        self.handle.stats()
    }

    /// How often each request was answered how: hits, misses, joined, rejected from memory.
    fn answers(&self) -> [u64; 4] {
        let stats = self.stats();
        [stats.hits(), stats.misses(), stats.joined(), stats.rejected_from_memory()]
    }
}

/// Lets the tasks in the background run until they wait for something from outside.
async fn settle() {
    for _ in 0..32 {
        yield_now().await;
    }
}

/// Polls once what nobody has woken.
fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// How a service answers a credential.
async fn status<S, B>(service: &S, credential: &str) -> u16
where
    S: Service<Request<Untouchable>, Response = http::Response<B>> + Clone,
    S::Error: std::fmt::Debug,
    B: Body,
{
    let value = http::HeaderValue::from_str(&format!("Bearer {credential}")).unwrap();
    let request = Request::get("/").header("authorization", value).body(Untouchable).unwrap();
    service.clone().oneshot(request).await.unwrap().status().as_u16()
}

/// A layer by the clock of the subject, for a route that needs these scopes.
fn guard(subject: &Subject, scopes: &[&str]) -> AuthLayer<Cached<Provider>> {
    let builder = AuthLayer::builder(subject.cached.clone()).clock(subject.clock.clone());
    builder.required_scopes(scopes.iter().copied()).build().unwrap()
}

// What is remembered, and for how long.

#[tokio::test]
async fn a_token_is_verified_once_and_not_once_for_each_request() {
    let subject = Subject::new();
    for _ in 0..10 {
        assert_eq!(number(&subject.ask("good").await), 1);
    }
    assert_eq!((subject.provider.calls(), subject.answers()), (1, [9, 1, 0, 0]));
    // The asynchronous way alone does the same.
    assert_eq!(number(&subject.cached.verify(&bearer("good")).await), 1);
    assert_eq!((subject.provider.calls(), subject.answers()), (1, [10, 1, 0, 0]));
}

#[tokio::test]
async fn a_cache_with_the_defaults_remembers_for_minutes() {
    let verifier = Counting::knows_good("");
    let clock = ManualClock::new();
    let cached = verifier.clone().cached(CacheLayer::builder().clock(clock.clone()).build().unwrap());
    cached.verify(&bearer("good")).await.unwrap();
    // The default jitter takes a tenth.
    clock.advance(secs(300 * 9 / 10 * 4 / 5) - NANO);
    cached.verify(&bearer("good")).await.unwrap();
    assert_eq!((verifier.calls(), cached.handle().stats().hits()), (1, 1));
    clock.advance(secs(300 / 5 + 300 / 10));
    cached.verify(&bearer("good")).await.unwrap();
    assert_eq!(verifier.calls(), 2);
}

#[tokio::test]
async fn each_token_gets_its_own_verdict() {
    let subject = Subject::new();
    subject.provider.answers(|token, number| match token {
        "bad" => Err(VerifyErrorKind::Inactive.into()),
        token => Ok(vouch(token, number).build()),
    });
    for _ in 0..3 {
        for token in ["a", "b", "aa", "ab", "b="] {
            assert_eq!(subject.ask(token).await.unwrap().subject(), Some(token));
        }
        assert_eq!(kind(&subject.ask("bad").await), VerifyErrorKind::Inactive);
    }
    assert_eq!(subject.provider.calls(), 6);
    assert_eq!((subject.stats().entries(), subject.stats().negative_entries()), (5, 1));
}

#[tokio::test]
async fn the_time_to_live_ends_exactly() {
    for live in [NANO, secs(1), secs(60), LIVE, DAY] {
        let subject = Subject::without_refresh(|builder| builder.time_to_live(live));
        subject.ask("good").await.unwrap();
        subject.pass(live - NANO);
        assert_eq!(subject.ask_now("good").as_ref().map(number), Some(1), "{live:?}");
        subject.pass(NANO);
        assert!(subject.ask_now("good").is_none(), "{live:?}");
        assert_eq!(number(&subject.ask("good").await), 2, "{live:?}");
        // The new verdict has a time of its own.
        subject.pass(live - NANO);
        assert_eq!(number(&subject.ask("good").await), 2, "{live:?}");
    }
}

#[tokio::test]
async fn the_time_to_live_counts_from_the_question_and_not_from_the_answer() {
    let subject = Subject::without_refresh(|builder| builder);
    subject.provider.hold();
    let task = subject.spawn("good").await;
    subject.pass(secs(100));
    subject.provider.release_all();
    assert_eq!(number(&task.await.unwrap()), 1);
    subject.pass(LIVE - secs(100) - NANO);
    assert_eq!(number(&subject.ask("good").await), 1);
    subject.pass(NANO);
    assert_eq!(number(&subject.ask("good").await), 2);
}

#[tokio::test]
async fn an_answer_that_took_longer_than_the_time_to_live_serves_its_request_and_no_other() {
    let subject = Subject::without_refresh(|builder| builder.time_to_live(secs(5)));
    subject.provider.hold();
    let task = subject.spawn("good").await;
    subject.pass(secs(5));
    subject.provider.release_all();
    assert_eq!(number(&task.await.unwrap()), 1);
    assert_eq!(number(&subject.ask("good").await), 2);
}

#[tokio::test]
async fn nothing_is_given_from_memory_at_or_after_the_expiry_of_the_token() {
    let subject = Subject::new();
    let end = subject.now() + secs(30);
    subject.provider.vouches(move |token| token.expires_at(end).leeway(secs(10)));
    subject.ask("good").await.unwrap();
    subject.clock.set(end - NANO);
    assert_eq!(number(&subject.ask("good").await), 1);
    // Within the leeway the verifier is asked again, each time.
    for (number_of_calls, at) in [(2, end), (3, end), (4, end + secs(9))] {
        subject.clock.set(at);
        assert_eq!(number(&subject.ask("good").await), number_of_calls);
    }
    assert_eq!(subject.stats().entries(), 0, "what cannot be given is not kept");
}

#[tokio::test]
async fn the_layer_refuses_a_token_that_ended_while_it_was_remembered() {
    let subject = Subject::new();
    let end = subject.now() + secs(30);
    subject.provider.vouches(move |token| token.expires_at(end).leeway(secs(10)));
    let service = guard(&subject, &[]).layer(Handler::default());
    for (at, expected, calls) in [
        (end - secs(30), 200, 1),
        (end - NANO, 200, 1),
        (end, 200, 2),
        (end + secs(10) - NANO, 200, 3),
        // The provider says yes for ever, and the layer says no.
        (end + secs(10), 401, 4),
        (end + DAY, 401, 5),
    ] {
        subject.clock.set(at);
        let answer = (status(&service, "good").await, subject.provider.calls());
        assert_eq!(answer, (expected, calls), "{at:?}");
    }
}

#[tokio::test]
async fn a_machine_that_slept_does_not_wake_up_with_an_expired_token() {
    let subject = Subject::new();
    let end = subject.now() + secs(3_600);
    subject.provider.vouches(move |token| token.expires_at(end));
    let service = guard(&subject, &[]).layer(Handler::default());
    assert_eq!(status(&service, "good").await, 200);
    // The monotonic clock stood still meanwhile.
    subject.clock.set(end + secs(3_600));
    subject.provider.fails(VerifyErrorKind::Expired);
    assert_eq!((status(&service, "good").await, subject.provider.calls()), (401, 2));
}

#[tokio::test]
async fn a_wall_clock_that_goes_back_makes_no_entry_older_or_younger() {
    let subject = Subject::without_refresh(|builder| builder);
    let start = subject.now();
    subject.provider.vouches(move |token| token.expires_at(start + secs(600)));
    assert_eq!(number(&subject.ask("good").await), 1);
    subject.clock.set(start - secs(3_600));
    assert_eq!(number(&subject.ask("good").await), 1);
    subject.pass(LIVE - NANO);
    assert_eq!(number(&subject.ask("good").await), 1);
    subject.pass(NANO);
    assert_eq!(number(&subject.ask("good").await), 2, "the time to live is monotonic");
    subject.clock.set(SystemTime::UNIX_EPOCH);
    assert_eq!(number(&subject.ask("good").await), 2);
}

#[tokio::test]
async fn a_token_that_has_not_begun_any_more_is_asked_about_again() {
    for (leeway, back, calls) in [(0, 0, 1), (0, 1, 2), (10, 10, 1), (10, 11, 2)] {
        let subject = Subject::new();
        let start = subject.now();
        subject.provider.vouches(move |token| token.not_before(start).leeway(secs(leeway)));
        subject.ask("good").await.unwrap();
        subject.clock.set(start - secs(back));
        subject.ask("good").await.unwrap();
        assert_eq!(subject.provider.calls(), calls, "{back} s before, with a leeway of {leeway} s");
    }
}

#[tokio::test]
async fn jitter_shortens_the_time_to_live_differently_for_each_token_and_within_its_bound() {
    let subject = Subject::without_refresh(|builder| builder.time_to_live(secs(100)).jitter(50));
    let tokens: Vec<_> = (0..64).map(|number| format!("token-{number}")).collect();
    let remembered = || tokens.iter().filter(|token| subject.ask_now(token).is_some()).count();
    for token in &tokens {
        subject.ask(token).await.unwrap();
    }
    subject.pass(secs(50) - NANO);
    assert_eq!(remembered(), 64);
    subject.pass(secs(25));
    assert!((1..64).contains(&remembered()), "{}", remembered());
    subject.pass(secs(25) + NANO);
    assert_eq!(remembered(), 0);
}

#[tokio::test]
async fn what_is_switched_off_remembers_nothing() {
    type Set = fn(CacheLayerBuilder) -> CacheLayerBuilder;
    let off: [(&str, Set, usize, usize); 7] = [
        ("time to live", |builder| builder.time_to_live(Duration::ZERO), 3, 3),
        ("entries", |builder| builder.max_entries(0), 3, 3),
        ("bytes", |builder| builder.max_bytes(0), 3, 3),
        ("all", |builder| builder.time_to_live(Duration::ZERO).max_entries(0).max_bytes(0), 3, 3),
        ("stale", |builder| builder.time_to_live(Duration::ZERO).stale_if_error(DAY), 3, 3),
        ("negative time to live", |builder| builder.negative_time_to_live(Duration::ZERO), 1, 3),
        ("negative entries", |builder| builder.max_negative_entries(0), 1, 3),
    ];
    for (what, set, good, bad) in off {
        let subject = Subject::with(set);
        for _ in 0..3 {
            subject.ask("good").await.unwrap();
        }
        assert_eq!(subject.provider.calls(), good, "{what}");
        subject.provider.fails(VerifyErrorKind::Inactive);
        for _ in 0..3 {
            assert_eq!(kind(&subject.ask("bad").await), VerifyErrorKind::Inactive);
        }
        assert_eq!(subject.provider.calls(), good + bad, "{what}");
        subject.handle.invalidate(&bearer("good"));
        subject.handle.clear();
        let stats = subject.stats();
        assert_eq!((stats.entries(), stats.negative_entries(), stats.bytes()), (0, 0, 0), "{what}");
    }
}

#[tokio::test]
async fn a_cache_that_remembers_nothing_still_shares_a_call() {
    let subject = Subject::with(|builder| builder.time_to_live(Duration::ZERO));
    subject.provider.hold();
    let tasks = [subject.spawn("good").await, subject.spawn("good").await, subject.spawn("good").await];
    subject.provider.release_all();
    for task in tasks {
        assert_eq!(number(&task.await.unwrap()), 1);
    }
    assert_eq!((subject.provider.calls(), subject.answers()), (1, [0, 1, 2, 0]));
}

#[test]
fn what_no_longer_counts_is_dropped_in_due_course() {
    // Without a runtime, whoever asks does the work.
    let subject = Subject::without_refresh(|builder| builder.time_to_live(secs(30)));
    let end = subject.now() + secs(10);
    subject.provider.answers(move |token, number| match token {
        token if token.starts_with("bad") => Err(VerifyErrorKind::Inactive.into()),
        token if token.starts_with("short") => Ok(vouch(token, number).expires_at(end).build()),
        token => Ok(vouch(token, number).build()),
    });
    let ask = |token: &str| drop(block_on(subject.ask(token)));
    let held = || (subject.stats().entries(), subject.stats().negative_entries());
    (0..10).for_each(|number| ask(&format!("long-{number}")));
    (0..10).for_each(|number| ask(&format!("short-{number}")));
    (0..10).for_each(|number| ask(&format!("bad-{number}")));
    assert_eq!(held(), (20, 10));
    subject.pass(secs(59));
    ask("another");
    subject.pass(secs(1));
    ask("one-more");
    assert_eq!(held(), (2, 0));
    subject.provider.withdraws_a_key();
    subject.pass(secs(60));
    ask("the-last");
    assert_eq!(held(), (1, 0));
    assert_eq!(subject.stats().evicted(), 0, "nothing had to make room");
}

// Who shares what.

#[tokio::test]
async fn clones_share_what_is_remembered_and_two_layers_do_not() {
    let (provider, clock) = (Provider::new(), ManualClock::new());
    let layer = CacheLayer::builder().clock(clock.clone()).build().unwrap();
    let ask = async |cached: &Cached<Provider>| number(&cached.verify(&bearer("good")).await);
    let first = provider.clone().cached(layer.clone());
    assert_eq!((ask(&first).await, ask(&first.clone()).await), (1, 1));
    let second = provider.clone().cached(layer.clone());
    let third = layer.layer(provider.clone());
    assert_eq!((ask(&second).await, ask(&third).await), (2, 3));
    assert_eq!((ask(&first).await, ask(&second).await, ask(&third).await), (1, 2, 3));
    // Nor do their handles.
    second.handle().clear();
    assert_eq!((ask(&first).await, ask(&third).await, ask(&second).await), (1, 3, 4));
    let handle = first.handle();
    assert_eq!(
        (handle.clone().stats(), handle.stats()),
        (first.handle().stats(), first.clone().handle().stats())
    );
    assert_eq!((first.handle().stats().invalidated(), second.handle().stats().invalidated()), (0, 1));
}

#[tokio::test]
async fn services_and_clones_of_one_auth_layer_share_a_cache() {
    let subject = Subject::new();
    let auth = guard(&subject, &[]);
    for layer in [auth.clone(), auth] {
        for service in [layer.layer(Handler::default()), layer.layer(Handler::default())] {
            assert_eq!(status(&service, "good").await, 200);
            assert_eq!(status(&service.clone(), "good").await, 200);
        }
    }
    assert_eq!((subject.provider.calls(), subject.answers()), (1, [7, 1, 0, 0]));
}

#[tokio::test]
async fn clones_of_a_router_share_a_cache() {
    let subject = Subject::new();
    let router = axum::Router::new()
        .route(
            "/",
            axum::routing::get(async |axum::Extension(token): axum::Extension<AccessToken>| {
                token.subject().unwrap().to_owned()
            }),
        )
        .layer(guard(&subject, &[]));
    for router in [router.clone(), router.clone(), router] {
        let request = Request::get("/").header("authorization", "Bearer good");
        let response = router.oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
    }
    assert_eq!(subject.provider.calls(), 1);
}

#[tokio::test]
async fn each_route_judges_the_scopes_of_a_shared_verdict_by_itself() {
    let subject = Subject::new();
    subject.provider.vouches(|token| token.scopes(ScopeSet::parse("foo")));
    let foo = guard(&subject, &["foo"]).layer(Handler::default());
    let bar = guard(&subject, &["bar"]).layer(Handler::default());
    let both = guard(&subject, &["foo", "bar"]).layer(Handler::default());
    for (service, expected) in [(&foo, 200), (&bar, 403), (&both, 403), (&foo, 200), (&bar, 403)] {
        assert_eq!(status(service, "good").await, expected);
    }
    assert_eq!(subject.provider.calls(), 1);
}

#[tokio::test]
async fn a_handler_that_changes_its_token_changes_nothing_for_the_next() {
    let subject = Subject::new();
    let service = guard(&subject, &[]).layer(tower::service_fn(async |mut request: Request<Untouchable>| {
        let mut token = request.extensions_mut().remove::<AccessToken>().unwrap();
        let mut claims = token.claims().clone();
        assert_eq!(claims.remove("note").unwrap(), "personal");
        assert_eq!(token.scopes().as_str(), "");
        token = AccessToken::verified().subject("root").scopes(ScopeSet::parse("admin")).build();
        request.extensions_mut().insert(token);
        Ok::<_, std::convert::Infallible>(http::Response::new(axum::body::Body::empty()))
    }));
    for _ in 0..3 {
        assert_eq!(status(&service, "good").await, 200);
    }
    assert_eq!((number(&subject.ask("good").await), subject.provider.calls()), (1, 1));
}

// Room.

/// A token whose claims take about so many bytes.
fn heavy(token: &str, number: usize, bytes: usize) -> AccessToken {
    vouch(token, number).claim("heavy", "x".repeat(bytes)).build()
}

#[test]
fn no_number_of_tokens_is_too_much() {
    for entries in [1, 2, 3, 5, 31, 32, 33, 63, 64, 65, 100, 127, 500, 1_000, 6_463] {
        // An odd number of bytes that does not divide evenly by the number of entries.
        let sizes = [64 * 1_024, 1_000_003, 1_300 * entries as u64 + 1_300, 32 << 20];
        for bytes in sizes.into_iter().filter(|bytes| *bytes >= 64 * 1_024) {
            let subject = Subject::with(|builder| builder.max_entries(entries).max_bytes(bytes));
            subject.provider.answers(|token, _| Ok(AccessToken::verified().subject(token).build()));
            for number in 0..entries * 2 + 50 {
                block_on(subject.ask(&format!("{number}"))).unwrap();
            }
            let stats = subject.stats();
            assert!(stats.entries() <= entries, "{} of {entries} in {bytes} bytes", stats.entries());
            assert!(stats.bytes() <= bytes, "{} of {bytes} bytes for {entries}", stats.bytes());
            assert!(stats.entries() >= entries.min(20) / 2, "{} of {entries}", stats.entries());
        }
    }
}

#[test]
fn no_size_of_claims_is_too_much() {
    for bytes in [64 << 10, 100_000, 256 << 10, 1 << 20, (1 << 20) + 1, 5_000_000, 32 << 20_u64] {
        for entries in [1, 2, 10, 100, 10_000, 10_000_000] {
            let subject = Subject::with(|builder| builder.max_entries(entries).max_bytes(bytes));
            for (weight, tokens) in [(16 << 10, 300), (100, 300), (40 << 10, 20), (300 << 10, 10), (1, 20)] {
                subject.provider.answers(move |token, number| Ok(heavy(token, number, weight)));
                for number in 0..tokens {
                    let token = block_on(subject.ask(&format!("{weight}-{number}"))).unwrap();
                    assert_eq!(token.claim::<String>("heavy").unwrap().len(), weight);
                }
                let stats = subject.stats();
                assert!(stats.bytes() <= bytes, "{} of {bytes} bytes for {entries}", stats.bytes());
                assert!(stats.entries() <= entries, "{} of {entries}", stats.entries());
            }
        }
    }
}

#[test]
fn sixteen_kibibytes_of_claims_for_each_of_ten_thousand_tokens_fit_in_the_default_room() {
    let subject = Subject::new();
    subject.provider.answers(|token, number| Ok(heavy(token, number, 16 << 10)));
    for number in 0..10_000 {
        block_on(subject.ask(&format!("{number}"))).unwrap();
    }
    let stats = subject.stats();
    assert!(stats.bytes() <= 32 << 20, "{}", stats.bytes());
    assert!(stats.bytes() >= stats.entries() as u64 * (16 << 10), "{stats:?}");
    assert!(stats.entries() > 1_000, "{}", stats.entries());
}

#[test]
fn what_has_no_room_is_not_remembered_and_evicts_nobody() {
    let subject = Subject::with(|builder| builder.max_bytes(64 << 10).max_entries(10));
    block_on(subject.ask("small")).unwrap();
    subject.provider.answers(|token, number| Ok(heavy(token, number, 64 << 10)));
    for calls in 2..5 {
        assert_eq!(number(&block_on(subject.ask("large"))), calls);
    }
    assert_eq!(number(&block_on(subject.ask("small"))), 1);
    assert_eq!((subject.stats().entries(), subject.stats().evicted()), (1, 0));
}

#[test]
fn an_entry_that_has_outgrown_the_room_does_not_leave_its_predecessor_behind() {
    let subject = Subject::without_refresh(|builder| builder.max_bytes(64 << 10).stale_if_error(DAY));
    block_on(subject.ask("token")).unwrap();
    subject.provider.answers(|token, number| Ok(heavy(token, number, 64 << 10)));
    subject.pass(LIVE);
    assert_eq!(number(&block_on(subject.ask("token"))), 2);
    subject.provider.goes_down();
    assert_eq!(kind(&block_on(subject.ask("token"))), VerifyErrorKind::Unavailable);
    assert_eq!(subject.stats().entries(), 0);
}

#[test]
fn the_newcomer_is_remembered_and_somebody_else_makes_room() {
    for entries in [1, 2, 3] {
        let subject = Subject::with(|builder| builder.max_entries(entries));
        let tokens: Vec<_> = (0..=entries).map(|number| format!("token-{number}")).collect();
        for token in &tokens {
            block_on(subject.ask(token)).unwrap();
            assert!(subject.ask_now(token).is_some(), "{token} of {entries}");
        }
        let remembered = tokens.iter().filter(|token| subject.ask_now(token).is_some()).count();
        assert_eq!((remembered, subject.stats().entries()), (entries, entries));
        assert_eq!(subject.stats().evicted(), 1);
    }
}

#[test]
fn renewing_an_entry_of_a_full_cache_evicts_nobody() {
    let subject = Subject::with(|builder| builder.max_entries(2));
    for token in ["a", "b"] {
        block_on(subject.ask(token)).unwrap();
    }
    let last = AccessToken::verified().validator("mine").build();
    let renewed = block_on(subject.cached.revalidate(&bearer("a"), &last));
    assert_eq!(number(&renewed), 3);
    assert_eq!(number(&block_on(subject.ask("a"))), 3, "the new verdict is the one that is remembered");
    assert_eq!(number(&block_on(subject.ask("b"))), 2);
    assert_eq!(subject.stats().entries(), 2);
}

#[test]
fn only_what_had_to_make_room_counts_as_evicted() {
    let subject = Subject::with(|builder| builder.negative_time_to_live(secs(1)).stale_if_error(DAY));
    let evicted = |what: &str| assert_eq!(subject.stats().evicted(), 0, "{what}");
    block_on(subject.ask("good")).unwrap();
    subject.handle.invalidate(&bearer("good"));
    block_on(subject.ask("good")).unwrap();
    subject.handle.clear();
    evicted("what was invalidated");
    block_on(subject.ask("good")).unwrap();
    subject.pass(LIVE);
    block_on(subject.ask("good")).unwrap();
    evicted("what was renewed");
    subject.provider.goes_down();
    subject.pass(LIVE);
    block_on(subject.ask("good")).unwrap();
    evicted("what is served for longer");
    subject.provider.fails(VerifyErrorKind::Inactive);
    for _ in 0..3 {
        block_on(subject.ask("bad")).unwrap_err();
        subject.pass(secs(1));
    }
    evicted("what was rejected again");
    block_on(subject.cached.revalidate(&bearer("good"), &AccessToken::verified().validator("").build()))
        .unwrap_err();
    evicted("what was found to be bad");
}

#[test]
fn a_token_in_use_outlives_a_flood_of_others() {
    for entries in [100, 1_000] {
        let subject = Subject::with(|builder| builder.max_entries(entries));
        for number_of_others in 0..10_000 {
            if number_of_others % 50 == 0 {
                assert_eq!(number(&block_on(subject.ask("hot"))), 1, "after {number_of_others}");
            }
            block_on(subject.ask(&format!("cold-{number_of_others}"))).unwrap();
        }
        let stats = subject.stats();
        assert_eq!(subject.provider.calls(), 10_001);
        assert_eq!(stats.evicted(), 10_001 - stats.entries() as u64);
    }
}

// Rejections, and what is none.

/// Every kind that is a proof against the token.
const DEFINITE: [VerifyErrorKind; 9] = [
    VerifyErrorKind::Algorithm,
    VerifyErrorKind::Audience,
    VerifyErrorKind::Claim,
    VerifyErrorKind::Expired,
    VerifyErrorKind::Inactive,
    VerifyErrorKind::Issuer,
    VerifyErrorKind::KeyNotFound,
    VerifyErrorKind::Malformed,
    VerifyErrorKind::Signature,
];

#[tokio::test]
async fn a_definite_rejection_is_remembered_for_seconds_and_keeps_its_kind() {
    for expected in DEFINITE {
        let subject = Subject::new();
        subject.provider.fails(VerifyError::rejected(expected).because("what somebody else wrote"));
        for span in [Duration::ZERO, Duration::ZERO, secs(5) - NANO] {
            subject.pass(span);
            assert_eq!(kind(&subject.ask("bad").await), expected);
        }
        assert_eq!((subject.provider.calls(), subject.answers()), (1, [0, 1, 0, 2]), "{expected:?}");
        subject.pass(NANO);
        assert_eq!(kind(&subject.ask("bad").await), expected);
        assert_eq!(subject.provider.calls(), 2);
        assert_eq!((subject.stats().entries(), subject.stats().negative_entries()), (0, 1));
    }
}

#[tokio::test]
async fn what_is_no_proof_against_a_token_is_never_remembered() {
    for (error, expected) in [
        (VerifyError::not_mine(), 401),
        (VerifyErrorKind::NotMine.into(), 401),
        (VerifyErrorKind::NotYetValid.into(), 401),
        (VerifyError::unavailable("down"), 503),
        (VerifyErrorKind::Unavailable.into(), 503),
        (VerifyError::unavailable("down").retry_after(DAY), 503),
        (VerifyError::unavailable("down").retry_after(Duration::MAX), 503),
        (VerifyError::misconfigured("refused"), 503),
    ] {
        let subject = Subject::new();
        let service = guard(&subject, &[]).layer(Handler::default());
        subject.provider.fails(error.clone());
        for calls in 1..4 {
            let verdict = subject.ask("token").await.unwrap_err();
            assert_eq!((verdict.kind(), subject.provider.calls()), (error.kind(), calls));
            assert_eq!(verdict.is_misconfigured(), error.is_misconfigured());
            assert_eq!(verdict.retry_delay(), error.retry_delay());
        }
        assert_eq!(status(&service, "token").await, expected);
        let stats = subject.stats();
        assert_eq!((stats.entries(), stats.negative_entries(), stats.misses()), (0, 0, 4), "{error:?}");
        // The very next request after the recovery is served.
        subject.provider.vouches(|token| token);
        assert_eq!(status(&service, "token").await, 200);
    }
}

#[tokio::test]
async fn a_rejection_from_memory_says_the_same_to_the_client() {
    let subject = Subject::new();
    subject.provider.fails(VerifyErrorKind::Inactive);
    let service = guard(&subject, &[]).layer(Handler::default());
    let mut answers = Vec::new();
    for _ in 0..3 {
        let request = Request::get("/").header("authorization", "Bearer bad").body(Untouchable).unwrap();
        let response = service.clone().oneshot(request).await.unwrap();
        let reason = response.extensions().get::<Rejection>().unwrap().reason();
        answers.push(format!("{} {:?} {reason}", response.status(), response.headers()));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(subject.provider.calls(), 1);
}

#[tokio::test]
async fn a_rejection_that_says_when_to_ask_again_is_remembered_no_longer_than_that() {
    for (after, remembered) in [
        (Duration::ZERO, Duration::ZERO),
        (NANO, NANO),
        (secs(2), secs(2)),
        (secs(5), secs(5)),
        (secs(30), secs(5)),
        (Duration::MAX, secs(5)),
    ] {
        let subject = Subject::new();
        subject.provider.fails(VerifyError::rejected(VerifyErrorKind::KeyNotFound).retry_after(after));
        subject.ask("bad").await.unwrap_err();
        if !remembered.is_zero() {
            subject.pass(remembered - NANO);
            subject.ask("bad").await.unwrap_err();
            assert_eq!(subject.provider.calls(), 1, "{after:?}");
            subject.pass(NANO);
        }
        subject.ask("bad").await.unwrap_err();
        assert_eq!(subject.provider.calls(), 2, "{after:?}");
    }
}

#[tokio::test]
async fn a_token_that_becomes_good_is_refused_for_seconds_at_most() {
    for live in [NANO, secs(1), secs(5), secs(10)] {
        let subject = Subject::with(|builder| builder.negative_time_to_live(live));
        subject.provider.fails(VerifyErrorKind::Inactive);
        subject.ask("token").await.unwrap_err();
        subject.provider.vouches(|token| token);
        subject.pass(live - NANO);
        subject.ask("token").await.unwrap_err();
        subject.pass(NANO);
        assert_eq!(number(&subject.ask("token").await), 2, "{live:?}");
        assert_eq!(subject.stats().negative_entries(), 0, "its bad name is gone");
    }
}

#[tokio::test]
async fn a_token_that_begins_in_a_second_is_refused_until_then_and_not_longer() {
    let subject = Subject::new();
    let (start, clock) = (subject.now() + secs(1), subject.clock.clone());
    subject.provider.answers(move |token, number| match clock.now() {
        now if now < start => Err(VerifyErrorKind::NotYetValid.into()),
        _ => Ok(vouch(token, number).not_before(start).build()),
    });
    assert_eq!(kind(&subject.ask("token").await), VerifyErrorKind::NotYetValid);
    subject.pass(secs(1));
    assert_eq!(number(&subject.ask("token").await), 2);
    assert_eq!(number(&subject.ask("token").await), 2);
}

#[test]
fn rejected_tokens_have_a_bounded_place_of_their_own() {
    for entries in [1, 2, 7, 31, 32, 64, 100, 127, 1_000] {
        let subject = Subject::with(|builder| builder.max_negative_entries(entries).max_entries(1_000));
        for good in 0..50 {
            block_on(subject.ask(&format!("good-{good}"))).unwrap();
        }
        subject.provider.fails(VerifyErrorKind::Inactive);
        for bad in 0..10_000 {
            block_on(subject.ask(&format!("bad-{bad}"))).unwrap_err();
        }
        let stats = subject.stats();
        assert!(
            (1..=entries).contains(&stats.negative_entries()),
            "{} of {entries}",
            stats.negative_entries()
        );
        assert_eq!(stats.entries(), 50);
        for good in 0..50 {
            assert!(subject.ask_now(&format!("good-{good}")).unwrap().is_ok(), "evicted by bad ones");
        }
        assert_eq!(subject.provider.calls(), 10_050);
    }
}

#[tokio::test]
async fn what_is_malformed_never_reaches_the_verifier_and_is_not_remembered() {
    let subject = Subject::new();
    let service = guard(&subject, &[]).layer(Handler::default());
    for (credential, expected) in [("a%b", 401), ("=", 401), ("a=b", 401), ("a\u{e9}", 401), ("a b", 400)] {
        for _ in 0..2 {
            assert_eq!(status(&service, credential).await, expected, "{credential}");
        }
    }
    assert_eq!((subject.provider.calls(), subject.answers()), (0, [0; 4]));
    assert_eq!((subject.stats().entries(), subject.stats().negative_entries()), (0, 0));
    // Nor does it if the verifier would answer without waiting.
    let calls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&calls);
    let verifier = Immediate(move |token: &str| {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(vouch(token, 1).build())
    });
    let cached = verifier.cached(CacheLayer::new());
    let handle = cached.handle();
    let service = AuthLayer::new(cached).layer(Handler::default());
    assert_eq!((status(&service, "a%b").await, status(&service, "a%b").await), (401, 401));
    assert_eq!((calls.load(Ordering::SeqCst), handle.stats().entries()), (0, 0));
}

// Verified again ahead of the end.

#[tokio::test]
async fn a_token_in_use_is_verified_again_in_the_last_fifth_and_nobody_waits() {
    let subject = Subject::new();
    subject.ask("good").await.unwrap();
    subject.pass(secs(240) - NANO);
    for _ in 0..3 {
        assert_eq!(subject.ask_now("good").as_ref().map(number), Some(1));
    }
    settle().await;
    assert_eq!((subject.provider.calls(), subject.stats().refreshed()), (1, 0), "not before");
    subject.pass(NANO);
    assert_eq!(subject.ask_now("good").as_ref().map(number), Some(1), "the old verdict serves meanwhile");
    settle().await;
    assert_eq!((subject.provider.calls(), subject.stats().refreshed()), (2, 1));
    assert_eq!(subject.ask_now("good").as_ref().map(number), Some(2));
    // With a full time to live from then on.
    subject.pass(secs(240) - NANO);
    assert_eq!(subject.ask_now("good").as_ref().map(number), Some(2));
    settle().await;
    assert_eq!((subject.provider.calls(), subject.stats().refreshed()), (2, 1));
    assert_eq!(subject.answers(), [6, 1, 0, 0]);
}

#[tokio::test]
async fn the_part_in_which_a_token_is_verified_again_can_be_set() {
    for (percent, from) in [(1, 99), (20, 80), (33, 67), (50, 50)] {
        let live = secs(100);
        let subject = Subject::with(|builder| builder.time_to_live(live).refresh_ahead(percent));
        subject.ask("good").await.unwrap();
        subject.pass(secs(from) - NANO);
        subject.ask("good").await.unwrap();
        settle().await;
        assert_eq!(subject.provider.calls(), 1, "{percent} percent");
        subject.pass(NANO);
        // By the asynchronous way as well.
        subject.cached.verify(&bearer("good")).await.unwrap();
        settle().await;
        assert_eq!((subject.provider.calls(), subject.stats().refreshed()), (2, 1), "{percent} percent");
    }
}

#[tokio::test]
async fn with_no_such_part_a_token_is_verified_again_after_its_end_only() {
    let subject = Subject::with(|builder| builder.refresh_ahead(0));
    subject.ask("good").await.unwrap();
    subject.pass(LIVE - NANO);
    subject.ask("good").await.unwrap();
    settle().await;
    assert_eq!((subject.provider.calls(), subject.stats().refreshed()), (1, 0));
}

#[tokio::test]
async fn a_token_that_nobody_uses_is_not_verified_again() {
    let subject = Subject::new();
    subject.ask("idle").await.unwrap();
    subject.pass(secs(299));
    subject.ask("busy").await.unwrap();
    settle().await;
    assert_eq!((subject.provider.calls(), subject.stats().refreshed()), (2, 0));
}

#[tokio::test]
async fn a_thousand_requests_a_second_cause_one_renewal_and_wait_for_nothing() {
    let subject = Subject::with(|builder| builder.time_to_live(secs(100)));
    subject.ask("hot").await.unwrap();
    subject.provider.hold();
    subject.pass(secs(80));
    for _ in 0..1_000 {
        assert_eq!(subject.ask_now("hot").as_ref().map(number), Some(1));
        settle().await;
        subject.pass(Duration::from_millis(1));
    }
    assert_eq!(
        (subject.provider.calls(), subject.stats().refreshed(), subject.stats().in_flight()),
        (2, 1, 1)
    );
    subject.provider.release_all();
    settle().await;
    assert_eq!(subject.stats().in_flight(), 0);
    assert_eq!(subject.ask_now("hot").as_ref().map(number), Some(2));
    // The time of the new verdict counts from when it was asked for: 80 s.
    subject.pass(secs(78));
    assert_eq!(subject.ask_now("hot").as_ref().map(number), Some(2));
    assert_eq!(subject.provider.calls(), 2);
    subject.pass(secs(1));
    assert_eq!(subject.ask_now("hot").as_ref().map(number), Some(2));
    settle().await;
    assert_eq!((subject.provider.calls(), subject.stats().refreshed()), (3, 2));
    assert_eq!(subject.answers(), [1_003, 1, 0, 0]);
}

#[tokio::test]
async fn a_renewal_that_takes_too_long_does_not_prolong_the_old_verdict() {
    let subject = Subject::with(|builder| builder.time_to_live(secs(100)));
    subject.ask("hot").await.unwrap();
    subject.provider.hold();
    subject.pass(secs(95));
    subject.ask("hot").await.unwrap();
    settle().await;
    subject.pass(secs(5) - NANO);
    assert_eq!(subject.ask_now("hot").as_ref().map(number), Some(1));
    subject.pass(NANO);
    assert!(subject.ask_now("hot").is_none());
    // Whoever comes now waits for the renewal that is under way.
    let task = subject.spawn("hot").await;
    assert_eq!(subject.provider.calls(), 2);
    subject.provider.release_all();
    assert_eq!(number(&task.await.unwrap()), 2);
    assert_eq!(subject.answers(), [2, 1, 1, 0]);
}

#[tokio::test]
async fn a_rejection_in_the_background_removes_the_entry_at_once() {
    for error in DEFINITE.into_iter().chain([VerifyErrorKind::NotMine, VerifyErrorKind::NotYetValid]) {
        let subject = Subject::with(|builder| builder.stale_if_error(DAY));
        subject.ask("token").await.unwrap();
        subject.provider.fails(error);
        subject.pass(secs(240));
        assert!(subject.ask("token").await.is_ok());
        settle().await;
        assert_eq!(subject.provider.calls(), 2);
        assert_eq!(kind(&subject.ask("token").await), error);
        assert_eq!(subject.stats().entries(), 0, "{error:?}");
        // If the provider cannot be reached from now on, the good verdict does not come back.
        subject.provider.goes_down();
        subject.pass(secs(10));
        assert_eq!(kind(&subject.ask("token").await), VerifyErrorKind::Unavailable);
    }
}

#[tokio::test]
async fn a_renewal_that_fails_is_repeated_with_pauses_and_the_entry_serves_to_its_end() {
    let subject = Subject::new();
    subject.ask("good").await.unwrap();
    subject.provider.goes_down();
    subject.pass(secs(240));
    let mut attempts = Vec::new();
    for _ in 0..60 {
        for _ in 0..10 {
            assert_eq!(subject.ask_now("good").as_ref().map(number), Some(1));
            settle().await;
        }
        attempts.push(subject.provider.calls() - 1);
        subject.pass(secs(1));
    }
    assert_eq!(attempts[0], 1, "one for all of a moment");
    assert!((2..=12).contains(&attempts[59]), "repeated now and then: {attempts:?}");
    assert_eq!(subject.stats().refreshed(), attempts[59] as u64);
    // The time is over.
    assert!(subject.ask_now("good").is_none());
    assert_eq!(kind(&subject.ask("good").await), VerifyErrorKind::Unavailable);
    assert_eq!(subject.answers(), [600, 1 + 1, 0, 0]);
}

#[tokio::test]
async fn a_renewal_succeeds_after_one_that_failed() {
    let subject = Subject::new();
    subject.ask("good").await.unwrap();
    subject.provider.goes_down();
    subject.pass(secs(240));
    subject.ask("good").await.unwrap();
    settle().await;
    subject.provider.vouches(|token| token);
    subject.pass(secs(40));
    assert_eq!(number(&subject.ask("good").await), 1);
    settle().await;
    assert_eq!(number(&subject.ask("good").await), 3);
    subject.pass(LIVE - NANO);
    assert_eq!(number(&subject.ask("good").await), 3, "its time counts from the new question");
}

#[tokio::test]
async fn a_provider_that_asks_for_patience_gets_it_in_the_background() {
    let subject = Subject::new();
    subject.ask("good").await.unwrap();
    subject.provider.fails(VerifyError::unavailable("busy").retry_after(secs(40)));
    subject.pass(secs(240));
    subject.ask("good").await.unwrap();
    settle().await;
    for (span, calls) in [(secs(40) - NANO, 2), (NANO, 3)] {
        subject.pass(span);
        subject.ask("good").await.unwrap();
        settle().await;
        assert_eq!(subject.provider.calls(), calls);
    }
}

#[tokio::test]
async fn endless_patience_that_a_provider_asks_for_does_no_harm() {
    for stale in [Duration::ZERO, secs(100), DAY] {
        let subject = Subject::with(|builder| builder.stale_if_error(stale));
        subject.ask("good").await.unwrap();
        subject.provider.fails(VerifyError::unavailable("busy").retry_after(Duration::MAX));
        subject.pass(secs(240));
        subject.ask("good").await.unwrap();
        settle().await;
        subject.pass(secs(60) + stale - NANO);
        assert_eq!(number(&subject.ask("good").await), 1, "{stale:?}");
        settle().await;
        subject.pass(NANO);
        assert_eq!(kind(&subject.ask("good").await), VerifyErrorKind::Unavailable);
        subject.provider.vouches(|token| token);
        assert!(subject.ask("good").await.is_ok(), "the end of the time ends the patience");
    }
}

#[test]
fn without_a_runtime_nothing_is_verified_ahead_and_nothing_panics() {
    let subject = Subject::new();
    block_on(subject.ask("good")).unwrap();
    subject.pass(LIVE - NANO);
    for _ in 0..3 {
        assert_eq!(number(&block_on(subject.ask("good"))), 1);
        assert_eq!(number(&block_on(subject.cached.verify(&bearer("good")))), 1);
    }
    assert_eq!((subject.provider.calls(), subject.stats().refreshed()), (1, 0));
    subject.pass(NANO);
    assert_eq!(number(&block_on(subject.ask("good"))), 2);
}

#[test]
fn a_runtime_without_a_timer_will_do() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let subject = Subject::new();
        subject.ask("good").await.unwrap();
        subject.pass(secs(240));
        subject.ask("good").await.unwrap();
        settle().await;
        assert_eq!((number(&subject.ask("good").await), subject.stats().refreshed()), (2, 1));
    });
}

#[tokio::test]
async fn a_renewal_takes_no_place_from_those_who_wait() {
    let subject = Subject::with(|builder| builder.max_upstream_calls(1));
    subject.ask("hot").await.unwrap();
    subject.pass(secs(240));
    subject.provider.hold();
    let task = subject.spawn("cold").await;
    for _ in 0..3 {
        assert_eq!(number(&subject.ask("hot").await), 1);
        settle().await;
    }
    assert_eq!((subject.provider.calls(), subject.stats().refreshed()), (2, 0));
    subject.provider.release_all();
    task.await.unwrap().unwrap();
    // It is made up for later.
    subject.pass(secs(30));
    subject.ask("hot").await.unwrap();
    settle().await;
    assert_eq!((number(&subject.ask("hot").await), subject.stats().refreshed()), (3, 1));
}

#[tokio::test]
async fn renewals_leave_half_of_the_places_to_those_who_wait() {
    let subject = Subject::with(|builder| builder.max_upstream_calls(4).max_wait(Duration::ZERO));
    let hot = ["a", "b", "c", "d"];
    for token in hot {
        subject.ask(token).await.unwrap();
    }
    subject.pass(secs(240));
    subject.provider.hold();
    for token in hot {
        subject.ask(token).await.unwrap();
    }
    settle().await;
    assert_eq!((subject.stats().refreshed(), subject.provider.calls()), (2, 6));
    let newcomers = [subject.spawn("e").await, subject.spawn("f").await];
    assert_eq!((subject.stats().turned_away(), subject.provider.calls()), (0, 8));
    subject.provider.release_all();
    for newcomer in newcomers {
        newcomer.await.unwrap().unwrap();
    }
}

/// The cause of a failure, which calls the cache when it is dropped.
#[derive(Debug)]
struct Meddler(CacheHandle);

impl std::fmt::Display for Meddler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("meddling")
    }
}

impl std::error::Error for Meddler {}

impl Drop for Meddler {
    fn drop(&mut self) {
        self.0.invalidate(&bearer("good"));
        self.0.clear();
    }
}

#[tokio::test]
async fn a_cause_that_calls_back_when_it_is_dropped_holds_nobody_up() {
    for kind in [VerifyErrorKind::Unavailable, VerifyErrorKind::Inactive] {
        let subject = Subject::without_refresh(|builder| builder.stale_if_error(secs(100)));
        subject.ask("good").await.unwrap();
        let handle = subject.handle.clone();
        subject
            .provider
            .answers(move |_, _| Err(VerifyError::rejected(kind).because(Meddler(handle.clone()))));
        subject.pass(LIVE);
        // What might have stood in is invalidated by then.
        assert_eq!(self::kind(&subject.ask("good").await), kind);
        assert_eq!((subject.stats().in_flight(), subject.stats().entries()), (0, 0));
    }
}

// Served for longer while nobody can tell.

/// An entry at the end of its time, and a provider that is down. It may be served for 100 s more.
async fn at_the_end(
    finish: impl Fn(AccessTokenBuilder) -> AccessTokenBuilder + Send + Sync + 'static,
) -> Subject {
    let subject = Subject::without_refresh(|builder| builder.stale_if_error(secs(100)));
    subject.provider.vouches(finish);
    subject.ask("good").await.unwrap();
    subject.provider.goes_down();
    subject.pass(LIVE);
    subject
}

#[tokio::test]
async fn nothing_is_served_beyond_its_time_unless_that_is_asked_for() {
    let subject = Subject::new();
    subject.ask("good").await.unwrap();
    subject.provider.goes_down();
    subject.pass(LIVE);
    assert_eq!(kind(&subject.ask("good").await), VerifyErrorKind::Unavailable);
    assert_eq!(subject.stats().served_stale(), 0);
}

#[tokio::test]
async fn a_failure_ahead_of_the_end_makes_nothing_stale() {
    let subject = Subject::new();
    subject.ask("good").await.unwrap();
    subject.provider.goes_down();
    subject.pass(secs(240));
    subject.ask("good").await.unwrap();
    settle().await;
    assert_eq!((subject.provider.calls(), subject.stats().served_stale()), (2, 0));
}

#[tokio::test]
async fn if_asked_for_a_verdict_serves_for_longer_but_not_without_end() {
    let subject = at_the_end(|token| token).await;
    assert!(subject.ask_now("good").is_none(), "the first waits for the failure");
    assert_eq!(number(&subject.ask("good").await), 1);
    assert_eq!((subject.provider.calls(), subject.stats().served_stale()), (2, 1));
    for _ in 0..3 {
        assert_eq!(subject.ask_now("good").as_ref().map(number), Some(1), "the others do not");
    }
    settle().await;
    assert_eq!(subject.provider.calls(), 2);
    for attempts in 1..=9 {
        subject.pass(secs(11));
        assert_eq!(subject.ask_now("good").as_ref().map(number), Some(1));
        settle().await;
        let expected = (2 + attempts, 1 + u64::try_from(attempts).unwrap());
        assert_eq!((subject.provider.calls(), subject.stats().served_stale()), expected, "in the background");
    }
    subject.pass(secs(1) - NANO);
    assert_eq!(subject.ask_now("good").as_ref().map(number), Some(1));
    settle().await;
    subject.pass(NANO);
    assert!(subject.ask_now("good").is_none());
    assert_eq!(kind(&subject.ask("good").await), VerifyErrorKind::Unavailable);
    subject.provider.vouches(|token| token);
    assert_eq!(number(&subject.ask("good").await), subject.provider.calls());
}

#[tokio::test]
async fn the_longer_time_needs_a_failure_that_is_not_long_ago() {
    let subject = at_the_end(|token| token).await;
    assert_eq!(number(&subject.ask("good").await), 1);
    subject.pass(secs(16) - NANO);
    assert_eq!(subject.ask_now("good").as_ref().map(number), Some(1));
    settle().await;
    subject.pass(secs(16));
    assert!(subject.ask_now("good").is_none(), "nobody has tried for some time");
    subject.provider.fails(VerifyErrorKind::Inactive);
    assert_eq!(kind(&subject.ask("good").await), VerifyErrorKind::Inactive);
    // Nor does a provider that does not want to be asked for an hour make it longer than two minutes.
    let subject = Subject::without_refresh(|builder| builder.stale_if_error(secs(3_600)));
    subject.ask("good").await.unwrap();
    subject.provider.fails(VerifyError::unavailable("busy").retry_after(secs(3_600)));
    subject.pass(LIVE);
    assert_eq!(number(&subject.ask("good").await), 1);
    subject.pass(secs(120) - NANO);
    assert_eq!(subject.ask_now("good").as_ref().map(number), Some(1));
    settle().await;
    assert_eq!(subject.provider.calls(), 2, "it wanted to be left alone");
    subject.pass(secs(15) + NANO);
    assert!(subject.ask_now("good").is_none());
}

#[tokio::test]
async fn who_finds_no_place_is_one_who_cannot_tell() {
    let subject = Subject::without_refresh(|builder| {
        builder.stale_if_error(secs(100)).max_upstream_calls(1).max_wait(Duration::ZERO)
    });
    subject.ask("good").await.unwrap();
    subject.pass(LIVE);
    subject.provider.hold();
    let task = subject.spawn("another").await;
    assert_eq!(number(&subject.ask("good").await), 1);
    assert_eq!((subject.stats().turned_away(), subject.stats().served_stale()), (1, 1));
    subject.provider.release_all();
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_failure_ahead_of_the_end_gives_no_longer_time() {
    let subject = Subject::with(|builder| builder.stale_if_error(secs(3_600)));
    subject.ask("good").await.unwrap();
    subject.pass(secs(245));
    subject.provider.fails(VerifyError::unavailable("busy").retry_after(secs(3_600)));
    assert_eq!(number(&subject.ask("good").await), 1);
    settle().await;
    let stats = subject.stats();
    assert_eq!((stats.refreshed(), stats.refresh_failed(), stats.served_stale()), (1, 1, 0));
    subject.provider.fails(VerifyErrorKind::Inactive);
    subject.pass(secs(55) - NANO);
    assert_eq!(subject.ask_now("good").as_ref().map(number), Some(1));
    subject.pass(NANO);
    assert_eq!(kind(&subject.ask("good").await), VerifyErrorKind::Inactive);
}

#[tokio::test]
async fn a_server_that_is_set_up_wrong_can_tell_no_more_than_one_that_is_down() {
    let subject = at_the_end(|token| token).await;
    subject.provider.fails(VerifyError::misconfigured("refused"));
    assert_eq!(number(&subject.ask("good").await), 1);
    assert_eq!(subject.stats().served_stale(), 1);
}

#[tokio::test]
async fn whoever_returns_after_the_longer_time_finds_nothing() {
    let subject = at_the_end(|token| token).await;
    subject.pass(secs(100) - NANO);
    assert_eq!(number(&subject.ask("good").await), 1);
    let subject = at_the_end(|token| token).await;
    subject.pass(secs(100));
    assert_eq!(kind(&subject.ask("good").await), VerifyErrorKind::Unavailable);
    assert_eq!(subject.stats().served_stale(), 0);
}

#[tokio::test]
async fn a_recovery_ends_the_longer_time() {
    let subject = at_the_end(|token| token).await;
    subject.ask("good").await.unwrap();
    subject.provider.vouches(|token| token);
    subject.pass(secs(10));
    assert_eq!(number(&subject.ask("good").await), 1);
    settle().await;
    assert_eq!(number(&subject.ask("good").await), 3);
    subject.pass(LIVE - NANO);
    assert_eq!(subject.ask_now("good").as_ref().map(number), Some(3));
    subject.pass(NANO);
    assert!(subject.ask_now("good").is_none(), "there is no doubt left in it");
}

#[tokio::test]
async fn a_rejection_ends_the_longer_time_at_once() {
    let subject = at_the_end(|token| token).await;
    subject.ask("good").await.unwrap();
    subject.provider.fails(VerifyErrorKind::Inactive);
    subject.pass(secs(10));
    assert_eq!(number(&subject.ask("good").await), 1);
    settle().await;
    assert_eq!(kind(&subject.ask("good").await), VerifyErrorKind::Inactive);
    subject.provider.goes_down();
    subject.pass(secs(10));
    assert_eq!(kind(&subject.ask("good").await), VerifyErrorKind::Unavailable);
    let subject = at_the_end(|token| token).await;
    subject.provider.fails(VerifyErrorKind::Inactive);
    assert_eq!(kind(&subject.ask("good").await), VerifyErrorKind::Inactive, "the first is not spared either");
}

#[tokio::test]
async fn no_outage_prolongs_a_token_past_its_expiry() {
    let end = ManualClock::new().now() + LIVE + secs(50);
    let subject = at_the_end(move |token| token.expires_at(end).leeway(secs(30))).await;
    assert_eq!(number(&subject.ask("good").await), 1);
    subject.pass(secs(50) - NANO);
    assert_eq!(number(&subject.ask("good").await), 1);
    settle().await;
    subject.pass(NANO);
    assert!(subject.ask_now("good").is_none());
    assert_eq!(kind(&subject.ask("good").await), VerifyErrorKind::Unavailable);
    // The same if the outage is noticed after the end only.
    let subject = at_the_end(move |token| token.expires_at(end).leeway(secs(30))).await;
    subject.pass(secs(50));
    assert_eq!(kind(&subject.ask("good").await), VerifyErrorKind::Unavailable);
    assert_eq!(subject.stats().served_stale(), 0);
}

#[tokio::test]
async fn no_outage_prolongs_a_token_whose_key_was_withdrawn() {
    let subject = at_the_end(|token| token).await;
    assert_eq!(number(&subject.ask("good").await), 1);
    subject.provider.withdraws_a_key();
    assert_eq!(kind(&subject.ask("good").await), VerifyErrorKind::Unavailable);
    let subject = at_the_end(|token| token).await;
    subject.provider.withdraws_a_key();
    assert_eq!(kind(&subject.ask("good").await), VerifyErrorKind::Unavailable);
    assert_eq!(subject.stats().served_stale(), 0);
}

#[tokio::test]
async fn no_outage_brings_back_what_was_invalidated() {
    for invalidate in INVALIDATE {
        let subject = at_the_end(|token| token).await;
        assert_eq!(number(&subject.ask("good").await), 1);
        invalidate(&subject.handle);
        assert_eq!(kind(&subject.ask("good").await), VerifyErrorKind::Unavailable);
    }
}

// Verified again at less cost.

#[tokio::test]
async fn the_verifier_is_shown_the_last_verdict_when_it_is_asked_again() {
    let live = secs(10);
    let subject = Subject::with(|builder| builder.time_to_live(live));
    subject.ask("good").await.unwrap();
    assert_eq!(subject.provider.shown(), None, "there is no last one yet");
    subject.pass(live * 4 / 5);
    subject.ask("good").await.unwrap();
    settle().await;
    assert_eq!((subject.provider.calls(), subject.provider.shown().as_deref()), (2, Some("v1")));
    subject.pass(live);
    assert_eq!(number(&subject.ask("good").await), 3);
    assert_eq!(subject.provider.shown().as_deref(), Some("v2"));
    // A failure in between takes nothing away.
    subject.provider.goes_down();
    subject.pass(live);
    subject.ask("good").await.unwrap_err();
    subject.provider.vouches(|token| token);
    assert_eq!(number(&subject.ask("good").await), 5);
    assert_eq!(subject.provider.shown().as_deref(), Some("v3"));
    assert!(subject.provider.asked().iter().all(|asked| asked.token == "good"));
}

#[tokio::test]
async fn an_unchanged_answer_renews_the_entry() {
    /// Says of a token that it has seen before what was said of it before.
    struct Unchanged(Counting);
    impl TokenVerifier for Unchanged {
        async fn verify(&self, token: &BearerToken) -> Verdict {
            self.0.verify(token).await
        }

        async fn revalidate(&self, _: &BearerToken, last: &AccessToken) -> Verdict {
            Ok(last.clone())
        }
    }
    let (counting, clock) = (Counting::knows_good("read"), ManualClock::new());
    let layer = CacheLayer::builder().jitter(0).clock(clock.clone()).build().unwrap();
    let cached = Unchanged(counting.clone()).cached(layer);
    for _ in 0..20 {
        let token = cached.verify(&bearer("good")).await.unwrap();
        assert_eq!((token.subject(), token.scopes().as_str()), (Some("alice"), "read"));
        settle().await;
        clock.advance(secs(250));
    }
    assert_eq!((counting.calls(), cached.handle().stats().misses()), (1, 1));
    assert_eq!(cached.handle().stats().refreshed(), 19);
}

#[tokio::test]
async fn a_verdict_that_counts_no_more_is_not_shown_again() {
    type Change = fn(&Subject);
    let changes: [(&str, Change); 6] = [
        ("invalidated", |subject| INVALIDATE[0](&subject.handle)),
        ("its principal invalidated", |subject| INVALIDATE[1](&subject.handle)),
        ("everything invalidated", |subject| INVALIDATE[2](&subject.handle)),
        ("of an older key", |subject| subject.provider.withdraws_a_key()),
        ("expired", |subject| subject.clock.set(subject.now() + secs(100))),
        ("not begun", |subject| subject.clock.set(subject.now() - NANO)),
    ];
    for (what, change) in changes {
        let subject = Subject::new();
        let start = subject.now();
        subject.provider.vouches(move |token| token.not_before(start).expires_at(start + secs(100)));
        subject.ask("good").await.unwrap();
        change(&subject);
        assert_eq!(number(&subject.ask("good").await), 2, "{what}");
        assert_eq!(subject.provider.shown(), None, "{what}");
    }
}

#[tokio::test]
async fn whoever_asks_a_cache_to_verify_again_gets_a_new_verdict() {
    let subject = Subject::new();
    subject.ask("good").await.unwrap();
    let last = AccessToken::verified().validator("mine").build();
    let verdict = subject.cached.revalidate(&bearer("good"), &last).await;
    assert_eq!((number(&verdict), subject.provider.shown().as_deref()), (2, Some("mine")));
    assert_eq!(number(&subject.ask("good").await), 2, "which is remembered");
    assert_eq!(subject.answers(), [1, 2, 0, 0]);
}

// Invalidated.

/// Every way to invalidate the token `good` of the principal `good`.
const INVALIDATE: [fn(&CacheHandle); 3] = [
    |handle| handle.invalidate(&bearer("good")),
    |handle| handle.invalidate_principal(&Principal::Subject { issuer: None, subject: "good" }),
    CacheHandle::clear,
];

#[tokio::test]
async fn what_is_invalidated_is_verified_again() {
    for invalidate in INVALIDATE {
        let subject = Subject::new();
        assert_eq!(number(&subject.ask("good").await), 1);
        invalidate(&subject.handle);
        assert_eq!(subject.stats().entries(), 0);
        assert!(subject.ask_now("good").is_none());
        assert_eq!(number(&subject.ask("good").await), 2);
        assert_eq!(number(&subject.ask("good").await), 2);
        assert_eq!(subject.stats().invalidated(), 1);
    }
}

#[tokio::test]
async fn a_rejection_too_is_forgotten_when_its_token_is_invalidated() {
    for invalidate in [INVALIDATE[0], INVALIDATE[2]] {
        let subject = Subject::new();
        subject.provider.fails(VerifyErrorKind::Inactive);
        subject.ask("good").await.unwrap_err();
        subject.provider.vouches(|token| token);
        invalidate(&subject.handle);
        assert_eq!(number(&subject.ask("good").await), 2);
    }
}

#[tokio::test]
async fn invalidating_one_token_leaves_the_others_alone() {
    let subject = Subject::new();
    let tokens: Vec<_> = (0..100).map(|number| format!("token-{number}")).collect();
    for token in &tokens {
        subject.ask(token).await.unwrap();
    }
    subject.handle.invalidate(&bearer("token-50"));
    subject.handle.invalidate(&bearer("unknown"));
    let forgotten: Vec<_> = tokens.iter().filter(|token| subject.ask_now(token).is_none()).collect();
    assert_eq!(forgotten, ["token-50"]);
    assert_eq!(subject.stats().invalidated(), 2, "calls are counted, and not what they find");
}

#[tokio::test]
async fn invalidating_a_principal_means_that_one_and_no_namesake() {
    type Own = fn(AccessTokenBuilder) -> AccessTokenBuilder;
    let owners: [(&str, Own); 7] = [
        ("subject-of-a", |token| token.subject("x").issuer("https://a")),
        ("subject-of-a-by-a-client", |token| token.subject("x").issuer("https://a").client("y")),
        ("subject-of-b", |token| token.subject("x").issuer("https://b")),
        ("subject-of-nobody", |token| token.subject("x")),
        ("client-of-a", |token| token.client("x").issuer("https://a")),
        ("client-of-nobody", |token| token.client("x")),
        ("nobody", |token| token),
    ];
    let (a, b) = (Some("https://a"), Some("https://b"));
    for (principal, expected) in [
        (Principal::Subject { issuer: a, subject: "x" }, &["subject-of-a", "subject-of-a-by-a-client"][..]),
        (Principal::Subject { issuer: b, subject: "x" }, &["subject-of-b"]),
        (Principal::Subject { issuer: None, subject: "x" }, &["subject-of-nobody"]),
        (Principal::Subject { issuer: a, subject: "y" }, &[]),
        (Principal::Client { issuer: a, client: "x" }, &["client-of-a"]),
        (Principal::Client { issuer: None, client: "x" }, &["client-of-nobody"]),
        (Principal::Client { issuer: a, client: "y" }, &[]),
        (Principal::Client { issuer: b, client: "x" }, &[]),
    ] {
        let subject = Subject::new();
        subject.provider.answers(move |token, _| {
            let (_, owned) = owners.iter().find(|(name, _)| *name == token).unwrap();
            Ok(owned(AccessToken::verified()).build())
        });
        for (token, _) in owners {
            subject.ask(token).await.unwrap();
        }
        subject.handle.invalidate_principal(&principal);
        let forgotten: Vec<_> =
            owners.iter().map(|(token, _)| *token).filter(|token| subject.ask_now(token).is_none()).collect();
        assert_eq!(forgotten, expected, "{principal:?}");
    }
}

#[tokio::test]
async fn an_answer_that_was_asked_for_before_the_invalidation_is_neither_given_nor_remembered() {
    for invalidate in INVALIDATE {
        let subject = Subject::new();
        subject.provider.hold();
        let waiting = [subject.spawn("good").await, subject.spawn("good").await, subject.spawn("good").await];
        assert_eq!(subject.provider.calls(), 1);
        invalidate(&subject.handle);
        let late = subject.spawn("good").await;
        subject.provider.release(1);
        settle().await;
        assert!(waiting.iter().all(|task| !task.is_finished()), "the old answer was given");
        assert!(subject.ask_now("good").is_none(), "the old answer was remembered");
        subject.provider.release_all();
        for task in waiting.into_iter().chain([late]) {
            assert_eq!(number(&task.await.unwrap()), 2, "one new call serves all of them");
        }
        assert_eq!(number(&subject.ask("good").await), 2);
        let stats = subject.stats();
        assert_eq!((stats.misses() + stats.joined(), stats.hits(), stats.in_flight()), (4, 1, 0));
    }
}

#[tokio::test]
async fn a_rejection_that_was_asked_for_before_the_invalidation_is_not_given_either() {
    for invalidate in [INVALIDATE[0], INVALIDATE[2]] {
        let subject = Subject::new();
        subject.provider.fails(VerifyErrorKind::Inactive);
        subject.provider.hold();
        let waiting = subject.spawn("good").await;
        subject.provider.vouches(|token| token);
        invalidate(&subject.handle);
        subject.provider.release(1);
        settle().await;
        subject.provider.release_all();
        assert_eq!(number(&waiting.await.unwrap()), 2);
        assert_eq!((number(&subject.ask("good").await), subject.stats().negative_entries()), (2, 0));
    }
}

#[tokio::test]
async fn an_answer_that_was_announced_before_the_invalidation_is_not_given_after_it() {
    for invalidate in INVALIDATE {
        let subject = Subject::new();
        let token = bearer("good");
        let mut waiting = pin!(subject.cached.verify(&token));
        assert!(poll_once(waiting.as_mut()).is_pending());
        settle().await;
        assert_eq!(subject.stats().in_flight(), 0, "it has been announced");
        invalidate(&subject.handle);
        assert_eq!(number(&waiting.await), 2);
        assert_eq!(number(&subject.ask("good").await), 2);
    }
}

#[tokio::test]
async fn an_invalidation_ends_a_renewal_under_way() {
    for invalidate in INVALIDATE {
        let subject = Subject::new();
        subject.ask("good").await.unwrap();
        subject.provider.hold();
        subject.pass(secs(240));
        subject.ask("good").await.unwrap();
        settle().await;
        invalidate(&subject.handle);
        subject.provider.release_all();
        settle().await;
        assert!(subject.ask_now("good").is_none(), "what the renewal brought was remembered");
        assert_eq!(number(&subject.ask("good").await), 3);
        assert_eq!(subject.provider.shown(), None);
    }
}

#[tokio::test]
async fn invalidating_a_principal_repeats_its_own_flights_and_no_others() {
    let subject = Subject::new();
    subject.provider.hold();
    let mut tasks = HashMap::new();
    let tokens: Vec<_> =
        ["good".to_owned()].into_iter().chain((0..200).map(|n| format!("other-{n}"))).collect();
    // More than there are places.
    for token in &tokens {
        tasks.insert(token.clone(), subject.spawn(token).await);
    }
    INVALIDATE[1](&subject.handle);
    subject.provider.release_all();
    for (token, task) in tasks {
        assert_eq!(task.await.unwrap().unwrap().subject(), Some(&*token));
    }
    let asked = subject.provider.asked();
    let times = |token: &String| asked.iter().filter(|asked| asked.token == *token).count();
    for token in &tokens {
        assert_eq!(times(token), if token == "good" { 2 } else { 1 }, "{token}");
    }
    assert_eq!(subject.stats().entries(), 201);
    // A flight that begins after the invalidation is not concerned by it.
    INVALIDATE[1](&subject.handle);
    subject.ask("good").await.unwrap();
    assert!(subject.ask_now("good").is_some());
}

#[tokio::test]
async fn clearing_repeats_every_flight_under_way() {
    let subject = Subject::new();
    subject.provider.hold();
    let mut tasks = Vec::new();
    for number in 0..30 {
        tasks.push(subject.spawn(&format!("token-{number}")).await);
    }
    subject.handle.clear();
    subject.provider.release_all();
    for task in tasks {
        assert!(number(&task.await.unwrap()) > 30);
    }
    assert_eq!((subject.provider.calls(), subject.stats().in_flight()), (60, 0));
}

#[tokio::test]
async fn an_outage_may_be_told_to_those_who_waited_for_what_was_invalidated() {
    let subject = Subject::new();
    subject.provider.goes_down();
    subject.provider.hold();
    let waiting = subject.spawn("good").await;
    INVALIDATE[0](&subject.handle);
    subject.provider.release_all();
    assert_eq!(kind(&waiting.await.unwrap()), VerifyErrorKind::Unavailable);
    assert_eq!(subject.stats().in_flight(), 0);
}

#[tokio::test]
async fn a_verifier_that_answers_at_once_is_not_believed_about_what_it_says_while_it_is_invalidated() {
    /// Somebody invalidates the token while it is being verified.
    struct Overtaken {
        handle: Mutex<Option<CacheHandle>>,
        invalidate: fn(&CacheHandle),
        calls: AtomicU64,
    }
    impl TokenVerifier for Overtaken {
        async fn verify(&self, token: &BearerToken) -> Verdict {
            self.verify_now(token, SystemTime::UNIX_EPOCH).unwrap()
        }

        fn verify_now(&self, _: &BearerToken, _: SystemTime) -> Option<Verdict> {
            let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
            if let Some(handle) = lock(&self.handle).take() {
                (self.invalidate)(&handle);
            }
            Some(Ok(vouch("good", usize::try_from(number).unwrap()).build()))
        }
    }
    for invalidate in INVALIDATE {
        let overtaken = Overtaken { handle: Mutex::default(), invalidate, calls: AtomicU64::new(0) };
        let overtaken = Arc::new(overtaken);
        let cached = Arc::clone(&overtaken).cached(CacheLayer::new());
        *lock(&overtaken.handle) = Some(cached.handle());
        let ask = async || match cached.verify_now(&bearer("good"), SystemTime::UNIX_EPOCH) {
            Some(verdict) => number(&verdict),
            None => number(&cached.verify(&bearer("good")).await),
        };
        assert_eq!((ask().await, ask().await), (2, 2));
        assert_eq!((cached.handle().stats().misses(), cached.handle().stats().hits()), (1, 1));
    }
}

/// Says of every token what the world was like when it was asked, and takes its time to say so.
struct Versioned {
    version: Arc<AtomicU64>,
    is_immediate: bool,
}

impl Versioned {
    fn verdict(&self) -> Verdict {
        Ok(vouch("good", usize::try_from(self.version.load(Ordering::SeqCst)).unwrap()).build())
    }
}

impl TokenVerifier for Versioned {
    async fn verify(&self, _: &BearerToken) -> Verdict {
        let verdict = self.verdict();
        yield_now().await;
        verdict
    }

    fn verify_now(&self, _: &BearerToken, _: SystemTime) -> Option<Verdict> {
        self.is_immediate.then(|| self.verdict())
    }
}

/// What a cache says of the token `good`, asked as the middleware does.
async fn ask_versioned(cached: &Cached<Versioned>) -> u64 {
    let verdict = match cached.verify_now(&bearer("good"), SystemTime::now()) {
        Some(verdict) => verdict,
        None => cached.verify(&bearer("good")).await,
    };
    number(&verdict) as u64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_load_too_nothing_older_than_an_invalidation_is_given_after_it() {
    for (is_immediate, invalidate) in [false, true].into_iter().flat_map(|is| INVALIDATE.map(|way| (is, way)))
    {
        let version = Arc::new(AtomicU64::new(0));
        // So short that entries end, and are renewed ahead of their end, all the time.
        let layer = CacheLayer::builder().time_to_live(Duration::from_millis(1)).refresh_ahead(50).build();
        let cached = Versioned { version: Arc::clone(&version), is_immediate }.cached(layer.unwrap());
        let is_over = Arc::new(AtomicBool::new(false));
        let load = [(); 3].map(|()| {
            let (cached, is_over) = (cached.clone(), Arc::clone(&is_over));
            tokio::spawn(async move {
                while !is_over.load(Ordering::SeqCst) {
                    ask_versioned(&cached).await;
                    yield_now().await;
                }
            })
        });
        for revoked in 1..300 {
            version.store(revoked, Ordering::SeqCst);
            invalidate(&cached.handle());
            let given = ask_versioned(&cached).await;
            assert!(given >= revoked, "{given} was given, {revoked} is the truth");
            yield_now().await;
        }
        is_over.store(true, Ordering::SeqCst);
        for task in load {
            task.await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_handle_works_from_a_thread_without_a_runtime() {
    for invalidate in INVALIDATE {
        let subject = Subject::new();
        subject.ask("good").await.unwrap();
        let handle = subject.handle.clone();
        std::thread::spawn(move || invalidate(&handle)).join().unwrap();
        assert_eq!(number(&subject.ask("good").await), 2);
    }
}

// Keys that are withdrawn.

#[tokio::test]
async fn a_verdict_dies_with_the_key_that_it_stands_on_good_or_bad() {
    let subject = Subject::new();
    let service = guard(&subject, &[]).layer(Handler::default());
    assert_eq!(status(&service, "good").await, 200);
    subject.provider.withdraws_a_key();
    subject.provider.fails(VerifyErrorKind::KeyNotFound);
    assert_eq!((status(&service, "good").await, subject.provider.calls()), (401, 2));
    assert_eq!(status(&service, "good").await, 401);
    assert_eq!(subject.provider.calls(), 2);
    subject.provider.withdraws_a_key();
    subject.provider.vouches(|token| token);
    assert_eq!((status(&service, "good").await, subject.provider.calls()), (200, 3));
}

#[tokio::test]
async fn an_answer_that_was_asked_for_under_an_older_key_is_neither_given_nor_remembered() {
    let subject = Subject::new();
    subject.provider.hold();
    let task = subject.spawn("good").await;
    subject.provider.withdraws_a_key();
    let late = subject.spawn("good").await;
    subject.provider.release_all();
    assert_eq!((number(&task.await.unwrap()), number(&late.await.unwrap())), (2, 2));
    assert_eq!(subject.ask_now("good").as_ref().map(number), Some(2));
}

#[tokio::test]
async fn a_verifier_that_invalidates_what_it_verifies_is_not_asked_for_ever() {
    struct Meddling(Counting, Arc<OnceLock<CacheHandle>>);
    impl TokenVerifier for Meddling {
        async fn verify(&self, token: &BearerToken) -> Verdict {
            self.1.get().unwrap().clear();
            self.0.verify(token).await
        }
    }
    let (counting, handle) = (Counting::knows_good("read"), Arc::new(OnceLock::new()));
    let cached = Meddling(counting.clone(), Arc::clone(&handle)).cached(CacheLayer::new());
    handle.set(cached.handle()).unwrap();
    assert_eq!(kind(&cached.verify(&bearer("good")).await), VerifyErrorKind::Unavailable);
    assert!((2..=1_000).contains(&counting.calls()), "{}", counting.calls());
}

#[tokio::test]
async fn a_verification_that_nobody_may_use_any_more_gives_its_place_back() {
    let subject = Subject::with(|builder| builder.max_upstream_calls(1).max_wait(Duration::ZERO));
    subject.provider.hold();
    let task = subject.spawn("good").await;
    for _ in 0..5 {
        subject.handle.invalidate(&bearer("good"));
        settle().await;
    }
    assert_eq!((subject.stats().in_flight(), subject.stats().turned_away()), (1, 0));
    subject.provider.release_all();
    assert_eq!(number(&task.await.unwrap()), subject.provider.calls());
    subject.ask("another").await.unwrap();
}

// A verifier that panics.

#[tokio::test]
async fn a_panic_is_no_verdict_and_leaves_nothing_behind() {
    let subject = Subject::new();
    let service = guard(&subject, &[]).layer(Handler::default());
    subject.provider.answers(|_, _| panic!("no"));
    subject.provider.hold();
    let waiting = [subject.spawn("token").await, subject.spawn("token").await];
    subject.provider.release_all();
    for task in waiting {
        let error = task.await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.is_misconfigured()), (VerifyErrorKind::Unavailable, true));
    }
    assert_eq!(status(&service, "token").await, 503);
    let stats = subject.stats();
    assert_eq!((stats.entries(), stats.negative_entries(), stats.in_flight()), (0, 0, 0));
    subject.provider.vouches(|token| token);
    assert_eq!(status(&service, "token").await, 200);
    subject.handle.invalidate(&bearer("token"));
    assert_eq!(status(&service, "token").await, 200);
}

#[tokio::test]
async fn a_panic_in_the_background_leaves_the_entry_as_it_is() {
    let subject = Subject::new();
    subject.ask("good").await.unwrap();
    subject.provider.answers(|_, _| panic!("no"));
    subject.pass(secs(240));
    subject.ask("good").await.unwrap();
    settle().await;
    assert_eq!((number(&subject.ask("good").await), subject.stats().in_flight()), (1, 0));
    subject.provider.vouches(|token| token);
    subject.pass(secs(59));
    subject.ask("good").await.unwrap();
    settle().await;
    assert_eq!(number(&subject.ask("good").await), 3);
}

/// Panics in one of its methods, once.
struct Once {
    place: &'static str,
    is_spent: AtomicBool,
}

impl Once {
    fn new(place: &'static str) -> Self {
        Self { place, is_spent: AtomicBool::new(false) }
    }

    fn reach(&self, place: &str) {
        let is_first = self.place == place && !self.is_spent.swap(true, Ordering::SeqCst);
        assert!(!is_first, "no");
    }
}

impl TokenVerifier for Once {
    fn verify(&self, token: &BearerToken) -> impl Future<Output = Verdict> + Send {
        self.reach("before the future");
        let token = token.as_str().to_owned();
        async move {
            self.reach("first poll");
            yield_now().await;
            self.reach("second poll");
            Ok(vouch(&token, 1).build())
        }
    }

    fn verify_now(&self, _: &BearerToken, _: SystemTime) -> Option<Verdict> {
        self.reach("now");
        None
    }

    fn generation(&self) -> u64 {
        self.reach("generation");
        0
    }
}

#[tokio::test]
async fn wherever_a_verifier_panics_the_next_request_is_served() {
    for place in ["before the future", "first poll", "second poll", "now", "generation"] {
        let cached = Once::new(place).cached(CacheLayer::new());
        let handle = cached.handle();
        let service = AuthLayer::new(cached).layer(Handler::default());
        let answers = [status(&service, "good").await, status(&service, "good").await];
        assert_eq!((answers, handle.stats().in_flight()), ([503, 200], 0), "{place}");
        handle.clear();
        assert_eq!(status(&service, "good").await, 200);
        assert_eq!(handle.stats().entries(), 1);
    }
}

// Counters, logs and metrics.

/// A bit of everything that can happen, and how many requests that were.
async fn eventful() -> (Subject, u64) {
    let subject = Subject::with(|builder| builder.max_entries(2).stale_if_error(secs(100)).name("mine"));
    let ask = async |tokens: &[&str]| {
        for token in tokens {
            drop(subject.ask(token).await);
            settle().await;
        }
    };
    // A miss and two hits.
    ask(&["good", "good", "good"]).await;
    // A hit that causes a renewal.
    subject.pass(secs(240));
    ask(&["good"]).await;
    // A miss and a rejection from memory.
    subject.provider.fails(VerifyErrorKind::Inactive);
    ask(&["bad", "bad"]).await;
    // A miss that is answered by the last verdict.
    subject.provider.goes_down();
    subject.pass(LIVE);
    ask(&["good"]).await;
    // Two misses, and one that makes room.
    subject.provider.vouches(|token| token);
    ask(&["second", "third"]).await;
    // A miss, two that join it, and an invalidation that they survive. Another one makes room.
    subject.provider.hold();
    let tasks = [subject.spawn("fourth").await, subject.spawn("fourth").await, subject.spawn("fourth").await];
    subject.handle.invalidate(&bearer("fourth"));
    subject.provider.release_all();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    (subject, 4 + 2 + 1 + 2 + 3)
}

#[tokio::test]
async fn each_request_is_counted_once_and_each_event_is_counted() {
    let (subject, requests) = eventful().await;
    let stats = subject.stats();
    assert_eq!(subject.answers(), [3, 6, 2, 1]);
    assert_eq!(subject.answers().iter().sum::<u64>(), requests);
    assert_eq!(stats.refreshed(), 1);
    assert_eq!(stats.served_stale(), 1);
    assert_eq!(stats.turned_away(), 0);
    assert_eq!(stats.evicted(), 2, "the first and the second made room");
    assert_eq!(stats.invalidated(), 1);
    assert_eq!((stats.entries(), stats.in_flight()), (2, 0));
}

#[tokio::test]
async fn a_request_whose_flight_was_invalidated_is_counted_once_too() {
    for (is_good, invalidate) in [(true, INVALIDATE[0]), (true, INVALIDATE[2]), (false, INVALIDATE[0])] {
        let subject = Subject::new();
        subject.provider.hold();
        let token = bearer("good");
        let mut first = pin!(subject.cached.verify(&token));
        let mut joined = pin!(subject.cached.verify(&token));
        assert!(poll_once(first.as_mut()).is_pending() && poll_once(joined.as_mut()).is_pending());
        settle().await;
        if !is_good {
            subject.provider.fails(VerifyErrorKind::Inactive);
        }
        subject.provider.release_all();
        invalidate(&subject.handle);
        // Somebody else has found it out again before those who wait wake up.
        assert_eq!(subject.ask("good").await.is_ok(), is_good);
        assert_eq!((first.await.is_ok(), joined.await.is_ok()), (is_good, is_good));
        assert_eq!(subject.provider.calls(), 2);
        let answers = subject.answers();
        assert_eq!(answers.iter().sum::<u64>(), 3, "three requests: {answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_load_too_each_request_is_counted_once() {
    let subject = Subject::with(|builder| builder.max_entries(8).max_upstream_calls(4));
    subject.provider.answers(|token, number| match number % 7 {
        0 => Err(VerifyErrorKind::Inactive.into()),
        1 => Err(VerifyError::unavailable("down")),
        2 => Err(VerifyError::not_mine()),
        _ => Ok(vouch(token, number).build()),
    });
    let tasks = [(); 8].map(|()| {
        let subject = subject.clone();
        tokio::spawn(async move {
            for request in 0..500 {
                drop(subject.ask(&format!("token-{}", request % 20)).await);
                subject.pass(Duration::from_millis(200));
            }
        })
    });
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(subject.answers().iter().sum::<u64>(), 8 * 500, "{:?}", subject.stats());
    assert!(subject.stats().entries() <= 8);
}

#[tokio::test]
async fn a_verification_without_a_place_is_turned_away_and_counted() {
    let subject = Subject::with(|builder| builder.max_upstream_calls(1).max_waiting(1).max_wait(secs(60)));
    subject.provider.hold();
    let first = subject.spawn("first").await;
    let second = subject.spawn("second").await;
    assert_eq!(subject.stats().in_flight(), 2, "one of them waits for its place");
    assert_eq!(kind(&subject.ask("third").await), VerifyErrorKind::Unavailable);
    assert_eq!((subject.stats().turned_away(), subject.stats().in_flight()), (1, 2));
    subject.provider.release_all();
    assert_eq!((number(&first.await.unwrap()), number(&second.await.unwrap())), (1, 2));
    assert_eq!(number(&subject.ask("third").await), 3, "it is not held against the token");
    assert_eq!((subject.answers(), subject.stats().in_flight()), ([0, 4, 0, 0], 0));
}

#[tokio::test]
async fn every_event_is_logged_under_its_name_and_with_nothing_else() {
    let (logs, _guard) = Logs::capture();
    let (subject, _) = eventful().await;
    let mut counted = BTreeMap::new();
    for line in logs.own() {
        assert_eq!((line.level, &*line.target), (Level::TRACE, "tower_bearer"));
        let names: Vec<_> = line.fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["cache", "event"]);
        assert_eq!(line.field("cache"), "mine");
        *counted.entry(line.field("event").to_owned()).or_insert(0) += 1;
    }
    assert_eq!(counted, expected_counts(&subject.stats()));
}

/// What is counted, by the names of the events, without those that did not happen.
fn expected_counts(stats: &CacheStats) -> BTreeMap<String, u64> {
    let counts = [
        ("hit", stats.hits()),
        ("miss", stats.misses()),
        ("joined", stats.joined()),
        ("rejected_from_memory", stats.rejected_from_memory()),
        ("refreshed", stats.refreshed()),
        ("served_stale", stats.served_stale()),
        ("turned_away", stats.turned_away()),
        ("evicted", stats.evicted()),
        ("invalidated", stats.invalidated()),
    ];
    counts.into_iter().filter(|(_, count)| *count > 0).map(|(name, count)| (name.to_owned(), count)).collect()
}

#[cfg(feature = "metrics")]
mod facade {
    use metrics::{
        Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Label, Metadata, SharedString, Unit,
    };

    use super::*;

    /// Adds up whatever it is told, by name and labels.
    #[derive(Clone, Default)]
    struct Recorder(Arc<Mutex<BTreeMap<String, Vec<f64>>>>);

    struct Series(Recorder, String);

    impl Recorder {
        /// All steps of a series that was ever touched.
        fn steps(&self, name: &str) -> Vec<f64> {
            lock(&self.0).get(name).cloned().unwrap_or_default()
        }

        fn sum(&self, name: &str) -> f64 {
            self.steps(name).iter().sum()
        }

        fn series(&self, kind: &str, key: &Key) -> Arc<Series> {
            let label = |label: &Label| format!("{}={}", label.key(), label.value());
            let labels: Vec<_> = key.labels().map(label).collect();
            Arc::new(Series(self.clone(), format!("{kind} {}{{{}}}", key.name(), labels.join(","))))
        }
    }

    impl Series {
        fn step(&self, by: f64) {
            lock(&self.0.0).entry(self.1.clone()).or_default().push(by);
        }
    }

    impl CounterFn for Series {
        fn increment(&self, value: u64) {
            self.step(f64::from(u32::try_from(value).unwrap()));
        }

        fn absolute(&self, _: u64) {
            panic!("counters are incremented");
        }
    }

    impl GaugeFn for Series {
        fn increment(&self, value: f64) {
            self.step(value);
        }

        fn decrement(&self, value: f64) {
            self.step(-value);
        }

        fn set(&self, _: f64) {
            panic!("a gauge that is set counts one cache of several");
        }
    }

    impl metrics::Recorder for Recorder {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(self.series("counter", key))
        }

        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::from_arc(self.series("gauge", key))
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            panic!("there is no histogram")
        }
    }

    /// Runs a future where everything is recorded.
    fn recorded<T>(recorder: &Recorder, future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        metrics::with_local_recorder(recorder, || runtime.block_on(future))
    }

    const IN_FLIGHT: &str = "gauge tower_bearer_cache_in_flight{cache=mine}";

    #[test]
    fn every_counter_is_there_for_the_metrics_facade_and_has_one_label() {
        let recorder = Recorder::default();
        let (subject, _) = recorded(&recorder, eventful());
        let mut names: Vec<_> = lock(&recorder.0).keys().cloned().collect();
        let expected = expected_counts(&subject.stats());
        for (event, count) in &expected {
            let name = format!("counter tower_bearer_cache_{event}_total{{cache=mine}}");
            let count = f64::from(u32::try_from(*count).unwrap());
            assert!((recorder.sum(&name) - count).abs() < 0.5, "{event}: {}", recorder.sum(&name));
            names.retain(|own| *own != name);
        }
        assert_eq!(names, [IN_FLIGHT], "and nothing else");
        assert_eq!(expected.len(), 8);
        assert_eq!(recorder.sum(IN_FLIGHT).to_string(), "0");
    }

    #[test]
    fn the_gauge_says_how_many_calls_of_the_verifier_are_under_way() {
        let recorder = Recorder::default();
        recorded(&recorder, async {
            let subject = Subject::with(|builder| builder.name("mine").max_upstream_calls(3));
            subject.provider.hold();
            let mut tasks = Vec::new();
            for token in ["a", "a", "b", "c", "d"] {
                tasks.push(subject.spawn(token).await);
            }
            assert_eq!(recorder.sum(IN_FLIGHT).to_string(), "3", "the fourth has no place yet");
            assert_eq!(subject.stats().in_flight(), 4);
            subject.provider.release(1);
            settle().await;
            assert_eq!(recorder.sum(IN_FLIGHT).to_string(), "3");
            subject.provider.release_all();
            for task in tasks {
                task.await.unwrap().unwrap();
            }
            assert_eq!(recorder.sum(IN_FLIGHT).to_string(), "0");
            // A panic counts down as well.
            subject.provider.answers(|_, _| panic!("no"));
            subject.ask("e").await.unwrap_err();
            assert_eq!(recorder.sum(IN_FLIGHT).to_string(), "0");
            assert_eq!(recorder.steps(IN_FLIGHT).len(), 10);
        });
    }

    #[test]
    fn the_label_is_the_name_of_the_cache() {
        let recorder = Recorder::default();
        recorded(&recorder, async {
            for layer in [CacheLayer::new(), CacheLayer::builder().name("other").build().unwrap()] {
                Counting::knows_good("").cached(layer).verify(&bearer("good")).await.unwrap();
            }
        });
        for name in ["default", "other"] {
            let miss = format!("counter tower_bearer_cache_miss_total{{cache={name}}}");
            assert_eq!(recorder.sum(&miss).to_string(), "1", "{name}");
        }
    }
}

#[tokio::test]
async fn nothing_of_a_token_or_its_claims_is_printed() {
    let subject = Subject::with(|builder| builder.name("mine"));
    subject.provider.answers(|token, number| match token {
        "rejected-token" => Err(VerifyError::rejected(VerifyErrorKind::Inactive).because("hidden cause")),
        _ => Ok(vouch("hidden-owner", number).issuer("hidden-issuer").client("hidden-client").build()),
    });
    let (logs, _guard) = Logs::capture();
    subject.ask("hidden-token").await.unwrap();
    subject.ask("rejected-token").await.unwrap_err();
    INVALIDATE[1](&subject.handle);
    let layer = CacheLayer::builder().name("mine");
    let texts = [
        format!("{:?} {:#?}", subject.cached, subject.cached),
        format!("{:?} {:#?}", subject.handle, subject.handle),
        format!("{:?} {:#?}", subject.stats(), subject.stats()),
        format!("{layer:?} {:#?}", layer.clone().build().unwrap()),
        logs.text(),
    ];
    for text in texts {
        for hidden in ["hidden", "rejected-token", "personal", "note", "v1", "Inactive", "digest", "0x"] {
            assert!(!text.contains(hidden), "{hidden} in {text}");
        }
        assert!(!text.is_empty());
    }
    assert!(format!("{:?}", subject.cached).contains("entries: 1, negative_entries: 1"));
}

// Settings.

#[test]
fn every_setting_out_of_its_range_is_found_by_build() {
    const MOST: usize = 10_000_000;
    let (day, minute, negative) = (DAY + NANO, secs(60) + NANO, secs(10) + NANO);
    let builder = CacheLayer::builder;
    let mut refused = vec![
        ("max_bytes", builder().max_bytes(1)),
        ("max_bytes", builder().max_bytes((64 << 10) - 1)),
        ("max_bytes", builder().max_bytes((64 << 30) + 1)),
        ("max_bytes", builder().max_bytes(u64::MAX)),
        ("max_upstream_calls", builder().max_upstream_calls(0)),
        ("timeout", builder().timeout(Duration::ZERO)),
        ("timeout", builder().timeout(Duration::from_millis(1) - NANO)),
    ];
    for time in [day, Duration::MAX] {
        refused.push(("time_to_live", builder().time_to_live(time)));
        refused.push(("stale_if_error", builder().stale_if_error(time)));
    }
    for time in [minute, Duration::MAX] {
        refused.push(("timeout", builder().timeout(time)));
        refused.push(("max_wait", builder().max_wait(time)));
    }
    for time in [negative, Duration::MAX] {
        refused.push(("negative_time_to_live", builder().negative_time_to_live(time)));
    }
    for (most, numbers) in [(MOST, [MOST + 1, usize::MAX])] {
        assert!(numbers.iter().all(|number| *number > most));
        for number in numbers {
            refused.push(("max_entries", builder().max_entries(number)));
            refused.push(("max_negative_entries", builder().max_negative_entries(number)));
            refused.push(("max_upstream_calls", builder().max_upstream_calls(number)));
            refused.push(("max_waiting", builder().max_waiting(number)));
        }
    }
    refused.push(("max_upstream_calls", builder().max_upstream_calls(65_537)));
    refused.push(("max_waiting", builder().max_waiting(1_000_001)));
    for percent in [51, 100, u8::MAX] {
        refused.push(("refresh_ahead", builder().refresh_ahead(percent)));
        refused.push(("jitter", builder().jitter(percent)));
    }
    for (setting, builder) in refused {
        let error = builder.build().unwrap_err();
        assert_eq!((error.setting(), error.kind()), (setting, BuildErrorKind::OutOfRange));
        assert_eq!(error.to_string(), format!("`{setting}` is out of range"));
    }
    let error = builder().name("").build().unwrap_err();
    assert_eq!((error.setting(), error.kind()), ("name", BuildErrorKind::Empty));
}

#[tokio::test]
async fn the_ends_of_every_range_are_accepted_and_work() {
    let builder = CacheLayer::builder;
    for (what, builder) in [
        ("defaults", builder()),
        ("longest", builder().time_to_live(DAY).stale_if_error(DAY).negative_time_to_live(secs(10))),
        ("shortest", builder().time_to_live(NANO).stale_if_error(NANO).negative_time_to_live(NANO)),
        ("most", builder().max_entries(10_000_000).max_negative_entries(10_000_000).max_bytes(64 << 30)),
        ("least", builder().max_entries(1).max_negative_entries(1).max_bytes(64 << 10)),
        ("many in little", builder().max_entries(10_000_000).max_bytes(64 << 10)),
        ("few in much", builder().max_entries(1).max_bytes(64 << 30)),
        ("most percent", builder().refresh_ahead(50).jitter(50)),
        ("all percent", builder().refresh_ahead(50).jitter(50).time_to_live(NANO)),
        ("no percent", builder().refresh_ahead(0).jitter(0)),
        ("longest waits", builder().timeout(secs(60)).max_wait(secs(60)).max_waiting(1_000_000)),
        ("shortest waits", builder().timeout(secs(1)).max_wait(Duration::ZERO).max_waiting(0)),
        ("most calls", builder().max_upstream_calls(65_536)),
        ("fewest calls", builder().max_upstream_calls(1)),
        ("a name", builder().name("a")),
    ] {
        assert!(builder.clone().timeout(Duration::from_millis(1)).build().is_ok());
        let clock = ManualClock::new();
        let verifier = Counting::knows_good("");
        let cached = verifier.clone().cached(builder.clock(clock.clone()).build().unwrap());
        for span in [Duration::ZERO, NANO, secs(250), DAY, DAY, DAY * 365] {
            clock.advance(span);
            cached.verify(&bearer("good")).await.unwrap();
            cached.verify(&bearer("bad")).await.unwrap_err();
            settle().await;
        }
        cached.handle().clear();
        assert!(verifier.calls() >= 4, "{what}");
    }
}

// Time.

#[tokio::test]
async fn a_decision_from_memory_reads_each_clock_once() {
    let subject = Subject::new();
    subject.provider.answers(|token, number| match token {
        "good" => Ok(vouch(token, number).build()),
        _ => Err(VerifyErrorKind::Inactive.into()),
    });
    let service = guard(&subject, &[]).layer(Handler::default());
    for (token, expected) in [("good", 200), ("bad", 401)] {
        assert_eq!(status(&service, token).await, expected);
        let before = (subject.clock.wall_readings(), subject.clock.monotonic_readings());
        assert_eq!(status(&service, token).await, expected);
        let after = (subject.clock.wall_readings(), subject.clock.monotonic_readings());
        assert_eq!((after.0 - before.0, after.1 - before.1), (1, 1), "{token}");
    }
}

#[tokio::test]
async fn so_does_a_decision_of_a_verifier_that_answers_at_once() {
    let clock = ManualClock::new();
    let layer = CacheLayer::builder().clock(clock.clone()).build().unwrap();
    let cached = Immediate(|token: &str| Ok(vouch(token, 1).build())).cached(layer);
    let service = AuthLayer::builder(cached).clock(clock.clone()).build().unwrap().layer(Handler::default());
    let before = (clock.wall_readings(), clock.monotonic_readings());
    assert_eq!(status(&service, "good").await, 200);
    assert_eq!((clock.wall_readings() - before.0, clock.monotonic_readings() - before.1), (1, 1));
}

#[test]
fn wherever_the_wall_clock_jumps_the_token_alone_decides_and_nothing_panics() {
    const DECADE: u64 = 10 * 365 * 86_400;
    let start = ManualClock::new().now();
    let evenly = (0..=100).map(|step| start - secs(DECADE) + secs(DECADE) * 2 * step / 100);
    let near = [1, 99, 100, 101].into_iter().flat_map(|near| [start - secs(near), start + secs(near)]);
    for wall in evenly.chain(near).chain([SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH - DAY]) {
        let subject = Subject::without_refresh(|builder| builder.stale_if_error(DAY));
        subject.provider.answers(move |token, number| {
            let limits =
                |token: AccessTokenBuilder| token.not_before(start - secs(100)).expires_at(start + secs(100));
            let verdict = vouch(token, number);
            Ok(if token == "limited" { limits(verdict) } else { verdict }.build())
        });
        for token in ["endless", "limited"] {
            block_on(subject.ask(token)).unwrap();
        }
        subject.provider.goes_down();
        subject.clock.set(wall);
        let is_current = start - secs(100) <= wall && wall < start + secs(100);
        assert_eq!(number(&block_on(subject.ask("endless"))), 1, "{wall:?}");
        assert_eq!(block_on(subject.ask("limited")).is_ok(), is_current, "{wall:?}");
        assert_eq!(subject.provider.calls(), if is_current { 2 } else { 3 }, "{wall:?}");
        // And back again: the age of what is remembered is no matter of the wall clock.
        subject.clock.set(start);
        subject.pass(LIVE - NANO);
        assert!(subject.ask_now("endless").is_some(), "{wall:?}");
        subject.pass(NANO);
        assert!(subject.ask_now("endless").is_none(), "{wall:?}");
    }
}

// Over a verifier that fetches keys.

#[cfg(all(feature = "testing", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod keys {
    use script::{AUDIENCE, App, CountingClock, World};
    use tower_bearer::JwtVerifier;

    use super::*;

    /// A cache around a verifier that fetches its keys, and a service that trusts it.
    fn cached(world: &World, set: impl FnOnce(CacheLayerBuilder) -> CacheLayerBuilder) -> (App, CacheHandle) {
        let layer = set(CacheLayer::builder().jitter(0).clock(world.clock.clone())).build().unwrap();
        let verifier = world.verifier().cached(layer);
        let handle = verifier.handle();
        (world.app_of(verifier), handle)
    }

    #[tokio::test]
    async fn a_jwt_is_cached_like_any_other_token() {
        let world = World::new().await;
        let (app, cache) = cached(&world, |builder| builder);
        let token = world.token();
        assert_eq!(app.status(&token).await, 200);
        for _ in 0..5 {
            assert_eq!(app.status_at_once(&token), Some(200));
        }
        assert_eq!(app.status(&world.forged()).await, 401);
        let stats = cache.stats();
        assert_eq!((stats.misses(), stats.hits(), stats.entries(), stats.negative_entries()), (2, 5, 1, 1));
        assert_eq!(world.script.count(), 1);
    }

    #[tokio::test]
    async fn a_cached_token_dies_with_its_key() {
        for percent in [0, 20] {
            let world = World::new().await;
            // Nothing but the key ends it.
            let (app, cache) = cached(&world, |builder| builder.time_to_live(DAY).refresh_ahead(percent));
            let token = world.issuer.token().audience(AUDIENCE).expires_at(world.clock_at(86_400)).mint();
            assert_eq!(app.status(&token).await, 200);
            world.issuer.rotate_keys();
            world.publish();
            world.pass(60);
            assert_eq!(app.status(&world.token()).await, 200, "a new key is there");
            assert_eq!(
                (app.status_at_once(&token), cache.stats().hits()),
                (Some(200), 1),
                "both are published"
            );
            world.issuer.withdraw_old_keys();
            world.publish();
            world.pass(60);
            assert_eq!(app.status_at_once(&token), Some(200), "nobody knows yet");
            assert_eq!(app.status(&world.stranger()).await, 401);
            assert_eq!((app.status(&token).await, world.script.count()), (401, 3));
            let renewed = world.token();
            assert_eq!((app.status(&renewed).await, app.status_at_once(&renewed)), (200, Some(200)));
        }
    }

    #[tokio::test]
    async fn an_outage_of_the_keys_is_not_remembered() {
        let world = World::new().await;
        let (app, cache) = cached(&world, |builder| builder);
        world.goes_down();
        let token = world.token();
        assert_eq!(app.status(&token).await, 503);
        world.publish();
        world.pass(1);
        assert_eq!(app.status(&token).await, 200);
        assert_eq!((cache.stats().negative_entries(), cache.stats().entries()), (0, 1));
    }

    #[tokio::test]
    async fn an_unknown_key_is_remembered_no_longer_than_the_keys_may_not_be_fetched() {
        let world = World::new().await;
        let (app, cache) = cached(&world, |builder| builder.negative_time_to_live(secs(10)));
        assert_eq!(app.status(&world.token()).await, 200);
        world.issuer.rotate_keys();
        let token = world.token();
        // The cool-down after the first fetch takes 30 s.
        world.pass(28);
        assert_eq!(app.status(&token).await, 401);
        world.publish();
        world.pass(1);
        assert_eq!(app.status(&token).await, 401);
        assert_eq!((cache.stats().rejected_from_memory(), world.script.count()), (1, 1));
        world.pass(1);
        assert_eq!((app.status(&token).await, world.script.count()), (200, 2));
    }

    #[tokio::test]
    async fn a_cached_jwt_ends_at_its_expiry_and_after_the_leeway() {
        let world = World::new().await;
        let (app, cache) = cached(&world, |builder| builder);
        let end = world.clock_at(100);
        let token = world.issuer.token().audience(AUDIENCE).expires_at(end).mint();
        for (at, expected, misses) in [
            (end - secs(100), 200, 1),
            (end - secs(1), 200, 1),
            (end, 200, 2),
            (end + secs(59), 200, 3),
            (end + secs(60), 401, 4),
        ] {
            world.clock.set_now(at);
            assert_eq!((app.status(&token).await, cache.stats().misses()), (expected, misses));
        }
    }

    #[tokio::test]
    async fn a_cached_jwt_costs_one_reading_of_each_clock() {
        let world = World::new().await;
        let clock = CountingClock::new(world.clock.clone());
        let verifier: JwtVerifier =
            world.builder().remote_jwks(world.remote()).clock(clock.clone()).build().unwrap();
        let layer = CacheLayer::builder().clock(clock.clone()).build().unwrap();
        let app = App::new(verifier.cached(layer), clock.clone());
        let token = world.token();
        assert_eq!(app.status(&token).await, 200);
        clock.take_readings();
        assert_eq!((app.status_at_once(&token), clock.take_readings()), (Some(200), (1, 1)));
    }
}
