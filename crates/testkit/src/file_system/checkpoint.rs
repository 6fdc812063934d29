//! The checkpoint file.

use super::fault::Purpose;
use super::file::{Poison, failed, set_reserved, truncate};
use super::lock::Guard;
use super::step::{Operation, Step, Target};
use ossget_fs::{CheckpointFile, FsError, FsErrorKind, Syncing};
use std::sync::Arc;

/// The checkpoint that a guard protects.
#[derive(Debug)]
pub(super) struct SimulatedCheckpoint {
    inode: u64,
    poison: Poison,
    guard: Arc<Guard>,
}

impl SimulatedCheckpoint {
    pub(super) fn new(guard: &Arc<Guard>) -> Self {
        let inode = guard.checkpoint().handle.inode;
        Self { inode, poison: Poison::default(), guard: Arc::clone(guard) }
    }
}

impl CheckpointFile for SimulatedCheckpoint {
    fn len(&self) -> Result<u64, FsError> {
        Ok(self.guard.shared.world().disk.len(self.inode))
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize, FsError> {
        Ok(self.guard.shared.world().disk.read_at(self.inode, buf, offset))
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> Result<(), FsError> {
        let path = self.guard.checkpoint_path();
        let end = offset.checked_add(buf.len() as u64);
        if end.is_none_or(|end| self.len().is_ok_and(|len| end > len)) {
            let doing = "cannot write beyond the reserved end of";
            return Err(FsError::new(FsErrorKind::Storage, doing, &path, None));
        }
        let step = Step::new(Operation::Write, Target::Checkpoint).at(offset);
        self.guard
            .shared
            .step(step, |world| world.write(self.inode, buf, offset))
            .map_err(|error| failed("cannot write to", &path, error))
    }

    fn reset(&self, len: u64) -> Result<(), FsError> {
        let shared = &self.guard.shared;
        let done = truncate(shared, Target::Checkpoint, self.inode, 0)
            .and_then(|()| set_reserved(shared, Target::Checkpoint, self.inode, len));
        done.map_err(|error| {
            let _first_error_counts = truncate(shared, Target::Checkpoint, self.inode, 0);
            failed("cannot reserve space for", &self.guard.checkpoint_path(), error)
        })
    }

    fn sync_data(&self) -> Result<(), FsError> {
        match self.guard.syncing {
            Syncing::Full => self.force_sync(),
            Syncing::Skip => Ok(()),
        }
    }

    fn force_sync(&self) -> Result<(), FsError> {
        self.sync(Operation::SyncData, Purpose::Asked)
    }

    fn sync_all(&self) -> Result<(), FsError> {
        if self.guard.syncing == Syncing::Skip {
            return Ok(());
        }
        self.sync(Operation::SyncAll, Purpose::Header)?;
        let path = self.guard.checkpoint_path();
        self.poison.sync(&path, || self.guard.sync_checkpoint_names())
    }
}

impl SimulatedCheckpoint {
    fn sync(&self, operation: Operation, purpose: Purpose) -> Result<(), FsError> {
        let step = Step::new(operation, Target::Checkpoint);
        self.poison.sync(&self.guard.checkpoint_path(), || {
            self.guard.shared.sync_file(step, self.inode, purpose)
        })
    }
}
