//! Connections that wait for their next request.

use super::line::Line;
use super::request::Origin;
use hyper::client::conn::http1::Builder;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Idle connections by origin, and how connections are made. The lock is held for a push or a pop
/// only.
pub(super) struct IdleList {
    pub(super) http1: Builder,
    /// The most that is read at once, in bytes.
    pub(super) read_buffer: usize,
    lists: Mutex<HashMap<Arc<Origin>, Vec<Idle>>>,
}

/// The longest a connection is kept idle. Servers close theirs after a time of their own (nginx
/// after 75 s, many load balancers after 60 s) and a request that meets this moment fails, so
/// ours is shorter.
const IDLE_LIMIT: Duration = Duration::from_secs(50);

struct Idle {
    line: Line,
    since: Instant,
}

impl IdleList {
    pub(super) fn new(http1: Builder, read_buffer: usize) -> Self {
        Self { http1, read_buffer, lists: Mutex::default() }
    }

    /// Keeps a connection, and lets go of those that have waited too long.
    ///
    /// There is no timer: what is still here when the last exchange has ended stays until the
    /// server closes it, the list is touched again or the transport is dropped.
    pub(super) fn push(&self, origin: Arc<Origin>, line: Line) {
        let now = Instant::now();
        let mut expired = Vec::new();
        {
            let mut lists = self.lock();
            lists.retain(|_, list| {
                // In order of age: pushed at the end, popped from the end.
                let old = list.partition_point(|idle| idle.is_expired(now));
                expired.extend(list.drain(..old));
                !list.is_empty()
            });
            lists.entry(origin).or_default().push(Idle { line, since: now });
        }
        // Closed without the lock.
        drop(expired);
    }

    /// The connection to `origin` that has waited the least; it can have been closed since.
    pub(super) fn pop(&self, origin: &Origin) -> Option<Line> {
        let idle = self.lock().get_mut(origin)?.pop()?;
        // The others have waited even longer; the next push lets go of them.
        (!idle.is_expired(Instant::now())).then_some(idle.line)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<Origin>, Vec<Idle>>> {
        // Nothing that could panic half-way is done under the lock.
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    fn is_expired(&self, now: Instant) -> bool {
        now.duration_since(self.since) >= IDLE_LIMIT
    }
}

impl fmt::Debug for IdleList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdleList").finish_non_exhaustive()
    }
}
