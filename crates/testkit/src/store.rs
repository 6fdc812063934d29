//! Buckets, objects and their versions.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::content::{Content, upper_hex};
use crate::data_dir::{DataDir, FileStamp};
use crate::metadata::{Metadata, ObjectType};
use crate::tags::Tags;
use crate::uploads::Uploads;

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
    pub(crate) uploads: Uploads,
    versioning: Versioning,
    data_dir: Option<DataDir>,
    /// Held by whoever writes: whether there is an object must not change between the look and
    /// the write.
    writing: Mutex<()>,
    state: Mutex<State>,
}

/// Where a request points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) key: &'a str,
}

/// One version of an object.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) content: Content,
    pub(crate) etag: String,
    pub(crate) crc64: u64,
    pub(crate) modified: Timestamp,
    pub(crate) version: Option<String>,
    pub(crate) metadata: Metadata,
    pub(crate) object_type: ObjectType,
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
    pub(crate) metadata: Metadata,
    pub(crate) object_type: ObjectType,
    pub(crate) modified: Timestamp,
}

impl NewObject {
    /// An object of which nothing is known but its bytes.
    pub(crate) fn plain(content: Content, modified: Timestamp) -> Self {
        let (metadata, object_type) = (Metadata::default(), ObjectType::Normal);
        Self { content, metadata, object_type, modified }
    }
}

/// Whether an object may take the place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overwrite {
    Allowed,
    /// Not where there is one already, unless versions are kept: then nothing is lost.
    Forbidden,
}

impl Store {
    pub(crate) fn new(versioning: Versioning, data_dir: Option<PathBuf>) -> Self {
        let data_dir = data_dir.map(DataDir::new);
        Self {
            uploads: Uploads::default(),
            versioning,
            data_dir,
            writing: Mutex::default(),
            state: Mutex::default(),
        }
    }

    pub(crate) fn versioning(&self) -> Versioning {
        self.versioning
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

    /// Stores what a request brought: in the data directory if there is one and the key can be a
    /// path in it. None where there is an object that must not be overwritten.
    pub(crate) fn write(
        &self,
        place: Place<'_>,
        mut new: NewObject,
        overwrite: Overwrite,
    ) -> Option<Arc<Stored>> {
        let Place { bucket, key } = place;
        // Before anyone has to wait; what is in a file later has the same sums.
        new.content.crc64();
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let is_kept = overwrite == Overwrite::Forbidden && self.versioning == Versioning::Off;
        if is_kept && self.current(bucket, key).is_some() {
            return None;
        }
        let written =
            self.data_dir.as_ref().and_then(|dir| dir.write(bucket, key, &new.content).ok());
        let stamp = written.map(|(content, stamp)| {
            new.content = content;
            stamp
        });
        Some(self.insert(bucket, key, new, stamp))
    }

    /// Gives an object other tags; neither its version nor its time changes.
    pub(crate) fn tag(&self, place: Place<'_>, object: &Arc<Stored>, tags: &Tags) {
        let mut state = self.lock();
        let keys = state.buckets.get_mut(place.bucket);
        let versions = keys.and_then(|keys| keys.get_mut(place.key)).into_iter().flatten();
        for entry in versions {
            if entry.object().is_some_and(|known| Arc::ptr_eq(known, object)) {
                let mut tagged = Stored::clone(object);
                tagged.metadata.tags = tags.clone();
                *entry = Entry::Object(Arc::new(tagged));
            }
        }
    }

    /// Deletes a key, or one version of it, and returns the version of the delete marker that
    /// was set or taken away by that, if any.
    pub(crate) fn delete(&self, bucket: &str, key: &str, version: Option<&str>) -> Option<String> {
        if let Some(dir) = &self.data_dir {
            dir.remove(bucket, key);
        }
        let mut state = self.lock();
        let marker = state.next_version();
        let keys = state.buckets.get_mut(bucket)?;
        match (version, self.versioning) {
            (Some(version), _) => {
                let versions = keys.get_mut(key)?;
                let at = versions
                    .iter()
                    .position(|entry| entry.version().unwrap_or("null") == version)?;
                match versions.remove(at) {
                    Entry::Object(_) => None,
                    Entry::DeleteMarker { version } => Some(version),
                }
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
            metadata: new.metadata,
            object_type: new.object_type,
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
                    self.insert(bucket, key, NewObject::plain(content, modified), Some(stamp));
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
        NewObject::plain(text.into(), Timestamp::UNIX_EPOCH)
    }

    fn write(store: &Store, key: &str, text: &'static str, overwrite: Overwrite) -> bool {
        store.write(Place { bucket: "b", key }, object(text), overwrite).is_some()
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
        assert!(write(&store, "new", "put", Overwrite::Allowed));
        assert_eq!(std::fs::read(dir.path().join("b/new")).unwrap(), b"put");
        assert!(!write(&store, "new", "again", Overwrite::Forbidden));
        assert_eq!(std::fs::read(dir.path().join("b/new")).unwrap(), b"put");
        assert!(write(&store, "../../escape", "in", Overwrite::Allowed));
        assert_eq!(text(store.current("b", "../../escape")).unwrap(), b"in");
        assert!(!dir.path().join("escape").exists());
        std::fs::remove_file(dir.path().join("b/dir/k")).unwrap();
        assert!(store.current("b", "dir/k").is_none());
        assert!(store.current("b", "../../escape").is_some());
    }

    #[test]
    fn of_many_who_must_not_overwrite_one_writes() {
        let store = Store::new(Versioning::Off, None);
        store.create_bucket("b");
        let wrote: usize = std::thread::scope(|scope| {
            let writer = || usize::from(write(&store, "k", "one", Overwrite::Forbidden));
            let writers: Vec<_> = (0..8).map(|_| scope.spawn(writer)).collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).sum()
        });
        assert_eq!(wrote, 1);
    }
}
