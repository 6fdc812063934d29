//! How a download ends: what is cleaned up, and which error a stop becomes.

use super::storage::Trust;
use super::{Driver, blocking, cancelled};
use crate::error::{MAX_MESSAGE, printable};
use crate::source::{SourceError, kind_of};
use crate::{Completion, Downloaded, Error, ErrorKind, Integrity};
use ossget_core::session::{self, Outcome, Remains, ResumeVerify, StopReason};
use ossget_core::{ByteRange, Failure};
use ossget_fs::FsError;
use std::error::Error as _;
use std::sync::atomic::Ordering;

/// The errors behind what the session was told, until it is known which of them matters.
#[derive(Debug, Default)]
pub(super) struct Failures {
    source: Option<SourceError>,
    range: Option<ByteRange>,
    storage: Option<FsError>,
}

impl Failures {
    /// Remembers the latest failure of the source.
    pub(super) fn source(&mut self, error: SourceError) {
        self.source = Some(error);
    }

    /// Remembers which range failed last.
    pub(super) const fn range(&mut self, range: ByteRange) {
        self.range = Some(range);
    }

    /// Remembers the first failure of local storage: later ones follow from it.
    pub(super) fn storage(&mut self, error: FsError) {
        self.storage.get_or_insert(error);
    }

    /// What to say about a failure that is tried again.
    pub(super) fn latest(&self, failure: Failure) -> (ErrorKind, String) {
        match &self.source {
            Some(error) if error.failure() == failure => (error.kind(), in_full(error)),
            _ => (kind_of(failure), failure.to_string()),
        }
    }

    fn take_source(&mut self, failure: Failure) -> Error {
        match self.source.take() {
            Some(error) if error.failure() == failure => Error::from(error),
            _ => Error::new(kind_of(failure), failure.to_string()),
        }
    }
}

/// An error with its causes, in one line: the outermost alone says little about what to mend.
pub(super) fn in_full(error: &SourceError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    printable(text, MAX_MESSAGE).into_owned()
}

impl Driver {
    /// Cleans up and says how it ended.
    pub(super) async fn finish(mut self, outcome: Outcome) -> Result<Downloaded, Error> {
        self.tasks.abort_all();
        // Kept parts need not be read back any more; as long as they are, the lock is held.
        self.storage.stop.store(true, Ordering::Relaxed);
        while self.tasks.join_next().await.is_some() {}
        self.teller.finished(self.session.progress());
        match outcome {
            Outcome::Done { crc64, integrity } => {
                self.clean_up().await;
                Ok(self.downloaded(Completion::Published, crc64, integrity))
            }
            Outcome::AlreadyThere { crc64, integrity } => match self.there {
                Some(found)
                    if self.options.checksum.is_some() && found.checksum_matches != Some(true) =>
                {
                    Err(self.stopped(StopReason::WrongDigest))
                }
                _ => Ok(self.downloaded(Completion::AlreadyThere, crc64, integrity)),
            },
            Outcome::Stopped { reason, remains } => Err(self.leave(reason, remains).await),
        }
    }

    /// Removes what a finished download needs no more.
    async fn clean_up(&mut self) {
        let (storage, left) = (self.storage.clone(), self.left.clone());
        let open = self.open.take();
        let as_bound = open.as_ref().is_some_and(|it| it.prepared.trust == Trust::AsBound);
        if let Some(open) = open {
            open.close().await;
        }
        let cleaned = blocking(move || storage.clean_up(&left).map_err(Error::storage)).await;
        if let Err(error) = cleaned {
            self.teller.warn(format!("the checkpoint could not be removed: {error}"));
        }
        // Also where nothing of the server's could have confirmed them.
        let trusted = self.options.resume_verify == ResumeVerify::Bounds && as_bound;
        if trusted && self.session.progress().bytes_kept > 0 {
            self.teller.warn("what was kept from earlier runs was not read back".to_owned());
        }
    }

