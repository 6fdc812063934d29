//! What all Unix systems share: operations relative to one directory's descriptor.

#[cfg(any(target_os = "linux", target_os = "android"))]
use super::linux as platform;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
use super::other_unix as platform;
use super::{DirSync, How, Kind, Stat};
use crate::FileId;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

pub(crate) use platform::{
    advise_sequential, drop_cache, is_on_disk, open_direct, start_writeback, umask,
};

/// An open directory. The directory may be renamed meanwhile: the descriptor stays valid.
#[derive(Debug)]
pub(crate) struct Dir {
    pub(super) fd: File,
    path: PathBuf,
    /// Descriptors kept for when the process has no more: connections may take all others, and
    /// without one the finished file could not be published.
    spares: Mutex<Vec<File>>,
}

impl Dir {
    /// Opens the directory at `path`; links on the way are the user's choice and are followed.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let path = std::fs::canonicalize(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(&path, flags, Mode::empty())?;
        let dir = Self { fd: fd.into(), path, spares: Mutex::default() };
        dir.keep_spares(&mut dir.spares());
        Ok(dir)
    }

    /// The canonical absolute path it had when it was opened.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether both are one directory, by whatever path.
    pub(crate) fn is_same(&self, other: &Self) -> io::Result<bool> {
        Ok(stat(&self.fd)?.id == stat(&other.fd)?.id)
    }

    /// What `name` is, links not followed.
    pub(crate) fn stat(&self, name: &OsStr) -> io::Result<Option<Stat>> {
        let name = component(name)?;
        match self.with_spares(|| platform::stat_at(self, name)) {
            Ok(stat) => Ok(Some(stat)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens `name`, links not followed and never waiting.
    pub(crate) fn open_file(&self, name: &OsStr, how: How) -> io::Result<File> {
        let (flags, mode) = open_flags(how);
        let name = component(name)?;
        self.with_spares(|| platform::open_at(&self.fd, name, flags, mode))
    }

    /// Opens something, giving up spare descriptors for it where there are no others.
    fn with_spares<T>(&self, mut open: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        let mut spares = self.spares();
        self.keep_spares(&mut spares);
        loop {
            match open() {
                Err(error) if is_without_descriptors(&error) => {
                    // Closed, and so there for the next try.
                    drop(spares.pop().ok_or(error)?);
                }
                done => return done,
            }
        }
    }

    fn keep_spares(&self, spares: &mut Vec<File>) {
        while spares.len() < SPARES {
            let Ok(spare) = self.fd.try_clone() else { return };
            spares.push(spare);
        }
    }

    fn spares(&self) -> MutexGuard<'_, Vec<File>> {
        self.spares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes a file's name.
    pub(crate) fn unlink(&self, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.fd, component(name)?, AtFlags::empty())?)
    }

    /// Renames within the directory, replacing atomically what is at `to`.
    pub(crate) fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.fd, component(from)?, &self.fd, component(to)?)?)
    }

    /// Renames within the directory; `AlreadyExists` if anything is at `to`.
    pub(crate) fn rename_new(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        match platform::rename_new(&self.fd, component(from)?, component(to)?) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => self.link_new(from, to),
            done => Ok(done?),
        }
    }

    /// What [`Dir::rename_new`] does where the kernel or file system lacks the operation.
    ///
    /// A crash between the two steps leaves both names on one file, which is whole.
    pub(super) fn link_new(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        rustix::fs::linkat(&self.fd, from, &self.fd, component(to)?, AtFlags::empty())?;
        self.unlink(from)
    }

    /// Makes the directory's names durable.
    pub(crate) fn sync(&self) -> io::Result<DirSync> {
        dir_synced(self.fd.sync_all())
    }
}

/// What `file` is.
pub(crate) fn stat(file: &File) -> io::Result<Stat> {
    Ok(from_metadata(&file.metadata()?))
}

/// The user whose files we trust.
pub(crate) fn effective_owner() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Syncs a file that is open for reading only.
pub(crate) fn sync_found(file: &File) -> io::Result<()> {
    file.sync_all()
}

/// Sets the permission bits.
pub(crate) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode))
}

/// Whether an open failed because the name is a link.
pub(crate) fn is_link_error(error: &io::Error) -> bool {
    // FreeBSD says EMLINK.
    matches!(Errno::from_io_error(error), Some(Errno::LOOP | Errno::MLINK))
}

