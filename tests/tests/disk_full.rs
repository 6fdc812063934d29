//! Disks that are full, or fill up, and files that are too large for their file system.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::print_stdout, reason = "the numbers are a result")]

use ossget_testkit::{Fault, On};
use ossget_tests::{
    Call, Disk, Ended, Format, Rig, Tmpfs, Verdict, can_trace, names_in, peak_memory, skipped,
    trace,
};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

const SIZE: u64 = 8 << 20;
const CONNECTIONS: u64 = 4;
const ARGS: &[&str] = &["--part-size", "256KiB", "--parallel", "4"];
/// The largest object there can be.
const LARGEST: u64 = 48_800_000_000_000;

/// A disk of memory and a rig that downloads to it; `None`, loudly, where there can be none.
fn rig_on_tmpfs(room: u64, size: u64) -> Option<(Tmpfs, Rig)> {
    match Tmpfs::new(room) {
        Ok(disk) => {
            let mut rig = Rig::new(5, size);
            rig.move_to(disk.at());
            Some((disk, rig))
        }
        Err(why) => {
            skipped(&why);
            None
        }
    }
}

fn gets(rig: &Rig) -> usize {
    rig.sim.requests().iter().filter(|request| request.method == "GET").count()
}

/// Faults: 72.
#[test]
fn a_disk_without_room_for_the_object_is_known_before_anything_is_fetched() {
    let Some((disk, rig)) = rig_on_tmpfs(SIZE / 2, SIZE) else { return };
    let ended = rig.run(ARGS);
    assert_eq!(ended.code, Some(7), "{ended:?}");
    assert_eq!(ended.event("object_failed")["kind"], "no_space");
    assert_eq!(gets(&rig), 0);
    assert_eq!(names_in(disk.at()), [""; 0]);
    // All that the attempt had reserved is free again.
    fs::write(disk.at().join("rest"), vec![1; (SIZE / 2 - 65536) as usize]).expect("room");
}

/// Fills what is left of a disk.
fn fill(dir: &Path) {
    use std::io::Write as _;
    let mut file = fs::File::create(dir.join("filler")).expect("a file");
    while file.write(&[7; 4096]).is_ok_and(|written| written > 0) {}
}

/// Faults: 73.
#[test]
fn a_disk_that_fills_up_midway_stops_the_run_at_once_and_it_goes_on_with_room() {
    let Some((disk, rig)) = rig_on_tmpfs(2 * SIZE, SIZE) else { return };
    if !can_trace() {
        return skipped("processes cannot be traced here");
    }
    rig.sim.throttle(SIZE / 3);
    let (mut commits, mut full) = (0, None);
    let ended: Ended = trace(rig.command(ARGS), &[rig.dir()], |call| {
        // Without a reservation the data can run out of room, the slots cannot.
        if call.is("fallocate", "partial file") {
            return Verdict::Fail(libc::EOPNOTSUPP);
        }
        // The first is of the bind page, the second of slots.
        commits += u64::from(call.is("fdatasync", "checkpoint"));
        if commits == 2 && full.is_none() && call.is("pwrite64", "partial file") {
            fill(rig.dir());
            full = Some((Instant::now(), gets(&rig)));
        }
        Verdict::Go
    })
    .into();
    let (moment, before) = full.expect("a commit");
    assert!(moment.elapsed() < Duration::from_secs(2), "{:?}", moment.elapsed());
    assert_eq!(ended.code, Some(7), "{ended:?}");
    assert_eq!(ended.event("object_failed")["kind"], "no_space");
    assert_eq!(ended.event("object_failed")["resumable"], true);
    let after = gets(&rig) - before;
    assert!(after as u64 <= CONNECTIONS, "{after} requests after the disk was full");
    fs::remove_file(disk.at().join("filler")).expect("a file");
    rig.sim.unthrottle();
    let ended = rig.run_well(ARGS);
    assert!(ended.event("object_done")["resumed_bytes"].as_u64() > Some(0), "{ended:?}");
}

