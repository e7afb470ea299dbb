//! GitHub.

use crate::secret::Secret;
use crate::verifier::{GitHubVerifier, GitHubVerifierBuilder};

/// Verifies the tokens that GitHub issued to one app.
pub fn github(
    client_id: impl Into<String>,
    client_secret: impl Into<Secret<String>>,
) -> GitHubVerifierBuilder {
    GitHubVerifier::builder(client_id, client_secret)
}
