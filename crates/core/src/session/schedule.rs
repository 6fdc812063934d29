//! Which range is fetched next.

use super::attempt::{Attempt, AttemptState, Mark};
use super::ramp::AtWork;
use super::transfer::Transfer;
use super::{AttemptId, Moment, Recording, SessionConfig};
use crate::{ByteRange, Failure, PartIndex};
use alloc::vec::Vec;
use core::time::Duration;

/// Unrecorded bytes that are borne, in commit windows, besides one part for each attempt: beyond
/// them no request is begun, which bounds what a crash costs.
const BACKLOG_WINDOWS: u64 = 4;

impl Transfer {
    /// Begins the next attempt if one may and can begin.
    pub(super) fn next_attempt(
        &mut self,
        now: Moment,
        config: &SessionConfig,
        serial: u64,
    ) -> Option<(AttemptId, ByteRange)> {
        let (limit, free) = self.slots(config);
        if free == 0 {
            return None;
        }
        let (part, range) = match self.take_retry(now, config) {
            Some(part) => (part, self.rest_of(part)?),
            None if self.retries.allow_others(limit) => {
                // No attempt takes what the others need.
                let share = self.room(config)? / u64::try_from(free).unwrap_or(u64::MAX);
                self.next_run(config, share, free)?
            }
            None => return None,
        };
        let id = AttemptId::new(part, serial);
        self.live.push(Attempt {
            id,
            range,
            next: range.start(),
            reported: range.start(),
            begun: now,
            last_byte: None,
            received_before: self.bytes_received,
            given_up: self.retries.stalled(part),
            mark: Mark::new(now, 0, self.bytes_received),
            recent: Mark::new(now, 0, self.bytes_received),
            state: AttemptState::Live,
        });
        Some((id, range))
    }

    /// How many attempts may be under way, and how many more that is than there are.
    pub(super) fn slots(&self, config: &SessionConfig) -> (usize, usize) {
        let limit = usize::try_from(self.limit.allowed(config)).unwrap_or(usize::MAX);
        (limit, limit.saturating_sub(self.live.len()))
    }

    /// Has the search for the number of attempts see what they do, as long as there is more for
    /// them to do.
    pub(super) fn observe(&mut self, now: Moment, config: &SessionConfig) {
        if !self.limit.is_searching() || self.todo.is_empty() {
            return;
        }
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let answered = self.live.iter().filter(|attempt| attempt.last_byte.is_some()).count();
        let at_work = AtWork {
            live: count(self.live.len()),
            answered: count(answered),
            received: self.bytes_received,
            is_far: self.watch.is_far(),
            missing: self.missing(),
        };
        self.limit.observe(now, at_work, config);
    }

    /// Takes a part that is due to be tried again. One with a prefix needs no room: it is counted
    /// as whole while it waits.
    fn take_retry(&mut self, now: Moment, config: &SessionConfig) -> Option<PartIndex> {
        self.retries.take_begun(now).or_else(|| {
            self.room(config)?;
            self.retries.take_waiting(now)
        })
    }

    /// Bytes that may still be asked for, so that a crash never costs more than four commit
    /// windows and a part for each attempt; `None` if it is not even one part.
    pub(super) fn room(&self, config: &SessionConfig) -> Option<u64> {
        if config.recording == Recording::Off {
            return Some(u64::MAX);
        }
        #[cfg(feature = "mutants")]
        if config.mutant == Some(super::Mutant::BacklogIgnored) {
            return Some(u64::MAX);
        }
        let part_size = self.target.plan.part_size();
        let windows = self.commits.window.bytes(config).saturating_mul(BACKLOG_WINDOWS);
        let parts = u64::from(config.parallel.get()).saturating_mul(part_size);
        let room = windows.saturating_add(parts).checked_sub(self.exposed())?;
        (room >= part_size).then_some(room)
    }

    /// Whether an attempt cannot begin before more is recorded, and a commit is held back only so
    /// that it does not follow another too soon.
    pub(super) fn waits_for_a_full_window(&self, config: &SessionConfig) -> bool {
        let (_, free) = self.slots(config);
        self.commits.is_window_full(config)
            && free > 0
            && !self.todo.is_empty()
            && self.room(config).is_none()
    }

