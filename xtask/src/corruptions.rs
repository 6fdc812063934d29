//! `cargo xtask corruptions`: how `ossget` and the official Python SDKs resume a download after what
//! it had kept was damaged, the table kept as evidence.

use std::process::Command;

use crate::evidence::record;
use crate::process::{Outcome, cargo, run as run_command};

pub(crate) fn run() -> Outcome {
    // Built first, so that the log holds the run and not the compiler.
    run_command(suite().arg("--no-run"))?;
    let mut command = suite();
    command.args(["--", TEST, "--exact", "--nocapture"]).env("OSSGET_CORRUPTIONS", "record");
    record("corruptions", &mut command)
}

fn suite() -> Command {
    cargo(["test", "-p", "ossget-tests", "--features", "python", "--test", "python_sdks"])
}

const TEST: &str = "damage_between_runs_is_found_whatever_the_sdks_make_of_it";
