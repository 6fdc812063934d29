//! Whose turn it is to write through the page cache.

use std::future::poll_fn;
use std::mem;
use std::task::Poll;
use tokio::sync::{Mutex, MutexGuard, Semaphore, SemaphorePermit};

/// Turns at one file. The system lets one at a time write to a file, and whoever else wants to spins
/// until it can: with two threads that was an eighth of all processor time. Here a task waits instead,
/// and its thread goes on with other connections.
#[derive(Debug)]
pub(in crate::driver) struct Turns {
    places: Semaphore,
    writer: Mutex<()>,
}

/// So many may wait or write. Whoever comes while more do writes without a turn, since what waits
/// for longer has left the processor's cache before it is written: with 64 connections that cost a
/// tenth of the time.
const PLACES: usize = 8;

/// The right to write.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    /// `None` without a place.
    queued: Option<Queued<'a>>,
    places: &'a Semaphore,
}

#[derive(Debug)]
struct Queued<'a> {
    _place: SemaphorePermit<'a>,
    _writer: MutexGuard<'a, ()>,
    waited: bool,
}

impl Turns {
    pub(in crate::driver) fn new() -> Self {
        Self { places: Semaphore::new(PLACES), writer: Mutex::new(()) }
    }

    /// Waits for the turn.
    ///
    /// # Cancel safety
    ///
    /// Safe: a place in the queue is lost, which another takes.
    pub(super) async fn wait(&self) -> Turn<'_> {
        let queued = match self.places.try_acquire() {
            Ok(place) => Some(self.queue(place).await),
            Err(_) => None,
        };
        Turn { queued, places: &self.places }
    }

    async fn queue<'a>(&'a self, _place: SemaphorePermit<'a>) -> Queued<'a> {
        if let Ok(_writer) = self.writer.try_lock() {
            return Queued { _place, _writer, waited: false };
        }
        Queued { _place, _writer: self.writer.lock().await, waited: true }
    }
}

impl Turn<'_> {
    /// Lets the next one write.
    pub(super) fn pass(self) -> After {
        let Some(queued) = self.queued else { return After::Nobody };
        let waited = queued.waited;
        drop(queued);
        match waited || self.places.available_permits() < PLACES {
            true => After::Others,
            false => After::Nobody,
        }
    }
}

/// Who is to go on first after a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub(super) enum After {
    #[default]
    Nobody,
    /// The next one's task, which then writes on this thread while another thread goes on with
    /// what this task has to do. Without it 8 connections took 1.4 times as long.
    Others,
}

impl After {
    /// Lets them. The task goes to the end of this thread's queue, from which other threads may take
    /// it; `yield_now` puts it aside until this thread has nothing else to do, and 4 connections took 1.1
    /// times as long.
    pub(super) async fn others(self) {
        let mut is_first = self == Self::Others;
        poll_fn(|context| {
            if !mem::take(&mut is_first) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use tokio::task::JoinSet;

    #[tokio::test]
    async fn one_writes_at_a_time_and_the_next_one_waits_its_turn() {
        let turns = Turns::new();
        let first = turns.wait().await;
        let mut second = Box::pin(turns.wait());
        let mut third = Box::pin(turns.wait());
        assert!(second.as_mut().now_or_never().is_none());
        assert!(third.as_mut().now_or_never().is_none());
        assert_eq!(first.pass(), After::Others);
        assert!(third.as_mut().now_or_never().is_none());
        let second = second.now_or_never().expect("its turn");
        drop(third);
        assert_eq!(second.pass(), After::Others, "it has waited itself");
        assert_eq!(turns.wait().await.pass(), After::Nobody, "whoever gave up left its place");
        assert_eq!(turns.places.available_permits(), PLACES);
    }

    #[tokio::test]
    async fn whoever_finds_a_long_queue_does_not_wait() {
        let turns = Turns::new();
        let first = turns.wait().await;
        let waiting: Vec<_> = (1..PLACES)
            .map(|_| {
                let mut wait = Box::pin(turns.wait());
                assert!(wait.as_mut().now_or_never().is_none());
                wait
            })
            .collect();
        let another = turns.wait().now_or_never().expect("without a turn");
        assert_eq!(another.pass(), After::Nobody);
        drop(waiting);
        assert_eq!(first.pass(), After::Nobody);
    }

    #[tokio::test]
    async fn others_run_first_where_they_are_to() {
        for (after, is_first) in [(After::Others, false), (After::Nobody, true)] {
            let mut tasks = JoinSet::new();
            tasks.spawn(async move {
                after.others().await;
                "this"
            });
            tasks.spawn(async { "other" });
            let ended = tasks.join_next().await.expect("a task").expect("no panic");
            assert_eq!(ended == "this", is_first);
            while tasks.join_next().await.is_some() {}
        }
    }
}
