//! Running a download with a fault at its n-th system call, for all n.

use ossget_testkit::{Content, Fault as Answer, On};
use ossget_tests::{
    Call, Disk, Ended, Format, PowerCut, Rig, Rng, Verdict, can_trace, difference, difference_in,
    names_in, remains, skipped, trace,
};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::process::{Command, Output};

pub(crate) const PART: u64 = 100 << 10;
/// Twelve parts, the last one short.
const SIZE: u64 = 12 * PART - 1234;
/// Through the page cache, whose early write-back is a call of its own.
const ARGS: &[&str] = &["--part-size", "100KiB", "--parallel", "2", "--direct-io", "off"];

/// What is there when the run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scene {
    /// An older file at the destination.
    Fresh,
    /// Half a download, its checkpoint in another directory.
    Resumed,
    /// The object and a checkpoint that nobody has removed yet.
    Published,
}

/// What happens at the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Kill,
    /// The power goes before the call, and the process dies with it.
    PowerCut,
    /// It fails with this error number.
    Error(i32),
}

impl Scene {
    /// The kinds of calls that its run cannot do without.
    fn expected(self) -> impl Iterator<Item = &'static str> {
        let more: &[&[&str]] = match self {
            Self::Fresh => &[FETCHING, MAKING],
            Self::Resumed => &[FETCHING, READING_BACK],
            Self::Published => &[EXAMINING],
        };
        ALWAYS.iter().chain(more.iter().copied().flatten()).copied()
    }
}

impl Fault {
    pub(crate) const EIO: Self = Self::Error(libc::EIO);
    pub(crate) const ENOSPC: Self = Self::Error(libc::ENOSPC);

    /// Whether the fault makes a difference at calls of this kind.
    fn matters_at(self, kind: &str) -> bool {
        let call = kind.split(' ').next();
        self != Self::PowerCut || call.is_some_and(|call| WRITING.contains(&call))
    }
}

/// Calls without which a run can do, each on its file: hints, looking at files, reading back what
/// can be fetched again, and the removal of a checkpoint after success.
const DISPENSABLE: &[&str] = &[
    "fadvise64 destination",
    "fadvise64 partial file",
    "sync_file_range partial file",
    "statx checkpoint",
    "statx destination",
    "statx directory",
    "pread64 destination",
    "pread64 partial file",
    "openat2 checkpoint",
    "openat2 destination",
    "unlinkat checkpoint",
];

/// What a run calls that finds its lock and the destination free, whatever is there.
const ALWAYS: &[&str] = &[
    "flock checkpoint",
    "fsync directory",
    "openat2 checkpoint",
    "openat2 destination",
    "pread64 checkpoint",
    "statx checkpoint",
    "statx destination",
    "unlinkat checkpoint",
];

/// What a run calls that fetches something, too.
const FETCHING: &[&str] = &[
    "fchmod partial file",
    "fdatasync checkpoint",
    "fdatasync partial file",
    "fsync partial file",
    "openat2 partial file",
    "pwrite64 checkpoint",
    "pwrite64 partial file",
    "renameat partial file",
    "statx partial file",
    "sync_file_range partial file",
];

/// What one calls that makes its files, too.
const MAKING: &[&str] =
    &["fallocate checkpoint", "fallocate partial file", "fsync checkpoint", "ftruncate checkpoint"];

/// What one calls that reads back what an earlier one has left in the partial file.
const READING_BACK: &[&str] = &["fadvise64 partial file", "pread64 partial file"];

/// What one calls that finds its object at the destination.
const EXAMINING: &[&str] =
    &["fadvise64 destination", "fsync destination", "pread64 destination", "unlinkat partial file"];

/// Calls that change what is on the disk, or when.
const WRITING: &[&str] = &[
    "pwrite64",
    "fsync",
    "fdatasync",
    "sync_file_range",
    "fallocate",
    "ftruncate",
    "fchmod",
    "openat2",
    "renameat",
    "unlinkat",
];

/// A scene on a rig.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) rig: Rig,
    scene: Scene,
    old: Content,
    /// What the folder lies on, if its power can be cut.
    disk: Option<Disk>,
}

impl Stage {
    pub(crate) fn new(scene: Scene) -> Self {
        Self { rig: Rig::new(1, SIZE), scene, old: Content::generated(2, PART + 1), disk: None }
    }

    /// One on a disk whose power can be cut.
    fn on_disk(scene: Scene) -> Result<Self, String> {
        let disk = Disk::new(Format::Ext4("data=writeback,noauto_da_alloc"))?;
        let mut stage = Self::new(scene);
        let dir = disk.at().join("d");
        fs::create_dir(&dir).expect("a folder");
        stage.rig.move_to(dir);
        stage.disk = Some(disk);
        Ok(stage)
    }

