//! Writes past the page cache: one block is filled while the one before it is written.

use ossget_fs::{AlignedBuf, DIRECT_BLOCK, DirectFile, FsError, FsErrorKind};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

/// Bytes collected before they are written, at most: where more connections than a few write, fewer,
/// so that what is held stays within [`HELD`]. Parts are whole blocks where it is a power of two.
const COLLECTED: usize = 1 << 20;
/// The fewest: with less than that, 64 connections are slower than through the page cache.
const LEAST_COLLECTED: usize = 256 << 10;
/// What all connections hold together, as long as that many do not need more.
const HELD: usize = 14 << 20;
/// Bytes copied and hashed in turn: they are still in the processor's first cache.
const IN_CACHE: usize = 16 << 10;

/// A file that is written past the page cache.
#[derive(Clone, Debug)]
pub(super) struct DirectPartial {
    file: Arc<dyn DirectFile>,
    /// Held by each write under way: an attempt may end before its last one does.
    held: mpsc::Sender<()>,
    blocks: Arc<Blocks>,
    pace: Arc<Pace>,
}

impl DirectPartial {
    /// To be written by so many connections at most.
    pub(super) fn new(
        file: Arc<dyn DirectFile>,
        held: mpsc::Sender<()>,
        connections: NonZeroU32,
    ) -> Self {
        let blocks = Arc::new(Blocks::for_connections(connections));
        Self { file, held, blocks, pace: Arc::default() }
    }
}

/// Memory that attempts have one after the other: each has a block to fill, and some have another
/// that is being written meanwhile.
#[derive(Debug)]
struct Blocks {
    size: usize,
    pool: Mutex<Pool>,
}

#[derive(Debug)]
struct Pool {
    free: Vec<AlignedBuf>,
    /// How many more may fill a block while another is being written.
    others: usize,
}

impl Blocks {
    fn for_connections(connections: NonZeroU32) -> Self {
        let connections = usize::try_from(connections.get()).unwrap_or(usize::MAX);
        let share = HELD / connections.saturating_add(connections / 2);
        let size = 1 << share.clamp(LEAST_COLLECTED, COLLECTED).ilog2();
        let others = (HELD / size).saturating_sub(connections).max(connections / 2).max(1);
        Self { size, pool: Mutex::new(Pool { free: Vec::new(), others }) }
    }

    /// A block to fill.
    fn take(&self) -> AlignedBuf {
        let free = self.pool().free.pop();
        free.unwrap_or_else(|| AlignedBuf::zeroed(self.size))
    }

    /// A block to fill while another is being written, if there may be one.
    fn take_another(&self) -> Option<AlignedBuf> {
        {
            let mut pool = self.pool();
            pool.others = pool.others.checked_sub(1)?;
        }
        Some(self.take())
    }

    fn give_back(&self, block: Option<AlignedBuf>, others: usize) {
        let mut pool = self.pool();
        pool.free.extend(block.filter(|block| !block.bytes().is_empty()));
        pool.others += others;
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// Empty while the only block is being written.
    filling: AlignedBuf,
    filled: usize,
    /// How much of it has been handed out to be hashed.
    hashed: usize,
    /// Where in the file the collected bytes belong.
    at: u64,
    writing: Option<JoinHandle<Result<AlignedBuf, FsError>>>,
}

impl Collector {
    /// For bytes from `at` on; `None` where these cannot be whole blocks, or the disk is slow with
    /// them.
    pub(super) fn new(partial: DirectPartial, at: u64) -> Option<Self> {
        let pays = at.is_multiple_of(DIRECT_BLOCK as u64) && !partial.pace.is_slow();
        pays.then(|| Self {
            filling: partial.blocks.take(),
            partial,
            filled: 0,
            hashed: 0,
            at,
            writing: None,
        })
    }

    /// Takes some of the next bytes and says how many.
    pub(super) fn take(&mut self, bytes: &[u8]) -> usize {
        let room = &mut self.filling.bytes_mut()[self.filled..];
        let taken = room.len().min(bytes.len()).min(IN_CACHE);
        room[..taken].copy_from_slice(&bytes[..taken]);
        self.filled += taken;
        taken
    }

    /// Where the next bytes are to be put.
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.filling.bytes_mut()[self.filled..]
    }

    /// So many bytes have been put into the room.
    pub(super) const fn filled(&mut self, bytes: usize) {
        self.filled += bytes;
    }

    /// Whether there is no room for more.
    pub(super) fn is_full(&self) -> bool {
        self.filled == self.partial.blocks.size
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
        &self.filling.bytes()[begin..end]
    }

    /// Bytes that are collected and not being written yet.
    pub(super) const fn len(&self) -> usize {
        self.filled
    }

    /// Forgets what is no whole block and so has not been hashed.
    pub(super) const fn cut(&mut self) {
        self.filled -= self.filled % DIRECT_BLOCK;
    }

