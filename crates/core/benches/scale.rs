//! What ten million parts cost: driving a session over a virtual source, and loading their
//! checkpoint. `cargo bench -p ossget-core --bench scale`
//!
//! Every size runs in a process of its own, so that its peak memory can be told, and as often as
//! it takes to make ten million parts, so that CPU time can be told too (Linux counts it in
//! hundredths of a second). The virtual source stores every part at once and answers every
//! action; what is measured is the session.

#![allow(clippy::print_stdout, reason = "the numbers are the result")]

mod work;

use ossget_core::{PartIndex, PartSet, SLOT_LEN};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::process::Command;
use work::{codec, drive};

/// Parts that every measurement goes through in all.
const ALL_PARTS: u32 = 10_000_000;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, what, count] = &args[..] {
        let count = count.parse().expect("a number of parts");
        let work: fn(u32) = if what == "drive" { drive } else { load };
        let before = cpu_seconds();
        let path = checkpoint_file(count);
        let written = cpu_seconds();
        for _ in 0..ALL_PARTS / count {
            work(count);
        }
        report(what, count, cpu_seconds() - written);
        assert!(before <= written);
        fs::remove_file(path).expect("still there");
        return;
    }
    println!("{:>6} {:>10} {:>9} {:>9} {:>9}", "what", "parts", "CPU s", "ns/part", "MiB");
    for what in ["drive", "load"] {
        for count in ["10000", "100000", "1000000", "10000000"] {
            let itself = std::env::current_exe().expect("a running program has a path");
            let status = Command::new(itself).args([what, count]).status().expect("it starts");
            assert!(status.success());
        }
    }
}

fn report(what: &str, count: u32, seconds: f64) {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|text| text.trim().trim_end_matches(" kB").parse::<f64>().ok());
    let nanos = seconds * 1e9 / f64::from(ALL_PARTS);
    let mib = kib.unwrap_or(f64::NAN) / 1024.0;
    println!("{what:>6} {count:>10} {seconds:>9.2} {nanos:>9.0} {mib:>9.1}");
}

/// CPU time of this process so far.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields = stat.rsplit(") ").next().expect("a process has a name").split(' ');
    let ticks: f64 = fields.skip(11).take(2).map(|n| n.parse::<f64>().expect("a number")).sum();
    ticks / 100.0
}

fn path() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("ossget-scale-{}", std::process::id()))
}

/// Writes the slots of a checkpoint with every part recorded.
fn checkpoint_file(count: u32) -> std::path::PathBuf {
    let codec = codec(count);
    let mut file = std::io::BufWriter::new(File::create(path()).expect("a temporary file"));
    for part in (0..count).map(PartIndex::new) {
        file.write_all(&codec.encode(part, u64::from(part.get()))).expect("room");
    }
    drop(file.into_inner().expect("room"));
    path()
}

/// Loads that checkpoint from the warm file.
fn load(count: u32) {
    let codec = codec(count);
    let mut file = File::open(path()).expect("just written");
    let mut recorded = PartSet::new(count);
    let mut buffer = vec![0; 1 << 20];
    let mut first = 0;
    while first < count {
        let many = (count - first).min((buffer.len() / SLOT_LEN) as u32);
        let piece = &mut buffer[..many as usize * SLOT_LEN];
        file.read_exact(piece).expect("it is that long");
        codec.load(PartIndex::new(first), piece, &mut recorded);
        first += many;
    }
    assert!(recorded.is_full());
}
