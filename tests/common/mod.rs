//! Fakes that count, and strict readers of what comes back, for all integration tests.

#![allow(dead_code, reason = "every test binary uses a part of it")]

use std::collections::HashSet;
use std::convert::Infallible;
use std::fmt::Debug;
use std::future::{Future, Ready, poll_fn, ready};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use sha2::{Digest, Sha256};
use tower::Service;
use tower_bearer::clock::Clock;
use tower_bearer::error::{RejectionKind, VerifyErrorKind};
use tower_bearer::verifier::Verdict;
use tower_bearer::{AccessToken, BearerToken, Rejection, ScopeSet, TokenVerifier};
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Level, Subscriber, span};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A verifier that answers by a closure and counts how often it was asked. Clones count together.
#[derive(Clone)]
pub(crate) struct Counting {
    answer: Arc<dyn Fn(&str) -> Verdict + Send + Sync>,
    calls: Arc<AtomicUsize>,
}

impl Counting {
    pub(crate) fn new(answer: impl Fn(&str) -> Verdict + Send + Sync + 'static) -> Self {
        Self { answer: Arc::new(answer), calls: Arc::default() }
    }

    /// Knows one token, `good`, which has these scopes.
    pub(crate) fn knows_good(scopes: &'static str) -> Self {
        Self::new(move |token| match token {
            "good" => Ok(AccessToken::verified().subject("alice").scopes(ScopeSet::parse(scopes)).build()),
            _ => Err(VerifyErrorKind::Inactive.into()),
        })
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl TokenVerifier for Counting {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        self.calls.fetch_add(1, Ordering::SeqCst);
        (self.answer)(token.as_str())
    }

    fn issuers(&self) -> Vec<Arc<str>> {
        vec!["https://as.example.com".into()]
    }
}

/// A verifier that answers by a closure, and without waiting.
pub(crate) struct Immediate<F>(pub(crate) F);

impl<F: Fn(&str) -> Verdict + Send + Sync> TokenVerifier for Immediate<F> {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        (self.0)(token.as_str())
    }

    fn verify_now(&self, token: &BearerToken, _: SystemTime) -> Option<Verdict> {
        Some((self.0)(token.as_str()))
    }
}

/// Both clocks, moved by hand, and how often each was read. Clones move and count together.
#[derive(Clone, Debug)]
pub(crate) struct ManualClock {
    times: Arc<Mutex<(SystemTime, Instant)>>,
    wall_readings: Arc<AtomicUsize>,
    monotonic_readings: Arc<AtomicUsize>,
}

impl ManualClock {
    pub(crate) fn new() -> Self {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        let times = Arc::new(Mutex::new((start, Instant::now())));
        Self { times, wall_readings: Arc::default(), monotonic_readings: Arc::default() }
    }

    pub(crate) fn set(&self, now: SystemTime) {
        lock(&self.times).0 = now;
    }

    pub(crate) fn advance(&self, span: Duration) {
        let mut times = lock(&self.times);
        *times = (times.0 + span, times.1 + span);
    }

    pub(crate) fn wall_readings(&self) -> usize {
        self.wall_readings.load(Ordering::SeqCst)
    }

    pub(crate) fn monotonic_readings(&self) -> usize {
        self.monotonic_readings.load(Ordering::SeqCst)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        self.wall_readings.fetch_add(1, Ordering::SeqCst);
        lock(&self.times).0
    }

    fn instant(&self) -> Instant {
        self.monotonic_readings.fetch_add(1, Ordering::SeqCst);
        lock(&self.times).1
    }
}

/// A request body that nobody may touch.
#[derive(Debug, Default)]
pub(crate) struct Untouchable;

impl Body for Untouchable {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        panic!("the body of the request was polled");
    }
}

/// What the inner service was called with.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) headers: HeaderMap,
    pub(crate) token: Option<AccessToken>,
}

/// An inner service that records its calls, answers 200 `handler`, and insists that the instance that is called is
/// the one that was ready.
#[derive(Debug, Default)]
pub(crate) struct Handler {
    seen: Arc<Mutex<Vec<Seen>>>,
    is_ready: bool,
}

impl Handler {
    pub(crate) fn calls(&self) -> usize {
        lock(&self.seen).len()
    }

    pub(crate) fn last(&self) -> Seen {
        lock(&self.seen).last().cloned().expect("the handler was called")
    }
}

impl Clone for Handler {
    fn clone(&self) -> Self {
        Self { seen: Arc::clone(&self.seen), is_ready: false }
    }
}

impl Service<Request<Untouchable>> for Handler {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Untouchable>) -> Self::Future {
        assert!(self.is_ready, "an instance was called that was not ready");
        self.is_ready = false;
        let (Parts { headers, extensions, .. }, _) = request.into_parts();
        lock(&self.seen).push(Seen { headers, token: extensions.get().cloned() });
        ready(Ok(Response::new(Full::from("handler"))))
    }
}

/// A response that has been read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    pub(crate) rejection: Option<Rejection>,
    pub(crate) has_token: bool,
}

