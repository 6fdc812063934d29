//! The bytes of an object, or of a part of it, by one request that goes on where it breaks off.

use super::Bucket;
use crate::budget::MeteredBody;
use crate::patience::{Patience, with_patience};
use crate::source::{Call, RANGE_BEHAVIOR, SourceError, answer, next_chunk, of_version};
use crate::{Error, ErrorKind, ExtentRequest, Object, ObjectStat, Precondition};
use bytes::{Bytes, BytesMut};
use crc_fast::{CrcAlgorithm, Digest};
use http::header::RANGE;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use ossget_core::{ByteRange, Failure, ObjectIdentity};
use ossget_transport::{Body, Response};
use std::time::Duration;

/// What is asked of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Get {
    /// Which of its bytes.
    pub extent: ExtentRequest,
    /// What must hold of it.
    pub preconditions: Vec<Precondition>,
}

/// An object, or a part of it, to be read.
#[derive(Debug)]
#[non_exhaustive]
pub struct Got {
    /// What the service says of the object.
    pub stat: ObjectStat,
    /// Which of its bytes the body holds.
    pub range: ByteRange,
    /// The bytes.
    pub body: GotBody,
}

/// The bytes of an object in order. Where a connection breaks, another one goes on at the byte that
/// is missing, if the object is still the same.
///
/// What is given out cannot be taken back: [`chunk`](Self::chunk) fails where the object changes,
/// and after the last byte where all of an object does not have the service's CRC-64. Only its
/// `Ok(None)` says that all bytes were right.
#[derive(Debug)]
pub struct GotBody {
    bucket: Bucket,
    object: Object,
    identity: ObjectIdentity,
    /// What is still to come.
    rest: ByteRange,
    current: Option<MeteredBody>,
    /// Where all of the object is read and the service says what its CRC-64 is.
    digest: Option<Digest>,
    /// Since the last byte, once something failed; not the time in which nobody asked.
    patience: Option<Patience>,
}

impl Bucket {
    /// What the service says of an object, without its bytes (HEAD).
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn head(
        &self,
        object: &Object,
        preconditions: &[Precondition],
    ) -> Result<ObjectStat, Error> {
        let call = Call::of_object(Method::HEAD, object, conditions(preconditions)?);
        with_patience(self.patience, || async {
            let response = self.requests.exchange(&call).await.map_err(refused)?;
            let headers = &response.head.headers;
            match response.head.status {
                StatusCode::OK => answer::identity(headers)
                    .and_then(|identity| of_version(identity, object.version()))
                    .map(|identity| ObjectStat::new(identity, headers)),
                StatusCode::NOT_MODIFIED => Err(not_modified(headers)),
                other => Err(answer::unexpected(other)),
            }
            .map_err(|error| self.requests.told(error))
        })
        .await
    }

    /// Asks for an object's bytes (GET).
    ///
    /// # Errors
    ///
    /// [`PreconditionFailed`](ErrorKind::PreconditionFailed), with the
    /// [`status`](Error::status) 304 where the object is as old as, or the same as, the caller has
    /// it; [`RangeBeyondEnd`](ErrorKind::RangeBeyondEnd); those of the service.
    ///
    /// # Cancel safety
    ///
    /// Nothing is changed anywhere.
    pub async fn get(&self, object: &Object, get: &Get) -> Result<Got, Error> {
        let mut headers = conditions(&get.preconditions)?;
        if let Some(range) = range_header(get.extent)? {
            headers.insert(RANGE, range);
            headers.insert(RANGE_BEHAVIOR, HeaderValue::from_static("standard"));
        }
        let call = Call::of_object(Method::GET, object, headers);
        let (stat, range, granted, body) = with_patience(self.patience, || async {
            let response = self.requests.exchange(&call).await.map_err(refused)?;
            answered(response, object, get.extent).map_err(|error| self.requests.told(error))
        })
        .await?;
        let mut got = self.body(object, stat.identity.clone(), range);
        got.current = (granted.len() == range.len()).then(|| self.budget.meter(body));
        Ok(Got { stat, range, body: got })
    }

    /// Asks for a range of the content that is known, without what the caller wants answers to be
    /// called: this one is compared with the first.
    async fn ask(
        &self,
        object: &Object,
        range: ByteRange,
        identity: &ObjectIdentity,
    ) -> Result<Body, SourceError> {
        let mut headers = answer::range_headers(range, identity)?;
        headers.insert(RANGE_BEHAVIOR, HeaderValue::from_static("standard"));
        let response =
            self.requests.exchange(&Call::of_object(Method::GET, object, headers)).await?;
        let got = answer::range_body(response, range, identity);
        got.map(|got| got.body).map_err(|error| self.requests.told(error))
    }

    /// The bytes of a range of a known object, not asked for yet.
    pub(super) fn body(
        &self,
        object: &Object,
        identity: ObjectIdentity,
        rest: ByteRange,
    ) -> GotBody {
        let is_covered = identity.crc64.is_some() && rest.len() == identity.size;
        GotBody {
            bucket: self.clone(),
            object: object.clone(),
            identity,
            rest,
            current: None,
            digest: is_covered.then(|| Digest::new(CrcAlgorithm::Crc64Xz)),
            patience: None,
        }
    }
}

