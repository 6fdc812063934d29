//! The store behind a URL.

mod environment;
mod files;

use super::{Store, StoreUrl};
use crate::connector::Connector;
use crate::v014::ObjectStoreSource;
use environment::variables;
use object_store_014::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store_014::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store_014::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store_014::{ObjectStore, RetryConfig};
use ossget::{Error, ErrorKind, Network, Source};
use std::sync::Arc;

/// Who asks for an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Whose credentials the environment holds: the variables `AWS_*`, `GOOGLE_*` and `AZURE_*` that
    /// object_store knows, and the roles of the machine. Files of profiles are not read.
    OfTheEnvironment,
    /// Anybody: nothing is signed.
    Anonymous,
}

/// A store of what the environment says of a cloud: the clouds' builders have the same methods and no
/// trait.
macro_rules! cloud {
    ($store:expr, $key:ty, $prefix:literal, $container:ident($name:expr), $network:expr, $access:expr) => {{
        let mut store = $store;
        for (name, value) in variables($prefix)? {
            if let Ok(key) = name.parse::<$key>() {
                store = store.with_config(key, value);
            }
        }
        if $access == Access::Anonymous {
            store = store.with_skip_signature(true);
        }
        let store = store.$container($name).with_retry(once());
        Arc::new(store.with_http_connector(Connector::new($network)).build().map_err(unusable)?)
    }};
}

impl StoreUrl {
    /// The store of this object as a source of downloads, reached over `network`. A file is looked at.
    ///
    /// The store does not try again by itself: the download does.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) for settings of the environment that cannot be, and for what is no
    /// regular file; [`Denied`](ErrorKind::Denied) for a file that must not be read.
    pub fn open(&self, network: Network, access: Access) -> Result<Arc<dyn Source>, Error> {
        let store: Arc<dyn ObjectStore> = match &self.store {
            Store::S3(name) => {
                let store = AmazonS3Builder::new();
                cloud!(store, AmazonS3ConfigKey, "AWS_", with_bucket_name(name), network, access)
            }
            Store::Gcs(name) => {
                let store = GoogleCloudStorageBuilder::new();
                cloud!(store, GoogleConfigKey, "GOOGLE_", with_bucket_name(name), network, access)
            }
            Store::Azure(name) => {
                let mut store = MicrosoftAzureBuilder::new();
                if let Ok(endpoint) = std::env::var("IDENTITY_ENDPOINT") {
                    store = store.with_msi_endpoint(endpoint);
                }
                cloud!(store, AzureConfigKey, "AZURE_", with_container_name(name), network, access)
            }
            Store::Files => files::open(&self.key)?,
        };
        Ok(Arc::new(ObjectStoreSource::new(store, self.store.to_string())))
    }
}

/// Nothing is tried again beneath the download, which does so at its pace.
fn once() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

fn unusable(error: object_store_014::Error) -> Error {
    let what = "the environment's settings for the store cannot be used";
    Error::new(ErrorKind::Config, what).with_source(error)
}
