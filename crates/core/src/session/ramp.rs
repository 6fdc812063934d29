//! How many attempts pay: found by trial.
//!
//! Twice as many are tried as long as that brings a good part of what it could; where it does
//! not, half as many, as long as that costs next to nothing, unless answers come from far away. What
//! was found is tried again after a while, since networks change.

use super::window::{Arrival, Window};
use super::{Moment, SessionConfig};
use core::ops::ControlFlow;
use core::time::Duration;

/// Bytes of each attempt that are measured at least, unless less arrives in a second.
const MEASURED: u64 = 1 << 20;

/// How long attempts that were just begun are waited for: connecting and the first answer.
const SETTLE: Duration = Duration::from_secs(1);

/// Never fewer than this: with one alone there is no telling a slow connection from a slow
/// network.
const LEAST: u32 = 2;

/// So many are begun without a trial where an answer takes long and much comes quickly, for each
/// connection comes slowly to what it can carry. Fewer are not tried there: the trial costs more than
/// fewer could save.
const FAR_ATTEMPTS: u32 = 16;
const QUICKLY: Duration = Duration::from_millis(250);

/// What is missing and comes so soon is not worth a trial.
const SOON: Duration = Duration::from_secs(1);

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
    /// Whether an answer takes long.
    is_far: bool,
    /// Whether nothing has been found out yet.
    is_first: bool,
    /// Whether what is missing comes soon.
    ends_soon: bool,
    hold: Duration,
    state: State,
    /// When time alone can change something.
    due: Moment,
}

#[derive(Clone, Copy, Debug)]
struct Trial {
    attempts: u32,
    arrival: Arrival,
    /// They rested for half of their time: half as many, which rest less, bring the same.
    half_would_do: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Not all attempts that are allowed are at work, or some more than these.
    Settling {
        since: Moment,
    },
    Measuring(Window),
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
    /// Whether an answer takes long.
    pub(super) is_far: bool,
    /// Bytes that have still to be received.
    pub(super) missing: u64,
}

impl Ramp {
    /// Begins with `attempts`.
    pub(super) fn new(now: Moment, attempts: u32) -> Self {
        let (state, due) = (State::Settling { since: now }, now.after(SETTLE));
        Self {
            attempts,
            best: None,
            grew: false,
            rested: Duration::ZERO,
            is_far: false,
            is_first: true,
            ends_soon: false,
            hold: HOLD,
            state,
            due,
        }
    }

    /// How many attempts may be live.
    pub(super) const fn allowed(&self) -> u32 {
        self.attempts
    }

    /// The service wants fewer: so many, and until then nothing else is tried.
    pub(super) fn lower(&mut self, attempts: u32, until: Moment) {
        self.attempts = self.attempts.min(attempts.max(1));
        self.is_first = false;
        (self.state, self.due) = (State::Holding, until);
    }

