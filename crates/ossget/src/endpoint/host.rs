//! A host name or address, by a strict grammar.

use super::MAX_HOST;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host name in lower case, or an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Host {
    Name(String),
    Address(IpAddr),
}

impl Host {
    /// Reads a name, an IPv4 address, or an IPv6 address in brackets; or says what it must be.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(inner) = text.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            let address = inner.parse::<Ipv6Addr>().map_err(|_| "an IPv6 address in brackets")?;
            return Ok(Self::Address(address.into()));
        }
        let name = text.to_ascii_lowercase();
        if name.is_empty() || name.len() > MAX_HOST {
            return Err("with a host of 1 to 189 bytes");
        }
        if !name.split('.').all(is_label) {
            return Err("a host name: labels of a-z, 0-9, - and _ with dots between");
        }
        if ends_in_number(&name) {
            // Resolvers read `127.1`, `0x7f.1` and `2130706433` as addresses, each in its way.
            let address = name.parse::<Ipv4Addr>().map_err(|_| "a complete IPv4 address")?;
            return Ok(Self::Address(address.into()));
        }
        Ok(Self::Name(name))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// RFC 1123, section 2.1, and `_`, which names of containers have.
fn is_label(label: &str) -> bool {
    let is_allowed = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
    };
    (1..=MAX_LABEL).contains(&label.len())
        && label.bytes().all(is_allowed)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Whether the last label is a number, decimal or hexadecimal: then no name is meant (WHATWG URL,
/// "ends in a number checker").
fn ends_in_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_hex = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    last.bytes().all(|byte| byte.is_ascii_digit()) || last.strip_prefix("0x").is_some_and(is_hex)
}

const MAX_LABEL: usize = 63;
