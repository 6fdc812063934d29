//! What one story allows to happen, and how its downloads are configured.

use super::adapter::{
    CrcPolicy, MILLI, Micros, Mutant, OnChange, Recording, ResumePolicy, ResumeVerify, SECOND,
};
use super::catalogue::{Fault, Swarm};
use super::content::{ETag, Labels};
use super::rng::Rng;
use ossget_core::{ByteRange, ExtentRequest, PartSize};

/// The largest object OSS holds.
pub(crate) const GIANT: u64 = 48_800_000_000_000;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) parallel: u32,
    /// Where the number of attempts is to be found.
    pub(crate) parallel_at_first: Option<u32>,
    pub(crate) part_size: u64,
    pub(crate) request_bytes: u64,
    pub(crate) commit_bytes: u64,
    pub(crate) commit_interval: Micros,
    pub(crate) retries: u32,
    pub(crate) retry_max: Micros,
    pub(crate) read_timeout: Micros,
    pub(crate) recording: Recording,
    pub(crate) on_change: OnChange,
    pub(crate) resume: ResumePolicy,
    pub(crate) resume_verify: ResumeVerify,
    pub(crate) crc: CrcPolicy,
    pub(crate) clobber: Clobber,
    pub(crate) durability: Durability,
    pub(crate) extent: ExtentRequest,
    /// Bytes that arrive at once, and the most time between two such arrivals.
    pub(crate) chunk: u64,
    pub(crate) chunk_delay: Micros,
    pub(crate) round_trip: Micros,
    pub(crate) swarm: Swarm,
    /// Requests in a hundred that meet a fault of their own.
    pub(crate) percent: u64,
    pub(crate) credentials: Credentials,
    pub(crate) order: Order,
    pub(crate) cancels: bool,
    pub(crate) mutant: Option<Broken>,
    pub(crate) watching: Watching,
}

/// Whether laws are watched at every step, or only what becomes of files: that each mutant does
/// harm, too, not only something forbidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watching {
    Laws,
    Files,
}

/// Whether an existing destination may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clobber {
    Replace,
    Refuse,
}

/// What a download survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    Full,
    Process,
}

/// Where credentials come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// A provider that has new ones when the old ones expire.
    Renewed,
    Static,
}

/// Whether the order of writes and syncs is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Kept,
    /// Syncs while bytes move return success and do nothing.
    Ignored,
}

/// What is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Session(Mutant),
    UnkeyedSlots,
}

/// Faults of single requests.
pub(crate) const OF_REQUESTS: &[Fault] = &[
    Fault::CutInStatusLine,
    Fault::CutInHeader,
    Fault::CutBeforeBody,
    Fault::CutAfterOneByte,
    Fault::CutInBody,
    Fault::DeadIdleConnection,
    Fault::Stall,
    Fault::Trickle,
    Fault::ShortBody,
    Fault::LongRange,
    Fault::FlippedBit,
    Fault::Misrouted,
    Fault::RangeIgnored,
    Fault::NoContentRange,
    Fault::WrongContentRange,
    Fault::ShorterRange,
    Fault::OtherETag,
    Fault::Unsatisfiable,
    Fault::RetryAfter,
    Fault::Throttled,
    Fault::ServerError,
];

/// Faults that begin at a moment, most of them for a while.
pub(crate) const OF_MOMENTS: &[Fault] = &[
    Fault::Outage,
    Fault::Collapse,
    Fault::Suspend,
    Fault::Overwritten,
    Fault::Deleted,
    Fault::Forbidden,
    Fault::Throttled,
    Fault::ExpiredToken,
    Fault::ClockStep,
    Fault::Appended,
    Fault::DiskFull,
    Fault::WriteError,
    Fault::SyncError,
    Fault::SlowSync,
    Fault::DestinationMeddled,
    Fault::PartialUnlinked,
    Fault::PartialTruncated,
    Fault::SecondProcess,
    Fault::LostFlush,
    Fault::Bait,
];

/// The object of a story before anything happens to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    pub(crate) size: u64,
    pub(crate) labels: Labels,
}

