//! Which failure is tried again, when, and how often.

use super::{Moment, SessionConfig};
use crate::{Failure, Jitter, PartIndex};
use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

/// Protocol violations of one range that are borne: a server that answers wrongly this often in
/// a row does not know better.
const PROTOCOL_LIMIT: u32 = 3;

/// Reused connections found dead in a row that are not charged to anyone.
const UNSENT_LIMIT: u32 = 3;

/// What a new connection can bring in its first round trip, about: ten segments (RFC 6928).
const FIRST_FLIGHT: u64 = 16 << 10;

/// Ranges waiting to be tried again, and how often each has failed.
#[derive(Debug, Default)]
pub(super) struct Retries {
    /// Nothing of these is stored.
    waiting: BTreeSet<(Moment, PartIndex)>,
    /// Of these a prefix is stored.
    begun: BTreeSet<(Moment, PartIndex)>,
    failures: BTreeMap<PartIndex, Failures>,
    /// Failures since anything last arrived.
    fruitless: usize,
}

/// Failures of one range since it last progressed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Failures {
    /// All, for the length of the wait.
    streak: u32,
    /// Those that happened while others progressed.
    charged: u32,
    protocol: u32,
    unsent: u32,
    /// Attempts that were given up for being silent or slow.
    stalled: u32,
}

/// What a failure leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Try again after this wait.
    Wait(Duration),
    /// Enough.
    GiveUp,
}

/// What surrounded a failure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances {
    pub(super) failure: Failure,
    pub(super) retry_after: Option<Duration>,
    /// What the attempt itself delivered.
    pub(super) delivery: Delivery,
    /// Whether other attempts delivered anything meanwhile.
    pub(super) others_progressed: bool,
}

/// What a failed attempt delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    Nothing,
    /// Less than one round trip brings: not charged, but not worth an immediate new request
    /// either, or a server that sends a byte at a time could have millions of them.
    Little,
    Enough,
}

impl Delivery {
    /// What `bytes` of a range of `wanted` are.
    pub(super) fn of(bytes: u64, wanted: u64) -> Self {
        match bytes {
            0 => Self::Nothing,
            _ if bytes < FIRST_FLIGHT.min(wanted) => Self::Little,
            _ => Self::Enough,
        }
    }
}

impl Failures {
    /// Failures in a row.
    pub(super) const fn streak(&self) -> u32 {
        self.streak
    }

    /// Counts a failure and decides what follows.
    pub(super) fn decide(
        &mut self,
        what: Circumstances,
        config: &SessionConfig,
        jitter: &mut Jitter,
    ) -> Decision {
        if what.delivery == Delivery::Enough {
            // A path that is slow at first delivers enough each time, and is still to be given
            // more time with each attempt.
            let stalled = if what.failure == Failure::Stalled { self.stalled } else { 0 };
            *self = Self { stalled, ..Self::default() };
        }
        if !what.failure.is_transient() {
            return Decision::GiveUp;
        }
        if what.failure == Failure::Unsent && self.unsent < UNSENT_LIMIT {
            self.unsent = self.unsent.saturating_add(1);
            return Decision::Wait(Duration::ZERO);
        }
        if what.failure == Failure::Stalled {
            self.stalled = self.stalled.saturating_add(1);
        }
        if what.failure == Failure::Protocol {
            self.protocol = self.protocol.saturating_add(1);
        }
        // These are no fault of the range: fewer attempts follow from them.
        let own_fault = !matches!(what.failure, Failure::Scarce | Failure::Throttled);
        if what.others_progressed && what.delivery == Delivery::Nothing && own_fault {
            self.charged = self.charged.saturating_add(1);
        }
        if self.protocol >= PROTOCOL_LIMIT || self.charged > config.retries {
            return Decision::GiveUp;
        }
        if what.failure == Failure::Short && what.delivery == Delivery::Enough {
            return Decision::Wait(Duration::ZERO);
        }
        let wait = config.backoff.delay(self.streak, jitter.next());
        #[cfg(feature = "mutants")]
        match config.mutant {
            Some(super::Mutant::NoBackoff) => return Decision::Wait(Duration::ZERO),
            Some(super::Mutant::RetryAfterIgnored) => return Decision::Wait(wait),
            _ => {}
        }
        self.streak = self.streak.saturating_add(1);
        Decision::Wait(what.retry_after.map_or(wait, |asked| asked.max(wait)))
    }
}

impl Retries {
    pub(super) fn failures_mut(&mut self, part: PartIndex) -> &mut Failures {
        self.failures.entry(part).or_default()
    }

    /// How often attempts of this part were given up for being silent or slow.
    pub(super) fn stalled(&self, part: PartIndex) -> u32 {
        self.failures.get(&part).map_or(0, |failures| failures.stalled)
    }

    /// The part is complete: its history is forgotten.
    pub(super) fn forget(&mut self, part: PartIndex) {
        if !self.failures.is_empty() {
            self.failures.remove(&part);
        }
    }

    /// The part, of which so many bytes are stored, is not tried again before then.
    pub(super) fn wait_until(&mut self, at: Moment, part: PartIndex, stored: u64) {
        let waiting = if stored > 0 { &mut self.begun } else { &mut self.waiting };
        waiting.insert((at, part));
        self.fruitless = self.fruitless.saturating_add(1);
    }

    /// Something arrived.
    pub(super) const fn progressed(&mut self) {
        self.fruitless = 0;
    }

