//! When the whole does not match the server's CRC: which part is it?
//!
//! The server says only that something is wrong somewhere. Kept parts that were taken on trust
//! are read back; then parts are fetched again, the suspects first, in growing batches, until the
//! whole matches or every part has been fetched twice. So a single bad part costs a few parts, not
//! the object, and nothing is fetched more than twice.

use super::rehash::Rehash;
use super::transfer::Transfer;
use super::{Moment, Recording, ResumeVerify, SessionConfig, SlotWrite};
use crate::{PartIndex, PartSet};
use alloc::vec::Vec;

/// CRCs are remembered for at most so many parts: 8 MiB. The automatic part size stays far below
/// it; beyond, a wrong whole is discarded.
const MOST_REMEMBERED: u32 = 1 << 20;

/// The CRC of each part that is stored, and what is still to be tried.
#[derive(Debug)]
pub(super) struct Doubt {
    crcs: Vec<u64>,
    /// Parts with a failed attempt in their history.
    pub(super) suspects: PartSet,
    /// Kept parts that were not read back.
    trusted: Option<PartSet>,
    /// Parts that have not been fetched again, once the whole was found wrong.
    untried: Option<PartSet>,
    batch: u32,
    raised: bool,
    /// Bytes taken out since all were last there.
    missing: u64,
}

impl Doubt {
    pub(super) fn new(count: u32, trusted: Option<PartSet>) -> Self {
        let remembered = if count <= MOST_REMEMBERED { count } else { 0 };
        let len = usize::try_from(remembered).unwrap_or_default();
        Self {
            crcs: alloc::vec![0; len],
            suspects: PartSet::new(remembered),
            trusted,
            untried: None,
            batch: 0,
            raised: false,
            missing: 0,
        }
    }

    /// Whether the whole has been found wrong in this run.
    pub(super) const fn is_raised(&self) -> bool {
        self.raised
    }

    /// Bytes that were recorded and may not be any more.
    pub(super) const fn missing(&self) -> u64 {
        self.missing
    }

    pub(super) fn remember(&mut self, part: PartIndex, crc: u64) {
        if let Some(slot) = usize::try_from(part.get()).ok().and_then(|at| self.crcs.get_mut(at)) {
            *slot = crc;
        }
    }

    fn crc_of(&self, part: PartIndex) -> Option<u64> {
        self.crcs.get(usize::try_from(part.get()).ok()?).copied()
    }

    /// The parts to be fetched again now.
    fn next_batch(&mut self, config: &SessionConfig) -> Vec<PartIndex> {
        let untried = self.untried.get_or_insert_with(|| PartSet::full(self.suspects.count()));
        self.batch = self.batch.saturating_mul(2).max(config.parallel.get());
        let most = usize::try_from(self.batch).unwrap_or(usize::MAX);
        let suspects = self.suspects.iter().filter(|&part| untried.contains(part));
        let rest = untried.iter().filter(|&part| !self.suspects.contains(part));
        let batch: Vec<_> = suspects.chain(rest).take(most).map(PartIndex::new).collect();
        for part in &batch {
            untried.remove(part.get());
        }
        batch
    }
}

impl Transfer {
    /// The whole is wrong: takes parts out that may be the cause, to be read or fetched again.
    /// Whether there were any left.
    pub(super) fn raise_doubt(&mut self, now: Moment, config: &SessionConfig) -> bool {
        if self.doubt.crcs.is_empty() {
            return false;
        }
        self.doubt.raised = true;
        self.doubt.missing = 0;
        if let Some(trusted) = self.doubt.trusted.take().filter(|trusted| !trusted.is_empty()) {
            let mut bytes = 0_u64;
            for part in trusted.iter().map(PartIndex::new) {
                bytes = bytes.saturating_add(self.take_out(part));
            }
            self.bytes_kept = self.bytes_kept.saturating_sub(bytes);
            self.rehash = Rehash::new(trusted, bytes, ResumeVerify::Full);
            return true;
        }
        let batch = self.doubt.next_batch(config);
        for &part in &batch {
            self.take_out(part);
            self.refetch(now, part, config);
        }
        !batch.is_empty()
    }

    /// Has a part fetched again as soon as its slot is void, durably: until then the slot vouches
    /// for the bytes that would be overwritten, and a crash would leave it lying.
    pub(super) fn refetch(&mut self, now: Moment, part: PartIndex, config: &SessionConfig) {
        #[cfg(feature = "mutants")]
        if config.mutant == Some(super::Mutant::VoidSkipped) {
            return self.free(part);
        }
        match config.recording {
            Recording::On => self.commits.queue(now, SlotWrite::Void { part }, 0),
            Recording::Off => self.free(part),
        }
    }

    /// Sets parts free to be fetched whose slots are void by now.
    pub(super) fn free_voided(&mut self) {
        for part in self.commits.take_voided() {
            self.free(part);
        }
    }

    /// Whether nothing can move before slots are void.
    pub(super) fn awaits_voids(&self) -> bool {
        self.commits.has_voids() && self.todo.is_empty() && self.live.is_empty()
    }

    fn free(&mut self, part: PartIndex) {
        self.todo.insert(part.get());
        self.cursor = self.cursor.min(part.get());
    }

    /// Makes a stored part missing again. Its length.
    fn take_out(&mut self, part: PartIndex) -> u64 {
        let (Some(crc), Some(len)) = (self.doubt.crc_of(part), self.target.plan.len_of(part))
        else {
            return 0;
        };
        if !self.stored.remove(part.get()) {
            return 0;
        }
        self.crc.toggle(part, crc);
        self.doubt.missing = self.doubt.missing.saturating_add(len);
        len
    }
}
