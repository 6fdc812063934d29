//! A download of what the service makes of an object.
//!
//! It comes in one answer, of a length that may not be known before its end: nothing of it is
//! fetched in parallel, recorded or resumed. It is written, synced and published as all files are.

use super::begun::Begun;
use super::ending::in_full;
use super::hash::{Examined, examine};
use super::{blocking, broken, cancelled};
use crate::checksum::Checksum;
use crate::download::Download;
use crate::options::Resume;
use crate::patience::Patience;
use crate::processing::Answer;
use crate::source::SourceError;
use crate::{
    Completion, CrcPolicy, DownloadHandle, Downloaded, Error, ErrorKind, ExtentRequest, Integrity,
};
use crc_fast::{CrcAlgorithm, Digest};
use ossget_core::ByteRange;
use ossget_core::session::{Phase, Progress};
use ossget_fs::{FsError, PartialFile};
use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

/// Runs such a download to its end.
pub(super) async fn run(mut download: Download, style: String) -> Result<Downloaded, Error> {
    let options = &mut download.options;
    refuse_what_needs_the_object(options.extent, options.crc, options.resume)?;
    options.resume = Resume::Off;
    let handle = download.handle.clone();
    let mut processing = Processing::new(Begun::new(download).await?, style);
    let fetched = tokio::select! {
        biased;
        () = handle.cancelled() => Err(cancelled()),
        fetched = processing.fetch() => fetched,
    };
    match fetched {
        Ok(()) => processing.publish(&handle).await,
        Err(error) => Err(processing.give_up(error).await),
    }
}

/// What can be promised of an object only.
fn refuse_what_needs_the_object(
    extent: ExtentRequest,
    crc: CrcPolicy,
    resume: Resume,
) -> Result<(), Error> {
    let refused = |what: &str| {
        let what = format!("what the service makes of an object {what}");
        Err(Error::new(ErrorKind::Config, what))
    };
    match (extent, crc, resume) {
        (ExtentRequest::Whole, CrcPolicy::Accept, Resume::Require) => refused("cannot be resumed"),
        (ExtentRequest::Whole, CrcPolicy::Accept, _) => Ok(()),
        (ExtentRequest::Whole, CrcPolicy::Require, _) => refused("has no CRC-64"),
        _ => refused("is had as a whole: no range of it"),
    }
}

struct Processing {
    begun: Begun,
    style: String,
    origin: Instant,
    patience: Patience,
    partial: Option<Unrecorded>,
    progress: Progress,
    digest: Digest,
}

/// A partial file that no checkpoint knows of.
#[derive(Clone, Debug)]
struct Unrecorded {
    file: Arc<dyn PartialFile>,
    name: OsString,
}

/// Why an attempt failed.
enum Trouble {
    Source(SourceError),
    Local(Error),
}

impl Processing {
    fn new(begun: Begun, style: String) -> Self {
        let patience = Patience::new(begun.options.retry_max_time);
        let mut progress = Progress::new(Phase::Transferring);
        progress.limit = 1;
        Self {
            begun,
            style,
            origin: Instant::now(),
            patience,
            partial: None,
            progress,
            digest: new_digest(),
        }
    }

    /// Fetches all of it, from the beginning each time.
    async fn fetch(&mut self) -> Result<(), Error> {
        loop {
            let error = match self.attempt().await {
                Ok(()) => return Ok(()),
                Err(Trouble::Local(error)) => return Err(error),
                Err(Trouble::Source(error)) => error,
            };
            if self.patience.failures() >= self.begun.options.retries {
                return Err(Error::from(error).with_attempts(self.patience.failures() + 1));
            }
            let (failure, why) = (error.failure(), (error.kind(), in_full(&error)));
            let pause = self.begun.client.pace.take().unwrap_or_default();
            let wait = self.patience.wait(error, pause)?;
            self.progress.attempts_failed += 1;
            tracing::debug!(?failure, "asking for all of it again");
            let all = self.progress.bytes_total.unwrap_or(self.progress.bytes_done);
            if let Some(all) = ByteRange::new(0, all) {
                self.begun.teller.retry((all, self.patience.failures()), wait, why);
            }
            sleep(wait).await;
        }
    }

    async fn attempt(&mut self) -> Result<(), Trouble> {
        let Begun { client, object, options, .. } = &self.begun;
        let answer = Answer::to(client, object, &self.style, options.read_timeout).await;
        let mut answer = answer.map_err(Trouble::Source)?;
        self.progress.bytes_done = 0;
        self.progress.bytes_total = answer.len();
        self.digest = new_digest();
        let file = self.file(answer.len()).await.map_err(Trouble::Local)?;
        while let Some(chunk) = answer.chunk().await.map_err(Trouble::Source)? {
            file.write_all_at(&chunk, self.progress.bytes_done)
                .map_err(|error| Trouble::Local(Error::storage(error)))?;
            self.digest.update(&chunk);
            self.progress.bytes_done += chunk.len() as u64;
            self.progress.bytes_received += chunk.len() as u64;
            self.patience.renew();
            self.begun.teller.progress(self.progress);
        }
        Ok(())
    }

