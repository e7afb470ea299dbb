//! A provider that changes its mind, a verifier that asks it, and what every caller may expect of a cache between them.
#![allow(dead_code, reason = "each checker uses a part of it")]

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use tower_bearer_models::cache::{CacheHandle, CacheLayer, CacheLayerBuilder, Cached};
use tower_bearer_models::clock::Clock;
use tower_bearer_models::error::VerifyErrorKind;
use tower_bearer_models::sync::touch;
use tower_bearer_models::verifier::Verdict;
use tower_bearer_models::{AccessToken, BearerToken, TokenVerifier, VerifyError};

pub mod keys;

/// What is remembered lives for so long.
pub const TIME_TO_LIVE: Duration = Duration::from_secs(100);
/// Tokens expire so long after they were verified.
pub const VALIDITY: Duration = Duration::from_secs(10_000);

/// What is true, and what the callers and the verifier have done so far.
///
/// Nothing in it is known to the checkers: whoever looks at it calls [`touch`] first, and then looks in one step.
#[derive(Debug)]
pub struct World {
    /// How often the provider has changed its mind. A verdict says of which state it is.
    version: AtomicU64,
    /// What may no longer be given.
    settled: Mutex<Settled>,
    /// How often something has begun after which a call that is under way may be repeated.
    excuses: AtomicU64,
    calls: AtomicU64,
    running: Mutex<Vec<Call>>,
    most: AtomicU64,
    /// Calls that should not have been made. A panic in the verifier would be caught: they are written down.
    excess: AtomicU64,
    /// Tokens expire so many seconds after they were verified.
    validity: AtomicU64,
    elapsed: AtomicU64,
    start: (SystemTime, Instant),
}

/// Which version a verdict has to be of at least, by the invalidations that have returned.
#[derive(Debug, Default)]
struct Settled {
    good: u64,
    bad: u64,
    tokens: HashMap<String, u64>,
}

/// A call of the verifier that has not ended.
#[derive(Debug)]
struct Call {
    number: u64,
    token: String,
}

/// Where the world stood when a request began.
#[derive(Clone, Copy, Debug)]
pub struct Before {
    good_since: u64,
    bad_since: u64,
    wall: SystemTime,
    elapsed: u64,
}

impl Before {
    pub fn wall(self) -> SystemTime {
        self.wall
    }
}

