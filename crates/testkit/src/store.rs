//! Buckets, objects and their versions.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use jiff::Timestamp;

use crate::content::{Content, upper_hex};
use crate::data_dir::{DataDir, FileStamp};

/// Whether a bucket keeps what is replaced and deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Versioning {
    /// A new object takes the place of the old one.
    #[default]
    Off,
    /// Every object gets a version id and stays readable under it.
    Enabled,
}

/// All that is stored.
#[derive(Debug)]
pub(crate) struct Store {
    versioning: Versioning,
    data_dir: Option<DataDir>,
    state: Mutex<State>,
}

/// One version of an object.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) content: Content,
    pub(crate) etag: String,
    pub(crate) crc64: u64,
    pub(crate) modified: Timestamp,
    pub(crate) version: Option<String>,
    /// Content type, cache control, user metadata: what a GET repeats.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    stamp: Option<FileStamp>,
}

/// What a bucket has under a key.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    Object(Arc<Stored>),
    DeleteMarker { version: String },
}

impl Entry {
    pub(crate) fn version(&self) -> Option<&str> {
        match self {
            Self::Object(object) => object.version.as_deref(),
            Self::DeleteMarker { version } => Some(version),
        }
    }

    pub(crate) fn object(&self) -> Option<&Arc<Stored>> {
        match self {
            Self::Object(object) => Some(object),
            Self::DeleteMarker { .. } => None,
        }
    }
}

/// A new object before it has a place.
#[derive(Debug)]
pub(crate) struct NewObject {
    pub(crate) content: Content,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) modified: Timestamp,
}

impl Store {
    pub(crate) fn new(versioning: Versioning, data_dir: Option<PathBuf>) -> Self {
        let data_dir = data_dir.map(DataDir::new);
        Self { versioning, data_dir, state: Mutex::default() }
    }

    pub(crate) fn create_bucket(&self, name: &str) {
        self.lock().buckets.entry(name.to_owned()).or_default();
    }

    pub(crate) fn has_bucket(&self, name: &str) -> bool {
        self.lock().buckets.contains_key(name)
    }

    pub(crate) fn buckets(&self) -> Vec<String> {
        self.lock().buckets.keys().cloned().collect()
    }

    /// The newest entry of a key.
    pub(crate) fn current(&self, bucket: &str, key: &str) -> Option<Entry> {
        self.load(bucket, key);
        self.lock().buckets.get(bucket)?.get(key)?.last().cloned()
    }

    /// One version of a key.
    pub(crate) fn version(&self, bucket: &str, key: &str, version: &str) -> Option<Entry> {
        self.load(bucket, key);
        let state = self.lock();
        let versions = state.buckets.get(bucket)?.get(key)?;
        versions.iter().find(|entry| entry.version().unwrap_or("null") == version).cloned()
    }

    /// The current objects of a bucket with keys after `after`, in the order of their bytes.
    pub(crate) fn list(&self, bucket: &str, after: &str) -> Vec<(String, Arc<Stored>)> {
        for (key, _) in self.data_dir.iter().flat_map(|dir| dir.walk(bucket)) {
            self.load(bucket, &key);
        }
        let state = self.lock();
        let Some(keys) = state.buckets.get(bucket) else { return Vec::new() };
        let bounds = (std::ops::Bound::Excluded(after.to_owned()), std::ops::Bound::Unbounded);
        keys.range(bounds)
            .filter_map(|(key, versions)| Some((key.clone(), versions.last()?.object()?.clone())))
            .collect()
    }

    /// Stores an object and returns what now stands under the key.
    pub(crate) fn put(&self, bucket: &str, key: &str, new: NewObject) -> Arc<Stored> {
        self.insert(bucket, key, new, None)
    }

    /// Stores bytes that came over the wire: in the data directory if there is one and the key
    /// can be a path in it.
    pub(crate) fn put_bytes(
        &self,
        bucket: &str,
        key: &str,
        bytes: Bytes,
        mut new: NewObject,
    ) -> Arc<Stored> {
        let written = self.data_dir.as_ref().and_then(|dir| dir.write(bucket, key, &bytes).ok());
        let stamp = written.map(|(content, stamp)| {
            new.content = content;
            stamp
        });
        self.insert(bucket, key, new, stamp)
    }

    /// Deletes a key, or one version of it, and returns the delete marker's version if one was set.
    pub(crate) fn delete(&self, bucket: &str, key: &str, version: Option<&str>) -> Option<String> {
        if let Some(dir) = &self.data_dir {
            dir.remove(bucket, key);
        }
        let mut state = self.lock();
        let marker = state.next_version();
        let keys = state.buckets.get_mut(bucket)?;
        match (version, self.versioning) {
            (Some(version), _) => {
                if let Some(versions) = keys.get_mut(key) {
                    versions.retain(|entry| entry.version().unwrap_or("null") != version);
                }
                None
            }
            (None, Versioning::Off) => {
                keys.remove(key);
                None
            }
            (None, Versioning::Enabled) => {
                let entry = Entry::DeleteMarker { version: marker.clone() };
                keys.entry(key.to_owned()).or_default().push(entry);
                Some(marker)
            }
        }
    }

