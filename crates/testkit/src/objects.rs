//! What the service does with one object.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE,
    CONTENT_TYPE, ETAG, EXPIRES, LAST_MODIFIED,
};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use md5::{Digest, Md5};

use crate::call::Call;
use crate::clock::{http_date, parse_http_date};
use crate::content::Content;
use crate::processing;
use crate::range::{self, Behavior, Selection};
use crate::refusal::Refusal;
use crate::reply::{CRC64, Reply, ReplyBody};
use crate::store::{Entry, NewObject, Store, Stored};

/// Where a request points.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) key: &'a str,
}

/// GET and HEAD.
pub(crate) fn read(store: &Store, call: &Call, place: Place<'_>) -> Result<Reply, Refusal> {
    let object = find(store, call, place)?;
    check_conditions(call, &object)?;
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
pub(crate) fn write(
    store: &Store,
    call: &Call,
    place: Place<'_>,
    arrival: (Bytes, Timestamp),
) -> Result<Reply, Refusal> {
    let (body, now) = arrival;
    if ["if-match", "if-none-match", "x-oss-copy-source"].iter().any(|n| call.header(n).is_some()) {
        let message = "A header you provided implies functionality that is not implemented.";
        return Err(Refusal::not_implemented(message));
    }
    if let Some(stated) = call.header("content-md5")
        && stated != STANDARD.encode(Md5::digest(&body))
    {
        let message = "The Content-MD5 you specified did not match what we received.";
        return Err(Refusal::bad_request("InvalidDigest", message));
    }
    let exists = store.current(place.bucket, place.key).is_some_and(|e| e.object().is_some());
    if exists && call.header("x-oss-forbid-overwrite") == Some("true") {
        let message = "The object you specified already exists and can not be overwritten.";
        return Err(Refusal::new(StatusCode::CONFLICT, "FileAlreadyExists", message)
            .child("Key", place.key));
    }
    let content = Content::bytes(body.clone());
    let new = NewObject { content, headers: kept_headers(call), modified: now };
    let object = store.put_bytes(place.bucket, place.key, body, new);
    let mut reply = Reply::new(StatusCode::OK);
    reply.set(ETAG, &object.etag);
    reply.set(CRC64, &object.crc64.to_string());
    set_version(&mut reply, object.version.as_deref());
    Ok(reply)
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

fn find(store: &Store, call: &Call, place: Place<'_>) -> Result<std::sync::Arc<Stored>, Refusal> {
    let version = call.parameter("versionId");
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

fn check_conditions(call: &Call, object: &Stored) -> Result<(), Refusal> {
    let names_it = |list: &str| {
        let wanted = object.etag.trim_matches('"');
        list.split(',')
            .map(|tag| tag.trim().trim_matches('"'))
            .any(|tag| tag == "*" || tag == wanted)
    };
    let date = |name| call.header(name).and_then(parse_http_date);
    let modified = object.modified.as_second();
    let failed = |condition: &str| {
        let message = "At least one of the pre-conditions you specified did not hold.";
        Refusal::new(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", message)
            .child("Condition", condition)
    };
    if call.header("if-match").is_some_and(|list| !names_it(list)) {
        return Err(failed("If-Match"));
    }
    if date("if-unmodified-since").is_some_and(|since| modified > since.as_second()) {
        return Err(failed("If-Unmodified-Since"));
    }
    let is_known = call.header("if-none-match").is_some_and(names_it);
    if is_known || date("if-modified-since").is_some_and(|since| modified <= since.as_second()) {
        return Err(Refusal::new(StatusCode::NOT_MODIFIED, "NotModified", "")
            .header("etag", &object.etag)
            .header("last-modified", http_date(object.modified)));
    }
    Ok(())
}

/// What GetObjectMeta says.
fn describe(reply: &mut Reply, object: &Stored) {
    reply.set(ETAG, &object.etag);
    reply.set(LAST_MODIFIED, &http_date(object.modified));
    reply.set(CRC64, &object.crc64.to_string());
    set_version(reply, object.version.as_deref());
}

/// What HEAD and GET say besides.
fn describe_further(reply: &mut Reply, call: &Call, object: &Stored) {
    reply.set(ACCEPT_RANGES, "bytes");
    reply.set(HeaderName::from_static("x-oss-object-type"), "Normal");
    reply.set(HeaderName::from_static("x-oss-storage-class"), "Standard");
    reply.set(CONTENT_TYPE, "application/octet-stream");
    for (name, value) in &object.headers {
        reply.headers.insert(name, value.clone());
    }
    for (parameter, header) in OVERRIDES {
        if let Some(value) = call.parameter(parameter) {
            reply.set(header, value);
        }
    }
}

/// The headers of a PUT that a GET repeats.
fn kept_headers(call: &Call) -> Vec<(HeaderName, HeaderValue)> {
    let is_kept = |name: &HeaderName| {
        name.as_str().starts_with("x-oss-meta-") || OVERRIDES.iter().any(|(_, kept)| kept == name)
    };
    let headers = call.headers.iter().filter(|(name, _)| is_kept(name));
    headers.map(|(name, value)| (name.clone(), value.clone())).collect()
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

fn set_version(reply: &mut Reply, version: Option<&str>) {
    if let Some(version) = version {
        reply.set(HeaderName::from_static("x-oss-version-id"), version);
    }
}

const DELETE_MARKER: HeaderName = HeaderName::from_static("x-oss-delete-marker");

const OVERRIDES: [(&str, HeaderName); 6] = [
    ("response-content-type", CONTENT_TYPE),
    ("response-content-language", CONTENT_LANGUAGE),
    ("response-expires", EXPIRES),
    ("response-cache-control", CACHE_CONTROL),
    ("response-content-disposition", CONTENT_DISPOSITION),
    ("response-content-encoding", CONTENT_ENCODING),
];
