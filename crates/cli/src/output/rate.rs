//! How fast bytes come in.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The rate of the last few seconds.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    samples: VecDeque<(Instant, u64)>,
}

impl Rate {
    /// Notes that `bytes` have come in until `now`, counted from any fixed origin.
    pub(crate) fn sample(&mut self, now: Instant, bytes: u64) {
        if self.samples.back().is_some_and(|&(_, last)| bytes < last) {
            self.samples.clear();
        }
        // Samples need not be denser than this: the window stays short.
        let dense = self.samples.len() > 1
            && self.samples.iter().rev().nth(1).is_some_and(|&(at, _)| now - at < SPACING);
        if dense {
            self.samples.pop_back();
        }
        self.samples.push_back((now, bytes));
        while self.samples.get(1).is_some_and(|&(at, _)| now - at >= WINDOW) {
            self.samples.pop_front();
        }
    }

    /// Bytes per second, up to `now`.
    pub(crate) fn per_second(&self, now: Instant) -> u64 {
        let (Some(first), Some(last)) = (self.samples.front(), self.samples.back()) else {
            return 0;
        };
        let nanos = (now - first.0).as_nanos();
        let rate = (u128::from(last.1 - first.1) * 1_000_000_000).checked_div(nanos);
        rate.and_then(|rate| u64::try_from(rate).ok()).unwrap_or_default()
    }
}

/// Long enough that one slow part does not make the number jump, short enough to show a stall.
const WINDOW: Duration = Duration::from_secs(5);
const SPACING: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, milliseconds: u64) -> Instant {
        start + Duration::from_millis(milliseconds)
    }

    #[test]
    fn the_rate_is_that_of_the_window() {
        let start = Instant::now();
        let mut rate = Rate::default();
        assert_eq!(rate.per_second(start), 0);
        for step in 0..=100 {
            rate.sample(after(start, step * 100), step * 1000);
        }
        assert_eq!(rate.per_second(after(start, 10_000)), 10_000);
        for step in 101..=200 {
            rate.sample(after(start, step * 100), 100_000);
        }
        assert_eq!(rate.per_second(after(start, 20_000)), 0);
    }

    #[test]
    fn the_rate_falls_while_nothing_comes_in() {
        let start = Instant::now();
        let mut rate = Rate::default();
        rate.sample(start, 0);
        rate.sample(after(start, 1000), 1000);
        assert_eq!(rate.per_second(after(start, 1000)), 1000);
        assert_eq!(rate.per_second(after(start, 4000)), 250);
    }

    #[test]
    fn few_samples_are_kept_however_often_it_is_told() {
        let start = Instant::now();
        let mut rate = Rate::default();
        for step in 0..100_000 {
            rate.sample(after(start, step), step);
        }
        assert!(rate.samples.len() < 50, "{}", rate.samples.len());
        assert_eq!(rate.per_second(after(start, 99_999)), 1000);
    }

    #[test]
    fn a_count_that_falls_starts_over() {
        let start = Instant::now();
        let mut rate = Rate::default();
        rate.sample(start, 5000);
        rate.sample(after(start, 1000), 10);
        assert_eq!(rate.per_second(after(start, 2000)), 0);
    }
}
