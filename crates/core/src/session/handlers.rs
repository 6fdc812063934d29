//! How each report changes the session.

use super::attempt::AttemptState;
use super::judgement::integrity;
use super::machine::{Ask, Ending, Preparing, Session, State, stopped};
use super::retry::{Circumstances, Decision, Delivery};
use super::transfer::{Target, Transfer};
use super::{
    Action, AttemptId, CrcPolicy, Event, Examination, Moment, OnChange, Outcome, Piece,
    PrepareMode, PreparedPartial, Remains, ResumePolicy, StopReason, StorageTask,
};
use crate::{Checkpoint, Failure, ObjectIdentity, PartPlan, PartSet, PartSize, same_object};
use alloc::boxed::Box;
use core::mem;
use core::time::Duration;

impl Session {
    pub(super) fn probed(&mut self, now: Moment, identity: ObjectIdentity) -> bool {
        let State::Probing(probing) = &mut self.state else { return false };
        if !matches!(probing.ask, Ask::UnderWay(_)) {
            return false;
        }
        let resume = probing.resume.take();
        if let Some(mut transfer) = probing.suspended.take() {
            if transfer.target.identity.difference(&identity).is_none() {
                // A false alarm, of a proxy for instance: what is stored stays.
                transfer.target.identity.complete_from(&identity);
                self.alarmed_at = Some(transfer.bytes_done);
                transfer.rehash.rewind();
                transfer.put_off_begun(now);
                transfer.last_progress = now;
                self.state = State::Transferring(transfer);
                return true;
            }
            self.restarts = self.restarts.saturating_add(1);
            self.alarmed_at = None;
            self.received_in_vain = self.received_in_vain.saturating_add(transfer.bytes_received);
        }
        match self.admit(identity, resume) {
            Ok((target, kept)) => {
                let mode = match kept {
                    Some(_) => PrepareMode::Resume,
                    None => PrepareMode::Fresh,
                };
                self.prepare(Preparing { target, kept, cancelled: false }, mode);
            }
            Err(reason) => self.stop(reason, Remains::Keep),
        }
        true
    }

    /// Decides what the probed object means for this session: its parts, and which are kept.
    fn admit(
        &self,
        mut identity: ObjectIdentity,
        resume: Option<Checkpoint>,
    ) -> Result<(Target, Option<PartSet>), StopReason> {
        let size = identity.size;
        if let Some(checkpoint) = &resume
            && same_object(&checkpoint.header.identity, &identity).is_none()
        {
            identity.complete_from(&checkpoint.header.identity);
        }
        let extent = self.config.extent.resolve(size).ok_or(StopReason::RangeBeyondEnd { size })?;
        // The server's value covers the whole object and nothing less.
        let covered = identity.crc64.is_some() && extent.len() == size;
        if !covered && self.config.crc == CrcPolicy::Require {
            return Err(StopReason::NoCrc);
        }
        let require = self.config.resume == ResumePolicy::Require;
        if let Some(checkpoint) = resume {
            let difference = same_object(&checkpoint.header.identity, &identity);
            #[cfg(feature = "mutants")]
            let difference =
                difference.filter(|_| self.config.mutant != Some(super::Mutant::ChangeIgnored));
            match difference {
                // Without ETag and CRC an equal length is all there is: too little to go on with.
                None if checkpoint.header.plan.extent() == extent
                    && (identity.is_pinned() || identity.crc64.is_some()) =>
                {
                    let target = Target { identity, plan: checkpoint.header.plan };
                    return Ok((target, Some(checkpoint.recorded)));
                }
                Some(field) if require || self.config.on_change == OnChange::Fail => {
                    return Err(StopReason::Changed(Some(field)));
                }
                _ => {}
            }
        }
        if require {
            return Err(StopReason::NothingToResume);
        }
        let part_size = self.config.part_size.unwrap_or_else(|| PartSize::auto(extent.len()));
        let plan = PartPlan::new(extent, part_size);
        Ok((Target { identity, plan }, None))
    }

    pub(super) fn prepare(&mut self, preparing: Preparing, mode: PrepareMode) {
        self.actions.push_back(Action::Prepare {
            identity: preparing.target.identity.clone(),
            plan: preparing.target.plan,
            mode,
        });
        self.state = State::Preparing(Box::new(preparing));
    }

