//! What is sent.

use super::*;
use crate::Error;
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, USER_AGENT};

fn found() -> Reply {
    Reply::new(200).header("content-length", "1000").header("x-oss-request-id", "RID")
}

fn header<'a>(request: &'a http::Request<Bytes>, name: &str) -> Option<&'a str> {
    request.headers().get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_probe_is_a_signed_head() {
    let (source, transport) = source([found()]);
    source.probe(&object()).await.unwrap();
    let request = transport.request();
    assert_eq!(request.method(), Method::HEAD);
    assert_eq!(request.uri(), "https://examplebucket.oss-cn-hangzhou.aliyuncs.com/dir/a%20b.txt");
    for absent in ["range", "if-match", "x-oss-range-behavior"] {
        assert_eq!(header(&request, absent), None);
    }
    let authorization = header(&request, "authorization").unwrap();
    assert!(authorization.starts_with("OSS4-HMAC-SHA256 Credential=STS.exampleid/"));
    assert!(authorization.contains("/cn-hangzhou/oss/aliyun_v4_request,Signature="));
    assert_eq!(header(&request, "x-oss-security-token"), Some("canary-token"));
    assert_eq!(header(&request, "x-oss-content-sha256"), Some("UNSIGNED-PAYLOAD"));
    assert_eq!(header(&request, "user-agent"), Some(concat!("ossget/", env!("CARGO_PKG_VERSION"))));
    assert_eq!(header(&request, "accept-encoding"), Some("identity"));
}

#[tokio::test]
async fn a_ranged_get_is_pinned_strict_and_unencoded() {
    let (source, transport) = source([partial()]);
    let body = get(&source).await.unwrap();
    assert_eq!(body.granted, range(100, 200));
    let request = transport.request();
    assert_eq!(request.method(), Method::GET);
    assert_eq!(header(&request, "range"), Some("bytes=100-199"));
    assert_eq!(header(&request, "x-oss-range-behavior"), Some("standard"));
    assert_eq!(header(&request, "if-match"), Some(ETAG));
    assert_eq!(header(&request, "accept-encoding"), Some("identity"));
    assert!(header(&request, "authorization").is_some());
}

#[tokio::test]
async fn the_signature_is_that_of_the_request_as_sent() {
    let (source, transport) = source([partial()]);
    let object = object().version_id("v1").unwrap();
    source.get_range(&object, range(100, 200), &pinned()).await.unwrap();
    let request = transport.request();
    assert_eq!(request.uri().query(), Some("versionId=v1"));
    // Sign what was sent again, at the time it says.
    let stamp = header(&request, "x-oss-date").unwrap();
    let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", stamp).unwrap();
    let time = time.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().into();
    let pair = Credentials::new("STS.exampleid", "canary-secret").unwrap();
    let unsigned = ossget_sign::Request {
        method: request.method(),
        bucket: Some("examplebucket"),
        key: Some("dir/a b.txt"),
        query: &[("versionId".to_owned(), "v1".to_owned())],
        headers: request.headers(),
    };
    let signer = Signer::v4("cn-hangzhou").unwrap();
    let signed =
        signer.sign(&unsigned, &pair.security_token("canary-token").unwrap(), time).unwrap();
    let (_, expected) = signed.headers().last().unwrap();
    assert_eq!(request.headers()[AUTHORIZATION], expected);
}

#[tokio::test]
async fn without_a_strong_etag_the_date_becomes_the_precondition() {
    const DATE: &str = "Fri, 24 Feb 2012 06:07:48 GMT";
    for (etag, date) in [(None, None), (Some("W/\"x\""), None), (None, Some(DATE))] {
        let (source, transport) = source([partial().without("etag")]);
        let mut pinned = pinned();
        pinned.etag = etag.map(str::to_owned);
        pinned.last_modified = date.map(str::to_owned);
        source.get_range(&object(), range(100, 200), &pinned).await.unwrap();
        let request = transport.request();
        assert_eq!(header(&request, "if-match"), None);
        assert_eq!(header(&request, "if-unmodified-since"), date);
    }
}

