//! Pieces of one mapping of memory, each with an owner of its own.

use memmap2::MmapMut;
use std::ptr::NonNull;
use std::slice;
use std::sync::Arc;

/// Some bytes of a mapping, which nobody else reaches.
pub(crate) struct Piece {
    start: NonNull<u8>,
    len: usize,
    /// Keeps them; never touched itself.
    _mapping: Arc<MmapMut>,
}

// SAFETY: the bytes belong to the piece alone, and neither they nor the mapping to any thread.
unsafe impl Send for Piece {}
// SAFETY: whoever shares a piece can only read its bytes.
unsafe impl Sync for Piece {}

/// Cuts what lies behind the first `skipped` bytes into pieces of `len` bytes, one every `step`
/// bytes, as many as there is room for. `step` is not 0.
pub(crate) fn cut(mut mapping: MmapMut, skipped: usize, len: usize, step: usize) -> Vec<Piece> {
    let rest = mapping.get_mut(skipped..).unwrap_or_default();
    let chunks = rest.chunks_exact_mut(step).filter_map(|chunk| chunk.get_mut(..len));
    let starts: Vec<_> = chunks.map(|bytes| NonNull::from(bytes).cast()).collect();
    let mapping = Arc::new(mapping);
    let piece = |start| Piece { start, len, _mapping: Arc::clone(&mapping) };
    starts.into_iter().map(piece).collect()
}

impl Piece {
    pub(crate) const fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping that is kept has these bytes, all of them set; no other piece has any
        // of them, and this one is borrowed for as long as they are.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    pub(crate) const fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and the piece is borrowed exclusively.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_do_not_overlap_and_each_keeps_the_memory() {
        let mapping = MmapMut::map_anon(1000).expect("memory");
        let mut pieces = cut(mapping, 100, 200, 300);
        assert_eq!(pieces.len(), 3);
        for (piece, byte) in pieces.iter_mut().zip(1..) {
            assert_eq!(piece.bytes(), [0; 200]);
            piece.bytes_mut().fill(byte);
        }
        let mut last = pieces.pop().expect("the third");
        assert_eq!(pieces[0].bytes(), [1; 200]);
        assert_eq!(pieces[1].bytes(), [2; 200]);
        drop(pieces);
        let last = std::thread::spawn(move || {
            assert_eq!(last.bytes(), [3; 200]);
            last.bytes_mut().fill(4);
            last
        });
        assert_eq!(last.join().expect("a thread").bytes(), [4; 200]);
    }

    #[test]
    fn where_there_is_no_room_there_are_no_pieces() {
        let mapping = || MmapMut::map_anon(1000).expect("memory");
        assert_eq!(cut(mapping(), 0, 1001, 1001).len(), 0);
        assert_eq!(cut(mapping(), 1001, 1, 1).len(), 0);
        assert_eq!(cut(mapping(), 999, 1, 1).len(), 1);
        assert_eq!(cut(mapping(), 0, 11, 10).len(), 0, "nor where they would overlap");
    }
}
