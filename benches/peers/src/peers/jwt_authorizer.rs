//! jwt-authorizer: an authorizer for each issuer and each family of algorithms, which its layer tries in turn; `iss`,
//! `aud`, `exp` and `nbf` checked, and the claims typed.
//!
//! Its list of algorithms must be of one family. It cannot require `iss` and `aud`, but the typed claims do.

use ::jwt_authorizer::{Authorizer, IntoLayer, JwtAuthorizer, Validation};
use axum07::body::Body;
use jsonwebtoken9::Algorithm;
use tower::Layer;

use super::{Keys, Lack, Setup, named, start};
use crate::app::{App, Inner, Tower};
use crate::claims::Claims;

pub(super) async fn app(setup: &Setup) -> Result<Box<dyn App>, Lack> {
    let mut authorizers = Vec::new();
    for (issuer, keys) in &setup.issuers {
        for family in families(&named(&setup.algorithms)) {
            authorizers.push(authorizer(setup, issuer, keys, family).await?);
        }
    }
    Ok(Tower::<_, Body>::boxed(authorizers.into_layer().layer(Inner::<Body>::new())))
}

async fn authorizer(
    setup: &Setup,
    issuer: &str,
    keys: &Keys,
    family: Vec<Algorithm>,
) -> Result<Authorizer<Claims>, Lack> {
    let validation = Validation::new()
        .iss(&[issuer])
        .aud(&[&setup.audience])
        .nbf(true)
        .leeway(setup.leeway.as_secs())
        .algs(family);
    let builder = match keys {
        Keys::Pem { pem, .. } => JwtAuthorizer::from_rsa_pem_text(pem),
        Keys::Secret(secret) => match std::str::from_utf8(secret) {
            Ok(text) => JwtAuthorizer::from_secret(text),
            Err(_) => return Err(Lack::Setting("a secret is text")),
        },
        Keys::Url(url) => JwtAuthorizer::from_jwks_url(url),
    };
    builder.validation(validation).build().await.map_err(start)
}

fn families(algorithms: &[Algorithm]) -> Vec<Vec<Algorithm>> {
    use Algorithm as A;
    let family = |algorithm: A| match algorithm {
        A::ES256 | A::ES384 => 0,
        A::EdDSA => 1,
        A::HS256 | A::HS384 | A::HS512 => 2,
        A::PS256 | A::PS384 | A::PS512 | A::RS256 | A::RS384 | A::RS512 => 3,
    };
    let of = |wanted: i32| algorithms.iter().copied().filter(|own| family(*own) == wanted).collect();
    (0..4).map(of).filter(|own: &Vec<_>| !own.is_empty()).collect()
}
