//! What the service says when it refuses a request.

use super::redaction::redacted;
use crate::Endpoint;
use crate::error::printable;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, Event};
use std::fmt;
use std::time::SystemTime;

/// An error response: its status and what could be read of its explanation. All text is escaped
/// and cut short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServiceError {
    status: u16,
    fields: Fields,
}

/// The members of the XML document `Error` that are of use.
///
/// Sources: the OSS documentation ("Error responses"), and the deserialisers of the Go and Python
/// SDKs v2.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Fields {
    code: Option<String>,
    message: Option<String>,
    request_id: Option<String>,
    ec: Option<String>,
    /// The endpoint that should have been used.
    endpoint: Option<String>,
    /// The service's time, in answer to a request signed with one too far from it.
    server_time: Option<String>,
}

impl ServiceError {
    /// Reads a response. The explanation is in the body, or, where there can be none, in the
    /// header `x-oss-err`, as base64 of the same document.
    ///
    /// A document that is not well formed, has a DOCTYPE or is not an `Error` explains nothing;
    /// then the headers `x-oss-request-id` and `x-oss-ec` are left.
    ///
    /// Every occurrence of one of `secrets`, which a server may have echoed, is blotted out, and
    /// that before anything is cut: half a secret is one, too.
    pub(crate) fn read(
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        secrets: &[&str],
    ) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let in_header = || {
            let document = STANDARD.decode(text("x-oss-err")?.trim()).ok()?;
            parse(&String::from_utf8_lossy(&document), secrets)
        };
        let in_body = parse(&String::from_utf8_lossy(body), secrets);
        let mut fields = in_body.or_else(in_header).unwrap_or_default();
        let kept = |name, limit| {
            text(name).map(|text| printable(redacted(text, secrets), limit).into_owned())
        };
        fields.request_id = fields.request_id.or_else(|| kept("x-oss-request-id", MAX_NAME));
        fields.ec = fields.ec.or_else(|| kept("x-oss-ec", MAX_NAME));
        Self { status: status.as_u16(), fields }
    }

    pub(crate) const fn status(&self) -> u16 {
        self.status
    }

    pub(crate) fn code(&self) -> Option<&str> {
        self.fields.code.as_deref()
    }

    pub(crate) fn message(&self) -> Option<&str> {
        self.fields.message.as_deref()
    }

    pub(crate) fn request_id(&self) -> Option<&str> {
        self.fields.request_id.as_deref()
    }

    pub(crate) fn ec(&self) -> Option<&str> {
        self.fields.ec.as_deref()
    }

    /// The service's time by its own account.
    pub(crate) fn server_time(&self) -> Option<SystemTime> {
        let time: Timestamp = self.fields.server_time.as_deref()?.parse().ok()?;
        Some(time.into())
    }

    /// What to do, where the service says it.
    pub(crate) fn hint(&self) -> Option<String> {
        // The service says so under a code that stands for everything.
        if self.message().is_some_and(|text| text.contains("Invalid signing region")) {
            return Some("sign for the bucket's own region: --region".to_owned());
        }
        let endpoint = Endpoint::parse(self.fields.endpoint.as_deref()?).ok()?;
        Some(format!("use the endpoint {}, which is the bucket's", endpoint.host()))
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the service answered {}", self.status)?;
        if let Some(code) = self.code() {
            write!(f, " {code}")?;
        }
        match self.message() {
            Some(message) => write!(f, ": {}", message.trim_end_matches('.')),
            None => Ok(()),
        }
    }
}

impl Fields {
    fn set(&mut self, name: &str, text: &str, secrets: &[&str]) {
        let (field, limit) = match name {
            "Code" => (&mut self.code, MAX_NAME),
            "Message" => (&mut self.message, MAX_TEXT),
            "RequestId" => (&mut self.request_id, MAX_NAME),
            "EC" => (&mut self.ec, MAX_NAME),
            "Endpoint" => (&mut self.endpoint, MAX_TEXT),
            "ServerTime" => (&mut self.server_time, MAX_NAME),
            _ => return,
        };
        let text = text.trim();
        if !text.is_empty() {
            *field = Some(printable(redacted(text, secrets), limit).into_owned());
        }
    }
}

/// Reads a document `Error` of one level. `None` if it is anything else or not well formed.
fn parse(document: &str, secrets: &[&str]) -> Option<Fields> {
    let mut reader = Reader::from_str(document);
    let mut fields = Fields::default();
    let mut depth = 0_u32;
    let mut name = String::new();
    let mut text = String::new();
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) => {
                let tag = tag.local_name();
                match depth {
                    0 if tag.as_ref() != "Error" => return None,
                    1 => {
                        name = tag.as_ref().to_owned();
                        text.clear();
                    }
                    _ => {}
                }
                depth += 1;
            }
            Event::End(_) => {
                if depth == 2 {
                    fields.set(&name, &text, secrets);
                }
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(fields);
                }
            }
            Event::Text(piece) if depth == 2 => text.push_str(&piece.xml10_content()),
            Event::CData(piece) if depth == 2 => text.push_str(&piece.xml10_content()),
            Event::GeneralRef(reference) if depth == 2 => resolve(&reference, &mut text)?,
            // An entity could be anything, and expand to any length.
            Event::DocType(_) | Event::Eof => return None,
            _ => {}
        }
    }
}

/// Only what every XML document has without declaring it.
fn resolve(reference: &BytesRef<'_>, text: &mut String) -> Option<()> {
    match reference.resolve_char_ref().ok()? {
        Some(character) => text.push(character),
        None => text.push_str(resolve_xml_entity(reference)?),
    }
    Some(())
}

/// Characters of a code or an id at most.
const MAX_NAME: usize = 128;
/// Characters of a message at most.
const MAX_TEXT: usize = 1024;

#[cfg(test)]
mod tests;
