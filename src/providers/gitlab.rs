//! GitLab.

use super::parameters::Parameters;
use crate::verifier::{UserInfoVerifier, UserInfoVerifierBuilder};

/// Verifies the OAuth access tokens of [GitLab] for one application: the address of the instance, such as
/// `https://gitlab.com`, and the id of the application.
///
/// Asked about, at `/oauth/token/info`, which names the application, the scopes and the time that is left. The subject
/// is the number of the user. Personal access tokens name no application and are refused.
///
/// Scopes are those of GitLab, such as `read_user` and `api`.
///
/// Not tried with the real provider.
///
/// [GitLab]: https://docs.gitlab.com/api/oauth2/#retrieve-the-token-information
pub fn gitlab(url: &str, client_id: impl Into<String>) -> UserInfoVerifierBuilder {
    let mut given = Parameters::default();
    let url = given.base("url", url);
    let client_id = given.id("client_id", client_id);
    UserInfoVerifier::builder(url.clone())
        .endpoint(format!("{url}/oauth/token/info"))
        .audience_at("/application/uid", client_id)
        .client_at("/application/uid")
        .subject_at("/resource_owner_id")
        .scopes_at("/scope")
        .expires_in_at("/expires_in")
        .fault(given.fault())
}