/// Faults: 140.
#[tokio::test]
async fn an_etag_that_would_forge_a_header_is_not_sent() {
    let (source, transport) = source([]);
    let pinned = pinned().etag("\"x\"\r\nevil: y");
    let error = source.get_range(&object(), range(100, 200), &pinned).await.unwrap_err();
    assert_eq!(error.failure(), Failure::Fatal);
    assert!(transport.requests().is_empty());
}

#[tokio::test]
async fn an_empty_range_is_not_sent() {
    let (source, transport) = source([]);
    let error = source.get_range(&object(), range(5, 5), &pinned()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(transport.requests().is_empty());
}

#[tokio::test]
async fn the_path_on_the_wire_is_the_encoded_key_byte_for_byte() {
    for (key, path) in [
        ("a/../b", "a/../b"),
        ("./x/.", "./x/."),
        ("..", ".."),
        ("a//b///c", "a//b///c"),
        ("%2e%2e/%41", "%252e%252e/%2541"),
        ("a+b c?d#e&f", "a%2Bb%20c%3Fd%23e%26f"),
        ("x\\y", "x%5Cy"),
        ("a\r\nHost: evil", "a%0D%0AHost%3A%20evil"),
        ("é", "%C3%A9"),
        ("dir/", "dir/"),
    ] {
        let object = Object::new("examplebucket", key).unwrap();
        for (addressing, base) in [
            (Addressing::Virtual, "https://examplebucket.h.example/"),
            (Addressing::Path, "https://h.example/examplebucket/"),
            (Addressing::Cname, "https://h.example/"),
        ] {
            let transport = Canned::new([found()]);
            let endpoint = Endpoint::parse("h.example").unwrap();
            let signing = Signing::v4(&endpoint, Some("cn-hangzhou")).unwrap();
            let shared = Arc::clone(&transport) as Arc<dyn Transport>;
            let source = OssSource::builder(shared, endpoint, signing, temporary())
                .addressing(addressing)
                .build()
                .unwrap();
            source.probe(&object).await.unwrap();
            assert_eq!(transport.request().uri().to_string(), format!("{base}{path}"));
        }
    }
}

#[tokio::test]
async fn anonymous_requests_carry_nothing_of_a_signature() {
    let transport = Canned::new([found()]);
    // Neither a region nor encryption is needed.
    let source = builder(&transport, "http://static.example.com", Arc::new(Anonymous));
    source.build().unwrap().probe(&object()).await.unwrap();
    let request = transport.request();
    let mut names: Vec<_> = request.headers().keys().cloned().collect();
    names.sort_unstable_by_key(|name| name.to_string());
    assert_eq!(names, [ACCEPT_ENCODING, USER_AGENT]);
    assert_eq!(request.uri(), "http://examplebucket.static.example.com/dir/a%20b.txt");
}

#[tokio::test]
async fn v1_is_signed_without_a_region() {
    let transport = Canned::new([found()]);
    let endpoint = Endpoint::parse("static.example.com").unwrap();
    let shared = Arc::clone(&transport) as Arc<dyn Transport>;
    let source = OssSource::builder(shared, endpoint, Signing::V1, temporary()).build().unwrap();
    source.probe(&object()).await.unwrap();
    let request = transport.request();
    assert!(header(&request, "authorization").unwrap().starts_with("OSS STS.exampleid:"));
    assert!(header(&request, "date").unwrap().ends_with(" GMT"));
}

#[tokio::test]
async fn a_cloud_box_is_signed_for_by_its_id() {
    let transport = Canned::new([found()]);
    let endpoint = Endpoint::parse("cb-123.cn-hangzhou.oss-cloudbox.aliyuncs.com").unwrap();
    let signing = Signing::v4(&endpoint, Some("cn-hangzhou")).unwrap();
    let shared = Arc::clone(&transport) as Arc<dyn Transport>;
    let source = OssSource::builder(shared, endpoint, signing, temporary()).build().unwrap();
    source.probe(&object()).await.unwrap();
    let authorization = header(&transport.request(), "authorization").unwrap().to_owned();
    assert!(authorization.contains("/cb-123/oss-cloudbox/aliyun_v4_request"), "{authorization}");
}

#[test]
fn credentials_need_a_region_for_v4_and_a_configured_one_wins() {
    let transport = Canned::new([]);
    let error = builder(&transport, "static.example.com", temporary()).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("region"));
    let endpoint = Endpoint::parse(HOST).unwrap();
    let region = |signing| match signing {
        Signing::V4 { region, .. } => region,
        Signing::V1 => None,
    };
    assert_eq!(region(Signing::v4(&endpoint, None).unwrap()).as_deref(), Some("cn-hangzhou"));
    let explicit = Signing::v4(&endpoint, Some("cn-beijing")).unwrap();
    assert_eq!(region(explicit).as_deref(), Some("cn-beijing"));
    for bad in ["", "CN-Hangzhou", "cn_hangzhou", "a/b", "a\n"] {
        let error = Signing::v4(&endpoint, Some(bad)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{bad}");
    }
}

/// Faults: 139.
#[test]
fn credentials_over_plaintext_need_permission_unless_the_host_is_this_one() {
    let build = |endpoint: &str, plaintext| {
        let transport = Canned::new([]);
        builder(&transport, endpoint, temporary()).plaintext(plaintext).build()
    };
    let plain = "http://oss-cn-hangzhou.aliyuncs.com";
    let error = build(plain, Plaintext::Refuse).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains(plain));
    assert!(build(plain, Plaintext::Allow).is_ok());
    assert!(build(HOST, Plaintext::Refuse).is_ok());
    for loopback in ["http://127.0.0.1:9000", "http://[::1]", "http://localhost"] {
        let transport = Canned::new([]);
        let endpoint = Endpoint::parse(loopback).unwrap();
        let shared = Arc::clone(&transport) as Arc<dyn Transport>;
        let source = OssSource::builder(shared, endpoint, Signing::V1, temporary()).build();
        assert!(source.is_ok(), "{loopback}");
    }
}

