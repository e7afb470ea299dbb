//! Every wrapper around a verifier forwards all six methods, and a chain shows a token to as few as it can.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use common::block_on;
use tower_bearer::error::VerifyErrorKind;
use tower_bearer::verifier::{AnyOf, BoxVerifier, ByPrefix, Verdict};
use tower_bearer::{AccessToken, BearerToken, CacheLayer, TokenVerifier, VerifyError};

/// It begins with a prefix, and has the form of a JWT that names `https://probe.example` as its issuer.
const TOKEN: &str = "presented.eyJpc3MiOiJodHRwczovL3Byb2JlLmV4YW1wbGUifQ.signature";

/// Records which of its methods was called, and answers so that every answer is told apart.
#[derive(Clone)]
struct Probe {
    name: &'static str,
    recognises: bool,
    verdict: Verdict,
    is_immediate: bool,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Probe {
    fn new(name: &'static str, verdict: Verdict) -> Self {
        Self { name, recognises: true, verdict, is_immediate: true, calls: Arc::default() }
    }

    fn good(name: &'static str) -> Self {
        let issuer = format!("https://{name}.example");
        Self::new(name, Ok(AccessToken::verified().subject(name).issuer(issuer).build()))
    }

    fn blind(self) -> Self {
        Self { recognises: false, ..self }
    }

    fn slow(self) -> Self {
        Self { is_immediate: false, ..self }
    }

    fn call(&self, method: &str) {
        self.calls.lock().unwrap().push(format!("{}.{method}", self.name));
    }

    /// The methods that were called since the last look.
    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    /// Whether a method was called that sees what is secret in a token.
    fn was_asked(&self) -> bool {
        self.calls().iter().any(|call| !call.ends_with(".recognises"))
    }
}

impl TokenVerifier for Probe {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        self.call(&format!("verify {}", token.as_str()));
        self.verdict.clone()
    }

    fn verify_now(&self, token: &BearerToken, now: SystemTime) -> Option<Verdict> {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        self.call(&format!("verify_now {} {since}", token.as_str()));
        self.is_immediate.then(|| self.verdict.clone())
    }

    fn recognises(&self, _: &BearerToken) -> bool {
        self.call("recognises");
        self.recognises
    }

    async fn revalidate(&self, token: &BearerToken, last: &AccessToken) -> Verdict {
        self.call(&format!("revalidate {} {}", token.as_str(), last.subject().unwrap()));
        self.verdict.clone()
    }

    fn generation(&self) -> u64 {
        self.call("generation");
        41
    }

    fn issuers(&self) -> Vec<Arc<str>> {
        self.call("issuers");
        vec![format!("https://{}.example", self.name).into()]
    }
}

fn token() -> BearerToken {
    BearerToken::new(TOKEN).unwrap()
}

fn last() -> AccessToken {
    AccessToken::verified().subject("last").build()
}

fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(43_200)
}

fn subject(verdict: &Verdict) -> &str {
    verdict.as_ref().unwrap().subject().unwrap()
}

fn kind(verdict: &Verdict) -> VerifyErrorKind {
    verdict.as_ref().unwrap_err().kind()
}

/// The suite: whatever is asked of the wrapper is asked of the probe, once and alike.
fn assert_forwards(name: &str, wrapper: &impl TokenVerifier, probe: &Probe) {
    assert_each_forwards(name, || wrapper, probe);
}

