//! The storage side of a process: the documented order of writes, on the virtual disk.

use super::adapter::{PrepareMode, PreparedPartial, Recording, ResumeVerify};
use super::catalogue::Fault;
use super::content::Object;
use super::disk::{Crash, Disk};
use super::process::Process;
use super::settings::{Broken, Clobber, Durability, Settings};
use ossget_core::{
    Admission, Bind, Checkpoint, HEADER_LEN, Header, Locator, ObjectIdentity, PartIndex, PartPlan,
    PartSet, SLOTS_OFFSET, SessionId, Slot, SlotCodec, SourceKind, Wanted, admit, combine,
    file_len,
};

pub(crate) const CHECKPOINT: &str = "checkpoint";
pub(crate) const DESTINATION: &str = "destination";
pub(crate) const PARTIAL_PREFIX: &str = "partial-";

/// What an earlier run left, and what this one has open.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) checkpoint: u64,
    left: Option<Checkpoint>,
    left_partial: Option<String>,
    pub(crate) opened: Option<Opened>,
}

/// An open partial file.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) plan: PartPlan,
    pub(crate) identity: ObjectIdentity,
    /// The content that the identity means.
    pub(crate) object: Object,
    pub(crate) codec: SlotCodec,
    pub(crate) name: String,
    pub(crate) inode: u64,
    trust: Trust,
    pub(crate) kept: PartSet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    AsBound,
    /// Copied or resized: read back whatever the user trusts.
    Foreign,
}

impl Store {
    /// The object that an earlier run was of.
    pub(crate) fn left_identity(&self) -> Option<&ObjectIdentity> {
        self.left.as_ref().map(|left| &left.header.identity)
    }
}

/// What locking came to.
pub(crate) enum Locked {
    Ours,
    Others,
}

/// A refusal to begin.
pub(crate) enum Begin {
    Go(Option<Box<Checkpoint>>),
    Locked,
    Exists,
    Refused,
}

