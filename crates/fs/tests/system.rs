//! What needs its own process or a mounted file system: the umask, another user, a full disk, a
//! destination that is a mount point.
#![cfg(target_os = "linux")]

mod support;

use ossget_fs::{Caveat, FileSystem as _, FsError, FsErrorKind, NativeFileSystem, Place};
use ossget_fs::{PublishMode, Syncing, Unusable, is_on_disk, make_directories};
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

/// Runs one test of this file again in its own process, with `work` as the directory: there it
/// finds [`own_work`] and does what needs that process.
fn in_own_process(test: &str, work: &Path, adjust: impl FnOnce(&mut Command)) {
    let exe = std::env::current_exe().expect("own path");
    let mut command = Command::new("sh");
    command.args(["-c", "umask \"$MASK\"; exec \"$@\"", "sh"]).arg(&exe);
    command.args(["--exact", test, "--nocapture"]).env(WORK, work);
    command.env("MASK", "022");
    adjust(&mut command);
    let output = command.output().expect("own process");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// The directory to work in, in the process that a test has started for itself.
fn own_work() -> Option<PathBuf> {
    std::env::var_os(WORK).map(PathBuf::from)
}

const WORK: &str = "OSSGET_FS_TEST_WORK";

fn publish_at(destination: PathBuf, syncing: Syncing) -> Result<(), FsError> {
    let lock = NativeFileSystem::new().lock(&Place::new(destination), syncing)?;
    let name = lock.partial_name(SUFFIX);
    let partial = lock.create_partial(&name, 3)?;
    partial.write_all_at(b"abc", 0)?;
    lock.publish(&*partial, &name, PublishMode::Replace)?;
    lock.remove_checkpoint()
}

#[test]
fn the_umask_decides_on_the_permissions_of_a_new_file() {
    if let Some(work) = own_work() {
        return publish_at(work.join("a"), Syncing::Full).expect("publish");
    }
    let this = "the_umask_decides_on_the_permissions_of_a_new_file";
    for (mask, mode) in [("022", 0o644), ("027", 0o640), ("077", 0o600), ("002", 0o664)] {
        let scratch = Scratch::new();
        in_own_process(this, scratch.dir(), |command| {
            command.env("MASK", mask);
        });
        let found = fs::metadata(scratch.path("a")).expect("metadata");
        assert_eq!(found.mode() & 0o7777, mode, "umask {mask}");
    }
}

#[test]
fn a_user_without_privileges_is_told_clearly_what_is_not_allowed() {
    if let Some(work) = own_work() {
        return act_as_nobody(&work);
    }
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
    command.args(["--exact", "a_user_without_privileges_is_told_clearly_what_is_not_allowed"]);
    command.arg("--nocapture").env(WORK, &work);
    let output = command.uid(NOBODY).output().expect("own process");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

fn act_as_nobody(work: &Path) {
    let error = assert_kind(publish_at(work.join("closed/a"), Syncing::Full), FsErrorKind::Storage);
    assert!(error.to_string().contains("cannot create"), "{error}");
    assert_kind(publish_at(work.join("foreign/a"), Syncing::Full), FsErrorKind::Refused);
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

/// A directory that every user may write to, and this binary where every user can run it.
fn shared_with_nobody(scratch: &Scratch) -> Option<(PathBuf, PathBuf)> {
    let (work, binary) = (scratch.path("work"), scratch.path("tests"));
    fs::create_dir(&work).expect("mkdir");
    for dir in [scratch.dir(), &work] {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o777)).expect("chmod");
    }
    let probe = scratch.path("probe");
    fs::write(&probe, "").expect("write");
    if std::os::unix::fs::chown(&probe, Some(NOBODY), None).is_err() {
        support::skipped("only root can become another user");
        return None;
    }
    let exe = std::env::current_exe().expect("own path");
    assert!(Command::new("cp").arg(exe).arg(&binary).status().expect("cp").success());
    Some((work, binary))
}

/// Faults: 96.
#[test]
fn a_lock_that_another_users_run_holds_stays_whatever_is_wanted() {
    if let Some(work) = own_work() {
        return lock_anew_as_nobody(&work);
    }
    let scratch = Scratch::new();
    let Some((work, binary)) = shared_with_nobody(&scratch) else { return };
    let held = scratch.fs.lock(&Place::new(work.join("a")), Syncing::Full).expect("lock");
    let before = support::names_in(&work);
    let mut command = Command::new(&binary);
    command.args(["--exact", "a_lock_that_another_users_run_holds_stays_whatever_is_wanted"]);
    command.arg("--nocapture").env(WORK, &work);
    let output = command.uid(NOBODY).output().expect("own process");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    assert_eq!(support::names_in(&work), before);
    drop(held);
}

fn lock_anew_as_nobody(work: &Path) {
    let mut place = Place::new(work.join("a"));
    place.unusable = Unusable::Remove;
    let refused = NativeFileSystem::new().lock(&place, Syncing::Full);
    let error = assert_kind(refused, FsErrorKind::Refused);
    let who = std::error::Error::source(&error).expect("it says whose it is").to_string();
    assert!(error.to_string().contains("another user") && who.contains("number 0"), "{who}");
}

const NOBODY: u32 = 65534;

/// Faults: 72.
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
    // What was written before may be whole, but what a failed write leaves is not known.
    assert_kind(partial.sync_data(), FsErrorKind::NoSpace);
}

