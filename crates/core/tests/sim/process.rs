//! One process run: a driver between the real session and the simulated world.

use super::content::{BLOCK, Object, ZeroCrc, token};
use super::disk::{Crash, Disk, Unit};
use super::rng::Rng;
use super::world::{PARTIAL_PREFIX, Settings, World};
use ossget_core::session::{
    Action, AttemptId, CommitId, Event, Examination, Handled, Moment, Outcome, Piece, PrepareMode,
    PreparedPartial, ResumeVerify, Session, SlotWrite, StorageTask,
};
use ossget_core::{
    Bind, ByteRange, Checkpoint, Failure, HEADER_LEN, Header, Locator, PartIndex, PartPlan,
    PartSet, SLOTS_OFFSET, Slot, SlotCodec, SourceKind, file_len,
};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

/// How a process run ended.
#[derive(Debug)]
pub(crate) enum End {
    Crashed,
    Finished(Outcome),
    /// A law was broken.
    Broken(String),
}

/// Something that will happen, in order of time, then of cause.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Report(Box<Report>),
    /// The next blocks of an attempt's body arrive.
    Body(u64),
    SyncEnds(CommitId, usize),
}

/// Reports that need an order only to be kept in a heap.
#[derive(Clone, Debug)]
struct Report(Event);

impl PartialEq for Report {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl Eq for Report {}
impl PartialOrd for Report {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Report {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

struct Exchange {
    id: AttemptId,
    range: ByteRange,
    position: u64,
    /// CRC of what was written of the current part.
    piece: Piece,
    served: Object,
    dies_at: Option<u64>,
    silent: bool,
}

pub(crate) struct Process<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) rng: &'a mut Rng,
    zeros: &'a ZeroCrc,
    now: Duration,
    order: u64,
    agenda: BinaryHeap<Reverse<(Duration, u64, Happening)>>,
    exchanges: BTreeMap<u64, Exchange>,
    opened: Option<Opened>,
    checkpoint: Option<u64>,
    old_header: Option<Header>,
    settings: Settings,
    /// Slots that were valid when the process began: never fetched again unless found false.
    pub(crate) valid_at_start: PartSet,
    resumed: bool,
}

struct Opened {
    plan: PartPlan,
    codec: SlotCodec,
    object: Object,
    name: String,
    inode: u64,
}

const CHECKPOINT: &str = "checkpoint";
pub(crate) const DESTINATION: &str = "destination";

impl<'a> Process<'a> {
    pub(crate) fn new(
        world: &'a mut World,
        rng: &'a mut Rng,
        zeros: &'a ZeroCrc,
        settings: Settings,
    ) -> Self {
        Self {
            world,
            rng,
            zeros,
            now: Duration::ZERO,
            order: 0,
            agenda: BinaryHeap::new(),
            exchanges: BTreeMap::new(),
            opened: None,
            checkpoint: None,
            old_header: None,
            settings,
            valid_at_start: PartSet::new(0),
            resumed: false,
        }
    }

    /// Runs until the end, the crash, or a broken law.
    pub(crate) fn run(&mut self) -> End {
        match self.try_run() {
            Ok(end) => end,
            Err(Crash) => End::Crashed,
        }
    }

    fn try_run(&mut self) -> Result<End, Crash> {
        let resume = self.load_checkpoint()?;
        let config = self.settings.session_config(self.rng.next());
        let mut session = Session::new(config, resume);
        for _ in 0..200_000 {
            while let Some(action) = session.poll_action() {
                if let Some(end) = self.execute(action)? {
                    return Ok(end);
                }
            }
            let progress = session.progress();
            if progress.bytes_total.is_some_and(|total| progress.bytes_done > total) {
                return Ok(End::Broken("more done than there is".into()));
            }
            if self.rng.below(1000) == 0 && self.settings.cancels {
                let _ = session.handle(Moment::new(self.now), Event::Cancel);
                continue;
            }
            let deadline = session.poll_deadline().map(|d| d.at.since_origin());
            let next = self.agenda.peek().map(|Reverse((at, ..))| *at);
            match (next, deadline) {
                (None, None) => return Ok(End::Broken("nothing to wait for".into())),
                (Some(at), deadline) if deadline.is_none_or(|deadline| at <= deadline) => {
                    let Some(Reverse((at, _, what))) = self.agenda.pop() else { continue };
                    self.now = self.now.max(at);
                    if let Some(event) = self.happen(what)? {
                        self.report(&mut session, event);
                    }
                }
                (_, Some(deadline)) => {
                    self.now = self.now.max(deadline);
                    let _ = session.handle(Moment::new(self.now), Event::Tick);
                }
                (Some(_), None) => unreachable!("taken by the first arm"),
            }
        }
        Ok(End::Broken("no end in sight".into()))
    }

