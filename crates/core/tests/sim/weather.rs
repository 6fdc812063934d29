//! What comes and goes with time: outages, throttling, a full disk, other people.

use super::adapter::{Event, Micros, SECOND, limit_changed};
use super::catalogue::Fault;
use super::process::{End, Process};
use super::rng::Rng;
use super::settings::{Credentials, OF_MOMENTS, Settings};
use super::storage::CHECKPOINT;
use std::collections::BTreeMap;

const HOUR: Micros = 3600 * SECOND;
/// OSS refuses requests signed further off than this.
const SKEW_LIMIT: i64 = 900;
/// No correction of the clock larger than this is believed, nor one as small as the other.
const MOST_CORRECTION: i64 = 86_400;
const LEAST_CORRECTION: i64 = 300;

/// The conditions of one run.
#[derive(Debug, Default)]
pub(crate) struct Weather {
    /// What is still to come, the next at the end.
    ahead: Vec<(Micros, Fault)>,
    /// What lasts, and until when.
    lasting: BTreeMap<Fault, Micros>,
    pub(crate) token: Token,
    /// Seconds that this machine's clock is ahead, and what the source corrects it by.
    pub(crate) clock_ahead: i64,
    correction: i64,
    /// The next write, the next sync fails.
    pub(crate) write_error: bool,
    pub(crate) sync_error: bool,
    /// The finished file will be cut short.
    pub(crate) truncation: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Token {
    #[default]
    Valid,
    Expired,
}

/// Whether a signature is accepted.
pub(crate) enum Signed {
    Accepted,
    /// After one more round trip, with what was renewed.
    Renewed,
    ExpiredToken,
    ClockSkew,
}

impl Weather {
    /// Draws what will happen within `horizon`.
    pub(crate) fn draw(rng: &mut Rng, settings: &Settings, horizon: Micros) -> Self {
        let mut weather = Self::default();
        for &fault in OF_MOMENTS {
            if settings.allows(fault) && rng.chance(60) {
                // A flush is ignored early, so that something comes after it.
                let horizon = if fault == Fault::LostFlush { horizon / 4 } else { horizon };
                weather.ahead.push((rng.below(horizon), fault));
            }
        }
        weather.ahead.sort_unstable_by(|a, b| b.cmp(a));
        if settings.allows(Fault::WrongClock) {
            let hours = [1, -3, 20, 30][rng.below(4) as usize];
            weather.clock_ahead = hours * 3600;
        }
        weather
    }

    pub(crate) fn next(&self) -> Option<Micros> {
        self.ahead.last().map(|(at, _)| *at)
    }

    pub(crate) fn take_next(&mut self) -> Option<Fault> {
        self.ahead.pop().map(|(_, fault)| fault)
    }

    pub(crate) fn is(&self, fault: Fault, now: Micros) -> bool {
        self.lasting.get(&fault).is_some_and(|until| *until > now)
    }

    /// Whether this has begun in this run, over or not.
    pub(crate) fn has_been(&self, fault: Fault) -> bool {
        self.lasting.contains_key(&fault)
    }

    fn begin(&mut self, fault: Fault, until: Micros) {
        self.lasting.insert(fault, until);
    }

    /// Everything is well from now on.
    pub(crate) fn clear(&mut self) {
        let correction = self.correction;
        *self = Self { correction, ..Self::default() };
    }

