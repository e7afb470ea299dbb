//! Azure AD B2C.

use super::parameters::Parameters;
use crate::jwks::RemoteJwks;
use crate::verifier::{JwtVerifier, JwtVerifierBuilder};

/// Verifies the access tokens of one user flow or custom policy of [Azure AD B2C] for one application: the name of the
/// tenant, such as `contoso`, its id, a UUID, the policy, such as `B2C_1_signupsignin1`, spelled as it is in tokens,
/// and the application (client) id of this API, a UUID.
///
/// Signed; keys of the policy, at
/// `https://{tenant}.b2clogin.com/{tenant}.onmicrosoft.com/{policy}/discovery/v2.0/keys`. The issuer is
/// `https://{tenant}.b2clogin.com/{tenant id}/v2.0/`. The audience is the application id. `tfp` has to be the policy:
/// all policies of a tenant share one issuer. `azp`, `scp` and `sub` have to be there: an ID token has no `azp` and no
/// `scp`, and a token of an application without a user no `scp`.
///
/// Scopes are those in `scp`. A policy that says `acr` instead of `tfp`, an issuer with the policy in it, or a domain
/// of your own is [`JwtVerifier::builder`].
///
/// Not tried with the real provider.
///
/// [Azure AD B2C]: https://learn.microsoft.com/azure/active-directory-b2c/tokens-overview
pub fn entra_b2c(
    tenant_name: &str,
    tenant_id: &str,
    policy: &str,
    client_id: impl Into<String>,
) -> JwtVerifierBuilder {
    let mut given = Parameters::default();
    let name = given.label("tenant_name", tenant_name);
    let tenant = given.uuid("tenant_id", tenant_id);
    let policy = given.name("policy", policy);
    let client_id = given.uuid("client_id", &client_id.into());
    let host = format!("https://{name}.b2clogin.com");
    JwtVerifier::builder(format!("{host}/{tenant}/v2.0/"), client_id)
        .usual_keys(RemoteJwks::at(format!("{host}/{name}.onmicrosoft.com/{policy}/discovery/v2.0/keys")))
        .add_required_values("tfp", [policy])
        .add_required_one_of(["azp"])
        .add_required_one_of(["scp"])
        .add_required_one_of(["sub"])
        .fault(given.fault())
}
