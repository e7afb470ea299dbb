//! Keys that sign tokens, and the same keys in other libraries that verify them.

use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use ed25519_dalek::Verifier as _;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::base64url;

/// The shared secret of the vectors.
pub const SECRET: &str = "uMINsIWmhAhSLPkFgFmt93hdjPLJdD1JkexHgRStaPo";
/// The ids of the keys with which is signed here.
pub const ED_ID: &str = "ed-1";
pub const EC_ID: &str = "ec-1";

/// A key pair of P-256: the private number, then the public point.
const EC_PRIVATE: [u8; 32] = [7; 32];

/// All keys.
pub struct Keys {
    secret: Vec<u8>,
    mac: aws_lc_rs::hmac::Key,
    ed: Ed25519KeyPair,
    ec: EcdsaKeyPair,
    ed_public: ed25519_dalek::VerifyingKey,
    ec_public: p256::ecdsa::VerifyingKey,
}

/// The keys.
pub fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let secret = base64url::decode(SECRET).expect("base64url");
        let ed = Ed25519KeyPair::from_seed_unchecked(&[5; 32]).expect("a seed");
        let ec_private = p256::ecdsa::SigningKey::from_slice(&EC_PRIVATE).expect("a number");
        let ec_public = *ec_private.verifying_key();
        let point = ec_public.to_sec1_point(false);
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let ec = EcdsaKeyPair::from_private_key_and_public_key(algorithm, &EC_PRIVATE, point.as_bytes());
        let ed_public = ed.public_key().as_ref().try_into().expect("32 bytes");
        Keys {
            mac: aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &secret),
            secret,
            ed,
            ec: ec.expect("a key pair"),
            ed_public: ed25519_dalek::VerifyingKey::from_bytes(&ed_public).expect("a point"),
            ec_public,
        }
    })
}

impl Keys {
    pub fn secret(&self) -> &[u8] {
        &self.secret
    }

    pub fn ed_point(&self) -> String {
        base64url::encode(self.ed_public.as_bytes())
    }

    /// Both coordinates.
    pub fn ec_point(&self) -> [String; 2] {
        let point = self.ec_public.to_sec1_point(false);
        let bytes = point.as_bytes();
        [base64url::encode(&bytes[1..33]), base64url::encode(&bytes[33..])]
    }

    /// The public keys as a JWK set, each with its id.
    pub fn jwk_set(&self) -> String {
        let (ed, [x, y]) = (self.ed_point(), self.ec_point());
        format!(
            r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"{ED_ID}","x":"{ed}"}},{{"kty":"EC","crv":"P-256","kid":"{EC_ID}","x":"{x}","y":"{y}"}}]}}"#
        )
    }

    pub fn sign_hmac(&self, message: &[u8]) -> Vec<u8> {
        aws_lc_rs::hmac::sign(&self.mac, message).as_ref().to_vec()
    }

    pub fn sign_ed(&self, message: &[u8]) -> Vec<u8> {
        self.ed.sign(message).as_ref().to_vec()
    }

    pub fn sign_ec(&self, message: &[u8]) -> Vec<u8> {
        let signature = self.ec.sign(&SystemRandom::new(), message);
        signature.expect("a signature").as_ref().to_vec()
    }

    /// Whether a signature is that of a key, by an implementation that the crate does not use.
    pub fn verify(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        match algorithm {
            "HS256" => {
                let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("any length");
                mac.update(message);
                mac.finalize().into_bytes().as_slice() == signature
            }
            "EdDSA" | "Ed25519" => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| self.ed_public.verify(message, &signature).is_ok()),
            "ES256" => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| self.ec_public.verify(message, &signature).is_ok()),
            _ => false,
        }
    }

    /// A token with a MAC over these texts.
    pub fn token(&self, header: &[u8], payload: &[u8]) -> String {
        let mut token = base64url::encode(header);
        token.push('.');
        token.push_str(&base64url::encode(payload));
        let mac = self.sign_hmac(token.as_bytes());
        token.push('.');
        token.push_str(&base64url::encode(&mac));
        token
    }
}
