//! What a session must not be led astray by: answers that leave things out, false alarms, slow
//! disks, reports that come before an order was carried out.

use crate::play::{PART, Play, checkpoint, config, fetches, identity, rehash, stop_reason};
use ossget_core::session::{
    Action, AttemptId, Event, Piece, PreparedPartial, SessionConfig, StopReason, StorageTask,
};
use ossget_core::{Failure, PartIndex};
use std::time::Duration;

fn single_parts(parallel: u32) -> SessionConfig {
    let mut config = config(parallel);
    config.request_bytes = PART;
    config
}

fn aborts(actions: &[Action]) -> usize {
    actions.iter().filter(|action| matches!(action, Action::Abort { .. })).count()
}

#[test]
fn a_crc_that_an_earlier_run_was_told_is_compared_though_the_server_leaves_it_out_now() {
    let mut play = Play::resuming(config(1), Some(checkpoint(2, &[0])));
    play.actions();
    play.tell(Event::Probed { identity: identity(2 * PART) });
    play.actions();
    play.tell(Event::Prepared { partial: PreparedPartial::Resumed });
    let actions = play.actions();
    assert!(actions.contains(&rehash(0, 1)));
    // It reads as it was recorded, but what was recorded had come wrong.
    play.tell(Event::Rehashed { part: PartIndex::new(0), recorded: 7, found: Some(7) });
    let (attempt, range) = fetches(&actions)[0];
    play.store(attempt, range);
    let actions = play.actions();
    let actions = play.settle(actions);
    assert!(matches!(actions[..], [Action::Doubt { .. }, ..]), "{actions:?}");
}

/// A false alarm: the object is still the same. What follows it.
fn alarm(play: &mut Play, failing: AttemptId, others: &[AttemptId]) -> Vec<Action> {
    play.fail(failing, Failure::Changed);
    let mut actions = play.actions();
    for other in others {
        play.fail(*other, Failure::Aborted);
        actions.extend(play.actions());
    }
    let actions = play.settle(actions);
    assert_eq!(actions.last(), Some(&Action::Probe), "{actions:?}");
    play.tell(Event::Probed { identity: identity(8 * PART) });
    play.actions()
}

#[test]
fn false_alarms_are_looked_into_as_long_as_something_comes_between_them() {
    let (mut play, actions) = Play::fetching(single_parts(1), 8);
    let mut next = fetches(&actions)[0];
    for _ in 0..3 {
        play.store(next.0, next.1);
        next = fetches(&play.actions())[0];
        let actions = alarm(&mut play, next.0, &[]);
        next = fetches(&actions)[0];
        assert_eq!(play.session.progress().restarts, 0);
    }
    play.fail(next.0, Failure::Changed);
    let actions = play.actions();
    let actions = play.settle(actions);
    assert_eq!(stop_reason(&actions), StopReason::Changed(None), "nothing came since");
}

#[test]
fn a_path_that_delivers_enough_but_slowly_is_given_more_time_with_each_attempt() {
    let mut config = single_parts(2);
    config.low_speed_time = Duration::from_secs(1);
    config.low_speed_bytes_per_second = 50_000;
    let (mut play, actions) = Play::fetching(config, 400);
    let [(mut quick, mut range), (mut slow, _)] = fetches(&actions)[..] else { panic!() };
    let mut lived = Vec::new();
    // Each attempt delivers as much as more than one round trip brings.
    for rate in [17_000, 8_500, 4_250] {
        let mut seconds = 0;
        let mut actions = Vec::new();
        while aborts(&actions) == 0 && seconds < 40 {
            play.tell(Event::Received { attempt: slow, bytes: rate });
            for _ in 0..2 {
                play.store(quick, range);
                (quick, range) = fetches(&play.actions())[0];
            }
            actions = play.wait(Duration::from_secs(1));
            seconds += 1;
        }
        lived.push(seconds);
        let (failure, tail) = (Failure::Aborted, Piece { bytes: rate * seconds, crc: 1 });
        play.tell(Event::AttemptFailed { attempt: slow, failure, tail, retry_after: None });
        slow = 'again: loop {
            for (next, range) in fetches(&play.wait(Duration::from_millis(100))) {
                if next.part() == slow.part() {
                    break 'again next;
                }
                // Began while it waited to be tried again.
                play.store(next, range);
            }
        };
    }
    assert_eq!(lived, [1, 2, 4]);
}

#[test]
fn a_disk_that_is_waited_for_is_not_taken_for_a_network_that_does_not_move() {
    let mut config = single_parts(2);
    config.commit_bytes = 2 * PART;
    config.retry_max_time = Duration::from_secs(60);
    let (mut play, actions) = Play::fetching(config, 100);
    let mut todo = fetches(&actions);
    let (failing, _) = todo.remove(0);
    let mut sync = None;
    let mut failing = Some(failing);
    while let Some((attempt, range)) = todo.pop() {
        play.store(attempt, range);
        let actions = play.actions();
        for action in &actions {
            if let Action::Sync { commit } = action {
                sync.get_or_insert(*commit);
            }
        }
        todo.extend(fetches(&actions));
        if let Some(attempt) = failing.take_if(|_| sync.is_some()) {
            play.fail(attempt, Failure::Network);
        }
    }
    let commit = sync.expect("enough is stored");
    for _ in 0..10 {
        let actions = play.wait(Duration::from_secs(30));
        assert_eq!(actions, [], "the sync runs, and there is no room for anything else");
        let deadline = play.session.poll_deadline();
        assert!(deadline.is_none_or(|it| it.at.since_origin() > play.now), "{deadline:?}");
    }
    play.tell(Event::Synced { commit });
    let actions = play.actions();
    let actions = play.settle(actions);
    assert!(!fetches(&actions).is_empty(), "{actions:?}");
}

#[test]
fn an_order_to_record_is_taken_back_when_a_write_fails_before_it_is_carried_out() {
    let (mut play, actions) = Play::fetching(single_parts(2), 3);
    let [(first, range), (second, _)] = fetches(&actions)[..] else { panic!("{actions:?}") };
    play.store(first, range);
    let third = fetches(&play.actions())[0].0;
    let actions = play.wait(Duration::from_secs(1));
    let [Action::Sync { commit }] = actions[..] else { panic!("{actions:?}") };
    play.tell(Event::Synced { commit });
    play.tell(Event::StorageFailed { during: StorageTask::Attempt(second) });
    let actions = play.actions();
    assert!(!actions.iter().any(|it| matches!(it, Action::Record { .. })), "{actions:?}");
    play.fail(third, Failure::Aborted);
    assert_eq!(stop_reason(&play.actions()), StopReason::Storage);
}

#[test]
fn attempts_are_not_called_silent_for_a_time_in_which_nobody_listened() {
    let (mut play, actions) = Play::fetching(single_parts(2), 4);
    for (attempt, _) in fetches(&actions) {
        play.tell(Event::Received { attempt, bytes: 100 });
    }
    assert_eq!(aborts(&play.wait(Duration::from_secs(100))), 0);
    // As a driver does that is never late.
    for _ in 0..19 {
        assert_eq!(aborts(&play.wait(Duration::from_secs(1))), 0);
    }
    assert_eq!(aborts(&play.wait(Duration::from_secs(1))), 2, "but for what they did since");
}
