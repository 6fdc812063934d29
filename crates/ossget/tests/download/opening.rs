//! Where nothing is yet, one request is enough for a small object, and saves one for a large one.

use crate::rig::{BUCKET, KEY, Rig, assert_is};
use ossget::{
    Checksum, Clobber, Completion, CrcPolicy, Download, DownloadEvent, Integrity, Object, PartSize,
};
use ossget_testkit::{Close, Content, Fault, On};
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MIB: u64 = 1 << 20;

/// A download as nobody has told it anything.
fn plain(rig: &Rig) -> Download {
    rig.client.download(Object::new(BUCKET, KEY).unwrap(), rig.path())
}

fn methods(rig: &Rig) -> Vec<String> {
    rig.sim.requests().into_iter().map(|request| request.method).collect()
}

#[tokio::test]
async fn a_small_object_takes_one_request_and_leaves_one_file() {
    for size in [1, 100_000, MIB] {
        let rig = Rig::new(size).await;
        let done = plain(&rig).await.unwrap();
        assert_is(&rig.path(), &rig.content);
        assert_eq!((methods(&rig), rig.gets()), (vec!["GET".to_owned()], vec![(0, MIB)]));
        assert_eq!(rig.files(), ["object.bin"]);
        assert_eq!((done.completion, done.integrity), (Completion::Published, Integrity::Verified));
        assert_eq!((done.bytes, done.fetched_bytes, done.requests), (size, size, 1));
        assert_eq!(done.crc64, rig.content.crc64());
    }
}

#[tokio::test]
async fn an_empty_object_has_no_first_bytes() {
    let rig = Rig::new(0).await;
    let done = plain(&rig).await.unwrap();
    assert_eq!((fs::read(rig.path()).unwrap().len(), done.bytes), (0, 0));
    assert_eq!((done.integrity, rig.files()), (Integrity::Verified, vec!["object.bin".to_owned()]));
}

#[tokio::test]
async fn the_first_bytes_of_a_large_object_are_used_and_no_head_is_sent() {
    let rig = Rig::new(20 * MIB).await;
    let done = plain(&rig).await.unwrap();
    assert_is(&rig.path(), &rig.content);
    assert_eq!(done.fetched_bytes, 20 * MIB, "nothing came twice");
    let first = rig.gets().into_iter().filter(|&(start, _)| start < MIB).collect::<Vec<_>>();
    assert_eq!(first, [(0, MIB)], "and nothing of it was asked for twice");
    assert!(methods(&rig).iter().all(|method| method == "GET"));
}

/// Faults: 55.
#[tokio::test]
async fn who_may_get_and_not_head_can_download() {
    for size in [100_000, 20 * MIB] {
        let rig = Rig::new(size).await;
        rig.sim.fault(On::head().always(), Fault::status(403, "AccessDenied"));
        plain(&rig).await.unwrap();
        assert_is(&rig.path(), &rig.content);
    }
}

#[tokio::test]
async fn no_request_is_larger_than_a_part() {
    let rig = Rig::new(500_000).await;
    plain(&rig).part_size(PartSize::kib(100).unwrap()).await.unwrap();
    assert_is(&rig.path(), &rig.content);
    assert_eq!(methods(&rig)[0], "HEAD");
}

