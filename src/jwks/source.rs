//! Where a configuration takes the keys of an issuer from, and which algorithms go with that.

use std::sync::Arc;

use super::IssuerKeys;
use super::key_set::{Jwk, JwkSet, Kind};
use super::material::Material;
use super::pem;
use super::remote::RemoteJwks;
use crate::algorithm::Algorithm;
use crate::error::{BuildError, BuildErrorKind};
use crate::json::Object;
use crate::secret::Secret;

/// Keys as they were given, not yet read.
#[derive(Clone)]
pub(crate) enum KeySource {
    Jwk(Secret<String>),
    JwkSet(Secret<String>),
    Pem(Secret<String>),
    Remote(RemoteJwks),
    Secret(Secret<Vec<u8>>),
}

impl KeySource {
    /// Whether the issuer has to be asked where they are.
    pub(crate) fn is_discovered(&self) -> bool {
        matches!(self, Self::Remote(remote) if remote.is_discovered())
    }

    /// The algorithms to allow. Shared secrets and public keys never mix.
    pub(crate) fn algorithms(&self, wanted: Option<&[Algorithm]>) -> Result<Vec<Algorithm>, BuildError> {
        let fault = |kind| Err(BuildError::new("algorithms", kind));
        let Some(wanted) = wanted else {
            let secret = matches!(self, Self::Secret(_));
            return Ok(if secret { vec![Algorithm::Hs256] } else { Algorithm::ASYMMETRIC.to_vec() });
        };
        let symmetric = wanted.iter().filter(|algorithm| algorithm.is_symmetric()).count();
        let fits = match self {
            Self::Secret(_) => symmetric == wanted.len(),
            Self::Pem(_) | Self::Remote(_) => symmetric == 0,
            Self::Jwk(_) | Self::JwkSet(_) => symmetric == 0 || symmetric == wanted.len(),
        };
        match (wanted.is_empty(), fits) {
            (true, _) => fault(BuildErrorKind::NoAlgorithms),
            (false, false) => fault(BuildErrorKind::SymmetricAlgorithm),
            (false, true) => Ok(wanted.to_vec()),
        }
    }

    /// Reads keys that stand in the configuration.
    pub(crate) fn read(
        &self,
        setting: &'static str,
        algorithms: &[Algorithm],
    ) -> Result<IssuerKeys, BuildError> {
        let symmetric = algorithms.iter().all(|algorithm| algorithm.is_symmetric());
        let kind = if symmetric { Kind::Secret } else { Kind::Public };
        let set = match self {
            Self::Jwk(json) => jwk(json.expose(), kind).map(JwkSet::alone),
            Self::JwkSet(json) => {
                JwkSet::parse(json.expose().as_bytes(), kind).map_err(|_| BuildErrorKind::InvalidKey)
            }
            Self::Pem(pem) => pem::read(pem.expose()).map(JwkSet::alone),
            Self::Remote(_) => Err(BuildErrorKind::Missing),
            Self::Secret(secret) => shared(secret, algorithms).map(JwkSet::alone),
        };
        let set = set.map_err(|kind| BuildError::new(setting, kind))?;
        if !set.supports(algorithms) {
            return Err(BuildError::new("algorithms", BuildErrorKind::NoAlgorithms));
        }
        Ok(IssuerKeys::Configured(Arc::new(set)))
    }
}

fn jwk(json: &str, kind: Kind) -> Result<Jwk, BuildErrorKind> {
    let entry = Object::parse(json.as_bytes()).map_err(|_| BuildErrorKind::InvalidKey)?;
    if kind == Kind::Public && entry.has("d") {
        return Err(BuildErrorKind::PrivateKey);
    }
    if kind == Kind::Public && entry.has("k") {
        return Err(BuildErrorKind::SymmetricAlgorithm);
    }
    Jwk::read(&entry, kind).ok_or(BuildErrorKind::InvalidKey)
}

/// RFC 7518 §3.2: as long as the hash.
fn shared(secret: &Secret<Vec<u8>>, algorithms: &[Algorithm]) -> Result<Jwk, BuildErrorKind> {
    let weak = BuildErrorKind::WeakSecret;
    let material = Material::secret(secret.clone()).ok_or(weak)?;
    let long_enough = algorithms.iter().all(|algorithm| material.algorithms().contains(algorithm));
    if long_enough { Jwk::new(None, &material, None).ok_or(weak) } else { Err(weak) }
}
