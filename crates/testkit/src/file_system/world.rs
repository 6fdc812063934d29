//! The disk together with what runs on it: open files, locks, and what goes wrong.

use super::disk::Disk;
use super::fault::{Failing, Omission, Purpose};
use super::step::{Step, Target};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

/// Told of every step, on the thread that makes it and without any lock held: it may wait, and so
/// decide in which order threads come to the disk.
pub trait Observer: Send + Sync {
    /// A step is about to be made.
    fn before(&self, _step: &Step) {}

    /// A sync has begun: what is written from now on it does not cover.
    fn during(&self, _step: &Step) {}

    /// A step was made.
    fn after(&self, _step: &Step) {}
}

pub(super) struct Shared {
    world: Mutex<World>,
    closed: Condvar,
    observer: OnceLock<Arc<dyn Observer>>,
}

pub(super) struct World {
    pub(super) disk: Disk,
    open: BTreeMap<u64, usize>,
    locked: BTreeSet<u64>,
    pub(super) history: Option<Vec<(Step, Disk)>>,
    pub(super) steps: Vec<Step>,
    pub(super) omissions: Vec<Omission>,
    pub(super) failing: Vec<Failing>,
    pub(super) capacity: u64,
    /// Syncs that take effect later than they say.
    deferred: Vec<(u64, u64)>,
    /// Where the latest write of data began, and when its part's first byte was written.
    latest_part: Option<(u64, u64)>,
}

impl Shared {
    pub(super) fn new(disk: Disk) -> Self {
        let world = World {
            disk,
            open: BTreeMap::new(),
            locked: BTreeSet::new(),
            history: None,
            steps: Vec::new(),
            omissions: Vec::new(),
            failing: Vec::new(),
            capacity: u64::MAX,
            deferred: Vec::new(),
            latest_part: None,
        };
        Self { world: Mutex::new(world), closed: Condvar::new(), observer: OnceLock::new() }
    }

    pub(super) fn set_observer(&self, observer: Arc<dyn Observer>) {
        drop(self.observer.set(observer));
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wait_until_closed(&self) {
        let world = self.world();
        drop(self.closed.wait_while(world, |world| !world.is_closed()));
    }

    /// Makes one step, unless it is to fail.
    pub(super) fn step<T>(
        &self,
        step: Step,
        work: impl FnOnce(&mut World) -> io::Result<T>,
    ) -> io::Result<T> {
        self.observe(|observer| observer.before(&step));
        let mut world = self.world();
        let done = match world.begin(&step) {
            Some(error) => Err(error.into()),
            None => work(&mut world),
        };
        world.record(&step);
        drop(world);
        self.observe(|observer| observer.after(&step));
        done
    }

    /// Syncs a file. What is written while it runs is not covered.
    pub(super) fn sync_file(&self, step: Step, inode: u64, purpose: Purpose) -> io::Result<()> {
        self.observe(|observer| observer.before(&step));
        let (failure, begun) = {
            let mut world = self.world();
            let failure = world.begin(&step);
            world.record(&step);
            (failure, world.covered(&step))
        };
        self.observe(|observer| observer.during(&step));
        let mut world = self.world();
        if failure.is_some() {
            world.disk.drop_pending(inode, begun);
        } else if world.omissions.iter().any(|omission| omission.silences(&step, purpose)) {
        } else if world.defers(&step) {
            world.deferred.push((inode, begun));
        } else {
            world.disk.sync_file(inode, begun);
            if step.target == Target::Checkpoint {
                for (inode, begun) in std::mem::take(&mut world.deferred) {
                    world.disk.sync_file(inode, begun);
                }
            }
        }
        world.record(&step);
        drop(world);
        self.observe(|observer| observer.after(&step));
        failure.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Syncs the names of a directory.
    pub(super) fn sync_names(&self, step: Step, dir: usize, purpose: Purpose) -> io::Result<()> {
        self.step(step.clone(), |world| {
            if !world.omissions.iter().any(|omission| omission.silences(&step, purpose)) {
                world.disk.sync_names(dir);
                world.forget_unnamed();
            }
            Ok(())
        })
    }

    fn observe(&self, tell: impl FnOnce(&dyn Observer)) {
        if let Some(observer) = self.observer.get() {
            tell(observer.as_ref());
        }
    }
}

impl World {
    /// Notes that a step is made; the error if it is to fail.
    fn begin(&mut self, step: &Step) -> Option<io::ErrorKind> {
        let number = self.steps.len();
        self.steps.push(step.clone());
        self.failing.iter().find(|failing| failing.concerns(number)).map(|failing| failing.error)
    }

    fn record(&mut self, step: &Step) {
        if let Some(history) = &mut self.history {
            history.push((step.clone(), self.disk.clone()));
        }
    }

    /// The moment before which everything written is covered by a sync that begins now.
    fn covered(&self, step: &Step) -> u64 {
        let late = self.omissions.iter().any(|o| matches!(o, Omission::LastPartFromSync(_)));
        match self.latest_part {
            Some((_, made)) if late && step.target == Target::Partial => made,
            _ => self.disk.now(),
        }
    }

    fn defers(&self, step: &Step) -> bool {
        step.target == Target::Partial
            && self.omissions.contains(&Omission::DataSyncBeforeRecording)
    }

    /// Makes a file `len` bytes long if there is room for it. What room there is is taken all the
    /// same: the caller gives it back.
    pub(super) fn reserve(&mut self, inode: u64, len: u64) -> io::Result<()> {
        let now = self.disk.len(inode);
        if len <= now {
            return Ok(());
        }
        let room = self.capacity.saturating_sub(self.disk.reserved() - now);
        self.disk.set_len(inode, len.min(room).max(now));
        if len > room { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    pub(super) fn write(&mut self, inode: u64, bytes: &[u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(bytes.len() as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        self.reserve(inode, end)?;
        let part_len = self.omissions.iter().find_map(|omission| match omission {
            Omission::LastPartFromSync(len) => Some(*len),
            _ => None,
        });
        if let Some(len) = part_len {
            let start = offset - offset % len;
            if self.latest_part.is_none_or(|(latest, _)| latest != start) {
                self.latest_part = Some((start, self.disk.now()));
            }
        }
        self.disk.write_at(inode, bytes, offset);
        Ok(())
    }

    /// Takes a file's lock; `false` if it is held.
    pub(super) fn lock(&mut self, inode: u64) -> bool {
        self.locked.insert(inode)
    }

    pub(super) fn unlock(&mut self, inode: u64) {
        self.locked.remove(&inode);
    }

    pub(super) fn opened(&mut self, inode: u64) {
        *self.open.entry(inode).or_default() += 1;
    }

    fn closed(&mut self, inode: u64) {
        if let Some(times) = self.open.get_mut(&inode) {
            *times -= 1;
            if *times == 0 {
                self.open.remove(&inode);
                self.forget_unnamed();
            }
        }
    }

    fn forget_unnamed(&mut self) {
        let open = self.open.keys().copied().collect();
        self.disk.forget_unnamed(&open);
    }

    fn is_closed(&self) -> bool {
        self.open.is_empty() && self.locked.is_empty()
    }
}

/// An open file.
pub(super) struct Handle {
    pub(super) shared: Arc<Shared>,
    pub(super) inode: u64,
}

impl Handle {
    /// Opens a file that is there.
    pub(super) fn new(shared: &Arc<Shared>, inode: u64) -> Self {
        shared.world().opened(inode);
        Self { shared: Arc::clone(shared), inode }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.world().closed(self.inode);
        self.shared.closed.notify_all();
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("inode", &self.inode).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}
