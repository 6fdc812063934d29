//! A disk in memory that tells what was written from what is durable.
//!
//! Data become durable with a sync of their file, sector by sector; names with a sync of their
//! directory, change by change. A power cut keeps what is durable and any part of the rest.

use super::fault::Role;
use ossget_tests::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};

pub(crate) type Inode = u64;
/// What an operation gives, or its error number.
pub(crate) type Outcome<T> = Result<T, i32>;

pub(crate) const ROOT: Inode = 1;
/// The unit that a power cut keeps or loses.
const SECTOR: usize = 512;

/// Everything on the disk.
#[derive(Debug)]
pub(crate) struct Model {
    nodes: BTreeMap<Inode, Node>,
    next: Inode,
}

#[derive(Debug)]
enum Node {
    File(FileNode),
    Directory(DirectoryNode),
}

#[derive(Debug, Default)]
struct FileNode {
    live: Image,
    durable: Image,
    /// Sectors that the next sync will write.
    dirty: BTreeSet<usize>,
}

/// A file as somebody sees it.
#[derive(Clone, Debug, Default)]
struct Image {
    bytes: Vec<u8>,
    mode: u32,
}

#[derive(Debug, Default)]
struct DirectoryNode {
    live: BTreeMap<OsString, Inode>,
    durable: BTreeMap<OsString, Inode>,
    /// What was done to the names since the last sync, in order.
    pending: Vec<Change>,
}

/// One change of a directory, which happens or not.
#[derive(Debug)]
enum Change {
    Put(OsString, Inode),
    Remove(OsString, Inode),
    Rename { from: OsString, to: OsString, inode: Inode },
}

/// What is known of a file or directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) inode: Inode,
    pub(crate) kind: Kind,
    pub(crate) len: u64,
    pub(crate) mode: u32,
    pub(crate) links: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
}

/// What becomes of the pages that a failed sync was to write. All of them count as written
/// afterwards, so that no later sync tries again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pages {
    /// They can still be read until the power goes.
    Cached,
    /// What was on the disk before is read.
    Evicted,
}

/// What may be found in a sector that was not synced when the power went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tearing {
    OldOrNew,
    /// Or something that nobody ever wrote.
    OrGarbage,
}

impl Model {
    pub(crate) fn new() -> Self {
        let nodes = BTreeMap::from([(ROOT, Node::Directory(DirectoryNode::default()))]);
        Self { nodes, next: ROOT + 1 }
    }

    /// Removes everything. Inodes are not used again: the kernel may still remember some.
    pub(crate) fn wipe(&mut self) {
        self.nodes = BTreeMap::from([(ROOT, Node::Directory(DirectoryNode::default()))]);
    }

    pub(crate) fn look_up(&self, parent: Inode, name: &OsStr) -> Outcome<Found> {
        let inode = self.directory(parent)?.live.get(name).ok_or(libc::ENOENT)?;
        self.found(*inode)
    }

    pub(crate) fn found(&self, inode: Inode) -> Outcome<Found> {
        let node = self.nodes.get(&inode).ok_or(libc::ENOENT)?;
        Ok(match node {
            Node::File(file) => Found {
                inode,
                kind: Kind::File,
                len: file.live.bytes.len() as u64,
                mode: file.live.mode,
                links: self.links(inode),
            },
            Node::Directory(_) => {
                Found { inode, kind: Kind::Directory, len: 0, mode: 0o755, links: 2 }
            }
        })
    }

    /// The names in a directory, in order.
    pub(crate) fn names(&self, inode: Inode) -> Outcome<Vec<(OsString, Inode, Kind)>> {
        let names = &self.directory(inode)?.live;
        names
            .iter()
            .map(|(name, inode)| Ok((name.clone(), *inode, self.found(*inode)?.kind)))
            .collect()
    }

    pub(crate) fn create(
        &mut self,
        parent: Inode,
        name: &OsStr,
        kind: Kind,
        mode: u32,
    ) -> Outcome<Found> {
        if self.directory(parent)?.live.contains_key(name) {
            return Err(libc::EEXIST);
        }
        let inode = self.next;
        self.next += 1;
        let image = Image { bytes: Vec::new(), mode };
        let node = match kind {
            Kind::File => {
                Node::File(FileNode { live: image.clone(), durable: image, dirty: BTreeSet::new() })
            }
            Kind::Directory => Node::Directory(DirectoryNode::default()),
        };
        self.nodes.insert(inode, node);
        let directory = self.directory_mut(parent)?;
        directory.live.insert(name.to_owned(), inode);
        directory.pending.push(Change::Put(name.to_owned(), inode));
        self.found(inode)
    }

