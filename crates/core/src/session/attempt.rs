//! Live attempts.

use super::Moment;
use crate::{ByteRange, PartIndex};
use alloc::vec::Vec;
use core::time::Duration;

/// One request for one range. Never used twice: late reports of an old attempt are recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId {
    part: PartIndex,
    serial: u64,
}

impl AttemptId {
    /// Attempt number `serial`, which begins in `part`. Sessions number their attempts themselves; this
    /// is for tests of drivers.
    #[must_use]
    pub const fn new(part: PartIndex, serial: u64) -> Self {
        Self { part, serial }
    }

    /// The first part the attempt covers.
    #[must_use]
    pub const fn part(self) -> PartIndex {
        self.part
    }

    /// The attempt's number within the session, from 1.
    #[must_use]
    pub const fn serial(self) -> u64 {
        self.serial
    }
}

/// What a session knows of a live attempt.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) id: AttemptId,
    pub(super) range: ByteRange,
    /// Everything before this is accounted for in whole parts.
    pub(super) next: u64,
    /// Everything before this has been reported as written.
    pub(super) reported: u64,
    /// When it began.
    pub(super) begun: Moment,
    /// The last sign of life since the response head; `None` before it.
    pub(super) last_byte: Option<Moment>,
    /// Bytes the whole session had received when this attempt began.
    pub(super) received_before: u64,
    /// How many attempts of its part were given up before it, for being silent or slow.
    pub(super) given_up: u32,
    /// Where its speed is measured from, to tell whether it is slow.
    pub(super) mark: Mark,
    /// The same, to tell whether it is slower than others.
    pub(super) recent: Mark,
    /// Whether it has been told to stop.
    pub(super) state: AttemptState,
}

/// A point in time from which an attempt's speed is measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) at: Moment,
    /// Bytes the attempt had delivered.
    pub(super) received: u64,
    /// Bytes the whole session had received.
    pub(super) session_received: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AttemptState {
    Live,
    /// Told to stop because it fell silent or behind.
    Stalled,
    /// Told to stop because the session ends.
    Aborted,
}

impl Attempt {
    /// Bytes this attempt has delivered, finished parts or not.
    pub(super) const fn received(&self) -> u64 {
        self.reported.saturating_sub(self.range.start())
    }

    /// Bytes it has yet to deliver.
    pub(super) const fn left(&self) -> u64 {
        self.range.end().saturating_sub(self.reported)
    }
}

/// The live attempts, in the order of their serials: few, so a plain list.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    list: Vec<Attempt>,
}

impl Attempts {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Adds an attempt with a higher serial than all before it.
    pub(super) fn push(&mut self, attempt: Attempt) {
        self.list.push(attempt);
    }

    pub(super) fn get_mut(&mut self, id: AttemptId) -> Option<&mut Attempt> {
        let at = self.position(id)?;
        self.list.get_mut(at)
    }

    pub(super) fn remove(&mut self, id: AttemptId) -> Option<Attempt> {
        let at = self.position(id)?;
        Some(self.list.remove(at))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Attempt> {
        self.list.iter_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Attempt> {
        self.list.iter()
    }

    /// For so long nobody could have seen what any of them did.
    pub(super) fn excuse(&mut self, absence: Duration) {
        for attempt in &mut self.list {
            attempt.begun = attempt.begun.after(absence);
            attempt.last_byte = attempt.last_byte.map(|last| last.after(absence));
            attempt.mark.at = attempt.mark.at.after(absence);
            attempt.recent.at = attempt.recent.at.after(absence);
        }
    }

    fn position(&self, id: AttemptId) -> Option<usize> {
        let at = self.list.binary_search_by_key(&id.serial, |attempt| attempt.id.serial).ok()?;
        (self.list.get(at)?.id == id).then_some(at)
    }
}
