//! Keys that are given by hand, one or several.

use std::fmt;

use super::key_set::{Jwk, JwkSet, Kind};
use super::material::Material;
use super::pem;
use crate::algorithm::Algorithm;
use crate::error::{BuildError, BuildErrorKind};
use crate::json::Object;
use crate::secret::Secret;

/// Keys that stand in the configuration: public keys or shared secrets, never both.
///
/// For keys that rotate by hand: give the old one and the new one, and put others in their place at run time by
/// [`JwtVerifier::replace_keys`](crate::JwtVerifier::replace_keys). Nothing is read before that, or before `build`.
///
/// 1. A token whose `kid` names a key is verified with that key alone. There has to be exactly one of that name for the
///    token's algorithm.
/// 2. Any other token is verified with the keys without id, from PEM, secrets and JWKs without `kid` (and without
///    `issuer`): those that fit its algorithm are tried in turn, whatever its `kid`. There are at most 8 of them.
/// 3. A token without `kid` that no key without id fits needs exactly one key that does.
/// 4. A key that is given twice counts once. There are at most 100.
///
/// # Security
///
/// Whoever has one of these keys signs for the issuer: remove a key as soon as no good token stands on it. A token
/// without `kid` costs up to 8 signature checks.
#[derive(Clone, Default)]
#[must_use]
pub struct StaticKeys {
    given: Vec<Given>,
}

/// Keys as they were given, not yet read.
#[derive(Clone)]
enum Given {
    HmacSecret(Secret<Vec<u8>>),
    Jwk(Secret<String>),
    JwkSet(Secret<String>),
    PublicKeyPem(Secret<String>),
}

impl StaticKeys {
    /// No keys yet. A verifier needs at least one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a shared secret, as [`JwtVerifierBuilder::hmac_secret`] takes it.
    ///
    /// [`JwtVerifierBuilder::hmac_secret`]: crate::verifier::JwtVerifierBuilder::hmac_secret
    pub fn add_hmac_secret(self, secret: impl Into<Vec<u8>>) -> Self {
        self.add(Given::HmacSecret(Secret::new(secret.into())))
    }

    /// Adds a key, given as a JWK: a shared secret (`oct`) among secrets, a public key among public keys.
    pub fn add_jwk(self, json: impl Into<String>) -> Self {
        self.add(Given::Jwk(Secret::new(json.into())))
    }

    /// Adds the keys of a JWK set, given as JSON. Keys that cannot be used are skipped.
    ///
    /// Its keys without `kid` are meant by every token that names no other. By
    /// [`JwtVerifierBuilder::jwk_set`](crate::verifier::JwtVerifierBuilder::jwk_set) they are not.
    pub fn add_jwk_set(self, json: impl Into<String>) -> Self {
        self.add(Given::JwkSet(Secret::new(json.into())))
    }

    /// Adds a public key in PEM, as [`JwtVerifierBuilder::public_key_pem`] takes it.
    ///
    /// [`JwtVerifierBuilder::public_key_pem`]: crate::verifier::JwtVerifierBuilder::public_key_pem
    pub fn add_public_key_pem(self, pem: impl Into<String>) -> Self {
        self.add(Given::PublicKeyPem(Secret::new(pem.into())))
    }

    fn add(mut self, given: Given) -> Self {
        self.given.push(given);
        self
    }

    /// The kind of the keys, as far as it shows in how they were given.
    pub(crate) fn kind(&self) -> Result<Option<Kind>, BuildError> {
        let kind = |given: &Given| match given {
            Given::HmacSecret(_) => Some(Kind::Secret),
            Given::PublicKeyPem(_) => Some(Kind::Public),
            Given::Jwk(_) | Given::JwkSet(_) => None,
        };
        let mut kinds = self.given.iter().filter_map(kind);
        let first = kinds.next();
        if kinds.all(|other| Some(other) == first) {
            Ok(first)
        } else {
            Err(BuildError::new("static_keys", BuildErrorKind::SymmetricAlgorithm))
        }
    }

    /// Reads the keys. Whatever was added has to bring one that can verify these algorithms.
    pub(crate) fn read(&self, algorithms: &[Algorithm]) -> Result<JwkSet, BuildError> {
        if self.given.is_empty() {
            return Err(BuildError::new("static_keys", BuildErrorKind::Empty));
        }
        let mut keys = JwkSet::listed();
        for given in &self.given {
            let fault = |kind| BuildError::new(given.setting(), kind);
            let set = given.read(algorithms).map_err(fault)?;
            if !set.supports(algorithms) {
                return Err(BuildError::new("algorithms", BuildErrorKind::NoAlgorithms));
            }
            keys.join(set).map_err(fault)?;
            if keys.is_too_large() {
                return Err(BuildError::new("static_keys", BuildErrorKind::OutOfRange));
            }
        }
        Ok(keys)
    }
}

impl Given {
    /// The setting of the builder that takes a key like this.
    fn setting(&self) -> &'static str {
        match self {
            Self::HmacSecret(_) => "hmac_secret",
            Self::Jwk(_) => "jwk",
            Self::JwkSet(_) => "jwk_set",
            Self::PublicKeyPem(_) => "public_key_pem",
        }
    }

    fn read(&self, algorithms: &[Algorithm]) -> Result<JwkSet, BuildErrorKind> {
        let kind = Kind::of(algorithms);
        match self {
            Self::HmacSecret(secret) => shared(secret, algorithms).map(JwkSet::alone),
            Self::Jwk(json) => jwk(json.expose(), kind).map(JwkSet::alone),
            Self::JwkSet(json) => {
                JwkSet::parse(json.expose().as_bytes(), kind).map_err(|_| BuildErrorKind::InvalidKey)
            }
            Self::PublicKeyPem(pem) => pem::read(pem.expose()).map(JwkSet::alone),
        }
    }
}

impl fmt::Debug for StaticKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticKeys").finish_non_exhaustive()
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
