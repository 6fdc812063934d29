//! How far a download is.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// A snapshot of how far a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub(crate) inner: ossget_core::session::Progress,
}

impl Progress {
    /// Bytes written, or kept from earlier runs and checked. Never falls, unless the object
    /// changed and the download started over.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.inner.bytes_done
    }

    /// Bytes in all; `None` while, or where, the length is unknown.
    #[must_use]
    pub const fn total(&self) -> Option<u64> {
        self.inner.bytes_total
    }

    /// Bytes kept from earlier runs and checked so far.
    #[must_use]
    pub const fn kept(&self) -> u64 {
        self.inner.bytes_kept
    }

    /// Bytes kept from earlier runs that are still to be checked.
    #[must_use]
    pub const fn unchecked(&self) -> u64 {
        self.inner.bytes_unchecked
    }

    /// Body bytes received in this run.
    #[must_use]
    pub const fn fetched(&self) -> u64 {
        self.inner.bytes_received
    }

    /// Bytes that a run after a crash at this moment would find recorded.
    #[must_use]
    pub const fn recorded(&self) -> u64 {
        self.inner.bytes_recorded
    }

    /// Requests now under way.
    #[must_use]
    pub const fn live(&self) -> u32 {
        self.inner.live
    }

    /// Requests that may be under way: fewer than asked for while the service throttles.
    #[must_use]
    pub const fn limit(&self) -> u32 {
        self.inner.limit
    }

    /// Bytes that are stored before they are recorded together; more on disks that sync slowly. A
    /// crash costs at most four times as many, and one part per connection.
    #[must_use]
    pub const fn commit_window(&self) -> u64 {
        self.inner.commit_bytes
    }

    /// What the download is doing.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.inner.phase
    }
}

pub use ossget_core::session::Phase;

/// Looks at a download, or stops it, from elsewhere.
///
/// Clones belong to the same download. Dropping a handle changes nothing.
#[derive(Clone)]
pub struct DownloadHandle {
    shared: Arc<Shared>,
}

struct Shared {
    progress: Mutex<Option<Progress>>,
    cancel: Notify,
}

impl DownloadHandle {
    pub(crate) fn new() -> Self {
        Self { shared: Arc::new(Shared { progress: Mutex::new(None), cancel: Notify::new() }) }
    }

    /// How far the download is; `None` before it began.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        *self.lock()
    }

    /// Asks the download to stop after recording what is stored. Its future then ends with an
    /// error of kind [`Cancelled`](crate::ErrorKind::Cancelled), unless it was just finishing.
    pub fn cancel(&self) {
        self.shared.cancel.notify_one();
    }

    pub(crate) fn publish(&self, progress: Progress) {
        *self.lock() = Some(progress);
    }

    pub(crate) async fn cancelled(&self) {
        self.shared.cancel.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Progress>> {
        self.shared.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for DownloadHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DownloadHandle").field("progress", &self.progress()).finish()
    }
}