    /// The driver lets an attempt rest for so long.
    pub(super) const fn resting(&mut self, time: Duration) {
        if let State::Measuring(_) = self.state {
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
        self.is_far = at_work.is_far;
        match self.state {
            State::Settling { since } => {
                let all = at_work.answered >= self.attempts || now.since(since) >= SETTLE;
                if all && at_work.live <= self.attempts {
                    let window = Window::new(now, at_work.received);
                    (self.state, self.due) = (State::Measuring(window), window.due(now));
                    self.rested = Duration::ZERO;
                } else if due {
                    self.due = now.after(SETTLE);
                }
            }
            State::Measuring(window) => self.measure(now, window, at_work, config),
            State::Holding if due => {
                self.best = None;
                self.attempt(now, self.attempts);
            }
            State::Holding => {}
        }
    }

    fn measure(
        &mut self,
        now: Moment,
        mut window: Window,
        at_work: AtWork,
        config: &SessionConfig,
    ) {
        let enough = u64::from(self.attempts).saturating_mul(MEASURED);
        let quickly = window.lasted(now) <= QUICKLY && window.bytes(at_work.received) >= enough;
        let at_a_distance = FAR_ATTEMPTS.min(config.parallel.get());
        if self.is_first && self.is_far && quickly && self.attempts < at_a_distance {
            return self.attempt(now, at_a_distance);
        }
        let arrival = match window.look(now, at_work.received, enough) {
            ControlFlow::Break(arrival) => arrival,
            ControlFlow::Continue(()) => {
                (self.state, self.due) = (State::Measuring(window), window.due(now));
                return;
            }
        };
        let worked = window.lasted(now).saturating_mul(self.attempts);
        let half_would_do = self.rested.saturating_mul(2) >= worked;
        self.ends_soon = arrival.brings(at_work.missing, SOON);
        self.measured(now, Trial { attempts: self.attempts, arrival, half_would_do }, config);
    }

    fn measured(&mut self, now: Moment, trial: Trial, config: &SessionConfig) {
        self.is_first = false;
        let best = self.best.unwrap_or(trial);
        let more = trial.attempts > best.attempts;
        if more && !trial.brings_more(best) {
            self.attempts = best.attempts;
            return match self.grew {
                true => self.settle(now),
                false => self.try_fewer(now),
            };
        }
        if trial.attempts < best.attempts && !trial.half_would_do && !trial.costs_nothing(best) {
            self.attempts = best.attempts;
            return self.settle(now);
        }
        self.best = Some(trial);
        self.grew |= more;
        if trial.half_would_do {
            self.halve(now);
        } else if trial.attempts < best.attempts {
            self.try_fewer(now);
        } else {
            self.try_more(now, config);
        }
    }

    fn try_more(&mut self, now: Moment, config: &SessionConfig) {
        let most = config.parallel.get();
        match self.grew {
            _ if self.attempts < most => {
                self.attempt_other(now, self.attempts.saturating_mul(2).min(most));
            }
            true => self.settle(now),
            false => self.try_fewer(now),
        }
    }

    fn try_fewer(&mut self, now: Moment) {
        match self.is_far {
            true => self.settle(now),
            false => self.halve(now),
        }
    }

    fn halve(&mut self, now: Moment) {
        match self.attempts {
            0..=LEAST => self.settle(now),
            attempts => self.attempt_other(now, (attempts / 2).max(LEAST)),
        }
    }

    fn attempt_other(&mut self, now: Moment, attempts: u32) {
        match self.ends_soon {
            true => self.settle(now),
            false => self.attempt(now, attempts),
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
        self.arrival.beats(fewer.arrival, (wanted, before.saturating_mul(4)))
    }

    /// Whether this loses no more than a twentieth.
    fn costs_nothing(self, more: Self) -> bool {
        self.arrival.beats(more.arrival, (19, 20))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use core::num::NonZeroU32;

    /// All are answered, at once.
    fn at_work(live: u32, received: u64) -> AtWork {
        AtWork { live, answered: live, received, is_far: false, missing: u64::MAX }
    }

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
            ramp.advance(Moment::new(now), at_work(live, received), &config);
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

    /// A link of so many MiB/s: each connection has 14 KiB in its first round trip of 20 ms and twice as
    /// much in each that follows. The most that are tried, and what is found.
    fn found_at_a_distance(is_far: bool, link: u64) -> (u32, u32) {
        let config = SessionConfig::new(NonZeroU32::new(32).unwrap(), 0);
        let mut ramp = Ramp::new(Moment::default(), 8);
        let (mut received, mut begun, mut most) = (0, Vec::new(), 0);
        for tick in 0..400_u64 {
            let live = ramp.allowed();
            most = most.max(live);
            begun.resize(usize::try_from(live).unwrap(), tick);
            let trips = begun.iter().map(|since| (tick - since) / 2);
            let wanted: u64 = trips.map(|trips| (14 << 10) << trips.min(16)).sum();
            received += (wanted / 2).min((link << 20) / 100);
            let at_work = AtWork { is_far, ..at_work(live, received) };
            ramp.advance(Moment::new(Duration::from_millis(10 * tick)), at_work, &config);
        }
        (most, ramp.allowed())
    }

    #[test]
    fn what_new_connections_have_yet_to_come_to_is_not_taken_for_what_more_would_bring() {
        assert_eq!(found_at_a_distance(false, 1000), (16, LEAST));
    }

    #[test]
    fn where_an_answer_takes_long_more_begin_at_once_and_fewer_are_not_tried() {
        assert_eq!(found_at_a_distance(true, 1000), (32, FAR_ATTEMPTS));
        // Parts that take long are not made to take twice as long.
        assert_eq!(found_at_a_distance(true, 10), (16, 8));
    }

    #[test]
    fn a_service_that_wants_fewer_gets_fewer_at_a_distance_too() {
        let config = SessionConfig::new(NonZeroU32::new(32).unwrap(), 0);
        let mut ramp = Ramp::new(Moment::default(), 8);
        ramp.lower(4, Moment::new(Duration::from_secs(10)));
        let at_work = AtWork { is_far: true, ..at_work(4, 0) };
        ramp.advance(Moment::new(Duration::from_secs(9)), at_work, &config);
        assert_eq!(ramp.allowed(), 4);
    }

    #[test]
    fn nothing_is_tried_for_what_comes_within_a_second() {
        for (missing, attempts) in [(800 << 20, 8), (801 << 20, 16)] {
            let config = SessionConfig::new(NonZeroU32::new(32).unwrap(), 0);
            let mut ramp = Ramp::new(Moment::default(), 8);
            for tick in 0..=10 {
                // 800 MiB/s.
                let at_work = AtWork { missing, ..at_work(8, tick * (8 << 20)) };
                ramp.advance(Moment::new(Duration::from_millis(10 * tick)), at_work, &config);
            }
            assert_eq!(ramp.allowed(), attempts);
        }
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
            ramp.advance(now, at_work(live, received), &config);
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
        ramp.advance(Moment::new(Duration::from_secs(9)), at_work(4, 1 << 30), &config);
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
            ramp.advance(Moment::new(now), at_work(live, received), &config);
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
            ramp.advance(Moment::new(now), at_work(live, received), &config);
        }
        assert_eq!(most, 32);
    }

    #[test]
    fn attempts_that_are_never_answered_are_not_waited_for() {
        let config = SessionConfig::new(NonZeroU32::new(32).unwrap(), 0);
        let mut ramp = Ramp::new(Moment::default(), 8);
        let at_work = AtWork { answered: 7, ..at_work(8, 0) };
        ramp.advance(Moment::new(SETTLE), at_work, &config);
        assert!(matches!(ramp.state, State::Measuring(_)));
    }
}
