//! The partial file, and what stands at the destination.

use super::fault::Purpose;
use super::lock::Guard;
use super::step::{Operation, Step, Target};
use super::world::{Handle, Shared};
use ossget_fs::{AlignedBuf, DirectFile, FileId, FsError, FsErrorKind, PartialFile, Syncing};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Remembers that a write or a sync failed, as the machine's own file system does.
#[derive(Debug, Default)]
pub(super) struct Poison(OnceLock<io::ErrorKind>);

impl Poison {
    pub(super) fn sync(
        &self,
        path: &Path,
        sync: impl FnOnce() -> io::Result<()>,
    ) -> Result<(), FsError> {
        self.not_yet(path)?;
        self.note(sync()).map_err(|error| failed("cannot sync", path, error))?;
        self.not_yet(path)
    }

    fn note(&self, written: io::Result<()>) -> io::Result<()> {
        written.inspect_err(|error| {
            let _the_first_one_stays = self.0.set(error.kind());
        })
    }

    fn not_yet(&self, path: &Path) -> Result<(), FsError> {
        self.0.get().map_or(Ok(()), |&kind| {
            Err(failed("an earlier write or sync failed of", path, kind.into()))
        })
    }
}

/// An open data file.
#[derive(Debug)]
pub(super) struct SimulatedFile {
    handle: Handle,
    path: PathBuf,
    poison: Poison,
    syncing: Syncing,
    role: Role,
    guard: Arc<Guard>,
}

/// What an open data file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Partial,
    Destination,
}

impl SimulatedFile {
    pub(super) fn new(inode: u64, path: PathBuf, role: Role, guard: &Arc<Guard>) -> Self {
        Self {
            handle: Handle::new(&guard.shared, inode),
            path,
            poison: Poison::default(),
            syncing: guard.syncing,
            role,
            guard: Arc::clone(guard),
        }
    }

    fn shared(&self) -> &Shared {
        &self.handle.shared
    }

    fn require_writable(&self) -> Result<(), FsError> {
        match self.role {
            Role::Partial => Ok(()),
            Role::Destination => {
                let doing = "cannot write, open for reading only:";
                Err(FsError::new(FsErrorKind::Storage, doing, &self.path, None))
            }
        }
    }
}

impl PartialFile for SimulatedFile {
    fn write_all_at(&self, buf: &[u8], offset: u64) -> Result<(), FsError> {
        self.require_writable()?;
        let step = Step::new(Operation::Write, Target::Partial).at(offset);
        let inode = self.handle.inode;
        let written = self.shared().step(step, |world| world.write(inode, buf, offset));
        self.poison.note(written).map_err(|error| failed("cannot write to", &self.path, error))
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<(), FsError> {
        let read = self.shared().world().disk.read_at(self.handle.inode, buf, offset);
        if read == buf.len() {
            return Ok(());
        }
        Err(failed("cannot read", &self.path, io::ErrorKind::UnexpectedEof.into()))
    }

    fn direct(self: Arc<Self>) -> Option<Arc<dyn DirectFile>> {
        Some(self)
    }

    fn start_writeback(&self, offset: u64, _len: u64) {
        if self.syncing == Syncing::Full {
            let step = Step::new(Operation::WriteBack, Target::Partial).at(offset);
            let _only_a_hint = self.shared().step(step, |_| Ok(()));
        }
    }

    fn drop_cache(&self, _offset: u64, _len: u64) {}

    fn sync_data(&self) -> Result<(), FsError> {
        if self.syncing == Syncing::Skip {
            return Ok(());
        }
        let (shared, inode) = (self.shared(), self.handle.inode);
        match self.role {
            Role::Partial => self.poison.sync(&self.path, || {
                let step = Step::new(Operation::SyncData, Target::Partial);
                shared.sync_file(step, inode, Purpose::Asked)
            }),
            Role::Destination => {
                self.poison.sync(&self.path, || {
                    let step = Step::new(Operation::SyncAll, Target::Destination);
                    shared.sync_file(step, inode, Purpose::Found)
                })?;
                self.poison.sync(&self.path, || self.guard.sync_names(Purpose::Found))
            }
        }
    }

    fn resize(&self, size: u64) -> Result<(), FsError> {
        self.require_writable()?;
        let (shared, inode) = (self.shared(), self.handle.inode);
        let before = shared.world().disk.len(inode);
        set_reserved(shared, Target::Partial, inode, size).map_err(|error| {
            let _first_error_counts = truncate(shared, Target::Partial, inode, before);
            failed("cannot resize", &self.path, error)
        })?;
        if self.syncing == Syncing::Skip {
            return Ok(());
        }
        self.poison.sync(&self.path, || {
            let step = Step::new(Operation::SyncAll, Target::Partial);
            shared.sync_file(step, inode, Purpose::Resized)
        })
    }

    fn check(&self) -> Result<(FileId, u64), FsError> {
        let world = self.shared().world();
        if world.disk.links(self.handle.inode) == 0 {
            let doing = "somebody removed, while it was in use,";
            return Err(FsError::new(FsErrorKind::Storage, doing, &self.path, None));
        }
        Ok((id(self.handle.inode), world.disk.len(self.handle.inode)))
    }
}

/// Until a sync the drive may forget what was written to it as the system may what is in its cache.
impl DirectFile for SimulatedFile {
    fn write_all_at(&self, buf: &AlignedBuf, len: usize, offset: u64) -> Result<(), FsError> {
        PartialFile::write_all_at(self, &buf.bytes()[..len], offset)
    }
}

/// No birth time: nothing but the inode number tells files apart.
pub(super) const fn id(inode: u64) -> FileId {
    FileId { inode, device: 1, birth: 0 }
}

pub(super) fn failed(doing: &'static str, path: &Path, error: io::Error) -> FsError {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FsErrorKind::NoSpace,
        io::ErrorKind::FileTooLarge => FsErrorKind::TooLarge,
        _ => FsErrorKind::Storage,
    };
    FsError::new(kind, doing, path, Some(error))
}

pub(super) fn truncate(shared: &Shared, target: Target, inode: u64, len: u64) -> io::Result<()> {
    shared.step(Step::new(Operation::Truncate, target), |world| {
        world.disk.set_len(inode, len);
        Ok(())
    })
}

/// Makes a file `len` bytes long, all reserved.
pub(super) fn set_reserved(
    shared: &Shared,
    target: Target,
    inode: u64,
    len: u64,
) -> io::Result<()> {
    if shared.world().disk.len(inode) > len {
        truncate(shared, target.clone(), inode, len)?;
    }
    if len == 0 {
        return Ok(());
    }
    shared.step(Step::new(Operation::Reserve, target), |world| world.reserve(inode, len))
}
