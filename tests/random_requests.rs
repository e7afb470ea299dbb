//! Random requests through whole services: the handler is reached if and only if the law says so, and every other answer
//! is the one of the law's table, to the letter.
//!
//! What the law says of a token comes from the oracle in `oracle`, which shares nothing with the sources; what it says of
//! a header, from [`credential`] below; what a cache may remember, from [`Memory`].
//!
//! The long run: `PROPTEST_CASES=137000 cargo test --release --all-features --test random_requests -- --nocapture`.
//! On 2026-11-22 it sent 10,330,626 requests in 200 seconds of one core, without a panic and without an answer that the
//! law does not have: 1,528,110 were served, 867,886 were 400, 7,507,132 were 401, 427,498 were 403.
#![cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod common;
mod oracle;

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use common::{Answer, Handler, ManualClock, Untouchable, block_on, step_aside};
use http::{HeaderValue, Method, Request, StatusCode};
use oracle::strategies::{configuration, good, plan, signer};
use oracle::tokens::{Aim, ISSUER, NOW, Plan};
use oracle::{Accepted, Configuration, Genuine, Keys, Oracle, Refusal, cases};
use proptest::prelude::{BoxedStrategy, Just, Strategy};
use proptest::sample::{Index, select};
use proptest::test_runner::{TestCaseError, TestCaseResult};
use proptest::{prop_assert, prop_assert_eq, prop_oneof};
use tower::{Layer, ServiceExt};
use tower_bearer::clock::Clock;
use tower_bearer::middleware::Auth;
use tower_bearer::verifier::{BoxVerifier, Verdict};
use tower_bearer::{AuthLayer, BearerToken, CacheLayer, TokenVerifier};

const RESOURCE: &str = "https://api.example.com/mcp";
const METADATA: &str = "https://api.example.com/.well-known/oauth-protected-resource/mcp";

// What is set up.

/// One layer of a service.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each stands for a setter")]
struct Gate {
    /// Which configuration decides; with a second one, that is asked where the first is not.
    first: Index,
    second: Option<Index>,
    is_cached: bool,
    /// The verifier answers later.
    waits: bool,
    required: Vec<&'static str>,
    is_optional: bool,
    strips: bool,
    has_resource: bool,
}

#[derive(Clone, Debug)]
struct Times {
    time_to_live: Duration,
    negative_time_to_live: Duration,
}

#[derive(Clone, Debug)]
enum Step {
    Ask {
        stack: Index,
        token: Index,
        form: Form,
        method: Method,
    },
    /// Both clocks.
    Advance(Duration),
    /// The wall clock alone, to so many milliseconds after the start.
    Jump(i64),
}

/// How a token is presented.
#[derive(Clone, Copy, Debug)]
enum Form {
    Basic,
    Comma,
    Dpop,
    Empty,
    Glued,
    InQuery,
    Lower,
    Nothing,
    Preflight,
    Quoted,
    Spaces,
    Tab,
    TooLong,
    Trailing,
    Twice,
    TwiceAndBasic,
    Upper,
    Usual,
    Without,
}

/// The verifier of a configuration, which has to be waited for.
struct Waiting<V>(V);

impl<V: TokenVerifier> TokenVerifier for Waiting<V> {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        step_aside(1).await;
        let verdict = self.0.verify(token).await;
        step_aside(1).await;
        verdict
    }

    fn recognises(&self, token: &BearerToken) -> bool {
        self.0.recognises(token)
    }
}

fn gate() -> BoxedStrategy<Gate> {
    let second = proptest::option::weighted(0.2, proptest::arbitrary::any::<Index>());
    let required = prop_oneof![
        5 => Just(vec![]), 4 => Just(vec!["read"]), 2 => Just(vec!["read", "write"]), 1 => Just(vec!["admin"]),
    ];
    let weighted = proptest::bool::weighted;
    (
        proptest::arbitrary::any::<Index>(),
        second,
        required,
        weighted(0.6),
        weighted(0.3),
        weighted(0.2),
        weighted(0.2),
        weighted(0.3),
    )
        .prop_map(|(first, second, required, is_cached, waits, is_optional, strips, has_resource)| Gate {
            first,
            second,
            is_cached,
            waits,
            required,
            is_optional,
            strips,
            has_resource,
        })
        .boxed()
}

