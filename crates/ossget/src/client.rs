//! Where downloads come from: an endpoint, credentials, and how to reach it.

mod asking;
mod network;

pub use network::Network;

use asking::{Asking, Payer};
use network::Open;

use crate::budget::Budget;
use crate::credentials::CredentialsProvider;
use crate::download::Download;
use crate::driver::Pace;
use crate::endpoint::{Addressing, Endpoint};
use crate::source::{
    OssSource, Plaintext, Precondition, Requests, Signing, Source, TrafficLimit, UrlSource,
};
use crate::{DiskWrites, Error, ErrorKind, Object, ObjectUrl};
use ossget_fs::{FileSystem, NativeFileSystem};
use ossget_sign::SignatureVersion;
use ossget_transport::{HyperTransport, Limits, Proxy, Transport, TransportSetupError};
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Where downloads come from. Cheap to clone; clones share connections, the pace of retries and the
/// limit of bandwidth.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) source: Arc<dyn Source>,
    /// How requests of OSS are sent, where the source is OSS.
    pub(crate) requests: Option<Arc<Requests>>,
    pub(crate) file_system: Arc<dyn FileSystem>,
    pub(crate) pace: Arc<Pace>,
    pub(crate) budget: Budget,
    pub(crate) disk_writes: DiskWrites,
}

/// Collects what a [`Client`] needs. [`ClientBuilder::build`] checks it all.
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct ClientBuilder {
    service: Service,
    region: Option<String>,
    cloud_box_id: Option<String>,
    addressing: Option<Addressing>,
    sign_version: SignatureVersion,
    ca_cert: Option<PathBuf>,
    proxy: Proxy,
    limits: Limits,
    plaintext: Plaintext,
    asking: Asking,
    transport: Option<Arc<dyn Transport>>,
    receiving: Receiving,
}

/// What becomes of that which comes, whatever the source.
#[derive(Debug, Default)]
struct Receiving {
    budget: Budget,
    disk_writes: DiskWrites,
    file_system: Option<Arc<dyn FileSystem>>,
}

/// What is asked for objects.
#[derive(Debug)]
enum Service {
    Oss { endpoint: String, credentials: Arc<dyn CredentialsProvider> },
    Url(ObjectUrl),
    Other(Open),
}

impl Client {
    /// Begins a client for an endpoint: `https://oss-cn-hangzhou.aliyuncs.com`, a custom domain,
    /// an address; without a scheme, https.
    pub fn builder(
        endpoint: impl Into<String>,
        credentials: impl CredentialsProvider,
    ) -> ClientBuilder {
        ClientBuilder::new(Service::Oss {
            endpoint: endpoint.into(),
            credentials: Arc::new(credentials),
        })
    }

    /// Begins a client for what one URL names, public or presigned: its
    /// [`object`](ObjectUrl::object). Region, addressing and signature version mean nothing there.
    ///
    /// With a new URL for the same object a download goes on where one with an older URL ended.
    pub fn of_url(url: ObjectUrl) -> ClientBuilder {
        ClientBuilder::new(Service::Url(url))
    }

    /// Begins a client for objects that neither OSS nor a URL has: `open` makes their source, of the
    /// network as the builder was told of it. Region, addressing and signature version mean nothing
    /// there.
    pub fn of_source(
        open: impl FnOnce(Network) -> Result<Arc<dyn Source>, Error> + Send + Sync + 'static,
    ) -> ClientBuilder {
        ClientBuilder::new(Service::Other(Open::new(open)))
    }

    /// A client over any source and file system.
    #[must_use]
    pub fn with_source(source: Arc<dyn Source>, file_system: Arc<dyn FileSystem>) -> Self {
        let (pace, budget) = (Arc::default(), Budget::default());
        let disk_writes = DiskWrites::default();
        Self { source, requests: None, file_system, pace, budget, disk_writes }
    }

