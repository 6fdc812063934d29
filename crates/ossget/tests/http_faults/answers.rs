//! What is answered in place of the range: section 2 of the catalogue, successes.

use crate::rig::{
    PART, Patience, Rig, connections, download_from, header, in_full, raw, with_header,
};
use ossget::{ErrorKind, PartSize};
use ossget_testkit::scripted::{Place, Script, Step};
use ossget_testkit::{Content, Fault, On, Simulator};
use std::time::Duration;

/// Faults: 26.
#[tokio::test]
async fn a_whole_object_for_a_range_is_closed_at_once_and_given_up() {
    const SIZE: u64 = 100_000_000;
    let sim = Simulator::builder().start().await;
    sim.put_object(crate::rig::KEY, Content::generated(7, SIZE));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("object.bin");
    sim.fault(On::get().always(), Fault::IgnoreRange);
    let download = download_from(&sim.endpoint(), path.clone(), Patience::default());
    let download = download.part_size(PartSize::mib(40).unwrap());
    let error = download.parallel(connections(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RangeIgnored, "{}", in_full(&error));
    assert!(in_full(&error).contains("ignored the range"));
    assert!(!path.exists());
    let requests = sim.requests();
    let gets: Vec<_> = requests.iter().filter(|request| request.method == "GET").collect();
    // Three parts, each at most three times.
    assert!(gets.len() <= 9, "{}", gets.len());
    // The buffers of two sockets hold some of it.
    assert!(gets.iter().all(|get| get.sent < SIZE / 4));
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().ends_with(".part") {
            let bytes = std::fs::read(entry.path()).unwrap();
            assert!(bytes.iter().all(|byte| *byte == 0), "bytes of a refused response");
        }
    }
}

/// Faults: 26.
#[tokio::test]
async fn a_whole_object_is_taken_where_it_is_what_was_asked_for() {
    let sim = Simulator::builder().start().await;
    let content = Content::generated(7, PART);
    sim.put_object(crate::rig::KEY, content.clone());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("object.bin");
    sim.fault(On::get().always(), Fault::IgnoreRange);
    download_from(&sim.endpoint(), path.clone(), Patience::default()).await.unwrap();
    assert!(std::fs::read(path).unwrap() == content.window(0..PART));

    // Not if it is another one.
    sim.fault(On::get().always(), Fault::WrongETag);
    let path = folder.path().join("other.bin");
    let download = download_from(&sim.endpoint(), path.clone(), Patience::default());
    assert_eq!(download.await.unwrap_err().kind(), ErrorKind::Changed);
    assert!(!path.exists());
}

/// What no answer to a range may say of it. Those of which the object has another length are for
/// `identity`.
const CONTENT_RANGES: &[&str] = &[
    "",
    "bytes 1-102399/204800",
    "bytes 0-204799/204800",
    "bytes 102399-204798/204800",
    "bytes 0-102399/*",
    "bytes */204800",
    "bytes 0-18446744073709551615/204800",
    "bytes 0-18446744073709551616/204800",
    "bytes 18446744073709551616-18446744073709551617/204800",
    "bytes 0-102399/18446744073709551616",
    "bytes -1-102399/204800",
    "bytes 0--102399/204800",
    "bytes +0-102399/204800",
    "bytes  0-102399/204800",
    "bytes 0 - 102399 / 204800",
    "bytes 0-102399 /204800",
    "bytes 102399-0/204800",
    "bytes=0-102399/204800",
    "octets 0-102399/204800",
    "bytes 0-102399,102400-204799/204800",
    "0-102399/204800",
    "bytes 0-102399/0x32000",
    "\u{7f}",
];

/// Faults: 27, 28.
#[tokio::test]
async fn a_part_that_does_not_say_which_it_is_is_refused_three_times_and_given_up() {
    let cases = CONTENT_RANGES.iter().map(|value| async move {
        let rig = Rig::new(2 * PART);
        let error = rig.refused_always(header("Content-Range", *value)).await;
        assert_eq!(error.kind(), ErrorKind::Protocol, "{value}: {}", in_full(&error));
        assert_eq!(rig.most_asked(), 3, "{value}");
        rig.assert_nothing_written();
        rig.assert_kept(&error);
        rig.finish(2 * PART).await;
    });
    futures::future::join_all(cases).await;
}

/// Faults: 27, 28.
#[tokio::test]
async fn a_part_that_does_not_say_which_it_is_is_got_over_if_it_was_a_slip() {
    let cases = CONTENT_RANGES.iter().map(|value| async move {
        let rig = Rig::new(2 * PART);
        let done = rig.recovered(header("Content-Range", *value)).await;
        assert_eq!((done.fetched_bytes, done.attempts_failed), (2 * PART, 1), "{value}");
    });
    futures::future::join_all(cases).await;
}

