//! The fixed keys of the test issuer, and signing with them.

#[cfg(feature = "aws-lc-rs")]
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
#[cfg(not(feature = "aws-lc-rs"))]
use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm as Registered, EncodingKey};

use crate::algorithm::Algorithm;

/// The secret of the HMAC algorithms: as long as the longest hash.
pub(super) const HMAC_SECRET: &[u8; 64] = b"for tests only: a secret of sixty-four bytes that everyone knows";

/// Two sets of keys, used in turn.
static SETS: [KeySet; 2] = [
    KeySet {
        rsa: include_str!("keys/rsa_a.pem"),
        p256: include_str!("keys/p256_a.pem"),
        p384: include_str!("keys/p384_a.pem"),
        ed25519: include_str!("keys/ed25519_a.pem"),
        public: include_str!("keys/public_a.json"),
    },
    KeySet {
        rsa: include_str!("keys/rsa_b.pem"),
        p256: include_str!("keys/p256_b.pem"),
        p384: include_str!("keys/p384_b.pem"),
        ed25519: include_str!("keys/ed25519_b.pem"),
        public: include_str!("keys/public_b.json"),
    },
];

struct KeySet {
    rsa: &'static str,
    p256: &'static str,
    p384: &'static str,
    ed25519: &'static str,
    public: &'static str,
}

/// One generation of keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Generation(pub(super) u32);

impl Generation {
    fn keys(self) -> &'static KeySet {
        if self.0.is_multiple_of(2) { &SETS[0] } else { &SETS[1] }
    }

    /// The id of the key for an algorithm. Every generation has ids of its own.
    pub(super) fn key_id(self, algorithm: Algorithm) -> Option<String> {
        let kind = match algorithm {
            Algorithm::EdDsa => "ed25519",
            Algorithm::Es256 => "p256",
            Algorithm::Es384 => "p384",
            Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => return None,
            _ => "rsa",
        };
        Some(format!("{kind}-{}", self.0))
    }

    /// The public keys, as entries of a JWK set.
    #[expect(clippy::expect_used, reason = "the text is a constant of this crate")]
    pub(super) fn public_keys(self) -> Vec<serde_json::Value> {
        let mut keys: Vec<serde_json::Value> = serde_json::from_str(self.keys().public).expect("constant");
        let ids = [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa];
        for (key, algorithm) in keys.iter_mut().zip(ids) {
            key["kid"] = self.key_id(algorithm).into();
        }
        keys
    }

    /// Signs what goes before the second dot.
    #[expect(clippy::expect_used, reason = "the keys are constants of this crate")]
    pub(super) fn sign(self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        let keys = self.keys();
        let (registered, key) = match algorithm {
            Algorithm::EdDsa => (Registered::EdDSA, EncodingKey::from_ed_pem(keys.ed25519.as_bytes())),
            Algorithm::Es256 => (Registered::ES256, EncodingKey::from_ec_pem(keys.p256.as_bytes())),
            Algorithm::Es384 => (Registered::ES384, EncodingKey::from_ec_pem(keys.p384.as_bytes())),
            Algorithm::Hs256 => (Registered::HS256, Ok(EncodingKey::from_secret(HMAC_SECRET))),
            Algorithm::Hs384 => (Registered::HS384, Ok(EncodingKey::from_secret(HMAC_SECRET))),
            Algorithm::Hs512 => (Registered::HS512, Ok(EncodingKey::from_secret(HMAC_SECRET))),
            Algorithm::Ps256 => (Registered::PS256, EncodingKey::from_rsa_pem(keys.rsa.as_bytes())),
            Algorithm::Ps384 => (Registered::PS384, EncodingKey::from_rsa_pem(keys.rsa.as_bytes())),
            Algorithm::Ps512 => (Registered::PS512, EncodingKey::from_rsa_pem(keys.rsa.as_bytes())),
            Algorithm::Rs256 => (Registered::RS256, EncodingKey::from_rsa_pem(keys.rsa.as_bytes())),
            Algorithm::Rs384 => (Registered::RS384, EncodingKey::from_rsa_pem(keys.rsa.as_bytes())),
            Algorithm::Rs512 => (Registered::RS512, EncodingKey::from_rsa_pem(keys.rsa.as_bytes())),
        };
        let key = key.expect("a constant key");
        let signer = (DEFAULT_PROVIDER.signer_factory)(&registered, &key).expect("a key for its algorithm");
        signer.try_sign(message).expect("a sound key")
    }
}
