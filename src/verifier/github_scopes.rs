//! What the scopes of GitHub include.

use http::{HeaderMap, HeaderName};

use crate::scope::ScopeSet;

const SCOPES: HeaderName = HeaderName::from_static("x-oauth-scopes");

/// A scope, and those that are normalised away when it is granted.
const INCLUDED: [(&str, &[&str]); 17] = [
    ("admin:enterprise", &["manage_billing:enterprise", "manage_runners:enterprise", "read:enterprise"]),
    ("admin:gpg_key", &["write:gpg_key", "read:gpg_key"]),
    ("admin:org", &["write:org", "read:org", "manage_runners:org"]),
    ("admin:public_key", &["write:public_key", "read:public_key"]),
    ("admin:repo_hook", &["write:repo_hook", "read:repo_hook"]),
    ("admin:ssh_signing_key", &["write:ssh_signing_key", "read:ssh_signing_key"]),
    ("audit_log", &["read:audit_log"]),
    ("codespace", &["codespace:secrets"]),
    ("project", &["read:project"]),
    ("repo", &["repo:status", "repo_deployment", "public_repo", "repo:invite", "security_events"]),
    ("user", &["read:user", "user:email", "user:follow"]),
    ("write:discussion", &["read:discussion"]),
    ("write:gpg_key", &["read:gpg_key"]),
    ("write:org", &["read:org"]),
    ("write:packages", &["read:packages"]),
    ("write:public_key", &["read:public_key"]),
    ("write:repo_hook", &["read:repo_hook"]),
];

/// The scopes that an answer names. None: it names none, as for tokens that have permissions instead.
pub(super) fn of(headers: &HeaderMap) -> Option<ScopeSet> {
    let mut lines = headers.get_all(SCOPES).iter().peekable();
    lines.peek()?;
    let lines = lines.filter_map(|line| line.to_str().ok());
    Some(lines.flat_map(|line| line.split(',')).map(str::trim).collect())
}

/// The scopes with everything that they include.
pub(super) fn with_included(scopes: &ScopeSet) -> ScopeSet {
    let included = |scope: &str| {
        let found = INCLUDED.iter().find(|(own, _)| *own == scope);
        found.map_or(&[][..], |(_, included)| *included)
    };
    scopes.iter().chain(scopes.iter().flat_map(included).copied()).collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(lines: &[&'static str]) -> Option<String> {
        let headers = lines.iter().map(|line| (SCOPES, HeaderValue::from_static(line)));
        of(&headers.collect()).map(|scopes| scopes.as_str().to_owned())
    }

    #[test]
    fn scopes_are_separated_by_commas() {
        assert_eq!(read(&["user:email, read:org"]).as_deref(), Some("user:email read:org"));
        assert_eq!(read(&["user,repo"]).as_deref(), Some("user repo"));
        assert_eq!(read(&["repo", "gist"]).as_deref(), Some("repo gist"));
        assert_eq!(read(&[" , "]).as_deref(), Some(""));
        assert_eq!(read(&[""]).as_deref(), Some(""));
        assert_eq!(read(&["a b"]).as_deref(), Some(""), "no scope has a space");
        assert_eq!(read(&[]), None);
    }

    #[test]
    fn a_scope_includes_what_it_is_the_parent_of_and_nothing_else() {
        for (granted, expected) in [
            ("repo", "repo repo:status repo_deployment public_repo repo:invite security_events"),
            ("admin:org gist", "admin:org gist write:org read:org manage_runners:org"),
            ("user:email", "user:email"),
            ("read:org", "read:org"),
            ("public_repo", "public_repo"),
            ("", ""),
        ] {
            assert_eq!(with_included(&ScopeSet::parse(granted)).as_str(), expected);
        }
        // What is included in what is included is named too.
        for (_, included) in INCLUDED {
            for scope in included {
                let below =
                    INCLUDED.iter().find(|(own, _)| own == scope).map_or(&[][..], |(_, below)| *below);
                assert!(below.iter().all(|scope| included.contains(scope)), "{scope}");
            }
        }
    }
}
