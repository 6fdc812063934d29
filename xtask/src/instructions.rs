//! `cargo xtask instructions`: how many instructions the same work takes, compared with what is
//! committed. Counts do not depend on what else a machine does, as times do.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use crate::process::{Context, Failure, Outcome, cargo, line_of, output, program, root};

pub(crate) fn run(words: &[&str]) -> Outcome {
    let found = Counts::measure()?;
    match words {
        ["--bless"] => {
            fs::write(root().join(BASELINE), found.to_text()).context(BASELINE)?;
            println!("written to {BASELINE}");
            Ok(())
        }
        [] => {
            let text = fs::read_to_string(root().join(BASELINE)).context(BASELINE)?;
            let (report, verdict) = found.compare(&Counts::read(&text)?);
            print!("{report}");
            verdict
        }
        _ => Err(Failure::new("usage: cargo xtask instructions [--bless]")),
    }
}

/// How many instructions each piece of work took, and with which compiler.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    compiler: String,
    works: BTreeMap<String, u64>,
}

impl Counts {
    fn measure() -> Outcome<Self> {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let version = output(program(rustc).arg("--version"))?;
        let target = format!("{}, {}", version.trim(), std::env::consts::ARCH);
        let mut counts = Self { compiler: target, works: BTreeMap::new() };
        for (package, work) in WORKS {
            counts.works.insert(format!("{package} {work}"), count(package, work)?);
        }
        Ok(counts)
    }

    fn read(text: &str) -> Outcome<Self> {
        let mut counts = Self::default();
        for line in text.lines() {
            let bad = || Failure::new(format!("{BASELINE}: cannot read `{line}`"));
            let (name, value) = line.split_once(": ").ok_or_else(bad)?;
            match name {
                "compiler" => value.clone_into(&mut counts.compiler),
                work => {
                    counts.works.insert(work.to_owned(), value.parse().map_err(|_| bad())?);
                }
            }
        }
        Ok(counts)
    }

    fn to_text(&self) -> String {
        let mut text = format!("compiler: {}\n", self.compiler);
        for (work, count) in &self.works {
            writeln!(text, "{work}: {count}").expect("writing to a string cannot fail");
        }
        text
    }

    /// A table, and whether nothing takes more than before. What another compiler made of the same
    /// code says nothing about the code.
    fn compare(&self, before: &Self) -> (String, Outcome) {
        let mut text = String::new();
        let mut worse = Vec::new();
        for (work, &now) in &self.works {
            let line = match before.works.get(work) {
                None => {
                    worse.push(format!("{work} is not in {BASELINE}"));
                    format!("{work:<24} {now:>14}")
                }
                Some(&then) => {
                    let parts = u128::from(now) * 1000 / u128::from(then.max(1));
                    if parts > LIMIT_THOUSANDTHS {
                        worse.push(format!("{work} takes {parts} thousandths of what it took"));
                    }
                    format!("{work:<24} {now:>14} {then:>14} {:>6}.{} %", parts / 10, parts % 10)
                }
            };
            writeln!(text, "{line}").expect("writing to a string cannot fail");
        }
        if self.compiler != before.compiler {
            let (now, then) = (&self.compiler, &before.compiler);
            writeln!(text, "NOT COMPARED: counted by {then}, this is {now}")
                .expect("writing to a string cannot fail");
            return (text, Ok(()));
        }
        let verdict = match &worse[..] {
            [] => Ok(()),
            _ => Err(Failure::new(format!(
                "{}; if that is meant: cargo xtask instructions --bless",
                worse.join(", ")
            ))),
        };
        (text, verdict)
    }
}

/// Runs one piece of work under valgrind.
fn count(package: &str, work: &str) -> Outcome<u64> {
    let mut command = cargo(["bench", "-q", "-p", package, "--bench", "instructions", "--", work]);
    let runner = format!("CARGO_TARGET_{}_RUNNER", triple()?.to_uppercase().replace('-', "_"));
    command.env(runner, "valgrind --tool=callgrind --callgrind-out-file=/dev/null");
    let line = line_of(&command);
    println!("$ {line}");
    let output = command.output().context(format_args!("cannot start `{line}`"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(Failure::new(format!("`{line}`: {}\n{told}", output.status)));
    }
    collected(&told).ok_or_else(|| Failure::new(format!("`{line}` tells no count:\n{told}")))
}

/// What callgrind says at its end.
fn collected(told: &str) -> Option<u64> {
    let (_, count) = told.lines().find_map(|line| line.split_once("Collected : "))?;
    count.trim().parse().ok()
}

/// The machine that cargo builds for.
fn triple() -> Outcome<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = output(program(rustc).arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure::new("rustc -vV names no host"))
}

const WORKS: [(&str, &str); 4] = [
    ("ossget-core", "session"),
    ("ossget-core", "slots"),
    ("ossget-sign", "v1"),
    ("ossget-sign", "v4"),
];
const BASELINE: &str = "docs/evidence/instructions.txt";
/// Five percent more is too much.
const LIMIT_THOUSANDTHS: u128 = 1050;

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(compiler: &str, works: &[(&str, u64)]) -> Counts {
        let works = works.iter().map(|&(work, count)| (work.to_owned(), count)).collect();
        Counts { compiler: compiler.to_owned(), works }
    }

    #[test]
    fn counts_are_written_and_read() {
        let counts = counts("rustc 1.2", &[("a b", 3), ("c d", 5)]);
        assert_eq!(Counts::read(&counts.to_text()).unwrap(), counts);
        assert!(Counts::read("a b: x\n").is_err());
    }

    #[test]
    fn what_takes_a_twentieth_more_fails() {
        let before = counts("rustc 1.2", &[("a b", 1000)]);
        for (now, fails) in [(500, false), (1050, false), (1051, true)] {
            let (_, verdict) = counts("rustc 1.2", &[("a b", now)]).compare(&before);
            assert_eq!(verdict.is_err(), fails, "{now}");
        }
        let (_, verdict) = counts("rustc 1.2", &[("new", 1)]).compare(&before);
        assert!(verdict.is_err());
    }

    #[test]
    fn another_compiler_is_not_compared_and_that_is_said() {
        let before = counts("rustc 1.2", &[("a b", 1000)]);
        let (report, verdict) = counts("rustc 1.3", &[("a b", 2000)]).compare(&before);
        assert!(verdict.is_ok() && report.contains("NOT COMPARED"), "{report}");
    }

    #[test]
    fn the_count_is_found_in_what_valgrind_says() {
        let told = "==1== \n==1== Collected : 123456\n==1== \n";
        assert_eq!(collected(told), Some(123_456));
        assert_eq!(collected("==1== nothing\n"), None);
    }
}
