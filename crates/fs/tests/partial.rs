//! The partial file: making, finding, writing and syncing it.
#![cfg(unix)]

mod support;

use ossget_fs::{FileSystem as _, FsErrorKind, Place, Syncing};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::process::Command;
use support::{SUFFIX, Scratch, assert_kind};

#[test]
fn creating_reserves_the_whole_size_privately() {
    let scratch = Scratch::new();
    let lock = scratch.lock("a");
    let name = lock.partial_name(SUFFIX);
    let partial = lock.create_partial(&name, 3 << 20).expect("create");
    let found = fs::metadata(scratch.path(&name)).expect("metadata");
    assert_eq!((found.len(), found.mode() & 0o7777), (3 << 20, 0o600));
    assert!(found.blocks() * 512 >= 3 << 20, "{} blocks only", found.blocks());
    let (id, len) = partial.check().expect("check");
    assert_eq!((id.inode, id.device, len), (found.ino(), found.dev(), 3 << 20));
    assert_ne!(id.birth, 0, "the file systems that tests run on keep birth times");
}

#[test]
fn an_empty_partial_file_is_fine() {
    let scratch = Scratch::new();
    let lock = scratch.lock("a");
    let partial = lock.create_partial(&lock.partial_name(SUFFIX), 0).expect("create");
    assert_eq!(partial.check().expect("check").1, 0);
}

#[test]
fn creating_never_touches_what_is_already_there() {
    let scratch = Scratch::new();
    let lock = scratch.lock("a");
    let name = lock.partial_name(SUFFIX);
    fs::write(scratch.path("victim"), b"victim").expect("write");
    fs::write(scratch.path(&name), b"other").expect("write");
    assert_kind(lock.create_partial(&name, 9), FsErrorKind::Exists);
    assert_eq!(fs::read(scratch.path(&name)).expect("read"), b"other");
    for target in ["victim", "nowhere"] {
        fs::remove_file(scratch.path(&name)).expect("remove");
        symlink(target, scratch.path(&name)).expect("symlink");
        assert_kind(lock.create_partial(&name, 9), FsErrorKind::Exists);
        assert!(scratch.path(&name).is_symlink());
    }
    assert_eq!(fs::read(scratch.path("victim")).expect("read"), b"victim");
    assert!(!scratch.path("nowhere").exists());
}

#[test]
fn a_size_that_no_file_can_have_leaves_nothing_behind() {
    // Nothing smaller: most file systems would fill the whole disk before they give up, under
    // everybody else's feet. What they do then is tested on small disks of our own.
    let scratch = Scratch::new();
    let lock = scratch.lock("a");
    let before = scratch.names();
    for size in [i64::MAX as u64 + 1, u64::MAX] {
        let created = lock.create_partial(&lock.partial_name(SUFFIX), size);
        assert_kind(created, FsErrorKind::TooLarge);
        assert_eq!(scratch.names(), before);
    }
}

#[test]
fn names_that_are_no_partial_names_of_the_destination_are_refused() {
    let scratch = Scratch::new();
    let lock = scratch.lock("a");
    fs::write(scratch.path("victim"), b"victim").expect("write");
    fs::create_dir(scratch.path("sub")).expect("mkdir");
    let bad = [
        "victim",
        "a",
        "../victim",
        "b.abcdefghijkl2345.part",
        "sub/a.abcdefghijkl2345.part",
        "a.abcdefghijkl2340.part",
        "",
    ];
    for name in bad.map(AsRef::<std::ffi::OsStr>::as_ref) {
        assert!(!lock.is_partial_name(name));
        assert_kind(lock.create_partial(name, 1), FsErrorKind::Refused);
        assert_kind(lock.open_partial(name), FsErrorKind::Refused);
        assert_kind(lock.remove_partial(name), FsErrorKind::Refused);
        let partial = lock.create_partial(&lock.partial_name(SUFFIX), 1).expect("create");
        assert_kind(lock.publish(&*partial, name, Default::default()), FsErrorKind::Refused);
        lock.remove_partial(&lock.partial_name(SUFFIX)).expect("remove");
    }
    assert_eq!(fs::read(scratch.path("victim")).expect("read"), b"victim");
}

