//! The body of a response, read chunk by chunk.

use crate::TransportError;
use async_trait::async_trait;
use bytes::Bytes;
use std::fmt;

/// Where a [`Body`] comes from: implemented by transports.
#[async_trait]
pub trait BodyStream: Send + 'static {
    /// The next chunk, or `None` once the framing has ended cleanly.
    ///
    /// # Errors
    ///
    /// When the connection ends before the framing does, or what comes is not HTTP.
    async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError>;

    /// The next bytes: put into `room`, which is not empty, by a stream that can do so without
    /// having them elsewhere first. It does not touch what is beyond them.
    ///
    /// # Errors
    ///
    /// As [`chunk`](Self::chunk).
    async fn fill(&mut self, room: &mut [u8]) -> Result<Filled, TransportError> {
        debug_assert!(!room.is_empty(), "there must be room for something");
        Ok(self.chunk().await?.map_or(Filled::End, Filled::Chunk))
    }
}

/// What [`Body::fill`] came to.
#[derive(Debug)]
pub enum Filled {
    /// So many bytes, one at least, are at the beginning of the room.
    Room(usize),
    /// The next bytes are here; the room is as it was.
    Chunk(Bytes),
    /// The framing has ended cleanly.
    End,
}

/// A response body. Dropping it unread gives up the rest.
pub struct Body {
    stream: Box<dyn BodyStream>,
}

impl Body {
    /// A body fed by `stream`.
    #[must_use]
    pub fn new(stream: impl BodyStream) -> Self {
        Self { stream: Box::new(stream) }
    }

    /// The next chunk as it came, or `Ok(None)` only if the framing ended cleanly.
    ///
    /// # Errors
    ///
    /// When the connection ends before the framing does, or what comes is not HTTP.
    ///
    /// # Cancel safety
    ///
    /// Safe: a chunk is either returned or still to come.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        self.stream.chunk().await
    }

    /// The next bytes, put into `room` if that saves a copy. `room` must not be empty; what is
    /// beyond the bytes put there stays as it is.
    ///
    /// # Errors
    ///
    /// When the connection ends before the framing does, or what comes is not HTTP.
    ///
    /// # Cancel safety
    ///
    /// Safe: bytes are either returned or still to come.
    pub async fn fill(&mut self, room: &mut [u8]) -> Result<Filled, TransportError> {
        self.stream.fill(room).await
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}
