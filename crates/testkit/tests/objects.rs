//! Objects: ranges, conditions, versions, writing, listing.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use ossget_testkit::{Content, Control, Simulator, Versioning};
use support::{Call, End, element, refused};

async fn simulator() -> Simulator {
    let sim = Simulator::builder().start().await;
    sim.put_object("k", Content::generated(1, 1000));
    sim
}

fn content() -> Content {
    Content::generated(1, 1000)
}

#[tokio::test]
async fn a_whole_object_comes_with_all_that_the_service_says() {
    let sim = simulator().await;
    let answer = Call::get("k").signed().send(&sim);
    assert_eq!((answer.status, answer.end), (200, End::Complete));
    assert_eq!(answer.body, content().window(0..1000));
    let crc = content().crc64().to_string();
    for (name, value) in [
        ("content-length", "1000"),
        ("accept-ranges", "bytes"),
        ("server", "AliyunOSS"),
        ("connection", "keep-alive"),
        ("x-oss-object-type", "Normal"),
        ("x-oss-storage-class", "Standard"),
        ("x-oss-hash-crc64ecma", crc.as_str()),
        ("etag", content().etag().as_str()),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    let id = answer.header("x-oss-request-id").unwrap();
    assert!(id.len() == 24 && id.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()));
    for name in ["date", "last-modified"] {
        assert!(answer.header(name).unwrap().ends_with(" GMT"), "{name}");
    }
    assert_eq!(answer.headers.get_all("date").iter().count(), 1);
}

#[tokio::test]
async fn a_range_is_served_with_the_crc_of_the_whole() {
    let sim = simulator().await;
    let answer = Call::get("k").range("bytes=10-19").signed().send(&sim);
    assert_eq!((answer.status, answer.body), (206, content().window(10..20)));
    assert_eq!(answer.headers["content-range"], "bytes 10-19/1000");
    let crc = content().crc64().to_string();
    assert_eq!(answer.headers["x-oss-hash-crc64ecma"], crc.as_str());
}

#[tokio::test]
async fn out_of_bounds_ranges_depend_on_the_behavior_header() {
    let sim = simulator().await;
    let clamped = Call::get("k").range("bytes=990-2000").signed().send(&sim);
    assert_eq!((clamped.status, clamped.body.len()), (206, 10));
    let beyond = Call::get("k").range("bytes=1000-").signed().send(&sim);
    refused(&beyond, 416, "InvalidRange");
    assert_eq!(beyond.headers["x-oss-ec"], element(&beyond.text(), "EC").unwrap().as_str());
    for range in ["bytes=990-2000", "bytes=1000-", "bytes=1-0", "bytes=0-1,3-4"] {
        let legacy = Call::get("k").header("range", range).signed().send(&sim);
        assert_eq!((legacy.status, legacy.body.len()), (200, 1000), "{range}");
        assert!(legacy.header("content-range").is_none());
    }
    let suffix = Call::get("k").header("range", "bytes=-5").signed().send(&sim);
    assert_eq!((suffix.status, suffix.body), (206, content().window(995..1000)));
}

#[tokio::test]
async fn the_largest_object_is_served_anywhere() {
    let sim = simulator().await;
    let size = 53_687_091_200_000;
    sim.put_object("largest", Content::generated(7, size));
    let head = Call::head("largest").signed().send(&sim);
    assert_eq!(head.headers["content-length"], size.to_string().as_str());
    let answer = Call::get("largest").range("bytes=53687091199990-").signed().send(&sim);
    assert_eq!(answer.body, Content::generated(7, size).window(size - 10..size));
}

#[tokio::test]
async fn a_failed_head_says_why_in_a_header() {
    let sim = simulator().await;
    let answer = Call::head("absent").signed().send(&sim);
    assert_eq!((answer.status, answer.body.len()), (404, 0));
    let document = STANDARD.decode(answer.header("x-oss-err").unwrap()).unwrap();
    let document = String::from_utf8(document).unwrap();
    assert_eq!(element(&document, "Code").unwrap(), "NoSuchKey");
    let id = element(&document, "RequestId").unwrap();
    assert_eq!(answer.header("x-oss-request-id"), Some(id.as_str()));
    assert_eq!(answer.header("x-oss-ec"), element(&document, "EC").as_deref());
}

#[tokio::test]
async fn head_and_meta_describe_without_a_body() {
    let sim = simulator().await;
    let head = Call::head("k").range("bytes=0-1").signed().send(&sim);
    assert_eq!((head.status, head.header("content-length")), (200, Some("1000")));
    let meta = Call::head("k").query("objectMeta", "").signed().send(&sim);
    assert_eq!((meta.status, meta.header("content-length")), (200, Some("1000")));
    assert_eq!(meta.header("etag"), Some(content().etag().as_str()));
    assert!(meta.header("x-oss-object-type").is_none());
}

