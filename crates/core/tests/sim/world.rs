//! What outlives a process: the server's objects, the disk, and what has been promised.

use super::catalogue::{Fault, Hits};
use super::content::{Labels, Object, Tag};
use super::disk::Disk;
use super::extents::Extents;
use super::rng::Rng;
use super::settings::{Settings, Subject};
use super::storage::{
    CHECKPOINT, DESTINATION, PARTIAL_PREFIX, bound_inode, read_checkpoint, read_slot,
};
use super::trace::Trace;
use ossget_core::{ByteRange, ExtentRequest, PartIndex};
use std::collections::BTreeSet;

/// A file that somebody else put at the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Foreign {
    tag: Tag,
    len: u64,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) disk: Disk,
    pub(crate) object: Object,
    pub(crate) labels: Labels,
    extent: ExtentRequest,
    /// Every content the key ever had.
    pub(crate) every_object: Vec<Object>,
    /// What others put at the destination; `None` for nothing.
    foreign: Vec<Option<Foreign>>,
    /// What success has been reported for.
    pub(crate) promised: Option<Object>,
    /// Whether somebody else has touched the destination since a run published there.
    claimed: bool,
    pub(crate) hits: Hits,
    pub(crate) violations: Vec<String>,
    /// Whether wrong bytes of the right length came over the network into the present partial
    /// file.
    pub(crate) tainted: bool,
    /// Whether somebody damaged a partial file, or a flush was ignored: slots may lie until they
    /// are read back.
    pub(crate) damaged: bool,
    /// Partial files of runs that record nothing: a kill leaves them, and nobody knows them.
    pub(crate) unrecorded: BTreeSet<String>,
    /// Whether a sync has lied about the partial file, and power has not been cut since.
    pub(crate) lied: bool,
    /// Requests and bytes of all runs.
    pub(crate) requests: u64,
    pub(crate) received: u64,
    pub(crate) voided: u64,
    /// No room for anything more until somebody makes some.
    pub(crate) disk_full: bool,
    /// Whether the next death is one of the whole machine.
    pub(crate) power_fails: bool,
    /// How the object last became another.
    pub(crate) last_change: Fault,
    /// Everything that was asked and reported, if anybody wants it.
    pub(crate) trace: Option<Trace>,
    /// Power cuts since a run last ended by itself.
    pub(crate) cuts_in_a_row: u32,
    seen_changes: u64,
}

impl World {
    pub(crate) fn new(subject: Subject, settings: &Settings, rng: &mut Rng) -> Self {
        let object = Object::new(rng.next(), rng.next() >> 8, subject.size);
        let mut world = Self {
            disk: Disk::default(),
            object,
            labels: subject.labels,
            extent: settings.extent,
            every_object: vec![object],
            foreign: vec![None],
            promised: None,
            claimed: false,
            hits: Hits::default(),
            violations: Vec::new(),
            tainted: false,
            damaged: false,
            unrecorded: BTreeSet::new(),
            lied: false,
            requests: 0,
            received: 0,
            voided: 0,
            disk_full: false,
            power_fails: false,
            last_change: Fault::Overwritten,
            trace: None,
            cuts_in_a_row: 0,
            seen_changes: 0,
        };
        if rng.chance(60) {
            world.foreign.clear();
            world.put_foreign(rng);
        }
        world
    }

    /// Somebody puts a file of their own at the destination.
    pub(crate) fn put_foreign(&mut self, rng: &mut Rng) {
        let foreign = Foreign { tag: Tag::stream(rng.next()), len: 1 + rng.below(400_000) };
        let mut data = Extents::default();
        data.write(0, foreign.len, foreign.tag);
        self.disk.uproot(DESTINATION);
        self.disk.plant(DESTINATION, foreign.len, data);
        self.foreign.push(Some(foreign));
    }

    /// Somebody makes, replaces or removes the destination.
    pub(crate) fn meddle_with_destination(&mut self, rng: &mut Rng) {
        // Whatever was promised, the destination is its owner's from now on.
        self.promised = None;
        self.claimed = true;
        if rng.chance(50) {
            self.put_foreign(rng);
        } else {
            self.disk.uproot(DESTINATION);
            self.foreign.push(None);
        }
        self.hits.count(Fault::DestinationMeddled);
    }