    /// Makes the folder what it is when the run begins.
    pub(crate) fn set(&self) {
        for dir in [self.rig.dir().to_owned(), self.checkpoint_dir()] {
            for name in names_in(&dir).into_iter().filter(|name| name != "cp") {
                fs::remove_file(dir.join(name)).expect("a file");
            }
        }
        fs::write(self.rig.destination(), self.old.window(0..self.old.size())).expect("a file");
        match self.scene {
            Scene::Fresh => {}
            Scene::Resumed => {
                self.rig.sim.fault(On::get().nth(7).always(), Answer::status(403, "AccessDenied"));
                let ended = Ended::from(self.command().output().expect("it starts"));
                assert_eq!(ended.code, Some(3), "{ended:?}");
                self.rig.sim.clear_faults();
                assert!(self.recorded_bytes() > 0, "nothing is recorded: {ended:?}");
            }
            Scene::Published => {
                let last = |call: &Call| match call.name {
                    "unlinkat" => Verdict::Kill,
                    _ => Verdict::Go,
                };
                assert_eq!(self.traced(last).status.signal(), Some(libc::SIGKILL));
                assert_eq!(names_in(self.rig.dir()).len(), 3);
            }
        }
        if self.disk.is_some() {
            // So that a power cut brings back nothing from before the run.
            assert!(
                Command::new("sync")
                    .arg("-f")
                    .arg(self.rig.dir())
                    .status()
                    .is_ok_and(|it| it.success())
            );
        }
    }

    /// Brings the fault about before a call.
    fn strike(&self, fault: Fault) -> Verdict {
        match fault {
            Fault::Kill => Verdict::Kill,
            Fault::PowerCut => {
                self.disk.as_ref().expect("a disk").cut_power(PowerCut::Nothing);
                Verdict::Kill
            }
            Fault::Error(number) => Verdict::Fail(number),
        }
    }

    fn checkpoint_dir(&self) -> PathBuf {
        let dir = self.rig.dir().join("cp");
        fs::create_dir_all(&dir).expect("a folder");
        dir
    }

    /// What the checkpoint says is in the partial file.
    pub(crate) fn recorded_bytes(&self) -> u64 {
        let elsewhere = self.scene == Scene::Resumed;
        let dir = if elsewhere { self.checkpoint_dir() } else { self.rig.dir().to_owned() };
        remains(&dir).map_or(0, |left| left.bytes())
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = self.rig.command(ARGS);
        if self.scene == Scene::Resumed {
            command.arg("--checkpoint-dir").arg(self.checkpoint_dir());
        }
        command
    }

    pub(crate) fn traced(&self, decide: impl FnMut(&Call) -> Verdict) -> Output {
        trace(self.command(), &[self.rig.dir()], decide)
    }

    /// Whether the destination holds the object; it may hold nothing else but the old file.
    pub(crate) fn is_published(&self) -> bool {
        let wrong = difference(&self.rig.destination(), &self.rig.content);
        let different = difference(&self.rig.destination(), &self.old);
        assert!(wrong.is_none() || different.is_none(), "{wrong:?}, nor the old: {different:?}");
        wrong.is_none()
    }

    /// At most one partial file and one checkpoint lie beside the destination, and what the
    /// checkpoint says is so.
    pub(crate) fn check_remains(&self) {
        let (dir, checkpoints) = (self.rig.dir(), self.checkpoint_dir());
        let count = |end: &str| names_in(dir).iter().filter(|name| name.ends_with(end)).count();
        assert!(count(".part") <= 1 && count(".ossget") <= 1, "{:?}", names_in(dir));
        let others = names_in(dir).len() - count(".part") - count(".ossget");
        assert_eq!(others, 2, "{:?}", names_in(dir));
        let elsewhere = self.scene == Scene::Resumed;
        let Some(left) = remains(if elsewhere { &checkpoints } else { dir }) else { return };
        let partial = dir.join(&left.header.partial_name);
        let file = if partial.exists() { partial } else { self.rig.destination() };
        for range in left.ranges() {
            let wrong = difference_in(&file, &self.rig.content, range);
            assert_eq!(wrong, None, "recorded, but not so");
        }
    }

    /// The kinds of calls that a run makes when nothing happens to it, and how many of each.
    fn kinds(&self) -> BTreeMap<String, u32> {
        self.set();
        let mut kinds = BTreeMap::new();
        let output = self.traced(|call| {
            *kinds.entry(call.to_string()).or_insert(0) += 1;
            Verdict::Go
        });
        assert!(output.status.success(), "{output:?}");
        kinds
    }

