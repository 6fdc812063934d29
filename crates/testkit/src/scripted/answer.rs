//! The right answer to a request.

use std::ops::Range;

use http::{Method, StatusCode};
use jiff::Timestamp;

use super::script::Place;
use crate::call::Call;
use crate::clock::http_date;
use crate::content::Content;
use crate::range::{self, Behavior, Selection};
use crate::refusal::Refusal;

/// A response in full, of which an object's bytes are read only when they are sent.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) head: String,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Object { content: Content, range: Range<u64> },
    Document(String),
}

impl Answer {
    /// What the service would say.
    pub(super) fn new(content: &Content, call: &Call, serial: u64) -> Self {
        let size = content.size();
        let wanted = call.header("if-match");
        let (status, window) = if wanted.is_some_and(|wanted| wanted != content.etag()) {
            (StatusCode::PRECONDITION_FAILED, None)
        } else if call.method == Method::HEAD {
            (StatusCode::OK, Some(0..size))
        } else {
            match range::select(call.header("range"), size, Behavior::Standard) {
                Selection::Whole => (StatusCode::OK, Some(0..size)),
                Selection::Part(range) => (StatusCode::PARTIAL_CONTENT, Some(range)),
                Selection::Unsatisfiable => (StatusCode::RANGE_NOT_SATISFIABLE, None),
            }
        };
        let (length, fields, body) = match window {
            Some(range) => {
                let fields = described(content, status, &range);
                let length = range.end - range.start;
                (length, fields, Body::Object { content: content.clone(), range })
            }
            None => {
                let document = refusal(status).xml(&request_id(serial), &call.host);
                let fields = "Content-Type: application/xml\r\n".to_owned();
                (document.len() as u64, fields, Body::Document(document))
            }
        };
        let reason = status.canonical_reason().unwrap_or_default();
        let mut head = format!("HTTP/1.1 {} {reason}\r\nServer: AliyunOSS\r\n", status.as_u16());
        head += &format!("Date: {}\r\n", http_date(Timestamp::now()));
        head += &format!("x-oss-request-id: {}\r\n", request_id(serial));
        head += &format!("Content-Length: {length}\r\nConnection: keep-alive\r\n{fields}\r\n");
        let body = match call.method {
            Method::HEAD => Body::Document(String::new()),
            _ => body,
        };
        Self { status, head, body }
    }

    pub(super) fn len(&self) -> u64 {
        self.head_len() + self.body_len()
    }

    pub(super) fn head_len(&self) -> u64 {
        self.head.len() as u64
    }

    fn body_len(&self) -> u64 {
        match &self.body {
            Body::Object { range, .. } => range.end - range.start,
            Body::Document(text) => text.len() as u64,
        }
    }

    /// Where a place is in this response; one that it does not have is its end.
    pub(super) fn index(&self, place: Place) -> u64 {
        let index = match place {
            Place::Byte(index) => index,
            Place::Header(name) => self.in_header(name),
            Place::BlankLine => self.head_len() - 2,
            Place::Body(index) => self.head_len() + index,
            Place::Object(position) => {
                let start = match &self.body {
                    Body::Object { range, .. } => range.start,
                    Body::Document(_) => 0,
                };
                self.head_len() + position.saturating_sub(start)
            }
            Place::End => u64::MAX,
        };
        index.min(self.len())
    }

    /// These bytes of the response.
    pub(super) fn bytes(&self, at: Range<u64>) -> Vec<u8> {
        let head = self.head.as_bytes();
        let split = |index: u64| (index as usize).min(head.len());
        let mut bytes = head[split(at.start)..split(at.end)].to_vec();
        let within = |index: u64| index.saturating_sub(self.head_len());
        let (start, end) = (within(at.start), within(at.end));
        match &self.body {
            Body::Object { content, range } => {
                bytes.extend(content.window(range.start + start..range.start + end));
            }
            Body::Document(text) => {
                bytes.extend(&text.as_bytes()[start as usize..end as usize]);
            }
        }
        bytes
    }

    /// Behind the first byte of a header's value.
    fn in_header(&self, name: &str) -> u64 {
        let lower = self.head.to_ascii_lowercase();
        let field = format!("\r\n{}: ", name.to_ascii_lowercase());
        let at = lower.find(&field).map(|at| at + field.len() + 1);
        at.map_or(u64::MAX, |at| at as u64)
    }
}

/// The headers that describe the object.
fn described(content: &Content, status: StatusCode, range: &Range<u64>) -> String {
    let mut fields = String::new();
    if status == StatusCode::PARTIAL_CONTENT {
        let last = range.end - 1;
        let value = format!("bytes {}-{last}/{}", range.start, content.size());
        fields += &format!("Content-Range: {value}\r\n");
    }
    fields += &format!("Content-Type: application/octet-stream\r\nETag: {}\r\n", content.etag());
    fields += &format!("Accept-Ranges: bytes\r\nLast-Modified: {LAST_MODIFIED}\r\n");
    fields += "x-oss-object-type: Normal\r\nx-oss-storage-class: Standard\r\n";
    fields + &format!("x-oss-hash-crc64ecma: {}\r\n", content.crc64())
}

fn refusal(status: StatusCode) -> Refusal {
    let code = match status {
        StatusCode::PRECONDITION_FAILED => "PreconditionFailed",
        _ => "InvalidRange",
    };
    Refusal::new(status, code, "refused by the scripted server")
}

/// As long as the service's.
fn request_id(serial: u64) -> String {
    format!("{serial:024X}")
}

/// Fixed: the object never changes.
const LAST_MODIFIED: &str = "Sun, 09 Mar 2025 08:05:07 GMT";
