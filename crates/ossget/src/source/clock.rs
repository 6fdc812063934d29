//! The time to sign with, corrected by what the service says.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

/// This machine's clock plus what it is known to be off by.
///
/// The service refuses requests signed more than 15 minutes off. Nothing but the signing time is
/// corrected: neither the machine's clock nor any timer.
#[derive(Debug, Default)]
pub(super) struct Clock {
    offset_seconds: AtomicI64,
}

/// Whether the service's word about the time may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    Granted,
    /// Anybody on the way could make us sign for any time.
    Withheld,
}

/// A time to sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SigningTime {
    pub(super) time: SystemTime,
    offset_seconds: i64,
}

/// Whether the clock was corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Correction {
    /// A request signed now has another time than the refused one.
    Corrected {
        offset_seconds: i64,
    },
    Refused,
}

impl Clock {
    /// The corrected time, where `local` is this machine's.
    pub(super) fn at(&self, local: SystemTime) -> SigningTime {
        let offset_seconds = self.offset_seconds.load(Ordering::Relaxed);
        SigningTime { time: shifted(local, offset_seconds), offset_seconds }
    }

    /// Learns that `server` was the service's time at `local`, from a refusal of a request signed
    /// with `refused`.
    ///
    /// Compared with the refused request's own offset, not with the current one: of several
    /// requests refused at once, each may be sent again.
    pub(super) fn correct(
        &self,
        refused: SigningTime,
        server: SystemTime,
        local: SystemTime,
    ) -> Correction {
        let offset_seconds = seconds_between(local, server);
        let moved = offset_seconds.saturating_sub(refused.offset_seconds).unsigned_abs();
        if offset_seconds.unsigned_abs() > MAX_OFFSET_SECONDS || moved <= MIN_CORRECTION_SECONDS {
            return Correction::Refused;
        }
        self.offset_seconds.store(offset_seconds, Ordering::Relaxed);
        Correction::Corrected { offset_seconds }
    }
}

fn shifted(time: SystemTime, seconds: i64) -> SystemTime {
    let by = Duration::from_secs(seconds.unsigned_abs());
    let shifted = if seconds < 0 { time.checked_sub(by) } else { time.checked_add(by) };
    shifted.unwrap_or(time)
}

fn seconds_between(from: SystemTime, to: SystemTime) -> i64 {
    let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    match to.duration_since(from) {
        Ok(ahead) => seconds(ahead),
        Err(behind) => -seconds(behind.duration()),
    }
}

/// A clock that is further off is broken in another way, or the answer is a lie.
const MAX_OFFSET_SECONDS: u64 = 24 * 3600;

/// A smaller difference cannot be why the service refused: it tolerates 15 minutes.
const MIN_CORRECTION_SECONDS: u64 = 5 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    const NOW: u64 = 1_744_279_257;

    #[test]
    fn a_correction_moves_all_later_signing_times() {
        for server in [NOW + 3600, NOW - 3600, NOW + 86_400] {
            let clock = Clock::default();
            let first = clock.at(at(NOW));
            assert_eq!(first.time, at(NOW));
            let offset_seconds = server as i64 - NOW as i64;
            assert_eq!(
                clock.correct(first, at(server), at(NOW)),
                Correction::Corrected { offset_seconds }
            );
            assert_eq!(clock.at(at(NOW + 5)).time, at(server + 5));
        }
    }

    #[test]
    fn a_correction_has_bounds() {
        let clock = Clock::default();
        let first = clock.at(at(NOW));
        for server in [NOW, NOW + 300, NOW - 300, NOW + 86_401, NOW - 86_401, 0, NOW * 100] {
            assert_eq!(clock.correct(first, at(server), at(NOW)), Correction::Refused, "{server}");
        }
        assert_eq!(clock.at(at(NOW)).time, at(NOW));
    }

    #[test]
    fn requests_refused_together_are_all_corrected_but_a_corrected_one_is_not_again() {
        let clock = Clock::default();
        let (one, other) = (clock.at(at(NOW)), clock.at(at(NOW)));
        let corrected = Correction::Corrected { offset_seconds: 3600 };
        assert_eq!(clock.correct(one, at(NOW + 3600), at(NOW)), corrected);
        assert_eq!(clock.correct(other, at(NOW + 3600), at(NOW)), corrected);
        let third = clock.at(at(NOW));
        assert_eq!(clock.correct(third, at(NOW + 3601), at(NOW)), Correction::Refused);
    }

    /// Faults: 62.
    #[test]
    fn a_clock_that_is_set_right_meanwhile_is_followed() {
        let clock = Clock::default();
        clock.correct(clock.at(at(NOW)), at(NOW + 3600), at(NOW));
        let later = clock.at(at(NOW + 3600));
        assert_eq!(later.time, at(NOW + 7200));
        let right = Correction::Corrected { offset_seconds: 0 };
        assert_eq!(clock.correct(later, at(NOW + 3600), at(NOW + 3600)), right);
    }
}
