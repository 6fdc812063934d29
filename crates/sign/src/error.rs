//! Why a request could not be signed.

use http::HeaderName;

/// Why a request could not be signed.
///
/// The text of an error names what was wrong, never a secret, a token or a value of the query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The access key id or the access key secret is empty.
    ///
    /// Anonymous access means not signing at all, so an empty pair is always a mistake; the
    /// official Go and Python SDKs refuse it too.
    #[error("the {field} is empty")]
    EmptyCredential {
        /// Which of the two, in words.
        field: &'static str,
    },
    /// A credential holds a character that cannot be part of it, such as the newline at the end of
    /// a file.
    #[error("the {field} holds a character that is not allowed in it")]
    MalformedCredential {
        /// Which one, in words.
        field: &'static str,
    },
    /// The region is empty or holds something other than `a-z`, `0-9` and `-`.
    #[error("the signing region {region:?} is not of the form `cn-hangzhou`")]
    Region {
        /// The region as given.
        region: String,
    },
    /// The product is empty or holds something other than `a-z`, `0-9` and `-`.
    #[error("the signing product {product:?} is not of the form `oss`")]
    Product {
        /// The product as given.
        product: String,
    },
    /// The bucket is empty or holds a `/`, or there is a key without a bucket.
    ///
    /// Any of these would sign the name of another object.
    #[error("the bucket is empty, holds a slash, or is missing although there is a key")]
    Bucket,
    /// A query parameter has an empty name, which servers drop, so that the signature cannot match.
    #[error("a query parameter has an empty name")]
    EmptyQueryName,
    /// A name occurs twice in the query; what the service signs then is not specified.
    #[error("the query parameter {name:?} occurs more than once")]
    DuplicateQueryName {
        /// The decoded name.
        name: String,
    },
    /// A request to be signed in its headers already carries a signature in its query.
    ///
    /// The service refuses a request with both (400 `InvalidArgument`).
    #[error("the query already carries a signature")]
    AlreadySigned,
    /// The value of a header that has to be signed is not UTF-8.
    #[error("the value of the header `{name}` is not UTF-8")]
    HeaderNotUtf8 {
        /// The header.
        name: HeaderName,
    },
    /// The request has so many headers (more than 20,000) that no more can be added.
    #[error("the request has too many headers")]
    TooManyHeaders,
    /// The time is before 1970 or after 9999, which no date format of the protocol can express.
    #[error("the signing time is before the year 1970 or after the year 9999")]
    Time,
    /// The lifetime of a presigned URL is too short or too long.
    #[error("a presigned URL cannot be valid for {seconds} s, only for 1 s to {max_seconds} s")]
    Expires {
        /// The lifetime asked for, in whole seconds.
        seconds: u64,
        /// The longest lifetime possible here, in seconds.
        max_seconds: u64,
    },
}

impl SignError {
    /// Says which input has to change for signing to succeed.
    #[must_use]
    pub const fn kind(&self) -> SignErrorKind {
        match self {
            Self::EmptyCredential { .. } | Self::MalformedCredential { .. } => {
                SignErrorKind::Credentials
            }
            Self::Region { .. } | Self::Product { .. } => SignErrorKind::Config,
            Self::Bucket
            | Self::EmptyQueryName
            | Self::DuplicateQueryName { .. }
            | Self::AlreadySigned
            | Self::HeaderNotUtf8 { .. }
            | Self::TooManyHeaders => SignErrorKind::Request,
            Self::Time | Self::Expires { .. } => SignErrorKind::Time,
        }
    }
}

/// Which input of the signer was at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignErrorKind {
    /// The credentials.
    Credentials,
    /// The configuration of the signer: region or product.
    Config,
    /// The request.
    Request,
    /// The signing time or the lifetime.
    Time,
}
