//! Objects of Alibaba Cloud OSS, by signed requests.

mod builder;
mod options;
mod requests;
mod url_query;

pub(crate) use builder::is_reserved;
pub use builder::{OssSourceBuilder, Plaintext, Signing};
pub use options::{Precondition, TrafficLimit};
pub(crate) use requests::{Call, Pace, Requests};

use super::answer;
use super::{Opening, ProcessedBody, RangeBody, Source, SourceError};
use crate::credentials::CredentialsProvider;
use crate::endpoint::Endpoint;
use crate::{ErrorKind, Object, ObjectStat, ObjectUrl};
use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use ossget_core::{ByteRange, ObjectIdentity};
use ossget_transport::{Response, Transport};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Objects of Alibaba Cloud OSS, by signed requests.
///
/// - A ranged GET carries `x-oss-range-behavior: standard`, without which OSS answers a range it
///   cannot satisfy with the whole object, and `If-Match`, with which it answers 412 once the
///   object has changed (OSS documentation, "GetObject").
/// - Requests are signed as they are sent, with the current time; one that is refused for its time or
///   its temporary credentials is sent once more with others. Redirects are not followed.
/// - The path on the wire is the percent-encoded key, byte for byte, never normalised.
pub struct OssSource {
    requests: Arc<Requests>,
    /// Sent where the object is looked at, and at nothing else.
    preconditions: HeaderMap,
    /// Parameters of each GET that replace headers of its answer.
    overrides: Vec<(String, String)>,
}

impl OssSource {
    /// A builder for a source at `endpoint`, with the mandatory things.
    pub fn builder(
        transport: Arc<dyn Transport>,
        endpoint: Endpoint,
        signing: Signing,
        credentials: Arc<dyn CredentialsProvider>,
    ) -> OssSourceBuilder {
        OssSourceBuilder::new(transport, endpoint, signing, credentials)
    }

    /// How its requests are sent.
    pub(crate) fn requests(&self) -> Arc<Requests> {
        Arc::clone(&self.requests)
    }

    /// HEAD, with the caller's preconditions.
    async fn head(&self, object: &Object) -> Result<Response, SourceError> {
        let call = Call::of_object(Method::HEAD, object, self.preconditions.clone());
        let response = self.exchange_if(&call).await?;
        match response.head.status {
            StatusCode::OK => Ok(response),
            other => Err(self.requests.told(answer::unexpected(other))),
        }
    }

    /// Sends a request with the caller's preconditions in it.
    async fn exchange_if(&self, call: &Call<'_>) -> Result<Response, SourceError> {
        let has_any = !self.preconditions.is_empty();
        let response =
            self.requests.exchange(call).await.map_err(|error| match error.status() {
                Some(412) if has_any => failed_precondition(error),
                _ => error,
            })?;
        match response.head.status {
            StatusCode::NOT_MODIFIED if has_any => {
                Err(failed_precondition(answer::unexpected(StatusCode::NOT_MODIFIED)))
            }
            _ => Ok(response),
        }
    }

    fn identity(
        &self,
        object: &Object,
        headers: &HeaderMap,
    ) -> Result<ObjectIdentity, SourceError> {
        answer::identity(headers)
            .and_then(|identity| of_version(identity, object.version()))
            .map_err(|error| self.requests.told(error))
    }

    /// The object and its beginning, as the answer to a request for that has them. `None` of an
    /// answer that a server gives which knows no ranges, or of an empty object.
    fn opened(
        &self,
        object: &Object,
        range: ByteRange,
        response: Response,
    ) -> Result<Option<Opening>, SourceError> {
        if response.head.status != StatusCode::PARTIAL_CONTENT {
            return Ok(None);
        }
        answer::identity_by_range(&response.head.headers)
            .and_then(|identity| of_version(identity, object.version()))
            .and_then(|identity| answer::opening(response, range, identity))
            .map(Some)
            .map_err(|error| self.requests.told(error))
    }

    /// A GET, with what the caller wants its answer to say.
    fn get<'a>(&self, object: &'a Object, headers: HeaderMap) -> Call<'a> {
        let mut call = Call::of_object(Method::GET, object, headers);
        call.query.extend(self.overrides.iter().cloned());
        call
    }
}

