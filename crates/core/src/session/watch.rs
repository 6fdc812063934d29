//! Which attempts are given up because they are silent or far slower than they could be.

use super::attempt::{Attempt, AttemptState, Mark};
use super::transfer::Transfer;
use super::{AttemptId, Moment, SessionConfig};
use core::time::Duration;

/// So many times faster than a slow attempt its peers must be for it to be replaced: where
/// everything is slow, a new connection would not be faster.
const PEERS_FASTER: u64 = 10;

/// How long an attempt may be slower than its peers by that much, whatever its own rate. Two
/// seconds: a new connection has its full rate by then even where a round trip takes 200 ms.
const LAG_TIME: Duration = Duration::from_secs(2);

/// What each of the others must have delivered in such a time: less says nothing about a
/// connection.
const LAG_BYTES: u64 = 256 << 10;

/// While slots are free and nothing is left to begin, half of what others came to is too slow:
/// whoever takes over has nothing better to do.
const OTHERS_FASTER: u64 = 2;

/// How long that must last. Half a second: longer than most pauses of a healthy connection (the
/// least retransmission timeout of Linux is 200 ms).
const IDLE_TIME: Duration = Duration::from_millis(500);

/// While all together are at least so many eighths as fast as they were before, when no slot was
/// free, half is not too slow: the way or the disk is what limits them, and whoever takes over
/// would only take from the others.
const FULL_EIGHTHS: u64 = 7;

/// An attempt that will be done this soon is left alone: a new connection takes time, too.
const NEARLY_DONE: Duration = Duration::from_secs(1);

/// A request that takes five times as long as its answer is waited for is long enough: then four
/// fifths of the time bring bytes.
const WORTHWHILE_ANSWERS: u128 = 5;

/// An answer that takes so long comes from far away.
const FAR: Duration = Duration::from_millis(10);

/// So many answers to the first attempts tell something.
const TELLING_AT_FIRST: u32 = 4;

/// So many answers tell how long one takes.
const TELLING_ANSWERS: u32 = 8;

/// What is needed to tell a slow attempt from a slow network.
#[derive(Debug)]
pub(super) struct Watch {
    /// No live attempt can be due to be given up before this.
    quiet_until: Moment,
    /// When the transfer began.
    begun: Moment,
    /// While slots are free and nothing is left to begin: what had come before that was so.
    idle: Option<Flow>,
    /// Time that the attempts which have ended took together, and what they delivered.
    ended_time: Duration,
    ended_bytes: u64,
    /// How long an answer is waited for, of late, and how many there were.
    answer_time: Duration,
    answers: u32,
    /// Answers to attempts that had to connect, and how many of them took long.
    first: u32,
    late_at_first: u32,
}

impl Watch {
    pub(super) fn new(now: Moment, config: &SessionConfig) -> Self {
        let quiet_until = now.after(shortest(config));
        Self {
            quiet_until,
            begun: now,
            idle: None,
            ended_time: Duration::ZERO,
            ended_bytes: 0,
            answer_time: Duration::ZERO,
            answers: 0,
            first: 0,
            late_at_first: 0,
        }
    }

    /// The head of an answer has come after so long.
    pub(super) fn answered(&mut self, after: Duration) {
        // One that took very long is soon forgotten.
        let before = if self.answers == 0 { after } else { self.answer_time };
        self.answer_time = before.saturating_mul(7).saturating_add(after) / 8;
        self.answers = self.answers.saturating_add(1);
    }

    /// The head of an answer has come after so long to one of the first attempts, which had to
    /// connect before.
    pub(super) fn answered_at_first(&mut self, after: Duration) {
        self.first = self.first.saturating_add(1);
        if after >= FAR.saturating_mul(2) {
            self.late_at_first = self.late_at_first.saturating_add(1);
        }
    }

