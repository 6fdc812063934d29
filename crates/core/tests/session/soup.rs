//! Any events in any order.

use crate::play::{PART, Play, checkpoint, config, crc_of, fetches, identity};
use ossget_core::session::{Action, Event, Examination, Piece, PreparedPartial, StorageTask};
use ossget_core::{Failure, PartIndex};
use proptest::prelude::*;
use std::time::Duration;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Laws 1 and 5: whatever is reported, in whatever order, the session neither panics nor
    /// hangs, and the same reports give the same actions.
    #[test]
    fn any_sequence_of_events_is_safe_and_repeatable(
        seeds in prop::collection::vec(any::<u64>(), 0..200),
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
        let attempt = old.get(usize::try_from(pick(old.len() as u64)).expect("a small number"));
        let commit = done.iter().rev().find_map(|action| match action {
            Action::Sync { commit } | Action::Record { commit, .. } => Some(*commit),
            _ => None,
        });
        let part = PartIndex::new(u32::try_from(pick(11)).expect("a small number"));
        let event = match (seed % 17, attempt, commit) {
            (0 | 1, ..) => Event::Probed { identity: identity(9 * PART).crc64(crc_of(9)) },
            (2, ..) => Event::ProbeFailed { failure: Failure::Network, retry_after: None },
            (3 | 4, ..) => Event::Prepared {
                partial: [
                    PreparedPartial::Resumed,
                    PreparedPartial::Fresh,
                    PreparedPartial::Absent,
                ][usize::try_from(pick(3)).expect("a small number")],
            },
            (5, Some((attempt, _)), _) => Event::Received { attempt: *attempt, bytes: pick(PART) },
            (6..=8, Some((attempt, range)), _) => {
                let part =
                    PartIndex::new(u32::try_from(range.start() / PART).expect("a small number"));
                Event::Stored { attempt: *attempt, part, bytes: PART, crc: u64::from(part.get()) }
            }
            (9, Some((attempt, _)), _) => Event::AttemptFailed {
                attempt: *attempt,
                failure: [Failure::Network, Failure::Changed, Failure::Denied, Failure::Protocol]
                    [usize::try_from(pick(4)).expect("a small number")],
                tail: Piece { bytes: pick(2 * PART), crc: *seed },
                retry_after: Some(Duration::from_millis(pick(90_000))),
            },
            (10, _, Some(commit)) => Event::Synced { commit },
            (11, _, Some(commit)) => Event::Recorded { commit },
            (12, ..) => Event::Rehashed { part, recorded: 1, found: Some(pick(2)) },
            (13, _, Some(commit)) => Event::StorageFailed { during: StorageTask::Commit(commit) },
            (14, ..) => Event::Verified { examination: Examination::Intact },
            (15, Some((attempt, _)), _) => {
                Event::Resting { attempt: *attempt, time: Duration::from_millis(pick(60_000)) }
            }
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
