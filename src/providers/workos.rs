//! WorkOS, where a token is opaque.

use super::parameters::Parameters;
use crate::verifier::{UserInfoVerifier, UserInfoVerifierBuilder};

/// Verifies the OAuth access tokens of [WorkOS].
pub fn workos(domain: &str) -> UserInfoVerifierBuilder {
    let mut given = Parameters::default();
    let domain = given.host("domain", domain);
    UserInfoVerifier::builder(format!("https://{domain}"))
        .endpoint(format!("https://{domain}/oauth2/userinfo"))
        .fault(given.fault())
}
