//! Downloads that are interrupted, and objects that change.

/// Runs the tests with the `object_store` and the `adapter` that are in scope.
macro_rules! downloads {
    () => {
        use adapter::ObjectStoreSource;
        use object_store::local::LocalFileSystem;
        use object_store::memory::InMemory;
        use object_store::path::Path;
        use object_store::{ObjectStore, ObjectStoreExt as _};
        use ossget::{
            Client, Completion, Download, DownloadEvent, ErrorKind, Integrity, NativeFileSystem,
            OnChange, Parallel, PartSize,
        };
        use ossget_testkit::Content;
        use std::fs;
        use std::num::NonZeroU32;
        use std::sync::Arc;
        use std::time::Duration;
        use tempfile::TempDir;

        const SIZE: u64 = 2_000_000;
        const KEY: &str = "dir/object.bin";

        /// A store with one object, and a folder to download it to.
        struct Rig {
            store: Arc<dyn ObjectStore>,
            dir: TempDir,
            /// Where a store of files keeps them.
            _files: TempDir,
        }

        impl Rig {
            /// Each kind of store that is at hand: all of them are slow.
            async fn all() -> Vec<Self> {
                let files = tempfile::tempdir().unwrap();
                let folder = LocalFileSystem::new_with_prefix(files.path()).unwrap();
                let folder = Wrapped { inner: Box::new(folder), etags: true };
                let memory = Wrapped { inner: Box::new(InMemory::new()), etags: true };
                let untagged = Wrapped { inner: Box::new(InMemory::new()), etags: false };
                let stores: [Arc<dyn ObjectStore>; 3] =
                    [Arc::new(folder), Arc::new(memory), Arc::new(untagged)];
                let mut rigs = Vec::new();
                for store in stores.into_iter().chain(elsewhere()) {
                    put(&*store, 7).await;
                    let dir = tempfile::tempdir().unwrap();
                    rigs.push(Self { store, dir, _files: tempfile::tempdir().unwrap() });
                }
                // The folder of the first store must outlive it.
                rigs[0]._files = files;
                rigs
            }

            fn download(&self) -> Download {
                let source = ObjectStoreSource::new(Arc::clone(&self.store), "test://store");
                let object = source.object(KEY).unwrap();
                let client =
                    Client::with_source(Arc::new(source), Arc::new(NativeFileSystem::new()));
                client
                    .download(object, self.dir.path().join("x"))
                    .part_size(PartSize::kib(100).unwrap())
                    .parallel(Parallel::Fixed(NonZeroU32::new(2).unwrap()))
            }

            /// Runs a download until a third of it is there.
            async fn interrupt(&self) {
                let download = self.download();
                let handle = download.handle();
                let error = download
                    .on_event(move |event| {
                        if let DownloadEvent::Progress(progress) = event
                            && progress.bytes() > SIZE / 3
                        {
                            handle.cancel();
                        }
                    })
                    .await
                    .unwrap_err();
                assert!(error.is_resumable(), "{error:?}");
            }

            fn assert_is(&self, seed: u64) {
                let found = fs::read(self.dir.path().join("x")).unwrap();
                assert!(found == content(seed).window(0..SIZE), "wrong bytes");
                assert_eq!(fs::read_dir(self.dir.path()).unwrap().count(), 1, "litter");
            }
        }

        fn content(seed: u64) -> Content {
            Content::generated(seed, SIZE)
        }

        async fn put(store: &dyn ObjectStore, seed: u64) {
            let bytes = content(seed).window(0..SIZE);
            store.put(&Path::from(KEY), bytes.into()).await.unwrap();
        }

        #[tokio::test]
        async fn what_was_interrupted_goes_on_where_it_stopped() {
            let mut pinned = Vec::new();
            for rig in Rig::all().await {
                rig.interrupt().await;
                let done = rig.download().await.unwrap();
                // Without a strong ETag it cannot be known to be the same content.
                assert_eq!(done.resumed_bytes > SIZE / 4, done.is_pinned(), "{done:?}");
                assert_eq!(done.resumed_bytes + done.fetched_bytes, SIZE);
                assert_eq!(done.integrity, Integrity::UnverifiedByServer);
                pinned.push(done.is_pinned());
                rig.assert_is(7);
            }
            assert_eq!(pinned[..3], [true, true, false]);
            assert!(pinned[3..].iter().all(|pinned| *pinned), "clouds tell strong ETags");
        }

        #[tokio::test]
        async fn a_digest_of_the_users_verifies_it() {
            for rig in Rig::all().await {
                let digest = "crc64:0".parse::<ossget::Checksum>().unwrap();
                let error = rig.download().checksum(digest).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Integrity);
                let digest = format!("crc64:{}", content(7).crc64()).parse::<ossget::Checksum>();
                let done = rig.download().checksum(digest.unwrap()).await.unwrap();
                assert_eq!(done.integrity, Integrity::VerifiedByUser);
                rig.assert_is(7);
            }
        }

        #[tokio::test]
        async fn an_object_replaced_between_two_runs_is_fetched_anew() {
            for rig in Rig::all().await {
                rig.interrupt().await;
                put(&*rig.store, 8).await;
                let done = rig.download().await.unwrap();
                assert_eq!((done.completion, done.resumed_bytes), (Completion::Published, 0));
                rig.assert_is(8);
            }
        }

        #[tokio::test]
        async fn an_object_replaced_meanwhile_is_found_and_never_mixed() {
            for on_change in [OnChange::Fail, OnChange::Restart] {
                for rig in Rig::all().await {
                    let store = Arc::clone(&rig.store);
                    let mut replaced = false;
                    let replacing = rig.download().on_change(on_change).on_event(move |event| {
                        if let DownloadEvent::Progress(progress) = event
                            && progress.bytes() > SIZE / 3
                            && !std::mem::replace(&mut replaced, true)
                        {
                            let store = Arc::clone(&store);
                            tokio::spawn(async move { put(&*store, 8).await });
                        }
                    });
                    match (replacing.await, on_change) {
                        (Ok(_), OnChange::Restart) => rig.assert_is(8),
                        (Err(error), OnChange::Fail) => {
                            assert_eq!(error.kind(), ErrorKind::Changed, "{error:?}");
                            assert!(!rig.dir.path().join("x").exists());
                        }
                        (other, _) => panic!("{}: {other:?}", rig.store),
                    }
                }
            }
        }

        #[tokio::test]
        async fn what_is_not_there_is_told_at_once() {
            for rig in Rig::all().await {
                rig.store.delete(&Path::from(KEY)).await.unwrap();
                let error = rig.download().await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
            }
        }

        #[test]
        fn keys_that_no_path_stands_for_are_refused() {
            let source = ObjectStoreSource::new(Arc::new(InMemory::new()), "memory://");
            for key in ["", "/a", "a//b", "a/../b", "a/", "."] {
                let error = source.object(key).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Config, "{key}");
            }
            source.object("a b/ü").unwrap();
        }
    };
}

pub(crate) use downloads;
