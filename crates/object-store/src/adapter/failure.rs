//! What a store's failure means for a download.

use super::object_store::Error;
use ossget::{
    ErrorKind, Failure, SourceError, TransportError, TransportErrorKind, transport_failure,
};
use std::error::Error as StdError;
use std::io;

/// The failure of a request.
pub(super) fn failed(error: Error) -> SourceError {
    let (failure, kind) = match &error {
        Error::NotFound { .. } => (Failure::NotFound, ErrorKind::NotFound),
        Error::Precondition { .. } | Error::NotModified { .. } => {
            (Failure::Changed, ErrorKind::Changed)
        }
        Error::PermissionDenied { .. } => (Failure::Denied, ErrorKind::Denied),
        Error::Unauthenticated { .. } => (Failure::Denied, ErrorKind::Credentials),
        Error::InvalidPath { .. } | Error::NotSupported { .. } | Error::NotImplemented { .. } => {
            (Failure::Fatal, ErrorKind::Config)
        }
        _ => unclassified(&error),
    };
    let told = SourceError::new(failure, "the store could not deliver").with_kind(kind);
    let told = match kind {
        ErrorKind::Denied | ErrorKind::Credentials => told.with_hint(CREDENTIALS),
        _ => told,
    };
    told.with_source(error)
}

/// The failure of a body.
pub(super) fn broken(error: Error) -> TransportError {
    let kind = transport_error(&error).map_or(TransportErrorKind::Broken, TransportError::kind);
    TransportError::new(kind, None, Some(Box::new(error)))
}

/// Of an error that the store does not tell from others.
fn unclassified(error: &Error) -> (Failure, ErrorKind) {
    if let Some(error) = transport_error(error) {
        return transport_failure(error);
    }
    if let Some(status) = status(error) {
        let failure = Failure::of_status(status, None);
        return (failure, SourceError::new(failure, "").kind());
    }
    // What else object_store tells nobody by a type, it says in words (0.13.2 and 0.14.2).
    let says = |words: &str| chain(error).any(|error| error.to_string().starts_with(words));
    if says("HTTP error: ") {
        return (Failure::Network, ErrorKind::Network);
    }
    if says("Received redirect without LOCATION") {
        return (Failure::Fatal, ErrorKind::Config);
    }
    match chain(error).find_map(|error| error.downcast_ref::<io::Error>()).map(io::Error::kind) {
        Some(io::ErrorKind::PermissionDenied) => (Failure::Denied, ErrorKind::Denied),
        // It may be anything, and the store may have tried again already: a few times more.
        _ => (Failure::Protocol, ErrorKind::Protocol),
    }
}

/// That of ossget's own transport, where the store sends its requests over it.
fn transport_error(error: &Error) -> Option<&TransportError> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// The status that a cloud answered. The type that holds it is private to object_store, so its words
/// have to do (`RequestError` in `client/retry.rs`, 0.13.2 and 0.14.2).
fn status(error: &Error) -> Option<u16> {
    chain(error).find_map(|error| {
        let words = error.to_string();
        let rest = words.strip_prefix("Server returned non-2xx status code: ")?;
        // A code that S3 answers with 400, and says what 403 says.
        match ["<Code>ExpiredToken<", "<Code>InvalidToken<"].iter().any(|code| rest.contains(code))
        {
            true => Some(403),
            false => rest.get(..3)?.parse().ok(),
        }
    })
}

fn chain(error: &Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    let mut next = error.source();
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// The clouds of object_store read all three.
const CREDENTIALS: &str = "check what the environment has for the store (AWS_…, GOOGLE_…, AZURE_…) and what that \
                           may read; or ask anonymously";
