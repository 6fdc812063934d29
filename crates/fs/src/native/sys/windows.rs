//! Windows, as far as std goes.
//!
//! Weaker than Unix, on purpose not hidden: names are used by path, a directory cannot be
//! synced, files have no identity but their creation time, and permissions are left alone.
//! Writing far ahead of the file's valid length makes NTFS write zeros in between; the file is
//! not marked sparse, since the reservation matters more.

use super::{DirSync, How, Kind, Stat};
use crate::FileId;
use std::ffi::OsStr;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::windows::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A directory, by its canonical path.
#[derive(Debug)]
pub(crate) struct Dir {
    path: PathBuf,
}

impl Dir {
    /// Remembers the directory at `path`.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let path = std::fs::canonicalize(path)?;
        if !std::fs::metadata(&path)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self { path })
    }

    /// The canonical absolute path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether both are one directory.
    pub(crate) fn is_same(&self, other: &Self) -> io::Result<bool> {
        Ok(self.path == other.path)
    }

    /// What `name` is, links not followed.
    pub(crate) fn stat(&self, name: &OsStr) -> io::Result<Option<Stat>> {
        match std::fs::symlink_metadata(self.join(name)?) {
            Ok(metadata) => Ok(Some(from_metadata(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens `name` itself: a link is opened as what it is and then refused for its kind.
    pub(crate) fn open_file(&self, name: &OsStr, how: How) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(how != How::Read).custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
        match how {
            How::Read | How::ReadWrite => &mut options,
            How::Create => options.create(true),
            How::CreateNew => options.create_new(true),
        };
        options.open(self.join(name)?)
    }

    /// Removes a file's name.
    pub(crate) fn unlink(&self, name: &OsStr) -> io::Result<()> {
        std::fs::remove_file(self.join(name)?)
    }

    /// Renames within the directory, replacing what is at `to`.
    pub(crate) fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        std::fs::rename(self.join(from)?, self.join(to)?)
    }

    /// Renames within the directory; `AlreadyExists` if anything is at `to`.
    pub(crate) fn rename_new(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        std::fs::hard_link(self.join(from)?, self.join(to)?)?;
        self.unlink(from)
    }

    /// There is no such operation.
    pub(crate) fn sync(&self) -> io::Result<DirSync> {
        Ok(DirSync::Unsupported)
    }

    fn join(&self, name: &OsStr) -> io::Result<PathBuf> {
        let mut components = Path::new(name).components();
        match (components.next(), components.next()) {
            (Some(std::path::Component::Normal(only)), None) if only == name => {
                Ok(self.path.join(name))
            }
            _ => Err(io::ErrorKind::InvalidFilename.into()),
        }
    }
}

/// What `file` is.
pub(crate) fn stat(file: &File) -> io::Result<Stat> {
    Ok(from_metadata(&file.metadata()?))
}

/// Ownership is not looked at: every file seems ours.
pub(crate) fn effective_owner() -> u32 {
    0
}

/// A file open for reading cannot be flushed; whoever published it did so before.
pub(crate) fn sync_found(_file: &File) -> io::Result<()> {
    Ok(())
}

/// Permissions are inherited from the directory and left alone.
pub(crate) fn set_mode(_file: &File, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// Links are opened as they are and refused for their kind.
pub(crate) fn is_link_error(_error: &io::Error) -> bool {
    false
}

/// Makes the file `len` bytes long and reserves them.
pub(crate) fn reserve(file: &File, len: u64) -> io::Result<()> {
    if i64::try_from(len).is_err() {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    if len > 0 {
        fs4::FileExt::allocate(file, len)?;
    }
    file.set_len(len)
}

/// Reads up to `buf.len()` bytes at `offset`; fewer only at the end of the file.
pub(crate) fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buf.len() {
        match file.seek_read(&mut buf[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Fills `buf` from `offset`.
pub(crate) fn read_exact_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<()> {
    if read_at(file, buf, offset)? == buf.len() {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// Writes all of `buf` at `offset`. Each call carries its own position; the cursor they also
/// move is used by nobody, so calls on several threads do not disturb each other.
pub(crate) fn write_all_at(file: &File, buf: &[u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < buf.len() {
        match file.seek_write(&buf[done..], offset + done as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => done += written,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// No such hint here.
pub(crate) fn start_writeback(_file: &File, _offset: u64, _len: u64) {}

/// No such hint here.
pub(crate) fn drop_cache(_file: &File, _offset: u64, _len: u64) {}

/// There is no direct write that could fail.
pub(crate) fn is_no_direct_error(_error: &io::Error) -> bool {
    false
}

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

/// No such thing here.
pub(crate) fn umask() -> u32 {
    0
}

fn from_metadata(metadata: &Metadata) -> Stat {
    let kind = metadata.file_type();
    let kind = if kind.is_symlink() {
        Kind::Symlink
    } else if kind.is_dir() {
        Kind::Directory
    } else if kind.is_file() {
        Kind::Regular
    } else {
        Kind::Special
    };
    // 100 ns since 1601, exactly as the file system keeps it.
    let birth = metadata.creation_time().saturating_sub(TICKS_1601_TO_1970).saturating_mul(100);
    let birth = i64::try_from(birth).unwrap_or(0);
    Stat {
        kind,
        id: FileId { inode: 0, device: 0, birth },
        len: metadata.len(),
        links: 1,
        owner: 0,
        mode: 0o600,
    }
}

const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;
const TICKS_1601_TO_1970: u64 = 116_444_736_000_000_000;
