//! How the cache knows a token: by a digest of all of it, never by the token itself.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use sha2::{Digest, Sha256};

/// The block size of SHA-256: a prefix of this length is absorbed once, when the cache is made.
const BLOCK: usize = 64;

/// The digest of a token under the secret of one cache. It is nobody's business outside of that cache.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) struct TokenDigest([u8; 32]);

/// Digests the tokens of one cache.
pub(super) struct Digester {
    // After a block that is random in each process and each cache: digests of two caches, or of two runs, have nothing
    // in common, and nobody can choose tokens that meet in one place.
    prefixed: Sha256,
}

impl Digester {
    pub(super) fn new() -> Self {
        let mut block = [0; BLOCK];
        for (number, bytes) in block.chunks_mut(8).enumerate() {
            // The standard library seeds it from the operating system, and never alike twice.
            bytes.copy_from_slice(&RandomState::new().hash_one(number).to_ne_bytes());
        }
        Self { prefixed: Sha256::new_with_prefix(block) }
    }

    pub(super) fn digest(&self, token: &[u8]) -> TokenDigest {
        TokenDigest(self.prefixed.clone().chain_update(token).finalize().into())
    }
}

impl TokenDigest {
    /// Bits of the digest that do not decide where it is kept.
    pub(super) fn fraction(&self) -> u32 {
        let [.., a, b, c, d] = self.0;
        u32::from_ne_bytes([a, b, c, d])
    }
}

impl Hash for TokenDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_ne_bytes([a, b, c, d, e, f, g, h]));
    }
}

/// Hashes a digest, which is random already, by taking eight of its bytes.
#[derive(Clone, Copy, Default)]
pub(super) struct AsItIs(u64);

impl BuildHasher for AsItIs {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self(0)
    }
}

impl Hasher for AsItIs {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_caches_share_no_digest_and_no_cut_of_prefix_and_token_is_like_another() {
        let (a, b) = (Digester::new(), Digester::new());
        assert!(a.digest(b"token") == a.digest(b"token"));
        assert!(a.digest(b"token") != b.digest(b"token"));
        assert!(a.digest(b"tokens") != a.digest(b"token"));
        // The prefix fills a block whatever it is, so that no token can look like the end of one.
        let by_hand = |prefix: [u8; BLOCK], token: &[u8]| {
            Digester { prefixed: Sha256::new_with_prefix(prefix) }.digest(token)
        };
        let (mut ends_in_b, ends_in_a) = ([b'a'; BLOCK], [b'a'; BLOCK]);
        ends_in_b[BLOCK - 1] = b'b';
        assert!(by_hand(ends_in_a, b"bc") != by_hand(ends_in_b, b"c"));
    }

    #[test]
    fn digests_that_meet_in_a_shard_are_still_told_apart_by_all_their_bytes() {
        for changed in 0..32 {
            let (a, mut b) = (TokenDigest([7; 32]), TokenDigest([7; 32]));
            b.0[changed] ^= 1;
            assert!(a != b);
            assert_eq!(AsItIs(0).hash_one(a) == AsItIs(0).hash_one(b), changed >= 8);
        }
    }
}