    /// Whether an answer takes long: of those to the first attempts at least half, until others
    /// tell.
    pub(super) fn is_far(&self) -> bool {
        match self.answers {
            0 => {
                self.first >= TELLING_AT_FIRST && self.late_at_first.saturating_mul(2) >= self.first
            }
            _ => self.answer_time >= FAR,
        }
    }

    /// Bytes that are worth a request: while an answer is waited for nothing comes, so it should
    /// bring what comes in some times as long. Of few answers nothing is known.
    pub(super) fn worthwhile(&self) -> u64 {
        if self.answers < TELLING_ANSWERS || self.answer_time.is_zero() {
            return 0;
        }
        let bytes = u128::from(self.ended_bytes)
            .saturating_mul(self.answer_time.as_nanos())
            .saturating_mul(WORTHWHILE_ANSWERS)
            .checked_div(self.ended_time.as_nanos());
        u64::try_from(bytes.unwrap_or_default()).unwrap_or(u64::MAX)
    }

    /// An attempt is over.
    pub(super) fn ended(&mut self, now: Moment, attempt: &Attempt) {
        self.ended_time = self.ended_time.saturating_add(now.since(attempt.begun));
        self.ended_bytes = self.ended_bytes.saturating_add(attempt.received());
    }

    /// What attempts that have ended came to, each for itself.
    const fn ended_flow(&self) -> Flow {
        Flow { bytes: self.ended_bytes, time: self.ended_time }
    }

    /// For so long nobody could have seen what any attempt did.
    pub(super) fn excuse(&mut self, absence: Duration) {
        self.begun = self.begun.after(absence);
    }

    /// Whether slots are free, nothing is left to begin, and whoever takes over finds room: from one
    /// without peers in any case, from others if all together are slower since `recent` than all were
    /// before, the session having received so many bytes by now. Of a short time nothing is known: the
    /// first MiB comes alone.
    fn has_room(&self, now: Moment, recent: Mark, (received, peers): (u64, u64)) -> bool {
        let Some(before) = self.idle else { return false };
        let bytes = received.saturating_sub(recent.session_received);
        let all = Flow { bytes, time: now.since(recent.at) };
        let full = Flow { bytes: before.bytes / 8 * FULL_EIGHTHS, ..before };
        let slower = before.time >= IDLE_TIME && !all.is_faster(1, full);
        self.ended_time >= IDLE_TIME && (peers == 0 || slower)
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
        let all = self.bytes_received;
        for attempt in self.live.iter_mut().filter(|attempt| attempt.state == AttemptState::Live) {
            let silent = match attempt.last_byte {
                Some(last) => last.after(config.read_timeout),
                None => attempt.begun.after(config.answer_timeout),
            };
            let given_up = attempt.given_up;
            let lag_time = if self.watch.idle.is_some() { IDLE_TIME } else { LAG_TIME };
            let slow_after = |mark: Mark| mark.at.after(patience(config.low_speed_time, given_up));
            let lag_after = |mark: Mark| mark.at.after(patience(lag_time, given_up));
            let (slow_at, lag_at) = (slow_after(attempt.mark), lag_after(attempt.recent));
            let measured = attempt.last_byte.is_some() && config.low_speed_bytes_per_second > 0;
            let others = |mark: &Mark| match peers {
                0 => self.watch.ended_flow(),
                _ => mark.flow_of_peers(attempt, now, all, peers),
            };
            let slow = slow_at <= now && {
                let own = attempt.mark.flow(attempt, now);
                is_slow(own, config) && others(&attempt.mark).is_faster(PEERS_FASTER, own)
            };
            let has_room = lag_at <= now && self.watch.has_room(now, attempt.recent, (all, peers));
            let long_at = attempt.recent.at.after(patience(LAG_TIME, given_up));
            let is_measured = lag_at <= now && (has_room || long_at <= now);
            let lags = is_measured && {
                let own = attempt.recent.flow(attempt, now);
                let (others, times) = match has_room {
                    true => (self.watch.ended_flow(), OTHERS_FASTER),
                    false => (others(&attempt.recent), PEERS_FASTER),
                };
                let left = Flow { bytes: attempt.left(), time: NEARLY_DONE };
                others.is_faster(times, own)
                    && others.is_faster(1, Flow { bytes: LAG_BYTES, time: own.time })
                    && left.is_faster(1, own)
            };
            if silent <= now || measured && (slow || lags) {
                attempt.state = AttemptState::Stalled;
                return Some(attempt.id);
            }
            if slow_at <= now {
                attempt.mark = Mark::new(now, attempt.received(), all);
            }
            if is_measured {
                attempt.recent = Mark::new(now, attempt.received(), all);
            }
            let lag_at = if lag_at <= now { now.after(IDLE_TIME) } else { lag_at };
            next = next.min(silent).min(slow_after(attempt.mark)).min(lag_at);
        }
        self.watch.quiet_until = next;
        None
    }

