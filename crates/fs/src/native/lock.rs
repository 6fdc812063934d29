//! The locked destination.

use super::acquire::{
    Acquired, Content, LockedFile, Trust, TryLock, acquire, give_mode, require_trusted,
};
use super::checkpoint::NativeCheckpoint;
use super::file::NativeFile;
use super::memory::MemoryCheckpoint;
use super::site::{Site, open_regular, require_regular, stat};
use super::sys::{self, Dir, DirSync, How, Kind, Stat};
use crate::{
    Caveat, CheckpointFile, DestinationLock, DestinationState, FsError, FsErrorKind, OpenedPartial,
    PartialFile, PublishMode, Syncing, Unfinished, Unusable,
};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How a destination is to be locked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) syncing: Syncing,
    pub(crate) umask: u32,
    pub(crate) try_lock: TryLock,
    pub(crate) unusable: Unusable,
    pub(crate) unfinished: Unfinished,
}

/// Takes the lock of `site`'s destination.
pub(crate) fn take(site: Site, terms: Terms) -> Result<Arc<dyn DestinationLock>, FsError> {
    let mut guard = Guard::new(Arc::clone(&site.dir));
    let beside = (&site.dir, site.names.lock());
    let elsewhere = site.side_dir.as_ref().map(|dir| (dir, site.checkpoint_name()));
    for (dir, name) in [Some(beside), elsewhere].into_iter().flatten() {
        match guard.hold(dir, &name, terms)? {
            Acquired::Locked(locked) => guard.locked.push(locked),
            Acquired::WithoutLocks => guard.note(Caveat::NoLocks),
        }
    }
    let side_by_side = site.side_dir.is_some();
    if guard.has(Caveat::NoLocks) {
        // Half a lock is none.
        guard.release();
    } else if side_by_side {
        guard.require_empty_lock_file()?;
    }
    let guard = Arc::new(guard);
    let checkpoint: Arc<dyn CheckpointFile> =
        match NativeCheckpoint::locked(Arc::clone(&guard), terms.syncing) {
            Some(checkpoint) => Arc::new(checkpoint),
            None => Arc::new(MemoryCheckpoint::new(
                site.checkpoint_dir().path().join(site.checkpoint_name()),
            )),
        };
    Ok(Arc::new(NativeLock { site, terms, checkpoint, guard }))
}

/// What is held: dropped when nobody can write any more.
#[derive(Debug)]
pub(crate) struct Guard {
    dir: Arc<Dir>,
    /// First the file beside the destination, then the checkpoint elsewhere if there is one.
    locked: Vec<LockedFile>,
    caveats: Mutex<Vec<Caveat>>,
    /// The names of partial files that are not published and that no checkpoint will find again.
    orphans: Mutex<Vec<OsString>>,
}

impl Guard {
    fn new(dir: Arc<Dir>) -> Self {
        Self { dir, locked: Vec::new(), caveats: Mutex::default(), orphans: Mutex::default() }
    }

    /// One around any file, for tests.
    #[cfg(test)]
    pub(crate) fn holding(site: &Site, file: File) -> Arc<Self> {
        let mut guard = Self::new(Arc::clone(&site.dir));
        let (dir, name) = (Arc::clone(&site.dir), site.names.lock());
        guard.locked.push(LockedFile { dir, name, file: Arc::new(file) });
        Arc::new(guard)
    }

    /// Locks a file that can be trusted. One that cannot makes room for a new one where that is
    /// wanted: only its name goes, and a regular file's only while its lock is held, so that it
    /// is no other run's. What cannot be opened may be locked by a run of its owner.
    fn hold(&self, dir: &Arc<Dir>, name: &OsStr, terms: Terms) -> Result<Acquired, FsError> {
        for _ in 0..REMOVALS {
            let (refused, held) = match acquire(dir, name, terms.try_lock) {
                Ok(Acquired::Locked(locked)) => match self.trust(&locked) {
                    Ok(()) => return Ok(Acquired::Locked(locked)),
                    Err(error) => (error, Some(locked)),
                },
                Err(error) => (error, None),
                without_locks => return without_locks,
            };
            if refused.kind() != FsErrorKind::Refused || terms.unusable == Unusable::Refuse {
                return Err(refused);
            }
            // A directory cannot be removed this way, and need not be: nobody made it by mistake.
            let removed = match held {
                Some(locked) => locked.unlink(),
                None if is_regular(dir, name)? => return Err(refused),
                None => dir.unlink(name),
            };
            if removed.is_err() {
                return Err(refused);
            }
        }
        let path = dir.path().join(name);
        Err(FsError::refused("refused: somebody keeps putting back", path))
    }

