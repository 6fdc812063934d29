//! Why a file operation failed.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fmt, io};

/// Why a file operation failed: what was being done, to which path, and the system's reason.
#[derive(Debug)]
pub struct FsError {
    kind: FsErrorKind,
    doing: &'static str,
    path: PathBuf,
    source: Option<io::Error>,
}

/// What a caller can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FsErrorKind {
    /// Another run holds the destination's lock.
    Locked,
    /// Refused for safety: a link, a special file, another owner, unsafe permissions.
    Refused,
    /// No room: disk full or quota exceeded.
    NoSpace,
    /// The file system cannot hold a file of this size.
    TooLarge,
    /// Something is already there and must not be replaced.
    Exists,
    /// Any other failure of the file system.
    Storage,
}

impl FsError {
    /// An error of `kind` while `doing` something to `path`.
    pub fn new(
        kind: FsErrorKind,
        doing: &'static str,
        path: impl AsRef<Path>,
        source: Option<io::Error>,
    ) -> Self {
        Self { kind, doing, path: path.as_ref().to_owned(), source }
    }

    /// An error of the kind that `source` tells of while `doing` something to `path`.
    pub(crate) fn from_io(doing: &'static str, path: impl AsRef<Path>, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FsErrorKind::NoSpace,
            io::ErrorKind::FileTooLarge => FsErrorKind::TooLarge,
            _ => FsErrorKind::Storage,
        };
        Self::new(kind, doing, path, Some(source))
    }

    /// A refusal for safety: `doing` names what is refused at `path`.
    pub(crate) fn refused(doing: &'static str, path: impl AsRef<Path>) -> Self {
        Self::new(FsErrorKind::Refused, doing, path, None)
    }

    /// A refusal of what is another user's.
    pub(crate) fn foreign(path: impl AsRef<Path>, owner: u32) -> Self {
        let who = io::Error::other(format!("it belongs to the user with number {owner}"));
        Self::new(FsErrorKind::Refused, "refused: another user owns", path, Some(who))
    }

    /// Whether the system denied the access.
    pub(crate) fn is_permission_denied(&self) -> bool {
        self.source.as_ref().is_some_and(|e| e.kind() == io::ErrorKind::PermissionDenied)
    }

    /// What kind of failure this is.
    #[must_use]
    pub const fn kind(&self) -> FsErrorKind {
        self.kind
    }

    /// The path concerned.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for FsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.doing)?;
        // A name may hold anything; it must not be able to write a line of its own into a log.
        for char in self.path.to_string_lossy().chars() {
            if char.is_control() {
                write!(f, "{}", char.escape_default())?;
            } else {
                f.write_char(char)?;
            }
        }
        Ok(())
    }
}

impl StdError for FsError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_forge_a_line_of_a_log() {
        let error =
            FsError::new(FsErrorKind::Storage, "cannot open", "/d/a\nerror: x\x1b[2J", None);
        assert_eq!(error.to_string(), "cannot open /d/a\\nerror: x\\u{1b}[2J");
    }
}
