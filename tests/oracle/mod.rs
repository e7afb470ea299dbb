//! A second opinion on JWTs, written from the RFCs and the contract of this crate, and from nothing else: it shares no
//! line with the sources.
//!
//! It is slow and plain. Where this crate is stricter than an RFC, the oracle is too, and says which policy that is.

#![allow(dead_code, reason = "every test binary uses a part of it")]

mod claims;
mod jose;
mod json;
pub(crate) mod keys;
pub(crate) mod strategies;
pub(crate) mod tokens;

use std::time::{Duration, SystemTime};

use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value};
use tower_bearer::clock::{Clock, SystemClock};
use tower_bearer::jwks::StaticKeys;
use tower_bearer::verifier::JwtVerifierBuilder;
use tower_bearer::{AccessToken, Algorithm, JwtVerifier};

use self::claims::Dates;
pub(crate) use self::claims::nanoseconds;
pub(crate) use self::keys::Keys;
use self::keys::Known;

/// RFC 9068 §2.2.
const RFC9068: [&str; 7] = ["aud", "client_id", "exp", "iat", "iss", "jti", "sub"];

/// Which test may be long: so many cases, or what `PROPTEST_CASES` says.
pub(crate) fn cases(usual: u32) -> TestRunner {
    let said = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let cases = said.unwrap_or(usual);
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::default()
    })
}

/// What a verifier is told. Everything else is the law.
#[derive(Clone, Debug)]
pub(crate) struct Configuration {
    /// None: any.
    pub(crate) issuer: Option<String>,
    /// Empty: any, also none.
    pub(crate) audiences: Vec<String>,
    pub(crate) algorithms: Vec<&'static str>,
    /// Only tokens of that profile.
    pub(crate) rfc9068: bool,
    pub(crate) leeway: Duration,
    pub(crate) required: Vec<String>,
    pub(crate) expiry_required: bool,
    pub(crate) id_tokens_allowed: bool,
    pub(crate) max_token_age: Option<Duration>,
    pub(crate) keys: Keys,
}

impl Configuration {
    /// The verifier that is told the same.
    pub(crate) fn verifier(&self) -> JwtVerifier {
        self.verifier_with(SystemClock::default())
    }

    /// The same with a clock.
    pub(crate) fn verifier_with(&self, clock: impl Clock) -> JwtVerifier {
        let issuer = self.issuer.as_deref().unwrap_or("https://unused.example.com");
        let builder = JwtVerifier::builder(issuer, self.audiences.first().map_or("unused", String::as_str));
        let mut builder = self.audiences.iter().skip(1).fold(builder, JwtVerifierBuilder::add_audience);
        if self.audiences.is_empty() {
            builder = builder.insecure_allow_any_audience();
        }
        if self.issuer.is_none() {
            builder = builder.insecure_allow_any_issuer();
        }
        if self.rfc9068 {
            builder = builder.rfc9068();
        }
        if !self.expiry_required {
            builder = builder.insecure_allow_missing_expiry();
        }
        if self.id_tokens_allowed {
            builder = builder.insecure_allow_id_tokens();
        }
        if let Some(age) = self.max_token_age {
            builder = builder.max_token_age(age);
        }
        let builder = match &self.keys {
            Keys::Document(text) => builder.jwk_set(text),
            Keys::Listed(keys) => {
                builder.static_keys(keys.iter().fold(StaticKeys::new(), StaticKeys::add_jwk))
            }
            Keys::Secret(secret) => builder.hmac_secret(secret.clone()),
        };
        let algorithms = self.algorithms.iter().map(|name| Algorithm::from_name(name).unwrap());
        let builder =
            builder.algorithms(algorithms).required_claims(self.required.clone()).leeway(self.leeway);
        builder.clock(clock).build().unwrap()
    }
}

/// What a good token says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Accepted {
    pub(crate) issuer: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) client: Option<String>,
    pub(crate) token_id: Option<String>,
    pub(crate) audiences: Vec<String>,
    pub(crate) scopes: Vec<String>,
    /// In nanoseconds since 1970.
    pub(crate) expires: Option<i128>,
}

