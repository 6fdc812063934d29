//! Downloads onto a disk whose power is cut, and what must be found on it afterwards.

use ossget_testkit::Content;
use ossget_tests::{
    Disk, Ended, PowerCut, Remains, Rig, Rng, difference, difference_in, names_in, remains,
    total_len,
};
use std::fmt;
use std::fs::{self, File};
use std::io::Read as _;
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A stored part waits so long to be recorded: objects are too small here for a window to fill.
const COMMIT_WINDOW: Duration = Duration::from_secs(1);
/// How long a sync may take to count as prompt. All disks of a test lie on one.
const DURING_SYNC: Duration = Duration::from_millis(500);
/// A disk that others use, too, may be late with a sync now and then: one cut in so many may cost
/// more than prompt syncs explain. What P3 allows in any case, four windows of 64 MiB, is more than
/// any object here has.
const ONE_LATE_IN: u64 = 10;

/// A disk and a simulator, used for one story after the other.
#[derive(Debug)]
pub(crate) struct Bench {
    disk: Disk,
    rig: Rig,
    rng: Rng,
    serial: u64,
}

/// What came of all cuts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) cuts: u64,
    downloads: u64,
    /// Cuts after which the destination held the object.
    published: u64,
    /// Those among them after which the run had told of success.
    told: u64,
    /// Cuts after which some parts were recorded.
    with_records: u64,
    /// Runs that ended by themselves on the dead disk.
    ended_alone: u64,
    /// Cuts of downloads that lasted longer than four commit windows, before their end.
    measured: u64,
    /// Those among them that cost more than they do where syncs are prompt.
    late: u64,
    /// The most that one of them cost, in thousandths of what comes in during four windows.
    worst: u64,
}

/// One object and where it goes.
#[derive(Debug)]
struct Story {
    dir: PathBuf,
    checkpoints: Option<PathBuf>,
    old: Option<Content>,
    size: u64,
    part: u64,
    parallel: u64,
    length: Length,
    /// What the simulator serves in a second.
    rate: u64,
}

/// How long a download lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    /// A fifth of a second: over before anything is recorded, unless it is interrupted.
    Short,
    /// Longer than four commit windows, so that losing more than P3 allows is possible.
    Long,
}

/// When the power goes.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So long after the start.
    Elapsed(Duration),
    /// So long after the last byte was served.
    LastByte(Duration),
    /// So long after the new file has come to the destination.
    Published(Duration),
    /// After the end of the run.
    End,
}

/// A run whose power was cut.
#[derive(Debug)]
struct CutRun {
    /// When and how.
    when: String,
    /// Whether it told of success.
    told: bool,
    /// Whether it was left to end by itself.
    alone: bool,
    /// What it had asked for by then.
    asked: Vec<Range<u64>>,
    /// Bytes that the simulator had sent by then.
    sent: u64,
}

impl Bench {
    pub(crate) fn new(disk: Disk, rng: Rng) -> Self {
        Self { disk, rig: Rig::new(1, 1), rng, serial: 0 }
    }

    /// One download, cut once or more often until it gets through.
    pub(crate) fn story(&mut self) -> Tally {
        let story = self.draw();
        let mut tally = Tally { downloads: 1, ..Tally::default() };
        if self.rng.one_in(3) {
            self.interrupt(&story);
        }
        let depth = 1 + self.rng.below(3);
        for _ in 0..depth {
            let before = story.remains();
            let moment = self.moment(&story, before.as_ref());
            let cut = match self.rng.below(6) {
                0 => PowerCut::Everything,
                1 => PowerCut::Journal,
                _ => PowerCut::Nothing,
            };
            let run = self.run_and_cut(&story, moment, cut, before.as_ref());
            tally.add(&self.check(&story, before.as_ref(), &run));
            if run.told {
                break;
            }
        }
        self.finish(&story);
        tally
    }

