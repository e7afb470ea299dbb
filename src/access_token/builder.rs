//! Makes access tokens.

#[cfg(any(
    feature = "introspection",
    all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto"))
))]
use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use super::{AccessToken, Inner};
use crate::scope::ScopeSet;

/// Sets what an [`AccessToken`] says. Everything is optional.
#[must_use = "the token is made by `build`"]
pub struct AccessTokenBuilder {
    inner: Inner,
    claims: Map<String, Value>,
}

impl AccessTokenBuilder {
    pub(super) fn new(inner: Inner, claims: Map<String, Value>) -> Self {
        Self { inner, claims }
    }

    /// Whom the token is about: unique and never reassigned within its issuer. Not a display name.
    pub fn subject(mut self, subject: impl Into<Box<str>>) -> Self {
        self.inner.subject = Some(subject.into());
        self
    }

    /// Who issued it.
    pub fn issuer(mut self, issuer: impl Into<Arc<str>>) -> Self {
        self.inner.issuer = Some(issuer.into());
        self
    }

    /// The client that it was issued to.
    pub fn client(mut self, client: impl Into<Box<str>>) -> Self {
        self.inner.client = Some(client.into());
        self
    }

    /// The identifier of the token itself.
    pub fn token_id(mut self, id: impl Into<Box<str>>) -> Self {
        self.inner.token_id = Some(id.into());
        self
    }

    /// For whom it is meant.
    pub fn audiences<A: Into<Box<str>>>(mut self, audiences: impl IntoIterator<Item = A>) -> Self {
        self.inner.audiences = audiences.into_iter().map(Into::into).collect();
        self
    }

    /// What it may do.
    pub fn scopes(mut self, scopes: ScopeSet) -> Self {
        self.inner.scopes = scopes;
        self
    }

    /// When it ends. Without this it never does, as far as the layer is concerned.
    pub fn expires_at(mut self, at: SystemTime) -> Self {
        self.inner.expires_at = Some(at);
        self
    }

    /// When it was issued.
    pub fn issued_at(mut self, at: SystemTime) -> Self {
        self.inner.issued_at = Some(at);
        self
    }

    /// When it begins to count.
    pub fn not_before(mut self, at: SystemTime) -> Self {
        self.inner.not_before = Some(at);
        self
    }

    /// Notes something by which an unchanged answer is recognised, an `ETag` for example. A cache hands it back with
    /// the token to [`TokenVerifier::revalidate`](crate::TokenVerifier::revalidate).
    pub fn validator(mut self, validator: impl Into<Box<str>>) -> Self {
        self.inner.validator = Some(validator.into());
        self
    }

    /// How long after its expiry the token still counts, for clocks that differ. Default: zero.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.inner.leeway = leeway;
        self
    }

    /// Adds a claim. What the other setters say, such as the subject, is not among the claims unless it is added here
    /// too.
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    /// Notes what the token is made of, and by which mapping.
    pub(crate) fn mapped_from(mut self, mapping: u64, original: AccessToken) -> Self {
        self.inner.mapped = Some((mapping, original));
        self
    }

    /// Replaces all claims.
    #[cfg(any(feature = "github", feature = "introspection"))]
    pub(crate) fn claims(mut self, claims: Map<String, Value>) -> Self {
        self.claims = claims;
        self
    }

    /// Says that the token is about a user whom it does not name.
    #[cfg(feature = "introspection")]
    pub(crate) fn of_unnamed_user(mut self) -> Self {
        self.inner.is_of_unnamed_user = true;
        self
    }

    /// The claims as the text of a JSON object that has been checked; they are read when somebody asks.
    #[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
    pub(crate) fn claims_text(mut self, text: Vec<u8>) -> Self {
        self.inner.claims_text = String::from_utf8(text).unwrap_or_default();
        self
    }

    /// Vouches for the token.
    #[must_use]
    pub fn build(mut self) -> AccessToken {
        if self.inner.claims_text.is_empty() {
            self.inner.claims = OnceLock::from(self.claims);
        }
        AccessToken { inner: Arc::new(self.inner), admitted: None }
    }
}

/// What claims say, several at once: a builder is moved by each call.
#[cfg(any(
    feature = "introspection",
    all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto"))
))]
impl AccessTokenBuilder {
    /// By whom, under which identifier and when it was issued.
    pub(crate) fn issued(
        mut self,
        issuer: Option<Arc<str>>,
        id: Option<Cow<'_, str>>,
        at: Option<SystemTime>,
    ) -> Self {
        self.inner.issuer = issuer;
        self.inner.token_id = id.map(Into::into);
        self.inner.issued_at = at;
        self
    }

    /// About whom, to whom and for whom.
    pub(crate) fn parties(
        mut self,
        subject: Option<Cow<'_, str>>,
        client: Option<Cow<'_, str>>,
        audiences: Vec<Box<str>>,
    ) -> Self {
        self.inner.subject = subject.map(Into::into);
        self.inner.client = client.map(Into::into);
        self.inner.audiences = audiences;
        self
    }

    /// From when to when it counts.
    pub(crate) fn lasting(
        mut self,
        not_before: Option<SystemTime>,
        expires_at: Option<SystemTime>,
        leeway: Duration,
    ) -> Self {
        self.inner.not_before = not_before;
        self.inner.expires_at = expires_at;
        self.inner.leeway = leeway;
        self
    }
}

impl fmt::Debug for AccessTokenBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessTokenBuilder").finish_non_exhaustive()
    }
}
