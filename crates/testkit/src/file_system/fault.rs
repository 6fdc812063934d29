//! What a simulated file system can be told to do wrong.

use super::step::{Operation, Step, Target};
use std::io;

/// A step that fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// Which step, the first being 0.
    pub step: usize,
    /// How often from then on: 1 for this step alone.
    pub times: usize,
    /// The error.
    pub error: io::ErrorKind,
}

impl Failing {
    /// The step number `step` fails with `error`.
    #[must_use]
    pub const fn once(step: usize, error: io::ErrorKind) -> Self {
        Self { step, times: 1, error }
    }

    /// That step and every one after it fail.
    #[must_use]
    pub const fn from(step: usize, error: io::ErrorKind) -> Self {
        Self { step, times: usize::MAX, error }
    }

    pub(super) const fn concerns(&self, step: usize) -> bool {
        step >= self.step && step - self.step < self.times
    }
}

/// Something that is left out: a broken variant of the protocol. Whoever claims to find every
/// mistake must find these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Omission {
    /// No sync of the partial file's data has any effect.
    DataSync,
    /// A sync of the partial file takes effect only with the next one of the checkpoint: what is
    /// recorded was not durable before.
    DataSyncBeforeRecording,
    /// A sync of the partial file does not cover the last part written, as if that had been stored
    /// while the sync ran: the length of a part in bytes.
    LastPartFromSync(u64),
    /// Syncs that are asked for have no effect, only those within an operation: no order in the
    /// loop.
    LoopSyncs,
    /// The checkpoint's first sync with its name has no effect at all.
    HeaderSync,
    /// The checkpoint's content is synced with its header, its name is not.
    CheckpointNameSync,
    /// Syncs of the checkpoint's content have no effect.
    RecordSync,
    /// The directory is not synced after the partial file was created.
    PartialNameSync,
    /// The directory is not synced after a partial file was removed.
    RemovalSync,
    /// The directory is not synced after the rename.
    RenameSync,
    /// The partial file is not synced before the rename.
    PublishedDataSync,
    /// What a published file's name needs is not synced when it is found at the destination.
    FoundSync,
}

/// Why a sync is made: what omissions tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A caller asked for the sync of data or slots.
    Asked,
    Header,
    Created,
    Removed,
    Published,
    Found,
    Resized,
}

impl Omission {
    /// Whether a sync has no effect.
    pub(super) fn silences(self, step: &Step, purpose: Purpose) -> bool {
        let of = |target| step.target == target;
        let of_directory = matches!(step.target, Target::Directory(_));
        match self {
            Self::DataSync => of(Target::Partial) && purpose != Purpose::Created,
            Self::LoopSyncs => purpose == Purpose::Asked,
            Self::HeaderSync => purpose == Purpose::Header,
            Self::CheckpointNameSync => purpose == Purpose::Header && of_directory,
            Self::RecordSync => of(Target::Checkpoint) && step.operation == Operation::SyncData,
            Self::PartialNameSync => purpose == Purpose::Created && of_directory,
            Self::RemovalSync => purpose == Purpose::Removed,
            Self::RenameSync => purpose == Purpose::Published && of_directory,
            Self::PublishedDataSync => purpose == Purpose::Published && of(Target::Partial),
            Self::FoundSync => purpose == Purpose::Found,
            Self::DataSyncBeforeRecording | Self::LastPartFromSync(_) => false,
        }
    }
}