    fn trust(&self, locked: &LockedFile) -> Result<(), FsError> {
        let found = sys::stat(&locked.file)
            .map_err(|e| FsError::from_io("cannot examine", locked.path(), e))?;
        self.check(&locked.dir, &locked.name, &found, Content::Checkpoint)
    }

    fn check(
        &self,
        dir: &Dir,
        name: &OsStr,
        found: &Stat,
        content: Content,
    ) -> Result<(), FsError> {
        if require_trusted(dir, name, found, content)? == Trust::NoPermissions {
            self.note(Caveat::NoPermissions);
        }
        Ok(())
    }

    /// With the checkpoint elsewhere the file beside the destination is for the lock only. One
    /// with content is a checkpoint whose partial file would be forgotten if it were removed.
    fn require_empty_lock_file(&self) -> Result<(), FsError> {
        let Some(beside) = self.locked.first() else { return Ok(()) };
        let empty = beside.is_empty();
        if empty.map_err(|e| FsError::from_io("cannot examine", beside.path(), e))? {
            return Ok(());
        }
        let doing = "refused: a run without checkpoint directory left the checkpoint";
        Err(FsError::refused(doing, beside.path()))
    }

    /// Gives up what is locked and removes what holds nothing; a failure leaves litter only.
    fn release(&mut self) {
        // The checkpoint first: while the lock file is there nobody else comes in.
        for locked in self.locked.drain(..).rev() {
            if locked.is_empty().unwrap_or(false) {
                let _litter = locked.unlink();
            }
        }
    }

    /// The checkpoint, unless there is no lock.
    pub(crate) fn checkpoint(&self) -> Option<&LockedFile> {
        self.locked.last()
    }

    /// Syncs a directory, where that is possible.
    pub(crate) fn sync_dir(&self, dir: &Dir) -> io::Result<()> {
        if dir.sync()? == DirSync::Unsupported {
            self.note(Caveat::NoDirectorySync);
        }
        Ok(())
    }

    /// From now on a partial file is not to be removed with the lock.
    fn forget_orphan(&self, name: &OsStr) {
        held(&self.orphans).retain(|orphan| orphan != name);
    }

    /// Removes a partial file now that would be removed with the lock.
    fn remove_orphan(&self, name: &OsStr) {
        let mut orphans = held(&self.orphans);
        // Otherwise it is tried once more with the lock.
        orphans.retain(|orphan| orphan != name || self.dir.unlink(name).is_err());
    }

    fn note(&self, caveat: Caveat) {
        let mut caveats = held(&self.caveats);
        if !caveats.contains(&caveat) {
            caveats.push(caveat);
        }
    }

    fn has(&self, caveat: Caveat) -> bool {
        held(&self.caveats).contains(&caveat)
    }
}

impl Drop for Guard {
    /// Leaves no litter: neither a checkpoint that records nothing, nor the lock file that lies
    /// beside the destination only for the lock, nor what nobody can finish.
    /// A failure leaves that litter and nothing worse.
    fn drop(&mut self) {
        for orphan in held(&self.orphans).iter() {
            let _litter = self.dir.unlink(orphan);
        }
        self.release();
    }
}

/// A locked destination.
#[derive(Debug)]
struct NativeLock {
    site: Site,
    terms: Terms,
    checkpoint: Arc<dyn CheckpointFile>,
    guard: Arc<Guard>,
}

impl DestinationLock for NativeLock {
    fn caveats(&self) -> Vec<Caveat> {
        held(&self.guard.caveats).clone()
    }

    fn file_name(&self) -> &OsStr {
        self.site.names.destination()
    }

    fn canonical_destination(&self) -> PathBuf {
        self.site.destination()
    }

    fn is_checkpoint_elsewhere(&self) -> bool {
        self.site.side_dir.is_some()
    }

