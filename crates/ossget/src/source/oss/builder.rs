//! How a source of objects of OSS is made.

use super::options::{self, Precondition, TrafficLimit};
use super::{OssSource, Requests};
use crate::credentials::CredentialsProvider;
use crate::endpoint::{Addressing, Endpoint};
use crate::error::printable;
use crate::source::DEFAULT_USER_AGENT;
use crate::source::clock::Clock;
use crate::{Error, ErrorKind};
use http::header::{ACCEPT_ENCODING, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use ossget_sign::Signer;
use ossget_transport::{Limits, Transport};
use std::sync::Arc;

/// Makes an [`OssSource`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct OssSourceBuilder {
    transport: Arc<dyn Transport>,
    endpoint: Endpoint,
    signing: Signing,
    credentials: Arc<dyn CredentialsProvider>,
    addressing: Option<Addressing>,
    limits: Limits,
    plaintext: Plaintext,
    headers: HeaderMap,
    preconditions: Vec<Precondition>,
    overrides: Vec<(String, String)>,
}

/// How requests are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signing {
    /// `OSS4-HMAC-SHA256`.
    V4 {
        /// The region, such as `cn-hangzhou`; for a Cloud Box its id. Only without credentials it
        /// may be missing.
        region: Option<String>,
        /// `oss`; for a Cloud Box `oss-cloudbox`.
        product: &'static str,
    },
    /// HMAC-SHA1, which knows no region.
    V1,
}

/// Whether credentials may be used over `http://`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plaintext {
    /// Only on a loopback address: anybody on the way could read the token and the bytes, and
    /// change the bytes.
    #[default]
    Refuse,
    /// Everywhere. The service's word about the time is believed then, too.
    Allow,
}

impl Signing {
    /// V4 for an endpoint: for the Cloud Box that it names, else for `region`, else for the region
    /// that it names.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for a region with anything but `a-z`, `0-9` and `-` in it.
    pub fn v4(endpoint: &Endpoint, region: Option<&str>) -> Result<Self, Error> {
        let (region, product) = match endpoint.cloud_box_id() {
            Some(id) => (Some(id), CLOUD_BOX),
            None => (region.or_else(|| endpoint.region()), OSS),
        };
        let signing = Self::V4 { region: region.map(str::to_owned), product };
        signing.signer().map(|_| signing)
    }

    /// V4 for a Cloud Box.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for an id with anything but `a-z`, `0-9` and `-` in it.
    pub fn cloud_box(id: &str) -> Result<Self, Error> {
        let signing = Self::V4 { region: Some(id.to_owned()), product: CLOUD_BOX };
        match signing.signer() {
            Ok(_) => Ok(signing),
            Err(_) => {
                let id = format!("`{}`", printable(id, MAX_SHOWN));
                Err(Error::config("cloud box id", id, "of a-z, 0-9 and -, such as cb-123"))
            }
        }
    }

    /// `None` where the region is missing.
    fn signer(&self) -> Result<Option<Signer>, Error> {
        let (region, product) = match self {
            Self::V1 => return Ok(Some(Signer::v1())),
            Self::V4 { region: None, .. } => return Ok(None),
            Self::V4 { region: Some(region), product } => (region, *product),
        };
        let signer = Signer::v4(region).map_err(|error| {
            let value = format!("`{}`", printable(region, MAX_SHOWN));
            Error::config("region", value, "of a-z, 0-9 and -, such as cn-hangzhou")
                .with_source(error)
        })?;
        Ok(Some(signer.product(product)))
    }
}

