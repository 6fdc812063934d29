//! What is kept of an object besides its bytes: attributes to object_store, headers to OSS.

use super::error::not_implemented;
use super::object_store::{Attribute, Attributes, Error, TagSet};

/// The headers that write an object with these attributes and tags.
pub(super) fn headers(
    attributes: &Attributes,
    tags: &TagSet,
) -> Result<Vec<(String, String)>, Error> {
    let mut headers = Vec::new();
    for (attribute, value) in attributes {
        let name = match attribute {
            Attribute::Metadata(name) if !is_key(name) => {
                return Err(not_implemented(&format!("the metadata key {name:?}")));
            }
            Attribute::Metadata(name) => format!("{METADATA}{name}"),
            known => header(known)
                .ok_or_else(|| not_implemented(&format!("the attribute {known:?}")))?
                .to_owned(),
        };
        headers.push((name, value.to_string()));
    }
    if !tags.encoded().is_empty() {
        headers.push((TAGGING.to_owned(), tags.encoded().to_owned()));
    }
    Ok(headers)
}

/// The attributes that an answer's headers tell.
pub(super) fn attributes(headers: &[(String, String)]) -> Attributes {
    headers.iter().filter_map(|(name, value)| Some((attribute(name)?, value.clone()))).collect()
}

/// Whether OSS keeps metadata under such a key: of small letters, digits and hyphens. It refuses all
/// others but capitals, which it makes small (OSS documentation, EC 0011-00000004).
fn is_key(name: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty() && name.bytes().all(is_fit)
}

fn header(attribute: &Attribute) -> Option<&'static str> {
    Some(match attribute {
        Attribute::CacheControl => "cache-control",
        Attribute::ContentDisposition => "content-disposition",
        Attribute::ContentEncoding => "content-encoding",
        Attribute::ContentLanguage => "content-language",
        Attribute::ContentType => "content-type",
        Attribute::StorageClass => "x-oss-storage-class",
        _ => return None,
    })
}

/// The storage class is left out: every object has one, whether it was set or not.
fn attribute(header: &str) -> Option<Attribute> {
    Some(match header {
        "cache-control" => Attribute::CacheControl,
        "content-disposition" => Attribute::ContentDisposition,
        "content-encoding" => Attribute::ContentEncoding,
        "content-language" => Attribute::ContentLanguage,
        "content-type" => Attribute::ContentType,
        other => Attribute::Metadata(other.strip_prefix(METADATA)?.to_owned().into()),
    })
}

const METADATA: &str = "x-oss-meta-";
const TAGGING: &str = "x-oss-tagging";
