//! How much may be stored before it is recorded, on this disk.

use super::SessionConfig;
use core::time::Duration;

/// A sync that takes longer than this is a cost of its own: fewer, larger commits pay it less
/// often. 250 ms is what spinning and network disks need under load; local ones need about 10 ms.
const SLOW: Duration = Duration::from_millis(250);
/// Syncs as quick as this would cost little even at the smallest window.
const QUICK: Duration = Duration::from_millis(50);
/// Syncs that are looked at together: their median decides, so that one hiccup does not.
const SAMPLES: usize = 5;
/// From 64 MiB to 512 MiB, which bounds what a crash can cost.
const MOST_DOUBLINGS: u32 = 3;
/// The longest that a stored part may wait to be recorded, however slow the disk is.
const LONGEST_INTERVAL: Duration = Duration::from_secs(5);

/// The commit window in force: what was configured, doubled while syncs are slow.
#[derive(Debug, Default)]
pub(super) struct CommitWindow {
    doublings: u32,
    recent: [Duration; SAMPLES],
    sampled: usize,
}

impl CommitWindow {
    /// Commit once so many bytes are stored and not yet recorded.
    pub(super) fn bytes(&self, config: &SessionConfig) -> u64 {
        config.commit_bytes.saturating_mul(1 << self.doublings)
    }

    /// Commit once the oldest stored part has waited this long.
    pub(super) fn interval(&self, config: &SessionConfig) -> Duration {
        let raised = config.commit_interval.saturating_mul(1 << self.doublings);
        raised.min(LONGEST_INTERVAL.max(config.commit_interval))
    }

    /// A sync took so long.
    pub(super) fn synced(&mut self, took: Duration) {
        if let Some(sample) = self.recent.get_mut(self.sampled) {
            *sample = took;
        }
        self.sampled = self.sampled.saturating_add(1);
        if self.sampled < SAMPLES {
            return;
        }
        self.sampled = 0;
        self.recent.sort_unstable();
        let median = self.recent.get(SAMPLES / 2).copied().unwrap_or_default();
        if median > SLOW {
            self.doublings = self.doublings.saturating_add(1).min(MOST_DOUBLINGS);
        } else if median < QUICK {
            self.doublings = self.doublings.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::num::NonZeroU32;

    fn config() -> SessionConfig {
        SessionConfig::new(NonZeroU32::MIN, 0)
    }

    fn after(syncs: &[u64]) -> CommitWindow {
        let mut window = CommitWindow::default();
        for &millis in syncs {
            window.synced(Duration::from_millis(millis));
        }
        window
    }

    #[test]
    fn slow_syncs_double_the_window_up_to_a_bound() {
        let slow = [300; 5];
        assert_eq!(after(&slow[..4]).bytes(&config()), 64 << 20);
        assert_eq!(after(&slow).bytes(&config()), 128 << 20);
        assert_eq!(after(&slow).interval(&config()), Duration::from_secs(2));
        let long = slow.repeat(10);
        assert_eq!(after(&long).bytes(&config()), 512 << 20);
        assert_eq!(after(&long).interval(&config()), Duration::from_secs(5));
    }

    #[test]
    fn one_hiccup_changes_nothing() {
        assert_eq!(after(&[5, 5, 9000, 5, 9000]).bytes(&config()), 64 << 20);
    }

    #[test]
    fn quick_syncs_take_a_doubling_back_and_middling_ones_do_not() {
        let syncs = |millis: u64| [[300; 5], [millis; 5]].concat();
        assert_eq!(after(&syncs(10)).bytes(&config()), 64 << 20);
        assert_eq!(after(&syncs(100)).bytes(&config()), 128 << 20);
    }
}
