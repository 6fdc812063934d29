//! Which partial files the checkpoints in a checkpoint directory need.

use super::leftover::{Condition, refused};
use super::remains;
use ossget_core::CheckpointError;
use ossget_fs::{CheckpointFile, FsError, LeftoverRole, NativeFileSystem};
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Which partial files the checkpoints in a checkpoint directory need.
///
/// Not only that of the path by which a destination is reached now: the folder may have been
/// moved since, or lie there under another path. A checkpoint does not tell where its partial file
/// lies, but the file's suffix is random, and so tells which it is wherever that lies.
#[derive(Debug, Default)]
pub(super) struct Needed {
    suffixes: HashSet<String>,
    /// The names of destinations whose checkpoints may need any file of theirs, and why.
    anything_of: Vec<(OsString, Condition)>,
}

impl Needed {
    /// What all checkpoints in the directory need.
    pub(super) fn in_directory(
        file_system: &NativeFileSystem,
        dir: &Path,
    ) -> Result<Self, FsError> {
        let survey = file_system.survey(dir)?;
        let mut needed = Self::default();
        for it in survey.leftovers() {
            let LeftoverRole::Checkpoint { stem, .. } = &it.role else { continue };
            match survey.look_at(&it.name) {
                Ok(Some(found)) => needed.take_in(stem, found.checkpoint.as_ref()),
                // Its run has just ended.
                Ok(None) => {}
                Err(error) => needed.anything_of(stem, refused(&error)),
            }
        }
        Ok(needed)
    }

    /// Adds what a checkpoint needs whose destination has the name `destination`.
    pub(super) fn take_in(&mut self, destination: &OsStr, checkpoint: &dyn CheckpointFile) {
        let read = remains::header(checkpoint).and_then(|header| {
            let recorded = remains::recorded_partial(checkpoint, &header)?;
            Ok((header, recorded))
        });
        let (header, recorded) = match read {
            Ok(read) => read,
            Err(error) => return self.anything_of(destination, refused(&error)),
        };
        let suffix = recorded.as_deref().and_then(remains::suffix_in);
        self.suffixes.extend(suffix.map(ToOwned::to_owned));
        if let Err(error @ CheckpointError::UnknownVersion { .. }) = header {
            self.anything_of(destination, Condition::UnknownFormat(error.to_string()));
        }
    }

    /// Why a partial file of `destination` must stay; `None` if nothing needs it.
    pub(super) fn by_whom(&self, destination: &OsStr, suffix: &str) -> Option<Condition> {
        if self.suffixes.contains(suffix) {
            return Some(Condition::CheckpointElsewhere);
        }
        // The name of a checkpoint holds the whole name of a destination that is short enough for
        // the names of its partial files to hold it.
        let of_it = self.anything_of.iter().find(|(name, _)| name == destination);
        of_it.map(|(_, condition)| condition.clone())
    }

    fn anything_of(&mut self, destination: &OsStr, condition: Condition) {
        self.anything_of.push((destination.to_owned(), condition));
    }
}
