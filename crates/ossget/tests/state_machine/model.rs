//! What a run may keep of what earlier ones left, read with the published format and nothing else.

use ossget_core::{HEADER_LEN, Header, PartIndex, PartSet, SLOTS_OFFSET, SlotCodec, file_len};
use ossget_testkit::Content;
use std::fs;
use std::path::Path;

/// What may be kept.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Bytes in parts that are recorded and that the partial file still holds.
    pub(crate) bytes: u64,
}

impl Kept {
    /// Reads what lies in `dir` beside the destination, for a download of `content`.
    pub(crate) fn read(dir: &Path, content: &Content) -> Self {
        Self { bytes: bytes(dir, content).unwrap_or(0) }
    }
}

fn bytes(dir: &Path, content: &Content) -> Option<u64> {
    let entries = fs::read_dir(dir).ok()?;
    let checkpoint = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "ossget"))?;
    let checkpoint = fs::read(checkpoint).ok()?;
    let header = Header::decode(checkpoint.get(..HEADER_LEN)?).ok()?;
    if header.identity.etag != Some(content.etag())
        || checkpoint.len() as u64 != file_len(header.plan.count())
    {
        return None;
    }
    let partial = fs::read(dir.join(&header.partial_name)).ok()?;
    let mut recorded = PartSet::new(header.plan.count());
    let slots = checkpoint.get(usize::try_from(SLOTS_OFFSET).ok()?..)?;
    SlotCodec::new(header.session, &header.plan).load(PartIndex::new(0), slots, &mut recorded);
    let intact = recorded.iter().filter_map(|part| {
        let range = header.plan.range(PartIndex::new(part))?;
        let index = usize::try_from(range.start()).ok()?..usize::try_from(range.end()).ok()?;
        let held = partial.get(index)?;
        (held == &content.window(range.start()..range.end())[..]).then_some(range.len())
    });
    Some(intact.sum())
}
