//! Google.

use crate::verifier::{TokenInfoVerifier, TokenInfoVerifierBuilder};

/// Verifies the access tokens of Google for one client.
pub fn google(client_id: impl Into<String>) -> TokenInfoVerifierBuilder {
    TokenInfoVerifier::builder(client_id)
}
