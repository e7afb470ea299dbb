//! ID tokens of Google.

use super::parameters::Parameters;
use crate::verifier::{JwtVerifier, JwtVerifierBuilder};

/// Verifies the ID tokens of Google for one client.
pub fn google_id_tokens(client_id: impl Into<String>) -> JwtVerifierBuilder {
    let mut given = Parameters::default();
    let client_id = given.id("client_id", client_id);
    JwtVerifier::builder("https://accounts.google.com", client_id)
        .add_issuer_alias("accounts.google.com")
        .insecure_allow_id_tokens()
        .add_required_one_of(["sub"])
        .fault(given.fault())
}
