//! The service's state and the credentials: section 3 of the catalogue, and sizes.

use crate::rig::{KEY, PART, Patience, Rig, download_from, in_full, raw, refusal};
use ossget::{Completion, ErrorKind, Integrity};
use ossget_testkit::scripted::Script;
use ossget_testkit::{Content, On, Simulator};

/// Faults: 61.
#[tokio::test]
async fn a_clock_that_is_wrong_is_corrected_with_one_refused_request() {
    for offset in [3_600, -3_600, 80_000] {
        let sim = Simulator::builder().start().await;
        sim.set_clock_offset(offset);
        sim.put_object(KEY, Content::generated(7, 4 * PART));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("object.bin");
        let done = download_from(&sim.endpoint(), path, Patience::default()).await.unwrap();
        assert_eq!((done.completion, done.attempts_failed), (Completion::Published, 0));
        let requests = sim.requests();
        let refused = requests.iter().filter(|request| request.status == Some(403)).count();
        assert_eq!(refused, 1, "{offset}");
    }
    // More than a day is no clock that is a little wrong.
    let sim = Simulator::builder().start().await;
    sim.set_clock_offset(100_000);
    sim.put_object(KEY, Content::generated(7, 4 * PART));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("object.bin");
    let error = download_from(&sim.endpoint(), path, Patience::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{}", in_full(&error));
    assert_eq!(error.service_code(), Some("RequestTimeTooSkewed"));
    assert_eq!(sim.requests().len(), 1);
}

/// Faults: 60.
#[tokio::test]
async fn the_endpoint_that_the_service_names_is_suggested() {
    let document = "<Error><Code>AccessDenied</Code><Message>The bucket you are attempting to \
                    access must be addressed using the specified endpoint.</Message>\
                    <Endpoint>oss-cn-beijing.aliyuncs.com</Endpoint></Error>";
    let rig = Rig::new(PART);
    let error = rig.refused_always(Script::raw(raw("403 Forbidden", "", document))).await;
    assert_eq!((error.kind(), error.service_code()), (ErrorKind::Denied, Some("AccessDenied")));
    assert!(error.hint().unwrap().contains("oss-cn-beijing.aliyuncs.com"));
    assert_eq!(rig.gets().len(), 1);
}

/// Faults: 112.
#[tokio::test]
async fn an_empty_object_becomes_an_empty_file_without_a_range() {
    let rig = Rig::new(0);
    rig.put_old();
    let done = rig.download().await.unwrap();
    rig.assert_downloaded();
    assert_eq!((done.bytes, done.crc64, done.integrity), (0, 0, Integrity::Verified));
    assert!(rig.gets().is_empty());

    let rig = Rig::new(0);
    rig.put_old();
    rig.server.script(On::head().always(), crate::rig::header("x-oss-hash-crc64ecma", "1"));
    let error = rig.download().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity, "{}", in_full(&error));
    rig.assert_nothing_kept();
}

/// Faults: 113.
#[tokio::test]
async fn objects_around_whole_parts_are_exact() {
    for size in [1, PART - 1, PART, PART + 1, 7 * PART - 1, 7 * PART, 7 * PART + 1] {
        let rig = Rig::new(size);
        let done = rig.download().await.unwrap();
        rig.assert_downloaded();
        assert_eq!((done.bytes, done.fetched_bytes), (size, size));
        let ends = rig.gets().iter().map(|get| get.range.clone().unwrap().end).max();
        assert_eq!(ends, Some(size));
        assert_eq!(rig.gets().iter().map(|get| get.sent).sum::<u64>(), size);
    }
}

/// Faults: 100.
#[tokio::test]
async fn a_download_that_has_ended_does_not_hold_its_destination() {
    let rig = Rig::new(2 * PART);
    rig.server
        .script(On::get().covering(PART).always(), refusal("403 Forbidden", "AccessDenied", ""));
    for _ in 0..50 {
        assert_eq!(rig.download().await.unwrap_err().kind(), ErrorKind::Denied);
    }
}
