//! tower-bearer: `AuthLayer` over a `JwtVerifier`, with and without `CacheLayer`.

use std::time::{Duration, Instant, SystemTime};

use axum::body::Body;
use tower::Layer;
use tower_bearer::clock::Clock;
use tower_bearer::verifier::{BoxVerifier, ByIssuer, JwtVerifierBuilder};
use tower_bearer::{AuthLayer, CacheLayer, IntrospectionVerifier, JwtVerifier, TokenVerifier};

use super::{Keys, Lack, Setup, start};
use crate::app::{App, Inner, Tower};

/// A wall clock that stands still.
#[derive(Clone, Copy, Debug)]
struct Still(SystemTime);

impl Clock for Still {
    fn now(&self) -> SystemTime {
        self.0
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }
}

pub(super) fn app(setup: &Setup) -> Result<Box<dyn App>, Lack> {
    match setup.issuers.as_slice() {
        [(issuer, keys)] => protect(jwt(setup, issuer, keys)?, setup),
        _ => protect(by_issuer(setup)?, setup),
    }
}

pub(super) fn cached(setup: &Setup) -> Result<Box<dyn App>, Lack> {
    let cache = cache(setup)?;
    match setup.issuers.as_slice() {
        [(issuer, keys)] => protect(jwt(setup, issuer, keys)?.cached(cache), setup),
        _ => protect(by_issuer(setup)?.cached(cache), setup),
    }
}

/// Opaque tokens, cached.
pub(crate) fn introspecting(issuer: &str, audience: &str, endpoint: &str) -> Box<dyn App> {
    let verifier = IntrospectionVerifier::builder(issuer, audience).endpoint(endpoint);
    let verifier = verifier.client_secret_basic("client", "secret").build().unwrap();
    Tower::<_, Body>::boxed(AuthLayer::new(verifier.cached(CacheLayer::new())).layer(Inner::new()))
}

fn protect(verifier: impl TokenVerifier + 'static, setup: &Setup) -> Result<Box<dyn App>, Lack> {
    let layer = AuthLayer::builder(verifier);
    let layer = match clock(setup) {
        Some(clock) => layer.clock(clock),
        None => layer,
    };
    Ok(Tower::<_, Body>::boxed(layer.build().map_err(start)?.layer(Inner::new())))
}

fn cache(setup: &Setup) -> Result<CacheLayer, Lack> {
    match clock(setup) {
        Some(clock) => CacheLayer::builder().clock(clock).build().map_err(start),
        None => Ok(CacheLayer::new()),
    }
}

fn clock(setup: &Setup) -> Option<Still> {
    setup.now.map(|seconds| Still(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)))
}

fn by_issuer(setup: &Setup) -> Result<ByIssuer, Lack> {
    let members: Result<Vec<BoxVerifier>, Lack> =
        setup.issuers.iter().map(|(issuer, keys)| Ok(jwt(setup, issuer, keys)?.boxed())).collect();
    ByIssuer::new(members?).map_err(start)
}

fn jwt(setup: &Setup, issuer: &str, keys: &Keys) -> Result<JwtVerifier, Lack> {
    let builder = JwtVerifier::builder(issuer, &setup.audience)
        .algorithms(setup.algorithms.iter().copied())
        .leeway(setup.leeway);
    let builder = if setup.is_rfc9068 { builder.rfc9068() } else { builder };
    let builder = match keys {
        Keys::Pem { pem, .. } => builder.public_key_pem(pem),
        Keys::Secret(secret) => builder.hmac_secret(secret.clone()),
        Keys::Url(url) => builder.jwks_uri(url),
    };
    let with_clock = |builder: JwtVerifierBuilder| match clock(setup) {
        Some(clock) => builder.clock(clock),
        None => builder,
    };
    with_clock(builder).build().map_err(start)
}
