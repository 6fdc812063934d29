//! Builds the test binaries, runs the marked tests in them and reads what they print.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::markers::{Marked, TestName};
use crate::check::FEATURES;
use crate::process::{Context, Failure, Outcome, cargo, line_of, root, run as run_command};

/// What the binaries printed about their tests.
#[derive(Debug, Default)]
pub(crate) struct Results {
    /// By the root file of the binary, then by the name that it prints.
    printed: BTreeMap<String, BTreeMap<String, Verdict>>,
}

/// How a test, or a module of tests, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Ok,
    Ignored,
    Failed,
    /// No binary knows it.
    Missing,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Ignored => "ignored",
            Self::Failed => "FAILED",
            Self::Missing => "no such test",
        })
    }
}

impl Results {
    /// Runs every marked test.
    pub(crate) fn collect(marked: &[Marked]) -> Outcome<Self> {
        // The end-to-end tests start the built binaries.
        run_command(&mut cargo(["build", "--workspace", "--bins"]))?;
        let binaries = build()?;
        let mut targets: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for Marked { test, .. } in marked {
            targets.entry(&test.target).or_default().insert(&test.path);
        }
        let mut results = Self::default();
        for (target, paths) in targets {
            let Some(binary) = binaries.get(target) else {
                println!("{target}: no test binary is built from it");
                continue;
            };
            let printed = binary.run(target, &paths)?;
            results.read(target, &printed);
        }
        Ok(results)
    }

    /// Adds what a binary printed.
    pub(crate) fn read(&mut self, target: &str, printed: &str) {
        let known = self.printed.entry(target.to_owned()).or_default();
        for line in printed.lines() {
            let Some((name, end)) =
                line.strip_prefix("test ").and_then(|line| line.rsplit_once(" ... "))
            else {
                continue;
            };
            let verdict = match end.split([' ', ',']).next() {
                Some("ok") => Verdict::Ok,
                Some("ignored") => Verdict::Ignored,
                _ => Verdict::Failed,
            };
            let name = name.strip_suffix(" - should panic").unwrap_or(name);
            known.insert(name.to_owned(), verdict);
        }
    }

    /// The worst of what was printed about the test, or the tests of the module.
    pub(crate) fn verdict(&self, test: &TestName) -> Verdict {
        let within = format!("{}::", test.path);
        self.printed
            .get(&test.target)
            .into_iter()
            .flatten()
            .filter(|(name, _)| **name == test.path || name.starts_with(&within))
            .map(|(_, verdict)| *verdict)
            .max()
            .unwrap_or(Verdict::Missing)
    }
}

/// One built test binary.
#[derive(Debug, PartialEq, Eq)]
struct Binary {
    executable: PathBuf,
    /// Cargo starts tests in the folder of their crate.
    folder: PathBuf,
}

impl Binary {
    /// Runs the tests whose names contain one of these, and returns what was printed.
    fn run(&self, target: &str, names: &BTreeSet<&str>) -> Outcome<String> {
        let mut command = Command::new(&self.executable);
        command.args(names).current_dir(&self.folder).stderr(Stdio::inherit());
        // What is skipped proves nothing.
        command.env("CARGO_MANIFEST_DIR", &self.folder).env("OSSGET_NO_SKIP", "1");
        // The rows say "at every call".
        command.env("OSSGET_INJECT", "all");
        println!("$ {target}: {} marked", names.len());
        let output = command.output().context(line_of(&command))?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            print!("{printed}");
        }
        Ok(printed)
    }
}

/// Builds the tests as `cargo xtask test` does; by their root file.
fn build() -> Outcome<BTreeMap<String, Binary>> {
    let mut command = cargo([
        "test",
        "--workspace",
        "--features",
        FEATURES,
        "--no-run",
        "--message-format=json-render-diagnostics",
    ]);
    let line = line_of(&command);
    println!("$ {line}");
    let output =
        command.stderr(Stdio::inherit()).output().context(format_args!("cannot start `{line}`"))?;
    if !output.status.success() {
        return Err(Failure::new(format!("`{line}`: {}", output.status)));
    }
    Ok(binaries(&String::from_utf8_lossy(&output.stdout), &root()))
}

/// Reads cargo's messages.
fn binaries(messages: &str, root: &Path) -> BTreeMap<String, Binary> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["profile"]["test"] == true)
        .filter_map(|message| {
            let executable = PathBuf::from(message["executable"].as_str()?);
            let folder = Path::new(message["manifest_path"].as_str()?).parent()?.to_owned();
            let source = Path::new(message["target"]["src_path"].as_str()?);
            let target = source.strip_prefix(root).ok()?.to_str()?.to_owned();
            Some((target, Binary { executable, folder }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(path: &str) -> TestName {
        let target = "crates/a/src/lib.rs".to_owned();
        TestName { file: target.clone(), target, path: path.to_owned() }
    }

    #[test]
    fn the_worst_of_a_module_counts_and_what_is_not_printed_is_missing() {
        let mut results = Results::default();
        let printed = "running 4 tests\ntest m::a ... ok\ntest m::b ... FAILED\n\
                       test n::c - should panic ... ok\ntest slow ... ignored, takes long\n\
                       test m_more::d ... ok\n\ntest result: FAILED. 3 passed; 1 failed\n";
        results.read("crates/a/src/lib.rs", printed);
        assert_eq!(results.verdict(&test("m::a")), Verdict::Ok);
        assert_eq!(results.verdict(&test("m")), Verdict::Failed);
        assert_eq!(results.verdict(&test("n::c")), Verdict::Ok);
        assert_eq!(results.verdict(&test("m_more")), Verdict::Ok);
        assert_eq!(results.verdict(&test("slow")), Verdict::Ignored);
        assert_eq!(results.verdict(&test("m::gone")), Verdict::Missing);
    }

    #[test]
    fn test_binaries_are_known_by_their_root_file() {
        let messages = r#"{"reason":"compiler-artifact","manifest_path":"/r/crates/a/Cargo.toml","target":{"src_path":"/r/crates/a/src/lib.rs"},"profile":{"test":true},"executable":"/t/a-1"}
{"reason":"compiler-artifact","manifest_path":"/r/crates/a/Cargo.toml","target":{"src_path":"/r/crates/a/src/lib.rs"},"profile":{"test":false},"executable":null}
{"reason":"compiler-artifact","manifest_path":"/o/b/Cargo.toml","target":{"src_path":"/o/b/src/lib.rs"},"profile":{"test":true},"executable":"/t/b-1"}
{"reason":"build-finished","success":true}"#;
        let found = binaries(messages, Path::new("/r"));
        let wanted =
            Binary { executable: PathBuf::from("/t/a-1"), folder: PathBuf::from("/r/crates/a") };
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            [("crates/a/src/lib.rs".to_owned(), wanted)]
        );
    }
}