/// Says that it never has credentials, and has some.
#[derive(Debug)]
struct Liar;

#[async_trait]
impl CredentialsProvider for Liar {
    async fn credentials(&self) -> Result<Option<Credentials>, Error> {
        Ok(Some(Credentials::new("ak", "canary-secret").unwrap()))
    }

    fn describe(&self) -> String {
        "a liar".to_owned()
    }

    fn is_anonymous(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn a_provider_that_is_not_anonymous_after_all_gets_nothing_sent() {
    for endpoint in ["http://oss-cn-hangzhou.aliyuncs.com", "https://static.example.com"] {
        let transport = Canned::new([]);
        let source = builder(&transport, endpoint, Arc::new(Liar)).build().unwrap();
        let error = source.probe(&object()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(!error.failure().is_transient());
        assert!(transport.requests().is_empty());
    }
}

#[tokio::test]
async fn a_header_of_the_callers_is_sent_and_signed_but_none_of_ours_is_replaced() {
    let transport = Canned::new([found(), found()]);
    let plain = builder(&transport, HOST, temporary()).build().unwrap();
    let name = HeaderName::from_static("x-oss-request-payer");
    let payer = builder(&transport, HOST, temporary())
        .header(name, HeaderValue::from_static("requester"))
        .header(USER_AGENT, HeaderValue::from_static("mine/1"))
        .build()
        .unwrap();
    plain.probe(&object()).await.unwrap();
    payer.probe(&object()).await.unwrap();
    let [one, other] = &transport.requests()[..] else { panic!() };
    assert_eq!(header(other, "x-oss-request-payer"), Some("requester"));
    assert_eq!(header(other, "user-agent"), Some("mine/1"));
    assert_ne!(header(one, "authorization"), header(other, "authorization"));
    for name in ["range", "if-none-match", "authorization", "host", "x-oss-date", "accept-encoding"]
    {
        let value = HeaderValue::from_static("canary");
        let built = builder(&transport, HOST, temporary())
            .header(HeaderName::from_static(name), value)
            .build();
        let error = built.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{name}");
        assert!(!all_text(&error).contains("canary"));
    }
}

#[tokio::test]
async fn a_provider_without_credentials_is_a_lasting_failure_of_its_own_kind() {
    let transport = Canned::new([]);
    let none = crate::EnvironmentCredentials::with_lookup(|_| None);
    let source = builder(&transport, HOST, Arc::new(none)).build().unwrap();
    let error = source.probe(&object()).await.unwrap_err();
    assert_eq!((error.failure(), error.kind()), (Failure::Denied, ErrorKind::Credentials));
    assert!(error.to_string().contains("OSS_ACCESS_KEY_ID"));
}
