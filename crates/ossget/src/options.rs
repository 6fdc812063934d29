//! What a download can be asked to do differently.

use crate::Checksum;
use ossget_core::session::{CrcPolicy, OnChange, Recording, ResumeVerify};
use ossget_core::{ExtentRequest, PartSize};
use ossget_fs::Syncing;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How many ranges of one object are in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Parallel {
    /// As many as pay, found by trial: 8 at first, 2 at least, 32 at most.
    #[default]
    Auto,
    /// Exactly so many, as long as there is enough to fetch.
    Fixed(NonZeroU32),
}

/// Where so many connections are not enough, more mostly cost memory and the service's patience.
const MOST: NonZeroU32 = NonZeroU32::MIN.saturating_add(31);

/// Eight fill a gigabit link at 20 ms and 16 MiB of window each.
const AT_FIRST: u32 = 8;

/// As few as the search for the right number ever tries.
const LEAST: u32 = 2;

/// Bytes a second of the slowest connection that a user can ask the service for (OSS documentation,
/// "Single-connection bandwidth throttling").
const SLOWEST: u64 = 100 << 10;

impl Parallel {
    /// The most there may be.
    pub(crate) const fn most(self) -> NonZeroU32 {
        match self {
            Self::Auto => MOST,
            Self::Fixed(limit) => limit,
        }
    }

    /// How many to begin with where their number is to be found and no more than so many bytes
    /// may come in a second.
    pub(crate) fn at_first(self, bandwidth: Option<NonZeroU64>) -> Option<NonZeroU32> {
        let Self::Auto = self else { return None };
        let enough = bandwidth.map_or(u64::MAX, |bandwidth| bandwidth.get().div_ceil(SLOWEST));
        NonZeroU32::new(u32::try_from(enough).map_or(AT_FIRST, |it| it.clamp(LEAST, AT_FIRST)))
    }
}

/// What a download survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// A power cut: success means that the file is on the disk.
    #[default]
    Full,
    /// The end of the process, but not a power cut: nothing is synced.
    Process,
    /// Nothing: there is no checkpoint either.
    None,
}

/// Whether the partial file is written past the system's page cache.
///
/// That costs less of the processor's time, and what others have in the cache stays there; but
/// what was downloaded is not in it either, and it is not faster on every disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DirectIo {
    /// Past it on disks of this machine (ext4, XFS, F2FS), as long as they are not slow with such
    /// writes, where the part size is a multiple of 4 KiB.
    #[default]
    Auto,
    /// Past it, where the file system takes such writes and the part size is a multiple of 4 KiB.
    On,
    /// Through the page cache.
    Off,
}

impl DirectIo {
    /// Whether a download to `destination`, which need not exist, is to be written past the page cache
    /// as far as its file system tells. Reads the disk.
    #[must_use]
    pub fn applies_at(self, destination: &Path) -> bool {
        self.is_wanted(|| ossget_fs::is_on_disk(destination))
    }

    /// Whether direct writes are wanted, on a disk of this machine or elsewhere.
    pub(crate) fn is_wanted(self, is_on_disk: impl FnOnce() -> bool) -> bool {
        match self {
            Self::Auto => is_on_disk(),
            Self::On => true,
            Self::Off => false,
        }
    }
}

/// Which threads write blocks past the page cache ([`DirectIo`] says when that is done). What is written
/// through it seldom waits, and is written by the task that received it in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiskWrites {
    /// The runtime's threads for what blocks.
    #[default]
    Offloaded,
    /// The threads that run the tasks: for a runtime that does nothing else. While the disk is slow to
    /// take a block, of 2 MiB at most, such a thread does nothing, and where all of them wait no timer
    /// is looked at. It saves handing over each block, a quarter of the processor's time on a fast
    /// disk (`docs/performance.md`).
    Inline,
}

/// What to do about an earlier run's checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resume {
    /// Go on from it if it fits, else start over.
    #[default]
    Auto,
    /// Go on from it or fail.
    Require,
    /// Drop it first and start over.
    Restart,
    /// Neither read nor write one.
    Off,
}

/// Whether an existing destination may be replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Clobber {
    /// A regular file at the destination is replaced atomically.
    #[default]
    Replace,
    /// An existing destination is an error, at the start as well as at the end.
    Refuse,
}

/// What a destination that is a symbolic link means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Symlink {
    /// An error.
    #[default]
    Refuse,
    /// What the link leads to at the start is the destination.
    Follow,
}

/// Everything a [`Download`](crate::Download) can be told.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) part_size: Option<PartSize>,
    pub(crate) parallel: Parallel,
    pub(crate) extent: ExtentRequest,
    /// What the service is to make of the object first.
    pub(crate) process: Option<String>,
    pub(crate) checkpoint_dir: Option<PathBuf>,
    pub(crate) durability: Durability,
    pub(crate) direct_io: DirectIo,
    pub(crate) resume: Resume,
    pub(crate) resume_verify: ResumeVerify,
    pub(crate) on_change: OnChange,
    pub(crate) clobber: Clobber,
    pub(crate) symlink: Symlink,
    pub(crate) crc: CrcPolicy,
    pub(crate) checksum: Option<Checksum>,
    pub(crate) wait_lock: Option<Duration>,
    pub(crate) retries: u32,
    pub(crate) retry_max_time: Duration,
    pub(crate) read_timeout: Duration,
    pub(crate) low_speed_bytes_per_second: u64,
    pub(crate) low_speed_time: Duration,
}

impl Options {
    /// Whether a checkpoint is read and written.
    pub(crate) const fn recording(&self) -> Recording {
        match (self.durability, self.resume) {
            (Durability::None, _) | (_, Resume::Off) => Recording::Off,
            _ => Recording::On,
        }
    }

    /// Whether operations wait for the disk.
    pub(crate) const fn syncing(&self) -> Syncing {
        match self.durability {
            Durability::Full => Syncing::Full,
            Durability::Process | Durability::None => Syncing::Skip,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            part_size: None,
            parallel: Parallel::Auto,
            extent: ExtentRequest::Whole,
            process: None,
            checkpoint_dir: None,
            durability: Durability::Full,
            direct_io: DirectIo::Auto,
            resume: Resume::Auto,
            resume_verify: ResumeVerify::Full,
            on_change: OnChange::Restart,
            clobber: Clobber::Replace,
            symlink: Symlink::Refuse,
            crc: CrcPolicy::Accept,
            checksum: None,
            wait_lock: None,
            retries: 10,
            retry_max_time: Duration::from_secs(600),
            read_timeout: Duration::from_secs(20),
            low_speed_bytes_per_second: 10 << 10,
            low_speed_time: Duration::from_secs(30),
        }
    }
}