impl Process<'_> {
    /// Locks the destination and reads what an earlier run left.
    pub(crate) fn begin(&mut self) -> Result<Begin, Crash> {
        if let Locked::Others = self.lock()? {
            return Ok(Begin::Locked);
        }
        let disk = &self.world.disk;
        if self.settings.clobber == Clobber::Refuse && disk.names.contains_key(DESTINATION) {
            return Ok(Begin::Exists);
        }
        let page = disk.read_bytes(self.store.checkpoint, 0, HEADER_LEN);
        let found = Header::decode(&page);
        self.store.left_partial = match &found {
            Ok(header) => Some(header.partial_name.clone()),
            Err(_) => read_bind(disk, self.store.checkpoint).map(|bind| bind.partial_name),
        };
        if self.settings.recording == Recording::Off {
            return Ok(Begin::Go(None));
        }
        let locator = locator();
        let wanted = Wanted {
            locator: &locator,
            version_id: None,
            extent_request: self.settings.extent,
            destination_hash: &DESTINATION_HASH,
        };
        match (admit(&found, &wanted), found) {
            (Admission::Refuse(_), _) => return Ok(Begin::Refused),
            (Admission::Resume, Ok(_)) => {
                self.store.left = read_checkpoint(disk, self.store.checkpoint)
                    .map(|(header, recorded)| Checkpoint { header, recorded });
            }
            _ => {}
        }
        Ok(Begin::Go(self.store.left.clone().map(Box::new)))
    }

    fn lock(&mut self) -> Result<Locked, Crash> {
        let disk = &mut self.world.disk;
        loop {
            disk.step()?;
            let inode = match disk.names.get(CHECKPOINT) {
                Some(&inode) => inode,
                None => disk.create(CHECKPOINT)?,
            };
            if disk.locked.is_some_and(|held| held == inode) {
                return Ok(Locked::Others);
            }
            // The name may have gone between opening and locking.
            if disk.names.get(CHECKPOINT) == Some(&inode) {
                disk.locked = Some(inode);
                self.store.checkpoint = inode;
                return Ok(Locked::Ours);
            }
        }
    }

    pub(crate) fn prepare(
        &mut self,
        identity: &ObjectIdentity,
        plan: PartPlan,
        mode: PrepareMode,
    ) -> Result<PreparedPartial, Crash> {
        if let Some(superseded) = self.store.opened.take() {
            self.world.disk.remove(&superseded.name)?;
        }
        let object = self.probed;
        match (mode, self.store.left.clone()) {
            (PrepareMode::Resume, Some(left)) => self.reopen(identity, plan, object, left),
            (PrepareMode::Resume, None) => Ok(PreparedPartial::Absent),
            (PrepareMode::Fresh, _) => {
                if let Some(crc64) = self.is_at_destination(identity, plan, object) {
                    if self.full() {
                        self.world.disk.sync_dir()?;
                    }
                    self.remove_left_partial()?;
                    self.world.disk.remove(CHECKPOINT)?;
                    return Ok(PreparedPartial::AtDestination { crc64 });
                }
                self.create(identity, plan, object)
            }
        }
    }

    fn full(&self) -> bool {
        self.settings.durability == Durability::Full
    }

    fn remove_left_partial(&mut self) -> Result<(), Crash> {
        match self.store.left_partial.clone() {
            Some(name) => self.world.disk.remove(&name),
            None => Ok(()),
        }
    }

    /// By length and by the CRC-64 of what is read, never by its name.
    fn is_at_destination(
        &self,
        identity: &ObjectIdentity,
        plan: PartPlan,
        object: Object,
    ) -> Option<u64> {
        let whole = plan.extent().len() == object.size;
        let crc = identity.crc64.filter(|_| whole)?;
        let disk = &self.world.disk;
        let file = &disk.files[disk.names.get(DESTINATION)?];
        (file.len == object.size && file.data.crc(0, file.len) == crc).then_some(crc)
    }

    /// The documented order: header, both syncs, partial file, syncs, bind record.
    fn create(
        &mut self,
        identity: &ObjectIdentity,
        plan: PartPlan,
        object: Object,
    ) -> Result<PreparedPartial, Crash> {
        let number = self.rng.next();
        let session = session_id(&self.settings, self.rng.next());
        let name = format!("{PARTIAL_PREFIX}{number:016x}");
        let recording = self.settings.recording == Recording::On;
        let full = self.full();
        let checkpoint = self.store.checkpoint;
        if recording {
            self.remove_left_partial()?;
            let header = Header {
                session,
                identity: identity.clone(),
                plan,
                locator: locator(),
                partial_name: name.clone(),
                destination_hash: DESTINATION_HASH,
                creator: "sim".into(),
            };
            let disk = &mut self.world.disk;
            disk.step()?;
            disk.resize(checkpoint, 0);
            disk.resize(checkpoint, file_len(plan.count()));
            disk.write_bytes(checkpoint, 0, &header.encode().expect("the header fits"))?;
            if full {
                disk.sync(checkpoint)?;
                disk.sync_dir()?;
            }
        } else {
            self.world.unrecorded.insert(name.clone());
        }
        let disk = &mut self.world.disk;
        let inode = disk.create(&name)?;
        let size = plan.extent().len();
        disk.resize(inode, size);
        if full {
            disk.sync(inode)?;
            disk.sync_dir()?;
        }
        if recording {
            let partial_name = name.clone();
            // Slots that no sync covers are bound to no file.
            let inode = if full { inode } else { 0 };
            let bind = Bind { session, inode, birth: 0, size, device: 0, partial_name };
            self.write_bind(&bind)?;
            if full {
                self.world.disk.sync(checkpoint)?;
            }
        }
        let codec = SlotCodec::new(session, &plan);
        let kept = PartSet::new(plan.count());
        let trust = Trust::AsBound;
        let identity = identity.clone();
        if recording {
            // Otherwise an earlier run's file is still there to be resumed.
            self.world.tainted = false;
        }
        self.store.opened =
            Some(Opened { plan, identity, object, codec, name, inode, trust, kept });
        self.store.left = None;
        Ok(PreparedPartial::Fresh)
    }

    fn write_bind(&mut self, bind: &Bind) -> Result<(), Crash> {
        let checkpoint = self.store.checkpoint;
        let page = bind.encode().expect("the bind fits");
        self.world.disk.write_bytes(checkpoint, HEADER_LEN as u64, &page)
    }

    fn reopen(
        &mut self,
        identity: &ObjectIdentity,
        plan: PartPlan,
        object: Object,
        left: Checkpoint,
    ) -> Result<PreparedPartial, Crash> {
        self.world.disk.step()?;
        let header = left.header;
        let disk = &self.world.disk;
        let bind = read_bind(disk, self.store.checkpoint).filter(|bind| bind.is_of(&header));
        let there = disk.names.get(DESTINATION).copied();
        let codec = SlotCodec::new(header.session, &plan);
        if let Some(bind) = &bind
            && there == Some(bind.inode)
        {
            return self.found_published(&codec, plan, &left.recorded, bind.inode);
        }
        // Without a bind record nothing was recorded, unless the record was damaged since.
        if bind.is_none() && left.recorded.is_empty() {
            return Ok(PreparedPartial::Absent);
        }
        let name = header.partial_name.clone();
        let Some(&inode) = disk.names.get(&name) else { return Ok(PreparedPartial::Absent) };
        let size = plan.extent().len();
        let len = disk.files[&inode].len;
        let as_bound = bind.as_ref().is_some_and(|bind| bind.inode == inode);
        let trust = if as_bound && len == size { Trust::AsBound } else { Trust::Foreign };
        if let Some(bind) = bind
            && (len != size || as_bound && !self.full())
        {
            self.write_bind(&Bind { inode: 0, ..bind })?;
            self.world.disk.sync(self.store.checkpoint)?;
        }
        if len != size {
            self.world.disk.resize(inode, size);
        }
        if self.full() {
            self.world.disk.sync(inode)?;
        }
        self.world.disk.drop_cache(inode);
        let (kept, identity) = (left.recorded, identity.clone());
        self.store.opened =
            Some(Opened { plan, identity, object, codec, name, inode, trust, kept });
        Ok(PreparedPartial::Resumed)
    }

    /// The destination is the very file of the checkpoint: published, unless a part is not what
    /// its slot says.
    fn found_published(
        &mut self,
        codec: &SlotCodec,
        plan: PartPlan,
        recorded: &PartSet,
        inode: u64,
    ) -> Result<PreparedPartial, Crash> {
        let disk = &self.world.disk;
        let file = &disk.files[&inode];
        let mut crc64 = 0;
        let mut whole = recorded.is_full() && file.len == plan.extent().len();
        for part in (0..plan.count()).map(PartIndex::new) {
            let len = plan.len_of(part).expect("a part");
            let start = plan.range(part).expect("a part").start() - plan.extent().start();
            let found = file.data.crc(start, start + len);
            whole &= read_slot(disk, self.store.checkpoint, codec, part) == Some(found);
            crc64 = combine(crc64, found, len);
        }
        if !whole {
            return Ok(PreparedPartial::Absent);
        }
        if self.full() {
            self.world.disk.sync_dir()?;
        }
        self.world.disk.remove(CHECKPOINT)?;
        Ok(PreparedPartial::AtDestination { crc64 })
    }

    /// What reading a kept part back finds: the CRC in its slot and that of the file.
    pub(crate) fn read_back(
        &mut self,
        part: PartIndex,
        verify: ResumeVerify,
    ) -> (u64, Option<u64>) {
        let opened = self.store.opened.as_ref().expect("prepared first");
        let disk = &self.world.disk;
        let Some(recorded) = read_slot(disk, self.store.checkpoint, &opened.codec, part) else {
            return (0, None);
        };
        if verify == ResumeVerify::Bounds && opened.trust == Trust::AsBound {
            return (recorded, Some(recorded));
        }
        if self.settings.allows(Fault::ReadError) && !self.healed && self.rng.chance(3) {
            self.world.hits.count(Fault::ReadError);
            return (recorded, None);
        }
        let range = opened.plan.range(part).expect("a part");
        let start = range.start() - opened.plan.extent().start();
        let found = disk.files[&opened.inode].data.crc(start, start + range.len());
        (recorded, Some(found))
    }

    /// After success.
    pub(crate) fn clean_up(&mut self) -> Result<(), Crash> {
        if self.settings.recording == Recording::Off {
            self.remove_left_partial()?;
        }
        self.world.disk.remove(CHECKPOINT)
    }

    /// What must not be resumed goes.
    pub(crate) fn discard(&mut self) -> Result<(), Crash> {
        if let Some(opened) = &self.store.opened {
            let name = opened.name.clone();
            self.world.disk.remove(&name)?;
        }
        match self.settings.recording {
            Recording::On => self.world.disk.remove(CHECKPOINT),
            Recording::Off => Ok(()),
        }
    }
}