/// The same for a wrapper that may remember what it was told: each method is asked of a new one.
fn assert_each_forwards<W: TokenVerifier>(name: &str, wrapper: impl Fn() -> W, probe: &Probe) {
    let asked = |method: &str| {
        // A chain looks first who recognises the token, a cache whether a key was withdrawn.
        let is_asked = |call: &String| {
            !call.ends_with(".recognises") && (method == "generation" || !call.ends_with(".generation"))
        };
        let calls: Vec<_> = probe.calls().into_iter().filter(is_asked).collect();
        // Who chooses by issuer has noted them when it was made.
        let was_noted = method == "issuers" && name.contains("issuer") && calls.is_empty();
        assert!(was_noted || calls == [format!("probe.{method}")], "{name}: {calls:?}");
    };
    assert_eq!(subject(&block_on(wrapper().verify(&token()))), "probe", "{name}");
    asked(&format!("verify {TOKEN}"));
    assert_eq!(subject(&wrapper().verify_now(&token(), noon()).unwrap()), "probe", "{name}");
    asked(&format!("verify_now {TOKEN} 43200"));
    assert_eq!(subject(&block_on(wrapper().revalidate(&token(), &last()))), "probe", "{name}");
    asked(&format!("revalidate {TOKEN} last"));
    assert_eq!(wrapper().generation(), 41, "{name}");
    asked("generation");
    assert_eq!(wrapper().issuers(), ["https://probe.example".into()], "{name}");
    asked("issuers");
    assert_eq!((wrapper().recognises(&token()), probe.calls().len()), (true, 1), "{name}");
}

/// What is not there is forwarded too.
fn assert_forwards_a_refusal(name: &str, wrapper: &impl TokenVerifier, probe: &Probe) {
    assert!(!wrapper.recognises(&token()), "{name}");
    assert_eq!(probe.calls(), ["probe.recognises"], "{name}");
}

/// A stranger in a chain: it recognises nothing and has no keys.
struct Stranger;

impl TokenVerifier for Stranger {
    async fn verify(&self, _: &BearerToken) -> Verdict {
        panic!("it was asked although it does not recognise the token")
    }

    fn recognises(&self, _: &BearerToken) -> bool {
        false
    }
}

#[test]
fn every_wrapper_forwards_all_six_methods() {
    let probe = Probe::good("probe");
    assert_forwards("itself", &probe, &probe);
    assert_forwards("a reference", &&probe, &probe);
    assert_forwards("two references", &&&probe, &probe);
    assert_forwards("an arc", &Arc::new(probe.clone()), &probe);
    let boxed = probe.clone().boxed();
    assert_forwards("a clone of a box in a box", &boxed.clone().boxed(), &probe);
    assert_forwards("a box", &boxed, &probe);
    assert_forwards("an arc in a box", &Arc::new(probe.clone()).boxed(), &probe);
    assert_forwards("the first of a chain", &(&probe).or(Stranger), &probe);
    assert_forwards("the second of a chain", &Stranger.or(&probe), &probe);
    assert_forwards("the last of a chain", &Stranger.or(Stranger).or(&probe), &probe);
    assert_forwards("in a chain in a box", &Stranger.or(probe.clone()).boxed(), &probe);
    assert_forwards("through a layer", &(&probe).cached(tower::layer::util::Identity::new()), &probe);
}

#[test]
fn a_cache_that_remembers_nothing_yet_forwards_all_six_methods() {
    let probe = Probe::good("probe");
    let cached = || probe.clone().cached(CacheLayer::new());
    assert_each_forwards("a cache", cached, &probe);
    let clone = || {
        let cached = cached();
        let clone = cached.clone();
        drop(cached);
        clone
    };
    assert_each_forwards("a clone of a cache", clone, &probe);
    assert_each_forwards("a cache in a box", || cached().boxed(), &probe);
    assert_each_forwards("a box in a cache", || probe.clone().boxed().cached(CacheLayer::new()), &probe);
    assert_each_forwards("an arc in a cache", || Arc::new(probe.clone()).cached(CacheLayer::new()), &probe);
    assert_each_forwards("a cache in a cache", || cached().cached(CacheLayer::new()), &probe);
    assert_each_forwards("the first of a chain", || cached().or(Stranger), &probe);
    assert_each_forwards("the last of a chain", || Stranger.or(cached()), &probe);
    let chain = || Stranger.or(probe.clone()).cached(CacheLayer::new());
    assert_each_forwards("a chain in a cache", chain, &probe);
    let off = || CacheLayer::builder().time_to_live(Duration::ZERO).build().unwrap();
    assert_forwards("a cache that is off", &probe.clone().cached(off()), &probe);
}

