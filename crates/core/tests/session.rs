//! What a session decides, one behaviour a test.

use ossget_core::session::{
    Action, AttemptId, CrcPolicy, DeadlineReason, Event, Examination, Handled, Integrity, Moment,
    OnChange, Outcome, Piece, PrepareMode, PreparedPartial, Recording, Remains, ResumePolicy,
    Session, SessionConfig, SlotWrite, StopReason, StorageTask,
};
use ossget_core::{
    ByteRange, Checkpoint, ExtentRequest, Failure, Header, Locator, ObjectIdentity, PartIndex,
    PartPlan, PartSet, PartSize, SessionId, SourceKind, combine,
};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;

const PART: u64 = 100 * 1024;

/// A session with its clock.
struct Play {
    session: Session,
    now: Duration,
}

impl Play {
    fn new(config: SessionConfig) -> Self {
        Self::resuming(config, None)
    }

    fn resuming(config: SessionConfig, resume: Option<Checkpoint>) -> Self {
        Self { session: Session::new(config, resume), now: Duration::ZERO }
    }

    /// A session that has been probed and prepared for an object of `parts` whole parts.
    fn fetching(config: SessionConfig, parts: u64) -> (Self, Vec<Action>) {
        let mut play = Self::new(config);
        assert_eq!(play.actions(), [Action::Probe]);
        let identity = identity(parts * PART);
        play.tell(Event::Probed { identity });
        assert!(matches!(play.actions()[..], [Action::Prepare { mode: PrepareMode::Fresh, .. }]));
        play.tell(Event::Prepared { partial: PreparedPartial::Fresh });
        let actions = play.actions();
        (play, actions)
    }

    fn tell(&mut self, event: Event) {
        assert_eq!(self.offer(event.clone()), Handled::Applied, "{event:?}");
    }

    fn offer(&mut self, event: Event) -> Handled {
        self.session.handle(Moment::new(self.now), event)
    }

    fn wait(&mut self, time: Duration) -> Vec<Action> {
        self.now += time;
        self.tell(Event::Tick);
        self.actions()
    }

    fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.session.poll_action()).collect()
    }

    /// Reports a whole attempt as stored, part by part, each with its index as CRC.
    fn store(&mut self, attempt: AttemptId, range: ByteRange) {
        let mut at = range.start();
        while at < range.end() {
            let part = PartIndex::new(u32::try_from(at / PART).unwrap());
            let end = ((at / PART + 1) * PART).min(range.end());
            let crc = u64::from(part.get());
            self.tell(Event::Stored { attempt, part, bytes: end - at, crc });
            at = end;
        }
    }

    fn fail(&mut self, attempt: AttemptId, failure: Failure) {
        let tail = Piece::default();
        self.tell(Event::AttemptFailed { attempt, failure, tail, retry_after: None });
    }
}

fn config(parallel: u32) -> SessionConfig {
    let mut config = SessionConfig::new(NonZeroU32::new(parallel).unwrap(), 1);
    config.part_size = Some(PartSize::new(PART).unwrap());
    config
}

fn identity(size: u64) -> ObjectIdentity {
    ObjectIdentity::new(size).etag("\"E\"")
}

/// The CRC of parts whose CRCs are their indices.
fn crc_of(parts: u64) -> u64 {
    (0..parts).fold(0, |crc, part| combine(crc, part, PART))
}

fn fetches(actions: &[Action]) -> Vec<(AttemptId, ByteRange)> {
    let fetch = |action: &Action| match action {
        Action::Fetch { attempt, range } => Some((*attempt, *range)),
        _ => None,
    };
    actions.iter().filter_map(fetch).collect()
}

fn finish(actions: &[Action]) -> &Outcome {
    match actions {
        [.., Action::Finish { outcome }] => outcome,
        other => panic!("not finished: {other:?}"),
    }
}

fn stop_reason(actions: &[Action]) -> StopReason {
    match finish(actions) {
        Outcome::Stopped { reason, .. } => *reason,
        other => panic!("not stopped: {other:?}"),
    }
}

