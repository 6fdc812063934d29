//! A mounted disk, a simulator, and one download after the other from here to there.

use super::disk::FaultyDisk;
use super::fault::Fault;
use super::model::Tearing;
use super::mount::Mount;
use super::run::{Ending, Survivor, run_until_cut};
use ossget_testkit::{Content, Fault as Answer, On};
use ossget_tests::{Ended, Remains, Rig, Rng, difference, difference_in, names_in, remains};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// One object and where it goes.
#[derive(Clone, Debug)]
pub(crate) struct Download {
    pub(crate) size: u64,
    pub(crate) part: u64,
    pub(crate) parallel: u64,
    /// What lies at the destination before.
    pub(crate) old: Option<Content>,
    pub(crate) site: Site,
}

/// Where the checkpoint lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Site {
    Beside,
    Elsewhere,
}

impl Default for Download {
    /// Twelve parts, the last one short, and an older file.
    fn default() -> Self {
        let old = Some(Content::generated(2, (100 << 10) + 1));
        Self {
            size: 12 * (100 << 10) - 1234,
            part: 100 << 10,
            parallel: 2,
            old,
            site: Site::Beside,
        }
    }
}

/// A mounted disk, a simulator, and a download.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) rig: Rig,
    pub(crate) download: Download,
    mount: Mount,
    serial: u64,
}

impl Scene {
    /// With an empty disk.
    ///
    /// # Errors
    ///
    /// Why this machine cannot mount it.
    pub(crate) fn new() -> Result<Self, String> {
        let mount = Mount::new()?;
        Ok(Self { rig: Rig::new(1, 1), download: Download::default(), mount, serial: 0 })
    }

    pub(crate) fn disk(&self) -> &FaultyDisk {
        self.mount.disk()
    }

    /// Begins anew with a new object, a folder and what lies in it, all of it durable.
    pub(crate) fn set(&mut self, download: Download) {
        self.serial += 1;
        self.disk().heal();
        self.disk().wipe();
        let dir = self.mount.at().join("d");
        for dir in [&dir, &self.checkpoint_dir()] {
            fs::create_dir(dir).expect("a folder");
        }
        self.rig.move_to(&dir);
        if let Some(old) = &download.old {
            fs::write(self.rig.destination(), old.window(0..old.size())).expect("a file");
        }
        self.disk().settle();
        self.rig.replace(Content::generated(100 + self.serial, download.size));
        self.rig.sim.unthrottle();
        self.rig.sim.clear_requests();
        self.download = download;
    }

    /// Downloads part of it and stops for a reason that has nothing to do with the disk.
    pub(crate) fn half(&self) -> Option<Remains> {
        let forbidden = On::get().covering(self.download.size * 3 / 4).always();
        self.rig.sim.fault(forbidden, Answer::status(403, "AccessDenied"));
        let ended = self.run();
        assert_eq!(ended.code, Some(3), "{ended:?}");
        self.rig.sim.clear_faults();
        self.rig.sim.clear_requests();
        self.remains()
    }

    pub(crate) fn command(&self) -> Command {
        let (part, parallel) = (self.download.part.to_string(), self.download.parallel.to_string());
        let mut command = self.rig.command(&["--part-size", &part, "--parallel", &parallel]);
        if self.download.site == Site::Elsewhere {
            command.arg("--checkpoint-dir").arg(self.checkpoint_dir());
        }
        command
    }

    pub(crate) fn run(&self) -> Ended {
        self.command().output().expect("it starts").into()
    }

    /// Runs while this goes wrong; how it ended, and the faults with their hits.
    pub(crate) fn run_with(&self, faults: Vec<Fault>) -> (Ended, Vec<Fault>) {
        match self.run_until_cut(faults, Survivor::LeftAlone) {
            (Ending::Alone(ended), faults) => (ended, faults),
            (Ending::Killed, _) => panic!("killed by somebody else"),
        }
    }

    pub(crate) fn run_until_cut(
        &self,
        faults: Vec<Fault>,
        survivor: Survivor,
    ) -> (Ending, Vec<Fault>) {
        self.disk().set_faults(faults);
        let ending = run_until_cut(self.command(), self.disk(), survivor);
        (ending, self.disk().heal())
    }

    /// Cuts the power, if it is not cut yet, and restores it.
    pub(crate) fn cut_power(&self, rng: &mut Rng, tearing: Tearing) {
        self.disk().cut_power();
        self.disk().restart(rng, tearing);
    }

    /// Whether the destination holds the object; it may hold nothing else but what was there.
    pub(crate) fn is_published(&self, what: &str) -> bool {
        let wrong = difference(&self.rig.destination(), &self.rig.content);
        let untouched = match &self.download.old {
            Some(old) => difference(&self.rig.destination(), old).is_none(),
            None => !self.rig.destination().exists(),
        };
        assert!(wrong.is_none() || untouched, "{wrong:?}, nor what was there: {what}");
        wrong.is_none()
    }

    pub(crate) fn remains(&self) -> Option<Remains> {
        match self.download.site {
            Site::Beside => remains(self.rig.dir()),
            Site::Elsewhere => remains(&self.checkpoint_dir()),
        }
    }

    /// At most one partial file, one checkpoint, one lock, and nothing else.
    pub(crate) fn check_names(&self, what: &str) {
        let mut names = self.rig.files();
        names.retain(|name| name != "object.bin");
        let count = |end: &str| names.iter().filter(|name| name.ends_with(end)).count();
        let (partial, locks) = (count(".part"), count(".ossget"));
        assert!(partial <= 1 && locks <= 1 && partial + locks == names.len(), "{names:?}: {what}");
        let elsewhere = names_in(&self.checkpoint_dir());
        assert!(elsewhere.len() <= 1, "{elsewhere:?}: {what}");
    }

    /// What is recorded is on the disk.
    pub(crate) fn check_records(&self, what: &str) {
        let Some(left) = self.remains() else { return };
        let partial = self.rig.dir().join(&left.header.partial_name);
        let file = if partial.exists() { partial } else { self.rig.destination() };
        for range in left.ranges() {
            let wrong = difference_in(&file, &self.rig.content, range);
            assert_eq!(wrong, None, "recorded, but not on the disk: {what}");
        }
    }

    /// The next run, to which nothing happens, ends well, leaves nothing beside the object, and
    /// what it has told stays true without power. Returns what it said.
    pub(crate) fn finish(&self, rng: &mut Rng, what: &str) -> Ended {
        self.rig.sim.unthrottle();
        self.rig.sim.clear_requests();
        let ended = self.run();
        assert_eq!(ended.code, Some(0), "{ended:?}: {what}");
        self.check_finished(what);
        self.cut_power(rng, Tearing::OrGarbage);
        assert!(self.is_published(what), "success did not outlive a power cut: {what}");
        self.check_names(what);
        ended
    }

    fn check_finished(&self, what: &str) {
        assert!(self.is_published(what), "success without the object: {what}");
        assert_eq!(self.rig.files(), ["object.bin"], "{what}");
        assert_eq!(names_in(&self.checkpoint_dir()), [""; 0], "{what}");
    }

    fn checkpoint_dir(&self) -> PathBuf {
        self.mount.at().join("c")
    }

    /// Bytes that the simulator has sent since the requests were last cleared.
    pub(crate) fn sent(&self) -> u64 {
        let requests = self.rig.sim.requests();
        requests.iter().filter(|request| request.method == "GET").map(|request| request.sent).sum()
    }
}
