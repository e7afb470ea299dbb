//! A cache beside a model of it, and what holds for all times, all settings and all tokens.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use common::{Handler, ManualClock, Untouchable, block_on, step_aside};
use http::Request;
use http::header::AUTHORIZATION;
use proptest::prelude::{BoxedStrategy, Just, Strategy};
use proptest::test_runner::{Config, TestRunner};
use proptest::{prop_assert, prop_assert_eq, prop_oneof};
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, ServiceExt};
use tower_bearer::cache::{CacheHandle, Cached};
use tower_bearer::clock::Clock;
use tower_bearer::error::VerifyErrorKind as Kind;
use tower_bearer::verifier::Verdict;
use tower_bearer::{AccessToken, AuthLayer, BearerToken, CacheLayer, TokenVerifier, VerifyError};

const YEAR: u64 = 365 * 24 * 60 * 60;

/// So many cases, or what `PROPTEST_CASES` says.
fn cases(usual: u32) -> TestRunner {
    let said = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let cases = said.unwrap_or(usual);
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::default()
    })
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn bearer(token: &str) -> BearerToken {
    BearerToken::new(token).unwrap()
}

/// How a verifier answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Manner {
    /// By `verify_now`.
    AtOnce,
    /// By `verify`, in the task of its caller.
    Waiting,
    /// By `verify`, in a task of its own.
    WaitingInRuntime,
}

const MANNERS: [Manner; 3] = [Manner::AtOnce, Manner::Waiting, Manner::WaitingInRuntime];

/// Runs what a manner needs.
struct Stage(Option<Runtime>);

impl Stage {
    fn new(manner: Manner) -> Self {
        // With one thread for what blocks, that is done in order.
        let runtime = || Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
        Self((manner == Manner::WaitingInRuntime).then(runtime))
    }

    fn run<F: Future>(&self, future: F) -> F::Output {
        let Some(runtime) = &self.0 else { return block_on(future) };
        runtime.block_on(async {
            let output = future.await;
            // What goes on in the background ends before the next step.
            while runtime.metrics().num_alive_tasks() > 0 {
                tokio::task::yield_now().await;
            }
            tokio::task::spawn_blocking(|| ()).await.unwrap();
            output
        })
    }
}

/// As a layer asks: without waiting, if that is possible.
async fn ask<V: TokenVerifier>(verifier: &V, token: &BearerToken, now: SystemTime) -> Verdict {
    match verifier.verify_now(token, now) {
        Some(verdict) => verdict,
        None => verifier.verify(token).await,
    }
}

// The model.

const TOKENS: usize = 6;
const OWNERS: [&str; 3] = ["alice", "bob", "carol"];

fn name(token: usize) -> String {
    format!("t{token}")
}

/// What the upstream says of a token.
#[derive(Clone, Copy, Debug)]
enum Truth {
    /// It belongs to one of the owners, from and until then, seen from the start.
    Good {
        owner: usize,
        not_before: Option<i64>,
        expires: Option<i64>,
        leeway: u64,
    },
    Bad(Kind),
    /// Bad for so long.
    BadFor(u64),
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Advance(Duration),
    /// Of the wall clock alone.
    Jump(i64),
    Invalidate(usize),
    InvalidateOwner(usize),
    Clear,
    BumpGeneration,
    Say(usize, Truth),
}

#[derive(Clone, Copy, Debug)]
enum Act {
    /// Somebody asks, and this happens while the verifier looks.
    Ask(usize, Option<Step>),
    Do(Step),
}

fn truth() -> impl Strategy<Value = Truth> {
    let date = || prop_oneof![1 => Just(None), 1 => (-500..500_i64).prop_map(Some)];
    let kind = prop_oneof![
        2 => Just(Kind::Inactive),
        2 => Just(Kind::Unavailable),
        1 => Just(Kind::NotMine),
        1 => Just(Kind::NotYetValid),
        1 => Just(Kind::Audience),
    ];
    prop_oneof![
        5 => (0..OWNERS.len(), date(), date(), 0..300_u64).prop_map(|(owner, not_before, expires, leeway)| {
            Truth::Good { owner, not_before: not_before.map(|at| at - 400), expires: expires.map(|at| at + 400), leeway }
        }),
        3 => kind.prop_map(Truth::Bad),
        1 => (0..20_u64).prop_map(Truth::BadFor),
    ]
}

