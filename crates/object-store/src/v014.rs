//! For object_store 0.14.

use self::object_store::{
    Attributes, GetResult, GetResultPayload, ListResult, ObjectMeta, PutResult, path::Path,
};
use object_store_014 as object_store;
use std::ops::Range;

#[path = "adapter/mod.rs"]
#[allow(clippy::duplicate_mod, reason = "one source for two versions of the traits")]
mod adapter;

pub use adapter::*;

fn get_result(
    payload: GetResultPayload,
    meta: ObjectMeta,
    range: Range<u64>,
    attributes: Attributes,
) -> GetResult {
    GetResult { payload, meta, range, attributes, extensions: Default::default() }
}

fn put_result(e_tag: Option<String>, version: Option<String>) -> PutResult {
    PutResult { e_tag, version, extensions: Default::default() }
}

fn list_result(common_prefixes: Vec<Path>, objects: Vec<ObjectMeta>) -> ListResult {
    ListResult { common_prefixes, objects, extensions: Default::default() }
}

multipart_store! {
    async fn create_multipart_opts(
        &self,
        path: &Path,
        opts: object_store::PutMultipartOptions,
    ) -> Result<object_store::MultipartId, object_store::Error> {
        self.create_upload(path, &opts).await
    }
}

#[cfg(feature = "signer")]
#[async_trait::async_trait]
impl object_store::signer::Signer for OssStore {
    async fn signed_url(
        &self,
        method: http::Method,
        path: &Path,
        expires_in: std::time::Duration,
    ) -> Result<url::Url, object_store::Error> {
        self.sign_url(method, path, expires_in).await
    }
}
