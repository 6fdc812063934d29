//! What a session is asked to do.

use crate::{Backoff, ExtentRequest, PartSize};
use core::num::NonZeroU32;
use core::time::Duration;

/// What a session is asked to do. [`SessionConfig::new`] gives the documented defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionConfig {
    /// Most attempts live at once.
    pub parallel: NonZeroU32,
    /// Attempts live at first where the number that pays is to be found by trial, up to
    /// [`parallel`](Self::parallel); `None` for all from the start.
    pub parallel_at_first: Option<NonZeroU32>,
    /// The part size, or `None` to choose one from the object's size.
    pub part_size: Option<PartSize>,
    /// Which bytes of the object are wanted.
    pub extent: ExtentRequest,
    /// Attempts of one range that may fail without progress while other attempts progress.
    pub retries: u32,
    /// How long the whole run may go on without any progress.
    pub retry_max_time: Duration,
    /// How long a body may stay silent before its attempt is given up.
    pub read_timeout: Duration,
    /// How long a probe or an attempt may go without any answer. A backstop for sources without
    /// timeouts of their own.
    pub answer_timeout: Duration,
    /// An attempt below this rate for [`low_speed_time`](Self::low_speed_time) is replaced if its
    /// peers are ten times faster. Whatever its rate, one is also replaced that is ten times
    /// slower for 2 s, or half as fast for 0.5 s once nothing is left to begin. 0 turns all of
    /// this off.
    pub low_speed_bytes_per_second: u64,
    /// See [`low_speed_bytes_per_second`](Self::low_speed_bytes_per_second).
    pub low_speed_time: Duration,
    /// Waiting times between attempts.
    pub backoff: Backoff,
    /// Most bytes asked for by one request; a single part may be larger.
    pub request_bytes: u64,
    /// Commit once so many bytes are stored and not yet recorded; up to eight times as many on
    /// disks whose syncs are slow.
    pub commit_bytes: u64,
    /// Commit once the oldest stored part has waited this long; up to 5 s where syncs are slow.
    pub commit_interval: Duration,
    /// Never begin two commits closer together than this, unless an attempt waits for a full window
    /// to be recorded.
    pub commit_gap: Duration,
    /// Whether finished parts are recorded in a checkpoint at all.
    pub recording: Recording,
    /// What to do when the object changes under the download.
    pub on_change: OnChange,
    /// Whether there must be something to resume.
    pub resume: ResumePolicy,
    /// How far kept parts are checked before they count.
    pub resume_verify: ResumeVerify,
    /// Whether an object without a CRC is acceptable.
    pub crc: CrcPolicy,
    /// Seed of the jitter, the only randomness a session has.
    pub jitter_seed: u64,
    /// A deliberately broken protocol variant, for the simulation to catch.
    #[cfg(feature = "mutants")]
    pub mutant: Option<super::Mutant>,
}

/// Whether finished parts are recorded in a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recording {
    /// Parts are recorded after the sync that covers them.
    On,
    /// Nothing is recorded; an interrupted run starts over.
    Off,
}

/// What to do when the object changes under the download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnChange {
    /// Discard what is there and start over, once.
    Restart,
    /// Stop.
    Fail,
}

/// Whether there must be something to resume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResumePolicy {
    /// Resume what can be resumed, otherwise start over.
    Auto,
    /// Stop unless an earlier run can be resumed.
    Require,
}

/// How far kept parts are checked before they count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResumeVerify {
    /// Every kept part is read back and hashed.
    Full,
    /// Recorded CRCs are trusted as long as the file has the right identity and length.
    Bounds,
}

/// Whether an object without a CRC is acceptable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrcPolicy {
    /// Without a server value the result is flagged as unverified.
    Accept,
    /// Without a server value the session stops after the probe.
    Require,
}

impl SessionConfig {
    /// The defaults: whole object, automatic part size, 10 attempts without progress, 10 minutes
    /// without any progress at all, 20 s of silence, 10 KiB/s for 30 s; commits every 64 MiB or 1 s, at least
    /// 100 ms apart unless an attempt waits for one (measured: at 64 MiB the syncs cost nothing, per part
    /// they cost half).
    #[must_use]
    pub fn new(parallel: NonZeroU32, jitter_seed: u64) -> Self {
        Self {
            parallel,
            parallel_at_first: None,
            part_size: None,
            extent: ExtentRequest::Whole,
            retries: 10,
            retry_max_time: Duration::from_secs(600),
            read_timeout: Duration::from_secs(20),
            answer_timeout: Duration::from_secs(120),
            low_speed_bytes_per_second: 10 << 10,
            low_speed_time: Duration::from_secs(30),
            backoff: Backoff::default(),
            request_bytes: 64 << 20,
            commit_bytes: 64 << 20,
            commit_interval: Duration::from_secs(1),
            commit_gap: Duration::from_millis(100),
            recording: Recording::On,
            on_change: OnChange::Restart,
            resume: ResumePolicy::Auto,
            resume_verify: ResumeVerify::Full,
            crc: CrcPolicy::Accept,
            jitter_seed,
            #[cfg(feature = "mutants")]
            mutant: None,
        }
    }
}