    pub(super) fn probe_failed(
        &mut self,
        now: Moment,
        failure: Failure,
        retry_after: Option<Duration>,
    ) -> bool {
        let State::Probing(probing) = &mut self.state else { return false };
        if !matches!(probing.ask, Ask::UnderWay(_)) {
            return false;
        }
        let since = *probing.since.get_or_insert(now);
        let what = Circumstances {
            failure,
            retry_after,
            delivery: Delivery::Nothing,
            others_progressed: false,
        };
        let decision = probing.failures.decide(what, &self.config, &mut self.jitter);
        match decision {
            Decision::Wait(wait) if now.since(since) < self.config.retry_max_time => {
                probing.ask = Ask::At(now.after(wait));
            }
            Decision::Wait(_) => self.stop(StopReason::NoProgress(failure), Remains::Keep),
            Decision::GiveUp if failure == Failure::Changed => {
                self.stop(StopReason::Changed(None), Remains::Keep);
            }
            Decision::GiveUp => self.stop(StopReason::ProbeFailed(failure), Remains::Keep),
        }
        true
    }

    pub(super) fn prepared(&mut self, now: Moment, partial: PreparedPartial) -> bool {
        let State::Preparing(preparing) = &self.state else { return false };
        if let PreparedPartial::AtDestination { crc64 } = partial {
            let integrity = preparing.target.integrity();
            self.finish(Outcome::AlreadyThere { crc64, integrity });
            return true;
        }
        let State::Preparing(mut preparing) = mem::replace(&mut self.state, State::Finished) else {
            return false;
        };
        if preparing.cancelled {
            self.finish(stopped(StopReason::Cancelled, Remains::Keep));
            return true;
        }
        if partial == PreparedPartial::Absent {
            preparing.kept = None;
            if self.config.resume == ResumePolicy::Require {
                self.finish(stopped(StopReason::NothingToResume, Remains::Keep));
            } else {
                self.prepare(*preparing, PrepareMode::Fresh);
            }
            return true;
        }
        let kept = preparing.kept.take().filter(|_| partial == PreparedPartial::Resumed);
        let transfer = Transfer::new(preparing.target, kept, &self.config, now);
        self.state = State::Transferring(Box::new(transfer));
        true
    }

    /// The events that only a transfer can take.
    pub(super) fn transfer_event(&mut self, now: Moment, event: Event) -> bool {
        let (State::Transferring(transfer) | State::Draining(transfer, _)) = &mut self.state else {
            return false;
        };
        match event {
            Event::Received { attempt, bytes } => transfer.received(now, attempt, bytes),
            Event::Resting { attempt, time } => transfer.resting(now, attempt, time),
            Event::HeldBack => {
                transfer.limit.hold(now);
                true
            }
            Event::Stored { attempt, part, bytes, crc } => {
                transfer.stored(now, attempt, (part, Piece { bytes, crc }), &self.config)
            }
            // What the disk does is progress too: while it is waited for, nothing can arrive.
            Event::Synced { commit } => {
                transfer.last_progress = now;
                transfer.commits.synced(now, commit, &self.config, &mut self.actions)
            }
            Event::Recorded { commit } => {
                transfer.last_progress = now;
                transfer.commits.recorded(commit)
            }
            Event::Rehashed { part, recorded, found } => {
                transfer.rehashed(now, part, (recorded, found), &self.config)
            }
            _ => false,
        }
    }

    pub(super) fn attempt_failed(
        &mut self,
        now: Moment,
        id: AttemptId,
        (failure, retry_after): (Failure, Option<Duration>),
        tail: Piece,
    ) -> bool {
        let (State::Transferring(transfer) | State::Draining(transfer, _)) = &mut self.state else {
            return false;
        };
        let Some((attempt, part)) = transfer.give_back(now, id, tail) else { return false };
        let failure = match attempt.state {
            // Nobody asked it to stop.
            AttemptState::Live if failure == Failure::Aborted => Failure::Network,
            AttemptState::Live => failure,
            AttemptState::Stalled => Failure::Stalled,
            AttemptState::Aborted => Failure::Aborted,
        };
        if !matches!(failure, Failure::Aborted | Failure::Short) {
            self.attempts_failed = self.attempts_failed.saturating_add(1);
            transfer.last_failure = Some(failure);
            transfer.doubt.suspects.insert(part.get());
        }
        if let State::Draining(transfer, _) = &mut self.state {
            transfer.todo.insert(part.get());
            return true;
        }
        let State::Transferring(transfer) = &mut self.state else { return false };
        if matches!(failure, Failure::Throttled | Failure::Scarce) {
            transfer.limit.lower(now, id, (transfer.live.len(), self.serial));
        }
        let session_received = transfer.bytes_received.saturating_sub(attempt.received_before);
        let what = Circumstances {
            failure,
            retry_after,
            delivery: Delivery::of(attempt.received(), attempt.range.len()),
            others_progressed: session_received > attempt.received(),
        };
        let failures = transfer.retries.failures_mut(part);
        let decision = failures.decide(what, &self.config, &mut self.jitter);
        let failures = failures.streak();
        match decision {
            Decision::Wait(wait) => {
                if let Some(range) = transfer.try_again(now, wait, (part, failure)) {
                    let attempt = id;
                    self.actions.push_back(Action::Retry {
                        attempt,
                        range,
                        failures,
                        failure,
                        wait,
                    });
                }
            }
            Decision::GiveUp if failure == Failure::Changed => {
                transfer.todo.insert(part.get());
                self.changed();
            }
            Decision::GiveUp => {
                let reason = StopReason::AttemptFailed { attempt: id, failure };
                self.stop(reason, Remains::Keep);
            }
        }
        true
    }

