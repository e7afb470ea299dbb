//! Tokens that say nothing.

use sha2::{Digest, Sha256};

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Letters and digits that look random and are the same for the same seed.
pub(super) fn alphanumeric(seed: &str, length: usize) -> String {
    let blocks = (0_u32..).flat_map(|block| Sha256::digest(format!("{block}:{seed}")));
    blocks
        .filter_map(|byte| ALPHABET.get(usize::from(byte % 62)))
        .map(|byte| char::from(*byte))
        .take(length)
        .collect()
}

/// The SHA-256 of a text, in hexadecimal digits.
pub(super) fn sha256_hex(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
