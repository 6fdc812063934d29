//! Random stories: a download, trouble in one or more of its runs, and a last run without any.

use super::model::Tearing;
use super::run::{Ending, Survivor};
use super::scene::{Download, Scene, Site};
use super::trouble::Trouble;
use ossget_testkit::Content;
use ossget_tests::{Remains, Rng, total_len};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

/// What came of all stories.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    stories: u64,
    runs: u64,
    cuts: u64,
    /// Those of them that came in the midst of a run.
    midway: u64,
    /// Those of them that left garbage in torn sectors.
    torn: u64,
    /// Cuts after which the destination held the object.
    published: u64,
    /// Runs that told of success and whose power was cut right after that.
    told: u64,
    /// Cuts after which some parts were recorded.
    with_records: u64,
    /// Operations that were struck, and runs they were struck in.
    hits: BTreeMap<Trouble, (u64, u64)>,
    /// The most that one run cost, in thousandths of what P3 allows for it.
    worst: u64,
}

/// How far what is recorded can be relied on, which depends on what has happened to the disk.
#[derive(Clone, Copy, Debug)]
struct Trust {
    /// Every valid slot is durable, since the power was cut after the last of them was written.
    slots_durable: bool,
    /// What is recorded is so.
    records_true: bool,
    /// The checkpoint's own syncs have told the truth.
    checkpoint_sound: bool,
    /// What is recorded is no older than the destination: a run without locks leaves alone what
    /// another has recorded, and that may be gone on with later though the object is there.
    records_current: bool,
}

/// A run that something happened to.
#[derive(Debug)]
struct Struck {
    trouble: Trouble,
    told: bool,
    cut: Option<Tearing>,
    /// Whether all slots were durable when it began.
    from_durable: bool,
    /// Whether it had a reason to fetch again what was recorded.
    refetches: bool,
    asked: Vec<Range<u64>>,
    sent: u64,
}

impl Struck {
    /// Whether it may have taken back what was recorded, or not recorded anything.
    fn refetches_for_good(&self) -> bool {
        matches!(self.trouble, Trouble::DataRead | Trouble::NoLocks)
    }
}

/// One story after the other on one disk.
#[derive(Debug)]
struct Teller<'a> {
    scene: &'a mut Scene,
    rng: Rng,
    /// What the simulator serves in a second.
    rate: u64,
    trust: Trust,
    tally: Tally,
    so_far: String,
}

/// Tells the story of a seed.
pub(crate) fn tell(scene: &mut Scene, seed: u64) -> Tally {
    let mut rng = Rng::new(seed);
    // The first numbers of neighbouring seeds are neighbours, too.
    for _ in 0..8 {
        rng.below(2);
    }
    let trust = Trust {
        slots_durable: true,
        records_true: true,
        checkpoint_sound: true,
        records_current: true,
    };
    let tally = Tally { stories: 1, ..Tally::default() };
    let so_far = format!("OSSGET_SEED={seed} OSSGET_FUSE_RUNS=1");
    let mut teller = Teller { scene, rng, rate: 0, trust, tally, so_far };
    teller.tell(Trouble::of(seed));
    teller.tally
}

