//! `cargo xtask fuzz`: builds the fuzz targets once and drives each for some seconds.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::{fs, thread};

use crate::evidence::stamp;
use crate::process::{
    Context, Failure, Outcome, cargo, install_tool, line_of, output, program, root,
    run as run_command, succeeds,
};

pub(crate) fn run(words: &[&str]) -> Outcome {
    let request = Request::parse(words)?;
    ready()?;
    let fuzzed = drive(&request)?;
    let stamp = format!("{:>7} s, {}", request.seconds, stamp()?);
    let path = root().join(EVIDENCE);
    // Where there is none yet, nothing is kept.
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let text = merged(&targets_in_tree()?, &kept, &fuzzed, &stamp);
    fs::write(path, text).context(EVIDENCE)?;
    println!("written to {EVIDENCE}");
    outcome(&fuzzed)
}

/// Drives every target for a short time and keeps no evidence.
pub(crate) fn briefly(seconds: u64) -> Outcome {
    // Each has a processor to itself.
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    outcome(&drive(&Request { seconds, jobs, targets: Vec::new() })?)
}

/// Makes sure that there is cargo-fuzz.
pub(crate) fn ready() -> Outcome {
    if succeeds(&mut cargo(["fuzz", "--version"])) {
        return Ok(());
    }
    install_tool(CARGO_FUZZ).context("cargo-fuzz is missing and could not be installed")
}

#[derive(Debug, PartialEq, Eq)]
struct Request {
    seconds: u64,
    /// Targets driven at once.
    jobs: usize,
    /// All of them, if it is empty.
    targets: Vec<String>,
}

impl Request {
    fn parse(words: &[&str]) -> Outcome<Self> {
        let usage = || Failure::new("usage: cargo xtask fuzz [--seconds N] [--jobs N] [TARGET...]");
        let (mut seconds, mut jobs, mut targets) = (SECONDS, 1, words);
        while let [flag, rest @ ..] = targets
            && flag.starts_with("--")
        {
            let (number, rest) = rest.split_first().ok_or_else(usage)?;
            match *flag {
                "--seconds" => seconds = number.parse().map_err(|_| usage())?,
                "--jobs" => jobs = number.parse().map_err(|_| usage())?,
                _ => return Err(usage()),
            }
            targets = rest;
        }
        let known = targets_in_tree()?;
        for target in targets {
            if !known.iter().any(|known| known == target) {
                let known = known.join(" ");
                return Err(Failure::new(format!("no target `{target}`; there are {known}")));
            }
        }
        let targets = targets.iter().map(|&target| target.to_owned()).collect();
        Ok(Self { seconds, jobs, targets })
    }
}

/// How it went with one target.
#[derive(Debug, PartialEq, Eq)]
struct Fuzzed {
    target: String,
    runs: u64,
    per_second: u64,
    peak_mb: u64,
    coverage: u64,
    failed: Option<String>,
}

fn drive(request: &Request) -> Outcome<Vec<Fuzzed>> {
    let targets = match &request.targets[..] {
        [] => targets_in_tree()?,
        named => named.to_vec(),
    };
    build()?;
    let waiting = Mutex::new(targets.into_iter());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || -> Outcome<Vec<Fuzzed>> {
        std::iter::from_fn(next).map(|target| drive_one(target, request.seconds)).collect()
    };
    let mut all = Vec::new();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..request.jobs.max(1)).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            let fuzzed = worker.join().map_err(|_| Failure::new("a thread panicked"))?;
            all.append(&mut fuzzed?);
        }
        Ok(())
    })?;
    all.sort_by(|one, other| one.target.cmp(&other.target));
    Ok(all)
}