#[test]
fn a_download_is_fetched_synced_recorded_verified_and_published_in_that_order() {
    let mut play = Play::new(config(2));
    play.actions();
    play.tell(Event::Probed { identity: identity(4 * PART).crc64(crc_of(4)) });
    play.actions();
    play.tell(Event::Prepared { partial: PreparedPartial::Fresh });
    let mut todo = fetches(&play.actions());
    while let Some((attempt, range)) = todo.pop() {
        play.tell(Event::Received { attempt, bytes: 0 });
        play.store(attempt, range);
        let actions = play.actions();
        todo.extend(fetches(&actions));
        if todo.is_empty() {
            let [Action::Sync { commit }] = actions[..] else { panic!("{actions:?}") };
            play.tell(Event::Synced { commit });
            let actions = play.actions();
            let [Action::Record { commit, slots }] = &actions[..] else { panic!("{actions:?}") };
            let mut parts: Vec<_> = slots
                .iter()
                .map(|slot| match slot {
                    SlotWrite::Recorded { part, crc } => (part.get(), *crc),
                    SlotWrite::Void { .. } => panic!("nothing was void"),
                })
                .collect();
            parts.sort_unstable();
            assert_eq!(parts, [(0, 0), (1, 1), (2, 2), (3, 3)]);
            play.tell(Event::Recorded { commit: *commit });
        }
    }
    assert_eq!(play.actions(), [Action::Verify { crc64: crc_of(4) }]);
    play.tell(Event::Verified { examination: Examination::Intact });
    assert_eq!(play.actions(), [Action::Publish]);
    play.tell(Event::Published);
    let outcome = Outcome::Done { crc64: crc_of(4), integrity: Integrity::Verified };
    assert_eq!(play.actions(), [Action::Finish { outcome }]);
    assert_eq!(play.offer(Event::Published), Handled::Stale);
}

#[test]
fn an_empty_object_needs_no_request() {
    let (mut play, actions) = Play::fetching(config(4), 0);
    assert_eq!(actions, [Action::Verify { crc64: 0 }]);
    assert_eq!(play.wait(Duration::ZERO), []);
}

#[test]
fn no_more_attempts_begin_than_allowed_and_more_when_the_limit_rises() {
    let (mut play, actions) = Play::fetching(config(3), 100);
    assert_eq!(fetches(&actions).len(), 3);
    play.tell(Event::LimitChanged { parallel: NonZeroU32::new(5).unwrap() });
    assert_eq!(fetches(&play.actions()).len(), 2);
}

#[test]
fn requests_cover_runs_of_parts_while_much_is_left_and_single_parts_at_the_end() {
    let (mut play, actions) = Play::fetching(config(2), 64);
    let mut todo = VecDeque::from(fetches(&actions));
    assert_eq!(todo[0].1.len(), 16 * PART);
    let mut lens = Vec::new();
    while let Some((attempt, range)) = todo.pop_front() {
        lens.push(range.len() / PART);
        play.store(attempt, range);
        todo.extend(fetches(&play.actions()));
    }
    assert_eq!(lens.iter().sum::<u64>(), 64);
    assert_eq!(lens.last(), Some(&1));
}

#[test]
fn a_failed_attempt_keeps_what_it_wrote_and_asks_only_for_the_rest() {
    let mut config = config(1);
    config.backoff = ossget_core::Backoff::new(Duration::ZERO, Duration::ZERO);
    let (mut play, actions) = Play::fetching(config, 4);
    let (attempt, range) = fetches(&actions)[0];
    assert_eq!(range, ByteRange::new(0, 2 * PART).unwrap());
    let part = PartIndex::new(0);
    play.tell(Event::Stored { attempt, part, bytes: PART, crc: 7 });
    let tail = Piece { bytes: 1000, crc: 5 };
    let failure = Failure::Network;
    play.tell(Event::AttemptFailed { attempt, failure, tail, retry_after: None });
    let actions = play.actions();
    let rest = ByteRange::new(PART + 1000, 2 * PART).unwrap();
    assert!(matches!(actions[0], Action::Retry { range, .. } if range == rest));
    let (again, range) = fetches(&actions)[0];
    assert_eq!(range, rest);
    assert_ne!(again, attempt);
    assert_eq!(play.session.progress().bytes_done, PART + 1000);
    assert_eq!(play.offer(Event::Received { attempt, bytes: 1 }), Handled::Stale);
}

