//! What makes a file at the destination be the object already.

use crate::memory::Memory;
use crate::rig::Rig;
use ossget::{Checksum, Completion, Durability, ExtentRequest};
use ossget_core::{ByteRange, crc64};
use ossget_testkit::file_system::{Disk, SectorSizes, SimulatedFileSystem, Target};
use ossget_testkit::{Fault, On};
use std::fs;

const SIZE: u64 = 1_000_000;
/// The smallest part.
const PART: u64 = 100 << 10;

#[tokio::test]
async fn without_a_crc_of_the_services_the_users_digest_tells() {
    let rig = Rig::new(SIZE).await;
    rig.sim.fault(On::any().always(), Fault::NoCrcHeader);
    let digest = Checksum::Crc64(rig.content.crc64());
    rig.download().await.unwrap();
    let done = rig.download().checksum(digest).await.unwrap();
    assert_eq!((done.completion, done.fetched_bytes), (Completion::AlreadyThere, 0));
    // Without either there is nothing to tell by.
    let done = rig.download().await.unwrap();
    assert_eq!((done.completion, done.fetched_bytes), (Completion::Published, SIZE));
    // Of the right length, and something else.
    fs::write(rig.path(), vec![1; usize::try_from(SIZE).unwrap()]).unwrap();
    let done = rig.download().checksum(digest).await.unwrap();
    assert_eq!((done.completion, done.fetched_bytes), (Completion::Published, SIZE));
}

/// The service's CRC covers the whole object only.
#[tokio::test]
async fn of_a_slice_the_users_digest_alone_tells_wherever_it_begins_or_ends() {
    for (start, end) in [(0, 800_000), (200_000, SIZE), (200_000, 800_000)] {
        let rig = Rig::new(SIZE).await;
        let extent = ExtentRequest::Slice(ByteRange::new(start, end).unwrap());
        let digest = Checksum::Crc64(crc64(&rig.content.window(start..end)));
        let mut ends = Vec::new();
        for _ in 0..2 {
            let done = rig.download().range(extent).checksum(digest).await.unwrap();
            ends.push(done.completion);
        }
        assert_eq!(ends, [Completion::Published, Completion::AlreadyThere], "{start}..{end}");
    }
}

/// Whoever put it there may have been cut off before the last sync.
#[tokio::test]
async fn what_is_there_is_synced_before_that_is_told_unless_nothing_is() {
    for (durability, syncs) in [(Durability::Full, true), (Durability::Process, false)] {
        let object = Memory::new(PART, 2);
        object.let_arrive(object.size());
        let sizes = SectorSizes { checkpoint: 4096, data: usize::try_from(PART).unwrap() };
        let disk = SimulatedFileSystem::on(Disk::new(sizes));
        let mut steps = 0;
        for completion in [Completion::Published, Completion::AlreadyThere] {
            steps = disk.steps().len();
            let done = object.download(&disk, 1).durability(durability).await.unwrap();
            assert_eq!(done.completion, completion);
        }
        let since = &disk.steps()[steps..];
        let synced = since.iter().any(|it| it.is_sync() && it.target == Target::Destination);
        assert_eq!(synced, syncs, "{durability:?}: {since:?}");
    }
}
