//! Publishing: permissions, replacing, refusing.
#![cfg(unix)]

mod support;

use ossget_fs::Unfinished;
use ossget_fs::{DestinationLock, FileSystem as _, FsErrorKind, Place, PublishMode, Syncing};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::sync::Arc;
use support::{SUFFIX, Scratch, assert_kind};

fn set_mode(path: &std::path::Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
}

#[test]
fn publishing_replaces_atomically_and_keeps_the_permissions() {
    for (before, after) in [(0o640, 0o640), (0o444, 0o444), (0o7755, 0o755), (0o666, 0o666)] {
        let scratch = Scratch::new();
        fs::write(scratch.path("a"), b"old").expect("write");
        set_mode(&scratch.path("a"), before);
        let lock = scratch.lock("a");
        let state = lock.destination().expect("destination").expect("there");
        assert_eq!(state.len, 3);
        let old = lock.open_destination().expect("open").expect("there");
        let partial = scratch.partial(&*lock, b"newer");
        let (id, _) = partial.check().expect("check");
        let name = lock.partial_name(SUFFIX);
        lock.publish(&*partial, &name, PublishMode::Replace).expect("publish");
        let found = fs::metadata(scratch.path("a")).expect("metadata");
        assert_eq!((found.mode() & 0o7777, found.len()), (after, 5), "{before:o}");
        // The inode stays: that is how a later run recognises what it published.
        let state = lock.destination().expect("destination").expect("there");
        assert_eq!((state.id, state.len), (id, 5));
        assert!(!scratch.path(&name).exists());
        // Who had the old file open still reads the old file.
        let mut buf = [0; 3];
        old.read_exact_at(&mut buf, 0).expect("read");
        assert_eq!(&buf, b"old");
        assert_kind(old.check(), FsErrorKind::Storage);
    }
}

/// Faults: 85.
#[test]
fn creating_new_refuses_what_is_there_and_keeps_the_partial_file() {
    let scratch = Scratch::new();
    let lock = scratch.lock("a");
    let partial = scratch.partial(&*lock, b"new");
    fs::write(scratch.path("a"), b"old").expect("write");
    let name = lock.partial_name(SUFFIX);
    assert_kind(lock.publish(&*partial, &name, PublishMode::CreateNew), FsErrorKind::Exists);
    assert_eq!(fs::read(scratch.path("a")).expect("read"), b"old");
    assert_eq!(fs::read(scratch.path(&name)).expect("read"), b"new");
    fs::remove_file(scratch.path("a")).expect("remove");
    lock.publish(&*partial, &name, PublishMode::CreateNew).expect("publish");
    assert_eq!(fs::read(scratch.path("a")).expect("read"), b"new");
    assert!(!scratch.path(&name).exists());
}

#[test]
fn a_partial_file_exchanged_under_us_is_not_published() {
    let scratch = Scratch::new();
    let lock = scratch.lock("a");
    let partial = scratch.partial(&*lock, b"abc");
    let name = lock.partial_name(SUFFIX);
    fs::rename(scratch.path(&name), scratch.path("stolen")).expect("rename");
    fs::write(scratch.path(&name), b"evil").expect("write");
    let error =
        assert_kind(lock.publish(&*partial, &name, PublishMode::Replace), FsErrorKind::Storage);
    assert!(error.to_string().contains("exchanged"), "{error}");
    fs::remove_file(scratch.path(&name)).expect("remove");
    assert_kind(lock.publish(&*partial, &name, PublishMode::Replace), FsErrorKind::Storage);
    fs::remove_file(scratch.path("stolen")).expect("remove");
    let error =
        assert_kind(lock.publish(&*partial, &name, PublishMode::Replace), FsErrorKind::Storage);
    assert!(error.to_string().contains("removed"), "{error}");
    assert!(!scratch.path("a").exists());
}

#[test]
fn what_stands_at_the_destination_can_be_read_and_synced_but_not_written() {
    let scratch = Scratch::new();
    let lock = scratch.lock("a");
    assert!(lock.destination().expect("destination").is_none());
    assert!(lock.open_destination().expect("open").is_none());
    fs::write(scratch.path("a"), b"old").expect("write");
    let file = lock.open_destination().expect("open").expect("there");
    let mut buf = [0; 3];
    file.read_exact_at(&mut buf, 0).expect("read");
    assert_eq!(&buf, b"old");
    file.sync_data().expect("sync");
    assert_kind(file.write_all_at(b"x", 0), FsErrorKind::Storage);
    assert_kind(file.resize(0), FsErrorKind::Storage);
    let state = lock.destination().expect("destination").expect("there");
    assert_eq!(file.check().expect("check"), (state.id, state.len));
    assert_eq!(fs::read(scratch.path("a")).expect("read"), b"old");
}

/// Elsewhere a name's state is read by the path that the directory had.
/// Faults: 88.
#[cfg(target_os = "linux")]
#[test]
fn a_directory_renamed_meanwhile_is_still_the_destinations() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("old")).expect("mkdir");
    let lock = scratch.lock("old/a");
    let partial = scratch.partial(&*lock, b"abc");
    fs::rename(scratch.path("old"), scratch.path("new")).expect("rename");
    lock.publish(&*partial, &lock.partial_name(SUFFIX), PublishMode::Replace).expect("publish");
    lock.remove_checkpoint().expect("remove");
    assert_eq!(support::names_in(&scratch.path("new")), ["a"]);
}

/// Faults: 88.
#[test]
fn a_directory_removed_meanwhile_is_a_storage_error() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("dir")).expect("mkdir");
    let lock = scratch.lock("dir/a");
    let partial = scratch.partial(&*lock, b"abc");
    fs::remove_dir_all(scratch.path("dir")).expect("remove");
    let published = lock.publish(&*partial, &lock.partial_name(SUFFIX), PublishMode::Replace);
    assert_kind(published, FsErrorKind::Storage);
    let created = lock.create_partial(&lock.partial_name("aaaaaaaaaaaaaaaa"), 1);
    assert_kind(created, FsErrorKind::Storage);
}

/// A lock whose partial files nothing names.
fn lock_without_checkpoint(scratch: &Scratch) -> Arc<dyn DestinationLock> {
    let mut place = Place::new(scratch.path("a"));
    place.unfinished = Unfinished::Remove;
    scratch.fs.lock(&place, Syncing::Full).expect("lock")
}

#[test]
fn what_nobody_can_finish_goes_with_the_lock_and_what_is_published_stays() {
    let scratch = Scratch::new();
    let lock = lock_without_checkpoint(&scratch);
    let published = scratch.partial(&*lock, b"abc");
    lock.publish(&*published, &lock.partial_name(SUFFIX), PublishMode::Replace).expect("publish");
    let unfinished = scratch.partial(&*lock, b"abc");
    drop(lock);
    assert_eq!(scratch.names().len(), 3, "whoever can still write keeps it");
    drop((published, unfinished));
    assert_eq!(scratch.names(), ["a"]);
}

/// Faults: 85.
#[test]
fn what_nobody_can_finish_and_may_not_replace_goes_at_once() {
    let scratch = Scratch::new();
    let lock = lock_without_checkpoint(&scratch);
    let partial = scratch.partial(&*lock, b"new");
    fs::write(scratch.path("a"), b"old").expect("write");
    let name = lock.partial_name(SUFFIX);
    assert_kind(lock.publish(&*partial, &name, PublishMode::CreateNew), FsErrorKind::Exists);
    assert!(!scratch.path(&name).exists());
    assert_eq!(fs::read(scratch.path("a")).expect("read"), b"old");
}
