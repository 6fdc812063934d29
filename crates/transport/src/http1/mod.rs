//! HTTP/1.1 on hyper, one connection an exchange, kept for the next one when it ends cleanly.

mod body;
mod builder;
mod dial;
mod fault;
mod idle;
mod line;
mod proxy;
mod request;
mod sized;
mod tls;

pub use builder::{HyperTransportBuilder, TransportSetupError};
pub use proxy::Proxy;

use crate::{Body, Limits, Response, Transport, TransportError, TransportErrorKind};
use async_trait::async_trait;
use body::Lease;
use bytes::Bytes;
use fault::{BoxError, History, Malformed};
use futures::future::{self, Either};
use http::{StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper_rustls::HttpsConnector;
use idle::IdleList;
use line::Line;
use proxy::{Connector, Rules};
use request::{Origin, Prepared};
use sized::SizedBody;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tls::Tls;
use tokio::sync::Notify;
use tokio::time::timeout;
use tower_service::Service;

/// HTTP/1.1 over TCP and TLS, with connections kept for reuse.
///
/// What it decides, and nothing more: which of a host's addresses to connect to (its answers are
/// taken in turn, one that failed lately comes last), and which idle connection to reuse.
/// It never follows a redirect, decodes no content and sends each request at most once.
///
/// It goes through a proxy where [`HyperTransportBuilder::proxy`] names one. TLS is then spoken
/// through the proxy with the server itself: of an `https` exchange the proxy learns the host, the
/// port and how much is sent.
///
/// Clones share their connections. An idle connection older than 50 s is not used again.
///
/// It must be used within a Tokio runtime with I/O and time enabled; connections belong to the
/// runtime they were made on and are found closed once that is gone.
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use ossget_transport::{HyperTransport, Limits, Transport, TransportErrorKind};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let transport = HyperTransport::builder().build()?;
/// let request = http::Request::get("http://host.invalid/object").body(Bytes::new())?;
/// let error = transport.send(request, Limits::default()).await.unwrap_err();
/// assert_eq!(error.kind(), TransportErrorKind::Resolve);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct HyperTransport {
    connector: Connector,
    tls: Arc<Tls>,
    rules: Arc<Rules>,
    idle: Arc<IdleList>,
}

impl HyperTransport {
    /// Starts with the defaults: the system's certificates and a read buffer of 512 KiB.
    pub fn builder() -> HyperTransportBuilder {
        HyperTransportBuilder::default()
    }

    /// A connection to `origin` that is ready for a request.
    async fn acquire(&self, origin: &Arc<Origin>) -> Result<Connection, TransportError> {
        while let Some(mut line) = self.idle.pop(origin) {
            // Lets the connection's task see a close that has arrived but was not yet looked at;
            // otherwise the request would be written to a dead connection.
            tokio::task::yield_now().await;
            if line.ready().await.is_ok() {
                return Ok(Connection { line, history: History::Reused });
            }
        }
        self.connect(origin).await
    }

    async fn connect(&self, origin: &Arc<Origin>) -> Result<Connection, TransportError> {
        let host = origin.host();
        let stream = if origin.is_https() {
            reach(HttpsConnector::from((self.connector.clone(), self.tls.config())), origin).await
        } else {
            reach(self.connector.clone(), origin).await
        };
        let stream = stream.map_err(|error| fault::connecting(host, error))?;
        let line = Line::new(&self.idle.http1, stream)
            .await
            .map_err(|error| fault::error(TransportErrorKind::Connect, host, error))?;
        Ok(Connection { line, history: History::Fresh })
    }

    async fn exchange(
        &self,
        origin: &Arc<Origin>,
        request: http::Request<Full<Bytes>>,
        limits: Limits,
    ) -> Result<Response, TransportError> {
        let host = origin.host();
        let late = |kind| TransportError::new(kind, Some(host), None);

        let mut connection = timeout(limits.connect, self.acquire(origin))
            .await
            .map_err(|_| late(TransportErrorKind::ConnectTimeout))??;
        let is_whole = sized::is_whole(&request);
        let response = timeout(limits.head, connection.exchange(request, host))
            .await
            .map_err(|_| late(TransportErrorKind::HeadTimeout))??;

        let (head, mut incoming) = response.into_parts();
        fault::check_framing(&head)
            .map_err(|error| fault::error(TransportErrorKind::Protocol, host, error))?;
        if head.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED
            && let Some(server) = origin.forwarder()
        {
            return Err(server.wants_credentials(host, " (407)"));
        }
        let (mut line, origin, idle) =
            (connection.line, Arc::clone(origin), Arc::clone(&self.idle));
        if let Some(len) = sized::len(&head, &incoming).filter(|_| is_whole)
            && let Some(taken) = line.recall(&mut incoming).await
        {
            let body = SizedBody::new(origin, taken, len, &head, idle);
            return Ok(Response { head, body: Body::new(body) });
        }
        Ok(Response { head, body: body::body(incoming, Lease::new(line, origin, idle)) })
    }
}

