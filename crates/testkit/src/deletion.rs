//! Many objects deleted by one request.

use http::StatusCode;

use crate::document::{Document, Encoding};
use crate::operations::Arrival;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::store::Store;
use crate::xml::{self, Element};

/// DeleteMultipleObjects. A key without an object counts as deleted.
pub(crate) fn delete_multiple(arrival: &Arrival<'_>) -> Result<Reply, Refusal> {
    if arrival.call.header("content-md5").is_none() {
        return Err(Refusal::missing_argument());
    }
    arrival.check_digest()?;
    let order = Order::read(&arrival.body)?;
    let encoding = match arrival.call.header("encoding-type") {
        // The documentation has it among the headers, the SDKs in the query.
        Some("url") => Encoding::Url,
        _ => Encoding::of(arrival.call),
    };
    let mut document = Document::new("DeleteResult", encoding);
    document.encoding_type();
    for object in &order.objects {
        let deleted = object.delete(arrival.store, arrival.place.bucket);
        object.report(&mut document, deleted.as_deref());
    }
    match order.mode {
        Mode::Verbose => Ok(document.reply()),
        // What could not be deleted would be told, and there is nothing of that kind here.
        Mode::Quiet => Ok(Reply::new(StatusCode::OK)),
    }
}

/// What is to be deleted.
struct Order {
    mode: Mode,
    objects: Vec<Named>,
}

/// How much the answer says.
enum Mode {
    Verbose,
    Quiet,
}

struct Named {
    key: String,
    version: Option<String>,
}

impl Order {
    fn read(body: &[u8]) -> Result<Self, Refusal> {
        if body.len() > MAX_BODY {
            return Err(xml::malformed());
        }
        let document = xml::read(body, "Delete")?;
        let mode = match document.child("Quiet").map(|quiet| quiet.text().trim()) {
            None | Some("false") => Mode::Verbose,
            Some("true") => Mode::Quiet,
            Some(_) => return Err(xml::malformed()),
        };
        let objects = document.children("Object").map(Named::read);
        let objects = objects.collect::<Result<Vec<_>, _>>()?;
        if objects.is_empty() || objects.len() > MAX_OBJECTS {
            return Err(xml::malformed());
        }
        Ok(Self { mode, objects })
    }
}

impl Named {
    fn read(object: &Element) -> Result<Self, Refusal> {
        let text = |name| object.child(name).map(|child| child.text().to_owned());
        let key = text("Key").filter(|key| !key.is_empty()).ok_or_else(|| {
            Refusal::bad_request("UserKeyMustBeSpecified", "User key must be specified.")
        })?;
        Ok(Self { key, version: text("VersionId") })
    }

    fn delete(&self, store: &Store, bucket: &str) -> Option<String> {
        store.delete(bucket, &self.key, self.version.as_deref())
    }

    fn report(&self, document: &mut Document, marker: Option<&str>) {
        document.element("Deleted", |document| {
            document.encoded("Key", &self.key);
            if let Some(version) = &self.version {
                document.plain("VersionId", version);
            }
            if let Some(marker) = marker {
                document.plain("DeleteMarker", "true");
                document.plain("DeleteMarkerVersionId", marker);
            }
        });
    }
}

const MAX_OBJECTS: usize = 1000;
const MAX_BODY: usize = 2 << 20;
