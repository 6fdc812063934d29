//! Arithmetic of CRC-64/XZ as polynomials over GF(2), in the reflected representation.
//!
//! A value's most significant bit is the coefficient of `x^0`. The *raw* remainder of a message is
//! its CRC without the initial and final complement: linear, so that the remainder of a long
//! message can be computed from those of its pieces.

use crc_fast::CrcAlgorithm;

/// The polynomial `x^0`.
pub(crate) const ONE: u64 = 1 << 63;

/// The CRC-64/XZ of `bytes`, as `x-oss-hash-crc64ecma` states it.
pub(crate) fn crc64(bytes: &[u8]) -> u64 {
    crc_fast::checksum(CrcAlgorithm::Crc64Xz, bytes)
}

/// The product of two polynomials modulo the CRC's.
pub(crate) fn multiply(left: u64, right: u64) -> u64 {
    let mut product = 0;
    let mut shifted = right;
    for power in 0..64 {
        if left & (ONE >> power) != 0 {
            product ^= shifted;
        }
        shifted = (shifted >> 1) ^ (POLYNOMIAL & (shifted & 1).wrapping_neg());
    }
    product
}

/// `x^(8 * bytes)`: what a remainder is multiplied by when so many bytes follow.
pub(crate) fn shift_by(bytes: u64) -> u64 {
    let mut exponent = u128::from(bytes) * 8;
    let mut square = ONE >> 1;
    let mut result = ONE;
    while exponent != 0 {
        if exponent & 1 != 0 {
            result = multiply(result, square);
        }
        square = multiply(square, square);
        exponent >>= 1;
    }
    result
}

/// The raw remainder of a short message.
pub(crate) fn raw_remainder(bytes: &[u8]) -> u64 {
    crc_to_raw(crc64(bytes), bytes.len() as u64)
}

/// The CRC of a message of `length` bytes with this raw remainder.
pub(crate) fn raw_to_crc(raw: u64, length: u64) -> u64 {
    raw ^ multiply(u64::MAX, shift_by(length)) ^ u64::MAX
}

/// The CRC of two messages, one after the other; `length` is that of the second.
///
/// Taken once more with the first one's CRC it gives back the second's.
pub(crate) fn followed_by(first: u64, second: u64, length: u64) -> u64 {
    multiply(first, shift_by(length)) ^ second
}

fn crc_to_raw(crc: u64, length: u64) -> u64 {
    // The two complements are their own inverses.
    raw_to_crc(crc, length)
}

const POLYNOMIAL: u64 = 0xC96C_5795_D787_0F42;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_is_that_of_crc_64_xz() {
        assert_eq!(crc64(b"123456789"), 0x995d_c9bb_df19_39fa);
    }

    #[test]
    fn remainders_of_pieces_give_the_crc_of_the_whole() {
        let message = b"The quick brown fox jumps over the lazy dog";
        for cut in 0..message.len() {
            let (left, right) = message.split_at(cut);
            let raw =
                multiply(raw_remainder(left), shift_by(right.len() as u64)) ^ raw_remainder(right);
            assert_eq!(raw_to_crc(raw, message.len() as u64), crc64(message), "cut at {cut}");
        }
    }

    #[test]
    fn crcs_of_pieces_give_the_crc_of_the_whole_and_back() {
        let message = b"The quick brown fox jumps over the lazy dog";
        for cut in 0..=message.len() {
            let (left, right) = message.split_at(cut);
            let (first, second, length) = (crc64(left), crc64(right), right.len() as u64);
            let whole = followed_by(first, second, length);
            assert_eq!(whole, crc64(message), "cut at {cut}");
            assert_eq!(followed_by(first, whole, length), second, "cut at {cut}");
        }
    }

    #[test]
    fn multiplying_by_one_changes_nothing() {
        assert_eq!(multiply(0x0123_4567_89ab_cdef, ONE), 0x0123_4567_89ab_cdef);
        assert_eq!(multiply(ONE, 0x0123_4567_89ab_cdef), 0x0123_4567_89ab_cdef);
        assert_eq!(shift_by(0), ONE);
    }
}
