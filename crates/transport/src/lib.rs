//! One HTTP exchange behind a trait.
//!
//! This crate knows nothing of object storage: it sends a request exactly as given and hands
//! back whatever answer came, with the body unread. It never retries, never follows a redirect,
//! never decodes content and never signs. Those are decisions of the crates above.
//!
//! [`Transport`] is the seam: applications may bring their own.
#![cfg_attr(
    feature = "hyper",
    doc = "[`HyperTransport`] is the one that comes with this crate: HTTP/1.1 over TCP and TLS."
)]
//!
//! | feature | what it adds |
//! | --- | --- |
//! | `hyper` (default) | `HyperTransport`; needs one of the next two |
//! | `ring` (default) | TLS with the cryptography of ring, preferred where both are on |
//! | `aws-lc-rs` | TLS with the cryptography of AWS-LC |
#![forbid(unsafe_code)]

#[cfg(all(feature = "hyper", not(any(feature = "ring", feature = "aws-lc-rs"))))]
compile_error!("the feature `hyper` needs `ring` or `aws-lc-rs` for TLS");

mod body;
mod error;
#[cfg(all(feature = "hyper", any(feature = "ring", feature = "aws-lc-rs")))]
mod http1;
mod limits;

pub use body::{Body, BodyStream, Filled};
pub use error::{TransportError, TransportErrorKind};
#[cfg(all(feature = "hyper", any(feature = "ring", feature = "aws-lc-rs")))]
pub use http1::{HyperTransport, HyperTransportBuilder, Proxy, TransportSetupError};
pub use limits::Limits;

use async_trait::async_trait;
use bytes::Bytes;
use std::fmt;

/// One HTTP exchange.
///
/// Any status is `Ok`: what a status means is for the caller to say.
///
/// # Cancel safety
///
/// Dropping the future of [`Transport::send`] or the [`Body`] cancels the exchange and closes or
/// reuses its connection, whichever is safe.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Sends `request` and waits for the head of the response.
    ///
    /// The request target goes onto the wire byte for byte as `request.uri()` holds it. The body is
    /// sent with a `Content-Length`; none, where it is empty, with a GET or HEAD.
    ///
    /// # Errors
    ///
    /// A [`TransportError`] whose kind says whether the request can have reached the server.
    async fn send(
        &self,
        request: http::Request<Bytes>,
        limits: Limits,
    ) -> Result<Response, TransportError>;
}

/// The head of a response and its unread body.
#[derive(Debug)]
pub struct Response {
    /// Status, version and header fields.
    pub head: http::response::Parts,
    /// The body, to be read chunk by chunk.
    pub body: Body,
}
