//! Objects of Alibaba Cloud OSS, by signed requests.

mod builder;
mod options;
mod url_query;

pub use builder::{OssSourceBuilder, Plaintext, Signing};
pub use options::{Precondition, TrafficLimit};

use super::answer::{self, Refusal};
use super::clock::{Clock, Correction, SigningTime, Trust};
use super::{Opening, ProcessedBody, RangeBody, Source, SourceError};
use crate::credentials::{Credentials, CredentialsProvider};
use crate::endpoint::{Addressing, Endpoint, Located};
use crate::{ErrorKind, Object, ObjectStat, ObjectUrl};
use async_trait::async_trait;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use ossget_core::{ByteRange, Failure, ObjectIdentity};
use ossget_sign::{Signer, encode_query};
use ossget_transport::{Limits, Response, Transport};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Objects of Alibaba Cloud OSS, by signed requests.
///
/// - Each request is signed anew with the current time. If the service finds the clock wrong, the
///   difference is noted for all later requests and the request is sent once more; likewise if
///   temporary credentials are not accepted any more and the provider, told so, has others.
/// - A ranged GET carries `x-oss-range-behavior: standard`, without which OSS answers a range it
///   cannot satisfy with the whole object, and `If-Match`, with which it answers 412 once the
///   object has changed (OSS documentation, "GetObject").
/// - Redirects are not followed: the signature, and a token with it, would go to another host.
/// - The path on the wire is the percent-encoded key, byte for byte, never normalised.
pub struct OssSource {
    transport: Arc<dyn Transport>,
    endpoint: Endpoint,
    addressing: Addressing,
    /// `None` only where there are never any credentials.
    signer: Option<Signer>,
    credentials: Arc<dyn CredentialsProvider>,
    limits: Limits,
    plaintext: Plaintext,
    /// Sent with every request.
    headers: HeaderMap,
    /// Sent where the object is looked at, and at nothing else.
    preconditions: HeaderMap,
    /// Parameters of each GET that replace headers of its answer.
    overrides: Vec<(String, String)>,
    clock: Clock,
}

/// A request before it is signed, which may happen more than once.
struct Call<'a> {
    method: Method,
    object: &'a Object,
    /// What the service is to make of the object.
    process: Option<&'a str>,
    headers: HeaderMap,
}

/// A request ready to be sent.
struct Signed {
    request: http::Request<Bytes>,
    stamp: Stamp,
}

/// What a request was signed with.
struct Stamp {
    time: SigningTime,
    credentials: Option<Credentials>,
    token: Option<HeaderValue>,
    authorization: Option<HeaderValue>,
}

/// How the service took a request.
enum Answer {
    Success(Response),
    Refusal(Refusal, Stamp),
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

    /// HEAD, with the caller's preconditions.
    async fn head(&self, object: &Object) -> Result<Response, SourceError> {
        let call = Call::new(Method::HEAD, object, self.preconditions.clone());
        let response = self.exchange_if(&call).await?;
        match response.head.status {
            StatusCode::OK => Ok(response),
            other => Err(self.told(answer::unexpected(other))),
        }
    }

