//! Which attempts are given up because they are silent or far slower than they could be.

use super::attempt::{Attempt, AttemptState, Mark};
use super::transfer::Transfer;
use super::{AttemptId, Moment, SessionConfig};
use core::time::Duration;

/// So many times faster than a slow attempt its peers must be for it to be replaced: where
/// everything is slow, a new connection would not be faster.
const PEERS_FASTER: u64 = 10;

/// What is needed to tell a slow attempt from a slow network.
#[derive(Debug)]
pub(super) struct Watch {
    /// No live attempt can be due to be given up before this.
    quiet_until: Moment,
    /// Time that the attempts which have ended took together, and what they delivered.
    ended_time: Duration,
    ended_bytes: u64,
}

impl Watch {
    pub(super) fn new(now: Moment, config: &SessionConfig) -> Self {
        let quiet_until = now.after(shortest(config));
        Self { quiet_until, ended_time: Duration::ZERO, ended_bytes: 0 }
    }

    /// An attempt is over.
    pub(super) fn ended(&mut self, now: Moment, attempt: &Attempt) {
        self.ended_time = self.ended_time.saturating_add(now.since(attempt.begun));
        self.ended_bytes = self.ended_bytes.saturating_add(attempt.received());
    }

    /// When the attempts must be looked at again.
    pub(super) const fn due(&self) -> Moment {
        self.quiet_until
    }
}

impl Transfer {
    /// An attempt that is to be given up; marks it. Looks at the attempts only when one of them
    /// can be due.
    pub(super) fn expired(&mut self, now: Moment, config: &SessionConfig) -> Option<AttemptId> {
        #[cfg(feature = "mutants")]
        if config.mutant == Some(super::Mutant::StallIgnored) {
            self.watch.quiet_until = now.after(config.answer_timeout);
        }
        if now < self.watch.quiet_until {
            return None;
        }
        let peers = u64::try_from(self.live.len().saturating_sub(1)).unwrap_or(u64::MAX);
        let mut next = now.after(shortest(config));
        for attempt in self.live.iter_mut() {
            if attempt.state != AttemptState::Live {
                continue;
            }
            let silent = match attempt.last_byte {
                Some(last) => last.after(config.read_timeout),
                None => attempt.begun.after(config.answer_timeout),
            };
            let measured = attempt.mark.at.after(attempt.patience);
            let slow = attempt.last_byte.is_some()
                && measured <= now
                && is_slow(attempt, now, config)
                && lags(attempt, now, (self.bytes_received, peers), &self.watch);
            if silent <= now || slow {
                attempt.state = AttemptState::Stalled;
                return Some(attempt.id);
            }
            if measured <= now {
                attempt.mark = Mark::new(now, attempt.received(), self.bytes_received);
            }
            next = next.min(silent).min(attempt.mark.at.after(attempt.patience));
        }
        self.watch.quiet_until = next;
        None
    }
}

impl Mark {
    pub(super) const fn new(at: Moment, received: u64, session_received: u64) -> Self {
        Self { at, received, session_received }
    }
}

/// How long an attempt may be slow if so many before it were given up: twice as long each time,
/// since a path that is always slow at first would otherwise never get beyond that.
pub(super) fn patience(config: &SessionConfig, given_up: u32) -> Duration {
    config.low_speed_time.saturating_mul(1 << given_up.min(10))
}

/// No attempt that begins from now on can be due earlier than after this.
fn shortest(config: &SessionConfig) -> Duration {
    config.read_timeout.min(config.answer_timeout).min(config.low_speed_time)
}

/// Whether an attempt has been below the limit since its mark.
fn is_slow(attempt: &Attempt, now: Moment, config: &SessionConfig) -> bool {
    let own = attempt.received().saturating_sub(attempt.mark.received);
    let elapsed = now.since(attempt.mark.at).as_nanos();
    let limit = u128::from(config.low_speed_bytes_per_second);
    u128::from(own).saturating_mul(1_000_000_000) < limit.saturating_mul(elapsed)
}

/// Whether others are ten times faster: those beside it, or where it is the only one those before
/// it.
fn lags(
    attempt: &Attempt,
    now: Moment,
    (session_received, peers): (u64, u64),
    watch: &Watch,
) -> bool {
    let own = attempt.received().saturating_sub(attempt.mark.received);
    let wanted = u128::from(own.max(1)).saturating_mul(u128::from(PEERS_FASTER));
    let elapsed = now.since(attempt.mark.at).as_nanos();
    if peers > 0 {
        let all = session_received.saturating_sub(attempt.mark.session_received);
        let others = u128::from(all.saturating_sub(own));
        return others >= wanted.saturating_mul(u128::from(peers));
    }
    // bytes / time of one attempt, against own bytes / elapsed.
    let before = u128::from(watch.ended_bytes).saturating_mul(elapsed);
    !watch.ended_time.is_zero() && before >= wanted.saturating_mul(watch.ended_time.as_nanos())
}
