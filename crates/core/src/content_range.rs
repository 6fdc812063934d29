//! The `Content-Range` header of a partial response.

use core::fmt;

use crate::ByteRange;

/// A parsed `Content-Range` value: the bytes a 206 response holds, and of how many.
///
/// The grammar is that of RFC 9110, 14.4, exactly:
///
/// ```text
/// Content-Range       = range-unit SP ( range-resp / unsatisfied-range )
/// range-resp          = incl-range "/" ( complete-length / "*" )
/// incl-range          = first-pos "-" last-pos
/// unsatisfied-range   = "*/" complete-length
/// ```
///
/// Numbers may have leading zeros, as `1*DIGIT` allows. Anything else is refused: a sign, a
/// space too many, a second range, trailing bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContentRange {
    range: ByteRange,
    total: Option<u64>,
}

impl ContentRange {
    /// A value that says `range` out of `total` bytes; `None` if the range is empty or reaches
    /// beyond the total, which the header cannot express.
    #[must_use]
    pub fn new(range: ByteRange, total: Option<u64>) -> Option<Self> {
        let fits = total.is_none_or(|total| range.end() <= total);
        (fits && !range.is_empty()).then_some(Self { range, total })
    }

    /// Parses the value of a `Content-Range` header.
    ///
    /// # Errors
    ///
    /// [`ContentRangeError::Unsatisfied`] for the well-formed `bytes */n`, another kind for
    /// whatever the grammar, the number range or the rule `first <= last < total` excludes.
    pub fn parse(value: &[u8]) -> Result<Self, ContentRangeError> {
        let space = value.iter().position(|&byte| byte == b' ');
        let (unit, rest) =
            space.and_then(|at| value.split_at_checked(at)).ok_or(ContentRangeError::Malformed)?;
        if unit.is_empty() {
            return Err(ContentRangeError::Malformed);
        }
        if !unit.eq_ignore_ascii_case(b"bytes") {
            return Err(ContentRangeError::UnknownUnit);
        }
        let rest = rest.strip_prefix(b" ").ok_or(ContentRangeError::Malformed)?;
        let (range, total) = split_once(rest, b'/')?;
        if range == b"*" {
            return Err(ContentRangeError::Unsatisfied { total: number(total)? });
        }
        let (first, last) = split_once(range, b'-')?;
        let (first, last) = (number(first)?, number(last)?);
        let total = if total == b"*" { None } else { Some(number(total)?) };
        if last < first {
            return Err(ContentRangeError::Inverted);
        }
        if total.is_some_and(|total| total <= last) {
            return Err(ContentRangeError::BeyondTotal);
        }
        let end = last.checked_add(1).ok_or(ContentRangeError::Overflow)?;
        let range = ByteRange::new(first, end).ok_or(ContentRangeError::Inverted)?;
        Ok(Self { range, total })
    }

    /// The bytes that the response holds. Never empty.
    #[must_use]
    pub const fn range(self) -> ByteRange {
        self.range
    }

    /// The length of the whole object in bytes; `None` where the server sent `*`.
    #[must_use]
    pub const fn total(self) -> Option<u64> {
        self.total
    }
}

impl fmt::Display for ContentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes {}-{}/", self.range.start(), self.range.end() - 1)?;
        match self.total {
            Some(total) => write!(f, "{total}"),
            None => f.write_str("*"),
        }
    }
}

/// Why a `Content-Range` value grants nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ContentRangeError {
    /// It does not follow the grammar.
    Malformed,
    /// Its unit is not `bytes`.
    UnknownUnit,
    /// A number in it does not fit 64 bits, or the offset after its last byte does not.
    Overflow,
    /// Its last position lies before its first.
    Inverted,
    /// Its last position lies at or after the end of the object.
    BeyondTotal,
    /// It says that the asked range could not be served (`bytes */total`).
    Unsatisfied {
        /// The length of the object in bytes.
        total: u64,
    },
}

impl fmt::Display for ContentRangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("malformed Content-Range"),
            Self::UnknownUnit => f.write_str("Content-Range in an unknown unit"),
            Self::Overflow => f.write_str("Content-Range with a number too large"),
            Self::Inverted => f.write_str("Content-Range that ends before it starts"),
            Self::BeyondTotal => f.write_str("Content-Range beyond the end of the object"),
            Self::Unsatisfied { total } => {
                write!(f, "range not satisfiable: the object has {total} bytes")
            }
        }
    }
}

impl core::error::Error for ContentRangeError {}

/// Splits at the first `separator`, which neither half keeps.
fn split_once(bytes: &[u8], separator: u8) -> Result<(&[u8], &[u8]), ContentRangeError> {
    let mut halves = bytes.splitn(2, |&byte| byte == separator);
    match (halves.next(), halves.next()) {
        (Some(left), Some(right)) => Ok((left, right)),
        _ => Err(ContentRangeError::Malformed),
    }
}

