//! Every system call that a download makes on its files, made its last or made to fail.
//!
//! `OSSGET_INJECT=all` takes every call; otherwise one of each kind and one of twelve more, chosen
//! by `OSSGET_SEED`.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::print_stdout, reason = "the numbers are a result")]

mod injecting;

use injecting::{Fault, PART, Scene, Stage, every_call};
use ossget_testkit::{Fault as Answer, On};
use ossget_tests::{Call, Ended, Verdict, can_trace, difference, skipped, total_len, wait_until};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

macro_rules! at_every_call {
    ($($(#[$faults:meta])* $name:ident: $scene:ident, $fault:expr;)*) => {$(
        $(#[$faults])*
        #[test]
        fn $name() {
            every_call(Scene::$scene, $fault);
        }
    )*};
}

at_every_call! {
    /// Faults: 104.
    killed_at_any_call_a_new_download_is_finished_by_the_next_run: Fresh, Fault::Kill;
    /// Faults: 104, 105.
    killed_at_any_call_a_resumed_download_is_finished_by_the_next_run: Resumed, Fault::Kill;
    /// Faults: 104, 105.
    killed_at_any_call_a_run_that_finds_its_object_there_is_finished_by_the_next: Published, Fault::Kill;
    /// Faults: 108.
    a_power_cut_before_any_call_of_a_new_download_is_got_over_by_the_next_run: Fresh, Fault::PowerCut;
    /// Faults: 108, 109.
    a_power_cut_before_any_call_of_a_resumed_download_is_got_over_by_the_next_run: Resumed, Fault::PowerCut;
    /// Faults: 108, 109.
    a_power_cut_before_any_call_of_a_run_that_finds_its_object_there_is_got_over: Published, Fault::PowerCut;
    /// Faults: 75, 78, 79.
    an_io_error_at_any_call_of_a_new_download_ends_well_or_in_exit_7: Fresh, Fault::EIO;
    /// Faults: 75, 77, 78, 79.
    an_io_error_at_any_call_of_a_resumed_download_ends_well_or_in_exit_7: Resumed, Fault::EIO;
    /// Faults: 78, 79.
    an_io_error_at_any_call_of_a_run_that_finds_its_object_there_ends_well_or_in_exit_7: Published, Fault::EIO;
    /// Faults: 74.
    a_full_disk_at_any_call_of_a_new_download_ends_well_or_in_exit_7: Fresh, Fault::ENOSPC;
    /// Faults: 74.
    a_full_disk_at_any_call_of_a_resumed_download_ends_well_or_in_exit_7: Resumed, Fault::ENOSPC;
}

/// A traced run of a scene; `None`, loudly, where nothing can be traced.
fn traced(stage: &Stage, decide: impl FnMut(&Call) -> Verdict) -> Option<Ended> {
    if !can_trace() {
        skipped("processes cannot be traced here");
        return None;
    }
    stage.set();
    Some(stage.traced(decide).into())
}

/// Fails the first call that `wanted` picks.
fn failing_once(
    mut wanted: impl FnMut(&Call) -> bool,
    number: i32,
) -> impl FnMut(&Call) -> Verdict {
    let mut done = false;
    move |call| {
        if done || !wanted(call) {
            return Verdict::Go;
        }
        done = true;
        Verdict::Fail(number)
    }
}

/// Fails every call that `wanted` picks.
fn failing(mut wanted: impl FnMut(&Call) -> bool, number: i32) -> impl FnMut(&Call) -> Verdict {
    move |call| if wanted(call) { Verdict::Fail(number) } else { Verdict::Go }
}

/// Faults: 80.
#[test]
fn interrupted_calls_are_made_again() {
    let calls = ["pwrite64", "pread64", "fsync", "fdatasync", "fallocate", "ftruncate"];
    for (scene, name) in
        [Scene::Fresh, Scene::Resumed].into_iter().flat_map(|scene| calls.map(|name| (scene, name)))
    {
        let stage = Stage::new(scene);
        // Every second call, so that the one made again goes through.
        let mut count = 0;
        let interrupt = |call: &Call| {
            count += u32::from(call.name == name);
            if call.name == name && count % 2 == 1 {
                Verdict::Fail(libc::EINTR)
            } else {
                Verdict::Go
            }
        };
        let Some(ended) = traced(&stage, interrupt) else { return };
        assert_eq!(ended.code, Some(0), "{name}: {ended:?}");
        assert!(count >= 2 || scene == Scene::Resumed, "{name} was made {count} times");
        assert!(stage.is_published(), "{name}");
    }
}

/// Faults: 80.
#[test]
fn a_write_that_would_block_is_made_again() {
    let stage = Stage::new(Scene::Fresh);
    let mut count = 0;
    let decide = |call: &Call| {
        count += u32::from(call.name == "pwrite64");
        if call.name == "pwrite64" && count % 3 != 0 {
            Verdict::Fail(libc::EAGAIN)
        } else {
            Verdict::Go
        }
    };
    let Some(ended) = traced(&stage, decide) else { return };
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(stage.is_published());
}

/// Faults: 80.
#[test]
fn short_writes_and_reads_are_continued() {
    for scene in [Scene::Fresh, Scene::Resumed] {
        let stage = Stage::new(scene);
        let mut shortened = 0;
        let decide = |call: &Call| match call.name {
            "pwrite64" | "pread64" => {
                shortened += 1;
                Verdict::Short(7_777)
            }
            _ => Verdict::Go,
        };
        let Some(ended) = traced(&stage, decide) else { return };
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(stage.is_published());
        assert!(shortened > 80, "{shortened}");
    }
}

/// Faults: 80.
#[test]
fn a_write_of_nothing_is_an_error_and_no_endless_loop() {
    let stage = Stage::new(Scene::Fresh);
    let decide = |call: &Call| {
        if call.is("pwrite64", "partial file") { Verdict::Short(0) } else { Verdict::Go }
    };
    let Some(ended) = traced(&stage, decide) else { return };
    assert_eq!(ended.code, Some(7), "{ended:?}");
    assert!(!stage.is_published());
    stage.finish();
}

/// Faults: 76.
#[test]
fn after_a_failed_sync_nothing_is_recorded_though_the_next_would_succeed() {
    let stage = Stage::new(Scene::Fresh);
    let (mut failed, mut recorded) = (false, false);
    let decide = |call: &Call| {
        if call.is("fdatasync", "partial file") && !failed {
            failed = true;
            return Verdict::Fail(libc::EIO);
        }
        recorded |= failed && call.is("pwrite64", "checkpoint");
        Verdict::Go
    };
    let Some(ended) = traced(&stage, decide) else { return };
    assert_eq!(ended.code, Some(7), "{ended:?}");
    assert_eq!(ended.event("object_failed")["resumable"], true);
    assert!(failed && !recorded);
    assert!(!stage.is_published());
    stage.finish();
}

/// Faults: 86, 87.
#[test]
fn a_file_that_cannot_be_renamed_is_kept_and_named() {
    for number in [libc::EXDEV, libc::EBUSY, libc::ETXTBSY, libc::EPERM] {
        let stage = Stage::new(Scene::Fresh);
        let Some(ended) = traced(&stage, failing(|call| call.name == "renameat", number)) else {
            return;
        };
        assert_eq!(ended.code, Some(7), "{ended:?}");
        assert!(!stage.is_published());
        let names = stage.rig.files();
        let kept = names.iter().find(|name| name.ends_with(".part")).expect("a partial file");
        let kept = stage.rig.dir().canonicalize().expect("a folder").join(kept);
        assert!(ended.stderr.contains(kept.to_str().expect("text")), "{}", ended.stderr);
        assert_eq!(difference(&kept, &stage.rig.content), None);
        stage.rig.sim.clear_requests();
        stage.finish();
        assert_eq!(stage.rig.ranges(), [], "nothing is fetched again");
    }
}

/// Faults: 106.
#[test]
fn a_second_interrupt_ends_a_run_at_once_whose_disk_does_not_answer() {
    if !can_trace() {
        return skipped("processes cannot be traced here");
    }
    let stage = Stage::new(Scene::Fresh);
    stage.set();
    let (held, holding) = mpsc::channel();
    let (ended, second) = thread::scope(|scope| {
        let rig = &stage.rig;
        let interrupting = scope.spawn(move || {
            let process = holding.recv().expect("a sync");
            interrupt(process);
            wait_until("the end of all requests", || rig.sim.requests().iter().all(|it| it.ended));
            // The first one alone does not end it: it waits for what is stored to be recorded.
            thread::sleep(Duration::from_millis(500));
            let second = Instant::now();
            interrupt(process);
            second
        });
        let ended = stage.traced(|call| {
            if !call.is("fdatasync", "partial file") {
                return Verdict::Go;
            }
            // It may have ended already where nobody is told.
            let _ = held.send(call.process);
            Verdict::Hold
        });
        (ended, interrupting.join().expect("no panic"))
    });
    assert_eq!(ended.status.code(), Some(130), "{ended:?}");
    let took = Instant::now().checked_duration_since(second).expect("it ended before");
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(!stage.is_published());
    stage.finish();
}

fn interrupt(process: u32) {
    let sent = Command::new("kill").args(["-INT", &process.to_string()]).status();
    assert!(sent.expect("kill").success(), "the run has ended before");
}

/// Faults: 78.
#[test]
fn a_checkpoint_that_cannot_be_read_stops_the_run_and_costs_nothing() {
    let stage = Stage::new(Scene::Resumed);
    for at in 1.. {
        let mut seen = 0;
        let nth = |call: &Call| {
            seen += u32::from(call.is("pread64", "checkpoint"));
            call.is("pread64", "checkpoint") && seen == at
        };
        let Some(ended) = traced(&stage, failing_once(nth, libc::EIO)) else { return };
        if seen < at {
            assert_eq!(ended.code, Some(0), "{ended:?}");
            assert!(at > 2, "the checkpoint is read {seen} times");
            return;
        }
        assert_eq!(ended.code, Some(7), "reading {at} of the checkpoint: {ended:?}");
        assert!(!stage.is_published());
        let kept = stage.recorded_bytes();
        assert!(kept > 0, "reading {at} of the checkpoint: nothing is recorded any more");
        stage.rig.sim.clear_requests();
        stage.finish();
        assert_eq!(total_len(&stage.rig.ranges()), stage.rig.content.size() - kept, "reading {at}");
    }
}

/// Faults: 77.
#[test]
fn a_part_that_cannot_be_read_back_is_fetched_again_and_no_other() {
    if !can_trace() {
        return skipped("processes cannot be traced here");
    }
    let stage = Stage::new(Scene::Resumed);
    for at in [1, 2, 5] {
        stage.set();
        let missing = stage.rig.content.size() - stage.recorded_bytes();
        let mut seen = 0;
        let nth = |call: &Call| {
            seen += u32::from(call.is("pread64", "partial file"));
            call.is("pread64", "partial file") && seen == at
        };
        let ended = Ended::from(stage.traced(failing_once(nth, libc::EIO)));
        assert!(seen >= at, "read back {seen} times");
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(stage.is_published());
        let fetched = ended.event("object_done")["fetched_bytes"].as_u64().expect("a number");
        assert_eq!(fetched, missing + PART, "at {at}: {ended:?}");
    }
}

#[test]
fn a_quota_that_is_used_up_is_told_like_a_full_disk() {
    for (name, role) in [("fallocate", "partial file"), ("pwrite64", "partial file")] {
        let stage = Stage::new(Scene::Fresh);
        let decide = failing_once(|call| call.is(name, role), libc::EDQUOT);
        let Some(ended) = traced(&stage, decide) else { return };
        assert_eq!(ended.code, Some(7), "{ended:?}");
        assert_eq!(ended.event("object_failed")["kind"], "no_space");
        stage.finish();
    }
}

/// Faults: 83, 89.
#[test]
fn a_file_system_that_turns_read_only_or_goes_away_ends_the_run_resumably() {
    for number in [libc::EROFS, libc::ESTALE, libc::ENXIO] {
        let stage = Stage::new(Scene::Fresh);
        let mut written = 0;
        // From the sixth write of data on everything fails.
        let decide = |call: &Call| {
            written += u32::from(call.is("pwrite64", "partial file"));
            if written > 5 { Verdict::Fail(number) } else { Verdict::Go }
        };
        let Some(ended) = traced(&stage, decide) else { return };
        assert_eq!(ended.code, Some(7), "{ended:?}");
        assert!(!stage.is_published());
        stage.check_remains();
        stage.finish();
    }
}

/// Faults: 102.
#[test]
fn without_locks_nothing_is_resumed_and_nothing_is_left() {
    for number in [libc::ENOLCK, libc::EOPNOTSUPP, libc::ENOSYS] {
        let stage = Stage::new(Scene::Resumed);
        let lockless = failing(|call| call.name == "flock", number);
        let Some(ended) = traced(&stage, lockless) else { return };
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(stage.is_published());
        assert!(ended.stderr.contains("no locks"), "{}", ended.stderr);
        assert_eq!(ended.event("object_done")["resumed_bytes"], 0);
        // A run that fails leaves nothing either.
        let stage = Stage::new(Scene::Fresh);
        stage.rig.sim.fault(On::get().nth(5).always(), Answer::status(403, "AccessDenied"));
        let lockless = failing(|call| call.name == "flock", number);
        let Some(ended) = traced(&stage, lockless) else { return };
        assert_eq!(ended.code, Some(3), "{ended:?}");
        assert_eq!(ended.event("object_failed")["resumable"], false);
        assert_eq!(stage.rig.files(), ["cp", "object.bin"]);
        assert!(!stage.is_published());
    }
}

/// Faults: 79.
#[test]
fn a_directory_that_cannot_be_synced_is_told_and_tolerated() {
    let stage = Stage::new(Scene::Fresh);
    let Some(ended) = traced(&stage, failing(|call| call.is("fsync", "directory"), libc::EINVAL))
    else {
        return;
    };
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(stage.is_published());
    assert_eq!(ended.stderr.matches("cannot sync a directory").count(), 1, "{}", ended.stderr);
}

/// Faults: 79.
#[test]
fn success_is_not_told_when_the_new_name_cannot_be_made_durable() {
    let stage = Stage::new(Scene::Fresh);
    let mut renamed = false;
    let decide = |call: &Call| {
        renamed |= call.name == "renameat";
        if renamed && call.is("fsync", "directory") {
            Verdict::Fail(libc::EIO)
        } else {
            Verdict::Go
        }
    };
    let Some(ended) = traced(&stage, decide) else { return };
    assert_eq!(ended.code, Some(7), "{ended:?}");
    assert!(stage.is_published(), "renamed, though perhaps not for good");
    stage.rig.sim.clear_requests();
    stage.finish();
    assert_eq!(stage.rig.ranges(), [], "nothing is fetched again");
}

#[test]
fn an_older_kernel_and_a_narrow_file_system_are_got_along_with() {
    let cases = [
        ("openat2", libc::ENOSYS),
        ("openat2", libc::EPERM),
        ("fallocate", libc::EOPNOTSUPP),
        ("sync_file_range", libc::ENOSYS),
    ];
    for (name, number) in cases {
        let stage = Stage::new(Scene::Fresh);
        let mut failed = 0;
        let decide = failing(
            |call| {
                failed += u32::from(call.name == name);
                call.name == name
            },
            number,
        );
        let Some(ended) = traced(&stage, decide) else { return };
        assert_eq!(ended.code, Some(0), "{name}: {ended:?}");
        assert!(stage.is_published(), "{name}");
        assert!(failed > 0, "{name} is not called");
    }
}
