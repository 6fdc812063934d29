//! Runs that skip syncs, before and after runs that do not.

use crate::memory::{DESTINATION, Memory};
use ossget::{Download, Durability, ErrorKind, ResumeVerify};
use ossget_testkit::file_system::{Damage, Disk, Image, SectorSizes, SimulatedFileSystem};
use std::sync::Arc;

/// The smallest part.
const PART: u64 = 100 << 10;

/// Lets the parts before `parts` arrive, and ends the run once all of them are stored.
async fn stop_after(object: &Arc<Memory>, parts: u64, download: Download) {
    object.let_arrive(parts * PART);
    let handle = download.handle();
    let run = tokio::spawn(download.into_future());
    while handle.progress().is_none_or(|it| it.kept() + it.fetched() < parts * PART) {
        tokio::task::yield_now().await;
    }
    handle.cancel();
    assert_eq!(run.await.unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
}

#[tokio::test]
async fn a_run_without_syncs_after_one_with_them_leaves_nothing_to_be_trusted_unread() {
    let object = Memory::new(PART, 3);
    let sizes = SectorSizes { checkpoint: 4096, data: usize::try_from(PART).unwrap() };
    let disk = SimulatedFileSystem::on(Disk::new(sizes));
    stop_after(&object, 1, object.download(&disk, 1)).await;
    let unsynced = object.download(&disk, 1).durability(Durability::Process);
    stop_after(&object, 2, unsynced).await;

    object.let_arrive(object.size());
    let left = disk.disk();
    let mut cut: Vec<Image> = Vec::new();
    left.outcomes(&Damage::default()).for_each(|image| cut.push(image.clone()));
    assert!(cut.len() >= 4, "the slot and the data of the second part may be lost: {}", cut.len());
    for image in cut {
        let disk = SimulatedFileSystem::on(left.restarted(&image));
        let done = object.download(&disk, 1).resume_verify(ResumeVerify::Bounds).await.unwrap();
        assert_eq!(done.crc64, object.crc64());
        let bytes = disk.disk().read(DESTINATION).expect("it is published");
        assert_eq!(ossget_core::crc64(&bytes), object.crc64(), "{image:?}");
    }
}
