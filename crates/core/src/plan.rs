//! How an object is cut into parts.

use core::fmt;

use crate::ByteRange;

/// The most parts a plan has: 2^24.
///
/// It bounds what a checkpoint makes its reader allocate (a bitmap of 2 MiB) and the size of its
/// slot table (256 MiB). 48.8 TB, the largest object OSS holds, in parts of 8 MiB needs 5.8
/// million.
pub const MAX_PARTS: u32 = 1 << 24;

/// The position of a part in its plan, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartIndex(u32);

impl PartIndex {
    /// The part at position `index`.
    #[must_use]
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// The position.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for PartIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A part size that was asked for: 100 KiB to 5 GiB, the bounds OSS documents for parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartSize(u64);

impl PartSize {
    /// The smallest: 100 KiB.
    pub const MIN: Self = Self(100 * KIB);

    /// The largest: 5 GiB.
    pub const MAX: Self = Self(5 * 1024 * MIB);

    /// What [`PartSize::auto`] comes to for an extent of 7 to 781 GiB: 8 MiB.
    pub const DEFAULT: Self = Self(8 * MIB);

    /// A part size of so many bytes.
    ///
    /// # Errors
    ///
    /// [`PartSizeError`] outside [`PartSize::MIN`]`..=`[`PartSize::MAX`].
    pub const fn new(bytes: u64) -> Result<Self, PartSizeError> {
        if bytes < Self::MIN.0 || bytes > Self::MAX.0 {
            Err(PartSizeError { bytes })
        } else {
            Ok(Self(bytes))
        }
    }

    /// A part size of `n` MiB.
    ///
    /// # Errors
    ///
    /// As [`PartSize::new`].
    pub const fn mib(n: u64) -> Result<Self, PartSizeError> {
        Self::new(n.saturating_mul(MIB))
    }

    /// A part size of `n` KiB.
    ///
    /// # Errors
    ///
    /// As [`PartSize::new`].
    pub const fn kib(n: u64) -> Result<Self, PartSizeError> {
        Self::new(n.saturating_mul(KIB))
    }

    /// The part size for an extent of `extent_len` bytes when none was asked for: the smallest
    /// whole number of MiB that needs no more than 1,024 parts, [`PartSize::DEFAULT`] at most;
    /// where these would be more than 100,000, the smallest that needs no more of them, and
    /// [`PartSize::MAX`] where there is none.
    ///
    /// What a crash costs and how long the last connection is waited for grow with the part size,
    /// so it is no larger than needed. Any whole MiB can be written directly.
    #[must_use]
    pub const fn auto(extent_len: u64) -> Self {
        let few = whole_mib(extent_len.div_ceil(FEW_PARTS));
        let least = whole_mib(extent_len.div_ceil(AUTO_PARTS));
        if least >= Self::MAX.0 {
            Self::MAX
        } else if least >= Self::DEFAULT.0 {
            Self(least)
        } else if few >= Self::DEFAULT.0 {
            Self::DEFAULT
        } else {
            Self(few)
        }
    }

    /// The size in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl Default for PartSize {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A part size out of bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartSizeError {
    bytes: u64,
}

impl PartSizeError {
    /// The size that was asked for, in bytes (`u64::MAX` if it did not fit).
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.bytes
    }
}

impl fmt::Display for PartSizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "part size of {} bytes, outside {} (100 KiB) to {} (5 GiB)",
            self.bytes,
            PartSize::MIN.0,
            PartSize::MAX.0
        )
    }
}

impl core::error::Error for PartSizeError {}

/// An extent of an object, cut into parts of equal size, the last one possibly shorter.
///
/// Offsets are those of the object, not of the extent. There are [`MAX_PARTS`] parts at most; a
/// plan that would need more raises the part size to the smallest whole number of MiB that does
/// not, beyond [`PartSize::MAX`] if it must (above 80 PiB).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PartPlan {
    extent: ByteRange,
    part_size: u64,
    count: u32,
}

impl PartPlan {
    /// Cuts `extent` into parts of `part_size`, or of more where that would be too many.
    #[must_use]
    pub fn new(extent: ByteRange, part_size: PartSize) -> Self {
        let len = extent.len();
        let part_size = if len.div_ceil(part_size.0) > u64::from(MAX_PARTS) {
            raised(len)
        } else {
            part_size.0
        };
        let count = u32::try_from(len.div_ceil(part_size)).unwrap_or(MAX_PARTS);
        Self { extent, part_size, count }
    }

    /// The plan that a checkpoint describes, given its effective part size in bytes and its
    /// number of parts; `None` unless [`PartPlan::new`] makes exactly this plan.
    #[must_use]
    pub fn from_parts(extent: ByteRange, part_size: u64, count: u32) -> Option<Self> {
        let plan = Self { extent, part_size, count };
        let asked = PartSize::new(part_size).unwrap_or(PartSize::MAX);
        (Self::new(extent, asked) == plan).then_some(plan)
    }

