//! How many attempts pay: found by trial.
//!
//! Twice as many are tried as long as that brings a good part of what it could; where it does
//! not, half as many, as long as that costs next to nothing. What was found is tried again after
//! a while, since networks change.

use super::{Moment, SessionConfig};
use core::time::Duration;

/// How long a number is measured at least, and at most where little arrives: reports of what
/// arrived come every MiB or every 100 ms of each attempt.
const WINDOW: Duration = Duration::from_millis(100);
const LONGEST_WINDOW: Duration = Duration::from_secs(1);
const WINDOW_BYTES: u64 = 1 << 20;

/// How long attempts that were just begun are waited for: connecting and the first answer.
const SETTLE: Duration = Duration::from_secs(1);

/// Never fewer than this: with one alone there is no telling a slow connection from a slow
/// network.
const LEAST: u32 = 2;

/// What was found holds for so long, then for twice as long each time.
const HOLD: Duration = Duration::from_secs(2);
const LONGEST_HOLD: Duration = Duration::from_secs(32);

/// The search for the number of attempts that pay.
#[derive(Debug)]
pub(super) struct Ramp {
    attempts: u32,
    /// The best number so far and what it came to.
    best: Option<Trial>,
    /// Whether more attempts have brought more.
    grew: bool,
    /// For how long the driver has let attempts rest while this was measured, each for itself.
    rested: Duration,
    hold: Duration,
    state: State,
    /// When time alone can change something.
    due: Moment,
}

#[derive(Clone, Copy, Debug)]
struct Trial {
    attempts: u32,
    bytes: u64,
    time: Duration,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Not all attempts that are allowed are at work, or some more than these.
    Settling {
        since: Moment,
    },
    Measuring {
        since: Moment,
        before: u64,
    },
    Holding,
}

/// What the attempts do just now.
#[derive(Clone, Copy, Debug)]
pub(super) struct AtWork {
    pub(super) live: u32,
    /// How many of them have been answered.
    pub(super) answered: u32,
    /// Bytes the session has received.
    pub(super) received: u64,
}

impl Ramp {
    /// Begins with `attempts`.
    pub(super) fn new(now: Moment, attempts: u32) -> Self {
        let (state, due) = (State::Settling { since: now }, now.after(SETTLE));
        Self { attempts, best: None, grew: false, rested: Duration::ZERO, hold: HOLD, state, due }
    }

    /// How many attempts may be live.
    pub(super) const fn allowed(&self) -> u32 {
        self.attempts
    }

    /// The service wants fewer: so many, and until then nothing else is tried.
    pub(super) fn lower(&mut self, attempts: u32, until: Moment) {
        self.attempts = self.attempts.min(attempts.max(1));
        (self.state, self.due) = (State::Holding, until);
    }

    /// The driver lets an attempt rest for so long.
    pub(super) const fn resting(&mut self, time: Duration) {
        if let State::Measuring { .. } = self.state {
            self.rested = self.rested.saturating_add(time);
        }
    }

    /// When it must look again at the latest.
    pub(super) const fn due(&self) -> Moment {
        self.due
    }

    /// Time has passed or something has arrived.
    pub(super) fn advance(&mut self, now: Moment, at_work: AtWork, config: &SessionConfig) {
        let due = self.due <= now;
        match self.state {
            State::Settling { since } => {
                let all = at_work.answered >= self.attempts || now.since(since) >= SETTLE;
                if all && at_work.live <= self.attempts {
                    self.state = State::Measuring { since: now, before: at_work.received };
                    self.rested = Duration::ZERO;
                    self.due = now.after(WINDOW);
                } else if due {
                    self.due = now.after(SETTLE);
                }
            }
            State::Measuring { since, before } => {
                let (bytes, time) = (at_work.received.saturating_sub(before), now.since(since));
                let enough = u64::from(self.attempts).saturating_mul(WINDOW_BYTES);
                if time >= LONGEST_WINDOW || time >= WINDOW && bytes >= enough {
                    self.measured(now, Trial { attempts: self.attempts, bytes, time }, config);
                } else if due {
                    self.due = since.after(LONGEST_WINDOW);
                }
            }
            State::Holding if due => {
                self.best = None;
                self.attempt(now, self.attempts);
            }
            State::Holding => {}
        }
    }