    fn report(&mut self, session: &mut Session, event: Event) {
        let again = self.rng.chance(2).then(|| event.clone());
        let _: Handled = session.handle(Moment::new(self.now), event);
        // A report that comes twice must do no harm.
        if let Some(event) = again
            && !matches!(
                event,
                Event::Received { .. } | Event::Probed { .. } | Event::ProbeFailed { .. }
            )
        {
            let _: Handled = session.handle(Moment::new(self.now), event);
        }
    }

    fn later(&mut self, at_most_ms: u64, what: Happening) {
        let at = self.now + Duration::from_micros(self.rng.below(at_most_ms * 1000));
        self.order += 1;
        self.agenda.push(Reverse((at, self.order, what)));
    }

    fn later_report(&mut self, at_most_ms: u64, event: Event) {
        self.later(at_most_ms, Happening::Report(Box::new(Report(event))));
    }

    fn load_checkpoint(&mut self) -> Result<Option<Checkpoint>, Crash> {
        let disk = &mut self.world.disk;
        disk.step()?;
        let Some(&inode) = disk.names.get(CHECKPOINT) else {
            self.checkpoint = Some(disk.create(CHECKPOINT)?);
            return Ok(None);
        };
        self.checkpoint = Some(inode);
        let Some((header, recorded)) = read_checkpoint(disk, inode) else { return Ok(None) };
        self.old_header = Some(header.clone());
        self.valid_at_start = recorded.clone();
        Ok(Some(Checkpoint { header, recorded }))
    }

    fn execute(&mut self, action: Action) -> Result<Option<End>, Crash> {
        self.world.disk.step()?;
        match action {
            Action::Probe => self.probe(),
            Action::Prepare { identity, plan, mode } => {
                let object = self.world.probed;
                assert_eq!(identity.size, object.size);
                let partial = match mode {
                    PrepareMode::Fresh => self.prepare_fresh(&identity, plan, object)?,
                    PrepareMode::Resume => self.prepare_resume(plan, object)?,
                };
                self.later_report(5, Event::Prepared { partial });
            }
            Action::Fetch { attempt, range } => {
                if let Some(broken) = self.fetch(attempt, range) {
                    return Ok(Some(End::Broken(broken)));
                }
            }
            Action::Abort { attempt } => {
                if let Some(exchange) = self.exchanges.remove(&attempt.serial()) {
                    self.end_attempt(&exchange, Failure::Aborted);
                }
            }
            Action::Sync { commit } => {
                let inode = self.opened().inode;
                let covered = self.world.disk.begin_sync(inode);
                self.later(300, Happening::SyncEnds(commit, covered));
            }
            Action::Record { commit, slots } => self.record(commit, &slots)?,
            Action::Rehash { first, count, verify } => self.rehash(first, count, verify)?,
            Action::Verify { .. } => {
                let examination = Examination::Intact;
                self.later_report(2, Event::Verified { examination });
            }
            Action::Publish => {
                let Opened { name, inode, .. } = self.opened();
                let (name, inode) = (name.clone(), *inode);
                let disk = &mut self.world.disk;
                disk.sync(inode)?;
                disk.rename(&name, DESTINATION)?;
                disk.sync_dir()?;
                self.later_report(2, Event::Published);
            }
            Action::Finish { outcome } => {
                return self.finish(outcome).map(Some);
            }
            Action::Retry { .. } | Action::Doubt { .. } => {}
            _ => return Ok(Some(End::Broken("an unknown action".into()))),
        }
        Ok(None)
    }

