//! What the Unix systems other than Linux do instead: macOS first, the BSDs as far as they go.
//!
//! Reading a name's state goes by path here, which the directory's renaming would mislead;
//! everything that changes something goes by the directory's descriptor.

use super::Stat;
use super::unix::{Dir, from_metadata};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io;

pub(super) fn open_at(dir: &File, name: &OsStr, flags: OFlags, mode: Mode) -> io::Result<File> {
    Ok(rustix::fs::openat(dir, name, flags, mode)?.into())
}

pub(super) fn stat_at(dir: &Dir, name: &OsStr) -> io::Result<Stat> {
    Ok(from_metadata(&std::fs::symlink_metadata(dir.path().join(name))?))
}

/// `F_PREALLOCATE`, then the length: the first alone does not change it.
#[cfg(target_vendor = "apple")]
pub(super) fn allocate(file: &File, len: u64) -> Result<(), Errno> {
    rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, len)?;
    rustix::fs::ftruncate(file, len)
}

#[cfg(not(target_vendor = "apple"))]
pub(super) fn allocate(_file: &File, _len: u64) -> Result<(), Errno> {
    Err(Errno::OPNOTSUPP)
}

#[cfg(target_vendor = "apple")]
pub(super) fn rename_new(dir: &File, from: &OsStr, to: &OsStr) -> Result<(), Errno> {
    rustix::fs::renameat_with(dir, from, dir, to, rustix::fs::RenameFlags::NOREPLACE)
}

#[cfg(not(target_vendor = "apple"))]
pub(super) fn rename_new(_dir: &File, _from: &OsStr, _to: &OsStr) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

/// No such hint here.
pub(crate) fn start_writeback(_file: &File, _offset: u64, _len: u64) {}

/// No such hint here.
pub(crate) fn drop_cache(_file: &File, _offset: u64, _len: u64) {}

/// Not known here.
pub(crate) fn is_on_disk(_file: &File) -> bool {
    false
}

/// None are known here.
pub(crate) fn open_direct(_file: &File) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

/// No such hint here.
pub(crate) fn advise_sequential(_file: &File) {}

/// The process's file creation mask, which can only be learnt by setting it: for that moment it
/// is a strict one.
pub(crate) fn umask() -> u32 {
    let found = rustix::process::umask(Mode::RWXG | Mode::RWXO);
    rustix::process::umask(found);
    u32::from(found.bits()) & 0o777
}