    fn measured(&mut self, now: Moment, trial: Trial, config: &SessionConfig) {
        let best = self.best.unwrap_or(trial);
        let more = trial.attempts > best.attempts;
        // They rest for half of their time: half as many, which rest less, bring the same.
        let half_would_do =
            self.rested.saturating_mul(2) >= trial.time.saturating_mul(trial.attempts);
        if more && !trial.brings_more(best) {
            self.attempts = best.attempts;
            return match self.grew {
                true => self.settle(now),
                false => self.try_fewer(now),
            };
        }
        if trial.attempts < best.attempts && !half_would_do && !trial.costs_nothing(best) {
            self.attempts = best.attempts;
            return self.settle(now);
        }
        self.best = Some(trial);
        self.grew |= more;
        if trial.attempts < best.attempts || half_would_do {
            self.try_fewer(now);
        } else {
            self.try_more(now, config);
        }
    }

    fn try_more(&mut self, now: Moment, config: &SessionConfig) {
        let most = config.parallel.get();
        match self.grew {
            _ if self.attempts < most => {
                self.attempt(now, self.attempts.saturating_mul(2).min(most));
            }
            true => self.settle(now),
            false => self.try_fewer(now),
        }
    }

    fn try_fewer(&mut self, now: Moment) {
        match self.attempts {
            0..=LEAST => self.settle(now),
            attempts => self.attempt(now, (attempts / 2).max(LEAST)),
        }
    }

    fn attempt(&mut self, now: Moment, attempts: u32) {
        self.attempts = attempts;
        (self.state, self.due) = (State::Settling { since: now }, now.after(SETTLE));
    }

    /// The number stays as it is for a while.
    fn settle(&mut self, now: Moment) {
        self.grew = false;
        (self.state, self.due) = (State::Holding, now.after(self.hold));
        self.hold = self.hold.saturating_mul(2).min(LONGEST_HOLD);
    }
}

impl Trial {
    /// Whether this brings at least a quarter of what its attempts are more than the other's.
    fn brings_more(self, fewer: Self) -> bool {
        let before = u64::from(fewer.attempts);
        let wanted = before.saturating_mul(3).saturating_add(u64::from(self.attempts));
        self.beats(fewer, (wanted, before.saturating_mul(4)))
    }

    /// Whether this loses no more than a twentieth.
    fn costs_nothing(self, more: Self) -> bool {
        self.beats(more, (19, 20))
    }

