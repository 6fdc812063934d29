//! What downloads have left in a directory.

use super::{CheckpointSummary, remains};
use crate::Error;
use ossget_core::{CheckpointError, Header};
use ossget_fs::{FoundCheckpoint, FsError, Holder, LeftoverRole, NativeFileSystem, Nature, Survey};
use sha2::{Digest as _, Sha256};
use std::error::Error as _;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

/// A file that a download has left.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Leftover {
    /// Where it lies.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// Of what use it is.
    pub condition: Condition,
    /// Whether a download holds it now.
    pub in_use: Holder,
    /// What it says, if it is a checkpoint that can be read.
    pub summary: Option<Box<CheckpointSummary>>,
}

/// Of what use a leftover is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Condition {
    /// A checkpoint that the same download can go on from.
    Resumable,
    /// A checkpoint of a run that recorded nothing, left by its sudden end.
    Unused,
    /// A checkpoint that cannot be read; why.
    Damaged(String),
    /// A checkpoint of a format that another version of the program knows.
    UnknownFormat(String),
    /// A checkpoint whose partial file is gone.
    PartialGone,
    /// A partial file that no checkpoint names.
    Orphan,
    /// A partial file whose checkpoint lies in a checkpoint directory.
    CheckpointElsewhere,
    /// Something that must not be touched; why.
    Refused(String),
}

/// Lists what downloads have left in the directory `dir`: their checkpoints, and partial files
/// that no checkpoint there names. `dir` is a directory of destinations or a checkpoint
/// directory. Takes no lock and changes nothing; what is below is not looked at.
///
/// # Errors
///
/// [`Storage`](crate::ErrorKind::Storage) if the directory cannot be read.
pub fn list(dir: &Path) -> Result<Vec<Leftover>, Error> {
    let survey = NativeFileSystem::new().survey(dir).map_err(Error::storage)?;
    Ok(Directory::new(&survey).leftovers())
}

impl Condition {
    /// Whether no download can ever use it.
    #[must_use]
    pub const fn is_useless(&self) -> bool {
        matches!(self, Self::Unused | Self::Damaged(_) | Self::PartialGone | Self::Orphan)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resumable => f.write_str("can be gone on from"),
            Self::Unused => f.write_str("records nothing"),
            Self::Damaged(why) => write!(f, "cannot be read ({why})"),
            Self::UnknownFormat(what) => write!(f, "is for another version ({what})"),
            Self::PartialGone => f.write_str("its partial file is gone"),
            Self::Orphan => f.write_str("belongs to no checkpoint"),
            Self::CheckpointElsewhere => {
                f.write_str("its checkpoint lies in a checkpoint directory")
            }
            Self::Refused(why) => f.write_str(why),
        }
    }
}

/// A surveyed directory, to be judged.
pub(super) struct Directory<'a> {
    survey: &'a Survey,
}

/// What a checkpoint amounts to.
pub(super) struct Judged {
    pub(super) condition: Condition,
    pub(super) summary: Option<Box<CheckpointSummary>>,
    /// The random suffix of the partial file that it names.
    pub(super) suffix: Option<String>,
}

impl<'a> Directory<'a> {
    pub(super) const fn new(survey: &'a Survey) -> Self {
        Self { survey }
    }

    /// Everything in the directory that nothing else in the list tells of.
    fn leftovers(&self) -> Vec<Leftover> {
        let mut found = Vec::new();
        let mut named = Vec::new();
        for it in self.survey.leftovers() {
            let LeftoverRole::Checkpoint { destination, .. } = &it.role else { continue };
            let (leftover, suffix) = self.look_at(&it.name, it.len, destination.as_deref());
            found.push(leftover);
            named.extend(suffix);
        }
        for it in self.survey.leftovers() {
            let LeftoverRole::Partial { suffix, .. } = &it.role else { continue };
            if named.contains(suffix) {
                continue;
            }
            let condition = match it.nature {
                Nature::Regular => partial_condition(suffix),
                Nature::Other => not_a_file(),
            };
            let in_use = self.holder_of_partial(&it.role);
            found.push(self.leftover(&it.name, it.len, condition, in_use));
        }
        found.sort_by(|one, other| one.path.cmp(&other.path));
        found
    }

    fn look_at(
        &self,
        name: &OsStr,
        len: u64,
        destination: Option<&OsStr>,
    ) -> (Leftover, Option<String>) {
        let unusable = |condition| (self.leftover(name, len, condition, Holder::Nobody), None);
        let checkpoint = match self.survey.look_at(name) {
            Ok(Some(found)) => found,
            Ok(None) => return unusable(Condition::Unused),
            Err(error) => return unusable(refused(&error)),
        };
        let in_use = checkpoint.holder;
        match self.judge(checkpoint, destination, |suffix| Ok(self.partial(suffix))) {
            Ok(judged) => {
                let mut leftover = self.leftover(name, len, judged.condition, in_use);
                leftover.summary = judged.summary;
                (leftover, judged.suffix)
            }
            Err(error) => unusable(refused(&error)),
        }
    }

