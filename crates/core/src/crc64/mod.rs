//! CRC-64/XZ, the checksum of OSS objects, and how the CRCs of parts make that of the whole.
//!
//! Polynomials over GF(2) of degree below 64 are held in the reflected form of the algorithm: the
//! most significant bit is the coefficient of `x^0`, the least significant that of `x^63`.
//! Multiplying by `x` is a shift to the right.
//!
//! With initial value and final XOR all ones, `crc(a ‖ b) = crc(a) · x^(8·|b|) + crc(b)` modulo
//! the polynomial. So the CRC of an object is a plain sum over its parts, each multiplied by a
//! power that depends on the bytes after it only, and the order of summing does not matter.

mod accumulator;
mod multiply;
mod tables;

pub use accumulator::CrcAccumulator;

use multiply::{ONE, multiply, power};
use tables::{times_x8, times_x64};

/// CRC-64/XZ of a stream, eight bytes at a time by table lookups.
///
/// The parameters are those of `x-oss-hash-crc64ecma`: polynomial 0x42F0E1EBA9EA3693 (ECMA-182),
/// reflected, initial value and final XOR all ones (oss2 `utils.py`; catalogue of parametrised
/// CRC algorithms, "CRC-64/XZ"). Object data are hashed by a vectorised implementation outside
/// this crate, which is an order of magnitude faster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crc64 {
    /// The register, not yet complemented.
    register: u64,
}

impl Crc64 {
    /// The CRC of no bytes yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { register: u64::MAX }
    }

    /// Appends `bytes` to what is hashed.
    pub fn update(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.register = times_x64(self.register ^ u64::from_le_bytes(*word));
        }
        for &byte in rest {
            self.register = times_x8(self.register ^ u64::from(byte));
        }
    }

    /// The CRC of the bytes so far.
    #[must_use]
    pub const fn finish(&self) -> u64 {
        !self.register
    }
}

impl Default for Crc64 {
    fn default() -> Self {
        Self::new()
    }
}

/// CRC-64/XZ of `bytes`.
#[must_use]
pub fn crc64(bytes: &[u8]) -> u64 {
    let mut crc = Crc64::new();
    crc.update(bytes);
    crc.finish()
}

/// The CRC of two stretches after each other, from the CRC `a` of the first, the CRC `b` of the
/// second and the length of the second in bytes.
#[must_use]
pub fn combine(a: u64, b: u64, len_b: u64) -> u64 {
    multiply(a, shift(len_b)) ^ b
}

/// `x^(8·bytes)`: what a CRC is multiplied by when so many bytes follow.
fn shift(bytes: u64) -> u64 {
    power(ONE >> 8, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_is_that_of_the_catalogue() {
        assert_eq!(crc64(b"123456789"), 0x995d_c9bb_df19_39fa);
        assert_eq!(crc64(b""), 0);
    }

    #[test]
    fn updates_add_up() {
        let mut crc = Crc64::default();
        crc.update(b"1234");
        crc.update(b"");
        crc.update(b"56789");
        assert_eq!(crc.finish(), crc64(b"123456789"));
    }

    #[test]
    fn combining_equals_hashing_both() {
        assert_eq!(combine(crc64(b"1234"), crc64(b"56789"), 5), crc64(b"123456789"));
        assert_eq!(combine(crc64(b"abc"), 0, 0), crc64(b"abc"));
        assert_eq!(combine(0, crc64(b"abc"), 3), crc64(b"abc"));
    }

    #[test]
    fn lengths_near_the_limit_do_not_overflow() {
        // Splitting the length must not matter.
        let half = u64::MAX / 2;
        assert_eq!(combine(combine(7, 0, half), 0, half + 1), combine(7, 0, u64::MAX));
    }
}
