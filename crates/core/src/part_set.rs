//! A set of parts.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

/// A set of part positions out of `0..count`: a bitmap that keeps its number of members.
///
/// A bit a part: 10 million parts take 1.25 MB. Scans go a word of 64 parts at a time. Positions
/// at or beyond `count` are never members, and inserting one changes nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct PartSet {
    /// Bits at or beyond `count` are zero.
    words: Vec<u64>,
    count: u32,
    len: u32,
}

impl PartSet {
    /// The empty set of parts out of `0..count`.
    #[must_use]
    pub fn new(count: u32) -> Self {
        let words = usize::try_from(count.div_ceil(BITS)).unwrap_or(usize::MAX);
        Self { words: vec![0; words], count, len: 0 }
    }

    /// The set of all parts of `0..count`.
    #[must_use]
    pub fn full(count: u32) -> Self {
        let mut set = Self::new(count);
        set.words.fill(u64::MAX);
        if let (Some(last), 1..) = (set.words.last_mut(), count % BITS) {
            *last = (1 << (count % BITS)) - 1;
        }
        set.len = count;
        set
    }

    /// How many parts there are to be in the set: the `count` it was made with.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// How many parts are in the set.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether no part is in the set.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether every part is in the set. A set out of no parts at all is both empty and full.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.len == self.count
    }

    /// Whether `part` is in the set.
    #[must_use]
    pub fn contains(&self, part: u32) -> bool {
        self.word(part / BITS) & bit(part) != 0
    }

    /// Puts `part` into the set. Returns whether it was new there.
    pub fn insert(&mut self, part: u32) -> bool {
        if part >= self.count || self.contains(part) {
            return false;
        }
        self.flip(part);
        self.len += 1;
        true
    }

    /// Takes `part` out of the set. Returns whether it was there.
    pub fn remove(&mut self, part: u32) -> bool {
        if !self.contains(part) {
            return false;
        }
        self.flip(part);
        self.len -= 1;
        true
    }

    /// The first part at or after `from` that is in the set.
    #[must_use]
    pub fn next_present(&self, from: u32) -> Option<u32> {
        self.scan(from, 0)
    }

    /// The first part at or after `from`, of those there are, that is not in the set.
    #[must_use]
    pub fn next_missing(&self, from: u32) -> Option<u32> {
        self.scan(from, u64::MAX)
    }

    /// How many parts from `from` on are in the set without a gap; no more than `max`.
    #[must_use]
    pub fn run_of_present(&self, from: u32, max: u32) -> u32 {
        let mut run = 0;
        while run < max {
            let Some(at) = from.checked_add(run) else { break };
            let left = BITS - at % BITS;
            let ones = (self.word(at / BITS) >> (at % BITS)).trailing_ones().min(left);
            run = run.saturating_add(ones);
            if ones < left {
                break;
            }
        }
        run.min(max)
    }

    /// The parts in the set, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let mut from = Some(0);
        core::iter::from_fn(move || {
            let part = self.next_present(from?)?;
            from = part.checked_add(1);
            Some(part)
        })
    }

    /// The first part at or after `from` whose bit differs from those of `skipped`, which is all
    /// zeros or all ones.
    fn scan(&self, from: u32, skipped: u64) -> Option<u32> {
        if from >= self.count {
            return None;
        }
        let first = from / BITS;
        let mut hits = (self.word(first) ^ skipped) & (u64::MAX << (from % BITS));
        let mut base = first * BITS;
        let mut later = self.words.iter().skip(usize::try_from(first).ok()?.checked_add(1)?);
        while hits == 0 {
            hits = later.next()? ^ skipped;
            base = base.checked_add(BITS)?;
        }
        base.checked_add(hits.trailing_zeros()).filter(|&part| part < self.count)
    }

    /// The word at `index`; zeros beyond the last.
    fn word(&self, index: u32) -> u64 {
        usize::try_from(index).ok().and_then(|at| self.words.get(at)).copied().unwrap_or(0)
    }

    /// Changes the bit of `part`.
    fn flip(&mut self, part: u32) {
        let word = usize::try_from(part / BITS).ok().and_then(|at| self.words.get_mut(at));
        if let Some(word) = word {
            *word ^= bit(part);
        }
    }
}

impl fmt::Debug for PartSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PartSet({} of {})", self.len, self.count)
    }
}

/// The bit of `part` in its word.
const fn bit(part: u32) -> u64 {
    1 << (part % BITS)
}

/// Parts in a word.
const BITS: u32 = u64::BITS;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn a_full_set_holds_exactly_its_parts() {
        for count in [0, 1, 63, 64, 65, 128, 1000] {
            let full = PartSet::full(count);
            assert_eq!((full.count(), full.len()), (count, count));
            assert!(full.is_full());
            assert!(full.iter().eq(0..count));
            assert_eq!(full.next_missing(0), None);
            assert_eq!(full.run_of_present(0, u32::MAX), count);
            let mut grown = PartSet::new(count);
            assert!((0..count).all(|part| grown.insert(part)));
            assert_eq!(grown, full);
        }
    }

    #[test]
    fn parts_beyond_the_count_are_never_members() {
        let mut set = PartSet::new(10);
        for part in [10, 11, 63, 64, u32::MAX] {
            assert!(!set.insert(part) && !set.contains(part) && !set.remove(part));
            assert_eq!(set.next_present(part), None);
            assert_eq!(set.next_missing(part), None);
            assert_eq!(set.run_of_present(part, 5), 0);
        }
        assert!(set.is_empty());
    }

    #[test]
    fn inserting_and_removing_report_whether_they_changed_anything() {
        let mut set = PartSet::new(70);
        assert!(set.insert(64));
        assert!(!set.insert(64));
        assert_eq!(set.len(), 1);
        assert!(set.remove(64));
        assert!(!set.remove(64));
        assert_eq!(set.len(), 0);
    }

    #[test]
    fn scans_cross_word_boundaries() {
        let mut set = PartSet::full(200);
        set.remove(130);
        assert_eq!(set.next_missing(0), Some(130));
        assert_eq!(set.next_missing(131), None);
        assert_eq!(set.next_present(130), Some(131));
        assert_eq!(set.run_of_present(3, u32::MAX), 127);
        assert_eq!(set.run_of_present(3, 100), 100);
        assert_eq!(set.run_of_present(131, u32::MAX), 69);
        assert_eq!(set.run_of_present(130, 9), 0);
    }

    #[test]
    fn a_set_of_the_most_parts_there_can_be_is_small_and_quick_to_scan() {
        let mut set = PartSet::new(crate::MAX_PARTS);
        set.insert(crate::MAX_PARTS - 1);
        assert_eq!(set.words.len() * 8, 2 << 20);
        assert_eq!(set.next_present(0), Some(crate::MAX_PARTS - 1));
    }

    #[test]
    fn debug_does_not_print_the_bitmap() {
        assert_eq!(format!("{:?}", PartSet::new(1 << 24)), "PartSet(0 of 16777216)");
    }
}
