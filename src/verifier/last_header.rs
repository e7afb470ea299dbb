//! The header of the last good token, as it was written and as it was read.
//!
//! An issuer writes the same header into every token until it takes another key, so reading it once is enough. Only what
//! stood in a good token is kept, and what is found again is the same, byte for byte.

use std::sync::{Arc, PoisonError, RwLock};

use super::jws::{Header, Jws};
use crate::error::VerifyErrorKind;

/// One header, for one verifier and its clones.
pub(super) struct LastHeader {
    // Held for a comparison at most.
    known: RwLock<Option<Known>>,
}

struct Known {
    text: Box<[u8]>,
    header: Arc<Header>,
}

impl LastHeader {
    pub(super) fn new() -> Self {
        Self { known: RwLock::new(None) }
    }

    /// Reads the header of a token, or finds it again.
    pub(super) fn read(&self, jws: &Jws<'_>) -> Result<Arc<Header>, VerifyErrorKind> {
        match self.find(jws) {
            Some(header) => Ok(header),
            None => jws.header().map(Arc::new),
        }
    }

    /// Keeps the header of a token that has been found good.
    pub(super) fn keep(&self, jws: &Jws<'_>, header: &Arc<Header>) {
        if self.find(jws).is_none_or(|known| !Arc::ptr_eq(&known, header)) {
            let known = Known { text: jws.header_text().into(), header: Arc::clone(header) };
            *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known);
        }
    }

    fn find(&self, jws: &Jws<'_>) -> Option<Arc<Header>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known
            .as_ref()
            .filter(|known| *known.text == *jws.header_text())
            .map(|known| Arc::clone(&known.header))
    }
}
