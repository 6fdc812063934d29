//! Runs that do not go on from what an earlier one left, and what becomes of that.

use crate::rig::{KEY, Rig, assert_is, checkpoint_in};
use ossget::{
    Checksum, Completion, Download, DownloadEvent, Downloaded, Durability, ErrorKind, PartSize,
    Resume,
};
use ossget_core::{HEADER_LEN, Header};
use ossget_testkit::{Content, Fault, On};
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex};

const SIZE: u64 = 1_000_000;

async fn stopped() -> Rig {
    let rig = Rig::new(SIZE).await;
    rig.stop_half_way(rig.download(), []).await;
    rig
}

/// Lets it end well, and tells what the user is warned of.
async fn warned(download: Download) -> (Downloaded, Vec<String>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&told);
    let download = download.on_event(move |event| {
        if let DownloadEvent::Warning { message } = event {
            listener.lock().unwrap().push(message.clone());
        }
    });
    let done = download.await.unwrap();
    let told = told.lock().unwrap().clone();
    (done, told)
}

#[tokio::test]
async fn where_nothing_is_wrong_nobody_is_warned() {
    let rig = Rig::new(SIZE).await;
    let (done, told) = warned(rig.download()).await;
    assert_eq!((done.completion, told), (Completion::Published, Vec::new()));
    let rig = stopped().await;
    let (done, told) = warned(rig.download()).await;
    assert!(done.resumed_bytes > 0 && told.is_empty(), "{told:?}");
}

#[tokio::test]
async fn whoever_restarts_keeps_nothing_and_whoever_wants_no_checkpoint_uses_none() {
    for resume in [Resume::Restart, Resume::Off] {
        let rig = stopped().await;
        let (done, told) = warned(rig.download().resume(resume)).await;
        assert_eq!((done.resumed_bytes, done.fetched_bytes), (0, SIZE), "{resume:?}");
        assert_eq!(told, [""; 0]);
        assert_is(&rig.path(), &rig.content);
        assert_eq!(rig.files(), ["object.bin"], "{resume:?}");
    }
}

#[tokio::test]
async fn a_run_without_checkpoint_that_fails_leaves_nothing_to_go_on_from() {
    for durability in [Durability::None, Durability::Process] {
        let rig = Rig::new(SIZE).await;
        let second_half = On::get().range_start(|start| start >= SIZE / 2).always();
        rig.sim.fault(second_half, Fault::status(403, "AccessDenied"));
        let error = rig.download().durability(durability).await.unwrap_err();
        let leaves_something = durability != Durability::None;
        assert_eq!(error.is_resumable(), leaves_something);
        assert_eq!(rig.files().len(), if leaves_something { 2 } else { 0 });
    }
}

#[tokio::test]
async fn a_run_without_checkpoint_that_cannot_begin_leaves_that_of_another_alone() {
    let rig = stopped().await;
    let (files, checkpoint) = (rig.files(), checkpoint_in(rig.dir.path()));
    let recorded = fs::read(&checkpoint).unwrap();
    // More than a disk has room for, or than a file may hold: its partial file cannot be made.
    rig.sim.put_object(KEY, Content::generated(7, 1 << 50));
    let download = rig.download().part_size(PartSize::kib(1 << 20).unwrap());
    let refused = download.resume(Resume::Off).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::NoSpace | ErrorKind::Storage), "{refused:?}");
    assert_eq!(rig.files(), files);
    assert!(fs::read(&checkpoint).unwrap() == recorded, "what was recorded is gone");
}