fn step() -> BoxedStrategy<Step> {
    let span = prop_oneof![
        3 => (0..3_000_u64).prop_map(Duration::from_millis),
        3 => (0..60_u64).prop_map(seconds),
        1 => (0..400_u64).prop_map(seconds),
    ];
    let year = i64::try_from(YEAR).unwrap();
    let jump = prop_oneof![3 => -600..600_i64, 1 => -10 * year..10 * year];
    prop_oneof![
        6 => span.prop_map(Step::Advance),
        2 => jump.prop_map(Step::Jump),
        2 => (0..TOKENS).prop_map(Step::Invalidate),
        2 => (0..OWNERS.len()).prop_map(Step::InvalidateOwner),
        1 => Just(Step::Clear),
        1 => Just(Step::BumpGeneration),
        6 => (0..TOKENS, truth()).prop_map(|(token, truth)| Step::Say(token, truth)),
    ]
    .boxed()
}

fn act() -> impl Strategy<Value = Act> {
    let meanwhile = prop_oneof![4 => Just(None), 1 => step().prop_map(Some)];
    prop_oneof![
        3 => (0..TOKENS, meanwhile).prop_map(|(token, meanwhile)| Act::Ask(token, meanwhile)),
        2 => step().prop_map(Act::Do),
    ]
}

/// What the verifier of the real cache reads, and what is done to it.
#[derive(Clone)]
struct World {
    clock: ManualClock,
    start: SystemTime,
    state: Arc<Mutex<State>>,
    handle: Arc<OnceLock<CacheHandle>>,
}

struct State {
    truths: [Truth; TOKENS],
    generation: u64,
    calls: usize,
    meanwhile: Option<Step>,
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::new();
        let state =
            State { truths: [Truth::Bad(Kind::Inactive); TOKENS], generation: 0, calls: 0, meanwhile: None };
        Self { start: clock.now(), clock, state: Arc::new(Mutex::new(state)), handle: Arc::default() }
    }

    fn date(&self, offset: i64) -> SystemTime {
        let span = seconds(offset.unsigned_abs());
        if offset < 0 { self.start - span } else { self.start + span }
    }

    fn verdict(&self, truth: Truth) -> Verdict {
        match truth {
            Truth::Good { owner, not_before, expires, leeway } => {
                let mut token = AccessToken::verified()
                    .issuer("https://a")
                    .subject(OWNERS[owner])
                    .leeway(seconds(leeway));
                if let Some(at) = not_before {
                    token = token.not_before(self.date(at));
                }
                if let Some(at) = expires {
                    token = token.expires_at(self.date(at));
                }
                Ok(token.build())
            }
            Truth::Bad(kind) => Err(kind.into()),
            Truth::BadFor(span) => Err(VerifyError::rejected(Kind::KeyNotFound).retry_after(seconds(span))),
        }
    }

    fn call(&self, token: &BearerToken) -> Verdict {
        let number: usize = token.as_str().trim_start_matches('t').parse().unwrap();
        let mut state = self.state.lock().unwrap();
        state.calls += 1;
        let truth = state.truths[number];
        // What happens from now on, this verification does not see.
        let meanwhile = state.meanwhile.take();
        drop(state);
        if let Some(step) = meanwhile {
            self.take(step);
        }
        self.verdict(truth)
    }

    fn take(&self, step: Step) {
        let handle = self.handle.get().unwrap();
        match step {
            Step::Advance(span) => self.clock.advance(span),
            Step::Jump(by) => {
                let (now, span) = (self.clock.now(), seconds(by.unsigned_abs()));
                self.clock.set(if by < 0 { now - span } else { now + span });
            }
            Step::Invalidate(token) => handle.invalidate(&bearer(&name(token))),
            Step::InvalidateOwner(owner) => {
                let token = AccessToken::verified().issuer("https://a").subject(OWNERS[owner]).build();
                handle.invalidate_principal(&token.principal().unwrap());
            }
            Step::Clear => handle.clear(),
            Step::BumpGeneration => self.state.lock().unwrap().generation += 1,
            Step::Say(token, truth) => self.state.lock().unwrap().truths[token] = truth,
        }
    }
}