fn step() -> BoxedStrategy<Step> {
    let index = proptest::arbitrary::any::<Index>;
    let form = prop_oneof![
        40 => Just(Form::Usual),
        9 => select(&[Form::Lower, Form::Upper, Form::Spaces][..]),
        9 => select(
            &[
                Form::Basic, Form::Comma, Form::Dpop, Form::Empty, Form::Glued, Form::InQuery, Form::Nothing,
                Form::Preflight, Form::Quoted, Form::Tab, Form::TooLong, Form::Trailing, Form::Twice,
                Form::TwiceAndBasic, Form::Without,
            ][..]
        ),
    ];
    let method = prop_oneof![6 => Just(Method::GET), 2 => Just(Method::POST), 1 => Just(Method::HEAD), 1 => Just(Method::OPTIONS)];
    let span = prop_oneof![
        3 => (0..3_000_u64).prop_map(Duration::from_millis),
        3 => (0..70_u64).prop_map(Duration::from_secs),
        // Exactly when something ends.
        3 => select(&[5_u64, 10, 60, 300][..]).prop_map(Duration::from_secs),
    ];
    let decade = 10 * 365 * 24 * 60 * 60 * 1_000_i64;
    let jump = prop_oneof![
        6 => -100_000..250_000_i64,
        2 => -400_000..400_000_i64,
        2 => select(vec![-10_000, 0, 290_000, 299_999, 300_000, 301_000, 359_999, 360_000, 600_000]),
        1 => -decade..decade,
        1 => select(vec![decade, -decade]),
    ];
    prop_oneof![
        16 => (index(), index(), form, method)
            .prop_map(|(stack, token, form, method)| Step::Ask { stack, token, form, method }),
        3 => span.prop_map(Step::Advance),
        2 => jump.prop_map(Step::Jump),
    ]
    .boxed()
}

// The law of headers.

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Credential<'a> {
    Malformed,
    Missing,
    /// It cannot be a token.
    NoToken,
    Token(&'a str),
}

/// Contract D1 and §2.1: what the lines of `Authorization` present.
fn credential<'a>(lines: &[&'a [u8]]) -> Credential<'a> {
    let line = match lines {
        [] => return Credential::Missing,
        [line] => line,
        // EX-09, EX-10.
        _ => return Credential::Malformed,
    };
    let is_blank = |byte: &u8| [b' ', b'\t'].contains(byte);
    let Some(start) = line.iter().position(|byte| !is_blank(byte)) else { return Credential::Malformed };
    let end = line.iter().rposition(|byte| !is_blank(byte)).unwrap();
    let line = &line[start..=end];
    let scheme = line.iter().take_while(|byte| !is_blank(byte)).count();
    if !line[..scheme].eq_ignore_ascii_case(b"Bearer") {
        return Credential::Missing;
    }
    let rest = &line[scheme..];
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    let token = &rest[spaces..];
    if spaces == 0 || token.first().is_none_or(is_blank) || token.len() > 16 * 1024 {
        return Credential::Malformed;
    }
    // RFC 9110 §11.2.
    let padding = token.iter().rev().take_while(|byte| **byte == b'=').count();
    let text = &token[..token.len() - padding];
    let is_mark = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    if !text.is_empty() && text.iter().all(is_mark) {
        return Credential::Token(std::str::from_utf8(token).unwrap());
    }
    let is_list = token.iter().any(|byte| is_blank(byte) || *byte == b',');
    if is_list { Credential::Malformed } else { Credential::NoToken }
}

