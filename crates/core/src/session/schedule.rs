//! Which range is fetched next.

use super::attempt::{Attempt, AttemptState, Mark};
use super::transfer::Transfer;
use super::{AttemptId, Moment, Recording, SessionConfig};
use crate::{ByteRange, PartIndex};

/// Stored but unrecorded bytes that are borne, in commit windows: beyond them no request is
/// begun, which bounds what a crash costs.
const BACKLOG_WINDOWS: u64 = 4;

impl Transfer {
    /// Begins the next attempt if one may and can begin.
    pub(super) fn next_attempt(
        &mut self,
        now: Moment,
        config: &SessionConfig,
        serial: u64,
    ) -> Option<(AttemptId, ByteRange)> {
        let limit = usize::try_from(self.limit.allowed(config)).unwrap_or(usize::MAX);
        if self.live.len() >= limit {
            return None;
        }
        let room = self.room(config)?;
        let (part, range) = match self.retries.take_due(now) {
            Some(part) => (part, self.rest_of(part)?),
            None if self.retries.allow_others(limit) => self.next_run(config, room)?,
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
            mark: Mark::new(now, 0, self.bytes_received),
            state: AttemptState::Live,
        });
        Some((id, range))
    }

    /// Bytes that may still be asked for before the backlog is too long; `None` if it is already.
    pub(super) fn room(&self, config: &SessionConfig) -> Option<u64> {
        if config.recording == Recording::Off {
            return Some(u64::MAX);
        }
        let bound = self.commits.window.bytes(config).saturating_mul(BACKLOG_WINDOWS);
        let backlog = self.commits.backlog();
        if backlog > bound {
            return None;
        }
        Some(bound.saturating_sub(backlog).saturating_sub(self.live.outstanding()))
    }

    /// What is missing of one part.
    pub(super) fn rest_of(&self, part: PartIndex) -> Option<ByteRange> {
        let whole = self.target.plan.range(part)?;
        let kept = self.prefixes.get(&part).map_or(0, |prefix| prefix.bytes);
        ByteRange::new(whole.start().saturating_add(kept), whole.end())
    }

    /// Takes the next run of adjacent parts. Runs are long while much is left, for few requests,
    /// and short towards the end, so that all attempts end together.
    fn next_run(&mut self, config: &SessionConfig, room: u64) -> Option<(PartIndex, ByteRange)> {
        let first = match self.todo.next_present(self.cursor) {
            Some(part) => part,
            None => self.todo.next_present(0)?,
        };
        let part_size = self.target.plan.part_size().max(1);
        let share = self.todo.len() / config.parallel.get().saturating_mul(2).max(1);
        let by_bytes = config.request_bytes.min(room) / part_size;
        let most = share.min(u32::try_from(by_bytes).unwrap_or(u32::MAX)).max(1);
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
