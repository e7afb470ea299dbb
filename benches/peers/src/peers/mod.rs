//! The crates that are compared: each builds its layer or extractor around the same inner service.

mod axum_jwt_auth;
mod jwt_authorizer;
mod oauth_resource_server;
mod ours;
mod tower_mcp;
mod tower_oauth2_resource_server;

use std::time::Duration;

use tower_bearer::Algorithm;

use crate::app::App;

pub(crate) use self::ours::introspecting as ours_introspecting;
pub(crate) use self::tower_mcp::introspecting as tower_mcp_introspecting;

/// Where the keys of an issuer are.
#[derive(Clone, Debug)]
pub(crate) enum Keys {
    /// A public key. Crates that know no PEM fetch the set that holds it.
    Pem { pem: String, set: String },
    /// A shared secret.
    Secret(Vec<u8>),
    /// The address of a key set.
    Url(String),
}

/// What a service should accept.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// Issuers and their keys.
    pub(crate) issuers: Vec<(String, Keys)>,
    pub(crate) audience: String,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) leeway: Duration,
    /// RFC 9068: `typ` is `at+jwt`, and its claims are there.
    pub(crate) is_rfc9068: bool,
    /// Seconds since 1970, where time stands still.
    pub(crate) now: Option<u64>,
    pub(crate) first_request: FirstRequest,
}

impl Setup {
    /// The only issuer.
    fn issuer(&self) -> Result<(&str, &Keys), Lack> {
        match self.issuers.as_slice() {
            [(issuer, keys)] => Ok((issuer, keys)),
            _ => Err(Lack::Setting("one issuer only")),
        }
    }
}

/// When it comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FirstRequest {
    /// After what the crate fetches on its own has had time to come.
    AfterAWhile,
    /// As soon as the service is there.
    AtOnce,
}

/// Why there is no service.
#[derive(Clone, Debug)]
pub(crate) enum Lack {
    /// The crate has no such setting, or refuses it by design.
    Setting(&'static str),
    /// It does not start.
    Start(String),
}

/// A crate, and how it is used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Peer {
    AxumJwtAuth,
    JwtAuthorizer,
    OauthResourceServer,
    /// This crate, verifying each token each time.
    Ours,
    /// This crate, with its cache.
    OursCached,
    TowerMcp,
    TowerOauth2ResourceServer,
}

impl Peer {
    /// The others.
    pub(crate) const OTHERS: [Self; 5] = [
        Self::TowerOauth2ResourceServer,
        Self::JwtAuthorizer,
        Self::AxumJwtAuth,
        Self::TowerMcp,
        Self::OauthResourceServer,
    ];

    pub(crate) const fn krate(self) -> &'static str {
        match self {
            Self::AxumJwtAuth => "axum-jwt-auth",
            Self::JwtAuthorizer => "jwt-authorizer",
            Self::OauthResourceServer => "oauth-resource-server",
            Self::Ours | Self::OursCached => "tower-bearer",
            Self::TowerMcp => "tower-mcp",
            Self::TowerOauth2ResourceServer => "tower-oauth2-resource-server",
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::OursCached => "tower-bearer, cached",
            other => other.krate(),
        }
    }

    /// Whether it can be told what time it is.
    pub(crate) const fn has_clock(self) -> bool {
        matches!(self, Self::Ours | Self::OursCached)
    }

    /// The service.
    pub(crate) async fn app(self, setup: &Setup) -> Result<Box<dyn App>, Lack> {
        match self {
            Self::AxumJwtAuth => axum_jwt_auth::app(setup).await,
            Self::JwtAuthorizer => jwt_authorizer::app(setup).await,
            Self::OauthResourceServer => oauth_resource_server::app(setup),
            Self::Ours => ours::app(setup),
            Self::OursCached => ours::cached(setup),
            Self::TowerMcp => tower_mcp::app(setup).await,
            Self::TowerOauth2ResourceServer => tower_oauth2_resource_server::app(setup).await,
        }
    }
}

/// An algorithm by its name, in whichever crate.
fn named<A: std::str::FromStr<Err: std::fmt::Debug>>(algorithms: &[Algorithm]) -> Vec<A> {
    algorithms.iter().map(|algorithm| algorithm.to_string().parse().unwrap()).collect()
}

fn start(error: impl std::fmt::Display) -> Lack {
    Lack::Start(error.to_string())
}
