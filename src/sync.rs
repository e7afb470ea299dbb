//! The locks and channels that several tasks meet at, named in one place so that a model checker can take their part.

pub(crate) use std::sync::atomic::AtomicU64;
pub(crate) use std::sync::{Mutex, MutexGuard};
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub(crate) use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

pub(crate) use tokio::sync::watch;

/// Tokens are spread over as many locks, so that two seldom meet.
pub(crate) const SHARDS: usize = 64;
