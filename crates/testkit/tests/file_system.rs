//! The simulated file system does what the machine's own does, step by step: the same story is
//! told on both, and the system calls are compared with the steps.
#![cfg(target_os = "linux")]

use ossget_fs::{
    FileSystem, FsError, FsErrorKind, NativeFileSystem, Place, PublishMode, Syncing, Unfinished,
};
use ossget_testkit::file_system::{
    Damage, Disk, Failing, Omission, SectorSizes, SimulatedFileSystem,
};
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::process::Command;

const SUFFIX: &str = "abcdefghijkl2345";
const WORK: &str = "OSSGET_TESTKIT_WORK";

/// Everything that a download does to a file system, and what may go wrong in it.
fn tell(fs: &dyn FileSystem, syncing: Syncing, place: &Place) -> Result<(), FsError> {
    {
        let lock = fs.lock(place, syncing)?;
        let checkpoint = lock.checkpoint();
        checkpoint.reset(10_000)?;
        checkpoint.write_all_at(b"header", 0)?;
        checkpoint.sync_all()?;
        let name = lock.partial_name(SUFFIX);
        let partial = lock.create_partial(&name, 8192)?;
        checkpoint.write_all_at(b"bind", 4096)?;
        checkpoint.sync_data()?;
        partial.write_all_at(b"abc", 100)?;
        partial.start_writeback(0, 4096);
        partial.sync_data()?;
        checkpoint.write_all_at(b"slot", 8192)?;
        checkpoint.sync_data()?;
        // A second partial file of this name there cannot be.
        let second = lock.create_partial(&name, 1).expect_err("it is there");
        assert_eq!(second.kind(), FsErrorKind::Exists);
    }
    // The next run: what is there is opened again, found too short, removed, begun anew.
    {
        let lock = fs.lock(place, syncing)?;
        let name = lock.partial_name(SUFFIX);
        let opened = lock.open_partial(&name)?.expect("it is there");
        opened.file.resize(10_000)?;
        opened.file.resize(5_000)?;
        lock.remove_partial(&name)?;
        lock.remove_partial(&name)?;
        lock.checkpoint().reset(9_000)?;
        let partial = lock.create_partial(&name, 3)?;
        partial.write_all_at(b"new", 0)?;
        lock.publish(&*partial, &name, PublishMode::CreateNew)?;
        let found = lock.open_destination()?.expect("it is there");
        found.sync_data()?;
        let partial = lock.create_partial(&name, 3)?;
        partial.write_all_at(b"abc", 0)?;
        let refused = lock.publish(&*partial, &name, PublishMode::CreateNew);
        assert_eq!(refused.expect_err("it is there").kind(), FsErrorKind::Exists);
        lock.publish(&*partial, &name, PublishMode::Replace)?;
        lock.remove_checkpoint()?;
    }
    // One that ends before it has recorded anything leaves no lock file.
    drop(fs.lock(place, syncing)?);
    let mut without_checkpoint = place.clone();
    without_checkpoint.unfinished = Unfinished::Remove;
    let lock = fs.lock(&without_checkpoint, syncing)?;
    let (name, other) = (lock.partial_name(SUFFIX), lock.partial_name("abcdefghijkl5432"));
    let partial = lock.create_partial(&name, 3)?;
    let refused = lock.publish(&*partial, &name, PublishMode::CreateNew);
    assert_eq!(refused.expect_err("it is there").kind(), FsErrorKind::Exists);
    drop(lock.create_partial(&other, 3)?);
    Ok(())
}

fn place(work: &Path, checkpoint_dir: Option<&str>) -> Place {
    Place::new(work.join("a")).checkpoint_dir(checkpoint_dir.map(|dir| work.join(dir)))
}

/// The variants: with and without syncs, checkpoint beside the destination and elsewhere.
const VARIANTS: [(&str, Syncing, Option<&str>); 4] = [
    ("full", Syncing::Full, None),
    ("full-elsewhere", Syncing::Full, Some("cp")),
    ("skip", Syncing::Skip, None),
    ("skip-elsewhere", Syncing::Skip, Some("cp")),
];

