//! What outlives a process: the server, the disk, and what has been promised.

use super::content::{BLOCK, Object, ZeroCrc, token};
use super::disk::{Disk, Unit};
use super::process::{DESTINATION, bound_inode, read_checkpoint};
use super::rng::Rng;
use ossget_core::session::{Mutant, ResumeVerify, SessionConfig};
use ossget_core::{ByteRange, ObjectIdentity, PartPlan, PartSet, PartSize, SessionId};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

pub(crate) const PARTIAL_PREFIX: &str = "partial-";
const OLD: Object = Object { version: 0, size: 3 * BLOCK };

/// What one story allows to happen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) parallel: u32,
    pub(crate) part_size: u64,
    pub(crate) request_parts: u64,
    pub(crate) commit_parts: u64,
    pub(crate) block_ms: u64,
    pub(crate) network_faults: bool,
    pub(crate) storage_faults: bool,
    pub(crate) flips: bool,
    pub(crate) replaces: bool,
    pub(crate) cancels: bool,
    /// Whether kept parts are read back.
    pub(crate) rehash: bool,
    /// Whether files are damaged between runs.
    pub(crate) meddling: bool,
    pub(crate) mutant: Option<Broken>,
}

/// What is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Session(Mutant),
    UnkeyedSlots,
}

impl Settings {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        Self {
            parallel: 1 + rng.below(6) as u32,
            part_size: [5, 6, 10][rng.below(3) as usize] * BLOCK,
            request_parts: 1 + rng.below(8),
            commit_parts: 1 + rng.below(6),
            block_ms: 1 + rng.below(200),
            network_faults: rng.chance(70),
            storage_faults: rng.chance(20),
            flips: rng.chance(10),
            replaces: rng.chance(15),
            cancels: rng.chance(15),
            rehash: true,
            meddling: rng.chance(40),
            mutant: None,
        }
    }

    /// The same, with nothing going wrong any more.
    pub(crate) const fn healed(self) -> Self {
        Self {
            network_faults: false,
            storage_faults: false,
            flips: false,
            replaces: false,
            cancels: false,
            meddling: false,
            ..self
        }
    }

    pub(crate) fn session_config(&self, seed: u64) -> SessionConfig {
        let mut config =
            SessionConfig::new(NonZeroU32::new(self.parallel).expect("at least one"), seed);
        config.part_size = Some(PartSize::new(self.part_size).expect("a legal size"));
        config.request_bytes = self.request_parts * self.part_size;
        config.commit_bytes = self.commit_parts * self.part_size;
        config.commit_interval = Duration::from_millis(500);
        if !self.rehash {
            config.resume_verify = ResumeVerify::Bounds;
        }
        if let Some(Broken::Session(mutant)) = self.mutant {
            config.mutant = Some(mutant);
        }
        config
    }

    pub(crate) fn session_id(&self, random: u64) -> SessionId {
        let key = if self.mutant == Some(Broken::UnkeyedSlots) { 0 } else { random };
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&key.to_le_bytes());
        SessionId::new(bytes)
    }
}

pub(crate) struct World {
    pub(crate) disk: Disk,
    pub(crate) object: Object,
    pub(crate) probed: Object,
    every_object: Vec<Object>,
    pub(crate) promised: Option<Object>,
    pub(crate) requests: u64,
    pub(crate) received: u64,
    pub(crate) voided: u64,
    pub(crate) violations: Vec<String>,
    checks_refetch: bool,
    /// Whether somebody damaged a partial file: its slots may lie until they are read back.
    damaged: bool,
}

impl World {
    pub(crate) fn new(size: u64, version: u64) -> Self {
        let mut disk = Disk::default();
        let units: BTreeMap<_, _> =
            (0..OLD.blocks()).map(|b| (b, Unit::Block(token(OLD.version, b)))).collect();
        disk.plant(DESTINATION, OLD.size, units);
        let object = Object { version, size };
        Self {
            disk,
            object,
            probed: object,
            every_object: vec![object],
            promised: None,
            requests: 0,
            received: 0,
            voided: 0,
            violations: Vec::new(),
            checks_refetch: true,
            damaged: false,
        }
    }

