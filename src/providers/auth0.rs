//! Auth0.

use super::parameters::Parameters;
use crate::verifier::{JwtVerifier, JwtVerifierBuilder};

/// Where Auth0 puts the permissions of a user or a machine, if that is switched on for the API: for
/// [`add_scopes_at`](JwtVerifierBuilder::add_scopes_at).
pub const AUTH0_PERMISSIONS: &str = "/permissions";

/// Verifies the access tokens of [Auth0] for an API: the domain of the tenant, or a custom one, such as
/// `acme.eu.auth0.com`, and the identifier of the API.
///
/// Signed; keys by discovery. The audience is the identifier of the API: a client that names none when it asks gets
/// an opaque token, which is refused, and so is an ID token, whose audience is its client. `sub` has to be there.
///
/// Scopes are those in `scope`. With "Add Permissions in the Access Token" the permissions are scopes too if that is
/// said:
///
/// ```
/// # #[cfg(feature = "reqwest")] {
/// use tower_bearer::providers;
///
/// let verifier = providers::auth0("acme.eu.auth0.com", "https://api.example.com")
///     .add_scopes_at(providers::AUTH0_PERMISSIONS)
///     .build()?;
/// # }
/// # Ok::<(), tower_bearer::BuildError>(())
/// ```
///
/// Not tried with the real provider.
///
/// [Auth0]: https://auth0.com/docs/secure/tokens/access-tokens/validate-access-tokens
pub fn auth0(domain: &str, audience: impl Into<String>) -> JwtVerifierBuilder {
    let mut given = Parameters::default();
    let domain = given.host("domain", domain);
    JwtVerifier::builder(format!("https://{domain}/"), audience)
        .add_required_one_of(["sub"])
        .fault(given.fault())
}
