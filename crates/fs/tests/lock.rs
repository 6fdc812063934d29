//! Taking, holding and leaving the lock of a destination.
#![cfg(unix)]

mod support;

use ossget_fs::{FileSystem as _, FsErrorKind, NativeFileSystem, Place, PublishMode, Syncing};
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use support::{SUFFIX, Scratch, assert_kind, names_in};

fn mkfifo(path: &Path) {
    let status = Command::new("mkfifo").arg(path).status().expect("mkfifo");
    assert!(status.success());
}

#[test]
fn a_second_lock_in_one_process_is_refused_as_locked() {
    let scratch = Scratch::new();
    let lock = scratch.lock("a");
    assert_kind(scratch.try_lock("a"), FsErrorKind::Locked);
    let other = NativeFileSystem::new().lock(&Place::new(scratch.path("a")), Syncing::Skip);
    assert_kind(other, FsErrorKind::Locked);
    scratch.lock("b");
    drop(lock);
    scratch.lock("a");
}

#[test]
fn one_destination_by_two_paths_is_one_lock() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("real")).expect("mkdir");
    symlink("real", scratch.path("alias")).expect("symlink");
    let _lock = scratch.lock("real/a");
    for alias in ["alias/a", "real/../alias/./a"] {
        assert_kind(scratch.try_lock(alias), FsErrorKind::Locked);
    }
}

#[test]
fn whoever_can_still_write_keeps_the_lock() {
    let scratch = Scratch::new();
    let lock = scratch.lock("a");
    let partial = scratch.partial(&*lock, b"abc");
    let checkpoint = lock.checkpoint();
    drop(lock);
    assert_kind(scratch.try_lock("a"), FsErrorKind::Locked);
    drop(partial);
    assert_kind(scratch.try_lock("a"), FsErrorKind::Locked);
    drop(checkpoint);
    scratch.lock("a");
}

#[test]
fn a_lock_that_recorded_nothing_leaves_nothing() {
    let scratch = Scratch::new();
    drop(scratch.lock("a"));
    assert!(scratch.names().is_empty(), "{:?}", scratch.names());
}

#[test]
fn a_checkpoint_with_content_outlives_the_lock_until_it_is_removed() {
    let scratch = Scratch::new();
    let lock = scratch.lock("a");
    lock.checkpoint().reset(3).expect("reset");
    lock.checkpoint().write_all_at(b"abc", 0).expect("write");
    lock.checkpoint().sync_all().expect("sync");
    drop(lock);
    let lock = scratch.lock("a");
    let mut buf = [0; 8];
    assert_eq!(lock.checkpoint().read_at(&mut buf, 1).expect("read"), 2);
    assert_eq!(&buf[..2], b"bc");
    lock.remove_checkpoint().expect("remove");
    assert!(scratch.names().is_empty());
    lock.remove_checkpoint().expect("removing again changes nothing");
}

#[test]
fn removing_the_checkpoint_spares_the_one_of_a_successor() {
    let scratch = Scratch::new();
    let old = scratch.lock("a");
    old.checkpoint().reset(1).expect("reset");
    old.remove_checkpoint().expect("remove");
    let new = scratch.lock("a");
    new.checkpoint().reset(2).expect("reset");
    old.remove_checkpoint().expect("nothing to remove");
    drop(old);
    assert_eq!(scratch.names().len(), 1);
    drop(new);
    assert_eq!(scratch.names().len(), 1);
}

/// Faults: 101.
#[test]
fn a_thousand_races_with_finishing_runs_never_let_two_in() {
    let scratch = Scratch::new();
    let inside = AtomicUsize::new(0);
    let entered = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while entered.load(Ordering::Relaxed) < 1000 {
                    let Ok(lock) = scratch.try_lock("a") else { continue };
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two at once");
                    lock.checkpoint().reset(1).expect("reset");
                    entered.fetch_add(1, Ordering::Relaxed);
                    inside.fetch_sub(1, Ordering::SeqCst);
                    lock.remove_checkpoint().expect("remove");
                }
            });
        }
    });
    assert!(scratch.names().is_empty());
}

