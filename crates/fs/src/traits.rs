//! The seam between the engine and a file system.

use crate::{AlignedBuf, FsError};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a download ends and where its checkpoint lies.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The destination path.
    pub destination: PathBuf,
    /// Where the checkpoint lies; `None` is beside the destination.
    pub checkpoint_dir: Option<PathBuf>,
    /// Whether a destination that is a symbolic link is resolved (once) instead of refused.
    pub follow_symlink: bool,
    /// What becomes of a checkpoint that is refused.
    pub unusable: Unusable,
    /// What becomes of a partial file that is not published.
    pub unfinished: Unfinished,
}

/// What becomes of a checkpoint or lock file that is refused: a link, a special file, one of
/// another owner or with unsafe permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unusable {
    /// It stays, and locking fails with [`FsErrorKind::Refused`](crate::FsErrorKind::Refused).
    #[default]
    Refuse,
    /// Its name is removed, and nothing it leads to is touched; unless another run holds it, or
    /// it is a file that cannot be opened: a run of its owner may hold that one.
    Remove,
}

/// What becomes of a partial file that is not published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unfinished {
    /// It stays: a checkpoint names it, and a later run goes on with it.
    #[default]
    Keep,
    /// It goes with the lock at the latest: nothing names it. Only a complete file stays that
    /// could not be renamed, where the error says.
    Remove,
}

impl Place {
    /// A destination with its checkpoint beside it.
    #[must_use]
    pub fn new(destination: impl Into<PathBuf>) -> Self {
        Self {
            destination: destination.into(),
            checkpoint_dir: None,
            follow_symlink: false,
            unusable: Unusable::Refuse,
            unfinished: Unfinished::Keep,
        }
    }

    /// Puts the checkpoint into `dir`.
    #[must_use]
    pub fn checkpoint_dir(mut self, dir: Option<PathBuf>) -> Self {
        self.checkpoint_dir = dir;
        self
    }
}

/// Whether operations wait until the disk has what they wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Syncing {
    /// Survive a power cut: every sync in the documented order is made.
    #[default]
    Full,
    /// Survive the end of the process only: no sync at all.
    Skip,
}

/// What identifies one file on one file system, as far as anything can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId {
    /// Inode number.
    pub inode: u64,
    /// Device number. Advisory: it may change across reboots.
    pub device: u64,
    /// Birth time in nanoseconds since 1970, or 0 where the file system keeps none.
    pub birth: i64,
}

/// What stands at the destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationState {
    /// Which file it is.
    pub id: FileId,
    /// Its length in bytes.
    pub len: u64,
}

/// Whether publishing may replace what is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PublishMode {
    /// Replace atomically whatever regular file stands at the destination.
    #[default]
    Replace,
    /// Fail with [`FsErrorKind::Exists`](crate::FsErrorKind::Exists) if anything stands there.
    CreateNew,
}

/// What a destination's file system cannot do. Downloads work without; users should be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Caveat {
    /// No locks. The checkpoint lives in memory: nothing an earlier run left is resumed, nothing
    /// is left for a later one, and of a partial file becomes what [`Unfinished::Remove`] says.
    NoLocks,
    /// No owners or permissions: those of the checkpoint and partial file are not checked.
    NoPermissions,
    /// No sync of directories: a published name may be lost in a power cut.
    NoDirectorySync,
}

/// A file system on which downloads can be placed.
pub trait FileSystem: fmt::Debug + Send + Sync + 'static {
    /// Checks the destination and takes its lock.
    ///
    /// Opens the destination's directory (and the checkpoint's), refuses destinations that are
    /// not regular files, creates or opens the checkpoint file, locks it, and makes sure that
    /// the locked file is still the one the name leads to.
    ///
    /// # Errors
    ///
    /// `Locked` when another run holds it, `Refused` for links, special files and checkpoints of
    /// doubtful ownership, `Storage` for the rest.
    fn lock(&self, place: &Place, syncing: Syncing) -> Result<Arc<dyn DestinationLock>, FsError>;

    /// A destination where nothing is: no file, no checkpoint, no run that has it locked. `None`
    /// where something is, or where the lock must be taken to tell.
    ///
    /// # Errors
    ///
    /// As [`lock`](FileSystem::lock), of which `Locked` cannot be.
    fn vacancy(
        &self,
        _place: &Place,
        _syncing: Syncing,
    ) -> Result<Option<Box<dyn Vacancy>>, FsError> {
        Ok(None)
    }
}

/// A destination where nothing was a moment ago, for a file that comes in one piece.
pub trait Vacancy: fmt::Debug + Send + Sync {
    /// The canonical absolute path of the destination.
    fn canonical_destination(&self) -> PathBuf;

