//! Keycloak.

use super::parameters::Parameters;
use crate::verifier::{JwtVerifier, JwtVerifierBuilder};

/// Where Keycloak puts the roles of the realm: for [`add_scopes_at`](JwtVerifierBuilder::add_scopes_at).
pub const KEYCLOAK_REALM_ROLES: &str = "/realm_access/roles";

/// Where Keycloak puts the roles of a client: for [`add_scopes_at`](JwtVerifierBuilder::add_scopes_at).
///
/// ```
/// use tower_bearer::providers;
///
/// assert_eq!(providers::keycloak_client_roles("my-api"), "/resource_access/my-api/roles");
/// ```
#[must_use]
pub fn keycloak_client_roles(client_id: &str) -> String {
    // RFC 6901 §3, in this order.
    let name = client_id.replace('~', "~0").replace('/', "~1");
    format!("/resource_access/{name}/roles")
}

/// Verifies the access tokens of one realm of [Keycloak] for one audience: the address of the server, such as
/// `https://sso.example.com`, with the path that it had before version 17 (`/auth`) or was given since, the name of the
/// realm, and the client id of this API.
///
/// Signed; keys by discovery. The audience is the client id of this API: Keycloak puts it into `aud` for a client with
/// an audience mapper, or if the user has a role of this API. A token for `account`, which Keycloak makes if nothing
/// else is set up, is refused. `typ` has to be `Bearer`, which that of ID tokens, refresh tokens and tokens bound to a
/// key is not, and `sub` has to be there: since version 25 the client scope `basic` puts it in.
///
/// Scopes are those in `scope`. Roles of the realm and of a client are scopes too if that is said:
///
/// ```
/// # #[cfg(feature = "reqwest")] {
/// use tower_bearer::providers;
///
/// let verifier = providers::keycloak("https://sso.example.com", "acme", "my-api")
///     .add_scopes_at(providers::KEYCLOAK_REALM_ROLES)
///     .add_scopes_at(providers::keycloak_client_roles("my-api"))
///     .build()?;
/// # }
/// # Ok::<(), tower_bearer::BuildError>(())
/// ```
///
/// Not tried with the real provider.
///
/// [Keycloak]: https://www.keycloak.org/docs/latest/server_admin/#_audience
pub fn keycloak(url: &str, realm: &str, audience: impl Into<String>) -> JwtVerifierBuilder {
    let mut given = Parameters::default();
    let url = given.base("url", url);
    let realm = given.name("realm", realm);
    JwtVerifier::builder(format!("{url}/realms/{realm}"), audience)
        .add_required_values("typ", ["Bearer"])
        .add_required_one_of(["sub"])
        .fault(given.fault())
}
