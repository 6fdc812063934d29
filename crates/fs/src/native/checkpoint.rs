//! The checkpoint file.

use super::file::Poison;
use super::lock::Guard;
use super::sys::{self, Dir};
use crate::{CheckpointFile, FsError, FsErrorKind, Syncing};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

/// A checkpoint on disk, with the lock that protects it.
#[derive(Debug)]
pub(crate) struct NativeCheckpoint {
    file: Arc<File>,
    path: PathBuf,
    poison: Poison,
    syncing: Syncing,
    /// `None` for one that was only looked at.
    access: Option<Access>,
}

/// What writing needs.
#[derive(Debug)]
struct Access {
    dir: Arc<Dir>,
    guard: Arc<Guard>,
}

impl NativeCheckpoint {
    /// The checkpoint that `guard` protects.
    pub(crate) fn locked(guard: Arc<Guard>, syncing: Syncing) -> Option<Self> {
        let locked = guard.checkpoint()?;
        Some(Self {
            file: Arc::clone(&locked.file),
            path: locked.path(),
            poison: Poison::default(),
            syncing,
            access: Some(Access { dir: Arc::clone(&locked.dir), guard }),
        })
    }

    /// One that is only to be looked at.
    pub(crate) fn found(file: File, path: PathBuf) -> Self {
        Self::reading(Arc::new(file), path)
    }

    /// One that is only to be looked at, and open elsewhere too.
    pub(crate) fn reading(file: Arc<File>, path: PathBuf) -> Self {
        let poison = Poison::default();
        Self { file, path, poison, syncing: Syncing::Skip, access: None }
    }

    fn access(&self) -> Result<&Access, FsError> {
        self.access.as_ref().ok_or_else(|| super::read_only(&self.path))
    }
}

impl CheckpointFile for NativeCheckpoint {
    fn len(&self) -> Result<u64, FsError> {
        let metadata = self.file.metadata();
        Ok(metadata.map_err(|e| FsError::from_io("cannot examine", &self.path, e))?.len())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize, FsError> {
        sys::read_at(&self.file, buf, offset)
            .map_err(|e| FsError::from_io("cannot read", &self.path, e))
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> Result<(), FsError> {
        self.access()?;
        // A write that extends the file could fail for want of space; those that stay within
        // the reservation cannot.
        let end = offset.checked_add(buf.len() as u64);
        if end.is_none_or(|end| self.len().is_ok_and(|len| end > len)) {
            let doing = "cannot write beyond the reserved end of";
            return Err(FsError::new(FsErrorKind::Storage, doing, &self.path, None));
        }
        sys::write_all_at(&self.file, buf, offset)
            .map_err(|e| FsError::from_io("cannot write to", &self.path, e))
    }

    fn reset(&self, len: u64) -> Result<(), FsError> {
        self.access()?;
        let done = self.file.set_len(0).and_then(|()| sys::reserve(&self.file, len));
        done.map_err(|error| {
            // Give back what was got: a full disk must not be made fuller by us.
            let _first_error_counts = self.file.set_len(0);
            FsError::from_io("cannot reserve space for", &self.path, error)
        })
    }

    fn sync_data(&self) -> Result<(), FsError> {
        self.access()?;
        match self.syncing {
            Syncing::Full => self.force_sync(),
            Syncing::Skip => Ok(()),
        }
    }

    fn force_sync(&self) -> Result<(), FsError> {
        self.access()?;
        self.poison.sync(&self.path, || self.file.sync_data())
    }

    fn sync_all(&self) -> Result<(), FsError> {
        let access = self.access()?;
        if self.syncing == Syncing::Skip {
            return Ok(());
        }
        self.poison.sync(&self.path, || self.file.sync_all())?;
        self.poison.sync(access.dir.path(), || access.guard.sync_dir(&access.dir))
    }
}