#[test]
fn what_is_no_disk_is_known_before_there_is_a_file() {
    let scratch = Scratch::new();
    let lock = scratch.lock("a");
    let partial = lock.create_partial(&lock.partial_name(SUFFIX), 10).expect("create");
    for path in ["a", "no/such/directory/a"] {
        assert_eq!(is_on_disk(&scratch.path(path)), partial.is_on_disk(), "{path}");
    }
    let memory = Scratch::new();
    if let Some(_mounted) = Mounted::new(memory.dir(), &["-t", "tmpfs", "tmpfs"]) {
        assert!(!is_on_disk(&memory.path("no/such/directory/a")));
    }
}

/// Faults: 72.
#[test]
fn room_for_much_in_memory_is_looked_for_and_not_taken_page_by_page() {
    const MIB: u64 = 1 << 20;
    let scratch = Scratch::new();
    let Some(_mounted) = Mounted::new(scratch.dir(), &["-t", "tmpfs", "-o", "size=64m", "tmpfs"])
    else {
        return;
    };
    let lock = scratch.lock("a");
    let name = lock.partial_name(SUFFIX);
    let free = || {
        let found = rustix::fs::statvfs(scratch.dir()).expect("statvfs");
        found.f_bfree * found.f_bsize
    };
    let before = free();
    assert_kind(lock.create_partial(&name, 65 * MIB), FsErrorKind::NoSpace);
    assert_eq!(free(), before);
    let partial = lock.create_partial(&name, 40 * MIB).expect("room");
    assert_eq!(partial.check().expect("check").1, 40 * MIB);
    assert!(before - free() < MIB, "no pages yet");
    partial.write_all_at(&vec![7; 40 << 20], 0).expect("write");
    // What it holds already is not asked for again.
    partial.resize(60 * MIB).expect("room");
    assert_kind(partial.resize(65 * MIB), FsErrorKind::NoSpace);
    assert_eq!(partial.check().expect("check").1, 60 * MIB);
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
        // Holds although a child that another test forks may keep the descriptor for a moment:
        // the file is emptied before its name goes.
        assert_eq!(rustix::fs::statvfs(&disk).expect("statvfs").f_bfree, free);
    }
    let partial = lock.create_partial(&name, 1 << 20).expect("create");
    assert_kind(partial.resize(1 << 30), FsErrorKind::NoSpace);
    assert_eq!(partial.check().expect("check").1, 1 << 20);
    partial.sync_data().expect("sync");
    assert_kind(partial.write_all_at(b"x", 1 << 50), FsErrorKind::TooLarge);
    drop(partial);
    assert_kind(lock.checkpoint().reset(1 << 30), FsErrorKind::NoSpace);
    assert!(lock.checkpoint().is_empty().expect("is_empty"));
}

#[test]
fn a_file_system_that_cannot_reserve_and_counts_no_space_is_used_all_the_same() {
    let scratch = Scratch::new();
    let Some(_mounted) = Mounted::new(scratch.dir(), &["-t", "ramfs", "ramfs"]) else { return };
    publish_at(scratch.path("a"), Syncing::Full).expect("publish");
    assert_eq!(fs::read(scratch.path("a")).expect("read"), b"abc");
}

#[test]
fn permissions_that_the_file_system_makes_up_are_not_held_against_it() {
    if let Some(work) = own_work() {
        return lock_where_permissions_are_made_up(&work);
    }
    let scratch = Scratch::new();
    let path = scratch.checkpoint_path("a");
    fs::write(&path, b"x").expect("write");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("chmod");
    assert_kind(scratch.try_lock("a"), FsErrorKind::Refused);
    // Under this mask no new file gets the permissions asked for, as on such a file system.
    let this = "permissions_that_the_file_system_makes_up_are_not_held_against_it";
    in_own_process(this, scratch.dir(), |command| {
        command.env("MASK", "200");
    });
}

fn lock_where_permissions_are_made_up(work: &Path) {
    let place = Place::new(work.join("a"));
    let lock = NativeFileSystem::new().lock(&place, Syncing::Full).expect("lock");
    assert_eq!(lock.caveats(), [Caveat::NoPermissions]);
    assert_eq!(lock.checkpoint().len().expect("len"), 1);
    assert_eq!(support::names_in(work).len(), 1, "the probe is gone");
}

/// The system calls that change something or make it durable, in order, as `call name`.
fn traced(test: &str, scratch: &Scratch) -> Option<Vec<String>> {
    let trace = scratch.path("trace");
    let calls = "trace=fallocate,pwrite64,fchmod,fsync,fdatasync,sync_file_range,renameat,unlinkat";
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-y", "-e", calls, "-o"]).arg(&trace);
    command.arg(std::env::current_exe().expect("own path"));
    let work = scratch.path("work");
    fs::create_dir_all(work.join("cp")).expect("mkdir");
    command.args(["--exact", test]).env(WORK, &work);
    let status = command.output();
    if !status.as_ref().is_ok_and(|output| output.status.success()) {
        support::skipped(&format!("cannot trace: {status:?}"));
        return None;
    }
    let text = fs::read_to_string(&trace).expect("trace");
    let lines = text.lines().filter(|line| line.contains(work.to_str().expect("UTF-8")));
    Some(lines.map(shortened).collect())
}

