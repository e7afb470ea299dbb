//! Microsoft Entra ID.

use super::parameters::Parameters;
use crate::jwks::RemoteJwks;
use crate::verifier::{JwtVerifier, JwtVerifierBuilder};

/// Where a cloud of Microsoft has its login page, and what its tokens of version 1.0 call their issuer.
struct Cloud {
    login: &'static str,
    sts: &'static str,
}

const GLOBAL: Cloud = Cloud { login: "https://login.microsoftonline.com", sts: "https://sts.windows.net" };
const US_GOVERNMENT: Cloud =
    Cloud { login: "https://login.microsoftonline.us", sts: "https://sts.windows.net" };
const CHINA: Cloud =
    Cloud { login: "https://login.partner.microsoftonline.cn", sts: "https://sts.chinacloudapi.cn" };

/// Verifies the access tokens of one tenant of [Microsoft Entra ID] for one application: the directory (tenant) id, a
/// UUID, and the application (client) id of this API, a UUID too, without `api://` before it.
///
/// Signed; keys of the tenant. Tokens of both versions are taken, by their issuer and by an audience that is the
/// application id or `api://` before it; another identifier URI is one more
/// [`add_audience`](JwtVerifierBuilder::add_audience). A token has to name the client that got it (`azp` or `appid`),
/// which an ID token does not, and what it was given (`scp` or `roles`): any client of the tenant gets a token without
/// either. `sub` has to be there.
///
/// Scopes are those in `scp`. Clients ask for them as `api://{application id}/{scope}`, which
/// [`challenge_scope_names`](crate::middleware::AuthLayerBuilder::challenge_scope_names) tells them. With
/// `.add_scopes_at("/roles")` application roles are scopes too.
///
/// ```
/// # #[cfg(feature = "reqwest")] {
/// use tower_bearer::{AuthLayer, providers};
///
/// let application = "6e74172b-be56-4843-9ff4-e66a39bb12e3";
/// let verifier = providers::entra("72f988bf-86f1-41af-91ab-2d7cd011db47", application).build()?;
/// let auth = AuthLayer::builder(verifier)
///     .required_scopes(["files.read"])
///     .challenge_scope_names(move |scope| format!("api://{application}/{scope}"))
///     .build()?;
/// # }
/// # Ok::<(), tower_bearer::BuildError>(())
/// ```
///
/// Not tried with the real provider.
///
/// [Microsoft Entra ID]: https://learn.microsoft.com/entra/identity-platform/access-tokens
pub fn entra(tenant_id: &str, client_id: impl Into<String>) -> JwtVerifierBuilder {
    of_tenant(&GLOBAL, tenant_id, client_id)
}

/// The same as [`entra`] in the [cloud of the government of the USA]: logins at `login.microsoftonline.us`.
///
/// Tokens of version 1.0 have the same issuer in this cloud as in the global one, `https://sts.windows.net`. The keys
/// are those of this cloud.
///
/// Not tried with the real provider.
///
/// [cloud of the government of the USA]: https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud
pub fn entra_us_government(tenant_id: &str, client_id: impl Into<String>) -> JwtVerifierBuilder {
    of_tenant(&US_GOVERNMENT, tenant_id, client_id)
}

/// The same as [`entra`] in the [cloud of 21Vianet] in China: logins at `login.partner.microsoftonline.cn`.
///
/// Not tried with the real provider.
///
/// [cloud of 21Vianet]: https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud
pub fn entra_china(tenant_id: &str, client_id: impl Into<String>) -> JwtVerifierBuilder {
    of_tenant(&CHINA, tenant_id, client_id)
}

/// Verifies the access tokens of all tenants of [Microsoft Entra ID] for one application, by its id, a UUID; personal
/// accounts included.
///
/// As [`entra`], with the keys of all tenants, and the issuer has to be that of the tenant that the token names
/// (`tid`). A key that Microsoft publishes for one tenant signs for that tenant alone.
///
/// Whom to let in is for the application to say; this lets in the tenants of a list, whose ids are in small letters:
///
/// ```
/// # #[cfg(feature = "reqwest")] {
/// use tower_bearer::providers;
///
/// let tenants = ["72f988bf-86f1-41af-91ab-2d7cd011db47", "9188040d-6c67-4c5b-b112-36a304b66dad"];
/// let verifier = providers::entra_any_tenant("6e74172b-be56-4843-9ff4-e66a39bb12e3")
///     .add_required_values("tid", tenants)
///     .build()?;
/// # }
/// # Ok::<(), tower_bearer::BuildError>(())
/// ```
///
/// A layer with a [`resource`](crate::middleware::AuthLayerBuilder::resource) has to name the `authorization_servers`:
/// the verifier knows none that is good for all tenants.
///
/// # Security
///
/// Everybody gets a token for an application that is open to all tenants: whoever has an account in any company, or has
/// made one for themselves, as anybody in the world can. That a token is good says who somebody is, and not that you
/// know them. List the tenants by `.add_required_values("tid", [...])`, as above, unless it is for the whole world. The
/// subject is one within its issuer alone: keep users by both, as [`principal`](crate::AccessToken::principal) does.
///
/// Not tried with the real provider.
///
/// [Microsoft Entra ID]: https://learn.microsoft.com/entra/identity-platform/claims-validation
pub fn entra_any_tenant(client_id: impl Into<String>) -> JwtVerifierBuilder {
    let mut given = Parameters::default();
    let client_id = given.uuid("client_id", &client_id.into());
    let Cloud { login, sts } = GLOBAL;
    for_application(format!("{login}/common/v2.0"), client_id)
        .of_tenants("tid", [(format!("{login}/"), "/v2.0"), (format!("{sts}/"), "/")])
        .usual_keys(RemoteJwks::at(format!("{login}/common/discovery/v2.0/keys")))
        .fault(given.fault())
}

fn of_tenant(cloud: &Cloud, tenant_id: &str, client_id: impl Into<String>) -> JwtVerifierBuilder {
    let mut given = Parameters::default();
    let tenant = given.uuid("tenant_id", tenant_id);
    let client_id = given.uuid("client_id", &client_id.into());
    let Cloud { login, sts } = cloud;
    for_application(format!("{login}/{tenant}/v2.0"), client_id)
        .add_issuer_alias(format!("{sts}/{tenant}/"))
        .usual_keys(RemoteJwks::at(format!("{login}/{tenant}/discovery/v2.0/keys")))
        .fault(given.fault())
}

/// What the tokens for an application have in common, wherever they are from.
pub(super) fn for_application(issuer: String, client_id: String) -> JwtVerifierBuilder {
    let identifier = format!("api://{client_id}");
    JwtVerifier::builder(issuer, client_id)
        .add_audience(identifier)
        .add_client_claim("appid")
        .add_required_one_of(["azp", "appid"])
        .add_required_one_of(["scp", "roles"])
        .add_required_one_of(["sub"])
}
