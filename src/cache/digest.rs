//! How the cache knows a token: by a digest of all of it, never by the token itself.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use sha2::block_api::compress256;

/// The block size of SHA-256: a prefix of this length is absorbed once, when the cache is made.
const BLOCK: usize = 64;
/// The length of the message stands in the last bytes of the last block.
const LENGTH: usize = 8;
/// FIPS 180-4 §5.3.3.
const START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// The digest of a token under the secret of one cache. It is nobody's business outside of that cache.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) struct TokenDigest([u32; 8]);

/// Digests the tokens of one cache: SHA-256 of a secret block and the token.
pub(super) struct Digester {
    // What the block makes of the start. It is random in each process and each cache: digests of two caches, or of two
    // runs, have nothing in common, and nobody can choose tokens that meet in one place.
    prefixed: [u32; 8],
}

impl Digester {
    pub(super) fn new() -> Self {
        let mut block = [0; BLOCK];
        for (number, bytes) in block.chunks_mut(8).enumerate() {
            // The standard library seeds it from the operating system, and never alike twice.
            bytes.copy_from_slice(&RandomState::new().hash_one(number).to_ne_bytes());
        }
        Self::prefixed(block)
    }

    fn prefixed(block: [u8; BLOCK]) -> Self {
        let mut prefixed = START;
        compress256(&mut prefixed, &[block]);
        Self { prefixed }
    }

    /// Block by block and on the stack: for a short token, the general form costs as much again as the digest.
    #[inline]
    pub(super) fn digest(&self, token: &[u8]) -> TokenDigest {
        let mut state = self.prefixed;
        let (blocks, rest) = token.as_chunks::<BLOCK>();
        compress256(&mut state, blocks);
        // FIPS 180-4 §5.1.1: a one, zeros, and the length in bits, in as few blocks as have room for them.
        let mut end = [[0; BLOCK]; 2];
        let count = if rest.len() < BLOCK - LENGTH { 1 } else { 2 };
        let (end, _) = end.split_at_mut(count);
        let bytes = end.as_flattened_mut();
        let bits = 8 * (BLOCK + token.len()) as u64;
        let (message, length) = bytes.split_at_mut(bytes.len() - LENGTH);
        length.copy_from_slice(&bits.to_be_bytes());
        let (message, padding) = message.split_at_mut(rest.len());
        message.copy_from_slice(rest);
        padding.iter_mut().take(1).for_each(|first| *first = 0x80);
        compress256(&mut state, end);
        TokenDigest(state)
    }
}

impl TokenDigest {
    /// Bits of the digest that do not decide where it is kept.
    pub(super) fn fraction(&self) -> u32 {
        let [.., last] = self.0;
        last
    }
}

impl Hash for TokenDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, ..] = self.0;
        state.write_u64(u64::from(a) << 32 | u64::from(b));
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
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn two_caches_share_no_digest_and_no_cut_of_prefix_and_token_is_like_another() {
        let (a, b) = (Digester::new(), Digester::new());
        assert!(a.digest(b"token") == a.digest(b"token"));
        assert!(a.digest(b"token") != b.digest(b"token"));
        assert!(a.digest(b"tokens") != a.digest(b"token"));
        // The prefix fills a block whatever it is, so that no token can look like the end of one.
        let (mut ends_in_b, ends_in_a) = ([b'a'; BLOCK], [b'a'; BLOCK]);
        ends_in_b[BLOCK - 1] = b'b';
        assert!(Digester::prefixed(ends_in_a).digest(b"bc") != Digester::prefixed(ends_in_b).digest(b"c"));
    }

    #[test]
    fn it_is_sha_256_of_the_block_and_the_token_at_every_length() {
        let block = std::array::from_fn(|at| u8::try_from(at * 3).unwrap());
        let digester = Digester::prefixed(block);
        let token: Vec<u8> = (0..400_u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
        for length in 0..token.len() {
            let token = &token[..length];
            let expected: [u8; 32] = Sha256::new_with_prefix(block).chain_update(token).finalize().into();
            let TokenDigest(words) = digester.digest(token);
            assert_eq!(words.map(u32::to_be_bytes).as_flattened(), expected, "{length} bytes");
        }
    }

    #[test]
    fn digests_that_meet_in_a_shard_are_still_told_apart_by_all_their_bits() {
        for changed in 0..8 {
            let (a, mut b) = (TokenDigest([7; 8]), TokenDigest([7; 8]));
            b.0[changed] ^= 1;
            assert!(a != b);
            assert_eq!(AsItIs(0).hash_one(a) == AsItIs(0).hash_one(b), changed >= 2);
        }
    }
}
