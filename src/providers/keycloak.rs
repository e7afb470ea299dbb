//! Keycloak.

use super::parameters::Parameters;
use crate::verifier::{JwtVerifier, JwtVerifierBuilder};

/// Where Keycloak puts the roles of the realm: for [`add_scopes_at`](JwtVerifierBuilder::add_scopes_at).
pub const KEYCLOAK_REALM_ROLES: &str = "/realm_access/roles";

/// Where Keycloak puts the roles of a client: for [`add_scopes_at`](JwtVerifierBuilder::add_scopes_at).
#[must_use]
pub fn keycloak_client_roles(client_id: &str) -> String {
    format!("/resource_access/{}/roles", client_id.replace('~', "~0").replace('/', "~1"))
}

/// Verifies the access tokens of one realm of [Keycloak] for one audience.
pub fn keycloak(url: &str, realm: &str, audience: impl Into<String>) -> JwtVerifierBuilder {
    let mut given = Parameters::default();
    let url = given.base("url", url);
    let realm = given.name("realm", realm);
    JwtVerifier::builder(format!("{url}/realms/{realm}"), audience)
        .add_required_values("typ", ["Bearer"])
        .fault(given.fault())
}
