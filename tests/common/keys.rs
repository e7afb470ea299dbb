//! An issuer whose documents come from a script, and a service that trusts it.

#![allow(dead_code, reason = "every test binary uses a part of it")]

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt};
use tower_bearer::client::{AnswerFuture, HttpClient, Limits};
use tower_bearer::clock::Clock;
use tower_bearer::jwks::RemoteJwks;
use tower_bearer::testing::{TestClock, TestIssuer};
use tower_bearer::verifier::JwtVerifierBuilder;
use tower_bearer::{AccessToken, AuthLayer, JwtVerifier, TokenVerifier, VerifyError};

pub(crate) const AUDIENCE: &str = "https://api.example.com";

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the script has for an address.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Document(StatusCode, HeaderMap, Bytes),
    /// Nobody is there.
    Fails,
    /// Somebody is there, and never answers.
    Hangs,
    /// The client panics before it has a future, or in it.
    Panics {
        early: bool,
    },
}

impl Reply {
    pub(crate) fn document(body: impl Into<Bytes>) -> Self {
        Self::Document(StatusCode::OK, HeaderMap::new(), body.into())
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::Document(StatusCode::from_u16(status).unwrap(), HeaderMap::new(), Bytes::new())
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Self::Document(_, headers, _) = &mut self {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        self
    }
}

/// What was asked, and with which limits.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) limits: Limits,
}

/// A client that answers by a script, 404 to what is not in it, and records what it was asked. Clones share both.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    inner: Arc<ScriptInner>,
}

#[derive(Debug)]
struct ScriptInner {
    replies: Mutex<HashMap<String, Reply>>,
    asked: Mutex<Vec<Asked>>,
    // True while answers are held back.
    held: watch::Sender<bool>,
}

impl Script {
    pub(crate) fn new() -> Self {
        let (held, _) = watch::channel(false);
        let inner = ScriptInner { replies: Mutex::default(), asked: Mutex::default(), held };
        Self { inner: Arc::new(inner) }
    }

    pub(crate) fn set(&self, url: impl Into<String>, reply: Reply) {
        lock(&self.inner.replies).insert(url.into(), reply);
    }

    /// Holds back every answer to what is asked from now on.
    pub(crate) fn hold(&self) {
        self.inner.held.send_replace(true);
    }

    /// Sends the answers that were held back: those of the time at which they were asked for.
    pub(crate) fn release(&self) {
        self.inner.held.send_replace(false);
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        lock(&self.inner.asked).clone()
    }

    /// The addresses that were asked, in order.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.url).collect()
    }

    pub(crate) fn count(&self) -> usize {
        lock(&self.inner.asked).len()
    }

    /// How many clones there are.
    pub(crate) fn owners(&self) -> usize {
        Arc::strong_count(&self.inner)
    }
}

impl HttpClient for Script {
    fn send(&self, request: Request<Bytes>, limits: Limits) -> AnswerFuture<'_> {
        let (parts, body) = request.into_parts();
        let url = parts.uri.to_string();
        let reply = lock(&self.inner.replies).get(&url).cloned().unwrap_or_else(|| Reply::status(404));
        lock(&self.inner.asked).push(Asked {
            method: parts.method,
            url,
            headers: parts.headers,
            body,
            limits,
        });
        assert!(!matches!(reply, Reply::Panics { early: true }), "the client panics early");
        let mut held = self.inner.held.subscribe();
        Box::pin(async move {
            let _ = held.wait_for(|held| !held).await;
            match reply {
                Reply::Document(status, headers, body) => {
                    let mut response = Response::new(body);
                    *response.status_mut() = status;
                    *response.headers_mut() = headers;
                    Ok(response)
                }
                Reply::Fails => Err(VerifyError::unavailable("connection refused")),
                Reply::Hangs => std::future::pending().await,
                Reply::Panics { .. } => panic!("the client panics late"),
            }
        })
    }
}

/// A service behind a layer, reduced to how it answers a token.
#[derive(Clone)]
pub(crate) struct App(BoxCloneSyncService<Request<()>, Response<()>, Infallible>);

impl App {
    pub(crate) fn new(verifier: impl TokenVerifier + 'static, clock: impl Clock) -> Self {
        Self::of(AuthLayer::builder(verifier).clock(clock).build().unwrap())
    }

    pub(crate) fn of<V: TokenVerifier + 'static>(layer: AuthLayer<V>) -> Self {
        let service = ServiceBuilder::new().layer(layer).service_fn(async |request: Request<()>| {
            assert!(request.extensions().get::<AccessToken>().is_some(), "admitted without a token");
            Ok::<_, Infallible>(Response::new(()))
        });
        Self(BoxCloneSyncService::new(service.map_response(|response| response.map(drop))))
    }

    pub(crate) fn ask(&self, token: &str) -> impl Future<Output = Response<()>> + Send + use<> {
        let value = format!("Bearer {token}");
        let request = Request::get("/").header("authorization", value).body(()).unwrap();
        let service = self.0.clone();
        async move { service.oneshot(request).await.unwrap() }
    }

    pub(crate) async fn status(&self, token: &str) -> u16 {
        self.ask(token).await.status().as_u16()
    }

    /// The answer that is there without waiting; None if the service waits. Whoever asks then goes away.
    pub(crate) fn status_at_once(&self, token: &str) -> Option<u16> {
        match pin!(self.ask(token)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(response) => Some(response.status().as_u16()),
            Poll::Pending => None,
        }
    }
}

