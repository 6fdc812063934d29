//! Waiting for what another process or thread brings about.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// Waits until something holds.
///
/// # Panics
///
/// After a minute, which nothing takes even on a machine that does other things as well.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "waited for {what} in vain");
        sleep(Duration::from_millis(1));
    }
}

const PATIENCE: Duration = Duration::from_secs(60);
