//! How many attempts may be live: fewer while the service throttles.

use super::ramp::{AtWork, Ramp};
use super::{AttemptId, Moment, SessionConfig};
use core::time::Duration;

/// One attempt more so long after the last change, while nothing is throttled: a service that
/// limits requests per second has seen the lower rate by then.
const RAISE_AFTER: Duration = Duration::from_secs(1);
/// No attempt more for so long after the service said that it holds answers back.
const HELD_BACK: Duration = Duration::from_secs(10);

/// Additive increase, multiplicative decrease of the number of live attempts (Chiu and Jain,
/// 1989: the pair that lets independent clients share fairly).
#[derive(Debug, Default)]
pub(super) struct Limit {
    /// `None` while nothing has been throttled.
    window: Option<Window>,
    /// Until then the service is not to be asked for more.
    held_until: Moment,
    /// Where the number is to be found.
    ramp: Option<Ramp>,
}

#[derive(Debug)]
struct Window {
    attempts: u32,
    /// What attempts up to this serial meet says nothing about the lowered number.
    lowered_at: u64,
    raise_at: Moment,
}

impl Limit {
    pub(super) fn new(now: Moment, config: &SessionConfig) -> Self {
        let ramp = config.parallel_at_first.map(|first| Ramp::new(now, first.get()));
        Self { ramp, ..Self::default() }
    }

    /// The driver lets an attempt rest for so long.
    pub(super) const fn resting(&mut self, time: Duration) {
        if let Some(ramp) = &mut self.ramp {
            ramp.resting(time);
        }
    }

    /// How many attempts may be live.
    pub(super) fn allowed(&self, config: &SessionConfig) -> u32 {
        let most = config.parallel.get();
        let most = self.ramp.as_ref().map_or(most, |ramp| ramp.allowed().min(most));
        self.window.as_ref().map_or(most, |window| window.attempts.min(most))
    }

    /// An attempt was throttled, `live` more being live: half of them from now on.
    pub(super) fn lower(&mut self, now: Moment, id: AttemptId, (live, newest): (usize, u64)) {
        // One attempt alone has nothing to give up.
        if live == 0 && self.window.is_none() {
            return;
        }
        if self.window.as_ref().is_some_and(|window| id.serial() <= window.lowered_at) {
            return;
        }
        let live = u32::try_from(live).unwrap_or(u32::MAX).saturating_add(1);
        let attempts = (live / 2).max(1);
        self.window = Some(Window {
            attempts,
            lowered_at: newest,
            raise_at: now.after(RAISE_AFTER).max(self.held_until),
        });
        if let Some(ramp) = &mut self.ramp {
            ramp.lower(attempts, now.after(HELD_BACK));
        }
    }

    /// The service says that it holds answers back: not the time for more of them.
    pub(super) fn hold(&mut self, now: Moment) {
        self.held_until = now.after(HELD_BACK);
        if let Some(window) = &mut self.window {
            window.raise_at = window.raise_at.max(self.held_until);
        }
        if let Some(ramp) = &mut self.ramp {
            ramp.lower(ramp.allowed(), self.held_until);
        }
    }

    /// Time has passed: one more, if it is time.
    pub(super) fn advance(&mut self, now: Moment, config: &SessionConfig) {
        let Some(window) = &mut self.window else { return };
        if window.raise_at > now {
            return;
        }
        window.attempts = window.attempts.saturating_add(1);
        window.raise_at = now.after(RAISE_AFTER);
        if window.attempts >= config.parallel.get() {
            self.window = None;
        }
    }

    /// The attempts do this: the search for their number goes on.
    pub(super) fn observe(&mut self, now: Moment, at_work: AtWork, config: &SessionConfig) {
        if let Some(ramp) = &mut self.ramp {
            ramp.advance(now, at_work, config);
        }
    }

    /// Whether their number is to be found.
    pub(super) const fn is_searching(&self) -> bool {
        self.ramp.is_some()
    }

    /// When one more may be live.
    pub(super) fn due(&self) -> Option<Moment> {
        self.window.as_ref().map(|window| window.raise_at)
    }

    /// When the search for their number must go on.
    pub(super) fn search_due(&self) -> Option<Moment> {
        self.ramp.as_ref().map(Ramp::due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PartIndex;
    use core::num::NonZeroU32;

    fn config(parallel: u32) -> SessionConfig {
        SessionConfig::new(NonZeroU32::new(parallel).unwrap(), 0)
    }

    fn attempt(serial: u64) -> AttemptId {
        AttemptId::new(PartIndex::new(0), serial)
    }

    fn second(n: u64) -> Moment {
        Moment::new(Duration::from_secs(n))
    }

    #[test]
    fn throttling_halves_the_number_once_for_all_that_were_under_way() {
        let mut limit = Limit::default();
        assert_eq!(limit.allowed(&config(8)), 8);
        limit.lower(second(0), attempt(3), (7, 8));
        assert_eq!(limit.allowed(&config(8)), 4);
        limit.lower(second(0), attempt(8), (3, 8));
        assert_eq!(limit.allowed(&config(8)), 4, "it began before the number was lowered");
        limit.lower(second(0), attempt(9), (3, 9));
        assert_eq!(limit.allowed(&config(8)), 2);
        limit.lower(second(0), attempt(10), (0, 10));
        assert_eq!(limit.allowed(&config(8)), 1);
        let mut alone = Limit::default();
        alone.lower(second(0), attempt(1), (0, 1));
        assert_eq!(alone.due(), None);
    }

    #[test]
    fn one_more_is_allowed_each_second_until_all_are() {
        let mut limit = Limit::default();
        limit.lower(second(0), attempt(1), (7, 8));
        for (at, allowed) in [(0, 4), (1, 5), (1, 5), (2, 6), (3, 7), (4, 8)] {
            limit.advance(second(at), &config(8));
            assert_eq!(limit.allowed(&config(8)), allowed, "after {at} s");
        }
        assert_eq!(limit.due(), None);
    }

    /// Faults: 45.
    #[test]
    fn a_service_that_holds_answers_back_is_not_asked_for_more() {
        let mut limit = Limit::default();
        limit.hold(second(0));
        assert_eq!(limit.allowed(&config(8)), 8);
        limit.lower(second(0), attempt(1), (7, 8));
        limit.hold(second(1));
        limit.advance(second(10), &config(8));
        assert_eq!(limit.allowed(&config(8)), 4);
        limit.advance(second(11), &config(8));
        assert_eq!(limit.allowed(&config(8)), 5);
    }

    /// Faults: 45.
    #[test]
    fn throttling_does_not_end_the_time_in_which_answers_are_held_back() {
        let mut limit = Limit::default();
        limit.hold(second(0));
        limit.lower(second(1), attempt(1), (7, 8));
        limit.lower(second(2), attempt(9), (3, 9));
        limit.advance(second(9), &config(8));
        assert_eq!(limit.allowed(&config(8)), 2);
        limit.advance(second(10), &config(8));
        assert_eq!(limit.allowed(&config(8)), 3);
    }
}
