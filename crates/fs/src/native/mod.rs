//! The machine's own file systems.

mod acquire;
mod checkpoint;
mod direct;
mod directories;
mod file;
mod lock;
mod memory;
mod names;
mod site;
mod survey;
mod sys;
mod vacancy;

use self::acquire::TryLock;
use self::site::Site;
use self::vacancy::NativeVacancy;
use crate::{
    CheckpointFile, DestinationLock, FileSystem, FsError, FsErrorKind, Place, Syncing, Vacancy,
};
use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::sync::Arc;

pub use direct::is_on_disk;
pub use directories::make_directories;
pub use survey::{Claim, Leftover, LeftoverRole, Nature, Survey};

/// The machine's own file systems.
///
/// Complete on Linux. On macOS a name's state is read by path, not by the directory's
/// descriptor. On Windows no directory can be synced, so a published name may be lost in a power
/// cut, and files have no better identity than their creation time.
#[derive(Clone, Debug)]
pub struct NativeFileSystem {
    umask: u32,
    try_lock: TryLock,
}

impl NativeFileSystem {
    /// The machine's file systems, with the process's file creation mask as it is now: published
    /// files that replace nothing get the permissions it leaves.
    #[must_use]
    pub fn new() -> Self {
        Self { umask: sys::umask(), try_lock: File::try_lock }
    }

    /// Looks for the checkpoint of a destination without creating anything or keeping a lock.
    ///
    /// To learn whether a run holds the checkpoint its lock is tried for an instant, which
    /// [`FileSystem::lock`] knows of and waits out. What is read from a held checkpoint may be
    /// half written.
    ///
    /// # Errors
    ///
    /// `Refused` when the destination or the checkpoint is a link or no regular file, `Storage`
    /// for the rest.
    pub fn find_checkpoint(&self, place: &Place) -> Result<Option<FoundCheckpoint>, FsError> {
        let site = Site::resolve(place)?;
        survey::look_at(site.checkpoint_dir(), &site.checkpoint_name())
    }
}

impl Default for NativeFileSystem {
    fn default() -> Self {
        Self::new()
    }
}

impl FileSystem for NativeFileSystem {
    fn lock(&self, place: &Place, syncing: Syncing) -> Result<Arc<dyn DestinationLock>, FsError> {
        let site = Site::resolve(place)?;
        let terms = lock::Terms {
            syncing,
            umask: self.umask,
            try_lock: self.try_lock,
            unusable: place.unusable,
            unfinished: place.unfinished,
        };
        lock::take(site, terms)
    }

    fn vacancy(
        &self,
        place: &Place,
        syncing: Syncing,
    ) -> Result<Option<Box<dyn Vacancy>>, FsError> {
        let vacancy = NativeVacancy::find(Site::resolve(place)?, syncing, self.umask)?;
        Ok(vacancy.map(|vacancy| Box::new(vacancy) as Box<dyn Vacancy>))
    }
}

/// A checkpoint on disk, found by looking only.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FoundCheckpoint {
    /// Where it lies.
    pub path: PathBuf,
    /// Its bytes, for reading: every write fails with [`FsErrorKind::Storage`].
    pub checkpoint: Arc<dyn CheckpointFile>,
    /// Whether a run holds it.
    pub holder: Holder,
}

impl FoundCheckpoint {
    /// A checkpoint that no run holds.
    #[must_use]
    pub fn new(path: PathBuf, checkpoint: Arc<dyn CheckpointFile>) -> Self {
        Self { path, checkpoint, holder: Holder::Nobody }
    }
}

/// Whether a run holds a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// No run does, or the file system has no locks to tell.
    Nobody,
    /// A run does.
    Run,
}

fn holder_of(file: &File) -> std::io::Result<Holder> {
    match file.try_lock_shared() {
        Ok(()) => file.unlock().map(|()| Holder::Nobody),
        Err(TryLockError::WouldBlock) => Ok(Holder::Run),
        Err(TryLockError::Error(error)) if sys::is_without_locks(&error) => Ok(Holder::Nobody),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The error of a write through something that is open for reading only.
fn read_only(path: &std::path::Path) -> FsError {
    FsError::new(FsErrorKind::Storage, "cannot write, open for reading only:", path, None)
}

#[cfg(all(test, unix))]
mod tests;