    fn destination(&self) -> Result<Option<DestinationState>, FsError> {
        let found = self.examine_destination()?;
        Ok(found.map(|found| DestinationState { id: found.id, len: found.len }))
    }

    fn open_destination(&self) -> Result<Option<Arc<dyn PartialFile>>, FsError> {
        let Some(file) = open_regular(&self.site.dir, self.file_name(), How::Read)? else {
            return Ok(None);
        };
        sys::advise_sequential(&file);
        Ok(Some(Arc::new(NativeFile::destination(
            file,
            Arc::clone(&self.site.dir),
            self.site.destination(),
            self.terms.syncing,
            Arc::clone(&self.guard),
        ))))
    }

    fn checkpoint(&self) -> Arc<dyn CheckpointFile> {
        Arc::clone(&self.checkpoint)
    }

    fn partial_name(&self, suffix: &str) -> OsString {
        self.site.names.partial(suffix)
    }

    fn is_partial_name(&self, name: &OsStr) -> bool {
        self.site.names.is_partial(name)
    }

    fn create_partial(&self, name: &OsStr, size: u64) -> Result<Arc<dyn PartialFile>, FsError> {
        let path = self.partial_path(name)?;
        let dir = &self.site.dir;
        let file = dir.open_file(name, How::CreateNew).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                FsError::new(FsErrorKind::Exists, "cannot create", &path, Some(error))
            }
            _ => FsError::from_io("cannot create", &path, error),
        })?;
        let made = sys::reserve(&file, size).and_then(|()| self.settle(|| file.sync_all()));
        if let Err(error) = made {
            // Space that was got in part goes back at once, whoever else has the file open.
            let _first_error_counts = file.set_len(0);
            let _first_error_counts = dir.unlink(name);
            return Err(FsError::from_io("cannot reserve space for", &path, error));
        }
        let unfinished = self.terms.unfinished;
        if unfinished == Unfinished::Remove || self.guard.has(Caveat::NoLocks) {
            held(&self.guard.orphans).push(name.to_owned());
        }
        Ok(Arc::new(self.partial_file(file, path)))
    }

    fn open_partial(&self, name: &OsStr) -> Result<Option<OpenedPartial>, FsError> {
        let path = self.partial_path(name)?;
        let Some((file, found)) = self.open_own(name, &path)? else { return Ok(None) };
        self.guard.check(&self.site.dir, name, &found, Content::Partial)?;
        sys::advise_sequential(&file);
        let file = Arc::new(self.partial_file(file, path));
        Ok(Some(OpenedPartial { file, id: found.id, len: found.len }))
    }

    fn remove_partial(&self, name: &OsStr) -> Result<(), FsError> {
        let path = self.partial_path(name)?;
        match self.site.dir.unlink(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => done.map_err(|e| FsError::from_io("cannot remove", &path, e))?,
        }
        self.guard.forget_orphan(name);
        // Also when nothing was there: an earlier run's removal may not have been synced.
        self.settle(|| Ok(())).map_err(|e| FsError::from_io("cannot sync the removal of", path, e))
    }

    fn publish(
        &self,
        partial: &dyn PartialFile,
        name: &OsStr,
        mode: PublishMode,
    ) -> Result<(), FsError> {
        let path = self.partial_path(name)?;
        let replaced = self.examine_destination()?;
        let exists = || {
            // Not left to the end of the lock: the process may end before it.
            self.guard.remove_orphan(name);
            FsError::new(FsErrorKind::Exists, EXISTS, self.site.destination(), None)
        };
        if replaced.is_some() && mode == PublishMode::CreateNew {
            return Err(exists());
        }
        self.prepare(partial, name, replaced.as_ref())?;
        let (dir, to) = (&self.site.dir, self.file_name());
        let renamed = match mode {
            PublishMode::Replace => dir.rename(name, to),
            PublishMode::CreateNew => dir.rename_new(name, to),
        };
        match renamed {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(exists()),
            done => {
                // Published, or kept where the error says.
                self.guard.forget_orphan(name);
                done.map_err(|e| FsError::from_io(KEPT, &path, e))?;
            }
        }
        self.settle(|| Ok(())).map_err(|e| {
            FsError::from_io(
                "published, but cannot make the name durable of",
                self.site.destination(),
                e,
            )
        })
    }

    fn remove_checkpoint(&self) -> Result<(), FsError> {
        for locked in self.guard.locked.iter().rev() {
            locked
                .unlink()
                .map_err(|e| FsError::from_io("cannot remove the checkpoint", locked.path(), e))?;
        }
        Ok(())
    }
}

