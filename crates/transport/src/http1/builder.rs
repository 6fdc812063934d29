//! Sets up a transport.

use super::HyperTransport;
use super::idle::IdleList;
use super::proxy::{Connector, Proxy};
use super::tls::Tls;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::error::Error as StdError;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Sets up a [`HyperTransport`].
#[derive(Clone)]
#[must_use]
pub struct HyperTransportBuilder {
    extra: RootCertStore,
    read_buffer: usize,
    proxy: Proxy,
}

/// Why a transport cannot be set up. `Display` names this level only; the cause is in `source()`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportSetupError {
    /// A CA file cannot be read, or what is in it is no certificate.
    #[error("the CA file {} cannot be used", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// A CA file has no certificate in it.
    #[error("the CA file {} holds no certificate", path.display())]
    CaFileEmpty {
        /// The file.
        path: PathBuf,
    },
    /// The read buffer is too small.
    #[error("a read buffer of {bytes} bytes is less than {least}")]
    ReadBuffer {
        /// What was asked for.
        bytes: usize,
        /// The least that will do.
        least: usize,
    },
    /// A proxy cannot be used.
    #[error("the proxy{} cannot be used", variable.map(|name| format!(" in {name}")).unwrap_or_default())]
    Proxy {
        /// The environment variable that names it, if one does.
        variable: Option<&'static str>,
        /// What is wrong with it. Its URL, which may hold a password, is not told.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls {
        /// The cause.
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl HyperTransportBuilder {
    /// Trusts the certificates in the PEM file at `path` as well. The file is read now.
    ///
    /// # Errors
    ///
    /// [`TransportSetupError::CaFile`] when the file cannot be read or a certificate in it is
    /// none, [`TransportSetupError::CaFileEmpty`] when it has no certificate.
    pub fn extra_ca_file(mut self, path: impl AsRef<Path>) -> Result<Self, TransportSetupError> {
        let path = path.as_ref();
        let unusable = |source: Box<dyn StdError + Send + Sync>| TransportSetupError::CaFile {
            path: path.to_owned(),
            source,
        };
        let before = self.extra.len();
        for certificate in
            CertificateDer::pem_file_iter(path).map_err(|error| unusable(error.into()))?
        {
            let certificate = certificate.map_err(|error| unusable(error.into()))?;
            self.extra.add(certificate).map_err(|error| unusable(error.into()))?;
        }
        if self.extra.len() == before {
            return Err(TransportSetupError::CaFileEmpty { path: path.to_owned() });
        }
        Ok(self)
    }

    /// The most that is read at once from one connection where no room is given, in bytes: 512 KiB
    /// unless set. [`Body::fill`](crate::Body::fill) of a large body reads as much as its room holds.
    ///
    /// A fast connection may take this much memory, and as much again while its last chunk is held.
    /// The default is measured: over loopback 128 KiB costs 40 % against it. The head of a response
    /// must fit into it, too.
    pub const fn read_buffer(mut self, bytes: usize) -> Self {
        self.read_buffer = bytes;
        self
    }

    /// The proxy to go through: none unless set. Checked by [`build`](Self::build).
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = proxy;
        self
    }

    /// Builds the transport. The system's certificates are read when TLS is first spoken, which takes
    /// some milliseconds.
    ///
    /// # Errors
    ///
    /// [`TransportSetupError::ReadBuffer`] for a read buffer below 8 KiB,
    /// [`TransportSetupError::Proxy`] for a proxy that cannot be used, and
    /// [`TransportSetupError::Tls`] when TLS cannot be set up.
    pub fn build(self) -> Result<HyperTransport, TransportSetupError> {
        if self.read_buffer < LEAST_READ_BUFFER {
            return Err(TransportSetupError::ReadBuffer {
                bytes: self.read_buffer,
                least: LEAST_READ_BUFFER,
            });
        }
        let rules = Arc::new(self.proxy.rules()?);
        let connector = Connector::new(Arc::clone(&rules));
        let tls = Tls::new(self.extra)
            .map_err(|error| TransportSetupError::Tls { source: error.into() })?;
        let mut http1 = hyper::client::conn::http1::Builder::new();
        http1.max_buf_size(self.read_buffer).max_headers(MAX_FIELDS).max_header_size(MAX_HEAD);
        let idle = Arc::new(IdleList::new(http1, self.read_buffer));
        Ok(HyperTransport { connector, tls: Arc::new(tls), rules, idle })
    }
}

impl Default for HyperTransportBuilder {
    fn default() -> Self {
        Self { extra: RootCertStore::empty(), read_buffer: 512 * 1024, proxy: Proxy::none() }
    }
}

impl fmt::Debug for HyperTransportBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransportBuilder")
            .field("extra_certificates", &self.extra.len())
            .field("read_buffer", &self.read_buffer)
            .field("proxy", &self.proxy)
            .finish()
    }
}

/// hyper's own bound, which it enforces with a panic.
const LEAST_READ_BUFFER: usize = 8 * 1024;

/// The most header fields of a response; also hyper's default, which it does not promise.
pub(super) const MAX_FIELDS: usize = 100;

/// The largest head of a response in bytes, status line included. Without it the read buffer,
/// far larger than any honest head, would be the bound.
pub(super) const MAX_HEAD: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_ca_file_without_a_usable_certificate_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = |content: &str| {
            let path = folder.path().join("ca.pem");
            fs::write(&path, content).unwrap();
            HyperTransport::builder().extra_ca_file(&path).unwrap_err()
        };
        let missing = HyperTransport::builder().extra_ca_file(folder.path().join("none"));
        assert!(matches!(missing, Err(TransportSetupError::CaFile { .. })));
        assert!(matches!(file(""), TransportSetupError::CaFileEmpty { .. }));
        assert!(matches!(file("no PEM at all"), TransportSetupError::CaFileEmpty { .. }));
        let truncated = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        assert!(matches!(file(truncated), TransportSetupError::CaFile { .. }));
        let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let error = file(nonsense);
        assert!(matches!(error, TransportSetupError::CaFile { .. }));
        assert!(error.to_string().contains("ca.pem"));
    }

    #[test]
    fn a_read_buffer_below_the_bound_is_refused() {
        let build = |bytes| HyperTransport::builder().read_buffer(bytes).build();
        let error = build(8 * 1024 - 1).unwrap_err();
        assert_eq!(error.to_string(), "a read buffer of 8191 bytes is less than 8192");
        assert!(build(8 * 1024).is_ok());
    }

    #[test]
    fn the_read_buffer_is_512_kib_unless_set() {
        assert_eq!(HyperTransportBuilder::default().read_buffer, 512 * 1024);
    }
}
