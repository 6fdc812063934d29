//! Silence, slowness, throttling, and a full disk.

use crate::play::{PART, Play, config, fetches, stop_reason};
use ossget_core::Failure;
use ossget_core::session::{
    Action, AttemptId, DeadlineReason, Event, Piece, SessionConfig, SlotWrite, StopReason,
    StorageFault, StorageTask,
};
use std::time::Duration;

fn received(play: &mut Play, attempt: AttemptId, bytes: u64) {
    play.tell(Event::Received { attempt, bytes });
}

fn aborted(actions: &[Action]) -> Vec<AttemptId> {
    let abort = |action: &Action| match action {
        Action::Abort { attempt } => Some(*attempt),
        _ => None,
    };
    actions.iter().filter_map(abort).collect()
}

/// Runs of one part each, so that attempts live long beside each other.
fn single_parts(parallel: u32) -> SessionConfig {
    let mut config = config(parallel);
    config.request_bytes = PART;
    config
}

/// Lets time pass second by second, each live attempt receiving so many bytes a second.
fn flow(play: &mut Play, seconds: u64, rates: &[(AttemptId, u64)]) -> Vec<AttemptId> {
    let mut given_up = Vec::new();
    for _ in 0..seconds {
        for &(attempt, rate) in rates {
            received(play, attempt, rate);
        }
        given_up.extend(aborted(&play.wait(Duration::from_secs(1))));
    }
    given_up
}

#[test]
fn a_connection_far_slower_than_its_peers_is_replaced_after_thirty_seconds() {
    let (mut play, actions) = Play::fetching(single_parts(3), 3);
    let attempts: Vec<_> = fetches(&actions).into_iter().map(|(attempt, _)| attempt).collect();
    let rates = [(attempts[0], 2_000), (attempts[1], 2_000), (attempts[2], 100)];
    assert_eq!(flow(&mut play, 29, &rates), []);
    assert_eq!(flow(&mut play, 1, &rates), [attempts[2]]);
    let failure = Failure::Aborted;
    let tail = Piece { bytes: 3_000, crc: 1 };
    play.tell(Event::AttemptFailed { attempt: attempts[2], failure, tail, retry_after: None });
    let actions = play.wait(Duration::from_secs(1));
    assert_eq!(fetches(&actions)[0].1.start(), 2 * PART + 3_000, "what it delivered is kept");
}

#[test]
fn where_everything_is_slow_nothing_is_replaced() {
    let (mut play, actions) = Play::fetching(single_parts(3), 40);
    let attempts: Vec<_> = fetches(&actions).into_iter().map(|(attempt, _)| attempt).collect();
    let rates: Vec<_> = attempts.iter().map(|attempt| (*attempt, 100)).collect();
    assert_eq!(flow(&mut play, 120, &rates), []);
}

#[test]
fn a_fast_connection_is_never_replaced_however_fast_its_peers_are() {
    let (mut play, actions) = Play::fetching(config(3), 4_000);
    let attempts: Vec<_> = fetches(&actions).into_iter().map(|(attempt, _)| attempt).collect();
    let rates = [(attempts[0], 200_000), (attempts[1], 200_000), (attempts[2], 10_300)];
    assert_eq!(flow(&mut play, 100, &rates), []);
}

#[test]
fn the_last_connection_is_measured_by_those_before_it() {
    let (mut play, actions) = Play::fetching(single_parts(2), 2);
    let [(quick, range), (slow, _)] = fetches(&actions)[..] else { panic!("{actions:?}") };
    received(&mut play, slow, 0);
    play.now += Duration::from_secs(1);
    play.store(quick, range);
    assert_eq!(flow(&mut play, 28, &[(slow, 100)]), []);
    assert_eq!(flow(&mut play, 2, &[(slow, 100)]), [slow]);
}

#[test]
fn the_low_speed_rule_can_be_turned_off() {
    let mut config = single_parts(2);
    config.low_speed_bytes_per_second = 0;
    let (mut play, actions) = Play::fetching(config, 40);
    let [(quick, _), (slow, _)] = fetches(&actions)[..] else { panic!("{actions:?}") };
    assert_eq!(flow(&mut play, 50, &[(quick, 2_000), (slow, 1)]), []);
}