struct Upstream {
    world: World,
    manner: Manner,
}

impl TokenVerifier for Upstream {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        step_aside(1).await;
        let verdict = self.world.call(token);
        step_aside(1).await;
        verdict
    }

    fn verify_now(&self, token: &BearerToken, _: SystemTime) -> Option<Verdict> {
        (self.manner == Manner::AtOnce).then(|| self.world.call(token))
    }

    fn generation(&self) -> u64 {
        self.world.state.lock().unwrap().generation
    }
}

/// What is to be remembered, and for how long: the same in other words, one token at a time.
struct Model {
    world: World,
    manner: Manner,
    time_to_live: Duration,
    negative_time_to_live: Duration,
    started: Instant,
    next_sweep: u64,
    good: HashMap<usize, Good>,
    bad: HashMap<usize, Bad>,
    truths: [Truth; TOKENS],
    generation: u64,
    calls: usize,
    wall: SystemTime,
    instant: Instant,
}

struct Good {
    truth: Truth,
    owner: usize,
    until: Instant,
    generation: u64,
    from: Option<SystemTime>,
    to: Option<SystemTime>,
}

struct Bad {
    kind: Kind,
    until: Instant,
    generation: u64,
}

impl Good {
    fn is_current(&self, wall: SystemTime) -> bool {
        self.from.is_none_or(|from| from <= wall) && self.to.is_none_or(|to| wall < to)
    }
}

impl Model {
    fn new(world: &World, manner: Manner, time_to_live: Duration, negative_time_to_live: Duration) -> Self {
        let (wall, started) = (world.clock.now(), world.clock.instant());
        Self {
            world: world.clone(),
            manner,
            time_to_live,
            negative_time_to_live,
            started,
            next_sweep: 60,
            good: HashMap::new(),
            bad: HashMap::new(),
            truths: [Truth::Bad(Kind::Inactive); TOKENS],
            generation: 0,
            calls: 0,
            wall,
            instant: started,
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Advance(span) => {
                self.wall += span;
                self.instant += span;
            }
            Step::Jump(by) if by < 0 => self.wall -= seconds(by.unsigned_abs()),
            Step::Jump(by) => self.wall += seconds(by.unsigned_abs()),
            Step::Invalidate(token) => {
                self.good.remove(&token);
                self.bad.remove(&token);
            }
            Step::InvalidateOwner(owner) => self.good.retain(|_, good| good.owner != owner),
            Step::Clear => {
                self.good.clear();
                self.bad.clear();
            }
            Step::BumpGeneration => self.generation += 1,
            Step::Say(token, truth) => self.truths[token] = truth,
        }
    }

    /// Whether a step makes a verification that is under way worthless.
    fn voids(&self, step: Step, token: usize, truth: Truth) -> bool {
        match step {
            Step::Invalidate(invalidated) => invalidated == token,
            Step::Clear => true,
            // Without a flight to look at, whoever it is about.
            Step::InvalidateOwner(_) if self.manner == Manner::AtOnce => true,
            Step::InvalidateOwner(invalidated) => {
                matches!(truth, Truth::Good { owner, .. } if owner == invalidated)
            }
            // What was good by a key that is gone is not given to those who wait.
            Step::BumpGeneration => self.manner != Manner::AtOnce && matches!(truth, Truth::Good { .. }),
            Step::Advance(_) | Step::Jump(_) | Step::Say(..) => false,
        }
    }

    fn recall(&self, token: usize) -> Option<Verdict> {
        if let Some(good) = self.good.get(&token)
            && self.instant < good.until
            && good.generation == self.generation
            && good.is_current(self.wall)
        {
            return Some(self.world.verdict(good.truth));
        }
        let bad = self.bad.get(&token)?;
        let serves = self.instant < bad.until && bad.generation == self.generation;
        serves.then(|| Err(bad.kind.into()))
    }

