//! What a session keeps while bytes move.

use super::attempt::{Attempt, Attempts, Mark};
use super::commit::Commits;
use super::doubt::Doubt;
use super::event::Piece;
use super::limit::Limit;
use super::rehash::Rehash;
use super::retry::Retries;
use super::watch::Watch;
use super::{AttemptId, Moment, Recording, ResumeVerify, SessionConfig, SlotWrite};
use crate::{CrcAccumulator, ObjectIdentity, PartIndex, PartPlan, PartSet, combine};
use alloc::collections::BTreeMap;
use core::time::Duration;

/// The object and its parts.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) identity: ObjectIdentity,
    pub(super) plan: PartPlan,
}

#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) target: Target,
    /// Parts to be fetched that neither a live attempt nor a wait holds.
    pub(super) todo: PartSet,
    pub(super) cursor: u32,
    pub(super) retries: Retries,
    /// What failed attempts left of parts.
    pub(super) prefixes: BTreeMap<PartIndex, Piece>,
    pub(super) stored: PartSet,
    pub(super) live: Attempts,
    pub(super) commits: Commits,
    pub(super) rehash: Rehash,
    pub(super) crc: CrcAccumulator,
    pub(super) doubt: Doubt,
    pub(super) bytes_done: u64,
    pub(super) bytes_kept: u64,
    pub(super) bytes_received: u64,
    pub(super) last_progress: Moment,
    pub(super) watch: Watch,
    pub(super) limit: Limit,
    /// Why the latest attempt failed, for the report when nothing moves any more.
    pub(super) last_failure: Option<crate::Failure>,
}

impl Transfer {
    /// A transfer with nothing stored yet; `kept` are parts of an earlier run to be checked.
    pub(super) fn new(
        target: Target,
        kept: Option<PartSet>,
        config: &SessionConfig,
        now: Moment,
    ) -> Self {
        let verify = config.resume_verify;
        let count = target.plan.count();
        let trusted = kept.clone().filter(|_| verify == ResumeVerify::Bounds);
        let mut todo = PartSet::full(count);
        let rehash = match kept {
            None => Rehash::none(),
            Some(kept) => {
                let mut bytes = 0_u64;
                for part in kept.iter() {
                    todo.remove(part);
                    let len = target.plan.len_of(PartIndex::new(part)).unwrap_or(0);
                    bytes = bytes.saturating_add(len);
                }
                Rehash::new(kept, bytes, verify)
            }
        };
        Self {
            crc: CrcAccumulator::new(&target.plan),
            doubt: Doubt::new(count, trusted),
            stored: PartSet::new(count),
            target,
            todo,
            cursor: 0,
            retries: Retries::default(),
            prefixes: BTreeMap::new(),
            live: Attempts::default(),
            commits: Commits::default(),
            rehash,
            bytes_done: 0,
            bytes_kept: 0,
            bytes_received: 0,
            last_progress: now,
            watch: Watch::new(now, config),
            limit: Limit::new(now, config),
            last_failure: None,
        }
    }

    /// Whether every part is stored and checked.
    pub(super) fn is_complete(&self) -> bool {
        self.stored.is_full() && self.rehash.is_settled() && self.live.is_empty()
    }

    /// Whether nothing is under way that writes. Reading kept parts back may go on: it harms
    /// nothing, and its reports have become stale.
    pub(super) fn is_idle(&self) -> bool {
        self.live.is_empty() && !self.commits.is_running()
    }

    /// CRC-64 of all stored parts; of the whole once complete.
    pub(super) fn crc64(&self) -> u64 {
        self.crc.value()
    }

    /// An attempt showed life. Whether it is one of ours.
    pub(super) fn received(&mut self, now: Moment, id: AttemptId, bytes: u64) -> bool {
        let Some(attempt) = self.live.get_mut(id) else { return false };
        let reported = attempt.reported.saturating_add(bytes).min(attempt.range.end());
        let fresh = reported.saturating_sub(attempt.reported);
        attempt.reported = reported;
        if attempt.last_byte.replace(now).is_none() {
            let after = now.since(attempt.begun);
            match attempt.received_before {
                // The first attempts wait for their connections as well.
                0 => self.watch.answered_at_first(after),
                _ => self.watch.answered(after),
            }
            // Its speed counts from the head on: waiting for an answer is no transfer.
            attempt.mark = Mark::new(now, 0, self.bytes_received);
            attempt.recent = attempt.mark;
        }
        self.count_received(now, fresh);
        true
    }

    /// The driver lets an attempt rest: it is neither silent nor slow for that, and neither is the
    /// run. Its speed is measured anew afterwards.
    pub(super) fn resting(&mut self, now: Moment, id: AttemptId, time: Duration) -> bool {
        let Some(attempt) = self.live.get_mut(id) else { return false };
        let until = now.after(time);
        attempt.last_byte = Some(until);
        attempt.mark = Mark::new(until, attempt.received(), self.bytes_received);
        attempt.recent = attempt.mark;
        self.last_progress = self.last_progress.max(until);
        self.limit.resting(time);
        true
    }

