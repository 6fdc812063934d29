//! The decisions, on any events and any numbers.

use crate::input::Input;
use ossget_core::session::{
    Action, AttemptId, CommitId, Event, Examination, Handled, Moment, Piece, PreparedPartial,
    Session, SessionConfig, SlotWrite, StorageTask,
};
use ossget_core::{
    ByteRange, Checkpoint, ExtentRequest, Failure, Header, Locator, MAX_PARTS, ObjectIdentity,
    PartIndex, PartPlan, PartSet, PartSize, SessionId, SourceKind, combine,
};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

/// Any events in any order: no panic, the same actions again, no byte in two live attempts, no more
/// attempts than allowed, nothing recorded before its sync, nothing published unexamined.
pub fn session_events(bytes: &[u8]) {
    let actions = Play::run(bytes);
    assert_eq!(actions, Play::run(bytes));
}

/// A session, and what its actions and reports so far allow.
struct Play {
    session: Session,
    now: Duration,
    actions: Vec<Action>,
    /// Begun and not ended, with what is still to come.
    live: BTreeMap<u64, (AttemptId, ByteRange)>,
    parallel: usize,
    stored: BTreeSet<u32>,
    /// What was stored when a commit's sync was asked for.
    snapshots: BTreeMap<CommitId, BTreeSet<u32>>,
    synced: BTreeSet<CommitId>,
    last_commit: Option<CommitId>,
    intact: bool,
    finished: bool,
}

impl Play {
    fn run(bytes: &[u8]) -> Vec<Action> {
        let mut input = Input::new(bytes);
        let parallel = u32::from(input.byte() % 8) + 1;
        let mut config =
            SessionConfig::new(NonZeroU32::new(parallel).expect("at least one"), input.u64());
        config.part_size = Some(PartSize::MIN);
        let resume = input.byte().is_multiple_of(2).then(|| checkpoint(&[1, 2, 5]));
        let mut play = Self {
            session: Session::new(config, resume),
            now: Duration::ZERO,
            actions: Vec::new(),
            live: BTreeMap::new(),
            parallel: usize::try_from(parallel).expect("a small number"),
            stored: BTreeSet::new(),
            snapshots: BTreeMap::new(),
            synced: BTreeSet::new(),
            last_commit: None,
            intact: false,
            finished: false,
        };
        play.act();
        for _ in 0..MOST_EVENTS {
            if input.is_empty() || play.finished {
                break;
            }
            play.now += Duration::from_millis(u64::from(input.byte()) * 40);
            let event = play.event(&mut input);
            play.tell(event);
            play.act();
            let progress = play.session.progress();
            assert!(progress.bytes_total.is_none_or(|total| progress.bytes_done <= total));
        }
        play.actions
    }

    fn event(&self, input: &mut Input<'_>) -> Event {
        let pick = usize::from(input.byte());
        let live = self.live.values().nth(pick % self.live.len().max(1)).copied();
        let commit = self.last_commit;
        match (input.byte() % 20, live, commit) {
            (0 | 1, ..) => Event::Probed { identity: identity(pick) },
            (2, ..) => Event::ProbeFailed { failure: failure(pick), retry_after: wait(pick) },
            (3 | 4, ..) => Event::Prepared {
                partial: [
                    PreparedPartial::Resumed,
                    PreparedPartial::Fresh,
                    PreparedPartial::Absent,
                    PreparedPartial::AtDestination { crc64: crc() },
                ][pick % 4],
            },
            (5 | 6, Some((attempt, _)), _) => {
                Event::Received { attempt, bytes: u64::from(input.u32()) }
            }
            (7..=11, Some((attempt, left)), _) => next_part(attempt, left),
            (12, Some((attempt, left)), _) => {
                let bytes = u64::from(input.u32()) % left.len().clamp(1, PART);
                let tail = Piece { bytes: bytes / 2, crc: input.u64() };
                Event::AttemptFailed {
                    attempt,
                    failure: failure(pick),
                    tail,
                    retry_after: wait(pick),
                }
            }
            (13, _, Some(commit)) => Event::Synced { commit },
            (14, _, Some(commit)) => Event::Recorded { commit },
            (15, ..) => {
                let part = u32::try_from(pick % 11).expect("a small number");
                let recorded = u64::from(part);
                let found = [Some(recorded), Some(99), None][pick % 3];
                Event::Rehashed { part: PartIndex::new(part), recorded, found }
            }
            (16, ..) => Event::StorageFailed { during: self.task(pick) },
            (17, ..) => Event::Verified {
                examination: [
                    Examination::Intact,
                    Examination::WrongLength,
                    Examination::WrongDigest,
                ][pick % 3],
            },
            (18, ..) => [Event::Published, Event::Cancel, Event::HeldBack][pick % 3].clone(),
            _ => Event::Tick,
        }
    }

