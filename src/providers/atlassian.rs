//! Atlassian.

use crate::verifier::{UserInfoVerifier, UserInfoVerifierBuilder};

/// Verifies the OAuth access tokens of [Atlassian] that have the scope `read:me`.
///
/// Asked about, at `https://api.atlassian.com/me`. The subject is `account_id`. The answer names no application, no
/// scopes and no end, whatever the token itself is bound to: required scopes are never met, and a cache asks again at
/// the end of its time to live.
///
/// # Security
///
/// The answer does not show for which application a token is. This does not build before that is said:
///
/// ```
/// # #[cfg(feature = "reqwest")] {
/// use tower_bearer::providers;
///
/// assert!(providers::atlassian().build().is_err());
/// let verifier = providers::atlassian().insecure_allow_any_audience().build()?;
/// # }
/// # Ok::<(), tower_bearer::BuildError>(())
/// ```
///
/// Not tried with the real provider.
///
/// [Atlassian]: https://developer.atlassian.com/cloud/confluence/user-identity-api/
pub fn atlassian() -> UserInfoVerifierBuilder {
    UserInfoVerifier::builder("https://auth.atlassian.com")
        .endpoint("https://api.atlassian.com/me")
        .subject_at("/account_id")
}