    /// Writes a file of these bytes under a random name, with the permissions that the process's
    /// file creation mask leaves, syncs it, renames it to the destination and syncs the directory.
    /// `suffix` as for [`DestinationLock::partial_name`]; a run that is killed meanwhile leaves
    /// the file of that name.
    ///
    /// It is not locked: of several runs one publishes, and the others are told that something is
    /// there.
    ///
    /// # Durability
    ///
    /// On `Ok` with [`Syncing::Full`] the destination survives a power cut.
    /// What the file system could not do is returned, as by [`DestinationLock::caveats`].
    ///
    /// # Errors
    ///
    /// `Exists` if something has come there, `NoSpace`, `TooLarge`, `Storage`. Nothing is left
    /// behind then, except when only the last sync failed: the error's path says so.
    fn publish(&self, bytes: &[u8], suffix: &str) -> Result<Vec<Caveat>, FsError>;
}

/// A locked destination.
///
/// The lock is released when the last clone is dropped, and with it every checkpoint and partial
/// file that was opened through it: whoever can still write keeps the lock. A checkpoint that
/// still holds nothing at that time is removed.
pub trait DestinationLock: fmt::Debug + Send + Sync {
    /// What the file system cannot do, as far as it is known by now: the lack of directory
    /// syncs shows only with the first one. In no particular order.
    fn caveats(&self) -> Vec<Caveat> {
        Vec::new()
    }

    /// The final component of the destination (after a followed link).
    fn file_name(&self) -> &OsStr;

    /// The canonical absolute path of the destination.
    fn canonical_destination(&self) -> PathBuf;

    /// Whether the checkpoint lies in another directory than the destination. It does not where
    /// the directory given for it is the destination's own.
    fn is_checkpoint_elsewhere(&self) -> bool;

    /// What stands at the destination now, if anything.
    ///
    /// # Errors
    ///
    /// `Refused` when it is not a regular file, `Storage` when it cannot be examined.
    fn destination(&self) -> Result<Option<DestinationState>, FsError>;

    /// Opens what stands at the destination for reading.
    ///
    /// # Durability
    ///
    /// [`PartialFile::sync_data`] of what this returns makes the file durable together with its
    /// name: what a run needs that finds itself already published by an earlier one.
    ///
    /// # Errors
    ///
    /// As [`DestinationLock::destination`].
    fn open_destination(&self) -> Result<Option<Arc<dyn PartialFile>>, FsError>;

    /// The checkpoint file that goes with the lock.
    fn checkpoint(&self) -> Arc<dyn CheckpointFile>;

    /// The name of a partial file for this destination with the given random suffix of 16
    /// characters from `a-z2-7`: `<stem>.<suffix>.part`, the stem shortened where the file
    /// system's limit demands it.
    fn partial_name(&self, suffix: &str) -> OsString;

    /// Whether `name` can be a partial file of this destination: exactly the form that
    /// [`DestinationLock::partial_name`] makes, without any separator.
    fn is_partial_name(&self, name: &OsStr) -> bool;

    /// Creates the partial file, exclusively and without following links, of `size` bytes, all
    /// reserved where the file system can, and makes file, size and name durable.
    ///
    /// # Errors
    ///
    /// `NoSpace`, `TooLarge` (nothing is left behind), `Exists`, `Storage`; `Refused` if `name`
    /// is no partial name of this destination.
    fn create_partial(&self, name: &OsStr, size: u64) -> Result<Arc<dyn PartialFile>, FsError>;

    /// Opens a partial file of an earlier run for reading and writing, if it is there.
    ///
    /// # Errors
    ///
    /// `Refused` for links and special files, several names, or another owner, and if `name` is
    /// no partial name of this destination; `Storage`.
    fn open_partial(&self, name: &OsStr) -> Result<Option<OpenedPartial>, FsError>;

    /// Removes a partial file if it is there and makes that durable.
    ///
    /// # Errors
    ///
    /// `Storage`; `Refused` if `name` is no partial name of this destination.
    fn remove_partial(&self, name: &OsStr) -> Result<(), FsError>;

    /// Publishes: gives `partial` its final permissions (those of the file it replaces, else what
    /// the process's file creation mask leaves), syncs it, renames it to the destination and
    /// syncs the directory. Indivisible for callers: there is no way to rename unsynced.
    ///
    /// # Durability
    ///
    /// On `Ok` with [`Syncing::Full`] the destination survives a power cut.
    ///
    /// # Errors
    ///
    /// `Exists` in mode [`PublishMode::CreateNew`]; `Refused` if something that is no regular
    /// file has come to the destination; `NoSpace` and `Storage`. The partial file is then still
    /// there under its name, except when only the last sync failed: the error's path says so. With
    /// [`Unfinished::Remove`] it goes at once on `Exists`, and stays only where the error's path is
    /// its own since it could not be renamed.
    fn publish(
        &self,
        partial: &dyn PartialFile,
        name: &OsStr,
        mode: PublishMode,
    ) -> Result<(), FsError>;

    /// Removes the checkpoint, still holding its lock.
    ///
    /// # Errors
    ///
    /// `Storage`.
    fn remove_checkpoint(&self) -> Result<(), FsError>;
}

