//! What a verifier vouches for.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use self::builder::AccessTokenBuilder;
use crate::admitted::{Admitted, Demand};
use crate::scope::ScopeSet;

mod builder;
mod weight;

/// A token that a verifier vouches for: who it is about, what it may do, until when.
///
/// It never holds the raw token. Clones are cheap: the content is shared.
///
/// ```
/// # use std::time::{Duration, SystemTime};
/// # use tower_bearer::{AccessToken, ScopeSet};
/// let token = AccessToken::verified()
///     .subject("ci")
///     .scopes(ScopeSet::parse("build deploy"))
///     .expires_at(SystemTime::now() + Duration::from_secs(300))
///     .claim("team", "infra")
///     .build();
/// assert_eq!(token.subject(), Some("ci"));
/// assert_eq!(token.claim::<String>("team").as_deref(), Some("infra"));
/// ```
///
/// There is no other way to get one, but for tests: no field to set, no default, nothing to read one from.
///
/// ```compile_fail,E0599
/// tower_bearer::AccessToken::default();
/// ```
/// ```compile_fail,E0277
/// serde_json::from_str::<tower_bearer::AccessToken>("{}");
/// ```
/// ```compile_fail,E0451
/// tower_bearer::AccessToken { inner: Default::default() };
/// ```
#[derive(Clone)]
pub struct AccessToken {
    inner: Arc<Inner>,
    // The request that it came with. None before a layer admitted it.
    admitted: Option<Arc<Admitted>>,
}

#[derive(Default)]
struct Inner {
    subject: Option<Box<str>>,
    issuer: Option<Arc<str>>,
    client: Option<Box<str>>,
    token_id: Option<Box<str>>,
    audiences: Vec<Box<str>>,
    scopes: ScopeSet,
    expires_at: Option<SystemTime>,
    issued_at: Option<SystemTime>,
    not_before: Option<SystemTime>,
    leeway: Duration,
    validator: Option<Box<str>>,
    // It is about a user whom nobody names: the client must not own what is the user's.
    is_of_unnamed_user: bool,
    // What it was mapped from, and by which mapping.
    mapped: Option<(u64, AccessToken)>,
    // Read when somebody asks: most requests never do.
    claims_text: String,
    claims: OnceLock<Map<String, Value>>,
}

/// The one to whom a token belongs, unique across issuers.
///
/// A subject means nothing without its issuer ([RFC 7519 §4.1.2]).
///
/// [RFC 7519 §4.1.2]: https://www.rfc-editor.org/rfc/rfc7519#section-4.1.2
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Principal<'a> {
    /// A client that acts for itself: the token has no subject.
    Client {
        /// The issuer, if the verifier knows it.
        issuer: Option<&'a str>,
        /// The client.
        client: &'a str,
    },
    /// Whom the token is about.
    Subject {
        /// The issuer, if the verifier knows it.
        issuer: Option<&'a str>,
        /// The subject.
        subject: &'a str,
    },
}

impl AccessToken {
    /// Starts an access token. Only a verifier that has checked the bearer token may say this.
    pub fn verified() -> AccessTokenBuilder {
        AccessTokenBuilder::new(Inner::default(), Map::new())
    }

