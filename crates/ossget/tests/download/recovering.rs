//! States that only a crash leaves.

use crate::rig::{Rig, assert_is, checkpoint_in, partial_in};
use ossget::{Clobber, Completion, Download, DownloadEvent, ErrorKind, ExtentRequest, Integrity};
use ossget_core::ByteRange;
use ossget_testkit::{Fault, On};
use std::fs;
use std::mem;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Runs a download to its end and puts the checkpoint back where it was, as if the process had
/// been killed between the rename and the removal of the checkpoint.
async fn cut_off_after_the_rename(rig: &Rig, download: Download) -> PathBuf {
    let (dir, kept) = (rig.dir.path().to_owned(), rig.dir.path().join("kept"));
    let link = kept.clone();
    let (tell, told) = std::sync::mpsc::channel();
    let download = download.on_event(move |event| {
        if matches!(event, DownloadEvent::Started { .. }) {
            let checkpoint = checkpoint_in(&dir);
            fs::hard_link(&checkpoint, &link).expect("a link");
            tell.send(checkpoint).expect("somebody listens");
        }
    });
    download.await.expect("a healthy service");
    let checkpoint = told.recv().expect("it was told");
    fs::rename(&kept, &checkpoint).expect("a rename");
    rig.sim.clear_requests();
    checkpoint
}

fn slice() -> ExtentRequest {
    ExtentRequest::Slice(ByteRange::new(100, 800_000).expect("a range"))
}

#[tokio::test]
async fn what_was_published_just_before_a_crash_is_recognised_by_its_slots_alone() {
    let rig = Rig::new(1_000_000).await;
    rig.sim.fault(On::any().always(), Fault::NoCrcHeader);
    for (extent, integrity) in [
        (ExtentRequest::Whole, Integrity::UnverifiedByServer),
        (slice(), Integrity::RangeUnverified),
    ] {
        cut_off_after_the_rename(&rig, rig.download().range(extent)).await;
        let again = rig.download().range(extent).clobber(Clobber::Refuse);
        let done = again.await.unwrap();
        assert_eq!((done.completion, done.integrity), (Completion::AlreadyThere, integrity));
        assert_eq!(rig.gets(), []);
        assert_eq!(rig.files(), ["object.bin"]);
        fs::remove_file(rig.path()).unwrap();
    }
}

#[tokio::test]
async fn what_was_published_just_before_a_crash_is_not_in_the_way_of_a_run_that_must_not_replace() {
    let rig = Rig::new(1_000_000).await;
    cut_off_after_the_rename(&rig, rig.download()).await;
    let done = rig.download().clobber(Clobber::Refuse).await.unwrap();
    assert_eq!(done.completion, Completion::AlreadyThere);
    assert_eq!((done.integrity, rig.gets()), (Integrity::Verified, Vec::new()));
    assert_eq!(rig.files(), ["object.bin"]);
}

#[tokio::test]
async fn what_was_restored_from_a_copy_is_recognised_after_its_publishing_like_any_other() {
    let rig = Rig::new(1_000_000).await;
    rig.stop_half_way(rig.download(), [Fault::NoCrcHeader]).await;
    let (partial, copy) = (partial_in(rig.dir.path()), rig.dir.path().join("copy"));
    fs::copy(&partial, &copy).unwrap();
    fs::rename(&copy, &partial).unwrap();
    rig.sim.fault(On::any().always(), Fault::NoCrcHeader);
    cut_off_after_the_rename(&rig, rig.download()).await;
    let done = rig.download().clobber(Clobber::Refuse).await.unwrap();
    assert_eq!((done.completion, rig.gets()), (Completion::AlreadyThere, Vec::new()));
    assert_eq!(rig.files(), ["object.bin"]);
}

#[tokio::test]
async fn what_was_published_before_a_crash_and_changed_since_is_not_taken_for_the_object() {
    for slot_too in [false, true] {
        let rig = Rig::new(1_000_000).await;
        let checkpoint = cut_off_after_the_rename(&rig, rig.download()).await;
        let file = fs::File::options().write(true).open(rig.path()).unwrap();
        file.write_all_at(b"x", 500_000).unwrap();
        if slot_too {
            // The slot of a part that is intact.
            let slots = fs::File::options().write(true).open(checkpoint).unwrap();
            slots.write_all_at(&[0; 16], 8192).unwrap();
        }
        let refused = rig.download().clobber(Clobber::Refuse).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Exists);
        let done = rig.download().await.unwrap();
        assert_eq!(done.completion, Completion::Published);
        assert_is(&rig.path(), &rig.content);
        assert_eq!(rig.files(), ["object.bin"]);
    }
}

#[tokio::test]
async fn without_its_bind_record_everything_kept_is_read_back_and_nothing_is_lost() {
    let rig = Rig::new(2_000_000).await;
    rig.sim.fault(On::get().nth(3).always(), Fault::status(403, "AccessDenied"));
    rig.download().await.unwrap_err();
    let kept: u64 = rig.gets().iter().take(2).map(|(from, to)| to - from).sum();
    let checkpoint = fs::File::options().write(true).open(checkpoint_in(rig.dir.path())).unwrap();
    checkpoint.write_all_at(&[7; 100], 4096).unwrap();
    rig.sim.clear_faults();
    let done = rig.download().resume_verify(ossget::ResumeVerify::Bounds).await.unwrap();
    assert_is(&rig.path(), &rig.content);
    assert!(done.resumed_bytes > 0, "of {kept} bytes nothing was kept");
    assert_eq!(done.fetched_bytes + done.resumed_bytes, 2_000_000);
    assert_eq!(rig.files(), ["object.bin"]);
}

#[tokio::test]
async fn a_part_that_comes_wrong_once_is_found_and_fetched_again() {
    let rig = Rig::new(2_000_000).await;
    rig.sim.fault(On::get().range_start(|start| start == 0).nth(1), Fault::FlipByte { at: 5_000 });
    let done = rig.download().await.unwrap();
    assert_is(&rig.path(), &rig.content);
    assert_eq!(done.integrity, Integrity::Verified);
    assert!(done.fetched_bytes > 2_000_000 && done.fetched_bytes <= 4_000_000, "{done:?}");
}

/// Faults: 90, 91.
#[tokio::test]
async fn nothing_is_recorded_of_a_partial_file_that_somebody_removes_or_cuts() {
    for meddle in [
        |path: &Path| fs::remove_file(path),
        |path: &Path| fs::File::options().write(true).open(path)?.set_len(150_000),
    ] {
        let rig = Rig::new(2_000_000).await;
        rig.sim.throttle(400_000);
        let dir = rig.dir.path().to_owned();
        let mut done = false;
        let download = rig.download().on_event(move |event| {
            if let DownloadEvent::Progress(progress) = event
                && progress.bytes() > 250_000
                && !mem::replace(&mut done, true)
            {
                meddle(&partial_in(&dir)).expect("the partial file is there");
            }
        });
        let error = download.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage, "{error:?}");
        assert!(!rig.path().exists());
        let checkpoint = fs::read(checkpoint_in(rig.dir.path())).unwrap();
        assert!(checkpoint[8192..].iter().all(|byte| *byte == 0), "a part was recorded");
        rig.sim.unthrottle();
        rig.download().await.unwrap();
        assert_is(&rig.path(), &rig.content);
        assert_eq!(rig.files(), ["object.bin"]);
    }
}
