//! Credentials from a URI, as a companion program on the same machine serves them.

use super::exchange::{Patience, Question, ask};
use super::{CredentialsSource, Issued, Surroundings, metadata};
use crate::{Error, ErrorKind};
use async_trait::async_trait;
use http::Uri;
use std::fmt;
use std::time::Duration;

/// Credentials that a URI gives, in the form of an ECS instance's metadata.
///
/// `https://`, or `http://` on this machine: whoever is on the way could read them otherwise.
#[derive(Clone)]
pub struct CredentialsUri {
    uri: String,
    /// Scheme and host; the rest may be secret.
    origin: String,
    surroundings: Surroundings,
}

impl CredentialsUri {
    /// Credentials from `uri`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for what is no URI, and for `http://` to another machine. The link-local
    /// addresses of the platform (100.100.100.200, 169.254.0.0/16) count as this machine.
    pub fn new(uri: impl Into<String>, surroundings: Surroundings) -> Result<Self, Error> {
        let uri = uri.into();
        let refused = |why: &str| {
            Error::new(ErrorKind::Config, format!("the credentials URI {why}"))
                .with_hint("write https://host/path, or http://127.0.0.1:port/path")
        };
        let parsed: Uri = uri.parse().map_err(|_| refused("is no URI"))?;
        let (Some(scheme), Some(host)) = (parsed.scheme_str(), parsed.host()) else {
            return Err(refused("has no scheme or no host"));
        };
        match scheme {
            "https" => {}
            "http" if is_here(host) => {}
            "http" => return Err(refused("is unencrypted, and leads to another machine")),
            _ => return Err(refused("is neither https:// nor http://")),
        }
        let origin = match parsed.port_u16() {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        };
        Ok(Self { uri, origin, surroundings })
    }

    /// As the variable `ALIBABA_CLOUD_CREDENTIALS_URI` says; `None` unless it is set.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn of_variable(surroundings: &Surroundings) -> Result<Option<Self>, Error> {
        let uri = surroundings.variable(VARIABLE)?;
        uri.map(|uri| Self::new(uri, surroundings.clone())).transpose()
    }
}

#[async_trait]
impl CredentialsSource for CredentialsUri {
    async fn issue(&self) -> Result<Issued, Error> {
        let transport = match self.origin.starts_with("http:") {
            // A proxy has nothing to do between two programs of one machine.
            true => self.surroundings.reaching_directly()?,
            false => self.surroundings.reaching()?,
        };
        let service = self.describe();
        let reply = ask(&*transport, &Question::get(&*self.uri), PATIENCE, &service).await?;
        metadata::success(&reply, &service)
    }

    fn describe(&self) -> String {
        format!("credentials URI at {}", self.origin)
    }
}

impl fmt::Debug for CredentialsUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialsUri").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// Whether nobody on the way can read along: `https://`, or this machine.
pub(super) fn is_confidential(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else {
        return false;
    };
    match (uri.scheme_str(), uri.host()) {
        (Some("https"), Some(_)) => true,
        (Some("http"), Some(host)) => is_here(host),
        _ => false,
    }
}

fn is_here(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost"
        || address.is_ok_and(|address| match address.to_canonical() {
            std::net::IpAddr::V4(v4) => {
                v4.is_loopback() || v4.is_link_local() || v4.octets() == [100, 100, 100, 200]
            }
            std::net::IpAddr::V6(v6) => v6.is_loopback(),
        })
}

const VARIABLE: &str = "ALIBABA_CLOUD_CREDENTIALS_URI";
const PATIENCE: Patience =
    Patience { connect: Duration::from_secs(5), answer: Duration::from_secs(10) };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unencrypted_uri_stays_on_this_machine() {
        let made = |uri: &str| CredentialsUri::new(uri, Surroundings::with_lookup(|_| None));
        for uri in [
            "https://example.com/x?canary",
            "http://127.0.0.1:80/x",
            "http://localhost/x",
            "http://[::1]:8/x",
            "http://100.100.100.200/x",
            "http://169.254.1.2/x",
        ] {
            let source = made(uri).unwrap();
            let said = format!("{source:?} {}", source.describe());
            assert!(!said.contains("canary") && !said.contains("/x"), "{said}");
        }
        for uri in [
            "http://example.com/canary",
            "http://10.0.0.1/canary",
            "ftp://h/canary",
            "canary",
            "",
            "a b",
        ] {
            let error = made(uri).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{uri}");
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }
}
