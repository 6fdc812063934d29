//! Where the tables are.

use ossget::StaticCredentials;
use ossget_object_store::v013::{OssStore, OssStoreBuilder};
use ossget_testkit::{RequestRecord, Simulator};
use std::error::Error;
use url::Url;

/// A bucket: the one that is named, or one of a simulator in this process.
pub(crate) struct Place {
    pub(crate) url: Url,
    pub(crate) store: OssStore,
    sim: Option<Simulator>,
}

impl Place {
    /// The bucket of this URL, or else a new simulator's.
    pub(crate) fn new(url: Option<String>) -> Result<Self, Box<dyn Error>> {
        if let Some(url) = url {
            let store = OssStore::from_env(&url)?;
            return Ok(Self { url: Url::parse(&url)?.join("/")?, store, sim: None });
        }
        let sim = Simulator::builder().credentials("id", "secret").start_blocking()?;
        let url = Url::parse("oss://examplebucket/")?;
        let store = OssStoreBuilder::new(url.as_str())
            .endpoint(sim.endpoint())
            .region("cn-hangzhou")
            .credentials(StaticCredentials::access_key("id", "secret")?)
            .build()?;
        Ok(Self { url, store, sim: Some(sim) })
    }

    /// Forgets what was asked for until now.
    pub(crate) fn forget_requests(&self) {
        if let Some(sim) = &self.sim {
            sim.clear_requests();
        }
    }

    /// What was asked for since, where that can be seen.
    pub(crate) fn requests(&self) -> Option<Vec<RequestRecord>> {
        self.sim.as_ref().map(Simulator::requests)
    }
}