    pub(crate) fn remove(&mut self, parent: Inode, name: &OsStr) -> Outcome<()> {
        let directory = self.directory_mut(parent)?;
        let inode = directory.live.remove(name).ok_or(libc::ENOENT)?;
        directory.pending.push(Change::Remove(name.to_owned(), inode));
        Ok(())
    }

    /// Renames within a directory, replacing what is there.
    pub(crate) fn rename(&mut self, parent: Inode, from: &OsStr, to: &OsStr) -> Outcome<()> {
        let directory = self.directory_mut(parent)?;
        let inode = directory.live.remove(from).ok_or(libc::ENOENT)?;
        directory.live.insert(to.to_owned(), inode);
        directory.pending.push(Change::Rename { from: from.to_owned(), to: to.to_owned(), inode });
        Ok(())
    }

    pub(crate) fn read(&self, inode: Inode, offset: u64, len: usize) -> Outcome<&[u8]> {
        let bytes = &self.file(inode)?.live.bytes;
        let start = usize::try_from(offset).map_or(bytes.len(), |start| start.min(bytes.len()));
        Ok(&bytes[start..bytes.len().min(start.saturating_add(len))])
    }

    pub(crate) fn write(&mut self, inode: Inode, offset: u64, bytes: &[u8]) -> Outcome<()> {
        let start = usize::try_from(offset).map_err(|_| libc::EFBIG)?;
        let file = self.file_mut(inode)?;
        let end = start + bytes.len();
        if file.live.bytes.len() < end {
            file.resize(end);
        }
        file.live.bytes[start..end].copy_from_slice(bytes);
        if start < end {
            file.dirty.extend(start / SECTOR..=(end - 1) / SECTOR);
        }
        Ok(())
    }

    pub(crate) fn resize(&mut self, inode: Inode, len: u64) -> Outcome<()> {
        let len = usize::try_from(len).map_err(|_| libc::EFBIG)?;
        self.file_mut(inode)?.resize(len);
        Ok(())
    }

    pub(crate) fn set_mode(&mut self, inode: Inode, mode: u32) -> Outcome<()> {
        self.file_mut(inode)?.live.mode = mode & 0o7777;
        Ok(())
    }

    /// Makes a file's bytes or a directory's names durable.
    pub(crate) fn sync(&mut self, inode: Inode) -> Outcome<()> {
        match self.nodes.get_mut(&inode).ok_or(libc::ENOENT)? {
            Node::File(file) => file.sync(),
            Node::Directory(directory) => directory.sync(),
        }
        Ok(())
    }

    /// What a sync does that fails: what it was to write is lost, and no later one knows of it.
    /// The names of a directory stay pending: journals that cannot be written make a file system
    /// read-only, none forgets names and goes on.
    pub(crate) fn fail_sync(&mut self, inode: Inode, pages: Pages) -> Outcome<()> {
        if let Node::File(file) = self.nodes.get_mut(&inode).ok_or(libc::ENOENT)? {
            file.lose(pages);
        }
        Ok(())
    }

    /// Makes everything durable.
    pub(crate) fn settle(&mut self) {
        for node in self.nodes.values_mut() {
            match node {
                Node::File(file) => file.sync(),
                Node::Directory(directory) => directory.sync(),
            }
        }
    }

    /// Leaves what a power cut leaves. Nothing may be open any more.
    pub(crate) fn cut(&mut self, rng: &mut Rng, tearing: Tearing) {
        for node in self.nodes.values_mut() {
            let luck = Luck::draw(rng);
            match node {
                Node::File(file) => file.cut(rng, luck, tearing),
                Node::Directory(directory) => directory.cut(rng, luck),
            }
        }
        let names = self.directories().flat_map(|directory| directory.live.values());
        let named: BTreeSet<Inode> = names.copied().collect();
        self.nodes.retain(|inode, _| *inode == ROOT || named.contains(inode));
    }

    /// What a file or directory is to a download, by a name that leads to it.
    pub(crate) fn role(&self, inode: Inode) -> Role {
        if matches!(self.nodes.get(&inode), Some(Node::Directory(_))) {
            return Role::Directory;
        }
        let mut names = self.directories().flat_map(|directory| &directory.live);
        names.find(|(_, named)| **named == inode).map_or(Role::Other, |(name, _)| Role::of(name))
    }

