//! A time limit where there is a timer to keep it.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::catch_unwind;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::time::{sleep, timeout};

/// The last runtimes that were found to have no timer: an application may have one for each core.
static TIMERLESS: Mutex<VecDeque<Id>> = Mutex::new(VecDeque::new());
const MANY: usize = 64;

/// Runs a piece of work for as long as the limit allows. None: it took too long.
///
/// Outside a tokio runtime, and in one that was built without its timer, there is no limit.
pub(crate) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    if has_timer(limit) { timeout(limit, work).await.ok() } else { Some(work.await) }
}

/// Whether a limit can be kept here and now.
pub(crate) fn has_timer(limit: Duration) -> bool {
    let Ok(runtime) = Handle::try_current() else { return false };
    let id = runtime.id();
    if TIMERLESS.lock().unwrap_or_else(PoisonError::into_inner).contains(&id) {
        return false;
    }
    // Nothing but a panic tells whether a runtime has a timer: it is provoked once, as long as its runtime is remembered.
    let found = catch_unwind(|| drop(sleep(limit))).is_ok();
    if !found {
        let mut timerless = TIMERLESS.lock().unwrap_or_else(PoisonError::into_inner);
        timerless.push_back(id);
        if timerless.len() > MANY {
            timerless.pop_front();
        }
    }
    found
}