#[test]
fn a_partial_file_is_found_again_with_its_content_and_identity() {
    let scratch = Scratch::new();
    let lock = scratch.lock("a");
    let name = lock.partial_name(SUFFIX);
    assert!(lock.open_partial(&name).expect("open").is_none());
    let (id, _) = scratch.partial(&*lock, b"abcdef").check().expect("check");
    drop(lock);
    let lock = scratch.lock("a");
    let opened = lock.open_partial(&name).expect("open").expect("there");
    assert_eq!((opened.id, opened.len), (id, 6));
    let mut buf = [0; 3];
    opened.file.read_exact_at(&mut buf, 3).expect("read");
    assert_eq!(&buf, b"def");
    opened.file.write_all_at(b"X", 0).expect("write");
    assert_eq!(fs::read(scratch.path(&name)).expect("read"), b"Xbcdef");
}

/// Faults: 144.
#[test]
fn a_planted_partial_file_is_refused_and_untouched() {
    let scratch = Scratch::new();
    let lock = scratch.lock("a");
    let path = scratch.path(lock.partial_name(SUFFIX));
    fs::write(scratch.path("victim"), b"victim").expect("write");
    let plant: [(&str, &dyn Fn()); 5] = [
        ("link", &|| symlink("victim", &path).expect("symlink")),
        ("dangling link", &|| symlink("nowhere", &path).expect("symlink")),
        ("hard link", &|| fs::hard_link(scratch.path("victim"), &path).expect("link")),
        ("device", &|| symlink("/dev/null", &path).expect("symlink")),
        ("FIFO", &|| {
            assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo").success());
        }),
    ];
    for (what, plant) in plant {
        plant();
        let error =
            assert_kind(lock.open_partial(&lock.partial_name(SUFFIX)), FsErrorKind::Refused);
        assert!(error.to_string().starts_with("refused"), "{what}: {error}");
        fs::remove_file(&path).expect("it is still there");
    }
    fs::create_dir(&path).expect("mkdir");
    assert_kind(lock.open_partial(&lock.partial_name(SUFFIX)), FsErrorKind::Refused);
    assert_kind(lock.remove_partial(&lock.partial_name(SUFFIX)), FsErrorKind::Storage);
    assert_eq!(fs::read(scratch.path("victim")).expect("read"), b"victim");
}

/// Faults: 144.
#[test]
fn a_partial_file_that_another_user_owns_is_refused() {
    let scratch = Scratch::new();
    let lock = scratch.lock("a");
    let name = lock.partial_name(SUFFIX);
    fs::write(scratch.path(&name), b"abc").expect("write");
    if std::os::unix::fs::chown(scratch.path(&name), Some(12345), None).is_err() {
        support::skipped("only root can give a file to another user");
        return;
    }
    assert_kind(lock.open_partial(&name), FsErrorKind::Refused);
}

#[test]
fn a_partial_file_with_its_final_permissions_is_opened_again() {
    // A run that died between setting the permissions and renaming left it so.
    let scratch = Scratch::new();
    let lock = scratch.lock("a");
    let name = lock.partial_name(SUFFIX);
    drop(scratch.partial(&*lock, b"abc"));
    for mode in [0o664, 0o666, 0o444] {
        let path = scratch.path(&name);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod");
        let opened = lock.open_partial(&name).expect("open").expect("there");
        opened.file.write_all_at(b"x", 0).expect("write");
    }
}

#[test]
fn removing_a_partial_file_works_twice() {
    let scratch = Scratch::new();
    let lock = scratch.lock("a");
    let name = lock.partial_name(SUFFIX);
    let partial = scratch.partial(&*lock, b"abc");
    lock.remove_partial(&name).expect("remove");
    assert!(!scratch.path(&name).exists());
    lock.remove_partial(&name).expect("nothing is there");
    let error = assert_kind(partial.check(), FsErrorKind::Storage);
    assert!(error.to_string().contains("removed"), "{error}");
}

