use super::*;
use http::HeaderValue;
use std::time::{Duration, UNIX_EPOCH};

fn read(body: impl AsRef<[u8]>) -> ServiceError {
    ServiceError::read(StatusCode::FORBIDDEN, &HeaderMap::new(), body.as_ref(), &[])
}

const SKEWED: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>\n  \
    <Code>RequestTimeTooSkewed</Code>\n  <Message>The difference is too large.</Message>\n  \
    <RequestId>5C3D9175B6FC201293AD****</RequestId><HostId>b.oss</HostId>\
    <MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds>\
    <RequestTime>2025-04-10T11:00:57.000Z</RequestTime>\
    <ServerTime>2025-04-10T10:00:57.000Z</ServerTime><EC>0002-00000504</EC></Error>";

#[test]
fn the_documented_fields_are_read() {
    let error = read(SKEWED);
    assert_eq!(error.status(), 403);
    assert_eq!(error.code(), Some("RequestTimeTooSkewed"));
    assert_eq!(error.message(), Some("The difference is too large."));
    assert_eq!(error.request_id(), Some("5C3D9175B6FC201293AD****"));
    assert_eq!(error.ec(), Some("0002-00000504"));
    assert_eq!(error.server_time(), Some(UNIX_EPOCH + Duration::from_secs(1_744_279_257)));
    assert_eq!(
        error.to_string(),
        "the service answered 403 RequestTimeTooSkewed: The difference is too large"
    );
}

#[test]
fn a_namespace_cdata_and_entities_are_understood() {
    let error = read(
        "<o:Error xmlns:o=\"http://doc\"><o:Code>A</o:Code>\
         <Message>a &lt;b&gt; &amp; <![CDATA[<c>]]> &#x41;&#66;</Message></o:Error>",
    );
    assert_eq!(error.code(), Some("A"));
    assert_eq!(error.message(), Some("a <b> & <c> AB"));
}

#[test]
fn the_header_explains_where_there_is_no_body() {
    let mut headers = HeaderMap::new();
    headers.insert("x-oss-err", STANDARD.encode(SKEWED).parse().unwrap());
    let error = ServiceError::read(StatusCode::FORBIDDEN, &headers, b"", &[]);
    assert_eq!(error.code(), Some("RequestTimeTooSkewed"));
    assert!(error.server_time().is_some());
}

#[test]
fn headers_fill_in_what_the_document_lacks_and_never_override_it() {
    let mut headers = HeaderMap::new();
    headers.insert("x-oss-request-id", HeaderValue::from_static("from-header"));
    headers.insert("x-oss-ec", HeaderValue::from_static("0001-1"));
    let bare = ServiceError::read(StatusCode::BAD_GATEWAY, &headers, b"<html>", &[]);
    assert_eq!((bare.code(), bare.message()), (None, None));
    assert_eq!((bare.request_id(), bare.ec()), (Some("from-header"), Some("0001-1")));
    assert_eq!(bare.to_string(), "the service answered 502");
    let full = ServiceError::read(StatusCode::FORBIDDEN, &headers, SKEWED.as_bytes(), &[]);
    assert_eq!(full.request_id(), Some("5C3D9175B6FC201293AD****"));
}

/// Faults: 51, 52.
#[test]
fn what_is_no_error_document_explains_nothing() {
    let truncated = &SKEWED[..SKEWED.len() - 8];
    let bomb = "<!DOCTYPE l [<!ENTITY a \"x\"><!ENTITY b \"&a;&a;&a;\">]>\
        <Error><Code>AccessDenied</Code><Message>&b;</Message></Error>";
    let external = "<!DOCTYPE e SYSTEM \"file:///etc/passwd\"><Error><Code>A</Code></Error>";
    for body in [
        "",
        "not xml",
        "{\"Error\":{\"Code\":\"A\"}}",
        "<html><Code>A</Code></html>",
        "<Other><Error><Code>A</Code></Error></Other>",
        "<Error><Code>A</Message></Error>",
        "<Error><Code>A</Code>",
        "<Error><Code>A&unknown;</Code></Error>",
        "<Error/>",
        "</Error>",
        truncated,
        bomb,
        external,
    ] {
        assert_eq!(read(body).fields, Fields::default(), "{body}");
    }
}

#[test]
fn deeper_elements_are_not_mistaken_for_the_fields() {
    let error = read("<Error><X><Code>A</Code></X><Code> B </Code><Code></Code></Error>");
    assert_eq!(error.code(), Some("B"));
}

/// Faults: 53.
#[test]
fn bytes_that_are_not_utf8_and_control_characters_are_made_harmless() {
    let mut body =
        b"<Error><Message>a\xff\xfe\x1b[31m\r\nfake&#27;&#8238;</Message></Error>".to_vec();
    assert_eq!(read(&body).message(), Some("a\u{fffd}\u{fffd}\\u{1b}[31m\\nfake\\u{1b}\\u{202e}"));
    body.truncate(20);
    assert_eq!(read(&body).message(), None);
}

#[test]
fn long_fields_are_cut() {
    let body = format!("<Error><Code>{0}</Code><Message>{0}</Message></Error>", "x".repeat(9000));
    let error = read(body);
    assert_eq!(error.code().unwrap().chars().count(), MAX_NAME + 1);
    assert_eq!(error.message().unwrap().chars().count(), MAX_TEXT + 1);
}

#[test]
fn deep_nesting_is_borne() {
    let body = format!("<Error>{}", "<a>".repeat(20_000));
    assert_eq!(read(body).fields, Fields::default());
}

#[test]
fn the_endpoint_to_use_is_told_only_if_it_is_one() {
    let hint = |endpoint: &str| {
        read(format!("<Error><Code>AccessDenied</Code><Endpoint>{endpoint}</Endpoint></Error>"))
            .hint()
    };
    assert_eq!(
        hint("oss-cn-beijing.aliyuncs.com").as_deref(),
        Some("use the endpoint oss-cn-beijing.aliyuncs.com, which is the bucket's")
    );
    assert_eq!(hint("evil@host"), None);
    assert_eq!(hint("a b"), None);
}

/// Faults: 135.
#[test]
fn an_echoed_secret_is_blotted_out_wherever_it_stands() {
    let body = "<Error><Code>canary</Code><Message>token canary bad</Message>\
        <RequestId>canary</RequestId><EC>canary</EC><Endpoint>canary.example.com</Endpoint>\
        <ServerTime>canary</ServerTime></Error>";
    let error =
        ServiceError::read(StatusCode::FORBIDDEN, &HeaderMap::new(), body.as_bytes(), &["canary"]);
    assert_eq!(error.to_string(), "the service answered 403 [redacted]: token [redacted] bad");
    assert_eq!(error.hint(), None);
    assert!(!format!("{error:?}").contains("canary"));
    let mut headers = HeaderMap::new();
    headers.insert("x-oss-request-id", HeaderValue::from_static("the canary"));
    let error = ServiceError::read(StatusCode::FORBIDDEN, &headers, b"", &["", "canary"]);
    assert_eq!(error.request_id(), Some("the [redacted]"));
}

/// Faults: 135.
#[test]
fn of_a_secret_that_is_cut_off_nothing_is_left() {
    let secret = "canary".repeat(10);
    let text = "x".repeat(MAX_TEXT - 20);
    let body = format!("<Error><Message>{text}{secret}</Message></Error>");
    let error =
        ServiceError::read(StatusCode::FORBIDDEN, &HeaderMap::new(), body.as_bytes(), &[&secret]);
    assert_eq!(error.message(), Some(&*format!("{text}[redacted]")));
}