    /// Runs with the fault at a call of a kind and checks what comes of it; whether there was
    /// such a call.
    fn is_hit(&self, kind: &str, at: u32, fault: Fault) -> bool {
        self.set();
        let (mut seen, mut recorded_after) = (0, false);
        let output = self.traced(|call| {
            recorded_after |= seen >= at && call.is("pwrite64", "checkpoint");
            if call.to_string() != kind {
                return Verdict::Go;
            }
            seen += 1;
            if seen == at { self.strike(fault) } else { Verdict::Go }
        });
        if let (Fault::PowerCut, Some(disk)) = (fault, &self.disk) {
            disk.restart();
        }
        let replay = || format!("{:?}, {fault:?} at call {at} of `{kind}`", self.scene);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            if seen >= at {
                let failed_sync = kind == "fdatasync partial file";
                assert!(!failed_sync || !recorded_after, "recorded after a failed sync");
                self.check(fault, kind, output);
            } else {
                assert!(output.status.success(), "{output:?}");
            }
            self.finish();
        }));
        if let Err(panic) = outcome {
            println!("{}", replay());
            resume_unwind(panic);
        }
        seen >= at
    }

    /// What may be seen right after the fault.
    fn check(&self, fault: Fault, kind: &str, output: Output) {
        self.check_remains();
        let published = self.is_published();
        if output.status.signal() == Some(libc::SIGKILL) && !matches!(fault, Fault::Error(_)) {
            return;
        }
        // Success may have been told while a last thread was still at its calls.
        let ended = Ended::from(output);
        match ended.code {
            Some(0) => {
                assert!(published, "success without the object");
                assert!(DISPENSABLE.contains(&kind), "{ended:?}");
            }
            code => assert_eq!(code, Some(7), "{ended:?}"),
        }
    }

    /// The next run, to which nothing happens, ends well and leaves nothing.
    pub(crate) fn finish(&self) {
        let ended = Ended::from(self.command().output().expect("it starts"));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(self.is_published(), "not published");
        assert_eq!(names_in(self.rig.dir()), ["cp", "object.bin"]);
        assert_eq!(names_in(&self.checkpoint_dir()), [""; 0]);
    }
}

/// Runs the scene with the fault at the first call of each kind, then at the second, and so on
/// until a run ends before its fault; or at some of them, and at least one of each kind.
pub(crate) fn every_call(scene: Scene, fault: Fault) {
    if !can_trace() {
        return skipped("processes cannot be traced here");
    }
    let mut choice = Choice::of_environment();
    let stage = match fault {
        Fault::PowerCut => match Stage::on_disk(scene) {
            Ok(stage) => stage,
            Err(why) => return skipped(&why),
        },
        _ => Stage::new(scene),
    };
    let mut table = String::new();
    let kinds = stage.kinds();
    for kind in scene.expected() {
        assert!(kinds.contains_key(kind), "{scene:?} makes no call of `{kind}`: {kinds:?}");
    }
    for (kind, most) in kinds.into_iter().filter(|(kind, _)| fault.matters_at(kind)) {
        let sure = choice.one_of(most);
        let (mut hits, mut reached) = (0, 0);
        for at in 1.. {
            if at != sure && !choice.takes_one() {
                if at > most {
                    break;
                }
                continue;
            }
            if !stage.is_hit(&kind, at, fault) {
                break;
            }
            (hits, reached) = (hits + 1, at);
        }
        // How many calls there are differs from run to run; there is a first one in all of them.
        if hits == 0 && scene.expected().any(|expected| expected == kind) {
            assert!(stage.is_hit(&kind, 1, fault), "{scene:?}: no call of `{kind}` was hit");
            (hits, reached) = (1, 1);
        }
        writeln!(table, "  {hits:3} hit, {reached:3} the last, {kind}").expect("a string");
    }
    println!("{scene:?}, {fault:?}: calls of each kind\n{table}");
}

/// Which calls are taken.
struct Choice {
    rng: Rng,
    one_in: u64,
}

impl Choice {
    fn of_environment() -> Self {
        let all = std::env::var("OSSGET_INJECT").is_ok_and(|which| which == "all");
        let seed = std::env::var("OSSGET_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
        if !all {
            println!("OSSGET_SEED={seed}");
        }
        Self { rng: Rng::new(seed), one_in: if all { 1 } else { 12 } }
    }

    /// The call that is taken in any case, of so many.
    fn one_of(&mut self, most: u32) -> u32 {
        1 + u32::try_from(self.rng.below(u64::from(most))).expect("a small number")
    }

    fn takes_one(&mut self) -> bool {
        self.rng.one_in(self.one_in)
    }
}
