//! Verifiers side by side and around each other: who is shown a token, whose verdict stands, and what is remembered of it.

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

use std::collections::BTreeSet;
use std::error::Error;
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use common::{Answer, Counting, Handler, Logs, ManualClock, Untouchable, block_on};
use http::Request;
use tower::{Layer, ServiceExt};
use tower_bearer::access_token::AccessTokenBuilder;
use tower_bearer::clock::Clock;
use tower_bearer::error::{BuildErrorKind, VerifyErrorKind};
use tower_bearer::secret::Secret;
use tower_bearer::verifier::{AnyOf, ByPrefix, StaticTokens, Verdict};
use tower_bearer::{
    AccessToken, AuthLayer, BearerToken, BuildError, CacheLayer, ScopeSet, TokenVerifier, VerifyError,
};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn bearer(token: &str) -> BearerToken {
    BearerToken::new(token).unwrap()
}

fn start() -> SystemTime {
    ManualClock::new().now()
}

fn subject(verdict: &Verdict) -> &str {
    verdict.as_ref().unwrap().subject().unwrap()
}

fn kind(verdict: &Verdict) -> VerifyErrorKind {
    verdict.as_ref().unwrap_err().kind()
}

/// The fault of a build that has to fail: its setting and its kind.
fn fault<T>(built: Result<T, BuildError>) -> (&'static str, BuildErrorKind) {
    let Err(error) = built else { panic!("it was built") };
    assert!(error.to_string().contains(error.setting()), "{error}");
    (error.setting(), error.kind())
}

type Recognise = dyn Fn(&str) -> bool + Send + Sync;
type Answering = dyn Fn(&str) -> Verdict + Send + Sync;

/// A member of a stack, which notes every token that it is shown. Clones are the same.
#[derive(Clone)]
struct Member {
    inner: Arc<MemberInner>,
}

struct MemberInner {
    recognises: Box<Recognise>,
    answer: Mutex<Arc<Answering>>,
    is_immediate: bool,
    issuers: Vec<Arc<str>>,
    generation: AtomicU64,
    shown: Mutex<Vec<String>>,
}

impl Member {
    fn build(
        recognises: impl Fn(&str) -> bool + Send + Sync + 'static,
        answer: impl Fn(&str) -> Verdict + Send + Sync + 'static,
        is_immediate: bool,
        issuers: &[&str],
    ) -> Self {
        let inner = MemberInner {
            recognises: Box::new(recognises),
            answer: Mutex::new(Arc::new(answer)),
            is_immediate,
            issuers: issuers.iter().map(|issuer| Arc::from(*issuer)).collect(),
            generation: AtomicU64::new(0),
            shown: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Vouches for every token.
    fn good(name: &'static str) -> Self {
        Self::saying(name, Ok(AccessToken::verified().subject(name).build()))
    }

    fn saying(_: &'static str, verdict: Verdict) -> Self {
        Self::build(|_| true, move |_| verdict.clone(), false, &[])
    }

    /// Vouches for the tokens that it recognises.
    fn of(name: &'static str, recognises: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self::build(recognises, move |_| Ok(AccessToken::verified().subject(name).build()), false, &[])
    }

    fn answers(&self, answer: impl Fn(&str) -> Verdict + Send + Sync + 'static) {
        *self.inner.answer.lock().unwrap() = Arc::new(answer);
    }

    fn withdraws_a_key(&self) {
        self.inner.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// The tokens that it was shown since the last look.
    fn shown(&self) -> Vec<String> {
        std::mem::take(&mut *self.inner.shown.lock().unwrap())
    }

    fn look_at(&self, token: &BearerToken) -> Verdict {
        self.inner.shown.lock().unwrap().push(token.as_str().to_owned());
        let answer = Arc::clone(&self.inner.answer.lock().unwrap());
        answer(token.as_str())
    }
}

impl TokenVerifier for Member {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        self.look_at(token)
    }

    fn verify_now(&self, token: &BearerToken, _: SystemTime) -> Option<Verdict> {
        self.inner.is_immediate.then(|| self.look_at(token))
    }

    fn recognises(&self, token: &BearerToken) -> bool {
        (self.inner.recognises)(token.as_str())
    }

    fn generation(&self) -> u64 {
        self.inner.generation.load(Ordering::SeqCst)
    }

    fn issuers(&self) -> Vec<Arc<str>> {
        self.inner.issuers.clone()
    }
}

/// What a layer around a verifier answers.
fn present(verifier: impl TokenVerifier + 'static, clock: impl Clock, token: &str) -> Answer {
    let layer = AuthLayer::builder(verifier).clock(clock).build().unwrap();
    block_on(send(&layer, token))
}

async fn send<V: TokenVerifier + 'static>(layer: &AuthLayer<V>, token: &str) -> Answer {
    let field = format!("Bearer {token}");
    let request = Request::get("/").header("authorization", field).body(Untouchable).unwrap();
    Answer::read(layer.layer(Handler::default()).oneshot(request).await.unwrap()).await
}

/// What a member of a list says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Says {
    Good,
    Misconfigured,
    NotMine,
    Nothing,
    Rejected,
    Unavailable,
}

const ALL: [Says; 6] =
    [Says::Good, Says::Misconfigured, Says::NotMine, Says::Nothing, Says::Rejected, Says::Unavailable];

/// So that one sees whose verdict it is.
fn verdict_of(number: usize, says: Says) -> Verdict {
    let rejections = [VerifyErrorKind::Expired, VerifyErrorKind::Signature, VerifyErrorKind::Audience];
    let after = secs(number as u64 + 1);
    match says {
        Says::Good => Ok(AccessToken::verified().subject(number.to_string()).build()),
        Says::Misconfigured => Err(VerifyError::misconfigured(format!("of {number}"))),
        Says::NotMine | Says::Nothing => Err(VerifyError::not_mine()),
        Says::Rejected => Err(rejections[number].into()),
        Says::Unavailable => Err(VerifyError::unavailable(format!("of {number}")).retry_after(after)),
    }
}

/// All that a verdict says, in a form that can be compared.
fn said(verdict: &Verdict) -> String {
    match verdict {
        Ok(token) => format!("good: {:?} {:?} {:?}", token.principal(), token.scopes(), token.claims()),
        Err(error) => {
            let cause = error.source().map(ToString::to_string);
            format!("{:?} {} {:?} {cause:?}", error.kind(), error.is_misconfigured(), error.retry_delay())
        }
    }
}

/// What a list of three has to say, and whom it shows the token.
fn expected(says: [Says; 3], asks_all: bool) -> (Verdict, [usize; 3]) {
    let (mut shown, mut rejected, mut unavailable) = ([0; 3], None, None);
    for (number, says) in says.into_iter().enumerate() {
        if says == Says::Nothing {
            continue;
        }
        shown[number] = 1;
        let verdict = verdict_of(number, says);
        match says {
            Says::NotMine => {}
            Says::Rejected if asks_all => rejected = rejected.or(Some(verdict)),
            Says::Unavailable | Says::Misconfigured if asks_all => {
                unavailable = unavailable.or(Some(verdict));
            }
            _ => return (verdict, shown),
        }
    }
    (unavailable.or(rejected).unwrap_or_else(|| Err(VerifyError::not_mine())), shown)
}

#[test]
fn of_three_members_the_right_one_is_heard_and_nobody_behind_it_is_shown_the_token() {
    let last = AccessToken::verified().build();
    for combination in 0..ALL.len().pow(3) {
        let says = [combination % 6, combination / 6 % 6, combination / 36].map(|number| ALL[number]);
        let members = [0, 1, 2].map(|number| {
            let says = says[number];
            Member::build(move |_| says != Says::Nothing, move |_| verdict_of(number, says), true, &[])
        });
        let [a, b, c] = members.clone();
        let list = || AnyOf::new(members.clone().map(TokenVerifier::boxed)).unwrap();
        for (name, stack, asks_all) in [
            ("a chain", a.clone().or(b.clone()).or(c.clone()).boxed(), false),
            ("a chain in a chain", a.clone().or(b.clone().or(c.clone())).boxed(), false),
            ("a list", list().boxed(), false),
            (
                "a list in a list",
                AnyOf::new([a.boxed(), AnyOf::new([b.or(c).boxed()]).unwrap().boxed()]).unwrap().boxed(),
                false,
            ),
            ("a list of all", list().ask_all().boxed(), true),
            ("a list of all in a list", AnyOf::new([list().ask_all().boxed()]).unwrap().boxed(), true),
        ] {
            let (verdict, shown) = expected(says, asks_all);
            let token = bearer("presented");
            for own in [
                block_on(stack.verify(&token)),
                stack.verify_now(&token, start()).unwrap(),
                block_on(stack.revalidate(&token, &last)),
            ] {
                assert_eq!(said(&own), said(&verdict), "{name}: {says:?}");
            }
            let shown_to: Vec<usize> = members.iter().map(|member| member.shown().len()).collect();
            assert_eq!(shown_to, shown.map(|once| 3 * once), "{name}: {says:?}");
            assert_eq!(stack.recognises(&token), says.iter().any(|says| *says != Says::Nothing));
        }
    }
}

#[test]
fn a_list_of_all_answers_503_if_one_cannot_tell_and_nobody_vouches() {
    let rejected = || Member::saying("rejects", Err(VerifyErrorKind::Inactive.into()));
    let down = || Member::saying("down", Err(VerifyError::unavailable("down").retry_after(secs(7))));
    let good = || Member::good("alice");
    let broken = || Member::saying("broken", Err(VerifyError::misconfigured("refused")));
    let not_mine = || Member::saying("another", Err(VerifyError::not_mine()));
    for (name, members, plain, all, retry_after) in [
        ("outage, then good", vec![down(), good()], 503, 200, "7"),
        ("outage, then rejected", vec![down(), rejected()], 503, 503, "7"),
        ("rejected, then outage", vec![rejected(), down()], 401, 503, "7"),
        ("rejected, then good", vec![rejected(), good()], 401, 200, ""),
        ("rejected twice", vec![rejected(), rejected()], 401, 401, ""),
        ("misconfigured, then rejected", vec![broken(), rejected()], 503, 503, "5"),
        ("misconfigured, then outage", vec![broken(), down()], 503, 503, "5"),
        ("not mine of all", vec![not_mine(), not_mine()], 401, 401, ""),
        ("not mine, then good", vec![not_mine(), good()], 200, 200, ""),
        ("not mine, then outage", vec![not_mine(), down()], 503, 503, "7"),
        ("nobody but one who is down", vec![down()], 503, 503, "7"),
    ] {
        let list = || AnyOf::new(members.clone().into_iter().map(TokenVerifier::boxed)).unwrap();
        for (verifier, status) in [(list(), plain), (list().ask_all(), all)] {
            let answer = present(verifier, ManualClock::new(), "presented");
            assert_eq!(answer.status, status, "{name}");
            if answer.status == 503 {
                assert_eq!(answer.field("retry-after"), retry_after, "{name}");
                assert_eq!(answer.field("www-authenticate"), "", "{name}");
            }
        }
    }
}

#[test]
fn a_list_of_all_says_that_its_own_set_up_is_wrong_when_that_was_heard_first() {
    let (logs, _guard) = Logs::capture();
    let broken = Member::saying("broken", Err(VerifyError::misconfigured("our secret is refused")));
    let rejects = Member::saying("rejects", Err(VerifyErrorKind::Inactive.into()));
    let list = AnyOf::new([rejects.boxed(), broken.boxed()]).unwrap().ask_all();
    assert_eq!(present(list, ManualClock::new(), "presented").status, 503);
    let errors: Vec<_> = logs.own().into_iter().filter(|line| line.level == tracing::Level::ERROR).collect();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].field("cause"), "our secret is refused");
}

#[test]
fn a_list_of_all_goes_on_behind_a_member_that_waits() {
    let now = Member::build(|_| true, |_| Err(VerifyErrorKind::Inactive.into()), true, &[]);
    let later = Member::good("later");
    let list = AnyOf::new([now.boxed(), later.clone().boxed()]).unwrap();
    // Without waiting a rejection stands, or only the one who waits can say more.
    assert_eq!(kind(&list.verify_now(&bearer("x"), start()).unwrap()), VerifyErrorKind::Inactive);
    let all = list.ask_all();
    assert!(all.verify_now(&bearer("x"), start()).is_none());
    assert!(later.shown().is_empty());
    assert_eq!(subject(&block_on(all.verify(&bearer("x")))), "later");
}

