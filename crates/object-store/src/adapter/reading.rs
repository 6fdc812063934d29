//! Reading objects.

use super::error::{generic, told};
use super::object_store::{
    Attributes, Error, GetOptions, GetRange, GetResult, GetResultPayload,
    OBJECT_STORE_COALESCE_DEFAULT, ObjectMeta, coalesce_ranges, path::Path,
};
use super::{OssStore, attributes, get_result};
use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use ossget::bucket::{Get, GotBody};
use ossget::{ByteRange, ExtentRequest, ObjectStat, Precondition};
use std::ops::Range;
use std::time::UNIX_EPOCH;

/// How a piece of more than 16 MiB is fetched that [`get_ranges`] asks for, several ranges that lie close
/// together among them.
///
/// [`get_ranges`]: super::object_store::ObjectStore::get_ranges
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LongRanges {
    /// By one request, as object_store's other clients do.
    #[default]
    Whole,
    /// In parts of 8 MiB, up to eight at once: sooner where one connection does not fill the link, for
    /// more requests.
    InParts,
}

impl OssStore {
    pub(super) async fn read(&self, path: &Path, options: GetOptions) -> Result<GetResult, Error> {
        let mut object = self.object(path)?;
        if let Some(version) = &options.version {
            object = object.version_id(version).map_err(generic)?;
        }
        let preconditions = preconditions(&options);
        if options.head {
            let stat = self.bucket.head(&object, &preconditions).await;
            let stat = stat.map_err(|error| told(error, path))?;
            let nothing = GetResultPayload::Stream(stream::empty().boxed());
            let range = 0..stat.identity.size;
            return Ok(get_result(nothing, meta(path, &stat), range, kept(&stat)));
        }
        let mut get = Get::default();
        get.extent = extent(options.range)?;
        get.preconditions = preconditions;
        let got = self.bucket.get(&object, &get).await.map_err(|error| told(error, path))?;
        let range = got.range.start()..got.range.end();
        let (meta, attributes) = (meta(path, &got.stat), kept(&got.stat));
        Ok(get_result(payload(got.body, path.clone()), meta, range, attributes))
    }

    pub(super) async fn read_ranges(
        &self,
        path: &Path,
        ranges: &[Range<u64>],
    ) -> Result<Vec<Bytes>, Error> {
        let pinned = &self.bucket.pin(self.object(path)?);
        let fetch = |range: Range<u64>| async move {
            let wanted = byte_range(&range)?;
            let bytes = match self.long_ranges {
                LongRanges::Whole => pinned.whole_range(wanted).await,
                LongRanges::InParts => pinned.range(wanted).await,
            };
            let bytes = bytes.map_err(|error| told(error, path))?;
            let end = range.start.saturating_add(bytes.len() as u64);
            // Of these, object_store would cut a piece that is not there, and panic.
            match ranges.iter().find(|it| range.contains(&it.start) && it.start > end) {
                Some(beyond) => Err(generic(format!("the range {beyond:?} begins beyond the end"))),
                None => Ok(bytes),
            }
        };
        coalesce_ranges(ranges, fetch, OBJECT_STORE_COALESCE_DEFAULT).await
    }
}

/// What is said of the object, as object_store says it.
fn meta(path: &Path, stat: &ObjectStat) -> ObjectMeta {
    let identity = &stat.identity;
    ObjectMeta {
        location: path.clone(),
        last_modified: stat.last_modified().unwrap_or(UNIX_EPOCH).into(),
        size: identity.size,
        e_tag: identity.etag.clone(),
        version: identity.version_id.clone(),
    }
}

fn kept(stat: &ObjectStat) -> Attributes {
    attributes::attributes(&stat.headers)
}

fn payload(body: GotBody, path: Path) -> GetResultPayload {
    let chunks = stream::try_unfold((body, path), |(mut body, path)| async move {
        match body.chunk().await {
            Ok(chunk) => Ok(chunk.map(|chunk| (chunk, (body, path)))),
            Err(error) => Err(told(error, &path)),
        }
    });
    GetResultPayload::Stream(chunks.boxed())
}

fn preconditions(options: &GetOptions) -> Vec<Precondition> {
    [
        options.if_match.clone().map(Precondition::IfMatch),
        options.if_none_match.clone().map(Precondition::IfNoneMatch),
        options.if_modified_since.map(|time| Precondition::modified_since(time.into())),
        options.if_unmodified_since.map(|time| Precondition::unmodified_since(time.into())),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn extent(range: Option<GetRange>) -> Result<ExtentRequest, Error> {
    Ok(match range {
        None => ExtentRequest::Whole,
        Some(GetRange::Bounded(range)) => ExtentRequest::Slice(byte_range(&range)?),
        Some(GetRange::Offset(start)) => ExtentRequest::From(start),
        Some(GetRange::Suffix(bytes)) => ExtentRequest::Last(bytes),
    })
}

fn byte_range(range: &Range<u64>) -> Result<ByteRange, Error> {
    let found = ByteRange::new(range.start, range.end).filter(|range| !range.is_empty());
    found.ok_or_else(|| generic(format!("the range {range:?} holds no byte")))
}
