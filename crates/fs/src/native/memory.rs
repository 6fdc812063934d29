//! The checkpoint of a run that has no lock.

use crate::{CheckpointFile, FsError, FsErrorKind};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A checkpoint for this run only.
///
/// Without a lock two runs could resume one partial file, so none may be resumed: each starts
/// with an empty checkpoint and leaves none.
#[derive(Debug)]
pub(crate) struct MemoryCheckpoint {
    bytes: Mutex<Vec<u8>>,
    path: PathBuf,
}

impl MemoryCheckpoint {
    /// An empty one; `path` is only for error messages.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { bytes: Mutex::new(Vec::new()), path }
    }

    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, kind: FsErrorKind, doing: &'static str) -> FsError {
        FsError::new(kind, doing, &self.path, None)
    }
}

impl CheckpointFile for MemoryCheckpoint {
    fn len(&self) -> Result<u64, FsError> {
        Ok(self.bytes().len() as u64)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize, FsError> {
        let bytes = self.bytes();
        let start = usize::try_from(offset).map_or(bytes.len(), |start| start.min(bytes.len()));
        let len = buf.len().min(bytes.len() - start);
        buf[..len].copy_from_slice(&bytes[start..start + len]);
        Ok(len)
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> Result<(), FsError> {
        let mut bytes = self.bytes();
        let place = usize::try_from(offset)
            .ok()
            .and_then(|start| bytes.get_mut(start..start.checked_add(buf.len())?));
        match place {
            Some(place) => place.copy_from_slice(buf),
            None => {
                let doing = "cannot write beyond the reserved end of";
                return Err(self.failed(FsErrorKind::Storage, doing));
            }
        }
        Ok(())
    }

    fn reset(&self, len: u64) -> Result<(), FsError> {
        let doing = "cannot keep in memory";
        let len = usize::try_from(len).map_err(|_| self.failed(FsErrorKind::TooLarge, doing))?;
        let mut bytes = self.bytes();
        bytes.clear();
        bytes.try_reserve_exact(len).map_err(|_| self.failed(FsErrorKind::NoSpace, doing))?;
        bytes.resize(len, 0);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), FsError> {
        Ok(())
    }

    fn force_sync(&self) -> Result<(), FsError> {
        Ok(())
    }

    fn sync_all(&self) -> Result<(), FsError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_behaves_as_a_checkpoint_file() {
        let checkpoint = MemoryCheckpoint::new("x".into());
        assert!(checkpoint.is_empty().expect("is_empty"));
        checkpoint.reset(8).expect("reset");
        checkpoint.write_all_at(b"abcd", 4).expect("write");
        let mut buf = [1; 6];
        assert_eq!(checkpoint.read_at(&mut buf, 2).expect("read"), 6);
        assert_eq!(&buf, b"\0\0abcd");
        assert_eq!(checkpoint.read_at(&mut buf, 6).expect("read"), 2);
        assert_eq!(checkpoint.read_at(&mut buf, u64::MAX).expect("read"), 0);
        for (buf, offset) in [(&b"abcd"[..], 5), (b"a", 8), (b"a", u64::MAX)] {
            let error = checkpoint.write_all_at(buf, offset).expect_err("beyond the end");
            assert_eq!(error.kind(), FsErrorKind::Storage);
        }
        let error = checkpoint.reset(u64::MAX).expect_err("no such memory");
        assert!(matches!(error.kind(), FsErrorKind::NoSpace | FsErrorKind::TooLarge));
    }
}