/// Reads `1*DIGIT`.
fn number(digits: &[u8]) -> Result<u64, ContentRangeError> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(ContentRangeError::Malformed);
    }
    crate::decimal(digits).ok_or(ContentRangeError::Overflow)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec::Vec;

    fn parsed(text: &str) -> Result<(u64, u64, Option<u64>), ContentRangeError> {
        let value = ContentRange::parse(text.as_bytes())?;
        Ok((value.range().start(), value.range().end(), value.total()))
    }

    #[test]
    fn each_error_is_told_in_words_of_its_own() {
        let told = |text: &str| parsed(text).expect_err(text).to_string();
        let all =
            ["x", "items 0-1/2", "bytes 99999999999999999999-1/2", "bytes 2-1/9", "bytes 0-9/9"];
        let told_of: Vec<_> = all.into_iter().map(told).collect();
        for (at, text) in told_of.iter().enumerate() {
            assert!(text.contains("Content-Range") && !told_of[..at].contains(text), "{told_of:?}");
        }
        assert_eq!(told("bytes */7"), "range not satisfiable: the object has 7 bytes");
    }

    #[test]
    fn a_range_is_read_as_half_open() {
        assert_eq!(parsed("bytes 0-0/1"), Ok((0, 1, Some(1))));
        assert_eq!(parsed("bytes 100-199/1000"), Ok((100, 200, Some(1000))));
        assert_eq!(parsed("BYTES 007-0199/00200"), Ok((7, 200, Some(200))));
    }

    #[test]
    fn an_unknown_total_is_read_as_none() {
        assert_eq!(parsed("bytes 5-9/*"), Ok((5, 10, None)));
    }

    #[test]
    fn an_unsatisfied_range_reports_the_total() {
        assert_eq!(parsed("bytes */47"), Err(ContentRangeError::Unsatisfied { total: 47 }));
        assert_eq!(parsed("bytes */*"), Err(ContentRangeError::Malformed));
        assert_eq!(parsed("bytes */"), Err(ContentRangeError::Malformed));
    }

    #[test]
    fn the_range_must_end_before_the_total() {
        assert_eq!(parsed("bytes 0-9/10"), Ok((0, 10, Some(10))));
        assert_eq!(parsed("bytes 0-10/10"), Err(ContentRangeError::BeyondTotal));
        assert_eq!(parsed("bytes 0-0/0"), Err(ContentRangeError::BeyondTotal));
        assert_eq!(parsed("bytes 5-4/10"), Err(ContentRangeError::Inverted));
    }

    #[test]
    fn numbers_up_to_the_last_that_fits_are_read_and_none_beyond() {
        let max = u64::MAX;
        assert_eq!(
            parsed("bytes 0-18446744073709551614/18446744073709551615"),
            Ok((0, max, Some(max)))
        );
        for text in [
            "bytes 0-18446744073709551615/*",
            "bytes 0-18446744073709551616/*",
            "bytes 18446744073709551616-18446744073709551617/*",
            "bytes 0-0/18446744073709551616",
            "bytes 0-0/99999999999999999999999999999999999999999",
            "bytes */18446744073709551616",
        ] {
            assert_eq!(parsed(text), Err(ContentRangeError::Overflow), "{text}");
        }
    }

    #[test]
    fn whatever_the_grammar_excludes_is_malformed() {
        for text in [
            "",
            " ",
            "bytes",
            "bytes ",
            "bytes 0-1",
            "bytes 0/1",
            "bytes -1/2",
            "bytes 0-/2",
            "bytes  0-1/2",
            " bytes 0-1/2",
            "bytes 0-1/2 ",
            "bytes 0 -1/2",
            "bytes 0-1 /2",
            "bytes +0-1/2",
            "bytes 0--1/2",
            "bytes 0-1/-2",
            "bytes 0-1/2/3",
            "bytes 0-1,3-4/9",
            "bytes\t0-1/2",
            "bytes=0-1/2",
            "bytes 0x0-1/2",
            "bytes 0-1/2\r",
            "bytes 0-1/**",
            "bytes \u{0660}-1/2",
        ] {
            assert_eq!(parsed(text), Err(ContentRangeError::Malformed), "{text:?}");
        }
        assert_eq!(parsed("items 0-1/2"), Err(ContentRangeError::UnknownUnit));
        assert_eq!(parsed("byte 0-1/2"), Err(ContentRangeError::UnknownUnit));
    }

    #[test]
    fn what_is_displayed_is_read_back() {
        for text in ["bytes 0-0/1", "bytes 5-9/*", "bytes 10-99/1234567"] {
            assert_eq!(ContentRange::parse(text.as_bytes()).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_value_the_header_cannot_express_cannot_be_made() {
        let range = ByteRange::new(0, 10).unwrap();
        assert!(ContentRange::new(range, Some(10)).is_some());
        assert!(ContentRange::new(range, Some(9)).is_none());
        assert!(ContentRange::new(ByteRange::new(3, 3).unwrap(), None).is_none());
    }
}
