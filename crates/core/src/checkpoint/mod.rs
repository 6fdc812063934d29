//! The checkpoint file, format v1: its bytes, not its I/O.
//!
//! ```text
//! 0     header page, 4096 bytes: which object, which plan, which session ([`Header`])
//! 4096  bind page, 4096 bytes: which partial file ([`Bind`])
//! 8192  one slot of 16 bytes for each part: its CRC-64 and a keyed tag ([`SlotCodec`])
//! ```
//!
//! Numbers are little-endian. The file is exactly [`file_len`] bytes long.
//!
//! The checkpoint is a set of facts that only grows during a session, each true for ever within
//! it. Losing any of them costs a part fetched again; only a false one would be dangerous. So no
//! order or atomicity is needed between slots, but each must validate itself: its tag is keyed
//! with the random id of the session, and bytes of an older session, of another object or of
//! nobody never pass for a fact.
//!
//! A page is read before any length in it is trusted, and what decoding allocates is bounded by
//! the page.

mod bind;
mod error;
mod header;
mod page;
mod slots;

pub use bind::Bind;
pub use error::{CheckpointError, CheckpointField};
pub use header::{Header, Locator, SourceKind};
pub use slots::{LoadSummary, Slot, SlotCodec};

use core::fmt;

use crate::PartSet;

/// Length of the header page in bytes; the bind page begins here and is as long.
pub const HEADER_LEN: usize = 4096;

/// Where the slots begin, in bytes from the start of the file.
pub const SLOTS_OFFSET: u64 = 8192;

/// Length of a slot in bytes. A divisor of the sector size: no slot spans two sectors.
pub const SLOT_LEN: usize = 16;

/// The length in bytes of the checkpoint of `count` parts.
#[must_use]
pub const fn file_len(count: u32) -> u64 {
    SLOTS_OFFSET + SLOT_LEN as u64 * count as u64
}

/// What one session's checkpoint records: the value to resume from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The header page.
    pub header: Header,
    /// The parts whose slots are valid.
    pub recorded: PartSet,
}

/// The random id of the session that made a checkpoint, and the key of its tags.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// An id of 16 bytes, which must come from a good source of randomness.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes of the id.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, ..] = self.0;
        write!(f, "SessionId({a:02x}{b:02x}{c:02x}..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn the_file_is_two_pages_and_the_slots() {
        assert_eq!(file_len(0), 8192);
        assert_eq!(file_len(10_000_000), 160_008_192);
        assert_eq!(file_len(u32::MAX), 8192 + 16 * 4_294_967_295);
    }

    #[test]
    fn debug_shows_a_session_id_only_in_part() {
        assert_eq!(format!("{:?}", SessionId::new([0xab; 16])), "SessionId(ababab..)");
    }
}