    fn ask(&mut self, token: usize, mut meanwhile: Option<Step>) -> Verdict {
        if let Some(verdict) = self.recall(token) {
            return verdict;
        }
        let (mut wall, mut instant) = (self.wall, self.instant);
        loop {
            let (generation, truth) = (self.generation, self.truths[token]);
            self.calls += 1;
            let step = meanwhile.take();
            step.into_iter().for_each(|step| self.take(step));
            let is_void = step.is_some_and(|step| self.voids(step, token, truth));
            // A flight reads the clocks anew, at its end and for another attempt.
            let now = match self.manner {
                Manner::AtOnce => (wall, instant),
                Manner::Waiting | Manner::WaitingInRuntime => (self.wall, self.instant),
            };
            if !is_void {
                self.settle(token, truth, (instant, generation), now.0);
            }
            if !is_void || self.manner != Manner::AtOnce {
                self.sweep(now);
            }
            if !is_void {
                return self.world.verdict(truth);
            }
            (wall, instant) = now;
        }
    }

    fn settle(&mut self, token: usize, truth: Truth, (began, generation): (Instant, u64), wall: SystemTime) {
        let (kind, span) = match truth {
            Truth::Good { owner, not_before, expires, leeway } => {
                let good = Good {
                    truth,
                    owner,
                    until: began + self.time_to_live,
                    generation,
                    from: not_before.map(|at| self.world.date(at) - seconds(leeway)),
                    to: expires.map(|at| self.world.date(at)),
                };
                self.bad.remove(&token);
                self.good.remove(&token);
                if good.is_current(wall) && !self.time_to_live.is_zero() {
                    self.good.insert(token, good);
                }
                return;
            }
            Truth::Bad(Kind::Unavailable) => return,
            Truth::Bad(kind) => (kind, self.negative_time_to_live),
            Truth::BadFor(span) => (Kind::KeyNotFound, seconds(span).min(self.negative_time_to_live)),
        };
        self.good.remove(&token);
        let is_lasting = !matches!(kind, Kind::NotMine | Kind::NotYetValid);
        if is_lasting && !span.is_zero() && !self.time_to_live.is_zero() {
            self.bad.insert(token, Bad { kind, until: began + span, generation });
        }
    }

    /// Once a minute, what no longer counts is dropped: it does not come back when the wall clock does.
    fn sweep(&mut self, (wall, instant): (SystemTime, Instant)) {
        let elapsed = (instant - self.started).as_secs();
        if elapsed < self.next_sweep {
            return;
        }
        self.next_sweep = elapsed + 60;
        let generation = self.generation;
        // For a minute longer, to tell who comes back from a stranger.
        let kept = |good: &Good| instant < good.until + seconds(60);
        self.good.retain(|_, good| good.generation == generation && kept(good) && good.is_current(wall));
        self.bad.retain(|_, bad| bad.generation == generation && instant < bad.until);
    }
}

fn summary(verdict: &Verdict) -> String {
    match verdict {
        Ok(token) => {
            format!("{:?} {:?} {:?}", token.subject(), token.expires_at(), token.not_before())
        }
        Err(error) => format!("{:?}", error.kind()),
    }
}

#[test]
fn a_cache_says_what_a_model_of_it_says_and_asks_as_often() {
    let settings = (prop_oneof![Just(0), 1..400_u64], prop_oneof![Just(0), 1..=10_u64]);
    let acts = proptest::collection::vec(act(), 1..200);
    cases(250)
        .run(&(settings, acts), |((time_to_live, negative), acts)| {
            let (time_to_live, negative) = (seconds(time_to_live), seconds(negative));
            for manner in MANNERS {
                let world = World::new();
                let layer = CacheLayer::builder().time_to_live(time_to_live).negative_time_to_live(negative);
                let layer = layer.jitter(0).refresh_ahead(0).clock(world.clock.clone()).build().unwrap();
                let cache = Upstream { world: world.clone(), manner }.cached(layer);
                assert!(world.handle.set(cache.handle()).is_ok());
                let mut model = Model::new(&world, manner, time_to_live, negative);
                let stage = Stage::new(manner);
                for act in &acts {
                    match *act {
                        Act::Do(step) => {
                            world.take(step);
                            model.take(step);
                        }
                        Act::Ask(token, meanwhile) => {
                            // Which others share a shard with a token is a matter of chance.
                            let meanwhile = meanwhile.filter(|step| {
                                let is_other = matches!(step, Step::Invalidate(other) if *other != token);
                                manner != Manner::AtOnce || !is_other
                            });
                            world.state.lock().unwrap().meanwhile = meanwhile;
                            let bearer = bearer(&name(token));
                            let said = stage.run(ask(&cache, &bearer, world.clock.now()));
                            let state = &mut *world.state.lock().unwrap();
                            let was_taken = state.meanwhile.take().is_none();
                            let expected = model.ask(token, meanwhile.filter(|_| was_taken));
                            prop_assert_eq!(summary(&said), summary(&expected), "{:?} {:?}", manner, act);
                            prop_assert_eq!(state.calls, model.calls, "{:?} {:?}", manner, act);
                        }
                    }
                    let stats = cache.handle().stats();
                    prop_assert_eq!(stats.in_flight(), 0);
                    prop_assert_eq!(stats.entries(), model.good.len(), "{:?} {:?}", manner, act);
                    prop_assert_eq!(stats.negative_entries(), model.bad.len(), "{:?} {:?}", manner, act);
                }
            }
            Ok(())
        })
        .unwrap();
}

