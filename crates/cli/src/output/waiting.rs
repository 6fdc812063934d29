//! What there is to say while nothing moves.

use super::View;
use super::text::duration;
use ossget::Phase;
use std::time::{Duration, Instant};

/// Notices when nothing moves for a while, and why.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// How long the library goes on without any progress.
    patience: Duration,
    since: Instant,
    last: Option<View>,
    /// Why the latest request failed, if one did since something moved.
    reason: Option<String>,
    said: Said,
}

/// Whether it was said that nothing moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    No,
    Yes,
}

impl Waiting {
    pub(crate) const fn new(patience: Duration, now: Instant) -> Self {
        Self { patience, since: now, last: None, reason: None, said: Said::No }
    }

    /// A request failed.
    pub(crate) fn failed(&mut self, reason: &str) {
        self.reason = Some(reason.to_owned());
    }

    /// Where the download is now.
    pub(crate) fn at(&mut self, view: View, now: Instant) {
        let moved = |last: View| {
            (last.phase, last.bytes, last.unchecked, last.fetched)
                != (view.phase, view.bytes, view.unchecked, view.fetched)
        };
        // The first look is no movement.
        if self.last.is_some_and(moved) {
            self.since = now;
            self.reason = None;
            self.said = Said::No;
        }
        self.last = Some(view);
    }

    /// What is to be said now: once each time that nothing moves.
    pub(crate) fn due(&mut self, now: Instant) -> Option<String> {
        let still = now.saturating_duration_since(self.since);
        let probing = self.last.is_some_and(|view| view.phase == Phase::Probing);
        let text = match &self.reason {
            _ if self.said == Said::Yes => return None,
            Some(reason) if still >= AFTER_FAILURE => {
                let patience = duration(self.patience);
                format!("waiting: {reason}; trying again for up to {patience}")
            }
            None if probing && still >= AFTER_SILENCE => {
                "waiting: the service has not answered yet".to_owned()
            }
            _ => return None,
        };
        self.said = Said::Yes;
        Some(text)
    }

    /// Why nothing moves, once that was said.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.as_deref().filter(|_| self.said == Said::Yes)
    }
}

/// Long enough that a failure which the next try mends is not worth a word.
const AFTER_FAILURE: Duration = Duration::from_secs(3);
const AFTER_SILENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(600);

    fn view(phase: Phase, bytes: u64) -> View {
        View { phase, bytes, ..View::at_start(Some(1000), 0) }
    }

    #[test]
    fn a_failure_is_told_once_when_nothing_has_moved_for_some_seconds() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut waiting = Waiting::new(PATIENCE, start);
        waiting.at(view(Phase::Probing, 0), start);
        waiting.failed("no connection (h)");
        assert_eq!(waiting.due(after(2)), None);
        assert_eq!(waiting.reason(), None);
        let text = waiting.due(after(3)).unwrap();
        assert_eq!(text, "waiting: no connection (h); trying again for up to 10m00s");
        waiting.failed("no connection (h)");
        assert_eq!((waiting.due(after(60)), waiting.reason()), (None, Some("no connection (h)")));
    }

    #[test]
    fn what_moves_again_is_not_waited_for_any_more() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut waiting = Waiting::new(PATIENCE, start);
        waiting.at(view(Phase::Transferring, 5), start);
        waiting.failed("cut");
        waiting.at(view(Phase::Transferring, 5), after(4));
        assert!(waiting.due(after(4)).is_some());
        waiting.at(view(Phase::Transferring, 6), after(5));
        assert_eq!((waiting.due(after(60)), waiting.reason()), (None, None));
        waiting.failed("cut again");
        assert!(waiting.due(after(60)).unwrap().contains("cut again"));
    }

    #[test]
    fn a_service_that_says_nothing_at_all_is_told_of_too() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut waiting = Waiting::new(PATIENCE, start);
        assert_eq!(waiting.due(after(60)), None, "another run may hold the destination");
        waiting.at(view(Phase::Probing, 0), after(60));
        assert!(waiting.due(after(66)).unwrap().contains("has not answered"));
        waiting.at(view(Phase::Preparing, 0), after(67));
        assert_eq!(waiting.due(after(600)), None, "a large file is being read");
    }
}
