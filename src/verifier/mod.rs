//! Decides whether a bearer token is good.
//!
//! 1. It vouches for the token: the verdict is an [`AccessToken`]. Scopes and expiry are judged by the layer.
//! 2. The token is bad, for certain: [`VerifyError::rejected`], which is 401.
//! 3. It cannot tell: [`VerifyError::unavailable`], or [`VerifyError::misconfigured`] if this server is to blame. That is
//!    503, and clients keep their tokens. In doubt it is this.
//! 4. The token is another verifier's: [`VerifyError::not_mine`], which passes it on in a chain.
//!
//! A verifier of your own is one `async fn`:
//!
//! ```
//! use tower_bearer::{AccessToken, BearerToken, TokenVerifier, VerifyError};
//! use tower_bearer::error::VerifyErrorKind;
//!
//! struct ApiKeys;
//!
//! impl TokenVerifier for ApiKeys {
//!     async fn verify(&self, token: &BearerToken) -> Result<AccessToken, VerifyError> {
//!         match lookup(token.as_str()).await {
//!             Ok(Some(owner)) => Ok(AccessToken::verified().subject(owner).build()),
//!             Ok(None) => Err(VerifyError::rejected(VerifyErrorKind::Inactive)),
//!             Err(database_is_down) => Err(VerifyError::unavailable(database_is_down)),
//!         }
//!     }
//! }
//! # async fn lookup(_: &str) -> Result<Option<String>, std::io::Error> { Ok(Some("ci".to_owned())) }
//! ```

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tower_layer::Layer;

pub use self::any_of::AnyOf;
pub use self::boxed::BoxVerifier;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub use self::by_issuer::ByIssuer;
pub use self::by_prefix::ByPrefix;
#[cfg(feature = "github")]
pub use self::github::GitHubVerifier;
#[cfg(feature = "github")]
pub use self::github_builder::GitHubVerifierBuilder;
#[cfg(feature = "introspection")]
pub use self::introspection::IntrospectionVerifier;
#[cfg(feature = "introspection")]
pub use self::introspection_builder::IntrospectionVerifierBuilder;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub use self::jwt::JwtVerifier;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub use self::jwt_builder::JwtVerifierBuilder;
pub use self::map_claims::MapClaims;
pub use self::or::Or;
pub use self::static_tokens::StaticTokens;
pub use self::timeout::Timeout;
#[cfg(feature = "introspection")]
pub use self::tokeninfo::{TokenInfoVerifier, TokenInfoVerifierBuilder};
#[cfg(feature = "introspection")]
pub use self::userinfo::UserInfoVerifier;
#[cfg(feature = "introspection")]
pub use self::userinfo_builder::UserInfoVerifierBuilder;
use crate::access_token::{AccessToken, AccessTokenBuilder};
use crate::bearer_token::BearerToken;
use crate::error::VerifyError;

#[cfg(any(feature = "github", feature = "introspection"))]
mod answered_claims;
mod any_of;
#[cfg(all(feature = "introspection", feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod assertion;
mod boxed;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod by_issuer;
mod by_prefix;
#[cfg(any(
    feature = "introspection",
    all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto"))
))]
mod claims;
#[cfg(feature = "introspection")]
mod client_authentication;
#[cfg(any(
    feature = "introspection",
    all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto"))
))]
mod expected_claims;
#[cfg(feature = "github")]
mod github;
#[cfg(feature = "github")]
mod github_answer;
#[cfg(feature = "github")]
mod github_api;
#[cfg(feature = "github")]
mod github_budget;
#[cfg(feature = "github")]
mod github_builder;
#[cfg(feature = "github")]
mod github_members;
#[cfg(feature = "github")]
mod github_note;
#[cfg(feature = "github")]
mod github_scopes;
#[cfg(feature = "github")]
mod github_token;
#[cfg(feature = "introspection")]
mod introspection;
#[cfg(feature = "introspection")]
mod introspection_answer;
#[cfg(feature = "introspection")]
mod introspection_builder;
#[cfg(any(
    feature = "introspection",
    all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto"))
))]
mod issuers;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod jws;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod jwt;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod jwt_builder;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod last_header;
mod map_claims;
mod or;
#[cfg(any(
    feature = "introspection",
    all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto"))
))]
mod parties;
#[cfg(any(
    feature = "introspection",
    all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto"))
))]
mod pointer;
#[cfg(feature = "introspection")]
mod profile;
#[cfg(any(
    feature = "introspection",
    all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto"))
))]
mod required_claims;
#[cfg(all(feature = "introspection", feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod signed_answer;
mod static_tokens;
mod timeout;
#[cfg(feature = "introspection")]
mod tokeninfo;
#[cfg(feature = "introspection")]
mod userinfo;
#[cfg(feature = "introspection")]
mod userinfo_builder;
#[cfg(test)]
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod wycheproof;

