//! How fast bytes arrive, measured where that no longer grows: new connections begin slowly.

use super::Moment;
use core::ops::ControlFlow;
use core::time::Duration;

/// Half of the time that is measured at least. Reports of what arrived come as often, or every 4 MiB of
/// each attempt.
const HALF: Duration = Duration::from_millis(50);
/// How long is measured at most, where little arrives or ever more.
const MOST: Duration = Duration::from_secs(1);

/// A time in which arriving bytes are counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// When counting began.
    begun: Moment,
    since: Count,
    halfway: Option<Count>,
}

/// What had arrived in all by then.
#[derive(Clone, Copy, Debug)]
struct Count {
    at: Moment,
    received: u64,
}

/// Bytes that arrived, and how long that took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) bytes: u64,
    pub(super) time: Duration,
}

impl Window {
    pub(super) const fn new(now: Moment, received: u64) -> Self {
        Self { begun: now, since: Count { at: now, received }, halfway: None }
    }

    /// How long it has been counted.
    pub(super) fn lasted(&self, now: Moment) -> Duration {
        now.since(self.begun)
    }

    /// How much has been counted of all that has been received.
    pub(super) const fn bytes(&self, received: u64) -> u64 {
        received.saturating_sub(self.since.received)
    }

    /// When to look at the latest.
    pub(super) fn due(&self, now: Moment) -> Moment {
        let due = self.halfway.unwrap_or(self.since).at.after(HALF);
        if due > now { due } else { self.begun.after(MOST) }
    }

    /// So many have arrived by now: what was measured, if at least `enough` is and it no longer
    /// grows.
    pub(super) fn look(&mut self, now: Moment, received: u64, enough: u64) -> ControlFlow<Arrival> {
        let now = Count { at: now, received };
        let all = now.since(self.since);
        if self.lasted(now.at) >= MOST {
            return ControlFlow::Break(all);
        }
        let Some(halfway) = self.halfway else {
            self.halfway = Some(now).filter(|_| all.time >= HALF);
            return ControlFlow::Continue(());
        };
        let (first, second) = (halfway.since(self.since), now.since(halfway));
        if second.time < HALF || all.bytes < enough {
            return ControlFlow::Continue(());
        }
        if second.beats(first, (3, 2)) {
            (self.since, self.halfway) = (halfway, Some(now));
            return ControlFlow::Continue(());
        }
        ControlFlow::Break(all)
    }
}

impl Count {
    fn since(self, earlier: Self) -> Arrival {
        let bytes = self.received.saturating_sub(earlier.received);
        Arrival { bytes, time: self.at.since(earlier.at) }
    }
}

impl Arrival {
    /// Whether so many bytes come within that time at this rate.
    pub(super) fn brings(self, bytes: u64, within: Duration) -> bool {
        self.beats(Self { bytes, time: within }, (1, 1))
    }

    /// Whether this is at least as fast as the other times a fraction.
    pub(super) fn beats(self, other: Self, (times, of): (u64, u64)) -> bool {
        let own = u128::from(self.bytes).saturating_mul(other.time.as_nanos());
        let others = u128::from(other.bytes).saturating_mul(self.time.as_nanos());
        own.saturating_mul(u128::from(of)) >= others.saturating_mul(u128::from(times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found, and when, where so many bytes arrive in each millisecond.
    fn found(enough: u64, rate: impl Fn(u64) -> u64) -> (Arrival, u64) {
        let mut window = Window::new(Moment::default(), 0);
        let mut received = 0;
        for millisecond in 1.. {
            received += rate(millisecond);
            let now = Moment::new(Duration::from_millis(millisecond));
            if let ControlFlow::Break(arrival) = window.look(now, received, enough) {
                return (arrival, millisecond);
            }
            assert!(window.due(now) > now, "or the driver would never rest");
        }
        unreachable!("it ends after a second")
    }

    #[test]
    fn what_arrives_evenly_is_measured_for_a_tenth_of_a_second_and_until_it_is_enough() {
        for (enough, time) in [(0, 100), (50_000, 100), (300_000, 300), (5_000_000, 1000)] {
            let (arrival, when) = found(enough, |_| 1000);
            assert_eq!((arrival.bytes, when), (time * 1000, time), "{enough}");
            assert_eq!(arrival.time, Duration::from_millis(time));
        }
    }

    #[test]
    fn what_grows_is_measured_once_it_grows_no_longer() {
        // Twice as much every 20 ms for 250 ms.
        let (arrival, when) = found(0, |ms| 1 << (ms.min(250) / 20));
        assert_eq!(arrival.bytes, 100 << 12, "all at the full rate");
        assert!((350..=400).contains(&when), "{when}");
    }

    #[test]
    fn what_grows_for_ever_is_measured_in_the_end() {
        let (arrival, when) = found(0, |ms| 1 << (ms / 20));
        assert_eq!(when, 1000);
        assert!(arrival.time <= 2 * HALF, "of the latest only");
    }
}
