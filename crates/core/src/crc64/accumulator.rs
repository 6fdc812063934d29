//! The CRC of an object from those of its parts, in any order.

use alloc::vec::Vec;
use core::fmt;

use super::multiply::{Multiplicand, ONE, multiply, power};
use super::shift;
use crate::{PartIndex, PartPlan};

/// Sums up the CRCs of parts, in any order, to that of the planned extent.
///
/// Memory does not depend on what is in: tables of 64 KiB at most, sized by the plan. Each part
/// costs one or two multiplications, tens of nanoseconds, so nothing has to be streamed in order
/// at the end.
#[derive(Clone)]
pub struct CrcAccumulator {
    sum: u64,
    count: u32,
    /// `L · M^k` for `k < 4096`, where `M = x^(8·part size)` and `L = x^(8·length of the last part)`.
    low: Vec<u64>,
    /// `M^(4096·k)`.
    high: Vec<u64>,
}

impl CrcAccumulator {
    /// An accumulator for the parts of `plan`, none of them in.
    #[must_use]
    pub fn new(plan: &PartPlan) -> Self {
        // Parts that have any part after them.
        let multiplied = plan.count().saturating_sub(1);
        let part = shift(plan.part_size());
        let low = powers(shift(plan.last_len()), part, multiplied.min(LOW));
        let high = powers(ONE, power(part, u64::from(LOW)), multiplied.div_ceil(LOW));
        Self { sum: 0, count: plan.count(), low, high }
    }

    /// Puts `part` with its CRC in, or takes it out again if it is in with this CRC.
    ///
    /// A part beyond the plan changes nothing.
    pub fn toggle(&mut self, part: PartIndex, crc: u64) {
        if let Some(term) = self.term(part, crc) {
            self.sum ^= term;
        }
    }

    /// The CRC of the whole extent, once every part is in exactly once; before that, a value
    /// without meaning.
    #[must_use]
    pub const fn value(&self) -> u64 {
        self.sum
    }

    /// The CRC of a part times `x^(8·bytes after it)`.
    fn term(&self, part: PartIndex, crc: u64) -> Option<u64> {
        let after = self.count.checked_sub(1)?.checked_sub(part.get())?;
        // The last part has nothing after it; each other one has the last part and k full ones.
        let Some(k) = after.checked_sub(1) else { return Some(crc) };
        let low = *self.low.get(usize::try_from(k % LOW).ok()?)?;
        let high = *self.high.get(usize::try_from(k / LOW).ok()?)?;
        let term = multiply(low, crc);
        Some(if k < LOW { term } else { multiply(high, term) })
    }
}

impl fmt::Debug for CrcAccumulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CrcAccumulator({:016x} of {} parts)", self.sum, self.count)
    }
}

/// `first · base^k` for `k < n`.
fn powers(first: u64, base: u64, n: u32) -> Vec<u64> {
    let base = Multiplicand::new(base);
    let powers = core::iter::successors(Some(first), |&last| Some(base.times(last)));
    powers.take(usize::try_from(n).unwrap_or(usize::MAX)).collect()
}

/// Entries of the low table: the square root of the largest number of parts, which makes both
/// tables smallest.
const LOW: u32 = 1 << 12;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ByteRange, PartSize, combine};
    use alloc::format;

    fn plan(len: u64) -> PartPlan {
        PartPlan::new(ByteRange::new(0, len).unwrap(), PartSize::MIN)
    }

    #[test]
    fn parts_in_any_order_make_the_crc_of_folding_from_the_left() {
        // Both tables are used beyond their first entries.
        let plan = plan(102_400 * 9000 + 17);
        let mut jitter = crate::Jitter::new(5);
        let crcs: Vec<u64> = (0..plan.count()).map(|_| jitter.next()).collect();
        let mut folded = 0;
        for (part, &crc) in (0..).zip(&crcs) {
            folded = combine(folded, crc, plan.len_of(PartIndex::new(part)).unwrap());
        }
        let mut accumulator = CrcAccumulator::new(&plan);
        for (part, &crc) in (0..plan.count()).rev().zip(crcs.iter().rev()) {
            accumulator.toggle(PartIndex::new(part), crc);
        }
        assert_eq!(accumulator.value(), folded);
    }

    #[test]
    fn a_part_toggled_twice_is_out_again() {
        let plan = plan(1_000_000);
        let mut accumulator = CrcAccumulator::new(&plan);
        accumulator.toggle(PartIndex::new(3), 99);
        let before = accumulator.value();
        accumulator.toggle(PartIndex::new(5), 7);
        assert_ne!(accumulator.value(), before);
        accumulator.toggle(PartIndex::new(5), 7);
        assert_eq!(accumulator.value(), before);
    }

    #[test]
    fn one_part_or_none_needs_no_tables() {
        let mut accumulator = CrcAccumulator::new(&plan(10));
        accumulator.toggle(PartIndex::new(0), 42);
        accumulator.toggle(PartIndex::new(1), 43);
        assert_eq!(accumulator.value(), 42);
        let mut empty = CrcAccumulator::new(&plan(0));
        empty.toggle(PartIndex::new(0), 42);
        assert_eq!(empty.value(), 0);
        assert_eq!(empty.low.capacity() + empty.high.capacity(), 0);
    }

    #[test]
    fn tables_stay_within_64_kib() {
        let largest = PartPlan::new(ByteRange::new(0, u64::MAX).unwrap(), PartSize::MIN);
        let accumulator = CrcAccumulator::new(&largest);
        assert_eq!((accumulator.low.len() + accumulator.high.len()) * 8, 64 << 10);
        let text = format!("{accumulator:?}");
        assert!(text.len() < 80, "{text}");
    }
}