#[test]
fn a_failure_waits_as_long_as_the_server_asks() {
    let (mut play, actions) = Play::fetching(config(1), 1);
    let (attempt, _) = fetches(&actions)[0];
    let retry_after = Some(Duration::from_secs(7));
    let tail = Piece::default();
    let failure = Failure::Throttled;
    play.tell(Event::AttemptFailed { attempt, failure, tail, retry_after });
    assert!(fetches(&play.actions()).is_empty());
    let deadline = play.session.poll_deadline().unwrap();
    assert_eq!(deadline.reason, DeadlineReason::Retry);
    assert_eq!(deadline.at.since_origin(), Duration::from_secs(7));
    assert!(fetches(&play.wait(Duration::from_secs(6))).is_empty());
    assert_eq!(fetches(&play.wait(Duration::from_secs(1))).len(), 1);
}

#[test]
fn a_silent_body_is_aborted_and_its_range_tried_again() {
    let (mut play, actions) = Play::fetching(config(1), 1);
    let (attempt, _) = fetches(&actions)[0];
    assert_eq!(play.wait(Duration::from_secs(60)), [], "before the head nothing is silent");
    play.tell(Event::Received { attempt, bytes: 10 });
    assert_eq!(play.wait(Duration::from_secs(19)), []);
    assert_eq!(play.wait(Duration::from_secs(1)), [Action::Abort { attempt }]);
    assert_eq!(play.wait(Duration::from_secs(30)), [], "it is told once");
    play.fail(attempt, Failure::Aborted);
    let actions = play.wait(Duration::from_secs(20));
    assert!(matches!(actions[0], Action::Retry { failure: Failure::Stalled, .. }));
    assert_eq!(fetches(&actions).len(), 1);
}

#[test]
fn a_range_that_fails_while_others_progress_is_given_up_after_its_retries() {
    let mut config = config(2);
    config.retries = 3;
    config.backoff = ossget_core::Backoff::new(Duration::ZERO, Duration::ZERO);
    config.request_bytes = PART;
    let (mut play, actions) = Play::fetching(config, 200);
    let mut todo = fetches(&actions);
    let bad = todo[0].0.part();
    for failed in 1.. {
        // Something else progresses meanwhile.
        let other = todo.iter().position(|(attempt, _)| attempt.part() != bad).unwrap();
        let (other, range) = todo.swap_remove(other);
        play.store(other, range);
        todo.extend(fetches(&play.actions()));
        let at = todo.iter().position(|(attempt, _)| attempt.part() == bad).unwrap();
        play.fail(todo.swap_remove(at).0, Failure::Network);
        let actions = play.actions();
        todo.extend(fetches(&actions));
        if actions.iter().any(|action| matches!(action, Action::Abort { .. })) {
            assert_eq!(failed, 4, "the first attempt and three more");
            break;
        }
    }
}

#[test]
fn failures_while_nothing_moves_are_borne_until_the_time_is_up() {
    let (mut play, actions) = Play::fetching(config(1), 1);
    let mut todo = fetches(&actions);
    let mut attempts = 0;
    let actions = loop {
        if let Some((attempt, _)) = todo.pop() {
            attempts += 1;
            play.fail(attempt, Failure::Network);
        }
        let at = play.session.poll_deadline().map(|d| d.at.since_origin());
        let actions = play.actions();
        if actions.iter().any(|a| matches!(a, Action::Finish { .. })) {
            break actions;
        }
        let wait = at.expect("law 5").saturating_sub(play.now);
        let actions = play.wait(wait);
        todo.extend(fetches(&actions));
        if actions.iter().any(|a| matches!(a, Action::Finish { .. })) {
            break actions;
        }
    };
    assert_eq!(stop_reason(&actions), StopReason::NoProgress(Failure::Network));
    assert!((600..=601).contains(&play.now.as_secs()), "{:?}", play.now);
    assert!((30..300).contains(&attempts), "{attempts} attempts in ten minutes");
}

#[test]
fn a_server_that_keeps_breaking_the_protocol_is_given_up() {
    let (mut play, actions) = Play::fetching(config(1), 1);
    let mut todo = fetches(&actions);
    for _ in 0..2 {
        play.fail(todo.pop().unwrap().0, Failure::Protocol);
        todo.extend(fetches(&play.wait(Duration::from_secs(20))));
    }
    let (attempt, _) = todo.pop().unwrap();
    play.fail(attempt, Failure::Protocol);
    let failure = Failure::Protocol;
    assert_eq!(stop_reason(&play.actions()), StopReason::AttemptFailed { attempt, failure });
}

