//! `cargo xtask faults`: which fault of the catalogue is covered by which test, and whether they pass.

mod catalogue;
mod markers;
mod matrix;
mod run;

use crate::process::{Context, Failure, Outcome, output, program, root};
use crate::tree::rust_files;
use catalogue::{CATALOGUE, Catalogue};
use matrix::{Counts, KnownResults, Matrix, kept, missing_rows, run_of};
use run::{Results, Verdict};

pub(crate) fn run(words: &[&str]) -> Outcome {
    match words {
        [] => with_markers(write_results),
        ["--names"] => with_markers(write_names),
        ["--check"] => check(Strictness::Tolerant),
        ["--check", "--strict"] => check(Strictness::Strict),
        _ => Err(Failure::new("usage: cargo xtask faults [--names | --check [--strict]]")),
    }
}

/// Whether rows without a test and a matrix that lags behind are failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    Tolerant,
    Strict,
}

/// Compares the committed matrix with the sources; nothing is built or run.
pub(crate) fn check(strictness: Strictness) -> Outcome {
    with_markers(|matrix, _| {
        let committed = committed()?;
        let current = matrix.render(run_of(&committed), &KnownResults::Kept(kept(&committed)));
        let lags = missing_rows(&committed, &current);
        let gone = missing_rows(&current, &committed);
        report(matrix);
        let mut wrong = Vec::new();
        if lags.len().max(gone.len()) > 0 {
            for row in &lags {
                println!("not in {MATRIX}: {row}");
            }
            wrong.push(format!(
                "{MATRIX} lags behind in {} rows: run `cargo xtask faults` (or `--names`)",
                lags.len().max(gone.len())
            ));
        }
        let none = matrix.none();
        if !none.is_empty() {
            wrong.push(format!("{} rows have neither a test nor a reason: {none:?}", none.len()));
        }
        for line in &wrong {
            println!("faults: {line}");
        }
        match strictness {
            Strictness::Strict if !wrong.is_empty() => Err(Failure::new(wrong.join("; "))),
            _ => Ok(()),
        }
    })
}

/// Runs the tests and writes what came out.
fn write_results(matrix: &Matrix<'_>, marked: &[markers::Marked]) -> Outcome {
    let results = Results::collect(marked)?;
    let date = output(program("date").args(["-u", "+%Y-%m-%d"]))?;
    let commit = output(program("git").args(["rev-parse", "--short", "HEAD"]))?;
    let run = format!("{} at {}.", date.trim(), commit.trim());
    write(&matrix.render(&run, &KnownResults::New(&results)))?;
    report(matrix);
    let bad: Vec<_> =
        marked.iter().filter(|marked| results.verdict(&marked.test) != Verdict::Ok).collect();
    for markers::Marked { test, faults } in &bad {
        println!("{}: {} (faults {faults:?}): {}", test.file, test.path, results.verdict(test));
    }
    match bad.len() {
        0 => Ok(()),
        count => Err(Failure::new(format!("faults: {count} of {} tests", marked.len()))),
    }
}

/// Writes the rows and names of today with the results that still hold.
fn write_names(matrix: &Matrix<'_>, _: &[markers::Marked]) -> Outcome {
    let committed = committed()?;
    write(&matrix.render(run_of(&committed), &KnownResults::Kept(kept(&committed))))?;
    report(matrix);
    Ok(())
}

/// Reads catalogue and markers; goes on only where they fit.
fn with_markers(work: impl FnOnce(&Matrix<'_>, &[markers::Marked]) -> Outcome) -> Outcome {
    let root = root();
    let text = std::fs::read_to_string(root.join(CATALOGUE)).context(CATALOGUE)?;
    let catalogue = Catalogue::parse(&text)?;
    let (marked, strays) = markers::find(&rust_files(&root)?);
    let mut wrong: Vec<String> = strays.iter().map(ToString::to_string).collect();
    match Matrix::new(&catalogue, &marked) {
        Ok(matrix) if wrong.is_empty() => return work(&matrix, &marked),
        Ok(_) => {}
        Err(more) => wrong.extend(more),
    }
    for line in &wrong {
        println!("{line}");
    }
    Err(Failure::new(format!("faults: {} markers or rows are wrong", wrong.len())))
}

fn report(matrix: &Matrix<'_>) {
    let Counts { rows, tested, untested, none } = matrix.counts();
    println!(
        "faults: {rows} rows, {tested} tested, {untested} untested with a reason, {none} NONE"
    );
}

/// The matrix as it lies there; none is one without rows.
fn committed() -> Outcome<String> {
    match std::fs::read_to_string(root().join(MATRIX)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        text => text.context(MATRIX),
    }
}

fn write(text: &str) -> Outcome {
    std::fs::write(root().join(MATRIX), text).context(MATRIX)?;
    println!("written to {MATRIX}");
    Ok(())
}

const MATRIX: &str = "docs/fault-matrix.md";
