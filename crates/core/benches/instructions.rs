//! One piece of work a run, the same each time, for `cargo xtask instructions` to count: a session
//! of twenty thousand parts, or the slots of a hundred thousand.

mod work;

use ossget_core::{PartIndex, PartSet, SLOT_LEN};
use work::{codec, drive};

const PARTS: u32 = 20_000;
const SLOTS: u32 = 100_000;

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("session") => drive(PARTS),
        Some("slots") => slots(),
        // Asked by `cargo test --benches` and the like.
        _ => {}
    }
}

/// Writes and reads every slot.
fn slots() {
    let codec = codec(SLOTS);
    let mut slots = Vec::with_capacity(SLOTS as usize * SLOT_LEN);
    for part in (0..SLOTS).map(PartIndex::new) {
        slots.extend_from_slice(&codec.encode(part, u64::from(part.get())));
    }
    let mut recorded = PartSet::new(SLOTS);
    codec.load(PartIndex::new(0), &slots, &mut recorded);
    assert!(recorded.is_full());
}
