//! When the driver must come back at the latest.

use super::Moment;

/// When the driver must report [`Event::Tick`](super::Event::Tick) at the latest, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The moment.
    pub at: Moment,
    /// Why the session wants to be woken.
    pub reason: DeadlineReason,
}

/// Why a session wants to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeadlineReason {
    /// A waiting range or probe may be tried again.
    Retry,
    /// A commit is due.
    Commit,
    /// One attempt more may be live, or another number of them is to be tried.
    Raise,
    /// A probe or an attempt has been silent, or an attempt slow, for too long.
    Stall,
    /// The run has gone too long without progress.
    NoProgress,
}

impl Deadline {
    /// The earlier of this deadline and another.
    pub(super) fn earlier(
        current: Option<Self>,
        at: Moment,
        reason: DeadlineReason,
    ) -> Option<Self> {
        match current {
            Some(earlier) if earlier.at <= at => Some(earlier),
            _ => Some(Self { at, reason }),
        }
    }
}
