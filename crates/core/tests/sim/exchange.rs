//! One request and its response, as far as they have come.

use super::adapter::{AttemptId, Micros, Piece};
use super::catalogue::Fault;
use super::content::Tag;
use ossget_core::{ByteRange, combine};

/// A request under way.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) id: AttemptId,
    pub(crate) asked: ByteRange,
    /// What goes wrong with it, if anything.
    pub(crate) fault: Option<Fault>,
    pub(crate) granted_end: u64,
    pub(crate) position: u64,
    /// Where what was written of the current part begins.
    pub(crate) piece_start: u64,
    /// What the body holds, at offsets of the object.
    pub(crate) tag: Tag,
    /// Bytes that arrive changed.
    pub(crate) flips: Vec<(u64, u8)>,
    pub(crate) cut: Option<(u64, Cut)>,
    pub(crate) trickles_until: Option<Micros>,
    pub(crate) silent: bool,
}

/// How a body ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    Reset,
    Silence,
    /// The server sends more than it said.
    Excess,
}

impl Exchange {
    pub(crate) fn new(id: AttemptId, asked: ByteRange, fault: Option<Fault>) -> Self {
        Self {
            id,
            asked,
            fault,
            granted_end: asked.end(),
            position: asked.start(),
            piece_start: asked.start(),
            tag: Tag::Zero,
            flips: Vec::new(),
            cut: None,
            trickles_until: None,
            silent: false,
        }
    }

    pub(crate) const fn fall_silent(&mut self) {
        self.silent = true;
    }

    /// Nothing goes wrong any more, but what is silent stays so.
    pub(crate) fn heal(&mut self) {
        self.fault = None;
        self.cut = None;
        self.trickles_until = None;
        // What has arrived wrong stays wrong.
        let position = self.position;
        self.flips.retain(|(at, _)| *at < position);
    }

    /// What this attempt has written of the part it is in.
    pub(crate) fn piece(&self) -> Piece {
        let mut crc = 0;
        let mut at = self.piece_start;
        let flips =
            self.flips.iter().filter(|(at, _)| (self.piece_start..self.position).contains(at));
        for &(flip, byte) in flips {
            crc = combine(crc, self.tag.crc(at, flip), flip - at);
            crc = combine(crc, ossget_core::crc64(&[byte]), 1);
            at = flip + 1;
        }
        crc = combine(crc, self.tag.crc(at, self.position), self.position - at);
        Piece { bytes: self.position - self.piece_start, crc }
    }
}