    /// Makes a new object and a folder for it, with or without an older file.
    fn draw(&mut self) -> Story {
        self.serial += 1;
        let rng = &mut self.rng;
        let dir = self.disk.at().join(format!("d{}", self.serial));
        let checkpoints = rng.one_in(4).then(|| self.disk.at().join(format!("c{}", self.serial)));
        let length = if rng.one_in(3) { Length::Long } else { Length::Short };
        let (parts, sizes, lasts) = match length {
            Length::Short => ([100 << 10, 256 << 10, 1 << 20], 1 << 20..6 << 20, 200),
            // What the connections hold in unfinished parts is little beside a window.
            Length::Long => ([100 << 10; 3], 4 << 20..6 << 20, rng.within(5000..7000)),
        };
        let part = parts[rng.below(3) as usize];
        let size = rng.within(sizes);
        let old = rng.one_in(2).then(|| Content::generated(self.serial + 7, rng.below(2 << 20)));
        fs::create_dir(&dir).expect("a folder");
        if let Some(checkpoints) = &checkpoints {
            fs::create_dir(checkpoints).expect("a folder");
        }
        if let Some(old) = &old {
            let path = dir.join("object.bin");
            fs::write(&path, old.window(0..old.size())).expect("a file");
            File::open(&path).and_then(|file| file.sync_all()).expect("a sync");
        }
        for dir in [&dir, self.disk.at()] {
            File::open(dir).and_then(|dir| dir.sync_all()).expect("a sync");
        }
        self.rig.replace(Content::generated(self.serial, size));
        self.rig.move_to(&dir);
        self.rig.sim.clear_requests();
        let parallel = 1 + rng.below(4);
        let rate = size * 1000 / lasts;
        Story { dir, checkpoints, old, size, part, parallel, length, rate }
    }

    fn moment(&mut self, story: &Story, before: Option<&Remains>) -> Moment {
        let kept = before.map_or(0, Remains::bytes);
        let transfer = Duration::from_secs_f64((story.size - kept) as f64 / story.rate as f64);
        let rng = &mut self.rng;
        match rng.below(10) {
            0..5 => Moment::Elapsed(rng.moment(transfer + Duration::from_millis(60))),
            5..8 => Moment::LastByte(rng.moment(Duration::from_millis(16))),
            8 => Moment::Published(rng.moment(Duration::from_millis(2))),
            _ => Moment::End,
        }
    }

    fn command(&mut self, story: &Story) -> Command {
        let (part, parallel) = (story.part.to_string(), story.parallel.to_string());
        // Runs of one story may differ in this.
        let direct = if self.rng.one_in(2) { "on" } else { "off" };
        let mut command = self.rig.command(&["--part-size", &part, "--parallel", &parallel]);
        command.args(["--direct-io", direct]);
        if let Some(checkpoints) = &story.checkpoints {
            command.arg("--checkpoint-dir").arg(checkpoints);
        }
        command
    }

    /// Stops a run by a signal, so that some parts are recorded early.
    fn interrupt(&mut self, story: &Story) {
        self.rig.sim.throttle(story.rate);
        let transfer = Duration::from_secs_f64(story.size as f64 / story.rate as f64);
        let moment = Duration::from_millis(60) + self.rng.moment(transfer);
        let mut run = Run::start(self.command(story));
        run.wait_until(moment);
        let pid = run.child.id().to_string();
        drop(Command::new("kill").args(["-INT", &pid]).stderr(Stdio::null()).status());
        let ended = run.end();
        // A signal that comes before it is caught kills.
        let killed = ended.signal() == Some(libc::SIGINT);
        assert!(killed || matches!(ended.code(), Some(0 | 130)), "{ended:?}");
    }

    /// Runs and cuts the power.
    fn run_and_cut(
        &mut self,
        story: &Story,
        moment: Moment,
        cut: PowerCut,
        before: Option<&Remains>,
    ) -> CutRun {
        self.rig.sim.throttle(story.rate);
        self.rig.sim.clear_requests();
        let missing = story.size - before.map_or(0, Remains::bytes);
        let old = fs::metadata(story.destination()).map(|found| found.ino()).ok();
        let mut run = Run::start(self.command(story));
        match moment {
            Moment::Elapsed(time) => run.wait_until(time),
            Moment::LastByte(time) => {
                run.wait_for(|| self.sent() >= missing);
                let now = run.begun.elapsed();
                run.wait_until(now + time);
            }
            Moment::Published(time) => {
                let new = || fs::metadata(story.destination()).map(|found| found.ino()).ok() != old;
                run.wait_for(new);
                let now = run.begun.elapsed();
                run.wait_until(now + time);
            }
            Moment::End => drop(run.child.wait()),
        }
        // What is asked for later is asked for because the dead disk cannot be read.
        let (asked, sent) = (self.rig.ranges(), self.sent());
        self.disk.cut_power(cut);
        let alone = self.rng.one_in(2);
        if !alone {
            drop(run.child.kill());
        }
        let ended = run.end();
        let expected = ended.signal() == Some(libc::SIGKILL) || matches!(ended.code(), Some(0 | 7));
        assert!(expected, "{ended:?} on a dead disk: {story:?} {moment:?}");
        self.disk.restart();
        let when = format!("{moment:?}, {cut:?}");
        CutRun { when, told: ended.success(), alone, asked, sent }
    }

