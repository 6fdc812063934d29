//! Whether a response head may deliver bytes for what was asked.
//!
//! Every head is judged before the first byte of its body is written. Nothing that a server, a
//! proxy or a cache between may answer is taken on trust: OSS itself answers an invalid range with
//! 200 and the whole object unless asked otherwise.

use core::fmt;

use crate::{ByteRange, ContentRange, ContentRangeError, Failure, IdentityField, ObjectIdentity};

/// The parts of a response head that the verdict depends on; header values as received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResponseHead<'a> {
    /// The status code.
    pub status: u16,
    /// `Content-Range`.
    pub content_range: Option<&'a [u8]>,
    /// `Content-Length` in bytes, where the response has one.
    pub content_length: Option<u64>,
    /// `ETag`.
    pub etag: Option<&'a [u8]>,
    /// `Last-Modified`.
    pub last_modified: Option<&'a [u8]>,
    /// `Content-Encoding`.
    pub content_encoding: Option<&'a [u8]>,
    /// `Content-Type`.
    pub content_type: Option<&'a [u8]>,
    /// `x-oss-hash-crc64ecma`.
    pub crc64: Option<&'a [u8]>,
}

impl<'a> ResponseHead<'a> {
    /// A head without any of the headers.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// Sets `Content-Range`.
    #[must_use]
    pub fn content_range(mut self, value: impl Into<Option<&'a [u8]>>) -> Self {
        self.content_range = value.into();
        self
    }

    /// Sets `Content-Length`, in bytes.
    #[must_use]
    pub fn content_length(mut self, value: impl Into<Option<u64>>) -> Self {
        self.content_length = value.into();
        self
    }

    /// Sets `ETag`.
    #[must_use]
    pub fn etag(mut self, value: impl Into<Option<&'a [u8]>>) -> Self {
        self.etag = value.into();
        self
    }

    /// Sets `Last-Modified`.
    #[must_use]
    pub fn last_modified(mut self, value: impl Into<Option<&'a [u8]>>) -> Self {
        self.last_modified = value.into();
        self
    }

    /// Sets `Content-Encoding`.
    #[must_use]
    pub fn content_encoding(mut self, value: impl Into<Option<&'a [u8]>>) -> Self {
        self.content_encoding = value.into();
        self
    }

    /// Sets `Content-Type`.
    #[must_use]
    pub fn content_type(mut self, value: impl Into<Option<&'a [u8]>>) -> Self {
        self.content_type = value.into();
        self
    }

    /// Sets `x-oss-hash-crc64ecma`.
    #[must_use]
    pub fn crc64(mut self, value: impl Into<Option<&'a [u8]>>) -> Self {
        self.crc64 = value.into();
        self
    }
}

/// What was asked, and of which object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expectation<'a> {
    /// The bytes asked for.
    pub range: ByteRange,
    /// The object as the probe found it.
    pub identity: &'a ObjectIdentity,
}

/// What a response head is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The body holds the bytes of `range`.
    Accept {
        /// What is granted: it starts where the asked range does, is not longer, and has at least
        /// one byte (none, where the asked object is empty).
        range: ByteRange,
    },
    /// The body must not be used.
    Reject(Rejection),
}

/// Why a response is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// 200 for a range: the body is the whole object.
    RangeIgnored,
    /// 206 without `Content-Range`.
    ContentRangeMissing,
    /// 206 with a `Content-Range` that grants nothing.
    ContentRangeInvalid(ContentRangeError),
    /// 206 for another range than the asked one or a beginning of it.
    RangeMismatch {
        /// The range that the server sent.
        got: ByteRange,
    },
    /// 206 out of an unknown total length.
    TotalUnknown,
    /// The response is of another object than the one probed.
    Changed(IdentityField),
    /// The response repeats nothing of what identifies the object.
    Unidentified,
    /// The body is encoded, so its bytes are not the object's.
    Encoded,
    /// The body is `multipart/byteranges`.
    Multipart,
    /// `Content-Length` is not that of the granted range (or is absent from a 200).
    LengthMismatch,
    /// 3xx, 4xx or 5xx: the body explains, see [`Failure::of_status`].
    ErrorStatus(u16),
    /// Any other status that is no answer to a ranged GET: 1xx, 2xx, 304.
    UnexpectedStatus(u16),
}

