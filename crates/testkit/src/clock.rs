//! The simulator's idea of the time, which a test may set apart from the machine's.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

/// The machine's time plus an offset.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    offset_seconds: AtomicI64,
}

impl Clock {
    pub(crate) fn now(&self) -> Timestamp {
        let offset = SignedDuration::from_secs(self.offset_seconds.load(Ordering::Relaxed));
        Timestamp::now().saturating_add(offset).expect("a plain duration has no calendar units")
    }

    pub(crate) fn set_offset(&self, seconds: i64) {
        self.offset_seconds.store(seconds, Ordering::Relaxed);
    }
}

/// `Sun, 09 Mar 2025 08:05:07 GMT`.
pub(crate) fn http_date(time: Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// `2025-03-09T08:05:07.000Z`, as in listings and error bodies.
pub(crate) fn iso_date(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

/// Reads the format of `http_date`.
pub(crate) fn parse_http_date(text: &str) -> Option<Timestamp> {
    parse(text, "%a, %d %b %Y %H:%M:%S GMT")
}

/// Reads `20250309T080507Z`.
pub(crate) fn parse_basic_date(text: &str) -> Option<Timestamp> {
    parse(text, "%Y%m%dT%H%M%SZ")
}

fn parse(text: &str, format: &str) -> Option<Timestamp> {
    let civil = jiff::civil::DateTime::strptime(format, text).ok()?;
    civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_survive_a_round_trip() {
        let time = Timestamp::from_second(1_741_507_507).unwrap();
        assert_eq!(http_date(time), "Sun, 09 Mar 2025 08:05:07 GMT");
        assert_eq!(iso_date(time), "2025-03-09T08:05:07.000Z");
        assert_eq!(parse_http_date(&http_date(time)), Some(time));
        assert_eq!(parse_basic_date("20250309T080507Z"), Some(time));
        assert_eq!(parse_basic_date("20250309T080507"), None);
        assert_eq!(parse_http_date("yesterday"), None);
    }
}