/// What a verifier says of a token.
pub type Verdict = Result<AccessToken, VerifyError>;

/// Decides whether a bearer token is good.
///
/// Only [`verify`](Self::verify) is required. It separates three cases, and the layer answers each in its own way: the
/// token is good, the token is bad (401), nobody can tell (503). Scopes are not its business: the layer judges them.
///
/// A wrapper around another verifier forwards all six methods.
pub trait TokenVerifier: Send + Sync {
    /// Verifies a token. It is `token68` and has at most 16 KiB.
    ///
    /// Dropping the future must be harmless: a client may go away at any time.
    ///
    /// # Errors
    ///
    /// - nobody can tell whether it is good: [`Unavailable`](crate::error::VerifyErrorKind::Unavailable)
    /// - it is another verifier's: [`NotMine`](crate::error::VerifyErrorKind::NotMine)
    /// - it is bad: any other kind
    fn verify(&self, token: &BearerToken) -> impl Future<Output = Verdict> + Send;

    /// Verifies a token without waiting, if that is possible. `now` is the time by which to judge.
    ///
    /// It is asked first, before the characters of the token have been checked: an implementation must not assume a
    /// form. What it returns is final.
    ///
    /// Default: `None`, [`verify`](Self::verify) has to be asked.
    fn verify_now(&self, token: &BearerToken, now: SystemTime) -> Option<Verdict> {
        let _ = (token, now);
        None
    }

    /// Whether the token looks like one of this verifier's, by its shape, prefix or issuer. Never asks anybody. The
    /// characters of the token may not have been checked yet.
    ///
    /// A chain asks the first member that recognises the token.
    ///
    /// Default: every token.
    fn recognises(&self, token: &BearerToken) -> bool {
        let _ = token;
        true
    }

    /// Verifies a token again of which the last verdict is known, for whoever can do that at less cost.
    ///
    /// A cache asks this way before and after the time to live of an entry has ended. `last` is what was vouched for;
    /// what the verifier noted in its [`validator`](AccessToken::validator) goes with it. For an unchanged answer,
    /// return a clone of `last`. In a chain another member may have vouched for it: what this verifier noted says
    /// whether it did. A wrapper that changes what others vouch for hands them their own, not what it made of it.
    ///
    /// Default: [`verify`](Self::verify).
    fn revalidate(&self, token: &BearerToken, last: &AccessToken) -> impl Future<Output = Verdict> + Send {
        let _ = last;
        self.verify(token)
    }

    /// A number that grows when a key is withdrawn. A verdict that was remembered under an older one is dead.
    ///
    /// A verifier that asks another one has to hand on the number of that one: else a cache around it keeps what was
    /// good under a key that is gone. Default: 0, always.
    fn generation(&self) -> u64 {
        0
    }

    /// The issuers whose tokens this verifier accepts, for the metadata of the resource.
    ///
    /// Default: none.
    fn issuers(&self) -> Vec<Arc<str>> {
        Vec::new()
    }

