//! A time limit where there is a timer to keep it.

use std::future::Future;
use std::panic::catch_unwind;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::time::{sleep, timeout};

/// The last runtime that was found to have no timer.
static TIMERLESS: Mutex<Option<Id>> = Mutex::new(None);

/// Runs a piece of work for as long as the limit allows. None: it took too long.
///
/// Outside a tokio runtime, and in one that was built without its timer, there is no limit.
pub(crate) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    if has_timer(limit) { timeout(limit, work).await.ok() } else { Some(work.await) }
}

/// Whether a limit can be kept here and now.
pub(crate) fn has_timer(limit: Duration) -> bool {
    let Ok(runtime) = Handle::try_current() else { return false };
    let known = |id| *TIMERLESS.lock().unwrap_or_else(PoisonError::into_inner) == Some(id);
    // Nothing but a panic tells whether a runtime has a timer: it is provoked once, until another such runtime comes.
    let found = !known(runtime.id()) && catch_unwind(|| drop(sleep(limit))).is_ok();
    if !found {
        *TIMERLESS.lock().unwrap_or_else(PoisonError::into_inner) = Some(runtime.id());
    }
    found
}
