//! Writing an object by one request.

use super::Bucket;
use crate::source::{Call, answer, is_reserved};
use crate::{Error, ErrorKind, Object};
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use ossget_transport::Response;

/// How an object is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Put {
    /// What becomes of an object that is there.
    pub overwrite: Overwrite,
    /// What the service is to keep of the object besides its bytes: `content-type`,
    /// `cache-control`, `x-oss-meta-…`, `x-oss-storage-class`, `x-oss-tagging` …
    pub headers: Vec<(String, String)>,
}

/// What becomes of an object that is there when one of its key is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overwrite {
    /// It is replaced.
    #[default]
    Replace,
    /// It stays, and the operation fails with [`Exists`](ErrorKind::Exists)
    /// (`x-oss-forbid-overwrite`). In a bucket with versions the service does not heed that (OSS
    /// documentation, "PutObject").
    Refuse,
}

/// An object that was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// Its ETag with the quotes, where the service tells it.
    pub etag: Option<String>,
    /// Its version, where the bucket has versions.
    pub version_id: Option<String>,
    /// The CRC-64 of what the service has.
    pub crc64: Option<u64>,
}

impl Bucket {
    /// Writes an object of these bytes (PutObject), up to 5 GiB.
    ///
    /// # Errors
    ///
    /// [`Exists`](ErrorKind::Exists) where it must not be replaced;
    /// [`Integrity`](ErrorKind::Integrity) where what the service has got has another CRC-64;
    /// [`Config`](ErrorKind::Config) for a header that cannot be set; those of the service.
    ///
    /// # Cancel safety
    ///
    /// The object is there or not, never in part.
    pub async fn put(&self, object: &Object, bytes: Bytes, put: &Put) -> Result<Written, Error> {
        let mut call = Call::of_object(Method::PUT, object, put.headers()?);
        let crc64 = crc64(&bytes);
        call.body = bytes;
        let response = self.exchange_heeding(&call, put.overwrite).await?;
        Written::told_by(&response).checked(Some(crc64))
    }

    /// Sends a request that makes an object.
    pub(super) async fn exchange_heeding(
        &self,
        call: &Call<'_>,
        overwrite: Overwrite,
    ) -> Result<Response, Error> {
        match overwrite {
            Overwrite::Replace => self.exchange(call).await,
            // Done twice, the second time would meet the object of the first.
            Overwrite::Refuse => self.exchange_once(call).await,
        }
    }
}

impl Put {
    /// The headers of a request that makes an object.
    pub(super) fn headers(&self) -> Result<HeaderMap, Error> {
        let mut headers = self.overwrite.header();
        for (name, value) in &self.headers {
            let refused = |bound| Error::config("header", format_args!("`{name}`"), bound);
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|error| refused("a header's name").with_source(error))?;
            if is_reserved(name.as_str()) {
                return Err(refused("one that is free to set"));
            }
            // What a service told and was no text would be written back as something else.
            if value.contains(char::REPLACEMENT_CHARACTER) {
                return Err(refused("text"));
            }
            let value = HeaderValue::from_bytes(value.as_bytes())
                .map_err(|error| refused("without control characters").with_source(error))?;
            headers.insert(name, value);
        }
        Ok(headers)
    }
}

impl Overwrite {
    pub(super) fn header(self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if self == Self::Refuse {
            headers.insert(FORBID_OVERWRITE, HeaderValue::from_static("true"));
        }
        headers
    }
}

impl Written {
    /// What the headers of an answer tell.
    pub(super) fn told_by(response: &Response) -> Self {
        let headers = &response.head.headers;
        Self {
            etag: answer::etag(headers),
            version_id: answer::version_id(headers),
            crc64: answer::crc64(headers),
        }
    }

    /// Compares what the service has now with what was meant, as far as that is known.
    pub(super) fn checked(self, meant: Option<u64>) -> Result<Self, Error> {
        match (self.crc64, meant) {
            (Some(found), Some(meant)) if found != meant => {
                let what = "what the service has now does not have the CRC-64 that it should have";
                Err(Error::new(ErrorKind::Integrity, what)
                    .with_hint("write it again: what is there is damaged"))
            }
            (None, Some(_)) => {
                let what = "the service does not tell the CRC-64 of what it has now";
                Err(Error::new(ErrorKind::Protocol, what))
            }
            _ => Ok(self),
        }
    }
}

pub(super) fn crc64(bytes: &[u8]) -> u64 {
    let mut digest = Digest::new(CrcAlgorithm::Crc64Xz);
    digest.update(bytes);
    digest.finalize()
}

const FORBID_OVERWRITE: HeaderName = HeaderName::from_static("x-oss-forbid-overwrite");
