//! What is kept of an object besides its bytes.

use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, EXPIRES,
};
use http::{HeaderName, HeaderValue};

use crate::call::Call;
use crate::refusal::Refusal;
use crate::tags::Tags;

/// What a PUT, an InitiateMultipartUpload or a copy says of the object it makes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metadata {
    /// Content type, cache control, user metadata: what a GET repeats.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) storage_class: StorageClass,
    pub(crate) tags: Tags,
}

impl Metadata {
    pub(crate) fn of(call: &Call) -> Result<Self, Refusal> {
        let is_kept = |name: &HeaderName| {
            name.as_str().starts_with("x-oss-meta-") || KEPT.iter().any(|kept| kept == name)
        };
        let headers = call.headers.iter().filter(|(name, _)| is_kept(name));
        if let Some(name) = call.headers.keys().find(|name| !is_legal(name)) {
            // OSS documentation, EC 0011-00000004.
            let message = "The user metadata has a key with characters that are not allowed.";
            return Err(Refusal::invalid_argument((name.as_str(), ""), message));
        }
        Ok(Self {
            headers: headers.map(|(name, value)| (name.clone(), value.clone())).collect(),
            storage_class: StorageClass::of(call)?,
            tags: Tags::of(call)?,
        })
    }
}

/// Of user metadata, letters, digits and hyphens.
fn is_legal(name: &HeaderName) -> bool {
    let key = name.as_str().strip_prefix("x-oss-meta-").unwrap_or_default();
    key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// How an object is stored, which decides what it costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum StorageClass {
    #[default]
    Standard,
    InfrequentAccess,
    Archive,
    ColdArchive,
    DeepColdArchive,
}

impl StorageClass {
    /// The name in headers and documents.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Standard => "Standard",
            Self::InfrequentAccess => "IA",
            Self::Archive => "Archive",
            Self::ColdArchive => "ColdArchive",
            Self::DeepColdArchive => "DeepColdArchive",
        }
    }

    /// That of the bucket, unless the request names another.
    fn of(call: &Call) -> Result<Self, Refusal> {
        let Some(name) = call.header(STORAGE_CLASS.as_str()) else { return Ok(Self::default()) };
        let known = [
            Self::Standard,
            Self::InfrequentAccess,
            Self::Archive,
            Self::ColdArchive,
            Self::DeepColdArchive,
        ];
        known.into_iter().find(|class| class.name() == name).ok_or_else(|| {
            let message = "The storage class you specified is not valid.";
            Refusal::invalid_argument((STORAGE_CLASS.as_str(), name), message)
        })
    }
}

/// How an object came to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum ObjectType {
    #[default]
    Normal,
    Multipart,
}

impl ObjectType {
    /// The name in headers and documents.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Multipart => "Multipart",
        }
    }
}

/// The header that names a storage class.
pub(crate) const STORAGE_CLASS: HeaderName = HeaderName::from_static("x-oss-storage-class");

const KEPT: [HeaderName; 6] =
    [CONTENT_TYPE, CONTENT_LANGUAGE, EXPIRES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING];
