//! Looking at what an unfinished download has left.

mod cleaning;
mod leftover;
mod needed;
pub(crate) mod remains;
#[cfg(test)]
mod sample;

use crate::{Error, ErrorKind};
use ossget_core::{CheckpointError, Header, Locator, PartIndex, PartSet, SourceKind};
use ossget_fs::{FoundCheckpoint, NativeFileSystem, Place};
use std::fs;
use std::path::{Path, PathBuf};

pub use cleaning::{Cleaned, Fate, Removed, clean, remove};
pub use leftover::{Condition, Leftover, list};
pub use ossget_fs::Holder;

/// What a checkpoint says about an unfinished download.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CheckpointSummary {
    /// Where the checkpoint lies.
    pub checkpoint_path: PathBuf,
    /// The file it belongs to; `None` for one found in a checkpoint directory, which does not
    /// record where that is.
    pub destination: Option<PathBuf>,
    /// The object as it is told: `oss://bucket/key`, or a URL without its query; not escaped.
    pub source: String,
    /// The object's bucket; of a URL scheme, host and port.
    pub bucket: String,
    /// The object's key.
    pub key: String,
    /// The object's version, where the service named one.
    pub version_id: Option<String>,
    /// Bytes to be downloaded in all.
    pub bytes_total: u64,
    /// The object's ETag as the service wrote it.
    pub etag: Option<String>,
    /// The object's CRC-64/XZ, where the service gave one.
    pub crc64: Option<u64>,
    /// Bytes per part.
    pub part_size: u64,
    /// Number of parts.
    pub parts: u32,
    /// Parts recorded as durable.
    pub parts_recorded: u32,
    /// Bytes in those parts.
    pub bytes_recorded: u64,
    /// Name of the partial file.
    pub partial_name: String,
    /// Length of the partial file, if it is there.
    pub partial_len: Option<u64>,
    /// Whether a download holds the destination now.
    pub in_use: Holder,
}

fn source(locator: &Locator) -> String {
    let scheme = if locator.kind == SourceKind::Oss { "oss://" } else { "" };
    format!("{scheme}{}/{}", locator.container, locator.key)
}

/// Reads the checkpoint of `destination`, without a lock and without changing anything.
/// `None` if there is none. Blocks while reading, at most 16 bytes a part.
///
/// # Errors
///
/// Kind [`Checkpoint`](ErrorKind::Checkpoint) when the file is damaged or of an unknown format;
/// [`Refused`](ErrorKind::Refused) and [`Storage`](ErrorKind::Storage) as for a download.
pub fn show(
    destination: &Path,
    checkpoint_dir: Option<PathBuf>,
) -> Result<Option<CheckpointSummary>, Error> {
    let place = Place::new(destination).checkpoint_dir(checkpoint_dir);
    let found = NativeFileSystem::new().find_checkpoint(&place).map_err(Error::storage)?;
    let Some(found) = found else { return Ok(None) };
    let checkpoint = found.checkpoint.as_ref();
    if checkpoint.is_empty().map_err(Error::storage)? {
        // Only a lock: its run has not got as far as recording anything.
        return Ok(None);
    }
    let header = remains::header(checkpoint).map_err(Error::storage)?;
    let header = header.map_err(|error| damaged(&found, error))?;
    let recorded = remains::recorded(checkpoint, &header).map_err(Error::storage)?;
    let recorded = recorded.ok_or_else(|| damaged(&found, CheckpointError::Truncated))?;
    let partial = destination.with_file_name(&header.partial_name);
    let partial_len = fs::symlink_metadata(partial).ok().map(|metadata| metadata.len());
    let mut summary = CheckpointSummary::new(found, header, &recorded);
    summary.destination = Some(destination.to_owned());
    summary.partial_len = partial_len;
    Ok(Some(summary))
}

impl CheckpointSummary {
    /// What the checkpoint itself tells.
    pub(crate) fn new(found: FoundCheckpoint, header: Header, recorded: &PartSet) -> Self {
        let lens = recorded.iter().filter_map(|part| header.plan.len_of(PartIndex::new(part)));
        Self {
            checkpoint_path: found.path,
            destination: None,
            source: source(&header.locator),
            bucket: header.locator.container,
            key: header.locator.key,
            version_id: header.identity.version_id,
            bytes_total: header.plan.extent().len(),
            etag: header.identity.etag,
            crc64: header.identity.crc64,
            part_size: header.plan.part_size(),
            parts: header.plan.count(),
            parts_recorded: recorded.len(),
            bytes_recorded: lens.sum(),
            partial_name: header.partial_name,
            partial_len: None,
            in_use: found.holder,
        }
    }
}

fn damaged(found: &FoundCheckpoint, error: CheckpointError) -> Error {
    let what = format!("{} is no usable checkpoint", found.path.display());
    Error::new(ErrorKind::Checkpoint, what).with_source(error)
}
