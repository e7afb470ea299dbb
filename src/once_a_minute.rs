//! What is said at most once a minute, however often anybody outside gives reason to.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// Remembers when something was said last.
pub(crate) struct OnceAMinute {
    // None: never.
    last: Mutex<Option<Instant>>,
}

impl OnceAMinute {
    pub(crate) const fn new() -> Self {
        Self { last: Mutex::new(None) }
    }

    /// True for one caller in each minute.
    pub(crate) fn is_due(&self) -> bool {
        self.is_due_at(Instant::now())
    }

    fn is_due_at(&self, now: Instant) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| now.saturating_duration_since(last) >= MINUTE);
        if is_due {
            *last = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_at_once_and_then_after_a_minute() {
        let (limit, start) = (OnceAMinute::new(), Instant::now());
        let due = |seconds| limit.is_due_at(start + Duration::from_secs(seconds));
        assert_eq!([0, 0, 59, 60, 61, 119, 120].map(due), [true, false, false, true, false, false, true]);
    }
}
