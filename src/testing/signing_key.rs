//! The fixed keys of the test issuer, and signing with them.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
#[cfg(feature = "aws-lc-rs")]
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
#[cfg(not(feature = "aws-lc-rs"))]
use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm as Registered, EncodingKey};
use serde_json::{Value, json};

use crate::algorithm::Algorithm;
use crate::signer::Signer;

/// The secret of the HMAC algorithms: as long as the longest hash.
pub(super) const HMAC_SECRET: &[u8; 64] = b"for tests only: a secret of sixty-four bytes that everyone knows";

/// The secret of the HMAC algorithms that nobody shares.
const UNSHARED_SECRET: &[u8; 64] = b"for tests only: another secret of the same length, of a stranger";

/// What goes before a public key (RFC 5280 §4.1), and after one of RSA.
const RSA_START: &[u8] = b"\x30\x82\x01\x22\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00\
    \x03\x82\x01\x0f\x00\x30\x82\x01\x0a\x02\x82\x01\x01\x00";
const RSA_END: &[u8] = b"\x02\x03\x01\x00\x01";
const P256_START: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\
    \x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04";
const P384_START: &[u8] = b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\
    \x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00\x04";
const ED25519_START: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

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

/// Keys that no issuer has.
static STRANGER: KeySet = KeySet {
    rsa: include_str!("keys/rsa_c.pem"),
    p256: include_str!("keys/p256_c.pem"),
    p384: include_str!("keys/p384_c.pem"),
    ed25519: include_str!("keys/ed25519_c.pem"),
    public: include_str!("keys/public_c.json"),
};

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
    /// The keys of a stranger, which are never published.
    pub(super) const STRANGER: Self = Self(0);

    fn keys(self) -> &'static KeySet {
        match self {
            Self::STRANGER => &STRANGER,
            Self(number) if number.is_multiple_of(2) => &SETS[0],
            Self(_) => &SETS[1],
        }
    }

    fn secret(self) -> &'static [u8] {
        if self == Self::STRANGER { UNSHARED_SECRET } else { HMAC_SECRET }
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
    pub(super) fn public_keys(self) -> Vec<Value> {
        let mut keys: Vec<Value> = serde_json::from_str(self.keys().public).expect("constant");
        let ids = [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa];
        for (key, algorithm) in keys.iter_mut().zip(ids) {
            key["kid"] = self.key_id(algorithm).into();
        }
        keys
    }

    /// The key that checks an algorithm, as a JWK: of the HMAC algorithms that is the secret.
    pub(super) fn checking_key(self, algorithm: Algorithm) -> Value {
        if algorithm.is_symmetric() {
            return json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(self.secret()) });
        }
        let id = self.key_id(algorithm);
        let has_id = |key: &Value| key.get("kid").and_then(Value::as_str) == id.as_deref();
        self.public_keys().into_iter().find(has_id).unwrap_or_default()
    }

    /// The public key for an algorithm as everybody can download it. For a shared secret it is that of RSA.
    pub(super) fn public_pem(self, algorithm: Algorithm) -> String {
        let algorithm = if algorithm.is_symmetric() { Algorithm::Rs256 } else { algorithm };
        let (start, end) = match algorithm {
            Algorithm::EdDsa => (ED25519_START, &[][..]),
            Algorithm::Es256 => (P256_START, &[][..]),
            Algorithm::Es384 => (P384_START, &[][..]),
            _ => (RSA_START, RSA_END),
        };
        let key = self.checking_key(algorithm);
        let numbers = ["n", "x", "y"].map(|name| key.get(name).and_then(Value::as_str).unwrap_or_default());
        let middle = numbers.map(|number| URL_SAFE_NO_PAD.decode(number).unwrap_or_default()).concat();
        let text = STANDARD.encode([start, &middle, end].concat());
        let lines = text.as_bytes().chunks(64).map(String::from_utf8_lossy);
        let lines: String = lines.map(|line| format!("{line}\n")).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{lines}-----END PUBLIC KEY-----\n")
    }

    /// Signs what goes before the second dot.
    #[expect(clippy::expect_used, reason = "the keys are constants of this crate")]
    pub(super) fn sign(self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        let keys = self.keys();
        let pem = match algorithm {
            Algorithm::EdDsa => keys.ed25519,
            Algorithm::Es256 => keys.p256,
            Algorithm::Es384 => keys.p384,
            Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => {
                return sign_by_secret(algorithm, self.secret(), message);
            }
            _ => keys.rsa,
        };
        let signer = Signer::new(algorithm, pem).expect("a constant key");
        signer.sign(message).expect("a sound key")
    }
}

/// Signs by any secret, with an HMAC algorithm.
#[expect(clippy::expect_used, reason = "keys and algorithms are put together above")]
pub(super) fn sign_by_secret(algorithm: Algorithm, secret: &[u8], message: &[u8]) -> Vec<u8> {
    let registered = match algorithm {
        Algorithm::Hs384 => Registered::HS384,
        Algorithm::Hs512 => Registered::HS512,
        _ => Registered::HS256,
    };
    let key = EncodingKey::from_secret(secret);
    let signer = (DEFAULT_PROVIDER.signer_factory)(&registered, &key).expect("a key for its algorithm");
    signer.try_sign(message).expect("a sound key")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bearer_token::BearerToken;
    use crate::clock::{Clock, SystemClock};
    use crate::testing::token::TestToken;
    use crate::verifier::{JwtVerifier, TokenVerifier};

    #[test]
    fn the_public_key_that_everybody_can_download_is_the_one_that_checks() {
        let now = SystemClock.now();
        for generation in [Generation::STRANGER, Generation(1), Generation(2)] {
            for algorithm in Algorithm::ASYMMETRIC {
                let pem = generation.public_pem(algorithm);
                let verifier =
                    JwtVerifier::builder("https://a", "https://b").public_key_pem(pem).build().unwrap();
                let token = TestToken::new(generation, "https://a", 0, now).audience("https://b");
                let token = BearerToken::new(&token.algorithm(algorithm).mint()).unwrap();
                assert!(verifier.verify_now(&token, now).unwrap().is_ok(), "{generation:?} {algorithm}");
            }
        }
    }
}
