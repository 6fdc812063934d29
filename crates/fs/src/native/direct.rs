//! Writes past the page cache.
//!
//! They cost less of the processor's time, and they leave what others have in the cache alone.

use super::file::NativeFile;
use super::sys;
use crate::{AlignedBuf, DIRECT_BLOCK, DirectFile, FsError, PartialFile as _};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether files at `path`, which need not exist, lie on a disk of this machine, as far as the file
/// system tells: [`PartialFile::is_on_disk`](crate::PartialFile::is_on_disk) before there is one.
#[must_use]
pub fn is_on_disk(path: &Path) -> bool {
    let dir = path.ancestors().find(|ancestor| ancestor.is_dir()).unwrap_or_else(|| Path::new("."));
    File::open(dir).is_ok_and(|dir| sys::is_on_disk(&dir))
}

/// A partial file with a second descriptor for direct writes. Syncs, and all that is no whole block,
/// go through the first one.
#[derive(Debug)]
pub(super) struct NativeDirect {
    file: Arc<NativeFile>,
    direct: File,
    /// The system took the descriptor and then no write.
    refused: AtomicBool,
}

impl NativeDirect {
    /// `None` where the file system has no such writes.
    pub(super) fn open(file: Arc<NativeFile>) -> Option<Self> {
        let direct = sys::open_direct(file.descriptor()).ok()?;
        Some(Self { file, direct, refused: AtomicBool::new(false) })
    }
}

impl DirectFile for NativeDirect {
    fn write_all_at(&self, buf: &AlignedBuf, len: usize, offset: u64) -> Result<(), FsError> {
        let bytes = buf.bytes().get(..len).unwrap_or_else(|| buf.bytes());
        let (blocks, rest) = bytes.split_at(bytes.len() / DIRECT_BLOCK * DIRECT_BLOCK);
        let refused = self.refused.load(Ordering::Relaxed);
        if refused || !offset.is_multiple_of(DIRECT_BLOCK as u64) || blocks.is_empty() {
            return self.file.write_all_at(bytes, offset);
        }
        match sys::write_all_at(&self.direct, blocks, offset) {
            Err(error) if sys::is_no_direct_error(&error) => {
                self.refused.store(true, Ordering::Relaxed);
                return self.file.write_all_at(bytes, offset);
            }
            written => self.file.note(written)?,
        }
        match rest.is_empty() {
            true => Ok(()),
            false => self.file.write_all_at(rest, offset + blocks.len() as u64),
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::{FileSystem as _, NativeFileSystem, Place, Syncing};

    const BLOCK: usize = DIRECT_BLOCK;

    /// Of a file system that may have direct writes or not: what is written is the same.
    #[test]
    fn whole_blocks_and_what_is_left_over_are_where_they_were_written() {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a folder");
        let place = Place::new(dir.path().join("x"));
        let lock = NativeFileSystem::new().lock(&place, Syncing::Full).expect("a lock");
        let name = lock.partial_name("abcdefghijklmno2");
        let len = 5 * BLOCK + 100;
        let file = lock.create_partial(&name, len as u64).expect("a partial file");
        let Some(direct) = Arc::clone(&file).direct() else {
            println!("no direct writes here");
            return;
        };
        let mut buffer = AlignedBuf::zeroed(3 * BLOCK);
        buffer.bytes_mut().fill(1);
        direct.write_all_at(&buffer, 3 * BLOCK, 0).expect("blocks");
        buffer.bytes_mut().fill(2);
        direct.write_all_at(&buffer, 2 * BLOCK + 100, 3 * BLOCK as u64).expect("and a rest");
        buffer.bytes_mut().fill(3);
        direct.write_all_at(&buffer, BLOCK, 100).expect("an odd place");
        file.sync_data().expect("a sync");
        let mut expected = [vec![1; 3 * BLOCK], vec![2; 2 * BLOCK + 100]].concat();
        expected[100..100 + BLOCK].fill(3);
        let mut found = vec![0; len];
        file.read_exact_at(&mut found, 0).expect("all of it");
        assert!(found == expected);
    }
}