#[test]
fn a_denied_range_stops_at_once_and_what_is_stored_is_recorded_first() {
    let (mut play, actions) = Play::fetching(config(2), 4);
    let [(first, range), (second, _)] = fetches(&actions)[..] else { panic!() };
    play.store(first, range);
    let more = fetches(&play.actions());
    play.fail(second, Failure::Denied);
    let actions = play.actions();
    let (third, _) = more[0];
    assert!(actions.contains(&Action::Abort { attempt: third }), "{actions:?}");
    play.fail(third, Failure::Aborted);
    let actions = play.actions();
    let [Action::Sync { commit }] = actions[..] else { panic!("{actions:?}") };
    play.tell(Event::Synced { commit });
    assert!(matches!(&play.actions()[..], [Action::Record { slots, .. }] if slots.len() == 1));
    play.tell(Event::Recorded { commit });
    let actions = play.actions();
    let failure = Failure::Denied;
    assert_eq!(stop_reason(&actions), StopReason::AttemptFailed { attempt: second, failure });
    assert!(matches!(finish(&actions), Outcome::Stopped { remains: Remains::Keep, .. }));
}

#[test]
fn a_changed_object_starts_over_once_and_then_stops() {
    let (mut play, actions) = Play::fetching(config(1), 1);
    play.fail(fetches(&actions)[0].0, Failure::Changed);
    assert_eq!(play.actions(), [Action::Probe]);
    play.tell(Event::Probed { identity: identity(PART).etag("\"F\"") });
    assert!(matches!(play.actions()[..], [Action::Prepare { mode: PrepareMode::Fresh, .. }]));
    play.tell(Event::Prepared { partial: PreparedPartial::Fresh });
    let actions = play.actions();
    play.fail(fetches(&actions)[0].0, Failure::Changed);
    assert_eq!(stop_reason(&play.actions()), StopReason::Changed(None));
}

#[test]
fn a_changed_object_stops_at_once_if_so_wished() {
    let mut config = config(1);
    config.on_change = OnChange::Fail;
    let (mut play, actions) = Play::fetching(config, 1);
    play.fail(fetches(&actions)[0].0, Failure::Changed);
    assert_eq!(stop_reason(&play.actions()), StopReason::Changed(None));
}

#[test]
fn a_wrong_crc_publishes_nothing_and_keeps_nothing() {
    let mut play = Play::new(config(1));
    play.actions();
    play.tell(Event::Probed { identity: identity(PART).crc64(99) });
    play.actions();
    play.tell(Event::Prepared { partial: PreparedPartial::Fresh });
    let (attempt, range) = fetches(&play.actions())[0];
    play.store(attempt, range);
    let [Action::Sync { commit }] = play.actions()[..] else { panic!() };
    play.tell(Event::Synced { commit });
    play.actions();
    play.tell(Event::Recorded { commit });
    let outcome = Outcome::Stopped {
        reason: StopReason::CrcMismatch { expected: 99, found: 0 },
        remains: Remains::Discard,
    };
    assert_eq!(play.actions(), [Action::Finish { outcome }]);
}

#[test]
fn a_missing_crc_is_flagged_or_refused() {
    let (mut play, _) = Play::fetching(config(1), 0);
    play.wait(Duration::ZERO);
    play.tell(Event::Verified { examination: Examination::Intact });
    play.actions();
    play.tell(Event::Published);
    let integrity = Integrity::UnverifiedByServer;
    assert_eq!(finish(&play.actions()), &Outcome::Done { crc64: 0, integrity });

    let mut config = config(1);
    config.crc = CrcPolicy::Require;
    let mut play = Play::new(config);
    play.actions();
    play.tell(Event::Probed { identity: identity(PART) });
    assert_eq!(stop_reason(&play.actions()), StopReason::NoCrc);
}

