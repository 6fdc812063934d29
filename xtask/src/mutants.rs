//! `cargo xtask long mutants`: changes the deciding code in every way cargo-mutants knows, and
//! counts the changes that no test notices. What is changed stands in `.cargo/mutants.toml`, and
//! for `--checkpoints`, the code that keeps them on the disk, in `.cargo/mutants-checkpoints.toml`.
//!
//! In two passes: the quick tests first, which notice most, and for what they miss the simulation
//! or the crash model, which take longer than most mutants take to be noticed.

use std::fmt::Write as _;
use std::fs;
use std::time::Instant;

use crate::evidence::heading;
use crate::process::{Context, Failure, Outcome, cargo, install_tool, line_of, root, succeeds};

pub(crate) fn run(words: &[&str]) -> Outcome {
    let Request { subject, shard, passes } = Request::parse(words)?;
    if !succeeds(&mut cargo(["mutants", "--version"])) {
        install_tool(CARGO_MUTANTS)
            .context("cargo-mutants is missing and could not be installed")?;
    }
    let begun = Instant::now();
    // Of the tree that is tried: another commit may be there at the end.
    let words: Vec<&str> = ["cargo xtask long mutants"].iter().chain(words).copied().collect();
    let mut text = heading(&words.join(" "))?;
    let mut chosen = vec![format!("--config={}", subject.config())];
    chosen.extend(shard.map(|shard| format!("--shard={shard}")));
    let quick = pass("quick", &chosen)?;
    let counts = match (passes, &quick.missed[..]) {
        (Passes::Quick, _) | (_, []) => quick,
        (Passes::Both, missed) => {
            chosen.truncate(1);
            chosen.extend(subject.thorough().iter().map(|&word| word.to_owned()));
            chosen.extend(missed.iter().map(|name| format!("--re=^{}$", escaped(name))));
            // These are chosen whatever they are named.
            if !missed.iter().any(|name| name.contains(FIELD)) {
                chosen.push(format!("--exclude-re={FIELD}"));
            }
            quick.after(pass("thorough", &chosen)?)
        }
    };
    text.push_str(&counts.table());
    writeln!(text, "\nafter {} min", begun.elapsed().as_secs() / 60)
        .expect("writing to a string cannot fail");
    let evidence = subject.evidence(shard);
    fs::write(root().join(&evidence), &text).context(&evidence)?;
    print!("{text}");
    println!("written to {evidence}");
    if counts.percent() < LEAST_PERCENT {
        let percent = counts.percent();
        return Err(Failure::new(format!("mutants: {percent} % caught, {LEAST_PERCENT} % wanted")));
    }
    Ok(())
}

/// Tries the chosen mutants.
fn pass(name: &str, chosen: &[String]) -> Outcome<Counts> {
    let output = format!("{OUTPUT}/{name}");
    fs::create_dir_all(root().join(&output)).context(&output)?;
    let mut command = cargo(["mutants", "--no-shuffle", "--colors", "never", "--output", &output]);
    command.args(chosen);
    // Enough for a mutant to be noticed; more would take days.
    command.env("OSSGET_SIM_SEEDS", "200").env("PROPTEST_CASES", "64");
    command.env("OSSGET_STATE_CASES", "20");
    let line = line_of(&command);
    println!("$ {line}");
    let status = command.status().context(format_args!("cannot start `{line}`"))?;
    // 2: some were missed; 3: some took too long. Both are results.
    if !matches!(status.code(), Some(0 | 2 | 3)) {
        return Err(Failure::new(format!("`{line}`: {status}")));
    }
    Counts::read(|name| {
        let path = root().join(&output).join("mutants.out").join(name);
        fs::read_to_string(&path).context(path.display())
    })
}

