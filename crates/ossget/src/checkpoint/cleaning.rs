//! Removing what downloads have left.

use super::leftover::{Condition, Directory, Leftover, not_a_file, partial_condition, refused};
use super::needed::Needed;
use super::remains;
use crate::{Error, ErrorKind};
use ossget_fs::{
    Caveat, DestinationLock, FileSystem as _, FoundCheckpoint, FsError, FsErrorKind, Holder,
    LeftoverRole, NativeFileSystem, Nature, Place, Survey, Syncing,
};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What [`remove`] removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Removed {
    /// The files.
    pub paths: Vec<PathBuf>,
    /// Their lengths together, in bytes.
    pub bytes: u64,
}

/// What became of a leftover.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Cleaned {
    /// The leftover as it was found.
    pub leftover: Leftover,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a leftover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was of no use to anybody and is gone.
    Removed,
    /// It is still there.
    Kept,
}

/// Removes what unfinished downloads to `destination` have left: the checkpoint, beside the
/// destination or in `checkpoint_dir`, and partial files. The destination itself is not touched.
///
/// # Errors
///
/// [`Locked`](ErrorKind::Locked) while a download holds the destination,
/// [`NotFound`](ErrorKind::NotFound) if there is nothing; [`Refused`](ErrorKind::Refused) and
/// [`Storage`](ErrorKind::Storage) as for a download.
pub fn remove(destination: &Path, checkpoint_dir: Option<PathBuf>) -> Result<Removed, Error> {
    let place = Place::new(destination).checkpoint_dir(checkpoint_dir);
    let removed = remove_at(&place).map_err(Error::storage)?;
    match removed.paths.is_empty() {
        true => Err(Error::new(ErrorKind::NotFound, "there is no checkpoint")),
        false => Ok(removed),
    }
}

/// Removes from the directory `dir` what no download can ever use: partial files that no
/// checkpoint names, and checkpoints that cannot be read or whose partial file is gone. Each only
/// under the lock of its destination. Nothing else is touched, nothing below is looked at, no
/// link is followed; everything that stays is told, too.
///
/// The partial file of a download with a checkpoint directory is kept, unless that directory is
/// given as `checkpoint_dir` and nothing there names the file.
///
/// # Errors
///
/// [`Storage`](ErrorKind::Storage) if the directory cannot be read. What cannot be removed is
/// kept, with the reason.
pub fn clean(dir: &Path, checkpoint_dir: Option<PathBuf>) -> Result<Vec<Cleaned>, Error> {
    let file_system = NativeFileSystem::new();
    let survey = file_system.survey(dir).map_err(Error::storage)?;
    Ok(clean_surveyed(&survey, file_system, checkpoint_dir))
}

/// Cleans what a survey found, whatever has become of it since.
fn clean_surveyed(
    survey: &Survey,
    file_system: NativeFileSystem,
    checkpoint_dir: Option<PathBuf>,
) -> Vec<Cleaned> {
    let mut cleaning = Cleaning {
        directory: Directory::new(survey),
        survey,
        file_system,
        checkpoint_dir,
        needed: None,
        cleaned: Vec::new(),
    };
    cleaning.run();
    let mut cleaned = cleaning.cleaned;
    cleaned.sort_by(|one, other| one.leftover.path.cmp(&other.leftover.path));
    cleaned
}

/// What belongs to one destination.
#[derive(Debug, Default)]
struct Group<'a> {
    checkpoint: Option<&'a ossget_fs::Leftover>,
    partials: Vec<(&'a ossget_fs::Leftover, &'a str)>,
}

/// The checkpoint of a locked destination.
struct Beside {
    leftover: Leftover,
    /// The random suffix of the partial file that it names.
    suffix: Option<String>,
}

struct Cleaning<'a> {
    directory: Directory<'a>,
    survey: &'a Survey,
    file_system: NativeFileSystem,
    checkpoint_dir: Option<PathBuf>,
    /// What the checkpoint directory needs, once somebody has asked.
    needed: Option<Needed>,
    cleaned: Vec<Cleaned>,
}

impl<'a> Cleaning<'a> {
    fn run(&mut self) {
        let mut groups: BTreeMap<&OsStr, Group<'a>> = BTreeMap::new();
        for it in self.survey.leftovers() {
            match &it.role {
                _ if it.nature == Nature::Other => self.keep(it, not_a_file()),
                LeftoverRole::Checkpoint { destination: Some(destination), .. } => {
                    groups.entry(destination).or_default().checkpoint = Some(it);
                }
                LeftoverRole::Checkpoint { destination: None, .. } => self.clean_claimed(it),
                LeftoverRole::Partial { destination: Some(destination), suffix } => {
                    groups.entry(destination).or_default().partials.push((it, suffix));
                }
                LeftoverRole::Partial { destination: None, .. } => {
                    let why = "has a name too long to tell its destination";
                    self.keep(it, Condition::Refused(why.to_owned()));
                }
                _ => {}
            }
        }
        for (destination, group) in groups {
            self.clean_group(destination, &group);
        }
    }

