//! A fixed list of tokens.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{TokenVerifier, Verdict};
use crate::access_token::AccessToken;
use crate::bearer_token::BearerToken;
use crate::error::{BuildError, BuildErrorKind, VerifyError};
use crate::secret::Secret;

/// The shortest token. A shorter one is guessed.
const MIN_LENGTH: usize = 16;

/// Knows its tokens from the configuration: for a handful of services, and for tests. Clones are cheap and share the
/// list.
///
/// A token is compared with all of them in the same time, whatever it begins with, and none is kept in clear. It
/// recognises its own tokens only, so that a chain goes on with all others.
///
/// ```
/// use tower_bearer::{AccessToken, ScopeSet};
/// use tower_bearer::verifier::StaticTokens;
///
/// let ci = AccessToken::verified().subject("ci").scopes(ScopeSet::parse("deploy")).build();
/// let verifier = StaticTokens::new([("a-long-random-token-of-ci", ci)])?;
/// # Ok::<(), tower_bearer::BuildError>(())
/// ```
///
/// # Security
///
/// Such a token ends when the configuration changes, unless its [`AccessToken`] has an expiry. Make tokens at random,
/// of 128 bits or more.
#[derive(Clone)]
pub struct StaticTokens {
    inner: Arc<Inner>,
}

struct Inner {
    // Random, so that nobody outside knows a digest.
    salt: [u8; 16],
    tokens: Vec<([u8; 32], AccessToken)>,
}

impl StaticTokens {
    /// Tokens, and what each stands for.
    ///
    /// # Errors
    ///
    /// - there is none: [`Empty`](BuildErrorKind::Empty)
    /// - a token cannot stand in a request: [`InvalidText`](BuildErrorKind::InvalidText)
    /// - a token has fewer than 16 characters: [`WeakSecret`](BuildErrorKind::WeakSecret)
    /// - a token is there twice: [`Conflict`](BuildErrorKind::Conflict)
    pub fn new<T: Into<Secret<String>>>(
        tokens: impl IntoIterator<Item = (T, AccessToken)>,
    ) -> Result<Self, BuildError> {
        let fault = |kind| BuildError::new("tokens", kind);
        let mut inner = Inner { salt: salt(), tokens: Vec::new() };
        for (token, stands_for) in tokens {
            let token: Secret<String> = token.into();
            let token = BearerToken::new(token.expose()).map_err(|_| fault(BuildErrorKind::InvalidText))?;
            if token.as_bytes().len() < MIN_LENGTH {
                return Err(fault(BuildErrorKind::WeakSecret));
            }
            if inner.find(&token).is_some() {
                return Err(fault(BuildErrorKind::Conflict));
            }
            inner.tokens.push((inner.digest(&token), stands_for));
        }
        match inner.tokens.is_empty() {
            true => Err(fault(BuildErrorKind::Empty)),
            false => Ok(Self { inner: Arc::new(inner) }),
        }
    }
}

/// For tests of an application, without any provider.
#[cfg(feature = "testing")]
impl StaticTokens {
    /// Tokens of any length, and what each stands for. Every other token is answered 401 `invalid_token`.
    ///
    /// A token that is there twice stands for the latter. What cannot stand in a request is left out, since nobody can
    /// present it. Without any, all tokens are bad.
    ///
    /// ```
    /// use tower_bearer::verifier::StaticTokens;
    /// use tower_bearer::{AccessToken, AuthLayer};
    ///
    /// let verifier = StaticTokens::for_tests([("alice-token", AccessToken::for_tests("alice", "read"))]);
    /// let auth = AuthLayer::new(verifier);
    /// ```
    #[must_use]
    pub fn for_tests<T: Into<Secret<String>>>(tokens: impl IntoIterator<Item = (T, AccessToken)>) -> Self {
        let mut inner = Inner { salt: salt(), tokens: Vec::new() };
        for (token, stands_for) in tokens {
            let token: Secret<String> = token.into();
            let Ok(token) = BearerToken::new(token.expose()) else { continue };
            let digest = inner.digest(&token);
            inner.tokens.retain(|(own, _)| *own != digest);
            inner.tokens.push((digest, stands_for));
        }
        Self { inner: Arc::new(inner) }
    }
}

fn salt() -> [u8; 16] {
    let half = || u128::from(RandomState::new().hash_one(MIN_LENGTH));
    (half() << 64 | half()).to_ne_bytes()
}

impl Inner {
    fn digest(&self, token: &BearerToken) -> [u8; 32] {
        Sha256::new_with_prefix(self.salt).chain_update(token.as_bytes()).finalize().into()
    }

    fn find(&self, token: &BearerToken) -> Option<&AccessToken> {
        let digest = self.digest(token);
        // To the end, wherever it is found.
        self.tokens.iter().fold(None, |found, (own, token)| match bool::from(own.ct_eq(&digest)) {
            true => Some(token),
            false => found,
        })
    }
}

impl TokenVerifier for StaticTokens {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        self.inner.find(token).cloned().ok_or_else(VerifyError::not_mine)
    }

    fn verify_now(&self, token: &BearerToken, _: SystemTime) -> Option<Verdict> {
        Some(self.inner.find(token).cloned().ok_or_else(VerifyError::not_mine))
    }

    fn recognises(&self, token: &BearerToken) -> bool {
        self.inner.find(token).is_some()
    }
}

impl fmt::Debug for StaticTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticTokens").field("tokens", &self.inner.tokens.len()).finish_non_exhaustive()
    }
}
