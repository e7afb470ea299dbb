//! Descope.

use super::parameters::Parameters;
use crate::error::{BuildError, BuildErrorKind};
use crate::jwks::RemoteJwks;
use crate::verifier::{JwtVerifier, JwtVerifierBuilder};

/// Verifies the access tokens that clients of a project of [Descope] get by OAuth: the id of the project, such as
/// `P2abcDEFghiJKLmnoPQRstuVWXyz`, and the audience, which is the identifier of the resource in the console, such as
/// `https://api.example.com/mcp`.
///
/// Signed; keys at `https://api.descope.com/{project}/.well-known/jwks.json`. The issuer is that of the project,
/// `https://api.descope.com/v1/apps/{project}`. A longer id names the region of the project, as in
/// `Peuc12abcDEFghiJKLmnoPQRstuVWXyz`: both are then at `api.euc1.descope.com`. An MCP server of the console has an
/// issuer of its own, which is said so:
///
/// ```
/// # #[cfg(feature = "reqwest")] {
/// use tower_bearer::providers;
///
/// let project = "P2abcDEFghiJKLmnoPQRstuVWXyz";
/// let server = "M2abcDEFghiJKLmnoPQRstuVWXyz";
/// let verifier = providers::descope(project, "https://api.example.com/mcp")
///     .add_issuer_alias(format!("https://api.descope.com/v1/apps/agentic/{project}/{server}"))
///     .build()?;
/// # }
/// # Ok::<(), tower_bearer::BuildError>(())
/// ```
///
/// A domain of your own is said in the same way, with the issuer that the console shows, such as
/// `https://auth.example.com/v1/apps/{project}`: the keys are still fetched from Descope.
///
/// `sub` and `scope` have to be there: session tokens, which are of another issuer, have no scopes. A refresh token,
/// which is signed with the same keys and says `DSR` in `drn`, is refused.
///
/// Scopes are those in `scope`. With `.add_scopes_at("/permissions")` permissions are scopes too.
///
/// # Security
///
/// Tokens that were got without naming a resource have the id of the project for an audience. Given that as the
/// audience, tokens for every other API of the project are good here too.
///
/// Not tried with the real provider.
///
/// [Descope]: https://docs.descope.com/identity-federation/resources
pub fn descope(project_id: &str, audience: impl Into<String>) -> JwtVerifierBuilder {
    let mut given = Parameters::default();
    let project = given.name("project_id", project_id);
    let region = region(&project);
    let no_region = (!region.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        .then(|| BuildError::new("project_id", BuildErrorKind::InvalidText));
    let dot = if region.is_empty() { "" } else { "." };
    let api = format!("https://api.{region}{dot}descope.com");
    JwtVerifier::builder(format!("{api}/v1/apps/{project}"), audience)
        .usual_keys(RemoteJwks::at(format!("{api}/{project}/.well-known/jwks.json")))
        .add_required_one_of(["sub"])
        .add_required_one_of(["scope"])
        .add_refused_values("drn", ["DSR"])
        .fault(given.fault().or(no_region))
}

/// The region that the id of a project names, read as Descope's libraries for servers do; empty where it names none.
fn region(project: &str) -> &str {
    project.get(1..5).filter(|_| project.len() >= 32).unwrap_or_default()
}