#[test]
fn a_cache_does_not_ask_again_while_it_remembers_unless_it_has_to_verify_again() {
    let probe = Probe::good("probe");
    let layer = || CacheLayer::new();
    let remembering = |ask: &dyn Fn(&dyn AskedBothWays)| {
        let cached = probe.clone().cached(layer());
        ask(&cached);
        probe.calls();
        for verdict in &cached.ask()[..2] {
            assert_eq!(subject(&verdict()), "probe");
        }
        assert!(!probe.calls().iter().any(|call| call.contains("presented")));
        // Whoever wants a new verdict gets one, each time.
        for _ in 0..2 {
            assert_eq!(subject(&cached.ask()[2]()), "probe");
            let calls = probe.calls().into_iter().filter(|call| call.contains("presented"));
            assert_eq!(calls.collect::<Vec<_>>(), [format!("probe.revalidate {TOKEN} last")]);
        }
    };
    for way in 0..3 {
        remembering(&|cached| drop(cached.ask()[way]()));
    }
}

#[test]
fn every_wrapper_forwards_that_it_does_not_recognise_a_token() {
    let probe = Probe::good("probe").blind();
    assert_forwards_a_refusal("a reference", &&probe, &probe);
    assert_forwards_a_refusal("an arc", &Arc::new(probe.clone()), &probe);
    assert_forwards_a_refusal("a box", &probe.clone().boxed(), &probe);
    assert_forwards_a_refusal("the first of a chain", &(&probe).or(Stranger), &probe);
    assert_forwards_a_refusal("the second of a chain", &Stranger.or(&probe), &probe);
    assert_forwards_a_refusal("a cache", &probe.clone().cached(CacheLayer::new()), &probe);
}

#[test]
fn every_wrapper_forwards_that_there_is_no_answer_yet() {
    let probe = Probe::good("probe").slow();
    let ask = |wrapper: &dyn Fn() -> Option<Verdict>| assert!(wrapper().is_none());
    ask(&|| probe.verify_now(&token(), noon()));
    ask(&|| Arc::new(probe.clone()).verify_now(&token(), noon()));
    ask(&|| probe.clone().boxed().verify_now(&token(), noon()));
    ask(&|| (&probe).or(Stranger).verify_now(&token(), noon()));
    ask(&|| Stranger.or(&probe).verify_now(&token(), noon()));
    ask(&|| probe.clone().cached(CacheLayer::new()).verify_now(&token(), noon()));
    assert!(probe.calls().iter().all(|call| !call.contains(".verify ")));
}

/// A wrapper around a member, which stands among strangers where there is room for them.
type Wrap = fn(BoxVerifier) -> BoxVerifier;

fn any_of<const N: usize>(members: [BoxVerifier; N]) -> AnyOf {
    AnyOf::new(members).unwrap()
}

/// Every wrapper that this crate has, but the cache, which remembers.
fn wrappers() -> Vec<(&'static str, Wrap)> {
    let wrappers: Vec<(&'static str, Wrap)> = vec![
        ("a box", |member| member.boxed()),
        ("an arc", |member| Arc::new(member).boxed()),
        ("the first of two", |member| member.or(Stranger).boxed()),
        ("the last of two", |member| Stranger.or(member).boxed()),
        ("the only one of a list", |member| any_of([member]).boxed()),
        ("the only one of a list of all", |member| any_of([member]).ask_all().boxed()),
        ("the first of a list", |member| any_of([member, Stranger.boxed()]).boxed()),
        ("the middle of a list", |member| any_of([Stranger.boxed(), member, Stranger.boxed()]).boxed()),
        ("the last of a list of all", |member| {
            any_of([Stranger.boxed(), Stranger.boxed(), member]).ask_all().boxed()
        }),
        ("the only prefix", |member| ByPrefix::new([("presented", member)]).unwrap().boxed()),
        ("the longest of three prefixes", |member| {
            let members = [("p", Stranger.boxed()), ("presented.", member), ("x", Stranger.boxed())];
            ByPrefix::new(members).unwrap().boxed()
        }),
        ("mapped claims", |member| member.map_claims(|token, _| token.claim("mapped", true)).boxed()),
        ("a time limit", |member| member.timeout(Duration::from_secs(1)).boxed()),
        #[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
        ("the only issuer", |member| tower_bearer::verifier::ByIssuer::new([member]).unwrap().boxed()),
        #[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
        ("one of two issuers", |member| {
            let members = [Probe::good("another").boxed(), member];
            OfProbe(tower_bearer::verifier::ByIssuer::new(members).unwrap()).boxed()
        }),
    ];
    wrappers
}

