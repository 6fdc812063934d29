//! Why a source could not deliver.

use super::ServiceError;
use crate::error::{BoxError, MAX_MESSAGE, printable};
use crate::{Error, ErrorKind};
use http::{HeaderMap, StatusCode};
use ossget_core::Failure;
use ossget_sign::{SignError, SignErrorKind};
use ossget_transport::{TransportError, TransportErrorKind};
use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// Why a source could not deliver: a class for the retry decision, a kind for the caller, and what
/// the service said.
///
/// `Display` says this level only; no text holds a secret or a query string.
#[derive(Debug)]
pub struct SourceError(Box<Parts>);

/// What a source error consists of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) failure: Failure,
    pub(crate) kind: ErrorKind,
    pub(crate) message: Cow<'static, str>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) service: Option<ServiceError>,
    pub(crate) host: Option<String>,
    pub(crate) hint: Option<Cow<'static, str>>,
    pub(crate) source: Option<BoxError>,
}

impl SourceError {
    /// An error of the class `failure`, of the kind that goes with it; `message` says what
    /// happened, in lower case and without a full stop.
    ///
    /// The message must not hold secrets; control characters in it are escaped.
    #[must_use]
    pub fn new(failure: Failure, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Parts {
            failure,
            kind: kind_of(failure),
            message: printable(message.into(), MAX_MESSAGE),
            retry_after: None,
            service: None,
            host: None,
            hint: None,
            source: None,
        }))
    }

    /// The server does what no server may do.
    #[must_use]
    pub fn protocol(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Failure::Protocol, message)
    }

    /// What the service refused, and how long it asks to wait.
    pub(crate) fn of_service(service: ServiceError, retry_after: Option<Duration>) -> Self {
        let failure = Failure::of_status(service.status(), service.code());
        let mut this = Self::new(failure, service.to_string());
        this.0.hint = service.hint().map(Cow::Owned);
        this.0.retry_after = retry_after;
        if service.code() == Some("FileAlreadyExists") {
            this.0.kind = ErrorKind::Exists;
        }
        this.with_service(service)
    }

    /// A refusal by its status and headers alone.
    pub(crate) fn refused_with(status: StatusCode, headers: &HeaderMap) -> Self {
        Self::of_service(ServiceError::read(status, headers, b"", &[]), None)
    }

    /// The same refusal in other words, and final.
    pub(crate) fn said_as(mut self, message: &'static str) -> Self {
        self.0.message = message.into();
        self.0.failure = Failure::Fatal;
        self.0.hint = None;
        self
    }

    /// Sets what the service said.
    pub(crate) fn with_service(mut self, service: ServiceError) -> Self {
        self.0.service = Some(service);
        self
    }

    /// Sets the kind, where it is not the one that goes with the class.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// Sets how long the server asked to wait.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Sets the host that the request went to.
    #[must_use]
    pub fn with_host(mut self, host: impl Into<String>) -> Self {
        self.0.host = Some(host.into());
        self
    }

    /// Sets what to do about it: one sentence, in lower case and without a full stop.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.0.hint = Some(printable(hint.into(), MAX_MESSAGE));
        self
    }

    /// Sets the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The class, on which the retry decision is made.
    #[must_use]
    pub fn failure(&self) -> Failure {
        self.0.failure
    }

    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// How long the server asked to wait, at most
    /// [`MAX_RETRY_AFTER`](ossget_core::MAX_RETRY_AFTER) in this crate's sources.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The status of the response, where there was one that explained.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.0.service.as_ref().map(ServiceError::status)
    }

    /// The service's error code, such as `NoSuchKey`.
    #[must_use]
    pub fn service_code(&self) -> Option<&str> {
        self.0.service.as_ref()?.code()
    }

    /// What the service says, escaped and cut short.
    #[must_use]
    pub fn service_message(&self) -> Option<&str> {
        self.0.service.as_ref()?.message()
    }

    /// The service's fine-grained error code, such as `0026-00000001`.
    #[must_use]
    pub fn ec(&self) -> Option<&str> {
        self.0.service.as_ref()?.ec()
    }

    /// The id under which the service knows the request.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.service.as_ref()?.request_id()
    }

    /// The host that the request went to.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.0.host.as_deref()
    }

    pub(crate) fn into_parts(self) -> Parts {
        *self.0
    }
}

/// The class and the kind of a failed exchange, its body included.
#[must_use]
pub fn transport_failure(error: &TransportError) -> (Failure, ErrorKind) {
    match error.kind() {
        // The request is made of checked parts, so it is the endpoint that cannot be.
        TransportErrorKind::Request => (Failure::Fatal, ErrorKind::Config),
        TransportErrorKind::Certificate => (Failure::Fatal, ErrorKind::Certificate),
        TransportErrorKind::ProxyRefused => (Failure::Fatal, ErrorKind::Denied),
        TransportErrorKind::ConnectTimeout | TransportErrorKind::HeadTimeout => {
            (Failure::Network, ErrorKind::Timeout)
        }
        TransportErrorKind::Exhausted => (Failure::Scarce, ErrorKind::Network),
        TransportErrorKind::Unsent => (Failure::Unsent, ErrorKind::Network),
        TransportErrorKind::Protocol => (Failure::Protocol, ErrorKind::Protocol),
        TransportErrorKind::Resolve
        | TransportErrorKind::Connect
        | TransportErrorKind::TlsHandshake
        | TransportErrorKind::Broken => (Failure::Network, ErrorKind::Network),
        // What a later version of the transport tells apart is some failure of the network.
        _ => (Failure::Network, ErrorKind::Network),
    }
}

