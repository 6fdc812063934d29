//! Telling the outside how the download goes.

use crate::download::Observer;
use crate::{DownloadEvent, DownloadHandle, ErrorKind, Phase, Progress};
use ossget_core::ByteRange;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

/// Observers hear of progress at most so often: often enough to look smooth.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Tells an observer, if there is one, and keeps the handle up to date.
pub(super) struct Teller {
    observer: Option<Observer>,
    handle: DownloadHandle,
    /// The progress last told of, and when.
    last_progress: Option<(Instant, Progress)>,
    /// Whether there has been progress since.
    behind: bool,
    /// What was last logged: the commit window and the limit of live attempts.
    logged: Option<(u64, u32)>,
    /// Bytes of earlier runs that are being checked, until the outcome is known.
    checking: u64,
    /// What has been warned of.
    warned: Vec<String>,
}

impl Teller {
    pub(super) const fn new(observer: Option<Observer>, handle: DownloadHandle) -> Self {
        Self {
            observer,
            handle,
            last_progress: None,
            behind: false,
            logged: None,
            checking: 0,
            warned: Vec::new(),
        }
    }

    /// Gives up who is told, for a telling that begins anew.
    pub(super) fn into_observer(self) -> Option<Observer> {
        self.observer
    }

    pub(super) fn warn(&mut self, message: String) {
        self.tell(&DownloadEvent::Warning { message });
    }

    /// Warns of what has not been warned of yet.
    pub(super) fn warn_once(&mut self, messages: impl IntoIterator<Item = String>) {
        for message in messages {
            if !self.warned.contains(&message) {
                self.warned.push(message.clone());
                self.warn(message);
            }
        }
    }

    pub(super) fn started(
        &mut self,
        destination: PathBuf,
        part_size: u64,
        parallel: u32,
        progress: ossget_core::session::Progress,
    ) {
        self.tell(&DownloadEvent::Started {
            destination,
            bytes_total: progress.bytes_total,
            bytes_resumed: progress.bytes_unchecked + progress.bytes_kept,
            part_size,
            parallel,
        });
        self.last_progress = None;
        self.checking = progress.bytes_unchecked + progress.bytes_kept;
    }

    pub(super) fn probe_failed(&mut self, kind: ErrorKind, reason: String) {
        self.tell(&DownloadEvent::ProbeFailed { kind, reason });
    }

    pub(super) fn doubt(&mut self, expected: u64, found: u64) {
        self.warn(format!(
            "the bytes have CRC-64 {found}, the server says {expected}: reading or fetching parts \
             again to find the wrong one"
        ));
    }

    pub(super) fn retry(
        &mut self,
        (range, attempt): (ByteRange, u32),
        delay: Duration,
        (kind, reason): (ErrorKind, String),
    ) {
        self.tell(&DownloadEvent::Retry { range, attempt, kind, reason, delay });
    }

    /// Progress, when it is time to hear of it again.
    pub(super) fn progress(&mut self, inner: ossget_core::session::Progress) {
        let progress = Progress { inner };
        self.handle.publish(progress);
        self.log(progress);
        self.tell_lost(inner);
        let now = Instant::now();
        let (at, told) = self.last_progress.unzip();
        self.behind = told != Some(progress);
        if self.behind && at.is_none_or(|at| now - at >= PROGRESS_INTERVAL) {
            self.last_progress = Some((now, progress));
            self.behind = false;
            self.tell(&DownloadEvent::Progress(progress));
        }
    }

    /// When to call [`Teller::progress`] even if nothing else happens: what happened last must
    /// not stay untold until something happens again.
    pub(super) fn due(&self) -> Option<Instant> {
        let (at, _) = self.last_progress.filter(|_| self.behind)?;
        Some(at + PROGRESS_INTERVAL)
    }

    /// Logs what the disk and the service have made of the settings, when that changes.
    fn log(&mut self, progress: Progress) {
        let now = (progress.commit_window(), progress.limit());
        if progress.phase() == Phase::Transferring && self.logged != Some(now) {
            self.logged = Some(now);
            tracing::info!(commit_window = now.0, connections = now.1, "in force");
        }
    }

    /// Says once, when everything that was kept has been checked, how much of it is no good.
    fn tell_lost(&mut self, inner: ossget_core::session::Progress) {
        let moving =
            matches!(inner.phase, Phase::Transferring | Phase::Verifying | Phase::Publishing);
        if self.checking == 0 || !moving || inner.bytes_unchecked > 0 {
            return;
        }
        let bytes = std::mem::take(&mut self.checking).saturating_sub(inner.bytes_kept);
        if bytes > 0 {
            self.tell(&DownloadEvent::Lost { bytes });
        }
    }

    /// The last word.
    pub(super) fn finished(&mut self, inner: ossget_core::session::Progress) {
        let progress = Progress { inner };
        self.handle.publish(progress);
        self.tell(&DownloadEvent::Progress(progress));
    }

    fn tell(&mut self, event: &DownloadEvent) {
        if let Some(observer) = &mut self.observer {
            observer(event);
        }
    }
}
