//! How often GitHub is asked about tokens that nobody knows yet.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::VerifyError;

/// Keeps to a budget of this server's own, and to limits that GitHub has told us of.
#[derive(Debug)]
pub(super) struct Budget {
    /// So many calls in so much time. None: as many as GitHub allows.
    allowed: Option<(u32, Duration)>,
    // Held for a look or an assignment.
    spent: Mutex<Spent>,
}

#[derive(Debug, Default)]
struct Spent {
    window: Option<Instant>,
    calls: u32,
    // Of calls of the app, and of calls of users.
    limited_until: [Option<Instant>; 2],
}

impl Budget {
    pub(super) fn new(allowed: Option<(u32, Duration)>) -> Self {
        Self { allowed, spent: Mutex::default() }
    }

    /// Takes a call out of the budget: one of the app, or one of a user. GitHub has told us of limits for each.
    pub(super) fn spend(&self, now: Instant, is_of_app: bool) -> Result<(), VerifyError> {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let [of_users, of_app] = spent.limited_until;
        let until = if is_of_app { of_app } else { of_users };
        let left = until.map(|until| until.saturating_duration_since(now)).filter(|left| !left.is_zero());
        if let Some(left) = left {
            return Err(VerifyError::unavailable("the limit of calls is passed").reset_after(left));
        }
        let Some((calls, period)) = self.allowed else { return Ok(()) };
        let opened_at = spent.window.filter(|opened_at| now.saturating_duration_since(*opened_at) < period);
        let opened_at = opened_at.unwrap_or_else(|| {
            (spent.window, spent.calls) = (Some(now), 0);
            now
        });
        if spent.calls >= calls {
            let left = period.saturating_sub(now.saturating_duration_since(opened_at));
            return Err(VerifyError::unavailable("the budget of calls is spent").reset_after(left));
        }
        spent.calls += 1;
        Ok(())
    }

    /// Notes that GitHub does not answer for some time: asking on would only prolong it.
    pub(super) fn limited(&self, now: Instant, delay: Duration, is_of_app: bool) {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let [of_users, of_app] = &mut spent.limited_until;
        let until = if is_of_app { of_app } else { of_users };
        *until = (*until).max(now.checked_add(delay));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_for_a_time_and_says_when_there_is_more() {
        let (start, minute) = (Instant::now(), Duration::from_secs(60));
        let budget = Budget::new(Some((2, minute)));
        let spend = |after: u64| budget.spend(start + Duration::from_secs(after), true);
        assert!(spend(0).is_ok() && spend(10).is_ok());
        assert_eq!(spend(20).unwrap_err().retry_delay(), Some(Duration::from_secs(40)));
        assert!(spend(60).is_ok());
    }

    #[test]
    fn a_limit_of_the_provider_is_kept_to() {
        let start = Instant::now();
        let budget = Budget::new(None);
        budget.limited(start, Duration::from_secs(90), true);
        budget.limited(start, Duration::from_secs(30), true);
        assert!(budget.spend(start, false).is_ok());
        let error = budget.spend(start + Duration::from_secs(30), true).unwrap_err();
        assert_eq!(error.retry_delay(), Some(Duration::from_secs(60)));
        assert!(budget.spend(start + Duration::from_secs(90), true).is_ok());
    }
}