/// The lines of `Authorization`. None if no header can hold them.
fn lines(form: Form, token: &str) -> Option<Vec<HeaderValue>> {
    let (before, after) = match form {
        Form::Basic => ("Basic ", ""),
        Form::Comma => ("Bearer ", ","),
        Form::Dpop => ("DPoP ", ""),
        Form::Glued => ("Bearer", ""),
        Form::Lower => ("bearer ", ""),
        Form::Quoted => ("Bearer \"", "\""),
        Form::Spaces => (" \tBearer    ", "\t "),
        Form::Tab => ("Bearer\t", ""),
        Form::Trailing => ("Bearer ", " x"),
        Form::Upper => ("BEARER ", ""),
        Form::TooLong | Form::Twice | Form::TwiceAndBasic | Form::Usual => ("Bearer ", ""),
        Form::Empty => return Some(vec![HeaderValue::from_static("")]),
        Form::Nothing => return Some(vec![HeaderValue::from_static("Bearer")]),
        Form::InQuery | Form::Preflight | Form::Without => return Some(Vec::new()),
    };
    let long = if matches!(form, Form::TooLong) { "a".repeat(16 * 1024) } else { String::new() };
    let value = [before, token, after, &long].concat();
    let line = HeaderValue::from_bytes(value.as_bytes()).ok()?;
    Some(match form {
        Form::Twice => vec![line.clone(), line],
        Form::TwiceAndBasic => vec![line, HeaderValue::from_static("Basic eDp5")],
        _ => vec![line],
    })
}

/// The request, unless no header can hold it.
fn request(form: Form, method: &Method, token: &str) -> Option<Request<Untouchable>> {
    let is_plain = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    let in_query = matches!(form, Form::InQuery) && is_plain;
    let uri = if in_query { format!("/whoami?access_token={token}") } else { "/whoami".to_owned() };
    let mut request = Request::builder().method(method).uri(uri).body(Untouchable).ok()?;
    if matches!(form, Form::Preflight) {
        *request.method_mut() = Method::OPTIONS;
        request.headers_mut().insert("origin", HeaderValue::from_static("https://app.example.com"));
        request.headers_mut().insert("access-control-request-method", HeaderValue::from_static("GET"));
    }
    for line in lines(form, token)? {
        request.headers_mut().append("authorization", line);
    }
    Some(request)
}

// The law of decisions.

#[derive(Clone, Debug)]
enum Decision {
    /// To the next layer or the handler, without an access token.
    Pass,
    Admit(Box<Genuine>),
    /// A refusal by what was remembered or by what is true now: both are right.
    Either(Box<Genuine>),
    Reject(Reason),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Reason {
    InsufficientScope,
    InvalidRequest,
    InvalidToken,
    MissingToken,
}

/// What a layer remembers of a token.
#[derive(Clone, Debug, Default)]
struct Memory {
    good: Option<(Genuine, Instant)>,
    admitted_at: Option<Instant>,
    bad_until: Option<Instant>,
}

/// By stack, layer and token.
type Memories = HashMap<(usize, bool, usize), Memory>;

struct World<'a> {
    oracles: &'a [Oracle],
    tokens: &'a [String],
    read: Vec<OnceCell<Result<Genuine, Refusal>>>,
    clock: ManualClock,
    times: &'a Times,
}

