//! The lock, and everything that is done under it, in the steps of the machine's own file system.

use super::checkpoint::SimulatedCheckpoint;
use super::disk::FileKind;
use super::fault::Purpose;
use super::file::{Role, SimulatedFile, failed, id, set_reserved, truncate};
use super::step::{Operation, Step, Target};
use super::world::{Handle, Shared};
use ossget_fs::{
    CheckpointFile, DestinationLock, DestinationState, FsError, FsErrorKind, OpenedPartial,
    PartialFile, Place, PublishMode, Syncing, Unfinished,
};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Takes the lock of a destination.
pub(super) fn take(
    shared: &Arc<Shared>,
    place: &Place,
    syncing: Syncing,
) -> Result<Arc<dyn DestinationLock>, FsError> {
    let path = &place.destination;
    let refused = || FsError::new(FsErrorKind::Refused, "refused: not a file's name:", path, None);
    let name = path.file_name().and_then(OsStr::to_str).ok_or_else(refused)?;
    let beside = path.parent().unwrap_or_else(|| Path::new("")).to_owned();
    let elsewhere = place.checkpoint_dir.clone().filter(|dir| *dir != beside);
    let mut guard = Guard {
        shared: Arc::clone(shared),
        syncing,
        dir: shared.world().disk.dir(&beside),
        path: beside.clone(),
        name: name.to_owned(),
        locked: Vec::new(),
        unfinished: place.unfinished,
        orphans: Mutex::default(),
    };
    guard.acquire(beside, format!(".{name}.ossget"))?;
    if let Some(elsewhere) = elsewhere {
        guard.acquire(elsewhere, format!(".{name}.elsewhere.ossget"))?;
        guard.require_empty_lock_file()?;
    }
    let guard = Arc::new(guard);
    let checkpoint = Arc::new(SimulatedCheckpoint::new(&guard));
    Ok(Arc::new(SimulatedLock { name: name.into(), checkpoint, guard }))
}

/// What is held: dropped when nobody can write any more.
#[derive(Debug)]
pub(super) struct Guard {
    pub(super) shared: Arc<Shared>,
    pub(super) syncing: Syncing,
    dir: usize,
    path: PathBuf,
    name: String,
    /// First the file beside the destination, then the checkpoint elsewhere if there is one.
    locked: Vec<Locked>,
    unfinished: Unfinished,
    /// The names of partial files that are not published and that no checkpoint will find again.
    orphans: Mutex<Vec<String>>,
}

/// A locked file and the name that leads to it.
#[derive(Debug)]
pub(super) struct Locked {
    pub(super) handle: Handle,
    dir: usize,
    path: PathBuf,
    name: String,
}

impl Guard {
    fn acquire(&mut self, path: PathBuf, name: String) -> Result<(), FsError> {
        let dir = self.shared.world().disk.dir(&path);
        let full = path.join(&name);
        let inode = self
            .shared
            .step(Step::new(Operation::Create, Target::Checkpoint), |world| {
                let found = world.disk.lookup(dir, &name);
                Ok(found.unwrap_or_else(|| world.disk.create(dir, &name, FileKind::Checkpoint)))
            })
            .map_err(|error| {
                failed("cannot create or open the lock and checkpoint file", &full, error)
            })?;
        let handle = Handle::new(&self.shared, inode);
        if !self.shared.world().lock(inode) {
            return Err(FsError::new(FsErrorKind::Locked, "another run holds", &full, None));
        }
        self.locked.push(Locked { handle, dir, path, name });
        Ok(())
    }

    fn require_empty_lock_file(&self) -> Result<(), FsError> {
        let beside = &self.locked[0];
        if self.shared.world().disk.len(beside.handle.inode) == 0 {
            return Ok(());
        }
        let doing = "refused: a run without checkpoint directory left the checkpoint";
        let path = beside.path.join(&beside.name);
        Err(FsError::new(FsErrorKind::Refused, doing, path, None))
    }

    /// The checkpoint.
    pub(super) fn checkpoint(&self) -> &Locked {
        self.locked.last().expect("something is locked")
    }

    pub(super) fn checkpoint_path(&self) -> PathBuf {
        let locked = self.checkpoint();
        locked.path.join(&locked.name)
    }

    /// Syncs the destination's directory.
    pub(super) fn sync_names(&self, purpose: Purpose) -> io::Result<()> {
        let step = Step::new(Operation::SyncAll, directory(&self.path));
        self.shared.sync_names(step, self.dir, purpose)
    }

