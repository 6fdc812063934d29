//! Durations as the user types them: `500ms`, `20s`, `5m`, `1h`.

use std::time::Duration;

/// The time that `text` means. A bare number is refused: tools differ in what it means. So is
/// zero, which some take for "no limit".
///
/// # Errors
///
/// A sentence for the user.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let milliseconds = UNITS.iter().find(|(name, _)| *name == unit);
    let Some((_, milliseconds)) = milliseconds.filter(|_| digits > 0) else {
        return Err(
            "not a duration: write a number with ms, s, m or h, such as 500ms or 20s".to_owned()
        );
    };
    let total = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*milliseconds));
    match total {
        Some(0) => Err("zero: the least is 1ms".to_owned()),
        Some(total) if total <= LONGEST => Ok(Duration::from_millis(total)),
        _ => Err("too long: the most is 8760h, a year".to_owned()),
    }
}

/// The name of a unit and its milliseconds.
const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];

/// A year in milliseconds: longer than anything meant, short enough to be added to any clock.
const LONGEST: u64 = 8760 * 3_600_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        for (text, milliseconds) in [
            ("1ms", 1),
            ("500ms", 500),
            ("20s", 20_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("8760h", LONGEST),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "5", "s", "-5s", "1.5s", "5 s", "5S", "5min", "5d", "5m30s"] {
            assert!(parse(text).unwrap_err().contains("500ms"), "{text}");
        }
    }

    #[test]
    fn zero_and_more_than_a_year_are_refused() {
        assert!(parse("0s").unwrap_err().contains("1ms"));
        for text in ["8761h", "99999999999999999999s", "18446744073709551615h"] {
            assert!(parse(text).unwrap_err().contains("8760h"), "{text}");
        }
    }
}