    /// Bytes that can be read and that no sync has made durable, or will.
    pub(crate) fn bytes_at_risk(&self) -> usize {
        let files = self.nodes.values().filter_map(|node| match node {
            Node::File(file) => Some(file),
            Node::Directory(_) => None,
        });
        files.map(FileNode::bytes_at_risk).sum()
    }

    fn links(&self, inode: Inode) -> u32 {
        let names = self.directories().flat_map(|directory| directory.live.values());
        u32::try_from(names.filter(|named| **named == inode).count()).unwrap_or(u32::MAX)
    }

    fn directories(&self) -> impl Iterator<Item = &DirectoryNode> {
        self.nodes.values().filter_map(|node| match node {
            Node::Directory(directory) => Some(directory),
            Node::File(_) => None,
        })
    }

    fn file(&self, inode: Inode) -> Outcome<&FileNode> {
        match self.nodes.get(&inode).ok_or(libc::ENOENT)? {
            Node::File(file) => Ok(file),
            Node::Directory(_) => Err(libc::EISDIR),
        }
    }

    fn file_mut(&mut self, inode: Inode) -> Outcome<&mut FileNode> {
        match self.nodes.get_mut(&inode).ok_or(libc::ENOENT)? {
            Node::File(file) => Ok(file),
            Node::Directory(_) => Err(libc::EISDIR),
        }
    }

    fn directory(&self, inode: Inode) -> Outcome<&DirectoryNode> {
        match self.nodes.get(&inode).ok_or(libc::ENOENT)? {
            Node::Directory(directory) => Ok(directory),
            Node::File(_) => Err(libc::ENOTDIR),
        }
    }

    fn directory_mut(&mut self, inode: Inode) -> Outcome<&mut DirectoryNode> {
        match self.nodes.get_mut(&inode).ok_or(libc::ENOENT)? {
            Node::Directory(directory) => Ok(directory),
            Node::File(_) => Err(libc::ENOTDIR),
        }
    }
}

impl FileNode {
    fn resize(&mut self, len: usize) {
        let before = self.live.bytes.len();
        self.live.bytes.resize(len, 0);
        self.dirty.retain(|sector| sector * SECTOR < len);
        // What lay there before the file was cut short must not come back with the next sync.
        self.dirty.extend(before / SECTOR..len.min(self.durable.bytes.len()).div_ceil(SECTOR));
    }

    fn sync(&mut self) {
        let Self { live, durable, dirty } = self;
        durable.bytes.resize(live.bytes.len(), 0);
        for sector in std::mem::take(dirty) {
            let at = stretch(sector, live.bytes.len());
            durable.bytes[at.clone()].copy_from_slice(&live.bytes[at]);
        }
        durable.mode = live.mode;
    }

    fn lose(&mut self, pages: Pages) {
        let Self { live, durable, dirty } = self;
        for sector in std::mem::take(dirty) {
            if pages == Pages::Evicted {
                let at = stretch(sector, live.bytes.len());
                for byte in at {
                    live.bytes[byte] = durable.bytes.get(byte).copied().unwrap_or(0);
                }
            }
        }
    }

    fn cut(&mut self, rng: &mut Rng, luck: Luck, tearing: Tearing) {
        let Self { live, durable, dirty } = self;
        if luck.keeps(rng) {
            durable.bytes.resize(live.bytes.len(), 0);
        }
        if luck.keeps(rng) {
            durable.mode = live.mode;
        }
        let len = durable.bytes.len();
        for sector in std::mem::take(dirty) {
            let at = stretch(sector, len.min(live.bytes.len()));
            if tearing == Tearing::OrGarbage && rng.one_in(4) {
                durable.bytes[at].fill_with(|| rng.below(256) as u8);
            } else if luck.keeps(rng) {
                durable.bytes[at.clone()].copy_from_slice(&live.bytes[at]);
            }
        }
        *live = durable.clone();
    }

    fn bytes_at_risk(&self) -> usize {
        let durable = self.durable.bytes.iter().copied().chain(std::iter::repeat(0));
        self.live.bytes.iter().zip(durable).filter(|(live, durable)| **live != *durable).count()
    }
}

impl DirectoryNode {
    fn sync(&mut self) {
        self.durable.clone_from(&self.live);
        self.pending.clear();
    }

    fn cut(&mut self, rng: &mut Rng, luck: Luck) {
        for change in std::mem::take(&mut self.pending) {
            if luck.keeps(rng) {
                change.apply(&mut self.durable);
            }
        }
        self.live.clone_from(&self.durable);
    }
}