    /// Sends a request with the caller's preconditions in it.
    async fn exchange_if(&self, call: &Call<'_>) -> Result<Response, SourceError> {
        let has_any = !self.preconditions.is_empty();
        let response = self.exchange(call).await.map_err(|error| match error.status() {
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
            .map_err(|error| self.told(error))
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
            .map_err(|error| self.told(error))
    }

    fn told(&self, error: SourceError) -> SourceError {
        error.with_host(self.endpoint.host())
    }

    /// Sends a request, and once more if that may help, until there is a status of success.
    async fn exchange(&self, call: &Call<'_>) -> Result<Response, SourceError> {
        let (refusal, stamp) = match self.send(self.sign(call).await?).await? {
            Answer::Success(response) => return Ok(response),
            Answer::Refusal(refusal, stamp) => (refusal, stamp),
        };
        let Some(renewed) = self.renew(call, &refusal, &stamp).await? else {
            return Err(refusal.error);
        };
        match self.send(renewed).await? {
            Answer::Success(response) => Ok(response),
            Answer::Refusal(refusal, _) => Err(refusal.error),
        }
    }

    async fn send(&self, signed: Signed) -> Result<Answer, SourceError> {
        let response = self.transport.send(signed.request, self.limits).await?;
        let status = response.head.status;
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(Answer::Success(response));
        }
        let mut refusal = Refusal::read(response, &signed.stamp.secrets()).await;
        if signed.stamp.credentials.is_none() && refusal.error.failure() == Failure::Denied {
            refusal.error = refusal.error.with_hint(NOT_PUBLIC);
        }
        refusal.error = self.told(refusal.error);
        Ok(Answer::Refusal(refusal, signed.stamp))
    }

    /// The request signed again, if what it was refused for is different now. An error only where
    /// it may be different later.
    async fn renew(
        &self,
        call: &Call<'_>,
        refusal: &Refusal,
        stamp: &Stamp,
    ) -> Result<Option<Signed>, SourceError> {
        if let Some(credentials) = stamp.credentials.as_ref().filter(|it| refusal.is_for(it)) {
            self.credentials.refused(credentials);
            return match self.sign(call).await {
                Ok(signed) if signed.stamp.is_of(credentials) => Ok(None),
                Ok(signed) => Ok(Some(signed)),
                Err(error) if error.failure().is_transient() => Err(error),
                Err(_) => Ok(None),
            };
        }
        Ok(self.renew_time(call, refusal, stamp.time).await)
    }

    /// The request signed with the service's time, if it was refused for its own.
    async fn renew_time(
        &self,
        call: &Call<'_>,
        refusal: &Refusal,
        signed: SigningTime,
    ) -> Option<Signed> {
        match refusal.error.failure() {
            Failure::ClockSkew if self.trust() == Trust::Granted => {
                let now = SystemTime::now();
                match self.clock.correct(signed, refusal.server_time?, now) {
                    Correction::Corrected { offset_seconds } => {
                        tracing::warn!(
                            offset_seconds,
                            "the service finds the clock wrong, signing with its time from now on"
                        );
                        self.sign(call).await.ok()
                    }
                    Correction::Refused => None,
                }
            }
            _ => None,
        }
    }

    async fn sign(&self, call: &Call<'_>) -> Result<Signed, SourceError> {
        let mut query = version_query(call.object);
        if call.method == Method::GET {
            query.extend(self.overrides.iter().cloned());
        }
        query.extend(call.process.map(|style| (PROCESS.to_owned(), style.to_owned())));
        let mut headers = self.headers.clone();
        headers.extend(call.headers.clone());
        let credentials = self.credentials.credentials().await?;
        let time = self.clock.at(SystemTime::now());
        if let Some(credentials) = &credentials {
            let unsigned = ossget_sign::Request {
                method: &call.method,
                bucket: Some(call.object.bucket()),
                key: Some(call.object.key()),
                query: &query,
                headers: &headers,
            };
            let signature = self.signer()?.sign(&unsigned, credentials, time.time)?;
            for (name, value) in signature.into_headers() {
                headers.insert(name, value);
            }
        }
        let stamp = Stamp {
            time,
            credentials,
            token: headers.get(SECURITY_TOKEN).cloned(),
            authorization: headers.get(AUTHORIZATION).cloned(),
        };
        let mut request = http::Request::new(Bytes::new());
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = self.uri(call.object, &encode_query(&query))?;
        *request.headers_mut() = headers;
        Ok(Signed { request, stamp })
    }

    /// The signer, unless credentials are not to be used at all. The constructor has seen to that,
    /// as long as the provider keeps its word about being anonymous.
    fn signer(&self) -> Result<&Signer, SourceError> {
        if self.refuses_plaintext() {
            return Err(builder::plaintext_refused(&self.endpoint).into());
        }
        self.signer.as_ref().ok_or_else(|| {
            SourceError::new(Failure::Fatal, "there are credentials, but no region to sign for")
                .with_kind(ErrorKind::Config)
        })
    }

    /// The URI as it must be on the wire. `http::Uri` keeps what it is given, unlike types that
    /// follow the WHATWG URL standard, which resolve `a/../b`.
    fn uri(&self, object: &Object, query: &str) -> Result<Uri, SourceError> {
        let Located { authority, path } =
            self.endpoint.locate(object.bucket(), object.key(), self.addressing);
        let target = if query.is_empty() { path } else { format!("{path}?{query}") };
        Uri::builder()
            .scheme(self.endpoint.scheme())
            .authority(authority)
            .path_and_query(target)
            .build()
            .map_err(|error| {
                SourceError::new(Failure::Fatal, "the request has no valid URI")
                    .with_kind(ErrorKind::Internal)
                    .with_source(error)
            })
    }

    fn refuses_plaintext(&self) -> bool {
        self.plaintext == Plaintext::Refuse
            && self.endpoint.is_plaintext()
            && !self.endpoint.keeps_here(self.addressing)
    }

    /// Nobody on the way can forge an answer over TLS; where plaintext is allowed, that risk has
    /// been accepted.
    fn trust(&self) -> Trust {
        let is_safe = !self.endpoint.is_plaintext() || self.endpoint.keeps_here(self.addressing);
        match self.plaintext {
            Plaintext::Refuse if !is_safe => Trust::Withheld,
            Plaintext::Refuse | Plaintext::Allow => Trust::Granted,
        }
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
        let opened = match self.exchange_if(&Call::new(Method::GET, object, headers)).await {
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
        Some(self.endpoint.host())
    }

    /// Signed for GET; without credentials, the URL of an object that everybody may read. V4 allows
    /// 1 second to 7 days.
    async fn sign_url(
        &self,
        object: &Object,
        query: &[(String, String)],
        lifetime: Duration,
    ) -> Result<ObjectUrl, SourceError> {
        let query = self.url_query(object, query)?;
        let credentials = self.credentials.credentials().await?;
        let query = match &credentials {
            None => encode_query(&query),
            Some(credentials) => {
                let unsigned = ossget_sign::Request {
                    method: &Method::GET,
                    bucket: Some(object.bucket()),
                    key: Some(object.key()),
                    query: &query,
                    headers: &HeaderMap::new(),
                };
                let time = self.clock.at(SystemTime::now()).time;
                let signed = self.signer()?.presign(&unsigned, credentials, time, lifetime)?;
                signed.encoded_query()
            }
        };
        self.uri(object, &query)?.to_string().parse().map_err(SourceError::from)
    }

    /// Signed GET with `x-oss-process` in its query.
    async fn get_processed(
        &self,
        object: &Object,
        style: &str,
    ) -> Result<ProcessedBody, SourceError> {
        let call = Call::new(Method::GET, object, self.preconditions.clone());
        let response = self.exchange_if(&Call { process: Some(style), ..call }).await?;
        answer::processed_body(response).map_err(|error| self.told(error))
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
        let response = self.exchange(&Call::new(Method::GET, object, headers)).await?;
        answer::range_body(response, range, pinned).map_err(|error| self.told(error))
    }
}

impl<'a> Call<'a> {
    const fn new(method: Method, object: &'a Object, headers: HeaderMap) -> Self {
        Self { method, object, process: None, headers }
    }
}

impl Stamp {
    /// What an answer must not repeat to anybody: the token, and what the request was signed with.
    fn secrets(&self) -> Vec<&str> {
        let [token, authorization] = [&self.token, &self.authorization]
            .map(|value| value.as_ref().and_then(|value| value.to_str().ok()));
        let signature = authorization.and_then(|text| {
            text.rsplit_once("Signature=").or_else(|| text.rsplit_once(':')).map(|(_, it)| it)
        });
        // The longest first: it holds the other one.
        [token, authorization, signature].into_iter().flatten().collect()
    }

    fn is_of(&self, credentials: &Credentials) -> bool {
        self.credentials.as_ref().is_some_and(|own| own.is_same_as(credentials))
    }
}

impl fmt::Debug for OssSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OssSource")
            .field("endpoint", &format_args!("{}", self.endpoint))
            .field("addressing", &self.addressing)
            .field("signer", &self.signer)
            .field("credentials", &self.credentials.describe())
            .finish_non_exhaustive()
    }
}

const RANGE_BEHAVIOR: HeaderName = HeaderName::from_static("x-oss-range-behavior");
const PROCESS: &str = "x-oss-process";
const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-oss-security-token");

fn version_query(object: &Object) -> Vec<(String, String)> {
    object.version().map(|id| ("versionId".to_owned(), id.to_owned())).into_iter().collect()
}

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
fn of_version(
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

const NOT_PUBLIC: &str = "give credentials: the object is not public, or not there";

#[cfg(test)]
mod tests;
