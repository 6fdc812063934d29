//! The objects of one bucket, beyond downloads.

mod copying;
mod deleting;
mod document;
mod getting;
mod listing;
mod pinned;
mod putting;
mod uploading;

pub use deleting::Deletion;
pub use getting::{Get, Got, GotBody};
pub use listing::{List, Listed, Listing};
pub use pinned::PinnedObject;
pub use putting::{Overwrite, Put, Written};
pub use uploading::{Upload, UploadedPart};

use crate::budget::Budget;
use crate::patience::{Patience, with_patience};
use crate::source::{Call, Pace, Requests, SourceError, answer};
use crate::{Client, Error, ErrorKind, Object, ObjectUrl};
use bytes::Bytes;
use http::{HeaderMap, Method};
use ossget_core::Failure;
use ossget_transport::{Response, TransportError, TransportErrorKind};
use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

/// One bucket of OSS: its objects read, listed, written, copied and deleted, each by the requests
/// that this takes and no others. Cheap to clone; made by [`Client::bucket`].
///
/// Objects are those that [`object`](Self::object) names; one of another bucket is asked for there, as
/// for a copy.
///
/// What fails in passing is tried again for as long as [`patience`](Self::patience). What must not
/// happen twice, such as creating an object that must not be there, is tried again only where the
/// service certainly did not do it.
#[derive(Clone, Debug)]
pub struct Bucket {
    requests: Arc<Requests>,
    budget: Budget,
    name: String,
    patience: Duration,
    read_timeout: Duration,
}

impl Client {
    /// The objects of the bucket `name`.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) for a name that no bucket can have, and where the client is
    /// not one of OSS but of a URL or of a source of the caller's.
    pub fn bucket(&self, name: impl Into<String>) -> Result<Bucket, Error> {
        let name = name.into();
        // Any key will do to see whether the bucket's name is one.
        Object::new(name.as_str(), "key")?;
        let requests = self.requests.clone().ok_or_else(|| {
            Error::new(ErrorKind::Config, "only a client of OSS has buckets")
                .with_hint("make the client with an endpoint and credentials")
        })?;
        Ok(Bucket {
            requests,
            budget: self.budget.clone(),
            name,
            patience: PATIENCE,
            read_timeout: READ_TIMEOUT,
        })
    }
}

impl Bucket {
    /// How long an operation may go on failing without any progress; 3 minutes by default, as in
    /// the crate `object_store`.
    #[must_use]
    pub const fn patience(mut self, time: Duration) -> Self {
        self.patience = time;
        self
    }

    /// How long a connection may stay silent in the middle of a body; 20 s by default.
    #[must_use]
    pub const fn read_timeout(mut self, time: Duration) -> Self {
        self.read_timeout = time;
        self
    }

    /// The bucket's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The object `key` of this bucket.
    ///
    /// # Errors
    ///
    /// As [`Object::new`].
    pub fn object(&self, key: impl Into<String>) -> Result<Object, Error> {
        Object::new(self.name.as_str(), key)
    }

    /// A URL by which whoever has it may send a request of this method for the object, for so long;
    /// V4 allows up to 7 days. Nothing is sent for it, as long as the credentials are at hand.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) for what is no method and for a time that is too long; and those
    /// of the provider of credentials.
    pub async fn sign_url(
        &self,
        method: &str,
        object: &Object,
        lifetime: Duration,
    ) -> Result<ObjectUrl, Error> {
        let method = Method::from_bytes(method.as_bytes()).map_err(|error| {
            Error::new(ErrorKind::Config, "that is no HTTP method").with_source(error)
        })?;
        let call = Call::of_object(method, object, HeaderMap::new());
        self.requests.presign(call, lifetime).await?.to_string().parse()
    }

    /// Sends a request that may be carried out twice.
    async fn exchange(&self, call: &Call<'_>) -> Result<Response, Error> {
        with_patience(self.patience_for(call), || self.attempt(call)).await
    }

    /// What takes longer than others is tried again after longer, too.
    fn patience_for(&self, call: &Call<'_>) -> Duration {
        match self.patience {
            Duration::ZERO => Duration::ZERO,
            patience => patience.saturating_add(call.further_time()),
        }
    }

    /// One attempt, whose answer is one of the service's: something in between that says it is well
    /// has done nothing.
    async fn attempt(&self, call: &Call<'_>) -> Result<Response, SourceError> {
        let response = self.requests.exchange(call).await?;
        let seen = match response.head.status.is_success() {
            true => answer::be_of_service(&response.head.headers),
            false => Err(answer::unexpected(response.head.status)),
        };
        seen.map(|()| response).map_err(|error| self.requests.told(error))
    }

    /// Sends a request that must not be carried out twice.
    async fn exchange_once(&self, call: &Call<'_>) -> Result<Response, Error> {
        let mut patience = Patience::new(self.patience_for(call));
        loop {
            match self.attempt(call).await {
                Ok(response) => return Ok(response),
                Err(error) if was_not_done(&error) => {
                    tokio::time::sleep(patience.wait(error, Duration::ZERO)?).await;
                }
                Err(error) => {
                    return Err(Error::from(error).with_attempts(patience.failures() + 1));
                }
            }
        }
    }

    /// A request to the bucket itself.
    fn call(&self, method: Method, query: Vec<(String, String)>) -> Call<'_> {
        let (bucket, headers) = (self.name.as_str(), HeaderMap::new());
        Call { method, bucket, key: None, query, headers, body: Bytes::new(), pace: Pace::Usual }
    }
}

/// Whether a request that failed was certainly not carried out: it did not leave, or was turned
/// away at the door.
fn was_not_done(error: &SourceError) -> bool {
    let transport = error.source().and_then(|cause| cause.downcast_ref::<TransportError>());
    let unsent = matches!(
        transport.map(TransportError::kind),
        Some(
            TransportErrorKind::Resolve
                | TransportErrorKind::Connect
                | TransportErrorKind::ConnectTimeout
                | TransportErrorKind::TlsHandshake
        )
    );
    match error.failure() {
        Failure::Unsent | Failure::Scarce => true,
        // A bare 503 may be a proxy's, whose connection to the service broke.
        Failure::Throttled => error.service_code().is_some(),
        _ => unsent,
    }
}

/// A parameter without a value.
fn flag(name: &str) -> (String, String) {
    parameter(name, "")
}

fn parameter(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

const PATIENCE: Duration = Duration::from_secs(180);
const READ_TIMEOUT: Duration = Duration::from_secs(20);
