//! What can go wrong: the verdicts of verifiers, the rejections of requests, the faults of a configuration.
//!
//! A client never learns a cause. It sees the status and the code of the [`Rejection`]; causes go to the log.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use self::build_error::{BuildError, BuildErrorKind};
pub(crate) use self::rejection::BodyHook;
pub use self::rejection::{Rejection, RejectionKind};

mod build_error;
mod rejection;

type Cause = Arc<dyn Error + Send + Sync>;

/// Why a verifier did not vouch for a token.
///
/// Three things never mix: the token is at fault ([`rejected`](Self::rejected)), nobody can tell
/// ([`unavailable`](Self::unavailable), [`misconfigured`](Self::misconfigured)), or the token belongs to another
/// verifier of a chain ([`not_mine`](Self::not_mine)). Clones are cheap: the cause is shared.
#[derive(Clone, Debug)]
pub struct VerifyError {
    kind: VerifyErrorKind,
    misconfigured: bool,
    retry_after: Option<Duration>,
    circumstance: Circumstance,
    cause: Option<Cause>,
}

/// What is special about an error that says nothing of the token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(
    not(all(feature = "github", feature = "reqwest")),
    allow(dead_code, reason = "each feature knows its own")
)]
enum Circumstance {
    /// The connection went away before an answer.
    CutOff,
    /// The caller would not wait.
    Impatience,
    /// The provider named the moment, so that it may be far away.
    Reset,
    Usual,
}

/// What a [`VerifyError`] says of the token.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum VerifyErrorKind {
    /// The signature algorithm is not allowed, or not for this key.
    Algorithm,
    /// The token is meant for somebody else.
    Audience,
    /// A claim is missing, malformed, or marks a token of another class.
    Claim,
    /// The token is past its expiry.
    Expired,
    /// The issuer says that the token is not active.
    Inactive,
    /// The token is from another issuer.
    Issuer,
    /// The issuer has no usable key of this id.
    KeyNotFound,
    /// The token is not of the form that this verifier reads.
    Malformed,
    /// Another verifier of the chain should be asked. Alone, it counts as a rejection.
    NotMine,
    /// The token is not valid yet.
    NotYetValid,
    /// The signature does not match.
    Signature,
    /// Nobody can tell whether the token is good.
    Unavailable,
}

impl VerifyErrorKind {
    /// The name in logs: fixed, lower case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Algorithm => "algorithm",
            Self::Audience => "audience",
            Self::Claim => "claim",
            Self::Expired => "expired",
            Self::Inactive => "inactive",
            Self::Issuer => "issuer",
            Self::KeyNotFound => "key_not_found",
            Self::Malformed => "malformed",
            Self::NotMine => "not_mine",
            Self::NotYetValid => "not_yet_valid",
            Self::Signature => "signature",
            Self::Unavailable => "unavailable",
        }
    }
}

impl VerifyError {
    /// The token is bad: 401 `invalid_token`.
    ///
    /// [`Unavailable`](VerifyErrorKind::Unavailable) and [`NotMine`](VerifyErrorKind::NotMine) keep their meaning
    /// when they are given here.
    #[must_use]
    pub fn rejected(kind: VerifyErrorKind) -> Self {
        Self { kind, misconfigured: false, retry_after: None, circumstance: Circumstance::Usual, cause: None }
    }

