//! Writing an object in parts.

use super::error::{generic, told};
use super::object_store::{
    Error, MultipartUpload, PutMultipartOptions, PutPayload, PutResult, UploadPart, path::Path,
};
use super::{OssStore, attributes, put_result};
use async_trait::async_trait;
use futures::FutureExt as _;
use ossget::bucket::{Overwrite, Upload, UploadedPart};
use std::sync::{Arc, Mutex, PoisonError};

/// An upload whose parts come one after the other and go out at the same time.
#[derive(Debug)]
pub(super) struct OssUpload {
    store: OssStore,
    path: Path,
    upload: Arc<Upload>,
    begun: u16,
    done: Arc<Mutex<Vec<UploadedPart>>>,
}

impl OssStore {
    pub(super) async fn begin_upload(
        &self,
        path: &Path,
        options: &PutMultipartOptions,
    ) -> Result<Upload, Error> {
        let headers = attributes::headers(&options.attributes, &options.tags)?;
        let upload = self.bucket.begin_upload(&self.object(path)?, &headers).await;
        upload.map_err(|error| told(error, path))
    }

    pub(super) async fn finish_upload(
        &self,
        path: &Path,
        upload: &Upload,
        mut parts: Vec<UploadedPart>,
    ) -> Result<PutResult, Error> {
        let told = |error| told(error, path);
        if parts.is_empty() {
            // OSS makes no object of no parts.
            parts.push(self.bucket.put_part(upload, 1, bytes::Bytes::new()).await.map_err(told)?);
        }
        let written = self.bucket.finish_upload(upload, &parts, Overwrite::Replace).await;
        let written = written.map_err(told)?;
        Ok(put_result(written.etag, written.version_id))
    }
}

impl OssUpload {
    pub(super) fn new(store: OssStore, path: Path, upload: Upload) -> Self {
        Self { store, path, upload: Arc::new(upload), begun: 0, done: Arc::default() }
    }
}

#[async_trait]
impl MultipartUpload for OssUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let Some(number) = self.begun.checked_add(1).filter(|number| *number <= MOST_PARTS) else {
            let what = format!("an object has {MOST_PARTS} parts at most: write larger ones");
            return async move { Err(generic(what)) }.boxed();
        };
        self.begun = number;
        let (store, path) = (self.store.clone(), self.path.clone());
        let (upload, done) = (Arc::clone(&self.upload), Arc::clone(&self.done));
        async move {
            let part = store.bucket.put_part(&upload, number, data.into()).await;
            let part = part.map_err(|error| told(error, &path))?;
            done.lock().unwrap_or_else(PoisonError::into_inner).push(part);
            Ok(())
        }
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult, Error> {
        let parts = self.done.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if parts.len() != usize::from(self.begun) {
            let what = "a part is missing: one failed, or is still under way";
            return Err(generic(what));
        }
        self.store.finish_upload(&self.path, &self.upload, parts).await
    }

    async fn abort(&mut self) -> Result<(), Error> {
        let aborted = self.store.bucket.abort_upload(&self.upload).await;
        aborted.map_err(|error| told(error, &self.path))
    }
}

/// Parts of an object at most (OSS documentation, "Limits").
pub(super) const MOST_PARTS: u16 = 10_000;