fn drive_one(target: String, seconds: u64) -> Outcome<Fuzzed> {
    // Targets end without running destructors: what they leave goes with this folder.
    let scratch = root().join(TARGET_DIR).join("tmp").join(&target);
    drop(fs::remove_dir_all(&scratch));
    fs::create_dir_all(&scratch).context(scratch.display())?;
    let mut command = command(&target, seconds)?;
    println!("$ {}", line_of(&command));
    command.env("TMPDIR", &scratch).env("RUST_BACKTRACE", "0").stdin(Stdio::null());
    let ended = command.output().context(line_of(&command))?;
    let text = String::from_utf8_lossy(&ended.stderr);
    let fuzzed = read(target, &text, ended.status);
    if fuzzed.failed.is_some() {
        print!("{}{text}", String::from_utf8_lossy(&ended.stdout));
    }
    println!("{}", row(&fuzzed));
    drop(fs::remove_dir_all(&scratch));
    Ok(fuzzed)
}

/// Without a sanitizer: of our crates only one module of ossget-fs may hold unsafe code, and what
/// sanitizers cost is better spent on more runs. So any compiler will do: only they need a nightly
/// one.
fn build() -> Outcome {
    let mut command = cargo(["fuzz", "build", "--fuzz-dir", "fuzz", "--sanitizer", "none"]);
    command.args(["--features", "libfuzzer", "--target-dir", TARGET_DIR]);
    // What the release profile does for users costs minutes here.
    command.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_DEBUG", "0");
    run_command(&mut command)
}

