//! Decimal numbers in header values.

/// Reads a decimal number: digits only, at least one, leading zeros allowed; `None` for anything
/// else and for what does not fit.
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digits_that_fit_are_a_number() {
        assert_eq!(decimal(b"0"), Some(0));
        assert_eq!(decimal(b"00018446744073709551615"), Some(u64::MAX));
        assert_eq!(decimal(b"18446744073709551616"), None);
        assert_eq!(decimal(b"184467440737095516150"), None);
        for text in [&b""[..], b"-1", b"+1", b" 1", b"1 ", b"1.0", b"a", b"\xff"] {
            assert_eq!(decimal(text), None);
        }
    }
}