#[test]
fn the_steps_are_those_of_the_machines_own_file_system() {
    if let Some(work) = std::env::var_os(WORK) {
        // The process that this test has started for itself, under strace.
        return tell_it_on_the_machines_own_file_system(Path::new(&work));
    }
    for (variant, syncing, elsewhere) in VARIANTS {
        let temp = tempfile::tempdir().expect("temp dir");
        let Some(calls) = traced(variant, temp.path()) else { return };
        let work = Path::new("/simulated/work");
        let fs = SimulatedFileSystem::new();
        tell(&fs, syncing, &place(work, elsewhere)).expect("the story");
        let steps: Vec<_> = fs.steps().iter().map(ToString::to_string).collect();
        assert_eq!(steps, calls, "{variant}");
        assert!(steps.len() > 20, "{steps:?}");
    }
}

fn tell_it_on_the_machines_own_file_system(work: &Path) {
    let variant = std::env::var("VARIANT").expect("set beside the directory");
    let (_, syncing, elsewhere) =
        VARIANTS.into_iter().find(|(name, ..)| *name == variant).expect("a variant");
    tell(&NativeFileSystem::new(), syncing, &place(work, elsewhere)).expect("the story");
}

/// The system calls by which the story changes the disk or syncs, in the words of steps.
fn traced(variant: &str, temp: &Path) -> Option<Vec<String>> {
    let (work, trace) = (temp.join("work"), temp.join("trace"));
    std::fs::create_dir_all(work.join("cp")).expect("mkdir");
    let calls = "trace=openat,openat2,fallocate,ftruncate,pwrite64,fchmod,fsync,fdatasync,\
                 sync_file_range,renameat,renameat2,unlinkat";
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-y", "-e", calls, "-o"]).arg(&trace);
    command.arg(std::env::current_exe().expect("own path"));
    command.args(["--exact", "the_steps_are_those_of_the_machines_own_file_system"]);
    let output = command.env(WORK, &work).env("VARIANT", variant).output();
    if !output.as_ref().is_ok_and(|output| output.status.success()) {
        let why = format!("cannot trace: {output:?}");
        assert!(std::env::var_os("OSSGET_NO_SKIP").is_none(), "{why}");
        writeln!(std::io::stderr(), "SKIPPED: {why}").expect("stderr");
        return None;
    }
    let text = std::fs::read_to_string(&trace).expect("trace");
    let here = work.to_str().expect("UTF-8");
    Some(text.lines().filter(|line| line.contains(here)).filter_map(step_of).collect())
}

/// `123 fsync(5</tmp/x/a.abc.part>) = 0` becomes `fsync partial`; what changes nothing
/// becomes nothing.
fn step_of(line: &str) -> Option<String> {
    let call = line.split_whitespace().nth(1).expect("call").split('(').next().expect("name");
    let failed = line.contains(" = -1 ");
    let path = line.split(['<', '>']).nth(1).expect("path");
    let (call, name) = match call {
        // Only what may make a file changes anything.
        "openat" | "openat2" if !line.contains("O_CREAT") => return None,
        "openat" | "openat2" => ("openat", line.split('"').nth(1).expect("name")),
        "renameat" | "renameat2" | "unlinkat" => (call, line.split('"').nth(1).expect("name")),
        _ => (call, path.rsplit('/').next().expect("name")),
    };
    let target = match name {
        _ if name.ends_with(".ossget") => "checkpoint",
        _ if name.ends_with(".part") => "partial",
        "a" => "destination",
        directory => directory,
    };
    // The kernel may not know a call, and then another is made.
    (!(failed && line.contains("ENOSYS"))).then(|| format!("{call} {target}"))
}