    fn probe(&mut self) {
        if self.settings.network_faults && self.rng.chance(10) {
            let failure = *self.pick(&[Failure::Network, Failure::Unavailable, Failure::Throttled]);
            self.later_report(50, Event::ProbeFailed { failure, retry_after: None });
            return;
        }
        self.world.probed = self.world.object;
        let identity = self.world.identity(self.zeros);
        self.later_report(50, Event::Probed { identity });
    }

    fn pick<'x, T>(&mut self, from: &'x [T]) -> &'x T {
        &from[self.rng.below(from.len() as u64) as usize]
    }

    /// The documented order: header, both syncs, partial file, syncs, bind record.
    fn prepare_fresh(
        &mut self,
        identity: &ossget_core::ObjectIdentity,
        plan: PartPlan,
        object: Object,
    ) -> Result<PreparedPartial, Crash> {
        let number = self.rng.next();
        let session = self.settings.session_id(self.rng.next());
        let name = format!("{PARTIAL_PREFIX}{number:016x}");
        let checkpoint = self.checkpoint.expect("locked first");
        if self.world.destination_is(object) {
            self.world.disk.sync_dir()?;
            return Ok(PreparedPartial::AtDestination { crc64: 0 });
        }
        let disk = &mut self.world.disk;
        let orphans: Vec<_> =
            disk.names.keys().filter(|n| n.starts_with(PARTIAL_PREFIX)).cloned().collect();
        if orphans.len() > 1 {
            self.world.violations.push(format!("{} partial files at once", orphans.len()));
        }
        for orphan in orphans {
            disk.remove(&orphan)?;
            disk.sync_dir()?;
        }
        let header = Header {
            session,
            identity: identity.clone(),
            plan,
            locator: locator(),
            partial_name: name.clone(),
            destination_hash: [7; 32],
            creator: "sim".into(),
        };
        disk.step()?;
        disk.resize(checkpoint, 0, 512);
        disk.resize(checkpoint, file_len(plan.count()), 512);
        disk.write_bytes(checkpoint, 0, &header.encode().expect("the header fits"))?;
        disk.sync(checkpoint)?;
        disk.sync_dir()?;
        let inode = disk.create(&name)?;
        disk.resize(inode, plan.extent().len(), BLOCK);
        disk.sync(inode)?;
        disk.sync_dir()?;
        let bind = Bind {
            session,
            inode,
            birth: 0,
            size: plan.extent().len(),
            device: 0,
            partial_name: name.clone(),
        };
        disk.write_bytes(checkpoint, HEADER_LEN as u64, &bind.encode().expect("the bind fits"))?;
        disk.sync(checkpoint)?;
        let codec = SlotCodec::new(session, &plan);
        self.opened = Some(Opened { plan, codec, object, name, inode });
        self.resumed = false;
        Ok(PreparedPartial::Fresh)
    }

    fn prepare_resume(&mut self, plan: PartPlan, object: Object) -> Result<PreparedPartial, Crash> {
        self.world.disk.step()?;
        let header = self.old_header.clone().expect("resuming needs a header");
        let disk = &self.world.disk;
        let bound = bound_inode(disk, self.checkpoint.expect("locked first"), &header);
        let Some(inode) = bound else { return Ok(PreparedPartial::Absent) };
        let codec = SlotCodec::new(header.session, &plan);
        self.opened = Some(Opened { plan, codec, object, name: header.partial_name, inode });
        self.resumed = true;
        Ok(PreparedPartial::Resumed)
    }

    fn opened(&self) -> &Opened {
        self.opened.as_ref().expect("prepared first")
    }

    fn fetch(&mut self, id: AttemptId, range: ByteRange) -> Option<String> {
        let overlap = self.exchanges.values().any(|other| other.range.intersect(range).is_some());
        if overlap {
            return Some(format!("{range} is fetched twice at once"));
        }
        if self.exchanges.len() >= self.settings.parallel as usize {
            return Some("too many attempts".into());
        }
        self.world.requests += 1;
        self.world.note_fetch(
            range,
            self.resumed,
            &self.valid_at_start,
            &self.opened().plan.clone(),
        );
        let faults = self.settings.network_faults;
        if self.settings.replaces && self.rng.below(200) == 0 {
            self.world.replace(self.rng);
        }
        if self.world.object != self.opened().object {
            self.fail_at_once(id, Failure::Changed);
            return None;
        }
        if faults && self.rng.chance(8) {
            let failure = *self.pick(&[
                Failure::Network,
                Failure::Unsent,
                Failure::Throttled,
                Failure::Unavailable,
                Failure::Protocol,
            ]);
            self.fail_at_once(id, failure);
            return None;
        }
        let blocks = range.len().div_ceil(BLOCK);
        let dies_at = (faults && self.rng.chance(20))
            .then(|| range.start() + self.rng.below(blocks + 1) * BLOCK);
        let silent = dies_at.is_some() && self.rng.chance(20);
        let served = self.world.object;
        let position = range.start();
        let piece = Piece::default();
        self.exchanges
            .insert(id.serial(), Exchange { id, range, position, piece, served, dies_at, silent });
        self.later_report(5, Event::Received { attempt: id, bytes: 0 });
        self.later(20, Happening::Body(id.serial()));
        None
    }

    fn fail_at_once(&mut self, attempt: AttemptId, failure: Failure) {
        let retry_after = self.rng.chance(10).then(|| Duration::from_secs(2));
        let tail = Piece::default();
        self.later_report(30, Event::AttemptFailed { attempt, failure, tail, retry_after });
    }

    fn end_attempt(&mut self, exchange: &Exchange, failure: Failure) {
        let event = Event::AttemptFailed {
            attempt: exchange.id,
            failure,
            tail: exchange.piece,
            retry_after: None,
        };
        self.order += 1;
        // At once: what the exchange wrote has been reported, and nothing may overtake this.
        let what = Happening::Report(Box::new(Report(event)));
        self.agenda.push(Reverse((self.now, self.order, what)));
    }

    fn happen(&mut self, what: Happening) -> Result<Option<Event>, Crash> {
        match what {
            Happening::Report(report) => Ok(Some(report.0)),
            Happening::Body(serial) => self.body(serial),
            Happening::SyncEnds(commit, covered) => {
                let inode = self.opened().inode;
                if self.settings.storage_faults && self.rng.below(60) == 0 {
                    self.world.disk.lose_pending(inode);
                    let during = StorageTask::Commit(commit);
                    return Ok(Some(Event::StorageFailed { during }));
                }
                self.world.disk.end_sync(inode, covered)?;
                Ok(Some(Event::Synced { commit }))
            }
        }
    }

    /// One block of a body arrives, is hashed and written.
    fn body(&mut self, serial: u64) -> Result<Option<Event>, Crash> {
        let Some(mut exchange) = self.exchanges.remove(&serial) else { return Ok(None) };
        if exchange.dies_at == Some(exchange.position) {
            if exchange.silent {
                self.exchanges.insert(serial, exchange);
            } else {
                self.end_attempt(&exchange, Failure::Network);
            }
            return Ok(None);
        }
        if self.settings.storage_faults && self.rng.below(3000) == 0 {
            let during = StorageTask::Attempt(exchange.id);
            return Ok(Some(Event::StorageFailed { during }));
        }
        let block = exchange.position / BLOCK;
        let len = exchange.served.len_of(block);
        let mut value = token(exchange.served.version, block);
        if self.settings.flips && self.rng.below(5000) == 0 {
            value ^= 1 << 40;
        }
        let inode = self.opened().inode;
        self.world.disk.write(inode, block, Unit::Block(value))?;
        self.world.received += len;
        let crc = self.zeros.of_blocks([(value, len)]);
        exchange.piece.crc = ossget_core::combine(exchange.piece.crc, crc, len);
        exchange.piece.bytes += len;
        exchange.position += len;
        let plan = &self.opened().plan;
        let part = plan.part_at(exchange.position - 1).expect("inside the object");
        let event = if plan.range(part).expect("a part").end() == exchange.position {
            let Piece { bytes, crc } = std::mem::take(&mut exchange.piece);
            Event::Stored { attempt: exchange.id, part, bytes, crc }
        } else {
            Event::Received { attempt: exchange.id, bytes: len }
        };
        if exchange.position < exchange.range.end() {
            self.exchanges.insert(serial, exchange);
            self.later(self.settings.block_ms, Happening::Body(serial));
        }
        Ok(Some(event))
    }

    fn record(&mut self, commit: CommitId, slots: &[SlotWrite]) -> Result<(), Crash> {
        let checkpoint = self.checkpoint.expect("locked first");
        for slot in slots {
            let opened = self.opened();
            let (part, bytes) = match *slot {
                SlotWrite::Recorded { part, crc } => (part, opened.codec.encode(part, crc)),
                SlotWrite::Void { part } => (part, [0; 16]),
            };
            let at = opened.codec.offset(part);
            self.world.disk.write_bytes(checkpoint, at, &bytes)?;
        }
        self.world.disk.sync(checkpoint)?;
        self.later_report(3, Event::Recorded { commit });
        Ok(())
    }

    fn rehash(&mut self, first: PartIndex, count: u32, verify: ResumeVerify) -> Result<(), Crash> {
        for index in first.get()..first.get() + count {
            self.world.disk.step()?;
            let part = PartIndex::new(index);
            let opened = self.opened();
            let checkpoint = self.checkpoint.expect("locked first");
            let disk = &self.world.disk;
            let bytes = disk.read_sectors(checkpoint, opened.codec.offset(part) / 512 * 512, 512);
            let skip = (opened.codec.offset(part) % 512) as usize;
            let slot: &[u8; 16] = bytes[skip..skip + 16].try_into().expect("16 bytes");
            let Slot::Recorded { crc } = opened.codec.decode(part, slot) else {
                panic!("a kept part has a valid slot");
            };
            let found = if verify == ResumeVerify::Full {
                let range = opened.plan.range(part).expect("a part");
                let blocks = range.start() / BLOCK..range.end().div_ceil(BLOCK);
                let object = opened.object;
                Some(
                    self.zeros
                        .of_blocks(blocks.map(|b| (disk.block(opened.inode, b), object.len_of(b)))),
                )
            } else {
                Some(crc)
            };
            if found != Some(crc) {
                self.world.voided += 1;
            }
            self.later_report(10, Event::Rehashed { part, recorded: crc, found });
        }
        Ok(())
    }

    fn finish(&mut self, outcome: Outcome) -> Result<End, Crash> {
        use ossget_core::session::Remains;
        let disk = &mut self.world.disk;
        match &outcome {
            Outcome::Done { .. } => {
                self.world.promised = Some(self.opened.as_ref().expect("prepared first").object);
                disk.remove(CHECKPOINT)?;
            }
            Outcome::AlreadyThere { .. } => {
                self.world.promised = Some(self.world.probed);
                disk.remove(CHECKPOINT)?;
            }
            Outcome::Stopped { remains: Remains::Discard, .. } => {
                let name = self.opened.as_ref().expect("prepared first").name.clone();
                disk.remove(&name)?;
                disk.sync_dir()?;
                disk.remove(CHECKPOINT)?;
            }
            Outcome::Stopped { .. } => {}
        }
        Ok(End::Finished(outcome))
    }
}

