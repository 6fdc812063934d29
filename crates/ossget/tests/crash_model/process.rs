//! One process: the real download on a simulated disk, from its start to its end.

use crate::origin::{Crc, Library, Origin, PART, Version};
use crate::schedule::{Gate, Plan};
use ossget::{Client, Downloaded, Durability, Error, Object, Parallel, PartSize, ResumeVerify};
use ossget_testkit::file_system::{Disk, Failing, Omission, SimulatedFileSystem, Step};
use std::num::NonZeroU32;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

pub(crate) const WORK: &str = "/simulated/folder";
pub(crate) const ELSEWHERE: &str = "/simulated/checkpoints";
pub(crate) const DESTINATION: &str = "/simulated/folder/object.bin";

/// How downloads are made.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) crc: Crc,
    pub(crate) verify: ResumeVerify,
    pub(crate) omissions: Vec<Omission>,
}

/// Where the checkpoint lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checkpoint {
    Beside,
    Elsewhere,
}

/// What came of a process.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) history: Vec<(Step, Disk)>,
    pub(crate) disk: Disk,
    pub(crate) result: Result<Downloaded, Error>,
    /// What the object was at the end.
    pub(crate) version: Version,
    /// The parts asked for.
    pub(crate) gets: Vec<usize>,
    /// How many steps it took.
    pub(crate) steps: usize,
    /// How many bodies were held back beside the committer.
    pub(crate) held_back: u64,
}

/// Runs processes, one after the other.
#[derive(Debug)]
pub(crate) struct Machine {
    /// As long as it lives the runtime's clock stands still unless it is moved.
    _clock_stands: mpsc::Sender<()>,
    runtime: Runtime,
    pub(crate) objects: Arc<Library>,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.unwrap();
        let (stands, stopped) = mpsc::channel::<()>();
        // The clock does not move by itself while something blocks.
        runtime.spawn_blocking(move || stopped.recv());
        Self { _clock_stands: stands, runtime, objects: Arc::new(Library::new()) }
    }

    /// Runs one process on a disk that an earlier one left.
    pub(crate) fn run(
        &self,
        disk: &Disk,
        settings: &Settings,
        (version, plan): (Version, Plan),
        failing: Option<Failing>,
    ) -> Ended {
        let gate = Arc::new(Gate::default());
        let mut fs = SimulatedFileSystem::on(disk.clone()).recording().observed(gate.clone());
        for omission in &settings.omissions {
            fs = fs.without(*omission);
        }
        if let Some(failing) = failing {
            fs = fs.failing(failing);
        }
        let origin = Arc::new(Origin::new(&self.objects, (version, settings.crc), plan, &gate));
        let client = Client::with_source(origin.clone(), Arc::new(fs.clone()));
        let object = Object::new("examplebucket", "object.bin").unwrap();
        let mut download = client
            .download(object, DESTINATION)
            .part_size(PartSize::new(PART).unwrap())
            .parallel(Parallel::Fixed(NonZeroU32::MIN))
            .durability(Durability::Full)
            .resume_verify(settings.verify)
            // The clock is moved by hand, past everything but this.
            .read_timeout(Duration::MAX);
        if settings.checkpoint == Checkpoint::Elsewhere {
            download = download.checkpoint_dir(ELSEWHERE);
        }
        let result = self.runtime.block_on(download.into_future());
        let closing = fs.clone();
        let closed = self.runtime.spawn_blocking(move || closing.wait_until_closed());
        self.runtime.block_on(closed).unwrap();
        let (version, gets) = origin.told();
        let steps = fs.steps().len();
        let (history, disk, held_back) = (fs.history(), fs.disk(), gate.begun());
        Ended { history, disk, result, version, gets, steps, held_back }
    }
}
