//! How much memory is allocated at once.
#![allow(unsafe_code, reason = "an allocator has no safe form")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs `work` and returns the most bytes that were allocated at once by then, beyond what was
/// allocated before. Counts all threads: nothing else may run meanwhile.
pub(crate) fn most_allocated(work: impl FnOnce()) -> usize {
    let before = NOW.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    work();
    MOST.load(Ordering::Relaxed).saturating_sub(before)
}

/// The system's allocator, counting.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

impl Counting {
    fn took(bytes: usize) {
        let now = NOW.fetch_add(bytes, Ordering::Relaxed).wrapping_add(bytes);
        MOST.fetch_max(now, Ordering::Relaxed);
    }

    fn gave(bytes: usize) {
        NOW.fetch_sub(bytes, Ordering::Relaxed);
    }
}

// SAFETY: every call goes to the system's allocator as it came; counting touches no memory but two
// atomic numbers and allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::took(layout.size());
        // SAFETY: the caller keeps the contract of this very function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::took(layout.size());
        // SAFETY: the caller keeps the contract of this very function.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // Both may be there for a moment.
        Self::took(new_size);
        // SAFETY: the caller keeps the contract of this very function.
        let moved = unsafe { System.realloc(pointer, layout, new_size) };
        Self::gave(layout.size());
        moved
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of this very function.
        unsafe { System.dealloc(pointer, layout) };
        Self::gave(layout.size());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allocated_at_once_is_counted_and_no_more() {
        let most = most_allocated(|| {
            for _ in 0..10 {
                std::hint::black_box(vec![1_u8; 1 << 20]);
            }
        });
        assert!((1 << 20..3 << 19).contains(&most), "{most}");
    }
}
