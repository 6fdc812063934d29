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
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}