/// An issuer that mints good tokens and is never connected to, the script of its documents, and a clock for all.
pub(crate) struct World {
    pub(crate) issuer: TestIssuer,
    pub(crate) script: Script,
    pub(crate) clock: TestClock,
    strangers: AtomicUsize,
}

impl World {
    /// The keys of the issuer are in the script.
    pub(crate) async fn new() -> Self {
        let clock = TestClock::new();
        let issuer = TestIssuer::with_clock(clock.clone()).await.unwrap();
        let world = Self { issuer, script: Script::new(), clock, strangers: AtomicUsize::new(0) };
        world.publish();
        world
    }

    /// Puts the keys that the issuer has now into the script.
    pub(crate) fn publish(&self) {
        self.serve(Reply::document(self.issuer.jwk_set()));
    }

    pub(crate) fn serve(&self, reply: Reply) {
        self.script.set(self.issuer.jwks_uri(), reply);
    }

    pub(crate) fn goes_down(&self) {
        self.serve(Reply::Fails);
    }

    pub(crate) fn remote(&self) -> RemoteJwks {
        RemoteJwks::at(self.issuer.jwks_uri())
    }

    pub(crate) fn builder(&self) -> JwtVerifierBuilder {
        JwtVerifier::builder(self.issuer.issuer(), AUDIENCE)
            .clock(self.clock.clone())
            .http_client(self.script.clone())
    }

    pub(crate) fn verifier(&self) -> JwtVerifier {
        self.builder().remote_jwks(self.remote()).build().unwrap()
    }

    pub(crate) fn app(&self) -> App {
        self.app_of(self.verifier())
    }

    pub(crate) fn app_of(&self, verifier: impl TokenVerifier + 'static) -> App {
        App::new(verifier, self.clock.clone())
    }

    /// A good token.
    pub(crate) fn token(&self) -> String {
        self.issuer.token().audience(AUDIENCE).mint()
    }

    /// A token that is good but for its key, which nobody knows: a new one each time.
    pub(crate) fn stranger(&self) -> String {
        let number = self.strangers.fetch_add(1, Ordering::Relaxed);
        self.unsigned(&json!({ "alg": "RS256", "kid": format!("stranger-{number}") }))
    }

    /// A token that is good but for its signature.
    pub(crate) fn forged(&self) -> String {
        let kid = self.issuer.key_id(tower_bearer::Algorithm::Rs256);
        self.unsigned(&json!({ "alg": "RS256", "kid": kid }))
    }

    /// The same at another time.
    pub(crate) fn stranger_at(&self, now: SystemTime) -> String {
        self.unsigned_at(now, &json!({ "alg": "RS256", "kid": "stranger" }))
    }

    fn unsigned(&self, header: &Value) -> String {
        self.unsigned_at(self.clock.now(), header)
    }

    fn unsigned_at(&self, now: SystemTime, header: &Value) -> String {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let claims =
            json!({ "iss": self.issuer.issuer(), "aud": AUDIENCE, "sub": "mallory", "exp": now + 300 });
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.{}", encode(header), encode(&claims), URL_SAFE_NO_PAD.encode([1; 256]))
    }

    /// The wall clock some seconds from now.
    pub(crate) fn clock_at(&self, seconds: u64) -> SystemTime {
        self.clock.now() + Duration::from_secs(seconds)
    }

    /// Lets time pass, on both clocks.
    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

/// Lets the tasks in the background run until they wait for something from outside.
pub(crate) async fn settle() {
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
}

/// Runs a future without any runtime, on a thread that sleeps until it is woken.
pub(crate) fn park_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

/// The clocks of another, and how often each was read.
#[derive(Clone, Debug)]
pub(crate) struct CountingClock {
    clock: TestClock,
    readings: Arc<(AtomicUsize, AtomicUsize)>,
}

impl CountingClock {
    pub(crate) fn new(clock: TestClock) -> Self {
        Self { clock, readings: Arc::default() }
    }

    /// Readings of the wall clock and of the monotonic one since the last call.
    pub(crate) fn take_readings(&self) -> (usize, usize) {
        (self.readings.0.swap(0, Ordering::SeqCst), self.readings.1.swap(0, Ordering::SeqCst))
    }
}

impl Clock for CountingClock {
    fn now(&self) -> SystemTime {
        self.readings.0.fetch_add(1, Ordering::SeqCst);
        self.clock.now()
    }

    fn instant(&self) -> Instant {
        self.readings.1.fetch_add(1, Ordering::SeqCst);
        self.clock.instant()
    }
}
