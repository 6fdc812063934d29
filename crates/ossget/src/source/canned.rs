//! A transport that says what it was told to and remembers what it was asked.

use async_trait::async_trait;
use bytes::Bytes;
use ossget_transport::{
    Body, BodyStream, Limits, Response, Transport, TransportError, TransportErrorKind,
};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

#[derive(Debug)]
pub(crate) struct Canned {
    replies: Mutex<VecDeque<Reply>>,
    requests: Mutex<Vec<http::Request<Bytes>>>,
}

#[derive(Debug)]
pub(crate) enum Reply {
    Response { head: http::Response<()>, chunks: VecDeque<Bytes>, ending: Ending },
    Failure(TransportErrorKind),
}

/// What follows the chunks of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    Clean,
    Broken,
    Silence,
    Endless,
}

impl Canned {
    pub(crate) fn new(replies: impl IntoIterator<Item = Reply>) -> Arc<Self> {
        let replies = Mutex::new(replies.into_iter().collect());
        Arc::new(Self { replies, requests: Mutex::default() })
    }

    pub(crate) fn requests(&self) -> Vec<http::Request<Bytes>> {
        self.requests.lock().unwrap().clone()
    }

    /// The only request.
    pub(crate) fn request(&self) -> http::Request<Bytes> {
        let [request] = &self.requests()[..] else { panic!("not one request") };
        request.clone()
    }
}

#[async_trait]
impl Transport for Canned {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        _limits: Limits,
    ) -> Result<Response, TransportError> {
        let host = request.uri().host().map(str::to_owned);
        self.requests.lock().unwrap().push(request);
        let reply = self.replies.lock().unwrap().pop_front().expect("one request too many");
        match reply {
            Reply::Response { head, chunks, ending } => {
                let (head, ()) = head.into_parts();
                Ok(Response { head, body: Body::new(Chunks { chunks, ending }) })
            }
            Reply::Failure(kind) => Err(TransportError::new(kind, host.as_deref(), None)),
        }
    }
}

impl Reply {
    pub(crate) fn new(status: u16) -> Self {
        let mut head = http::Response::new(());
        *head.status_mut() = status.try_into().unwrap();
        Self::Response { head, chunks: VecDeque::new(), ending: Ending::Clean }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        if let Self::Response { head, .. } = &mut self {
            head.headers_mut().append(name, value.as_ref().try_into().unwrap());
        }
        self
    }

    /// Replaces a header.
    pub(crate) fn instead(mut self, name: &'static str, value: &str) -> Self {
        if let Self::Response { head, .. } = &mut self {
            head.headers_mut().remove(name);
        }
        self.header(name, value)
    }

    pub(crate) fn without(mut self, name: &'static str) -> Self {
        if let Self::Response { head, .. } = &mut self {
            head.headers_mut().remove(name);
        }
        self
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        if let Self::Response { head, .. } = &mut self {
            *head.status_mut() = status.try_into().unwrap();
        }
        self
    }

    pub(crate) fn body(mut self, pieces: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        if let Self::Response { chunks, .. } = &mut self {
            chunks.extend(pieces.into_iter().map(|it| Bytes::copy_from_slice(it.as_ref())));
        }
        self
    }

    pub(crate) fn ending(mut self, how: Ending) -> Self {
        if let Self::Response { ending, .. } = &mut self {
            *ending = how;
        }
        self
    }
}

struct Chunks {
    chunks: VecDeque<Bytes>,
    ending: Ending,
}

#[async_trait]
impl BodyStream for Chunks {
    async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        if let Some(chunk) = self.chunks.pop_front() {
            return Ok(Some(chunk));
        }
        match self.ending {
            Ending::Clean => Ok(None),
            Ending::Broken => Err(TransportError::new(TransportErrorKind::Broken, None, None)),
            Ending::Silence => std::future::pending().await,
            Ending::Endless => Ok(Some(Bytes::from_static(&[b' '; 1000]))),
        }
    }
}
