//! What the driver's helpers report back to it.

use super::Open;
use super::hash::Examined;
use crate::source::SourceError;
use ossget_core::ObjectIdentity;
use ossget_core::session::{CommitId, Event, SlotWrite, StorageTask};
use ossget_fs::FsError;
use tokio::sync::mpsc;

/// An event for the session, with what only the driver needs of it.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) event: Event,
    pub(super) attached: Attached,
}

/// What comes with an event but is not the session's concern.
#[derive(Debug)]
pub(super) enum Attached {
    Nothing,
    /// The error behind it.
    Source(SourceError),
    /// The error behind it.
    Storage(FsError),
    /// What the destination amounts to, which already is the object.
    Destination(Examined),
    /// The files that are open now.
    Open(Box<Open>),
}

/// Where reports go. A driver that is gone does not mind missing them.
#[derive(Clone, Debug)]
pub(super) struct Reporter {
    sender: mpsc::UnboundedSender<Report>,
}

impl Reporter {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Report>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { sender }, receiver)
    }

    pub(super) fn event(&self, event: Event) {
        self.send(Report { event, attached: Attached::Nothing });
    }

    pub(super) fn send(&self, report: Report) {
        drop(self.sender.send(report));
    }

    /// Reports what was learnt of the object.
    pub(super) fn probed(&self, learnt: Result<ObjectIdentity, SourceError>) {
        let report = match learnt {
            Ok(identity) => {
                Report { event: Event::Probed { identity }, attached: Attached::Nothing }
            }
            Err(error) => {
                let (failure, retry_after) = (error.failure(), error.retry_after());
                let event = Event::ProbeFailed { failure, retry_after };
                Report { event, attached: Attached::Source(error) }
            }
        };
        self.send(report);
    }

    /// Whether the driver is gone.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Reports that local storage failed.
    pub(super) fn storage(&self, during: StorageTask, error: FsError) {
        let event = Event::StorageFailed { during };
        self.send(Report { event, attached: Attached::Storage(error) });
    }
}

/// What the committer is asked to do.
#[derive(Debug)]
pub(super) enum Commit {
    Sync(CommitId),
    Record(CommitId, Vec<SlotWrite>),
}