/// Faults: 84.
#[test]
fn destinations_that_are_no_regular_files_are_refused_and_untouched() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("dir")).expect("mkdir");
    mkfifo(&scratch.path("fifo"));
    let _socket = std::os::unix::net::UnixListener::bind(scratch.path("sock")).expect("bind");
    fs::write(scratch.path("target"), b"old").expect("write");
    symlink("target", scratch.path("link")).expect("symlink");
    symlink("nowhere", scratch.path("dangling")).expect("symlink");
    let before = scratch.names();
    for name in ["dir", "fifo", "sock", "link", "dangling", "dir/", "dir/.", "new/", "..", "/"] {
        assert_kind(scratch.try_lock(name), FsErrorKind::Refused);
    }
    assert_eq!(scratch.names(), before);
    assert!(fs::metadata(scratch.path("fifo")).expect("metadata").file_type().is_fifo());
    assert_eq!(fs::read(scratch.path("target")).expect("read"), b"old");
}

/// Faults: 84.
#[test]
fn a_device_is_refused_and_no_file_is_made_beside_it() {
    let scratch = Scratch::new();
    let null = fs::metadata("/dev/null").expect("metadata");
    let error = assert_kind(scratch.try_lock("/dev/null"), FsErrorKind::Refused);
    assert!(error.to_string().contains("device"), "{error}");
    assert!(!names_in(Path::new("/dev")).iter().any(|name| name.contains("ossget")));
    assert_eq!(fs::metadata("/dev/null").expect("metadata").ino(), null.ino());
}

#[test]
fn a_destination_that_becomes_something_else_under_the_lock_is_refused_at_publish() {
    let scratch = Scratch::new();
    let lock = scratch.lock("a");
    let partial = scratch.partial(&*lock, b"abc");
    mkfifo(&scratch.path("a"));
    assert_kind(lock.destination(), FsErrorKind::Refused);
    assert_kind(lock.open_destination(), FsErrorKind::Refused);
    let name = lock.partial_name(SUFFIX);
    let published = lock.publish(&*partial, &name, PublishMode::Replace);
    assert_kind(published, FsErrorKind::Refused);
    assert!(fs::metadata(scratch.path("a")).expect("metadata").file_type().is_fifo());
    assert!(scratch.path(&name).exists());
}

#[test]
fn a_followed_link_is_resolved_once_and_stays_a_link() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("sub")).expect("mkdir");
    fs::write(scratch.path("sub/target"), b"old").expect("write");
    symlink("sub/target", scratch.path("link")).expect("symlink");
    symlink("link", scratch.path("chain")).expect("symlink");
    for name in ["link", "chain"] {
        let mut place = Place::new(scratch.path(name));
        place.follow_symlink = true;
        let lock = scratch.fs.lock(&place, Syncing::Full).expect("lock");
        let canonical = scratch.dir().canonicalize().expect("canonicalize").join("sub/target");
        assert_eq!(lock.canonical_destination(), canonical);
        assert_eq!(lock.file_name(), "target");
        let partial = scratch.partial(&*lock, name.as_bytes());
        let partial_name = lock.partial_name(SUFFIX);
        lock.publish(&*partial, &partial_name, PublishMode::Replace).expect("publish");
        assert_eq!(fs::read(scratch.path("sub/target")).expect("read"), name.as_bytes());
        assert!(scratch.path(name).is_symlink());
    }
    symlink("nowhere", scratch.path("dangling")).expect("symlink");
    symlink("/dev/null", scratch.path("device")).expect("symlink");
    for (name, kind) in [("dangling", FsErrorKind::Storage), ("device", FsErrorKind::Refused)] {
        let mut place = Place::new(scratch.path(name));
        place.follow_symlink = true;
        assert_kind(scratch.fs.lock(&place, Syncing::Full), kind);
    }
}

#[test]
fn a_missing_or_impossible_directory_is_a_storage_error_that_names_it() {
    let scratch = Scratch::new();
    fs::write(scratch.path("file"), b"").expect("write");
    for name in ["missing/a", "file/a"] {
        let error = assert_kind(scratch.try_lock(name), FsErrorKind::Storage);
        assert!(error.to_string().contains("directory"), "{error}");
        assert_eq!(error.path(), scratch.path(name).parent().expect("parent"));
    }
    assert_kind(scratch.try_lock(&"x".repeat(256)), FsErrorKind::Storage);
    // No file can be created in /proc, even by root: the stand-in for a directory one may not
    // write to.
    let error = assert_kind(scratch.try_lock("/proc/ossget-test"), FsErrorKind::Storage);
    assert!(error.to_string().contains("lock"), "{error}");
    let place = Place::new(scratch.path("a")).checkpoint_dir(Some(scratch.path("missing")));
    let error = assert_kind(scratch.fs.lock(&place, Syncing::Full), FsErrorKind::Storage);
    assert!(error.to_string().contains("checkpoint directory"), "{error}");
}

