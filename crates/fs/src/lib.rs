//! Everything that touches the disk: lock, partial file, checkpoint file, atomic publish.
//!
//! Blocking on purpose: callers choose the thread. Nothing here knows HTTP, object storage or
//! the meaning of a checkpoint's bytes; it knows which operations survive a crash and in which
//! order they must happen. The seam is [`FileSystem`].

mod error;
mod traits;

pub use error::{FsError, FsErrorKind};
pub use traits::{
    CheckpointFile, DestinationLock, DestinationState, FileId, FileSystem, OpenedPartial,
    PartialFile, Place, PublishMode, Syncing,
};