#[test]
fn a_failed_sync_poisons_the_run_and_nothing_is_recorded() {
    let (mut play, actions) = Play::fetching(config(1), 2);
    let (attempt, range) = fetches(&actions)[0];
    play.store(attempt, range);
    let actions = play.wait(Duration::from_secs(1));
    let commit = actions
        .iter()
        .find_map(|a| if let Action::Sync { commit } = a { Some(*commit) } else { None })
        .unwrap();
    let mut live = play.actions();
    live.extend(actions);
    play.tell(Event::StorageFailed { during: StorageTask::Commit(commit) });
    let mut actions = play.actions();
    if let Some((attempt, _)) = fetches(&live).first() {
        let _ = play.offer(Event::AttemptFailed {
            attempt: *attempt,
            failure: Failure::Aborted,
            tail: Piece::default(),
            retry_after: None,
        });
        actions.extend(play.actions());
    }
    assert!(!actions.iter().any(|a| matches!(a, Action::Record { .. } | Action::Sync { .. })));
    assert_eq!(play.offer(Event::Synced { commit }), Handled::Stale);
}

#[test]
fn stored_parts_are_recorded_after_a_second_at_the_latest_or_enough_bytes() {
    let mut config = config(1);
    config.commit_bytes = 3 * PART;
    config.request_bytes = PART;
    let (mut play, actions) = Play::fetching(config, 100);
    let (attempt, range) = fetches(&actions)[0];
    play.store(attempt, range);
    let (attempt, range) = fetches(&play.actions())[0];
    let deadline = play.session.poll_deadline().unwrap();
    assert_eq!(
        (deadline.reason, deadline.at.since_origin().as_secs()),
        (DeadlineReason::Commit, 1)
    );
    play.store(attempt, range);
    let (attempt, range) = fetches(&play.actions())[0];
    play.store(attempt, range);
    let actions = play.actions();
    assert!(actions.iter().any(|a| matches!(a, Action::Sync { .. })), "{actions:?}");
}

#[test]
fn a_disk_that_does_not_keep_up_stops_new_requests() {
    let mut config = config(4);
    config.commit_bytes = 2 * PART;
    config.request_bytes = PART;
    let (mut play, actions) = Play::fetching(config, 100);
    let mut todo = fetches(&actions);
    let mut stored = 0;
    while let Some((attempt, range)) = todo.pop() {
        play.store(attempt, range);
        stored += 1;
        todo.extend(fetches(&play.actions()));
    }
    assert!((8..=12).contains(&stored), "{stored} parts without one sync having ended");
}

