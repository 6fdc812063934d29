//! SipHash-2-4, the keyed tag of checkpoint pages and slots.
//!
//! Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012. Its key here is the session
//! id, which is random but no secret: it makes the bytes of another session invalid, not a
//! forgery impossible.

/// SipHash-2-4 of `message` under `key`.
#[must_use]
pub fn siphash24(key: &[u8; 16], message: &[u8]) -> u64 {
    let mut state = State::new(key);
    let (words, rest) = message.as_chunks::<8>();
    for word in words {
        state.absorb(u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    let length = u64::try_from(message.len()).unwrap_or(u64::MAX);
    state.absorb(u64::from_le_bytes(last) | length << 56);
    state.finish()
}

/// SipHash-2-4 of three numbers in little-endian order, 24 bytes, under `key`.
#[must_use]
pub fn siphash24_words(key: &[u8; 16], words: [u64; 3]) -> u64 {
    let mut state = State::new(key);
    for word in words {
        state.absorb(word);
    }
    state.absorb(24 << 56);
    state.finish()
}

struct State {
    v0: u64,
    v1: u64,
    v2: u64,
    v3: u64,
}

impl State {
    fn new(key: &[u8; 16]) -> Self {
        let key = u128::from_le_bytes(*key);
        #[expect(clippy::cast_possible_truncation, reason = "the two halves of the key")]
        let (k0, k1) = (key as u64, (key >> 64) as u64);
        Self {
            v0: k0 ^ 0x736f_6d65_7073_6575,
            v1: k1 ^ 0x646f_7261_6e64_6f6d,
            v2: k0 ^ 0x6c79_6765_6e65_7261,
            v3: k1 ^ 0x7465_6462_7974_6573,
        }
    }

    fn absorb(&mut self, word: u64) {
        self.v3 ^= word;
        self.round();
        self.round();
        self.v0 ^= word;
    }

    fn finish(mut self) -> u64 {
        self.v2 ^= 0xff;
        for _ in 0..4 {
            self.round();
        }
        self.v0 ^ self.v1 ^ self.v2 ^ self.v3
    }

    fn round(&mut self) {
        self.v0 = self.v0.wrapping_add(self.v1);
        self.v1 = self.v1.rotate_left(13) ^ self.v0;
        self.v0 = self.v0.rotate_left(32);
        self.v2 = self.v2.wrapping_add(self.v3);
        self.v3 = self.v3.rotate_left(16) ^ self.v2;
        self.v0 = self.v0.wrapping_add(self.v3);
        self.v3 = self.v3.rotate_left(21) ^ self.v0;
        self.v2 = self.v2.wrapping_add(self.v1);
        self.v1 = self.v1.rotate_left(17) ^ self.v2;
        self.v2 = self.v2.rotate_left(32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// The first entries of `vectors_sip64` of the reference implementation (in its byte order
    /// read as little-endian numbers): key 00..0f, message 00, 01, … of each length from 0.
    const REFERENCE: [u64; 16] = [
        0x726f_db47_dd0e_0e31,
        0x74f8_39c5_93dc_67fd,
        0x0d6c_8009_d9a9_4f5a,
        0x8567_6696_d7fb_7e2d,
        0xcf27_94e0_2771_87b7,
        0x1876_5564_cd99_a68d,
        0xcbc9_466e_58fe_e3ce,
        0xab02_00f5_8b01_d137,
        0x93f5_f579_9a93_2462,
        0x9e00_82df_0ba9_e4b0,
        0x7a5d_bbc5_94dd_b9f3,
        0xf4b3_2f46_226b_ada7,
        0x751e_8fbc_860e_e5fb,
        0x14ea_5627_c084_3d90,
        0xf723_ca90_8e7a_f2ee,
        0xa129_ca61_49be_45e5,
    ];

    fn key() -> [u8; 16] {
        core::array::from_fn(|at| u8::try_from(at).unwrap())
    }

    #[test]
    fn the_reference_vectors_hold() {
        let message: Vec<u8> = (0..16).collect();
        for (len, expected) in REFERENCE.into_iter().enumerate() {
            assert_eq!(siphash24(&key(), &message[..len]), expected, "length {len}");
        }
    }

    #[test]
    fn three_words_hash_as_their_bytes_do() {
        let words = [1, u64::MAX, 0x0123_4567_89ab_cdef];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(siphash24_words(&key(), words), siphash24(&key(), &bytes));
    }
}
