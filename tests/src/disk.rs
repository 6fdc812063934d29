//! Small disks: images with a real file system whose power can be cut, and disks of memory that
//! are soon full.

use crate::system;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;
use tempfile::TempDir;

/// What a disk is formatted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// ext4, mounted with these options.
    Ext4(&'static str),
    /// XFS.
    Xfs,
}

/// What is still written when the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerCut {
    /// Nothing: what no sync has covered is lost.
    Nothing,
    /// The journal, but no data.
    Journal,
    /// Everything: the disk only becomes unusable.
    Everything,
}

/// An image with a file system, mounted.
#[derive(Debug)]
pub struct Disk {
    format: Format,
    device: PathBuf,
    at: PathBuf,
    _dir: TempDir,
}

impl Disk {
    /// A new, empty disk.
    ///
    /// # Errors
    ///
    /// Why this machine cannot make one.
    ///
    /// # Panics
    ///
    /// When no temporary folder can be made.
    pub fn new(format: Format) -> Result<Self, String> {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (image, at) = (dir.path().join("image"), dir.path().join("disk"));
        std::fs::create_dir(&at).expect("a folder");
        let (make, size) = match format {
            Format::Ext4(_) => (&["mkfs.ext4", "-q", "-F", "-E", "nodiscard"][..], 64 << 20),
            Format::Xfs => (&["mkfs.xfs", "-q", "-f"][..], 304 << 20),
        };
        File::create(&image).and_then(|file| file.set_len(size)).expect("a sparse file");
        output(Command::new(make[0]).args(&make[1..]).arg(&image))?;
        let device = output(Command::new("losetup").args(["--find", "--show"]).arg(&image))?;
        let disk = Self { format, device: device.trim().into(), at, _dir: dir };
        disk.mount().map_err(|error| format!("cannot mount: {error}"))?;
        Ok(disk)
    }

    /// Where it is mounted.
    #[must_use]
    pub fn at(&self) -> &Path {
        &self.at
    }

    /// Cuts the power: from now on nothing is written and every operation fails.
    ///
    /// # Panics
    ///
    /// When the file system cannot do that.
    pub fn cut_power(&self, cut: PowerCut) {
        let dir = File::open(&self.at).expect("the disk's root");
        let mode = match cut {
            PowerCut::Everything => 0,
            PowerCut::Journal => 1,
            PowerCut::Nothing => 2,
        };
        system::shut_down(&dir, mode).expect("the file system can be shut down");
    }

    /// Mounts the disk again as it was left, which replays its journal. No process may use it.
    ///
    /// # Panics
    ///
    /// When that is not possible.
    pub fn restart(&self) {
        for _ in 0..200 {
            match system::unmount(&self.at, 0) {
                // What ended just now may still be on its way out.
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    sleep(Duration::from_millis(10));
                }
                done => {
                    done.expect("the disk can be unmounted");
                    return self.mount().expect("the disk can be mounted again");
                }
            }
        }
        panic!("somebody still uses {}", self.at.display());
    }

    fn mount(&self) -> io::Result<()> {
        let (kind, options) = match self.format {
            Format::Ext4(options) => ("ext4", options),
            Format::Xfs => ("xfs", ""),
        };
        system::mount(&self.device, &self.at, kind, options)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(system::unmount(&self.at, libc::MNT_DETACH));
        drop(output(Command::new("losetup").arg("--detach").arg(&self.device)));
    }
}

/// A disk of memory.
#[derive(Debug)]
pub struct Tmpfs {
    dir: TempDir,
}

impl Tmpfs {
    /// One of so many bytes.
    ///
    /// # Errors
    ///
    /// Why this machine cannot make one.
    ///
    /// # Panics
    ///
    /// When no temporary folder can be made.
    pub fn new(bytes: u64) -> Result<Self, String> {
        let dir = tempfile::tempdir().expect("a temporary folder");
        system::mount(Path::new("tmpfs"), dir.path(), "tmpfs", &format!("size={bytes}"))
            .map_err(|error| format!("cannot mount: {error}"))?;
        Ok(Self { dir })
    }

    /// Where it is mounted.
    #[must_use]
    pub fn at(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        drop(system::unmount(self.dir.path(), libc::MNT_DETACH));
    }
}

/// Runs a command and returns what it says, or why it failed.
fn output(command: &mut Command) -> Result<String, String> {
    let what = format!("{command:?}");
    let output = command.output().map_err(|error| format!("{what}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{what}: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