#[async_trait]
impl Transport for HyperTransport {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        limits: Limits,
    ) -> Result<Response, TransportError> {
        let Prepared { origin, request } = Prepared::new(request, &self.rules)?;
        let exchange = self.exchange(&origin, request, limits).await;
        exchange.map_err(|error| origin.blame(error))
    }
}

impl fmt::Debug for HyperTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransport").finish_non_exhaustive()
    }
}

async fn reach<C>(mut connector: C, origin: &Origin) -> Result<line::Stream, BoxError>
where
    C: Service<Uri, Response: line::Socket + 'static, Error: Into<BoxError>>,
{
    future::poll_fn(|cx| connector.poll_ready(cx)).await.map_err(Into::into)?;
    Ok(Box::new(connector.call(origin.uri()).await.map_err(Into::into)?))
}

struct Connection {
    line: Line,
    history: History,
}

impl Connection {
    async fn exchange(
        &mut self,
        mut request: http::Request<Full<Bytes>>,
        host: &str,
    ) -> Result<http::Response<Incoming>, TransportError> {
        let flood = Arc::new(Notify::new());
        let seen = AtomicUsize::new(0);
        hyper::ext::on_informational(&mut request, {
            let flood = Arc::clone(&flood);
            move |_| {
                if seen.fetch_add(1, Ordering::Relaxed) >= MAX_INTERIM {
                    flood.notify_one();
                }
            }
        });
        let answer = pin!(self.line.send(request));
        match future::select(answer, pin!(flood.notified())).await {
            Either::Left((answer, _)) => answer
                .map_err(|error: TrySendError<_>| fault::exchanging(host, self.history, error)),
            Either::Right(((), _)) => {
                Err(fault::error(TransportErrorKind::Protocol, host, Malformed::Interim))
            }
        }
    }
}

/// Interim (1xx) responses taken before one exchange is given up: nobody needs more than a few,
/// and without a limit a peer could hold the exchange open with them.
const MAX_INTERIM: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use hyper_util::rt::TokioIo;
    use std::error::Error as StdError;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    /// A connection that has served one request, and the server's end of it.
    async fn used(history: History) -> (Connection, DuplexStream) {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let http1 = hyper::client::conn::http1::Builder::new();
        let line = Line::new(&http1, Box::new(TokioIo::new(ours))).await.unwrap();
        let mut connection = Connection { line, history };
        let serve = async {
            let _ = theirs.read(&mut [0; 1024]).await.unwrap();
            theirs.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        };
        let (answer, ()) = future::join(connection.exchange(request(), "host"), serve).await;
        assert_eq!(answer.unwrap().status(), 204);
        connection.line.ready().await.unwrap();
        (connection, theirs)
    }

    fn request() -> http::Request<Full<Bytes>> {
        http::Request::get("/secret").header("host", "host").body(Full::default()).unwrap()
    }

    /// Faults: 12.
    #[tokio::test]
    async fn a_request_that_meets_a_closed_reused_connection_is_unsent() {
        for (history, kind) in [
            (History::Reused, TransportErrorKind::Unsent),
            (History::Fresh, TransportErrorKind::Broken),
        ] {
            let (mut connection, theirs) = used(history).await;
            // The connection's task has not run since: it finds the request and the end at once.
            drop(theirs);
            let error = connection.exchange(request(), "host").await.unwrap_err();
            assert_eq!(error.kind(), kind);
            assert_eq!(error.host(), Some("host"));
            assert!(error.source().is_some());
            assert!(!format!("{error:?}").contains("secret"));
        }
    }

    #[tokio::test]
    async fn a_request_that_was_written_is_never_unsent() {
        let (mut connection, mut theirs) = used(History::Reused).await;
        let cut = async {
            let _ = theirs.read(&mut [0; 1024]).await.unwrap();
            drop(theirs);
        };
        let (answer, ()) = future::join(connection.exchange(request(), "host"), cut).await;
        assert_eq!(answer.unwrap_err().kind(), TransportErrorKind::Broken);
    }

    #[tokio::test]
    async fn certificates_are_read_for_the_first_connection_with_tls() {
        let transport = HyperTransport::builder().build().unwrap();
        let reach = async |scheme: &str| {
            // Nobody listens on what a socket was just bound to and closed.
            let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let request = http::Request::get(format!("{scheme}://{closed}/"));
            let sent = transport.send(request.body(Bytes::new()).unwrap(), Limits::default());
            assert_eq!(sent.await.unwrap_err().kind(), TransportErrorKind::Connect);
        };
        reach("http").await;
        assert!(!transport.tls.is_read());
        reach("https").await;
        assert!(transport.tls.is_read());
    }

    #[test]
    fn clones_go_anywhere_and_debug_shows_nothing() {
        fn anywhere<T: Clone + Send + Sync + Unpin + 'static>(_: &T) {}
        let transport = HyperTransport::builder().build().unwrap();
        anywhere(&transport);
        assert_eq!(format!("{transport:?}"), "HyperTransport { .. }");
    }
}
