//! Signs with a private key of this server, to prove to a provider who asks.

use std::fmt;

#[cfg(feature = "aws-lc-rs")]
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
#[cfg(not(feature = "aws-lc-rs"))]
use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm as Registered, EncodingKey};

use crate::algorithm::Algorithm;

/// A private key and its algorithm.
#[derive(Clone)]
pub(crate) struct Signer {
    algorithm: Algorithm,
    registered: Registered,
    key: EncodingKey,
}

impl Signer {
    /// Reads a key in PEM. None if it is not a private key for this algorithm.
    pub(crate) fn new(algorithm: Algorithm, pem: &str) -> Option<Self> {
        let pem = pem.as_bytes();
        let (registered, key) = match algorithm {
            Algorithm::EdDsa => (Registered::EdDSA, EncodingKey::from_ed_pem(pem)),
            Algorithm::Es256 => (Registered::ES256, EncodingKey::from_ec_pem(pem)),
            Algorithm::Es384 => (Registered::ES384, EncodingKey::from_ec_pem(pem)),
            Algorithm::Ps256 => (Registered::PS256, EncodingKey::from_rsa_pem(pem)),
            Algorithm::Ps384 => (Registered::PS384, EncodingKey::from_rsa_pem(pem)),
            Algorithm::Ps512 => (Registered::PS512, EncodingKey::from_rsa_pem(pem)),
            Algorithm::Rs256 => (Registered::RS256, EncodingKey::from_rsa_pem(pem)),
            Algorithm::Rs384 => (Registered::RS384, EncodingKey::from_rsa_pem(pem)),
            Algorithm::Rs512 => (Registered::RS512, EncodingKey::from_rsa_pem(pem)),
            Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => return None,
        };
        let signer = Self { algorithm, registered, key: key.ok()? };
        // A key of the right kind and of the wrong curve is found here, and not with the first token.
        signer.sign(b"").map(|_| signer)
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Signs a message. None if the back end refuses the key.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let signer = (DEFAULT_PROVIDER.signer_factory)(&self.registered, &self.key).ok()?;
        signer.try_sign(message).ok()
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
