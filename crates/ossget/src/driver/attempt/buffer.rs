//! Memory for what is written through the page cache.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes taken off a connection at once. Fewer cost more calls, more of them leave the processor's
/// cache before they are written: 8 connections take 1.05 times as long with twice as much.
const AMONG_OTHERS: usize = 256 << 10;
/// For a connection that is the only one, which takes 1.15 times as long with half of it.
const ALONE: usize = 512 << 10;

/// Counts the buffers of a transfer.
#[derive(Debug, Default)]
pub(in crate::driver) struct Buffers {
    count: AtomicUsize,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Buffer {
    memory: Vec<u8>,
    all: Arc<Buffers>,
}

impl Buffers {
    pub(super) fn take(self: &Arc<Self>) -> Buffer {
        let len = match self.count.fetch_add(1, Relaxed) {
            0 => ALONE,
            _ => AMONG_OTHERS,
        };
        Buffer { memory: vec![0; len], all: Arc::clone(self) }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.memory
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.all.count.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_one_is_larger() {
        let buffers = Arc::<Buffers>::default();
        let sizes = |count| {
            let taken: Vec<_> = (0..count).map(|_| buffers.take()).collect();
            taken.iter().map(|it| it.len() >> 10).collect::<Vec<_>>()
        };
        assert_eq!(sizes(3), [512, 256, 256]);
        assert_eq!(sizes(1), [512], "they are given back");
    }
}
