//! The body of a response, read chunk by chunk.

use crate::{TransportError, TransportErrorKind};
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
        let _ = room;
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
    /// When the connection ends before the framing does, or what comes is not HTTP. Of kind
    /// [`Protocol`](TransportErrorKind::Protocol), too, where the stream claims to have put nothing
    /// into the room, or more than it holds.
    ///
    /// # Cancel safety
    ///
    /// Safe: bytes are either returned or still to come.
    pub async fn fill(&mut self, room: &mut [u8]) -> Result<Filled, TransportError> {
        match self.stream.fill(room).await? {
            Filled::Room(bytes) if bytes == 0 || bytes > room.len() => {
                Err(TransportError::new(TransportErrorKind::Protocol, None, None))
            }
            filled => Ok(filled),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Claims to have put so many bytes into the room.
    struct Claiming(usize);

    #[async_trait]
    impl BodyStream for Claiming {
        async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
            Ok(None)
        }

        async fn fill(&mut self, _: &mut [u8]) -> Result<Filled, TransportError> {
            Ok(Filled::Room(self.0))
        }
    }

    #[tokio::test]
    async fn a_stream_that_claims_what_cannot_be_is_not_believed() {
        for (claimed, is_error) in [(0, true), (1, false), (10, false), (11, true)] {
            let filled = Body::new(Claiming(claimed)).fill(&mut [0; 10]).await;
            assert_eq!(filled.is_err(), is_error, "{claimed}");
        }
    }
}
