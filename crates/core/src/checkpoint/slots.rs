//! The slots of a checkpoint: one for each part.

use super::{SLOT_LEN, SLOTS_OFFSET, SessionId};
use crate::sip::siphash24_words;
use crate::{PartIndex, PartPlan, PartSet};

/// Makes and reads the slots of one session.
///
/// ```text
/// 0  8  CRC-64 of the part
/// 8  8  SipHash-2-4 of part index, length of the part and CRC (u64 each), keyed with the
///       session id
/// ```
///
/// A slot of zeros is empty. The tag covers everything the slot claims, so a slot that was torn,
/// damaged, or meant for another place, plan or session does not pass: with 10 million slots of
/// random bytes the chance that one does is 5e-13.
#[derive(Clone, Debug)]
pub struct SlotCodec {
    session: SessionId,
    plan: PartPlan,
    last: Option<u32>,
    last_len: u64,
}

/// What a slot says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Nothing: the part was not recorded.
    Empty,
    /// The part is on the disk with this CRC-64.
    Recorded {
        /// CRC-64 of the part.
        crc: u64,
    },
    /// Bytes that no commit of this session left: the part counts as not recorded.
    Invalid,
}

/// How many slots of a stretch counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadSummary {
    /// Parts that are recorded.
    pub recorded: u32,
    /// Slots that are neither empty nor valid.
    pub invalid: u32,
}

impl SlotCodec {
    /// The slots of `plan` in the session `session`.
    #[must_use]
    pub fn new(session: SessionId, plan: &PartPlan) -> Self {
        let last = plan.count().checked_sub(1);
        Self { session, plan: *plan, last, last_len: plan.last_len() }
    }

    /// The slot that records `part` with its CRC-64. Beyond the plan there is nothing to record:
    /// the slot is empty.
    #[must_use]
    pub fn encode(&self, part: PartIndex, crc: u64) -> [u8; SLOT_LEN] {
        let Some(tag) = self.tag(part, crc) else { return [0; SLOT_LEN] };
        (u128::from(crc) | u128::from(tag) << 64).to_le_bytes()
    }

    /// What the slot of `part` says.
    #[must_use]
    pub fn decode(&self, part: PartIndex, slot: &[u8; SLOT_LEN]) -> Slot {
        let value = u128::from_le_bytes(*slot);
        if value == 0 {
            return Slot::Empty;
        }
        #[expect(clippy::cast_possible_truncation, reason = "the two halves of the slot")]
        let (crc, tag) = (value as u64, (value >> 64) as u64);
        if self.tag(part, crc) == Some(tag) { Slot::Recorded { crc } } else { Slot::Invalid }
    }

    /// Where the slot of `part` begins, in bytes from the start of the file.
    #[must_use]
    pub fn offset(&self, part: PartIndex) -> u64 {
        SLOTS_OFFSET + u64::from(part.get()) * SLOT_LEN as u64
    }

    /// Reads consecutive slots, that of `first` at the start of `bytes`, and puts the recorded
    /// parts into `into`. Bytes after the last complete slot are not looked at.
    pub fn load(&self, first: PartIndex, bytes: &[u8], into: &mut PartSet) -> LoadSummary {
        let mut summary = LoadSummary::default();
        let (slots, _) = bytes.as_chunks::<SLOT_LEN>();
        // Inclusive, so that not even a plan of 2^32 parts could overflow.
        for (part, slot) in (first.get()..=u32::MAX).zip(slots) {
            match self.decode(PartIndex::new(part), slot) {
                Slot::Empty => {}
                Slot::Recorded { .. } => {
                    into.insert(part);
                    summary.recorded += 1;
                }
                Slot::Invalid => summary.invalid += 1,
            }
        }
        summary
    }

