//! Writing an object in parts.

use super::putting::crc64;
use super::{Bucket, Overwrite, Put, Written, document, flag, parameter};
use crate::patience::with_patience;
use crate::source::{Call, Pace};
use crate::{Error, ErrorKind, Object};
use bytes::Bytes;
use http::{HeaderMap, Method};
use ossget_core::combine;
use serde::Deserialize;
use std::fmt::Write as _;

/// An object that is being written in parts. It is there once all of it is, by
/// [`Bucket::finish_upload`]; until then, or until [`Bucket::abort_upload`], the service keeps, and
/// charges for, its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    object: Object,
    id: String,
}

/// A part that the service has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadedPart {
    /// Its place among the parts, from 1 to 10,000; numbers may be left out.
    pub number: u16,
    /// Its ETag with the quotes.
    pub etag: String,
    /// Its length in bytes.
    pub len: u64,
    /// Its CRC-64; `None` where neither side knows it.
    pub crc64: Option<u64>,
}

impl Upload {
    /// An upload that was begun earlier: its object and its id.
    #[must_use]
    pub fn resumed(object: Object, id: impl Into<String>) -> Self {
        Self { object, id: id.into() }
    }

    /// The id that the service knows it by.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A request that writes a part.
    pub(super) fn part_call(&self, number: u16, headers: HeaderMap) -> Call<'_> {
        let mut call = self.call(Method::PUT, headers);
        call.query.push(parameter("partNumber", &number.to_string()));
        call
    }

    fn call(&self, method: Method, headers: HeaderMap) -> Call<'_> {
        let mut call = Call::of_object(method, &self.object, headers);
        call.query.push(parameter("uploadId", &self.id));
        call
    }
}

impl Bucket {
    /// Begins to write an object in parts (InitiateMultipartUpload). Whether it may replace another
    /// is said when it is finished.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) for a header that cannot be set; those of the service.
    pub async fn begin_upload(
        &self,
        object: &Object,
        headers: &[(String, String)],
    ) -> Result<Upload, Error> {
        let put = Put { headers: headers.to_vec(), ..Put::default() };
        let mut call = Call::of_object(Method::POST, object, put.headers()?);
        call.query.push(flag("uploads"));
        let begun: Begun = with_patience(self.patience, || async {
            document::read(self.requests.exchange(&call).await?, self.read_timeout).await
        })
        .await?;
        Ok(Upload { object: object.clone(), id: begun.upload_id })
    }

    /// Writes a part (UploadPart), instead of an earlier one of the same number. All but the last
    /// have 100 KiB at least, and each has 5 GiB at most.
    ///
    /// # Errors
    ///
    /// [`Integrity`](ErrorKind::Integrity) where what the service has got has another CRC-64; those
    /// of the service.
    pub async fn put_part(
        &self,
        upload: &Upload,
        number: u16,
        bytes: Bytes,
    ) -> Result<UploadedPart, Error> {
        let (len, crc64) = (bytes.len() as u64, crc64(&bytes));
        let mut call = upload.part_call(number, HeaderMap::new());
        call.body = bytes;
        let written = Written::told_by(&self.exchange(&call).await?).checked(Some(crc64))?;
        Ok(UploadedPart { number, etag: told(written.etag)?, len, crc64: Some(crc64) })
    }

    /// Makes the object of its parts (CompleteMultipartUpload). Parts that are not named are given
    /// up.
    ///
    /// # Errors
    ///
    /// [`Exists`](ErrorKind::Exists) where it must not be replaced;
    /// [`Integrity`](ErrorKind::Integrity) where the whole has another CRC-64 than its parts
    /// together; those of the service.
    ///
    /// # Cancel safety
    ///
    /// The object is there or not, never in part.
    pub async fn finish_upload(
        &self,
        upload: &Upload,
        parts: &[UploadedPart],
        overwrite: Overwrite,
    ) -> Result<Written, Error> {
        let mut parts: Vec<_> = parts.iter().collect();
        parts.sort_by_key(|part| part.number);
        let crc64 = parts.iter().try_fold(0, |crc, part| Some(combine(crc, part.crc64?, part.len)));
        let mut call = upload.call(Method::POST, overwrite.header());
        call.body = Bytes::from(list(&parts));
        call.pace = Pace::Slow;
        match self.exchange_heeding(&call, overwrite).await {
            Ok(response) => Written::told_by(&response).checked(crc64),
            Err(error) => match crc64.filter(|_| may_be_done(&error)) {
                Some(crc64) => self.finished_before(upload, crc64).await?.ok_or(error),
                None => Err(error),
            },
        }
    }

    /// Gives the parts up (AbortMultipartUpload).
    ///
    /// # Errors
    ///
    /// Those of the service.
    pub async fn abort_upload(&self, upload: &Upload) -> Result<(), Error> {
        match self.exchange(&upload.call(Method::DELETE, HeaderMap::new())).await {
            Err(error) if !may_be_done(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// The object of this CRC-64, if it is what stands there.
    async fn finished_before(&self, upload: &Upload, crc64: u64) -> Result<Option<Written>, Error> {
        let stat = self.head(&upload.object, &[]).await?;
        let identity = stat.identity;
        Ok((identity.crc64 == Some(crc64)).then_some(Written {
            etag: identity.etag,
            version_id: identity.version_id,
            crc64: identity.crc64,
        }))
    }
}

/// The document `InitiateMultipartUploadResult`.
#[derive(Debug, Deserialize)]
struct Begun {
    #[serde(rename = "UploadId")]
    upload_id: String,
}

/// Whether an earlier attempt that broke off may have been carried out: then its upload is no more.
fn may_be_done(error: &Error) -> bool {
    error.service_code() == Some("NoSuchUpload") && error.attempts() > 1
}

/// The ETag that the service gave.
fn told(etag: Option<String>) -> Result<String, Error> {
    etag.ok_or_else(|| Error::new(ErrorKind::Protocol, "the service gives a part no ETag"))
}

/// The document `CompleteMultipartUpload`.
fn list(parts: &[&UploadedPart]) -> String {
    let mut document = String::from("<CompleteMultipartUpload>");
    for part in parts {
        let etag = quick_xml::escape::escape(part.etag.as_str());
        // Writing to a string does not fail.
        let _ = write!(
            document,
            "<Part><PartNumber>{}</PartNumber><ETag>{etag}</ETag></Part>",
            part.number
        );
    }
    document.push_str("</CompleteMultipartUpload>");
    document
}
