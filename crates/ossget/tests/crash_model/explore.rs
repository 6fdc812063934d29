//! Every state that a crash can leave, and what the next process makes of it.

use crate::meaning::{Found, Held, Meanings, Recorded, destination, partials};
use crate::origin::{PARTS, SIZE, Version};
use crate::process::{Checkpoint, ELSEWHERE, Ended, Machine, Settings, WORK};
use crate::schedule::{Hold, Plan, moments};
use ossget::ErrorKind as Kind;
use ossget_core::HEADER_LEN;
use ossget_testkit::file_system::{
    Damage, Disk, Failing, Image, Names, Operation, Outcomes, SectorSizes, Sectors, Step, Target,
    UnitId, Value,
};
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::io::ErrorKind;

/// What is explored.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) settings: Settings,
    pub(crate) damage: Damage,
    /// How processes end before their time.
    pub(crate) ends: Ends,
    /// What may become of the object meanwhile.
    pub(crate) change: Change,
    /// Whether the writer's interleavings with the committer are all tried.
    pub(crate) interleavings: Interleavings,
    /// In which processes steps fail, one after the other and all from one on.
    pub(crate) failures: Failures,
    /// Crashes one after the other; `None` for as many as it takes until nothing new comes.
    pub(crate) depth: Option<usize>,
    /// Whether a slot must never claim what is not on the disk.
    pub(crate) slots: SlotRule,
    /// What stands at the destination before anything was promised.
    pub(crate) before: Before,
    /// Stop once this was found; without it, once a few violations were.
    pub(crate) wanted: Option<&'static str>,
}

