//! Uploads in parts whose state the caller keeps.

use super::OssStore;
use super::error::{generic, told};
use super::object_store::multipart::PartId;
use super::object_store::{
    Error, MultipartId, PutMultipartOptions, PutPayload, PutResult, path::Path,
};
use super::upload::MOST_PARTS;
use ossget::bucket::{Upload, UploadedPart};

impl OssStore {
    pub(in super::super) async fn create_upload(
        &self,
        path: &Path,
        options: &PutMultipartOptions,
    ) -> Result<MultipartId, Error> {
        Ok(self.begin_upload(path, options).await?.id().to_owned())
    }

    pub(in super::super) async fn put_upload_part(
        &self,
        path: &Path,
        id: &MultipartId,
        part_idx: usize,
        data: PutPayload,
    ) -> Result<PartId, Error> {
        let number = number(part_idx)?;
        let part = self.bucket.put_part(&self.upload(path, id)?, number, data.into()).await;
        Ok(PartId { content_id: write(&part.map_err(|error| told(error, path))?) })
    }

    pub(in super::super) async fn complete_upload(
        &self,
        path: &Path,
        id: &MultipartId,
        parts: &[PartId],
    ) -> Result<PutResult, Error> {
        let parts = parts.iter().enumerate().map(|(idx, part)| read(number(idx)?, part));
        let parts = parts.collect::<Result<_, _>>()?;
        self.finish_upload(path, &self.upload(path, id)?, parts).await
    }

    pub(in super::super) async fn abort_upload(
        &self,
        path: &Path,
        id: &MultipartId,
    ) -> Result<(), Error> {
        let aborted = self.bucket.abort_upload(&self.upload(path, id)?).await;
        aborted.map_err(|error| told(error, path))
    }

    fn upload(&self, path: &Path, id: &MultipartId) -> Result<Upload, Error> {
        Ok(Upload::resumed(self.object(path)?, id.as_str()))
    }
}

/// OSS counts from 1.
fn number(part_idx: usize) -> Result<u16, Error> {
    let number = part_idx.checked_add(1).and_then(|number| u16::try_from(number).ok());
    number
        .filter(|number| *number <= MOST_PARTS)
        .ok_or_else(|| generic("an object has 10,000 parts at most: write larger ones"))
}

/// A part as the caller keeps it: its ETag, and what the whole's CRC-64 is computed from.
fn write(part: &UploadedPart) -> String {
    match part.crc64 {
        Some(crc64) => format!("{} {} {crc64}", part.etag, part.len),
        None => part.etag.clone(),
    }
}

fn read(number: u16, part: &PartId) -> Result<UploadedPart, Error> {
    let mut words = part.content_id.split(' ');
    let etag = words.next().filter(|etag| !etag.is_empty());
    let etag = etag.ok_or_else(|| generic("a part without an ETag is none"))?.to_owned();
    let mut number_of = || words.next().and_then(|word| word.parse().ok());
    let (len, crc64) = (number_of(), number_of());
    Ok(UploadedPart { number, etag, len: len.unwrap_or(0), crc64: len.and(crc64) })
}
