//! The disk side of a download: checkpoint, partial file, publishing. Everything here blocks.

use crate::checkpoint::remains;
use crate::options::{Clobber, DirectIo, Options, Resume, Symlink};
use crate::{Checksum, Error, ErrorKind, Object};
use ossget_core::session::{
    Event, Examination, PreparedPartial, Recording, ResumeVerify, StorageTask,
};
use ossget_core::{
    Admission, Checkpoint, FreshReason, Locator, PartIndex, PartPlan, RefuseReason, SLOT_LEN, Slot,
    SlotCodec, Wanted, admit,
};
use ossget_fs::{
    Caveat, CheckpointFile, DIRECT_BLOCK, DestinationLock, DirectFile, FileSystem, FsError,
    FsErrorKind, PartialFile, Place, PublishMode, Syncing, Unfinished, Unusable,
};
use sha2::{Digest as _, Sha256};
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::committer::{self, Committer};
use super::hash::{Examined, examine, hash_file};
use super::report::Reporter;

/// A locked destination and what lies beside it.
#[derive(Clone, Debug)]
pub(super) struct Storage {
    pub(super) lock: Arc<dyn DestinationLock>,
    pub(super) syncing: Syncing,
    pub(super) locator: Locator,
    pub(super) destination_hash: [u8; 32],
    pub(super) recording: Recording,
    clobber: Clobber,
    pub(super) direct_io: DirectIo,
    pub(super) checksum: Option<Checksum>,
    /// Set when the user wants to stop: long reads that nothing depends on end early.
    pub(super) stop: Arc<AtomicBool>,
    /// Where the checkpoint lies, which the partial file's name tells.
    pub(super) checkpoint_site: CheckpointSite,
}

/// Where a download's checkpoint lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CheckpointSite {
    BesideDestination,
    CheckpointDir,
}

/// What an earlier run left.
#[derive(Clone, Debug, Default)]
pub(super) struct Left {
    /// What may be resumed.
    pub(super) checkpoint: Option<Checkpoint>,
    /// The name of its partial file, resumable or not.
    pub(super) partial_name: Option<OsString>,
    /// The partial file that this run made of an object that has changed since.
    pub(super) superseded: Option<OsString>,
    /// What a user should know about it.
    pub(super) warning: Option<String>,
}

/// An open partial file, ready to be written.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    pub(super) partial: Arc<dyn PartialFile>,
    pub(super) name: OsString,
    pub(super) codec: SlotCodec,
    pub(super) plan: PartPlan,
    pub(super) trust: Trust,
}

impl Prepared {
    /// Whether no block belongs to two parts, which may be written in different ways.
    pub(super) const fn has_whole_blocks(&self) -> bool {
        self.plan.part_size().is_multiple_of(DIRECT_BLOCK as u64)
    }

    /// Why it is written through the page cache where that was not asked for.
    pub(super) const fn why_not_direct(&self) -> &'static str {
        match self.has_whole_blocks() {
            true => "the file system takes no direct writes: writing through the page cache",
            false => "the part size is no multiple of 4 KiB: writing through the page cache",
        }
    }
}

/// Whether the file is still the one that the checkpoint was bound to, by its looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    AsBound,
    /// Copied, restored or resized: whatever the user trusts, every part is read back.
    Foreign,
}

/// What preparing came to.
#[derive(Debug)]
pub(super) enum Preparation {
    Ready(PreparedPartial, Prepared),
    Absent,
    /// The destination already holds what is wanted.
    AtDestination(Examined),
}

impl Storage {
    /// Takes the destination's lock.
    pub(super) fn lock(
        file_system: &dyn FileSystem,
        destination: &Path,
        object: &Object,
        options: &Options,
    ) -> Result<Self, Error> {
        let mut place = place(destination, options);
        if options.recording() == Recording::Off {
            place.unfinished = Unfinished::Remove;
        }
        if options.resume == Resume::Restart {
            place.unusable = Unusable::Remove;
            if options.checkpoint_dir.is_some() {
                // An earlier run without it may have left one beside the destination.
                let beside = place.clone().checkpoint_dir(None);
                drop_checkpoint(file_system, &beside).map_err(Error::storage)?;
            }
        }
        let syncing = options.syncing();
        let lock = file_system.lock(&place, syncing).map_err(Error::storage)?;
        let destination_hash = destination_hash(lock.as_ref());
        // Without locks the checkpoint lives and dies with this run.
        let lockless = lock.caveats().contains(&Caveat::NoLocks);
        let recording = if lockless { Recording::Off } else { options.recording() };
        Ok(Self {
            checkpoint_site: match lock.is_checkpoint_elsewhere() {
                true => CheckpointSite::CheckpointDir,
                false => CheckpointSite::BesideDestination,
            },
            lock,
            syncing,
            locator: object.locator().clone(),
            destination_hash,
            recording,
            clobber: options.clobber,
            direct_io: options.direct_io,
            checksum: options.checksum,
            stop: Arc::default(),
        })
    }

