//! What a server's answers mean, and what a request says of the content that is meant.

use super::redaction::reveals;
use super::{Opening, ProcessedBody, RangeBody, ServiceError, SourceError};
use crate::ErrorKind;
use crate::credentials::Credentials;
use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG, IF_MATCH,
    IF_UNMODIFIED_SINCE, LAST_MODIFIED, LOCATION, RANGE, RETRY_AFTER, TRANSFER_ENCODING,
};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use jiff::fmt::rfc2822::DateTimeParser;
use ossget_core::{
    ByteRange, ContentRange, Expectation, Failure, ObjectIdentity, Rejection, ResponseHead,
    Verdict, judge, parse_crc64, retry_after,
};
use ossget_transport::{Body, Response};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::timeout;

/// A request that the service refused.
pub(super) struct Refusal {
    pub(super) error: SourceError,
    /// The service's time, by the explanation or else by the `Date` header.
    pub(super) server_time: Option<SystemTime>,
}

impl Refusal {
    /// Reads a response that is no success, to a request with these secrets in it. Never fails, and
    /// takes bounded time and memory.
    pub(super) async fn read(response: Response, secrets: &[&str]) -> Self {
        let Parts { status, headers, .. } = response.head;
        let body =
            if status.is_redirection() { Vec::new() } else { explanation(response.body).await };
        let service = ServiceError::read(status, &headers, &body, secrets);
        let server_time = service.server_time().or_else(|| date(&headers));
        let error = match status {
            StatusCode::NOT_MODIFIED => unexpected(status),
            _ if status.is_redirection() => redirected(&headers, service, secrets),
            _ => SourceError::of_service(service, wait(&headers)),
        };
        Self { error, server_time }
    }

    /// Whether the request was refused for what it was signed with, and others may help: a token
    /// that has expired or is not known, or a key that has gone with its token.
    pub(super) fn is_for(&self, credentials: &Credentials) -> bool {
        self.error.failure() == Failure::ExpiredCredentials
            || credentials.token().is_some()
                && matches!(
                    self.error.service_code(),
                    Some("InvalidSecurityToken" | "InvalidAccessKeyId")
                )
    }
}

/// The object as a HEAD of the service describes it.
pub(crate) fn identity(headers: &HeaderMap) -> Result<ObjectIdentity, SourceError> {
    let length = content_length(headers)?.ok_or_else(|| SourceError::protocol(NO_LENGTH))?;
    marked_identity(headers, length)
}

/// The object as the service describes it with the answer to a ranged GET.
pub(crate) fn identity_by_range(headers: &HeaderMap) -> Result<ObjectIdentity, SourceError> {
    marked_identity(headers, total(headers)?)
}

fn marked_identity(headers: &HeaderMap, length: u64) -> Result<ObjectIdentity, SourceError> {
    let marks = [&ETAG, &CRC64, &REQUEST_ID];
    if !marks.into_iter().any(|mark| headers.contains_key(mark)) {
        // A login page of some network in between, for instance.
        return Err(SourceError::protocol(
            "the answer is none of OSS: it has neither an ETag nor a CRC-64 nor a request id",
        ));
    }
    identity_of(headers, length)
}

/// Fails for an answer that is none of the service's, which gives each request an id.
pub(crate) fn be_of_service(headers: &HeaderMap) -> Result<(), SourceError> {
    match headers.contains_key(REQUEST_ID) {
        true => Ok(()),
        false => Err(SourceError::protocol("the answer is none of OSS: it has no request id")),
    }
}

/// What the headers say of an object of this length.
pub(super) fn identity_of(headers: &HeaderMap, length: u64) -> Result<ObjectIdentity, SourceError> {
    let mut identity = ObjectIdentity::new(length);
    identity.etag = etag(headers);
    identity.last_modified = text(headers, &LAST_MODIFIED);
    identity.version_id = version_id(headers);
    identity.crc64 = crc64(headers);
    identity.object_type = text(headers, &OBJECT_TYPE);
    identity.content_encoding = text(headers, &CONTENT_ENCODING);
    let texts = [
        (&identity.etag, "ETag"),
        (&identity.last_modified, "Last-Modified"),
        (&identity.version_id, "version id"),
        (&identity.object_type, "object type"),
    ];
    for (text, name) in texts {
        if text.as_ref().is_some_and(|text| text.len() > MAX_MARK) {
            return Err(SourceError::protocol(format!(
                "the server gives an {name} that is too long"
            )));
        }
    }
    Ok(identity)
}

/// The object's length, as the answer to a request for a range of it tells it.
pub(super) fn total(headers: &HeaderMap) -> Result<u64, SourceError> {
    let range = headers.get(CONTENT_RANGE).ok_or_else(|| SourceError::protocol(NO_LENGTH))?;
    let range = ContentRange::parse(range.as_bytes())
        .map_err(|error| SourceError::protocol(NO_LENGTH).with_source(error))?;
    range.total().ok_or_else(|| SourceError::protocol(NO_LENGTH))
}

