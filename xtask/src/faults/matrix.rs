//! Writes `docs/fault-matrix.md`: fault, expectation, tests, last result.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::catalogue::{Catalogue, Fault, cells};
use super::markers::{Marked, TestName};
use super::run::{Results, Verdict};

/// What the matrix will hold.
#[derive(Debug)]
pub(crate) struct Matrix<'a> {
    catalogue: &'a Catalogue,
    tests: BTreeMap<u32, BTreeSet<&'a TestName>>,
}

/// How many rows are in which state.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) rows: usize,
    pub(crate) tested: usize,
    pub(crate) untested: usize,
    pub(crate) none: usize,
}

/// How many rows have which result.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) ok: usize,
    pub(crate) failed: usize,
    pub(crate) not_run: usize,
}

impl Tally {
    /// Counts the rows of a matrix; those without a test have no result.
    pub(crate) fn of(matrix: &str) -> Self {
        let mut tally = Self::default();
        for result in kept(matrix).values() {
            match *result {
                OK => tally.ok += 1,
                NOT_RUN => tally.not_run += 1,
                result if has_failed(result) => tally.failed += 1,
                _ => {}
            }
        }
        tally
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ok, failed, not_run } = self;
        write!(f, "{ok} ok, {failed} failed, {not_run} not run")
    }
}

impl<'a> Matrix<'a> {
    /// Joins the two; what does not fit is told instead.
    pub(crate) fn new(catalogue: &'a Catalogue, marked: &'a [Marked]) -> Result<Self, Vec<String>> {
        let mut wrong = Vec::new();
        let mut tests: BTreeMap<u32, BTreeSet<&TestName>> = BTreeMap::new();
        for Marked { test, faults } in marked {
            for number in faults {
                if !catalogue.has(*number) {
                    wrong.push(format!("{}: {}: there is no fault {number}", test.file, test.path));
                }
                tests.entry(*number).or_default().insert(test);
            }
        }
        for fault in catalogue.faults() {
            if let (Some(why), Some(tests)) = (&fault.untested, tests.get(&fault.number)) {
                let test = tests.first().map_or("", |test| test.path.as_str());
                let number = fault.number;
                wrong
                    .push(format!("fault {number} is tested by {test} and untested because {why}"));
            }
        }
        if wrong.is_empty() { Ok(Self { catalogue, tests }) } else { Err(wrong) }
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for fault in self.catalogue.faults() {
            counts.rows += 1;
            match (&fault.untested, self.tests.contains_key(&fault.number)) {
                (Some(_), _) => counts.untested += 1,
                (None, true) => counts.tested += 1,
                (None, false) => counts.none += 1,
            }
        }
        counts
    }

    /// The numbers of the rows with neither test nor reason.
    pub(crate) fn none(&self) -> Vec<u32> {
        self.catalogue
            .faults()
            .filter(|fault| fault.untested.is_none() && !self.tests.contains_key(&fault.number))
            .map(|fault| fault.number)
            .collect()
    }

    /// The whole file; `run` says when and on what the tests ran.
    pub(crate) fn render(&self, run: &str, results: &KnownResults<'_>) -> String {
        let mut text = String::new();
        for section in &self.catalogue.sections {
            text.push_str(&format!(
                "\n## {}\n\n| # | fault | expected | tests | result |\n| --- | --- | --- | --- | --- |\n",
                section.title
            ));
            for fault in &section.faults {
                let row = self.row(fault);
                let result = self.result(fault, &row, results);
                text.push_str(&format!("{row} {result} |\n"));
            }
        }
        let Counts { rows, tested, untested, none } = self.counts();
        let tally = Tally::of(&text);
        format!(
            "# Fault matrix\n\n\
             Written by `cargo xtask faults` from [`faults.md`](faults.md) and the tests that name its rows; do not edit.\n\n\
             {rows} rows: {tested} with tests, {untested} untested with a reason, {none} NONE (no test yet).\n\n\
             Of those with tests: {tally}.\n\n{RUN}{run}\n{text}"
        )
    }