impl Rejection {
    /// The class of failure, as far as the head alone tells. For an error status the code in the
    /// body tells more: [`Failure::of_status`].
    #[must_use]
    pub fn failure(self) -> Failure {
        match self {
            Self::Changed(_) => Failure::Changed,
            Self::ErrorStatus(status) | Self::UnexpectedStatus(status) => {
                Failure::of_status(status, None)
            }
            _ => Failure::Protocol,
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RangeIgnored => f.write_str("the server ignored the range"),
            Self::ContentRangeMissing => f.write_str("partial response without Content-Range"),
            Self::ContentRangeInvalid(error) => error.fmt(f),
            Self::RangeMismatch { got } => write!(f, "the server sent range {got} instead"),
            Self::TotalUnknown => f.write_str("Content-Range of an object of unknown length"),
            Self::Changed(field) => write!(f, "the object changed: its {field} differs"),
            Self::Unidentified => f.write_str(
                "the answer does not say which content it is of: no ETag, CRC-64 or date",
            ),
            Self::Encoded => f.write_str("the body has a Content-Encoding"),
            Self::Multipart => f.write_str("the body is multipart/byteranges"),
            Self::LengthMismatch => f.write_str("Content-Length does not fit the range"),
            Self::ErrorStatus(status) => write!(f, "error status {status}"),
            Self::UnexpectedStatus(status) => write!(f, "unexpected status {status}"),
        }
    }
}

impl core::error::Error for Rejection {}

/// Judges a response head against what was asked.
///
/// - 206 must say in `Content-Range` which bytes it holds: those asked for or a beginning of them
///   (RFC 9110, 15.3.7 lets a server send less), out of an object of the probed length.
/// - 200 is the whole object, so it is accepted only if that was asked for and `Content-Length`
///   says that it is all there.
/// - Either way `Content-Length`, where present, must agree with the range, the body must be
///   neither encoded nor multipart, and ETag, total length and CRC-64 must be those of the probed
///   object where both are known. A CRC-64 that is no number is ignored. The date must be that of
///   the probe where neither ETag nor CRC-64 tells. At least one of the three must be repeated if
///   the probe knew one: a server or proxy that ignores the precondition could mix two versions.
#[must_use]
pub fn judge(head: &ResponseHead<'_>, asked: &Expectation<'_>) -> Verdict {
    let granted = match head.status {
        206 => partial(head, asked),
        200 => whole(head, asked),
        304 => Err(Rejection::UnexpectedStatus(head.status)),
        300..=599 => Err(Rejection::ErrorStatus(head.status)),
        _ => Err(Rejection::UnexpectedStatus(head.status)),
    };
    match granted {
        Ok(range) => Verdict::Accept { range },
        Err(rejection) => Verdict::Reject(rejection),
    }
}

/// Reads the value of `x-oss-hash-crc64ecma`: a decimal number, digits only; `None` for anything
/// else and for what does not fit 64 bits.
#[must_use]
pub fn parse_crc64(value: &[u8]) -> Option<u64> {
    crate::decimal(value)
}

/// What a 206 grants.
fn partial(head: &ResponseHead<'_>, asked: &Expectation<'_>) -> Result<ByteRange, Rejection> {
    check_body(head, asked.identity)?;
    check_identity(head, asked.identity)?;
    let value = head.content_range.ok_or(Rejection::ContentRangeMissing)?;
    let value = ContentRange::parse(value).map_err(Rejection::ContentRangeInvalid)?;
    match value.total() {
        Some(total) if total == asked.identity.size => {}
        // The length identifies as much as the ETag does, and more where there is none.
        Some(_) => return Err(Rejection::Changed(IdentityField::Size)),
        None => return Err(Rejection::TotalUnknown),
    }
    let got = value.range();
    if got.start() != asked.range.start() || got.end() > asked.range.end() {
        return Err(Rejection::RangeMismatch { got });
    }
    if head.content_length.is_some_and(|length| length != got.len()) {
        return Err(Rejection::LengthMismatch);
    }
    Ok(got)
}

/// What a 200 grants.
fn whole(head: &ResponseHead<'_>, asked: &Expectation<'_>) -> Result<ByteRange, Rejection> {
    if asked.range.start() != 0 || asked.range.end() != asked.identity.size {
        return Err(Rejection::RangeIgnored);
    }
    check_body(head, asked.identity)?;
    check_identity(head, asked.identity)?;
    if head.content_length != Some(asked.identity.size) {
        return Err(Rejection::LengthMismatch);
    }
    Ok(asked.range)
}

