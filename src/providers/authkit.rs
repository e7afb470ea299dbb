//! AuthKit of WorkOS.

use super::parameters::Parameters;
use crate::jwks::RemoteJwks;
use crate::verifier::{JwtVerifier, JwtVerifierBuilder};

/// Verifies the access tokens of [WorkOS AuthKit] for one resource: the domain of AuthKit, such as `acme.authkit.app`
/// or a custom one, and the resource indicator of this API, such as `https://api.example.com/mcp`.
///
/// Signed; keys at `https://{domain}/oauth2/jwks`. The audience is the resource that a client named when it asked:
/// tokens that were got without one are refused, and so are ID tokens, whose audience is their client, and the session
/// tokens of an application that uses WorkOS itself, which are of another issuer. `sub` has to be there.
///
/// Scopes are those in `scope`. Opaque tokens are for [`workos`](crate::providers::workos()).
///
/// Not tried with the real provider.
///
/// [WorkOS AuthKit]: https://workos.com/docs/authkit/mcp
pub fn authkit(domain: &str, audience: impl Into<String>) -> JwtVerifierBuilder {
    let mut given = Parameters::default();
    let domain = given.host("domain", domain);
    JwtVerifier::builder(format!("https://{domain}"), audience)
        .usual_keys(RemoteJwks::at(format!("https://{domain}/oauth2/jwks")))
        .add_required_one_of(["sub"])
        .fault(given.fault())
}
