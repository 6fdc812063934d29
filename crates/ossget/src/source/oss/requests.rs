//! Requests to OSS, signed.

use super::Plaintext;
use super::builder;
use super::options::REQUEST_PAYER;
use crate::credentials::{Credentials, CredentialsProvider};
use crate::endpoint::{Addressing, Endpoint, Located};
use crate::source::SourceError;
use crate::source::answer::Refusal;
use crate::source::clock::{Clock, Correction, SigningTime, Trust};
use crate::{ErrorKind, Object};
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use ossget_core::Failure;
use ossget_sign::{Signer, encode_query};
use ossget_transport::{Limits, Response, Transport};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Sends requests to one endpoint of OSS.
///
/// Each request is signed anew with the current time. If the service finds the clock wrong, the
/// difference is noted for all later requests and the request is sent once more; likewise if
/// temporary credentials are not accepted any more and the provider, told so, has others.
///
/// Redirects are not followed: the signature, and a token with it, would go to another host.
pub(crate) struct Requests {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) endpoint: Endpoint,
    pub(super) addressing: Addressing,
    /// `None` only where there are never any credentials.
    pub(super) signer: Option<Signer>,
    pub(super) credentials: Arc<dyn CredentialsProvider>,
    pub(super) limits: Limits,
    pub(super) plaintext: Plaintext,
    /// Sent with every request.
    pub(super) headers: HeaderMap,
    pub(super) clock: Clock,
}

/// A request before it is signed, which may happen more than once.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) bucket: &'a str,
    /// None of a request to the bucket.
    pub(crate) key: Option<&'a str>,
    /// Decoded; an empty value means a name without one.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) pace: Pace,
}

/// How long the service may take for a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As long as for any.
    #[default]
    Usual,
    /// Ten minutes longer: it copies, or puts together, what may be large.
    Slow,
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

impl Requests {
    /// The error with the host that the request went to.
    pub(crate) fn told(&self, error: SourceError) -> SourceError {
        error.with_host(self.endpoint.host())
    }

    /// Sends a request, and once more if that may help, until there is a status of success.
    pub(crate) async fn exchange(&self, call: &Call<'_>) -> Result<Response, SourceError> {
        let limits = self.limits(call);
        let (refusal, stamp) = match self.send(self.sign(call).await?, limits).await? {
            Answer::Success(response) => return Ok(response),
            Answer::Refusal(refusal, stamp) => (refusal, stamp),
        };
        let Some(renewed) = self.renew(call, &refusal, &stamp).await? else {
            return Err(refusal.error);
        };
        match self.send(renewed, limits).await? {
            Answer::Success(response) => Ok(response),
            Answer::Refusal(refusal, _) => Err(refusal.error),
        }
    }

    /// The limits for a request with a body that needs its time on the way.
    fn limits(&self, call: &Call<'_>) -> Limits {
        Limits::new(self.limits.connect, self.limits.head.saturating_add(call.further_time()))
    }

    async fn send(&self, signed: Signed, limits: Limits) -> Result<Answer, SourceError> {
        let response = self.transport.send(signed.request, limits).await?;
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
        let mut headers = self.headers.clone();
        headers.extend(call.headers.clone());
        let credentials = self.credentials.credentials().await?;
        let time = self.clock.at(SystemTime::now());
        if let Some(credentials) = &credentials {
            let signature =
                self.signer()?.sign(&call.unsigned(&headers), credentials, time.time)?;
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
        let mut request = http::Request::new(call.body.clone());
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = self.uri(call, &encode_query(&call.query))?;
        *request.headers_mut() = headers;
        Ok(Signed { request, stamp })
    }

    /// The URI of a request with its signature in the query, which whoever has it may send for so
    /// long; without credentials, the plain one. What is a header of our own requests must be a
    /// parameter there, since nobody else would send it.
    pub(crate) async fn presign(
        &self,
        mut call: Call<'_>,
        lifetime: Duration,
    ) -> Result<Uri, SourceError> {
        let Some(credentials) = self.credentials.credentials().await? else {
            return self.uri(&call, &encode_query(&call.query));
        };
        let is_there = call.query.iter().any(|(name, _)| *name == REQUEST_PAYER.as_str());
        if self.headers.contains_key(REQUEST_PAYER) && !is_there {
            call.query.push((REQUEST_PAYER.to_string(), "requester".to_owned()));
        }
        let time = self.clock.at(SystemTime::now()).time;
        let unsigned = call.unsigned(&call.headers);
        let signed = self.signer()?.presign(&unsigned, &credentials, time, lifetime)?;
        self.uri(&call, &signed.encoded_query())
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
    fn uri(&self, call: &Call<'_>, query: &str) -> Result<Uri, SourceError> {
        let key = call.key.unwrap_or_default();
        let Located { authority, path } = self.endpoint.locate(call.bucket, key, self.addressing);
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

    pub(super) fn refuses_plaintext(&self) -> bool {
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

impl<'a> Call<'a> {
    /// A request about `object`, or the version of it that is meant.
    pub(crate) fn of_object(method: Method, object: &'a Object, headers: HeaderMap) -> Self {
        let query = version_query(object);
        let (bucket, key) = (object.bucket(), Some(object.key()));
        Self { method, bucket, key, query, headers, body: Bytes::new(), pace: Pace::Usual }
    }

    /// How much longer than others it may take: to send its body, and to do what it asks for.
    pub(crate) fn further_time(&self) -> Duration {
        let sending = Duration::from_secs(self.body.len() as u64 / SLOWEST_SENDING);
        match self.pace {
            Pace::Usual => sending,
            Pace::Slow => sending.saturating_add(SLOW),
        }
    }

    fn unsigned<'b>(&'b self, headers: &'b HeaderMap) -> ossget_sign::Request<'b> {
        ossget_sign::Request {
            method: &self.method,
            bucket: Some(self.bucket),
            key: self.key,
            query: &self.query,
            headers,
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

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requests")
            .field("endpoint", &format_args!("{}", self.endpoint))
            .field("addressing", &self.addressing)
            .field("signer", &self.signer)
            .field("credentials", &self.credentials.describe())
            .finish_non_exhaustive()
    }
}

/// The parameter that names the version that is meant.
pub(super) fn version_query(object: &Object) -> Vec<(String, String)> {
    object.version().map(|id| ("versionId".to_owned(), id.to_owned())).into_iter().collect()
}

/// Bytes a second at which a body is still sent, 1 Mbit/s.
const SLOWEST_SENDING: u64 = 128 << 10;
const SLOW: Duration = Duration::from_secs(600);
const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-oss-security-token");
const NOT_PUBLIC: &str = "give credentials: the object is not public, or not there";