    /// A checkpoint by its own name: in a checkpoint directory.
    fn clean_claimed(&mut self, it: &ossget_fs::Leftover) {
        let claim = match self.file_system.claim(self.survey, &it.name) {
            Ok(Some(claim)) => claim,
            Ok(None) => return self.keep(it, without_locks()),
            Err(error) => return self.keep_because(it, &error),
        };
        let path = self.survey.path().join(&it.name);
        let found = FoundCheckpoint::new(path, claim.checkpoint());
        let judged = self.directory.judge(found, None, |suffix| Ok(self.directory.partial(suffix)));
        let judged = match judged {
            Ok(judged) => judged,
            Err(error) => return self.keep_because(it, &error),
        };
        let mut leftover =
            self.directory.leftover(&it.name, it.len, judged.condition, Holder::Nobody);
        leftover.summary = judged.summary;
        if !leftover.condition.is_useless() {
            return self.cleaned.push(Cleaned { leftover, fate: Fate::Kept });
        }
        self.settle(leftover, claim.remove());
    }

    /// Everything that belongs to one destination, under its lock. A run may have come and gone
    /// since the survey: nothing is judged by that alone.
    fn clean_group(&mut self, destination: &OsStr, group: &Group<'_>) {
        let place = Place::new(self.survey.path().join(destination));
        let lock = match self.lock(&place) {
            Ok(lock) => lock,
            Err(reason) => return self.keep_group(group, &reason),
        };
        let beside = match self.beside(lock.as_ref(), &place, group) {
            Ok(beside) => beside,
            Err(error) => return self.keep_group(group, &Reason::of(&error)),
        };
        let (mut named, mut given_up) = (None, None);
        if let Some(Beside { leftover, suffix }) = beside {
            if matches!(leftover.condition, Condition::UnknownFormat(_)) {
                // Whatever lies beside it may be its own.
                return self.keep_group(group, &Reason::Because(leftover.condition));
            }
            if leftover.condition.is_useless() {
                self.settle(leftover, lock.remove_checkpoint());
                given_up = suffix;
            } else {
                named = suffix;
                self.cleaned.push(Cleaned { leftover, fate: Fate::Kept });
            }
        }
        let mut elsewhere = Vec::new();
        for &(it, suffix) in &group.partials {
            if named.as_deref() == Some(suffix) {
                continue;
            }
            match partial_condition(suffix) {
                // Whatever its name, it was a download's.
                _ if given_up.as_deref() == Some(suffix) => {
                    self.clean_partial(lock.as_ref(), it, Condition::Orphan);
                }
                Condition::CheckpointElsewhere => elsewhere.push((it, suffix)),
                condition if condition.is_useless() => {
                    self.clean_partial(lock.as_ref(), it, condition);
                }
                condition => self.keep(it, condition),
            }
        }
        drop(lock);
        self.clean_elsewhere(place, &elsewhere);
    }

    /// The checkpoint of a locked destination as it is now.
    fn beside(
        &self,
        lock: &dyn DestinationLock,
        place: &Place,
        group: &Group<'_>,
    ) -> Result<Option<Beside>, FsError> {
        let checkpoint = lock.checkpoint();
        let len = checkpoint.len()?;
        if len == 0 && group.checkpoint.is_none() {
            // Made for this lock.
            return Ok(None);
        }
        let Some(found) = self.file_system.find_checkpoint(place)? else { return Ok(None) };
        let name = found.path.file_name().unwrap_or_default().to_owned();
        let found = FoundCheckpoint::new(found.path, checkpoint);
        let partial = |suffix: &str| {
            let name = lock.partial_name(suffix);
            let there = self.survey.look_again(&name)?;
            Ok(there.map(|it| it.len))
        };
        let judged = self.directory.judge(found, Some(lock.file_name()), partial)?;
        let mut leftover = self.directory.leftover(&name, len, judged.condition, Holder::Nobody);
        leftover.summary = judged.summary;
        Ok(Some(Beside { leftover, suffix: judged.suffix }))
    }

    /// Partial files whose checkpoint, if there is one, lies in a checkpoint directory.
    fn clean_elsewhere(&mut self, place: Place, partials: &[(&ossget_fs::Leftover, &str)]) {
        if partials.is_empty() {
            return;
        }
        let group = Group { checkpoint: None, partials: partials.to_vec() };
        let Some(checkpoint_dir) = self.checkpoint_dir.clone() else {
            return self.keep_group(&group, &Reason::Because(Condition::CheckpointElsewhere));
        };
        let lock = match self.lock(&place.checkpoint_dir(Some(checkpoint_dir.clone()))) {
            Ok(lock) => lock,
            Err(reason) => return self.keep_group(&group, &reason),
        };
        // Later than the survey: a checkpoint is older than the partial file that it names, so those
        // of all that was found are there.
        let needed = self
            .needed
            .take()
            .map_or_else(|| Needed::in_directory(&self.file_system, &checkpoint_dir), Ok);
        let mut needed = match needed {
            Ok(needed) => needed,
            Err(error) => return self.keep_group(&group, &Reason::of(&error)),
        };
        needed.take_in(lock.file_name(), lock.checkpoint().as_ref());
        for &(it, suffix) in partials {
            match needed.by_whom(lock.file_name(), suffix) {
                Some(condition) => self.keep(it, condition),
                None => self.clean_partial(lock.as_ref(), it, Condition::Orphan),
            }
        }
        self.needed = Some(needed);
    }

