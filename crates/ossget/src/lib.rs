//! Resumable, parallel, verified downloads from Alibaba Cloud OSS.
//!
//! A download is cut into parts; each is fetched by a ranged GET pinned to the object's ETag,
//! written at its position into a partial file, recorded in a crash-proof checkpoint and, when
//! everything is there and the CRC-64 matches, published by an atomic rename. Interrupted, it
//! goes on where it stopped, after reading back what it kept.
//!
//! What it does not do: upload files, or report success on wrong bytes. The requests that other
//! uses of a bucket take are in [`bucket`].
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use ossget::{Client, EnvironmentCredentials, Object};
//!
//! let client = Client::builder("https://oss-cn-hangzhou.aliyuncs.com", EnvironmentCredentials::new())
//!     .build()?;
//! let object = Object::new("examplebucket", "exampledir/exampleobject.txt")?;
//! let done = client.download(object, "exampleobject.txt").await?;
//! println!("{} bytes, CRC-64 {}", done.bytes, done.crc64);
//! # Ok(())
//! # }
//! ```
//!
//! [`Client`] assembles the layers below: `ossget-core` decides, `ossget-sign` signs,
//! `ossget-transport` sends, `ossget-fs` writes. The seams for applications are [`Source`],
//! [`Transport`] and [`FileSystem`](ossget_fs::FileSystem).

#![forbid(unsafe_code)]

pub mod bucket;
mod budget;
pub mod checkpoint;
mod checksum;
mod client;
mod credentials;
mod download;
mod downloaded;
mod driver;
mod endpoint;
mod error;
mod event;
mod object;
mod object_url;
mod options;
mod patience;
mod processing;
mod progress;
mod reading;
mod source;
mod stat;
mod verification;

pub use checksum::{Checksum, ChecksumError};
pub use client::{Client, ClientBuilder, DangerousBuilder, Network};
pub use credentials::{
    Anonymous, AssumeRole, Credentials, CredentialsChain, CredentialsProcess, CredentialsProvider,
    CredentialsSource, CredentialsUri, EcsRole, EnvironmentCredentials, FoundCredentials, Issued,
    OidcRole, Profile, ProfileSettings, Refreshing, Role, StaticCredentials, Surroundings,
};
pub use download::Download;
pub use downloaded::{Completion, Downloaded, Integrity};
pub use endpoint::{Addressing, Endpoint};
pub use error::{Error, ErrorKind};
pub use event::DownloadEvent;
pub use object::Object;
pub use object_url::ObjectUrl;
pub use options::{Clobber, DirectIo, DiskWrites, Durability, Parallel, Resume, Symlink};
pub use ossget_core::session::{CrcPolicy, OnChange, ResumeVerify};
pub use ossget_core::{ByteRange, ExtentRequest, Failure, ObjectIdentity, PartSize, PartSizeError};
pub use ossget_fs::NativeFileSystem;
pub use ossget_sign::SignatureVersion;
pub use ossget_transport::{
    Body, BodyStream, Filled, HyperTransport, HyperTransportBuilder, Limits, Proxy,
    Response as TransportResponse, Transport, TransportError, TransportErrorKind,
    TransportSetupError,
};
pub use processing::{ProcessedReader, ProcessedReading};
pub use progress::{DownloadHandle, Phase, Progress};
pub use reading::{ObjectReader, Reading};
pub use source::{
    Opening, OssSource, OssSourceBuilder, Plaintext, Precondition, ProcessedBody, RangeBody,
    Signing, Source, SourceError, TrafficLimit, UrlSource, transport_failure,
};
pub use stat::ObjectStat;
pub use verification::{Verdict, Verification, Verified};

/// The README's examples are compiled and run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
