//! The numbers that a key consists of, checked before a back end sees them.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::algorithm::Algorithm;
use crate::secret::Secret;

const MIN_RSA_BITS: usize = 2048;
/// The largest modulus that the back end takes.
const MAX_RSA_BITS: usize = if cfg!(feature = "aws-lc-rs") { 8192 } else { 4096 };
/// Exponents above this cost time and buy nothing; no issuer uses one.
const MAX_RSA_EXPONENT: u64 = (1 << 33) - 1;

/// Key material of a kind and size that this crate verifies with.
pub(crate) enum Material {
    /// Modulus and exponent, big-endian, without leading zeros.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// An uncompressed point.
    P256(Vec<u8>),
    /// An uncompressed point.
    P384(Vec<u8>),
    /// An encoded point.
    Ed25519(Vec<u8>),
    /// A shared secret.
    Secret(Secret<Vec<u8>>),
}

impl Material {
    /// An RSA key of a size that the back end takes, with an odd exponent of at least 3, not made by a generator
    /// that is known to be broken.
    pub(crate) fn rsa(n: &[u8], e: &[u8]) -> Option<Self> {
        let n = without_leading_zeros(n);
        let e = without_leading_zeros(e);
        let bits = n.len() * 8 - usize::try_from(n.first()?.leading_zeros()).ok()?;
        let exponent =
            (e.len() <= 8).then(|| e.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte)))?;
        let usable = (MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits)
            && (3..=MAX_RSA_EXPONENT).contains(&exponent)
            && exponent % 2 == 1
            && n.last().is_some_and(|byte| byte % 2 == 1)
            && !has_roca_fingerprint(n);
        usable.then(|| Self::Rsa { n: n.to_vec(), e: e.to_vec() })
    }

    /// A point of P-256 or P-384 by its coordinates, which have exactly the length of the field.
    pub(crate) fn elliptic(curve: &str, x: &[u8], y: &[u8]) -> Option<Self> {
        let point = [&[4], x, y].concat();
        match (curve, x.len(), y.len()) {
            ("P-256", 32, 32) => Some(Self::P256(point)),
            ("P-384", 48, 48) => Some(Self::P384(point)),
            _ => None,
        }
    }

    /// A point of Ed25519 that is not of small order: such a key accepts signatures that nobody made.
    pub(crate) fn edwards(point: &[u8]) -> Option<Self> {
        (point.len() == 32 && !has_small_order(point)).then(|| Self::Ed25519(point.to_vec()))
    }

    /// A shared secret that is not something that others know, such as a public key ([RFC 8725 §3.5]).
    ///
    /// [RFC 8725 §3.5]: https://www.rfc-editor.org/rfc/rfc8725#section-3.5
    pub(crate) fn secret(secret: Secret<Vec<u8>>) -> Option<Self> {
        let has = |piece: &[u8]| secret.expose().windows(piece.len()).any(|window| window == piece);
        let is_key = [&b"-----BEGIN"[..], b"\"kty\"", b"ssh-rsa ", b"ssh-ed25519 ", b"ecdsa-sha2-"]
            .into_iter()
            .any(has);
        (!is_key).then_some(Self::Secret(secret))
    }

    /// The algorithms that a key of this kind can be used with.
    pub(crate) fn algorithms(&self) -> &'static [Algorithm] {
        match self {
            Self::Rsa { .. } => &[
                Algorithm::Ps256,
                Algorithm::Ps384,
                Algorithm::Ps512,
                Algorithm::Rs256,
                Algorithm::Rs384,
                Algorithm::Rs512,
            ],
            Self::P256(_) => &[Algorithm::Es256],
            Self::P384(_) => &[Algorithm::Es384],
            Self::Ed25519(_) => &[Algorithm::EdDsa],
            Self::Secret(secret) => match secret.expose().len() {
                // RFC 7518 §3.2: a key of the size of the hash or larger.
                0..32 => &[],
                32..48 => &[Algorithm::Hs256],
                48..64 => &[Algorithm::Hs256, Algorithm::Hs384],
                64.. => &[Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512],
            },
        }
    }

    /// Tells two keys apart without keeping what they consist of.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let hash = Sha256::new();
        match self {
            Self::Rsa { n, e } => hash.chain_update(n).chain_update([0]).chain_update(e),
            Self::P256(bytes) | Self::P384(bytes) | Self::Ed25519(bytes) => hash.chain_update(bytes),
            Self::Secret(secret) => hash.chain_update(secret.expose()),
        }
        .finalize()
        .into()
    }
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Material").finish_non_exhaustive()
    }
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.split_at(zeros).1
}

/// Whether the modulus has the structure of keys from a faulty library (CVE-2017-15361), which can be factored.
///
/// Such a modulus is a power of 65537 modulo each of many small primes. By chance that happens to one key in 2^27.
fn has_roca_fingerprint(n: &[u8]) -> bool {
    const PRIMES: [u32; 17] = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];
    PRIMES.into_iter().all(|prime| {
        let remainder = n.iter().fold(0, |sum, byte| (sum << 8 | u32::from(*byte)) % prime);
        let powers = std::iter::successors(Some(1), |power| Some(power * (65_537 % prime) % prime));
        powers.take(usize::try_from(prime).unwrap_or(0)).any(|power| power == remainder)
    })
}

/// Whether the point is one of the eight whose order divides 8, in any of their encodings.
fn has_small_order(point: &[u8]) -> bool {
    // The y coordinates, little-endian: 0, 1, the two of order 8, p-1, and p, p+1 for 0 and 1 not reduced.
    const SMALL: [[u8; 32]; 7] = [
        [0; 32],
        {
            let mut one = [0; 32];
            one[0] = 1;
            one
        },
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
            0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
            0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
        near_the_prime(0xec),
        near_the_prime(0xed),
        near_the_prime(0xee),
    ];
    let Some((last, rest)) = point.split_last() else { return true };
    // The highest bit is the sign of x.
    let unsigned = last & 0x7f;
    SMALL.iter().any(|small| small.split_last().is_some_and(|(end, start)| start == rest && *end == unsigned))
}

const fn near_the_prime(lowest: u8) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    bytes[0] = lowest;
    bytes[31] = 0x7f;
    bytes
}
