use super::*;

const GIB: u64 = 1 << 30;

fn view() -> View {
    View {
        phase: Phase::Transferring,
        bytes: 4 * GIB + GIB / 4,
        total: Some(10 * GIB),
        unchecked: 0,
        fetched: 4 * GIB,
        per_second: 103 << 20,
    }
}

fn failed(error: Error, kept: Option<Kept>) -> Failed {
    Failed { error, kept, exit_code: 1 }
}

#[test]
fn bytes_are_told_in_the_unit_that_fits() {
    for (count, text) in [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (8 << 20, "8 MiB"),
        ((8 << 20) - 1, "7.9 MiB"),
        (105 * GIB + GIB / 2, "105 GiB"),
        (48_u64 << 40, "48 TiB"),
        (u64::MAX, "16383 PiB"),
    ] {
        assert_eq!(bytes(count), text);
    }
}

#[test]
fn a_share_is_told_in_one_unit_where_that_shows_something() {
    assert_eq!(of(7 * GIB + GIB / 3, 10 * GIB), "7.3 of 10 GiB");
    assert_eq!(of(0, 10 * GIB), "0 of 10 GiB");
    assert_eq!(of(12 << 20, 10 * GIB), "12 MiB of 10 GiB");
    assert_eq!(of(10 * GIB - 1, 10 * GIB), "9.9 of 10 GiB");
    assert_eq!(of(3, 20), "3 of 20 B");
    assert_eq!(of(0, 0), "0 of 0 B");
}

#[test]
fn times_are_told_in_two_units_at_most() {
    for (milliseconds, text) in [
        (0, "0s"),
        (49, "49ms"),
        (1049, "1s"),
        (1770, "1.7s"),
        (59_999, "59s"),
        (62_000, "1m02s"),
        (3_900_000, "1h05m"),
        (273_600_000, "3d04h"),
    ] {
        assert_eq!(duration(Duration::from_millis(milliseconds)), text);
    }
}

#[test]
fn progress_tells_share_rate_and_time_left() {
    assert_eq!(progress(&view()), " 42%  4.2 of 10 GiB  103 MiB/s  57s left");
    let stalled = View { per_second: 0, ..view() };
    assert_eq!(progress(&stalled), " 42%  4.2 of 10 GiB  0 B/s");
    let endless = View { total: None, ..view() };
    assert_eq!(progress(&endless), "4.2 GiB  103 MiB/s");
    let nearly = View { bytes: 10 * GIB - 1, per_second: 0, ..view() };
    assert_eq!(progress(&nearly), " 99%  9.9 of 10 GiB  0 B/s");
    let complete = View { bytes: 10 * GIB, phase: Phase::Verifying, ..view() };
    assert_eq!(progress(&complete), "100%  10 of 10 GiB  verifying");
    let empty = View { bytes: 0, total: Some(0), phase: Phase::Publishing, ..view() };
    assert_eq!(progress(&empty), "100%  0 of 0 B  publishing");
}

#[test]
fn kept_bytes_are_told_apart_while_they_are_checked() {
    let checking = View { bytes: 0, unchecked: 3 * GIB, per_second: 1 << 30, ..view() };
    assert_eq!(
        progress(&checking),
        "  0%  0 of 10 GiB  1 GiB/s  7s left  (checking 3 GiB kept before)"
    );
}

#[test]
fn success_is_told_in_one_line() {
    let mut result = Told {
        already_there: false,
        bytes: 10 * GIB,
        fetched_bytes: 7 * GIB,
        resumed_bytes: 3 * GIB,
        requests: 160,
        attempts_failed: 2,
        etag: None,
        crc64: 1,
        integrity: "verified",
        elapsed: Duration::from_secs(97),
        destination: String::new(),
    };
    assert_eq!(
        told(&result, "/data/f"),
        "/data/f: 10 GiB in 1m37s, 73.8 MiB/s, 3 GiB kept from before, 2 requests made again, verified"
    );
    result.attempts_failed = 1;
    assert!(told(&result, "f").contains(", 1 request made again, "));
    result.already_there = true;
    assert_eq!(told(&result, "a\u{1b}b"), "a\\u{1b}b: 10 GiB, already there, verified");
}

#[test]
fn a_failure_tells_what_why_and_where() {
    let cause = std::io::Error::other("connection\u{7} reset");
    let error = Error::new(ErrorKind::Network, "the body was cut short").with_source(cause);
    assert_eq!(
        failure(&error, "oss://bkt/k to f"),
        "the body was cut short\n  because: connection\\u{7} reset\n  in: oss://bkt/k to f"
    );
}

#[test]
fn what_is_kept_is_told_with_what_to_do_next() {
    let kept = Some(Kept { bytes: 7 * GIB + GIB / 3, total: 10 * GIB });
    let cut = || Error::new(ErrorKind::Network, "cut");
    assert_eq!(next(&failed(cut(), kept)), ["run the same command again: 7.3 of 10 GiB are kept"]);
    assert_eq!(next(&failed(cut(), None)), ["run the same command again"]);
    let cancelled = Error::new(ErrorKind::Cancelled, "stopped");
    let nothing = Some(Kept { bytes: 0, total: 10 * GIB });
    assert_eq!(next(&failed(cancelled, nothing)), ["run the same command again"]);
}

#[test]
fn what_must_be_corrected_is_told_as_a_hint() {
    let error = Error::new(ErrorKind::Config, "bad").with_hint("write it well");
    assert_eq!(next(&failed(error, None)), ["hint: write it well"]);
    let lines = next(&failed(Error::new(ErrorKind::NoSpace, "full"), None));
    assert!(lines.len() == 1 && lines[0].starts_with("hint: "), "{lines:?}");
}

/// Faults: 53, 127.
#[test]
fn a_line_of_json_deceives_no_terminal_and_says_the_same() {
    let text = "a\n\u{1b}[31m\u{7f}\u{9b}\u{202e}\u{2028}é\"\\";
    let line = json_line(&[text]);
    assert_eq!(line, "[\"a\\n\\u001b[31m\\u007f\\u009b\\u202e\\u2028é\\\"\\\\\"]\n");
    assert_eq!(serde_json::from_str::<[String; 1]>(&line).unwrap(), [text]);
}
