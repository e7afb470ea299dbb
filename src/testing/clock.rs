//! A clock that stands still until it is moved.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::clock::Clock;

/// 2026-01-01T00:00:00Z.
const START: Duration = Duration::from_secs(1_767_225_600);

/// Both clocks, moved by hand. Clones move together.
#[derive(Clone, Debug)]
pub struct TestClock {
    times: Arc<Mutex<(SystemTime, Instant)>>,
}

impl TestClock {
    /// A clock that shows the first second of 2026.
    #[must_use]
    pub fn new() -> Self {
        Self::at(SystemTime::UNIX_EPOCH + START)
    }

    /// A clock that shows a time.
    #[must_use]
    pub fn at(now: SystemTime) -> Self {
        Self { times: Arc::new(Mutex::new((now, Instant::now()))) }
    }

    /// Lets time pass, on both clocks.
    pub fn advance(&self, span: Duration) {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        *times = (times.0 + span, times.1 + span);
    }

    /// Sets the wall clock, as an administrator or a time server does. The monotonic clock stays.
    pub fn set_now(&self, now: SystemTime) {
        self.times.lock().unwrap_or_else(PoisonError::into_inner).0 = now;
    }

    fn times(&self) -> (SystemTime, Instant) {
        *self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        self.times().0
    }

    fn instant(&self) -> Instant {
        self.times().1
    }
}
