//! Listing objects.

use super::error::{generic, told};
use super::object_store::list::{PaginatedListOptions, PaginatedListResult, PaginatedListStore};
use super::object_store::{Error, ListResult, ObjectMeta, path::Path};
use super::{OssStore, list_result};
use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use ossget::bucket::{List, Listed, Listing};

/// What becomes of a listed key that no [`Path`] can be, such as `a//b`, `../c`, or `dir/` which some
/// tools make to stand for a folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IllegalKeys {
    /// It is left out, with a warning in the log.
    #[default]
    Skip,
    /// The listing ends with [`Error::InvalidPath`] or [`Error::Generic`].
    Fail,
}

impl OssStore {
    /// All objects below a prefix and after an offset, page by page.
    pub(super) fn pages(
        &self,
        prefix: Option<&Path>,
        offset: Option<&Path>,
        delimiter: Option<&str>,
    ) -> BoxStream<'static, Result<ListResult, Error>> {
        let mut list = List::default();
        list.prefix = prefix.map(folder).unwrap_or_default();
        list.start_after = offset.map(ToString::to_string).filter(|offset| !offset.is_empty());
        list.delimiter = delimiter.map(str::to_owned);
        list.max_keys = Some(MOST_KEYS);
        stream::try_unfold((self.clone(), Some(list)), |(store, list)| async move {
            let Some(mut list) = list else { return Ok(None) };
            let page = store.page(&list).await?;
            let result = store.legal(&page, &list.prefix)?;
            list.token = page.next;
            let list = list.token.is_some().then_some(list);
            Ok(Some((result, (store, list))))
        })
        .boxed()
    }

    pub(super) fn objects(
        &self,
        prefix: Option<&Path>,
        offset: Option<&Path>,
    ) -> BoxStream<'static, Result<ObjectMeta, Error>> {
        let pages = self.pages(prefix, offset, None);
        pages.map_ok(|page| stream::iter(page.objects.into_iter().map(Ok))).try_flatten().boxed()
    }

    async fn page(&self, list: &List) -> Result<Listing, Error> {
        let page = self.bucket.list(list).await;
        page.map_err(|error| told(error, &Path::from(list.prefix.as_str())))
    }

    /// What paths can stand for.
    fn legal(&self, page: &Listing, prefix: &str) -> Result<ListResult, Error> {
        let mut objects = Vec::with_capacity(page.objects.len());
        for listed in &page.objects {
            // The folder itself, to some tools.
            if listed.key == prefix && prefix.ends_with('/') {
                continue;
            }
            objects.extend(self.path(&listed.key)?.map(|path| meta(path, listed)));
        }
        let mut prefixes = Vec::with_capacity(page.prefixes.len());
        for prefix in &page.prefixes {
            prefixes.extend(self.path(prefix.strip_suffix('/').unwrap_or(prefix))?);
        }
        Ok(list_result(prefixes, objects))
    }

    /// The path that stands for a key, for this key and no other.
    fn path(&self, key: &str) -> Result<Option<Path>, Error> {
        let problem = match Path::parse(key) {
            Ok(path) if path.as_ref() == key => return Ok(Some(path)),
            Ok(_) => generic(format!("the key {key:?} is no path of object_store")),
            Err(error) => error.into(),
        };
        match self.illegal_keys {
            IllegalKeys::Fail => Err(problem),
            IllegalKeys::Skip => {
                tracing::warn!(key, "left out of a listing: the key is no path of object_store");
                Ok(None)
            }
        }
    }
}

#[async_trait]
impl PaginatedListStore for OssStore {
    async fn list_paginated(
        &self,
        prefix: Option<&str>,
        opts: PaginatedListOptions,
    ) -> Result<PaginatedListResult, Error> {
        let mut list = List::default();
        list.prefix = prefix.unwrap_or_default().to_owned();
        list.start_after = opts.offset;
        list.delimiter = opts.delimiter.map(|delimiter| delimiter.into_owned());
        let keys = opts.max_keys.unwrap_or(usize::MAX).min(usize::from(MOST_KEYS));
        list.max_keys = u16::try_from(keys).ok();
        list.token = opts.page_token;
        let page = self.page(&list).await?;
        let result = self.legal(&page, &list.prefix)?;
        Ok(PaginatedListResult { result, page_token: page.next })
    }
}

fn meta(location: Path, listed: &Listed) -> ObjectMeta {
    ObjectMeta {
        location,
        last_modified: listed.last_modified.into(),
        size: listed.size,
        e_tag: listed.etag.clone(),
        version: None,
    }
}

/// The keys' beginning that a prefix stands for: whole components.
fn folder(prefix: &Path) -> String {
    match prefix.as_ref() {
        "" => String::new(),
        path => format!("{path}/"),
    }
}

/// The most that the service gives in a page.
const MOST_KEYS: u16 = 1_000;