/// A mutant's name as a regular expression that matches nothing else.
fn escaped(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if r"\.+*?()|[]{}^$#&-~".contains(c) {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

/// What is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    /// What decides, and the formats: `ossget-core` and `ossget-sign`.
    Deciding,
    /// What keeps checkpoints on the disk: a part of the facade.
    Checkpoints,
}

impl Subject {
    const fn config(self) -> &'static str {
        match self {
            Self::Deciding => ".cargo/mutants.toml",
            Self::Checkpoints => ".cargo/mutants-checkpoints.toml",
        }
    }

    /// What brings in the tests that take long.
    const fn thorough(self) -> &'static [&'static str] {
        match self {
            Self::Deciding => &["--features", "mutants"],
            Self::Checkpoints => &["--cargo-arg=--test=crash_model"],
        }
    }

    fn evidence(self, shard: Option<&str>) -> String {
        let of = match self {
            Self::Deciding => "",
            Self::Checkpoints => "-checkpoints",
        };
        let of_all =
            shard.map_or_else(String::new, |shard| format!("-{}", shard.replace('/', "-of-")));
        format!("docs/evidence/mutants{of}{of_all}.txt")
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Request<'a> {
    subject: Subject,
    /// One of several, or all.
    shard: Option<&'a str>,
    passes: Passes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passes {
    Both,
    /// The simulation is not asked: where the quick tests notice enough, it is not needed.
    Quick,
}

impl<'a> Request<'a> {
    fn parse(words: &[&'a str]) -> Outcome<Self> {
        let usage = || {
            Failure::new("usage: cargo xtask long mutants [--checkpoints] [--quick] [--shard K/N]")
        };
        let (subject, rest) = match words {
            ["--checkpoints", rest @ ..] => (Subject::Checkpoints, rest),
            _ => (Subject::Deciding, words),
        };
        let (passes, rest) = match rest {
            ["--quick", rest @ ..] => (Passes::Quick, rest),
            _ => (Passes::Both, rest),
        };
        match rest {
            [] => Ok(Self { subject, shard: None, passes }),
            ["--shard", shard] => {
                let (k, n) = shard.split_once('/').ok_or_else(usage)?;
                let number = |text: &str| text.parse::<u32>().map_err(|_| usage());
                match number(k)? < number(n)? {
                    true => Ok(Self { subject, shard: Some(*shard), passes }),
                    false => Err(usage()),
                }
            }
            _ => Err(usage()),
        }
    }
}

/// What became of the mutants.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    caught: usize,
    /// Endless loops, for instance: noticed, too.
    timeout: Vec<String>,
    /// They did not compile and say nothing.
    unviable: usize,
    missed: Vec<String>,
}

impl Counts {
    fn read(file: impl Fn(&str) -> Outcome<String>) -> Outcome<Self> {
        let lines = |name: &str| -> Outcome<Vec<String>> {
            Ok(file(name)?.lines().map(str::to_owned).collect())
        };
        Ok(Self {
            caught: lines("caught.txt")?.len(),
            timeout: lines("timeout.txt")?,
            unviable: lines("unviable.txt")?.len(),
            missed: lines("missed.txt")?,
        })
    }

    /// After a second look at those that were missed.
    fn after(self, second: Self) -> Self {
        let of_these = |names: Vec<String>| -> Vec<String> {
            names.into_iter().filter(|name| self.missed.contains(name)).collect()
        };
        let (timeout, missed) = (of_these(second.timeout), of_these(second.missed));
        Self {
            caught: self.caught + self.missed.len() - timeout.len() - missed.len(),
            timeout: self.timeout.into_iter().chain(timeout).collect(),
            unviable: self.unviable,
            missed,
        }
    }

    /// Of those that compiled; all of none.
    fn percent(&self) -> usize {
        let noticed = self.caught + self.timeout.len();
        (noticed * 100).checked_div(noticed + self.missed.len()).unwrap_or(100)
    }

    fn table(&self) -> String {
        let Self { caught, timeout, unviable, missed } = self;
        let mut text = format!(
            "{caught} caught, {} ended by the time limit, {} missed, {unviable} did not compile: {} % noticed\n",
            timeout.len(),
            missed.len(),
            self.percent()
        );
        for mutant in missed {
            writeln!(text, "missed: {mutant}").expect("writing to a string cannot fail");
        }
        text
    }
}

const CARGO_MUTANTS: &str = "cargo-mutants@27.1.0";
const FIELD: &str = "delete field";
const OUTPUT: &str = "target/mutants";
const LEAST_PERCENT: usize = 95;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutants_are_counted_and_the_missed_ones_named() {
        let counts = Counts::read(|name| {
            Ok(match name {
                "caught.txt" => "a\nb\n",
                "timeout.txt" => "c\n",
                "missed.txt" => "src/x.rs:1: replace f with ()\n",
                _ => "",
            }
            .to_owned())
        });
        let counts = counts.unwrap();
        assert_eq!(counts.percent(), 75);
        assert!(counts.table().contains("2 caught, 1 ended by the time limit, 1 missed"));
        assert!(counts.table().contains("missed: src/x.rs:1: replace f with ()\n"));
        assert_eq!(Counts::default().percent(), 100);
    }

    #[test]
    fn a_second_look_counts_for_those_that_were_missed() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let none = Counts::default;
        let first = Counts { caught: 7, unviable: 2, missed: names(&["a", "b", "c"]), ..none() };
        // It may have tried others, too.
        let second =
            Counts { caught: 9, timeout: names(&["c"]), missed: names(&["b", "d"]), ..none() };
        let both = first.after(second);
        let (timeout, missed) = (names(&["c"]), names(&["b"]));
        assert_eq!(both, Counts { caught: 8, timeout, unviable: 2, missed });
    }

    #[test]
    fn a_mutant_is_named_so_that_no_other_one_is_meant() {
        let name = "crates/a.rs:1:2: replace <impl A for B>::c -> Option<u64> with Some(0)";
        let expected =
            r"crates/a\.rs:1:2: replace <impl A for B>::c \-> Option<u64> with Some\(0\)";
        assert_eq!(escaped(name), expected);
    }

    #[test]
    fn a_shard_has_evidence_of_its_own() {
        let of = |subject: Subject, shard| subject.evidence(shard);
        assert_eq!(of(Subject::Deciding, None), "docs/evidence/mutants.txt");
        assert_eq!(of(Subject::Deciding, Some("3/20")), "docs/evidence/mutants-3-of-20.txt");
        assert_eq!(of(Subject::Checkpoints, None), "docs/evidence/mutants-checkpoints.txt");
    }

    #[test]
    fn a_shard_is_one_of_several() {
        let subject = Subject::Deciding;
        let all = Request { subject, shard: None, passes: Passes::Both };
        assert_eq!(Request::parse(&[]).unwrap(), all);
        let one = Request { subject, shard: Some("3/20"), passes: Passes::Both };
        assert_eq!(Request::parse(&["--shard", "3/20"]).unwrap(), one);
        let quick = Request { passes: Passes::Quick, ..one };
        assert_eq!(Request::parse(&["--quick", "--shard", "3/20"]).unwrap(), quick);
        let checkpoints = Request { subject: Subject::Checkpoints, shard: None, ..quick };
        assert_eq!(Request::parse(&["--checkpoints", "--quick"]).unwrap(), checkpoints);
        let bad = [&["--shard"][..], &["--shard", "20/20"], &["--shard", "x/2"], &["3/20"]];
        for words in bad.into_iter().chain([&["--shard", "1/2", "--quick"][..]]) {
            assert!(Request::parse(words).is_err(), "{words:?}");
        }
    }
}
