//! Oracle Cloud Infrastructure: identity domains.

use super::parameters::Parameters;
use crate::jwks::RemoteJwks;
use crate::verifier::{JwtVerifier, JwtVerifierBuilder};

/// What a domain may call itself, besides by its URL. Oracle's pages differ in the slash.
const COMMON_ISSUERS: [&str; 2] = ["https://identity.oraclecloud.com", "https://identity.oraclecloud.com/"];

/// Verifies the access tokens of one identity domain of [OCI]: the URL of the domain, such as
/// `https://idcs-0123456789abcdef.identity.oraclecloud.com`, and the primary audience of the resource application, such
/// as `https://api.example.com/`, spelled as it is in tokens.
///
/// Signed; keys at `{domain}/admin/v1/SigningCert/jwk`, which the domain gives to strangers only if "Configure client
/// access" is on in its settings. The pages of Oracle name three issuers: the URL of the domain, and
/// `https://identity.oraclecloud.com` with and without a slash behind it, which domains have in common. All three are
/// taken, as the keys tell domains apart, and the issuer of the access token here is the URL of the domain in each
/// case. `tok_type` has to be `AT`, which that of an ID token is not, and `sub` has to be there.
///
/// Scopes are those in `scope`, without the audience before them.
///
/// `ByIssuer` does not find this verifier, as it looks for the URL of the domain.
///
/// Not tried with the real provider.
///
/// [OCI]: https://docs.oracle.com/iaas/Content/Identity/api-getstarted/AccessToken.htm
pub fn oci(domain_url: &str, audience: impl Into<String>) -> JwtVerifierBuilder {
    let mut given = Parameters::default();
    let url = given.base("domain_url", domain_url);
    // The URL is also shown with the port.
    let url = url.strip_suffix(":443").unwrap_or(&url);
    let [bare, with_slash] = COMMON_ISSUERS;
    JwtVerifier::builder(url, audience)
        .add_issuer_alias(bare)
        .add_issuer_alias(with_slash)
        .usual_keys(RemoteJwks::at(format!("{url}/admin/v1/SigningCert/jwk")))
        .add_required_values("tok_type", ["AT"])
        .add_required_one_of(["sub"])
        .fault(given.fault())
}
