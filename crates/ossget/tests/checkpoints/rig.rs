//! Unfinished downloads, and what may become of what they leave.

use ossget::checkpoint::{Cleaned, Condition, Fate, Leftover};
use ossget::{Anonymous, Client, Download, Object, Parallel, PartSize};
use ossget_fs::{DestinationLock, FileSystem as _, NativeFileSystem, Place, Syncing};
use ossget_testkit::{Content, Fault, On, Simulator, Versioning};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::num::NonZeroU32;
use std::os::unix::fs::{FileExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

pub(crate) const BUCKET: &str = "examplebucket";
pub(crate) const KEY: &str = "dir/a b.bin";
pub(crate) const SIZE: u64 = 1_000_000;
/// The smallest part.
pub(crate) const PART: u64 = 100 << 10;

/// A service with one object, a folder for destinations and one for checkpoints.
pub(crate) struct Rig {
    pub(crate) sim: Simulator,
    pub(crate) client: Client,
    pub(crate) content: Content,
    pub(crate) version_id: String,
    pub(crate) data: PathBuf,
    pub(crate) checkpoints: PathBuf,
    _folders: TempDir,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        let builder = Simulator::builder().bucket(BUCKET).versioning(Versioning::Enabled);
        let sim = builder.public_read().start().await;
        let content = Content::generated(7, SIZE);
        let version_id = sim.put_object(KEY, content.clone()).unwrap();
        let client = Client::builder(sim.endpoint(), Anonymous).region("cn-hangzhou");
        let client = client.build().unwrap();
        let folders = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let path = folders.path().canonicalize().unwrap().join(name);
            fs::create_dir(&path).unwrap();
            path
        };
        let (data, checkpoints) = (folder("data"), folder("checkpoints"));
        Self { sim, client, content, version_id, data, checkpoints, _folders: folders }
    }

    /// Where the destination `name` lies.
    pub(crate) fn at(&self, name: impl AsRef<Path>) -> PathBuf {
        self.data.join(name)
    }

    /// A download to the destination `name`.
    pub(crate) fn download(&self, name: impl AsRef<Path>) -> Download {
        let object = Object::new(BUCKET, KEY).unwrap();
        in_parts(self.client.download(object, self.at(name)))
    }

    /// Lets the service refuse the second half of the object, so that the download ends there.
    pub(crate) async fn stop_half_way(&self, download: Download) {
        let second_half = On::get().range_start(|start| start >= SIZE / 2).always();
        self.sim.fault(second_half, Fault::status(403, "AccessDenied"));
        let error = download.await.unwrap_err();
        assert!(error.is_resumable(), "{error:?}");
        self.sim.clear_faults();
    }

    /// The checkpoint and the partial file of an unfinished download to `name`.
    pub(crate) async fn unfinished(&self, name: impl AsRef<Path>) -> Unfinished {
        let before = self.files();
        self.stop_half_way(self.download(name)).await;
        Unfinished::of(self.files().into_iter().filter(|path| !before.contains(path)))
    }

    /// The same with its checkpoint in the checkpoint directory.
    pub(crate) async fn unfinished_elsewhere(&self, name: impl AsRef<Path>) -> Unfinished {
        let before = self.files();
        let download = self.download(name).checkpoint_dir(&self.checkpoints);
        self.stop_half_way(download).await;
        Unfinished::of(self.files().into_iter().filter(|path| !before.contains(path)))
    }

    /// All files in both folders.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        for dir in [&self.checkpoints, &self.data] {
            paths.extend(fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()));
        }
        paths.sort();
        paths
    }

    /// Holds the destination `name` as a run does.
    pub(crate) fn hold(&self, name: &str) -> Arc<dyn DestinationLock> {
        lock(&Place::new(self.at(name)))
    }

    /// The same for a run with the checkpoint directory.
    pub(crate) fn hold_elsewhere(&self, name: &str) -> Arc<dyn DestinationLock> {
        lock(&Place::new(self.at(name)).checkpoint_dir(Some(self.checkpoints.clone())))
    }
}

fn lock(place: &Place) -> Arc<dyn DestinationLock> {
    NativeFileSystem::new().lock(place, Syncing::Skip).unwrap()
}