/// Faults: 18.
#[tokio::test]
async fn a_body_longer_than_asked_for_is_refused_before_anything_is_written() {
    // The end of the range and the length agree with each other, and with the body.
    let longer = |head: &str| {
        let head = head.replace("bytes 0-102399/", "bytes 0-102499/");
        with_header(&head, "Content-Length", "102500")
    };
    let steps = [Step::Rest, Step::Send(vec![b'x'; 100].into())];
    let script = Script::new(steps).edited(longer);
    let rig = Rig::new(2 * PART);
    rig.put_old();
    rig.server.script(On::get().covering(0).always(), script);
    let error = rig.download().parallel(connections(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{}", in_full(&error));
    assert_eq!(rig.most_asked(), 3);
    rig.assert_kept(&error);
    rig.assert_not_written(0..PART);
    rig.finish(2 * PART).await;
}

/// Faults: 29.
#[tokio::test]
async fn ranges_that_are_answered_in_pieces_are_put_together() {
    for piece in [20_000, 30_000, 99_999] {
        let capped = move |head: &str| {
            let value = head.split("Content-Range: bytes ").nth(1).unwrap();
            let (first, rest) = value.split_once('-').unwrap();
            let (last, _) = rest.split_once('/').unwrap();
            let (first, last): (u64, u64) = (first.parse().unwrap(), last.parse().unwrap());
            let last = last.min(first + piece - 1);
            let length = (last + 1 - first).to_string();
            let value = format!("bytes {first}-{last}/102400");
            let head = with_header(head, "Content-Range", &value);
            with_header(&head, "Content-Length", &length)
        };
        let rig = Rig::new(PART);
        let script = Script::new([Step::UpTo(Place::Body(piece))]).edited(capped);
        rig.server.script(On::get().always(), script);
        let done = rig.download().await.unwrap();
        rig.assert_downloaded();
        assert_eq!(done.fetched_bytes, PART);
        assert_eq!(rig.gets().len() as u64, PART.div_ceil(piece), "{piece}");
    }
}

/// Faults: 30, 31.
#[tokio::test]
async fn a_body_that_is_not_plain_bytes_is_refused_before_anything_is_written() {
    for (name, value) in [
        ("Content-Type", "multipart/byteranges; boundary=x"),
        ("Content-Encoding", "gzip"),
        ("Content-Encoding", "br"),
        ("Content-Encoding", "deflate"),
    ] {
        let rig = Rig::new(2 * PART);
        let error = rig.refused_always(header(name, value)).await;
        assert_eq!(error.kind(), ErrorKind::Protocol, "{value}: {}", in_full(&error));
        assert_eq!(rig.most_asked(), 3, "{value}");
        rig.assert_nothing_written();
        assert!(rig.gets().iter().all(|get| get.head.contains("accept-encoding: identity\r\n")));
        rig.finish(2 * PART).await;
    }
}

/// Faults: 46.
#[tokio::test]
async fn an_error_document_under_a_success_is_no_part() {
    let document = "<Error><Code>InternalError</Code></Error>";
    for response in [
        raw("200 OK", "Content-Type: application/xml\r\n", document),
        raw("206 Partial Content", "Content-Type: application/xml\r\n", document),
        raw("206 Partial Content", "Content-Range: bytes 0-40/204800\r\n", &document[..40]),
        raw("203 Non-Authoritative Information", "", document),
        raw("204 No Content", "", ""),
    ] {
        let rig = Rig::new(2 * PART);
        rig.recovered(Script::raw(response.clone())).await;
        let rig = Rig::new(2 * PART);
        let error = rig.refused_always(Script::raw(response.clone())).await;
        let kinds = [ErrorKind::Protocol, ErrorKind::RangeIgnored];
        assert!(kinds.contains(&error.kind()), "{response}: {}", in_full(&error));
        assert_eq!(rig.most_asked(), 3, "{response}");
        rig.assert_nothing_written();
    }
}

/// Faults: 46.
#[tokio::test]
async fn a_service_that_is_out_of_order_is_waited_for() {
    for status in ["500 Internal Server Error", "502 Bad Gateway", "504 Gateway Timeout"] {
        let rig = Rig::new(2 * PART);
        let done = rig.recovered(crate::rig::refusal(status, "InternalError", "")).await;
        assert_eq!((done.fetched_bytes, done.attempts_failed), (2 * PART, 1), "{status}");
        let total = Duration::from_millis(300);
        let rig = Rig::new(2 * PART).patience(Patience { total, ..Patience::default() });
        let error = rig.refused_always(Script::raw(raw(status, "", "<html>"))).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", in_full(&error));
        assert!(error.is_transient());
        rig.assert_kept(&error);
        assert!(rig.gets().len() < 30, "{}", rig.gets().len());
        rig.finish(2 * PART).await;
    }
}
