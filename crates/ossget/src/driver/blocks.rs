//! Memory that attempts have one after the other: blocks to be filled and written past the page
//! cache.

use crate::DiskWrites;
use ossget_fs::{AlignedBuf, HUGE_PAGE};
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut, RangeInclusive};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes collected before they are written, at most. Fewer cost more calls, more of them memory: 64
/// connections take 1.57 of the floor's processor time with blocks of 256 KiB, 1.32 with 512 KiB.
const LARGEST: usize = 1 << 20;
const SMALLER: usize = 512 << 10;
/// Where each is written at once, so that nobody has a second one. What is received at once is
/// cheaper, too: 8 connections take 1.21 to 1.30 of the floor's processor time instead of 1.30 to 1.39.
const INLINE: usize = 2 << 20;
/// As long as less than so much is held, blocks are of that size: 8 connections hold 14 MiB.
const HELD_INLINE: usize = 12 << 20;
/// With less than that, 64 connections are slower than through the page cache.
const SMALLEST: usize = 256 << 10;
/// As long as less than so much is held, blocks are of the largest size; then of the next.
const HELD_IN_LARGEST: usize = 16 << 20;
const HELD_IN_SMALLER: usize = 24 << 20;
/// What all hold together when one of them gets a second block.
const HELD_WITH_SECONDS: usize = 14 << 20;
/// Pages kept for attempts that are about to begin, however much is held.
const FREE_PAGES: usize = 2;

/// What all attempts of a download hold together. Parts are whole blocks where they are a power of
/// two.
#[derive(Debug)]
pub(super) struct Blocks {
    pool: Mutex<Pool>,
    writes: DiskWrites,
    /// Bytes of the largest that a part can fill: it is written when the part ends.
    useful: usize,
}

#[derive(Debug, Default)]
struct Pool {
    free: Vec<AlignedBuf>,
    /// Bytes of those that are in use.
    held: usize,
}

impl Pool {
    /// The one of such a length that was used last.
    fn free(&mut self, len: RangeInclusive<usize>) -> Option<AlignedBuf> {
        let index = self.free.iter().rposition(|block| len.contains(&block.bytes().len()))?;
        Some(self.free.remove(index))
    }

    /// Gives pages back to the system of which no block is in use, those with the smallest blocks
    /// first, while there is too much.
    fn shrink(&mut self) {
        while self.held + self.free_bytes() > HELD_IN_LARGEST {
            let mut pages = BTreeMap::<usize, usize>::new();
            for block in &self.free {
                *pages.entry(page(block)).or_default() += block.bytes().len();
            }
            pages.retain(|_, free| *free >= HUGE_PAGE);
            let unused = self.free.iter().filter(|block| pages.contains_key(&page(block)));
            let smallest = unused.min_by_key(|block| block.bytes().len()).map(page);
            match smallest {
                Some(smallest) if pages.len() > FREE_PAGES => {
                    self.free.retain(|block| page(block) != smallest);
                }
                _ => return,
            }
        }
    }

    fn add(&mut self, len: usize) -> AlignedBuf {
        let mut blocks = AlignedBuf::zeroed_in_huge_page(len);
        let block = blocks.pop().unwrap_or_default();
        self.free.append(&mut blocks);
        block
    }

    fn free_bytes(&self) -> usize {
        self.free.iter().map(|block| block.bytes().len()).sum()
    }
}

/// Which page of memory it lies in.
fn page(block: &AlignedBuf) -> usize {
    block.bytes().as_ptr().addr() / HUGE_PAGE
}

/// One that is in use. Dropped, it is free.
#[derive(Debug)]
pub(super) struct Block {
    memory: AlignedBuf,
    blocks: Arc<Blocks>,
}

impl Blocks {
    /// For parts of so many bytes.
    pub(super) fn new(writes: DiskWrites, part_size: u64) -> Self {
        let part_size = usize::try_from(part_size).unwrap_or(usize::MAX);
        let useful = part_size.clamp(SMALLEST, INLINE).next_power_of_two();
        Self { pool: Mutex::default(), writes, useful }
    }

    /// A block to fill: the more is held, the smaller.
    pub(super) fn take(self: &Arc<Self>) -> Block {
        let pool = self.pool();
        let len = match pool.held {
            ..HELD_INLINE if self.writes == DiskWrites::Inline => INLINE,
            ..HELD_IN_LARGEST => LARGEST,
            HELD_IN_LARGEST..HELD_IN_SMALLER => SMALLER,
            _ => SMALLEST,
        };
        self.of(pool, len.min(self.useful))
    }

    /// A block to fill while another is being written, if there may be one.
    pub(super) fn take_second(self: &Arc<Self>) -> Option<Block> {
        let pool = self.pool();
        let len = LARGEST.min(self.useful);
        let there_is_room = pool.held + len <= HELD_WITH_SECONDS;
        there_is_room.then(|| self.of(pool, len))
    }

    /// Whether more is held than in blocks of the largest size.
    pub(super) fn are_many(&self) -> bool {
        self.pool().held > HELD_IN_LARGEST
    }

    /// Gives back what nobody uses: nobody will.
    pub(super) fn forget_free(&self) {
        self.pool().free.clear();
    }

