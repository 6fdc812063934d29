//! A disk whose syncs take long.

use crate::memory::{DESTINATION, Memory};
use ossget::{DownloadHandle, ErrorKind, Phase, Progress};
use ossget_testkit::file_system::{
    Disk, Observer, Operation, SectorSizes, SimulatedFileSystem, Step, Target,
};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// What is recorded together as long as syncs are quick.
const WINDOW: u64 = 64 << 20;
const MIB: u64 = 1 << 20;
/// The smallest part.
const PART: u64 = 100 << 10;

/// Holds the syncs of data while it is shut, or the writes.
#[derive(Debug)]
pub(crate) struct Door {
    holds: Operation,
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// How many of them may end; all of them where there is no number.
    may_end: Option<u64>,
    begun: u64,
    ended: u64,
}

impl Door {
    pub(crate) fn shut(holds: Operation) -> Arc<Self> {
        let state = State { may_end: Some(0), ..State::default() };
        Arc::new(Self { holds, state: Mutex::new(state), moved: Condvar::new() })
    }

    /// How many are held.
    pub(crate) fn held(&self) -> u64 {
        let state = self.state.lock().unwrap();
        state.begun - state.ended
    }

    fn let_one_end(&self) {
        let mut state = self.state.lock().unwrap();
        state.may_end = state.may_end.map(|many| many + 1);
        self.moved.notify_all();
    }

    pub(crate) fn open(&self) {
        self.state.lock().unwrap().may_end = None;
        self.moved.notify_all();
    }
}

impl Door {
    fn pass(&self, step: &Step) {
        if step.target != Target::Partial || step.operation != self.holds {
            return;
        }
        let mut state = self.state.lock().unwrap();
        state.begun += 1;
        let is_shut = |state: &mut State| state.may_end.is_some_and(|many| many <= state.ended);
        let (mut state, waited) = self.moved.wait_timeout_while(state, LONG, is_shut).unwrap();
        state.ended += 1;
        assert!(!waited.timed_out(), "nobody lets it end");
    }
}

impl Observer for Door {
    fn before(&self, step: &Step) {
        if step.operation == Operation::Write {
            self.pass(step);
        }
    }

    fn during(&self, step: &Step) {
        self.pass(step);
    }
}

/// For what must come, however slow the machine is.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A disk whose syncs the door holds.
fn disk(door: &Arc<Door>, data: u64) -> SimulatedFileSystem {
    let sizes = SectorSizes { checkpoint: 4096, data: usize::try_from(data).unwrap() };
    SimulatedFileSystem::on(Disk::new(sizes)).observed(Arc::clone(door) as _)
}

/// Waits until this holds; it must, in the end. The runtime's clock may stand still meanwhile.
pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool + Send) {
    eventually_after(what, holds, tokio::task::yield_now).await;
}

async fn eventually_after<F: Future<Output = ()> + Send>(
    what: &str,
    holds: impl Fn() -> bool + Send,
    wait: impl Fn() -> F + Send,
) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LONG, "{what}: it does not come");
        wait().await;
    }
}

/// As [`eventually`], while the clock that stands still is moved on: of parts that have arrived the
/// progress is told within 50 ms.
async fn soon(what: &str, holds: impl Fn() -> bool + Send) {
    eventually_after(what, holds, || tokio::time::advance(Duration::from_millis(1))).await;
}

fn look(handle: &DownloadHandle) -> Progress {
    handle.progress().expect("it has begun")
}

/// Keeps the runtime's clock from moving by itself, which it does while only threads are busy.
pub(crate) fn stop_the_clock() -> oneshot::Sender<()> {
    let (stopped, moves) = oneshot::channel();
    tokio::task::spawn_blocking(move || moves.blocking_recv());
    stopped
}

