//! Hashing what is on the disk.

use crate::Checksum;
use crate::checksum::Checking;
use crc_fast::{CrcAlgorithm, Digest};
use ossget_fs::{FsError, PartialFile};
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes read at once: large enough for a disk to stream, small enough for the cache.
const READ_BYTES: usize = 256 << 10;

/// What a whole file amounts to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Examined {
    /// CRC-64/XZ of its bytes.
    pub(super) crc64: u64,
    /// Whether it has the digest that the user gave; `None` if none was given.
    pub(super) checksum_matches: Option<bool>,
}

/// CRC-64/XZ of a stretch of a file; `None` once `stop` is set, since that may take long.
pub(super) fn hash_file(
    file: &dyn PartialFile,
    range: Range<u64>,
    stop: &AtomicBool,
) -> Result<Option<u64>, FsError> {
    let mut digest = Digest::new(CrcAlgorithm::Crc64Xz);
    let read = read_through(file, range, stop, |piece| digest.update(piece))?;
    Ok(read.is_continue().then(|| digest.finalize()))
}

/// Reads a file of `len` bytes once for everything that is to be known of it; `None` once `stop`
/// is set, since that may take long.
pub(super) fn examine(
    file: &dyn PartialFile,
    len: u64,
    checksum: Option<Checksum>,
    stop: &AtomicBool,
) -> Result<Option<Examined>, FsError> {
    let mut crc64 = Digest::new(CrcAlgorithm::Crc64Xz);
    let mut checking = checksum.map(Checking::new);
    let read = read_through(file, 0..len, stop, |piece| {
        crc64.update(piece);
        if let Some(checking) = &mut checking {
            checking.update(piece);
        }
    })?;
    let checksum_matches = checking.map(Checking::matches);
    Ok(read.is_continue().then(|| Examined { crc64: crc64.finalize(), checksum_matches }))
}

/// Reads a stretch of a file in order, from the disk and not kept in memory afterwards.
fn read_through(
    file: &dyn PartialFile,
    range: Range<u64>,
    stop: &AtomicBool,
    mut take: impl FnMut(&[u8]),
) -> Result<ControlFlow<()>, FsError> {
    let len = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    let mut buffer = vec![0; len.min(READ_BYTES)];
    let mut at = range.start;
    while at < range.end {
        let many = usize::try_from(range.end - at).unwrap_or(usize::MAX).min(READ_BYTES);
        let piece = &mut buffer[..many];
        file.read_exact_at(piece, at)?;
        at += many as u64;
        take(piece);
        if stop.load(Ordering::Relaxed) && at < range.end {
            return Ok(ControlFlow::Break(()));
        }
    }
    file.drop_cache(range.start, range.end - range.start);
    Ok(ControlFlow::Continue(()))
}
