//! Clerk, where tokens are signed.

use super::parameters::Parameters;
use crate::jwks::RemoteJwks;
use crate::verifier::{JwtVerifier, JwtVerifierBuilder};

/// Verifies the OAuth access tokens of [Clerk] that are JWTs for one OAuth application: the domain of the instance,
/// such as `clerk.example.com` or `saving-primate-16.clerk.accounts.dev`, and the id of the application.
///
/// Signed; keys at `https://{domain}/.well-known/jwks.json`. The issuer is `https://{domain}`. The audience is the
/// application: `aud` where the token has it, else `client_id`. Where clients name a resource when they ask,
/// [`add_audience`](JwtVerifierBuilder::add_audience) names it here. `typ` has to be `at+jwt`, by which the
/// libraries of Clerk know OAuth access tokens among the other JWTs of the issuer: those of sessions, of machines, and
/// ID tokens. `client_id` and `sub` have to be there.
///
/// Scopes are those in `scope` or `scp`.
///
/// A JWT cannot be taken back: it is good until it ends. Opaque tokens, which can, are for
/// [`clerk`](crate::providers::clerk()).
///
/// Not tried with the real provider.
///
/// [Clerk]: https://clerk.com/changelog/2026-01-08-jwt-oauth-access-tokens
pub fn clerk_jwt(domain: &str, client_id: impl Into<String>) -> JwtVerifierBuilder {
    let mut given = Parameters::default();
    let domain = given.host("domain", domain);
    let client_id = given.id("client_id", client_id);
    JwtVerifier::builder(format!("https://{domain}"), client_id)
        .usual_keys(RemoteJwks::at(format!("https://{domain}/.well-known/jwks.json")))
        .access_token_type()
        .client_as_audience()
        .add_required_one_of(["client_id"])
        .add_required_one_of(["sub"])
        .fault(given.fault())
}
