//! Where the service is, and how an object is addressed there.

mod host;
mod region;

use crate::Error;
use crate::error::printable;
use crate::object::MAX_BUCKET;
use host::Host;
use ossget_sign::encode_path;
use region::Region;
use std::fmt;

/// Where the service is: a scheme, a host and perhaps a port.
///
/// A public, internal, accelerate or dual-stack host of the service, a Cloud Box, a custom domain
/// (CNAME), an IP address, or `localhost`.
///
/// ```
/// use ossget::Endpoint;
///
/// let endpoint = Endpoint::parse("oss-cn-hangzhou-internal.aliyuncs.com")?;
/// assert_eq!(endpoint.to_string(), "https://oss-cn-hangzhou-internal.aliyuncs.com");
/// assert_eq!(endpoint.region(), Some("cn-hangzhou"));
/// # Ok::<(), ossget::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    scheme: Scheme,
    host: Host,
    /// `None` for the scheme's own.
    port: Option<u16>,
    region: Region,
}

/// How bucket and key become a host and a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Addressing {
    /// `bucket.endpoint/key`: what the service itself expects.
    Virtual,
    /// `endpoint/bucket/key`: for IP addresses and emulators.
    Path,
    /// `endpoint/key`: the endpoint is a custom domain that stands for one bucket.
    Cname,
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Located {
    /// Host and port, as in the `Host` header.
    pub(crate) authority: String,
    /// The path as it must be on the wire, byte for byte.
    pub(crate) path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Scheme {
    Http,
    Https,
}

impl Endpoint {
    /// Reads `[http://|https://]host[:port][/]`; without a scheme, https is meant.
    ///
    /// Hosts are of ASCII: an international name is written in its `xn--` form. An IPv6 address
    /// stands in brackets. What looks like an IPv4 address must be a complete one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for anything else, so for another scheme, a
    /// user name, a path, a query, a fragment, an IPv6 zone, or a host longer than 189 bytes
    /// (which leaves room for the longest bucket name before it).
    pub fn parse(text: &str) -> Result<Self, Error> {
        parse(text).map_err(|reason| {
            // With one of these it could hold a password or a signature.
            let shown = match text.contains(['@', '?', '#']) {
                true => "(not shown)".into(),
                false => printable(text, MAX_HOST),
            };
            Error::config("endpoint", format_args!("`{shown}`"), reason)
        })
    }

    /// The host, in lower case, an IPv6 address in brackets; without the port.
    #[must_use]
    pub fn host(&self) -> String {
        self.host.to_string()
    }

    /// The region that the host names; `None` where it names none, as an accelerate endpoint, a
    /// custom domain or an address does.
    ///
    /// Inferring it is our own rule, no SDK does; a configured region wins over it. The forms of
    /// hosts are those of `endpoints.go` and `endpoints.py` in the SDKs v2.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.region.name()
    }

    /// The id of the Cloud Box that the host names, as in
    /// `cb-123.cn-hangzhou.oss-cloudbox.aliyuncs.com`.
    #[must_use]
    pub fn cloud_box_id(&self) -> Option<&str> {
        self.region.cloud_box_id()
    }

    /// Whether requests go out unencrypted.
    #[must_use]
    pub fn is_plaintext(&self) -> bool {
        self.scheme == Scheme::Http
    }

    /// Whether the endpoint is this machine: a loopback address or `localhost`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Address(address) => address.to_canonical().is_loopback(),
            Host::Name(name) => name == LOCALHOST,
        }
    }

    /// Whether requests with this addressing stay on this machine: the name of a bucket before
    /// `localhost` is one that resolvers may ask the network for.
    pub(crate) fn keeps_here(&self, addressing: Addressing) -> bool {
        let is_subdomain = addressing == Addressing::Virtual && matches!(self.host, Host::Name(_));
        self.is_loopback() && !is_subdomain
    }

    /// The addressing to use: `wanted`, or else path style for IP addresses and `localhost` and
    /// virtual-hosted style for all others.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if virtual-hosted style is wanted with an
    /// IP address, which has no subdomains.
    pub fn addressing(&self, wanted: Option<Addressing>) -> Result<Addressing, Error> {
        match (wanted, &self.host) {
            (Some(Addressing::Virtual), Host::Address(_)) => {
                Err(Error::config("addressing style", "virtual", "path or cname for an IP address"))
            }
            (Some(wanted), _) => Ok(wanted),
            (None, Host::Address(_)) => Ok(Addressing::Path),
            (None, Host::Name(name)) if name == LOCALHOST => Ok(Addressing::Path),
            (None, Host::Name(_)) => Ok(Addressing::Virtual),
        }
    }

    /// Where to find an object; with an empty key, the bucket.
    ///
    /// Both names are as [`Object`](crate::Object) holds them. [`Addressing::Virtual`] means
    /// [`Addressing::Path`] for an IP address.
    pub(crate) fn locate(&self, bucket: &str, key: &str, addressing: Addressing) -> Located {
        let endpoint = self.authority();
        let key = encode_path(key);
        match (addressing, &self.host) {
            (Addressing::Virtual, Host::Name(_)) => {
                Located { authority: format!("{bucket}.{endpoint}"), path: format!("/{key}") }
            }
            (Addressing::Cname, _) => Located { authority: endpoint, path: format!("/{key}") },
            (Addressing::Virtual | Addressing::Path, _) => {
                Located { authority: endpoint, path: format!("/{bucket}/{key}") }
            }
        }
    }

    /// The scheme's name in a URI.
    pub(crate) const fn scheme(&self) -> &'static str {
        match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    fn authority(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.to_string(),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.authority())
    }
}

