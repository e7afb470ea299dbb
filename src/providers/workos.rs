//! WorkOS, where tokens are opaque.

use super::parameters::Parameters;
use crate::verifier::{UserInfoVerifier, UserInfoVerifierBuilder};

/// Verifies the opaque access tokens of [WorkOS]: the domain of AuthKit, such as `acme.authkit.app` or a custom one.
///
/// Asked about, at `https://{domain}/oauth2/userinfo`. The answer names no application, no scopes and no end, whatever
/// the token itself is bound to: required scopes are never met, and a cache asks again at the end of its time to live.
/// Tokens for a resource are JWTs, and for [`authkit`](crate::providers::authkit()), which is the better choice.
///
/// # Security
///
/// The answer does not show for which application a token is. This does not build before that is said:
///
/// ```
/// # #[cfg(feature = "reqwest")] {
/// use tower_bearer::providers;
///
/// assert!(providers::workos("acme.authkit.app").build().is_err());
/// let verifier = providers::workos("acme.authkit.app").insecure_allow_any_audience().build()?;
/// # }
/// # Ok::<(), tower_bearer::BuildError>(())
/// ```
///
/// Not tried with the real provider.
///
/// [WorkOS]: https://workos.com/docs/reference/workos-connect
pub fn workos(domain: &str) -> UserInfoVerifierBuilder {
    let mut given = Parameters::default();
    let domain = given.host("domain", domain);
    UserInfoVerifier::builder(format!("https://{domain}"))
        .endpoint(format!("https://{domain}/oauth2/userinfo"))
        .fault(given.fault())
}
