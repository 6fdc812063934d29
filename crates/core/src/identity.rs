//! What pins an object, so that parts of two versions are never mixed.

use alloc::string::String;
use core::fmt;

/// What a server says of an object that tells it from any other content under the same name.
///
/// Values are kept as received: the ETag with its quotes and any `W/`, dates as text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ObjectIdentity {
    /// Length of the whole object in bytes.
    pub size: u64,
    /// `ETag` as received.
    pub etag: Option<String>,
    /// `Last-Modified` as received; its resolution is one second.
    pub last_modified: Option<String>,
    /// `x-oss-version-id`.
    pub version_id: Option<String>,
    /// `x-oss-hash-crc64ecma`: CRC-64/XZ of the whole object, also on ranged responses.
    pub crc64: Option<u64>,
    /// `x-oss-object-type`: `Normal`, `Multipart`, `Appendable` or `Symlink`.
    pub object_type: Option<String>,
    /// The `Content-Encoding` that is stored with the object. The object's bytes are the encoded
    /// ones, and so are its size and CRC; a checkpoint does not keep it.
    pub content_encoding: Option<String>,
}

impl ObjectIdentity {
    /// An object of which only the length in bytes is known.
    #[must_use]
    pub fn new(size: u64) -> Self {
        Self { size, ..Self::default() }
    }

    /// Sets the ETag, as received.
    #[must_use]
    pub fn etag(mut self, etag: impl Into<String>) -> Self {
        self.etag = Some(etag.into());
        self
    }

    /// Sets the modification date, as received.
    #[must_use]
    pub fn last_modified(mut self, date: impl Into<String>) -> Self {
        self.last_modified = Some(date.into());
        self
    }

    /// Sets the version id.
    #[must_use]
    pub fn version_id(mut self, id: impl Into<String>) -> Self {
        self.version_id = Some(id.into());
        self
    }

    /// Sets the CRC-64/XZ of the whole object.
    #[must_use]
    pub fn crc64(mut self, crc: u64) -> Self {
        self.crc64 = Some(crc);
        self
    }

    /// Sets the stored content encoding.
    #[must_use]
    pub fn content_encoding(mut self, encoding: impl Into<String>) -> Self {
        self.content_encoding = Some(encoding.into());
        self
    }

    /// Sets the object type.
    #[must_use]
    pub fn object_type(mut self, object_type: impl Into<String>) -> Self {
        self.object_type = Some(object_type.into());
        self
    }

    /// What shows that `later` is not the same content; `None` if nothing does.
    ///
    /// Size, ETag and date must be equal, their absence included: a value that came or went means
    /// that something else answers now, and starting over is the safe reading. The CRC and the
    /// version id count only where both sides have one, since OSS omits the CRC of some objects
    /// and the version id where versioning is off. The object type and the content encoding do not identify.
    #[must_use]
    pub fn difference(&self, later: &Self) -> Option<IdentityField> {
        if self.size != later.size {
            return Some(IdentityField::Size);
        }
        if self.etag != later.etag {
            return Some(IdentityField::ETag);
        }
        if differ(&self.crc64, &later.crc64) {
            return Some(IdentityField::Crc64);
        }
        if differ(&self.version_id, &later.version_id) {
            return Some(IdentityField::VersionId);
        }
        (self.last_modified != later.last_modified).then_some(IdentityField::LastModified)
    }

    /// Takes over the CRC-64 that an earlier answer gave for the same content and this one leaves
    /// out. Only a strong ETag says that it is the same content.
    pub(crate) fn complete_from(&mut self, earlier: &Self) {
        if self.is_pinned() && self.etag == earlier.etag {
            self.crc64 = self.crc64.or(earlier.crc64);
        }
    }

    /// Whether a precondition can hold the server to this content: there is a strong ETag.
    ///
    /// `If-Match` compares strongly, so a weak one (`W/…`) never matches (RFC 9110, 13.1.1).
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.etag.as_deref().is_some_and(|etag| {
            !etag.is_empty() && !etag.starts_with("W/") && !etag.starts_with("w/")
        })
    }
}

/// A part of an object's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IdentityField {
    /// The length of the whole object.
    Size,
    /// The ETag.
    ETag,
    /// The modification date.
    LastModified,
    /// The version id.
    VersionId,
    /// The CRC-64 of the whole object.
    Crc64,
}

