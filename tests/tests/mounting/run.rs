//! A run of the binary on a disk whose power may go.

use super::disk::FaultyDisk;
use ossget_tests::Ended;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How a run ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// By itself.
    Alone(Ended),
    /// Killed after the power had gone.
    Killed,
}

/// What happens to the process once the power has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Survivor {
    Killed,
    /// It is left to find out by itself.
    LeftAlone,
}

/// Runs until the end, or until the power goes.
pub(crate) fn run_until_cut(mut command: Command, disk: &FaultyDisk, survivor: Survivor) -> Ending {
    let begun = Instant::now();
    let mut child = command.spawn().expect("it starts");
    while child.try_wait().expect("a child").is_none() {
        if disk.wait_for_cut(PAUSE) {
            if survivor == Survivor::Killed {
                // It may have ended just now.
                drop(child.kill());
                break;
            }
            sleep(PAUSE);
        }
        assert!(begun.elapsed() < PATIENCE, "it does not end: {:?}", killed(child));
    }
    let output = child.wait_with_output().expect("a child");
    if output.status.signal() == Some(SIGKILL) {
        Ending::Killed
    } else {
        Ending::Alone(output.into())
    }
}

fn killed(mut child: Child) -> io::Result<ExitStatus> {
    child.kill()?;
    child.wait()
}

const PAUSE: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(60);
const SIGKILL: i32 = libc::SIGKILL;