impl Accepted {
    /// What an access token says.
    pub(crate) fn of(token: &AccessToken) -> Self {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Self {
            issuer: owned(token.issuer()),
            subject: owned(token.subject()),
            client: owned(token.client()),
            token_id: owned(token.token_id()),
            audiences: token.audiences().map(str::to_owned).collect(),
            scopes: token.scopes().iter().map(str::to_owned).collect(),
            expires: token.expires_at().map(since_1970),
        }
    }
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    For(&'static str),
    /// It will be good.
    NotYet,
}

/// A configuration with its keys.
#[derive(Debug)]
pub(crate) struct Oracle {
    rules: Configuration,
    pub(crate) keys: Known,
}

/// A token of which only the dates are left to judge.
#[derive(Clone, Debug)]
pub(crate) struct Genuine {
    pub(crate) says: Accepted,
    pub(crate) payload: Vec<u8>,
    dates: Dates,
}

impl Oracle {
    pub(crate) fn new(mut rules: Configuration) -> Self {
        if rules.rfc9068 {
            rules.required.extend(RFC9068.map(str::to_owned));
        }
        Self { keys: rules.keys.read(), rules }
    }

    pub(crate) fn rules(&self) -> &Configuration {
        &self.rules
    }

    /// Everything that does not change with time.
    pub(crate) fn read(&self, token: &str) -> Result<Genuine, &'static str> {
        let parts = jose::read(token)?;
        if !self.rules.algorithms.contains(&parts.algorithm) {
            return Err("an algorithm that is not allowed");
        }
        if self.rules.rfc9068 && !parts.is_access_token {
            return Err("no access token by RFC 9068");
        }
        let (says, dates) = claims::read(&self.rules, &parts.claims)?;
        let keys = self.keys.meant(parts.key_id.as_deref(), parts.algorithm);
        if keys.is_empty() {
            return Err("no key, or nobody knows which");
        }
        let verifies =
            |key: &&keys::Key| key.verifies(parts.algorithm, parts.message.as_bytes(), &parts.signature);
        if !keys.iter().any(verifies) {
            return Err("a bad signature");
        }
        let says = Accepted { expires: dates.expires, ..says };
        Ok(Genuine { says, payload: parts.payload, dates })
    }

    /// Whether a token says that it is from this issuer. Nobody else is asked about it then.
    pub(crate) fn is_asked(&self, token: &str) -> bool {
        let Some(payload) = jose::payload(token) else { return false };
        let issuer = || Some(json::Json::object(&jose::base64url(payload)?)?.get("iss")?.text()?.to_owned());
        self.rules.issuer.is_none() || issuer() == self.rules.issuer
    }

    /// The whole verdict.
    pub(crate) fn judge(&self, token: &str, now: SystemTime) -> Result<Genuine, Refusal> {
        let genuine = self.read(token).map_err(Refusal::For)?;
        genuine.at(now)?;
        Ok(genuine)
    }
}

impl Genuine {
    /// Whether the token counts at a time.
    pub(crate) fn at(&self, now: SystemTime) -> Result<(), Refusal> {
        self.dates.judge(since_1970(now))
    }

    /// The claims, as any reader of JSON has them.
    pub(crate) fn claims(&self) -> Map<String, Value> {
        serde_json::from_slice(&self.payload).unwrap()
    }

    /// RFC 6749 §3.3: byte for byte.
    pub(crate) fn has_all(&self, scopes: &[&str]) -> bool {
        scopes.iter().all(|scope| self.says.scopes.iter().any(|own| own == scope))
    }

    /// Whether a verdict of before may be given: contract D5, D6. Never within the leeway, which the verifier knows.
    pub(crate) fn may_be_remembered_at(&self, now: SystemTime) -> bool {
        let (now, leeway) = (since_1970(now), self.dates.leeway);
        self.dates.expires.is_none_or(|end| now < end)
            && self.dates.not_before.is_none_or(|start| start - leeway <= now)
    }
}

pub(crate) fn since_1970(now: SystemTime) -> i128 {
    match now.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => nanoseconds(after),
        Err(before) => -nanoseconds(before.duration()),
    }
}
