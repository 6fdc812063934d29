//! Reading an object in order, fetched in parallel.

use crate::budget::Budget;
use crate::patience::with_patience;
use crate::source::{RangeBody, Source, SourceError, next_chunk};
use crate::{Client, CrcPolicy, Error, ErrorKind, ExtentRequest, Integrity, Object, PartSize};
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};
use futures::stream::{FuturesOrdered, StreamExt as _};
use ossget_core::{Backoff, ByteRange, Failure, ObjectIdentity, combine};
use std::collections::VecDeque;
use std::future::Future;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// An object to be read in order, before it is looked at.
#[derive(Clone, Debug)]
#[must_use = "nothing is read until `open`"]
pub struct Reading {
    client: Client,
    object: Object,
    options: Options,
}

#[derive(Clone, Copy, Debug)]
struct Options {
    part_size: PartSize,
    parallel: NonZeroU32,
    extent: ExtentRequest,
    crc: CrcPolicy,
    retries: u32,
    retry_max_time: Duration,
    read_timeout: Duration,
}

/// The bytes of an object in order. As many parts as there are connections are fetched ahead and
/// held in memory besides the one that is given out, never more.
///
/// What is given out cannot be taken back: [`chunk`](Self::chunk) fails where the object changes,
/// and after the last byte where the whole does not have the object's CRC-64. Only its `Ok(None)`
/// says that all bytes were right.
///
/// # Cancel safety
///
/// Dropping it ends all requests.
#[derive(Debug)]
pub struct ObjectReader {
    fetching: Arc<Fetching>,
    /// What is not yet asked for.
    rest: ByteRange,
    parts: FuturesOrdered<Part>,
    /// What can be given out.
    ready: VecDeque<Bytes>,
    extent: ByteRange,
    options: Options,
    crc64: u64,
}

/// What all parts have in common.
#[derive(Debug)]
struct Fetching {
    source: Arc<dyn Source>,
    budget: Budget,
    object: Object,
    identity: ObjectIdentity,
    options: Options,
    begun: Instant,
    /// Milliseconds after `begun` at which a byte last arrived, for whichever part.
    last_byte: AtomicU64,
}

/// The bytes of one part and their CRC-64.
#[derive(Debug)]
struct Fetched {
    chunks: VecDeque<Bytes>,
    crc64: u64,
    len: u64,
}

/// A part under way on a task of its own, which ends with it.
#[derive(Debug)]
struct Part(JoinHandle<Result<Fetched, Error>>);

impl Client {
    /// The bytes of an object, to be read in order.
    pub fn read(&self, object: Object) -> Reading {
        let options = Options {
            part_size: PART_SIZE,
            parallel: PARALLEL,
            extent: ExtentRequest::Whole,
            crc: CrcPolicy::Accept,
            retries: 10,
            retry_max_time: Duration::from_secs(600),
            read_timeout: Duration::from_secs(20),
        };
        Reading { client: self.clone(), object, options }
    }
}

impl Reading {
    /// Bytes fetched by one request; 4 MiB by default.
    pub const fn part_size(mut self, size: PartSize) -> Self {
        self.options.part_size = size;
        self
    }

    /// Parts fetched at once; 8 by default.
    pub const fn parallel(mut self, parallel: NonZeroU32) -> Self {
        self.options.parallel = parallel;
        self
    }

    /// Only these bytes of the object. No server value covers a slice.
    pub const fn range(mut self, range: ExtentRequest) -> Self {
        self.options.extent = range;
        self
    }

    /// Whether an object without a CRC-64 is acceptable.
    pub const fn crc(mut self, crc: CrcPolicy) -> Self {
        self.options.crc = crc;
        self
    }

    /// Attempts of one part that may fail without progress while others progress; 10 by default.
    pub const fn retries(mut self, retries: u32) -> Self {
        self.options.retries = retries;
        self
    }

    /// How long it may go on without any progress; 10 minutes by default.
    pub const fn retry_max_time(mut self, time: Duration) -> Self {
        self.options.retry_max_time = time;
        self
    }

    /// How long a connection may stay silent in the middle of a body; 20 s by default.
    pub const fn read_timeout(mut self, time: Duration) -> Self {
        self.options.read_timeout = time;
        self
    }

    /// Looks at the object.
    ///
    /// # Errors
    ///
    /// As a download's, and [`Integrity`](ErrorKind::Integrity) for an object without a CRC-64
    /// where one is required.
    ///
    /// # Cancel safety
    ///
    /// Nothing is changed anywhere.
    pub async fn open(self) -> Result<ObjectReader, Error> {
        let Self { client, object, options } = self;
        let probe = || client.source.probe(&object);
        let identity = with_patience(options.retry_max_time, probe).await?;
        let extent = options.extent.resolve(identity.size).ok_or_else(|| {
            let what = format!("the range begins beyond the end: {} bytes", identity.size);
            Error::new(ErrorKind::RangeBeyondEnd, what)
        })?;
        let is_covered = identity.crc64.is_some() && extent.len() == identity.size;
        if options.crc == CrcPolicy::Require && !is_covered {
            let what = "there is no CRC-64 of the server's to compare the bytes with";
            return Err(Error::new(ErrorKind::Integrity, what)
                .with_hint("do not require one, or download to a file and give its digest"));
        }
        let fetching = Fetching {
            source: client.source,
            budget: client.budget,
            object,
            identity,
            options,
            begun: Instant::now(),
            last_byte: AtomicU64::new(0),
        };
        Ok(ObjectReader {
            fetching: Arc::new(fetching),
            rest: extent,
            parts: FuturesOrdered::new(),
            ready: VecDeque::new(),
            extent,
            options,
            crc64: 0,
        })
    }
}

