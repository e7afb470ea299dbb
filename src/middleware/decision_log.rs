//! One event for each decision, under stable names, with nothing secret and nothing unbounded in it.
//!
//! | field | value |
//! |---|---|
//! | `outcome` | `admitted`, `rejected`, `passed` |
//! | `reason` | of a rejection: a word of a fixed list |
//! | `verifier` | the type of the verifier |
//! | `issuer`, `client` | of an admitted token |
//! | `token` | eight hexadecimal digits, good for this process |
//! | `cause` | of a rejection: what was behind it, if the verifier said so |
//!
//! Outages are warnings, at most one a second; a fault of this server is an error, at most one a minute. Further ones,
//! and all other rejections, are logged at debug level; what is admitted or passes, and a missing token, at trace
//! level.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::access_token::AccessToken;
use crate::bearer_token::BearerToken;
use crate::clock::Clock;
use crate::error::{Rejection, RejectionKind, VerifyError};
use crate::log::{Causes, Escaped, TARGET};

const WARNING_EVERY: Duration = Duration::from_secs(1);
const ERROR_EVERY: Duration = Duration::from_secs(60);

/// Logs the decisions of one layer.
pub(super) struct DecisionLog {
    verifier: &'static str,
    started_at: Instant,
    next_warning: AtomicU64,
    next_error: AtomicU64,
}

/// Logs a rejection at a level, which has to be known when the macro is expanded.
macro_rules! rejected {
    ($level:ident, $log:expr, $rejection:expr, $bearer:expr) => {
        tracing::$level!(
            target: TARGET,
            outcome = "rejected",
            reason = $rejection.reason(),
            verifier = $log.verifier,
            token = $bearer.map(BearerToken::fingerprint),
            cause = $rejection.verify_error().map(|error| Causes(error).to_string()).filter(|cause| !cause.is_empty()),
        )
    };
}

impl DecisionLog {
    pub(super) fn new(verifier: &'static str, clock: &dyn Clock) -> Self {
        let (next_warning, next_error) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { verifier, started_at: clock.instant(), next_warning, next_error }
    }

    pub(super) fn admitted(&self, token: &AccessToken, bearer: &BearerToken) {
        tracing::trace!(
            target: TARGET,
            outcome = "admitted",
            verifier = self.verifier,
            issuer = token.issuer().map(|issuer| Escaped(issuer).to_string()),
            client = token.client().map(|client| Escaped(client).to_string()),
            token = bearer.fingerprint(),
        );
    }

    pub(super) fn passed(&self) {
        tracing::trace!(target: TARGET, outcome = "passed", verifier = self.verifier);
    }

    pub(super) fn rejected(&self, rejection: &Rejection, bearer: Option<&BearerToken>, clock: &dyn Clock) {
        let misconfigured = rejection.verify_error().is_some_and(VerifyError::is_misconfigured);
        // Anybody can be impatient: no reason to keep silent about an outage for a second.
        let is_impatience = rejection.verify_error().is_some_and(VerifyError::is_impatience);
        match rejection.kind() {
            RejectionKind::MissingToken => rejected!(trace, self, rejection, bearer),
            RejectionKind::Unavailable
                if misconfigured && self.is_due(&self.next_error, ERROR_EVERY, clock) =>
            {
                rejected!(error, self, rejection, bearer);
            }
            RejectionKind::Unavailable
                if !misconfigured
                    && !is_impatience
                    && self.is_due(&self.next_warning, WARNING_EVERY, clock) =>
            {
                rejected!(warn, self, rejection, bearer);
            }
            RejectionKind::InsufficientAuthentication
            | RejectionKind::InsufficientClaims
            | RejectionKind::InsufficientScope
            | RejectionKind::InvalidRequest
            | RejectionKind::InvalidToken
            | RejectionKind::Unavailable => rejected!(debug, self, rejection, bearer),
        }
    }

    /// True for one caller in each interval.
    fn is_due(&self, next: &AtomicU64, every: Duration, clock: &dyn Clock) -> bool {
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let now = millis(clock.instant().saturating_duration_since(self.started_at));
        let due = next.load(Ordering::Relaxed);
        let then = now.saturating_add(millis(every));
        now >= due && next.compare_exchange(due, then, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}
