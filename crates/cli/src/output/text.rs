//! Sentences and numbers for people.

use super::{Failed, Kept, Told, View};
use ossget::{Error, ErrorKind, Phase};
use serde::Serialize;
use std::error::Error as StdError;
use std::fmt::Write as _;
use std::time::Duration;

/// A number of bytes: `7.3 GiB`.
pub(crate) fn bytes(count: u64) -> String {
    let unit = unit_of(count);
    format!("{} {}", in_unit(count, unit), UNITS[unit])
}

/// Some bytes of many, in one unit where that shows something: `7.3 of 10 GiB`.
pub(crate) fn of(done: u64, total: u64) -> String {
    let unit = unit_of(total);
    if done > 0 && unit > 0 && done < (1 << (10 * unit)) / 10 {
        return format!("{} of {}", bytes(done), bytes(total));
    }
    format!("{} of {}", in_unit(done, unit), bytes(total))
}

/// A time: `400ms`, `1.7s`, `59s`, `1m02s`, `1h05m`, `3d04h`.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 if time.subsec_millis() > 0 => format!("{}ms", time.subsec_millis()),
        1..10 if time.subsec_millis() >= 100 => {
            format!("{seconds}.{}s", time.subsec_millis() / 100)
        }
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// Text from elsewhere, such as a path, fit for a terminal.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match is_harmless(character) {
            true => shown.push(character),
            false => shown.extend(character.escape_default()),
        }
    }
    shown
}

/// A line of JSON, fit for a terminal as well: the same text for whoever parses it.
pub(crate) fn json_line(value: &impl Serialize) -> String {
    // Only text, numbers and fixed names: there is nothing that could not be serialised.
    let text = serde_json::to_string(value).unwrap_or_default();
    let mut line = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        match is_harmless(character) {
            true => line.push(character),
            // Outside of strings there is none; each has four digits.
            false => line.push_str(&format!("\\u{:04x}", u32::from(character))),
        }
    }
    line.push('\n');
    line
}

fn is_harmless(character: char) -> bool {
    !character.is_control() && !REORDERING.contains(&character)
}

/// How far a download is: ` 42%  4.2 of 10 GiB  103 MiB/s  59s left`.
pub(crate) fn progress(view: &View) -> String {
    let mut text = match view.total {
        Some(total) => format!("{:>3}%  {}", percent(view.bytes, total), of(view.bytes, total)),
        None => bytes(view.bytes),
    };
    match view.phase {
        Phase::Probing | Phase::Preparing => text.push_str("  preparing"),
        Phase::Draining => text.push_str("  stopping"),
        Phase::Verifying => text.push_str("  verifying"),
        Phase::Publishing => text.push_str("  publishing"),
        Phase::Finished => {}
        _ => {
            _ = write!(text, "  {}/s", bytes(view.per_second));
            if let Some(left) = view.time_left() {
                _ = write!(text, "  {} left", duration(left));
            }
        }
    }
    if view.unchecked > 0 {
        _ = write!(text, "  (checking {} kept before)", bytes(view.unchecked));
    }
    text
}

/// What came of a download that succeeded.
pub(crate) fn told(told: &Told, destination: &str) -> String {
    let name = shown(destination);
    let size = bytes(told.bytes);
    if told.already_there {
        return format!("{name}: {size}, already there, {}", told.integrity);
    }
    let mut text = format!("{name}: {size} in {}", duration(told.elapsed));
    let rate = u128::from(told.fetched_bytes) * 1000 / told.elapsed.as_millis().max(1);
    _ = write!(text, ", {}/s", bytes(u64::try_from(rate).unwrap_or(u64::MAX)));
    if told.resumed_bytes > 0 {
        _ = write!(text, ", {} kept from before", bytes(told.resumed_bytes));
    }
    match told.attempts_failed {
        0 => {}
        1 => text.push_str(", 1 request made again"),
        more => _ = write!(text, ", {more} requests made again"),
    }
    _ = write!(text, ", {}", told.integrity);
    text
}

/// What went wrong: what, because of what, where, who says so. Without the closing line.
pub(crate) fn failure(error: &Error, place: &str) -> String {
    let mut text = error.to_string();
    let mut before = text.clone();
    let mut cause = error.source();
    while let Some(error) = cause {
        let why = error.to_string();
        // Some libraries' errors say what their causes say.
        if !before.contains(&why) {
            _ = write!(text, "\n  because: {}", shown(why.trim_end()));
        }
        before = why;
        cause = error.source();
    }
    _ = write!(text, "\n  in: {place}");
    if let Some(range) = error.range() {
        _ = write!(text, ", bytes {}", crate::range::text(range));
    }
    let said: Vec<String> = [
        ("", error.service_code()),
        ("EC ", error.ec()),
        ("request id ", error.request_id()),
        ("host ", error.host()),
    ]
    .into_iter()
    .filter_map(|(name, value)| value.map(|value| format!("{name}{}", shown(value))))
    .collect();
    if !said.is_empty() {
        _ = write!(text, "\n  service: {}", said.join(", "));
    }
    if error.attempts() > 1 {
        _ = write!(text, "\n  attempts: {}", error.attempts());
    }
    text
}

/// What to do next, in at most two lines: what to correct, and whether to run it again.
pub(crate) fn next(failed: &Failed) -> Vec<String> {
    let Failed { error, kept, .. } = failed;
    let again = error.is_transient() || error.kind() == ErrorKind::Cancelled;
    let mut lines = Vec::new();
    // The library's general advice for these is what the closing line says better.
    if let Some(hint) = error.hint().filter(|_| !again) {
        lines.push(format!("hint: {hint}"));
    }
    if again || error.is_resumable() {
        lines.push(match kept {
            Some(Kept { bytes, total }) if *bytes > 0 => {
                let next = if again { "run the same command again: " } else { "" };
                format!("{next}{} are kept", of(*bytes, *total))
            }
            _ if again => "run the same command again".to_owned(),
            _ => return lines,
        });
    }
    lines
}

/// Rounded down: 100% is only what is complete.
fn percent(done: u64, total: u64) -> u128 {
    (u128::from(done) * 100).checked_div(u128::from(total)).unwrap_or(100)
}

/// The largest unit that `count` has at least one of.
const fn unit_of(count: u64) -> usize {
    let mut unit = 0;
    while unit + 1 < UNITS.len() && count >> (10 * (unit + 1)) > 0 {
        unit += 1;
    }
    unit
}

/// `count` in a unit, rounded down, with one decimal if it is below 100 and not whole.
fn in_unit(count: u64, unit: usize) -> String {
    let tenths = (u128::from(count) * 10) >> (10 * unit);
    match (tenths / 10, tenths % 10) {
        (whole, tenth) if whole < 100 && tenth > 0 => format!("{whole}.{tenth}"),
        (whole, _) => whole.to_string(),
    }
}

const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/// Characters that are not controls, but change the direction of text or break lines.
const REORDERING: [char; 14] = [
    '\u{61c}', '\u{200e}', '\u{200f}', '\u{2028}', '\u{2029}', '\u{202a}', '\u{202b}', '\u{202c}',
    '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}',
];

#[cfg(test)]
mod tests;
