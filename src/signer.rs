//! Signs with a private key of this server, to prove to a provider who asks.

use std::fmt;

#[cfg(feature = "aws-lc-rs")]
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
#[cfg(not(feature = "aws-lc-rs"))]
use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm as Registered, EncodingKey};
use pkcs8::der::Decode;
use pkcs8::der::asn1::AnyRef;
use pkcs8::{ObjectIdentifier, PrivateKeyInfoRef};
use zeroize::Zeroizing;

use crate::algorithm::Algorithm;
use crate::oid;

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
        let pem = pem::parse(pem).ok()?;
        let (is_pkcs1, is_pkcs8) = (pem.tag() == "RSA PRIVATE KEY", pem.tag() == "PRIVATE KEY");
        let der = Zeroizing::new(pem.into_contents());
        // RFC 5958 §2: the name of the algorithm, and the key. The back end would not mind bytes too many.
        let info = PrivateKeyInfoRef::from_der(&der).ok().filter(|_| is_pkcs8);
        let named = |name: ObjectIdentifier| info.as_ref().filter(|info| info.algorithm.oid == name);
        let rsa = || {
            let key = named(oid::RSA).map(|info| info.private_key.as_bytes());
            let key = key.or_else(|| is_pkcs1.then_some(der.as_slice()));
            key.filter(|key| AnyRef::from_der(key).is_ok()).map(EncodingKey::from_rsa_der)
        };
        let elliptic = || named(oid::ELLIPTIC).map(|_| EncodingKey::from_ec_der(&der));
        let edwards = || named(oid::ED25519).map(|_| EncodingKey::from_ed_der(&der));
        let (registered, key) = match algorithm {
            Algorithm::EdDsa => (Registered::EdDSA, edwards()),
            Algorithm::Es256 => (Registered::ES256, elliptic()),
            Algorithm::Es384 => (Registered::ES384, elliptic()),
            Algorithm::Ps256 => (Registered::PS256, rsa()),
            Algorithm::Ps384 => (Registered::PS384, rsa()),
            Algorithm::Ps512 => (Registered::PS512, rsa()),
            Algorithm::Rs256 => (Registered::RS256, rsa()),
            Algorithm::Rs384 => (Registered::RS384, rsa()),
            Algorithm::Rs512 => (Registered::RS512, rsa()),
            Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => return None,
        };
        let signer = Self { algorithm, registered, key: key? };
        // A key of the right kind and of the wrong curve is found here, and not with the first token.
        signer.sign(b"").map(|_| signer)
    }

    #[cfg(feature = "introspection")]
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
