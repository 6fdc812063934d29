//! The clients of clouds that object_store has, over ossget's transport.

use bytes::Bytes;
use futures::stream::{self, BoxStream, Stream as _};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt as _;
use object_store_014::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};
use object_store_014::{ClientConfigKey, ClientOptions};
use ossget::{Body, Network, TransportError, TransportErrorKind};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;

/// Lets object_store's S3, Azure and GCS clients send their requests over ossget's transport: with its
/// proxy, certificates and time limits, one connection per range, and nothing followed or tried again
/// beneath them.
///
/// Of the [`ClientOptions`] only [`AllowHttp`](ClientConfigKey::AllowHttp) is heeded: the rest is the
/// [`Network`]'s. Plain http to this machine needs no permission.
///
/// ```no_run
/// # use object_store_014 as object_store;
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use object_store::aws::AmazonS3Builder;
/// use ossget::{HyperTransport, Limits, Network};
/// use ossget_object_store::Connector;
/// use std::sync::Arc;
///
/// let transport = Arc::new(HyperTransport::builder().build()?);
/// let store = AmazonS3Builder::from_env()
///     .with_bucket_name("examplebucket")
///     .with_http_connector(Connector::new(Network::new(transport, Limits::default())))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Connector {
    network: Network,
}

impl Connector {
    /// Sends requests over `network`.
    #[must_use]
    pub const fn new(network: Network) -> Self {
        Self { network }
    }
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store_014::Result<HttpClient> {
        let allowed = options.get_config_value(&ClientConfigKey::AllowHttp);
        let plaintext = if allowed.as_deref() == Some("true") {
            Plain::Anywhere
        } else {
            Plain::AsTheNetworkSays
        };
        Ok(HttpClient::new(Service { network: self.network.clone(), plaintext }))
    }
}

/// Where requests may go over plain http.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plain {
    Anywhere,
    AsTheNetworkSays,
}

#[derive(Debug)]
struct Service {
    network: Network,
    plaintext: Plain,
}

impl Service {
    fn refuse_open(&self, target: &http::Uri) -> Result<(), HttpError> {
        let authority = target.authority().map_or("", |authority| authority.as_str());
        let is_open = target.scheme() != Some(&http::uri::Scheme::HTTPS)
            && self.plaintext == Plain::AsTheNetworkSays
            && !self.network.allows_plaintext_to(authority);
        match is_open {
            false => Ok(()),
            true => {
                let host = target.host();
                let kind = TransportErrorKind::Request;
                Err(failed(TransportError::new(kind, host, Some(Box::new(OpenRefused)))))
            }
        }
    }
}

#[async_trait::async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.refuse_open(request.uri())?;
        let (head, body) = request.into_parts();
        let body = match body.as_bytes() {
            Some(bytes) => bytes.clone(),
            None => body.collect().await?.to_bytes(),
        };
        let mut limits = self.network.limits;
        limits.head += Duration::from_secs(body.len() as u64 / SLOWEST);
        let request = http::Request::from_parts(head, body);
        let transport = match is_metadata(request.uri()) {
            true => &self.network.direct,
            false => &self.network.transport,
        };
        let answer = transport.send(request, limits).await;
        let answer = answer.map_err(failed)?;
        let body = HttpResponseBody::new(Streamed(Mutex::new(chunks(answer.body))));
        Ok(HttpResponse::from_parts(answer.head, body))
    }
}

/// Whether a cloud tells its machines of themselves there: no proxy has anything to do with that.
fn is_metadata(target: &http::Uri) -> bool {
    let host = target.host().unwrap_or_default();
    match host.trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V4(address)) => address.is_link_local(),
        Ok(IpAddr::V6(address)) => address == EC2_METADATA,
        Err(_) => host.eq_ignore_ascii_case("metadata.google.internal"),
    }
}

/// A body as it comes. Nobody but its one reader ever sees it, yet it has to be `Sync`.
struct Streamed(Mutex<BoxStream<'static, Result<Bytes, TransportError>>>);

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let stream = self.0.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        let next = std::task::ready!(Pin::new(stream).poll_next(context));
        Poll::Ready(next.map(|chunk| chunk.map(Frame::data).map_err(failed)))
    }
}

fn chunks(body: Body) -> BoxStream<'static, Result<Bytes, TransportError>> {
    Box::pin(stream::try_unfold(body, |mut body| async move {
        Ok(body.chunk().await?.map(|chunk| (chunk, body)))
    }))
}

/// What object_store makes of it decides whether it tries again.
fn failed(error: TransportError) -> HttpError {
    let kind = match error.kind() {
        TransportErrorKind::Resolve
        | TransportErrorKind::Connect
        | TransportErrorKind::ConnectTimeout
        | TransportErrorKind::Exhausted
        | TransportErrorKind::TlsHandshake => HttpErrorKind::Connect,
        TransportErrorKind::HeadTimeout => HttpErrorKind::Timeout,
        TransportErrorKind::Unsent => HttpErrorKind::Request,
        TransportErrorKind::Broken => HttpErrorKind::Interrupted,
        TransportErrorKind::Protocol => HttpErrorKind::Decode,
        _ => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, error)
}

/// A request over plain http to another machine.
#[derive(Debug)]
struct OpenRefused;

impl fmt::Display for OpenRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a signed request over plain http would show everything to whoever is on the way",
        )
    }
}

impl std::error::Error for OpenRefused {}

/// Amazon EC2, "Use IMDS": the metadata service by IPv6.
const EC2_METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
/// Bytes a second at which a request's body may be sent at the slowest.
const SLOWEST: u64 = 128 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_known_by_its_host() {
        for (target, is) in [
            ("http://169.254.169.254/latest/api/token", true),
            ("http://169.254.170.2/v2/credentials", true),
            ("http://[fd00:ec2::254]/latest", true),
            ("http://metadata.google.internal/computeMetadata", true),
            ("https://s3.amazonaws.com/169.254.169.254", false),
            ("http://127.0.0.1:9000/b", false),
            ("http://metadata.google.internal.example/", false),
        ] {
            assert_eq!(is_metadata(&target.parse().unwrap()), is, "{target}");
        }
    }
}
