//! Reduction modulo the CRC's polynomial, by tables of 16 KiB.

/// The polynomial without its `x^64`, reflected.
pub(super) const POLYNOMIAL: u64 = 0xc96c_5795_d787_0f42;

/// A polynomial times `x`.
pub(super) const fn times_x(value: u64) -> u64 {
    (value >> 1) ^ if value & 1 == 1 { POLYNOMIAL } else { 0 }
}

/// A polynomial times `x^8`: what the register becomes when a byte of zeros is hashed.
pub(super) fn times_x8(value: u64) -> u64 {
    let [low, ..] = value.to_le_bytes();
    let [.., table] = &TABLES;
    (value >> 8) ^ pick(table, low)
}

/// A polynomial times `x^64`: eight lookups that do not wait for each other.
pub(super) fn times_x64(value: u64) -> u64 {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    let [ta, tb, tc, td, te, tf, tg, th] = &TABLES;
    (pick(ta, a) ^ pick(tb, b) ^ pick(tc, c) ^ pick(td, d))
        ^ (pick(te, e) ^ pick(tf, f) ^ pick(tg, g) ^ pick(th, h))
}

#[expect(clippy::indexing_slicing, reason = "a byte is a position in a table of 256")]
fn pick(table: &[u64; 256], byte: u8) -> u64 {
    table[usize::from(byte)]
}

/// For each byte of a polynomial, the lowest first, and each of its values: that times `x^64`.
static TABLES: [[u64; 256]; 8] = tables();

#[expect(clippy::indexing_slicing, reason = "the loops end at the tables' lengths")]
const fn tables() -> [[u64; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut value = 0;
    while value < 256 {
        // Read as the lowest byte, the value is x^56 times what it is as the highest, and so on
        // down: the highest byte's table needs 8 steps, each lower one's 8 more.
        let mut product = value as u64;
        let mut byte = 8;
        while byte > 0 {
            byte -= 1;
            let mut bit = 0;
            while bit < 8 {
                product = times_x(product);
                bit += 1;
            }
            tables[byte][value] = product;
        }
        value += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_agree_with_steps_of_one_bit() {
        let mut jitter = crate::Jitter::new(3);
        for bit in 0..128 {
            let value = if bit < 64 { 1 << bit } else { jitter.next() };
            let steps = |n| (0..n).fold(value, |value, _| times_x(value));
            assert_eq!(times_x8(value), steps(8));
            assert_eq!(times_x64(value), steps(64));
        }
    }
}
