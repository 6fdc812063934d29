//! Where the bytes of an object come from.

pub(crate) mod answer;
#[cfg(test)]
mod canned;
mod clock;
mod error;
mod oss;
mod redaction;
mod service_error;
mod url;

pub(crate) use answer::{date, parse_date};
pub(crate) use error::kind_of;
pub use error::{SourceError, transport_failure};
pub(crate) use oss::{Call, Pace, RANGE_BEHAVIOR, Requests, is_reserved, of_version};
pub use oss::{OssSource, OssSourceBuilder, Plaintext, Precondition, Signing, TrafficLimit};
pub(crate) use service_error::ServiceError;
pub use url::UrlSource;

use crate::budget::MeteredBody;
use crate::{ErrorKind, Object, ObjectStat, ObjectUrl};
use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use ossget_core::{ByteRange, Failure, ObjectIdentity};
use ossget_transport::Body;
use std::fmt;
use std::time::Duration;
use tokio::time::timeout;

/// Where the bytes of objects come from.
///
/// One call is one attempt: an implementation does not wait and try again, since only the download
/// knows what else is under way. It may repeat a request at once where something needs renewing
/// first, such as the credentials.
///
/// # Cancel safety
///
/// Dropping a future or a [`RangeBody`] gives the request up; nothing is left behind.
#[async_trait]
pub trait Source: fmt::Debug + Send + Sync + 'static {
    /// Learns what the object is now, without its bytes.
    ///
    /// # Errors
    ///
    /// A [`SourceError`], whose [`failure`](SourceError::failure) decides whether it is worth
    /// trying again.
    async fn probe(&self, object: &Object) -> Result<ObjectIdentity, SourceError>;

    /// Learns what the object is now, and asks for its first bytes, `most` of them at most, with
    /// the same request where it can. `most` is not 0.
    ///
    /// # Errors
    ///
    /// As [`probe`](Source::probe).
    async fn open(&self, object: &Object, _most: u64) -> Result<Opening, SourceError> {
        Ok(Opening { identity: self.probe(object).await?, first: None })
    }

    /// Learns all that the server says of the object, without its bytes.
    ///
    /// # Errors
    ///
    /// As [`probe`](Source::probe).
    async fn stat(&self, object: &Object) -> Result<ObjectStat, SourceError> {
        Ok(ObjectStat::new(self.probe(object).await?, &HeaderMap::new()))
    }

    /// The host that requests go to, where there is one.
    fn host(&self) -> Option<String> {
        None
    }

    /// A URL by which whoever has it may read the object for so long. Nothing is sent for it, as
    /// long as the credentials are at hand. `query` holds parameters that the URL is to have,
    /// decoded, such as `response-content-disposition`.
    ///
    /// # Errors
    ///
    /// Of the kind [`Config`](ErrorKind::Config) where the source does not sign, for a parameter
    /// that is part of a signature, and for a time that is too long.
    async fn sign_url(
        &self,
        _object: &Object,
        _query: &[(String, String)],
        _lifetime: Duration,
    ) -> Result<ObjectUrl, SourceError> {
        let what = "URLs are signed for objects of OSS only";
        Err(SourceError::new(Failure::Fatal, what).with_kind(ErrorKind::Config))
    }

    /// Asks for what the service makes of the object, such as `image/resize,w_100`: one answer,
    /// which no range, no ETag and no CRC-64 of the object is about.
    ///
    /// # Errors
    ///
    /// As [`probe`](Source::probe); of the kind [`Config`](ErrorKind::Config) where the source
    /// cannot ask for that.
    async fn get_processed(
        &self,
        _object: &Object,
        _style: &str,
    ) -> Result<ProcessedBody, SourceError> {
        let what = "only OSS processes objects";
        Err(SourceError::new(Failure::Fatal, what).with_kind(ErrorKind::Config))
    }

    /// Asks for a range of the object that was probed as `pinned`, and of no other content.
    ///
    /// `range` holds at least one byte: an empty object has no range to ask for.
    ///
    /// # Errors
    ///
    /// A [`SourceError`]; with [`Failure::Changed`](ossget_core::Failure::Changed) if the object
    /// is no longer the pinned one.
    async fn get_range(
        &self,
        object: &Object,
        range: ByteRange,
        pinned: &ObjectIdentity,
    ) -> Result<RangeBody, SourceError>;
}

/// What an object is, and its beginning.
#[derive(Debug)]
pub struct Opening {
    /// The object as the server describes it.
    pub identity: ObjectIdentity,
    /// Its first bytes, where they came with it.
    pub first: Option<RangeBody>,
}

/// The bytes of a range, to be read.
#[derive(Debug)]
pub struct RangeBody {
    /// Which bytes the body holds: the range asked for or a beginning of it.
    pub granted: ByteRange,
    /// The bytes, no more and no fewer than granted if the server keeps its word.
    pub body: Body,
    /// Whether the service says that it holds answers back: it wants no more of them at once.
    pub held_back: bool,
}

/// What the service made of an object, to be read.
#[derive(Debug)]
pub struct ProcessedBody {
    /// How many bytes there are; `None` where only the end of the body tells.
    pub len: Option<u64>,
    /// The bytes.
    pub body: Body,
}

/// The next bytes of a body that may stay silent for so long; `None` after the last. While they
/// are held nothing is awaited of the other side.
pub(crate) async fn next_chunk(
    body: &mut MeteredBody,
    silence: Duration,
) -> Result<Option<Bytes>, SourceError> {
    let stalled = |_| SourceError::new(Failure::Stalled, "no byte came for too long");
    timeout(silence, body.arrival()).await.map_err(stalled)?.map_err(|error| {
        let (failure, kind) = transport_failure(&error);
        SourceError::new(failure, "the body broke off").with_kind(kind).with_source(error)
    })?;
    Ok(body.take().await)
}

/// Says who asks, unless the caller says something else.
const DEFAULT_USER_AGENT: &str = concat!("ossget/", env!("CARGO_PKG_VERSION"));
