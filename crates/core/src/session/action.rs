//! What a session asks of the driver.

use super::{AttemptId, CommitId, ResumeVerify};
use crate::{ByteRange, Failure, IdentityField, ObjectIdentity, PartIndex, PartPlan};
use core::time::Duration;

/// What the driver shall do. Each action but [`Action::Abort`], [`Action::Retry`],
/// [`Action::Doubt`] and [`Action::Finish`] is answered by at least one event, whatever happens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Learn which object this is.
    Probe,
    /// Make the partial file and the checkpoint ready.
    Prepare {
        /// The object to be downloaded.
        identity: ObjectIdentity,
        /// Its parts.
        plan: PartPlan,
        /// Whether to begin anew or go on.
        mode: PrepareMode,
    },
    /// Fetch a range with one request and write it.
    Fetch {
        /// The attempt's identity, never used twice.
        attempt: AttemptId,
        /// What to ask for: from anywhere in a part to the end of the same or a later part.
        range: ByteRange,
    },
    /// Give an attempt up. Its end is still to be reported.
    Abort {
        /// The attempt.
        attempt: AttemptId,
    },
    /// Nothing to do: tells observers that a range failed and will be tried again.
    Retry {
        /// The attempt that failed.
        attempt: AttemptId,
        /// What is still missing of the part it was in.
        range: ByteRange,
        /// Failures of this range in a row.
        failures: u32,
        /// Why it failed.
        failure: Failure,
        /// How long the range waits.
        wait: Duration,
    },
    /// Nothing to do: tells observers that the whole does not match the server's CRC-64, and that
    /// parts are read or fetched again to find out which is wrong.
    Doubt {
        /// What the server says.
        expected: u64,
        /// What the bytes say.
        found: u64,
    },
    /// Make everything written before this action durable in the partial file.
    Sync {
        /// The commit this belongs to.
        commit: CommitId,
    },
    /// Write slots into the checkpoint, in this order, and make them durable.
    Record {
        /// The commit this belongs to.
        commit: CommitId,
        /// The slots.
        slots: alloc::vec::Vec<SlotWrite>,
    },
    /// Read kept parts back and report each.
    Rehash {
        /// The first part.
        first: PartIndex,
        /// How many adjacent parts.
        count: u32,
        /// Whether they are really read, or their slots taken on trust.
        verify: ResumeVerify,
    },
    /// Examine the finished file: its length and any user-given digest.
    Verify {
        /// CRC-64 of the whole, combined from all parts.
        crc64: u64,
    },
    /// Publish the partial file at the destination.
    Publish,
    /// The session is over.
    Finish {
        /// How it ended.
        outcome: Outcome,
    },
}

/// Whether to begin anew or go on with an earlier run's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrepareMode {
    /// Remove what an earlier run left and begin with an empty partial file.
    Fresh,
    /// Open the partial file that the checkpoint names.
    Resume,
}

/// One change of the checkpoint's slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotWrite {
    /// The part is durable and has this CRC-64.
    Recorded {
        /// The part.
        part: PartIndex,
        /// Its CRC-64.
        crc: u64,
    },
    /// The part's slot turned out not to be true.
    Void {
        /// The part.
        part: PartIndex,
    },
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The object is complete at the destination.
    Done {
        /// CRC-64 of the bytes at the destination.
        crc64: u64,
        /// What is known about their integrity.
        integrity: Integrity,
    },
    /// The object was complete at the destination before; nothing was fetched.
    AlreadyThere {
        /// CRC-64 of the bytes at the destination.
        crc64: u64,
        /// What is known about their integrity.
        integrity: Integrity,
    },
    /// The destination is as it was before.
    Stopped {
        /// Why.
        reason: StopReason,
        /// Whether what has been downloaded may be resumed.
        remains: Remains,
    },
}

/// What is known about the integrity of a finished download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// The CRC-64 of bytes hashed in this run equals the server's.
    Verified,
    /// The server gave no CRC-64.
    UnverifiedByServer,
    /// The CRC-64 equals the server's, but kept parts were not read back.
    ResumedPartsTrusted,
    /// Only a slice was asked for, which no server value covers.
    RangeUnverified,
}

/// Whether what has been downloaded may be resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remains {
    /// Partial file and checkpoint stay for the next run.
    Keep,
    /// They must not be resumed: remove both.
    Discard,
}

/// Why a session stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason {
    /// The user cancelled.
    Cancelled,
    /// The probe failed for good.
    ProbeFailed(Failure),
    /// An attempt failed for good.
    AttemptFailed {
        /// The last attempt of the range that cannot be had.
        attempt: AttemptId,
        /// Why it failed.
        failure: Failure,
    },
    /// Nothing moved for [`SessionConfig::retry_max_time`](super::SessionConfig::retry_max_time).
    NoProgress(Failure),
    /// The object changed under the download, and starting over is not allowed (again).
    Changed(Option<IdentityField>),
    /// The wanted range begins beyond the end of the object.
    RangeBeyondEnd {
        /// The object's size in bytes.
        size: u64,
    },
    /// There is nothing to resume, and that was required.
    NothingToResume,
    /// The server gives no CRC-64, and one was required.
    NoCrc,
    /// The bytes do not match the server's CRC-64.
    CrcMismatch {
        /// What the server says.
        expected: u64,
        /// What the bytes say.
        found: u64,
    },
    /// The finished file has the wrong length.
    WrongLength,
    /// The finished file does not match a user-given digest.
    WrongDigest,
    /// Local storage failed.
    Storage,
}
