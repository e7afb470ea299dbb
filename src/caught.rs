//! Work that somebody else wrote, and that may panic.

use std::future::{Future, poll_fn};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// Runs a piece of work that does not wait. None: it panicked.
pub(crate) fn caught_now<T>(work: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => Some(done),
        Err(payload) => {
            // What it panicked with may panic in turn when it is dropped, and so may what that panics with.
            if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                mem::forget(again);
            }
            None
        }
    }
}

/// Runs a piece of work. None: it panicked.
pub(crate) async fn caught<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|context| {
        // Polled no more once it has panicked: a state that it left half changed is seen by nobody.
        let polled = caught_now(|| work.as_mut().poll(context));
        polled.map_or(Poll::Ready(None), |polled| polled.map(Some))
    })
    .await
}