impl World {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            version: AtomicU64::new(0),
            settled: Mutex::default(),
            excuses: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            running: Mutex::default(),
            most: AtomicU64::new(0),
            excess: AtomicU64::new(0),
            validity: AtomicU64::new(VALIDITY.as_secs()),
            elapsed: AtomicU64::new(0),
            start: (SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000), Instant::now()),
        })
    }

    pub fn expire_after(&self, validity: Duration) {
        self.validity.store(validity.as_secs(), SeqCst);
    }

    /// Time passes, so much of it that a flight that is under way is given up on.
    pub fn advance(&self, seconds: u64) {
        touch();
        self.excuses.fetch_add(1, SeqCst);
        self.elapsed.fetch_add(seconds, SeqCst);
    }

    /// The provider changes its mind, and a webhook invalidates what was known.
    pub fn change(&self, how: Invalidation, token: &str, invalidate: impl FnOnce()) {
        touch();
        let version = self.version.fetch_add(1, SeqCst) + 1;
        self.excuses.fetch_add(1, SeqCst);
        invalidate();
        let settled = &mut *self.settled.lock().expect("never poisoned");
        let raised = match how {
            Invalidation::Token => vec![settled.tokens.entry(token.to_owned()).or_default()],
            // Nobody knows whose a bad token is.
            Invalidation::Principal => vec![&mut settled.good],
            Invalidation::All => vec![&mut settled.good, &mut settled.bad],
        };
        raised.into_iter().for_each(|since| *since = version.max(*since));
    }

    pub fn before(&self, token: &str) -> Before {
        let elapsed = self.elapsed.load(SeqCst);
        let wall = self.start.0 + Duration::from_secs(elapsed);
        let settled = self.settled.lock().expect("never poisoned");
        let own = settled.tokens.get(token).copied().unwrap_or_default();
        Before { good_since: own.max(settled.good), bad_since: own.max(settled.bad), wall, elapsed }
    }

    /// What holds of every verdict, whoever it is given to.
    pub fn judge(&self, before: Before, verdict: &Verdict) {
        let last = self.version.load(SeqCst);
        match verdict {
            Ok(token) => {
                let (version, asked_at) = (number(token.token_id()), number(token.client()));
                assert!(version >= before.good_since, "good as of {version}, which was over: {before:?}");
                let age = before.elapsed.saturating_sub(asked_at);
                assert!(age < TIME_TO_LIVE.as_secs(), "it was {age} seconds old");
                assert!(!token.is_expired(before.wall), "it was expired");
            }
            Err(error) if error.kind() == VerifyErrorKind::Inactive => {
                assert!((before.bad_since..=last).any(is_bad), "bad as of none up to {last}: {before:?}");
            }
            Err(error) => assert_eq!(error.kind(), VerifyErrorKind::Unavailable, "{error:?}"),
        }
    }

    /// Whether a good verdict is older than an invalidation that has returned by now.
    pub fn is_outdated(&self, token: &str, verdict: &Verdict) -> bool {
        let since = self.before(token).good_since;
        verdict.as_ref().is_ok_and(|good| number(good.token_id()) < since)
    }

    /// How often the verifier was asked.
    pub fn calls(&self) -> u64 {
        touch();
        self.calls.load(SeqCst)
    }

    /// Every call has ended, and there were none that should not have been made.
    pub fn is_over(&self) {
        assert_eq!(self.excess.load(SeqCst), 0, "two calls for one token at once");
        assert!(self.running.lock().expect("never poisoned").is_empty(), "a call was left behind");
    }

    /// How many calls were under way together.
    pub fn most(&self) -> u64 {
        touch();
        self.most.load(SeqCst)
    }

    fn call(self: &Arc<Self>, token: &BearerToken) -> Running {
        touch();
        let number = self.calls.fetch_add(1, SeqCst) + 1;
        let mut running = self.running.lock().expect("never poisoned");
        // What is under way may be of no more use once something was invalidated; else there is one call for a token.
        let others = running.iter().filter(|call| call.token == token.as_str()).count() as u64;
        self.excess.fetch_add(u64::from(others > self.excuses.load(SeqCst)), SeqCst);
        running.push(Call { number, token: token.as_str().to_owned() });
        self.most.fetch_max(running.len() as u64, SeqCst);
        let elapsed = self.elapsed.load(SeqCst);
        Running { world: Arc::clone(self), number, version: self.version.load(SeqCst), asked_at: elapsed }
    }
}

fn number(text: Option<&str>) -> u64 {
    text.and_then(|text| text.parse().ok()).expect("the verifier says it")
}

/// In a world that changes its mind, each second state is one in which tokens are bad.
fn is_bad(version: u64) -> bool {
    version % 2 == 1
}

/// A call of the verifier, until it ends in whatever way.
struct Running {
    world: Arc<World>,
    number: u64,
    version: u64,
    asked_at: u64,
}

impl Running {
    fn answer(&self, answer: Answer) -> Verdict {
        match answer {
            Answer::True if is_bad(self.version) => Err(VerifyErrorKind::Inactive.into()),
            Answer::True | Answer::Good | Answer::Never => {
                let validity = self.asked_at + self.world.validity.load(SeqCst);
                Ok(AccessToken::verified()
                    .issuer("https://idp.example.com")
                    .subject("alice")
                    .token_id(self.version.to_string())
                    .client(self.asked_at.to_string())
                    .expires_at(self.world.start.0 + Duration::from_secs(validity))
                    .build())
            }
            Answer::Unavailable => Err(VerifyError::unavailable("the provider is down")),
            // Without the hook that prints it.
            Answer::Panic => resume_unwind(Box::new("the verifier panics")),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A checker that has found a fault elsewhere drops this while it unwinds.
        if let Ok(mut running) = self.world.running.lock() {
            running.retain(|call| call.number != self.number);
        }
    }
}

/// What the verifier says.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// Good, or bad if the provider has changed its mind.
    True,
    /// Good, whatever the provider says.
    Good,
    Unavailable,
    Panic,
    /// Nothing, for ever.
    Never,
}