#[tokio::test]
async fn conditions_hold_a_request_to_what_it_expects() {
    let sim = simulator().await;
    let etag = content().etag();
    let modified = Call::head("k").signed().send(&sim).header("last-modified").unwrap().to_owned();
    let (past, future) = ("Sun, 09 Mar 2025 08:05:07 GMT", "Tue, 09 Mar 2190 08:05:07 GMT");
    for (name, value, status) in [
        ("if-match", etag.as_str(), 200),
        ("if-match", "\"OTHER\"", 412),
        ("if-none-match", etag.as_str(), 304),
        ("if-none-match", "\"OTHER\"", 200),
        ("if-modified-since", modified.as_str(), 304),
        ("if-modified-since", past, 200),
        ("if-unmodified-since", modified.as_str(), 200),
        ("if-unmodified-since", past, 412),
        ("if-modified-since", future, 304),
        ("if-modified-since", "garbage", 200),
    ] {
        let answer = Call::get("k").header(name, value).signed().send(&sim);
        assert_eq!(answer.status, status, "{name}: {value}");
        match status {
            412 => refused(&answer, 412, "PreconditionFailed"),
            304 => assert!(answer.body.is_empty() && answer.header("etag") == Some(&etag)),
            _ => {}
        }
    }
    sim.replace_object("k", Content::generated(2, 1000));
    assert_eq!(Call::get("k").header("if-match", &etag).signed().send(&sim).status, 412);
}

#[tokio::test]
async fn old_versions_are_served_by_their_id() {
    let sim = Simulator::builder().versioning(Versioning::Enabled).start().await;
    let first = sim.put_object("k", "one").unwrap();
    let second = sim.replace_object("k", "two").unwrap();
    let current = Call::get("k").signed().send(&sim);
    assert_eq!(
        (current.text().as_str(), current.header("x-oss-version-id")),
        ("two", Some(&*second))
    );
    let old = Call::get("k").query("versionId", &first).signed().send(&sim);
    assert_eq!((old.text().as_str(), old.header("x-oss-version-id")), ("one", Some(&*first)));
    let unknown = Call::get("k").query("versionId", "unknown").signed().send(&sim);
    refused(&unknown, 404, "NoSuchVersion");
    let deleted = Call::new(Method::DELETE, "k").signed().send(&sim);
    assert_eq!((deleted.status, deleted.header("x-oss-delete-marker")), (204, Some("true")));
    refused(&Call::get("k").signed().send(&sim), 404, "NoSuchKey");
}

#[tokio::test]
async fn what_is_put_can_be_read_back() {
    let sim = simulator().await;
    let put = Call::new(Method::PUT, "new").body("hello").header("content-type", "text/plain");
    let answer = put.clone().header("x-oss-meta-a", "b").signed().send(&sim);
    assert_eq!(
        (answer.status, answer.header("etag")),
        (200, Some("\"5D41402ABC4B2A76B9719D911017C592\""))
    );
    let crc = Content::bytes("hello").crc64().to_string();
    assert_eq!(answer.header("x-oss-hash-crc64ecma"), Some(crc.as_str()));
    let got = Call::get("new").signed().send(&sim);
    assert_eq!(got.text(), "hello");
    assert_eq!(
        (got.header("content-type"), got.header("x-oss-meta-a")),
        (Some("text/plain"), Some("b"))
    );
    let again = put.clone().header("x-oss-forbid-overwrite", "true").signed().send(&sim);
    refused(&again, 409, "FileAlreadyExists");
    let damaged = put.header("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==").signed().send(&sim);
    refused(&damaged, 400, "InvalidDigest");
    assert_eq!(Call::new(Method::DELETE, "new").signed().send(&sim).status, 204);
    refused(&Call::get("new").signed().send(&sim), 404, "NoSuchKey");
}

#[tokio::test]
async fn keys_are_taken_literally_in_both_styles() {
    let sim = simulator().await;
    for key in ["a//b", "a/../b", "a b+c%2F", "dir/", "文/é", "?acl&x=y#z", "..", "~'*"] {
        sim.put_object(key, Content::bytes(key.to_owned()));
        let call = Call::get(key).signed();
        assert_eq!(call.send(&sim).text(), key, "path style");
        let host = format!("examplebucket.localhost:{}", sim.address().port());
        let path = format!("/{}", ossget_sign::encode_path(key));
        assert_eq!(call.send_as(&sim, &host, &path).text(), key, "virtual hosted");
    }
}

#[tokio::test]
async fn unknown_buckets_and_operations_are_refused() {
    let sim = simulator().await;
    let mut elsewhere = Call::get("k");
    elsewhere.bucket = Some("absent".to_owned());
    refused(&elsewhere.signed().send(&sim), 404, "NoSuchBucket");
    refused(&Call::get("k").query("acl", "").signed().send(&sim), 501, "NotImplemented");
    refused(&Call::new(Method::POST, "k").signed().send(&sim), 405, "MethodNotAllowed");
    refused(&Call::get("/k").signed().send(&sim), 400, "InvalidObjectName");
}

