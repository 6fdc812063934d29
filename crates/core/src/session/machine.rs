//! The session itself: phases and transitions.

use super::attempt::AttemptState;
use super::retry::Failures;
use super::transfer::{Target, Transfer};
use super::{
    Action, Deadline, DeadlineReason, Event, Handled, Moment, Outcome, Phase, Progress, Remains,
    SessionConfig, StopReason,
};
use crate::{Checkpoint, Failure, Jitter, PartSet};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::mem;
use core::time::Duration;

/// A driver comes back at the deadline; one that is later than this was kept from it.
const ABSENCE: Duration = Duration::from_secs(5);

/// The state machine of one download. See the [module](crate::session) for its laws.
///
/// # Panics
///
/// Never, whatever is reported: what does not fit is [`Handled::Stale`].
#[derive(Debug)]
pub struct Session {
    pub(super) config: SessionConfig,
    pub(super) state: State,
    pub(super) actions: VecDeque<Action>,
    pub(super) jitter: Jitter,
    pub(super) serial: u64,
    pub(super) restarts: u32,
    /// Bytes done when the object last only seemed to have changed.
    pub(super) alarmed_at: Option<u64>,
    pub(super) attempts_failed: u64,
    /// Body bytes of an object that has changed since.
    pub(super) received_in_vain: u64,
    final_bytes: Option<Progress>,
    last_called: Moment,
}

#[derive(Debug)]
pub(super) enum State {
    Probing(Box<Probing>),
    Preparing(Box<Preparing>),
    Transferring(Box<Transfer>),
    Draining(Box<Transfer>, Ending),
    Verifying(Box<Transfer>, u64),
    Publishing(Box<Transfer>, u64),
    Finished,
}

#[derive(Debug)]
pub(super) struct Probing {
    pub(super) resume: Option<Checkpoint>,
    /// What was under way when the object seemed to have changed.
    pub(super) suspended: Option<Box<Transfer>>,
    pub(super) failures: Failures,
    pub(super) since: Option<Moment>,
    pub(super) ask: Ask,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    At(Moment),
    /// Since then.
    UnderWay(Moment),
}

#[derive(Debug)]
pub(super) struct Preparing {
    pub(super) target: Target,
    pub(super) kept: Option<PartSet>,
    pub(super) cancelled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Reprobe,
    Stop(StopReason, Remains),
}

impl Session {
    /// A session that will do what `config` asks, going on from `resume` if that is still the
    /// same object. It begins at the driver's origin.
    #[must_use]
    pub fn new(config: SessionConfig, resume: Option<Checkpoint>) -> Self {
        let mut session = Self {
            jitter: Jitter::new(config.jitter_seed),
            config,
            state: State::Probing(Box::new(Probing {
                resume,
                suspended: None,
                failures: Failures::default(),
                since: None,
                ask: Ask::UnderWay(Moment::default()),
            })),
            actions: VecDeque::new(),
            serial: 0,
            restarts: 0,
            alarmed_at: None,
            attempts_failed: 0,
            received_in_vain: 0,
            final_bytes: None,
            last_called: Moment::default(),
        };
        session.actions.push_back(Action::Probe);
        session
    }

    /// Takes a report in. `now` never goes back.
    pub fn handle(&mut self, now: Moment, event: Event) -> Handled {
        self.excuse_absence(now);
        let ticking = event == Event::Tick;
        let applied = match event {
            Event::Probed { identity } => self.probed(now, identity),
            Event::ProbeFailed { failure, retry_after } => {
                self.probe_failed(now, failure, retry_after)
            }
            Event::Prepared { partial } => self.prepared(now, partial),
            Event::Verified { examination } => self.verified(examination),
            Event::Published => self.published(),
            Event::StorageFailed { during } => self.storage_failed(now, during),
            Event::AttemptFailed { attempt, failure, tail, retry_after } => {
                self.attempt_failed(now, attempt, (failure, retry_after), tail)
            }
            Event::LimitChanged { parallel } => {
                self.config.parallel = parallel;
                true
            }
            Event::Cancel => self.cancel(),
            Event::Tick => true,
            event => self.transfer_event(now, event),
        };
        if !applied {
            return Handled::Stale;
        }
        if ticking {
            self.time_out(now);
        }
        self.advance(now);
        Handled::Applied
    }

