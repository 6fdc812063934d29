//! What the bytes on a disk mean, so that states which differ only in random names and keys are
//! known to be one.

use crate::origin::{Library, PART, PARTS, SECTOR, SIZE, VERSIONS, Version};
use crate::process::{DESTINATION, ELSEWHERE, WORK};
use ossget_core::{
    Bind, HEADER_LEN, Header, PartIndex, PartPlan, PartSize, SLOT_LEN, SlotCodec, file_len,
};
use ossget_testkit::file_system::{
    Disk, FileKind, Image, ImageFile, Names, Outcomes, SectorId, Sectors, UnitId, Value,
};
use std::collections::HashMap;
use std::sync::Arc;

/// A session, by the order in which they were met.
pub(crate) type Session = u32;

/// What a sector of a checkpoint says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Nothing,
    Garbage,
    Header(Session, Version),
    Bind { session: Session, inode: u64, whole: Whole },
    Slots([Recorded; PARTS]),
}

/// Whether a bind page belongs to a file of the object's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whole {
    Yes,
    No,
}

/// What a slot says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recorded {
    Nothing,
    Garbage,
    Part(Session, Version),
}

/// Everything that is known about the bytes of one exploration.
#[derive(Debug)]
pub(crate) struct Meanings {
    objects: Arc<Library>,
    sectors: Arc<Sectors>,
    /// By sector, and by its index in a checkpoint.
    known: Vec<[Option<Meaning>; 3]>,
    sessions: HashMap<[u8; 16], Session>,
    slots: HashMap<[u8; SLOT_LEN], (usize, Recorded)>,
    partials: HashMap<String, Session>,
    /// The sectors of each version, and of what stood there before.
    contents: [[SectorId; SECTORS]; 3],
    /// Kept for its room.
    key: Key,
}

const SECTORS: usize = PARTS * 2;

/// What a whole file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    Old,
    Object(Version),
    /// Neither: parts of one, or of several.
    Wrong,
}

/// The checkpoint of an image, as far as it can be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) header: Option<(Session, Version)>,
    pub(crate) bind: Option<(Session, u64, Whole)>,
    pub(crate) slots: [Recorded; PARTS],
}

impl Meanings {
    pub(crate) fn new(objects: &Arc<Library>, sectors: &Arc<Sectors>) -> Self {
        let ids = |bytes: &[u8]| {
            let mut sectors = bytes.chunks(SECTOR).map(|sector| sectors.intern(sector));
            std::array::from_fn(|_| sectors.next().unwrap())
        };
        let [a, b] = VERSIONS.map(|version| ids(objects.bytes(version)));
        Self {
            objects: Arc::clone(objects),
            sectors: Arc::clone(sectors),
            known: Vec::new(),
            sessions: HashMap::new(),
            slots: HashMap::new(),
            partials: HashMap::new(),
            contents: [a, b, ids(&objects.old)],
            key: Key::default(),
        }
    }

    /// Takes notice of the sessions that a process began.
    pub(crate) fn learn(&mut self, disk: &Disk) {
        let seen = disk.seen();
        let headers = checkpoints(&seen).map(|file| file.sectors.first().copied());
        for header in headers.flatten().collect::<Vec<_>>() {
            self.meaning(header, 0);
        }
    }

    /// What the checkpoint sector at an index says.
    pub(crate) fn meaning(&mut self, sector: SectorId, at: usize) -> Meaning {
        let id = sector.get() as usize;
        if let Some(Some(known)) = self.known.get(id).map(|known| known[at]) {
            return known;
        }
        let mut bytes = self.sectors.bytes(sector).to_vec();
        bytes.resize(HEADER_LEN, 0);
        let meaning = match at {
            _ if sector == SectorId::ZERO => Meaning::Nothing,
            0 => match Header::decode(&bytes) {
                Ok(header) => self.header(&header),
                Err(_) => Meaning::Garbage,
            },
            1 => match Bind::decode(&bytes) {
                Ok(bind) => Meaning::Bind {
                    session: self.session(*bind.session.bytes()),
                    inode: bind.inode,
                    whole: if bind.size == SIZE { Whole::Yes } else { Whole::No },
                },
                Err(_) => Meaning::Garbage,
            },
            _ => Meaning::Slots(std::array::from_fn(|part| self.slot(part, &bytes))),
        };
        if self.known.len() <= id {
            self.known.resize(id + 1, [None; 3]);
        }
        self.known[id][at] = Some(meaning);
        meaning
    }

