//! A disk whose writes past the page cache take long, or fail.

use crate::memory::{DESTINATION, Memory};
use crate::slow_sync::{Door, LONG, eventually, stop_the_clock};
use ossget::{DirectIo, DownloadHandle, Durability, ErrorKind};
use ossget_core::crc64;
use ossget_testkit::file_system::{Failing, Operation, SimulatedFileSystem, Step, Target};
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Less than a block, and just one.
const PARTS: [u64; 2] = [100 << 10, 1 << 20];

fn is_write(step: &Step) -> bool {
    step.target == Target::Partial && step.operation == Operation::Write
}

fn fetched(handle: &DownloadHandle) -> u64 {
    handle.progress().map_or(0, |progress| progress.fetched())
}

#[tokio::test(start_paused = true)]
async fn while_a_part_is_written_the_next_one_arrives_and_neither_is_recorded() {
    for part in PARTS {
        the_next_part_arrives(part).await;
    }
}

async fn the_next_part_arrives(part: u64) {
    let _clock = stop_the_clock();
    let (door, object) = (Door::shut(Operation::Write), Memory::new(part, 4));
    let disk = SimulatedFileSystem::new().observed(Arc::clone(&door) as _);
    let download = object.download(&disk, 1).direct_io(DirectIo::On);
    let handle = download.handle();
    let run = tokio::spawn(download.into_future());
    object.let_arrive(part);
    eventually("the first part is being written", || door.held() == 1).await;
    eventually("its bytes are told", || fetched(&handle) == part).await;
    // Longer than anything stored waits to be recorded.
    tokio::time::advance(Duration::from_secs(2)).await;
    object.let_arrive(2 * part);
    eventually("the second part arrives", || fetched(&handle) > part).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
        thread::sleep(Duration::from_millis(1));
    }
    let is_sync =
        |step: &Step| step.target == Target::Partial && step.operation == Operation::SyncData;
    let syncs = || disk.steps().into_iter().filter(is_sync).count();
    assert_eq!((door.held(), syncs()), (1, 0), "it is not in the file yet");

    door.open();
    object.let_arrive(object.size());
    let done = run.await.unwrap().unwrap();
    assert_eq!((done.fetched_bytes, done.crc64), (object.size(), object.crc64()));
    assert!(syncs() > 0);
}

#[tokio::test(start_paused = true)]
async fn a_part_is_recorded_once_it_is_written_though_nothing_more_comes() {
    let _clock = stop_the_clock();
    let (door, object) = (Door::shut(Operation::Write), Memory::new(PARTS[1], 4));
    let disk = SimulatedFileSystem::new().observed(Arc::clone(&door) as _);
    // Silence ends no request.
    let patient = object.download(&disk, 1).read_timeout(Duration::MAX);
    let download = patient.direct_io(DirectIo::On);
    let handle = download.handle();
    let run = tokio::spawn(download.into_future());
    object.let_arrive(PARTS[1]);
    eventually("the first part is being written", || door.held() == 1).await;
    door.open();
    let begun = Instant::now();
    while handle.progress().is_none_or(|progress| progress.recorded() < PARTS[1]) {
        assert!(begun.elapsed() < LONG, "it is not recorded");
        // What is stored waits a second to be recorded.
        tokio::time::advance(Duration::from_millis(100)).await;
        thread::sleep(Duration::from_millis(1));
    }
    run.abort();
}

/// Faults: 73, 75.
#[tokio::test]
async fn a_write_that_fails_ends_the_run_whatever_it_would_have_completed() {
    for (part, durability) in PARTS.into_iter().flat_map(|part| {
        [Durability::Full, Durability::Process, Durability::None].map(|it| (part, it))
    }) {
        let object = Memory::new(part, 3);
        object.let_arrive(object.size());
        let download = |disk: &SimulatedFileSystem| {
            object.download(disk, 1).direct_io(DirectIo::On).durability(durability)
        };
        let disk = SimulatedFileSystem::new();
        download(&disk).await.unwrap();
        let (steps, mut failed) = (disk.steps().len(), 0);
        for step in 0..steps {
            let full = Failing::once(step, io::ErrorKind::StorageFull);
            let disk = SimulatedFileSystem::new().failing(full);
            let result = download(&disk).await;
            let is_write = disk.steps().get(step).is_some_and(is_write);
            failed += u32::from(is_write);
            match result {
                Ok(_) => {
                    assert!(!is_write, "step {step} of {part} bytes, {durability:?}");
                    assert_eq!(crc64(&disk.disk().read(DESTINATION).unwrap()), object.crc64());
                }
                Err(error) if is_write => assert_eq!(error.kind(), ErrorKind::NoSpace),
                Err(_) => {}
            }
        }
        assert!(failed >= 3, "{failed} writes failed");
    }
}
