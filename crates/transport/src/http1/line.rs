//! A connection, and the task that drives it between exchanges and within them.

use bytes::{Bytes, BytesMut};
use futures::future::{self, Either, FutureExt as _};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Builder, Parts, SendRequest};
use hyper::rt::{Read, Write};
use std::pin::pin;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// What connections are made of: a socket, with TLS and a proxy or without.
pub(super) type Stream = Box<dyn Socket>;

pub(super) trait Socket: Read + Write + Unpin + Send {}

impl<T: Read + Write + Unpin + Send> Socket for T {}

/// A connection that a task of its own drives.
pub(super) struct Line {
    sender: SendRequest<Full<Bytes>>,
    /// Until it is used.
    recall: Option<oneshot::Sender<()>>,
    driver: JoinHandle<Option<Parts<Stream>>>,
}

impl Line {
    pub(super) async fn new(http1: &Builder, stream: Stream) -> hyper::Result<Self> {
        let (sender, connection) = http1.handshake(stream).await?;
        let (recall, recalled) = oneshot::channel();
        let driver = tokio::spawn(async move {
            let mut connection = connection;
            let recalled = async move {
                if recalled.await.is_err() {
                    future::pending::<()>().await;
                }
            };
            match future::select(pin!(recalled), &mut connection).await {
                Either::Left(((), _)) => Some(connection.into_parts()),
                Either::Right((ended, _)) => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection ended");
                    }
                    None
                }
            }
        });
        Ok(Self { sender, recall: Some(recall), driver })
    }

    /// Waits until it can take a request.
    pub(super) async fn ready(&mut self) -> hyper::Result<()> {
        self.sender.ready().await
    }

    /// Sends a request and waits for the head of the response.
    pub(super) fn send(
        &mut self,
        request: http::Request<Full<Bytes>>,
    ) -> impl Future<Output = Result<http::Response<Incoming>, TrySendError<http::Request<Full<Bytes>>>>>
    {
        self.sender.try_send_request(request)
    }

    /// The stream and the beginning of the body, as far as it has come; `None` if the connection has
    /// ended, and the body tells what became of it. To be called after the head of the response.
    pub(super) async fn recall(&mut self, body: &mut Incoming) -> Option<(Stream, Bytes)> {
        // A task that has ended has dropped its half.
        let _ = self.recall.take()?.send(());
        let Parts { io, read_buf, .. } = (&mut self.driver).await.ok().flatten()?;
        // hyper reads ahead: a chunk that nobody has asked for waits to be taken.
        let mut begun = BytesMut::new();
        while let Some(Some(Ok(frame))) = body.frame().now_or_never() {
            begun.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        }
        begun.extend_from_slice(&read_buf);
        Some((io, begun.freeze()))
    }
}
