//! The names in directories: what programs see, what is durable, and what is on its way.

use super::disk::{Contents, Disk, File, FileKind};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The names in a directory and the inodes they lead to.
pub type Names = BTreeMap<Arc<str>, u64>;

#[derive(Clone, Debug)]
pub(super) struct Directory {
    pub(super) path: Arc<Path>,
    pub(super) seen: Arc<Names>,
    pub(super) durable: Arc<Names>,
    pub(super) pending: Vec<NameChange>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NameChange {
    Link(Arc<str>, u64),
    Unlink(Arc<str>),
    Rename(Arc<str>, Arc<str>, u64),
}

impl Disk {
    /// The index of a directory, known before or not: directories are always there.
    pub(super) fn dir(&mut self, path: &Path) -> usize {
        if let Some(at) = self.dirs.iter().position(|dir| *dir.path == *path) {
            return at;
        }
        let names = Arc::new(Names::new());
        self.dirs.push(Directory {
            path: PathBuf::from(path).into(),
            seen: Arc::clone(&names),
            durable: names,
            pending: Vec::new(),
        });
        self.dirs.len() - 1
    }

    pub(super) fn lookup(&self, dir: usize, name: &str) -> Option<u64> {
        self.dirs[dir].seen.get(name).copied()
    }

    /// How many names lead to a file.
    pub(super) fn links(&self, inode: u64) -> usize {
        self.dirs.iter().flat_map(|dir| dir.seen.values()).filter(|&&led| led == inode).count()
    }

    pub(super) fn create(&mut self, dir: usize, name: &str, kind: FileKind) -> u64 {
        let inode = self.new_inode();
        let (seen, durable) = (Contents::default(), Contents::default());
        self.files.insert(inode, File { kind, seen, durable, pending: Vec::new() });
        self.change_names(dir, NameChange::Link(name.into(), inode));
        inode
    }

    pub(super) fn unlink(&mut self, dir: usize, name: &str) {
        if self.lookup(dir, name).is_some() {
            self.change_names(dir, NameChange::Unlink(name.into()));
        }
    }

    pub(super) fn rename(&mut self, dir: usize, from: &str, to: &str) {
        if let Some(inode) = self.lookup(dir, from) {
            self.change_names(dir, NameChange::Rename(from.into(), to.into(), inode));
        }
    }

    fn change_names(&mut self, dir: usize, change: NameChange) {
        let dir = &mut self.dirs[dir];
        change.apply(Arc::make_mut(&mut dir.seen));
        dir.pending.push(change);
    }

    pub(super) fn sync_names(&mut self, dir: usize) {
        let dir = &mut self.dirs[dir];
        let names = Arc::make_mut(&mut dir.durable);
        for change in dir.pending.drain(..) {
            change.apply(names);
        }
    }
}

impl NameChange {
    pub(super) fn apply(&self, names: &mut Names) {
        match self {
            Self::Link(name, inode) => drop(names.insert(Arc::clone(name), *inode)),
            Self::Unlink(name) => drop(names.remove(name)),
            Self::Rename(from, to, inode) => {
                names.remove(from);
                names.insert(Arc::clone(to), *inode);
            }
        }
    }

    pub(super) const fn inode(&self) -> Option<&u64> {
        match self {
            Self::Link(_, inode) | Self::Rename(.., inode) => Some(inode),
            Self::Unlink(_) => None,
        }
    }
}
