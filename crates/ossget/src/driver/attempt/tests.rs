use super::*;
use crate::DiskWrites;
use crate::driver::report::Report;
use async_trait::async_trait;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use ossget_core::{ExtentRequest, PartSize};
use ossget_fs::{AlignedBuf, DirectFile, FileSystem as _, NativeFileSystem, Place};
use ossget_transport::{Body, BodyStream, TransportError};
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::advance;

const PART: u64 = 100 << 10;

/// Hands on what it is given.
#[derive(Debug)]
struct Passing {
    given: UnboundedReceiver<Vec<u8>>,
    way: Way,
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Chunk,
    Room,
}

#[async_trait]
impl BodyStream for Passing {
    async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        Ok(self.given.recv().await.map(Bytes::from))
    }

    async fn fill(&mut self, room: &mut [u8]) -> Result<Filled, TransportError> {
        let bytes = self.given.recv().await.unwrap();
        match self.way {
            Way::Chunk => Ok(Filled::Chunk(Bytes::from(bytes))),
            Way::Room => {
                room[..bytes.len()].copy_from_slice(&bytes);
                Ok(Filled::Room(bytes.len()))
            }
        }
    }
}

/// Is asked for nothing: the bodies are there.
#[derive(Debug)]
struct Mute;

#[async_trait]
impl Source for Mute {
    async fn probe(&self, _: &Object) -> Result<ObjectIdentity, SourceError> {
        unreachable!()
    }

    async fn get_range(
        &self,
        _: &Object,
        _: ByteRange,
        _: &ObjectIdentity,
    ) -> Result<RangeBody, SourceError> {
        unreachable!()
    }
}

/// A download of two parts.
struct Scene {
    fetching: Arc<Fetching>,
    reports: UnboundedReceiver<Report>,
    abort: Arc<Notify>,
    way: Way,
    _folder: TempDir,
}

impl Scene {
    fn new(way: Way) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::new(folder.path().join("object"));
        let lock = NativeFileSystem::new().lock(&place, Syncing::Skip).unwrap();
        let partial =
            lock.create_partial(&lock.partial_name("abcdefghijklmnop"), 2 * PART).unwrap();
        let extent = ExtentRequest::default().resolve(2 * PART).unwrap();
        let (reporter, reports) = Reporter::new();
        let fetching = Fetching {
            source: Arc::new(Mute),
            budget: Budget::default(),
            object: Arc::new(Object::new("examplebucket", "object").unwrap()),
            identity: ObjectIdentity::new(2 * PART),
            plan: PartPlan::new(extent, PartSize::new(PART).unwrap()),
            partial,
            direct: None,
            buffers: Arc::default(),
            turns: Turns::new(),
            syncing: Syncing::Skip,
            reporter,
        };
        let fetching = Arc::new(fetching);
        Self { fetching, reports, abort: Arc::default(), way, _folder: folder }
    }

    /// An attempt at so many parts, and what gives it the bytes.
    fn attempt(&self, parts: u64) -> (BoxFuture<'static, ()>, UnboundedSender<Vec<u8>>) {
        let range = ByteRange::new(0, parts * self.fetching.plan.part_size()).unwrap();
        let (give, given) = unbounded_channel();
        let body = Body::new(Passing { given, way: self.way });
        let first = RangeBody { granted: range, body, held_back: false };
        let id = AttemptId::new(PartIndex::new(0), 1);
        let (fetching, abort) = (Arc::clone(&self.fetching), Arc::clone(&self.abort));
        (run(fetching, id, (range, Some(first)), abort).boxed(), give)
    }

    fn told(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.reports.try_recv().ok()).map(|report| report.event).collect()
    }
}

fn crc(bytes: &[u8]) -> u64 {
    crc_fast::checksum(CrcAlgorithm::Crc64Xz, bytes)
}

/// Runs it until it waits for something.
fn go_on(attempt: &mut BoxFuture<'static, ()>) {
    assert!(attempt.now_or_never().is_none(), "it has ended");
}