impl Answer {
    pub(crate) async fn read<B>(response: Response<B>) -> Self
    where
        B: Body,
        B::Error: Debug,
    {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body without errors").to_bytes();
        Self {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).expect("text"),
            rejection: parts.extensions.get().cloned(),
            has_token: parts.extensions.get::<AccessToken>().is_some(),
        }
    }

    pub(crate) fn kind(&self) -> Option<RejectionKind> {
        self.rejection.as_ref().map(Rejection::kind)
    }

    /// The only value of a field; empty if there is none.
    pub(crate) fn field(&self, name: &str) -> &str {
        let values: Vec<_> = self.headers.get_all(name).iter().collect();
        assert!(values.len() <= 1, "{name} stands there {} times", values.len());
        values.first().map_or("", |value| value.to_str().expect("ASCII"))
    }
}

/// Reads one challenge by the grammar of RFC 9110 §11.3 and §5.6.4, and nothing beyond it: a scheme, one space,
/// parameters with quoted values, each name once.
pub(crate) fn parse_challenge(value: &str) -> Result<(String, Vec<(String, String)>), String> {
    let fault = |what: &str| format!("{what} in {value:?}");
    let is_token = |text: &str| {
        let marks = "!#$%&'*+-.^_`|~";
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || marks.contains(c))
    };
    let (scheme, mut rest) = value.split_once(' ').ok_or_else(|| fault("no parameter"))?;
    if !is_token(scheme) {
        return Err(fault("no scheme"));
    }
    let (mut parameters, mut names) = (Vec::new(), HashSet::new());
    loop {
        let (name, after) = rest.split_once("=\"").ok_or_else(|| fault("no quoted value"))?;
        if !is_token(name) || !names.insert(name.to_ascii_lowercase()) {
            return Err(fault("a bad or repeated name"));
        }
        let (text, after) = unquote(after).ok_or_else(|| fault("a bad quoted string"))?;
        parameters.push((name.to_owned(), text));
        if after.is_empty() {
            return Ok((scheme.to_owned(), parameters));
        }
        rest = after.strip_prefix(", ").ok_or_else(|| fault("no separator"))?;
    }
}

/// What stands before the closing quote, unescaped, and what comes after it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut unquoted = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((unquoted, text.get(at + 1..)?)),
            '\\' => unquoted.push(characters.next()?.1),
            '\t' | ' '..='~' => unquoted.push(character),
            _ => return None,
        }
    }
    None
}

/// Everything that is logged on this thread, at any level and under any target, as it was handed in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Logs(Arc<Mutex<Vec<Line>>>);

/// One event, or the fields of one span.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) level: Level,
    pub(crate) target: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Line {
    /// The value of a field; empty if there is none.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
    }
}

impl Logs {
    /// Listens on this thread for as long as the guard lives.
    pub(crate) fn capture() -> (Self, DefaultGuard) {
        // With fewer than two subscribers alive, a call site that is first reached by a thread without one goes mute
        // for all.
        static ALIVE: OnceLock<[Dispatch; 2]> = OnceLock::new();
        ALIVE.get_or_init(|| [(); 2].map(|()| Dispatch::new(Self::default())));
        let logs = Self::default();
        let guard = tracing::subscriber::set_default(logs.clone());
        (logs, guard)
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        lock(&self.0).clone()
    }

    /// Lines of this crate.
    pub(crate) fn own(&self) -> Vec<Line> {
        self.lines().into_iter().filter(|line| line.target.starts_with("tower_bearer")).collect()
    }

    /// How many lines of this crate have a level.
    pub(crate) fn count(&self, level: Level) -> usize {
        self.own().iter().filter(|line| line.level == level).count()
    }

    /// All of it as one text.
    pub(crate) fn text(&self) -> String {
        let line = |line: &Line| {
            let fields =
                line.fields.iter().map(|(name, value)| format!(" {name}={value}")).collect::<String>();
            format!("{} {}{fields}\n", line.level, line.target)
        };
        self.lines().iter().map(line).collect()
    }

    fn record(&self, metadata: &tracing::Metadata<'_>, record: impl FnOnce(&mut Fields)) {
        let mut fields = Fields::default();
        record(&mut fields);
        let line = Line { level: *metadata.level(), target: metadata.target().to_owned(), fields: fields.0 };
        lock(&self.0).push(line);
    }
}

impl Subscriber for Logs {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        self.record(attributes.metadata(), |fields| attributes.record(fields));
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        self.record(event.metadata(), |fields| event.record(fields));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Fields(Vec<(String, String)>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name().to_owned(), value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push((field.name().to_owned(), format!("{value:?}")));
    }
}

/// Runs a future without any runtime. It must not wait for anything from outside.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..1_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
    panic!("the future waits for something");
}

/// A compact JWT over any header and any claims, with a MAC by HS256.
pub(crate) fn hs256(secret: &[u8; 32], header: &str, claims: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    // RFC 2104 §2, with a key that is shorter than the block.
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        block.iter_mut().zip(secret).for_each(|(own, key)| *own ^= key);
        block
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(&message).finalize();
    let mac = Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac))
}

/// Lets others run, so many times. It needs no runtime.
pub(crate) async fn step_aside(turns: usize) {
    for _ in 0..turns {
        let mut is_over = false;
        poll_fn(|context| {
            if std::mem::replace(&mut is_over, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}
