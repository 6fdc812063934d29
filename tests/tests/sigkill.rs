//! Kills at random moments: nothing is lost that was recorded, what is lost is bounded, and
//! nothing wrong is published.
//!
//! `OSSGET_KILLS=N` sets the number of kills, `OSSGET_SEED=S` their moments. Each download is
//! killed until it gets through, so a few more may happen.

#![allow(clippy::print_stdout, reason = "the numbers are a result")]

use ossget_tests::{Rig, Rng, covered, remains, total_len};
use std::ops::Range;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use std::{env, fmt, thread};

/// More than the promise allows to be lost, so that a run that records nothing can break it.
const SIZE: u64 = 320 << 20;
/// What a simulator serves per second, to all connections together.
const RATE: u64 = 24 << 20;
const CONNECTIONS: u64 = 4;
/// Part sizes, and how they are written.
const PARTS: [(&str, u64); 3] = [("100KiB", 100 << 10), ("1MiB", 1 << 20), ("4MiB", 4 << 20)];
/// Downloads at once: they wait more than they work.
const WORKERS: u64 = 3;
/// What a commit waits for, at this rate: one second of data is less than 64 MiB.
const COMMIT_WINDOW: u64 = RATE;
/// What arrives while a sync runs, and what lies in the buffers of sockets that the simulator has
/// already counted as sent: half a second of data.
const DURING_SYNC: u64 = RATE / 2;
/// P3: four commit windows. They grow only where syncs are slow five times in one run.
const PROMISED: u64 = 4 * (64 << 20);
/// A disk that others use, too, may be late with a sync now and then: one kill in so many may
/// cost more than prompt syncs explain.
const ONE_LATE_IN: u64 = 20;
/// A download takes about 15 kills; one that gains nothing from run to run takes any number.
const MOST_KILLS: u64 = 60;

/// Faults: 105.
#[test]
fn whatever_the_moment_of_the_kill_nothing_recorded_is_fetched_again() {
    let number = |name| env::var(name).ok().map(|text: String| text.parse().expect("a number"));
    let kills: u64 = number("OSSGET_KILLS").unwrap_or(50);
    let seed = number("OSSGET_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("OSSGET_SEED={seed}");
    let total = Mutex::new(Tally::default());
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let total = &total;
            scope.spawn(move || {
                let mut rng = Rng::new(seed + worker);
                let mut at = worker as usize;
                while total.lock().expect("no panic").kills < kills {
                    let tally = download(&mut rng, at % PARTS.len());
                    total.lock().expect("no panic").add(&tally);
                    at += 1;
                }
            });
        }
    });
    let total = total.into_inner().expect("no panic");
    println!("{total}");
    let Tally { kills, late, grown, .. } = total;
    assert!(late <= 1 + kills / ONE_LATE_IN, "too many cost more than prompt syncs explain");
    // About half of all runs live longer than a commit waits.
    assert!(grown >= kills / 8, "too few of the killed runs have recorded anything");
}

/// What came of the kills.
#[derive(Clone, Debug, Default)]
struct Tally {
    kills: u64,
    downloads: u64,
    /// Most kills in one download.
    most: u64,
    /// Kills of runs that had recorded something.
    grown: u64,
    /// Most bytes that one of them cost, for each part size.
    worst: [u64; PARTS.len()],
    /// Those that cost more than they do where syncs are prompt.
    late: u64,
}

/// When a run is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So long after its start.
    Elapsed(Duration),
    /// When it has been sent so many bytes, which is shortly before its end.
    Sent(u64),
}

