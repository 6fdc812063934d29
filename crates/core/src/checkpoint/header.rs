//! The header page of a checkpoint.

use alloc::string::String;
use alloc::vec::Vec;

use super::page::{PageReader, PageWriter, page_of, tag_holds};
use super::{CheckpointError, CheckpointField, HEADER_LEN, SessionId};
use crate::{ByteRange, ObjectIdentity, PartPlan};

/// What a checkpoint is about: the header page.
///
/// ```text
/// 0     8   magic "OSSGETC1"
/// 8     2   major version, 1
/// 10    2   minor version, 0
/// 12    2+n creator: name and version of the program, n <= 50, then zeros
/// 64    16  session id
/// 80    8   length of the whole object
/// 88    8   part size (effective)
/// 96    8   number of parts
/// 104   8   start of the extent within the object
/// 112   8   length of the extent
/// 120   8   CRC-64 of the whole object, or 0
/// 128   32  hash of the canonical destination
/// 160   1   kind of source: 1 OSS, 2 HTTP, 3 object store
/// 161   1   which optional values there are, a bit each from the lowest: ETag, Last-Modified,
///           version id, CRC-64, object type
/// 162   6   zeros
/// 168       strings, each a u16 length and UTF-8 bytes, empty where there is none: container,
///           key, name of the partial file, ETag, Last-Modified, version id, object type;
///           then zeros
/// 4088  8   SipHash-2-4 of all bytes before it, keyed with the session id
/// ```
///
/// The bytes before the session id are the same in every major version, so that any program can
/// say what wrote a checkpoint it does not understand. A later minor version may append values
/// after the strings; readers of this one ignore them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The id of the session: the key of every tag in the file.
    pub session: SessionId,
    /// The object, as the probe found it.
    pub identity: ObjectIdentity,
    /// The parts. The extent lies within the object.
    pub plan: PartPlan,
    /// Where the object comes from.
    pub locator: Locator,
    /// The name of the partial file, without a directory. Read back, it is as trustworthy as the
    /// file it comes from: whoever opens a file by it must check its form first.
    pub partial_name: String,
    /// SHA-256 of the canonical destination, opaque here.
    pub destination_hash: [u8; 32],
    /// Name and version of the program that made the checkpoint, 50 bytes at most.
    pub creator: String,
}

/// Where an object comes from. Never holds a query or a secret, nor the endpoint: the same object
/// may be resumed through another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Locator {
    /// The kind of source.
    pub kind: SourceKind,
    /// The bucket; for HTTP scheme and host; else the store's URL.
    pub container: String,
    /// The object key; for HTTP the path.
    pub key: String,
}

/// A kind of source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SourceKind {
    /// An OSS bucket.
    Oss,
    /// A public or presigned URL.
    Http,
    /// A store of the `object_store` crate.
    ObjectStore,
}

impl Header {
    /// The page of [`HEADER_LEN`] bytes.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::TooLong`] names the value that does not fit;
    /// [`CheckpointError::Inconsistent`] if the extent does not lie within the object.
    pub fn encode(&self) -> Result<Vec<u8>, CheckpointError> {
        let extent = self.plan.extent();
        if extent.end() > self.identity.size {
            return Err(CheckpointError::Inconsistent);
        }
        let mut page = PageWriter::new();
        page.bytes(MAGIC);
        page.u16(MAJOR);
        page.u16(MINOR);
        page.string(&self.creator, CREATOR_MAX, CheckpointField::Creator)?;
        page.pad_to(SESSION_OFFSET);
        page.bytes(self.session.bytes());
        page.u64(self.identity.size);
        page.u64(self.plan.part_size());
        page.u64(u64::from(self.plan.count()));
        page.u64(extent.start());
        page.u64(extent.len());
        page.u64(self.identity.crc64.unwrap_or(0));
        page.bytes(&self.destination_hash);
        page.bytes(&[self.locator.kind.code(), present(&self.identity)]);
        page.pad_to(STRINGS_OFFSET);
        self.encode_strings(&mut page)?;
        Ok(page.finish(self.session))
    }

    /// Reads the page that `bytes` begin with.
    ///
    /// # Errors
    ///
    /// Every kind but [`CheckpointError::TooLong`]. A page of version 1 whose version alone is
    /// damaged is [`CheckpointError::Corrupt`], not of an unknown version: its tag tells.
    pub fn decode(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let page = page_of(bytes)?;
        let mut reader = PageReader::new(page);
        if reader.bytes(MAGIC.len())? != MAGIC {
            return Err(CheckpointError::BadMagic);
        }
        let major = reader.u16()?;
        if major != MAJOR {
            return Err(foreign(page, major));
        }
        let _minor = reader.u16()?;
        let session = session_of(page)?;
        if !tag_holds(session, page) {
            return Err(CheckpointError::Corrupt);
        }
        let creator = reader.string()?;
        if creator.len() > CREATOR_MAX {
            return Err(CheckpointError::Inconsistent);
        }
        Self::decode_fields(page, session, creator).ok_or(CheckpointError::Inconsistent)
    }

