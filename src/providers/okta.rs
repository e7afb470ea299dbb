//! Okta.

use super::parameters::Parameters;
use crate::verifier::{JwtVerifier, JwtVerifierBuilder};

/// Verifies the access tokens of a custom authorization server of [Okta]: the domain of the org, such as
/// `acme.okta.com` or a custom one, the id of the authorization server, such as `default`, and the audience that is set
/// for it, such as `api://default`.
///
/// Signed; keys by discovery. The audience is that of the authorization server: APIs that share one are told apart by
/// scopes alone. `cid`, which is the client and which an ID token does not have, and `sub` have to be there.
///
/// Scopes are those in `scp`.
///
/// The tokens of the org authorization server, `https://{domain}` without a path, are for Okta's own APIs: nobody else
/// is meant to verify them.
///
/// Not tried with the real provider.
///
/// [Okta]: https://developer.okta.com/docs/guides/validate-access-tokens/
pub fn okta(domain: &str, authorization_server: &str, audience: impl Into<String>) -> JwtVerifierBuilder {
    let mut given = Parameters::default();
    let domain = given.host("domain", domain);
    let server = given.name("authorization_server", authorization_server);
    JwtVerifier::builder(format!("https://{domain}/oauth2/{server}"), audience)
        .add_client_claim("cid")
        .add_required_one_of(["cid"])
        .add_required_one_of(["sub"])
        .fault(given.fault())
}