/// Whether a direct write failed because there are none here, or none of such blocks.
pub(crate) fn is_no_direct_error(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::INVAL | Errno::OPNOTSUPP))
}

/// Makes the file `len` bytes long and reserves them where the file system can.
///
/// On error the file may have got part of the space; the caller gives it back.
pub(crate) fn reserve(file: &File, len: u64) -> io::Result<()> {
    if i64::try_from(len).is_err() {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    if file.metadata()?.len() > len {
        file.set_len(len)?;
    }
    if len == 0 {
        return Ok(());
    }
    loop {
        return match platform::allocate(file, len) {
            Err(Errno::INTR) => continue,
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => extend_sparse(file, len),
            done => Ok(done?),
        };
    }
}

/// Reads up to `buf.len()` bytes at `offset`; fewer only at the end of the file.
pub(crate) fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buf.len() {
        match patiently(|| file.read_at(&mut buf[done..], offset + done as u64))? {
            0 => break,
            read => done += read,
        }
    }
    Ok(done)
}

/// Fills `buf` from `offset`.
pub(crate) fn read_exact_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<()> {
    match read_at(file, buf, offset)? {
        read if read == buf.len() => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Writes all of `buf` at `offset`; loops over short writes and interruptions.
pub(crate) fn write_all_at(file: &File, buf: &[u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < buf.len() {
        match patiently(|| file.write_at(&buf[done..], offset + done as u64))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => done += written,
        }
    }
    Ok(())
}

/// Makes a call again that was interrupted, and for a while one that would have to wait: files
/// are opened so that no FIFO stops us, and some file systems then decline instead of waiting.
fn patiently(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    let mut pauses = 0;
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && pauses < PAUSES => {
                pauses += 1;
                thread::sleep(PAUSE);
            }
            done => return done,
        }
    }
}

pub(super) fn from_metadata(metadata: &Metadata) -> Stat {
    let kind = metadata.file_type();
    let kind = if kind.is_file() {
        Kind::Regular
    } else if kind.is_dir() {
        Kind::Directory
    } else if kind.is_symlink() {
        Kind::Symlink
    } else {
        Kind::Special
    };
    // Absent where the file system keeps none; before 1970 is nonsense and counts as none.
    let born = metadata.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let birth = born.and_then(|born| i64::try_from(born.as_nanos()).ok()).unwrap_or(0);
    Stat {
        kind,
        id: FileId { inode: metadata.ino(), device: metadata.dev(), birth },
        len: metadata.len(),
        links: metadata.nlink(),
        owner: metadata.uid(),
        mode: metadata.mode() & 0o7777,
    }
}

/// Sets the length where space cannot be reserved: the room there is now is all we can check.
fn extend_sparse(file: &File, len: u64) -> io::Result<()> {
    let space = rustix::fs::fstatvfs(file)?;
    // Some file systems count nothing at all; that is no evidence of a full disk.
    let counted = space.f_blocks != 0;
    let free = u128::from(space.f_bavail) * u128::from(space.f_frsize);
    let missing = u128::from(len.saturating_sub(file.metadata()?.len()));
    if counted && free < missing {
        return Err(io::ErrorKind::StorageFull.into());
    }
    file.set_len(len)
}

fn open_flags(how: How) -> (OFlags, Mode) {
    // A FIFO planted under the name must not stop us, a terminal not become ours.
    let always = OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let (flags, mode) = match how {
        How::Read => (OFlags::RDONLY, Mode::empty()),
        How::ReadWrite => (OFlags::RDWR, Mode::empty()),
        How::Create => (OFlags::RDWR | OFlags::CREATE, PRIVATE),
        How::CreateNew => (OFlags::RDWR | OFlags::CREATE | OFlags::EXCL, PRIVATE),
    };
    (flags | always, mode)
}

fn dir_synced(result: io::Result<()>) -> io::Result<DirSync> {
    match result {
        Ok(()) => Ok(DirSync::Done),
        Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) => {
            Ok(DirSync::Unsupported)
        }
        Err(error) => Err(error),
    }
}

