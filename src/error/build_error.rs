//! The faults of a configuration.

use std::error::Error;
use std::fmt;
#[cfg(feature = "reqwest")]
use std::sync::Arc;

use super::Cause;

/// A configuration that cannot work, found by `build()`. It names the setting and never the value.
#[derive(Clone, Debug)]
pub struct BuildError {
    kind: BuildErrorKind,
    setting: &'static str,
    cause: Option<Cause>,
}

/// What is wrong with a setting.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum BuildErrorKind {
    /// Two settings exclude each other.
    Conflict,
    /// The value is empty, or matches everything.
    Empty,
    /// The URL is neither `https` nor on the loopback interface.
    InsecureUrl,
    /// The key cannot be read, is too weak, or is of a kind that is not supported.
    InvalidKey,
    /// The value has characters that do not belong there.
    InvalidText,
    /// The value is not an absolute URL of a valid host and port, or has what does not belong there: user information,
    /// a fragment, dot segments; for an issuer to discover a query, for a proxy a path.
    InvalidUrl,
    /// Something needed is not there.
    Missing,
    /// No signature algorithm is left that the keys can verify.
    NoAlgorithms,
    /// The number or duration is outside the allowed range.
    OutOfRange,
    /// The key is private: a verifier needs, and must have, only the public one.
    PrivateKey,
    /// A shared-secret algorithm where only public keys make sense.
    SymmetricAlgorithm,
    /// TLS cannot be set up: usually there are no trusted root certificates on this machine.
    Tls,
    /// The secret is shorter than the hash, or than a token may be, or is the text of a key.
    WeakSecret,
}

impl BuildError {
    pub(crate) fn new(setting: &'static str, kind: BuildErrorKind) -> Self {
        Self { kind, setting, cause: None }
    }

    #[cfg(feature = "reqwest")]
    pub(crate) fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(Arc::from(cause.into()));
        self
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> BuildErrorKind {
        self.kind
    }

    /// The setting, by the name of the method or argument that takes it.
    #[must_use]
    pub fn setting(&self) -> &'static str {
        self.setting
    }
}

impl BuildErrorKind {
    /// What is wrong with the setting, of which it is said.
    pub(crate) fn says(self) -> &'static str {
        match self {
            Self::Conflict => "excludes another setting that was made",
            Self::Empty => "is empty or matches everything",
            Self::InsecureUrl => "has to be an https URL (http is for loopback addresses only)",
            Self::InvalidKey => "is not a usable key",
            Self::InvalidText => "has characters that do not belong there",
            Self::InvalidUrl => "is not a URL of the form that is needed here",
            Self::Missing => "is missing",
            Self::NoAlgorithms => "leaves no algorithm that the keys can verify",
            Self::OutOfRange => "is out of range",
            Self::PrivateKey => "is a private key where a public one belongs",
            Self::SymmetricAlgorithm => "mixes shared secrets and public keys",
            Self::Tls => "cannot set up TLS: are there trusted root certificates?",
            Self::WeakSecret => "is too short, or is the text of a key",
        }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.setting, self.kind.says())
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}