    /// A row up to the cell of the result.
    fn row(&self, fault: &Fault) -> String {
        let tests: Vec<String> = self
            .tests
            .get(&fault.number)
            .into_iter()
            .flatten()
            .map(|test| format!("[{}](../{})", test.short(), test.file))
            .collect();
        let Fault { number, fault, expected, .. } = fault;
        format!("| {number} | {fault} | {expected} | {} |", tests.join("<br>"))
    }

    fn result(&self, fault: &Fault, row: &str, results: &KnownResults<'_>) -> String {
        if let Some(why) = &fault.untested {
            return format!("{UNTESTED}{why}");
        }
        let Some(tests) = self.tests.get(&fault.number) else {
            return NONE.to_owned();
        };
        match results {
            KnownResults::Kept(kept) => {
                kept.get(row).map_or_else(|| NOT_RUN.to_owned(), |&result| result.to_owned())
            }
            KnownResults::New(results) => {
                let bad: Vec<String> = tests
                    .iter()
                    .filter(|test| results.verdict(test) != Verdict::Ok)
                    .map(|test| format!("{}: {}", results.verdict(test), test.short()))
                    .collect();
                if bad.is_empty() { OK.to_owned() } else { bad.join("<br>") }
            }
        }
    }
}

/// Results of a run, or those of an earlier one by row.
#[derive(Debug)]
pub(crate) enum KnownResults<'a> {
    New(&'a Results),
    Kept(BTreeMap<String, &'a str>),
}

/// What an earlier matrix says about its run.
pub(crate) fn run_of(matrix: &str) -> &str {
    matrix.lines().find_map(|line| line.strip_prefix(RUN)).unwrap_or("nothing was run yet.")
}

/// The results of an earlier matrix, by all that its row says before.
pub(crate) fn kept(matrix: &str) -> BTreeMap<String, &str> {
    let mut kept = BTreeMap::new();
    for line in matrix.lines().filter(|line| line.starts_with('|')) {
        if let Some([number, fault, expected, tests, result]) = cells(line) {
            kept.insert(format!("| {number} | {fault} | {expected} | {tests} |"), result);
        }
    }
    kept
}

/// The rows of the second that the first has not.
pub(crate) fn missing_rows(committed: &str, current: &str) -> Vec<String> {
    let committed = kept(committed);
    kept(current).into_keys().filter(|row| !committed.contains_key(row)).collect()
}

/// The rows of a matrix whose tests did not all pass when they were last run.
pub(crate) fn failed_rows(matrix: &str) -> Vec<String> {
    let all = kept(matrix).into_iter();
    all.filter(|(_, result)| has_failed(result))
        .map(|(row, result)| format!("{row} {result} |"))
        .collect()
}

/// Whether this is the result of tests that were run and did not all pass.
fn has_failed(result: &str) -> bool {
    !matches!(result, OK | NOT_RUN | NONE | RESULT_HEADING | RULE) && !result.starts_with(UNTESTED)
}

const RUN: &str = "Run: ";
const OK: &str = "ok";
const NOT_RUN: &str = "not run";
const NONE: &str = "NONE";
const UNTESTED: &str = "untested: ";
/// What stands above the results in each table.
const RESULT_HEADING: &str = "result";
const RULE: &str = "---";

#[cfg(test)]
mod tests {
    use super::*;

    const CATALOGUE: &str =
        "## 1 Body\n| 7 | cut | R | |\n| 8 | flip | I 6 | |\n| 9 | odd | U | not built |\n";

    fn marked(path: &str, faults: &[u32]) -> Marked {
        let target = "crates/a/tests/t.rs".to_owned();
        let test = TestName { file: target.clone(), target, path: path.to_owned() };
        Marked { test, faults: faults.to_vec() }
    }

    #[test]
    fn rows_say_ok_failed_missing_none_or_why_not() {
        let catalogue = Catalogue::parse(CATALOGUE).unwrap();
        let tests = [marked("m::b", &[7]), marked("m::a", &[7])];
        let matrix = Matrix::new(&catalogue, &tests).unwrap();
        assert_eq!(matrix.counts(), Counts { rows: 3, tested: 1, untested: 1, none: 1 });
        assert_eq!(matrix.none(), [8]);

        let mut results = Results::default();
        results.read("crates/a/tests/t.rs", "test m::a ... ok\ntest m::b ... FAILED\n");
        let text = matrix.render("today.", &KnownResults::New(&results));
        let link = |name| format!("[{name}](../crates/a/tests/t.rs)");
        let row = format!("| 7 | cut | R | {}<br>{} |", link("a"), link("b"));
        assert!(text.contains(&format!("{row} FAILED: b |\n")), "{text}");
        assert!(text.contains("| 8 | flip | I 6 |  | NONE |\n"), "{text}");
        assert!(text.contains("| 9 | odd | U |  | untested: not built |\n"), "{text}");
        assert_eq!(run_of(&text), "today.");
        assert!(text.contains("3 rows: 1 with tests, 1 untested with a reason, 1 NONE"), "{text}");
        assert!(text.contains("Of those with tests: 0 ok, 1 failed, 0 not run."), "{text}");
        assert_eq!(failed_rows(&text), [format!("{row} FAILED: b |")]);

        let gone = matrix.render("", &KnownResults::New(&Results::default()));
        assert!(gone.contains("no such test: a<br>no such test: b |"), "{gone}");
        assert_eq!(failed_rows(&gone).len(), 1);
    }

    #[test]
    fn rows_are_counted_by_their_results_and_only_what_was_run_can_have_failed() {
        let catalogue = Catalogue::parse(CATALOGUE).unwrap();
        let tests = [marked("a", &[7]), marked("b", &[8])];
        let matrix = Matrix::new(&catalogue, &tests).unwrap();
        let tally = |text: &str| (Tally::of(text), failed_rows(text).len());

        let new = matrix.render("", &KnownResults::Kept(BTreeMap::new()));
        assert_eq!(tally(&new), (Tally { ok: 0, failed: 0, not_run: 2 }, 0));
        let mut results = Results::default();
        results.read("crates/a/tests/t.rs", "test a ... ok\ntest b ... ignored\n");
        let text = matrix.render("", &KnownResults::New(&results));
        assert_eq!(tally(&text), (Tally { ok: 1, failed: 1, not_run: 0 }, 1));
        assert_eq!(tally(""), (Tally::default(), 0));
    }

    #[test]
    fn a_result_is_kept_only_with_its_row() {
        let catalogue = Catalogue::parse(CATALOGUE).unwrap();
        let tests = [marked("a", &[7]), marked("b", &[8])];
        let matrix = Matrix::new(&catalogue, &tests).unwrap();
        let mut results = Results::default();
        results.read("crates/a/tests/t.rs", "test a ... ok\ntest b ... ok\n");
        let old = matrix.render("then.", &KnownResults::New(&results));

        let tests = [marked("a", &[7]), marked("c", &[8])];
        let matrix = Matrix::new(&catalogue, &tests).unwrap();
        let new = matrix.render(run_of(&old), &KnownResults::Kept(kept(&old)));
        assert!(new.contains("[a](../crates/a/tests/t.rs) | ok |"), "{new}");
        assert!(new.contains("[c](../crates/a/tests/t.rs) | not run |"), "{new}");
        assert_eq!(missing_rows(&old, &new).len(), 1);
        assert!(missing_rows(&new, &new).is_empty());
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let catalogue = Catalogue::parse(CATALOGUE).unwrap();
        let wrong = Matrix::new(&catalogue, &[marked("a", &[7, 70])]).unwrap_err();
        assert_eq!(wrong, ["crates/a/tests/t.rs: a: there is no fault 70"]);
        let wrong = Matrix::new(&catalogue, &[marked("a", &[9])]).unwrap_err();
        assert_eq!(wrong, ["fault 9 is tested by a and untested because not built"]);
    }
}
