//! What the tests of this crate share.
#![allow(dead_code, reason = "not every test file needs everything")]

use ossget_fs::{
    DestinationLock, FileSystem as _, FsError, FsErrorKind, NativeFileSystem, PartialFile, Place,
    Syncing,
};
use std::fmt::Debug;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// A suffix as the facade draws them.
pub(crate) const SUFFIX: &str = "abcdefghijkl2345";

/// An empty directory with a destination that is not there yet.
pub(crate) struct Scratch {
    pub(crate) temp: TempDir,
    pub(crate) fs: NativeFileSystem,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Self { temp: tempfile::tempdir().expect("temp dir"), fs: NativeFileSystem::new() }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.temp.path()
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir().join(name)
    }

    pub(crate) fn lock(&self, name: &str) -> Arc<dyn DestinationLock> {
        self.try_lock(name).expect("lock")
    }

    pub(crate) fn try_lock(&self, name: &str) -> Result<Arc<dyn DestinationLock>, FsError> {
        self.fs.lock(&Place::new(self.path(name)), Syncing::Full)
    }

    /// Where the checkpoint of a destination lies that is not locked now.
    pub(crate) fn checkpoint_path(&self, name: &str) -> PathBuf {
        let place = Place::new(self.path(name));
        if let Some(found) = self.fs.find_checkpoint(&place).expect("find") {
            return found.path;
        }
        let lock = self.lock(name);
        lock.checkpoint().reset(1).expect("reset");
        let path = self.fs.find_checkpoint(&place).expect("find").expect("there").path;
        lock.remove_checkpoint().expect("remove");
        path
    }

    /// A partial file of the locked destination with some content.
    pub(crate) fn partial(
        &self,
        lock: &dyn DestinationLock,
        content: &[u8],
    ) -> Arc<dyn PartialFile> {
        let name = lock.partial_name(SUFFIX);
        let partial = lock.create_partial(&name, content.len() as u64).expect("create");
        partial.write_all_at(content, 0).expect("write");
        partial
    }

    pub(crate) fn names(&self) -> Vec<String> {
        names_in(self.dir())
    }
}

pub(crate) fn names_in(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("read_dir");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("entry").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    names
}

#[track_caller]
pub(crate) fn assert_kind<T: Debug>(result: Result<T, FsError>, kind: FsErrorKind) -> FsError {
    let error = result.expect_err("an error is expected");
    assert_eq!(error.kind(), kind, "{error} {:?}", std::error::Error::source(&error));
    error
}

/// Says that a test could not be run, past the capture of the test runner. Fails where
/// `OSSGET_NO_SKIP` says that everything it needs is there.
pub(crate) fn skipped(why: &str) {
    assert!(std::env::var_os("OSSGET_NO_SKIP").is_none(), "skipped although it must not be: {why}");
    writeln!(std::io::stderr(), "SKIPPED: {why}").expect("stderr");
}
