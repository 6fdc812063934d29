//! Where downloads come from: an endpoint, credentials, and how to reach it.

use crate::credentials::CredentialsProvider;
use crate::download::Download;
use crate::driver::Pace;
use crate::endpoint::{Addressing, Endpoint};
use crate::source::{OssSource, Plaintext, Signing, Source};
use crate::{Error, ErrorKind, Object};
use ossget_fs::{FileSystem, NativeFileSystem};
use ossget_sign::SignatureVersion;
use ossget_transport::{HyperTransport, Limits, Transport};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Where downloads come from. Cheap to clone; clones share connections and the pace of retries.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) file_system: Arc<dyn FileSystem>,
    pub(crate) pace: Arc<Pace>,
}

/// Collects what a [`Client`] needs. [`ClientBuilder::build`] checks it all.
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct ClientBuilder {
    endpoint: String,
    credentials: Arc<dyn CredentialsProvider>,
    region: Option<String>,
    cloud_box_id: Option<String>,
    addressing: Option<Addressing>,
    sign_version: SignatureVersion,
    ca_cert: Option<PathBuf>,
    limits: Limits,
    plaintext: Plaintext,
    transport: Option<Arc<dyn Transport>>,
    file_system: Option<Arc<dyn FileSystem>>,
}

impl Client {
    /// Begins a client for an endpoint: `https://oss-cn-hangzhou.aliyuncs.com`, a custom domain,
    /// an address; without a scheme, https.
    pub fn builder(
        endpoint: impl Into<String>,
        credentials: impl CredentialsProvider,
    ) -> ClientBuilder {
        ClientBuilder {
            endpoint: endpoint.into(),
            credentials: Arc::new(credentials),
            region: None,
            cloud_box_id: None,
            addressing: None,
            sign_version: SignatureVersion::V4,
            ca_cert: None,
            limits: Limits::default(),
            plaintext: Plaintext::Refuse,
            transport: None,
            file_system: None,
        }
    }

    /// A client over any source and file system.
    #[must_use]
    pub fn with_source(source: Arc<dyn Source>, file_system: Arc<dyn FileSystem>) -> Self {
        Self { source, file_system, pace: Arc::default() }
    }

    /// A download of `object` to the file `destination`, to be awaited. A destination that is a
    /// directory, or ends in a separator, receives the last component of the key.
    pub fn download(&self, object: Object, destination: impl Into<PathBuf>) -> Download {
        Download::new(self.clone(), object, destination.into())
    }
}

impl ClientBuilder {
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

    /// A file of PEM certificates to trust besides the system's.
    pub fn ca_cert(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_cert = Some(path.into());
        self
    }

    /// How long connecting, the TLS handshake included, may take; 10 s by default.
    pub const fn connect_timeout(mut self, time: Duration) -> Self {
        self.limits.connect = time;
        self
    }

    /// A transport of your own.
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// A file system of your own.
    pub fn file_system(mut self, file_system: Arc<dyn FileSystem>) -> Self {
        self.file_system = Some(file_system);
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
        let endpoint = Endpoint::parse(&self.endpoint)?;
        let signing = match self.sign_version {
            SignatureVersion::V1 => Signing::V1,
            SignatureVersion::V4 => match &self.cloud_box_id {
                Some(id) => Signing::cloud_box(id)?,
                None => Signing::v4(&endpoint, self.region.as_deref())?,
            },
        };
        let transport = match self.transport {
            Some(transport) => transport,
            None => hyper_transport(self.ca_cert)?,
        };
        let mut source = OssSource::builder(transport, endpoint, signing, self.credentials)
            .limits(self.limits)
            .plaintext(self.plaintext);
        if let Some(addressing) = self.addressing {
            source = source.addressing(addressing);
        }
        let source = source.build()?;
        let file_system = self.file_system.unwrap_or_else(|| Arc::new(NativeFileSystem::new()));
        Ok(Client::with_source(Arc::new(source), file_system))
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

fn hyper_transport(ca_cert: Option<PathBuf>) -> Result<Arc<dyn Transport>, Error> {
    let failed = |error| Error::new(ErrorKind::Config, "TLS cannot be set up").with_source(error);
    let mut builder = HyperTransport::builder();
    if let Some(path) = ca_cert {
        builder = builder.extra_ca_file(path).map_err(failed)?;
    }
    Ok(Arc::new(builder.build().map_err(failed)?))
}
