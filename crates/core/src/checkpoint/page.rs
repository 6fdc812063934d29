//! A page of fixed length whose last 8 bytes are a keyed tag over all the others.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::{CheckpointError, CheckpointField, HEADER_LEN, SessionId};
use crate::sip::siphash24;

/// Fills a page from the front.
pub(super) struct PageWriter {
    page: Vec<u8>,
    at: usize,
}

impl PageWriter {
    pub(super) fn new() -> Self {
        Self { page: vec![0; HEADER_LEN], at: 0 }
    }

    /// Writes bytes of fixed length, which the layout has room for.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        if self.try_bytes(bytes).is_none() {
            debug_assert!(false, "the fields of fixed length fit a page");
        }
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    /// Writes a string as its length in a u16 and its bytes.
    pub(super) fn string(
        &mut self,
        text: &str,
        most: usize,
        field: CheckpointField,
    ) -> Result<(), CheckpointError> {
        let too_long = CheckpointError::TooLong(field);
        let Ok(len) = u16::try_from(text.len()) else { return Err(too_long) };
        if text.len() > most || self.at + 2 + text.len() > TAG_OFFSET {
            return Err(too_long);
        }
        self.u16(len);
        self.bytes(text.as_bytes());
        Ok(())
    }

    /// Leaves zeros up to a position.
    pub(super) fn pad_to(&mut self, at: usize) {
        self.at = at;
    }

    /// Appends the tag and gives the page away.
    pub(super) fn finish(mut self, session: SessionId) -> Vec<u8> {
        let tag = tag(session, &self.page);
        self.at = TAG_OFFSET;
        self.bytes(&tag.to_le_bytes());
        self.page
    }

    fn try_bytes(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.at.checked_add(bytes.len())?;
        self.page.get_mut(self.at..end)?.copy_from_slice(bytes);
        self.at = end;
        Some(())
    }
}

/// Reads a page from the front.
pub(super) struct PageReader<'a> {
    rest: &'a [u8],
}

impl<'a> PageReader<'a> {
    /// Reads the content of a page, the tag excluded.
    pub(super) fn new(page: &'a [u8]) -> Self {
        Self { rest: page.get(..TAG_OFFSET).unwrap_or(page) }
    }

    pub(super) fn bytes(&mut self, n: usize) -> Result<&'a [u8], CheckpointError> {
        let (bytes, rest) = self.rest.split_at_checked(n).ok_or(CheckpointError::Inconsistent)?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], CheckpointError> {
        let bytes = self.bytes(N)?;
        bytes.try_into().map_err(|_| CheckpointError::Inconsistent)
    }

    pub(super) fn u16(&mut self) -> Result<u16, CheckpointError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, CheckpointError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn string(&mut self) -> Result<String, CheckpointError> {
        let len = self.u16()?;
        let bytes = self.bytes(usize::from(len))?;
        let text = core::str::from_utf8(bytes).map_err(|_| CheckpointError::Inconsistent)?;
        Ok(text.into())
    }
}

/// The first page of `bytes`; an error if there is none, or nothing on it.
pub(super) fn page_of(bytes: &[u8]) -> Result<&[u8], CheckpointError> {
    let page = bytes.get(..HEADER_LEN);
    if page.unwrap_or(bytes).iter().all(|&byte| byte == 0) {
        return Err(CheckpointError::Empty);
    }
    page.ok_or(CheckpointError::Truncated)
}

/// Whether the tag at the end of a page fits its content.
pub(super) fn tag_holds(session: SessionId, page: &[u8]) -> bool {
    page.get(TAG_OFFSET..HEADER_LEN) == Some(&tag(session, page).to_le_bytes())
}

fn tag(session: SessionId, page: &[u8]) -> u64 {
    siphash24(session.bytes(), page.get(..TAG_OFFSET).unwrap_or(page))
}

/// Where the tag stands in a page.
const TAG_OFFSET: usize = HEADER_LEN - 8;
