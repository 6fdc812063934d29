//! Fetching, failing and trying again.

use crate::play::{PART, Play, config, crc_of, fetches, finish, identity, stop_reason};
use ossget_core::session::{
    Action, CrcPolicy, DeadlineReason, Event, Examination, Handled, Integrity, OnChange, Outcome,
    Phase, Piece, PrepareMode, PreparedPartial, Remains, SlotWrite, StopReason, StorageTask,
};
use ossget_core::{ByteRange, Failure, PartIndex};
use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;

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

/// Faults: 112.
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
fn where_answers_take_long_the_rest_is_asked_for_in_even_shares() {
    let lens = |answer: Duration| {
        let (mut play, actions) = Play::fetching(config(2), 1024);
        let mut begun = fetches(&actions);
        let (mut todo, mut lens) = (VecDeque::new(), Vec::new());
        loop {
            play.now += answer;
            for &(attempt, _) in &begun {
                play.tell(Event::Received { attempt, bytes: 0 });
            }
            todo.extend(begun);
            let Some((attempt, range)) = todo.pop_front() else { return lens };
            lens.push(range.len() / PART);
            play.now += Duration::from_millis(10);
            play.store(attempt, range);
            begun = fetches(&play.actions());
        }
    };
    let at_once = lens(Duration::ZERO);
    assert_eq!(at_once[10..], [14, 11, 8, 6, 5, 3, 3, 2, 1, 1, 1, 1, 1, 1, 1]);
    // Where half a share is not worth a request: of 25 parts it would be, or of more than there are.
    for late in [1, 20].map(Duration::from_millis) {
        let late = lens(late);
        // Until it is known how long they take.
        assert_eq!(at_once[..10], late[..10]);
        // Of 59 and the 19 under way, and the rest.
        assert_eq!(late[10..], [39, 20]);
    }
}

#[test]
fn a_commit_follows_another_at_once_where_an_attempt_waits_for_it() {
    let mut config = config(2);
    config.commit_bytes = 4 * PART;
    let (mut play, actions) = Play::fetching(config, 400);
    // Four windows, and a part for each.
    let [first, second] = fetches(&actions)[..] else { panic!("{actions:?}") };
    assert_eq!(first.1.len() + second.1.len(), 18 * PART);
    play.store(first.0, ByteRange::new(0, 4 * PART).unwrap());
    let actions = play.actions();
    assert!(matches!(actions[..], [Action::Sync { .. }]), "{actions:?}");
    assert_eq!(play.settle(actions), []);
    play.store(first.0, ByteRange::new(4 * PART, first.1.end()).unwrap());
    let actions = play.actions();
    assert!(
        matches!(actions[..], [Action::Fetch { .. }]),
        "too soon, and nobody waits: {actions:?}"
    );
    play.store(second.0, second.1);
    let actions = play.actions();
    assert!(matches!(actions[..], [Action::Sync { .. }]), "{actions:?}");
    assert_eq!(fetches(&play.settle(actions)).len(), 1);
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
    // As a driver does that is never late.
    for _ in 0..19 {
        assert_eq!(play.wait(Duration::from_secs(1)), []);
    }
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
fn a_false_alarm_of_a_changed_object_costs_nothing_that_is_stored() {
    let mut config = config(2);
    config.request_bytes = PART;
    let (mut play, actions) = Play::fetching(config, 4);
    let [(first, range), (second, failing)] = fetches(&actions)[..] else { panic!() };
    play.store(first, range);
    let third = fetches(&play.actions())[0];
    play.fail(second, Failure::Changed);
    assert_eq!(play.actions(), [Action::Abort { attempt: third.0 }]);
    play.fail(third.0, Failure::Aborted);
    let [Action::Sync { commit }] = play.actions()[..] else { panic!("what is stored is kept") };
    play.tell(Event::Synced { commit });
    play.actions();
    play.tell(Event::Recorded { commit });
    assert_eq!(play.actions(), [Action::Probe]);
    assert_eq!(play.session.progress().bytes_done, PART);
    play.tell(Event::Probed { identity: identity(4 * PART) });
    let mut again: Vec<_> = fetches(&play.actions()).into_iter().map(|(_, range)| range).collect();
    again.sort();
    assert_eq!(again, [failing, third.1], "nothing is prepared anew");
}

#[test]
fn attempts_that_deliver_a_little_each_are_never_given_up() {
    let mut config = config(1);
    config.backoff = ossget_core::Backoff::new(Duration::ZERO, Duration::ZERO);
    let (mut play, actions) = Play::fetching(config, 1);
    let mut todo = fetches(&actions);
    for delivered in 1..=100 {
        let (attempt, range) = todo.pop().expect("it is tried again");
        assert_eq!(range.start(), (delivered - 1) * 1000);
        let tail = Piece { bytes: 1000, crc: 1 };
        let failure = Failure::Network;
        play.tell(Event::AttemptFailed { attempt, failure, tail, retry_after: None });
        let actions = play.actions();
        assert!(matches!(actions[0], Action::Retry { .. }), "{actions:?}");
        todo.extend(fetches(&actions));
    }
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

#[test]
fn a_part_that_the_attempt_cannot_have_written_is_not_believed() {
    let (mut play, actions) = Play::fetching(config(1), 40);
    let (attempt, range) = fetches(&actions)[0];
    assert!(range.len() >= 3 * PART && range.end() < 40 * PART, "{range:?}");
    let beyond = u32::try_from(range.end() / PART).unwrap();
    let stored = |part: u32, bytes: u64| {
        let part = PartIndex::new(part);
        Event::Stored { attempt, part, bytes, crc: u64::from(part.get()) }
    };
    // Before its first part, or behind its last one; the wrong number of bytes.
    for event in [stored(1, PART), stored(beyond, PART), stored(0, PART - 1), stored(0, 2 * PART)] {
        assert_eq!(play.offer(event.clone()), Handled::Stale, "{event:?}");
    }
    assert_eq!(play.offer(stored(0, PART)), Handled::Applied);
    // Twice, with as many bytes as one can say.
    for event in [stored(0, PART), stored(0, 0), stored(1, 2 * PART)] {
        assert_eq!(play.offer(event.clone()), Handled::Stale, "{event:?}");
    }
    assert_eq!(play.session.progress().bytes_done, PART);
}

#[test]
fn where_it_ended_is_told_to_the_last() {
    let (mut play, actions) = Play::fetching(config(1), 40);
    let (attempt, range) = fetches(&actions)[0];
    play.store(attempt, range);
    let next = fetches(&play.actions())[0].0;
    play.tell(Event::Cancel);
    assert_eq!(play.session.progress().live, 1);
    play.fail(next, Failure::Aborted);
    let actions = play.actions();
    assert_eq!(stop_reason(&play.settle(actions)), StopReason::Cancelled);
    let last = play.session.progress();
    assert_eq!((last.phase, last.live, last.bytes_done), (Phase::Finished, 0, range.len()));
}
