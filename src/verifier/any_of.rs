//! Several verifiers side by side, as many as a configuration names.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use super::{BoxVerifier, TokenVerifier, Verdict, each_once, sum};
use crate::access_token::AccessToken;
use crate::bearer_token::BearerToken;
use crate::error::{BuildError, BuildErrorKind, VerifyError, VerifyErrorKind};

/// Asks the first verifier that recognises the token, out of a list that is made at run time.
///
/// The verdict of that one stands, unless it is [`NotMine`](VerifyErrorKind::NotMine). If nobody recognises the token,
/// it is rejected and nobody sees it. For two or three verifiers that are known when the code is written there is
/// [`TokenVerifier::or`]. Clones are cheap and share the members.
///
/// The order counts: a verifier that takes every token, such as one that introspects, belongs at the end.
#[derive(Clone)]
pub struct AnyOf {
    members: Arc<[BoxVerifier]>,
    asks_all: bool,
}

impl AnyOf {
    /// Verifiers in the order in which they are asked.
    ///
    /// # Errors
    ///
    /// - there is none: [`Empty`](BuildErrorKind::Empty)
    pub fn new(members: impl IntoIterator<Item = BoxVerifier>) -> Result<Self, BuildError> {
        let members: Arc<[BoxVerifier]> = members.into_iter().collect();
        match members.is_empty() {
            true => Err(BuildError::new("members", BuildErrorKind::Empty)),
            false => Ok(Self { members, asks_all: false }),
        }
    }

    /// Asks every verifier that recognises the token, one after the other, until one says that it is good.
    ///
    /// If none does and one cannot tell, nobody can: the token may be that one's. Only then is it rejected by all. A
    /// verifier that hangs keeps the next ones waiting until its time limit.
    ///
    /// # Security
    ///
    /// The token is shown to all of them until one accepts it: only for verifiers of which each may see the tokens of
    /// the others. Whoever runs one of them can use what is shown to it.
    #[must_use]
    pub fn ask_all(mut self) -> Self {
        self.asks_all = true;
        self
    }

    fn who_recognise<'a>(&'a self, token: &'a BearerToken) -> impl Iterator<Item = &'a BoxVerifier> {
        self.members.iter().filter(move |member| member.recognises(token))
    }
}

/// What the members said so far.
#[derive(Default)]
struct Tally {
    asks_all: bool,
    rejected: Option<VerifyError>,
    unavailable: Option<VerifyError>,
}

impl Tally {
    /// Notes a verdict. Returns it if it stands, and nobody else has to be asked.
    fn add(&mut self, verdict: Verdict) -> Option<Verdict> {
        let error = match verdict {
            Err(error) if error.kind() == VerifyErrorKind::NotMine => return None,
            Err(error) if self.asks_all => error,
            verdict => return Some(verdict),
        };
        let kept = match error.kind() {
            VerifyErrorKind::Unavailable => &mut self.unavailable,
            _ => &mut self.rejected,
        };
        kept.get_or_insert(error);
        None
    }

    fn verdict(self) -> Verdict {
        Err(self.unavailable.or(self.rejected).unwrap_or_else(VerifyError::not_mine))
    }
}

impl TokenVerifier for AnyOf {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        let mut tally = Tally { asks_all: self.asks_all, ..Tally::default() };
        for member in self.who_recognise(token) {
            if let Some(verdict) = tally.add(member.verify(token).await) {
                return verdict;
            }
        }
        tally.verdict()
    }

    fn verify_now(&self, token: &BearerToken, now: SystemTime) -> Option<Verdict> {
        let mut tally = Tally { asks_all: self.asks_all, ..Tally::default() };
        for member in self.who_recognise(token) {
            if let Some(verdict) = tally.add(member.verify_now(token, now)?) {
                return Some(verdict);
            }
        }
        Some(tally.verdict())
    }

    fn recognises(&self, token: &BearerToken) -> bool {
        self.who_recognise(token).next().is_some()
    }

    async fn revalidate(&self, token: &BearerToken, last: &AccessToken) -> Verdict {
        let mut tally = Tally { asks_all: self.asks_all, ..Tally::default() };
        for member in self.who_recognise(token) {
            if let Some(verdict) = tally.add(member.revalidate(token, last).await) {
                return verdict;
            }
        }
        tally.verdict()
    }

    fn generation(&self) -> u64 {
        sum(self.members.iter().map(TokenVerifier::generation))
    }

    fn issuers(&self) -> Vec<Arc<str>> {
        each_once(self.members.iter().flat_map(TokenVerifier::issuers))
    }
}

impl fmt::Debug for AnyOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyOf")
            .field("members", &self.members.len())
            .field("asks_all", &self.asks_all)
            .finish_non_exhaustive()
    }
}
