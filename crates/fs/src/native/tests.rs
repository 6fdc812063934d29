//! Tests that need another lock function than the system's.

use super::checkpoint::NativeCheckpoint;
use super::*;
use crate::{Caveat, PublishMode};
use std::cell::RefCell;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

const SUFFIX: &str = "abcdefghijklmnop";

fn file_system(try_lock: TryLock) -> NativeFileSystem {
    NativeFileSystem { umask: 0o022, try_lock }
}

fn names_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("read_dir");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("entry").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    names
}

thread_local! {
    /// What the next tries of the lock find: each removes the file at the path and puts a new one
    /// there first, as a finishing run and its successor do.
    static EXCHANGED: RefCell<Vec<PathBuf>> = const { RefCell::new(Vec::new()) };
}

fn exchanged_before_locking(file: &File) -> Result<(), TryLockError> {
    if let Some(path) = EXCHANGED.with_borrow_mut(Vec::pop) {
        fs::remove_file(&path).expect("remove");
        let successor = File::create(&path).expect("create");
        successor.set_permissions(fs::Permissions::from_mode(0o600)).expect("chmod");
    }
    file.try_lock()
}

fn lock_name(dir: &Path) -> PathBuf {
    let site = Site::resolve(&Place::new(dir.join("a"))).expect("resolve");
    dir.join(site.names.lock())
}

#[test]
fn a_lock_whose_file_was_exchanged_meanwhile_is_taken_again() {
    let temp = tempfile::tempdir().expect("temp dir");
    let path = lock_name(temp.path());
    EXCHANGED.set(vec![path.clone(); 3]);
    let fs = file_system(exchanged_before_locking);
    let lock = fs.lock(&Place::new(temp.path().join("a")), Syncing::Full).expect("lock");
    assert!(EXCHANGED.with_borrow(Vec::is_empty), "every exchange was seen");
    lock.checkpoint().reset(10).expect("reset");
    // The locked file is the one the name leads to.
    assert_eq!(fs::metadata(&path).expect("metadata").len(), 10);
    let second = NativeFileSystem::new().lock(&Place::new(temp.path().join("a")), Syncing::Full);
    assert_eq!(second.expect_err("held").kind(), FsErrorKind::Locked);
}

#[test]
fn a_lock_that_is_exchanged_for_ever_is_given_up() {
    let temp = tempfile::tempdir().expect("temp dir");
    EXCHANGED.set(vec![lock_name(temp.path()); 1000]);
    let fs = file_system(exchanged_before_locking);
    let lock = fs.lock(&Place::new(temp.path().join("a")), Syncing::Full);
    EXCHANGED.set(Vec::new());
    assert_eq!(lock.expect_err("never stable").kind(), FsErrorKind::Locked);
}

fn without_locks(_: &File) -> Result<(), TryLockError> {
    Err(TryLockError::Error(io::Error::from_raw_os_error(libc::ENOLCK)))
}

/// Faults: 102.
#[test]
fn without_locks_nothing_is_resumed_and_nothing_is_left() {
    let temp = tempfile::tempdir().expect("temp dir");
    let fs = file_system(without_locks);
    let place = Place::new(temp.path().join("a"));
    let one = fs.lock(&place, Syncing::Full).expect("lock");
    let two = fs.lock(&place, Syncing::Full).expect("no lock, so no conflict");
    assert_eq!(one.caveats(), [Caveat::NoLocks]);
    one.checkpoint().reset(10).expect("reset");
    one.checkpoint().write_all_at(b"x", 9).expect("write");
    one.checkpoint().sync_all().expect("sync");
    assert!(two.checkpoint().is_empty().expect("is_empty"), "runs share nothing");
    let (kept, lost) = (one.partial_name(SUFFIX), one.partial_name("ponmlkjihgfedcba"));
    let partial = one.create_partial(&kept, 3).expect("create");
    let _unfinished = two.create_partial(&lost, 3).expect("create");
    partial.write_all_at(b"abc", 0).expect("write");
    one.publish(&*partial, &kept, PublishMode::Replace).expect("publish");
    one.remove_checkpoint().expect("remove");
    drop((one, partial));
    assert_eq!(names_in(temp.path()), ["a", lost.to_str().expect("UTF-8")]);
    drop((two, _unfinished));
    assert_eq!(names_in(temp.path()), ["a"]);
}