    pub(crate) fn identity(&self, zeros: &ZeroCrc) -> ObjectIdentity {
        ObjectIdentity::new(self.object.size)
            .etag(format!("\"{:016X}\"", self.object.version))
            .crc64(self.object.crc64(zeros))
    }

    /// Somebody puts another object under the key.
    pub(crate) fn replace(&mut self, rng: &mut Rng) {
        self.object = Object { version: rng.next() | 2, size: self.object.size };
        self.every_object.push(self.object);
    }

    /// P3: what was recorded is not fetched again, unless it was found damaged.
    pub(crate) fn note_fetch(
        &mut self,
        range: ByteRange,
        resumed: bool,
        valid: &PartSet,
        plan: &PartPlan,
    ) {
        if !resumed || !self.checks_refetch {
            return;
        }
        for part in valid.iter() {
            let part = plan.range(ossget_core::PartIndex::new(part)).expect("a part");
            if part.intersect(range).is_some() && self.voided == 0 {
                self.violations.push(format!("{range} is fetched again though it was recorded"));
                self.checks_refetch = false;
                return;
            }
        }
    }

    /// Somebody damages files between two runs.
    pub(crate) fn meddle(&mut self, rng: &mut Rng, rehash: bool) {
        let partial = self
            .disk
            .names
            .iter()
            .find(|(name, _)| name.starts_with(PARTIAL_PREFIX))
            .map(|(name, inode)| (name.clone(), *inode));
        let Some((name, inode)) = partial else { return };
        if !rehash || rng.chance(40) {
            let _ = self.disk.remove(&name);
            let _ = self.disk.sync_dir();
            return;
        }
        let Some(file) = self.disk.files.get(&inode) else { return };
        let blocks: Vec<u64> = file.cache.keys().copied().collect();
        if blocks.is_empty() {
            return;
        }
        let block = blocks[rng.below(blocks.len() as u64) as usize];
        self.damaged = true;
        let _ = self.disk.write(inode, block, Unit::Block(rng.below(2) * rng.next()));
        let _ = self.disk.sync(inode);
    }

    /// What must hold at any moment a person could look: the destination is the old file or a
    /// whole object, and what was promised is there.
    pub(crate) fn check(&mut self) {
        let Some(&inode) = self.disk.names.get(DESTINATION) else {
            self.violations.push("the destination is gone".into());
            return;
        };
        let is = |object: &Object| self.holds(inode, *object);
        let fine = match self.promised {
            Some(promised) => is(&promised) || self.every_object.iter().any(is),
            None => is(&OLD) || self.every_object.iter().any(is),
        };
        if !fine {
            self.violations.push("the destination holds a wrong file".into());
        }
    }

    /// Whether the destination is the object, byte for byte.
    pub(crate) fn destination_is(&self, object: Object) -> bool {
        self.disk.names.get(DESTINATION).is_some_and(|&inode| self.holds(inode, object))
    }

    fn holds(&self, inode: u64, object: Object) -> bool {
        self.disk.files[&inode].len == object.size
            && (0..object.blocks()).all(|b| self.disk.block(inode, b) == token(object.version, b))
    }

    /// P4: every valid slot of a bound checkpoint tells the truth about the file.
    pub(crate) fn check_slots(&mut self) {
        if self.damaged {
            return;
        }
        let Some(&checkpoint) = self.disk.names.get("checkpoint") else { return };
        let Some((header, recorded)) = read_checkpoint(&self.disk, checkpoint) else { return };
        let Some(inode) = bound_inode(&self.disk, checkpoint, &header) else { return };
        let etag = header.identity.etag.as_deref().unwrap_or_default();
        let Some(object) =
            self.every_object.iter().find(|o| etag == format!("\"{:016X}\"", o.version)).copied()
        else {
            return;
        };
        for part in recorded.iter() {
            let range =
                header.plan.range(ossget_core::PartIndex::new(part)).expect("a recorded part");
            for block in range.start() / BLOCK..range.end().div_ceil(BLOCK) {
                if self.disk.block(inode, block) != token(object.version, block) {
                    self.violations.push(format!("the slot of part {part} lies"));
                    return;
                }
            }
        }
    }
}