    /// Nobody has called for long after the deadline: the machine slept, or the process was
    /// stopped; or there was no deadline and only storage was waited for. In that time nothing
    /// could progress, so it does not count against the run.
    fn excuse_absence(&mut self, now: Moment) {
        let absence = now.since(mem::replace(&mut self.last_called, now));
        if absence < ABSENCE {
            return;
        }
        if self.poll_deadline().is_some_and(|deadline| now.since(deadline.at) < ABSENCE) {
            return;
        }
        match &mut self.state {
            State::Transferring(transfer) => {
                transfer.last_progress = transfer.last_progress.after(absence);
                transfer.live.excuse(absence);
                transfer.watch.excuse(absence);
            }
            State::Probing(probing) => {
                probing.since = probing.since.map(|since| since.after(absence));
            }
            _ => {}
        }
    }

    /// The next thing to do, if any.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to report [`Event::Tick`] at the latest. `None` while only reports are awaited.
    #[must_use]
    pub fn poll_deadline(&self) -> Option<Deadline> {
        match &self.state {
            State::Probing(probing) => match probing.ask {
                Ask::At(at) => Some(Deadline { at, reason: DeadlineReason::Retry }),
                Ask::UnderWay(since) => Some(Deadline {
                    at: since.after(self.config.answer_timeout),
                    reason: DeadlineReason::Stall,
                }),
            },
            State::Transferring(transfer) => transfer.deadline(&self.config),
            _ => None,
        }
    }