/// The kind of error that a class of failure is, where nothing more is known.
pub(crate) const fn kind_of(failure: Failure) -> ErrorKind {
    match failure {
        Failure::Network | Failure::Unsent | Failure::Scarce => ErrorKind::Network,
        Failure::Stalled => ErrorKind::Timeout,
        Failure::Throttled => ErrorKind::Throttled,
        Failure::Unavailable => ErrorKind::Unavailable,
        Failure::Protocol => ErrorKind::Protocol,
        Failure::Denied | Failure::ClockSkew => ErrorKind::Denied,
        Failure::NotFound => ErrorKind::NotFound,
        Failure::Changed => ErrorKind::Changed,
        Failure::ExpiredCredentials => ErrorKind::Credentials,
        Failure::Fatal => ErrorKind::Service,
        Failure::Aborted => ErrorKind::Cancelled,
        _ => ErrorKind::Internal,
    }
}

impl From<TransportError> for SourceError {
    /// The exchange failed; the transport's error is the cause.
    fn from(error: TransportError) -> Self {
        let (failure, kind) = transport_failure(&error);
        let mut this = Self::new(failure, "the request failed").with_kind(kind);
        this.0.host = error.host().map(str::to_owned);
        if error.kind() == TransportErrorKind::ProxyRefused {
            this.0.hint = Some(Cow::Borrowed(PROXY_HINT));
        }
        this.with_source(error)
    }
}

impl From<SignError> for SourceError {
    fn from(error: SignError) -> Self {
        let (failure, kind) = match error.kind() {
            SignErrorKind::Credentials => (Failure::Denied, ErrorKind::Credentials),
            // A header of the caller's that cannot be signed, or a clock in another century.
            SignErrorKind::Config | SignErrorKind::Request | SignErrorKind::Time => {
                (Failure::Fatal, ErrorKind::Config)
            }
        };
        Self::new(failure, "the request cannot be signed").with_kind(kind).with_source(error)
    }
}

impl From<Error> for SourceError {
    /// For errors of providers of credentials.
    fn from(error: Error) -> Self {
        let failure = if error.is_transient() { Failure::Unavailable } else { Failure::Denied };
        let kind = error.kind();
        let (message, source) = error.into_parts();
        let mut this = Self::new(failure, message).with_kind(kind);
        this.0.source = source;
        this
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl StdError for SourceError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// The service has refused nothing: without this the caller would look at its permissions there.
const PROXY_HINT: &str = "it was the proxy and not the service that refused; see to the proxy's \
                          rules and credentials, or go without it";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_transport_failure_has_its_class_and_kind() {
        use TransportErrorKind as T;
        for (theirs, class, kind) in [
            (T::Request, Failure::Fatal, ErrorKind::Config),
            (T::Resolve, Failure::Network, ErrorKind::Network),
            (T::Connect, Failure::Network, ErrorKind::Network),
            (T::Exhausted, Failure::Scarce, ErrorKind::Network),
            (T::TlsHandshake, Failure::Network, ErrorKind::Network),
            (T::Certificate, Failure::Fatal, ErrorKind::Certificate),
            (T::ConnectTimeout, Failure::Network, ErrorKind::Timeout),
            (T::HeadTimeout, Failure::Network, ErrorKind::Timeout),
            (T::Unsent, Failure::Unsent, ErrorKind::Network),
            (T::Broken, Failure::Network, ErrorKind::Network),
            (T::Protocol, Failure::Protocol, ErrorKind::Protocol),
            (T::ProxyRefused, Failure::Fatal, ErrorKind::Denied),
        ] {
            let error = TransportError::new(theirs, Some("host"), None);
            assert_eq!(transport_failure(&error), (class, kind));
            let error = SourceError::from(error);
            assert_eq!((error.failure(), error.kind()), (class, kind));
            assert_eq!(error.host(), Some("host"));
            assert!(error.source().unwrap().is::<TransportError>());
        }
    }

    #[test]
    fn each_class_has_a_kind() {
        for (failure, kind) in [
            (Failure::Network, ErrorKind::Network),
            (Failure::Stalled, ErrorKind::Timeout),
            (Failure::Throttled, ErrorKind::Throttled),
            (Failure::Unavailable, ErrorKind::Unavailable),
            (Failure::Protocol, ErrorKind::Protocol),
            (Failure::Denied, ErrorKind::Denied),
            (Failure::NotFound, ErrorKind::NotFound),
            (Failure::Changed, ErrorKind::Changed),
            (Failure::ExpiredCredentials, ErrorKind::Credentials),
            (Failure::Fatal, ErrorKind::Service),
            (Failure::Aborted, ErrorKind::Cancelled),
        ] {
            assert_eq!(SourceError::new(failure, "x").kind(), kind);
        }
    }

    #[test]
    fn a_provider_that_may_recover_is_asked_again_and_another_is_not() {
        let down = Error::new(ErrorKind::Network, "metadata service down");
        assert!(SourceError::from(down).failure().is_transient());
        let none = SourceError::from(Error::new(ErrorKind::Credentials, "no variables"));
        assert_eq!((none.failure(), none.kind()), (Failure::Denied, ErrorKind::Credentials));
        assert_eq!(none.to_string(), "no variables");
    }
}
