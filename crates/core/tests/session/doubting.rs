//! A whole that does not match the server's CRC.

use crate::play::{PART, Play, checkpoint, config, crc_of, fetches, identity, rehash};
use ossget_core::PartIndex;
use ossget_core::session::{
    Action, AttemptId, Event, Outcome, PreparedPartial, Remains, ResumeVerify, SlotWrite,
    StopReason,
};

const BAD: u64 = 4711;

/// A download of `parts` parts, all stored but for their commits, of which `bad` came wrong.
fn stored(parallel: u32, parts: u64, bad: &[u32]) -> (Play, Vec<Action>) {
    let mut play = Play::new(config(parallel));
    play.actions();
    play.tell(Event::Probed { identity: identity(parts * PART).crc64(crc_of(parts)) });
    play.actions();
    play.tell(Event::Prepared { partial: PreparedPartial::Fresh });
    let actions = play.actions();
    let actions = fetch_all(&mut play, actions, bad);
    (play, actions)
}

/// Answers every fetch, with wrong bytes for the bad parts, until there is none.
fn fetch_all(play: &mut Play, mut actions: Vec<Action>, bad: &[u32]) -> Vec<Action> {
    let mut others = Vec::new();
    loop {
        let wanted = fetches(&actions);
        others.extend(actions.into_iter().filter(|a| !matches!(a, Action::Fetch { .. })));
        if wanted.is_empty() {
            return others;
        }
        for (attempt, range) in wanted {
            for part in range.start() / PART..range.end().div_ceil(PART) {
                let part = u32::try_from(part).expect("a small number");
                store(play, attempt, part, if bad.contains(&part) { BAD } else { part.into() });
            }
        }
        actions = play.actions();
    }
}

fn store(play: &mut Play, attempt: AttemptId, part: u32, crc: u64) {
    let part = PartIndex::new(part);
    play.tell(Event::Stored { attempt, part, bytes: PART, crc });
}

fn parts_of(actions: &[Action]) -> Vec<u64> {
    let mut parts: Vec<_> = fetches(actions)
        .into_iter()
        .flat_map(|(_, range)| range.start() / PART..range.end() / PART)
        .collect();
    parts.sort_unstable();
    parts
}

fn is_verifying(actions: &[Action]) -> bool {
    matches!(actions[..], [Action::Verify { .. }])
}

#[test]
fn a_part_that_came_wrong_once_is_found_and_the_rest_is_kept() {
    let (mut play, actions) = stored(2, 8, &[3]);
    let actions = play.settle(actions);
    assert!(matches!(actions[0], Action::Doubt { expected, .. } if expected == crc_of(8)));
    // In growing batches, two at first: parts 0 and 1 are right, 2 to 5 hold the wrong one.
    assert_eq!(parts_of(&actions), [0, 1]);
    let actions = fetch_all(&mut play, actions[1..].to_vec(), &[]);
    let actions = play.settle(actions);
    let actions = fetch_all(&mut play, actions, &[]);
    let actions = play.settle(actions);
    assert!(is_verifying(&actions), "{actions:?}");
    assert_eq!(play.session.progress().bytes_received, 14 * PART);
    assert_eq!(play.session.progress().bytes_done, 8 * PART);
}

#[test]
fn a_part_that_failed_before_is_suspected_first() {
    let mut play = Play::new(config(1));
    play.actions();
    play.tell(Event::Probed { identity: identity(9 * PART).crc64(crc_of(9)) });
    play.actions();
    play.tell(Event::Prepared { partial: PreparedPartial::Fresh });
    let actions = play.actions();
    let (attempt, range) = fetches(&actions)[0];
    assert_eq!(range.start(), 0);
    for part in 0..3 {
        store(&mut play, attempt, part, part.into());
    }
    play.fail(attempt, ossget_core::Failure::Network);
    let mut actions = play.actions();
    actions.extend(play.wait(core::time::Duration::from_millis(100)));
    let actions = fetch_all(&mut play, actions, &[3]);
    let actions = play.settle(actions);
    assert_eq!(parts_of(&actions), [3]);
    let actions = fetch_all(&mut play, actions, &[]);
    let actions = play.settle(actions);
    assert!(matches!(actions[..], [.., Action::Verify { .. }]), "{actions:?}");
}

#[test]
fn every_part_is_fetched_twice_at_most_and_nothing_is_kept_or_published() {
    for parts in [1, 2, 7] {
        let (mut play, mut actions) = stored(2, parts, &[0]);
        let outcome = loop {
            actions = play.settle(actions);
            assert!(!actions.iter().any(|action| matches!(action, Action::Verify { .. })));
            if let [.., Action::Finish { outcome }] = &actions[..] {
                break outcome;
            }
            actions = fetch_all(&mut play, actions, &[0]);
        };
        let Outcome::Stopped { reason: StopReason::CrcMismatch { .. }, remains } = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(*remains, Remains::Discard);
        assert_eq!(play.session.progress().bytes_received, 2 * parts * PART);
    }
}

#[test]
fn the_slots_of_doubted_parts_are_void_before_they_are_fetched_again() {
    let (mut play, actions) = stored(1, 2, &[0, 1]);
    let [Action::Sync { commit }] = actions[..] else { panic!("{actions:?}") };
    play.tell(Event::Synced { commit });
    let _ = play.actions();
    play.tell(Event::Recorded { commit });
    let actions = play.actions();
    let [Action::Doubt { .. }, Action::Sync { commit }] = actions[..] else {
        panic!("nothing is fetched while a slot vouches for what would be overwritten: {actions:?}")
    };
    play.tell(Event::Synced { commit });
    let void = SlotWrite::Void { part: PartIndex::new(0) };
    assert_eq!(play.actions(), [Action::Record { commit, slots: vec![void] }]);
    assert_eq!(play.wait(core::time::Duration::from_secs(1)), []);
    play.tell(Event::Recorded { commit });
    assert_eq!(parts_of(&play.actions()), [0]);
}

#[test]
fn parts_kept_on_trust_are_read_back_before_anything_is_fetched_again() {
    let mut config = config(1);
    config.resume_verify = ResumeVerify::Bounds;
    let mut play = Play::resuming(config, Some(checkpoint(3, &[0, 1])));
    play.actions();
    play.tell(Event::Probed { identity: identity(3 * PART).crc64(crc_of(3)) });
    play.actions();
    play.tell(Event::Prepared { partial: PreparedPartial::Resumed });
    let actions = play.actions();
    for part in 0..2 {
        let (part, crc) = (PartIndex::new(part), if part == 1 { BAD } else { part.into() });
        play.tell(Event::Rehashed { part, recorded: crc, found: Some(crc) });
    }
    let actions = fetch_all(&mut play, actions, &[]);
    let actions = play.settle(actions);
    assert!(actions.contains(&rehash(0, 2)), "{actions:?}");
    assert_eq!(parts_of(&actions), [0_u64; 0]);
    play.tell(Event::Rehashed { part: PartIndex::new(0), recorded: 0, found: Some(0) });
    play.tell(Event::Rehashed { part: PartIndex::new(1), recorded: BAD, found: Some(1) });
    let actions = play.actions();
    let actions = play.settle(actions);
    assert_eq!(parts_of(&actions), [1]);
    let actions = fetch_all(&mut play, actions, &[]);
    let actions = play.settle(actions);
    assert!(is_verifying(&actions), "{actions:?}");
}
