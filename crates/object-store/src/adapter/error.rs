//! What an error of ossget is to object_store.

use super::object_store::{Error, path::Path};
use ossget::ErrorKind;

/// The name of the store in errors.
pub(super) const STORE: &str = "OSS";

/// What an error of an operation on `path` is.
pub(super) fn told(error: ossget::Error, path: &Path) -> Error {
    let path = path.to_string();
    match error.kind() {
        ErrorKind::NotFound if is_missing(&error) => Error::NotFound { path, source: error.into() },
        ErrorKind::Exists => Error::AlreadyExists { path, source: error.into() },
        ErrorKind::PreconditionFailed if error.status() == Some(304) => {
            Error::NotModified { path, source: error.into() }
        }
        ErrorKind::PreconditionFailed | ErrorKind::Changed => {
            Error::Precondition { path, source: error.into() }
        }
        ErrorKind::Credentials => Error::Unauthenticated { path, source: error.into() },
        ErrorKind::Denied if is_unknown(&error) => {
            Error::Unauthenticated { path, source: error.into() }
        }
        ErrorKind::Denied => Error::PermissionDenied { path, source: error.into() },
        _ => generic(error),
    }
}

/// An error that is about no path.
pub(super) fn generic(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Generic { store: STORE, source: error.into() }
}

/// What OSS has no operation for.
pub(super) fn not_implemented(operation: &str) -> Error {
    Error::NotImplemented { operation: operation.to_owned(), implementer: STORE.to_owned() }
}

/// Whether the object is not there; otherwise it must be restored first, or something else is not
/// there. Whoever takes an object for missing may write another one in its place.
fn is_missing(error: &ossget::Error) -> bool {
    match error.service_code() {
        // A link is there.
        Some("SymlinkTargetNotExist") => false,
        Some(code) => !matches!(code, "InvalidObjectState" | "NoSuchBucket" | "NoSuchUpload"),
        // Something in between knows nothing of objects.
        None => error.request_id().is_some(),
    }
}

/// Whether the service does not know who asks.
fn is_unknown(error: &ossget::Error) -> bool {
    matches!(
        error.service_code(),
        Some("SignatureDoesNotMatch" | "InvalidAccessKeyId" | "InvalidSecurityToken")
    )
}
