//! How long to wait before trying again.

use core::time::Duration;

/// Exponential backoff with full jitter.
///
/// Full jitter, because many connections fail at once when a link or a service does, and waits
/// spread over the whole interval bring them back spread (AWS Architecture Blog, "Exponential
/// Backoff And Jitter").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
}

impl Backoff {
    /// A backoff whose longest wait starts from `base`, doubles with every failure and never
    /// exceeds `cap`.
    #[must_use]
    pub const fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap }
    }

    /// The wait after `failures` earlier failures in a row: uniform in
    /// `0..=min(cap, base * 2^failures)`, chosen by `jitter`, any number.
    #[must_use]
    pub fn delay(&self, failures: u32, jitter: u64) -> Duration {
        let base = nanoseconds(self.base);
        let raised = base.saturating_mul(1_u64.checked_shl(failures).unwrap_or(u64::MAX));
        let longest = raised.min(nanoseconds(self.cap));
        // The high half of a product is uniform over the range, without a division's bias.
        let scaled = ((u128::from(longest) + 1) * u128::from(jitter)) >> 64;
        Duration::from_nanos(u64::try_from(scaled).unwrap_or(longest))
    }
}

impl Default for Backoff {
    /// 100 ms, 20 s at most.
    fn default() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(20))
    }
}

/// The longest wait that a `Retry-After` can impose. A server that asks for more is asked again
/// earlier: it may be a mistake or malice, and the budget ends the run either way.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// How long a `Retry-After` header asks to wait, [`MAX_RETRY_AFTER`] at most.
///
/// The value is a number of seconds or a date in the preferred form (IMF-fixdate, such as
/// `Sun, 06 Nov 1994 08:49:37 GMT`; RFC 9110, 10.2.3 and 5.6.7); `now_unix_seconds` is the time
/// to measure a date from. A date in the past asks for no wait. `None` for anything else, the
/// obsolete date forms included: then the caller's own backoff applies.
#[must_use]
pub fn retry_after(value: &[u8], now_unix_seconds: u64) -> Option<Duration> {
    let value = value.trim_ascii();
    let seconds = if !value.is_empty() && value.iter().all(u8::is_ascii_digit) {
        // Too large for a number is still a number, and capped like any large one.
        crate::decimal(value).unwrap_or(u64::MAX)
    } else {
        let date = imf_fixdate(value)?;
        let now = i64::try_from(now_unix_seconds).ok()?;
        u64::try_from(date.saturating_sub(now)).unwrap_or(0)
    };
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

/// The nanoseconds of a duration, as many as fit: 584 years.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Reads an IMF-fixdate as seconds since 1970. The name of the day must be one, but need not be
/// that of the date.
fn imf_fixdate(text: &[u8]) -> Option<i64> {
    if text.len() != 29 || text.get(3..5)? != b", " || text.get(25..29)? != b" GMT" {
        return None;
    }
    let separators = [(7, b' '), (11, b' '), (16, b' '), (19, b':'), (22, b':')];
    if separators.iter().any(|&(at, byte)| text.get(at) != Some(&byte)) {
        return None;
    }
    position(b"SunMonTueWedThuFriSat", text.get(..3)?)?;
    let field = |from, to| text.get(from..to).and_then(crate::decimal);
    let day = i64::try_from(field(5, 7)?).ok()?;
    let month = position(b"JanFebMarAprMayJunJulAugSepOctNovDec", text.get(8..11)?)? + 1;
    let year = i64::try_from(field(12, 16)?).ok()?;
    let (hour, minute, second) = (field(17, 19)?, field(20, 22)?, field(23, 25)?);
    // Second 60 is a leap second.
    if day < 1 || day > days_in(year, month) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let within = i64::try_from(hour * 3600 + minute * 60 + second).ok()?;
    Some(days_since_1970(year, month, day) * 86_400 + within)
}

/// The position of a name of three letters among such names.
fn position(names: &[u8], name: &[u8]) -> Option<i64> {
    let at = names.chunks_exact(3).position(|candidate| candidate == name)?;
    i64::try_from(at).ok()
}

/// Days from 1970-01-01 to a date of the Gregorian calendar (years from 0, months from 1).
///
/// Years are counted from March, so that the day that leap years add is a year's last; the
/// months from March on then follow the linear `(153 * month + 2) / 5`.
const fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let march_year = if month > 2 { year } else { year - 1 };
    let march_month = (month + 9) % 12;
    let leap_days =
        march_year.div_euclid(4) - march_year.div_euclid(100) + march_year.div_euclid(400);
    let day_of_year = (153 * march_month + 2) / 5 + day - 1;
    // 719,468 days from 0000-03-01 to 1970-01-01.
    march_year * 365 + leap_days + day_of_year - 719_468
}

