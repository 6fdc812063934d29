//! Ranges as the user types them, as in a `Range` header: `0-99`, `100-`, `-50`.

use ossget::{ByteRange, ExtentRequest};

/// The bytes that `text` means: `START-END` with both included, `START-` to the end, or
/// `-SUFFIX` for so many before the end.
///
/// # Errors
///
/// A sentence for the user.
pub(crate) fn parse(text: &str) -> Result<ExtentRequest, String> {
    let syntax = || "not a range: write START-END (both included), START- or -SUFFIX".to_owned();
    let (start, end) = text.split_once('-').ok_or_else(syntax)?;
    match (number(start), number(end)) {
        (Some(start), Some(end)) if end < start => {
            Err(format!("the range ends at {end}, before its start {start}"))
        }
        (Some(start), Some(end)) => {
            let range = end.checked_add(1).and_then(|end| ByteRange::new(start, end));
            range.map(ExtentRequest::Slice).ok_or_else(|| "the range ends too far out".to_owned())
        }
        (Some(start), None) if end.is_empty() => Ok(ExtentRequest::From(start)),
        (None, Some(0)) if start.is_empty() => Err("a suffix of 0 bytes is no range".to_owned()),
        (None, Some(suffix)) if start.is_empty() => Ok(ExtentRequest::Last(suffix)),
        _ => Err(syntax()),
    }
}

/// A range of code as the user would type it.
pub(crate) fn text(range: ByteRange) -> String {
    format!("{}-{}", range.start(), range.end().saturating_sub(1))
}

fn number(text: &str) -> Option<u64> {
    // `parse` would take a sign.
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_includes_its_end() {
        let slice = |start, end| ExtentRequest::Slice(ByteRange::new(start, end).unwrap());
        assert_eq!(parse("0-0"), Ok(slice(0, 1)));
        assert_eq!(parse("0-99"), Ok(slice(0, 100)));
        assert_eq!(parse("100-"), Ok(ExtentRequest::From(100)));
        assert_eq!(parse("-50"), Ok(ExtentRequest::Last(50)));
        assert_eq!(text(ByteRange::new(0, 100).unwrap()), "0-99");
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", "-", "5", "a-b", "1-b", "--5", "1-2-3", "+1-2", "1 - 2", "bytes=0-9"] {
            assert!(parse(text).unwrap_err().contains("START-END"), "{text}");
        }
        assert!(parse("9-0").unwrap_err().contains("before its start 9"));
        assert!(parse("-0").unwrap_err().contains("0 bytes"));
        assert!(parse("0-18446744073709551615").unwrap_err().contains("too far"));
    }
}
