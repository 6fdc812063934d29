//! What a transfer's state amounts to: deadlines, starvation, integrity.

use super::deadline::{Deadline, DeadlineReason};
use super::transfer::Transfer;
use super::{Integrity, Moment, ResumeVerify, SessionConfig};
use crate::Failure;

impl Transfer {
    /// The server's CRC-64 of exactly the bytes that are downloaded, where it gave one.
    pub(super) fn server_crc(&self) -> Option<u64> {
        let extent = self.target.plan.extent();
        let whole = extent.start() == 0 && extent.end() == self.target.identity.size;
        self.target.identity.crc64.filter(|_| whole)
    }

    /// Whether the run has gone too long without progress, and why it does not move.
    pub(super) fn starved(&self, now: Moment, config: &SessionConfig) -> Option<Failure> {
        let late = now.since(self.last_progress) >= config.retry_max_time;
        let waiting = self.retries.is_waiting();
        (late && waiting).then(|| self.last_failure.unwrap_or(Failure::Network))
    }

    pub(super) fn deadline(&self, config: &SessionConfig) -> Option<Deadline> {
        let mut next = None;
        let limit = usize::try_from(config.parallel.get()).unwrap_or(usize::MAX);
        if let Some(at) = self.retries.next_due() {
            let given_up = self.last_progress.after(config.retry_max_time);
            next = Deadline::earlier(next, given_up, DeadlineReason::NoProgress);
            if self.live.len() < limit && self.room(config).is_some() {
                next = Deadline::earlier(next, at, DeadlineReason::Retry);
            }
        }
        if let Some(at) = self.commits.due(config) {
            next = Deadline::earlier(next, at, DeadlineReason::Commit);
        }
        if !self.live.is_empty() {
            next = Deadline::earlier(next, self.quiet_until, DeadlineReason::Stall);
        }
        next
    }
}

pub(super) fn integrity(transfer: &Transfer, config: &SessionConfig) -> Integrity {
    let extent = transfer.target.plan.extent();
    if extent.len() != transfer.target.identity.size {
        Integrity::RangeUnverified
    } else if transfer.server_crc().is_none() {
        Integrity::UnverifiedByServer
    } else if config.resume_verify == ResumeVerify::Bounds && transfer.bytes_kept > 0 {
        Integrity::ResumedPartsTrusted
    } else {
        Integrity::Verified
    }
}
