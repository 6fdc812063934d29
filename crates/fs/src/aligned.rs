//! Memory that direct writes can start from.

use std::fmt;

/// Bytes at an address that is a multiple of [`DIRECT_BLOCK`], as direct writes need them.
pub struct AlignedBuf {
    memory: Vec<u8>,
    /// Where the aligned bytes begin.
    start: usize,
    len: usize,
}

/// What offset, length and memory of direct writes are multiples of: the largest block that disks
/// have had in use, and the page that a mixture of direct and other writes must not share.
pub const DIRECT_BLOCK: usize = 4096;

impl AlignedBuf {
    /// `len` zero bytes.
    #[must_use]
    pub fn zeroed(len: usize) -> Self {
        let memory = vec![0_u8; len + DIRECT_BLOCK];
        // The addition above leaves room for the most that alignment can take.
        let start = memory.as_ptr().align_offset(DIRECT_BLOCK).min(DIRECT_BLOCK);
        Self { memory, start, len }
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.len]
    }

    /// The bytes, to be written to.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.len]
    }
}

impl fmt::Debug for AlignedBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlignedBuf").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_length_the_bytes_are_aligned_and_all_there() {
        for len in [0, 1, 4095, 4096, 1 << 20] {
            let mut buffer = AlignedBuf::zeroed(len);
            assert_eq!(buffer.bytes().as_ptr().align_offset(DIRECT_BLOCK), 0);
            buffer.bytes_mut().fill(7);
            assert!(buffer.bytes().len() == len && buffer.bytes().iter().all(|byte| *byte == 7));
        }
    }
}
