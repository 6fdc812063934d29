//! OSS as a store.

use super::error::{generic, not_implemented, told};
use super::object_store::{
    CopyMode, CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, path::Path,
};
use super::upload::OssUpload;
use super::{IllegalKeys, LongRanges, OssStoreBuilder, attributes, list_result, put_result};
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{BoxStream, TryStreamExt as _};
use ossget::bucket::{Bucket, Overwrite, Put};
use ossget::{Client, Object};
use std::fmt;
use std::ops::Range;

/// A bucket of Alibaba Cloud OSS as a store. Cheap to clone.
///
/// - Reads are pinned: where a connection breaks, another one goes on at the missing byte with
///   `If-Match`; ranges of one call are of one content; all of an object is compared with the
///   service's CRC-64.
/// - Writes are compared with the CRC-64 that the service computes of what it has got.
/// - `PutMode::Create` and `CopyMode::Create` are `x-oss-forbid-overwrite`, which buckets **with
///   versions do not heed** (OSS documentation, "PutObject"): use them for locks and commits, as Delta
///   does, only in buckets without.
/// - `PutMode::Update` is not implemented: OSS has no conditional writes.
#[derive(Clone, Debug)]
pub struct OssStore {
    pub(super) bucket: Bucket,
    pub(super) illegal_keys: IllegalKeys,
    pub(super) long_ranges: LongRanges,
}

impl OssStore {
    /// A store of the bucket that `url` names, such as `oss://examplebucket`: endpoint, region and
    /// credentials are those of the environment; see [`OssStoreBuilder`].
    ///
    /// # Errors
    ///
    /// [`Error::Generic`] for what is missing or cannot be.
    pub fn from_env(url: &str) -> Result<Self, Error> {
        OssStoreBuilder::new(url).build()
    }

    /// A store of a bucket that a client of ossget reaches.
    ///
    /// # Errors
    ///
    /// [`Error::Generic`] for a name that no bucket can have, and for a client that is not of OSS.
    pub fn new(client: &Client, bucket: &str) -> Result<Self, Error> {
        let bucket = client.bucket(bucket).map_err(generic)?;
        Ok(Self::of(bucket))
    }

    /// A store of this bucket, with its patience.
    #[must_use]
    pub const fn of(bucket: Bucket) -> Self {
        Self { bucket, illegal_keys: IllegalKeys::Skip, long_ranges: LongRanges::Whole }
    }

    /// The bucket.
    #[must_use]
    pub const fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// What becomes of a listed key that no path can be; left out unless set.
    #[must_use]
    pub const fn illegal_keys(mut self, what: IllegalKeys) -> Self {
        self.illegal_keys = what;
        self
    }

    /// How long ranges are fetched; by one request each unless set.
    #[must_use]
    pub const fn long_ranges(mut self, how: LongRanges) -> Self {
        self.long_ranges = how;
        self
    }

    /// The object that a path names.
    pub(super) fn object(&self, path: &Path) -> Result<Object, Error> {
        self.bucket.object(path.as_ref()).map_err(generic)
    }
}

impl fmt::Display for OssStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OssStore({})", self.bucket.name())
    }
}

#[async_trait]
impl ObjectStore for OssStore {
    /// PutObject.
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult, Error> {
        let mut put = Put::default();
        put.overwrite = match opts.mode {
            PutMode::Overwrite => Overwrite::Replace,
            PutMode::Create => Overwrite::Refuse,
            PutMode::Update(_) => return Err(not_implemented("put_opts with PutMode::Update")),
        };
        put.headers = attributes::headers(&opts.attributes, &opts.tags)?;
        let object = self.object(location)?;
        let written = self.bucket.put(&object, payload.into(), &put).await;
        let written = written.map_err(|error| told(error, location))?;
        Ok(put_result(written.etag, written.version_id))
    }

    /// InitiateMultipartUpload, and the rest as parts come.
    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>, Error> {
        let upload = self.begin_upload(location, &opts).await?;
        Ok(Box::new(OssUpload::new(self.clone(), location.clone(), upload)))
    }

    /// GetObject or HeadObject.
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult, Error> {
        self.read(location, options).await
    }

    /// GetObject, once for what is at most 1 MiB apart, ten at once.
    async fn get_ranges(
        &self,
        location: &Path,
        ranges: &[Range<u64>],
    ) -> Result<Vec<Bytes>, Error> {
        self.read_ranges(location, ranges).await
    }

    /// DeleteMultipleObjects.
    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path, Error>>,
    ) -> BoxStream<'static, Result<Path, Error>> {
        self.delete_all(locations)
    }

    /// ListObjectsV2.
    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta, Error>> {
        self.objects(prefix, None)
    }

    /// ListObjectsV2 with `start-after`.
    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta, Error>> {
        self.objects(prefix, Some(offset))
    }

    /// ListObjectsV2 with `delimiter`.
    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult, Error> {
        let pages = self.pages(prefix, None, Some("/"));
        let all = list_result(Vec::new(), Vec::new());
        pages
            .try_fold(all, |mut all, page| async move {
                all.common_prefixes.extend(page.common_prefixes);
                all.objects.extend(page.objects);
                Ok(all)
            })
            .await
    }

    /// HeadObject and CopyObject, in parts where there is more than 1 GiB.
    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<(), Error> {
        let overwrite = match options.mode {
            CopyMode::Overwrite => Overwrite::Replace,
            CopyMode::Create => Overwrite::Refuse,
        };
        let (source, target) = (self.object(from)?, self.object(to)?);
        let copied = self.bucket.copy(&source, &target, overwrite).await;
        copied.map(drop).map_err(|error| match error.kind() {
            ossget::ErrorKind::NotFound => told(error, from),
            _ => told(error, to),
        })
    }
}