    fn header(&mut self, header: &Header) -> Meaning {
        let session = self.session(*header.session.bytes());
        let version = VERSIONS
            .into_iter()
            .find(|version| header.identity.etag == Some(format!("\"{version:?}\"")))
            .expect("checkpoints are of objects that there are");
        self.partials.insert(header.partial_name.clone(), session);
        let codec = SlotCodec::new(header.session, &header.plan);
        for part in 0..PARTS {
            for version in VERSIONS {
                let index = PartIndex::new(u32::try_from(part).unwrap());
                let slot = codec.encode(index, self.objects.crc64(version, part));
                self.slots.insert(slot, (part, Recorded::Part(session, version)));
            }
        }
        Meaning::Header(session, version)
    }

    fn session(&mut self, id: [u8; 16]) -> Session {
        let next = Session::try_from(self.sessions.len()).unwrap();
        *self.sessions.entry(id).or_insert(next)
    }

    fn slot(&self, part: usize, page: &[u8]) -> Recorded {
        let slot: [u8; SLOT_LEN] = page[part * SLOT_LEN..][..SLOT_LEN].try_into().unwrap();
        match self.slots.get(&slot) {
            _ if slot == [0; SLOT_LEN] => Recorded::Nothing,
            Some((of, recorded)) if *of == part => *recorded,
            _ => Recorded::Garbage,
        }
    }

    /// The session whose partial file has this name.
    pub(crate) fn session_of_partial(&self, name: &str) -> Option<Session> {
        self.partials.get(name).copied()
    }

    /// What a data file holds.
    pub(crate) fn held(&self, file: &ImageFile) -> Held {
        let is = |contents: &[SectorId; SECTORS]| {
            file.len == SIZE && (0..SECTORS).all(|at| sector(file, at) == contents[at])
        };
        match self.contents.iter().position(is) {
            Some(2) => Held::Old,
            Some(at) => Held::Object(VERSIONS[at]),
            None => Held::Wrong,
        }
    }

    /// Whether a file holds a part of a version.
    pub(crate) fn holds_part(&self, file: &ImageFile, part: usize, version: Version) -> bool {
        let wanted = &self.contents[version as usize];
        file.len >= PART * (part as u64 + 1)
            && (2 * part..2 * part + 2).all(|at| sector(file, at) == wanted[at])
    }

    /// The checkpoint that the next process will find.
    pub(crate) fn checkpoint(&mut self, image: &Image) -> Found {
        let mut found = Found { header: None, bind: None, slots: [Recorded::Nothing; PARTS] };
        let Some(file) = checkpoint_file(image) else { return found };
        if file.len >= HEADER_LEN as u64
            && let Meaning::Header(session, version) = self.meaning(sector(file, 0), 0)
        {
            found.header = Some((session, version));
        }
        if file.len >= 2 * HEADER_LEN as u64
            && let Meaning::Bind { session, inode, whole } = self.meaning(sector(file, 1), 1)
        {
            found.bind = Some((session, inode, whole));
        }
        if file.len == file_len(u32::try_from(PARTS).unwrap())
            && let Meaning::Slots(slots) = self.meaning(sector(file, 2), 2)
        {
            found.slots = slots;
        }
        found
    }

