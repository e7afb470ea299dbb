//! The keys of an issuer: configured, or fetched from it.
//!
//! Keys belong to one issuer. A verifier of another issuer has keys of its own, even if both have the same `kid`
//! ([RFC 8725 §3.8]).
//!
//! [RFC 8725 §3.8]: https://www.rfc-editor.org/rfc/rfc8725#section-3.8

use std::sync::Arc;
use std::time::Instant;

pub(crate) use self::fetcher::KeyFetcher;
#[cfg(test)]
pub(crate) use self::key_set::Kind;
pub(crate) use self::key_set::{JwkSet, Selection};
pub use self::remote::RemoteJwks;
pub(crate) use self::source::KeySource;

mod crypto;
mod fetch;
mod fetcher;
mod key_set;
mod material;
mod pem;
mod remote;
mod source;

/// Where the keys of one issuer come from.
#[derive(Debug)]
pub(crate) enum IssuerKeys {
    Configured(Arc<JwkSet>),
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
    /// The keys that can be used without waiting.
    pub(crate) fn at_hand(&self) -> KeysAtHand {
        match self {
            Self::Configured(set) => KeysAtHand { set: Some(Arc::clone(set)), seen_at: None },
            Self::Fetched(keys) => keys.at_hand(),
        }
    }

    /// Grows when a key that was published is no longer.
    pub(crate) fn generation(&self) -> u64 {
        match self {
            Self::Configured(_) => 0,
            Self::Fetched(keys) => keys.generation(),
        }
    }
}