const DESTINATION_HASH: [u8; 32] = [7; 32];

fn session_id(settings: &Settings, random: u64) -> SessionId {
    let key = if settings.mutant == Some(Broken::UnkeyedSlots) { 0 } else { random };
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&key.to_le_bytes());
    SessionId::new(bytes)
}

fn locator() -> Locator {
    Locator { kind: SourceKind::Oss, container: "bucket".into(), key: "key".into() }
}

/// The header and the valid slots of a checkpoint, if it is one.
pub(crate) fn read_checkpoint(disk: &Disk, inode: u64) -> Option<(Header, PartSet)> {
    let header = Header::decode(&disk.read_bytes(inode, 0, HEADER_LEN)).ok()?;
    let count = header.plan.count();
    if disk.files[&inode].len != file_len(count) {
        return None;
    }
    let mut recorded = PartSet::new(count);
    let codec = SlotCodec::new(header.session, &header.plan);
    let bytes = disk.read_bytes(inode, SLOTS_OFFSET, 16 * count as usize);
    codec.load(PartIndex::new(0), &bytes, &mut recorded);
    Some((header, recorded))
}

fn read_bind(disk: &Disk, inode: u64) -> Option<Bind> {
    Bind::decode(&disk.read_bytes(inode, HEADER_LEN as u64, HEADER_LEN)).ok()
}

/// The CRC in a part's slot, if that is valid.
pub(crate) fn read_slot(
    disk: &Disk,
    checkpoint: u64,
    codec: &SlotCodec,
    part: PartIndex,
) -> Option<u64> {
    let bytes = disk.read_bytes(checkpoint, codec.offset(part), 16);
    match codec.decode(part, bytes[..].try_into().expect("16 bytes")) {
        Slot::Recorded { crc } => Some(crc),
        _ => None,
    }
}

/// The partial file that a checkpoint is bound to, if it is still the one.
pub(crate) fn bound_inode(disk: &Disk, checkpoint: u64, header: &Header) -> Option<u64> {
    let bind = read_bind(disk, checkpoint)?;
    let inode = *disk.names.get(&header.partial_name)?;
    (bind.is_of(header) && bind.inode == inode).then_some(inode)
}