    /// How far the session is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let (phase, transfer) = match &self.state {
            State::Probing(probing) => (Phase::Probing, probing.suspended.as_ref()),
            State::Preparing(_) => (Phase::Preparing, None),
            State::Transferring(transfer) => (Phase::Transferring, Some(transfer)),
            State::Draining(transfer, _) => (Phase::Draining, Some(transfer)),
            State::Verifying(transfer, _) => (Phase::Verifying, Some(transfer)),
            State::Publishing(transfer, _) => (Phase::Publishing, Some(transfer)),
            State::Finished => (Phase::Finished, None),
        };
        if let (Phase::Finished, Some(last)) = (phase, self.final_bytes) {
            return Progress { phase, live: 0, ..last };
        }
        let kept = transfer.map_or(0, |t| t.bytes_kept);
        let unchecked = transfer.map_or(0, |t| t.rehash.unchecked_bytes());
        let recorded = transfer.map_or(0, |t| t.commits.recorded_bytes());
        Progress {
            phase,
            bytes_done: transfer.map_or(0, |t| t.bytes_done),
            bytes_total: match &self.state {
                State::Preparing(preparing) => Some(preparing.target.plan.extent().len()),
                _ => transfer.map(|t| t.target.plan.extent().len()),
            },
            bytes_kept: kept,
            bytes_unchecked: unchecked,
            bytes_received: self
                .received_in_vain
                .saturating_add(transfer.map_or(0, |t| t.bytes_received)),
            bytes_recorded: match transfer {
                Some(t) if t.doubt.is_raised() => {
                    t.target.plan.extent().len().saturating_sub(t.doubt.missing())
                }
                _ => recorded.saturating_add(kept).saturating_add(unchecked),
            },
            commit_bytes: transfer
                .map_or(self.config.commit_bytes, |t| t.commits.window.bytes(&self.config)),
            live: transfer.map_or(0, |t| u32::try_from(t.live.len()).unwrap_or(u32::MAX)),
            limit: transfer
                .map_or_else(|| self.config.parallel.get(), |t| t.limit.allowed(&self.config)),
            attempts_failed: self.attempts_failed,
            restarts: self.restarts,
        }
    }

    /// Ends the session once nothing is under way any more.
    pub(super) fn stop(&mut self, reason: StopReason, remains: Remains) {
        if matches!(self.state, State::Transferring(_) | State::Draining(..)) {
            self.drain(Ending::Stop(reason, remains));
        } else {
            self.finish(stopped(reason, remains));
        }
    }

    /// Gives up everything that is under way; what follows waits until it has ended.
    pub(super) fn drain(&mut self, ending: Ending) {
        match mem::replace(&mut self.state, State::Finished) {
            State::Transferring(mut transfer) => {
                self.actions.retain(|action| match action {
                    // What has not been begun need not be aborted.
                    Action::Fetch { attempt, .. } => {
                        transfer.withdraw(*attempt);
                        false
                    }
                    _ => true,
                });
                for attempt in transfer.live.iter_mut() {
                    attempt.state = AttemptState::Aborted;
                    self.actions.push_back(Action::Abort { attempt: attempt.id });
                }
                self.state = State::Draining(transfer, ending);
            }
            // The first reason to stop is the one that is told; a restart gives way to it.
            State::Draining(transfer, Ending::Reprobe) => {
                self.state = State::Draining(transfer, ending);
            }
            state => self.state = state,
        }
    }

    pub(super) fn finish(&mut self, outcome: Outcome) {
        self.final_bytes = Some(self.progress());
        self.state = State::Finished;
        self.actions.clear();
        self.actions.push_back(Action::Finish { outcome });
    }

    /// Gives up what has taken too long. Only when the driver says that time has passed, after all
    /// that has come in: its own delay must not be taken for that of the network.
    fn time_out(&mut self, now: Moment) {
        match &mut self.state {
            State::Probing(probing) => {
                if let Ask::UnderWay(since) = probing.ask
                    && now.since(since) >= self.config.answer_timeout
                {
                    self.probe_failed(now, Failure::Stalled, None);
                }
            }
            State::Transferring(transfer) => {
                if let Some(failure) = transfer.starved(now, &self.config) {
                    return self.stop(StopReason::NoProgress(failure), Remains::Keep);
                }
                while let Some(attempt) = transfer.expired(now, &self.config) {
                    self.actions.push_back(Action::Abort { attempt });
                }
            }
            _ => {}
        }
    }

    /// Does whatever the state now allows.
    fn advance(&mut self, now: Moment) {
        match &mut self.state {
            State::Probing(probing) => match probing.ask {
                Ask::At(at) if at <= now => {
                    probing.ask = Ask::UnderWay(now);
                    self.actions.push_back(Action::Probe);
                }
                _ => {}
            },
            State::Transferring(_) => self.advance_transfer(now),
            State::Draining(transfer, ending) => {
                let ending = *ending;
                if !transfer.is_idle() {
                    return;
                }
                let keep = matches!(ending, Ending::Reprobe | Ending::Stop(_, Remains::Keep));
                if keep && !transfer.commits.is_settled() {
                    transfer.commits.begin(now, &self.config, &mut self.actions);
                    return;
                }
                match ending {
                    Ending::Stop(reason, remains) => self.finish(stopped(reason, remains)),
                    Ending::Reprobe => self.reprobe(now),
                }
            }
            _ => {}
        }
    }

    /// Asks the server again which object this is, all that was under way having ended.
    fn reprobe(&mut self, now: Moment) {
        let State::Draining(transfer, _) = mem::replace(&mut self.state, State::Finished) else {
            return;
        };
        self.state = State::Probing(Box::new(Probing {
            resume: None,
            suspended: Some(transfer),
            failures: Failures::default(),
            since: Some(now),
            ask: Ask::UnderWay(now),
        }));
        self.actions.push_back(Action::Probe);
    }

    fn advance_transfer(&mut self, now: Moment) {
        let State::Transferring(transfer) = &mut self.state else { return };
        transfer.limit.advance(now, &self.config);
        transfer.observe(now, &self.config);
        transfer.free_voided();
        while let Some((attempt, range)) =
            transfer.next_attempt(now, &self.config, self.serial.saturating_add(1))
        {
            self.serial = attempt.serial();
            self.actions.push_back(Action::Fetch { attempt, range });
        }
        transfer.watch_idleness(now, &self.config);
        if let Some(action) = transfer.rehash.next_action(&transfer.target.plan) {
            self.actions.push_back(action);
        }
        let complete = transfer.is_complete();
        if complete
            || transfer.awaits_voids()
            || transfer.waits_for_a_full_window(&self.config)
            || transfer.commits.due(&self.config).is_some_and(|due| due <= now)
        {
            transfer.commits.begin(now, &self.config, &mut self.actions);
        }
        if complete && transfer.commits.is_settled() {
            self.conclude(now);
        }
    }

    /// Every part is stored, checked and recorded: does the whole match?
    fn conclude(&mut self, now: Moment) {
        let State::Transferring(transfer) = &mut self.state else { return };
        let found = transfer.crc64();
        if let Some(expected) = transfer.target.server_crc()
            && expected != found
        {
            let first = !transfer.doubt.is_raised();
            if transfer.raise_doubt(now, &self.config) {
                if first {
                    self.actions.push_back(Action::Doubt { expected, found });
                }
                return self.advance_transfer(now);
            }
            let reason = StopReason::CrcMismatch { expected, found };
            self.stop(reason, Remains::Discard);
            return self.advance(now);
        }
        if let State::Transferring(transfer) = mem::replace(&mut self.state, State::Finished) {
            self.state = State::Verifying(transfer, found);
            self.actions.push_back(Action::Verify { crc64: found });
        }
    }
}

pub(super) const fn stopped(reason: StopReason, remains: Remains) -> Outcome {
    Outcome::Stopped { reason, remains }
}
