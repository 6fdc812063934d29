//! The driver: carries out what the session decides, and reports back what happened.
//!
//! It holds no opinion of its own: every choice is the session's (crate `ossget-core`). One task
//! owns the session; attempts are tasks, the committer is a thread, everything else that blocks
//! runs on the blocking pool.

mod attempt;
mod committer;
mod destination;
mod ending;
mod hash;
mod report;
mod storage;
mod telling;

use crate::download::Download;
use crate::options::{Options, Resume};
use crate::{Downloaded, Error, ErrorKind, Object};
use attempt::Fetching;
use committer::Committer;
use ending::Failures;
use ossget_core::session::{
    Action, AttemptId, Event, Handled, Moment, PrepareMode, PreparedPartial, Recording,
    ResumePolicy, Session, SessionConfig, StorageTask,
};
use ossget_core::{ByteRange, ObjectIdentity, PartPlan};
use report::{Attached, Commit, Report, Reporter};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use storage::{Left, Preparation, Prepared, Storage, random};
use telling::Teller;
use tokio::sync::{Notify, mpsc};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep_until;

/// Runs a download to its end.
pub(crate) async fn run(download: Download) -> Result<Downloaded, Error> {
    let origin = Instant::now();
    let Download { object, destination, source, file_system, options, handle, observer } = download;
    let object = Arc::new(object);
    let options = Arc::new(options);
    let opened = {
        let (object, options) = (Arc::clone(&object), Arc::clone(&options));
        blocking(move || {
            let destination = destination::resolve(&destination, object.key())?;
            let storage = Storage::lock(file_system.as_ref(), &destination, &object, &options)?;
            let left = storage.load(&object, &options)?;
            Ok((storage, left))
        })
        .await
    };
    let (storage, mut left) = opened?;
    let session = Session::new(session_config(&options), left.checkpoint.clone());
    let (reporter, reports) = Reporter::new();
    let mut teller = Teller::new(observer, handle.clone());
    for message in left.warning.take().into_iter().chain(storage.caveats()) {
        teller.warn(message);
    }
    let driver = Driver {
        origin,
        object,
        options,
        source,
        storage,
        left: Arc::new(left),
        session,
        reporter,
        reports,
        teller,
        identity: None,
        open: None,
        attempts: JoinSet::new(),
        running: HashMap::new(),
        requests: 0,
        failures: Failures::default(),
    };
    driver.drive(handle).await
}

fn session_config(options: &Options) -> SessionConfig {
    let mut config = SessionConfig::new(options.parallel.limit(), u64::from_le_bytes(random()));
    config.part_size = options.part_size;
    config.extent = options.extent;
    config.retries = options.retries;
    config.retry_max_time = options.retry_max_time;
    config.read_timeout = options.read_timeout;
    config.on_change = options.on_change;
    config.resume_verify = options.resume_verify;
    config.crc = options.crc;
    config.resume = match options.resume {
        Resume::Require => ResumePolicy::Require,
        _ => ResumePolicy::Auto,
    };
    config.recording = match (options.durability, options.resume) {
        (crate::Durability::None, _) | (_, Resume::Off) => Recording::Off,
        _ => Recording::On,
    };
    config
}

/// One running download.
struct Driver {
    origin: Instant,
    object: Arc<Object>,
    options: Arc<Options>,
    source: Arc<dyn crate::source::Source>,
    storage: Storage,
    left: Arc<Left>,
    session: Session,
    reporter: Reporter,
    reports: mpsc::UnboundedReceiver<Report>,
    teller: Teller,
    identity: Option<ObjectIdentity>,
    open: Option<Open>,
    attempts: JoinSet<()>,
    running: HashMap<AttemptId, Running>,
    requests: u64,
    failures: Failures,
}