// Time.

/// A verifier that vouches for everything for a while, and takes its time; it signs each verdict with its number.
struct Signing {
    clock: ManualClock,
    manner: Manner,
    takes: Duration,
    not_before: Option<SystemTime>,
    expires: Option<SystemTime>,
    leeway: Duration,
    began: Arc<Mutex<Vec<Instant>>>,
}

impl Signing {
    fn call(&self) -> Verdict {
        let mut began = self.began.lock().unwrap();
        let number = began.len();
        began.push(self.clock.instant());
        drop(began);
        self.clock.advance(self.takes);
        let mut token = AccessToken::verified().token_id(number.to_string()).leeway(self.leeway);
        if let Some(at) = self.expires {
            token = token.expires_at(at);
        }
        if let Some(at) = self.not_before {
            token = token.not_before(at);
        }
        Ok(token.build())
    }
}

impl TokenVerifier for Signing {
    async fn verify(&self, _: &BearerToken) -> Verdict {
        step_aside(1).await;
        self.call()
    }

    fn verify_now(&self, _: &BearerToken, _: SystemTime) -> Option<Verdict> {
        (self.manner == Manner::AtOnce).then(|| self.call())
    }
}

#[derive(Clone, Debug)]
struct Times {
    /// Seconds since 1970.
    start: u64,
    time_to_live: Duration,
    jitter: u8,
    refresh_ahead: u8,
    /// From the start.
    expires: Option<i64>,
    not_before: Option<i64>,
    leeway: Duration,
    takes: Duration,
    /// How far both clocks go, and how far the wall clock jumps besides.
    steps: Vec<(Duration, i64)>,
}

fn times() -> impl Strategy<Value = Times> {
    let (year, day) = (i64::try_from(YEAR).unwrap(), 24 * 60 * 60_u64);
    let span = |longest: u64| {
        prop_oneof![
            1 => Just(Duration::ZERO),
            2 => (0..2_000_u64).prop_map(Duration::from_millis),
            4 => (0..=longest.min(900)).prop_map(seconds),
            1 => (0..=longest).prop_map(seconds),
        ]
    };
    let date = move || {
        prop_oneof![
            1 => Just(None),
            4 => (-1_000..1_000_i64).prop_map(Some),
            1 => (-20 * year..200 * year).prop_map(Some),
        ]
    };
    let jump = prop_oneof![
        6 => Just(0),
        3 => -1_000..1_000_i64,
        1 => -10 * year..=10 * year,
        1 => Just(10 * year),
        1 => Just(-10 * year),
    ];
    let steps = proptest::collection::vec((span(2 * day), jump), 1..40);
    let settings = (span(day), 0..=50_u8, 0..=50_u8);
    (21 * YEAR..400 * YEAR, settings, date(), date(), span(300), span(30), steps).prop_map(
        |(start, (time_to_live, jitter, refresh_ahead), expires, not_before, leeway, takes, steps)| Times {
            start,
            time_to_live,
            jitter,
            refresh_ahead,
            expires,
            not_before,
            leeway,
            takes,
            steps,
        },
    )
}

fn jump(from: SystemTime, by: i64) -> SystemTime {
    let span = seconds(by.unsigned_abs());
    // Before 1970 there is no need to go.
    if by < 0 { from.checked_sub(span).unwrap_or(from) } else { from + span }
}

