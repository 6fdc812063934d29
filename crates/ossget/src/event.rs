//! What happens during a download, for those who want to tell it.

use crate::{ErrorKind, Progress};
use ossget_core::ByteRange;
use std::path::PathBuf;
use std::time::Duration;

/// Something worth telling that happened during a download.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DownloadEvent {
    /// The object is known and the partial file is ready. Comes again after a restart.
    Started {
        /// The file that will be published.
        destination: PathBuf,
        /// Bytes to be had in all.
        bytes_total: Option<u64>,
        /// Bytes that an earlier run recorded and that are now being checked.
        bytes_resumed: u64,
        /// Bytes per part.
        part_size: u64,
        /// Most requests at once.
        parallel: u32,
    },
    /// More has been done. At most every 100 ms, and once at the end.
    Progress(Progress),
    /// The request that learns what the object is failed. If it can be tried again, it is.
    ProbeFailed {
        /// Why.
        kind: ErrorKind,
        /// Why, in words.
        reason: String,
    },
    /// What an earlier run recorded is not what the partial file holds now; it is fetched again.
    /// Comes once everything that was kept has been checked.
    Lost {
        /// So many bytes.
        bytes: u64,
    },
    /// A range failed and will be tried again.
    Retry {
        /// What is still missing.
        range: ByteRange,
        /// Failures of this range in a row.
        attempt: u32,
        /// Why it failed.
        kind: ErrorKind,
        /// Why it failed, in words.
        reason: String,
        /// How long it waits.
        delay: Duration,
    },
    /// Something a user should know although the download goes on.
    Warning {
        /// What it is.
        message: String,
    },
}
