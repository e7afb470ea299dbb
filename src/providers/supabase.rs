//! Supabase.

use super::parameters::Parameters;
use crate::jwks::RemoteJwks;
use crate::verifier::{JwtVerifier, JwtVerifierBuilder};

/// What Supabase calls the users who are logged in, in two claims.
const LOGGED_IN: &str = "authenticated";

/// Verifies the access tokens of the users of a project of [Supabase]: the URL of the project, such as
/// `https://abcdefghijklmnopqrst.supabase.co`.
///
/// Signed; keys at `{project}/auth/v1/.well-known/jwks.json`. `aud` and `role` have to be `authenticated`: the keys
/// `anon` and `service_role` of the project are refused, and so are ID tokens, whose audience is their client. `sub`
/// has to be there. A project whose hook gives users other roles is [`JwtVerifier::builder`].
///
/// There are no scopes unless a hook adds them.
///
/// A project that still signs with its secret publishes no keys:
///
/// ```
/// # #[cfg(feature = "reqwest")] {
/// use tower_bearer::providers;
///
/// # let secret = "not a secret, as everybody can read it";
/// let verifier =
///     providers::supabase("https://abcdefghijklmnopqrst.supabase.co").hmac_secret(secret).build()?;
/// # }
/// # Ok::<(), tower_bearer::BuildError>(())
/// ```
///
/// # Security
///
/// All of a project have the one audience: a token that a user gave to any application of it is good here.
///
/// A project may let in anonymous users, who are `authenticated` too. `.add_refused_values("is_anonymous", ["true"])`
/// keeps them out.
///
/// Not tried with the real provider.
///
/// [Supabase]: https://supabase.com/docs/guides/auth/jwt-fields
pub fn supabase(project_url: &str) -> JwtVerifierBuilder {
    let mut given = Parameters::default();
    let url = given.base("project_url", project_url);
    let issuer = format!("{url}/auth/v1");
    JwtVerifier::builder(issuer.clone(), LOGGED_IN)
        .usual_keys(RemoteJwks::at(format!("{issuer}/.well-known/jwks.json")))
        .add_required_values("role", [LOGGED_IN])
        .add_required_one_of(["sub"])
        .fault(given.fault())
}
