//! Azure AD B2C.

use super::parameters::Parameters;
use crate::jwks::RemoteJwks;
use crate::verifier::{JwtVerifier, JwtVerifierBuilder};

/// Verifies the access tokens of one user flow or custom policy of [Azure AD B2C].
pub fn entra_b2c(
    tenant_name: &str,
    tenant_id: &str,
    policy: &str,
    client_id: impl Into<String>,
) -> JwtVerifierBuilder {
    let mut given = Parameters::default();
    let name = given.label("tenant_name", tenant_name);
    let tenant = given.uuid("tenant_id", tenant_id);
    let policy = given.name("policy", policy);
    let client_id = given.id("client_id", client_id);
    let host = format!("https://{name}.b2clogin.com");
    JwtVerifier::builder(format!("{host}/{tenant}/v2.0/"), client_id)
        .usual_keys(RemoteJwks::at(format!("{host}/{name}.onmicrosoft.com/{policy}/discovery/v2.0/keys")))
        .add_required_values("tfp", [policy])
        .add_required_one_of(["azp"])
        .add_required_one_of(["scp"])
        .fault(given.fault())
}
