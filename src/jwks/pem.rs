//! Reads a public key from PEM: `PUBLIC KEY` (SPKI) and `RSA PUBLIC KEY` (PKCS#1).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{DecodingKey, DecodingKeyKind};

use super::key_set::Jwk;
use super::material::Material;
use crate::error::BuildErrorKind;

/// The longest name of an algorithm, with the lengths and tags around it.
const MAX_ALGORITHM: usize = 32;

/// Reads exactly one public key.
pub(crate) fn read(pem: &str) -> Result<Jwk, BuildErrorKind> {
    if pem.contains("PRIVATE KEY") {
        return Err(BuildErrorKind::PrivateKey);
    }
    let public = pem.contains("-----BEGIN PUBLIC KEY-----") || pem.contains("-----BEGIN RSA PUBLIC KEY-----");
    if !public || pem.matches("-----BEGIN").count() != 1 {
        return Err(BuildErrorKind::InvalidKey);
    }
    let material = [
        (DecodingKey::from_rsa_pem(pem.as_bytes()), rsa as fn(&[u8]) -> Option<Material>),
        (DecodingKey::from_ec_pem(pem.as_bytes()), elliptic),
        (DecodingKey::from_ed_pem(pem.as_bytes()), Material::edwards),
    ]
    .into_iter()
    .find_map(|(key, read)| {
        let key = key.ok()?;
        let bits = bits(&key)?;
        if is_all_of(pem, bits) { read(bits) } else { None }
    });
    material.and_then(|material| Jwk::new(None, &material, None)).ok_or(BuildErrorKind::InvalidKey)
}

/// Whether there is nothing in the PEM but the key and the name of its algorithm: the reader takes the first key that
/// it finds in any structure, such as a certificate.
fn is_all_of(pem: &str, bits: &[u8]) -> bool {
    let lines = pem.lines().map(str::trim).skip_while(|line| !line.starts_with("-----BEGIN")).skip(1);
    let text: String = lines.take_while(|line| !line.starts_with("-----END")).collect();
    STANDARD.decode(text).is_ok_and(|der| der.ends_with(bits) && der.len() - bits.len() <= MAX_ALGORITHM)
}

fn bits(key: &DecodingKey) -> Option<&[u8]> {
    match key.kind() {
        DecodingKeyKind::SecretOrDer(bits) => Some(bits),
        DecodingKeyKind::RsaModulusExponent { .. } => None,
    }
}

fn rsa(der: &[u8]) -> Option<Material> {
    #[cfg(feature = "aws-lc-rs")]
    use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
    #[cfg(not(feature = "aws-lc-rs"))]
    use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;

    let (n, e) = (DEFAULT_PROVIDER.key_utils.rsa_pub_components_from_public_key)(der).ok()?;
    Material::rsa(&n, &e)
}

fn elliptic(point: &[u8]) -> Option<Material> {
    // SEC 1 §2.3.3: 4 stands for an uncompressed point, which is the one form in use.
    let coordinates = point.strip_prefix(&[4])?;
    let (x, y) = coordinates.split_at(coordinates.len() / 2);
    Material::elliptic(if x.len() == 32 { "P-256" } else { "P-384" }, x, y)
}
