//! Trying a single request again.

use crate::source::SourceError;
use crate::{Error, ErrorKind};
use ossget_core::{Backoff, Failure};
use std::future::Future;
use std::time::{Duration, Instant};

/// Makes a request until it succeeds, fails for good, or has failed for as long as `patience`.
///
/// # Cancel safety
///
/// That of the request.
pub(crate) async fn with_patience<T, F>(
    patience: Duration,
    mut request: impl FnMut() -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, SourceError>>,
{
    let (begun, backoff) = (Instant::now(), Backoff::default());
    for failures in 0.. {
        let error = match request().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let hopeless = !error.failure().is_transient()
            || (error.failure() == Failure::Protocol && failures + 1 >= PROTOCOL_ATTEMPTS);
        let jitter = u64::from_le_bytes(crate::driver::random());
        let asked = error.retry_after().unwrap_or_default();
        let wait = backoff.delay(failures, jitter).max(asked);
        if hopeless || begun.elapsed() + wait >= patience {
            return Err(Error::from(error).with_attempts(failures + 1));
        }
        tokio::time::sleep(wait).await;
    }
    Err(Error::new(ErrorKind::Internal, "there are no more numbers to count attempts with"))
}

/// A server that breaks the protocol is asked again a few times, in case something in between did.
const PROTOCOL_ATTEMPTS: u32 = 3;
