//! What the driver reports to a session.

use super::{AttemptId, CommitId};
use crate::{Failure, ObjectIdentity, PartIndex};
use core::num::NonZeroU32;
use core::time::Duration;

/// What the driver reports. Any event is safe in any phase: one that no longer fits is
/// [`Handled::Stale`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The probe learnt which object this is.
    Probed {
        /// The object as the server describes it now.
        identity: ObjectIdentity,
    },
    /// The probe failed.
    ProbeFailed {
        /// Why.
        failure: Failure,
        /// How long the server asked to wait.
        retry_after: Option<Duration>,
    },
    /// The partial file is ready, or there was none to resume.
    Prepared {
        /// What was found or made.
        partial: PreparedPartial,
    },
    /// An attempt's response head was accepted, or more of its body has been written.
    Received {
        /// The attempt.
        attempt: AttemptId,
        /// Body bytes written since the last report; 0 for the head.
        bytes: u64,
    },
    /// The driver itself lets an attempt rest, of which more has arrived: what may arrive in a
    /// second is used up.
    Resting {
        /// The attempt.
        attempt: AttemptId,
        /// For how long from now on.
        time: Duration,
    },
    /// The service says, with an answer that it gives, that it holds answers back.
    HeldBack,
    /// An attempt has written the last byte of a part.
    Stored {
        /// The attempt.
        attempt: AttemptId,
        /// The part that is now complete.
        part: PartIndex,
        /// Bytes of this part that this attempt has written.
        bytes: u64,
        /// CRC-64 of those bytes.
        crc: u64,
    },
    /// An attempt ended before its range did, for whatever reason, an abort included.
    AttemptFailed {
        /// The attempt.
        attempt: AttemptId,
        /// Why.
        failure: Failure,
        /// What it wrote of the part it was in.
        tail: Piece,
        /// How long the server asked to wait.
        retry_after: Option<Duration>,
    },
    /// A [`Sync`](super::Action::Sync) returned success.
    Synced {
        /// The commit it belongs to.
        commit: CommitId,
    },
    /// A [`Record`](super::Action::Record) is durable.
    Recorded {
        /// The commit it belongs to.
        commit: CommitId,
    },
    /// A kept part was read back.
    Rehashed {
        /// The part.
        part: PartIndex,
        /// The CRC-64 in its slot.
        recorded: u64,
        /// The CRC-64 of what the file holds, or `None` if it cannot be read.
        found: Option<u64>,
    },
    /// The finished file was examined.
    Verified {
        /// What came out.
        examination: Examination,
    },
    /// The file stands at the destination, durably.
    Published,
    /// Local storage failed. Final: nothing is recorded any more. Not even after a write that
    /// merely found no room: NFS reports with it what it could not write back before, and a
    /// later sync succeeds without those bytes (`nfs_file_write` of Linux since 5.19).
    StorageFailed {
        /// What was being done; it is over with this report.
        during: StorageTask,
    },
    /// Another number of attempts may be live from now on.
    LimitChanged {
        /// The new limit.
        parallel: NonZeroU32,
    },
    /// The user wants to stop; what is stored shall be kept.
    Cancel,
    /// Time has passed: a deadline may be due.
    Tick,
}

/// Whether an event fitted the session's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Handled {
    /// The event was taken in.
    Applied,
    /// The event concerns something that is over; nothing changed.
    Stale,
}

/// What [`Prepare`](super::Action::Prepare) found or made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreparedPartial {
    /// A new, empty partial file with a new checkpoint.
    Fresh,
    /// The partial file of the checkpoint, open again.
    Resumed,
    /// There is no partial file that the checkpoint could mean.
    Absent,
    /// The destination already holds what is wanted: it was read and has the server's CRC-64, or
    /// it is the very file that an earlier run recorded whole.
    AtDestination {
        /// CRC-64 of the bytes at the destination.
        crc64: u64,
    },
}

/// A stretch of bytes written by one attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// How many bytes.
    pub bytes: u64,
    /// Their CRC-64; 0 for no bytes.
    pub crc: u64,
}

/// What the examination of the finished file came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Examination {
    /// Length and any user-given digest are right.
    Intact,
    /// The file does not have the length it must have.
    WrongLength,
    /// A user-given digest does not match.
    WrongDigest,
}

/// What was being done when local storage failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageTask {
    /// Preparing the partial file.
    Prepare,
    /// Writing the body of an attempt.
    Attempt(AttemptId),
    /// Syncing or recording.
    Commit(CommitId),
    /// Reading a slot of a kept part that is to be read back.
    Rehash,
    /// Examining the finished file.
    Verify,
    /// Publishing.
    Publish,
}
