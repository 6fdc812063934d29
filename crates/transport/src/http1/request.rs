//! A request as it goes onto the wire, and the origin it goes to.

use super::proxy::{Rules, Server};
use crate::{TransportError, TransportErrorKind};
use bytes::Bytes;
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Uri, Version};
use http_body_util::Full;
use std::error::Error as StdError;
use std::sync::Arc;

/// A request with a `Host` field, in origin form or, for a proxy that forwards it, in absolute form.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) origin: Arc<Origin>,
    pub(super) request: http::Request<Full<Bytes>>,
}

/// What connections are kept by: two requests share one only if all of this is equal.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    scheme: Scheme,
    /// In lower case, an IPv6 address in brackets.
    host: String,
    port: u16,
    /// What the connection goes through.
    proxy: Option<Arc<Server>>,
}

impl Prepared {
    pub(super) fn new(
        request: http::Request<Bytes>,
        rules: &Rules,
    ) -> Result<Self, TransportError> {
        let (mut parts, body) = request.into_parts();
        let origin = Origin::of(&parts.uri, rules)?;
        if !parts.headers.contains_key(HOST) {
            // `Origin::of` has seen an authority.
            let authority = parts.uri.authority().map_or("", Authority::as_str);
            let value = HeaderValue::from_str(authority)
                .map_err(|error| unsendable(Some(&origin.host), Some(Box::new(error))))?;
            parts.headers = with_host_first(value, parts.headers);
        }
        match origin.forwarder() {
            // RFC 9112, section 3.2.2.
            Some(server) => {
                if let Some(credentials) = server.authorization() {
                    parts.headers.insert(PROXY_AUTHORIZATION, credentials.clone());
                }
            }
            None => {
                let target = parts.uri.path_and_query().cloned();
                parts.uri = Uri::from(target.unwrap_or_else(|| PathAndQuery::from_static("/")));
            }
        }
        parts.version = Version::HTTP_11;
        let request = http::Request::from_parts(parts, Full::new(body));
        Ok(Self { origin: Arc::new(origin), request })
    }
}

impl Origin {
    fn of(uri: &Uri, rules: &Rules) -> Result<Self, TransportError> {
        let authority = uri.authority().ok_or_else(|| unsendable(None, None))?;
        let host = authority.host().to_ascii_lowercase();
        let default_port = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => 80,
            Some(scheme) if *scheme == Scheme::HTTPS => 443,
            _ => return Err(unsendable(Some(&host), None)),
        };
        // A name or password in the URI would have to be left out silently.
        if host.is_empty() || authority.as_str().contains('@') {
            return Err(unsendable(Some(&host), None));
        }
        let scheme = if default_port == 80 { Scheme::HTTP } else { Scheme::HTTPS };
        let port = authority.port_u16().unwrap_or(default_port);
        Ok(Self { scheme, host, port, proxy: rules.server(uri).cloned() })
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// The proxy that reads the requests to this origin and passes them on.
    pub(super) fn forwarder(&self) -> Option<&Server> {
        self.proxy.as_deref().filter(|server| server.forwards(&self.scheme))
    }

    /// Says in an error which proxy it was met through.
    pub(super) fn blame(&self, error: TransportError) -> TransportError {
        match &self.proxy {
            Some(server) => error.through_proxy(server.name()),
            None => error,
        }
    }

    /// The origin alone: what connecting needs, and nothing of the request's target.
    pub(super) fn uri(&self) -> Uri {
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(format!("{}:{}", self.host, self.port))
            .path_and_query("/")
            .build()
            .expect("the host and the port came out of a valid authority")
    }
}

/// RFC 9110, section 7.2: `Host` ought to be the first field.
fn with_host_first(host: HeaderValue, fields: HeaderMap) -> HeaderMap {
    let mut all = HeaderMap::with_capacity(fields.len() + 1);
    all.insert(HOST, host);
    all.extend(fields);
    all
}

fn unsendable(
    host: Option<&str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
) -> TransportError {
    TransportError::new(TransportErrorKind::Request, host, source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Proxy;

    fn prepared(uri: &'static str) -> Result<Prepared, TransportError> {
        let request = http::Request::get(uri).body(Bytes::new()).unwrap();
        Prepared::new(request, &Rules::default())
    }

    #[test]
    fn the_target_is_in_origin_form_and_unchanged() {
        for (uri, target) in [
            ("http://host", "/"),
            ("http://host/a/../b/%2e%2e//c%20%2B", "/a/../b/%2e%2e//c%20%2B"),
            ("http://host/?", "/?"),
            ("http://host/a?b=%20&c==+&", "/a?b=%20&c==+&"),
        ] {
            assert_eq!(prepared(uri).unwrap().request.uri().to_string(), target);
        }
    }

    #[test]
    fn host_is_the_authority_unless_given() {
        let host = |request: http::Request<Bytes>| {
            let prepared = Prepared::new(request, &Rules::default()).unwrap();
            let hosts: Vec<_> = prepared.request.headers().get_all(HOST).iter().cloned().collect();
            assert_eq!(prepared.request.headers().iter().next().unwrap().0, HOST);
            assert_eq!(hosts.len(), 1);
            hosts[0].to_str().unwrap().to_owned()
        };
        let get = |uri: &'static str| http::Request::get(uri);
        assert_eq!(
            host(get("http://Host:81/").header("a", "b").body(Bytes::new()).unwrap()),
            "Host:81"
        );
        assert_eq!(host(get("https://[::1]/").body(Bytes::new()).unwrap()), "[::1]");
        assert_eq!(
            host(get("http://a/").header(HOST, "other").body(Bytes::new()).unwrap()),
            "other"
        );
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let origin = |uri| prepared(uri).unwrap().origin;
        assert_eq!(origin("http://HOST/a"), origin("http://host:80/b"));
        assert_eq!(origin("https://host/a"), origin("https://host:443/b"));
        assert_ne!(origin("http://host:443/"), origin("https://host:443/"));
        assert_ne!(origin("http://host/"), origin("http://host:81/"));
        assert_ne!(origin("http://host/"), origin("http://other/"));
        assert_eq!(origin("https://[::1]/a?b").uri().to_string(), "https://[::1]:443/");
    }

    #[test]
    fn connections_through_other_proxies_or_with_other_credentials_are_other_ones() {
        let origin = |proxy: &str| {
            let rules = Proxy::new(proxy).rules().unwrap();
            let request = http::Request::get("https://host/").body(Bytes::new()).unwrap();
            Prepared::new(request, &rules).unwrap().origin
        };
        assert_eq!(origin("http://p"), origin("http://P:80"));
        assert_ne!(origin("http://p"), prepared("https://host/").unwrap().origin);
        for other in ["http://q", "http://p:81", "socks5://p:80", "http://a:b@p"] {
            assert_ne!(origin("http://p"), origin(other), "{other}");
        }
        assert_ne!(origin("http://a:b@p"), origin("http://a:c@p"));
        assert_ne!(origin("socks5://p"), origin("socks5h://p"));
        assert_ne!(origin("socks5://a:b@p"), origin("socks5://a:c@p"));
    }

    #[test]
    fn what_has_no_host_or_another_scheme_is_not_sent() {
        for uri in ["/path", "ftp://host/", "http://user:secret@host/"] {
            let error = prepared(uri).unwrap_err();
            assert_eq!(error.kind(), TransportErrorKind::Request, "{uri}");
            assert!(!format!("{error} {error:?}").contains("secret"));
        }
    }
}
