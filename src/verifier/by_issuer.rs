//! One verifier for each issuer.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use super::jws::Jws;
use super::{BoxVerifier, TokenVerifier, Verdict, claims, sum};
use crate::access_token::AccessToken;
use crate::bearer_token::BearerToken;
use crate::error::{BuildError, BuildErrorKind, VerifyError, VerifyErrorKind};

/// Asks the verifier of the issuer that a JWT names. Clones are cheap and share the members.
///
/// The `iss` of the token is not believed: it is a hint by which one of the configured verifiers is looked up, and that
/// one checks it. A token of an issuer that is not configured, or that is no JWT, is not recognised, and nobody sees
/// it. The members share nothing: while one issuer is down, tokens of the others are verified as ever.
///
/// ```
/// # #[cfg(feature = "reqwest")] {
/// use tower_bearer::verifier::ByIssuer;
/// use tower_bearer::{JwtVerifier, TokenVerifier};
///
/// let issuers = ["https://login.example.com/", "https://partner.example.org/"];
/// let verifiers = issuers.map(|issuer| JwtVerifier::builder(issuer, "https://api.example.com").build());
/// let verifiers = verifiers.into_iter().collect::<Result<Vec<_>, _>>()?;
/// let verifier = ByIssuer::new(verifiers.into_iter().map(TokenVerifier::boxed))?;
/// # }
/// # Ok::<(), tower_bearer::BuildError>(())
/// ```
#[derive(Clone)]
pub struct ByIssuer {
    members: Arc<Members>,
}

struct Members {
    // In the order in which they were given.
    issuers: Vec<Arc<str>>,
    by_issuer: HashMap<Arc<str>, BoxVerifier>,
}

impl ByIssuer {
    /// Verifiers that know their issuers.
    ///
    /// # Errors
    ///
    /// - there is none: [`Empty`](BuildErrorKind::Empty)
    /// - one of them knows no issuer, or takes any: [`Missing`](BuildErrorKind::Missing)
    /// - two have the same: [`Conflict`](BuildErrorKind::Conflict)
    pub fn new(members: impl IntoIterator<Item = BoxVerifier>) -> Result<Self, BuildError> {
        let (mut issuers, mut by_issuer) = (Vec::new(), HashMap::new());
        for member in members {
            let own = member.issuers();
            if own.is_empty() {
                return Err(BuildError::new("members", BuildErrorKind::Missing));
            }
            for issuer in own {
                if by_issuer.insert(Arc::clone(&issuer), member.clone()).is_some() {
                    return Err(BuildError::new("members", BuildErrorKind::Conflict));
                }
                issuers.push(issuer);
            }
        }
        match issuers.is_empty() {
            true => Err(BuildError::new("members", BuildErrorKind::Empty)),
            false => Ok(Self { members: Arc::new(Members { issuers, by_issuer }) }),
        }
    }

    /// The verifier of the issuer that the token names, and that issuer.
    fn member(&self, token: &BearerToken) -> Option<(&str, &BoxVerifier)> {
        let payload = Jws::parse_jwt(token.as_bytes()).ok()?.payload().ok()?;
        let issuer = claims::issuer(&payload)?;
        let (issuer, member) = self.members.by_issuer.get_key_value(&*issuer)?;
        member.recognises(token).then_some((issuer, member))
    }
}

/// What a verifier vouches for is a token of its issuer.
fn of(issuer: &str, verdict: Verdict) -> Verdict {
    match verdict {
        Ok(token) if token.issuer() != Some(issuer) => Err(VerifyErrorKind::Issuer.into()),
        verdict => verdict,
    }
}

impl TokenVerifier for ByIssuer {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        match self.member(token) {
            Some((issuer, member)) => of(issuer, member.verify(token).await),
            None => Err(VerifyError::not_mine()),
        }
    }

    fn verify_now(&self, token: &BearerToken, now: SystemTime) -> Option<Verdict> {
        match self.member(token) {
            Some((issuer, member)) => Some(of(issuer, member.verify_now(token, now)?)),
            None => Some(Err(VerifyError::not_mine())),
        }
    }

    fn recognises(&self, token: &BearerToken) -> bool {
        self.member(token).is_some()
    }

    async fn revalidate(&self, token: &BearerToken, last: &AccessToken) -> Verdict {
        match self.member(token) {
            Some((issuer, member)) => of(issuer, member.revalidate(token, last).await),
            None => Err(VerifyError::not_mine()),
        }
    }

    fn generation(&self) -> u64 {
        sum(self.members.by_issuer.values().map(TokenVerifier::generation))
    }

    fn issuers(&self) -> Vec<Arc<str>> {
        self.members.issuers.clone()
    }
}

impl fmt::Debug for ByIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByIssuer").field("issuers", &self.members.issuers).finish_non_exhaustive()
    }
}
