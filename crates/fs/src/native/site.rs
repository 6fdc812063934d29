//! Where everything that goes with one destination lies.

use super::names::Names;
use super::sys::{self, Dir, How, Kind, Stat};
use crate::{FsError, Place};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A destination's opened directory (and the checkpoint's), and the names in it.
#[derive(Debug)]
pub(crate) struct Site {
    /// The directory of the destination, of the partial file and of the lock.
    pub(crate) dir: Arc<Dir>,
    /// The checkpoint's directory where that is another one.
    pub(crate) side_dir: Option<Arc<Dir>>,
    pub(crate) names: Names,
}

impl Site {
    /// Opens the directories and refuses what may not be a destination.
    pub(crate) fn resolve(place: &Place) -> Result<Self, FsError> {
        let (dir, name) = open_parent(&place.destination)?;
        let (dir, name) = match stat(&dir, &name)? {
            Some(found) if found.kind == Kind::Symlink && place.follow_symlink => {
                let target = std::fs::canonicalize(&place.destination).map_err(|e| {
                    FsError::from_io("cannot resolve the symbolic link", &place.destination, e)
                })?;
                open_parent(&target)?
            }
            _ => (dir, name),
        };
        // Once only: what the resolved path leads to by now must not be a link again.
        if let Some(found) = stat(&dir, &name)? {
            require_regular(&found, &dir.path().join(&name))?;
        }
        let names = Names::new(&name, &dir.path().join(&name));
        let side_dir = open_side_dir(place.checkpoint_dir.as_deref(), &dir)?;
        Ok(Self { dir: Arc::new(dir), side_dir, names })
    }

    /// The directory in which the checkpoint lies.
    pub(crate) fn checkpoint_dir(&self) -> &Arc<Dir> {
        self.side_dir.as_ref().unwrap_or(&self.dir)
    }

    /// The name of the checkpoint in [`Site::checkpoint_dir`].
    pub(crate) fn checkpoint_name(&self) -> OsString {
        match self.side_dir {
            Some(_) => self.names.checkpoint_elsewhere(),
            None => self.names.lock(),
        }
    }

    /// The destination's canonical path.
    pub(crate) fn destination(&self) -> PathBuf {
        self.dir.path().join(self.names.destination())
    }
}

/// What `name` in `dir` is, links not followed.
pub(crate) fn stat(dir: &Dir, name: &OsStr) -> Result<Option<Stat>, FsError> {
    dir.stat(name).map_err(|e| FsError::from_io("cannot examine", dir.path().join(name), e))
}

/// Refuses everything but a regular file.
pub(crate) fn require_regular(found: &Stat, path: &Path) -> Result<(), FsError> {
    let doing = match found.kind {
        Kind::Regular => return Ok(()),
        Kind::Directory => "refused to use as a file the directory",
        Kind::Symlink => "refused to use the symbolic link",
        Kind::Special => "refused to use the device, FIFO or socket",
    };
    Err(FsError::refused(doing, path))
}

/// Opens `name` if it is there, refusing everything but a regular file.
///
/// What is there is examined before it is opened, since opening alone does something to a
/// device, and again after, since it may have been exchanged in between.
pub(crate) fn open_regular(dir: &Dir, name: &OsStr, how: How) -> Result<Option<File>, FsError> {
    let path = dir.path().join(name);
    let before = stat(dir, name)?;
    if let Some(found) = &before {
        require_regular(found, &path)?;
    } else if how != How::Create {
        return Ok(None);
    }
    let file = match dir.open_file(name, how) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound && how != How::Create => {
            return Ok(None);
        }
        Err(error) if sys::is_link_error(&error) => {
            return Err(FsError::refused("refused to use the symbolic link", &path));
        }
        Err(error) => return Err(cannot_open(error, how, before.as_ref(), &path)),
    };
    let found = sys::stat(&file).map_err(|e| FsError::from_io("cannot examine", &path, e))?;
    require_regular(&found, &path)?;
    Ok(Some(file))
}

fn cannot_open(error: io::Error, how: How, found: Option<&Stat>, path: &Path) -> FsError {
    let foreign = found.filter(|found| found.owner != sys::effective_owner());
    if let Some(found) = foreign
        && how != How::Read
        && error.kind() == io::ErrorKind::PermissionDenied
    {
        return FsError::foreign(path, found.owner);
    }
    let doing = match how {
        How::Create => "cannot create or open the lock and checkpoint file",
        _ => "cannot open",
    };
    FsError::from_io(doing, path, error)
}

fn open_parent(destination: &Path) -> Result<(Dir, OsString), FsError> {
    // `Path` overlooks what follows the last component; the user who wrote it meant a directory.
    let bytes = destination.as_os_str().as_encoded_bytes();
    let named = !bytes.ends_with(b"/") && !bytes.ends_with(b"/.");
    let (Some(name), true) = (destination.file_name(), named) else {
        return Err(FsError::refused("refused: not a file's name:", destination));
    };
    let parent = match destination.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let dir = Dir::open(parent)
        .map_err(|e| FsError::from_io("cannot open the destination's directory", parent, e))?;
    Ok((dir, name.to_owned()))
}

fn open_side_dir(path: Option<&Path>, beside: &Dir) -> Result<Option<Arc<Dir>>, FsError> {
    let Some(path) = path else { return Ok(None) };
    let doing = "cannot open the checkpoint directory";
    let dir = Dir::open(path).map_err(|e| FsError::from_io(doing, path, e))?;
    let same = dir.is_same(beside).map_err(|e| FsError::from_io(doing, path, e))?;
    // The destination's own directory, given explicitly: checkpoint and lock are one file again.
    Ok((!same).then(|| Arc::new(dir)))
}
