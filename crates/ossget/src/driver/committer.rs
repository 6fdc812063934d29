//! The committer: the one thread that syncs the partial file and writes slots.
//!
//! It carries out the session's orders one after the other, so a record follows the sync that
//! covers it. An open file keeps the destination's lock, so the lock outlives an order under way
//! even when the download is dropped: nobody else may open these files before that.

use super::report::{Commit, Reporter};
use ossget_core::SlotCodec;
use ossget_core::session::{CommitId, Event, SlotWrite, StorageTask};
use ossget_fs::{CheckpointFile, FsError, FsErrorKind, PartialFile};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::{io, thread};

/// Gives orders to the committer thread. Dropping it ends the thread after the order under way.
#[derive(Debug)]
pub(super) struct Committer {
    orders: mpsc::Sender<Commit>,
    thread: thread::JoinHandle<()>,
}

/// What the committer works on.
#[derive(Debug)]
pub(super) struct Records {
    pub(super) partial: Arc<dyn PartialFile>,
    pub(super) checkpoint: Arc<dyn CheckpointFile>,
    pub(super) codec: SlotCodec,
    /// Names the download in errors.
    pub(super) destination: PathBuf,
    /// The length that the partial file has as long as nobody meddles.
    pub(super) len: u64,
}

impl Committer {
    /// Starts the thread.
    pub(super) fn start(records: Records, reporter: Reporter) -> io::Result<Self> {
        let (orders, received) = mpsc::channel();
        let thread = thread::Builder::new().name("ossget-committer".to_owned());
        let thread = thread.spawn(move || {
            for order in received {
                records.carry_out(order, &reporter);
            }
        })?;
        Ok(Self { orders, thread })
    }

    /// Waits until the thread has ended, and with it its hold on the destination's lock: whoever
    /// is told that the download is over may begin the next one.
    pub(super) fn end(self) {
        drop(self.orders);
        // A panic of the thread has been printed; what it left undone has not been reported.
        drop(self.thread.join());
    }

    /// Gives an order. Its end is reported.
    pub(super) fn order(&self, commit: Commit) {
        drop(self.orders.send(commit));
    }
}

impl Records {
    fn carry_out(&self, order: Commit, reporter: &Reporter) {
        let commit = match order {
            Commit::Sync(commit) | Commit::Record(commit, _) => commit,
        };
        // The session would wait for ever for the report of a thread that panicked.
        let done = catch_unwind(AssertUnwindSafe(|| match &order {
            Commit::Sync(commit) => self.sync(*commit),
            Commit::Record(commit, slots) => self.record(*commit, slots),
        }));
        match done.unwrap_or_else(|_| Err(self.failed("a defect of ossget stopped the writing of")))
        {
            Ok(event) => reporter.event(event),
            Err(error) => reporter.storage(StorageTask::Commit(commit), error),
        }
    }

    fn sync(&self, commit: CommitId) -> Result<Event, FsError> {
        self.partial.sync_data()?;
        // What nobody could open again, or somebody cut off, must not be recorded.
        let (_, len) = self.partial.check()?;
        if len != self.len {
            return Err(self.failed("somebody changed the length of the partial file of"));
        }
        Ok(Event::Synced { commit })
    }

    fn failed(&self, doing: &'static str) -> FsError {
        FsError::new(FsErrorKind::Storage, doing, &self.destination, None)
    }

    fn record(&self, commit: CommitId, slots: &[SlotWrite]) -> Result<Event, FsError> {
        for slot in slots {
            let (part, bytes) = match *slot {
                SlotWrite::Recorded { part, crc } => (part, self.codec.encode(part, crc)),
                SlotWrite::Void { part } => (part, [0; ossget_core::SLOT_LEN]),
            };
            self.checkpoint.write_all_at(&bytes, self.codec.offset(part))?;
        }
        self.checkpoint.sync_data()?;
        Ok(Event::Recorded { commit })
    }
}
