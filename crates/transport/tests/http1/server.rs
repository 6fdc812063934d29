//! A server that does with each connection what a test says, and what every test needs.

use bytes::Bytes;
use ossget_transport::{
    Body, HyperTransport, Limits, Response, Transport, TransportError, TransportErrorKind,
};
use std::error::Error as StdError;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
}

impl Server {
    /// Hands each connection and its number, from 0, to `handle`.
    pub(crate) async fn start<F>(handle: impl Fn(TcpStream, usize) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        tokio::spawn({
            let accepted = Arc::clone(&accepted);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(handle(stream, accepted.fetch_add(1, Ordering::SeqCst)));
                }
            }
        });
        Self { address, accepted }
    }

    /// Answers each request on each connection with `answer`.
    pub(crate) async fn answering(answer: impl AsRef<[u8]>) -> Self {
        let answer: Arc<[u8]> = answer.as_ref().into();
        Self::start(move |mut stream, _| {
            let answer = Arc::clone(&answer);
            async move {
                while read_request(&mut stream).await.is_some() {
                    if stream.write_all(&answer).await.is_err() {
                        return;
                    }
                }
            }
        })
        .await
    }

    /// Answers the first request on each connection with `answer` and closes.
    pub(crate) async fn closing_after(answer: impl AsRef<[u8]>) -> Self {
        let answer: Arc<[u8]> = answer.as_ref().into();
        Self::start(move |mut stream, _| {
            let answer = Arc::clone(&answer);
            async move {
                let _ = read_request(&mut stream).await;
                stream.write_all(&answer).await.unwrap();
            }
        })
        .await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How many connections have been made.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

/// The next request, or `None` when the client has closed.
pub(crate) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        read.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(read).unwrap())
}

pub(crate) fn transport() -> HyperTransport {
    HyperTransport::builder().build().unwrap()
}

pub(crate) async fn send(
    transport: &HyperTransport,
    request: http::request::Builder,
) -> Result<Response, TransportError> {
    transport.send(request.body(Bytes::new()).unwrap(), Limits::default()).await
}

/// A GET whose query and whose credentials no error may repeat.
pub(crate) async fn get(
    transport: &HyperTransport,
    server: &Server,
) -> Result<Response, TransportError> {
    get_url(transport, &server.url("/object?signature=secret")).await
}

pub(crate) async fn get_url(
    transport: &HyperTransport,
    url: &str,
) -> Result<Response, TransportError> {
    send(transport, http::Request::get(url).header("authorization", "secret")).await
}

pub(crate) async fn read(body: &mut Body) -> Result<Vec<u8>, TransportError> {
    let mut all = Vec::new();
    while let Some(chunk) = body.chunk().await? {
        assert!(!chunk.is_empty());
        all.extend_from_slice(&chunk);
    }
    Ok(all)
}

/// The body of a GET that goes well.
pub(crate) async fn fetch(transport: &HyperTransport, server: &Server) -> Vec<u8> {
    read(&mut get(transport, server).await.unwrap().body).await.unwrap()
}

/// Checks what an error says and, above all, what it does not.
pub(crate) fn assert_kind(error: &TransportError, kind: TransportErrorKind) {
    let mut told = format!("{error:?} {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        told = format!("{told}: {cause}");
        source = cause.source();
    }
    assert_eq!(error.kind(), kind, "{told}");
    assert!(!told.contains("secret") && !told.contains("/object"), "{told}");
}