pub(crate) fn in_parts(download: Download) -> Download {
    let parallel = Parallel::Fixed(NonZeroU32::new(2).unwrap());
    download.part_size(PartSize::new(PART).unwrap()).parallel(parallel)
}

/// What an unfinished download has left.
#[derive(Debug)]
pub(crate) struct Unfinished {
    pub(crate) checkpoint: PathBuf,
    pub(crate) partial: PathBuf,
}

impl Unfinished {
    fn of(files: impl Iterator<Item = PathBuf>) -> Self {
        let is_partial = |path: &PathBuf| path.extension().is_some_and(|end| end == "part");
        let (partials, checkpoints): (Vec<_>, Vec<_>) = files.partition(is_partial);
        let [partial] = <[_; 1]>::try_from(partials).unwrap();
        let [checkpoint] = <[_; 1]>::try_from(checkpoints).unwrap();
        Self { checkpoint, partial }
    }

    /// Writes into the checkpoint.
    pub(crate) fn write(&self, bytes: &[u8], at: u64) {
        let file = File::options().write(true).open(&self.checkpoint).unwrap();
        file.write_all_at(bytes, at).unwrap();
    }

    /// Gives the checkpoint another length.
    pub(crate) fn set_len(&self, len: u64) {
        File::options().write(true).open(&self.checkpoint).unwrap().set_len(len).unwrap();
    }

    pub(crate) fn damage(&self) {
        self.write(&[0xff; 8], 100);
    }

    /// Makes the checkpoint one of a program of the future: of another version, with a tag of its
    /// own kind.
    pub(crate) fn make_later(&self) {
        self.write(&[9], 8);
        self.write(&[1, 2, 3, 4, 5, 6], 4090);
    }

    pub(crate) fn len(&self) -> u64 {
        len(&self.checkpoint)
    }
}

pub(crate) fn len(path: &Path) -> u64 {
    fs::symlink_metadata(path).unwrap().len()
}

/// Leaves a file of the length of the name that it is about.
pub(crate) fn leave(path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    fs::write(path, path.as_os_str().as_encoded_bytes()).unwrap();
    path.to_owned()
}

/// What is no regular file, under names of a download's own: a checkpoint and a partial file that are
/// links to `to`, and a partial file that is a folder.
pub(crate) fn leave_no_files(rig: &Rig, to: &Path) -> [PathBuf; 3] {
    let checkpoint = rig.at(OF_FOOBAR);
    symlink(to, &checkpoint).unwrap();
    let link = rig.at(partial_name("link", BESIDE));
    symlink(to, &link).unwrap();
    let folder = rig.at(partial_name("folder", BESIDE));
    fs::create_dir(&folder).unwrap();
    leave(folder.join(partial_name("below", BESIDE)));
    [checkpoint, link, folder]
}

/// The partial file of the destination `name` with a suffix.
pub(crate) fn partial_name(name: impl AsRef<OsStr>, suffix: &str) -> OsString {
    let mut partial = name.as_ref().to_owned();
    partial.push(format!(".{suffix}.part"));
    partial
}

/// Paths and conditions.
pub(crate) fn conditions(leftovers: &[Leftover]) -> Vec<(&Path, &Condition)> {
    leftovers.iter().map(|it| (it.path.as_path(), &it.condition)).collect()
}

/// Paths, what became of them, and their conditions.
pub(crate) fn fates(cleaned: &[Cleaned]) -> Vec<(&Path, Fate, &Condition)> {
    cleaned.iter().map(|it| (&*it.leftover.path, it.fate, &it.leftover.condition)).collect()
}

/// Suffixes: of a run with its checkpoint beside the destination, of one with a checkpoint
/// directory, and a word.
pub(crate) const BESIDE: &str = "abcdefghijkl2345";
pub(crate) const ELSEWHERE: &str = "2bcdefghijkl2345";
pub(crate) const WORD: &str = "responsibilities";
/// The checkpoint of the destination `foobar`, and one that no name fits.
pub(crate) const OF_FOOBAR: &str = ".foobar.72ad2699.ossget";
pub(crate) const OF_NOBODY: &str = ".foobar.01234567.ossget";
