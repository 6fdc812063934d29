//! Which object it is that is answered with: sections 2 and 3 of the catalogue.

use crate::rig::{
    PART, Patience, Rig, connections, download_from, header, in_full, refusal, with_header,
};
use ossget::{CrcPolicy, DownloadEvent, ErrorKind, Integrity, OnChange};
use ossget_testkit::scripted::{Script, Step};
use ossget_testkit::{Content, Fault, On, Simulator};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Headers that say that a GET is of another object than the HEAD before it.
fn others() -> [Script; 3] {
    [
        header("ETag", "\"00000000000000000000000000000000\""),
        header("x-oss-hash-crc64ecma", "1"),
        Script::head(|head| head.replace("/409600\r\n", "/409601\r\n")),
    ]
}

/// Faults: 37, 54, 57.
#[tokio::test]
async fn a_get_of_another_object_than_the_head_is_looked_into_once_and_then_given_up() {
    for script in others() {
        let rig = Rig::new(4 * PART);
        let error = rig.refused_always(script).await;
        assert_eq!(error.kind(), ErrorKind::Changed, "{}", in_full(&error));
        assert!(!error.is_transient());
        assert_eq!(rig.heads(), 2);
        assert!(rig.gets().len() <= 8, "{:?}", rig.gets());
        rig.assert_nothing_written();
        rig.finish(4 * PART).await;
    }
}

/// Faults: 37, 54, 57.
#[tokio::test]
async fn a_single_answer_of_another_object_costs_a_probe_and_nothing_that_was_had() {
    for script in others() {
        let rig = Rig::new(4 * PART);
        rig.server.script(On::get().covering(3 * PART), script);
        let done = rig.download().parallel(connections(1)).await.unwrap();
        rig.assert_downloaded();
        assert_eq!(done.fetched_bytes, 4 * PART);
        assert_eq!(rig.heads(), 2);
    }
}

/// Faults: 37, 54.
#[tokio::test]
async fn a_get_of_another_object_is_final_where_changes_are_not_borne() {
    for script in others() {
        let rig = Rig::new(4 * PART);
        rig.put_old();
        rig.server.script(On::get().always(), script);
        let error = rig.download().on_change(OnChange::Fail).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Changed, "{}", in_full(&error));
        assert_eq!(rig.heads(), 1);
        rig.assert_untouched();
    }
}

/// Faults: 38.
#[tokio::test]
async fn a_precondition_that_never_holds_is_given_up_after_one_more_look() {
    let rig = Rig::new(4 * PART);
    let script = refusal("412 Precondition Failed", "PreconditionFailed", "");
    let error = rig.refused_always(script).await;
    assert_eq!(error.kind(), ErrorKind::Changed, "{}", in_full(&error));
    assert_eq!(rig.heads(), 2);
    assert!(rig.gets().len() <= 8, "{:?}", rig.gets());
}

/// Faults: 43.
#[tokio::test]
async fn a_range_that_cannot_be_satisfied_is_looked_into() {
    // The same size as before: once is a slip, and always is the end.
    let script = || refusal("416 Range Not Satisfiable", "InvalidRange", "");
    let rig = Rig::new(4 * PART);
    rig.server.script(On::get().covering(2 * PART), script());
    let done = rig.download().parallel(connections(1)).await.unwrap();
    rig.assert_downloaded();
    assert_eq!((done.fetched_bytes, rig.heads()), (4 * PART, 2));

    let rig = Rig::new(4 * PART);
    rig.put_old();
    rig.server.script(On::get().covering(2 * PART).always(), script());
    let error = rig.download().parallel(connections(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed, "{}", in_full(&error));
    assert_eq!(rig.heads(), 2);
    rig.assert_untouched();
    // A server that came to its senses has the same object still.
    rig.finish(4 * PART).await;

    // Another size: the new object is downloaded.
    let sim = Simulator::builder().start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("object.bin");
    sim.put_object(crate::rig::KEY, Content::generated(7, 4 * PART));
    let shorter = Content::generated(8, PART + 1);
    // Without a precondition the service looks at the range first.
    sim.fault(On::any().always(), Fault::no_header("etag"));
    sim.fault(On::any().always(), Fault::no_header("last-modified"));
    sim.fault(On::get().nth(2), Fault::ReplaceObjectNow(shorter.clone()));
    let download = download_from(&sim.endpoint(), path.clone(), Patience::default());
    download.parallel(connections(1)).await.unwrap();
    assert!(std::fs::read(path).unwrap() == shorter.window(0..PART + 1));
    assert!(sim.requests().iter().any(|request| request.status == Some(416)));
}

/// Faults: 56.
#[tokio::test]
async fn an_object_of_unknown_length_is_refused_and_one_without_accept_ranges_is_not() {
    let rig = Rig::new(2 * PART);
    rig.server.script(On::any().always(), header("Accept-Ranges", ""));
    rig.download().await.unwrap();
    rig.assert_downloaded();

    let rig = Rig::new(2 * PART);
    rig.put_old();
    rig.server.script(On::head().always(), header("Content-Length", ""));
    let error = rig.download().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{}", in_full(&error));
    assert!(in_full(&error).contains("length"));
    assert!(rig.gets().is_empty());
    rig.assert_nothing_kept();
}

/// Faults: 57.
#[tokio::test]
async fn a_checksum_that_is_absent_or_unreadable_is_flagged() {
    for value in ["", "no number", "-1", "0x10", "18446744073709551616", "1 2", "1.0"] {
        let script = || header("x-oss-hash-crc64ecma", value);
        let rig = Rig::new(2 * PART);
        rig.server.script(On::any().always(), script());
        let done = rig.download().await.unwrap();
        rig.assert_downloaded();
        assert_eq!(done.integrity, Integrity::UnverifiedByServer, "{value}");
        assert_eq!(done.crc64, rig.server.content().crc64());

        let rig = Rig::new(2 * PART);
        rig.put_old();
        rig.server.script(On::any().always(), script());
        let error = rig.download().crc(CrcPolicy::Require).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Integrity, "{value}");
        assert!(rig.gets().is_empty());
        rig.assert_nothing_kept();
    }
}

