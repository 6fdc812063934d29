//! What the service makes of an object that is asked for with `x-oss-process`.

use crate::content::Content;
use crate::refusal::Refusal;
use crate::reply::{Length, Reply, ReplyBody};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use std::io;

/// The answer to a GET: `image/info` tells the size as the service does, and any other
/// `image/...` gives the bytes in reverse order, of a length that is not told.
///
/// Nothing in it is about the object itself: no ETag, no CRC-64, no range.
pub(crate) fn process(content: &Content, style: &str) -> Result<Reply, Refusal> {
    let mut reply = Reply::new(StatusCode::OK);
    let (kind, made) = match style.strip_prefix("image/") {
        Some("info") => ("application/json", info(content)),
        Some(rest) if !rest.is_empty() => ("image/jpeg", reversed(content)),
        _ => {
            let message = "The value of x-oss-process is invalid.";
            return Err(Refusal::bad_request("InvalidArgument", message)
                .child("ArgumentName", "x-oss-process")
                .child("ArgumentValue", style));
        }
    };
    let made = made.map_err(|error| {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", &error.to_string())
    })?;
    reply.headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply.length = if style == "image/info" { Length::Stated } else { Length::Hidden };
    let made = Content::bytes(made);
    reply.body = ReplyBody::Object { range: 0..made.size(), content: made };
    Ok(reply)
}

fn info(content: &Content) -> io::Result<Vec<u8>> {
    Ok(format!("{{\"FileSize\": {{\"value\": \"{}\"}}}}", content.size()).into_bytes())
}

fn reversed(content: &Content) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(content.size()).map_err(io::Error::other)?];
    content.try_fill(0, &mut bytes)?;
    bytes.reverse();
    Ok(bytes)
}
