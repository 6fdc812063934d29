//! What durability costs: `cargo bench -p ossget --bench durability -- DIR [PAIRS] [MIB]`
//!
//! `DIR` must lie on the disk in question, with room for twice the object. Tables of interleaved
//! rounds with the median ratio and its bootstrap 90 % interval:
//!
//! - the wall time of a download with full durability beside one without any, from a simulator in
//!   the same process: as fast as that can send, and over a link of 10 Gbit/s. In the same rounds
//!   the time that writing and syncing so many bytes from memory takes: what comes in faster than
//!   that cannot be durable any sooner;
//! - the rate at which a resumed run reads kept parts back beside that of `cat FILE >/dev/null`,
//!   both with cold caches (dropped through `/proc`, which takes root), and how long after its
//!   start the resumed run sends its first GET.

#![allow(clippy::print_stdout, reason = "the numbers are the result")]

use ossget::{
    Client, Credentials, Download, DownloadEvent, Durability, Object, Parallel, StaticCredentials,
};
use ossget_fs::{FileSystem as _, NativeFileSystem, Place, PublishMode, Syncing};
use ossget_testkit::{Content, Fault, On, Simulator};
use std::fs::{self, File};
use std::future::IntoFuture as _;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

const BUCKET: &str = "examplebucket";
const KEY: &str = "object.bin";
const CONNECTIONS: u32 = 8;
/// In turn, so that what one way leaves behind (a disk that still writes) is borne by full durability
/// and by none as often.
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
const LINK_BYTES_PER_SECOND: u64 = 1_250_000_000;
/// Written at once, as chunks of a body are.
const CHUNK: usize = 256 << 10;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let number = |at: usize, default| {
        args.get(at).map_or(default, |text| text.parse().expect("PAIRS and MIB are numbers"))
    };
    let dir = PathBuf::from(args.first().expect("usage: durability DIR [PAIRS] [MIB]"));
    let (pairs, size) = (number(1, 30), number(2, 4096) << 20);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let bench = Bench::new(dir, size).await;
        bench.cost(pairs, 3).await;
        bench.sim.throttle(LINK_BYTES_PER_SECOND);
        println!("over a link of 10 Gbit/s:");
        bench.cost(pairs, 2).await;
        bench.sim.unthrottle();
        bench.rehash(pairs).await;
    });
}

struct Bench {
    sim: Simulator,
    begun: Instant,
    client: Client,
    size: u64,
    path: PathBuf,
}

impl Bench {
    async fn new(dir: PathBuf, size: u64) -> Self {
        let begun = Instant::now();
        let sim = Simulator::builder().bucket(BUCKET).credentials("id", "secret").start().await;
        sim.put_object(KEY, Content::generated(1, size));
        let credentials = StaticCredentials::new(Credentials::new("id", "secret").expect("legal"));
        let client = Client::builder(sim.endpoint(), credentials).region("cn-hangzhou").build();
        let client = client.expect("a legal endpoint");
        let path = dir.join("object.bin");
        Self { sim, begun, client, size, path }
    }

    fn download(&self) -> Download {
        let parallel = Parallel::Fixed(NonZeroU32::new(CONNECTIONS).expect("not zero"));
        self.client
            .download(Object::new(BUCKET, KEY).expect("legal"), &self.path)
            .parallel(parallel)
    }

    /// Full durability beside none and, of three ways, beside the disk alone. What a run leaves to
    /// be written is written between the runs, not at the cost of the next.
    async fn cost(&self, rounds: u64, ways: usize) {
        let (mut none, mut disk) = (Vec::new(), Vec::new());
        for (round, order) in (0..=rounds).zip(ORDERS.iter().cycle()) {
            let mut seconds = [0.0; 3];
            for &which in order.iter().filter(|which| **which < ways) {
                settle();
                let begun = Instant::now();
                match which {
                    0 => self.fetch(Durability::Full).await,
                    1 => self.fetch(Durability::None).await,
                    _ => self.write_from_memory(),
                }
                seconds[which] = begun.elapsed().as_secs_f64();
                fs::remove_file(&self.path).expect("it was published");
            }
            // The first round warms up.
            if round > 0 {
                let [full, without, alone] = seconds;
                println!("full {full:6.2} s   none {without:6.2} s   disk alone {alone:6.2} s");
                none.push(full / without);
                disk.push(full / alone);
            }
        }
        report("wall time, full durability / none", none);
        if ways == 3 {
            report("wall time, full durability / disk alone", disk);
        }
    }

    async fn fetch(&self, durability: Durability) {
        self.download().durability(durability).await.expect("a healthy service");
    }

