//! The partial file, and what stands at the destination.

use super::direct::NativeDirect;
use super::lock::Guard;
use super::sys::{self, Dir};
use crate::{DirectFile, FileId, FsError, FsErrorKind, PartialFile, Syncing};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Remembers that a write or a sync failed.
///
/// The system reports a failed write-back once and then forgets it, dropping the pages: the next
/// sync would succeed although the data are gone. NFS reports it with the next write that finds
/// no room (`nfs_file_write` of Linux since 5.19). So every later sync of the file fails too, and
/// one that ran meanwhile is not believed. It fails for the first one's reason: whoever made that
/// may be told later.
#[derive(Debug, Default)]
pub(crate) struct Poison {
    first: OnceLock<Reason>,
}

/// What an error was; an error itself cannot be told twice.
#[derive(Clone, Copy, Debug)]
enum Reason {
    Code(i32),
    Kind(io::ErrorKind),
}

impl Poison {
    /// Runs `sync` unless an earlier one failed.
    pub(crate) fn sync(
        &self,
        path: &Path,
        sync: impl FnOnce() -> io::Result<()>,
    ) -> Result<(), FsError> {
        self.not_yet(path)?;
        self.note(sync()).map_err(|error| FsError::from_io("cannot sync", path, error))?;
        self.not_yet(path)
    }

    /// Passes the outcome of a write on, and remembers if it failed.
    pub(super) fn note(&self, written: io::Result<()>) -> io::Result<()> {
        written.inspect_err(|error| {
            let reason = match error.raw_os_error() {
                Some(code) => Reason::Code(code),
                None => Reason::Kind(error.kind()),
            };
            let _the_first_one_stays = self.first.set(reason);
        })
    }

    /// Whether none has failed.
    fn not_yet(&self, path: &Path) -> Result<(), FsError> {
        let Some(reason) = self.first.get() else { return Ok(()) };
        let error = match *reason {
            Reason::Code(code) => io::Error::from_raw_os_error(code),
            Reason::Kind(kind) => kind.into(),
        };
        Err(FsError::from_io("an earlier write or sync failed of", path, error))
    }
}

/// An open data file.
#[derive(Debug)]
pub(crate) struct NativeFile {
    file: File,
    path: PathBuf,
    poison: Poison,
    syncing: Syncing,
    role: Role,
    guard: Arc<Guard>,
}

/// What an open data file is.
#[derive(Debug)]
enum Role {
    Partial,
    /// What stands at the destination, open for reading, with its directory.
    Destination(Arc<Dir>),
}

impl NativeFile {
    /// A partial file that keeps the lock as long as it is open.
    pub(crate) fn partial(file: File, path: PathBuf, syncing: Syncing, guard: Arc<Guard>) -> Self {
        Self { file, path, poison: Poison::default(), syncing, role: Role::Partial, guard }
    }

    /// What stands at the destination.
    pub(crate) fn destination(
        file: File,
        dir: Arc<Dir>,
        path: PathBuf,
        syncing: Syncing,
        guard: Arc<Guard>,
    ) -> Self {
        let role = Role::Destination(dir);
        Self { file, path, poison: Poison::default(), syncing, role, guard }
    }

    /// What it is open as.
    pub(super) const fn descriptor(&self) -> &File {
        &self.file
    }

    /// Passes on how a write went, wherever it went to.
    pub(super) fn note(&self, written: io::Result<()>) -> Result<(), FsError> {
        self.poison
            .note(written)
            .map_err(|error| FsError::from_io("cannot write to", &self.path, error))
    }

    fn require_writable(&self) -> Result<(), FsError> {
        match self.role {
            Role::Partial => Ok(()),
            Role::Destination(_) => Err(super::read_only(&self.path)),
        }
    }
}

impl PartialFile for NativeFile {
    fn write_all_at(&self, buf: &[u8], offset: u64) -> Result<(), FsError> {
        self.require_writable()?;
        self.note(sys::write_all_at(&self.file, buf, offset))
    }

    fn is_on_disk(&self) -> bool {
        sys::is_on_disk(&self.file)
    }

    fn direct(self: Arc<Self>) -> Option<Arc<dyn DirectFile>> {
        self.require_writable().ok()?;
        NativeDirect::open(self).map(|direct| Arc::new(direct) as Arc<dyn DirectFile>)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<(), FsError> {
        sys::read_exact_at(&self.file, buf, offset)
            .map_err(|e| FsError::from_io("cannot read", &self.path, e))
    }

    fn start_writeback(&self, offset: u64, len: u64) {
        // Whoever skips syncs has no use for early ones either.
        if self.syncing == Syncing::Full {
            sys::start_writeback(&self.file, offset, len);
        }
    }

    fn drop_cache(&self, offset: u64, len: u64) {
        sys::drop_cache(&self.file, offset, len);
    }

    fn sync_data(&self) -> Result<(), FsError> {
        if self.syncing == Syncing::Skip {
            return Ok(());
        }
        match &self.role {
            Role::Partial => self.poison.sync(&self.path, || self.file.sync_data()),
            Role::Destination(dir) => {
                self.poison.sync(&self.path, || sys::sync_found(&self.file))?;
                self.poison.sync(dir.path(), || self.guard.sync_dir(dir))
            }
        }
    }

    fn resize(&self, size: u64) -> Result<(), FsError> {
        self.require_writable()?;
        let doing = "cannot resize";
        let before = self.file.metadata().map_err(|e| FsError::from_io(doing, &self.path, e))?;
        sys::reserve(&self.file, size).map_err(|error| {
            // What the attempt got beyond the old end goes back.
            let _first_error_counts = self.file.set_len(before.len());
            FsError::from_io(doing, &self.path, error)
        })?;
        if self.syncing == Syncing::Skip {
            return Ok(());
        }
        self.poison.sync(&self.path, || self.file.sync_all())
    }

    fn check(&self) -> Result<(FileId, u64), FsError> {
        let found =
            sys::stat(&self.file).map_err(|e| FsError::from_io("cannot examine", &self.path, e))?;
        if found.links == 0 {
            let doing = "somebody removed, while it was in use,";
            return Err(FsError::new(FsErrorKind::Storage, doing, &self.path, None));
        }
        Ok((found.id, found.len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_failed_sync_every_later_one_fails_too() {
        let poison = Poison::default();
        let path = Path::new("x");
        poison.sync(path, || Ok(())).expect("the first sync");
        let error = poison.sync(path, || Err(io::Error::other("EIO"))).expect_err("it failed");
        assert_eq!(error.kind(), FsErrorKind::Storage);
        let mut asked = false;
        let later = poison.sync(path, || {
            asked = true;
            Ok(())
        });
        assert_eq!(later.expect_err("poisoned").kind(), FsErrorKind::Storage);
        assert!(!asked, "the system is not asked again");
    }

    #[test]
    fn what_follows_a_failure_fails_for_the_same_reason() {
        let poison = Poison::default();
        poison.note(Err(io::ErrorKind::StorageFull.into())).expect_err("it failed");
        poison.note(Err(io::Error::other("EIO"))).expect_err("it failed, too");
        let later = poison.sync(Path::new("x"), || Ok(())).expect_err("poisoned");
        assert_eq!(later.kind(), FsErrorKind::NoSpace, "the first one's");
    }

    #[test]
    fn a_sync_beside_a_failing_write_is_not_believed() {
        let poison = Poison::default();
        let sync = || poison.note(Err(io::Error::other("ENOSPC"))).or(Ok(()));
        poison.sync(Path::new("x"), sync).expect_err("a write failed meanwhile");
    }
}
