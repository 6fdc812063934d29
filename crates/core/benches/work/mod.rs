//! What is measured: a session over a virtual source, and the slots of its checkpoint.

use ossget_core::session::{
    Action, Event, Examination, Handled, Moment, Outcome, PreparedPartial, Session, SessionConfig,
};
use ossget_core::{ByteRange, ObjectIdentity, PartPlan, PartSize, SessionId, SlotCodec};
use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;

/// The largest object OSS holds, 48.8 TB, cut into ten million parts.
const PART_SIZE: u64 = 4_880_000;

fn plan(count: u32) -> PartPlan {
    let extent = ByteRange::new(0, u64::from(count) * PART_SIZE).expect("a range");
    let plan = PartPlan::new(extent, PartSize::new(PART_SIZE).expect("a legal size"));
    assert_eq!(plan.count(), count);
    plan
}

/// One session from the probe to the end. The CRC of every part is its index, hashed; the
/// server's CRC of the whole is absent, since a made-up one would be all that could be compared.
pub(crate) fn drive(count: u32) {
    let size = u64::from(count) * PART_SIZE;
    let mut config = SessionConfig::new(NonZeroU32::new(64).expect("not zero"), 1);
    config.part_size = Some(PartSize::new(PART_SIZE).expect("a legal size"));
    let mut session = Session::new(config, None);
    let mut reports: VecDeque<Event> = VecDeque::new();
    let plan = plan(count);
    let mut micros = 0;
    let mut recorded = 0;
    loop {
        while let Some(action) = session.poll_action() {
            match action {
                Action::Probe => {
                    let identity = ObjectIdentity::new(size).etag("\"E\"");
                    reports.push_back(Event::Probed { identity });
                }
                Action::Prepare { .. } => {
                    reports.push_back(Event::Prepared { partial: PreparedPartial::Fresh });
                }
                Action::Fetch { attempt, range } => {
                    reports.push_back(Event::Received { attempt, bytes: 0 });
                    let mut at = range.start();
                    while at < range.end() {
                        let part = plan.part_at(at).expect("inside");
                        let bytes = plan.range(part).expect("a part").end() - at;
                        let crc = u64::from(part.get()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                        reports.push_back(Event::Stored { attempt, part, bytes, crc });
                        at += bytes;
                    }
                }
                Action::Sync { commit } => reports.push_back(Event::Synced { commit }),
                Action::Record { commit, slots } => {
                    recorded += slots.len();
                    reports.push_back(Event::Recorded { commit });
                }
                Action::Verify { .. } => {
                    reports.push_back(Event::Verified { examination: Examination::Intact });
                }
                Action::Publish => reports.push_back(Event::Published),
                Action::Finish { outcome } => {
                    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
                    assert_eq!(recorded, count as usize);
                    return;
                }
                other => unreachable!("{other:?}"),
            }
        }
        micros += 100;
        let event = reports.pop_front().unwrap_or(Event::Tick);
        let handled = session.handle(Moment::new(Duration::from_micros(micros)), event);
        assert_eq!(handled, Handled::Applied);
    }
}

/// The slots of a checkpoint of so many parts.
pub(crate) fn codec(count: u32) -> SlotCodec {
    SlotCodec::new(SessionId::new([7; 16]), &plan(count))
}