    /// Writes and publishes a file of the same size as a download would, without a network.
    fn write_from_memory(&self) {
        let place = Place::new(&self.path);
        let lock = NativeFileSystem::default().lock(&place, Syncing::Full).expect("a free place");
        let name = lock.partial_name("abcdefgh234567ij");
        let partial = lock.create_partial(&name, self.size).expect("room");
        let bytes = vec![0x5a; 8 << 20];
        for at in (0..self.size).step_by(bytes.len()) {
            let len = self.size.saturating_sub(at).min(bytes.len() as u64);
            let piece = &bytes[..usize::try_from(len).expect("8 MiB at most")];
            for (i, chunk) in piece.chunks(CHUNK).enumerate() {
                let offset = at + (i * CHUNK) as u64;
                partial.write_all_at(chunk, offset).expect("a healthy disk");
            }
            partial.start_writeback(at, len);
        }
        partial.sync_data().expect("a healthy disk");
        lock.publish(partial.as_ref(), &name, PublishMode::Replace).expect("a healthy disk");
    }

    /// Reading kept parts back beside reading the file.
    async fn rehash(&self, pairs: u64) {
        self.leave_most_of_it().await;
        let mut ratios = Vec::new();
        let mut first_get = Vec::new();
        for pair in 0..=pairs {
            let mut rates = [0.0; 2];
            for turn in 0..2 {
                let which = (pair + turn) % 2;
                settle();
                if which == 0 {
                    let (rate, delay) = self.resume().await;
                    rates[0] = rate;
                    first_get.push(delay);
                } else {
                    rates[1] = cat(&partial_beside(&self.path));
                }
            }
            if pair > 0 {
                println!("re-hash {:6.0} MiB/s   cat {:6.0} MiB/s", rates[0], rates[1]);
                ratios.push(rates[0] / rates[1]);
            }
        }
        report("rate, re-hash on resume / cat", ratios);
        first_get.sort_by(f64::total_cmp);
        println!(
            "first GET after {:.0} ms in the median, {:.0} ms at most, re-hash running",
            first_get[first_get.len() / 2] * 1e3,
            first_get.last().expect("there were runs") * 1e3
        );
    }

    /// An interrupted run that keeps all but the end.
    async fn leave_most_of_it(&self) {
        let late = self.size - self.size / 8;
        let denied = Fault::status(403, "AccessDenied");
        self.sim.fault(On::get().range_start(move |start| start >= late).always(), denied);
        self.download().await.expect_err("the end is denied");
        self.sim.clear_faults();
        self.sim.fault(On::get().always(), Fault::StallBeforeHead);
    }

    /// Resumes until everything kept has been read back: MiB/s, and seconds until the first GET.
    async fn resume(&self) -> (f64, f64) {
        self.sim.clear_requests();
        let (tell, mut told) = mpsc::unbounded_channel();
        let begun = Instant::now();
        let download = self.download().on_event(move |event| {
            if let DownloadEvent::Progress(progress) = event
                && progress.kept() > 0
                && progress.unchecked() == 0
            {
                let _nobody_listens = tell.send((progress.kept(), begun.elapsed()));
            }
        });
        let handle = download.handle();
        let run = tokio::spawn(download.into_future());
        let (kept, time) = told.recv().await.expect("the download runs");
        handle.cancel();
        drop(run.await);
        let gets = self.sim.requests().into_iter().filter(|request| request.method == "GET");
        let first = gets.map(|get| get.at_ms).min().expect("something was asked for");
        let asked = Duration::from_millis(first).saturating_sub(begun - self.begun);
        (kept as f64 / f64::from(1 << 20) / time.as_secs_f64(), asked.as_secs_f64())
    }
}

/// MiB/s of `cat FILE >/dev/null`.
fn cat(path: &Path) -> f64 {
    let size = fs::metadata(path).expect("it is there").len();
    let null = File::options().write(true).open("/dev/null").expect("there is one");
    let begun = Instant::now();
    let status = Command::new("cat").arg(path).stdout(Stdio::from(null)).status().expect("cat");
    assert!(status.success());
    size as f64 / f64::from(1 << 20) / begun.elapsed().as_secs_f64()
}

fn partial_beside(path: &Path) -> PathBuf {
    let dir = fs::read_dir(path.parent().expect("a folder")).expect("a folder");
    let mut names = dir.map(|entry| entry.expect("a name").path());
    names.find(|path| path.extension().is_some_and(|end| end == "part")).expect("a partial file")
}

/// Writes out what is dirty and drops what is cached.
fn settle() {
    assert!(Command::new("sync").status().expect("sync").success());
    fs::write("/proc/sys/vm/drop_caches", "3").expect("dropping caches takes root");
}

/// The median and its bootstrap 90 % interval.
fn report(what: &str, mut ratios: Vec<f64>) {
    let mut state = 1_u64;
    let mut draw = |bound: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("31 bits") % bound
    };
    let mut medians: Vec<f64> = (0..10_000)
        .map(|_| {
            let mut drawn: Vec<_> = (0..ratios.len()).map(|_| ratios[draw(ratios.len())]).collect();
            median(&mut drawn)
        })
        .collect();
    medians.sort_by(f64::total_cmp);
    let (low, high) =
        (medians[medians.len() / 20], medians[medians.len() - medians.len() / 20 - 1]);
    let middle = median(&mut ratios);
    println!("{what}: median {middle:.3}, 90 % interval {low:.3} to {high:.3}, n {}", ratios.len());
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
