//! `cargo xtask engines`: the engines that read OSS through `OssStore`, which have a workspace of their
//! own; what they print is kept as evidence.

use std::process::Command;

use crate::ci::python_venv;
use crate::evidence::record;
use crate::moto;
use crate::process::{Outcome, cargo, run as run_command};
use crate::steps::Steps;

pub(crate) fn run() -> Outcome {
    let mut steps = Steps::default();
    let outcome = all(&mut steps);
    steps.finish(outcome)
}

fn all(steps: &mut Steps) -> Outcome {
    steps.run("format", || run_command(there(["fmt"]).args(["--all", "--check"])))?;
    steps.run("lints", || {
        let mut clippy = there(["clippy"]);
        run_command(clippy.args([
            "--locked",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]))
    })?;
    // Without it there is nothing to compare with: a failure, everywhere.
    steps.run("Python", python_venv)?;
    steps.run("parquet", parquet)?;
    steps.run("DataFusion", datafusion)?;
    steps.run("tests", || {
        let mut tests = there(["test"]);
        run_command(tests.args(["--locked", "--workspace", "--", "--skip", COMPARISON]))
    })
}

/// Requests and bytes of reads of a parquet file.
fn parquet() -> Outcome {
    let suite = || {
        let mut test = there(["test"]);
        test.args(["--locked", "--test", "chunks"]);
        test
    };
    // Built first, so that the log holds the run and not the compiler.
    run_command(suite().arg("--no-run"))?;
    moto::serving(|s3| {
        let mut comparison = suite();
        comparison.args(["--", COMPARISON, "--exact", "--nocapture"]).env("OSSGET_TEST_S3", s3);
        record("parquet", &mut comparison)
    })
}

/// A query of a table in partitions.
fn datafusion() -> Outcome {
    // Not by package: with the features of all members together, so that nothing is built twice.
    let program = ["--locked", "--bin", "ossget-with-datafusion"];
    run_command(there(["build"]).args(program))?;
    record("datafusion", there(["run", "--quiet"]).args(program))
}

/// Cargo in the engines' workspace.
fn there<const N: usize>(command: [&str; N]) -> Command {
    let mut command = cargo(command);
    command.args(["--manifest-path", "interop/engines/Cargo.toml"]);
    command
}

const COMPARISON: &str = "costs_no_more_than_the_client_of_s3";