    /// What a checkpoint in this directory amounts to, `destination` being the name of its
    /// destination here, and `partial` telling the length of the partial file with a suffix.
    pub(super) fn judge(
        &self,
        found: FoundCheckpoint,
        destination: Option<&OsStr>,
        partial: impl FnOnce(&str) -> Result<Option<u64>, FsError>,
    ) -> Result<Judged, FsError> {
        let checkpoint = found.checkpoint.as_ref();
        let header = remains::header(checkpoint)?;
        let recorded_name = remains::recorded_partial(checkpoint, &header)?;
        let suffix = recorded_name.as_deref().and_then(remains::suffix_in).map(ToOwned::to_owned);
        let because = |condition| Judged { condition, summary: None, suffix: suffix.clone() };
        let damaged = |error: &CheckpointError| because(Condition::Damaged(error.to_string()));
        let header = match header {
            Ok(header) => header,
            Err(CheckpointError::Empty) if checkpoint.is_empty()? => {
                return Ok(because(Condition::Unused));
            }
            Err(error @ CheckpointError::UnknownVersion { .. }) => {
                return Ok(because(Condition::UnknownFormat(error.to_string())));
            }
            Err(error) => return Ok(damaged(&error)),
        };
        let Some(recorded) = remains::recorded(checkpoint, &header)? else {
            return Ok(damaged(&CheckpointError::Truncated));
        };
        let partial = suffix.as_deref().map_or(Ok(None), partial)?;
        let destination = destination.filter(|name| self.is_of(&header, name));
        let condition = match (partial, destination) {
            (None, Some(_)) => Condition::PartialGone,
            _ => Condition::Resumable,
        };
        let mut summary = CheckpointSummary::new(found, header, &recorded);
        summary.destination = destination.map(|name| self.survey.path().join(name));
        summary.partial_len = partial;
        Ok(Judged { condition, summary: Some(Box::new(summary)), suffix })
    }

    /// The length that the survey tells of the partial file with this suffix, if there is one.
    pub(super) fn partial(&self, wanted: &str) -> Option<u64> {
        let is_it = |role: &LeftoverRole| matches!(role, LeftoverRole::Partial { suffix, .. } if suffix == wanted);
        self.survey.leftovers().iter().find(|it| is_it(&it.role)).map(|it| it.len)
    }

    /// Whether a checkpoint's destination is this name in this directory.
    fn is_of(&self, header: &Header, name: &OsStr) -> bool {
        let whole = self.survey.path().join(name);
        let is_hash_of = |text: &OsStr| {
            <[u8; 32]>::from(Sha256::digest(text.as_encoded_bytes())) == header.destination_hash
        };
        is_hash_of(name) || is_hash_of(whole.as_os_str())
    }

    /// Whether a run holds the destination of a partial file, by the checkpoint beside it.
    fn holder_of_partial(&self, role: &LeftoverRole) -> Holder {
        let LeftoverRole::Partial { destination: Some(wanted), .. } = role else {
            return Holder::Nobody;
        };
        let is_its = |role: &LeftoverRole| matches!(role, LeftoverRole::Checkpoint { destination: Some(it), .. } if it == wanted);
        let lock = self.survey.leftovers().iter().find(|it| is_its(&it.role));
        let looked = lock.and_then(|lock| self.survey.look_at(&lock.name).ok().flatten());
        looked.map_or(Holder::Nobody, |found| found.holder)
    }

    pub(super) fn leftover(
        &self,
        name: &OsStr,
        bytes: u64,
        condition: Condition,
        in_use: Holder,
    ) -> Leftover {
        let path = self.survey.path().join(name);
        Leftover { path, bytes, condition, in_use, summary: None }
    }
}

/// What a partial file amounts to that no checkpoint beside it names. The first character of its
/// suffix is a digit where the checkpoint lies in a checkpoint directory.
pub(super) fn partial_condition(suffix: &str) -> Condition {
    if suffix.starts_with(|first: char| first.is_ascii_digit()) {
        return Condition::CheckpointElsewhere;
    }
    match remains::is_no_word(suffix) {
        true => Condition::Orphan,
        false => {
            let why = "may be somebody's own file: no checkpoint names it, and its name is words";
            Condition::Refused(why.to_owned())
        }
    }
}

/// Why something is left alone.
pub(super) fn refused(error: &FsError) -> Condition {
    let mut text = error.to_string();
    if let Some(cause) = error.source() {
        text = format!("{text}: {cause}");
    }
    Condition::Refused(text)
}

pub(super) fn not_a_file() -> Condition {
    Condition::Refused("is no regular file".to_owned())
}
