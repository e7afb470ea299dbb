//! The kinds of tokens that GitHub issues, told by their prefixes.

/// What a token says of itself. Only GitHub knows whether that is so.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// A user's, issued to an app: `gho_` (OAuth app) or `ghu_` (GitHub App).
    App,
    /// Made by a user for themselves: `ghp_` or `github_pat_`. It is bound to no app.
    Personal,
    /// Not a user's, or not for access: of an installation (`ghs_`), for refreshing (`ghr_`).
    Unusable,
}

const PREFIXES: [(&[u8], Kind); 6] = [
    (b"gho_", Kind::App),
    (b"ghu_", Kind::App),
    (b"ghp_", Kind::Personal),
    (b"github_pat_", Kind::Personal),
    (b"ghs_", Kind::Unusable),
    (b"ghr_", Kind::Unusable),
];

impl Kind {
    /// None: it is not one of GitHub's.
    pub(super) fn of(token: &[u8]) -> Option<Self> {
        PREFIXES.iter().find(|(prefix, _)| token.starts_with(prefix)).map(|(_, kind)| *kind)
    }
}
