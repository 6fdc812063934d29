//! Everything that touches the disk: lock, partial file, checkpoint file, atomic publish.
//!
//! Blocking on purpose: callers choose the thread. Nothing here knows HTTP, object storage or
//! the meaning of a checkpoint's bytes; it knows which operations survive a crash and in which
//! order they must happen. The seam is [`FileSystem`], its implementation for the machine's own
//! file systems [`NativeFileSystem`].
//!
//! ```
//! use ossget_fs::{FileSystem, NativeFileSystem, Place, PublishMode, Syncing};
//!
//! # let dir = tempfile::tempdir()?;
//! # let destination = dir.path().join("exampleobject.txt");
//! let lock = NativeFileSystem::new().lock(&Place::new(&destination), Syncing::Full)?;
//! let name = lock.partial_name("abcdefghijklmnop");
//! let partial = lock.create_partial(&name, 5)?;
//! partial.write_all_at(b"lo", 3)?;
//! partial.write_all_at(b"hel", 0)?;
//! lock.publish(&*partial, &name, PublishMode::Replace)?;
//! lock.remove_checkpoint()?;
//! assert_eq!(std::fs::read(&destination)?, b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![deny(unsafe_code)]

mod aligned;
mod error;
mod native;
mod raw;
mod traits;

pub use aligned::{AlignedBuf, DIRECT_BLOCK, HUGE_PAGE};
pub use error::{FsError, FsErrorKind};
pub use native::{
    Claim, FoundCheckpoint, Holder, Leftover, LeftoverRole, NativeFileSystem, Nature, Survey,
    is_on_disk, make_directories,
};
pub use traits::{
    Caveat, CheckpointFile, DestinationLock, DestinationState, DirectFile, FileId, FileSystem,
    OpenedPartial, PartialFile, Place, PublishMode, Syncing, Unfinished, Unusable, Vacancy,
};