#[test]
fn what_a_layer_admits_is_neither_past_its_expiry_nor_older_than_the_time_to_live() {
    cases(1_500)
        .run(&(times(), 0..MANNERS.len()), |(times, manner)| {
            let (manner, clock) = (MANNERS[manner], ManualClock::new());
            let start = SystemTime::UNIX_EPOCH + seconds(times.start);
            clock.set(start);
            let began: Arc<Mutex<Vec<Instant>>> = Arc::default();
            let (not_before, expires) =
                (times.not_before.map(|by| jump(start, by)), times.expires.map(|by| jump(start, by)));
            let Times { takes, leeway, time_to_live, .. } = times;
            let layer = CacheLayer::builder().time_to_live(time_to_live).jitter(times.jitter);
            let layer = layer.refresh_ahead(times.refresh_ahead).clock(clock.clone()).build().unwrap();
            let verifier = Signing {
                clock: clock.clone(),
                manner,
                takes,
                not_before,
                expires,
                leeway,
                began: Arc::clone(&began),
            };
            let auth = AuthLayer::builder(verifier.cached(layer)).clock(clock.clone()).build().unwrap();
            let (stage, handler) = (Stage::new(manner), Handler::default());
            for (span, by) in times.steps {
                clock.advance(span);
                clock.set(jump(clock.now(), by));
                let (asked, calls) = (clock.instant(), began.lock().unwrap().len());
                let request = Request::builder().header(AUTHORIZATION, "Bearer t").body(Untouchable).unwrap();
                let admitted = handler.calls();
                let arrived = clock.now();
                let response = stage.run(auth.layer(handler.clone()).oneshot(request)).unwrap();
                prop_assert_eq!(response.status().is_success(), handler.calls() > admitted);
                if !response.status().is_success() {
                    // Nothing else is ever a reason.
                    prop_assert_eq!(response.status(), 401);
                    prop_assert!(expires.is_some_and(|at| clock.now() >= at + leeway));
                    continue;
                }
                let number: usize = handler.last().token.unwrap().token_id().unwrap().parse().unwrap();
                let is_from_memory = number < calls;
                // Without waiting, the law goes by the time at which the request arrived.
                let judged = if manner == Manner::AtOnce || is_from_memory { arrived } else { clock.now() };
                prop_assert!(expires.is_none_or(|at| judged < at + leeway), "admitted past its expiry");
                if is_from_memory {
                    let age = asked - began.lock().unwrap()[number];
                    prop_assert!(age < time_to_live, "{:?} old", age);
                    // Within the leeway the verifier is asked again.
                    prop_assert!(expires.is_none_or(|at| arrived < at));
                    prop_assert!(not_before.is_none_or(|at| jump(at, 0) - leeway <= arrived));
                }
            }
            Ok(())
        })
        .unwrap();
}

// Configurations.

/// A verifier for one audience of one issuer that asks for one more thing, or not.
#[derive(Clone, Copy)]
struct Configured {
    number: usize,
    is_at_once: bool,
}

/// The three things in which configurations and tokens differ.
fn traits(number: usize) -> (&'static str, &'static str, bool) {
    let issuer = if number & 1 == 0 { "https://a" } else { "https://b" };
    let audience = if number & 2 == 0 { "api" } else { "admin" };
    (issuer, audience, number & 4 != 0)
}

impl Configured {
    fn judge(self, token: &BearerToken) -> Verdict {
        let (issuer, audience, needs_more) = traits(self.number);
        let token: usize = token.as_str().parse().unwrap();
        let (own_issuer, own_audience, has_more) = traits(token);
        if issuer != own_issuer {
            return Err(Kind::Issuer.into());
        }
        if audience != own_audience {
            return Err(Kind::Audience.into());
        }
        if needs_more && !has_more {
            return Err(Kind::Claim.into());
        }
        // Whoever vouched for it can be seen.
        let subject = format!("{token} by {}", self.number);
        Ok(AccessToken::verified().issuer(issuer).subject(subject).build())
    }
}

impl TokenVerifier for Configured {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        step_aside(1).await;
        let verdict = self.judge(token);
        step_aside(1).await;
        verdict
    }

    fn verify_now(&self, token: &BearerToken, _: SystemTime) -> Option<Verdict> {
        self.is_at_once.then(|| self.judge(token))
    }
}

