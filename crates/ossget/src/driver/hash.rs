//! Hashing what is on the disk.

use crc_fast::{CrcAlgorithm, Digest};
use ossget_fs::{FsError, PartialFile};
use std::ops::Range;

/// Bytes read at once: large enough for a disk to stream, small enough for the cache.
const READ_BYTES: usize = 1 << 20;

/// CRC-64/XZ of a stretch of a file, read from the disk and not kept in memory afterwards.
pub(super) fn hash_file(file: &dyn PartialFile, range: Range<u64>) -> Result<u64, FsError> {
    let mut digest = Digest::new(CrcAlgorithm::Crc64Xz);
    let len = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    let mut buffer = vec![0; len.min(READ_BYTES)];
    let mut at = range.start;
    while at < range.end {
        let many = usize::try_from(range.end - at).unwrap_or(usize::MAX).min(READ_BYTES);
        let piece = &mut buffer[..many];
        file.read_exact_at(piece, at)?;
        digest.update(piece);
        at += many as u64;
    }
    file.drop_cache(range.start, range.end - range.start);
    Ok(digest.finalize())
}