#[test]
fn writers_at_many_positions_do_not_disturb_each_other() {
    let scratch = Scratch::new();
    let lock = scratch.lock("a");
    let name = lock.partial_name(SUFFIX);
    let partial = lock.create_partial(&name, 8 * 64 * 1024).expect("create");
    std::thread::scope(|scope| {
        for part in 0..8_u8 {
            let partial = &partial;
            scope.spawn(move || {
                for piece in 0..64_u64 {
                    let offset = u64::from(part) * 64 * 1024 + piece * 1024;
                    partial.write_all_at(&[part; 1024], offset).expect("write");
                }
                partial.start_writeback(u64::from(part) * 64 * 1024, 64 * 1024);
            });
        }
    });
    partial.sync_data().expect("sync");
    partial.drop_cache(0, 8 * 64 * 1024);
    partial.drop_cache(0, 0);
    let bytes = fs::read(scratch.path(&name)).expect("read");
    for (part, bytes) in bytes.chunks(64 * 1024).enumerate() {
        assert!(bytes.iter().all(|byte| usize::from(*byte) == part));
    }
}

#[test]
fn a_position_the_file_system_cannot_hold_is_too_large() {
    let scratch = Scratch::new();
    let lock = scratch.lock("a");
    let partial = scratch.partial(&*lock, b"abc");
    assert_kind(partial.write_all_at(b"x", i64::MAX as u64 - 1), FsErrorKind::TooLarge);
    assert_eq!(partial.check().expect("check").1, 3);
}

#[test]
fn reading_past_the_end_is_an_error() {
    let scratch = Scratch::new();
    let lock = scratch.lock("a");
    let partial = scratch.partial(&*lock, b"abc");
    assert_kind(partial.read_exact_at(&mut [0; 2], 2), FsErrorKind::Storage);
}

#[test]
fn resizing_grows_with_reservation_and_shrinks() {
    let scratch = Scratch::new();
    let lock = scratch.lock("a");
    let partial = scratch.partial(&*lock, b"abcdef");
    partial.resize(2 << 20).expect("grow");
    let found = fs::metadata(scratch.path(lock.partial_name(SUFFIX))).expect("metadata");
    assert_eq!(found.len(), 2 << 20);
    assert!(found.blocks() * 512 >= 2 << 20);
    partial.resize(3).expect("shrink");
    let path = scratch.path(lock.partial_name(SUFFIX));
    assert_eq!(fs::read(&path).expect("read"), b"abc");
    assert_kind(partial.resize(u64::MAX), FsErrorKind::TooLarge);
    assert_eq!(fs::read(&path).expect("read"), b"abc");
}

#[test]
fn a_partial_file_truncated_under_us_shows_in_its_length() {
    let scratch = Scratch::new();
    let lock = scratch.lock("a");
    let partial = scratch.partial(&*lock, b"abcdef");
    let path = scratch.path(lock.partial_name(SUFFIX));
    fs::File::options().write(true).open(path).expect("open").set_len(2).expect("truncate");
    assert_eq!(partial.check().expect("check").1, 2);
}

#[test]
fn skipping_syncs_still_does_everything_else() {
    let scratch = Scratch::new();
    let lock = scratch.fs.lock(&Place::new(scratch.path("a")), Syncing::Skip).expect("lock");
    let partial = scratch.partial(&*lock, b"abc");
    partial.start_writeback(0, 3);
    partial.sync_data().expect("sync");
    lock.checkpoint().reset(1).expect("reset");
    lock.checkpoint().sync_all().expect("sync");
    lock.publish(&*partial, &lock.partial_name(SUFFIX), Default::default()).expect("publish");
    assert_eq!(fs::read(scratch.path("a")).expect("read"), b"abc");
}
