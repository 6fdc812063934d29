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

    /// Begins to write what is collected. What came before it must be [settled](Self::settle).
    pub(super) fn submit(&mut self) {
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
    }

    /// Waits until all that was submitted is written.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it changes nothing: the next one waits for the same write.
    pub(super) async fn settle(&mut self) -> Result<(), FsError> {
        if let Some(writing) = &mut self.writing {
            let written = writing.await;
            self.writing = None;
            self.spare = Some(written.unwrap_or_else(|error| {
                let error = std::io::Error::other(error);
                let doing = "a defect of ossget stopped the writing of";
                Err(FsError::new(FsErrorKind::Storage, doing, "the partial file", Some(error)))
            })?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Mutex, mpsc as std_mpsc};
    use std::time::Duration;
    use tokio::time::timeout;

    /// Writes when it is told to, and remembers what.
    #[derive(Debug)]
    struct Gate {
        told: Mutex<std_mpsc::Receiver<()>>,
        written: Mutex<Vec<(u64, Vec<u8>)>>,
    }

    impl DirectFile for Gate {
        fn write_all_at(&self, buf: &AlignedBuf, len: usize, offset: u64) -> Result<(), FsError> {
            self.told.lock().unwrap().recv().unwrap();
            self.written.lock().unwrap().push((offset, buf.bytes()[..len].to_vec()));
            Ok(())
        }
    }

    fn gate() -> (Arc<Gate>, std_mpsc::Sender<()>) {
        let (tell, told) = std_mpsc::channel();
        (Arc::new(Gate { told: Mutex::new(told), written: Mutex::default() }), tell)
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_leaves_the_write_to_be_waited_for() {
        let (file, tell) = gate();
        let (held, mut writes) = mpsc::channel(1);
        let partial = DirectPartial { file: Arc::clone(&file) as Arc<dyn DirectFile>, held };
        let mut collector = Collector::new(partial, 8192).unwrap();
        assert_eq!(collector.take(&[7; 5000]), 5000);
        collector.cut();
        assert_eq!(collector.collected(), [7; 4096]);
        collector.submit();
        for _ in 0..2 {
            assert!(timeout(Duration::from_millis(20), collector.settle()).await.is_err());
        }
        assert!(file.written.lock().unwrap().is_empty());
        tell.send(()).unwrap();
        collector.settle().await.unwrap();
        assert_eq!(*file.written.lock().unwrap(), [(8192, vec![7; 4096])]);
        assert_eq!(collector.take(&[8; 10]), 10);
        collector.submit();
        // The attempt ends, and its last write does not.
        drop(collector);
        assert!(timeout(Duration::from_millis(20), writes.recv()).await.is_err());
        tell.send(()).unwrap();
        assert_eq!(writes.recv().await, None);
        assert_eq!(file.written.lock().unwrap()[1], (12_288, vec![8; 10]));
    }

    #[test]
    fn what_does_not_begin_with_a_block_is_not_collected() {
        let (held, _writes) = mpsc::channel(1);
        let partial = DirectPartial { file: gate().0, held };
        assert!(Collector::new(partial.clone(), 4095).is_none());
        assert!(Collector::new(partial, 0).is_some());
    }
}
