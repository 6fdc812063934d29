//! Rates: how fast bytes may leave.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A rate shared by whoever asks it for leave to send; none until one is set.
///
/// Each grant is booked at the next free moment, so that senders take turns and the rate holds
/// over any second whatever their number.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Zero for none.
    bytes_per_second: Arc<AtomicU64>,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    pub(crate) fn of(bytes_per_second: u64) -> Self {
        let pace = Self::default();
        pace.set(Some(bytes_per_second));
        pace
    }

    /// A pace that always has the same rate as this one but its own bookings.
    pub(crate) fn own(&self) -> Arc<Self> {
        let bytes_per_second = self.bytes_per_second.clone();
        Arc::new(Self { bytes_per_second, next: Mutex::default() })
    }

    /// Sets the rate, which is at least 1, or lifts it.
    pub(crate) fn set(&self, bytes_per_second: Option<u64>) {
        let rate = bytes_per_second.map_or(0, |rate| rate.max(1));
        self.bytes_per_second.store(rate, Ordering::Relaxed);
    }

    /// How much to send at once: a hundredth of a second's worth.
    pub(crate) fn chunk(&self) -> Option<u64> {
        self.rate().map(|rate| (rate / 100).clamp(1, LARGEST_CHUNK))
    }

    /// Books `bytes` and says when they may be sent.
    pub(crate) fn book(&self, bytes: u64, now: Instant) -> Instant {
        let Some(rate) = self.rate() else { return now };
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        // Lateness within the slack is made up for: timers fire up to a millisecond late.
        let earliest = now.checked_sub(SLACK).unwrap_or(now);
        let start = next.map_or(now, |next| next.max(earliest));
        *next = Some(start + Duration::from_secs_f64(bytes as f64 / rate as f64));
        start
    }

    fn rate(&self) -> Option<u64> {
        Some(self.bytes_per_second.load(Ordering::Relaxed)).filter(|rate| *rate > 0)
    }
}

const SLACK: Duration = Duration::from_millis(10);
const LARGEST_CHUNK: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_spread_over_the_time_they_take() {
        let pace = Pace::of(1_000_000);
        let now = Instant::now();
        let starts: Vec<Instant> = (0..5).map(|_| pace.book(10_000, now)).collect();
        for (index, start) in starts.iter().enumerate() {
            let expected = Duration::from_millis(10 * index as u64);
            assert_eq!((*start - now).as_millis(), expected.as_millis());
        }
    }

    #[test]
    fn idle_time_is_not_saved_up() {
        let pace = Pace::of(1_000_000);
        let start = Instant::now();
        pace.book(10_000, start);
        let later = start + Duration::from_secs(60);
        let first = pace.book(1_000_000, later);
        assert!(first >= later - SLACK);
        assert_eq!(pace.book(1, later), first + Duration::from_secs(1));
    }

    #[test]
    fn without_a_rate_there_is_no_waiting() {
        let pace = Pace::default();
        let now = Instant::now();
        assert_eq!(pace.chunk(), None);
        assert_eq!(pace.book(u64::MAX, now), now);
    }
}
