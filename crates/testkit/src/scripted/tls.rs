//! Certificates made at run time.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ALL_VERSIONS, ServerConfig};

/// A certificate authority that only a test trusts.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// What certificate a server shows. All are for `127.0.0.1` and `localhost` but one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Certificate {
    /// A good one.
    #[default]
    Good,
    /// One that was good until 2001.
    Expired,
    /// One that will be good in 2999.
    NotYetValid,
    /// A good one of another host.
    OtherHost,
    /// One that vouches for itself.
    SelfSigned,
}

impl Authority {
    /// Makes a key and a certificate for it.
    ///
    /// # Errors
    ///
    /// When the cryptography fails.
    pub fn new() -> io::Result<Self> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let mut params = CertificateParams::new(vec![]).map_err(io::Error::other)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).map_err(io::Error::other)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// Writes the authority's own certificate to a file, for those who are to trust it.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn write_pem(&self, path: impl AsRef<Path>) -> io::Result<()> {
        std::fs::write(path, &self.pem)
    }

    /// A server's side of TLS 1.2 and 1.3, which would rather speak HTTP/2.
    pub(super) fn acceptor(&self, kind: Certificate) -> io::Result<TlsAcceptor> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let names = match kind {
            Certificate::OtherHost => vec!["other.example".to_owned()],
            _ => vec!["127.0.0.1".to_owned(), "localhost".to_owned()],
        };
        let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
        match kind {
            Certificate::Expired => params.not_after = date_time_ymd(2001, 1, 1),
            Certificate::NotYetValid => params.not_before = date_time_ymd(2999, 1, 1),
            _ => {}
        }
        let certificate = match kind {
            Certificate::SelfSigned => params.self_signed(&key),
            _ => params.signed_by(&key, &self.issuer),
        };
        let certificate: CertificateDer<'static> =
            certificate.map_err(io::Error::other)?.der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(io::Error::other)?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(ALL_VERSIONS)
            .and_then(|builder| {
                builder.with_no_client_auth().with_single_cert(vec![certificate], key)
            })
            .map_err(io::Error::other)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}