    fn task(&self, pick: usize) -> StorageTask {
        let live = self.live.values().next().map(|(attempt, _)| StorageTask::Attempt(*attempt));
        let commit = self.last_commit.map(StorageTask::Commit);
        let fixed = [StorageTask::Prepare, StorageTask::Verify, StorageTask::Publish];
        [live, commit, fixed.get(pick % 3).copied()][pick % 3].unwrap_or(StorageTask::Prepare)
    }

    /// Reports an event and notes what it changes.
    fn tell(&mut self, event: Event) {
        let told = event.clone();
        if self.session.handle(Moment::new(self.now), event) == Handled::Stale {
            return;
        }
        match told {
            Event::Stored { attempt, part, bytes, .. } => {
                self.stored.insert(part.get());
                let (_, left) = self.live.remove(&attempt.serial()).expect("it was live");
                let rest = ByteRange::new(left.start() + bytes, left.end());
                if let Some(rest) = rest.filter(|rest| !rest.is_empty()) {
                    self.live.insert(attempt.serial(), (attempt, rest));
                }
            }
            Event::AttemptFailed { attempt, .. } => {
                self.live.remove(&attempt.serial());
            }
            Event::StorageFailed { during: StorageTask::Attempt(attempt), .. } => {
                self.live.remove(&attempt.serial());
            }
            Event::Synced { commit } => {
                self.synced.insert(commit);
            }
            Event::Verified { examination } => self.intact = examination == Examination::Intact,
            _ => {}
        }
    }

    /// Takes what the session wants and checks it.
    fn act(&mut self) {
        while let Some(action) = self.session.poll_action() {
            match &action {
                Action::Fetch { attempt, range } => self.begun(*attempt, *range),
                Action::Abort { attempt } => {
                    self.live.remove(&attempt.serial());
                }
                Action::Prepare { .. } => {
                    self.stored.clear();
                    self.intact = false;
                }
                Action::Sync { commit } => {
                    self.last_commit = Some(*commit);
                    self.snapshots.insert(*commit, self.stored.clone());
                }
                Action::Record { commit, slots } => self.recorded(*commit, slots),
                Action::Publish => assert!(self.intact, "published unexamined"),
                Action::Finish { .. } => self.finished = true,
                _ => {}
            }
            self.actions.push(action);
        }
    }

    fn begun(&mut self, attempt: AttemptId, range: ByteRange) {
        assert!(!range.is_empty());
        for (_, other) in self.live.values() {
            let shared = other.intersect(range).filter(|shared| !shared.is_empty());
            assert!(shared.is_none(), "{range:?} is asked for twice");
        }
        assert!(self.live.insert(attempt.serial(), (attempt, range)).is_none());
        assert!(self.live.len() <= self.parallel, "{} attempts", self.live.len());
    }

    fn recorded(&self, commit: CommitId, slots: &[SlotWrite]) {
        for slot in slots {
            if let SlotWrite::Recorded { part, .. } = slot {
                assert!(self.synced.contains(&commit), "recorded before the sync");
                let snapshot = self.snapshots.get(&commit).expect("it was begun");
                assert!(snapshot.contains(&part.get()), "recorded, but stored after the sync");
            }
        }
    }
}

/// The next part of an attempt, stored as it should be.
fn next_part(attempt: AttemptId, left: ByteRange) -> Event {
    let part = left.start() / PART;
    let end = ((part + 1) * PART).min(left.end());
    let part = PartIndex::new(u32::try_from(part).expect("a small number"));
    let bytes = end - left.start();
    Event::Stored { attempt, part, bytes, crc: u64::from(part.get()) }
}

