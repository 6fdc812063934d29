//! What came of a download.

use std::path::PathBuf;
use std::time::Duration;

pub use ossget_core::session::Integrity;

/// What came of a successful download.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Downloaded {
    /// The published file.
    pub destination: PathBuf,
    /// Whether anything was fetched.
    pub completion: Completion,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// Body bytes received in this run.
    pub fetched_bytes: u64,
    /// Bytes kept from earlier runs.
    pub resumed_bytes: u64,
    /// GET requests for ranges.
    pub requests: u64,
    /// Requests that failed and were made again.
    pub attempts_failed: u64,
    /// The object's ETag as the service wrote it.
    pub etag: Option<String>,
    /// CRC-64/XZ of the file's bytes.
    pub crc64: u64,
    /// What is known about the file's integrity.
    pub integrity: Integrity,
    /// From the first look at the destination to the end.
    pub elapsed: Duration,
}

/// Whether a download fetched anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Completion {
    /// The object was downloaded and published.
    Published,
    /// The destination was read and already is the object.
    AlreadyThere,
}
