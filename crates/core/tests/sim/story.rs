//! One seed is one story: some process runs with whatever faults the seed allows, then a run in
//! which everything is put right at some moment and from which the file must come.

use super::adapter::{Micros, Outcome, SECOND, StopReason};
use super::catalogue::{Fault, Hits};
use super::process::{End, Process};
use super::rng::Rng;
use super::settings::{Settings, Watching};
use super::trace::{Aloud, Trace};
use super::weather::Weather;
use super::world::World;

/// What came of one story, or of many.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) violations: Vec<String>,
    pub(crate) hits: Hits,
    pub(crate) runs: u64,
    pub(crate) crashes: u64,
    pub(crate) requests: u64,
    pub(crate) voided: u64,
    pub(crate) steps: u64,
    /// Stories in which everything was put right in the middle of the run that finished.
    pub(crate) healed_midway: u64,
    /// Runs without any fault of which every request was accounted for.
    pub(crate) weighed: u64,
    /// A hash of everything that was asked and reported.
    pub(crate) trace: u64,
}

/// Whether a story's trace is wanted: it costs time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tracing {
    Off,
    Hashed,
    /// Printed, too.
    Aloud,
}

/// Tells the story of a seed, with its settings adjusted.
pub(crate) fn tell(seed: u64, tracing: Tracing, adjust: &dyn Fn(&mut Settings)) -> Told {
    let mut rng = Rng::new(seed);
    let (mut settings, subject) = Settings::draw(&mut rng);
    adjust(&mut settings);
    let mut world = World::new(subject, &settings, &mut rng);
    world.trace = match tracing {
        Tracing::Off => None,
        Tracing::Hashed => Some(Trace::new(Aloud::No)),
        Tracing::Aloud => Some(Trace::new(Aloud::Yes)),
    };
    let mut told = Told::default();
    let most = if settings.allows(Fault::Giant) { 3 } else { 6 };
    for _ in 0..rng.below(most) {
        if is_over(&world, &settings) {
            break;
        }
        if rng.chance(30) {
            settings.vary(&mut rng);
            adjust(&mut settings);
        }
        run(&mut world, &mut rng, settings, &mut told);
    }
    if !is_over(&world, &settings) {
        settle(&mut world, &mut rng, settings.willing(), &mut told);
    }
    told.violations = std::mem::take(&mut world.violations);
    told.hits = world.hits;
    told.requests = world.requests;
    told.voided = world.voided;
    told.trace = world.trace.map_or(0, |trace| trace.hash());
    told
}

/// Whether a story need not be told to its end: a law was broken, and laws are what is watched.
fn is_over(world: &World, settings: &Settings) -> bool {
    settings.watching == Watching::Laws && !world.violations.is_empty()
}

/// One run with faults, and what happens before the next.
fn run(world: &mut World, rng: &mut Rng, settings: Settings, told: &mut Told) {
    let crashes = settings.allows(Fault::Kill) || settings.allows(Fault::PowerCut);
    let scale = 1 << (2 + rng.below(10));
    world.disk.fuse = (crashes && rng.chance(70)).then(|| rng.below(scale));
    let weather = Weather::draw(rng, &settings, horizon(world, &settings));
    let mut process = Process::new(world, rng, settings, None);
    process.weather = weather;
    let end = process.run();
    told.steps += process.steps;
    told.runs += 1;
    if settings.allows(Fault::Giant) {
        world.hits.count(Fault::Giant);
    }
    match end {
        End::Crashed => {
            told.crashes += 1;
            world.die(rng, &settings);
            world.check_slots();
        }
        End::Broken(law) => world.violations.push(law),
        End::Locked => world.violations.push("locked by nobody".into()),
        End::Finished(_) | End::Refused => {}
    }
    world.disk.fuse = None;
    world.disk.locked = None;
    world.check_destination();
    world.check_litter();
    between(world, rng, settings);
}