    /// What a verifier would vouch for, for tests: a token of the client `test-client`, issued by `https://issuer.test`,
    /// with scopes separated by spaces.
    ///
    /// It is an argument for a handler that is called directly, goes into the extensions of a request for a service
    /// without a layer, and stands behind the tokens of
    /// [`StaticTokens::for_tests`](crate::verifier::StaticTokens::for_tests). Its claims say the same. It never ends,
    /// whatever clock a test goes by; [`verified`](Self::verified) makes one that does, or that says more.
    ///
    /// ```
    /// # use tower_bearer::AccessToken;
    /// async fn hello(token: AccessToken) -> String {
    ///     format!("hello {}", token.subject().unwrap_or("?"))
    /// }
    /// let answer = hello(AccessToken::for_tests("alice", "read write"));
    /// # let answer = tokio::runtime::Builder::new_current_thread().build()?.block_on(answer);
    /// assert_eq!(answer, "hello alice");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn for_tests(subject: &str, scope: &str) -> Self {
        let (issuer, client, scopes) = ("https://issuer.test", "test-client", ScopeSet::parse(scope));
        let token =
            Self::verified().issuer(issuer).claim("iss", issuer).client(client).claim("client_id", client);
        let token = token.subject(subject).claim("sub", subject);
        // Issuers leave the claim out if there is nothing to say.
        let token = if scopes.is_empty() { token } else { token.claim("scope", scopes.as_str()) };
        token.scopes(scopes).build()
    }

    /// Whom the token is about.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.inner.subject.as_deref()
    }

    /// Who issued it.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.inner.issuer.as_deref()
    }

    /// The client that it was issued to.
    #[must_use]
    pub fn client(&self) -> Option<&str> {
        self.inner.client.as_deref()
    }

    /// The identifier of the token itself, for audit trails.
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.inner.token_id.as_deref()
    }

    /// All audiences that the token names.
    pub fn audiences(&self) -> impl Iterator<Item = &str> {
        self.inner.audiences.iter().map(|audience| &**audience)
    }

    /// What the token may do.
    #[must_use]
    pub fn scopes(&self) -> &ScopeSet {
        &self.inner.scopes
    }

    /// When it ends. None if the issuer set no end.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.inner.expires_at
    }

    /// When it was issued.
    #[must_use]
    pub fn issued_at(&self) -> Option<SystemTime> {
        self.inner.issued_at
    }

    /// Whether the token is past its expiry plus the leeway of the verifier that vouched for it.
    ///
    /// The moment of expiry itself is past it ([RFC 7519
    /// §4.1.4](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.4)).
    #[must_use]
    #[inline]
    pub fn is_expired(&self, now: SystemTime) -> bool {
        self.inner.expires_at.is_some_and(|at| {
            // Adding to a date is not for nothing, and most tokens have time left.
            now >= at && at.checked_add(self.inner.leeway).is_none_or(|end| now >= end)
        })
    }

    /// When it begins to count. None if the issuer set no beginning.
    #[must_use]
    pub fn not_before(&self) -> Option<SystemTime> {
        self.inner.not_before
    }

    /// Whether a verdict of some time ago may still be given: not after the expiry, which needs the verifier's leeway,
    /// and not before the beginning.
    #[inline]
    pub(crate) fn is_current(&self, now: SystemTime) -> bool {
        let has_begun = |at: SystemTime| at.checked_sub(self.inner.leeway).is_none_or(|from| from <= now);
        self.inner.expires_at.is_none_or(|at| now < at) && self.inner.not_before.is_none_or(has_begun)
    }

    /// What the verifier noted to recognise an unchanged answer by. It is nobody else's business, and never a claim.
    #[must_use]
    pub fn validator(&self) -> Option<&str> {
        self.inner.validator.as_deref()
    }

    /// To whom the token belongs. None if it names neither a subject nor a client, or is about a user whom it does not
    /// name: such a token must not own anything.
    #[must_use]
    pub fn principal(&self) -> Option<Principal<'_>> {
        let issuer = self.issuer();
        match (self.subject(), self.client()) {
            (Some(subject), _) => Some(Principal::Subject { issuer, subject }),
            (None, Some(client)) if !self.inner.is_of_unnamed_user => {
                Some(Principal::Client { issuer, client })
            }
            (None, _) => None,
        }
    }

    /// One claim as the type that it should have. None if it is missing or of another type.
    #[must_use]
    pub fn claim<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        T::deserialize(self.claims().get(name)?).ok()
    }

    /// All claims as a type of yours.
    ///
    /// # Errors
    ///
    /// - the claims do not fit the type
    pub fn claims_as<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(self.claims())
    }

    /// Starts another token that says the same.
    pub(crate) fn to_builder(&self) -> AccessTokenBuilder {
        let own = &*self.inner;
        let inner = Inner {
            subject: own.subject.clone(),
            issuer: own.issuer.clone(),
            client: own.client.clone(),
            token_id: own.token_id.clone(),
            audiences: own.audiences.clone(),
            scopes: own.scopes.clone(),
            expires_at: own.expires_at,
            issued_at: own.issued_at,
            not_before: own.not_before,
            leeway: own.leeway,
            validator: own.validator.clone(),
            is_of_unnamed_user: own.is_of_unnamed_user,
            mapped: None,
            claims_text: String::new(),
            claims: OnceLock::new(),
        };
        AccessTokenBuilder::new(inner, self.claims().clone())
    }

    /// The token as it goes to the handler.
    #[inline]
    pub(crate) fn admitted_as(mut self, admitted: Arc<Admitted>) -> Self {
        self.admitted = Some(admitted);
        self
    }

    /// The token after one more check.
    pub(crate) fn demanded_by(mut self, demand: Arc<dyn Demand>) -> Self {
        self.admitted = self.admitted.map(|before| Arc::new(Admitted::after(&before, demand)));
        self
    }

    /// How a layer let it in, if one did.
    pub(crate) fn admitted(&self) -> Option<&Admitted> {
        self.admitted.as_deref()
    }

    /// Whether a mapping made it of another one.
    pub(crate) fn is_mapped(&self) -> bool {
        self.inner.mapped.is_some()
    }

    /// What this token was before that mapping.
    pub(crate) fn before(&self, mapping: u64) -> Option<&Self> {
        self.inner.mapped.as_ref().filter(|(own, _)| *own == mapping).map(|(_, original)| original)
    }

    /// Whether this is the same token, not only an equal one.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// All claims as JSON.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        self.inner.claims.get_or_init(|| serde_json::from_str(&self.inner.claims_text).unwrap_or_default())
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Claims may be personal data: whoever wants them in a log has to say so.
        f.debug_struct("AccessToken")
            .field("subject", &self.subject())
            .field("issuer", &self.issuer())
            .field("client", &self.client())
            .field("scopes", &self.scopes())
            .field("expires_at", &self.expires_at())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_needs_a_subject_or_a_client() {
        let nobody = AccessToken::verified().issuer("https://a").build();
        assert_eq!(nobody.principal(), None);
        assert_eq!(nobody.subject(), None);
        let client = AccessToken::verified().issuer("https://a").client("x").build();
        let user = AccessToken::verified().issuer("https://a").subject("x").client("y").build();
        let namesake = AccessToken::verified().issuer("https://b").subject("x").build();
        assert_ne!(client.principal(), user.principal());
        assert_ne!(user.principal(), namesake.principal());
    }

    #[test]
    fn the_moment_of_expiry_is_too_late() {
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let token = AccessToken::verified().expires_at(end).leeway(Duration::from_secs(10)).build();
        assert!(!token.is_expired(end + Duration::from_millis(9_999)));
        assert!(token.is_expired(end + Duration::from_secs(10)));
        assert!(!AccessToken::verified().build().is_expired(end));
    }

    #[test]
    fn claims_are_read_as_what_they_are() {
        #[derive(serde::Deserialize)]
        struct Mine {
            team: String,
            size: u64,
        }
        let token =
            AccessToken::verified().claim("team", "x").claim("size", 9_007_199_254_740_993_u64).build();
        assert_eq!(token.claim::<u64>("size"), Some(9_007_199_254_740_993));
        assert_eq!(token.claim::<u64>("team"), None);
        let mine: Mine = token.claims_as().unwrap();
        assert_eq!((&*mine.team, mine.size), ("x", 9_007_199_254_740_993));
    }
}
