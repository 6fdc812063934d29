//! A session with its clock, to be told events by hand.

use ossget_core::session::{
    Action, AttemptId, Event, Handled, Moment, Outcome, Piece, PrepareMode, PreparedPartial,
    ResumeVerify, Session, SessionConfig, SlotWrite, StopReason,
};
use ossget_core::{
    ByteRange, Checkpoint, Failure, Header, Locator, ObjectIdentity, PartIndex, PartPlan, PartSet,
    PartSize, SessionId, SourceKind, combine,
};
use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;

pub(crate) const PART: u64 = 100 * 1024;

/// A session with its clock.
pub(crate) struct Play {
    pub(crate) session: Session,
    pub(crate) now: Duration,
    /// Every slot that was to be written, in order.
    pub(crate) recorded: Vec<SlotWrite>,
    events: u32,
}

/// More than any test needs: a session that does not do what a test waits for is to fail soon.
const MOST_EVENTS: u32 = 100_000;

impl Play {
    pub(crate) fn new(config: SessionConfig) -> Self {
        Self::resuming(config, None)
    }

    pub(crate) fn resuming(config: SessionConfig, resume: Option<Checkpoint>) -> Self {
        Self {
            session: Session::new(config, resume),
            now: Duration::ZERO,
            recorded: Vec::new(),
            events: 0,
        }
    }

    /// A session that has been probed and prepared for an object of `parts` whole parts.
    pub(crate) fn fetching(config: SessionConfig, parts: u64) -> (Self, Vec<Action>) {
        let mut play = Self::new(config);
        assert_eq!(play.actions(), [Action::Probe]);
        let identity = identity(parts * PART);
        play.tell(Event::Probed { identity });
        assert!(matches!(play.actions()[..], [Action::Prepare { mode: PrepareMode::Fresh, .. }]));
        play.tell(Event::Prepared { partial: PreparedPartial::Fresh });
        let actions = play.actions();
        (play, actions)
    }

    pub(crate) fn tell(&mut self, event: Event) {
        assert_eq!(self.offer(event.clone()), Handled::Applied, "{event:?}");
    }

    pub(crate) fn offer(&mut self, event: Event) -> Handled {
        self.events += 1;
        assert!(self.events < MOST_EVENTS, "this goes on for ever");
        self.session.handle(Moment::new(self.now), event)
    }

    pub(crate) fn wait(&mut self, time: Duration) -> Vec<Action> {
        self.now += time;
        self.tell(Event::Tick);
        self.actions()
    }

    pub(crate) fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.session.poll_action()).collect()
    }

    /// Reports a whole attempt as stored, part by part, each with its index as CRC.
    pub(crate) fn store(&mut self, attempt: AttemptId, range: ByteRange) {
        let mut at = range.start();
        while at < range.end() {
            let part = PartIndex::new(u32::try_from(at / PART).expect("a legal value"));
            let end = ((at / PART + 1) * PART).min(range.end());
            let crc = u64::from(part.get());
            self.tell(Event::Stored { attempt, part, bytes: end - at, crc });
            at = end;
        }
    }

    /// Answers syncs and records with success until there are none; the other actions.
    pub(crate) fn settle(&mut self, actions: Vec<Action>) -> Vec<Action> {
        let mut others = Vec::new();
        let mut open = VecDeque::from(actions);
        while let Some(action) = open.pop_front() {
            match action {
                Action::Sync { commit } => self.tell(Event::Synced { commit }),
                Action::Record { commit, ref slots } => {
                    self.recorded.extend(slots);
                    self.tell(Event::Recorded { commit });
                }
                action => others.push(action),
            }
            open.extend(self.actions());
        }
        others
    }

    pub(crate) fn fail(&mut self, attempt: AttemptId, failure: Failure) {
        let tail = Piece::default();
        self.tell(Event::AttemptFailed { attempt, failure, tail, retry_after: None });
    }
}

pub(crate) fn config(parallel: u32) -> SessionConfig {
    let mut config = SessionConfig::new(NonZeroU32::new(parallel).expect("a legal value"), 1);
    config.part_size = Some(PartSize::new(PART).expect("a legal value"));
    config
}

pub(crate) fn identity(size: u64) -> ObjectIdentity {
    ObjectIdentity::new(size).etag("\"E\"")
}

/// The CRC of parts whose CRCs are their indices.
pub(crate) fn crc_of(parts: u64) -> u64 {
    (0..parts).fold(0, |crc, part| combine(crc, part, PART))
}

pub(crate) fn fetches(actions: &[Action]) -> Vec<(AttemptId, ByteRange)> {
    let fetch = |action: &Action| match action {
        Action::Fetch { attempt, range } => Some((*attempt, *range)),
        _ => None,
    };
    actions.iter().filter_map(fetch).collect()
}

pub(crate) fn rehash(first: u32, count: u32) -> Action {
    Action::Rehash { first: PartIndex::new(first), count, verify: ResumeVerify::Full }
}

pub(crate) fn finish(actions: &[Action]) -> &Outcome {
    match actions {
        [.., Action::Finish { outcome }] => outcome,
        other => panic!("not finished: {other:?}"),
    }
}

pub(crate) fn stop_reason(actions: &[Action]) -> StopReason {
    match finish(actions) {
        Outcome::Stopped { reason, .. } => *reason,
        other => panic!("not stopped: {other:?}"),
    }
}

pub(crate) fn checkpoint(parts: u64, recorded: &[u32]) -> Checkpoint {
    let extent = ByteRange::new(0, parts * PART).expect("a legal value");
    let plan = PartPlan::new(extent, PartSize::new(PART).expect("a legal value"));
    let mut set = PartSet::new(plan.count());
    for part in recorded {
        set.insert(*part);
    }
    let header = Header {
        session: SessionId::new([1; 16]),
        identity: identity(parts * PART).crc64(crc_of(parts)),
        plan,
        locator: Locator { kind: SourceKind::Oss, container: "bucket".into(), key: "key".into() },
        partial_name: "f.aaaaaaaaaaaaaaaa.part".into(),
        destination_hash: [0; 32],
        creator: "test".into(),
    };
    Checkpoint { header, recorded: set }
}
