//! One process run: a driver between the real session and the simulated world.

use super::adapter::{
    Action, CommitId, Driven, Event, Examination, MILLI, Micros, Outcome, Recording, Remains,
    ResumeVerify, SECOND, SlotWrite, StopReason, StorageTask, limit_changed, may_repeat,
    storage_failed,
};
use super::agenda::{Agenda, Happening};
use super::catalogue::Fault;
use super::content::Object;
use super::disk::Crash;
use super::exchange::Exchange;
use super::oracle::{Watch, expected_integrity};
use super::rng::Rng;
use super::settings::{Clobber, Durability, Order, Settings, Watching};
use super::storage::{Begin, CHECKPOINT, DESTINATION, Store};
use super::trace::Trace;
use super::weather::Weather;
use super::world::World;
use ossget_core::PartIndex;
use std::collections::BTreeMap;
use std::time::Duration;

/// How a process run ended.
#[derive(Debug)]
pub(crate) enum End {
    Crashed,
    /// Another process holds the lock.
    Locked,
    /// The destination exists and must not be replaced, or the checkpoint is another download's.
    Refused,
    Finished(Outcome),
    /// A law was broken.
    Broken(String),
}

pub(crate) struct Process<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) rng: &'a mut Rng,
    pub(crate) settings: Settings,
    pub(crate) now: Micros,
    /// When everything that is wrong is put right, if it is.
    heal_at: Option<Micros>,
    pub(crate) healed: bool,
    pub(crate) healed_at: Micros,
    /// How long the run may take, and how long from when everything is put right.
    pub(crate) patience: Micros,
    pub(crate) patience_when_well: Micros,
    /// How long what was under way when everything was put right may hold the run up.
    pub(crate) under_way: Micros,
    /// When the session's wishes were last carried out.
    acted_at: Micros,
    pub(crate) agenda: Agenda,
    pub(crate) live: BTreeMap<u64, Exchange>,
    pub(crate) store: Store,
    pub(crate) watch: Watch,
    pub(crate) weather: Weather,
    /// The content that the last probe saw.
    pub(crate) probed: Object,
    pub(crate) probes: u64,
    /// What the service asked for with the failure of an attempt.
    pub(crate) asked_to_wait: BTreeMap<u64, Option<Duration>>,
    doubted: bool,
    /// Whether the effort of the run was checked: nothing went wrong in it.
    pub(crate) weighed: bool,
    pub(crate) steps: u64,
    trace: Option<Trace>,
}

/// No run takes longer than this, whatever is wrong with the world.
const LONGEST: Micros = 48 * 3600 * SECOND;

/// No run needs more steps than this, whatever is wrong with the world.
const MOST_STEPS: u64 = 1_000_000;

impl<'a> Process<'a> {
    pub(crate) fn new(
        world: &'a mut World,
        rng: &'a mut Rng,
        settings: Settings,
        heal_at: Option<Micros>,
    ) -> Self {
        let probed = world.object;
        let trace = world.trace.take();
        Self {
            world,
            rng,
            settings,
            now: 0,
            heal_at,
            healed: false,
            healed_at: 0,
            patience: LONGEST,
            patience_when_well: LONGEST,
            under_way: 0,
            acted_at: 0,
            agenda: Agenda::default(),
            live: BTreeMap::new(),
            store: Store::default(),
            watch: Watch::new(),
            weather: Weather::default(),
            probed,
            probes: 0,
            asked_to_wait: BTreeMap::new(),
            doubted: false,
            weighed: false,
            steps: 0,
            trace,
        }
    }

    /// Runs until the end, the crash, or a broken law.
    pub(crate) fn run(&mut self) -> End {
        let end = match self.try_run() {
            Ok(end) => end,
            Err(Crash) => End::Crashed,
        };
        self.tell_aloud(&end);
        self.world.trace = self.trace.take();
        match self.watch.broken.is_empty() {
            true => end,
            false => End::Broken(self.watch.broken.join("; ")),
        }
    }

