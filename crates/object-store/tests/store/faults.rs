//! What the suite does not ask: connections that break, bytes that are wrong, objects that change, keys
//! that are no paths, and how many requests all that takes.

/// Runs the tests with the `object_store` and the `adapter` that are in scope.
macro_rules! faults {
    () => {
        mod faults {
            use super::{Path, Rig, adapter, object_store};
            use adapter::{IllegalKeys, LongRanges};
            use futures::{StreamExt as _, TryStreamExt as _};
            use object_store::{
                Attribute, Attributes, CopyMode, CopyOptions, Error, ObjectStore as _,
                ObjectStoreExt as _, PutMode, PutOptions,
            };
            use ossget_testkit::{Content, Fault, On};
            use std::time::Duration;

            const SIZE: u64 = 3_000_000;

            fn path() -> Path {
                Path::from("dir/object.bin")
            }

            async fn rig() -> (Rig, Content) {
                let rig = Rig::new().await;
                let content = Content::generated(7, SIZE);
                rig.sim.put_object("dir/object.bin", content.clone());
                (rig, content)
            }

            fn cut() -> Fault {
                Fault::CutAfter { bytes: 1_000_000, how: ossget_testkit::Close::Fin }
            }

            fn puts() -> On {
                On::method(http::Method::PUT)
            }

            fn gets(rig: &Rig) -> usize {
                rig.sim.requests().iter().filter(|request| request.method == "GET").count()
            }

            #[tokio::test]
            async fn a_body_that_breaks_off_goes_on_at_the_missing_byte() {
                let (rig, content) = rig().await;
                rig.sim.fault(On::get().nth(1), cut());
                let got = rig.store().get(&path()).await.unwrap();
                assert!(got.bytes().await.unwrap() == content.window(0..SIZE));
                let second = rig.sim.requests().pop().unwrap();
                assert_eq!(second.range.as_deref(), Some("bytes=1000000-2999999"));
                assert!(second.if_match.is_some());
            }

            #[tokio::test]
            async fn wrong_bytes_are_no_success() {
                let (rig, _) = rig().await;
                rig.sim.fault(On::get().nth(1), Fault::FlipByte { at: 5_000 });
                let got = rig.store().get(&path()).await.unwrap();
                let error = got.bytes().await.unwrap_err();
                assert!(error.to_string().contains("CRC-64"), "{error}");
            }

            #[tokio::test]
            async fn an_object_that_changes_while_it_is_read_is_not_mixed() {
                let (rig, _) = rig().await;
                rig.sim.fault(On::get().nth(1), cut());
                let other = Fault::ReplaceObjectNow(Content::generated(8, SIZE));
                rig.sim.fault(On::get().nth(2), other);
                let got = rig.store().get(&path()).await.unwrap();
                let error = got.bytes().await.unwrap_err();
                assert!(matches!(error, Error::Precondition { .. }), "{error}");
            }

            #[tokio::test]
            async fn ranges_of_one_call_are_of_one_content() {
                let (rig, _) = rig().await;
                // After the first range was answered: both are asked for at once.
                let second = || On::get().range_start(|start| start > 0).nth(1);
                rig.sim.fault(second(), Fault::Latency(Duration::from_millis(500)));
                let other = Fault::ReplaceObjectNow(Content::generated(8, SIZE));
                rig.sim.fault(second(), other);
                let (first, last) = (0..10, SIZE - 10..SIZE);
                let error = rig.store().get_ranges(&path(), &[first, last]).await.unwrap_err();
                assert!(matches!(error, Error::Precondition { .. }), "{error}");
            }

            #[tokio::test]
            async fn ranges_close_together_are_one_request() {
                let (rig, content) = rig().await;
                let ranges = [0..10, 1_000_000..1_000_010, 2_999_990..3_000_000, 5..8];
                let got = rig.store().get_ranges(&path(), &ranges).await.unwrap();
                for (range, bytes) in ranges.iter().zip(&got) {
                    assert!(*bytes == content.window(range.clone()));
                }
                assert_eq!(gets(&rig), 2);
            }

            #[tokio::test]
            async fn a_range_beyond_the_end_is_an_error_wherever_its_neighbours_are() {
                let (rig, content) = rig().await;
                let store = rig.store();
                for ranges in
                    [vec![SIZE - 10..SIZE, SIZE + 5..SIZE + 10], vec![SIZE + 5..SIZE + 10]]
                {
                    assert!(store.get_ranges(&path(), &ranges).await.is_err());
                }
                let got = store.get_ranges(&path(), &[SIZE - 2..SIZE + 5]).await.unwrap();
                assert!(got[0] == content.window(SIZE - 2..SIZE));
            }

            #[tokio::test]
            async fn a_long_range_is_one_request_or_fetched_in_parts() {
                let rig = Rig::new().await;
                let size = 20 << 20;
                let content = Content::generated(9, size);
                rig.sim.put_object("dir/object.bin", content.clone());
                for (how, requests) in [(LongRanges::Whole, 1), (LongRanges::InParts, 3)] {
                    rig.sim.clear_requests();
                    let store = rig.store().long_ranges(how);
                    // Beyond the end there is nothing, and that is no error.
                    let got = store.get_ranges(&path(), &[5..size + (9 << 20)]).await.unwrap();
                    assert!(got[0] == content.window(5..size));
                    assert_eq!(rig.sim.requests().len(), requests, "{how:?}");
                }
            }

            #[tokio::test]
            async fn what_arrives_wrong_at_the_service_is_told() {
                let (rig, _) = rig().await;
                rig.sim.fault(puts().always(), Fault::WrongCrcHeader(42));
                let error = rig.store().put(&path(), "bytes".into()).await.unwrap_err();
                assert!(error.to_string().contains("CRC-64"), "{error}");
            }

            #[tokio::test]
            async fn what_must_not_be_there_is_created_once_whatever_breaks() {
                let (rig, _) = rig().await;
                let create = || PutOptions::from(PutMode::Create);
                let store = rig.store();
                // Turned away at the door: tried again.
                rig.sim.fault(puts().nth(1), Fault::status(503, "ServiceUnavailable"));
                store.put_opts(&Path::from("a"), "1".into(), create()).await.unwrap();
                // Who knows whether it was carried out: not tried again.
                rig.sim.clear_faults();
                rig.sim.clear_requests();
                rig.sim.fault(puts().nth(1), Fault::DropBeforeHead);
                let error = store.put_opts(&Path::from("b"), "1".into(), create()).await;
                assert!(matches!(error, Err(Error::Generic { .. })), "{error:?}");
                assert_eq!(rig.sim.requests().len(), 1);
            }

            #[tokio::test]
            async fn others_are_written_again_when_a_connection_breaks() {
                let (rig, _) = rig().await;
                rig.sim.fault(puts().nth(1), Fault::DropBeforeHead);
                rig.store().put(&Path::from("a"), "1".into()).await.unwrap();
                let got = rig.store().get(&Path::from("a")).await.unwrap();
                assert_eq!(got.bytes().await.unwrap(), "1");
            }

            #[tokio::test]
            async fn an_upload_that_was_finished_unheard_is_found_finished() {
                for (is_cut, replaced) in [(false, false), (true, false), (true, true)] {
                    let (rig, _) = rig().await;
                    let store = rig.store();
                    let mut upload = store.put_multipart(&path()).await.unwrap();
                    upload.put_part(vec![7; 200_000].into()).await.unwrap();
                    if is_cut {
                        // The service does it, and nobody hears of it.
                        let cut = Fault::CutHead { bytes: 5, how: ossget_testkit::Close::Fin };
                        rig.sim.fault(On::post().nth(1), cut);
                    }
                    if replaced {
                        let other = Fault::ReplaceObjectNow(Content::bytes("other"));
                        rig.sim.fault(On::head().nth(1), other);
                    }
                    let finished = upload.complete().await;
                    assert_eq!(finished.is_ok(), !replaced, "{finished:?}");
                }
            }

            #[tokio::test]
            async fn an_upload_that_was_aborted_unheard_is_aborted() {
                let (rig, _) = rig().await;
                let mut upload = rig.store().put_multipart(&path()).await.unwrap();
                let cut = Fault::CutHead { bytes: 5, how: ossget_testkit::Close::Fin };
                rig.sim.fault(On::delete().nth(1), cut);
                upload.abort().await.unwrap();
            }

            #[tokio::test]
            async fn a_long_range_of_an_object_that_shrinks_has_no_hole() {
                let rig = Rig::new().await;
                rig.sim.put_object("dir/object.bin", Content::generated(9, 40 << 20));
                let late = On::get().range_start(|start| start > 0).nth(1);
                rig.sim.fault(late, Fault::ReplaceObjectNow(Content::generated(9, 1 << 20)));
                let got = rig
                    .store()
                    .long_ranges(LongRanges::InParts)
                    .get_ranges(&path(), &[0..40 << 20])
                    .await;
                assert!(matches!(got, Err(Error::Precondition { .. })), "{got:?}");
            }

            #[tokio::test]
            async fn an_answer_of_somebody_in_between_is_no_success() {
                let (rig, _) = rig().await;
                let store = rig.store();
                let store = adapter::OssStore::of(impatient(&store));
                for name in ["x-oss-request-id", "etag", "x-oss-hash-crc64ecma"] {
                    rig.sim.fault(On::any().always(), Fault::no_header(name));
                }
                assert!(store.put(&path(), "x".into()).await.is_err());
                assert!(store.delete(&path()).await.is_err());
                assert!(store.get(&path()).await.is_err());
            }

            /// The store's bucket, without patience.
            fn impatient(store: &adapter::OssStore) -> ossget::bucket::Bucket {
                store.bucket().clone().patience(Duration::ZERO)
            }

            #[tokio::test]
            async fn a_large_object_is_copied_in_parts() {
                let rig = Rig::new().await;
                let content = Content::generated(9, (1 << 30) + 5);
                rig.sim.put_object("large", content.clone());
                let (from, to) = (Path::from("large"), Path::from("copy"));
                rig.store().copy(&from, &to).await.unwrap();
                let copy = rig.sim.object("copy").unwrap();
                assert_eq!((copy.size(), copy.crc64()), (content.size(), content.crc64()));
                let parts = rig.sim.requests().into_iter().filter(|it| it.method == "PUT");
                assert_eq!(parts.count(), 5);
            }

            #[tokio::test]
            async fn a_page_has_the_object_that_is_called_like_its_prefix() {
                use object_store::list::{PaginatedListOptions, PaginatedListStore as _};
                let (rig, _) = rig().await;
                let (store, all) = (rig.store(), PaginatedListOptions::default());
                let page = store.list_paginated(Some("dir/object.bin"), all).await.unwrap();
                assert_eq!(page.result.objects.len(), 1);
            }

            #[tokio::test]
            async fn an_archived_object_is_not_taken_for_missing() {
                let (rig, _) = rig().await;
                rig.sim.fault(On::get().always(), Fault::status(403, "InvalidObjectState"));
                let error = rig.store().get(&path()).await.unwrap_err();
                assert!(matches!(error, Error::Generic { .. }), "{error}");
            }

            #[tokio::test]
            async fn keys_that_are_no_paths_are_left_out_or_refused() {
                let (rig, _) = rig().await;
                for key in ["a//b", "dir/", "../c"] {
                    rig.sim.put_object(key, Content::bytes("x"));
                }
                let listed: Vec<_> = rig.store().list(None).try_collect().await.unwrap();
                let names: Vec<_> = listed.iter().map(|meta| meta.location.to_string()).collect();
                assert_eq!(names, ["dir/object.bin"]);
                let strict = rig.store().illegal_keys(IllegalKeys::Fail);
                assert!(strict.list(None).try_collect::<Vec<_>>().await.is_err());
            }

            #[tokio::test]
            async fn a_listing_goes_on_page_by_page() {
                let rig = Rig::new().await;
                for at in 0..2_100 {
                    rig.sim.put_object(&format!("p/{at:04}"), Content::bytes("x"));
                }
                let (store, prefix) = (rig.store(), Path::from("p"));
                let listed: Vec<_> = store.list(Some(&prefix)).try_collect().await.unwrap();
                assert_eq!((listed.len(), gets(&rig)), (2_100, 3));
                rig.sim.clear_requests();
                let paths = listed.into_iter().map(|meta| Ok(meta.location));
                let paths = futures::stream::iter(paths.collect::<Vec<_>>()).boxed();
                let deleted: Vec<_> = store.delete_stream(paths).try_collect().await.unwrap();
                assert_eq!((deleted.len(), rig.sim.requests().len()), (2_100, 3));
                assert!(deleted.is_sorted());
            }

            #[tokio::test]
            async fn who_may_not_is_told_apart_from_who_is_not_known() {
                let (rig, _) = rig().await;
                for (code, is_known) in [("AccessDenied", true), ("InvalidAccessKeyId", false)] {
                    rig.sim.fault(On::get().nth(1), Fault::status(403, code));
                    let error = rig.store().get(&path()).await.unwrap_err();
                    match is_known {
                        true => assert!(matches!(error, Error::PermissionDenied { .. })),
                        false => assert!(matches!(error, Error::Unauthenticated { .. })),
                    }
                    rig.sim.clear_faults();
                }
            }

            fn attributes() -> Attributes {
                Attributes::from_iter([
                    (Attribute::CacheControl, "max-age=604800"),
                    (Attribute::ContentDisposition, "attachment; filename=\"test.html\""),
                    (Attribute::ContentEncoding, "gzip"),
                    (Attribute::ContentLanguage, "en-US"),
                    (Attribute::ContentType, "text/html; charset=utf-8"),
                    (Attribute::Metadata("test-key".into()), "test_value"),
                    (Attribute::Metadata("key-with-spaces".into()), "hello   world"),
                ])
            }

            #[tokio::test]
            async fn attributes_are_kept_by_puts_uploads_and_copies() {
                let (rig, _) = rig().await;
                let store = rig.store();
                let (put, upload, copy) = (Path::from("a"), Path::from("b"), Path::from("c"));
                store.put_opts(&put, "x".into(), attributes().into()).await.unwrap();
                let mut parts =
                    store.put_multipart_opts(&upload, attributes().into()).await.unwrap();
                parts.put_part("x".into()).await.unwrap();
                parts.complete().await.unwrap();
                store.copy(&put, &copy).await.unwrap();
                for path in [put, upload, copy] {
                    assert_eq!(store.get(&path).await.unwrap().attributes, attributes(), "{path}");
                }
            }

            #[tokio::test]
            async fn metadata_keys_that_oss_refuses_are_not_implemented() {
                let (rig, _) = rig().await;
                for key in ["test_key", "Key", "a b", ""] {
                    let one = Attributes::from_iter([(Attribute::Metadata(key.into()), "x")]);
                    let error = rig.store().put_opts(&path(), "x".into(), one.into()).await;
                    assert!(matches!(error, Err(Error::NotImplemented { .. })), "{key} {error:?}");
                }
                assert!(rig.sim.requests().is_empty());
            }

            #[tokio::test]
            async fn a_copy_that_must_not_replace_does_not() {
                let (rig, _) = rig().await;
                let store = rig.store();
                store.put(&Path::from("to"), "x".into()).await.unwrap();
                let create = CopyOptions::new().with_mode(CopyMode::Create);
                let error = store.copy_opts(&path(), &Path::from("to"), create).await.unwrap_err();
                assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
            }

            #[tokio::test]
            async fn a_signed_url_lets_others_read() {
                let (rig, content) = rig().await;
                let lifetime = Duration::from_secs(60);
                let url = rig.store().sign_url(http::Method::GET, &path(), lifetime).await.unwrap();
                let url: ossget::ObjectUrl = url.as_str().parse().unwrap();
                let object = url.object();
                let client = ossget::Client::of_url(url).build().unwrap();
                let dir = tempfile::tempdir().unwrap();
                client.download(object, dir.path().join("x")).await.unwrap();
                assert!(std::fs::read(dir.path().join("x")).unwrap() == content.window(0..SIZE));
            }
        }
    };
}

pub(crate) use faults;
