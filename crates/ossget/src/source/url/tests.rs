use super::*;
use crate::source::canned::{Canned, Reply};

const URL: &str = "https://h.example/dir/a%20b.bin";
const SIGNED: &str =
    "x-oss-date=20231216T162057Z&x-oss-expires=60&x-oss-signature=canary-signature";
const ETAG: &str = "\"5B3C1A2E053D763E1B002CC607C5A0FE\"";

fn source(query: &str, replies: impl IntoIterator<Item = Reply>) -> (UrlSource, Arc<Canned>) {
    let transport = Canned::new(replies);
    let url: ObjectUrl = format!("{URL}?{query}").parse().unwrap();
    let shared = Arc::clone(&transport) as Arc<dyn Transport>;
    (UrlSource::new(shared, url, Limits::default(), Plaintext::Refuse).unwrap(), transport)
}

async fn probe(query: &str, reply: Reply) -> Result<ObjectIdentity, SourceError> {
    let (source, _) = source(query, [reply]);
    source.probe(&source.url.object()).await
}

/// A flawless answer to a GET of the first byte.
fn first_byte() -> Reply {
    Reply::new(206)
        .header("content-range", "bytes 0-0/1000")
        .header("content-length", "1")
        .header("etag", ETAG)
        .header("x-oss-hash-crc64ecma", "42")
        .body(["x"])
}

fn names(request: &http::Request<Bytes>) -> Vec<&str> {
    let mut names: Vec<&str> = request.headers().keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn the_object_is_looked_at_by_a_get_of_its_first_byte_and_nothing_that_is_not_signed() {
    let (source, transport) = source(SIGNED, [first_byte()]);
    let identity = source.probe(&source.url.object()).await.unwrap();
    assert_eq!((identity.size, identity.crc64), (1000, Some(42)));
    assert_eq!(identity.etag.as_deref(), Some(ETAG));
    let request = transport.request();
    assert_eq!(request.method(), "GET");
    assert_eq!(request.uri().to_string(), format!("{URL}?{SIGNED}"));
    assert_eq!(names(&request), ["accept-encoding", "range", "user-agent"]);
    assert_eq!(request.headers()["range"], "bytes=0-0");
}

#[tokio::test]
async fn a_range_is_pinned_to_the_content_that_was_looked_at() {
    let reply = first_byte().instead("content-range", "bytes 100-100/1000");
    let (source, transport) = source(SIGNED, [reply]);
    let pinned = ObjectIdentity::new(1000).etag(ETAG);
    let range = ByteRange::new(100, 101).unwrap();
    let body = source.get_range(&source.url.object(), range, &pinned).await.unwrap();
    assert_eq!(body.granted, range);
    let request = transport.request();
    assert_eq!(names(&request), ["accept-encoding", "if-match", "range", "user-agent"]);
    assert_eq!(request.headers()["if-match"], ETAG);
}

#[tokio::test]
async fn an_empty_object_is_known_by_either_answer() {
    let whole = Reply::new(200).header("content-length", "0").header("etag", ETAG);
    assert_eq!(probe("", whole).await.unwrap().size, 0);
    let none = Reply::new(416).header("content-range", "bytes */0").header("etag", ETAG);
    assert_eq!(probe("", none).await.unwrap().size, 0);
    let other = Reply::new(416).header("content-range", "bytes */7");
    assert_eq!(probe("", other).await.unwrap_err().failure(), Failure::Changed);
}

#[tokio::test]
async fn a_server_without_ranges_or_lengths_is_told_apart() {
    let whole = Reply::new(200).header("content-length", "1000").header("etag", ETAG);
    assert_eq!(probe("", whole).await.unwrap_err().kind(), ErrorKind::RangeIgnored);
    for unusable in [
        first_byte().without("content-range"),
        first_byte().instead("content-range", "bytes 0-0/*"),
        first_byte().instead("content-range", "pages 0-0/1000"),
        first_byte().status(204),
    ] {
        assert_eq!(probe("", unusable).await.unwrap_err().kind(), ErrorKind::Protocol);
    }
}

#[tokio::test]
async fn a_url_that_has_expired_is_said_to_have_and_its_query_never_shown() {
    let denied = || {
        Reply::new(403).body([
            "<Error><Code>AccessDenied</Code><Message>expired canary-signature</Message></Error>",
        ])
    };
    let error = probe(SIGNED, denied()).await.unwrap_err();
    assert_eq!((error.failure(), error.kind()), (Failure::Denied, ErrorKind::Credentials));
    assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    assert!(Error::from(error).hint().unwrap().contains("new one for the same object"));

    let valid = SIGNED.replace("=2023", "=2923");
    let error = probe(&valid, denied()).await.unwrap_err();
    assert_eq!((error.kind(), error.host()), (ErrorKind::Denied, Some("h.example")));
    assert!(Error::from(error).hint().unwrap().contains("signed for GET"));
}

#[tokio::test]
async fn another_object_is_not_asked_for() {
    let (source, transport) = source("", []);
    for other in [
        Object::new("bkt", "k").unwrap(),
        "https://h.example/other".parse::<ObjectUrl>().unwrap().object(),
    ] {
        assert_eq!(source.probe(&other).await.unwrap_err().kind(), ErrorKind::Config);
    }
    assert!(transport.requests().is_empty());
}

#[test]
fn what_may_sign_goes_unencrypted_only_where_allowed() {
    let made = |url: &str, plaintext| {
        let transport = Canned::new([]) as Arc<dyn Transport>;
        let url: ObjectUrl = url.parse().unwrap();
        UrlSource::new(transport, url, Limits::default(), plaintext).map(|_| ())
    };
    let error = made("http://h.example/k?Signature=canary", Plaintext::Refuse).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(!format!("{error} {error:?}").contains("canary"));
    made("http://h.example/k?Signature=canary", Plaintext::Allow).unwrap();
    made("http://h.example/k", Plaintext::Refuse).unwrap();
    made("http://127.0.0.1/k?Signature=canary", Plaintext::Refuse).unwrap();
}
