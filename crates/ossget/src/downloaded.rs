//! What came of a download.

use ossget_core::{ObjectIdentity, session};
use std::path::PathBuf;
use std::time::Duration;

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
    /// Requests that failed or were too slow, and were made again.
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

impl Downloaded {
    /// Whether a strong ETag held every answer to the same content. Otherwise each was only compared
    /// by version, size and time of the last change, which at some stores counts in whole seconds.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        let mut identity = ObjectIdentity::new(self.bytes);
        identity.etag.clone_from(&self.etag);
        identity.is_pinned()
    }
}

/// What is known about a finished file's integrity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Integrity {
    /// The CRC-64 of bytes hashed in this run equals the server's.
    Verified,
    /// The file has the digest that the caller gave; the server's CRC-64 does not cover it, or
    /// not all of it was read for that one.
    VerifiedByUser,
    /// The server gave no CRC-64.
    UnverifiedByServer,
    /// The CRC-64 equals the server's, but kept parts were not read back.
    ResumedPartsTrusted,
    /// Only a slice was asked for, which no server value covers.
    RangeUnverified,
}

impl Integrity {
    /// What is known when the whole file had the caller's digest, too.
    pub(crate) const fn with_checksum(self) -> Self {
        match self {
            Self::Verified => Self::Verified,
            _ => Self::VerifiedByUser,
        }
    }
}

impl From<session::Integrity> for Integrity {
    fn from(inner: session::Integrity) -> Self {
        match inner {
            session::Integrity::Verified => Self::Verified,
            session::Integrity::UnverifiedByServer => Self::UnverifiedByServer,
            session::Integrity::ResumedPartsTrusted => Self::ResumedPartsTrusted,
            session::Integrity::RangeUnverified => Self::RangeUnverified,
        }
    }
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