/// Reads an endpoint, or says what it must be.
fn parse(text: &str) -> Result<Endpoint, &'static str> {
    let (scheme, rest) = match text.split_once("://") {
        None => (Scheme::Https, text),
        Some((name, rest)) if name.eq_ignore_ascii_case("https") => (Scheme::Https, rest),
        Some((name, rest)) if name.eq_ignore_ascii_case("http") => (Scheme::Http, rest),
        Some(_) => return Err("with the scheme http or https"),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    for (characters, reason) in FORBIDDEN {
        if rest.contains(*characters) {
            return Err(reason);
        }
    }
    if !rest.is_ascii() {
        return Err("of ASCII characters (write an international name in its xn-- form)");
    }
    let (host, port) = split_port(rest)?;
    let host = Host::parse(host)?;
    let own_port = if scheme == Scheme::Http { 80 } else { 443 };
    let port = port.map(parse_port).transpose()?.filter(|port| *port != own_port);
    let region = match &host {
        Host::Name(name) => Region::of_host(name),
        Host::Address(_) => Region::Unknown,
    };
    Ok(Endpoint { scheme, host, port, region })
}

fn split_port(text: &str) -> Result<(&str, Option<&str>), &'static str> {
    if text.starts_with('[') {
        let end = text.find(']').ok_or("an IPv6 address in brackets")?;
        let (host, rest) = text.split_at(end + 1);
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err("host[:port]"),
        };
    }
    match text.split_once(':') {
        Some((_, port)) if port.contains(':') => Err("an IPv6 address in brackets"),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((text, None)),
    }
}

fn parse_port(text: &str) -> Result<u16, &'static str> {
    let digits = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let port = digits.then(|| text.parse().ok()).flatten();
    port.filter(|port| *port != 0).ok_or("with a port from 1 to 65535")
}

const LOCALHOST: &str = "localhost";

/// Bytes of an endpoint's host: 253, the most a name can have, less a bucket and a dot.
const MAX_HOST: usize = 253 - MAX_BUCKET - 1;

/// What an endpoint must not have, and what it is then.
const FORBIDDEN: &[(&[char], &str)] = &[
    (&['@'], "without a user name or password"),
    (&['?', '#'], "without a query or fragment"),
    (&['/', '\\'], "without a path"),
    (&['%'], "without an IPv6 zone or anything percent-encoded"),
];

#[cfg(test)]
mod tests;
