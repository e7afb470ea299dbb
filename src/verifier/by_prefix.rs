//! One verifier for each prefix.

use std::cmp::Reverse;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use super::{BoxVerifier, TokenVerifier, Verdict, each_once, sum};
use crate::access_token::AccessToken;
use crate::bearer_token::BearerToken;
use crate::error::{BuildError, BuildErrorKind, VerifyError};

/// Asks the verifier to whom tokens with a prefix belong, such as `sk_live_`. Clones are cheap and share the members.
///
/// The longest prefix counts. A token without any of them is not recognised, and nobody sees it; what shall become of
/// those goes into an [`or`](TokenVerifier::or) behind. The same goes for a token with a prefix whose verifier does not
/// recognise it, as [`StaticTokens`](super::StaticTokens) recognises no others than its own.
#[derive(Clone)]
pub struct ByPrefix {
    // Longest prefix first.
    members: Arc<[(Box<str>, BoxVerifier)]>,
}

impl ByPrefix {
    /// Prefixes, compared byte for byte, and the verifier for each.
    ///
    /// # Errors
    ///
    /// - there is none, or a prefix is empty: [`Empty`](BuildErrorKind::Empty)
    /// - a prefix cannot begin a token: [`InvalidText`](BuildErrorKind::InvalidText)
    /// - a prefix is there twice: [`Conflict`](BuildErrorKind::Conflict)
    pub fn new<P: Into<Box<str>>>(
        members: impl IntoIterator<Item = (P, BoxVerifier)>,
    ) -> Result<Self, BuildError> {
        let fault = |kind| Err(BuildError::new("members", kind));
        let mut members: Vec<(Box<str>, BoxVerifier)> =
            members.into_iter().map(|(prefix, member)| (prefix.into(), member)).collect();
        if members.is_empty() || members.iter().any(|(prefix, _)| prefix.is_empty()) {
            return fault(BuildErrorKind::Empty);
        }
        if members.iter().any(|(prefix, _)| BearerToken::new(prefix).is_err()) {
            return fault(BuildErrorKind::InvalidText);
        }
        // Stable order for those that are equally long: equal ones become neighbours.
        members.sort_by(|(a, _), (b, _)| (Reverse(a.len()), a).cmp(&(Reverse(b.len()), b)));
        if members.windows(2).any(|pair| matches!(pair, [(a, _), (b, _)] if a == b)) {
            return fault(BuildErrorKind::Conflict);
        }
        Ok(Self { members: members.into() })
    }

    fn member(&self, token: &BearerToken) -> Option<&BoxVerifier> {
        let is_of = |prefix: &str| token.as_bytes().starts_with(prefix.as_bytes());
        let member = self.members.iter().find(|(prefix, _)| is_of(prefix)).map(|(_, member)| member);
        member.filter(|member| member.recognises(token))
    }
}

impl TokenVerifier for ByPrefix {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        match self.member(token) {
            Some(member) => member.verify(token).await,
            None => Err(VerifyError::not_mine()),
        }
    }

    fn verify_now(&self, token: &BearerToken, now: SystemTime) -> Option<Verdict> {
        match self.member(token) {
            Some(member) => member.verify_now(token, now),
            None => Some(Err(VerifyError::not_mine())),
        }
    }

    fn recognises(&self, token: &BearerToken) -> bool {
        self.member(token).is_some()
    }

    async fn revalidate(&self, token: &BearerToken, last: &AccessToken) -> Verdict {
        match self.member(token) {
            Some(member) => member.revalidate(token, last).await,
            None => Err(VerifyError::not_mine()),
        }
    }

    fn generation(&self) -> u64 {
        sum(self.members.iter().map(|(_, member)| member.generation()))
    }

    fn issuers(&self) -> Vec<Arc<str>> {
        each_once(self.members.iter().flat_map(|(_, member)| member.issuers()))
    }
}

impl fmt::Debug for ByPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefixes: Vec<&str> = self.members.iter().map(|(prefix, _)| &**prefix).collect();
        f.debug_struct("ByPrefix").field("prefixes", &prefixes).finish_non_exhaustive()
    }
}