    /// Whether other ranges than those that wait may be begun, with so many attempts allowed.
    /// While nothing at all gets through, each would fail as well, at once and without a wait:
    /// an object of many ranges would be asked for as fast as failures come back.
    pub(super) fn allow_others(&self, limit: usize) -> bool {
        self.fruitless < limit || !self.is_waiting()
    }

    /// Takes a part with a prefix whose wait is over.
    pub(super) fn take_begun(&mut self, now: Moment) -> Option<PartIndex> {
        take_due(&mut self.begun, now)
    }

    /// Takes a part without a prefix whose wait is over.
    pub(super) fn take_waiting(&mut self, now: Moment) -> Option<PartIndex> {
        take_due(&mut self.waiting, now)
    }

    /// How many parts with a prefix wait.
    pub(super) fn begun(&self) -> usize {
        self.begun.len()
    }

    /// When the wait of a part with a prefix is over.
    pub(super) fn begun_due(&self) -> Option<Moment> {
        self.begun.first().map(|&(at, _)| at)
    }

    /// When the wait of a part without a prefix is over.
    pub(super) fn waiting_due(&self) -> Option<Moment> {
        self.waiting.first().map(|&(at, _)| at)
    }

    pub(super) fn is_waiting(&self) -> bool {
        !(self.waiting.is_empty() && self.begun.is_empty())
    }
}

fn take_due(waiting: &mut BTreeSet<(Moment, PartIndex)>, now: Moment) -> Option<PartIndex> {
    let &(at, part) = waiting.first()?;
    if at > now {
        return None;
    }
    waiting.pop_first();
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::num::NonZeroU32;

    fn config() -> SessionConfig {
        let mut config = SessionConfig::new(NonZeroU32::MIN, 0);
        config.retries = 2;
        config
    }

    /// What follows from failures of one range in a row.
    fn decisions(all: &[(Failure, Delivery)]) -> (Failures, [Decision; 8]) {
        let (mut failures, mut jitter) = (Failures::default(), Jitter::new(1));
        let mut decisions = [Decision::GiveUp; 8];
        for (decision, &(failure, delivery)) in decisions.iter_mut().zip(all) {
            let others_progressed = true;
            let what = Circumstances { failure, retry_after: None, delivery, others_progressed };
            *decision = failures.decide(what, &config(), &mut jitter);
        }
        (failures, decisions)
    }

    fn is_patient(decision: Decision) -> bool {
        matches!(decision, Decision::Wait(wait) if !wait.is_zero())
    }

    const AT_ONCE: Decision = Decision::Wait(Duration::ZERO);

    #[test]
    fn less_than_a_round_trip_brings_is_little_unless_it_was_all_that_was_wanted() {
        assert_eq!(Delivery::of(0, 100), Delivery::Nothing);
        assert_eq!(Delivery::of(FIRST_FLIGHT - 1, 1 << 20), Delivery::Little);
        assert_eq!(Delivery::of(FIRST_FLIGHT, 1 << 20), Delivery::Enough);
        assert_eq!(Delivery::of(99, 100), Delivery::Little);
        assert_eq!(Delivery::of(100, 100), Delivery::Enough);
    }

    #[test]
    fn requests_that_were_not_sent_are_repeated_three_times_at_once() {
        let (_, decisions) = decisions(&[(Failure::Unsent, Delivery::Nothing); 4]);
        assert_eq!(decisions[..3], [AT_ONCE; 3]);
        assert!(is_patient(decisions[3]));
    }

    #[test]
    fn an_answer_that_was_shorter_is_followed_up_at_once_if_it_was_worth_it() {
        let (_, decisions) = decisions(&[
            (Failure::Short, Delivery::Enough),
            (Failure::Short, Delivery::Little),
            (Failure::Network, Delivery::Enough),
        ]);
        assert_eq!(decisions[0], AT_ONCE);
        assert!(is_patient(decisions[1]) && is_patient(decisions[2]));
    }

    #[test]
    fn failures_without_progress_are_counted_until_it_is_enough() {
        let (failures, decisions) = decisions(&[(Failure::Network, Delivery::Nothing); 3]);
        assert!(decisions[..2].iter().all(|&decision| is_patient(decision)));
        assert_eq!((decisions[2], failures.streak()), (Decision::GiveUp, 2));
        let progress = (Failure::Network, Delivery::Enough);
        let (failures, _) = self::decisions(&[progress; 8]);
        assert_eq!(failures.streak(), 1);
    }

    #[test]
    fn others_are_not_begun_while_nothing_gets_through() {
        let mut retries = Retries::default();
        assert!(retries.allow_others(1), "nothing has failed");
        for part in 0..2 {
            retries.wait_until(Moment::default(), PartIndex::new(part), u64::from(part));
        }
        assert_eq!(retries.begun(), 1);
        assert!(retries.allow_others(3) && !retries.allow_others(2) && !retries.allow_others(1));
        retries.progressed();
        assert!(retries.allow_others(1));
        for part in 0..2 {
            retries.wait_until(Moment::default(), PartIndex::new(part), u64::from(part));
        }
        assert!(retries.take_begun(Moment::default()).is_some());
        assert!(retries.take_waiting(Moment::default()).is_some());
        assert!(retries.allow_others(1), "nothing waits any more");
    }

    #[test]
    fn a_part_that_is_complete_has_no_history() {
        let mut retries = Retries::default();
        let part = PartIndex::new(3);
        retries.failures_mut(part).stalled = 2;
        assert_eq!(retries.stalled(part), 2);
        retries.forget(part);
        assert_eq!(retries.stalled(part), 0);
        assert!(retries.failures.is_empty(), "or it would grow with the object");
    }
}
