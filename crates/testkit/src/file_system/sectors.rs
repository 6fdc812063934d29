//! What sectors hold, each content kept once: states of a disk are compared by small numbers.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The content of one sector. Equal contents have equal ids within one simulation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SectorId(u32);

impl SectorId {
    /// A sector of zeros.
    pub const ZERO: Self = Self(0);

    /// The id as a number, from 0 without gaps.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// Some bytes at a position within a sector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PatchId(u32);

/// All contents that sectors of one simulation have or had.
///
/// Trailing zeros are not kept: a sector is as long as its file says.
pub struct Sectors {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    contents: Vec<Arc<[u8]>>,
    by_hash: HashMap<u64, Vec<SectorId>>,
    patches: Vec<(usize, Arc<[u8]>)>,
    patches_by_hash: HashMap<(usize, u64), Vec<PatchId>>,
    patched: HashMap<(SectorId, PatchId), SectorId>,
}

impl Sectors {
    pub(super) fn new() -> Self {
        let mut table = Table::default();
        table.intern(&[]);
        Self { table: Mutex::new(table) }
    }

    /// The bytes of a sector without the zeros at its end.
    #[must_use]
    pub fn bytes(&self, id: SectorId) -> Arc<[u8]> {
        Arc::clone(&self.table().contents[id.0 as usize])
    }

    /// The id of a sector that begins with `bytes` and ends in zeros.
    pub fn intern(&self, bytes: &[u8]) -> SectorId {
        self.table().intern(bytes)
    }

    /// Remembers `bytes` to be written at `at` within a sector.
    pub(super) fn patch(&self, at: usize, bytes: &[u8]) -> PatchId {
        self.table().patch(at, bytes)
    }

    /// The beginning of a patch: what a write that was cut off has done.
    pub(super) fn torn(&self, patch: PatchId) -> PatchId {
        let mut table = self.table();
        let (at, bytes) = table.patches[patch.0 as usize].clone();
        table.patch(at, &bytes[..bytes.len() / 2])
    }

    /// What `base` becomes by a patch.
    pub(super) fn apply(&self, base: SectorId, patch: PatchId) -> SectorId {
        self.table().apply(base, patch)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Sectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sectors").finish_non_exhaustive()
    }
}

impl Table {
    fn intern(&mut self, bytes: &[u8]) -> SectorId {
        let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        let bytes = &bytes[..end];
        let same = self.by_hash.entry(hash(bytes)).or_default();
        if let Some(&id) = same.iter().find(|id| *self.contents[id.0 as usize] == *bytes) {
            return id;
        }
        let id = SectorId(u32::try_from(self.contents.len()).expect("fewer contents than 2^32"));
        same.push(id);
        self.contents.push(bytes.into());
        id
    }

    fn patch(&mut self, at: usize, bytes: &[u8]) -> PatchId {
        let same = self.patches_by_hash.entry((at, hash(bytes))).or_default();
        if let Some(&id) = same.iter().find(|id| *self.patches[id.0 as usize].1 == *bytes) {
            return id;
        }
        let id = PatchId(u32::try_from(self.patches.len()).expect("fewer patches than 2^32"));
        same.push(id);
        self.patches.push((at, bytes.into()));
        id
    }

    fn apply(&mut self, base: SectorId, patch: PatchId) -> SectorId {
        if let Entry::Occupied(known) = self.patched.entry((base, patch)) {
            return *known.get();
        }
        let (at, bytes) = &self.patches[patch.0 as usize];
        let mut whole = self.contents[base.0 as usize].to_vec();
        whole.resize(whole.len().max(at + bytes.len()), 0);
        whole[*at..at + bytes.len()].copy_from_slice(bytes);
        let id = self.intern(&whole);
        self.patched.insert((base, patch), id);
        id
    }
}

/// Quick and good enough to find equal contents; equality is looked at.
fn hash(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let seed = 0x9e37_79b9_7f4a_7c15_u64 ^ bytes.len() as u64;
    let mix =
        |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    let hash = words.iter().fold(seed, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    rest.iter().fold(hash, |hash, &byte| mix(hash, u64::from(byte)))
}
