//! The store behind a URL.

use super::{Store, StoreUrl};
use crate::connector::Connector;
use crate::v014::ObjectStoreSource;
use object_store_014::aws::AmazonS3Builder;
use object_store_014::azure::MicrosoftAzureBuilder;
use object_store_014::gcp::GoogleCloudStorageBuilder;
use object_store_014::local::LocalFileSystem;
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

impl StoreUrl {
    /// The store of this object as a source of downloads, reached over `network`.
    ///
    /// The store does not try again by itself: the download does.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) for settings of the environment that cannot be.
    pub fn open(&self, network: Network, access: Access) -> Result<Arc<dyn Source>, Error> {
        let store = self.store.open(Connector::new(network), access).map_err(|error| {
            Error::new(ErrorKind::Config, format!("the store {} cannot be opened", self.store))
                .with_source(error)
        })?;
        Ok(Arc::new(ObjectStoreSource::new(store, self.store.to_string())))
    }
}

impl Store {
    fn open(
        &self,
        connector: Connector,
        access: Access,
    ) -> object_store_014::Result<Arc<dyn ObjectStore>> {
        let is_anonymous = access == Access::Anonymous;
        let once = RetryConfig { max_retries: 0, ..RetryConfig::default() };
        Ok(match self {
            Self::S3(bucket) => {
                let mut store = AmazonS3Builder::from_env().with_bucket_name(bucket);
                if is_anonymous {
                    store = store.with_skip_signature(true);
                }
                Arc::new(store.with_http_connector(connector).with_retry(once).build()?)
            }
            Self::Gcs(bucket) => {
                let mut store = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket);
                if is_anonymous {
                    store = store.with_skip_signature(true);
                }
                Arc::new(store.with_http_connector(connector).with_retry(once).build()?)
            }
            Self::Azure(container) => {
                let mut store = MicrosoftAzureBuilder::from_env().with_container_name(container);
                if is_anonymous {
                    store = store.with_skip_signature(true);
                }
                Arc::new(store.with_http_connector(connector).with_retry(once).build()?)
            }
            Self::Files => Arc::new(LocalFileSystem::new()),
        })
    }
}