impl OssSourceBuilder {
    pub(super) fn new(
        transport: Arc<dyn Transport>,
        endpoint: Endpoint,
        signing: Signing,
        credentials: Arc<dyn CredentialsProvider>,
    ) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(DEFAULT_USER_AGENT));
        Self {
            transport,
            endpoint,
            signing,
            credentials,
            addressing: None,
            limits: Limits::default(),
            plaintext: Plaintext::default(),
            headers,
            preconditions: Vec::new(),
            overrides: Vec::new(),
        }
    }

    /// How objects are addressed; chosen by the endpoint unless set, see [`Endpoint::addressing`].
    pub const fn addressing(mut self, addressing: Addressing) -> Self {
        self.addressing = Some(addressing);
        self
    }

    /// The time limits of each request; [`Limits::default`] unless set.
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Whether credentials may be used over `http://`; refused unless set.
    pub const fn plaintext(mut self, plaintext: Plaintext) -> Self {
        self.plaintext = plaintext;
        self
    }

    /// A header to send with every request, such as `x-oss-request-payer: requester` or another
    /// `user-agent`. Replaces an earlier one of the same name.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Pays for the traffic, where the bucket's owner wants that of whoever asks.
    pub fn requester_pays(self) -> Self {
        let (name, value) = options::requester_pays();
        self.header(name, value)
    }

    /// The rate at which the service sends each answer.
    pub fn traffic_limit(self, limit: TrafficLimit) -> Self {
        let (name, value) = limit.header();
        self.header(name, value)
    }

    /// What must hold of each object that is looked at, besides what was set before.
    pub fn precondition(mut self, precondition: Precondition) -> Self {
        self.preconditions.push(precondition);
        self
    }

    /// A parameter of every GET by which the service replaces a header of its answer, such as
    /// `response-cache-control`: for proxies and logs on the way, since a download needs none.
    pub fn response_override(mut self, name: &str, value: &str) -> Self {
        self.overrides.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Makes the source.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for a response override that there is none of, for credentials over `http://` without permission, for V4 with
    /// credentials but without a region, for an addressing that does not go with the endpoint, and
    /// for a header that is this crate's, the signer's or the transport's to set.
    pub fn build(self) -> Result<OssSource, Error> {
        let addressing = self.endpoint.addressing(self.addressing)?;
        let signer = self.signing.signer()?;
        if signer.is_none() && !self.credentials.is_anonymous() {
            let host = self.endpoint.host();
            let message = format!("region is missing, and the endpoint `{host}` names none");
            return Err(Error::new(ErrorKind::Config, message)
                .with_hint("set the region of the bucket, such as cn-hangzhou"));
        }
        let mut headers = self.headers;
        if let Some(name) = headers.keys().find(|name| is_reserved(name.as_str())) {
            return Err(Error::config(
                "header",
                format_args!("`{name}`"),
                "one that is free to set",
            ));
        }
        options::check_overrides(&self.overrides)?;
        let preconditions = self.preconditions.iter().map(Precondition::header);
        let preconditions = preconditions.collect::<Result<HeaderMap, Error>>()?;
        // A proxy that compresses on the way would change the bytes.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let requests = Requests {
            transport: self.transport,
            endpoint: self.endpoint,
            addressing,
            signer,
            credentials: self.credentials,
            limits: self.limits,
            plaintext: self.plaintext,
            headers,
            clock: Clock::default(),
        };
        if requests.refuses_plaintext() && !requests.credentials.is_anonymous() {
            return Err(plaintext_refused(&requests.endpoint));
        }
        Ok(OssSource { requests: Arc::new(requests), preconditions, overrides: self.overrides })
    }
}

/// The error for credentials on an endpoint where anybody on the way could read along.
pub(super) fn plaintext_refused(endpoint: &Endpoint) -> Error {
    Error::config("endpoint", endpoint, "https:// or loopback where credentials are used")
        .with_hint("use https, or allow plaintext if everybody on the way is trusted")
}

/// Whether a header is this crate's, the signer's or the transport's to set. Preconditions are
/// the download's: a 304 or 412 to another one would be misread.
pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name) || name.starts_with("if-")
}

const OSS: &str = "oss";
const CLOUD_BOX: &str = "oss-cloudbox";
/// Characters of a refused value that are shown.
const MAX_SHOWN: usize = 80;

const RESERVED: [&str; 20] = [
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "content-md5",
    "date",
    "expect",
    "host",
    "proxy-authorization",
    "range",
    "te",
    "transfer-encoding",
    "upgrade",
    "x-oss-content-sha256",
    "x-oss-copy-source",
    "x-oss-copy-source-range",
    "x-oss-date",
    "x-oss-forbid-overwrite",
    "x-oss-range-behavior",
    "x-oss-security-token",
];