#[test]
fn an_attempt_without_any_answer_is_given_up_in_the_end() {
    let (mut play, actions) = Play::fetching(config(1), 4);
    let (attempt, _) = fetches(&actions)[0];
    assert_eq!(aborted(&play.wait(Duration::from_secs(119))), []);
    assert_eq!(aborted(&play.wait(Duration::from_secs(1))), [attempt]);
}

#[test]
fn a_probe_without_any_answer_is_asked_again_and_given_up_in_the_end() {
    let mut play = Play::new(config(1));
    assert_eq!(play.actions(), [Action::Probe]);
    let deadline = play.session.poll_deadline().unwrap();
    assert_eq!(deadline.reason, DeadlineReason::Stall);
    assert_eq!(play.wait(Duration::from_secs(119)), []);
    let mut probes = 0;
    let actions = loop {
        let actions = play.wait(Duration::from_secs(1));
        if actions == [Action::Probe] {
            probes += 1;
        } else if !actions.is_empty() {
            break actions;
        }
    };
    assert_eq!(stop_reason(&actions), StopReason::NoProgress(Failure::Stalled));
    assert!((4..=6).contains(&probes), "{probes}");
    assert!(play.now < Duration::from_secs(900), "{:?}", play.now);
}

#[test]
fn a_throttled_download_asks_with_fewer_connections_and_with_more_again_later() {
    let (mut play, actions) = Play::fetching(single_parts(8), 400);
    let attempts = fetches(&actions);
    assert_eq!(attempts.len(), 8);
    for (attempt, _) in &attempts {
        play.fail(*attempt, Failure::Throttled);
    }
    assert_eq!(play.session.progress().limit, 4, "halved once for all that were under way");
    let mut live = Vec::new();
    let mut limits = Vec::new();
    for _ in 0..5 {
        live.extend(fetches(&play.actions()));
        play.now += Duration::from_secs(1);
        play.tell(Event::Tick);
        limits.push(play.session.progress().limit);
        assert!(play.session.progress().live <= play.session.progress().limit);
    }
    assert_eq!(limits, [5, 6, 7, 8, 8]);
}

#[test]
fn a_lack_of_descriptors_is_charged_to_no_range() {
    let (mut play, actions) = Play::fetching(single_parts(2), 400);
    let [(good, range), (mut starved, _)] = fetches(&actions)[..] else { panic!("{actions:?}") };
    let (mut good, mut range) = (good, range);
    for _ in 0..50 {
        play.store(good, range);
        play.fail(starved, Failure::Scarce);
        let mut next = fetches(&play.actions());
        while next.len() < 2 {
            next.extend(fetches(&play.wait(Duration::from_secs(1))));
        }
        next.sort_by_key(|(attempt, _)| *attempt);
        (starved, (good, range)) = (next[0].0, next[1]);
    }
    assert_eq!(play.session.progress().attempts_failed, 50);
}

#[test]
fn a_full_disk_stops_the_run_and_what_was_stored_before_is_still_recorded() {
    let (mut play, actions) = Play::fetching(single_parts(2), 8);
    let [(first, range), (second, _)] = fetches(&actions)[..] else { panic!("{actions:?}") };
    play.store(first, range);
    let [(third, _)] = fetches(&play.actions())[..] else { panic!() };
    let (during, fault) = (StorageTask::Attempt(second), StorageFault::NoSpace);
    play.tell(Event::StorageFailed { during, fault });
    let actions = play.actions();
    assert_eq!(aborted(&actions), [third]);
    assert_eq!(fetches(&actions), []);
    play.fail(third, Failure::Aborted);
    let actions = play.actions();
    let actions = play.settle(actions);
    assert_eq!(stop_reason(&actions), StopReason::Storage);
    assert_eq!(play.recorded, [SlotWrite::Recorded { part: first.part(), crc: 0 }]);
}

