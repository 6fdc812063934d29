//! Getting past a checkpoint that is refused, where the user asks for it.
#![cfg(unix)]

mod support;

use ossget_fs::{DestinationLock, FileSystem as _, FsError, FsErrorKind, Place, Syncing, Unusable};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::Arc;
use support::{Scratch, assert_kind, skipped};

/// Locks `a`, whatever lies in the place of its checkpoint.
fn lock_anew(scratch: &Scratch) -> Result<Arc<dyn DestinationLock>, FsError> {
    let mut place = Place::new(scratch.path("a"));
    place.unusable = Unusable::Remove;
    scratch.fs.lock(&place, Syncing::Full)
}

/// Faults: 144.
#[test]
fn what_is_in_the_way_goes_and_nothing_it_leads_to_is_touched() {
    let scratch = Scratch::new();
    let path = scratch.checkpoint_path("a");
    let victim = scratch.path("victim");
    let plant: [(&str, &dyn Fn()); 7] = [
        ("link", &|| symlink("victim", &path).expect("symlink")),
        ("dangling link", &|| symlink("nowhere", &path).expect("symlink")),
        ("hard link", &|| fs::hard_link(&victim, &path).expect("link")),
        ("FIFO", &|| {
            let made = Command::new("mkfifo").arg(&path).status().expect("mkfifo");
            assert!(made.success());
        }),
        ("socket", &|| drop(UnixListener::bind(&path).expect("bind"))),
        ("writable by all", &|| {
            fs::write(&path, "planted").expect("write");
            fs::set_permissions(&path, Permissions::from_mode(0o602)).expect("chmod");
        }),
        ("link to a directory", &|| symlink(".", &path).expect("symlink")),
    ];
    fs::write(&victim, "victim").expect("write");
    fs::set_permissions(&victim, Permissions::from_mode(0o600)).expect("chmod");
    for (what, plant) in plant {
        plant();
        assert_kind(scratch.try_lock("a"), FsErrorKind::Refused);
        let lock = lock_anew(&scratch).expect(what);
        lock.checkpoint().reset(4).expect("reset");
        assert_eq!(fs::read(&victim).expect("read"), b"victim", "{what}");
        assert_eq!(fs::symlink_metadata(&path).expect("there").len(), 4, "{what}");
        assert_kind(lock_anew(&scratch), FsErrorKind::Locked);
        lock.remove_checkpoint().expect("remove");
    }
    assert_eq!(scratch.names(), ["victim"]);
}

/// Faults: 96.
#[test]
fn another_owners_checkpoint_goes_where_that_is_wanted() {
    let scratch = Scratch::new();
    let path = scratch.checkpoint_path("a");
    fs::write(&path, "theirs").expect("write");
    if chown(&path, Some(12345), None).is_err() {
        return skipped("only root can give a file to another user");
    }
    assert_kind(scratch.try_lock("a"), FsErrorKind::Refused);
    let lock = lock_anew(&scratch).expect("lock");
    assert!(lock.checkpoint().is_empty().expect("len"));
}

#[test]
fn one_that_another_run_holds_stays() {
    let scratch = Scratch::new();
    let path = scratch.checkpoint_path("a");
    let held = scratch.lock("a");
    fs::set_permissions(&path, Permissions::from_mode(0o666)).expect("chmod");
    assert_kind(lock_anew(&scratch), FsErrorKind::Locked);
    assert!(path.exists());
    drop(held);
    lock_anew(&scratch).expect("nobody holds it any more");
}

#[test]
fn a_directory_is_refused_whatever_is_wanted() {
    let scratch = Scratch::new();
    let path = scratch.checkpoint_path("a");
    fs::create_dir(&path).expect("mkdir");
    assert_kind(lock_anew(&scratch), FsErrorKind::Refused);
    assert!(path.is_dir());
}

#[test]
fn a_destination_that_is_refused_stays_refused() {
    let scratch = Scratch::new();
    symlink("elsewhere", scratch.path("a")).expect("symlink");
    assert_kind(lock_anew(&scratch), FsErrorKind::Refused);
    assert_eq!(scratch.names(), ["a"]);
}
