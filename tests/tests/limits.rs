//! Scarce resources: descriptors, file sizes, threads, memory, processor time, readers.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, reason = "the numbers are a result")]

use ossget_tests::{Ended, Rig, difference, peak_memory, skipped};
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

const SIZE: u64 = 6 << 20;

/// Whether a program is there; says so if not.
fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        skipped(&format!("no {program}"));
    }
    found
}

fn run_under(rig: &Rig, wrapper: &[&str], args: &[&str]) -> Ended {
    rig.command_under(wrapper, args).output().expect("it starts").into()
}

/// Faults: 117.
#[test]
fn with_few_descriptors_fewer_connections_are_used() {
    if !has("prlimit") {
        return;
    }
    for limit in ["24", "20"] {
        let rig = Rig::new(1, SIZE);
        let limit = format!("--nofile={limit}");
        let args = ["--part-size", "100KiB", "--parallel", "16"];
        let ended = run_under(&rig, &["prlimit", &limit], &args);
        assert_eq!(ended.code, Some(0), "{limit}: {ended:?}");
        rig.assert_downloaded();
    }
}

/// Faults: 117.
#[test]
fn with_too_few_descriptors_there_is_an_error_and_no_panic() {
    if !has("prlimit") {
        return;
    }
    let rig = Rig::new(1, SIZE);
    for limit in 5..15 {
        let limit = format!("--nofile={limit}");
        let args = ["--part-size", "100KiB", "--retry-max-time", "1s"];
        let output = rig.command_under(&["prlimit", &limit], &args).output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("panicked"), "{limit}: {said}");
        assert_eq!(output.status.code(), Some(1), "{limit}: {said}");
        assert!(said.contains("Too many open files"), "{limit}: {said}");
    }
    let ended = rig.run(&[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    rig.assert_downloaded();
}

#[test]
fn a_limit_on_the_size_of_files_is_told_and_does_not_kill() {
    if !has("prlimit") {
        return;
    }
    let rig = Rig::new(1, SIZE);
    let ended = run_under(&rig, &["prlimit", "--fsize=3000000"], &[]);
    assert_eq!(ended.code, Some(7), "{ended:?}");
    assert!(ended.stderr.contains("too large"), "{}", ended.stderr);
    let told = std::slice::from_ref(&(0..1 << 20));
    assert_eq!(rig.ranges(), told, "by the request that told how large it is");
    assert_eq!(rig.files(), [""; 0]);
}

/// Faults: 119.
#[test]
fn a_system_that_refuses_threads_gets_an_error_and_no_panic() {
    // Limits do not bind root: another user's do.
    if !has("setpriv") || !has("prlimit") {
        return;
    }
    let rig = Rig::new(1, SIZE);
    let dir = rig.dir().to_owned();
    let program = dir.join("ossget");
    let user = (40_000 + std::process::id() % 20_000).to_string();
    // By another process: one that another test starts could keep our descriptor for writing open
    // for a moment, and a file that is being written to cannot be run.
    let copied = Command::new("cp").arg(rig.command(&[]).get_program()).arg(&program).status();
    assert!(copied.expect("cp").success());
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).expect("own folder");
    let (mut succeeded, mut refused) = (0, 0);
    for limit in 1..16 {
        let limit = format!("--nproc={limit}");
        let wrapper = ["setpriv", "--reuid", &user, "--clear-groups", "prlimit", &limit];
        let outer = rig.command_under(&wrapper, &["--parallel", "2"]);
        let args: Vec<_> = outer.get_args().skip(wrapper.len()).map(ToOwned::to_owned).collect();
        let mut command = Command::new(wrapper[0]);
        command.args(&wrapper[1..]).arg(&program).args(args);
        command.envs(outer.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = command.output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if said.contains("setpriv:") {
            return skipped(&format!("cannot become another user: {said}"));
        }
        println!("{limit} {:?} {said}", output.status);
        assert!(!said.contains("panicked"), "{limit}: {said}");
        if output.status.success() {
            assert_eq!(difference(&rig.destination(), &rig.content), None);
            fs::remove_file(rig.destination()).expect("a file");
            succeeded += 1;
        } else {
            // The writing thread's error is one of storage.
            assert!(
                matches!(output.status.code(), Some(1 | 7)),
                "{limit}: {:?} {said}",
                output.status
            );
            assert!(said.contains("Resource temporarily unavailable"), "{limit}: {said}");
            assert!(!rig.destination().exists(), "{limit}");
            refused += 1;
        }
    }
    assert!(succeeded > 0, "fifteen threads are enough");
    assert!(refused > 0, "one thread cannot be enough");
}

/// Faults: 119.
#[test]
fn an_address_space_too_small_gets_an_error_and_leaves_the_old_file() {
    if !has("prlimit") {
        return;
    }
    let rig = Rig::new(1, SIZE);
    fs::write(rig.destination(), "old").expect("a file");
    let program = rig.command(&[]).get_program().to_owned();
    let (mut succeeded, mut refused) = (0, 0);
    for mebibytes in (8..64).step_by(2) {
        let limit = format!("--as={}", mebibytes << 20);
        let starts = Command::new("prlimit").arg(&limit).arg(&program).arg("--version").output();
        if !starts.expect("it starts").status.success() {
            // Where not even its libraries have room the system says so, or kills it.
            continue;
        }
        let output = rig.command_under(&["prlimit", &limit], &["--parallel", "2"]).output();
        let output = output.expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        println!("{limit} {:?} {said}", output.status);
        assert!(!said.contains("panicked"), "{limit}: {said}");
        match (output.status.code(), output.status.signal()) {
            (Some(0), _) => {
                assert_eq!(difference(&rig.destination(), &rig.content), None);
                fs::write(rig.destination(), "old").expect("a file");
                succeeded += 1;
                continue;
            }
            (Some(1 | 7), _) => refused += 1,
            // The allocator has no other way to fail, and ends the process as a kill does.
            (None, Some(libc::SIGABRT)) => assert!(said.contains("memory allocation"), "{said}"),
            _ => panic!("{limit}: {:?} {said}", output.status),
        }
        assert!(said.contains("error: ") || said.contains("memory allocation"), "{limit}: {said}");
        assert_eq!(fs::read(rig.destination()).expect("a file"), b"old", "{limit}");
    }
    assert!(succeeded > 0 && refused > 0, "{succeeded} succeeded, {refused} were refused");
    rig.run_well(&[]);
}

/// Faults: 118.
#[test]
fn memory_is_bounded_however_many_connections_there_are() {
    let rig = Rig::new(1, 64 << 20);
    rig.sim.throttle(64 << 20);
    let args = ["--part-size", "256KiB", "--parallel", "64", "-q"];
    let mut child = rig.command(&args).stdout(Stdio::null()).spawn().expect("it starts");
    let (mut peak, mut live) = (0, 0);
    while child.try_wait().expect("a child").is_none() {
        peak = peak_memory(child.id()).unwrap_or_default().max(peak);
        let requests = rig.sim.requests();
        live = requests.iter().filter(|it| it.method == "GET" && !it.ended).count().max(live);
        thread::sleep(Duration::from_millis(5));
    }
    assert!(child.wait().expect("a child").success());
    rig.assert_downloaded();
    println!("peak of {peak} KiB with {live} connections");
    assert_eq!(live, 64);
    assert!(peak > 0 && peak < 64 << 10, "{peak} KiB");
}

/// Faults: 120.
#[test]
fn a_process_that_gets_little_time_takes_nothing_for_a_stall() {
    let rig = Rig::new(1, 2 << 20);
    rig.sim.throttle(4 << 20);
    let busy = AtomicBool::new(true);
    let args = ["--part-size", "100KiB", "--parallel", "8", "--read-timeout", "6s"];
    // Made, and with it the binary built, before anything is busy.
    let mut command = rig.command_under(&["nice", "-n", "19"], &args);
    let many = thread::available_parallelism().map_or(2, usize::from) * 2;
    let ended = thread::scope(|scope| {
        for _ in 0..many {
            scope.spawn(|| {
                while busy.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let output = command.output();
        busy.store(false, Ordering::Relaxed);
        output
    });
    let ended = Ended::from(ended.expect("it starts"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.event("object_done")["attempts_failed"], 0, "{ended:?}");
    rig.assert_downloaded();
}

/// Faults: 121.
#[test]
fn closed_outputs_do_not_stop_a_download() {
    for closing in ["exec \"$@\" >&-", "exec \"$@\" 2>&-", "exec \"$@\" >&- 2>&-"] {
        let rig = Rig::new(1, SIZE);
        let mut command = rig.command_under(&["sh", "-c", closing, "sh"], &[]);
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert_eq!(status.expect("it starts").code(), Some(0), "{closing}");
        rig.assert_downloaded();
    }
}

/// Faults: 121.
#[test]
fn a_reader_who_does_not_read_does_not_stop_a_download() {
    let rig = Rig::new(1, SIZE);
    let (mut reader, mut writer) = std::io::pipe().expect("a pipe");
    // As much as a pipe holds: every line that the download writes has to wait.
    writer.write_all(&[b' '; 65536]).expect("room in the pipe");
    let mut command = rig.command(&["--part-size", "100KiB"]);
    let child = command.stdout(writer.try_clone().expect("a pipe")).stderr(writer).spawn();
    let mut child = child.expect("it starts");
    drop(command);
    while difference(&rig.destination(), &rig.content).is_some() {
        assert!(child.try_wait().expect("a child").is_none(), "it ended without the object");
        thread::sleep(Duration::from_millis(5));
    }
    let mut said = String::new();
    reader.read_to_string(&mut said).expect("text");
    assert!(child.wait().expect("a child").success(), "{said}");
    assert!(said.contains("object_done"), "{said}");
    rig.assert_downloaded();
}
