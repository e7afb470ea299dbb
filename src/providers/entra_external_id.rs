//! Microsoft Entra External ID.

use super::parameters::Parameters;
use crate::jwks::RemoteJwks;
use crate::verifier::{JwtVerifier, JwtVerifierBuilder};

/// Verifies the access tokens of one external tenant of [Microsoft Entra External ID] for one application.
pub fn entra_external_id(
    tenant_name: &str,
    tenant_id: &str,
    client_id: impl Into<String>,
) -> JwtVerifierBuilder {
    let mut given = Parameters::default();
    let name = given.label("tenant_name", tenant_name);
    let tenant = given.uuid("tenant_id", tenant_id);
    let client_id = given.id("client_id", client_id);
    let identifier = format!("api://{client_id}");
    JwtVerifier::builder(format!("https://{tenant}.ciamlogin.com/{tenant}/v2.0"), client_id)
        .add_audience(identifier)
        .usual_keys(RemoteJwks::at(format!("https://{name}.ciamlogin.com/{tenant}/discovery/v2.0/keys")))
        .add_required_one_of(["azp"])
        .add_required_one_of(["scp", "roles"])
        .fault(given.fault())
}
