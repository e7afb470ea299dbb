//! The locks and channels that several tasks meet at, named in one place so that a model checker can take their part.

pub(crate) use std::sync::atomic::AtomicU64;
pub(crate) use std::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
pub(crate) use tokio::sync::watch;