impl GotBody {
    /// The next bytes; `None` after the last one, if all of them were right.
    ///
    /// # Errors
    ///
    /// [`Changed`](ErrorKind::Changed) where the object is another one meanwhile,
    /// [`Integrity`](ErrorKind::Integrity) where the whole does not have the service's CRC-64, and
    /// what a download fails with.
    ///
    /// # Cancel safety
    ///
    /// No byte is lost when it is dropped.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        while !self.rest.is_empty() {
            match self.arrival().await {
                Ok(chunk) => return Ok(Some(chunk)),
                Err(error) => {
                    self.current = None;
                    let time = self.bucket.patience;
                    let patience = self.patience.get_or_insert_with(|| Patience::new(time));
                    let wait = patience.wait(error, Duration::ZERO);
                    tokio::time::sleep(wait.map_err(|error| error.with_range(self.rest))?).await;
                }
            }
        }
        self.conclude().map(|()| None)
    }

    /// All bytes that are still to come.
    ///
    /// # Errors
    ///
    /// As [`chunk`](Self::chunk).
    pub async fn bytes(mut self) -> Result<Bytes, Error> {
        let len = usize::try_from(self.rest.len()).map_err(|error| {
            let what = "there are more bytes than memory can be asked for";
            Error::new(ErrorKind::Config, what).with_source(error)
        })?;
        let Some(first) = self.chunk().await? else { return Ok(Bytes::new()) };
        if first.len() == len {
            return self.chunk().await.map(|_| first);
        }
        let mut bytes = BytesMut::with_capacity(len);
        bytes.extend_from_slice(&first);
        while let Some(chunk) = self.chunk().await? {
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.freeze())
    }

    async fn arrival(&mut self) -> Result<Bytes, SourceError> {
        let body = match self.current.take() {
            Some(body) => body,
            None => {
                let asked = self.bucket.ask(&self.object, self.rest, &self.identity);
                self.bucket.budget.meter(asked.await?)
            }
        };
        let body = self.current.insert(body);
        let chunk = next_chunk(body, self.bucket.read_timeout).await?;
        let chunk =
            chunk.ok_or_else(|| SourceError::new(Failure::Network, "the body ended too soon"))?;
        let start = self.rest.start().saturating_add(chunk.len() as u64);
        self.rest = ByteRange::new(start, self.rest.end())
            .ok_or_else(|| SourceError::protocol("the server sent more bytes than it said"))?;
        if let Some(digest) = &mut self.digest {
            digest.update(&chunk);
        }
        self.patience = None;
        Ok(chunk)
    }

    fn conclude(&self) -> Result<(), Error> {
        let found = self.digest.as_ref().map(Digest::finalize);
        match (found, self.identity.crc64) {
            (Some(found), Some(expected)) if found != expected => {
                let what = "the bytes do not match the object's CRC-64";
                Err(Error::new(ErrorKind::Integrity, what))
            }
            _ => Ok(()),
        }
    }
}

type Answered = (ObjectStat, ByteRange, ByteRange, Body);

/// What the object is, which bytes were meant, which of them come, and these.
fn answered(
    response: Response,
    object: &Object,
    extent: ExtentRequest,
) -> Result<Answered, SourceError> {
    let headers = &response.head.headers;
    let identity = match response.head.status {
        StatusCode::PARTIAL_CONTENT => answer::identity_by_range(headers)?,
        StatusCode::OK => answer::identity(headers)?,
        StatusCode::NOT_MODIFIED => return Err(not_modified(headers)),
        other => return Err(answer::unexpected(other)),
    };
    let identity = of_version(identity, object.version())?;
    let range = extent.resolve(identity.size).ok_or_else(|| {
        SourceError::protocol("the server answers a range that the object does not have")
    })?;
    let stat = ObjectStat::new(identity, headers);
    if response.head.status == StatusCode::PARTIAL_CONTENT {
        let got = answer::range_body(response, range, &stat.identity)?;
        return Ok((stat, range, got.granted, got.body));
    }
    // All of it, to whoever asked for no less.
    if range.len() != stat.identity.size {
        return Err(answer::range_ignored());
    }
    Ok((stat, range, range, response.body))
}

/// `Range`, unless all of the object is meant.
fn range_header(extent: ExtentRequest) -> Result<Option<HeaderValue>, Error> {
    let empty = || Error::new(ErrorKind::RangeBeyondEnd, "an empty range cannot be asked for");
    let text = match extent {
        ExtentRequest::Whole => return Ok(None),
        ExtentRequest::Slice(range) => range.header().ok_or_else(empty)?.to_string(),
        ExtentRequest::From(start) => format!("bytes={start}-"),
        ExtentRequest::Last(0) => return Err(empty()),
        ExtentRequest::Last(bytes) => format!("bytes=-{bytes}"),
        _ => return Err(empty()),
    };
    HeaderValue::from_str(&text).map(Some).map_err(|error| empty().with_source(error))
}

fn conditions(preconditions: &[Precondition]) -> Result<HeaderMap, Error> {
    preconditions.iter().map(Precondition::header).collect()
}

/// What a refusal of a request with preconditions or a range means.
fn refused(error: SourceError) -> SourceError {
    match error.status() {
        Some(412) => error
            .said_as("the object is another one, or was modified: a precondition does not hold")
            .with_kind(ErrorKind::PreconditionFailed),
        Some(416) => error
            .said_as("the range begins beyond the end of the object")
            .with_kind(ErrorKind::RangeBeyondEnd),
        _ => error,
    }
}

fn not_modified(headers: &HeaderMap) -> SourceError {
    SourceError::refused_with(StatusCode::NOT_MODIFIED, headers)
        .said_as("the object was not modified: a precondition does not hold")
        .with_kind(ErrorKind::PreconditionFailed)
}
