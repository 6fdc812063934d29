//! Plans cut every extent without gap or overlap.

use ossget_core::{ByteRange, MAX_PARTS, PartIndex, PartPlan, PartSize};
use proptest::prelude::*;

/// Extents of every magnitude.
fn extents() -> impl Strategy<Value = ByteRange> {
    (any::<(u64, u64)>(), 0_u32..64, 0_u32..64).prop_map(|((start, len), down, further)| {
        let start = start >> down;
        ByteRange::new(start, start.saturating_add(len >> further)).expect("in order")
    })
}

fn plans() -> impl Strategy<Value = PartPlan> {
    let part_sizes = prop_oneof![102_400..=200_000_u64, 102_400..=(5_u64 << 30)];
    (extents(), part_sizes).prop_map(|(extent, size)| {
        PartPlan::new(extent, PartSize::new(size).expect("within its bounds"))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn parts_cover_the_extent_once(plan in plans(), pick in any::<u32>()) {
        prop_assert!(plan.count() <= MAX_PARTS);
        prop_assert_eq!(plan.count() == 0, plan.extent().is_empty());
        prop_assert_eq!(plan.range(PartIndex::new(plan.count())), None);
        if plan.count() == 0 {
            return Ok(());
        }
        let range = |part| plan.range(PartIndex::new(part)).unwrap();
        prop_assert_eq!(range(0).start(), plan.extent().start());
        prop_assert_eq!(range(plan.count() - 1).end(), plan.extent().end());
        prop_assert_eq!(range(plan.count() - 1).len(), plan.last_len());
        prop_assert!(plan.last_len() > 0 && plan.last_len() <= plan.part_size());
        let part = pick % plan.count();
        if part + 1 < plan.count() {
            prop_assert_eq!(range(part).end(), range(part + 1).start());
            prop_assert_eq!(range(part).len(), plan.part_size());
        }
        for offset in [range(part).start(), range(part).end() - 1] {
            prop_assert_eq!(plan.part_at(offset), Some(PartIndex::new(part)));
            let in_file = offset - plan.extent().start();
            prop_assert_eq!(plan.offset_in_file(offset), Some(in_file));
        }
    }

    #[test]
    fn a_run_is_its_parts_together(plan in plans(), pick in any::<u32>(), n in any::<u32>()) {
        let part = pick % MAX_PARTS;
        let n = n >> (pick % 32);
        let run = plan.run(PartIndex::new(part), n);
        if part >= plan.count() || n == 0 {
            prop_assert_eq!(run, None);
        } else {
            let last = part.saturating_add(n - 1).min(plan.count() - 1);
            let end = plan.range(PartIndex::new(last)).unwrap().end();
            let start = plan.range(PartIndex::new(part)).unwrap().start();
            prop_assert_eq!(run, ByteRange::new(start, end));
        }
    }

    #[test]
    fn a_plan_is_taken_back_and_no_other(plan in plans(), size in any::<u64>(), count in any::<u32>()) {
        let back = PartPlan::from_parts(plan.extent(), plan.part_size(), plan.count());
        prop_assert_eq!(back, Some(plan));
        let off = PartPlan::from_parts(plan.extent(), plan.part_size(), plan.count() ^ 1);
        prop_assert_eq!(off, None);
        if let Some(other) = PartPlan::from_parts(plan.extent(), size, count) {
            prop_assert_eq!((other.part_size(), other.count()), (size, count));
            prop_assert_eq!(u64::from(count), plan.extent().len().div_ceil(size));
        }
    }

    #[test]
    fn the_part_size_is_kept_where_it_makes_few_enough_parts(
        extent in extents(),
        size in 102_400..=(5_u64 << 30),
    ) {
        let plan = PartPlan::new(extent, PartSize::new(size).unwrap());
        if extent.len().div_ceil(size) <= u64::from(MAX_PARTS) {
            prop_assert_eq!(plan.part_size(), size);
        } else {
            prop_assert_eq!(plan.part_size() % (1 << 20), 0);
            // No smaller number of MiB would do.
            let less = plan.part_size() - (1 << 20);
            prop_assert!(less == 0 || extent.len().div_ceil(less) > u64::from(MAX_PARTS));
        }
    }
}
