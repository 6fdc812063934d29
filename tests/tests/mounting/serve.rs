//! Between the kernel and the faulty disk: every call is one of the disk's.

use super::disk::{FaultyDisk, New};
use super::model::{Found, Kind, Outcome};
use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, InitFlags, KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate,
    ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request,
    TimeOrNow, WriteFlags,
};
use std::ffi::OsStr;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The faulty disk as a file system. The kernel caches nothing of it: no bytes, names or lengths.
#[derive(Debug)]
pub(super) struct Served {
    disk: Arc<FaultyDisk>,
}

impl Served {
    pub(super) fn new(disk: Arc<FaultyDisk>) -> Self {
        Self { disk }
    }

    fn change_attributes(
        &self,
        inode: INodeNo,
        mode: Option<u32>,
        size: Option<u64>,
    ) -> Outcome<Found> {
        if let Some(mode) = mode {
            self.disk.set_mode(inode.0, mode)?;
        }
        if let Some(size) = size {
            self.disk.resize(inode.0, size)?;
        }
        self.disk.examine(inode.0)
    }

    /// Syncs and replies, meanwhile serving others.
    fn sync(&self, inode: INodeNo, reply: ReplyEmpty) {
        let disk = Arc::clone(&self.disk);
        thread::spawn(move || empty(disk.sync(inode.0), reply));
    }
}

impl Filesystem for Served {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // Otherwise the kernel would keep the locks to itself.
        config
            .add_capabilities(InitFlags::FUSE_FLOCK_LOCKS)
            .map_err(|_| io::Error::from(io::ErrorKind::Unsupported))
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        entry(self.disk.look_up(parent.0, name), reply);
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        attributes(self.disk.examine(inode.0), reply);
    }

    fn setattr(
        &self,
        _: &Request,
        inode: INodeNo,
        mode: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        attributes(self.change_attributes(inode, mode, size), reply);
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        entry(self.disk.make_directory(parent.0, name), reply);
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        empty(self.disk.remove(parent.0, name), reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if parent != new_parent {
            return reply.error(Errno::EXDEV);
        }
        let only = flags.contains(RenameFlags::RENAME_NOREPLACE);
        let new = if only { New::Only } else { New::OrOld };
        empty(self.disk.rename(parent.0, name, new_name, new), reply);
    }

    fn open(&self, _: &Request, inode: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.disk.open(inode.0) {
            Ok(()) => reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO),
            Err(number) => reply.error(Errno::from_i32(number)),
        }
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let new = if flags & libc::O_EXCL == 0 { New::OrOld } else { New::Only };
        match self.disk.create(parent.0, name, mode & 0o7777 & !umask, new) {
            Ok(found) => {
                let (zero, flags) = (Duration::ZERO, FopenFlags::FOPEN_DIRECT_IO);
                reply.created(&zero, &attributes_of(found), Generation(0), FileHandle(0), flags);
            }
            Err(number) => reply.error(Errno::from_i32(number)),
        }
    }

    fn read(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.disk.read(inode.0, offset, size as usize) {
            Ok(bytes) => reply.data(&bytes),
            Err(number) => reply.error(Errno::from_i32(number)),
        }
    }

    fn write(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        bytes: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.disk.write(inode.0, offset, bytes) {
            Ok(written) => reply.written(u32::try_from(written).expect("no more than was given")),
            Err(number) => reply.error(Errno::from_i32(number)),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn release(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        _: OpenFlags,
        owner: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.disk.close(inode.0, owner.map(|owner| owner.0));
        reply.ok();
    }

    fn fsync(&self, _: &Request, inode: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.sync(inode, reply);
    }

    fn readdir(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let names = match self.disk.names(inode.0) {
            Ok(names) => names,
            Err(number) => return reply.error(Errno::from_i32(number)),
        };
        for (at, (name, inode, kind)) in (1..).zip(names).skip(offset as usize) {
            if reply.add(INodeNo(inode), at, file_type(kind), name) {
                break;
            }
        }
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, inode: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.sync(inode, reply);
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let (blocks, block) = (1 << 20, 4096);
        reply.statfs(blocks, blocks, blocks, blocks, blocks, block, 255, block);
    }

    fn setlk(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        owner: LockOwner,
        _: u64,
        _: u64,
        kind: i32,
        _: u32,
        _: bool,
        reply: ReplyEmpty,
    ) {
        if kind == i32::from(libc::F_UNLCK as i16) {
            self.disk.unlock(inode.0, owner.0);
            return reply.ok();
        }
        empty(self.disk.lock(inode.0, owner.0), reply);
    }

    fn fallocate(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        if mode != 0 {
            return reply.error(Errno::EOPNOTSUPP);
        }
        empty(self.disk.reserve(inode.0, offset + length), reply);
    }
}

fn empty(outcome: Outcome<()>, reply: ReplyEmpty) {
    match outcome {
        Ok(()) => reply.ok(),
        Err(number) => reply.error(Errno::from_i32(number)),
    }
}

fn entry(outcome: Outcome<Found>, reply: ReplyEntry) {
    match outcome {
        Ok(found) => reply.entry(&Duration::ZERO, &attributes_of(found), Generation(0)),
        Err(number) => reply.error(Errno::from_i32(number)),
    }
}

fn attributes(outcome: Outcome<Found>, reply: ReplyAttr) {
    match outcome {
        Ok(found) => reply.attr(&Duration::ZERO, &attributes_of(found)),
        Err(number) => reply.error(Errno::from_i32(number)),
    }
}

fn attributes_of(found: Found) -> FileAttr {
    FileAttr {
        ino: INodeNo(found.inode),
        size: found.len,
        blocks: found.len.div_ceil(512),
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind: file_type(found.kind),
        perm: u16::try_from(found.mode & 0o7777).expect("twelve bits"),
        nlink: found.links,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

fn file_type(kind: Kind) -> FileType {
    match kind {
        Kind::File => FileType::RegularFile,
        Kind::Directory => FileType::Directory,
    }
}
