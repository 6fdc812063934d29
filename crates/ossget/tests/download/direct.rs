//! Writes past the page cache.

use crate::rig::{Rig, assert_is};
use ossget::{ByteRange, DirectIo, DownloadEvent, ErrorKind, ExtentRequest, PartSize, Resume};
use ossget_testkit::{Close, Fault, On};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[tokio::test]
async fn whatever_the_length_the_file_is_the_object() {
    for size in [0, 1, 4095, 4096, 4097, 102_400, 1 << 20, 3_000_017] {
        let rig = Rig::new(size).await;
        let done = rig.download().direct_io(DirectIo::On).await.unwrap();
        assert_is(&rig.path(), &rig.content);
        assert_eq!((done.bytes, rig.files().len()), (size, 1));
    }
}

#[tokio::test]
async fn a_slice_is_written_from_its_beginning() {
    let rig = Rig::new(3_000_017).await;
    let slice = ExtentRequest::Slice(ByteRange::new(1001, 2_500_013).unwrap());
    rig.download().direct_io(DirectIo::On).range(slice).await.unwrap();
    assert!(std::fs::read(rig.path()).unwrap() == rig.content.window(1001..2_500_013));
}

#[tokio::test]
async fn what_breaks_off_goes_on_from_the_last_whole_block() {
    let rig = Rig::new(8 << 20).await;
    for (nth, bytes, how) in
        [(1, 10_000, Close::Rst), (2, 1_500_001, Close::Fin), (4, 5, Close::Fin)]
    {
        rig.sim.fault(On::get().nth(nth), Fault::CutAfter { bytes, how });
    }
    let download = rig.download().direct_io(DirectIo::On).part_size(PartSize::mib(4).unwrap());
    let done = download.await.unwrap();
    assert_is(&rig.path(), &rig.content);
    assert!(done.attempts_failed >= 3, "{done:?}");
    let odd = rig.gets().into_iter().filter(|(start, _)| start % 4096 != 0).count();
    // Where the file system has no direct writes every byte is kept.
    let kept_in_blocks = odd == 0;
    assert!(kept_in_blocks || !has_direct_io(), "{:?}", rig.gets());
}

/// As where these tests run on ext4 or XFS: otherwise they prove less.
fn has_direct_io() -> bool {
    use ossget_fs::{FileSystem as _, NativeFileSystem, Place, Syncing};
    let dir = tempfile::tempdir().unwrap();
    let place = Place::new(dir.path().join("x"));
    let lock = NativeFileSystem::new().lock(&place, Syncing::Full).unwrap();
    let file = lock.create_partial(&lock.partial_name("abcdefghijklmno2"), 4096).unwrap();
    file.direct().is_some()
}

#[tokio::test]
async fn a_cancelled_run_is_gone_on_with_in_either_way() {
    let rig = Rig::new(3_000_017).await;
    for (first, second) in [(DirectIo::On, DirectIo::Off), (DirectIo::Off, DirectIo::On)] {
        rig.sim.clear_faults();
        rig.sim.fault(On::get().nth(9).always(), Fault::StallAfter { bytes: 50_000 });
        let download = rig.download().direct_io(first);
        let handle = download.handle();
        let running = tokio::spawn(download.into_future());
        while handle.progress().is_none_or(|progress| progress.bytes() < 500_000) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        handle.cancel();
        let error = running.await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.is_resumable()), (ErrorKind::Cancelled, true));
        rig.sim.clear_faults();
        // At once: whoever was told of the end finds the destination free.
        let done = rig.download().direct_io(second).resume(Resume::Require).await.unwrap();
        assert!(done.resumed_bytes > 0, "{done:?}");
        assert_is(&rig.path(), &rig.content);
        std::fs::remove_file(rig.path()).unwrap();
    }
}

#[tokio::test]
async fn parts_that_are_no_whole_blocks_go_through_the_cache_and_that_is_said() {
    let rig = Rig::new(1_000_000).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&told);
    rig.download()
        .direct_io(DirectIo::On)
        .part_size(PartSize::new(102_401).unwrap())
        .on_event(move |event| {
            if let DownloadEvent::Warning { message } = event {
                listener.lock().unwrap().push(message.clone());
            }
        })
        .await
        .unwrap();
    assert_is(&rig.path(), &rig.content);
    let told = told.lock().unwrap();
    assert!(told.len() == 1 && told[0].contains("multiple of 4 KiB"), "{told:?}");
}