#[test]
fn a_member_that_panics_is_an_answer_of_nobody_and_nobody_else_is_asked() {
    let second = Member::good("second");
    for all in [false, true] {
        let first = Counting::new(|_| panic!("a fault of the first"));
        let list = AnyOf::new([first.boxed(), second.clone().boxed()]).unwrap();
        let list = if all { list.ask_all() } else { list };
        assert_eq!(present(list, ManualClock::new(), "presented").status, 503);
        assert!(second.shown().is_empty());
    }
}

#[test]
fn the_token_goes_to_the_owner_of_its_longest_prefix() {
    let names = ["gh", "gho_", "sk_", "sk_live_", "sk_live_eu_", "Sk_"];
    let members = names.map(|name| (name, Member::good(name)));
    let prefixes = || ByPrefix::new(members.clone().map(|(name, member)| (name, member.boxed()))).unwrap();
    let last = AccessToken::verified().build();
    for (token, owner) in [
        ("gho_abc", Some("gho_")),
        ("ghp_abc", Some("gh")),
        ("gh", Some("gh")),
        ("gho", Some("gh")),
        ("gho_", Some("gho_")),
        ("sk_test_1", Some("sk_")),
        ("sk_live_1", Some("sk_live_")),
        ("sk_live_eu_1", Some("sk_live_eu_")),
        ("sk_live_eu", Some("sk_live_")),
        ("Sk_live_1", Some("Sk_")),
        ("SK_live_1", None),
        ("g", None),
        ("xgho_abc", None),
        ("eyJhbGciOiJSUzI1NiJ9.e30.c2ln", None),
    ] {
        let (stack, token) = (prefixes(), bearer(token));
        let chain = prefixes().or(Member::good("behind"));
        for verdict in [block_on(stack.verify(&token)), block_on(stack.revalidate(&token, &last))] {
            match owner {
                Some(owner) => assert_eq!(subject(&verdict), owner),
                None => assert_eq!(kind(&verdict), VerifyErrorKind::NotMine),
            }
        }
        assert_eq!(subject(&block_on(chain.verify(&token))), owner.unwrap_or("behind"));
        assert_eq!(stack.recognises(&token), owner.is_some());
        for (name, member) in &members {
            assert_eq!(member.shown().len(), if owner == Some(*name) { 3 } else { 0 }, "{token:?} {name}");
        }
    }
}

#[test]
fn the_verdict_of_the_longest_prefix_stands_and_a_shorter_one_is_not_asked() {
    let short = Member::good("short");
    for verdict in [
        Err(VerifyErrorKind::Inactive.into()),
        Err(VerifyError::unavailable("down")),
        Err(VerifyError::not_mine()),
    ] {
        let long = Member::saying("long", verdict.clone());
        let prefixes = ByPrefix::new([("a", short.clone().boxed()), ("ab", long.boxed())]).unwrap();
        assert_eq!(said(&block_on(prefixes.verify(&bearer("abc")))), said(&verdict));
    }
    // Nor if the owner of the longest does not recognise the token: a chain goes on behind them all.
    let (blind, behind) = (Member::of("blind", |_| false), Member::good("behind"));
    let prefixes = ByPrefix::new([("a", short.clone().boxed()), ("ab", blind.clone().boxed())]).unwrap();
    assert!(!prefixes.recognises(&bearer("abc")));
    assert_eq!(subject(&block_on(prefixes.or(behind).verify(&bearer("abc")))), "behind");
    assert!(short.shown().is_empty() && blind.shown().is_empty());
}

#[test]
fn a_token_that_no_member_recognises_is_shown_to_nobody_by_any_stack() {
    let (blind, token, mut shown_by) = (Member::of("blind", |_| false), bearer("abc"), Vec::new());
    for (name, stack) in [
        ("a chain", blind.clone().or(blind.clone()).boxed()),
        ("a list", AnyOf::new([blind.clone().boxed()]).unwrap().boxed()),
        ("a list of all", AnyOf::new([blind.clone().boxed()]).unwrap().ask_all().boxed()),
        ("prefixes", ByPrefix::new([("ab", blind.clone().boxed())]).unwrap().boxed()),
        ("prefixes in a cache", {
            let prefixes = ByPrefix::new([("ab", blind.clone().boxed())]).unwrap();
            prefixes.cached(CacheLayer::new()).boxed()
        }),
    ] {
        assert!(!stack.recognises(&token), "{name}");
        let verdict = block_on(stack.verify(&token));
        if verdict.is_ok() || !blind.shown().is_empty() {
            shown_by.push(name);
        }
    }
    assert_eq!(shown_by, [""; 0]);
}

#[test]
fn a_token_without_a_known_prefix_is_rejected_without_waiting() {
    let member = Member::good("member");
    let prefixes = || ByPrefix::new([("sk_", member.clone().boxed())]).unwrap();
    for token in ["pk_1", "s", "SK_1", "-"] {
        let answer = present(prefixes(), ManualClock::new(), token);
        assert_eq!((answer.status.as_u16(), answer.rejection.unwrap().reason()), (401, "not_mine"));
    }
    assert_eq!(present(prefixes(), ManualClock::new(), "sk_1").status, 200);
    assert_eq!(member.shown(), ["sk_1"]);
}

#[test]
fn a_list_or_a_choice_that_cannot_work_is_not_built() {
    use BuildErrorKind::{Conflict, Empty, InvalidText};
    let member = || Member::good("member").boxed();
    assert_eq!(fault(AnyOf::new([])), ("members", Empty));
    let of = |prefixes: &[&str]| ByPrefix::new(prefixes.iter().map(|prefix| (*prefix, member())));
    for (prefixes, kind) in [
        (&[][..], Empty),
        (&[""], Empty),
        (&["a", ""], Empty),
        (&["a b"], InvalidText),
        (&["a,"], InvalidText),
        (&["\u{e9}"], InvalidText),
        (&["a\n"], InvalidText),
        (&["a", "a"], Conflict),
        (&["a", "b", "ab", "b"], Conflict),
    ] {
        assert_eq!(fault(of(prefixes)), ("members", kind), "{prefixes:?}");
    }
    assert!(of(&["a", "A", "ab", "b"]).is_ok());
    let long = "x".repeat(20_000);
    assert_eq!(fault(of(&[&long])), ("members", InvalidText), "no token is that long");
}

