//! What a token may do: a set of scopes ([RFC 6749 §3.3]).
//!
//! [RFC 6749 §3.3]: https://www.rfc-editor.org/rfc/rfc6749#section-3.3

use std::collections::HashSet;
use std::fmt;

pub use self::hierarchy::ScopeHierarchy;

mod hierarchy;

/// Longer challenges do not fit through common proxies.
pub(crate) const MAX_IN_CHALLENGE: usize = 1_900;
/// Up to this many scopes are compared with each other, which is quicker than hashing them.
const FEW: usize = 16;

/// A set of scopes, in the order in which they were given, each once.
///
/// Scopes are compared byte for byte: `read` is neither `READ` nor `readonly`. What is not a scope
/// by the grammar of [RFC 6749 §3.3] (`"`, `\`, white space, control characters, anything beyond
/// ASCII, the empty string) is left out, so that it can grant nothing.
///
/// ```
/// # use tower_bearer::ScopeSet;
/// let scopes = ScopeSet::parse("mcp:read mcp:write");
/// assert!(scopes.contains("mcp:read"));
/// assert!(!scopes.contains("mcp"));
/// assert!(scopes.contains_all(&ScopeSet::from_iter(["mcp:write"])));
/// ```
///
/// [RFC 6749 §3.3]: https://www.rfc-editor.org/rfc/rfc6749#section-3.3
#[derive(Clone, Default, Eq, Hash, PartialEq)]
pub struct ScopeSet {
    // Separated by single spaces: the form in which scopes travel, and one allocation.
    joined: Box<str>,
}

impl ScopeSet {
    /// Reads a space-separated list, the form of the `scope` claim. Only the space separates.
    #[must_use]
    pub fn parse(list: &str) -> Self {
        Self::collect(list.split(' '), list.len())
    }

    /// In time that grows with the length, whatever a token brings along.
    fn collect<S: AsRef<str>>(scopes: impl IntoIterator<Item = S>, capacity: usize) -> Self {
        let mut joined = String::with_capacity(capacity);
        // With those that are repeated, so that the comparisons have a bound.
        let mut count = 0;
        for scope in scopes {
            let scope = scope.as_ref();
            if Self::is_scope(scope) {
                count += 1;
                if count > FEW || !joined.split(' ').any(|own| own == scope) {
                    joined.push_str(if joined.is_empty() { "" } else { " " });
                    joined.push_str(scope);
                }
            }
        }
        if count > FEW {
            let mut seen = HashSet::with_capacity(count);
            let once: Vec<&str> = joined.split(' ').filter(|scope| seen.insert(*scope)).collect();
            joined = once.join(" ");
        }
        Self { joined: joined.into_boxed_str() }
    }

    /// Whether the scope is in the set.
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        self.iter().any(|own| own == scope)
    }

    /// Whether every scope of the other set is in this one. True if the other set is empty.
    #[must_use]
    pub fn contains_all(&self, other: &Self) -> bool {
        other.iter().all(|scope| self.contains(scope))
    }

    /// The scopes in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.joined.split(' ').filter(|scope| !scope.is_empty())
    }

    /// Whether there is no scope at all.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.joined.is_empty()
    }

    /// The scopes separated by spaces.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.joined
    }

    /// What a resource may tell its clients to ask for: `offline_access` is between them and their provider.
    pub(crate) fn without_offline_access(&self) -> Self {
        Self::collect(self.iter().filter(|scope| *scope != "offline_access"), self.joined.len())
    }

    /// Whether this is one scope by the grammar: `1*( %x21 / %x23-5B / %x5D-7E )`.
    pub(crate) const fn is_scope(text: &str) -> bool {
        let mut rest = text.as_bytes();
        while let [0x21 | 0x23..=0x5B | 0x5D..=0x7E, others @ ..] = rest {
            rest = others;
        }
        !text.is_empty() && rest.is_empty()
    }
}

impl<S: AsRef<str>> FromIterator<S> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = S>>(scopes: I) -> Self {
        Self::collect(scopes, 0)
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.joined)
    }
}

impl fmt::Debug for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_scope_counts() {
        for list in ["readonly", "READ", "read,write", "read\twrite", "read\u{a0}write", "xread read2", ""] {
            assert!(!ScopeSet::parse(list).contains("read"), "{list:?}");
        }
        assert!(ScopeSet::parse("write read").contains("read"));
    }

    #[test]
    fn a_set_without_scopes_is_empty_and_contains_no_empty_scope() {
        for list in ["", " ", "  "] {
            let scopes = ScopeSet::parse(list);
            assert!(scopes.is_empty());
            assert_eq!(scopes.iter().count(), 0);
            assert!(!scopes.contains(""));
        }
        assert!(ScopeSet::default().contains_all(&ScopeSet::default()));
    }

    #[test]
    fn order_is_kept_and_repetitions_are_not() {
        let scopes = ScopeSet::parse("b  a b c a");
        assert_eq!(scopes.as_str(), "b a c");
        assert_eq!(format!("{scopes:?}"), r#"{"b", "a", "c"}"#);
        let many: Vec<String> = (0..100).map(|number| format!("s{}", number % 50)).collect();
        let scopes = ScopeSet::from_iter(&many);
        assert!(scopes.iter().eq(many.iter().take(50)));
    }

    #[test]
    fn repetitions_are_counted_so_that_few_are_compared() {
        // Compared with each other, these would take minutes.
        let long = "x".repeat(1 << 20);
        let list = format!("{long}{}", " a".repeat(1 << 20));
        assert_eq!(ScopeSet::parse(&list).iter().count(), 2);
        for count in 14..20 {
            let list: Vec<String> = (0..count).chain(0..count).map(|number| number.to_string()).collect();
            assert!(ScopeSet::from_iter(&list).iter().eq(list.iter().take(count)), "{count}");
        }
    }

    #[test]
    fn what_is_legal_in_a_scope_is_kept() {
        let scopes = ScopeSet::from_iter(["urn:x:r=G,PG-13", "a b", "a\"b", "a\\b", "é", "\n"]);
        assert_eq!(scopes.as_str(), "urn:x:r=G,PG-13");
    }
}
