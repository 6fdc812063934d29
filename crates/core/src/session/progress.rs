//! A snapshot of how far a session is.

/// A snapshot of how far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// What the session is doing.
    pub phase: Phase,
    /// Bytes written or kept and checked. Never falls unless the object changed.
    pub bytes_done: u64,
    /// Bytes in all, or `None` before the probe.
    pub bytes_total: Option<u64>,
    /// Kept bytes of earlier runs that have been checked.
    pub bytes_kept: u64,
    /// Kept bytes of earlier runs that are still to be checked.
    pub bytes_unchecked: u64,
    /// Body bytes received in this run.
    pub bytes_received: u64,
    /// Bytes recorded in the checkpoint, kept ones included.
    pub bytes_recorded: u64,
    /// Commit once so many bytes are stored and not yet recorded: the window in force, which grows
    /// on disks that sync slowly.
    pub commit_bytes: u64,
    /// Attempts now live.
    pub live: u32,
    /// Attempts that may be live: fewer than configured while the service throttles.
    pub limit: u32,
    /// Attempts that failed in this run.
    pub attempts_failed: u64,
    /// How often the download started over because the object changed.
    pub restarts: u32,
}

impl Progress {
    /// Nothing done yet.
    #[must_use]
    pub const fn new(phase: Phase) -> Self {
        Self {
            phase,
            bytes_done: 0,
            bytes_total: None,
            bytes_kept: 0,
            bytes_unchecked: 0,
            bytes_received: 0,
            bytes_recorded: 0,
            commit_bytes: 0,
            live: 0,
            limit: 0,
            attempts_failed: 0,
            restarts: 0,
        }
    }
}

/// What a session is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Learning which object this is.
    Probing,
    /// Making the partial file ready.
    Preparing,
    /// Fetching, checking and recording.
    Transferring,
    /// Waiting for what is under way, to stop or to start over.
    Draining,
    /// Examining the finished file.
    Verifying,
    /// Publishing.
    Publishing,
    /// Over.
    Finished,
}
