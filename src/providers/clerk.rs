//! Clerk.

use super::parameters::Parameters;
use crate::secret::Secret;
use crate::verifier::{IntrospectionVerifier, IntrospectionVerifierBuilder};

/// Verifies the OAuth access tokens of [Clerk] for one OAuth application by asking about them: the domain of the
/// instance, such as `clerk.example.com` or `saving-primate-16.clerk.accounts.dev`, and id and secret of the
/// application.
///
/// Tokens are JWTs or opaque, as is set in the dashboard: JWTs for applications of 2026 and later, unless that was
/// changed. Those are for [`clerk_jwt`](crate::providers::clerk_jwt()), which asks nobody. This is for the opaque ones,
/// which begin with `oat_`; whether the endpoint also knows JWTs is not documented.
///
/// Asked about, at `https://{domain}/oauth/token_info`, which is the introspection endpoint of its metadata. The
/// audience is the application: `aud` where the answer has it, else `client_id`. An answer that names an issuer has to
/// name `https://{domain}`. `sub` has to be there.
///
/// Scopes are those in `scope`.
///
/// `https://api.clerk.com/oauth_applications/access_tokens/verify`, of which Clerk's page on this speaks, wants the
/// secret key of the instance, and JSON: it is not used. The session tokens of Clerk, which a browser sends to the
/// application itself, are JWTs without an audience, and not for this verifier.
///
/// Not tried with the real provider.
///
/// [Clerk]: https://clerk.com/docs/guides/configure/auth-strategies/oauth/verify-oauth-tokens
pub fn clerk(
    domain: &str,
    client_id: impl Into<String>,
    client_secret: impl Into<Secret<String>>,
) -> IntrospectionVerifierBuilder {
    let mut given = Parameters::default();
    let domain = given.host("domain", domain);
    let client_id = given.id("client_id", client_id);
    IntrospectionVerifier::builder(format!("https://{domain}"), client_id.clone())
        .endpoint(format!("https://{domain}/oauth/token_info"))
        .client_secret_basic(client_id, client_secret)
        .client_as_audience()
        .allow_missing_issuer()
        .add_required_one_of(["sub"])
        .fault(given.fault())
}
