//! Who comes to the disk when: the writer of a part beside the committer of earlier ones.

use ossget_testkit::file_system::{Observer, Operation, Step, Target};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;

/// What happens beside one run, besides what the run itself decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The request that meets another object.
    pub(crate) change: Option<usize>,
    pub(crate) hold: Option<Hold>,
}

/// The body of one request is held back until the parts before it are being recorded, and its two
/// sectors are let go at two moments of that.
///
/// The moments of a commit of n parts: before the sync of the data, while it runs, before each of
/// the n slots, before the sync of the checkpoint, while it runs, after everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    pub(crate) get: usize,
    pub(crate) first: usize,
    pub(crate) second: usize,
}

/// How many moments the commit of so many parts has.
pub(crate) const fn moments(parts: usize) -> usize {
    parts + 5
}

/// Keeps a [`Hold`]: lets writer and committer go in turn.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
    written: Condvar,
    moved: Notify,
}

#[derive(Debug, Default)]
struct State {
    hold: Option<Hold>,
    /// How many holds have begun.
    begun: u64,
    /// Moments that the committer has come to.
    moments: usize,
    finished: bool,
    writes: usize,
    /// Whether anything was written since the last commit ended.
    unrecorded: bool,
}

impl Gate {
    /// Begins to keep a hold, if there is anything that waits to be recorded: otherwise nothing
    /// will be, and there is nothing to wait for.
    pub(crate) fn arm(&self, hold: Hold) -> bool {
        let mut state = self.state();
        let begins = state.unrecorded;
        if begins {
            let begun = state.begun + 1;
            *state = State { hold: Some(hold), begun, unrecorded: true, ..State::default() };
        }
        begins
    }

    /// How many holds have begun.
    pub(crate) fn begun(&self) -> u64 {
        self.state().begun
    }

    pub(crate) fn disarm(&self) {
        self.state().hold = None;
        self.written.notify_all();
    }

    /// Waits until the committer has come to a moment.
    pub(crate) async fn reached(&self, moment: usize) {
        loop {
            {
                let state = self.state();
                if state.finished || state.moments > moment {
                    return;
                }
            }
            self.moved.notified().await;
        }
    }

    /// The committer has come to its next moment: what is to be written before goes first.
    fn committer_comes(&self) {
        let mut state = self.state();
        if state.hold.is_none() {
            return;
        }
        let moment = state.moments;
        state.moments += 1;
        self.moved.notify_one();
        let waits = |state: &mut State| {
            state.hold.is_some_and(|hold| {
                let before = [hold.first, hold.second].into_iter().filter(|at| *at <= moment);
                state.writes < before.count()
            })
        };
        let waited = self.written.wait_timeout_while(state, Duration::from_secs(60), waits);
        assert!(!waited.unwrap().1.timed_out(), "the schedule cannot be kept");
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Observer for Gate {
    fn before(&self, step: &Step) {
        if is_commit(step) {
            self.committer_comes();
        }
    }

    fn during(&self, step: &Step) {
        if is_commit(step) {
            self.committer_comes();
        }
    }

    fn after(&self, step: &Step) {
        let mut state = self.state();
        if step.target == Target::Partial && step.operation == Operation::Write {
            state.writes += 1;
            state.unrecorded = true;
            self.written.notify_all();
        }
        if step.target == Target::Checkpoint && step.is_sync() {
            state.unrecorded = false;
            state.finished = true;
            state.hold = None;
            self.moved.notify_one();
        }
    }
}

/// While a body is held back nothing but the committer syncs and records.
fn is_commit(step: &Step) -> bool {
    match step.target {
        Target::Partial => step.is_sync(),
        Target::Checkpoint => step.is_sync() || step.operation == Operation::Write,
        _ => false,
    }
}
