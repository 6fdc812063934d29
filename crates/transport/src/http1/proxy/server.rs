//! One proxy: how it is spoken to, and with which credentials.

use super::super::{TransportSetupError, fault};
use crate::{TransportError, TransportErrorKind};
use http::uri::Scheme;
use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use std::fmt;

/// One proxy. Two are the same only if their credentials are.
#[derive(PartialEq, Eq, Hash)]
pub(in super::super) struct Server {
    /// `http://host:port/`, whatever is spoken.
    uri: Uri,
    /// As users write it, without the credentials.
    name: String,
    protocol: Protocol,
}

/// What is spoken with a proxy.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum Protocol {
    Http {
        /// The value of `Proxy-Authorization`.
        authorization: Option<HeaderValue>,
    },
    Socks {
        names: Names,
        /// User name and password.
        login: Option<(String, String)>,
    },
}

/// Where the names of servers are resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Names {
    Here,
    AtProxy,
}

/// Why a proxy cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    #[error(
        "it must be a URL such as http://host:3128 or socks5h://user:password@host:1080; within a \
         user name or password write @ as %40, : as %3A, / as %2F, # as %23 and % as %25"
    )]
    NotUrl,
    #[error(
        "TLS to a proxy is not supported; an http:// proxy carries https targets as safely: it \
         sees none of their content"
    )]
    Tls,
    #[error("only http://, socks5:// and socks5h:// proxies are supported")]
    Scheme,
    #[error("SOCKS takes no more than 255 bytes of user name or of password")]
    LongLogin,
    #[error("it is not UTF-8")]
    NotUtf8,
}

/// What a proxy answers instead of letting a request through.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the proxy wants credentials{0}: a user name and a password in its URL")]
    WantsCredentials(&'static str),
    #[error("the proxy does not accept the credentials in its URL{0}")]
    Credentials(&'static str),
    #[error("the proxy takes no user name and password")]
    NoLogin,
    #[error("the proxy answers CONNECT with {0}")]
    Status(http::StatusCode),
    #[error("the proxy answers: {0}")]
    Socks(String),
    #[error("the proxy sends more than its answer to CONNECT")]
    Early,
}

impl Server {
    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// Without the URL, which may hold a password.
    pub(super) fn parse(url: &str) -> Result<Self, Unusable> {
        let (scheme, rest) = match url.split_once("://") {
            Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
            None => ("http".to_owned(), url),
        };
        let (names, default_port) = match scheme.as_str() {
            "http" => (None, 80),
            "socks5" => (Some(Names::Here), 1080),
            "socks5h" => (Some(Names::AtProxy), 1080),
            "https" => return Err(Unusable::Tls),
            _ => return Err(Unusable::Scheme),
        };
        let found = intercept(&format!("{scheme}://{rest}")).ok_or(Unusable::NotUrl)?;
        let (host, port) = host_and_port(found.uri(), default_port).ok_or(Unusable::NotUrl)?;
        let name = format!("{scheme}://{host}:{port}");
        let authority = format!("{host}:{port}");
        let uri = Uri::builder().scheme(Scheme::HTTP).authority(authority).path_and_query("/");
        let uri = uri.build().map_err(|_| Unusable::NotUrl)?;
        let protocol = match names {
            None => Protocol::Http { authorization: found.basic_auth().cloned() },
            Some(names) => Protocol::Socks { names, login: login(&found)? },
        };
        Ok(Self { uri, name, protocol })
    }

    /// Where to connect to.
    pub(super) const fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(super) fn host(&self) -> &str {
        self.uri.host().unwrap_or_default()
    }

    /// What it is called in messages, without credentials.
    pub(in super::super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) const fn protocol(&self) -> &Protocol {
        &self.protocol
    }

    /// Whether it reads the requests to servers of this scheme and passes them on itself.
    pub(in super::super) fn forwards(&self, scheme: &Scheme) -> bool {
        matches!(self.protocol, Protocol::Http { .. }) && *scheme == Scheme::HTTP
    }

    /// The credentials for an HTTP proxy, marked as sensitive.
    pub(in super::super) const fn authorization(&self) -> Option<&HeaderValue> {
        match &self.protocol {
            Protocol::Http { authorization } => authorization.as_ref(),
            Protocol::Socks { .. } => None,
        }
    }

    /// It has answered with 407 or, as some do where the credentials are wrong, with 401.
    pub(in super::super) fn wants_credentials(
        &self,
        host: &str,
        status: &'static str,
    ) -> TransportError {
        let refusal = match self.authorization() {
            Some(_) => Refusal::Credentials(status),
            None => Refusal::WantsCredentials(status),
        };
        fault::error(TransportErrorKind::ProxyRefused, host, refusal)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(&self.name).finish()
    }
}

impl Unusable {
    pub(super) fn in_variable(self, variable: Option<&'static str>) -> TransportSetupError {
        TransportSetupError::Proxy { variable, source: self.into() }
    }
}

/// The library's reading of a URL, unless it would leave something out: what is left out could be
/// a piece of a password with a character in it that ends a host name.
fn intercept(url: &str) -> Option<Intercept> {
    let uri: Uri = url.parse().ok()?;
    if url.contains('#') || uri.path_and_query().is_some_and(|rest| rest.as_str() != "/") {
        return None;
    }
    let target = Uri::from_static("http://target.invalid/");
    Matcher::builder().all(url).build().intercept(&target)
}

/// Both, if the authority consists of nothing else.
fn host_and_port(uri: &Uri, default_port: u16) -> Option<(String, u16)> {
    let authority = uri.authority()?;
    let host = authority.host();
    let rest = authority.as_str().strip_prefix(host)?;
    let port = match rest.strip_prefix(':') {
        Some(port) => port.parse().ok().filter(|port| *port != 0)?,
        None if rest.is_empty() => default_port,
        None => return None,
    };
    (!host.is_empty()).then(|| (host.to_ascii_lowercase(), port))
}

fn login(found: &Intercept) -> Result<Option<(String, String)>, Unusable> {
    let Some((user, password)) = found.raw_auth() else { return Ok(None) };
    // RFC 1929, section 2: their lengths are bytes.
    if user.len() > 255 || password.len() > 255 {
        return Err(Unusable::LongLogin);
    }
    Ok(Some((user.to_owned(), password.to_owned())))
}
