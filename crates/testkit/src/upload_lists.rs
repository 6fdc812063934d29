//! What has been uploaded so far, and which uploads are under way.

use crate::call::Call;
use crate::clock::iso_date;
use crate::document::{Document, Encoding};
use crate::multipart;
use crate::operations::Arrival;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::store::Store;

/// ListParts.
pub(crate) fn list_parts(arrival: &Arrival<'_>) -> Result<Reply, Refusal> {
    let call = arrival.call;
    let id = multipart::upload_id(arrival)?;
    let upload = arrival.store.uploads.find(id)?;
    let max = limit(call, "max-parts")?;
    let after = match call.parameter("part-number-marker").filter(|text| !text.is_empty()) {
        None => 0,
        Some(text) => text.parse::<u16>().map_err(|_| {
            let message = "The part-number-marker must be a part number.";
            Refusal::invalid_argument(("part-number-marker", text), message)
        })?,
    };
    let mut parts = upload.parts.range(after.saturating_add(1)..).peekable();

    let mut document = Document::new("ListPartsResult", Encoding::of(call));
    document.encoding_type();
    document.plain("Bucket", arrival.place.bucket);
    document.encoded("Key", arrival.place.key);
    document.plain("UploadId", id.id);
    document.plain("StorageClass", upload.metadata.storage_class.name());
    document.plain("PartNumberMarker", &after.to_string());
    document.plain("MaxParts", &max.to_string());
    let mut last = after;
    for (number, part) in parts.by_ref().take(max) {
        last = *number;
        document.element("Part", |document| {
            document.plain("PartNumber", &number.to_string());
            document.plain("LastModified", &iso_date(part.modified));
            document.plain("ETag", &part.content.etag());
            document.plain("HashCrc64ecma", &part.content.crc64().to_string());
            document.plain("Size", &part.content.size().to_string());
        });
    }
    document.plain("NextPartNumberMarker", &last.to_string());
    document.plain("IsTruncated", &parts.peek().is_some().to_string());
    Ok(document.reply())
}

/// ListMultipartUploads, without grouping by a delimiter.
pub(crate) fn list_uploads(store: &Store, call: &Call, bucket: &str) -> Result<Reply, Refusal> {
    let parameter = |name| call.parameter(name).unwrap_or_default();
    if !parameter("delimiter").is_empty() {
        return Err(Refusal::not_implemented("The simulator groups no uploads."));
    }
    let max = limit(call, "max-uploads")?;
    let (prefix, key_marker) = (parameter("prefix"), parameter("key-marker"));
    // Without a key it is ignored.
    let id_marker = if key_marker.is_empty() { "" } else { parameter("upload-id-marker") };
    let follows = |key: &str, id: &str| {
        key > key_marker || (key == key_marker && !id_marker.is_empty() && id > id_marker)
    };
    let mut uploads = store.uploads.list(bucket);
    uploads.retain(|(key, id, _)| key.starts_with(prefix) && follows(key, id));
    let is_truncated = uploads.len() > max;
    uploads.truncate(max);

    let mut document = Document::new("ListMultipartUploadsResult", Encoding::of(call));
    document.encoding_type();
    document.plain("Bucket", bucket);
    document.encoded("KeyMarker", key_marker);
    document.plain("UploadIdMarker", id_marker);
    // Also on the last page: the service does, and SDKs look for them before they look further.
    let last = uploads.last().map(|(key, id, _)| (key.as_str(), id.as_str())).unwrap_or_default();
    document.encoded("NextKeyMarker", last.0);
    document.plain("NextUploadIdMarker", last.1);
    document.encoded("Delimiter", "");
    document.encoded("Prefix", prefix);
    document.plain("MaxUploads", &max.to_string());
    document.plain("IsTruncated", &is_truncated.to_string());
    for (key, id, upload) in &uploads {
        document.element("Upload", |document| {
            document.encoded("Key", key);
            document.plain("UploadId", id);
            document.plain("StorageClass", upload.metadata.storage_class.name());
            document.plain("Initiated", &iso_date(upload.initiated));
        });
    }
    Ok(document.reply())
}

/// How many lines a page may have.
fn limit(call: &Call, name: &'static str) -> Result<usize, Refusal> {
    let Some(text) = call.parameter(name).filter(|text| !text.is_empty()) else {
        return Ok(MAX_LINES);
    };
    text.parse::<usize>().ok().filter(|max| (1..=MAX_LINES).contains(max)).ok_or_else(|| {
        let message = format!("Argument {name} must be 1 to {MAX_LINES}.");
        Refusal::invalid_argument((name, text), &message)
    })
}

const MAX_LINES: usize = 1000;
