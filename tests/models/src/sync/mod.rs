//! The locks and channels of a model checker, under the names that the sources know.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::Ordering;
use std::sync::{LockResult, PoisonError};

#[cfg(feature = "loom")]
use loom as checker;
#[cfg(all(feature = "shuttle", not(feature = "loom")))]
use shuttle as checker;

pub(crate) use checker::sync::atomic::AtomicU64;
pub(crate) use checker::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

#[cfg(feature = "loom")]
pub(crate) mod watch;

/// The `watch` of shuttle's tokio, with the constructor that it lacks.
#[cfg(all(feature = "shuttle", not(feature = "loom")))]
pub(crate) mod watch {
    use std::ops::Deref;

    pub(crate) use tokio::sync::watch::Receiver;
    use tokio::sync::watch::{self, Sender as Inner};

    pub(crate) struct Sender<T>(Inner<T>);

    pub(crate) fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
        let (sender, receiver) = watch::channel(value);
        (Sender(sender), receiver)
    }

    impl<T> Sender<T> {
        pub(crate) fn new(value: T) -> Self {
            channel(value).0
        }
    }

    impl<T> Deref for Sender<T> {
        type Target = Inner<T>;

        fn deref(&self) -> &Inner<T> {
            &self.0
        }
    }
}

/// Few, so that whatever looks at all of them takes few steps. With one, the digest of a token, which is random, changes
/// nothing about a schedule.
pub(crate) const SHARDS: usize = if cfg!(feature = "loom") { 1 } else { 2 };

checker::lazy_static! {
    static ref MEMORY: AtomicU64 = AtomicU64::new(0);
}

/// What comes next, up to the next such call or the next use of a lock, is one step that others can come before or after.
///
/// It orders nothing in memory, so that it hides no order that is missing.
pub fn touch() {
    if !std::thread::panicking() {
        MEMORY.fetch_add(1, Ordering::Relaxed);
    }
}

/// A lock that others can overtake right after it was given back.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(checker::sync::Mutex<T>);

pub(crate) struct MutexGuard<'a, T>(Option<checker::sync::MutexGuard<'a, T>>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(checker::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        match self.0.lock() {
            Ok(guard) => Ok(MutexGuard(Some(guard))),
            Err(poisoned) => Err(PoisonError::new(MutexGuard(Some(poisoned.into_inner())))),
        }
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("held until it is dropped")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("held until it is dropped")
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.0 = None;
        touch();
    }
}
