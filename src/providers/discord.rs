//! Discord.

use super::parameters::Parameters;
use crate::verifier::{UserInfoVerifier, UserInfoVerifierBuilder};

/// Verifies the OAuth access tokens of [Discord] for one application, by its id, such as `159799960412356608`.
///
/// Asked about, at `https://discord.com/api/oauth2/@me`, which names the application, the scopes and the end. The
/// subject is the number of the user: a token without the scope `identify` names none, and is refused.
///
/// Scopes are those of Discord, such as `identify` and `guilds`.
///
/// Not tried with the real provider.
///
/// [Discord]: https://discord.com/developers/docs/topics/oauth2#get-current-authorization-information
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
