//! Reading kept parts back before they count.

use super::{Action, ResumeVerify};
use crate::{PartIndex, PartPlan, PartSet};

/// Bytes read back per action: enough to keep a disk streaming, little enough to report often.
const REHASH_BYTES: u64 = 64 << 20;

/// Kept parts that have not been read back yet.
#[derive(Debug)]
pub(super) struct Rehash {
    unchecked: PartSet,
    cursor: u32,
    /// Parts of the running action that are still to be reported.
    outstanding: u32,
    run: core::ops::Range<u32>,
    unchecked_bytes: u64,
    verify: ResumeVerify,
}

impl Rehash {
    /// Nothing to read back.
    pub(super) fn none() -> Self {
        Self::new(PartSet::new(0), 0, ResumeVerify::Full)
    }

    pub(super) fn new(unchecked: PartSet, unchecked_bytes: u64, verify: ResumeVerify) -> Self {
        Self { unchecked, cursor: 0, outstanding: 0, run: 0..0, unchecked_bytes, verify }
    }

    pub(super) const fn unchecked_bytes(&self) -> u64 {
        self.unchecked_bytes
    }

    pub(super) fn is_settled(&self) -> bool {
        self.unchecked.is_empty() && self.outstanding == 0
    }

    /// The next stretch to read back, unless one is running.
    pub(super) fn next_action(&mut self, plan: &PartPlan) -> Option<Action> {
        if self.outstanding > 0 {
            return None;
        }
        let first = self.unchecked.next_present(self.cursor)?;
        let most = u32::try_from(REHASH_BYTES / plan.part_size().max(1)).unwrap_or(u32::MAX).max(1);
        let count = self.unchecked.run_of_present(first, most);
        self.cursor = first.saturating_add(count);
        self.run = first..self.cursor;
        self.outstanding = count;
        Some(Action::Rehash { first: PartIndex::new(first), count, verify: self.verify })
    }

    /// Asks again for what was asked for but not reported while nobody listened.
    pub(super) const fn rewind(&mut self) {
        self.cursor = 0;
        self.outstanding = 0;
    }

    /// Takes a report in: whether the part was one of those asked for.
    pub(super) fn reported(&mut self, part: PartIndex, bytes: u64) -> bool {
        let fits = self.run.contains(&part.get()) && self.unchecked.remove(part.get());
        if fits {
            self.outstanding = self.outstanding.saturating_sub(1);
            self.unchecked_bytes = self.unchecked_bytes.saturating_sub(bytes);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ByteRange, PartSize};

    fn begun(parts: u32) -> (Rehash, PartPlan) {
        let extent = ByteRange::new(0, u64::from(parts) << 20).unwrap();
        let plan = PartPlan::new(extent, PartSize::new(1 << 20).unwrap());
        let unchecked = PartSet::full(parts);
        (Rehash::new(unchecked, u64::from(parts) << 20, ResumeVerify::Full), plan)
    }

    fn stretch(rehash: &mut Rehash, plan: &PartPlan) -> Option<(u32, u32)> {
        match rehash.next_action(plan)? {
            Action::Rehash { first, count, .. } => Some((first.get(), count)),
            _ => None,
        }
    }

    #[test]
    fn it_is_read_back_in_stretches_one_after_the_other() {
        let (mut rehash, plan) = begun(100);
        assert_eq!(stretch(&mut rehash, &plan), Some((0, 64)), "64 MiB");
        assert_eq!(stretch(&mut rehash, &plan), None, "one at a time");
        for part in 0..64 {
            assert!(!rehash.is_settled() && rehash.reported(PartIndex::new(part), 1 << 20));
        }
        assert_eq!(stretch(&mut rehash, &plan), Some((64, 36)));
        for part in 64..100 {
            assert!(rehash.reported(PartIndex::new(part), 1 << 20));
        }
        assert!(rehash.is_settled() && stretch(&mut rehash, &plan).is_none());
        assert_eq!(rehash.unchecked_bytes(), 0);
    }

    #[test]
    fn what_was_asked_for_and_not_reported_is_asked_for_again() {
        let (mut rehash, plan) = begun(3);
        assert_eq!(stretch(&mut rehash, &plan), Some((0, 3)));
        assert!(rehash.reported(PartIndex::new(1), 1 << 20));
        rehash.rewind();
        assert!(!rehash.is_settled());
        assert_eq!(stretch(&mut rehash, &plan), Some((0, 1)));
        assert!(!rehash.reported(PartIndex::new(2), 1 << 20), "it is not asked for just now");
    }
}
