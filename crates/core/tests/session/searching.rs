//! How many attempts are worth having.

use crate::play::{Play, config, fetches};
use ossget_core::Failure;
use ossget_core::session::{AttemptId, Event, SessionConfig};
use std::num::NonZeroU32;
use std::time::Duration;

fn searching() -> SessionConfig {
    let mut config = config(32);
    config.parallel_at_first = NonZeroU32::new(8);
    // Ranges that no attempt comes to the end of.
    config.commit_bytes = 64 << 30;
    config.request_bytes = 8 << 30;
    config
}

/// Lets some tenths of a second pass in which all that are live receive `rate` bytes a second
/// together. As a driver does, it comes back when the session wants it to.
fn flow(play: &mut Play, live: &mut Vec<AttemptId>, tenths: u32, rate: impl Fn(u64) -> u64) {
    flow_on(play, live, 10 * tenths, rate);
}

/// The same for some hundredths of a second.
fn flow_on(play: &mut Play, live: &mut Vec<AttemptId>, hundredths: u32, rate: impl Fn(u64) -> u64) {
    for _ in 0..hundredths {
        let attempts = live.len() as u64;
        for &attempt in &*live {
            play.tell(Event::Received { attempt, bytes: rate(attempts) / attempts / 100 });
        }
        let end = play.now + Duration::from_millis(10);
        while play.now < end {
            for (attempt, _) in fetches(&play.actions()) {
                // It is answered at once.
                play.tell(Event::Received { attempt, bytes: 0 });
                live.push(attempt);
            }
            let due = play.session.poll_deadline().map(|deadline| deadline.at.since_origin());
            assert!(due.is_none_or(|due| due > play.now), "the driver would never rest: {due:?}");
            play.now = due.map_or(end, |due| due.min(end));
            play.tell(Event::Tick);
        }
    }
}

/// Begins a long download.
fn begun() -> (Play, Vec<AttemptId>) {
    let (play, actions) = Play::fetching(searching(), 4_000_000);
    (play, fetches(&actions).into_iter().map(|(attempt, _)| attempt).collect())
}

#[test]
fn more_attempts_are_begun_as_long_as_they_bring_more() {
    let (mut play, mut live) = begun();
    assert_eq!(live.len(), 8);
    flow(&mut play, &mut live, 12, |attempts| attempts * 20_000_000);
    assert_eq!((live.len(), play.session.progress().limit), (32, 32));
}

#[test]
fn where_the_first_answers_take_long_and_much_comes_more_are_begun_without_a_trial() {
    for (wait, rate, begun_at_once) in
        [(25, 1_000_000_000, 16), (15, 1_000_000_000, 8), (25, 10_000_000, 8)]
    {
        let (mut play, mut live) = begun();
        play.now += Duration::from_millis(wait);
        for &attempt in &live {
            play.tell(Event::Received { attempt, bytes: 0 });
        }
        flow_on(&mut play, &mut live, 4, |_| rate);
        assert_eq!(live.len(), begun_at_once, "after {wait} ms, {rate} bytes a second");
    }
}

#[test]
fn attempts_that_bring_nothing_are_not_begun_again() {
    let (mut play, mut live) = begun();
    flow(&mut play, &mut live, 12, |_| 1_000_000_000);
    // What runs is not ended for it.
    assert_eq!(live.len(), 16);
    assert!(play.session.progress().limit < 8);
}

#[test]
fn the_service_is_not_asked_for_more_than_it_wants_to_give() {
    let (mut play, mut live) = begun();
    for throttled in live.drain(..4) {
        play.fail(throttled, Failure::Throttled);
    }
    flow(&mut play, &mut live, 90, |attempts| attempts * 20_000_000);
    assert_eq!(play.session.progress().limit, 4, "for ten seconds");
}
