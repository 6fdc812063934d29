#![doc = include_str!("../README.md")]

use ballista_core::extension::SessionConfigExt as _;
use datafusion::error::Result;
use datafusion::execution::object_store::{DefaultObjectStoreRegistry, ObjectStoreRegistry};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::object_store::ObjectStore;
use datafusion::prelude::SessionConfig;
use ossget_object_store::v013::OssStoreBuilder;
use std::fmt;
use std::sync::Arc;
use url::Url;

/// DataFusion's own registry, and any bucket of `oss://` when it is first asked for.
pub struct OssRegistry {
    known: DefaultObjectStoreRegistry,
    builder: Box<dyn Fn(&Url) -> OssStoreBuilder + Send + Sync>,
}

impl OssRegistry {
    /// A registry whose stores are made of the environment.
    #[must_use]
    pub fn from_env() -> Self {
        Self::new(|url| OssStoreBuilder::new(url.as_str()))
    }

    /// A registry with its own way to make a store of a URL.
    pub fn new(builder: impl Fn(&Url) -> OssStoreBuilder + Send + Sync + 'static) -> Self {
        Self { known: DefaultObjectStoreRegistry::new(), builder: Box::new(builder) }
    }
}

impl ObjectStoreRegistry for OssRegistry {
    fn register_store(
        &self,
        url: &Url,
        store: Arc<dyn ObjectStore>,
    ) -> Option<Arc<dyn ObjectStore>> {
        self.known.register_store(url, store)
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        match self.known.get_store(url) {
            Err(_) if url.scheme() == "oss" => {
                let store: Arc<dyn ObjectStore> = Arc::new((self.builder)(url).build()?);
                self.known.register_store(url, Arc::clone(&store));
                Ok(store)
            }
            other => other,
        }
    }
}

impl fmt::Debug for OssRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OssRegistry").field("known", &self.known).finish_non_exhaustive()
    }
}

/// A runtime with this registry.
///
/// # Errors
///
/// Those of the builder.
pub fn runtime(registry: OssRegistry) -> Result<Arc<RuntimeEnv>> {
    RuntimeEnvBuilder::new().with_object_store_registry(Arc::new(registry)).build_arc()
}

/// The state of a session of a client, or of a scheduler on a client's behalf.
#[must_use]
pub fn session(config: SessionConfig, runtime: Arc<RuntimeEnv>) -> SessionState {
    SessionStateBuilder::new()
        .with_default_features()
        .with_config(config.upgrade_for_ballista())
        .with_runtime_env(runtime)
        .build()
}
