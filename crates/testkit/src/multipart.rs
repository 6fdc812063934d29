//! Multipart uploads, from the first request to the object or to nothing.

use http::StatusCode;
use http::header::ETAG;

use crate::content::Content;
use crate::copying::Source;
use crate::document::{Document, Encoding};
use crate::metadata::{Metadata, ObjectType};
use crate::objects;
use crate::operations::Arrival;
use crate::range::{self, Behavior, Selection};
use crate::refusal::Refusal;
use crate::reply::{CRC64, Reply};
use crate::store::NewObject;
use crate::uploads::{Part, Upload, UploadId};
use crate::xml::{self, Element};

/// InitiateMultipartUpload.
pub(crate) fn initiate(arrival: &Arrival<'_>) -> Result<Reply, Refusal> {
    let metadata = Metadata::of(arrival.call)?;
    objects::check_overwrite(arrival)?;
    let id = arrival.store.uploads.begin(arrival.place, metadata, arrival.now);
    let mut document = Document::new("InitiateMultipartUploadResult", Encoding::of(arrival.call));
    document.encoding_type();
    document.plain("Bucket", arrival.place.bucket);
    document.encoded("Key", arrival.place.key);
    document.plain("UploadId", &id);
    Ok(document.reply())
}

/// UploadPart.
pub(crate) fn upload_part(arrival: &Arrival<'_>) -> Result<Reply, Refusal> {
    let (upload, number) = (upload_id(arrival)?, part_number(arrival)?);
    arrival.check_digest()?;
    let content = Content::bytes(arrival.body.clone());
    let mut reply = Reply::new(StatusCode::OK);
    reply.set(ETAG, &content.etag());
    reply.set(CRC64, &content.crc64().to_string());
    arrival.store.uploads.add(upload, number, Part { content, modified: arrival.now })?;
    Ok(reply)
}

/// UploadPartCopy. A range that is not within the source selects all of it.
pub(crate) fn upload_part_copy(arrival: &Arrival<'_>) -> Result<Reply, Refusal> {
    let (upload, number) = (upload_id(arrival)?, part_number(arrival)?);
    arrival.store.uploads.find(upload)?;
    let source = Source::of(arrival)?;
    let whole = &source.object.content;
    let asked = arrival.call.header("x-oss-copy-source-range");
    let selected = range::select(asked, whole.size(), Behavior::Legacy);
    let window = match &selected {
        Selection::Part(window) => window.clone(),
        Selection::Whole | Selection::Unsatisfiable => 0..whole.size(),
    };
    if window.end - window.start > MAX_PART {
        return Err(Refusal::entity_too_large(SOURCE_TOO_LARGE));
    }
    let content = whole.slice(window.clone());
    let mut reply = source.reply("CopyPartResult", &content.etag(), arrival.now);
    if matches!(selected, Selection::Part(_)) {
        let range = format!("bytes {}-{}/{}", window.start, window.end - 1, whole.size());
        reply.set(http::header::CONTENT_RANGE, &range);
    }
    arrival.store.uploads.add(upload, number, Part { content, modified: arrival.now })?;
    Ok(reply)
}

/// CompleteMultipartUpload: the upload stays as it is if that is refused.
pub(crate) fn complete(arrival: &Arrival<'_>) -> Result<Reply, Refusal> {
    let upload = upload_id(arrival)?;
    let found = arrival.store.uploads.find(upload)?;
    if arrival.call.header("x-oss-complete-all").is_some() {
        return Err(Refusal::header_not_implemented());
    }
    arrival.check_digest()?;
    let contents = chosen(&found, upload, &read_parts(&arrival.body)?)?;
    let taken = arrival.store.uploads.take(upload)?;
    let new = NewObject {
        content: Content::joined(contents),
        metadata: taken.metadata.clone(),
        object_type: ObjectType::Multipart,
        modified: arrival.now,
    };
    let object =
        arrival.write(new).inspect_err(|_| arrival.store.uploads.put_back(upload, taken))?;

    let mut document = Document::new("CompleteMultipartUploadResult", Encoding::of(arrival.call));
    document.encoding_type();
    // The path is encoded already, and names the bucket if the host does not.
    document.plain("Location", &format!("http://{}{}", arrival.call.host, arrival.call.path));
    document.plain("Bucket", arrival.place.bucket);
    document.encoded("Key", arrival.place.key);
    document.plain("ETag", &object.etag);
    let mut reply = document.reply();
    objects::describe_written(&mut reply, &object);
    Ok(reply)
}