    /// Begins to write what is collected, and waits for it where there is no other block to go on
    /// with. What came before it must be [settled](Self::settle). Once it is in the file, and only
    /// then, `then` is called.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it leaves the write to be waited for by [`settle`](Self::settle).
    pub(super) async fn submit(
        &mut self,
        then: impl FnOnce() + Send + 'static,
    ) -> Result<(), FsError> {
        let next = self.partial.blocks.take_another();
        let goes_on = next.is_some();
        let next = next.unwrap_or_else(|| AlignedBuf::zeroed(0));
        let block = std::mem::replace(&mut self.filling, next);
        let (len, at) = (std::mem::take(&mut self.filled), self.at);
        self.hashed = 0;
        self.at += len as u64;
        let DirectPartial { file, held, pace, .. } = self.partial.clone();
        self.writing = Some(spawn_blocking(move || {
            let written = pace.time(len as u64, || file.write_all_at(&block, len, at));
            if written.is_ok() {
                then();
            }
            drop(file);
            drop(held);
            written.map(|()| block)
        }));
        if goes_on { Ok(()) } else { self.settle().await }
    }

    /// Waits until all that was submitted is written.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it changes nothing: the next one waits for the same write.
    pub(super) async fn settle(&mut self) -> Result<(), FsError> {
        let Some(writing) = &mut self.writing else { return Ok(()) };
        let written = writing.await;
        let had_another = self.has_another();
        self.writing = None;
        let block = written.unwrap_or_else(|error| {
            let error = std::io::Error::other(error);
            let doing = "a defect of ossget stopped the writing of";
            Err(FsError::new(FsErrorKind::Storage, doing, "the partial file", Some(error)))
        });
        match had_another {
            true => {
                let (block, error) =
                    block.map_or_else(|error| (None, Err(error)), |it| (Some(it), Ok(())));
                self.partial.blocks.give_back(block, 1);
                error
            }
            false => {
                self.filling = block?;
                Ok(())
            }
        }
    }

    /// Whether it fills a block while another is being written.
    fn has_another(&self) -> bool {
        self.writing.is_some() && !self.filling.bytes().is_empty()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let others = usize::from(self.has_another());
        let filling = std::mem::replace(&mut self.filling, AlignedBuf::zeroed(0));
        self.partial.blocks.give_back(Some(filling), others);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc as std_mpsc;
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

    const FEW: NonZeroU32 = NonZeroU32::new(8).unwrap();

    fn gate() -> (Arc<Gate>, std_mpsc::Sender<()>) {
        let (tell, told) = std_mpsc::channel();
        (Arc::new(Gate { told: Mutex::new(told), written: Mutex::default() }), tell)
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_leaves_the_write_to_be_waited_for() {
        let (file, tell) = gate();
        let (held, mut writes) = mpsc::channel(1);
        let partial = DirectPartial::new(Arc::clone(&file) as Arc<dyn DirectFile>, held, FEW);
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
        let partial = DirectPartial::new(gate().0, held, FEW);
        assert!(Collector::new(partial.clone(), 4095).is_none());
        assert!(Collector::new(partial, 0).is_some());
    }

    #[test]
    fn however_many_connections_what_they_hold_is_bounded() {
        for (connections, size, held) in [
            (1, 1 << 20, 14 << 20),
            (8, 1 << 20, 14 << 20),
            (9, 1 << 20, 14 << 20),
            (16, 512 << 10, 14 << 20),
            (32, 256 << 10, 14 << 20),
            (64, 256 << 10, 24 << 20),
        ] {
            let blocks = Blocks::for_connections(NonZeroU32::new(connections).unwrap());
            let many = usize::try_from(connections).unwrap() + blocks.pool().others;
            assert_eq!((blocks.size, many * blocks.size), (size, held), "{connections}");
        }
    }

    #[tokio::test]
    async fn where_there_is_no_other_block_the_only_one_is_waited_for() {
        let (file, tell) = gate();
        let (held, _writes) = mpsc::channel(1);
        let partial = DirectPartial::new(file, held, FEW);
        partial.blocks.pool().others = 1;
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
        assert_eq!(partial.blocks.pool().others, 1);
        one.take(&[9; 4096]);
        one.submit(|| ()).await.unwrap();
        drop(one);
        assert_eq!(partial.blocks.pool().others, 1, "an attempt that is given up gives it back");
        tell.send(()).unwrap();
    }

    #[tokio::test]
    async fn blocks_are_used_again() {
        let (file, tell) = gate();
        let (held, _writes) = mpsc::channel(1);
        let partial = DirectPartial::new(file, held, FEW);
        for _ in 0..3 {
            let mut collector = Collector::new(partial.clone(), 0).unwrap();
            collector.take(&[7; 4096]);
            collector.submit(|| ()).await.unwrap();
            tell.send(()).unwrap();
            collector.settle().await.unwrap();
        }
        assert_eq!(partial.blocks.pool().free.len(), 2);
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
