//! Salesforce.

use super::parameters::Parameters;
use crate::secret::Secret;
use crate::verifier::{IntrospectionVerifier, IntrospectionVerifierBuilder};

/// Verifies the OAuth access tokens of one org of [Salesforce] for one connected app: the My Domain host, such as
/// `acme.my.salesforce.com`, and consumer key and secret of the app.
///
/// Asked about, at `https://{domain}/services/oauth2/introspect`. The audience is the app: an answer names the one to
/// which the token was issued (`client_id`), and has to name ours. Tokens in JWT form have an audience of their own,
/// and are refused. An answer that names an issuer has to name `https://{domain}`. `sub`, which is the address of the
/// user at Salesforce, has to be there.
///
/// Scopes are those in `scope`, such as `api` and `openid`.
///
/// Without a secret there is the userinfo endpoint, which does not prove for which app a token is:
///
/// ```
/// # #[cfg(feature = "reqwest")] {
/// use tower_bearer::verifier::UserInfoVerifier;
///
/// let verifier = UserInfoVerifier::builder("https://acme.my.salesforce.com")
///     .endpoint("https://acme.my.salesforce.com/services/oauth2/userinfo")
///     .rejection(403, "Bad_OAuth_Token")
///     .insecure_allow_any_audience()
///     .build()?;
/// # }
/// # Ok::<(), tower_bearer::BuildError>(())
/// ```
///
/// Not tried with the real provider.
///
/// [Salesforce]: https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oidc_token_introspection_endpoint.htm
pub fn salesforce(
    domain: &str,
    client_id: impl Into<String>,
    client_secret: impl Into<Secret<String>>,
) -> IntrospectionVerifierBuilder {
    let mut given = Parameters::default();
    let domain = given.host("domain", domain);
    let client_id = given.id("client_id", client_id);
    IntrospectionVerifier::builder(format!("https://{domain}"), client_id.clone())
        .endpoint(format!("https://{domain}/services/oauth2/introspect"))
        .client_secret_basic(client_id, client_secret)
        .client_as_audience()
        .allow_missing_issuer()
        .add_required_one_of(["sub"])
        .fault(given.fault())
}