#[test]
fn without_locks_a_finished_file_that_cannot_be_renamed_stays_where_the_error_says() {
    let temp = tempfile::tempdir().expect("temp dir");
    let fs = file_system(without_locks);
    let lock = fs.lock(&Place::new(temp.path().join("a")), Syncing::Full).expect("lock");
    let name = lock.partial_name(SUFFIX);
    let partial = lock.create_partial(&name, 3).expect("create");
    partial.write_all_at(b"abc", 0).expect("write");
    // It comes to the destination after that was examined: the rename fails.
    let at = temp.path().join("a");
    let partial = Meddled(partial, move || {
        fs::create_dir(&at).expect("mkdir");
        Ok(())
    });
    let error = lock.publish(&partial, &name, PublishMode::Replace).expect_err("in the way");
    assert!(error.to_string().contains("is kept at"), "{error}");
    drop((lock, partial));
    assert_eq!(fs::read(error.path()).expect("it is kept"), b"abc");
}

/// A partial file to which something happens when it is synced.
struct Meddled<F>(Arc<dyn crate::PartialFile>, F);

impl<F> std::fmt::Debug for Meddled<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl<F: Fn() -> Result<(), FsError> + Send + Sync> crate::PartialFile for Meddled<F> {
    fn write_all_at(&self, buf: &[u8], offset: u64) -> Result<(), FsError> {
        self.0.write_all_at(buf, offset)
    }
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<(), FsError> {
        self.0.read_exact_at(buf, offset)
    }
    fn start_writeback(&self, _: u64, _: u64) {}
    fn drop_cache(&self, _: u64, _: u64) {}
    fn sync_data(&self) -> Result<(), FsError> {
        self.1()
    }
    fn resize(&self, size: u64) -> Result<(), FsError> {
        self.0.resize(size)
    }
    fn check(&self) -> Result<(crate::FileId, u64), FsError> {
        self.0.check()
    }
}

#[test]
fn without_locks_an_earlier_checkpoint_is_neither_used_nor_removed() {
    let temp = tempfile::tempdir().expect("temp dir");
    let place = Place::new(temp.path().join("a"));
    let lock = NativeFileSystem::new().lock(&place, Syncing::Full).expect("lock");
    lock.checkpoint().reset(10).expect("reset");
    drop(lock);
    let lock = file_system(without_locks).lock(&place, Syncing::Full).expect("lock");
    assert!(lock.checkpoint().is_empty().expect("is_empty"));
    drop(lock);
    assert_eq!(fs::metadata(lock_name(temp.path())).expect("still there").len(), 10);
}

thread_local! {
    static LOCKS_LEFT: RefCell<usize> = const { RefCell::new(0) };
}

fn locks_in_one_directory_only(file: &File) -> Result<(), TryLockError> {
    let left = LOCKS_LEFT.with(|left| left.replace_with(|left| left.saturating_sub(1)));
    if left > 0 { file.try_lock() } else { without_locks(file) }
}

#[test]
fn half_a_lock_is_none() {
    let temp = tempfile::tempdir().expect("temp dir");
    fs::create_dir(temp.path().join("cp")).expect("mkdir");
    LOCKS_LEFT.set(1);
    let place = Place::new(temp.path().join("a")).checkpoint_dir(Some(temp.path().join("cp")));
    let fs = file_system(locks_in_one_directory_only);
    let lock = fs.lock(&place, Syncing::Full).expect("lock");
    assert_eq!(lock.caveats(), [Caveat::NoLocks]);
    lock.checkpoint().reset(10).expect("reset");
    assert!(names_in(&temp.path().join("cp")).is_empty());
    drop(lock);
    assert_eq!(names_in(temp.path()), ["cp"]);
}

fn broken_lock(_: &File) -> Result<(), TryLockError> {
    Err(TryLockError::Error(io::Error::from_raw_os_error(libc::EIO)))
}

#[test]
fn a_lock_that_fails_for_another_reason_is_an_error_not_a_missing_lock() {
    let temp = tempfile::tempdir().expect("temp dir");
    let place = Place::new(temp.path().join("a"));
    let error = file_system(broken_lock).lock(&place, Syncing::Full).expect_err("EIO");
    assert_eq!(error.kind(), FsErrorKind::Storage);
}

thread_local! {
    static REFUSALS: RefCell<usize> = const { RefCell::new(0) };
}

fn busy_for_a_moment(file: &File) -> Result<(), TryLockError> {
    let busy = REFUSALS.with_borrow_mut(|left| {
        let busy = *left > 0;
        *left = left.saturating_sub(1);
        busy
    });
    if busy { Err(TryLockError::WouldBlock) } else { file.try_lock() }
}

#[test]
fn a_lock_tried_by_an_inspection_is_waited_out() {
    let temp = tempfile::tempdir().expect("temp dir");
    REFUSALS.set(3);
    let place = Place::new(temp.path().join("a"));
    file_system(busy_for_a_moment).lock(&place, Syncing::Full).expect("lock");
}