    /// What the file system cannot do, in words.
    pub(super) fn caveats(&self) -> Vec<String> {
        self.lock.caveats().into_iter().map(in_words).collect()
    }

    /// Fails where the destination exists and must not be replaced.
    pub(super) fn refuse_clobbering(&self) -> Result<(), FsError> {
        if self.clobber == Clobber::Refuse && self.lock.destination()?.is_some() {
            let path = self.lock.canonical_destination();
            return Err(FsError::new(FsErrorKind::Exists, "refused to replace", path, None));
        }
        Ok(())
    }

    /// Reads what an earlier run left and decides whether it may be resumed.
    pub(super) fn load(&self, object: &Object, options: &Options) -> Result<Left, Error> {
        let checkpoint = self.lock.checkpoint();
        let found = remains::header(checkpoint.as_ref()).map_err(Error::storage)?;
        let recorded =
            remains::recorded_partial(checkpoint.as_ref(), &found).map_err(Error::storage)?;
        let partial_name =
            recorded.and_then(|recorded| remains::partial_name(self.lock.as_ref(), &recorded));
        if options.resume == Resume::Restart || self.recording == Recording::Off {
            return Ok(Left { partial_name, ..Left::default() });
        }
        let wanted = Wanted {
            locator: &self.locator,
            version_id: object.version(),
            extent_request: options.extent,
            destination_hash: &self.destination_hash,
        };
        match (admit(&found, &wanted), found) {
            (Admission::Refuse(reason), _) => Err(refused(&reason)),
            (Admission::Resume, Ok(header)) if partial_name.is_some() => {
                let recorded =
                    remains::recorded(checkpoint.as_ref(), &header).map_err(Error::storage)?;
                match recorded {
                    Some(recorded) => {
                        let checkpoint = Some(Checkpoint { header, recorded });
                        Ok(Left { checkpoint, partial_name, ..Left::default() })
                    }
                    None => Ok(damaged(partial_name)),
                }
            }
            // An empty header with something behind it has been emptied by something else.
            (Admission::Fresh(FreshReason::Empty), _)
                if checkpoint.is_empty().map_err(Error::storage)? =>
            {
                Ok(Left::default())
            }
            _ => Ok(damaged(partial_name)),
        }
    }

    /// The partial file, to be written past the page cache where that is wanted and can be.
    pub(super) fn direct(&self, prepared: &Prepared) -> Option<Arc<dyn DirectFile>> {
        let is_wanted = || self.direct_io.is_wanted(|| prepared.partial.is_on_disk());
        let may_be = prepared.has_whole_blocks() && is_wanted();
        may_be.then(|| Arc::clone(&prepared.partial).direct()).flatten()
    }

    /// Starts the thread that syncs and records.
    pub(super) fn committer(
        &self,
        prepared: &Prepared,
        reporter: Reporter,
    ) -> Result<Committer, FsError> {
        let records = committer::Records {
            partial: Arc::clone(&prepared.partial),
            checkpoint: self.lock.checkpoint(),
            codec: prepared.codec.clone(),
            destination: self.lock.canonical_destination(),
            len: prepared.plan.extent().len(),
        };
        Committer::start(records, reporter).map_err(|error| {
            let path = self.lock.canonical_destination();
            FsError::new(FsErrorKind::Storage, "start a thread to write", path, Some(error))
        })
    }

