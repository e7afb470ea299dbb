//! oauth-resource-server: `HttpAuthLayer` over its `OAuthValidator`, `at+jwt` required. `iss`, `aud` and `exp` are always
//! required, other claims only with a value that is known before.

use std::sync::Arc;

use ::oauth_resource_server::http_layer::HttpAuthLayer;
use ::oauth_resource_server::{KeyNaming, OAuthConfig, OAuthValidator};
use axum::body::Body;
use tower::Layer;
use tower_bearer::Algorithm;

use super::{Keys, Lack, Setup, start};
use crate::app::{App, Inner, Tower};

pub(super) fn app(setup: &Setup) -> Result<Box<dyn App>, Lack> {
    let (issuer, keys) = setup.issuer()?;
    let url = match keys {
        Keys::Pem { set: url, .. } | Keys::Url(url) => url,
        Keys::Secret(_) => return Err(Lack::Setting("no HMAC, by design")),
    };
    let config = OAuthConfig {
        enabled: true,
        issuer: issuer.to_owned(),
        jwks_uri: Some(url.clone()),
        audience: setup.audience.clone(),
        resource: setup.audience.clone(),
        algorithms: setup.algorithms.iter().map(Algorithm::to_string).collect(),
        leeway_secs: setup.leeway.as_secs(),
        require_at_jwt: setup.is_rfc9068,
        allow_unscoped_tokens: true,
        ..OAuthConfig::default()
    };
    let config = config.resolve(KeyNaming::Dotted("oauth")).map_err(start)?;
    let validator = Arc::new(OAuthValidator::new(&config.unwrap()).map_err(start)?);
    let layer = HttpAuthLayer::builder().oauth(validator).build().map_err(start)?;
    Ok(Tower::<_, Body>::boxed(layer.layer(Inner::<Body>::new())))
}
