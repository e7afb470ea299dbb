//! Scalekit.

use super::parameters::Parameters;
use crate::jwks::RemoteJwks;
use crate::verifier::{JwtVerifier, JwtVerifierBuilder};

/// Verifies the access tokens of [Scalekit] for one resource.
pub fn scalekit(environment_url: &str, resource_id: &str) -> JwtVerifierBuilder {
    let mut given = Parameters::default();
    let url = given.base("environment_url", environment_url);
    let resource = given.name("resource_id", resource_id);
    JwtVerifier::builder(format!("{url}/resources/{resource}"), resource)
        .add_issuer_alias(url.clone())
        .usual_keys(RemoteJwks::at(format!("{url}/keys")))
        .fault(given.fault())
}