impl ObjectReader {
    /// What the object is.
    #[must_use]
    pub fn identity(&self) -> &ObjectIdentity {
        &self.fetching.identity
    }

    /// How many bytes there are to be read in all.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.extent.len()
    }

    /// Whether there is nothing to be read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.extent.is_empty()
    }

    /// What is known of the bytes once all of them were read.
    #[must_use]
    pub fn integrity(&self) -> Integrity {
        match self.fetching.identity.crc64 {
            _ if self.extent.len() != self.fetching.identity.size => Integrity::RangeUnverified,
            Some(_) => Integrity::Verified,
            None => Integrity::UnverifiedByServer,
        }
    }

    /// The next bytes; `None` after the last one, if all of them were right.
    ///
    /// # Errors
    ///
    /// As a download's; [`Changed`](ErrorKind::Changed) where the object is another one meanwhile,
    /// [`Integrity`](ErrorKind::Integrity) where the whole does not have the object's CRC-64.
    ///
    /// # Cancel safety
    ///
    /// No byte is lost when it is dropped.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if let Some(chunk) = self.ready.pop_front() {
                return Ok(Some(chunk));
            }
            self.ask();
            let Some(fetched) = self.parts.next().await else {
                return self.conclude().map(|()| None);
            };
            let fetched = fetched?;
            self.crc64 = combine(self.crc64, fetched.crc64, fetched.len);
            self.ready = fetched.chunks;
        }
    }

    /// Fetches ahead.
    fn ask(&mut self) {
        while !self.rest.is_empty() && self.parts.len() < self.options.parallel.get() as usize {
            let end = self.rest.start().saturating_add(self.options.part_size.bytes());
            let end = end.min(self.rest.end());
            let (Some(range), Some(rest)) =
                (ByteRange::new(self.rest.start(), end), ByteRange::new(end, self.rest.end()))
            else {
                return;
            };
            self.rest = rest;
            let fetching = Arc::clone(&self.fetching);
            self.parts.push_back(Part(tokio::spawn(async move { fetching.part(range).await })));
        }
    }

    fn conclude(&self) -> Result<(), Error> {
        let expected = match self.integrity() {
            Integrity::Verified => self.fetching.identity.crc64,
            _ => None,
        };
        match expected {
            Some(expected) if expected != self.crc64 => {
                let what = "the bytes do not match the object's CRC-64";
                Err(Error::new(ErrorKind::Integrity, what))
            }
            _ => Ok(()),
        }
    }
}

impl Fetching {
    /// All bytes of a range, whatever number of requests that takes.
    async fn part(&self, range: ByteRange) -> Result<Fetched, Error> {
        let mut fetched = Fetched { chunks: VecDeque::new(), crc64: 0, len: 0 };
        let mut digest = Digest::new(CrcAlgorithm::Crc64Xz);
        let backoff = Backoff::default();
        let (mut attempts, mut failures) = (0_u32, 0_u32);
        let mut progressed = self.begun.elapsed();
        while fetched.len < range.len() {
            let Some(missing) = ByteRange::new(range.start() + fetched.len, range.end()) else {
                break;
            };
            let before = fetched.len;
            attempts = attempts.saturating_add(1);
            let Err(error) = self.attempt(missing, &mut fetched, &mut digest).await else {
                continue;
            };
            if fetched.len > before {
                (failures, progressed) = (0, self.begun.elapsed());
            }
            let wait = backoff
                .delay(failures, u64::from_le_bytes(crate::driver::random()))
                .max(error.retry_after().unwrap_or_default());
            failures = failures.saturating_add(1);
            if !error.failure().is_transient() || self.is_over(failures, progressed, wait) {
                return Err(Error::from(error).with_attempts(attempts).with_range(missing));
            }
            if error.failure() != Failure::Unsent {
                tokio::time::sleep(wait).await;
            }
        }
        fetched.crc64 = digest.finalize();
        Ok(fetched)
    }

    /// Whether a part that has failed so often since it last progressed is given up: for good
    /// where others progress, with the patience of all where nothing does.
    fn is_over(&self, failures: u32, progressed: Duration, wait: Duration) -> bool {
        let last = Duration::from_millis(self.last_byte.load(Ordering::Relaxed));
        let alone = last > progressed;
        let silence = self.begun.elapsed().saturating_sub(last);
        alone && failures > self.options.retries || silence + wait >= self.options.retry_max_time
    }

    async fn attempt(
        &self,
        range: ByteRange,
        fetched: &mut Fetched,
        digest: &mut Digest,
    ) -> Result<(), SourceError> {
        let got = self.source.get_range(&self.object, range, &self.identity).await?;
        let RangeBody { granted, body, .. } = got;
        let mut body = self.budget.meter(body);
        let mut missing = granted.len();
        while missing > 0 {
            let Some(chunk) = next_chunk(&mut body, self.options.read_timeout).await? else {
                return Err(SourceError::new(Failure::Network, "the body ended too soon"));
            };
            let len = chunk.len() as u64;
            missing = missing
                .checked_sub(len)
                .ok_or_else(|| SourceError::protocol("the server sent more bytes than it said"))?;
            digest.update(&chunk);
            fetched.len += len;
            fetched.chunks.push_back(chunk);
            let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.last_byte.store(now, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl Future for Part {
    type Output = Result<Fetched, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|ended| {
            ended.unwrap_or_else(|error| {
                Err(Error::new(ErrorKind::Internal, "a task of the reading failed")
                    .with_source(error))
            })
        })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.0.abort();
    }
}

const PART_SIZE: PartSize = match PartSize::mib(4) {
    Ok(size) => size,
    Err(_) => PartSize::MIN,
};
const PARALLEL: NonZeroU32 = NonZeroU32::MIN.saturating_add(7);