fn checkpoint(parts: u64, recorded: &[u32]) -> Checkpoint {
    let extent = ByteRange::new(0, parts * PART).unwrap();
    let plan = PartPlan::new(extent, PartSize::new(PART).unwrap());
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

#[test]
fn kept_parts_count_only_when_read_back_and_damaged_ones_are_fetched_again() {
    let mut config = config(1);
    config.part_size = Some(PartSize::new(2 * PART).unwrap());
    let mut play = Play::resuming(config, Some(checkpoint(4, &[0, 1, 3])));
    play.actions();
    play.tell(Event::Probed { identity: identity(4 * PART).crc64(crc_of(4)) });
    let actions = play.actions();
    let [Action::Prepare { plan, mode: PrepareMode::Resume, .. }] = &actions[..] else {
        panic!("{actions:?}")
    };
    assert_eq!(plan.part_size(), PART, "the checkpoint's part size wins");
    play.tell(Event::Prepared { partial: PreparedPartial::Resumed });
    let actions = play.actions();
    assert_eq!(fetches(&actions)[0].1, ByteRange::new(2 * PART, 3 * PART).unwrap());
    assert!(actions.contains(&Action::Rehash { first: PartIndex::new(0), count: 2 }));
    assert_eq!(play.session.progress().bytes_done, 0);
    assert_eq!(play.session.progress().bytes_unchecked, 3 * PART);
    play.tell(Event::Rehashed { part: PartIndex::new(0), recorded: 0, found: Some(0) });
    assert_eq!(play.session.progress().bytes_kept, PART);
    play.tell(Event::Rehashed { part: PartIndex::new(1), recorded: 1, found: Some(2) });
    let again = PartIndex::new(1);
    assert_eq!(
        play.offer(Event::Rehashed { part: again, recorded: 1, found: Some(1) }),
        Handled::Stale
    );
    assert_eq!(play.actions(), [Action::Rehash { first: PartIndex::new(3), count: 1 }]);
    play.tell(Event::Rehashed { part: PartIndex::new(3), recorded: 3, found: None });
    let (attempt, range) = fetches(&actions)[0];
    play.store(attempt, range);
    assert_eq!(fetches(&play.actions())[0].1, ByteRange::new(PART, 2 * PART).unwrap());
}

#[test]
fn an_object_that_changed_between_runs_starts_over_or_stops() {
    for (on_change, resume, reason) in [
        (OnChange::Restart, ResumePolicy::Auto, None),
        (OnChange::Fail, ResumePolicy::Auto, Some(())),
        (OnChange::Restart, ResumePolicy::Require, Some(())),
    ] {
        let mut config = config(1);
        (config.on_change, config.resume) = (on_change, resume);
        let mut play = Play::resuming(config, Some(checkpoint(4, &[0])));
        play.actions();
        play.tell(Event::Probed { identity: identity(4 * PART).etag("\"F\"") });
        let actions = play.actions();
        match reason {
            None => {
                let mode = PrepareMode::Fresh;
                assert!(matches!(actions[..], [Action::Prepare { mode: m, .. }] if m == mode));
            }
            Some(()) => assert!(matches!(stop_reason(&actions), StopReason::Changed(Some(_)))),
        }
    }
}

#[test]
fn requiring_something_to_resume_stops_where_there_is_nothing() {
    let mut config = config(1);
    config.resume = ResumePolicy::Require;
    let mut play = Play::new(config.clone());
    play.actions();
    play.tell(Event::Probed { identity: identity(PART) });
    assert_eq!(stop_reason(&play.actions()), StopReason::NothingToResume);
    let mut play = Play::resuming(config, Some(checkpoint(4, &[0])));
    play.actions();
    play.tell(Event::Probed { identity: identity(4 * PART).crc64(crc_of(4)) });
    play.actions();
    play.tell(Event::Prepared { partial: PreparedPartial::Absent });
    assert_eq!(stop_reason(&play.actions()), StopReason::NothingToResume);
}

#[test]
fn a_slice_is_fetched_alone_and_its_integrity_is_not_claimed() {
    let mut config = config(1);
    config.extent = ExtentRequest::Slice(ByteRange::new(10, 20).unwrap());
    let mut play = Play::new(config.clone());
    play.actions();
    play.tell(Event::Probed { identity: identity(PART).crc64(1) });
    play.actions();
    play.tell(Event::Prepared { partial: PreparedPartial::Fresh });
    let (attempt, range) = fetches(&play.actions())[0];
    assert_eq!(range, ByteRange::new(10, 20).unwrap());
    play.tell(Event::Stored { attempt, part: PartIndex::new(0), bytes: 10, crc: 5 });
    let [Action::Sync { commit }] = play.actions()[..] else { panic!() };
    play.tell(Event::Synced { commit });
    play.actions();
    play.tell(Event::Recorded { commit });
    assert_eq!(play.actions(), [Action::Verify { crc64: 5 }]);
    play.tell(Event::Verified { examination: Examination::Intact });
    play.tell(Event::Published);
    let integrity = Integrity::RangeUnverified;
    assert_eq!(finish(&play.actions()), &Outcome::Done { crc64: 5, integrity });

    config.extent = ExtentRequest::From(PART);
    let mut play = Play::new(config);
    play.actions();
    play.tell(Event::Probed { identity: identity(PART) });
    assert_eq!(stop_reason(&play.actions()), StopReason::RangeBeyondEnd { size: PART });
}

#[test]
fn without_recording_nothing_is_synced_before_the_end() {
    let mut config = config(1);
    config.recording = Recording::Off;
    let (mut play, actions) = Play::fetching(config, 1);
    let (attempt, range) = fetches(&actions)[0];
    play.store(attempt, range);
    assert_eq!(play.actions(), [Action::Verify { crc64: 0 }]);
}

#[test]
fn cancelling_is_possible_in_every_phase_before_verifying() {
    let mut play = Play::new(config(1));
    play.actions();
    play.tell(Event::Cancel);
    assert_eq!(stop_reason(&play.actions()), StopReason::Cancelled);

    let mut play = Play::new(config(1));
    play.actions();
    play.tell(Event::Probed { identity: identity(PART) });
    play.actions();
    play.tell(Event::Cancel);
    assert_eq!(play.actions(), [], "preparing is waited for");
    play.tell(Event::Prepared { partial: PreparedPartial::Fresh });
    assert_eq!(stop_reason(&play.actions()), StopReason::Cancelled);

    let (mut play, actions) = Play::fetching(config(1), 1);
    let (attempt, _) = fetches(&actions)[0];
    play.tell(Event::Cancel);
    assert_eq!(play.actions(), [Action::Abort { attempt }]);
    play.fail(attempt, Failure::Aborted);
    assert_eq!(stop_reason(&play.actions()), StopReason::Cancelled);
}

#[test]
fn a_probe_is_tried_again_unless_trying_cannot_help() {
    let mut play = Play::new(config(1));
    play.actions();
    play.tell(Event::ProbeFailed { failure: Failure::Unavailable, retry_after: None });
    assert_eq!(play.session.poll_deadline().unwrap().reason, DeadlineReason::Retry);
    assert_eq!(play.wait(Duration::from_secs(20)), [Action::Probe]);
    play.tell(Event::ProbeFailed { failure: Failure::NotFound, retry_after: None });
    assert_eq!(stop_reason(&play.actions()), StopReason::ProbeFailed(Failure::NotFound));
}

/// Any event that a confused driver could send.
fn any_event() -> impl Strategy<Value = u64> {
    any::<u64>()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Laws 1 and 5: whatever is reported, in whatever order, the session neither panics nor
    /// hangs, and the same reports give the same actions.
    #[test]
    fn any_sequence_of_events_is_safe_and_repeatable(
        seeds in prop::collection::vec(any_event(), 0..200),
    ) {
        prop_assert_eq!(soup(&seeds), soup(&seeds));
    }
}

/// Feeds events made from numbers and from earlier actions; returns what the session did.
fn soup(seeds: &[u64]) -> Vec<Action> {
    let mut play = Play::resuming(config(3), Some(checkpoint(9, &[1, 2, 5])));
    let mut done: Vec<Action> = play.actions();
    for seed in seeds {
        let pick = |n: u64| (seed >> 8) % n.max(1);
        let old = fetches(&done);
        let attempt = old.get(usize::try_from(pick(old.len() as u64)).unwrap());
        let commit = done.iter().rev().find_map(|action| match action {
            Action::Sync { commit } | Action::Record { commit, .. } => Some(*commit),
            _ => None,
        });
        let part = PartIndex::new(u32::try_from(pick(11)).unwrap());
        let event = match (seed % 16, attempt, commit) {
            (0 | 1, ..) => Event::Probed { identity: identity(9 * PART).crc64(crc_of(9)) },
            (2, ..) => Event::ProbeFailed { failure: Failure::Network, retry_after: None },
            (3 | 4, ..) => Event::Prepared {
                partial: [
                    PreparedPartial::Resumed,
                    PreparedPartial::Fresh,
                    PreparedPartial::Absent,
                ][usize::try_from(pick(3)).unwrap()],
            },
            (5, Some((attempt, _)), _) => Event::Received { attempt: *attempt, bytes: pick(PART) },
            (6..=8, Some((attempt, range)), _) => {
                let part = PartIndex::new(u32::try_from(range.start() / PART).unwrap());
                Event::Stored { attempt: *attempt, part, bytes: PART, crc: u64::from(part.get()) }
            }
            (9, Some((attempt, _)), _) => Event::AttemptFailed {
                attempt: *attempt,
                failure: [Failure::Network, Failure::Changed, Failure::Denied, Failure::Protocol]
                    [usize::try_from(pick(4)).unwrap()],
                tail: Piece { bytes: pick(2 * PART), crc: *seed },
                retry_after: Some(Duration::from_millis(pick(90_000))),
            },
            (10, _, Some(commit)) => Event::Synced { commit },
            (11, _, Some(commit)) => Event::Recorded { commit },
            (12, ..) => Event::Rehashed { part, recorded: 1, found: Some(pick(2)) },
            (13, _, Some(commit)) => Event::StorageFailed { during: StorageTask::Commit(commit) },
            (14, ..) => Event::Verified { examination: Examination::Intact },
            _ => Event::Tick,
        };
        play.now += Duration::from_millis(pick(30_000));
        let _ = play.offer(event);
        let actions = play.actions();
        let finished = actions.iter().any(|action| matches!(action, Action::Finish { .. }));
        done.extend(actions);
        let progress = play.session.progress();
        assert!(progress.bytes_total.is_none_or(|total| progress.bytes_done <= total));
        if finished {
            break;
        }
    }
    done
}
