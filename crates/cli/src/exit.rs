//! The exit codes: what a scheduler learns.

use crate::signals::Interrupt;
use ossget::ErrorKind;

/// Done, verified, durable.
pub(crate) const DONE: u8 = 0;

/// Nothing is known to be wrong, nor to be right.
pub(crate) const CANNOT_TELL: u8 = 1;

/// The command line cannot be understood.
pub(crate) const USAGE: u8 = 2;

/// The exit code for an error, where `interrupt` is the signal that came first, if any did.
pub(crate) const fn code(kind: ErrorKind, interrupt: Option<Interrupt>) -> u8 {
    match (kind, interrupt) {
        (ErrorKind::Config | ErrorKind::RangeBeyondEnd, _) => USAGE,
        (ErrorKind::Credentials | ErrorKind::Denied, _) => 3,
        (ErrorKind::NotFound, _) => 4,
        (ErrorKind::Changed | ErrorKind::PreconditionFailed, _) => 5,
        (ErrorKind::Integrity, _) => 6,
        (ErrorKind::Storage | ErrorKind::NoSpace, _) => 7,
        (ErrorKind::Locked | ErrorKind::Exists, _) => 8,
        (ErrorKind::Refused | ErrorKind::Checkpoint, _) => 10,
        (
            ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::Network | ErrorKind::Timeout,
            _,
        ) => RUN_AGAIN,
        (ErrorKind::Cancelled, Some(interrupt)) => interrupt.exit_code(),
        (ErrorKind::Cancelled, None) => Interrupt::Keyboard.exit_code(),
        // RangeIgnored, Protocol, Service, Certificate, Redirected, Internal, and what a later
        // version of the library may add: nothing a scheduler could do but call somebody.
        _ => 1,
    }
}

/// The name of a kind in JSON: `not_found`.
pub(crate) fn name(kind: ErrorKind) -> String {
    let mut name = String::new();
    for character in format!("{kind:?}").chars() {
        if character.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(character.to_ascii_lowercase());
    }
    name
}

/// Not finished, nothing lost: the same command goes on.
const RUN_AGAIN: u8 = 75;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_code_and_its_name() {
        for (kind, expected, text) in [
            (ErrorKind::Config, 2, "config"),
            (ErrorKind::Credentials, 3, "credentials"),
            (ErrorKind::Denied, 3, "denied"),
            (ErrorKind::NotFound, 4, "not_found"),
            (ErrorKind::Changed, 5, "changed"),
            (ErrorKind::PreconditionFailed, 5, "precondition_failed"),
            (ErrorKind::RangeIgnored, 1, "range_ignored"),
            (ErrorKind::Protocol, 1, "protocol"),
            (ErrorKind::Service, 1, "service"),
            (ErrorKind::Throttled, 75, "throttled"),
            (ErrorKind::Unavailable, 75, "unavailable"),
            (ErrorKind::Network, 75, "network"),
            (ErrorKind::Timeout, 75, "timeout"),
            (ErrorKind::Integrity, 6, "integrity"),
            (ErrorKind::Checkpoint, 10, "checkpoint"),
            (ErrorKind::Storage, 7, "storage"),
            (ErrorKind::NoSpace, 7, "no_space"),
            (ErrorKind::Locked, 8, "locked"),
            (ErrorKind::Exists, 8, "exists"),
            (ErrorKind::Refused, 10, "refused"),
            (ErrorKind::Certificate, 1, "certificate"),
            (ErrorKind::Redirected, 1, "redirected"),
            (ErrorKind::RangeBeyondEnd, 2, "range_beyond_end"),
            (ErrorKind::Cancelled, 130, "cancelled"),
            (ErrorKind::Internal, 1, "internal"),
        ] {
            assert_eq!(code(kind, None), expected, "{kind:?}");
            assert_eq!(name(kind), text);
        }
    }

    #[test]
    fn a_cancelled_download_exits_as_its_signal_says() {
        for (interrupt, expected) in
            [(Interrupt::Hangup, 129), (Interrupt::Keyboard, 130), (Interrupt::Terminate, 143)]
        {
            assert_eq!(code(ErrorKind::Cancelled, Some(interrupt)), expected);
            assert_eq!(code(ErrorKind::Network, Some(interrupt)), RUN_AGAIN);
        }
    }
}