    fn encode_strings(&self, page: &mut PageWriter) -> Result<(), CheckpointError> {
        let identity = &self.identity;
        let optional = |value: &'_ Option<String>| value.clone().unwrap_or_default();
        page.string(&self.locator.container, HEADER_LEN, CheckpointField::Container)?;
        page.string(&self.locator.key, HEADER_LEN, CheckpointField::Key)?;
        page.string(&self.partial_name, PARTIAL_NAME_MAX, CheckpointField::PartialName)?;
        page.string(&optional(&identity.etag), ETAG_MAX, CheckpointField::ETag)?;
        let date = optional(&identity.last_modified);
        page.string(&date, HEADER_LEN, CheckpointField::LastModified)?;
        page.string(&optional(&identity.version_id), HEADER_LEN, CheckpointField::VersionId)?;
        page.string(&optional(&identity.object_type), HEADER_LEN, CheckpointField::ObjectType)
    }

    /// Reads what follows the session id of a page whose tag holds; `None` if it makes no sense.
    fn decode_fields(page: &[u8], session: SessionId, creator: String) -> Option<Self> {
        let mut reader = PageReader::new(page.get(SESSION_OFFSET..)?);
        reader.bytes(16).ok()?;
        let mut identity = ObjectIdentity::new(reader.u64().ok()?);
        let part_size = reader.u64().ok()?;
        let count = u32::try_from(reader.u64().ok()?).ok()?;
        let start = reader.u64().ok()?;
        let extent = ByteRange::new(start, start.checked_add(reader.u64().ok()?)?)?;
        if extent.end() > identity.size {
            return None;
        }
        let plan = PartPlan::from_parts(extent, part_size, count)?;
        let crc64 = reader.u64().ok()?;
        let destination_hash = reader.array().ok()?;
        let [kind, flags] = reader.array().ok()?;
        let kind = SourceKind::from_code(kind)?;
        let mut strings = PageReader::new(page);
        strings.bytes(STRINGS_OFFSET).ok()?;
        let mut string = |most| strings.string().ok().filter(|text: &String| text.len() <= most);
        let locator = Locator { kind, container: string(HEADER_LEN)?, key: string(HEADER_LEN)? };
        let partial_name = string(PARTIAL_NAME_MAX)?;
        let mut optional =
            |flag, most| string(most).map(|text| (flags & flag != 0).then_some(text));
        identity.etag = optional(HAS_ETAG, ETAG_MAX)?;
        identity.last_modified = optional(HAS_LAST_MODIFIED, HEADER_LEN)?;
        identity.version_id = optional(HAS_VERSION_ID, HEADER_LEN)?;
        identity.object_type = optional(HAS_OBJECT_TYPE, HEADER_LEN)?;
        identity.crc64 = (flags & HAS_CRC64 != 0).then_some(crc64);
        Some(Self { session, identity, plan, locator, partial_name, destination_hash, creator })
    }
}

impl SourceKind {
    const fn code(self) -> u8 {
        match self {
            Self::Oss => 1,
            Self::Http => 2,
            Self::ObjectStore => 3,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Oss),
            2 => Some(Self::Http),
            3 => Some(Self::ObjectStore),
            _ => None,
        }
    }
}

/// What a page with our magic and another major version is.
fn foreign(page: &[u8], major: u16) -> CheckpointError {
    let mut ours = page.to_vec();
    if let Some(version) = ours.get_mut(MAGIC.len()..MAGIC.len() + 2) {
        version.copy_from_slice(&MAJOR.to_le_bytes());
    }
    if session_of(page).is_ok_and(|session| tag_holds(session, &ours)) {
        return CheckpointError::Corrupt;
    }
    CheckpointError::UnknownVersion { major, creator: creator_of(page) }
}

/// The creator that a page of any version names, if it is fit to be shown.
fn creator_of(page: &[u8]) -> Option<String> {
    let mut reader = PageReader::new(page);
    reader.bytes(MAGIC.len() + 4).ok()?;
    let creator = reader.string().ok()?;
    let shown = !creator.is_empty() && !creator.chars().any(char::is_control);
    (shown && creator.len() <= CREATOR_MAX).then_some(creator)
}

fn session_of(page: &[u8]) -> Result<SessionId, CheckpointError> {
    let mut reader = PageReader::new(page);
    reader.bytes(SESSION_OFFSET)?;
    reader.array().map(SessionId::new)
}

/// The flags of the optional values there are.
fn present(identity: &ObjectIdentity) -> u8 {
    let flag = |there: bool, flag| if there { flag } else { 0 };
    flag(identity.etag.is_some(), HAS_ETAG)
        | flag(identity.last_modified.is_some(), HAS_LAST_MODIFIED)
        | flag(identity.version_id.is_some(), HAS_VERSION_ID)
        | flag(identity.crc64.is_some(), HAS_CRC64)
        | flag(identity.object_type.is_some(), HAS_OBJECT_TYPE)
}

const MAGIC: &[u8; 8] = b"OSSGETC1";
const MAJOR: u16 = 1;
const MINOR: u16 = 0;
const SESSION_OFFSET: usize = 64;
const STRINGS_OFFSET: usize = 168;

/// What fits between the creator's length and the session id.
const CREATOR_MAX: usize = 50;
/// OSS ETags are 34 bytes; other servers may be longer.
const ETAG_MAX: usize = 256;
/// `NAME_MAX` of Linux file systems.
const PARTIAL_NAME_MAX: usize = 255;

const HAS_ETAG: u8 = 1;
const HAS_LAST_MODIFIED: u8 = 1 << 1;
const HAS_VERSION_ID: u8 = 1 << 2;
const HAS_CRC64: u8 = 1 << 3;
const HAS_OBJECT_TYPE: u8 = 1 << 4;