impl fmt::Display for IdentityField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Size => "size",
            Self::ETag => "ETag",
            Self::LastModified => "Last-Modified",
            Self::VersionId => "version id",
            Self::Crc64 => "CRC-64",
        })
    }
}

/// Whether both are known and not equal.
fn differ<T: PartialEq>(one: &Option<T>, other: &Option<T>) -> bool {
    matches!((one, other), (Some(one), Some(other)) if one != other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;
    use alloc::string::ToString;

    fn identity() -> ObjectIdentity {
        ObjectIdentity::new(10)
            .etag("\"A\"")
            .last_modified("Sun, 06 Nov 1994 08:49:37 GMT")
            .version_id("v1")
            .crc64(7)
            .object_type("Normal")
    }

    #[test]
    fn a_crc_that_is_left_out_is_known_from_before_if_a_strong_etag_says_it_is_the_same_content() {
        let completed = |etag: Option<&str>, earlier: ObjectIdentity| {
            let mut later = ObjectIdentity::new(10);
            later.etag = etag.map(str::to_owned);
            later.complete_from(&earlier);
            later.crc64
        };
        assert_eq!(completed(Some("\"A\""), identity()), Some(7));
        assert_eq!(completed(Some("\"B\""), identity()), None);
        assert_eq!(completed(Some("W/\"A\""), identity().etag("W/\"A\"")), None);
        let nameless = ObjectIdentity { etag: None, ..identity() };
        assert_eq!(completed(None, nameless), None);
        let mut known = identity().crc64(9);
        known.complete_from(&identity());
        assert_eq!(known.crc64, Some(9));
    }

    #[test]
    fn each_field_has_a_name() {
        for (field, name) in [
            (IdentityField::Size, "size"),
            (IdentityField::ETag, "ETag"),
            (IdentityField::LastModified, "Last-Modified"),
            (IdentityField::VersionId, "version id"),
            (IdentityField::Crc64, "CRC-64"),
        ] {
            assert_eq!(field.to_string(), name);
        }
    }

    #[test]
    fn equal_identities_do_not_differ() {
        assert_eq!(identity().difference(&identity()), None);
    }

    #[test]
    fn each_field_is_compared() {
        let mut later = identity();
        later.size = 11;
        assert_eq!(identity().difference(&later), Some(IdentityField::Size));
        let one = identity();
        assert_eq!(one.difference(&identity().etag("\"B\"")), Some(IdentityField::ETag));
        assert_eq!(one.difference(&identity().crc64(8)), Some(IdentityField::Crc64));
        assert_eq!(one.difference(&identity().version_id("v2")), Some(IdentityField::VersionId));
        let date = "Sun, 06 Nov 1994 08:49:38 GMT";
        assert_eq!(
            one.difference(&identity().last_modified(date)),
            Some(IdentityField::LastModified)
        );
    }

    #[test]
    fn the_etag_is_opaque() {
        for other in ["A", "W/\"A\"", "\"a\"", "\"A\" "] {
            assert_eq!(
                identity().difference(&identity().etag(other)),
                Some(IdentityField::ETag),
                "{other}"
            );
        }
    }

    #[test]
    fn an_etag_or_date_that_came_or_went_is_a_difference() {
        let mut bare = identity();
        bare.etag = None;
        assert_eq!(identity().difference(&bare), Some(IdentityField::ETag));
        assert_eq!(bare.difference(&identity()), Some(IdentityField::ETag));
        let mut undated = identity();
        undated.last_modified = None;
        assert_eq!(identity().difference(&undated), Some(IdentityField::LastModified));
    }

    #[test]
    fn a_crc_version_or_type_known_to_one_side_only_is_no_difference() {
        let mut bare = identity();
        bare.crc64 = None;
        bare.version_id = None;
        bare.object_type = None;
        assert_eq!(identity().difference(&bare), None);
        assert_eq!(bare.difference(&identity()), None);
    }

    #[test]
    fn only_a_strong_etag_pins() {
        assert!(identity().is_pinned());
        assert!(!identity().etag("W/\"A\"").is_pinned());
        assert!(!identity().etag("").is_pinned());
        assert!(!ObjectIdentity::new(1).is_pinned());
    }
}