fn is_without_descriptors(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// `name` if it is one plain component: everything else would leave the directory.
fn component(name: &OsStr) -> io::Result<&OsStr> {
    let bytes = name.as_encoded_bytes();
    if bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.contains(&b'/') {
        return Err(io::ErrorKind::InvalidFilename.into());
    }
    Ok(name)
}

/// Publishing holds one open while it looks at another.
const SPARES: usize = 2;
const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);
/// Together a quarter of a second: longer than any file system is busy that means to go on.
const PAUSES: u32 = 250;
const PAUSE: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> (tempfile::TempDir, Dir) {
        let temp = tempfile::tempdir().expect("temp dir");
        let dir = Dir::open(temp.path()).expect("open");
        (temp, dir)
    }

    #[test]
    fn nothing_but_a_plain_component_is_taken_as_a_name() {
        let (temp, dir) = scratch();
        std::fs::create_dir(temp.path().join("sub")).expect("mkdir");
        for name in ["", ".", "..", "/", "../x", "sub/x", "sub/../x", "/etc/passwd", "x/"] {
            let error = dir.open_file(OsStr::new(name), How::Create).expect_err(name);
            assert_eq!(error.kind(), io::ErrorKind::InvalidFilename, "{name:?}");
        }
    }

    #[test]
    fn no_open_follows_a_link_or_waits_even_where_the_kernel_is_old() {
        for how in [How::Read, How::ReadWrite, How::Create, How::CreateNew] {
            let (flags, mode) = open_flags(how);
            let wanted = OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
            assert!(flags.contains(wanted), "{how:?}");
            assert_eq!(mode.bits() & 0o077, 0, "{how:?}");
        }
    }

    #[test]
    fn renaming_to_a_new_name_replaces_nothing_even_unchecked() {
        let (temp, dir) = scratch();
        std::fs::write(temp.path().join("a"), b"a").expect("write");
        std::fs::write(temp.path().join("b"), b"b").expect("write");
        let error = dir.rename_new(OsStr::new("a"), OsStr::new("b")).expect_err("there");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(temp.path().join("b")).expect("read"), b"b");
    }

    #[test]
    fn a_directory_sync_that_the_file_system_does_not_know_is_tolerated() {
        let unknown = dir_synced(Err(Errno::INVAL.into())).expect("tolerated");
        assert_eq!(unknown, DirSync::Unsupported);
        assert_eq!(dir_synced(Ok(())).expect("done"), DirSync::Done);
        dir_synced(Err(Errno::IO.into())).expect_err("a real failure is one");
    }

    #[test]
    fn a_call_is_made_again_for_a_while_and_not_for_ever() {
        let mut kinds = vec![io::ErrorKind::Interrupted, io::ErrorKind::WouldBlock];
        let done = patiently(|| kinds.pop().map_or(Ok(7), |kind| Err(kind.into())));
        assert_eq!(done.expect("in the end"), 7);
        let mut calls = 0;
        let never = patiently(|| {
            calls += 1;
            Err(io::ErrorKind::WouldBlock.into())
        });
        assert_eq!(never.expect_err("never").kind(), io::ErrorKind::WouldBlock);
        assert_eq!(calls, PAUSES + 1);
    }

    #[test]
    fn without_reservation_the_length_is_set_and_the_free_space_checked() {
        let file = tempfile::tempfile().expect("temp file");
        extend_sparse(&file, 1 << 20).expect("extend");
        let found = file.metadata().expect("metadata");
        assert_eq!((found.len(), found.blocks()), (1 << 20, 0));
        let error = extend_sparse(&file, i64::MAX as u64).expect_err("no such room");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(file.metadata().expect("metadata").len(), 1 << 20);
    }

    #[test]
    fn linking_as_a_new_name_moves_the_file_and_replaces_nothing() {
        let (temp, dir) = scratch();
        std::fs::write(temp.path().join("a"), b"a").expect("write");
        std::fs::write(temp.path().join("b"), b"b").expect("write");
        let (a, b, c) = (OsStr::new("a"), OsStr::new("b"), OsStr::new("c"));
        let error = dir.link_new(a, b).expect_err("something is there");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        dir.link_new(a, c).expect("link");
        assert_eq!(std::fs::read(temp.path().join("b")).expect("read"), b"b");
        assert_eq!(std::fs::read(temp.path().join("c")).expect("read"), b"a");
        assert!(dir.stat(a).expect("stat").is_none());
    }

    #[test]
    fn an_open_directory_stays_usable_when_it_is_renamed() {
        let temp = tempfile::tempdir().expect("temp dir");
        std::fs::create_dir(temp.path().join("old")).expect("mkdir");
        let dir = Dir::open(&temp.path().join("old")).expect("open");
        std::fs::rename(temp.path().join("old"), temp.path().join("new")).expect("rename");
        dir.open_file(OsStr::new("x"), How::CreateNew).expect("create");
        assert!(temp.path().join("new/x").exists());
    }
}