    /// Somebody puts another object under the key.
    pub(crate) fn replace(&mut self, rng: &mut Rng) {
        let size =
            if rng.chance(60) { self.object.size } else { rng.below(2 * self.object.size + 2) };
        self.object = Object::new(rng.next(), rng.next() >> 8, size);
        self.every_object.push(self.object);
    }

    /// The object grows, as an appendable one does.
    pub(crate) fn append(&mut self, rng: &mut Rng) {
        let size = self.object.size + 1 + rng.below(300_000);
        self.object = Object::new(rng.next(), self.object.phase, size);
        self.every_object.push(self.object);
    }

    /// The partial file, if there is one that counts.
    pub(crate) fn partial(&self) -> Option<(String, u64)> {
        let names = self.disk.named(PARTIAL_PREFIX);
        let name = names.into_iter().find(|name| !self.unrecorded.contains(name))?;
        let inode = self.disk.names[&name];
        Some((name, inode))
    }

    /// Somebody damages files between two runs.
    pub(crate) fn meddle(&mut self, rng: &mut Rng) {
        let Some((name, inode)) = self.partial() else { return };
        let len = self.disk.files[&inode].len;
        let at = rng.below(len.max(1));
        let end = (at + 1 + rng.below(300_000)).min(len);
        match rng.below(8) {
            0 => self.disk.uproot(&name),
            1 => self.disk.resize_durably(inode, at),
            2 => {
                self.disk.rot(inode, (len, len + 4), Tag::Literal(9));
                self.disk.resize_durably(inode, len + 4);
            }
            3 => self.disk.rot(inode, (at, end), Tag::Zero),
            4 => {
                let byte = self.byte_at(inode, at) ^ 1;
                self.disk.rot(inode, (at, (at + 1).min(len)), Tag::Literal(byte));
            }
            5 => {
                // Another file under its name, of its length.
                let mut data = Extents::default();
                data.write(0, len, Tag::stream(rng.next()));
                self.disk.uproot(&name);
                self.disk.plant(&name, len, data);
            }
            6 => {
                // A copy under its name, with a damaged stretch in it.
                let mut data = self.disk.files[&inode].data.clone();
                data.write(at, end, Tag::stream(rng.next()));
                self.disk.uproot(&name);
                self.disk.plant(&name, len, data);
            }
            _ => {
                self.misdirect(rng, inode, at / 512 * 512, end);
                self.hits.count(Fault::Misdirected);
            }
        }
        self.damaged = true;
        self.hits.count(Fault::Meddled);
    }

    /// A recorded part rots while nobody looks.
    pub(crate) fn rot_at_rest(&mut self, rng: &mut Rng) {
        let Some((_, inode)) = self.partial() else { return };
        let len = self.disk.files[&inode].len;
        let at = rng.below(len.max(1)) / 512 * 512;
        let end = (at + 512 * (1 + rng.below(16))).min(len);
        self.misdirect(rng, inode, at, end);
        self.hits.count(Fault::Misdirected);
    }

    /// Sectors come back as they were long ago, or as others are.
    pub(crate) fn misdirect(&mut self, rng: &mut Rng, inode: u64, at: u64, end: u64) {
        let tag = if rng.chance(25) { Tag::Zero } else { Tag::stream(rng.next()) };
        if at < end {
            self.disk.rot(inode, (at, end), tag);
        }
        self.damaged = true;
    }

    fn byte_at(&self, inode: u64, at: u64) -> u8 {
        let stretches = self.disk.files[&inode].data.stretches(at, at + 1);
        stretches.first().map_or(0, |(from, _, tag)| tag.byte(*from))
    }

    /// A run is about to put its file at the destination: what was promised for the one there is
    /// over.
    pub(crate) fn publishes(&mut self) {
        self.promised = None;
        self.claimed = false;
    }

    /// A run has reported success.
    pub(crate) fn promise(&mut self, object: Object) {
        if !self.claimed {
            self.promised = Some(object);
        }
        self.check_destination();
    }