#[tokio::test]
async fn what_waits_for_its_turn_when_the_attempt_is_aborted_does_not_count() {
    let mut scene = Scene::new(Way::Room);
    let (mut attempt, give) = scene.attempt(1);
    give.send(b"in the file".to_vec()).unwrap();
    go_on(&mut attempt);
    let fetching = Arc::clone(&scene.fetching);
    let turn = fetching.turns.wait().await;
    give.send(b"and not".to_vec()).unwrap();
    go_on(&mut attempt);
    scene.abort.notify_one();
    attempt.await;
    drop(turn);
    let told = scene.told();
    let Some(Event::AttemptFailed { failure: Failure::Aborted, tail, .. }) = told.last() else {
        panic!("{told:?}")
    };
    assert_eq!(*tail, Piece { bytes: 11, crc: crc(b"in the file") });
}

#[tokio::test]
async fn a_part_is_told_of_when_the_attempt_is_aborted_while_others_go_first() {
    for (parts, way) in [(1, Way::Chunk), (2, Way::Chunk), (1, Way::Room), (2, Way::Room)] {
        let mut scene = Scene::new(way);
        let (mut attempt, give) = scene.attempt(parts);
        let fetching = Arc::clone(&scene.fetching);
        let turn = fetching.turns.wait().await;
        let part = vec![7; PART as usize];
        give.send(part.clone()).unwrap();
        go_on(&mut attempt);
        drop(turn);
        go_on(&mut attempt);
        scene.abort.notify_one();
        attempt.await;
        let told = scene.told();
        let stored = told.iter().find_map(|event| match event {
            Event::Stored { bytes, crc, .. } => Some((*bytes, *crc)),
            _ => None,
        });
        assert_eq!(stored, Some((PART, crc(&part))), "{told:?}");
        let failed = told.iter().find_map(|event| match event {
            Event::AttemptFailed { tail, .. } => Some(*tail),
            _ => None,
        });
        assert_eq!(failed, (parts > 1).then(Piece::default), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_is_told_of_soon_although_nothing_more_comes() {
    let mut scene = Scene::new(Way::Room);
    let (mut attempt, give) = scene.attempt(2);
    give.send(vec![7; PART as usize]).unwrap();
    go_on(&mut attempt);
    assert!(matches!(scene.told()[..], [Event::Received { bytes: 0, .. }]));
    advance(Duration::from_millis(51)).await;
    go_on(&mut attempt);
    assert!(matches!(scene.told()[..], [Event::Stored { bytes: PART, .. }]));
}

/// A disk that counts what is written to it.
#[derive(Debug, Default)]
struct Counting(AtomicUsize);

impl DirectFile for Counting {
    fn write_all_at(&self, _: &AlignedBuf, len: usize, _: u64) -> Result<(), FsError> {
        self.0.fetch_add(len, Ordering::Relaxed);
        Ok(())
    }
}

#[tokio::test]
async fn one_of_many_lets_others_go_on_when_it_has_written_a_block() {
    const BLOCK: usize = 256 << 10;
    for (others, written) in [(0, 8 * BLOCK), (63, BLOCK)] {
        let disk = Arc::new(Counting::default());
        let part = PartSize::new(8 * BLOCK as u64).unwrap();
        let (held, _writes) = mpsc::channel(1);
        let file = Arc::clone(&disk) as Arc<dyn DirectFile>;
        let direct = DirectPartial::new(file, held, DiskWrites::Inline, part.bytes());
        let others: Vec<_> = (0..others).map(|_| Collector::new(direct.clone(), 0)).collect();
        let mut scene = Scene::new(Way::Room);
        let extent = ExtentRequest::default().resolve(part.bytes()).unwrap();
        let fetching = Arc::get_mut(&mut scene.fetching).unwrap();
        fetching.plan = PartPlan::new(extent, part);
        fetching.direct = Some(direct);
        let (attempt, give) = scene.attempt(1);
        for _ in 0..8 {
            give.send(vec![7; BLOCK]).unwrap();
        }
        let _polled_once = attempt.now_or_never();
        assert_eq!(disk.0.load(Ordering::Relaxed), written, "beside {} others", others.len());
    }
}
