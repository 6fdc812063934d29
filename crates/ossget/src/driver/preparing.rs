//! Making the partial file ready: a new one, an earlier run's, or none because the destination
//! already is the object.

use super::hash::{Examined, examine, hash_file};
use super::storage::{
    CheckpointSite, Left, Preparation, Prepared, Storage, Trust, random, read_slot,
};
use crate::checkpoint::remains::{self, recorded_name};
use ossget_core::session::{PrepareMode, PreparedPartial, Recording};
use ossget_core::{
    Bind, Checkpoint, CheckpointError, HEADER_LEN, Header, ObjectIdentity, PartIndex, PartPlan,
    SessionId, SlotCodec, combine, file_len,
};
use ossget_fs::{FileId, FsError, FsErrorKind, PartialFile, Syncing};
use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Storage {
    /// Makes the partial file ready, new or old.
    pub(super) fn prepare(
        &self,
        identity: &ObjectIdentity,
        plan: &PartPlan,
        mode: PrepareMode,
        left: &Left,
    ) -> Result<Preparation, FsError> {
        if let Some(name) = &left.superseded {
            self.lock.remove_partial(name)?;
        }
        match (mode, &left.checkpoint) {
            (PrepareMode::Resume, Some(checkpoint)) => self.reopen(identity, checkpoint, left),
            (PrepareMode::Resume, None) => Ok(Preparation::Absent),
            (PrepareMode::Fresh, _) => {
                if let Some(examined) = self.object_at_destination(identity, plan)? {
                    self.remove_left(left)?;
                    return Ok(Preparation::AtDestination(examined));
                }
                if self.stop.load(Ordering::Relaxed) {
                    // The user has given up: begin nothing.
                    return Ok(Preparation::Absent);
                }
                self.refuse_clobbering()?;
                self.create(identity, plan, left)
            }
        }
    }

    fn reopen(
        &self,
        identity: &ObjectIdentity,
        checkpoint: &Checkpoint,
        left: &Left,
    ) -> Result<Preparation, FsError> {
        let Checkpoint { header, recorded } = checkpoint;
        let plan = &header.plan;
        let Some(name) = left.partial_name.clone() else { return Ok(Preparation::Absent) };
        let bind = self.bind_of(header)?;
        let codec = SlotCodec::new(header.session, plan);
        if let Some(bind) = &bind
            && self.is_bound_at_destination(bind)?
        {
            // Published, but the run ended before it could remove the checkpoint.
            let found = self.recorded_at_destination(identity, plan, &codec)?;
            if self.stop.load(Ordering::Relaxed) {
                return Ok(Preparation::Absent);
            }
            if let Some(examined) = found {
                self.remove_left(left)?;
                return Ok(Preparation::AtDestination(examined));
            }
            self.refuse_clobbering()?;
            self.lock.remove_partial(&name)?;
            return Ok(Preparation::Absent);
        }
        // Without a bind record nothing was recorded, unless the record was damaged since.
        if bind.is_none() && recorded.is_empty() {
            return Ok(Preparation::Absent);
        }
        let Some(opened) = self.lock.open_partial(&name)? else { return Ok(Preparation::Absent) };
        let size = plan.extent().len();
        let as_bound = bind.as_ref().is_some_and(|bind| is_bound(opened.id, bind));
        let trust = if as_bound && opened.len == size { Trust::AsBound } else { Trust::Foreign };
        if let Some(bind) = bind
            && (opened.len != size || as_bound && self.syncing == Syncing::Skip)
        {
            // Should this run end before it has read every part back, or record what no sync has
            // covered, the next one must not find a file that looks as it was bound: not even
            // after a power cut that keeps some of what this run wrote.
            self.write_bind(&Bind { inode: 0, birth: 0, ..bind })?;
            self.lock.checkpoint().force_sync()?;
        }
        if opened.len != size {
            opened.file.resize(size)?;
        }
        // What is read back is to come from the disk, and not from pages that the system could not
        // write and took for clean afterwards.
        opened.file.sync_data()?;
        opened.file.drop_cache(0, size);
        let prepared = Prepared { partial: opened.file, name, codec, plan: *plan, trust };
        Ok(Preparation::Ready(PreparedPartial::Resumed, prepared))
    }

    /// The bind record of this very session, if there is one.
    fn bind_of(&self, header: &Header) -> Result<Option<Bind>, FsError> {
        Ok(remains::bind(self.lock.checkpoint().as_ref())?.filter(|bind| bind.is_of(header)))
    }

    /// Whether the file at the destination looks like the one that an earlier run was writing.
    /// Inodes are used again, so this alone proves nothing about what it holds.
    fn is_bound_at_destination(&self, bind: &Bind) -> Result<bool, FsError> {
        let there = self.lock.destination()?;
        Ok(there.is_some_and(|there| is_bound(there.id, bind) && there.len == bind.size))
    }

    /// Fails where the destination exists and must not be replaced. What an earlier run published
    /// just before it was cut off is not in the way of its own resumption.
    pub(super) fn refuse_existing(&self, left: &Left) -> Result<(), FsError> {
        let bind = match &left.checkpoint {
            Some(checkpoint) => self.bind_of(&checkpoint.header)?,
            None => None,
        };
        match bind {
            Some(bind) if self.is_bound_at_destination(&bind)? => Ok(()),
            _ => self.refuse_clobbering(),
        }
    }

    /// What stands at the destination, if every part is recorded and reads as recorded. `None`,
    /// too, once the user wants to stop.
    fn recorded_at_destination(
        &self,
        identity: &ObjectIdentity,
        plan: &PartPlan,
        codec: &SlotCodec,
    ) -> Result<Option<Examined>, FsError> {
        let Ok(Some(file)) = self.lock.open_destination() else { return Ok(None) };
        let checkpoint = self.lock.checkpoint();
        let mut crc64 = 0;
        for part in (0..plan.count()).map(PartIndex::new) {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let recorded = read_slot(checkpoint.as_ref(), codec, part)?;
            let range = plan.range(part);
            let start = range.and_then(|range| plan.offset_in_file(range.start()));
            let (Some(recorded), Some(range), Some(start)) = (recorded, range, start) else {
                return Ok(None);
            };
            let found = hash_file(file.as_ref(), start..start + range.len(), &self.stop);
            if !found.is_ok_and(|found| found == Some(recorded)) {
                return Ok(None);
            }
            crc64 = combine(crc64, recorded, range.len());
        }
        if server_crc(identity, plan).is_some_and(|server| server != crc64) {
            return Ok(None);
        }
        self.make_durable(file.as_ref())?;
        match self.checksum {
            None => Ok(Some(Examined { crc64, checksum_matches: None })),
            Some(_) => examine(file.as_ref(), plan.extent().len(), self.checksum, &self.stop),
        }
    }

    /// Header, partial file, bind record: each durable before the next, so that a crash at any
    /// point leaves a state that the next run understands.
    fn create(
        &self,
        identity: &ObjectIdentity,
        plan: &PartPlan,
        left: &Left,
    ) -> Result<Preparation, FsError> {
        let session = SessionId::new(random());
        let suffix = suffix(random(), self.checkpoint_site);
        let name = self.lock.partial_name(&suffix);
        let header = Header {
            session,
            identity: identity.clone(),
            plan: *plan,
            locator: self.locator.clone(),
            partial_name: recorded_name(&name, &suffix),
            destination_hash: self.destination_hash,
            creator: concat!("ossget/", env!("CARGO_PKG_VERSION")).to_owned(),
        };
        let checkpoint = self.lock.checkpoint();
        if self.recording == Recording::On {
            let first_page = page(header.encode())?;
            self.remove_left_partial(left)?;
            checkpoint.reset(file_len(plan.count()))?;
            checkpoint.write_all_at(&first_page, 0)?;
            checkpoint.sync_all()?;
        }
        let size = plan.extent().len();
        let partial = self.lock.create_partial(&name, size).inspect_err(|_| {
            // A checkpoint of nothing would only make the next run wonder. But as long as a power
            // cut could bring the partial file's name back, something must remember that name.
            if self.recording == Recording::On && self.lock.remove_partial(&name).is_ok() {
                drop(self.lock.remove_checkpoint());
            }
        })?;
        if self.recording == Recording::On {
            let (id, _) = partial.check()?;
            // Slots that no sync covers must not be trusted unread, whatever a later run is told.
            let (inode, birth) = match self.syncing {
                Syncing::Full => (id.inode, id.birth),
                Syncing::Skip => (0, 0),
            };
            self.write_bind(&Bind {
                session,
                inode,
                birth,
                size,
                device: id.device,
                partial_name: header.partial_name,
            })?;
            checkpoint.sync_data()?;
        }
        let codec = SlotCodec::new(session, plan);
        let prepared = Prepared { partial, name, codec, plan: *plan, trust: Trust::AsBound };
        Ok(Preparation::Ready(PreparedPartial::Fresh, prepared))
    }

    /// A partial file that no checkpoint names.
    pub(super) fn create_unrecorded(
        &self,
        size: u64,
    ) -> Result<(Arc<dyn PartialFile>, OsString), FsError> {
        let name = self.lock.partial_name(&suffix(random(), self.checkpoint_site));
        Ok((self.lock.create_partial(&name, size)?, name))
    }

    /// Binds the checkpoint anew to a file that was restored or resized, all of it having been
    /// read back: should the run end right after the rename, the next one is to recognise it.
    pub(super) fn rebind(&self, prepared: &Prepared) -> Result<(), FsError> {
        let is_bound = prepared.trust == Trust::AsBound || self.syncing == Syncing::Skip;
        if self.recording == Recording::Off || is_bound {
            return Ok(());
        }
        let Ok(header) = remains::header(self.lock.checkpoint().as_ref())? else { return Ok(()) };
        let (id, size) = prepared.partial.check()?;
        // The file of this name holds what the slots say, from now on also after a power cut.
        prepared.partial.sync_data()?;
        self.write_bind(&Bind {
            session: header.session,
            inode: id.inode,
            birth: id.birth,
            size,
            device: id.device,
            partial_name: header.partial_name,
        })?;
        self.lock.checkpoint().sync_data()
    }

    fn write_bind(&self, bind: &Bind) -> Result<(), FsError> {
        self.lock.checkpoint().write_all_at(&page(bind.encode())?, HEADER_LEN as u64)
    }

    /// What the destination amounts to if it already holds the object: by length and by what is
    /// read from it, never by its name. The server's CRC-64 decides; where none covers the
    /// download, the digest that the user gave.
    fn object_at_destination(
        &self,
        identity: &ObjectIdentity,
        plan: &PartPlan,
    ) -> Result<Option<Examined>, FsError> {
        let crc = server_crc(identity, plan);
        let len = plan.extent().len();
        let there = self.lock.destination()?;
        let decidable = crc.is_some() || self.checksum.is_some();
        if !decidable || there.is_none_or(|state| state.len != len) {
            return Ok(None);
        }
        // What cannot be read is not the object; publishing will tell if it cannot be replaced.
        let Ok(Some(file)) = self.lock.open_destination() else { return Ok(None) };
        let examined = examine(file.as_ref(), len, self.checksum, &self.stop);
        let Ok(Some(examined)) = examined else { return Ok(None) };
        let same = match crc {
            Some(crc) => examined.crc64 == crc,
            None => examined.checksum_matches == Some(true),
        };
        if !same {
            return Ok(None);
        }
        self.make_durable(file.as_ref())?;
        Ok(Some(examined))
    }

    /// An earlier run may have been cut off between the rename and its last sync.
    fn make_durable(&self, destination: &dyn PartialFile) -> Result<(), FsError> {
        match self.syncing {
            Syncing::Full => destination.sync_data(),
            Syncing::Skip => Ok(()),
        }
    }
}