/// Refuses bodies whose bytes are not the object's.
///
/// OSS repeats a content encoding that is stored with the object, whose bytes are then the encoded
/// ones; only one that the probe did not see was applied on the way.
fn check_body(head: &ResponseHead<'_>, identity: &ObjectIdentity) -> Result<(), Rejection> {
    let encoding = head.content_encoding.unwrap_or_default().trim_ascii();
    let stored = identity.content_encoding.as_deref().unwrap_or_default().trim_ascii();
    let plain = encoding.is_empty() || encoding.eq_ignore_ascii_case(b"identity");
    if !plain && !encoding.eq_ignore_ascii_case(stored.as_bytes()) {
        return Err(Rejection::Encoded);
    }
    let multipart = b"multipart/byteranges";
    let start = head.content_type.unwrap_or_default().trim_ascii_start().get(..multipart.len());
    if start.is_some_and(|start| start.eq_ignore_ascii_case(multipart)) {
        return Err(Rejection::Multipart);
    }
    Ok(())
}

/// Refuses responses of another object, and those that do not say of which they are.
fn check_identity(head: &ResponseHead<'_>, identity: &ObjectIdentity) -> Result<(), Rejection> {
    let etag = identity.etag.as_deref().map(str::as_bytes);
    let date = identity.last_modified.as_deref().map(str::as_bytes);
    let crc = head.crc64.and_then(parse_crc64);
    let same_etag = agree(etag, head.etag);
    let same_crc = agree(identity.crc64, crc);
    if same_etag == Some(false) {
        return Err(Rejection::Changed(IdentityField::ETag));
    }
    if same_crc == Some(false) {
        return Err(Rejection::Changed(IdentityField::Crc64));
    }
    if same_etag.or(same_crc).is_some() {
        return Ok(());
    }
    match agree(date, head.last_modified) {
        Some(true) => Ok(()),
        Some(false) => Err(Rejection::Changed(IdentityField::LastModified)),
        None if etag.is_none() && date.is_none() && identity.crc64.is_none() => Ok(()),
        None => Err(Rejection::Unidentified),
    }
}