    /// Nobody can tell now: 503 with `Retry-After`. The client keeps its token.
    #[must_use]
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::rejected(VerifyErrorKind::Unavailable).because(cause)
    }

    /// Nobody can tell because this server is set up wrong, for example with client credentials that the provider
    /// refuses: 503, and an error in the log.
    #[must_use]
    pub fn misconfigured(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { misconfigured: true, ..Self::unavailable(cause) }
    }

    /// The token belongs to another verifier of the chain.
    #[must_use]
    pub fn not_mine() -> Self {
        Self::rejected(VerifyErrorKind::NotMine)
    }

    /// Adds a cause, for the log.
    ///
    /// # Security
    ///
    /// The cause must not contain the token or another secret.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(Arc::from(cause.into()));
        self
    }

    /// Says when asking again makes sense. Only what is unavailable carries it to the client, with at most 120 seconds.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Says when the limit of a provider is lifted: the client is told up to an hour.
    #[cfg(feature = "github")]
    pub(crate) fn reset_after(mut self, after: Duration) -> Self {
        self.circumstance = Circumstance::Reset;
        self.retry_after(after)
    }

    /// What the error says of the token.
    #[must_use]
    pub fn kind(&self) -> VerifyErrorKind {
        self.kind
    }

    /// Whether this server's own set-up is to blame.
    #[must_use]
    pub fn is_misconfigured(&self) -> bool {
        self.misconfigured
    }

    /// Says that the connection died before an answer.
    #[cfg(feature = "reqwest")]
    pub(crate) fn cut_off(mut self) -> Self {
        self.circumstance = Circumstance::CutOff;
        self
    }

    /// Whether the connection died before an answer.
    #[cfg_attr(
        not(feature = "introspection"),
        allow(dead_code, reason = "only what is for one use is not sent again")
    )]
    pub(crate) fn is_cut_off(&self) -> bool {
        self.circumstance == Circumstance::CutOff
    }

    /// The caller does not wait until anybody could tell.
    pub(crate) fn impatience() -> Self {
        let circumstance = Circumstance::Impatience;
        Self { circumstance, ..Self::unavailable("the caller does not wait for the verification") }
    }

    /// Whether only the caller is to blame, which says nothing of the provider.
    pub(crate) fn is_impatience(&self) -> bool {
        self.circumstance == Circumstance::Impatience
    }

    /// Whether the delay is that of a limit, and not a guess.
    pub(crate) fn is_reset(&self) -> bool {
        self.circumstance == Circumstance::Reset
    }

    /// When asking again makes sense, if somebody said so.
    #[must_use]
    pub fn retry_delay(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl From<VerifyErrorKind> for VerifyError {
    fn from(kind: VerifyErrorKind) -> Self {
        Self::rejected(kind)
    }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            VerifyErrorKind::Algorithm => "the signature algorithm is not allowed",
            VerifyErrorKind::Audience => "the token is for another audience",
            VerifyErrorKind::Claim => "a claim is missing or not acceptable",
            VerifyErrorKind::Expired => "the token has expired",
            VerifyErrorKind::Inactive => "the token is not active",
            VerifyErrorKind::Issuer => "the token is from another issuer",
            VerifyErrorKind::KeyNotFound => "the issuer has no such key",
            VerifyErrorKind::Malformed => "the token is malformed",
            VerifyErrorKind::NotMine => "the token belongs to another verifier",
            VerifyErrorKind::NotYetValid => "the token is not valid yet",
            VerifyErrorKind::Signature => "the signature does not match",
            VerifyErrorKind::Unavailable => "the token cannot be verified now",
        })
    }
}

impl Error for VerifyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_display_does_not_repeat_its_cause() {
        let error = VerifyError::unavailable("connection refused");
        assert_eq!(error.to_string(), "the token cannot be verified now");
        assert_eq!(error.source().unwrap().to_string(), "connection refused");
        let rejection = Rejection::from(error);
        assert_eq!(rejection.source().unwrap().to_string(), "the token cannot be verified now");
    }

    #[test]
    fn the_challenge_of_a_rejection_can_be_seen_by_who_debugs_it() {
        let rejection = Rejection::new(RejectionKind::InsufficientScope);
        let answered = rejection.answered_by(http::HeaderValue::from_static("Bearer scope=read"), None);
        assert!(format!("{answered:?}").contains("Bearer scope=read"), "{answered:?}");
    }

    #[test]
    fn only_what_nobody_can_tell_is_unavailable() {
        use VerifyErrorKind as Kind;
        for kind in [
            Kind::Algorithm,
            Kind::Audience,
            Kind::Claim,
            Kind::Expired,
            Kind::Inactive,
            Kind::Issuer,
            Kind::KeyNotFound,
            Kind::Malformed,
            Kind::NotMine,
            Kind::NotYetValid,
            Kind::Signature,
        ] {
            assert_eq!(Rejection::from(VerifyError::rejected(kind)).kind(), RejectionKind::InvalidToken);
        }
        assert_eq!(Rejection::from(VerifyError::unavailable("x")).kind(), RejectionKind::Unavailable);
        assert_eq!(Rejection::from(VerifyError::misconfigured("x")).kind(), RejectionKind::Unavailable);
    }

    #[test]
    fn a_build_error_names_the_setting() {
        let error = BuildError::new("leeway", BuildErrorKind::OutOfRange);
        assert_eq!(error.to_string(), "`leeway` is out of range");
        assert_eq!((error.setting(), error.kind()), ("leeway", BuildErrorKind::OutOfRange));
    }
}
