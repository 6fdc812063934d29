//! Everything is put right, in the middle of a run: what may hold it up after that.

use super::adapter::{Driven, Micros, Phase, SECOND, is_failure};
use super::agenda::Happening;
use super::catalogue::Fault;
use super::process::Process;
use std::collections::BTreeSet;

impl Process<'_> {
    /// From here on nothing goes wrong any more.
    pub(crate) fn heal(&mut self) {
        self.healed = true;
        self.healed_at = self.now;
        self.patience = self.patience_when_well + 2 * self.under_way;
        self.weather.clear();
        self.world.disk_full = false;
        for exchange in self.live.values_mut() {
            exchange.heal();
        }
    }

    /// How long what is under way may still hold up a run in which nothing more goes wrong:
    ///
    /// | what | how long |
    /// | --- | --- |
    /// | a wait for a new attempt, or a sync that takes long | what is left of it |
    /// | a silent connection | the read timeout, then a backoff |
    /// | a response head that never comes | its deadline, then a backoff |
    /// | a failure that is not told yet, or of the probe | a backoff |
    /// | a trickling or collapsed connection | until its next arrival |
    /// | fewer attempts than allowed | one more each second, up to 8, held back for 10 s |
    /// | syncs that have been slow | the last commit's wait grows to 5 s |
    pub(crate) fn under_way(&self, session: &Driven) -> Micros {
        const BACKOFF: Micros = 20 * SECOND;
        let left = |at: Micros| at.saturating_sub(self.now);
        let mut waits = self.watch.latest_wait().map_or(0, left);
        if session.phase() == Phase::Probing {
            waits = waits.max(BACKOFF);
        }
        let (mut stuck, mut arrivals, mut syncs) = (0, 0, 0);
        let mut moving = BTreeSet::new();
        for (at, what) in self.agenda.entries() {
            match what {
                Happening::Report(event) if is_failure(event) => waits = waits.max(BACKOFF),
                Happening::Report(_) => {}
                Happening::Head(serial) | Happening::Body(serial) => {
                    moving.insert(*serial);
                    arrivals = arrivals.max(left(at));
                }
                Happening::HeadMissing(serial) => {
                    moving.insert(*serial);
                    stuck = stuck.max(left(at) + BACKOFF);
                }
                Happening::SyncEnds(..) => syncs = left(at),
            }
        }
        for (serial, exchange) in &self.live {
            if exchange.silent {
                stuck = stuck.max(30 * SECOND + BACKOFF);
            } else if !moving.contains(serial) {
                stuck = stuck.max(self.settings.read_timeout + BACKOFF);
            }
        }
        let raising = if session.limit() < self.settings.parallel { 18 * SECOND } else { 0 };
        let slow = self.weather.has_been(Fault::SlowSync);
        waits + stuck + arrivals + syncs + raising + if slow { 5 * SECOND } else { 0 }
    }
}
