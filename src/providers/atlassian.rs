//! Atlassian.

use crate::verifier::{UserInfoVerifier, UserInfoVerifierBuilder};

/// Verifies the OAuth access tokens of [Atlassian].
pub fn atlassian() -> UserInfoVerifierBuilder {
    UserInfoVerifier::builder("https://auth.atlassian.com")
        .endpoint("https://api.atlassian.com/me")
        .subject_at("/account_id")
}