    fn insert(
        &self,
        bucket: &str,
        key: &str,
        new: NewObject,
        stamp: Option<FileStamp>,
    ) -> Arc<Stored> {
        // Outside the lock: of a large file these take seconds.
        let (etag, crc64) = (new.content.etag(), new.content.crc64());
        let mut state = self.lock();
        let version = (self.versioning == Versioning::Enabled).then(|| state.next_version());
        let stored = Arc::new(Stored {
            content: new.content,
            etag,
            crc64,
            modified: new.modified,
            version,
            headers: new.headers,
            stamp,
        });
        let versions =
            state.buckets.entry(bucket.to_owned()).or_default().entry(key.to_owned()).or_default();
        if self.versioning == Versioning::Off {
            versions.clear();
        }
        versions.push(Entry::Object(stored.clone()));
        stored
    }

    /// Takes up what has happened to a key's file since it was last looked at.
    fn load(&self, bucket: &str, key: &str) {
        let Some(dir) = self.data_dir.as_ref().filter(|_| self.has_bucket(bucket)) else { return };
        let known = {
            let state = self.lock();
            let entry = state.buckets.get(bucket).and_then(|keys| keys.get(key)?.last());
            entry.and_then(|entry| entry.object()?.stamp)
        };
        let found = dir.stamp(bucket, key);
        if known == found {
            return;
        }
        match found {
            None => {
                self.lock().buckets.entry(bucket.to_owned()).or_default().remove(key);
            }
            Some(stamp) => {
                if let Ok((content, modified)) = dir.read(bucket, key) {
                    let headers = Vec::new();
                    let new = NewObject { content, headers, modified };
                    self.insert(bucket, key, new, Some(stamp));
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Keys = BTreeMap<String, Vec<Entry>>;

#[derive(Debug, Default)]
struct State {
    buckets: BTreeMap<String, Keys>,
    versions: u64,
}

impl State {
    /// Opaque to clients; unique and without order, like the service's.
    fn next_version(&mut self) -> String {
        self.versions += 1;
        let mixed = self.versions.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
        format!("CAEQ{}{:016X}", upper_hex(&mixed), self.versions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &'static str) -> NewObject {
        NewObject { content: text.into(), headers: Vec::new(), modified: Timestamp::UNIX_EPOCH }
    }

    fn text(entry: Option<Entry>) -> Option<Vec<u8>> {
        let entry = entry?;
        let content = &entry.object()?.content;
        Some(content.window(0..content.size()))
    }

    #[test]
    fn without_versioning_the_new_replaces_the_old() {
        let store = Store::new(Versioning::Off, None);
        store.create_bucket("b");
        store.put("b", "k", object("one"));
        assert!(store.put("b", "k", object("two")).version.is_none());
        assert_eq!(text(store.current("b", "k")).unwrap(), b"two");
        assert_eq!(store.delete("b", "k", None), None);
        assert!(store.current("b", "k").is_none());
    }

    #[test]
    fn with_versioning_old_objects_stay_readable_by_version() {
        let store = Store::new(Versioning::Enabled, None);
        store.create_bucket("b");
        let first = store.put("b", "k", object("one")).version.clone().unwrap();
        let second = store.put("b", "k", object("two")).version.clone().unwrap();
        let marker = store.delete("b", "k", None).unwrap();
        assert_eq!(text(store.version("b", "k", &first)).unwrap(), b"one");
        assert_eq!(text(store.version("b", "k", &second)).unwrap(), b"two");
        assert!(store.current("b", "k").unwrap().object().is_none());
        assert!(store.list("b", "").is_empty());
        store.delete("b", "k", Some(&marker));
        assert_eq!(text(store.current("b", "k")).unwrap(), b"two");
        assert!(store.version("b", "k", "unknown").is_none());
    }

    #[test]
    fn files_in_the_data_directory_are_objects_as_they_come_and_go() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("b/dir")).unwrap();
        let store = Store::new(Versioning::Off, Some(dir.path().to_owned()));
        store.create_bucket("b");
        assert!(store.current("b", "dir/k").is_none());
        std::fs::write(dir.path().join("b/dir/k"), "from the file").unwrap();
        assert_eq!(text(store.current("b", "dir/k")).unwrap(), b"from the file");
        assert_eq!(store.list("b", "").len(), 1);
        store.put_bytes("b", "new", Bytes::from_static(b"put"), object("put"));
        assert_eq!(std::fs::read(dir.path().join("b/new")).unwrap(), b"put");
        store.put_bytes("b", "../../escape", Bytes::from_static(b"in"), object("in"));
        assert_eq!(text(store.current("b", "../../escape")).unwrap(), b"in");
        assert!(!dir.path().join("escape").exists());
        std::fs::remove_file(dir.path().join("b/dir/k")).unwrap();
        assert!(store.current("b", "dir/k").is_none());
        assert!(store.current("b", "../../escape").is_some());
    }
}
