//! What a URL names, public or presigned.

use super::answer::{self, Refusal};
use super::{Opening, Plaintext, ProcessedBody, RangeBody, Source, SourceError};
use crate::{Error, ErrorKind, Object, ObjectStat, ObjectUrl};
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_RANGE, USER_AGENT};
use http::{HeaderMap, HeaderValue, StatusCode};
use ossget_core::{ByteRange, ContentRange, ContentRangeError, Failure, ObjectIdentity};
use ossget_transport::{Limits, Response, Transport};
use std::sync::Arc;
use std::time::SystemTime;

/// What one URL names, by unsigned GETs: the URL itself lets in whoever has it.
///
/// A presigned URL is signed for GET and for certain headers. So there is no HEAD, the object is
/// looked at by a GET of its first byte, and no `x-oss-…` header is sent: the service counts each
/// of them as signed.
#[derive(Debug)]
pub struct UrlSource {
    transport: Arc<dyn Transport>,
    url: ObjectUrl,
    limits: Limits,
}

impl UrlSource {
    /// A source of what `url` names. With [`Plaintext::Refuse`] a URL that may be signed must not
    /// be `http://`, except on this machine: whoever is on the way could use it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for such a URL.
    pub fn new(
        transport: Arc<dyn Transport>,
        url: ObjectUrl,
        limits: Limits,
        plaintext: Plaintext,
    ) -> Result<Self, Error> {
        let endpoint = url.endpoint();
        let is_open = endpoint.is_plaintext() && !endpoint.is_loopback();
        if is_open && plaintext == Plaintext::Refuse && url.is_signed() {
            return Err(Error::config("the URL", &url, "https:// where its query may sign it")
                .with_hint("use https, or allow plaintext if everybody on the way is trusted"));
        }
        Ok(Self { transport, url, limits })
    }

    /// The answer to a GET, whatever its status.
    async fn get(&self, object: &Object, headers: HeaderMap) -> Result<Response, SourceError> {
        if *object != self.url.object() {
            return Err(SourceError::new(Failure::Fatal, "the client is for another URL")
                .with_kind(ErrorKind::Config));
        }
        let mut request = http::Request::new(Bytes::new());
        *request.uri_mut() = self.url.uri().map_err(|error| {
            SourceError::new(Failure::Fatal, "the request has no valid URI")
                .with_kind(ErrorKind::Internal)
                .with_source(error)
        })?;
        *request.headers_mut() = headers;
        let fixed = [(USER_AGENT, super::DEFAULT_USER_AGENT), (ACCEPT_ENCODING, "identity")];
        for (name, value) in fixed {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        Ok(self.transport.send(request, self.limits).await?)
    }

    async fn refused(&self, response: Response) -> SourceError {
        let secrets: Vec<String> = self.url.secrets().collect();
        let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
        let error = Refusal::read(response, &secrets).await.error;
        let is_over = self.url.expires().is_some_and(|at| at <= SystemTime::now());
        match error.failure() {
            Failure::Denied | Failure::ExpiredCredentials if is_over => {
                error.with_kind(ErrorKind::Credentials).with_hint(EXPIRED)
            }
            // Nobody can renew it here.
            Failure::Denied | Failure::ExpiredCredentials => error.with_hint(DENIED),
            _ => error,
        }
    }

    fn told(&self, error: SourceError) -> SourceError {
        error.with_host(self.url.endpoint().host())
    }

    /// The answer to a request for the first `most` bytes, and the object's length.
    async fn look(&self, object: &Object, most: u64) -> Result<(Response, u64), SourceError> {
        if self.url.process().is_some() {
            let what = "the URL is of what the service makes of an object, and not of the object";
            return Err(SourceError::new(Failure::Fatal, what)
                .with_kind(ErrorKind::Config)
                .with_hint("read it with `get` or `cat`, or take a URL without `x-oss-process`"));
        }
        let (_, headers) = answer::first_bytes(most)?;
        let response = self.get(object, headers).await?;
        let headers = &response.head.headers;
        let length = match response.head.status {
            StatusCode::PARTIAL_CONTENT => answer::total(headers)?,
            // An empty object has no first byte: OSS sends all of it, others say how long it is.
            StatusCode::OK => match answer::content_length(headers)? {
                Some(length) if length <= most => length,
                _ => return Err(answer::range_ignored()),
            },
            StatusCode::RANGE_NOT_SATISFIABLE if is_empty(headers) => 0,
            status if status.is_success() => return Err(answer::unexpected(status)),
            _ => return Err(self.refused(response).await),
        };
        Ok((response, length))
    }

    async fn opening(&self, object: &Object, most: u64) -> Result<Opening, SourceError> {
        let (response, length) = self.look(object, most).await?;
        let identity = answer::identity_of(&response.head.headers, length)?;
        match ByteRange::new(0, most.min(length)) {
            Some(range) if length > 0 => answer::opening(response, range, identity),
            _ => Ok(Opening { identity, first: None }),
        }
    }
}

#[async_trait]
impl Source for UrlSource {
    /// GET of the first byte.
    async fn probe(&self, object: &Object) -> Result<ObjectIdentity, SourceError> {
        Ok(self.stat(object).await?.identity)
    }

    /// GET of the first bytes.
    async fn open(&self, object: &Object, most: u64) -> Result<Opening, SourceError> {
        self.opening(object, most).await.map_err(|error| self.told(error))
    }

    /// GET of the first byte.
    async fn stat(&self, object: &Object) -> Result<ObjectStat, SourceError> {
        let looked = self.look(object, 1).await.and_then(|(response, length)| {
            let headers = &response.head.headers;
            Ok(ObjectStat::new(answer::identity_of(headers, length)?, headers))
        });
        looked.map_err(|error| self.told(error))
    }

    fn host(&self) -> Option<String> {
        Some(self.url.endpoint().host())
    }

    /// GET. What the service is to do stands in the URL, which may be signed for it.
    async fn get_processed(
        &self,
        object: &Object,
        style: &str,
    ) -> Result<ProcessedBody, SourceError> {
        if self.url.process().as_deref() != Some(style) {
            let what = "the URL does not ask for this processing";
            return Err(SourceError::new(Failure::Fatal, what)
                .with_kind(ErrorKind::Config)
                .with_hint("have it in the URL: `x-oss-process=STYLE` in its query, and signed"));
        }
        let response = self.get(object, HeaderMap::new()).await?;
        let body = match response.head.status.is_success() {
            true => answer::processed_body(response),
            false => Err(self.refused(response).await),
        };
        body.map_err(|error| self.told(error))
    }

    /// GET with `Range`, and with `If-Match` where the ETag is a strong one.
    async fn get_range(
        &self,
        object: &Object,
        range: ByteRange,
        pinned: &ObjectIdentity,
    ) -> Result<RangeBody, SourceError> {
        let response = self.get(object, answer::range_headers(range, pinned)?).await?;
        let body = match response.head.status.is_success() {
            true => answer::range_body(response, range, pinned),
            false => Err(self.refused(response).await),
        };
        body.map_err(|error| self.told(error))
    }
}

/// Whether there is nothing that a range could be of.
fn is_empty(headers: &HeaderMap) -> bool {
    let parsed = headers.get(CONTENT_RANGE).map(|value| ContentRange::parse(value.as_bytes()));
    matches!(parsed, Some(Err(ContentRangeError::Unsatisfied { total: 0 })))
}

const EXPIRED: &str = "the URL has expired: get a new one for the same object and run it again";
const DENIED: &str = "get a new URL for the same object, signed for GET, and run it again";

#[cfg(test)]
mod tests;
