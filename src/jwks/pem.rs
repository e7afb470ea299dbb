//! Reads a public key from PEM: `PUBLIC KEY` (SPKI) and `RSA PUBLIC KEY` (PKCS#1).

use jsonwebtoken::{DecodingKey, DecodingKeyKind};

use super::key_set::Jwk;
use super::material::Material;
use crate::error::BuildErrorKind;

/// Reads exactly one public key.
pub(crate) fn read(pem: &str) -> Result<Jwk, BuildErrorKind> {
    if pem.contains("PRIVATE KEY") {
        return Err(BuildErrorKind::PrivateKey);
    }
    let public = pem.contains("-----BEGIN PUBLIC KEY-----") || pem.contains("-----BEGIN RSA PUBLIC KEY-----");
    if !public || pem.matches("-----BEGIN").count() != 1 {
        return Err(BuildErrorKind::InvalidKey);
    }
    let material =
        rsa(pem.as_bytes()).or_else(|| elliptic(pem.as_bytes())).or_else(|| edwards(pem.as_bytes()));
    material.and_then(|material| Jwk::new(None, &material, None)).ok_or(BuildErrorKind::InvalidKey)
}

fn rsa(pem: &[u8]) -> Option<Material> {
    #[cfg(feature = "aws-lc-rs")]
    use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
    #[cfg(not(feature = "aws-lc-rs"))]
    use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;

    let key = DecodingKey::from_rsa_pem(pem).ok()?;
    let (n, e) = (DEFAULT_PROVIDER.key_utils.rsa_pub_components_from_public_key)(der(&key)?).ok()?;
    Material::rsa(&n, &e)
}

fn elliptic(pem: &[u8]) -> Option<Material> {
    let key = DecodingKey::from_ec_pem(pem).ok()?;
    let (form, coordinates) = der(&key)?.split_first()?;
    // SEC 1 §2.3.3: 4 stands for an uncompressed point, which is the one form in use.
    let (x, y) = (*form == 4).then(|| coordinates.split_at(coordinates.len() / 2))?;
    Material::elliptic(if x.len() == 32 { "P-256" } else { "P-384" }, x, y)
}

fn edwards(pem: &[u8]) -> Option<Material> {
    Material::edwards(der(&DecodingKey::from_ed_pem(pem).ok()?)?)
}

fn der(key: &DecodingKey) -> Option<&[u8]> {
    match key.kind() {
        DecodingKeyKind::SecretOrDer(bytes) => Some(bytes),
        DecodingKeyKind::RsaModulusExponent { .. } => None,
    }
}