    /// A download of `object` to the file `destination`, to be awaited. A destination that is a
    /// directory, or ends in a separator, receives the last component of the key.
    pub fn download(&self, object: Object, destination: impl Into<PathBuf>) -> Download {
        Download::new(self.clone(), object, destination.into())
    }
}

impl ClientBuilder {
    fn new(service: Service) -> Self {
        Self {
            service,
            region: None,
            cloud_box_id: None,
            addressing: None,
            sign_version: SignatureVersion::V4,
            ca_cert: None,
            proxy: Proxy::none(),
            limits: Limits::default(),
            plaintext: Plaintext::Refuse,
            asking: Asking::default(),
            transport: None,
            receiving: Receiving::default(),
        }
    }

    /// The region to sign for, such as `cn-hangzhou`. Taken from the endpoint where that names
    /// one; an explicit region wins.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// The id of the Cloud Box to sign for, such as `cb-123`, with V4. Taken from the endpoint where
    /// that names one; an explicit id wins, over a region too.
    pub fn cloud_box_id(mut self, id: impl Into<String>) -> Self {
        self.cloud_box_id = Some(id.into());
        self
    }

    /// How the bucket is addressed. By default virtual-hosted, path style for IP addresses and
    /// `localhost`.
    pub const fn addressing(mut self, addressing: Addressing) -> Self {
        self.addressing = Some(addressing);
        self
    }

    /// The signature version; V4 by default.
    pub const fn sign_version(mut self, version: SignatureVersion) -> Self {
        self.sign_version = version;
        self
    }

    /// Pays for the traffic where the bucket's owner wants that of whoever asks.
    pub const fn requester_pays(mut self) -> Self {
        self.asking.payer = Some(Payer::Requester);
        self
    }

    /// The rate at which the service sends each answer; several connections have it each.
    pub const fn traffic_limit(mut self, limit: TrafficLimit) -> Self {
        self.asking.traffic_limit = Some(limit);
        self
    }