/// One download, killed until it gets through.
fn download(rng: &mut Rng, size_at: usize) -> Tally {
    let (text, part) = PARTS[size_at];
    let rig = Rig::new(rng.below(1000), SIZE);
    rig.sim.throttle(RATE);
    let direct = if rng.below(2) == 0 { "on" } else { "off" };
    let parallel = CONNECTIONS.to_string();
    let args = ["--part-size", text, "--parallel", &parallel, "--direct-io", direct, "-q"];
    let prompt = COMMIT_WINDOW + DURING_SYNC + CONNECTIONS * part;
    let mut kept: Vec<Range<u64>> = Vec::new();
    let mut tally = Tally { downloads: 1, ..Tally::default() };
    loop {
        rig.sim.clear_requests();
        let moment = moment(rng, prompt, SIZE - total_len(&kept));
        let mut child = rig.command(&args).stdout(Stdio::null()).spawn().expect("it starts");
        if let Some(status) = lives_until(moment, &mut child, &rig) {
            assert!(status.success(), "{status}");
            check_ranges(&rig, &kept);
            rig.assert_downloaded();
            return tally;
        }
        child.kill().expect("a child can be killed");
        child.wait().expect("a child can be waited for");
        tally.kills += 1;
        tally.most = tally.kills;
        check_ranges(&rig, &kept);
        if rig.destination().exists() {
            // Killed between the rename and the end: nothing is left to fetch.
            rig.sim.clear_requests();
            rig.run_well(&args);
            assert_eq!(rig.ranges(), []);
            return tally;
        }
        let found = remains(rig.dir()).map_or_else(Vec::new, |remains| remains.ranges());
        assert_eq!(covered(&[&kept[..], &found].concat()), found, "recorded before, and now gone");
        let recorded = total_len(&found) - total_len(&kept);
        kept = found;
        let lost = arrived(&rig).saturating_sub(recorded);
        let promised = PROMISED + CONNECTIONS * part;
        assert!(lost <= promised, "{lost} bytes lost by one kill, {promised} promised: {moment:?}");
        tally.late += u64::from(lost > prompt);
        tally.grown += u64::from(recorded > 0);
        tally.worst[size_at] = tally.worst[size_at].max(lost);
        assert!(
            tally.kills < MOST_KILLS,
            "after {MOST_KILLS} kills {} of {SIZE} bytes are recorded",
            total_len(&kept)
        );
    }
}

/// Most runs live up to a second longer than it takes to lose more than prompt syncs explain;
/// some get almost everything that is `missing`.
fn moment(rng: &mut Rng, prompt: u64, missing: u64) -> Moment {
    if rng.one_in(16) {
        return Moment::Sent(missing.saturating_sub(rng.below(16 << 20)));
    }
    let longest = Duration::from_secs(1) + Duration::from_millis(prompt * 1000 / RATE);
    Moment::Elapsed(Duration::from_millis(20) + rng.moment(longest))
}

/// Waits for the moment; the status of a run that has ended before.
fn lives_until(moment: Moment, child: &mut Child, rig: &Rig) -> Option<ExitStatus> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return Some(status);
        }
        let is_now = match moment {
            Moment::Elapsed(time) => begun.elapsed() >= time,
            Moment::Sent(bytes) => arrived(rig) >= bytes,
        };
        if is_now {
            return None;
        }
        assert!(begun.elapsed() < Duration::from_secs(300), "the run neither ends nor gets on");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Bytes that the simulator has sent since the run began.
fn arrived(rig: &Rig) -> u64 {
    let requests = rig.sim.requests();
    requests.iter().filter(|request| request.method == "GET").map(|request| request.sent).sum()
}

/// No request of this run may overlap a part whose slot was valid when it began.
fn check_ranges(rig: &Rig, kept: &[Range<u64>]) {
    let asked = covered(&rig.ranges());
    for kept in kept {
        let again = asked.iter().find(|asked| asked.start < kept.end && kept.start < asked.end);
        assert!(again.is_none(), "{again:?} was asked for although {kept:?} was recorded");
    }
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.downloads += other.downloads;
        self.most = self.most.max(other.most);
        self.grown += other.grown;
        self.late += other.late;
        for (worst, other) in self.worst.iter_mut().zip(other.worst) {
            *worst = other.max(*worst);
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, downloads, most, grown, late, worst } = self;
        write!(
            f,
            "{kills} kills in {downloads} downloads, at most {most} in one: all complete and \
             right; after {grown} more was recorded than before, {late} cost more than prompt \
             syncs explain; most bytes fetched again after one kill:"
        )?;
        for (at, ((text, _), worst)) in PARTS.iter().zip(worst).enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma} {} MiB at parts of {text}", worst >> 20)?;
        }
        Ok(())
    }
}
