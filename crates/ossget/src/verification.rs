//! Comparing a local file with an object.

use crate::checksum::Checking;
use crate::patience::with_patience;
use crate::{Checksum, Client, Error, ErrorKind, Integrity, Object};
use crc_fast::{CrcAlgorithm, Digest};
use std::fs::{self, File};
use std::future::{Future, IntoFuture};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A comparison of a local file with an object: what the object is costs one HEAD request, the
/// file is read once. Awaiting it runs it.
///
/// # Cancel safety
///
/// Nothing is changed anywhere; dropping the future ends the reading.
#[derive(Debug)]
#[must_use = "a verification does nothing until it is awaited"]
pub struct Verification {
    client: Client,
    object: Object,
    file: PathBuf,
    checksum: Option<Checksum>,
    retry_max_time: Duration,
}

/// What a file and an object have in common.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Verified {
    /// What came out.
    pub verdict: Verdict,
    /// The file's length in bytes.
    pub bytes: u64,
    /// The object's length in bytes.
    pub object_bytes: u64,
    /// CRC-64/XZ of the file; `None` where the lengths differ, since it was not read then.
    pub crc64: Option<u64>,
    /// The object's CRC-64/XZ, where the service gave one.
    pub object_crc64: Option<u64>,
    /// The object's ETag as the service wrote it.
    pub etag: Option<String>,
    /// How long it took.
    pub elapsed: Duration,
}

/// What came of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The file is the object, by the service's CRC-64 or else by the caller's digest.
    Same(Integrity),
    /// The lengths differ.
    LengthDiffers,
    /// The lengths are equal, but the file does not have the service's CRC-64.
    CrcDiffers,
    /// The file does not have the caller's digest.
    ChecksumDiffers,
    /// The lengths are equal, and there is neither a CRC-64 of the service nor a digest of the
    /// caller's to tell more.
    Unverifiable,
}

impl Client {
    /// A comparison of the local file `file` with `object`, to be awaited.
    pub fn verify(&self, object: Object, file: impl Into<PathBuf>) -> Verification {
        Verification {
            client: self.clone(),
            object,
            file: file.into(),
            checksum: None,
            retry_max_time: Duration::from_secs(600),
        }
    }
}

impl Verification {
    /// A digest that the file must have, besides the object's own CRC-64.
    pub const fn checksum(mut self, checksum: Checksum) -> Self {
        self.checksum = Some(checksum);
        self
    }

    /// How long a service that cannot be reached is tried again; 10 minutes by default.
    pub const fn retry_max_time(mut self, time: Duration) -> Self {
        self.retry_max_time = time;
        self
    }

    async fn run(self) -> Result<Verified, Error> {
        let begun = Instant::now();
        // A file that cannot be read needs no request.
        let (file, bytes) = {
            let path = self.file.clone();
            blocking(move || open(&path)).await?
        };
        let ask = || self.client.source.probe(&self.object);
        let identity = with_patience(self.retry_max_time, ask).await?;
        let mut verified = Verified {
            verdict: Verdict::LengthDiffers,
            bytes,
            object_bytes: identity.size,
            crc64: None,
            object_crc64: identity.crc64,
            etag: identity.etag,
            elapsed: begun.elapsed(),
        };
        if bytes != identity.size {
            return Ok(verified);
        }
        let stop = StopOnDrop(Arc::default());
        let (path, checksum) = (self.file, self.checksum);
        let stopped = Arc::clone(&stop.0);
        // A file that grows meanwhile is not followed for ever.
        let most = bytes.saturating_add(1);
        let found = blocking(move || read(file.take(most), &path, checksum, &stopped)).await?;
        if found.bytes != bytes {
            verified.bytes = found.bytes;
            verified.elapsed = begun.elapsed();
            return Ok(verified);
        }
        verified.crc64 = Some(found.crc64);
        verified.verdict = match (found.matches, identity.crc64) {
            (Some(false), _) => Verdict::ChecksumDiffers,
            (_, Some(crc64)) if crc64 != found.crc64 => Verdict::CrcDiffers,
            (_, Some(_)) => Verdict::Same(Integrity::Verified),
            (Some(true), None) => Verdict::Same(Integrity::VerifiedByUser),
            (None, None) => Verdict::Unverifiable,
        };
        verified.elapsed = begun.elapsed();
        Ok(verified)
    }
}

impl IntoFuture for Verification {
    type Output = Result<Verified, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// Runs the comparison. A file that differs is a [`Verdict`], no error.
    ///
    /// # Errors
    ///
    /// [`Storage`](ErrorKind::Storage) for a file that cannot be read,
    /// [`Refused`](ErrorKind::Refused) for what is no regular file, otherwise as for a download.
    ///
    /// # Cancel safety
    ///
    /// See [`Verification`].
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// What a file was found to hold.
#[derive(Debug)]
struct Found {
    bytes: u64,
    crc64: u64,
    matches: Option<bool>,
}

/// Tells a reading thread that nobody waits any more.
#[derive(Debug)]
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn open(path: &Path) -> Result<(File, u64), Error> {
    let failed = |error| unreadable(path, error);
    // Before it is opened: that alone would wait for the other end of a FIFO.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        let what = format!("{} is no regular file", path.display());
        return Err(Error::new(ErrorKind::Refused, what));
    }
    let file = File::open(path).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    Ok((file, bytes))
}

fn read(
    mut file: io::Take<File>,
    path: &Path,
    checksum: Option<Checksum>,
    stop: &AtomicBool,
) -> Result<Found, Error> {
    let mut crc64 = Digest::new(CrcAlgorithm::Crc64Xz);
    let mut checking = checksum.map(Checking::new);
    let mut bytes = 0;
    let mut buffer = vec![0; READ_BYTES];
    while !stop.load(Ordering::Relaxed) {
        let many = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(many) => many,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(path, error)),
        };
        let piece = buffer.get(..many).unwrap_or_default();
        crc64.update(piece);
        if let Some(checking) = &mut checking {
            checking.update(piece);
        }
        bytes += many as u64;
    }
    Ok(Found { bytes, crc64: crc64.finalize(), matches: checking.map(Checking::matches) })
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    let what = format!("cannot read {}", path.display());
    Error::new(ErrorKind::Storage, what).with_source(error)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(Error::new(ErrorKind::Internal, "reading the file failed").with_source(error))
    })
}

/// Bytes read at once, as when kept parts are read back.
const READ_BYTES: usize = 1 << 20;
