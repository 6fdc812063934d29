//! What an attempt tells of what it has, and when.

use crate::driver::report::Reporter;
use ossget_core::session::{AttemptId, Event};
use std::time::Duration;
use tokio::time::Instant;

/// Tell at least after so many bytes: where connections are that fast, telling wakes a thread, and
/// doing so for each MiB was a tenth of all cost.
const BYTES: u64 = 4 << 20;
/// Tell of slower connections so often: enough to say within 100 ms how fast all are.
const INTERVAL: Duration = Duration::from_millis(50);
/// A rest that is worth telling: a timer's tick.
const LEAST_REST: Duration = Duration::from_millis(1);

/// What one attempt has not told yet.
pub(super) struct Tally {
    attempt: AttemptId,
    reporter: Reporter,
    /// Bytes that have come.
    bytes: u64,
    /// Those among them that belong to none of the parts.
    beyond: u64,
    /// Parts that are in the file, in order.
    parts: Vec<Event>,
    told: Instant,
}

impl Tally {
    pub(super) fn new(attempt: AttemptId, reporter: Reporter) -> Self {
        Self { attempt, reporter, bytes: 0, beyond: 0, parts: Vec::new(), told: Instant::now() }
    }

    /// Tells that the attempt is being answered.
    pub(super) fn answered(&self) {
        self.reporter.event(Event::Received { attempt: self.attempt, bytes: 0 });
    }

    /// So many bytes have come.
    pub(super) const fn came(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        self.beyond += bytes as u64;
    }

    /// A part is in the file, to which everything belongs that has come.
    pub(super) fn stored(&mut self, part: Event) {
        self.parts.push(part);
        self.beyond = 0;
    }

    /// What has come is told by another.
    pub(super) fn left_to_another(&mut self) {
        self.bytes = 0;
        self.beyond = 0;
        self.told = Instant::now();
    }

    pub(super) fn is_due(&self) -> bool {
        self.bytes >= BYTES || self.told.elapsed() >= INTERVAL
    }

    /// When parts have to be told of, whatever else comes.
    pub(super) fn due(&self) -> Option<Instant> {
        (!self.parts.is_empty()).then(|| self.told + INTERVAL)
    }

    /// Tells of all there is.
    pub(super) fn tell(&mut self) {
        if self.beyond > 0 {
            self.reporter.event(Event::Received { attempt: self.attempt, bytes: self.bytes });
        }
        self.tell_parts();
        self.left_to_another();
    }

    /// Tells of parts alone, and so of the bytes in them.
    pub(super) fn tell_parts(&mut self) {
        for part in self.parts.drain(..) {
            self.reporter.event(part);
        }
    }

    /// Tells that it rests until then, and first of what there is: there will be nothing new for a
    /// while.
    pub(super) fn rest_until(&mut self, due: Instant) {
        let time = due.saturating_duration_since(Instant::now());
        if time < LEAST_REST {
            return;
        }
        self.tell();
        self.reporter.event(Event::Resting { attempt: self.attempt, time });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::report::Report;
    use ossget_core::PartIndex;
    use tokio::sync::mpsc::UnboundedReceiver;
    use tokio::time::advance;

    fn tally() -> (Tally, UnboundedReceiver<Report>) {
        let (reporter, reports) = Reporter::new();
        (Tally::new(AttemptId::new(PartIndex::new(3), 1), reporter), reports)
    }

    fn told(reports: &mut UnboundedReceiver<Report>) -> Vec<String> {
        let next = || reports.try_recv().ok();
        std::iter::from_fn(next)
            .map(|report| match report.event {
                Event::Received { bytes, .. } => format!("{bytes} bytes"),
                Event::Stored { part, .. } => format!("part {}", part.get()),
                Event::Resting { time, .. } => format!("rest {time:?}"),
                event => format!("{event:?}"),
            })
            .collect()
    }

    fn part(tally: &Tally, index: u32) -> Event {
        Event::Stored { attempt: tally.attempt, part: PartIndex::new(index), bytes: 7, crc: 0 }
    }

    #[tokio::test(start_paused = true)]
    async fn parts_are_told_together_in_order_and_bytes_once() {
        let (mut tally, mut reports) = tally();
        for index in 3..5 {
            tally.came(1 << 20);
            let stored = part(&tally, index);
            tally.stored(stored);
            assert!(!tally.is_due());
        }
        tally.tell();
        assert_eq!(told(&mut reports), ["part 3", "part 4"]);

        tally.came(10);
        let stored = part(&tally, 5);
        tally.stored(stored);
        tally.came(20);
        tally.tell();
        assert_eq!(told(&mut reports), ["30 bytes", "part 5"], "20 of them in no part");
        tally.tell();
        assert_eq!(told(&mut reports), [""; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn much_is_told_at_once_and_little_soon() {
        let (mut tally, _reports) = tally();
        tally.came(4 << 20);
        assert!(tally.is_due());
        tally.left_to_another();
        tally.came(1);
        assert!(!tally.is_due());
        assert_eq!(tally.due(), None, "bytes alone can wait for others");
        let stored = part(&tally, 3);
        tally.stored(stored);
        let due = tally.due().expect("a part cannot");
        assert_eq!(due - Instant::now(), Duration::from_millis(50));
        advance(Duration::from_millis(50)).await;
        assert!(tally.is_due());
    }

    #[tokio::test(start_paused = true)]
    async fn before_a_rest_everything_is_told() {
        let (mut tally, mut reports) = tally();
        let stored = part(&tally, 3);
        tally.stored(stored);
        tally.came(5);
        tally.rest_until(Instant::now() + Duration::from_micros(999));
        assert_eq!(told(&mut reports), [""; 0], "none to speak of");
        tally.rest_until(Instant::now() + Duration::from_secs(1));
        assert_eq!(told(&mut reports), ["5 bytes", "part 3", "rest 1s"]);
    }
}