#[test]
fn a_relative_destination_lies_in_the_working_directory() {
    let lock = NativeFileSystem::new().lock(&Place::new("ossget-relative-test"), Syncing::Skip);
    let expected = std::env::current_dir().expect("cwd").canonicalize().expect("canonicalize");
    let lock = lock.expect("lock");
    assert_eq!(lock.canonical_destination(), expected.join("ossget-relative-test"));
}

/// Faults: 96, 144.
#[test]
fn a_planted_checkpoint_is_refused_and_untouched() {
    let scratch = Scratch::new();
    let path = scratch.checkpoint_path("a");
    let victim = scratch.path("victim");
    let plant: [(&str, &dyn Fn()); 7] = [
        ("link", &|| symlink("victim", &path).expect("symlink")),
        ("dangling link", &|| symlink("nowhere", &path).expect("symlink")),
        ("hard link", &|| fs::hard_link(&victim, &path).expect("link")),
        ("FIFO", &|| mkfifo(&path)),
        ("directory", &|| fs::create_dir(&path).expect("mkdir")),
        ("writable by a group", &|| write_with_mode(&path, 0o620)),
        ("writable by all", &|| write_with_mode(&path, 0o602)),
    ];
    for (what, plant) in plant {
        write_with_mode(&victim, 0o600);
        plant();
        let before = scratch.names();
        let error = assert_kind(scratch.try_lock("a"), FsErrorKind::Refused);
        assert!(error.path().ends_with(path.file_name().expect("name")), "{what}: {error}");
        assert_eq!(scratch.names(), before, "{what}");
        assert_eq!(fs::read(&victim).expect("read"), b"victim", "{what}");
        if what == "directory" {
            fs::remove_dir(&path).expect("rmdir");
        } else {
            fs::remove_file(&path).expect("remove");
        }
    }
    assert!(!scratch.path("nowhere").exists());
}

fn write_with_mode(path: &Path, mode: u32) {
    fs::write(path, b"victim").expect("write");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
}

/// Faults: 96, 144.
#[test]
fn a_checkpoint_that_another_user_owns_is_refused() {
    let scratch = Scratch::new();
    let path = scratch.checkpoint_path("a");
    write_with_mode(&path, 0o600);
    if std::os::unix::fs::chown(&path, Some(12345), None).is_err() {
        support::skipped("only root can give a file to another user");
        return;
    }
    let error = assert_kind(scratch.try_lock("a"), FsErrorKind::Refused);
    assert!(error.to_string().contains("another user"), "{error}");
    assert_eq!(fs::read(&path).expect("read"), b"victim");
}

#[test]
fn a_new_checkpoint_is_private() {
    let scratch = Scratch::new();
    let _lock = scratch.lock("a");
    let names = scratch.names();
    let mode = fs::metadata(scratch.path(&names[0])).expect("metadata").mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn a_directory_reached_by_another_path_leads_to_the_same_lock() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("old")).expect("mkdir");
    let lock = scratch.fs.lock(&Place::new(scratch.path("old/a")), Syncing::Full).expect("lock");
    lock.checkpoint().reset(5).expect("reset");
    fs::rename(scratch.path("old"), scratch.path("new")).expect("rename");
    let moved = Place::new(scratch.path("new/a"));
    assert_kind(scratch.fs.lock(&moved, Syncing::Full), FsErrorKind::Locked);
    drop(lock);
    let lock = scratch.fs.lock(&moved, Syncing::Full).expect("lock");
    assert_eq!(lock.checkpoint().len().expect("len"), 5);
}

