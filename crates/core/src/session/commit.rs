//! Group commit: which parts are recorded, and when.
//!
//! A commit takes a snapshot of the finished parts first, then syncs, then records exactly that
//! snapshot: what was stored while the sync ran may not be covered by it.

use super::commit_window::CommitWindow;
use super::{Action, Moment, SessionConfig, SlotWrite};
use crate::PartIndex;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::mem;
use core::time::Duration;

/// One commit. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId(u64);

#[derive(Debug, Default)]
pub(super) struct Commits {
    queue: Batch,
    oldest: Option<Moment>,
    running: Option<Running>,
    last_begun: Option<Moment>,
    serial: u64,
    /// Bytes recorded by this run.
    recorded_bytes: u64,
    voided: Vec<PartIndex>,
    pub(super) window: CommitWindow,
    health: Health,
}

/// Whether what a sync says may be believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Health {
    #[default]
    Sound,
    /// A write or sync failed: a later sync may succeed without the lost data, so nothing is
    /// ever recorded again.
    Poisoned,
}

#[derive(Debug, Default)]
struct Batch {
    slots: Vec<SlotWrite>,
    /// The parts whose slots become void.
    voids: Vec<PartIndex>,
    bytes: u64,
}

#[derive(Debug)]
struct Running {
    id: CommitId,
    step: Step,
    batch: Batch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Syncing,
    Recording,
}

impl Commits {
    /// Queues a slot to be recorded with the next commit.
    pub(super) fn queue(&mut self, now: Moment, slot: SlotWrite, bytes: u64) {
        if self.health == Health::Poisoned {
            return;
        }
        if let SlotWrite::Void { part } = slot {
            self.queue.voids.push(part);
        }
        self.queue.slots.push(slot);
        self.queue.bytes = self.queue.bytes.saturating_add(bytes);
        self.oldest.get_or_insert(now);
    }

    /// Bytes stored but not yet recorded.
    pub(super) fn backlog(&self) -> u64 {
        let running = self.running.as_ref().map_or(0, |running| running.batch.bytes);
        self.queue.bytes.saturating_add(running)
    }

    pub(super) const fn recorded_bytes(&self) -> u64 {
        self.recorded_bytes
    }

    /// Whether nothing waits and nothing runs.
    pub(super) fn is_settled(&self) -> bool {
        self.queue.slots.is_empty() && self.running.is_none()
    }

    pub(super) const fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Whether as much waits to be recorded as is recorded at once.
    pub(super) fn is_window_full(&self, config: &SessionConfig) -> bool {
        self.queue.bytes >= self.window.bytes(config)
    }

    /// When the next commit is due, unless one is running.
    pub(super) fn due(&self, config: &SessionConfig) -> Option<Moment> {
        let oldest = self.oldest?;
        if self.running.is_some() {
            return None;
        }
        let wanted = if self.is_window_full(config) {
            oldest
        } else {
            oldest.after(self.window.interval(config))
        };
        let allowed = self.last_begun.map(|begun| begun.after(config.commit_gap));
        Some(allowed.map_or(wanted, |allowed| wanted.max(allowed)))
    }

    /// Begins a commit of everything queued, unless one is running or nothing is queued.
    pub(super) fn begin(
        &mut self,
        now: Moment,
        #[cfg_attr(not(feature = "mutants"), expect(unused_variables, reason = "for mutants"))]
        config: &SessionConfig,
        actions: &mut VecDeque<Action>,
    ) {
        if self.running.is_some() || self.queue.slots.is_empty() {
            return;
        }
        self.serial = self.serial.saturating_add(1);
        let id = CommitId(self.serial);
        let batch = mem::take(&mut self.queue);
        self.oldest = None;
        self.last_begun = Some(now);
        #[cfg(feature = "mutants")]
        if config.mutant == Some(super::Mutant::RecordBeforeSync) {
            actions.push_back(Action::Record { commit: id, slots: batch.slots.clone() });
        }
        self.running = Some(Running { id, step: Step::Syncing, batch });
        actions.push_back(Action::Sync { commit: id });
    }

    /// The sync of `id` returned success. Whether such a sync was awaited.
    pub(super) fn synced(
        &mut self,
        now: Moment,
        id: CommitId,
        #[cfg_attr(not(feature = "mutants"), expect(unused_variables, reason = "for mutants"))]
        config: &SessionConfig,
        actions: &mut VecDeque<Action>,
    ) -> bool {
        let Some(running) = self.running.as_mut() else { return false };
        if running.id != id || running.step != Step::Syncing {
            return false;
        }
        if self.health == Health::Poisoned {
            self.running = None;
            return true;
        }
        self.window.synced(self.last_begun.map_or(Duration::ZERO, |begun| now.since(begun)));
        #[cfg(feature = "mutants")]
        match config.mutant {
            Some(super::Mutant::LiveSet) => {
                running.batch.slots.append(&mut self.queue.slots);
                running.batch.bytes += mem::take(&mut self.queue.bytes);
                self.oldest = None;
            }
            Some(super::Mutant::RecordBeforeSync) => running.batch.slots.clear(),
            _ => {}
        }
        running.step = Step::Recording;
        actions
            .push_back(Action::Record { commit: id, slots: mem::take(&mut running.batch.slots) });
        true
    }

    /// The slots of `id` are durable. Whether such a record was awaited.
    pub(super) fn recorded(&mut self, id: CommitId) -> bool {
        let ended =
            self.running.take_if(|running| running.id == id && running.step == Step::Recording);
        let Some(mut ended) = ended else { return false };
        self.recorded_bytes = self.recorded_bytes.saturating_add(ended.batch.bytes);
        self.voided.append(&mut ended.batch.voids);
        true
    }

    /// Parts whose slots have become void.
    pub(super) fn take_voided(&mut self) -> Vec<PartIndex> {
        mem::take(&mut self.voided)
    }

    /// Whether slots wait to become void.
    pub(super) fn has_voids(&self) -> bool {
        !self.queue.voids.is_empty()
    }

    /// Storage failed: nothing is ever recorded again.
    pub(super) fn poison(&mut self) {
        self.queue = Batch::default();
        self.oldest = None;
        self.health = Health::Poisoned;
    }

    /// The running commit failed. Whether `id` was running.
    pub(super) fn failed(&mut self, id: CommitId) -> bool {
        self.running.take_if(|running| running.id == id).is_some()
    }

    /// The order to record was taken back before anybody carried it out.
    pub(super) fn withdraw_record(&mut self) {
        self.running = None;
    }
}