impl NativeLock {
    fn examine_destination(&self) -> Result<Option<Stat>, FsError> {
        let found = stat(&self.site.dir, self.file_name())?;
        if let Some(found) = &found {
            require_regular(found, &self.site.destination())?;
        }
        Ok(found)
    }

    /// The path of a partial file, whose name may come from a file that anyone could edit.
    fn partial_path(&self, name: &OsStr) -> Result<PathBuf, FsError> {
        let path = self.site.dir.path().join(name);
        if self.is_partial_name(name) {
            return Ok(path);
        }
        Err(FsError::refused("refused: not a partial file of this destination:", path))
    }

    fn partial_file(&self, file: File, path: PathBuf) -> NativeFile {
        NativeFile::partial(file, path, self.terms.syncing, Arc::clone(&self.guard))
    }

    /// Opens a partial file for writing, also one that already has its final permissions and
    /// those of a file that nobody may write to.
    fn open_own(&self, name: &OsStr, path: &Path) -> Result<Option<(File, Stat)>, FsError> {
        let dir = &self.site.dir;
        let file = match open_regular(dir, name, How::ReadWrite) {
            Err(error) if error.is_permission_denied() => {
                let Some(file) = open_regular(dir, name, How::Read)? else { return Ok(None) };
                let found = sys::stat(&file);
                let found = found.map_err(|e| FsError::from_io("cannot examine", path, e))?;
                self.guard.check(dir, name, &found, Content::Partial)?;
                sys::set_mode(&file, 0o600)
                    .map_err(|e| FsError::from_io("cannot set permissions of", path, e))?;
                open_regular(dir, name, How::ReadWrite)?
            }
            opened => opened?,
        };
        let Some(file) = file else { return Ok(None) };
        let found = sys::stat(&file).map_err(|e| FsError::from_io("cannot examine", path, e))?;
        Ok(Some((file, found)))
    }

    /// Makes a change to a file (by `sync`) and then to the destination's directory durable.
    fn settle(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        match self.terms.syncing {
            Syncing::Full => sync().and_then(|()| self.guard.sync_dir(&self.site.dir)),
            Syncing::Skip => Ok(()),
        }
    }

    /// Gives the partial file its final permissions and makes it durable.
    ///
    /// The data are synced through `partial` itself, since only the descriptor that wrote them
    /// is sure to be told of a failed write-back; the second one opened here is for the
    /// permissions, and for making sure that the name still leads to the same file.
    fn prepare(
        &self,
        partial: &dyn PartialFile,
        name: &OsStr,
        replaced: Option<&Stat>,
    ) -> Result<(), FsError> {
        let path = self.partial_path(name)?;
        let (id, _) = partial.check()?;
        let named = self.open_own(name, &path)?;
        let Some((file, found)) = named.filter(|(_, found)| found.id == id) else {
            let doing = "somebody exchanged, while it was in use,";
            return Err(FsError::new(FsErrorKind::Storage, doing, path, None));
        };
        let wanted = replaced.map_or(0o666 & !self.terms.umask, |replaced| replaced.mode & 0o777);
        let given = give_mode(&file, &found, wanted)
            .map_err(|e| FsError::from_io("cannot set permissions of", &path, e))?;
        if given == Trust::NoPermissions {
            self.guard.note(Caveat::NoPermissions);
        }
        partial.sync_data()?;
        match self.terms.syncing {
            Syncing::Full => file.sync_all().map_err(|e| FsError::from_io("cannot sync", &path, e)),
            Syncing::Skip => Ok(()),
        }
    }
}

fn is_regular(dir: &Dir, name: &OsStr) -> Result<bool, FsError> {
    Ok(stat(dir, name)?.is_some_and(|found| found.kind == Kind::Regular))
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// More often than this only somebody who means harm puts something in the way.
const REMOVALS: usize = 10;
const EXISTS: &str = "something is already at";
const KEPT: &str = "cannot rename to the destination; the complete, verified file is kept at";
