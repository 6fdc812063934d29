//! A file system in memory on which machines crash.
//!
//! [`SimulatedFileSystem`] does what the machine's own file system does, in the same steps and in
//! the same order, on a [`Disk`] that keeps apart what programs see and what is durable. It is as
//! pessimistic as a disk can be: of what was not synced any part may persist, sector by sector,
//! name by name, length by length; sectors being written may come back torn, as garbage or as what
//! their block held in another life; inode numbers are used again at once, and no file has a birth
//! time that could tell two files apart.
//!
//! Between any two [`Step`]s the disk can be kept ([`SimulatedFileSystem::recording`]). A copy is
//! what a kill leaves; [`Disk::outcomes`] tells every state that a power cut can leave.
//!
//! ```
//! use ossget_fs::{FileSystem, Place, PublishMode, Syncing};
//! use ossget_testkit::file_system::{Damage, SimulatedFileSystem};
//!
//! let fs = SimulatedFileSystem::new().recording();
//! let lock = fs.lock(&Place::new("/data/a.bin"), Syncing::Full)?;
//! let name = lock.partial_name("abcdefghijklmnop");
//! let partial = lock.create_partial(&name, 5)?;
//! partial.write_all_at(b"hello", 0)?;
//! lock.publish(&*partial, &name, PublishMode::Replace)?;
//! for (step, disk) in fs.history() {
//!     // Whatever is cut off after this step: the file is whole or not there.
//!     disk.outcomes(&Damage::default()).for_each(|image| {
//!         let found = disk.restarted(image).read("/data/a.bin");
//!         assert!(found.is_none_or(|bytes| bytes == b"hello"), "{step}");
//!     });
//! }
//! # Ok::<(), ossget_fs::FsError>(())
//! ```

mod checkpoint;
mod crash;
mod disk;
mod fault;
mod file;
mod lock;
mod names;
mod sectors;
mod step;
mod world;

pub use crash::{Damage, Image, ImageFile, Outcomes, Stale, Unit, UnitId, Value};
pub use disk::{Disk, FileKind, SectorSizes};
pub use fault::{Failing, Omission};
pub use names::Names;
pub use sectors::{SectorId, Sectors};
pub use step::{Operation, Step, Target};
pub use world::Observer;

use ossget_fs::{DestinationLock, FileSystem, FsError, Place, Syncing};
use std::fmt;
use std::sync::Arc;
use world::Shared;

/// A file system in memory. See the [module](self).
///
/// Clones are one file system.
#[derive(Clone)]
pub struct SimulatedFileSystem {
    shared: Arc<Shared>,
}

impl SimulatedFileSystem {
    /// One with an empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::on(Disk::new(SectorSizes::default()))
    }

    /// One on a disk as an earlier run left it. No file is locked or open.
    #[must_use]
    pub fn on(disk: Disk) -> Self {
        Self { shared: Arc::new(Shared::new(disk)) }
    }

    /// Keeps the disk after every step, for [`SimulatedFileSystem::history`].
    #[must_use]
    pub fn recording(self) -> Self {
        self.shared.world().history = Some(Vec::new());
        self
    }

    /// Tells `observer` of every step.
    #[must_use]
    pub fn observed(self, observer: Arc<dyn Observer>) -> Self {
        self.shared.set_observer(observer);
        self
    }

    /// Leaves something out that a safe file system does.
    #[must_use]
    pub fn without(self, omission: Omission) -> Self {
        self.shared.world().omissions.push(omission);
        self
    }

    /// Makes a step fail.
    #[must_use]
    pub fn failing(self, failing: Failing) -> Self {
        self.shared.world().failing.push(failing);
        self
    }

    /// Gives the disk room for so many bytes.
    #[must_use]
    pub fn capacity(self, bytes: u64) -> Self {
        self.shared.world().capacity = bytes;
        self
    }

    /// The disk as it is now.
    #[must_use]
    pub fn disk(&self) -> Disk {
        self.shared.world().disk.clone()
    }

    /// Every step so far with the disk after it, if it was asked for before. A sync stands there
    /// twice: when it began, which changes nothing, and when it ended.
    #[must_use]
    pub fn history(&self) -> Vec<(Step, Disk)> {
        self.shared.world().history.clone().unwrap_or_default()
    }

    /// The steps so far, each once.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        self.shared.world().steps.clone()
    }

    /// Waits until no lock is held and no file is open any more.
    pub fn wait_until_closed(&self) {
        self.shared.wait_until_closed();
    }
}

impl Default for SimulatedFileSystem {
    fn default() -> Self {
        Self::new()
    }
}

impl FileSystem for SimulatedFileSystem {
    fn lock(&self, place: &Place, syncing: Syncing) -> Result<Arc<dyn DestinationLock>, FsError> {
        lock::take(&self.shared, place, syncing)
    }
}

impl fmt::Debug for SimulatedFileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedFileSystem").finish_non_exhaustive()
    }
}
