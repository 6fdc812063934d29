//! `cargo xtask faults`: which fault of the catalogue is covered by which test, and whether they pass.

mod catalogue;
mod markers;
mod matrix;
mod run;

use crate::process::{Context, Failure, Outcome, output, program, root};
use crate::tree::rust_files;
use catalogue::{CATALOGUE, Catalogue};
use matrix::{Counts, KnownResults, Matrix, Tally, failed_rows, kept, missing_rows, run_of};
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

/// Whether rows without a test or whose tests failed and a matrix that lags behind are failures.
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
        report(matrix, &committed);
        let wrong = complaints(&committed, &current, &matrix.none());
        for line in &wrong {
            println!("faults: {line}");
        }
        match strictness {
            Strictness::Strict if !wrong.is_empty() => Err(Failure::new(wrong.join("; "))),
            _ => Ok(()),
        }
    })
}

/// What is wrong with the committed matrix, compared with that of today: nothing was run for
/// either, so a row that was not run is none of it.
fn complaints(committed: &str, current: &str, none: &[u32]) -> Vec<String> {
    let lags = missing_rows(committed, current);
    let gone = missing_rows(current, committed);
    let mut wrong = Vec::new();
    if committed != current {
        for row in &lags {
            println!("not in {MATRIX}: {row}");
        }
        wrong.push(format!(
            "{MATRIX} lags behind in {} rows: run `cargo xtask faults` (or `--names`)",
            lags.len().max(gone.len())
        ));
    }
    if !none.is_empty() {
        wrong.push(format!("{} rows have neither a test nor a reason: {none:?}", none.len()));
    }
    let failed = failed_rows(committed);
    for row in &failed {
        println!("failed when last run: {row}");
    }
    if !failed.is_empty() {
        wrong.push(format!("the tests of {} rows failed when they were last run", failed.len()));
    }
    wrong
}

/// Runs the tests and writes what came out.
fn write_results(matrix: &Matrix<'_>, marked: &[markers::Marked]) -> Outcome {
    let results = Results::collect(marked)?;
    let date = output(program("date").args(["-u", "+%Y-%m-%d"]))?;
    let commit = output(program("git").args(["rev-parse", "--short", "HEAD"]))?;
    let run = format!("{} at {}.", date.trim(), commit.trim());
    let text = matrix.render(&run, &KnownResults::New(&results));
    write(&text)?;
    report(matrix, &text);
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
    let text = matrix.render(run_of(&committed), &KnownResults::Kept(kept(&committed)));
    write(&text)?;
    report(matrix, &text);
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

fn report(matrix: &Matrix<'_>, text: &str) {
    let Counts { rows, tested, untested, none } = matrix.counts();
    println!(
        "faults: {rows} rows, {tested} with tests ({}), {untested} untested with a reason, {none} NONE",
        Tally::of(text)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_failure_a_missing_test_and_a_matrix_of_yesterday_are_complained_of() {
        let row = |number: u32, result: &str| {
            format!("| {number} | cut | R | [t](../t.rs) | {result} |\n")
        };
        let sound = row(7, "ok") + &row(8, "not run") + &row(9, "untested: not built");
        assert_eq!(complaints(&sound, &sound, &[]), [""; 0]);

        let failed = row(7, "FAILED: t") + &row(8, "not run");
        let said = complaints(&failed, &failed, &[]);
        assert_eq!(said, ["the tests of 1 rows failed when they were last run"]);

        let said = complaints(&sound, &sound, &[10]);
        assert_eq!(said, ["1 rows have neither a test nor a reason: [10]"]);

        let more = sound.clone() + &row(11, "not run");
        assert!(complaints(&sound, &more, &[])[0].contains("lags behind in 1 rows"));
        assert!(complaints(&more, &sound, &[])[0].contains("lags behind in 1 rows"));
        let said = complaints(&sound, &format!("another header\n{sound}"), &[]);
        assert!(said[0].contains("lags behind in 0 rows"), "{said:?}");
    }
}