/// The number of days in a month.
const fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1994-11-06 08:49:37 UTC, the example of RFC 9110.
    const EXAMPLE: u64 = 784_111_777;

    fn seconds(value: &str, now: u64) -> Option<u64> {
        retry_after(value.as_bytes(), now).map(|wait| wait.as_secs())
    }

    #[test]
    fn the_wait_doubles_up_to_the_cap() {
        let backoff = Backoff::default();
        for (failures, longest) in [(0, 100), (1, 200), (5, 3200), (7, 12_800), (8, 20_000)] {
            assert_eq!(backoff.delay(failures, u64::MAX), Duration::from_millis(longest));
            assert_eq!(backoff.delay(failures, 0), Duration::ZERO);
        }
        for failures in [63, 64, 65, u32::MAX] {
            assert_eq!(backoff.delay(failures, u64::MAX), Duration::from_secs(20));
        }
    }

    #[test]
    fn the_wait_is_proportional_to_the_jitter() {
        let half = Backoff::default().delay(0, 1 << 63);
        assert_eq!(half, Duration::from_millis(50));
    }

    #[test]
    fn extreme_settings_do_not_overflow() {
        let backoff = Backoff::new(Duration::MAX, Duration::MAX);
        assert_eq!(backoff.delay(u32::MAX, u64::MAX), Duration::from_nanos(u64::MAX));
        assert_eq!(Backoff::new(Duration::ZERO, Duration::MAX).delay(9, 9), Duration::ZERO);
    }

    #[test]
    fn retry_after_is_read_as_seconds() {
        assert_eq!(seconds("0", EXAMPLE), Some(0));
        assert_eq!(seconds("7", EXAMPLE), Some(7));
        assert_eq!(seconds(" 59\t", EXAMPLE), Some(59));
    }

    #[test]
    fn retry_after_is_capped() {
        assert_eq!(seconds("61", EXAMPLE), Some(60));
        assert_eq!(seconds("1000000000", EXAMPLE), Some(60));
        assert_eq!(seconds("99999999999999999999999999", EXAMPLE), Some(60));
        assert_eq!(seconds("Fri, 31 Dec 9999 23:59:59 GMT", EXAMPLE), Some(60));
    }

    #[test]
    fn retry_after_is_read_as_a_date() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(seconds(date, EXAMPLE - 20), Some(20));
        assert_eq!(seconds(date, EXAMPLE), Some(0));
        assert_eq!(seconds(date, EXAMPLE + 1), Some(0));
        assert_eq!(seconds("Thu, 01 Jan 1970 00:00:09 GMT", 0), Some(9));
        assert_eq!(seconds("Wed, 31 Dec 1969 23:59:59 GMT", 0), Some(0));
        let leap_second = "Sat, 31 Dec 2016 23:59:60 GMT";
        assert_eq!(seconds(leap_second, 1_483_228_795), Some(5));
    }

    #[test]
    fn garbage_in_retry_after_is_ignored() {
        for text in [
            "",
            " ",
            "-1",
            "+1",
            "1.5",
            "1s",
            "soon",
            "0x10",
            "\u{0661}",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Xyz, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nox 1994 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 31 Nov 1994 08:49:37 GMT",
            "Wed, 29 Feb 1995 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:60:37 GMT",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "Sun, 06 Nov 1994 08-49-37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT.",
            "Sun. 06 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(retry_after(text.as_bytes(), EXAMPLE), None, "{text}");
        }
    }

    #[test]
    fn days_are_counted_as_the_calendar_does() {
        assert_eq!(days_since_1970(1970, 1, 1), 0);
        assert_eq!(days_since_1970(2000, 2, 29), 11_016);
        assert_eq!(days_since_1970(2000, 3, 1), 11_017);
        let mut expected = days_since_1970(1600, 1, 1);
        assert_eq!(expected, -135_140);
        for year in 1600..2450 {
            for month in 1..=12 {
                for day in 1..=days_in(year, month) {
                    assert_eq!(days_since_1970(year, month, day), expected);
                    expected += 1;
                }
            }
        }
    }
}
