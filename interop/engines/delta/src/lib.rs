#![doc = include_str!("../README.md")]

use deltalake_core::logstore::object_store::path::Path;
use deltalake_core::logstore::{
    LogStore, LogStoreFactory, ObjectStoreFactory, ObjectStoreRef, StorageConfig, default_logstore,
    logstore_factories, object_store_factories,
};
use deltalake_core::{DeltaResult, DeltaTableError};
use ossget_object_store::v013::OssStoreBuilder;
use std::sync::Arc;
use url::Url;

/// Lets delta-rs open tables of `oss://`, in all of this process: stores are what `builder` makes of
/// the URL of a table.
///
/// # Panics
///
/// Never: `oss://` is a URL.
pub fn register(builder: impl Fn(&Url) -> OssStoreBuilder + Send + Sync + 'static) {
    let scheme = Url::parse("oss://").expect("it is a URL");
    object_store_factories().insert(scheme.clone(), Arc::new(OssStores(builder)));
    logstore_factories().insert(scheme, Arc::new(OssLogs));
}

struct OssStores<F>(F);

impl<F: Fn(&Url) -> OssStoreBuilder + Send + Sync> ObjectStoreFactory for OssStores<F> {
    fn parse_url_opts(
        &self,
        url: &Url,
        _config: &StorageConfig,
    ) -> DeltaResult<(ObjectStoreRef, Path)> {
        let path = Path::from_url_path(url.path())
            .map_err(|error| DeltaTableError::InvalidTableLocation(error.to_string()))?;
        Ok((Arc::new((self.0)(url).build()?), path))
    }
}

struct OssLogs;

impl LogStoreFactory for OssLogs {
    fn with_options(
        &self,
        prefixed_store: ObjectStoreRef,
        root_store: ObjectStoreRef,
        location: &Url,
        options: &StorageConfig,
    ) -> DeltaResult<Arc<dyn LogStore>> {
        Ok(default_logstore(prefixed_store, root_store, location, options))
    }
}
