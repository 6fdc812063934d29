//! What can be wrong with a checkpoint's pages.

use alloc::string::String;
use core::fmt;

/// Why a page of a checkpoint cannot be read or made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckpointError {
    /// There is nothing: no bytes, or zeros only. Nothing was ever recorded here.
    Empty,
    /// The page ends early.
    Truncated,
    /// It does not begin as a checkpoint does.
    BadMagic,
    /// It is of a format this version does not know; it may be in good order.
    UnknownVersion {
        /// The major version of its format.
        major: u16,
        /// The program that wrote it, if that can be read.
        creator: Option<String>,
    },
    /// Its tag does not fit its content: torn, damaged or left over.
    Corrupt,
    /// Its tag fits, but its content makes no sense.
    Inconsistent,
    /// A value does not fit the page it should be written to.
    TooLong(CheckpointField),
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty checkpoint"),
            Self::Truncated => f.write_str("truncated checkpoint"),
            Self::BadMagic => f.write_str("not a checkpoint"),
            Self::UnknownVersion { major, creator: None } => {
                write!(f, "checkpoint of unknown format version {major}")
            }
            Self::UnknownVersion { major, creator: Some(creator) } => {
                write!(f, "checkpoint of unknown format version {major}, written by {creator}")
            }
            Self::Corrupt => f.write_str("damaged checkpoint"),
            Self::Inconsistent => f.write_str("checkpoint that contradicts itself"),
            Self::TooLong(field) => write!(f, "{field} too long for a checkpoint"),
        }
    }
}

impl core::error::Error for CheckpointError {}

/// A value of variable length in a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CheckpointField {
    /// Name and version of the program, 50 bytes at most.
    Creator,
    /// The bucket, or what stands in its place.
    Container,
    /// The object key, or what stands in its place.
    Key,
    /// The name of the partial file, 255 bytes at most.
    PartialName,
    /// The ETag, 256 bytes at most.
    ETag,
    /// The modification date.
    LastModified,
    /// The version id.
    VersionId,
    /// The object type.
    ObjectType,
}

impl fmt::Display for CheckpointField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Creator => "creator",
            Self::Container => "bucket or store",
            Self::Key => "object key",
            Self::PartialName => "name of the partial file",
            Self::ETag => "ETag",
            Self::LastModified => "modification date",
            Self::VersionId => "version id",
            Self::ObjectType => "object type",
        })
    }
}