fn identity(pick: usize) -> ObjectIdentity {
    let identity = ObjectIdentity::new(PARTS * PART).etag("\"E\"");
    match pick % 8 {
        0 => ObjectIdentity::new((PARTS - 1) * PART).etag("\"F\""),
        1 => identity,
        2 => ObjectIdentity::new(0).etag("\"E\"").crc64(0),
        _ => identity.crc64(crc()),
    }
}

/// The CRC of parts whose CRCs are their indices.
fn crc() -> u64 {
    (0..PARTS).fold(0, |crc, part| combine(crc, part, PART))
}

fn failure(pick: usize) -> Failure {
    [
        Failure::Network,
        Failure::Changed,
        Failure::Denied,
        Failure::Protocol,
        Failure::Throttled,
        Failure::Unavailable,
        Failure::NotFound,
        Failure::Unsent,
    ][pick % 8]
}

fn wait(pick: usize) -> Option<Duration> {
    pick.is_multiple_of(5).then(|| Duration::from_millis(pick as u64 * 300))
}

fn checkpoint(recorded: &[u32]) -> Checkpoint {
    let plan = PartPlan::new(ByteRange::new(0, PARTS * PART).expect("a range"), PartSize::MIN);
    let mut set = PartSet::new(plan.count());
    for part in recorded {
        set.insert(*part);
    }
    let header = Header {
        session: SessionId::new([1; 16]),
        identity: identity(7),
        plan,
        locator: Locator { kind: SourceKind::Oss, container: "bucket".into(), key: "key".into() },
        partial_name: "f.aaaaaaaaaaaaaaaa.part".into(),
        destination_hash: [0; 32],
        creator: "test".into(),
    };
    Checkpoint { header, recorded: set }
}

/// Any size, any part size, any range: a plan that covers exactly what is wanted, and a session
/// that takes any length for an answer.
pub fn part_plan(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (size, wanted) = (input.u64(), input.u64());
    let part_size = match PartSize::new(wanted) {
        Ok(part_size) => {
            assert!((PartSize::MIN..=PartSize::MAX).contains(&part_size));
            part_size
        }
        Err(error) => {
            assert_eq!(error.bytes(), wanted);
            PartSize::auto(size)
        }
    };
    let extent = match input.byte() % 3 {
        0 => ExtentRequest::Whole,
        1 => ExtentRequest::From(input.u64()),
        _ => ExtentRequest::Last(input.u64()),
    };
    let Some(range) = extent.resolve(size) else { return };
    assert!(range.end() <= size);
    let plan = PartPlan::new(range, part_size);
    assert!(plan.count() <= MAX_PARTS);
    assert_eq!(plan.extent(), range);
    let mut parts = vec![0, 1, plan.count() / 2, plan.count().saturating_sub(2)];
    parts.extend([plan.count().saturating_sub(1), input.u32() % plan.count().max(1)]);
    for part in parts.into_iter().filter(|part| *part < plan.count()) {
        let here = plan.range(PartIndex::new(part)).expect("a part of the plan");
        assert!(range.contains(here) && !here.is_empty());
        let next = plan.range(PartIndex::new(part + 1));
        assert_eq!(next.map_or_else(|| range.end(), ByteRange::start), here.end());
        assert_eq!(plan.part_at(here.start()), Some(PartIndex::new(part)));
        assert_eq!(plan.part_at(here.end() - 1), Some(PartIndex::new(part)));
    }
    let mut config = SessionConfig::new(NonZeroU32::MIN, input.u64());
    config.part_size = Some(part_size);
    config.extent = extent;
    let mut session = Session::new(config, None);
    let identity = ObjectIdentity::new(size).etag("\"E\"");
    let _ = session.handle(Moment::new(Duration::ZERO), Event::Probed { identity });
    while session.poll_action().is_some() {}
}

const PART: u64 = PartSize::MIN.bytes();
const PARTS: u64 = 9;
const MOST_EVENTS: usize = 400;
