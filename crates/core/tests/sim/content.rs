//! Object content that costs nothing: every block is an eight-byte token and zeros.

use ossget_core::{combine, crc64};

/// Bytes per block. A part of 100 KiB has five.
pub(crate) const BLOCK: u64 = 20_480;

/// What a block of version `version` holds. Never 0, which is what an unwritten block reads as.
pub(crate) fn token(version: u64, block: u64) -> u64 {
    let mut z = version.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ (block + 1).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z | 1
}

/// CRC-64 of one block: token, then zeros.
fn block_crc(token: u64, len: u64, zeros: &ZeroCrc) -> u64 {
    combine(crc64(&token.to_le_bytes()), zeros.of(len - 8), len - 8)
}

/// CRC-64 of runs of zeros, remembered for the one length that matters.
pub(crate) struct ZeroCrc {
    full: u64,
}

impl ZeroCrc {
    pub(crate) fn new() -> Self {
        Self { full: zeros(BLOCK - 8) }
    }

    fn of(&self, len: u64) -> u64 {
        if len == BLOCK - 8 { self.full } else { zeros(len) }
    }

    /// CRC-64 of blocks with the given tokens, the last one `last_len` bytes long.
    pub(crate) fn of_blocks(&self, tokens: impl IntoIterator<Item = (u64, u64)>) -> u64 {
        tokens
            .into_iter()
            .fold(0, |crc, (token, len)| combine(crc, block_crc(token, len, self), len))
    }
}

fn zeros(len: u64) -> u64 {
    crc64(&vec![0; usize::try_from(len).expect("a block fits in memory")])
}

/// An object: a version and a size; its content follows from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) version: u64,
    pub(crate) size: u64,
}

impl Object {
    pub(crate) fn blocks(self) -> u64 {
        self.size.div_ceil(BLOCK)
    }

    pub(crate) fn len_of(self, block: u64) -> u64 {
        (self.size - block * BLOCK).min(BLOCK)
    }

    pub(crate) fn crc64(self, zeros: &ZeroCrc) -> u64 {
        zeros.of_blocks((0..self.blocks()).map(|b| (token(self.version, b), self.len_of(b))))
    }
}
