//! Keys that stand in the configuration, until others are put in their place.

use std::mem;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::KeysAtHand;
use super::key_set::JwkSet;
use crate::sync::{AtomicU64, RwLock};

/// The keys of a configuration.
#[derive(Debug)]
pub(crate) struct ConfiguredKeys {
    generation: AtomicU64,
    // Held for a look or an assignment.
    set: RwLock<Arc<JwkSet>>,
}

impl ConfiguredKeys {
    pub(crate) fn new(set: JwkSet) -> Self {
        Self { generation: AtomicU64::new(0), set: RwLock::new(Arc::new(set)) }
    }

    pub(crate) fn at_hand(&self) -> KeysAtHand {
        let set = Arc::clone(&self.set.read().unwrap_or_else(PoisonError::into_inner));
        KeysAtHand { set: Some(set), seen_at: None }
    }

    /// Grows when others take their place.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Puts other keys in the place of these.
    ///
    /// What a token meant before, it may not mean now, even if no key left. The generation grows before the keys are others, and both under the lock: who has seen the new generation gets
    /// the new keys, and what was found out with the old ones is remembered under the old generation, if at all.
    pub(crate) fn replace(&self, set: JwkSet) {
        let mut own = self.set.write().unwrap_or_else(PoisonError::into_inner);
        self.generation.fetch_add(1, Ordering::AcqRel);
        let old = mem::replace(&mut *own, Arc::new(set));
        drop(own);
        // Nobody waits while the old ones are wiped.
        drop(old);
    }
}