/// What the answer to a request for the first bytes begins, the object being known from it.
pub(super) fn opening(
    response: Response,
    range: ByteRange,
    identity: ObjectIdentity,
) -> Result<Opening, SourceError> {
    let first = range_body(response, range, &identity)?;
    Ok(Opening { identity, first: Some(first) })
}

/// What makes a GET one of the first `most` bytes of whatever is there.
pub(super) fn first_bytes(most: u64) -> Result<(ByteRange, HeaderMap), SourceError> {
    let range = ByteRange::new(0, most).ok_or_else(empty_range)?;
    Ok((range, range_headers(range, &ObjectIdentity::new(most))?))
}

fn empty_range() -> SourceError {
    SourceError::new(Failure::Fatal, "an empty range cannot be asked for")
        .with_kind(ErrorKind::Internal)
}

/// What makes a GET one of a range of the pinned content.
pub(crate) fn range_headers(
    range: ByteRange,
    pinned: &ObjectIdentity,
) -> Result<HeaderMap, SourceError> {
    let range = range.header().ok_or_else(empty_range)?;
    let value = |text: &str| {
        HeaderValue::from_str(text).map_err(|error| {
            SourceError::new(Failure::Fatal, "the object's ETag or date cannot be sent back")
                .with_kind(ErrorKind::Protocol)
                .with_source(error)
        })
    };
    let mut headers = HeaderMap::new();
    headers.insert(RANGE, value(&range.to_string())?);
    // A weak ETag would never match (RFC 9110, section 13.1.1), as if the object had changed.
    if let Some(etag) = pinned.etag.as_deref().filter(|_| pinned.is_pinned()) {
        headers.insert(IF_MATCH, value(etag)?);
    } else if let Some(date) = &pinned.last_modified {
        // To the second only, but better than nothing.
        headers.insert(IF_UNMODIFIED_SINCE, value(date)?);
    }
    Ok(headers)
}

/// The bytes of a range, if the answer is one to a request for them.
pub(crate) fn range_body(
    response: Response,
    range: ByteRange,
    pinned: &ObjectIdentity,
) -> Result<RangeBody, SourceError> {
    let Response { head, body } = response;
    match judge(&response_head(&head)?, &Expectation { range, identity: pinned }) {
        Verdict::Accept { range: granted } => {
            let held_back = head.headers.contains_key(QOS_DELAY_TIME);
            Ok(RangeBody { granted, body, held_back })
        }
        Verdict::Reject(rejection) => Err(rejected(rejection)),
    }
}

/// All bytes of an answer that nothing is known of beforehand.
pub(super) fn processed_body(response: Response) -> Result<ProcessedBody, SourceError> {
    let Response { head, body } = response;
    if head.status != StatusCode::OK {
        return Err(unexpected(head.status));
    }
    let len = content_length(&head.headers)?;
    // Otherwise an answer that breaks off would look like a complete one.
    if len.is_none() && !head.headers.contains_key(TRANSFER_ENCODING) {
        return Err(SourceError::protocol("the server does not tell where its answer ends"));
    }
    Ok(ProcessedBody { len, body })
}

/// Whether only a request for its bytes can tell that the object must be restored first: a bucket
/// may allow archived ones to be read as they are.
pub(super) fn may_be_archived(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text(STORAGE_CLASS).contains("Archive") && !text(RESTORE).contains("ongoing-request=\"false\"")
}

/// The CRC-64 of the whole object; one that is no number is as good as none.
pub(crate) fn crc64(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get(CRC64)?;
    let crc = parse_crc64(value.as_bytes());
    if crc.is_none() {
        tracing::warn!(
            "the server's CRC-64 cannot be read, so the bytes cannot be compared with it"
        );
    }
    crc
}

/// What the verdict on a ranged GET depends on.
pub(super) fn response_head(head: &Parts) -> Result<ResponseHead<'_>, SourceError> {
    for name in [&CONTENT_RANGE, &ETAG, &LAST_MODIFIED, &CONTENT_ENCODING, &CRC64] {
        let mut values = head.headers.get_all(name).iter();
        let first = values.next();
        if values.any(|other| Some(other) != first) {
            return Err(SourceError::protocol(format!("the server gives more than one {name}")));
        }
    }
    let bytes = |name: HeaderName| head.headers.get(name).map(HeaderValue::as_bytes);
    Ok(ResponseHead::new(head.status.as_u16())
        .content_range(bytes(CONTENT_RANGE))
        .content_length(content_length(&head.headers)?)
        .etag(bytes(ETAG))
        .last_modified(bytes(LAST_MODIFIED))
        .content_encoding(bytes(CONTENT_ENCODING))
        .content_type(bytes(CONTENT_TYPE))
        .crc64(bytes(CRC64)))
}