/// A verifier that asks the provider.
#[derive(Clone, Debug)]
pub struct Upstream {
    pub world: Arc<World>,
    /// How often it is polled in vain before it answers. None: it answers at once.
    pub waits: fn() -> Option<u32>,
    /// What the call of this number is answered.
    pub answer: fn(u64) -> Answer,
}

impl TokenVerifier for Upstream {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        let running = self.world.call(token);
        let answer = (self.answer)(running.number);
        match answer {
            Answer::Never => std::future::pending().await,
            _ => wait((self.waits)().unwrap_or_default()).await,
        }
        running.answer(answer)
    }

    fn verify_now(&self, _: &BearerToken, _: SystemTime) -> Option<Verdict> {
        if (self.waits)().is_some() {
            return None;
        }
        touch();
        // Several may ask at once: that costs microseconds, and is no flight.
        let number = self.world.calls.fetch_add(1, SeqCst) + 1;
        let (version, asked_at) = (self.world.version.load(SeqCst), self.world.elapsed.load(SeqCst));
        let running = Running { world: Arc::clone(&self.world), number, version, asked_at };
        touch();
        Some(running.answer((self.answer)(number)))
    }
}

/// Is polled in vain so many times.
pub async fn wait(mut times: u32) {
    poll_fn(|context| {
        if times == 0 {
            return Poll::Ready(());
        }
        times -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Drops a future that is not done after so many polls.
pub async fn give_up_after<T>(polls: u32, work: impl Future<Output = T>) -> Option<T> {
    let mut left = polls;
    let mut work = pin!(work);
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

#[derive(Debug)]
pub struct WorldClock(pub Arc<World>);

impl Clock for WorldClock {
    fn now(&self) -> SystemTime {
        self.0.start.0 + Duration::from_secs(self.0.elapsed.load(SeqCst))
    }

    fn instant(&self) -> Instant {
        // A cache looks at its memory right after this.
        touch();
        self.0.start.1 + Duration::from_secs(self.0.elapsed.load(SeqCst))
    }
}

/// A world, a cache in it, and the handle of that.
#[derive(Clone)]
pub struct Scene {
    pub world: Arc<World>,
    pub cached: Cached<Upstream>,
    pub handle: CacheHandle,
}

impl Scene {
    pub fn new(
        waits: fn() -> Option<u32>,
        answer: fn(u64) -> Answer,
        setup: fn(CacheLayerBuilder) -> CacheLayerBuilder,
    ) -> Self {
        let world = World::new();
        let builder = CacheLayer::builder()
            .time_to_live(TIME_TO_LIVE)
            .jitter(0)
            .refresh_ahead(0)
            .max_entries(8)
            .max_negative_entries(8)
            .clock(WorldClock(Arc::clone(&world)));
        let layer = setup(builder).build().expect("within range");
        let cached = Upstream { world: Arc::clone(&world), waits, answer }.cached(layer);
        let handle = cached.handle();
        Self { world, cached, handle }
    }

    /// What the middleware does with a token that is not remembered.
    pub async fn verify(&self, token: &str) -> Verdict {
        let before = self.world.before(token);
        let verdict = self.cached.verify(&bearer(token)).await;
        self.world.judge(before, &verdict);
        verdict
    }

    /// What the middleware does with a token.
    pub async fn ask(&self, token: &str) -> Verdict {
        touch();
        let before = self.world.before(token);
        let token = bearer(token);
        let verdict = match self.cached.verify_now(&token, before.wall) {
            Some(verdict) => verdict,
            None => self.cached.verify(&token).await,
        };
        self.world.judge(before, &verdict);
        verdict
    }

    /// Everybody has been answered: nothing is left behind.
    pub fn is_over(&self) {
        assert_eq!(self.handle.stats().in_flight(), 0, "a flight was left behind");
        self.world.is_over();
    }

    pub fn change(&self, how: Invalidation, token: &str) {
        self.world.change(how, token, || match how {
            Invalidation::Token => self.handle.invalidate(&bearer(token)),
            Invalidation::Principal => {
                let alice =
                    AccessToken::verified().issuer("https://idp.example.com").subject("alice").build();
                self.handle.invalidate_principal(&alice.principal().expect("it has a subject"));
            }
            Invalidation::All => self.handle.clear(),
        });
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Invalidation {
    Token,
    Principal,
    All,
}

pub fn bearer(token: &str) -> BearerToken {
    BearerToken::new(token).expect("it is token68")
}