    /// Bytes that a crash would cost if all that is begun arrived and nothing were recorded.
    fn exposed(&self) -> u64 {
        let part_size = self.target.plan.part_size();
        let begun = u64::try_from(self.retries.begun()).unwrap_or(u64::MAX);
        let live = self.live.iter().map(|attempt| {
            let prefix = self.prefixes.get(&attempt.id.part()).map_or(0, |prefix| prefix.bytes);
            attempt.range.end().saturating_sub(attempt.next).saturating_add(prefix)
        });
        live.fold(begun.saturating_mul(part_size), u64::saturating_add)
            .saturating_add(self.commits.backlog())
    }

    /// Has a part wait to be tried again. What is missing of it.
    pub(super) fn put_off(&mut self, until: Moment, part: PartIndex) -> Option<ByteRange> {
        let rest = self.rest_of(part)?;
        let whole = self.target.plan.len_of(part)?;
        self.retries.wait_until(until, part, whole.saturating_sub(rest.len()));
        Some(rest)
    }

    /// Has a part tried again after so long. What is missing of it, but of an answer that was only
    /// short.
    pub(super) fn try_again(
        &mut self,
        now: Moment,
        wait: Duration,
        (part, failure): (PartIndex, Failure),
    ) -> Option<ByteRange> {
        if failure == Failure::Short && wait.is_zero() && !self.prefixes.contains_key(&part) {
            // It ended where a part does: what follows is as good as never asked for.
            self.todo.insert(part.get());
            return None;
        }
        self.put_off(now.after(wait), part).filter(|_| failure != Failure::Short)
    }

    /// Parts with a prefix that nobody holds wait until now: they are not to begin as part of a
    /// longer run, for which there may be no room.
    pub(super) fn put_off_begun(&mut self, now: Moment) {
        let begun: Vec<_> = self.prefixes.keys().copied().collect();
        for part in begun {
            if self.todo.remove(part.get()) {
                self.put_off(now, part);
            }
        }
        self.retries.progressed();
    }

    /// Bytes that have still to be received.
    fn missing(&self) -> u64 {
        let todo = u64::from(self.todo.len()).saturating_mul(self.target.plan.part_size());
        self.live.iter().map(Attempt::left).fold(todo, u64::saturating_add)
    }

    /// What is missing of one part.
    pub(super) fn rest_of(&self, part: PartIndex) -> Option<ByteRange> {
        let whole = self.target.plan.range(part)?;
        let kept = self.prefixes.get(&part).map_or(0, |prefix| prefix.bytes);
        ByteRange::new(whole.start().saturating_add(kept), whole.end())
    }

    /// Takes the next run of adjacent parts. Runs are long while much is left, for few requests,
    /// and short towards the end, so that all attempts end together; but once half an even share
    /// of all that is missing is hardly worth a request it is a whole one, and the last, as long as
    /// each of the `free` attempts that may begin finds something to do.
    fn next_run(
        &mut self,
        config: &SessionConfig,
        room: u64,
        free: usize,
    ) -> Option<(PartIndex, ByteRange)> {
        let first = match self.todo.next_present(self.cursor) {
            Some(part) => part,
            None => self.todo.next_present(0)?,
        };
        let part_size = self.target.plan.part_size().max(1);
        let parts = |bytes: u64| u32::try_from(bytes / part_size).unwrap_or(u32::MAX);
        let mut most = self.todo.len() / config.parallel.get().saturating_mul(2).max(1);
        let worthwhile = parts(self.watch.worthwhile());
        if worthwhile > most {
            let even = parts(self.missing()) / self.limit.allowed(config).max(1);
            let for_each = self.todo.len().div_ceil(u32::try_from(free).unwrap_or(u32::MAX).max(1));
            most = most.max(even.min(for_each));
        }
        let most = most.min(parts(config.request_bytes.min(room))).max(1);
        let mut count = self.todo.run_of_present(first, most);
        let after_first = PartIndex::new(first.saturating_add(1));
        let past_run = PartIndex::new(first.saturating_add(count));
        if count > 1
            && let Some((held, _)) = self.prefixes.range(after_first..past_run).next()
        {
            count = held.get().saturating_sub(first);
        }
        for part in first..first.saturating_add(count) {
            self.todo.remove(part);
        }
        self.cursor = first.saturating_add(count);
        let part = PartIndex::new(first);
        let start = self.rest_of(part)?.start();
        let end = self.target.plan.run(part, count)?.end();
        Some((part, ByteRange::new(start, end)?))
    }
}