    /// What must be found after every cut.
    fn check(&self, story: &Story, before: Option<&Remains>, run: &CutRun) -> Tally {
        let what = format!("{story:?}, {}, told of success: {}", run.when, run.told);
        let wrong = difference(&story.destination(), &self.rig.content);
        let published = wrong.is_none();
        let untouched = match &story.old {
            Some(old) => difference(&story.destination(), old).is_none(),
            None => !story.destination().exists(),
        };
        assert!(published || untouched, "{wrong:?}, nor the old file: {what}");
        assert!(published || !run.told, "success was told, and {wrong:?}: {what}");
        story.check_names(&what);
        let found = story.remains();
        if let Some(found) = &found {
            let partial = story.dir.join(&found.header.partial_name);
            let file = if partial.exists() { partial } else { story.destination() };
            for range in found.ranges() {
                let wrong = difference_in(&file, &self.rig.content, range);
                assert_eq!(wrong, None, "recorded, but not on the disk: {what}");
            }
        }
        check_ranges(&run.asked, before, &what);
        let kept = before.map_or(0, Remains::bytes);
        let recorded = found.as_ref().map_or(0, Remains::bytes);
        let mut tally = Tally {
            cuts: 1,
            published: u64::from(published),
            told: u64::from(run.told),
            with_records: u64::from(recorded > 0),
            ended_alone: u64::from(run.alone),
            ..Tally::default()
        };
        if !published {
            assert!(recorded >= kept, "{kept} bytes were recorded, now {recorded}: {what}");
        }
        if !published && story.length == Length::Long {
            let lost = run.sent.saturating_sub(recorded - kept);
            let late = lost > story.brought_in(COMMIT_WINDOW + DURING_SYNC);
            if late {
                println!("{lost} bytes lost: {what}");
            }
            tally.measured = 1;
            tally.late = u64::from(late);
            tally.worst = lost * 1000 / story.brought_in(4 * COMMIT_WINDOW);
        }
        tally
    }

    /// The next run, whose power stays on, fetches what is missing and leaves the object alone.
    fn finish(&mut self, story: &Story) {
        self.rig.sim.unthrottle();
        self.rig.sim.clear_requests();
        let before = story.remains();
        let published = difference(&story.destination(), &self.rig.content).is_none();
        let ended = Ended::from(self.command(story).output().expect("it starts"));
        assert_eq!(ended.code, Some(0), "{ended:?} {story:?}");
        self.rig.assert_downloaded();
        if let Some(checkpoints) = &story.checkpoints {
            assert_eq!(names_in(checkpoints), [""; 0]);
        }
        let missing = story.size - before.as_ref().map_or(0, Remains::bytes);
        let wanted = if published { 0 } else { missing };
        assert_eq!(total_len(&self.rig.ranges()), wanted, "{before:?} {story:?} {ended:?}");
        check_ranges(&self.rig.ranges(), before.as_ref(), "at the end");
        for dir in story.checkpoints.iter().chain([&story.dir]) {
            fs::remove_dir_all(dir).expect("a folder");
        }
    }

    /// Bytes that the simulator has sent since the last run began.
    fn sent(&self) -> u64 {
        let requests = self.rig.sim.requests();
        requests.iter().filter(|request| request.method == "GET").map(|request| request.sent).sum()
    }
}

