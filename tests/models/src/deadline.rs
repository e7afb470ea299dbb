//! Time limits without a timer: none in loom, and in shuttle one that runs out when chance wants it.

use std::future::Future;
use std::time::Duration;

#[cfg(feature = "loom")]
pub(crate) async fn within<T>(_limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    Some(work.await)
}

#[cfg(all(feature = "shuttle", not(feature = "loom")))]
pub(crate) use self::chance::within;
#[cfg(all(feature = "shuttle", not(feature = "loom")))]
pub use self::chance::{Patience, be};

#[cfg(all(feature = "shuttle", not(feature = "loom")))]
mod chance {
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use shuttle::rand::{Rng, thread_rng};

    use super::{Duration, Future};

    /// Whether limits run out.
    #[derive(Clone, Copy, Debug)]
    pub enum Patience {
        /// None does.
        Endless,
        /// Each fourth does, if the work takes long enough.
        Mixed,
        /// Each does, if the work takes long enough.
        Limited,
    }

    thread_local! {
        // All tasks of a schedule run on one thread.
        static PATIENCE: Cell<Patience> = const { Cell::new(Patience::Endless) };
    }

    /// Says what limits do from now on, on this thread.
    pub fn be(patience: Patience) {
        PATIENCE.set(patience);
    }

    pub(crate) async fn within<T>(_limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        let runs_out = match PATIENCE.get() {
            Patience::Endless => false,
            Patience::Mixed => thread_rng().gen_range(0..4) == 0,
            Patience::Limited => true,
        };
        if !runs_out {
            return Some(work.await);
        }
        let mut left = thread_rng().gen_range(0..8);
        let mut work = pin!(work);
        poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => {
                left -= 1;
                context.waker().wake_by_ref();
                Poll::Pending
            }
        })
        .await
    }
}
