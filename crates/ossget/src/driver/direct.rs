//! Writes past the page cache: one block is filled while the one before it is written.

use super::blocks::{Block, Blocks};
use crate::DiskWrites;
use ossget_fs::{DIRECT_BLOCK, DirectFile, FsError, FsErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

/// Bytes copied and hashed in turn: they are still in the processor's first cache.
const IN_CACHE: usize = 16 << 10;

/// A file that is written past the page cache.
#[derive(Clone, Debug)]
pub(super) struct DirectPartial {
    file: Arc<dyn DirectFile>,
    /// Held by each write under way: an attempt may end before its last one does.
    held: mpsc::Sender<()>,
    writes: DiskWrites,
    blocks: Arc<Blocks>,
    pace: Arc<Pace>,
}

impl DirectPartial {
    pub(super) fn new(
        file: Arc<dyn DirectFile>,
        held: mpsc::Sender<()>,
        writes: DiskWrites,
        part_size: u64,
    ) -> Self {
        let blocks = Arc::new(Blocks::new(writes, part_size));
        Self { file, held, writes, blocks, pace: Arc::default() }
    }
}

/// How fast the disk takes such writes. One that is slow with them, for its head has to move, does
/// better where the system puts them in order.
#[derive(Debug, Default)]
struct Pace {
    under_way: AtomicU64,
    blocks: AtomicU64,
    /// Of the blocks written, each taken for as much as were under way with it.
    bytes: AtomicU64,
    nanoseconds: AtomicU64,
}

/// Blocks after which it is known.
const JUDGED_AFTER: u64 = 32;
/// Slower than this is slow.
const SLOW_BYTES_PER_SECOND: u64 = 100 << 20;

impl Pace {
    fn time<T>(&self, bytes: u64, write: impl FnOnce() -> T) -> T {
        let under_way = self.under_way.fetch_add(1, Relaxed) + 1;
        let begun = Instant::now();
        let written = write();
        let took = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.under_way.fetch_sub(1, Relaxed);
        self.bytes.fetch_add(bytes * under_way, Relaxed);
        self.nanoseconds.fetch_add(took, Relaxed);
        self.blocks.fetch_add(1, Relaxed);
        written
    }

    fn is_slow(&self) -> bool {
        let bytes = u128::from(self.bytes.load(Relaxed)) * 1_000_000_000;
        let wanted = u128::from(SLOW_BYTES_PER_SECOND) * u128::from(self.nanoseconds.load(Relaxed));
        self.blocks.load(Relaxed) >= JUDGED_AFTER && bytes < wanted
    }
}

/// Collects the bytes of one attempt and writes them in order.
#[derive(Debug)]
pub(super) struct Collector {
    partial: DirectPartial,
    /// `None` while the only block is being written.
    filling: Option<Block>,
    filled: usize,
    /// How much of it has been handed out to be hashed.
    hashed: usize,
    /// Where in the file the collected bytes belong.
    at: u64,
    writing: Option<JoinHandle<Result<Block, FsError>>>,
}

impl Collector {
    /// For bytes from `at` on; `None` where these cannot be whole blocks, or the disk is slow with
    /// them.
    pub(super) fn new(partial: DirectPartial, at: u64) -> Option<Self> {
        let is_slow = partial.pace.is_slow();
        if is_slow {
            partial.blocks.forget_free();
        }
        let pays = at.is_multiple_of(DIRECT_BLOCK as u64) && !is_slow;
        pays.then(|| Self {
            filling: Some(partial.blocks.take()),
            partial,
            filled: 0,
            hashed: 0,
            at,
            writing: None,
        })
    }

    /// Whether what is submitted has been written when that returns.
    pub(super) fn is_inline(&self) -> bool {
        self.partial.writes == DiskWrites::Inline
    }

    /// Whether others should go on once it has written: it holds up a thread of theirs, and there
    /// are many of them.
    pub(super) fn is_one_of_many(&self) -> bool {
        self.is_inline() && self.partial.blocks.are_many()
    }

    /// Takes some of the next bytes and says how many.
    pub(super) fn take(&mut self, bytes: &[u8]) -> usize {
        let room = self.room();
        let taken = room.len().min(bytes.len()).min(IN_CACHE);
        room[..taken].copy_from_slice(&bytes[..taken]);
        self.filled += taken;
        taken
    }

    /// Where the next bytes are to be put.
    pub(super) fn room(&mut self) -> &mut [u8] {
        self.filling.as_mut().map_or(&mut [], |block| &mut block.bytes_mut()[self.filled..])
    }

    /// So many bytes have been put into the room.
    pub(super) const fn filled(&mut self, bytes: usize) {
        self.filled += bytes;
    }

    /// Whether there is no room for more.
    pub(super) fn is_full(&self) -> bool {
        self.filling.as_ref().is_none_or(|block| self.filled == block.bytes().len())
    }

    /// Whole blocks of what was taken that have not been hashed yet, to be hashed now.
    pub(super) fn whole_blocks(&mut self) -> &[u8] {
        self.unhashed(self.filled - self.filled % DIRECT_BLOCK)
    }

    /// All of what was taken that has not been hashed yet, to be hashed now.
    pub(super) fn rest(&mut self) -> &[u8] {
        self.unhashed(self.filled)
    }

    fn unhashed(&mut self, end: usize) -> &[u8] {
        let begin = std::mem::replace(&mut self.hashed, end);
        self.filling.as_ref().map_or(&[], |block| &block.bytes()[begin..end])
    }

    /// Bytes that are collected and not being written yet.
    pub(super) const fn len(&self) -> usize {
        self.filled
    }

    /// Forgets what is no whole block and so has not been hashed.
    pub(super) const fn cut(&mut self) {
        self.filled -= self.filled % DIRECT_BLOCK;
    }

    /// Begins to write what is collected, or writes it where a thread of the runtime may be held up;
    /// waits where there is no other block to go on with. What came before it must be
    /// [settled](Self::settle). Once it is in the file, and only then, `then` is called.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it leaves the write to be waited for by [`settle`](Self::settle).
    pub(super) async fn submit(
        &mut self,
        then: impl FnOnce() + Send + 'static,
    ) -> Result<(), FsError> {
        let Some(block) = self.filling.take() else { return Ok(()) };
        let (len, at) = (std::mem::take(&mut self.filled), self.at);
        self.hashed = 0;
        self.at += len as u64;
        let DirectPartial { file, held, blocks, pace, .. } = self.partial.clone();
        let write = move || {
            let written = pace.time(len as u64, || file.write_all_at(&block, len, at));
            if written.is_ok() {
                then();
            }
            drop(file);
            drop(held);
            written.map(|()| block)
        };
        if self.is_inline() {
            self.filling = Some(write()?);
            return Ok(());
        }
        self.filling = blocks.take_second();
        self.writing = Some(spawn_blocking(write));
        match self.filling {
            Some(_) => Ok(()),
            None => self.settle().await,
        }
    }

    /// Waits until all that was submitted is written.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it changes nothing: the next one waits for the same write.
    pub(super) async fn settle(&mut self) -> Result<(), FsError> {
        let Some(writing) = &mut self.writing else { return Ok(()) };
        let written = writing.await;
        self.writing = None;
        let block = written.unwrap_or_else(|error| {
            let error = std::io::Error::other(error);
            let doing = "a defect of ossget stopped the writing of";
            Err(FsError::new(FsErrorKind::Storage, doing, "the partial file", Some(error)))
        })?;
        self.filling.get_or_insert(block);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use ossget_fs::AlignedBuf;
    use std::sync::{Mutex, mpsc as std_mpsc};
    use std::time::Duration;
    use tokio::time::timeout;

    const PART_SIZE: u64 = 8 << 20;

    /// Writes when it is told to, and remembers what.
    #[derive(Debug)]
    struct Gate {
        told: Mutex<std_mpsc::Receiver<()>>,
        written: Mutex<Vec<(u64, Vec<u8>)>>,
    }

    impl DirectFile for Gate {
        fn write_all_at(&self, buf: &AlignedBuf, len: usize, offset: u64) -> Result<(), FsError> {
            if self.told.lock().unwrap().recv().is_err() {
                return Err(FsError::new(FsErrorKind::Storage, "write", "the file", None));
            }
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
        let partial = DirectPartial::new(
            Arc::clone(&file) as Arc<dyn DirectFile>,
            held,
            DiskWrites::Offloaded,
            PART_SIZE,
        );
        let mut collector = Collector::new(partial, 8192).unwrap();
        assert_eq!(collector.take(&[7; 5000]), 5000);
        assert_eq!(collector.whole_blocks(), [7; 4096]);
        collector.cut();
        assert_eq!((collector.len(), collector.whole_blocks().len()), (4096, 0));
        collector.submit(|| ()).await.unwrap();
        for _ in 0..2 {
            assert!(timeout(Duration::from_millis(20), collector.settle()).await.is_err());
        }
        assert!(file.written.lock().unwrap().is_empty());
        tell.send(()).unwrap();
        collector.settle().await.unwrap();
        assert_eq!(*file.written.lock().unwrap(), [(8192, vec![7; 4096])]);
        assert_eq!(collector.take(&[8; 10]), 10);
        assert_eq!((collector.whole_blocks().len(), collector.rest().len()), (0, 10));
        collector.submit(|| ()).await.unwrap();
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
        let partial = DirectPartial::new(gate().0, held, DiskWrites::Offloaded, PART_SIZE);
        assert!(Collector::new(partial.clone(), 4095).is_none());
        assert!(Collector::new(partial, 0).is_some());
    }

    #[test]
    fn a_disk_that_is_slow_with_them_gets_no_blocks_and_none_are_kept() {
        let (held, _writes) = mpsc::channel(1);
        let partial = DirectPartial::new(gate().0, held, DiskWrites::Inline, PART_SIZE);
        assert!(Collector::new(partial.clone(), 0).is_some());
        assert!(partial.blocks.free_bytes() > 0);
        partial.pace.blocks.store(JUDGED_AFTER, Relaxed);
        partial.pace.nanoseconds.store(u64::MAX, Relaxed);
        assert!(Collector::new(partial.clone(), 0).is_none());
        assert_eq!(partial.blocks.free_bytes(), 0);
    }

    #[tokio::test]
    async fn where_there_is_no_other_block_the_only_one_is_waited_for() {
        let (file, tell) = gate();
        let (held, mut writes) = mpsc::channel(1);
        let partial = DirectPartial::new(file, held, DiskWrites::Offloaded, PART_SIZE);
        // All but what two attempts and a second block take.
        let many: Vec<_> = (0..11).map(|_| partial.blocks.take()).collect();
        let mut one = Collector::new(partial.clone(), 0).unwrap();
        let mut two = Collector::new(partial.clone(), 4096).unwrap();
        one.take(&[7; 4096]);
        one.submit(|| ()).await.unwrap();
        assert!(!one.room().is_empty(), "it goes on with another");
        two.take(&[8; 4096]);
        assert!(timeout(Duration::from_millis(20), two.submit(|| ())).await.is_err());
        assert!(two.room().is_empty());
        tell.send(()).unwrap();
        tell.send(()).unwrap();
        two.settle().await.unwrap();
        assert!(!two.room().is_empty(), "it goes on with the same");
        one.settle().await.unwrap();
        one.take(&[9; 4096]);
        one.submit(|| ()).await.unwrap();
        drop(one);
        drop((two, many));
        assert!(partial.blocks.held() > 0, "an attempt that is given up is still writing");
        tell.send(()).unwrap();
        drop(partial);
        assert_eq!(writes.recv().await, None);
    }

    /// Nothing else runs on this runtime, so that a write left to another thread would never be told.
    #[tokio::test]
    async fn a_write_that_may_hold_up_the_runtime_has_been_made_when_it_is_submitted() {
        let (file, tell) = gate();
        let (held, _writes) = mpsc::channel(1);
        let partial = DirectPartial::new(
            Arc::clone(&file) as Arc<dyn DirectFile>,
            held,
            DiskWrites::Inline,
            PART_SIZE,
        );
        let mut collector = Collector::new(partial.clone(), 0).unwrap();
        for byte in [7, 8] {
            collector.take(&[byte; 4096]);
            tell.send(()).unwrap();
            let (told, hears) = std_mpsc::channel();
            let written = collector.submit(move || told.send(()).unwrap()).now_or_never();
            written.expect("without waiting").unwrap();
            hears.try_recv().expect("told at once");
        }
        assert_eq!(*file.written.lock().unwrap(), [(0, vec![7; 4096]), (4096, vec![8; 4096])]);
        assert_eq!(partial.blocks.held(), 2 << 20, "and needs no other block");
        // Where it fails nothing is told.
        drop(tell);
        collector.take(&[9; 4096]);
        let failed = collector.submit(|| panic!("told of a write that failed")).await;
        assert!(failed.is_err() && collector.len() == 0);
    }

    #[test]
    fn a_disk_that_is_slow_with_them_is_noticed() {
        for (pause, is_slow) in [(Duration::ZERO, false), (Duration::from_millis(12), true)] {
            let pace = Pace::default();
            for _ in 0..JUDGED_AFTER {
                assert!(!pace.is_slow(), "too early to tell");
                pace.time(1 << 20, || std::thread::sleep(pause));
            }
            assert_eq!(pace.is_slow(), is_slow);
        }
    }
}
