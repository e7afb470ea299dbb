//! Okta.

use super::parameters::Parameters;
use crate::verifier::{JwtVerifier, JwtVerifierBuilder};

/// Verifies the access tokens of a custom authorization server of [Okta].
pub fn okta(domain: &str, authorization_server: &str, audience: impl Into<String>) -> JwtVerifierBuilder {
    let mut given = Parameters::default();
    let domain = given.host("domain", domain);
    let server = given.name("authorization_server", authorization_server);
    JwtVerifier::builder(format!("https://{domain}/oauth2/{server}"), audience)
        .add_client_claim("cid")
        .add_required_one_of(["cid"])
        .fault(given.fault())
}
