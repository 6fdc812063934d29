//! Memory that attempts have one after the other: blocks to be filled and written past the page
//! cache.

use crate::DiskWrites;
use ossget_fs::AlignedBuf;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes collected before they are written, at most. Fewer cost more calls, more of them memory: 64
/// connections take 1.57 of the floor's processor time with blocks of 256 KiB, 1.32 with 512 KiB.
const LARGEST: usize = 1 << 20;
const SMALLER: usize = 512 << 10;
/// Where each is written at once, so that nobody has a second one. What is received at once is
/// cheaper, too: 8 connections take 1.21 to 1.30 of the floor's processor time instead of 1.30 to 1.39.
const INLINE: usize = 2 << 20;
/// As long as less than so much is held, blocks are of that size: 8 connections hold 13 MiB.
const HELD_INLINE: usize = 10 << 20;
/// With less than that, 64 connections are slower than through the page cache.
const SMALLEST: usize = 256 << 10;
/// As long as less than so much is held, blocks are of the largest size; then of the next.
const HELD_IN_LARGEST: usize = 16 << 20;
const HELD_IN_SMALLER: usize = 24 << 20;
/// What all hold together when one of them gets a second block.
const HELD_WITH_SECONDS: usize = 14 << 20;
/// Blocks kept for attempts that are about to begin, however much is held.
const FREE: usize = 4;

/// What all attempts of a download hold together. Parts are whole blocks where they are a power of
/// two.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    pool: Mutex<Pool>,
    writes: DiskWrites,
}

#[derive(Debug, Default)]
struct Pool {
    free: Vec<AlignedBuf>,
    /// Bytes of those that are in use.
    held: usize,
}

impl Pool {
    fn free_bytes(&self) -> usize {
        self.free.iter().map(|block| block.bytes().len()).sum()
    }
}

/// One that is in use. Dropped, it is free.
#[derive(Debug)]
pub(super) struct Block {
    memory: AlignedBuf,
    blocks: Arc<Blocks>,
}

impl Blocks {
    pub(super) fn new(writes: DiskWrites) -> Self {
        Self { pool: Mutex::default(), writes }
    }

    /// A block to fill: the more is held, the smaller.
    pub(super) fn take(self: &Arc<Self>) -> Block {
        let mut pool = self.pool();
        let len = match pool.held {
            ..HELD_INLINE if self.writes == DiskWrites::Inline => INLINE,
            ..HELD_IN_LARGEST => LARGEST,
            HELD_IN_LARGEST..HELD_IN_SMALLER => SMALLER,
            _ => SMALLEST,
        };
        pool.held += len;
        self.of(pool, len)
    }

    /// A block to fill while another is being written, if there may be one.
    pub(super) fn take_second(self: &Arc<Self>) -> Option<Block> {
        let mut pool = self.pool();
        let held = pool.held + LARGEST;
        if held > HELD_WITH_SECONDS {
            return None;
        }
        pool.held = held;
        Some(self.of(pool, LARGEST))
    }

    /// Bytes in use.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.pool().held
    }

    fn of(self: &Arc<Self>, mut pool: MutexGuard<'_, Pool>, len: usize) -> Block {
        let free = pool.free.iter().position(|block| block.bytes().len() == len);
        let free = free.map(|index| pool.free.remove(index));
        drop(pool);
        let memory = free.unwrap_or_else(|| AlignedBuf::zeroed(len));
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
        let memory = std::mem::replace(&mut self.memory, AlignedBuf::zeroed(0));
        let mut pool = self.blocks.pool();
        pool.held -= memory.bytes().len();
        pool.free.push(memory);
        while pool.free.len() > FREE && pool.held + pool.free_bytes() > HELD_IN_LARGEST {
            // The one that nobody has wanted for the longest time.
            pool.free.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn len(block: &Block) -> usize {
        block.bytes().len()
    }

    #[test]
    fn however_many_attempts_what_they_hold_is_bounded() {
        for (attempts, held) in [(1, 1), (8, 8), (16, 16), (32, 24), (64, 32)] {
            let blocks = Arc::<Blocks>::default();
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
        for (attempts, held) in [(1, 2 << 10), (6, 11 << 10), (8, 13 << 10), (64, 33 << 10 | 256)] {
            let blocks = Arc::new(Blocks::new(DiskWrites::Inline));
            let taken: Vec<_> = (0..attempts).map(|_| blocks.take()).collect();
            assert_eq!(blocks.held() >> 10, held, "{attempts}");
            drop(taken);
            assert_eq!(blocks.held(), 0);
        }
    }

    #[test]
    fn those_of_a_few_attempts_are_all_used_again() {
        let blocks = Arc::<Blocks>::default();
        let eight = || drop((0..8).map(|_| blocks.take()).collect::<Vec<_>>());
        eight();
        assert_eq!(blocks.pool().free_bytes(), 8 << 20);
        eight();
        assert_eq!(blocks.pool().free_bytes(), 8 << 20, "no other ones");
    }

    #[test]
    fn those_that_are_too_small_once_less_is_held_make_room() {
        let blocks = Arc::<Blocks>::default();
        let many = |attempts| drop((0..attempts).map(|_| blocks.take()).collect::<Vec<_>>());
        many(64);
        assert!(blocks.pool().free_bytes() <= HELD_IN_LARGEST, "what many held is given back");
        for _ in 0..3 {
            many(16);
            assert!(blocks.pool().free_bytes() <= HELD_IN_LARGEST);
        }
        assert!(blocks.pool().free.iter().all(|block| block.bytes().len() == LARGEST));
    }
}
