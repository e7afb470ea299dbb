//! Microsoft Entra External ID.

use super::entra::for_application;
use super::parameters::Parameters;
use crate::jwks::RemoteJwks;
use crate::verifier::JwtVerifierBuilder;

/// Verifies the access tokens of one external tenant of [Microsoft Entra External ID] for one application: the name of
/// the tenant, such as `contoso`, its id, a UUID, and the application (client) id of this API, a UUID
/// too.
///
/// Signed; keys at `https://{tenant}.ciamlogin.com/{tenant id}/discovery/v2.0/keys`. The issuer is
/// `https://{tenant id}.ciamlogin.com/{tenant id}/v2.0`: the application has to ask for tokens of version 2.0
/// (`requestedAccessTokenVersion` in its manifest), and those of version 1.0, which have another issuer, are refused.
/// The audience and what has to be there are those of [`entra`](super::entra()).
///
/// Scopes are those in `scp`. With `.add_scopes_at("/roles")` application roles are scopes too.
///
/// Not tried with the real provider.
///
/// [Microsoft Entra External ID]: https://learn.microsoft.com/entra/external-id/customers/overview-customers-ciam
pub fn entra_external_id(
    tenant_name: &str,
    tenant_id: &str,
    client_id: impl Into<String>,
) -> JwtVerifierBuilder {
    let mut given = Parameters::default();
    let name = given.label("tenant_name", tenant_name);
    let tenant = given.uuid("tenant_id", tenant_id);
    let client_id = given.uuid("client_id", &client_id.into());
    for_application(format!("https://{tenant}.ciamlogin.com/{tenant}/v2.0"), client_id)
        .usual_keys(RemoteJwks::at(format!("https://{name}.ciamlogin.com/{tenant}/discovery/v2.0/keys")))
        .fault(given.fault())
}
