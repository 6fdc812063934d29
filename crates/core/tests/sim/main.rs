//! Deterministic simulation of whole downloads: the real session, the real judgement of responses
//! and the real checkpoint codec against a virtual network, disk and clock, with a crash at any
//! step.
//!
//! One seed is one story: an object, a configuration, a random subset of the fault catalogue
//! (`catalogue.rs`), a few process runs that may be killed or lose power anywhere, and a last one
//! in which all faults heal at a random moment. What is asserted, and where:
//!
//! - at every step the destination is what it was or a whole object (`world.rs`), a slot is
//!   written only for durable bytes (`process.rs`), attempts neither overlap nor exceed their
//!   number, no stored byte is asked for again, waits are waited for, no loop is hot, and what a
//!   crash would cost is bounded (`oracle.rs`);
//! - after a crash every valid slot tells the truth, and there is one partial file at most;
//! - a run ends as it must: success with the bytes and the integrity it claims, a stop for a
//!   reason that really occurred;
//! - once all is well the run finishes within a bound (`story.rs`).
//!
//! `OSSGET_SIM_SEEDS=N` sets how many stories are told (a tenth of them with layers off), `OSSGET_SEED=S` tells one, aloud.

#![allow(clippy::print_stdout, reason = "the numbers of a simulation are its result")]

mod adapter;
mod agenda;
mod catalogue;
mod content;
mod disk;
mod exchange;
mod extents;
mod healing;
mod network;
mod oracle;
mod process;
mod rng;
mod settings;
mod storage;
mod story;
mod trace;
mod weather;
mod world;

use adapter::{Mutant, ResumeVerify};
use catalogue::{Fault, NOT_HERE, REQUIRED, Swarm};
use settings::{Broken, Durability, Order, Settings, Watching};
use story::{Told, Tracing, tell};

/// The stories of the main test, and where it tells more or fewer than usual, those of the others
/// in proportion: a tenth, so that the main test has most of the time.
fn seeds(default: u64) -> std::ops::Range<u64> {
    match (number("OSSGET_SEED"), number("OSSGET_SIM_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, Some(count)) if default == USUAL => 0..count,
        (None, Some(count)) => 0..(count / 10).max(1),
        (None, None) => 0..default,
    }
}

/// How many stories the main test tells.
const USUAL: u64 = 10_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Tells many stories; panics with the line that tells the first broken one again.
fn tell_all(test: &str, seeds: std::ops::Range<u64>, adjust: &dyn Fn(&mut Settings)) -> Told {
    let mut sum = Told::default();
    let mut broken = Vec::new();
    let tracing = if seeds.end - seeds.start == 1 { Tracing::Aloud } else { Tracing::Off };
    for seed in seeds {
        let telling = Telling { seed, test };
        let told = tell(seed, tracing, adjust);
        drop(telling);
        sum.hits.add(&told.hits);
        sum.runs += told.runs;
        sum.crashes += told.crashes;
        sum.requests += told.requests;
        sum.voided += told.voided;
        sum.steps += told.steps;
        sum.healed_midway += told.healed_midway;
        sum.weighed += told.weighed;
        if !told.violations.is_empty() {
            broken.push((seed, told.violations));
        }
    }
    let count = broken.len();
    for (seed, violations) in broken.iter().take(32) {
        println!("{}: {violations:?}", replay(*seed, test));
    }
    assert!(count == 0, "{count} seeds broke a promise; the first: {:?}", broken[0]);
    sum
}

/// A story being told: says which, should telling it panic.
struct Telling<'a> {
    seed: u64,
    test: &'a str,
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", replay(self.seed, self.test));
        }
    }
}

/// The command that tells a story again.
fn replay(seed: u64, test: &str) -> String {
    format!(
        "OSSGET_SEED={seed} cargo test -p ossget-core --features mutants --test sim {test} -- --nocapture"
    )
}

/// Faults: 5, 6, 7, 8, 9, 13, 14, 16, 18, 19, 20, 21, 22, 23, 26, 29, 37, 38, 40, 42, 44, 45, 58, 61, 67, 73, 75, 76, 81, 85, 90, 91, 93, 97, 107, 108, 109, 110, 111, 114, 146.
#[test]
fn no_seed_leaves_a_wrong_file_or_breaks_a_promise() {
    let seeds = seeds(USUAL);
    let count = seeds.end - seeds.start;
    let sum = tell_all("no_seed", seeds, &|_| {});
    println!(
        "{count} seeds: {} process runs, {} crashes, {} requests, {} steps, {} parts found damaged, \
         {} finished within the bound after healing midway, {} without a byte or request too many, \
         0 wrong files",
        sum.runs, sum.crashes, sum.requests, sum.steps, sum.voided, sum.healed_midway, sum.weighed
    );
    println!("{}", sum.hits.table());
    for (id, reason) in NOT_HERE {
        println!("{id:>4}  not here: {reason}");
    }
    // A hundred times each in 10,000 seeds, and in proportion in more; fewer seeds say nothing.
    if count >= USUAL {
        for fault in Fault::ALL.iter().filter(|fault| REQUIRED.contains(&fault.id())) {
            let hits = sum.hits.of(*fault);
            assert!(hits >= count / 100, "{fault:?} happened {hits} times in {count} seeds");
        }
        let (midway, weighed) = (sum.healed_midway, sum.weighed);
        assert!(midway >= count / 10, "{midway} of {count} finished after healing midway");
        assert!(weighed >= count / 20, "the effort of {weighed} runs was checked");
    }
}

