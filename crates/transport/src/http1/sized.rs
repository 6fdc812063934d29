//! A body of known length, read off its connection straight to where it is wanted.
//!
//! hyper reads the head; of a large body every byte would then go through a buffer of its own. A
//! body whose length the head tells is framed by nothing but that length (RFC 9112, section 6.3),
//! so the connection is taken out of hyper's hands for it and put back when it has ended.

use super::fault;
use super::idle::IdleList;
use super::line::{Line, Stream};
use super::request::Origin;
use crate::{BodyStream, Filled, TransportError, TransportErrorKind};
use async_trait::async_trait;
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::header::CONNECTION;
use http::response::Parts as Head;
use http::{HeaderMap, Version, header};
use http_body::Body as _;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::io;
use std::sync::Arc;
use tokio::io::AsyncReadExt as _;

/// Shorter bodies are not worth it.
const LEAST: u64 = 128 << 10;
/// Read at once where no room is given, at most.
const CHUNK: usize = 256 << 10;
/// Room for less than this is not worth a read.
const LEAST_READ: usize = 16 << 10;

/// Whether the answer to a request may be read this way: nothing of the request can be left to be
/// sent when it comes, and the connection is not to be closed after it.
pub(super) fn is_whole(request: &http::Request<Full<Bytes>>) -> bool {
    request.body().is_end_stream() && persists(request.headers())
}

/// The length of a body that is to be read this way.
pub(super) fn len(head: &Head, body: &Incoming) -> Option<u64> {
    let is_sized =
        head.version == Version::HTTP_11 && !head.headers.contains_key(header::TRANSFER_ENCODING);
    body.size_hint().exact().filter(|&len| is_sized && len >= LEAST)
}

/// Whether another request may follow on this connection (RFC 9112, section 9.3).
fn persists(headers: &HeaderMap) -> bool {
    let mut options = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|it| it.to_str().unwrap_or("close").split(',').map(str::trim));
    !options.any(|option| option.eq_ignore_ascii_case("close"))
}

pub(super) struct SizedBody {
    origin: Arc<Origin>,
    /// Bytes still to come.
    left: u64,
    /// Those of them that came with the head.
    before: Bytes,
    stream: Option<TokioIo<Stream>>,
    idle: Arc<IdleList>,
    persists: bool,
    failed: bool,
    buffer: BytesMut,
}

impl SizedBody {
    /// A body of `left` bytes of which some have come; its connection goes back to the idle ones
    /// unless it is to be closed.
    pub(super) fn new(
        origin: Arc<Origin>,
        (stream, before): (Stream, Bytes),
        left: u64,
        head: &Head,
        idle: Arc<IdleList>,
    ) -> Self {
        Self {
            origin,
            left,
            before,
            stream: Some(TokioIo::new(stream)),
            idle,
            persists: persists(&head.headers),
            failed: false,
            buffer: BytesMut::new(),
        }
    }

    /// So many bytes have come.
    async fn took(&mut self, bytes: usize) -> Result<usize, TransportError> {
        if bytes == 0 {
            return Err(self.fail(io::ErrorKind::UnexpectedEof.into()));
        }
        self.left = self.left.saturating_sub(bytes as u64);
        if self.left == 0 {
            self.end().await;
        }
        Ok(bytes)
    }

    /// Gives the connection back, unless the server has sent more than it said.
    async fn end(&mut self) {
        let stream = self.stream.take().filter(|_| self.persists && self.before.is_empty());
        let Some(stream) = stream.map(TokioIo::into_inner) else { return };
        if let Ok(line) = Line::new(&self.idle.http1, stream).await {
            self.idle.push(Arc::clone(&self.origin), line);
        }
    }

    fn fail(&mut self, error: io::Error) -> TransportError {
        self.stream = None;
        self.failed = true;
        self.origin.blame(fault::error(TransportErrorKind::Broken, self.origin.host(), error))
    }

    /// How many of the wanted bytes may be read.
    fn at_most(&self, wanted: usize) -> usize {
        usize::try_from(self.left).map_or(wanted, |left| wanted.min(left))
    }

    /// What to say where nothing is to be read any more.
    fn over<T>(&self, end: T) -> Result<T, TransportError> {
        // A failed body must not look like an ended one to whoever asks again.
        if self.failed {
            let host = Some(self.origin.host());
            return Err(self.origin.blame(TransportError::new(
                TransportErrorKind::Broken,
                host,
                None,
            )));
        }
        Ok(end)
    }
}

#[async_trait]
impl BodyStream for SizedBody {
    async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        let wanted = self.at_most(CHUNK.min(self.idle.read_buffer));
        let Some(stream) = &mut self.stream else { return self.over(None) };
        if !self.before.is_empty() {
            let chunk = self.before.split_to(wanted.min(self.before.len()));
            self.took(chunk.len()).await?;
            return Ok(Some(chunk));
        }
        // What earlier chunks left free is used up first: each chunk keeps all of its buffer.
        if self.buffer.capacity() < wanted.min(LEAST_READ) {
            self.buffer.reserve(wanted);
        }
        match stream.read_buf(&mut (&mut self.buffer).limit(wanted)).await {
            Ok(bytes) => self.took(bytes).await?,
            Err(error) => return Err(self.fail(error)),
        };
        Ok(Some(self.buffer.split().freeze()))
    }

    async fn fill(&mut self, room: &mut [u8]) -> Result<Filled, TransportError> {
        let wanted = self.at_most(room.len());
        let Some(stream) = &mut self.stream else { return self.over(Filled::End) };
        if !self.before.is_empty() {
            let bytes = wanted.min(self.before.len());
            self.before.copy_to_slice(&mut room[..bytes]);
            return self.took(bytes).await.map(Filled::Room);
        }
        match stream.read(&mut room[..wanted]).await {
            Ok(bytes) => self.took(bytes).await.map(Filled::Room),
            Err(error) => Err(self.fail(error)),
        }
    }
}
