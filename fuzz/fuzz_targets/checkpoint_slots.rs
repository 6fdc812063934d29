//! The slots of a checkpoint, damaged or made up.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ossget_core::{
    ByteRange, PartIndex, PartPlan, PartSet, PartSize, SLOT_LEN, SessionId, Slot, SlotCodec,
};

fuzz_target!(|input: (&[u8], [u8; 16], u32, u32, u32)| {
    let (bytes, session, extent_len, first, crc) = input;
    let extent = ByteRange::new(0, u64::from(extent_len)).expect("0 is not beyond the end");
    let plan = PartPlan::new(extent, PartSize::MIN);
    let codec = SlotCodec::new(SessionId::new(session), &plan);

    only_own_slots_count(&codec, &plan, first, bytes);
    // Parts beyond the plan are met often enough, but not nearly always.
    let part = PartIndex::new(first % (plan.count() + 2));
    a_damaged_slot_does_not_count(&codec, &plan, part, u64::from(crc) << 16);
});

fn only_own_slots_count(codec: &SlotCodec, plan: &PartPlan, first: u32, bytes: &[u8]) {
    let (slots, _) = bytes.as_chunks::<SLOT_LEN>();
    for (index, slot) in (u64::from(first)..).zip(slots) {
        let Ok(index) = u32::try_from(index) else { break };
        if let Slot::Recorded { crc } = codec.decode(PartIndex::new(index), slot) {
            assert!(index < plan.count());
            assert_eq!(codec.encode(PartIndex::new(index), crc), *slot);
        }
    }
    let mut recorded = PartSet::new(plan.count());
    let summary = codec.load(PartIndex::new(first), bytes, &mut recorded);
    assert_eq!(summary.recorded, recorded.len());
}

fn a_damaged_slot_does_not_count(codec: &SlotCodec, plan: &PartPlan, part: PartIndex, crc: u64) {
    let slot = codec.encode(part, crc);
    if part.get() >= plan.count() {
        assert_eq!(codec.decode(part, &slot), Slot::Empty);
        return;
    }
    assert_eq!(codec.decode(part, &slot), Slot::Recorded { crc });
    for bit in 0..SLOT_LEN * 8 {
        let mut damaged = slot;
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(!matches!(codec.decode(part, &damaged), Slot::Recorded { .. }));
    }
    let elsewhere = PartIndex::new(part.get() + 1);
    assert!(!matches!(codec.decode(elsewhere, &slot), Slot::Recorded { .. }));
}