/// Faults: 81.
#[tokio::test]
async fn bytes_go_on_arriving_while_a_sync_takes_long_until_four_windows_wait_to_be_recorded() {
    let (door, object) = (Door::shut(Operation::SyncData), Memory::new(MIB, 320));
    object.let_arrive(object.size());
    let disk = disk(&door, MIB);
    let download = object.download(&disk, 4);
    let handle = download.handle();
    let run = tokio::spawn(download.into_future());
    eventually("a sync begins", || door.held() == 1).await;
    eventually("nothing more is asked for", || look(&handle).live() == 0).await;
    let (progress, gets) = (look(&handle), object.gets());
    assert_eq!((progress.phase(), progress.recorded()), (Phase::Transferring, 0));
    let waiting = 4 * WINDOW..=4 * WINDOW + 4 * MIB;
    assert!(waiting.contains(&progress.fetched()), "{} bytes", progress.fetched());
    assert_eq!(door.held(), 1);

    door.open();
    let done = run.await.unwrap().unwrap();
    assert_eq!((done.fetched_bytes, done.crc64), (object.size(), object.crc64()));
    assert!(object.gets() > gets);
    assert_eq!(disk.disk().names("/simulated/folder").len(), 1);
}

/// Faults: 81.
#[tokio::test(start_paused = true)]
async fn slow_syncs_make_the_commit_window_grow_while_bytes_go_on_arriving() {
    let _clock = stop_the_clock();
    let (door, object) = (Door::shut(Operation::SyncData), Memory::new(PART, 100));
    let disk = disk(&door, PART);
    let download = object.download(&disk, 1);
    let handle = download.handle();
    let run = tokio::spawn(download.into_future());
    let arrived = |parts: u64| {
        object.let_arrive(parts * PART);
        let handle = &handle;
        soon("a part arrives", move || {
            handle.progress().is_some_and(|it| it.fetched() == parts * PART)
        })
    };
    arrived(1).await;
    for parts in 1..=5 {
        assert_eq!(look(&handle).commit_window(), WINDOW, "after {} slow syncs", parts - 1);
        // What is stored has waited long enough.
        tokio::time::advance(Duration::from_secs(1)).await;
        eventually("a sync begins", || door.held() == 1).await;
        arrived(parts + 1).await;
        assert_eq!(look(&handle).recorded(), (parts - 1) * PART);
        tokio::time::advance(Duration::from_millis(251)).await;
        door.let_one_end();
        // Not what has arrived since the sync began.
        eventually("it is recorded", || look(&handle).recorded() >= parts * PART).await;
        assert_eq!(look(&handle).recorded(), parts * PART);
    }
    assert_eq!(look(&handle).commit_window(), 2 * WINDOW);
    run.abort();
}

/// Faults: 81.
#[tokio::test(start_paused = true)]
async fn cancelling_during_a_slow_sync_ends_all_requests_at_once_and_loses_nothing_that_is_stored()
{
    let _clock = stop_the_clock();
    let (door, object) = (Door::shut(Operation::SyncData), Memory::new(PART, 100));
    let disk = disk(&door, PART);
    let download = object.download(&disk, 2);
    let handle = download.handle();
    let run = tokio::spawn(download.into_future());
    object.let_arrive(3 * PART);
    soon("three parts arrive", || handle.progress().is_some_and(|it| it.fetched() == 3 * PART))
        .await;
    tokio::time::advance(Duration::from_secs(1)).await;
    eventually("a sync begins", || door.held() == 1).await;
    object.let_arrive(4 * PART);
    soon("one more arrives", || look(&handle).fetched() == 4 * PART).await;
    assert_eq!(look(&handle).live(), 2);

    handle.cancel();
    eventually("no request is left", || look(&handle).live() == 0).await;
    let progress = look(&handle);
    assert_eq!((progress.phase(), progress.recorded()), (Phase::Draining, 0));
    assert_eq!(door.held(), 1, "the sync has not ended");
    assert!(!run.is_finished(), "what the sync covers is to be recorded");

    door.open();
    let error = run.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(error.is_resumable());
    object.let_arrive(object.size());
    let done = object.download(&disk, 2).await.unwrap();
    assert_eq!((done.resumed_bytes, done.fetched_bytes), (4 * PART, 96 * PART));
    assert_eq!(done.crc64, object.crc64());
    assert!(disk.disk().read(DESTINATION).is_some());
}
