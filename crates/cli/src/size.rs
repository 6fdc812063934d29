//! Sizes as the user types them: `8388608`, `8m`, `8MiB`.

use std::num::NonZeroU64;

/// The bytes that `text` means. A unit is a power of 1024.
///
/// `KB`, `MB`… are refused: half of the world means 1000 by them.
///
/// # Errors
///
/// A sentence for the user, when it is no size or does not fit into 64 bits.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let shift =
        UNITS.iter().find(|(names, _)| names.iter().any(|it| it.eq_ignore_ascii_case(unit)));
    let Some((_, shift)) = shift.filter(|_| digits > 0) else {
        return Err("not a size: write bytes, or a number with k, m, g, t or KiB, MiB, GiB, TiB \
                    (powers of 1024)"
            .to_owned());
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| "more bytes than fit into 64 bits".to_owned())
}

/// The bytes a second that `text` means.
///
/// # Errors
///
/// As [`parse`], and for none at all.
pub(crate) fn per_second(text: &str) -> Result<NonZeroU64, String> {
    NonZeroU64::new(parse(text)?)
        .ok_or_else(|| "nothing would ever come: write 1 or more, or leave it out".to_owned())
}

/// The names of a unit, in any case, and its power of two.
const UNITS: [(&[&str], u32); 5] = [
    (&[""], 0),
    (&["k", "kib"], 10),
    (&["m", "mib"], 20),
    (&["g", "gib"], 30),
    (&["t", "tib"], 40),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bytes_or_powers_of_1024() {
        for (text, bytes) in [
            ("0", 0),
            ("1", 1),
            ("102400", 102_400),
            ("100k", 102_400),
            ("100K", 102_400),
            ("100KiB", 102_400),
            ("100kib", 102_400),
            ("8m", 8 << 20),
            ("8M", 8 << 20),
            ("8MiB", 8 << 20),
            ("5g", 5 << 30),
            ("5GiB", 5 << 30),
            ("2t", 2 << 40),
            ("2TiB", 2 << 40),
            ("18446744073709551615", u64::MAX),
            ("16777215t", 16_777_215 << 40),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in
            ["", "k", "-1", "+1", "1.5g", "1 k", " 1", "1kb", "8MB", "1ki", "0x10", "8mm", "٣"]
        {
            assert!(parse(text).unwrap_err().contains("KiB"), "{text}");
        }
    }

    #[test]
    fn a_rate_is_a_size_of_at_least_one_byte() {
        assert_eq!(per_second("300k").unwrap().get(), 300 << 10);
        assert_eq!(per_second("1").unwrap().get(), 1);
        for (text, why) in
            [("0", "1 or more"), ("0k", "1 or more"), ("1kb", "KiB"), ("16777216t", "64 bits")]
        {
            assert!(per_second(text).unwrap_err().contains(why), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for text in ["18446744073709551616", "16777216t", "17179869184g"] {
            assert!(parse(text).unwrap_err().contains("64 bits"), "{text}");
        }
    }
}
