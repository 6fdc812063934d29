//! The driver: carries out what the session decides, and reports back what happened.
//!
//! It holds no opinion of its own: every choice is the session's (crate `ossget-core`). One task
//! owns the session; attempts are tasks, the committer is a thread, everything else that blocks
//! runs on the blocking pool.

mod attempt;
mod begun;
mod blocks;
mod committer;
mod destination;
mod direct;
mod ending;
mod hash;
mod opening;
mod pace;
mod preparing;
mod processed;
mod report;
mod storage;
mod telling;
mod waiting;

use crate::download::Download;
use crate::options::{DirectIo, Options, Resume};
use crate::source::{Opening, RangeBody, SourceError};
use crate::{Client, Downloaded, Error, ErrorKind, Object};
pub(crate) use pace::Pace;
pub(crate) use storage::random;

use attempt::{Fetching, Turns};
use begun::Begun;
use committer::Committer;
use direct::DirectPartial;
use ending::{Failures, in_full};
use hash::Examined;
use opening::Opened;
use ossget_core::session::{
    Action, AttemptId, Event, Handled, Moment, Outcome, Phase, PrepareMode, PreparedPartial,
    Remains, ResumePolicy, ResumeVerify, Session, SessionConfig, StopReason, StorageTask,
};
use ossget_core::{ByteRange, Failure, ObjectIdentity, PartIndex, PartPlan};
use report::{Attached, Commit, Report, Reporter};
use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use storage::{Left, Preparation, Prepared, Storage};
use telling::Teller;
use tokio::sync::{Notify, mpsc};
use tokio::task::{AbortHandle, JoinError, JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep_until};

/// Runs a download to its end.
pub(crate) async fn run(mut download: Download) -> Result<Downloaded, Error> {
    if let Some(style) = download.options.process.take() {
        return processed::run(download, style).await;
    }
    let first = match opening::open(&mut download).await {
        Opened::Done(downloaded) => return Ok(downloaded),
        Opened::Begun(first) => first,
        Opened::Cancelled => return Err(cancelled()),
    };
    let handle = download.handle.clone();
    let Begun { client, object, options, storage, mut left, mut teller } =
        Begun::new(download).await?;
    let mut config = session_config(&options, client.budget.bytes_per_second());
    config.recording = storage.recording;
    // The wait for the lock is no part of what is timed from here on.
    let origin = Instant::now();
    let session = Session::new(config, left.checkpoint.clone());
    let (reporter, reports) = Reporter::new();
    let warning = Arc::make_mut(&mut left).warning.take();
    teller.warn_once(warning.into_iter().chain(storage.caveats()));
    let driver = Driver {
        origin,
        object,
        options,
        client,
        storage,
        left,
        session,
        reporter,
        reports,
        teller,
        identity: None,
        first,
        first_bytes: None,
        open: None,
        tasks: JoinSet::new(),
        running: HashMap::new(),
        asking: None,
        requests: 0,
        publishing: false,
        there: None,
        failures: Failures::default(),
    };
    driver.drive(handle).await
}

fn session_config(options: &Options, bandwidth: Option<NonZeroU64>) -> SessionConfig {
    let mut config = SessionConfig::new(options.parallel.most(), u64::from_le_bytes(random()));
    config.parallel_at_first = options.parallel.at_first(bandwidth);
    config.part_size = options.part_size;
    config.extent = options.extent;
    config.retries = options.retries;
    config.retry_max_time = options.retry_max_time;
    config.read_timeout = options.read_timeout;
    config.low_speed_bytes_per_second = options.low_speed_bytes_per_second;
    config.low_speed_time = options.low_speed_time;
    config.on_change = options.on_change;
    config.resume_verify = options.resume_verify;
    config.crc = options.crc;
    config.resume = match options.resume {
        Resume::Require => ResumePolicy::Require,
        _ => ResumePolicy::Auto,
    };
    config
}

/// One running download.
struct Driver {
    /// Of the runtime's clock, which tests may stop: deadlines and what is told of them agree.
    origin: Instant,
    object: Arc<Object>,
    options: Arc<Options>,
    client: Client,
    storage: Storage,
    left: Arc<Left>,
    session: Session,
    reporter: Reporter,
    reports: mpsc::UnboundedReceiver<Report>,
    teller: Teller,
    identity: Option<ObjectIdentity>,
    /// What was learnt of the object before this, instead of by a first probe.
    first: Option<Result<Opening, SourceError>>,
    /// The object's beginning, on its way.
    first_bytes: Option<RangeBody>,
    open: Option<Open>,
    /// Everything that runs for this download; a panic in any of it ends the download.
    tasks: JoinSet<()>,
    running: HashMap<AttemptId, Running>,
    /// The latest probe.
    asking: Option<AbortHandle>,
    requests: u64,
    /// Whether the finished file was to be published.
    publishing: bool,
    /// What the destination amounts to, where it already was the object.
    there: Option<Examined>,
    failures: Failures,
}