    /// States with the same key are one: they differ in nothing that any run looks at.
    pub(crate) fn key(&mut self, image: &Image, rest: &[u32]) -> &[u32] {
        let mut key = std::mem::take(&mut self.key);
        key.begin(rest);
        key.live.extend(self.checkpoint(image).header.map(|(session, _)| session));
        self.write_image(image, &mut key);
        self.key = key;
        &self.key.words
    }

    /// The same for a disk with changes on their way.
    pub(crate) fn key_of_disk(&mut self, disk: &Disk, outcomes: &Outcomes, rest: &[u32]) -> &[u32] {
        let seen = disk.seen();
        if outcomes.units().is_empty() {
            return self.key(&seen, rest);
        }
        let durable = disk.durable();
        let mut live = Vec::new();
        for image in [&seen, &durable] {
            for file in checkpoints(image) {
                live.push(sector(file, 0));
            }
        }
        for unit in outcomes.units() {
            if let UnitId::Sector(_, 0) = unit.id {
                live.extend(unit.values.iter().filter_map(|value| match value {
                    Value::Sector(sector) => Some(*sector),
                    _ => None,
                }));
            }
        }
        let live = live
            .into_iter()
            .filter_map(|header| match self.meaning(header, 0) {
                Meaning::Header(session, _) => Some(session),
                _ => None,
            })
            .collect();
        let mut key = std::mem::take(&mut self.key);
        key.begin(rest);
        key.live = live;
        self.write_image(&seen, &mut key);
        self.write_image(&durable, &mut key);
        for unit in outcomes.units() {
            self.write_unit(&seen, unit.id, &unit.values, &mut key);
        }
        for (inode, sector) in disk.dropped() {
            key.word(u32::MAX - 2);
            key.word(u32::try_from(inode).unwrap());
            key.word(sector.map_or(0, |at| u32::try_from(at).unwrap() + 1));
        }
        self.key = key;
        &self.key.words
    }

    fn write_image(&mut self, image: &Image, key: &mut Key) {
        for (_, names) in image.dirs() {
            self.write_names(names, key);
        }
        let is_named = |inode| image.dirs().any(|(_, names)| names.values().any(|of| *of == inode));
        for file in image.files().filter(|file| is_named(file.inode)) {
            let inode = file.inode;
            key.word(u32::try_from(inode).unwrap());
            key.word(u32::try_from(file.len).unwrap());
            let size = sector_size(file);
            for at in 0..usize::try_from(file.len).unwrap().div_ceil(size) {
                self.write_sector(sector(file, at), at, file.kind, key);
            }
        }
    }

    fn write_names(&self, names: &Names, key: &mut Key) {
        key.word(u32::MAX);
        for (name, inode) in names {
            if name.ends_with(".part") {
                let session = self.session_of_partial(name);
                let role = session.map_or(90, |session| 100 + key.renamed(session));
                key.word(role);
            } else {
                key.word(if name.ends_with(".ossget") { 80 } else { 81 });
            }
            key.word(u32::try_from(*inode).unwrap());
        }
    }

    fn write_sector(&mut self, sector: SectorId, at: usize, kind: FileKind, key: &mut Key) {
        if kind == FileKind::Data {
            return key.word(sector.get());
        }
        match self.meaning(sector, at) {
            Meaning::Nothing => key.word(1),
            Meaning::Garbage => key.word(2),
            Meaning::Header(session, version) => {
                let session = key.renamed(session);
                key.word(1000 + session * 2 + version as u32);
            }
            Meaning::Bind { session, inode, whole } => {
                if !key.live.is_empty() && !key.live.contains(&session) {
                    return key.word(2);
                }
                let session = key.renamed(session);
                key.word(2000 + session);
                key.word(u32::try_from(inode).unwrap() * 2 + whole as u32);
            }
            Meaning::Slots(slots) => {
                for slot in slots {
                    let word = match slot {
                        Recorded::Part(session, version) if key.live.contains(&session) => {
                            3000 + key.renamed(session) * 2 + version as u32
                        }
                        Recorded::Nothing => 3,
                        _ => 4,
                    };
                    key.word(word);
                }
            }
        }
    }

