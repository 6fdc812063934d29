//! What a transfer's state amounts to: deadlines, starvation, integrity.

use super::deadline::{Deadline, DeadlineReason};
use super::transfer::{Target, Transfer};
use super::{Integrity, Moment, ResumeVerify, SessionConfig};
use crate::Failure;

impl Target {
    /// The server's CRC-64 of exactly the bytes that are downloaded, where it gave one.
    pub(super) fn server_crc(&self) -> Option<u64> {
        let extent = self.plan.extent();
        let whole = extent.start() == 0 && extent.end() == self.identity.size;
        self.identity.crc64.filter(|_| whole)
    }

    /// What bytes that were read and match whatever the server gave are known to be.
    pub(super) fn integrity(&self) -> Integrity {
        if self.plan.extent().len() != self.identity.size {
            Integrity::RangeUnverified
        } else if self.server_crc().is_none() {
            Integrity::UnverifiedByServer
        } else {
            Integrity::Verified
        }
    }
}

impl Transfer {
    /// Whether the run has gone too long without progress, and why it does not move.
    pub(super) fn starved(&self, now: Moment, config: &SessionConfig) -> Option<Failure> {
        let late = now.since(self.last_progress) >= config.retry_max_time;
        (late && self.waits_for_network(config))
            .then(|| self.last_failure.unwrap_or(Failure::Network))
    }

    /// Whether something is to be tried again, and it is not the disk that holds it up.
    fn waits_for_network(&self, config: &SessionConfig) -> bool {
        let on_disk =
            self.live.is_empty() && self.commits.is_running() && self.room(config).is_none();
        self.retries.is_waiting() && !on_disk
    }

    pub(super) fn deadline(&self, config: &SessionConfig) -> Option<Deadline> {
        let mut next = None;
        let limit = usize::try_from(self.limit.allowed(config)).unwrap_or(usize::MAX);
        if self.waits_for_network(config) {
            let given_up = self.last_progress.after(config.retry_max_time);
            next = Deadline::earlier(next, given_up, DeadlineReason::NoProgress);
        }
        if self.live.len() < limit {
            let waiting = self.retries.waiting_due().filter(|_| self.room(config).is_some());
            for at in [self.retries.begun_due(), waiting].into_iter().flatten() {
                next = Deadline::earlier(next, at, DeadlineReason::Retry);
            }
        }
        let more = !self.todo.is_empty() || self.retries.is_waiting();
        let raise = self.limit.due().filter(|_| more);
        let search = self.limit.search_due().filter(|_| !self.todo.is_empty());
        for at in [raise, search].into_iter().flatten() {
            next = Deadline::earlier(next, at, DeadlineReason::Raise);
        }
        if let Some(at) = self.commits.due(config) {
            next = Deadline::earlier(next, at, DeadlineReason::Commit);
        }
        if !self.live.is_empty() {
            next = Deadline::earlier(next, self.watch.due(), DeadlineReason::Stall);
        }
        next
    }
}

pub(super) fn integrity(transfer: &Transfer, config: &SessionConfig) -> Integrity {
    let known = transfer.target.integrity();
    if known != Integrity::Verified {
        known
    } else if config.resume_verify == ResumeVerify::Bounds && transfer.bytes_kept > 0 {
        Integrity::ResumedPartsTrusted
    } else {
        Integrity::Verified
    }
}