/// A deadline missed by so much was missed because this process did not run.
const LATE: Duration = Duration::from_millis(200);

/// What the attempts get to read what has come in meanwhile.
const GRACE: Duration = Duration::from_millis(50);

/// What is open while bytes move.
#[derive(Debug)]
struct Open {
    prepared: Prepared,
    fetching: Arc<Fetching>,
    committer: Committer,
    /// Ends when nothing is being written any more.
    writes: mpsc::Receiver<()>,
}

impl Open {
    /// Waits until nobody writes or records any more, and with that for the end of their hold on
    /// the destination's lock.
    async fn close(self) -> Prepared {
        let Self { prepared, fetching, committer, mut writes } = self;
        drop(fetching);
        while writes.recv().await.is_some() {}
        // Nobody can be told of a panic of the thread; it was printed.
        drop(spawn_blocking(move || committer.end()).await);
        prepared
    }
}

/// An attempt under way.
struct Running {
    range: ByteRange,
    abort: Arc<Notify>,
}

impl Driver {
    async fn drive(mut self, handle: crate::DownloadHandle) -> Result<Downloaded, Error> {
        loop {
            while let Some(action) = self.session.poll_action() {
                if let Action::Finish { outcome } = action {
                    return self.finish(outcome).await;
                }
                self.carry_out(action);
            }
            self.teller.progress(self.session.progress());
            let deadline = self.session.poll_deadline().map(|deadline| {
                let at = self.origin.checked_add(deadline.at.since_origin());
                at.unwrap_or_else(far_future)
            });
            let deadline = deadline.into_iter().chain(self.teller.due()).min();
            // By a clock that tests do not stop: only real time keeps others from running.
            let slept = std::time::Instant::now();
            let patience = deadline.map(|it| it.saturating_duration_since(Instant::now()) + LATE);
            let event = tokio::select! {
                report = self.reports.recv() => report.map(|report| self.take_in(report)),
                () = handle.cancelled() => {
                    self.storage.stop.store(true, Ordering::Relaxed);
                    let phase = self.session.progress().phase;
                    if phase == Phase::Verifying && self.storage.checksum.is_some() {
                        // Reading a large file for its digest takes long, and changes nothing.
                        return self.finish(CANCELLED).await;
                    }
                    Some(Event::Cancel)
                }
                () = sleep_until(deadline.unwrap_or_else(far_future)), if deadline.is_some() => None,
                Some(ended) = self.tasks.join_next() => {
                    if let Err(error) = ended && !error.is_cancelled() {
                        return Err(broken(error));
                    }
                    continue;
                }
            };
            if let Some(event) = event {
                self.handle(event);
            }
            if patience.is_some_and(|patience| slept.elapsed() > patience) {
                // Nor has anybody else run, as while the process was stopped: what waits in the
                // kernel is to be reported before silence is. Real time, as it was that was missed.
                drop(spawn_blocking(|| std::thread::sleep(GRACE)).await);
            }
            // What has come in meanwhile is handled before time is looked at or anything new is
            // begun: a driver that was held up must not take its own delay for a stall.
            while let Ok(report) = self.reports.try_recv() {
                let event = self.take_in(report);
                self.handle(event);
            }
            self.handle(Event::Tick);
        }
    }

    fn handle(&mut self, event: Event) {
        let now = Moment::new(self.origin.elapsed());
        let prepared = matches!(
            event,
            Event::Prepared { partial: PreparedPartial::Fresh | PreparedPartial::Resumed }
        );
        if self.session.handle(now, event) == Handled::Applied && prepared {
            self.tell_started();
        }
    }

