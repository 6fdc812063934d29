//! Saying that a test could not be run.

use std::io::Write as _;

/// Says that a test could not be run, past the capture of the test runner.
///
/// # Panics
///
/// Where `OSSGET_NO_SKIP` says that everything it needs is there.
pub fn skipped(why: &str) {
    assert!(std::env::var_os("OSSGET_NO_SKIP").is_none(), "skipped although it must not be: {why}");
    writeln!(std::io::stderr(), "SKIPPED: {why}").expect("standard error");
}