    fn clean_partial(
        &mut self,
        lock: &dyn DestinationLock,
        it: &ossget_fs::Leftover,
        condition: Condition,
    ) {
        // Opened only to be refused where it is not ours.
        let len = match lock.open_partial(&it.name) {
            Ok(Some(opened)) => opened.len,
            // A run has taken it away since.
            Ok(None) => return,
            Err(error) => return self.keep(it, refused(&error)),
        };
        let leftover = self.directory.leftover(&it.name, len, condition, Holder::Nobody);
        self.settle(leftover, lock.remove_partial(&it.name));
    }

    fn lock(&self, place: &Place) -> Result<Arc<dyn DestinationLock>, Reason> {
        let lock =
            self.file_system.lock(place, Syncing::Full).map_err(|error| Reason::of(&error))?;
        match lock.caveats().contains(&Caveat::NoLocks) {
            true => Err(Reason::Because(without_locks())),
            false => Ok(lock),
        }
    }

    fn settle(&mut self, mut leftover: Leftover, removed: Result<(), FsError>) {
        let fate = match removed {
            Ok(()) => Fate::Removed,
            Err(error) => {
                leftover.condition = refused(&error);
                Fate::Kept
            }
        };
        self.cleaned.push(Cleaned { leftover, fate });
    }

    fn keep(&mut self, it: &ossget_fs::Leftover, condition: Condition) {
        let leftover = self.directory.leftover(&it.name, it.len, condition, Holder::Nobody);
        self.cleaned.push(Cleaned { leftover, fate: Fate::Kept });
    }

    fn keep_because(&mut self, it: &ossget_fs::Leftover, error: &FsError) {
        let group = Group { checkpoint: Some(it), partials: Vec::new() };
        self.keep_group(&group, &Reason::of(error));
    }

    fn keep_group(&mut self, group: &Group<'_>, reason: &Reason) {
        let partials = group.partials.iter().map(|(it, _)| *it);
        for it in group.checkpoint.into_iter().chain(partials) {
            let (condition, in_use) = match reason {
                Reason::Held => (Condition::Resumable, Holder::Run),
                Reason::Because(condition) => (condition.clone(), Holder::Nobody),
            };
            let leftover = self.directory.leftover(&it.name, it.len, condition, in_use);
            self.cleaned.push(Cleaned { leftover, fate: Fate::Kept });
        }
    }
}

/// Why files are left alone.
#[derive(Debug)]
enum Reason {
    /// A run holds them.
    Held,
    Because(Condition),
}

impl Reason {
    fn of(error: &FsError) -> Self {
        match error.kind() {
            FsErrorKind::Locked => Self::Held,
            _ => Self::Because(refused(error)),
        }
    }
}

/// Removes the checkpoint and the partial files of a destination that nobody holds.
///
/// The checkpoint goes last: as long as it is there, the partial file is no orphan.
fn remove_at(place: &Place) -> Result<Removed, FsError> {
    let file_system = NativeFileSystem::new();
    let lock = file_system.lock(place, Syncing::Full)?;
    let destination = lock.canonical_destination();
    if lock.caveats().contains(&Caveat::NoLocks) {
        let doing = "refused: without locks a run may be using what belongs to";
        return Err(FsError::new(FsErrorKind::Refused, doing, destination, None));
    }
    let checkpoint = lock.checkpoint();
    let header = remains::header(checkpoint.as_ref())?;
    let recorded = remains::recorded_partial(checkpoint.as_ref(), &header)?;
    let named = recorded.as_deref().and_then(remains::suffix_in);
    let orphaned = match lock.is_checkpoint_elsewhere() {
        true => Condition::CheckpointElsewhere,
        false => Condition::Orphan,
    };
    let survey = file_system.survey(destination.parent().unwrap_or_else(|| Path::new("/")))?;
    let mut removed = Removed::default();
    for it in survey.leftovers() {
        let LeftoverRole::Partial { suffix, .. } = &it.role else { continue };
        let wanted = named == Some(suffix) || partial_condition(suffix) == orphaned;
        if wanted && lock.is_partial_name(&it.name) {
            lock.remove_partial(&it.name)?;
            removed.add(survey.path().join(&it.name), it.len);
        }
    }
    let (len, found) = (checkpoint.len()?, file_system.find_checkpoint(place)?);
    lock.remove_checkpoint()?;
    if let Some(found) = found.filter(|_| len > 0) {
        removed.add(found.path, len);
    }
    Ok(removed)
}

impl Removed {
    fn add(&mut self, path: PathBuf, len: u64) {
        self.paths.push(path);
        self.bytes = self.bytes.saturating_add(len);
    }
}

fn without_locks() -> Condition {
    let why = "the file system has no locks: whether a run uses it cannot be told";
    Condition::Refused(why.to_owned())
}

#[cfg(test)]
mod tests;
