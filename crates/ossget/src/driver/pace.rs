//! The pace of retries, shared by all downloads of a client.

use ossget_core::RetryPace;
use ossget_core::session::Moment;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The pace of retries, shared by all downloads of a client.
pub(crate) struct Pace {
    origin: Instant,
    pace: Mutex<RetryPace>,
}

impl Pace {
    /// Counts a retry and says how long it must wait at least; `None` if it need not.
    pub(super) fn take(&self) -> Option<Duration> {
        let now = Moment::new(self.origin.elapsed());
        // A panic elsewhere cannot have left the one number half-changed.
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        Some(pace.take(now)).filter(|wait| !wait.is_zero())
    }
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pace").finish_non_exhaustive()
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self { origin: Instant::now(), pace: Mutex::default() }
    }
}
