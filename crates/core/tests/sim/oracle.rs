//! What must hold while a process runs, whatever happens to it.

use super::adapter::{
    CrcPolicy, Integrity, MILLI, Micros, Recording, ResumePolicy, ResumeVerify, SECOND, StopReason,
};
use super::settings::Settings;
use ossget_core::{ByteRange, Failure, PartIndex, PartPlan, PartSet};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Failures that are no request's fault are borne by this many requests in ten virtual seconds
/// without progress, for each attempt that may be live.
///
/// With the default backoff (100 ms doubling, full jitter) a range that fails at once is asked
/// for 8 times in its first ten seconds on average; three dozen leave room for luck, and for the
/// ranges that wait while others are tried: one story in a million needs 25.
const FRUITLESS_IN_TEN_SECONDS: usize = 36;

/// What a new connection brings in its first round trip.
const FIRST_FLIGHT: u64 = 16 << 10;

/// Everything one run is judged by.
#[derive(Debug)]
pub(crate) struct Watch {
    plan: Option<PartPlan>,
    /// Parts that are whole: kept and not found damaged, or stored by this run.
    have: PartSet,
    /// What failed attempts have left of parts.
    prefixes: BTreeMap<u32, u64>,
    /// No request for this part before then.
    not_before: BTreeMap<u32, Micros>,
    /// Failures of a part since it last progressed: all, and violations of the protocol.
    streaks: BTreeMap<u32, (u32, u32)>,
    /// Bytes that came in for the present plan, and those of them that are recorded.
    pub(crate) received: u64,
    recorded: u64,
    /// Every body byte of the run.
    pub(crate) bytes: u64,
    pub(crate) requests: u64,
    /// Bytes and parts to be fetched when the transfer began.
    pub(crate) missing: (u64, u32),
    pub(crate) voided: (u64, u32),
    pub(crate) restarts: u32,
    /// Begun requests since the last progress.
    fruitless: VecDeque<Micros>,
    last_progress: Micros,
    /// Parts fetched once more since the whole was found wrong, if it was.
    refetched: Option<PartSet>,
    /// Parts whose slots the session knows to be false.
    false_slots: BTreeSet<u32>,
    /// The largest commit window so far.
    window: u64,
    health: Health,
    pub(crate) causes: Causes,
    pub(crate) broken: Vec<String>,
}

/// Whether anything may still be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Sound,
    /// A sync has failed: a later one may succeed without the lost data.
    Lost,
}