    /// A header field to send with every request, instead of an earlier one of the same name.
    /// Those that this crate, the signature or the transport needs are refused by `build`, and so
    /// are all that begin with `if-`: see [`ClientBuilder::precondition`].
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.asking.headers.push((name.into(), value.into()));
        self
    }

    /// What must hold of an object when it is looked at, besides what was set before.
    pub fn precondition(mut self, precondition: Precondition) -> Self {
        self.asking.preconditions.push(precondition);
        self
    }

    /// A parameter of every GET by which the service replaces a header of its answer, such as
    /// `response-cache-control`; see [`OssSourceBuilder::response_override`].
    ///
    /// [`OssSourceBuilder::response_override`]: crate::OssSourceBuilder::response_override
    pub fn response_override(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.asking.overrides.push((name.into(), value.into()));
        self
    }

    /// A file of PEM certificates to trust besides the system's.
    pub fn ca_cert(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_cert = Some(path.into());
        self
    }

    /// The proxy to go through: none by default, whatever the environment says; it is asked with
    /// [`Proxy::from_environment`]. A transport of your own does not heed it.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = proxy;
        self
    }

    /// How long connecting may take, the way through a proxy and the TLS handshake included; 10 s
    /// by default.
    pub const fn connect_timeout(mut self, time: Duration) -> Self {
        self.limits.connect = time;
        self
    }

    /// How long an answer to a request may take to begin; 30 s by default.
    pub const fn answer_timeout(mut self, time: Duration) -> Self {
        self.limits.head = time;
        self
    }

    /// How many bytes of objects may come in a second, in all: one budget for every connection of
    /// every download and reading of this client and its clones. No limit by default.
    ///
    /// The mean is exact, and no more comes at once than in 50 ms, or a single chunk: at most 16 KiB
    /// to 512 KiB are read from a connection at once, the less the lower the limit is; from a
    /// transport of your own, as much as it reads. Besides, each connection holds a chunk that
    /// waits, and the system's buffer of its socket, which is filled once. What a connection is made
    /// to wait is not taken for silence or slowness of the other side. Heads of answers, TLS and TCP
    /// are not counted: some 3 % come on top.
    pub fn bandwidth_limit(mut self, bytes_per_second: NonZeroU64) -> Self {
        self.receiving.budget = Budget::new(bytes_per_second);
        self
    }

    /// Which threads write blocks to the disk; by default those for what blocks.
    pub const fn disk_writes(mut self, writes: DiskWrites) -> Self {
        self.receiving.disk_writes = writes;
        self
    }

    /// A transport of your own.
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// A file system of your own.
    pub fn file_system(mut self, file_system: Arc<dyn FileSystem>) -> Self {
        self.receiving.file_system = Some(file_system);
        self
    }

    /// Settings that weaken safety.
    pub fn dangerous(self) -> DangerousBuilder {
        DangerousBuilder { builder: self }
    }

    /// Checks everything and makes the client. Connects to nothing.
    ///
    /// # Errors
    ///
    /// Kind [`Config`](ErrorKind::Config), naming field, value and bound.
    pub fn build(self) -> Result<Client, Error> {
        let is_ours = self.transport.is_none();
        let (endpoint, credentials) = match self.service {
            Service::Oss { endpoint, credentials } => (Endpoint::parse(&endpoint)?, credentials),
            Service::Url(url) => {
                self.asking.refuse("a URL", "get a URL that is signed for what you want")?;
                if is_ours && self.plaintext == Plaintext::Refuse && url.is_signed() {
                    stays_here(url.endpoint(), &self.proxy)?;
                }
                let ours = (self.ca_cert, self.proxy, self.receiving.budget.read_at_once());
                let transport = transport(self.transport, ours)?;
                let source = UrlSource::new(transport, url, self.limits, self.plaintext)?;
                return Ok(self.receiving.client(Arc::new(source)));
            }
            Service::Other(open) => {
                self.asking.refuse("a store that is not OSS", "they are of OSS alone")?;
                let direct = match &self.transport {
                    Some(own) => Arc::clone(own),
                    None => transport(None, (None, Proxy::none(), None))?,
                };
                let proxy = self.proxy.clone();
                let ours = (self.ca_cert, self.proxy, self.receiving.budget.read_at_once());
                let network = Network::new(transport(self.transport, ours)?, self.limits)
                    .direct(direct)
                    .plaintext(self.plaintext)
                    .by_way_of(&proxy);
                let source = open.over(network)?;
                return Ok(self.receiving.client(source));
            }
        };
        let signing = match self.sign_version {
            SignatureVersion::V1 => Signing::V1,
            SignatureVersion::V4 => match &self.cloud_box_id {
                Some(id) => Signing::cloud_box(id)?,
                None => Signing::v4(&endpoint, self.region.as_deref())?,
            },
        };
        if is_ours && self.plaintext == Plaintext::Refuse && !credentials.is_anonymous() {
            stays_here(&endpoint, &self.proxy)?;
        }
        let ours = (self.ca_cert, self.proxy, self.receiving.budget.read_at_once());
        let transport = transport(self.transport, ours)?;
        let mut source = OssSource::builder(transport, endpoint, signing, credentials)
            .limits(self.limits)
            .plaintext(self.plaintext);
        if let Some(addressing) = self.addressing {
            source = source.addressing(addressing);
        }
        let source = self.asking.apply(source)?.build()?;
        let requests = Some(source.requests());
        Ok(Client { requests, ..self.receiving.client(Arc::new(source)) })
    }
}

impl Receiving {
    fn client(self, source: Arc<dyn Source>) -> Client {
        let file_system = self.file_system.unwrap_or_else(|| Arc::new(NativeFileSystem::new()));
        Client {
            budget: self.budget,
            disk_writes: self.disk_writes,
            ..Client::with_source(source, file_system)
        }
    }
}

/// Settings that weaken safety, reached through [`ClientBuilder::dangerous`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct DangerousBuilder {
    builder: ClientBuilder,
}

