//! Named steps: each announced, timed and listed at the end.

use std::time::{Duration, Instant};

use crate::process::{Failure, Outcome};

/// The steps of one command so far.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    ended: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    name: &'static str,
    result: StepResult,
    took: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StepResult {
    Passed,
    Failed,
    Skipped,
}

impl Steps {
    /// Runs one step; its failure carries the step's name.
    pub(crate) fn run(&mut self, name: &'static str, work: impl FnOnce() -> Outcome) -> Outcome {
        println!("\n=== {name}");
        let begun = Instant::now();
        let outcome = work();
        let result = if outcome.is_ok() { StepResult::Passed } else { StepResult::Failed };
        let took = begun.elapsed();
        println!("=== {name}: {} in {:.1} s", result.word(), took.as_secs_f64());
        self.ended.push(Step { name, result, took });
        outcome.map_err(|failure| Failure::new(format!("step `{name}` failed: {failure}")))
    }

    /// Says loudly that a step did not run. On a CI machine that is a failure:
    /// a suite that silently stops running protects nothing.
    pub(crate) fn skip(&mut self, name: &'static str, why: &Failure, machine: Machine) -> Outcome {
        println!("\nSKIPPED: {name}, {why}");
        self.ended.push(Step { name, result: StepResult::Skipped, took: Duration::ZERO });
        match machine {
            Machine::Personal => Ok(()),
            Machine::Ci => Err(Failure::new(format!("step `{name}` was skipped and CI is set"))),
        }
    }

    /// Prints the table of steps and passes the outcome on.
    pub(crate) fn finish(self, outcome: Outcome) -> Outcome {
        println!("\n{}", self.table());
        outcome
    }

    fn table(&self) -> String {
        let width = self.ended.iter().map(|step| step.name.len()).max().unwrap_or(0);
        let row = |name: &str, word: &str, took: Duration| {
            format!("{name:<width$}  {word:<7}  {:>7.1} s", took.as_secs_f64())
        };
        let mut rows: Vec<String> =
            self.ended.iter().map(|step| row(step.name, step.result.word(), step.took)).collect();
        rows.push(row("total", "", self.ended.iter().map(|step| step.took).sum()));
        rows.join("\n")
    }
}

impl StepResult {
    fn word(self) -> &'static str {
        match self {
            Self::Passed => "ok",
            Self::Failed => "FAILED",
            Self::Skipped => "SKIPPED",
        }
    }
}

/// Where the command runs; decides whether a skipped step is tolerated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Machine {
    Personal,
    Ci,
}

impl Machine {
    /// CI services set `CI=true`.
    pub(crate) fn detect() -> Self {
        let ci = std::env::var("CI").unwrap_or_default();
        if ci.is_empty() || ci == "false" || ci == "0" { Self::Personal } else { Self::Ci }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_its_step_and_is_listed() {
        let mut steps = Steps::default();
        assert!(steps.run("first", || Ok(())).is_ok());
        let failure = steps.run("second", || Err(Failure::new("broken"))).unwrap_err();
        assert_eq!(failure.to_string(), "step `second` failed: broken");
        let table = steps.table();
        assert!(table.contains("first   ok"), "{table}");
        assert!(table.contains("second  FAILED"), "{table}");
    }

    #[test]
    fn a_skip_is_tolerated_only_on_a_personal_machine() {
        let mut steps = Steps::default();
        let why = Failure::new("no python3");
        assert!(steps.skip("python", &why, Machine::Personal).is_ok());
        assert!(steps.skip("python", &why, Machine::Ci).is_err());
        assert!(steps.table().contains("SKIPPED"));
    }
}
