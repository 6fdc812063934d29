//! An object in memory that arrives as far as the test lets it.

use crate::rig::{BUCKET, KEY};
use async_trait::async_trait;
use bytes::Bytes;
use ossget::{
    ByteRange, Client, Download, Object, ObjectIdentity, Parallel, PartSize, RangeBody, Source,
    SourceError,
};
use ossget_core::{combine, crc64};
use ossget_testkit::file_system::SimulatedFileSystem;
use ossget_transport::{Body, BodyStream, TransportError};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;

/// An object of equal parts that arrives as far as the test lets it, a part at a time.
#[derive(Debug)]
pub(crate) struct Memory {
    part: Bytes,
    count: u64,
    /// No byte from here on arrives.
    end: watch::Sender<u64>,
    gets: AtomicU64,
}

impl Memory {
    /// So many parts, of which none arrives yet.
    pub(crate) fn new(part_size: u64, count: u64) -> Arc<Self> {
        let part = (0..part_size).map(|at| (at % 251 + 1) as u8).collect();
        let (end, gets) = (watch::Sender::new(0), AtomicU64::new(0));
        Arc::new(Self { part, count, end, gets })
    }

    pub(crate) fn part_size(&self) -> u64 {
        self.part.len() as u64
    }

    pub(crate) fn size(&self) -> u64 {
        self.part_size() * self.count
    }

    /// Lets everything before this byte arrive.
    pub(crate) fn let_arrive(&self, end: u64) {
        self.end.send_replace(end);
    }

    /// How many requests there were.
    pub(crate) fn gets(&self) -> u64 {
        self.gets.load(Ordering::SeqCst)
    }

    pub(crate) fn crc64(&self) -> u64 {
        let part = crc64(&self.part);
        (0..self.count).fold(0, |crc, _| combine(crc, part, self.part_size()))
    }

    /// A download of it to `DESTINATION` by so many connections.
    pub(crate) fn download(
        self: &Arc<Self>,
        file_system: &SimulatedFileSystem,
        parallel: u32,
    ) -> Download {
        let client = Client::with_source(Arc::clone(self) as _, Arc::new(file_system.clone()));
        client
            .download(Object::new(BUCKET, KEY).expect("the rig stands"), DESTINATION)
            .part_size(PartSize::new(self.part_size()).expect("the rig stands"))
            .parallel(Parallel::Fixed(NonZeroU32::new(parallel).expect("the rig stands")))
    }
}

#[async_trait]
impl Source for Memory {
    async fn probe(&self, _: &Object) -> Result<ObjectIdentity, SourceError> {
        Ok(ObjectIdentity::new(self.size()).etag("\"1\"").crc64(self.crc64()))
    }

    async fn get_range(
        &self,
        _: &Object,
        range: ByteRange,
        _: &ObjectIdentity,
    ) -> Result<RangeBody, SourceError> {
        self.gets.fetch_add(1, Ordering::SeqCst);
        let (part, end) = (self.part.clone(), self.end.subscribe());
        let body = Arriving { part, end, left: range };
        Ok(RangeBody { granted: range, body: Body::new(body), held_back: false })
    }
}

struct Arriving {
    part: Bytes,
    end: watch::Receiver<u64>,
    left: ByteRange,
}

#[async_trait]
impl BodyStream for Arriving {
    async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        if self.left.is_empty() {
            return Ok(None);
        }
        let size = self.part.len() as u64;
        let within = self.left.start() % size;
        let end = (self.left.start() - within + size).min(self.left.end());
        if self.end.wait_for(|limit| *limit >= end).await.is_err() {
            return Ok(None);
        }
        let many = end - self.left.start();
        self.left = ByteRange::new(end, self.left.end()).expect("within the range");
        let index = |at| usize::try_from(at).expect("within a part");
        Ok(Some(self.part.slice(index(within)..index(within + many))))
    }
}

/// Where it is downloaded to.
pub(crate) const DESTINATION: &str = "/simulated/folder/object.bin";