/// Leaves the other issuer and its generation out, so that what is left is what the probe says.
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
struct OfProbe(tower_bearer::verifier::ByIssuer);

#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
impl TokenVerifier for OfProbe {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        self.0.verify(token).await
    }

    fn verify_now(&self, token: &BearerToken, now: SystemTime) -> Option<Verdict> {
        self.0.verify_now(token, now)
    }

    fn recognises(&self, token: &BearerToken) -> bool {
        self.0.recognises(token)
    }

    async fn revalidate(&self, token: &BearerToken, last: &AccessToken) -> Verdict {
        self.0.revalidate(token, last).await
    }

    fn generation(&self) -> u64 {
        self.0.generation() - 41
    }

    fn issuers(&self) -> Vec<Arc<str>> {
        let issuers = self.0.issuers();
        assert_eq!(issuers.first().map(|issuer| &**issuer), Some("https://another.example"));
        issuers.into_iter().skip(1).collect()
    }
}

/// Each wrapper around a probe, and each around each other around it. What they asked while they were made is forgotten.
fn assert_of_each_nesting(probe: &Probe, check: impl Fn(&str, &BoxVerifier)) {
    for (inner, wrap) in wrappers() {
        let once = wrap(probe.clone().boxed());
        probe.calls();
        check(inner, &once);
        for (outer, wrap) in wrappers() {
            let twice = wrap(once.clone());
            probe.calls();
            check(&format!("{outer} around {inner}"), &twice);
        }
    }
}

#[test]
fn every_wrapper_around_every_other_forwards_all_six_methods() {
    let probe = Probe::good("probe");
    assert_of_each_nesting(&probe, |name, wrapper| assert_forwards(name, wrapper, &probe));
}

#[test]
fn a_cache_around_every_wrapper_and_inside_it_forwards_all_six_methods() {
    let probe = Probe::good("probe");
    assert_of_each_nesting(&probe, |name, wrapper| {
        let cached = || wrapper.clone().cached(CacheLayer::new());
        assert_each_forwards(&format!("a cache around {name}"), cached, &probe);
    });
    for (name, wrap) in wrappers() {
        let around = || {
            let wrapper = wrap(probe.clone().cached(CacheLayer::new()).boxed());
            probe.calls();
            wrapper
        };
        assert_each_forwards(&format!("{name} around a cache"), around, &probe);
        let between = || around().cached(CacheLayer::new());
        assert_each_forwards(&format!("a cache around {name} around a cache"), between, &probe);
    }
}

#[test]
fn every_wrapper_around_every_other_forwards_that_it_does_not_recognise_a_token() {
    let probe = Probe::good("probe").blind();
    assert_of_each_nesting(&probe, |name, wrapper| {
        assert_forwards_a_refusal(name, wrapper, &probe);
        assert_forwards_a_refusal(name, &wrapper.clone().cached(CacheLayer::new()), &probe);
    });
}