    /// Bytes in use.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.pool().held
    }

    #[cfg(test)]
    pub(super) fn free_bytes(&self) -> usize {
        self.pool().free_bytes()
    }

    fn of(self: &Arc<Self>, mut pool: MutexGuard<'_, Pool>, len: usize) -> Block {
        let memory = pool.free(len..=len).or_else(|| pool.free(len..=len * 2));
        let memory = memory.unwrap_or_else(|| pool.add(len));
        pool.held += memory.bytes().len();
        drop(pool);
        Block { memory, blocks: Arc::clone(self) }
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for Block {
    type Target = AlignedBuf;

    fn deref(&self) -> &AlignedBuf {
        &self.memory
    }
}

impl DerefMut for Block {
    fn deref_mut(&mut self) -> &mut AlignedBuf {
        &mut self.memory
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        let mut pool = self.blocks.pool();
        pool.held -= memory.bytes().len();
        pool.free.push(memory);
        pool.shrink();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn blocks(writes: DiskWrites) -> Arc<Blocks> {
        Arc::new(Blocks::new(writes, 8 << 20))
    }

    fn len(block: &Block) -> usize {
        block.bytes().len()
    }

    #[test]
    fn however_many_attempts_what_they_hold_is_bounded() {
        for (attempts, held) in [(1, 1), (8, 8), (16, 16), (32, 24), (64, 32)] {
            let blocks = blocks(DiskWrites::Offloaded);
            let first: Vec<_> = (0..attempts).map(|_| blocks.take()).collect();
            assert_eq!(blocks.held(), held << 20, "{attempts}");
            assert_eq!(first.iter().map(len).sum::<usize>(), held << 20);
            let second: Vec<_> = std::iter::from_fn(|| blocks.take_second()).collect();
            assert_eq!(second.len(), 14_usize.saturating_sub(held), "{attempts}");
            drop((first, second));
            assert_eq!(blocks.held(), 0);
        }
    }

    #[test]
    fn those_written_at_once_are_larger_and_bounded_as_well() {
        for (attempts, held) in [(1, 2 << 10), (6, 12 << 10), (8, 14 << 10), (64, 33 << 10 | 512)] {
            let blocks = blocks(DiskWrites::Inline);
            let taken: Vec<_> = (0..attempts).map(|_| blocks.take()).collect();
            assert_eq!(blocks.held() >> 10, held, "{attempts}");
            assert_eq!(blocks.are_many(), attempts == 64);
            drop(taken);
            assert_eq!(blocks.held(), 0);
        }
    }

    #[test]
    fn they_are_no_larger_than_parts_can_fill() {
        let sizes = [(100 << 10, 256), (1 << 20, 1024), (1_048_577, 2048), (5 << 30, 2048)];
        for (part_size, kib) in sizes {
            let blocks = Arc::new(Blocks::new(DiskWrites::Inline, part_size));
            assert_eq!(len(&blocks.take()) >> 10, kib);
            let second = blocks.take_second().unwrap();
            assert_eq!(len(&second) >> 10, kib, "the same is free again");
        }
    }

    #[test]
    fn those_of_a_few_attempts_are_all_used_again() {
        let blocks = blocks(DiskWrites::Offloaded);
        let eight = || drop((0..8).map(|_| blocks.take()).collect::<Vec<_>>());
        eight();
        assert_eq!(blocks.pool().free_bytes(), 8 << 20);
        eight();
        assert_eq!(blocks.pool().free_bytes(), 8 << 20, "no other ones");
    }

    /// Otherwise what another size has left would be of no use to anybody.
    #[test]
    fn one_that_is_free_is_taken_before_a_new_one_even_if_it_is_larger() {
        let blocks = blocks(DiskWrites::Inline);
        let mut taken: Vec<_> = (0..8).map(|_| blocks.take()).collect();
        assert_eq!([len(&taken[0]), len(&taken[7])], [INLINE, LARGEST]);
        // 12 MiB are held, and one of a MiB would do for the next.
        drop(taken.remove(0));
        assert_eq!(len(&blocks.take()), INLINE);
        drop(taken.pop());
        let again = [blocks.take(), blocks.take()];
        assert_eq!(again.iter().map(len).sum::<usize>(), INLINE + LARGEST);
        assert_eq!((blocks.held(), blocks.pool().free_bytes()), (14 << 20, 0));
        drop((taken, again));
    }

    #[test]
    fn those_that_are_too_small_once_less_is_held_make_room() {
        let blocks = blocks(DiskWrites::Offloaded);
        let many = |attempts| drop((0..attempts).map(|_| blocks.take()).collect::<Vec<_>>());
        many(64);
        assert!(blocks.pool().free_bytes() <= HELD_IN_LARGEST, "what many held is given back");
        for _ in 0..3 {
            many(16);
            assert!(blocks.pool().free_bytes() <= HELD_IN_LARGEST);
        }
        assert!(blocks.pool().free.iter().all(|block| block.bytes().len() == LARGEST));
    }

    /// A page stays as long as any of its blocks is in use: what is left of it must be, too.
    #[test]
    fn however_attempts_come_and_go_the_pages_are_few() {
        let mut chance = 1_u64;
        let mut below = |limit: usize| {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(chance >> 33).unwrap() % limit
        };
        for (writes, attempts, most) in [
            (DiskWrites::Inline, 8, 7),
            (DiskWrites::Inline, 64, 21),
            (DiskWrites::Offloaded, 64, 21),
        ] {
            let blocks = blocks(writes);
            let mut taken: Vec<_> = (0..attempts).map(|_| blocks.take()).collect();
            for _ in 0..2000 {
                // One to eight end, and as many begin.
                for _ in 0..=below(8) {
                    taken.swap_remove(below(taken.len()));
                    if taken.is_empty() {
                        break;
                    }
                }
                taken.resize_with(attempts, || blocks.take());
                let pool = blocks.pool();
                let all = pool.free.iter().chain(taken.iter().map(|block| &block.memory));
                let pages = all.map(page).collect::<BTreeSet<_>>().len();
                assert!(pages <= most, "{attempts}: {pages} pages");
            }
        }
    }
}