/// `123 fsync(5</tmp/x/d/a.part>) = 0` becomes `fsync a.part`.
fn shortened(line: &str) -> String {
    let call = line.split_whitespace().nth(1).expect("call").split('(').next().expect("name");
    let path = line.split(['<', '>']).nth(1).expect("path");
    let target = match call {
        // Here the first descriptor is the directory's.
        "unlinkat" | "renameat" => line.split('"').nth(1).expect("name"),
        _ => path.rsplit('/').next().expect("name"),
    };
    let target = if target.ends_with(".ossget") { "checkpoint" } else { target };
    format!("{call} {target}")
}

#[test]
fn every_sync_is_made_in_the_documented_order() {
    if let Some(work) = own_work() {
        return download(&work, Syncing::Full);
    }
    let scratch = Scratch::new();
    let Some(calls) = traced("every_sync_is_made_in_the_documented_order", &scratch) else {
        return;
    };
    let part = format!("a.{SUFFIX}.part");
    let expected = [
        // Start: the checkpoint's header and name, then the partial file's size and name.
        "fallocate checkpoint",
        "pwrite64 checkpoint",
        "fsync checkpoint",
        "fsync cp",
        "fallocate PART",
        "fsync PART",
        "fsync work",
        // Loop: the data, then the slots.
        "pwrite64 PART",
        "sync_file_range PART",
        "fdatasync PART",
        "pwrite64 checkpoint",
        "fdatasync checkpoint",
        // Finish: through the descriptor that wrote, then through the one that set the mode.
        "fchmod PART",
        "fdatasync PART",
        "fsync PART",
        "renameat PART",
        "fsync work",
        // A later run that finds itself published makes that durable again.
        "fsync a",
        "fsync work",
        // First the checkpoint, then the lock file.
        "unlinkat checkpoint",
        "unlinkat checkpoint",
        // A partial file's removal is durable before anything else is recorded.
        "fallocate PART",
        "fsync PART",
        "fsync work",
        "unlinkat PART",
        "fsync work",
    ];
    assert_eq!(calls, expected.map(|call| call.replace("PART", &part)));
}

#[test]
fn skipping_syncs_makes_none() {
    if let Some(work) = own_work() {
        return download(&work, Syncing::Skip);
    }
    let scratch = Scratch::new();
    let Some(calls) = traced("skipping_syncs_makes_none", &scratch) else { return };
    assert!(calls.iter().any(|call| call.starts_with("renameat")), "{calls:?}");
    assert!(!calls.iter().any(|call| call.contains("sync")), "{calls:?}");
}

fn download(work: &Path, syncing: Syncing) {
    let place = Place::new(work.join("a")).checkpoint_dir(Some(work.join("cp")));
    let lock = NativeFileSystem::new().lock(&place, syncing).expect("lock");
    let checkpoint = lock.checkpoint();
    checkpoint.reset(16).expect("reset");
    checkpoint.write_all_at(b"head", 0).expect("write");
    checkpoint.sync_all().expect("sync");
    let name = lock.partial_name(SUFFIX);
    let partial = lock.create_partial(&name, 3).expect("create");
    partial.write_all_at(b"abc", 0).expect("write");
    partial.start_writeback(0, 3);
    partial.sync_data().expect("sync");
    checkpoint.write_all_at(b"slot", 4).expect("write");
    checkpoint.sync_data().expect("sync");
    lock.publish(&*partial, &name, PublishMode::Replace).expect("publish");
    let published = lock.open_destination().expect("open").expect("there");
    published.sync_data().expect("sync");
    lock.remove_checkpoint().expect("remove");
    lock.create_partial(&name, 3).expect("create");
    lock.remove_partial(&name).expect("remove");
}

#[test]
fn directories_are_synced_into_their_parents() {
    if let Some(work) = own_work() {
        return make_directories(&work.join("x/y/"), Syncing::Full).expect("make");
    }
    let calls = ["fsync work", "fsync x"];
    assert_made("directories_are_synced_into_their_parents", &calls);
}

#[test]
fn directories_are_not_synced_where_syncs_are_skipped() {
    if let Some(work) = own_work() {
        return make_directories(&work.join("x/y/"), Syncing::Skip).expect("make");
    }
    assert_made("directories_are_not_synced_where_syncs_are_skipped", &[]);
}

/// Runs a test that makes `x/y` in its own process; asserts which system calls that took.
fn assert_made(test: &str, expected: &[&str]) {
    let scratch = Scratch::new();
    let Some(calls) = traced(test, &scratch) else { return };
    assert_eq!(calls, expected);
    assert!(scratch.path("work/x/y").is_dir());
}

/// Faults: 87.
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
