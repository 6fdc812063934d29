//! `cargo xtask test`: everything that needs the Rust toolchain alone.

use crate::process::{Outcome, cargo, run as run_command};
use crate::steps::Steps;
use crate::{faults, layers, sizes};

pub(crate) fn run() -> Outcome {
    let mut steps = Steps::default();
    let outcome = all(&mut steps);
    steps.finish(outcome)
}

fn all(steps: &mut Steps) -> Outcome {
    steps.run("format", || run_command(&mut cargo(["fmt", "--all", "--check"])))?;
    steps.run("lints", || {
        run_command(&mut cargo([
            "clippy",
            "--workspace",
            "--all-targets",
            "--features",
            LINTED_FEATURES,
            "--",
            "-D",
            "warnings",
        ]))
    })?;
    // The end-to-end tests start the built binaries.
    steps.run("binaries", || run_command(&mut cargo(["build", "--workspace", "--bins"])))?;
    steps.run("tests", || {
        run_command(&mut cargo(["test", "--workspace", "--features", FEATURES]))
    })?;
    steps.run("docs", || {
        let mut doc = cargo(["doc", "--workspace", "--no-deps"]);
        run_command(doc.env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    steps.run("layers", layers::run)?;
    steps.run("sizes", sizes::run)?;
    steps.run("faults", || faults::check(faults::Strictness::Strict))
}

/// Not `--all-features`: that would add the aws-lc-rs backend, a long C build
/// whose place is a job of its own.
pub(crate) const FEATURES: &str = "ossget-core/mutants";

/// The Python suite and those of other stores are linted here but run by `cargo xtask ci`, since they
/// install packages.
pub(crate) const LINTED_FEATURES: &str =
    "ossget-core/mutants,ossget-tests/python,ossget-tests/clouds,ossget-cli/clouds";
