//! GitHub.

use crate::secret::Secret;
use crate::verifier::{GitHubVerifier, GitHubVerifierBuilder};

/// Verifies the tokens that [GitHub] issued to one app: id and secret of an OAuth app or of a GitHub App, such as
/// `Ov23liAbCdEfGhIjKlMn`.
///
/// Asked about, at `https://api.github.com/applications/{client id}/token`, which answers for tokens of that app alone.
/// The subject is the number of the user. Personal access tokens are of no app, and refused.
///
/// Scopes are those of GitHub, such as `read:user`; the tokens of a GitHub App have none.
///
/// The same as [`GitHubVerifier::builder`], which says more.
///
/// Not tried with the real provider.
///
/// [GitHub]: https://docs.github.com/rest/apps/oauth-applications#check-a-token
pub fn github(
    client_id: impl Into<String>,
    client_secret: impl Into<Secret<String>>,
) -> GitHubVerifierBuilder {
    GitHubVerifier::builder(client_id, client_secret)
}
