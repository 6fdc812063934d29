//! Every target on its seeds and on random changes of them, with any compiler.
//!
//! `OSSGET_FUZZ_MILLIS=N` sets the time for each target, `OSSGET_SEED=S` the changes.

#![allow(clippy::print_stdout, reason = "what is to be repeated must be known")]

use ossget_fuzz::{TARGETS, load_seeds};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{env, fs};

/// Tests that drive the targets of their names.
macro_rules! targets {
    ($($(#[$doc:meta])* $name:ident,)*) => {$(
        $(#[$doc])*
        #[test]
        fn $name() {
            drive(stringify!($name));
        }
    )*};
}

targets! {
    checkpoint_header,
    checkpoint_slots,
    /// Faults: 94.
    checkpoint_load,
    /// Faults: 93, 94, 95.
    checkpoint_resume,
    /// Faults: 28.
    response_head,
    /// Faults: 28.
    content_range,
    /// Faults: 51, 52, 53.
    error_body,
    /// Faults: 44.
    server_time,
    /// Faults: 28, 44, 51, 53.
    server_answer,
    /// Faults: 70, 141.
    endpoint,
    /// Faults: 70, 127, 140.
    object_name,
    /// Faults: 123, 124, 125, 126, 127.
    key_to_path,
    /// Faults: 140.
    signed_request,
    session_events,
    /// Faults: 115.
    part_plan,
    /// Faults: 134, 135, 136.
    redaction,
    /// Faults: 134.
    environment,
    wire,
}

#[test]
fn every_target_has_a_binary_a_test_and_seeds() {
    let source = fs::read_to_string(folder().join("tests/targets.rs")).unwrap();
    let mut names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    for name in &names {
        assert!(folder().join(format!("fuzz_targets/{name}.rs")).is_file(), "{name}");
        assert!(source.contains(&format!("\n    {name},\n")), "{name}");
        assert!(!seeds(name).is_empty(), "{name}");
    }
    names.sort_unstable();
    for place in ["fuzz_targets", "seeds"] {
        let entries = fs::read_dir(folder().join(place)).unwrap();
        let mut found: Vec<String> = entries
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        found.sort_unstable();
        assert_eq!(found, names);
    }
}

/// `OSSGET_WRITE_SEEDS=1` writes them.
#[test]
fn the_seeds_of_checkpoints_are_those_of_the_codec() {
    let folder = folder().join("seeds/checkpoint_load");
    for (name, seed) in load_seeds() {
        let path = folder.join(&name);
        if env::var_os("OSSGET_WRITE_SEEDS").is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &seed).unwrap();
        }
        assert!(fs::read(&path).unwrap() == seed, "{name}");
    }
}

/// Targets count memory and open ports: one at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn drive(name: &str) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let number = |name| env::var(name).ok().map(|text: String| text.parse().expect("a number"));
    let time = Duration::from_millis(number("OSSGET_FUZZ_MILLIS").unwrap_or(300));
    let seed = number("OSSGET_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("OSSGET_SEED={seed}");
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    let seeds = seeds(name);
    for seed in &seeds {
        run(target.body, seed);
    }
    let mut random = Random(seed);
    let begun = Instant::now();
    let mut runs = 0;
    while begun.elapsed() < time && runs < MOST_RUNS {
        run(target.body, &changed(&mut random, &seeds));
        runs += 1;
    }
    println!("{} seeds and {runs} changes of them", seeds.len());
}

fn run(body: fn(&[u8]), input: &[u8]) {
    let shown = Shown(input);
    body(input);
    drop(shown);
}

/// Shows the input if the body panics.
struct Shown<'a>(&'a [u8]);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the input: b\"{}\"", self.0.escape_ascii());
        }
    }
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder().join("seeds").join(name)).expect("there are seeds");
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a readable file")).collect()
}

/// A seed, changed in a few places.
fn changed(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(16)).min(bytes.len());
        match random.below(8) {
            0 | 1 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            2 if at < bytes.len() => bytes[at] = random.byte(),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let piece = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, piece));
            }
            5 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len() + 1);
                let until = (from + random.below(64)).min(other.len());
                drop(bytes.splice(at..end, other[from..until].to_vec()));
            }
            6 => {
                let word = WORDS[random.below(WORDS.len())];
                drop(bytes.splice(at..end, word.to_vec()));
            }
            _ => bytes.insert(at, random.byte()),
        }
    }
    bytes
}

/// A small generator, so that a seed tells the same story again.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % bound
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).expect("a byte")
    }
}

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What tends to be special to somebody.
const WORDS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\0",
    b"\x1b[31m",
    b"../",
    b"..",
    b"%00",
    b"%2f",
    b"://",
    b"@",
    b"#",
    b"?",
    b"0",
    b"-1",
    b"18446744073709551615",
    b"18446744073709551616",
    b"\xff\xfe",
    b"{S}",
    "\u{202e}".as_bytes(),
    b"&#0;",
    b"<!DOCTYPE a>",
    b"*",
    b"bytes ",
];
/// Of targets that open ports: each leaves one closing for a minute.
const MOST_RUNS: usize = 20_000;
