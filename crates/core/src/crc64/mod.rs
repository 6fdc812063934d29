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

pub use accumulator::CrcAccumulator;

use multiply::{ONE, multiply, power};

/// CRC-64/XZ of a stream, a table lookup a byte.
///
/// The parameters are those of `x-oss-hash-crc64ecma`: polynomial 0x42F0E1EBA9EA3693 (ECMA-182),
/// reflected, initial value and final XOR all ones (oss2 `utils.py`; catalogue of parametrised
/// CRC algorithms, "CRC-64/XZ"). It is meant for small amounts: object data are hashed by a
/// vectorised implementation outside this crate.
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
        for &byte in bytes {
            let low = self.register.to_le_bytes()[0] ^ byte;
            self.register = (self.register >> 8) ^ step(low);
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

/// What eight steps of the register make of its lowest byte.
#[expect(clippy::indexing_slicing, reason = "a byte is a position in a table of 256")]
fn step(byte: u8) -> u64 {
    TABLE[usize::from(byte)]
}

/// The polynomial without its `x^64`, reflected.
const POLYNOMIAL: u64 = 0xc96c_5795_d787_0f42;

/// Each byte after eight steps of the register.
static TABLE: [u64; 256] = reduction_table();

/// For each value of the bits that are shifted out at the right, what they are reduced to.
#[expect(clippy::indexing_slicing, reason = "the loop ends at the table's length")]
#[expect(clippy::cast_possible_truncation, reason = "the loop ends at the table's length")]
const fn reduction_table<const N: usize>() -> [u64; N] {
    let mut table = [0; N];
    let mut value = 0;
    while value < N as u64 {
        let mut register = value;
        let mut bits = N.trailing_zeros();
        while bits > 0 {
            let reduced = if register & 1 == 1 { POLYNOMIAL } else { 0 };
            register = (register >> 1) ^ reduced;
            bits -= 1;
        }
        table[value as usize] = register;
        value += 1;
    }
    table
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
