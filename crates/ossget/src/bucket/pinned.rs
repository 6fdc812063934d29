//! Ranges of one content.

use super::{Bucket, Get};
use crate::{Error, ErrorKind, ExtentRequest, Object};
use bytes::{Bytes, BytesMut};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use ossget_core::{ByteRange, ObjectIdentity};
use std::sync::OnceLock;

/// An object of which several ranges are read, all of one content: the one that the first answer
/// has. Made by [`Bucket::pin`].
#[derive(Debug)]
pub struct PinnedObject {
    bucket: Bucket,
    object: Object,
    identity: OnceLock<ObjectIdentity>,
}

impl Bucket {
    /// An object of which several ranges are to be read. Nothing is asked for yet.
    #[must_use]
    pub fn pin(&self, object: Object) -> PinnedObject {
        PinnedObject { bucket: self.clone(), object, identity: OnceLock::new() }
    }
}

impl PinnedObject {
    /// The bytes of a range, clipped at the end of the object: by one request up to 16 MiB, beyond
    /// that by one for every 8 MiB, eight of them at once after the first;
    /// [`whole_range`](Self::whole_range) makes one request in any case.
    ///
    /// Ranges can be asked for at the same time. Before the first answer nothing is known of the
    /// object, so these requests are not pinned: their answers are compared.
    ///
    /// # Errors
    ///
    /// [`Changed`](ErrorKind::Changed) where the object is not, or no longer, the one that the first
    /// answer was of; otherwise as [`Bucket::get`].
    ///
    /// # Cancel safety
    ///
    /// Nothing is changed anywhere.
    pub async fn range(&self, range: ByteRange) -> Result<Bytes, Error> {
        if range.len() <= MOST_AT_ONCE {
            return self.whole_range(range).await;
        }
        // The first part tells how long the object is.
        let first = ByteRange::new(range.start(), range.start().saturating_add(PART));
        let first = self.whole_range(first.unwrap_or(range)).await?;
        let (Some(identity), Some(rest)) =
            (self.identity.get(), ByteRange::new(range.start().saturating_add(PART), range.end()))
        else {
            return Ok(first);
        };
        let Some(rest) = ExtentRequest::Slice(rest).resolve(identity.size) else {
            return Ok(first);
        };
        let parts = stream::iter(parts(rest)).map(|part| self.whole_range(part));
        let parts: Vec<Bytes> = parts.buffered(PARALLEL).try_collect().await?;
        let len = parts.iter().map(Bytes::len).sum::<usize>() + first.len();
        let mut all = BytesMut::with_capacity(len);
        all.extend_from_slice(&first);
        parts.iter().for_each(|part| all.extend_from_slice(part));
        Ok(all.freeze())
    }

    /// The same by one request, however long the range is.
    ///
    /// # Errors
    ///
    /// As [`range`](Self::range).
    ///
    /// # Cancel safety
    ///
    /// Nothing is changed anywhere.
    pub async fn whole_range(&self, range: ByteRange) -> Result<Bytes, Error> {
        let extent = ExtentRequest::Slice(range);
        if let Some(identity) = self.identity.get() {
            let range = extent.resolve(identity.size).ok_or_else(|| {
                Error::new(
                    ErrorKind::RangeBeyondEnd,
                    "the range begins beyond the end of the object",
                )
            })?;
            return self.bucket.body(&self.object, identity.clone(), range).bytes().await;
        }
        let got = self.bucket.get(&self.object, &Get { extent, ..Get::default() }).await?;
        let identity = self.identity.get_or_init(|| got.stat.identity.clone());
        if identity.difference(&got.stat.identity).is_some() {
            let what = "the object was changed while ranges of it were read";
            return Err(Error::new(ErrorKind::Changed, what));
        }
        got.body.bytes().await
    }
}

/// A range in pieces, the last one the shortest.
fn parts(range: ByteRange) -> impl Iterator<Item = ByteRange> {
    let mut start = range.start();
    std::iter::from_fn(move || {
        let end = start.saturating_add(PART).min(range.end());
        let part = ByteRange::new(start, end).filter(|part| !part.is_empty())?;
        start = end;
        Some(part)
    })
}

const MOST_AT_ONCE: u64 = 16 << 20;
const PART: u64 = 8 << 20;
const PARALLEL: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_the_range() {
        let range = ByteRange::new(5, 5 + 2 * PART + 1).unwrap();
        let parts: Vec<_> = parts(range).map(|part| (part.start(), part.end())).collect();
        let (a, b) = (5 + PART, 5 + 2 * PART);
        assert_eq!(parts, [(5, a), (a, b), (b, b + 1)]);
    }
}