/// Nothing that was recorded when the run began may be asked for.
fn check_ranges(asked: &[Range<u64>], before: Option<&Remains>, what: &str) {
    let kept = before.map_or_else(Vec::new, Remains::ranges);
    let overlap = |asked: &&Range<u64>| {
        kept.iter().any(|kept| asked.start < kept.end && kept.start < asked.end)
    };
    assert_eq!(asked.iter().find(overlap), None, "was recorded: {kept:?}, {what}");
}

impl Story {
    fn destination(&self) -> PathBuf {
        self.dir.join("object.bin")
    }

    /// What the simulator serves in this time, and the parts that are under way.
    fn brought_in(&self, time: Duration) -> u64 {
        (self.rate as f64 * time.as_secs_f64()) as u64 + self.parallel * self.part
    }

    fn remains(&self) -> Option<Remains> {
        remains(self.checkpoints.as_deref().unwrap_or(&self.dir))
    }

    /// At most one partial file, one checkpoint, one lock, and nothing else.
    fn check_names(&self, what: &str) {
        let mut names = names_in(&self.dir);
        names.retain(|name| name != "object.bin");
        let count = |end: &str| names.iter().filter(|name| name.ends_with(end)).count();
        let (partial, locks) = (count(".part"), count(".ossget"));
        assert!(partial <= 1 && locks <= 1 && partial + locks == names.len(), "{names:?}: {what}");
        let elsewhere = self.checkpoints.as_deref().map_or_else(Vec::new, names_in);
        assert!(elsewhere.len() <= 1, "{elsewhere:?}: {what}");
    }
}

/// A run of the binary.
#[derive(Debug)]
struct Run {
    child: Child,
    begun: Instant,
}

impl Run {
    fn start(mut command: Command) -> Self {
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        Self { child: command.spawn().expect("it starts"), begun: Instant::now() }
    }

    /// Waits until so long after the start, or the end of the run.
    fn wait_until(&mut self, time: Duration) {
        self.wait_for_or(|| false, Some(time));
    }

    /// Waits for something to be so, or the end of the run.
    fn wait_for(&mut self, so: impl Fn() -> bool) {
        self.wait_for_or(so, None);
    }

    fn wait_for_or(&mut self, so: impl Fn() -> bool, time: Option<Duration>) {
        while !so() && self.child.try_wait().expect("a child").is_none() {
            let left = time.map(|time| time.saturating_sub(self.begun.elapsed()));
            match left {
                Some(Duration::ZERO) => return,
                Some(left) => sleep(left.min(Duration::from_millis(5))),
                None => sleep(Duration::from_micros(300)),
            }
        }
    }

    /// Waits for the end.
    fn end(mut self) -> ExitStatus {
        let mut said = String::new();
        let pipe = self.child.stderr.as_mut().expect("a pipe");
        pipe.read_to_string(&mut said).expect("text");
        assert!(!said.contains("panicked"), "{said}");
        self.child.wait().expect("a child")
    }
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.cuts += other.cuts;
        self.downloads += other.downloads;
        self.published += other.published;
        self.told += other.told;
        self.with_records += other.with_records;
        self.ended_alone += other.ended_alone;
        self.measured += other.measured;
        self.late += other.late;
        self.worst = self.worst.max(other.worst);
    }

    /// Asserts that the cuts met all that they are there to meet, and cost what they may. A few
    /// cuts may meet less by chance.
    pub(crate) fn assert_telling(&self) {
        for (what, count) in [
            ("found the object at the destination", self.published),
            ("came after success was told", self.told),
            ("found parts recorded", self.with_records),
            ("left the run to end by itself", self.ended_alone),
            ("came within a download of several commit windows", self.measured),
        ] {
            assert!(count >= self.cuts / 40, "{count} of {} cuts {what}", self.cuts);
        }
        let late = self.late;
        assert!(late <= 2 + self.measured / ONE_LATE_IN, "{late} of {} were late", self.measured);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} cuts in {} downloads, none lost or wrong; after {} the object was at the \
             destination, {} of them after success was told; after {} parts were recorded; {} runs \
             ended by themselves on the dead disk; {} cuts came within a download of several commit \
             windows, {} of them cost more than prompt syncs explain, the worst {}.{} % of what \
             comes in during four",
            self.cuts,
            self.downloads,
            self.published,
            self.told,
            self.with_records,
            self.ended_alone,
            self.measured,
            self.late,
            self.worst / 10,
            self.worst % 10,
        )
    }
}
