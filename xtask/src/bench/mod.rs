//! `cargo xtask bench`: how fast ossget is beside the floor and beside rivals.
//!
//! A real server on the same machine, in network namespaces of its own; one scenario after the
//! other, in each the tools in an order that changes from round to round; medians of the rounds and
//! of the ratios within a round. Rivals are run where they are installed.

mod data;
mod measure;
mod rig;
mod scenario;
mod table;
mod tool;

use std::fs;

use crate::evidence::heading;
use crate::process::{Context, Failure, Outcome, root};
use data::Objects;
use measure::{Look, Measured};
use rig::Rig;
use scenario::{SCENARIOS, Scenario};
use table::Table;
use tool::Tool;

pub(crate) fn run(words: &[&str]) -> Outcome {
    let request = Request::parse(words)?;
    let command: Vec<&str> = ["cargo xtask bench"].iter().chain(words).copied().collect();
    let heading = heading(&command.join(" "))?;
    let rig = Rig::build()?;
    let objects = Objects::make(&rig)?;
    let servers = rig.serve(&objects)?;
    for scenario in request.scenarios {
        let tools = scenario.tools.iter().map(|name| Tool::named(name)).filter(|tool| {
            let there = tool.is_there(&rig);
            if !there {
                println!("NOT RUN: {} is not installed", tool.name);
            }
            there
        });
        let tools: Vec<&Tool> = tools.collect();
        let mut table = Table::new(scenario, &tools);
        // The first round warms up, and shows that the bytes are right.
        for round in 0..=request.rounds {
            for &tool in &shuffled(&tools, round) {
                let ends = round == 0 || round == request.rounds;
                let look = if ends { Look::AtBytes } else { Look::Away };
                let measured = Measured::of(tool, scenario, &rig, &objects, look)?;
                if round > 0 {
                    table.add(round, tool, measured);
                }
            }
        }
        let text = format!("{heading}{table}");
        let evidence = format!("docs/evidence/bench-{}.txt", scenario.name);
        fs::write(root().join(&evidence), &text).context(&evidence)?;
        println!("{table}written to {evidence}\n");
    }
    drop(servers);
    Ok(())
}

/// The tools in an order that is another one in each round, so that what a tool leaves behind (the
/// processor's clock, memory to be given back) is not always the same tool's to bear.
fn shuffled<'a>(tools: &[&'a Tool], round: usize) -> Vec<&'a Tool> {
    let mut tools = tools.to_vec();
    let mut state = round as u64;
    for last in (1..tools.len()).rev() {
        // Knuth's generator: its high bits are random enough.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        tools.swap(last, (state >> 33) as usize % (last + 1));
    }
    tools
}

/// What is to be run.
struct Request {
    scenarios: Vec<&'static Scenario>,
    rounds: usize,
}

impl Request {
    fn parse(words: &[&str]) -> Outcome<Self> {
        let names: Vec<&str> = SCENARIOS.iter().map(|it| it.name).collect();
        let usage = || {
            let names = names.join(" ");
            Failure::new(format!("usage: cargo xtask bench [--rounds N] [SCENARIO...], of {names}"))
        };
        let (rounds, chosen) = match words {
            ["--rounds", rounds, rest @ ..] => (rounds.parse().map_err(|_| usage())?, rest),
            rest => (ROUNDS, rest),
        };
        if rounds == 0 {
            return Err(usage());
        }
        if chosen.is_empty() {
            return Ok(Self { scenarios: SCENARIOS.iter().collect(), rounds });
        }
        let known = |name: &&str| SCENARIOS.iter().find(|it| it.name == *name).ok_or_else(usage);
        let scenarios = chosen.iter().map(known).collect::<Outcome<_>>()?;
        Ok(Self { scenarios, rounds })
    }
}

const ROUNDS: usize = 7;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_tool_comes_after_each_other_one_in_some_round() {
        let tools = ["floor", "ossget", "s5cmd", "curl"].map(Tool::named);
        let mut pairs = BTreeSet::new();
        for round in 0..30 {
            let order = shuffled(&tools, round);
            pairs.extend(order.windows(2).map(|pair| (pair[0].name, pair[1].name)));
        }
        assert_eq!(pairs.len(), 12);
    }

    #[test]
    fn scenarios_are_chosen_by_name() {
        let request = Request::parse(&["--rounds", "3", "c", "a"]).unwrap();
        let names: Vec<&str> = request.scenarios.iter().map(|it| it.name).collect();
        assert_eq!((names, request.rounds), (vec!["c", "a"], 3));
        assert_eq!(Request::parse(&[]).unwrap().scenarios.len(), SCENARIOS.len());
        for bad in [&["--rounds", "x"][..], &["--rounds", "0"], &["no-such"]] {
            assert!(Request::parse(bad).is_err(), "{bad:?}");
        }
    }
}
