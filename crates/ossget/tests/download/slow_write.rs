//! A disk whose writes past the page cache take long.

use crate::memory::Memory;
use crate::slow_sync::{LONG, eventually, stop_the_clock};
use ossget::{DirectIo, DownloadHandle};
use ossget_testkit::file_system::{Observer, Operation, SimulatedFileSystem, Step, Target};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

const PART: u64 = 100 << 10;

/// Holds writes of data while it is shut.
#[derive(Debug, Default)]
struct Door {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_open: bool,
    held: u64,
}

impl Door {
    fn held(&self) -> u64 {
        self.state.lock().unwrap().held
    }

    fn open(&self) {
        self.state.lock().unwrap().is_open = true;
        self.moved.notify_all();
    }
}

impl Observer for Door {
    fn before(&self, step: &Step) {
        if step.target != Target::Partial || step.operation != Operation::Write {
            return;
        }
        let mut state = self.state.lock().unwrap();
        state.held += 1;
        let is_shut = |state: &mut State| !state.is_open;
        let (mut state, waited) = self.moved.wait_timeout_while(state, LONG, is_shut).unwrap();
        state.held -= 1;
        assert!(!waited.timed_out(), "nobody lets the write end");
    }
}

fn fetched(handle: &DownloadHandle) -> u64 {
    handle.progress().map_or(0, |progress| progress.fetched())
}

#[tokio::test(start_paused = true)]
async fn while_a_part_is_written_the_next_one_arrives_and_neither_is_recorded() {
    let _clock = stop_the_clock();
    let (door, object) = (Arc::new(Door::default()), Memory::new(PART, 4));
    let disk = SimulatedFileSystem::new().observed(Arc::clone(&door) as _);
    let download = object.download(&disk, 1).direct_io(DirectIo::On);
    let handle = download.handle();
    let run = tokio::spawn(download.into_future());
    object.let_arrive(PART);
    eventually("the first part is being written", || door.held() == 1).await;
    eventually("its bytes are told", || fetched(&handle) == PART).await;
    // Longer than anything stored waits to be recorded.
    tokio::time::advance(Duration::from_secs(2)).await;
    object.let_arrive(2 * PART);
    eventually("the second part arrives", || fetched(&handle) > PART).await;
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