    /// Syncs the checkpoint's directory.
    pub(super) fn sync_checkpoint_names(&self) -> io::Result<()> {
        let locked = self.checkpoint();
        let step = Step::new(Operation::SyncAll, directory(&locked.path));
        self.shared.sync_names(step, locked.dir, Purpose::Header)
    }

    fn unlink_partial(&self, name: &str) -> io::Result<()> {
        self.shared.step(Step::new(Operation::Remove, Target::Partial), |world| {
            world.disk.unlink(self.dir, name);
            Ok(())
        })
    }

    fn orphans(&self) -> MutexGuard<'_, Vec<String>> {
        self.orphans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget_orphan(&self, name: &str) {
        self.orphans().retain(|orphan| orphan != name);
    }

    fn remove_orphan(&self, name: &str) {
        self.orphans().retain(|orphan| orphan != name || self.unlink_partial(name).is_err());
    }

    fn unlink(&self, locked: &Locked) -> io::Result<()> {
        let named = self.shared.world().disk.lookup(locked.dir, &locked.name);
        if named != Some(locked.handle.inode) {
            return Ok(());
        }
        self.shared.step(Step::new(Operation::Remove, Target::Checkpoint), |world| {
            world.disk.unlink(locked.dir, &locked.name);
            Ok(())
        })
    }
}

impl Drop for Guard {
    /// Removes what nobody can finish and what holds nothing, the checkpoint first, and gives up
    /// the locks.
    fn drop(&mut self) {
        for orphan in self.orphans().iter() {
            let _litter = self.unlink_partial(orphan);
        }
        while let Some(locked) = self.locked.pop() {
            let inode = locked.handle.inode;
            if self.shared.world().disk.len(inode) == 0 {
                let _litter = self.unlink(&locked);
            }
            self.shared.world().unlock(inode);
        }
    }
}

/// A locked destination.
#[derive(Debug)]
struct SimulatedLock {
    name: OsString,
    checkpoint: Arc<SimulatedCheckpoint>,
    guard: Arc<Guard>,
}

impl DestinationLock for SimulatedLock {
    fn file_name(&self) -> &OsStr {
        &self.name
    }

    fn canonical_destination(&self) -> PathBuf {
        self.guard.path.join(&self.name)
    }

    fn is_checkpoint_elsewhere(&self) -> bool {
        self.guard.locked.len() > 1
    }

    fn destination(&self) -> Result<Option<DestinationState>, FsError> {
        let world = self.guard.shared.world();
        let found = world.disk.lookup(self.guard.dir, &self.guard.name);
        Ok(found.map(|inode| DestinationState { id: id(inode), len: world.disk.len(inode) }))
    }

    fn open_destination(&self) -> Result<Option<Arc<dyn PartialFile>>, FsError> {
        let Some(inode) = self.lookup(&self.guard.name) else { return Ok(None) };
        let path = self.canonical_destination();
        Ok(Some(Arc::new(SimulatedFile::new(inode, path, Role::Destination, &self.guard))))
    }

    fn checkpoint(&self) -> Arc<dyn CheckpointFile> {
        Arc::clone(&self.checkpoint) as Arc<dyn CheckpointFile>
    }

    fn partial_name(&self, suffix: &str) -> OsString {
        format!("{}.{suffix}.part", self.guard.name).into()
    }

    fn is_partial_name(&self, name: &OsStr) -> bool {
        let suffix = name.to_str().and_then(|name| {
            name.strip_prefix(self.guard.name.as_str())?.strip_prefix('.')?.strip_suffix(".part")
        });
        suffix.is_some_and(|suffix| {
            suffix.len() == 16 && suffix.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'))
        })
    }

