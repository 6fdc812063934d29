//! The bind page of a checkpoint.

use alloc::string::String;
use alloc::vec::Vec;

use super::page::{PageReader, PageWriter, page_of, tag_holds};
use super::{CheckpointError, CheckpointField, Header, SessionId};

/// Which partial file a checkpoint is bound to: the bind page. Without a valid one no slot counts.
///
/// ```text
/// 0     16  session id
/// 16    8   inode number
/// 24    8   birth time in nanoseconds since 1970, signed, or 0
/// 32    8   size in bytes
/// 40    8   device number
/// 48    2+n name of the partial file: a u16 length and UTF-8 bytes, n <= 255; then zeros
/// 4088  8   SipHash-2-4 of all bytes before it, keyed with the session id
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// The id of the session, which must be that of the header: see [`Bind::is_of`].
    pub session: SessionId,
    /// Inode number.
    pub inode: u64,
    /// Birth time in nanoseconds since 1970, or 0 where the file system keeps none.
    pub birth: i64,
    /// Size in bytes.
    pub size: u64,
    /// Device number. Advisory: it may change across reboots.
    pub device: u64,
    /// The name of the partial file, without a directory; to be checked as the header's is.
    pub partial_name: String,
}

impl Bind {
    /// The page of [`HEADER_LEN`](super::HEADER_LEN) bytes.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::TooLong`] if the name does not fit.
    pub fn encode(&self) -> Result<Vec<u8>, CheckpointError> {
        let mut page = PageWriter::new();
        page.bytes(self.session.bytes());
        page.u64(self.inode);
        page.bytes(&self.birth.to_le_bytes());
        page.u64(self.size);
        page.u64(self.device);
        page.string(&self.partial_name, PARTIAL_NAME_MAX, CheckpointField::PartialName)?;
        Ok(page.finish(self.session))
    }

    /// Reads the page that `bytes` begin with.
    ///
    /// The tag is checked with the session id of the page itself, so a page left over from an
    /// older session is read as what it is: ask [`Bind::is_of`] before believing it.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Empty`], [`CheckpointError::Truncated`], [`CheckpointError::Corrupt`],
    /// [`CheckpointError::Inconsistent`].
    pub fn decode(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let page = page_of(bytes)?;
        let mut reader = PageReader::new(page);
        let session = SessionId::new(reader.array()?);
        if !tag_holds(session, page) {
            return Err(CheckpointError::Corrupt);
        }
        let this = Self {
            session,
            inode: reader.u64()?,
            birth: i64::from_le_bytes(reader.array()?),
            size: reader.u64()?,
            device: reader.u64()?,
            partial_name: reader.string()?,
        };
        match this.partial_name.len() {
            0..=PARTIAL_NAME_MAX => Ok(this),
            _ => Err(CheckpointError::Inconsistent),
        }
    }

    /// Whether this page belongs to `header`: same session, same partial file.
    #[must_use]
    pub fn is_of(&self, header: &Header) -> bool {
        self.session == header.session && self.partial_name == header.partial_name
    }
}

/// `NAME_MAX` of Linux file systems.
const PARTIAL_NAME_MAX: usize = 255;
