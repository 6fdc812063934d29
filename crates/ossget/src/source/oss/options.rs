//! What a request of OSS may ask for besides the object.

use crate::Error;
use crate::error::printable;
use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use std::time::{SystemTime, UNIX_EPOCH};

/// The rate at which the service sends one answer, in bits a second (OSS documentation,
/// "Single-connection bandwidth throttling"). Several connections have it each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrafficLimit(u64);

impl TrafficLimit {
    /// A rate of 819,200 to 838,860,800 bits a second: 100 KB to 100 MB, in the service's words.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) outside these bounds.
    pub fn bits_per_second(bits: u64) -> Result<Self, Error> {
        match (LEAST..=MOST).contains(&bits) {
            true => Ok(Self(bits)),
            false => Err(Error::config("the traffic limit", bits, BOUND)),
        }
    }

    pub(super) fn header(self) -> (HeaderName, HeaderValue) {
        (TRAFFIC_LIMIT, HeaderValue::from(self.0))
    }
}

/// What must hold of an object when it is looked at, lest nothing of it is downloaded.
///
/// What is downloaded afterwards is pinned to the content that was found then. One that does not
/// hold is an error of the kind
/// [`PreconditionFailed`](crate::ErrorKind::PreconditionFailed); nothing is changed then.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Precondition {
    /// The object's ETag is this one, with its quotes.
    IfMatch(String),
    /// The object's ETag is another than this one.
    IfNoneMatch(String),
    /// The object was modified after this date, in the form `Sun, 09 Mar 2025 08:05:07 GMT`.
    IfModifiedSince(String),
    /// The object was not modified after this date.
    IfUnmodifiedSince(String),
}

impl Precondition {
    /// The precondition that a header of this name sets; `None` for any other header.
    #[must_use]
    pub fn from_header(name: &str, value: &str) -> Option<Self> {
        let make = match name.to_ascii_lowercase().as_str() {
            "if-match" => Self::IfMatch,
            "if-none-match" => Self::IfNoneMatch,
            "if-modified-since" => Self::IfModifiedSince,
            "if-unmodified-since" => Self::IfUnmodifiedSince,
            _ => return None,
        };
        Some(make(value.to_owned()))
    }

    /// The object was modified after this time, which counts in whole seconds.
    #[must_use]
    pub fn modified_since(time: SystemTime) -> Self {
        Self::IfModifiedSince(http_date(time))
    }

    /// The object was not modified after this time, which counts in whole seconds.
    #[must_use]
    pub fn unmodified_since(time: SystemTime) -> Self {
        Self::IfUnmodifiedSince(http_date(time))
    }

    pub(crate) fn header(&self) -> Result<(HeaderName, HeaderValue), Error> {
        use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
        let (name, value) = match self {
            Self::IfMatch(etag) => (IF_MATCH, etag),
            Self::IfNoneMatch(etag) => (IF_NONE_MATCH, etag),
            Self::IfModifiedSince(date) => (IF_MODIFIED_SINCE, date),
            Self::IfUnmodifiedSince(date) => (IF_UNMODIFIED_SINCE, date),
        };
        let value = HeaderValue::from_str(value).map_err(|error| {
            Error::config(name.as_str(), "(not shown)", "an ETag or a date").with_source(error)
        })?;
        Ok((name, value))
    }
}

/// A time as HTTP writes it: from 1970 to the year 9999.
fn http_date(time: SystemTime) -> String {
    let stamp = Timestamp::try_from(time.max(UNIX_EPOCH)).unwrap_or(Timestamp::MAX);
    DateTimePrinter::new().timestamp_to_rfc9110_string(&stamp).unwrap_or_default()
}

/// Whether each of these parameters replaces a header of an answer, and is given once.
pub(super) fn check_overrides(overrides: &[(String, String)]) -> Result<(), Error> {
    for (at, (name, _)) in overrides.iter().enumerate() {
        let is_known = OVERRIDES.contains(&name.as_str());
        if !is_known || overrides.iter().take(at).any(|(earlier, _)| earlier == name) {
            let name = printable(name, MAX_NAME);
            return Err(Error::config("query", format_args!("`{name}`"), ONE_OVERRIDE));
        }
    }
    Ok(())
}

/// Says that whoever asks pays for the traffic and knows it (OSS documentation,
/// "Pay-by-requester").
pub(super) fn requester_pays() -> (HeaderName, HeaderValue) {
    (REQUEST_PAYER, HeaderValue::from_static("requester"))
}

pub(super) const REQUEST_PAYER: HeaderName = HeaderName::from_static("x-oss-request-payer");
const TRAFFIC_LIMIT: HeaderName = HeaderName::from_static("x-oss-traffic-limit");
/// The service has `response-content-encoding`, too (OSS documentation, "GetObject"): but how the
/// bytes are encoded is compared with what the object's own headers say.
const OVERRIDES: [&str; 5] = [
    "response-cache-control",
    "response-content-disposition",
    "response-content-language",
    "response-content-type",
    "response-expires",
];
const ONE_OVERRIDE: &str = "response-cache-control, -content-disposition, -content-language, \
                            -content-type or -expires, each once";
/// Characters of a refused name that are shown.
const MAX_NAME: usize = 80;
const LEAST: u64 = 819_200;
const MOST: u64 = 838_860_800;
const BOUND: &str = "819200 to 838860800 bits a second";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn a_traffic_limit_is_within_the_services_bounds() {
        for bits in [LEAST, MOST] {
            assert_eq!(TrafficLimit::bits_per_second(bits).unwrap().header().1, bits.to_string());
        }
        for bits in [0, LEAST - 1, MOST + 1] {
            let error = TrafficLimit::bits_per_second(bits).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(BOUND));
        }
    }

    #[test]
    fn only_headers_of_answers_can_be_overridden() {
        let pair = |name: &str| (name.to_owned(), "x".to_owned());
        assert!(check_overrides(&OVERRIDES.map(pair)).is_ok());
        let twice = [pair("response-expires"), pair("response-expires")];
        let others = ["acl", "versionId", "x-oss-process", "response-content-encoding", ""];
        let all = others.iter().map(|name| vec![pair(name)]).chain([twice.to_vec()]);
        for overrides in all {
            let error = check_overrides(&overrides).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{overrides:?}");
        }
    }

    #[test]
    fn every_time_can_be_a_precondition() {
        let far = UNIX_EPOCH + std::time::Duration::from_secs(1 << 40);
        for (time, text) in [
            (UNIX_EPOCH - std::time::Duration::from_secs(1), "Thu, 01 Jan 1970 00:00:00 GMT"),
            (far, "Thu, 30 Dec 9999 22:00:00 GMT"),
        ] {
            assert_eq!(http_date(time), text);
        }
    }

    #[test]
    fn preconditions_are_known_by_their_headers_and_hold_no_other() {
        for name in ["If-Match", "if-none-match", "IF-MODIFIED-SINCE", "If-Unmodified-Since"] {
            let precondition = Precondition::from_header(name, "\"x\"").unwrap();
            let (header, value) = precondition.header().unwrap();
            assert!(header.as_str().eq_ignore_ascii_case(name));
            assert_eq!(value, "\"x\"");
        }
        assert_eq!(Precondition::from_header("if-range", "x"), None);
        let split = Precondition::IfMatch("x\r\ny: z".into()).header().unwrap_err();
        assert_eq!(split.kind(), ErrorKind::Config);
    }
}
