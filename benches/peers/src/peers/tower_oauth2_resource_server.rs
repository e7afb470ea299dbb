//! tower-oauth2-resource-server: one tenant for each issuer, `iss`, `aud` and `exp` required, and the claims typed.
//!
//! `nbf` can be required, but not checked where it is there; the leeway is 60 seconds.

use std::time::Duration;

use ::tower_oauth2_resource_server::server::OAuth2ResourceServer;
use ::tower_oauth2_resource_server::tenant::TenantConfiguration;
use ::tower_oauth2_resource_server::validation::ClaimsValidationSpec;
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use tower::Layer;

use super::{FirstRequest, Keys, Lack, Setup, named, start};
use crate::app::{App, Inner, Tower};
use crate::claims::Claims;

/// The keys are fetched by a task that `build` starts, and does not wait for.
const A_WHILE: Duration = Duration::from_millis(200);

pub(super) async fn app(setup: &Setup) -> Result<Box<dyn App>, Lack> {
    let mut server = OAuth2ResourceServer::<Claims>::builder();
    for (issuer, keys) in &setup.issuers {
        server = server.add_tenant(tenant(setup, issuer, keys).await?);
    }
    let server = server.build().await.map_err(start)?;
    if setup.first_request == FirstRequest::AfterAWhile {
        tokio::time::sleep(A_WHILE).await;
    }
    let layer = server.into_layer::<Body>();
    Ok(Tower::<_, Body>::boxed(layer.layer(Inner::<Body>::new())))
}

async fn tenant(setup: &Setup, issuer: &str, keys: &Keys) -> Result<TenantConfiguration, Lack> {
    let audiences = vec![setup.audience.clone()];
    let claims = ClaimsValidationSpec::new().exp(true).iss(issuer).aud(&audiences);
    let algorithms = named(&setup.algorithms);
    match keys {
        Keys::Pem { set: url, .. } | Keys::Url(url) => TenantConfiguration::builder(issuer)
            .jwks_url(url)
            .audiences(&audiences)
            .claims_validation(claims)
            .allowed_algorithms(&algorithms)
            .build()
            .await
            .map_err(start),
        // It finds keys by their id alone: the tokens have to name one.
        Keys::Secret(secret) => {
            let key = json!({ "kty": "oct", "kid": "hs-1", "k": URL_SAFE_NO_PAD.encode(secret) });
            TenantConfiguration::static_builder(json!({ "keys": [key] }).to_string())
                .audiences(&audiences)
                .claims_validation(claims)
                .allowed_algorithms(&algorithms)
                .build()
                .map_err(start)
        }
    }
}