#[tokio::test]
async fn what_is_there_is_compared_and_not_fetched() {
    let rig = Rig::new(100_000).await;
    plain(&rig).await.unwrap();
    let done = plain(&rig).await.unwrap();
    assert_eq!((done.completion, done.fetched_bytes), (Completion::AlreadyThere, 0));
    assert_eq!(methods(&rig), ["GET", "HEAD"]);
    let refused = plain(&rig).clobber(Clobber::Refuse).await.unwrap_err();
    assert_eq!(refused.kind(), ossget::ErrorKind::Exists);
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_is_wrong_is_asked_for_again() {
    let faults = [
        Fault::CutAfter { bytes: 40_000, how: Close::Fin },
        Fault::FlipByte { at: 50_000 },
        Fault::status(503, "ServiceUnavailable"),
        Fault::WrongCrcHeader(1),
    ];
    for fault in faults {
        let rig = Rig::new(100_000).await;
        let told = format!("{fault:?}");
        rig.sim.fault(On::get().times(1), fault);
        plain(&rig).await.unwrap_or_else(|error| panic!("{told}: {error:?}"));
        assert_is(&rig.path(), &rig.content);
        assert_eq!(rig.files(), ["object.bin"], "{told}");
    }
}

#[tokio::test]
async fn a_wrong_crc_is_never_success() {
    let rig = Rig::new(100_000).await;
    rig.sim.fault(On::get().always(), Fault::FlipByte { at: 50_000 });
    let error = plain(&rig).await.unwrap_err();
    assert_eq!(error.kind(), ossget::ErrorKind::Integrity);
    assert_eq!(rig.files(), [""; 0]);
}

#[tokio::test]
async fn what_is_refused_is_refused_with_one_request() {
    let rig = Rig::new(100_000).await;
    let missing = Object::new(BUCKET, "missing").unwrap();
    let error = rig.client.download(missing, rig.path()).await.unwrap_err();
    assert_eq!(error.kind(), ossget::ErrorKind::NotFound);
    assert_eq!(methods(&rig).len(), 1);
}

#[tokio::test]
async fn a_digest_of_the_users_is_compared_with_what_the_file_holds() {
    let rig = Rig::new(100_000).await;
    let right = Checksum::Crc64(rig.content.crc64());
    plain(&rig).checksum(right).await.unwrap();
    fs::remove_file(rig.path()).unwrap();
    let error = plain(&rig).checksum(Checksum::Crc64(1)).await.unwrap_err();
    assert_eq!(error.kind(), ossget::ErrorKind::Integrity);
    assert_eq!(rig.files(), [""; 0]);
}

#[tokio::test]
async fn without_a_crc_it_is_said_or_refused() {
    let rig = Rig::new(100_000).await;
    rig.sim.fault(On::any().always(), Fault::NoCrcHeader);
    let error = plain(&rig).crc(CrcPolicy::Require).await.unwrap_err();
    assert_eq!(error.kind(), ossget::ErrorKind::Integrity);
    let done = plain(&rig).await.unwrap();
    assert_eq!(done.integrity, Integrity::UnverifiedByServer);
}

#[tokio::test]
async fn an_observer_hears_how_it_begins_and_ends() {
    let rig = Rig::new(100_000).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let observer = {
        let told = Arc::clone(&told);
        move |event: &DownloadEvent| told.lock().unwrap().push(event.clone())
    };
    plain(&rig).on_event(observer).await.unwrap();
    let told = told.lock().unwrap();
    let DownloadEvent::Started { bytes_total, .. } = &told[0] else { panic!("{told:?}") };
    assert_eq!(*bytes_total, Some(100_000));
    let Some(DownloadEvent::Progress(last)) = told.last() else { panic!("{told:?}") };
    assert_eq!(last.bytes(), 100_000);
}

#[tokio::test]
async fn whoever_gives_up_while_it_is_waited_for_is_heard() {
    for fault in [Fault::StallBeforeHead, Fault::StallAfter { bytes: 40_000 }] {
        let rig = Rig::new(100_000).await;
        rig.sim.fault(On::get().always(), fault.clone());
        let download = plain(&rig);
        let handle = download.handle();
        let running = tokio::spawn(download.into_future());
        crate::rig::eventually("it is asked", || !rig.sim.requests().is_empty()).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        handle.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(5), running).await;
        let error = ended.unwrap_or_else(|_| panic!("{fault:?}: not heard")).unwrap().unwrap_err();
        assert_eq!(error.kind(), ossget::ErrorKind::Cancelled, "{fault:?}");
        assert_eq!(rig.files(), [""; 0], "{fault:?}");
    }
}

#[tokio::test]
async fn a_run_that_has_it_locked_is_not_passed_by() {
    let rig = Rig::new(20 * MIB).await;
    rig.sim.fault(On::get().always(), Fault::Trickle { after: 0, bytes_per_second: MIB });
    let in_parts = plain(&rig).part_size(PartSize::mib(8).unwrap());
    let running = tokio::spawn(in_parts.into_future());
    // All that it asks for, so that it does not meet the other object.
    crate::rig::eventually("all of it is asked for", || {
        rig.sim.requests().len() == 4 && rig.files().len() > 1
    })
    .await;
    rig.sim.put_object(KEY, Content::generated(8, 1000));
    let error = plain(&rig).await.unwrap_err();
    assert_eq!(error.kind(), ossget::ErrorKind::Locked);
    running.abort();
}