impl DangerousBuilder {
    /// Sends credentials' signatures over plain http to hosts other than this one. Whoever is on
    /// the way can read and change everything; the CRC-64 does not protect against intent.
    pub fn allow_plaintext(mut self) -> ClientBuilder {
        self.builder.plaintext = Plaintext::Allow;
        self.builder
    }
}

/// Plain http needs no permission where it stays on this machine: not through a proxy elsewhere.
fn stays_here(endpoint: &Endpoint, proxy: &Proxy) -> Result<(), Error> {
    if endpoint.is_plaintext() && endpoint.is_loopback() && proxy.carries_loopback_away() {
        let what = "the proxy would carry credentials over plain http to another host";
        return Err(Error::new(ErrorKind::Config, what)
            .with_hint("use https, or allow plaintext if everybody on the way is trusted"));
    }
    Ok(())
}

/// The caller's transport, or else one of ours: with what it trusts, the way it takes and the most it
/// reads at once.
fn transport(
    own: Option<Arc<dyn Transport>>,
    (ca_cert, proxy, read_at_once): (Option<PathBuf>, Proxy, Option<usize>),
) -> Result<Arc<dyn Transport>, Error> {
    if let Some(transport) = own {
        return Ok(transport);
    }
    let failed = |error| {
        let what = match &error {
            TransportSetupError::Proxy { .. } => "no way through a proxy can be set up",
            _ => "TLS cannot be set up",
        };
        Error::new(ErrorKind::Config, what).with_source(error)
    };
    let mut builder = HyperTransport::builder().proxy(proxy);
    if let Some(path) = ca_cert {
        builder = builder.extra_ca_file(path).map_err(failed)?;
    }
    if let Some(bytes) = read_at_once {
        builder = builder.read_buffer(bytes);
    }
    Ok(Arc::new(builder.build().map_err(failed)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Anonymous, Credentials, StaticCredentials};
    use std::error::Error as _;

    fn builder(endpoint: &str, proxy: &str) -> ClientBuilder {
        let credentials = StaticCredentials::new(Credentials::new("id", "secret").unwrap());
        Client::builder(endpoint, credentials).region("r").proxy(Proxy::new(proxy))
    }

    #[test]
    fn a_proxy_is_checked_by_build_and_its_password_told_by_nothing() {
        let good = builder("https://oss.example", "socks5://user:canary@p");
        assert!(!format!("{good:?}").contains("canary"));
        assert!(!format!("{:?}", good.build().unwrap()).contains("canary"));
        for bad in ["https://user:canary@p", "http://user:canary", "ftp://user:canary@p"] {
            let error = builder("https://oss.example", bad).build().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            let told = format!("{error} {error:?} {}", error.source().unwrap());
            assert!(told.contains("proxy") && !told.contains("canary"), "{told}");
        }
    }

    /// Faults: 139.
    #[test]
    fn plain_http_to_this_machine_needs_permission_by_way_of_a_proxy_elsewhere() {
        let (here, away) = ("http://127.0.0.1:3128", "http://proxy.example:3128");
        let endpoint = "http://127.0.0.1:9000";
        assert!(builder(endpoint, here).build().is_ok());
        let error = builder(endpoint, away).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.hint().is_some());
        assert!(builder(endpoint, away).dangerous().allow_plaintext().build().is_ok());
        assert!(builder("https://127.0.0.1:9000", away).build().is_ok());
        let anonymous = Client::builder(endpoint, Anonymous).region("r").proxy(Proxy::new(away));
        assert!(anonymous.build().is_ok());
        for (query, is_fine) in [("", true), ("?Signature=canary", false)] {
            let url = format!("{endpoint}/k{query}").parse().unwrap();
            let built = Client::of_url(url).proxy(Proxy::new(away)).build();
            assert_eq!(built.is_ok(), is_fine, "{query}");
        }
    }
}