#[test]
fn a_list_and_a_choice_print_how_they_are_set_up_and_nothing_else() {
    let member = || Member::good("member").boxed();
    let list = AnyOf::new([member(), member()]).unwrap();
    assert_eq!(format!("{list:?}"), "AnyOf { members: 2, asks_all: false, .. }");
    assert_eq!(format!("{:?}", list.ask_all()), "AnyOf { members: 2, asks_all: true, .. }");
    let prefixes = ByPrefix::new([("a", member()), ("abc", member())]).unwrap();
    assert_eq!(format!("{prefixes:?}"), r#"ByPrefix { prefixes: ["abc", "a"], .. }"#);
    let mapped = member().map_claims(|token, _| token);
    assert_eq!(format!("{mapped:?}"), "MapClaims { verifier: BoxVerifier { .. }, .. }");
}

/// Counts how often it was mapped, in a claim.
fn mapped_once_more(verifier: impl TokenVerifier, calls: Arc<AtomicUsize>) -> impl TokenVerifier {
    verifier.map_claims(move |builder, token| {
        calls.fetch_add(1, Ordering::SeqCst);
        builder.claim("mapped", token.claim::<u64>("mapped").unwrap_or(0) + 1)
    })
}

fn times_mapped(verdict: &Verdict) -> u64 {
    verdict.as_ref().unwrap().claim("mapped").unwrap()
}

/// Says, when it is asked again, that nothing has changed, or gives a new token.
#[derive(Clone)]
struct Unchanging(Arc<AtomicUsize>);

impl TokenVerifier for Unchanging {
    async fn verify(&self, _: &BearerToken) -> Verdict {
        Ok(AccessToken::verified().subject("first").build())
    }

    async fn revalidate(&self, _: &BearerToken, last: &AccessToken) -> Verdict {
        match self.0.fetch_add(1, Ordering::SeqCst) % 2 {
            0 => Ok(last.clone()),
            _ => Ok(AccessToken::verified().subject("new").build()),
        }
    }
}

#[test]
fn claims_are_mapped_once_whoever_remembers_them_and_however_they_are_verified_again() {
    let (clock, calls, asked_again) = (ManualClock::new(), Arc::default(), Arc::default());
    let mapped = mapped_once_more(Unchanging(Arc::clone(&asked_again)), Arc::clone(&calls));
    let layer = CacheLayer::builder().clock(clock.clone()).jitter(0).refresh_ahead(0).build().unwrap();
    let cached = mapped.cached(layer);
    let token = bearer("presented");
    for (passed, subject_then, maps) in
        [(0, "first", 1), (1, "first", 1), (301, "first", 1), (301, "new", 2), (1, "new", 2), (301, "new", 2)]
    {
        clock.advance(secs(passed));
        let verdict = block_on(cached.verify(&token));
        assert_eq!((subject(&verdict), times_mapped(&verdict)), (subject_then, 1));
        assert_eq!(calls.load(Ordering::SeqCst), maps, "a hit and an unchanged answer map nothing");
        let hit = cached.verify_now(&token, clock.now()).unwrap();
        assert_eq!((subject(&hit), times_mapped(&hit)), (subject_then, 1));
    }
    assert_eq!(asked_again.load(Ordering::SeqCst), 3);
}

/// Vouches, and never finds anything changed.
#[derive(Clone)]
struct Same(&'static str, Arc<AtomicBool>);

impl Same {
    fn new(subject: &'static str) -> Self {
        Self(subject, Arc::new(AtomicBool::new(true)))
    }
}

impl TokenVerifier for Same {
    async fn verify(&self, _: &BearerToken) -> Verdict {
        match self.1.load(Ordering::SeqCst) {
            true => Ok(AccessToken::verified().subject(self.0).scopes(ScopeSet::parse("read")).build()),
            false => Err(VerifyErrorKind::Inactive.into()),
        }
    }

    async fn revalidate(&self, token: &BearerToken, last: &AccessToken) -> Verdict {
        self.verify(token).await.map(|_| last.clone())
    }
}

#[test]
fn what_a_mapping_made_of_a_token_stays_on_its_side_of_the_mapping() {
    let clock = ManualClock::new();
    let layer = || CacheLayer::builder().clock(clock.clone()).jitter(0).refresh_ahead(0).build().unwrap();
    let token = bearer("presented");
    // The same cache serves as it is, and under a mapping with a cache of its own.
    let plain = Same::new("7").cached(layer());
    let more = |builder: AccessTokenBuilder, token: &AccessToken| {
        let subject = format!("gh:{}", token.subject().unwrap());
        builder.subject(subject).scopes(ScopeSet::parse(&format!("{} admin", token.scopes())))
    };
    let admin = plain.clone().map_claims(more).cached(layer());
    for _ in 0..4 {
        let mapped = block_on(admin.verify(&token)).unwrap();
        assert_eq!((mapped.subject(), mapped.scopes().as_str()), (Some("gh:7"), "read admin"));
        let unmapped = block_on(plain.verify(&token)).unwrap();
        assert_eq!((unmapped.subject(), unmapped.scopes().as_str()), (Some("7"), "read"));
        clock.advance(secs(301));
    }
    // A mapping of a mapping, with caches between them.
    let twice = Same::new("7").map_claims(more).cached(layer()).map_claims(more).cached(layer());
    for _ in 0..4 {
        assert_eq!(block_on(twice.verify(&token)).unwrap().subject(), Some("gh:gh:7"));
        clock.advance(secs(301));
    }
}

#[test]
fn what_one_member_granted_ends_with_that_member() {
    let clock = ManualClock::new();
    let role =
        |role: &'static str| move |builder: AccessTokenBuilder, _: &AccessToken| builder.claim("role", role);
    let admins = Same::new("alice");
    let members = [
        admins.clone().map_claims(role("admin")).boxed(),
        Same::new("alice").map_claims(role("user")).boxed(),
    ];
    let layer = CacheLayer::builder().clock(clock.clone()).jitter(0).refresh_ahead(0).build().unwrap();
    let cached = AnyOf::new(members).unwrap().ask_all().cached(layer);
    let role = || block_on(cached.verify(&bearer("presented"))).unwrap().claim::<String>("role").unwrap();
    assert_eq!(role(), "admin");
    clock.advance(secs(301));
    assert_eq!(role(), "admin");
    admins.1.store(false, Ordering::SeqCst);
    clock.advance(secs(301));
    assert_eq!(role(), "user");
}

#[test]
fn around_a_cache_claims_are_mapped_for_each_request_and_what_is_remembered_stays_as_it_was() {
    let calls = Arc::default();
    let member = Member::good("member");
    let mapped = mapped_once_more(member.clone().cached(CacheLayer::new()), Arc::clone(&calls));
    for number in 1..=5 {
        assert_eq!(times_mapped(&block_on(mapped.verify(&bearer("x")))), 1);
        assert_eq!(times_mapped(&mapped.verify_now(&bearer("x"), SystemTime::now()).unwrap()), 1);
        assert_eq!(calls.load(Ordering::SeqCst), 2 * number);
    }
    assert_eq!(member.shown().len(), 1);
}

#[test]
fn nobody_gets_around_a_mapping_in_any_of_the_ways_to_ask() {
    let now = Member::build(|_| true, |_| Ok(AccessToken::verified().subject("x").build()), true, &[]);
    let mapped = || mapped_once_more(now.clone(), Arc::default());
    let last = AccessToken::verified().subject("last").build();
    let token = bearer("x");
    for stack in [
        mapped().boxed(),
        mapped().or(Member::good("behind")).boxed(),
        AnyOf::new([mapped().boxed()]).unwrap().boxed(),
        ByPrefix::new([("x", mapped().boxed())]).unwrap().boxed(),
        mapped().timeout(secs(1)).boxed(),
        mapped().cached(CacheLayer::new()).boxed(),
    ] {
        assert_eq!(times_mapped(&stack.verify_now(&token, SystemTime::now()).unwrap()), 1);
        assert_eq!(times_mapped(&block_on(stack.verify(&token))), 1);
        assert_eq!(times_mapped(&block_on(stack.revalidate(&token, &last))), 1);
    }
    let twice = mapped_once_more(mapped(), Arc::default());
    assert_eq!(times_mapped(&twice.verify_now(&token, start()).unwrap()), 2);
    assert_eq!(times_mapped(&block_on(twice.verify(&token))), 2);
}

fn assert_same_but_for_claims_and_scopes(own: &AccessToken, other: &AccessToken) {
    assert_eq!(own.principal(), other.principal());
    assert_eq!((own.client(), own.token_id()), (other.client(), other.token_id()));
    assert!(own.audiences().eq(other.audiences()));
    assert_eq!((own.expires_at(), own.issued_at()), (other.expires_at(), other.issued_at()));
    assert_eq!((own.not_before(), own.validator()), (other.not_before(), other.validator()));
}

#[test]
fn a_mapping_keeps_what_it_does_not_change() {
    let full = AccessToken::verified()
        .subject("alice")
        .issuer("https://as.example.com")
        .client("client")
        .token_id("id")
        .audiences(["a", "b"])
        .scopes(ScopeSet::parse("read"))
        .expires_at(start() + secs(100))
        .issued_at(start())
        .not_before(start() + secs(1))
        .validator("W/\"1\"")
        .leeway(secs(30))
        .claim("team", "infra")
        .build();
    let given = full.clone();
    let member = Member::build(|_| true, move |_| Ok(given.clone()), true, &[]);
    let mapped = member.map_claims(|token, _| token.claim("added", 1).scopes(ScopeSet::parse("read write")));
    for own in [
        mapped.verify_now(&bearer("x"), start()).unwrap().unwrap(),
        block_on(mapped.verify(&bearer("x"))).unwrap(),
    ] {
        assert_same_but_for_claims_and_scopes(&own, &full);
        for seconds in [99, 100, 129, 130] {
            let at = start() + secs(seconds);
            assert_eq!(own.is_expired(at), seconds == 130, "the leeway at {seconds}");
        }
        assert_eq!(own.claims().len(), 2);
        assert_eq!((own.claim::<String>("team").as_deref(), own.claim("added")), (Some("infra"), Some(1)));
        assert_eq!(own.scopes().as_str(), "read write");
    }
    assert!(full.claim::<u64>("added").is_none(), "what the verifier vouched for stays as it was");
}

#[test]
fn the_layer_judges_what_was_mapped() {
    let member = || Member::good("alice");
    let scoped = |scopes: &'static str| member().map_claims(|token, _| token.scopes(ScopeSet::parse(scopes)));
    for (scopes, status) in [("", 403), ("read", 200), ("write", 403)] {
        let layer = AuthLayer::builder(scoped(scopes)).required_scopes(["read"]).build().unwrap();
        assert_eq!(block_on(send(&layer, "x")).status, status, "{scopes}");
    }
    let ended = member().map_claims(|token, _| token.expires_at(SystemTime::UNIX_EPOCH));
    let answer = present(ended, ManualClock::new(), "x");
    assert_eq!((answer.status.as_u16(), answer.rejection.unwrap().reason()), (401, "expired"));
}

#[test]
fn an_error_is_not_mapped_and_a_mapping_that_panics_admits_nobody() {
    let calls = Arc::default();
    for error in [VerifyErrorKind::Inactive.into(), VerifyError::unavailable("x"), VerifyError::not_mine()] {
        let mapped = mapped_once_more(Member::saying("x", Err(error.clone())), Arc::clone(&calls));
        assert_eq!(said(&block_on(mapped.verify(&bearer("x")))), said(&Err(error)));
    }
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    for is_immediate in [false, true] {
        let good = |_: &str| Ok(AccessToken::verified().build());
        let member = Member::build(|_| true, good, is_immediate, &[]);
        let answer = present(member.map_claims(|_, _| panic!("a fault")), ManualClock::new(), "x");
        assert_eq!(answer.status, 503);
    }
}

#[test]
fn only_the_tokens_of_the_member_inside_are_mapped() {
    let (a, b) = (Member::of("a", |token| token.starts_with('a')), Member::good("b"));
    let chain = mapped_once_more(a, Arc::default()).or(b);
    assert_eq!(times_mapped(&block_on(chain.verify(&bearer("a")))), 1);
    assert!(block_on(chain.verify(&bearer("b"))).unwrap().claims().is_empty());
}

/// Never answers, and notes when somebody waits and when they no longer do.
#[derive(Clone, Default)]
struct Stuck {
    waiting: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
}

struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl TokenVerifier for Stuck {
    async fn verify(&self, _: &BearerToken) -> Verdict {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _waiting = Waiting(Arc::clone(&self.waiting));
        pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_time_limit_nobody_can_tell_and_what_was_under_way_is_dropped() {
    let stuck = Stuck::default();
    let layer = AuthLayer::new(stuck.clone().timeout(secs(2)));
    let asked_at = tokio::time::Instant::now();
    let answer = send(&layer, "x").await;
    assert_eq!(asked_at.elapsed().as_secs(), 2);
    assert_eq!((answer.status.as_u16(), answer.field("retry-after")), (503, "5"));
    assert_eq!(answer.field("www-authenticate"), "");
    let error = answer.rejection.as_ref().and_then(|rejection| rejection.verify_error()).unwrap();
    assert!(!error.is_misconfigured() && error.source().unwrap().to_string().contains("time limit"));
    assert_eq!(stuck.waiting.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn the_time_limit_holds_for_every_way_to_ask_and_wherever_it_stands() {
    let last = AccessToken::verified().build();
    let stuck = Stuck::default();
    let limited = || stuck.clone().timeout(secs(2));
    let token = bearer("x");
    for (name, stack) in [
        ("alone", limited().boxed()),
        ("the shorter inside", limited().timeout(secs(9)).boxed()),
        ("the shorter outside", stuck.clone().timeout(secs(9)).timeout(secs(2)).boxed()),
        ("in a chain", limited().or(Member::good("behind")).boxed()),
        ("around a chain", stuck.clone().or(Member::good("behind")).timeout(secs(2)).boxed()),
        ("mapped", limited().map_claims(|token, _| token).boxed()),
        ("of a prefix", ByPrefix::new([("x", limited().boxed())]).unwrap().boxed()),
    ] {
        let asked_at = tokio::time::Instant::now();
        assert!(stack.verify_now(&token, start()).is_none(), "{name}");
        assert_eq!(kind(&stack.verify(&token).await), VerifyErrorKind::Unavailable, "{name}");
        assert_eq!(asked_at.elapsed().as_secs(), 2, "{name}");
        assert_eq!(kind(&stack.revalidate(&token, &last).await), VerifyErrorKind::Unavailable, "{name}");
        assert_eq!(asked_at.elapsed().as_secs(), 4, "{name}");
        assert_eq!(stuck.waiting.load(Ordering::SeqCst), 0, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn behind_a_member_that_hangs_the_next_is_asked_only_by_a_list_of_all() {
    let good = Member::good("good");
    let list = AnyOf::new([Stuck::default().timeout(secs(2)).boxed(), good.clone().boxed()]).unwrap();
    assert_eq!(kind(&list.verify(&bearer("x")).await), VerifyErrorKind::Unavailable);
    assert!(good.shown().is_empty());
    assert_eq!(subject(&list.ask_all().verify(&bearer("x")).await), "good");
}

/// Answers after some time.
struct After(Duration);

impl TokenVerifier for After {
    async fn verify(&self, _: &BearerToken) -> Verdict {
        tokio::time::sleep(self.0).await;
        Ok(AccessToken::verified().subject("late").build())
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_within_the_time_limit_counts() {
    for (after, limit, is_good) in
        [(999, 1_000, true), (1_001, 1_000, false), (0, 1, true), (0, 0, true), (1, 0, false)]
    {
        let verifier = After(Duration::from_millis(after)).timeout(Duration::from_millis(limit));
        assert_eq!(verifier.verify(&bearer("x")).await.is_ok(), is_good, "{after} of {limit}");
    }
    assert!(After(secs(1)).timeout(Duration::MAX).verify(&bearer("x")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_came_too_late_is_not_remembered() {
    let stuck = Stuck::default();
    let cached = stuck.clone().timeout(secs(2)).cached(CacheLayer::new());
    for asked in 1..=3 {
        assert_eq!(kind(&cached.verify(&bearer("x")).await), VerifyErrorKind::Unavailable);
        assert_eq!(stuck.asked.load(Ordering::SeqCst), asked);
    }
    let stats = cached.handle().stats();
    assert_eq!((stats.entries(), stats.negative_entries(), stats.in_flight()), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_before_the_time_limit_leaves_nothing_behind() {
    let stuck = Stuck::default();
    let (verifier, token) = (stuck.clone().timeout(secs(60)), bearer("x"));
    let left = tokio::time::timeout(secs(1), verifier.verify(&token)).await;
    assert!(left.is_err());
    assert_eq!(stuck.waiting.load(Ordering::SeqCst), 0);
}

#[test]
fn outside_a_runtime_there_is_no_time_limit_but_there_is_an_answer() {
    let verifier = Member::good("alice").timeout(Duration::ZERO);
    assert_eq!(subject(&block_on(verifier.verify(&bearer("x")))), "alice");
}

#[test]
fn in_a_runtime_without_a_timer_there_is_no_time_limit_but_there_is_an_answer() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let verifier = Member::good("alice").timeout(secs(1));
    for _ in 0..3 {
        assert_eq!(subject(&runtime.block_on(verifier.verify(&bearer("x")))), "alice");
    }
}

const CI: &str = "a-long-random-token-of-ci";
const PROBE: &str = "a-long-random-token-of-a-probe";
const GONE: &str = "a-long-random-token-that-ended";

fn static_tokens(clock: &ManualClock) -> StaticTokens {
    let ci = AccessToken::verified().subject("ci").client("builder").claim("team", "infra");
    let ci = ci.scopes(ScopeSet::parse("build deploy")).expires_at(clock.now() + secs(100)).build();
    let probe = AccessToken::verified().subject("probe").build();
    let gone = AccessToken::verified().subject("gone").expires_at(clock.now()).build();
    StaticTokens::new([(CI, ci), (PROBE, probe), (GONE, gone)]).unwrap()
}

#[test]
fn a_known_token_stands_for_what_was_configured() {
    let clock = ManualClock::new();
    let tokens = static_tokens(&clock);
    let last = AccessToken::verified().build();
    for verdict in [
        block_on(tokens.verify(&bearer(CI))),
        tokens.verify_now(&bearer(CI), clock.now()).unwrap(),
        block_on(tokens.revalidate(&bearer(CI), &last)),
        block_on(tokens.clone().boxed().verify(&bearer(CI))),
    ] {
        let token = verdict.unwrap();
        assert_eq!((token.subject(), token.client()), (Some("ci"), Some("builder")));
        assert_eq!(token.claim::<String>("team").as_deref(), Some("infra"));
        assert!(token.scopes().contains_all(&ScopeSet::parse("build deploy")));
        assert_eq!(token.expires_at(), Some(clock.now() + secs(100)));
    }
    assert_eq!(subject(&block_on(tokens.verify(&bearer(PROBE)))), "probe");
    assert_eq!((tokens.generation(), tokens.issuers().len()), (0, 0));
}

#[test]
fn an_unknown_token_is_not_recognised_and_a_chain_goes_on() {
    let clock = ManualClock::new();
    let behind = Member::good("behind");
    let upper = CI.to_uppercase();
    let (longer, padded) = (format!("{CI}x"), format!("{CI}="));
    for token in [&CI[..CI.len() - 1], &longer, &padded, &upper, "x", &CI[1..], "eyJh.e30.c2ln"] {
        let (tokens, token) = (static_tokens(&clock), bearer(token));
        assert!(!tokens.recognises(&token));
        assert_eq!(kind(&block_on(tokens.verify(&token))), VerifyErrorKind::NotMine);
        assert_eq!(kind(&tokens.verify_now(&token, clock.now()).unwrap()), VerifyErrorKind::NotMine);
        let chain = tokens.or(behind.clone());
        assert_eq!(subject(&block_on(chain.verify(&token))), "behind");
    }
    behind.shown();
    let chain = static_tokens(&clock).or(behind.clone());
    assert_eq!(subject(&block_on(chain.verify(&bearer(CI)))), "ci");
    assert!(behind.shown().is_empty(), "what is known is shown to nobody");
}

#[test]
fn the_layer_answers_for_a_fixed_list_of_tokens() {
    let clock = ManualClock::new();
    let upper = CI.to_uppercase();
    for (token, before, after) in [
        (CI, 200, 401),
        (PROBE, 200, 200),
        (GONE, 401, 401),
        ("unknown-token-of-nobody", 401, 401),
        (&*upper, 401, 401),
    ] {
        let clock = ManualClock::new();
        let tokens = static_tokens(&clock);
        for stack in [
            tokens.clone().boxed(),
            tokens.cached(CacheLayer::builder().clock(clock.clone()).build().unwrap()).boxed(),
        ] {
            let layer = AuthLayer::builder(stack.clone()).clock(clock.clone()).build().unwrap();
            for _ in 0..2 {
                assert_eq!(block_on(send(&layer, token)).status, before, "{token}");
            }
        }
        clock.advance(secs(100));
        assert_eq!(present(static_tokens_at(&clock), clock.clone(), token).status, after, "{token}");
    }
    for (malformed, status) in [("a{b}c", 401), ("a b", 400), ("a,b", 400)] {
        assert_eq!(present(static_tokens(&clock), clock.clone(), malformed).status, status);
    }
}

/// The list as it was configured a hundred seconds ago.
fn static_tokens_at(clock: &ManualClock) -> StaticTokens {
    let earlier = ManualClock::new();
    earlier.set(clock.now() - secs(100));
    static_tokens(&earlier)
}

#[test]
fn a_remembered_fixed_token_ends_when_it_ends() {
    let clock = ManualClock::new();
    let layer = CacheLayer::builder().clock(clock.clone()).build().unwrap();
    let cached = static_tokens(&clock).cached(layer);
    let layer = AuthLayer::builder(cached).clock(clock.clone()).build().unwrap();
    for (passed, status) in [(0, 200), (99, 200), (1, 401), (0, 401)] {
        clock.advance(secs(passed));
        assert_eq!(block_on(send(&layer, CI)).status, status);
    }
}

#[test]
fn a_fixed_list_that_cannot_work_is_not_built() {
    use BuildErrorKind::{Conflict, Empty, InvalidText, WeakSecret};
    let of = |tokens: &[&str]| {
        StaticTokens::new(tokens.iter().map(|token| (*token, AccessToken::verified().build())))
    };
    let (long, longest) = ("x".repeat(16 * 1024 + 1), "x".repeat(16 * 1024));
    for (tokens, kind) in [
        (&[][..], Empty),
        (&[""], InvalidText),
        (&["fifteen-letters"], WeakSecret),
        (&[CI, "short"], WeakSecret),
        (&["not a token but long"], InvalidText),
        (&["not,a,token,but,long"], InvalidText),
        (&["not-a-token-\u{e9}-but-long"], InvalidText),
        (&["not-a-token-but-long\n"], InvalidText),
        (&[CI, PROBE, CI], Conflict),
        (&[&long], InvalidText),
    ] {
        let built = of(tokens);
        for token in tokens.iter().filter(|token| token.len() > 8) {
            assert!(!format!("{:?}", built.as_ref().unwrap_err()).contains(token));
        }
        assert_eq!(fault(built), ("tokens", kind), "{tokens:?}");
    }
    assert!(of(&["sixteen-letters-"]).is_ok() && of(&[&longest]).is_ok());
    let token = AccessToken::verified().build();
    assert!(StaticTokens::new([(String::from(CI), token.clone())]).is_ok());
    assert!(StaticTokens::new([(Secret::from(CI), token)]).is_ok());
}

#[test]
fn a_fixed_list_prints_how_many_tokens_it_has() {
    let tokens = || static_tokens(&ManualClock::new());
    for text in [format!("{:?}", tokens()), format!("{:?}", tokens().or(tokens()))] {
        assert!(text.contains("StaticTokens { tokens: 3, .. }") && !text.contains("a-long"), "{text}");
    }
}

#[test]
fn a_thousand_fixed_tokens_are_told_apart() {
    let name = |number: usize| format!("a-long-random-token-number-{number}");
    let tokens = StaticTokens::new(
        (0..1_000).map(|number| (name(number), AccessToken::verified().subject(number.to_string()).build())),
    )
    .unwrap();
    for number in [0, 1, 9, 10, 99, 500, 998, 999] {
        assert_eq!(subject(&block_on(tokens.verify(&bearer(&name(number))))), number.to_string());
    }
    assert_eq!(kind(&block_on(tokens.verify(&bearer(&name(1_000))))), VerifyErrorKind::NotMine);
}

#[test]
fn what_is_remembered_of_one_member_or_in_one_cache_is_nobody_elses() {
    // One layer makes all of these caches.
    let layer = CacheLayer::new();
    let (a, b) = (Member::of("a", |token| !token.starts_with('b')), Member::good("b"));
    let of_a = a.clone().cached(layer.clone());
    let of_b = b.clone().cached(layer.clone());
    let token = bearer("shared");
    for _ in 0..2 {
        assert_eq!(subject(&block_on(of_a.verify(&token))), "a");
        assert_eq!(subject(&block_on(of_b.verify(&token))), "b");
    }
    assert_eq!((a.shown().len(), b.shown().len()), (1, 1));
    // Two caches around one member remember for themselves too.
    let again = a.clone().cached(layer);
    assert_eq!(subject(&block_on(again.verify(&token))), "a");
    assert_eq!(a.shown().len(), 1);
    of_a.handle().clear();
    assert!(of_a.verify_now(&token, SystemTime::now()).is_none());
    assert!(again.verify_now(&token, SystemTime::now()).is_some());
    assert!(of_b.verify_now(&token, SystemTime::now()).is_some());
}

#[test]
fn a_cache_of_one_member_says_nothing_for_the_tokens_of_another() {
    let (a, b) = (Member::of("a", |token| token.starts_with('a')), Member::of("b", |_| true));
    let (of_a, of_b) = (a.clone().cached(CacheLayer::new()), b.clone().cached(CacheLayer::new()));
    let (handle_a, handle_b) = (of_a.handle(), of_b.handle());
    let chain = of_a.or(of_b);
    for _ in 0..3 {
        assert_eq!(subject(&block_on(chain.verify(&bearer("a1")))), "a");
        assert_eq!(subject(&block_on(chain.verify(&bearer("b1")))), "b");
    }
    assert_eq!((a.shown(), b.shown()), (vec!["a1".to_owned()], vec!["b1".to_owned()]));
    assert_eq!((handle_a.stats().entries(), handle_b.stats().entries()), (1, 1));
    assert_eq!((handle_a.stats().hits(), handle_b.stats().hits()), (2, 2));
}

#[test]
fn a_list_of_all_over_caches_asks_only_those_again_who_could_not_tell() {
    let rejects = Member::saying("rejects", Err(VerifyErrorKind::Inactive.into()));
    let down = Member::saying("down", Err(VerifyError::unavailable("down")));
    let clock = ManualClock::new();
    let layer = || CacheLayer::builder().clock(clock.clone()).build().unwrap();
    let members = [rejects.clone().cached(layer()).boxed(), down.clone().cached(layer()).boxed()];
    let list = AnyOf::new(members).unwrap().ask_all();
    for _ in 0..3 {
        assert_eq!(kind(&block_on(list.verify(&bearer("x")))), VerifyErrorKind::Unavailable);
    }
    assert_eq!((rejects.shown().len(), down.shown().len()), (1, 3));
    down.answers(|_| Ok(AccessToken::verified().subject("back").build()));
    for _ in 0..3 {
        assert_eq!(subject(&block_on(list.verify(&bearer("x")))), "back");
    }
    assert_eq!((rejects.shown().len(), down.shown().len()), (0, 1));
}

#[test]
fn what_is_not_mine_is_not_remembered_so_that_a_new_member_is_heard() {
    let member = Member::saying("x", Err(VerifyError::not_mine()));
    let list = AnyOf::new([member.clone().boxed(), Member::of("blind", |_| false).boxed()]).unwrap();
    let cached = list.cached(CacheLayer::new());
    for _ in 0..3 {
        assert_eq!(kind(&block_on(cached.verify(&bearer("x")))), VerifyErrorKind::NotMine);
    }
    assert_eq!(member.shown().len(), 3);
    member.answers(|_| Ok(AccessToken::verified().subject("now").build()));
    assert_eq!(subject(&block_on(cached.verify(&bearer("x")))), "now");
    assert_eq!((cached.handle().stats().entries(), cached.handle().stats().negative_entries()), (1, 0));
}

#[test]
fn a_key_that_any_member_withdraws_ends_what_was_remembered_of_the_whole_stack() {
    let members = [Member::of("a", |token| token == "a"), Member::of("b", |_| true)];
    let [a, b] = members.clone().map(TokenVerifier::boxed);
    let list = AnyOf::new([a.clone(), b.clone()]).unwrap();
    for (name, stack) in [
        ("a chain", a.clone().or(b.clone()).boxed()),
        ("a list", list.clone().boxed()),
        ("a list of all", list.clone().ask_all().boxed()),
        ("prefixes", ByPrefix::new([("a", a), ("b", b)]).unwrap().boxed()),
        ("mapped", list.clone().map_claims(|token, _| token).boxed()),
        ("a time limit", list.timeout(secs(1)).boxed()),
    ] {
        let cached = stack.cached(CacheLayer::new());
        for owner in &members {
            for member in &members {
                member.shown();
            }
            let ask = || ["a", "b"].map(|token| subject(&block_on(cached.verify(&bearer(token)))).to_owned());
            ask();
            for member in &members {
                member.shown();
            }
            assert_eq!(ask(), ["a", "b"], "{name}");
            assert!(members.iter().all(|member| member.shown().is_empty()), "{name}");
            owner.withdraws_a_key();
            assert!(cached.verify_now(&bearer("a"), SystemTime::now()).is_none(), "{name}");
            assert_eq!(ask(), ["a", "b"], "{name}");
            assert!(members.iter().all(|member| member.shown().len() == 1), "{name}");
        }
    }
}

#[test]
fn two_layers_with_different_stacks_log_and_count_each_for_itself() {
    let (logs, _guard) = Logs::capture();
    let rejects = |kind: VerifyErrorKind| Member::saying("x", Err(kind.into()));
    let member = || {
        let of = |token: &str| match token.len() % 4 {
            0 => Ok(AccessToken::verified().subject("x").build()),
            1 => Err(VerifyErrorKind::Inactive.into()),
            2 => Err(VerifyError::unavailable("down")),
            _ => Err(VerifyError::not_mine()),
        };
        Member::build(|token| !token.starts_with('-'), of, false, &[])
    };
    let list = || AnyOf::new([member().boxed(), rejects(VerifyErrorKind::Signature).boxed()]).unwrap();
    let first = AuthLayer::new(list());
    let second = AuthLayer::new(ByPrefix::new([("a", list().ask_all().boxed())]).unwrap());
    let token = |number: usize| ["a", "-", "b", "aa"][number % 4].to_owned() + &"x".repeat(number / 4);
    let tokens: Vec<String> = (0..64).map(token).collect();
    let reasons_of = |answers: Vec<Answer>| -> Vec<&'static str> {
        let reason = |answer: &Answer| answer.rejection.as_ref().map_or("", |rejection| rejection.reason());
        answers.iter().map(reason).collect()
    };
    let answered = [
        reasons_of(tokens.iter().map(|token| block_on(send(&first, token))).collect()),
        reasons_of(tokens.iter().map(|token| block_on(send(&second, token))).collect()),
    ];
    let lines = logs.own();
    assert_eq!(lines.len(), 128, "one line for each request");
    for ((answered, lines), verifier) in answered.iter().zip(lines.chunks(64)).zip(["AnyOf", "ByPrefix"]) {
        let logged: Vec<_> = lines.iter().map(|line| line.field("reason").to_owned()).collect();
        assert_eq!(logged, *answered);
        assert!(lines.iter().all(|line| line.field("verifier") == verifier));
    }
    let known = BTreeSet::from(["", "inactive", "not_mine", "signature", "unavailable"]);
    for (answered, expected) in
        answered.iter().zip([BTreeSet::from(["", "inactive", "signature", "unavailable"]), known.clone()])
    {
        let reasons: BTreeSet<&str> = answered.iter().copied().collect();
        assert!(reasons.is_subset(&known));
        assert_eq!(reasons, expected);
    }
}

/// The only name under which a layer around a verifier logs, whatever it is asked.
fn name_in_logs(verifier: impl TokenVerifier + 'static) -> String {
    let (logs, _guard) = Logs::capture();
    let layer = AuthLayer::new(verifier);
    for token in ["x", "eyJh.e30.c2ln", "a{b", "sk_1"] {
        block_on(send(&layer, token));
    }
    let decisions = logs.own().into_iter().filter(|line| !line.field("outcome").is_empty());
    let names: BTreeSet<String> = decisions.map(|line| line.field("verifier").to_owned()).collect();
    assert_eq!(names.len(), 1, "{names:?}");
    names.into_iter().next().unwrap()
}

#[test]
fn each_stack_is_logged_by_the_name_of_its_outermost_verifier() {
    let member = || Member::good("x");
    let prefixes = ByPrefix::new([("x", member().boxed())]).unwrap();
    for (name, own) in [
        ("AnyOf", name_in_logs(AnyOf::new([member().boxed()]).unwrap())),
        ("BoxVerifier", name_in_logs(member().or(member()).boxed())),
        ("ByPrefix", name_in_logs(prefixes.clone())),
        ("Cached", name_in_logs(member().or(prefixes).cached(CacheLayer::new()))),
        ("MapClaims", name_in_logs(member().map_claims(|token, _| token))),
        ("Member", name_in_logs(member())),
        ("Or", name_in_logs(member().or(member().timeout(secs(1))))),
        ("StaticTokens", name_in_logs(static_tokens(&ManualClock::new()))),
        ("Timeout", name_in_logs(member().cached(CacheLayer::new()).timeout(secs(1)))),
    ] {
        assert_eq!(own, name);
    }
}

#[cfg(all(feature = "testing", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod issuers {
    use std::future::Future;
    use std::path::Path;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};
    use tower_bearer::testing::{TestClock, TestIssuer};
    use tower_bearer::verifier::{ByIssuer, JwtVerifierBuilder};
    use tower_bearer::{Algorithm, JwtVerifier};

    use super::*;
    use crate::script::{AUDIENCE, App, Reply, Script, World, settle};

    const A: &str = "https://a.example.com";
    const B: &str = "https://b.example.com/";

    /// A token that looks like a JWT of an issuer, without any signature.
    fn of_issuer(issuer: &str) -> String {
        of_payload(&json!({ "iss": issuer }).to_string())
    }

    fn of_payload(payload: &str) -> String {
        format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#), URL_SAFE_NO_PAD.encode(payload))
    }

    /// Vouches for every token as one of an issuer.
    fn member(issuer: &'static str) -> Member {
        let good = move |_: &str| Ok(AccessToken::verified().issuer(issuer).subject(issuer).build());
        Member::build(|_| true, good, true, &[issuer])
    }

    fn by_issuer<const N: usize>(members: [&Member; N]) -> ByIssuer {
        ByIssuer::new(members.map(|member| member.clone().boxed())).unwrap()
    }

    /// The verdicts of all ways to ask.
    fn verdicts(verifier: &impl TokenVerifier, token: &str) -> [Verdict; 3] {
        let (token, last) = (bearer(token), AccessToken::verified().build());
        [
            block_on(verifier.verify(&token)),
            verifier.verify_now(&token, start()).unwrap(),
            block_on(verifier.revalidate(&token, &last)),
        ]
    }

    #[test]
    fn a_token_goes_to_the_verifier_of_the_issuer_that_it_names_and_to_nobody_else() {
        let (a, b) = (member(A), member(B));
        let stack = by_issuer([&a, &b]);
        for (issuer, own, other) in [(A, &a, &b), (B, &b, &a)] {
            for verdict in verdicts(&stack, &of_issuer(issuer)) {
                assert_eq!(subject(&verdict), issuer);
            }
            assert!(stack.recognises(&bearer(&of_issuer(issuer))));
            assert_eq!((own.shown().len(), other.shown().len()), (3, 0));
        }
        assert_eq!(stack.issuers(), [A.into(), B.into()], "in the order of the configuration");
        assert_eq!(format!("{stack:?}"), format!("ByIssuer {{ issuers: [{A:?}, {B:?}], .. }}"));
    }

    /// Names that are no issuer of the two, however much they look like one.
    const UNKNOWN: [&str; 13] = [
        "https://c.example.com",
        "https://a.example.com/",
        "https://b.example.com",
        "HTTPS://a.example.com",
        "https://a.example.com:443",
        " https://a.example.com",
        "https://a.example.com\0",
        "http://a.example.com",
        "http://169.254.169.254/",
        "file:///etc/passwd",
        "a.example.com",
        "*",
        "",
    ];

    #[test]
    fn a_token_of_an_unknown_issuer_or_of_none_is_seen_by_nobody() {
        let (a, b) = (member(A), member(B));
        let payloads = [
            json!({}).to_string(),
            json!({ "iss": null }).to_string(),
            json!({ "iss": 1 }).to_string(),
            json!({ "iss": [A] }).to_string(),
            json!({ "iss": { "iss": A } }).to_string(),
            json!({ "Iss": A, "issuer": A }).to_string(),
            json!([A]).to_string(),
            format!(r#"{{"iss":"{A}","iss":"{B}"}}"#),
            format!(r#"{{"iss":"{A}"}} {{}}"#),
            format!(r#"{{"iss":"{A}""#),
            String::new(),
            "null".to_owned(),
        ];
        let part = URL_SAFE_NO_PAD.encode(json!({ "iss": A }).to_string());
        let opaque = [
            "opaque".to_owned(),
            "gho_16C7e42F292c6912E7710c838347Ae178B4a".to_owned(),
            part.clone(),
            format!("x.{part}"),
            format!("x.{part}."),
            format!(".{part}.x"),
            format!("x.{part}.x.x"),
            format!("x.{part}.x.x.x"),
            "..".to_owned(),
            "a.b.c".to_owned(),
        ];
        let tokens = UNKNOWN
            .iter()
            .map(|issuer| of_issuer(issuer))
            .chain(payloads.iter().map(|text| of_payload(text)));
        let (stack, behind) = (by_issuer([&a, &b]), Member::good("behind"));
        for token in tokens.chain(opaque) {
            assert!(!stack.recognises(&bearer(&token)), "{token}");
            for verdict in verdicts(&stack, &token) {
                assert_eq!(kind(&verdict), VerifyErrorKind::NotMine, "{token}");
            }
            assert_eq!(
                subject(&block_on(stack.clone().or(behind.clone()).verify(&bearer(&token)))),
                "behind"
            );
            assert!(a.shown().is_empty() && b.shown().is_empty(), "{token}");
            assert_eq!(present(stack.clone(), ManualClock::new(), &token).status, 401);
        }
        // The same name, written otherwise, is the same.
        let escaped = of_payload(r#"{"iss":"https:\/\/a.example.com"}"#);
        assert_eq!(subject(&block_on(stack.verify(&bearer(&escaped)))), A);
    }

    #[test]
    fn a_member_that_vouches_for_a_token_of_another_issuer_is_not_believed() {
        type Vouch = fn() -> AccessToken;
        let liars: [(&str, Vouch); 4] = [
            ("another that is configured", || AccessToken::verified().issuer(B).subject("alice").build()),
            ("one that is not", || AccessToken::verified().issuer("https://c.example").build()),
            ("almost the same", || AccessToken::verified().issuer("https://a.example.com/").build()),
            ("none", || AccessToken::verified().subject("alice").build()),
        ];
        let b = member(B);
        for (name, vouched) in liars {
            let liar = member(A);
            liar.answers(move |_| Ok(vouched()));
            for verdict in verdicts(&by_issuer([&liar, &b]), &of_issuer(A)) {
                assert_eq!(kind(&verdict), VerifyErrorKind::Issuer, "{name}");
            }
            assert!(b.shown().is_empty());
        }
        // One that has both issuers is held to the one that the token names.
        let both = Member::build(|_| true, |_| Ok(AccessToken::verified().issuer(B).build()), true, &[A, B]);
        let stack = by_issuer([&both]);
        assert!(verdicts(&stack, &of_issuer(A)).iter().all(Result::is_err));
        assert!(verdicts(&stack, &of_issuer(B)).iter().all(Result::is_ok));
    }

    #[test]
    fn what_a_member_says_is_handed_on_and_one_that_does_not_recognise_its_token_lets_a_chain_go_on() {
        let b = member(B);
        for error in [
            VerifyErrorKind::Signature.into(),
            VerifyError::unavailable("down").retry_after(secs(9)),
            VerifyError::misconfigured("refused"),
            VerifyError::not_mine(),
        ] {
            let a = member(A);
            let own = error.clone();
            a.answers(move |_| Err(own.clone()));
            for verdict in verdicts(&by_issuer([&a, &b]), &of_issuer(A)) {
                assert_eq!(said(&verdict), said(&Err(error.clone())));
            }
        }
        let blind = Member::build(|_| false, |_| panic!("it was shown a token"), true, &[A]);
        let chain = by_issuer([&blind, &b]).or(Member::good("behind"));
        assert_eq!(subject(&block_on(chain.verify(&bearer(&of_issuer(A))))), "behind");
        assert!(b.shown().is_empty());
    }

    #[test]
    fn a_choice_of_issuers_that_cannot_work_is_not_built() {
        use BuildErrorKind::{Conflict, Empty, Missing};
        let of = |members: &[&[&'static str]]| {
            let member =
                |issuers: &&[&'static str]| Member::build(|_| true, |_| panic!(), false, issuers).boxed();
            ByIssuer::new(members.iter().map(member))
        };
        for (members, kind) in [
            (&[][..], Empty),
            (&[&[][..]], Missing),
            (&[&[A], &[]], Missing),
            (&[&[A], &[A]], Conflict),
            (&[&[A], &[B], &[A]], Conflict),
            (&[&[A, B], &[B]], Conflict),
            (&[&[A, A]], Conflict),
        ] {
            assert_eq!(fault(of(members)), ("members", kind), "{members:?}");
        }
        assert!(of(&[&[A], &[B]]).is_ok() && of(&[&[A, B], &["https://c.example"]]).is_ok());
        // Who takes any issuer cannot be chosen by one.
        let any = JwtVerifier::builder("x", AUDIENCE).insecure_allow_any_issuer().hmac_secret([7; 32]);
        assert_eq!(fault(ByIssuer::new([any.build().unwrap().boxed()])), ("members", Missing));
        let tokens = static_tokens(&ManualClock::new()).boxed();
        assert_eq!(fault(ByIssuer::new([member(A).boxed(), tokens])), ("members", Missing));
    }

    /// Two issuers whose documents come from one script.
    struct Two {
        a: TestIssuer,
        b: TestIssuer,
        script: Script,
        clock: TestClock,
    }

    impl Two {
        /// The second signs with other keys than the first.
        async fn new() -> Self {
            let clock = TestClock::new();
            let a = TestIssuer::with_clock(clock.clone()).await.unwrap();
            let b = TestIssuer::with_clock(clock.clone()).await.unwrap();
            b.rotate_keys();
            b.withdraw_old_keys();
            let two = Self { a, b, script: Script::new(), clock };
            two.publish();
            two
        }

        fn publish(&self) {
            for issuer in [&self.a, &self.b] {
                self.script.set(issuer.jwks_uri(), Reply::document(issuer.jwk_set()));
            }
        }

        fn builder(&self, issuer: &TestIssuer) -> JwtVerifierBuilder {
            JwtVerifier::builder(issuer.issuer(), AUDIENCE)
                .jwks_uri(issuer.jwks_uri())
                .http_client(self.script.clone())
                .clock(self.clock.clone())
        }

        fn verifier(&self) -> ByIssuer {
            let of = |issuer| self.builder(issuer).build().unwrap().boxed();
            ByIssuer::new([of(&self.a), of(&self.b)]).unwrap()
        }

        fn app(&self, verifier: impl TokenVerifier + 'static) -> App {
            App::new(verifier, self.clock.clone())
        }

        fn asked(&self, issuer: &TestIssuer) -> usize {
            self.script.urls().iter().filter(|url| **url == issuer.jwks_uri()).count()
        }
    }

    fn token_of(issuer: &TestIssuer) -> String {
        issuer.token().audience(AUDIENCE).mint()
    }

    #[tokio::test]
    async fn each_of_two_issuers_vouches_for_its_own_tokens_alone() {
        let two = Two::new().await;
        let (a, b) = (&two.a, &two.b);
        for stack in [
            two.verifier().boxed(),
            two.verifier().cached(CacheLayer::builder().clock(two.clock.clone()).build().unwrap()).boxed(),
            two.builder(a).build().unwrap().or(two.builder(b).build().unwrap()).boxed(),
            two.builder(b).build().unwrap().or(two.builder(a).build().unwrap()).boxed(),
        ] {
            let app = two.app(stack);
            for (name, token, status) in [
                ("of a", token_of(a), 200),
                ("of b", token_of(b), 200),
                (
                    "signed by a in the name of b",
                    a.token().audience(AUDIENCE).claim("iss", b.issuer()).mint(),
                    401,
                ),
                (
                    "signed by b in the name of a",
                    b.token().audience(AUDIENCE).claim("iss", a.issuer()).mint(),
                    401,
                ),
                ("of a, for somebody else", a.token().audience("https://other.example.com").mint(), 401),
                ("of a in the name of nobody", a.token().audience(AUDIENCE).without_claim("iss").mint(), 401),
                (
                    "of a in another name",
                    a.token().audience(AUDIENCE).claim("iss", "https://c.example").mint(),
                    401,
                ),
                (
                    "of both",
                    a.token().audience(AUDIENCE).claim("iss", json!([a.issuer(), b.issuer()])).mint(),
                    401,
                ),
            ] {
                assert_eq!(app.status(&token).await, status, "{name}");
                assert_eq!(app.status(&token).await, status, "{name}, once more");
            }
        }
    }

    #[tokio::test]
    async fn the_same_subject_at_two_issuers_is_two_principals() {
        let two = Two::new().await;
        let stack = two.verifier().or(static_tokens(&ManualClock::new()));
        let cached = stack.cached(CacheLayer::builder().clock(two.clock.clone()).build().unwrap());
        let (of_a, of_b) = (bearer(&token_of(&two.a)), bearer(&token_of(&two.b)));
        let (a, b) = (cached.verify(&of_a).await.unwrap(), cached.verify(&of_b).await.unwrap());
        assert_eq!((a.subject(), b.subject()), (Some("alice"), Some("alice")));
        assert_ne!(a.principal(), b.principal());
        let fixed = cached.verify(&bearer(PROBE)).await.unwrap();
        assert!(fixed.principal().is_some() && fixed.issuer().is_none());
        // Who is thrown out at one issuer stays at the other.
        cached.handle().invalidate_principal(&a.principal().unwrap());
        assert!(cached.verify_now(&of_b, two.clock.now()).is_some_and(|verdict| verdict.is_ok()));
        assert_eq!(cached.handle().stats().hits(), 1);
        assert!(cached.verify(&of_a).await.is_ok());
        assert_eq!(cached.handle().stats().hits(), 1, "it was verified again");
    }

    #[tokio::test]
    async fn keys_of_one_id_at_two_issuers_are_never_mixed_up() {
        let two = Two::new().await;
        let of_a = two.a.key_id(Algorithm::Rs256).unwrap();
        let of_b = two.b.key_id(Algorithm::Rs256).unwrap();
        // The second publishes its own keys under the ids of the first.
        two.script.set(two.b.jwks_uri(), Reply::document(two.b.jwk_set().replace(&of_b, &of_a)));
        let signed_by = |signer: &TestIssuer, name: &TestIssuer| {
            signer.token().audience(AUDIENCE).claim("iss", name.issuer()).header("kid", of_a.clone()).mint()
        };
        for order in [[&two.a, &two.b], [&two.b, &two.a]] {
            let app = two.app(two.verifier());
            for signer in order {
                for name in order {
                    let is_own = signer.issuer() == name.issuer();
                    let status = if is_own { 200 } else { 401 };
                    assert_eq!(app.status(&signed_by(signer, name)).await, status);
                }
            }
        }
    }

    #[tokio::test]
    async fn while_the_keys_of_one_issuer_hang_tokens_of_the_other_are_verified_at_once() {
        for reply in [Reply::Hangs, Reply::Fails, Reply::status(503), Reply::document("<html>")] {
            for is_cold in [true, false] {
                let two = Two::new().await;
                let app = two.app(two.verifier());
                let (good_a, good_b) = (token_of(&two.a), token_of(&two.b));
                if !is_cold {
                    assert_eq!(app.status(&good_a).await, 200);
                    assert_eq!(app.status(&good_b).await, 200);
                    two.b.rotate_keys();
                }
                two.script.set(two.b.jwks_uri(), reply.clone());
                // Somebody waits for keys of the second, and is still waiting.
                let unknown_at_b = token_of(&two.b);
                let mut waiting = pin!(app.status(&unknown_at_b));
                let _ = waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                settle().await;
                let before = two.asked(&two.a);
                let status = app.status(&good_a).await;
                assert_eq!((status, two.asked(&two.a) - before), (200, usize::from(is_cold)));
                for _ in 0..10 {
                    assert_eq!(app.status_at_once(&token_of(&two.a)), Some(200));
                    let forged = two.a.token().audience(AUDIENCE).claim("iss", "https://c.example").mint();
                    assert_eq!(app.status_at_once(&forged), Some(401));
                }
                if !is_cold {
                    assert_eq!(app.status_at_once(&good_b), Some(200), "known keys go on");
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_issuer_that_hangs_costs_its_own_tokens_a_503_and_recovers() {
        let two = Two::new().await;
        let app = two.app(two.verifier());
        two.script.set(two.b.jwks_uri(), Reply::Hangs);
        let asked_at = tokio::time::Instant::now();
        assert_eq!(app.status(&token_of(&two.b)).await, 503);
        assert!(asked_at.elapsed() <= secs(10));
        assert_eq!(app.status(&token_of(&two.a)).await, 200);
        two.publish();
        two.clock.advance(secs(61));
        assert_eq!(app.status(&token_of(&two.b)).await, 200);
    }

    #[tokio::test]
    async fn a_hundred_thousand_invented_issuers_leave_no_trace_and_cause_no_request() {
        let two = Two::new().await;
        let stack = two.verifier();
        let cached = stack.clone().cached(CacheLayer::new());
        let now = two.clock.now();
        let ask = |number: usize| {
            let token = bearer(&of_issuer(&format!("https://issuer-{number}.attacker.example")));
            assert_eq!(kind(&stack.verify_now(&token, now).unwrap()), VerifyErrorKind::NotMine);
        };
        // The first time, what is kept for good is made.
        ask(0);
        let info = allocation_counter::measure(|| (1..100_000).for_each(ask));
        assert_eq!((info.count_current, info.bytes_current), (0, 0));
        for number in 0..2_000 {
            let token = bearer(&of_issuer(&format!("https://issuer-{number}.attacker.example")));
            assert_eq!(kind(&block_on(stack.verify(&token))), VerifyErrorKind::NotMine);
            assert_eq!(kind(&cached.verify(&token).await), VerifyErrorKind::NotMine);
        }
        let stats = cached.handle().stats();
        assert_eq!(
            (stats.entries(), stats.negative_entries(), stats.in_flight(), stats.bytes()),
            (0, 0, 0, 0)
        );
        assert_eq!((two.script.count(), stack.issuers().len()), (0, 2));
    }

    #[tokio::test]
    async fn nobody_goes_where_an_issuer_in_a_token_says() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/jwt-attack-vectors.json");
        let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let vector = |id: &str| {
            let vectors = file["vectors"].as_array().unwrap().iter();
            vectors.clone().find(|vector| vector["id"] == id).unwrap().clone()
        };
        let attack = vector("F152-multi-issuer-ssrf");
        let config = &attack["config"];
        let clock = TestClock::at(SystemTime::UNIX_EPOCH + secs(attack["now"].as_u64().unwrap()));
        let script = Script::new();
        let names = |key: &str| -> Vec<String> { serde_json::from_value(config[key].clone()).unwrap() };
        let algorithms: Vec<_> =
            names("algorithms").iter().map(|name| Algorithm::from_name(name).unwrap()).collect();
        let member = |issuer: String| {
            let keys = config["key_source"]["per_issuer_jwks"][&issuer].as_str().unwrap();
            let uri = format!("{issuer}/jwks");
            script.set(&*uri, Reply::document(file["jwks"][keys].to_string()));
            let builder = JwtVerifier::builder(issuer, config["audience"][0].as_str().unwrap());
            let builder =
                builder.algorithms(algorithms.clone()).rfc9068().required_claims(names("required_claims"));
            builder.jwks_uri(uri).http_client(script.clone()).clock(clock.clone()).build().unwrap().boxed()
        };
        let stack = ByIssuer::new(names("issuer").into_iter().map(member)).unwrap();
        let app = App::new(stack.clone(), clock.clone());
        let token = attack["token"].as_str().unwrap();
        assert_eq!(attack["expect"], "reject");
        for _ in 0..2 {
            assert_eq!(app.status(token).await, 401);
            assert_eq!(script.count(), 0);
        }
        assert!(!stack.recognises(&bearer(token)));
        // What is good for one issuer alone is good here too.
        let is_good = |vector: &&Value| {
            vector["expect"] == "accept"
                && vector["now"] == attack["now"]
                && vector["config"]["issuer"] == config["issuer"][0]
                && vector["config"]["audience"] == config["audience"]
                && vector["config"]["typ"] == config["typ"]
                && vector["config"]["algorithms"] == config["algorithms"]
                && vector["config"]["required_claims"] == config["required_claims"]
                && vector["config"]["key_source"]["jwks"] == "main"
        };
        let good: Vec<_> = file["vectors"].as_array().unwrap().iter().filter(is_good).collect();
        assert!(!good.is_empty());
        for vector in good {
            assert_eq!(app.status(vector["token"].as_str().unwrap()).await, 200, "{}", vector["id"]);
        }
        assert_eq!(script.urls(), ["https://issuer.example.com/jwks"]);
    }

    #[tokio::test]
    async fn a_key_that_one_issuer_withdraws_ends_the_verdicts_that_were_remembered() {
        let two = Two::new().await;
        let cached = two.verifier().cached(CacheLayer::builder().clock(two.clock.clone()).build().unwrap());
        let app = two.app(cached.clone());
        let (old, of_a) = (token_of(&two.b), token_of(&two.a));
        for token in [&old, &of_a, &old, &of_a] {
            assert_eq!(app.status(token).await, 200);
        }
        assert_eq!(cached.handle().stats().entries(), 2);
        let before = cached.generation();
        two.b.rotate_keys();
        two.b.withdraw_old_keys();
        two.publish();
        // A token with the new key makes the verifier fetch keys, and learn that the old one is gone.
        two.clock.advance(secs(31));
        assert_eq!(app.status(&token_of(&two.b)).await, 200);
        assert!(cached.generation() > before);
        assert_eq!(app.status(&old).await, 401, "the key is gone, and what was remembered with it");
        assert_eq!(app.status(&of_a).await, 200);
    }

    #[tokio::test]
    async fn a_world_of_one_issuer_is_the_same_with_and_without_the_choice() {
        let world = World::new().await;
        let chosen = ByIssuer::new([world.verifier().boxed()]).unwrap();
        let (plain, chosen) = (world.app(), world.app_of(chosen));
        for (token, status) in [
            (world.token(), 200),
            (world.forged(), 401),
            (world.issuer.token().audience("https://other.example.com").mint(), 401),
            (world.issuer.token().audience(AUDIENCE).expired_since(secs(61)).mint(), 401),
            (world.issuer.token().audience(AUDIENCE).header("alg", "none").mint(), 401),
            ("opaque".to_owned(), 401),
        ] {
            assert_eq!((plain.status(&token).await, chosen.status(&token).await), (status, status));
        }
        let poll = |app: &App| match pin!(app.status("opaque")).poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(status) => status,
            Poll::Pending => 0,
        };
        assert_eq!(poll(&chosen), 401, "at once");
    }
}

#[cfg(all(
    feature = "github",
    feature = "introspection",
    feature = "testing",
    any(feature = "aws-lc-rs", feature = "rust-crypto")
))]
mod providers {
    use std::collections::HashMap;
    use std::fmt;

    use bytes::Bytes;
    use http::{HeaderMap, Response, StatusCode};
    use serde_json::json;
    use tower_bearer::client::{AnswerFuture, HttpClient, Limits};
    use tower_bearer::testing::{TestClock, TestIssuer};
    use tower_bearer::verifier::{BoxVerifier, ByIssuer, JwtVerifierBuilder, UserInfoVerifier};
    use tower_bearer::{GitHubVerifier, IntrospectionVerifier, JwtVerifier};

    use super::*;
    use crate::script::{AUDIENCE, App, Reply, World};

    const API: &str = "https://api.github.example";
    const CHECK: &str = "https://api.github.example/applications/app/token";
    const AS: &str = "https://as.example.com";
    const INTROSPECT: &str = "https://as.example.com/introspect";
    const OPAQUE: &str = "2YotnFZFEjr1zCsicMWpAA";
    const OAUTH: &str = "gho_16C7e42F292c6912E7710c838347Ae178B4a";

    fn github(world: &World) -> GitHubVerifier {
        let builder = GitHubVerifier::builder("app", "secret-of-the-app").api_url(API);
        builder.http_client(world.script.clone()).clock(world.clock.clone()).build().unwrap()
    }

    fn introspection(world: &World, endpoint: &str, opaque_only: bool) -> IntrospectionVerifier {
        let builder = IntrospectionVerifier::builder(AS, AUDIENCE).endpoint(endpoint);
        let builder = builder.client_secret_basic("client", "secret-of-the-client");
        let builder = if opaque_only { builder.opaque_tokens_only() } else { builder };
        builder.http_client(world.script.clone()).clock(world.clock.clone()).build().unwrap()
    }

    fn active(world: &World) -> Reply {
        let end = world.clock_at(300).duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let answer = json!({ "active": true, "iss": AS, "sub": "alice", "aud": AUDIENCE, "exp": end });
        Reply::document(answer.to_string())
    }

    fn checked() -> Reply {
        let answer = json!({
            "app": { "client_id": "app" },
            "user": { "id": 1, "login": "octocat" },
            "scopes": ["repo"],
            "expires_at": null,
        });
        Reply::document(answer.to_string())
    }

    /// An issuer, GitHub and an introspection endpoint that know their tokens.
    async fn world() -> World {
        let world = World::new().await;
        world.script.set(CHECK, checked());
        world.script.set(INTROSPECT, active(&world));
        world
    }

    /// Whom a chain of all three asks about a token.
    fn hosts(world: &World, from: usize) -> Vec<&'static str> {
        let host = |url: String| match url {
            url if url.starts_with(API) => "github",
            url if url.starts_with(AS) => "introspection",
            url if url == world.issuer.jwks_uri() => "keys",
            url => panic!("{url}"),
        };
        let mut hosts: Vec<_> = world.script.urls().into_iter().skip(from).map(host).collect();
        hosts.dedup();
        hosts
    }

    #[tokio::test]
    async fn each_form_of_token_goes_to_one_place() {
        for opaque_only in [true, false] {
            let world = world().await;
            let of_introspection: &[&str] = if opaque_only { &[] } else { &["introspection"] };
            let stranger = world.issuer.token().audience(AUDIENCE).claim("iss", "https://c.example").mint();
            let expired = world.issuer.token().audience(AUDIENCE).expired_since(secs(61)).mint();
            let elsewhere = world.issuer.token().audience("https://other.example.com").mint();
            let none = world.issuer.token().audience(AUDIENCE).header("alg", "none").mint();
            let foreign_status = if opaque_only { 401 } else { 200 };
            let chain = || {
                let introspection = introspection(&world, INTROSPECT, opaque_only);
                world.verifier().or(github(&world)).or(introspection)
            };
            let list = || {
                let introspection = introspection(&world, INTROSPECT, opaque_only).boxed();
                AnyOf::new([world.verifier().boxed(), github(&world).boxed(), introspection]).unwrap()
            };
            for stack in [
                chain().boxed(),
                list().boxed(),
                ByIssuer::new([world.verifier().boxed()])
                    .unwrap()
                    .or(github(&world))
                    .or(introspection(&world, INTROSPECT, opaque_only))
                    .boxed(),
                chain().cached(CacheLayer::builder().clock(world.clock.clone()).build().unwrap()).boxed(),
            ] {
                let app = world.app_of(stack);
                for (name, token, asked, status) in [
                    ("a JWT", &*world.token(), &["keys"][..], 200),
                    ("another JWT", &world.token(), &[], 200),
                    ("a forged JWT", &world.forged(), &[], 401),
                    ("an expired JWT", &expired, &[], 401),
                    ("a JWT for somebody else", &elsewhere, &[], 401),
                    ("a JWT without a signature", &none, &[], 401),
                    ("a JWT of another issuer", &stranger, of_introspection, foreign_status),
                    ("of an app at GitHub", OAUTH, &["github"], 200),
                    ("of a GitHub App", "ghu_16C7e42F292c6912E7710c838347Ae178B4a", &["github"], 200),
                    ("personal", "ghp_16C7e42F292c6912E7710c838347Ae178B4a", &[], 401),
                    ("personal, with fine grain", "github_pat_11ABCDEFG0123456789", &[], 401),
                    ("of an installation", "ghs_16C7e42F292c6912E7710c838347Ae178B4a", &[], 401),
                    ("for refreshing", "ghr_16C7e42F292c6912E7710c838347Ae178B4a", &[], 401),
                    ("opaque", OPAQUE, &["introspection"], 200),
                    ("almost GitHub's", "GHO_16C7e42F292c6912E7710c838347Ae178B4a", &["introspection"], 200),
                    ("of two parts", "a.b", &["introspection"], 200),
                    ("with characters of no token", "a{b", &[], 401),
                ] {
                    let before = world.script.count();
                    assert_eq!(app.status(token).await, status, "{name}");
                    assert_eq!(hosts(&world, before), asked, "{name}");
                }
            }
        }
    }

    #[tokio::test]
    async fn a_token_that_its_owner_refuses_or_cannot_judge_is_shown_to_nobody_else() {
        let said = Bytes::from_static(
            br#"{"message":"Not Found","documentation_url":"https://docs.github.com/rest"}"#,
        );
        let not_found = Reply::Document(StatusCode::NOT_FOUND, HeaderMap::new(), said);
        for (github_says, introspection_says, of_github, of_introspection) in [
            (not_found, Reply::document(r#"{"active":false}"#), 401, 401),
            (Reply::status(500), Reply::status(500), 503, 503),
            (Reply::Fails, Reply::Fails, 503, 503),
            (Reply::status(401), Reply::status(401), 503, 503),
            (Reply::status(429), Reply::status(429), 503, 503),
            (Reply::document("<html>"), Reply::document("<html>"), 503, 503),
        ] {
            let world = world().await;
            world.script.set(CHECK, github_says);
            world.script.set(INTROSPECT, introspection_says);
            let chain = world.verifier().or(github(&world)).or(introspection(&world, INTROSPECT, false));
            let app = world.app_of(chain);
            assert_eq!(app.status(OAUTH).await, of_github);
            assert_eq!(hosts(&world, 0), ["github"]);
            let before = world.script.count();
            assert_eq!(app.status(OPAQUE).await, of_introspection);
            assert_eq!(hosts(&world, before), ["introspection"]);
            // While the keys are down, a JWT stays what it is: nobody is asked in their stead.
            world.goes_down();
            let before = world.script.count();
            assert_eq!(app.status(&world.token()).await, 503);
            assert_eq!(hosts(&world, before), ["keys"]);
        }
    }

    #[tokio::test]
    async fn the_order_counts_and_whoever_takes_every_token_belongs_at_the_end() {
        let world = world().await;
        let app =
            world.app_of(introspection(&world, INTROSPECT, false).or(world.verifier()).or(github(&world)));
        for token in [&*world.token(), OAUTH, OPAQUE, &world.forged()] {
            let before = world.script.count();
            assert_eq!(app.status(token).await, 200);
            assert_eq!(
                hosts(&world, before),
                ["introspection"],
                "its verdict stands, whatever others would say"
            );
        }
        world.script.set(INTROSPECT, Reply::document(r#"{"active":false}"#));
        assert_eq!(app.status(&world.token()).await, 401);
        // One that takes opaque tokens only can stand anywhere behind GitHub.
        let app =
            world.app_of(github(&world).or(introspection(&world, INTROSPECT, true)).or(world.verifier()));
        let before = world.script.count();
        assert_eq!(app.status(&world.token()).await, 200);
        assert_eq!(hosts(&world, before), ["keys"]);
    }

    #[tokio::test]
    async fn of_two_introspection_endpoints_the_second_is_asked_by_a_list_of_all_only() {
        const OTHER: &str = "https://other.example.com/introspect";
        let inactive = || Reply::document(r#"{"active":false}"#);
        let world = World::new().await;
        let list = || {
            let members = [INTROSPECT, OTHER].map(|endpoint| introspection(&world, endpoint, false).boxed());
            AnyOf::new(members).unwrap()
        };
        for (name, first, second, plain, all) in [
            ("inactive, active", inactive(), active(&world), 401, 200),
            ("inactive, inactive", inactive(), inactive(), 401, 401),
            ("inactive, outage", inactive(), Reply::Fails, 401, 503),
            ("outage, active", Reply::Fails, active(&world), 503, 200),
            ("outage, inactive", Reply::Fails, inactive(), 503, 503),
            ("outage, outage", Reply::Fails, Reply::Fails, 503, 503),
            ("our fault, inactive", Reply::status(401), inactive(), 503, 503),
            ("active, inactive", active(&world), inactive(), 200, 200),
        ] {
            world.script.set(INTROSPECT, first);
            world.script.set(OTHER, second);
            let before = world.script.count();
            assert_eq!(world.app_of(list()).status(OPAQUE).await, plain, "{name}");
            assert_eq!(world.script.urls()[before..].to_vec(), [INTROSPECT], "{name}");
            assert_eq!(world.app_of(list().ask_all()).status(OPAQUE).await, all, "{name}");
            let asked_again = &world.script.urls()[before + 1..];
            assert_eq!(asked_again.last().map(String::as_str) == Some(OTHER), name != "active, inactive");
        }
    }

    #[tokio::test]
    async fn a_user_whom_nobody_names_stays_nobody_when_claims_are_mapped() {
        let world = World::new().await;
        let end = world.clock_at(300).duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let answer = json!({ "active": true, "iss": AS, "username": "alice", "client_id": "c", "aud": AUDIENCE, "exp": end });
        world.script.set(INTROSPECT, Reply::document(answer.to_string()));
        let mapped = introspection(&world, INTROSPECT, false).map_claims(|token, _| token.claim("a", 1));
        let token = mapped.verify(&bearer(OPAQUE)).await.unwrap();
        assert_eq!((token.client(), token.principal(), token.claim("a")), (Some("c"), None, Some(1)));
    }

    type Answering = dyn Fn(&Request<Bytes>) -> Option<String> + Send + Sync;

    /// A provider that answers by a closure, and counts.
    #[derive(Clone)]
    struct Provider {
        answer: Arc<Answering>,
        asked: Arc<AtomicUsize>,
    }

    impl fmt::Debug for Provider {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Provider")
        }
    }

    impl HttpClient for Provider {
        fn send(&self, request: Request<Bytes>, _: Limits) -> AnswerFuture<'_> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let answer = (self.answer)(&request);
            let mut response = Response::new(Bytes::from(answer.clone().unwrap_or_default()));
            if answer.is_none() {
                *response.status_mut() = StatusCode::UNAUTHORIZED;
            }
            Box::pin(async { Ok(response) })
        }
    }

    const X: &str = "https://x.example.com/introspect";
    const Y: &str = "https://y.example.com/introspect";
    const ME: &str = "https://x.example.com/me";

    /// Eight configurations that differ in one thing each, and tokens that some of them accept and others do not.
    struct Matrix {
        clock: TestClock,
        a: TestIssuer,
        b: TestIssuer,
        provider: Provider,
        tokens: Vec<String>,
    }

    impl Matrix {
        async fn new() -> Self {
            let clock = TestClock::new();
            let a = TestIssuer::with_clock(clock.clone()).await.unwrap();
            let b = TestIssuer::with_clock(clock.clone()).await.unwrap();
            b.rotate_keys();
            b.withdraw_old_keys();
            let second = "https://second.example.com";
            let tokens = vec![
                a.token().audience(AUDIENCE).mint(),
                a.token().audience(second).mint(),
                a.token().claim("aud", json!([AUDIENCE, second])).mint(),
                a.token().audience(AUDIENCE).claim("tenant", "t").mint(),
                b.token().audience(AUDIENCE).mint(),
                b.token().audience(AUDIENCE).claim("iss", a.issuer()).mint(),
                a.token().audience(AUDIENCE).expired_since(secs(61)).mint(),
                "opaque-of-one".to_owned(),
                "opaque-of-both".to_owned(),
                "opaque-elsewhere".to_owned(),
                "opaque-of-nobody".to_owned(),
            ];
            // Who asks where about which token: whom it is about.
            let known: HashMap<(&str, &str, &str), &str> = [
                ((X, "one", "opaque-of-one"), "alice-at-one"),
                ((X, "one", "opaque-of-both"), "alice-at-one"),
                ((X, "two", "opaque-of-both"), "alice-at-two"),
                ((Y, "one", "opaque-of-both"), "bob"),
                ((Y, "one", "opaque-elsewhere"), "bob"),
                ((ME, "", "opaque-elsewhere"), "carol"),
            ]
            .into();
            let end = clock.now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() + 300;
            let answer = move |request: &Request<Bytes>| {
                let url = request.uri().to_string();
                let body = String::from_utf8(request.body().to_vec()).unwrap();
                let field = |name: &str| {
                    let prefix = format!("{name}=");
                    let found = body.split('&').find_map(|pair| pair.strip_prefix(&prefix));
                    found.unwrap_or_default().to_owned()
                };
                let bearer =
                    request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
                let token = match bearer.as_deref().and_then(|value| value.strip_prefix("Bearer ")) {
                    Some(token) => token.to_owned(),
                    None => field("token"),
                };
                let client = field("client_id");
                let known = known.get(&(&*url, &*client, &*token));
                match (&*url, known) {
                    (ME, subject) => subject.map(|subject| json!({ "sub": subject }).to_string()),
                    (_, None) => Some(json!({ "active": false }).to_string()),
                    (_, Some(subject)) => Some(
                        json!({ "active": true, "iss": AS, "sub": subject, "aud": AUDIENCE, "exp": end })
                            .to_string(),
                    ),
                }
            };
            let provider = Provider { answer: Arc::new(answer), asked: Arc::default() };
            Self { clock, a, b, provider, tokens }
        }

        fn jwt(&self, issuer: &TestIssuer, audience: &str) -> JwtVerifierBuilder {
            JwtVerifier::builder(issuer.issuer(), audience)
                .jwk_set(issuer.jwk_set())
                .clock(self.clock.clone())
        }

        fn introspection(&self, endpoint: &str, client: &str) -> BoxVerifier {
            let builder = IntrospectionVerifier::builder(AS, AUDIENCE).endpoint(endpoint);
            let builder = builder.client_secret_post(client, "secret-of-the-client");
            builder.http_client(self.provider.clone()).clock(self.clock.clone()).build().unwrap().boxed()
        }

        fn configurations(&self) -> [BoxVerifier; 8] {
            let me =
                UserInfoVerifier::builder("https://x.example.com").endpoint(ME).insecure_allow_any_audience();
            [
                self.jwt(&self.a, AUDIENCE).build().unwrap().boxed(),
                self.jwt(&self.a, "https://second.example.com").build().unwrap().boxed(),
                self.jwt(&self.b, AUDIENCE).build().unwrap().boxed(),
                self.jwt(&self.a, AUDIENCE).required_claims(["tenant"]).build().unwrap().boxed(),
                self.introspection(X, "one"),
                self.introspection(X, "two"),
                self.introspection(Y, "one"),
                me.http_client(self.provider.clone()).clock(self.clock.clone()).build().unwrap().boxed(),
            ]
        }

        fn layer(&self) -> CacheLayer {
            CacheLayer::builder().clock(self.clock.clone()).build().unwrap()
        }

        async fn verdict(&self, verifier: &impl TokenVerifier, token: &str) -> String {
            let token = bearer(token);
            match verifier.verify_now(&token, self.clock.now()) {
                Some(verdict) => said(&verdict),
                None => said(&verifier.verify(&token).await),
            }
        }

        async fn row(&self, verifier: &impl TokenVerifier) -> Vec<String> {
            let mut row = Vec::new();
            for token in &self.tokens {
                row.push(self.verdict(verifier, token).await);
            }
            row
        }
    }

    #[tokio::test]
    async fn no_verdict_crosses_from_one_configuration_to_another_in_whatever_order_they_are_asked() {
        let matrix = Matrix::new().await;
        let mut uncached = Vec::new();
        for verifier in matrix.configurations() {
            uncached.push(matrix.row(&verifier).await);
        }
        let distinct: BTreeSet<_> = uncached.iter().collect();
        assert_eq!(distinct.len(), 8, "each configuration is different");
        assert!(uncached.iter().all(|row| row.iter().any(|verdict| verdict.starts_with("good"))));
        let layer = matrix.layer();
        let orders = [[0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 1, 0], [1, 0, 0, 1], [1, 0, 1, 0], [1, 1, 0, 0]];
        for first in 0..8 {
            for second in 0..8 {
                for order in orders {
                    let verifiers = matrix.configurations();
                    let pair = [first, second];
                    let cached = pair.map(|number| verifiers[number].clone().cached(layer.clone()));
                    for (column, token) in matrix.tokens.iter().enumerate() {
                        for turn in order {
                            let verdict = matrix.verdict(&cached[turn], token).await;
                            assert_eq!(verdict, uncached[pair[turn]][column], "{pair:?} {order:?} {column}");
                        }
                    }
                }
            }
        }
    }

    #[tokio::test]
    async fn a_stack_says_the_same_with_a_cache_around_it_around_its_members_and_without_any() {
        let matrix = Matrix::new().await;
        let verifiers = || matrix.configurations();
        let cached = || verifiers().map(|verifier| verifier.cached(matrix.layer()).boxed());
        type Stack = fn([BoxVerifier; 8]) -> BoxVerifier;
        let stacks: [(&str, Stack); 6] = [
            ("a list", |members| AnyOf::new(members).unwrap().boxed()),
            ("a list of all", |members| AnyOf::new(members).unwrap().ask_all().boxed()),
            ("a chain", |[a, b, c, d, e, f, g, h]| a.or(b).or(c.or(d)).or(e).or(f.or(g.or(h))).boxed()),
            ("issuers, then one", |[a, _, c, _, e, ..]| ByIssuer::new([a, c]).unwrap().or(e).boxed()),
            ("prefixes", |[a, .., f, g, h]| {
                ByPrefix::new([("ey", a), ("opaque-of-", f), ("opaque-", g)]).unwrap().or(h).boxed()
            }),
            ("mapped", |[a, .., e, f, _, _]| {
                a.or(e).or(f).map_claims(|token, _| token.claim("x", 1)).boxed()
            }),
        ];
        for (name, stack) in stacks {
            let plain = stack(verifiers());
            let said = matrix.row(&plain).await;
            assert!(said.iter().any(|verdict| verdict.starts_with("good")), "{name}");
            for (place, other) in [
                ("around", stack(verifiers()).cached(matrix.layer()).boxed()),
                ("inside", stack(cached())),
                ("both", stack(cached()).cached(matrix.layer()).boxed()),
            ] {
                for round in 0..3 {
                    let before = matrix.provider.asked.load(Ordering::SeqCst);
                    assert_eq!(matrix.row(&other).await, said, "{name}, a cache {place}");
                    let asked = matrix.provider.asked.load(Ordering::SeqCst) - before;
                    assert!(round == 0 || asked == 0, "{name}, a cache {place}: asked {asked} times again");
                }
            }
        }
    }

    #[tokio::test]
    async fn a_stack_in_a_cache_is_asked_once_for_each_token_by_the_whole_service() {
        let world = world().await;
        let chain = world.verifier().or(github(&world)).or(introspection(&world, INTROSPECT, true));
        let cached = chain.cached(CacheLayer::builder().clock(world.clock.clone()).build().unwrap());
        let app = App::new(cached, world.clock.clone());
        let token = world.token();
        for _ in 0..5 {
            for token in [&*token, OAUTH, OPAQUE] {
                assert_eq!(app.status(token).await, 200);
            }
        }
        assert_eq!(world.script.urls(), [world.issuer.jwks_uri(), CHECK.to_owned(), INTROSPECT.to_owned()]);
    }
}
