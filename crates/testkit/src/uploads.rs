//! Multipart uploads that are neither completed nor aborted.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::StatusCode;
use jiff::Timestamp;

use crate::content::{Content, upper_hex};
use crate::metadata::Metadata;
use crate::refusal::Refusal;
use crate::store::Place;

/// The uploads of all buckets.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    state: Mutex<State>,
}

/// One upload and the parts it has so far.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    /// What the object will have besides its bytes.
    pub(crate) metadata: Metadata,
    pub(crate) initiated: Timestamp,
    pub(crate) parts: BTreeMap<u16, Part>,
}

/// One part as it was sent last.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) content: Content,
    pub(crate) modified: Timestamp,
}

/// Which upload a request means.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UploadId<'a> {
    pub(crate) place: Place<'a>,
    pub(crate) id: &'a str,
}

impl Uploads {
    /// Begins an upload and returns its id.
    pub(crate) fn begin(&self, place: Place<'_>, metadata: Metadata, now: Timestamp) -> String {
        let mut state = self.lock();
        state.begun += 1;
        let mixed = state.begun.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
        let id = format!("{}{:016X}", upper_hex(&mixed), state.begun);
        let upload = Upload { metadata, initiated: now, parts: BTreeMap::new() };
        state.known.insert(UploadId { place, id: &id }.key(), upload);
        id
    }

    /// An upload as it is now.
    pub(crate) fn find(&self, upload: UploadId<'_>) -> Result<Upload, Refusal> {
        self.lock().known.get(&upload.key()).cloned().ok_or_else(|| no_such_upload(upload))
    }

    /// Adds a part, in place of one that was sent before under its number.
    pub(crate) fn add(&self, upload: UploadId<'_>, number: u16, part: Part) -> Result<(), Refusal> {
        let mut state = self.lock();
        let found = state.known.get_mut(&upload.key()).ok_or_else(|| no_such_upload(upload))?;
        found.parts.insert(number, part);
        Ok(())
    }

    /// Takes an upload away; whoever asks for it from now on is refused.
    pub(crate) fn take(&self, upload: UploadId<'_>) -> Result<Upload, Refusal> {
        self.lock().known.remove(&upload.key()).ok_or_else(|| no_such_upload(upload))
    }

    /// Puts an upload back that could not be completed.
    pub(crate) fn put_back(&self, upload: UploadId<'_>, taken: Upload) {
        self.lock().known.insert(upload.key(), taken);
    }

    /// The uploads of a bucket with key and id, in the order of both.
    pub(crate) fn list(&self, bucket: &str) -> Vec<(String, String, Upload)> {
        let state = self.lock();
        let of_bucket = state.known.iter().filter(|((known, _, _), _)| known == bucket);
        of_bucket.map(|((_, key, id), upload)| (key.clone(), id.clone(), upload.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UploadId<'_> {
    fn key(&self) -> Key {
        (self.place.bucket.to_owned(), self.place.key.to_owned(), self.id.to_owned())
    }
}

/// Bucket, key and id: an id is good for no other key.
type Key = (String, String, String);

#[derive(Debug, Default)]
struct State {
    known: BTreeMap<Key, Upload>,
    begun: u64,
}

fn no_such_upload(upload: UploadId<'_>) -> Refusal {
    let message = "The specified upload does not exist. The upload ID may be invalid, or the \
                   upload may have been aborted or completed.";
    Refusal::new(StatusCode::NOT_FOUND, "NoSuchUpload", message).child("UploadId", upload.id)
}
