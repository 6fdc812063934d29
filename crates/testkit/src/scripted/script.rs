//! What is to be done with a response.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

/// What is sent in answer to one request.
#[derive(Clone)]
pub struct Script {
    pub(super) head: Option<HeadEdit>,
    pub(super) steps: Arc<[Step]>,
}

/// One thing to do. The right response is gone through from its first byte on.
///
/// A script that has come to its end without [`Stall`](Self::Stall) or [`End`](Self::End) leaves what
/// it has not sent of the right response unsent, and the connection goes on with its next request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Step {
    /// Sends these bytes, which are none of the right response.
    Send(Bytes),
    /// Sends the right response up to a place.
    UpTo(Place),
    /// Sends the rest of the right response.
    Rest,
    /// Sends the next byte of the right response with its lowest bit inverted.
    Flip,
    /// Sends the next byte *of the connection* with its lowest bit inverted, be it of this response
    /// or the next.
    FlipNext,
    /// Sends so many bytes from elsewhere in the object in place of those of the right response.
    Foreign {
        /// Where in the object they are taken from.
        from: u64,
        /// How many.
        bytes: u64,
    },
    /// Sends what is next in small pieces, up to a place.
    Drip {
        /// The end.
        to: Place,
        /// Bytes of a piece.
        bytes: u64,
        /// The pause after each.
        every: Duration,
    },
    /// Sends these bytes over and over, until the client leaves.
    Flood(Bytes),
    /// Waits.
    Pause(Duration),
    /// Sends no more, but keeps the connection, deaf to further requests.
    Stall,
    /// Ends the connection.
    End(Ending),
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// In order; over TLS with `close_notify`.
    Fin,
    /// With a reset, some time after what was sent, so that the client can have read that.
    Rst,
    /// With the end of the TCP stream, over TLS without `close_notify`. In plain text that is
    /// [`Fin`](Self::Fin).
    Cut,
}

/// A place between two bytes of the right response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// Before the byte of this index; 0 is the first of the status line.
    Byte(u64),
    /// Within the value of a header, behind its first byte.
    Header(&'static str),
    /// Behind the last header's line, before the empty line.
    BlankLine,
    /// Before the byte of this index in the body.
    Body(u64),
    /// Before the byte of this index in the object.
    Object(u64),
    /// Behind the last byte.
    End,
}

/// Makes another head of the right one.
type HeadEdit = Arc<dyn Fn(&str) -> String + Send + Sync>;

impl Script {
    /// These steps along the right response.
    pub fn new(steps: impl Into<Vec<Step>>) -> Self {
        Self { head: None, steps: steps.into().into() }
    }

    /// These bytes in place of the response.
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        Self::new([Step::Send(bytes.into())])
    }

    /// The right response with another head, which `edit` makes of the right one: status line and
    /// headers, the empty line included.
    #[must_use]
    pub fn head(edit: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self::new([Step::Rest]).edited(edit)
    }

    /// Changes the head that the steps go along.
    #[must_use]
    pub fn edited(mut self, edit: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        self.head = Some(Arc::new(edit));
        self
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("steps", &self.steps).finish_non_exhaustive()
    }
}
