//! What is about to happen in a run, in order.

use super::adapter::{CommitId, Event, Micros};
use std::collections::BinaryHeap;

/// Something that will happen.
#[derive(Debug)]
pub(crate) enum Happening {
    Report(Box<Event>),
    /// The response head of an attempt.
    Head(u64),
    HeadMissing(u64),
    /// The next bytes of an attempt's body arrive.
    Body(u64),
    SyncEnds(CommitId, usize),
}

/// What is about to happen.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    entries: BinaryHeap<Entry>,
    pushed: u64,
}

impl Agenda {
    pub(crate) fn push(&mut self, at: Micros, what: Happening) {
        self.pushed += 1;
        self.entries.push(Entry { at, order: self.pushed, what });
    }

    /// When the next thing happens.
    pub(crate) fn next(&self) -> Option<Micros> {
        self.entries.peek().map(|entry| entry.at)
    }

    /// All that is about to happen, and when; in no order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (Micros, &Happening)> {
        self.entries.iter().map(|entry| (entry.at, &entry.what))
    }

    /// Takes the next thing.
    pub(crate) fn take(&mut self) -> Option<Happening> {
        self.entries.pop().map(|entry| entry.what)
    }
}

/// In order of time, then of cause.
#[derive(Debug)]
struct Entry {
    at: Micros,
    order: u64,
    what: Happening,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // The heap gives the greatest first.
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}
