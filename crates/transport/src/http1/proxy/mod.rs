//! Which proxy stands between this machine and a server.

mod passage;
mod server;

pub(super) use passage::Connector;
pub(super) use server::Server;

use super::TransportSetupError;
use http::Uri;
use http::uri::Scheme;
use hyper_util::client::proxy::matcher::Matcher;
use server::Unusable;
use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// Which proxy, if any, requests go through.
///
/// A proxy is an HTTP proxy (`http://host:3128`, or without a scheme) or a SOCKS version 5 proxy:
/// with `socks5://host:1080` names are resolved here and the proxy is given addresses, with
/// `socks5h://host:1080` it is given the names. Without a port it is 80, or 1080 for SOCKS. A user
/// name and a password stand before the host, `http://user:password@host:3128`, with what is special
/// in URLs percent-encoded; they are given to the proxy alone (as `Proxy-Authorization: Basic`, or
/// in the SOCKS handshake) and appear in no error, no log and no `Debug`.
///
/// An `https` server is reached by CONNECT, and TLS is spoken with the server itself. A request to
/// an `http` server is read and passed on by an HTTP proxy. To a proxy itself no TLS is spoken:
/// `https://` proxies are refused.
///
/// The metadata service of the cloud, 100.100.100.200, is never asked through a proxy: its answer
/// would be that of another machine, and the credentials in it would be the proxy's to read.
///
/// # Examples
///
/// ```
/// use ossget_transport::{HyperTransport, Proxy};
///
/// # fn main() -> Result<(), ossget_transport::TransportSetupError> {
/// let transport = HyperTransport::builder().proxy(Proxy::new("socks5h://127.0.0.1:1080")).build()?;
/// assert!(HyperTransport::builder().proxy(Proxy::new("https://proxy.example")).build().is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Proxy {
    choice: Choice,
}

impl Proxy {
    /// No proxy: every server is connected to directly.
    #[must_use]
    pub const fn none() -> Self {
        Self { choice: Choice::None }
    }

    /// The proxy at `url`, for every server but the metadata service, this machine included.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { choice: Choice::Explicit(url.into()) }
    }

    /// What the environment of this process names, with the rules of [`Proxy::from_lookup`]. It is
    /// read now.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::from_lookup(|name| std::env::var_os(name))
    }

    /// What these environment variables name, an empty one being as good as none:
    ///
    /// - for `http` servers `http_proxy`, else `HTTP_PROXY`, else `all_proxy`, else `ALL_PROXY`;
    ///   `HTTP_PROXY` is ignored where there is a `REQUEST_METHOD`, since in a CGI program it is a
    ///   field of somebody's request;
    /// - for `https` servers `https_proxy`, else `HTTPS_PROXY`, else `all_proxy`, else `ALL_PROXY`;
    /// - `no_proxy`, else `NO_PROXY`: the servers to connect to directly, separated by commas.
    ///   A name stands for itself and all below it, with or without a dot before it; an address or a
    ///   network such as `10.0.0.0/8` for what is given as an address; `*` for all.
    ///
    /// This machine (`localhost` and loopback addresses) is never asked through such a proxy.
    #[must_use]
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<OsString>) -> Self {
        let first = |names: &[&'static str]| {
            names.iter().find_map(|name| {
                let value = lookup(name).filter(|value| !value.is_empty())?;
                Some(Variable { name, value })
            })
        };
        let http: &[_] = match lookup("REQUEST_METHOD") {
            None => &["http_proxy", "HTTP_PROXY"],
            // Where case does not count it is the same variable.
            Some(_) if cfg!(windows) => &[],
            Some(_) => &["http_proxy"],
        };
        let all = || first(&["all_proxy", "ALL_PROXY"]);
        Self {
            choice: Choice::Environment(Variables {
                http: first(http).or_else(all),
                https: first(&["https_proxy", "HTTPS_PROXY"]).or_else(all),
                no: first(&["no_proxy", "NO_PROXY"]),
            }),
        }
    }

    /// Whether requests to this machine itself would leave it: a proxy that was named outright
    /// takes them, and is on another host.
    #[must_use]
    pub fn carries_loopback_away(&self) -> bool {
        match &self.choice {
            Choice::Explicit(url) => {
                Server::parse(url).is_ok_and(|server| !is_this_machine(server.host()))
            }
            Choice::None | Choice::Environment(_) => false,
        }
    }

    /// The rules that this means.
    ///
    /// # Errors
    ///
    /// [`TransportSetupError::Proxy`] where one cannot be used.
    pub(super) fn rules(&self) -> Result<Rules, TransportSetupError> {
        match &self.choice {
            Choice::None => Ok(Rules::default()),
            Choice::Explicit(url) => {
                let server = Arc::new(Server::parse(url).map_err(|why| why.in_variable(None))?);
                let http = Some(Arc::clone(&server));
                Ok(Rules { http, https: Some(server), exempt: Exempt::Metadata })
            }
            Choice::Environment(variables) => variables.rules(),
        }
    }
}

