//! Discord.

use super::parameters::Parameters;
use crate::verifier::{UserInfoVerifier, UserInfoVerifierBuilder};

/// Verifies the OAuth access tokens of [Discord] for one application.
pub fn discord(client_id: impl Into<String>) -> UserInfoVerifierBuilder {
    let mut given = Parameters::default();
    let client_id = given.id("client_id", client_id);
    UserInfoVerifier::builder("https://discord.com")
        .endpoint("https://discord.com/api/oauth2/@me")
        .audience_at("/application/id", client_id)
        .client_at("/application/id")
        .subject_at("/user/id")
        .scopes_at("/scopes")
        .expiry_at("/expires")
        .fault(given.fault())
}