impl Teller<'_> {
    fn tell(&mut self, first: Trouble) {
        self.begin(first);
        if first.needs_remains() || self.rng.one_in(3) {
            self.scene.half();
        }
        let depth = 1 + self.rng.below(3);
        let mut trouble = first;
        for _ in 0..depth {
            let before = self.scene.remains();
            let struck = self.run(trouble, before.as_ref());
            self.check(before.as_ref(), &struck);
            if struck.told {
                break;
            }
            trouble = Trouble::next(&mut self.rng);
        }
        self.finish();
    }

    fn begin(&mut self, first: Trouble) {
        let rng = &mut self.rng;
        let part = [100 << 10, 256 << 10][rng.below(2) as usize];
        let size = rng.within(400 << 10..2 << 20);
        let old = rng.one_in(2).then(|| Content::generated(7, rng.below(600 << 10)));
        let site = if rng.one_in(4) { Site::Elsewhere } else { Site::Beside };
        // Most runs last a sixth of a second, the others longer than what one power cut may cost.
        let lasts = if rng.one_in(8) { rng.within(4500..7000) } else { 160 };
        self.rate = size * 1000 / lasts;
        // One request after the other leaves something behind, whichever is the last.
        let parallel = if first.needs_remains() { 1 } else { 1 + rng.below(4) };
        self.scene.set(Download { size, part, parallel, old, site });
        self.so_far += &format!(": {:?}, {} bytes a second", self.scene.download, self.rate);
    }

    /// A run with trouble, and perhaps a power cut after it.
    fn run(&mut self, trouble: Trouble, before: Option<&Remains>) -> Struck {
        let from_durable = self.trust.slots_durable;
        let survivor = if self.rng.one_in(2) { Survivor::Killed } else { Survivor::LeftAlone };
        let faults = trouble.faults(&mut self.rng);
        let kept = before.map_or(0, Remains::bytes);
        self.so_far += &format!("; {kept} bytes kept, {faults:?}, {survivor:?}");
        self.scene.rig.sim.throttle(self.rate);
        self.scene.rig.sim.clear_requests();
        let (ending, faults) = self.scene.run_until_cut(faults, survivor);
        let (asked, sent) = (self.scene.rig.ranges(), self.scene.sent());
        let hits = faults[0].hits();
        if hits > 0 {
            let (operations, runs) = self.tally.hits.entry(trouble).or_default();
            (*operations, *runs) = (*operations + hits, *runs + 1);
        }
        let struck = hits > 0 || self.scene.disk().is_cut();
        let told = match &ending {
            Ending::Killed => false,
            Ending::Alone(ended) => {
                let right = if struck { trouble.allows(ended.code) } else { ended.code == Some(0) };
                let reserve = trouble == Trouble::NoReservation;
                assert!(right || (reserve && ended.code == Some(7)), "{ended:?}: {}", self.so_far);
                assert!(!ended.stderr.contains("panicked"), "{ended:?}: {}", self.so_far);
                ended.code == Some(0)
            }
        };
        self.tally.runs += 1;
        self.note(trouble, hits);
        // What cannot be read, on a dead disk or otherwise, is fetched again; without locks nothing
        // that is there is used.
        let unread = matches!(trouble, Trouble::DataRead | Trouble::Stale | Trouble::NoLocks);
        let refetches = unread || self.scene.disk().is_cut();
        let cut = self.cut(trouble, told);
        Struck { trouble, told, cut, from_durable, refetches, asked, sent }
    }

    /// What the trouble means for what is found from now on.
    fn note(&mut self, trouble: Trouble, hits: u64) {
        self.trust.records_true &= hits == 0 || trouble != Trouble::LyingDisk;
        self.trust.checkpoint_sound &= hits == 0 || trouble != Trouble::LostRecords;
        self.trust.records_current &= hits == 0 || trouble != Trouble::NoLocks;
    }

    fn cut(&mut self, trouble: Trouble, told: bool) -> Option<Tearing> {
        if told && trouble == Trouble::LyingDisk {
            // Nobody can keep a promise on such a disk. The next run may find what it seems to hold.
            self.scene.disk().settle();
            return None;
        }
        if !(told || self.scene.disk().is_cut() || self.rng.one_in(2)) {
            return None;
        }
        self.tally.midway += u64::from(self.scene.disk().is_cut());
        let torn = self.rng.one_in(3);
        let tearing = if torn { Tearing::OrGarbage } else { Tearing::OldOrNew };
        self.so_far += &format!("; power cut, {tearing:?}");
        self.scene.cut_power(&mut self.rng, tearing);
        self.tally.cuts += 1;
        self.tally.torn += u64::from(torn);
        self.tally.told += u64::from(told);
        Some(tearing)
    }

    /// What must be found after every run.
    fn check(&mut self, before: Option<&Remains>, run: &Struck) {
        let what = self.so_far.as_str();
        let published = self.scene.is_published(what);
        assert!(published || !run.told, "success was told, and lost: {what}");
        self.scene.check_names(what);
        if self.trust.records_true {
            self.scene.check_records(what);
        }
        if self.trust.records_true && !run.refetches {
            check_ranges(&run.asked, before, what);
        }
        let found = self.scene.remains();
        let recorded = found.as_ref().map_or(0, Remains::bytes);
        if run.cut.is_some() {
            self.tally.published += u64::from(published);
            self.tally.with_records += u64::from(recorded > 0);
        }
        let torn = run.cut == Some(Tearing::OrGarbage);
        if !published && self.is_bounded(run) && !torn {
            self.check_cost(before.map_or(0, Remains::bytes), recorded, run);
        }
        // What a power cut has left is durable.
        self.trust.slots_durable = run.cut.is_some();
    }

    /// Whether P3 says something about the run: not where the disk lies, nor where the slots that
    /// were there before were never durable, nor where a failed sync of them went before.
    fn is_bounded(&self, run: &Struck) -> bool {
        let checkpoint = self.trust.checkpoint_sound && self.trust.records_true;
        checkpoint && run.from_durable && !run.refetches_for_good()
    }

    fn check_cost(&mut self, kept: u64, recorded: u64, run: &Struck) {
        let what = &self.so_far;
        assert!(recorded >= kept, "{kept} bytes were recorded, now {recorded}: {what}");
        let Download { part, parallel, .. } = self.scene.download;
        let lost = run.sent.saturating_sub(recorded - kept);
        let bound = 4 * self.rate + parallel * part;
        assert!(lost <= bound, "{lost} bytes lost, {bound} allowed: {what}");
        self.tally.worst = self.tally.worst.max(lost * 1000 / bound);
    }

    /// The last run fetches what is missing and nothing else.
    fn finish(&mut self) {
        let before = self.scene.remains();
        let what = self.so_far.as_str();
        let published = self.scene.is_published(what);
        self.scene.finish(&mut self.rng, what);
        self.tally.runs += 1;
        self.tally.cuts += 1;
        self.tally.torn += 1;
        self.tally.published += 1;
        self.tally.told += 1;
        let asked = self.scene.rig.ranges();
        if !self.trust.records_true {
            return;
        }
        check_ranges(&asked, before.as_ref(), what);
        if self.trust.checkpoint_sound {
            let missing = self.scene.download.size - before.as_ref().map_or(0, Remains::bytes);
            let fetched = total_len(&asked);
            let gone_on = !self.trust.records_current && fetched == missing;
            let wanted = if published && !gone_on { 0 } else { missing };
            assert_eq!(fetched, wanted, "{before:?}: {what}");
        }
    }
}

