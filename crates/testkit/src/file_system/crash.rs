//! What a power cut can leave.

use super::disk::{Change, Disk, FileKind, Pending};
use super::names::Names;
use super::sectors::SectorId;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// What may become of writes that were not synced, beyond being lost or kept one by one.
#[derive(Clone, Default)]
pub struct Damage {
    /// A sector of data that was being written may come back as garbage.
    pub data_garbage: bool,
    /// A sector of a checkpoint that was being written may come back as garbage, all of it.
    pub checkpoint_garbage: bool,
    /// A write to a checkpoint may be cut off in its middle.
    pub torn: bool,
    /// A sector of a checkpoint that was being written may come back as something older, since
    /// its block belonged to another file before.
    pub stale: Option<Arc<Stale>>,
}

/// What a sector of a checkpoint held in another life: told the sector's index and what programs
/// see of the whole file.
pub type Stale = dyn Fn(usize, &[u8]) -> Option<Vec<u8>> + Send + Sync;

/// A durable state: one that a power cut left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    pub(super) dirs: Vec<(Arc<Path>, Arc<Names>)>,
    pub(super) files: BTreeMap<u64, ImageFile>,
}

/// A file of an [`Image`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFile {
    /// Its inode number.
    pub inode: u64,
    /// Which sectors it has.
    pub kind: FileKind,
    /// Its length in bytes.
    pub len: u64,
    /// Its sectors. Missing ones are zeros; those beyond the length do not count.
    pub sectors: Vec<SectorId>,
}

/// All states that a power cut can leave of one [`Disk`]: every combination of what may become of
/// each sector, length and directory that has changes on their way.
#[derive(Clone, Debug)]
pub struct Outcomes {
    certain: Image,
    units: Vec<Unit>,
}

/// Something that persists independently of everything else, and what may become of it.
#[derive(Clone, Debug)]
pub struct Unit {
    /// What it is.
    pub id: UnitId,
    /// What may become of it, the first being what is durable.
    pub values: Vec<Value>,
}

/// Something that persists independently of everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitId {
    /// The names in a directory, by its index in [`Image::dirs`].
    Names(usize),
    /// The length of a file, by its inode.
    Len(u64),
    /// A sector of a file, by its inode and the sector's index.
    Sector(u64, usize),
}

/// What may become of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Of a directory.
    Names(Arc<Names>),
    /// Of a length.
    Len(u64),
    /// Of a sector.
    Sector(SectorId),
}

impl Image {
    /// The names in a directory.
    #[must_use]
    pub fn names(&self, dir: impl AsRef<Path>) -> Option<&Names> {
        let found = self.dirs.iter().find(|(path, _)| path.as_os_str() == dir.as_ref().as_os_str());
        found.map(|(_, names)| names.as_ref())
    }

    /// The directories and the names in them.
    pub fn dirs(&self) -> impl Iterator<Item = (&Path, &Names)> {
        self.dirs.iter().map(|(path, names)| (path.as_ref(), names.as_ref()))
    }

    /// The files, those without a name among them.
    pub fn files(&self) -> impl Iterator<Item = &ImageFile> {
        self.files.values()
    }

    /// A file.
    #[must_use]
    pub fn file(&self, inode: u64) -> Option<&ImageFile> {
        self.files.get(&inode)
    }

    fn get(&self, id: UnitId) -> Option<Value> {
        match id {
            UnitId::Names(dir) => {
                self.dirs.get(dir).map(|(_, names)| Value::Names(Arc::clone(names)))
            }
            UnitId::Len(inode) => self.files.get(&inode).map(|file| Value::Len(file.len)),
            UnitId::Sector(inode, at) => {
                let file = self.files.get(&inode)?;
                Some(Value::Sector(file.sectors.get(at).copied().unwrap_or_default()))
            }
        }
    }

    fn set(&mut self, id: UnitId, value: &Value) {
        match (id, value) {
            (UnitId::Names(dir), Value::Names(names)) => self.dirs[dir].1 = Arc::clone(names),
            (UnitId::Len(inode), Value::Len(len)) => {
                self.files.get_mut(&inode).expect("units are of files").len = *len;
            }
            (UnitId::Sector(inode, at), Value::Sector(sector)) => {
                let file = self.files.get_mut(&inode).expect("units are of files");
                if file.sectors.len() <= at {
                    file.sectors.resize(at + 1, SectorId::ZERO);
                }
                file.sectors[at] = *sector;
            }
            _ => unreachable!("ids have values of their own kind"),
        }
    }
}

impl Disk {
    /// All states that a power cut can leave now.
    #[must_use]
    pub fn outcomes(&self, damage: &Damage) -> Outcomes {
        let mut units = Vec::new();
        for (at, dir) in self.dirs.iter().enumerate() {
            let mut values = vec![Arc::clone(&dir.durable)];
            for change in &dir.pending {
                for before in 0..values.len() {
                    let mut after = Names::clone(&values[before]);
                    change.apply(&mut after);
                    if !values.iter().any(|known| **known == after) {
                        values.push(Arc::new(after));
                    }
                }
            }
            if values.len() > 1 {
                let values = values.into_iter().map(Value::Names).collect();
                units.push(Unit { id: UnitId::Names(at), values });
            }
        }
        let named = self.named();
        for (&inode, file) in self.files.iter().filter(|(inode, _)| named.contains(inode)) {
            self.file_units(inode, &file.pending, damage, &mut units);
        }
        Outcomes { certain: self.durable(), units }
    }