    /// How the service takes a request that is signed now.
    pub(crate) fn sign(&mut self, credentials: Credentials) -> Signed {
        let mut renewed = false;
        if (self.clock_ahead + self.correction).abs() > SKEW_LIMIT {
            let wanted = -self.clock_ahead;
            let moved = (wanted - self.correction).abs();
            if wanted.abs() > MOST_CORRECTION || moved <= LEAST_CORRECTION {
                return Signed::ClockSkew;
            }
            self.correction = wanted;
            renewed = true;
        }
        if self.token == Token::Expired {
            if credentials == Credentials::Static {
                return Signed::ExpiredToken;
            }
            self.token = Token::Valid;
            renewed = true;
        }
        if renewed { Signed::Renewed } else { Signed::Accepted }
    }
}

impl Process<'_> {
    /// Something begins.
    pub(crate) fn turn(&mut self, fault: Fault) -> Vec<Event> {
        let short = self.now + self.rng.below(20 * SECOND);
        let long = self.now + self.rng.below(180 * SECOND);
        match fault {
            Fault::Outage => self.outage(),
            Fault::Suspend => self.suspend(),
            Fault::Collapse | Fault::Throttled => self.weather.begin(fault, short),
            Fault::Bait | Fault::Deleted | Fault::Forbidden => self.weather.begin(fault, short),
            Fault::SlowSync | Fault::LostFlush => self.weather.begin(fault, long),
            Fault::Overwritten => {
                self.world.replace(self.rng);
                self.world.last_change = fault;
            }
            Fault::Appended => {
                self.world.append(self.rng);
                self.world.last_change = fault;
            }
            Fault::ExpiredToken => self.weather.token = Token::Expired,
            Fault::ClockStep => {
                self.weather.clock_ahead += [-7200, -600, 600, 7200][self.rng.below(4) as usize];
                self.world.hits.count(fault);
            }
            Fault::DiskFull => self.world.disk_full = true,
            Fault::WriteError => self.weather.write_error = true,
            Fault::SyncError => self.weather.sync_error = true,
            Fault::PartialTruncated => self.weather.truncation = true,
            Fault::DestinationMeddled => self.world.meddle_with_destination(self.rng),
            Fault::PartialUnlinked => self.unlink_partial(),
            Fault::SecondProcess => self.second_process(),
            _ => unreachable!("{fault:?} does not come with the weather"),
        }
        if fault == Fault::Throttled && self.rng.chance(30) {
            let parallel = 1 + self.rng.below(u64::from(self.settings.parallel)) as u32;
            return vec![limit_changed(parallel)];
        }
        Vec::new()
    }

    fn outage(&mut self) {
        let lasts = match self.rng.below(10) {
            0 => 700 * SECOND,
            1..=3 => self.rng.below(120 * SECOND),
            _ => self.rng.below(10 * SECOND),
        };
        self.weather.begin(Fault::Outage, self.now + lasts);
        if !self.live.is_empty() {
            self.world.hits.count(Fault::Outage);
        }
        self.cut_all();
    }

    /// The machine sleeps, or the process is stopped: time jumps, unless the clock that runs the
    /// timers sleeps, too. The connections do not survive it.
    fn suspend(&mut self) {
        if !self.live.is_empty() {
            self.world.hits.count(Fault::Suspend);
        }
        if self.rng.chance(60) {
            self.now += HOUR;
            self.watch.slept(HOUR);
            if self.rng.chance(50) {
                self.cut_all();
                return;
            }
        }
        for exchange in self.live.values_mut() {
            exchange.fall_silent();
        }
    }

    fn unlink_partial(&mut self) {
        if let Some(opened) = &self.store.opened {
            let name = opened.name.clone();
            if self.world.disk.names.contains_key(&name) {
                self.world.disk.uproot(&name);
                self.world.hits.count(Fault::PartialUnlinked);
                self.watch.causes.storage = true;
            }
        }
    }

    /// Somebody starts the same download again while this one runs: turned away, and nothing is
    /// touched.
    fn second_process(&mut self) {
        let (fuse, changes) = (self.world.disk.fuse.take(), self.world.disk.changes);
        let settings = self.settings;
        // Gone as soon as the first one has found the object there already: the second is alone
        // with whatever it finds then, and ends as it may.
        let disk = &self.world.disk;
        let is_locked = disk.locked.is_some() && disk.names.get(CHECKPOINT) == disk.locked.as_ref();
        let end = Process::new(self.world, self.rng, settings, None).run();
        self.world.hits.count(Fault::SecondProcess);
        self.world.disk.fuse = fuse;
        let turned_away = matches!(end, End::Locked) && self.world.disk.changes == changes;
        if is_locked && !turned_away {
            self.watch.broken.push(format!("a second process is not turned away: {end:?}"));
        }
    }
}
