//! `cargo xtask long`: runs that take minutes to hours, their logs kept as evidence.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::process::{
    Context, Failure, Outcome, cargo, line_of, output, program, root, run as run_command,
};

pub(crate) fn run(words: &[&str]) -> Outcome {
    let request = Request::parse(words)?;
    let run = request.run;
    // Built first, so that the log holds the run and not the compiler.
    run_command(run.command().arg("--no-run"))?;
    let mut command = run.command();
    command.args(["--", "--nocapture"]).env(run.variable, request.count.to_string());
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

/// Runs the command, copying its output to the screen and to the evidence file.
fn record(name: &str, command: &mut Command) -> Outcome {
    let path = root().join("docs/evidence").join(format!("{name}.txt"));
    let shown = format!("docs/evidence/{name}.txt");
    let line = line_of(command);
    let heading = heading(&line)?;
    let mut log = File::create(&path).context(&shown)?;
    log.write_all(heading.as_bytes()).context(&shown)?;

    let begun = Instant::now();
    // One pipe for both streams: their order is part of the evidence.
    let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
    command.stdin(Stdio::null());
    command.stdout(writer.try_clone().context("cannot share the pipe")?).stderr(writer);
    let mut child = command.spawn().context(format_args!("cannot start `{line}`"))?;
    // The command holds the pipe's writing ends: reading would never end while they are open here.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let here = root().display().to_string();
    let copied = copy_lines(BufReader::new(reader), &mut log, &here).context(&shown);
    let status = child.wait().context(format_args!("`{line}`"))?;
    copied?;
    writeln!(log, "\n{status} after {:.0} s", begun.elapsed().as_secs_f64()).context(&shown)?;
    println!("written to {shown}");
    if status.success() { Ok(()) } else { Err(Failure::new(format!("`{line}`: {status}"))) }
}

fn copy_lines(mut from: impl BufRead, log: &mut impl Write, here: &str) -> std::io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if from.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        // The log is committed: it says nothing about where the work tree lies.
        let line = String::from_utf8_lossy(&line).replace(here, ".");
        print!("{line}");
        log.write_all(line.as_bytes())?;
    }
}

pub(crate) fn heading(line: &str) -> Outcome<String> {
    let date = output(program("date").args(["-u", "+%Y-%m-%d %H:%M:%S UTC"]))?;
    let commit = output(program("git").args(["rev-parse", "HEAD"]))?;
    // Not the evidence itself: it changes nothing that is run.
    let status = ["status", "--porcelain", "--", ".", ":!docs/evidence"];
    let changes = output(program("git").args(status))?;
    let tree = if changes.is_empty() { "" } else { " with uncommitted changes" };
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    Ok(format!(
        "date:    {}\ncommit:  {}{tree}\ncommand: {line}\nsystem:  {} {}, {processors} processors\n\n",
        date.trim(),
        commit.trim(),
        std::env::consts::OS,
        std::env::consts::ARCH,
    ))
}

const RUNS: &[LongRun] = &[
    LongRun {
        name: "sim",
        flag: "--seeds",
        variable: "OSSGET_SIM_SEEDS",
        count: 10_000,
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
        name: "power-cuts",
        flag: "--count",
        variable: "OSSGET_POWER_CUTS",
        count: 2_000,
        arguments: &["-p", "ossget-tests", "--test", "power_cut"],
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

    #[test]
    fn the_log_does_not_say_where_the_work_tree_lies() {
        let mut log = Vec::new();
        copy_lines(&b"at /home/a/tree/src/x.rs:1\nlast"[..], &mut log, "/home/a/tree").unwrap();
        assert_eq!(log, b"at ./src/x.rs:1\nlast");
    }
}