#[test]
fn a_power_cut_may_lose_any_part_of_what_was_not_synced() {
    let sizes = SectorSizes { checkpoint: 4096, data: 4 };
    let fs = SimulatedFileSystem::on(Disk::new(sizes));
    let lock = fs.lock(&Place::new("/d/a"), Syncing::Full).expect("lock");
    let name = lock.partial_name(SUFFIX);
    let partial = lock.create_partial(&name, 8).expect("create");
    partial.write_all_at(b"abcdefgh", 0).expect("write");
    let path = Path::new("/d").join(&name);
    let found = |disk: &Disk, damage: &Damage| {
        let mut found = Vec::new();
        disk.outcomes(damage).for_each(|image| found.extend(disk.restarted(image).read(&path)));
        found.sort();
        found.dedup();
        found
    };
    let lost = found(&fs.disk(), &Damage::default());
    assert_eq!(lost, [&b"\0\0\0\0\0\0\0\0"[..], b"\0\0\0\0efgh", b"abcd\0\0\0\0", b"abcdefgh"]);
    let garbage = Damage { data_garbage: true, ..Damage::default() };
    assert_eq!(found(&fs.disk(), &garbage).len(), 9);
    partial.sync_data().expect("sync");
    assert_eq!(found(&fs.disk(), &garbage), [b"abcdefgh"]);
}

#[test]
fn a_sync_that_failed_is_not_made_good_by_another() {
    let step = {
        let fs = SimulatedFileSystem::new();
        write_and_sync(&fs).expect("nothing fails");
        fs.steps().len() - 1
    };
    let fs = SimulatedFileSystem::new().failing(Failing::once(step, ErrorKind::Other));
    write_and_sync(&fs).expect_err("the sync fails");
    let lock = fs.lock(&Place::new("/d/a"), Syncing::Full).expect("lock");
    let again = lock.open_partial(&lock.partial_name(SUFFIX)).expect("open").expect("there");
    again.file.sync_data().expect("reports success");
    assert!(!fs.disk().dropped().is_empty(), "and the data may be gone all the same");
    assert!(fs.disk().outcomes(&Damage::default()).count() > 1);
    again.file.write_all_at(b"abc", 0).expect("write");
    again.file.sync_data().expect("sync");
    assert!(fs.disk().dropped().is_empty(), "until they are written again");
}

fn write_and_sync(fs: &SimulatedFileSystem) -> Result<(), FsError> {
    let lock = fs.lock(&Place::new("/d/a"), Syncing::Full)?;
    lock.checkpoint().reset(1)?;
    let partial = lock.create_partial(&lock.partial_name(SUFFIX), 3)?;
    partial.write_all_at(b"abc", 0)?;
    partial.sync_data()
}

#[test]
fn what_is_left_out_has_no_effect() {
    let fs = SimulatedFileSystem::new().without(Omission::DataSync);
    write_and_sync(&fs).expect("success is reported");
    assert!(fs.disk().outcomes(&Damage::default()).count() > 1);
}

#[test]
fn a_full_disk_refuses_and_a_second_run_finds_the_lock() {
    let fs = SimulatedFileSystem::new().capacity(100);
    let place = Place::new("/d/a");
    let lock = fs.lock(&place, Syncing::Full).expect("lock");
    let name = lock.partial_name(SUFFIX);
    let refused = lock.create_partial(&name, 101).expect_err("no room");
    assert_eq!(refused.kind(), FsErrorKind::NoSpace);
    assert!(fs.disk().names("/d").keys().all(|name| !name.ends_with(".part")));
    lock.create_partial(&name, 100).expect("there is room");
    let held = fs.lock(&place, Syncing::Full).expect_err("held");
    assert_eq!(held.kind(), FsErrorKind::Locked);
}

#[test]
fn inode_numbers_are_used_again_once_nothing_can_bring_the_old_file_back() {
    let fs = SimulatedFileSystem::new();
    let lock = fs.lock(&Place::new("/d/a"), Syncing::Full).expect("lock");
    let name = lock.partial_name(SUFFIX);
    let first = lock.create_partial(&name, 1).expect("create").check().expect("check").0;
    lock.remove_partial(&name).expect("remove");
    let second = lock.create_partial(&name, 1).expect("create").check().expect("check").0;
    assert_eq!(first, second);
}
