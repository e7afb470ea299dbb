//! Where the time comes from, so that tests can move it.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// Tells the time: the wall clock for what tokens say, a monotonic clock for intervals.
///
/// Replace it in tests; [`SystemClock`] is the default everywhere.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The wall clock, for expiry and the other dates that a token carries.
    fn now(&self) -> SystemTime;

    /// The monotonic clock, for ages, cool-downs and back-off. A jump of the wall clock does not move it.
    ///
    /// Default: that of the system.
    fn instant(&self) -> Instant {
        Instant::now()
    }
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> SystemTime {
        (**self).now()
    }

    fn instant(&self) -> Instant {
        (**self).instant()
    }
}

/// The clocks of the operating system.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

impl SystemClock {
    /// The clock that is used unless another one is set, ready to be shared.
    pub(crate) fn shared() -> Arc<dyn Clock> {
        Arc::new(Self)
    }
}
