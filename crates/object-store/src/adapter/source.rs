//! Any store as a source of downloads.

use super::failure::{broken, failed};
use super::file::FileBody;
use super::object_store::{
    Error, GetOptions, GetResult, GetResultPayload, ObjectMeta, ObjectStore, path::Path,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt as _, TryStreamExt as _};
use ossget::{
    Body, BodyStream, ByteRange, ErrorKind, Failure, Object, ObjectIdentity, RangeBody, Source,
    SourceError, TransportError, TransportErrorKind,
};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Objects of any store, for ossget's downloads: fetched in parallel, resumed, published as a whole.
///
/// - Every answer is pinned: to the ETag, where it is a strong one, else to the version, else to the
///   time of the last change, which counts in whole seconds at some stores; size, ETag and range of
///   every answer are compared with what the first one said. [`Downloaded::is_pinned`] tells whether
///   there was a strong ETag; without one an interrupted download starts over.
/// - No store tells a CRC-64 of the whole, so the result is
///   [`UnverifiedByServer`](ossget::Integrity::UnverifiedByServer) unless the download is given a
///   digest.
/// - A folder tells a file by its inode, its length and the time of its last change: whoever changes it between
///   two runs and sets that time back goes unnoticed unless there is a digest.
/// - An answer may take 60 s to begin.
/// - Stores try again by themselves; where they can be told not to, do so, or attempts multiply: for
///   the clouds `RetryConfig { max_retries: 0, .. }`.
///
/// [`Downloaded::is_pinned`]: ossget::Downloaded::is_pinned
///
/// ```no_run
/// # async fn example(store: std::sync::Arc<dyn object_store_014::ObjectStore>) -> Result<(), ossget::Error> {
/// use ossget::{Client, NativeFileSystem};
/// use ossget_object_store::ObjectStoreSource;
/// use std::sync::Arc;
///
/// let source = ObjectStoreSource::new(store, "s3://examplebucket");
/// let object = source.object("weights/model.bin")?;
/// let client = Client::with_source(Arc::new(source), Arc::new(NativeFileSystem::new()));
/// client.download(object, "model.bin").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ObjectStoreSource {
    store: Arc<dyn ObjectStore>,
    name: String,
}

impl ObjectStoreSource {
    /// The objects of `store`. `name` is what tells it from all others, such as its URL: an unfinished
    /// download goes on only with a store of the same name. It must hold no secret.
    pub fn new(store: Arc<dyn ObjectStore>, name: impl Into<String>) -> Self {
        Self { store, name: name.into() }
    }

    /// The object `key`.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) for a key that no path of object_store stands for, such as `/a`,
    /// `a//b` or `a/../b`: the store would be asked for another one.
    pub fn object(&self, key: &str) -> Result<Object, ossget::Error> {
        Self::check(key)?;
        Object::in_store(self.name.as_str(), key)
    }

    /// Whether a key is a path of object_store.
    pub(crate) fn check(key: &str) -> Result<(), ossget::Error> {
        path(key).map(drop)
    }

    async fn ask(&self, object: &Object, options: GetOptions) -> Result<GetResult, SourceError> {
        if object.bucket() != self.name {
            let what = "the object is one of another store";
            return Err(SourceError::new(Failure::Fatal, what).with_kind(ErrorKind::Config));
        }
        let path = path(object.key())?;
        let answer = timeout(ANSWER, self.store.get_opts(&path, options)).await;
        let got = answer.map_err(|_| {
            let what = "the store does not answer";
            SourceError::new(Failure::Network, what).with_kind(ErrorKind::Timeout)
        })?;
        let got = got.map_err(failed)?;
        match object.version() {
            Some(version) if got.meta.version.as_deref() != Some(version) => {
                let what = "the store answers without the version that was asked for";
                Err(SourceError::new(Failure::Fatal, what)
                    .with_kind(ErrorKind::Config)
                    .with_hint("leave the version out if the store keeps none"))
            }
            _ => Ok(got),
        }
    }