/// Whether two values are equal, where there are two.
fn agree<T: PartialEq>(known: Option<T>, got: Option<T>) -> Option<bool> {
    Some(known? == got?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETAG: &str = "\"5B3C1A2E053D763E1B002CC607C5A0FE\"";

    fn identity() -> ObjectIdentity {
        ObjectIdentity::new(1000).etag(ETAG).crc64(42)
    }

    /// A flawless response to [`asked`].
    fn good() -> ResponseHead<'static> {
        ResponseHead::new(206)
            .content_range(&b"bytes 100-199/1000"[..])
            .content_length(100)
            .etag(ETAG.as_bytes())
            .crc64(&b"42"[..])
    }

    fn range(start: u64, end: u64) -> ByteRange {
        ByteRange::new(start, end).unwrap()
    }

    fn verdict(head: &ResponseHead<'_>) -> Verdict {
        judge(head, &Expectation { range: range(100, 200), identity: &identity() })
    }

    fn of_whole(head: &ResponseHead<'_>) -> Verdict {
        judge(head, &Expectation { range: range(0, 1000), identity: &identity() })
    }

    fn accepted(start: u64, end: u64) -> Verdict {
        Verdict::Accept { range: range(start, end) }
    }

    #[test]
    fn a_206_for_the_asked_range_is_accepted() {
        assert_eq!(verdict(&good()), accepted(100, 200));
    }

    #[test]
    fn a_206_without_length_is_accepted_by_its_content_range() {
        assert_eq!(verdict(&good().content_length(None)), accepted(100, 200));
    }

    #[test]
    fn a_shorter_range_is_accepted_as_far_as_it_goes() {
        let head = good().content_range(&b"bytes 100-100/1000"[..]);
        assert_eq!(verdict(&head.content_length(1)), accepted(100, 101));
        assert_eq!(verdict(&head.content_length(100)), Verdict::Reject(Rejection::LengthMismatch));
    }

    #[test]
    fn a_206_without_content_range_is_rejected() {
        assert_eq!(
            verdict(&good().content_range(None)),
            Verdict::Reject(Rejection::ContentRangeMissing)
        );
    }

    #[test]
    fn another_range_than_asked_is_rejected() {
        for (text, start, end) in [
            (&b"bytes 99-199/1000"[..], 99, 200),
            (b"bytes 101-199/1000", 101, 200),
            (b"bytes 100-200/1000", 100, 201),
            (b"bytes 0-999/1000", 0, 1000),
        ] {
            let got = range(start, end);
            let head = good().content_range(text).content_length(None);
            assert_eq!(verdict(&head), Verdict::Reject(Rejection::RangeMismatch { got }));
        }
    }

    #[test]
    fn another_total_is_a_changed_object_and_an_unknown_one_is_rejected() {
        let reject = |text: &'static [u8]| verdict(&good().content_range(text));
        let changed = Verdict::Reject(Rejection::Changed(IdentityField::Size));
        for text in [&b"bytes 100-199/1001"[..], b"bytes 100-199/999"] {
            assert_eq!(reject(text), changed);
        }
        assert_eq!(reject(b"bytes 100-199/*"), Verdict::Reject(Rejection::TotalUnknown));
    }

    #[test]
    fn a_content_range_that_grants_nothing_is_rejected_with_its_reason() {
        let reason = |text: &'static [u8]| verdict(&good().content_range(text));
        let invalid = |error| Verdict::Reject(Rejection::ContentRangeInvalid(error));
        assert_eq!(
            reason(b"bytes */1000"),
            invalid(ContentRangeError::Unsatisfied { total: 1000 })
        );
        assert_eq!(reason(b"bytes 100-199"), invalid(ContentRangeError::Malformed));
    }

    #[test]
    fn a_length_that_contradicts_the_range_is_rejected() {
        for length in [0, 99, 101, 1000, u64::MAX] {
            assert_eq!(
                verdict(&good().content_length(length)),
                Verdict::Reject(Rejection::LengthMismatch)
            );
        }
    }

    #[test]
    fn another_etag_or_crc_is_a_changed_object() {
        let changed = |field| Verdict::Reject(Rejection::Changed(field));
        assert_eq!(verdict(&good().etag(&b"\"X\""[..])), changed(IdentityField::ETag));
        let weak = alloc::format!("W/{ETAG}");
        assert_eq!(verdict(&good().etag(weak.as_bytes())), changed(IdentityField::ETag));
        assert_eq!(verdict(&good().crc64(&b"43"[..])), changed(IdentityField::Crc64));
        // Also where range and total differ as well: that it changed explains them.
        let head = good().etag(&b"\"X\""[..]).content_range(&b"bytes 100-199/2000"[..]);
        assert_eq!(verdict(&head), changed(IdentityField::ETag));
    }

    #[test]
    fn what_is_unknown_to_one_side_is_not_compared() {
        assert_eq!(verdict(&good().etag(None)), accepted(100, 200));
        assert_eq!(verdict(&good().crc64(None)), accepted(100, 200));
        let asked = Expectation { range: range(100, 200), identity: &ObjectIdentity::new(1000) };
        assert_eq!(judge(&good(), &asked), accepted(100, 200));
    }

    #[test]
    fn an_answer_that_repeats_nothing_of_the_identity_is_refused() {
        let unidentified = Verdict::Reject(Rejection::Unidentified);
        assert_eq!(verdict(&good().etag(None).crc64(None)), unidentified);
        assert_eq!(verdict(&good().etag(None).crc64(&b"x"[..])), unidentified);
        let date = good().etag(None).crc64(None).last_modified(&b"now"[..]);
        assert_eq!(verdict(&date), unidentified, "the probe knew no date");
    }

    #[test]
    fn the_date_tells_where_nothing_better_does() {
        let dated = ObjectIdentity::new(1000).last_modified("then");
        let asked = Expectation { range: range(100, 200), identity: &dated };
        let bare = good().etag(None).crc64(None);
        assert_eq!(judge(&bare.last_modified(&b"then"[..]), &asked), accepted(100, 200));
        let changed = Verdict::Reject(Rejection::Changed(IdentityField::LastModified));
        assert_eq!(judge(&bare.last_modified(&b"now"[..]), &asked), changed);
        assert_eq!(judge(&bare, &asked), Verdict::Reject(Rejection::Unidentified));
        // A copy of the headers alone may be newer than the content.
        let identity = dated.etag(ETAG);
        let asked = Expectation { range: range(100, 200), identity: &identity };
        assert_eq!(judge(&good().last_modified(&b"now"[..]), &asked), accepted(100, 200));
    }

    #[test]
    fn a_crc_that_is_no_number_is_ignored() {
        for text in [&b""[..], b"-1", b"0x2a", b"18446744073709551658", b"abc"] {
            assert_eq!(verdict(&good().crc64(text)), accepted(100, 200));
        }
        assert_eq!(parse_crc64(b"18446744073709551615"), Some(u64::MAX));
    }

    #[test]
    fn an_encoding_that_is_stored_with_the_object_is_accepted_and_no_other() {
        let stored = identity().content_encoding("gzip");
        let asked = Expectation { range: range(100, 200), identity: &stored };
        for (text, fine) in [(&b"gzip"[..], true), (b"GZIP", true), (b"", true), (b"br", false)] {
            let verdict = judge(&good().content_encoding(text), &asked);
            assert_eq!(matches!(verdict, Verdict::Accept { .. }), fine, "{text:?}");
        }
    }

    #[test]
    fn an_encoded_body_is_rejected() {
        for text in [&b"gzip"[..], b"br", b"deflate", b"aliyun-aes", b"identity, gzip"] {
            let head = good().content_encoding(text);
            assert_eq!(verdict(&head), Verdict::Reject(Rejection::Encoded));
            let head = head.content_length(1000);
            let head = ResponseHead { status: 200, ..head };
            assert_eq!(of_whole(&head), Verdict::Reject(Rejection::Encoded));
        }
        for text in [&b"identity"[..], b"Identity", b"", b" identity "] {
            assert_eq!(verdict(&good().content_encoding(text)), accepted(100, 200));
        }
    }

    #[test]
    fn a_multipart_body_is_rejected() {
        let head = good().content_type(&b"Multipart/ByteRanges; boundary=x"[..]);
        assert_eq!(verdict(&head), Verdict::Reject(Rejection::Multipart));
        let head = good().content_type(&b"application/octet-stream"[..]);
        assert_eq!(verdict(&head), accepted(100, 200));
    }

    #[test]
    fn a_200_is_accepted_only_for_the_whole_object() {
        let head = ResponseHead::new(200).content_length(1000).etag(ETAG.as_bytes());
        assert_eq!(of_whole(&head), accepted(0, 1000));
        assert_eq!(verdict(&head), Verdict::Reject(Rejection::RangeIgnored));
        for (start, end) in [(0, 999), (1, 1000)] {
            let asked = Expectation { range: range(start, end), identity: &identity() };
            assert_eq!(judge(&head, &asked), Verdict::Reject(Rejection::RangeIgnored));
        }
    }

    #[test]
    fn a_200_must_say_that_it_is_all_there() {
        for length in [None, Some(999), Some(1001)] {
            let head = ResponseHead::new(200).content_length(length).etag(ETAG.as_bytes());
            assert_eq!(of_whole(&head), Verdict::Reject(Rejection::LengthMismatch));
        }
        let head = ResponseHead::new(200).content_length(1000).etag(&b"\"X\""[..]);
        assert_eq!(of_whole(&head), Verdict::Reject(Rejection::Changed(IdentityField::ETag)));
    }

    #[test]
    fn an_empty_object_is_a_200_of_no_bytes() {
        let identity = ObjectIdentity::new(0);
        let asked = Expectation { range: range(0, 0), identity: &identity };
        assert_eq!(judge(&ResponseHead::new(200).content_length(0), &asked), accepted(0, 0));
    }

    #[test]
    fn other_statuses_are_told_apart() {
        for status in [301, 302, 307, 400, 403, 404, 412, 416, 429, 500, 503, 599] {
            let head = ResponseHead { status, ..good() };
            assert_eq!(verdict(&head), Verdict::Reject(Rejection::ErrorStatus(status)));
        }
        for status in [0, 100, 103, 201, 203, 204, 207, 226, 304, 600, u16::MAX] {
            let head = ResponseHead { status, ..good() };
            assert_eq!(verdict(&head), Verdict::Reject(Rejection::UnexpectedStatus(status)));
        }
    }

    #[test]
    fn rejections_have_a_class_of_failure() {
        assert_eq!(Rejection::RangeIgnored.failure(), Failure::Protocol);
        assert_eq!(Rejection::Changed(IdentityField::ETag).failure(), Failure::Changed);
        assert_eq!(Rejection::ErrorStatus(503).failure(), Failure::Throttled);
        assert_eq!(Rejection::UnexpectedStatus(304).failure(), Failure::Fatal);
    }
}
