//! Resuming, slices, cancelling.

use crate::play::{
    PART, Play, checkpoint, config, crc_of, fetches, finish, identity, rehash, stop_reason,
};
use ossget_core::session::{
    Action, CrcPolicy, DeadlineReason, Event, Examination, Handled, Integrity, OnChange, Outcome,
    PrepareMode, PreparedPartial, Recording, ResumePolicy, SlotWrite, StopReason,
};
use ossget_core::{ByteRange, ExtentRequest, Failure, ObjectIdentity, PartIndex, PartSize};
use std::time::Duration;

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
    assert!(actions.contains(&rehash(0, 2)));
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
    assert_eq!(play.actions(), [rehash(3, 1)]);
    play.tell(Event::Rehashed { part: PartIndex::new(3), recorded: 3, found: None });
    let (attempt, range) = fetches(&actions)[0];
    play.store(attempt, range);
    let actions = play.actions();
    assert_eq!(fetches(&actions), [], "their slots still vouch for what would be overwritten");
    let actions = play.settle(actions);
    let voids = [1, 3].map(|part| SlotWrite::Void { part: PartIndex::new(part) });
    assert_eq!(play.recorded[..2], voids);
    assert_eq!(fetches(&actions)[0].1, ByteRange::new(PART, 2 * PART).unwrap());
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
fn requiring_a_crc_refuses_a_slice_which_no_server_value_covers() {
    let mut config = config(1);
    config.crc = CrcPolicy::Require;
    config.extent = ExtentRequest::Slice(ByteRange::new(10, 20).unwrap());
    let mut play = Play::new(config);
    play.actions();
    play.tell(Event::Probed { identity: identity(PART).crc64(1) });
    assert_eq!(stop_reason(&play.actions()), StopReason::NoCrc);
}

#[test]
fn an_object_that_nothing_identifies_is_not_resumed() {
    let mut nameless = checkpoint(4, &[0]);
    nameless.header.identity = ObjectIdentity::new(4 * PART);
    let mut play = Play::resuming(config(1), Some(nameless));
    play.actions();
    play.tell(Event::Probed { identity: ObjectIdentity::new(4 * PART) });
    assert!(matches!(play.actions()[..], [Action::Prepare { mode: PrepareMode::Fresh, .. }]));
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
