//! What a run has left beside its destination, read with the published format and nothing else.

use ossget_core::{HEADER_LEN, Header, PartIndex, PartSet, SLOTS_OFFSET, SlotCodec, file_len};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A checkpoint and its partial file.
#[derive(Debug)]
pub struct Remains {
    /// The checkpoint file.
    pub checkpoint: PathBuf,
    /// The partial file, which need not be there.
    pub partial: PathBuf,
    /// What the checkpoint says about the object.
    pub header: Header,
    /// The parts with a valid slot.
    pub recorded: PartSet,
}

impl Remains {
    /// The byte ranges of the parts with a valid slot, adjacent ones joined.
    #[must_use]
    pub fn ranges(&self) -> Vec<Range<u64>> {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for part in self.recorded.iter() {
            let Some(range) = self.header.plan.range(PartIndex::new(part)) else { continue };
            match ranges.last_mut() {
                Some(last) if last.end == range.start() => last.end = range.end(),
                _ => ranges.push(range.start()..range.end()),
            }
        }
        ranges
    }

    /// Bytes in the parts with a valid slot.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.ranges().iter().map(|range| range.end - range.start).sum()
    }
}

/// Reads what a run has left in `dir`, if it left a valid checkpoint there.
///
/// # Panics
///
/// When `dir` cannot be read, or holds more than one checkpoint.
#[must_use]
pub fn remains(dir: &Path) -> Option<Remains> {
    let entries = fs::read_dir(dir).expect("a readable folder");
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    let mut checkpoints = paths.filter(|path| path.extension().is_some_and(|e| e == "ossget"));
    let checkpoint = checkpoints.next()?;
    assert!(checkpoints.next().is_none(), "two checkpoints in {}", dir.display());
    let bytes = fs::read(&checkpoint).expect("a readable checkpoint");
    let header = Header::decode(bytes.get(..HEADER_LEN)?).ok()?;
    let count = header.plan.count();
    if bytes.len() as u64 != file_len(count) {
        return None;
    }
    let mut recorded = PartSet::new(count);
    let slots = bytes.get(usize::try_from(SLOTS_OFFSET).ok()?..)?;
    SlotCodec::new(header.session, &header.plan).load(PartIndex::new(0), slots, &mut recorded);
    let partial = dir.join(&header.partial_name);
    Some(Remains { checkpoint, partial, header, recorded })
}