impl Change {
    /// Carries the change out where earlier ones may not have been.
    fn apply(self, names: &mut BTreeMap<OsString, Inode>) {
        match self {
            Self::Put(name, inode) => {
                names.insert(name, inode);
            }
            Self::Remove(name, inode) => {
                if names.get(&name) == Some(&inode) {
                    names.remove(&name);
                }
            }
            Self::Rename { from, to, inode } => {
                if names.get(&from) == Some(&inode) {
                    names.remove(&from);
                }
                names.insert(to, inode);
            }
        }
    }
}

/// How much of what was not synced outlives a power cut, in one file or directory. All or nothing
/// of it is as instructive as a mixture: a checkpoint that came through without its data.
#[derive(Clone, Copy, Debug)]
enum Luck {
    Nothing,
    Something,
    Everything,
}

impl Luck {
    fn draw(rng: &mut Rng) -> Self {
        match rng.below(4) {
            0 => Self::Nothing,
            1 => Self::Everything,
            _ => Self::Something,
        }
    }

    fn keeps(self, rng: &mut Rng) -> bool {
        match self {
            Self::Nothing => false,
            Self::Something => rng.one_in(2),
            Self::Everything => true,
        }
    }
}

/// Where a sector lies in a file of this length; nowhere beyond its end.
fn stretch(sector: usize, len: usize) -> std::ops::Range<usize> {
    (sector * SECTOR).min(len)..((sector + 1) * SECTOR).min(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_in(model: &mut Model) -> Inode {
        model.create(ROOT, OsStr::new("a"), Kind::File, 0o600).expect("a file").inode
    }

    #[test]
    fn what_a_failed_sync_was_to_write_no_later_one_writes() {
        for pages in [Pages::Cached, Pages::Evicted] {
            let mut model = Model::new();
            let file = file_in(&mut model);
            model.sync(ROOT).expect("a directory");
            model.write(file, 0, &[1; 1000]).expect("a file");
            model.fail_sync(file, pages).expect("a file");
            let read: u8 = if pages == Pages::Cached { 1 } else { 0 };
            assert_eq!(model.read(file, 0, 1000).expect("a file"), [read; 1000]);
            model.write(file, 512, &[2; 488]).expect("a file");
            model.sync(file).expect("a file");
            model.cut(&mut Rng::new(1), Tearing::OrGarbage);
            let found = model.read(file, 0, 1000).expect("a file");
            assert_eq!((&found[..512], &found[512..]), (&[0; 512][..], &[2; 488][..]));
        }
    }

    #[test]
    fn sectors_and_names_that_were_not_synced_come_through_or_not_each_for_itself() {
        let (mut sectors, mut names) = (BTreeSet::new(), BTreeSet::new());
        for seed in 0..400 {
            let mut model = Model::new();
            let file = file_in(&mut model);
            model.resize(file, 1024).expect("a file");
            model.settle();
            model.write(file, 0, &[1; 1024]).expect("a file");
            model.rename(ROOT, OsStr::new("a"), OsStr::new("b")).expect("a name");
            model.create(ROOT, OsStr::new("c"), Kind::File, 0o600).expect("a file");
            let mut rng = Rng::new(seed * 1_000_003);
            model.cut(&mut rng, Tearing::OldOrNew);
            let found = model.read(file, 0, 1024).expect("a file");
            assert!(found.chunks(512).all(|sector| sector.iter().all(|byte| *byte == sector[0])));
            sectors.insert((found[0], found[512]));
            let left = model.names(ROOT).expect("a directory").into_iter().map(|(name, ..)| name);
            names.insert(left.collect::<Vec<_>>());
        }
        assert_eq!(sectors.len(), 4, "{sectors:?}");
        let expected = [&["a"][..], &["a", "c"], &["b"], &["b", "c"]];
        let names: Vec<_> = names.iter().collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn what_was_cut_off_does_not_come_back_with_a_later_sync() {
        let mut model = Model::new();
        let file = file_in(&mut model);
        model.write(file, 0, &[1; 2000]).expect("a file");
        model.settle();
        model.resize(file, 700).expect("a file");
        model.resize(file, 2000).expect("a file");
        model.settle();
        model.cut(&mut Rng::new(1), Tearing::OldOrNew);
        let found = model.read(file, 0, 2000).expect("a file");
        assert!(found[..700].iter().all(|byte| *byte == 1));
        assert!(found[700..].iter().all(|byte| *byte == 0));
    }
}
