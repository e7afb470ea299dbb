//! Oracle Cloud Infrastructure: identity domains.

use super::parameters::Parameters;
use crate::jwks::RemoteJwks;
use crate::verifier::{JwtVerifier, JwtVerifierBuilder};

/// What all domains call themselves.
const COMMON_ISSUER: &str = "https://identity.oraclecloud.com/";

/// Verifies the access tokens of one identity domain of [OCI].
pub fn oci(domain_url: &str, audience: impl Into<String>) -> JwtVerifierBuilder {
    let mut given = Parameters::default();
    let url = given.base("domain_url", domain_url);
    JwtVerifier::builder(url.clone(), audience)
        .add_issuer_alias(COMMON_ISSUER)
        .usual_keys(RemoteJwks::at(format!("{url}/admin/v1/SigningCert/jwk")))
        .add_required_values("tok_type", ["AT"])
        .fault(given.fault())
}