impl World<'_> {
    /// By one configuration, at this time.
    fn judge(&self, configuration: usize, token: usize) -> Result<Genuine, Refusal> {
        let cell = &self.read[configuration * self.tokens.len() + token];
        let read = || self.oracles[configuration].read(&self.tokens[token]).map_err(Refusal::For);
        let genuine = cell.get_or_init(read).clone()?;
        genuine.at(self.clock.now())?;
        Ok(genuine)
    }

    /// By the verifiers of a layer: the first that may know the token is the only one that is asked.
    fn verify(&self, gate: &Gate, token: usize) -> Result<Genuine, Refusal> {
        let count = self.oracles.len();
        let Some(second) = gate.second else { return self.judge(gate.first.index(count), token) };
        let asked = [gate.first, second].into_iter().map(|index| index.index(count));
        let mut asked = asked.filter(|at| self.oracles[*at].is_asked(&self.tokens[token]));
        let asked = asked.next().ok_or(Refusal::NotYet)?;
        self.judge(asked, token)
    }

    /// The same through a cache, where there is one. False: what is remembered may also have been dropped.
    fn ask(&self, gate: &Gate, memory: &mut Memory, token: usize) -> (Result<Genuine, Refusal>, bool) {
        let true_now = self.verify(gate, token);
        // CA-17: without a time to live there is no cache.
        if !gate.is_cached || self.times.time_to_live.is_zero() {
            return (true_now, true);
        }
        let (wall, instant) = (self.clock.now(), self.clock.instant());
        let is_young = |since: Instant| instant < since + self.times.time_to_live;
        if let Some((genuine, since)) = &memory.good
            && genuine.may_be_remembered_at(wall)
        {
            // A clean-up may have dropped it while the wall clock was elsewhere, and it may have been verified anew.
            let is_certain = true_now.is_ok();
            let may_be_there = is_young(*since) || memory.admitted_at.is_some_and(is_young);
            if may_be_there {
                return (Ok(genuine.clone()), is_certain);
            }
        }
        if memory.bad_until.is_some_and(|until| instant < until) {
            return (Err(Refusal::For("remembered")), true);
        }
        *memory = Memory::default();
        match &true_now {
            Ok(genuine) => memory.good = Some((genuine.clone(), instant)),
            Err(Refusal::For(_)) => memory.bad_until = Some(instant + self.times.negative_time_to_live),
            Err(Refusal::NotYet) => {}
        }
        (true_now, true)
    }

    /// What each layer decides, from the outermost to the last that has something to decide.
    fn expect<'g>(
        &self,
        memories: &mut Memories,
        (stack, gates): (usize, &'g (Gate, Option<Gate>)),
        token: usize,
        mut request: Request<Untouchable>,
    ) -> Vec<(&'g Gate, Decision)> {
        let (outer, inner) = gates;
        let mut expected = Vec::new();
        for (gate, is_inner) in [(Some(outer), false), (inner.as_ref(), true)] {
            let Some(gate) = gate else { continue };
            let memory = memories.entry((stack, is_inner, token)).or_default();
            let decision = self.decide(gate, memory, token, &request);
            let goes_on = !matches!(decision, Decision::Reject(_));
            expected.push((gate, decision));
            if !goes_on {
                break;
            }
            if gate.strips {
                request.headers_mut().remove("authorization");
            }
        }
        expected
    }

    fn decide(
        &self,
        gate: &Gate,
        memory: &mut Memory,
        token: usize,
        request: &Request<Untouchable>,
    ) -> Decision {
        let headers = request.headers();
        if request.method() == Method::OPTIONS
            && headers.contains_key("origin")
            && headers.contains_key("access-control-request-method")
        {
            return Decision::Pass;
        }
        let lines: Vec<_> = headers.get_all("authorization").iter().map(HeaderValue::as_bytes).collect();
        match credential(&lines) {
            Credential::Malformed => return Decision::Reject(Reason::InvalidRequest),
            Credential::Missing if gate.is_optional => return Decision::Pass,
            Credential::Missing => return Decision::Reject(Reason::MissingToken),
            Credential::NoToken => return Decision::Reject(Reason::InvalidToken),
            Credential::Token(own) => assert_eq!(own, self.tokens[token]),
        }
        let (verdict, is_certain) = self.ask(gate, memory, token);
        let Ok(genuine) = verdict else { return Decision::Reject(Reason::InvalidToken) };
        if !is_certain {
            return Decision::Either(Box::new(genuine));
        }
        memory.admitted_at = Some(self.clock.instant());
        match genuine.has_all(&gate.required) {
            true => Decision::Admit(Box::new(genuine)),
            false => Decision::Reject(Reason::InsufficientScope),
        }
    }
}