fn said(verdict: &Verdict) -> Result<&str, Kind> {
    verdict.as_ref().map(|token| token.subject().unwrap()).map_err(VerifyError::kind)
}

type Asking<'a> = Pin<Box<dyn Future<Output = Verdict> + 'a>>;

/// Lets two ask in an order: each digit says who goes on by one step. Both go on to their end in turn.
fn interleave(mut two: [Asking<'_>; 2], order: &[usize]) -> [Verdict; 2] {
    let mut context = Context::from_waker(Waker::noop());
    let mut verdicts = [None, None];
    let rest = [0, 1].repeat(20);
    for &who in order.iter().chain(&rest) {
        if verdicts[who].is_none()
            && let Poll::Ready(verdict) = two[who].as_mut().poll(&mut context)
        {
            verdicts[who] = Some(verdict);
        }
    }
    verdicts.map(|verdict| verdict.expect("it hangs"))
}

#[test]
fn eight_configurations_with_caches_from_one_layer_never_take_over_a_verdict() {
    // All orders in which two go through the three steps that each of them has.
    let orders: Vec<Vec<usize>> = (0..64_usize)
        .filter(|bits| bits.count_ones() == 3)
        .map(|bits| (0..6).map(|at| bits >> at & 1).collect())
        .collect();
    assert_eq!(orders.len(), 20);
    let tokens: Vec<_> = (0..8).map(|token| bearer(&token.to_string())).collect();
    let layer = CacheLayer::builder().max_entries(64).max_negative_entries(64).build().unwrap();
    for is_at_once in [false, true] {
        let uncached: Vec<_> = (0..8).map(|number| Configured { number, is_at_once }).collect();
        let caches: Vec<_> = uncached.iter().map(|verifier| (*verifier).cached(layer.clone())).collect();
        let orders = if is_at_once { &orders[..2] } else { &orders[..] };
        for pair in 0..64 * 64 {
            let (one, other) = ((pair % 8, pair / 8 % 8), (pair / 64 % 8, pair / 512));
            let order = &orders[pair % orders.len()];
            assert_pair(&caches, &uncached, &tokens, [one, other], order);
        }
        // Those of two configurations and one token, and of one configuration and two tokens, in all orders.
        for number in 0..512 {
            let (a, b, c) = (number % 8, number / 8 % 8, number / 64);
            for order in orders {
                assert_pair(&caches, &uncached, &tokens, [(a, c), (b, c)], order);
                assert_pair(&caches, &uncached, &tokens, [(c, a), (c, b)], order);
            }
        }
    }
}

/// Two ask, cold and at the same time, and then everybody asks for what they asked for.
fn assert_pair(
    caches: &[Cached<Configured>],
    uncached: &[Configured],
    tokens: &[BearerToken],
    pair: [(usize, usize); 2],
    order: &[usize],
) {
    let now = SystemTime::now();
    for (configuration, _) in pair {
        caches[configuration].handle().clear();
    }
    let two = pair.map(|(configuration, token)| -> Asking<'_> {
        Box::pin(ask(&caches[configuration], &tokens[token], now))
    });
    let verdicts = interleave(two, order);
    for ((configuration, token), verdict) in pair.into_iter().zip(&verdicts) {
        let expected = uncached[configuration].judge(&tokens[token]);
        assert_eq!(said(verdict), said(&expected), "{pair:?} {order:?}");
    }
    for (configuration, _) in pair {
        for (_, token) in pair {
            let expected = uncached[configuration].judge(&tokens[token]);
            let warm = block_on(ask(&caches[configuration], &tokens[token], now));
            assert_eq!(said(&warm), said(&expected), "{pair:?} {order:?}");
        }
    }
}