impl Settings {
    pub(crate) fn draw(rng: &mut Rng) -> (Self, Subject) {
        let swarm = Swarm::draw(rng);
        let giant = swarm.has(Fault::Giant) && rng.chance(6);
        let part_size = match rng.below(8) {
            _ if giant => PartSize::MAX.bytes(),
            0 => 102_400 + rng.below(100_000),
            1 => 1 << 20,
            2 => 5 << 20,
            _ => [102_400, 102_401, 131_072, 200_003][rng.below(4) as usize],
        };
        let parts = match rng.below(10) {
            0 => rng.below(3),
            1..=6 => 1 + rng.below(30),
            7 | 8 => 1 + rng.below(80),
            _ => rng.below(201),
        };
        let odd = if rng.chance(70) { rng.below(part_size) } else { 0 };
        let size = if giant { GIANT } else { (parts * part_size).saturating_sub(odd) };
        let labels = Labels {
            etag: [ETag::Strong, ETag::Weak, ETag::None][[0, 0, 0, 0, 1, 2][rng.below(6) as usize]],
            crc: rng.chance(75),
        };
        let extent = Self::draw_extent(rng, size);
        let durability = if rng.chance(12) { Durability::Process } else { Durability::Full };
        let mut settings = Self {
            parallel: 1,
            parallel_at_first: None,
            part_size,
            request_bytes: part_size,
            commit_bytes: part_size,
            commit_interval: SECOND,
            retries: 10,
            retry_max: 600 * SECOND,
            read_timeout: 20 * SECOND,
            recording: Recording::On,
            on_change: if rng.chance(80) { OnChange::Restart } else { OnChange::Fail },
            resume: if rng.chance(94) { ResumePolicy::Auto } else { ResumePolicy::Require },
            resume_verify: ResumeVerify::Full,
            crc: if rng.chance(90) { CrcPolicy::Accept } else { CrcPolicy::Require },
            clobber: if rng.chance(92) { Clobber::Replace } else { Clobber::Refuse },
            durability,
            extent,
            chunk: if giant { 3 * part_size } else { part_size },
            chunk_delay: MILLI,
            round_trip: MILLI,
            swarm: swarm.without(&Self::beyond_contract(labels, extent, durability)),
            percent: [1, 5, 20, 60][rng.below(4) as usize],
            credentials: if rng.chance(60) { Credentials::Renewed } else { Credentials::Static },
            order: Order::Kept,
            cancels: rng.chance(10),
            mutant: None,
            watching: Watching::Laws,
        };
        settings.swarm.set(Fault::Giant, giant);
        settings.vary(rng);
        (settings, Subject { size, labels })
    }

    fn draw_extent(rng: &mut Rng, size: u64) -> ExtentRequest {
        let at = rng.below(size + size / 8 + 2);
        match rng.below(30) {
            0 => ExtentRequest::From(at),
            1 => ExtentRequest::Last(1 + at),
            2 | 3 => {
                let end = at + 1 + rng.below(size + 1);
                ExtentRequest::Slice(ByteRange::new(at, end).expect("in order"))
            }
            _ => ExtentRequest::Whole,
        }
    }

    /// What nobody promises to withstand with such an object or such options.
    fn beyond_contract(
        labels: Labels,
        extent: ExtentRequest,
        durability: Durability,
    ) -> Vec<Fault> {
        let mut out = Vec::new();
        // Wrong bytes of the right length are seen by the whole object's CRC alone.
        if !labels.crc || extent != ExtentRequest::Whole {
            out.extend([Fault::FlippedBit, Fault::Misrouted]);
        }
        // With neither ETag nor CRC two contents of one length cannot be told apart.
        if !labels.crc && labels.etag == ETag::None {
            out.extend([Fault::Overwritten, Fault::Appended, Fault::OtherETag]);
        }
        if labels.etag == ETag::None {
            out.push(Fault::OtherETag);
        }
        if durability == Durability::Process {
            out.extend([Fault::PowerCut, Fault::LostFlush, Fault::SyncError, Fault::SlowSync]);
        }
        out
    }

    /// Limits that may differ from run to run.
    pub(crate) fn vary(&mut self, rng: &mut Rng) {
        let part = self.part_size;
        self.parallel = 1 + rng.below(8) as u32;
        let first = 1 + rng.below(u64::from(self.parallel)) as u32;
        self.parallel_at_first = rng.chance(50).then_some(first);
        self.request_bytes = (1 + rng.below(8)) * part;
        self.commit_bytes = (1 + rng.below(6)) * part;
        self.commit_interval = [100, 500, 1000][rng.below(3) as usize] * MILLI;
        self.retries = [2, 10][rng.below(2) as usize];
        self.retry_max = [30, 600][rng.below(2) as usize] * SECOND;
        self.recording = if rng.chance(94) { Recording::On } else { Recording::Off };
        let fraction = [1, 1, 2, 3, 7][rng.below(5) as usize];
        let giant = self.swarm.has(Fault::Giant);
        self.chunk = if giant { 3 * part } else { (part / fraction).max(40_000) + rng.below(2) };
        self.chunk_delay = [1, 10, 60, 300][rng.below(4) as usize] * MILLI;
        self.round_trip = [1, 20, 80][rng.below(3) as usize] * MILLI;
    }

    /// What a user asks for who wants to have the file in the end.
    pub(crate) const fn willing(mut self) -> Self {
        self.on_change = OnChange::Restart;
        self.resume = ResumePolicy::Auto;
        self.crc = CrcPolicy::Accept;
        self.clobber = Clobber::Replace;
        self.cancels = false;
        self
    }

    pub(crate) fn allows(&self, fault: Fault) -> bool {
        self.swarm.has(fault)
    }
}
