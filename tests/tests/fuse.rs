//! Downloads onto a file system in user space that does what it is told: it keeps only what was
//! synced, tears sectors, and fails where it is asked to.
//!
//! `OSSGET_FUSE_RUNS=N` sets the number of random downloads, `OSSGET_SEED=S` the first of them.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, reason = "the numbers are a result")]

mod mounting;

use mounting::{
    CHANGES, Download, Effect, Fault, Operation, Pages, Role, Scene, Site, Tally, Tearing, Trouble,
    tell,
};
use ossget_tests::{Ended, Rng, difference, skipped, total_len};
use std::env;
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

const SYNC: &[Operation] = &[Operation::Sync];
const WRITE: &[Operation] = &[Operation::Write];
const READ: &[Operation] = &[Operation::Read];
const RENAME: &[Operation] = &[Operation::Rename];
/// How many disks the random downloads use at once: they wait more than they work.
const DISKS: usize = 3;

/// A scene that is set; `None`, loudly, where nothing can be mounted.
fn scene() -> Option<Scene> {
    match Scene::new() {
        Ok(mut scene) => {
            scene.set(Download::default());
            Some(scene)
        }
        Err(why) => {
            skipped(&why);
            None
        }
    }
}

fn fails(number: i32) -> Fault {
    Fault::new(Effect::Fail(number))
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn seed() -> u64 {
    let seed = number("OSSGET_SEED").unwrap_or_else(|| u64::from(std::process::id()) * 1000);
    println!("OSSGET_SEED={seed}");
    seed
}

fn assert_storage_failure(ended: &Ended, what: &str) {
    assert_eq!(ended.code, Some(7), "{ended:?}: {what}");
    assert_eq!(ended.event("object_failed")["resumable"], true, "{ended:?}: {what}");
}

fn resumed_bytes(ended: &Ended) -> u64 {
    ended.event("object_done")["resumed_bytes"].as_u64().expect("a number")
}

/// Faults: 108, 109.
#[test]
fn whatever_the_disk_does_no_success_is_told_of_a_wrong_file_and_the_rest_is_gone_on_with() {
    let runs = number("OSSGET_FUSE_RUNS").unwrap_or(40);
    let first = seed();
    let mut tally = match tell_all((first..first + runs).collect()) {
        Ok(tally) => tally,
        Err(why) => return skipped(&why),
    };
    if runs < 16 {
        return println!("{tally}");
    }
    // A fault may find nothing that it concerns, however often its turn comes.
    for trouble in tally.missing() {
        let more = (first + runs..).filter(|seed| Trouble::of(*seed) == trouble);
        tally.add(&tell_all(more.take(10).collect()).expect("it could be mounted before"));
    }
    println!("{tally}");
    assert_eq!(tally.missing(), [], "never came about: {tally}");
    assert!(tally.midway() > 0 && tally.with_records() > 0, "{tally}");
}

/// Tells the stories of these seeds; fails, saying why, where nothing can be mounted.
fn tell_all(seeds: Vec<u64>) -> Result<Tally, String> {
    let (total, next) = (Mutex::new(Tally::default()), Mutex::new(seeds.into_iter()));
    thread::scope(|scope| {
        let work = || -> Result<(), String> {
            let mut scene = Scene::new()?;
            loop {
                let Some(seed) = next.lock().expect("no panic").next() else { return Ok(()) };
                let tally = tell(&mut scene, seed);
                total.lock().expect("no panic").add(&tally);
            }
        };
        let workers: Vec<_> = (0..DISKS).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no panic"))
    })?;
    Ok(total.into_inner().expect("no panic"))
}

/// Cuts the power before each operation that changes the disk, in turn; says how many there
/// were.
fn cut_everywhere(scene: &mut Scene, begin: impl Fn(&mut Scene)) -> u64 {
    let mut rng = Rng::new(seed());
    for at in 0.. {
        begin(scene);
        let before = scene.remains().map_or(0, |left| left.bytes());
        let cut = Fault::new(Effect::Cut).on(CHANGES).after(at);
        let (ended, _) = scene.run_with(vec![cut]);
        let what = format!("cut before change {at}");
        if !scene.disk().is_cut() {
            assert_eq!(ended.code, Some(0), "{ended:?}: {what}");
            return at;
        }
        let tearing = if rng.one_in(2) { Tearing::OldOrNew } else { Tearing::OrGarbage };
        scene.cut_power(&mut rng, tearing);
        let told = ended.code == Some(0);
        assert!(told || ended.code == Some(7), "{ended:?}: {what}");
        let published = scene.is_published(&what);
        assert!(published || !told, "success was told, and lost: {what}");
        scene.check_names(&what);
        scene.check_records(&what);
        let kept = scene.remains().map_or(0, |left| left.bytes());
        let whole = published || tearing == Tearing::OrGarbage;
        assert!(whole || kept >= before, "{before} bytes were recorded, now {kept}: {what}");
        scene.finish(&mut rng, &what);
        let wanted = if published { 0 } else { scene.download.size - kept };
        assert_eq!(total_len(&scene.rig.ranges()), wanted, "{what}");
    }
    unreachable!("some run makes fewer changes")
}

/// Faults: 108.
#[test]
fn a_power_cut_before_any_change_of_a_new_download_is_got_over() {
    let Some(mut scene) = scene() else { return };
    let download = Download { size: 5 * (100 << 10) - 1234, ..Download::default() };
    let changes = cut_everywhere(&mut scene, |scene| scene.set(download.clone()));
    println!("{changes} changes of a new download");
    assert!(changes > 30, "{changes}");
}

/// Faults: 108, 109.
#[test]
fn a_power_cut_before_any_change_of_a_resumed_download_is_got_over() {
    let Some(mut scene) = scene() else { return };
    let size = 7 * (100 << 10) - 1234;
    let download = Download { size, site: Site::Elsewhere, ..Download::default() };
    let changes = cut_everywhere(&mut scene, |scene| {
        scene.set(download.clone());
        assert!(scene.half().expect("a checkpoint").bytes() > 0);
        scene.disk().settle();
    });
    println!("{changes} changes of a resumed download");
    assert!(changes > 10, "{changes}");
}

/// Faults: 108, 109.
#[test]
fn a_power_cut_before_any_change_of_a_run_that_finds_its_object_there_is_got_over() {
    let Some(mut scene) = scene() else { return };
    let changes = cut_everywhere(&mut scene, |scene| {
        scene.set(Download { size: 300 << 10, ..Download::default() });
        let removal = Fault::new(Effect::Cut).on(&[Operation::Remove]);
        let (ended, _) = scene.run_with(vec![removal]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        // Nothing but the removal waits for a sync.
        scene.cut_power(&mut Rng::new(1), Tearing::OldOrNew);
        assert!(scene.is_published("the end") && scene.remains().is_some());
    });
    println!("{changes} changes of a run that finds its object there");
    assert!(changes > 2, "{changes}");
}

/// P3 of the durability contract, where commits come by time: four seconds of data.
#[test]
fn a_power_cut_after_seconds_costs_no_more_than_is_promised() {
    const RATE: u64 = 1 << 20;
    let Some(mut scene) = scene() else { return };
    let mut rng = Rng::new(seed());
    scene.set(Download { size: 7 * RATE, ..Download::default() });
    scene.rig.sim.throttle(RATE);
    // The first sync is that of the empty file; the others come every second.
    let cut = Fault::new(Effect::Cut).on(SYNC).of(Role::Partial).after(6);
    let (ended, _) = scene.run_with(vec![cut]);
    assert_eq!(ended.code, Some(7), "{ended:?}");
    let sent = scene.sent();
    scene.cut_power(&mut rng, Tearing::OldOrNew);
    scene.check_records("after seconds");
    let kept = scene.remains().expect("a checkpoint").bytes();
    println!("{sent} bytes were sent when the power went, {kept} were kept");
    let promised = 4 * RATE + scene.download.parallel * scene.download.part;
    assert!(sent > promised, "{sent} bytes sent, {promised} promised: it proves nothing");
    assert!(sent - kept <= promised, "{} bytes lost, {promised} promised", sent - kept);
    scene.finish(&mut rng, "after seconds");
    assert_eq!(total_len(&scene.rig.ranges()), scene.download.size - kept);
}

/// The proof that the disk loses what is not synced.
#[test]
fn without_syncs_a_power_cut_does_lose_the_object_and_the_next_run_finds_that_out() {
    let Some(mut scene) = scene() else { return };
    let mut rng = Rng::new(seed());
    let (mut lost, mut wrong) = (0, 0);
    for _ in 0..20 {
        scene.set(Download::default());
        let mut command = scene.command();
        let ended: Ended =
            command.args(["--durability", "process"]).output().expect("it starts").into();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(difference(&scene.rig.destination(), &scene.rig.content), None);
        assert!(scene.disk().bytes_at_risk() > 0);
        scene.cut_power(&mut rng, Tearing::OldOrNew);
        lost += u32::from(difference(&scene.rig.destination(), &scene.rig.content).is_some());
        let old = scene.download.old.as_ref().expect("an old file");
        wrong += u32::from(
            difference(&scene.rig.destination(), old).is_some()
                && difference(&scene.rig.destination(), &scene.rig.content).is_some(),
        );
        let ended = scene.run();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(difference(&scene.rig.destination(), &scene.rig.content), None);
    }
    println!("of 20 objects that were not synced {lost} were lost, {wrong} left a wrong file");
    assert!(lost > 0 && wrong > 0, "{lost} lost, {wrong} wrong");
}

/// Faults: 110, 111.
#[test]
fn what_a_lying_disk_has_lost_is_found_by_reading_back_and_fetched_again() {
    let Some(mut scene) = scene() else { return };
    let mut rng = Rng::new(seed());
    let (mut recorded, mut lost) = (0, 0);
    for _ in 0..8 {
        scene.set(Download::default());
        // All of the data are recorded when the power goes.
        let lie = Fault::new(Effect::Lie).on(SYNC).of(Role::Partial).always();
        let cut = Fault::new(Effect::Cut).on(&[Operation::SetMode]);
        let (ended, _) = scene.run_with(vec![lie, cut]);
        assert_eq!(ended.code, Some(7), "{ended:?}");
        scene.cut_power(&mut rng, Tearing::OldOrNew);
        let kept = scene.remains().map_or(0, |left| left.bytes());
        let ended = scene.finish(&mut rng, "after lies");
        let fetched = total_len(&scene.rig.ranges());
        assert_eq!(resumed_bytes(&ended) + fetched, scene.download.size, "{ended:?}");
        (recorded, lost) = (recorded + kept, lost + kept - resumed_bytes(&ended));
    }
    println!("of {recorded} bytes recorded on a lying disk {lost} were lost and fetched again");
    assert!(lost > 0, "nothing was lost");
}

/// Faults: 76.
#[test]
fn what_a_failed_sync_has_lost_was_not_recorded_and_is_fetched_again() {
    let Some(mut scene) = scene() else { return };
    let mut rng = Rng::new(1);
    // The first sync is of the file's length, the others of data; the last two publish.
    for (pages, at) in [Pages::Cached, Pages::Evicted]
        .into_iter()
        .flat_map(|pages| [0, 1, 2, 3].map(|at| (pages, at)))
    {
        scene.set(Download::default());
        let what = format!("{pages:?} in sync {at}");
        let lose = Fault::new(Effect::Lose(pages)).on(SYNC).of(Role::Partial).after(at);
        let (ended, faults) = scene.run_with(vec![lose]);
        if faults[0].hits() == 0 {
            assert_eq!(ended.code, Some(0), "{ended:?}: {what}");
            continue;
        }
        assert_eq!(ended.code, Some(7), "{ended:?}: {what}");
        // Before the first data there is nothing to go on with.
        assert_eq!(ended.event("object_failed")["resumable"], at > 0, "{ended:?}: {what}");
        let syncs = scene.disk().asked_for(Operation::Sync, Role::Partial) as u64;
        assert_eq!(syncs, at + 1, "synced again: {what}");
        let asked = scene.disk().asked();
        let sync = (Operation::Sync, Role::Partial);
        let failed = asked.iter().rposition(|it| *it == sync).expect("the sync that failed");
        let recorded = (Operation::Write, Role::Checkpoint);
        assert!(!asked[failed..].contains(&recorded), "recorded after a failed sync: {what}");
        scene.check_records(&what);
        if rng.one_in(2) {
            scene.cut_power(&mut rng, Tearing::OldOrNew);
            scene.check_records(&what);
        }
        let kept = scene.remains().map_or(0, |left| left.bytes());
        scene.finish(&mut rng, &what);
        assert_eq!(total_len(&scene.rig.ranges()), scene.download.size - kept, "{what}");
    }
}

/// The kernel lets nobody write to a file of such a file system while it is being synced, so how
/// much is stored meanwhile is for others to show.
#[test]
fn syncs_that_take_long_widen_the_commit_window_and_leave_ctrl_c_its_effect() {
    let Some(mut scene) = scene() else { return };
    scene.set(Download { size: 8 << 20, ..Download::default() });
    scene.rig.sim.throttle(500 << 10);
    let slow = Fault::new(Effect::Delay(Duration::from_millis(300))).on(SYNC).of(Role::Partial);
    scene.disk().set_faults(vec![slow.always()]);
    let begun = Instant::now();
    let mut child = scene.command().arg("-v").spawn().expect("it starts");
    // One of the empty file, five that are looked at together, and one that is under way.
    while scene.disk().asked_for(Operation::Sync, Role::Partial) < 7 {
        assert!(child.try_wait().expect("a child").is_none(), "it ended early");
        assert!(begun.elapsed() < Duration::from_secs(60), "seven syncs take so long");
        thread::sleep(Duration::from_millis(10));
    }
    let interrupted = Instant::now();
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill").success());
    let ended: Ended = child.wait_with_output().expect("a child").into();
    let took = interrupted.elapsed();
    println!("the seventh sync after {:?}, the end {took:?} after SIGINT", interrupted - begun);
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(ended.stderr.contains("commit_window=134217728"), "{ended:?}");
    let kept = scene.remains().expect("a checkpoint").bytes();
    scene.disk().heal();
    scene.finish(&mut Rng::new(1), "after slow syncs");
    assert_eq!(total_len(&scene.rig.ranges()), scene.download.size - kept);
}

/// Faults: 86, 87.
#[test]
fn a_file_that_cannot_be_renamed_is_kept_and_named() {
    let Some(mut scene) = scene() else { return };
    for number in [libc::EXDEV, libc::EBUSY, libc::ETXTBSY, libc::EPERM] {
        scene.set(Download::default());
        let (ended, _) = scene.run_with(vec![fails(number).on(RENAME).always()]);
        assert_storage_failure(&ended, "no rename");
        assert!(!scene.is_published("no rename"));
        let names = scene.rig.files();
        let kept = names.iter().find(|name| name.ends_with(".part")).expect("a partial file");
        let kept = scene.rig.dir().join(kept);
        assert!(ended.stderr.contains(kept.to_str().expect("text")), "{}", ended.stderr);
        assert_eq!(difference(&kept, &scene.rig.content), None);
        scene.finish(&mut Rng::new(1), "no rename");
        assert_eq!(scene.rig.ranges(), [], "nothing is fetched again");
    }
}

/// Faults: 83, 89.
#[test]
fn a_disk_that_goes_stale_or_read_only_at_any_moment_ends_the_run_resumably() {
    let Some(mut scene) = scene() else { return };
    let mut rng = Rng::new(seed());
    let mut failed = 0;
    for round in 0..24 {
        scene.set(Download::default());
        let fault = match round % 2 {
            0 => fails(libc::ESTALE).after(rng.below(140)),
            _ => fails(libc::EROFS).on(CHANGES).after(rng.below(90)),
        };
        let what = format!("{fault:?}");
        let (ended, _) = scene.run_with(vec![fault.always()]);
        let published = scene.is_published(&what);
        match ended.code {
            Some(0) => assert!(published, "{ended:?}: {what}"),
            code => assert_eq!(code, Some(7), "{ended:?}: {what}"),
        }
        failed += u32::from(ended.code == Some(7));
        scene.check_names(&what);
        scene.check_records(&what);
        let kept = scene.remains().map_or(0, |left| left.bytes());
        scene.finish(&mut rng, &what);
        let wanted = if published { 0 } else { scene.download.size - kept };
        assert_eq!(total_len(&scene.rig.ranges()), wanted, "{what}");
    }
    assert!(failed > 8, "{failed} runs failed");
}

/// Faults: 102.
#[test]
fn without_locks_nothing_is_resumed_and_nothing_is_left() {
    let Some(mut scene) = scene() else { return };
    for number in [libc::ENOLCK, libc::EOPNOTSUPP, libc::ENOSYS] {
        scene.set(Download::default());
        let lockless = fails(number).on(&[Operation::Lock]).always();
        let (ended, faults) = scene.run_with(vec![lockless]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(faults[0].hits() > 0);
        assert!(ended.stderr.contains("no locks"), "{}", ended.stderr);
        assert!(scene.is_published("no locks"));
        assert_eq!(scene.rig.files(), ["object.bin"]);
        let recorded = (Operation::Write, Role::Checkpoint);
        assert!(!scene.disk().asked().contains(&recorded), "recorded without a lock");
        scene.cut_power(&mut Rng::new(1), Tearing::OrGarbage);
        assert!(scene.is_published("no locks"));
        // One that finds half a download leaves it alone and fetches all.
        scene.set(Download::default());
        assert!(scene.half().expect("a checkpoint").bytes() > 0);
        let (ended, _) = scene.run_with(vec![fails(number).on(&[Operation::Lock]).always()]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(resumed_bytes(&ended), 0);
        assert!(scene.is_published("no locks"));
    }
}

/// Faults: 75.
#[test]
fn a_write_that_fails_stops_the_run_at_once_and_nothing_is_recorded_any_more() {
    let Some(mut scene) = scene() else { return };
    let mut rng = Rng::new(seed());
    let cases = [libc::EIO, libc::ENOSPC, libc::EDQUOT];
    for number in cases.into_iter().cycle().take(12) {
        scene.set(Download::default());
        scene.rig.sim.throttle(2 << 20);
        let fault = fails(number).on(WRITE).of(Role::Partial).after(rng.below(20)).always();
        let what = format!("{fault:?}");
        let (ended, faults) = scene.run_with(vec![fault]);
        assert_storage_failure(&ended, &what);
        assert!(faults[0].hits() > 0, "{what}");
        let full = number != libc::EIO;
        assert_eq!(ended.event("object_failed")["kind"] == "no_space", full, "{ended:?}");
        // Each connection may have one more write under way.
        assert!(faults[0].hits() <= scene.download.parallel, "{faults:?}");
        let asked = scene.disk().asked();
        let write = (Operation::Write, Role::Partial);
        let failed = asked.iter().rposition(|it| *it == write).expect("the write that failed");
        let recorded = (Operation::Write, Role::Checkpoint);
        assert!(!asked[failed..].contains(&recorded), "recorded after a failed write: {what}");
        scene.check_records(&what);
        let kept = scene.remains().map_or(0, |left| left.bytes());
        scene.finish(&mut rng, &what);
        assert_eq!(total_len(&scene.rig.ranges()), scene.download.size - kept, "{what}");
    }
}

/// Faults: 80.
#[test]
fn short_interrupted_and_delayed_writes_are_continued() {
    let Some(mut scene) = scene() else { return };
    for most in [1, 777, 5000] {
        // A byte at a time is for a few writes only.
        let times = if most == 1 { 3000 } else { u64::MAX };
        scene.set(Download { size: 300 << 10, ..Download::default() });
        let short = Fault::new(Effect::Short(most)).on(WRITE).times(times);
        let (ended, faults) = scene.run_with(vec![short]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(faults[0].hits() > 60, "{faults:?}");
        assert!(scene.is_published("short writes"));
    }
    for number in [libc::EINTR, libc::EAGAIN] {
        scene.set(Download::default());
        let faults = (0..10).map(|at| fails(number).on(WRITE).after(2 * at)).collect();
        let (ended, faults) = scene.run_with(faults);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(faults.iter().all(|fault| fault.hits() == 1), "{faults:?}");
        assert!(scene.is_published("interrupted writes"));
    }
    scene.set(Download::default());
    let nothing = Fault::new(Effect::Short(0)).on(WRITE).of(Role::Partial).after(3).always();
    let (ended, _) = scene.run_with(vec![nothing]);
    assert_storage_failure(&ended, "a write of nothing");
    scene.finish(&mut Rng::new(1), "a write of nothing");
}

/// Faults: 77.
#[test]
fn a_part_that_cannot_be_read_back_is_fetched_again() {
    let Some(mut scene) = scene() else { return };
    for at in 0..4 {
        scene.set(Download::default());
        let kept = scene.half().expect("a checkpoint").bytes();
        let unreadable = fails(libc::EIO).on(READ).of(Role::Partial).after(at);
        let (ended, faults) = scene.run_with(vec![unreadable]);
        assert_eq!((ended.code, faults[0].hits()), (Some(0), 1), "{ended:?}");
        assert_eq!(resumed_bytes(&ended), kept - scene.download.part, "{ended:?}");
        assert!(scene.is_published("unreadable"));
    }
}

/// Faults: 78.
#[test]
fn a_checkpoint_that_cannot_be_read_written_or_synced_stops_the_run_and_loses_nothing() {
    let Some(mut scene) = scene() else { return };
    let mut rng = Rng::new(1);
    let faults = [
        fails(libc::EIO).on(READ),
        fails(libc::EIO).on(WRITE),
        Fault::new(Effect::Lose(Pages::Cached)).on(SYNC),
        Fault::new(Effect::Lose(Pages::Evicted)).on(SYNC),
    ];
    for fault in faults {
        scene.set(Download::default());
        let before = scene.half().expect("a checkpoint").bytes();
        assert!(before > 0);
        let what = format!("{fault:?}");
        let (ended, hit) = scene.run_with(vec![fault.of(Role::Checkpoint)]);
        assert_eq!((hit[0].hits(), ended.code), (1, Some(7)), "{ended:?}: {what}");
        let kept = scene.remains().expect("a checkpoint").bytes();
        assert!(kept >= before, "{before} bytes were recorded, now {kept}: {what}");
        scene.check_records(&what);
        scene.finish(&mut rng, &what);
        assert_eq!(total_len(&scene.rig.ranges()), scene.download.size - kept, "{what}");
    }
}

/// Faults: 79.
#[test]
fn a_directory_that_cannot_be_synced_is_no_success_unless_it_never_can_be() {
    let Some(mut scene) = scene() else { return };
    let mut rng = Rng::new(1);
    let directory = |number| fails(number).on(SYNC).of(Role::Directory);
    let mut published = 0;
    for at in 0..4 {
        scene.set(Download::default());
        let (ended, faults) = scene.run_with(vec![directory(libc::EIO).after(at)]);
        if faults[0].hits() == 0 {
            break;
        }
        assert_eq!(ended.code, Some(7), "{ended:?}");
        let renamed = scene.is_published("no directory sync");
        published += u32::from(renamed);
        scene.finish(&mut rng, "no directory sync");
        if renamed {
            assert_eq!(scene.rig.ranges(), [], "nothing is fetched again");
        }
    }
    assert!(published > 0, "the last sync is that of the new name");
    scene.set(Download::default());
    let (ended, _) = scene.run_with(vec![directory(libc::EINVAL).always()]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stderr.matches("cannot sync a directory").count(), 1, "{}", ended.stderr);
    assert!(scene.is_published("no directory sync"));
}

/// Faults: 79.
#[test]
fn an_object_found_at_the_destination_is_no_success_before_its_name_is_durable() {
    let Some(mut scene) = scene() else { return };
    let mut rng = Rng::new(1);
    // The name has changed, but not for good, and the run has said so.
    let unsynced = |scene: &mut Scene| {
        scene.set(Download::default());
        let last = fails(libc::EIO).on(SYNC).of(Role::Directory).after(2);
        let (ended, _) = scene.run_with(vec![last]);
        assert_eq!(ended.code, Some(7), "{ended:?}");
        assert!(scene.is_published("renamed"));
    };
    for role in [Role::Destination, Role::Directory] {
        unsynced(&mut scene);
        let (ended, faults) = scene.run_with(vec![fails(libc::EIO).on(SYNC).of(role)]);
        assert_eq!((faults[0].hits(), ended.code), (1, Some(7)), "{role:?}: {ended:?}");
        scene.finish(&mut rng, "found");
        assert_eq!(scene.rig.ranges(), [], "nothing is fetched again");
    }
    // What the failed run has left undone does get lost.
    let lost = (0..20).any(|_| {
        unsynced(&mut scene);
        scene.cut_power(&mut rng, Tearing::OldOrNew);
        !scene.is_published("cut")
    });
    assert!(lost, "twenty power cuts lost no name");
}