    fn file_units(&self, inode: u64, pending: &[Pending], damage: &Damage, units: &mut Vec<Unit>) {
        let file = &self.files[&inode];
        let mut lens = vec![file.durable.len];
        let mut sectors: BTreeMap<usize, Vec<SectorId>> = BTreeMap::new();
        for pending in pending {
            match pending.change {
                Change::Len(len) if lens.contains(&len) => {}
                Change::Len(len) => lens.push(len),
                Change::Zero(at) => {
                    let values = sectors.entry(at).or_insert_with(|| vec![file.durable.sector(at)]);
                    add(values, SectorId::ZERO);
                }
                Change::Write(at, patch, _) => {
                    let values = sectors.entry(at).or_insert_with(|| vec![file.durable.sector(at)]);
                    for before in 0..values.len() {
                        add(values, self.sectors.apply(values[before], patch));
                        if damage.torn && file.kind == FileKind::Checkpoint {
                            let torn = self.sectors.torn(patch);
                            add(values, self.sectors.apply(values[before], torn));
                        }
                    }
                    for wrong in self.wrong_sectors(inode, at, damage) {
                        add(values, wrong);
                    }
                }
            }
        }
        if lens.len() > 1 {
            let values = lens.into_iter().map(Value::Len).collect();
            units.push(Unit { id: UnitId::Len(inode), values });
        }
        for (at, values) in sectors {
            let values = values.into_iter().map(Value::Sector).collect();
            units.push(Unit { id: UnitId::Sector(inode, at), values });
        }
    }

    /// What a sector that was being written may come back as, apart from what was written.
    fn wrong_sectors(&self, inode: u64, at: usize, damage: &Damage) -> Vec<SectorId> {
        let file = &self.files[&inode];
        let size = self.sizes.of(file.kind);
        let mut wrong = Vec::new();
        let garbage = match file.kind {
            FileKind::Checkpoint => damage.checkpoint_garbage,
            FileKind::Data => damage.data_garbage,
        };
        if garbage {
            wrong.push(self.sectors.intern(&vec![GARBAGE; size]));
        }
        if let (FileKind::Checkpoint, Some(stale)) = (file.kind, &damage.stale) {
            let len = usize::try_from(file.seen.len).expect("checkpoints fit into memory");
            let mut seen = vec![0; len];
            self.read_at(inode, &mut seen, 0);
            wrong.extend(stale(at, &seen).map(|sector| self.sectors.intern(&sector)));
        }
        wrong
    }
}

impl Outcomes {
    /// Whatever is not certain.
    #[must_use]
    pub fn units(&self) -> &[Unit] {
        &self.units
    }

    /// How many states there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.units.iter().map(|unit| unit.values.len() as u64).product()
    }

    /// Calls `visit` with every state.
    pub fn for_each(&self, mut visit: impl FnMut(&Image)) {
        let mut image = self.certain.clone();
        vary(&self.units, &mut image, &mut visit);
    }

    /// Those that `earlier` did not have, or all of them where that is hard to say: what a step
    /// added to the states that a power cut can leave.
    #[must_use]
    pub fn beyond(mut self, earlier: &Self) -> Option<Self> {
        let mut grown = None;
        for (at, unit) in self.units.iter().enumerate() {
            let before = earlier.values(unit.id);
            if unit.values.iter().any(|value| !before.contains(value)) {
                if grown.is_some() {
                    return Some(self);
                }
                grown = Some((at, before));
            }
        }
        // What has become certain must have been possible.
        let ids = earlier.units.iter().map(|unit| unit.id);
        let is_known = ids
            .filter(|id| !self.units.iter().any(|unit| unit.id == *id))
            .all(|id| self.certain.get(id).is_none_or(|value| earlier.values(id).contains(&value)));
        if !is_known
            || !self.certain.files.keys().all(|inode| earlier.certain.files.contains_key(inode))
        {
            return Some(self);
        }
        let (at, before) = grown?;
        self.units[at].values.retain(|value| !before.contains(value));
        Some(self)
    }

    fn values(&self, id: UnitId) -> Vec<Value> {
        match self.units.iter().find(|unit| unit.id == id) {
            Some(unit) => unit.values.clone(),
            None => self.certain.get(id).into_iter().collect(),
        }
    }
}

impl fmt::Debug for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Damage")
            .field("data_garbage", &self.data_garbage)
            .field("checkpoint_garbage", &self.checkpoint_garbage)
            .field("torn", &self.torn)
            .field("stale", &self.stale.is_some())
            .finish()
    }
}

/// Sets the first of `units` to each of its values, and with each all others.
fn vary(units: &[Unit], image: &mut Image, visit: &mut impl FnMut(&Image)) {
    let Some((unit, others)) = units.split_first() else { return visit(image) };
    for value in &unit.values {
        image.set(unit.id, value);
        vary(others, image, visit);
    }
}

fn add(values: &mut Vec<SectorId>, value: SectorId) {
    if !values.contains(&value) {
        values.push(value);
    }
}

/// No zero and no byte that anybody writes on purpose.
const GARBAGE: u8 = 0xB5;