/// Without reading back: what happens to files between two runs is out of the contract then.
fn trust(settings: &mut Settings) {
    settings.resume_verify = ResumeVerify::Bounds;
    settings.swarm =
        settings.swarm.without(&[Fault::Meddled, Fault::Misdirected, Fault::LostFlush]);
}

/// As [`trust`], with power cuts alone, and what is forbidden is let pass until it does harm.
fn unwatched(settings: &mut Settings) {
    trust(settings);
    settings.swarm = Swarm::NONE;
    settings.swarm.set(Fault::PowerCut, true);
    settings.durability = Durability::Full;
    settings.watching = Watching::Files;
}

/// Without order: syncs while bytes move do nothing at all.
fn ignore_order(settings: &mut Settings) {
    settings.order = Order::Ignored;
}

/// Faults: 108, 109.
#[test]
fn the_order_of_writes_alone_withstands_every_crash() {
    let seeds = seeds(3_000);
    let count = seeds.end - seeds.start;
    let sum = tell_all("order_of_writes", seeds, &trust);
    println!(
        "without reading back, {count} seeds: {} runs, {} crashes, 0 wrong files",
        sum.runs, sum.crashes
    );
}

/// Faults: 111.
#[test]
fn reading_back_alone_withstands_every_crash() {
    let seeds = seeds(3_000);
    let count = seeds.end - seeds.start;
    let sum = tell_all("reading_back", seeds, &ignore_order);
    println!(
        "without order, {count} seeds: {} runs, {} crashes, 0 wrong files",
        sum.runs, sum.crashes
    );
    assert!(sum.runs < 3_000 || sum.voided > 100, "{} parts were found damaged", sum.voided);
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in seeds(1_000) {
        let (first, second) =
            (tell(seed, Tracing::Hashed, &|_| {}), tell(seed, Tracing::Hashed, &|_| {}));
        assert_ne!(first.trace, 0);
        assert_eq!(first, second, "{}", replay(seed, "same_story"));
    }
}

/// With a part of the protocol broken the simulation must see the harm, in so many seeds.
fn expect_caught(mutant: Broken, within: u64, complaint: &str, adjust: fn(&mut Settings)) {
    for seed in 0..within {
        let told = tell(seed, Tracing::Off, &|settings: &mut Settings| {
            settings.mutant = Some(mutant);
            adjust(settings);
        });
        if told.violations.iter().any(|violation| violation.contains(complaint)) {
            println!("{mutant:?}: caught by seed {seed} of {within}: {:?}", told.violations);
            return;
        }
    }
    panic!("{mutant:?} was not caught in {within} seeds: {complaint}");
}

#[test]
fn recording_before_the_sync_is_caught() {
    let mutant = Broken::Session(Mutant::RecordBeforeSync);
    expect_caught(mutant, 200, "is recorded, not durable", |_| {});
    expect_caught(mutant, 500, "lies", unwatched);
    expect_caught(mutant, 5_000, "wrong file", unwatched);
}

#[test]
fn recording_the_live_set_instead_of_the_snapshot_is_caught() {
    let mutant = Broken::Session(Mutant::LiveSet);
    expect_caught(mutant, 200, "is recorded, not durable", |_| {});
    expect_caught(mutant, 500, "lies", unwatched);
    expect_caught(mutant, 5_000, "wrong file", unwatched);
}

#[test]
fn unkeyed_slots_are_caught() {
    expect_caught(Broken::UnkeyedSlots, 5_000, "lies", trust);
}

#[test]
fn ignoring_a_failed_sync_is_caught() {
    let mutant = Broken::Session(Mutant::SyncErrorIgnored);
    expect_caught(mutant, 2_000, "recorded after a sync has failed", |_| {});
}

#[test]
fn counting_kept_parts_whatever_is_read_back_is_caught() {
    let mutant = Broken::Session(Mutant::RehashIgnored);
    expect_caught(mutant, 2_000, "wrong file", |_| {});
}

#[test]
fn fetching_a_part_again_before_its_slot_is_void_is_caught() {
    let mutant = Broken::Session(Mutant::VoidSkipped);
    expect_caught(mutant, 2_000, "stays though it is false", |_| {});
}

#[test]
fn forgetting_the_prefix_of_a_part_is_caught() {
    let mutant = Broken::Session(Mutant::PrefixForgotten);
    expect_caught(mutant, 500, "good bytes are doubted", |_| {});
}

#[test]
fn keeping_parts_of_an_object_that_has_changed_is_caught() {
    let mutant = Broken::Session(Mutant::ChangeIgnored);
    expect_caught(mutant, 5_000, "wrong file", |_| {});
}

#[test]
fn trying_again_at_once_is_caught() {
    expect_caught(Broken::Session(Mutant::NoBackoff), 500, "hot loop", |_| {});
}

#[test]
fn not_waiting_as_long_as_the_server_asks_is_caught() {
    expect_caught(Broken::Session(Mutant::RetryAfterIgnored), 500, "was asked for", |_| {});
}

#[test]
fn waiting_for_a_silent_connection_is_caught() {
    expect_caught(Broken::Session(Mutant::StallIgnored), 2_000, "after everything is well", |_| {});
}

#[test]
fn asking_for_more_than_can_be_recorded_is_caught() {
    expect_caught(Broken::Session(Mutant::BacklogIgnored), 500, "a crash now costs", |_| {});
}
