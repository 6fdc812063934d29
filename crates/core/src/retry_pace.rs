//! How fast failed requests may be tried again, all together.

use crate::session::Moment;
use core::time::Duration;

/// A token bucket for retries, shared by everything that talks to one service.
///
/// Backoff spaces the attempts of one range; with many ranges of many downloads a service that is
/// down would still see them all. The first [`BURST`](Self::BURST) retries go at once, later ones
/// so that there are [`PER_SECOND`](Self::PER_SECOND) in the long run. First attempts are not
/// counted: their number is bounded by the objects themselves. (The AWS SDKs' standard retry mode
/// fails a request when its bucket of 500 tokens is empty; a download that may take hours rather
/// waits.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetryPace {
    /// When the bucket would be full again: the generic cell rate algorithm of ITU-T I.371.
    full_at: Moment,
}

impl RetryPace {
    /// Retries that may go at once.
    pub const BURST: u32 = 100;
    /// Retries in a second, in the long run.
    pub const PER_SECOND: u32 = 20;

    /// Counts a retry and says how long it must wait at least.
    pub fn take(&mut self, now: Moment) -> Duration {
        let interval = Duration::from_secs(1) / Self::PER_SECOND;
        let credit = interval.saturating_mul(Self::BURST - 1);
        let wait = self.full_at.since(now).saturating_sub(credit);
        self.full_at = self.full_at.max(now).after(interval);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::new(Duration::from_millis(millis))
    }

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
        let mut pace = RetryPace::default();
        for _ in 0..RetryPace::BURST {
            assert_eq!(pace.take(at(0)), Duration::ZERO);
        }
        for late in 1..50 {
            assert_eq!(pace.take(at(0)), Duration::from_millis(50 * late));
        }
    }

    #[test]
    fn time_refills_the_bucket_up_to_the_burst() {
        let mut pace = RetryPace::default();
        for _ in 0..RetryPace::BURST {
            pace.take(at(0));
        }
        assert_eq!(pace.take(at(50)), Duration::ZERO);
        assert_eq!(pace.take(at(50)), Duration::from_millis(50));
        for _ in 0..RetryPace::BURST {
            assert_eq!(pace.take(at(3_600_000)), Duration::ZERO);
        }
        assert_eq!(pace.take(at(3_600_000)), Duration::from_millis(50));
    }
}