fn command(target: &str, seconds: u64) -> Outcome<Command> {
    let folder = |kind: &str| root().join("fuzz").join(kind).join(target);
    let (corpus, artifacts) = (folder("corpus"), folder("artifacts"));
    for folder in [&corpus, &artifacts] {
        fs::create_dir_all(folder).context(folder.display())?;
    }
    let version = output(program("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or_else(|| Failure::new("rustc does not tell its host"))?;
    let binary = root().join(TARGET_DIR).join(host).join("release").join(target);
    let mut command = program(binary);
    command.arg(format!("-max_total_time={seconds}"));
    command.args(["-timeout=1", "-rss_limit_mb=256", "-print_final_stats=1"]);
    command.arg(format!("-artifact_prefix={}/", artifacts.display()));
    // The first folder also receives what is found.
    command.arg(corpus).arg(folder("seeds"));
    Ok(command)
}

/// Reads what libFuzzer printed.
fn read(target: String, text: &str, status: ExitStatus) -> Fuzzed {
    let stat = |name: &str| {
        let line = text.lines().rev().find_map(|line| line.strip_prefix(name));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
    };
    let coverage = text.lines().rev().find_map(|line| {
        let (_, after) = line.split_once(" cov: ")?;
        after.split(' ').next()?.parse().ok()
    });
    let why = || {
        let line = text.lines().find(|line| line.contains("panicked at") || line.contains("ERROR"));
        line.unwrap_or("it failed").trim().to_owned()
    };
    Fuzzed {
        target,
        runs: stat("stat::number_of_executed_units:"),
        per_second: stat("stat::average_exec_per_sec:"),
        peak_mb: stat("stat::peak_rss_mb:"),
        coverage: coverage.unwrap_or(0),
        failed: (!status.success()).then(why),
    }
}

/// The kept table, with the rows of the targets that were driven now in place of theirs.
fn merged(targets: &[String], kept: &str, fuzzed: &[Fuzzed], stamp: &str) -> String {
    let mut text = format!(
        "{:<18} {:>12} {:>9} {:>9} {:>7} {:>9}, date and commit; result\n",
        "target", "runs", "per s", "coverage", "MB", "for"
    );
    for target in targets {
        let now = fuzzed.iter().find(|fuzzed| fuzzed.target == *target);
        let before = || kept.lines().find(|line| line.split(' ').next() == Some(target));
        match (now, before()) {
            (Some(now), _) => {
                let result = now.failed.as_deref().unwrap_or("ok");
                writeln!(text, "{} {stamp}; {result}", row(now))
            }
            (None, Some(before)) => writeln!(text, "{before}"),
            (None, None) => writeln!(text, "{target:<18} never driven"),
        }
        .expect("writing to a string cannot fail");
    }
    text
}

fn row(fuzzed: &Fuzzed) -> String {
    let Fuzzed { target, runs, per_second, peak_mb, coverage, .. } = fuzzed;
    format!("{target:<18} {runs:>12} {per_second:>9} {coverage:>9} {peak_mb:>7}")
}

fn outcome(all: &[Fuzzed]) -> Outcome {
    let failed: Vec<&str> =
        all.iter().filter(|it| it.failed.is_some()).map(|it| it.target.as_str()).collect();
    match &failed[..] {
        [] => Ok(()),
        failed => Err(Failure::new(format!(
            "fuzz: {}; the inputs are in fuzz/artifacts",
            failed.join(", ")
        ))),
    }
}

fn targets_in_tree() -> Outcome<Vec<String>> {
    let folder = root().join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).context(folder.display())? {
        let path: PathBuf = entry.context(folder.display())?.path();
        names.extend(path.file_stem().and_then(|name| name.to_str()).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

const CARGO_FUZZ: &str = "cargo-fuzz@0.13.2";
const EVIDENCE: &str = "docs/evidence/fuzz.txt";
const TARGET_DIR: &str = "target/fuzz";
/// For each target.
const SECONDS: u64 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(code: i32) -> ExitStatus {
        let script = format!("exit {code}");
        program("sh").args(["-c", &script]).status().unwrap()
    }

    #[test]
    fn what_libfuzzer_prints_is_read() {
        let text = "#2\tINITED cov: 10 ft: 11 corp: 1/1b exec/s: 0 rss: 40Mb\n\
                    #9\tNEW    cov: 128 ft: 200 corp: 2/3b lim: 4 exec/s: 0 rss: 41Mb L: 2/2 MS: 1\n\
                    stat::number_of_executed_units: 1234\n\
                    stat::average_exec_per_sec:     56\nstat::peak_rss_mb:              78\n";
        let fuzzed = read("a".to_owned(), text, ended(0));
        assert_eq!(
            (fuzzed.runs, fuzzed.per_second, fuzzed.peak_mb, fuzzed.coverage),
            (1234, 56, 78, 128)
        );
        assert_eq!(fuzzed.failed, None);
        assert!(outcome(&[fuzzed]).is_ok());
        let broken = "thread 'x' panicked at fuzz/src/a.rs:1:2:\nleft\n==1== ERROR: libFuzzer\n";
        let fuzzed = read("b".to_owned(), broken, ended(77));
        assert_eq!(fuzzed.failed.as_deref(), Some("thread 'x' panicked at fuzz/src/a.rs:1:2:"));
        let names = ["a", "b", "c", "d"].map(str::to_owned);
        let kept = "target x\nc   7 600 s, then; ok\nb   9 600 s, then; ok\n";
        let text = merged(&names, kept, std::slice::from_ref(&fuzzed), "60 s, now");
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert!(lines[0].starts_with("a ") && lines[0].ends_with("never driven"), "{text}");
        assert!(
            lines[1].ends_with("60 s, now; thread 'x' panicked at fuzz/src/a.rs:1:2:"),
            "{text}"
        );
        assert_eq!(lines[2], "c   7 600 s, then; ok");
        assert!(outcome(&[fuzzed]).unwrap_err().to_string().contains("fuzz: b;"));
    }

    #[test]
    fn only_targets_that_there_are_can_be_asked_for() {
        let request = Request::parse(&["--seconds", "7", "wire"]).unwrap();
        assert_eq!((request.seconds, request.targets.len()), (7, 1));
        let request = Request::parse(&["--jobs", "2", "--seconds", "9"]).unwrap();
        assert_eq!((request.jobs, request.seconds), (2, 9));
        assert_eq!(Request::parse(&[]).unwrap().seconds, SECONDS);
        for words in [&["nothing"][..], &["--seconds"], &["--jobs", "x"], &["--other", "1"]] {
            assert!(Request::parse(words).is_err(), "{words:?}");
        }
    }
}