#[test]
fn any_other_failure_of_a_write_records_nothing_more() {
    let (mut play, actions) = Play::fetching(single_parts(1), 8);
    let (first, range) = fetches(&actions)[0];
    play.store(first, range);
    let (second, _) = fetches(&play.actions())[0];
    let (during, fault) = (StorageTask::Attempt(second), StorageFault::Broken);
    play.tell(Event::StorageFailed { during, fault });
    assert_eq!(stop_reason(&play.actions()), StopReason::Storage);
}

#[test]
fn while_nothing_gets_through_no_other_range_is_begun() {
    let (mut play, actions) = Play::fetching(single_parts(3), 1000);
    let mut begun = fetches(&actions);
    let mut requests = begun.len();
    for _ in 0..600 {
        for (attempt, _) in std::mem::take(&mut begun) {
            play.fail(attempt, Failure::Network);
        }
        begun = fetches(&play.wait(Duration::from_millis(100)));
        requests += begun.len();
    }
    // A minute of backoff for three ranges, not one request for each of a thousand.
    assert!(requests < 100, "{requests} requests");
    assert!(begun.iter().all(|(_, range)| range.start() < 3 * PART));
    while begun.is_empty() {
        begun = fetches(&play.wait(Duration::from_millis(100)));
    }
    received(&mut play, begun[0].0, 1);
    assert!(!fetches(&play.actions()).is_empty(), "others are begun as soon as something arrives");
}

#[test]
fn a_sleep_is_not_taken_for_time_without_progress() {
    let (mut play, actions) = Play::fetching(single_parts(2), 2);
    let attempts = fetches(&actions);
    play.fail(attempts[0].0, Failure::Network);
    // The machine sleeps for an hour; the other connection does not survive it.
    play.now += Duration::from_secs(3600);
    play.fail(attempts[1].0, Failure::Network);
    let actions = play.wait(Duration::from_secs(1));
    assert_eq!(fetches(&actions).len(), 2, "{actions:?}");
}

#[test]
fn a_sleep_during_the_probe_is_not_taken_for_time_without_an_answer() {
    let mut play = Play::new(config(1));
    let failed = || Event::ProbeFailed { failure: Failure::Network, retry_after: None };
    assert_eq!(play.actions(), [Action::Probe]);
    play.tell(failed());
    play.now += Duration::from_secs(3600);
    play.tell(Event::Tick);
    assert_eq!(play.actions(), [Action::Probe]);
    play.tell(failed());
    assert_eq!(play.actions(), []);
    assert!(play.session.poll_deadline().is_some(), "it is tried again");
}

/// Plays a run in which no sync ever ends and attempts break off at `tail` bytes of their part
/// every other time; the bytes that a crash would cost at the end.
fn without_syncs(parallel: u32, request_parts: u64, tail: u64) -> u64 {
    let mut config = config(parallel);
    config.commit_bytes = 2 * PART;
    config.request_bytes = request_parts * PART;
    let (mut play, actions) = Play::fetching(config, 400);
    let mut begun = fetches(&actions);
    // The first attempt holds what it has asked for until the end.
    let (held, range) = begun.remove(0);
    for round in 0..400 {
        for (attempt, range) in std::mem::take(&mut begun) {
            let part_left = PART - range.start() % PART;
            if round % 2 == 0 && tail < part_left {
                let tail = Piece { bytes: tail, crc: 1 };
                let failure = Failure::Network;
                play.tell(Event::AttemptFailed { attempt, failure, tail, retry_after: None });
            } else {
                play.store(attempt, range);
            }
            begun.extend(fetches(&play.actions()));
        }
        begun.extend(fetches(&play.wait(Duration::from_millis(100))));
    }
    play.store(held, range);
    play.session.progress().bytes_received
}

#[test]
fn a_crash_costs_four_commit_windows_and_a_part_an_attempt_at_most() {
    for parallel in [2, 3, 8] {
        for request_parts in [1, 3, 16] {
            for tail in [1, PART / 2, PART - 1] {
                let cost = without_syncs(parallel, request_parts, tail);
                let bound = 8 * PART + u64::from(parallel) * PART;
                assert!(cost <= bound, "{parallel} {request_parts} {tail}: {cost}, not {bound}");
                assert!(cost >= 4 * PART, "{parallel} {request_parts} {tail}: only {cost}");
            }
        }
    }
}
