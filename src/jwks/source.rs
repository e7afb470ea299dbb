//! Where a configuration takes the keys of an issuer from, and which algorithms go with that.

use super::key_set::{JwkSet, Kind};
use super::remote::RemoteJwks;
use super::static_keys::StaticKeys;
use crate::algorithm::Algorithm;
use crate::error::{BuildError, BuildErrorKind};
use crate::secret::Secret;

/// Keys as they were given, not yet read.
#[derive(Clone)]
pub(crate) enum KeySource {
    /// A set by itself, of which the ids are binding, as of one that is fetched.
    JwkSet(Secret<String>),
    Remote(RemoteJwks),
    Static(StaticKeys),
}

impl KeySource {
    /// Whether the issuer has to be asked where they are.
    pub(crate) fn is_discovered(&self) -> bool {
        matches!(self, Self::Remote(remote) if remote.is_discovered())
    }

    /// The algorithms to allow. Shared secrets and public keys never mix.
    pub(crate) fn algorithms(&self, wanted: Option<&[Algorithm]>) -> Result<Vec<Algorithm>, BuildError> {
        let fault = |kind| Err(BuildError::new("algorithms", kind));
        let kind = match self {
            Self::JwkSet(_) => None,
            Self::Remote(_) => Some(Kind::Public),
            Self::Static(keys) => keys.kind()?,
        };
        let Some(wanted) = wanted else {
            let secret = kind == Some(Kind::Secret);
            return Ok(if secret { vec![Algorithm::Hs256] } else { Algorithm::ASYMMETRIC.to_vec() });
        };
        let symmetric = wanted.iter().filter(|algorithm| algorithm.is_symmetric()).count();
        let fits = match kind {
            Some(Kind::Public) => symmetric == 0,
            Some(Kind::Secret) => symmetric == wanted.len(),
            None => symmetric == 0 || symmetric == wanted.len(),
        };
        match (wanted.is_empty(), fits) {
            (true, _) => fault(BuildErrorKind::NoAlgorithms),
            (false, false) => fault(BuildErrorKind::SymmetricAlgorithm),
            (false, true) => Ok(wanted.to_vec()),
        }
    }

    /// Reads keys that stand in the configuration.
    pub(crate) fn read(&self, algorithms: &[Algorithm]) -> Result<JwkSet, BuildError> {
        let json = match self {
            Self::JwkSet(json) => json.expose(),
            Self::Remote(_) => return Err(BuildError::new("static_keys", BuildErrorKind::Missing)),
            Self::Static(keys) => return keys.read(algorithms),
        };
        let set = JwkSet::parse(json.as_bytes(), Kind::of(algorithms))
            .map_err(|_| BuildError::new("jwk_set", BuildErrorKind::InvalidKey))?;
        let usable = set.supports(algorithms);
        usable.then_some(set).ok_or_else(|| BuildError::new("algorithms", BuildErrorKind::NoAlgorithms))
    }
}
