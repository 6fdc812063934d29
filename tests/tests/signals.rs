//! Signals: which code a run ends with, what it leaves, and what a stop of the process costs.

use ossget_testkit::{Close, Fault, On};
use ossget_tests::{Ended, Rig, remains, wait_until};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

const SIZE: u64 = 2_000_000;
const ARGS: &[&str] = &["--part-size", "100KiB", "--parallel", "2"];

fn wait_for_a_get(rig: &Rig) {
    wait_until("a GET", || !rig.ranges().is_empty());
}

/// Bytes that the simulator has sent.
fn sent(rig: &Rig) -> u64 {
    rig.sim.requests().iter().map(|request| request.sent).sum()
}

/// Faults: 106.
#[test]
fn a_signal_ends_the_run_with_its_code_and_what_is_stored_is_kept() {
    for (signal, code) in [("HUP", 129), ("INT", 130), ("TERM", 143)] {
        let rig = Rig::new(3, SIZE);
        rig.sim.throttle(SIZE);
        let run = rig.command(ARGS).spawn().unwrap();
        wait_until("a quarter", || rig.ranges().len() >= 2 && sent(&rig) >= SIZE / 4);
        let begun = Instant::now();
        kill(run.id(), signal);
        let ended: Ended = run.wait_with_output().unwrap().into();
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        let kept = remains(rig.dir()).expect("a checkpoint").bytes();
        assert!(kept > 0, "SIG{signal}: {ended:?}");
        let last = ended.stderr.lines().last().unwrap().to_owned();
        assert!(
            last.starts_with("run the same command again: ") && last.ends_with("are kept"),
            "{last}"
        );
        rig.sim.unthrottle();
        let ended = rig.run_well(ARGS);
        assert_eq!(ended.event("object_done")["resumed_bytes"], kept);
    }
}

/// As `timeout` sends it: to the process, and then to its group.
///
/// Faults: 106.
#[test]
fn an_interrupt_that_comes_twice_at_once_is_one() {
    let rig = Rig::new(3, SIZE);
    rig.sim.throttle(SIZE);
    let run = rig.command(ARGS).spawn().unwrap();
    wait_until("a quarter", || rig.ranges().len() >= 2 && sent(&rig) >= SIZE / 4);
    let twice = format!("kill -INT {0}; sleep 0.01; kill -INT {0}", run.id());
    let sent = Command::new("sh").args(["-c", &twice]).stderr(Stdio::null()).status();
    assert!(sent.is_ok(), "no shell");
    let ended: Ended = run.wait_with_output().unwrap().into();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.stderr.contains("run the same command again: "), "{ended:?}");
}

/// Faults: 106.
#[test]
fn a_second_interrupt_ends_a_run_at_once_that_nobody_reads() {
    let rig = Rig::new(3, SIZE);
    rig.sim.throttle(SIZE / 4);
    // Nobody reads what it says: after the first signal it waits for ever to say the last of it.
    let (reader, writer) = std::io::pipe().unwrap();
    let mut filler = writer.try_clone().unwrap();
    let filling = thread::spawn(move || filler.write_all(&vec![b'x'; 4 << 20]));
    let mut command = rig.command(ARGS);
    let mut run = command.stdout(writer).spawn().unwrap();
    wait_until("a quarter", || sent(&rig) >= SIZE / 4);
    kill(run.id(), "INT");
    wait_until("the end of all requests", || rig.sim.requests().iter().all(|it| it.ended));
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(500) {
        assert_eq!(run.try_wait().unwrap(), None, "nothing has held it up");
        sleep(Duration::from_millis(10));
    }
    let begun = Instant::now();
    kill(run.id(), "INT");
    let mut ended = None;
    wait_until("the end of the run", || {
        ended = run.try_wait().unwrap();
        ended.is_some()
    });
    assert_eq!(ended.unwrap().code(), Some(130));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    drop((reader, command));
    drop(filling.join());
    rig.sim.unthrottle();
    rig.run_well(ARGS);
}

/// Faults: 106.
#[test]
fn a_signal_leaves_nothing_behind_where_nothing_can_be_resumed() {
    for args in [["--no-resume"].as_slice(), &["--durability", "none"]] {
        let rig = Rig::new(3, SIZE);
        rig.sim.throttle(SIZE / 4);
        let run = rig.command(&[ARGS, args].concat()).spawn().unwrap();
        wait_for_a_get(&rig);
        kill(run.id(), "INT");
        let ended: Ended = run.wait_with_output().unwrap().into();
        assert_eq!(ended.code, Some(130), "{ended:?}");
        assert_eq!(rig.files(), [] as [&str; 0], "{args:?}");
    }
}

/// Faults: 106.
#[test]
fn a_signal_that_was_ignored_from_the_start_stays_ignored() {
    let rig = Rig::new(3, SIZE);
    rig.sim.throttle(SIZE);
    let inner = rig.command(ARGS);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' INT HUP; exec \"$@\"", "sh"]).arg(inner.get_program());
    command.args(inner.get_args()).env_clear();
    for (name, value) in inner.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let run = command.spawn().unwrap();
    wait_for_a_get(&rig);
    kill(run.id(), "INT");
    kill(run.id(), "HUP");
    let ended: Ended = run.wait_with_output().unwrap().into();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    rig.assert_downloaded();
}

/// Faults: 103.
#[test]
fn a_run_that_was_stopped_for_a_while_still_owns_the_destination_and_goes_on() {
    let rig = Rig::new(3, SIZE);
    // Both connections are gone before the run gets to see more of them.
    let cut = Fault::CutAfter { bytes: SIZE / 8, how: Close::Rst };
    rig.sim.fault(On::get().times(2), cut);
    rig.sim.throttle(SIZE / 8);
    let run = rig.command(ARGS).spawn().unwrap();
    wait_until("two GETs", || rig.ranges().len() == 2);
    kill(run.id(), "STOP");
    let before = connections(&rig);
    assert!(rig.sim.requests().iter().all(|it| it.method != "GET" || !it.ended));
    assert_eq!(rig.run(ARGS).code, Some(8));
    wait_until("the end of the connections", || rig.sim.requests().iter().all(|it| it.ended));
    rig.sim.unthrottle();
    kill(run.id(), "CONT");
    let ended: Ended = run.wait_with_output().unwrap().into();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    rig.assert_downloaded();
    assert!(ended.event("object_done")["attempts_failed"].as_u64() >= Some(2), "{ended:?}");
    assert!(connections(&rig).iter().any(|it| !before.contains(it)), "none was made anew");
}

/// The connections that GETs came on.
fn connections(rig: &Rig) -> BTreeSet<u64> {
    let requests = rig.sim.requests();
    requests.iter().filter(|it| it.method == "GET").map(|it| it.connection).collect()
}

fn kill(pid: u32, signal: &str) {
    let sent = Command::new("kill").args([format!("-{signal}"), pid.to_string()]).status();
    assert!(sent.expect("kill").success());
}
