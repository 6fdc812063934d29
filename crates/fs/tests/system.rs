//! What needs its own process or a mounted file system: the umask, another user, a full disk, a
//! destination that is a mount point.
#![cfg(target_os = "linux")]

mod support;

use ossget_fs::{FileSystem as _, FsErrorKind, NativeFileSystem, Place};
use ossget_fs::{PublishMode, Syncing};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{SUFFIX, Scratch, assert_kind};

/// A file system mounted for one test; `None`, loudly, where that is not allowed.
struct Mounted {
    at: PathBuf,
}

impl Mounted {
    fn new(at: &Path, arguments: &[&str]) -> Option<Self> {
        let output = Command::new("mount").args(arguments).arg(at).output().ok()?;
        if output.status.success() {
            return Some(Self { at: at.to_owned() });
        }
        support::skipped(&format!("cannot mount: {}", String::from_utf8_lossy(&output.stderr)));
        None
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.at).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "{} stays", self.at.display());
    }
}

/// Runs one ignored test of this file in its own process with `work` as the directory.
fn in_own_process(test: &str, work: &Path, adjust: impl FnOnce(&mut Command)) {
    let exe = std::env::current_exe().expect("own path");
    let mut command = Command::new("sh");
    command.args(["-c", "umask \"$MASK\"; exec \"$@\"", "sh"]).arg(&exe);
    command.args(["--exact", test, "--ignored", "--nocapture"]).env(WORK, work);
    command.env("MASK", "022");
    adjust(&mut command);
    let output = command.output().expect("own process");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

fn work() -> PathBuf {
    std::env::var_os(WORK).expect("run by another test").into()
}

const WORK: &str = "OSSGET_FS_TEST_WORK";

fn publish_at(destination: PathBuf) -> Result<(), ossget_fs::FsError> {
    let lock = NativeFileSystem::new().lock(&Place::new(destination), Syncing::Full)?;
    let name = lock.partial_name(SUFFIX);
    let partial = lock.create_partial(&name, 3)?;
    partial.write_all_at(b"abc", 0)?;
    lock.publish(&*partial, &name, PublishMode::Replace)?;
    lock.remove_checkpoint()
}

#[test]
fn the_umask_decides_on_the_permissions_of_a_new_file() {
    for (mask, mode) in [("022", 0o644), ("027", 0o640), ("077", 0o600), ("002", 0o664)] {
        let scratch = Scratch::new();
        in_own_process("publish_under_a_mask", scratch.dir(), |command| {
            command.env("MASK", mask);
        });
        let found = fs::metadata(scratch.path("a")).expect("metadata");
        assert_eq!(found.mode() & 0o7777, mode, "umask {mask}");
    }
}

#[test]
#[ignore = "run by the_umask_decides_on_the_permissions_of_a_new_file"]
fn publish_under_a_mask() {
    publish_at(work().join("a")).expect("publish");
}

#[test]
fn a_user_without_privileges_is_told_clearly_what_is_not_allowed() {
    let scratch = Scratch::new();
    let exe = std::env::current_exe().expect("own path");
    let binary = scratch.path("tests");
    // The build directory may be closed to other users.
    // Copied by another process: a fork of another test could keep our descriptor for writing
    // open for a moment, and a file that is being written to cannot be run.
    assert!(Command::new("cp").arg(exe).arg(&binary).status().expect("cp").success());
    let work = scratch.path("work");
    fs::create_dir(&work).expect("mkdir");
    let given = [scratch.dir(), &work].map(|dir| {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).expect("chmod");
        std::os::unix::fs::chown(dir, Some(NOBODY), None)
    });
    if given.iter().any(Result::is_err) {
        support::skipped("only root can become another user");
        return;
    }
    for dir in ["closed", "foreign"] {
        fs::create_dir(work.join(dir)).expect("mkdir");
    }
    fs::set_permissions(work.join("closed"), fs::Permissions::from_mode(0o555)).expect("chmod");
    std::os::unix::fs::chown(work.join("foreign"), Some(NOBODY), None).expect("chown");
    // A checkpoint that root left with content.
    let lock = scratch.fs.lock(&Place::new(work.join("foreign/a")), Syncing::Full).expect("lock");
    lock.checkpoint().reset(1).expect("reset");
    drop(lock);
    let mut command = Command::new(&binary);
    command.args(["--exact", "act_as_nobody", "--ignored", "--nocapture"]).env(WORK, &work);
    let output = command.uid(NOBODY).output().expect("own process");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "run by a_user_without_privileges_is_told_clearly_what_is_not_allowed"]
fn act_as_nobody() {
    let work = work();
    let error = assert_kind(publish_at(work.join("closed/a")), FsErrorKind::Storage);
    assert!(error.to_string().contains("cannot create"), "{error}");
    assert_kind(publish_at(work.join("foreign/a")), FsErrorKind::Refused);
    // A file of mode 0444 is replaced, and so is one whose permissions a dead run already gave
    // to the partial file.
    fs::write(work.join("b"), b"old").expect("write");
    fs::set_permissions(work.join("b"), fs::Permissions::from_mode(0o444)).expect("chmod");
    let lock = NativeFileSystem::new().lock(&Place::new(work.join("b")), Syncing::Full);
    let lock = lock.expect("lock");
    let name = lock.partial_name(SUFFIX);
    drop(lock.create_partial(&name, 3).expect("create"));
    let path = work.join(&name);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).expect("chmod");
    let partial = lock.open_partial(&name).expect("open").expect("there").file;
    partial.write_all_at(b"new", 0).expect("write");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).expect("chmod");
    lock.publish(&*partial, &name, PublishMode::Replace).expect("publish");
    let found = fs::metadata(work.join("b")).expect("metadata");
    assert_eq!(
        (found.mode() & 0o7777, fs::read(work.join("b")).expect("read")),
        (0o444, b"new".to_vec())
    );
}