impl Scope {
    /// Goes `depth` crashes deep, with everything that the normal run leaves out for time's sake.
    pub(crate) fn widen(&mut self, depth: usize) {
        self.depth = Some(depth);
        self.damage.torn = true;
        if self.slots == SlotRule::NeverLie {
            self.ends = Ends::PowerAndKill;
            // Where each state is tried in many ways garbage of data would take days: nobody reads
            // what was not recorded.
            self.damage.data_garbage = self.failures == Failures::Never
                && self.interleavings == Interleavings::None
                && self.change == Change::Never;
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// By power cuts.
    Power,
    /// By power cuts and by kills, which leave what is not synced on its way.
    PowerAndKill,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Never,
    /// Between two processes, and during one.
    Once,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interleavings {
    /// Parts are recorded before the next one comes.
    None,
    /// All, in processes after up to so many crashes; after that none.
    Until(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    Durable,
    /// What another program left unsynced, and may be lost without any fault of ours.
    Unsynced,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failures {
    Never,
    /// In processes after up to so many crashes, every step in turn.
    Until(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlotRule {
    NeverLie,
    MayLie,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) runs: u64,
    pub(crate) finished: u64,
    /// Runs that reported an error because a step was made to fail.
    pub(crate) failed: u64,
    /// Bodies that were held back until those before them were being recorded.
    pub(crate) held_back: u64,
    pub(crate) states: u64,
    pub(crate) distinct: usize,
    pub(crate) depth: usize,
    /// Whether no further crash can lead to anything new.
    pub(crate) closed: bool,
    pub(crate) violations: BTreeMap<&'static str, u64>,
    /// How the first one came about.
    pub(crate) first: Option<String>,
}

impl Report {
    pub(crate) fn count(&self) -> u64 {
        self.violations.values().sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, finished, failed, held_back, states, distinct, depth, .. } = self;
        write!(f, "crashes {depth}{}, ", if self.closed { " and any more" } else { "" })?;
        write!(f, "process runs {runs}, finished {finished}, ")?;
        if *failed > 0 {
            write!(f, "failed as they must {failed}, ")?;
        }
        if *held_back > 0 {
            write!(f, "bodies held back {held_back}, ")?;
        }
        write!(f, "crash states {states}, ")?;
        write!(f, "distinct {distinct}, ")?;
        match self.violations.is_empty() {
            true => f.write_str("0 violations"),
            false => write!(f, "violations {:?}", self.violations),
        }
    }
}

/// A state that a crash left.
#[derive(Clone, Debug)]
struct State {
    disk: Disk,
    /// What a process has reported to be at the destination.
    promised: Option<Version>,
    /// What the object is.
    version: Version,
}

/// Explores a scope from a destination that holds something old, or nothing.
pub(crate) struct Explorer<'a> {
    machine: &'a Machine,
    scope: Scope,
    meanings: Meanings,
    seen: HashSet<Box<[u32]>>,
    report: Report,
    next: Vec<State>,
}

impl<'a> Explorer<'a> {
    /// Explores everything and reports.
    pub(crate) fn explore(machine: &'a Machine, scope: Scope, first: Disk) -> Report {
        let meanings = Meanings::new(&machine.objects, first.sectors());
        let (seen, report) = (HashSet::new(), Report::default());
        let mut this = Self { machine, scope, meanings, seen, report, next: Vec::new() };
        this.learn_from_stale(first.sectors());
        let start = State { disk: first, promised: None, version: Version::A };
        let mut frontier = vec![start];
        while !frontier.is_empty() && this.scope.depth.is_none_or(|most| this.report.depth < most) {
            for state in frontier {
                this.explore_state(&state);
                if this.is_enough() {
                    break;
                }
            }
            this.report.depth += 1;
            frontier = std::mem::take(&mut this.next);
            if this.is_enough() {
                break;
            }
        }
        this.report.closed = this.scope.depth.is_none() && !this.is_enough();
        this.report.distinct = this.seen.len();
        this.report
    }

    fn is_enough(&self) -> bool {
        match self.scope.wanted {
            Some(wanted) => self.report.violations.contains_key(wanted),
            None => self.report.count() >= 20,
        }
    }

    /// Pages of an older session are known before they come back.
    fn learn_from_stale(&mut self, sectors: &Sectors) {
        let Some(stale) = self.scope.damage.stale.clone() else { return };
        for at in 0..2 {
            if let Some(page) = stale(at, &[]) {
                self.meanings.meaning(sectors.intern(&page), at);
            }
        }
    }

    fn explore_state(&mut self, state: &State) {
        let versions = match (self.scope.change, state.version) {
            (Change::Once, Version::A) => &[Version::A, Version::B][..],
            (_, Version::A) => &[Version::A],
            (_, Version::B) => &[Version::B],
        };
        for &version in versions {
            let (gets, steps) = self.run(state, version, Plan::default());
            self.fail_each(state, version, steps);
            if self.scope.change == Change::Once && version == Version::A {
                for get in 0..gets {
                    let change = Some(get);
                    let (all, _) = self.run(state, version, Plan { change, hold: None });
                    self.hold_back(state, version, (change, all));
                }
            }
            self.hold_back(state, version, (None, gets));
        }
    }

    /// Runs in which one step fails, or every step from one on.
    fn fail_each(&mut self, state: &State, version: Version, steps: usize) {
        let most = match self.scope.failures {
            Failures::Never => return,
            Failures::Until(depth) => depth,
        };
        if self.report.depth > most {
            return;
        }
        for error in [ErrorKind::Other, ErrorKind::StorageFull] {
            for step in 0..steps {
                for failing in [Failing::once(step, error), Failing::from(step, error)] {
                    self.run_failing(state, version, Plan::default(), Some(failing));
                }
            }
        }
    }

    /// Runs with a part that is held back until those before it are being recorded.
    fn hold_back(
        &mut self,
        state: &State,
        version: Version,
        (change, gets): (Option<usize>, usize),
    ) {
        let all = match self.scope.interleavings {
            Interleavings::None => false,
            Interleavings::Until(depth) => self.report.depth <= depth,
        };
        let begun = change.map_or(0, |get| get + 1);
        for get in begun + 1..gets {
            let last = moments(get - begun) - 1;
            if get + 1 < gets || !all {
                let hold = Some(Hold { get, first: last, second: last });
                self.run(state, version, Plan { change, hold });
                continue;
            }
            for second in 0..=last {
                for first in 0..=second {
                    let hold = Some(Hold { get, first, second });
                    self.run(state, version, Plan { change, hold });
                }
            }
        }
    }

    /// Runs one process to its end; returns how many parts it asked for and how many steps it
    /// took.
    fn run(&mut self, state: &State, version: Version, plan: Plan) -> (usize, usize) {
        self.run_failing(state, version, plan, None)
    }

    fn run_failing(
        &mut self,
        state: &State,
        version: Version,
        plan: Plan,
        failing: Option<Failing>,
    ) -> (usize, usize) {
        if self.is_enough() {
            return (0, 0);
        }
        let settings = &self.scope.settings;
        let ended = self.machine.run(&state.disk, settings, (version, plan), failing.clone());
        self.report.runs += 1;
        self.report.held_back += ended.held_back;
        for (step, disk) in &ended.history {
            if step.target == Target::Checkpoint && step.operation == Operation::Write {
                self.meanings.learn(disk);
            }
        }
        let context = Context { state, version, plan, failing, ended: &ended };
        self.judge_end(&context);
        self.judge_crashes(&context);
        (ended.gets.len(), ended.steps)
    }

    fn judge_end(&mut self, context: &Context<'_>) {
        let ended = context.ended;
        let image = ended.disk.seen();
        let held = destination(&image).map(|file| self.meanings.held(file));
        let before = self.report.count();
        let healthy = context.failing.is_none();
        if let (false, Err(error)) = (healthy, &ended.result) {
            self.report.failed += 1;
            if !matches!(error.kind(), Kind::Storage | Kind::NoSpace) {
                self.violation("a failed step is told as something else", context, None);
            }
            return;
        }
        if ended.result.is_err() {
            self.violation("a run fails", context, None);
        }
        if held != Some(Held::Object(ended.version)) {
            self.violation("a run ends with the wrong file", context, None);
        }
        let litter = |dir, wanted| ended.disk.names(dir).len() != wanted;
        // One that could not be removed is warned of.
        if healthy && (litter(WORK, 1) || litter(ELSEWHERE, 0)) {
            self.violation("a run leaves litter", context, None);
        }
        let kept = self.expected_to_be_kept(&context.state.disk.seen(), context.version);
        if context.plan.change.is_none()
            && healthy
            && self.scope.slots == SlotRule::NeverLie
            && ended.gets.iter().any(|part| kept[*part])
        {
            self.violation("a recorded part is fetched again", context, None);
        }
        if self.report.count() == before {
            self.report.finished += 1;
        }
    }

    /// The parts that the next process has no reason to fetch.
    fn expected_to_be_kept(&mut self, image: &Image, version: Version) -> [bool; PARTS] {
        let found = self.meanings.checkpoint(image);
        let Some((session, _)) = found.header.filter(|(_, of)| *of == version) else {
            return [false; PARTS];
        };
        let bound = self.bound(image, &found);
        let whole = |inode| image.file(inode).is_some_and(|file| file.len == SIZE);
        let usable = bound.is_some_and(|inode| {
            whole(inode) && partials(image).any(|(_, partial)| partial == inode)
        });
        found.slots.map(|slot| usable && matches!(slot, Recorded::Part(of, _) if of == session))
    }

    /// The partial file to which a checkpoint is bound, if it is under its name.
    fn bound(&self, image: &Image, found: &Found) -> Option<u64> {
        let (session, _) = found.header?;
        let (of, inode, _) = found.bind?;
        let named = partials(image)
            .find(|(name, _)| self.meanings.session_of_partial(name) == Some(session))?;
        (of == session && named.1 == inode).then_some(inode)
    }

    fn judge_crashes(&mut self, context: &Context<'_>) {
        let ended = context.ended;
        let first_removal = ended.history.iter().position(|(step, _)| is_removal(step));
        let success_from = match (&ended.result, first_removal) {
            (Err(_), _) => usize::MAX,
            (Ok(_), Some(at)) => at,
            (Ok(_), None) => ended.history.len().saturating_sub(1),
        };
        let mut earlier = context.state.disk.outcomes(&self.scope.damage);
        for (at, (step, disk)) in ended.history.iter().enumerate() {
            let outcomes = disk.outcomes(&self.scope.damage);
            let promised = match at >= success_from {
                true => Some(ended.version),
                false => context.state.promised,
            };
            let crash = Crash { context, at, step, disk, promised };
            if self.scope.slots == SlotRule::NeverLie && ends_record(&ended.history, at) {
                self.judge_progress(&crash, &outcomes);
            }
            if self.scope.ends == Ends::PowerAndKill {
                self.visit_kill(&crash, &outcomes);
            }
            let new = match at == success_from {
                true => Some(outcomes.clone()),
                false => outcomes.clone().beyond(&earlier),
            };
            if let Some(new) = new {
                new.for_each(|image| self.visit(&crash, image));
            }
            if self.is_enough() {
                return;
            }
            earlier = outcomes;
        }
    }

    /// What was reported as durable progress must be durable, whatever is cut off now.
    fn judge_progress(&mut self, crash: &Crash<'_>, outcomes: &Outcomes) {
        // A bind page that a failed sync dropped is believed as long as it is seen.
        if !crash.disk.dropped().is_empty() {
            return;
        }
        let seen = crash.disk.seen();
        let found = self.meanings.checkpoint(&seen);
        let Some(inode) = self.bound(&seen, &found) else { return };
        let has = |names: &Names, end| names.keys().any(|name| name.ends_with(end));
        let beside = self.scope.settings.checkpoint == Checkpoint::Beside;
        let uncertain = outcomes.units().iter().any(|unit| match unit.id {
            UnitId::Sector(of, _) => of != inode,
            UnitId::Len(_) => true,
            // With the checkpoint elsewhere the empty lock file may be lost, nothing else.
            UnitId::Names(0) => unit.values.iter().any(|names| match names {
                Value::Names(names) => !has(names, ".part") || beside && !has(names, ".ossget"),
                _ => false,
            }),
            UnitId::Names(_) => true,
        });
        if uncertain {
            self.violation("durable progress is not durable", crash.context, Some((crash, None)));
        }
    }

    fn visit_kill(&mut self, crash: &Crash<'_>, outcomes: &Outcomes) {
        let version = crash.context.ended.version;
        let rest = rest(crash.promised, version);
        let key = self.meanings.key_of_disk(crash.disk, outcomes, &rest);
        if !self.seen.contains(key) {
            self.seen.insert(key.into());
            self.next.push(State { disk: crash.disk.clone(), promised: crash.promised, version });
        }
    }

    fn visit(&mut self, crash: &Crash<'_>, image: &Image) {
        self.report.states += 1;
        let version = crash.context.ended.version;
        let key = self.meanings.key(image, &rest(crash.promised, version));
        if self.seen.contains(key) {
            return;
        }
        self.seen.insert(key.into());
        if let Some(violation) = self.broken(crash, image) {
            self.violation(violation, crash.context, Some((crash, Some(image))));
        }
        let disk = crash.disk.restarted(image);
        self.next.push(State { disk, promised: crash.promised, version });
    }

    /// Which promise a state breaks.
    fn broken(&mut self, crash: &Crash<'_>, image: &Image) -> Option<&'static str> {
        let held = destination(image).map(|file| self.meanings.held(file));
        let versions = [crash.context.version, crash.context.ended.version];
        let is_right = match (held, crash.promised) {
            (Some(Held::Object(held)), _) if versions.contains(&held) => true,
            (Some(Held::Object(held)), Some(promised)) => held == promised,
            // What an earlier run published stands for the old.
            (Some(Held::Object(_)), None) => {
                crash.context.state.is_at_destination(held, &self.meanings)
            }
            (Some(Held::Old) | None, None) => true,
            (_, None) if self.scope.before == Before::Unsynced => true,
            _ => false,
        };
        if !is_right {
            return Some(match held {
                Some(Held::Wrong) => "wrong bytes at the destination",
                _ => "a reported success is lost",
            });
        }
        let found = self.meanings.checkpoint(image);
        let session = match (found.header, found.bind) {
            (Some((session, _)), _) | (None, Some((session, ..))) => Some(session),
            (None, None) => None,
        };
        let mut named = partials(image).map(|(name, _)| self.meanings.session_of_partial(name));
        if named.any(|of| of.is_none() || of != session) {
            return Some("a partial file is forgotten");
        }
        if self.scope.slots == SlotRule::NeverLie && self.lies(image, &found) {
            return Some("a slot lies");
        }
        None
    }

    fn lies(&self, image: &Image, found: &Found) -> bool {
        let Some(file) = self.bound(image, found).and_then(|inode| image.file(inode)) else {
            return false;
        };
        let session = found.header.map(|(session, _)| session);
        (0..PARTS).any(|part| match found.slots[part] {
            Recorded::Part(of, version) if Some(of) == session => {
                !self.meanings.holds_part(file, part, version)
            }
            _ => false,
        })
    }

    fn violation(
        &mut self,
        what: &'static str,
        context: &Context<'_>,
        at: Option<(&Crash<'_>, Option<&Image>)>,
    ) {
        *self.report.violations.entry(what).or_default() += 1;
        if self.report.first.is_some() {
            return;
        }
        let steps =
            context.ended.history.iter().enumerate().map(|(at, (step, _))| format!("{at} {step}"));
        let steps: Vec<_> = steps.collect();
        let when = at.map(|(crash, image)| {
            let found = image
                .map(|image| (format!("{:?}", self.meanings.checkpoint(image)), describe(image)));
            (crash.at, crash.step.to_string(), found)
        });
        self.report.first = Some(format!(
            "{what}: depth {}, plan {:?}, failing {:?}, result {:?}\n  from {}\n  steps {steps:?}\n  at {when:?}",
            self.report.depth,
            context.plan,
            context.failing,
            context.ended.result.as_ref().map(|done| done.completion).map_err(ToString::to_string),
            describe(&context.state.disk.seen()),
        ));
    }
}

/// A process of which the crash states are judged.
struct Context<'a> {
    state: &'a State,
    version: Version,
    plan: Plan,
    failing: Option<Failing>,
    ended: &'a Ended,
}

/// A moment of it.
struct Crash<'a> {
    context: &'a Context<'a>,
    at: usize,
    step: &'a Step,
    disk: &'a Disk,
    promised: Option<Version>,
}

impl State {
    fn is_at_destination(&self, held: Option<Held>, meanings: &Meanings) -> bool {
        destination(&self.disk.seen()).map(|file| meanings.held(file)) == held
    }
}

/// What a state is besides its disk.
fn rest(promised: Option<Version>, version: Version) -> [u32; 1] {
    [promised.map_or(0, |promised| promised as u32 + 1) * 2 + version as u32]
}

fn is_removal(step: &Step) -> bool {
    step.target == Target::Checkpoint && step.operation == Operation::Remove
}

/// Whether a commit has ended here: the checkpoint's second appearance in a sync of its data,
/// after slots were written.
fn ends_record(history: &[(Step, Disk)], at: usize) -> bool {
    let syncs = |at: usize| {
        history.get(at).is_some_and(|(step, _)| {
            step.target == Target::Checkpoint && step.operation == Operation::SyncData
        })
    };
    syncs(at)
        && history[..at]
            .iter()
            .filter(|(step, _)| {
                step.target == Target::Checkpoint && step.operation == Operation::SyncData
            })
            .count()
            % 2
            == 1
}

fn describe(image: &Image) -> String {
    let files = image.dirs().flat_map(|(_, names)| names).map(|(name, inode)| {
        let file = image.file(*inode);
        let file = file.map(|file| {
            (file.len, file.sectors.iter().map(|sector| sector.get()).collect::<Vec<_>>())
        });
        format!("{name} -> {inode} {file:?}")
    });
    files.collect::<Vec<_>>().join(", ")
}

pub(crate) const fn sizes() -> SectorSizes {
    SectorSizes { checkpoint: HEADER_LEN, data: crate::origin::SECTOR }
}
