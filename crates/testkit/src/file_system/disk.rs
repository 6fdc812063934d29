//! A disk with a page cache: what programs see, what is durable, and what is on its way.

use super::crash::{Image, ImageFile};
use super::names::{Directory, NameChange, Names};
use super::sectors::{PatchId, SectorId, Sectors};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// The state of a simulated disk: what programs see, what is durable, and every change that is not
/// durable yet. Cloning is cheap; what is cloned does not change any more.
///
/// A clone taken in the middle of an operation is what a kill leaves at that moment:
/// [`SimulatedFileSystem::on`](super::SimulatedFileSystem::on) goes on from there. What a power
/// cut could leave is told by [`Disk::outcomes`].
#[derive(Clone, Debug)]
pub struct Disk {
    pub(super) sectors: Arc<Sectors>,
    pub(super) dirs: Vec<Directory>,
    pub(super) files: BTreeMap<u64, File>,
    pub(super) sizes: SectorSizes,
    clock: u64,
}

/// How much a write to a file persists or is lost as a whole, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectorSizes {
    /// Of checkpoints.
    pub checkpoint: usize,
    /// Of every other file.
    pub data: usize,
}

impl Default for SectorSizes {
    fn default() -> Self {
        Self { checkpoint: 4096, data: 4096 }
    }
}

/// Which kind of sectors a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A checkpoint or lock file.
    Checkpoint,
    /// Anything else.
    Data,
}

#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) kind: FileKind,
    pub(super) seen: Contents,
    pub(super) durable: Contents,
    pub(super) pending: Vec<Pending>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) len: u64,
    pub(super) sectors: Vec<SectorId>,
}

#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) change: Change,
    /// When it was made: a sync covers what was made before it began.
    pub(super) made: u64,
    /// Whether a sync of it has failed: no later sync writes it any more.
    pub(super) dropped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Len(u64),
    /// A sector was cut off.
    Zero(usize),
    /// A sector was written; what it then held.
    Write(usize, PatchId, SectorId),
}

impl Contents {
    pub(super) fn sector(&self, at: usize) -> SectorId {
        self.sectors.get(at).copied().unwrap_or_default()
    }

    fn set(&mut self, at: usize, sector: SectorId) {
        if self.sectors.len() <= at {
            self.sectors.resize(at + 1, SectorId::ZERO);
        }
        self.sectors[at] = sector;
    }
}

impl Disk {
    /// An empty disk with sectors of these sizes.
    #[must_use]
    pub fn new(sizes: SectorSizes) -> Self {
        Self::with_sectors(Arc::new(Sectors::new()), sizes)
    }

    pub(super) fn with_sectors(sectors: Arc<Sectors>, sizes: SectorSizes) -> Self {
        Self { sectors, dirs: Vec::new(), files: BTreeMap::new(), sizes, clock: 0 }
    }

    /// The contents that sectors of this disk have.
    #[must_use]
    pub fn sectors(&self) -> &Arc<Sectors> {
        &self.sectors
    }

    /// Puts a file there that is not durable yet, as another program does which syncs nothing.
    ///
    /// # Panics
    ///
    /// If the path has no file name in UTF-8.
    #[must_use]
    pub fn with_fresh_file(mut self, path: impl AsRef<Path>, bytes: &[u8]) -> Self {
        let (dir, name) = self.parts_of(path.as_ref());
        let inode = self.create(dir, &name, FileKind::Data);
        self.write_at(inode, bytes, 0);
        self
    }

    /// Puts a durable file there, as if it had been there for a long time.
    ///
    /// # Panics
    ///
    /// If the path has no file name in UTF-8.
    #[must_use]
    pub fn with_file(mut self, path: impl AsRef<Path>, bytes: &[u8]) -> Self {
        let (dir, name) = self.parts_of(path.as_ref());
        let inode = self.new_inode();
        let size = self.sizes.data;
        let sectors = bytes.chunks(size).map(|sector| self.sectors.intern(sector)).collect();
        let contents = Contents { len: bytes.len() as u64, sectors };
        let file = File {
            kind: FileKind::Data,
            seen: contents.clone(),
            durable: contents,
            pending: Vec::new(),
        };
        self.files.insert(inode, file);
        let dir = &mut self.dirs[dir];
        for names in [&mut dir.seen, &mut dir.durable] {
            Arc::make_mut(names).insert(name.as_str().into(), inode);
        }
        self
    }

    fn parts_of(&mut self, path: &Path) -> (usize, String) {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a file name in UTF-8");
        (self.dir(path.parent().unwrap_or_else(|| Path::new(""))), name.to_owned())
    }

    /// What programs find under a path.
    #[must_use]
    pub fn read(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let path = path.as_ref();
        let names = self.names(path.parent()?);
        let inode = names.get(path.file_name()?.to_str()?)?;
        let file = self.files.get(inode)?;
        let mut bytes = vec![0; usize::try_from(file.seen.len).ok()?];
        self.read_at(*inode, &mut bytes, 0);
        Some(bytes)
    }