    fn try_run(&mut self) -> Result<End, Crash> {
        let settings = self.settings;
        self.tell_aloud(&settings);
        let resume = match self.begin()? {
            Begin::Go(resume) => resume.map(|resume| *resume),
            Begin::Locked => return Ok(End::Locked),
            Begin::Exists | Begin::Refused => return Ok(End::Refused),
        };
        let mut session = Driven::new(&self.settings, self.rng.next(), resume);
        for _ in 0..MOST_STEPS {
            self.steps += 1;
            // A driver that is held up reports several things before it acts again.
            let limit = self.acted_at + MILLI;
            let soon = self.agenda.next().is_some_and(|at| at <= limit);
            let held_up = soon && self.now <= limit && self.rng.chance(10);
            if !held_up && let Some(end) = self.act(&mut session)? {
                return Ok(end);
            }
            if session.is_beyond_the_end() {
                return Ok(End::Broken("more done than there is".into()));
            }
            self.watch.check_redo(&self.settings, session.commit_window());
            self.world.look();
            if self.settings.watching == Watching::Files {
                self.watch.broken.clear();
            } else if !self.watch.broken.is_empty() {
                return Ok(End::Broken(String::new()));
            }
            if self.now > self.healed_at + self.patience {
                let law = format!("{} s after everything is well", self.patience / SECOND);
                return Ok(End::Broken(format!("does not end within {law}")));
            }
            if let Some(law) = self.advance(&mut session)? {
                return Ok(End::Broken(law));
            }
        }
        Ok(End::Broken("no end in sight".into()))
    }

