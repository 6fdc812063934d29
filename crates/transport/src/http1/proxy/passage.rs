//! Connects to servers, directly or through a proxy.

use super::super::builder::{MAX_FIELDS, MAX_HEAD};
use super::super::dial::{Dialer, Stream};
use super::super::fault;
use super::Rules;
use super::server::{Names, Protocol, Refusal, Server};
use crate::{TransportError, TransportErrorKind};
use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::client::legacy::connect::proxy::SocksV5;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_service::Service;

/// Makes connections for hyper-rustls: through a proxy where there is one to go through. TLS is
/// spoken over what comes out of here, and so with the server itself.
#[derive(Clone, Debug)]
pub(in super::super) struct Connector {
    dialer: Dialer,
    /// Takes turns of its own: with the dialer's, each name would meet every second turn only.
    names: Dialer,
    rules: Arc<Rules>,
}

impl Connector {
    pub(in super::super) fn new(rules: Arc<Rules>) -> Self {
        Self { dialer: Dialer::default(), names: Dialer::default(), rules }
    }

    async fn pass(self, server: Arc<Server>, origin: Uri) -> Result<Stream, TransportError> {
        let passage = Passage { dialer: self.dialer, server: &server };
        match server.protocol() {
            Protocol::Http { .. } if origin.scheme() == Some(&Scheme::HTTP) => passage.dial().await,
            Protocol::Http { authorization } => {
                passage.connect(&origin, authorization.as_ref()).await
            }
            Protocol::Socks { names: Names::AtProxy, login } => {
                passage.socks(origin, login.as_ref()).await
            }
            Protocol::Socks { names: Names::Here, login } => {
                passage.socks_to_addresses(&origin, login.as_ref(), &self.names).await
            }
        }
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = TransportError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.dialer.poll_ready(context)
    }

    fn call(&mut self, origin: Uri) -> Self::Future {
        match self.rules.server(&origin) {
            None => self.dialer.call(origin),
            Some(server) => Box::pin(self.clone().pass(Arc::clone(server), origin)),
        }
    }
}

/// A way through one proxy.
struct Passage<'a> {
    dialer: Dialer,
    server: &'a Server,
}

impl Passage<'_> {
    /// A connection to the proxy.
    async fn dial(mut self) -> Result<Stream, TransportError> {
        let dialled = self.dialer.call(self.server.uri().clone()).await;
        dialled.map_err(|error| error.at_proxy(self.server.name()))
    }

    /// A tunnel by CONNECT (RFC 9110, section 9.3.6).
    async fn connect(
        self,
        origin: &Uri,
        authorization: Option<&HeaderValue>,
    ) -> Result<Stream, TransportError> {
        let server = self.server;
        let host = origin.host().unwrap_or_default();
        let stream = self.dial().await?;
        let failed = |error| connect_failed(host, error);
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(2 * MAX_HEAD)
            .max_headers(MAX_FIELDS)
            .max_header_size(MAX_HEAD)
            .handshake(stream)
            .await
            .map_err(failed)?;
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a connection to a proxy ended");
            }
        });
        let request = connect_request(origin, authorization)
            .map_err(|error| fault::error(TransportErrorKind::Request, host, error))?;
        let response = sender.send_request(request).await.map_err(failed)?;
        let status = response.status();
        if !status.is_success() {
            return Err(refused(server, host, status));
        }
        let upgraded = hyper::upgrade::on(response).await.map_err(failed)?;
        let parts = upgraded.downcast::<Stream>().expect("it is what the handshake was given");
        if !parts.read_buf.is_empty() {
            // No server speaks first here: this would be taken for the answer to a request.
            return Err(fault::error(TransportErrorKind::Protocol, host, Refusal::Early));
        }
        tracing::debug!(host, proxy = server.name(), "connected through a proxy");
        Ok(parts.io)
    }

    /// A tunnel by SOCKS 5 to a name or an address.
    async fn socks(
        self,
        target: Uri,
        login: Option<&(String, String)>,
    ) -> Result<Stream, TransportError> {
        let server = self.server;
        let host = target.host().unwrap_or_default().to_owned();
        let mut socks = SocksV5::new(server.uri().clone(), self.dialer);
        if let Some((user, password)) = login.cloned() {
            socks = socks.with_auth(user, password);
        }
        let stream =
            socks.call(target).await.map_err(|error| socks_failed(server, &host, error))?;
        tracing::debug!(host, proxy = server.name(), "connected through a proxy");
        Ok(stream)
    }

    /// A tunnel by SOCKS 5 to one of the addresses that a name has here: the proxy may be able to
    /// reach only some of them.
    async fn socks_to_addresses(
        self,
        origin: &Uri,
        login: Option<&(String, String)>,
        names: &Dialer,
    ) -> Result<Stream, TransportError> {
        let (Some(host), Some(port)) = (origin.host(), origin.port_u16()) else {
            return Err(TransportError::new(TransportErrorKind::Request, None, None));
        };
        let mut last = None;
        for address in names.addresses(host, port).await? {
            let target = Uri::builder()
                .scheme(Scheme::HTTPS)
                .authority(address.to_string())
                .path_and_query("/")
                .build()
                .map_err(|error| fault::error(TransportErrorKind::Request, host, error))?;
            let passage = Passage { dialer: self.dialer.clone(), server: self.server };
            match passage.socks(target, login).await {
                Err(error) if is_about_the_address(&error) => last = Some(error),
                done => return done,
            }
        }
        Err(last
            .unwrap_or_else(|| TransportError::new(TransportErrorKind::Resolve, Some(host), None)))
    }
}

