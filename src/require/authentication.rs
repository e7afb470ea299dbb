//! Demands how, and how recently, the user logged in ([RFC 9470]).
//!
//! [RFC 9470]: https://www.rfc-editor.org/rfc/rfc9470

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tower_layer::Layer;

use super::{Require, Rule};
use crate::access_token::AccessToken;
use crate::admitted::{Demand, Protection};
use crate::challenge::Challenge;
use crate::clock::{Clock, SystemClock};
use crate::error::{BuildError, BuildErrorKind, RejectionKind};
use crate::scope::ScopeSet;

const MIN_AGE: Duration = Duration::from_secs(1);
const MAX_AGE: Duration = Duration::from_secs(10 * 365 * 24 * 3_600);
/// Clocks differ: so much may a log-in lie in the future.
const LEEWAY: Duration = Duration::from_secs(60);
const MAX_VALUES: usize = 200;

/// A layer that lets only tokens pass whose user logged in well enough, or lately: the claims `acr` and `auth_time`.
/// For single routes, inside of an [`AuthLayer`](crate::AuthLayer). Clones are cheap.
///
/// Everybody else is answered 401 `insufficient_user_authentication`, with a challenge that says what would be enough,
/// so that clients send their user to log in again ([RFC 9470 §3]). A token that does not say how its user logged in
/// is not enough ([§6]).
///
/// ```
/// use std::time::Duration;
/// use tower_bearer::require::RequireAuthentication;
///
/// let recently = RequireAuthentication::builder()
///     .acr_values(["urn:example:mfa"])
///     .max_age(Duration::from_secs(300))
///     .build()?;
/// # Ok::<(), tower_bearer::BuildError>(())
/// ```
///
/// [RFC 9470 §3]: https://www.rfc-editor.org/rfc/rfc9470#section-3
/// [§6]: https://www.rfc-editor.org/rfc/rfc9470#section-6
#[derive(Clone)]
pub struct RequireAuthentication {
    rule: Arc<LogIn>,
}

/// Sets up [`RequireAuthentication`].
#[must_use = "the layer is made by `build`"]
pub struct RequireAuthenticationBuilder {
    acr_values: Vec<String>,
    max_age: Option<Duration>,
    clock: Arc<dyn Clock>,
}

struct LogIn {
    acr_values: Vec<String>,
    max_age: Option<Duration>,
    clock: Arc<dyn Clock>,
}

impl RequireAuthentication {
    /// Starts a layer. At least one of the two settings is needed.
    pub fn builder() -> RequireAuthenticationBuilder {
        RequireAuthenticationBuilder { acr_values: Vec::new(), max_age: None, clock: SystemClock::shared() }
    }
}

impl RequireAuthenticationBuilder {
    /// The values of `acr` that are good enough, best first; each is compared byte for byte. At most 200 bytes
    /// together.
    ///
    /// Default: any, and none.
    pub fn acr_values<T: Into<String>>(mut self, values: impl IntoIterator<Item = T>) -> Self {
        self.acr_values = values.into_iter().map(Into::into).collect();
        self
    }

    /// How long ago the log-in may be, by `auth_time`.
    ///
    /// Default: any time. From 1 second to 10 years.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// The clock by which the age is judged. Default: that of the system.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Makes the layer.
    ///
    /// # Errors
    ///
    /// - neither is set: [`Missing`](BuildErrorKind::Missing)
    /// - a value is empty, has a space, or characters that no challenge can have, or they are too long together:
    ///   [`InvalidText`](BuildErrorKind::InvalidText), [`OutOfRange`](BuildErrorKind::OutOfRange)
    /// - the age is below 1 second or above 10 years: [`OutOfRange`](BuildErrorKind::OutOfRange)
    pub fn build(self) -> Result<RequireAuthentication, BuildError> {
        let fail = |setting, kind| Err(BuildError::new(setting, kind));
        // They travel in quotes, separated by spaces.
        let is_value = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
        if !self.acr_values.iter().all(|value| !value.is_empty() && value.bytes().all(is_value)) {
            return fail("acr_values", BuildErrorKind::InvalidText);
        }
        if self.acr_values.iter().map(|value| value.len() + 1).sum::<usize>() > MAX_VALUES {
            return fail("acr_values", BuildErrorKind::OutOfRange);
        }
        match self.max_age {
            None if self.acr_values.is_empty() => fail("acr_values", BuildErrorKind::Missing),
            Some(age) if !(MIN_AGE..=MAX_AGE).contains(&age) => fail("max_age", BuildErrorKind::OutOfRange),
            max_age => {
                let rule = LogIn { acr_values: self.acr_values, max_age, clock: self.clock };
                Ok(RequireAuthentication { rule: Arc::new(rule) })
            }
        }
    }
}

impl LogIn {
    fn is_good(&self, token: &AccessToken) -> bool {
        let acr = || token.claims().get("acr").and_then(Value::as_str);
        self.acr_values.is_empty()
            || acr().is_some_and(|acr| self.acr_values.iter().any(|value| value == acr))
    }

    fn is_recent(&self, token: &AccessToken) -> bool {
        let Some(max_age) = self.max_age else { return true };
        let at = token.claims().get("auth_time").and_then(seconds);
        let at = at.and_then(|at| SystemTime::UNIX_EPOCH.checked_add(at));
        at.is_some_and(|at| match self.clock.now().duration_since(at) {
            Ok(age) => age <= max_age,
            Err(ahead) => ahead.duration() <= LEEWAY,
        })
    }
}

/// A `NumericDate` that is a date: RFC 7519 §2 permits fractions.
fn seconds(value: &Value) -> Option<Duration> {
    value.as_u64().map(Duration::from_secs).or_else(|| Duration::try_from_secs_f64(value.as_f64()?).ok())
}

impl Rule for LogIn {
    fn check(&self, token: &AccessToken) -> Result<(), RejectionKind> {
        let is_enough = self.is_good(token) && self.is_recent(token);
        if is_enough { Ok(()) } else { Err(RejectionKind::InsufficientAuthentication) }
    }

    fn explain(&self, challenge: Challenge) -> Challenge {
        let challenge = challenge.acr_values(&self.acr_values.join(" "));
        self.max_age.into_iter().fold(challenge, Challenge::max_age)
    }
}

impl Demand for LogIn {
    fn wanted(&self, _: &Protection) -> ScopeSet {
        ScopeSet::default()
    }
}

impl<S> Layer<S> for RequireAuthentication {
    type Service = Require<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Require { inner, rule: Arc::<LogIn>::clone(&self.rule) }
    }
}

impl fmt::Debug for RequireAuthentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (acr_values, max_age) = (&self.rule.acr_values, self.rule.max_age);
        f.debug_struct("RequireAuthentication")
            .field("acr_values", acr_values)
            .field("max_age", &max_age)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RequireAuthenticationBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireAuthenticationBuilder").finish_non_exhaustive()
    }
}
