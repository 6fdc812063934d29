//! What a download can be asked to do, and what it tells.

use crate::rig::{BUCKET, KEY, Rig, assert_is, client_of};
use ossget::{
    ByteRange, Checksum, Clobber, Completion, DownloadEvent, ErrorKind, ExtentRequest, Integrity,
    Object, Parallel, Resume,
};
use ossget_testkit::{Content, Fault, On};
use sha2::Digest as _;
use std::fs;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn checksum_of(content: &Content) -> Checksum {
    let mut digest = sha2::Sha256::new();
    digest.update(&content.window(0..content.size())[..]);
    Checksum::Sha256(digest.finalize().into())
}

#[tokio::test]
async fn the_callers_digest_is_compared_with_the_finished_file_before_it_is_published() {
    let rig = Rig::new(1_000_000).await;
    let done = rig.download().checksum(checksum_of(&rig.content)).await.unwrap();
    assert_eq!(done.integrity, Integrity::Verified);
    fs::write(rig.path(), "old").unwrap();
    let wrong = Checksum::Crc64(rig.content.crc64() ^ 1);
    let error = rig.download().checksum(wrong).await.unwrap_err();
    assert_eq!((error.kind(), error.is_resumable()), (ErrorKind::Integrity, false));
    assert_eq!(fs::read(rig.path()).unwrap(), b"old");
    assert_eq!(rig.files(), ["object.bin"]);
}

#[tokio::test]
async fn the_callers_digest_verifies_what_the_server_does_not() {
    let rig = Rig::new(1_000_000).await;
    let slice = ExtentRequest::Slice(ByteRange::new(1_000, 300_000).unwrap());
    let part = Content::bytes(rig.content.window(1_000..300_000));
    let download = || rig.download().range(slice).checksum(checksum_of(&part));
    let done = download().await.unwrap();
    assert_eq!(done.integrity, Integrity::VerifiedByUser);
    // The digest also tells that the slice is there already.
    rig.sim.clear_requests();
    let done = download().await.unwrap();
    assert_eq!(done.completion, Completion::AlreadyThere);
    assert_eq!((done.integrity, done.bytes), (Integrity::VerifiedByUser, 299_000));
    assert_eq!(done.crc64, part.crc64());
    assert_eq!(rig.gets(), []);
    rig.sim.fault(On::any().always(), Fault::NoCrcHeader);
    let done = rig.download().checksum(checksum_of(&rig.content)).await.unwrap();
    assert_eq!(done.integrity, Integrity::VerifiedByUser);
    assert_eq!(done.completion, Completion::Published);
}

#[tokio::test]
async fn what_is_there_already_fails_without_a_request_if_it_has_not_the_callers_digest() {
    let rig = Rig::new(1_000_000).await;
    rig.download().await.unwrap();
    rig.sim.clear_requests();
    let error = rig.download().checksum(Checksum::Md5([0; 16])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity);
    assert_eq!(rig.gets(), []);
    assert_is(&rig.path(), &rig.content);
}

/// Faults: 98, 100.
#[tokio::test]
async fn two_clients_of_one_process_do_not_share_a_destination_unless_one_waits() {
    let rig = Rig::new(2_000_000).await;
    rig.sim.throttle(4_000_000);
    let first = tokio::spawn(rig.download().into_future());
    while rig.gets().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let other = client_of(&rig.sim).download(Object::new(BUCKET, KEY).unwrap(), rig.path());
    assert_eq!(other.await.unwrap_err().kind(), ErrorKind::Locked);
    let error = rig.download().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    let waiting = rig.download().wait_lock(Duration::from_secs(60));
    let before = rig.gets().len();
    let done = waiting.await.unwrap();
    assert_eq!(done.completion, Completion::AlreadyThere);
    assert_eq!(done.requests, 0);
    let first = first.await.unwrap().unwrap();
    assert_eq!(rig.gets().len() as u64, first.requests, "{before} were under way");
    assert_is(&rig.path(), &rig.content);
}

