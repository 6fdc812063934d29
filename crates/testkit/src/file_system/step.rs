//! What is done to the disk, step by step.

use std::fmt;
use std::sync::Arc;

/// One step: what the machine's own file system does with one system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is done.
    pub operation: Operation,
    /// To what.
    pub target: Target,
    /// Where a write begins, else 0.
    pub offset: u64,
}

/// What a step does, named after the system call by which Linux does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Opens a file and makes it where it is missing.
    Create,
    /// Sets the length.
    Truncate,
    /// Reserves space, and sets the length where that grows.
    Reserve,
    /// Writes.
    Write,
    /// Starts write-back.
    WriteBack,
    /// Sets permissions.
    SetMode,
    /// Waits until data and length are on the disk.
    SyncData,
    /// Waits until everything is on the disk.
    SyncAll,
    /// Renames, replacing what is there.
    Rename,
    /// Renames unless something is there.
    RenameNew,
    /// Removes a name.
    Remove,
}

/// What a step is done to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target {
    /// The checkpoint, or the lock file beside the destination.
    Checkpoint,
    /// The partial file.
    Partial,
    /// What stands at the destination.
    Destination,
    /// A directory, by its last component.
    Directory(Arc<str>),
}

impl Step {
    pub(super) const fn new(operation: Operation, target: Target) -> Self {
        Self { operation, target, offset: 0 }
    }

    pub(super) fn at(self, offset: u64) -> Self {
        Self { offset, ..self }
    }

    /// Whether the step waits for the disk.
    #[must_use]
    pub const fn is_sync(&self) -> bool {
        matches!(self.operation, Operation::SyncData | Operation::SyncAll)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.operation, self.target)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "openat",
            Self::Truncate => "ftruncate",
            Self::Reserve => "fallocate",
            Self::Write => "pwrite64",
            Self::WriteBack => "sync_file_range",
            Self::SetMode => "fchmod",
            Self::SyncData => "fdatasync",
            Self::SyncAll => "fsync",
            Self::Rename => "renameat",
            Self::RenameNew => "renameat2",
            Self::Remove => "unlinkat",
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checkpoint => f.write_str("checkpoint"),
            Self::Partial => f.write_str("partial"),
            Self::Destination => f.write_str("destination"),
            Self::Directory(name) => f.write_str(name),
        }
    }
}