    /// The range of the object that the plan covers.
    #[must_use]
    pub const fn extent(&self) -> ByteRange {
        self.extent
    }

    /// The effective part size in bytes: that of every part but the last.
    #[must_use]
    pub const fn part_size(&self) -> u64 {
        self.part_size
    }

    /// The number of parts: 0 for an empty extent, [`MAX_PARTS`] at most.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The bytes of the object that `part` covers; `None` beyond the last part.
    #[must_use]
    pub fn range(&self, part: PartIndex) -> Option<ByteRange> {
        self.run(part, 1)
    }

    /// The length of `part` in bytes; `None` beyond the last part.
    #[must_use]
    pub fn len_of(&self, part: PartIndex) -> Option<u64> {
        self.range(part).map(ByteRange::len)
    }

    /// The length of the last part in bytes; 0 if there is no part.
    #[must_use]
    pub fn last_len(&self) -> u64 {
        let before = u64::from(self.count.saturating_sub(1)).saturating_mul(self.part_size);
        self.extent.len().saturating_sub(before)
    }

    /// The part that covers an offset of the object; `None` outside the extent.
    #[must_use]
    pub fn part_at(&self, offset: u64) -> Option<PartIndex> {
        if offset >= self.extent.end() {
            return None;
        }
        let within = offset.checked_sub(self.extent.start())?;
        u32::try_from(within / self.part_size).ok().map(PartIndex)
    }

    /// The bytes of the object that `n` parts from `first` on cover, or as many of them as there
    /// are; `None` if that is none.
    #[must_use]
    pub fn run(&self, first: PartIndex, n: u32) -> Option<ByteRange> {
        if first.0 >= self.count || n == 0 {
            return None;
        }
        let start = u64::from(first.0).checked_mul(self.part_size)?;
        let start = self.extent.start().checked_add(start)?;
        let len = u64::from(n).saturating_mul(self.part_size);
        ByteRange::new(start, start.saturating_add(len).min(self.extent.end()))
    }

    /// Where an offset of the object lies in the partial file; `None` outside the extent. The
    /// extent's end is within: it is where the last range ends.
    #[must_use]
    pub fn offset_in_file(&self, offset: u64) -> Option<u64> {
        if offset > self.extent.end() {
            return None;
        }
        offset.checked_sub(self.extent.start())
    }
}

/// The smallest whole number of MiB that cuts `len` bytes into no more than [`MAX_PARTS`]: 1 TiB
/// at most, since both 2^64 and the largest number of parts are powers of two.
const fn raised(len: u64) -> u64 {
    len.div_ceil(MAX_PARTS as u64).div_ceil(MIB) * MIB
}