/// What others do between two runs.
fn between(world: &mut World, rng: &mut Rng, settings: Settings) {
    if settings.allows(Fault::DestinationMeddled) && rng.chance(20) {
        world.meddle_with_destination(rng);
    }
    if settings.allows(Fault::Meddled) && rng.chance(50) {
        world.meddle(rng);
    }
    if settings.allows(Fault::Misdirected) && rng.chance(50) {
        world.rot_at_rest(rng);
    }
    if settings.allows(Fault::Overwritten) && rng.chance(15) {
        world.replace(rng);
    }
    if rng.chance(70) {
        world.disk_full = false;
    }
    world.disk.sweep();
}

/// A run in which everything is put right at some moment; should it have ended before for a good
/// reason, runs in which nothing goes wrong at all.
fn settle(world: &mut World, rng: &mut Rng, settings: Settings, told: &mut Told) {
    for last in 0..4 {
        // What has been promised before may be replaced by what is there now.
        world.promised = None;
        let horizon = horizon(world, &settings);
        let heal_at = if last == 0 { rng.below(horizon / 2) } else { 0 };
        let mut weather = Weather::default();
        if heal_at > 0 {
            weather = Weather::draw(rng, &settings, horizon);
        } else {
            world.disk_full = false;
        }
        let nothing = world.wanted().is_none();
        let most = bound(world, &settings, true);
        let mut process = Process::new(world, rng, settings, Some(heal_at));
        process.weather = weather;
        process.patience_when_well = 2 * most;
        let end = process.run();
        told.steps += process.steps;
        told.runs += 1;
        told.weighed += u64::from(process.weighed);
        let under_way = process.under_way;
        // What ends before everything is well is not judged.
        let took = if process.healed { process.now - process.healed_at } else { 0 };
        let healed_midway = process.healed && process.healed_at > 0;
        let twice = process.began_again();
        match end {
            End::Finished(Outcome::Done { .. } | Outcome::AlreadyThere { .. }) => {
                let bound = bound(world, &settings, twice) + under_way;
                if took > bound {
                    let law = format!("takes {took} µs after everything is well, not {bound}");
                    world.violations.push(law);
                }
                told.healed_midway += u64::from(healed_midway);
                break;
            }
            End::Finished(Outcome::Stopped {
                reason: StopReason::RangeBeyondEnd { .. }, ..
            }) if nothing => {
                return;
            }
            End::Finished(Outcome::Stopped { .. }) if last == 0 => {}
            End::Finished(Outcome::Stopped { reason: StopReason::CrcMismatch { .. }, .. })
                if last < 3 => {}
            End::Broken(law) => {
                world.violations.push(law);
                return;
            }
            end => {
                world.violations.push(format!("does not finish though all is well: {end:?}"));
                return;
            }
        }
    }
    world.check_destination();
    world.check_litter();
}

/// The time in which a download without faults can be expected to end: what arrives one after
/// the other on each connection, the requests, and the commits that bound what may be stored and
/// not recorded.
fn ideal(world: &World, settings: &Settings) -> Micros {
    let size = world.wanted().map_or(0, |wanted| wanted.len());
    let parallel = u64::from(settings.parallel);
    let parts = size / settings.part_size + 1;
    let arrivals = size / settings.chunk.min(settings.part_size) + parts;
    let each = settings.chunk_delay;
    let longest = (settings.request_bytes / settings.chunk.min(settings.part_size)) + 2;
    let moving = (arrivals / parallel + longest) * each;
    let asking = (parts / parallel + 2) * (settings.round_trip + each);
    let commits = (size / settings.commit_bytes + 2) * 500_000;
    moving + asking + commits + parts * 10_000
}

/// When things happen, if they do.
fn horizon(world: &World, settings: &Settings) -> Micros {
    ideal(world, settings).clamp(100_000, 600 * SECOND)
}

/// How long a run may take once everything is well: twice the ideal time, and again as much if it
/// has to begin again because the whole was wrong or the object another one. What was under way
/// when everything was put right comes on top of it: see `Process::under_way`.
fn bound(world: &World, settings: &Settings, twice: bool) -> Micros {
    let rounds = if twice { 2 } else { 1 };
    2 * rounds * ideal(world, settings) + LAST_COMMIT
}

/// The last commit's wait, as long as syncs are not slow.
const LAST_COMMIT: Micros = SECOND;
