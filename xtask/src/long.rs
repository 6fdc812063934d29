//! `cargo xtask long`: runs that take minutes to hours, their logs kept as evidence.

use std::process::Command;

use crate::evidence::record;
use crate::process::{Failure, Outcome, cargo, run as run_command};

pub(crate) fn run(words: &[&str]) -> Outcome {
    let request = Request::parse(words)?;
    let run = request.run;
    // Built first, so that the log holds the run and not the compiler.
    run_command(run.command().arg("--no-run"))?;
    let mut command = run.command();
    command.args(["--", "--nocapture"]).env(run.variable, request.count.to_string());
    // A log of what was skipped is no evidence.
    command.env("OSSGET_NO_SKIP", "1");
    record(run.name, &mut command)
}

/// One kind of long run.
#[derive(Debug, PartialEq, Eq)]
struct LongRun {
    name: &'static str,
    flag: &'static str,
    /// Tells the test how many; without it the test does its short default.
    variable: &'static str,
    count: u64,
    arguments: &'static [&'static str],
}

impl LongRun {
    fn command(&self) -> Command {
        let mut command = cargo(["test", "--release"]);
        command.args(self.arguments);
        command
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Request {
    run: &'static LongRun,
    count: u64,
}

impl Request {
    fn parse(words: &[&str]) -> Outcome<Self> {
        let usage = || {
            let known: Vec<String> =
                RUNS.iter().map(|run| format!("{} [{} N]", run.name, run.flag)).collect();
            Failure::new(format!("usage: cargo xtask long {}", known.join(" | ")))
        };
        let (name, rest) = words.split_first().ok_or_else(usage)?;
        let run = RUNS.iter().find(|run| run.name == *name).ok_or_else(usage)?;
        let count = match rest {
            [] => run.count,
            [flag, count] if *flag == run.flag => count.parse().map_err(|_| usage())?,
            _ => return Err(usage()),
        };
        Ok(Self { run, count })
    }
}

const RUNS: &[LongRun] = &[
    LongRun {
        name: "sim",
        flag: "--seeds",
        variable: "OSSGET_SIM_SEEDS",
        count: 1_000_000,
        arguments: &["-p", "ossget-core", "--features", "mutants", "--test", "sim"],
    },
    LongRun {
        name: "kills",
        flag: "--count",
        variable: "OSSGET_KILLS",
        count: 1_000,
        arguments: &["-p", "ossget-tests", "--test", "sigkill"],
    },
    LongRun {
        name: "state-machine",
        flag: "--cases",
        variable: "OSSGET_STATE_CASES",
        count: 10_000,
        arguments: &["-p", "ossget", "--test", "state_machine"],
    },
    LongRun {
        name: "power-cuts",
        flag: "--count",
        variable: "OSSGET_POWER_CUTS",
        count: 2_000,
        arguments: &["-p", "ossget-tests", "--test", "power_cut"],
    },
    LongRun {
        name: "fuse",
        flag: "--count",
        variable: "OSSGET_FUSE_RUNS",
        count: 1_000,
        arguments: &["-p", "ossget-tests", "--test", "fuse"],
    },
    LongRun {
        name: "races",
        flag: "--count",
        variable: "OSSGET_RACES",
        count: 1_000,
        arguments: &["-p", "ossget-tests", "--test", "races"],
    },
    LongRun {
        name: "crash-model",
        flag: "--depth",
        variable: "OSSGET_CRASH_DEPTH",
        count: 4,
        arguments: &["-p", "ossget", "--test", "crash_model"],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_takes_its_own_flag_and_no_other() {
        let request = Request::parse(&["sim", "--seeds", "7"]).unwrap();
        assert_eq!((request.run.name, request.count), ("sim", 7));
        assert_eq!(Request::parse(&["kills"]).unwrap().count, 1_000);
        for bad in [&[][..], &["sim", "--count", "7"], &["sim", "--seeds", "x"], &["other"]] {
            let usage = Request::parse(bad).unwrap_err().to_string();
            assert!(usage.contains("sim [--seeds N] | kills [--count N]"), "{usage}");
        }
    }
}
