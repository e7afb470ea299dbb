//! Google.

use crate::verifier::{TokenInfoVerifier, TokenInfoVerifierBuilder};

/// Verifies the [access tokens of Google] for one client, by its id, such as `123-abc.apps.googleusercontent.com`.
///
/// Asked about, at `https://oauth2.googleapis.com/tokeninfo`, which names the client, the scopes and the end. The
/// audience is the client to which the token was issued; [`add_client`](TokenInfoVerifierBuilder::add_client) names
/// another one of ours. `sub` has to be there: a token without the scope `openid` is refused.
///
/// Scopes are those of Google, in full, such as `https://www.googleapis.com/auth/userinfo.email`. ID tokens are for
/// [`google_id_tokens`](crate::providers::google_id_tokens()).
///
/// Not tried with the real provider.
///
/// [access tokens of Google]: https://developers.google.com/identity/protocols/oauth2
pub fn google(client_id: impl Into<String>) -> TokenInfoVerifierBuilder {
    TokenInfoVerifier::builder(client_id)
}
