//! Why an exchange failed.

use std::error::Error as StdError;
use std::fmt;

/// Why an exchange failed. `Display` names this level only; the cause is in `source()`.
///
/// Neither the request's target nor any header value is ever part of the text.
#[derive(Debug)]
pub struct TransportError {
    kind: TransportErrorKind,
    host: Option<String>,
    passage: Passage,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What part a proxy has in a failure.
#[derive(Debug)]
enum Passage {
    Direct,
    /// The exchange went through it.
    Through(String),
    /// It could not be reached itself: the host of the error is its own.
    Proxy(String),
}

/// What kind of failure an exchange met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// The request cannot be sent as it is: no host, or an unknown scheme.
    Request,
    /// The host name did not resolve.
    Resolve,
    /// No TCP connection could be made.
    Connect,
    /// This machine has no descriptor, port or buffer left for another connection.
    Exhausted,
    /// The TLS handshake failed in a way that trying again may cure.
    TlsHandshake,
    /// The server's certificate or TLS version is not acceptable: trying again cannot help.
    Certificate,
    /// Connecting took longer than [`Limits::connect`](crate::Limits::connect).
    ConnectTimeout,
    /// The response head took longer than [`Limits::head`](crate::Limits::head).
    HeadTimeout,
    /// A reused connection was already closed before the request was sent.
    Unsent,
    /// The connection broke after the request was sent.
    Broken,
    /// The peer's bytes are not HTTP/1.1.
    Protocol,
    /// The proxy refuses to let the request through, or wants other credentials: trying again
    /// cannot help.
    ProxyRefused,
}

impl TransportError {
    /// An error of `kind`, on the way to `host`, caused by `source`.
    pub fn new(
        kind: TransportErrorKind,
        host: Option<&str>,
        source: Option<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self { kind, host: host.map(str::to_owned), passage: Passage::Direct, source }
    }

    /// The same error, of an exchange that went through `proxy`. The name must not hold
    /// credentials.
    #[must_use]
    pub fn through_proxy(mut self, proxy: &str) -> Self {
        if matches!(self.passage, Passage::Direct) {
            self.passage = Passage::Through(proxy.to_owned());
        }
        self
    }

    /// The same error, met on the way to `proxy` itself. The name must not hold credentials.
    #[must_use]
    pub fn at_proxy(mut self, proxy: &str) -> Self {
        self.passage = Passage::Proxy(proxy.to_owned());
        self
    }

    /// What kind of failure this is.
    #[must_use]
    pub const fn kind(&self) -> TransportErrorKind {
        self.kind
    }

    /// The host that was to be reached, where one was known: the proxy's own where that is what
    /// could not be reached.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The proxy that the exchange was to go through, such as `http://proxy.example:3128`, without
    /// credentials.
    #[must_use]
    pub fn proxy(&self) -> Option<&str> {
        match &self.passage {
            Passage::Direct => None,
            Passage::Through(proxy) | Passage::Proxy(proxy) => Some(proxy),
        }
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Passage::Proxy(proxy) = &self.passage {
            write!(f, "the proxy {proxy} cannot be reached: ")?;
        }
        f.write_str(match self.kind {
            TransportErrorKind::Request => "the request cannot be sent",
            TransportErrorKind::Resolve => "the host name does not resolve",
            TransportErrorKind::Connect => "no connection could be made",
            TransportErrorKind::Exhausted => "this machine can open no more connections",
            TransportErrorKind::TlsHandshake => "the TLS handshake failed",
            TransportErrorKind::Certificate => "the server's TLS certificate is not accepted",
            TransportErrorKind::ConnectTimeout => "connecting took too long",
            TransportErrorKind::HeadTimeout => "the server did not answer in time",
            TransportErrorKind::Unsent => "the connection was closed before the request was sent",
            TransportErrorKind::Broken => "the connection broke",
            TransportErrorKind::Protocol => "the server does not speak HTTP/1.1",
            TransportErrorKind::ProxyRefused => "the proxy does not let the request through",
        })?;
        if let Some(host) = &self.host {
            write!(f, " ({host})")?;
        }
        match &self.passage {
            Passage::Through(proxy) => write!(f, ", through the proxy {proxy}"),
            Passage::Direct | Passage::Proxy(_) => Ok(()),
        }
    }
}

impl StdError for TransportError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
