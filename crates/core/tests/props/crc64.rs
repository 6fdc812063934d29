//! CRC-64/XZ against an independent implementation, and the algebra of combining.

use crc::{CRC_64_XZ, Crc, Table};
use ossget_core::{
    ByteRange, Crc64, CrcAccumulator, Jitter, PartIndex, PartPlan, PartSize, combine, crc64,
};
use proptest::collection::vec;
use proptest::prelude::*;

static REFERENCE: Crc<u64, Table<1>> = Crc::<u64, Table<1>>::new(&CRC_64_XZ);

fn plan(start: u64, len: u64, part_size: u64) -> PartPlan {
    let extent = ByteRange::new(start, start + len).expect("in order");
    PartPlan::new(extent, PartSize::new(part_size).expect("within its bounds"))
}

/// The parts of a plan in an order that `seed` chooses.
fn shuffled(count: u32, seed: u64) -> Vec<u32> {
    let mut jitter = Jitter::new(seed);
    let mut parts: Vec<u32> = (0..count).collect();
    parts.sort_by_cached_key(|_| jitter.next());
    parts
}

proptest! {
    #[test]
    fn the_crc_is_that_of_the_reference(bytes in vec(any::<u8>(), 0..2000), cut in any::<usize>()) {
        let cut = cut % (bytes.len() + 1);
        let mut crc = Crc64::new();
        crc.update(&bytes[..cut]);
        crc.update(&bytes[cut..]);
        prop_assert_eq!(crc.finish(), REFERENCE.checksum(&bytes));
    }

    #[test]
    fn combining_is_hashing_one_after_the_other(
        bytes in vec(any::<u8>(), 0..2000),
        cut in any::<usize>(),
    ) {
        let (a, b) = bytes.split_at(cut % (bytes.len() + 1));
        let combined = combine(crc64(a), crc64(b), b.len() as u64);
        prop_assert_eq!(combined, REFERENCE.checksum(&bytes));
    }

    #[test]
    fn combining_is_associative_at_any_length(
        crcs in any::<[u64; 3]>(),
        lengths in any::<[u32; 2]>(),
        shift in 0_u32..32,
    ) {
        let [a, b, c] = crcs;
        let [len_b, len_c] = lengths.map(|len| u64::from(len) << shift);
        let left = combine(combine(a, b, len_b), c, len_c);
        let right = combine(a, combine(b, c, len_c), len_b + len_c);
        prop_assert_eq!(left, right);
    }

    #[test]
    fn parts_in_any_order_make_the_crc_of_the_bytes(
        len in 0_u64..700_000,
        start in 0_u64..1 << 40,
        seed in any::<u64>(),
    ) {
        let mut jitter = Jitter::new(seed);
        let bytes: Vec<u8> = (0..len).map(|_| jitter.next() as u8).collect();
        let plan = plan(start, len, 102_400);
        let mut accumulator = CrcAccumulator::new(&plan);
        for part in shuffled(plan.count(), seed) {
            let part = PartIndex::new(part);
            let range = plan.range(part).unwrap();
            let at = usize::try_from(range.start() - start).unwrap();
            let to = usize::try_from(range.end() - start).unwrap();
            accumulator.toggle(part, REFERENCE.checksum(&bytes[at..to]));
        }
        prop_assert_eq!(accumulator.value(), REFERENCE.checksum(&bytes));
    }

    #[test]
    fn voided_parts_leave_no_trace(
        count in 1_u32..20_000,
        part_size in 102_400_u64..1 << 32,
        last in 1_u64..102_400,
        seed in any::<u64>(),
    ) {
        let plan = plan(0, u64::from(count - 1) * part_size + last, part_size);
        prop_assert_eq!(plan.count(), count);
        let crc = |part| Jitter::new(seed ^ u64::from(part)).next();
        let mut folded = 0;
        let mut accumulator = CrcAccumulator::new(&plan);
        for part in 0..count {
            folded = combine(folded, crc(part), plan.len_of(PartIndex::new(part)).unwrap());
        }
        for part in shuffled(count, seed) {
            let index = PartIndex::new(part);
            if part % 7 == 0 {
                // Read back wrongly, voided, fetched again.
                accumulator.toggle(index, !crc(part));
                accumulator.toggle(index, !crc(part));
            }
            accumulator.toggle(index, crc(part));
        }
        prop_assert_eq!(accumulator.value(), folded);
    }
}

#[test]
fn the_largest_plan_sums_up_as_folding_does() {
    let plan = plan(0, u64::MAX, 102_400);
    let mut accumulator = CrcAccumulator::new(&plan);
    let mut folded = 0;
    // All CRCs but these are zero, which adds nothing.
    let parts = [0, 1, 4095, 4096, 8191, (1 << 24) - 4098, (1 << 24) - 4097, (1 << 24) - 2];
    let mut end = 0;
    for (part, crc) in parts.into_iter().zip(1..) {
        let part = PartIndex::new(part);
        accumulator.toggle(part, crc);
        let range = plan.range(part).unwrap();
        folded = combine(folded, crc, range.end() - end);
        end = range.end();
    }
    folded = combine(folded, 0, u64::MAX - end);
    assert_eq!(accumulator.value(), folded);
}
