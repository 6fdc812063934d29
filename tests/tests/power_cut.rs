//! Power cuts on a real file system: the disk stops taking writes at some moment, the process
//! dies, the disk is mounted again as it was left.
//!
//! `OSSGET_POWER_CUTS=N` sets the number of cuts, `OSSGET_SEED=S` their moments.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, reason = "the numbers are a result")]

mod cutting;

use cutting::{Bench, Tally};
use ossget_tests::{Disk, Format, PowerCut, Rig, Rng, difference, skipped};
use std::env;
use std::sync::Mutex;
use std::thread;

/// What the disks are mounted with: the usual, the laxest about data, and the one that allocates
/// early.
const MOUNTS: [&str; 3] = ["data=ordered", "data=writeback,noauto_da_alloc", "nodelalloc,commit=1"];
/// How many disks are cut at once: their downloads wait more than they work.
const DISKS: usize = 6;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Cuts disks of these formats until there were as many cuts as wanted.
fn cut_everywhere(formats: &[Format], cuts: u64) -> Option<Tally> {
    let seed = number("OSSGET_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("OSSGET_SEED={seed}");
    let total = Mutex::new(Tally::default());
    thread::scope(|scope| {
        let workers: Vec<_> = (0..DISKS)
            .map(|at| {
                let total = &total;
                scope.spawn(move || -> Result<(), String> {
                    let disk = Disk::new(formats[at % formats.len()])?;
                    let mut bench = Bench::new(disk, Rng::new(seed + at as u64));
                    while total.lock().expect("no panic").cuts < cuts {
                        let tally = bench.story();
                        total.lock().expect("no panic").add(&tally);
                    }
                    Ok(())
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no panic"))
    })
    .map_err(|why| skipped(&why))
    .ok()?;
    Some(total.into_inner().expect("no panic"))
}

/// Faults: 83, 108, 109.
#[test]
fn whenever_the_power_goes_the_destination_is_old_or_complete_and_the_rest_is_gone_on_with() {
    let formats = MOUNTS.map(Format::Ext4);
    let Some(tally) = cut_everywhere(&formats, number("OSSGET_POWER_CUTS").unwrap_or(200)) else {
        return;
    };
    println!("ext4: {tally}");
    tally.assert_telling();
}

/// The proof that the disks above lose what is not synced.
#[test]
fn without_syncs_a_power_cut_does_lose_the_object_and_the_next_run_finds_that_out() {
    let disk = match Disk::new(Format::Ext4(MOUNTS[1])) {
        Ok(disk) => disk,
        Err(why) => return skipped(&why),
    };
    let mut rig = Rig::new(3, 2 << 20);
    let lost = (0..20).any(|round| {
        let dir = disk.at().join(round.to_string());
        std::fs::create_dir(&dir).expect("a folder");
        std::fs::File::open(disk.at()).and_then(|dir| dir.sync_all()).expect("a sync");
        rig.move_to(&dir);
        rig.run_well(&["--durability", "process", "--direct-io", "off"]);
        disk.cut_power(PowerCut::Journal);
        disk.restart();
        let lost = difference(&rig.destination(), &rig.content).is_some();
        let ended = rig.run(&[]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(difference(&rig.destination(), &rig.content), None);
        lost
    });
    assert!(lost, "twenty power cuts without any sync lost nothing");
}
