//! The signature check itself, by one of two back ends.
//!
//! With both compiled in, aws-lc-rs is used. Neither depends on a default of the process that another crate could
//! have changed.

#[cfg(feature = "aws-lc-rs")]
pub(crate) use aws::Key;
#[cfg(not(feature = "aws-lc-rs"))]
pub(crate) use rust_crypto::Key;

use super::material::Material;
use crate::algorithm::Algorithm;

#[cfg(feature = "aws-lc-rs")]
mod aws {
    use aws_lc_rs::encoding::AsDer;
    use aws_lc_rs::hmac;
    use aws_lc_rs::rsa::PublicKeyComponents;
    use aws_lc_rs::signature::{self, ParsedPublicKey, VerificationAlgorithm};

    use super::{Algorithm, Material};

    /// A key, parsed once, for one algorithm.
    #[derive(Debug)]
    pub(crate) enum Key {
        Public(ParsedPublicKey),
        // Boxed: its precomputed state is twenty times the size of the other.
        Secret(Box<hmac::Key>),
    }

    impl Key {
        /// None if the algorithm is not for this kind of key, or the point is not on the curve.
        pub(crate) fn new(material: &Material, algorithm: Algorithm) -> Option<Self> {
            let public = |bytes: &[u8], by: &'static dyn VerificationAlgorithm| {
                ParsedPublicKey::new(by, bytes).ok().map(Self::Public)
            };
            match (material, algorithm) {
                (Material::Rsa { n, e }, _) => {
                    let der = PublicKeyComponents { n, e }.as_der().ok()?;
                    public(der.as_ref(), rsa(algorithm)?)
                }
                (Material::P256(point), Algorithm::Es256) => {
                    public(point, &signature::ECDSA_P256_SHA256_FIXED)
                }
                (Material::P384(point), Algorithm::Es384) => {
                    public(point, &signature::ECDSA_P384_SHA384_FIXED)
                }
                (Material::Ed25519(point), Algorithm::EdDsa) => public(point, &signature::ED25519),
                (Material::Secret(secret), _) => {
                    let hash = match algorithm {
                        Algorithm::Hs256 => hmac::HMAC_SHA256,
                        Algorithm::Hs384 => hmac::HMAC_SHA384,
                        Algorithm::Hs512 => hmac::HMAC_SHA512,
                        _ => return None,
                    };
                    Some(Self::Secret(Box::new(hmac::Key::new(hash, secret.expose()))))
                }
                _ => None,
            }
        }

        pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
            match self {
                Self::Public(key) => key.verify_sig(message, signature).is_ok(),
                Self::Secret(key) => hmac::verify(key, message, signature).is_ok(),
            }
        }
    }

    fn rsa(algorithm: Algorithm) -> Option<&'static dyn VerificationAlgorithm> {
        Some(match algorithm {
            Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
            Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
            Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
            _ => return None,
        })
    }
}

#[cfg(not(feature = "aws-lc-rs"))]
mod rust_crypto {
    use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
    use jsonwebtoken::{Algorithm as Registered, DecodingKey};

    use super::{Algorithm, Material};

    /// A key for one algorithm.
    #[derive(Debug)]
    pub(crate) struct Key {
        algorithm: Registered,
        key: DecodingKey,
        // Of an RSA key.
        modulus: Option<Box<[u8]>>,
    }

    impl Key {
        /// None if the algorithm is not for this kind of key, or the point is not on the curve.
        pub(crate) fn new(material: &Material, algorithm: Algorithm) -> Option<Self> {
            let key = match material {
                Material::Rsa { n, e } => DecodingKey::from_rsa_raw_components(n, e),
                Material::P256(point) | Material::P384(point) => DecodingKey::from_ec_der(point),
                Material::Ed25519(point) => DecodingKey::from_ed_der(point),
                Material::Secret(secret) => DecodingKey::from_secret(secret.expose()),
            };
            let registered = match (material, algorithm) {
                (Material::Rsa { .. }, Algorithm::Rs256) => Registered::RS256,
                (Material::Rsa { .. }, Algorithm::Rs384) => Registered::RS384,
                (Material::Rsa { .. }, Algorithm::Rs512) => Registered::RS512,
                (Material::Rsa { .. }, Algorithm::Ps256) => Registered::PS256,
                (Material::Rsa { .. }, Algorithm::Ps384) => Registered::PS384,
                (Material::Rsa { .. }, Algorithm::Ps512) => Registered::PS512,
                (Material::P256(_), Algorithm::Es256) => Registered::ES256,
                (Material::P384(_), Algorithm::Es384) => Registered::ES384,
                (Material::Ed25519(_), Algorithm::EdDsa) => Registered::EdDSA,
                (Material::Secret(_), Algorithm::Hs256) => Registered::HS256,
                (Material::Secret(_), Algorithm::Hs384) => Registered::HS384,
                (Material::Secret(_), Algorithm::Hs512) => Registered::HS512,
                _ => return None,
            };
            // Reads the point, so that a bad one is found here and not with the first token.
            (DEFAULT_PROVIDER.verifier_factory)(&registered, &key).ok()?;
            let modulus = match material {
                Material::Rsa { n, .. } => Some(n.as_slice().into()),
                _ => None,
            };
            Some(Self { algorithm: registered, key, modulus })
        }

        pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
            // RFC 8017 §8.1.2, §8.2.2: as long as the modulus and below it, else a signature has several spellings.
            let in_range = |n: &[u8]| signature.len() == n.len() && signature < n;
            if !self.modulus.as_deref().is_none_or(in_range) {
                return false;
            }
            let verifier = (DEFAULT_PROVIDER.verifier_factory)(&self.algorithm, &self.key);
            verifier.is_ok_and(|verifier| verifier.verify(message, &signature.to_vec()).is_ok())
        }
    }
}
