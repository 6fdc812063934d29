//! The faulty disk, mounted.

use super::disk::FaultyDisk;
use super::serve::Served;
use fuser::{BackgroundSession, Config, MountOption};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use tempfile::TempDir;

/// A faulty disk, mounted as long as this lives.
#[derive(Debug)]
pub(crate) struct Mount {
    disk: Arc<FaultyDisk>,
    _session: BackgroundSession,
    dir: TempDir,
}

impl Mount {
    /// An empty disk.
    ///
    /// # Errors
    ///
    /// Why this machine cannot mount it.
    pub(crate) fn new() -> Result<Self, String> {
        // Without root another program would have to mount it, and the files would be ours.
        if std::fs::metadata("/proc/self").map(|process| process.uid()).ok() != Some(0) {
            return Err("only root can mount a file system in user space".to_owned());
        }
        let disk = Arc::new(FaultyDisk::new());
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("ossget-tests".to_owned())];
        let session = fuser::spawn_mount(Served::new(Arc::clone(&disk)), dir.path(), &config)
            .map_err(|error| format!("cannot mount a file system in user space: {error}"))?;
        Ok(Self { disk, _session: session, dir })
    }

    pub(crate) fn disk(&self) -> &FaultyDisk {
        &self.disk
    }

    /// Where it is mounted.
    pub(crate) fn at(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Mount {
    /// Also while a process that a failed test has left uses it.
    fn drop(&mut self) {
        self.disk.cut_power();
        drop(Command::new("umount").arg("--lazy").arg(self.at()).status());
    }
}