    /// Whether this is at least as fast as the other times a fraction.
    fn beats(self, other: Self, (times, of): (u64, u64)) -> bool {
        let own = u128::from(self.bytes).saturating_mul(other.time.as_nanos());
        let others = u128::from(other.bytes).saturating_mul(self.time.as_nanos());
        own.saturating_mul(u128::from(of)) >= others.saturating_mul(u128::from(times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use core::num::NonZeroU32;

    /// The number that is found, and how long it took, where so many attempts come to so many
    /// MiB/s together.
    fn found(most: u32, rate: impl Fn(u32) -> u64) -> (u32, Duration) {
        let config = SessionConfig::new(NonZeroU32::new(most).unwrap(), 0);
        let mut ramp = Ramp::new(Moment::default(), 8);
        let (mut now, mut received) = (Duration::ZERO, 0);
        while !matches!(ramp.state, State::Holding) {
            let live = ramp.allowed();
            now += Duration::from_millis(10);
            received += (rate(live) << 20) / 100;
            let at_work = AtWork { live, answered: live, received };
            ramp.advance(Moment::new(now), at_work, &config);
            assert!(ramp.due() > Moment::new(now), "or the driver would never rest");
            assert!(now < Duration::from_secs(60));
        }
        (ramp.allowed(), now)
    }

    #[test]
    fn as_many_as_there_may_be_where_each_brings_more() {
        let (attempts, time) = found(32, |attempts| 20 * u64::from(attempts));
        assert_eq!(attempts, 32);
        assert!(time < Duration::from_millis(400), "{time:?}");
        assert_eq!(found(20, |attempts| 20 * u64::from(attempts)).0, 20);
    }

    #[test]
    fn few_where_one_is_enough() {
        let (attempts, time) = found(32, |_| 1500);
        assert_eq!(attempts, LEAST);
        assert!(time < Duration::from_millis(700), "{time:?}");
    }

    #[test]
    fn no_more_than_pay_where_the_link_is_full() {
        // 125 MiB/s in all, 10 MiB/s each: the thirteenth attempt fills the link.
        assert_eq!(found(32, |attempts| 125.min(10 * u64::from(attempts))).0, 16);
        // 80 MiB/s in all: eight do.
        assert_eq!(found(32, |attempts| 80.min(10 * u64::from(attempts))).0, 8);
    }

    #[test]
    fn fewer_where_more_do_harm() {
        assert_eq!(found(32, |attempts| 1600 / u64::from(attempts)).0, LEAST);
    }

    #[test]
    fn what_was_found_is_tried_again_later_and_later() {
        let config = SessionConfig::new(NonZeroU32::new(32).unwrap(), 0);
        let mut ramp = Ramp::new(Moment::default(), 8);
        let (mut received, mut holds) = (0, Vec::new());
        for now in (0..6000_u64).map(|tick| Moment::new(Duration::from_millis(10 * tick))) {
            let live = ramp.allowed();
            received += 1 << 20;
            let before = matches!(ramp.state, State::Holding);
            ramp.advance(now, AtWork { live, answered: live, received }, &config);
            if let (State::Holding, false) = (ramp.state, before) {
                holds.push(ramp.due().since(now).as_secs());
            }
        }
        assert_eq!(holds, [2, 4, 8, 16, 32]);
    }

    #[test]
    fn a_service_that_wants_fewer_gets_fewer() {
        let config = SessionConfig::new(NonZeroU32::new(32).unwrap(), 0);
        let mut ramp = Ramp::new(Moment::default(), 8);
        let until = Moment::new(Duration::from_secs(10));
        ramp.lower(4, until);
        assert_eq!((ramp.allowed(), ramp.due()), (4, until));
        let at_work = AtWork { live: 4, answered: 4, received: 1 << 30 };
        ramp.advance(Moment::new(Duration::from_secs(9)), at_work, &config);
        assert_eq!(ramp.allowed(), 4);
    }

    #[test]
    fn where_attempts_rest_more_are_not_tried_and_half_are_enough_whatever_is_measured() {
        let config = SessionConfig::new(NonZeroU32::new(32).unwrap(), 0);
        let mut ramp = Ramp::new(Moment::default(), 8);
        let (mut now, mut received, mut tried) = (Duration::ZERO, 0, Vec::new());
        while !matches!(ramp.state, State::Holding) {
            let live = ramp.allowed();
            tried.push(live);
            now += Duration::from_millis(10);
            // As it may seem where little comes: ever more with more, and far less with fewer.
            received += u64::from(live) << 10;
            // Five in eight.
            ramp.resting(Duration::from_micros(6_250) * live);
            let at_work = AtWork { live, answered: live, received };
            ramp.advance(Moment::new(now), at_work, &config);
            assert!(now < Duration::from_secs(60));
        }
        tried.dedup();
        assert_eq!((tried, ramp.allowed()), (alloc::vec![8, 4, LEAST], LEAST));
        // What comes by itself again is tried once more.
        let mut most = 0;
        for _ in 0..1000 {
            let live = ramp.allowed();
            (now, most) = (now + Duration::from_millis(10), most.max(live));
            received += u64::from(live) << 20;
            let at_work = AtWork { live, answered: live, received };
            ramp.advance(Moment::new(now), at_work, &config);
        }
        assert_eq!(most, 32);
    }

    #[test]
    fn attempts_that_are_never_answered_are_not_waited_for() {
        let config = SessionConfig::new(NonZeroU32::new(32).unwrap(), 0);
        let mut ramp = Ramp::new(Moment::default(), 8);
        let at_work = AtWork { live: 8, answered: 7, received: 0 };
        ramp.advance(Moment::new(SETTLE), at_work, &config);
        assert!(matches!(ramp.state, State::Measuring { .. }));
    }
}