    /// Asks for the pinned content, and compares what the answer says of it.
    async fn ask_for(
        &self,
        object: &Object,
        options: GetOptions,
        pinned: &ObjectIdentity,
    ) -> Result<GetResult, SourceError> {
        let is_dated = options.if_unmodified_since.is_some();
        let got = match self.ask(object, options.clone()).await {
            // A store that knows no such condition: what every answer says is compared all the same.
            Err(error) if is_dated && error.kind() == ErrorKind::Config => {
                self.ask(object, GetOptions { if_unmodified_since: None, ..options }).await?
            }
            other => other?,
        };
        match pinned.difference(&identity(&got.meta)) {
            None => Ok(got),
            Some(field) => {
                let what = format!("the object has another {field} than before");
                Err(SourceError::new(Failure::Changed, what))
            }
        }
    }
}

#[async_trait]
impl Source for ObjectStoreSource {
    async fn probe(&self, object: &Object) -> Result<ObjectIdentity, SourceError> {
        let version = object.version().map(str::to_owned);
        let options = GetOptions::new().with_version(version);
        let looked = identity(&self.ask(object, options.clone().with_head(true)).await?.meta);
        if looked.size > 0 {
            return Ok(looked);
        }
        // No range will be asked for, and some servers answer a look with no length at all.
        let got = self.ask(object, options).await?;
        let read = identity(&got.meta);
        if read.size == 0 && got.into_stream().try_next().await.map_err(failed)?.is_some() {
            let what = "the store has bytes of an object that it says is empty";
            return Err(SourceError::protocol(what));
        }
        Ok(read)
    }

    async fn get_range(
        &self,
        object: &Object,
        range: ByteRange,
        pinned: &ObjectIdentity,
    ) -> Result<RangeBody, SourceError> {
        let options = options(object, range, pinned);
        let got = self.ask_for(object, options.clone(), pinned).await?;
        let granted = ByteRange::new(got.range.start, got.range.end);
        let granted = granted.filter(|it| it.start() == range.start() && range.contains(*it));
        let granted = granted.ok_or_else(|| {
            SourceError::protocol("the store answers another range than the one asked for")
        })?;
        let body = match got.payload {
            GetResultPayload::File(file, _) => {
                let body = FileBody::new(file, granted).map_err(|error| {
                    SourceError::new(Failure::Network, "the file cannot be looked at")
                        .with_source(error)
                })?;
                // It may have been changed before it was looked at.
                let look = options.with_range(None::<Range<u64>>).with_head(true);
                self.ask_for(object, look, pinned).await?;
                Body::new(body)
            }
            GetResultPayload::Stream(stream) => Body::new(Chunks(stream)),
        };
        Ok(RangeBody { granted, body, held_back: false })
    }
}

/// A body as a store streams it.
struct Chunks(BoxStream<'static, Result<Bytes, Error>>);

#[async_trait]
impl BodyStream for Chunks {
    async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        for _ in 0..MOST_EMPTY {
            match self.0.next().await.transpose().map_err(broken)? {
                Some(chunk) if chunk.is_empty() => {}
                other => return Ok(other),
            }
        }
        Err(TransportError::new(TransportErrorKind::Protocol, None, None))
    }
}

/// A range of the pinned content.
fn options(object: &Object, range: ByteRange, pinned: &ObjectIdentity) -> GetOptions {
    let mut options = GetOptions::new().with_range(Some(range.start()..range.end()));
    options.version = object.version().map(str::to_owned);
    if pinned.is_pinned() {
        options.if_match.clone_from(&pinned.etag);
    } else if options.version.is_none() && pinned.version_id.is_some() {
        options.version.clone_from(&pinned.version_id);
    } else if options.version.is_none() {
        options.if_unmodified_since =
            pinned.last_modified.as_deref().and_then(|time| time.parse().ok());
    }
    options
}

fn identity(meta: &ObjectMeta) -> ObjectIdentity {
    let mut identity = ObjectIdentity::new(meta.size);
    identity.etag.clone_from(&meta.e_tag);
    identity.version_id.clone_from(&meta.version);
    identity.last_modified = Some(meta.last_modified.to_rfc3339());
    identity
}

fn path(key: &str) -> Result<Path, ossget::Error> {
    match Path::parse(key) {
        Ok(path) if path.as_ref() == key && !key.is_empty() => Ok(path),
        _ => Err(ossget::Error::new(
            ErrorKind::Config,
            format!("the key {key:?} is no path of object_store"),
        )
        .with_hint("name an object without empty, `.` and `..` components")),
    }
}

/// How long an answer of a store may take to begin, all that it tries again by itself included.
const ANSWER: Duration = Duration::from_secs(60);
/// Chunks without a byte that may follow each other.
const MOST_EMPTY: u32 = 100;