/// A partial file found by an earlier run's name.
#[derive(Clone, Debug)]
pub struct OpenedPartial {
    /// The file, open for reading and writing.
    pub file: Arc<dyn PartialFile>,
    /// Which file it is.
    pub id: FileId,
    /// Its length in bytes.
    pub len: u64,
}

/// The data file while downloading. `&self`: parallel writers, no cursor, no mutex.
pub trait PartialFile: fmt::Debug + Send + Sync {
    /// Writes all of `buf` at `offset` (buffered).
    ///
    /// # Errors
    ///
    /// `NoSpace`, `TooLarge`, `Storage`.
    fn write_all_at(&self, buf: &[u8], offset: u64) -> Result<(), FsError>;

    /// Fills `buf` from `offset`.
    ///
    /// # Errors
    ///
    /// `Storage`, also when the file ends early.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<(), FsError>;

    /// Whether writes past the page cache are worth a try: the file lies on a disk of this machine,
    /// as far as its file system tells, and not in memory, on a server or behind a program.
    fn is_on_disk(&self) -> bool {
        false
    }

    /// The same file, to be written past the page cache, where the file system takes such writes.
    fn direct(self: Arc<Self>) -> Option<Arc<dyn DirectFile>> {
        None
    }

    /// Starts write-back of a finished stretch without waiting. Only a hint.
    fn start_writeback(&self, offset: u64, len: u64);

    /// Tells the system that a stretch is no longer needed in memory. Only a hint.
    fn drop_cache(&self, offset: u64, len: u64);

    /// Waits until all data written before this call are on the disk.
    ///
    /// # Errors
    ///
    /// An error is final for this file: the caller must not record anything any more, since the
    /// system reports a failed write-back only once.
    fn sync_data(&self) -> Result<(), FsError>;

    /// Sets the length, reserving the space where the file system can, and makes it durable.
    ///
    /// # Errors
    ///
    /// `NoSpace`, `TooLarge`, `Storage`.
    fn resize(&self, size: u64) -> Result<(), FsError>;

    /// Which file it is, its length, and whether any name still leads to it.
    ///
    /// # Errors
    ///
    /// `Storage`, also when the file no longer has a name.
    fn check(&self) -> Result<(FileId, u64), FsError>;
}

/// A partial file that is written past the page cache.
pub trait DirectFile: fmt::Debug + Send + Sync {
    /// Writes the first `len` bytes of `buf` at `offset`: whole blocks of
    /// [`DIRECT_BLOCK`](crate::DIRECT_BLOCK) that lie at a multiple of it past the page cache, the
    /// rest through it. No block may be written both ways at the same time.
    ///
    /// # Durability
    ///
    /// As after [`PartialFile::write_all_at`]: only a later [`PartialFile::sync_data`] makes them
    /// durable.
    ///
    /// # Errors
    ///
    /// `NoSpace`, `TooLarge`, `Storage`.
    fn write_all_at(&self, buf: &AlignedBuf, len: usize, offset: u64) -> Result<(), FsError>;
}

/// The checkpoint file: bytes at positions; their meaning is the caller's.
pub trait CheckpointFile: fmt::Debug + Send + Sync {
    /// The length in bytes.
    ///
    /// # Errors
    ///
    /// `Storage`.
    fn len(&self) -> Result<u64, FsError>;

    /// Whether the file holds nothing.
    ///
    /// # Errors
    ///
    /// `Storage`.
    fn is_empty(&self) -> Result<bool, FsError> {
        Ok(self.len()? == 0)
    }

    /// Reads up to `buf.len()` bytes from `offset`; fewer only at the end of the file.
    ///
    /// # Errors
    ///
    /// `Storage`.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize, FsError>;

    /// Writes all of `buf` at `offset`. The file must already reach that far.
    ///
    /// # Errors
    ///
    /// `NoSpace`, `Storage`.
    fn write_all_at(&self, buf: &[u8], offset: u64) -> Result<(), FsError>;

    /// Empties the file and makes it `len` zero bytes, reserved where the file system can.
    /// Not yet durable: [`CheckpointFile::sync_all`] follows once the header is written.
    ///
    /// # Errors
    ///
    /// `NoSpace`, `TooLarge`, `Storage`.
    fn reset(&self, len: u64) -> Result<(), FsError>;

    /// Makes content and length durable.
    ///
    /// # Errors
    ///
    /// `Storage`; final, as with [`PartialFile::sync_data`].
    fn sync_data(&self) -> Result<(), FsError>;

    /// As [`CheckpointFile::sync_data`], with [`Syncing::Skip`] too: for what must never be found
    /// older than the writes that follow it.
    ///
    /// # Errors
    ///
    /// `Storage`; final, as with [`PartialFile::sync_data`].
    fn force_sync(&self) -> Result<(), FsError>;

    /// Makes content, length and the file's name durable.
    ///
    /// # Errors
    ///
    /// `Storage`; final, as with [`PartialFile::sync_data`].
    fn sync_all(&self) -> Result<(), FsError>;
}