fn connect_request(
    origin: &Uri,
    authorization: Option<&HeaderValue>,
) -> Result<Request<Empty<Bytes>>, http::Error> {
    // An origin always names host and port.
    let authority = origin.authority().map_or("", Authority::as_str);
    let mut request = Request::connect(authority).header(HOST, authority);
    if let Some(value) = authorization {
        request = request.header(PROXY_AUTHORIZATION, value);
    }
    request.body(Empty::new())
}

/// The exchange with the proxy failed before there was a status.
fn connect_failed(host: &str, error: hyper::Error) -> TransportError {
    let kind =
        if error.is_parse() { TransportErrorKind::Protocol } else { TransportErrorKind::Connect };
    fault::error(kind, host, error)
}

fn refused(server: &Server, host: &str, status: StatusCode) -> TransportError {
    match status {
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            return server.wants_credentials(host, " (407)");
        }
        // There is no server yet that could have sent it.
        StatusCode::UNAUTHORIZED => return server.wants_credentials(host, " (401)"),
        _ => {}
    }
    // Those may pass: the proxy has too much to do, or did not reach the server.
    let may_pass = status.is_server_error()
        || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
    let kind =
        if may_pass { TransportErrorKind::Connect } else { TransportErrorKind::ProxyRefused };
    fault::error(kind, host, Refusal::Status(status))
}

type SocksError = <SocksV5<Dialer> as Service<Uri>>::Error;

fn socks_failed(server: &Server, host: &str, error: SocksError) -> TransportError {
    use TransportErrorKind::{Connect, ProxyRefused, Request};
    let reply = match error {
        SocksError::Inner(error) => return error.at_proxy(server.name()),
        SocksError::Io(error) => return fault::error(Connect, host, error),
        SocksError::V5(reply) => reply,
        other => return fault::error(TransportErrorKind::Protocol, host, other.to_string()),
    };
    let has_login = matches!(server.protocol(), Protocol::Socks { login: Some(_), .. });
    // The types of replies cannot be named, only shown; what is not known here is tried again.
    let (kind, refusal) = match format!("{reply:?}").as_str() {
        "Auth(Unsupported)" if has_login => (ProxyRefused, Refusal::NoLogin),
        "Auth(Unsupported)" => (ProxyRefused, Refusal::WantsCredentials("")),
        "Auth(Failed)" => (ProxyRefused, Refusal::Credentials("")),
        "Auth(MethodMismatch)" => (TransportErrorKind::Protocol, Refusal::Socks(reply.to_string())),
        "Command(ConnectionNotAllowed)" | "Command(CommandNotSupported)" => {
            (ProxyRefused, Refusal::Socks(reply.to_string()))
        }
        "HostTooLong" => (Request, Refusal::Socks(reply.to_string())),
        _ => (Connect, Refusal::Socks(reply.to_string())),
    };
    fault::error(kind, host, refusal)
}

/// Whether another address may fare better: the proxy was reached and has answered.
fn is_about_the_address(error: &TransportError) -> bool {
    let source = std::error::Error::source(error);
    error.kind() == TransportErrorKind::Connect && source.is_some_and(|cause| cause.is::<Refusal>())
}
