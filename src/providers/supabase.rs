//! Supabase.

use super::parameters::Parameters;
use crate::jwks::RemoteJwks;
use crate::verifier::{JwtVerifier, JwtVerifierBuilder};

/// Verifies the access tokens of the users of a project of [Supabase].
pub fn supabase(project_url: &str) -> JwtVerifierBuilder {
    let mut given = Parameters::default();
    let url = given.base("project_url", project_url);
    let issuer = format!("{url}/auth/v1");
    JwtVerifier::builder(issuer.clone(), "authenticated")
        .usual_keys(RemoteJwks::at(format!("{issuer}/.well-known/jwks.json")))
        .add_required_values("role", ["authenticated"])
        .fault(given.fault())
}