    /// Nothing more could be begun just now. Where slots are free because nothing is left, those
    /// that still run are held to more from now on.
    pub(super) fn watch_idleness(&mut self, now: Moment, config: &SessionConfig) {
        let (_, free) = self.slots(config);
        let idle = free > 0 && self.todo.is_empty() && !self.retries.is_waiting();
        if !idle {
            self.watch.idle = None;
        } else if self.watch.idle.is_none() {
            let time = now.since(self.watch.begun);
            self.watch.idle = Some(Flow { bytes: self.bytes_received, time });
            for attempt in self.live.iter_mut() {
                // One that rests is measured after its rest.
                let from = now.max(attempt.recent.at);
                attempt.recent = Mark::new(from, attempt.received(), self.bytes_received);
            }
            self.watch.quiet_until = self.watch.quiet_until.min(now.after(IDLE_TIME));
        }
    }
}

impl Mark {
    pub(super) const fn new(at: Moment, received: u64, session_received: u64) -> Self {
        Self { at, received, session_received }
    }

    /// What the attempt has delivered since.
    fn flow(&self, attempt: &Attempt, now: Moment) -> Flow {
        let bytes = attempt.received().saturating_sub(self.received);
        Flow { bytes, time: now.since(self.at) }
    }

    /// What the others have delivered since, each for itself.
    fn flow_of_peers(&self, attempt: &Attempt, now: Moment, all: u64, peers: u64) -> Flow {
        let own = self.flow(attempt, now);
        let bytes = all.saturating_sub(self.session_received).saturating_sub(own.bytes);
        Flow { bytes: bytes / peers.max(1), ..own }
    }
}

/// How long an attempt may be slow if so many before it were given up: twice as long each time,
/// since a path that is always slow at first would otherwise never get beyond that.
fn patience(time: Duration, given_up: u32) -> Duration {
    time.saturating_mul(1 << given_up.min(10))
}

/// No attempt that begins from now on can be due earlier than after this.
fn shortest(config: &SessionConfig) -> Duration {
    config.read_timeout.min(config.answer_timeout).min(config.low_speed_time).min(LAG_TIME)
}

/// Whether an attempt has been below the limit.
fn is_slow(own: Flow, config: &SessionConfig) -> bool {
    let limit = u128::from(config.low_speed_bytes_per_second);
    u128::from(own.bytes).saturating_mul(1_000_000_000) < limit.saturating_mul(own.time.as_nanos())
}

/// Bytes that came in some time.
#[derive(Clone, Copy, Debug)]
struct Flow {
    bytes: u64,
    time: Duration,
}

impl Flow {
    /// Whether this is at least `times` as fast as the other, of which one byte is taken for
    /// granted. Of no time nothing is known.
    fn is_faster(self, times: u64, other: Self) -> bool {
        let own = u128::from(self.bytes).saturating_mul(other.time.as_nanos());
        let wanted = u128::from(other.bytes.max(1)).saturating_mul(u128::from(times));
        !self.time.is_zero() && own >= wanted.saturating_mul(self.time.as_nanos())
    }
}
