//! Signals to a run whose output nobody reads.
#![cfg(target_os = "linux")]

use ossget_tests::Rig;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const SIZE: u64 = 3_000_000;
/// What pipes of Linux hold, unless they are told otherwise.
const PIPE: usize = 65_536;
const IN_TIME: Duration = Duration::from_secs(20);

/// A run with JSON Lines whose first one waits for a reader that never comes.
fn unread(rig: &Rig) -> (Child, std::io::PipeReader) {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    writer.write_all(&[b'\n'; PIPE]).expect("it holds so much");
    let mut command = rig.command(&["--json", "--part-size", "100KiB"]);
    command.stdout(writer).stderr(Stdio::null());
    (command.spawn().expect("it starts"), reader)
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < IN_TIME, "{what}");
        sleep(Duration::from_millis(5));
    }
}

fn code_after(run: &mut Child, signal: &str) -> Option<i32> {
    let status = Command::new("kill").args(["-s", signal, &run.id().to_string()]).status();
    assert!(status.expect("kill").success());
    let mut ended = None;
    wait_until("the run waits for a reader", || {
        ended = run.try_wait().expect("a child can be waited for");
        ended.is_some()
    });
    ended.and_then(|status| status.code())
}

/// Faults: 106, 121.
#[test]
fn a_signal_ends_a_run_although_nobody_reads_what_it_says() {
    let rig = Rig::new(3, SIZE);
    rig.sim.throttle(SIZE / 4);
    for (signal, code) in [("TERM", 143), ("HUP", 129), ("INT", 130)] {
        rig.sim.clear_requests();
        let (mut run, _reader) = unread(&rig);
        wait_until("no GET", || rig.sim.requests().iter().any(|it| it.method == "GET"));
        assert_eq!(code_after(&mut run, signal), Some(code), "{signal}");
    }
    rig.sim.unthrottle();
    rig.run_well(&[]);
    rig.assert_downloaded();
}

/// Faults: 121.
#[test]
fn a_download_that_is_done_is_a_success_although_a_signal_had_to_end_the_wait_for_a_reader() {
    let rig = Rig::new(3, SIZE);
    let (mut run, _reader) = unread(&rig);
    wait_until("nothing is published", || rig.destination().exists());
    wait_until("the checkpoint remains", || ossget_tests::names_in(rig.dir()).len() == 1);
    // What follows the last file operation takes no time to speak of.
    sleep(Duration::from_millis(300));
    assert_eq!(run.try_wait().expect("a child can be waited for"), None, "it has more to say");
    assert_eq!(code_after(&mut run, "TERM"), Some(0));
    rig.assert_downloaded();
}
