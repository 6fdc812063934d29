//! Writes past the page cache: one block is filled while the one before it is written.

use ossget_fs::{AlignedBuf, DIRECT_BLOCK, DirectFile, FsError, FsErrorKind};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

/// Bytes collected before they are written: disks are at their speed with writes of so many
/// (`docs/performance.md`), and two for each connection are held.
const COLLECTED: usize = 1 << 20;

/// A file that is written past the page cache.
#[derive(Clone, Debug)]
pub(super) struct DirectPartial {
    pub(super) file: Arc<dyn DirectFile>,
    /// Held by each write under way: an attempt may end before its last one does.
    pub(super) held: mpsc::Sender<()>,
}

/// Collects the bytes of one attempt and writes them in order.
#[derive(Debug)]
pub(super) struct Collector {
    partial: DirectPartial,
    filling: AlignedBuf,
    filled: usize,
    /// Where in the file the collected bytes belong.
    at: u64,
    writing: Option<JoinHandle<Result<AlignedBuf, FsError>>>,
    spare: Option<AlignedBuf>,
}

impl Collector {
    /// For bytes from `at` on; `None` where these cannot be whole blocks.
    pub(super) fn new(partial: DirectPartial, at: u64) -> Option<Self> {
        at.is_multiple_of(DIRECT_BLOCK as u64).then(|| Self {
            partial,
            filling: AlignedBuf::zeroed(COLLECTED),
            filled: 0,
            at,
            writing: None,
            spare: None,
        })
    }

    /// Takes as many of the next bytes as there is room for, and says how many.
    pub(super) fn take(&mut self, bytes: &[u8]) -> usize {
        let room = &mut self.filling.bytes_mut()[self.filled..];
        let taken = room.len().min(bytes.len());
        room[..taken].copy_from_slice(&bytes[..taken]);
        self.filled += taken;
        taken
    }

    /// Whether there is no room for more.
    pub(super) const fn is_full(&self) -> bool {
        self.filled == COLLECTED
    }

    /// What is collected and not being written yet.
    pub(super) fn collected(&self) -> &[u8] {
        &self.filling.bytes()[..self.filled]
    }

    /// Forgets what is no whole block.
    pub(super) const fn cut(&mut self) {
        self.filled -= self.filled % DIRECT_BLOCK;
    }

    /// Begins to write what is collected, once what came before it is written.
    pub(super) async fn submit(&mut self) -> Result<(), FsError> {
        self.settle().await?;
        let next = self.spare.take().unwrap_or_else(|| AlignedBuf::zeroed(COLLECTED));
        let block = std::mem::replace(&mut self.filling, next);
        let (len, at) = (std::mem::take(&mut self.filled), self.at);
        self.at += len as u64;
        let DirectPartial { file, held } = self.partial.clone();
        self.writing = Some(spawn_blocking(move || {
            let written = file.write_all_at(&block, len, at);
            drop(file);
            drop(held);
            written.map(|()| block)
        }));
        Ok(())
    }

    /// Waits until all that was submitted is written.
    pub(super) async fn settle(&mut self) -> Result<(), FsError> {
        if let Some(writing) = self.writing.take() {
            self.spare = Some(writing.await.unwrap_or_else(|error| {
                let error = std::io::Error::other(error);
                let doing = "a defect of ossget stopped the writing of";
                Err(FsError::new(FsErrorKind::Storage, doing, "the partial file", Some(error)))
            })?);
        }
        Ok(())
    }
}
