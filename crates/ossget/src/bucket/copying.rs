//! Copying an object within the service.

use super::{Bucket, Overwrite, Upload, UploadedPart, Written, document};
use crate::patience::with_patience;
use crate::source::{Call, Pace, answer};
use crate::{Error, ErrorKind, Object, ObjectStat};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use ossget_core::ByteRange;
use ossget_sign::encode_path;
use serde::Deserialize;

impl Bucket {
    /// Makes an object of the bytes and the headers of another, without their passing here
    /// (CopyObject; in parts where there is more than 1 GiB). The source is looked at first: what is
    /// copied is what was found then, and its CRC-64 is compared with the copy's. Tags of an object
    /// above 1 GiB are not copied.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) where there is no source; [`Exists`](ErrorKind::Exists) where
    /// another object must not be replaced; [`Integrity`](ErrorKind::Integrity) where the copy has
    /// another CRC-64; those of the service.
    ///
    /// # Cancel safety
    ///
    /// The copy is there or not, never in part. Parts of a large one may be left to the service.
    pub async fn copy(
        &self,
        from: &Object,
        to: &Object,
        overwrite: Overwrite,
    ) -> Result<Written, Error> {
        let stat = self.head(from, &[]).await?;
        let source = source_headers(from, &stat)?;
        if stat.identity.size > MOST_AT_ONCE {
            return self.copy_in_parts(&stat, source, to, overwrite).await;
        }
        let mut headers = overwrite.header();
        headers.extend(source);
        let mut call = Call::of_object(Method::PUT, to, headers);
        call.pace = Pace::Slow;
        let written = Written::told_by(&self.exchange_heeding(&call, overwrite).await?);
        written.checked(stat.identity.crc64)
    }

    async fn copy_in_parts(
        &self,
        stat: &ObjectStat,
        source: HeaderMap,
        to: &Object,
        overwrite: Overwrite,
    ) -> Result<Written, Error> {
        let kept = stat.headers.iter().filter(|(name, _)| is_kept(name)).cloned();
        let upload = self.begin_upload(to, &kept.collect::<Vec<_>>()).await?;
        let copied = self.copy_parts(stat, &source, &upload, overwrite).await;
        if copied.is_err() {
            // What cannot be copied cannot be cleaned up either, perhaps; the first error counts.
            drop(self.abort_upload(&upload).await);
        }
        copied
    }

    async fn copy_parts(
        &self,
        stat: &ObjectStat,
        source: &HeaderMap,
        upload: &Upload,
        overwrite: Overwrite,
    ) -> Result<Written, Error> {
        let parts = stream::iter(parts(stat.identity.size).zip(1..))
            .map(|(range, number)| self.copy_part(source, upload, range, number));
        let parts: Vec<_> = parts.buffered(PARALLEL).try_collect().await?;
        let written = self.finish_upload(upload, &parts, overwrite).await?;
        written.checked(stat.identity.crc64)
    }

    /// UploadPartCopy.
    async fn copy_part(
        &self,
        source: &HeaderMap,
        upload: &Upload,
        range: ByteRange,
        number: u16,
    ) -> Result<UploadedPart, Error> {
        let mut call = upload.part_call(number, source.clone());
        let header = range.header().map(|range| range.to_string()).unwrap_or_default();
        call.headers.insert(COPY_SOURCE_RANGE, value(&header)?);
        call.pace = Pace::Slow;
        with_patience(self.patience, || async {
            let response = self.requests.exchange(&call).await?;
            let crc64 = answer::crc64(&response.head.headers);
            let copied: Copied = document::read(response, self.read_timeout).await?;
            Ok(UploadedPart { number, etag: copied.etag, len: range.len(), crc64 })
        })
        .await
    }
}

/// The document `CopyPartResult`.
#[derive(Debug, Deserialize)]
struct Copied {
    #[serde(rename = "ETag")]
    etag: String,
}

/// What is copied: this content of the object and no other.
fn source_headers(from: &Object, stat: &ObjectStat) -> Result<HeaderMap, Error> {
    let version = from.version().map(|id| format!("?versionId={id}")).unwrap_or_default();
    let source = format!("/{}/{}{version}", from.bucket(), encode_path(from.key()));
    let mut headers = HeaderMap::from_iter([(COPY_SOURCE, value(&source)?)]);
    if let Some(etag) = stat.identity.etag.as_deref().filter(|_| stat.identity.is_pinned()) {
        headers.insert(COPY_SOURCE_IF_MATCH, value(etag)?);
    }
    Ok(headers)
}

fn value(text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(text).map_err(|error| {
        Error::new(ErrorKind::Protocol, "the object's ETag cannot be sent back").with_source(error)
    })
}

/// Whether a header that the service tells of an object is one to write another one with.
fn is_kept(name: &str) -> bool {
    const OF_HTTP: [&str; 6] = [
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-type",
        "expires",
    ];
    OF_HTTP.contains(&name) || name.starts_with("x-oss-meta-")
}

/// The ranges of the parts that an object of this size is copied in.
fn parts(size: u64) -> impl Iterator<Item = ByteRange> {
    let part = PART.max(size.div_ceil(MOST_PARTS));
    let starts = (0..MOST_PARTS).map(move |index| index * part).take_while(move |at| *at < size);
    starts.filter_map(move |start| ByteRange::new(start, start.saturating_add(part).min(size)))
}

const COPY_SOURCE: HeaderName = HeaderName::from_static("x-oss-copy-source");
const COPY_SOURCE_RANGE: HeaderName = HeaderName::from_static("x-oss-copy-source-range");
const COPY_SOURCE_IF_MATCH: HeaderName = HeaderName::from_static("x-oss-copy-source-if-match");
/// Bytes that CopyObject copies at most (OSS documentation, "CopyObject").
const MOST_AT_ONCE: u64 = 1 << 30;
/// Bytes that a part has at least.
const PART: u64 = 256 << 20;
/// Parts that an object has at most.
const MOST_PARTS: u64 = 10_000;
const PARALLEL: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_the_object_and_no_more_than_there_may_be() {
        for size in
            [1, PART, PART + 1, MOST_PARTS * PART, MOST_PARTS * PART + 1, 53_687_091_200_000]
        {
            let parts: Vec<_> = parts(size).collect();
            assert!(parts.len() <= 10_000);
            assert_eq!(parts.iter().map(|part| part.len()).sum::<u64>(), size);
            assert!(parts.windows(2).all(|pair| pair[0].end() == pair[1].start()));
            assert!(parts.iter().rev().skip(1).all(|part| part.len() >= PART));
        }
    }
}
