//! object_store's own suite.
//!
//! All of its functions that apply. Some cannot hold on OSS, and are not here:
//!
//! - `multipart_with_opts` (0.14): its metadata key has an underscore, which OSS refuses. `faults` has the same
//!   with a key that OSS takes.
//! - `put_opts(…, true)`: conditional updates. OSS answers 501 to `If-Match` on a PUT, so that
//!   `PutMode::Update` is not implemented; `put_opts(…, false)` asks for exactly that.
//! - `response_extensions` (0.14): the extensions of a reqwest response. There is no reqwest here.
//!
//! `put_get_attributes` has such keys as well and takes `NotImplemented` for an answer, so that it shows
//! nothing but that; `faults` has attributes that OSS takes.

/// Runs the suite with the `object_store` and the `adapter` that are in scope.
macro_rules! suite {
    () => {
        use crate::rig::{BUCKET, client, simulator};
        use adapter::OssStore;
        use object_store::integration;
        use object_store::path::Path;

        struct Rig {
            sim: ossget_testkit::Simulator,
        }

        impl Rig {
            async fn new() -> Self {
                Self { sim: simulator().await }
            }

            fn store(&self) -> OssStore {
                OssStore::new(&client(&self.sim), BUCKET).unwrap()
            }
        }

        #[tokio::test]
        async fn put_get_delete_list() {
            integration::put_get_delete_list(&Rig::new().await.store()).await;
        }

        #[tokio::test]
        async fn put_get_attributes() {
            integration::put_get_attributes(&Rig::new().await.store()).await;
        }

        #[tokio::test]
        async fn get_opts() {
            integration::get_opts(&Rig::new().await.store()).await;
        }

        #[tokio::test]
        async fn put_opts() {
            integration::put_opts(&Rig::new().await.store(), false).await;
        }

        #[tokio::test]
        async fn list_uses_directories_correctly() {
            integration::list_uses_directories_correctly(&Rig::new().await.store()).await;
        }

        #[tokio::test]
        async fn list_with_delimiter() {
            integration::list_with_delimiter(&Rig::new().await.store()).await;
        }

        #[tokio::test]
        async fn list_with_offset_exclusivity() {
            integration::list_with_offset_exclusivity(&Rig::new().await.store()).await;
        }

        #[tokio::test]
        async fn get_nonexistent_object() {
            let rig = Rig::new().await;
            let store = rig.store();
            for path in [None, Some(Path::from("no/such/file"))] {
                let error = integration::get_nonexistent_object(&store, path).await.unwrap_err();
                assert!(matches!(error, object_store::Error::NotFound { .. }), "{error}");
            }
        }

        #[tokio::test]
        async fn rename_and_copy() {
            integration::rename_and_copy(&Rig::new().await.store()).await;
        }

        #[tokio::test]
        async fn copy_if_not_exists() {
            integration::copy_if_not_exists(&Rig::new().await.store()).await;
        }

        #[tokio::test]
        async fn copy_rename_nonexistent_object() {
            integration::copy_rename_nonexistent_object(&Rig::new().await.store()).await;
        }

        #[tokio::test]
        async fn stream_get() {
            integration::stream_get(&Rig::new().await.store()).await;
        }

        #[tokio::test]
        async fn multipart() {
            let rig = Rig::new().await;
            let store = rig.store();
            integration::multipart(&store, &store).await;
        }

        #[tokio::test]
        async fn multipart_race_condition() {
            integration::multipart_race_condition(&Rig::new().await.store(), true).await;
        }

        #[tokio::test]
        async fn multipart_out_of_order() {
            integration::multipart_out_of_order(&Rig::new().await.store()).await;
        }

        #[tokio::test]
        async fn list_paginated() {
            let rig = Rig::new().await;
            let store = rig.store();
            integration::list_paginated(&store, &store).await;
        }
    };
}

pub(crate) use suite;
