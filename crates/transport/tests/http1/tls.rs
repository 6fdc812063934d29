//! Whom the transport trusts, and what the end of a TLS connection means.

use crate::server::{OK, Server, assert_kind, get_url, read, read_request, transport};
use ossget_transport::TransportErrorKind::{Broken, Certificate, TlsHandshake};
use ossget_transport::{HyperTransport, HyperTransportBuilder};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use std::fs;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ALL_VERSIONS, ServerConfig, SupportedProtocolVersion, crypto};
use tokio_rustls::server::TlsStream;

/// A certificate authority of the test's own.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A server's side of TLS, with a certificate for `name` as `change` makes it.
    pub(crate) fn acceptor(
        &self,
        name: &str,
        versions: &[&'static SupportedProtocolVersion],
        change: impl FnOnce(&mut CertificateParams),
    ) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let certificate: CertificateDer<'static> =
            params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config =
            ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
                .with_protocol_versions(versions)
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![certificate], key)
                .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    /// A transport that trusts it.
    pub(crate) fn builder(&self) -> HyperTransportBuilder {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        fs::write(&path, &self.pem).unwrap();
        HyperTransport::builder().extra_ca_file(path).unwrap()
    }

    fn transport(&self) -> HyperTransport {
        self.builder().build().unwrap()
    }
}

/// Whether a server says that it is done before it closes.
#[derive(Clone, Copy)]
enum End {
    CloseNotify,
    Cut,
}

/// Answers one request a connection with `answer`.
async fn serve(acceptor: TlsAcceptor, answer: &'static [u8], end: End) -> (Server, String) {
    let server = Server::start(move |stream, _| {
        let acceptor = acceptor.clone();
        async move {
            // A client that refuses the certificate ends the handshake.
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            respond(&mut stream, answer, end).await;
        }
    })
    .await;
    let url = server.url("/object?signature=secret").replace("http:", "https:");
    (server, url)
}

async fn respond(stream: &mut TlsStream<TcpStream>, answer: &[u8], end: End) {
    if read_request(stream).await.is_some() {
        stream.write_all(answer).await.unwrap();
        stream.flush().await.unwrap();
        if matches!(end, End::CloseNotify) {
            stream.shutdown().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_certificate_of_an_extra_authority_is_accepted_over_tls_1_2_and_1_3() {
    for version in [&TLS12, &TLS13] {
        let authority = Authority::new();
        let acceptor = authority.acceptor("127.0.0.1", &[version], |_| {});
        let (_server, url) = serve(acceptor, OK, End::CloseNotify).await;
        let mut response = get_url(&authority.transport(), &url).await.unwrap();
        assert_eq!(read(&mut response.body).await.unwrap(), b"hello");
    }
}

#[tokio::test]
async fn a_host_is_known_to_tls_by_its_name() {
    let authority = Authority::new();
    let acceptor = authority.acceptor("localhost", ALL_VERSIONS, |_| {});
    let (_server, url) = serve(acceptor, OK, End::CloseNotify).await;
    let url = url.replace("127.0.0.1", "LOCALHOST");
    get_url(&authority.transport(), &url).await.unwrap();
}

/// Faults: 138.
#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let acceptor = Authority::new().acceptor("127.0.0.1", ALL_VERSIONS, |_| {});
    let (_server, url) = serve(acceptor, OK, End::CloseNotify).await;
    for transport in [transport(), Authority::new().transport()] {
        assert_kind(&get_url(&transport, &url).await.unwrap_err(), Certificate);
    }
}

/// Faults: 138.
#[tokio::test]
async fn a_certificate_of_another_host_is_refused() {
    let authority = Authority::new();
    let acceptor = authority.acceptor("other.example", ALL_VERSIONS, |_| {});
    let (_server, url) = serve(acceptor, OK, End::CloseNotify).await;
    let error = get_url(&authority.transport(), &url).await.unwrap_err();
    assert_kind(&error, Certificate);
    assert_eq!(error.host(), Some("127.0.0.1"));
}

/// Faults: 138.
#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let authority = Authority::new();
    let acceptor = authority.acceptor("127.0.0.1", ALL_VERSIONS, |params| {
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    let (_server, url) = serve(acceptor, OK, End::CloseNotify).await;
    assert_kind(&get_url(&authority.transport(), &url).await.unwrap_err(), Certificate);
}

/// Faults: 138.
#[tokio::test]
async fn a_server_without_a_common_version_is_refused_and_one_that_hangs_up_is_not_final() {
    // Alerts: fatal, protocol_version (RFC 8446, section 6); fatal, internal_error.
    let alert = |code| vec![0x15, 0x03, 0x01, 0x00, 0x02, 0x02, code];
    for (answer, kind) in
        [(alert(70), Certificate), (alert(80), TlsHandshake), (vec![], TlsHandshake)]
    {
        let server = Server::start(move |mut stream, _| {
            let answer = answer.clone();
            async move {
                // Waits for the greeting, so that the close is not a reset.
                let mut greeting = [0; 4096];
                stream.readable().await.unwrap();
                let _ = stream.try_read(&mut greeting);
                stream.write_all(&answer).await.unwrap();
            }
        })
        .await;
        let url = server.url("/object").replace("http:", "https:");
        assert_kind(&get_url(&transport(), &url).await.unwrap_err(), kind);
    }
}

/// Faults: 11.
#[tokio::test]
async fn a_connection_cut_within_a_body_is_broken() {
    let short = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello";
    for end in [End::Cut, End::CloseNotify] {
        let authority = Authority::new();
        let acceptor = authority.acceptor("127.0.0.1", ALL_VERSIONS, |_| {});
        let (_server, url) = serve(acceptor, short, end).await;
        let mut response = get_url(&authority.transport(), &url).await.unwrap();
        assert_eq!(response.body.chunk().await.unwrap().unwrap(), "hello");
        assert_kind(&response.body.chunk().await.unwrap_err(), Broken);
    }
}

/// Faults: 10.
#[tokio::test]
async fn a_complete_body_is_accepted_without_close_notify_and_its_connection_not_used_again() {
    let authority = Authority::new();
    let acceptor = authority.acceptor("127.0.0.1", ALL_VERSIONS, |_| {});
    let (server, url) = serve(acceptor, OK, End::Cut).await;
    let transport = authority.transport();
    for connections in 1..=2 {
        let mut response = get_url(&transport, &url).await.unwrap();
        assert_eq!(read(&mut response.body).await.unwrap(), b"hello");
        assert_eq!(server.accepted(), connections);
    }
}

#[tokio::test]
async fn a_body_framed_by_the_close_needs_close_notify() {
    let authority = Authority::new();
    for (end, is_whole) in [(End::CloseNotify, true), (End::Cut, false)] {
        let acceptor = authority.acceptor("127.0.0.1", ALL_VERSIONS, |_| {});
        let (_server, url) = serve(acceptor, b"HTTP/1.1 200 OK\r\n\r\nhello", end).await;
        let mut response = get_url(&authority.transport(), &url).await.unwrap();
        let body = read(&mut response.body).await;
        match is_whole {
            true => assert_eq!(body.unwrap(), b"hello"),
            false => assert_kind(&body.unwrap_err(), Broken),
        }
    }
}