    /// The names that programs find in a directory, in order.
    #[must_use]
    pub fn names(&self, dir: impl AsRef<Path>) -> Names {
        let found =
            self.dirs.iter().find(|known| known.path.as_os_str() == dir.as_ref().as_os_str());
        found.map(|dir| Names::clone(&dir.seen)).unwrap_or_default()
    }

    /// What programs see, as if all of it were durable.
    #[must_use]
    pub fn seen(&self) -> Image {
        self.image(|dir| &dir.seen, |file| &file.seen)
    }

    /// What is durable for certain.
    #[must_use]
    pub fn durable(&self) -> Image {
        self.image(|dir| &dir.durable, |file| &file.durable)
    }

    /// What a failed sync left behind, by inode and sector (`None` for the length): programs see
    /// it, but no later sync writes it.
    #[must_use]
    pub fn dropped(&self) -> Vec<(u64, Option<usize>)> {
        let all = self.files.iter().flat_map(|(&inode, file)| {
            file.pending.iter().filter(|pending| pending.dropped).map(move |pending| {
                let sector = match pending.change {
                    Change::Len(_) => None,
                    Change::Zero(at) | Change::Write(at, ..) => Some(at),
                };
                (inode, sector)
            })
        });
        let mut all: Vec<_> = all.collect();
        all.dedup();
        all
    }

