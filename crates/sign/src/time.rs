//! The two date formats of the protocol. All dates are in UTC.

use std::time::SystemTime;

use jiff::Timestamp;

use crate::SignError;

/// Formats a time for the `Date` header, as in `Sun, 09 Mar 2025 08:05:07 GMT`.
///
/// This is the IMF-fixdate of RFC 9110 section 5.6.7; fractions of a second are cut off.
///
/// # Errors
///
/// [`SignError::Time`] before 1970 or after 9999.
pub fn http_date(time: SystemTime) -> Result<String, SignError> {
    Ok(timestamp(time)?.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
}

/// Formats a time as `20250309T080507Z`; fractions of a second are cut off.
pub(crate) fn basic_datetime(time: SystemTime) -> Result<String, SignError> {
    Ok(timestamp(time)?.strftime("%Y%m%dT%H%M%SZ").to_string())
}

/// Whole seconds since 1970.
pub(crate) fn unix_seconds(time: SystemTime) -> Result<u64, SignError> {
    u64::try_from(timestamp(time)?.as_second()).map_err(|_| SignError::Time)
}

/// `Timestamp` ends with the year 9999, so only the lower bound is left to check.
fn timestamp(time: SystemTime) -> Result<Timestamp, SignError> {
    if time < SystemTime::UNIX_EPOCH {
        return Err(SignError::Time);
    }
    Timestamp::try_from(time).map_err(|_| SignError::Time)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn writes_both_formats_in_utc_and_english() {
        let time = UNIX_EPOCH + Duration::from_secs(1_741_507_507);
        assert_eq!(http_date(time).unwrap(), "Sun, 09 Mar 2025 08:05:07 GMT");
        assert_eq!(basic_datetime(time).unwrap(), "20250309T080507Z");
    }

    #[test]
    fn cuts_fractions_of_a_second_off() {
        let time = UNIX_EPOCH + Duration::from_millis(1_999);
        assert_eq!(http_date(time).unwrap(), "Thu, 01 Jan 1970 00:00:01 GMT");
        assert_eq!(unix_seconds(time).unwrap(), 1);
    }

    #[test]
    fn refuses_times_the_formats_cannot_express() {
        let last = UNIX_EPOCH + Duration::from_secs(253_402_207_200);
        assert!(basic_datetime(last).unwrap().starts_with("9999"));
        let after = UNIX_EPOCH + Duration::from_secs(253_402_300_800);
        let before = UNIX_EPOCH - Duration::from_nanos(1);
        for time in [after, before] {
            assert_eq!(http_date(time), Err(SignError::Time));
            assert_eq!(basic_datetime(time), Err(SignError::Time));
            assert_eq!(unix_seconds(time), Err(SignError::Time));
        }
    }
}