/// What is open while bytes move.
#[derive(Debug)]
struct Open {
    prepared: Prepared,
    fetching: Arc<Fetching>,
    committer: Committer,
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
                tokio::time::Instant::from_std(self.origin + deadline.at.since_origin())
            });
            let event = tokio::select! {
                report = self.reports.recv() => match report {
                    Some(report) => self.take_in(report),
                    None => Event::Tick,
                },
                () = handle.cancelled() => Event::Cancel,
                () = sleep_until(deadline.unwrap_or_else(far_future)), if deadline.is_some() => {
                    Event::Tick
                }
            };
            self.handle(event);
            // What has come in meanwhile is handled before anything new is begun.
            while let Ok(report) = self.reports.try_recv() {
                let event = self.take_in(report);
                self.handle(event);
            }
            while self.attempts.try_join_next().is_some() {}
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
    fn take_in(&mut self, report: Report) -> Event {
        match report.event {
            Event::AttemptFailed { attempt, .. }
            | Event::StorageFailed { during: StorageTask::Attempt(attempt) } => {
                if let Some(running) = self.running.remove(&attempt) {
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
            Attached::Source(error) => self.failures.source(error),
            Attached::Storage(error) => self.failures.storage(error),
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
            Action::Rehash { first, count } => self.rehash(first, count),
            Action::Verify { .. } => {
                self.with_file(StorageTask::Verify, |storage, prepared| storage.verify(prepared));
            }
            Action::Publish => {
                self.with_file(StorageTask::Publish, |storage, prepared| storage.publish(prepared));
            }
            // `Finish` is handled by the loop; the session knows no other actions.
            _ => {}
        }
    }

    fn probe(&mut self) {
        let (source, object) = (Arc::clone(&self.source), Arc::clone(&self.object));
        let reporter = self.reporter.clone();
        self.attempts.spawn(async move {
            reporter.send(match source.probe(&object).await {
                Ok(identity) => {
                    Report { event: Event::Probed { identity }, attached: Attached::Nothing }
                }
                Err(error) => Report {
                    event: Event::ProbeFailed {
                        failure: error.failure(),
                        retry_after: error.retry_after(),
                    },
                    attached: Attached::Source(error),
                },
            });
        });
    }

    fn prepare(&mut self, identity: ObjectIdentity, plan: PartPlan, mode: PrepareMode) {
        if let Some(open) = self.open.take() {
            Arc::make_mut(&mut self.left).superseded = Some(open.prepared.name);
        }
        let (storage, left) = (self.storage.clone(), Arc::clone(&self.left));
        let (source, object) = (Arc::clone(&self.source), Arc::clone(&self.object));
        let reporter = self.reporter.clone();
        spawn_blocking(move || {
            let opened = storage.prepare(&identity, &plan, mode, &left).and_then(|prepared| {
                let (partial, prepared) = match prepared {
                    Preparation::Absent => return Ok((PreparedPartial::Absent, None)),
                    Preparation::AtDestination => {
                        return Ok((PreparedPartial::AtDestination, None));
                    }
                    Preparation::Ready(partial, prepared) => (partial, prepared),
                };
                let committer = storage.committer(&prepared, reporter.clone())?;
                let fetching = Arc::new(Fetching {
                    source,
                    object,
                    identity,
                    plan,
                    partial: Arc::clone(&prepared.partial),
                    syncing: storage.syncing,
                    reporter: reporter.clone(),
                });
                Ok((partial, Some(Box::new(Open { prepared, fetching, committer }))))
            });
            match opened {
                Ok((partial, open)) => {
                    let attached = open.map_or(Attached::Nothing, Attached::Open);
                    reporter.send(Report { event: Event::Prepared { partial }, attached });
                }
                Err(error) => reporter.storage(StorageTask::Prepare, error),
            }
        });
    }

    fn fetch(&mut self, attempt: AttemptId, range: ByteRange) {
        let Some(open) = &self.open else { return };
        self.requests += 1;
        let abort = Arc::new(Notify::new());
        self.running.insert(attempt, Running { range, abort: Arc::clone(&abort) });
        self.attempts.spawn(attempt::run(Arc::clone(&open.fetching), attempt, range, abort));
    }

    fn commit(&self, commit: Commit) {
        if let Some(open) = &self.open {
            open.committer.order(commit);
        }
    }

    fn rehash(&self, first: ossget_core::PartIndex, count: u32) {
        let Some(open) = &self.open else { return };
        let (storage, prepared) = (self.storage.clone(), open.prepared.clone());
        let (verify, reporter) = (self.options.resume_verify, self.reporter.clone());
        spawn_blocking(move || storage.rehash(&prepared, (first, count), verify, &reporter));
    }

    fn with_file(
        &self,
        task: StorageTask,
        work: impl FnOnce(&Storage, &Prepared) -> Result<Event, ossget_fs::FsError> + Send + 'static,
    ) {
        let Some(open) = &self.open else { return };
        let (storage, prepared) = (self.storage.clone(), open.prepared.clone());
        let reporter = self.reporter.clone();
        spawn_blocking(move || match work(&storage, &prepared) {
            Ok(event) => reporter.event(event),
            Err(error) => reporter.storage(task, error),
        });
    }

    fn tell_started(&mut self) {
        if let Some(open) = &self.open {
            let destination = self.storage.lock.canonical_destination();
            let parallel = self.options.parallel.limit();
            let progress = self.session.progress();
            self.teller.started(destination, &open.prepared.plan, parallel.get(), progress);
        }
    }
}

/// Runs what blocks where it may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => {
            Err(Error::new(ErrorKind::Internal, "a task of the download failed").with_source(error))
        }
    }
}

/// A deadline that never comes, for when there is none.
fn far_future() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_secs(3600)
}
