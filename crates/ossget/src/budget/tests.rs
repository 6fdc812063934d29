use super::*;
use crate::source::next_chunk;
use async_trait::async_trait;
use ossget_core::Failure;
use ossget_transport::BodyStream;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::task::JoinSet;
use tokio::time::{advance, timeout};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Always has another chunk, and counts them.
struct Ready {
    chunk: Bytes,
    given: Arc<AtomicUsize>,
}

/// Never has anything.
struct Silent;

#[async_trait]
impl BodyStream for Ready {
    async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        self.given.fetch_add(1, Ordering::Relaxed);
        Ok(Some(self.chunk.clone()))
    }
}

#[async_trait]
impl BodyStream for Silent {
    async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        pending().await
    }
}

fn ready(chunk: u64) -> Body {
    let chunk = Bytes::from(vec![0; usize::try_from(chunk).unwrap()]);
    Body::new(Ready { chunk, given: Arc::default() })
}

fn budget(bytes_per_second: u64) -> Budget {
    Budget::new(NonZeroU64::new(bytes_per_second).unwrap())
}

/// A chunk that was given out: when, by which connection, and of how many bytes.
#[derive(Clone, Copy, Debug)]
struct Given {
    at: Duration,
    by: usize,
    bytes: u64,
}

/// What bodies with chunks of these sizes give out, one each connection, until it is so much.
async fn given_out(budget: &Budget, chunks: &[u64], bytes: u64) -> Vec<Given> {
    let begun = Instant::now();
    let log = Arc::new(Mutex::new((0, Vec::new())));
    let mut connections = JoinSet::new();
    for (by, &chunk) in chunks.iter().enumerate() {
        let (mut body, log) = (budget.meter(ready(chunk)), Arc::clone(&log));
        connections.spawn(async move {
            loop {
                body.arrival().await.unwrap();
                let bytes_of_it = body.take().await.unwrap().len() as u64;
                let mut log = log.lock().unwrap();
                if log.0 >= bytes {
                    return;
                }
                log.0 += bytes_of_it;
                log.1.push(Given { at: begun.elapsed(), by, bytes: bytes_of_it });
            }
        });
    }
    connections.join_all().await;
    log.lock().unwrap().1.clone()
}