    /// Whether everything is durable.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.dirs.iter().all(|dir| dir.pending.is_empty())
            && self.files.values().all(|file| file.pending.is_empty())
    }

    /// Makes everything durable, as time does.
    pub fn settle(&mut self) {
        for dir in 0..self.dirs.len() {
            self.sync_names(dir);
        }
        let now = self.now();
        for inode in self.files.keys().copied().collect::<Vec<_>>() {
            self.sync_file(inode, now);
        }
        self.forget_unnamed(&BTreeSet::new());
    }

    fn image<'a>(
        &'a self,
        names: impl Fn(&'a Directory) -> &'a Arc<Names>,
        contents: impl Fn(&'a File) -> &'a Contents,
    ) -> Image {
        let dirs = self.dirs.iter().map(|dir| (Arc::clone(&dir.path), Arc::clone(names(dir))));
        let files = self.files.iter().map(|(&inode, file)| {
            let contents = contents(file);
            let image = ImageFile {
                inode,
                kind: file.kind,
                len: contents.len,
                sectors: contents.sectors.clone(),
            };
            (inode, image)
        });
        Image { dirs: dirs.collect(), files: files.collect() }
    }

    /// The disk that a machine finds which starts with what `image` says.
    #[must_use]
    pub fn restarted(&self, image: &Image) -> Self {
        let mut disk = Self::with_sectors(Arc::clone(&self.sectors), self.sizes);
        for (path, names) in &image.dirs {
            disk.dirs.push(Directory {
                path: Arc::clone(path),
                seen: Arc::clone(names),
                durable: Arc::clone(names),
                pending: Vec::new(),
            });
        }
        for (&inode, file) in &image.files {
            let mut sectors = file.sectors.clone();
            sectors.truncate(self.sector_count(file.kind, file.len));
            let contents = Contents { len: file.len, sectors };
            let seen = contents.clone();
            let file = File { kind: file.kind, seen, durable: contents, pending: Vec::new() };
            disk.files.insert(inode, file);
        }
        disk.forget_unnamed(&BTreeSet::new());
        disk
    }

    /// Drops files that no name leads to, now or after any crash, and that are not `open`: their
    /// inode numbers are free for new files.
    pub(super) fn forget_unnamed(&mut self, open: &BTreeSet<u64>) {
        let named = self.named();
        self.files.retain(|inode, _| named.contains(inode) || open.contains(inode));
    }

    /// The files to which a name leads, now or after some crash.
    pub(super) fn named(&self) -> BTreeSet<u64> {
        let mut named = BTreeSet::new();
        for dir in &self.dirs {
            named.extend(dir.seen.values().chain(dir.durable.values()));
            named.extend(dir.pending.iter().filter_map(NameChange::inode));
        }
        named
    }

    pub(super) fn len(&self, inode: u64) -> u64 {
        self.files[&inode].seen.len
    }

    /// Bytes that all files together have reserved.
    pub(super) fn reserved(&self) -> u64 {
        self.files.values().map(|file| file.seen.len).sum()
    }

    pub(super) fn set_len(&mut self, inode: u64, len: u64) {
        let made = self.tick();
        let file = self.files.get_mut(&inode).expect("open files exist");
        let size = self.sizes.of(file.kind);
        let keep = usize::try_from(len.div_ceil(size as u64)).expect("sectors fit into memory");
        for at in keep..file.seen.sectors.len() {
            if file.seen.sectors[at] != SectorId::ZERO {
                file.pending.push(Pending { change: Change::Zero(at), made, dropped: false });
            }
        }
        file.seen.sectors.resize(keep, SectorId::ZERO);
        let shortened = len < file.seen.len;
        if len != file.seen.len {
            file.seen.len = len;
            file.pending.push(Pending { change: Change::Len(len), made, dropped: false });
        }
        let within = usize::try_from(len % size as u64).expect("less than a sector");
        if shortened && within > 0 {
            self.put(inode, &vec![0; size - within], len);
        }
    }

    /// Writes; bytes beyond the end make the file longer.
    pub(super) fn write_at(&mut self, inode: u64, bytes: &[u8], offset: u64) {
        self.put(inode, bytes, offset);
        let end = offset + bytes.len() as u64;
        if end > self.len(inode) {
            self.set_len(inode, end);
        }
    }

    fn put(&mut self, inode: u64, mut bytes: &[u8], mut offset: u64) {
        let made = self.tick();
        let file = self.files.get_mut(&inode).expect("open files exist");
        let size = self.sizes.of(file.kind);
        while !bytes.is_empty() {
            let at = usize::try_from(offset / size as u64).expect("sectors fit into memory");
            let within = usize::try_from(offset % size as u64).expect("less than a sector");
            let (now, later) = bytes.split_at(bytes.len().min(size - within));
            let patch = self.sectors.patch(within, now);
            let after = self.sectors.apply(file.seen.sector(at), patch);
            file.seen.set(at, after);
            let change = Change::Write(at, patch, after);
            file.pending.push(Pending { change, made, dropped: false });
            offset += now.len() as u64;
            bytes = later;
        }
    }

    /// Reads what is there and returns how many bytes that is.
    pub(super) fn read_at(&self, inode: u64, into: &mut [u8], offset: u64) -> usize {
        let file = &self.files[&inode];
        let size = self.sizes.of(file.kind);
        let there = usize::try_from(file.seen.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let many = into.len().min(there);
        let mut done = 0;
        while done < many {
            let place = offset + done as u64;
            let at = usize::try_from(place / size as u64).expect("sectors fit into memory");
            let within = usize::try_from(place % size as u64).expect("less than a sector");
            let now = (size - within).min(many - done);
            let bytes = self.sectors.bytes(file.seen.sector(at));
            let known = bytes.get(within..).unwrap_or_default();
            let known = &known[..known.len().min(now)];
            into[done..done + known.len()].copy_from_slice(known);
            into[done + known.len()..done + now].fill(0);
            done += now;
        }
        many
    }

    /// The moment before which everything made is covered by a sync that begins now.
    pub(super) const fn now(&self) -> u64 {
        self.clock
    }

    /// Ends a sync that began at `begun`. What it writes are whole sectors, as they were then.
    pub(super) fn sync_file(&mut self, inode: u64, begun: u64) {
        let Some(file) = self.files.get_mut(&inode) else { return };
        let mut synced: BTreeMap<usize, SectorId> = BTreeMap::new();
        let mut len = None;
        for pending in file.pending.iter().filter(|p| p.made < begun && !p.dropped) {
            match pending.change {
                Change::Len(new) => len = Some(new),
                Change::Zero(at) => drop(synced.insert(at, SectorId::ZERO)),
                Change::Write(at, _, after) => drop(synced.insert(at, after)),
            }
        }
        file.pending.retain(|pending| {
            pending.made >= begun
                || match pending.change {
                    Change::Len(_) => len.is_none(),
                    Change::Zero(at) | Change::Write(at, ..) => !synced.contains_key(&at),
                }
        });
        for (at, sector) in synced {
            file.durable.set(at, sector);
        }
        if let Some(len) = len {
            file.durable.len = len;
        }
    }

    /// A sync that began at `begun` has failed: what it should have written may have reached the
    /// disk or not, programs go on seeing it, and no later sync writes it.
    pub(super) fn drop_pending(&mut self, inode: u64, begun: u64) {
        let Some(file) = self.files.get_mut(&inode) else { return };
        for pending in file.pending.iter_mut().filter(|pending| pending.made < begun) {
            pending.dropped = true;
        }
    }

    pub(super) fn sector_count(&self, kind: FileKind, len: u64) -> usize {
        usize::try_from(len.div_ceil(self.sizes.of(kind) as u64)).expect("sectors fit into memory")
    }

    /// The lowest free number: numbers are used again as soon as they can be.
    pub(super) fn new_inode(&self) -> u64 {
        (1..).find(|inode| !self.files.contains_key(inode)).expect("there is always one")
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock - 1
    }
}

impl SectorSizes {
    pub(super) const fn of(self, kind: FileKind) -> usize {
        match kind {
            FileKind::Checkpoint => self.checkpoint,
            FileKind::Data => self.data,
        }
    }
}