/// Faults: 73.
#[test]
fn a_quota_that_is_used_up_midway_stops_the_run_at_once() {
    if !can_trace() {
        return skipped("processes cannot be traced here");
    }
    let rig = Rig::new(5, SIZE);
    rig.sim.throttle(SIZE);
    let (mut written, mut full) = (0, None);
    let ended: Ended = trace(rig.command(ARGS), &[rig.dir()], |call: &Call| {
        written += u64::from(call.is("pwrite64", "partial file"));
        if written < 10 || !call.is("pwrite64", "partial file") {
            return Verdict::Go;
        }
        full.get_or_insert_with(|| (Instant::now(), gets(&rig)));
        Verdict::Fail(libc::EDQUOT)
    })
    .into();
    let (moment, before) = full.expect("ten writes");
    assert!(moment.elapsed() < Duration::from_secs(2), "{:?}", moment.elapsed());
    assert_eq!(ended.code, Some(7), "{ended:?}");
    assert_eq!(ended.event("object_failed")["kind"], "no_space");
    assert!((gets(&rig) - before) as u64 <= CONNECTIONS);
    rig.sim.unthrottle();
    rig.run_well(ARGS);
}

/// Faults: 114.
#[test]
fn the_largest_object_is_refused_before_anything_is_fetched_where_files_cannot_be_so_large() {
    let disk = match Disk::new(Format::Ext4("data=ordered")) {
        Ok(disk) => disk,
        Err(why) => return skipped(&why),
    };
    let mut rig = Rig::new(5, LARGEST);
    let dir = disk.at().join("d");
    fs::create_dir(&dir).expect("a folder");
    rig.move_to(&dir);
    let ended = rig.run(&[]);
    assert_eq!(ended.code, Some(7), "{ended:?}");
    assert!(ended.stderr.contains("too large"), "{}", ended.stderr);
    assert_eq!(gets(&rig), 1, "which told how large it is");
    assert_eq!(rig.files(), [""; 0]);
}

/// Of a run that is denied its third request: the most memory, in KiB, and the milliseconds from
/// the first, which tells what the object is, to the second.
fn until_denied(rig: &Rig) -> (u64, u64) {
    rig.sim.clear_faults();
    rig.sim.clear_requests();
    rig.sim.fault(On::get().nth(3).always(), Fault::status(403, "AccessDenied"));
    let mut peak = 0;
    let args = ["--part-size", "4880000", "--parallel", "4"];
    let ended: Ended = trace(rig.command(&args), &[rig.dir()], |call| {
        if call.is("fallocate", "partial file") {
            return Verdict::Fail(libc::EOPNOTSUPP);
        }
        peak = peak_memory(call.process).unwrap_or_default().max(peak);
        Verdict::Go
    })
    .into();
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(gets(rig) >= 3, "{ended:?}");
    let requests = rig.sim.requests();
    let [first, second, ..] = &requests[..] else { panic!("{requests:?}") };
    (peak, second.at_ms - first.at_ms)
}

/// Faults: 114.
#[test]
fn the_largest_object_is_refused_before_anything_is_fetched_where_there_is_no_room_for_it() {
    let Some((_disk, rig)) = rig_on_tmpfs(SIZE, LARGEST) else { return };
    let ended = rig.run(&[]);
    assert_eq!(ended.code, Some(7), "{ended:?}");
    assert_eq!(ended.event("object_failed")["kind"], "no_space");
    assert_eq!(gets(&rig), 1, "which told how large it is");
    assert_eq!(rig.files(), [""; 0]);
}

/// Faults: 114.
#[test]
fn the_largest_object_in_ten_million_parts_is_planned_and_begun_in_little_memory() {
    // A disk of memory without a limit: files in it may be as large as they like.
    let Some((_disk, rig)) = rig_on_tmpfs(0, LARGEST) else { return };
    if !can_trace() {
        return skipped("processes cannot be traced here");
    }
    // The same with little to plan: what the process and its connections take anyway.
    let (usual, _) = until_denied(&Rig::new(5, 4_880_000 * 20));
    let (peak, mut took) = until_denied(&rig);
    println!("peak of {peak} KiB after {took} ms, {usual} KiB with little to plan");
    assert!(usual > 0 && peak < usual + (16 << 10), "{peak} KiB, {usual} KiB");
    // Others may use the machine, too.
    for _ in 0..4 {
        names_in(rig.dir()).iter().for_each(|name| drop(fs::remove_file(rig.dir().join(name))));
        took = until_denied(&rig).1.min(took);
    }
    assert!(took < 1000, "{took} ms");
    let left = ossget_tests::remains(rig.dir()).expect("a checkpoint");
    assert_eq!(left.header.plan.count(), 10_000_000);
    assert_eq!(fs::metadata(&left.partial).expect("a file").len(), LARGEST);
}
