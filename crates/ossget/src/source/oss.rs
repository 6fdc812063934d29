//! Objects of Alibaba Cloud OSS, by signed requests.

mod answer;
mod builder;

pub use builder::{OssSourceBuilder, Plaintext, Signing};

use super::clock::{Clock, Correction, SigningTime, Trust};
use super::{RangeBody, Source, SourceError};
use crate::credentials::{Credentials, CredentialsProvider};
use crate::endpoint::{Addressing, Endpoint, Located};
use crate::{ErrorKind, Object};
use answer::Refusal;
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{AUTHORIZATION, IF_MATCH, IF_UNMODIFIED_SINCE, RANGE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use ossget_core::{ByteRange, Expectation, Failure, ObjectIdentity, Verdict, judge};
use ossget_sign::{Signer, encode_query};
use ossget_transport::{Limits, Response, Transport};
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

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
    clock: Clock,
}

/// A request before it is signed, which may happen more than once.
struct Call<'a> {
    method: Method,
    object: &'a Object,
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
    Refusal(Refusal),
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

    /// Sends a request, and once more if that may help, until there is a status of success.
    async fn exchange(&self, call: &Call<'_>) -> Result<Response, SourceError> {
        let refusal = match self.send(self.sign(call).await?).await? {
            Answer::Success(response) => return Ok(response),
            Answer::Refusal(refusal) => refusal,
        };
        let Some(renewed) = self.renew(call, &refusal).await? else {
            return Err(refusal.error);
        };
        match self.send(renewed).await? {
            Answer::Success(response) => Ok(response),
            Answer::Refusal(refusal) => Err(refusal.error),
        }
    }

    async fn send(&self, signed: Signed) -> Result<Answer, SourceError> {
        let response = self.transport.send(signed.request, self.limits).await?;
        if response.head.status.is_success() {
            return Ok(Answer::Success(response));
        }
        let mut refusal = Refusal::read(response, signed.stamp).await;
        refusal.error = refusal.error.with_host(self.endpoint.host());
        Ok(Answer::Refusal(refusal))
    }

    /// The request signed again, if what it was refused for is different now. An error only where
    /// it may be different later.
    async fn renew(
        &self,
        call: &Call<'_>,
        refusal: &Refusal,
    ) -> Result<Option<Signed>, SourceError> {
        if let Some(credentials) = refusal.for_its_credentials() {
            self.credentials.refused(credentials);
            return match self.sign(call).await {
                Ok(signed) if signed.stamp.is_of(credentials) => Ok(None),
                Ok(signed) => Ok(Some(signed)),
                Err(error) if error.failure().is_transient() => Err(error),
                Err(_) => Ok(None),
            };
        }
        Ok(self.renew_time(call, refusal).await)
    }

    /// The request signed with the service's time, if it was refused for its own.
    async fn renew_time(&self, call: &Call<'_>, refusal: &Refusal) -> Option<Signed> {
        match refusal.error.failure() {
            Failure::ClockSkew if self.trust() == Trust::Granted => {
                let now = SystemTime::now();
                match self.clock.correct(refusal.stamp.time, refusal.server_time?, now) {
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
        let version = call.object.version().map(|id| ("versionId".to_owned(), id.to_owned()));
        let query: Vec<(String, String)> = version.into_iter().collect();
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
        let call = Call { method: Method::HEAD, object, headers: HeaderMap::new() };
        let response = self.exchange(&call).await?;
        let identity = match response.head.status {
            StatusCode::OK => answer::identity(&response.head.headers)
                .and_then(|identity| of_version(identity, object.version())),
            other => Err(answer::unexpected(other)),
        };
        let identity = identity.map_err(|error| error.with_host(self.endpoint.host()))?;
        if answer::may_be_archived(&response.head.headers)
            && let Some(byte) = ByteRange::new(0, identity.size.min(1)).filter(|it| !it.is_empty())
        {
            self.get_range(object, byte, &identity).await?;
        }
        Ok(identity)
    }

    /// Signed GET with `Range`.
    async fn get_range(
        &self,
        object: &Object,
        range: ByteRange,
        pinned: &ObjectIdentity,
    ) -> Result<RangeBody, SourceError> {
        let call = Call { method: Method::GET, object, headers: range_headers(range, pinned)? };
        let Response { head, body } = self.exchange(&call).await?;
        let verdict = answer::response_head(&head)
            .map(|head| judge(&head, &Expectation { range, identity: pinned }));
        match verdict {
            Ok(Verdict::Accept { range: granted }) => {
                let held_back = head.headers.contains_key(QOS_DELAY_TIME);
                Ok(RangeBody { granted, body, held_back })
            }
            Ok(Verdict::Reject(rejection)) => {
                Err(answer::rejected(rejection).with_host(self.endpoint.host()))
            }
            Err(error) => Err(error.with_host(self.endpoint.host())),
        }
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

/// What makes a GET one of a range of the pinned content.
fn range_headers(range: ByteRange, pinned: &ObjectIdentity) -> Result<HeaderMap, SourceError> {
    let Some(range) = range.header() else {
        return Err(SourceError::new(Failure::Fatal, "an empty range cannot be asked for")
            .with_kind(ErrorKind::Internal));
    };
    let value = |text: &str| {
        HeaderValue::from_str(text).map_err(|error| {
            SourceError::new(Failure::Fatal, "the object's ETag or date cannot be sent back")
                .with_kind(ErrorKind::Protocol)
                .with_source(error)
        })
    };
    let mut headers = HeaderMap::new();
    headers.insert(RANGE, value(&range.to_string())?);
    headers.insert(RANGE_BEHAVIOR, HeaderValue::from_static("standard"));
    // A weak ETag would never match (RFC 9110, section 13.1.1), as if the object had changed.
    if let Some(etag) = pinned.etag.as_deref().filter(|_| pinned.is_pinned()) {
        headers.insert(IF_MATCH, value(etag)?);
    } else if let Some(date) = &pinned.last_modified {
        // To the second only, but better than nothing.
        headers.insert(IF_UNMODIFIED_SINCE, value(date)?);
    }
    Ok(headers)
}

/// Milliseconds by which the service held an answer back because a limit of bandwidth was reached
/// (OSS documentation, "Bandwidth throttling").
const QOS_DELAY_TIME: HeaderName = HeaderName::from_static("x-oss-qos-delay-time");
const RANGE_BEHAVIOR: HeaderName = HeaderName::from_static("x-oss-range-behavior");
const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-oss-security-token");

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

#[cfg(test)]
mod tests;