#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
#[test]
fn eight_verifiers_of_jwts_with_caches_from_one_layer_never_take_over_a_verdict() {
    use tower_bearer::{Algorithm, JwtVerifier};

    let verifier = |number: usize| {
        let (issuer, audience, needs_more) = traits(number);
        // Keys of their own for one half: a token by the other one's key has a bad signature.
        let builder = JwtVerifier::builder(format!("{issuer}.example.com"), audience);
        let builder = builder.hmac_secret([if issuer == "https://a" { 7 } else { 8 }; 32]);
        let builder = builder.algorithms([Algorithm::Hs256]);
        if needs_more { builder.required_claims(["more"]) } else { builder }.build().unwrap()
    };
    let token = |number: usize| {
        let (issuer, audience, has_more) = traits(number);
        let more = if has_more { r#","more":1"# } else { "" };
        let claims = format!(
            r#"{{"iss":"{issuer}.example.com","aud":"{audience}","exp":253402300799,"sub":"{number}"{more}}}"#
        );
        // One of the eight says who it is from, and has not been signed by them.
        let key = if (issuer == "https://a") != (number == 7) { 7 } else { 8 };
        bearer(&common::hs256(&[key; 32], r#"{"alg":"HS256"}"#, &claims))
    };
    let layer = CacheLayer::builder().max_entries(64).max_negative_entries(64).build().unwrap();
    let uncached: Vec<_> = (0..8).map(verifier).collect();
    let caches: Vec<_> = uncached.iter().map(|verifier| verifier.clone().cached(layer.clone())).collect();
    let tokens: Vec<_> = (0..8).map(token).collect();
    let now = SystemTime::now();
    let matrix: Vec<Vec<_>> = uncached
        .iter()
        .map(|own| tokens.iter().map(|token| block_on(ask(own, token, now))).collect())
        .collect();
    let admitted = matrix.iter().flatten().filter(|verdict| verdict.is_ok()).count();
    assert_eq!(admitted, 10);
    for pair in 0..64 * 64 {
        let pair = [(pair % 8, pair / 8 % 8), (pair / 64 % 8, pair / 512)];
        pair.iter().for_each(|(configuration, _)| caches[*configuration].handle().clear());
        for (configuration, token) in pair.into_iter().chain(pair) {
            let verdict = block_on(ask(&caches[configuration], &tokens[token], now));
            assert_eq!(said(&verdict), said(&matrix[configuration][token]), "{pair:?}");
        }
    }
}

// Tokens.

#[test]
fn tokens_that_differ_in_anything_never_share_an_entry_or_a_flight() {
    let text = "[A-Za-z0-9._~+/-]{1,80}";
    let pair = (text, text, 0..8_usize).prop_map(|(one, other, how)| {
        let related = match how {
            0 => format!("{one}{other}"),
            1 => format!("{other}{one}"),
            2 => format!("{one}="),
            3 => format!("{one}{one}"),
            4 => one
                .chars()
                .map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
                .collect(),
            5 => one.chars().rev().collect(),
            // The last of them alone, after many that are the same.
            6 => format!("{}{}", &one[..one.len() - 1], if one.ends_with('a') { 'b' } else { 'a' }),
            _ => other,
        };
        (one, related)
    });
    // Long ones too, around the sizes of blocks.
    let pair = (pair, prop_oneof![3 => Just(0), 1 => 40..70_usize, 1 => 100..140_usize, 1 => 0..8_000_usize])
        .prop_map(|((one, other), padding)| {
            let padding = "p".repeat(padding);
            (format!("{padding}{one}"), format!("{padding}{other}"))
        })
        .prop_filter("two tokens", |(one, other)| one != other);
    let layer = CacheLayer::builder().max_entries(64).build().unwrap();
    let echo = |token: &str| Ok(AccessToken::verified().subject(token).build());
    cases(500)
        .run(&(pair, proptest::collection::vec(0..2_usize, 0..8)), |((one, other), order)| {
            let pair = [bearer(&one), bearer(&other)];
            let now = SystemTime::now();
            let waiting = common::Counting::new(echo);
            let caches = [
                waiting.clone().cached(layer.clone()).boxed(),
                common::Immediate(echo).cached(layer.clone()).boxed(),
            ];
            for cache in &caches {
                let two = [0, 1].map(|who| -> Asking<'_> { Box::pin(ask(cache, &pair[who], now)) });
                for (token, verdict) in pair.iter().zip(interleave(two, &order)) {
                    prop_assert_eq!(said(&verdict), Ok(token.as_str()));
                }
                for token in pair.iter().rev() {
                    let warm = block_on(ask(cache, token, now));
                    prop_assert_eq!(said(&warm), Ok(token.as_str()));
                }
            }
            prop_assert_eq!(waiting.calls(), 2);
            Ok(())
        })
        .unwrap();
}
