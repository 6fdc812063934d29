//! What happened in a story, in order: as a hash to compare two tellings, or as text to read.

use super::adapter::Micros;
use std::fmt::Debug;

/// Everything that was asked and reported so far.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    aloud: Aloud,
}

/// Whether a story is printed while it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aloud {
    Yes,
    No,
}

impl Trace {
    pub(crate) const fn new(aloud: Aloud) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, aloud }
    }

    pub(crate) fn add(&mut self, now: Micros, what: &dyn Debug) {
        let text = format!("{now} {what:?}");
        if self.aloud == Aloud::Yes {
            println!("{text}");
        }
        // FNV-1a: the same on every machine and with every compiler.
        for byte in text.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }
}
