//! What downloads have left in a directory.

use super::acquire::{Acquired, Content, LockedFile, acquire, require_trusted};
use super::checkpoint::NativeCheckpoint;
use super::names::Form;
use super::site::{open_regular, stat};
use super::sys::{self, Dir, How, Kind};
use super::{FoundCheckpoint, NativeFileSystem, holder_of};
use crate::{CheckpointFile, FsError, FsErrorKind};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An open directory and what downloads have left in it, as far as the names tell.
#[derive(Debug)]
pub struct Survey {
    dir: Arc<Dir>,
    leftovers: Vec<Leftover>,
}

/// Something with a name that only downloads give.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leftover {
    /// Its name in the directory.
    pub name: OsString,
    /// What the name says.
    pub role: LeftoverRole,
    /// Its length in bytes.
    pub len: u64,
    /// Whether it is a regular file; anything else is none of ours.
    pub nature: Nature,
}

/// What a leftover is by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeftoverRole {
    /// A checkpoint or lock file.
    Checkpoint {
        /// The name of its destination, if that lies beside it. `None` for one in a checkpoint
        /// directory, and where the destination's name is too long to be part of another.
        destination: Option<OsString>,
        /// The name of its destination wherever that lies, or its beginning where that is too
        /// long to be part of another.
        stem: OsString,
    },
    /// A partial file.
    Partial {
        /// The name of its destination; `None` where that is too long to be part of another.
        destination: Option<OsString>,
        /// The random part of its name.
        suffix: String,
    },
}

/// What kind of thing a name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// A regular file.
    Regular,
    /// A link, directory, device, FIFO or socket.
    Other,
}

impl NativeFileSystem {
    /// Looks for what downloads have left in the directory `dir`, in the order of the names.
    /// Nothing is opened, and nothing below is looked at.
    ///
    /// # Errors
    ///
    /// `Storage`.
    pub fn survey(&self, dir: &Path) -> Result<Survey, FsError> {
        let failed = |error| FsError::from_io("cannot read the directory", dir, error);
        let opened = Dir::open(dir).map_err(failed)?;
        let mut leftovers = Vec::new();
        for entry in std::fs::read_dir(opened.path()).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            // `None`, too, if it is gone again: a download has just ended.
            leftovers.extend(leftover(&opened, &name)?);
        }
        leftovers.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Survey { dir: Arc::new(opened), leftovers })
    }

    /// Takes the lock of a checkpoint by its own name, for one whose destination is unknown.
    /// `None` if the file system has no locks.
    ///
    /// # Errors
    ///
    /// `Locked` when a run holds it, `Refused` for links, special files and doubtful ownership,
    /// `Storage` for the rest.
    pub fn claim(&self, survey: &Survey, name: &OsStr) -> Result<Option<Claim>, FsError> {
        let Acquired::Locked(locked) = acquire(&survey.dir, name, self.try_lock)? else {
            return Ok(None);
        };
        let found = sys::stat(&locked.file)
            .map_err(|e| FsError::from_io("cannot examine", locked.path(), e))?;
        require_trusted(&locked.dir, name, &found, Content::Checkpoint)?;
        Ok(Some(Claim { locked }))
    }
}

impl Survey {
    /// The directory's canonical path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// What was found.
    #[must_use]
    pub fn leftovers(&self) -> &[Leftover] {
        &self.leftovers
    }

    /// What stands under a name in the directory now, if downloads give such names.
    ///
    /// # Errors
    ///
    /// `Storage`.
    pub fn look_again(&self, name: &OsStr) -> Result<Option<Leftover>, FsError> {
        leftover(&self.dir, name)
    }

    /// Opens a checkpoint to look at it, as [`NativeFileSystem::find_checkpoint`] does.
    ///
    /// # Errors
    ///
    /// `Refused` for links and special files, `Storage`.
    pub fn look_at(&self, name: &OsStr) -> Result<Option<FoundCheckpoint>, FsError> {
        look_at(&self.dir, name)
    }
}

fn leftover(dir: &Dir, name: &OsStr) -> Result<Option<Leftover>, FsError> {
    let Some(form) = Form::of(name) else { return Ok(None) };
    let Some(found) = stat(dir, name)? else { return Ok(None) };
    let nature = match found.kind {
        Kind::Regular => Nature::Regular,
        _ => Nature::Other,
    };
    Ok(Some(Leftover { name: name.to_owned(), role: form.into(), len: found.len, nature }))
}

/// Opens a checkpoint to look at it, without keeping a lock.
pub(crate) fn look_at(dir: &Dir, name: &OsStr) -> Result<Option<FoundCheckpoint>, FsError> {
    let path = dir.path().join(name);
    let Some(file) = open_regular(dir, name, How::Read)? else { return Ok(None) };
    // A run locks the checkpoint itself too where it does not lie beside the destination.
    let holder =
        holder_of(&file).map_err(|e| FsError::from_io("cannot try the lock of", &path, e))?;
    let checkpoint = NativeCheckpoint::found(file, path.clone());
    Ok(Some(FoundCheckpoint { path, checkpoint: Arc::new(checkpoint), holder }))
}

/// A checkpoint that no run holds, and none can take while this lives. One that is empty goes
/// with this.
#[derive(Debug)]
pub struct Claim {
    locked: LockedFile,
}

impl Claim {
    /// The checkpoint, for reading.
    #[must_use]
    pub fn checkpoint(&self) -> Arc<dyn CheckpointFile> {
        let file = Arc::clone(&self.locked.file);
        Arc::new(NativeCheckpoint::reading(file, self.locked.path()))
    }

    /// Removes the checkpoint.
    ///
    /// # Errors
    ///
    /// `Storage`.
    pub fn remove(self) -> Result<(), FsError> {
        let failed = |error, path: PathBuf| {
            FsError::new(FsErrorKind::Storage, "cannot remove the checkpoint", path, Some(error))
        };
        self.locked.unlink().map_err(|error| failed(error, self.locked.path()))?;
        let synced = self.locked.dir.sync();
        synced.map(|_done| ()).map_err(|error| failed(error, self.locked.path()))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.locked.is_empty().unwrap_or(false) {
            let _litter = self.locked.unlink();
        }
    }
}

impl From<Form> for LeftoverRole {
    fn from(form: Form) -> Self {
        match form {
            Form::Checkpoint { destination, stem } => Self::Checkpoint { destination, stem },
            Form::Partial { destination, suffix } => Self::Partial { destination, suffix },
        }
    }
}
