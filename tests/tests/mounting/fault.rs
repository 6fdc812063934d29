//! What goes wrong on the disk, and when.

use super::model::Pages;
use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

/// What is asked of the file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    LookUp,
    Examine,
    List,
    Create,
    Remove,
    Rename,
    Read,
    Write,
    /// `fallocate`.
    Reserve,
    /// `ftruncate`.
    Resize,
    SetMode,
    Sync,
    Lock,
}

/// What a file is to a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Partial,
    Checkpoint,
    Destination,
    Directory,
    Other,
}

impl Role {
    pub(crate) fn of(name: &OsStr) -> Self {
        match Path::new(name).extension().and_then(OsStr::to_str) {
            Some("part") => Self::Partial,
            Some("ossget") => Self::Checkpoint,
            Some("bin") => Self::Destination,
            _ => Self::Other,
        }
    }
}

/// What becomes of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It fails with this error number, and nothing happens.
    Fail(i32),
    /// A sync fails with `EIO`, and what it was to write is lost for good.
    Lose(Pages),
    /// A sync succeeds, and nothing is durable.
    Lie,
    /// A sync takes this long.
    Delay(Duration),
    /// A write takes so many bytes at most.
    Short(usize),
    /// The power goes before it.
    Cut,
}

/// Something that goes wrong with some operations.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    effect: Effect,
    operations: &'static [Operation],
    role: Option<Role>,
    skip: u64,
    times: u64,
    hits: u64,
}

impl Fault {
    /// One that concerns every operation, once.
    pub(crate) fn new(effect: Effect) -> Self {
        Self { effect, operations: &[], role: None, skip: 0, times: 1, hits: 0 }
    }

    /// Concerns these operations only.
    pub(crate) fn on(self, operations: &'static [Operation]) -> Self {
        Self { operations, ..self }
    }

    /// Concerns files of this role only.
    pub(crate) fn of(self, role: Role) -> Self {
        Self { role: Some(role), ..self }
    }

    /// Spares so many of the operations that it concerns first.
    pub(crate) fn after(self, skip: u64) -> Self {
        Self { skip, ..self }
    }

    /// Comes about with so many of them.
    pub(crate) fn times(self, times: u64) -> Self {
        Self { times, ..self }
    }

    /// Comes about with all of them.
    pub(crate) fn always(self) -> Self {
        self.times(u64::MAX)
    }

    /// How often it came about.
    pub(crate) fn hits(&self) -> u64 {
        self.hits
    }

    /// What becomes of an operation, if this concerns it.
    pub(super) fn strike(&mut self, operation: Operation, role: Role) -> Option<Effect> {
        let concerned = self.operations.is_empty() || self.operations.contains(&operation);
        if !concerned || self.role.is_some_and(|wanted| wanted != role) {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        if self.hits >= self.times {
            return None;
        }
        self.hits += 1;
        Some(self.effect)
    }
}

/// What changes the disk, or when it is changed for good.
pub(crate) const CHANGES: &[Operation] = &[
    Operation::Create,
    Operation::Remove,
    Operation::Rename,
    Operation::Write,
    Operation::Reserve,
    Operation::Resize,
    Operation::SetMode,
    Operation::Sync,
];
