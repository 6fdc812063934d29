//! Signs requests for Alibaba Cloud OSS: signature V4 and V1, header and query form, with STS.
//!
//! The crate does not read a clock, the environment or a file, opens no connection, and builds no
//! URL host: the time, the credentials and the request come in as values and the headers or query
//! parameters to add go out. It is a leaf of the workspace: nothing in it knows about downloads.
//!
//! ```
//! use std::time::{Duration, UNIX_EPOCH};
//!
//! use http::{HeaderMap, Method};
//! use ossget_sign::{Credentials, Request, Signer};
//!
//! # fn main() -> Result<(), ossget_sign::SignError> {
//! let credentials = Credentials::new("exampleid", "examplesecret")?;
//! let signer = Signer::v4("cn-hangzhou")?;
//! let request = Request {
//!     method: &Method::GET,
//!     bucket: Some("examplebucket"),
//!     key: Some("exampledir/exampleobject.txt"),
//!     query: &[],
//!     headers: &HeaderMap::new(),
//! };
//! let time = UNIX_EPOCH + Duration::from_secs(1_741_507_507);
//!
//! let signed = signer.sign(&request, &credentials, time)?;
//! let mut headers = HeaderMap::new();
//! headers.extend(signed.into_headers());
//! assert_eq!(headers["x-oss-date"], "20250309T080507Z");
//!
//! let url = signer.presign(&request, &credentials, time, Duration::from_secs(900))?;
//! assert!(url.encoded_query().starts_with("x-oss-signature-version=OSS4-HMAC-SHA256&"));
//! # Ok(())
//! # }
//! ```
//!
//! # Contracts
//!
//! * The same input gives the same output, byte for byte. Each attempt must be signed again with
//!   the time of that attempt: the service refuses a request more than 15 minutes off.
//! * The path on the wire must be exactly [`encode_path`] of the key (with the bucket before it in
//!   path style) and the query exactly [`encode_query`] of the parameters that were signed. URL
//!   types that normalise `a/../b` or re-encode `+` break the signature.
//! * Headers given by [`HeaderSignature`] replace headers of the same name, they are not appended.
//! * No error, `Debug` or `Display` text holds a secret, a token, a signature or a query value.
//! * Nothing here panics, whatever the input.
//!
//! # What is signed
//!
//! | | V4 | V1 |
//! | --- | --- | --- |
//! | resource | `/bucket/key`, percent-encoded | `/bucket/key`, raw |
//! | query | every parameter | `x-oss-*` and the [sub-resources](is_v1_subresource) |
//! | headers | `content-type`, `content-md5`, `x-oss-*`, additional ones | `content-type`, `content-md5`, `x-oss-*`, `date` |
//! | body | no (`UNSIGNED-PAYLOAD`) | only through `content-md5` |
//!
//! The rules are those on which the official SDKs agree (`alibabacloud-oss-go-sdk-v2` 1.5.1,
//! `alibabacloud-oss-v2` 1.4.1 for Python, `oss2` 2.19.1, `ali-oss` 6.23.0); where they differ, the
//! item concerned says which one is followed. The crate's tests hold 72 vectors made by running them.
//!
//! The modules [`v4`] and [`v1`] expose the building blocks, for a verifier such as a simulator of
//! the service. [`rpc`] signs requests to STS, where a role is assumed.

#![forbid(unsafe_code)]

mod credentials;
mod encode;
mod error;
mod key_cache;
mod request;
pub mod rpc;
mod signature;
mod signer;
mod time;
pub mod v1;
pub mod v4;

pub use credentials::Credentials;
pub use encode::{encode, encode_path, encode_query};
pub use error::{SignError, SignErrorKind};
pub use request::Request;
pub use signature::{HeaderSignature, QuerySignature};
pub use signer::{SignatureVersion, Signer};
pub use time::http_date;
pub use v1::is_v1_subresource;
