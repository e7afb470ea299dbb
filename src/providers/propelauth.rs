//! PropelAuth.

use super::parameters::Parameters;
use crate::secret::Secret;
use crate::verifier::{IntrospectionVerifier, IntrospectionVerifierBuilder};

/// Verifies the OAuth access tokens of [PropelAuth] for one resource: the auth URL of the project, such as
/// `https://auth.example.com`, the resource for which clients ask, such as `https://api.example.com/mcp`, and id and
/// secret of the introspection client.
///
/// Asked about, at `/oauth/2.1/introspect`. The audience is the resource. An answer that names an issuer has to name
/// `{auth URL}/oauth/2.1`: whether answers name one is not documented. `sub` has to be there.
///
/// Scopes are those in `scope`.
///
/// Not tried with the real provider.
///
/// [PropelAuth]: https://docs.propelauth.com/mcp-authentication/overview
pub fn propelauth(
    auth_url: &str,
    audience: impl Into<String>,
    client_id: impl Into<String>,
    client_secret: impl Into<Secret<String>>,
) -> IntrospectionVerifierBuilder {
    let mut given = Parameters::default();
    let url = given.base("auth_url", auth_url);
    let client_id = given.id("client_id", client_id);
    IntrospectionVerifier::builder(format!("{url}/oauth/2.1"), audience)
        .endpoint(format!("{url}/oauth/2.1/introspect"))
        .client_secret_basic(client_id, client_secret)
        .allow_missing_issuer()
        .add_required_one_of(["sub"])
        .fault(given.fault())
}
