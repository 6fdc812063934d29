//! The operations on an object's tags.

use http::StatusCode;

use crate::objects;
use crate::operations::Arrival;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::tags::Tags;

/// GetObjectTagging.
pub(crate) fn get(arrival: &Arrival<'_>) -> Result<Reply, Refusal> {
    let object = objects::find(arrival.store, arrival.place, arrival.call.parameter("versionId"))?;
    let mut reply = object.metadata.tags.reply();
    objects::set_version(&mut reply, object.version.as_deref());
    Ok(reply)
}

/// PutObjectTagging.
pub(crate) fn put(arrival: &Arrival<'_>) -> Result<Reply, Refusal> {
    arrival.check_digest()?;
    replace(arrival, &Tags::in_document(&arrival.body)?, StatusCode::OK)
}

/// DeleteObjectTagging.
pub(crate) fn delete(arrival: &Arrival<'_>) -> Result<Reply, Refusal> {
    replace(arrival, &Tags::default(), StatusCode::NO_CONTENT)
}

fn replace(arrival: &Arrival<'_>, tags: &Tags, status: StatusCode) -> Result<Reply, Refusal> {
    let object = objects::find(arrival.store, arrival.place, arrival.call.parameter("versionId"))?;
    arrival.store.tag(arrival.place, &object, tags);
    let mut reply = Reply::new(status);
    objects::set_version(&mut reply, object.version.as_deref());
    Ok(reply)
}