/// Whether a file is the one that a bind record is about, by what its inode says.
fn is_bound(id: FileId, bind: &Bind) -> bool {
    id.inode == bind.inode && id.birth == bind.birth
}

/// The server's CRC-64 of all that is wanted, where it gave one: it covers the whole object only.
fn server_crc(identity: &ObjectIdentity, plan: &PartPlan) -> Option<u64> {
    let extent = plan.extent();
    identity.crc64.filter(|_| extent.start() == 0 && extent.end() == identity.size)
}

fn page(encoded: Result<Vec<u8>, CheckpointError>) -> Result<Vec<u8>, FsError> {
    encoded.map_err(|error| {
        let source = std::io::Error::other(error);
        FsError::new(FsErrorKind::Storage, "encode the checkpoint", "checkpoint", Some(source))
    })
}

/// Sixteen characters of base 32, in lower case. The first is a digit if and only if the
/// checkpoint lies in a checkpoint directory: whoever cleans up the destination's directory does
/// not see that one, and must not take the partial file for one that nothing knows. The last is a
/// digit always: a word of sixteen letters must not be taken for a suffix.
pub(super) fn suffix(random: [u8; 10], site: CheckpointSite) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let (letters, digits) = ALPHABET.split_at(26);
    let mut wide = [0; 16];
    wide[6..].copy_from_slice(&random);
    let bits = u128::from_be_bytes(wide);
    let any = |at: usize, alphabet: &[u8]| {
        char::from(alphabet[(bits >> (5 * at)) as usize % 32 % alphabet.len()])
    };
    let first = match site {
        CheckpointSite::BesideDestination => any(15, letters),
        CheckpointSite::CheckpointDir => any(15, digits),
    };
    let between = (1..15).rev().map(|at| any(at, ALPHABET));
    std::iter::once(first).chain(between).chain([any(0, digits)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_tells_where_the_checkpoint_lies_and_is_never_a_word() {
        for random in [[0; 10], [0xff; 10], [0x5a; 10], random()] {
            for site in [CheckpointSite::BesideDestination, CheckpointSite::CheckpointDir] {
                let suffix = suffix(random, site);
                assert_eq!(suffix.len(), 16, "{suffix}");
                assert!(suffix.bytes().all(|it| matches!(it, b'a'..=b'z' | b'2'..=b'7')));
                let elsewhere = suffix.starts_with(|first: char| first.is_ascii_digit());
                assert_eq!(elsewhere, site == CheckpointSite::CheckpointDir, "{suffix}");
                assert!(remains::is_no_word(&suffix), "{suffix}");
            }
        }
    }

    #[test]
    fn every_character_of_a_suffix_comes_from_five_bits_of_its_own() {
        let bits = |values: [u8; 16]| {
            let all = values.iter().fold(0_u128, |all, &five| all << 5 | u128::from(five));
            <[u8; 10]>::try_from(&all.to_be_bytes()[6..]).unwrap()
        };
        let rising = bits([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        let falling = bits([31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16]);
        for (bits, site, expected) in [
            (rising, CheckpointSite::BesideDestination, "abcdefghijklmno5"),
            (rising, CheckpointSite::CheckpointDir, "2bcdefghijklmno5"),
            (falling, CheckpointSite::BesideDestination, "f65432zyxwvutsr6"),
            (falling, CheckpointSite::CheckpointDir, "365432zyxwvutsr6"),
        ] {
            assert_eq!(suffix(bits, site), expected);
        }
        assert_ne!(random::<10>(), random::<10>());
    }
}
