//! Hugging Face.

use crate::verifier::{UserInfoVerifier, UserInfoVerifierBuilder};

/// Verifies the OAuth access tokens of [Hugging Face].
pub fn hugging_face() -> UserInfoVerifierBuilder {
    UserInfoVerifier::builder("https://huggingface.co").endpoint("https://huggingface.co/oauth/userinfo")
}
