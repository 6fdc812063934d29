//! What a file holds, as stretches with one tag each.

use super::content::Tag;
use ossget_core::combine;
use std::collections::BTreeMap;

/// A map from offsets to content; what is not in it reads as zeros.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extents {
    /// Start, then end and content; disjoint, equal neighbours joined.
    map: BTreeMap<u64, (u64, Tag)>,
}

impl Extents {
    /// Overwrites a stretch.
    pub(crate) fn write(&mut self, start: u64, end: u64, tag: Tag) {
        if start >= end {
            return;
        }
        self.clear(start, end);
        let (mut start, mut end) = (start, end);
        // A literal is a damaged byte: kept apart, since its CRC is computed byte by byte.
        if !matches!(tag, Tag::Literal(_)) {
            if let Some((&before, &(until, left))) = self.map.range(..start).next_back()
                && until == start
                && left == tag
            {
                self.map.remove(&before);
                start = before;
            }
            if let Some(&(until, right)) = self.map.get(&end)
                && right == tag
            {
                self.map.remove(&end);
                end = until;
            }
        }
        if tag != Tag::Zero {
            self.map.insert(start, (end, tag));
        }
    }

    /// Forgets what lies beyond `len`.
    pub(crate) fn truncate(&mut self, len: u64) {
        self.clear(len, u64::MAX);
    }

    fn clear(&mut self, start: u64, end: u64) {
        if let Some((&before, &(until, tag))) = self.map.range(..start).next_back()
            && until > start
        {
            self.map.insert(before, (start, tag));
            if until > end {
                self.map.insert(end, (until, tag));
            }
        }
        let inside: Vec<u64> = self.map.range(start..end).map(|(&at, _)| at).collect();
        for at in inside {
            let Some((until, tag)) = self.map.remove(&at) else { continue };
            if until > end {
                self.map.insert(end, (until, tag));
            }
        }
    }

    /// The stretches of a range, gaps included.
    pub(crate) fn stretches(&self, start: u64, end: u64) -> Vec<(u64, u64, Tag)> {
        let mut all = Vec::new();
        let mut at = start;
        let first = self.map.range(..=start).next_back().map_or(start, |(&first, _)| first);
        for (&from, &(until, tag)) in self.map.range(first..end) {
            let (from, until) = (from.max(start), until.min(end));
            if from >= until {
                continue;
            }
            if from > at {
                all.push((at, from, Tag::Zero));
            }
            all.push((from, until, tag));
            at = until;
        }
        if at < end {
            all.push((at, end, Tag::Zero));
        }
        all
    }

    /// CRC-64 of a range.
    pub(crate) fn crc(&self, start: u64, end: u64) -> u64 {
        self.stretches(start, end)
            .into_iter()
            .fold(0, |crc, (from, until, tag)| combine(crc, tag.crc(from, until), until - from))
    }

    /// Whether a range holds nothing but the given content.
    pub(crate) fn holds(&self, start: u64, end: u64, tag: Tag) -> bool {
        self.stretches(start, end)
            .into_iter()
            .all(|(from, until, found)| found.same(tag, from, until))
    }
}

#[test]
fn overwriting_splits_and_joins() {
    let (a, b) = (Tag::stream(1), Tag::stream(2));
    let mut extents = Extents::default();
    extents.write(0, 100, a);
    extents.write(40, 60, b);
    assert_eq!(extents.stretches(0, 110).len(), 4);
    assert!(extents.holds(40, 60, b) && !extents.holds(39, 60, b));
    extents.write(40, 60, a);
    assert_eq!(extents.stretches(0, 100), [(0, 100, a)]);
    extents.write(10, 11, Tag::Literal(7));
    extents.truncate(50);
    assert_eq!(extents.stretches(5, 60).len(), 4);
    assert_eq!(
        extents.crc(9, 52),
        ossget_core::crc64(
            &(9..52)
                .map(|at| match at {
                    10 => 7,
                    50.. => 0,
                    _ => a.byte(at),
                })
                .collect::<Vec<u8>>()
        )
    );
}
