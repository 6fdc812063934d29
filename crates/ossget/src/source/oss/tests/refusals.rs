//! What refusals mean and lead to.

use super::*;
use crate::source::canned::Ending;
use crate::{Credentials, Error};
use async_trait::async_trait;
use base64::Engine;
use bytes::Bytes;
use jiff::Timestamp;
use ossget_transport::TransportErrorKind;
use std::sync::Mutex;
use std::time::Duration;

fn document(code: &str, more: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>because.</Message>\
         <RequestId>RID</RequestId><EC>0001-1</EC>{more}</Error>"
    )
}

fn refused(status: u16, code: &str) -> Reply {
    Reply::new(status).header("x-oss-request-id", "HEADER").body([document(code, "")])
}

fn skewed(by: i64) -> Reply {
    let server = Timestamp::now().as_second() + by;
    let time = Timestamp::from_second(server).unwrap();
    let more = format!("<ServerTime>{time}</ServerTime>");
    Reply::new(403).body([document("RequestTimeTooSkewed", &more)])
}

/// How far from now a request says it was signed, in seconds.
fn signed_ahead(request: &http::Request<Bytes>) -> i64 {
    let stamp = request.headers()["x-oss-date"].to_str().unwrap();
    let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", stamp).unwrap();
    let time = time.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
    time.as_second() - Timestamp::now().as_second()
}

#[tokio::test]
async fn a_refused_get_is_explained_by_its_body() {
    let (source, transport) = source([refused(404, "NoSuchKey")]);
    let error = get(&source).await.unwrap_err();
    assert_eq!((error.failure(), error.kind()), (Failure::NotFound, ErrorKind::NotFound));
    assert_eq!(error.status(), Some(404));
    assert_eq!(error.service_code(), Some("NoSuchKey"));
    assert_eq!(error.service_message(), Some("because."));
    assert_eq!(error.ec(), Some("0001-1"));
    assert_eq!(error.request_id(), Some("RID"));
    assert_eq!(error.host(), Some("oss-cn-hangzhou.aliyuncs.com"));
    assert_eq!(error.to_string(), "the service answered 404 NoSuchKey: because");
    assert_eq!(transport.requests().len(), 1);
    let error = Error::from(error);
    assert_eq!(error.service_code(), Some("NoSuchKey"));
    assert_eq!((error.ec(), error.request_id()), (Some("0001-1"), Some("RID")));
    assert_eq!(error.host(), Some("oss-cn-hangzhou.aliyuncs.com"));
    assert_eq!(error.hint(), Some("check the key: every character counts, and so does its case"));
}

#[tokio::test]
async fn a_refused_head_is_explained_by_its_header_or_else_by_its_status() {
    let document = document("InvalidObjectState", "");
    let encoded = base64::engine::general_purpose::STANDARD.encode(document);
    let (source, _) = source([
        Reply::new(403).header("x-oss-err", encoded),
        Reply::new(403).header("x-oss-err", "not base64!"),
        Reply::new(404).header("x-oss-request-id", "HEADER").header("x-oss-ec", "0026-1"),
    ]);
    let error = source.probe(&object()).await.unwrap_err();
    assert_eq!(error.service_code(), Some("InvalidObjectState"));
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(Error::from(error).hint(), Some("restore the archived object first"));
    let error = source.probe(&object()).await.unwrap_err();
    assert_eq!((error.kind(), error.service_code()), (ErrorKind::Denied, None));
    let error = source.probe(&object()).await.unwrap_err();
    assert_eq!(error.failure(), Failure::NotFound);
    assert_eq!((error.request_id(), error.ec()), (Some("HEADER"), Some("0026-1")));
}

#[tokio::test]
async fn statuses_and_codes_become_classes_and_kinds() {
    for (status, code, failure, kind) in [
        (403, "AccessDenied", Failure::Denied, ErrorKind::Denied),
        (403, "SignatureDoesNotMatch", Failure::Denied, ErrorKind::Denied),
        (412, "PreconditionFailed", Failure::Changed, ErrorKind::Changed),
        (416, "InvalidRange", Failure::Changed, ErrorKind::Changed),
        (503, "QpsLimitExceeded", Failure::Throttled, ErrorKind::Throttled),
        (500, "InternalError", Failure::Unavailable, ErrorKind::Unavailable),
        (400, "RequestTimeout", Failure::Network, ErrorKind::Network),
        (400, "InvalidArgument", Failure::Fatal, ErrorKind::Service),
    ] {
        let (source, _) = source([refused(status, code)]);
        let error = get(&source).await.unwrap_err();
        assert_eq!((error.failure(), error.kind()), (failure, kind), "{code}");
    }
}

