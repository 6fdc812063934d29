//! Objects of any size that exist only as a rule.

use std::ops::Range;
use std::sync::Arc;

use crate::gf2;

/// A deterministic object: 4 KiB blocks, each a base block drawn from the seed with the block's
/// index XORed into its first eight bytes.
///
/// Reading is a copy, and the CRC of any size follows in closed form because the index bits enter
/// linearly.
#[derive(Clone)]
pub(crate) struct Generated {
    seed: u64,
    size: u64,
    base: Arc<[u8; BLOCK]>,
}

impl Generated {
    pub(crate) fn new(seed: u64, size: u64) -> Self {
        let mut base = [0; BLOCK];
        let mut state = seed;
        for word in base.chunks_exact_mut(8) {
            word.copy_from_slice(&split_mix(&mut state).to_le_bytes());
        }
        Self { seed, size, base: Arc::new(base) }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Writes the object's bytes from `offset` on; the caller has checked the bounds.
    pub(crate) fn fill(&self, offset: u64, buf: &mut [u8]) {
        let mut index = offset / BLOCK as u64;
        let mut within = (offset % BLOCK as u64) as usize;
        let mut rest = buf;
        while !rest.is_empty() {
            let length = rest.len().min(BLOCK - within);
            let (piece, after) = rest.split_at_mut(length);
            piece.copy_from_slice(&self.base[within..within + length]);
            if within < 8 {
                let mark = index.to_le_bytes();
                for (byte, bits) in piece.iter_mut().zip(&mark[within..]) {
                    *byte ^= bits;
                }
            }
            rest = after;
            index += 1;
            within = 0;
        }
    }

    /// The CRC-64 of the whole object, without producing it.
    ///
    /// `doubled` is the raw remainder of blocks `0..2^j`. The same run at a base index `h` (a
    /// multiple of `2^j`) differs by `h` XORed into every block, which contributes
    /// `repeat * mark(h)` where `repeat` sums the shifts of the run's blocks. So a run of twice
    /// the length follows from one of the length, and any count from its binary digits.
    pub(crate) fn crc64(&self) -> u64 {
        let levels = levels(gf2::raw_remainder(&self.base[..]));
        let blocks = self.size / BLOCK as u64;
        let mut raw = 0;
        let mut done = 0_u64;
        for (power, level) in levels.iter().enumerate().rev() {
            if blocks & (1 << power) != 0 {
                let run = level.doubled ^ gf2::multiply(level.repeat, mark(done));
                raw = gf2::multiply(raw, level.shift) ^ run;
                done += 1 << power;
            }
        }
        let mut tail = vec![0; (self.size % BLOCK as u64) as usize];
        self.fill(blocks * BLOCK as u64, &mut tail);
        raw = gf2::multiply(raw, gf2::shift_by(tail.len() as u64)) ^ gf2::raw_remainder(&tail);
        gf2::raw_to_crc(raw, self.size)
    }

    /// The CRC-64 of a window, out of those of the objects that end where it begins and ends.
    pub(crate) fn window_crc64(&self, range: &Range<u64>) -> u64 {
        let until = |size| Self { size, ..self.clone() }.crc64();
        gf2::followed_by(until(range.start), until(range.end), range.end - range.start)
    }
}

impl std::fmt::Debug for Generated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generated").field("seed", &self.seed).field("size", &self.size).finish()
    }
}

struct Level {
    /// Raw remainder of `2^j` blocks from index 0.
    doubled: u64,
    /// Sum of `x^(8 * BLOCK * i)` for `i` in `0..2^j`.
    repeat: u64,
    /// `x^(8 * BLOCK * 2^j)`.
    shift: u64,
}

/// One level for each bit of a block count: 52 bits count the blocks of any 64-bit size.
fn levels(base: u64) -> Vec<Level> {
    let mut levels =
        vec![Level { doubled: base, repeat: gf2::ONE, shift: gf2::shift_by(BLOCK as u64) }];
    for power in 0..u64::BITS - BLOCK.trailing_zeros() - 1 {
        let Level { doubled, repeat, shift } = levels[power as usize];
        let second = doubled ^ gf2::multiply(repeat, mark(1 << power));
        levels.push(Level {
            doubled: gf2::multiply(doubled, shift) ^ second,
            repeat: gf2::multiply(repeat, shift ^ gf2::ONE),
            shift: gf2::multiply(shift, shift),
        });
    }
    levels
}

/// The raw remainder of an otherwise zero block that starts with this index.
fn mark(index: u64) -> u64 {
    gf2::multiply(gf2::raw_remainder(&index.to_le_bytes()), gf2::shift_by(BLOCK as u64 - 8))
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

const BLOCK: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(object: &Generated) -> Vec<u8> {
        let mut bytes = vec![0; object.size() as usize];
        object.fill(0, &mut bytes);
        bytes
    }

    #[test]
    fn the_closed_form_crc_is_that_of_the_bytes() {
        let block = BLOCK as u64;
        let sizes = [0, 1, 7, 8, 9, 4095, 4096, 4097, 2 * block, 3 * block + 5, 5 * block - 1];
        let larger = [127 * block, 128 * block, 129 * block + 77, 1000 * block + 4095, 10_000_019];
        for size in sizes.into_iter().chain(larger) {
            for seed in [0, 1, u64::MAX] {
                let object = Generated::new(seed, size);
                assert_eq!(object.crc64(), gf2::crc64(&whole(&object)), "{size} bytes, {seed}");
            }
        }
    }

    #[test]
    fn the_crc_of_a_window_is_that_of_its_bytes() {
        let object = Generated::new(5, 20_000);
        let bytes = whole(&object);
        for (start, end) in [(0, 0), (0, 20_000), (1, 4096), (4090, 12_300), (19_999, 20_000)] {
            let crc = object.window_crc64(&(start as u64..end as u64));
            assert_eq!(crc, gf2::crc64(&bytes[start..end]), "{start}..{end}");
        }
    }

    #[test]
    fn any_window_is_a_piece_of_the_whole() {
        let object = Generated::new(42, 3 * BLOCK as u64 + 100);
        let bytes = whole(&object);
        for offset in [0, 1, 5, 7, 8, 9, 4090, 4095, 4096, 4099, 8192] {
            for length in [0, 1, 2, 8, 100, 4096, 4097] {
                let mut window = vec![0; length];
                object.fill(offset as u64, &mut window);
                assert_eq!(window, bytes[offset..offset + length], "{length} at {offset}");
            }
        }
    }

    #[test]
    fn blocks_and_seeds_differ() {
        let bytes = whole(&Generated::new(1, 2 * BLOCK as u64));
        assert_ne!(bytes[..BLOCK], bytes[BLOCK..]);
        assert_ne!(bytes, whole(&Generated::new(2, 2 * BLOCK as u64)));
    }

    #[test]
    fn the_largest_object_has_its_crc_at_once() {
        // 48.8 TB, and the far end of what 64 bits can express: the second differs from the
        // first by appended blocks only, so a wrong level would show as a panic or equal values.
        let largest = Generated::new(3, 53_687_091_200_000).crc64();
        assert_ne!(largest, Generated::new(3, u64::MAX).crc64());
    }
}
