//! Which principals were invalidated while something was under way that may still be about them.

use std::collections::HashMap;

/// So many are kept in mind twice. Beyond that, what has been under way for so long is verified again, whoever it is
/// about.
const MANY: usize = 65_536;

/// Stands for a principal. That two share one costs no more than a verification.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Mark(u64);

/// How many invalidations there had been.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Revocation(u64);

/// The principals that were invalidated, for as long as anything is under way that began before that.
#[derive(Debug, Default)]
pub(super) struct Revocations {
    under_way: usize,
    last: Revocation,
    newer: HashMap<Mark, Revocation>,
    older: HashMap<Mark, Revocation>,
    newer_since: Revocation,
    older_since: Revocation,
}

impl Mark {
    pub(super) fn new(hash: u64) -> Self {
        Self(hash)
    }
}

impl Revocations {
    /// Something begins.
    pub(super) fn begin(&mut self) -> Revocation {
        self.under_way += 1;
        self.last
    }

    /// Something that began has ended.
    pub(super) fn end(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    pub(super) fn revoke(&mut self, principal: Mark) {
        self.last = Revocation(self.last.0 + 1);
        if self.under_way == 0 {
            // Nobody will ask.
            let last = self.last;
            *self = Self { last, newer_since: last, older_since: last, ..Self::default() };
            return;
        }
        self.newer.insert(principal, self.last);
        if self.newer.len() >= MANY {
            self.older = std::mem::take(&mut self.newer);
            self.older_since = self.newer_since;
            self.newer_since = self.last;
        }
    }

    /// Whether a principal was invalidated after something began.
    pub(super) fn is_revoked(&self, principal: Mark, since: Revocation) -> bool {
        let is_later = |at: Option<&Revocation>| at.is_some_and(|at| *at > since);
        since < self.older_since
            || is_later(self.newer.get(&principal))
            || is_later(self.older.get(&principal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_was_invalidated_later_is_revoked_and_nobody_else() {
        let mut revocations = Revocations::default();
        let before = revocations.begin();
        revocations.revoke(Mark(1));
        let after = revocations.begin();
        assert!(revocations.is_revoked(Mark(1), before));
        assert!(!revocations.is_revoked(Mark(2), before));
        assert!(!revocations.is_revoked(Mark(1), after));
    }

    #[test]
    fn what_is_no_longer_known_of_each_is_assumed_of_all_and_a_flood_revokes_nobody_else() {
        let mut revocations = Revocations::default();
        let mut others = (1_000..).map(Mark);
        let first = revocations.begin();
        let mut flood = |revocations: &mut Revocations, count| {
            others.by_ref().take(count).for_each(|other| revocations.revoke(other));
        };
        flood(&mut revocations, 2 * MANY - 1);
        assert!(!revocations.is_revoked(Mark(1), first));
        let second = revocations.begin();
        revocations.revoke(Mark(1));
        assert!(revocations.is_revoked(Mark(2), first), "too long under way");
        flood(&mut revocations, MANY - 1);
        assert!(revocations.is_revoked(Mark(1), second));
        assert!(!revocations.is_revoked(Mark(2), second));
        assert!(revocations.newer.len() + revocations.older.len() <= 2 * MANY);
    }

    #[test]
    fn nothing_is_kept_in_mind_while_nothing_is_under_way() {
        let mut revocations = Revocations::default();
        let since = revocations.begin();
        revocations.revoke(Mark(1));
        revocations.end();
        revocations.revoke(Mark(2));
        assert!(revocations.newer.is_empty() && revocations.older.is_empty());
        assert!(revocations.is_revoked(Mark(3), since), "what has ended does not ask");
        let since = revocations.begin();
        assert!(!revocations.is_revoked(Mark(2), since));
    }
}