#[tokio::test]
async fn listings_page_through_keys_and_common_prefixes() {
    let sim = Simulator::builder().start().await;
    for key in ["a", "b/1", "b/2", "b/c/3", "d&<", "e f"] {
        sim.put_object(key, "x");
    }
    let keys = |xml: &str| -> Vec<String> {
        let starts = xml.match_indices("<Key>").map(|(at, _)| at);
        let prefixes = xml.match_indices("<CommonPrefixes>").map(|(at, _)| at);
        starts
            .map(|at| element(&xml[at..], "Key").unwrap())
            .chain(prefixes.map(|at| element(&xml[at..], "Prefix").unwrap()))
            .collect()
    };
    let list = |query: &[(&str, &str)]| {
        let call = query.iter().fold(Call::get(""), |call, (name, value)| call.query(name, value));
        call.signed().send(&sim).text()
    };
    assert_eq!(keys(&list(&[])), ["a", "b/1", "b/2", "b/c/3", "d&amp;&lt;", "e f"]);
    assert_eq!(keys(&list(&[("prefix", "b/")])), ["b/1", "b/2", "b/c/3"]);
    assert_eq!(
        keys(&list(&[("delimiter", "/"), ("encoding-type", "url")])),
        ["a", "d%26%3C", "e%20f", "b%2F"]
    );
    assert_eq!(keys(&list(&[("marker", "b/2"), ("max-keys", "1")])), ["b/c/3"]);
    for (version, next_name, resume) in
        [("1", "NextMarker", "marker"), ("2", "NextContinuationToken", "continuation-token")]
    {
        let mut seen = Vec::new();
        let mut next = String::new();
        for _ in 0..10 {
            let mut query = vec![("list-type", version), ("max-keys", "2"), ("delimiter", "/")];
            if !next.is_empty() {
                query.push((resume, &next));
            }
            let page = list(&query);
            seen.extend(keys(&page));
            match element(&page, next_name) {
                Some(token) => next = token,
                None => break,
            }
        }
        assert_eq!(seen, ["a", "b/", "d&amp;&lt;", "e f"], "version {version}");
    }
    assert_eq!(keys(&list(&[("list-type", "2"), ("start-after", "d&<")])), ["e f"]);
    assert!(list(&[("max-keys", "0")]).contains("InvalidArgument"));
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let sim = simulator().await;
    let mut stream = std::net::TcpStream::connect(sim.address()).unwrap();
    let host = sim.address().to_string();
    for _ in 0..3 {
        let answer = Call::get("k").signed().send_on(&mut stream, &host, "/examplebucket/k");
        assert_eq!(answer.body.len(), 1000);
    }
    Call::get("k").signed().send(&sim);
    let connections: Vec<u64> = sim.requests().iter().map(|request| request.connection).collect();
    assert_eq!(connections, [0, 0, 0, 1]);
    assert!(sim.requests().iter().all(|request| request.sent == 1000));
}

#[tokio::test]
async fn other_processes_can_steer_only_when_allowed() {
    let order = |name: &str, body: &str| {
        let mut call = Call::new(Method::POST, "").body(body);
        call.bucket = None;
        (call, format!("/-/sim/{name}"))
    };
    let closed = simulator().await;
    let (call, path) = order("faults", "{}");
    assert_ne!(call.send_as(&closed, "localhost", &path).status, 200);

    let sim = Simulator::builder().control(Control::Open).start().await;
    for (name, body, status) in [
        ("object", r#"{"bucket":"examplebucket","key":"k","text":"hello"}"#, 200),
        ("faults", r#"{"spec":"get:status=503/SlowDown"}"#, 200),
        ("faults", r#"{"spec":"nonsense"}"#, 400),
        ("object", r#"{"bucket":"absent","key":"k"}"#, 404),
        ("unknown", "{}", 404),
    ] {
        let (call, path) = order(name, body);
        let answer = call.send_as(&sim, "localhost", &path);
        assert_eq!(answer.status, status, "{name} {}", answer.text());
    }
    refused(&Call::get("k").signed().send(&sim), 503, "SlowDown");
    assert_eq!(Call::get("k").signed().send(&sim).text(), "hello");
    let mut call = Call::get("");
    call.bucket = None;
    let log = call.send_as(&sim, "localhost", "/-/sim/requests").text();
    let log: serde_json::Value = serde_json::from_str(&log).unwrap();
    assert_eq!((log[0]["status"].as_u64(), log[1]["status"].as_u64()), (Some(503), Some(200)));
}
