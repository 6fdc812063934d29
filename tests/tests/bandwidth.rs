//! `--bandwidth-limit`. How long a run takes at least is all that is timed: no machine is too busy
//! for that.

use ossget_tests::Rig;
use std::time::{Duration, Instant};

const SIZE: u64 = 1_500_000;
const SOURCE: &str = "oss://examplebucket/dir/object.bin";
const LIMIT: &[&str] = &["--bandwidth-limit", "1MiB"];

/// At 1 MiB/s, less the bytes that may come at once.
const LEAST: Duration = Duration::from_millis(1_300);

#[test]
fn a_download_takes_as_long_as_its_limit_says_and_nothing_is_taken_for_a_stall() {
    let rig = Rig::new(1, SIZE);
    let begun = Instant::now();
    let ended = rig.run(&[LIMIT, &["--part-size", "100KiB"]].concat());
    assert!(begun.elapsed() >= LEAST, "{ended:?}");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.event("object_done")["attempts_failed"], 0, "{ended:?}");
    rig.assert_downloaded();
}

#[test]
fn standard_output_gets_no_more_than_the_limit_either() {
    let rig = Rig::new(2, SIZE);
    for args in [["cat", SOURCE].as_slice(), &["get", SOURCE, "-"]] {
        let begun = Instant::now();
        let output = rig.ossget(&[args, LIMIT].concat()).output().expect("it starts");
        assert!(begun.elapsed() >= LEAST, "{args:?}");
        assert!(output.status.success(), "{output:?}");
        assert!(output.stdout == rig.content.window(0..SIZE), "{args:?}");
    }
}

#[test]
fn a_limit_of_nothing_is_a_usage_error_before_any_request() {
    let rig = Rig::new(3, SIZE);
    for (limit, why) in [("0", "1 or more"), ("fast", "KiB"), ("99999999t", "64 bits")] {
        let ended = rig.run(&["--bandwidth-limit", limit]);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains("--bandwidth-limit"), "{ended:?}");
        assert!(ended.stderr.contains(why), "{ended:?}");
    }
    assert!(rig.sim.requests().is_empty());
}