/// What happened in a run that may justify how it ends.
#[derive(Debug, Default)]
pub(crate) struct Causes {
    pub(crate) failures: BTreeSet<Failure>,
    pub(crate) cancelled: bool,
    /// The object is, or seemed, another one than before.
    pub(crate) changed: bool,
    pub(crate) storage: bool,
    pub(crate) truncated: bool,
    /// Local storage failed and the session knows.
    pub(crate) poisoned: bool,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self {
            plan: None,
            have: PartSet::new(0),
            prefixes: BTreeMap::new(),
            not_before: BTreeMap::new(),
            streaks: BTreeMap::new(),
            received: 0,
            recorded: 0,
            bytes: 0,
            requests: 0,
            missing: (0, 0),
            voided: (0, 0),
            restarts: 0,
            fruitless: VecDeque::new(),
            last_progress: 0,
            refetched: None,
            false_slots: BTreeSet::new(),
            window: 0,
            health: Health::Sound,
            causes: Causes::default(),
            broken: Vec::new(),
        }
    }

    fn complain(&mut self, law: String) {
        // The first few say it all.
        if self.broken.len() < 4 {
            self.broken.push(law);
        }
    }

    /// A partial file is ready; `kept` are the parts that count once they are read back.
    pub(crate) fn prepared(&mut self, now: Micros, plan: PartPlan, kept: PartSet) {
        if self.plan.is_some() {
            self.restarts += 1;
        }
        let bytes = |set: &PartSet| -> u64 {
            set.iter().filter_map(|part| plan.len_of(PartIndex::new(part))).sum()
        };
        self.missing = (plan.extent().len() - bytes(&kept), plan.count() - kept.len());
        self.plan = Some(plan);
        self.have = kept;
        self.prefixes.clear();
        self.not_before.clear();
        self.streaks.clear();
        self.received = 0;
        self.recorded = 0;
        self.progressed(now);
    }

    fn parts(&self, range: ByteRange) -> std::ops::RangeInclusive<u32> {
        let plan = self.plan.expect("prepared first");
        let first = plan.part_at(range.start()).expect("inside the extent");
        let last = plan.part_at(range.end() - 1).expect("inside the extent");
        first.get()..=last.get()
    }

    /// A request for the object's description or bytes goes out.
    fn request(&mut self, now: Micros, parallel: u32) {
        self.requests += 1;
        self.fruitless.push_back(now);
        while self.fruitless.front().is_some_and(|at| at + 10 * SECOND < now) {
            self.fruitless.pop_front();
        }
        if self.fruitless.len() > FRUITLESS_IN_TEN_SECONDS * (parallel as usize + 1) {
            let count = self.fruitless.len();
            self.complain(format!("a hot loop: {count} requests in 10 s without progress"));
        }
    }

    pub(crate) fn probe(&mut self, now: Micros, settings: &Settings) {
        self.request(now, settings.parallel);
    }

    /// Laws 3 and 6, P3 and P8 of one request; `live` are the ranges of the others.
    pub(crate) fn fetch<'a>(
        &mut self,
        now: Micros,
        range: ByteRange,
        live: impl Iterator<Item = &'a ByteRange>,
        settings: &Settings,
    ) {
        let mut others = 0;
        for other in live {
            others += 1;
            if other.intersect(range).is_some() {
                self.complain(format!("{range} is fetched twice at once"));
            }
        }
        if others >= settings.parallel {
            self.complain(format!("{} attempts at once", others + 1));
        }
        if self.causes.poisoned {
            self.complain(format!("{range} is asked for though storage has failed"));
        }
        self.request(now, settings.parallel);
        let plan = self.plan.expect("prepared first");
        for part in self.parts(range) {
            if self.have.contains(part) && !self.takes_out(part) {
                self.complain(format!("part {part} is fetched again though it is there"));
            }
            let start = plan.range(PartIndex::new(part)).expect("a part").start();
            let prefix = self.prefixes.get(&part).copied().unwrap_or(0);
            if range.start().max(start) != start + prefix {
                self.complain(format!("part {part} is not gone on with where it broke off"));
            }
            // A driver that is held up hears of a wait a little later than it begins.
            if self.not_before.remove(&part).is_some_and(|at| at > now + MILLI) {
                self.complain(format!("part {part} is asked for before its wait is over"));
            }
        }
    }

    /// Whether a part that is there may be fetched once more, the whole being wrong.
    fn takes_out(&mut self, part: u32) -> bool {
        let may = self.refetched.as_mut().is_some_and(|refetched| refetched.insert(part));
        may && self.have.remove(part)
    }

    /// Body bytes came in.
    pub(crate) fn arrived(&mut self, now: Micros, bytes: u64) {
        self.received += bytes;
        self.bytes += bytes;
        self.progressed(now);
    }

    pub(crate) fn progressed(&mut self, now: Micros) {
        self.fruitless.clear();
        self.last_progress = now;
    }

    pub(crate) fn stored(&mut self, part: PartIndex) {
        self.have.insert(part.get());
        self.prefixes.remove(&part.get());
        self.streaks.remove(&part.get());
    }

    /// An attempt ended early after `delivered` bytes of those asked for, `tail` of them in the
    /// part it was in.
    pub(crate) fn failed(
        &mut self,
        position: u64,
        failure: Failure,
        (delivered, asked): (u64, u64),
        tail: u64,
    ) {
        if failure != Failure::Aborted {
            self.causes.failures.insert(failure);
        }
        let Some(plan) = self.plan else { return };
        let Some(part) = plan.part_at(position) else { return };
        if tail > 0 {
            *self.prefixes.entry(part.get()).or_default() += tail;
        }
        let streak = self.streaks.entry(part.get()).or_default();
        // Less than a round trip brings is no progress, or a byte at a time could go on for ever.
        // What a draining session aborts keeps its history.
        if delivered >= FIRST_FLIGHT.min(asked) && failure != Failure::Aborted {
            *streak = (0, 0);
        }
        streak.0 += 1;
        streak.1 += u32::from(failure == Failure::Protocol);
    }

    /// The server asked to wait; the session says how long it will.
    pub(crate) fn retry(
        &mut self,
        now: Micros,
        part: PartIndex,
        wait: Duration,
        asked: Option<Duration>,
    ) {
        if asked.is_some_and(|asked| wait < asked) {
            self.complain(format!("waits {wait:?} though {asked:?} was asked for"));
        }
        let wait = u64::try_from(wait.as_micros()).expect("not that long");
        self.not_before.insert(part.get(), now + wait);
    }

    /// A kept part was read back and is not what its slot says.
    pub(crate) fn void(&mut self, part: PartIndex) {
        self.have.remove(part.get());
        let len = self.plan.and_then(|plan| plan.len_of(part)).unwrap_or(0);
        self.voided = (self.voided.0 + len, self.voided.1 + 1);
    }

    /// The whole was found wrong: each part may be fetched once more.
    pub(crate) fn doubt(&mut self) {
        let count = self.plan.map_or(0, |plan| plan.count());
        self.refetched = Some(PartSet::new(count));
    }

    /// The session has learnt that a slot is false.
    pub(crate) fn knows_false(&mut self, part: PartIndex) {
        self.false_slots.insert(part.get());
    }

    /// A slot was voided, durably.
    pub(crate) fn voided_durably(&mut self, part: PartIndex) {
        self.false_slots.remove(&part.get());
    }

    /// A part whose slot is known to be false and still there.
    pub(crate) fn unvoided(&self) -> Option<u32> {
        self.false_slots.first().copied()
    }

    /// A sync has failed: nothing may be recorded from now on.
    pub(crate) fn never_record(&mut self) {
        self.health = Health::Lost;
    }

    /// Slots are about to be written.
    pub(crate) fn records(&mut self) {
        if self.health == Health::Lost {
            self.complain("slots are recorded after a sync has failed".into());
        }
    }

    /// Time passed that nobody could use.
    pub(crate) fn slept(&mut self, time: Micros) {
        self.last_progress += time;
    }

    /// A slot is durable.
    pub(crate) fn recorded(&mut self, part: PartIndex) {
        self.false_slots.remove(&part.get());
        self.recorded += self.plan.and_then(|plan| plan.len_of(part)).unwrap_or(0);
    }

    /// P3: what a crash at this very moment would cost is at most four commit windows and one
    /// part an attempt.
    pub(crate) fn check_redo(&mut self, settings: &Settings, window: u64) {
        let Some(plan) = self.plan else { return };
        if settings.recording == Recording::Off {
            return;
        }
        let redo = self.received.saturating_sub(self.recorded);
        // The window in force when the bytes were asked for may have been larger.
        self.window = self.window.max(window);
        let bound = 4 * self.window + u64::from(settings.parallel) * plan.part_size();
        if redo > bound {
            self.complain(format!("a crash now costs {redo} bytes, more than {bound}"));
        }
    }

    /// P8 of a run in which nothing went wrong: every missing byte once, and no more requests
    /// than parts. Whether that could be said: not of a run that has begun again.
    pub(crate) fn check_effort(&mut self, probes: u64) -> bool {
        let bytes = self.missing.0 + self.voided.0;
        let parts = u64::from(self.missing.1 + self.voided.1);
        if self.restarts > 0 {
            return false;
        }
        if self.bytes != bytes {
            self.complain(format!("{} bytes fetched for {bytes} missing ones", self.bytes));
        }
        if self.requests - probes > parts {
            let requests = self.requests - probes;
            self.complain(format!("{requests} requests for {parts} missing parts"));
        }
        true
    }

    /// When the last of the waits is over that were announced.
    pub(crate) fn latest_wait(&self) -> Option<Micros> {
        self.not_before.values().max().copied()
    }

    /// Whether what happened is reason enough to stop for `reason`.
    pub(crate) fn justifies(&self, now: Micros, reason: &StopReason, settings: &Settings) -> bool {
        match reason {
            StopReason::Cancelled => self.causes.cancelled,
            StopReason::ProbeFailed(failure) => {
                !failure.is_transient() && self.causes.failures.contains(failure)
                    || *failure == Failure::Protocol && self.causes.failures.contains(failure)
            }
            StopReason::AttemptFailed { attempt, failure } if failure.is_transient() => {
                // Those of other parts of the attempt count here, too: it is enough that there
                // were as many.
                let (all, protocol) = self
                    .streaks
                    .range(attempt.part().get()..)
                    .fold((0, 0), |(all, protocol), (_, streak)| {
                        (all.max(streak.0), protocol.max(streak.1))
                    });
                all > settings.retries || protocol >= 3
            }
            StopReason::AttemptFailed { failure, .. } => self.causes.failures.contains(failure),
            StopReason::NoProgress(_) => now - self.last_progress >= settings.retry_max,
            StopReason::Changed(_) => self.causes.changed,
            StopReason::RangeBeyondEnd { size } => settings.extent.resolve(*size).is_none(),
            StopReason::NothingToResume => settings.resume == ResumePolicy::Require,
            StopReason::NoCrc => settings.crc == CrcPolicy::Require,
            StopReason::WrongLength => self.causes.truncated,
            StopReason::Storage => self.causes.storage,
            _ => false,
        }
    }
}

/// The integrity that a finished download must claim: not more than is known, and not less.
pub(crate) fn expected_integrity(
    plan: &PartPlan,
    identity: &ossget_core::ObjectIdentity,
    settings: &Settings,
    kept: u64,
) -> Integrity {
    if plan.extent().len() != identity.size {
        Integrity::RangeUnverified
    } else if identity.crc64.is_none() {
        Integrity::UnverifiedByServer
    } else if settings.resume_verify == ResumeVerify::Bounds && kept > 0 {
        Integrity::ResumedPartsTrusted
    } else {
        Integrity::Verified
    }
}
