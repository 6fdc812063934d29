//! Making the partial file ready: a new one, an earlier run's, or none because the destination
//! already is the object.

use super::hash::hash_file;
use super::storage::{Left, Preparation, Prepared, Storage, Trust, random, recorded_name};
use ossget_core::session::{PrepareMode, PreparedPartial, Recording};
use ossget_core::{
    Bind, CheckpointError, HEADER_LEN, Header, ObjectIdentity, PartPlan, SessionId, SlotCodec,
    file_len,
};
use ossget_fs::{FileId, FsError, FsErrorKind, Syncing};

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
            (PrepareMode::Resume, Some(checkpoint)) => self.reopen(&checkpoint.header, plan, left),
            (PrepareMode::Resume, None) => Ok(Preparation::Absent),
            (PrepareMode::Fresh, _) => {
                if self.is_at_destination(identity, plan)? {
                    self.remove_left(left)?;
                    return Ok(Preparation::AtDestination);
                }
                self.create(identity, plan, left)
            }
        }
    }

    fn reopen(
        &self,
        header: &Header,
        plan: &PartPlan,
        left: &Left,
    ) -> Result<Preparation, FsError> {
        let Some(name) = left.partial_name.clone() else { return Ok(Preparation::Absent) };
        let bind = self.read_bind()?.filter(|bind| bind.is_of(header));
        let Some(bind) = bind else { return Ok(Preparation::Absent) };
        let is_bound = |id: FileId| id.inode == bind.inode && id.birth == bind.birth;
        let there = self.lock.destination()?;
        if there.is_some_and(|there| is_bound(there.id) && there.len == bind.size) {
            // Published, but the run ended before it could remove the partial file's own name.
            self.lock.remove_partial(&name)?;
            return Ok(Preparation::Absent);
        }
        let Some(opened) = self.lock.open_partial(&name)? else { return Ok(Preparation::Absent) };
        let size = plan.extent().len();
        let trust =
            if is_bound(opened.id) && opened.len == size { Trust::AsBound } else { Trust::Foreign };
        if opened.len != size {
            // Should this run end before it has read every part back, the next one must not find
            // a file that looks as it was bound.
            self.write_bind(&Bind { inode: 0, birth: 0, ..bind })?;
            opened.file.resize(size)?;
        }
        let codec = SlotCodec::new(header.session, plan);
        let prepared = Prepared { partial: opened.file, name, codec, plan: *plan, trust };
        Ok(Preparation::Ready(PreparedPartial::Resumed, prepared))
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
        let suffix = suffix(random());
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
            // A checkpoint of nothing would only make the next run wonder.
            if self.recording == Recording::On {
                drop(self.lock.remove_checkpoint());
            }
        })?;
        if self.recording == Recording::On {
            let (id, _) = partial.check()?;
            self.write_bind(&Bind {
                session,
                inode: id.inode,
                birth: id.birth,
                size,
                device: id.device,
                partial_name: header.partial_name,
            })?;
        }
        let codec = SlotCodec::new(session, plan);
        let prepared = Prepared { partial, name, codec, plan: *plan, trust: Trust::AsBound };
        Ok(Preparation::Ready(PreparedPartial::Fresh, prepared))
    }

    fn write_bind(&self, bind: &Bind) -> Result<(), FsError> {
        let checkpoint = self.lock.checkpoint();
        checkpoint.write_all_at(&page(bind.encode())?, HEADER_LEN as u64)?;
        checkpoint.sync_data()
    }

    /// Whether the destination already holds the object: by length and by the CRC-64 of what is
    /// read from it, never by its name.
    fn is_at_destination(
        &self,
        identity: &ObjectIdentity,
        plan: &PartPlan,
    ) -> Result<bool, FsError> {
        let extent = plan.extent();
        let whole = extent.start() == 0 && extent.end() == identity.size;
        let Some(crc) = identity.crc64.filter(|_| whole) else { return Ok(false) };
        let there = self.lock.destination()?;
        if there.is_none_or(|state| state.len != identity.size) {
            return Ok(false);
        }
        // What cannot be read is not the object; publishing will tell if it cannot be replaced.
        let Ok(Some(file)) = self.lock.open_destination() else { return Ok(false) };
        let same = hash_file(file.as_ref(), 0..identity.size).is_ok_and(|found| found == crc);
        if same && self.syncing == Syncing::Full {
            // An earlier run may have been cut off between the rename and its last sync.
            file.sync_data()?;
        }
        Ok(same)
    }
}

fn page(encoded: Result<Vec<u8>, CheckpointError>) -> Result<Vec<u8>, FsError> {
    encoded.map_err(|error| {
        let source = std::io::Error::other(error);
        FsError::new(FsErrorKind::Storage, "encode the checkpoint", "checkpoint", Some(source))
    })
}

/// Sixteen characters of base 32, in lower case.
fn suffix(random: [u8; 10]) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut wide = [0; 16];
    wide[6..].copy_from_slice(&random);
    let bits = u128::from_be_bytes(wide);
    (0..16).rev().map(|at| char::from(ALPHABET[(bits >> (5 * at)) as usize & 31])).collect()
}