#[test]
fn every_wrapper_around_every_other_forwards_that_there_is_no_answer_yet() {
    let probe = Probe::good("probe").slow();
    assert_of_each_nesting(&probe, |name, wrapper| {
        assert!(wrapper.verify_now(&token(), noon()).is_none(), "{name}");
        let calls: Vec<_> = probe.calls().into_iter().filter(|call| !call.ends_with(".recognises")).collect();
        assert_eq!(calls, [format!("probe.verify_now {TOKEN} 43200")], "{name}");
        assert_eq!(subject(&block_on(wrapper.verify(&token()))), "probe", "{name}");
    });
}

#[test]
fn every_wrapper_around_every_other_forwards_all_that_an_error_says() {
    let cause = || std::io::Error::other("the cause");
    for error in [
        VerifyErrorKind::Expired.into(),
        VerifyError::rejected(VerifyErrorKind::Claim).because(cause()),
        VerifyError::not_mine(),
        VerifyError::unavailable(cause()).retry_after(Duration::from_secs(7)),
        VerifyError::misconfigured(cause()),
    ] {
        let probe = Probe::new("probe", Err(error.clone()));
        let said = |error: &VerifyError| {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            (error.kind(), error.is_misconfigured(), error.retry_delay(), cause)
        };
        assert_of_each_nesting(&probe, |name, wrapper| {
            for verdict in wrapper.ask() {
                assert_eq!(said(&verdict().unwrap_err()), said(&error), "{name}");
            }
        });
    }
}

#[test]
fn a_list_and_a_choice_of_prefixes_say_what_all_their_members_say() {
    let (a, b) = (Probe::good("a"), Probe::good("b"));
    let members = || [a.clone().boxed(), b.clone().boxed(), a.clone().boxed(), Stranger.boxed()];
    let prefixes = ByPrefix::new(["pre", "presented", "presented.", "x"].into_iter().zip(members())).unwrap();
    for wrapper in [any_of(members()).boxed(), any_of(members()).ask_all().boxed(), prefixes.boxed()] {
        assert_eq!(wrapper.generation(), 3 * 41);
        let mut issuers = wrapper.issuers();
        issuers.sort();
        assert_eq!(issuers, ["https://a.example".into(), "https://b.example".into()], "each once");
        assert!(wrapper.recognises(&token()));
    }
}

#[test]
fn the_defaults_of_the_trait_are_those_of_a_simple_verifier() {
    struct Simple;
    impl TokenVerifier for Simple {
        async fn verify(&self, _: &BearerToken) -> Verdict {
            Ok(last())
        }
    }
    assert!(Simple.verify_now(&token(), noon()).is_none());
    assert!(Simple.recognises(&token()));
    assert_eq!(subject(&block_on(Simple.revalidate(&token(), &last()))), "last");
    assert_eq!((Simple.generation(), Simple.issuers().len()), (0, 0));
}

/// Asks a chain in its three ways, and hands each verdict to a check together with who was asked.
fn ask_all_ways(first: &Probe, second: &Probe, check: impl Fn(&Verdict, (bool, bool))) {
    let chain = first.or(second);
    let boxed = first.clone().or(second.clone()).boxed();
    for chain in [&chain as &dyn AskedBothWays, &boxed] {
        for verdict in chain.ask() {
            check(&verdict(), (first.was_asked(), second.was_asked()));
        }
    }
}