/// Nothing that was recorded when the run began may be asked for.
fn check_ranges(asked: &[Range<u64>], before: Option<&Remains>, what: &str) {
    let kept = before.map_or_else(Vec::new, Remains::ranges);
    let overlap = |asked: &&Range<u64>| {
        kept.iter().any(|kept| asked.start < kept.end && kept.start < asked.end)
    };
    assert_eq!(asked.iter().find(overlap), None, "was recorded: {kept:?}: {what}");
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.stories += other.stories;
        self.runs += other.runs;
        self.cuts += other.cuts;
        self.midway += other.midway;
        self.torn += other.torn;
        self.published += other.published;
        self.told += other.told;
        self.with_records += other.with_records;
        self.worst = self.worst.max(other.worst);
        for (trouble, (operations, runs)) in &other.hits {
            let sum = self.hits.entry(*trouble).or_default();
            *sum = (sum.0 + operations, sum.1 + runs);
        }
    }

    /// Trouble that never came about.
    pub(crate) fn missing(&self) -> Vec<Trouble> {
        let missing = Trouble::ALL.iter().filter(|trouble| !self.hits.contains_key(trouble));
        missing.copied().collect()
    }

    pub(crate) fn midway(&self) -> u64 {
        self.midway
    }

    pub(crate) fn with_records(&self) -> u64 {
        self.with_records
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} downloads in {} runs with {} power cuts ({} in the midst of a run, {} right after \
             success was told; {} with garbage in torn sectors), none lost or wrong; after {} the \
             object was at the destination, after {} parts were recorded; most fetched again after \
             one run: {}.{} % of what is allowed",
            self.stories,
            self.runs,
            self.cuts,
            self.midway,
            self.told,
            self.torn,
            self.published,
            self.with_records,
            self.worst / 10,
            self.worst % 10,
        )?;
        for (trouble, (operations, runs)) in &self.hits {
            writeln!(f, "  {trouble:?}: {operations} operations struck in {runs} runs")?;
        }
        Ok(())
    }
}
