//! Amazon Cognito.

use super::parameters::Parameters;
use crate::error::{BuildError, BuildErrorKind};
use crate::jwks::RemoteJwks;
use crate::verifier::{JwtVerifier, JwtVerifierBuilder};

/// Verifies the access tokens of a user pool of [Amazon Cognito] for one app client: the id of the pool, which begins
/// with its region, such as `eu-central-1_AbCdEfGhI`, and that of the client.
///
/// Signed; keys at `https://cognito-idp.{region}.amazonaws.com/{pool}/.well-known/jwks.json`. The issuer is
/// `https://cognito-idp.{region}.amazonaws.com/{pool}` or, for a pool with the [updated issuer],
/// `https://issuer-cognito-idp.{region}.amazonaws.com/{pool}`; to us it is the first one in both cases. An access token
/// of Cognito has no `aud` unless the client asked for a resource: it is then taken if it was issued to our app client
/// (`client_id`). With resource binding, [`add_audience`](JwtVerifierBuilder::add_audience) names the resource.
/// `token_use` has to be `access`, which that of an ID token is not, and `sub` has to be there.
///
/// Scopes are those in `scope`. With `.add_scopes_at("/cognito:groups")` groups are scopes too.
///
/// Not tried with the real provider.
///
/// [Amazon Cognito]: https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html
/// [updated issuer]: https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_IssuerConfigurationType.html
pub fn cognito(user_pool: &str, client_id: impl Into<String>) -> JwtVerifierBuilder {
    let mut given = Parameters::default();
    let pool = given.name("user_pool", user_pool);
    let client_id = given.id("client_id", client_id);
    let region = pool.split_once('_').map(|(region, _)| region).filter(|region| is_region(region));
    let no_region = region.is_none().then(|| BuildError::new("user_pool", BuildErrorKind::InvalidText));
    let region = region.unwrap_or_default();
    let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
    let place = format!("cognito-idp.{region}.amazonaws.com{suffix}/{pool}");
    JwtVerifier::builder(format!("https://{place}"), client_id)
        .add_issuer_alias(format!("https://issuer-{place}"))
        // Not by discovery: the metadata may name the other issuer.
        .usual_keys(RemoteJwks::at(format!("https://{place}/.well-known/jwks.json")))
        .client_as_audience()
        .add_required_values("token_use", ["access"])
        .add_required_one_of(["sub"])
        .fault(given.fault().or(no_region))
}

/// Whether a name is that of a region, such as `us-gov-west-1`: of another name, another service could be the host.
fn is_region(name: &str) -> bool {
    let Some((place, number)) = name.rsplit_once('-') else { return false };
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    place.contains('-') && place.split('-').all(is_word) && is_number
}