#[tokio::test]
async fn a_restart_with_a_checkpoint_directory_drops_what_lies_beside_the_destination() {
    let rig = stopped().await;
    let checkpoints = tempfile::tempdir().unwrap();
    let download = rig.download().resume(Resume::Restart).checkpoint_dir(checkpoints.path());
    let (done, told) = warned(download).await;
    assert_eq!((done.resumed_bytes, told), (0, Vec::new()));
    assert_eq!(rig.files(), ["object.bin"]);
    assert_eq!(fs::read_dir(checkpoints.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_restart_that_finds_the_object_at_the_destination_drops_the_rest_all_the_same() {
    let rig = stopped().await;
    fs::write(rig.path(), rig.content.window(0..SIZE)).unwrap();
    let (done, _) = warned(rig.download().resume(Resume::Restart)).await;
    assert_eq!((done.completion, rig.gets()), (Completion::AlreadyThere, Vec::new()));
    assert_eq!(rig.files(), ["object.bin"]);
}

#[tokio::test]
async fn a_damaged_checkpoint_is_told_of_and_replaced_with_its_partial_file() {
    let damages: [fn(&File); 3] = [
        |file| file.write_all_at(&[0xff; 8], 100).unwrap(),
        // Something has emptied the first page only.
        |file| file.write_all_at(&[0; HEADER_LEN], 0).unwrap(),
        |file| file.set_len(file.metadata().unwrap().len() - 1).unwrap(),
    ];
    for damage in damages {
        let rig = stopped().await;
        damage(&File::options().write(true).open(checkpoint_in(rig.dir.path())).unwrap());
        let (done, told) = warned(rig.download()).await;
        assert_eq!((done.resumed_bytes, done.fetched_bytes), (0, SIZE));
        assert!(told.len() == 1 && told[0].contains("damaged; starting over"), "{told:?}");
        assert_is(&rig.path(), &rig.content);
        assert_eq!(rig.files(), ["object.bin"]);
    }
}

#[tokio::test]
async fn a_checkpoint_without_either_name_of_its_partial_file_is_told_of_with_what_finds_that() {
    for byte in [0, 0xff] {
        let rig = stopped().await;
        let file = File::options().write(true).open(checkpoint_in(rig.dir.path())).unwrap();
        file.write_all_at(&[byte; 2 * HEADER_LEN], 0).unwrap();
        let (_, told) = warned(rig.download()).await;
        assert!(told.len() == 1 && told[0].contains("`ossget checkpoint clean`"), "{told:?}");
        assert_is(&rig.path(), &rig.content);
        assert_eq!(rig.files().len(), 2, "the partial file is left");
        ossget::checkpoint::clean(rig.dir.path(), None).unwrap();
        assert_eq!(rig.files(), ["object.bin"]);
    }
}

#[tokio::test]
async fn a_checkpoint_that_names_another_destinations_partial_file_does_not_touch_it() {
    let rig = stopped().await;
    let file = File::options().read(true).write(true).open(checkpoint_in(rig.dir.path())).unwrap();
    let mut page = [0; HEADER_LEN];
    file.read_exact_at(&mut page, 0).unwrap();
    let mut header = Header::decode(&page).unwrap();
    header.partial_name = "mine.abcdefghijkl2345.part".to_owned();
    file.write_all_at(&header.encode().unwrap(), 0).unwrap();
    fs::write(rig.dir.path().join(&header.partial_name), "mine").unwrap();
    let (done, told) = warned(rig.download()).await;
    assert_eq!(done.resumed_bytes, 0);
    assert!(told.len() == 1 && told[0].contains("damaged"), "{told:?}");
    assert_eq!(fs::read(rig.dir.path().join(&header.partial_name)).unwrap(), b"mine");
}

#[tokio::test]
async fn a_digest_of_the_users_is_compared_with_what_all_parts_make() {
    let rig = Rig::new(SIZE).await;
    let wrong = rig.download().checksum(Checksum::Crc64(rig.content.crc64() ^ 1)).await;
    assert_eq!(wrong.unwrap_err().kind(), ErrorKind::Integrity);
    assert_eq!(rig.files(), [""; 0]);
    rig.download().checksum(Checksum::Crc64(rig.content.crc64())).await.unwrap();
    assert_is(&rig.path(), &rig.content);
}
