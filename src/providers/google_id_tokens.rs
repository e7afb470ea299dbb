//! ID tokens of Google.

use super::parameters::Parameters;
use crate::verifier::{JwtVerifier, JwtVerifierBuilder};

/// Verifies the [ID tokens of Google] for one audience: the client id of "Sign in with Google", such as
/// `123-abc.apps.googleusercontent.com`, or what a service account named when it asked, usually the URL of this
/// service.
///
/// The JWTs of Google are ID tokens; its access tokens are opaque, and for [`google`](crate::providers::google()).
///
/// Signed; keys by discovery. The issuer is `https://accounts.google.com`, with or without the scheme. The audience is
/// the client id. `sub` has to be there. The client is `azp`, which may be another one of ours, that of an app on a
/// telephone.
///
/// There are no scopes. Whom to let in is for the application to say; these let in the people of a domain of Google
/// Workspace, and tokens of our own clients alone:
///
/// ```
/// # #[cfg(feature = "reqwest")] {
/// use tower_bearer::providers;
///
/// let client = "123-abc.apps.googleusercontent.com";
/// let verifier = providers::google_id_tokens(client)
///     .add_required_values("hd", ["example.com"])
///     .add_required_values("azp", [client])
///     .build()?;
/// # }
/// # Ok::<(), tower_bearer::BuildError>(())
/// ```
///
/// # Security
///
/// Whoever has an account at Google gets an ID token for a client that is open to all, and whoever has a project there
/// one for any audience that is no client id. The subject is the user for ever; the address of `email` is not, and
/// nobody may have checked it (`email_verified`).
///
/// Not tried with the real provider.
///
/// [ID tokens of Google]: https://developers.google.com/identity/openid-connect/openid-connect#validatinganidtoken
pub fn google_id_tokens(client_id: impl Into<String>) -> JwtVerifierBuilder {
    let mut given = Parameters::default();
    let client_id = given.id("client_id", client_id);
    JwtVerifier::builder("https://accounts.google.com", client_id)
        .add_issuer_alias("accounts.google.com")
        .insecure_allow_id_tokens()
        .add_required_one_of(["sub"])
        .fault(given.fault())
}