/// The smallest whole number of MiB that holds so much, one at least.
const fn whole_mib(bytes: u64) -> u64 {
    match bytes.div_ceil(MIB).saturating_mul(MIB) {
        0 => MIB,
        whole => whole,
    }
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// How many parts are few: with 32 connections 32 for each, the last of which is waited for.
const FEW_PARTS: u64 = 1024;

/// How many parts [`PartSize::auto`] makes at most.
const AUTO_PARTS: u64 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn range(start: u64, end: u64) -> ByteRange {
        ByteRange::new(start, end).unwrap()
    }

    fn plan(start: u64, end: u64, part_size: u64) -> PartPlan {
        PartPlan::new(range(start, end), PartSize::new(part_size).unwrap())
    }

    #[test]
    fn a_part_size_lies_between_100_kib_and_5_gib() {
        assert_eq!(PartSize::new(102_399).unwrap_err().bytes(), 102_399);
        assert_eq!(PartSize::kib(100), Ok(PartSize::MIN));
        assert_eq!(PartSize::mib(5120), Ok(PartSize::MAX));
        assert!(PartSize::new(5 * (1 << 30) + 1).is_err());
        assert_eq!(PartSize::mib(u64::MAX).unwrap_err().bytes(), u64::MAX);
        assert!(PartSize::new(0).unwrap_err().to_string().contains("102400"));
    }

    #[test]
    fn the_automatic_part_size_keeps_to_100_000_parts() {
        let eight = 8 * MIB;
        assert_eq!(PartSize::auto(eight * 100_000), PartSize::DEFAULT);
        assert_eq!(PartSize::auto(eight * 100_000 + 1).bytes(), 9 * MIB);
        // 48.8 TB.
        assert_eq!(PartSize::auto(48_800_000_000_000).bytes(), 466 * MIB);
        assert_eq!(PartSize::auto(u64::MAX), PartSize::MAX);
    }

    #[test]
    fn a_small_extent_has_small_parts() {
        for (len, mib) in [
            (0, 1),
            (1, 1),
            (1024 * MIB, 1),
            (1024 * MIB + 1, 2),
            (2560 * MIB, 3),
            (7 * 1024 * MIB, 7),
            (7 * 1024 * MIB + 1, 8),
            (1 << 40, 11),
        ] {
            assert_eq!(PartSize::auto(len).bytes(), mib * MIB, "{len}");
        }
    }

    #[test]
    fn an_empty_extent_has_no_parts() {
        let plan = plan(5, 5, 102_400);
        assert_eq!((plan.count(), plan.last_len()), (0, 0));
        assert_eq!(plan.range(PartIndex::new(0)), None);
        assert_eq!(plan.part_at(5), None);
        assert_eq!(plan.run(PartIndex::new(0), 9), None);
    }

    #[test]
    fn the_last_part_is_what_remains() {
        for (len, count, last) in [
            (1, 1, 1),
            (102_399, 1, 102_399),
            (102_400, 1, 102_400),
            (102_401, 2, 1),
            (1_024_000 - 1, 10, 102_399),
            (1_024_000, 10, 102_400),
            (1_024_000 + 1, 11, 1),
        ] {
            let plan = plan(7, 7 + len, 102_400);
            assert_eq!((plan.count(), plan.last_len()), (count, last), "{len}");
            assert_eq!(plan.len_of(PartIndex::new(count - 1)), Some(last));
            assert_eq!(plan.len_of(PartIndex::new(count)), None);
        }
    }

    #[test]
    fn ranges_are_offsets_of_the_object() {
        let plan = plan(1000, 301_000, 102_400);
        assert_eq!(plan.range(PartIndex::new(1)), Some(range(103_400, 205_800)));
        assert_eq!(plan.range(PartIndex::new(2)), Some(range(205_800, 301_000)));
        assert_eq!(plan.run(PartIndex::new(1), 2), Some(range(103_400, 301_000)));
        assert_eq!(plan.run(PartIndex::new(1), u32::MAX), Some(range(103_400, 301_000)));
        assert_eq!(plan.run(PartIndex::new(1), 0), None);
        assert_eq!(plan.run(PartIndex::new(3), 1), None);
        assert_eq!(plan.part_at(999), None);
        assert_eq!(plan.part_at(1000), Some(PartIndex::new(0)));
        assert_eq!(plan.part_at(103_399), Some(PartIndex::new(0)));
        assert_eq!(plan.part_at(103_400), Some(PartIndex::new(1)));
        assert_eq!(plan.part_at(301_000), None);
        assert_eq!(plan.offset_in_file(999), None);
        assert_eq!(plan.offset_in_file(1000), Some(0));
        assert_eq!(plan.offset_in_file(301_000), Some(300_000));
        assert_eq!(plan.offset_in_file(301_001), None);
    }

    #[test]
    fn too_many_parts_raise_the_part_size_to_whole_mib() {
        let limit = 102_400 * u64::from(MAX_PARTS);
        assert_eq!(plan(0, limit, 102_400).part_size(), 102_400);
        assert_eq!(plan(0, limit, 102_400).count(), MAX_PARTS);
        let more = plan(0, limit + 1, 102_400);
        assert_eq!((more.part_size(), more.count()), (MIB, 1_638_401));
        // 48.8 TB in parts of 100 KiB: 3 MiB each.
        let largest = plan(0, 48_800_000_000_000, 102_400);
        assert_eq!((largest.part_size(), largest.count()), (3 * MIB, 15_513_103));
    }

    #[test]
    fn the_largest_extent_of_all_fits() {
        let plan = plan(0, u64::MAX, 102_400);
        assert_eq!((plan.part_size(), plan.count()), (1 << 40, MAX_PARTS));
        assert_eq!(plan.last_len(), (1 << 40) - 1);
        let last = PartIndex::new(MAX_PARTS - 1);
        assert_eq!(plan.range(last).unwrap().end(), u64::MAX);
        assert_eq!(plan.part_at(u64::MAX - 1), Some(last));
    }

    #[test]
    fn only_self_consistent_plans_are_taken_back() {
        let made = plan(10, 1_000_000, 102_400);
        let back = |size, count| PartPlan::from_parts(made.extent(), size, count);
        assert_eq!(back(102_400, made.count()), Some(made));
        assert_eq!(back(102_400, made.count() + 1), None);
        assert_eq!(back(102_400, made.count() - 1), None);
        assert_eq!(back(102_399, 10), None);
        assert_eq!(back(0, 0), None);
        assert_eq!(back(u64::MAX, 1), None);
        let huge = plan(0, u64::MAX, 102_400);
        let back = PartPlan::from_parts(huge.extent(), huge.part_size(), huge.count());
        assert_eq!(back, Some(huge));
        assert_eq!(PartPlan::from_parts(huge.extent(), 1 << 41, 1 << 23), None);
        assert_eq!(PartPlan::from_parts(range(4, 4), 102_400, 0).unwrap().count(), 0);
        assert_eq!(PartPlan::from_parts(range(4, 4), 102_400, 1), None);
    }
}