impl fmt::Debug for Proxy {
    /// Without any credentials: a URL that cannot be read is not shown at all.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.choice {
            Choice::None => f.write_str("Proxy(none)"),
            Choice::Environment(_) => f.write_str("Proxy(as the environment says)"),
            Choice::Explicit(url) => match Server::parse(url) {
                Ok(server) => write!(f, "Proxy({})", server.name()),
                Err(_) => f.write_str("Proxy(unusable)"),
            },
        }
    }
}

/// Which server is reached through which proxy, checked.
#[derive(Debug, Default)]
pub(super) struct Rules {
    http: Option<Arc<Server>>,
    https: Option<Arc<Server>>,
    exempt: Exempt,
}

impl Rules {
    /// The proxy on the way to the server that a URI names.
    pub(super) fn server(&self, uri: &Uri) -> Option<&Arc<Server>> {
        let is_https = uri.scheme() == Some(&Scheme::HTTPS);
        let server = if is_https { &self.https } else { &self.http }.as_ref()?;
        (!self.exempt.covers(uri)).then_some(server)
    }
}

#[derive(Clone, Default)]
enum Choice {
    #[default]
    None,
    Explicit(String),
    Environment(Variables),
}

#[derive(Clone)]
struct Variables {
    http: Option<Variable>,
    https: Option<Variable>,
    no: Option<Variable>,
}

#[derive(Clone)]
struct Variable {
    name: &'static str,
    value: OsString,
}

impl Variables {
    fn rules(&self) -> Result<Rules, TransportSetupError> {
        let server = |variable: &Option<Variable>| {
            let Some(variable) = variable else { return Ok(None) };
            let server = Server::parse(variable.text()?);
            let server = server.map_err(|why| why.in_variable(Some(variable.name)))?;
            Ok(Some(Arc::new(server)))
        };
        let (http, https) = (server(&self.http)?, server(&self.https)?);
        let no = self.no.as_ref().map_or(Ok(""), Variable::text)?;
        Ok(Rules { http, https, exempt: Exempt::listed(no) })
    }
}

impl Variable {
    fn text(&self) -> Result<&str, TransportSetupError> {
        self.value.to_str().ok_or_else(|| Unusable::NotUtf8.in_variable(Some(self.name)))
    }
}

/// What is always connected to directly.
#[derive(Debug, Default)]
enum Exempt {
    /// The metadata service.
    #[default]
    Metadata,
    /// That, this machine, and what this matcher lets pass.
    Listed(Box<Matcher>),
}

impl Exempt {
    fn listed(no: &str) -> Self {
        Self::Listed(Box::new(Matcher::builder().all("http://proxy.invalid").no(no).build()))
    }

    fn covers(&self, uri: &Uri) -> bool {
        let host = uri.host().unwrap_or_default();
        address(host) == Some(METADATA_SERVICE)
            || match self {
                Self::Metadata => false,
                Self::Listed(matcher) => is_this_machine(host) || matcher.intercept(uri).is_none(),
            }
    }
}

/// Whether a host is this machine.
fn is_this_machine(host: &str) -> bool {
    if let Some(address) = address(host) {
        return address.is_loopback() || address.is_unspecified();
    }
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    // RFC 6761, section 6.3.
    name == "localhost" || name.ends_with(".localhost")
}

fn address(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Where instances of the cloud learn about themselves and get credentials, over plain http.
const METADATA_SERVICE: IpAddr = IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200));

#[cfg(test)]
mod tests;
