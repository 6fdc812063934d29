//! Medians of rounds, and of the ratios within each round.

use std::fmt;

use super::measure::Measured;
use super::scenario::Scenario;
use super::tool::Tool;

pub(super) struct Table {
    scenario: &'static Scenario,
    /// Of each tool, what its rounds took.
    rows: Vec<(&'static str, Vec<(usize, Measured)>)>,
}

impl Table {
    pub(super) fn new(scenario: &'static Scenario, tools: &[&Tool]) -> Self {
        Self { scenario, rows: tools.iter().map(|tool| (tool.name, Vec::new())).collect() }
    }

    pub(super) fn add(&mut self, round: usize, tool: &Tool, measured: Measured) {
        let row = self.rows.iter_mut().find(|(name, _)| *name == tool.name);
        row.expect("the tool has a row").1.push((round, measured));
    }

    /// The median of the ratios to the reference, round by round.
    fn ratio(&self, runs: &[(usize, Measured)], of: impl Fn(&Measured) -> f64) -> Option<f64> {
        let (_, reference) = self.rows.iter().find(|(name, _)| *name == self.scenario.reference)?;
        let ratios = runs.iter().filter_map(|(round, measured)| {
            let (_, beside) = reference.iter().find(|(it, _)| it == round)?;
            Some(of(measured) / of(beside))
        });
        let ratios: Vec<f64> = ratios.collect();
        (!ratios.is_empty()).then(|| Spread::of(ratios).median)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scenario { name, title, reference, object, .. } = self.scenario;
        let gib = object.size() as f64 / f64::from(1 << 30);
        let per = if gib >= 0.1 { gib } else { 1.0 };
        let cpu = if gib >= 0.1 { "CPU s per GiB" } else { "CPU s" };
        writeln!(f, "{name}: {title}\n")?;
        writeln!(
            f,
            "| tool | rounds | wall s | wall / {reference} | {cpu} | CPU / {reference} | peak MiB |"
        )?;
        writeln!(f, "| --- | --- | --- | --- | --- | --- | --- |")?;
        for (name, runs) in &self.rows {
            let all = |of: fn(&Measured) -> f64| Spread::of(runs.iter().map(|(_, it)| of(it)));
            let (wall, cpu, peak) = (all(|it| it.wall), all(|it| it.cpu), all(|it| it.peak));
            let ratio = |of: fn(&Measured) -> f64| {
                self.ratio(runs, of).map_or_else(String::new, |ratio| format!("{ratio:.2}"))
            };
            writeln!(
                f,
                "| {name} | {} | {:.3} ({:.3}-{:.3}) | {} | {:.3} | {} | {:.0} ({:.0}) |",
                runs.len(),
                wall.median,
                wall.least,
                wall.most,
                ratio(|it| it.wall),
                cpu.median / per,
                ratio(|it| it.cpu),
                peak.median,
                peak.most,
            )?;
        }
        writeln!(f)
    }
}

struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    /// Of at least one number.
    fn of(numbers: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = numbers.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
            _ => sorted[middle],
        };
        Self { least: sorted[0], median, most: sorted[sorted.len() - 1] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::scenario::SCENARIOS;

    #[test]
    fn ratios_are_of_the_same_round() {
        let scenario = &SCENARIOS[0];
        let (floor, ossget) = (Tool::named("floor"), Tool::named("ossget"));
        let mut table = Table::new(scenario, &[floor, ossget]);
        for (round, (beside, own)) in [(1.0, 2.0), (10.0, 10.0), (4.0, 2.0)].into_iter().enumerate()
        {
            let measured = |wall| Measured { wall, cpu: 1.0, peak: 3.0 };
            table.add(round, ossget, measured(own));
            table.add(round, floor, measured(beside));
        }
        let text = table.to_string();
        assert!(
            text.contains("| ossget | 3 | 2.000 (2.000-10.000) | 1.00 | 1.000 | 1.00 | 3 (3) |"),
            "{text}"
        );
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        let Spread { least, median, most } = Spread::of([4.0, 1.0, 2.0, 3.0]);
        assert!((least, median, most) == (1.0, 2.5, 4.0));
    }
}
