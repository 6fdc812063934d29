//! What the checkpoint of a locked destination says.

use ossget_core::{
    Bind, CheckpointError, HEADER_LEN, Header, PartIndex, PartSet, SLOT_LEN, SlotCodec, file_len,
};
use ossget_fs::{CheckpointFile, DestinationLock, FsError};
use std::ffi::{OsStr, OsString};

/// The header page, as far as it can be read.
pub(crate) fn header(
    checkpoint: &dyn CheckpointFile,
) -> Result<Result<Header, CheckpointError>, FsError> {
    let mut page = vec![0; HEADER_LEN];
    let len = checkpoint.read_at(&mut page, 0)?;
    page.truncate(len);
    Ok(Header::decode(&page))
}

/// The bind page, if it is one.
pub(crate) fn bind(checkpoint: &dyn CheckpointFile) -> Result<Option<Bind>, FsError> {
    let mut page = vec![0; HEADER_LEN];
    let read = checkpoint.read_at(&mut page, HEADER_LEN as u64)?;
    page.truncate(read);
    Ok(Bind::decode(&page).ok())
}

/// What the checkpoint records of its partial file's name: in the header, or where that cannot
/// be read in the bind page.
pub(crate) fn recorded_partial(
    checkpoint: &dyn CheckpointFile,
    header: &Result<Header, CheckpointError>,
) -> Result<Option<String>, FsError> {
    match header {
        Ok(header) => Ok(Some(header.partial_name.clone())),
        Err(_) => Ok(bind(checkpoint)?.map(|bind| bind.partial_name)),
    }
}

/// The parts with a valid slot, or `None` if the file does not have the length it must have.
pub(crate) fn recorded(
    checkpoint: &dyn CheckpointFile,
    header: &Header,
) -> Result<Option<PartSet>, FsError> {
    let count = header.plan.count();
    if checkpoint.len()? != file_len(count) {
        return Ok(None);
    }
    let codec = SlotCodec::new(header.session, &header.plan);
    let mut recorded = PartSet::new(count);
    let mut buffer = vec![0; LOAD_SLOTS.min(count) as usize * SLOT_LEN];
    let mut first = 0;
    while first < count {
        let many = LOAD_SLOTS.min(count - first);
        let part = PartIndex::new(first);
        let piece = &mut buffer[..many as usize * SLOT_LEN];
        let read = checkpoint.read_at(piece, codec.offset(part))?;
        codec.load(part, &piece[..read], &mut recorded);
        first += many;
    }
    Ok(Some(recorded))
}

/// The name that a checkpoint's record of it stands for, if it can be a partial file of this
/// destination at all. Never trusted further than that: anyone could have written it.
pub(crate) fn partial_name(lock: &dyn DestinationLock, recorded: &str) -> Option<OsString> {
    let suffix = suffix_in(recorded)?;
    let name = lock.partial_name(suffix);
    (lock.is_partial_name(&name) && recorded_name(&name, suffix) == recorded).then_some(name)
}

/// What a checkpoint records of a partial file's name: the name, or where that is no UTF-8 its
/// random suffix, from which the name can be made again.
pub(crate) fn recorded_name(name: &OsStr, suffix: &str) -> String {
    name.to_str().map_or_else(|| format!("{suffix}.part"), ToOwned::to_owned)
}

/// The random suffix in a recorded name.
pub(crate) fn suffix_in(recorded: &str) -> Option<&str> {
    let stem = recorded.strip_suffix(".part")?;
    stem.get(stem.len().checked_sub(SUFFIX_LEN)?..)
}

/// Whether a suffix is no word, as a user may give one to a file of their own. Every suffix ends in
/// a digit; of those of earlier versions one in twenty had none.
pub(crate) fn is_no_word(suffix: &str) -> bool {
    suffix.contains(|it: char| it.is_ascii_digit())
}

/// Slots read at once: 64 KiB, little beside the bitmap of the most parts there can be.
const LOAD_SLOTS: u32 = 4096;
const SUFFIX_LEN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::sample;
    use ossget_core::PartSize;

    const BESIDE: &str = "a.abcdefghijkl2345.part";

    #[test]
    fn of_more_slots_than_are_read_at_once_all_are_read() {
        let count = 2 * LOAD_SLOTS + 1;
        let header = sample::header(u64::from(count) * PartSize::MIN.bytes(), BESIDE);
        assert_eq!(header.plan.count(), count);
        let codec = SlotCodec::new(header.session, &header.plan);
        let dir = tempfile::tempdir().unwrap();
        let lock = sample::locked(&sample::place(dir.path()), &sample::file(&header));
        let checkpoint = lock.checkpoint();
        let parts = [0, 1, LOAD_SLOTS - 1, LOAD_SLOTS, 2 * LOAD_SLOTS - 1, 2 * LOAD_SLOTS];
        for part in parts.map(PartIndex::new) {
            checkpoint.write_all_at(&codec.encode(part, 7), codec.offset(part)).unwrap();
        }
        let found = recorded(checkpoint.as_ref(), &header).unwrap().expect("it is whole");
        assert_eq!(found.iter().collect::<Vec<_>>(), parts);
        for cut in [codec.offset(PartIndex::new(count - 1)), 0] {
            checkpoint.reset(cut).unwrap();
            assert!(recorded(checkpoint.as_ref(), &header).unwrap().is_none(), "{cut}");
        }
    }

    #[test]
    fn only_a_name_of_the_destinations_own_is_taken_from_a_checkpoint() {
        let dir = tempfile::tempdir().unwrap();
        let lock = sample::locked(&sample::place(dir.path()), b"");
        let of_a = |recorded: &str| partial_name(lock.as_ref(), recorded);
        assert_eq!(of_a(BESIDE), Some(BESIDE.into()));
        for wrong in [
            "",
            ".part",
            "a",
            "b.abcdefghijkl2345.part",
            "../a.abcdefghijkl2345.part",
            "/a.abcdefghijkl2345.part",
            "abcdefghijkl2345.part",
            "a.abcdefghijkl2345",
            "a.bcdefghijkl2345.part",
            "a.ABCDEFGHIJKL2345.part",
            "a.../abcdefghij2345.part",
        ] {
            assert_eq!(of_a(wrong), None, "{wrong}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn of_a_name_that_is_no_text_its_suffix_is_recorded_and_gives_it_back() {
        use std::os::unix::ffi::OsStrExt as _;
        let dir = tempfile::tempdir().unwrap();
        let destination = dir.path().join(OsStr::from_bytes(b"\xff\xfe"));
        let lock = sample::locked(&ossget_fs::Place::new(destination), b"");
        let suffix = "abcdefghijkl2345";
        let name = lock.partial_name(suffix);
        let recorded = recorded_name(&name, suffix);
        assert_eq!(recorded, "abcdefghijkl2345.part");
        assert_eq!(suffix_in(&recorded), Some(suffix));
        assert_eq!(partial_name(lock.as_ref(), &recorded), Some(name));
        assert_eq!(recorded_name(OsStr::new(BESIDE), suffix), BESIDE);
        assert_eq!(suffix_in("é.part"), None, "what is no suffix is not cut out of a character");
    }
}
