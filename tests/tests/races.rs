//! Runs that start together, or while another one ends, on one destination.
//!
//! `OSSGET_RACES=N` sets the number of races, `OSSGET_SEED=S` who runs in which.

#![allow(clippy::print_stdout, reason = "the numbers are a result")]

use ossget_testkit::Content;
use ossget_tests::{Ended, Rig, total_len, wait_until};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

const SIZE: u64 = 500_000;
const ARGS: &[&str] =
    &["--part-size", "100KiB", "--parallel", "2", "-q", "--durability", "process"];
/// A second run must learn within this time that it is one.
const AT_ONCE: Duration = Duration::from_secs(1);
/// One in so many may be slower: up to eight start at once, and others may use the machine, too.
const ONE_SLOW_IN: usize = 20;

/// A small generator, so that a seed tells the same story again.
struct Rng(u64);

impl Rng {
    fn new() -> Self {
        let seed = number("OSSGET_SEED").unwrap_or_else(|| u64::from(std::process::id()));
        println!("OSSGET_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn races(default: u64) -> u64 {
    number("OSSGET_RACES").unwrap_or(default)
}

/// Two objects, the second one for those who want another object at the same destination.
fn rig() -> (Rig, Content) {
    let rig = Rig::new(1, SIZE);
    let other = Content::generated(2, SIZE);
    rig.sim.put_object("other", other.clone());
    (rig, other)
}

/// The command with another object in place of the rig's.
fn command_for_other(rig: &Rig) -> Command {
    let command = rig.command(ARGS);
    let mut other = Command::new(command.get_program());
    let args = command.get_args().map(|arg| match arg.to_str() {
        Some("oss://examplebucket/dir/object.bin") => "oss://examplebucket/other".as_ref(),
        _ => arg,
    });
    other.args(args).env_clear();
    for (name, value) in command.get_envs() {
        other.env(name, value.unwrap_or_default());
    }
    other.stdin(std::process::Stdio::null());
    other.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    other
}

/// A run and when it was started.
struct Runner {
    child: Child,
    begun: Instant,
    took: Option<Duration>,
}

impl Runner {
    fn start(mut command: Command) -> Self {
        let begun = Instant::now();
        Self { child: command.spawn().expect("the binary starts"), begun, took: None }
    }

    fn has_ended(&mut self) -> bool {
        if self.took.is_none() && self.child.try_wait().expect("a child").is_some() {
            self.took = Some(self.begun.elapsed());
        }
        self.took.is_some()
    }

    fn end(self) -> Ended {
        self.child.wait_with_output().expect("a child can be waited for").into()
    }
}

/// Faults: 98, 99.
#[test]
fn of_runs_that_start_together_exactly_one_downloads_and_the_others_say_so_at_once() {
    let count = races(100);
    let mut rng = Rng::new();
    let (rig, other) = rig();
    let mut times = Vec::new();
    let mut processes = 0;
    for race in 0..count {
        rig.sim.clear_requests();
        // Nobody can finish before all others have been turned away: that would take 10 s.
        rig.sim.throttle(SIZE / 10);
        let mix = rng.below(3) == 0;
        let many = 2 + rng.below(7);
        let mut runners: Vec<(bool, Runner)> = (0..many)
            .map(|_| {
                let is_other = mix && rng.below(2) == 0;
                let command = if is_other { command_for_other(&rig) } else { rig.command(ARGS) };
                (is_other, Runner::start(command))
            })
            .collect();
        let begun = Instant::now();
        while runners.iter_mut().filter_map(|(_, it)| it.has_ended().then_some(())).count() as u64
            + 1
            < many
        {
            assert!(begun.elapsed() < Duration::from_secs(60), "race {race}: nobody gives way");
            sleep(Duration::from_millis(1));
        }
        let winner = runners.iter_mut().position(|(_, it)| !it.has_ended());
        let winner = winner.unwrap_or_else(|| panic!("race {race}: nobody downloads"));
        rig.sim.unthrottle();
        let (other_won, winner) = runners.swap_remove(winner);
        let ended = winner.end();
        assert_eq!(ended.code, Some(0), "race {race}: {ended:?}");
        assert_eq!(ended.event("object_done")["bytes"], SIZE);
        for (_, runner) in runners {
            times.push(runner.took.expect("it has ended"));
            let ended = runner.end();
            assert_eq!(ended.code, Some(8), "race {race}: {ended:?}");
            assert_eq!(ended.event("object_failed")["kind"], "locked");
        }
        let bytes = fs::read(rig.destination()).expect("the winner's file");
        let content = if other_won { &other } else { &rig.content };
        assert!(bytes == content.window(0..SIZE), "race {race}: wrong bytes");
        assert_eq!(rig.files(), ["object.bin"], "race {race}");
        assert_eq!(total_len(&rig.ranges()), SIZE, "race {race}: somebody else fetched, too");
        fs::remove_file(rig.destination()).expect("a file");
        processes += many;
    }
    let slowest = times.iter().max().expect("a race has a loser");
    let late = times.iter().filter(|it| **it >= AT_ONCE).count();
    println!(
        "{count} races of {processes} runs: one winner each, the slowest of the others gave way \
         after {} ms, {late} of them in more than {} ms",
        slowest.as_millis(),
        AT_ONCE.as_millis()
    );
    assert!(late <= times.len() / ONE_SLOW_IN, "{late} of {} were slow: {slowest:?}", times.len());
}

/// Faults: 101.
#[test]
fn a_run_that_starts_while_another_ends_is_turned_away_or_finds_the_file() {
    let count = races(60);
    let mut rng = Rng::new();
    let (rig, _) = rig();
    let (mut turned_away, mut found) = (0, 0);
    // What the first one takes is moved until the second one comes as often too early as too
    // late, so that it comes close to the end however fast the machine is.
    let mut millis = 64;
    for race in 0..count {
        rig.sim.clear_requests();
        rig.sim.throttle(SIZE * 1000 / millis);
        let first = Runner::start(rig.command(ARGS));
        wait_until("a request", || !rig.sim.requests().is_empty());
        let second = Runner::start(rig.command(ARGS));
        let first = first.end();
        let second = second.end();
        // Whichever got the lock first.
        let codes = [first.code, second.code];
        let done = |ended: &Ended| ended.events.iter().any(|it| it["event"] == "object_done");
        let skipped = |ended: &Ended| ended.events.iter().any(|it| it["event"] == "object_skipped");
        assert_eq!(
            [&first, &second].into_iter().filter(|it| done(it)).count(),
            1,
            "race {race}: {codes:?}"
        );
        match (first.code, second.code) {
            (Some(0), Some(8)) | (Some(8), Some(0)) => {
                turned_away += 1;
                millis = (millis - rng.below(millis / 2)).max(2);
            }
            (Some(0), Some(0)) if skipped(&first) || skipped(&second) => {
                found += 1;
                millis += 1 + rng.below(millis / 2 + 1);
            }
            _ => panic!("race {race}: {first:?} {second:?}"),
        }
        rig.assert_downloaded();
        assert_eq!(total_len(&rig.ranges()), SIZE, "race {race}: fetched twice");
        fs::remove_file(rig.destination()).expect("a file");
    }
    println!("{count} races: {turned_away} turned away, {found} found the file");
    assert!(turned_away >= count / 10 && found >= count / 10, "few came near the end");
}

/// Exchanges something in the file system again and again until it is dropped.
struct Swapper {
    stop: &'static AtomicBool,
    thread: Option<thread::JoinHandle<u64>>,
}

impl Swapper {
    fn start(mut swap: impl FnMut() + Send + 'static) -> Self {
        let stop: &AtomicBool = Box::leak(Box::default());
        let thread = thread::spawn(move || {
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                swap();
                count += 1;
                // The runs need the processor, too.
                sleep(Duration::from_micros(200));
            }
            count
        });
        Self { stop, thread: Some(thread) }
    }

    fn end(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("it ends once");
        thread.join().expect("it does not panic")
    }
}

/// Puts a link to `victim` under `name`, and takes it away again.
fn plant(name: &Path, victim: &Path) {
    // Nothing of this need succeed: a run may be faster.
    drop(symlink(victim, name));
    sleep(Duration::from_micros(100));
    if fs::symlink_metadata(name).is_ok_and(|found| found.is_symlink()) {
        drop(fs::remove_file(name));
    }
}

/// Faults: 132, 144.
#[test]
fn a_link_that_comes_and_goes_in_the_place_of_our_files_never_lets_anything_out() {
    let count = races(60);
    let (rig, _) = rig();
    let outside = tempfile::tempdir().expect("a folder");
    let victim = outside.path().join("victim");
    fs::write(&victim, "precious").expect("a file");
    let dangling = outside.path().join("new");
    // The name of the checkpoint, from a run that does not get far.
    rig.sim.throttle(1);
    let mut first = rig.command(ARGS).spawn().expect("the binary starts");
    wait_until("a checkpoint", || !rig.files().is_empty());
    let checkpoint = rig.files().into_iter().find(|name| name.ends_with(".ossget"));
    let checkpoint = rig.dir().join(checkpoint.expect("the lock is made first"));
    first.kill().expect("a child");
    first.wait().expect("a child");
    rig.sim.unthrottle();
    let names = [rig.destination(), checkpoint];
    let targets = [victim.clone(), dangling.clone()];
    let mut turn = 0;
    let swapper = Swapper::start(move || {
        turn += 1;
        plant(&names[turn % 2], &targets[turn / 2 % 2]);
    });
    let mut codes = std::collections::BTreeMap::<_, u64>::new();
    for race in 0..count {
        let ended = rig.run(&[ARGS, &["--restart"]].concat());
        *codes.entry(ended.code).or_default() += 1;
        assert!(matches!(ended.code, Some(0 | 7 | 8 | 10)), "race {race}: {ended:?}");
        assert_eq!(fs::read(&victim).expect("a file"), b"precious", "race {race}");
        assert!(!dangling.exists(), "race {race}: written through a link");
        if ended.code == Some(0)
            && fs::symlink_metadata(rig.destination()).is_ok_and(|it| it.is_file())
        {
            let bytes = fs::read(rig.destination());
            if let Ok(bytes) = bytes.map(|bytes| bytes == rig.content.window(0..SIZE)) {
                assert!(bytes, "race {race}: wrong bytes");
            }
        }
    }
    let swaps = swapper.end();
    println!("{count} runs against {swaps} planted links: exit codes {codes:?}, nothing got out");
    let entries: Vec<_> = fs::read_dir(outside.path()).expect("a folder").collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
}

/// Faults: 132.
#[test]
fn a_directory_link_that_turns_meanwhile_never_splits_a_run_between_two_directories() {
    let count = races(40);
    let (rig, _) = rig();
    let base = rig.dir().to_owned();
    for name in ["one", "two"] {
        fs::create_dir(base.join(name)).expect("a folder");
    }
    symlink("one", base.join("way")).expect("a link");
    let turning = base.clone();
    let mut turn = 0;
    let swapper = Swapper::start(move || {
        turn += 1;
        let to = ["two", "one"][turn % 2];
        symlink(to, turning.join("next")).expect("a link");
        fs::rename(turning.join("next"), turning.join("way")).expect("a link can be exchanged");
    });
    for race in 0..count {
        let mut command = rig.command(ARGS);
        let destination = base.join("way/object.bin");
        let args: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        let mut through = Command::new(command.get_program());
        through.args(&args[..2]).arg(&destination).args(&args[3..]);
        for (name, value) in command.get_envs() {
            through.env(name, value.unwrap_or_default());
        }
        command = through;
        let ended: Ended = command.output().expect("the binary starts").into();
        assert_eq!(ended.code, Some(0), "race {race}: {ended:?}");
        let mut holding = 0;
        for name in ["one", "two"] {
            let files: Vec<_> = fs::read_dir(base.join(name)).expect("a folder").collect();
            let Some(Ok(file)) = files.first() else { continue };
            assert_eq!((files.len(), file.file_name()), (1, "object.bin".into()), "race {race}");
            assert!(fs::read(file.path()).expect("a file") == rig.content.window(0..SIZE));
            fs::remove_file(file.path()).expect("a file");
            holding += 1;
        }
        assert_eq!(holding, 1, "race {race}");
    }
    println!("{count} runs through a link turned {} times", swapper.end());
}