    /// Reads kept parts back and reports each. What cannot be read of the partial file is fetched
    /// again; where a slot cannot be read, the run ends and loses nothing.
    pub(super) fn rehash(
        &self,
        prepared: &Prepared,
        (first, count): (PartIndex, u32),
        verify: ResumeVerify,
        reporter: &Reporter,
    ) {
        let checkpoint = self.lock.checkpoint();
        for index in first.get()..first.get().saturating_add(count) {
            if reporter.is_closed() || self.stop.load(Ordering::Relaxed) {
                // Nobody listens any more: do not hold the lock any longer.
                return;
            }
            let part = PartIndex::new(index);
            let recorded = match read_slot(checkpoint.as_ref(), &prepared.codec, part) {
                Ok(recorded) => recorded,
                Err(error) => return reporter.storage(StorageTask::Rehash, error),
            };
            let found = match (recorded, verify, prepared.trust) {
                (None, ..) => None,
                (Some(crc), ResumeVerify::Bounds, Trust::AsBound) => Some(crc),
                (Some(_), ..) => match self.hash_part(prepared, part) {
                    Ok(None) => return,
                    Ok(found) => found,
                    Err(_unreadable) => None,
                },
            };
            let recorded = recorded.unwrap_or_default();
            reporter.event(Event::Rehashed { part, recorded, found });
        }
    }

    /// CRC-64 of a part as it is on the disk; `None` once the user wants to stop.
    fn hash_part(&self, prepared: &Prepared, part: PartIndex) -> Result<Option<u64>, FsError> {
        let range = prepared.plan.range(part);
        let start = range.and_then(|range| prepared.plan.offset_in_file(range.start()));
        let (Some(range), Some(start)) = (range, start) else { return Ok(None) };
        hash_file(prepared.partial.as_ref(), start..start + range.len(), &self.stop)
    }

    /// Whether the finished file has its length, still has a name, and has the digest that the
    /// user gave: parts arrive in any order, so that one takes reading all of it again.
    pub(super) fn verify(&self, prepared: &Prepared) -> Result<Event, FsError> {
        let (_, len) = prepared.partial.check()?;
        let right_length = len == prepared.plan.extent().len();
        let examined = match self.checksum {
            Some(_) if right_length => {
                examine(prepared.partial.as_ref(), len, self.checksum, &self.stop)?
            }
            _ => None,
        };
        let examination = match examined.and_then(|examined| examined.checksum_matches) {
            _ if !right_length => Examination::WrongLength,
            Some(false) => Examination::WrongDigest,
            // Stopped while reading: nobody waits for the answer any more.
            None if self.checksum.is_some() => Examination::WrongDigest,
            _ => Examination::Intact,
        };
        Ok(Event::Verified { examination })
    }

    /// Publishes the finished file.
    pub(super) fn publish(&self, prepared: &Prepared) -> Result<Event, FsError> {
        self.rebind(prepared)?;
        self.publish_file(prepared.partial.as_ref(), &prepared.name)?;
        Ok(Event::Published)
    }

    /// Publishes a file that no checkpoint is about.
    pub(super) fn publish_file(
        &self,
        partial: &dyn PartialFile,
        name: &OsStr,
    ) -> Result<(), FsError> {
        let mode = match self.clobber {
            Clobber::Replace => PublishMode::Replace,
            Clobber::Refuse => PublishMode::CreateNew,
        };
        self.lock.publish(partial, name, mode)
    }

    /// Removes the checkpoint after success. An old one of a run that was told not to use it
    /// goes with its partial file.
    pub(super) fn clean_up(&self, left: &Left) -> Result<(), FsError> {
        if self.recording == Recording::Off {
            self.remove_left_partial(left)?;
        }
        self.lock.remove_checkpoint()
    }

    /// Removes what must not be resumed.
    pub(super) fn discard(&self, partial: Option<&OsStr>) -> Result<(), FsError> {
        if let Some(name) = partial {
            self.lock.remove_partial(name)?;
        }
        match self.recording {
            Recording::On => self.lock.remove_checkpoint(),
            Recording::Off => self.remove_unused_checkpoint(),
        }
    }

    /// After a stop: what nobody can resume goes, the rest stays.
    pub(super) fn leave(&self, partial: Option<&OsStr>) -> Result<(), FsError> {
        match self.recording {
            Recording::On => self.remove_unused_checkpoint(),
            Recording::Off => self.discard(partial),
        }
    }

    /// Removes a checkpoint that was made for its lock only, without waiting for the last who
    /// holds it: the process may end before that.
    fn remove_unused_checkpoint(&self) -> Result<(), FsError> {
        match self.lock.checkpoint().is_empty()? {
            true => self.lock.remove_checkpoint(),
            false => Ok(()),
        }
    }

    /// Whether a stopped run leaves something that the next one can use.
    pub(super) const fn is_recording(&self) -> bool {
        matches!(self.recording, Recording::On)
    }

