//! Everything that touches the disk: lock, partial file, checkpoint file, atomic publish.
//!
//! Blocking on purpose: callers choose the thread. Nothing here knows HTTP, object storage or
//! the meaning of a checkpoint's bytes; it knows which operations survive a crash and in which
//! order they must happen. The seam is [`FileSystem`], its implementation for the machine's own
//! file systems [`NativeFileSystem`].

#![deny(unsafe_code)]

mod error;
mod native;
mod traits;

pub use error::{FsError, FsErrorKind};
pub use native::{FoundCheckpoint, Holder, NativeFileSystem};
pub use traits::{
    Caveat, CheckpointFile, DestinationLock, DestinationState, FileId, FileSystem, OpenedPartial,
    PartialFile, Place, PublishMode, Syncing,
};