    /// Does whatever the session asks for.
    fn act(&mut self, session: &mut Driven) -> Result<Option<End>, Crash> {
        self.acted_at = self.now;
        while let Some(action) = session.next_action() {
            self.tell_aloud(&action);
            if let Some(end) = self.execute(action, session)? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    /// Lets the next thing happen. A broken law, if nothing ever would.
    fn advance(&mut self, session: &mut Driven) -> Result<Option<String>, Crash> {
        if self.settings.cancels && !self.healed && self.rng.below(1000) == 0 {
            self.watch.causes.cancelled = true;
            session.tell(self.now, Event::Cancel);
            return Ok(None);
        }
        // What has come in is reported before time is looked at.
        let deadline = session.deadline().map(|deadline| deadline.max(self.now));
        let next = self.agenda.next();
        let Some(soonest) = [next, deadline].into_iter().flatten().min() else {
            return Ok(Some(format!("nothing to wait for while {:?}", session.phase())));
        };
        let outside = [self.heal_at.filter(|_| !self.healed), self.weather.next()];
        if let Some(at) = outside.into_iter().flatten().min()
            && at <= soonest
        {
            self.now = self.now.max(at);
            self.intervene(session, at);
            return Ok(None);
        }
        self.now = self.now.max(soonest);
        if next == Some(soonest) {
            let what = self.agenda.take().expect("there is a next");
            for event in self.happen(what)? {
                self.report(session, event);
            }
        } else {
            session.tell(self.now, Event::Tick);
        }
        Ok(None)
    }

    fn intervene(&mut self, session: &mut Driven, at: Micros) {
        if self.heal_at == Some(at) && !self.healed {
            self.under_way = self.under_way(session);
            self.heal();
            self.report(session, limit_changed(self.settings.parallel));
        } else if let Some(fault) = self.weather.take_next() {
            self.tell_aloud(&fault);
            for event in self.turn(fault) {
                self.report(session, event);
            }
        }
    }

    fn report(&mut self, session: &mut Driven, event: Event) {
        self.tell_aloud(&event);
        let again = (may_repeat(&event) && self.rng.chance(2)).then(|| event.clone());
        let is_false = match &event {
            Event::Rehashed { part, recorded, found } if *found != Some(*recorded) => Some(*part),
            _ => None,
        };
        if matches!(event, Event::Rehashed { .. }) {
            self.watch.progressed(self.now);
        }
        if session.tell(self.now, event)
            && let Some(part) = is_false
        {
            self.watch.knows_false(part);
        }
        // A report that comes twice must do no harm.
        if let Some(event) = again {
            session.tell(self.now, event);
        }
    }

    /// Adds to the trace, where one is wanted.
    fn tell_aloud(&mut self, what: &dyn std::fmt::Debug) {
        if let Some(trace) = &mut self.trace {
            trace.add(self.now, what);
        }
    }

    pub(crate) fn later(&mut self, delay: Micros, what: Happening) {
        self.agenda_at(self.now + delay, what);
    }

    pub(crate) fn agenda_at(&mut self, at: Micros, what: Happening) {
        self.agenda.push(at, what);
    }

    fn later_report(&mut self, within: Micros, event: Event) {
        let delay = self.rng.below(within);
        self.later(delay, Happening::Report(Box::new(event)));
    }

    fn happen(&mut self, what: Happening) -> Result<Vec<Event>, Crash> {
        Ok(match what {
            Happening::Report(event) => vec![*event],
            Happening::Head(serial) => self.head(serial),
            Happening::HeadMissing(serial) => self.head_missing(serial),
            Happening::Body(serial) => {
                self.world.disk.step()?;
                self.body(serial)
            }
            Happening::SyncEnds(commit, covered) => vec![self.sync_ends(commit, covered)?],
        })
    }

    fn execute(&mut self, action: Action, session: &mut Driven) -> Result<Option<End>, Crash> {
        self.world.disk.step()?;
        match action {
            Action::Probe => self.probe(),
            Action::Prepare { identity, plan, mode } => {
                if self.world.disk_full {
                    self.watch.causes.storage = true;
                    let failed = storage_failed(StorageTask::Prepare);
                    self.later_report(SECOND, failed);
                    return Ok(None);
                }
                let partial = self.prepare(&identity, plan, mode)?;
                if let Some(opened) = &self.store.opened {
                    self.watch.prepared(self.now, opened.plan, opened.kept.clone());
                }
                self.later_report(5_000, Event::Prepared { partial });
            }
            Action::Fetch { attempt, range } => self.fetch(attempt, range),
            Action::Abort { attempt } => self.abort(attempt),
            Action::Sync { commit } => self.sync_begins(commit),
            Action::Record { commit, slots } => self.record(commit, &slots)?,
            Action::Rehash { first, count, verify } => self.rehash(first, count, verify)?,
            Action::Verify { .. } => self.verify(),
            Action::Publish => self.publish()?,
            Action::Finish { outcome } => return self.finish(outcome, session).map(Some),
            Action::Retry { attempt, range, wait, .. } => {
                let asked = self.asked_to_wait.remove(&attempt.serial()).flatten();
                let part = self.plan().part_at(range.start()).expect("inside the extent");
                self.watch.retry(self.now, part, wait, asked);
            }
            Action::Doubt { .. } => {
                self.doubted = true;
                self.watch.doubt();
                if !self.world.tainted {
                    self.watch.broken.push("good bytes are doubted".into());
                }
            }
            _ => return Ok(Some(End::Broken("an unknown action".into()))),
        }
        Ok(None)
    }

    /// Whether the whole was found wrong, or another object took its place.
    pub(crate) fn began_again(&self) -> bool {
        self.doubted || self.watch.restarts > 0
    }

    fn inode(&self) -> u64 {
        self.store.opened.as_ref().expect("prepared first").inode
    }

    fn sync_begins(&mut self, commit: CommitId) {
        let covered = self.world.disk.begin_sync(self.inode());
        let slow = self.weather.is(Fault::SlowSync, self.now);
        if slow {
            self.world.hits.count(Fault::SlowSync);
        }
        let delay = if slow { 30 * SECOND } else { self.rng.below(300_000) };
        self.later(delay, Happening::SyncEnds(commit, covered));
    }

    fn sync_ends(&mut self, commit: CommitId, covered: usize) -> Result<Event, Crash> {
        let inode = self.inode();
        let during = StorageTask::Commit(commit);
        if std::mem::take(&mut self.weather.sync_error) {
            self.world.hits.count(Fault::SyncError);
            self.watch.causes.storage = true;
            self.watch.causes.poisoned = true;
            self.watch.never_record();
            self.world.disk.lose_pending(inode);
            return Ok(storage_failed(during));
        }
        if self.world.disk_full && self.rng.chance(30) {
            self.world.hits.count(Fault::DiskFull);
            self.watch.causes.storage = true;
            self.watch.causes.poisoned = true;
            self.watch.never_record();
            self.world.disk.lose_pending(inode);
            return Ok(storage_failed(during));
        }
        if self.weather.truncation && self.rng.chance(30) {
            self.truncate();
        }
        if !self.is_whole() {
            self.watch.causes.storage = true;
            self.watch.causes.poisoned = true;
            self.watch.never_record();
            return Ok(storage_failed(during));
        }
        let lies =
            self.weather.is(Fault::LostFlush, self.now) || self.settings.order == Order::Ignored;
        if self.settings.durability == Durability::Process {
            // Nothing is synced, and nobody has asked for more.
        } else if lies {
            self.lie(inode);
        } else {
            self.world.disk.end_sync(inode, covered)?;
        }
        Ok(Event::Synced { commit })
    }

    /// A sync returns success and has done nothing. Without a power cut nobody would ever know.
    fn lie(&mut self, inode: u64) {
        if self.world.disk.is_clean(inode) {
            return;
        }
        self.world.lied = true;
        if self.heal_at.is_none()
            && self.settings.allows(Fault::PowerCut)
            && self.settings.allows(Fault::LostFlush)
        {
            self.world.disk.fuse = Some(self.rng.below(60));
            self.world.power_fails = true;
        }
    }

    fn record(&mut self, commit: CommitId, slots: &[SlotWrite]) -> Result<(), Crash> {
        let checkpoint = self.store.checkpoint;
        self.watch.records();
        let honest = self.settings.durability == Durability::Full && !self.world.lied;
        for slot in slots {
            let opened = self.store.opened.as_ref().expect("prepared first");
            let (part, bytes) = match *slot {
                SlotWrite::Recorded { part, crc } => {
                    let range = opened.plan.range(part).expect("a part");
                    let start = range.start() - opened.plan.extent().start();
                    if honest
                        && !self.world.disk.is_durable(opened.inode, start, start + range.len())
                    {
                        self.watch.broken.push(format!("part {part} is recorded, not durable"));
                    }
                    (part, opened.codec.encode(part, crc))
                }
                SlotWrite::Void { part } => (part, [0; 16]),
            };
            let at = opened.codec.offset(part);
            self.world.disk.write_bytes(checkpoint, at, &bytes)?;
        }
        if self.settings.durability == Durability::Full {
            self.world.disk.sync(checkpoint)?;
        }
        for slot in slots {
            match *slot {
                SlotWrite::Recorded { part, .. } => self.watch.recorded(part),
                SlotWrite::Void { part } => self.watch.voided_durably(part),
            }
        }
        self.later_report(3_000, Event::Recorded { commit });
        Ok(())
    }

    fn rehash(&mut self, first: PartIndex, count: u32, verify: ResumeVerify) -> Result<(), Crash> {
        for index in first.get()..first.get() + count {
            self.world.disk.step()?;
            let part = PartIndex::new(index);
            let (recorded, found) = self.read_back(part, verify);
            if found != Some(recorded) {
                self.world.voided += 1;
                self.watch.void(part);
            }
            self.later_report(10_000, Event::Rehashed { part, recorded, found });
        }
        Ok(())
    }

    /// Somebody cuts the partial file short.
    fn truncate(&mut self) {
        self.weather.truncation = false;
        let (inode, size) = (self.inode(), self.plan().extent().len());
        if size == 0 {
            return;
        }
        let len = self.rng.below(size);
        self.world.disk.resize_durably(inode, len);
        self.world.damaged = true;
        self.watch.causes.truncated = true;
        self.world.hits.count(Fault::PartialTruncated);
    }

    /// Whether the partial file still has its name and its length.
    fn is_whole(&self) -> bool {
        let opened = self.store.opened.as_ref().expect("prepared first");
        let disk = &self.world.disk;
        disk.names.get(&opened.name) == Some(&opened.inode)
            && disk.files[&opened.inode].len == opened.plan.extent().len()
    }

    fn verify(&mut self) {
        if self.weather.truncation {
            self.truncate();
        }
        let opened = self.store.opened.as_ref().expect("prepared first");
        let (inode, size) = (opened.inode, opened.plan.extent().len());
        let disk = &self.world.disk;
        let event = if disk.names.get(&opened.name) != Some(&inode) {
            storage_failed(StorageTask::Verify)
        } else if disk.files[&inode].len != size {
            Event::Verified { examination: Examination::WrongLength }
        } else {
            Event::Verified { examination: Examination::Intact }
        };
        self.later_report(2_000, event);
    }

    fn publish(&mut self) -> Result<(), Crash> {
        let opened = self.store.opened.as_ref().expect("prepared first");
        let (name, inode) = (opened.name.clone(), opened.inode);
        let disk = &mut self.world.disk;
        let there = disk.names.contains_key(DESTINATION);
        let refused = self.settings.clobber == Clobber::Refuse && there;
        if refused || disk.names.get(&name) != Some(&inode) {
            self.watch.causes.storage = true;
            self.later_report(2_000, storage_failed(StorageTask::Publish));
            return Ok(());
        }
        if self.settings.durability == Durability::Full {
            disk.sync(inode)?;
            self.world.lied = false;
        }
        self.world.publishes();
        let disk = &mut self.world.disk;
        disk.rename(&name, DESTINATION)?;
        disk.sync_dir()?;
        self.later_report(2_000, Event::Published);
        Ok(())
    }

    fn finish(&mut self, outcome: Outcome, session: &Driven) -> Result<End, Crash> {
        match &outcome {
            Outcome::Done { crc64, integrity } => {
                let opened = self.store.opened.as_ref().expect("prepared first");
                let kept = session.bytes_kept();
                let expected =
                    expected_integrity(&opened.plan, &opened.identity, &self.settings, kept);
                let (object, extent) = (opened.object, opened.plan.extent());
                let right = object.tag().crc(extent.start(), extent.end());
                if *integrity != expected {
                    self.watch.broken.push(format!("{integrity:?} is claimed, not {expected:?}"));
                }
                if *crc64 != right {
                    self.watch.broken.push(format!("success with CRC {crc64:x}, not {right:x}"));
                }
                self.world.promise(object);
                self.clean_up()?;
            }
            Outcome::AlreadyThere { .. } => {
                self.world.promise(self.probed);
            }
            Outcome::Stopped { reason, remains } => {
                if let StopReason::CrcMismatch { .. } = reason {
                    if !self.world.tainted {
                        self.watch.broken.push("good bytes do not match".into());
                    }
                } else if !self.watch.justifies(self.now, reason, &self.settings) {
                    self.watch.broken.push(format!("no reason to stop: {reason:?}"));
                }
                if *remains == Remains::Discard || self.settings.recording == Recording::Off {
                    self.discard()?;
                }
                self.check_voids();
            }
        }
        self.world.disk.locked = None;
        self.world.cuts_in_a_row = 0;
        self.check_effort(&outcome);
        Ok(End::Finished(outcome))
    }

    /// After an orderly stop no slot says what was found to be false.
    fn check_voids(&mut self) {
        if self.watch.causes.poisoned || self.store.opened.is_none() {
            return;
        }
        if let Some(part) = self.watch.unvoided()
            && self.world.disk.names.contains_key(CHECKPOINT)
        {
            self.watch.broken.push(format!("the slot of part {part} stays though it is false"));
        }
    }

    fn check_effort(&mut self, outcome: &Outcome) {
        let faultless = self.heal_at == Some(0) && !self.doubted;
        if faultless && matches!(outcome, Outcome::Done { .. }) {
            self.weighed = self.watch.check_effort(self.probes);
        }
    }
}
