//! Multiplication modulo the CRC's polynomial, without carry-less multiply instructions.

use super::reduction_table;

/// `x^0`.
pub(super) const ONE: u64 = 1 << 63;

/// A polynomial prepared for multiplying others by it: its products with all polynomials of
/// degree below 4.
#[derive(Clone, Copy, Debug)]
pub(super) struct Multiplicand([u64; 16]);

impl Multiplicand {
    pub(super) const fn new(value: u64) -> Self {
        // In a group of four bits, too, the most significant is the coefficient of x^0.
        let x1 = times_x(value);
        let x2 = times_x(x1);
        let x3 = times_x(x2);
        let (x23, x01) = (x2 ^ x3, value ^ x1);
        Self([
            0,
            x3,
            x2,
            x23,
            x1,
            x1 ^ x3,
            x1 ^ x2,
            x1 ^ x23,
            value,
            value ^ x3,
            value ^ x2,
            value ^ x23,
            x01,
            x01 ^ x3,
            x01 ^ x2,
            x01 ^ x23,
        ])
    }

    /// The product with `other`, by Horner's rule over groups of four coefficients.
    pub(super) fn times(&self, other: u64) -> u64 {
        // Two halves at once: each step waits for the last, so two chains cost hardly more than
        // one.
        let (mut high, mut low) = (0, 0);
        let mut rest = other;
        for _ in 0..8 {
            high = times_x4(high) ^ pick(&self.0, rest);
            low = times_x4(low) ^ pick(&self.0, rest >> 32);
            rest >>= 4;
        }
        for _ in 0..8 {
            high = times_x4(high);
        }
        high ^ low
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

const fn times_x(value: u64) -> u64 {
    (value >> 1) ^ if value & 1 == 1 { super::POLYNOMIAL } else { 0 }
}

fn times_x4(value: u64) -> u64 {
    (value >> 4) ^ pick(&REDUCED, value)
}

/// The entry that the lowest four bits of `value` choose.
#[expect(clippy::indexing_slicing, reason = "four bits are a position in a table of 16")]
fn pick(table: &[u64; 16], value: u64) -> u64 {
    table[(value & 15) as usize]
}

/// What the four bits shifted out by `x^4` are reduced to.
static REDUCED: [u64; 16] = reduction_table();

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(power(x, 64), super::super::POLYNOMIAL);
        assert_eq!(multiply(power(x, 1000), power(x, 234)), power(x, 1234));
    }
}
