//! The service's rules for the `Range` header.

use std::ops::Range;

/// What a `Range` header selects of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection {
    /// The whole object with 200.
    Whole,
    /// A window with 206.
    Part(Range<u64>),
    /// 416 `InvalidRange`.
    Unsatisfiable,
}

/// How out-of-bounds ranges are treated: `x-oss-range-behavior`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behavior {
    /// A range that is not entirely within the object is ignored.
    Legacy,
    /// Its end is clamped, and it is refused when it begins past the end.
    Standard,
}

/// Applies a `Range` header to an object of `size` bytes.
pub(crate) fn select(header: Option<&str>, size: u64, behavior: Behavior) -> Selection {
    let Some(header) = header else { return Selection::Whole };
    let refused = match behavior {
        Behavior::Legacy => Selection::Whole,
        Behavior::Standard => Selection::Unsatisfiable,
    };
    let Some(asked) = parse(header) else { return refused };
    let (start, last) = match asked {
        Asked::Between(start, last) => (start, last),
        Asked::From(start) => (start, size.saturating_sub(1)),
        Asked::Suffix(length) => {
            if length > size && behavior == Behavior::Legacy {
                return refused;
            }
            match length.min(size) {
                0 => return refused,
                length => (size - length, size - 1),
            }
        }
    };
    if start >= size || (last >= size && behavior == Behavior::Legacy) {
        return refused;
    }
    Selection::Part(start..last.min(size - 1) + 1)
}

/// Where a well-formed range begins, if it says so.
pub(crate) fn start_of(header: &str) -> Option<u64> {
    match parse(header)? {
        Asked::Between(start, _) | Asked::From(start) => Some(start),
        Asked::Suffix(_) => None,
    }
}

/// Whether a well-formed range that says where it begins holds this byte.
pub(crate) fn covers(header: &str, position: u64) -> bool {
    match parse(header) {
        Some(Asked::Between(start, last)) => (start..=last).contains(&position),
        Some(Asked::From(start)) => start <= position,
        Some(Asked::Suffix(_)) | None => false,
    }
}

enum Asked {
    Between(u64, u64),
    From(u64),
    Suffix(u64),
}

fn parse(header: &str) -> Option<Asked> {
    let (start, last) = header.trim().strip_prefix("bytes=")?.split_once('-')?;
    match (start, last) {
        ("", length) => Some(Asked::Suffix(number(length)?)),
        (start, "") => Some(Asked::From(number(start)?)),
        (start, last) => {
            let (start, last) = (number(start)?, number(last)?);
            (start <= last).then_some(Asked::Between(start, last))
        }
    }
}

/// Digits only: `str::parse` would take a plus sign.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::Behavior::{Legacy, Standard};
    use super::Selection::{Part, Unsatisfiable, Whole};
    use super::*;

    #[test]
    fn ranges_follow_the_behavior_asked_for() {
        let table = [
            ("bytes=0-0", Part(0..1), Part(0..1)),
            ("bytes=0-999", Part(0..1000), Part(0..1000)),
            ("bytes=500-", Part(500..1000), Part(500..1000)),
            ("bytes=-100", Part(900..1000), Part(900..1000)),
            ("bytes=-1000", Part(0..1000), Part(0..1000)),
            ("bytes=-1001", Whole, Part(0..1000)),
            ("bytes=-0", Whole, Unsatisfiable),
            ("bytes=500-2000", Whole, Part(500..1000)),
            ("bytes=500-1000", Whole, Part(500..1000)),
            ("bytes=1000-", Whole, Unsatisfiable),
            ("bytes=1000-2000", Whole, Unsatisfiable),
            ("bytes=5-4", Whole, Unsatisfiable),
            ("bytes=0-1,5-6", Whole, Unsatisfiable),
            ("bytes=+1-2", Whole, Unsatisfiable),
            ("bytes=99999999999999999999-", Whole, Unsatisfiable),
            ("bytes=", Whole, Unsatisfiable),
            ("octets=0-1", Whole, Unsatisfiable),
        ];
        for (header, legacy, standard) in table {
            assert_eq!(select(Some(header), 1000, Legacy), legacy, "{header}, legacy");
            assert_eq!(select(Some(header), 1000, Standard), standard, "{header}, standard");
        }
        assert_eq!(select(None, 1000, Standard), Whole);
    }

    #[test]
    fn an_empty_object_has_no_valid_range() {
        for header in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            assert_eq!(select(Some(header), 0, Legacy), Whole, "{header}");
            assert_eq!(select(Some(header), 0, Standard), Unsatisfiable, "{header}");
        }
    }
}