    /// An attempt completed a part. Whether the report fits what is known of the attempt.
    pub(super) fn stored(
        &mut self,
        now: Moment,
        id: AttemptId,
        (part, piece): (PartIndex, Piece),
        config: &SessionConfig,
    ) -> bool {
        let Some(range) = self.target.plan.range(part) else { return false };
        let Some(attempt) = self.live.get_mut(id) else { return false };
        let fits = attempt.next < range.end()
            && attempt.next >= range.start()
            && range.end() <= attempt.range.end()
            && attempt.next.checked_add(piece.bytes) == Some(range.end());
        if !fits {
            return false;
        }
        attempt.next = range.end();
        attempt.last_byte = Some(now);
        let fresh = range.end().saturating_sub(attempt.reported);
        attempt.reported = attempt.reported.max(range.end());
        let finished = attempt.next >= attempt.range.end();
        if finished && let Some(attempt) = self.live.remove(id) {
            self.watch.ended(now, &attempt);
        }
        let crc = match self.prefixes.remove(&part) {
            Some(prefix) => combine(prefix.crc, piece.crc, piece.bytes),
            None => piece.crc,
        };
        #[cfg(feature = "mutants")]
        let crc = match config.mutant {
            Some(super::Mutant::PrefixForgotten) => piece.crc,
            _ => crc,
        };
        self.retries.forget(part);
        self.stored.insert(part.get());
        self.crc.toggle(part, crc);
        self.doubt.remember(part, crc);
        if config.recording == Recording::On {
            self.commits.queue(now, SlotWrite::Recorded { part, crc }, range.len());
        }
        self.count_received(now, fresh);
        true
    }

    /// An attempt ended early: keeps what it wrote and gives the rest back, all but the part it
    /// was in, which is returned together with the attempt.
    pub(super) fn give_back(
        &mut self,
        now: Moment,
        id: AttemptId,
        tail: Piece,
    ) -> Option<(Attempt, PartIndex)> {
        let mut attempt = self.live.remove(id)?;
        let part = self.target.plan.part_at(attempt.next)?;
        let end = self.target.plan.range(part)?.end();
        let room = end.saturating_sub(attempt.next);
        // A tail that reaches the part's end would be a stored part: it is fetched again.
        let tail = if tail.bytes < room { tail } else { Piece::default() };
        if tail.bytes > 0 {
            let prefix = self.prefixes.entry(part).or_default();
            prefix.crc = combine(prefix.crc, tail.crc, tail.bytes);
            prefix.bytes = prefix.bytes.saturating_add(tail.bytes);
        }
        let written = attempt.next.saturating_add(tail.bytes);
        if written > attempt.reported {
            self.count_received(now, written.saturating_sub(attempt.reported));
            attempt.reported = written;
        } else {
            let lost = attempt.reported.saturating_sub(written);
            if !self.doubt.is_raised() {
                self.bytes_done = self.bytes_done.saturating_sub(lost);
            }
        }
        self.watch.ended(now, &attempt);
        self.return_parts(PartIndex::new(part.get().saturating_add(1)), attempt.range.end());
        self.cursor = self.cursor.min(part.get());
        Some((attempt, part))
    }

    /// An attempt was never begun: nothing has happened to its parts.
    pub(super) fn withdraw(&mut self, id: AttemptId) {
        if let Some(attempt) = self.live.remove(id) {
            self.return_parts(id.part(), attempt.range.end());
        }
    }

    /// Parts from `first` on that begin before `end` are to be fetched.
    fn return_parts(&mut self, first: PartIndex, end: u64) {
        let plan = &self.target.plan;
        let begins_before =
            |part: &u32| plan.range(PartIndex::new(*part)).is_some_and(|range| range.start() < end);
        for part in (first.get()..plan.count()).take_while(begins_before) {
            self.todo.insert(part);
        }
        self.cursor = self.cursor.min(first.get());
    }

    /// A kept part was read back. Whether it was asked for.
    pub(super) fn rehashed(
        &mut self,
        now: Moment,
        part: PartIndex,
        (recorded, found): (u64, Option<u64>),
        config: &SessionConfig,
    ) -> bool {
        let Some(len) = self.target.plan.len_of(part) else { return false };
        if !self.rehash.reported(part, len) {
            return false;
        }
        self.last_progress = now;
        #[cfg(feature = "mutants")]
        let found = match config.mutant {
            Some(super::Mutant::RehashIgnored) => Some(recorded),
            _ => found,
        };
        if found == Some(recorded) {
            self.stored.insert(part.get());
            self.crc.toggle(part, recorded);
            self.doubt.remember(part, recorded);
            if !self.doubt.is_raised() {
                self.bytes_done = self.bytes_done.saturating_add(len);
            }
            self.bytes_kept = self.bytes_kept.saturating_add(len);
        } else {
            self.refetch(now, part, config);
        }
        true
    }

    fn count_received(&mut self, now: Moment, bytes: u64) {
        if bytes > 0 {
            self.bytes_received = self.bytes_received.saturating_add(bytes);
            // Bytes that are fetched once more were done before.
            if !self.doubt.is_raised() {
                self.bytes_done = self.bytes_done.saturating_add(bytes);
            }
            self.last_progress = now;
            self.retries.progressed();
        }
    }
}