    pub(super) fn remove_left_partial(&self, left: &Left) -> Result<(), FsError> {
        match &left.partial_name {
            Some(name) => self.lock.remove_partial(name),
            None => Ok(()),
        }
    }

    pub(super) fn remove_left(&self, left: &Left) -> Result<(), FsError> {
        self.remove_left_partial(left)?;
        self.lock.remove_checkpoint()
    }
}

/// Where a download to this file lies, and its checkpoint.
pub(super) fn place(destination: &Path, options: &Options) -> Place {
    let mut place = Place::new(destination).checkpoint_dir(options.checkpoint_dir.clone());
    place.follow_symlink = options.symlink == Symlink::Follow;
    place
}

/// What a file system cannot do, in words.
pub(super) fn in_words(caveat: Caveat) -> String {
    let words = match caveat {
        Caveat::NoLocks => {
            "the file system has no locks: this run cannot be resumed, and two runs at once \
             are not kept apart"
        }
        Caveat::NoPermissions => {
            "the file system keeps no permissions: others may be able to change the \
             unfinished file"
        }
        Caveat::NoDirectorySync => {
            "the file system cannot sync a directory: the new name may be lost in a power cut"
        }
        _ => "the file system lacks something that a download needs to be safe",
    };
    words.to_owned()
}

/// Removes a checkpoint and the partial file that it names.
fn drop_checkpoint(file_system: &dyn FileSystem, place: &Place) -> Result<(), FsError> {
    let lock = file_system.lock(place, Syncing::Full)?;
    let checkpoint = lock.checkpoint();
    let header = remains::header(checkpoint.as_ref())?;
    let recorded = remains::recorded_partial(checkpoint.as_ref(), &header)?;
    let name = recorded.and_then(|recorded| remains::partial_name(lock.as_ref(), &recorded));
    if let Some(name) = name {
        lock.remove_partial(&name)?;
    }
    lock.remove_checkpoint()
}

/// What tells a checkpoint's destination from others that could use the same file: beside the
/// destination its name, so that a moved directory can be gone on with; in a checkpoint
/// directory its whole path.
fn destination_hash(lock: &dyn DestinationLock) -> [u8; 32] {
    let path = lock.canonical_destination();
    let text = match lock.is_checkpoint_elsewhere() {
        true => path.as_os_str(),
        false => lock.file_name(),
    };
    Sha256::digest(text.as_encoded_bytes()).into()
}

pub(super) fn read_slot(
    checkpoint: &dyn CheckpointFile,
    codec: &SlotCodec,
    part: PartIndex,
) -> Result<Option<u64>, FsError> {
    let mut slot = [0; SLOT_LEN];
    let read = checkpoint.read_at(&mut slot, codec.offset(part))?;
    Ok(match codec.decode(part, &slot) {
        Slot::Recorded { crc } if read == SLOT_LEN => Some(crc),
        _ => None,
    })
}

fn damaged(partial_name: Option<OsString>) -> Left {
    let warning = match partial_name {
        Some(_) => "the checkpoint is damaged; starting over",
        None => {
            "the checkpoint is damaged and does not name its partial file any more; starting over: \
             `ossget checkpoint clean` finds what is left"
        }
    };
    Left { partial_name, warning: Some(warning.to_owned()), ..Left::default() }
}

fn refused(reason: &RefuseReason) -> Error {
    let what = match reason {
        RefuseReason::UnknownVersion { major, creator } => {
            let by = creator.as_deref().unwrap_or("an unknown program");
            format!(
                "the checkpoint has format {major}, written by {by}, which this version does not know"
            )
        }
        RefuseReason::OtherObject => {
            "the checkpoint belongs to a download of another object".into()
        }
        RefuseReason::OtherVersion => {
            "the checkpoint belongs to a download of another version of the object".into()
        }
        RefuseReason::OtherRange => {
            "the checkpoint belongs to a download of another range of the object".into()
        }
        _ => "the checkpoint belongs to a download to another destination".into(),
    };
    Error::new(ErrorKind::Refused, what)
        .with_hint("finish that download, or drop its checkpoint with --restart")
}

/// Bytes from the system's random source.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has a random source");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_system_cannot_do_is_said_in_words_of_its_own() {
        for (caveat, word) in [
            (Caveat::NoLocks, "no locks"),
            (Caveat::NoPermissions, "no permissions"),
            (Caveat::NoDirectorySync, "sync a directory"),
        ] {
            let words = in_words(caveat);
            assert!(words.contains(word), "{words}");
        }
    }
}