#[tokio::test]
async fn the_wait_that_the_server_asks_for_is_passed_on_within_bounds() {
    for (value, wait) in [
        ("7", Some(7)),
        ("1000000000", Some(60)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
        ("soon", None),
        ("-1", None),
    ] {
        let (source, _) = source([refused(503, "ServiceUnavailable").header("retry-after", value)]);
        let error = get(&source).await.unwrap_err();
        assert_eq!(error.retry_after(), wait.map(Duration::from_secs), "{value}");
    }
}

/// Faults: 48, 49, 137.
#[tokio::test]
async fn a_redirect_is_not_followed_and_only_its_origin_is_told() {
    for (status, location, told) in [
        (
            301,
            "https://oss-cn-beijing.aliyuncs.com/k?Signature=canary",
            "redirects to https://oss-cn-beijing.aliyuncs.com",
        ),
        (
            302,
            "http://canary:canary@169.254.169.254:81/latest?canary",
            "redirects to http://169.254.169.254:81",
        ),
        (307, "/canary?canary", "the server redirects"),
        (308, "file:///canary", "the server redirects"),
        (300, "é canary", "the server redirects"),
    ] {
        let reply = Reply::new(status).header("location", location).body(["<canary>"]);
        let (source, transport) = source([reply.header("x-oss-request-id", "RID")]);
        let error = get(&source).await.unwrap_err();
        assert_eq!((error.failure(), error.kind()), (Failure::Fatal, ErrorKind::Redirected));
        assert!(error.to_string().ends_with(told), "{error}");
        assert_eq!((error.status(), error.request_id()), (Some(status), Some("RID")));
        assert!(!all_text(&error).contains("canary"));
        assert_eq!(transport.requests().len(), 1);
    }
}

/// Faults: 39.
#[tokio::test]
async fn a_304_is_no_redirect_but_a_protocol_violation_that_is_final() {
    let (source, _) = source([Reply::new(304)]);
    let error = get(&source).await.unwrap_err();
    assert_eq!((error.failure(), error.kind()), (Failure::Fatal, ErrorKind::Protocol));
}

/// Faults: 51.
#[tokio::test(start_paused = true)]
async fn an_explanation_that_never_ends_is_given_up_in_time_and_size() {
    let endings = [Ending::Silence, Ending::Endless, Ending::Broken];
    for ending in endings {
        let (source, _) = source([Reply::new(503).body(["<Error><Code>Q"]).ending(ending)]);
        let started = tokio::time::Instant::now();
        let error = get(&source).await.unwrap_err();
        assert_eq!((error.failure(), error.service_code()), (Failure::Throttled, None));
        assert!(started.elapsed() < Duration::from_secs(11));
    }
    // What came before the silence is enough.
    let (source, _) = source([refused(403, "AccessDenied").ending(Ending::Silence)]);
    assert_eq!(get(&source).await.unwrap_err().service_code(), Some("AccessDenied"));
}

/// Faults: 61.
#[tokio::test]
async fn a_wrong_clock_is_corrected_once_and_stays_corrected() {
    for by in [3600, -3600] {
        let (source, transport) = source([skewed(by), partial(), partial()]);
        get(&source).await.unwrap();
        get(&source).await.unwrap();
        let [first, second, third] = &transport.requests()[..] else { panic!() };
        assert!(signed_ahead(first).abs() < 60);
        for corrected in [second, third] {
            assert!((signed_ahead(corrected) - by).abs() < 60);
        }
    }
}

#[tokio::test]
async fn the_date_header_tells_the_time_where_the_body_does_not() {
    let date = ossget_sign::http_date(SystemTime::now() + Duration::from_secs(7200)).unwrap();
    let reply = refused(403, "RequestTimeTooSkewed").header("date", date);
    let (source, transport) = source([reply, partial()]);
    get(&source).await.unwrap();
    assert!((signed_ahead(&transport.requests()[1]) - 7200).abs() < 60);
}

/// Faults: 61.
#[tokio::test]
async fn a_clock_is_not_corrected_beyond_a_day_nor_twice_nor_without_need() {
    let no_time = refused(403, "RequestTimeTooSkewed");
    let bad_date = refused(403, "RequestTimeTooSkewed").header("date", "yesterday");
    for reply in [skewed(25 * 3600), skewed(-25 * 3600), skewed(60), no_time, bad_date] {
        let (source, transport) = source([reply]);
        let error = get(&source).await.unwrap_err();
        assert_eq!((error.failure(), error.kind()), (Failure::ClockSkew, ErrorKind::Denied));
        assert_eq!(transport.requests().len(), 1);
        assert_eq!(Error::from(error).hint(), Some("set the clock of this machine"));
    }
    let (source, transport) = source([skewed(3600), skewed(7200)]);
    assert_eq!(get(&source).await.unwrap_err().failure(), Failure::ClockSkew);
    assert_eq!(transport.requests().len(), 2);
}

/// Faults: 61.
#[tokio::test]
async fn the_time_is_believed_only_where_it_cannot_be_forged() {
    for (endpoint, plaintext, requests) in [
        ("http://127.0.0.1:9000", Plaintext::Refuse, 2),
        ("http://h.example", Plaintext::Allow, 2),
        ("https://h.example", Plaintext::Refuse, 2),
    ] {
        let transport = Canned::new([skewed(3600), partial()]);
        let endpoint = Endpoint::parse(endpoint).unwrap();
        let shared = Arc::clone(&transport) as Arc<dyn Transport>;
        let source = OssSource::builder(shared, endpoint, Signing::V1, temporary());
        let source = source.plaintext(plaintext).build().unwrap();
        get(&source).await.unwrap();
        assert_eq!(transport.requests().len(), requests);
    }
    // Over plain http without permission there are no signed requests, hence no skew of ours.
    let transport = Canned::new([skewed(3600)]);
    let source = builder(&transport, "http://h.example", Arc::new(Anonymous)).build().unwrap();
    get(&source).await.unwrap_err();
    assert_eq!(transport.requests().len(), 1);
}

/// Gives other credentials each time, or the last ones for ever.
#[derive(Debug)]
struct Renewing(Mutex<Vec<&'static str>>);

#[async_trait]
impl CredentialsProvider for Renewing {
    async fn credentials(&self) -> Result<Option<Credentials>, Error> {
        let mut tokens = self.0.lock().unwrap();
        let token = if tokens.len() > 1 { tokens.remove(0) } else { tokens[0] };
        let pair = Credentials::new("STS.id", "canary-secret").unwrap();
        Ok(Some(pair.security_token(token).unwrap()))
    }

    fn describe(&self) -> String {
        "renewing".to_owned()
    }
}

/// Faults: 58.
#[tokio::test]
async fn expired_credentials_are_tried_again_only_if_there_are_other_ones() {
    let transport = Canned::new([refused(403, "SecurityTokenExpired"), partial()]);
    let renewing = Arc::new(Renewing(Mutex::new(vec!["old", "new"])));
    let source = builder(&transport, HOST, renewing).build().unwrap();
    get(&source).await.unwrap();
    let [first, second] = &transport.requests()[..] else { panic!() };
    assert_eq!(first.headers()["x-oss-security-token"], "old");
    assert_eq!(second.headers()["x-oss-security-token"], "new");

    let (source, transport) = super::source([refused(403, "SecurityTokenExpired")]);
    let error = get(&source).await.unwrap_err();
    assert_eq!(error.failure(), Failure::ExpiredCredentials);
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert_eq!(transport.requests().len(), 1);
}

/// Gives the pairs it has in turn, whenever it is told that the last one was refused.
#[derive(Debug)]
struct Told {
    pairs: Mutex<Vec<Result<Credentials, ErrorKind>>>,
    refused: Mutex<Vec<String>>,
}

impl Told {
    fn new(pairs: impl Into<Vec<Result<Credentials, ErrorKind>>>) -> Arc<Self> {
        Arc::new(Self { pairs: Mutex::new(pairs.into()), refused: Mutex::default() })
    }
}

#[async_trait]
impl CredentialsProvider for Told {
    async fn credentials(&self) -> Result<Option<Credentials>, Error> {
        let pairs = self.pairs.lock().unwrap();
        pairs[0].clone().map(Some).map_err(|kind| Error::new(kind, "out of order"))
    }

    fn describe(&self) -> String {
        "told".to_owned()
    }

    fn refused(&self, credentials: &Credentials) {
        self.refused.lock().unwrap().push(credentials.access_key_id().to_owned());
        drop(self.pairs.lock().unwrap().remove(0));
    }
}

fn temporary_pair(id: &str) -> Result<Credentials, ErrorKind> {
    Ok(Credentials::new(id, "canary-secret").unwrap().security_token("canary-token").unwrap())
}

#[tokio::test]
async fn the_provider_is_told_which_temporary_credentials_were_refused() {
    for code in ["SecurityTokenExpired", "InvalidSecurityToken", "InvalidAccessKeyId"] {
        let transport = Canned::new([refused(403, code), partial()]);
        let provider = Told::new([temporary_pair("STS.one"), temporary_pair("STS.two")]);
        let source = builder(&transport, HOST, provider.clone()).build().unwrap();
        get(&source).await.unwrap();
        assert_eq!(*provider.refused.lock().unwrap(), ["STS.one"], "{code}");
        assert_eq!(transport.requests().len(), 2);
    }
    // Nothing renews what does not expire; other refusals are about other things.
    let lasting = Ok(Credentials::new("ak", "canary-secret").unwrap());
    for (pair, code) in [
        (lasting, "InvalidAccessKeyId"),
        (temporary_pair("STS.one"), "AccessDenied"),
        (temporary_pair("STS.one"), "SignatureDoesNotMatch"),
    ] {
        let transport = Canned::new([refused(403, code)]);
        let provider = Told::new([pair]);
        let source = builder(&transport, HOST, provider.clone()).build().unwrap();
        assert_eq!(get(&source).await.unwrap_err().service_code(), Some(code));
        assert!(provider.refused.lock().unwrap().is_empty(), "{code}");
    }
}

#[tokio::test]
async fn a_renewal_that_fails_for_now_is_tried_again_and_another_is_not() {
    for (kind, failure) in [
        (ErrorKind::Network, Failure::Unavailable),
        (ErrorKind::Credentials, Failure::ExpiredCredentials),
    ] {
        let transport = Canned::new([refused(403, "SecurityTokenExpired")]);
        let provider = Told::new([temporary_pair("STS.one"), Err(kind)]);
        let source = builder(&transport, HOST, provider).build().unwrap();
        assert_eq!(get(&source).await.unwrap_err().failure(), failure);
    }
}

#[tokio::test]
async fn failures_of_the_transport_pass_through_and_are_not_repeated() {
    let (source, transport) = source([Reply::Failure(TransportErrorKind::Unsent)]);
    let error = get(&source).await.unwrap_err();
    assert_eq!(error.failure(), Failure::Unsent);
    assert_eq!(transport.requests().len(), 1);
}

#[tokio::test]
async fn the_endpoint_that_the_service_names_becomes_the_hint() {
    let more = "<Endpoint>oss-cn-beijing.aliyuncs.com</Endpoint>";
    let (source, _) = source([Reply::new(403).body([document("AccessDenied", more)])]);
    let error = Error::from(get(&source).await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.hint().unwrap().contains("oss-cn-beijing.aliyuncs.com"));
}

/// Faults: 134, 135, 136.
#[tokio::test]
async fn no_text_holds_a_secret_a_token_a_signature_or_a_query() {
    let (probe, transport) = source([Reply::new(404)]);
    probe.probe(&object()).await.unwrap_err();
    let signature = transport.request().headers()[AUTHORIZATION].to_str().unwrap().to_owned();
    let signature = signature.rsplit('=').next().unwrap();
    assert_eq!(signature.len(), 64);
    assert!(!format!("{probe:?}{transport:?}").contains(signature));

    let object = object().version_id("canary-version").unwrap();
    let echo = document("AccessDenied", "").replace("because", "canary-token and more");
    let (source, transport) = source([
        Reply::new(403).body([echo.clone()]),
        Reply::new(302).header("location", "https://h/?canary-token"),
        Reply::Failure(TransportErrorKind::Broken),
        partial().without("content-range"),
        Reply::new(412),
    ]);
    for _ in 0..5 {
        let error = source.get_range(&object, range(100, 200), &pinned()).await.unwrap_err();
        let mut text = all_text(&error);
        text.push_str(&all_text(&Error::from(error)));
        assert!(!text.contains("canary"), "{text}");
        assert!(!text.contains("OSS4-HMAC"), "{text}");
    }
    let text = format!("{source:?} {source:#?}");
    assert!(!text.contains("canary"), "{text}");
    assert!(text.contains("oss-cn-hangzhou"), "{text}");
    // The recorded requests would show them, were they not marked as sensitive.
    assert!(!format!("{transport:?}").contains("canary-token"));
}