    /// The tag of a slot; `None` beyond the plan.
    fn tag(&self, part: PartIndex, crc: u64) -> Option<u64> {
        let last = self.last.filter(|&last| part.get() <= last)?;
        let len = if part.get() == last { self.last_len } else { self.plan.part_size() };
        Some(siphash24_words(self.session.bytes(), [u64::from(part.get()), len, crc]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ByteRange, PartSize};
    use alloc::vec::Vec;

    fn plan(len: u64) -> PartPlan {
        PartPlan::new(ByteRange::new(0, len).unwrap(), PartSize::MIN)
    }

    #[test]
    fn slots_beyond_the_last_part_there_can_be_are_invalid_and_do_no_harm() {
        let bytes = [1; 3 * SLOT_LEN];
        let mut into = PartSet::new(10);
        let summary = codec().load(PartIndex::new(u32::MAX - 1), &bytes, &mut into);
        assert_eq!((summary.recorded, summary.invalid), (0, 2));
    }

    fn codec() -> SlotCodec {
        SlotCodec::new(SessionId::new([7; 16]), &plan(1_000_000))
    }

    fn part(index: u32) -> PartIndex {
        PartIndex::new(index)
    }

    #[test]
    fn a_slot_is_read_back() {
        for index in 0..10 {
            let slot = codec().encode(part(index), 42);
            assert_eq!(codec().decode(part(index), &slot), Slot::Recorded { crc: 42 });
        }
        assert_eq!(codec().decode(part(3), &[0; 16]), Slot::Empty);
    }

    #[test]
    fn a_crc_of_zero_is_not_an_empty_slot() {
        let slot = codec().encode(part(0), 0);
        assert_eq!(codec().decode(part(0), &slot), Slot::Recorded { crc: 0 });
    }

    #[test]
    fn no_flipped_bit_passes() {
        let slot = u128::from_le_bytes(codec().encode(part(2), 0x1234_5678_9abc_def0));
        for bit in 0..128 {
            let flipped = (slot ^ 1 << bit).to_le_bytes();
            assert_eq!(codec().decode(part(2), &flipped), Slot::Invalid, "bit {bit}");
        }
    }

    #[test]
    fn slots_of_another_place_length_or_session_do_not_pass() {
        let slot = codec().encode(part(9), 42);
        assert_eq!(codec().decode(part(8), &slot), Slot::Invalid);
        let longer = SlotCodec::new(SessionId::new([7; 16]), &plan(1_000_001));
        assert_eq!(longer.decode(part(9), &slot), Slot::Invalid);
        let larger = PartPlan::new(plan(1_000_000).extent(), PartSize::kib(101).unwrap());
        let larger = SlotCodec::new(SessionId::new([7; 16]), &larger);
        assert_eq!(larger.decode(part(3), &codec().encode(part(3), 42)), Slot::Invalid);
        let other = SlotCodec::new(SessionId::new([8; 16]), &plan(1_000_000));
        assert_eq!(other.decode(part(9), &slot), Slot::Invalid);
    }

    #[test]
    fn beyond_the_plan_nothing_is_recorded() {
        assert_eq!(codec().encode(part(10), 42), [0; 16]);
        assert_eq!(codec().decode(part(10), &[1; 16]), Slot::Invalid);
        let none = SlotCodec::new(SessionId::new([7; 16]), &plan(0));
        assert_eq!(none.encode(part(0), 42), [0; 16]);
    }

    #[test]
    fn loading_counts_and_sets_what_is_recorded() {
        let mut bytes: Vec<u8> = (0..10).flat_map(|at| codec().encode(part(at), 1)).collect();
        bytes[3 * 16..4 * 16].fill(0);
        bytes[5 * 16] ^= 1;
        bytes.extend([1; 16]);
        bytes.push(1);
        let mut set = PartSet::new(10);
        let summary = codec().load(part(0), &bytes, &mut set);
        assert_eq!(summary, LoadSummary { recorded: 8, invalid: 2 });
        assert!(set.iter().eq([0, 1, 2, 4, 6, 7, 8, 9]));
        let mut tail = PartSet::new(10);
        let summary = codec().load(part(7), &bytes[7 * 16..10 * 16], &mut tail);
        assert_eq!(summary, LoadSummary { recorded: 3, invalid: 0 });
        assert!(tail.iter().eq([7, 8, 9]));
    }

    #[test]
    fn slots_follow_the_two_pages() {
        assert_eq!(codec().offset(part(0)), 8192);
        assert_eq!(codec().offset(part(9)) + 16, super::super::file_len(10));
    }
}