    /// Looks at the destination if anything on the disk has changed since the last look.
    pub(crate) fn look(&mut self) {
        if self.disk.changes != self.seen_changes {
            self.seen_changes = self.disk.changes;
            self.check_destination();
        }
    }

    /// P1: the destination is what it was before, or a whole object. P2: what was promised is
    /// there.
    pub(crate) fn check_destination(&mut self) {
        let found = self.disk.names.get(DESTINATION).copied();
        let fine = match (self.promised, found) {
            (Some(promised), found) => found.is_some_and(|inode| self.holds(inode, promised)),
            (None, None) => self.foreign.contains(&None),
            (None, Some(inode)) => {
                self.holds_foreign(inode) || self.every_object.iter().any(|o| self.holds(inode, *o))
            }
        };
        if !fine {
            let what = found.map(|inode| {
                let file = &self.disk.files[&inode];
                format!("{} bytes {:?}", file.len, file.data.stretches(0, file.len))
            });
            self.violations.push(format!("the destination holds a wrong file: {what:?}"));
        }
    }

    fn holds_foreign(&self, inode: u64) -> bool {
        let file = &self.disk.files[&inode];
        self.foreign
            .iter()
            .flatten()
            .any(|foreign| file.len == foreign.len && file.data.holds(0, foreign.len, foreign.tag))
    }

    /// Whether a file is what is wanted of the object, byte for byte.
    fn holds(&self, inode: u64, object: Object) -> bool {
        let Some(extent) = object.extent(self.extent) else { return false };
        let file = &self.disk.files[&inode];
        file.len == extent.len()
            && file.data.holds(0, extent.len(), object.tag_in_file(extent.start()))
    }

    /// P4: every valid slot of a bound checkpoint tells the truth about the file.
    pub(crate) fn check_slots(&mut self) {
        if self.damaged || self.lied {
            return;
        }
        let Some(&checkpoint) = self.disk.names.get(CHECKPOINT) else { return };
        let Some((header, recorded)) = read_checkpoint(&self.disk, checkpoint) else { return };
        let Some(inode) = bound_inode(&self.disk, checkpoint, &header) else { return };
        let file = &self.disk.files[&inode];
        let codec = ossget_core::SlotCodec::new(header.session, &header.plan);
        for part in recorded.iter() {
            let part = PartIndex::new(part);
            let range = header.plan.range(part).expect("a recorded part");
            let start = range.start() - header.plan.extent().start();
            let says = read_slot(&self.disk, checkpoint, &codec, part);
            if file.data.crc(start, start + range.len()) != says.unwrap_or_default() {
                self.violations.push(format!("the slot of part {part} lies"));
                return;
            }
        }
    }

    /// P7: one partial file and one checkpoint at most, whatever has happened.
    pub(crate) fn check_litter(&mut self) {
        let names = self.disk.named(PARTIAL_PREFIX);
        let partial = names.iter().filter(|name| !self.unrecorded.contains(*name)).count();
        if partial > 1 {
            self.violations.push(format!("{partial} partial files: {names:?}"));
        }
    }

    /// The process has died: what the machine makes of it.
    pub(crate) fn die(&mut self, rng: &mut Rng, settings: &Settings) {
        let kill = settings.allows(Fault::Kill);
        let fails = std::mem::take(&mut self.power_fails);
        let cut = settings.allows(Fault::PowerCut) && (!kill || fails || rng.chance(60));
        if cut {
            self.hits.count(Fault::PowerCut);
            self.cuts_in_a_row += 1;
            if self.cuts_in_a_row > 1 {
                self.hits.count(Fault::PowerCutAgain);
            }
            if self.lied {
                self.hits.count(Fault::LostFlush);
                // From here on slots may lie; only reading back tells.
                self.damaged = true;
                self.lied = false;
            }
            self.disk.crash(rng, &mut self.hits);
        } else {
            self.hits.count(Fault::Kill);
            self.disk.kill();
        }
    }

    /// The range that is wanted of the present object.
    pub(crate) fn wanted(&self) -> Option<ByteRange> {
        self.object.extent(self.extent)
    }
}
