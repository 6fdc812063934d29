//! Trying a single request again.

use crate::Error;
use crate::source::SourceError;
use ossget_core::{Backoff, Failure};
use std::future::Future;
use std::time::{Duration, Instant};

/// How long failures are put up with.
#[derive(Debug)]
pub(crate) struct Patience {
    time: Duration,
    /// When there was reason for hope last.
    begun: Instant,
    backoff: Backoff,
    failures: u32,
}

impl Patience {
    pub(crate) fn new(time: Duration) -> Self {
        Self { time, begun: Instant::now(), backoff: Backoff::default(), failures: 0 }
    }

    /// Takes a failure in: how long to wait before trying again, at least `pause`, or the error
    /// where that is of no use.
    pub(crate) fn wait(&mut self, error: SourceError, pause: Duration) -> Result<Duration, Error> {
        let hopeless = !error.failure().is_transient()
            || (error.failure() == Failure::Protocol && self.failures + 1 >= PROTOCOL_ATTEMPTS);
        let jitter = u64::from_le_bytes(crate::driver::random());
        let asked = error.retry_after().unwrap_or_default();
        let wait = self.backoff.delay(self.failures, jitter).max(asked).max(pause);
        self.failures = self.failures.saturating_add(1);
        if hopeless || self.begun.elapsed() + wait >= self.time {
            return Err(Error::from(error).with_attempts(self.failures));
        }
        Ok(wait)
    }

    /// Failures so far.
    pub(crate) const fn failures(&self) -> u32 {
        self.failures
    }

    /// Something moved: the time begins anew, but failures go on to be counted.
    pub(crate) fn renew(&mut self) {
        self.begun = Instant::now();
    }
}

/// Makes a request until it succeeds, fails for good, or has failed for as long as `time`.
///
/// # Cancel safety
///
/// That of the request.
pub(crate) async fn with_patience<T, F>(
    time: Duration,
    mut request: impl FnMut() -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, SourceError>>,
{
    let mut patience = Patience::new(time);
    loop {
        match request().await {
            Ok(answer) => return Ok(answer),
            Err(error) => tokio::time::sleep(patience.wait(error, Duration::ZERO)?).await,
        }
    }
}

/// A server that breaks the protocol is asked again a few times, in case something in between did.
const PROTOCOL_ATTEMPTS: u32 = 3;
