//! A disk with a page cache: what was not synced may be lost, torn, or come back as old bytes.

use super::rng::Rng;
use std::collections::BTreeMap;

/// The process died here.
#[derive(Debug)]
pub(crate) struct Crash;

/// One unit of a file that persists as a whole: a data block or a checkpoint sector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Block(u64),
    Sector(Vec<u8>),
}

pub(crate) const SECTOR: usize = 512;

#[derive(Clone, Debug, Default)]
pub(crate) struct File {
    pub(crate) len: u64,
    durable_len: u64,
    pub(crate) cache: BTreeMap<u64, Unit>,
    durable: BTreeMap<u64, Unit>,
    pending: Vec<(u64, Unit)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum DirOp {
    Create(String, u64),
    Remove(String),
    Rename(String, String, u64),
}

#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub(crate) files: BTreeMap<u64, File>,
    pub(crate) names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    pending_names: Vec<DirOp>,
    next_inode: u64,
    /// Steps until the process dies, if it shall.
    pub(crate) fuse: Option<u64>,
    /// Sectors of older checkpoints, which may come back when a sector is torn.
    stale: BTreeMap<u64, Vec<Unit>>,
}

impl Disk {
    /// Every operation passes here: the process may die before it.
    pub(crate) fn step(&mut self) -> Result<(), Crash> {
        match &mut self.fuse {
            Some(0) => Err(Crash),
            Some(fuse) => {
                *fuse -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Puts a durable file there before the story begins.
    pub(crate) fn plant(&mut self, name: &str, len: u64, units: BTreeMap<u64, Unit>) {
        self.next_inode += 1;
        let file =
            File { len, durable_len: len, cache: units.clone(), durable: units, pending: vec![] };
        self.files.insert(self.next_inode, file);
        self.names.insert(name.to_owned(), self.next_inode);
        self.durable_names.insert(name.to_owned(), self.next_inode);
    }

    pub(crate) fn create(&mut self, name: &str) -> Result<u64, Crash> {
        self.step()?;
        self.next_inode += 1;
        self.files.insert(self.next_inode, File::default());
        self.dir(DirOp::Create(name.to_owned(), self.next_inode));
        Ok(self.next_inode)
    }

    pub(crate) fn remove(&mut self, name: &str) -> Result<(), Crash> {
        self.step()?;
        self.dir(DirOp::Remove(name.to_owned()));
        Ok(())
    }

    pub(crate) fn rename(&mut self, from: &str, to: &str) -> Result<(), Crash> {
        self.step()?;
        let inode = self.names[from];
        self.dir(DirOp::Rename(from.to_owned(), to.to_owned(), inode));
        Ok(())
    }

    fn dir(&mut self, op: DirOp) {
        apply(&mut self.names, &op);
        self.pending_names.push(op);
    }

    pub(crate) fn sync_dir(&mut self) -> Result<(), Crash> {
        self.step()?;
        for op in std::mem::take(&mut self.pending_names) {
            apply(&mut self.durable_names, &op);
        }
        Ok(())
    }

    pub(crate) fn write(&mut self, inode: u64, at: u64, unit: Unit) -> Result<(), Crash> {
        self.step()?;
        let file = self.files.get_mut(&inode).expect("written files exist");
        file.cache.insert(at, unit.clone());
        file.pending.push((at, unit));
        Ok(())
    }

    /// Sets a file's length; what lies beyond is gone, what is new reads as zero.
    pub(crate) fn resize(&mut self, inode: u64, len: u64, unit: u64) {
        let file = self.files.get_mut(&inode).expect("resized files exist");
        file.len = len;
        file.cache.retain(|at, _| at * unit < len);
        file.pending.retain(|(at, _)| at * unit < len);
    }

    /// How many writes are pending: what a sync that begins now will cover.
    pub(crate) fn begin_sync(&self, inode: u64) -> usize {
        self.files[&inode].pending.len()
    }

    /// The sync has ended: the first `covered` writes are durable.
    pub(crate) fn end_sync(&mut self, inode: u64, covered: usize) -> Result<(), Crash> {
        self.step()?;
        let file = self.files.get_mut(&inode).expect("synced files exist");
        let covered = covered.min(file.pending.len());
        for (at, unit) in file.pending.drain(..covered) {
            if let Unit::Sector(_) = unit {
                self.stale.entry(at).or_default().push(unit.clone());
            }
            file.durable.insert(at, unit);
        }
        file.durable_len = file.len;
        Ok(())
    }

    pub(crate) fn sync(&mut self, inode: u64) -> Result<(), Crash> {
        let covered = self.begin_sync(inode);
        self.end_sync(inode, covered)
    }

    /// The system reported a failed write-back and has dropped the pages: the cache shows them
    /// still, the disk never will.
    pub(crate) fn lose_pending(&mut self, inode: u64) {
        self.files.get_mut(&inode).expect("synced files exist").pending.clear();
    }

    /// Power is cut. `rng` decides what persists of what was not synced.
    pub(crate) fn crash(&mut self, rng: &mut Rng) {
        let mood = rng.below(4);
        for file in self.files.values_mut() {
            for (at, unit) in std::mem::take(&mut file.pending) {
                let fate = if mood < 2 { mood } else { rng.below(4) };
                match (fate, unit) {
                    (0, _) => {}
                    (1, unit) => drop(file.durable.insert(at, unit)),
                    (2, Unit::Block(_)) => {
                        drop(file.durable.insert(at, Unit::Block(rng.next() | 1)));
                    }
                    (2, Unit::Sector(_)) => {
                        let noise = (0..SECTOR).map(|_| rng.next() as u8).collect();
                        file.durable.insert(at, Unit::Sector(noise));
                    }
                    (_, Unit::Sector(_)) => {
                        let old = self.stale.get(&at).map_or(&[][..], Vec::as_slice);
                        if !old.is_empty() {
                            let pick = rng.below(old.len() as u64) as usize;
                            file.durable.insert(at, old[pick].clone());
                        }
                    }
                    (_, Unit::Block(_)) => {}
                }
            }
            if rng.below(2) == 0 {
                file.durable_len = file.len;
            }
            file.len = file.durable_len;
            file.cache = file.durable.clone();
        }
        for op in std::mem::take(&mut self.pending_names) {
            if mood == 1 || (mood > 1 && rng.below(2) == 0) {
                apply(&mut self.durable_names, &op);
            }
        }
        self.names = self.durable_names.clone();
        self.fuse = None;
    }

    /// The process is killed: the page cache survives.
    pub(crate) fn kill(&mut self) {
        self.fuse = None;
    }

    pub(crate) fn read_sectors(&self, inode: u64, from: u64, len: usize) -> Vec<u8> {
        let file = &self.files[&inode];
        let first = from / SECTOR as u64;
        let count = len.div_ceil(SECTOR) as u64;
        let mut bytes = Vec::with_capacity(len);
        for at in first..first + count {
            match file.cache.get(&at) {
                Some(Unit::Sector(sector)) => bytes.extend_from_slice(sector),
                _ => bytes.resize(bytes.len() + SECTOR, 0),
            }
        }
        bytes.truncate(len);
        bytes
    }

    /// Writes bytes, sector by sector, at a multiple of the sector size or inside one sector.
    pub(crate) fn write_bytes(&mut self, inode: u64, at: u64, bytes: &[u8]) -> Result<(), Crash> {
        let sector = SECTOR as u64;
        let first = at / sector;
        let skip = (at % sector) as usize;
        let span = (skip + bytes.len()).div_ceil(SECTOR) * SECTOR;
        let mut whole = self.read_sectors(inode, first * sector, span);
        whole[skip..skip + bytes.len()].copy_from_slice(bytes);
        for (index, part) in whole.chunks(SECTOR).enumerate() {
            self.write(inode, first + index as u64, Unit::Sector(part.to_vec()))?;
        }
        Ok(())
    }

    pub(crate) fn block(&self, inode: u64, block: u64) -> u64 {
        match self.files[&inode].cache.get(&block) {
            Some(Unit::Block(token)) => *token,
            _ => 0,
        }
    }
}

fn apply(names: &mut BTreeMap<String, u64>, op: &DirOp) {
    match op {
        DirOp::Create(name, inode) => drop(names.insert(name.clone(), *inode)),
        DirOp::Remove(name) => drop(names.remove(name)),
        DirOp::Rename(from, to, inode) => {
            names.remove(from);
            names.insert(to.clone(), *inode);
        }
    }
}
