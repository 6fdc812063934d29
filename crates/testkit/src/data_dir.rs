//! Objects kept as files: `DIR/bucket/key`.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use jiff::Timestamp;

use crate::content::Content;

/// A directory whose files are objects.
#[derive(Debug)]
pub(crate) struct DataDir {
    root: PathBuf,
    uploads: AtomicU64,
}

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileStamp {
    size: u64,
    modified: SystemTime,
}

impl DataDir {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root, uploads: AtomicU64::new(0) }
    }

    /// The state of a key's file, if it has one.
    pub(crate) fn stamp(&self, bucket: &str, key: &str) -> Option<FileStamp> {
        stamp(&self.path(bucket, key)?)
    }

    /// The content of a key's file and when it was last changed.
    pub(crate) fn read(&self, bucket: &str, key: &str) -> io::Result<(Content, Timestamp)> {
        let path = self.path(bucket, key).ok_or(io::ErrorKind::NotFound)?;
        let modified = fs::metadata(&path)?.modified()?;
        Ok((Content::file(path)?, Timestamp::try_from(modified).unwrap_or_default()))
    }

    /// Writes a new file; fails for keys that cannot be a path.
    pub(crate) fn write(
        &self,
        bucket: &str,
        key: &str,
        content: &Content,
    ) -> io::Result<(Content, FileStamp)> {
        let path = self.path(bucket, key).ok_or(io::ErrorKind::InvalidInput)?;
        let upload = self.uploads.fetch_add(1, Ordering::Relaxed);
        // Beside the buckets, where no listing finds it; the rename keeps readers of the old file.
        let partial = self.root.join(format!(".upload-{}-{upload}", std::process::id()));
        fs::create_dir_all(path.parent().ok_or(io::ErrorKind::InvalidInput)?)?;
        let written = copy(content, &partial).and_then(|()| fs::rename(&partial, &path));
        if let Err(error) = written {
            let _ = fs::remove_file(&partial);
            return Err(error);
        }
        let stamp = stamp(&path).ok_or(io::ErrorKind::NotFound)?;
        Ok((content.moved_to(&path)?, stamp))
    }

    /// Removes a key's file; that there is none is fine.
    pub(crate) fn remove(&self, bucket: &str, key: &str) {
        if let Some(path) = self.path(bucket, key) {
            let _ = fs::remove_file(path);
        }
    }

    /// All keys of a bucket that have a file, with the path of each.
    pub(crate) fn walk(&self, bucket: &str) -> Vec<(String, PathBuf)> {
        let mut found = Vec::new();
        let mut open = vec![(String::new(), self.root.join(bucket))];
        while let Some((prefix, dir)) = open.pop() {
            let entries = fs::read_dir(dir).into_iter().flatten().flatten();
            for entry in entries {
                let Ok(name) = entry.file_name().into_string() else { continue };
                match fs::metadata(entry.path()) {
                    Ok(metadata) if metadata.is_dir() => {
                        open.push((format!("{prefix}{name}/"), entry.path()));
                    }
                    Ok(metadata) if metadata.is_file() => {
                        found.push((format!("{prefix}{name}"), entry.path()));
                    }
                    _ => {}
                }
            }
        }
        found
    }

    /// Only keys made of plain names are paths: none may lead out of the directory.
    fn path(&self, bucket: &str, key: &str) -> Option<PathBuf> {
        let is_plain = |name: &str| {
            !["", ".", ".."].contains(&name) && name.len() < 256 && !name.contains(['\0', '\\'])
        };
        let plain = is_plain(bucket) && !bucket.contains('/') && key.split('/').all(is_plain);
        plain.then(|| self.root.join(bucket).join(key))
    }
}

/// Piece by piece: a copy of an object may be larger than memory.
fn copy(content: &Content, path: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
    let mut buf = vec![0; content.size().min(PIECE) as usize];
    let mut offset = 0;
    while offset < content.size() {
        let length = (content.size() - offset).min(PIECE) as usize;
        content.try_fill(offset, &mut buf[..length])?;
        file.write_all(&buf[..length])?;
        offset += length as u64;
    }
    Ok(())
}

fn stamp(path: &Path) -> Option<FileStamp> {
    let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some(FileStamp { size: metadata.len(), modified: metadata.modified().ok()? })
}

const PIECE: u64 = 1 << 20;
