//! axum-jwt-auth: its extractor in a handler that answers an empty 200; every claim that `jsonwebtoken` can require,
//! `nbf` checked, and the claims typed.
//!
//! A decoder takes one family of algorithms: where more are wanted, there is one for each, and the header of the token
//! says which is asked.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use ::axum_jwt_auth::{
    Claims as Extracted, Decoder, Error, JwtDecoder, LocalDecoder, RemoteJwksDecoder, RemoteJwksDecoderConfig,
};
use axum::body::Body;
use axum::extract::FromRef;
use axum::handler::Handler;
use axum::response::Response;
use jsonwebtoken10::{Algorithm, AlgorithmFamily, DecodingKey, TokenData, Validation, decode_header};

use super::{Keys, Lack, Setup, named, start};
use crate::app::{App, Tower};
use crate::claims::Claims;

#[derive(Clone, FromRef)]
struct State {
    decoder: Decoder<Claims>,
}

async fn handler(_: Extracted<Claims>) -> Response {
    Response::new(Body::default())
}

pub(super) async fn app(setup: &Setup) -> Result<Box<dyn App>, Lack> {
    let (issuer, keys) = setup.issuer()?;
    let mut decoders = Vec::new();
    for family in families(&named(&setup.algorithms)) {
        decoders.push((family[0], decoder(setup, issuer, keys, family).await?));
    }
    let decoder = match decoders.len() {
        1 => decoders.remove(0).1,
        _ => Arc::new(Families(decoders)),
    };
    Ok(Tower::<_, Body>::boxed(handler.with_state(State { decoder })))
}

async fn decoder(
    setup: &Setup,
    issuer: &str,
    keys: &Keys,
    family: Vec<Algorithm>,
) -> Result<Decoder<Claims>, Lack> {
    let mut validation = Validation::new(family[0]);
    validation.algorithms = family;
    validation.leeway = setup.leeway.as_secs();
    validation.validate_nbf = true;
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[&setup.audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let local = |key| LocalDecoder::builder().keys(vec![key]).validation(validation.clone()).build();
    Ok(match keys {
        Keys::Pem { pem, .. } => {
            Arc::new(local(DecodingKey::from_rsa_pem(pem.as_bytes()).map_err(start)?).map_err(start)?)
        }
        Keys::Secret(secret) => Arc::new(local(DecodingKey::from_secret(secret)).map_err(start)?),
        Keys::Url(url) => {
            // By default it waits a second between three attempts to start.
            let config = RemoteJwksDecoderConfig::builder().retry_count(1).build();
            let decoder = RemoteJwksDecoder::builder().jwks_url(url.clone()).config(config);
            let decoder = decoder.validation(validation).build().map_err(start)?;
            decoder.initialize().await.map_err(start)?;
            Arc::new(decoder)
        }
    })
}

/// A decoder for each family, with one of its algorithms.
struct Families(Vec<(Algorithm, Decoder<Claims>)>);

type Decoding<'a> = Pin<Box<dyn Future<Output = Result<TokenData<Claims>, Error>> + Send + 'a>>;

impl JwtDecoder<Claims> for Families {
    fn decode<'a>(&'a self, token: &'a str) -> Decoding<'a> {
        let family = decode_header(token).map(|header| family(header.alg));
        let own = self
            .0
            .iter()
            .find(|(algorithm, _)| family.as_ref().is_ok_and(|it| *it == self::family(*algorithm)));
        let (_, decoder) = own.unwrap_or(&self.0[0]);
        decoder.decode(token)
    }
}

fn family(algorithm: Algorithm) -> AlgorithmFamily {
    use Algorithm as A;
    match algorithm {
        A::ES256 | A::ES384 => AlgorithmFamily::Ec,
        A::EdDSA => AlgorithmFamily::Ed,
        A::HS256 | A::HS384 | A::HS512 => AlgorithmFamily::Hmac,
        A::PS256 | A::PS384 | A::PS512 | A::RS256 | A::RS384 | A::RS512 => AlgorithmFamily::Rsa,
    }
}

fn families(algorithms: &[Algorithm]) -> Vec<Vec<Algorithm>> {
    let all = [AlgorithmFamily::Rsa, AlgorithmFamily::Ec, AlgorithmFamily::Ed, AlgorithmFamily::Hmac];
    let of =
        |wanted: AlgorithmFamily| algorithms.iter().copied().filter(|own| family(*own) == wanted).collect();
    all.into_iter().map(of).filter(|own: &Vec<_>| !own.is_empty()).collect()
}
