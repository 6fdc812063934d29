//! Waiting for another run to let go of the destination.

use super::telling::Teller;
use crate::{DownloadHandle, Error, ErrorKind};
use std::time::{Duration, Instant};

/// Runs `open` again as long as another run holds the destination and the user's patience lasts.
///
/// # Cancel safety
///
/// A cancelled handle ends the waiting at once; nothing has been begun by then.
pub(super) async fn for_lock<T, F>(
    patience: Option<Duration>,
    handle: &DownloadHandle,
    teller: &mut Teller,
    mut open: impl FnMut() -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let begun = Instant::now();
    let mut pause = SHORTEST_PAUSE;
    loop {
        let left = patience.unwrap_or_default().saturating_sub(begun.elapsed());
        let error = match open().await {
            Err(error) if error.kind() == ErrorKind::Locked && !left.is_zero() => error,
            done => return done,
        };
        if pause == SHORTEST_PAUSE {
            teller.warn(format!("{error}; waiting for it to end"));
        }
        tokio::select! {
            () = tokio::time::sleep(pause.min(left)) => {}
            () = handle.cancelled() => {
                return Err(Error::new(ErrorKind::Cancelled, "the download was cancelled"));
            }
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Locks tell nobody that they are free. Looking costs a few system calls and, while the lock is
/// held, 20 ms.
const SHORTEST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_millis(400);