/// AbortMultipartUpload.
pub(crate) fn abort(arrival: &Arrival<'_>) -> Result<Reply, Refusal> {
    arrival.store.uploads.take(upload_id(arrival)?)?;
    Ok(Reply::new(StatusCode::NO_CONTENT))
}

/// A part as a completion names it.
struct Named {
    number: u16,
    etag: String,
}

/// The list of parts in the document of a completion.
fn read_parts(body: &[u8]) -> Result<Vec<Named>, Refusal> {
    let document = xml::read(body, "CompleteMultipartUpload")?;
    let mut named: Vec<Named> = Vec::new();
    for part in document.children("Part") {
        let text = |name| part.child(name).map(Element::text).ok_or_else(xml::malformed);
        let (number, etag) = (text("PartNumber")?, text("ETag")?);
        let number = number.trim().parse::<u16>().ok().filter(|number| NUMBERS.contains(number));
        let number = number.ok_or_else(|| {
            let message = "Part number must be an integer between 1 and 10000, inclusive.";
            Refusal::bad_request("InvalidPartOrder", message)
        })?;
        if named.last().is_some_and(|before| before.number >= number) {
            let message = "The list of parts was not in ascending order.";
            return Err(Refusal::bad_request("InvalidPartOrder", message));
        }
        named.push(Named { number, etag: etag.trim().trim_matches('"').to_owned() });
    }
    if named.is_empty() { Err(xml::malformed()) } else { Ok(named) }
}

/// The contents of the parts a completion names, if they are what it takes them for.
fn chosen(found: &Upload, id: UploadId<'_>, named: &[Named]) -> Result<Vec<Content>, Refusal> {
    let mut contents = Vec::with_capacity(named.len());
    for Named { number, etag } in named {
        let part = found.parts.get(number);
        let part = part.filter(|part| part.content.etag().trim_matches('"') == etag);
        let part = part.ok_or_else(|| {
            let message = "One or more of the specified parts could not be found or the \
                           specified entity tag might not have matched the part's entity tag.";
            Refusal::bad_request("InvalidPart", message)
                .child("UploadId", id.id)
                .child("PartNumber", number.to_string())
                .child("PartEtag", etag)
        })?;
        contents.push(part.content.clone());
    }
    // Which part is the last is known only now.
    let (_, others) = contents.split_last().ok_or_else(xml::malformed)?;
    if let Some(small) = others.iter().find(|content| content.size() < MIN_PART) {
        let message = "Your proposed upload smaller than the minimum allowed size.";
        return Err(Refusal::bad_request("EntityTooSmall", message)
            .child("MinSizeAllowed", MIN_PART.to_string())
            .child("ProposedSize", small.size().to_string()));
    }
    Ok(contents)
}

/// Which upload a request means.
pub(crate) fn upload_id<'a>(arrival: &Arrival<'a>) -> Result<UploadId<'a>, Refusal> {
    let id = arrival.call.parameter("uploadId").ok_or_else(Refusal::missing_argument)?;
    Ok(UploadId { place: arrival.place, id })
}

fn part_number(arrival: &Arrival<'_>) -> Result<u16, Refusal> {
    let text = arrival.call.parameter("partNumber").ok_or_else(Refusal::missing_argument)?;
    text.parse::<u16>().ok().filter(|number| NUMBERS.contains(number)).ok_or_else(|| {
        let message = "Part number must be an integer between 1 and 10000, inclusive.";
        Refusal::invalid_argument(("partNumber", text), message)
    })
}

const NUMBERS: std::ops::RangeInclusive<u16> = 1..=10_000;

/// Of each part but the last.
const MIN_PART: u64 = 100 << 10;
const MAX_PART: u64 = 5 << 30;

/// What the service says of a source that is too large for one request.
pub(crate) const SOURCE_TOO_LARGE: &str = "Source object Length exceeds the maximum allowed size.";
