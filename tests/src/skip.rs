//! Saying that a test could not be run.

use std::env;
use std::io::Write as _;

/// Says that a test could not be run, past the capture of the test runner.
///
/// # Panics
///
/// In CI, where nobody would read it, and where `OSSGET_NO_SKIP` says that everything it needs is
/// there.
pub fn skipped(why: &str) {
    assert!(!must_not_skip(), "skipped although it must not be: {why}");
    writeln!(std::io::stderr(), "SKIPPED: {why}").expect("standard error");
}

fn must_not_skip() -> bool {
    env::var_os("OSSGET_NO_SKIP").is_some() || is_ci(env::var("CI").ok().as_deref())
}

/// Whether this value of `CI` says so, read as `cargo xtask` reads it.
fn is_ci(value: Option<&str>) -> bool {
    !matches!(value.unwrap_or_default(), "" | "false" | "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ci_service_says_so_and_nothing_else_does() {
        assert!(is_ci(Some("true")) && is_ci(Some("1")));
        assert!([None, Some(""), Some("false"), Some("0")].into_iter().all(|value| !is_ci(value)));
    }
}