#[test]
fn the_checkpoint_lies_in_its_own_directory_and_the_lock_beside_the_destination() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("cp")).expect("mkdir");
    let place = Place::new(scratch.path("a")).checkpoint_dir(Some(scratch.path("cp")));
    let lock = scratch.fs.lock(&place, Syncing::Full).expect("lock");
    lock.checkpoint().reset(5).expect("reset");
    lock.checkpoint().sync_all().expect("sync");
    let [name] = &names_in(&scratch.path("cp"))[..] else { panic!("one checkpoint") };
    let [beside, dir] = &scratch.names()[..] else { panic!("a lock file and a directory") };
    assert_eq!(dir, "cp");
    assert_ne!(beside, name, "one depends on the name alone, the other on the whole path");
    assert_eq!(fs::metadata(scratch.path(beside)).expect("metadata").len(), 0);
    assert_eq!(fs::metadata(scratch.path("cp").join(name)).expect("metadata").len(), 5);
    assert!(lock.is_checkpoint_elsewhere());
    // The lock is always beside the destination: it also holds off a run without the option.
    assert_kind(scratch.try_lock("a"), FsErrorKind::Locked);
    assert_kind(scratch.fs.lock(&place, Syncing::Full), FsErrorKind::Locked);
    let found = scratch.fs.find_checkpoint(&place).expect("find").expect("there");
    assert_eq!(found.holder, ossget_fs::Holder::Run);
    drop(lock);
    assert_eq!(scratch.names(), ["cp"], "the lock file goes with the lock");
    let lock = scratch.fs.lock(&place, Syncing::Full).expect("lock");
    assert_eq!(lock.checkpoint().len().expect("len"), 5);
    lock.remove_checkpoint().expect("remove");
    assert_eq!(scratch.names(), ["cp"]);
    assert!(names_in(&scratch.path("cp")).is_empty());
}

#[test]
fn a_checkpoint_directory_that_is_the_destinations_own_changes_nothing() {
    let scratch = Scratch::new();
    let place = Place::new(scratch.path("a")).checkpoint_dir(Some(scratch.path(".")));
    let lock = scratch.fs.lock(&place, Syncing::Full).expect("lock");
    lock.checkpoint().reset(5).expect("reset");
    assert!(!lock.is_checkpoint_elsewhere());
    drop(lock);
    assert_eq!(scratch.lock("a").checkpoint().len().expect("len"), 5);
}

#[test]
fn a_checkpoint_beside_the_destination_is_not_taken_for_an_empty_lock_file() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("cp")).expect("mkdir");
    scratch.lock("a").checkpoint().reset(5).expect("reset");
    let before = scratch.names();
    let place = Place::new(scratch.path("a")).checkpoint_dir(Some(scratch.path("cp")));
    assert_kind(scratch.fs.lock(&place, Syncing::Full), FsErrorKind::Refused);
    assert_eq!(scratch.names(), before);
    assert!(names_in(&scratch.path("cp")).is_empty());
}

#[test]
fn names_of_the_greatest_length_work_from_lock_to_publish() {
    for name in ["x".repeat(255), "é".repeat(127) + "x", "x".to_owned() + &"漢".repeat(84)] {
        let scratch = Scratch::new();
        assert!(name.len() >= 253, "{}", name.len());
        let lock = scratch.lock(&name);
        lock.checkpoint().reset(1).expect("reset");
        let partial = scratch.partial(&*lock, b"abc");
        assert_eq!(scratch.names().len(), 2, "names() also checks that they are UTF-8");
        let partial_name = lock.partial_name(SUFFIX);
        lock.publish(&*partial, &partial_name, PublishMode::Replace).expect("publish");
        lock.remove_checkpoint().expect("remove");
        assert_eq!(scratch.names(), [name]);
    }
}

#[test]
fn a_checkpoint_is_reset_to_zeros_and_never_grows_by_a_write() {
    let scratch = Scratch::new();
    let lock = scratch.lock("a");
    let checkpoint = lock.checkpoint();
    checkpoint.reset(8192).expect("reset");
    checkpoint.write_all_at(&[7; 8192], 0).expect("write");
    checkpoint.sync_data().expect("sync");
    checkpoint.reset(8200).expect("reset");
    let mut buf = vec![1; 9000];
    assert_eq!(checkpoint.read_at(&mut buf, 0).expect("read"), 8200);
    assert_eq!(buf[..8200], [0; 8200]);
    checkpoint.write_all_at(&[7; 8], 8192).expect("up to the end");
    for offset in [8193, 9000, u64::MAX] {
        assert_kind(checkpoint.write_all_at(&[7; 8], offset), FsErrorKind::Storage);
    }
    assert_eq!(checkpoint.len().expect("len"), 8200);
    assert_kind(checkpoint.reset(u64::MAX), FsErrorKind::TooLarge);
    assert!(checkpoint.is_empty().expect("is_empty"), "what was reserved is given back");
}
