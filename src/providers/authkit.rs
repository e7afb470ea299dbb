//! WorkOS AuthKit.

use super::parameters::Parameters;
use crate::jwks::RemoteJwks;
use crate::verifier::{JwtVerifier, JwtVerifierBuilder};

/// Verifies the access tokens of [WorkOS AuthKit] for one resource: the domain of AuthKit, such as
/// `acme.authkit.app` or a custom one, and the resource indicator of this API, such as `https://api.example.com/mcp`.
///
/// Signed; keys at `/oauth2/jwks`. The audience is the resource that the client named when it asked; a token that was
/// got without one is refused, and so is an ID token, whose audience is its client.
///
/// Scopes are those in `scope`.
///
/// Not tried with the real provider.
///
/// [WorkOS AuthKit]: https://workos.com/docs/authkit/mcp
pub fn authkit(domain: &str, audience: impl Into<String>) -> JwtVerifierBuilder {
    let mut given = Parameters::default();
    let domain = given.host("domain", domain);
    JwtVerifier::builder(format!("https://{domain}"), audience)
        .usual_keys(RemoteJwks::at(format!("https://{domain}/oauth2/jwks")))
        .fault(given.fault())
}
