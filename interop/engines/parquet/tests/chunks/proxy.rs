//! A proxy that counts, the same one before both services.
//!
//! It holds every answer back until no further request has come for a while. How many a client has
//! under way is then how many it wants to have, not what the speed of the machine makes of it.

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONNECTION, RANGE};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

/// What went through since it was last asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    /// Method and range of each request, in order of the text.
    pub(crate) ranges: Vec<String>,
    /// Bytes of bodies that were passed on.
    pub(crate) bytes: u64,
    /// The most requests whose answers had not come to their ends.
    pub(crate) at_once: usize,
    under_way: usize,
}

/// A proxy on the loopback interface, until the runtime ends.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    measured: Shared,
}

type Shared = Arc<Mutex<Measured>>;
type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Proxy {
    /// Begins to pass requests on.
    pub(crate) async fn start(service: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let measured = Shared::default();
        let shared = Arc::clone(&measured);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                let pass = service_fn(move |request| pass(request, service, Arc::clone(&shared)));
                let server = hyper::server::conn::http1::Builder::new();
                tokio::spawn(server.serve_connection(TokioIo::new(stream), pass));
            }
        });
        Self { address, measured }
    }

    /// Where it listens.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What went through since the last time, once all answers have come to their ends: a client has the
    /// last byte before the proxy knows that it was the last.
    pub(crate) async fn take(&self) -> Measured {
        let ended = async {
            while self.measured.lock().unwrap().under_way > 0 {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(30), ended).await.expect("a client ends what it has begun");
        let mut taken = std::mem::take(&mut *self.measured.lock().unwrap());
        taken.ranges.sort();
        taken
    }
}

async fn pass(
    request: Request<Incoming>,
    service: SocketAddr,
    measured: Shared,
) -> Result<Response<Counted>, Failure> {
    let under_way = UnderWay::begin(&request, measured);
    under_way.quiet().await;
    let stream = TcpStream::connect(service).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut response = sender.send_request(request).await?;
    // It is about the connection to the service, of which every request has one of its own.
    response.headers_mut().remove(CONNECTION);
    Ok(response.map(|body| Counted { body, under_way }))
}

/// A request until its answer has come to its end, or is given up.
struct UnderWay(Shared);

impl UnderWay {
    fn begin(request: &Request<Incoming>, measured: Shared) -> Self {
        let range = request.headers().get(RANGE).map_or("", |range| range.to_str().unwrap());
        let mut now = measured.lock().unwrap();
        now.ranges.push(format!("{} {range}", request.method()));
        now.under_way += 1;
        now.at_once = now.at_once.max(now.under_way);
        drop(now);
        Self(measured)
    }

    /// Waits until no further request comes.
    async fn quiet(&self) {
        let count = || self.0.lock().unwrap().ranges.len();
        let mut before = 0;
        while before != count() {
            before = count();
            sleep(A_WHILE).await;
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.lock().unwrap().under_way -= 1;
    }
}

/// A body whose bytes are counted.
struct Counted {
    body: Incoming,
    under_way: UnderWay,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let length = frame.data_ref().map_or(0, Bytes::len);
            self.under_way.0.lock().unwrap().bytes += length as u64;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Far longer than a client takes to send all that it wants to send at once.
const A_WHILE: Duration = Duration::from_millis(100);