    fn write_unit(&mut self, seen: &Image, place: UnitId, values: &[Value], key: &mut Key) {
        let kind = |inode| seen.file(inode).map_or(FileKind::Data, |file| file.kind);
        key.word(u32::MAX - 1);
        match place {
            UnitId::Names(dir) => key.word(u32::try_from(dir).unwrap()),
            UnitId::Len(inode) => key.word(100 + u32::try_from(inode).unwrap()),
            UnitId::Sector(inode, at) => {
                key.word(1000 + u32::try_from(inode).unwrap() * 100 + u32::try_from(at).unwrap());
            }
        }
        for value in values {
            match (value, place) {
                (Value::Names(names), _) => self.write_names(names, key),
                (Value::Len(len), _) => key.word(u32::try_from(*len).unwrap()),
                (Value::Sector(sector), UnitId::Sector(inode, at)) => {
                    self.write_sector(*sector, at, kind(inode), key);
                }
                _ => unreachable!("sectors are at sectors"),
            }
        }
    }
}

/// A key under way: sessions get numbers in the order in which they are met.
#[derive(Debug, Default)]
struct Key {
    words: Vec<u32>,
    sessions: Vec<Session>,
    /// Sessions whose slots can still count.
    live: Vec<Session>,
}

impl Key {
    fn begin(&mut self, rest: &[u32]) {
        self.words.clear();
        self.words.extend_from_slice(rest);
        self.sessions.clear();
        self.live.clear();
    }

    fn word(&mut self, word: u32) {
        self.words.push(word);
    }

    fn renamed(&mut self, session: Session) -> u32 {
        let at = self.sessions.iter().position(|known| *known == session).unwrap_or_else(|| {
            self.sessions.push(session);
            self.sessions.len() - 1
        });
        u32::try_from(at).unwrap()
    }
}

/// The plan of every download here.
pub(crate) fn plan() -> PartPlan {
    let extent = ossget::ByteRange::new(0, SIZE).unwrap();
    PartPlan::new(extent, PartSize::new(PART).unwrap())
}

/// The file at the destination.
pub(crate) fn destination(image: &Image) -> Option<&ImageFile> {
    let name = DESTINATION.rsplit('/').next().unwrap();
    image.file(*image.names(WORK)?.get(name)?)
}

/// The partial files, by name.
pub(crate) fn partials(image: &Image) -> impl Iterator<Item = (&str, u64)> {
    let names = image.names(WORK).into_iter().flatten();
    names.filter(|(name, _)| name.ends_with(".part")).map(|(name, inode)| (&**name, *inode))
}

fn checkpoints(image: &Image) -> impl Iterator<Item = &ImageFile> {
    let names = image.dirs().flat_map(|(_, names)| names);
    let inodes = names.filter(|(name, _)| name.ends_with(".ossget")).map(|(_, inode)| *inode);
    inodes.filter_map(|inode| image.file(inode)).filter(|file| file.kind == FileKind::Checkpoint)
}

/// The file that the next process takes for its checkpoint.
fn checkpoint_file(image: &Image) -> Option<&ImageFile> {
    let far = image.names(ELSEWHERE).filter(|names| !names.is_empty());
    let names = far.or_else(|| image.names(WORK))?;
    let inode = names.iter().find(|(name, _)| name.ends_with(".ossget"))?.1;
    image.file(*inode)
}

fn sector(file: &ImageFile, at: usize) -> SectorId {
    file.sectors.get(at).copied().unwrap_or_default()
}

const fn sector_size(file: &ImageFile) -> usize {
    match file.kind {
        FileKind::Data => SECTOR,
        FileKind::Checkpoint => HEADER_LEN,
    }
}
