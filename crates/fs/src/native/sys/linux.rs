//! What only Linux has.

use super::Stat;
use super::unix::{Dir, from_metadata};
use crate::raw::writeback;
use rustix::fs::{Advice, FallocateFlags, Mode, OFlags, RenameFlags, ResolveFlags, StatFs};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::os::fd::AsRawFd as _;

/// Opens a name in a directory so that the kernel itself refuses links and ways out.
pub(super) fn open_at(dir: &File, name: &OsStr, flags: OFlags, mode: Mode) -> io::Result<File> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(dir, name, flags, mode, resolve) {
        // Linux before 5.6, and container filters, some of which answer EPERM to any call they
        // do not know. A name of one component with O_NOFOLLOW has nothing else to resolve.
        Err(Errno::NOSYS | Errno::PERM) => open_at_plain(dir, name, flags, mode),
        done => Ok(done?.into()),
    }
}

fn open_at_plain(dir: &File, name: &OsStr, flags: OFlags, mode: Mode) -> io::Result<File> {
    Ok(rustix::fs::openat(dir, name, flags, mode)?.into())
}

/// What `name` is, links not followed.
///
/// Through a descriptor that gives access to nothing: one code path for names and open files,
/// with the birth time, and devices are not touched by it.
pub(super) fn stat_at(dir: &Dir, name: &OsStr) -> io::Result<Stat> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = open_at(&dir.fd, name, flags, Mode::empty())?;
    Ok(from_metadata(&file.metadata()?))
}

/// The raw system call: the C library's function writes zeros where it is not supported.
///
/// On tmpfs it gets and clears every page in turn, 0.25 s a GiB in which nothing else happens
/// (measured, Linux 6.18): there room is only looked for where much is wanted, and pages come with
/// what is written.
pub(super) fn allocate(file: &File, len: u64) -> Result<(), Errno> {
    if len > AT_ONCE
        && let Ok(found) = rustix::fs::fstatfs(file)
        && found.f_type == TMPFS_MAGIC
    {
        return extend_in_memory(file, len, &found);
    }
    rustix::fs::fallocate(file, FallocateFlags::empty(), 0, len)
}

fn extend_in_memory(file: &File, len: u64, found: &StatFs) -> Result<(), Errno> {
    let before = rustix::fs::fstat(file)?;
    let held = u64::try_from(before.st_blocks).unwrap_or(0).saturating_mul(512);
    let block = u64::try_from(found.f_bsize).unwrap_or(0);
    // One without a limit says that it has no blocks at all.
    if found.f_blocks > 0 && found.f_bavail.saturating_mul(block) < len.saturating_sub(held) {
        return Err(Errno::NOSPC);
    }
    if u64::try_from(before.st_size).unwrap_or(0) < len {
        rustix::fs::ftruncate(file, len)?;
    }
    Ok(())
}

/// Whether the file system is one that keeps its files on a disk of this machine and is known to do
/// well with direct writes: ext4 (with 2 and 3), XFS, F2FS, and what containers lay over them.
pub(crate) fn is_on_disk(file: &File) -> bool {
    const EXT4: rustix::fs::FsWord = 0xef53;
    const XFS: rustix::fs::FsWord = 0x5846_5342;
    const F2FS: rustix::fs::FsWord = 0xf2f5_2010;
    const OVERLAY: rustix::fs::FsWord = 0x794c_7630;
    rustix::fs::fstatfs(file).is_ok_and(|found| matches!(found.f_type, EXT4 | XFS | F2FS | OVERLAY))
}

/// So much is reserved on tmpfs, too: it takes 4 ms.
const AT_ONCE: u64 = 16 << 20;
/// `TMPFS_MAGIC` of `linux/magic.h`.
const TMPFS_MAGIC: rustix::fs::FsWord = 0x0102_1994;

pub(super) fn rename_new(dir: &File, from: &OsStr, to: &OsStr) -> Result<(), Errno> {
    rustix::fs::renameat_with(dir, from, dir, to, RenameFlags::NOREPLACE)
}

/// Starts write-back of a stretch without waiting.
pub(crate) fn start_writeback(file: &File, offset: u64, len: u64) {
    writeback::start(file, offset, len);
}

/// The stretch is not needed in memory any more; pages not yet written stay.
pub(crate) fn drop_cache(file: &File, offset: u64, len: u64) {
    if let Some(len) = NonZeroU64::new(len) {
        let _only_a_hint = rustix::fs::fadvise(file, offset, Some(len), Advice::DontNeed);
    }
}

/// Opens the file once more, for direct writes.
///
/// By way of `/proc`, since its name may lead to another file by now.
pub(crate) fn open_direct(file: &File) -> io::Result<File> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = OFlags::WRONLY | OFlags::DIRECT | OFlags::CLOEXEC | OFlags::NONBLOCK;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

/// The file will be read in order.
pub(crate) fn advise_sequential(file: &File) {
    let _only_a_hint = rustix::fs::fadvise(file, 0, None, Advice::Sequential);
}

/// The process's file creation mask.
///
/// From the process's status, which is the only way to learn it without changing it for a
/// moment under other threads' feet; that way is left for systems without `/proc`, and then
/// the mask is for that moment a strict one.
pub(crate) fn umask() -> u32 {
    let status = std::fs::read_to_string("/proc/thread-self/status");
    status.ok().as_deref().and_then(umask_in).unwrap_or_else(umask_by_setting)
}

fn umask_in(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
    u32::from_str_radix(line.trim(), 8).ok()
}

fn umask_by_setting() -> u32 {
    let found = rustix::process::umask(Mode::RWXG | Mode::RWXO);
    rustix::process::umask(found);
    found.bits() & 0o777
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn the_umask_is_read_from_the_status_text() {
        assert_eq!(umask_in("Name:\tx\nUmask:\t0027\nState:\tR\n"), Some(0o027));
        assert_eq!(umask_in("Name:\tx\n"), None);
    }

    #[test]
    fn both_ways_to_open_refuse_a_link() {
        let temp = tempfile::tempdir().expect("temp dir");
        std::fs::write(temp.path().join("real"), b"x").expect("write");
        symlink("real", temp.path().join("link")).expect("symlink");
        let dir = Dir::open(temp.path()).expect("open");
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for open in [open_at, open_at_plain] {
            let link = open(&dir.fd, OsStr::new("link"), flags, Mode::empty());
            let error = link.expect_err("a link is refused");
            assert!(super::super::is_link_error(&error), "{error}");
            open(&dir.fd, OsStr::new("real"), flags, Mode::empty()).expect("a file is opened");
        }
    }
}
