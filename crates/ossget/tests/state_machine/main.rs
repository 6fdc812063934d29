//! Sequences of runs, stops, damage and changes against a model of what may be kept.
//!
//! The model is simple: whatever was done before, a run that is left alone succeeds, and it keeps
//! exactly those recorded parts that the partial file still holds byte for byte, provided that the
//! checkpoint is readable and of the present object; everything else it fetches once.
//!
//! `OSSGET_STATE_CASES=N` sets how many sequences are played, `OSSGET_SEED=S` plays one.

#![allow(clippy::print_stdout, reason = "the numbers of many sequences are their result")]

mod model;
mod rig;

use model::Kept;
use ossget::{Completion, DirectIo, Durability, ErrorKind, Parallel, PartSize};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use rig::Rig;
use std::cell::Cell;
use std::num::NonZeroU32;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Run(Run),
    /// Something happens to the partial file or the checkpoint while nobody runs; the number says
    /// where, in parts of 65,536.
    Damage(Damage, u16),
    /// Another object, of so many KiB, takes the place of the present one.
    Overwrite(u16),
}

/// A run and how it ends.
#[derive(Clone, Debug)]
struct Run {
    ends: Ends,
    /// Which of the two servers with the object.
    server: usize,
    part_kib: u64,
    durability: Durability,
    direct_io: DirectIo,
    parallel: u32,
}

#[derive(Clone, Copy, Debug)]
enum Ends {
    ByItself,
    /// The server refuses everything from this place on.
    Refused(u16),
    /// The user cancels once something from this place on is asked for.
    Cancelled(u16),
    /// The future is dropped then, as good as a kill.
    Dropped(u16),
}

#[derive(Clone, Copy, Debug)]
enum Damage {
    Zeroed,
    Flipped,
    Truncated,
    Extended,
    Deleted,
    Copied,
    Swapped,
    CheckpointFlipped,
    CheckpointTruncated,
    CheckpointDeleted,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ends = prop_oneof![
        1 => Just(Ends::ByItself),
        3 => any::<u16>().prop_map(Ends::Refused),
        2 => any::<u16>().prop_map(Ends::Cancelled),
        2 => any::<u16>().prop_map(Ends::Dropped),
    ];
    let durability = prop_oneof![Just(Durability::Full), Just(Durability::Process)];
    let part = prop_oneof![Just(100), Just(128), Just(200)];
    let direct_io = prop_oneof![Just(DirectIo::Off), Just(DirectIo::On)];
    let run = (ends, 0..2_usize, part, durability, direct_io, 1..6_u32).prop_map(
        |(ends, server, part_kib, durability, direct_io, parallel)| {
            Step::Run(Run { ends, server, part_kib, durability, direct_io, parallel })
        },
    );
    let damage = prop_oneof![
        Just(Damage::Zeroed),
        Just(Damage::Flipped),
        Just(Damage::Truncated),
        Just(Damage::Extended),
        Just(Damage::Deleted),
        Just(Damage::Copied),
        Just(Damage::Swapped),
        Just(Damage::CheckpointFlipped),
        Just(Damage::CheckpointTruncated),
        Just(Damage::CheckpointDeleted),
    ];
    let step = prop_oneof![
        5 => run,
        3 => (damage, any::<u16>()).prop_map(|(damage, place)| Step::Damage(damage, place)),
        1 => (1..4_000_u16).prop_map(Step::Overwrite),
    ];
    vec(step, 1..9)
}

/// Plays a sequence, then a run that is left alone. How many bytes runs have kept of earlier ones.
async fn play(steps: &[Step]) -> Result<u64, TestCaseError> {
    let mut rig = Rig::new().await;
    for step in steps {
        match step {
            Step::Run(run) => rig.run(run).await?,
            Step::Damage(damage, place) => rig.damage(*damage, *place),
            Step::Overwrite(kib) => rig.overwrite(u64::from(*kib) * 1024 + 7),
        }
        rig.assert_destination()?;
    }
    let last = Run {
        ends: Ends::ByItself,
        server: 0,
        part_kib: 100,
        durability: Durability::Full,
        direct_io: DirectIo::Off,
        parallel: 4,
    };
    rig.run(&last).await?;
    rig.assert_destination()?;
    Ok(rig.resumed)
}

impl Rig {
    async fn run(&mut self, run: &Run) -> Result<(), TestCaseError> {
        let parallel = NonZeroU32::new(run.parallel).expect("at least one");
        let download = self
            .download(run.server)
            .part_size(PartSize::kib(run.part_kib).expect("a legal size"))
            .parallel(Parallel::Fixed(parallel))
            .durability(run.durability)
            .direct_io(run.direct_io);
        let kept = Kept::read(self.dir.path(), &self.content);
        let from = |place: u16| u64::from(place) * self.content.size() / 65_536;
        let result = match run.ends {
            Ends::ByItself => Some(download.await),
            Ends::Refused(place) => {
                self.refuse(run.server, from(place));
                Some(download.await)
            }
            Ends::Cancelled(place) => self.cancel(run.server, download, from(place)).await,
            Ends::Dropped(place) => self.drop_midway(run.server, download, from(place)).await,
        };
        self.recover(run.server);
        let done = match result {
            None => return Ok(()),
            Some(Ok(done)) => done,
            Some(Err(error)) => {
                let expected = match run.ends {
                    Ends::Refused(_) => Some(ErrorKind::Denied),
                    Ends::Cancelled(_) => Some(ErrorKind::Cancelled),
                    _ => None,
                };
                let fits = expected == Some(error.kind());
                return if fits { Ok(()) } else { Err(fail(format!("{run:?}: {error:?}"))) };
            }
        };
        let there = self.published();
        self.published_now();
        self.assert_alone()?;
        if done.completion == Completion::AlreadyThere {
            return check(there, "there already, it says, but it was not");
        }
        let size = self.content.size();
        self.resumed += done.resumed_bytes;
        check(
            (done.resumed_bytes, done.fetched_bytes) == (kept.bytes, size - kept.bytes),
            &format!(
                "{} bytes kept and {} fetched of {size}, where {} could be kept",
                done.resumed_bytes, done.fetched_bytes, kept.bytes
            ),
        )
    }
}

fn check(holds: bool, what: &str) -> Result<(), TestCaseError> {
    if holds { Ok(()) } else { Err(fail(what.to_owned())) }
}

fn fail(what: String) -> TestCaseError {
    TestCaseError::fail(what)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Faults: 93, 95.
#[test]
fn after_any_sequence_the_file_is_right_and_what_could_be_kept_was() {
    let cases = number("OSSGET_STATE_CASES").unwrap_or(200);
    let seeds = number("OSSGET_SEED").map_or(0..cases, |seed| seed..seed + 1);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (count, resumed) = (seeds.end - seeds.start, Cell::new(0));
    for seed in seeds {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let config = Config { cases: 1, failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, rng);
        let played = runner.run(&steps(), |steps| {
            resumed.set(resumed.get() + runtime.block_on(play(&steps))?);
            Ok(())
        });
        if let Err(error) = played {
            panic!("OSSGET_SEED={seed} cargo test -p ossget --test state_machine: {error}");
        }
    }
    println!("{count} sequences: {} bytes kept of earlier runs", resumed.get());
    // Where nothing is ever recorded the model expects nothing to be kept either.
    if count >= 200 {
        assert!(resumed.get() >= count * KEPT_BY_EACH, "{} bytes kept", resumed.get());
    }
}

/// Far less than what the sequences keep on average, most of them ending before anything was.
const KEPT_BY_EACH: u64 = 100 << 10;
