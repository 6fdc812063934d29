//! Silence, slowness, throttling, and a full disk.

use crate::play::{PART, Play, config, fetches, stop_reason};
use ossget_core::session::{
    Action, AttemptId, DeadlineReason, Event, Handled, Piece, SessionConfig, StopReason,
    StorageTask,
};
use ossget_core::{ByteRange, Failure};
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

/// Of three connections with so much to do that they stay, and these rates, those that are given up
/// within so many seconds.
fn given_up_of_three(seconds: u64, rates: [u64; 3]) -> Vec<usize> {
    let (mut play, actions) = Play::fetching(config(3), 4_000);
    let attempts: Vec<_> = fetches(&actions).into_iter().map(|(attempt, _)| attempt).collect();
    let rates: Vec<_> = attempts.iter().copied().zip(rates).collect();
    let given_up = flow(&mut play, seconds, &rates);
    given_up.iter().filter_map(|it| attempts.iter().position(|attempt| attempt == it)).collect()
}

#[test]
fn a_connection_ten_times_slower_than_its_peers_is_replaced_after_two_seconds() {
    assert_eq!(given_up_of_three(1, [300_000, 300_000, 14_000]), [0_usize; 0]);
    assert_eq!(given_up_of_three(2, [300_000, 300_000, 14_000]), [2]);
}

#[test]
fn one_that_is_less_slow_or_whose_peers_deliver_little_is_left_alone() {
    for rates in [[200_000, 200_000, 22_000], [120_000, 120_000, 11_000]] {
        assert_eq!(given_up_of_three(100, rates), [0_usize; 0], "{rates:?}");
    }
}

/// All but one attempt have ended, at 1 MB/s each, and nothing is left to begin.
fn last_of_many() -> (Play, AttemptId) {
    let (play, last) = last_ones_of_many(1, |_, _| ());
    (play, last[0])
}

/// The same with so many that are left. Something happens whenever another is about to end.
fn last_ones_of_many(
    left: u32,
    mut happens: impl FnMut(&mut Play, &[AttemptId]),
) -> (Play, Vec<AttemptId>) {
    let (mut play, actions) = Play::fetching(config(left + 1), 200);
    let [quick, ref last @ ..] = fetches(&actions)[..] else { panic!("{actions:?}") };
    let last: Vec<_> = last.iter().map(|(attempt, _)| *attempt).collect();
    for &slow in &last {
        received(&mut play, slow, 0);
    }
    let mut next = Some(quick);
    while let Some((quick, range)) = next {
        play.now += Duration::from_micros(range.len());
        happens(&mut play, &last);
        play.store(quick, range);
        next = fetches(&play.actions()).pop();
    }
    (play, last)
}

#[test]
fn the_last_connection_is_replaced_if_it_is_half_as_fast_as_those_before_it() {
    for (bytes, replaced) in [(240_000, true), (260_000, false)] {
        let (mut play, slow) = last_of_many();
        received(&mut play, slow, bytes);
        let aborted = aborted(&play.wait(Duration::from_millis(500)));
        assert_eq!(aborted.contains(&slow), replaced, "{bytes}");
    }
}

#[test]
fn the_last_connections_are_left_alone_if_they_are_as_fast_together_as_all_were_before() {
    for (bytes, replaced) in [([220_000, 225_000], 0), ([220_000, 210_000], 2)] {
        let mut has_slept = false;
        let (mut play, last) = last_ones_of_many(2, |play, _| {
            if !std::mem::replace(&mut has_slept, true) {
                play.tell(Event::Tick);
                play.now += Duration::from_secs(3600);
                play.tell(Event::Tick);
            }
        });
        for (&attempt, bytes) in last.iter().zip(bytes) {
            received(&mut play, attempt, bytes);
        }
        let aborted = aborted(&play.wait(Duration::from_millis(500)));
        assert_eq!(aborted.len(), replaced, "{bytes:?}");
    }
}

#[test]
fn even_so_one_that_is_ten_times_slower_than_the_others_is_replaced_after_two_seconds() {
    let (mut play, last) = last_ones_of_many(2, |_, _| ());
    let mut given_up = Vec::new();
    for _ in 0..4 {
        assert_eq!(given_up, []);
        received(&mut play, last[0], 445_000);
        received(&mut play, last[1], 20_000);
        given_up = aborted(&play.wait(Duration::from_millis(500)));
    }
    assert_eq!(given_up, [last[1]]);
}

#[test]
fn what_came_in_a_moment_before_is_no_measure_for_the_last_connections() {
    let (mut play, actions) = Play::fetching(config(3), 100);
    let [mut quick, (second, _), (third, _)] = fetches(&actions)[..] else { panic!("{actions:?}") };
    received(&mut play, second, 0);
    received(&mut play, third, 0);
    loop {
        play.now += Duration::from_millis(1);
        play.store(quick.0, quick.1);
        match fetches(&play.actions())[..] {
            [next] => quick = next,
            _ => break,
        }
    }
    for _ in 0..5 {
        received(&mut play, second, 60_000);
        received(&mut play, third, 60_000);
        assert_eq!(aborted(&play.wait(Duration::from_millis(500))), []);
    }
}