#[tokio::test]
async fn waiting_for_another_run_ends_with_the_patience_and_at_once_when_cancelled() {
    let rig = Rig::new(2_000_000).await;
    rig.sim.throttle(1_000_000);
    let first = rig.download();
    let stop = first.handle();
    let first = tokio::spawn(first.into_future());
    while rig.gets().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let error = rig.download().wait_lock(Duration::from_millis(60)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    let waiting = rig.download().wait_lock(Duration::from_secs(3600));
    let handle = waiting.handle();
    let waiting = tokio::spawn(waiting.into_future());
    handle.cancel();
    let error = tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap();
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Cancelled);
    stop.cancel();
    assert_eq!(first.await.unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
}

/// Faults: 93.
#[tokio::test]
async fn what_was_lost_between_two_runs_is_told() {
    let rig = Rig::new(1_024_000).await;
    let third = On::get().range_start(|start| start >= 512_000).always();
    rig.sim.fault(third, Fault::status(403, "AccessDenied"));
    rig.download().parallel(Parallel::Fixed(NonZeroU32::MIN)).await.unwrap_err();
    rig.sim.clear_faults();
    let partial = rig.files().into_iter().find(|name| name.ends_with(".part")).unwrap();
    let file = fs::OpenOptions::new().write(true).open(rig.dir.path().join(partial)).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"wrong", 5).unwrap();
    let lost = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&lost);
    let done = rig.download().on_event(move |event| {
        if let DownloadEvent::Lost { bytes } = event {
            seen.lock().unwrap().push(*bytes);
        }
    });
    let done = done.await.unwrap();
    assert!(done.resumed_bytes > 0);
    assert_eq!(*lost.lock().unwrap(), [102_400]);
}

#[tokio::test]
async fn a_failed_probe_is_told_while_it_is_tried_again() {
    let rig = Rig::new(1000).await;
    rig.sim.fault(On::head().times(2), Fault::status(500, "InternalError"));
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&told);
    let done = rig.download().on_event(move |event| {
        if let DownloadEvent::ProbeFailed { kind, .. } = event {
            seen.lock().unwrap().push(*kind);
        }
    });
    done.await.unwrap();
    assert_eq!(*told.lock().unwrap(), [ErrorKind::Unavailable; 2]);
}

#[tokio::test]
async fn nothing_is_promised_to_be_resumable_once_the_partial_file_is_gone() {
    let rig = Rig::new(2_000_000).await;
    rig.sim.throttle(2_000_000);
    let download = rig.download();
    let handle = download.handle();
    let dir = rig.dir.path().to_owned();
    let running = tokio::spawn(download.into_future());
    while handle.progress().is_none_or(|progress| progress.bytes() < 300_000) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let partial = rig.files().into_iter().find(|name| name.ends_with(".part")).unwrap();
    fs::remove_file(dir.join(partial)).unwrap();
    handle.cancel();
    let error = running.await.unwrap().unwrap_err();
    assert!(!error.is_resumable(), "{error}");
}

#[tokio::test]
async fn a_run_without_checkpoint_leaves_nothing_when_it_is_dropped() {
    let rig = Rig::new(2_000_000).await;
    rig.sim.throttle(2_000_000);
    let download = rig.download().resume(Resume::Off);
    let handle = download.handle();
    let running = tokio::spawn(download.into_future());
    while handle.progress().is_none_or(|progress| progress.bytes() < 300_000) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(rig.files().iter().any(|name| name.ends_with(".part")));
    running.abort();
    let gone = async {
        while !rig.files().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let gone = tokio::time::timeout(Duration::from_secs(5), gone).await;
    assert!(gone.is_ok(), "{:?}", rig.files());
}

/// Faults: 85.
#[tokio::test]
async fn a_run_without_checkpoint_that_may_not_replace_leaves_nothing() {
    let rig = Rig::new(2_000_000).await;
    rig.sim.throttle(2_000_000);
    let download = rig.download().resume(Resume::Off).clobber(Clobber::Refuse);
    let running = tokio::spawn(download.into_future());
    while rig.gets().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    fs::write(rig.path(), "mine").unwrap();
    rig.sim.unthrottle();
    let error = running.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exists);
    // The lock may be held for an instant longer than the error takes.
    let files = rig.files();
    assert!(!files.iter().any(|name| name.ends_with(".part")), "{files:?}");
    assert_eq!(fs::read(rig.path()).unwrap(), b"mine");
}

#[tokio::test]
async fn the_destinations_own_folder_given_for_the_checkpoint_changes_nothing() {
    let rig = Rig::new(1_024_000).await;
    for given_first in [true, false] {
        let later = On::get().range_start(|start| start >= 512_000).always();
        rig.sim.fault(later, Fault::status(403, "AccessDenied"));
        let with = || rig.download().checkpoint_dir(rig.dir.path().join("."));
        let (first, then) = match given_first {
            true => (with(), rig.download()),
            false => (rig.download(), with()),
        };
        first.parallel(Parallel::Fixed(NonZeroU32::MIN)).await.unwrap_err();
        rig.sim.clear_faults();
        let partial = rig.files().into_iter().find(|name| name.ends_with(".part")).unwrap();
        let done = then.await.unwrap();
        assert!(done.resumed_bytes > 0, "{given_first}: {done:?}");
        assert!(partial.as_bytes()["object.bin.".len()].is_ascii_lowercase(), "{partial}");
        fs::remove_file(rig.path()).unwrap();
    }
}
