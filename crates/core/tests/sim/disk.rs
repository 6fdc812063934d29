//! A disk with a page cache: what was not synced may be lost, torn, or come back as old bytes.

use super::catalogue::{Fault, Hits};
use super::content::Tag;
use super::extents::Extents;
use super::rng::Rng;
use super::storage::DESTINATION;
use std::collections::BTreeMap;

/// The process died here.
#[derive(Debug)]
pub(crate) struct Crash;

pub(crate) const SECTOR: usize = 512;
const SECTOR_U64: u64 = SECTOR as u64;

/// One file: data as stretches, records as sectors. Each file uses one of the two.
#[derive(Clone, Debug, Default)]
pub(crate) struct File {
    pub(crate) len: u64,
    durable_len: u64,
    pub(crate) data: Extents,
    durable_data: Extents,
    sectors: BTreeMap<u64, Vec<u8>>,
    durable_sectors: BTreeMap<u64, Vec<u8>>,
    pending: Vec<Write>,
}

#[derive(Clone, Debug)]
enum Write {
    Data(u64, u64, Tag),
    Sector(u64, Vec<u8>),
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
    /// The file on which a living process holds the lock.
    pub(crate) locked: Option<u64>,
    /// Steps until the process dies, if it shall.
    pub(crate) fuse: Option<u64>,
    /// Changes so far of names, and of what the destination holds: who saw this number has seen
    /// everything that a user of the destination could.
    pub(crate) changes: u64,
    /// Sectors of older checkpoints, which may come back when a sector is torn.
    stale: BTreeMap<u64, Vec<Vec<u8>>>,
    /// Sectors that the last power cut turned into something else.
    pub(crate) torn: Vec<u64>,
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

    /// Puts a durable file there, as somebody else would.
    pub(crate) fn plant(&mut self, name: &str, len: u64, data: Extents) -> u64 {
        self.changes += 1;
        self.next_inode += 1;
        let file = File {
            len,
            durable_len: len,
            data: data.clone(),
            durable_data: data,
            ..File::default()
        };
        self.files.insert(self.next_inode, file);
        self.names.insert(name.to_owned(), self.next_inode);
        self.durable_names.insert(name.to_owned(), self.next_inode);
        self.next_inode
    }

    /// Removes a name durably, as somebody else would.
    pub(crate) fn uproot(&mut self, name: &str) {
        self.changes += 1;
        self.names.remove(name);
        self.durable_names.remove(name);
        // What was renamed to it before has left its old name for good, too: a directory's changes
        // become durable in their order.
        for op in &self.pending_names {
            if let DirOp::Rename(from, to, _) = op
                && to == name
            {
                self.durable_names.remove(from);
            }
        }
        // What was done to the name before does not come back.
        self.pending_names.retain(|op| match op {
            DirOp::Create(created, _) => created != name,
            DirOp::Remove(_) => true,
            DirOp::Rename(_, to, _) => to != name,
        });
    }

    pub(crate) fn create(&mut self, name: &str) -> Result<u64, Crash> {
        self.step()?;
        self.next_inode += 1;
        self.files.insert(self.next_inode, File::default());
        self.dir(DirOp::Create(name.to_owned(), self.next_inode));
        Ok(self.next_inode)
    }

    /// Removes a name if it is there, durably before it returns.
    pub(crate) fn remove(&mut self, name: &str) -> Result<(), Crash> {
        self.step()?;
        if self.names.contains_key(name) {
            self.dir(DirOp::Remove(name.to_owned()));
        }
        self.sync_dir()
    }

    pub(crate) fn rename(&mut self, from: &str, to: &str) -> Result<(), Crash> {
        self.step()?;
        let inode = self.names[from];
        self.dir(DirOp::Rename(from.to_owned(), to.to_owned(), inode));
        Ok(())
    }