    /// Keeps what only the driver needs of a report and returns the session's part.
    fn take_in(&mut self, mut report: Report) -> Event {
        let phase = self.session.progress().phase;
        if let Event::AttemptFailed { failure, retry_after, .. }
        | Event::ProbeFailed { failure, retry_after } = &mut report.event
            && (failure.is_transient() || *failure == Failure::Aborted)
            && !matches!(failure, Failure::Unsent | Failure::Short)
            && matches!(phase, Phase::Probing | Phase::Transferring)
        {
            *retry_after = (*retry_after).max(self.client.pace.take());
        }
        match report.event {
            Event::AttemptFailed { attempt, .. }
            | Event::StorageFailed { during: StorageTask::Attempt(attempt) } => {
                let running = self.running.remove(&attempt);
                if let Some(running) = running.filter(|_| phase == Phase::Transferring) {
                    self.failures.range(running.range);
                }
            }
            Event::Stored { attempt, part, .. } => {
                let range = self.open.as_ref().and_then(|open| open.prepared.plan.range(part));
                let ends = |running: &Running| range.is_none_or(|r| running.range.end() <= r.end());
                if self.running.get(&attempt).is_some_and(ends) {
                    self.running.remove(&attempt);
                }
            }
            _ => {}
        }
        if let Event::Probed { identity } = &report.event {
            self.identity = Some(identity.clone());
        }
        match report.attached {
            Attached::Nothing => {}
            Attached::Open(open) => self.open = Some(*open),
            // Once the session winds up, what fails fails because of that.
            Attached::Source(_) if phase == Phase::Draining => {}
            Attached::Source(error) => {
                if matches!(report.event, Event::ProbeFailed { .. }) {
                    self.teller.probe_failed(error.kind(), in_full(&error));
                }
                self.failures.source(error);
            }
            Attached::Storage(error) => self.failures.storage(error),
            Attached::Destination(examined) => self.there = Some(examined),
        }
        report.event
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Probe => self.probe(),
            Action::Prepare { identity, plan, mode } => self.prepare(identity, plan, mode),
            Action::Fetch { attempt, range } => self.fetch(attempt, range),
            Action::Abort { attempt } => {
                if let Some(running) = self.running.get(&attempt) {
                    running.abort.notify_one();
                }
            }
            Action::Retry { range, failures, wait, failure, .. } => {
                self.teller.retry((range, failures), wait, self.failures.latest(failure));
            }
            Action::Sync { commit } => self.commit(Commit::Sync(commit)),
            Action::Record { commit, slots } => self.commit(Commit::Record(commit, slots)),
            Action::Rehash { first, count, verify } => self.rehash((first, count), verify),
            Action::Doubt { expected, found } => self.teller.doubt(expected, found),
            Action::Verify { .. } => {
                self.with_file(StorageTask::Verify, |storage, prepared| storage.verify(prepared));
            }
            Action::Publish => {
                self.publishing = true;
                self.with_file(StorageTask::Publish, |storage, prepared| storage.publish(prepared));
            }
            // `Finish` is handled by the loop; the session knows no other actions.
            _ => {}
        }
    }

    fn probe(&mut self) {
        let reporter = self.reporter.clone();
        if let Some(first) = self.first.take() {
            return reporter.probed(first.map(|Opening { identity, first }| {
                self.first_bytes = first;
                identity
            }));
        }
        // Of an object that may be another one by now.
        self.first_bytes = None;
        let (source, object) = (Arc::clone(&self.client.source), Arc::clone(&self.object));
        let asking = self.tasks.spawn(async move { reporter.probed(source.probe(&object).await) });
        // What was not answered in time must not be taken for the answer to this one.
        if let Some(given_up) = self.asking.replace(asking) {
            given_up.abort();
        }
    }

    fn prepare(&mut self, identity: ObjectIdentity, plan: PartPlan, mode: PrepareMode) {
        let superseded = self.open.take().map(|open| open.prepared.name);
        let left = self.left.checkpoint.as_ref();
        let resumable = left.is_some_and(|checkpoint| !checkpoint.recorded.is_empty());
        if mode == PrepareMode::Fresh && (superseded.is_some() || resumable) {
            self.teller.warn("what was downloaded before cannot be used; starting over".to_owned());
        }
        if superseded.is_some() {
            Arc::make_mut(&mut self.left).superseded = superseded;
        }
        let (storage, left) = (self.storage.clone(), Arc::clone(&self.left));
        let (source, object) = (Arc::clone(&self.client.source), Arc::clone(&self.object));
        let budget = self.client.budget.clone();
        let disk_writes = self.client.disk_writes;
        if mode == PrepareMode::Fresh {
            // From now on there is nothing of it to go back to.
            Arc::make_mut(&mut self.left).checkpoint = None;
        }
        let reporter = self.reporter.clone();
        self.tasks.spawn_blocking(move || {
            let opened = storage.prepare(&identity, &plan, mode, &left).and_then(|prepared| {
                let (partial, prepared) = match prepared {
                    Preparation::Absent => return Ok((PreparedPartial::Absent, Attached::Nothing)),
                    Preparation::AtDestination(examined) => {
                        let there = PreparedPartial::AtDestination { crc64: examined.crc64 };
                        return Ok((there, Attached::Destination(examined)));
                    }
                    Preparation::Ready(partial, prepared) => (partial, prepared),
                };
                let committer = storage
                    .committer(&prepared, reporter.clone())
                    .inspect_err(|_| drop(storage.leave(Some(&prepared.name))))?;
                let (held, writes) = mpsc::channel(1);
                let direct = storage
                    .direct(&prepared)
                    .map(|file| DirectPartial::new(file, held, disk_writes, plan.part_size()));
                let fetching = Arc::new(Fetching {
                    source,
                    budget,
                    object,
                    identity,
                    plan,
                    partial: Arc::clone(&prepared.partial),
                    direct,
                    buffers: Arc::default(),
                    turns: Turns::new(),
                    syncing: storage.syncing,
                    reporter: reporter.clone(),
                });
                let open = Open { prepared, fetching, committer, writes };
                Ok((partial, Attached::Open(Box::new(open))))
            });
            match opened {
                Ok((partial, attached)) => {
                    reporter.send(Report { event: Event::Prepared { partial }, attached });
                }
                Err(error) => reporter.storage(StorageTask::Prepare, error),
            }
        });
    }

    fn fetch(&mut self, attempt: AttemptId, range: ByteRange) {
        let Some(open) = &self.open else { return };
        self.requests += 1;
        let is_of = |first: &mut RangeBody| {
            first.granted.start() == range.start() && first.granted.end() <= range.end()
        };
        let first = self.first_bytes.take_if(is_of);
        let abort = Arc::new(Notify::new());
        self.running.insert(attempt, Running { range, abort: Arc::clone(&abort) });
        self.tasks.spawn(attempt::run(Arc::clone(&open.fetching), attempt, (range, first), abort));
    }

    fn commit(&self, commit: Commit) {
        if let Some(open) = &self.open {
            open.committer.order(commit);
        }
    }

    fn rehash(&mut self, parts: (PartIndex, u32), verify: ResumeVerify) {
        let Some(open) = &self.open else { return };
        let (storage, prepared) = (self.storage.clone(), open.prepared.clone());
        let reporter = self.reporter.clone();
        self.tasks.spawn_blocking(move || storage.rehash(&prepared, parts, verify, &reporter));
    }

    fn with_file(
        &mut self,
        task: StorageTask,
        work: impl FnOnce(&Storage, &Prepared) -> Result<Event, ossget_fs::FsError> + Send + 'static,
    ) {
        let Some(open) = &self.open else { return };
        let (storage, prepared) = (self.storage.clone(), open.prepared.clone());
        let reporter = self.reporter.clone();
        self.tasks.spawn_blocking(move || match work(&storage, &prepared) {
            Ok(event) => reporter.event(event),
            Err(error) => reporter.storage(task, error),
        });
    }

    fn tell_started(&mut self) {
        // Some of it shows only when the files are made.
        self.teller.warn_once(self.storage.caveats());
        let is_loose = |it: &ObjectIdentity| !it.is_pinned() && it.crc64.is_none();
        if self.identity.as_ref().is_some_and(is_loose) {
            self.teller.warn_once([UNPINNED.to_owned()]);
        }
        if let Some(open) = &self.open {
            if self.options.direct_io == DirectIo::On && open.fetching.direct.is_none() {
                self.teller.warn_once([open.prepared.why_not_direct().to_owned()]);
            }
            let destination = self.storage.lock.canonical_destination();
            let parallel = self.options.parallel.most();
            let progress = self.session.progress();
            let part_size = open.prepared.plan.part_size();
            self.teller.started(destination, part_size, parallel.get(), progress);
        }
    }
}

/// Neither a precondition nor a checksum could tell two contents apart.
const UNPINNED: &str = "the server gives neither a strong ETag nor a CRC-64: if the object is \
                        replaced meanwhile, nothing tells";

/// Runs what blocks where it may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(broken(error)))
}

fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "the download was cancelled")
}

/// A task that panicked.
fn broken(error: JoinError) -> Error {
    Error::new(ErrorKind::Internal, "a task of the download failed").with_source(error)
}

/// Stopped by the user where the session sees nothing left to stop.
const CANCELLED: Outcome =
    Outcome::Stopped { reason: StopReason::Cancelled, remains: Remains::Keep };

/// A deadline that never comes, for when there is none.
fn far_future() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}
