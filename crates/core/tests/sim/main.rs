//! Deterministic simulation of whole downloads: the real session and the real checkpoint codec
//! against a virtual network, disk and clock, with a crash at any step.
//!
//! One seed is one story: an object, a few process runs that may be killed or lose power
//! anywhere, whatever faults the seed allows, and at the end runs in which nothing goes wrong
//! any more. `OSSGET_SIM_SEEDS=N` sets how many stories are told, `OSSGET_SEED=S` tells one.

#![allow(clippy::print_stdout, reason = "the numbers of a simulation are its result")]

mod content;
mod disk;
mod process;
mod rng;
mod world;

use content::ZeroCrc;
use ossget_core::session::{Mutant, Outcome};
use process::{End, Process};
use rng::Rng;
use world::{Broken, Settings, World};

/// What came of one story.
#[derive(Debug, Default)]
struct Told {
    violations: Vec<String>,
    crashes: u64,
    runs: u64,
    requests: u64,
    voided: u64,
    finished: u64,
}

fn tell(seed: u64, adjust: impl Fn(&mut Settings)) -> Told {
    let mut rng = Rng::new(seed);
    let zeros = ZeroCrc::new();
    let mut settings = Settings::draw(&mut rng);
    adjust(&mut settings);
    let most = if rng.below(10) == 0 { 300 } else { 60 };
    let blocks = rng.below(most);
    let size = blocks * content::BLOCK + if blocks > 0 { rng.below(2) * 8 } else { 0 };
    let mut world = World::new(size, rng.next() | 1);
    let mut told = Told::default();
    for _ in 0..rng.below(7) {
        run(&mut world, &mut rng, &zeros, settings, &mut told);
    }
    // Healed: the object stays, nothing fails. One run may have to discard what flips spoilt.
    let healed = settings.healed();
    for last in 0..3 {
        world.promised = None;
        let end = Process::new(&mut world, &mut rng, &zeros, healed).run();
        told.runs += 1;
        match end {
            End::Finished(Outcome::Done { .. } | Outcome::AlreadyThere { .. }) => break,
            End::Broken(law) => world.violations.push(law),
            End::Finished(_) if last < 2 => {}
            end => world.violations.push(format!("does not finish though healed: {end:?}")),
        }
    }
    world.promised.get_or_insert(world.object);
    world.check();
    told.violations = std::mem::take(&mut world.violations);
    told.requests = world.requests;
    told.voided = world.voided;
    told
}

fn run(world: &mut World, rng: &mut Rng, zeros: &ZeroCrc, settings: Settings, told: &mut Told) {
    world.voided = 0;
    let scale = 1 << (2 + rng.below(9));
    world.disk.fuse = rng.chance(80).then(|| rng.below(scale));
    let end = Process::new(world, rng, zeros, settings).run();
    told.runs += 1;
    let flipped = settings.flips;
    match end {
        End::Crashed => {
            told.crashes += 1;
            if rng.chance(60) {
                world.disk.crash(rng)
            } else {
                world.disk.kill()
            }
            if !flipped {
                world.check_slots();
            }
        }
        End::Finished(Outcome::Done { .. } | Outcome::AlreadyThere { .. }) => told.finished += 1,
        End::Finished(_) => {}
        End::Broken(law) => world.violations.push(law),
    }
    world.disk.fuse = None;
    world.check();
    if settings.meddling && rng.chance(50) {
        world.meddle(rng, settings.rehash);
    }
}

fn seeds() -> std::ops::Range<u64> {
    if let Some(seed) = number("OSSGET_SEED") {
        return seed..seed + 1;
    }
    0..number("OSSGET_SIM_SEEDS").unwrap_or(10_000)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Tells the stories of `seeds` and returns the seeds that broke something, with what.
fn tell_all(
    seeds: impl Iterator<Item = u64>,
    adjust: impl Fn(&mut Settings),
) -> (Vec<(u64, Vec<String>)>, Told) {
    let mut sum = Told::default();
    let mut broken = Vec::new();
    for seed in seeds {
        let told = tell(seed, &adjust);
        sum.crashes += told.crashes;
        sum.runs += told.runs;
        sum.requests += told.requests;
        sum.voided += told.voided;
        sum.finished += told.finished;
        if !told.violations.is_empty() {
            broken.push((seed, told.violations));
        }
    }
    (broken, sum)
}

fn expect_none(broken: &[(u64, Vec<String>)]) {
    if let Some((seed, violations)) = broken.first() {
        panic!(
            "{} seeds broke a promise; OSSGET_SEED={seed} tells this again: {violations:?}",
            broken.len()
        );
    }
}

/// Faults: 108.
#[test]
fn no_seed_leaves_a_wrong_file_or_loses_a_promise() {
    let seeds = seeds();
    let count = seeds.end - seeds.start;
    let (broken, sum) = tell_all(seeds, |_| {});
    expect_none(&broken);
    println!(
        "{count} seeds: {} process runs, {} crashes, {} requests, {} parts found damaged, 0 wrong files",
        sum.runs, sum.crashes, sum.requests, sum.voided
    );
    assert!(count < 100 || sum.crashes > count / 2, "crashes happen: {}", sum.crashes);
    assert!(count < 100 || sum.voided > count / 200, "damage is found: {}", sum.voided);
}

#[test]
fn the_order_of_writes_alone_withstands_every_crash() {
    let (broken, _) = tell_all(0..2_000, |settings| settings.rehash = false);
    expect_none(&broken);
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in 0..50 {
        let (first, second) = (tell(seed, |_| {}), tell(seed, |_| {}));
        assert_eq!(format!("{first:?}"), format!("{second:?}"));
    }
}

/// With a part of the protocol broken and the re-hash off, the simulation must see the harm.
fn expect_caught(mutant: Broken, complaint: &str) {
    let (broken, _) = tell_all(0..3_000, |settings| {
        settings.mutant = Some(mutant);
        settings.rehash = false;
        settings.meddling = true;
    });
    let caught = broken.iter().filter(|(_, what)| what.iter().any(|w| w.contains(complaint)));
    let caught = caught.count();
    println!("{mutant:?}: {caught} of 3000 seeds: {complaint}");
    assert!(caught > 0, "{mutant:?} was not caught");
}

#[test]
fn recording_before_the_sync_is_caught() {
    expect_caught(Broken::Session(Mutant::RecordBeforeSync), "lies");
    expect_caught(Broken::Session(Mutant::RecordBeforeSync), "wrong file");
}

#[test]
fn recording_the_live_set_instead_of_the_snapshot_is_caught() {
    expect_caught(Broken::Session(Mutant::LiveSet), "lies");
    expect_caught(Broken::Session(Mutant::LiveSet), "wrong file");
}

/// Faults: 97.
#[test]
fn unkeyed_slots_are_caught() {
    expect_caught(Broken::UnkeyedSlots, "lies");
}