    fn dir(&mut self, op: DirOp) {
        self.changes += 1;
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

    /// The content of a file is about to change.
    fn touch(&mut self, inode: u64) {
        if self.names.get(DESTINATION) == Some(&inode) {
            self.changes += 1;
        }
    }

    pub(crate) fn write(&mut self, inode: u64, (start, end): (u64, u64), tag: Tag) {
        self.touch(inode);
        let file = self.files.get_mut(&inode).expect("written files exist");
        file.len = file.len.max(end);
        file.data.write(start, end, tag);
        file.pending.push(Write::Data(start, end, tag));
    }

    /// Changes what is on the platter and in the cache, behind everybody's back.
    pub(crate) fn rot(&mut self, inode: u64, (start, end): (u64, u64), tag: Tag) {
        self.touch(inode);
        let file = self.files.get_mut(&inode).expect("rotting files exist");
        file.data.write(start, end, tag);
        file.durable_data.write(start, end, tag);
        file.pending.retain(
            |write| !matches!(write, Write::Data(from, until, _) if *from < end && *until > start),
        );
    }

    /// Sets a file's length; what lies beyond is gone, what is new reads as zero.
    pub(crate) fn resize(&mut self, inode: u64, len: u64) {
        self.touch(inode);
        let file = self.files.get_mut(&inode).expect("resized files exist");
        file.len = len;
        file.data.truncate(len);
        if len == 0 {
            let freed = file.durable_sectors.clone();
            self.reuse(freed);
        }
        let file = self.files.get_mut(&inode).expect("resized files exist");
        file.sectors.retain(|at, _| at * SECTOR_U64 < len);
        for write in &mut file.pending {
            if let Write::Data(_, end, _) = write {
                *end = len.min(*end);
            }
        }
        file.pending.retain(|write| match write {
            Write::Data(start, end, _) => start < end,
            Write::Sector(at, _) => at * SECTOR_U64 < len,
        });
    }

    /// Blocks are free to be used again, with what they hold.
    fn reuse(&mut self, sectors: BTreeMap<u64, Vec<u8>>) {
        for (at, sector) in sectors {
            let old = self.stale.entry(at).or_default();
            old.truncate(7);
            old.push(sector);
        }
    }

    /// As [`Disk::resize`], durably.
    pub(crate) fn resize_durably(&mut self, inode: u64, len: u64) {
        self.resize(inode, len);
        let file = self.files.get_mut(&inode).expect("resized files exist");
        file.durable_len = len;
        file.durable_data.truncate(len);
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
        for write in file.pending.drain(..covered) {
            match write {
                Write::Data(start, end, tag) => file.durable_data.write(start, end, tag),
                Write::Sector(at, sector) => drop(file.durable_sectors.insert(at, sector)),
            }
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

    /// Drops what is cached of a file without pending writes: what is read from now on is what the
    /// disk has.
    pub(crate) fn drop_cache(&mut self, inode: u64) {
        let file = self.files.get_mut(&inode).expect("cached files exist");
        if file.pending.is_empty() {
            file.data = file.durable_data.clone();
        }
    }

    /// Whether everything written to a stretch is durable.
    pub(crate) fn is_durable(&self, inode: u64, start: u64, end: u64) -> bool {
        let waits = |write: &Write| matches!(write, Write::Data(from, until, _) if *from < end && *until > start);
        !self.files[&inode].pending.iter().any(waits)
    }

    /// Whether everything written to a file is durable.
    pub(crate) fn is_clean(&self, inode: u64) -> bool {
        self.files[&inode].pending.is_empty()
    }

    /// Power is cut. `rng` decides what persists of what was not synced.
    pub(crate) fn crash(&mut self, rng: &mut Rng, hits: &mut Hits) {
        self.changes += 1;
        self.torn.clear();
        let mood = rng.below(5);
        for file in self.files.values_mut() {
            for write in std::mem::take(&mut file.pending) {
                let fate = |rng: &mut Rng| match mood {
                    0 | 1 => mood,
                    4 => 3,
                    _ => rng.below(4),
                };
                match write {
                    Write::Data(start, end, tag) => {
                        for (from, until) in pieces(rng, start, end) {
                            match fate(rng) {
                                1 => file.durable_data.write(from, until, tag),
                                2 => {
                                    let noise = Tag::stream(rng.next());
                                    file.durable_data.write(from, until, noise);
                                }
                                _ => {}
                            }
                        }
                    }
                    Write::Sector(at, sector) => match fate(rng) {
                        0 => {}
                        1 => drop(file.durable_sectors.insert(at, sector)),
                        2 => {
                            let noise = (0..SECTOR).map(|_| rng.next() as u8).collect();
                            file.durable_sectors.insert(at, noise);
                            self.torn.push(at);
                        }
                        _ => {
                            let old = self.stale.get(&at).map_or(&[][..], Vec::as_slice);
                            if !old.is_empty() {
                                let pick = rng.below(old.len() as u64) as usize;
                                file.durable_sectors.insert(at, old[pick].clone());
                                self.torn.push(at);
                                hits.count(Fault::StaleSectors);
                            }
                        }
                    },
                }
            }
            if rng.below(2) == 0 {
                file.durable_len = file.len;
            }
            file.len = file.durable_len;
            file.durable_data.truncate(file.len);
            file.durable_sectors.retain(|at, _| at * SECTOR_U64 < file.durable_len);
            file.data = file.durable_data.clone();
            file.sectors = file.durable_sectors.clone();
        }
        for op in std::mem::take(&mut self.pending_names) {
            if mood == 1 || (mood > 1 && rng.below(2) == 0) {
                apply(&mut self.durable_names, &op);
            }
        }
        self.names = self.durable_names.clone();
        self.fuse = None;
        self.locked = None;
    }

    /// The process is killed: the page cache survives.
    pub(crate) fn kill(&mut self) {
        self.torn.clear();
        self.fuse = None;
        self.locked = None;
    }

    pub(crate) fn read_bytes(&self, inode: u64, from: u64, len: usize) -> Vec<u8> {
        let file = &self.files[&inode];
        let first = from / SECTOR_U64;
        let skip = (from % SECTOR_U64) as usize;
        let mut bytes = Vec::with_capacity(len + SECTOR);
        for at in first..first + (skip + len).div_ceil(SECTOR) as u64 {
            match file.sectors.get(&at) {
                Some(sector) => bytes.extend_from_slice(sector),
                None => bytes.resize(bytes.len() + SECTOR, 0),
            }
        }
        bytes.drain(..skip);
        bytes.truncate(len);
        bytes
    }

    /// Writes records, sector by sector.
    pub(crate) fn write_bytes(&mut self, inode: u64, at: u64, bytes: &[u8]) -> Result<(), Crash> {
        let first = at / SECTOR_U64;
        let skip = (at % SECTOR_U64) as usize;
        let span = (skip + bytes.len()).div_ceil(SECTOR) * SECTOR;
        let mut whole = self.read_bytes(inode, first * SECTOR_U64, span);
        whole[skip..skip + bytes.len()].copy_from_slice(bytes);
        for (index, part) in whole.chunks(SECTOR).enumerate() {
            self.step()?;
            let file = self.files.get_mut(&inode).expect("written files exist");
            let at = first + index as u64;
            file.sectors.insert(at, part.to_vec());
            file.pending.push(Write::Sector(at, part.to_vec()));
        }
        Ok(())
    }

    /// The names that begin so.
    pub(crate) fn named(&self, prefix: &str) -> Vec<String> {
        let from = self.names.range(prefix.to_owned()..);
        from.map(|(name, _)| name).take_while(|n| n.starts_with(prefix)).cloned().collect()
    }

    /// Frees what no name leads to, now or after a power cut.
    pub(crate) fn sweep(&mut self) {
        let named: Vec<u64> =
            self.names.values().chain(self.durable_names.values()).copied().collect();
        let gone: Vec<u64> =
            self.files.keys().filter(|inode| !named.contains(inode)).copied().collect();
        for inode in gone {
            if let Some(file) = self.files.remove(&inode) {
                self.reuse(file.durable_sectors);
            }
        }
    }
}

/// A write as the pieces that persist independently: whole sectors, a few of them in one.
fn pieces(rng: &mut Rng, start: u64, end: u64) -> Vec<(u64, u64)> {
    let mut cuts = vec![start];
    for _ in 0..rng.below(4) {
        let cut = (start + rng.below(end - start)) / SECTOR_U64 * SECTOR_U64;
        if cut > start {
            cuts.push(cut);
        }
    }
    cuts.sort_unstable();
    cuts.dedup();
    let ends = cuts.iter().skip(1).copied().chain([end]).collect::<Vec<_>>();
    cuts.into_iter().zip(ends).collect()
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
