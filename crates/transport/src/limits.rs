//! Time limits of one exchange.

use std::time::Duration;

/// Time limits of one exchange, up to and including the response head.
///
/// The silence of a body is not limited here: whoever reads it knows how long is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Name lookup, TCP connect and TLS handshake together.
    pub connect: Duration,
    /// From the first byte of the request to the end of the response head: whoever sends a long body
    /// gives it more time.
    pub head: Duration,
}

impl Limits {
    /// Limits of the given lengths.
    #[must_use]
    pub const fn new(connect: Duration, head: Duration) -> Self {
        Self { connect, head }
    }
}

impl Default for Limits {
    /// 10 s to connect and 30 s for the head.
    fn default() -> Self {
        Self::new(Duration::from_secs(10), Duration::from_secs(30))
    }
}
