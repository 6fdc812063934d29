//! Reads a body off a connection and gives the connection back when it has ended.

use super::fault;
use super::idle::IdleList;
use super::line::Line;
use super::request::Origin;
use crate::{Body, BodyStream, TransportError, TransportErrorKind};
use async_trait::async_trait;
use bytes::Bytes;
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::sync::Arc;

/// The body of the exchange that `lease` was used for.
pub(super) fn body(incoming: Incoming, lease: Lease) -> Body {
    let origin = Arc::clone(&lease.origin);
    let mut stream = Http1Body { origin, state: State::Reading { incoming, lease } };
    stream.settle();
    Body::new(stream)
}

/// A connection in use, to be released or, when dropped, closed.
pub(super) struct Lease {
    line: Line,
    origin: Arc<Origin>,
    idle: Arc<IdleList>,
}

impl Lease {
    pub(super) const fn new(line: Line, origin: Arc<Origin>, idle: Arc<IdleList>) -> Self {
        Self { line, origin, idle }
    }

    /// One that is about to close is released as well: whoever takes it finds out.
    fn release(self) {
        self.idle.push(self.origin, self.line);
    }
}

struct Http1Body {
    origin: Arc<Origin>,
    state: State,
}

enum State {
    Reading { incoming: Incoming, lease: Lease },
    Ended,
    Failed(TransportErrorKind),
}

impl Http1Body {
    /// Releases the connection as soon as the framing says that nothing more will come, so that
    /// one who counts bytes and never asks for the end does not cost a connection.
    fn settle(&mut self) {
        if matches!(&self.state, State::Reading { incoming, .. } if incoming.is_end_stream()) {
            self.end();
        }
    }

    fn end(&mut self) {
        if let State::Reading { lease, .. } = std::mem::replace(&mut self.state, State::Ended) {
            lease.release();
        }
    }
}

#[async_trait]
impl BodyStream for Http1Body {
    async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        loop {
            let incoming = match &mut self.state {
                State::Reading { incoming, .. } => incoming,
                State::Ended => return Ok(None),
                // A failed body must not look like an ended one to whoever asks again.
                State::Failed(kind) => {
                    let error = TransportError::new(*kind, Some(self.origin.host()), None);
                    return Err(self.origin.blame(error));
                }
            };
            match incoming.frame().await {
                Some(Ok(frame)) => {
                    self.settle();
                    match frame.into_data() {
                        Ok(data) if !data.is_empty() => return Ok(Some(data)),
                        // Trailers: nobody here can use them.
                        _ => {}
                    }
                }
                Some(Err(error)) => {
                    let error = self.origin.blame(fault::reading(self.origin.host(), error));
                    self.state = State::Failed(error.kind());
                    return Err(error);
                }
                None => self.end(),
            }
        }
    }
}
