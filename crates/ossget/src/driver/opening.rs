//! How a download begins where nothing is yet: with a request for the object's first bytes.
//!
//! It tells what a probe would tell. If all of a small object comes with it, that is all it takes:
//! the bytes are checked in memory and published in one go, without a lock, a checkpoint or space
//! reserved. Whatever goes wrong, a download goes on that knows how to deal with it.

use super::attempt::END_OF_BODY;
use super::preparing::suffix;
use super::storage::{CheckpointSite, in_words, place, random};
use super::telling::Teller;
use super::{blocking, destination};
use crate::budget::MeteredBody;
use crate::download::Download;
use crate::options::{Options, Resume};
use crate::source::{Opening, RangeBody, SourceError, next_chunk};
use crate::{Completion, CrcPolicy, Downloaded, Error, Integrity};
use crc_fast::{CrcAlgorithm, Digest};
use ossget_core::session::{Phase, Progress};
use ossget_core::{ExtentRequest, ObjectIdentity};
use ossget_fs::Vacancy;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Bytes asked for at first: an object of no more is small. As many fit into memory many times,
/// and of a large object no more is in vain where its beginning cannot be used.
const FIRST_BYTES: u64 = 1 << 20;

/// What an opening request came to.
pub(super) enum Opened {
    /// All of the object.
    Done(Downloaded),
    /// What is to be known of the object, if anything was asked.
    Begun(Option<Result<Opening, SourceError>>),
    /// The user has given up, which is told once only.
    Cancelled,
}

/// Asks for the first bytes, where neither the destination nor a checkpoint exists.
///
/// # Cancel safety
///
/// Dropped while it publishes, it may leave the finished file or one of random name.
pub(super) async fn open(download: &mut Download) -> Opened {
    if !may_open(&download.options) {
        return Opened::Begun(None);
    }
    let (begun, handle) = (Instant::now(), download.handle.clone());
    let Some(vacancy) = vacancy(download).await else { return Opened::Begun(None) };
    let opening = tokio::select! {
        biased;
        () = handle.cancelled() => return Opened::Cancelled,
        opening = download.client.source.open(&download.object, FIRST_BYTES) => opening,
    };
    let (identity, first) = match opening {
        Ok(Opening { identity, first })
            if is_whole(&download.options, &identity, first.as_ref()) =>
        {
            (identity, first)
        }
        other => return Opened::Begun(Some(other)),
    };
    let body = first.map(|first| download.client.budget.meter(first.body));
    let destination = vacancy.canonical_destination();
    let mut teller = Teller::new(download.observer.take(), handle.clone());
    let mut progress = Progress::new(Phase::Transferring);
    progress.bytes_total = Some(identity.size);
    (progress.live, progress.limit) = (1, 1);
    teller.started(destination.clone(), FIRST_BYTES, 1, progress);
    let read = tokio::select! {
        biased;
        () = handle.cancelled() => {
            teller.finished(progress);
            return Opened::Cancelled;
        }
        read = read(body, &identity, download.options.read_timeout, |bytes| {
            (progress.bytes_done, progress.bytes_received) = (bytes, bytes);
            teller.progress(progress);
        }) => read,
    };
    let Some((bytes, crc64)) = read else {
        // Asked again by what follows, which can tell what is wrong.
        download.observer = teller.into_observer();
        return Opened::Begun(None);
    };
    let published = blocking(move || {
        let suffix = suffix(random(), CheckpointSite::BesideDestination);
        vacancy.publish(&bytes, &suffix).map_err(Error::storage)
    });
    match published.await {
        Ok(caveats) => teller.warn_once(caveats.into_iter().map(in_words)),
        Err(error) => {
            tracing::debug!(%error, "a small object was not published at once");
            download.observer = teller.into_observer();
            return Opened::Begun(Some(Ok(Opening { identity, first: None })));
        }
    }
    (progress.phase, progress.live) = (Phase::Finished, 0);
    teller.finished(progress);
    Opened::Done(downloaded(destination, identity, crc64, begun.elapsed()))
}

/// What became of a download of one request.
fn downloaded(
    destination: PathBuf,
    identity: ObjectIdentity,
    crc64: u64,
    elapsed: Duration,
) -> Downloaded {
    Downloaded {
        destination,
        completion: Completion::Published,
        bytes: identity.size,
        fetched_bytes: identity.size,
        resumed_bytes: 0,
        requests: 1,
        attempts_failed: 0,
        integrity: match identity.crc64 {
            Some(_) => Integrity::Verified,
            None => Integrity::UnverifiedByServer,
        },
        etag: identity.etag,
        crc64,
        elapsed,
    }
}

/// Whether the beginning of the object is wanted, and no request is larger than a part for it.
fn may_open(options: &Options) -> bool {
    let parts = options.part_size.is_none_or(|size| size.bytes() >= FIRST_BYTES);
    parts && options.extent == ExtentRequest::Whole && options.resume != Resume::Require
}

/// Whether all of the object is on its way, and nothing else is needed to check it.
fn is_whole(options: &Options, identity: &ObjectIdentity, first: Option<&RangeBody>) -> bool {
    let is_checked = identity.crc64.is_some() || options.crc == CrcPolicy::Accept;
    let all = first.map_or(0, |first| first.granted.end()) == identity.size;
    all && is_checked && options.checksum.is_none()
}

/// The destination, where nothing is there. An error is left to what takes its lock.
fn vacancy(download: &Download) -> impl Future<Output = Option<Box<dyn Vacancy>>> + use<> {
    let (path, name) = (download.destination.clone(), download.object.file_name().into_owned());
    let (files, options) = (Arc::clone(&download.client.file_system), &download.options);
    let options = options.clone();
    let vacancy = blocking(move || {
        let path = destination::resolve(&path, &name, options.syncing())?;
        files.vacancy(&place(&path, &options), options.syncing()).map_err(Error::storage)
    });
    async { vacancy.await.ok().flatten() }
}

/// All bytes of the object and their CRC-64, if they are what the server says they are.
async fn read(
    mut body: Option<MeteredBody>,
    identity: &ObjectIdentity,
    silence: Duration,
    mut progress: impl FnMut(u64),
) -> Option<(Vec<u8>, u64)> {
    let len = usize::try_from(identity.size).ok()?;
    let mut bytes = Vec::with_capacity(len);
    let mut digest = Digest::new(CrcAlgorithm::Crc64Xz);
    while let Some(body) = body.as_mut().filter(|_| bytes.len() < len) {
        let chunk = next_chunk(body, silence).await.ok()??;
        if chunk.len() > len - bytes.len() {
            return None;
        }
        digest.update(&chunk);
        bytes.extend_from_slice(&chunk);
        progress(bytes.len() as u64);
    }
    if let Some(mut body) = body {
        // The connection is free again once the end of the body has been seen.
        drop(timeout(END_OF_BODY, body.arrival()).await);
    }
    let crc64 = digest.finalize();
    identity.crc64.is_none_or(|server| server == crc64).then_some((bytes, crc64))
}