const NOBODY: u32 = 65534;

#[test]
fn a_full_disk_refuses_the_reservation_and_gets_everything_back() {
    let scratch = Scratch::new();
    let Some(_mounted) = Mounted::new(scratch.dir(), &["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
    else {
        return;
    };
    let lock = scratch.lock("a");
    let before = (scratch.names(), rustix::fs::statvfs(scratch.dir()).expect("statvfs").f_bfree);
    let name = lock.partial_name(SUFFIX);
    assert_kind(lock.create_partial(&name, 2 << 20), FsErrorKind::NoSpace);
    let after = (scratch.names(), rustix::fs::statvfs(scratch.dir()).expect("statvfs").f_bfree);
    assert_eq!(after, before);
    assert_kind(lock.checkpoint().reset(2 << 20), FsErrorKind::NoSpace);
    assert!(lock.checkpoint().is_empty().expect("is_empty"));
    // Reserved space is really there: the rest of the disk is filled, writing still works.
    let partial = lock.create_partial(&name, 512 << 10).expect("create");
    let rest = fs::write(scratch.path("rest"), vec![1; 1 << 20]).expect_err("full");
    assert_eq!(rest.kind(), std::io::ErrorKind::StorageFull);
    partial.write_all_at(&vec![7; 512 << 10], 0).expect("write into the reservation");
    assert_kind(partial.write_all_at(&[7; 8192], 512 << 10), FsErrorKind::NoSpace);
    assert_kind(partial.resize(900 << 10), FsErrorKind::NoSpace);
    assert_eq!(partial.check().expect("check").1, 512 << 10);
    partial.sync_data().expect("a failed write is not a failed sync");
}

#[test]
fn what_a_journalling_file_system_gave_in_part_goes_back() {
    let scratch = Scratch::new();
    let disk = scratch.path("disk");
    fs::create_dir(&disk).expect("mkdir");
    let image = scratch.path("image");
    fs::File::create(&image).expect("create").set_len(64 << 20).expect("extend");
    let made = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image).status();
    if !made.is_ok_and(|status| status.success()) {
        return support::skipped("no mkfs.ext4");
    }
    let image = image.to_str().expect("UTF-8");
    let Some(_mounted) = Mounted::new(&disk, &["-o", "loop", image]) else { return };
    let lock = scratch.lock("disk/a");
    let before = support::names_in(&disk);
    let free = rustix::fs::statvfs(&disk).expect("statvfs").f_bfree;
    let name = lock.partial_name(SUFFIX);
    for (size, kind) in [
        (1 << 30, FsErrorKind::NoSpace),
        (1 << 50, FsErrorKind::TooLarge),
        (i64::MAX as u64, FsErrorKind::TooLarge),
    ] {
        assert_kind(lock.create_partial(&name, size), kind);
        assert_eq!(support::names_in(&disk), before);
        assert_eq!(rustix::fs::statvfs(&disk).expect("statvfs").f_bfree, free);
    }
    let partial = lock.create_partial(&name, 1 << 20).expect("create");
    assert_kind(partial.resize(1 << 30), FsErrorKind::NoSpace);
    assert_eq!(partial.check().expect("check").1, 1 << 20);
    assert_kind(partial.write_all_at(b"x", 1 << 50), FsErrorKind::TooLarge);
    partial.sync_data().expect("sync");
    drop(partial);
    lock.remove_partial(&name).expect("remove");
    assert_eq!(rustix::fs::statvfs(&disk).expect("statvfs").f_bfree, free);
}

#[test]
fn a_destination_that_is_a_mount_point_keeps_the_complete_partial_file() {
    let scratch = Scratch::new();
    fs::write(scratch.path("a"), b"old").expect("write");
    fs::write(scratch.path("source"), b"mounted").expect("write");
    let source = scratch.path("source");
    let source = source.to_str().expect("UTF-8");
    let Some(mounted) = Mounted::new(&scratch.path("a"), &["--bind", source]) else { return };
    let lock = scratch.lock("a");
    let partial = scratch.partial(&*lock, b"new");
    let name = lock.partial_name(SUFFIX);
    let published = lock.publish(&*partial, &name, PublishMode::Replace);
    let error = assert_kind(published, FsErrorKind::Storage);
    assert!(error.to_string().contains("complete, verified file is kept"), "{error}");
    assert_eq!(error.path(), lock.canonical_destination().with_file_name(&name));
    assert_eq!(fs::read(error.path()).expect("read"), b"new");
    drop(mounted);
    lock.publish(&*partial, &name, PublishMode::Replace).expect("a later attempt succeeds");
    assert_eq!(fs::read(scratch.path("a")).expect("read"), b"new");
}
