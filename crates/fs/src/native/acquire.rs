//! Taking a lock so that the locked file is the one its name leads to.

use super::site::{open_regular, stat};
use super::sys::{self, Dir, How, Stat};
use crate::{FsError, FsErrorKind};
use std::ffi::{OsStr, OsString};
use std::fs::{File, TryLockError};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// How a file is locked; tests put a file system without locks in its place.
pub(crate) type TryLock = fn(&File) -> Result<(), TryLockError>;

/// A file whose lock is held as long as it is open, and the name that leads to it.
#[derive(Debug)]
pub(crate) struct LockedFile {
    pub(crate) dir: Arc<Dir>,
    pub(crate) name: OsString,
    pub(crate) file: Arc<File>,
}

impl LockedFile {
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join(&self.name)
    }

    /// Removes the name if it still leads to the locked file.
    ///
    /// Whoever opened the file before and locks it after us finds that out by the same
    /// comparison and starts over, so nobody relies on a lock that no name leads to.
    pub(crate) fn unlink(&self) -> io::Result<()> {
        let ours = sys::stat(&self.file)?;
        match self.dir.stat(&self.name)? {
            Some(named) if named.id == ours.id => match self.dir.unlink(&self.name) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Whether nothing was ever written.
    pub(crate) fn is_empty(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.len() == 0)
    }
}

/// What came of trying to take a lock.
#[derive(Debug)]
pub(crate) enum Acquired {
    Locked(LockedFile),
    /// The file system has no locks.
    WithoutLocks,
}

/// Opens or creates `name` and locks it.
///
/// A finishing run removes the file while it holds the lock. Who opened it before that gets the
/// lock of a file without a name, and a third run the lock of a new one: hence the comparison
/// after locking, and another try until both are one file.
pub(crate) fn acquire(
    dir: &Arc<Dir>,
    name: &OsStr,
    try_lock: TryLock,
) -> Result<Acquired, FsError> {
    let path = dir.path().join(name);
    let failed = |error| FsError::from_io("cannot lock", &path, error);
    for _ in 0..EXCHANGES {
        let Some(file) = open_regular(dir, name, How::Create)? else { continue };
        match lock_patiently(&file, try_lock) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(FsError::new(FsErrorKind::Locked, "another run holds", &path, None));
            }
            Err(TryLockError::Error(error)) if sys::is_without_locks(&error) => {
                remove_if_empty(dir, name, &file);
                return Ok(Acquired::WithoutLocks);
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let ours = sys::stat(&file).map_err(failed)?;
        if stat(dir, name)?.is_some_and(|named| named.id == ours.id) {
            let name = name.to_owned();
            return Ok(Acquired::Locked(LockedFile {
                dir: Arc::clone(dir),
                name,
                file: Arc::new(file),
            }));
        }
    }
    Err(FsError::new(FsErrorKind::Locked, "other runs keep exchanging", &path, None))
}

/// Whether owners and permissions in a directory can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    Checked,
    /// The file system makes them up (SMB, vfat, WSL mounts).
    NoPermissions,
}

/// What a file is, which decides how much of it is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Lock and checkpoint: believed as far as they validate themselves.
    Checkpoint,
    /// Hashed again before it is believed, and has its final permissions already when a run dies
    /// just before publishing: those that the user's mask allows to a group do not matter.
    Partial,
}

/// Refuses a file that somebody else could have written or may still write.
pub(crate) fn require_trusted(
    dir: &Dir,
    name: &OsStr,
    found: &Stat,
    content: Content,
) -> Result<Trust, FsError> {
    let path = dir.path().join(name);
    if found.links > 1 {
        return Err(FsError::refused("refused: more than one name leads to", &path));
    }
    let refusal = if found.owner != sys::effective_owner() {
        FsError::foreign(&path, found.owner)
    } else if content == Content::Checkpoint && found.mode & 0o022 != 0 {
        FsError::refused("refused: other users may write to", &path)
    } else {
        return Ok(Trust::Checked);
    };
    match keeps_permissions(dir) {
        Ok(false) => Ok(Trust::NoPermissions),
        // Where no file can be created nothing else will work either; the doubt stands.
        Ok(true) | Err(_) => Err(refusal),
    }
}

/// Gives a file of ours its final permissions.
///
/// Created with 0600 and never changed: it says something else only where the file system makes
/// permissions up, and there they cannot be set either.
pub(crate) fn give_mode(file: &File, found: &Stat, wanted: u32) -> io::Result<Trust> {
    match sys::set_mode(file, wanted) {
        Err(_) if found.mode & 0o777 != 0o600 => Ok(Trust::NoPermissions),
        done => done.map(|()| Trust::Checked),
    }
}

/// Whether a file just created with mode 0600 comes out as ours and with that mode.
fn keeps_permissions(dir: &Dir) -> io::Result<bool> {
    static SERIAL: AtomicU64 = AtomicU64::new(0);
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let probe = OsString::from(format!(".ossget-probe.{}.{serial}", std::process::id()));
    let file = dir.open_file(&probe, How::CreateNew)?;
    let found = sys::stat(&file);
    dir.unlink(&probe)?;
    let found = found?;
    Ok(found.owner == sys::effective_owner() && found.mode & 0o777 == 0o600)
}

/// Tries for a few milliseconds: looking at a checkpoint takes its lock for an instant.
fn lock_patiently(file: &File, try_lock: TryLock) -> Result<(), TryLockError> {
    for _ in 0..PATIENCE {
        match try_lock(file) {
            Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
            done => return done,
        }
    }
    try_lock(file)
}

/// Without locks the file is of no use; one with content is an earlier run's and stays.
fn remove_if_empty(dir: &Arc<Dir>, name: &OsStr, file: &File) {
    if file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
        // Left in place it is litter, no more.
        let _litter = dir.unlink(name);
    }
}

/// More often than this the name is exchanged by nobody who means well.
const EXCHANGES: usize = 100;
const PATIENCE: usize = 5;
const PAUSE: Duration = Duration::from_millis(4);
