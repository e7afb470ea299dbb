//! How to fetch the keys of an issuer, and how long to trust them.

use std::fmt;
use std::time::Duration;

use http::Uri;

use crate::endpoint;
use crate::error::{BuildError, BuildErrorKind};

const COOLDOWN: Duration = Duration::from_secs(30);
const MAX_COOLDOWN: Duration = Duration::from_secs(60 * 60);
const MAX_AGE: Duration = Duration::from_secs(60 * 60);
const MAX_STALE: Duration = DAY;
const LONGEST_STALE: Duration = Duration::from_secs(30 * DAY.as_secs());
const TIMEOUT: Duration = Duration::from_secs(5);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The shortest and the longest time between two regular fetches, whatever the issuer asks for.
pub(crate) const MIN_AGE: Duration = Duration::from_secs(60);
pub(crate) const LONGEST_AGE: Duration = DAY;

/// A JWK set that is fetched from its issuer.
///
/// 1. Nothing is fetched before the first token that is good but for its signature. A provider that is down then is
///    asked again, with back-off from one second to one minute.
/// 2. However many tokens wait for keys, one fetch runs. A token whose key is known never waits.
/// 3. Keys are fetched again in the background when they reach their [`max_age`](Self::max_age), or the `max-age` of
///    the answer within one minute and one day; never later than at half of [`max_stale`](Self::max_stale).
/// 4. An unknown `kid` causes a fetch at most once per [`cooldown`](Self::cooldown). A bad signature under a known
///    `kid` never does.
/// 5. While the issuer cannot be reached, the keys serve until they are [`max_stale`](Self::max_stale) old; then
///    tokens cannot be verified, and requests are answered with 503.
/// 6. An answer has at most 256 KiB and 100 keys; redirects are not followed; the request holds nothing of a token.
///
/// ```
/// # #[cfg(feature = "reqwest")] {
/// # use std::time::Duration;
/// use tower_bearer::JwtVerifier;
/// use tower_bearer::jwks::RemoteJwks;
///
/// let keys = RemoteJwks::at("https://idp.example.com/keys").cooldown(Duration::from_secs(60));
/// let verifier =
///     JwtVerifier::builder("https://idp.example.com", "https://api.example.com").remote_jwks(keys).build();
/// assert!(verifier.is_ok());
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct RemoteJwks {
    uri: Option<String>,
    pub(crate) cooldown: Duration,
    pub(crate) max_age: Duration,
    pub(crate) max_stale: Duration,
    pub(crate) timeout: Duration,
}

impl RemoteJwks {
    /// Keys at a known address.
    pub fn at(jwks_uri: impl Into<String>) -> Self {
        Self { uri: Some(jwks_uri.into()), ..Self::discovered() }
    }

    /// Keys at the address that the issuer's metadata names: OpenID Connect Discovery, then [RFC 8414].
    ///
    /// The `issuer` of the metadata has to be the configured one, byte for byte.
    ///
    /// [RFC 8414]: https://www.rfc-editor.org/rfc/rfc8414#section-3
    pub fn discovered() -> Self {
        Self { uri: None, cooldown: COOLDOWN, max_age: MAX_AGE, max_stale: MAX_STALE, timeout: TIMEOUT }
    }

    /// How long to wait after a fetch before an unknown `kid` causes another.
    ///
    /// Keeps a stranger who invents key ids from making this server hammer the issuer.
    ///
    /// Default: 30 seconds. From 1 second to 1 hour.
    pub fn cooldown(mut self, cooldown: Duration) -> Self {
        self.cooldown = cooldown;
        self
    }

    /// The age at which keys are fetched again in the background, unless the answer said `max-age`.
    ///
    /// Default: 1 hour. From 1 minute to 1 day; above 12 hours it needs a longer [`max_stale`](Self::max_stale).
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// The age beyond which keys that could not be fetched again are no longer used.
    ///
    /// Default: 1 day. From twice the [`max_age`](Self::max_age) to 30 days.
    ///
    /// # Security
    ///
    /// A key that the issuer withdraws while it cannot be reached serves until then. So does one that is withdrawn
    /// while no token comes: keys are fetched when tokens need them, and the first token after a quiet time finds the
    /// old ones.
    pub fn max_stale(mut self, age: Duration) -> Self {
        self.max_stale = age;
        self
    }

    /// How long a whole fetch may take, discovery included.
    ///
    /// Default: 5 seconds. From 1 millisecond to 60 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Whether the address has to be asked for.
    pub(crate) fn is_discovered(&self) -> bool {
        self.uri.is_none()
    }

    /// The address, if it was given and is one that may be fetched from.
    pub(crate) fn check(&self) -> Result<Option<Uri>, BuildError> {
        for (setting, value, range) in [
            ("cooldown", self.cooldown, Duration::from_secs(1)..=MAX_COOLDOWN),
            ("max_age", self.max_age, MIN_AGE..=LONGEST_AGE),
            ("max_stale", self.max_stale, self.max_age.saturating_mul(2)..=LONGEST_STALE),
            ("timeout", self.timeout, Duration::from_millis(1)..=LONGEST_TIMEOUT),
        ] {
            if !range.contains(&value) {
                return Err(BuildError::new(setting, BuildErrorKind::OutOfRange));
            }
        }
        self.uri.as_deref().map(|uri| endpoint::check("jwks_uri", uri)).transpose()
    }
}

impl fmt::Debug for RemoteJwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A query may hold a key to the address.
        let uri = self.uri.as_deref().map(|uri| uri.split('?').next().unwrap_or_default());
        f.debug_struct("RemoteJwks").field("uri", &uri).finish_non_exhaustive()
    }
}
