//! Reads a public key from PEM: `PUBLIC KEY` (SPKI) and `RSA PUBLIC KEY` (PKCS#1).

use pkcs8::SubjectPublicKeyInfoRef;
use pkcs8::der::asn1::UintRef;
use pkcs8::der::{Decode, Error, Reader, SliceReader};

use super::key_set::Jwk;
use super::material::Material;
use crate::error::BuildErrorKind;
use crate::oid;

/// Reads exactly one public key.
pub(crate) fn read(text: &str) -> Result<Jwk, BuildErrorKind> {
    if text.contains("PRIVATE KEY") {
        return Err(BuildErrorKind::PrivateKey);
    }
    material(text).and_then(|material| Jwk::new(None, &material, None)).ok_or(BuildErrorKind::InvalidKey)
}

fn material(text: &str) -> Option<Material> {
    // Of several, the reader would take the first.
    let pem = (text.matches("-----BEGIN").count() == 1).then(|| pem::parse(text).ok())??;
    // Headers speak of encryption (RFC 1421 §4.6), and what follows them would be no key.
    if pem.headers().iter().next().is_some() {
        return None;
    }
    match pem.tag() {
        "PUBLIC KEY" => subject_public_key(pem.contents()),
        "RSA PUBLIC KEY" => rsa(pem.contents()),
        _ => None,
    }
}

/// RFC 5280 §4.1: the name of the algorithm, and the key.
fn subject_public_key(der: &[u8]) -> Option<Material> {
    let info = SubjectPublicKeyInfoRef::from_der(der).ok()?;
    let key = info.subject_public_key.as_bytes()?;
    let parameters = info.algorithm.parameters;
    match info.algorithm.oid {
        oid::RSA if parameters.is_none_or(|parameters| parameters.is_null()) => rsa(key),
        oid::ELLIPTIC => match info.algorithm.parameters_oid().ok()? {
            oid::P256 => elliptic("P-256", key),
            oid::P384 => elliptic("P-384", key),
            _ => None,
        },
        // RFC 8410 §3: there must be none.
        oid::ED25519 if parameters.is_none() => Material::edwards(key),
        _ => None,
    }
}

/// RFC 8017 appendix A.1.1: modulus and exponent, and nothing after them.
fn rsa(der: &[u8]) -> Option<Material> {
    let mut reader = SliceReader::new(der).ok()?;
    let (n, e) = reader.sequence(numbers).ok()?;
    if reader.is_finished() { Material::rsa(n.as_bytes(), e.as_bytes()) } else { None }
}

fn numbers<'a>(reader: &mut SliceReader<'a>) -> Result<(UintRef<'a>, UintRef<'a>), Error> {
    Ok((UintRef::decode(reader)?, UintRef::decode(reader)?))
}

fn elliptic(curve: &str, point: &[u8]) -> Option<Material> {
    // SEC 1 §2.3.3: 4 stands for an uncompressed point, which is the one form in use.
    let coordinates = point.strip_prefix(&[4])?;
    let (x, y) = coordinates.split_at(coordinates.len() / 2);
    Material::elliptic(curve, x, y)
}
