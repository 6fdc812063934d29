//! [`object_store`](object_store_014) both ways: [`OssStore`] makes Alibaba Cloud OSS a store for
//! parquet, DataFusion, Ballista and Delta; [`ObjectStoreSource`] makes any store a source of ossget's
//! resumable, verified downloads.
//!
//! ```no_run
//! # use object_store_014 as object_store;
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use object_store::{ObjectStoreExt as _, path::Path};
//! use ossget_object_store::OssStore;
//!
//! // The endpoint, the region and the credentials are those of the environment.
//! let store = OssStore::from_env("oss://examplebucket")?;
//! let bytes = store.get(&Path::from("table/part-0.parquet")).await?.bytes().await?;
//! # Ok(())
//! # }
//! ```
//!
//! The engines do not all use the same version of `object_store` yet, and what implements the traits
//! of one version is nothing to the other. So there are two modules made of one source: `v014` (the
//! feature of this name, on by default, and what the crate's root has) and `v013` (the feature of this
//! name).
//!
//! | engine | version | what a user writes |
//! | --- | --- | --- |
//! | parquet 60 | 0.14 | `ParquetObjectReader::new(Arc::new(store), path)` |
//! | DataFusion 55 | 0.13 | `ctx.register_object_store(&Url::parse("oss://examplebucket")?, Arc::new(store))` |
//! | Ballista 55 | 0.13 | a registry that client, scheduler and executors each have |
//! | deltalake-core 1.1 | 0.13 | a factory for `oss://` in `object_store_factories()` and `logstore_factories()` |
//!
//! The project's folder `interop/engines` has all four, compiled and run.

#![forbid(unsafe_code)]

#[cfg(not(any(feature = "v014", feature = "v013")))]
compile_error!("choose a version of object_store: the feature `v014` or `v013`");

/// The methods of `MultipartStore` that every version has, and those given.
macro_rules! multipart_store {
    ($($further:tt)*) => {
        #[async_trait::async_trait]
        impl object_store::multipart::MultipartStore for OssStore {
            async fn create_multipart(
                &self,
                path: &Path,
            ) -> Result<object_store::MultipartId, object_store::Error> {
                self.create_upload(path, &object_store::PutMultipartOptions::default()).await
            }

            async fn put_part(
                &self,
                path: &Path,
                id: &object_store::MultipartId,
                part_idx: usize,
                data: object_store::PutPayload,
            ) -> Result<object_store::multipart::PartId, object_store::Error> {
                self.put_upload_part(path, id, part_idx, data).await
            }

            async fn complete_multipart(
                &self,
                path: &Path,
                id: &object_store::MultipartId,
                parts: Vec<object_store::multipart::PartId>,
            ) -> Result<PutResult, object_store::Error> {
                self.complete_upload(path, id, &parts).await
            }

            async fn abort_multipart(
                &self,
                path: &Path,
                id: &object_store::MultipartId,
            ) -> Result<(), object_store::Error> {
                self.abort_upload(path, id).await
            }

            $($further)*
        }
    };
}

#[cfg(feature = "connector")]
mod connector;

#[cfg(feature = "clouds")]
mod store_url;

#[cfg(feature = "connector")]
pub use connector::Connector;

#[cfg(feature = "clouds")]
pub use store_url::{Access, StoreUrl};

#[cfg(feature = "v014")]
pub mod v014;

#[cfg(feature = "v013")]
pub mod v013;

#[cfg(feature = "v014")]
pub use v014::*;

/// The README's examples are compiled with the tests.
#[cfg(all(doctest, feature = "clouds"))]
#[doc = include_str!("../README.md")]
struct Readme;