    fn create_partial(&self, name: &OsStr, size: u64) -> Result<Arc<dyn PartialFile>, FsError> {
        let (name, path) = self.partial(name)?;
        let (shared, dir) = (&self.guard.shared, self.guard.dir);
        let inode = shared
            .step(Step::new(Operation::Create, Target::Partial), |world| {
                if world.disk.lookup(dir, name).is_some() {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                Ok(world.disk.create(dir, name, FileKind::Data))
            })
            .map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => {
                    FsError::new(FsErrorKind::Exists, "cannot create", &path, Some(error))
                }
                _ => failed("cannot create", &path, error),
            })?;
        let file = SimulatedFile::new(inode, path.clone(), Role::Partial, &self.guard);
        let made = set_reserved(shared, Target::Partial, inode, size).and_then(|()| {
            self.settle(Purpose::Created, || {
                let step = Step::new(Operation::SyncAll, Target::Partial);
                shared.sync_file(step, inode, Purpose::Created)
            })
        });
        if let Err(error) = made {
            let _first_error_counts = truncate(shared, Target::Partial, inode, 0);
            let _first_error_counts = self.guard.unlink_partial(name);
            return Err(failed("cannot reserve space for", &path, error));
        }
        if self.guard.unfinished == Unfinished::Remove {
            self.guard.orphans().push(name.to_owned());
        }
        Ok(Arc::new(file))
    }

    fn open_partial(&self, name: &OsStr) -> Result<Option<OpenedPartial>, FsError> {
        let (name, path) = self.partial(name)?;
        let Some(inode) = self.lookup(name) else { return Ok(None) };
        let file = Arc::new(SimulatedFile::new(inode, path, Role::Partial, &self.guard));
        let len = self.guard.shared.world().disk.len(inode);
        Ok(Some(OpenedPartial { file, id: id(inode), len }))
    }

    fn remove_partial(&self, name: &OsStr) -> Result<(), FsError> {
        let (name, path) = self.partial(name)?;
        let removed = self.guard.unlink_partial(name);
        removed.map_err(|error| failed("cannot remove", &path, error))?;
        self.guard.forget_orphan(name);
        self.settle(Purpose::Removed, || Ok(()))
            .map_err(|error| failed("cannot sync the removal of", &path, error))
    }

    fn publish(
        &self,
        partial: &dyn PartialFile,
        name: &OsStr,
        mode: PublishMode,
    ) -> Result<(), FsError> {
        let (name, path) = self.partial(name)?;
        let to = self.canonical_destination();
        let exists = || {
            self.guard.remove_orphan(name);
            FsError::new(FsErrorKind::Exists, "something is already at", &to, None)
        };
        if self.lookup(&self.guard.name).is_some() && mode == PublishMode::CreateNew {
            return Err(exists());
        }
        let (id, _) = partial.check()?;
        let Some(inode) = self.lookup(name).filter(|inode| *inode == id.inode) else {
            let doing = "somebody exchanged, while it was in use,";
            return Err(FsError::new(FsErrorKind::Storage, doing, &path, None));
        };
        let shared = &self.guard.shared;
        shared
            .step(Step::new(Operation::SetMode, Target::Partial), |_| Ok(()))
            .map_err(|error| failed("cannot set permissions of", &path, error))?;
        partial.sync_data()?;
        if self.guard.syncing == Syncing::Full {
            let step = Step::new(Operation::SyncAll, Target::Partial);
            shared
                .sync_file(step, inode, Purpose::Published)
                .map_err(|error| failed("cannot sync", &path, error))?;
        }
        match self.rename(name, mode) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(exists()),
            done => {
                self.guard.forget_orphan(name);
                done.map_err(|error| failed(KEPT, &path, error))?;
            }
        }
        self.settle(Purpose::Published, || Ok(()))
            .map_err(|error| failed("published, but cannot make the name durable of", &to, error))
    }

    fn remove_checkpoint(&self) -> Result<(), FsError> {
        for locked in self.guard.locked.iter().rev() {
            self.guard.unlink(locked).map_err(|error| {
                failed("cannot remove the checkpoint", &locked.path.join(&locked.name), error)
            })?;
        }
        Ok(())
    }
}

impl SimulatedLock {
    fn lookup(&self, name: &str) -> Option<u64> {
        self.guard.shared.world().disk.lookup(self.guard.dir, name)
    }

    fn partial<'a>(&self, name: &'a OsStr) -> Result<(&'a str, PathBuf), FsError> {
        let path = self.guard.path.join(name);
        match name.to_str() {
            Some(text) if self.is_partial_name(name) => Ok((text, path)),
            _ => {
                let doing = "refused: not a partial file of this destination:";
                Err(FsError::new(FsErrorKind::Refused, doing, path, None))
            }
        }
    }

    fn rename(&self, from: &str, mode: PublishMode) -> io::Result<()> {
        let (dir, to) = (self.guard.dir, &self.guard.name);
        let operation = match mode {
            PublishMode::Replace => Operation::Rename,
            PublishMode::CreateNew => Operation::RenameNew,
        };
        self.guard.shared.step(Step::new(operation, Target::Partial), |world| {
            if mode == PublishMode::CreateNew && world.disk.lookup(dir, to).is_some() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            world.disk.rename(dir, from, to);
            Ok(())
        })
    }

    fn settle(&self, purpose: Purpose, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        match self.guard.syncing {
            Syncing::Full => sync().and_then(|()| self.guard.sync_names(purpose)),
            Syncing::Skip => Ok(()),
        }
    }
}

fn directory(path: &Path) -> Target {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    Target::Directory(name.into())
}

const KEPT: &str = "cannot rename to the destination; the complete, verified file is kept at";
