//! tower-mcp: `OAuthLayer` over its `JwksValidator` or `JwtValidator`, with issuer and audience. The algorithm is that
//! of the key, the leeway 60 seconds, and no claim can be required but the audience.

use ::tower_mcp::oauth::{
    JwksValidator, JwtValidator, OAuthError, OAuthLayer, ProtectedResourceMetadata, TokenClaims,
    TokenValidator,
};
use axum::body::Body;
use serde_json::Value;
use tower::Layer;

use super::{Keys, Lack, Setup, named, start};
use crate::app::{App, Inner, Tower};

pub(super) async fn app(setup: &Setup) -> Result<Box<dyn App>, Lack> {
    let (issuer, keys) = setup.issuer()?;
    let fixed = |validator: JwtValidator| {
        let validator = validator.expected_issuer(issuer).expected_audience(&setup.audience);
        protect(validator.algorithms(named(&setup.algorithms)), issuer, &setup.audience)
    };
    Ok(match keys {
        Keys::Pem { pem, .. } => fixed(JwtValidator::from_rsa_pem(pem.as_bytes()).map_err(start)?),
        Keys::Secret(secret) => fixed(JwtValidator::from_secret(secret)),
        Keys::Url(url) => {
            let validator = JwksValidator::builder(url).expected_issuer(issuer);
            let validator = validator.expected_audience(&setup.audience).build().await.map_err(start)?;
            protect(validator, issuer, &setup.audience)
        }
    })
}

fn protect(validator: impl TokenValidator, issuer: &str, audience: &str) -> Box<dyn App> {
    let metadata = ProtectedResourceMetadata::new(audience).authorization_server(issuer);
    Tower::<_, Body>::boxed(OAuthLayer::new(validator, metadata).layer(Inner::<Body>::new()))
}

/// Opaque tokens, by a plain call of the endpoint.
pub(crate) fn introspecting(issuer: &str, audience: &str, endpoint: &str) -> Box<dyn App> {
    let validator = Introspecting { client: reqwest::Client::new(), endpoint: endpoint.to_owned() };
    protect(validator, issuer, audience)
}

#[derive(Clone)]
struct Introspecting {
    client: reqwest::Client,
    endpoint: String,
}

impl TokenValidator for Introspecting {
    async fn validate_token(&self, token: &str) -> Result<TokenClaims, OAuthError> {
        let invalid = |description: &str| OAuthError::InvalidToken { description: description.to_owned() };
        // The alphabet of the token is that of a form.
        let request = self.client.post(&self.endpoint).basic_auth("client", Some("secret"));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer =
            request.body(format!("token={token}")).send().await.map_err(|_| invalid("unavailable"))?;
        let answer: Value = answer.json().await.map_err(|_| invalid("unavailable"))?;
        if answer["active"] != true {
            return Err(invalid("inactive"));
        }
        serde_json::from_value(answer).map_err(|_| invalid("malformed"))
    }
}