#[test]
fn a_poisoned_partial_file_is_never_published() {
    let temp = tempfile::tempdir().expect("temp dir");
    let place = Place::new(temp.path().join("a"));
    let lock = NativeFileSystem::new().lock(&place, Syncing::Full).expect("lock");
    let name = lock.partial_name(SUFFIX);
    let partial = Meddled(lock.create_partial(&name, 3).expect("create"), || {
        let poison = file::Poison::default();
        let _first = poison.sync(Path::new("x"), || Err(io::Error::other("EIO")));
        poison.sync(Path::new("x"), || Ok(()))
    });
    let error = lock.publish(&partial, &name, PublishMode::Replace).expect_err("poisoned");
    assert_eq!(error.kind(), FsErrorKind::Storage);
    assert!(!temp.path().join("a").exists() && temp.path().join(&name).exists());
}

#[test]
fn what_follows_a_failure_says_what_the_system_said() {
    let poison = file::Poison::default();
    let full = Err(io::Error::from_raw_os_error(libc::ENOSPC));
    poison.note(full).expect_err("it failed");
    let error = poison.sync(Path::new("x"), || Ok(())).expect_err("poisoned");
    assert_eq!(error.kind(), FsErrorKind::NoSpace);
    let cause = std::error::Error::source(&error).expect("a cause").to_string();
    assert!(cause.contains("No space left"), "{cause}");
}

#[test]
fn a_failed_checkpoint_sync_is_final() {
    // A pipe cannot be synced at all; that the failure is remembered shows in the words.
    let (reader, _writer) = io::pipe().expect("pipe");
    let broken = File::from(std::os::fd::OwnedFd::from(reader));
    let temp = tempfile::tempdir().expect("temp dir");
    let place = Place::new(temp.path().join("a"));
    let site = Site::resolve(&place).expect("resolve");
    let guard = lock::Guard::holding(&site, broken);
    let checkpoint = NativeCheckpoint::locked(guard, Syncing::Full).expect("locked");
    let first = checkpoint.sync_data().expect_err("a pipe");
    assert!(first.to_string().starts_with("cannot sync"), "{first}");
    for again in [checkpoint.sync_data(), checkpoint.sync_all()] {
        let error = again.expect_err("final");
        assert!(error.to_string().starts_with("an earlier write or sync failed"), "{error}");
    }
}

#[test]
fn a_failed_data_sync_is_final() {
    let (reader, _writer) = io::pipe().expect("pipe");
    let broken = File::from(std::os::fd::OwnedFd::from(reader));
    let temp = tempfile::tempdir().expect("temp dir");
    let site = Site::resolve(&Place::new(temp.path().join("a"))).expect("resolve");
    let guard = lock::Guard::holding(&site, tempfile::tempfile().expect("temp file"));
    let partial = file::NativeFile::partial(broken, "x".into(), Syncing::Full, guard);
    let first = crate::PartialFile::sync_data(&partial).expect_err("a pipe");
    assert!(first.to_string().starts_with("cannot sync"), "{first}");
    let second = crate::PartialFile::sync_data(&partial).expect_err("final");
    assert!(second.to_string().starts_with("an earlier write or sync failed"), "{second}");
}

#[test]
fn inspecting_does_not_exchange_or_keep_anything() {
    let temp = tempfile::tempdir().expect("temp dir");
    let place = Place::new(temp.path().join("a"));
    let fs = NativeFileSystem::new();
    assert!(fs.find_checkpoint(&place).expect("find").is_none());
    assert!(names_in(temp.path()).is_empty(), "nothing is created");
    let lock = fs.lock(&place, Syncing::Full).expect("lock");
    lock.checkpoint().reset(10).expect("reset");
    lock.checkpoint().write_all_at(b"0123456789", 0).expect("write");
    let inode = fs::metadata(lock_name(temp.path())).expect("metadata").ino();
    let found = fs.find_checkpoint(&place).expect("find").expect("there");
    assert_eq!((found.holder, found.path.clone()), (Holder::Run, lock_name(temp.path())));
    drop(lock);
    let free = fs.find_checkpoint(&place).expect("find").expect("there");
    assert_eq!(free.holder, Holder::Nobody);
    let mut buf = [0; 4];
    assert_eq!(free.checkpoint.read_at(&mut buf, 3).expect("read"), 4);
    assert_eq!(&buf, b"3456");
    for denied in [
        free.checkpoint.write_all_at(b"x", 0),
        free.checkpoint.reset(0),
        free.checkpoint.sync_data(),
        free.checkpoint.sync_all(),
    ] {
        assert_eq!(denied.expect_err("read only").kind(), FsErrorKind::Storage);
    }
    fs.lock(&place, Syncing::Full).expect("found ones keep no lock");
    assert_eq!(fs::metadata(lock_name(temp.path())).expect("metadata").ino(), inode);
}
