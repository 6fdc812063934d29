//! What some flags can be set to.

use clap::ValueEnum;
use ossget::PartSize;
use std::num::NonZeroU32;

/// A value that was dropped as soon as it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Withheld;

/// `--part-size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartSizeChoice {
    /// Chosen from the object's size.
    Auto,
    /// Exactly this.
    Fixed(PartSize),
}

/// `--parallel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParallelChoice {
    /// Chosen by the library.
    Auto,
    /// Exactly so many.
    Fixed(NonZeroU32),
}

/// `--sign-version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SignVersion {
    /// HMAC-SHA256, bound to a region.
    V4,
    /// HMAC-SHA1, for old installations.
    V1,
}

/// `--addressing-style`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AddressingStyle {
    /// bucket.endpoint/key
    Virtual,
    /// endpoint/bucket/key
    Path,
    /// endpoint/key: the endpoint stands for one bucket
    Cname,
}

/// `--resume`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ResumeMode {
    /// Go on if possible, else start over.
    Auto,
    /// Go on or fail.
    Require,
}

/// `--resume-verify`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum VerifyMode {
    /// Read back and hash everything that was kept.
    Full,
    /// Trust it where the file has the right identity and length.
    Bounds,
}

/// `--durability`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DurabilityLevel {
    /// Survives a power cut.
    Full,
    /// Survives the end of the process.
    Process,
    /// Survives nothing.
    None,
}

/// `--direct-io`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DirectIoChoice {
    /// On disks of this machine, unless they are slow with it.
    Auto,
    /// Where the file system takes it.
    On,
    /// Through the cache.
    Off,
}

/// `--on-change`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ChangeAction {
    /// Start over, once.
    Restart,
    /// Fail.
    Fail,
}

/// `--color`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    /// Where standard error is a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl PartSizeChoice {
    pub(crate) const fn fixed(self) -> Option<PartSize> {
        match self {
            Self::Auto => None,
            Self::Fixed(size) => Some(size),
        }
    }
}

impl ParallelChoice {
    pub(crate) const fn fixed(self) -> Option<NonZeroU32> {
        match self {
            Self::Auto => None,
            Self::Fixed(count) => Some(count),
        }
    }
}
