//! The one place that knows the session's interface in detail: everything else in the simulation
//! uses these names and functions, so that a change of the session costs little here.

use super::settings::{Broken, Settings};
use std::num::NonZeroU32;
use std::time::Duration;

pub(crate) use ossget_core::session::{
    Action, AttemptId, CommitId, CrcPolicy, Event, Examination, Integrity, Mutant, OnChange,
    Outcome, Phase, Piece, PrepareMode, PreparedPartial, Recording, Remains, ResumePolicy,
    ResumeVerify, SlotWrite, StopReason, StorageTask,
};
use ossget_core::session::{Handled, Moment, Session, SessionConfig};
use ossget_core::{Checkpoint, Failure, ObjectIdentity, PartIndex, PartSize};

/// Microseconds of virtual time.
pub(crate) type Micros = u64;

pub(crate) const MILLI: Micros = 1_000;
pub(crate) const SECOND: Micros = 1_000_000;

/// A session that is told the time in microseconds.
#[derive(Debug)]
pub(crate) struct Driven {
    session: Session,
}

impl Driven {
    pub(crate) fn new(settings: &Settings, seed: u64, resume: Option<Checkpoint>) -> Self {
        Self { session: Session::new(config(settings, seed), resume) }
    }

    pub(crate) fn next_action(&mut self) -> Option<Action> {
        self.session.poll_action()
    }

    /// Whether the session took the event.
    pub(crate) fn tell(&mut self, now: Micros, event: Event) -> bool {
        self.session.handle(Moment::new(Duration::from_micros(now)), event) == Handled::Applied
    }

    pub(crate) fn deadline(&self) -> Option<Micros> {
        let at = self.session.poll_deadline()?.at.since_origin();
        // Rounded up: woken a fraction early, the session would find nothing due.
        Some(u64::try_from(at.as_nanos().div_ceil(1000)).expect("not that far away"))
    }

    /// More done than there is to do?
    pub(crate) fn is_beyond_the_end(&self) -> bool {
        let progress = self.session.progress();
        progress.bytes_total.is_some_and(|total| progress.bytes_done > total)
    }

    pub(crate) fn phase(&self) -> Phase {
        self.session.progress().phase
    }

    /// How many attempts may be live.
    pub(crate) fn limit(&self) -> u32 {
        self.session.progress().limit
    }

    pub(crate) fn bytes_kept(&self) -> u64 {
        self.session.progress().bytes_kept
    }

    /// The group-commit window in force, in bytes.
    pub(crate) fn commit_window(&self) -> u64 {
        self.session.progress().commit_bytes
    }
}

fn config(settings: &Settings, seed: u64) -> SessionConfig {
    let parallel = NonZeroU32::new(settings.parallel).expect("at least one");
    let mut config = SessionConfig::new(parallel, seed);
    config.parallel_at_first = settings.parallel_at_first.and_then(NonZeroU32::new);
    config.part_size = Some(PartSize::new(settings.part_size).expect("a legal size"));
    config.extent = settings.extent;
    config.retries = settings.retries;
    config.retry_max_time = Duration::from_micros(settings.retry_max);
    config.read_timeout = Duration::from_micros(settings.read_timeout);
    config.request_bytes = settings.request_bytes;
    config.commit_bytes = settings.commit_bytes;
    config.commit_interval = Duration::from_micros(settings.commit_interval);
    config.recording = settings.recording;
    config.on_change = settings.on_change;
    config.resume = settings.resume;
    config.resume_verify = settings.resume_verify;
    config.crc = settings.crc;
    if let Some(Broken::Session(mutant)) = settings.mutant {
        config.mutant = Some(mutant);
    }
    config
}

pub(crate) fn probe_failed(failure: Failure, retry_after: Option<Duration>) -> Event {
    Event::ProbeFailed { failure, retry_after }
}

pub(crate) fn probed(identity: ObjectIdentity) -> Event {
    Event::Probed { identity }
}

pub(crate) fn received(attempt: AttemptId, bytes: u64) -> Event {
    Event::Received { attempt, bytes }
}

pub(crate) fn stored(attempt: AttemptId, part: PartIndex, piece: Piece) -> Event {
    Event::Stored { attempt, part, bytes: piece.bytes, crc: piece.crc }
}

pub(crate) fn attempt_failed(
    attempt: AttemptId,
    failure: Failure,
    tail: Piece,
    retry_after: Option<Duration>,
) -> Event {
    Event::AttemptFailed { attempt, failure, tail, retry_after }
}

pub(crate) fn storage_failed(during: StorageTask) -> Event {
    Event::StorageFailed { during }
}

pub(crate) fn limit_changed(parallel: u32) -> Event {
    Event::LimitChanged { parallel: NonZeroU32::new(parallel).expect("at least one") }
}

/// Whether a report leads to a wait.
pub(crate) const fn is_failure(event: &Event) -> bool {
    matches!(event, Event::AttemptFailed { .. } | Event::ProbeFailed { .. })
}

/// Whether a report may come twice without meaning anything new.
pub(crate) const fn may_repeat(event: &Event) -> bool {
    !matches!(
        event,
        Event::Received { .. }
            | Event::Probed { .. }
            | Event::ProbeFailed { .. }
            | Event::Prepared { .. }
    )
}