trait AskedBothWays {
    fn ask(&self) -> [Box<dyn Fn() -> Verdict + '_>; 3];
}

impl<V: TokenVerifier> AskedBothWays for V {
    fn ask(&self) -> [Box<dyn Fn() -> Verdict + '_>; 3] {
        [
            Box::new(|| block_on(self.verify(&token()))),
            Box::new(|| self.verify_now(&token(), noon()).unwrap()),
            Box::new(|| block_on(self.revalidate(&token(), &last()))),
        ]
    }
}

#[test]
fn the_first_that_recognises_a_token_answers() {
    ask_all_ways(&Probe::good("first"), &Probe::good("second"), |verdict, asked| {
        assert_eq!((subject(verdict), asked), ("first", (true, false)));
    });
    ask_all_ways(&Probe::good("first").blind(), &Probe::good("second"), |verdict, asked| {
        assert_eq!((subject(verdict), asked), ("second", (false, true)));
    });
    ask_all_ways(&Probe::good("first"), &Probe::good("second").blind(), |verdict, asked| {
        assert_eq!((subject(verdict), asked), ("first", (true, false)));
    });
}

#[test]
fn a_token_that_is_not_mine_goes_on() {
    let first = Probe::new("first", Err(VerifyError::not_mine()));
    ask_all_ways(&first, &Probe::good("second"), |verdict, asked| {
        assert_eq!((subject(verdict), asked), ("second", (true, true)));
    });
    ask_all_ways(&first, &Probe::good("second").blind(), |verdict, asked| {
        assert_eq!((kind(verdict), asked), (VerifyErrorKind::NotMine, (true, false)));
    });
    let second = Probe::new("second", Err(VerifyErrorKind::Inactive.into()));
    ask_all_ways(&first, &second, |verdict, asked| {
        assert_eq!((kind(verdict), asked), (VerifyErrorKind::Inactive, (true, true)));
    });
}

#[test]
fn a_rejected_token_goes_no_further_and_neither_does_one_that_nobody_can_judge_now() {
    for error in [
        VerifyErrorKind::Expired.into(),
        VerifyErrorKind::Signature.into(),
        VerifyErrorKind::Malformed.into(),
        VerifyErrorKind::Issuer.into(),
        VerifyError::unavailable("down").retry_after(Duration::from_secs(7)),
        VerifyError::misconfigured("refused"),
    ] {
        let first = Probe::new("first", Err(error.clone()));
        ask_all_ways(&first, &Probe::good("second"), |verdict, asked| {
            let stands = verdict.as_ref().unwrap_err();
            assert_eq!((stands.kind(), asked), (error.kind(), (true, false)));
            assert_eq!(stands.is_misconfigured(), error.is_misconfigured());
            assert_eq!(stands.retry_delay(), error.retry_delay());
        });
    }
}

#[test]
fn a_token_that_nobody_recognises_is_rejected_and_nobody_sees_it() {
    let (first, second) = (Probe::good("first").blind(), Probe::good("second").blind());
    ask_all_ways(&first, &second, |verdict, asked| {
        assert_eq!((kind(verdict), asked), (VerifyErrorKind::NotMine, (false, false)));
    });
    let kind_of_rejection = tower_bearer::Rejection::from(VerifyError::not_mine()).kind();
    assert_eq!(kind_of_rejection, tower_bearer::error::RejectionKind::InvalidToken);
}

#[test]
fn while_the_first_has_no_answer_yet_the_second_is_not_asked() {
    let (first, second) = (Probe::good("first").slow(), Probe::good("second"));
    assert!((&first).or(&second).verify_now(&token(), noon()).is_none());
    assert!(!second.was_asked());
    let not_mine = Probe::new("first", Err(VerifyError::not_mine()));
    let slow = Probe::good("second").slow();
    assert!((&not_mine).or(&slow).verify_now(&token(), noon()).is_none());
    assert_eq!(subject(&block_on((&not_mine).or(&slow).verify(&token()))), "second");
}

#[test]
fn a_long_chain_shows_the_token_to_the_one_that_recognises_it() {
    let probes = ["a", "b", "c", "d"].map(|name| Probe::good(name).blind());
    let owner = Probe::good("owner");
    let [a, b, c, d] = &probes;
    let chain = a.or(b).or(&owner).or(c.or(d));
    assert_eq!(subject(&block_on(chain.verify(&token()))), "owner");
    assert!(owner.was_asked() && probes.iter().all(|probe| !probe.was_asked()));
    let issuers = chain.issuers();
    assert_eq!(issuers.len(), 5);
    assert_eq!((&*issuers[0], &*issuers[2]), ("https://a.example", "https://owner.example"));
    assert_eq!(chain.generation(), 5 * 41);
    assert_eq!(a.or(a).issuers().len(), 1, "each issuer once");
}