/// Faults: 20.
#[tokio::test]
async fn bytes_of_another_part_are_found_out() {
    let steps = [
        Step::UpTo(ossget_testkit::scripted::Place::Body(0)),
        Step::Foreign { from: 0, bytes: PART },
    ];
    let script = || Script::new(steps.clone());
    let rig = Rig::new(4 * PART);
    rig.server.script(On::get().covering(3 * PART), script());
    let done = rig.download().await.unwrap();
    rig.assert_downloaded();
    assert_eq!(done.integrity, Integrity::Verified);
    assert!(done.fetched_bytes <= 8 * PART);

    let rig = Rig::new(4 * PART);
    rig.put_old();
    rig.server.script(On::get().covering(3 * PART).always(), script());
    let error = rig.download().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity, "{}", in_full(&error));
    assert!(rig.gets().len() <= 12, "{:?}", rig.gets());
    rig.assert_nothing_kept();
    rig.finish(4 * PART).await;
}

/// Faults: 67.
#[tokio::test]
async fn an_object_that_grows_all_the_time_is_given_up_with_advice() {
    let sim = Simulator::builder().start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    std::fs::write(&path, "old").unwrap();
    let size = |n: u64| Content::generated(7, 4 * PART + n);
    sim.put_object(crate::rig::KEY, size(0));
    sim.fault(On::any().always(), Fault::header("x-oss-object-type", "Appendable"));
    for n in 1..40 {
        sim.fault(On::get().nth(2 * n), Fault::ReplaceObjectNow(size(n)));
    }
    let started = Arc::new(AtomicU64::new(0));
    let download = download_from(&sim.endpoint(), path.clone(), Patience::default());
    let counter = Arc::clone(&started);
    let download = download.parallel(connections(1)).on_event(move |event| {
        if matches!(event, DownloadEvent::Started { .. }) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    let error = download.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed, "{}", in_full(&error));
    assert!(error.hint().unwrap().contains("version"));
    assert!((2..=3).contains(&started.load(Ordering::Relaxed)));
    assert!(sim.requests().len() <= 16, "{}", sim.requests().len());
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
}

/// Faults: 68.
#[tokio::test]
async fn a_symlink_that_leads_elsewhere_midway_is_another_object() {
    let rig = Rig::new(4 * PART);
    let symlink = |tag: &'static str| {
        Script::head(move |head| {
            let head = with_header(head, "x-oss-object-type", "Symlink");
            if tag.is_empty() { head } else { with_header(&head, "ETag", tag) }
        })
    };
    // Retargeted between the second and the third request: a service that honours the
    // precondition says 412, and this one sends the other object.
    rig.server.script(On::get().covering(3 * PART).always(), symlink("\"other\""));
    rig.server.script(On::any().always(), symlink(""));
    rig.put_old();
    let error = rig.download().parallel(connections(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed, "{}", in_full(&error));
    let conditions = |get: &ossget_testkit::scripted::Exchange| get.head.contains("if-match: \"");
    assert!(rig.gets().iter().all(conditions));
    rig.assert_untouched();
}