    /// The partial file, made where there is none yet.
    async fn file(&mut self, len: Option<u64>) -> Result<Arc<dyn PartialFile>, Error> {
        if let Some(partial) = &self.partial {
            return Ok(Arc::clone(&partial.file));
        }
        let storage = self.begun.storage.clone();
        let (file, name) = blocking(move || {
            storage.create_unrecorded(len.unwrap_or_default()).map_err(Error::storage)
        })
        .await?;
        self.partial = Some(Unrecorded { file: Arc::clone(&file), name });
        let destination = self.begun.storage.lock.canonical_destination();
        self.begun.teller.warn_once(self.begun.storage.caveats());
        self.begun.teller.started(destination, len.unwrap_or_default(), 1, self.progress);
        Ok(file)
    }

    /// Gives what was fetched its name.
    async fn publish(mut self, handle: &DownloadHandle) -> Result<Downloaded, Error> {
        let Some(partial) = self.partial.clone() else {
            return Err(Error::new(ErrorKind::Internal, "nothing was fetched"));
        };
        let (len, crc64) = (self.progress.bytes_done, self.digest.finalize());
        self.progress.phase = Phase::Verifying;
        self.begun.teller.progress(self.progress);
        let storage = self.begun.storage.clone();
        let mut examining = spawn_blocking({
            let (file, stop) = (Arc::clone(&partial.file), Arc::clone(&storage.stop));
            let checksum = storage.checksum;
            move || -> Result<Option<Examined>, FsError> {
                // More than that is left where an earlier attempt got further.
                file.resize(len)?;
                match checksum {
                    Some(_) => examine(file.as_ref(), len, checksum, &stop),
                    None => Ok(None),
                }
            }
        });
        let examined = loop {
            tokio::select! {
                examined = &mut examining => break examined.map_err(broken)?,
                () = handle.cancelled() => storage.stop.store(true, Ordering::Relaxed),
            }
        };
        let verdict = match examined {
            Err(error) => Err(Error::storage(error)),
            Ok(_) if storage.stop.load(Ordering::Relaxed) => Err(cancelled()),
            Ok(examined) => judge(examined, storage.checksum, crc64),
        };
        let integrity = match verdict {
            Ok(integrity) => integrity,
            Err(error) => return Err(self.give_up(error).await),
        };
        let left = Arc::clone(&self.begun.left);
        let cleaned = blocking(move || {
            storage.publish_file(partial.file.as_ref(), &partial.name).map_err(Error::storage)?;
            Ok(storage.clean_up(&left))
        })
        .await?;
        if let Err(error) = cleaned {
            self.begun.teller.warn(format!("an old checkpoint could not be removed: {error}"));
        }
        self.progress.phase = Phase::Finished;
        self.begun.teller.finished(self.progress);
        Ok(Downloaded {
            destination: self.begun.storage.lock.canonical_destination(),
            completion: Completion::Published,
            bytes: len,
            fetched_bytes: self.progress.bytes_received,
            resumed_bytes: 0,
            requests: self.progress.attempts_failed + 1,
            attempts_failed: self.progress.attempts_failed,
            etag: None,
            crc64,
            integrity,
            elapsed: self.origin.elapsed(),
        })
    }

    /// Leaves nothing behind.
    async fn give_up(mut self, error: Error) -> Error {
        self.begun.teller.finished(self.progress);
        let (storage, partial) = (self.begun.storage, self.partial);
        let removed = blocking(move || {
            storage.discard(partial.as_ref().map(|it| &*it.name)).map_err(Error::storage)
        });
        if let Err(error) = removed.await {
            self.begun.teller.warn(format!("what cannot be resumed remains: {error}"));
        }
        error
    }
}

/// What is known of the bytes, where they are what they are said to be.
fn judge(
    examined: Option<Examined>,
    checksum: Option<Checksum>,
    crc64: u64,
) -> Result<Integrity, Error> {
    if checksum.is_none() {
        return Ok(Integrity::UnverifiedByServer);
    }
    match examined {
        Some(found) if found.crc64 != crc64 => {
            Err(Error::new(ErrorKind::Storage, "the file does not hold what was written to it"))
        }
        Some(Examined { checksum_matches: Some(true), .. }) => Ok(Integrity::VerifiedByUser),
        _ => Err(Error::new(ErrorKind::Integrity, "the bytes do not match the given digest")),
    }
}

fn new_digest() -> Digest {
    Digest::new(CrcAlgorithm::Crc64Xz)
}
