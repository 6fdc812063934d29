//! What the service does with one object.

use std::sync::Arc;

use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE,
    CONTENT_TYPE, ETAG, EXPIRES, LAST_MODIFIED,
};
use http::{HeaderName, Method, StatusCode};

use crate::call::Call;
use crate::clock::http_date;
use crate::conditions::Conditions;
use crate::content::Content;
use crate::metadata::{Metadata, ObjectType, STORAGE_CLASS};
use crate::operations::Arrival;
use crate::processing;
use crate::range::{self, Behavior, Selection};
use crate::refusal::Refusal;
use crate::reply::{CRC64, Reply, ReplyBody};
use crate::store::{Entry, NewObject, Overwrite, Place, Store, Stored, Versioning};

/// GET and HEAD.
pub(crate) fn read(store: &Store, call: &Call, place: Place<'_>) -> Result<Reply, Refusal> {
    let object = find(store, place, call.parameter("versionId"))?;
    Conditions::of_reading(call).check(&object)?;
    if let Some(style) = call.parameter("x-oss-process").filter(|_| call.method == Method::GET) {
        return processing::process(&object.content, style);
    }
    let mut reply = Reply::new(StatusCode::OK);
    describe(&mut reply, &object);
    let size = object.content.size();
    let mut window = 0..size;
    if call.parameter("objectMeta").is_none() {
        describe_further(&mut reply, call, &object);
        if call.method == Method::GET {
            match range::select(call.header("range"), size, behavior(call)) {
                Selection::Whole => {}
                Selection::Part(range) => {
                    reply.status = StatusCode::PARTIAL_CONTENT;
                    window = range;
                }
                Selection::Unsatisfiable => return Err(invalid_range(call, size)),
            }
        }
        reply.body = ReplyBody::Object { content: object.content.clone(), range: window };
        if reply.status == StatusCode::PARTIAL_CONTENT {
            reply.set_content_range(0);
        }
    } else if call.method == Method::HEAD {
        reply.body = ReplyBody::Object { content: object.content.clone(), range: window };
    }
    Ok(reply)
}

/// PUT.
pub(crate) fn write(arrival: &Arrival<'_>) -> Result<Reply, Refusal> {
    refuse_conditions(arrival.call)?;
    arrival.check_digest()?;
    let new = NewObject {
        content: Content::bytes(arrival.body.clone()),
        metadata: Metadata::of(arrival.call)?,
        object_type: ObjectType::Normal,
        modified: arrival.now,
    };
    let object = arrival.write(new)?;
    let mut reply = Reply::new(StatusCode::OK);
    describe_written(&mut reply, &object);
    Ok(reply)
}

/// What the answer to any request that makes an object says of it.
pub(crate) fn describe_written(reply: &mut Reply, object: &Stored) {
    reply.set(ETAG, &object.etag);
    reply.set(CRC64, &object.crc64.to_string());
    set_version(reply, object.version.as_deref());
}

/// Refuses conditions on what is overwritten: the service knows only `x-oss-forbid-overwrite`.
pub(crate) fn refuse_conditions(call: &Call) -> Result<(), Refusal> {
    if ["if-match", "if-none-match"].iter().any(|name| call.header(name).is_some()) {
        return Err(Refusal::header_not_implemented());
    }
    Ok(())
}

/// Refuses what `x-oss-forbid-overwrite` forbids, before there is anything to write.
pub(crate) fn check_overwrite(arrival: &Arrival<'_>) -> Result<(), Refusal> {
    let Arrival { store, place, .. } = arrival;
    let exists = store.current(place.bucket, place.key).is_some();
    let is_kept = store.versioning() == Versioning::Off && exists;
    match arrival.overwrite() {
        Overwrite::Forbidden if is_kept => Err(Refusal::file_already_exists(place.key)),
        _ => Ok(()),
    }
}

/// DELETE: that there is nothing to delete is no error.
pub(crate) fn delete(store: &Store, call: &Call, place: Place<'_>) -> Reply {
    let version = call.parameter("versionId");
    let marker = store.delete(place.bucket, place.key, version);
    let mut reply = Reply::new(StatusCode::NO_CONTENT);
    if marker.is_some() {
        reply.set(DELETE_MARKER, "true");
    }
    set_version(&mut reply, marker.as_deref().or(version));
    reply
}

/// The object a request means, or one version of it.
pub(crate) fn find(
    store: &Store,
    place: Place<'_>,
    version: Option<&str>,
) -> Result<Arc<Stored>, Refusal> {
    let entry = match version {
        Some(version) => store.version(place.bucket, place.key, version),
        None => store.current(place.bucket, place.key),
    };
    match (entry, version) {
        (Some(Entry::Object(object)), _) => Ok(object),
        (Some(Entry::DeleteMarker { version }), _) => Err(Refusal::no_such_key(place.key)
            .header("x-oss-delete-marker", "true")
            .header("x-oss-version-id", version)),
        (None, None) => Err(Refusal::no_such_key(place.key)),
        (None, Some(version)) => {
            let message = "The specified version does not exist.";
            Err(Refusal::new(StatusCode::NOT_FOUND, "NoSuchVersion", message)
                .child("Key", place.key)
                .child("VersionId", version))
        }
    }
}

/// What GetObjectMeta says.
fn describe(reply: &mut Reply, object: &Stored) {
    describe_written(reply, object);
    reply.set(LAST_MODIFIED, &http_date(object.modified));
}

/// What HEAD and GET say besides.
fn describe_further(reply: &mut Reply, call: &Call, object: &Stored) {
    reply.set(ACCEPT_RANGES, "bytes");
    let metadata = &object.metadata;
    reply.set(HeaderName::from_static("x-oss-object-type"), object.object_type.name());
    reply.set(STORAGE_CLASS, metadata.storage_class.name());
    if metadata.tags.count() > 0 {
        reply.set(TAGGING_COUNT, &metadata.tags.count().to_string());
    }
    reply.set(CONTENT_TYPE, "application/octet-stream");
    for (name, value) in &metadata.headers {
        reply.headers.insert(name, value.clone());
    }
    for (parameter, header) in OVERRIDES {
        if let Some(value) = call.parameter(parameter) {
            reply.set(header, value);
        }
    }
}

fn behavior(call: &Call) -> Behavior {
    match call.header("x-oss-range-behavior") {
        Some("standard") => Behavior::Standard,
        _ => Behavior::Legacy,
    }
}

fn invalid_range(call: &Call, size: u64) -> Refusal {
    let message = "The requested range cannot be satisfied.";
    Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange", message)
        .child("ActualObjectSize", size.to_string())
        .child("RangeRequested", call.header("range").unwrap_or_default())
        .header("content-range", format!("bytes */{size}"))
}

/// Says which version it is, where versions are kept.
pub(crate) fn set_version(reply: &mut Reply, version: Option<&str>) {
    if let Some(version) = version {
        reply.set(HeaderName::from_static("x-oss-version-id"), version);
    }
}

const TAGGING_COUNT: HeaderName = HeaderName::from_static("x-oss-tagging-count");
const DELETE_MARKER: HeaderName = HeaderName::from_static("x-oss-delete-marker");

const OVERRIDES: [(&str, HeaderName); 6] = [
    ("response-content-type", CONTENT_TYPE),
    ("response-content-language", CONTENT_LANGUAGE),
    ("response-expires", EXPIRES),
    ("response-cache-control", CACHE_CONTROL),
    ("response-content-disposition", CONTENT_DISPOSITION),
    ("response-content-encoding", CONTENT_ENCODING),
];
