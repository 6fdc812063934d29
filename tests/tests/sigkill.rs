//! Kills at random moments: nothing is lost that was recorded, and nothing wrong is published.
//!
//! `OSSGET_KILLS=N` sets the number of kills, `OSSGET_SEED=S` their moments.

#![allow(clippy::print_stdout, reason = "the numbers are a result")]

use ossget_tests::{Rig, Rng, covered, remains, total_len};
use std::ops::Range;
use std::time::{Duration, Instant};
use std::{env, thread};

const SIZE: u64 = 200 << 20;
/// What the simulator serves per second, to all connections together.
const RATE: u64 = 40 << 20;
const CONNECTIONS: u64 = 4;
/// What a commit waits for, at this rate: one second of data is less than 64 MiB.
const COMMIT_WINDOW: u64 = RATE;
/// What arrives while a sync runs, and what lies in the buffers of sockets that the simulator has
/// already counted as sent: half a second of data.
const DURING_SYNC: u64 = RATE / 2;

/// Faults: 105.
#[test]
fn whatever_the_moment_of_the_kill_nothing_recorded_is_fetched_again() {
    let number = |name| env::var(name).ok().map(|text: String| text.parse().expect("a number"));
    let kills: u64 = number("OSSGET_KILLS").unwrap_or(50);
    let seed = number("OSSGET_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("OSSGET_SEED={seed}");
    let mut rng = Rng::new(seed);
    let mut done = 0;
    let mut worst = [0; 3];
    let mut late = 0;
    let mut downloads = 0;
    while done < kills {
        let at = downloads % 3;
        let (text, part) = [("100KiB", 100 << 10), ("1MiB", 1 << 20), ("8MiB", 8 << 20)][at];
        let cost = download(&mut rng, (text, part), kills - done);
        done += cost.kills;
        late += cost.late;
        worst[at] = worst[at].max(cost.worst);
        downloads += 1;
    }
    println!(
        "{done} kills in {downloads} downloads: all complete and right; most bytes fetched again \
         after one kill: {} MiB at parts of 100 KiB, {} MiB at 1 MiB, {} MiB at 8 MiB",
        worst[0] >> 20,
        worst[1] >> 20,
        worst[2] >> 20
    );
    // A disk that others use, too, may be late with a sync now and then.
    assert!(4 * late <= done.max(8), "{late} of {done} kills cost more than prompt syncs explain");
}

/// What the kills of one download cost.
#[derive(Default)]
struct Cost {
    kills: u64,
    /// Most bytes that one of them cost.
    worst: u64,
    /// Those that cost more than they do where syncs are prompt.
    late: u64,
}

/// One download, killed until it gets through.
fn download(rng: &mut Rng, (text, part): (&str, u64), most_kills: u64) -> Cost {
    let rig = Rig::new(rng.below(1000), SIZE);
    rig.sim.throttle(RATE);
    let args = ["--part-size", text, "--parallel", &CONNECTIONS.to_string(), "-q"];
    let mut kept: Vec<Range<u64>> = Vec::new();
    let mut cost = Cost::default();
    while cost.kills < most_kills {
        rig.sim.clear_requests();
        let mut child =
            rig.command(&args).stdout(std::process::Stdio::null()).spawn().expect("it starts");
        let moment = Duration::from_millis(20 + rng.below(1800));
        let begun = Instant::now();
        let ended = loop {
            match child.try_wait().expect("a child can be waited for") {
                Some(status) => break Some(status),
                None if begun.elapsed() >= moment => break None,
                None => thread::sleep(Duration::from_millis(1)),
            }
        };
        if let Some(status) = ended {
            assert!(status.success(), "{status}");
            check_ranges(&rig, &kept);
            rig.assert_downloaded();
            return cost;
        }
        child.kill().expect("a child can be killed");
        child.wait().expect("a child can be waited for");
        check_ranges(&rig, &kept);
        if rig.destination().exists() {
            // Killed between the rename and the end: nothing is left to fetch.
            rig.sim.clear_requests();
            rig.run_well(&args);
            assert_eq!(rig.ranges(), []);
            cost.kills += 1;
            return cost;
        }
        let before = total_len(&kept);
        kept = remains(rig.dir()).map_or_else(Vec::new, |remains| remains.ranges());
        let arrived: u64 =
            rig.sim.requests().iter().filter(|r| r.method == "GET").map(|r| r.sent).sum();
        let recorded = total_len(&kept) - before;
        let lost = arrived.saturating_sub(recorded);
        let promised = 4 * (64 << 20) + CONNECTIONS * part;
        assert!(lost <= promised, "{lost} bytes lost by one kill, {promised} promised");
        let prompt = COMMIT_WINDOW + CONNECTIONS * part + DURING_SYNC;
        cost.late += u64::from(lost > prompt);
        cost.worst = cost.worst.max(lost);
        cost.kills += 1;
    }
    rig.sim.clear_requests();
    rig.run_well(&args);
    check_ranges(&rig, &kept);
    cost
}

/// No request of this run may overlap a part whose slot was valid when it began.
fn check_ranges(rig: &Rig, kept: &[Range<u64>]) {
    let asked = covered(&rig.ranges());
    for kept in kept {
        let again = asked.iter().find(|asked| asked.start < kept.end && kept.start < asked.end);
        assert!(again.is_none(), "{again:?} was asked for although {kept:?} was recorded");
    }
}
