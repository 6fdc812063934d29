//! How many bytes a client may receive in a second, whatever it receives them for.
//!
//! Each chunk is charged when it comes and held until it is paid for. Meanwhile its connection is
//! not read, so that TCP slows the sender down, and no connection holds more than its one chunk.

use bytes::Bytes;
use ossget_transport::{Body, Filled, TransportError};
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// What a client may receive in a second; without a limit it costs nothing. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Budget {
    limit: Option<Arc<Limit>>,
}

/// A body that is given out as fast as a budget allows.
#[derive(Debug)]
pub(crate) struct MeteredBody {
    body: Body,
    budget: Budget,
    held: Option<Held>,
}

#[derive(Debug)]
struct Limit {
    bytes_per_second: NonZeroU64,
    /// When all that has come is paid for; `None` before the first byte.
    paid: Mutex<Option<Instant>>,
}

/// A chunk that has come, and when it is paid for.
#[derive(Debug)]
struct Held {
    chunk: Bytes,
    due: Option<Instant>,
}

impl Budget {
    pub(crate) fn new(bytes_per_second: NonZeroU64) -> Self {
        Self { limit: Some(Arc::new(Limit { bytes_per_second, paid: Mutex::default() })) }
    }

    pub(crate) fn bytes_per_second(&self) -> Option<NonZeroU64> {
        self.limit.as_ref().map(|limit| limit.bytes_per_second)
    }

    /// The most to be read at once from one connection, in bytes: what comes in [`CREDIT`].
    pub(crate) fn read_at_once(&self) -> Option<usize> {
        let bytes = usize::try_from(self.bytes_per_second()?.get() / PER_SECOND);
        Some(bytes.unwrap_or(usize::MAX).clamp(LEAST_READ, LARGEST_READ))
    }

    /// Meters a body.
    pub(crate) fn meter(&self, body: Body) -> MeteredBody {
        MeteredBody { body, budget: self.clone(), held: None }
    }

    /// Charges bytes that have come: when they are paid for, if they must wait.
    fn charge(&self, bytes: usize) -> Option<Instant> {
        let limit = self.limit.as_ref()?;
        let now = Instant::now();
        // A panic elsewhere cannot have left the one value half-changed.
        let mut paid = limit.paid.lock().unwrap_or_else(PoisonError::into_inner);
        // From when the bytes before were paid for, not from now: being late, as timers are by a
        // millisecond, costs nothing.
        let from = paid.map_or(now, |paid| paid.max(now.checked_sub(CREDIT).unwrap_or(now)));
        let due = from + limit.price(bytes);
        *paid = Some(due);
        Some(due).filter(|due| *due > now)
    }
}

impl MeteredBody {
    /// Waits for the next chunk to come and says for how long it is held; `None` after the last.
    ///
    /// # Cancel safety
    ///
    /// Safe: what has come stays for [`take`](Self::take), charged once.
    pub(crate) async fn arrival(&mut self) -> Result<Option<Duration>, TransportError> {
        if self.held.is_none() {
            let Some(chunk) = self.body.chunk().await? else { return Ok(None) };
            let due = self.budget.charge(chunk.len());
            self.held = Some(Held { chunk, due });
        }
        let due = self.held.as_ref().and_then(|held| held.due);
        Ok(Some(due.map_or(Duration::ZERO, |due| due.saturating_duration_since(Instant::now()))))
    }

    /// The next bytes, put into `room` if that saves a copy, and when they are paid for, if they must
    /// be held until then.
    ///
    /// # Cancel safety
    ///
    /// Safe: bytes are either returned, charged once, or still to come.
    pub(crate) async fn fill(
        &mut self,
        room: &mut [u8],
    ) -> Result<(Filled, Option<Instant>), TransportError> {
        let most = self.budget.read_at_once().unwrap_or(usize::MAX);
        let len = room.len().min(most);
        let filled = self.body.fill(&mut room[..len]).await?;
        let due = match &filled {
            Filled::Room(bytes) => self.budget.charge(*bytes),
            Filled::Chunk(chunk) => self.budget.charge(chunk.len()),
            Filled::End => None,
        };
        Ok((filled, due))
    }

    /// The chunk that has come, once it is paid for; `None` where none has.
    ///
    /// # Cancel safety
    ///
    /// Safe: the chunk stays until it is returned.
    pub(crate) async fn take(&mut self) -> Option<Bytes> {
        if let Some(due) = self.held.as_ref().and_then(|held| held.due) {
            sleep_until(due).await;
        }
        self.held.take().map(|held| held.chunk)
    }
}

impl Limit {
    /// How long so many bytes take. Rounded up, by less than a nanosecond: never beyond the limit.
    fn price(&self, bytes: usize) -> Duration {
        let nanos = (bytes as u128 * NANOS).div_ceil(u128::from(self.bytes_per_second.get()));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

const NANOS: u128 = 1_000_000_000;

/// What was not used of a budget is left for so long, no longer: the largest burst, or one chunk.
/// Timers and a busy machine are seldom later than that, so the mean is kept.
const CREDIT: Duration = Duration::from_millis(1000 / PER_SECOND);
const PER_SECOND: u64 = 20;

/// Larger reads bring nothing: what the transport reads at once by itself.
const LARGEST_READ: usize = 512 << 10;

/// The head of an answer must fit into it: the service allows 8 KiB of an owner's own headers, and
/// has as many bytes of its own as nobody has seen yet.
const LEAST_READ: usize = 16 << 10;

#[cfg(test)]
mod tests;
