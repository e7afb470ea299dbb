//! Descope.

use super::parameters::Parameters;
use crate::jwks::RemoteJwks;
use crate::verifier::{JwtVerifier, JwtVerifierBuilder};

const BASE: &str = "https://api.descope.com";

/// Verifies the access tokens of [Descope]: the id of the project, such as `P2abcDEFghiJKLmno`, and the audience.
pub fn descope(project_id: &str, audience: impl Into<String>) -> JwtVerifierBuilder {
    let mut given = Parameters::default();
    let project = given.name("project_id", project_id);
    JwtVerifier::builder(format!("{BASE}/v1/apps/{project}"), audience)
        .usual_keys(RemoteJwks::at(format!("{BASE}/{project}/.well-known/jwks.json")))
        .fault(given.fault())
}