#[async_trait]
impl Source for OssSource {
    /// Signed HEAD; and a GET of one byte of an object that seems to be archived, because a HEAD
    /// does not tell whether it can be read.
    async fn probe(&self, object: &Object) -> Result<ObjectIdentity, SourceError> {
        let response = self.head(object).await?;
        let identity = self.identity(object, &response.head.headers)?;
        if answer::may_be_archived(&response.head.headers)
            && let Some(byte) = ByteRange::new(0, identity.size.min(1)).filter(|it| !it.is_empty())
        {
            self.get_range(object, byte, &identity).await?;
        }
        Ok(identity)
    }

    /// Signed GET with `Range`; where that brings no range, as of an empty object, what
    /// [`probe`](Source::probe) does.
    async fn open(&self, object: &Object, most: u64) -> Result<Opening, SourceError> {
        let (range, mut headers) = answer::first_bytes(most)?;
        headers.insert(RANGE_BEHAVIOR, HeaderValue::from_static("standard"));
        headers.extend(self.preconditions.clone());
        let opened = match self.exchange_if(&self.get(object, headers)).await {
            Ok(response) => self.opened(object, range, response)?,
            Err(error) if error.status() == Some(416) => None,
            Err(error) => return Err(error),
        };
        match opened {
            Some(opening) => Ok(opening),
            None => Ok(Opening { identity: self.probe(object).await?, first: None }),
        }
    }

    /// Signed HEAD.
    async fn stat(&self, object: &Object) -> Result<ObjectStat, SourceError> {
        let response = self.head(object).await?;
        let identity = self.identity(object, &response.head.headers)?;
        Ok(ObjectStat::new(identity, &response.head.headers))
    }

    fn host(&self) -> Option<String> {
        Some(self.requests.endpoint.host())
    }

    /// Signed for GET; without credentials, the URL of an object that everybody may read. V4 allows
    /// 1 second to 7 days.
    async fn sign_url(
        &self,
        object: &Object,
        query: &[(String, String)],
        lifetime: Duration,
    ) -> Result<ObjectUrl, SourceError> {
        let mut call = Call::of_object(Method::GET, object, HeaderMap::new());
        call.query = self.url_query(object, query)?;
        let uri = self.requests.presign(call, lifetime).await?;
        uri.to_string().parse().map_err(SourceError::from)
    }

    /// Signed GET with `x-oss-process` in its query.
    async fn get_processed(
        &self,
        object: &Object,
        style: &str,
    ) -> Result<ProcessedBody, SourceError> {
        let mut call = self.get(object, self.preconditions.clone());
        call.query.push((PROCESS.to_owned(), style.to_owned()));
        let response = self.exchange_if(&call).await?;
        answer::processed_body(response).map_err(|error| self.requests.told(error))
    }

    /// Signed GET with `Range`.
    async fn get_range(
        &self,
        object: &Object,
        range: ByteRange,
        pinned: &ObjectIdentity,
    ) -> Result<RangeBody, SourceError> {
        let mut headers = answer::range_headers(range, pinned)?;
        headers.insert(RANGE_BEHAVIOR, HeaderValue::from_static("standard"));
        let response = self.requests.exchange(&self.get(object, headers)).await?;
        answer::range_body(response, range, pinned).map_err(|error| self.requests.told(error))
    }
}

impl fmt::Debug for OssSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OssSource").field("requests", &self.requests).finish_non_exhaustive()
    }
}

pub(crate) const RANGE_BEHAVIOR: HeaderName = HeaderName::from_static("x-oss-range-behavior");
const PROCESS: &str = "x-oss-process";

/// What the caller wanted to be so is not.
fn failed_precondition(error: SourceError) -> SourceError {
    let message = match error.status() {
        Some(_) => "the object is another one, or was modified: a precondition does not hold",
        None => "the object was not modified: a precondition does not hold",
    };
    error.said_as(message).with_kind(ErrorKind::PreconditionFailed)
}

/// Checks that the object described is the version that was asked for. A proxy may leave the
/// version out of its answer; one that names another has answered something else.
pub(crate) fn of_version(
    mut identity: ObjectIdentity,
    asked: Option<&str>,
) -> Result<ObjectIdentity, SourceError> {
    match (&identity.version_id, asked) {
        (Some(found), Some(asked)) if found != asked => Err(SourceError::protocol(
            "the server describes another version than the one asked for",
        )),
        (None, Some(asked)) => {
            identity.version_id = Some(asked.to_owned());
            Ok(identity)
        }
        _ => Ok(identity),
    }
}

#[cfg(test)]
mod tests;
