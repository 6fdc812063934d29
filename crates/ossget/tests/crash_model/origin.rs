//! Where the bytes come from: objects in memory, handed out when the schedule says so.

use crate::schedule::{Gate, Plan};
use async_trait::async_trait;
use bytes::Bytes;
use ossget::{ByteRange, Object, ObjectIdentity, RangeBody, Source, SourceError};
use ossget_core::Failure;
use ossget_testkit::Content;
use ossget_transport::{Body, BodyStream, TransportError};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The smallest part size there is.
pub(crate) const PART: u64 = 100 << 10;
/// Two to a part.
pub(crate) const SECTOR: usize = 50 << 10;
pub(crate) const PARTS: usize = 3;
pub(crate) const SIZE: u64 = PART * PARTS as u64;

/// What the object is. It may change from the first to the second, never back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Version {
    A,
    B,
}

pub(crate) const VERSIONS: [Version; 2] = [Version::A, Version::B];

/// The bytes of both versions, and of what stood at the destination before.
#[derive(Debug)]
pub(crate) struct Library {
    pub(crate) old: Bytes,
    objects: [Content; 2],
    bytes: [Bytes; 2],
}

impl Library {
    pub(crate) fn new() -> Self {
        let objects = [1, 2].map(|seed| Content::generated(seed, SIZE));
        let bytes = objects.each_ref().map(|object| Bytes::from(object.window(0..SIZE)));
        Self { old: Content::generated(3, SIZE).window(0..SIZE).into(), objects, bytes }
    }

    pub(crate) fn bytes(&self, version: Version) -> &Bytes {
        &self.bytes[version as usize]
    }

    /// CRC-64 of a part.
    pub(crate) fn crc64(&self, version: Version, part: usize) -> u64 {
        let start = PART * part as u64;
        Content::bytes(self.objects[version as usize].window(start..start + PART)).crc64()
    }

    fn identity(&self, version: Version, crc: Crc) -> ObjectIdentity {
        let identity = ObjectIdentity::new(SIZE).etag(format!("\"{version:?}\""));
        match crc {
            Crc::Given => identity.crc64(self.objects[version as usize].crc64()),
            Crc::Absent => identity,
        }
    }
}

/// Whether the service tells the object's CRC-64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crc {
    Given,
    Absent,
}

/// The service as one run sees it.
#[derive(Debug)]
pub(crate) struct Origin {
    objects: Arc<Library>,
    crc: Crc,
    plan: Plan,
    gate: Arc<Gate>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    version: Version,
    /// The parts asked for, refused or not.
    gets: Vec<usize>,
    /// Whether a part has been handed out since the session began.
    delivered: bool,
}

impl Origin {
    pub(crate) fn new(
        objects: &Arc<Library>,
        (version, crc): (Version, Crc),
        plan: Plan,
        gate: &Arc<Gate>,
    ) -> Self {
        let state = Mutex::new(State { version, gets: Vec::new(), delivered: false });
        Self { objects: Arc::clone(objects), crc, plan, gate: Arc::clone(gate), state }
    }

    /// What the object is now, and which parts were asked for.
    pub(crate) fn told(&self) -> (Version, Vec<usize>) {
        let state = self.state.lock().unwrap();
        (state.version, state.gets.clone())
    }
}

#[async_trait]
impl Source for Origin {
    async fn probe(&self, _object: &Object) -> Result<ObjectIdentity, SourceError> {
        let version = self.state.lock().unwrap().version;
        Ok(self.objects.identity(version, self.crc))
    }

    async fn get_range(
        &self,
        _object: &Object,
        range: ByteRange,
        pinned: &ObjectIdentity,
    ) -> Result<RangeBody, SourceError> {
        assert_eq!(range.start() % PART, 0, "whole parts are asked for");
        assert_eq!(range.len(), PART, "one at a time");
        let (version, held) = {
            let mut state = self.state.lock().unwrap();
            let number = state.gets.len();
            state.gets.push(usize::try_from(range.start() / PART).unwrap());
            if self.plan.change == Some(number) {
                state.version = Version::B;
            }
            if pinned.etag != self.objects.identity(state.version, self.crc).etag {
                state.delivered = false;
                return Err(SourceError::new(Failure::Changed, "the object is another one"));
            }
            let held = self.plan.hold.filter(|hold| hold.get == number && state.delivered);
            state.delivered = true;
            (state.version, held)
        };
        let start = usize::try_from(range.start()).unwrap();
        let sector = |at: usize| {
            let from = start + SECTOR * at;
            self.objects.bytes(version).slice(from..from + SECTOR)
        };
        let mut chunks = VecDeque::from([(None, sector(0)), (None, sector(1))]);
        if let Some(hold) = held.filter(|hold| self.gate.arm(*hold)) {
            chunks[0].0 = Some(hold.first);
            chunks[1].0 = Some(hold.second);
            // What is stored has now waited long enough to be recorded.
            tokio::time::advance(Duration::from_secs(2)).await;
        }
        let body = Chunks { chunks, gate: Arc::clone(&self.gate) };
        Ok(RangeBody { granted: range, body: Body::new(body), held_back: false })
    }
}

struct Chunks {
    chunks: VecDeque<(Option<usize>, Bytes)>,
    gate: Arc<Gate>,
}

#[async_trait]
impl BodyStream for Chunks {
    async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        if let Some((Some(mark), _)) = self.chunks.front() {
            self.gate.reached(*mark).await;
        }
        Ok(self.chunks.pop_front().map(|(_, bytes)| bytes))
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        if self.chunks.iter().any(|(mark, _)| mark.is_some()) {
            self.gate.disarm();
        }
    }
}