    /// Asks this verifier, and another for the tokens that this one does not recognise.
    ///
    /// A token is shown to one of them: the verdict of the first that recognises it stands, unless it is
    /// [`NotMine`](crate::error::VerifyErrorKind::NotMine).
    ///
    /// A verifier that does not say what it [`recognises`](Self::recognises) takes every token: put it last, or let it
    /// return `NotMine`.
    fn or<V: TokenVerifier>(self, other: V) -> Or<Self, V>
    where
        Self: Sized,
    {
        Or::new(self, other)
    }

    /// Changes what this verifier vouches for: reads scopes from another claim, adds or renames what handlers look for.
    ///
    /// The closure gets a builder that says what the token says, and the token. What it makes of a token depends on
    /// that token alone: where a verifier says that nothing has changed, it is not called again. Put a cache around the
    /// result and not inside, so that it runs once for each verification.
    ///
    /// ```
    /// # use tower_bearer::{AccessToken, BearerToken, ScopeSet, TokenVerifier, VerifyError};
    /// # fn with(verifier: impl TokenVerifier) -> impl TokenVerifier {
    /// // A provider that writes what a token may do into `permissions`.
    /// verifier.map_claims(|builder, token| {
    ///     let permissions = token.claim::<Vec<String>>("permissions").unwrap_or_default();
    ///     builder.scopes(permissions.into_iter().collect())
    /// })
    /// # }
    /// ```
    fn map_claims<F>(self, map: F) -> MapClaims<Self, F>
    where
        Self: Sized,
        F: Fn(AccessTokenBuilder, &AccessToken) -> AccessTokenBuilder + Send + Sync,
    {
        MapClaims::new(self, map)
    }

    /// Gives up on this verifier after some time: nobody can tell then.
    ///
    /// A cache has a time limit of its own, and so have the verifiers of this crate that ask a provider. It needs a tokio
    /// runtime with its timer: without one there is no limit. Any duration will do; zero leaves no time to wait at all.
    fn timeout(self, limit: Duration) -> Timeout<Self>
    where
        Self: Sized,
    {
        Timeout::new(self, limit)
    }

    /// Wraps this verifier into a layer, such as [`CacheLayer`](crate::CacheLayer), which remembers verdicts.
    fn cached<L: Layer<Self>>(self, layer: L) -> L::Service
    where
        Self: Sized,
    {
        layer.layer(self)
    }

    /// Hides the type of this verifier. Clones of the box share it.
    fn boxed(self) -> BoxVerifier
    where
        Self: Sized + 'static,
    {
        BoxVerifier::new(self)
    }
}

/// The issuers of several verifiers, each once.
fn each_once(issuers: impl Iterator<Item = Arc<str>>) -> Vec<Arc<str>> {
    let mut once: Vec<Arc<str>> = Vec::new();
    for issuer in issuers {
        if !once.contains(&issuer) {
            once.push(issuer);
        }
    }
    once
}

/// The generation of several verifiers: each grows, and so does the sum.
fn sum(generations: impl Iterator<Item = u64>) -> u64 {
    generations.fold(0, u64::wrapping_add)
}

/// The future of a verdict.
type VerdictFuture<'a> = Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>;

/// Forwards the six methods to what a pointer points to.
macro_rules! forward {
    ($pointer:ty) => {
        impl<V: TokenVerifier + ?Sized> TokenVerifier for $pointer {
            async fn verify(&self, token: &BearerToken) -> Verdict {
                (**self).verify(token).await
            }

            fn verify_now(&self, token: &BearerToken, now: SystemTime) -> Option<Verdict> {
                (**self).verify_now(token, now)
            }

            fn recognises(&self, token: &BearerToken) -> bool {
                (**self).recognises(token)
            }

            async fn revalidate(&self, token: &BearerToken, last: &AccessToken) -> Verdict {
                (**self).revalidate(token, last).await
            }

            fn generation(&self) -> u64 {
                (**self).generation()
            }

            fn issuers(&self) -> Vec<Arc<str>> {
                (**self).issuers()
            }
        }
    };
}

forward!(&V);
forward!(Arc<V>);