/// A success that must not be used.
pub(super) fn rejected(rejection: Rejection) -> SourceError {
    let error = SourceError::new(rejection.failure(), rejection.to_string());
    match rejection {
        Rejection::RangeIgnored => error.with_kind(ErrorKind::RangeIgnored),
        Rejection::UnexpectedStatus(_) => error.with_kind(ErrorKind::Protocol),
        _ => error,
    }
}

/// All of the object where a part of it was asked for.
pub(crate) fn range_ignored() -> SourceError {
    rejected(Rejection::RangeIgnored)
}

/// A status that is no answer to what was asked.
pub(crate) fn unexpected(status: StatusCode) -> SourceError {
    rejected(Rejection::UnexpectedStatus(status.as_u16()))
}

/// A redirect, of which only the origin is told: the rest may hold a signature.
fn redirected(headers: &HeaderMap, service: ServiceError, secrets: &[&str]) -> SourceError {
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let uri = location.and_then(|location| location.parse::<Uri>().ok());
    let origin = uri.as_ref().and_then(origin);
    let is_safe = |origin: &String| !reveals(origin, secrets);
    let message = match origin.filter(is_safe) {
        Some(origin) => format!("the server redirects to {origin}"),
        None => "the server redirects".to_owned(),
    };
    SourceError::new(Failure::Fatal, message).with_kind(ErrorKind::Redirected).with_service(service)
}

/// Scheme, host and port; neither a name nor a password that stands before them.
fn origin(uri: &Uri) -> Option<String> {
    let (scheme, host) = (uri.scheme_str()?, uri.host()?);
    Some(match uri.port_u16() {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
}

/// The body of an error response, as far as it comes in time and is not too long.
async fn explanation(mut body: Body) -> Vec<u8> {
    let mut bytes = Vec::new();
    let reading = async {
        while let Ok(Some(chunk)) = body.chunk().await {
            let room = MAX_EXPLANATION - bytes.len();
            bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if bytes.len() == MAX_EXPLANATION {
                break;
            }
        }
    };
    // What came in time may be enough.
    drop(timeout(EXPLANATION_TIME, reading).await);
    bytes
}

const NO_LENGTH: &str = "the server does not tell the object's length";

/// Bytes of what identifies an object at most, each: what a checkpoint has room for. OSS has 34 for
/// an ETag and about 80 for a version id.
const MAX_MARK: usize = 256;

/// How long the server asks to wait.
fn wait(headers: &HeaderMap) -> Option<Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    retry_after(headers.get(RETRY_AFTER)?.as_bytes(), now.as_secs())
}

/// The server's time when it answered.
pub(crate) fn date(headers: &HeaderMap) -> Option<SystemTime> {
    parse_date(headers.get(DATE)?.to_str().ok()?)
}

/// A time as HTTP writes it.
pub(crate) fn parse_date(text: &str) -> Option<SystemTime> {
    Some(DateTimeParser::new().parse_timestamp(text).ok()?.into())
}

/// `Content-Length`, where there is one; all of them, where there are several (RFC 9110, 8.6).
pub(super) fn content_length(headers: &HeaderMap) -> Result<Option<u64>, SourceError> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter().map(|value| {
        let digits = value.to_str().ok().filter(|it| it.bytes().all(|byte| byte.is_ascii_digit()));
        digits.and_then(|digits| digits.parse::<u64>().ok())
    });
    let Some(first) = lengths.next() else {
        return Ok(None);
    };
    if first.is_none() || lengths.any(|other| other != first) {
        return Err(SourceError::protocol("the server gives a length that is no number"));
    }
    Ok(first)
}

/// The ETag, with its quotes.
pub(crate) fn etag(headers: &HeaderMap) -> Option<String> {
    text(headers, &ETAG)
}

/// The version id.
pub(crate) fn version_id(headers: &HeaderMap) -> Option<String> {
    text(headers, &VERSION_ID)
}

/// The value of a header; one that is empty or not of visible characters is as good as none.
fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?;
    (!text.is_empty()).then(|| text.to_owned())
}

const CRC64: HeaderName = HeaderName::from_static("x-oss-hash-crc64ecma");
/// Milliseconds by which the service held an answer back because a limit of bandwidth was reached
/// (OSS documentation, "Bandwidth throttling").
const QOS_DELAY_TIME: HeaderName = HeaderName::from_static("x-oss-qos-delay-time");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-oss-request-id");
const STORAGE_CLASS: HeaderName = HeaderName::from_static("x-oss-storage-class");
const RESTORE: HeaderName = HeaderName::from_static("x-oss-restore");
const OBJECT_TYPE: HeaderName = HeaderName::from_static("x-oss-object-type");
const VERSION_ID: HeaderName = HeaderName::from_static("x-oss-version-id");

/// Bytes of an error response that are read; real ones have about 1 KiB.
const MAX_EXPLANATION: usize = 64 * 1024;
const EXPLANATION_TIME: Duration = Duration::from_secs(10);
