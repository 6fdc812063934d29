//! What successes are worth.

use super::*;
use crate::Error;

async fn verdict(reply: Reply) -> Result<ByteRange, (Failure, ErrorKind)> {
    let (source, _) = source([reply]);
    match get(&source).await {
        Ok(body) => Ok(body.granted),
        Err(error) => {
            assert_eq!(error.host(), Some("oss-cn-hangzhou.aliyuncs.com"));
            Err((error.failure(), error.kind()))
        }
    }
}

#[tokio::test]
async fn the_body_of_an_accepted_range_comes_through_unchanged() {
    let (source, _) = source([partial()]);
    let RangeBody { granted, mut body, held_back } = get(&source).await.unwrap();
    assert_eq!(granted, range(100, 200));
    assert_eq!(body.chunk().await.unwrap().unwrap(), vec![b'x'; 100]);
    assert_eq!(body.chunk().await.unwrap(), None);
    assert!(!held_back);
}

/// Faults: 45.
#[tokio::test]
async fn an_answer_that_was_held_back_says_so() {
    let (source, _) = source([partial().header("x-oss-qos-delay-time", "350")]);
    assert!(get(&source).await.unwrap().held_back);
}

#[tokio::test]
async fn a_beginning_of_the_range_is_granted_as_far_as_it_goes() {
    let shorter =
        partial().instead("content-range", "bytes 100-149/1000").instead("content-length", "50");
    assert_eq!(verdict(shorter).await, Ok(range(100, 150)));
    assert_eq!(verdict(partial().without("content-length")).await, Ok(range(100, 200)));
}

#[tokio::test]
async fn a_whole_object_instead_of_the_range_is_told_apart() {
    let whole = Reply::new(200).header("content-length", "1000").header("etag", ETAG);
    assert_eq!(verdict(whole).await, Err((Failure::Protocol, ErrorKind::RangeIgnored)));
}

#[tokio::test]
async fn an_answer_that_is_not_the_range_is_a_protocol_violation() {
    for reply in [
        partial().without("content-range"),
        partial().instead("content-range", "bytes 101-200/1000"),
        partial().instead("content-range", "bytes 100-199/*"),
        partial().instead("content-length", "99"),
        partial().instead("content-length", "x"),
        partial().instead("content-length", "+100"),
        partial().header("content-length", "99"),
        partial().header("content-range", "bytes 0-99/1000"),
        partial().header("etag", "\"another\""),
        partial().header("content-encoding", "identity").header("content-encoding", "gzip"),
        partial().header("content-encoding", "gzip"),
        partial().header("content-type", "multipart/byteranges; boundary=x"),
        partial().status(204),
        partial().status(299),
    ] {
        let shown = format!("{reply:?}");
        let expected = Err((Failure::Protocol, ErrorKind::Protocol));
        assert_eq!(verdict(reply).await, expected, "{shown}");
    }
}

#[tokio::test]
async fn another_etag_length_or_crc_means_that_the_object_changed() {
    for reply in [
        partial().instead("etag", "\"other\""),
        partial().instead("content-range", "bytes 100-199/1001"),
        partial().instead("x-oss-hash-crc64ecma", "43"),
    ] {
        assert_eq!(verdict(reply).await, Err((Failure::Changed, ErrorKind::Changed)));
    }
    let no_number = partial().instead("x-oss-hash-crc64ecma", "x");
    assert_eq!(verdict(no_number).await, Ok(range(100, 200)));
}

#[tokio::test]
async fn a_probe_learns_the_whole_identity() {
    let (source, _) = source([Reply::new(200)
        .header("content-length", "1000")
        .header("etag", ETAG)
        .header("last-modified", "Fri, 24 Feb 2012 06:07:48 GMT")
        .header("x-oss-version-id", "CAEQ")
        .header("x-oss-hash-crc64ecma", "18446744073709551615")
        .header("x-oss-object-type", "Multipart")]);
    let identity = source.probe(&object()).await.unwrap();
    let expected = ObjectIdentity::new(1000)
        .etag(ETAG)
        .last_modified("Fri, 24 Feb 2012 06:07:48 GMT")
        .version_id("CAEQ")
        .crc64(u64::MAX)
        .object_type("Multipart");
    assert_eq!(identity, expected);
}

#[tokio::test]
async fn a_probe_does_without_all_but_the_length() {
    let (source, _) = source([Reply::new(200)
        .header("content-length", "0")
        .header("x-oss-hash-crc64ecma", "18446744073709551616")
        .header("etag", b"\"\xff\"")
        .header("last-modified", "")]);
    assert_eq!(source.probe(&object()).await.unwrap(), ObjectIdentity::new(0));
    for reply in [
        Reply::new(200),
        Reply::new(200).header("content-length", "-1"),
        Reply::new(200).header("content-length", ""),
        Reply::new(200).header("content-length", "18446744073709551616"),
        Reply::new(200).header("content-length", "1").header("content-length", "2"),
        Reply::new(204).header("content-length", "1"),
        Reply::new(206).header("content-length", "1"),
        Reply::new(200).header("content-length", "1").header("server", "login page"),
    ] {
        let shown = format!("{reply:?}");
        let (source, _) = super::source([reply]);
        let error = source.probe(&object()).await.unwrap_err();
        assert_eq!(
            (error.failure(), error.kind()),
            (Failure::Protocol, ErrorKind::Protocol),
            "{shown}"
        );
    }
}

/// Faults: 64.
#[tokio::test]
async fn an_object_that_seems_archived_is_asked_for_a_byte() {
    let head = || {
        let reply = Reply::new(200).header("content-length", "1000").header("etag", ETAG);
        reply.header("x-oss-storage-class", "ColdArchive")
    };
    let document = "<Error><Code>InvalidObjectState</Code></Error>";
    let (source, transport) = source([head(), Reply::new(403).body([document])]);
    let error = source.probe(&object()).await.unwrap_err();
    assert_eq!((error.failure(), error.kind()), (Failure::NotFound, ErrorKind::NotFound));
    assert_eq!(Error::from(error).hint(), Some("restore the archived object first"));
    assert_eq!(transport.requests()[1].headers()["range"], "bytes=0-0");

    // A bucket may allow archived objects to be read.
    let byte = partial().instead("content-range", "bytes 0-0/1000").instead("content-length", "1");
    let (source, transport) = super::source([head(), byte]);
    assert_eq!(source.probe(&object()).await.unwrap().size, 1000);
    assert_eq!(transport.requests().len(), 2);

    let restored = head().header("x-oss-restore", "ongoing-request=\"false\", expiry-date=\"...\"");
    let plain = head().instead("x-oss-storage-class", "IA");
    for reply in [restored, plain, head().instead("content-length", "0")] {
        let (source, transport) = super::source([reply]);
        assert!(source.probe(&object()).await.is_ok());
        assert_eq!(transport.requests().len(), 1);
    }
}
