//! The operations of the operating system, one small set for every platform.
//!
//! Everything above this module is written once; everything below knows one platform. Errors
//! stay [`std::io::Error`] here: what they mean for a download is decided above.

use crate::FileId;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux;
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
mod other_unix;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::{
    Dir, advise_sequential, drop_cache, effective_owner, is_link_error, is_no_direct_error,
    is_on_disk, open_direct, read_at, read_exact_at, reserve, set_mode, start_writeback, stat,
    sync_found, umask, write_all_at,
};
#[cfg(windows)]
pub(crate) use windows::{
    Dir, advise_sequential, drop_cache, effective_owner, is_link_error, is_no_direct_error,
    is_on_disk, open_direct, read_at, read_exact_at, reserve, set_mode, start_writeback, stat,
    sync_found, umask, write_all_at,
};

/// What kind of thing a name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Regular,
    Directory,
    Symlink,
    /// Device, FIFO, socket.
    Special,
}

/// What is known about one file, as one system call saw it.
#[derive(Clone, Debug)]
pub(crate) struct Stat {
    pub(crate) kind: Kind,
    pub(crate) id: FileId,
    pub(crate) len: u64,
    /// How many names the file has.
    pub(crate) links: u64,
    pub(crate) owner: u32,
    /// Permission bits only (0o7777).
    pub(crate) mode: u32,
}

/// How to open a name in a directory. None follows a link or waits for a FIFO's other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Read,
    ReadWrite,
    /// Read and write; made with mode 0600 if absent.
    Create,
    /// Read and write; made with mode 0600, an error if anything is there.
    CreateNew,
}

/// Whether a directory could be synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(windows, allow(dead_code, reason = "there it is never done"))]
pub(crate) enum DirSync {
    Done,
    /// The file system (some FUSE, SMB) or platform does not know the operation.
    Unsupported,
}

/// Whether a failed lock means that the file system has no locks at all.
pub(crate) fn is_without_locks(error: &std::io::Error) -> bool {
    #[cfg(unix)]
    if error.raw_os_error() == Some(libc::ENOLCK) {
        return true;
    }
    // ENOSYS, EOPNOTSUPP, and std's own refusal on platforms where it knows no locks.
    error.kind() == std::io::ErrorKind::Unsupported
}