#[test]
fn the_last_connection_is_left_alone_if_it_is_nearly_done() {
    let (mut play, slow) = last_of_many();
    received(&mut play, slow, 50 * PART - 300_000);
    assert_eq!(aborted(&play.wait(Duration::from_millis(500))), []);
    received(&mut play, slow, 200_000);
    assert_eq!(aborted(&play.wait(Duration::from_millis(500))), []);
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
fn a_path_that_is_always_slow_at_first_is_given_more_time_with_each_attempt() {
    let mut config = single_parts(2);
    config.low_speed_time = Duration::from_secs(4);
    let (mut play, actions) = Play::fetching(config, 2);
    let [(quick, range), (mut slow, _)] = fetches(&actions)[..] else { panic!("{actions:?}") };
    play.now += Duration::from_millis(100);
    play.store(quick, range);
    let mut lived = Vec::new();
    for _ in 0..4 {
        let mut seconds = 0;
        while flow(&mut play, 1, &[(slow, 10)]).is_empty() {
            seconds += 1;
        }
        lived.push(seconds);
        let (failure, tail) = (Failure::Aborted, Piece { bytes: 40, crc: 1 });
        play.tell(Event::AttemptFailed { attempt: slow, failure, tail, retry_after: None });
        slow = loop {
            if let [(next, _)] = fetches(&play.wait(Duration::from_millis(100)))[..] {
                break next;
            }
        };
    }
    assert!(lived.is_sorted_by(|one, next| 2 * one <= *next), "{lived:?}");
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
    // As a driver does that is never late.
    for _ in 0..119 {
        assert_eq!(aborted(&play.wait(Duration::from_secs(1))), []);
    }
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
fn after_a_failed_write_nothing_more_is_recorded() {
    let (mut play, actions) = Play::fetching(single_parts(2), 8);
    let [(first, range), (second, _)] = fetches(&actions)[..] else { panic!("{actions:?}") };
    play.store(first, range);
    let [(third, _)] = fetches(&play.actions())[..] else { panic!() };
    play.tell(Event::StorageFailed { during: StorageTask::Attempt(second) });
    let actions = play.actions();
    assert_eq!(aborted(&actions), [third]);
    assert_eq!(fetches(&actions), []);
    play.fail(third, Failure::Aborted);
    assert_eq!(stop_reason(&play.actions()), StopReason::Storage);
}

#[test]
fn a_late_driver_hears_everything_before_it_calls_anything_silent() {
    let (mut play, actions) = Play::fetching(single_parts(2), 8);
    let [(first, _), (second, _)] = fetches(&actions)[..] else { panic!("{actions:?}") };
    received(&mut play, first, 1);
    received(&mut play, second, 1);
    play.now += Duration::from_secs(25);
    received(&mut play, first, 1);
    received(&mut play, second, 1);
    assert_eq!(aborted(&play.wait(Duration::ZERO)), []);
}

#[test]
fn the_wait_for_an_answer_is_not_taken_for_a_slow_body() {
    let mut config = single_parts(2);
    config.low_speed_time = Duration::from_secs(5);
    let (mut play, actions) = Play::fetching(config, 400);
    let [(quick, _), (late, _)] = fetches(&actions)[..] else { panic!("{actions:?}") };
    assert_eq!(flow(&mut play, 20, &[(quick, 2_000)]), []);
    assert_eq!(flow(&mut play, 4, &[(quick, 2_000), (late, 10)]), []);
    assert_eq!(flow(&mut play, 2, &[(quick, 2_000), (late, 10)]), [late]);
}

#[test]
fn a_server_that_sends_little_at_a_time_is_asked_ever_less_often_and_never_given_up() {
    let mut config = single_parts(1);
    config.retries = 3;
    let (mut play, actions) = Play::fetching(config, 1);
    let mut attempt = fetches(&actions)[0].0;
    let mut requests = 0;
    while play.now < Duration::from_secs(600) {
        let tail = Piece { bytes: 1, crc: 1 };
        let failure = Failure::Network;
        play.tell(Event::AttemptFailed { attempt, failure, tail, retry_after: None });
        attempt = loop {
            let next = fetches(&play.wait(Duration::from_millis(100)));
            if let [(next, _)] = next[..] {
                break next;
            }
        };
        requests += 1;
    }
    assert!((20..200).contains(&requests), "{requests}");
}

#[test]
fn a_server_that_breaks_the_protocol_after_every_byte_is_given_up() {
    let (mut play, actions) = Play::fetching(single_parts(1), 1);
    let mut attempt = fetches(&actions)[0].0;
    for _ in 0..2 {
        let (failure, tail) = (Failure::Protocol, Piece { bytes: 1, crc: 1 });
        play.tell(Event::AttemptFailed { attempt, failure, tail, retry_after: None });
        attempt = fetches(&play.wait(Duration::from_secs(1)))[0].0;
    }
    let (failure, tail) = (Failure::Protocol, Piece { bytes: 1, crc: 1 });
    play.tell(Event::AttemptFailed { attempt, failure, tail, retry_after: None });
    let actions = play.actions();
    assert!(matches!(stop_reason(&actions), StopReason::AttemptFailed { .. }));
}

#[test]
fn an_answer_shorter_than_asked_for_costs_no_wait() {
    let (mut play, actions) = Play::fetching(config(1), 8);
    let (attempt, range) = fetches(&actions)[0];
    assert!(range.len() > PART);
    let (failure, tail) = (Failure::Short, Piece { bytes: PART / 2, crc: 1 });
    play.tell(Event::AttemptFailed { attempt, failure, tail, retry_after: None });
    let actions = play.actions();
    let [Action::Fetch { range, .. }] = actions[..] else { panic!("{actions:?}") };
    assert_eq!(range.start(), PART / 2);
    assert_eq!(play.session.progress().attempts_failed, 0);
}

#[test]
fn what_follows_an_answer_that_ended_with_a_part_is_asked_for_like_all_the_rest() {
    let (mut play, actions) = Play::fetching(config(1), 8);
    let (attempt, range) = fetches(&actions)[0];
    play.store(attempt, ByteRange::new(0, PART).unwrap());
    play.fail(attempt, Failure::Short);
    let actions = play.actions();
    let [Action::Fetch { range: rest, .. }] = actions[..] else { panic!("{actions:?}") };
    assert_eq!((rest.start(), rest.len()), (PART, range.len() - PART));
}

#[test]
fn throttling_while_others_progress_is_charged_to_no_range() {
    let (mut play, actions) = Play::fetching(single_parts(2), 2);
    let [(long, _), (mut throttled, _)] = fetches(&actions)[..] else { panic!("{actions:?}") };
    for _ in 0..40 {
        received(&mut play, long, 1);
        play.fail(throttled, Failure::Throttled);
        throttled = loop {
            received(&mut play, long, 1);
            if let [(next, _)] = fetches(&play.wait(Duration::from_secs(1)))[..] {
                break next;
            }
        };
    }
}

#[test]
fn what_was_about_to_be_fetched_when_the_object_seemed_changed_is_fetched_later() {
    let (mut play, actions) = Play::fetching(single_parts(2), 4);
    let [(first, range), (second, _)] = fetches(&actions)[..] else { panic!("{actions:?}") };
    // The next fetch is decided on, but not yet begun, when the false alarm comes.
    play.store(first, range);
    play.fail(second, Failure::Changed);
    let mut actions = play.actions();
    let mut fetched = Vec::new();
    for _ in 0..10 {
        for action in std::mem::take(&mut actions) {
            match action {
                Action::Probe => {
                    play.tell(Event::Probed { identity: crate::play::identity(4 * PART) });
                }
                Action::Fetch { attempt, range } => {
                    fetched.push(range.start() / PART);
                    play.store(attempt, range);
                }
                Action::Sync { commit } => play.tell(Event::Synced { commit }),
                Action::Record { commit, .. } => play.tell(Event::Recorded { commit }),
                _ => {}
            }
        }
        actions = play.wait(Duration::from_secs(1));
    }
    fetched.sort_unstable();
    assert_eq!(fetched, [1, 2, 3]);
}

#[test]
fn an_attempt_that_the_driver_lets_rest_is_not_silent() {
    let (mut play, actions) = Play::fetching(config(1), 100);
    let [(attempt, _)] = fetches(&actions)[..] else { panic!("{actions:?}") };
    received(&mut play, attempt, 100);
    play.tell(Event::Resting { attempt, time: Duration::from_secs(60) });
    assert_eq!(flow(&mut play, 79, &[]), []);
    assert_eq!(flow(&mut play, 1, &[]), [attempt], "20 s after its rest");
    play.fail(attempt, Failure::Aborted);
    let event = Event::Resting { attempt, time: Duration::from_secs(1) };
    assert_eq!(play.offer(event), Handled::Stale);
}

#[test]
fn an_attempt_that_the_driver_lets_rest_is_not_slow() {
    let (mut play, actions) = Play::fetching(config(3), 4_000);
    let attempts: Vec<_> = fetches(&actions).into_iter().map(|(attempt, _)| attempt).collect();
    let rates = [(attempts[0], 300_000), (attempts[1], 300_000), (attempts[2], 1_000)];
    for _ in 0..60 {
        assert_eq!(flow(&mut play, 1, &rates), []);
        play.tell(Event::Resting { attempt: attempts[2], time: Duration::from_millis(500) });
    }
    assert_eq!(flow(&mut play, 3, &rates), [attempts[2]], "2 s after its last rest");
}

#[test]
fn an_attempt_that_rests_when_nothing_is_left_to_begin_is_measured_after_its_rest() {
    for rest in [0, 1000].map(Duration::from_millis) {
        let (mut play, last) = last_ones_of_many(1, |play, last| {
            if !rest.is_zero() {
                play.tell(Event::Resting { attempt: last[0], time: rest });
            }
        });
        let slow = last[0];
        let tick = Duration::from_millis(100);
        let ended = (1..100).find(|_| aborted(&play.wait(tick)).contains(&slow));
        assert_eq!(tick * ended.unwrap(), rest + Duration::from_millis(500));
    }
}
