//! Which certificates are trusted, and by which cryptography.

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use std::sync::{Arc, OnceLock};

/// TLS 1.2 and 1.3, trusting the system's certificates and some more.
pub(super) struct Tls {
    unrooted: ConfigBuilder<ClientConfig, WantsVerifier>,
    extra: RootCertStore,
    config: OnceLock<Arc<ClientConfig>>,
}

impl Tls {
    pub(super) fn new(extra: RootCertStore) -> Result<Self, rustls::Error> {
        // The provider is named because with both compiled in rustls' own default is a panic.
        let unrooted = ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_safe_default_protocol_versions()?;
        Ok(Self { unrooted, extra, config: OnceLock::new() })
    }

    /// Reads the system's certificates the first time: hundreds of files, some milliseconds, which
    /// whoever speaks no TLS is spared.
    pub(super) fn config(&self) -> Arc<ClientConfig> {
        let config = self.config.get_or_init(|| {
            let roots = roots(native(), &self.extra);
            Arc::new(self.unrooted.clone().with_root_certificates(roots).with_no_client_auth())
        });
        Arc::clone(config)
    }

    #[cfg(test)]
    pub(super) fn is_read(&self) -> bool {
        self.config.get().is_some()
    }
}

fn native() -> Vec<CertificateDer<'static>> {
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!(%error, "a certificate of the system cannot be used");
    }
    native.certs
}

/// The system's certificates and `extra`, or Mozilla's and `extra` where the system has none:
/// minimal container images come without any.
fn roots(native: Vec<CertificateDer<'static>>, extra: &RootCertStore) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let (_, ignored) = roots.add_parsable_certificates(native);
    if ignored > 0 {
        tracing::debug!(ignored, "certificates of the system that cannot be parsed");
    }
    if roots.is_empty() {
        tracing::debug!("the system has no certificates; using Mozilla's");
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots.extend(extra.roots.iter().cloned());
    roots
}

#[cfg(feature = "ring")]
fn provider() -> CryptoProvider {
    rustls::crypto::ring::default_provider()
}

#[cfg(not(feature = "ring"))]
fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority() -> CertificateDer<'static> {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn a_system_without_certificates_falls_back_to_mozillas() {
        let mozilla = webpki_roots::TLS_SERVER_ROOTS.len();
        let mut extra = RootCertStore::empty();
        assert_eq!(roots(vec![], &extra).len(), mozilla);
        assert_eq!(roots(vec![CertificateDer::from(vec![1, 2, 3])], &extra).len(), mozilla);
        assert_eq!(roots(vec![authority()], &extra).len(), 1);

        extra.add(authority()).unwrap();
        assert_eq!(roots(vec![authority()], &extra).len(), 2);
        assert_eq!(roots(vec![], &extra).len(), mozilla + 1);
    }
}
