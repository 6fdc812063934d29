//! A store that is slow, or tells no ETags.

/// Defines `Wrapped` for the `object_store` that is in scope.
macro_rules! wrapped {
    () => {
        /// A store that takes 20 ms for each answer; without ETags, like some servers of plain files,
        /// where these are not wanted.
        #[derive(Debug)]
        struct Wrapped {
            inner: Box<dyn ObjectStore>,
            etags: bool,
        }

        impl std::fmt::Display for Wrapped {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "Wrapped({})", self.inner)
            }
        }

        #[async_trait::async_trait]
        impl ObjectStore for Wrapped {
            async fn put_opts(
                &self,
                location: &Path,
                payload: object_store::PutPayload,
                options: object_store::PutOptions,
            ) -> object_store::Result<object_store::PutResult> {
                self.inner.put_opts(location, payload, options).await
            }

            async fn put_multipart_opts(
                &self,
                location: &Path,
                options: object_store::PutMultipartOptions,
            ) -> object_store::Result<Box<dyn object_store::MultipartUpload>> {
                self.inner.put_multipart_opts(location, options).await
            }

            async fn get_opts(
                &self,
                location: &Path,
                options: object_store::GetOptions,
            ) -> object_store::Result<object_store::GetResult> {
                tokio::time::sleep(Duration::from_millis(20)).await;
                assert!(self.etags || options.if_match.is_none());
                let mut got = self.inner.get_opts(location, options).await?;
                got.meta.e_tag = got.meta.e_tag.filter(|_| self.etags);
                Ok(got)
            }

            fn delete_stream(
                &self,
                locations: futures::stream::BoxStream<'static, object_store::Result<Path>>,
            ) -> futures::stream::BoxStream<'static, object_store::Result<Path>> {
                self.inner.delete_stream(locations)
            }

            fn list(
                &self,
                prefix: Option<&Path>,
            ) -> futures::stream::BoxStream<'static, object_store::Result<object_store::ObjectMeta>>
            {
                self.inner.list(prefix)
            }

            async fn list_with_delimiter(
                &self,
                prefix: Option<&Path>,
            ) -> object_store::Result<object_store::ListResult> {
                self.inner.list_with_delimiter(prefix).await
            }

            async fn copy_opts(
                &self,
                from: &Path,
                to: &Path,
                options: object_store::CopyOptions,
            ) -> object_store::Result<()> {
                self.inner.copy_opts(from, to, options).await
            }
        }
    };
}

pub(crate) use wrapped;