    /// The object seems to be another one than at the probe. After a false alarm another look is
    /// worth it only once a part's worth has come meanwhile: a server that goes on saying so would
    /// be asked for ever.
    fn changed(&mut self) {
        let State::Transferring(transfer) = &self.state else { return };
        let may = self.config.on_change == OnChange::Restart
            && self.config.resume != ResumePolicy::Require;
        let part = transfer.target.plan.part_size();
        let calm = |at: u64| transfer.bytes_done >= at.saturating_add(part);
        if may && self.restarts == 0 && self.alarmed_at.is_none_or(calm) {
            self.drain(Ending::Reprobe);
        } else {
            self.stop(StopReason::Changed(None), Remains::Keep);
        }
    }

    pub(super) fn verified(&mut self, examination: Examination) -> bool {
        let State::Verifying(..) = &self.state else { return false };
        let State::Verifying(transfer, crc64) = mem::replace(&mut self.state, State::Finished)
        else {
            return false;
        };
        self.state = State::Publishing(transfer, crc64);
        match examination {
            Examination::Intact => self.actions.push_back(Action::Publish),
            Examination::WrongLength => self.stop(StopReason::WrongLength, Remains::Keep),
            Examination::WrongDigest => self.stop(StopReason::WrongDigest, Remains::Discard),
        }
        true
    }

    pub(super) fn published(&mut self) -> bool {
        let State::Publishing(transfer, crc64) = &self.state else { return false };
        let crc64 = *crc64;
        let integrity = integrity(transfer, &self.config);
        self.finish(Outcome::Done { crc64, integrity });
        true
    }

    pub(super) fn storage_failed(&mut self, now: Moment, during: StorageTask) -> bool {
        #[cfg(feature = "mutants")]
        if let StorageTask::Commit(commit) = during
            && self.config.mutant == Some(super::Mutant::SyncErrorIgnored)
        {
            return self.transfer_event(now, Event::Synced { commit });
        }
        let fits = match (&mut self.state, during) {
            (State::Preparing(_), StorageTask::Prepare)
            | (State::Verifying(..), StorageTask::Verify)
            | (State::Publishing(..), StorageTask::Publish) => {
                self.finish(stopped(StopReason::Storage, Remains::Keep));
                return true;
            }
            (
                State::Transferring(transfer) | State::Draining(transfer, _),
                StorageTask::Attempt(id),
            ) => transfer.give_back(now, id, Piece::default()).is_some(),
            (
                State::Transferring(transfer) | State::Draining(transfer, _),
                StorageTask::Commit(id),
            ) => transfer.commits.failed(id),
            (State::Transferring(transfer) | State::Draining(transfer, _), StorageTask::Rehash) => {
                !transfer.rehash.is_settled()
            }
            _ => false,
        };
        if fits {
            if let State::Transferring(transfer) | State::Draining(transfer, _) = &mut self.state {
                transfer.commits.poison();
                let before = self.actions.len();
                self.actions.retain(|action| !matches!(action, Action::Record { .. }));
                if self.actions.len() < before {
                    transfer.commits.withdraw_record();
                }
            }
            self.stop(StopReason::Storage, Remains::Keep);
        }
        fits
    }

    pub(super) fn cancel(&mut self) -> bool {
        match &mut self.state {
            State::Preparing(preparing) => {
                preparing.cancelled = true;
                true
            }
            State::Probing(_) | State::Transferring(_) => {
                self.stop(StopReason::Cancelled, Remains::Keep);
                true
            }
            State::Draining(_, ending) if *ending == Ending::Reprobe => {
                *ending = Ending::Stop(StopReason::Cancelled, Remains::Keep);
                true
            }
            // Verifying and publishing are nearly done, and what is published stays published.
            _ => false,
        }
    }
}
