//! What servers may answer.

use crate::canned::{
    Answer, Canned, all_text, assert_harmless, block_on, messages, ordinary_source,
};
use crate::input::Input;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};
use ossget::{Error, Object, ObjectIdentity, Source, SourceError};
use ossget_core::{
    ByteRange, ContentRange, Expectation, MAX_RETRY_AFTER, ResponseHead, Verdict, judge,
    retry_after,
};

/// `Content-Range`: what parses prints and parses to itself, and lies within the total.
pub fn content_range(bytes: &[u8]) {
    let Ok(parsed) = ContentRange::parse(bytes) else { return };
    let range = parsed.range();
    assert!(!range.is_empty());
    assert!(parsed.total().is_none_or(|total| range.end() <= total));
    assert_eq!(ContentRange::parse(parsed.to_string().as_bytes()), Ok(parsed));
}

/// A response head: accepted only with what was asked for, judged a second time independently.
///
/// Input, a line each: the first byte asked for, the first not, the object's length, its ETag, its
/// CRC-64; then status, `Content-Range`, `Content-Length`, `ETag`, `Content-Encoding`,
/// `Content-Type`, CRC-64. A line that is empty stands for what is absent.
pub fn response_head(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut number = || input.text().parse::<u64>().unwrap_or_default();
    let (start, end, size) = (number(), number(), number());
    let Some(range) = ByteRange::new(start, end.min(size)).filter(|range| !range.is_empty()) else {
        return;
    };
    let mut identity = ObjectIdentity::new(size);
    identity.etag = Some(input.text()).filter(|etag| !etag.is_empty());
    identity.crc64 = input.text().parse().ok();
    let status = input.text().parse().unwrap_or(206);
    let mut value = || Some(input.line()).filter(|line| !line.is_empty());
    let content_range = value();
    let length = value().and_then(|line| std::str::from_utf8(line).ok()?.parse().ok());
    let head = ResponseHead::new(status)
        .content_range(content_range)
        .content_length(length)
        .etag(value())
        .content_encoding(value())
        .content_type(value())
        .crc64(value());
    let asked = Expectation { range, identity: &identity };
    if let Verdict::Accept { range: granted } = judge(&head, &asked) {
        assert_granted(&head, &asked, granted);
    }
}

/// What must be true of a head that was accepted.
fn assert_granted(head: &ResponseHead<'_>, asked: &Expectation<'_>, granted: ByteRange) {
    assert!(!granted.is_empty());
    assert_eq!(granted.start(), asked.range.start());
    assert!(granted.end() <= asked.range.end());
    assert!(head.content_length.is_none_or(|length| length == granted.len()));
    match head.status {
        206 => {
            let value = head.content_range.expect("a part says which");
            let value = ContentRange::parse(value).expect("it is well formed");
            assert_eq!((value.range(), value.total()), (granted, Some(asked.identity.size)));
        }
        200 => {
            assert_eq!((granted.start(), granted.end()), (0, asked.identity.size));
            assert_eq!(head.content_length, Some(asked.identity.size));
        }
        other => panic!("{other} was accepted"),
    }
    if let (Some(etag), Some(probed)) = (head.etag, &asked.identity.etag) {
        assert_eq!(etag, probed.as_bytes());
    }
    let plain = |encoding: &[u8]| {
        let encoding = encoding.trim_ascii();
        encoding.is_empty() || encoding.eq_ignore_ascii_case(b"identity")
    };
    assert!(head.content_encoding.is_none_or(plain));
    let kind = head.content_type.unwrap_or_default().to_ascii_lowercase();
    assert!(!kind.trim_ascii().starts_with(b"multipart/byteranges"));
}

/// The document of a refusal, in the body and in the header that replaces it for HEAD.
pub fn error_body(bytes: &[u8]) {
    for status in [403, 503] {
        refused(Answer::new(status).body(bytes));
    }
    if bytes.len() < 4096 {
        refused(Answer::new(404).header("x-oss-err", STANDARD.encode(bytes).as_bytes()));
        refused(Answer::new(404).header("x-oss-err", bytes));
    }
}

fn refused(answer: Answer) {
    let transport = Canned::new(answer);
    let source = ordinary_source(&transport);
    let error = block_on(source.probe(&object())).expect_err("it is refused");
    check_error(error);
}

/// What a server says of times: how long to wait, and what time it is.
///
/// Input, a line each: `Retry-After`, `Date`, `ServerTime`, the time now in seconds.
pub fn server_time(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (wait, date, time) = (input.line(), input.line(), input.text());
    let now = input.text().parse().unwrap_or(1_700_000_000);
    let digits = !wait.is_empty() && wait.iter().all(u8::is_ascii_digit);
    let read = retry_after(wait, now);
    assert!(read.is_none_or(|wait| wait <= MAX_RETRY_AFTER));
    assert!(!digits || read.is_some(), "a number of seconds is none");
    let body =
        format!("<Error><Code>RequestTimeTooSkewed</Code><ServerTime>{time}</ServerTime></Error>");
    for status in [403, 429, 503] {
        let answer = Answer::new(status).header("retry-after", wait).header("date", date);
        refused(answer.body(body.as_bytes()));
    }
}

/// A whole answer to a ranged GET and to a probe.
///
/// Input: the status, header lines, an empty line, the body.
pub fn server_answer(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut answer = Answer::new(input.text().trim().parse().unwrap_or(206));
    loop {
        let line = input.line();
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { break };
        let name = HeaderName::from_bytes(line[..colon].trim_ascii());
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            answer.headers.push((name, value));
        }
    }
    let transport = Canned::new(answer.body(input.rest()));
    let source = ordinary_source(&transport);
    let range = ByteRange::new(100, 200).expect("a range");
    let pinned = ObjectIdentity::new(1000).etag("\"E\"");
    match block_on(source.get_range(&object(), range, &pinned)) {
        Ok(body) => {
            assert_eq!(body.granted.start(), range.start());
            assert!(range.contains(body.granted) && !body.granted.is_empty());
        }
        Err(error) => check_error(error),
    }
    if let Err(error) = block_on(source.probe(&object())) {
        check_error(error);
    }
    for request in transport.requests() {
        assert_eq!(request.uri().host(), Some("bucket.oss-cn-hangzhou.aliyuncs.com"));
    }
}

/// What must be true of any error out of an answer.
fn check_error(error: SourceError) {
    assert!(error.retry_after().is_none_or(|wait| wait <= MAX_RETRY_AFTER));
    let parts = [error.service_code(), error.service_message(), error.ec(), error.request_id()];
    parts.into_iter().flatten().for_each(assert_harmless);
    messages(&error).iter().for_each(|text| assert_harmless(text));
    let error = Error::from(error);
    messages(&error).iter().for_each(|text| assert_harmless(text));
    error.hint().into_iter().for_each(assert_harmless);
    drop(all_text(&error));
}

fn object() -> Object {
    Object::new("bucket", "key").expect("an object")
}
