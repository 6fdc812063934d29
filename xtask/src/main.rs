//! Developer commands of the workspace, run as `cargo xtask COMMAND`.
//!
//! Everything a contributor or the CI machine runs is here, in Rust, so that
//! both run the same thing and nothing but the toolchain is needed to start.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]
#![forbid(unsafe_code)]

mod bench;
mod bridges;
mod check;
mod ci;
mod corruptions;
mod demo;
mod engines;
mod evidence;
mod faults;
mod fuzz;
mod instructions;
mod layers;
mod long;
mod moto;
mod mutants;
mod process;
mod sizes;
mod source;
mod steps;
mod tree;

use std::process::ExitCode;

use process::{Failure, Outcome};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Outcome {
    match words {
        ["test"] => check::run(),
        ["ci"] => ci::run(),
        ["layers"] => layers::run(),
        ["sizes"] => sizes::run(),
        ["faults", rest @ ..] => faults::run(rest),
        ["fuzz", rest @ ..] => fuzz::run(rest),
        ["demo"] => demo::run(),
        ["corruptions"] => corruptions::run(),
        ["bridges"] => bridges::run(),
        ["engines"] => engines::run(),
        ["bench", rest @ ..] => bench::run(rest),
        ["instructions", rest @ ..] => instructions::run(rest),
        ["long", "mutants", rest @ ..] => mutants::run(rest),
        ["long", rest @ ..] => long::run(rest),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        _ => Err(Failure::new(format!(
            "unknown command `{}`; `cargo xtask help` lists them",
            words.join(" ")
        ))),
    }
}

const HELP: &str = "\
cargo xtask COMMAND

  test                  format, lints, build, tests, docs, layers, sizes, faults: needs Rust alone
  ci                    what needs more: cargo-deny, the Python SDK suite; installs what is missing
  layers                which crate may depend on what
  sizes                 limits on files, functions, parameters; banned type names
  faults                run the tests that name a fault of docs/faults.md, write docs/fault-matrix.md
  faults --names        write the matrix without running anything; keeps the results that still hold
  faults --check [--strict]  whether the markers lead to tests and faults; strictly: matrix current, no row NONE
  fuzz [--seconds N] [--jobs N] [TARGET...]  drive fuzz targets with libFuzzer, so many at once; their
                        rows of the table in docs/evidence/ are written anew
  demo                  kill a 1 GiB download half-way, resume it, show what was kept
  corruptions           damage half-done downloads of ossget and of the Python SDKs, resume them; the
                        table goes to docs/evidence/
  bridges               object_store's own suite through OssStore and through the other bridge to OSS; the
                        table goes to docs/evidence/
  engines               parquet, DataFusion, Ballista and Delta on the simulator, of the workspace in
                        interop/engines: lints, tests, requests beside those of S3; needs Python, builds
                        hundreds of crates; what is printed goes to docs/evidence/
  instructions [--bless]  count the instructions of the same work as always, and fail where it takes 5 %
                        more than docs/evidence/instructions.txt says; or write that anew
  bench [--rounds N] [SCENARIO...]  how fast it is beside the floor and the rivals that are installed (in
                        target/bench/venv or on the path); as root; the tables go to docs/evidence/
  long sim [--seeds N]  many simulated downloads; the log goes to docs/evidence/
  long kills [--count N]  many killed and resumed downloads; the log goes to docs/evidence/
  long state-machine [--cases N]  many sequences of runs and damage; the log goes to docs/evidence/
  long power-cuts [--count N]  many power cuts of a real file system; the log goes to docs/evidence/
  long fuse [--count N]  many downloads onto a file system in user space that fails; the log goes to docs/evidence/
  long races [--count N]  many runs that start together; the log goes to docs/evidence/
  long mutants [--quick] [--shard K/N]  changes that no test notices; the log goes to docs/evidence/
  help                  this text
";
