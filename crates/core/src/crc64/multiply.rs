//! Multiplication modulo the CRC's polynomial, without carry-less multiply instructions.

use super::tables::{times_x, times_x64};

/// `x^0`.
pub(super) const ONE: u64 = 1 << 63;

/// A polynomial prepared for multiplying others by it: its products with all polynomials of
/// degree below 4.
#[derive(Clone, Copy, Debug)]
pub(super) struct Multiplicand([u64; 16]);

impl Multiplicand {
    pub(super) const fn new(value: u64) -> Self {
        // In a group of four bits, too, the most significant is the coefficient of x^0.
        let x0 = value;
        let x1 = times_x(x0);
        let x2 = times_x(x1);
        let x3 = times_x(x2);
        let (x01, x23) = (x0 ^ x1, x2 ^ x3);
        Self([
            0,
            x3,
            x2,
            x23,
            x1,
            x1 ^ x3,
            x1 ^ x2,
            x1 ^ x23,
            x0,
            x0 ^ x3,
            x0 ^ x2,
            x0 ^ x23,
            x01,
            x01 ^ x3,
            x01 ^ x2,
            x01 ^ x23,
        ])
    }

    /// The product with `other`, four coefficients at a time.
    ///
    /// The groups' products are first added up to a polynomial of degree below 128 in two words,
    /// then reduced once: no group waits for another.
    pub(super) fn times(&self, other: u64) -> u64 {
        let (mut low_powers, mut high_powers) = (0, 0);
        for group in 0..16 {
            let product = self.pick(other >> (60 - 4 * group));
            low_powers ^= product >> (4 * group);
            // Shifted twice, since a shift by 64 is none.
            high_powers ^= (product << 1) << (63 - 4 * group);
        }
        low_powers ^ times_x64(high_powers)
    }

    /// The product with the polynomial in the lowest four bits of `group`.
    #[expect(clippy::indexing_slicing, reason = "four bits are a position in a table of 16")]
    fn pick(&self, group: u64) -> u64 {
        self.0[(group & 15) as usize]
    }
}

/// The product of two polynomials.
pub(super) fn multiply(a: u64, b: u64) -> u64 {
    Multiplicand::new(a).times(b)
}

/// `base^exponent`, by squaring.
pub(super) fn power(base: u64, exponent: u64) -> u64 {
    let (mut result, mut square, mut rest) = (ONE, base, exponent);
    while rest > 0 {
        if rest & 1 == 1 {
            result = multiply(result, square);
        }
        square = multiply(square, square);
        rest >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crc64::tables::POLYNOMIAL;

    /// Multiplication a bit at a time, as the definition has it.
    fn naive(a: u64, b: u64) -> u64 {
        let mut product = 0;
        let mut shifted = b;
        for power in 0..64 {
            if a & (ONE >> power) != 0 {
                product ^= shifted;
            }
            shifted = times_x(shifted);
        }
        product
    }

    #[test]
    fn multiplication_is_that_of_the_definition() {
        let mut jitter = crate::Jitter::new(1);
        for _ in 0..10_000 {
            let (a, b) = (jitter.next(), jitter.next());
            assert_eq!(multiply(a, b), naive(a, b));
            assert_eq!(multiply(a, b), multiply(b, a));
        }
        for bit in 0..64 {
            assert_eq!(multiply(ONE, 1 << bit), 1 << bit);
            assert_eq!(multiply(1 << bit, 3), naive(1 << bit, 3));
        }
    }

    #[test]
    fn powers_add_their_exponents() {
        let x = ONE >> 1;
        assert_eq!(power(x, 0), ONE);
        assert_eq!(power(x, 63), 1);
        assert_eq!(power(x, 64), POLYNOMIAL);
        assert_eq!(multiply(power(x, 1000), power(x, 234)), power(x, 1234));
    }
}
