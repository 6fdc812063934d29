//! Which operation a request to an object asks for.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, StatusCode};
use jiff::Timestamp;
use md5::{Digest, Md5};

use crate::call::Call;
use crate::copying::{self, COPY_SOURCE};
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::store::{NewObject, Overwrite, Place, Store, Stored};
use crate::{multipart, objects, tagging, upload_lists};

/// A request that has arrived and may be answered, with its body.
#[derive(Debug)]
pub(crate) struct Arrival<'a> {
    pub(crate) store: &'a Store,
    pub(crate) call: &'a Call,
    /// The key is empty in a request to a bucket.
    pub(crate) place: Place<'a>,
    pub(crate) body: Bytes,
    pub(crate) now: Timestamp,
}

impl Arrival<'_> {
    /// Refuses a body that is not the one the client sent.
    pub(crate) fn check_digest(&self) -> Result<(), Refusal> {
        match self.call.header("content-md5") {
            Some(stated) if stated != STANDARD.encode(Md5::digest(&self.body)) => {
                let message = "The Content-MD5 you specified did not match what we received.";
                Err(Refusal::bad_request("InvalidDigest", message))
            }
            _ => Ok(()),
        }
    }

    /// Whether the request may replace an object.
    pub(crate) fn overwrite(&self) -> Overwrite {
        match self.call.header("x-oss-forbid-overwrite") {
            Some("true") => Overwrite::Forbidden,
            _ => Overwrite::Allowed,
        }
    }

    /// Stores the object that the request makes.
    pub(crate) fn write(&self, new: NewObject) -> Result<Arc<Stored>, Refusal> {
        let written = self.store.write(self.place, new, self.overwrite());
        written.ok_or_else(|| Refusal::file_already_exists(self.place.key))
    }
}

/// Does what the request asks for.
pub(crate) fn on_object(arrival: &Arrival<'_>) -> Result<Reply, Refusal> {
    let Arrival { store, call, place, .. } = arrival;
    check_key(place.key)?;
    check_sub_resources(call)?;
    let has = |name| call.parameter(name).is_some();
    let is_of_upload = has("uploadId") || has("partNumber");
    let is_copy = call.header(COPY_SOURCE).is_some();
    match call.method {
        Method::GET if has("tagging") => tagging::get(arrival),
        Method::GET if is_of_upload => upload_lists::list_parts(arrival),
        Method::GET | Method::HEAD => objects::read(store, call, *place),
        Method::PUT if has("tagging") => tagging::put(arrival),
        Method::PUT if is_of_upload && is_copy => multipart::upload_part_copy(arrival),
        Method::PUT if is_of_upload => multipart::upload_part(arrival),
        Method::PUT if is_copy => copying::copy_object(arrival),
        Method::PUT => objects::write(arrival),
        Method::POST if has("uploads") => multipart::initiate(arrival),
        Method::POST if is_of_upload => multipart::complete(arrival),
        Method::DELETE if has("tagging") => tagging::delete(arrival),
        Method::DELETE if is_of_upload => multipart::abort(arrival),
        Method::DELETE => Ok(objects::delete(store, call, *place)),
        _ => Err(not_allowed(call)),
    }
}

/// The refusal of a method that is good for nothing here.
pub(crate) fn not_allowed(call: &Call) -> Refusal {
    let message = "The specified method is not allowed against this resource.";
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
        .child("Method", call.method.as_str())
}

fn check_key(key: &str) -> Result<(), Refusal> {
    if key.len() > 1023 || key.starts_with(['/', '\\']) {
        let message = "The specified object is not valid.";
        return Err(Refusal::bad_request("InvalidObjectName", message).child("Key", key));
    }
    Ok(())
}

/// Refuses what would be taken for the object itself.
fn check_sub_resources(call: &Call) -> Result<(), Refusal> {
    let method = call.method.as_str();
    let is_unknown = |(name, methods): &&(&str, &[&str])| {
        call.parameter(name).is_some() && !methods.contains(&method)
    };
    match SUB_RESOURCES.iter().find(is_unknown) {
        Some((name, _)) => {
            Err(Refusal::not_implemented(&format!("The simulator knows no {method} of ?{name}.")))
        }
        None => Ok(()),
    }
}

/// Sub-resources of objects, and the methods with which the simulator knows them.
const SUB_RESOURCES: [(&str, &[&str]); 9] = [
    ("acl", &[]),
    ("tagging", &["GET", "PUT", "DELETE"]),
    ("symlink", &[]),
    ("append", &[]),
    ("uploads", &["POST"]),
    ("uploadId", &["GET", "PUT", "POST", "DELETE"]),
    ("partNumber", &["PUT"]),
    ("restore", &[]),
    ("legalHold", &[]),
];
