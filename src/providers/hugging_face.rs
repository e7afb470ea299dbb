//! Hugging Face.

use crate::verifier::{UserInfoVerifier, UserInfoVerifierBuilder};

/// Verifies the OAuth access tokens of [Hugging Face].
///
/// Asked about, at `https://huggingface.co/oauth/userinfo`. The answer names no application, no scopes and no end,
/// whatever the token itself is bound to: required scopes are never met, and a cache asks again at the end of its time
/// to live.
///
/// # Security
///
/// The answer does not show for which application a token is. This does not build before that is said:
///
/// ```
/// # #[cfg(feature = "reqwest")] {
/// use tower_bearer::providers;
///
/// assert!(providers::hugging_face().build().is_err());
/// let verifier = providers::hugging_face().insecure_allow_any_audience().build()?;
/// # }
/// # Ok::<(), tower_bearer::BuildError>(())
/// ```
///
/// Not tried with the real provider.
///
/// [Hugging Face]: https://huggingface.co/docs/hub/oauth
pub fn hugging_face() -> UserInfoVerifierBuilder {
    UserInfoVerifier::builder("https://huggingface.co").endpoint("https://huggingface.co/oauth/userinfo")
}
