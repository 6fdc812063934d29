//! Half-open ranges of byte offsets.

use core::fmt;

/// A half-open range of byte offsets within an object: `start` is in it, `end` is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteRange {
    start: u64,
    end: u64,
}

impl ByteRange {
    /// The range from `start` up to, not including, `end`; `None` if `end` lies before `start`.
    #[must_use]
    pub const fn new(start: u64, end: u64) -> Option<Self> {
        if end < start { None } else { Some(Self { start, end }) }
    }

    /// The first offset of the range.
    #[must_use]
    pub const fn start(self) -> u64 {
        self.start
    }

    /// The first offset after the range.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.end
    }

    /// How many bytes the range covers.
    #[must_use]
    pub const fn len(self) -> u64 {
        self.end - self.start
    }

    /// Whether the range covers no byte.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Whether `other` lies wholly within this range. An empty range lies within wherever its
    /// position does, the end included.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// The bytes that both ranges cover; `None` if there are none.
    #[must_use]
    pub fn intersect(self, other: Self) -> Option<Self> {
        let start = self.start.max(other.start);
        let end = self.end.min(other.end);
        if start < end { Some(Self { start, end }) } else { None }
    }

    /// The range as the value of a `Range` header; `None` for an empty range, which that header
    /// cannot express (RFC 9110, 14.1.2).
    #[must_use]
    pub const fn header(self) -> Option<RangeHeader> {
        if self.is_empty() { None } else { Some(RangeHeader(self)) }
    }
}

impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {})", self.start, self.end)
    }
}

/// A non-empty range that displays as a `Range` header value: `bytes=first-last`, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RangeHeader(ByteRange);

impl RangeHeader {
    /// The range it asks for.
    #[must_use]
    pub const fn range(self) -> ByteRange {
        self.0
    }
}

impl fmt::Display for RangeHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes={}-{}", self.0.start, self.0.end - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn range(start: u64, end: u64) -> ByteRange {
        ByteRange::new(start, end).unwrap()
    }

    #[test]
    fn an_end_before_the_start_is_no_range() {
        assert_eq!(ByteRange::new(2, 1), None);
        assert!(ByteRange::new(2, 2).is_some_and(ByteRange::is_empty));
        assert_eq!(range(0, u64::MAX).len(), u64::MAX);
    }

    #[test]
    fn display_is_half_open_and_the_header_is_inclusive() {
        assert_eq!(range(3, 8).to_string(), "[3, 8)");
        assert_eq!(range(3, 8).header().unwrap().to_string(), "bytes=3-7");
        assert_eq!(range(0, 1).header().unwrap().to_string(), "bytes=0-0");
    }

    #[test]
    fn an_empty_range_has_no_header() {
        assert_eq!(range(0, 0).header(), None);
        assert_eq!(range(u64::MAX, u64::MAX).header(), None);
    }

    #[test]
    fn containment_includes_both_edges() {
        assert!(range(2, 8).contains(range(2, 8)));
        assert!(range(2, 8).contains(range(8, 8)));
        assert!(!range(2, 8).contains(range(1, 3)));
        assert!(!range(2, 8).contains(range(7, 9)));
    }

    #[test]
    fn ranges_that_only_touch_do_not_intersect() {
        assert_eq!(range(0, 4).intersect(range(4, 8)), None);
        assert_eq!(range(0, 5).intersect(range(4, 8)), Some(range(4, 5)));
        assert_eq!(range(4, 4).intersect(range(0, 8)), None);
    }
}