#[tokio::test(start_paused = true)]
async fn ten_seconds_worth_takes_ten_seconds_at_any_rate() {
    for rate in [64 * KIB, 300 * KIB + 7, 20 * MIB, 200 * MIB] {
        for chunk in [16 * KIB + 1, 512 * KIB] {
            for connections in [1, 3, 32] {
                let chunks = vec![chunk; connections];
                let given = given_out(&budget(rate), &chunks, 10 * rate).await;
                let bytes: u64 = given.iter().map(|it| it.bytes).sum();
                let took = given.last().unwrap().at.as_secs_f64();
                let rate_had = bytes as f64 / took / rate as f64;
                let what = format!("{rate_had} of {rate} by {connections} with {chunk}");
                assert!((0.999..=1.001).contains(&rate_had), "{what}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_comes_at_once_than_in_fifty_milliseconds_or_one_chunk() {
    for (rate, chunk) in [(64 * KIB, 16 * KIB), (20 * MIB, 512 * KIB), (200 * MIB, 16 * KIB)] {
        let budget = budget(rate);
        for _ in 0..2 {
            let given = given_out(&budget, &[chunk; 8], 2 * rate + 8 * chunk).await;
            for (from, first) in given.iter().enumerate() {
                let mut bytes = 0;
                for last in &given[from..] {
                    bytes += last.bytes;
                    let time = (last.at - first.at).as_secs_f64() + 0.05;
                    // A timer's tick late is not too much.
                    let allowed = rate as f64 * (time + 0.001) + chunk as f64;
                    assert!(bytes as f64 <= allowed, "{bytes} from {first:?} to {last:?}");
                }
            }
            // Nobody wants anything for a while: that is no credit for later.
            advance(Duration::from_secs(60)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn connections_take_turns() {
    for chunks in [[64 * KIB; 4], [16 * KIB, 512 * KIB, 64 * KIB, 16 * KIB]] {
        let given = given_out(&budget(MIB), &chunks, 20 * MIB).await;
        for round in given.chunks_exact(4) {
            let mut turns: Vec<_> = round.iter().map(|it| it.by).collect();
            turns.sort_unstable();
            assert_eq!(turns, [0, 1, 2, 3], "{chunks:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_who_gives_up_has_paid_for_what_came_and_for_nothing_else() {
    let budget = budget(100);
    let begun = Instant::now();
    let mut quitter = budget.meter(ready(200));
    assert_eq!(quitter.arrival().await.unwrap(), Some(Duration::from_secs(2)));
    assert!(timeout(Duration::from_millis(500), quitter.take()).await.is_err());
    drop(quitter);
    let mut silent = budget.meter(Body::new(Silent));
    assert!(timeout(Duration::from_millis(500), silent.arrival()).await.is_err());
    drop(silent);
    let mut next = budget.meter(ready(100));
    next.arrival().await.unwrap();
    next.take().await.unwrap();
    assert_eq!(begun.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_dropped_loses_no_chunk_and_charges_it_once() {
    let budget = budget(100);
    let begun = Instant::now();
    let given = Arc::new(AtomicUsize::new(0));
    let stream = Ready { chunk: Bytes::from(vec![7; 300]), given: Arc::clone(&given) };
    let mut body = budget.meter(Body::new(stream));
    for _ in 0..5 {
        assert!(body.arrival().await.unwrap().is_some());
        assert!(timeout(Duration::from_millis(500), body.take()).await.is_err());
    }
    assert_eq!(given.load(Ordering::Relaxed), 1, "while a chunk waits the body is not read");
    assert_eq!(body.take().await.unwrap().len(), 300);
    assert_eq!(begun.elapsed(), Duration::from_secs(3));
    assert_eq!(body.take().await, None);
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_nothing_waits() {
    let given = given_out(&Budget::default(), &[512 * KIB; 8], 100 * MIB).await;
    assert_eq!(given.last().unwrap().at, Duration::ZERO);
    assert_eq!(Budget::default().read_at_once(), None);
}

#[tokio::test(start_paused = true)]
async fn what_the_budget_holds_back_is_no_silence_of_the_other_side() {
    let (budget, patience) = (budget(1), Duration::from_secs(1));
    let mut body = budget.meter(ready(3600));
    let begun = Instant::now();
    assert_eq!(next_chunk(&mut body, patience).await.unwrap().unwrap().len(), 3600);
    assert_eq!(begun.elapsed(), Duration::from_secs(3600));
    let mut silent = budget.meter(Body::new(Silent));
    let error = next_chunk(&mut silent, patience).await.unwrap_err();
    assert_eq!(error.failure(), Failure::Stalled);
}

#[test]
fn reads_are_as_small_as_the_limit_and_a_head_allow() {
    for (rate, bytes) in [
        (1, Some(16 << 10)),
        (320 * KIB, Some(16 << 10)),
        (2 * MIB, Some((2 << 20) / 20)),
        (10 * MIB - 1, Some((512 << 10) - 1)),
        (10 * MIB, Some(512 << 10)),
        (u64::MAX, Some(512 << 10)),
    ] {
        assert_eq!(budget(rate).read_at_once(), bytes, "{rate}");
    }
}

/// Fills whatever room there is.
struct Filling;

#[async_trait]
impl BodyStream for Filling {
    async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        Ok(None)
    }

    async fn fill(&mut self, room: &mut [u8]) -> Result<Filled, TransportError> {
        Ok(Filled::Room(room.len()))
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_put_into_a_room_is_charged_and_no_more_than_is_read_at_once() {
    let mut room = vec![0; 1 << 20];
    let (begun, budget) = (Instant::now(), budget(2 * MIB));
    let mut body = budget.meter(Body::new(Filling));
    let at_once = (2 << 20) / 20;
    for turn in 1..=10_u32 {
        let (filled, due) = body.fill(&mut room).await.unwrap();
        assert!(matches!(filled, Filled::Room(bytes) if bytes == at_once), "{filled:?}");
        let late = (begun + turn * CREDIT).duration_since(due.unwrap());
        assert!(late < Duration::from_micros(100), "{late:?}");
    }
    let mut free = Budget::default().meter(Body::new(Filling));
    let (filled, due) = free.fill(&mut room).await.unwrap();
    assert!(matches!(filled, Filled::Room(bytes) if bytes == 1 << 20) && due.is_none());
}

#[tokio::test(start_paused = true)]
async fn the_smallest_limit_and_the_largest_chunk_overflow_nothing() {
    let budget = budget(1);
    for _ in 0..3 {
        assert!(budget.charge(usize::MAX).is_some());
    }
}