    /// Leaves what can be resumed and removes what cannot, and says how it ended.
    async fn leave(&mut self, reason: StopReason, remains: Remains) -> Error {
        let (storage, open) = (self.storage.clone(), self.open.take());
        let begun = open.is_some() || self.left.checkpoint.is_some();
        // Nothing that was kept is a part of the object as it is now.
        let changed = matches!(reason, StopReason::Changed(_));
        let resumable =
            remains == Remains::Keep && begun && !changed && self.storage.is_recording();
        let published = self.publishing;
        let prepared = match open {
            Some(open) => Some(open.close().await),
            None => None,
        };
        let cleaned = blocking(move || {
            let prepared = prepared.as_ref();
            let name = prepared.map(|it| &*it.name);
            match remains {
                // The complete file that could not be published: the error names it.
                Remains::Keep if published => Ok(()),
                Remains::Keep => storage.leave(name),
                Remains::Discard => storage.discard(name),
            }
            .map_err(Error::storage)?;
            // A file that somebody removed meanwhile is nothing to go on from.
            Ok(prepared.is_none_or(|prepared| prepared.partial.check().is_ok()))
        })
        .await;
        let there = cleaned.unwrap_or_else(|error| {
            self.teller.warn(format!("what cannot be resumed remains: {error}"));
            true
        });
        let error = self.stopped(reason);
        if resumable && there { error.resumable() } else { error }
    }

    fn downloaded(
        &self,
        completion: Completion,
        crc64: u64,
        integrity: session::Integrity,
    ) -> Downloaded {
        let progress = self.session.progress();
        let integrity = Integrity::from(integrity);
        let integrity = match self.options.checksum {
            Some(_) => integrity.with_checksum(),
            None => integrity,
        };
        let bytes = progress.bytes_total.or_else(|| self.identity.as_ref().map(|i| i.size));
        Downloaded {
            destination: self.storage.lock.canonical_destination(),
            completion,
            bytes: bytes.unwrap_or_default(),
            fetched_bytes: progress.bytes_received,
            resumed_bytes: progress.bytes_kept,
            requests: self.requests,
            attempts_failed: progress.attempts_failed,
            etag: self.identity.as_ref().and_then(|identity| identity.etag.clone()),
            crc64,
            integrity,
            elapsed: self.origin.elapsed(),
        }
    }

    /// An error with what it took to get there.
    fn with_attempts(&self, error: Error) -> Error {
        let failed = self.session.progress().attempts_failed;
        let error = error.with_attempts(u32::try_from(failed).unwrap_or(u32::MAX));
        match self.failures.range {
            Some(range) => error.with_range(range),
            None => error,
        }
    }

    fn stopped(&mut self, reason: StopReason) -> Error {
        match reason {
            StopReason::Cancelled => cancelled(),
            StopReason::ProbeFailed(failure) => self.failures.take_source(failure),
            StopReason::AttemptFailed { failure, .. } => {
                let error = self.failures.take_source(failure);
                self.with_attempts(error)
            }
            StopReason::NoProgress(failure) => {
                let cause = self.failures.take_source(failure);
                let kind = cause.kind();
                let time = self.options.retry_max_time;
                let error = Error::new(kind, format!("nothing moved for {time:?}")).because(cause);
                self.with_attempts(error)
            }
            StopReason::Changed(field) => {
                let what = field.map_or_else(String::new, |field| format!(" ({field})"));
                Error::new(ErrorKind::Changed, format!("the object changed{what}"))
            }
            StopReason::RangeBeyondEnd { size } => Error::new(
                ErrorKind::RangeBeyondEnd,
                format!("the range begins beyond the end of the object, which has {size} bytes"),
            ),
            StopReason::NothingToResume => Error::new(
                ErrorKind::Refused,
                "there is nothing to resume, and resuming was required",
            )
            .with_hint("start from the beginning by not requiring it"),
            StopReason::NoCrc => {
                Error::new(ErrorKind::Integrity, "the server gives no CRC-64, and one was required")
                    .with_hint("give a digest that is known from elsewhere, or do not require it")
            }
            StopReason::CrcMismatch { expected, found } => Error::new(
                ErrorKind::Integrity,
                format!("the bytes have CRC-64 {found}, the server says {expected}"),
            ),
            StopReason::WrongDigest => {
                Error::new(ErrorKind::Integrity, "the bytes do not match the given digest")
            }
            StopReason::WrongLength => Error::new(
                ErrorKind::Storage,
                "somebody changed the length of the partial file during the download",
            ),
            _ => match self.failures.storage.take() {
                Some(error) => Error::storage(error),
                None => Error::new(ErrorKind::Internal, "the download stopped without a reason"),
            },
        }
    }
}
