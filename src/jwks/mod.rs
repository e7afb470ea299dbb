//! The keys of an issuer: configured, or fetched from it.
//!
//! Keys belong to one issuer. A verifier of another issuer has keys of its own, even if both have the same `kid`
//! ([RFC 8725 §3.8]).
//!
//! Keys that are fetched rotate by themselves. Keys that are configured rotate by hand and without a restart, in two
//! steps: the new key is added before anybody signs with it, the old one is removed when no token stands on it. Each
//! holds from the next token on, for all clones of the verifier, and verdicts of before are no longer remembered.
//!
//! ```
//! use tower_bearer::jwks::StaticKeys;
//! use tower_bearer::{AuthLayer, JwtVerifier};
//!
//! # let (old, new) = ([1; 32], [2; 32]);
//! let verifier = JwtVerifier::builder("https://idp.example.com", "https://api.example.com")
//!     .static_keys(StaticKeys::new().add_hmac_secret(old))
//!     .build()?;
//! let layer = AuthLayer::new(verifier.clone());
//!
//! // 1. Both serve. Now the issuer may sign with the new one.
//! verifier.replace_keys(StaticKeys::new().add_hmac_secret(old).add_hmac_secret(new))?;
//! // 2. The last token of the old one has expired.
//! verifier.replace_keys(StaticKeys::new().add_hmac_secret(new))?;
//! # let _ = layer;
//! # Ok::<(), tower_bearer::BuildError>(())
//! ```
//!
//! [RFC 8725 §3.8]: https://www.rfc-editor.org/rfc/rfc8725#section-3.8

use std::sync::Arc;
use std::time::Instant;

use self::configured::ConfiguredKeys;
pub(crate) use self::fetcher::KeyFetcher;
#[cfg(test)]
pub(crate) use self::key_set::Kind;
pub(crate) use self::key_set::{JwkSet, Selection};
pub use self::remote::RemoteJwks;
pub(crate) use self::source::KeySource;
pub use self::static_keys::StaticKeys;
use crate::algorithm::Algorithm;
use crate::error::{BuildError, BuildErrorKind};

mod configured;
mod crypto;
mod fetch;
mod fetcher;
mod key_set;
mod material;
mod pem;
mod remote;
mod source;
mod static_keys;

/// Where the keys of one issuer come from.
#[derive(Debug)]
pub(crate) enum IssuerKeys {
    Configured(ConfiguredKeys),
    Fetched(KeyFetcher),
}

/// The keys that can be used without waiting, as they were at a moment.
#[derive(Debug)]
pub(crate) struct KeysAtHand {
    pub(crate) set: Option<Arc<JwkSet>>,
    // None: configured keys do not age.
    seen_at: Option<Instant>,
}

impl IssuerKeys {
    /// Keys that stand in the configuration.
    pub(crate) fn configured(set: JwkSet) -> Self {
        Self::Configured(ConfiguredKeys::new(set))
    }

    /// The keys that can be used without waiting.
    pub(crate) fn at_hand(&self) -> KeysAtHand {
        match self {
            Self::Configured(keys) => keys.at_hand(),
            Self::Fetched(keys) => keys.at_hand(),
        }
    }

    /// Grows when a key that was there is no longer, or may be.
    pub(crate) fn generation(&self) -> u64 {
        match self {
            Self::Configured(keys) => keys.generation(),
            Self::Fetched(keys) => keys.generation(),
        }
    }

    /// Puts other keys in the place of configured ones. On an error nothing changes.
    pub(crate) fn replace(&self, keys: StaticKeys, algorithms: &[Algorithm]) -> Result<(), BuildError> {
        let Self::Configured(own) = self else {
            return Err(BuildError::new("static_keys", BuildErrorKind::Conflict));
        };
        let source = KeySource::Static(keys);
        source.algorithms(Some(algorithms))?;
        own.replace(source.read(algorithms)?);
        Ok(())
    }
}
