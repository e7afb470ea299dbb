//! Which key a token means, and whether that made the signature: RFC 7517, contract 5.3.6 and 5.3.7. The arithmetic is
//! that of `jsonwebtoken`.

#[cfg(feature = "aws-lc-rs")]
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
#[cfg(not(feature = "aws-lc-rs"))]
use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm, DecodingKey};

use super::jose;
use super::json::Json;

/// The keys of a configuration, as they are given.
#[derive(Clone, Debug)]
pub(crate) enum Keys {
    /// A JWK set whose ids are binding.
    Document(String),
    /// JWKs in a list. Those without id are meant by every token that names no other.
    Listed(Vec<String>),
    /// A shared secret.
    Secret(Vec<u8>),
}

/// The same, read.
#[derive(Debug)]
pub(crate) struct Known {
    keys: Vec<Key>,
    is_listed: bool,
}

pub(crate) struct Key {
    id: Option<String>,
    /// Of two keys with one name nobody can tell which is meant.
    name: Option<[Option<String>; 4]>,
    algorithms: Vec<&'static str>,
    pub(crate) decoding: DecodingKey,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("id", &self.id).field("algorithms", &self.algorithms).finish()
    }
}

impl Keys {
    pub(crate) fn read(&self) -> Known {
        match self {
            Self::Document(text) => {
                let document: Json = serde_json::from_str(text).unwrap();
                let entries = document.get("keys").and_then(Json::list).unwrap();
                let mut keys: Vec<_> = entries.iter().filter_map(key).collect();
                let names: Vec<_> = keys.iter().map(|key| key.name.clone()).collect();
                let is_repeated = |name: &_| names.iter().filter(|other| *other == name).count() > 1;
                // Contract 5.3.6: keys of one id for one purpose are unusable, all of them.
                keys.retain(|key| key.name.is_none() || !is_repeated(&key.name));
                Known { keys, is_listed: false }
            }
            Self::Listed(texts) => {
                let keys = texts.iter().filter_map(|text| key(&serde_json::from_str(text).unwrap()));
                Known { keys: keys.collect(), is_listed: true }
            }
            Self::Secret(secret) => {
                // RFC 7518 §3.2: a key of the size of the hash or larger.
                let sizes = [("HS256", 32), ("HS384", 48), ("HS512", 64)];
                let algorithms = sizes.into_iter().filter(|(_, size)| secret.len() >= *size);
                let algorithms = algorithms.map(|(name, _)| name).collect();
                let decoding = DecodingKey::from_secret(secret);
                Known { keys: vec![Key { id: None, name: None, algorithms, decoding }], is_listed: true }
            }
        }
    }
}

impl Known {
    /// The keys that a token may have been signed with: one, or several of a list. Never a guess.
    pub(crate) fn meant(&self, id: Option<&str>, algorithm: &str) -> Vec<&Key> {
        let fitting = || self.keys.iter().filter(|key| key.algorithms.contains(&algorithm));
        let is_known = id.is_some() && self.keys.iter().any(|key| key.id.as_deref() == id);
        if self.is_listed && !is_known {
            let unnamed: Vec<_> = fitting().filter(|key| key.id.is_none()).collect();
            if !unnamed.is_empty() {
                return unnamed;
            }
        }
        let named: Vec<_> = fitting().filter(|key| id.is_none() || key.id.as_deref() == id).collect();
        if named.len() == 1 { named } else { Vec::new() }
    }
}

impl Key {
    pub(crate) fn verifies(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        let verifier = (DEFAULT_PROVIDER.verifier_factory)(&registered(algorithm), &self.decoding);
        verifier.is_ok_and(|verifier| verifier.verify(message, &signature.to_vec()).is_ok())
    }
}

pub(crate) fn registered(algorithm: &str) -> Algorithm {
    algorithm.parse().unwrap()
}

/// A public key that may check signatures. None: not for us.
fn key(entry: &Json) -> Option<Key> {
    let text = |name: &str| match entry.get(name) {
        None => Some(None),
        Some(Json::Text(text)) => Some(Some(text.clone())),
        Some(_) => None,
    };
    let (id, kty, crv, alg) = (text("kid")?, text("kty")?, text("crv")?, text("alg")?);
    // RFC 7517 §4.2, §4.3.
    let is_for_signatures = text("use")?.is_none_or(|purpose| purpose == "sig")
        && entry.get("key_ops").is_none_or(|operations| {
            operations.list().unwrap_or_default().iter().any(|one| one.text() == Some("verify"))
        });
    if !is_for_signatures {
        return None;
    }
    let member = |name| text(name).flatten();
    let (algorithms, decoding): (&[_], _) = match (kty.as_deref()?, crv.as_deref()) {
        ("RSA", _) => (
            &["PS256", "PS384", "PS512", "RS256", "RS384", "RS512"],
            DecodingKey::from_rsa_components(&member("n")?, &member("e")?),
        ),
        ("EC", Some("P-256")) => (&["ES256"], DecodingKey::from_ec_components(&member("x")?, &member("y")?)),
        ("EC", Some("P-384")) => (&["ES384"], DecodingKey::from_ec_components(&member("x")?, &member("y")?)),
        ("OKP", Some("Ed25519")) => (&["EdDSA"], DecodingKey::from_ed_components(&member("x")?)),
        // Never a secret that everybody can read.
        _ => return None,
    };
    let made_for = match &alg {
        Some(name) => Some(jose::algorithm(name)?),
        None => None,
    };
    let algorithms = algorithms.iter().copied().filter(|own| made_for.is_none_or(|only| only == *own));
    let name = id.is_some().then(|| [id.clone(), kty, crv, alg]);
    Some(Key { id, name, algorithms: algorithms.collect(), decoding: decoding.ok()? })
}