/// RFC 6750 §3, RFC 9728 §5.1: status, challenge and body of a refusal.
fn answer(reason: Reason, gate: &Gate) -> (StatusCode, String, String) {
    let (status, code, words) = match reason {
        Reason::InsufficientScope => (403, "insufficient_scope", "Additional scope is required"),
        Reason::InvalidRequest => (400, "invalid_request", "Malformed Authorization header"),
        Reason::InvalidToken => (401, "invalid_token", "The access token is invalid or expired"),
        Reason::MissingToken => (401, "", ""),
    };
    let scope = gate.required.join(" ");
    let metadata = if gate.has_resource { METADATA } else { "" };
    let all =
        [("error", code), ("scope", &*scope), ("resource_metadata", metadata), ("error_description", words)];
    let there: Vec<_> = all.iter().filter(|(_, value)| !value.is_empty()).collect();
    let there: Vec<_> = there.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    let challenge = if there.is_empty() { "realm=\"api\"".to_owned() } else { there.join(", ") };
    let body = match code {
        "" => String::new(),
        _ => format!(r#"{{"error":"{code}","error_description":"{words}"}}"#),
    };
    (StatusCode::from_u16(status).unwrap(), format!("Bearer {challenge}"), body)
}

// The run.

type Service = Auth<Handler, BoxVerifier>;
type Nested = Auth<Service, BoxVerifier>;

/// One layer around a handler, or two.
enum Stack {
    One(Box<Service>),
    Two(Box<Nested>),
}

fn layer(
    gate: &Gate,
    rules: &[Configuration],
    cache: &CacheLayer,
    clock: &ManualClock,
) -> AuthLayer<BoxVerifier> {
    // Its own clock counts where it is asked to wait.
    let verifier = |index: &Index| rules[index.index(rules.len())].verifier_with(clock.clone());
    let verifier = match &gate.second {
        None => verifier(&gate.first).boxed(),
        Some(second) => verifier(&gate.first).or(verifier(second)).boxed(),
    };
    let verifier = if gate.waits { Waiting(verifier).boxed() } else { verifier };
    let verifier = if gate.is_cached { verifier.cached(cache.clone()).boxed() } else { verifier };
    let mut builder =
        AuthLayer::builder(verifier).clock(clock.clone()).required_scopes(gate.required.clone());
    if gate.is_optional {
        builder = builder.optional();
    }
    if gate.strips {
        builder = builder.strip_authorization();
    }
    if gate.has_resource {
        builder = builder.resource(RESOURCE).authorization_servers([ISSUER]);
    }
    builder.build().unwrap()
}

#[derive(Default)]
struct Tally {
    requests: AtomicUsize,
    admitted: AtomicUsize,
    statuses: [AtomicUsize; 4],
}

#[derive(Clone, Debug)]
struct Case {
    rules: Vec<Configuration>,
    /// Each for one of the configurations.
    plans: Vec<(Plan, Index)>,
    stacks: Vec<(Gate, Option<Gate>)>,
    times: Times,
    steps: Vec<Step>,
}

fn case() -> BoxedStrategy<Case> {
    let times = (select(&[0_u64, 5, 60, 300][..]), select(&[0_u64, 5, 10][..])).prop_map(|(good, bad)| {
        Times { time_to_live: Duration::from_secs(good), negative_time_to_live: Duration::from_secs(bad) }
    });
    let plans = prop_oneof![1 => plan(signer(1)), 1 => good(signer(1))];
    let plans = proptest::collection::vec((plans, proptest::arbitrary::any::<Index>()), 2..7);
    // The one outside remembers nothing, so that there is no doubt about what reaches the other.
    let nested =
        (gate(), gate()).prop_map(|(outer, inner)| (Gate { is_cached: false, ..outer }, Some(inner)));
    let stack = prop_oneof![4 => gate().prop_map(|gate| (gate, None)), 1 => nested];
    let stacks = proptest::collection::vec(stack, 1..4);
    let some = |count: usize| proptest::collection::vec(configuration(), count..=count);
    let rules = prop_oneof![4 => some(1), 2 => some(2), 1 => some(3)];
    (rules, plans, stacks, times, proptest::collection::vec(step(), 20..80))
        .prop_map(|(rules, plans, stacks, times, steps)| Case { rules, plans, stacks, times, steps })
        .boxed()
}

#[test]
fn a_handler_is_reached_and_every_other_request_answered_as_the_law_has_it() {
    let tally = Tally::default();
    cases(400).run(&case(), |case| run(&case, &tally)).unwrap();
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    let (requests, admitted) = (count(&tally.requests), count(&tally.admitted));
    let statuses = tally.statuses.each_ref().map(count);
    println!("{requests} requests, {admitted} admitted, 200 400 401 403: {statuses:?}");
    assert!(admitted > requests / 20 && statuses.iter().all(|seen| *seen > requests / 400));
}

fn run(case: &Case, tally: &Tally) -> TestCaseResult {
    let (clock, Case { rules, plans, stacks, times, steps }) = (ManualClock::new(), case);
    clock.set(SystemTime::UNIX_EPOCH + Duration::from_secs(NOW));
    let oracles: Vec<_> = rules.iter().cloned().map(Oracle::new).collect();
    let write = |(plan, of): &(Plan, Index)| {
        let rules = &rules[of.index(rules.len())];
        let token = fitting(plan, rules).write(Aim { rules, now: Duration::from_secs(NOW) });
        // What is around a token in a header is not of it.
        token.trim_matches([' ', '\t']).to_owned()
    };
    let tokens: Vec<_> = plans.iter().map(write).collect();
    let read = vec![OnceCell::new(); oracles.len() * tokens.len()];
    let world = World { oracles: &oracles, tokens: &tokens, read, clock: clock.clone(), times };
    let handler = Handler::default();
    let built = build(case, &handler, &clock);
    let mut memories: Memories = HashMap::new();
    for step in steps {
        match step {
            Step::Advance(span) => clock.advance(*span),
            Step::Jump(to) => {
                let (start, span) = (Duration::from_secs(NOW), Duration::from_millis(to.unsigned_abs()));
                clock.set(SystemTime::UNIX_EPOCH + if *to < 0 { start - span } else { start + span });
            }
            Step::Ask { stack, token, form, method } => {
                let (stack, token) = (stack.index(stacks.len()), &tokens[token.index(tokens.len())]);
                // Two plans may make the same token.
                let token = tokens.iter().position(|other| other == token).unwrap();
                let mut answers = Vec::new();
                for _ in 0..2 {
                    let Some(request) = request(*form, method, &tokens[token]) else { continue };
                    let asked = self::request(*form, method, &tokens[token]).unwrap();
                    let expected = world.expect(&mut memories, (stack, &stacks[stack]), token, asked);
                    answers.push(check(&built[stack], request, &handler, &expected, tally)?);
                }
                if let [cold, warm] = &answers[..] {
                    prop_assert_eq!(cold, warm, "the second answer");
                }
            }
        }
    }
    Ok(())
}

fn build(case: &Case, handler: &Handler, clock: &ManualClock) -> Vec<Stack> {
    let Case { rules, stacks, times, .. } = case;
    // One layer for all: what it remembers for one, it does not for another.
    let cache = CacheLayer::builder().time_to_live(times.time_to_live);
    let cache = cache.negative_time_to_live(times.negative_time_to_live).jitter(0).refresh_ahead(0);
    let cache = cache.max_entries(64).max_negative_entries(64).clock(clock.clone()).build().unwrap();
    let layer = |gate: &Gate| layer(gate, rules, &cache, clock);
    let stack = |(outer, inner): &(Gate, Option<Gate>)| match inner {
        None => Stack::One(Box::new(layer(outer).layer(handler.clone()))),
        Some(inner) => Stack::Two(Box::new(layer(outer).layer(layer(inner).layer(handler.clone())))),
    };
    stacks.iter().map(stack).collect()
}

/// What has to be the same twice.
type Seen = (StatusCode, String, String, Option<Accepted>);

fn check(
    stack: &Stack,
    request: Request<Untouchable>,
    handler: &Handler,
    expected: &[(&Gate, Decision)],
    tally: &Tally,
) -> Result<Seen, TestCaseError> {
    let (is_head, had_credential) =
        (request.method() == Method::HEAD, request.headers().contains_key("authorization"));
    let calls = handler.calls();
    let answer = block_on(async {
        match stack {
            Stack::One(service) => Answer::read((**service).clone().oneshot(request).await.unwrap()).await,
            Stack::Two(service) => Answer::read((**service).clone().oneshot(request).await.unwrap()).await,
        }
    });
    tally.requests.fetch_add(1, Ordering::Relaxed);
    let at = [200, 400, 401, 403].iter().position(|status| answer.status == *status);
    let Some(at) = at else { return Err(TestCaseError::fail(format!("{answer:?}"))) };
    tally.statuses[at].fetch_add(1, Ordering::Relaxed);
    let is_reached = handler.calls() > calls;
    prop_assert_eq!(is_reached, answer.status == StatusCode::OK);
    let challenge = answer.field("www-authenticate").to_owned();
    let mut seen = (answer.status, challenge, answer.body.clone(), None);
    let (gate, decision) = expected.last().expect("at least one layer");
    let decision = match decision {
        // It is free to refuse.
        Decision::Either(_) if seen.0 == StatusCode::UNAUTHORIZED => &Decision::Reject(Reason::InvalidToken),
        certain => certain,
    };
    match decision {
        Decision::Reject(reason) => {
            let (status, challenge, body) = self::answer(*reason, gate);
            prop_assert_eq!((seen.0, &seen.1), (status, &challenge), "{:?}", expected);
            prop_assert_eq!(&seen.2, if is_head { "" } else { &body });
            prop_assert_eq!(answer.field("content-length"), body.len().to_string());
            prop_assert_eq!(answer.field("cache-control"), "no-store");
            prop_assert!(!answer.has_token);
        }
        Decision::Pass => {
            prop_assert!(is_reached && handler.last().token.is_none(), "{:?}", answer);
            check_field(handler, expected, had_credential)?;
        }
        Decision::Admit(genuine) | Decision::Either(genuine) if is_reached => {
            tally.admitted.fetch_add(1, Ordering::Relaxed);
            let inside = handler.last();
            let token = inside.token.expect("an access token");
            let said = Accepted::of(&token);
            prop_assert_eq!(&said, &genuine.says);
            if calls.is_multiple_of(16) {
                prop_assert_eq!(token.claims(), &genuine.claims());
            }
            check_field(handler, expected, had_credential)?;
            seen.3 = Some(said);
        }
        Decision::Admit(_) => prop_assert!(false, "{:?} {:?}", answer, expected),
        Decision::Either(genuine) => {
            // Remembered as good, and without a scope.
            prop_assert!(!genuine.has_all(&gate.required), "{:?} {:?}", answer, expected);
        }
    }
    Ok(seen)
}

/// The credential goes on, marked, unless a layer keeps it.
fn check_field(handler: &Handler, expected: &[(&Gate, Decision)], had_one: bool) -> TestCaseResult {
    let inside = handler.last();
    let field = inside.headers.get("authorization");
    let is_stripped = expected.iter().any(|(gate, _)| gate.strips);
    prop_assert_eq!(field.is_some(), had_one && !is_stripped);
    prop_assert!(field.is_none_or(HeaderValue::is_sensitive));
    Ok(())
}

/// Most plans sign with a key that the configuration could have.
fn fitting(plan: &Plan, rules: &Configuration) -> Plan {
    let mut plan = plan.clone();
    let wants_symmetric = matches!(rules.keys, Keys::Secret(_));
    if plan.signer.algorithm.starts_with("HS") != wants_symmetric {
        plan.signer.algorithm = if wants_symmetric { "HS256" } else { "EdDSA" };
        plan.signer.owner = plan.signer.owner.min(1);
    }
    plan
}
