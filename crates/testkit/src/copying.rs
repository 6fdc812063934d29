//! Copies of objects, whole or as parts.

use std::sync::Arc;

use http::HeaderName;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;

use crate::call::Call;
use crate::clock::iso_date;
use crate::conditions::Conditions;
use crate::document::{Document, Encoding};
use crate::metadata::{Metadata, STORAGE_CLASS};
use crate::multipart::SOURCE_TOO_LARGE;
use crate::objects;
use crate::operations::Arrival;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::store::{NewObject, Place, Stored, Versioning};

/// The object that a copy is made of.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) object: Arc<Stored>,
    relation: Relation,
}

/// What a source is to the object that is made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Other,
    /// Nothing is copied then: the object gets other metadata.
    Itself,
}

impl Source {
    /// The object that `x-oss-copy-source` names, if the request's conditions on it hold.
    pub(crate) fn of(arrival: &Arrival<'_>) -> Result<Self, Refusal> {
        let (call, store) = (arrival.call, arrival.store);
        let named = Named::of(call)?;
        if !store.has_bucket(named.bucket) {
            return Err(Refusal::no_such_bucket(named.bucket));
        }
        let place = Place { bucket: named.bucket, key: &named.key };
        let object = objects::find(store, place, named.version)?;
        Conditions::of_copying(call).check(&object)?;
        let is_itself = place == arrival.place && store.versioning() == Versioning::Off;
        let relation = if is_itself { Relation::Itself } else { Relation::Other };
        Ok(Self { object, relation })
    }

    /// The answer to a copy, which says which version was copied.
    pub(crate) fn reply(&self, root: &'static str, etag: &str, modified: Timestamp) -> Reply {
        let mut document = Document::new(root, Encoding::None);
        document.plain("ETag", etag);
        document.plain("LastModified", &iso_date(modified));
        let mut reply = document.reply();
        if let Some(version) = &self.object.version {
            reply.set(HeaderName::from_static("x-oss-copy-source-version-id"), version);
        }
        reply
    }
}

/// CopyObject.
pub(crate) fn copy_object(arrival: &Arrival<'_>) -> Result<Reply, Refusal> {
    objects::refuse_conditions(arrival.call)?;
    let source = Source::of(arrival)?;
    if source.relation == Relation::Other && source.object.content.size() > MAX_COPY {
        return Err(Refusal::entity_too_large(SOURCE_TOO_LARGE));
    }
    let new = NewObject {
        content: source.object.content.clone(),
        metadata: metadata(arrival.call, &source)?,
        object_type: source.object.object_type,
        modified: arrival.now,
    };
    let object = arrival.write(new)?;
    let mut reply = source.reply("CopyObjectResult", &object.etag, object.modified);
    objects::describe_written(&mut reply, &object);
    Ok(reply)
}

/// What the copy has besides the bytes.
fn metadata(call: &Call, source: &Source) -> Result<Metadata, Refusal> {
    let (mut metadata, kept) = (Metadata::of(call)?, &source.object.metadata);
    let directive = Directive::of(call, "x-oss-metadata-directive")?;
    if directive == Directive::Copy && source.relation == Relation::Other {
        metadata.headers.clone_from(&kept.headers);
    }
    if Directive::of(call, "x-oss-tagging-directive")? == Directive::Copy {
        metadata.tags.clone_from(&kept.tags);
    }
    if source.relation == Relation::Itself && call.header(STORAGE_CLASS.as_str()).is_none() {
        metadata.storage_class = kept.storage_class;
    }
    Ok(metadata)
}

/// Whether a copy has what the source has or what the request says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Directive {
    Copy,
    Replace,
}

impl Directive {
    fn of(call: &Call, header: &'static str) -> Result<Self, Refusal> {
        match call.header(header) {
            None => Ok(Self::Copy),
            Some(text) if text.eq_ignore_ascii_case("copy") => Ok(Self::Copy),
            Some(text) if text.eq_ignore_ascii_case("replace") => Ok(Self::Replace),
            Some(text) => {
                let message = "A directive must be COPY or REPLACE.";
                Err(Refusal::invalid_argument((header, text), message))
            }
        }
    }
}

/// What `x-oss-copy-source` says.
#[derive(Debug, PartialEq, Eq)]
struct Named<'a> {
    bucket: &'a str,
    key: String,
    version: Option<&'a str>,
}

impl<'a> Named<'a> {
    fn of(call: &'a Call) -> Result<Self, Refusal> {
        let text = call.header(COPY_SOURCE).unwrap_or_default();
        Self::read(text).ok_or_else(|| {
            let message =
                "Copy Source must mention the source bucket and key: /sourcebucket/sourcekey.";
            Refusal::invalid_argument((COPY_SOURCE, text), message)
        })
    }

    /// `/bucket/key` or `/bucket/key?versionId=ID`, the key as in a URL.
    fn read(text: &'a str) -> Option<Self> {
        let (path, version) = match text.split_once('?') {
            Some((path, query)) => (path, Some(query.strip_prefix("versionId=")?)),
            None => (text, None),
        };
        let (bucket, key) = path.strip_prefix('/')?.split_once('/')?;
        let key = percent_decode_str(key).decode_utf8().ok()?.into_owned();
        (!bucket.is_empty() && !key.is_empty()).then_some(Self { bucket, key, version })
    }
}

/// The header that makes a PUT a copy.
pub(crate) const COPY_SOURCE: &str = "x-oss-copy-source";

/// What is larger is copied part by part.
const MAX_COPY: u64 = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_names_bucket_key_and_perhaps_a_version() {
        let named = |bucket, key: &str, version| Some(Named { bucket, key: key.into(), version });
        for (text, expected) in [
            ("/b/k", named("b", "k", None)),
            ("/b/a%2Fb/c%3F%25+d", named("b", "a/b/c?%+d", None)),
            ("/b/k?versionId=CAEQ", named("b", "k", Some("CAEQ"))),
            ("b/k", None),
            ("/b", None),
            ("/b/", None),
            ("//k", None),
            ("/b/%ff", None),
            ("/b/k?version=1", None),
        ] {
            assert_eq!(Named::read(text), expected, "{text}");
        }
    }
}