fn locator() -> Locator {
    Locator { kind: SourceKind::Oss, container: "bucket".into(), key: "key".into() }
}

/// The header and the valid slots of a checkpoint, if it is one.
pub(crate) fn read_checkpoint(disk: &Disk, inode: u64) -> Option<(Header, PartSet)> {
    let header = Header::decode(&disk.read_sectors(inode, 0, HEADER_LEN)).ok()?;
    let count = header.plan.count();
    if disk.files[&inode].len != file_len(count) {
        return None;
    }
    let mut recorded = PartSet::new(count);
    let codec = SlotCodec::new(header.session, &header.plan);
    let bytes = disk.read_sectors(inode, SLOTS_OFFSET, 16 * count as usize);
    codec.load(PartIndex::new(0), &bytes, &mut recorded);
    Some((header, recorded))
}

/// The partial file that a checkpoint is bound to, if it is still the one.
pub(crate) fn bound_inode(disk: &Disk, checkpoint: u64, header: &Header) -> Option<u64> {
    let bind = Bind::decode(&disk.read_sectors(checkpoint, HEADER_LEN as u64, HEADER_LEN)).ok()?;
    let inode = *disk.names.get(&header.partial_name)?;
    let same = bind.session == header.session && bind.inode == inode;
    same.then_some(inode)
}
