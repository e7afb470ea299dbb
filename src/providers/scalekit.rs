//! Scalekit.

use super::parameters::Parameters;
use crate::jwks::RemoteJwks;
use crate::verifier::{JwtVerifier, JwtVerifierBuilder};

/// Verifies the access tokens of [Scalekit] for one resource: the URL of the environment, such as
/// `https://acme.scalekit.com`, and the id of the resource, such as `res_123456789`.
///
/// Signed; keys at `{environment}/keys`. The issuer is that of the resource, `{environment}/resources/{id}`, or the
/// environment, which is the same to us. The audience is the id of the resource; an ID token, whose audience is its
/// client, is refused. `sub` has to be there.
///
/// Scopes are those in `scope`. A resource that is known by its URL in tokens is one more
/// [`add_audience`](JwtVerifierBuilder::add_audience):
///
/// ```
/// # #[cfg(feature = "reqwest")] {
/// use tower_bearer::providers;
///
/// let verifier = providers::scalekit("https://acme.scalekit.com", "res_123456789")
///     .add_audience("https://api.example.com/mcp")
///     .build()?;
/// # }
/// # Ok::<(), tower_bearer::BuildError>(())
/// ```
///
/// Not tried with the real provider.
///
/// [Scalekit]: https://docs.scalekit.com/authenticate/mcp/quickstart/
pub fn scalekit(environment_url: &str, resource_id: &str) -> JwtVerifierBuilder {
    let mut given = Parameters::default();
    let url = given.base("environment_url", environment_url);
    let resource = given.name("resource_id", resource_id);
    JwtVerifier::builder(format!("{url}/resources/{resource}"), resource)
        .add_issuer_alias(url.clone())
        .usual_keys(RemoteJwks::at(format!("{url}/keys")))
        .add_required_one_of(["sub"])
        .fault(given.fault())
}
