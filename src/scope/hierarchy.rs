//! Which scope is part of which.

use std::collections::BTreeMap;

use super::ScopeSet;

/// Scopes that contain others: whoever may `write` may `read`.
///
/// A scope contains what its parts contain. Without an entry a scope contains itself alone. The tokens stay as they
/// are; only the checks of the layer that has the hierarchy, and of what runs inside of it, know of it.
///
/// ```
/// use tower_bearer::ScopeSet;
/// use tower_bearer::scope::ScopeHierarchy;
///
/// let hierarchy = ScopeHierarchy::new().contains("admin", ["write"]).contains("write", ["read"]);
/// assert!(hierarchy.grants(&ScopeSet::parse("admin"), "read"));
/// assert!(!hierarchy.grants(&ScopeSet::parse("read"), "write"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct ScopeHierarchy {
    /// Of each scope all scopes that it is a part of, however deep.
    containing: BTreeMap<Box<str>, Vec<Box<str>>>,
    has_other_text: bool,
}

impl ScopeHierarchy {
    /// A hierarchy in which every scope stands alone.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that a scope contains others. Circles are fine: then each contains each.
    ///
    /// What is not a scope makes [`build`](crate::middleware::AuthLayerBuilder::build) fail.
    #[must_use]
    pub fn contains<T: Into<Box<str>>>(
        mut self,
        scope: impl Into<Box<str>>,
        parts: impl IntoIterator<Item = T>,
    ) -> Self {
        let scope = scope.into();
        self.has_other_text |= !ScopeSet::is_scope(&scope);
        for part in parts {
            let part = part.into();
            self.has_other_text |= !ScopeSet::is_scope(&part);
            self.link(&scope, &part);
        }
        self
    }

    /// Whether somebody with these scopes has that one, by itself or as a part.
    #[must_use]
    pub fn grants(&self, scopes: &ScopeSet, required: &str) -> bool {
        scopes.contains(required)
            || self.containing.get(required).is_some_and(|all| all.iter().any(|scope| scopes.contains(scope)))
    }

    /// Whether every text that was given is a scope.
    pub(crate) fn is_valid(&self) -> bool {
        !self.has_other_text
    }

    /// Everything above the scope contains from now on everything below the part, these two included.
    fn link(&mut self, scope: &str, part: &str) {
        let above = self.containing.get(scope).into_iter().flatten().cloned();
        let above: Vec<Box<str>> = above.chain([scope.into()]).collect();
        let below = self.containing.iter().filter(|(_, all)| all.iter().any(|other| &**other == part));
        let below = below.map(|(below, _)| below.clone());
        let below: Vec<Box<str>> = below.chain([part.into()]).collect();
        for below in below {
            let all = self.containing.entry(below).or_default();
            let new: Vec<_> = above.iter().filter(|scope| !all.contains(scope)).cloned().collect();
            all.extend(new);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(hierarchy: &ScopeHierarchy, scopes: &str, required: &str) -> bool {
        hierarchy.grants(&ScopeSet::parse(scopes), required)
    }

    #[test]
    fn what_a_part_contains_is_contained_in_whatever_order_it_was_said() {
        let pairs = [("admin", "write"), ("write", "read"), ("read", "list"), ("owner", "admin")];
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]] {
            let mut hierarchy = ScopeHierarchy::new();
            for index in order {
                hierarchy = hierarchy.contains(pairs[index].0, [pairs[index].1]);
            }
            let chain = ["owner", "admin", "write", "read", "list"];
            for (above, scope) in chain.iter().enumerate() {
                for (below, required) in chain.iter().enumerate() {
                    assert_eq!(grants(&hierarchy, scope, required), above <= below, "{scope} {required}");
                }
            }
        }
    }

    #[test]
    fn scopes_outside_of_it_stand_alone() {
        let hierarchy = ScopeHierarchy::new().contains("admin", ["write"]);
        assert!(grants(&hierarchy, "other", "other"));
        for (scopes, required) in
            [("", "write"), ("write", "admin"), ("admins", "write"), ("admin", "x"), ("admin", "")]
        {
            assert!(!grants(&hierarchy, scopes, required), "{scopes} {required}");
        }
    }

    #[test]
    fn a_circle_ends() {
        let hierarchy = ScopeHierarchy::new().contains("a", ["b"]).contains("b", ["c"]).contains("c", ["a"]);
        for (scope, required) in [("a", "c"), ("c", "b"), ("b", "a"), ("a", "a")] {
            assert!(grants(&hierarchy, scope, required), "{scope} {required}");
        }
    }
}
